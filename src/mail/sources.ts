/**
 * Which mails a committed fact asks for. Pure. Guarantee: the same fact asks for mails of the same ids, however
 * often and from wherever it is read.
 */
import type { CommittedEvent } from '../archive/port.js';
import type { Reservation } from '../rules/index.js';
import type { NewMail, ReservationFacts } from './kinds.js';

/** Whether an event asks for a mail at all, cheaply: most do not. */
export function isMailed({ event }: CommittedEvent): boolean {
  switch (event.type) {
    case 'held':
      return isOffer(event.reservation);
    case 'sold':
      // Of a cancelled match the refund that follows is told.
      return event.cause === undefined;
    case 'refunded':
      return true;
    case 'released':
      if (event.cause) return true;
      // A decline is told where the buyer stands, and may be followed by another attempt.
      return event.reservation.reason === 'expired' || event.reservation.reason === 'cancelled';
    default:
      return false;
  }
}

/** Null for events that nobody is mailed about. */
export function mailOf({ event }: CommittedEvent): NewMail | null {
  switch (event.type) {
    case 'held': {
      const { reservation } = event;
      if (!isOffer(reservation)) return null;
      const { id, email, expiresAt } = reservation;
      return {
        kind: 'waiting-list-offer',
        id: `waiting-list-offer:${id}`,
        to: email,
        data: { ...factsOf(reservation), expiresAt },
      };
    }
    case 'sold':
      return event.cause ? null : aboutOne('purchase', event.reservation);
    case 'released': {
      const { reason } = event.reservation;
      if (event.cause) return ofCancelledMatch(event.reservation, false);
      return reason === 'expired' || reason === 'cancelled' ? aboutOne(reason, event.reservation) : null;
    }
    case 'refunded': {
      if (event.cause) {
        // What it said before of the tickets that are given back now.
        return ofCancelledMatch({ ...event.reservation, quantity: event.quantity }, true);
      }
      const { id, email, refundedQuantity, status, quantity } = event.reservation;
      const left = status === 'REFUNDED' ? 0 : quantity;
      return {
        kind: 'refund',
        // What is given back in all only grows: each refund has a number of its own.
        id: `refund:${id}:${refundedQuantity}`,
        to: email,
        data: { ...factsOf(event.reservation), given: event.quantity, left },
      };
    }
    default:
      return null;
  }
}

/** Not one whose tickets are taken again for a payment. */
const isOffer = ({ offer, paymentId }: Reservation): boolean =>
  offer !== undefined && paymentId === undefined;

/** What became of a payment that came after the hold had ended. */
export function lateMailOf(reservation: Reservation, outcome: 'reserved' | 'refunded'): NewMail {
  const { id, email, paymentId = '' } = reservation;
  const mail = { id: `late:${id}:${paymentId}:${outcome}`, to: email, data: factsOf(reservation) };
  return outcome === 'reserved'
    ? { ...mail, kind: 'late-payment-reserved' }
    : { ...mail, kind: 'late-payment-refunded' };
}

/** One for each reservation, whatever else becomes of it. */
function ofCancelledMatch(reservation: Reservation, charged: boolean): NewMail {
  const { id, email } = reservation;
  return {
    kind: 'match-cancelled',
    id: `match-cancelled:${id}`,
    to: email,
    data: { ...factsOf(reservation), charged },
  };
}

function aboutOne(kind: 'purchase' | 'expired' | 'cancelled', reservation: Reservation): NewMail {
  return { kind, id: `${kind}:${reservation.id}`, to: reservation.email, data: factsOf(reservation) };
}

export function factsOf(reservation: Reservation): ReservationFacts {
  const { id, matchNumber, category, quantity, unitPrice, currency, account, paymentId } = reservation;
  return {
    reservationId: id,
    matchNumber,
    category,
    quantity,
    unitPrice,
    currency,
    ...(account !== undefined && { account }),
    ...(paymentId !== undefined && { paymentId }),
  };
}
