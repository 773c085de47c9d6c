/** `decide(state, command, policy) -> events and a named outcome`. Pure; changes nothing. */
import { available, cardKey, free, orderedFree, pending, remoteKey } from './apply.js';
import type {
  Asked,
  Command,
  Confirm,
  DecideOrphan,
  Decision,
  DeclinePayment,
  Expire,
  FailPayment,
  Hold,
  Load,
  Logged,
  LogPosition,
  Outcome,
  Own,
  Pause,
  Policy,
  Refund,
  Rehold,
  Reopen,
  Release,
  ReleaseRemote,
  Remote,
  RemoteTally,
  Reservation,
  StartPayment,
  Close,
  TicketEvent,
  TicketState,
  Told,
} from './types.js';
import { codeLimit, keptOf, limitsOf } from './limits.js';
import {
  isSpokenFor,
  joinWaitingList,
  leaveWaitingList,
  nothingElsewhere,
  offerMsOf,
  withOffers,
  type Elsewhere,
} from './waiting.js';

/** `elsewhere` is asked of those who are offered tickets; what the command itself is based on it carries. */
export function decide(
  state: TicketState,
  command: Command,
  policy: Policy,
  elsewhere: Elsewhere = nothingElsewhere,
): Decision {
  const decision = decideOn(state, command, policy);
  const isCancelled = state.cancelled || (command.type === 'close' && command.cancelled === true);
  return isCancelled
    ? { ...decision, events: decision.events.map(ofCancelledMatch) }
    : withOffers(state, decision, command.at, policy, elsewhere);
}

/** Why it came to this: who hears of it, and what buyers are told, depends on it. */
function ofCancelledMatch(event: TicketEvent): TicketEvent {
  switch (event.type) {
    case 'sold':
    case 'released':
    case 'refunded':
    case 'voided':
    case 'closed':
      return { ...event, cause: 'match_cancelled' };
    default:
      return event;
  }
}

function decideOn(state: TicketState, command: Command, policy: Policy): Decision {
  switch (command.type) {
    case 'hold':
      return hold(state, command, policy);
    case 'rehold':
      return rehold(state, command, policy);
    case 'startPayment':
      return startPayment(state, command, policy);
    case 'declinePayment':
      return declinePayment(state, command);
    case 'confirm':
      return confirm(state, command);
    case 'failPayment':
      return failPayment(state, command);
    case 'release':
      return release(state, command);
    case 'expire':
      return expire(state, command);
    case 'refund':
      return refund(state, command);
    case 'remote':
      return remote(state, command, policy);
    case 'own':
      return own(state, command, policy);
    case 'load':
      return load(state, command, policy);
    case 'close':
      return close(state, command);
    case 'reopen':
      return reopen(state, command);
    case 'pause':
      return pause(state, command);
    case 'decideOrphan':
      return decideOrphan(state, command);
    case 'releaseRemote':
      return releaseRemote(state, command);
    case 'joinWaitingList':
      return joinWaitingList(state, command, policy);
    case 'leaveWaitingList':
      return leaveWaitingList(state, command);
    case 'serveWaitingList':
      return refused({ kind: 'unchanged' });
  }
}

const refused = (outcome: Outcome): Decision => ({ events: [], outcome });

function hold(state: TicketState, command: Hold, policy: Policy): Decision {
  const existing = state.reservations.get(command.reservationId);
  // The same sender asked before and its recorded outcome is gone: it still has exactly one hold.
  if (existing) return refused({ kind: 'held', reservation: existing });
  if (state.asked.has(command.reservationId)) return refused({ kind: 'asked' });
  if (!state.opened) return refused({ kind: 'not_open' });
  if (state.closed) return refused({ kind: 'closed' });
  if (state.paused) return refused({ kind: 'paused' });
  if (command.price !== undefined && command.price !== state.price) {
    return refused({ kind: 'price_mismatch', price: state.price });
  }
  if (command.at >= (command.limits?.until ?? Infinity)) return refused({ kind: 'phase_over' });
  const limits = limitsOf(command.limits, policy);
  if (command.quantity > limits.ticketsPerReservationMax) {
    return refused({ kind: 'purchase_limit', limit: limits.ticketsPerReservationMax, owned: 0 });
  }
  const kept = keptOf(command.limits);
  const refusal = withoutRoom(state, command, limits) ?? codeLimit(state, command.quantity, kept);
  if (refusal) return refused(refusal);
  const reservation: Reservation = {
    id: command.reservationId,
    matchNumber: state.ticket.matchNumber,
    category: state.ticket.category,
    status: 'PENDING',
    quantity: command.quantity,
    refundedQuantity: 0,
    unitPrice: state.price,
    currency: state.currency,
    email: command.email,
    person: command.person,
    ...(command.account !== undefined && { account: command.account }),
    ...(command.country !== undefined && { country: command.country }),
    ...kept,
    createdAt: command.at,
    updatedAt: command.at,
    expiresAt: command.at + policy.holdMs,
  };
  if (state.ordered) return ask(command.at, { reservation, commandId: command.id });
  return {
    events: [{ type: 'held', at: command.at, reservation }],
    outcome: { kind: 'held', reservation },
  };
}

