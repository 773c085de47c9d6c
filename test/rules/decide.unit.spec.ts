/** The rules as tables: every command in every state of a ticket and of a reservation, and what comes out. */
import { describe, expect, it } from '@jest/globals';
import {
  apply,
  available,
  cardKey,
  codeKey,
  decide,
  EARLY_ENTRIES_MAX,
  initialState,
  isIdleTally,
  ORPHANS_MAX,
  pending,
  remoteKey,
} from '../../src/rules/index.js';
import type {
  Command,
  Decision,
  Hold,
  Load,
  LogPosition,
  Outcome,
  OutcomeKind,
  Policy,
  Remote,
  RemoteAction,
  Reservation,
  ReservationStatus,
  TicketEvent,
  TicketState,
} from '../../src/rules/index.js';

const T0 = 1_669_000_000_000;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const POLICY: Policy = {
  holdMs: 10 * MINUTE_MS,
  paymentAttemptsMax: 3,
  payingMs: 15 * MINUTE_MS,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: MINUTE_MS,
  remoteTalliesMax: 3,
};

interface Step extends Decision {
  readonly state: TicketState;
}

function step(state: TicketState, command: Command, policy: Policy = POLICY): Step {
  const decision = decide(state, command, policy);
  return { ...decision, state: decision.events.reduce(apply, state) };
}
const run = (state: TicketState, ...commands: Command[]): TicketState =>
  commands.reduce((current, command) => step(current, command).state, state);
const kindOf = (state: TicketState, command: Command): OutcomeKind => step(state, command).outcome.kind;

let ids = 0;
const base = (at: number): { id: string; at: number } => ({ id: `command-${++ids}`, at });
const hold = (over: Partial<Hold> = {}): Hold => ({
  ...base(T0),
  type: 'hold',
  reservationId: 'R',
  quantity: 2,
  email: 'ann@example.org',
  person: 'ann',
  personElsewhere: 0,
  ...over,
});
const startPayment = (paymentId = 'pay-1', at = T0 + 1): Command => ({
  ...base(at),
  type: 'startPayment',
  reservationId: 'R',
  paymentId,
});
const confirm = (paymentId = 'pay-1', at = T0 + 2): Command => ({
  ...base(at),
  type: 'confirm',
  reservationId: 'R',
  paymentId,
});
const failPayment = (
  reason: 'cancelled' | 'declined' | 'expired' = 'declined',
  paymentId = 'pay-1',
  at = T0 + 2,
): Command => ({ ...base(at), type: 'failPayment', reservationId: 'R', paymentId, reason });
const release = (at = T0 + 1): Command => ({ ...base(at), type: 'release', reservationId: 'R' });
const decline = (paymentId = 'pay-1'): Command => ({
  ...base(T0 + 2),
  type: 'declinePayment',
  reservationId: 'R',
  paymentId,
  reason: 'card_declined',
});
const expire = (at = T0 + POLICY.holdMs): Command => ({ ...base(at), type: 'expire', reservationId: 'R' });
const refund = (quantity: number): Command => ({
  ...base(T0 + 3),
  type: 'refund',
  reservationId: 'R',
  quantity,
});
const load = (over: Partial<Load> = {}): Load => ({
  ...base(T0),
  type: 'load',
  capacity: 10,
  price: 75,
  currency: 'USD',
  ...over,
});
const close = (endHolds: boolean): Command => ({ ...base(T0 + 4), type: 'close', endHolds });
const reopen: Command = { id: 'reopen', at: T0 + 5, type: 'reopen' };
const pause = (paused: boolean, revision: number): Command => ({
  ...base(T0 + 4),
  type: 'pause',
  paused,
  revision,
});
const remote = (action: RemoteAction, quantity: number, over: Partial<Remote> = {}): Remote => ({
  ...base(T0),
  type: 'remote',
  action,
  clientId: 'peer',
  quantity,
  recordedAt: T0,
  ...over,
});
const position = (offset: string, index = 0, source = 'cluster/sales/0'): LogPosition => ({
  source,
  offset,
  index,
});

const NOT_OPENED = initialState({ matchNumber: 1, category: 2 });
const OPEN = run(NOT_OPENED, load());
const PENDING_ZERO = run(OPEN, remote('pending', 10));
const SOLD_OUT = run(OPEN, remote('reserved', 10));
const CLOSED = run(OPEN, close(false));

/** Checks the equations against the tallies themselves, not against the functions that compute them. */
function expectSound(state: TicketState): void {
  const sum = (statuses: ReservationStatus[]): number =>
    [...state.reservations.values()]
      .filter((reservation) => statuses.includes(reservation.status))
      .reduce((total, reservation) => total + reservation.quantity, 0);
  const tallies = [...state.remote.values()];
  expect(state.heldHere).toBe(sum(['PENDING', 'PAYING']));
  expect(state.soldHere).toBe(sum(['RESERVED']));
  expect(state.heldElsewhere).toBe(tallies.reduce((total, tally) => total + tally.held, 0));
  expect(state.soldElsewhere).toBe(tallies.reduce((total, tally) => total + tally.sold, 0));
  expect(state.capacity).toBe(available(state) + state.soldHere + state.soldElsewhere);
  expect(pending(state)).toBe(available(state) - state.heldHere - state.heldElsewhere);
}

