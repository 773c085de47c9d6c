/** The matches of every page: read once, then kept up to date by the stream while a page that shows them is open. */
import { useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { api, serverClock, type ApiProblem } from '../api';
import type { MatchView } from '../api/types';
import { useEnvironment } from '../app/environment';
import { matchAt, nextChangeOf } from '../data/sale';
import { applyFacts, applyTickets, hasUnknownMatch, withFacts } from './apply';
import { AvailabilityFeed, type FeedState } from './feed';

export const MATCHES_KEY = ['matches'] as const;

interface Matches {
  readonly matches: readonly MatchView[] | null;
  readonly problem: ApiProblem | null;
  readonly isLoading: boolean;
  readonly retry: () => void;
}

async function readMatches(signal?: AbortSignal): Promise<readonly MatchView[]> {
  const { matches } = await api.send<{ matches: MatchView[] }>({
    path: '/matches',
    auth: 'none',
    ...(signal && { signal }),
  });
  return matches;
}

export function useMatches(): Matches {
  const { data, error, isPending, refetch } = useQuery<readonly MatchView[], ApiProblem>({
    queryKey: MATCHES_KEY,
    queryFn: async ({ signal }) => {
      return await readMatches(signal);
    },
    // The stream keeps it up to date.
    staleTime: Infinity,
  });
  return { matches: data ?? null, problem: error, isLoading: isPending, retry: () => void refetch() };
}

export function useMatch(matchNumber: number): Matches & { readonly match: MatchView | undefined } {
  const found = useMatches();
  return { ...found, match: found.matches?.find((match) => match.matchNumber === matchNumber) };
}

/** After a match was cancelled or moved from this page, which need not have the stream open. */
export function useMatchesAnew(): () => void {
  const client = useQueryClient();
  return () => matchesAnew(client);
}

/** A failure changes nothing. */
function matchesAnew(client: QueryClient): void {
  readMatches()
    .then((read) => {
      client.setQueryData<readonly MatchView[]>(MATCHES_KEY, (known) => known && withFacts(known, read));
    })
    .catch(() => undefined);
}

/** Timers of browsers count no further, and a clock that was set is noticed. */
const LOOK_MS_MAX = 60 * 60_000;
const LOOK_MS_MIN = 50;
/** Everybody's page sees the same opening: they ask what it brought one after the other. */
const ANEW_MS = 1_000;
const ANEW_SPREAD_MS = 4_000;
const ANEW_AGAIN_MS = 15_000;

/**
 * A match as its sale phases make it now, by the server's clock: what was told ahead takes effect at its time, and the
 * match is read anew then. The server renders it as of the moment of rendering.
 */
export function useSalesNow(match: MatchView): MatchView {
  const client = useQueryClient();
  const { renderedAt } = useEnvironment();
  const [now, setNow] = useState(renderedAt);
  const shown = useMemo(() => matchAt(match, now), [match, now]);
  const changesAt = nextChangeOf(match, now);
  useEffect(() => {
    if (changesAt === null) return undefined;
    const aheadMs = changesAt - serverClock.now();
    const ms = Math.min(LOOK_MS_MAX, Math.max(LOOK_MS_MIN, aheadMs));
    const timer = setTimeout(() => setNow(serverClock.now()), ms);
    return () => clearTimeout(timer);
  }, [changesAt, now]);
  const isBehind = shown !== match;
  useEffect(() => {
    if (!isBehind) return undefined;
    let timer = setTimeout(read, ANEW_MS + Math.random() * ANEW_SPREAD_MS);
    function read(): void {
      matchesAnew(client);
      timer = setTimeout(read, ANEW_AGAIN_MS);
    }
    return () => clearTimeout(timer);
  }, [client, isBehind]);
  return shown;
}

let feed: AvailabilityFeed | null = null;

function feedOf(client: QueryClient): AvailabilityFeed {
  feed ??= new AvailabilityFeed({
    url: '/api/v1/availability/stream',
    fetch: (...request) => fetch(...request),
    now: () => Date.now(),
    random: Math.random,
    schedule: (ms, run) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    },
    onMatches: (told) => {
      client.setQueryData<readonly MatchView[]>(MATCHES_KEY, (known) => known && applyFacts(known, told));
    },
    onTickets: (tickets, isSnapshot) => {
      const known = client.getQueryData<readonly MatchView[]>(MATCHES_KEY);
      if (!known) return;
      const next = applyTickets(known, tickets);
      if (next !== known) client.setQueryData(MATCHES_KEY, next);
      if (isSnapshot && hasUnknownMatch(known, tickets))
        void client.invalidateQueries({ queryKey: MATCHES_KEY });
    },
  });
  return feed;
}

/** Pages that show availability; the connection is open while there is one. */
let viewers = 0;
/** A page that gives way to another must not end the connection. */
const LINGER_MS = 2_000;

const CONNECTING: FeedState = { kind: 'connecting' };
const nothing = (): void => undefined;

/** Keeps `useMatches` live while the component is shown. */
export function useLiveAvailability(): FeedState {
  const client = useQueryClient();
  const isBrowser = typeof window !== 'undefined';
  const live = isBrowser ? feedOf(client) : null;
  useEffect(() => {
    if (!live) return undefined;
    viewers += 1;
    live.start();
    const look = (): void => live.visible(document.visibilityState === 'visible');
    const wake = (): void => live.wake();
    const offline = (): void => live.offline();
    document.addEventListener('visibilitychange', look);
    window.addEventListener('online', wake);
    window.addEventListener('offline', offline);
    return () => {
      document.removeEventListener('visibilitychange', look);
      window.removeEventListener('online', wake);
      window.removeEventListener('offline', offline);
      viewers -= 1;
      setTimeout(() => {
        if (viewers === 0) live.stop();
      }, LINGER_MS);
    };
  }, [live]);
  return useSyncExternalStore(
    live?.subscribe ?? (() => nothing),
    () => live?.state ?? CONNECTING,
    () => CONNECTING,
  );
}