/** Tells the others, and waits for the place that the log gives it. */
function ask(at: number, asked: Asked): Decision {
  return { events: [{ type: 'asked', at, asked }], outcome: { kind: 'asked' } };
}

/** Why the tickets cannot be held; null when they can. */
function withoutRoom(
  state: TicketState,
  { person, quantity, personElsewhere }: Pick<Hold, 'person' | 'quantity' | 'personElsewhere'>,
  policy: Pick<Policy, 'ticketsPerPersonMax'>,
): Outcome | null {
  if (available(state) <= 0) return { kind: 'sold_out' };
  const owned = (state.persons.get(person) ?? 0) + personElsewhere;
  if (owned + quantity > policy.ticketsPerPersonMax) {
    return { kind: 'purchase_limit', limit: policy.ticketsPerPersonMax, owned };
  }
  const remaining = isSpokenFor(state) ? 0 : free(state);
  return quantity > remaining ? { kind: 'temporarily_unavailable', remaining } : null;
}

function rehold(state: TicketState, command: Rehold, policy: Policy): Decision {
  const { at, attemptId, reservation: ended } = command;
  const current = state.reservations.get(ended.id);
  if (current) {
    const { status } = current;
    const kind = status === 'PAYING' ? 'paying' : status === 'RESERVED' ? 'reserved' : 'wrong_state';
    return refused({ kind, reservation: current });
  }
  if (state.asked.has(ended.id)) return refused({ kind: 'asked' });
  if (!state.opened) return refused({ kind: 'not_open' });
  if (attemptId !== undefined && !mayTryAgain(ended, at, policy)) return refused({ kind: 'hold_expired' });
  if (state.closed) return refused({ kind: 'closed' });
  // Also what was charged for: its tickets had gone back, and a pause promises that no more are given out.
  if (state.paused) return refused({ kind: 'paused' });
  const { person, quantity } = ended;
  const { personElsewhere, cardElsewhere, card = attemptId === undefined ? ended.card : undefined } = command;
  // As the first hold was: others may have used up meanwhile what the phase of the sale allows.
  const refusal =
    withoutRoom(state, { person, quantity, personElsewhere }, limitsOf(ended.limits, policy)) ??
    codeLimit(state, quantity, ended) ??
    cardLimit(state, quantity, { card, cardElsewhere }, policy);
  if (refusal) return refused(refusal);
  const reservation = reheld(command, card, policy);
  if (state.ordered) {
    const isEndFixed = attemptId !== undefined && { isEndFixed: true as const };
    return ask(at, { reservation, commandId: command.id, again: true, ...isEndFixed });
  }
  return heldAgain(at, reservation, policy);
}

/** After a decline the buyer may try again for as long as the hold would have lasted. */
export function mayTryAgain(
  { status, reason, attempts = [], expiresAt }: Reservation,
  at: number,
  { paymentAttemptsMax }: Pick<Policy, 'paymentAttemptsMax'>,
): boolean {
  const isDeclined = status === 'CANCELLED' && reason === 'declined';
  return isDeclined && attempts.length < paymentAttemptsMax && at < expiresAt;
}

