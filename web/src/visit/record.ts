/** Records what is looked at and searched for, where the visitor agreed; what does it is loaded only then. */
import { useEffect, useEffectEvent, useSyncExternalStore } from 'react';
import { consent, type Answer } from './consent';
import type { Seen } from './recorder';

/** `unasked` on the server and in the first rendering. */
export const useConsent = (): Answer =>
  useSyncExternalStore(
    consent.subscribe,
    () => consent.answer,
    () => 'unasked',
  );

async function record(seen: Seen): Promise<void> {
  if (consent.answer !== 'yes') return;
  try {
    (await import('./recorder')).recorder.add(seen);
  } catch {
    // Without a network there is nothing to tell either.
  }
}

/** Once for each match that is opened; also when consent comes while it is looked at. */
export function useRecordedView(matchNumber: number): void {
  const answer = useConsent();
  useEffect(() => {
    if (answer === 'yes') void record({ kind: 'view', matchNumber });
  }, [answer, matchNumber]);
}

/** Once for each search that names something of the list. */
export function useRecordedSearch(terms: readonly string[], results: number): void {
  // What is found changes with sales; the search is the same.
  const search = useEffectEvent(() => {
    if (terms.length > 0) void record({ kind: 'search', terms, results });
  });
  const key = JSON.stringify(terms);
  useEffect(() => search(), [key]);
}
