/**
 * The waiting list's part in the decisions of a ticket: joining, leaving, and the offers.
 *
 * Guarantees: what comes free goes to the first in line whom it is enough for, in the decision that frees it, so that
 * nobody else can have it in between; an entry is offered once, as a hold of its own; while somebody waits whom the free
 * tickets are enough for, nobody else is granted any; nothing is offered while sales are closed, paused or cancelled, or
 * to a person beyond the purchase limit.
 */
import { apply, free } from './apply.js';
import { codeLimit, keptOf, limitsOf } from './limits.js';
import type {
  Decision,
  JoinWaitingList,
  LeaveWaitingList,
  Outcome,
  Policy,
  Reservation,
  TicketEvent,
  TicketState,
} from './types.js';
import { nextPlace, someoneFits, type WaitingEntry } from './waiting-list.js';

/** Tickets that a person has in the match's other categories, as observed; whoever commits must guard what was asked. */
export type Elsewhere = (person: string) => number;

export const nothingElsewhere: Elsewhere = () => 0;

/**
 * Entries that leave the list in one decision at most, offered or ended: a commit must not grow with the list. What is
 * left then is still spoken for (`isSpokenFor`), and whoever has the ticket goes on with it at once.
 */
export const SERVED_MAX = 100;

/**
 * Persons whose tickets elsewhere are asked for ahead of their turn: many at the head of a list may have bought in
 * another category meanwhile, and each that is found out alone costs the actor another try of its commit.
 */
const AHEAD = 20;

/** Whether the free tickets belong to somebody who waits. */
export function isSpokenFor(state: TicketState): boolean {
  return isSelling(state) && someoneFits(state.waiting, free(state));
}

const isSelling = ({ opened, closed, paused, cancelled }: TicketState): boolean =>
  opened && !closed && !paused && !cancelled;

const refused = (outcome: Outcome): Decision => ({ events: [], outcome });

export function joinWaitingList(state: TicketState, command: JoinWaitingList, policy: Policy): Decision {
  const { at, entryId, reservationId, quantity, person, personElsewhere } = command;
  // The same sender asked before and its recorded outcome is gone: it still has exactly one place.
  const known = state.waiting.entries.get(entryId);
  if (known) return refused({ kind: 'waiting', entry: known });
  const offered = state.reservations.get(reservationId);
  if (offered) return refused({ kind: 'held', reservation: offered });
  if (!state.opened) return refused({ kind: 'not_open' });
  if (state.closed) return refused({ kind: 'closed' });
  const other = state.waiting.persons.get(person);
  if (other !== undefined) return refused({ kind: 'already_waiting', entryId: other });
  if (at >= (command.limits?.until ?? Infinity)) return refused({ kind: 'phase_over' });
  const { waitingListMax = 0 } = policy;
  const { ticketsPerReservationMax, ticketsPerPersonMax } = limitsOf(command.limits, policy);
  if (quantity > ticketsPerReservationMax) {
    return refused({ kind: 'purchase_limit', limit: ticketsPerReservationMax, owned: 0 });
  }
  const owned = (state.persons.get(person) ?? 0) + personElsewhere;
  if (owned + quantity > ticketsPerPersonMax) {
    return refused({ kind: 'purchase_limit', limit: ticketsPerPersonMax, owned });
  }
  const ofCode = codeLimit(state, quantity, keptOf(command.limits));
  if (ofCode) return refused(ofCode);
  // There are enough: they can be held, or could if sales were not stopped.
  if (quantity <= free(state) && !isSpokenFor(state)) {
    return refused({ kind: state.paused ? 'paused' : 'available_now' });
  }
  if (state.waiting.entries.size >= waitingListMax) {
    return refused({ kind: 'waiting_list_full', limit: waitingListMax });
  }
  const entry = entryOf(state, command);
  return { events: [{ type: 'waitingJoined', at, entry }], outcome: { kind: 'waiting', entry } };
}

function entryOf(state: TicketState, command: JoinWaitingList): WaitingEntry {
  const { at, entryId, reservationId, quantity, email, person, account, country, limits } = command;
  return {
    id: entryId,
    reservationId,
    quantity,
    email,
    person,
    ...(account !== undefined && { account }),
    ...(country !== undefined && { country }),
    ...keptOf(limits),
    joinedAt: at,
    place: nextPlace(state.waiting),
  };
}

