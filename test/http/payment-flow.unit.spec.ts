import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Submission } from '../../src/http/ports.js';
import { PaymentFlow, amountMinorOf, paymentIdOf, type FlowIds } from '../../src/payments/flow.js';
import type { Reservation } from '../../src/rules/index.js';
import { CARDS, FakeProvider, ManualClock, Market, POLICY, someMatch } from './fakes.js';

const ticket = { matchNumber: 1, category: 1 };
const REF = { ticket, reservationId: 'r1' };
const IDS: FlowIds = { id: 'request-1', keepMs: 1_000 };
const PAYMENT_ID = paymentIdOf('r1', IDS.id);
const WAIT_MS = 5_000;

let clock: ManualClock;
let market: Market;
let provider: FakeProvider;
let flow: PaymentFlow;
beforeEach(() => {
  clock = new ManualClock();
  market = new Market(clock);
  market.open(someMatch(1), 20);
  provider = new FakeProvider();
  let ids = 0;
  flow = new PaymentFlow({
    gateway: market,
    provider,
    reader: market,
    clock,
    logger: pino({ level: 'silent' }),
    providerWaitMs: WAIT_MS,
    unkeyedOutcomeMs: 10,
    newId: () => `fresh-${(ids += 1)}`,
  });
  hold();
});

const hold = (): unknown =>
  market.do(ticket, { type: 'hold', reservationId: 'r1', quantity: 2, email: 'a@b.co', person: 'a@b.co' });
const stored = async (): Promise<Reservation> => (await market.find('r1'))!;

const on =
  (type: Submission['body']['type'], answer: ReturnType<Market['intercept']>) =>
  ({ body }: Submission): ReturnType<Market['intercept']> =>
    body.type === type ? answer : undefined;

describe('paying', () => {
  it('starts, charges, confirms', async () => {
    const result = await flow.pay(REF, CARDS.good, IDS);
    expect(result).toMatchObject({
      kind: 'reserved',
      reservation: { status: 'RESERVED', paymentId: PAYMENT_ID },
    });
    expect([...provider.charged]).toEqual([[PAYMENT_ID, 15_000]]);
    expect(market.submissions.map(({ body }) => body.type)).toEqual(['startPayment', 'confirm']);
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual(result);
    expect(await flow.pay(REF, CARDS.good, { ...IDS, id: 'request-2' })).toMatchObject({ kind: 'reserved' });
    expect(provider.charged.size).toBe(1);
  });

  it('tells a decline even when the hold could not be given back just now', async () => {
    market.intercept = on('failPayment', { kind: 'overloaded', retryAfterMs: 1 });
    expect(await flow.pay(REF, CARDS.declined, IDS)).toEqual({ kind: 'declined', reason: 'card_declined' });
    expect((await stored()).status).toBe('PAYING');
    market.intercept = () => undefined;
    expect(await flow.settle(await stored())).toEqual({ kind: 'declined', reason: 'card_declined' });
    expect(await stored()).toMatchObject({ status: 'CANCELLED', reason: 'declined' });
  });

  it('refunds once when the hold ended while the card was charged', async () => {
    provider.beforeAnswer = () => {
      market.do(ticket, {
        type: 'failPayment',
        reservationId: 'r1',
        paymentId: PAYMENT_ID,
        reason: 'expired',
      });
    };
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    market.outcomes.clear();
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    expect([...provider.refunds.values()]).toEqual([15_000]);
  });

  it('does not know while a refund that is due is not known', async () => {
    provider.beforeAnswer = () => {
      market.do(ticket, {
        type: 'failPayment',
        reservationId: 'r1',
        paymentId: PAYMENT_ID,
        reason: 'expired',
      });
    };
    provider.refundsFail = true;
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'unknown' });
    provider.refundsFail = false;
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
  });

  it('refunds nothing of what was sold and refunded since', async () => {
    await flow.pay(REF, CARDS.good, IDS);
    market.do(ticket, { type: 'refund', reservationId: 'r1', quantity: 2 });
    market.outcomes.clear();
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    expect(provider.refunds.size).toBe(0);
  });

  it('does not guess when the provider does not answer in time', async () => {
    provider.beforeAnswer = () => new Promise(() => undefined);
    const asked = flow.pay(REF, CARDS.good, IDS);
    while (clock.timers === 0) await new Promise(setImmediate);
    clock.advance(WAIT_MS);
    expect(await asked).toEqual({ kind: 'unknown' });
    expect((await stored()).status).toBe('PAYING');
    provider.beforeAnswer = () => undefined;
    expect(await flow.pay(REF, CARDS.good, IDS)).toMatchObject({ kind: 'reserved' });
    expect(provider.charged.size).toBe(1);
  });

  it.each([
    ['startPayment', { kind: 'overloaded', retryAfterMs: 7 }, { kind: 'overloaded', retryAfterMs: 7 }],
    [
      'startPayment',
      { kind: 'answered', result: { kind: 'deadline_passed' } },
      { kind: 'overloaded', retryAfterMs: 2_000 },
    ],
    ['startPayment', 'answer lost', { kind: 'unknown' }],
    ['startPayment', 'rejects', { kind: 'unknown' }],
    ['confirm', { kind: 'overloaded', retryAfterMs: 7 }, { kind: 'unknown' }],
    ['confirm', 'answer lost', { kind: 'unknown' }],
  ] as const)('when %s is %j it is %j, and a repeat finishes it', async (type, answer, expected) => {
    market.intercept = on(type, answer);
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual(expected);
    market.intercept = () => undefined;
    expect(await flow.pay(REF, CARDS.good, IDS)).toMatchObject({ kind: 'reserved' });
    expect(provider.charged.size).toBe(1);
    expect(provider.refunds.size).toBe(0);
  });

  it('finishes another payment under way, and makes none of its own', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    const other = { ...IDS, id: 'request-2' };
    expect(await flow.pay(REF, CARDS.good, other)).toEqual({ kind: 'unknown' });
    provider.payments.set(PAYMENT_ID, { status: 'declined', reason: 'no' });
    expect(await flow.pay(REF, CARDS.good, other)).toEqual({ kind: 'hold_expired', refunded: false });
    expect((await stored()).status).toBe('CANCELLED');
    expect(provider.charged.size).toBe(0);
  });

  it('does not start what has ended', async () => {
    clock.advance(POLICY.holdMs);
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: false });
    expect(await flow.pay({ ...REF, reservationId: 'r2' }, CARDS.good, IDS)).toMatchObject({
      kind: 'hold_expired',
    });
    expect(provider.payments.size).toBe(0);
  });
});

