/**
 * What every payment provider keeps of its port, sentence by sentence. It runs against the sandbox, and against
 * Stripe's test mode when there is a key for it, so only ready-made payment methods (pm_card_*) are used here.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Stripe from 'stripe';
import {
  PaymentUnavailableError,
  RefundRefusedError,
  WebhookRefusedError,
  type BalanceTransaction,
  type NewPayment,
  type Payment,
  type PaymentProvider,
} from '../../src/payments/port.js';

export interface ProviderWorld {
  readonly provider: PaymentProvider;
  /** The same account, as another process has it. */
  readonly elsewhere: PaymentProvider;
  readonly webhookSecret: string;
  close(): Promise<void>;
}

export const RETURN_URL = 'https://tickets.example/return?order=7';

export const newPayment = (fields: Partial<NewPayment> = {}): NewPayment => ({
  reservationId: randomUUID(),
  amountMinor: 15_000,
  currency: 'USD',
  email: 'buyer@example.com',
  description: 'Match 1, category 1, 2 tickets',
  metadata: { matchNumber: '1', category: '1' },
  ...fields,
});

/** Repeats a call whose answer is not known, as its contract allows. */
export async function known<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof PaymentUnavailableError) || attempt === 20) throw error;
    }
  }
}

export async function pay(
  provider: PaymentProvider,
  payment: Payment,
  methodId: string,
  attempt = 1,
): Promise<Payment> {
  return known(() =>
    provider.confirm({
      paymentId: payment.id,
      reservationId: payment.reservationId,
      attempt,
      methodId,
      returnUrl: RETURN_URL,
    }),
  );
}

