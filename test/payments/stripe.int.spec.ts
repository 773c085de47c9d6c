/** Stripe itself: its test mode when there is a key, and how each of its failures is told. */
import { createServer, type Server } from 'node:http';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import {
  PaymentUnavailableError,
  RefundRefusedError,
  WebhookRefusedError,
  type BalanceTransaction,
} from '../../src/payments/port.js';
import { StripePayments, type StripePaymentsOptions } from '../../src/payments/stripe.js';
import { skipBecause } from '../helpers/skips.js';
import { RETURN_URL, newPayment, pay, providerSuite } from './provider-suite.js';
import { Recorder } from './recorder.js';
import { WEBHOOK_SECRET, logger, sandboxWorld } from './worlds.js';

const TEST_KEY = process.env['STRIPE_TEST_SECRET_KEY'];

if (TEST_KEY === undefined) {
  skipBecause(
    'The payment suite runs against Stripe’s test mode',
    'STRIPE_TEST_SECRET_KEY is not set (a test mode secret key, sk_test_... or rk_test_...)',
  );
} else if (!/^[sr]k_test_/.test(TEST_KEY)) {
  throw new Error('STRIPE_TEST_SECRET_KEY is not a test mode key: this suite never touches live payments');
} else {
  providerSuite(
    'Stripe’s test mode',
    async () => {
      const options = { kind: 'stripe', secretKey: TEST_KEY, webhookSecret: WEBHOOK_SECRET, logger } as const;
      const [provider, elsewhere] = [new StripePayments(options), new StripePayments(options)];
      return {
        provider,
        elsewhere,
        webhookSecret: WEBHOOK_SECRET,
        close: async () => void (await Promise.all([provider.stop(), elsewhere.stop()])),
      };
    },
    10,
  );
}

interface Scripted {
  readonly status: number;
  readonly body: unknown;
}

const INTENT = {
  id: 'pi_1',
  object: 'payment_intent',
  amount: 700,
  amount_received: 700,
  currency: 'usd',
  client_secret: 'pi_1_secret_x',
  created: 1_700_000_000,
  status: 'requires_payment_method',
  metadata: { reservationId: 'r-1' },
  last_payment_error: null,
  latest_charge: null,
  next_action: null,
  livemode: false,
};
const fault = (status: number, error: object): Scripted => ({ status, body: { error } });

