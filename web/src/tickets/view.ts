/** My tickets as the screen groups them, and what can be done with each. Pure. */
import type { Reservation } from '../api/types';
import { retryUntilOf } from '../checkout/machine';
import { majorOf, type PaymentState } from '../checkout/types';
import type { Refunded, Ticket } from './types';

export type Group = 'waiting' | 'upcoming' | 'past' | 'refunded' | 'ended';
/** In the order of the page: what waits for the buyer first. */
export const GROUPS = [
  'waiting',
  'upcoming',
  'past',
  'refunded',
  'ended',
] as const satisfies readonly Group[];

/** A match and the way home. */
const MATCH_MS = 4 * 60 * 60_000;

/** `kickOff` in milliseconds; undefined while it is not known. */
export function groupOf(reservation: Reservation, kickOff: number | undefined, now: number): Group {
  switch (reservation.status) {
    case 'PENDING':
    case 'PAYING':
      return 'waiting';
    case 'RESERVED': {
      // Lists of matches long played are sold for trials: such tickets are not over the moment they are bought.
      const wasAhead = kickOff !== undefined && Date.parse(reservation.createdAt) < kickOff;
      return wasAhead && kickOff + MATCH_MS < now ? 'past' : 'upcoming';
    }
    case 'REFUNDED':
      return 'refunded';
    case 'CANCELLED':
      return retryUntilOf(reservation, now) === null ? 'ended' : 'waiting';
    case 'EXPIRED':
      return 'ended';
  }
}

export type Grouped = Readonly<Record<Group, readonly Reservation[]>>;

/** What is to come by kick-off, the rest newest first. */
export function grouped(
  reservations: readonly Reservation[],
  kickOffOf: (matchNumber: number) => number | undefined,
  now: number,
): Grouped {
  const groups: Record<Group, Reservation[]> = {
    waiting: [],
    upcoming: [],
    past: [],
    refunded: [],
    ended: [],
  };
  const newestFirst = [...reservations].sort((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
  for (const one of newestFirst) groups[groupOf(one, kickOffOf(one.matchNumber), now)].push(one);
  const kickOff = ({ matchNumber }: Reservation): number => kickOffOf(matchNumber) ?? Infinity;
  // Two that are not known are alike: Infinity minus itself is no order.
  groups.upcoming.sort((a, b) => (kickOff(a) === kickOff(b) ? 0 : kickOff(a) - kickOff(b)));
  return groups;
}

/** What `me`, a confirmed address of an account or nobody, may do with a ticket. */
export interface TicketView {
  readonly showsCode: boolean;
  /** As a document: what was used admits nobody any more. */
  readonly canDownload: boolean;
  readonly canTransfer: boolean;
  readonly canWithdraw: boolean;
  /** A transfer needs an account on both sides. */
  readonly needsAccount: boolean;
}

export function ticketView(ticket: Ticket, isLoggedIn: boolean): TicketView {
  const { status, code } = ticket;
  const isMine = code !== undefined;
  return {
    showsCode: isMine && (status === 'valid' || status === 'offered' || status === 'used'),
    canDownload: isMine && (status === 'valid' || status === 'offered'),
    canTransfer: status === 'valid' && isMine && isLoggedIn,
    canWithdraw: status === 'offered' && isMine && isLoggedIn,
    needsAccount: status === 'valid' && isMine && !isLoggedIn,
  };
}

/** Why tickets cannot be given back here; null when they can, as far as this page knows. */
export function refundObstacle(
  reservation: Reservation,
  tickets: readonly Ticket[] | null,
): 'not_bought' | 'used' | 'transferred' | null {
  if (reservation.status !== 'RESERVED') return 'not_bought';
  if (tickets?.some(({ status }) => status === 'used')) return 'used';
  const isGone = tickets?.some(({ status }) => status === 'transferred' || status === 'offered') ?? false;
  return isGone ? 'transferred' : null;
}

/** What comes back for so many tickets, in whole units; the server decides in the end. */
export function refundAmount({ unitPrice, quantity }: Reservation, wanted: number): number {
  return Math.round(unitPrice * Math.min(Math.max(0, wanted), quantity) * 100) / 100;
}

/** What is true of the money after a refund. */
export type RefundTruth =
  | { readonly kind: 'sent'; readonly amount: number }
  | { readonly kind: 'partly'; readonly amount: number }
  | { readonly kind: 'pending' };

export function refundTruth({ refundedMinor, pending }: Refunded, currency: string): RefundTruth {
  const amount = majorOf(refundedMinor, currency);
  if (!pending) return { kind: 'sent', amount };
  return refundedMinor > 0 ? { kind: 'partly', amount } : { kind: 'pending' };
}

/** The same, from the payment as it was seen last; null when nothing was to be given back. */
export function refundOfPayment(reservation: Reservation, payment: PaymentState | null): RefundTruth | null {
  if (!payment) return reservation.status === 'REFUNDED' ? { kind: 'pending' } : null;
  const { refundedMinor, amountMinor, currency } = payment;
  const isOwed = reservation.status === 'REFUNDED' && refundedMinor < amountMinor;
  if (refundedMinor === 0 && !isOwed) return null;
  return refundTruth({ refundedMinor, pending: isOwed }, currency);
}
