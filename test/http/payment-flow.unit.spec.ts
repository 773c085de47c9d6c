import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Submission } from '../../src/http/ports.js';
import { PaymentFlow, taxMinorOf, type FlowIds, type LateOutcome } from '../../src/payments/flow.js';
import { PaymentRecords, reservationOfRecord } from '../../src/payments/records.js';
import { Reconciler, type DuePayments } from '../../src/payments/reconciler.js';
import { amountMinorOf } from '../../src/payments/settlement.js';
import type { Reservation } from '../../src/rules/index.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import { CARDS, FakeProvider, ManualClock, Market, POLICY, SETTLEMENT as USUAL, someMatch } from './fakes.js';

const ticket = { matchNumber: 1, category: 1 };
const ID = `m1c1-${'a'.repeat(26)}`;
const REF = { ticket, reservationId: ID };
const IDS: FlowIds = { id: 'request-1', keepMs: 1_000 };
const again = (id: string): FlowIds => ({ ...IDS, id });
const PAYMENT_ID = `pi_${ID}`;
const WAIT_MS = 5_000;
/** Payments are looked at more often than a command may take. */
const SETTLEMENT = { ...USUAL, checkMs: 2_000 };

let clock: ManualClock;
let market: Market;
let provider: FakeProvider;
let records: PaymentRecords;
let flow: PaymentFlow;
let late: [string, LateOutcome][];
let isTellingAway: boolean;
beforeEach(() => {
  clock = new ManualClock();
  market = new Market(clock);
  market.open(someMatch(1), 20);
  provider = new FakeProvider('sandbox', () => clock.now());
  records = new PaymentRecords(new MemoryDocuments(() => clock.now()));
  late = [];
  isTellingAway = false;
  let ids = 0;
  flow = new PaymentFlow({
    gateway: market,
    provider,
    reader: market,
    records,
    clock,
    logger: pino({ level: 'silent' }),
    policy: SETTLEMENT,
    providerWaitMs: WAIT_MS,
    unkeyedOutcomeMs: 10,
    newId: () => `fresh-${(ids += 1)}`,
    returnUrl: (id) => `http://127.0.0.1/reservations/${id}`,
    taxPercent: 20,
    onLate: ({ id }, outcome) => {
      if (isTellingAway) return Promise.reject(new Error('away'));
      late.push([id, outcome]);
      return Promise.resolve();
    },
  });
  hold();
});

const hold = (): unknown =>
  market.do(ticket, { type: 'hold', reservationId: ID, quantity: 2, email: 'a@b.co', person: 'a@b.co' });
const stored = async (): Promise<Reservation> => (await market.find(ID))!;
const endHold = (): unknown =>
  market.do(ticket, { type: 'failPayment', reservationId: ID, paymentId: PAYMENT_ID, reason: 'expired' });

const on =
  (type: Submission['body']['type'], answer: ReturnType<Market['intercept']>) =>
  ({ body }: Submission): ReturnType<Market['intercept']> =>
    body.type === type ? answer : undefined;