/** As it stands when it is held again. */
function reheld(
  { at, attemptId, paymentId, reservation: ended }: Rehold,
  card: string | undefined,
  policy: Policy,
): Reservation {
  const { reason: _reason, payingUntil: _until, card: _card, attempts = [], ...kept } = ended;
  const all = attemptId === undefined ? attempts : [...attempts, { id: attemptId }];
  return {
    ...kept,
    ...(all.length > 0 && { attempts: all }),
    ...(card !== undefined && { card }),
    paymentId,
    status: 'PENDING',
    updatedAt: at,
    expiresAt: attemptId === undefined ? at + policy.holdMs : ended.expiresAt,
  };
}

/** Its payment is there, or is about to be tried. */
function heldAgain(
  at: number,
  held: Reservation,
  policy: Policy,
  granted?: { readonly logged: Logged },
): Granting {
  const reservation: Reservation = { ...held, status: 'PAYING', payingUntil: at + policy.payingMs };
  return {
    events: [
      { type: 'held', at, reservation: held, ...granted },
      { type: 'paymentStarted', at, reservation },
    ],
    outcome: { kind: 'paying', reservation },
  };
}

function startPayment(state: TicketState, command: StartPayment, policy: Policy): Decision {
  const current = state.reservations.get(command.reservationId);
  if (!current) return refused({ kind: 'not_live' });
  switch (current.status) {
    case 'PENDING': {
      if (command.at >= current.expiresAt) return ended(current, 'expired', command.at, 'hold_expired');
      const { at, card, cardElsewhere, paymentId, attemptId = paymentId } = command;
      const refusal = cardLimit(state, current.quantity, { card, cardElsewhere }, policy);
      if (refusal) return refused(refusal);
      const reservation: Reservation = {
        ...current,
        status: 'PAYING',
        paymentId,
        payingUntil: at + policy.payingMs,
        attempts: [{ id: attemptId }],
        ...(card !== undefined && { card }),
        updatedAt: at,
      };
      return {
        events: [{ type: 'paymentStarted', at, reservation }],
        outcome: { kind: 'paying', reservation },
      };
    }
    case 'PAYING':
      // One payment at a time: whoever asks is told which one is under way.
      return refused({ kind: 'paying', reservation: current });
    case 'RESERVED':
      return refused({ kind: 'reserved', reservation: current });
    default:
      return refused({ kind: 'not_live' });
  }
}

/** A card buys no more than a person, whoever presents it. `more`: tickets that it does not have yet. */
function cardLimit(
  state: TicketState,
  more: number,
  {
    card,
    cardElsewhere = 0,
  }: { readonly card: string | undefined; readonly cardElsewhere?: number | undefined },
  { ticketsPerPersonMax: limit }: Policy,
): Outcome | null {
  if (card === undefined) return null;
  const owned = (state.persons.get(cardKey(card)) ?? 0) + cardElsewhere;
  return owned + more > limit ? { kind: 'purchase_limit', limit, owned } : null;
}

function declinePayment(state: TicketState, command: DeclinePayment): Decision {
  const current = state.reservations.get(command.reservationId);
  if (!current) return refused({ kind: 'not_live' });
  if (current.status !== 'PAYING' || current.paymentId !== command.paymentId) {
    return refused({ kind: 'wrong_state', reservation: current });
  }
  const { attempts = [] } = current;
  const newest = attempts.at(-1);
  if (!newest || newest.declined !== undefined) return refused({ kind: 'paying', reservation: current });
  const reservation: Reservation = {
    ...current,
    attempts: [...attempts.slice(0, -1), { ...newest, declined: command.reason }],
    reason: 'declined',
    updatedAt: command.at,
  };
  return {
    events: [{ type: 'paymentDeclined', at: command.at, reservation }],
    outcome: { kind: 'paying', reservation },
  };
}

function confirm(state: TicketState, command: Confirm): Decision {
  const current = state.reservations.get(command.reservationId);
  if (!current) return refused({ kind: 'not_live' });
  if (current.status === 'RESERVED') {
    return current.paymentId === command.paymentId
      ? refused({ kind: 'reserved', reservation: current })
      : refused({ kind: 'wrong_state', reservation: current });
  }
  if (current.status !== 'PAYING' || current.paymentId !== command.paymentId) {
    return refused({ kind: 'wrong_state', reservation: current });
  }
  const reservation: Reservation = { ...current, status: 'RESERVED', reason: 'paid', updatedAt: command.at };
  return {
    events: [{ type: 'sold', at: command.at, reservation }],
    outcome: { kind: 'reserved', reservation },
  };
}

