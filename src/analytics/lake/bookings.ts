/**
 * From the events of a ledger to rows of bookings. Pure. Guarantee: the sums of what the rows of a ticket changed are
 * its counters (`heldHere`, `soldHere` where `isOwn`, else `heldElsewhere`, `soldElsewhere`).
 */
import type { CommittedEvent } from '../../archive/port.js';
import { saidAt, type TicketPrice } from '../../operations/sales/facts.js';
import { minorOf } from '../../payments/settlement.js';
import { ticketName } from '../../redis/keys.js';
import type { Reservation, TicketEvent } from '../../rules/index.js';
import type { Booking, BookingKind } from '../booking.js';

export interface BookingContext {
  /** Our own name among the marketplaces. */
  readonly clientId: string;
  readonly personOf: (reservation: Reservation) => string | null;
}

type Change = Pick<Booking, 'kind' | 'quantity' | 'heldDelta' | 'soldDelta'>;

/** Null for what changes no counter. `ticket`: what it costs where the event stands. */
export function bookingOf(
  committed: CommittedEvent,
  ticket: TicketPrice,
  context: BookingContext,
): Booking | null {
  const { event, ticket: of, incarnation, sequence } = committed;
  const facts = factsOf(event, ticket, context);
  if (!facts) return null;
  return { id: `${ticketName(of)}:${incarnation}:${sequence}`, ...of, ...facts };
}

type Facts = Omit<Booking, 'id' | 'matchNumber' | 'category'>;

function factsOf(event: TicketEvent, ticket: TicketPrice, context: BookingContext): Facts | null {
  switch (event.type) {
    case 'held': {
      const { quantity } = event.reservation;
      return ours(event, { kind: 'held', quantity, heldDelta: quantity, soldDelta: 0 }, context);
    }
    case 'sold': {
      const { quantity } = event.reservation;
      return ours(event, { kind: 'sold', quantity, heldDelta: -quantity, soldDelta: quantity }, context);
    }
    case 'released': {
      const { quantity } = event.reservation;
      return ours(event, { kind: 'released', quantity, heldDelta: -quantity, soldDelta: 0 }, context);
    }
    case 'refunded': {
      const { quantity } = event;
      return ours(event, { kind: 'refunded', quantity, heldDelta: 0, soldDelta: -quantity }, context);
    }
    case 'remote':
      return theirs(event.clientId, saidAt(event), event, ticket);
    case 'orphanDecided':
      return theirs(event.clientId, event.at, { heldDelta: 0, soldDelta: -event.givenBack }, ticket);
    case 'remoteReleased':
      return theirs(event.clientId, event.at, { heldDelta: -event.quantity, soldDelta: 0 }, ticket);
    default:
      return null;
  }
}

function ours(
  { at, reservation }: { readonly at: number; readonly reservation: Reservation },
  change: Change,
  { clientId, personOf }: BookingContext,
): Facts {
  const person = personOf(reservation);
  return {
    at,
    ...change,
    marketplace: clientId,
    isOwn: true,
    unitPriceMinor: minorOf(reservation, 1),
    currency: reservation.currency.toUpperCase(),
    person,
    // Where somebody is belongs to who it is.
    country: person === null ? null : (reservation.country ?? null),
  };
}

function theirs(
  marketplace: string,
  at: number,
  { heldDelta, soldDelta }: Pick<Booking, 'heldDelta' | 'soldDelta'>,
  { price, currency }: TicketPrice,
): Facts | null {
  if (heldDelta === 0 && soldDelta === 0) return null;
  return {
    at,
    kind: kindOf(heldDelta, soldDelta),
    quantity: Math.max(Math.abs(heldDelta), Math.abs(soldDelta)),
    // Without a negative zero.
    heldDelta: heldDelta || 0,
    soldDelta: soldDelta || 0,
    marketplace,
    isOwn: false,
    unitPriceMinor: minorOf({ unitPrice: price, currency }, 1),
    currency: currency.toUpperCase(),
    person: null,
    country: null,
  };
}

function kindOf(heldDelta: number, soldDelta: number): BookingKind {
  if (soldDelta !== 0) return soldDelta > 0 ? 'sold' : 'refunded';
  return heldDelta > 0 ? 'held' : 'released';
}
