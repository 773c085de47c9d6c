/** The next step of a payment as a table, and two processes that take steps at the same time. */
import { describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { PaymentFlow } from '../../src/payments/flow.js';
import type { Payment } from '../../src/payments/port.js';
import { PaymentRecords } from '../../src/payments/records.js';
import {
  nextStep,
  type LateDecision,
  type SettlementPolicy,
  type Step,
} from '../../src/payments/settlement.js';
import type { Reservation } from '../../src/rules/index.js';
import { CARDS, FakeProvider, ManualClock, Market, SETTLEMENT, someMatch } from '../http/fakes.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';

const NOW = 1_000_000;
const POLICY: SettlementPolicy = SETTLEMENT;

const payment = (fields: Partial<Payment> = {}): Payment => ({
  id: 'pi_1',
  reservationId: 'r',
  status: 'succeeded',
  amountMinor: 15_000,
  currency: 'USD',
  clientSecret: 's',
  refundedMinor: 0,
  createdAt: NOW,
  ...fields,
});
const reservation = (fields: Partial<Reservation> = {}): Reservation => ({
  id: 'r',
  matchNumber: 1,
  category: 1,
  status: 'PAYING',
  quantity: 2,
  refundedQuantity: 0,
  unitPrice: 75,
  currency: 'USD',
  email: 'a@b.co',
  person: 'a@b.co',
  createdAt: NOW,
  updatedAt: NOW,
  expiresAt: NOW + 500_000,
  paymentId: 'pi_1',
  payingUntil: NOW + 900_000,
  attempts: [{ id: 'a' }],
  ...fields,
});
const declined = { attempts: [{ id: 'a', declined: 'no' }] };
const REST: Step = { kind: 'rest' };
const REFUND_ALL: Step = { kind: 'refund', totalMinor: 15_000 };

describe('the next step', () => {
  const cases: [string, Partial<Payment>, Reservation | null, Step, LateDecision?][] = [
    [
      'looks again while a refund may still fail',
      { refundedMinor: 15_000, isRefundOpen: true },
      reservation({ status: 'REFUNDED', refundedQuantity: 2 }),
      { kind: 'wait', until: NOW + 6 * 60 * 60_000 },
    ],
    [
      'sells when the card that was asked about is charged',
      { cardFingerprint: 'x' },
      reservation({ card: 'x' }),
      { kind: 'confirm' },
    ],
    ['refuses another card', { cardFingerprint: 'y' }, reservation({ card: 'x' }), { kind: 'refuse' }],
    [
      'ends what is paid with another card once that is decided',
      { cardFingerprint: 'y' },
      reservation({ card: 'x' }),
      { kind: 'fail', reason: 'expired' },
      'refund',
    ],
    ['paid while PAYING', {}, reservation(), { kind: 'confirm' }],
    [
      'paid, and the money went back',
      { refundedMinor: 15_000 },
      reservation(),
      { kind: 'fail', reason: 'expired' },
    ],
    [
      'paid, and it was decided to give it back',
      {},
      reservation(),
      { kind: 'fail', reason: 'expired' },
      'refund',
    ],
    ['sold', {}, reservation({ status: 'RESERVED' }), REST],
    [
      'half of it refunded here',
      {},
      reservation({ status: 'RESERVED', quantity: 1, refundedQuantity: 1 }),
      { kind: 'refund', totalMinor: 7_500 },
    ],
    [
      'half refunded on both sides',
      { refundedMinor: 7_500 },
      reservation({ status: 'RESERVED', quantity: 1, refundedQuantity: 1 }),
      REST,
    ],
    [
      'all refunded at the provider',
      { refundedMinor: 15_000 },
      reservation({ status: 'RESERVED' }),
      { kind: 'void', quantity: 2 },
    ],
    ['refunded here', {}, reservation({ status: 'REFUNDED', refundedQuantity: 2 }), REFUND_ALL],
    [
      'refunded on both sides',
      { refundedMinor: 15_000 },
      reservation({ status: 'REFUNDED', refundedQuantity: 2 }),
      REST,
    ],
    ['too late', {}, reservation({ status: 'EXPIRED' }), { kind: 'rehold' }],
    ['too late, decided before', {}, reservation({ status: 'EXPIRED' }), REFUND_ALL, 'refund'],
    ['too late, tried before', {}, reservation({ status: 'EXPIRED' }), { kind: 'rehold' }, 'rehold'],
    ['too late, half of it back', { refundedMinor: 7_500 }, reservation({ status: 'EXPIRED' }), REFUND_ALL],
    ['too late, nothing known of it', {}, null, { kind: 'rehold' }],
    ['paid another way', {}, reservation({ status: 'RESERVED', paymentId: 'pi_2' }), REFUND_ALL],
    ['being paid another way', {}, reservation({ paymentId: 'pi_2' }), REFUND_ALL],
    ['disputed', { dispute: 'open' }, reservation({ status: 'RESERVED' }), { kind: 'void', quantity: 2 }],
    ['disputed while PAYING', { dispute: 'open' }, reservation(), { kind: 'confirm' }],
    [
      'disputed, void',
      { dispute: 'open' },
      reservation({ status: 'REFUNDED' }),
      { kind: 'wait', until: NOW + 21_600_000 },
    ],
    ['dispute lost', { dispute: 'lost' }, reservation({ status: 'REFUNDED' }), REST],
    ['dispute won, void', { dispute: 'won' }, reservation({ status: 'REFUNDED' }), REFUND_ALL],
    ['canceled while PAYING', { status: 'canceled' }, reservation(), { kind: 'fail', reason: 'cancelled' }],
    [
      'canceled out of time',
      { status: 'canceled' },
      reservation({ payingUntil: NOW }),
      { kind: 'fail', reason: 'expired' },
    ],
    [
      'canceled after a decline',
      { status: 'canceled' },
      reservation(declined),
      { kind: 'fail', reason: 'declined' },
    ],
    ['canceled, ended', { status: 'canceled' }, reservation({ status: 'CANCELLED' }), REST],
    ['canceled, sold another way', { status: 'canceled' }, reservation({ paymentId: 'pi_2' }), REST],
    [
      'on its way at the bank',
      { status: 'processing' },
      reservation(),
      { kind: 'wait', until: NOW + 30_000 },
    ],
    [
      'just started',
      { status: 'requires_confirmation' },
      reservation(),
      { kind: 'wait', until: NOW + 30_000 },
    ],
    ['declined', { status: 'requires_payment_method' }, reservation(declined), { kind: 'cancel' }],
    ['out of time', { status: 'requires_action' }, reservation({ payingUntil: NOW }), { kind: 'cancel' }],
    [
      'the buyer authenticates',
      { status: 'requires_action' },
      reservation({ updatedAt: 0 }),
      { kind: 'wait', until: NOW + 30_000 },
    ],
    [
      'an attempt nobody finished',
      { status: 'requires_payment_method', declineReason: 'no' },
      reservation({ updatedAt: 0 }),
      { kind: 'decline', reason: 'no' },
    ],
    [
      'made, not started',
      { status: 'requires_payment_method' },
      reservation({ status: 'PENDING' }),
      { kind: 'wait', until: NOW + 500_000 },
    ],
    ['open, ended', { status: 'requires_action' }, reservation({ status: 'CANCELLED' }), { kind: 'cancel' }],
    ['open, nothing known', { status: 'requires_payment_method' }, null, { kind: 'cancel' }],
    [
      'open, sold another way',
      { status: 'requires_action' },
      reservation({ status: 'RESERVED', paymentId: 'pi_2' }),
      { kind: 'cancel' },
    ],
  ];
  it.each(cases)('%s', (...[, fields, standing, step, late]) => {
    expect(nextStep({ payment: payment(fields), reservation: standing, late, now: NOW }, POLICY)).toEqual(
      step,
    );
  });

  const givenUp: [string, Partial<Payment>, Partial<Reservation>, Step][] = [
    ['canceled', { status: 'canceled' }, {}, { kind: 'fail', reason: 'cancelled' }],
    ['canceled after a decline', { status: 'canceled' }, declined, { kind: 'fail', reason: 'cancelled' }],
    [
      'canceled out of time',
      { status: 'canceled' },
      { payingUntil: NOW },
      { kind: 'fail', reason: 'cancelled' },
    ],
    ['canceled, ended by a decline', { status: 'canceled' }, { ...declined, status: 'CANCELLED' }, REST],
    ['canceled, paid another way', { status: 'canceled' }, { paymentId: 'pi_2' }, REST],
    ['paid', {}, {}, { kind: 'confirm' }],
  ];
  it.each(givenUp)('of what its buyer gives back: %s', (...[, fields, standing, step]) => {
    const both = { payment: payment(fields), reservation: reservation(standing), late: undefined };
    expect(nextStep({ ...both, now: NOW, isGivenUp: true }, POLICY)).toEqual(step);
  });

  it('keeps disputed tickets where that is the policy', () => {
    const standing = {
      payment: payment({ dispute: 'lost' }),
      reservation: reservation({ status: 'RESERVED' }),
      late: undefined,
      now: NOW,
    };
    expect(nextStep(standing, { ...POLICY, disputes: 'keep' })).toEqual(REST);
  });
});

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SEEDS = 150;
const TEST_MS_MAX = 120_000;
const ID = `m1c1-${'a'.repeat(26)}`;
const RIVAL = `m1c1-${'b'.repeat(26)}`;
const PAYMENT_ID = `pi_${ID}`;
const TICKET = { matchNumber: 1, category: 1 };

/** Every call waits a random number of turns before and after it takes effect. */
function slowed<T extends object>(target: T, random: () => number): T {
  const pause = async (): Promise<void> => {
    for (let turns = Math.floor(random() * 6); turns > 0; turns -= 1) await new Promise(setImmediate);
  };
  return new Proxy(target, {
    get: (object, name) => {
      const member: unknown = Reflect.get(object, name);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        await pause();
        const answer: unknown = await Reflect.apply(member, object, args);
        await pause();
        return answer;
      };
    },
  });
}

