/**
 * What the operators' pages read, and how it is kept.
 *
 * Guarantees: everything is kept under `operator` in the query cache, or on its way there, so it
 * can be forgotten at once;
 * what is read again and again rests while nobody looks at the page.
 */
import { useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type ApiProblem } from '../api';
import type { ApiRequest } from '../api/client';

export type Question = Pick<ApiRequest, 'path' | 'query' | 'timeoutMs'>;

export interface ReadOptions {
  /** Read again so often, milliseconds. Absent: only when asked for. */
  readonly everyMs?: number;
  /** False: not yet. */
  readonly isWanted?: boolean;
}

export interface Read<T> {
  /** Null until the first answer. After a failure the last answer stays. */
  readonly data: T | null;
  readonly problem: ApiProblem | null;
  /** When `data` was answered, milliseconds since 1970 by this machine; 0 before. */
  readonly readAt: number;
  readonly isReading: boolean;
  /** `data` answers the question before: the new one is under way. */
  readonly isOfBefore: boolean;
  readonly refresh: () => void;
}

const keyOf = ({ path, query = {} }: Question): readonly unknown[] => ['operator', path, query];

/** An answer that no page has read within so long is not new any more. */
const EARLY_MS_MAX = 10_000;
const early = new Map<string, Promise<unknown>>();

/** Asks what a page that is still being loaded will ask first: that page reads this answer. */
export function askEarly(question: Question): void {
  const key = JSON.stringify(keyOf(question));
  const answer = api.send<unknown>(question);
  early.set(key, answer);
  // Who reads it hears of it.
  answer.catch(() => undefined);
  setTimeout(() => early.delete(key), EARLY_MS_MAX);
}

/** After a log-out nothing of it stays in memory. */
export function forgetReads(client: QueryClient): void {
  early.clear();
  client.removeQueries({ queryKey: ['operator'] });
}

function takeEarly<T>(question: Question): Promise<T> | null {
  const key = JSON.stringify(keyOf(question));
  const answer = early.get(key);
  early.delete(key);
  return (answer as Promise<T> | undefined) ?? null;
}

export function useRead<T>(question: Question, options: ReadOptions = {}): Read<T> {
  const { everyMs, isWanted = true } = options;
  const { data, error, dataUpdatedAt, isFetching, isPlaceholderData, refetch } = useQuery<T, ApiProblem>({
    queryKey: keyOf(question),
    enabled: isWanted,
    queryFn: ({ signal }) => takeEarly<T>(question) ?? api.send<T>({ ...question, signal }),
    staleTime: 0,
    // Another filter of the same list, never another thing.
    placeholderData: (before, asked) => (asked?.queryKey[1] === question.path ? before : undefined),
    refetchOnWindowFocus: everyMs !== undefined,
    ...(everyMs !== undefined && { refetchInterval: everyMs }),
  });
  return {
    data: data ?? null,
    problem: error,
    readAt: dataUpdatedAt,
    isReading: isFetching,
    isOfBefore: isPlaceholderData,
    refresh: () => void refetch(),
  };
}

/** After a change: what was read from this path, and below it, is read anew. */
export function useReadAnew(): (path: string) => Promise<void> {
  const client = useQueryClient();
  return (path) =>
    client.invalidateQueries({
      predicate: ({ queryKey: [first, read] }) =>
        first === 'operator' && typeof read === 'string' && (read === path || read.startsWith(`${path}/`)),
    });
}

/** Where somebody is in a list that is read page by page; null where there is no way on. */
export interface Place {
  readonly number: number;
  readonly previous: (() => void) | null;
  readonly next: (() => void) | null;
}

/** A list whose answers carry `next`, the `after` of the page that follows. Another question begins at its first page. */
export function usePages<T extends { readonly next?: string }>(
  question: Question,
  options: ReadOptions = {},
): Read<T> & { readonly place: Place } {
  const asked = JSON.stringify(question);
  const [kept, setKept] = useState<{ readonly asked: string; readonly cursors: readonly string[] }>({
    asked,
    cursors: [],
  });
  const cursors = kept.asked === asked ? kept.cursors : [];
  const after = cursors.at(-1);
  const read = useRead<T>({ ...question, query: { ...question.query, after } }, options);
  const next = read.isOfBefore ? undefined : read.data?.next;
  const go = (to: readonly string[]) => (): void => setKept({ asked, cursors: to });
  return {
    ...read,
    place: {
      number: cursors.length + 1,
      previous: cursors.length === 0 ? null : go(cursors.slice(0, -1)),
      next: next === undefined ? null : go([...cursors, next]),
    },
  };
}
