/**
 * Small worlds for the checker: a good one with a sale, a refund, a cancelled and an expired hold, a peer's sale and
 * garbage; and for each kind of violation worlds that differ from it by what went wrong.
 */
import type { Answer, LedgerEvent, Purchase, ViolationName, World } from './check.js';
import type { LogRecord } from '../exchange/fold.js';

const TICKET = '1:1';
const PRICE = 75;
const AT = 1_000_000;

const answer = (op: Answer['op'], status: number, more: Partial<Answer> = {}): Answer => ({
  ...{ op, status, askedAt: AT, answeredAt: AT + 50, tries: 1 },
  ...more,
});
const held = answer('hold', 201, { state: 'PENDING' });
const paid = answer('pay', 200, { state: 'RESERVED' });
const readSold = answer('read', 200, { state: 'RESERVED' });

const purchase = (id: string, quantity: number, answers: readonly Answer[]): Purchase => ({
  ...{ ticket: TICKET, quantity, id, answers },
});

interface Fact {
  readonly type: string;
  readonly id?: string;
  readonly status?: string;
  readonly quantity?: number;
  readonly more?: Partial<LedgerEvent>;
}

/** In order, numbered from 1. */
function ledgerOf(facts: readonly Fact[]): LedgerEvent[] {
  return facts.map(({ type, id, status = '', quantity = 0, more }, i) => ({
    ...{ ticket: TICKET, incarnation: 1, sequence: i + 1, type },
    ...(id !== undefined && { reservation: { id, status, quantity, unitPrice: PRICE } }),
    ...more,
  }));
}

function record(
  offset: number,
  action: string,
  quantity: number,
  headers: Readonly<Record<string, string>>,
): LogRecord {
  const tickets = { category: 1, quantity, price: PRICE };
  const value = JSON.stringify({ meta: { action }, body: { matchNumber: 1, tickets } });
  return { offset: String(offset), timestamp: AT + offset, headers, value };
}

const ours = (offset: number, action: string, quantity: number, sequence: number, id: string): LogRecord =>
  record(offset, action, quantity, {
    clientId: 'ticktak',
    eventId: `${TICKET}:1:${sequence}`,
    sequence: String(sequence),
    reservationId: id,
  });
const theirs = (offset: number, action: string): LogRecord =>
  record(offset, action, 1, { clientId: 'peer', reservationId: 'p1' });
const garbage = (offset: number): LogRecord => ({
  ...{ offset: String(offset), timestamp: AT, headers: { clientId: 'peer' }, value: 'garbage' },
});

const remote = (offset: number, heldDelta: number, soldDelta: number): Fact => ({
  type: 'remote',
  more: { heldDelta, soldDelta, offset: String(offset), index: 0 },
});

/** Capacity 5: `a` keeps 2, the peer sold 1; `b` was refunded, `c` cancelled, `d` expired. */
const FACTS: readonly Fact[] = [
  { type: 'loaded', more: { capacity: 5 } },
  { type: 'held', id: 'a', status: 'PENDING', quantity: 2 },
  { type: 'paymentStarted', id: 'a', status: 'PAYING', quantity: 2 },
  { type: 'sold', id: 'a', status: 'RESERVED', quantity: 2 },
  { type: 'held', id: 'b', status: 'PENDING', quantity: 1 },
  { type: 'sold', id: 'b', status: 'RESERVED', quantity: 1 },
  { type: 'refunded', id: 'b', status: 'REFUNDED', quantity: 1, more: { quantity: 1 } },
  { type: 'held', id: 'c', status: 'PENDING', quantity: 1 },
  { type: 'released', id: 'c', status: 'CANCELLED', quantity: 1 },
  { type: 'held', id: 'd', status: 'PENDING', quantity: 1 },
  { type: 'released', id: 'd', status: 'EXPIRED', quantity: 1 },
  remote(9, 1, 0),
  remote(10, -1, 1),
];

const RECORDS: readonly LogRecord[] = [
  ours(0, 'TICKET_PENDING', 2, 2, 'a'),
  ours(1, 'TICKET_RESERVED', 2, 4, 'a'),
  ours(2, 'TICKET_PENDING', 1, 5, 'b'),
  ours(3, 'TICKET_RESERVED', 1, 6, 'b'),
  ours(4, 'TICKET_CANCELLED', 1, 7, 'b'),
  ours(5, 'TICKET_PENDING', 1, 8, 'c'),
  ours(6, 'TICKET_CANCELLED', 1, 9, 'c'),
  ours(7, 'TICKET_PENDING', 1, 10, 'd'),
  ours(8, 'TICKET_CANCELLED', 1, 11, 'd'),
  theirs(9, 'TICKET_PENDING'),
  theirs(10, 'TICKET_RESERVED'),
  garbage(11),
];