function failPayment(state: TicketState, command: FailPayment): Decision {
  const current = state.reservations.get(command.reservationId);
  if (!current) return refused({ kind: 'not_live' });
  if (current.status !== 'PAYING' || current.paymentId !== command.paymentId) {
    return refused({ kind: 'wrong_state', reservation: current });
  }
  return ended(current, command.reason, command.at);
}

function release(state: TicketState, command: Release): Decision {
  const current = state.reservations.get(command.reservationId);
  if (!current) return refused({ kind: 'not_live' });
  // A PAYING hold is given back only after its payment was cancelled at the provider (failPayment).
  if (current.status !== 'PENDING') return refused({ kind: 'wrong_state', reservation: current });
  return ended(current, 'cancelled', command.at);
}

function expire(state: TicketState, command: Expire): Decision {
  const current = state.reservations.get(command.reservationId);
  if (!current) return refused({ kind: 'not_live' });
  if (current.status !== 'PENDING') return refused({ kind: 'wrong_state', reservation: current });
  if (command.at < current.expiresAt) return refused({ kind: 'not_due', expiresAt: current.expiresAt });
  return ended(current, 'expired', command.at);
}

/** Gives a hold back and says why. */
function ended(
  current: Reservation,
  reason: 'cancelled' | 'declined' | 'expired',
  at: number,
  outcome: 'released' | 'hold_expired' = 'released',
): Decision {
  const status = reason === 'expired' ? 'EXPIRED' : 'CANCELLED';
  const reservation: Reservation = { ...current, status, reason, updatedAt: at };
  return {
    events: [{ type: 'released', at, reservation }],
    outcome: outcome === 'hold_expired' ? { kind: 'hold_expired' } : { kind: 'released', reservation },
  };
}

function refund(state: TicketState, command: Refund): Decision {
  const current = state.reservations.get(command.reservationId);
  if (!current) return refused({ kind: 'not_live' });
  if (current.status !== 'RESERVED') return refused({ kind: 'wrong_state', reservation: current });
  if (command.quantity > current.quantity) {
    return refused({ kind: 'refund_exceeds', quantity: current.quantity });
  }
  const left = current.quantity - command.quantity;
  const reservation: Reservation = {
    ...current,
    status: left === 0 ? 'REFUNDED' : 'RESERVED',
    quantity: left === 0 ? current.quantity : left,
    refundedQuantity: current.refundedQuantity + command.quantity,
    reason: 'refunded',
    updatedAt: command.at,
  };
  return {
    events: [{ type: 'refunded', at: command.at, reservation, quantity: command.quantity }],
    outcome: { kind: 'refunded', reservation, quantity: command.quantity },
  };
}

function load(state: TicketState, command: Load, policy: Policy): Decision {
  if (isRepeat(state, command.position)) return refused({ kind: 'repeated' });
  const { capacity, price, currency, position, at } = command;
  const same =
    state.opened && state.capacity === capacity && state.price === price && state.currency === currency;
  // An equal entry with a position is recorded too: handed over again after a later change it must not undo it.
  if (same && position === undefined) return refused({ kind: 'unchanged' });
  const ordered = !state.opened && policy.ordered && { ordered: true as const };
  return {
    events: [{ type: 'loaded', at, capacity, price, currency, ...(position && { position }), ...ordered }],
    outcome: { kind: same ? 'unchanged' : 'applied' },
  };
}

function close(state: TicketState, command: Close): Decision {
  const isClosed = state.closed && (state.cancelled || command.cancelled !== true);
  const events: TicketEvent[] = isClosed ? [] : [{ type: 'closed', at: command.at }];
  if (command.endHolds) {
    for (const current of state.reservations.values()) {
      if (current.status === 'PENDING') events.push(...ended(current, 'cancelled', command.at).events);
    }
  }
  return { events, outcome: events.length > 0 ? { kind: 'applied' } : { kind: 'unchanged' } };
}

function reopen(state: TicketState, { at }: Reopen): Decision {
  if (!state.closed || state.cancelled) return refused({ kind: 'unchanged' });
  return { events: [{ type: 'reopened', at }], outcome: { kind: 'applied' } };
}

