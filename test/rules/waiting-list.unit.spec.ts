/** The waiting list: who is offered what, in which order, and that nobody comes in between. */
import assert from 'node:assert/strict';
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { TICKET } from './commands.js';
import { apply, decide, initialState, isSpokenFor, pending, SERVED_MAX } from '../../src/rules/index.js';
import type {
  Command,
  Decision,
  Elsewhere,
  HoldLimits,
  JoinWaitingList,
  Policy,
  Reservation,
  TicketState,
} from '../../src/rules/index.js';

const T0 = 1_669_000_000_000;
const OFFER_MS = 900_000;
const POLICY: Policy = {
  holdMs: 600_000,
  paymentAttemptsMax: 3,
  payingMs: 900_000,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60_000,
  remoteTalliesMax: 10,
  waitingListMax: 1_000,
  waitingOfferMs: OFFER_MS,
};

class Ticket {
  state: TicketState;
  #made = 0;

  constructor(
    capacity: number,
    readonly policy: Policy = POLICY,
    readonly elsewhere: Elsewhere = () => 0,
  ) {
    this.state = initialState(TICKET);
    this.do({ type: 'load', capacity, price: 75, currency: 'USD' });
  }

  do(body: Record<string, unknown> & { type: Command['type'] }, at = T0): Decision {
    const command = { id: `c${(this.#made += 1)}`, at, ...body } as Command;
    const decision = decide(this.state, command, this.policy, this.elsewhere);
    this.state = decision.events.reduce(apply, this.state);
    return decision;
  }

  hold(person: string, quantity: number, at = T0): Decision {
    const email = `${person}@example.org`;
    return this.do(
      { type: 'hold', reservationId: `r-${person}`, quantity, email, person, personElsewhere: 0 },
      at,
    );
  }

  join(person: string, quantity: number, over: Partial<JoinWaitingList> = {}): Decision {
    return this.do({
      type: 'joinWaitingList',
      entryId: `w-${person}`,
      reservationId: `o-${person}`,
      quantity,
      email: `${person}@example.org`,
      person,
      personElsewhere: 0,
      ...over,
    });
  }

  release(person: string, at = T0): Decision {
    return this.do({ type: 'release', reservationId: `r-${person}` }, at);
  }

  get line(): string[] {
    return [...this.state.waiting.entries.keys()];
  }

  offer(person: string): Reservation | undefined {
    return this.state.reservations.get(`o-${person}`);
  }
}

/** All of it held by one who may hold so much. */
function soldOut(capacity = 2): Ticket {
  const ticket = new Ticket(capacity);
  for (let i = 0; i < capacity; i += 2) ticket.hold(`holder${i}`, Math.min(2, capacity - i));
  return ticket;
}

describe('joining', () => {
  it('is refused while so many can be held', () => {
    const ticket = new Ticket(2);
    expect(ticket.join('ann', 2).outcome).toEqual({ kind: 'available_now' });
    ticket.hold('bob', 1);
    expect(ticket.join('ann', 2).outcome).toMatchObject({ kind: 'waiting', entry: { place: 1 } });
    // One is left, and nobody waits whom it would be enough for.
    expect(ticket.join('cy', 1).outcome).toEqual({ kind: 'available_now' });
  });

  it('gives a person one place, and the same command the same one', () => {
    const ticket = soldOut();
    ticket.join('ann', 1);
    expect(ticket.join('ann', 2).outcome).toMatchObject({ kind: 'waiting', entry: { quantity: 1 } });
    expect(ticket.join('ann', 1, { entryId: 'w-other' }).outcome).toEqual({
      kind: 'already_waiting',
      entryId: 'w-ann',
    });
    expect(ticket.line).toEqual(['w-ann']);
  });

  it('is for no more than one may still buy', () => {
    const ticket = soldOut();
    expect(ticket.join('ann', 3).outcome).toEqual({ kind: 'purchase_limit', limit: 2, owned: 0 });
    expect(ticket.join('ann', 2, { personElsewhere: 3 }).outcome).toEqual({
      kind: 'purchase_limit',
      limit: 4,
      owned: 3,
    });
  });

  it('has an end, and is off where no length is set', () => {
    const full = new Ticket(0, { ...POLICY, waitingListMax: 1 });
    full.join('ann', 1);
    expect(full.join('bob', 1).outcome).toEqual({ kind: 'waiting_list_full', limit: 1 });
    const { waitingListMax: _, ...without } = POLICY;
    expect(new Ticket(0, without).join('ann', 1).outcome.kind).toBe('waiting_list_full');
  });

  it('is refused of what is closed, and of what is there but not sold for now', () => {
    const ticket = new Ticket(2);
    ticket.do({ type: 'pause', paused: true, revision: 1 });
    expect(ticket.join('ann', 2).outcome).toEqual({ kind: 'paused' });
    ticket.do({ type: 'close', endHolds: false });
    expect(ticket.join('ann', 2).outcome).toEqual({ kind: 'closed' });
  });
});

