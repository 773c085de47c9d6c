/** The payment sandbox on a real embedded archive: one answer per payment, whatever is repeated or meets. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { PaymentUnavailableError, type ChargeRequest } from '../../src/payments/port.js';
import { SandboxPayments } from '../../src/payments/sandbox.js';

const NOW = Date.UTC(2022, 10, 20, 16);

describe('SandboxPayments', () => {
  let dir: string;
  let archive: EmbeddedArchive;
  let payments: SandboxPayments;
  /** As in another process: nothing but the archive in common. */
  let elsewhere: SandboxPayments;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ticktak-sandbox-'));
    archive = new EmbeddedArchive({ dir });
    await archive.start();
    payments = new SandboxPayments({ archive, now: () => NOW });
    elsewhere = new SandboxPayments({ archive, now: () => NOW + 1 });
  });
  afterEach(async () => {
    await archive.stop();
    await rm(dir, { recursive: true });
  });

  const requestWith = (fields: Partial<ChargeRequest> = {}): ChargeRequest => ({
    paymentId: randomUUID(),
    reservationId: 'r-1',
    amountMinor: 15_000,
    currency: 'usd',
    paymentMethod: 'pm_card_visa',
    ...fields,
  });
  const paid = async (amountMinor: number): Promise<string> => {
    const request = requestWith({ amountMinor });
    expect(await payments.charge(request)).toEqual({ status: 'succeeded' });
    return request.paymentId;
  };

  test.each([
    '4242424242424242',
    '4242 4242 4242 4242',
    '4242-4242-4242-4242',
    ' 5555 5555 5555 4444 ',
    '378282246310005',
    '36227206271667',
    '6205500000000000004',
    'pm_card_visa',
    'pm_card_mastercard',
    'pm_card_amex',
  ])('%s pays', async (paymentMethod) => {
    const request = requestWith({ paymentMethod });
    expect(await payments.find(request.paymentId)).toBeNull();
    expect(await payments.charge(request)).toEqual({ status: 'succeeded' });
    expect(await payments.find(request.paymentId)).toEqual({ status: 'succeeded' });
  });

  test.each([
    ['4000000000000002', 'pm_card_visa_chargeDeclined', 'card_declined'],
    ['4000000000009995', 'pm_card_visa_chargeDeclinedInsufficientFunds', 'insufficient_funds'],
    ['4000000000009987', 'pm_card_visa_chargeDeclinedLostCard', 'lost_card'],
    ['4000000000009979', 'pm_card_visa_chargeDeclinedStolenCard', 'stolen_card'],
    ['4000000000000069', 'pm_card_chargeDeclinedExpiredCard', 'expired_card'],
    ['4000000000000127', 'pm_card_chargeDeclinedIncorrectCvc', 'incorrect_cvc'],
    ['4000000000000119', 'pm_card_chargeDeclinedProcessingError', 'processing_error'],
    ['4000000000006975', 'pm_card_visa_chargeDeclinedVelocityLimitExceeded', 'card_velocity_exceeded'],
    ['4111 1111 1111 1111', 'pm_1NotATestMethod', 'test_mode_live_card'],
    ['', '4242x4242', 'test_mode_live_card'],
  ])('%s and %s are declined: %s', async (number, paymentMethod, reason) => {
    for (const method of [number, paymentMethod]) {
      const request = requestWith({ paymentMethod: method });
      expect(await payments.charge(request)).toEqual({ status: 'declined', reason });
      expect(await payments.find(request.paymentId)).toEqual({ status: 'declined', reason });
    }
  });

  test('no record holds the card number', async () => {
    const request = requestWith({ paymentMethod: '4000 0000 0000 0002' });
    await payments.charge(request);
    expect(JSON.stringify(await archive.payment(request.paymentId))).not.toMatch(/4000/);
  });

  test('a repeated payment gets the first answer, whatever card comes with it', async () => {
    const declined = requestWith({ paymentMethod: 'pm_card_visa_chargeDeclined' });
    await payments.charge(declined);
    const again = { ...declined, paymentMethod: 'pm_card_visa', amountMinor: 1 };
    expect(await elsewhere.charge(again)).toEqual({ status: 'declined', reason: 'card_declined' });
    expect((await archive.payment(declined.paymentId))?.amountMinor).toBe(15_000);
  });

  test('50 charges of one payment at the same time get one answer', async () => {
    const paymentId = randomUUID();
    const methods = ['pm_card_visa', '4000000000009995', '4000000000009987'];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        (index % 2 ? payments : elsewhere).charge(
          requestWith({ paymentId, paymentMethod: methods[index % methods.length]! }),
        ),
      ),
    );
    const found = await payments.find(paymentId);
    for (const answer of answers) expect(answer).toEqual(found);
  });

  test('a cancelled payment can never succeed', async () => {
    const request = requestWith();
    expect(await payments.cancel(request)).toEqual({ status: 'cancelled' });
    expect(await elsewhere.charge(request)).toEqual({ status: 'cancelled' });
    expect(await payments.cancel(request)).toEqual({ status: 'cancelled' });
    expect(await payments.find(request.paymentId)).toEqual({ status: 'cancelled' });
  });

  test('a payment that succeeded or was declined is not cancelled any more', async () => {
    const request = requestWith();
    await payments.charge(request);
    expect(await elsewhere.cancel(request)).toEqual({ status: 'succeeded' });
    const declined = requestWith({ paymentMethod: '4000000000000119' });
    await payments.charge(declined);
    expect(await payments.cancel(declined)).toEqual({ status: 'declined', reason: 'processing_error' });
  });

  test('of charges and cancels that meet one wins, and all are told the same', async () => {
    for (let round = 0; round < 20; round += 1) {
      const request = requestWith();
      const calls = [
        () => payments.charge(request),
        () => elsewhere.cancel(request),
        () => elsewhere.charge(request),
      ];
      const answers = await Promise.all(calls.map((_, index) => calls[(index + round) % calls.length]!()));
      expect(new Set(answers.map(({ status }) => status)).size).toBe(1);
      expect(await payments.find(request.paymentId)).toEqual(answers[0]);
    }
  });

  test('answers outlive a restart', async () => {
    const paymentId = await paid(100);
    await archive.stop();
    await archive.start();
    expect(await payments.charge(requestWith({ paymentId, paymentMethod: '4000000000000002' }))).toEqual({
      status: 'succeeded',
    });
  });

  test('gives money back in parts, up to what was charged', async () => {
    const paymentId = await paid(15_000);
    await payments.refund({ refundId: 'f-1', paymentId, amountMinor: 7_500 });
    await expect(payments.refund({ refundId: 'f-2', paymentId, amountMinor: 7_501 })).rejects.toThrow(
      /exceeds/,
    );
    await payments.refund({ refundId: 'f-3', paymentId, amountMinor: 7_500 });
    await expect(payments.refund({ refundId: 'f-4', paymentId, amountMinor: 1 })).rejects.toThrow(/exceeds/);
    expect((await archive.refunds(paymentId)).map(({ id }) => id)).toEqual(['f-1', 'f-3']);
  });

  test('gives money back once per refund, however often it is asked', async () => {
    const paymentId = await paid(100);
    const refund = { refundId: 'f-1', paymentId, amountMinor: 100 };
    await Promise.all(Array.from({ length: 10 }, () => payments.refund(refund)));
    await elsewhere.refund(refund);
    expect(await archive.refunds(paymentId)).toEqual([
      { id: 'f-1', paymentId, amountMinor: 100, createdAt: NOW },
    ]);
    await expect(payments.refund({ ...refund, amountMinor: 50 })).rejects.toThrow(/made before/);
  });

  test('refunds that meet do not exceed the payment together', async () => {
    const paymentId = await paid(100);
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) =>
        payments.refund({ refundId: `f-${index}`, paymentId, amountMinor: 30 }),
      ),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(await archive.refunds(paymentId)).toHaveLength(3);
  });

  test('does not give back what was not charged', async () => {
    const declined = requestWith({ paymentMethod: '4000000000000002' });
    await payments.charge(declined);
    const refund = { refundId: 'f-1', paymentId: declined.paymentId, amountMinor: 1 };
    await expect(payments.refund(refund)).rejects.toThrow(/declined/);
    await expect(payments.refund({ ...refund, paymentId: 'never heard of' })).rejects.toThrow(/unknown/);
    expect(await archive.refunds(declined.paymentId)).toEqual([]);
  });

  test.each([0, -5, 1.5, Number.NaN])('%s is no amount', async (amountMinor) => {
    const request = requestWith({ amountMinor });
    await expect(payments.charge(request)).rejects.toThrow(/amount/);
    const paymentId = await paid(100);
    await expect(payments.refund({ refundId: 'f-1', paymentId, amountMinor })).rejects.toThrow(/amount/);
    expect(await payments.find(request.paymentId)).toBeNull();
  });

  test('says that its answer is not known while the archive is away', async () => {
    const paymentId = await paid(100);
    await archive.stop();
    const calls = [
      () => payments.charge(requestWith()),
      () => payments.cancel(requestWith()),
      () => payments.find(paymentId),
      () => payments.refund({ refundId: 'f-1', paymentId, amountMinor: 1 }),
    ];
    for (const call of calls) await expect(call()).rejects.toBeInstanceOf(PaymentUnavailableError);
    await archive.start();
    await payments.refund({ refundId: 'f-1', paymentId, amountMinor: 1 });
    expect(await archive.refunds(paymentId)).toHaveLength(1);
  });
});