const COUNTERS = {
  capacity: 5,
  available: 2,
  pending: 2,
  soldHere: 2,
  soldElsewhere: 1,
  heldHere: 0,
  heldElsewhere: 0,
};

export const GOOD: World = {
  clientId: 'ticktak',
  tickets: [TICKET],
  purchases: [
    purchase('a', 2, [held, paid, readSold]),
    purchase('b', 1, [held, paid, answer('refund', 200, { state: 'REFUNDED' })]),
    purchase('c', 1, [held, answer('cancel', 200, { state: 'CANCELLED' })]),
    purchase('d', 1, [held, answer('pay', 409, { code: 'hold_expired' })]),
    purchase('', 2, [answer('hold', 409, { code: 'temporarily_unavailable' })]),
  ],
  counters: { [TICKET]: COUNTERS },
  live: { a: { status: 'RESERVED', quantity: 2 } },
  ledger: ledgerOf(FACTS),
  records: RECORDS,
  charges: [
    { paymentId: 'pi_a', reservationId: 'a', paid: 2 * PRICE * 100, refunded: 0 },
    { paymentId: 'pi_b', reservationId: 'b', paid: PRICE * 100, refunded: PRICE * 100 },
    { paymentId: 'pi_d', reservationId: 'd', paid: 0, refunded: 0 },
  ],
  letters: ['11'],
  left: { 'jobs of 1:1': 0, 'payments due': 0 },
  readBack: { a: 'RESERVED', b: 'REFUNDED' },
  crashes: [],
};

interface BadWorld {
  readonly what: string;
  readonly name: ViolationName;
  readonly world: World;
}

const bad = (name: ViolationName, what: string, change: Partial<World>): BadWorld => ({
  ...{ name, what },
  world: { ...GOOD, ...change },
});
/** With other facts in place of those that match. */
const facts = (change: (fact: Fact, index: number) => readonly Fact[]): LedgerEvent[] =>
  ledgerOf(FACTS.flatMap(change));
const withAnswers = (id: string, answers: readonly Answer[]): readonly Purchase[] =>
  GOOD.purchases.map((one) => (one.id === id ? { ...one, answers } : one));
const [first] = GOOD.charges;

