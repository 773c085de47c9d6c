/**
 * The promises, for any sequence of commands. A failure prints its seed and path: put them
 * into RUNS to replay it. Checked with node:assert, because some run a million times.
 */
import assert from 'node:assert/strict';
import { describe, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { apply, available, cardKey, codeKey, decide, initialState, pending } from '../../src/rules/index.js';
import { POLICY, TICKET, commands } from './commands.js';
import type {
  Command,
  Decision,
  LogPosition,
  OutcomeKind,
  TicketEvent,
  TicketState,
} from '../../src/rules/index.js';

const RUNS = { numRuns: 1_000 };

interface Step extends Decision {
  readonly before: TicketState;
  readonly command: Command;
  readonly after: TicketState;
}

function play(commands: readonly Command[]): Step[] {
  let state = initialState(TICKET);
  return commands.map((command) => {
    const before = state;
    const decision = decide(before, command, POLICY);
    state = decision.events.reduce(apply, before);
    return { ...decision, before, command, after: state };
  });
}

/** Every state passed through, also those between two events of one command. */
function statesOf(steps: readonly Step[]): TicketState[] {
  const states = [initialState(TICKET)];
  for (const { before, events } of steps) {
    let state = before;
    for (const event of events) states.push((state = apply(state, event)));
  }
  return states;
}

const check = (property: (steps: Step[]) => void): void => {
  fc.assert(
    fc.property(commands, (all) => property(play(all))),
    RUNS,
  );
};

// --- An independent model ---------------------------------------------------------------------------------

/** One sold or held ticket of ours is one line here; nothing is counted, everything is looked up. */
interface Sale {
  id: string;
  person: string;
  status: string;
  tickets: number;
  payment: string | undefined;
  endsAt: number;
  card?: string | undefined;
  code?: string | undefined;
}
/** What a peer, or one reservation of it, has: one array element per ticket. */
interface Peer {
  held: true[];
  sold: true[];
  early: number[];
  cancels: true[];
  since: number;
}
interface Waiter {
  id: string;
  sale: string;
  person: string;
  tickets: number;
}

class Model {
  opened = false;
  closed = false;
  cancelled = false;
  paused = false;
  pauses = 0;
  capacity = 0;
  price = 0;
  readonly sales: Sale[] = [];
  readonly peers = new Map<string, Peer>();
  readonly orphans = new Map<string, { peer: string; tickets: number }>();
  readonly seen: LogPosition[] = [];
  /** The first in line first. */
  line: Waiter[] = [];

  private live(id: string): Sale | undefined {
    return this.sales.find(
      (sale) => sale.id === id && ['PENDING', 'PAYING', 'RESERVED'].includes(sale.status),
    );
  }
  tickets(...statuses: string[]): number {
    return this.sales
      .filter((sale) => statuses.includes(sale.status))
      .reduce((n, sale) => n + sale.tickets, 0);
  }
  elsewhere(what: 'held' | 'sold'): number {
    return [...this.peers.values()].reduce((n, peer) => n + peer[what].length, 0);
  }
  available(): number {
    return this.capacity - this.tickets('RESERVED') - this.elsewhere('sold');
  }
  pending(): number {
    return this.available() - this.tickets('PENDING', 'PAYING') - this.elsewhere('held');
  }
  private passed(position: LogPosition | undefined): boolean {
    if (!position) return false;
    return this.seen.some(
      (seen) =>
        seen.source === position.source &&
        (BigInt(seen.offset) > BigInt(position.offset) ||
          (seen.offset === position.offset && seen.index >= position.index)),
    );
  }

  private room(
    who: string,
    tickets: number,
    elsewhere: number,
    most = POLICY.ticketsPerPersonMax,
  ): OutcomeKind | null {
    if (this.available() < 1) return 'sold_out';
    const owned = this.sales
      .filter((sale) => sale.person === who && this.live(sale.id) === sale)
      .reduce((n, sale) => n + sale.tickets, elsewhere);
    if (owned + tickets > most) return 'purchase_limit';
    return this.pending() < tickets ? 'temporarily_unavailable' : null;
  }

  /** There is one code. */
  private codeRoom(tickets: number, most = Infinity): OutcomeKind | null {
    const used = this.sales
      .filter((sale) => sale.code === 'c' && this.live(sale.id) === sale)
      .reduce((n, sale) => n + sale.tickets, 0);
    return used + tickets > most ? 'purchase_limit' : null;
  }

  private owned(person: string, elsewhere: number): number {
    return this.sales
      .filter((sale) => sale.person === person && this.live(sale.id) === sale)
      .reduce((n, sale) => n + sale.tickets, elsewhere);
  }

  /** Says what should come out, and changes the model accordingly. */
  take(command: Command): OutcomeKind {
    const outcome = this.decide(command);
    this.serve(command.at);
    return outcome;
  }

  /** Everybody in line is looked at once: what is free only gets less. */
  private serve(at: number): void {
    if (this.cancelled) this.line = [];
    if (!this.opened || this.closed || this.paused) return;
    for (const waiter of [...this.line]) {
      if (waiter.tickets > this.pending()) continue;
      this.line = this.line.filter((other) => other !== waiter);
      if (this.owned(waiter.person, 0) + waiter.tickets > POLICY.ticketsPerPersonMax) continue;
      this.sales.push({
        id: waiter.sale,
        person: waiter.person,
        status: 'PENDING',
        tickets: waiter.tickets,
        payment: undefined,
        endsAt: at + (POLICY.waitingOfferMs ?? 0),
      });
    }
  }

  private join(command: Extract<Command, { type: 'joinWaitingList' }>): OutcomeKind {
    const { entryId: id, reservationId: sale, person, quantity: tickets } = command;
    if (this.line.some((waiter) => waiter.id === id)) return 'waiting';
    if (this.live(sale)) return 'held';
    if (!this.opened) return 'not_open';
    if (this.closed) return 'closed';
    if (this.line.some((waiter) => waiter.person === person)) return 'already_waiting';
    const limited = this.owned(person, command.personElsewhere) + tickets > POLICY.ticketsPerPersonMax;
    if (tickets > POLICY.ticketsPerReservationMax || limited) return 'purchase_limit';
    if (this.pending() >= tickets) return this.paused ? 'paused' : 'available_now';
    if (this.line.length === POLICY.waitingListMax) return 'waiting_list_full';
    this.line.push({ id, sale, person, tickets });
    return 'waiting';
  }

  private decide(command: Command): OutcomeKind {
    switch (command.type) {
      case 'joinWaitingList':
        return this.join(command);
      case 'leaveWaitingList': {
        const left = this.line.filter(({ id }) => id !== command.entryId);
        const isOut = left.length < this.line.length;
        this.line = left;
        return isOut ? 'left_waiting_list' : 'not_waiting';
      }
      case 'serveWaitingList':
        return 'unchanged';
      case 'hold': {
        if (this.live(command.reservationId)) return 'held';
        if (!this.opened) return 'not_open';
        if (this.closed) return 'closed';
        if (this.paused) return 'paused';
        if (command.price !== undefined && command.price !== this.price) return 'price_mismatch';
        const { perPerson, perReservation, until, code } = command.limits ?? {};
        if (until !== undefined && until <= command.at) return 'phase_over';
        const most = perReservation === undefined ? POLICY.ticketsPerReservationMax : perReservation;
        if (command.quantity > most) return 'purchase_limit';
        const refusal = this.room(command.person, command.quantity, command.personElsewhere, perPerson);
        if (refusal) return refusal;
        const ofCode = this.codeRoom(command.quantity, code?.ticketsMax);
        if (ofCode) return ofCode;
        this.sales.push({
          id: command.reservationId,
          person: command.person,
          status: 'PENDING',
          tickets: command.quantity,
          payment: undefined,
          endsAt: command.at + POLICY.holdMs,
          code: code?.digest,
        });
        return 'held';
      }
      case 'rehold': {
        const { reservation: ended, attemptId } = command;
        const known = this.live(ended.id);
        if (known) {
          const said = { PENDING: 'wrong_state', PAYING: 'paying', RESERVED: 'reserved' } as const;
          return said[known.status as keyof typeof said];
        }
        if (!this.opened) return 'not_open';
        const tries = ended.attempts?.length ?? 0;
        const isDeclined = ended.status === 'CANCELLED' && ended.reason === 'declined';
        const isOver = command.at >= ended.expiresAt || tries >= POLICY.paymentAttemptsMax;
        if (attemptId !== undefined && (!isDeclined || isOver)) return 'hold_expired';
        if (this.closed) return 'closed';
        if (this.paused) return 'paused';
        const from = command.card ?? (attemptId === undefined ? ended.card : undefined);
        const refusal =
          this.room(ended.person, ended.quantity, command.personElsewhere, ended.limits?.perPerson) ??
          this.codeRoom(ended.quantity, ended.limits?.perCode) ??
          this.cardRoom(from, ended.quantity, command.cardElsewhere);
        if (refusal) return refusal;
        this.sales.push({
          id: ended.id,
          person: ended.person,
          status: 'PAYING',
          tickets: ended.quantity,
          payment: command.paymentId,
          endsAt: 0,
          card: from,
          code: ended.code,
        });
        return 'paying';
      }
      case 'close': {
        const ended = command.endHolds ? this.sales.filter((sale) => sale.status === 'PENDING') : [];
        const isNews = !this.closed || (command.cancelled === true && !this.cancelled);
        const changes = isNews || ended.length > 0;
        this.closed = true;
        this.cancelled ||= command.cancelled === true;
        for (const sale of ended) sale.status = 'CANCELLED';
        return changes ? 'applied' : 'unchanged';
      }
      case 'reopen':
        if (!this.closed || this.cancelled) return 'unchanged';
        this.closed = false;
        return 'applied';
      case 'load': {
        if (this.passed(command.position)) return 'repeated';
        if (command.position) this.seen.push(command.position);
        const same = this.opened && this.capacity === command.capacity && this.price === command.price;
        this.opened = true;
        this.capacity = command.capacity;
        this.price = command.price;
        return same ? 'unchanged' : 'applied';
      }
      case 'remote': {
        if (this.passed(command.position)) return 'repeated';
        if (!this.opened) return 'not_open';
        const key = JSON.stringify([command.clientId, command.reservationId]);
        const peer = this.peers.get(key) ?? { held: [], sold: [], early: [], cancels: [], since: 0 };
        if (!this.peers.has(key) && this.peers.size === POLICY.remoteTalliesMax) return 'remote_limit';
        if (command.position) this.seen.push(command.position);
        let unexplained = 0;
        for (let i = 0; i < command.quantity; i++) unexplained += this.one(peer, command);
        this.keep(key, peer);
        if (unexplained > 0) this.orphans.set(command.id, { peer: key, tickets: unexplained });
        return unexplained > 0 ? 'orphaned' : 'applied';
      }
      case 'pause':
        if (command.revision <= this.pauses) return 'unchanged';
        this.pauses = command.revision;
        this.paused = command.paused;
        return 'applied';
      case 'decideOrphan': {
        const orphan = this.orphans.get(command.orphanId);
        if (!orphan) return 'unchanged';
        if (command.decision === 'give_back') {
          const peer = this.peers.get(orphan.peer);
          if (!peer?.sold.length) return 'nothing_sold';
          for (let i = 0; i < orphan.tickets; i++) peer.sold.pop();
          this.keep(orphan.peer, peer);
        }
        this.orphans.delete(command.orphanId);
        return 'orphan_decided';
      }
      case 'releaseRemote': {
        const key = JSON.stringify([command.clientId, command.reservationId]);
        const peer = this.peers.get(key);
        if (!peer?.held.length || peer.since !== command.heldSince) return 'unchanged';
        peer.held.length = 0;
        this.keep(key, peer);
        return 'remote_released';
      }
      case 'own':
        return this.passed(command.position) ? 'repeated' : 'not_open';
      default:
        return this.about(this.live(command.reservationId), command);
    }
  }

  private keep(key: string, peer: Peer): void {
    const idle = [peer.held, peer.sold, peer.early, peer.cancels].every(({ length }) => length === 0);
    if (idle) this.peers.delete(key);
    else this.peers.set(key, peer);
  }

  /** One ticket of a remote message; 1 when nothing explains it. */
  private one(peer: Peer, message: Extract<Command, { type: 'remote' }>): number {
    const withIds = message.reservationId !== undefined;
    const window = POLICY.earlyReservedWindowMs;
    if (!withIds && message.action !== 'cancelled') {
      peer.early = peer.early.filter((at) => message.recordedAt <= at + 2 * window);
    }
    switch (message.action) {
      case 'pending': {
        if (peer.cancels.pop()) return 0;
        const i = peer.early.findIndex((at) => withIds || Math.abs(at - message.recordedAt) <= window);
        if (i >= 0) peer.early.splice(i, 1);
        else {
          peer.held.push(true);
          peer.since = message.recordedAt;
        }
        return 0;
      }
      case 'reserved':
        if (peer.held.pop()) peer.sold.push(true);
        else {
          peer.early.push(message.recordedAt);
          if (!peer.cancels.pop()) peer.sold.push(true);
        }
        return 0;
      case 'cancelled':
        if (peer.held.pop()) return 0;
        if (!withIds) return 1;
        if (!peer.sold.pop()) peer.cancels.push(true);
        return 0;
    }
  }

  private cardRoom(from: string | undefined, tickets: number, elsewhere = 0): OutcomeKind | null {
    if (from === undefined) return null;
    const owned = this.sales
      .filter((other) => other.card === from && this.live(other.id) === other)
      .reduce((n, other) => n + other.tickets, elsewhere);
    return owned + tickets > POLICY.ticketsPerPersonMax ? 'purchase_limit' : null;
  }

  private about(
    sale: Sale | undefined,
    command: Exclude<
      Command,
      {
        type:
          | 'hold'
          | 'rehold'
          | 'close'
          | 'reopen'
          | 'load'
          | 'remote'
          | 'own'
          | 'pause'
          | 'decideOrphan'
          | 'releaseRemote'
          | 'joinWaitingList'
          | 'leaveWaitingList'
          | 'serveWaitingList';
      }
    >,
  ): OutcomeKind {
    if (!sale) return 'not_live';
    switch (command.type) {
      case 'startPayment':
        if (sale.status === 'RESERVED') return 'reserved';
        if (sale.status === 'PAYING') return 'paying';
        if (sale.endsAt <= command.at) {
          sale.status = 'EXPIRED';
          return 'hold_expired';
        }
        if (this.cardRoom(command.card, sale.tickets, command.cardElsewhere)) return 'purchase_limit';
        sale.status = 'PAYING';
        sale.payment = command.paymentId;
        sale.card = command.card;
        return 'paying';
      case 'declinePayment':
        return sale.status !== 'PAYING' || sale.payment !== command.paymentId ? 'wrong_state' : 'paying';
      case 'confirm':
        if (sale.status === 'PENDING' || sale.payment !== command.paymentId) return 'wrong_state';
        sale.status = 'RESERVED';
        return 'reserved';
      case 'failPayment':
        if (sale.status !== 'PAYING' || sale.payment !== command.paymentId) return 'wrong_state';
        sale.status = command.reason === 'expired' ? 'EXPIRED' : 'CANCELLED';
        return 'released';
      case 'release':
        if (sale.status !== 'PENDING') return 'wrong_state';
        sale.status = 'CANCELLED';
        return 'released';
      case 'expire':
        if (sale.status !== 'PENDING') return 'wrong_state';
        if (command.at < sale.endsAt) return 'not_due';
        sale.status = 'EXPIRED';
        return 'released';
      case 'refund':
        if (sale.status !== 'RESERVED') return 'wrong_state';
        if (sale.tickets < command.quantity) return 'refund_exceeds';
        sale.tickets -= command.quantity;
        if (sale.tickets === 0) sale.status = 'REFUNDED';
        return 'refunded';
    }
  }
}

// --- Properties -------------------------------------------------------------------------------------------

const REFUSALS: ReadonlySet<OutcomeKind> = new Set([
  'sold_out',
  'temporarily_unavailable',
  'purchase_limit',
  'price_mismatch',
  'not_open',
  'closed',
  'paused',
  'nothing_sold',
  'not_live',
  'wrong_state',
  'refund_exceeds',
  'not_due',
  'repeated',
  'remote_limit',
  'already_waiting',
  'available_now',
  'waiting_list_full',
  'not_waiting',
]);
const reservationOf = (event: TicketEvent) => ('reservation' in event ? event.reservation : undefined);
const total = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);