function pause(state: TicketState, { paused, revision, at }: Pause): Decision {
  if (revision <= state.pauseRevision) return refused({ kind: 'unchanged' });
  return { events: [{ type: 'paused', at, paused, revision }], outcome: { kind: 'applied' } };
}

function decideOrphan(state: TicketState, { orphanId, decision, at }: DecideOrphan): Decision {
  const orphan = state.orphans.get(orphanId);
  if (!orphan) return refused({ kind: 'unchanged' });
  const { clientId, quantity } = orphan;
  const event = { type: 'orphanDecided', at, orphanId, clientId, decision } as const;
  if (decision === 'dismiss') {
    return { events: [{ ...event, givenBack: 0 }], outcome: { kind: 'orphan_decided', givenBack: 0 } };
  }
  if (state.ordered) return refused({ kind: 'only_by_log' });
  const known = state.remote.get(remoteKey(clientId, undefined));
  const givenBack = Math.min(known?.sold ?? 0, quantity);
  if (!known || givenBack === 0) return refused({ kind: 'nothing_sold' });
  const tally: RemoteTally = { ...known, sold: known.sold - givenBack };
  return { events: [{ ...event, givenBack, tally }], outcome: { kind: 'orphan_decided', givenBack } };
}

function releaseRemote(state: TicketState, command: ReleaseRemote): Decision {
  const { clientId, reservationId, heldSince, at } = command;
  if (state.ordered) return refused({ kind: 'only_by_log' });
  const known = state.remote.get(remoteKey(clientId, reservationId));
  if (!known || known.held === 0 || known.heldSince !== heldSince) return refused({ kind: 'unchanged' });
  const event: TicketEvent = {
    type: 'remoteReleased',
    at,
    clientId,
    ...(reservationId !== undefined && { reservationId }),
    quantity: known.held,
    tally: { ...known, held: 0 },
  };
  return { events: [event], outcome: { kind: 'remote_released', quantity: known.held } };
}

/**
 * RESERVED before their PENDING that one tally keeps apart. Past it the oldest is forgotten: its PENDING, should
 * it come, counts as a hold of its own, which sells less and never more.
 */
export const EARLY_ENTRIES_MAX = 256;

const EMPTY_TALLY: RemoteTally = { held: 0, sold: 0, early: [], cancelledEarly: 0, heldSince: 0 };

function remote(state: TicketState, command: Remote, policy: Policy): Decision {
  if (isRepeat(state, command.position)) return refused({ kind: 'repeated' });
  if (!state.opened) return refused({ kind: 'not_open' });
  if (state.ordered && !command.position) return refused({ kind: 'only_by_log' });
  const key = remoteKey(command.clientId, command.reservationId);
  const known = state.remote.get(key);
  const isOrdered = state.ordered !== null && command.ordered === true && command.reservationId !== undefined;
  // Of those who go by the log there are no more than there are tickets. All of them come to the same number here.
  if (!known && !isOrdered && state.remote.size + state.logged.size >= policy.remoteTalliesMax) {
    return refused({ kind: 'remote_limit', limit: policy.remoteTalliesMax });
  }
  const effect =
    state.ordered && isOrdered
      ? orderedEffect(known ?? EMPTY_TALLY, command, orderedFree(state.ordered))
      : remoteEffect(known ?? EMPTY_TALLY, command, policy);
  const event: TicketEvent = {
    type: 'remote',
    at: command.at,
    action: command.action,
    clientId: command.clientId,
    quantity: command.quantity,
    recordedAt: command.recordedAt,
    ...(command.reservationId !== undefined && { reservationId: command.reservationId }),
    ...(command.position && { position: command.position }),
    ...effect,
    ...(effect.orphan && { orphan: { id: command.id, ...effect.orphan } }),
  };
  return { events: [event], outcome: { kind: effect.orphan ? 'orphaned' : 'applied' } };
}

interface RemoteEffect {
  readonly heldDelta: number;
  readonly soldDelta: number;
  readonly tally: RemoteTally;
  readonly isVoid?: true;
  readonly orphan?: { readonly kind: 'orphan' | 'suspected_refund'; readonly quantity: number };
}

/**
 * A message of one who goes by the log as we do, at its place in it. What it says of a reservation comes in order, so that
 * nothing is early: a CANCELLED of what was void gives nothing back.
 */
