/** Reads entries, joins and leaves. */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, asProblem, intents, reservationTokens, type ApiProblem } from '../api';
import type { ApiRequest } from '../api/client';
import { useHydrated } from '../app/environment';
import { tokensFor } from '../tickets/data';
import { useSession } from '../ui/session';
import { isActive, newestFirst } from './entries';
import { waitingMarks } from './marks';
import type { WaitingEntry } from './types';

const KEY = 'waiting-list';
const PATH = '/waiting-list';
/** While somebody waits and looks at the page; an offer comes by mail too. */
const AGAIN_MS = 20_000;
const FRESH_MS = 5_000;

const pathOf = (id: string): string => `${PATH}/${encodeURIComponent(id)}`;

/** What opens an entry: a guest's token, or nothing more than the account. */
function tokensOf(id: string): readonly string[] {
  const token = waitingMarks.get(id);
  return token === undefined || token === '' ? [] : [token];
}

/** The account's own; none where there are no waiting lists. */
async function readMine(signal: AbortSignal): Promise<readonly WaitingEntry[]> {
  try {
    return (await api.send<{ entries: WaitingEntry[] }>({ path: PATH, signal })).entries;
  } catch (error) {
    const problem = asProblem(error);
    if (problem.code === 'not_found') return [];
    throw problem;
  }
}

/** A guest's; null when it is no more. */
async function readOne(id: string, signal: AbortSignal): Promise<WaitingEntry | null> {
  try {
    const entry = await api.send<WaitingEntry>({ path: pathOf(id), tokens: tokensOf(id), signal });
    // Its reservation is among the tickets; what was given up is nowhere.
    if (entry.status === 'taken' || entry.status === 'left') waitingMarks.remove(id);
    return keptOffer(entry);
  } catch (error) {
    const problem = asProblem(error);
    if (problem.code !== 'not_found' && problem.code !== 'forbidden') throw problem;
    waitingMarks.remove(id);
    return null;
  }
}

/** The reservation of a guest's offer is opened by its token. */
function keptOffer(entry: WaitingEntry): WaitingEntry {
  const { offer } = entry;
  if (offer?.token !== undefined && reservationTokens.get(offer.reservationId) === undefined) {
    reservationTokens.set(offer.reservationId, offer.token);
  }
  return entry;
}

/** What is over is not asked for again and again: offers that lapsed are told of by this account's list. */
function tidy(entries: readonly WaitingEntry[]): void {
  const active = new Set(entries.filter(isActive).map(({ id }) => id));
  for (const id of waitingMarks.ids()) {
    if (tokensOf(id).length === 0 && !active.has(id)) waitingMarks.remove(id);
  }
}

const guestIds = (): readonly string[] => waitingMarks.ids().filter((id) => tokensOf(id).length > 0);

export interface Entries {
  /** Null until they are known. */
  readonly data: readonly WaitingEntry[] | null;
  readonly problem: ApiProblem | null;
  readonly retry: () => void;
}

export function useEntries(): Entries {
  const session = useSession();
  const isHydrated = useHydrated();
  const who = session.kind === 'account' ? session.account.id : session.kind;
  const { data, error, refetch } = useQuery<readonly WaitingEntry[], ApiProblem>({
    queryKey: [KEY, who],
    enabled: isHydrated && session.kind !== 'unknown',
    queryFn: async ({ signal }) => {
      const [mine, guests] = await Promise.all([
        session.kind === 'account' ? readMine(signal) : [],
        Promise.all(guestIds().map((id) => readOne(id, signal))),
      ]);
      const all = newestFirst([...mine, ...guests.filter((entry) => entry !== null)]);
      if (session.kind === 'account') tidy(all);
      return all;
    },
    staleTime: FRESH_MS,
    refetchOnWindowFocus: true,
    refetchInterval: ({ state }) => (state.data?.some(isActive) === true ? AGAIN_MS : false),
  });
  return { data: data ?? null, problem: error, retry: () => void refetch() };
}

export interface Joining {
  readonly matchNumber: number;
  readonly category: number;
  readonly quantity: number;
  /** Of a guest. */
  readonly email?: string;
}

/** Throws `ApiProblem`. While nobody knows what happened, the same entry is asked for again. */
export function useJoin(): (
  wanted: Joining,
  onProgress: NonNullable<ApiRequest['onProgress']>,
) => Promise<void> {
  const client = useQueryClient();
  return async (wanted, onProgress) => {
    const intent = `waiting-list:${wanted.matchNumber}:${wanted.category}`;
    try {
      const key = intents.keyOf(intent, wanted);
      const entry = await api.send<WaitingEntry>({
        method: 'POST',
        path: PATH,
        body: wanted,
        key,
        onProgress,
      });
      intents.end(intent);
      waitingMarks.set(entry.id, entry.token ?? '');
      keptOffer(entry);
      await client.invalidateQueries({ queryKey: [KEY] });
    } catch (error) {
      const problem = asProblem(error);
      if (!problem.isOutcomeUnknown) intents.end(intent);
      throw problem;
    }
  };
}

/**
 * Gives the place up, or the hold that was offered for it. Throws `ApiProblem`: `invalid_state` where tickets were
 * offered meanwhile. A place that is over already is what was wanted.
 */
export function useLeave(): (entry: WaitingEntry) => Promise<void> {
  const client = useQueryClient();
  return async ({ id, offer }) => {
    try {
      await (offer
        ? api.send({
            method: 'DELETE',
            path: `/reservations/${encodeURIComponent(offer.reservationId)}`,
            tokens: tokensFor(offer.reservationId),
          })
        : api.send({ method: 'DELETE', path: pathOf(id), tokens: tokensOf(id) }));
      waitingMarks.remove(id);
    } catch (error) {
      const problem = asProblem(error);
      const isOver =
        problem.code === 'not_found' ||
        (problem.code === 'invalid_state' && problem.members['reservationId'] === undefined);
      if (!isOver) throw problem;
      waitingMarks.remove(id);
    } finally {
      void client.invalidateQueries({ queryKey: [KEY] });
      if (offer) void client.invalidateQueries({ queryKey: ['reservations'] });
    }
  };
}