describe('any sequence of commands', () => {
  it('comes out as the model says', () => {
    check((steps) => {
      const model = new Model();
      for (const { command, outcome, after } of steps) {
        const expected = model.take(command);
        assert.deepEqual([command.type, outcome.kind], [command.type, expected]);
        assert.deepEqual(
          {
            available: available(after),
            pending: pending(after),
            heldHere: after.heldHere,
            soldHere: after.soldHere,
            heldElsewhere: after.heldElsewhere,
            soldElsewhere: after.soldElsewhere,
            closed: after.closed,
            cancelled: after.cancelled,
            paused: after.paused,
            peers: after.remote.size,
            orphans: new Set(after.orphans.keys()),
            waiting: [...after.waiting.entries.keys()],
          },
          {
            available: model.available(),
            pending: model.pending(),
            heldHere: model.tickets('PENDING', 'PAYING'),
            soldHere: model.tickets('RESERVED'),
            heldElsewhere: model.elsewhere('held'),
            soldElsewhere: model.elsewhere('sold'),
            closed: model.closed,
            cancelled: model.cancelled,
            paused: model.paused,
            peers: model.peers.size,
            orphans: new Set(model.orphans.keys()),
            waiting: model.line.map(({ id }) => id),
          },
        );
      }
    });
  });

  it('keeps both equations, and every counter the sum of its parts, after every event', () => {
    check((steps) => {
      for (const state of statesOf(steps)) {
        const live = [...state.reservations.values()];
        const tallies = [...state.remote.values()];
        const sold = live.filter((one) => one.status === 'RESERVED').map((one) => one.quantity);
        const held = live.filter((one) => one.status !== 'RESERVED').map((one) => one.quantity);
        assert.equal(state.capacity, available(state) + state.soldHere + state.soldElsewhere);
        assert.equal(pending(state), available(state) - state.heldHere - state.heldElsewhere);
        assert.equal(state.soldHere, total(sold));
        assert.equal(state.heldHere, total(held));
        assert.equal(state.soldElsewhere, total(tallies.map((tally) => tally.sold)));
        assert.equal(state.heldElsewhere, total(tallies.map((tally) => tally.held)));
        assert.ok(live.every((one) => one.quantity > 0));
        assert.ok(tallies.every((tally) => tally.held >= 0 && tally.sold >= 0));
        assert.ok(tallies.length <= POLICY.remoteTalliesMax);
      }
    });
  });

  it('says of everything that ends after its match was cancelled why, and of nothing before', () => {
    check((steps) => {
      for (const { events, after } of steps) {
        for (const event of events) {
          if (!['sold', 'released', 'refunded', 'closed'].includes(event.type)) continue;
          assert.equal('cause' in event, after.cancelled);
        }
      }
    });
  });

  it('never grants a hold that takes pending below 0, and none while closed or paused', () => {
    check((steps) => {
      for (const { before, events } of steps) {
        let state = before;
        for (const event of events) {
          const earlier = state;
          state = apply(earlier, event);
          if (event.type !== 'held') continue;
          assert.ok(pending(state) >= 0);
          assert.ok(earlier.opened);
          assert.ok(!earlier.closed);
          assert.ok(!earlier.paused);
          assert.ok(!earlier.cancelled);
        }
      }
    });
  });

  it('gives every ticket back exactly once', () => {
    check((steps) => {
      const given = new Map<string, number>();
      const add = (id: string, n: number): void => void given.set(id, (given.get(id) ?? 0) + n);
      const standing = new Set<string>();
      for (const { events } of steps) {
        for (const event of events) {
          const reservation = reservationOf(event);
          if (!reservation) continue;
          const { id } = reservation;
          assert.equal(standing.has(id), event.type !== 'held');
          if (event.type === 'held') add(id, reservation.quantity);
          if (event.type === 'released') add(id, -reservation.quantity);
          if (event.type === 'refunded') add(id, -event.quantity);
          if (['CANCELLED', 'EXPIRED', 'REFUNDED'].includes(reservation.status)) {
            standing.delete(id);
            assert.equal(given.get(id), 0);
          } else standing.add(id);
        }
      }
      const last = steps.at(-1)!.after;
      for (const [id, tickets] of given) assert.equal(last.reservations.get(id)?.quantity ?? 0, tickets);
    });
  });

  it('lets no person have more than the limit, and counts what they have', () => {
    check((steps) => {
      for (const { command, events, after } of steps) {
        const owned = new Map<string, number>();
        for (const one of after.reservations.values()) {
          owned.set(one.person, (owned.get(one.person) ?? 0) + one.quantity);
          const keys = [one.card && cardKey(one.card), one.code && codeKey(one.code)];
          for (const key of keys) if (key) owned.set(key, (owned.get(key) ?? 0) + one.quantity);
        }
        assert.deepEqual(new Map(after.persons), owned);
        for (const tickets of owned.values()) assert.ok(tickets <= POLICY.ticketsPerPersonMax);
        if (command.type === 'hold' && events.length > 0) {
          const everywhere = (owned.get(command.person) ?? 0) + command.personElsewhere;
          assert.ok(everywhere <= POLICY.ticketsPerPersonMax);
        }
      }
    });
  });

  it('folding the events, through JSON, gives the same state as stepping', () => {
    check((steps) => {
      const events = JSON.parse(JSON.stringify(steps.flatMap((step) => step.events))) as TicketEvent[];
      const replayed = events.reduce(apply, initialState(TICKET));
      const stepped = steps.at(-1)!.after;
      for (const key of ['reservations', 'persons', 'remote', 'orphans', 'positions'] as const) {
        assert.deepEqual(replayed[key].toObject(), stepped[key].toObject());
      }
      assert.equal(replayed.beyondVersion3, stepped.beyondVersion3);
      const beyond = stepped.reservations.filter((one) => one.code || one.limits || one.offer);
      assert.equal(stepped.beyondVersion3, beyond.size);
      assert.deepEqual([...replayed.waiting.entries.values()], [...stepped.waiting.entries.values()]);
      assert.deepEqual(replayed.waiting.persons.toObject(), stepped.waiting.persons.toObject());
      assert.deepEqual(replayed.waiting.quantities.toObject(), stepped.waiting.quantities.toObject());
      const {
        reservations: _a,
        persons: _b,
        remote: _c,
        positions: _d,
        orphans: _e,
        waiting: _f,
        ...counters
      } = replayed;
      for (const [name, value] of Object.entries(counters)) {
        assert.deepEqual(stepped[name as keyof TicketState], value);
      }
    });
  });

  it('a log handed over again changes nothing', () => {
    check((steps) => {
      const state = steps.at(-1)!.after;
      const taken = steps.filter(
        (step) => step.outcome.kind !== 'not_open' && step.outcome.kind !== 'remote_limit',
      );
      for (const { command } of taken) {
        if ((command.type !== 'remote' && command.type !== 'load') || !command.position) continue;
        assert.deepEqual(decide(state, command, POLICY), { events: [], outcome: { kind: 'repeated' } });
      }
    });
  });

  it('decide and apply change nothing they are given, and repeat themselves', () => {
    fc.assert(
      fc.property(commands, (all) => {
        let state = initialState(TICKET);
        const policy = deepFreeze({ ...POLICY });
        for (const command of all) {
          deepFreeze(command);
          freezeState(state);
          const text = JSON.stringify(state);
          const decision = decide(state, command, policy);
          deepFreeze(decision);
          const next = decision.events.reduce((current, event) => apply(freezeState(current), event), state);
          assert.equal(JSON.stringify(state), text);
          assert.deepEqual(decide(state, command, policy), decision);
          state = next;
        }
      }),
      RUNS,
    );
  });

  it('a refusal has no events, anything else about a reservation carries it', () => {
    check((steps) => {
      for (const { outcome, events, before, after } of steps) {
        if (REFUSALS.has(outcome.kind)) {
          assert.deepEqual(events, []);
          assert.equal(after, before);
        }
        const told = 'reservation' in outcome ? outcome.reservation : undefined;
        // What it gives back may be offered in the same decision.
        const own = events.filter((event) => reservationOf(event)?.id === told?.id).at(-1);
        const kept = told && (after.reservations.get(told.id) ?? reservationOf(own!));
        assert.deepEqual(told, kept);
      }
    });
  });

  it('apply is total: any event of another history gives a state', () => {
    fc.assert(
      fc.property(commands, commands, (mine, theirs) => {
        const state = play(mine).at(-1)!.after;
        const events = play(theirs).flatMap((step) => step.events);
        const after = events.reduce(apply, state);
        assert.ok(Number.isInteger(available(after)) && Number.isInteger(pending(after)));
        assert.equal(after.capacity, available(after) + after.soldHere + after.soldElsewhere);
        const live = [...after.reservations.values()];
        assert.equal(after.heldHere + after.soldHere, total(live.map((one) => one.quantity)));
      }),
      RUNS,
    );
  });

  it('the sequences reach every outcome and every event', () => {
    const outcomes = new Set<OutcomeKind>();
    const events = new Set<TicketEvent['type']>();
    for (const sequence of fc.sample(commands, { numRuns: 16_000, seed: 2_022 })) {
      for (const step of play(sequence)) {
        outcomes.add(step.outcome.kind);
        for (const event of step.events) events.add(event.type);
      }
    }
    assert.deepEqual([...outcomes].sort(), Object.keys(EVERY_OUTCOME).sort());
    assert.equal(events.size, 15);
  });
});

