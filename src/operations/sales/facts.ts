/** What the events of a ledger say of sales: when, by which marketplace, to which country, for how much. Pure. */
import { minorOf } from '../../payments/settlement.js';
import type { TicketEvent } from '../../rules/index.js';

/** Tickets that were sold or refunded, and what they cost, in minor units. */
export interface SaleFact {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The marketplace that sold; absent: we did. */
  readonly peer?: string;
  /** Where our buyer is, ISO 3166-1 alpha-2; absent when that is not known, and for peers. */
  readonly country?: string;
  /** ISO 4217, upper case. */
  readonly currency: string;
  readonly sold: number;
  readonly refunded: number;
  /** Of a peer: at the price the ticket has here, which is nobody's revenue of ours. */
  readonly soldMinor: number;
  readonly refundedMinor: number;
}

/** What a ticket costs where an event stands in its ledger. */
export interface TicketPrice {
  readonly price: number;
  readonly currency: string;
}

export function priceAfter(event: TicketEvent, before: TicketPrice): TicketPrice {
  return event.type === 'loaded' ? { price: event.price, currency: event.currency } : before;
}

/** Null for what is neither a sale nor a refund. */
export function factOf(event: TicketEvent, ticket: TicketPrice): SaleFact | null {
  switch (event.type) {
    case 'sold':
      return ourFact(event, { sold: event.reservation.quantity, refunded: 0 });
    case 'refunded':
      return ourFact(event, { sold: 0, refunded: event.quantity });
    case 'remote':
      return peerFact(saidAt(event), event.clientId, event.soldDelta, ticket);
    case 'orphanDecided':
      return peerFact(event.at, event.clientId, -event.givenBack, ticket);
    default:
      return null;
  }
}

function ourFact(
  { at, reservation }: Extract<TicketEvent, { type: 'sold' | 'refunded' }>,
  { sold, refunded }: Pick<SaleFact, 'sold' | 'refunded'>,
): SaleFact {
  const { country, currency } = reservation;
  return {
    at,
    ...(country !== undefined && { country }),
    currency: currency.toUpperCase(),
    sold,
    refunded,
    soldMinor: minorOf(reservation, sold),
    refundedMinor: minorOf(reservation, refunded),
  };
}

/**
 * What a peer's message says of when it was sent is believed for so long before we heard of it, and not for later:
 * a marketplace that joins hears of everything at once. It also bounds the months that a peer can name.
 */
export const PEER_TIME_MS_MAX = 3 * 366 * 24 * 3_600_000;

/** When a peer's message was sent, as far as that is believed. */
export function saidAt({ at, recordedAt }: Extract<TicketEvent, { type: 'remote' }>): number {
  return recordedAt <= at && recordedAt > at - PEER_TIME_MS_MAX ? recordedAt : at;
}

/** `change`: of the tickets that the peer has sold. */
function peerFact(
  at: number,
  peer: string,
  change: number,
  { price, currency }: TicketPrice,
): SaleFact | null {
  if (change === 0) return null;
  const sold = Math.max(0, change);
  const refunded = Math.max(0, -change);
  const cost = { unitPrice: price, currency };
  return {
    at,
    peer,
    currency: currency.toUpperCase(),
    sold,
    refunded,
    soldMinor: minorOf(cost, sold),
    refundedMinor: minorOf(cost, refunded),
  };
}
