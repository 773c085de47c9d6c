/** Sales in the order of the log: several marketplaces that fold the same records, at their own pace. */
import assert from 'node:assert/strict';
import { describe, it } from '@jest/globals';
import fc from '../helpers/property.js';
import {
  apply,
  available,
  decide,
  initialState,
  orderedFree,
  pending,
  type Command,
  type Decision,
  type Outcome,
  type Policy,
  type RemoteAction,
  type TicketEvent,
  type TicketState,
} from '../../src/rules/index.js';

const TICKET = { matchNumber: 7, category: 3 };
const POLICY: Policy = {
  holdMs: 1_000,
  paymentAttemptsMax: 3,
  payingMs: 1_500,
  ticketsPerPersonMax: 1_000,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60,
  remoteTalliesMax: 10,
  ordered: true,
};

interface LogRecord {
  readonly from: string;
  readonly action: RemoteAction;
  readonly reservationId: string;
  readonly quantity: number;
  /** Whether its sender goes by the log. */
  readonly ordered: boolean;
  readonly at: number;
}

const ACTIONS = { asked: 'pending', voided: 'cancelled', sold: 'reserved', released: 'cancelled' } as const;

/** What the wire makes of an event; `refunded` says how much of it. */
function announced(event: TicketEvent): Omit<LogRecord, 'from' | 'at' | 'ordered'> | null {
  switch (event.type) {
    case 'asked':
    case 'voided': {
      const { id, quantity } = event.asked.reservation;
      return { action: ACTIONS[event.type], reservationId: id, quantity };
    }
    case 'sold':
    case 'released':
      return {
        action: ACTIONS[event.type],
        reservationId: event.reservation.id,
        quantity: event.reservation.quantity,
      };
    case 'refunded':
      return { action: 'cancelled', reservationId: event.reservation.id, quantity: event.quantity };
    case 'held':
      assert.ok(event.logged, 'a hold that the log did not grant');
      return null;
    default:
      return null;
  }
}

class Marketplace {
  state: TicketState = initialState(TICKET);
  /** How far it has folded the log. */
  at = 0;
  readonly outbox: Omit<LogRecord, 'from' | 'at' | 'ordered'>[] = [];
  readonly answers: { readonly reservationId: string; readonly outcome: Outcome }[] = [];
  #commands = 0;

  constructor(
    readonly name: string,
    capacity: number,
    readonly policy = POLICY,
  ) {
    this.tell({ type: 'load', id: 'list', at: 0, capacity, price: 75, currency: 'USD' });
  }

  tell(command: Command): Decision {
    const decision = decide(this.state, command, this.policy);
    for (const event of decision.events) {
      this.state = apply(this.state, event);
      const record = announced(event);
      if (record) this.outbox.push(record);
    }
    if (decision.answer) this.answers.push(decision.answer);
    return decision;
  }

  hold(reservationId: string, quantity: number, at: number): Outcome {
    this.#commands += 1;
    return this.tell({
      type: 'hold',
      id: `hold/${this.#commands}`,
      at,
      reservationId,
      quantity,
      email: 'x@example.org',
      person: reservationId,
      personElsewhere: 0,
    }).outcome;
  }

  fold({ from, action, reservationId, quantity, ordered, at }: LogRecord): void {
    const position = { source: 'log', offset: String(this.at), index: 0 };
    const said = { id: `m${this.at}`, at, action, quantity, reservationId, recordedAt: at, position };
    const { outcome } = this.tell(
      from === this.name
        ? { ...said, type: 'own' }
        : { ...said, type: 'remote', clientId: from, ...(ordered && { ordered }) },
    );
    assert.ok(outcome.kind === 'applied' || outcome.kind === 'remote_limit', outcome.kind);
    this.at += 1;
  }

  /** What it thinks that everybody has, by marketplace and reservation. */
  get tallies(): ReadonlyMap<string, string> {
    const own = [...this.state.logged].map(([id, tally]) => [`${this.name}/${id}`, tally] as const);
    return new Map(
      [...own, ...this.state.remote]
        .map(([key, { held, sold }]) => [key, `${held}+${sold}`] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('hold' as const),
      who: fc.nat(2),
      quantity: fc.integer({ min: 1, max: 2 }),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('publish' as const), who: fc.nat(2) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('fold' as const), who: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('sell' as const), who: fc.nat(2), which: fc.nat(9) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('release' as const), who: fc.nat(2), which: fc.nat(9) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('refund' as const), who: fc.nat(2), which: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), who: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('list' as const), who: fc.nat(2), capacity: fc.nat(8) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('stranger' as const),
      action: fc.constantFrom<RemoteAction>('pending', 'reserved', 'cancelled'),
      id: fc.nat(3),
      quantity: fc.integer({ min: 1, max: 2 }),
    }),
  },
);