describe('a phase of the sale that lets somebody in', () => {
  const limits = (over: HoldLimits = {}): { readonly limits: HoldLimits } => ({ limits: over });
  const code = { digest: 'd', ticketsMax: 1 };

  it('limits for how many one may wait', () => {
    const ticket = soldOut();
    expect(ticket.join('ann', 2, limits({ perReservation: 1 })).outcome).toMatchObject({
      limit: 1,
      owned: 0,
    });
    const owning = { ...limits({ perPerson: 2 }), personElsewhere: 1 };
    expect(ticket.join('ann', 2, owning).outcome).toMatchObject({
      kind: 'purchase_limit',
      limit: 2,
      owned: 1,
    });
    expect(ticket.join('ann', 2, limits({ code })).outcome).toMatchObject({ limit: 1, of: 'code' });
    expect(ticket.join('ann', 1, limits({ until: T0 })).outcome).toEqual({ kind: 'phase_over' });
    // Not beyond the policy.
    expect(ticket.join('ann', 3, limits({ perReservation: 9 })).outcome).toMatchObject({ limit: 2 });
    expect(ticket.line).toEqual([]);
  });

  it('limits the offer, whatever was bought meanwhile, and what is taken again after a decline', () => {
    const ticket = soldOut(4);
    ticket.join('ann', 1, limits({ perPerson: 1, code, until: T0 + 1 }));
    expect(ticket.state.waiting.entries.get('w-ann')).toMatchObject({
      code: 'd',
      limits: { perPerson: 1, perCode: 1 },
    });
    // The phase is over, and what it allowed still counts.
    ticket.release('holder0', T0 + 5);
    expect(ticket.offer('ann')).toMatchObject({ code: 'd', limits: { perPerson: 1, perCode: 1 } });
    const offer = ticket.offer('ann')!;
    const attempt = { reservationId: offer.id, paymentId: 'p', attemptId: 'a' };
    ticket.do({ type: 'startPayment', ...attempt, personElsewhere: 0 });
    ticket.do({ type: 'declinePayment', reservationId: offer.id, paymentId: 'p', reason: 'no' });
    const declined = ticket.do({
      type: 'failPayment',
      reservationId: offer.id,
      paymentId: 'p',
      reason: 'declined',
    });
    assert(declined.outcome.kind === 'released');
    const other = ticket.do({
      type: 'hold',
      reservationId: 'r-friend',
      quantity: 1,
      email: 'f@example.org',
      person: 'friend',
      personElsewhere: 0,
      ...limits({ code }),
    });
    expect(other.outcome.kind).toBe('held');
    const again = ticket.do({
      type: 'rehold',
      reservation: declined.outcome.reservation,
      paymentId: 'p2',
      attemptId: 'b',
      personElsewhere: 0,
    });
    expect(again.outcome).toEqual({ kind: 'purchase_limit', limit: 1, owned: 1, of: 'code' });
  });

  it('ends the place of whose limit, or code, is used up, and goes on with the next', () => {
    const ticket = soldOut(6);
    ticket.join('ann', 1, limits({ perPerson: 1 }));
    ticket.join('bob', 1, limits({ code }));
    ticket.join('cy', 1, limits({ code }));
    ticket.join('dan', 1);
    // Where a limit was higher when she held it.
    ticket.state = { ...ticket.state, persons: ticket.state.persons.set('ann', 1) };
    const { events } = ticket.release('holder0');
    expect(events.filter(({ type }) => type === 'waitingLeft')).toMatchObject([
      { entry: { person: 'ann' }, cause: 'limit' },
      { entry: { person: 'cy' }, cause: 'limit' },
    ]);
    expect([ticket.offer('bob')?.quantity, ticket.offer('cy'), ticket.offer('dan')?.quantity]).toEqual([
      1,
      undefined,
      1,
    ]);
    expect(ticket.line).toEqual([]);
  });
});