describe('paying', () => {
  it('keeps the language of the buyer with the payment', async () => {
    await flow.pay(REF, CARDS.good, IDS, { locale: 'ar' });
    expect(await records.get(PAYMENT_ID)).toMatchObject({ locale: 'ar' });
  });

  it('puts the payment on record, starts, charges, confirms', async () => {
    const result = await flow.pay(REF, CARDS.good, IDS);
    expect(result).toMatchObject({
      kind: 'reserved',
      reservation: { status: 'RESERVED', paymentId: PAYMENT_ID },
    });
    expect(provider.takenMinor).toBe(15_000);
    expect(market.submissions.map(({ body }) => body.type)).toEqual(['startPayment', 'confirm']);
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual(result);
    expect(await flow.pay(REF, CARDS.good, again('request-2'))).toMatchObject({ kind: 'reserved' });
    expect(provider.takenMinor).toBe(15_000);
    const record = await records.get(PAYMENT_ID);
    expect(record).toMatchObject({
      status: 'succeeded',
      amountMinor: 15_000,
      taxMinor: 2_500,
      refundedMinor: 0,
    });
    expect(record?.dueAt).toBeUndefined();
  });

  it('gives the tickets back after a decline, and another card takes them again', async () => {
    const first = await flow.pay(REF, CARDS.declined, IDS);
    const retryUntil = clock.now() + POLICY.holdMs;
    expect(first).toMatchObject({ kind: 'declined', reason: 'card_declined', held: false, retryUntil });
    expect(provider.payments.get(PAYMENT_ID)?.status).toBe('canceled');
    expect(await stored()).toMatchObject({ status: 'CANCELLED', reason: 'declined' });
    expect(await flow.pay(REF, CARDS.declined, IDS)).toEqual(first);
    expect(provider.attempts.size).toBe(1);
    const paid = await flow.pay(REF, CARDS.good, again('request-2'));
    expect(paid).toMatchObject({ kind: 'reserved', reservation: { paymentId: `${PAYMENT_ID}_2` } });
    expect(provider.takenMinor).toBe(15_000);
    // The first request asked again is no new attempt, whatever came after it.
    expect(await flow.pay(REF, CARDS.good, IDS)).toMatchObject({ kind: 'reserved' });
    expect(provider.payments.size).toBe(2);
  });

  it('a repeat of an earlier declined request charges nothing', async () => {
    const first = await flow.pay(REF, CARDS.declined, IDS);
    await flow.pay(REF, CARDS.declined, again('2'));
    expect(await flow.pay(REF, CARDS.good, IDS)).toMatchObject({ kind: first.kind, reason: 'card_declined' });
    expect(provider.takenMinor).toBe(0);
  });

  it('does not say that tickets are held which are being given back', async () => {
    market.intercept = on('failPayment', { kind: 'overloaded', retryAfterMs: 7 });
    const told = await flow.pay(REF, CARDS.declined, IDS);
    expect(await stored()).toMatchObject({ status: 'PAYING', reason: 'declined' });
    expect(told).toMatchObject({ kind: 'declined', held: false });
  });

  it('ends after the last attempt, and says so again', async () => {
    await flow.pay(REF, CARDS.declined, again('1'));
    await flow.pay(REF, CARDS.declined, again('2'));
    const last = await flow.pay(REF, CARDS.declined, again('3'));
    expect(last).toMatchObject({ kind: 'declined', held: false });
    expect(last).not.toHaveProperty('retryUntil');
    expect(await flow.pay(REF, CARDS.declined, again('3'))).toEqual(last);
    expect(await flow.pay(REF, CARDS.good, again('4'))).toEqual({ kind: 'hold_expired', refunded: false });
  });

  it('takes no tickets again after the hold would have ended', async () => {
    await flow.pay(REF, CARDS.declined, IDS);
    clock.advance(POLICY.holdMs);
    const late = await flow.pay(REF, CARDS.good, again('request-2'));
    expect(late).toEqual({ kind: 'hold_expired', refunded: false });
    expect(provider.takenMinor).toBe(0);
  });

  it('says why the tickets are not to be had again, and tries anew when asked later', async () => {
    await flow.pay(REF, CARDS.declined, IDS);
    const all = { type: 'remote', clientId: 'peer', recordedAt: 0, quantity: 19 } as const;
    market.do(ticket, { ...all, action: 'pending' });
    const refused = await flow.pay(REF, CARDS.good, again('2'));
    expect(refused).toMatchObject({ kind: 'unavailable', refusal: { kind: 'temporarily_unavailable' } });
    market.do(ticket, { ...all, action: 'cancelled' });
    expect(await flow.pay(REF, CARDS.good, again('3'))).toMatchObject({ kind: 'reserved' });
    expect(provider.takenMinor).toBe(15_000);
  });

  it('asks the buyer to authenticate, and sells once that is done', async () => {
    const asked = await flow.pay(REF, CARDS.secure, IDS);
    expect(asked).toMatchObject({
      kind: 'requires_action',
      clientSecret: `${PAYMENT_ID}_secret`,
      nextAction: { type: 'redirect_to_url' },
    });
    expect(await flow.pay(REF, CARDS.secure, IDS)).toEqual(asked);
    provider.authenticate(PAYMENT_ID);
    expect(await flow.pay(REF, CARDS.secure, IDS)).toMatchObject({ kind: 'reserved' });
  });

  it('takes a failed authentication for a decline once nobody waits for it', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    provider.authenticate(PAYMENT_ID, false);
    expect(await flow.pay(REF, CARDS.good, again('request-2'))).toEqual({ kind: 'unknown' });
    clock.advance(SETTLEMENT.attemptOpenMs + 1);
    await flow.look(PAYMENT_ID);
    expect(await stored()).toMatchObject({
      status: 'CANCELLED',
      attempts: [{ declined: 'authentication_failed' }],
    });
    expect(await flow.pay(REF, CARDS.good, again('request-2'))).toMatchObject({ kind: 'reserved' });
  });

  it('counts a card like a person, over all categories of a match', async () => {
    provider.fingerprints.set('pm_a', 'card-a');
    for (const [index, category] of [1, 2].entries()) {
      const reservationId = `m1c${category}-${String.fromCharCode(98 + index).repeat(26)}`;
      const place = { matchNumber: 1, category };
      const email = `${index}@b.co`;
      market.do(place, { type: 'hold', reservationId, quantity: 2, email, person: email });
      expect(await flow.pay({ ticket: place, reservationId }, 'pm_a', again(email))).toMatchObject({
        kind: 'reserved',
      });
    }
    expect(await flow.pay(REF, 'pm_a', IDS)).toEqual({
      kind: 'unavailable',
      refusal: { kind: 'purchase_limit', limit: 4, owned: 4 },
      held: true,
    });
    expect((await stored()).status).toBe('PENDING');
    expect(await flow.pay(REF, CARDS.good, again('another card'))).toMatchObject({ kind: 'reserved' });
  });

  it('charges nothing with a method that cannot be used', async () => {
    const result = await flow.pay(REF, 'pm_none', IDS);
    expect(result).toMatchObject({ kind: 'declined', reason: 'invalid_payment_method' });
    expect((await stored()).status).toBe('PENDING');
  });

  it('charges once, however many ask at the same time', async () => {
    const asked = Array.from({ length: 200 }, (_, index) => flow.pay(REF, CARDS.good, again(`r${index}`)));
    const kinds = new Set((await Promise.all(asked)).map(({ kind }) => kind));
    expect(kinds.has('reserved')).toBe(true);
    for (const kind of kinds) expect(['reserved', 'unknown']).toContain(kind);
    expect(provider.takenMinor).toBe(15_000);
    expect(provider.attempts.size).toBe(1);
  });

  it('does not guess when the provider does not answer in time', async () => {
    provider.beforeAnswer = () => new Promise(() => undefined);
    const asked = flow.pay(REF, CARDS.good, IDS);
    while (provider.attempts.size === 0) await new Promise(setImmediate);
    clock.advance(WAIT_MS);
    expect(await asked).toEqual({ kind: 'unknown' });
    expect((await stored()).status).toBe('PAYING');
    provider.beforeAnswer = () => undefined;
    expect(await flow.pay(REF, CARDS.good, IDS)).toMatchObject({ kind: 'reserved' });
    expect(provider.takenMinor).toBe(15_000);
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
    expect(provider.takenMinor).toBe(15_000);
  });

  it('charges nobody while payments cannot be put on record', async () => {
    records.open = () => Promise.reject(new Error('away'));
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'unknown' });
    expect((await stored()).status).toBe('PENDING');
    expect(provider.takenMinor).toBe(0);
  });

  it('does not start what has ended', async () => {
    clock.advance(POLICY.holdMs);
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: false });
    expect(provider.payments.get(PAYMENT_ID)?.status).toBe('canceled');
    const none = { ...REF, reservationId: `m1c1-${'z'.repeat(26)}` };
    expect(await flow.pay(none, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: false });
    expect(provider.payments.size).toBe(1);
  });
});