describe('cancelling', () => {
  it('releases, tells what is not live, and what is sold', async () => {
    expect(await flow.cancel(REF, IDS)).toMatchObject({ kind: 'released' });
    expect(await flow.cancel(REF, { ...IDS, id: 'again' })).toEqual({ kind: 'not_live' });
    hold();
    await flow.pay(REF, CARDS.good, IDS);
    expect(await flow.cancel(REF, { ...IDS, id: 'third' })).toMatchObject({ kind: 'wrong_state' });
  });

  it('makes a payment under way impossible before it gives the hold back', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    expect(await flow.cancel(REF, { ...IDS, id: 'c' })).toMatchObject({ kind: 'released' });
    expect(provider.payments.get(PAYMENT_ID)).toEqual({ status: 'cancelled' });
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: false });
    expect(provider.charged.size).toBe(0);
  });

  it('confirms a payment that turns out to have succeeded', async () => {
    await flow.pay(REF, CARDS.lost, IDS);
    expect(await flow.cancel(REF, { ...IDS, id: 'c' })).toMatchObject({
      kind: 'wrong_state',
      reservation: { status: 'RESERVED' },
    });
  });

  it('does not know while the provider does not', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    provider.cancel = () => Promise.reject(new Error('away'));
    expect(await flow.cancel(REF, { ...IDS, id: 'c' })).toEqual({ kind: 'unknown' });
    expect((await stored()).status).toBe('PAYING');
  });
});

describe('settling', () => {
  it('waits until the time of the payment is over, cancels it, and only then ends the hold', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    expect(await flow.settle(await stored())).toEqual({ kind: 'pending' });
    expect(provider.payments.size).toBe(0);
    clock.advance(POLICY.payingMs);
    expect(await flow.settle(await stored())).toEqual({ kind: 'hold_expired', refunded: false });
    expect(provider.payments.get(PAYMENT_ID)).toEqual({ status: 'cancelled' });
    expect(await stored()).toMatchObject({ status: 'EXPIRED', reason: 'expired' });
  });

  it('confirms what succeeded, at once', async () => {
    await flow.pay(REF, CARDS.lost, IDS);
    expect(await flow.settle(await stored())).toMatchObject({ kind: 'reserved' });
    expect(await flow.settle(await stored())).toMatchObject({ kind: 'reserved' });
  });

  it('tries again later while the provider does not answer', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    clock.advance(POLICY.payingMs);
    const { cancel, find } = provider;
    provider.cancel = () => Promise.reject(new Error('away'));
    expect(await flow.settle(await stored())).toEqual({ kind: 'pending' });
    provider.find = () => Promise.reject(new Error('away'));
    expect(await flow.settle(await stored())).toEqual({ kind: 'pending' });
    Object.assign(provider, { cancel, find });
    expect(await flow.settle(await stored())).toMatchObject({ kind: 'hold_expired' });
  });

  it('has nothing to do with what is not being paid', async () => {
    expect(await flow.settle(await stored())).toEqual({ kind: 'hold_expired', refunded: false });
    expect((await stored()).status).toBe('PENDING');
  });
});

describe('amounts', () => {
  it.each([
    ['usd', 75, 2, 15_000],
    ['JPY', 75, 2, 150],
    ['KWD', 1.5, 1, 1_500],
    ['EUR', 0.1, 3, 30],
    ['', 75, 1, 7_500],
  ])('%s %d x %d', (currency, unitPrice, quantity, minor) => {
    expect(amountMinorOf({ currency, unitPrice, quantity } as Reservation)).toBe(minor);
  });
});