describe('what Stripe answers', () => {
  let server: Server;
  let port: number;
  let script: (method: string, path: string) => Scripted | 'silence' | 'hang up';
  let asked: string[];
  let lines: string[];
  let payments: StripePayments;

  const open = (options: Partial<StripePaymentsOptions> = {}): StripePayments =>
    new StripePayments({
      kind: 'stripe',
      secretKey: 'sk_test_secret_of_this_spec',
      webhookSecret: WEBHOOK_SECRET,
      host: '127.0.0.1',
      port,
      protocol: 'http',
      timeoutMs: 10_000,
      maxNetworkRetries: 0,
      logger: pino(
        { level: 'trace' },
        new Writable({
          write: (line: Buffer, _encoding, done) => {
            lines.push(line.toString());
            done();
          },
        }),
      ),
      ...options,
    });

  beforeEach(async () => {
    asked = [];
    lines = [];
    script = () => ({ status: 200, body: INTENT });
    server = createServer((request, response) => {
      const { method = '', url = '' } = request;
      asked.push(`${method} ${url.split('?')[0]}`);
      const answer = script(method, url);
      if (answer === 'silence') return;
      if (answer === 'hang up') {
        response.destroy();
        return;
      }
      request.resume();
      response.writeHead(answer.status, { 'content-type': 'application/json' });
      response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
    payments = open();
  });
  afterEach(async () => {
    await payments.stop();
    server.close();
    server.closeAllConnections();
  });

  const confirm = (): ReturnType<StripePayments['confirm']> =>
    payments.confirm({
      paymentId: 'pi_1',
      reservationId: 'r-1',
      attempt: 1,
      methodId: 'pm_card_visa',
      returnUrl: RETURN_URL,
    });

  test.each<[string, Scripted | 'silence' | 'hang up']>([
    ['no answer', 'silence'],
    ['a broken connection', 'hang up'],
    ['500', fault(500, { type: 'api_error', message: 'broken' })],
    ['503', fault(503, { type: 'api_error', message: 'away' })],
    ['429', fault(429, { type: 'invalid_request_error', code: 'rate_limit', message: 'slow down' })],
    ['a lock', fault(429, { type: 'invalid_request_error', code: 'lock_timeout', message: 'locked' })],
    [
      'a key in use',
      fault(409, { type: 'idempotency_error', code: 'idempotency_key_in_use', message: 'busy' }),
    ],
    ['no JSON', { status: 502, body: '<html>' }],
    [
      'the wrong key',
      fault(401, { type: 'invalid_request_error', message: 'Invalid API Key provided: sk_test_****spec' }),
    ],
    ['a key without rights', fault(403, { type: 'invalid_request_error', message: 'not allowed' })],
  ])('%s: every answer is unknown', async (_, answer) => {
    script = () => answer;
    if (answer === 'silence') payments = open({ timeoutMs: 200 });
    const calls = [
      () => payments.create(newPayment()),
      () => payments.method('pm_1Abc', 'k'),
      confirm,
      () => payments.cancel('pi_1'),
      () => payments.find('pi_1'),
      () => payments.refund({ paymentId: 'pi_1', totalMinor: 1, attempt: 0 }),
      () => payments.list(0)[Symbol.asyncIterator]().next(),
      () => payments.payouts({ limit: 1 }),
      () => payments.payout('po_1'),
      () => payments.balanceTransactions({ since: 0 })[Symbol.asyncIterator]().next(),
    ];
    for (const call of calls) await expect(call()).rejects.toBeInstanceOf(PaymentUnavailableError);
    expect(asked.length).toBeGreaterThanOrEqual(calls.length);
  });

  test('nobody there: every answer is unknown', async () => {
    server.close();
    server.closeAllConnections();
    await expect(open().find('pi_1')).rejects.toBeInstanceOf(PaymentUnavailableError);
  });

  test('a wrong key is logged with what to do, and without the key', async () => {
    script = () => fault(401, { type: 'invalid_request_error', message: 'Invalid API Key provided' });
    await expect(payments.find('pi_1')).rejects.toBeInstanceOf(PaymentUnavailableError);
    expect(lines.join()).toContain('STRIPE_SECRET_KEY');
    expect(lines.join()).not.toContain('secret_of_this_spec');
  });

  test('a decline’s bank reason comes before its code, also when Stripe kept none with the payment', async () => {
    for (const [facts, reason] of [
      [{ code: 'card_declined', decline_code: 'do_not_honor' }, 'do_not_honor'],
      [{ code: 'expired_card' }, 'expired_card'],
    ] as const) {
      script = (method) =>
        method === 'POST'
          ? fault(402, { type: 'card_error', message: 'no', ...facts })
          : { status: 200, body: INTENT };
      expect(await confirm()).toMatchObject({ status: 'requires_payment_method', declineReason: reason });
    }
  });

  test.each([
    { code: 'resource_missing', param: 'payment_method' },
    { param: 'payment_method' },
    { code: 'payment_method_unexpected_state' },
    { code: 'payment_intent_incompatible_payment_method' },
  ])('a method that cannot be used is a value: %j', async (facts) => {
    script = (method) =>
      method === 'POST'
        ? fault(400, { type: 'invalid_request_error', message: 'no', ...facts })
        : { status: 200, body: INTENT };
    expect(await confirm()).toMatchObject({ declineReason: 'invalid_payment_method' });
  });

  test('a payment past this step is read and answered', async () => {
    script = (method) =>
      method === 'POST'
        ? fault(400, {
            type: 'invalid_request_error',
            code: 'payment_intent_unexpected_state',
            message: 'no',
          })
        : { status: 200, body: { ...INTENT, status: 'processing' } };
    expect(await confirm()).toMatchObject({ status: 'processing' });
    expect(await payments.cancel('pi_1')).toMatchObject({ status: 'processing' });
    expect(asked.filter((call) => call.startsWith('GET'))).toHaveLength(2);
  });

  test('a payment that never was, and a key used for another request, are defects where they are used', async () => {
    script = () =>
      fault(404, { type: 'invalid_request_error', code: 'resource_missing', param: 'intent', message: 'no' });
    expect(await payments.find('pi_1')).toBeNull();
    await expect(confirm()).rejects.toThrow(/no/);
    await expect(confirm()).rejects.not.toBeInstanceOf(PaymentUnavailableError);
    script = () => fault(400, { type: 'idempotency_error', message: 'other parameters' });
    await expect(confirm()).rejects.not.toBeInstanceOf(PaymentUnavailableError);
  });

  test.each(['charge_disputed', 'balance_insufficient', 'charge_expired_for_capture', undefined])(
    'a refund that is refused is a person’s matter: %s',
    async (code) => {
      const refunds = { object: 'list', data: [], has_more: false, url: '/v1/refunds' };
      const charge = { id: 'ch_1', object: 'charge', paid: true, disputed: false, refunds };
      script = (method) =>
        method === 'POST'
          ? fault(400, { type: 'invalid_request_error', message: 'no', ...(code !== undefined && { code }) })
          : { status: 200, body: { ...INTENT, status: 'succeeded', latest_charge: charge } };
      await expect(payments.refund({ paymentId: 'pi_1', totalMinor: 5, attempt: 0 })).rejects.toBeInstanceOf(
        RefundRefusedError,
      );
    },
  );

  test('raw card numbers are never sent to Stripe', async () => {
    expect(await payments.method('4242424242424242', 'k')).toEqual({
      declineReason: 'invalid_payment_method',
    });
    expect(asked).toEqual([]);
  });

  test('in test mode a fingerprint is everybody’s, in live mode it is the card’s', async () => {
    const method = { id: 'pm_1', object: 'payment_method', card: { fingerprint: 'F1' } };
    script = () => ({ status: 200, body: { ...method, livemode: false } });
    expect(await payments.method('pm_1', 'k')).toEqual({ id: 'pm_1' });
    script = () => ({ status: 200, body: { ...method, livemode: true } });
    expect(await payments.method('pm_1', 'k')).toEqual({ id: 'pm_1', fingerprint: 'F1' });
  });

  test('without a webhook secret every webhook is refused', async () => {
    const { webhookSecret: _, ...rest } = {
      webhookSecret: '',
      kind: 'stripe',
      secretKey: 'sk_test_1',
      logger,
    } as const;
    await expect(new StripePayments(rest).webhook(Buffer.from('{}'), 't=1,v1=')).rejects.toBeInstanceOf(
      WebhookRefusedError,
    );
  });

  test('payments that are not ours are not listed', async () => {
    const other = { ...INTENT, id: 'pi_2', metadata: {} };
    script = () => ({
      status: 200,
      body: { object: 'list', data: [other, INTENT], has_more: false, url: '/v1/payment_intents' },
    });
    const listed: string[] = [];
    for await (const { id } of payments.list(0)) listed.push(id);
    expect(listed).toEqual(['pi_1']);
  });

  const SOURCE = { id: 'x_1', amount: 700, currency: 'usd', payment_intent: { id: 'pi_1' } };
  const balanceOf = async (facts: object): Promise<BalanceTransaction | undefined> => {
    const transaction = {
      id: 'txn_1',
      amount: 650,
      fee: 20,
      net: 630,
      currency: 'eur',
      created: 1_700_000_000,
    };
    const list = { object: 'list', has_more: false, url: '/v1/balance_transactions' };
    script = () => ({ status: 200, body: { ...list, data: [{ ...transaction, ...facts }] } });
    for await (const seen of payments.balanceTransactions({ since: 0 })) return seen;
    return undefined;
  };

  test.each([
    ['charge', 'charge', 650, 'charge'],
    ['payment', 'charge', 650, 'charge'],
    ['refund', 'refund', -650, 'refund'],
    ['payment_refund', 'refund', -650, 'refund'],
    ['refund_failure', 'refund', 650, 'refund_failure'],
    ['adjustment', 'dispute', -650, 'dispute'],
    ['adjustment', 'dispute', 650, 'dispute_reversal'],
    ['adjustment', 'transfer', 650, 'other'],
  ])('the balance: %s of a %s by %d is a %s', async (type, object, amount, kind) => {
    const source = { ...SOURCE, object, metadata: { reservationId: 'r-1' } };
    expect(await balanceOf({ type, amount, net: amount - 20, source })).toEqual({
      id: 'txn_1',
      kind,
      type,
      at: 1_700_000_000_000,
      amountMinor: amount,
      feeMinor: 20,
      currency: 'EUR',
      paymentId: 'pi_1',
      reservationId: 'r-1',
      paid: { amountMinor: 700, currency: 'USD' },
    });
  });

  test.each([
    ['stripe_fee', 'fee'],
    ['reserve_hold', 'other'],
    ['invented_tomorrow', 'other'],
  ])('the balance: %s is of no payment', async (type, kind) => {
    for (const source of [null, 'x_1']) {
      const seen = await balanceOf({ type, source });
      expect(seen).toMatchObject({ kind, type });
      expect(seen).not.toHaveProperty('paymentId');
      expect(seen).not.toHaveProperty('paid');
    }
  });

  test.each([
    ['payout', 'payout'],
    ['payout_failure', 'payout_failure'],
    ['payout_cancel', 'payout_failure'],
  ])('the balance: %s names its payout', async (type, kind) => {
    const source = { id: 'po_1', object: 'payout', amount: 650, currency: 'eur' };
    expect(await balanceOf({ type, source })).toMatchObject({ kind, payoutId: 'po_1' });
  });

  test('a payout made by hand, or still being gathered, is told as such', async () => {
    const payout = {
      id: 'po_1',
      status: 'paid',
      amount: 630,
      currency: 'eur',
      arrival_date: 1_700_086_400,
      created: 1_700_000_000,
      automatic: true,
      reconciliation_status: 'completed',
    };
    const told = {
      id: 'po_1',
      status: 'paid',
      amountMinor: 630,
      currency: 'EUR',
      arrivalAt: 1_700_086_400_000,
      createdAt: 1_700_000_000_000,
      isAutomatic: true,
      isClosed: true,
    };
    script = () => ({ status: 200, body: payout });
    expect(await payments.payout('po_1')).toEqual(told);
    script = () => ({
      status: 200,
      body: { ...payout, automatic: false, reconciliation_status: 'not_applicable' },
    });
    expect(await payments.payout('po_1')).toEqual({ ...told, isAutomatic: false });
    script = () => ({ status: 200, body: { ...payout, reconciliation_status: 'in_progress' } });
    expect(await payments.payout('po_1')).toEqual({ ...told, isClosed: false });
  });

  test('an answer that is lost on the way: the library repeats, and one thing has happened', async () => {
    const world = await sandboxWorld({ secretKey: 'sk_test_1' });
    const recorder = new Recorder(world.provider.server.url ?? '');
    const lossy = open({
      kind: 'sandbox',
      secretKey: 'sk_test_1',
      port: await recorder.start(),
      timeoutMs: 5_000,
      maxNetworkRetries: 2,
    });
    const request = newPayment({ reservationId: randomUUID() });
    recorder.loseAnswers = 1;
    const payment = await lossy.create(request);
    recorder.loseAnswers = 2;
    expect(await pay(lossy, payment, 'pm_card_visa')).toMatchObject({ status: 'succeeded' });
    recorder.loseAnswers = 1;
    expect(await lossy.refund({ paymentId: payment.id, totalMinor: 10, attempt: 0 })).toMatchObject({
      refundedMinor: 10,
    });
    const made: string[] = [];
    for await (const { id } of lossy.list(0)) made.push(id);
    expect(made).toEqual([payment.id]);
    await lossy.stop();
    recorder.stop();
    await world.close();
  });
});