/** `many`: how many calls may meet; Stripe limits its test mode. */
export function providerSuite(name: string, open: () => Promise<ProviderWorld>, many: number): void {
  describe(name, () => {
    let world: ProviderWorld;
    let provider: PaymentProvider;
    let elsewhere: PaymentProvider;

    beforeAll(async () => {
      world = await open();
      ({ provider, elsewhere } = world);
    });
    afterAll(() => world.close());

    const both = (index: number): PaymentProvider => (index % 2 ? provider : elsewhere);
    const paid = async (amountMinor = 15_000, method = 'pm_card_visa'): Promise<Payment> => {
      const payment = await pay(provider, await provider.create(newPayment({ amountMinor })), method);
      expect(payment.status).toBe('succeeded');
      return payment;
    };

    test('creates a payment of the amount and charges nothing', async () => {
      const request = newPayment({ amountMinor: 12_345, currency: 'EUR' });
      const payment = await provider.create(request);
      expect(payment).toMatchObject({
        reservationId: request.reservationId,
        status: 'requires_payment_method',
        amountMinor: 12_345,
        currency: 'EUR',
        refundedMinor: 0,
      });
      expect(payment.id).toMatch(/^pi_/);
      expect(payment.clientSecret.startsWith(payment.id)).toBe(true);
      expect(payment).not.toHaveProperty('declineReason');
      expect(await elsewhere.find(payment.id)).toEqual(payment);
    });

    test('a reservation has one payment, however often and from wherever it is created', async () => {
      const request = newPayment();
      const payments = await Promise.all(
        Array.from({ length: 6 }, (_, index) => known(() => both(index).create(request))),
      );
      expect(new Set(payments.map(({ id }) => id)).size).toBe(1);
      const payment = await pay(provider, payments[0]!, 'pm_card_visa');
      expect(await known(() => elsewhere.create(request))).toMatchObject({
        id: payment.id,
        status: 'succeeded',
      });
    });

    test('the same reservation at another amount is a defect, not another payment', async () => {
      const request = newPayment();
      await provider.create(request);
      await expect(provider.create({ ...request, amountMinor: 1 })).rejects.not.toBeInstanceOf(
        PaymentUnavailableError,
      );
    });

    test.each([0, -5, 1.5, Number.NaN])('%s is no amount', async (amountMinor) => {
      await expect(provider.create(newPayment({ amountMinor }))).rejects.toThrow(/amount/);
      await expect(
        provider.refund({ paymentId: 'pi_1', totalMinor: amountMinor - 1, attempt: 0 }),
      ).rejects.toThrow(/amount/);
    });

    test.each(['pm_card_visa', 'pm_card_mastercard', 'pm_card_amex'])('%s pays', async (method) => {
      const used = await provider.method(method, randomUUID());
      expect(used).toEqual({ id: method });
      const payment = await paid(15_000, method);
      expect(payment).toMatchObject({ status: 'succeeded', amountMinor: 15_000, refundedMinor: 0 });
      expect(payment).not.toHaveProperty('cardFingerprint');
      expect(await elsewhere.find(payment.id)).toEqual(payment);
    });

    test.each([
      ['pm_card_visa_chargeDeclined', 'generic_decline'],
      ['pm_card_visa_chargeDeclinedInsufficientFunds', 'insufficient_funds'],
      ['pm_card_visa_chargeDeclinedLostCard', 'lost_card'],
      ['pm_card_visa_chargeDeclinedStolenCard', 'stolen_card'],
      ['pm_card_chargeDeclinedExpiredCard', 'expired_card'],
      ['pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc'],
      ['pm_card_chargeDeclinedProcessingError', 'processing_error'],
      ['pm_card_visa_chargeDeclinedVelocityLimitExceeded', 'card_velocity_exceeded'],
    ])('%s is declined: %s', async (method, declineReason) => {
      const payment = await provider.create(newPayment());
      const declined = { status: 'requires_payment_method', declineReason };
      expect(await pay(provider, payment, method)).toMatchObject(declined);
      expect(await elsewhere.find(payment.id)).toMatchObject(declined);
    });

    test('a method that does not exist is a value', async () => {
      for (const method of ['pm_1NotAMethodOfOurs', 'tok_visa', '', '../../v1/charges', 'pm_card/../x']) {
        expect(await provider.method(method, randomUUID())).toEqual({
          declineReason: 'invalid_payment_method',
        });
      }
      const payment = await provider.create(newPayment());
      expect(await pay(provider, payment, 'pm_1NotAMethodOfOurs')).toMatchObject({
        status: 'requires_payment_method',
        declineReason: 'invalid_payment_method',
      });
    });

    test('the same attempt is the same try; the next one can succeed', async () => {
      const payment = await provider.create(newPayment());
      const declined = await pay(provider, payment, 'pm_card_visa_chargeDeclined', 1);
      expect(await pay(elsewhere, payment, 'pm_card_visa_chargeDeclined', 1)).toEqual(declined);
      const succeeded = await pay(provider, payment, 'pm_card_visa', 2);
      expect(succeeded).toMatchObject({ id: payment.id, status: 'succeeded' });
      expect(succeeded).not.toHaveProperty('declineReason');
    });

    test('a repeat of an attempt is told what has become of the payment since', async () => {
      const payment = await provider.create(newPayment());
      await pay(provider, payment, 'pm_card_visa_chargeDeclined', 1);
      await pay(provider, payment, 'pm_card_visa', 2);
      expect(await pay(provider, payment, 'pm_card_visa_chargeDeclined', 1)).toMatchObject({
        status: 'succeeded',
      });
      await provider.refund({ paymentId: payment.id, totalMinor: 15_000, attempt: 0 });
      expect(await pay(provider, payment, 'pm_card_visa', 2)).toMatchObject({ refundedMinor: 15_000 });
    });

    test('a payment that ended is answered as it is', async () => {
      const succeeded = await paid();
      expect(await pay(provider, succeeded, 'pm_card_visa', 2)).toEqual(succeeded);
      const canceled = await provider.cancel((await provider.create(newPayment())).id);
      expect(await pay(provider, canceled, 'pm_card_visa')).toEqual(canceled);
    });

    test('3-D Secure asks the buyer first', async () => {
      const payment = await provider.create(newPayment());
      const asked = await pay(provider, payment, 'pm_card_threeDSecure2Required');
      expect(asked).toMatchObject({ status: 'requires_action', nextAction: { type: 'redirect_to_url' } });
      expect(asked.nextAction?.url).toMatch(/^https?:/);
      expect(await elsewhere.find(payment.id)).toMatchObject({ status: 'requires_action' });
      expect(await provider.cancel(payment.id)).toMatchObject({ status: 'canceled' });
    });

    test('cancel ends it for good, and may be repeated', async () => {
      const payment = await provider.create(newPayment());
      const canceled = await provider.cancel(payment.id);
      expect(canceled).toMatchObject({ status: 'canceled' });
      expect(await elsewhere.cancel(payment.id)).toEqual(canceled);
      expect(await pay(elsewhere, payment, 'pm_card_visa', 1)).toMatchObject({ status: 'canceled' });
      expect(await provider.cancel((await paid()).id)).toMatchObject({ status: 'succeeded' });
    });

    test('of confirms and a cancel that meet one wins, and all are told the same', async () => {
      for (let round = 0; round < 4; round += 1) {
        const payment = await provider.create(newPayment());
        const calls = [
          () => pay(provider, payment, 'pm_card_visa', 1),
          () => known(() => elsewhere.cancel(payment.id)),
          () => pay(elsewhere, payment, 'pm_card_visa', 2),
        ];
        const answers = await Promise.all(calls.map((_, index) => calls[(index + round) % calls.length]!()));
        const found = await provider.find(payment.id);
        expect(['succeeded', 'canceled']).toContain(found?.status);
        for (const answer of answers) expect(answer).toEqual(found);
      }
    });

    test(`${many} concurrent confirms charge once`, async () => {
      const payment = await provider.create(newPayment());
      const answers = await Promise.all(
        // Half of them are one attempt repeated, the others each one of its own.
        Array.from({ length: many }, (_, index) =>
          pay(both(index), payment, 'pm_card_visa', index % 2 ? 1 : index + 2),
        ),
      );
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['succeeded']));
      expect(await provider.find(payment.id)).toMatchObject({ status: 'succeeded', amountMinor: 15_000 });
    });

    test('knows nothing of a payment that never was', async () => {
      for (const id of ['pi_3NeverHeardOfThisOne0000000', '', 'ch_1', '../refunds']) {
        expect(await provider.find(id)).toBeNull();
      }
    });

    test('gives money back in whole, in parts, and each part once', async () => {
      const { id } = await paid();
      expect(await provider.refund({ paymentId: id, totalMinor: 5_000, attempt: 0 })).toMatchObject({
        status: 'succeeded',
        refundedMinor: 5_000,
      });
      expect(await elsewhere.refund({ paymentId: id, totalMinor: 5_000, attempt: 0 })).toMatchObject({
        refundedMinor: 5_000,
      });
      expect(await provider.refund({ paymentId: id, totalMinor: 1_000, attempt: 0 })).toMatchObject({
        refundedMinor: 5_000,
      });
      expect(await provider.refund({ paymentId: id, totalMinor: 15_000, attempt: 0 })).toMatchObject({
        refundedMinor: 15_000,
      });
      expect(await provider.refund({ paymentId: id, totalMinor: 15_000, attempt: 0 })).toMatchObject({
        refundedMinor: 15_000,
      });
      expect(await elsewhere.find(id)).toMatchObject({ status: 'succeeded', refundedMinor: 15_000 });
    });

    test('refunds that meet give back once, whatever each wants in all', async () => {
      const same = await paid();
      await Promise.all(
        Array.from({ length: 6 }, (_, index) =>
          known(() => both(index).refund({ paymentId: same.id, totalMinor: 6_000, attempt: 0 })),
        ),
      );
      expect(await provider.find(same.id)).toMatchObject({ refundedMinor: 6_000 });
      const mixed = await paid();
      await Promise.all(
        [3_000, 9_000, 6_000, 9_000].map((totalMinor, index) =>
          known(() => both(index).refund({ paymentId: mixed.id, totalMinor, attempt: 0 })),
        ),
      );
      expect(await provider.find(mixed.id)).toMatchObject({ refundedMinor: 9_000 });
    });

    test('refuses to give back what was not charged', async () => {
      const { id } = await paid(100);
      await expect(provider.refund({ paymentId: id, totalMinor: 101, attempt: 0 })).rejects.toBeInstanceOf(
        RefundRefusedError,
      );
      const open = await provider.create(newPayment());
      await expect(provider.refund({ paymentId: open.id, totalMinor: 1, attempt: 0 })).rejects.toBeInstanceOf(
        RefundRefusedError,
      );
      expect(await provider.find(id)).toMatchObject({ refundedMinor: 0 });
    });

    test('a refund on its way counts', async () => {
      const { id } = await paid(15_000, 'pm_card_pendingRefund');
      expect(await provider.refund({ paymentId: id, totalMinor: 15_000, attempt: 0 })).toMatchObject({
        refundedMinor: 15_000,
      });
      expect(await elsewhere.refund({ paymentId: id, totalMinor: 15_000, attempt: 0 })).toMatchObject({
        refundedMinor: 15_000,
      });
    });

    test('lists payments since a time, newest first', async () => {
      const since = Date.now();
      const made: string[] = [];
      for (let count = 0; count < 3; count += 1) made.unshift((await provider.create(newPayment())).id);
      const listed: Payment[] = [];
      for await (const payment of elsewhere.list(since)) listed.push(payment);
      expect(listed.map(({ id }) => id).filter((id) => made.includes(id))).toHaveLength(made.length);
      const times = listed.map(({ createdAt }) => createdAt);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      expect(Math.min(...times)).toBeGreaterThanOrEqual(Math.floor(since / 1000) * 1000);
      for await (const payment of elsewhere.list(Date.now() + 60_000)) throw new Error(payment.id);
    });

    test('tells what payments and refunds change in the balance, newest first', async () => {
      const since = Date.now();
      const payment = await paid(12_345);
      await provider.refund({ paymentId: payment.id, totalMinor: 2_345, attempt: 0 });
      const seen: BalanceTransaction[] = [];
      for await (const one of elsewhere.balanceTransactions({ since })) seen.push(one);
      const times = seen.map(({ at }) => at);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      expect(Math.min(...times)).toBeGreaterThanOrEqual(Math.floor(since / 1000) * 1000);
      const own = seen.filter(({ paymentId }) => paymentId === payment.id);
      const { reservationId } = payment;
      const of = (kind: string): BalanceTransaction[] => own.filter((one) => one.kind === kind);
      expect(own).toHaveLength(2);
      // The account may keep its balance in another currency.
      expect(of('charge')).toEqual([
        expect.objectContaining({ reservationId, paid: { amountMinor: 12_345, currency: 'USD' } }),
      ]);
      expect(of('refund')).toEqual([
        expect.objectContaining({ feeMinor: 0, paid: { amountMinor: 2_345, currency: 'USD' } }),
      ]);
      const [charge, refund] = [of('charge')[0]!, of('refund')[0]!];
      expect(charge.id).toMatch(/^txn_/);
      expect(charge.amountMinor).toBeGreaterThan(charge.feeMinor);
      expect(charge.feeMinor).toBeGreaterThan(0);
      expect(refund.amountMinor).toBeLessThan(0);
      for await (const { id } of provider.balanceTransactions({ since: Date.now() + 60_000 }))
        throw new Error(id);
    });

    test('lists payouts by pages, newest first, and knows nothing of one that never was', async () => {
      const first = await provider.payouts({ limit: 2 });
      expect(first.payouts.length).toBeLessThanOrEqual(2);
      for (const payout of first.payouts) {
        expect(payout.id).toMatch(/^po_/);
        expect(await elsewhere.payout(payout.id)).toEqual(payout);
      }
      const times = first.payouts.map(({ createdAt }) => createdAt);
      expect(times).toEqual(times.toSorted((a, b) => b - a));
      expect(await provider.payouts({ limit: 100, since: Date.now() + 60_000 })).toEqual({ payouts: [] });
      for (const after of ['po_3NeverHeardOfThisOne0000000', 'pi_1', '../refunds']) {
        expect(await provider.payouts({ limit: 100, after })).toEqual({ payouts: [] });
        expect(await provider.payout(after)).toBeNull();
      }
    });

    describe('webhooks', () => {
      const event = (type: string, object: object): string =>
        JSON.stringify({ id: 'evt_1', object: 'event', type, created: 1_700_000_000, data: { object } });
      const signed = (payload: string, timestamp = Math.floor(Date.now() / 1000)): string =>
        Stripe.webhooks.generateTestHeaderString({ payload, secret: world.webhookSecret, timestamp });

      test.each([
        ['payment_intent.succeeded', { object: 'payment_intent', id: 'pi_1' }, 'pi_1'],
        ['charge.refunded', { object: 'charge', id: 'ch_1', payment_intent: 'pi_2' }, 'pi_2'],
        ['refund.failed', { object: 'refund', id: 're_1', payment_intent: { id: 'pi_3' } }, 'pi_3'],
        ['charge.dispute.created', { object: 'dispute', id: 'du_1', payment_intent: 'pi_4' }, 'pi_4'],
        ['charge.succeeded', { object: 'charge', id: 'ch_1', payment_intent: null }, null],
        ['customer.created', { object: 'customer', id: 'cus_1' }, null],
      ])('%s tells which payment it is about', async (type, object, paymentId) => {
        const body = event(type, object);
        const message = { id: 'evt_1', type, paymentId, createdAt: 1_700_000_000_000 };
        expect(await provider.webhook(Buffer.from(body), signed(body))).toEqual(message);
        expect(await elsewhere.webhook(Buffer.from(body), signed(body))).toEqual(message);
      });

      test('forged, altered, unsigned and stale ones are refused', async () => {
        const body = event('payment_intent.succeeded', { object: 'payment_intent', id: 'pi_1' });
        const forged = Stripe.webhooks.generateTestHeaderString({ payload: body, secret: 'whsec_other' });
        const old = Math.floor(Date.now() / 1000) - 301;
        const altered = Buffer.from(body.replace('pi_1', 'pi_2'));
        const tries: [Buffer, string][] = [
          [Buffer.from(body), forged],
          [altered, signed(body)],
          [Buffer.from(body), ''],
          [Buffer.from(body), 't=1,v1='],
          [Buffer.from(body), signed(body, old)],
          [Buffer.from(body), signed(body, old).replace(/t=\d+/, `t=${old + 301}`)],
          [Buffer.from('not json'), signed('not json')],
          [Buffer.from('{}'), signed('{}')],
          [Buffer.alloc(0), signed('')],
        ];
        for (const [bytes, signature] of tries) {
          await expect(provider.webhook(bytes, signature)).rejects.toBeInstanceOf(WebhookRefusedError);
        }
      });
    });
  });
}