describe('what is kept with a payment', () => {
  it('is enough to take the tickets again for the same buyer when nothing else knows of the reservation', async () => {
    const facts = { account: 'a1', country: 'QA' };
    await flow.pay(REF, CARDS.declined, IDS);
    const payment = provider.payments.get(PAYMENT_ID)!;
    const opening = { now: clock.now(), dueAt: clock.now(), taxMinor: 0 };
    await records.open({ ...payment, id: 'pi_other' }, { ...(await stored()), ...facts }, opening);
    const record = (await records.get('pi_other'))!;
    expect(reservationOfRecord(record, 'pi_other')).toMatchObject({ id: ID, email: 'a@b.co', ...facts });
  });
});

describe('a payment that comes after the hold has ended', () => {
  it('takes the tickets again at the price that was paid', async () => {
    provider.beforeAnswer = () => void endHold();
    market.do(ticket, { type: 'load', capacity: 20, price: 500, currency: 'usd' });
    expect(await flow.pay(REF, CARDS.good, IDS)).toMatchObject({
      kind: 'reserved',
      reservation: { unitPrice: 75, quantity: 2 },
    });
    expect(provider.takenMinor).toBe(15_000);
    expect(late).toEqual([[ID, 'reserved']]);
    expect(market.countersOf(ticket)).toMatchObject({ soldHere: 2, heldHere: 0 });
  });

  const sellAll = (): void => {
    endHold();
    for (let index = 0; index < 10; index += 1) {
      const reservationId = `m1c1-${String.fromCharCode(98 + index).repeat(26)}`;
      const email = `${index}@b.co`;
      market.do(ticket, { type: 'hold', reservationId, quantity: 2, email, person: email });
    }
  };

  it('is given back, once, when the tickets are gone', async () => {
    provider.beforeAnswer = sellAll;
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    expect(provider.payments.get(PAYMENT_ID)?.refundedMinor).toBe(15_000);
    expect(late[0]).toEqual([ID, 'refunded']);
  });

  it('stays due while the buyer cannot be told', async () => {
    isTellingAway = true;
    provider.beforeAnswer = sellAll;
    await flow.pay(REF, CARDS.good, IDS);
    expect(await records.get(PAYMENT_ID)).not.toHaveProperty('lateOutcome');
    expect(await flow.look(PAYMENT_ID)).toBe(false);
    isTellingAway = false;
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(late).toEqual([[ID, 'refunded']]);
    expect(await records.get(PAYMENT_ID)).toMatchObject({ lateOutcome: 'refunded' });
    expect(await records.get(PAYMENT_ID)).not.toHaveProperty('dueAt');
  });

  it('is given back while sales are paused, although there are tickets', async () => {
    provider.beforeAnswer = () => {
      endHold();
      market.do(ticket, { type: 'pause', paused: true, revision: 1 });
    };
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    expect(provider.takenMinor).toBe(0);
    expect(late).toEqual([[ID, 'refunded']]);
    expect(market.countersOf(ticket)).toMatchObject({ soldHere: 0, heldHere: 0 });
    // Decided, and not taken back when sales go on.
    market.do(ticket, { type: 'pause', paused: false, revision: 2 });
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
    expect(market.countersOf(ticket)).toMatchObject({ soldHere: 0 });
  });

  it('is not known while the refund is not, and is finished by a later look', async () => {
    provider.beforeAnswer = sellAll;
    provider.refundsFail = true;
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'unknown' });
    // Even if there is room again: it was decided.
    for (const id of [...market.states.get('1:1')!.reservations.keys()]) {
      market.do(ticket, { type: 'release', reservationId: id });
    }
    provider.refundsFail = false;
    await flow.look(PAYMENT_ID);
    expect(provider.takenMinor).toBe(0);
    expect((await stored()).status).toBe('EXPIRED');
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: true });
  });

  it('a refund that the provider refuses stays on record for a person', async () => {
    provider.beforeAnswer = sellAll;
    provider.refundRefused = true;
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'unknown' });
    const record = await records.get(PAYMENT_ID);
    expect(record).toMatchObject({ late: 'refund', stuck: 'no balance' });
    expect(record?.dueAt).toBeGreaterThan(clock.now());
    // Asked in the same way it would be answered in the same way: each further request is another one.
    provider.refundAttempts.length = 0;
    await flow.look(PAYMENT_ID);
    provider.refundRefused = false;
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(provider.refundAttempts).toEqual([1, 2]);
    expect(provider.takenMinor).toBe(0);
    expect((await records.get(PAYMENT_ID))?.stuck).toBeUndefined();
  });

  it('is dealt with even when nothing but its record knows the reservation', async () => {
    await flow.pay(REF, CARDS.lost, IDS);
    market.states.clear();
    market.ended.clear();
    market.open(someMatch(1), 20);
    await flow.look(PAYMENT_ID);
    expect(await stored()).toMatchObject({ status: 'RESERVED', email: 'a@b.co', unitPrice: 75 });
  });
});