/** Processes on the same servers; one that is slow is overtaken by others between any two of its steps. */
function worldOf(random: () => number) {
  const clock = new ManualClock();
  const market = new Market(clock);
  market.open(someMatch(1), 2);
  const provider = new FakeProvider('sandbox', () => clock.now());
  const documents = new MemoryDocuments(() => clock.now());
  let ids = 0;
  const looker = (isSlow: boolean): PaymentFlow => {
    const gateway = isSlow ? slowed(market, random) : market;
    return new PaymentFlow({
      gateway,
      reader: gateway,
      provider: isSlow ? slowed(provider, random) : provider,
      records: new PaymentRecords(isSlow ? slowed(documents, random) : documents),
      clock,
      logger: pino({ level: 'silent' }),
      policy: POLICY,
      providerWaitMs: 20_000,
      unkeyedOutcomeMs: 10,
      newId: () => `fresh-${(ids += 1)}`,
      returnUrl: () => 'http://127.0.0.1',
      taxPercent: 0,
    });
  };
  return { market, provider, looker };
}

describe('a payment that came too late, looked at by several processes at once', () => {
  it(
    'ends as a sale or as a refund, never as both and never as neither',
    async () => {
      const ends = new Set<string>();
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const random = randomOf(seed);
        const { market, provider, looker } = worldOf(random);
        const hold = (id: string): unknown =>
          market.do(TICKET, { type: 'hold', reservationId: id, quantity: 2, email: id, person: id });
        hold(ID);
        const ref = { ticket: TICKET, reservationId: ID };
        await looker(false).pay(ref, CARDS.lost, { id: 'x', keepMs: 1 });
        market.do(TICKET, {
          type: 'failPayment',
          reservationId: ID,
          paymentId: PAYMENT_ID,
          reason: 'expired',
        });
        hold(RIVAL);
        const lookers = Array.from({ length: 3 }, () => looker(true).look(PAYMENT_ID));
        // The tickets come and go meanwhile.
        for (let change = 0; change < 6; change += 1) {
          for (let turns = Math.floor(random() * 12); turns > 0; turns -= 1) await new Promise(setImmediate);
          if (random() < 0.5) market.do(TICKET, { type: 'release', reservationId: RIVAL });
          else hold(RIVAL);
        }
        await Promise.all(lookers);
        for (let round = 0; round < 3; round += 1) await looker(false).look(PAYMENT_ID);
        const told = (await market.find(ID))!.status;
        ends.add(told);
        expect([seed, told, provider.takenMinor]).toEqual([seed, told, told === 'RESERVED' ? 15_000 : 0]);
        expect([seed, ['RESERVED', 'EXPIRED', 'REFUNDED'].includes(told)]).toEqual([seed, true]);
      }
      // Both ends were reached, and a sale was never told that was then taken back.
      expect([...ends].sort()).toEqual(['EXPIRED', 'RESERVED']);
    },
    TEST_MS_MAX,
  );
});