describe('what comes back', () => {
  it('is offered to the first in line in the decision that gives it back', () => {
    const ticket = soldOut();
    ticket.join('ann', 2);
    ticket.join('bob', 2);
    const { events } = ticket.release('holder0', T0 + 5);
    expect(events.map(({ type }) => type)).toEqual(['released', 'held']);
    expect(ticket.offer('ann')).toMatchObject({
      status: 'PENDING',
      quantity: 2,
      unitPrice: 75,
      person: 'ann',
      createdAt: T0 + 5,
      expiresAt: T0 + 5 + OFFER_MS,
      offer: { entryId: 'w-ann', joinedAt: T0 },
    });
    expect(ticket.line).toEqual(['w-bob']);
    expect(ticket.hold('cy', 1).outcome).toEqual({ kind: 'temporarily_unavailable', remaining: 0 });
  });

  it('goes to the next when an offer lapses, is given back, or its payment fails', () => {
    const ticket = soldOut();
    for (const person of ['ann', 'bob', 'cy', 'dan']) ticket.join(person, 2);
    ticket.release('holder0');
    const lapse = { type: 'expire', reservationId: 'o-ann' } as const;
    ticket.do(lapse, T0 + OFFER_MS);
    expect(ticket.offer('bob')?.status).toBe('PENDING');
    ticket.do({ type: 'release', reservationId: 'o-bob' }, T0 + OFFER_MS);
    expect(ticket.offer('cy')?.status).toBe('PENDING');
    ticket.do({ type: 'startPayment', reservationId: 'o-cy', paymentId: 'p' }, T0 + OFFER_MS + 1);
    ticket.do({ type: 'failPayment', reservationId: 'o-cy', paymentId: 'p', reason: 'declined' });
    expect(ticket.offer('dan')?.status).toBe('PENDING');
    expect(ticket.line).toEqual([]);
    expect(ticket.state.heldHere).toBe(2);
  });

  it('passes over whom it is not enough for, who keeps the place', () => {
    const ticket = new Ticket(3);
    ticket.hold('a', 1);
    ticket.hold('b', 1);
    ticket.hold('c', 1);
    ticket.join('ann', 2);
    ticket.join('bob', 1);
    ticket.join('cy', 1);
    ticket.release('a');
    expect(ticket.offer('bob')).toBeDefined();
    expect(ticket.line).toEqual(['w-ann', 'w-cy']);
    // Whoever comes by may have what is enough for nobody in line.
    ticket.do({ type: 'leaveWaitingList', entryId: 'w-cy' });
    ticket.release('b');
    expect(ticket.hold('dan', 1).outcome.kind).toBe('held');
  });

  it('is not offered to who has bought as many as one may, whose place ends', () => {
    const elsewhere = new Map([['ann', 4]]);
    const ticket = new Ticket(2, POLICY, (person) => elsewhere.get(person) ?? 0);
    ticket.hold('a', 2);
    ticket.join('ann', 2);
    ticket.join('bob', 2);
    const { events } = ticket.release('a');
    expect(events).toMatchObject([
      { type: 'released' },
      { type: 'waitingLeft', cause: 'limit', entry: { id: 'w-ann' } },
      { type: 'held', reservation: { id: 'o-bob' } },
    ]);
  });

  it.each([
    ['a refund', { type: 'refund', reservationId: 'r-holder0', quantity: 2 }],
    ['a capacity that grew', { type: 'load', capacity: 4, price: 75, currency: 'USD' }],
  ] as const)('may be %s', (_, freeing) => {
    const ticket = soldOut();
    ticket.do({ type: 'startPayment', reservationId: 'r-holder0', paymentId: 'p' });
    ticket.do({ type: 'confirm', reservationId: 'r-holder0', paymentId: 'p' });
    ticket.join('ann', 2);
    ticket.do(freeing);
    expect(ticket.offer('ann')?.status).toBe('PENDING');
  });

  it('may be what another marketplace gives back', () => {
    const ticket = new Ticket(2);
    const told = { type: 'remote', clientId: 'north', quantity: 2, recordedAt: T0 } as const;
    ticket.do({ ...told, action: 'pending' });
    ticket.join('ann', 2);
    ticket.do({ ...told, action: 'cancelled' });
    expect(ticket.offer('ann')?.status).toBe('PENDING');
  });

  it('is not offered while sales are stopped, and is when they go on', () => {
    const ticket = soldOut();
    ticket.join('ann', 2);
    ticket.do({ type: 'pause', paused: true, revision: 1 });
    ticket.release('holder0');
    expect(ticket.offer('ann')).toBeUndefined();
    ticket.do({ type: 'close', endHolds: false });
    ticket.do({ type: 'pause', paused: false, revision: 2 });
    expect(ticket.offer('ann')).toBeUndefined();
    ticket.do({ type: 'reopen' });
    expect(ticket.offer('ann')?.status).toBe('PENDING');
  });

  it('is nobody’s when the match is cancelled', () => {
    const ticket = soldOut();
    ticket.join('ann', 2);
    ticket.do({ type: 'close', endHolds: true, cancelled: true });
    expect(ticket.offer('ann')).toBeUndefined();
    expect(ticket.line).toEqual([]);
  });

  it('is offered to many in several decisions, and to nobody else in between', () => {
    const ticket = new Ticket(0);
    for (let i = 0; i < SERVED_MAX + 20; i += 1) ticket.join(`p${i}`, 1);
    const { events } = ticket.do({ type: 'load', capacity: 1_000, price: 75, currency: 'USD' });
    expect(events).toHaveLength(1 + SERVED_MAX);
    expect(isSpokenFor(ticket.state)).toBe(true);
    const early = decide(
      ticket.state,
      {
        type: 'rehold',
        id: 'late',
        at: T0,
        reservation: {
          ...(ticket.offer('p0') as Reservation),
          id: 'r-late',
          person: 'late',
          status: 'EXPIRED',
        },
        paymentId: 'p',
        personElsewhere: 0,
      },
      { ...POLICY },
    );
    expect(early.outcome).toEqual({ kind: 'temporarily_unavailable', remaining: 0 });
    ticket.do({ type: 'serveWaitingList' });
    expect(ticket.line).toEqual([]);
    expect(isSpokenFor(ticket.state)).toBe(false);
  });

  it('asks ahead what those have elsewhere whose turn may come next', () => {
    const asked: string[] = [];
    const ticket = new Ticket(2, POLICY, (person) => {
      asked.push(person);
      return 0;
    });
    ticket.hold('a', 2);
    for (const person of ['ann', 'bob', 'cy']) ticket.join(person, 2);
    ticket.release('a');
    expect(new Set(asked)).toEqual(new Set(['ann', 'bob', 'cy']));
  });
});