describe('hold', () => {
  const ofAnn = (quantity: number, reservationId: string): Hold => hold({ reservationId, quantity });
  const ownsTwo = run(OPEN, ofAnn(2, 'A'));
  const ownsFour = run(ownsTwo, ofAnn(2, 'B'));
  const oneLeft = run(OPEN, remote('pending', 9));
  const oversold = run(OPEN, remote('pending', 12));

  const table: [string, TicketState, Partial<Hold>, Outcome | OutcomeKind][] = [
    ['not opened', NOT_OPENED, {}, { kind: 'not_open' }],
    ['open', OPEN, {}, 'held'],
    ['open, one ticket', OPEN, { quantity: 1 }, 'held'],
    ['open, the right price', OPEN, { price: 75 }, 'held'],
    ['open, another price', OPEN, { price: 74 }, { kind: 'price_mismatch', price: 75 }],
    ['open, too many at once', OPEN, { quantity: 3 }, { kind: 'purchase_limit', limit: 2, owned: 0 }],
    ['pending 0', PENDING_ZERO, {}, { kind: 'temporarily_unavailable', remaining: 0 }],
    ['pending below what is asked', oneLeft, {}, { kind: 'temporarily_unavailable', remaining: 1 }],
    ['pending exactly what is asked', oneLeft, { quantity: 1 }, 'held'],
    ['pending negative', oversold, {}, { kind: 'temporarily_unavailable', remaining: 0 }],
    ['sold out', SOLD_OUT, {}, { kind: 'sold_out' }],
    ['oversold by marketplaces together', run(OPEN, remote('reserved', 12)), {}, { kind: 'sold_out' }],
    ['sold out, too many at once', SOLD_OUT, { quantity: 3 }, 'purchase_limit'],
    ['closed', CLOSED, {}, { kind: 'closed' }],
    ['closed and another price', CLOSED, { price: 1 }, { kind: 'closed' }],
    ['closed and sold out', run(SOLD_OUT, close(false)), {}, { kind: 'closed' }],
    ['closed before it opened', run(NOT_OPENED, close(false)), {}, { kind: 'not_open' }],
    ['person at the limit', ownsTwo, {}, 'held'],
    ['person over the limit', ownsFour, {}, { kind: 'purchase_limit', limit: 4, owned: 4 }],
    [
      'person over the limit by one',
      run(ownsTwo, ofAnn(1, 'B')),
      {},
      { kind: 'purchase_limit', limit: 4, owned: 3 },
    ],
    ['elsewhere up to the limit', OPEN, { personElsewhere: 2 }, 'held'],
    [
      'elsewhere over the limit',
      OPEN,
      { personElsewhere: 3 },
      { kind: 'purchase_limit', limit: 4, owned: 3 },
    ],
    [
      'here and elsewhere over the limit',
      ownsTwo,
      { personElsewhere: 1 },
      { kind: 'purchase_limit', limit: 4, owned: 3 },
    ],
    ['another person', ownsFour, { person: 'bob' }, 'held'],
    ['sold out comes before the limit of a person', SOLD_OUT, { personElsewhere: 4 }, { kind: 'sold_out' }],
  ];

  it.each(table)('%s', (_name, state, over, expected) => {
    const { outcome, events, state: after } = step(state, hold(over));
    if (typeof expected === 'string') expect(outcome.kind).toBe(expected);
    else expect(outcome).toEqual(expected);
    expect(events.map((event) => event.type)).toEqual(outcome.kind === 'held' ? ['held'] : []);
    if (outcome.kind !== 'held') expect(after).toBe(state);
    expectSound(after);
  });

  it('makes a PENDING reservation at the price of the ticket, with an end', () => {
    const { outcome, state } = step(OPEN, hold());
    const expected: Reservation = {
      id: 'R',
      matchNumber: 1,
      category: 2,
      status: 'PENDING',
      quantity: 2,
      refundedQuantity: 0,
      unitPrice: 75,
      currency: 'USD',
      email: 'ann@example.org',
      person: 'ann',
      createdAt: T0,
      updatedAt: T0,
      expiresAt: T0 + POLICY.holdMs,
    };
    expect(outcome).toEqual({ kind: 'held', reservation: expected });
    expect(state.reservations.get('R')).toEqual(expected);
    expect([available(state), pending(state), state.heldHere]).toEqual([10, 8, 2]);
    expect(state.persons.get('ann')).toBe(2);
  });

  it('keeps where the buyer is for as long as there is the reservation, also through another attempt', () => {
    const held = run(OPEN, hold({ country: 'QA' }));
    const sold = run(held, startPayment(), confirm());
    expect(sold.reservations.get('R')?.country).toBe('QA');
    const { events } = step(run(held, startPayment()), failPayment('declined'));
    const ended = events.flatMap((event) => ('reservation' in event ? [event.reservation] : []))[0]!;
    const again = step(run(held, startPayment(), failPayment('declined')), {
      ...base(T0 + 9),
      type: 'rehold',
      reservation: ended,
      paymentId: 'pay-2',
      personElsewhere: 0,
    });
    expect(again.state.reservations.get('R')).toMatchObject({ status: 'PAYING', country: 'QA' });
  });

  it.each(['PENDING', 'PAYING', 'RESERVED'] as const)(
    'asked again while it is %s: the same hold',
    (status) => {
      const state = reservationIn(status, OPEN);
      const { outcome, events } = step(state, hold({ quantity: 1 }));
      expect(outcome).toEqual({ kind: 'held', reservation: state.reservations.get('R') });
      expect(events).toEqual([]);
    },
  );

  it('a limit counts what is left: ended and refunded tickets can be bought again', () => {
    const sold = run(OPEN, hold(), startPayment(), confirm());
    const full = run(sold, hold({ reservationId: 'B' }));
    expect(kindOf(full, hold({ reservationId: 'C' }))).toBe('purchase_limit');
    expect(kindOf(run(full, refund(2)), hold({ reservationId: 'C' }))).toBe('held');
    expect(kindOf(run(full, refund(1)), hold({ reservationId: 'C' }))).toBe('purchase_limit');
    expect(kindOf(run(full, refund(1)), hold({ reservationId: 'C', quantity: 1 }))).toBe('held');
  });
});

/** How a reservation of two tickets gets into each status, from an open ticket. */
const PATHS: Readonly<Record<ReservationStatus, Command[]>> = {
  PENDING: [hold()],
  PAYING: [hold(), startPayment()],
  RESERVED: [hold(), startPayment(), confirm()],
  CANCELLED: [hold(), release()],
  EXPIRED: [hold(), expire()],
  REFUNDED: [hold(), startPayment(), confirm(), refund(2)],
};
const reservationIn = (status: ReservationStatus, state: TicketState): TicketState =>
  run(state, ...PATHS[status]);

/** Legal transitions. Anything that is not here must be refused and change nothing. */
const TRANSITIONS: Readonly<
  Record<ReservationStatus, Readonly<Record<string, ReservationStatus | undefined>>>
> = {
  PENDING: {
    'startPayment in time': 'PAYING',
    'startPayment, other payment': 'PAYING',
    'startPayment past its time': 'EXPIRED',
    release: 'CANCELLED',
    'release past its time': 'CANCELLED',
    'expire when due': 'EXPIRED',
    'close, ending holds': 'CANCELLED',
  },
  PAYING: {
    declinePayment: 'PAYING',
    'confirm, same payment': 'RESERVED',
    'confirm long after its time': 'RESERVED',
    'failPayment declined': 'CANCELLED',
    'failPayment cancelled': 'CANCELLED',
    'failPayment expired': 'EXPIRED',
  },
  RESERVED: { 'refund, part': 'RESERVED', 'refund, whole': 'REFUNDED' },
  CANCELLED: {},
  EXPIRED: {},
  REFUNDED: {},
};