export const BAD: readonly BadWorld[] = [
  bad('oversold', 'more is held than there is', {
    ledger: facts((fact) => [fact.type === 'loaded' ? { ...fact, more: { capacity: 1 } } : fact]),
    counters: { [TICKET]: { ...COUNTERS, capacity: 1, available: -2, pending: -2 } },
  }),
  bad('oversold', 'tickets of an ended hold are sold to it after a peer has taken the last', {
    ledger: ledgerOf([
      { type: 'loaded', more: { capacity: 1 } },
      { type: 'held', id: 'a', status: 'PENDING', quantity: 1 },
      { type: 'released', id: 'a', status: 'EXPIRED', quantity: 1 },
      remote(9, 1, 0),
      { type: 'sold', id: 'a', status: 'RESERVED', quantity: 1 },
    ]),
  }),
  bad('lost_sale', 'Redis has forgotten a sale', { live: {} }),
  bad('lost_sale', 'the ledger has forgotten it', {
    ledger: facts((fact) => (fact.id === 'a' ? [] : [fact])),
  }),
  bad('lost_sale', 'the log has never heard of it', {
    records: RECORDS.filter(({ offset }) => offset !== '1'),
  }),
  bad('lost_sale', 'its buyer cannot read it any more', { readBack: { b: 'REFUNDED', a: 'not_found' } }),
  bad('lost_sale', 'a read after the sale says PENDING', {
    purchases: withAnswers('a', [held, paid, answer('read', 200, { state: 'PENDING' })]),
  }),
  bad('lost_sale', 'there are fewer tickets than were bought', {
    ledger: facts((fact) => [fact.id === 'a' ? { ...fact, quantity: 1 } : fact]),
  }),
  bad('unasked_sale', 'sold to somebody who never paid', { purchases: withAnswers('a', [held]) }),
  bad('unasked_sale', 'Redis has a sale that the ledger never had', {
    live: { ...GOOD.live, x: { status: 'RESERVED', quantity: 1 } },
  }),
  bad('broken_promise', 'told to be declined, and sold', {
    purchases: withAnswers('a', [held, answer('pay', 402, { code: 'payment_declined' })]),
  }),
  bad('broken_promise', 'told to be refunded, and still sold', {
    purchases: withAnswers('a', [held, paid, answer('refund', 200, { state: 'REFUNDED' })]),
  }),
  bad('leaked', 'a hold that never ends', {
    ledger: facts((fact) => (fact.status === 'EXPIRED' ? [] : [fact])),
    live: { ...GOOD.live, d: { status: 'PENDING', quantity: 1 } },
    counters: { [TICKET]: { ...COUNTERS, heldHere: 1, pending: 1 } },
  }),
  bad('leaked', 'a count that no reservation explains', {
    counters: { [TICKET]: { ...COUNTERS, heldHere: 1, pending: 1 } },
  }),
  bad('wrong_counters', 'an equation does not hold', { counters: { [TICKET]: { ...COUNTERS, pending: 3 } } }),
  bad('wrong_counters', 'capacity was given back twice', {
    counters: { [TICKET]: { ...COUNTERS, soldHere: 1, available: 3, pending: 3 } },
  }),
  bad('wrong_counters', 'a peer is counted that said nothing', {
    counters: { [TICKET]: { ...COUNTERS, soldElsewhere: 2, available: 1, pending: 1 } },
  }),
  bad('wrong_counters', 'the ticket is gone', { counters: { [TICKET]: null } }),
  bad('double_charge', 'two payments for one reservation', {
    charges: [...GOOD.charges, { ...first!, paymentId: 'pi_a2' }],
  }),
  bad('charged_for_nothing', 'the hold ended and the money was kept', {
    charges: [...GOOD.charges, { paymentId: 'pi_d2', reservationId: 'd', paid: PRICE * 100, refunded: 0 }],
  }),
  bad('charged_for_nothing', 'refunded tickets, kept money', {
    charges: GOOD.charges.map((charge) => ({ ...charge, refunded: 0 })),
  }),
  bad('charged_for_nothing', 'nobody knows the reservation that was paid', {
    charges: [...GOOD.charges, { paymentId: 'pi_x', reservationId: 'x', paid: 100, refunded: 0 }],
  }),
  bad('unpaid_sale', 'sold without a payment', { charges: GOOD.charges.slice(1) }),
  bad('message_lost', 'a peer’s sale is nowhere', {
    ledger: facts((fact) => (fact.type === 'remote' ? [] : [fact])),
  }),
  bad('message_lost', 'garbage is not in the dead letters', { letters: [] }),
  bad('message_doubled', 'a peer’s sale counts twice', {
    ledger: facts((fact) => (fact.type === 'remote' ? [fact, fact] : [fact])),
  }),
  bad('message_doubled', 'garbage lies in the dead letters twice', { letters: ['11', '11'] }),
  bad('message_doubled', 'a message is in effect and in the dead letters', { letters: ['11', '9'] }),
  bad('not_published', 'an expiry was not told', { records: RECORDS.filter(({ offset }) => offset !== '8') }),
  bad('published_twice', 'an event is in the log twice', {
    records: [...RECORDS, ours(12, 'TICKET_CANCELLED', 1, 11, 'd')],
  }),
  bad('published_twice', 'an event that never was is in the log', {
    records: [...RECORDS, ours(12, 'TICKET_PENDING', 1, 99, 'z')],
  }),
  bad('malformed_record', 'a quantity that strict peers drop', {
    records: RECORDS.map((one) => (one.offset === '0' ? ours(0, 'TICKET_PENDING', 3, 2, 'a') : one)),
  }),
  bad('doubled_event', 'a place of the ledger is there twice', {
    ledger: [...GOOD.ledger, GOOD.ledger.at(-1)!],
  }),
  bad('doubled_event', 'a place is missing', {
    ledger: GOOD.ledger.filter(({ sequence }) => sequence !== 3),
  }),
  bad('job_left', 'a job waits for ever', { left: { 'jobs of 1:1': 1 } }),
  bad('unanswered', 'a buyer gave up', {
    purchases: [...GOOD.purchases, purchase('', 1, [answer('hold', 0, { tries: 30 })])],
  }),
  bad('surprise', 'an internal error', {
    purchases: [...GOOD.purchases, purchase('', 1, [answer('hold', 500, { code: 'internal_error' })])],
  }),
  bad('surprise', 'a refusal that this request does not have', {
    purchases: withAnswers('c', [held, answer('cancel', 404, { code: 'not_found' })]),
  }),
  bad('crashed', 'a process ended by itself', { crashes: ['worker 1'] }),
];
