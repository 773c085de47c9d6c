/** `apply(state, event) -> state`: what each committed fact does to a ticket. Total and pure. */
import { Map as ImmutableMap } from 'immutable';
import type { LogPosition, RemoteTally, Reservation, TicketEvent, TicketId, TicketState } from './types.js';

/** A ticket before any master list: it can hold nothing. */
export function initialState(ticket: TicketId): TicketState {
  return {
    ticket,
    opened: false,
    closed: false,
    capacity: 0,
    price: 0,
    currency: '',
    soldHere: 0,
    soldElsewhere: 0,
    heldHere: 0,
    heldElsewhere: 0,
    reservations: ImmutableMap(),
    persons: ImmutableMap(),
    remote: ImmutableMap(),
    positions: ImmutableMap(),
  };
}

/** Tickets not sold anywhere. Below 0 when marketplaces together sold more than the capacity. */
export function available(state: TicketState): number {
  return state.capacity - state.soldHere - state.soldElsewhere;
}

/** The PENDING available count: what can still be sold now. Below 0 when peers pended the last tickets too. */
export function pending(state: TicketState): number {
  return available(state) - state.heldHere - state.heldElsewhere;
}

/**
 * Key of a remote tally: one per peer without ids, one per reservation of a peer with ids. Peers choose their
 * ids, so `/` in a clientId is escaped: no peer's key can be another peer's reservation.
 */
export function remoteKey(clientId: string, reservationId: string | undefined): string {
  const peer = clientId.replaceAll('%', '%25').replaceAll('/', '%2F');
  return reservationId === undefined ? peer : `${peer}/${reservationId}`;
}

/** A tally that says nothing any more and need not be kept. */
export function isIdleTally(tally: RemoteTally): boolean {
  return tally.held === 0 && tally.sold === 0 && tally.early.length === 0 && tally.cancelledEarly === 0;
}

const isHeld = (reservation: Reservation | undefined): boolean =>
  reservation?.status === 'PENDING' || reservation?.status === 'PAYING';
const isSold = (reservation: Reservation | undefined): boolean => reservation?.status === 'RESERVED';

export function apply(state: TicketState, event: TicketEvent): TicketState {
  switch (event.type) {
    case 'held':
    case 'paymentStarted':
    case 'sold':
    case 'released':
    case 'refunded':
      return withReservation(state, event.reservation);
    case 'remote': {
      const key = remoteKey(event.clientId, event.reservationId);
      return {
        ...withPosition(state, event.position),
        heldElsewhere: state.heldElsewhere + event.heldDelta,
        soldElsewhere: state.soldElsewhere + event.soldDelta,
        remote: isIdleTally(event.tally) ? state.remote.delete(key) : state.remote.set(key, event.tally),
      };
    }
    case 'loaded':
      return {
        ...withPosition(state, event.position),
        opened: true,
        capacity: event.capacity,
        price: event.price,
        currency: event.currency,
      };
    case 'closed':
      return { ...state, closed: true };
  }
}

/** Replaces one reservation and moves every counter by the difference, so that none can drift. */
function withReservation(state: TicketState, after: Reservation): TicketState {
  const before = state.reservations.get(after.id);
  const heldDelta = (isHeld(after) ? after.quantity : 0) - (before && isHeld(before) ? before.quantity : 0);
  const soldDelta = (isSold(after) ? after.quantity : 0) - (before && isSold(before) ? before.quantity : 0);
  const live = isHeld(after) || isSold(after);
  const owned = (state.persons.get(after.person) ?? 0) + heldDelta + soldDelta;
  return {
    ...state,
    heldHere: state.heldHere + heldDelta,
    soldHere: state.soldHere + soldDelta,
    reservations: live ? state.reservations.set(after.id, after) : state.reservations.delete(after.id),
    persons: owned > 0 ? state.persons.set(after.person, owned) : state.persons.delete(after.person),
  };
}

function withPosition(state: TicketState, position: LogPosition | undefined): TicketState {
  if (position === undefined) return state;
  const { source, offset, index } = position;
  return { ...state, positions: state.positions.set(source, { offset, index }) };
}
