/** What was sold of each ticket by the hour, out of the counts of the sales projection. Pure. */
import type { MonthSales } from '../../operations/sales/book.js';
import { HOUR_MS, ROW } from '../../operations/sales/month.js';
import { ticketName } from '../../redis/keys.js';

/** What is looked back at. What is older counts for less than half a hundredth. */
export const LOOKBACK_DAYS = 56;
export const DAY_HOURS = 24;

/** One hour in which something of a ticket was sold or given back, here or elsewhere. */
export interface SalesHour {
  /** Since the beginning of the window. */
  readonly hour: number;
  readonly sold: number;
  readonly refunded: number;
  /** Of `sold`, by other marketplaces. */
  readonly peers: ReadonlyMap<string, number>;
}

/** Hours with sales, oldest first. */
export type History = readonly SalesHour[];

/** A whole number of days that ends at `end`. */
export interface Window {
  /** Epoch milliseconds, a whole hour. */
  readonly start: number;
  /** Not included. */
  readonly end: number;
}

export const NO_PEERS: ReadonlyMap<string, number> = new Map();

/** The window that looks back from `now`. Its last hour has only begun. */
export function windowOf(now: number): Window {
  const end = Math.ceil(now / HOUR_MS) * HOUR_MS;
  return { start: end - LOOKBACK_DAYS * DAY_HOURS * HOUR_MS, end };
}

/** By name of the ticket; those that sold nothing are absent. */
export function historiesOf(
  months: readonly MonthSales[],
  { start, end }: Window,
): ReadonlyMap<string, History> {
  const hours = (end - start) / HOUR_MS;
  const found = new Map<string, Map<number, MutableHour>>();
  for (const { ticket, start: monthStart, groups, rows } of months) {
    const name = ticketName(ticket);
    const ofTicket = found.get(name) ?? new Map<number, MutableHour>();
    found.set(name, ofTicket);
    const shift = (monthStart - start) / HOUR_MS;
    for (let row = 0; row < rows.length; row += ROW.width) {
      const hour = (rows[row + ROW.hour] ?? 0) + shift;
      if (hour < 0 || hour >= hours) continue;
      const peer = groups[rows[row + ROW.group] ?? 0]?.peer;
      add(ofTicket, hour, rows[row + ROW.sold] ?? 0, rows[row + ROW.refunded] ?? 0, peer);
    }
  }
  return new Map(
    [...found].map(([name, ofTicket]) => [name, [...ofTicket.values()].sort((a, b) => a.hour - b.hour)]),
  );
}

interface MutableHour {
  readonly hour: number;
  sold: number;
  refunded: number;
  readonly peers: Map<string, number>;
}

function add(
  hours: Map<number, MutableHour>,
  hour: number,
  sold: number,
  refunded: number,
  peer: string | undefined,
): void {
  const found = hours.get(hour) ?? { hour, sold: 0, refunded: 0, peers: new Map<string, number>() };
  hours.set(hour, found);
  found.sold += sold;
  found.refunded += refunded;
  if (peer !== undefined && sold > 0) found.peers.set(peer, (found.peers.get(peer) ?? 0) + sold);
}