describe('sales in the order of the log', () => {
  it('nobody who goes by it sells what another has, whatever comes in between, and all come to the same', () => {
    const seen = { held: 0, void: 0, strangers: 0, refusedHere: 0 };
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(step, { minLength: 10, maxLength: 90 }),
        (capacity, steps) => {
          const all = ['ann', 'bob', 'cy'].map((name) => new Marketplace(name, capacity));
          const log: LogRecord[] = [];
          let now = 10;
          let strangers = 0;
          let revision = 0;
          const check = (): void => {
            for (const { state, name } of all) {
              const { ordered } = state;
              assert.ok(ordered);
              const asked = [...state.asked.values()].reduce((n, { reservation: r }) => n + r.quantity, 0);
              assert.equal(ordered.asked, asked);
              // Without strangers it never gives more than there is.
              if (strangers === 0) assert.ok(orderedFree(ordered) >= 0, `${name}: ${orderedFree(ordered)}`);
              // What is held or sold here stands in the log, or was given back here before it does.
              const here = state.heldHere + state.soldHere;
              const inLog = [...state.logged.values()].reduce((n, { held, sold }) => n + held + sold, 0);
              assert.ok(here <= inLog, `${name} has ${here}, the log says ${inLog}`);
              assert.equal(pending(state), available(state) - state.heldHere - state.heldElsewhere);
            }
            // All together, whatever each has folded so far.
            if (strangers === 0) {
              const given = all.reduce((n, { state }) => n + state.heldHere + state.soldHere, 0);
              assert.ok(given <= capacity, `${given} of ${capacity} are given`);
            }
          };
          const publish = (one: Marketplace): void => {
            const record = one.outbox.shift();
            if (record) log.push({ ...record, from: one.name, ordered: true, at: (now += 1) });
          };
          const fold = (one: Marketplace): void => {
            const record = log[one.at];
            if (record) one.fold(record);
          };
          const one = (who: number): Marketplace => all[who] ?? assert.fail();
          for (const [i, did] of steps.entries()) {
            switch (did.do) {
              case 'hold': {
                const { kind } = one(did.who).hold(`r${i}`, did.quantity, now);
                assert.notEqual(kind, 'held');
                break;
              }
              case 'publish':
                publish(one(did.who));
                break;
              case 'fold':
                fold(one(did.who));
                break;
              case 'sell':
              case 'release':
              case 'refund': {
                const { state } = one(did.who);
                const wanted = did.do === 'refund' ? 'RESERVED' : 'PENDING';
                const held = [...state.reservations.values()].filter(({ status }) => status === wanted);
                const found = held[did.which % Math.max(1, held.length)];
                if (!found) break;
                const about = { at: now, reservationId: found.id };
                const [id, paymentId] = [`${did.do}/${i}`, `p${i}`];
                if (did.do === 'release') one(did.who).tell({ ...about, type: 'release', id });
                else if (did.do === 'refund')
                  one(did.who).tell({ ...about, type: 'refund', id, quantity: 1 });
                else {
                  one(did.who).tell({ ...about, type: 'startPayment', id: `${id}/a`, paymentId });
                  one(did.who).tell({ ...about, type: 'confirm', id, paymentId });
                }
                break;
              }
              case 'pause': {
                revision += 1;
                const { paused } = one(did.who).state;
                one(did.who).tell({ type: 'pause', id: `pause/${i}`, at: now, paused: !paused, revision });
                break;
              }
              case 'list':
                one(did.who).tell({
                  type: 'load',
                  id: `list/${i}`,
                  at: now,
                  capacity: did.capacity,
                  price: 75,
                  currency: 'USD',
                });
                break;
              case 'stranger':
                strangers += 1;
                log.push({
                  from: 'stranger',
                  action: did.action,
                  reservationId: `s${did.id}`,
                  quantity: did.quantity,
                  ordered: false,
                  at: (now += 1),
                });
                break;
            }
            check();
          }
          for (let busy = true; busy;) {
            busy = false;
            for (const each of all) {
              while (each.outbox.length > 0) publish(each);
              while (each.at < log.length) {
                fold(each);
                busy = true;
              }
            }
            check();
          }
          const [first, ...others] = all;
          assert.ok(first);
          for (const other of others) {
            assert.equal(other.state.ordered?.taken, first.state.ordered?.taken);
            assert.deepEqual(other.tallies, first.tallies);
          }
          for (const { state, answers } of all) {
            assert.equal(state.asked.size, 0, 'somebody waits for ever');
            assert.equal(new Set(answers.map((answer) => answer.reservationId)).size, answers.length);
            seen.held += answers.filter(({ outcome }) => outcome.kind === 'held').length;
            seen.void += answers.filter(({ outcome }) => outcome.kind === 'temporarily_unavailable').length;
            seen.refusedHere += answers.filter(({ outcome }) => outcome.kind === 'paused').length;
          }
          seen.strangers += strangers;
        },
      ),
      { numRuns: 2_000 },
    );
    for (const [what, times] of Object.entries(seen)) assert.ok(times > 50, `${what}: ${times}`);
  });

  const two = (capacity = 1, policy = POLICY) =>
    [new Marketplace('ann', capacity, policy), new Marketplace('bob', capacity, policy)] as const;
  const record = (from: string, action: RemoteAction, reservationId: string, more = {}): LogRecord => ({
    from,
    action,
    reservationId,
    quantity: 1,
    ordered: true,
    at: 100,
    ...more,
  });

  it('the last ticket is for whose record comes first; the other is told that it is held', () => {
    const [ann, bob] = two();
    assert.deepEqual(ann.hold('a', 1, 1), { kind: 'asked' });
    assert.deepEqual(bob.hold('b', 1, 1), { kind: 'asked' });
    for (const one of [ann, bob]) {
      one.fold(record('bob', 'pending', 'b'));
      one.fold(record('ann', 'pending', 'a'));
    }
    assert.deepEqual(
      ann.answers.map(({ outcome }) => outcome),
      [{ kind: 'temporarily_unavailable', remaining: 0 }],
    );
    assert.equal(bob.state.heldHere, 1);
    // Who was too late takes it back for those who only count; it gives nothing back to those who did not count it.
    assert.deepEqual(ann.outbox.at(-1), { action: 'cancelled', reservationId: 'a', quantity: 1 });
    for (const one of [ann, bob]) {
      one.fold(record('ann', 'cancelled', 'a'));
      assert.deepEqual(one.state.ordered, { capacity: 1, taken: 1, asked: 0 });
    }
  });

  it('is sold out for who comes too late for the last one that was bought', () => {
    const [ann] = two();
    ann.hold('a', 1, 1);
    ann.fold(record('bob', 'pending', 'b'));
    ann.fold(record('bob', 'reserved', 'b'));
    ann.fold(record('ann', 'pending', 'a'));
    assert.deepEqual(
      ann.answers.map(({ outcome }) => outcome),
      [{ kind: 'sold_out' }],
    );
  });

  it('asks the log for nothing that cannot be granted, as far as it knows', () => {
    const [ann] = two();
    assert.deepEqual(ann.hold('a', 1, 1), { kind: 'asked' });
    const asked = ann.outbox.length;
    assert.deepEqual(ann.hold('b', 1, 1), { kind: 'temporarily_unavailable', remaining: 0 });
    assert.equal(ann.outbox.length, asked);
  });

  it('a hold and the record that decides it are one fact: nothing can be lost between them', () => {
    for (const isLate of [false, true]) {
      const [ann] = two();
      ann.hold('a', 1, 1);
      if (isLate) ann.fold(record('bob', 'pending', 'b'));
      const place = { source: 'log', offset: String(ann.at), index: 0 };
      const said = { id: 'm', at: 1, recordedAt: 1, quantity: 1, reservationId: 'a', position: place };
      const [first, ...rest] = decide(ann.state, { ...said, type: 'own', action: 'pending' }, POLICY).events;
      assert.ok(first && rest.length === 0);
      assert.equal(first.type, isLate ? 'voided' : 'held');
      const after = apply(ann.state, first);
      assert.equal(after.asked.size, 0);
      assert.deepEqual(after.positions.get('log'), { offset: place.offset, index: 0 });
      assert.equal(after.ordered?.taken, 1);
    }
  });

  it('a hold ends by the time at which the log took it', () => {
    const [ann] = two();
    ann.hold('a', 1, 1);
    ann.fold(record('ann', 'pending', 'a', { at: 5_000 }));
    assert.equal(ann.state.reservations.get('a')?.expiresAt, 6_000);
  });

  it('asking twice is asking once, and the limits of a person count what was asked for', () => {
    const [ann] = two(9, { ...POLICY, ticketsPerPersonMax: 2 });
    assert.deepEqual(ann.hold('a', 2, 1), { kind: 'asked' });
    assert.deepEqual(ann.hold('a', 2, 1), { kind: 'asked' });
    assert.equal(ann.state.asked.size, 1);
    assert.equal(ann.state.persons.get('a'), 2);
    ann.fold(record('ann', 'pending', 'a', { quantity: 2 }));
    assert.equal(ann.state.persons.get('a'), 2);
    assert.deepEqual(ann.hold('a', 2, 2).kind, 'held');
  });

  it('a declined buyer who tries again asks the log again, and pays when it grants it', () => {
    const [ann] = two(1);
    ann.hold('a', 1, 1);
    ann.fold(record('ann', 'pending', 'a'));
    const about = { reservationId: 'a', paymentId: 'p1', at: 200 };
    ann.tell({ ...about, type: 'startPayment', id: 's' });
    ann.tell({ ...about, type: 'declinePayment', id: 'd', reason: 'no money' });
    ann.tell({ ...about, type: 'failPayment', id: 'f', reason: 'declined' });
    ann.fold(record('ann', 'cancelled', 'a'));
    const ended = ann.outbox.at(-1);
    assert.deepEqual(ended?.action, 'cancelled');
    const declined = decideAgain(ann);
    assert.deepEqual(declined, { kind: 'asked' });
    ann.fold(record('ann', 'pending', 'a', { at: 250 }));
    const current = ann.state.reservations.get('a');
    assert.equal(current?.status, 'PAYING');
    // Its time is no longer than it was.
    assert.equal(current?.expiresAt, 1_100);
    assert.deepEqual(ann.answers.at(-1)?.outcome, { kind: 'paying', reservation: current });
  });

  /** As the flow does after a decline: with the reservation as it ended. */
  function decideAgain(one: Marketplace): Outcome {
    const reservation = {
      id: 'a',
      ...TICKET,
      status: 'CANCELLED' as const,
      reason: 'declined' as const,
      quantity: 1,
      refundedQuantity: 0,
      unitPrice: 75,
      currency: 'USD',
      email: 'x@example.org',
      person: 'a',
      createdAt: 1,
      updatedAt: 200,
      expiresAt: 1_100,
      attempts: [{ id: 'p1', declined: 'no money' }],
    };
    return one.tell({
      type: 'rehold',
      id: 'again',
      at: 220,
      reservation,
      paymentId: 'p2',
      attemptId: 'a2',
      personElsewhere: 0,
    }).outcome;
  }

  it('a later list moves what people see, and not what the log may grant', () => {
    const [ann] = two(1);
    ann.tell({ type: 'load', id: 'l2', at: 2, capacity: 5, price: 75, currency: 'USD' });
    assert.equal(pending(ann.state), 5);
    assert.deepEqual(ann.hold('a', 2, 1), { kind: 'temporarily_unavailable', remaining: 1 });
    assert.deepEqual(ann.state.ordered, { capacity: 1, taken: 0, asked: 0 });
  });

  it('what the log grants and a lower capacity does not allow is given back', () => {
    const [ann] = two(2);
    ann.hold('a', 2, 1);
    ann.tell({ type: 'load', id: 'l2', at: 2, capacity: 1, price: 75, currency: 'USD' });
    ann.fold(record('ann', 'pending', 'a', { quantity: 2 }));
    assert.deepEqual(ann.answers.at(-1)?.outcome, { kind: 'temporarily_unavailable', remaining: 0 });
    assert.equal(ann.state.ordered?.taken, 2);
    ann.fold(record('ann', 'cancelled', 'a', { quantity: 2 }));
    assert.equal(ann.state.ordered?.taken, 0);
  });

  it('only the log moves what others have', () => {
    const [ann] = two(2);
    ann.fold(record('peer', 'pending', 'x', { ordered: false }));
    const bare = { id: 'c', at: 9 };
    const about = { clientId: 'peer', reservationId: 'x' };
    for (const command of [
      { ...bare, ...about, type: 'releaseRemote', heldSince: 100 },
      { ...bare, ...about, type: 'remote', action: 'cancelled', quantity: 1, recordedAt: 9 },
    ] as const) {
      assert.deepEqual(ann.tell(command), { events: [], outcome: { kind: 'only_by_log' } });
    }
  });
});