/** Much is wanted of little, so that most of it is waited for. */
const person = fc.constantFrom('ann', 'bob', 'cy', 'dan', 'eve', 'fay');
const quantity = fc.integer({ min: 1, max: 2 });
const live = fc.tuple(fc.constantFrom('r', 'o'), person).map(([kind, name]) => `${kind}-${name}`);
const deed = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('hold' as const), person, quantity }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('join' as const), person, quantity }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('release' as const), id: live }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('expire' as const), id: live }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), person }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('load' as const), capacity: fc.integer({ min: 0, max: 5 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('pause' as const),
      paused: fc.constantFrom(true, false, false, false),
    }),
  },
);

/** Does it, and checks what the list promises of each event of it; answers how many offers there were. */
function checked(ticket: Ticket, act: () => Decision): number {
  let state = ticket.state;
  let offers = 0;
  for (const event of act().events) {
    if (event.type === 'held' && event.reservation.offer) {
      const { entryId } = event.reservation.offer;
      const room = pending(state);
      const fitting = [...state.waiting.entries.values()].filter((entry) => entry.quantity <= room);
      // The first in line of those, and out of the line from now on.
      assert.equal(fitting[0]?.id, entryId);
      assert.ok(!apply(state, event).waiting.entries.has(entryId));
      offers += 1;
    } else if (event.type === 'held') {
      // Anybody else: nobody in line could have had any of it.
      assert.ok(!isSpokenFor(state));
    }
    state = apply(state, event);
    if (event.type === 'held') assert.ok(pending(state) >= 0);
    const { entries, persons, quantities } = state.waiting;
    const all = [...entries.values()];
    assert.deepEqual(persons.toObject(), Object.fromEntries(all.map((one) => [one.person, one.id])));
    assert.equal(
      [...quantities.values()].reduce((a, b) => a + b, 0),
      entries.size,
    );
    const places = all.map(({ place }) => place);
    assert.deepEqual(
      places,
      [...new Set(places)].sort((a, b) => a - b),
    );
  }
  assert.ok(!isSpokenFor(ticket.state));
  return offers;
}