describe('cancelling', () => {
  it('releases, tells what is not live, and what is sold', async () => {
    expect(await flow.cancel(REF, IDS)).toMatchObject({ kind: 'released' });
    expect(await flow.cancel(REF, again('again'))).toEqual({ kind: 'not_live' });
    hold();
    await flow.pay(REF, CARDS.good, IDS);
    expect(await flow.cancel(REF, again('third'))).toMatchObject({ kind: 'wrong_state' });
  });

  it('makes a payment under way impossible before it gives the hold back', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    expect(await flow.cancel(REF, again('c'))).toMatchObject({ kind: 'released' });
    expect(provider.payments.get(PAYMENT_ID)?.status).toBe('canceled');
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'hold_expired', refunded: false });
    expect(provider.takenMinor).toBe(0);
  });

  it('confirms a payment that turns out to have succeeded', async () => {
    await flow.pay(REF, CARDS.lost, IDS);
    expect(await flow.cancel(REF, again('c'))).toMatchObject({
      kind: 'wrong_state',
      reservation: { status: 'RESERVED' },
    });
  });

  it('is final, although the decline of its payment was being noted', async () => {
    // Noted and canceled, and not given back yet.
    market.intercept = on('failPayment', { kind: 'overloaded', retryAfterMs: 7 });
    await flow.pay(REF, CARDS.declined, IDS);
    market.intercept = () => undefined;
    expect(await stored()).toMatchObject({ status: 'PAYING', reason: 'declined' });
    const cancelled = { status: 'CANCELLED', reason: 'cancelled' };
    expect(await flow.cancel(REF, again('c'))).toMatchObject({ kind: 'released', reservation: cancelled });
    expect(await flow.cancel(REF, again('c'))).toMatchObject({ kind: 'released', reservation: cancelled });
    expect(await flow.pay(REF, CARDS.good, again('2'))).toEqual({ kind: 'hold_expired', refunded: false });
    const told = await flow.pay(REF, CARDS.declined, IDS);
    expect(told).toMatchObject({ kind: 'declined', held: false });
    expect(told).not.toHaveProperty('retryUntil');
    expect(await stored()).toMatchObject(cancelled);
    expect(provider.takenMinor).toBe(0);
  });

  it('is a cancellation also when the time of the payment is over and nobody has ended it', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    clock.advance(POLICY.payingMs);
    expect(await flow.cancel(REF, again('c'))).toMatchObject({
      kind: 'released',
      reservation: { status: 'CANCELLED', reason: 'cancelled' },
    });
  });

  /** Lets something happen while the provider is asked to cancel. */
  const whileCanceling = (happens: () => void): void => {
    const { cancel } = provider;
    provider.cancel = async (id) => {
      provider.cancel = cancel;
      happens();
      return cancel.call(provider, id);
    };
  };
  const payment = { reservationId: ID, paymentId: PAYMENT_ID };

  it('is none when a decline had ended the hold before: another card takes the tickets again', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    whileCanceling(() => {
      market.do(ticket, { type: 'declinePayment', ...payment, reason: 'card_declined' });
      market.do(ticket, { type: 'failPayment', ...payment, reason: 'declined' });
    });
    expect(await flow.cancel(REF, again('c'))).toMatchObject({
      kind: 'not_live',
      reservation: { status: 'CANCELLED', reason: 'declined' },
    });
    expect(await flow.pay(REF, CARDS.good, again('2'))).toMatchObject({ kind: 'reserved' });
  });

  it('is none when the time of the payment was over before', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    whileCanceling(endHold);
    const told = await flow.cancel(REF, again('c'));
    expect(told).toMatchObject({ kind: 'not_live', reservation: { status: 'EXPIRED' } });
  });

  it('is not undone by an attempt that had read the reservation before', async () => {
    await flow.pay(REF, CARDS.declined, IDS);
    const { create } = provider;
    provider.create = async (payment) => {
      provider.create = create;
      // Meanwhile, in another process: another attempt, and its end.
      const second = await create.call(provider, payment);
      const of = { paymentId: second.id, attemptId: 'b' };
      market.do(ticket, { type: 'rehold', reservation: await stored(), ...of });
      expect(await flow.cancel(REF, again('c'))).toMatchObject({ kind: 'released' });
      return create.call(provider, payment);
    };
    const late = again('3');
    expect(await flow.pay(REF, CARDS.good, late)).toEqual({ kind: 'unknown' });
    expect(await flow.pay(REF, CARDS.good, late)).toEqual({ kind: 'hold_expired', refunded: false });
    expect(await stored()).toMatchObject({ status: 'CANCELLED', reason: 'cancelled' });
    expect(provider.takenMinor).toBe(0);
  });

  it('does not know while the provider does not', async () => {
    await flow.pay(REF, CARDS.away, IDS);
    provider.isAway = true;
    expect(await flow.cancel(REF, again('c'))).toEqual({ kind: 'unknown' });
    expect((await stored()).status).toBe('PAYING');
  });
});