export function leaveWaitingList(state: TicketState, { entryId, at }: LeaveWaitingList): Decision {
  const entry = state.waiting.entries.get(entryId);
  if (!entry) return refused({ kind: 'not_waiting' });
  // In a moment the tickets are held, and can be given back, or the entry waits on and can leave.
  if (state.waiting.asked.has(entryId)) return refused({ kind: 'being_offered' });
  return {
    events: [{ type: 'waitingLeft', at, entry, cause: 'left' }],
    outcome: { kind: 'left_waiting_list', entry },
  };
}

/** A decision with the offers that it makes possible. */
export function withOffers(
  before: TicketState,
  decision: Decision,
  at: number,
  policy: Policy,
  elsewhere: Elsewhere,
): Decision {
  if (before.waiting.entries.isEmpty()) return decision;
  const offers = offersOf(decision.events.reduce(apply, before), at, policy, elsewhere);
  return offers.length === 0 ? decision : { ...decision, events: [...decision.events, ...offers] };
}

/** Whoever asks for more than is free keeps the place, and waits for the next that comes back. */
function offersOf(state: TicketState, at: number, policy: Policy, elsewhere: Elsewhere): TicketEvent[] {
  const events: TicketEvent[] = [];
  if (!isSpokenFor(state)) return events;
  const lookAhead = lookerAhead(state, elsewhere);
  let current = state;
  // What is free only gets less on the way: who was passed over needs no second look.
  for (const entry of state.waiting.entries.values()) {
    if (events.length >= SERVED_MAX || !isSpokenFor(current)) break;
    if (!mayServe(current, entry)) continue;
    lookAhead();
    const event = served(current, entry, at, policy, elsewhere);
    events.push(event);
    current = apply(current, event);
  }
  return events;
}

/** Whether so many are free, and the log is not asked for them yet. */
function mayServe(state: TicketState, { id, quantity }: WaitingEntry): boolean {
  return quantity <= free(state) && !state.waiting.asked.has(id);
}

/** Called for each that is served; asks for those who are up to `AHEAD` places behind it. */
function lookerAhead(state: TicketState, elsewhere: Elsewhere): () => void {
  const line = state.waiting.entries.values();
  let asked = 0;
  let servings = 0;
  return () => {
    servings += 1;
    while (asked < servings + AHEAD) {
      const next = line.next();
      if (next.done) return;
      if (!mayServe(state, next.value)) continue;
      asked += 1;
      elsewhere(next.value.person);
    }
  };
}

/** The offer, or the end of an entry whose person, or code, may have no more: it has what it waited for. */
function served(
  state: TicketState,
  entry: WaitingEntry,
  at: number,
  policy: Policy,
  elsewhere: Elsewhere,
): TicketEvent {
  const owned = (state.persons.get(entry.person) ?? 0) + elsewhere(entry.person);
  const { ticketsPerPersonMax } = limitsOf(entry.limits, policy);
  if (owned + entry.quantity > ticketsPerPersonMax || codeLimit(state, entry.quantity, entry)) {
    return { type: 'waitingLeft', at, entry, cause: 'limit' };
  }
  const reservation = offerOf(state, entry, at, policy);
  // In the order of the log it is asked for as any hold is, and keeps its place until it is granted.
  return state.ordered
    ? { type: 'asked', at, asked: { reservation, commandId: `offer/${reservation.id}` } }
    : { type: 'held', at, reservation };
}

export function offerMsOf({ holdMs, waitingOfferMs = holdMs }: Policy): number {
  return waitingOfferMs;
}

/** A hold like any other, at today's price, which says whose turn it was. */
function offerOf(
  { ticket, price, currency }: TicketState,
  { id, reservationId, quantity, email, person, account, country, code, limits, joinedAt }: WaitingEntry,
  at: number,
  policy: Policy,
): Reservation {
  return {
    id: reservationId,
    matchNumber: ticket.matchNumber,
    category: ticket.category,
    status: 'PENDING',
    quantity,
    refundedQuantity: 0,
    unitPrice: price,
    currency,
    email,
    person,
    ...(account !== undefined && { account }),
    ...(country !== undefined && { country }),
    ...(code !== undefined && { code }),
    ...(limits && { limits }),
    createdAt: at,
    updatedAt: at,
    expiresAt: at + offerMsOf(policy),
    offer: { entryId: id, joinedAt },
  };
}
