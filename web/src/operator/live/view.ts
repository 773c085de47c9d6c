/** Which tickets the live page shows, and what they add up to. Pure. */
import type { LiveTicketState } from './types';

export interface LiveFilters {
  /** A number; '' for all. */
  readonly match: string;
  /** A worker, or `NOBODY`; '' for all. */
  readonly owner: string;
  readonly isOversubscribed: boolean;
}

export const NOBODY = '-';

export function filtersOf(search: URLSearchParams): LiveFilters {
  const match = search.get('match') ?? '';
  return {
    match: /^[1-9]\d{0,3}$/.test(match) ? match : '',
    owner: (search.get('owner') ?? '').slice(0, 200),
    isOversubscribed: search.get('oversubscribed') === '1',
  };
}

export function searchOf({ match, owner, isOversubscribed }: LiveFilters): string {
  const search = new URLSearchParams();
  if (match !== '') search.set('match', match);
  if (owner !== '') search.set('owner', owner);
  if (isOversubscribed) search.set('oversubscribed', '1');
  return search.toString();
}

export function shownOf(
  tickets: readonly LiveTicketState[],
  filters: LiveFilters,
): readonly LiveTicketState[] {
  const { match, owner, isOversubscribed } = filters;
  return tickets.filter(
    (ticket) =>
      (match === '' || String(ticket.matchNumber) === match) &&
      (owner === '' || (ticket.owner ?? NOBODY) === owner) &&
      (!isOversubscribed || ticket.oversubscribed > 0),
  );
}

export const isNeglected = ({ owner, waiting, active, outbox }: LiveTicketState): boolean =>
  owner === null && waiting + active + outbox > 0;

export interface Sums {
  readonly capacity: number;
  readonly ours: number;
  readonly elsewhere: number;
  /** What can still be held; what is below zero somewhere gives nothing elsewhere. */
  readonly free: number;
  readonly oversubscribed: number;
  readonly oversubscribedTickets: number;
  /** Tickets with work that nobody does. One without work needs no owner. */
  readonly neglected: number;
  readonly waiting: number;
  readonly outbox: number;
}

export function sumsOf(tickets: readonly LiveTicketState[]): Sums {
  const sum = (of: (ticket: LiveTicketState) => number): number =>
    tickets.reduce((all, ticket) => all + of(ticket), 0);
  return {
    capacity: sum(({ capacity }) => capacity),
    ours: sum(({ soldHere, heldHere }) => soldHere + heldHere),
    elsewhere: sum(({ soldElsewhere, heldElsewhere }) => soldElsewhere + heldElsewhere),
    free: sum(({ pending }) => Math.max(0, pending)),
    oversubscribed: sum(({ oversubscribed }) => oversubscribed),
    oversubscribedTickets: sum(({ oversubscribed }) => (oversubscribed > 0 ? 1 : 0)),
    neglected: sum((ticket) => (isNeglected(ticket) ? 1 : 0)),
    waiting: sum(({ waiting }) => waiting),
    outbox: sum(({ outbox }) => outbox),
  };
}

/** Parts of a bar `width` wide. What is taken beyond the capacity makes the whole longer, and the parts narrower. */
export function partsOf(
  { capacity, soldHere, heldHere, soldElsewhere, heldElsewhere }: LiveTicketState,
  width: number,
): { readonly ours: number; readonly elsewhere: number; readonly free: number } {
  const ours = soldHere + heldHere;
  const elsewhere = soldElsewhere + heldElsewhere;
  const whole = Math.max(capacity, ours + elsewhere);
  if (whole === 0) return { ours: 0, elsewhere: 0, free: 0 };
  const scaled = (part: number): number => Math.round((part / whole) * width * 10) / 10;
  return { ours: scaled(ours), elsewhere: scaled(elsewhere), free: scaled(whole - ours - elsewhere) };
}