describe('refunding', () => {
  beforeEach(async () => {
    await flow.pay(REF, CARDS.good, IDS);
  });

  it('gives part back, then the rest, and no more', async () => {
    const part = await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: 1 }, again('refund-1'));
    expect(part).toMatchObject({ kind: 'refunded', refundedMinor: 7_500, pending: false });
    expect(await stored()).toMatchObject({ status: 'RESERVED', quantity: 1, refundedQuantity: 1 });
    expect(
      await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: 1 }, again('refund-1')),
    ).toMatchObject({ refundedMinor: 7_500 });
    expect(await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: 2 }, again('refund-2'))).toEqual({
      kind: 'refund_exceeds',
      quantity: 1,
    });
    expect(
      await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: undefined }, again('refund-3')),
    ).toMatchObject({ refundedMinor: 15_000 });
    expect((await stored()).status).toBe('REFUNDED');
    expect(await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: 1 }, again('refund-4'))).toEqual({
      kind: 'wrong_state',
      status: 'REFUNDED',
    });
    expect(provider.takenMinor).toBe(0);
    expect(market.countersOf(ticket)).toMatchObject({ soldHere: 0, pending: 20 });
  });

  it('gives back only what was charged, by the payment that was charged', async () => {
    const wanted = { ref: REF, paymentId: `${PAYMENT_ID}_2`, quantity: undefined };
    expect(await flow.refund(wanted, again('f'))).toMatchObject({ kind: 'wrong_state' });
    expect(provider.takenMinor).toBe(15_000);
  });

  it('a look that began before the tickets were given back does not forget that money is owed', async () => {
    const { find } = market;
    // Read before, kept after: the refund comes in between, and its process is gone.
    market.find = async (id) => {
      const before = await find.call(market, id);
      market.find = find;
      await records.remind(PAYMENT_ID, clock.now() + SETTLEMENT.checkMs);
      market.do(ticket, { type: 'refund', reservationId: ID, quantity: 2 });
      return before;
    };
    await flow.look(PAYMENT_ID);
    const due = (await records.get(PAYMENT_ID))?.dueAt;
    expect(due).toBeGreaterThan(clock.now());
    clock.advance(SETTLEMENT.checkMs);
    await flow.look(PAYMENT_ID);
    expect(provider.takenMinor).toBe(0);
    expect((await records.get(PAYMENT_ID))?.dueAt).toBeUndefined();
  });

  it('owes the money of tickets that were given back after their process had gone', async () => {
    // The worker is gone too: the command waits in its queue until another takes over.
    market.intercept = on('refund', 'rejects');
    await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: undefined }, again('f'));
    const until = clock.now() + SETTLEMENT.commandMs;
    const lookDue = async (): Promise<void> => {
      const dueAt = (await records.get(PAYMENT_ID))?.dueAt;
      if (dueAt !== undefined && dueAt <= clock.now()) await flow.look(PAYMENT_ID);
    };
    while (clock.now() < until) {
      clock.advance(1_000);
      await lookDue();
      expect(provider.takenMinor).toBe(15_000);
    }
    market.do(ticket, { type: 'refund', reservationId: ID, quantity: 2 });
    clock.advance(60_000);
    await lookDue();
    expect(provider.takenMinor).toBe(0);
    expect((await records.get(PAYMENT_ID))?.dueAt).toBeUndefined();
  });

  it('stays due until a command of its actor is answered after one to give tickets back', async () => {
    market.intercept = on('refund', 'rejects');
    await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: undefined }, again('f'));
    clock.advance(60_000);
    market.intercept = on('confirm', 'rejects');
    expect(await flow.look(PAYMENT_ID)).toBe(false);
    expect((await records.get(PAYMENT_ID))?.dueAt).toBeDefined();
    // Its owner was that late.
    market.intercept = ({ body }) => {
      if (body.type === 'confirm') market.do(ticket, { type: 'refund', reservationId: ID, quantity: 2 });
      return undefined;
    };
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(provider.takenMinor).toBe(0);
    const { length } = market.submissions;
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(market.submissions).toHaveLength(length);
  });

  it('asks the actor before money goes back: what was read may have lost a sale', async () => {
    const { find } = market;
    const { paymentId: _paymentId, attempts: _attempts, ...lost } = await stored();
    for (const behind of [
      { ...lost, status: 'PENDING' },
      { ...lost, status: 'EXPIRED' },
      { ...lost, status: 'PAYING', paymentId: 'pi_other' },
    ] as const) {
      market.find = async () => behind;
      await flow.look(PAYMENT_ID);
      expect(provider.takenMinor).toBe(15_000);
    }
    market.find = find;
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect((await stored()).status).toBe('RESERVED');
  });

  it('owes the money from the moment the tickets are given back', async () => {
    provider.refundsFail = true;
    expect(
      await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: undefined }, again('f')),
    ).toMatchObject({ kind: 'refunded', pending: true });
    expect((await records.get(PAYMENT_ID))?.dueAt).toBeDefined();
    provider.refundsFail = false;
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(provider.takenMinor).toBe(0);
  });

  it('voids tickets whose money went back at the provider', async () => {
    provider.alter(PAYMENT_ID, { refundedMinor: 15_000 });
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect((await stored()).status).toBe('REFUNDED');
  });

  it('voids disputed tickets, gives nothing back while the bank decides, and all once it is won', async () => {
    provider.alter(PAYMENT_ID, { dispute: 'open' });
    expect(await flow.look(PAYMENT_ID)).toBe(false);
    expect((await stored()).status).toBe('REFUNDED');
    expect(provider.payments.get(PAYMENT_ID)?.refundedMinor).toBe(0);
    provider.alter(PAYMENT_ID, { dispute: 'won' });
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(provider.payments.get(PAYMENT_ID)?.refundedMinor).toBe(15_000);
  });

  it('a lost dispute gives nothing back twice', async () => {
    provider.alter(PAYMENT_ID, { dispute: 'lost' });
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect((await stored()).status).toBe('REFUNDED');
    expect(provider.payments.get(PAYMENT_ID)?.refundedMinor).toBe(0);
  });
});