const LATE = T0 + 60 * MINUTE_MS;
type Column = 'PENDING' | 'PAYING' | 'RESERVED' | 'ended';
/** Every command about a reservation, and its outcome by the reservation's status. */
const COMMANDS: readonly (readonly [string, Command, Readonly<Record<Column, OutcomeKind>>])[] = [
  [
    'startPayment in time',
    startPayment('pay-1', T0 + POLICY.holdMs - 1),
    { PENDING: 'paying', PAYING: 'paying', RESERVED: 'reserved', ended: 'not_live' },
  ],
  [
    'startPayment past its time',
    startPayment('pay-1', T0 + POLICY.holdMs),
    { PENDING: 'hold_expired', PAYING: 'paying', RESERVED: 'reserved', ended: 'not_live' },
  ],
  [
    'startPayment, other payment',
    startPayment('pay-2'),
    { PENDING: 'paying', PAYING: 'paying', RESERVED: 'reserved', ended: 'not_live' },
  ],
  [
    'declinePayment',
    decline(),
    { PENDING: 'wrong_state', PAYING: 'paying', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'declinePayment, other payment',
    decline('pay-2'),
    { PENDING: 'wrong_state', PAYING: 'wrong_state', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'confirm, same payment',
    confirm('pay-1'),
    { PENDING: 'wrong_state', PAYING: 'reserved', RESERVED: 'reserved', ended: 'not_live' },
  ],
  [
    'confirm, other payment',
    confirm('pay-2'),
    { PENDING: 'wrong_state', PAYING: 'wrong_state', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'confirm long after its time',
    confirm('pay-1', LATE),
    { PENDING: 'wrong_state', PAYING: 'reserved', RESERVED: 'reserved', ended: 'not_live' },
  ],
  ...(['declined', 'cancelled', 'expired'] as const).map(
    (reason) =>
      [
        `failPayment ${reason}`,
        failPayment(reason),
        { PENDING: 'wrong_state', PAYING: 'released', RESERVED: 'wrong_state', ended: 'not_live' },
      ] as const,
  ),
  [
    'failPayment, other payment',
    failPayment('declined', 'pay-2'),
    { PENDING: 'wrong_state', PAYING: 'wrong_state', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'release',
    release(),
    { PENDING: 'released', PAYING: 'wrong_state', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'release past its time',
    release(LATE),
    { PENDING: 'released', PAYING: 'wrong_state', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'expire too early',
    expire(T0 + POLICY.holdMs - 1),
    { PENDING: 'not_due', PAYING: 'wrong_state', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'expire when due',
    expire(),
    { PENDING: 'released', PAYING: 'wrong_state', RESERVED: 'wrong_state', ended: 'not_live' },
  ],
  [
    'refund, part',
    refund(1),
    { PENDING: 'wrong_state', PAYING: 'wrong_state', RESERVED: 'refunded', ended: 'not_live' },
  ],
  [
    'refund, whole',
    refund(2),
    { PENDING: 'wrong_state', PAYING: 'wrong_state', RESERVED: 'refunded', ended: 'not_live' },
  ],
  [
    'refund, too much',
    refund(3),
    { PENDING: 'wrong_state', PAYING: 'wrong_state', RESERVED: 'refund_exceeds', ended: 'not_live' },
  ],
  [
    'close, leaving holds',
    close(false),
    { PENDING: 'applied', PAYING: 'applied', RESERVED: 'applied', ended: 'applied' },
  ],
  [
    'close, ending holds',
    close(true),
    { PENDING: 'applied', PAYING: 'applied', RESERVED: 'applied', ended: 'applied' },
  ],
];

/** What can have happened to the ticket meanwhile; none of it may change what a command does to a reservation. */
const MEANWHILE: readonly (readonly [string, Command[], (state: TicketState) => boolean])[] = [
  ['open', [], (state) => pending(state) > 0],
  ['pending 0', [remote('pending', 10)], (state) => pending(state) <= 0 && available(state) > 0],
  ['sold out', [remote('reserved', 10)], (state) => available(state) <= 0],
  ['closed', [close(false)], (state) => state.closed],
];

const columnOf = (status: ReservationStatus): Column =>
  status === 'PENDING' || status === 'PAYING' || status === 'RESERVED' ? status : 'ended';
const STATUSES = Object.keys(PATHS) as ReservationStatus[];

const CASES = MEANWHILE.flatMap(([ticket, meanwhile]) =>
  STATUSES.flatMap((status) =>
    COMMANDS.map(([name, command, outcomes]) => ({ ticket, meanwhile, status, name, command, outcomes })),
  ),
);

describe('a hold of a sale phase', () => {
  const owned = (quantity: number): TicketState => run(OPEN, hold({ reservationId: 'first', quantity }));
  const again = (limits: Hold['limits'], over: Partial<Hold> = {}): Hold =>
    hold({ reservationId: 'again', quantity: 1, ...over, ...(limits && { limits }) });

  it.each<[string, TicketState, Hold, Partial<Outcome>]>([
    ['with nothing yet', OPEN, again({ perPerson: 1 }), { kind: 'held' }],
    [
      'more at once than a person may',
      OPEN,
      again({ perPerson: 1 }, { quantity: 2 }),
      { kind: 'purchase_limit', limit: 1, owned: 0 },
    ],
    [
      'with the share of this phase',
      owned(1),
      again({ perPerson: 1 }),
      { kind: 'purchase_limit', limit: 1, owned: 1 },
    ],
    ['with the share of an earlier phase', owned(1), again({ perPerson: 2 }), { kind: 'held' }],
    [
      'with its share elsewhere in the match',
      OPEN,
      again({ perPerson: 2 }, { personElsewhere: 2 }),
      { kind: 'purchase_limit', limit: 2, owned: 2 },
    ],
    [
      'beyond the policy, whatever the phase allows',
      owned(2),
      again({ perPerson: 9 }, { personElsewhere: 2 }),
      { kind: 'purchase_limit', limit: 4, owned: 4 },
    ],
    [
      'more at once than the phase allows',
      OPEN,
      again({ perReservation: 1 }, { quantity: 2 }),
      { kind: 'purchase_limit', limit: 1, owned: 0 },
    ],
    [
      'more at once than the policy allows',
      OPEN,
      again({ perReservation: 9 }, { quantity: 3 }),
      { kind: 'purchase_limit', limit: 2, owned: 0 },
    ],
    ['in its last millisecond', OPEN, again({ until: T0 + 1 }), { kind: 'held' }],
    ['at its end', OPEN, again({ until: T0 }), { kind: 'phase_over' }],
    [
      'that was granted before the end and is asked for again',
      owned(1),
      hold({ reservationId: 'first', limits: { until: T0 } }),
      { kind: 'held' },
    ],
  ])('%s', (_what, state, command, outcome) => {
    expect(step(state, command).outcome).toMatchObject(outcome);
  });

  it('counts what one code gets, whoever uses it, and gives it back with the hold', () => {
    const code = { digest: 'abc', ticketsMax: 3 };
    const by = (person: string, quantity: number): Hold =>
      hold({ reservationId: person, person, quantity, limits: { code } });
    const both = run(OPEN, by('ann', 2), by('bob', 1));
    expect(both.persons.get(codeKey('abc'))).toBe(3);
    expect(step(both, by('cy', 1)).outcome).toEqual({
      kind: 'purchase_limit',
      limit: 3,
      owned: 3,
      of: 'code',
    });
    expect(
      kindOf(
        both,
        hold({ reservationId: 'cy', person: 'cy', limits: { code: { ...code, digest: 'other' } } }),
      ),
    ).toBe('held');
    const fewer = run(both, { ...base(T0), type: 'release', reservationId: 'ann' });
    expect(fewer.persons.get(codeKey('abc'))).toBe(1);
    expect(kindOf(fewer, by('cy', 2))).toBe('held');
    expect(kindOf(fewer, by('cy', 3))).toBe('purchase_limit');
  });

  it('says on record what tickets that are taken again are judged by, and nothing else of the phase', () => {
    const heldWith = (limits: Hold['limits']): Reservation =>
      run(OPEN, again(limits)).reservations.get('again')!;
    const plain = heldWith(undefined);
    expect(heldWith({ perReservation: 1, until: T0 + 1 })).toEqual(plain);
    expect(heldWith({ perPerson: 1, until: T0 + 1 })).toEqual({ ...plain, limits: { perPerson: 1 } });
    expect(heldWith({ code: { digest: 'abc', ticketsMax: 2 } })).toEqual({
      ...plain,
      code: 'abc',
      limits: { perCode: 2 },
    });
  });

  it.each<[string, Hold['limits'], Partial<Outcome>]>([
    ['a person', { perPerson: 2 }, { kind: 'purchase_limit', limit: 2, owned: 2 }],
    [
      'a code',
      { code: { digest: 'abc', ticketsMax: 2 } },
      { kind: 'purchase_limit', limit: 2, owned: 2, of: 'code' },
    ],
  ])(
    'that was declined is not paid for again when %s has its share with another',
    (_what, limits, refusal) => {
      const by = (id: string): Hold => again(limits, { reservationId: id, quantity: 2 });
      const pay = { ...base(T0), type: 'startPayment', reservationId: 'a', paymentId: 'p' } as const;
      const decline = { ...base(T0), type: 'declinePayment', reservationId: 'a', paymentId: 'p' } as const;
      const fail = { ...base(T0), type: 'failPayment', reservationId: 'a', paymentId: 'p' } as const;
      const paying = run(OPEN, by('a'), pay, { ...decline, reason: 'card_declined' });
      const { outcome, state: gone } = step(paying, { ...fail, reason: 'declined' });
      const { reservation } = outcome as Extract<Outcome, { kind: 'released' }>;
      const rehold = {
        ...base(T0),
        type: 'rehold',
        reservation,
        paymentId: 'p2',
        attemptId: 'second',
        personElsewhere: 0,
      } as const;
      expect(step(gone, rehold).outcome.kind).toBe('paying');
      const { attemptId: _attemptId, ...late } = rehold;
      const withAnother = run(gone, by('b'));
      for (const command of [rehold, late]) {
        const { outcome: refused, events } = step(withAnother, command);
        expect([refused, events]).toEqual([refusal, []]);
      }
    },
  );
});

describe('commands about a reservation', () => {
  it.each(MEANWHILE)('the ticket of the table is %s', (_name, meanwhile, holds) => {
    expect(holds(run(OPEN, hold(), ...meanwhile))).toBe(true);
  });

  it.each(CASES)('$ticket, $status: $name', ({ ticket, meanwhile, status, name, command, outcomes }) => {
    const before = run(reservationIn(status, OPEN), ...meanwhile);
    const { outcome, events, state } = step(before, command);
    const to = TRANSITIONS[status][name];
    const repeatedClose = ticket === 'closed' && command.type === 'close';
    const expected = repeatedClose && to === undefined ? 'unchanged' : outcomes[columnOf(status)];
    expect(outcome.kind).toBe(expected);

    const moved = events.flatMap((event) => ('reservation' in event ? [event.reservation] : []));
    expect(moved.map((reservation) => reservation.status)).toEqual(to === undefined ? [] : [to]);
    if (to === undefined) expect(state.reservations).toBe(before.reservations);
    expectSound(state);
  });

  it.each(COMMANDS)('%s, when the reservation never was', (_name, command) => {
    expect(kindOf(OPEN, command)).toBe(command.type === 'close' ? 'applied' : 'not_live');
    expect(kindOf(NOT_OPENED, command)).toBe(command.type === 'close' ? 'applied' : 'not_live');
  });

  it('reaches every status, and only over legal transitions', () => {
    const reached = new Set<ReservationStatus>(['PENDING']);
    for (const from of reached) {
      for (const to of Object.values(TRANSITIONS[from])) if (to) reached.add(to);
    }
    expect([...reached].sort()).toEqual([...STATUSES].sort());
    for (const status of STATUSES) {
      const state = reservationIn(status, OPEN);
      const live = columnOf(status) !== 'ended';
      expect(state.reservations.get('R')?.status).toBe(live ? status : undefined);
    }
  });

  it('names only commands of the table as legal', () => {
    const names = new Set(COMMANDS.map(([name]) => name));
    for (const status of STATUSES) {
      for (const name of Object.keys(TRANSITIONS[status])) expect(names).toContain(name);
    }
  });
});

describe('what a reservation says after each step', () => {
  const after = (event: TicketEvent | undefined): Reservation => {
    if (!event || !('reservation' in event)) throw new Error('no reservation in the event');
    return event.reservation;
  };
  const last = (state: TicketState, command: Command): Reservation =>
    after(step(state, command).events.at(-1));

  it('PAYING: the payment and its end', () => {
    const reservation = last(reservationIn('PENDING', OPEN), startPayment('pay-9', T0 + 5));
    expect(reservation).toMatchObject({
      status: 'PAYING',
      paymentId: 'pay-9',
      payingUntil: T0 + 5 + POLICY.payingMs,
      expiresAt: T0 + POLICY.holdMs,
      updatedAt: T0 + 5,
    });
  });

  it('PAYING: a second payment is told the first', () => {
    const { outcome } = step(reservationIn('PAYING', OPEN), startPayment('pay-2'));
    expect(outcome).toMatchObject({ kind: 'paying', reservation: { paymentId: 'pay-1' } });
  });

  it.each([
    ['RESERVED because paid', reservationIn('PAYING', OPEN), confirm(), 'RESERVED', 'paid'],
    ['given back by the buyer', reservationIn('PENDING', OPEN), release(), 'CANCELLED', 'cancelled'],
    ['its time was over', reservationIn('PENDING', OPEN), expire(), 'EXPIRED', 'expired'],
    [
      'paid too late',
      reservationIn('PENDING', OPEN),
      startPayment('pay-1', T0 + POLICY.holdMs),
      'EXPIRED',
      'expired',
    ],
    ['declined', reservationIn('PAYING', OPEN), failPayment('declined'), 'CANCELLED', 'declined'],
    ['payment given up', reservationIn('PAYING', OPEN), failPayment('cancelled'), 'CANCELLED', 'cancelled'],
    ['payment out of time', reservationIn('PAYING', OPEN), failPayment('expired'), 'EXPIRED', 'expired'],
    ['refunded', reservationIn('RESERVED', OPEN), refund(2), 'REFUNDED', 'refunded'],
    ['refunded in part', reservationIn('RESERVED', OPEN), refund(1), 'RESERVED', 'refunded'],
  ] as const)('%s', (_name, state, command, status, reason) => {
    expect(last(state, command)).toMatchObject({ status, reason });
  });

  it('not due: says when', () => {
    expect(step(reservationIn('PENDING', OPEN), expire(T0)).outcome).toEqual({
      kind: 'not_due',
      expiresAt: T0 + POLICY.holdMs,
    });
  });

  it('refunds part by part, each once, and no more than was bought', () => {
    const sold = reservationIn('RESERVED', OPEN);
    const part = step(sold, refund(1));
    expect(part.outcome).toMatchObject({
      kind: 'refunded',
      quantity: 1,
      reservation: { status: 'RESERVED', quantity: 1, refundedQuantity: 1 },
    });
    expect([available(part.state), part.state.persons.get('ann')]).toEqual([9, 1]);
    expect(step(part.state, refund(2)).outcome).toEqual({ kind: 'refund_exceeds', quantity: 1 });
    const whole = step(part.state, refund(1));
    expect(whole.outcome).toMatchObject({
      reservation: { status: 'REFUNDED', quantity: 1, refundedQuantity: 2 },
    });
    expect([available(whole.state), whole.state.persons.size, whole.state.reservations.size]).toEqual([
      10, 0, 0,
    ]);
    expect(kindOf(whole.state, refund(1))).toBe('not_live');
  });
});

describe('load', () => {
  const sold = run(OPEN, hold(), startPayment(), confirm(), hold({ reservationId: 'B', person: 'bob' }));

  it.each<[string, TicketState, Partial<Load>, OutcomeKind, number, number]>([
    ['first', NOT_OPENED, {}, 'applied', 10, 10],
    ['first, nothing to sell', NOT_OPENED, { capacity: 0 }, 'applied', 0, 0],
    ['the same again', OPEN, {}, 'unchanged', 10, 10],
    ['the same again, with sales', sold, {}, 'unchanged', 8, 6],
    ['changed up', sold, { capacity: 12 }, 'applied', 10, 8],
    ['changed down', sold, { capacity: 5 }, 'applied', 3, 1],
    ['changed down below what is held', sold, { capacity: 3 }, 'applied', 1, -1],
    ['changed down below what is sold', sold, { capacity: 1 }, 'applied', -1, -3],
    ['another price', sold, { price: 80 }, 'applied', 8, 6],
    ['another currency', sold, { currency: 'EUR' }, 'applied', 8, 6],
    ['closed', CLOSED, { capacity: 11 }, 'applied', 11, 11],
  ])('%s', (_name, state, over, kind, availableAfter, pendingAfter) => {
    const { outcome, events, state: after } = step(state, load(over));
    expect(outcome.kind).toBe(kind);
    expect(events.map((event) => event.type)).toEqual(kind === 'applied' ? ['loaded'] : []);
    expect([available(after), pending(after)]).toEqual([availableAfter, pendingAfter]);
    expect(after.reservations).toBe(state.reservations);
    expect(after.closed).toBe(state.closed);
    expectSound(after);
  });

  it('a changed price is for new holds only', () => {
    const after = run(sold, load({ price: 80, currency: 'EUR' }));
    expect(after.reservations.get('R')).toMatchObject({ unitPrice: 75, currency: 'USD' });
    expect(step(after, hold({ reservationId: 'C' })).outcome).toMatchObject({
      reservation: { unitPrice: 80, currency: 'EUR' },
    });
  });

  it('takes each position once, also when its entry changed nothing at the time', () => {
    const equal = step(OPEN, load({ position: position('7') }));
    expect(equal.outcome.kind).toBe('unchanged');
    const changed = run(equal.state, load({ capacity: 4 }));
    const again = step(changed, load({ position: position('7') }));
    expect([again.outcome.kind, again.state.capacity]).toEqual(['repeated', 4]);
    expect(kindOf(changed, load({ position: position('8') }))).toBe('applied');
  });
});

describe('attempts to pay', () => {
  const paying = reservationIn('PAYING', OPEN);
  const ended = (state: TicketState, reason: 'declined' | 'expired'): Reservation =>
    step(state, failPayment(reason)).events.flatMap((event) =>
      'reservation' in event ? [event.reservation] : [],
    )[0]!;
  const declined = ended(run(paying, decline()), 'declined');
  const late = ended(paying, 'expired');
  const gone = run(paying, decline(), failPayment('declined'));
  const rehold = (fields: Partial<Extract<Command, { type: 'rehold' }>> = {}): Command => ({
    ...base(T0 + 9),
    type: 'rehold',
    reservation: declined,
    paymentId: 'pay-2',
    attemptId: 'second',
    personElsewhere: 0,
    ...fields,
  });
  const lateRehold = (fields: object = {}): Command => {
    const { attemptId: _attemptId, ...command } = rehold({
      reservation: late,
      paymentId: 'pay-1',
    }) as Extract<Command, { type: 'rehold' }>;
    return { ...command, ...fields };
  };

  it('a decline is kept with its attempt, once', () => {
    const { outcome, state } = step(paying, decline());
    expect(outcome).toMatchObject({
      kind: 'paying',
      reservation: {
        status: 'PAYING',
        reason: 'declined',
        attempts: [{ id: 'pay-1', declined: 'card_declined' }],
      },
    });
    expect(step(state, decline()).events).toEqual([]);
    expect(declined).toMatchObject({ status: 'CANCELLED', reason: 'declined' });
  });

  it('another attempt takes the tickets again at their price, no longer than the hold would have lasted', () => {
    const dearer = run(gone, load({ price: 500 }));
    const { outcome, events, state } = step(dearer, rehold());
    expect(events.map((event) => event.type)).toEqual(['held', 'paymentStarted']);
    expect(outcome).toMatchObject({
      kind: 'paying',
      reservation: {
        unitPrice: 75,
        paymentId: 'pay-2',
        expiresAt: T0 + POLICY.holdMs,
        attempts: [{ id: 'pay-1', declined: 'card_declined' }, { id: 'second' }],
      },
    });
    expect(state.reservations.get('R')).not.toHaveProperty('reason');
    expect([state.heldHere, state.persons.get('ann')]).toEqual([2, 2]);
    expect(run(state, confirm('pay-2')).soldHere).toBe(2);
    expect(step(state, rehold({ attemptId: 'third', paymentId: 'pay-3' })).outcome).toMatchObject({
      kind: 'paying',
      reservation: { paymentId: 'pay-2' },
    });
    expectSound(state);
  });

  it('a payment that succeeded late takes them again with a time of their own', () => {
    const { outcome } = step(run(paying, failPayment('expired')), lateRehold());
    expect(outcome).toMatchObject({
      kind: 'paying',
      reservation: { paymentId: 'pay-1', expiresAt: T0 + 9 + POLICY.holdMs, attempts: [{ id: 'pay-1' }] },
    });
  });

  it.each<[string, TicketState, Command, OutcomeKind]>([
    ['sold out', run(gone, remote('reserved', 10)), rehold(), 'sold_out'],
    ['not enough left', run(gone, remote('pending', 9)), rehold(), 'temporarily_unavailable'],
    ['the person has its share', gone, rehold({ personElsewhere: 3 }), 'purchase_limit'],
    ['the card has its share', gone, rehold({ card: 'visa', cardElsewhere: 3 }), 'purchase_limit'],
    ['closed', run(gone, close(false)), rehold(), 'closed'],
    ['not opened', NOT_OPENED, rehold(), 'not_open'],
    ['held anew', run(gone, hold()), rehold(), 'wrong_state'],
    ['sold with it', run(gone, rehold(), confirm('pay-2')), rehold(), 'reserved'],
    ['too late', gone, rehold({ at: T0 + POLICY.holdMs }), 'hold_expired'],
    ['not declined', gone, rehold({ reservation: late }), 'hold_expired'],
    [
      'once too often',
      gone,
      rehold({ reservation: { ...declined, attempts: [{ id: '1' }, { id: '2' }, { id: '3' }] } }),
      'hold_expired',
    ],
    ['late, sold out', run(gone, remote('reserved', 10)), lateRehold(), 'sold_out'],
    ['late, closed', run(gone, close(false)), lateRehold(), 'closed'],
    ['paused', run(gone, pause(true, 1)), rehold(), 'paused'],
    ['late, paused', run(gone, pause(true, 1)), lateRehold(), 'paused'],
  ])('%s: changes nothing', (_name, state, command, kind) => {
    const { outcome, events } = step(state, command);
    expect([outcome.kind, events]).toEqual([kind, []]);
  });

  it('a card counts like a person, and is let go with its tickets', () => {
    const other = (id: string, card: string): Command[] => [
      hold({ reservationId: id, person: id }),
      { ...base(T0 + 1), type: 'startPayment', reservationId: id, paymentId: `pay-${id}`, card },
    ];
    const pay = (card: string, cardElsewhere = 0): Command => ({
      ...base(T0 + 1),
      type: 'startPayment',
      reservationId: 'R',
      paymentId: 'pay-1',
      card,
      cardElsewhere,
    });
    const two = run(OPEN, ...other('A', 'visa'), ...other('B', 'visa'), hold({ person: 'cy' }));
    expect(two.persons.get(cardKey('visa'))).toBe(4);
    expect(step(two, pay('visa')).outcome).toEqual({ kind: 'purchase_limit', limit: 4, owned: 4 });
    expect(kindOf(two, pay('amex'))).toBe('paying');
    expect(kindOf(two, pay('amex', 3))).toBe('purchase_limit');
    const released = run(two, {
      ...base(T0 + 2),
      type: 'failPayment',
      reservationId: 'A',
      paymentId: 'pay-A',
      reason: 'declined',
    });
    expect(released.persons.get(cardKey('visa'))).toBe(2);
    expectSound(run(released, pay('visa')));
  });
});

describe('pause', () => {
  it('refuses new holds, and nothing of those that stand', () => {
    const paused = run(OPEN, hold(), pause(true, 1));
    expect(kindOf(paused, hold({ reservationId: 'S', person: 'bob' }))).toBe('paused');
    expect(kindOf(paused, startPayment())).toBe('paying');
    expect(kindOf(run(paused, startPayment()), confirm())).toBe('reserved');
    expect(kindOf(run(paused, pause(false, 2)), hold({ reservationId: 'S', person: 'bob' }))).toBe('held');
  });

  it('an older decision that comes late changes nothing', () => {
    const resumed = run(OPEN, pause(true, 4), pause(false, 5));
    expect(step(resumed, pause(true, 4))).toEqual({
      events: [],
      outcome: { kind: 'unchanged' },
      state: resumed,
    });
  });
});

describe('a cancelled match', () => {
  const cancel: Command = { ...base(T0 + 4), type: 'close', endHolds: true, cancelled: true };

  it.each<[string, TicketState, Command, string]>([
    ['a hold that the cancelling ends', run(OPEN, hold()), cancel, 'released'],
    [
      'a payment that is given up after it',
      run(OPEN, hold(), startPayment(), cancel),
      failPayment(),
      'released',
    ],
    [
      'a sale that is refunded after it',
      run(OPEN, hold(), startPayment(), confirm(), cancel),
      refund(2),
      'refunded',
    ],
    ['a payment that succeeded after it', run(OPEN, hold(), startPayment(), cancel), confirm(), 'sold'],
  ])('says why: %s', (_name, state, command, type) => {
    const found = step(state, command).events.find((event) => event.type === type);
    expect(found).toMatchObject({ type, cause: 'match_cancelled' });
  });

  it('is one also when its sales were closed before', () => {
    const closed = run(OPEN, close(false));
    expect(step(closed, cancel).state).toMatchObject({ closed: true, cancelled: true });
    expect(kindOf(run(closed, cancel), cancel)).toBe('unchanged');
  });
});

describe('what operators decide about other marketplaces', () => {
  const sold = run(OPEN, remote('pending', 3), remote('reserved', 3));
  const cancelled = remote('cancelled', 2);
  const decideOrphan = (decision: 'give_back' | 'dismiss'): Command => ({
    ...base(T0 + 9),
    type: 'decideOrphan',
    orphanId: cancelled.id,
    decision,
  });

  it('a suspected refund gives back once', () => {
    const asked = run(sold, cancelled);
    expect([...asked.orphans.keys()]).toEqual([cancelled.id]);
    const given = step(asked, decideOrphan('give_back'));
    expect(given.outcome).toEqual({ kind: 'orphan_decided', givenBack: 2 });
    expect([available(given.state), given.state.soldElsewhere, given.state.orphans.size]).toEqual([9, 1, 0]);
    expect(kindOf(given.state, decideOrphan('give_back'))).toBe('unchanged');
  });

  it('one that is dismissed changes no counter', () => {
    const { outcome, state } = step(run(sold, cancelled), decideOrphan('dismiss'));
    expect(outcome).toEqual({ kind: 'orphan_decided', givenBack: 0 });
    expect([available(state), state.orphans.size]).toEqual([7, 0]);
  });

  it('nothing is given back of a peer that has sold nothing, and the orphan stays', () => {
    const asked = run(OPEN, cancelled);
    expect(kindOf(asked, decideOrphan('give_back'))).toBe('nothing_sold');
    expect(run(asked, decideOrphan('give_back')).orphans.size).toBe(1);
  });

  it('no more is given back than the peer has sold', () => {
    const one = run(OPEN, remote('pending', 1), remote('reserved', 1), cancelled);
    expect(step(one, decideOrphan('give_back')).outcome).toEqual({ kind: 'orphan_decided', givenBack: 1 });
  });

  it('keeps the newest orphans when a peer floods', () => {
    let flooded = sold;
    for (let i = 0; i <= ORPHANS_MAX; i += 1) {
      flooded = run(flooded, remote('cancelled', 1, { recordedAt: T0 + i }));
    }
    expect(flooded.orphans.size).toBe(ORPHANS_MAX);
    expect([...flooded.orphans.values()].some(({ recordedAt }) => recordedAt === T0)).toBe(false);
  });

  it('a hold without an end is released as it was seen, and no newer one', () => {
    const held = run(OPEN, remote('pending', 2, { recordedAt: T0 }));
    const wish = { type: 'releaseRemote', clientId: remote('pending', 1).clientId, heldSince: T0 } as const;
    const { outcome, state } = step(held, { ...base(T0 + 9), ...wish });
    expect(outcome).toEqual({ kind: 'remote_released', quantity: 2 });
    expect([pending(state), state.heldElsewhere]).toEqual([10, 0]);
    const renewed = run(held, remote('pending', 1, { recordedAt: T0 + 1 }));
    expect(kindOf(renewed, { ...base(T0 + 9), ...wish })).toBe('unchanged');
  });
});

describe('close', () => {
  const busy = run(
    OPEN,
    hold(),
    hold({ reservationId: 'B', person: 'bob' }),
    hold({ reservationId: 'C', person: 'cy' }),
    { ...base(T0), type: 'startPayment', reservationId: 'C', paymentId: 'pay-c' },
  );

  it.each<[string, TicketState, boolean, OutcomeKind, string[], number]>([
    ['not opened', NOT_OPENED, false, 'applied', ['closed'], 0],
    ['open', OPEN, true, 'applied', ['closed'], 0],
    ['with holds, leaving them', busy, false, 'applied', ['closed'], 6],
    ['with holds, ending them', busy, true, 'applied', ['closed', 'released', 'released'], 2],
    ['again', CLOSED, false, 'unchanged', [], 0],
    ['again, nothing left to end', run(busy, close(true)), true, 'unchanged', [], 2],
    ['again, now ending holds', run(busy, close(false)), true, 'applied', ['released', 'released'], 2],
  ])('%s', (_name, state, endHolds, kind, types, heldAfter) => {
    const { outcome, events, state: after } = step(state, close(endHolds));
    expect(outcome.kind).toBe(kind);
    expect(events.map((event) => event.type)).toEqual(types);
    expect([after.closed, after.heldHere]).toEqual([true, heldAfter]);
    expectSound(after);
  });

  it('lets a payment under way end in a sale', () => {
    const done = step(run(busy, close(true)), {
      ...base(T0),
      type: 'confirm',
      reservationId: 'C',
      paymentId: 'pay-c',
    });
    expect([done.outcome.kind, done.state.soldHere]).toEqual(['reserved', 2]);
  });
});

describe('reopen', () => {
  const cancel: Command = { ...base(T0 + 4), type: 'close', endHolds: true, cancelled: true };

  it.each<[string, TicketState, OutcomeKind, string[], boolean]>([
    ['open', OPEN, 'unchanged', [], false],
    ['closed', CLOSED, 'applied', ['reopened'], false],
    ['closed before it opened', run(NOT_OPENED, close(false)), 'applied', ['reopened'], false],
    ['cancelled', run(OPEN, cancel), 'unchanged', [], true],
    ['closed, and cancelled since', run(CLOSED, cancel), 'unchanged', [], true],
    ['reopened, and cancelled since', run(CLOSED, reopen, cancel), 'unchanged', [], true],
  ])('%s', (_name, state, kind, types, closedAfter) => {
    const { outcome, events, state: after } = step(state, reopen);
    expect([outcome.kind, events.map((event) => event.type)]).toEqual([kind, types]);
    expect(after.closed).toBe(closedAfter);
    expectSound(after);
  });

  it('lets holds go on, keeps those that stand, and leaves a pause alone', () => {
    const held = run(OPEN, hold(), close(false), pause(true, 1), reopen);
    expect([held.heldHere, kindOf(held, startPayment())]).toEqual([2, 'paying']);
    expect(kindOf(held, hold({ reservationId: 'S', person: 'bob' }))).toBe('paused');
    expect(kindOf(run(held, pause(false, 2)), hold({ reservationId: 'S', person: 'bob' }))).toBe('held');
    expect(kindOf(run(held, close(false)), hold({ reservationId: 'S', person: 'bob' }))).toBe('closed');
  });
});

describe('remote messages', () => {
  /** [action, quantity, record time after T0 in seconds] */
  type Message = readonly [RemoteAction, number, number?];
  const play = (messages: readonly Message[], reservationId?: string): TicketState =>
    run(
      OPEN,
      ...messages.map(([action, quantity, seconds = 0]) =>
        remote(action, quantity, {
          recordedAt: T0 + seconds * SECOND_MS,
          ...(reservationId !== undefined && { reservationId }),
        }),
      ),
    );
  const P = 'pending';
  const R = 'reserved';
  const C = 'cancelled';

  describe('of a peer with ids', () => {
    it.each<[string, Message[], number, number]>([
      ['a hold', [[P, 2]], 2, 0],
      [
        'in order, sold',
        [
          [P, 2],
          [R, 2],
        ],
        0,
        2,
      ],
      [
        'in order, given back',
        [
          [P, 2],
          [C, 2],
        ],
        0,
        0,
      ],
      [
        'in order, refunded',
        [
          [P, 2],
          [R, 2],
          [C, 2],
        ],
        0,
        0,
      ],
      [
        'refunded in part',
        [
          [P, 2],
          [R, 2],
          [C, 1],
        ],
        0,
        1,
      ],
      [
        'sold in part, the rest given back',
        [
          [P, 4],
          [R, 2],
          [C, 2],
        ],
        0,
        2,
      ],
      [
        'split over records',
        [
          [P, 2],
          [P, 2],
          [R, 2],
          [R, 2],
        ],
        0,
        4,
      ],
      [
        'split records interleaved',
        [
          [P, 2],
          [R, 2],
          [P, 2],
          [R, 2],
        ],
        0,
        4,
      ],
      [
        'RESERVED first',
        [
          [R, 2],
          [P, 2],
        ],
        0,
        2,
      ],
      [
        'RESERVED first, PENDING hours later',
        [
          [R, 2],
          [P, 2, 7_200],
        ],
        0,
        2,
      ],
      [
        'RESERVED twice first',
        [
          [R, 2],
          [R, 2, 600],
          [P, 2, 1_200],
          [P, 2, 7_200],
        ],
        0,
        4,
      ],
      [
        'RESERVED, CANCELLED, PENDING',
        [
          [R, 2],
          [C, 2],
          [P, 2],
        ],
        0,
        0,
      ],
      [
        'CANCELLED first',
        [
          [C, 2],
          [P, 2],
        ],
        0,
        0,
      ],
      [
        'CANCELLED first, of one',
        [
          [C, 1],
          [P, 2],
        ],
        1,
        0,
      ],
      [
        'CANCELLED, RESERVED, PENDING',
        [
          [C, 2],
          [R, 2],
          [P, 2],
        ],
        0,
        0,
      ],
      [
        'CANCELLED of one, RESERVED, PENDING',
        [
          [C, 1],
          [R, 2],
          [P, 2],
        ],
        0,
        1,
      ],
      [
        'CANCELLED then a sale under the same id',
        [
          [P, 2],
          [C, 2],
          [P, 2],
          [R, 2],
        ],
        0,
        2,
      ],
      [
        'RESERVED of more than was pending',
        [
          [P, 1],
          [R, 3],
        ],
        0,
        3,
      ],
    ])('%s', (_name, messages, held, sold) => {
      const state = play(messages, 'r-1');
      expect([state.heldElsewhere, state.soldElsewhere]).toEqual([held, sold]);
      if (held + sold === 0) expect(state.remote.size).toBe(0);
      expectSound(state);
    });

    it('keeps each reservation apart', () => {
      const state = run(
        OPEN,
        remote(P, 2, { reservationId: 'r-1' }),
        remote(R, 2, { reservationId: 'r-2' }),
        remote(C, 2, { reservationId: 'r-1' }),
      );
      expect([state.heldElsewhere, state.soldElsewhere]).toEqual([0, 2]);
      expect([...state.remote.keys()]).toEqual(['peer/r-2']);
    });

    it('never calls a CANCELLED an orphan: it may have come too early', () => {
      expect(step(OPEN, remote(C, 2, { reservationId: 'r-1' })).outcome.kind).toBe('applied');
    });
  });

  describe('of a peer without ids', () => {
    it.each<[string, Message[], number, number]>([
      ['a hold', [[P, 2]], 2, 0],
      [
        'in order, sold',
        [
          [P, 2],
          [R, 2, 300],
        ],
        0,
        2,
      ],
      [
        'in order, given back',
        [
          [P, 2],
          [C, 2, 300],
        ],
        0,
        0,
      ],
      [
        'holds add up',
        [
          [P, 2],
          [P, 1],
          [R, 2],
        ],
        1,
        2,
      ],
      ['RESERVED alone counts as both', [[R, 2]], 0, 2],
      [
        'RESERVED first, PENDING at once',
        [
          [R, 2],
          [P, 2],
        ],
        0,
        2,
      ],
      [
        'RESERVED first, PENDING after 60 s',
        [
          [R, 2],
          [P, 2, 60],
        ],
        0,
        2,
      ],
      [
        'RESERVED first, PENDING after more than 60 s',
        [
          [R, 2],
          [P, 2, 60.001],
        ],
        2,
        2,
      ],
      [
        'PENDING stamped a little before the RESERVED that overtook it',
        [
          [R, 2],
          [P, 2, -60],
        ],
        0,
        2,
      ],
      [
        'PENDING stamped long before',
        [
          [R, 2],
          [P, 2, -60.001],
        ],
        2,
        2,
      ],
      [
        'a stamp that jumps back forgets nothing',
        [
          [R, 2],
          [P, 1, -600],
          [P, 2, 30],
        ],
        1,
        2,
      ],
      [
        'a stamp that is a window ahead forgets nothing',
        [
          [R, 2],
          [P, 1, 120],
          [P, 2, 30],
        ],
        1,
        2,
      ],
      [
        'a stamp that is further ahead does',
        [
          [R, 2],
          [P, 1, 120.001],
          [P, 2, 30],
        ],
        3,
        2,
      ],
      [
        'a RESERVED whose stamp jumps back forgets nothing',
        [
          [R, 2],
          [R, 1, -600],
          [P, 2, 30],
        ],
        0,
        3,
      ],
      [
        'a PENDING larger than the RESERVED',
        [
          [R, 1],
          [P, 2, 5],
        ],
        1,
        1,
      ],
      [
        'a PENDING smaller than the RESERVED',
        [
          [R, 2],
          [P, 1, 5],
          [P, 1, 6],
        ],
        0,
        2,
      ],
      [
        'absorbed once only',
        [
          [R, 2],
          [P, 2, 5],
          [P, 2, 6],
        ],
        2,
        2,
      ],
      [
        'two RESERVED, the first too old',
        [
          [R, 2],
          [R, 2, 50],
          [P, 4, 70],
        ],
        2,
        4,
      ],
      [
        'two RESERVED with one stamp',
        [
          [R, 1],
          [R, 1],
          [P, 2, 5],
        ],
        0,
        2,
      ],
      [
        'RESERVED larger than what is held',
        [
          [P, 1],
          [R, 2, 5],
          [P, 1, 6],
        ],
        0,
        2,
      ],
      ['CANCELLED with nothing outstanding', [[C, 2]], 0, 0],
      [
        'CANCELLED first is not remembered',
        [
          [C, 2],
          [P, 2],
        ],
        2,
        0,
      ],
      [
        'CANCELLED after a sale changes nothing',
        [
          [P, 2],
          [R, 2],
          [C, 2],
        ],
        0,
        2,
      ],
      [
        'CANCELLED of more than is held',
        [
          [P, 1],
          [C, 2],
        ],
        0,
        0,
      ],
    ])('%s', (_name, messages, held, sold) => {
      const state = play(messages);
      expect([state.heldElsewhere, state.soldElsewhere]).toEqual([held, sold]);
      expectSound(state);
    });

    it.each<[string, Message[], OutcomeKind, object | undefined]>([
      ['nothing ever', [[C, 2]], 'orphaned', { kind: 'orphan', quantity: 2 }],
      [
        'given back already',
        [
          [P, 2],
          [C, 2],
          [C, 2],
        ],
        'orphaned',
        { kind: 'orphan', quantity: 2 },
      ],
      [
        'more than is held',
        [
          [P, 1],
          [C, 3],
        ],
        'orphaned',
        { kind: 'orphan', quantity: 2 },
      ],
      [
        'after a sale',
        [
          [P, 2],
          [R, 2],
          [C, 1],
        ],
        'orphaned',
        { kind: 'suspected_refund', quantity: 1 },
      ],
      [
        'after a sale of one',
        [
          [P, 1],
          [R, 1],
          [C, 1],
        ],
        'orphaned',
        { kind: 'suspected_refund', quantity: 1 },
      ],
      [
        'held and sold',
        [
          [P, 3],
          [R, 2],
          [C, 1],
        ],
        'applied',
        undefined,
      ],
      [
        'held, sold, more',
        [
          [P, 3],
          [R, 2],
          [C, 2],
        ],
        'orphaned',
        { kind: 'suspected_refund', quantity: 1 },
      ],
    ])('CANCELLED: %s', (_name, messages, kind, orphan) => {
      const [action, quantity, seconds = 0] = messages.at(-1)!;
      const { outcome, events } = step(
        play(messages.slice(0, -1)),
        remote(action, quantity, { recordedAt: T0 + seconds }),
      );
      expect(outcome.kind).toBe(kind);
      expect(events).toHaveLength(1);
      const event = events[0]!;
      const expected = orphan && { id: expect.any(String), ...orphan };
      expect(event.type === 'remote' ? event.orphan : 'not remote').toEqual(expected);
    });

    it('notes since when it holds, by record time', () => {
      const state = play([
        [P, 2, 10],
        [P, 1, 20],
        [R, 1, 30],
      ]);
      expect(state.remote.get('peer')).toEqual({
        held: 2,
        sold: 1,
        early: [],
        cancelledEarly: 0,
        heldSince: T0 + 20 * SECOND_MS,
      });
    });

    it('forgets a peer of whom nothing is left', () => {
      expect(
        play([
          [P, 2],
          [C, 2],
        ]).remote.size,
      ).toBe(0);
      expect(isIdleTally({ held: 0, sold: 0, early: [], cancelledEarly: 0, heldSince: 5 })).toBe(true);
      expect(isIdleTally({ held: 0, sold: 0, early: [], cancelledEarly: 1, heldSince: 5 })).toBe(false);
    });

    it('bounds what it remembers of early RESERVED; the forgotten count as holds', () => {
      const many: Message[] = Array.from({ length: EARLY_ENTRIES_MAX + 1 }, (_, i) => [R, 1, i / 1_000]);
      const state = play(many);
      expect(state.remote.get('peer')?.early).toHaveLength(EARLY_ENTRIES_MAX);
      const after = run(state, remote(P, EARLY_ENTRIES_MAX + 1, { recordedAt: T0 + SECOND_MS }));
      expect([after.heldElsewhere, after.soldElsewhere]).toEqual([1, EARLY_ENTRIES_MAX + 1]);
    });
  });

  it('keeps peers apart, whatever ids they choose', () => {
    expect(remoteKey('peer', undefined)).toBe('peer');
    expect(remoteKey('peer', 'r-1')).toBe('peer/r-1');
    const keys = [
      remoteKey('a/b', undefined),
      remoteKey('a', 'b'),
      remoteKey('a%2Fb', undefined),
      remoteKey('a/b', 'c'),
      remoteKey('a', 'b/c'),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    const state = run(
      OPEN,
      remote(P, 2, { clientId: 'a', reservationId: 'b' }),
      remote(C, 2, { clientId: 'a/b' }),
      remote(P, 1, { clientId: '__proto__' }),
    );
    expect(state.heldElsewhere).toBe(3);
  });

  it.each([
    ['not opened', NOT_OPENED, 'not_open'],
    ['open', OPEN, 'applied'],
    ['pending 0', PENDING_ZERO, 'applied'],
    ['sold out', SOLD_OUT, 'applied'],
    ['closed', CLOSED, 'applied'],
  ] as const)('a ticket that is %s', (_name, state, kind) => {
    for (const action of [P, R] as const) expect(kindOf(state, remote(action, 2))).toBe(kind);
    const cancelled = remote(C, 2, { clientId: 'other' });
    expect(kindOf(state, cancelled)).toBe(kind === 'applied' ? 'orphaned' : kind);
  });

  it('keeps the true negative pending, and later cancellations restore it', () => {
    const held = run(OPEN, hold(), remote(P, 10, { clientId: 'a' }), remote(P, 3, { clientId: 'b' }));
    expect(pending(held)).toBe(-5);
    expect(step(held, hold({ reservationId: 'B' })).outcome).toEqual({
      kind: 'temporarily_unavailable',
      remaining: 0,
    });
    const once = run(held, remote(C, 3, { clientId: 'b' }));
    expect(pending(once)).toBe(-2);
    const twice = run(once, remote(C, 4, { clientId: 'a' }));
    expect(pending(twice)).toBe(2);
    expect(pending(run(twice, release()))).toBe(4);
    expectSound(twice);
  });

  describe('positions', () => {
    const at = (offset: string, index = 0, source?: string): Remote =>
      remote(P, 1, { position: position(offset, index, source) });
    const after = run(OPEN, at('41', 1));

    it.each<[string, Remote, OutcomeKind]>([
      ['the same again', at('41', 1), 'repeated'],
      ['a lower offset', at('40', 9), 'repeated'],
      ['a lower offset with fewer digits', at('9'), 'repeated'],
      ['the same offset, a lower index', at('41', 0), 'repeated'],
      ['the same offset, a higher index', at('41', 2), 'applied'],
      ['a higher offset, index 0', at('42', 0), 'applied'],
      ['a higher offset with more digits', at('100'), 'applied'],
      ['another partition', at('0', 0, 'cluster/sales/1'), 'applied'],
      ['none', remote(P, 1), 'applied'],
    ])('%s', (_name, command, kind) => {
      const result = step(after, command);
      expect(result.outcome.kind).toBe(kind);
      expect(result.state.heldElsewhere).toBe(kind === 'applied' ? 2 : 1);
    });

    it('compares 64-bit offsets exactly', () => {
      const big = run(OPEN, at('9223372036854775806'));
      expect(kindOf(big, at('9223372036854775806'))).toBe('repeated');
      expect(kindOf(big, at('9223372036854775805'))).toBe('repeated');
      expect(kindOf(big, at('9223372036854775807'))).toBe('applied');
    });

    it('a refused message leaves no position behind', () => {
      const refused = step(NOT_OPENED, at('5'));
      expect(refused.state).toBe(NOT_OPENED);
      expect(kindOf(run(NOT_OPENED, load()), at('5'))).toBe('applied');
    });

    it('an orphan takes effect once too', () => {
      const orphan = remote(C, 1, { position: position('50') });
      const state = run(OPEN, orphan);
      expect(kindOf(state, orphan)).toBe('repeated');
      expect(state.positions.get('cluster/sales/0')).toEqual({ offset: '50', index: 0 });
    });

    it('a repeat is told before anything else', () => {
      expect(kindOf({ ...after, opened: false }, at('41', 1))).toBe('repeated');
    });
  });

  it('refuses new tallies past the limit, but goes on with those it knows', () => {
    const full = run(OPEN, ...['a', 'b', 'c'].map((clientId) => remote(P, 1, { clientId })));
    expect(step(full, remote(P, 1, { clientId: 'd' })).outcome).toEqual({ kind: 'remote_limit', limit: 3 });
    expect(kindOf(full, remote(P, 1, { clientId: 'a', reservationId: 'r' }))).toBe('remote_limit');
    expect(kindOf(full, remote(R, 1, { clientId: 'a' }))).toBe('applied');
    const freed = run(full, remote(C, 1, { clientId: 'b' }));
    expect(kindOf(freed, remote(P, 1, { clientId: 'd' }))).toBe('applied');
  });
});
