/** `apply(state, event) -> state`: what each committed fact does to a ticket. Total and pure. */
import { Map as ImmutableMap } from 'immutable';
import type {
  Asked,
  Logged,
  LogPosition,
  OrderedSale,
  Orphan,
  RemoteTally,
  Reservation,
  TicketEvent,
  TicketId,
  TicketState,
} from './types.js';
import { asked, NOBODY_WAITS, waitsOn, withEntry, withoutEntry } from './waiting-list.js';

/** A ticket before any master list: it can hold nothing. */
export function initialState(ticket: TicketId): TicketState {
  return {
    ticket,
    opened: false,
    closed: false,
    cancelled: false,
    paused: false,
    pauseRevision: 0,
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
    orphans: ImmutableMap(),
    positions: ImmutableMap(),
    waiting: NOBODY_WAITS,
    ordered: null,
    asked: ImmutableMap(),
    logged: ImmutableMap(),
    beyondVersion3: 0,
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

/** What the log has not given to anybody: a hold is granted when it covers it. */
export function orderedFree({ capacity, taken }: OrderedSale): number {
  return capacity - taken;
}

/** What can be held now, as far as is known here; asking for more would come to nothing. */
export function free(state: TicketState): number {
  const { ordered } = state;
  const inLog = ordered ? orderedFree(ordered) - ordered.asked : Infinity;
  return Math.max(0, Math.min(pending(state), inLog));
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
      return withoutWaiting(
        withReservation(
          withoutAsked(withLogged(state, event.logged), event.reservation.id),
          event.reservation,
        ),
        event.reservation.offer?.entryId,
      );
    case 'paymentStarted':
    case 'paymentDeclined':
    case 'sold':
    case 'released':
    case 'refunded':
      return withReservation(state, event.reservation);
    case 'asked':
      return askedFor(withAsked(state, event.asked), event.asked);
    case 'voided':
      return notGranted(
        withoutAsked(withLogged(state, event.logged), event.asked.reservation.id),
        event.asked,
      );
    case 'logged':
      return withLogged(state, event);
    case 'remote':
      return {
        // What came another way than through the log is not part of it.
        ...withPosition(
          event.position ? withTaken(state, event.heldDelta + event.soldDelta) : state,
          event.position,
        ),
        heldElsewhere: state.heldElsewhere + event.heldDelta,
        soldElsewhere: state.soldElsewhere + event.soldDelta,
        remote: withRemote(state.remote, event),
        orphans: withOrphan(state.orphans, event),
      };
    case 'orphanDecided': {
      const { clientId, orphanId, givenBack, tally } = event;
      return {
        ...state,
        soldElsewhere: state.soldElsewhere - givenBack,
        remote: tally ? withRemote(state.remote, { clientId, tally }) : state.remote,
        orphans: state.orphans.delete(orphanId),
      };
    }
    case 'remoteReleased':
      return {
        ...state,
        heldElsewhere: state.heldElsewhere - event.quantity,
        remote: withRemote(state.remote, event),
      };
    case 'loaded':
      return {
        ...withPosition(state, event.position),
        opened: true,
        capacity: event.capacity,
        price: event.price,
        currency: event.currency,
        ordered: event.ordered ? { capacity: event.capacity, taken: 0, asked: 0 } : state.ordered,
      };
    case 'closed': {
      const cancelled = state.cancelled || event.cause === 'match_cancelled';
      // Of a cancelled match nothing comes back any more.
      return { ...state, closed: true, cancelled, waiting: cancelled ? NOBODY_WAITS : state.waiting };
    }
    case 'reopened':
      return { ...state, closed: state.cancelled };
    case 'paused':
      return { ...state, paused: event.paused, pauseRevision: event.revision };
    case 'waitingJoined':
      return { ...state, waiting: withEntry(state.waiting, event.entry) };
    case 'waitingLeft':
      return withoutWaiting(state, event.entry.id);
  }
}

/** Whose turn it is keeps the place until the log has granted the tickets. */
function askedFor(state: TicketState, { reservation: { offer } }: Asked): TicketState {
  return offer ? { ...state, waiting: asked(state.waiting, offer.entryId) } : state;
}

function notGranted(state: TicketState, { reservation: { offer } }: Asked): TicketState {
  return offer ? { ...state, waiting: waitsOn(state.waiting, offer.entryId) } : state;
}

function withoutWaiting(state: TicketState, entryId: string | undefined): TicketState {
  const waiting = entryId === undefined ? state.waiting : withoutEntry(state.waiting, entryId);
  return waiting === state.waiting ? state : { ...state, waiting };
}

function withRemote(
  remote: TicketState['remote'],
  event: { readonly clientId: string; readonly reservationId?: string; readonly tally: RemoteTally },
): TicketState['remote'] {
  const key = remoteKey(event.clientId, event.reservationId);
  return isIdleTally(event.tally) ? remote.delete(key) : remote.set(key, event.tally);
}

/** Orphans of one ticket that wait for a decision; a peer that sends more of them pushes out the oldest. */
export const ORPHANS_MAX = 500;

function withOrphan(
  orphans: TicketState['orphans'],
  event: Extract<TicketEvent, { type: 'remote' }>,
): TicketState['orphans'] {
  if (!event.orphan) return orphans;
  const { id, kind, quantity } = event.orphan;
  const { clientId, recordedAt } = event;
  const orphan: Orphan = { clientId, kind, quantity, recordedAt };
  // A map that is set keeps its order only while it is small: the oldest is found by its time.
  const after = orphans.set(id ?? `${clientId}/${recordedAt}`, orphan);
  if (after.size <= ORPHANS_MAX) return after;
  const [oldest] = [...after.entries()].reduce((a, b) => (b[1].recordedAt < a[1].recordedAt ? b : a));
  return after.delete(oldest);
}

/** Replaces one reservation and moves every counter by the difference, so that none can drift. */
function withReservation(state: TicketState, after: Reservation): TicketState {
  const before = state.reservations.get(after.id);
  const heldDelta = (isHeld(after) ? after.quantity : 0) - (before && isHeld(before) ? before.quantity : 0);
  const soldDelta = (isSold(after) ? after.quantity : 0) - (before && isSold(before) ? before.quantity : 0);
  const live = isHeld(after) || isSold(after);
  return {
    ...state,
    heldHere: state.heldHere + heldDelta,
    soldHere: state.soldHere + soldDelta,
    reservations: live ? state.reservations.set(after.id, after) : state.reservations.delete(after.id),
    persons: withTally(withTally(state.persons, before, -1), after, 1),
    beyondVersion3:
      state.beyondVersion3 +
      Number(live && isBeyondVersion3(after)) -
      Number(before !== undefined && isBeyondVersion3(before)),
  };
}

/** Whether it says what a worker of version 3 would forget: a presale's code and limits, or whose turn it was. */
export function isBeyondVersion3({
  code,
  limits,
  offer,
}: Pick<Reservation, 'code' | 'limits' | 'offer'>): boolean {
  return code !== undefined || limits !== undefined || offer !== undefined;
}

function withLogged(state: TicketState, logged: Logged | undefined): TicketState {
  if (!logged) return state;
  const { reservationId, tally, position, takenDelta } = logged;
  return {
    ...withPosition(withTaken(state, takenDelta), position),
    logged: isIdleTally(tally) ? state.logged.delete(reservationId) : state.logged.set(reservationId, tally),
  };
}

function withTaken(state: TicketState, delta: number): TicketState {
  const { ordered } = state;
  return ordered && delta !== 0 ? { ...state, ordered: { ...ordered, taken: ordered.taken + delta } } : state;
}

/** Until the log has decided, it counts against the limits of its person as if it were held. */
function withAsked(state: TicketState, asked: Asked): TicketState {
  const { id, quantity } = asked.reservation;
  return {
    ...state,
    ordered: state.ordered && { ...state.ordered, asked: state.ordered.asked + quantity },
    asked: state.asked.set(id, asked),
    persons: withTally(state.persons, asked.reservation, 1),
  };
}

function withoutAsked(state: TicketState, id: string): TicketState {
  const asked = state.asked.get(id);
  if (!asked) return state;
  return {
    ...state,
    ordered: state.ordered && {
      ...state.ordered,
      asked: state.ordered.asked - asked.reservation.quantity,
    },
    asked: state.asked.delete(id),
    persons: withTally(state.persons, asked.reservation, -1),
  };
}

/** Keys of the tallies that a reservation counts in: its buyer's, its card's once that is known, its code's. */
export function personsOf({ person, card, code }: Reservation): readonly string[] {
  const keys = card === undefined ? [person] : [person, cardKey(card)];
  return code === undefined ? keys : [...keys, codeKey(code)];
}

/** Tally of a presale's code among those of persons. */
export function codeKey(digest: string): string {
  return `code:${digest}`;
}

/** Tally of a card among those of persons, which are e-mail addresses or accounts and hold no colon first. */
export function cardKey(fingerprint: string): string {
  return `card:${fingerprint}`;
}

function withTally(
  persons: TicketState['persons'],
  reservation: Reservation | undefined,
  sign: 1 | -1,
): TicketState['persons'] {
  if (!reservation || !(isHeld(reservation) || isSold(reservation))) return persons;
  let tallies = persons;
  for (const key of personsOf(reservation)) {
    const owned = (tallies.get(key) ?? 0) + sign * reservation.quantity;
    tallies = owned > 0 ? tallies.set(key, owned) : tallies.delete(key);
  }
  return tallies;
}

function withPosition(state: TicketState, position: LogPosition | undefined): TicketState {
  if (position === undefined) return state;
  const { source, offset, index } = position;
  return { ...state, positions: state.positions.set(source, { offset, index }) };
}

/** Every type of event there is; the compiler misses none. */
const EVENT_TYPES: Readonly<Record<TicketEvent['type'], true>> = {
  held: true,
  asked: true,
  voided: true,
  logged: true,
  paymentStarted: true,
  paymentDeclined: true,
  sold: true,
  released: true,
  refunded: true,
  remote: true,
  orphanDecided: true,
  remoteReleased: true,
  loaded: true,
  closed: true,
  reopened: true,
  paused: true,
  waitingJoined: true,
  waitingLeft: true,
};

/** False for a fact of a newer version, which `apply` must not be asked about. */
export function isKnownEvent(event: { readonly type: string }): event is TicketEvent {
  return Object.hasOwn(EVENT_TYPES, event.type);
}