describe('looking', () => {
  it('waits until the time of the payment is over, cancels it, and only then ends the hold', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    expect(await flow.look(PAYMENT_ID)).toBe(false);
    expect((await stored()).status).toBe('PAYING');
    clock.advance(POLICY.payingMs);
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(provider.payments.get(PAYMENT_ID)?.status).toBe('canceled');
    expect(await stored()).toMatchObject({ status: 'EXPIRED', reason: 'expired' });
  });

  it('confirms what succeeded, at once, and again changes nothing', async () => {
    await flow.pay(REF, CARDS.lost, IDS);
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    const { length } = market.submissions;
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(market.submissions).toHaveLength(length);
    expect(provider.takenMinor).toBe(15_000);
  });

  it('looks again later, and later still, while the provider does not answer', async () => {
    await flow.pay(REF, CARDS.lost, IDS);
    provider.isAway = true;
    const dues: number[] = [];
    for (let look = 0; look < 3; look += 1) {
      expect(await flow.look(PAYMENT_ID)).toBe(false);
      dues.push(((await records.get(PAYMENT_ID))?.dueAt ?? 0) - clock.now());
    }
    expect(dues).toEqual([4_000, 8_000, 16_000]);
  });
});

describe('what happens while a payment is looked at', () => {
  it('is not pushed back by a look that only has to wait', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    const { find } = provider;
    provider.find = async (id) => {
      const before = await find.call(provider, id);
      provider.find = find;
      // The webhook: the bank has approved, after this was read.
      provider.authenticate(PAYMENT_ID);
      clock.advance(1);
      await records.remind(PAYMENT_ID, clock.now());
      return before;
    };
    await flow.look(PAYMENT_ID);
    expect((await records.get(PAYMENT_ID))?.dueAt).toBe(clock.now());
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect((await stored()).status).toBe('RESERVED');
  });

  it('is not lost when it comes before the first step', async () => {
    await flow.pay(REF, CARDS.good, IDS);
    const { find } = provider;
    provider.find = async (id) => {
      provider.find = find;
      const before = await find.call(provider, id);
      clock.advance(1);
      await records.remind(PAYMENT_ID, clock.now());
      return before;
    };
    const sold = await stored();
    expect(await flow.pay(REF, CARDS.good, IDS)).toEqual({ kind: 'reserved', reservation: sold });
    await flow.look(PAYMENT_ID);
    expect((await records.get(PAYMENT_ID))?.dueAt).toBe(clock.now());
  });

  it('does not ask again and again for a cancel that the provider does not take', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    provider.payments.set(PAYMENT_ID, { ...provider.payments.get(PAYMENT_ID)!, status: 'processing' });
    clock.advance(POLICY.payingMs + 60_000);
    await flow.look(PAYMENT_ID);
    expect(provider.cancels).toBe(1);
    expect((await records.get(PAYMENT_ID))?.dueAt).toBe(clock.now() + SETTLEMENT.checkMs);
    expect((await stored()).status).toBe('PAYING');
  });

  it('gives the money back when another card was charged than the one whose limit was asked about', async () => {
    provider.fingerprints.set(CARDS.secure, 'card-a');
    await flow.pay(REF, CARDS.secure, IDS);
    const counted = (await stored()).card;
    expect(counted).toBeDefined();
    provider.authenticate(PAYMENT_ID);
    provider.payments.set(PAYMENT_ID, { ...provider.payments.get(PAYMENT_ID)!, cardFingerprint: 'another' });
    expect(await flow.look(PAYMENT_ID)).toBe(true);
    expect(provider.takenMinor).toBe(0);
    expect(market.countersOf(ticket)).toMatchObject({ soldHere: 0, heldHere: 0 });
  });
});