function orderedEffect(
  known: RemoteTally,
  { action, quantity, recordedAt }: Pick<Remote, 'action' | 'quantity' | 'recordedAt'>,
  freeInLog: number,
): RemoteEffect {
  switch (action) {
    case 'pending': {
      if (quantity > freeInLog) return { heldDelta: 0, soldDelta: 0, tally: known, isVoid: true };
      const tally = { ...known, held: known.held + quantity, heldSince: recordedAt };
      return { heldDelta: quantity, soldDelta: 0, tally };
    }
    case 'reserved': {
      const moved = Math.min(known.held, quantity);
      const tally = { ...known, held: known.held - moved, sold: known.sold + quantity };
      return { heldDelta: -moved, soldDelta: quantity, tally };
    }
    case 'cancelled': {
      const { heldDelta, soldDelta, tally } = cancelById(known, quantity);
      return { heldDelta, soldDelta, tally: { ...tally, cancelledEarly: 0 } };
    }
  }
}

/**
 * A message of ours at its place in the log. It counts for what is taken exactly as it does for everybody else who goes by
 * the log; what it means for the buyer who asked is decided with it.
 */
function own(state: TicketState, command: Own, policy: Policy): Decision {
  if (isRepeat(state, command.position)) return refused({ kind: 'repeated' });
  if (!state.ordered) return refused({ kind: 'not_open' });
  const { at, action, quantity, recordedAt, reservationId, position } = command;
  const known = state.logged.get(reservationId) ?? EMPTY_TALLY;
  const { heldDelta, soldDelta, tally, isVoid } = orderedEffect(known, command, orderedFree(state.ordered));
  const logged: Logged = {
    action,
    reservationId,
    quantity,
    recordedAt,
    position,
    takenDelta: heldDelta + soldDelta,
    tally,
    ...(isVoid && { isVoid }),
  };
  const asked = action === 'pending' ? state.asked.get(reservationId) : undefined;
  if (!asked) return { events: [{ type: 'logged', at, ...logged }], outcome: { kind: 'applied' } };
  const { events, outcome } = isVoid
    ? voided(asked, at, logged, withoutTickets(state))
    : grant(state, asked, at, logged, policy);
  return {
    events,
    outcome: { kind: 'applied' },
    answer: { reservationId, commandId: asked.commandId, outcome },
  };
}

/** What became of a hold that was asked for. */
interface Granting {
  readonly events: readonly TicketEvent[];
  readonly outcome: Told;
}

/** The log has room for it. It is given, if it may still be given here. */
function grant(state: TicketState, asked: Asked, at: number, logged: Logged, policy: Policy): Granting {
  if (state.closed) return voided(asked, at, logged, { kind: 'closed' });
  if (state.paused) return voided(asked, at, logged, { kind: 'paused' });
  // A later list may have lowered what there is.
  if (asked.reservation.quantity > pending(state)) return voided(asked, at, logged, withoutTickets(state));
  const lastsMs = asked.reservation.offer && !asked.again ? offerMsOf(policy) : policy.holdMs;
  const expiresAt = asked.isEndFixed ? asked.reservation.expiresAt : logged.recordedAt + lastsMs;
  const reservation: Reservation = { ...asked.reservation, expiresAt, updatedAt: at };
  if (asked.again) return heldAgain(at, reservation, policy, { logged });
  return {
    events: [{ type: 'held', at, reservation, logged }],
    outcome: { kind: 'held', reservation },
  };
}

const voided = (asked: Asked, at: number, logged: Logged, outcome: Told): Granting => ({
  events: [{ type: 'voided', at, asked, logged }],
  outcome,
});

function withoutTickets(state: TicketState): Told {
  if (available(state) <= 0) return { kind: 'sold_out' };
  return { kind: 'temporarily_unavailable', remaining: free(state) };
}