it('any sequence: offers in order, what is free, once, and leaves nothing that is enough for somebody', () => {
  let offers = 0;
  fc.assert(
    fc.property(fc.array(deed, { minLength: 20, maxLength: 60 }), (deeds) => {
      const ticket = new Ticket(3);
      deeds.forEach((one, i) => {
        const at = T0 + i;
        offers += checked(ticket, () => {
          switch (one.kind) {
            case 'hold':
              return ticket.hold(one.person, one.quantity, at);
            case 'join':
              return ticket.join(one.person, one.quantity);
            case 'release':
              return ticket.do({ type: 'release', reservationId: one.id }, at);
            case 'expire':
              return ticket.do({ type: 'expire', reservationId: one.id }, at + OFFER_MS);
            case 'leave':
              return ticket.do({ type: 'leaveWaitingList', entryId: `w-${one.person}` }, at);
            case 'load':
              return ticket.do({ type: 'load', capacity: one.capacity, price: 75, currency: 'USD' }, at);
            case 'pause':
              return ticket.do({ type: 'pause', paused: one.paused, revision: i + 1 }, at);
          }
        });
      });
    }),
    { numRuns: 500 },
  );
  // A property of nothing would hold.
  assert.ok(offers > 200, `${offers} offers`);
});

describe('a sale in the order of the log', () => {
  const position = (offset: number) => ({ source: 'log/0', offset: String(offset), index: 0 });

  const ordered = (capacity: number): Ticket => new Ticket(capacity, { ...POLICY, ordered: true });

  /** What the log says of a reservation of ours. */
  const hear = (ticket: Ticket, id: string, action: 'pending' | 'cancelled', offset: number, at = T0) =>
    ticket.do(
      {
        type: 'own',
        action,
        reservationId: id,
        quantity: 2,
        recordedAt: at,
        position: position(offset),
      },
      at,
    );

  /** All of it held, one in line, and then given back. */
  const offered = (): Ticket => {
    const ticket = ordered(2);
    ticket.hold('a', 2);
    hear(ticket, 'r-a', 'pending', 1);
    expect(ticket.state.reservations.get('r-a')?.status).toBe('PENDING');
    ticket.join('ann', 2);
    ticket.join('bob', 2);
    ticket.release('a');
    // What is given back is free when the log says so.
    expect(ticket.state.asked.size).toBe(0);
    expect(hear(ticket, 'r-a', 'cancelled', 2).events.map(({ type }) => type)).toEqual(['logged', 'asked']);
    return ticket;
  };

  it('asks the log for an offer, once, and keeps the place until it is granted', () => {
    const ticket = offered();
    expect(ticket.line).toEqual(['w-ann', 'w-bob']);
    expect(ticket.do({ type: 'leaveWaitingList', entryId: 'w-ann' }).outcome.kind).toBe('being_offered');
    expect(ticket.hold('cy', 2).outcome.kind).toBe('temporarily_unavailable');
    expect(ticket.do({ type: 'serveWaitingList' }).events).toEqual([]);
    hear(ticket, 'o-ann', 'pending', 3, T0 + 7);
    expect(ticket.line).toEqual(['w-bob']);
    expect(ticket.offer('ann')).toMatchObject({
      status: 'PENDING',
      offer: { entryId: 'w-ann' },
      expiresAt: T0 + 7 + OFFER_MS,
    });
  });

  it('leaves whose offer is void the first in line, and asks again when there is room', () => {
    const ticket = offered();
    const told = {
      type: 'remote',
      clientId: 'north',
      reservationId: 'x',
      quantity: 2,
      ordered: true,
    } as const;
    ticket.do({ ...told, action: 'pending', recordedAt: T0, position: position(3) });
    const { events } = hear(ticket, 'o-ann', 'pending', 4);
    expect(events.map(({ type }) => type)).toEqual(['voided']);
    expect(ticket.line).toEqual(['w-ann', 'w-bob']);
    ticket.do({ ...told, action: 'cancelled', recordedAt: T0, position: position(5) });
    expect([...ticket.state.asked.keys()]).toEqual(['o-ann']);
    hear(ticket, 'o-ann', 'pending', 6);
    expect(ticket.offer('ann')?.status).toBe('PENDING');
    expect(ticket.line).toEqual(['w-bob']);
  });
});