/** But those of a sale in the order of the log. */
const EVERY_OUTCOME: Record<Exclude<OutcomeKind, 'asked' | 'only_by_log' | 'being_offered'>, true> = {
  held: true,
  sold_out: true,
  temporarily_unavailable: true,
  purchase_limit: true,
  price_mismatch: true,
  not_open: true,
  closed: true,
  paying: true,
  reserved: true,
  released: true,
  refunded: true,
  not_live: true,
  hold_expired: true,
  wrong_state: true,
  refund_exceeds: true,
  not_due: true,
  applied: true,
  orphaned: true,
  repeated: true,
  unchanged: true,
  remote_limit: true,
  paused: true,
  phase_over: true,
  orphan_decided: true,
  nothing_sold: true,
  remote_released: true,
  waiting: true,
  left_waiting_list: true,
  already_waiting: true,
  available_now: true,
  waiting_list_full: true,
  not_waiting: true,
};

function deepFreeze<T extends object>(value: T): T {
  if (Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) {
    if (typeof part === 'object' && part !== null) deepFreeze(part as object);
  }
  return value;
}

/** Immutable maps cannot be frozen, what they hold can. */
function freezeState(state: TicketState): TicketState {
  for (const map of [state.reservations, state.remote, state.orphans, state.positions]) {
    for (const value of map.values()) deepFreeze(value);
  }
  return Object.freeze(state);
}