describe('the comparison with the provider', () => {
  const reconciler = (): Reconciler =>
    new Reconciler({ flow, provider, records, clock, logger: pino({ level: 'silent' }), everyMs: 1_000 });

  it('finds what was given back without a word', async () => {
    await flow.pay(REF, CARDS.good, IDS);
    provider.payments.set(PAYMENT_ID, { ...provider.payments.get(PAYMENT_ID)!, refundedMinor: 15_000 });
    const comparing = reconciler();
    await comparing.look();
    // Beside the look; nothing in it takes longer than a turn of the event loop.
    for (let turn = 0; turn < 200 && market.countersOf(ticket).soldHere > 0; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(market.countersOf(ticket)).toMatchObject({ soldHere: 0 });
    await comparing.stop();
  });

  it('does not hold up what is due, and is tried again when it failed', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    provider.authenticate(PAYMENT_ID);
    await records.remind(PAYMENT_ID, clock.now());
    let asked = 0;
    let fail: (error: Error) => void = () => undefined;
    provider.list = async function* () {
      asked += 1;
      await new Promise<void>((_resolve, reject) => (fail = reject));
      yield* [];
    };
    const comparing = reconciler();
    await comparing.look();
    expect((await stored()).status).toBe('RESERVED');
    await comparing.look();
    expect(asked).toBe(1);
    fail(new Error('away'));
    await comparing.stop();
    await comparing.look();
    expect(asked).toBe(1);
    clock.advance(5 * 60_000);
    await comparing.look();
    fail(new Error('away'));
    expect(asked).toBe(2);
    await comparing.stop();
  });
});

