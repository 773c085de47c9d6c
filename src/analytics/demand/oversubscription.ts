/**
 * Where other marketplaces took more than was left, as far as the counts by the hour tell. Pure.
 *
 * Guarantee: nobody is named who sold nothing in an hour in which more was sold than was left. Within an hour the order
 * is not known: of several who sold in it, each may be the one who was late, so that numbers are "at most". Holds leave
 * no trace in these counts once they ended.
 */
import type { History } from './history.js';

export interface Oversubscriber {
  readonly clientId: string;
  /** Hours in which more was sold than was left, and it sold. */
  readonly hours: number;
  /** Tickets it can have sold too much, at most. */
  readonly ticketsMost: number;
}

/**
 * Those who sold most often when too little was left, that one first. `available`: now, of a capacity that is taken to
 * have been the same all the time. `fromHour`: earlier ones are left out.
 */
export function oversubscribersOf(
  history: History,
  available: number,
  fromHour: number,
): readonly Oversubscriber[] {
  const found = new Map<string, { hours: number; ticketsMost: number }>();
  let left = available;
  for (const { hour, sold, refunded, peers } of history.toReversed()) {
    if (hour < fromHour) break;
    left += sold - refunded;
    // What was given back within the hour may have come before the sales.
    const over = sold - Math.max(0, left + refunded);
    if (over <= 0) continue;
    for (const [clientId, count] of peers) {
      const one = found.get(clientId) ?? { hours: 0, ticketsMost: 0 };
      found.set(clientId, one);
      one.hours += 1;
      one.ticketsMost += Math.min(count, over);
    }
  }
  return ranked([...found].map(([clientId, counts]) => ({ clientId, ...counts })));
}

export function ranked<T extends Oversubscriber>(oversubscribers: readonly T[]): readonly T[] {
  return oversubscribers.toSorted(
    (a, b) => b.hours - a.hours || b.ticketsMost - a.ticketsMost || (a.clientId < b.clientId ? -1 : 1),
  );
}
