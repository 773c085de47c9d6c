/**
 * Entries in waiting lists, of the account and of the guests of this browser.
 *
 * Guarantees of the folder: an entry is asked for once, however often its button is pressed; what is shown of it is the
 * server's word; an offer is shown with its end and leads to the reservation that it is.
 *
 * This file: which entries are told of, and how. Pure.
 */
import type { WaitingEntry } from './types';

/** Still in line, or with tickets held for it. */
export const isActive = ({ status }: WaitingEntry): boolean => status === 'waiting' || status === 'offered';

/** Newest first, each once. */
export function newestFirst(entries: readonly WaitingEntry[]): readonly WaitingEntry[] {
  const unique = [...new Map(entries.map((entry) => [entry.id, entry])).values()];
  return unique.sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
}

/** What is told beside a category: the entry that is active, else the newest if its offer was not taken. */
export function entryOf(
  entries: readonly WaitingEntry[],
  matchNumber: number,
  category: number,
): WaitingEntry | null {
  const own = newestFirst(entries).filter(
    (entry) => entry.matchNumber === matchNumber && entry.category === category,
  );
  const active = own.find(isActive);
  if (active) return active;
  const [newest] = own;
  return newest?.status === 'lapsed' ? newest : null;
}

/** Offers whose time is not up, the one that ends first before the others. `now`: of the server's clock. */
export function offersOf(entries: readonly WaitingEntry[], now: number): readonly WaitingEntry[] {
  const endOf = ({ offer }: WaitingEntry): number => (offer ? Date.parse(offer.expiresAt) : 0);
  return entries
    .filter((entry) => entry.status === 'offered' && endOf(entry) > now)
    .sort((a, b) => endOf(a) - endOf(b));
}

/** Of a list of all that somebody waits for: what is offered, or was taken, is shown among the tickets. */
export const listed = (entries: readonly WaitingEntry[]): readonly WaitingEntry[] =>
  newestFirst(entries).filter(({ status }) => status === 'waiting' || status === 'lapsed');