describe('a hold that is cancelled while its payment is declined', () => {
  it(
    'is told as it ends: cancelled for good, or declined, with another attempt',
    async () => {
      const ends = new Set<string>();
      for (let seed = 1; seed <= SEEDS; seed += 1) {
        const random = randomOf(seed);
        const { market, provider, looker } = worldOf(random);
        market.do(TICKET, { type: 'hold', reservationId: ID, quantity: 2, email: 'a', person: 'a' });
        const ref = { ticket: TICKET, reservationId: ID };
        const paying = looker(true).pay(ref, CARDS.declined, { id: 'x', keepMs: 1 });
        for (let turns = Math.floor(random() * 120); turns > 0; turns -= 1) await new Promise(setImmediate);
        const [paid, cancelled] = await Promise.all([
          paying,
          looker(true).cancel(ref, { id: 'c', keepMs: 1 }),
          looker(true).look(PAYMENT_ID),
        ]);
        const { status, reason } = (await market.find(ID))!;
        const again = await looker(false).pay(ref, CARDS.good, { id: 'y', keepMs: 1 });
        const end = `${cancelled.kind}, ${status} (${reason}), then ${again.kind}`;
        ends.add(end);
        // Whoever was told of another attempt has one.
        if ('retryUntil' in paid) expect([seed, again.kind]).toEqual([seed, 'reserved']);
        if (paid.kind === 'declined') expect([seed, paid.held]).toEqual([seed, false]);
        expect([seed, provider.takenMinor]).toEqual([seed, again.kind === 'reserved' ? 15_000 : 0]);
      }
      expect([...ends].sort()).toEqual([
        'not_live, CANCELLED (declined), then reserved',
        'released, CANCELLED (cancelled), then hold_expired',
      ]);
    },
    TEST_MS_MAX,
  );
});