function remoteEffect(known: RemoteTally, command: Remote, policy: Policy): RemoteEffect {
  const hasIds = command.reservationId !== undefined;
  // Among peers without ids only a RESERVED close in record time can belong to this PENDING.
  const inWindow = (at: number): boolean =>
    hasIds || Math.abs(command.recordedAt - at) <= policy.earlyReservedWindowMs;
  // Forgotten only when its window has been over for as long again: the clocks of a peer's processes differ, so that
  // a later record may have an earlier time.
  const current = known.early.filter(
    ({ at }) => hasIds || command.recordedAt - at <= 2 * policy.earlyReservedWindowMs,
  );
  switch (command.action) {
    case 'pending': {
      const cancelled = Math.min(known.cancelledEarly, command.quantity);
      const { early, absorbed } = absorb(current, command.quantity - cancelled, inWindow);
      const heldDelta = command.quantity - cancelled - absorbed;
      const tally: RemoteTally = {
        ...known,
        held: known.held + heldDelta,
        early,
        cancelledEarly: known.cancelledEarly - cancelled,
        heldSince: heldDelta > 0 ? command.recordedAt : known.heldSince,
      };
      return { heldDelta, soldDelta: 0, tally };
    }
    case 'reserved': {
      const moved = Math.min(known.held, command.quantity);
      const rest = command.quantity - moved;
      // A CANCELLED that came first ended this sale as well as its hold; the PENDING is still to come.
      const cancelled = Math.min(known.cancelledEarly, rest);
      const soldDelta = command.quantity - cancelled;
      const tally: RemoteTally = {
        ...known,
        held: known.held - moved,
        sold: known.sold + soldDelta,
        early: rest > 0 ? remember(current, command.recordedAt, rest, hasIds) : current,
        cancelledEarly: known.cancelledEarly - cancelled,
      };
      return { heldDelta: -moved, soldDelta, tally };
    }
    case 'cancelled':
      return hasIds ? cancelById(known, command.quantity) : cancelByCount(known, command.quantity);
  }
}

/** Adds a RESERVED that arrived before its PENDING. With ids its time does not matter: one entry is enough. */
function remember(
  early: RemoteTally['early'],
  at: number,
  quantity: number,
  hasIds: boolean,
): RemoteTally['early'] {
  const last = early.at(-1);
  if (last && (hasIds || last.at === at)) {
    return [...early.slice(0, -1), { at, quantity: last.quantity + quantity }];
  }
  return [...early, { at, quantity }].slice(-EARLY_ENTRIES_MAX);
}

/** Takes up to `quantity` from the RESERVED that arrived before their PENDING, oldest first. */
function absorb(
  early: RemoteTally['early'],
  quantity: number,
  matches: (at: number) => boolean,
): { early: RemoteTally['early']; absorbed: number } {
  let left = quantity;
  const kept: { at: number; quantity: number }[] = [];
  for (const entry of early) {
    const used = matches(entry.at) ? Math.min(left, entry.quantity) : 0;
    left -= used;
    if (entry.quantity > used) kept.push({ at: entry.at, quantity: entry.quantity - used });
  }
  return { early: kept, absorbed: quantity - left };
}

/** With ids a CANCELLED is unambiguous: it ends this reservation's hold, then its sale, or came too early. */
function cancelById(known: RemoteTally, quantity: number): RemoteEffect {
  const held = Math.min(known.held, quantity);
  const sold = Math.min(known.sold, quantity - held);
  const tally: RemoteTally = {
    ...known,
    held: known.held - held,
    sold: known.sold - sold,
    cancelledEarly: known.cancelledEarly + quantity - held - sold,
  };
  return { heldDelta: -held, soldDelta: -sold, tally };
}

/** Without ids a CANCELLED beyond what is held changes nothing: the operator decides what it meant. */
function cancelByCount(known: RemoteTally, quantity: number): RemoteEffect {
  const held = Math.min(known.held, quantity);
  const rest = quantity - held;
  const tally: RemoteTally = { ...known, held: known.held - held };
  if (rest === 0) return { heldDelta: -held, soldDelta: 0, tally };
  const kind = known.sold > 0 ? 'suspected_refund' : 'orphan';
  return { heldDelta: -held, soldDelta: 0, tally, orphan: { kind, quantity: rest } };
}

/** True when this position, or a later one of the same partition, has taken effect. */
function isRepeat(state: TicketState, position: LogPosition | undefined): boolean {
  if (position === undefined) return false;
  const last = state.positions.get(position.source);
  if (last === undefined) return false;
  const offset = BigInt(position.offset);
  const lastOffset = BigInt(last.offset);
  return offset < lastOffset || (offset === lastOffset && position.index <= last.index);
}