describe('what the reconciler tells', () => {
  const told = async (): Promise<DuePayments | undefined> => {
    let due: DuePayments | undefined;
    const logger = pino({ level: 'silent' });
    const onDue = (now: DuePayments): void => void (due = now);
    const one = new Reconciler({ flow, provider, records, clock, logger, everyMs: 1_000, onDue });
    await one.look();
    await one.stop();
    return due;
  };

  it('is how long the payment was due that nobody has looked at', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    const { dueAt } = (await records.get(PAYMENT_ID))!;
    clock.advance(dueAt! - clock.now());
    expect(await told()).toEqual({ count: 1, oldestMs: 0, stuck: 0 });
    const again = (await records.get(PAYMENT_ID))!.dueAt!;
    clock.advance(again - clock.now() + 70_000);
    expect(await told()).toEqual({ count: 1, oldestMs: 70_000, stuck: 0 });
    expect(await told()).toEqual({ count: 0, oldestMs: 0, stuck: 0 });
  });

  it('is how long one was looked at in vain, also between two looks at it', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    provider.authenticate(PAYMENT_ID);
    await records.remind(PAYMENT_ID, clock.now());
    market.intercept = on('confirm', { kind: 'unknown' });
    const since = clock.now();
    for (let looks = 0; looks < 6; looks += 1) {
      await told();
      const { dueAt } = (await records.get(PAYMENT_ID))!;
      clock.advance(dueAt! - clock.now() - 1);
      expect(await told()).toEqual({ count: 0, oldestMs: clock.now() - since, stuck: 0 });
      clock.advance(1);
    }
    expect(clock.now() - since).toBeGreaterThan(60_000);
    market.intercept = () => undefined;
    await told();
    expect(await told()).toEqual({ count: 0, oldestMs: 0, stuck: 0 });
    expect(await records.get(PAYMENT_ID)).not.toHaveProperty('failingSince');
  });

  it('is how many refunds are refused, which are waited for no more', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    provider.authenticate(PAYMENT_ID);
    await records.remind(PAYMENT_ID, clock.now());
    provider.isAway = true;
    await flow.look(PAYMENT_ID);
    provider.isAway = false;
    await flow.look(PAYMENT_ID);
    provider.refundRefused = true;
    await flow.refund({ ref: REF, paymentId: PAYMENT_ID, quantity: 1 }, again('refund'));
    clock.advance(60 * 60_000);
    expect(await told()).toEqual({ count: 0, oldestMs: 0, stuck: 1 });
    provider.refundRefused = false;
    await flow.look(PAYMENT_ID);
    expect(await told()).toEqual({ count: 0, oldestMs: 0, stuck: 0 });
  });
});

describe('a payment that is not ours', () => {
  it('is not touched: another installation may share the account', async () => {
    const other = { reservationId: `m1c1-${'z'.repeat(26)}`, amountMinor: 100, currency: 'USD' };
    const { id } = await provider.create({ ...other, email: 'x@y.z', description: '', metadata: {} });
    provider.alter(id, { status: 'succeeded' });
    const logger = pino({ level: 'silent' });
    await new Reconciler({ flow, provider, records, clock, logger, everyMs: 5_000 }).look();
    await flow.look(id);
    expect(provider.payments.get(id)).toMatchObject({ status: 'succeeded', refundedMinor: 0 });
  });
});

describe('a payment that the provider has forgotten', () => {
  it('gives its tickets back some time after it would have ended', async () => {
    await flow.pay(REF, CARDS.secure, IDS);
    provider.payments.clear();
    clock.advance(POLICY.payingMs);
    await flow.look(PAYMENT_ID);
    expect((await stored()).status).toBe('PAYING');
    clock.advance(11 * 60_000);
    await flow.look(PAYMENT_ID);
    expect((await stored()).status).toBe('EXPIRED');
  });
});

describe('amounts', () => {
  it.each([
    ['usd', 75, 2, 15_000],
    ['JPY', 75, 2, 150],
    ['KWD', 1.5, 1, 1_500],
    ['EUR', 0.1, 3, 30],
    ['ISK', 5, 1, 500],
    ['HUF', 20_000, 1, 2_000_000],
    ['KRW', 20_000, 1, 20_000],
    ['', 75, 1, 7_500],
  ])('%s %d x %d', (currency, unitPrice, quantity, minor) => {
    expect(amountMinorOf({ currency, unitPrice, quantity } as Reservation)).toBe(minor);
  });

  it('a price contains its tax', () => {
    expect(taxMinorOf(12_000, 20)).toBe(2_000);
    expect(taxMinorOf(7_500, 19)).toBe(1_197);
    expect(taxMinorOf(7_500, 0)).toBe(0);
  });
});
