/** Stripe's breaker: what opens it, what is kept back, and what is asked all the same. Against a server that answers as it is told. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Breaker } from '../../src/overload/breaker.js';
import { PaymentAwayError, PaymentUnavailableError, type Payment } from '../../src/payments/port.js';
import { StripePayments } from '../../src/payments/stripe.js';
import { silentLogger } from '../helpers/engine.js';
import { newPayment } from '../payments/provider-suite.js';

const FAILURES = 3;
const INTENT = {
  id: 'pi_1',
  object: 'payment_intent',
  amount: 700,
  amount_received: 0,
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

interface Scripted {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}
const well: Scripted = { status: 200, body: INTENT };
const fault = (status: number, error: object, headers?: Record<string, string>): Scripted => ({
  status,
  body: { error },
  ...(headers && { headers }),
});

let server: Server;
let asked: string[];
let script: Scripted | 'hang up' | 'silence';
let breaker: Breaker | undefined;
let payments: StripePayments;

beforeEach(async () => {
  asked = [];
  script = well;
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url?.split('?')[0]}`);
    request.resume();
    if (script === 'silence') return;
    if (script === 'hang up') {
      response.destroy();
      return;
    }
    response.writeHead(script.status, { 'content-type': 'application/json', ...script.headers });
    response.end(typeof script.body === 'string' ? script.body : JSON.stringify(script.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  payments = open();
});
afterEach(async () => {
  await payments.stop();
  server.closeAllConnections();
  server.close();
});

function open(timeoutMs = 10_000): StripePayments {
  return new StripePayments({
    kind: 'stripe',
    secretKey: 'sk_test_secret_of_this_spec',
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    protocol: 'http',
    timeoutMs,
    maxNetworkRetries: 0,
    logger: silentLogger,
    makeBreaker: (isDown) =>
      (breaker = new Breaker({
        dependency: 'stripe',
        logger: silentLogger,
        isDown,
        failuresMax: FAILURES,
        // It does not ask again by itself while a test runs.
        pauseMsMin: 3_600_000,
        pauseMsMax: 3_600_000,
      })),
  });
}

const create = (): Promise<Payment> => payments.create(newPayment({ reservationId: 'r-1' }));
const failed = (asking: Promise<unknown>): Promise<unknown> =>
  asking.then(
    () => 'it did not fail',
    (error: unknown) => error,
  );

async function goDown(): Promise<void> {
  script = fault(503, { type: 'api_error', message: 'away' });
  for (let i = 0; i < FAILURES; i += 1)
    expect(await failed(create())).toBeInstanceOf(PaymentUnavailableError);
  expect(breaker?.state).toBe('open');
  asked = [];
}

describe('what opens it', () => {
  it.each<[string, Scripted | 'hang up']>([
    ['500', fault(500, { type: 'api_error', message: 'broken' })],
    ['503', fault(503, { type: 'api_error', message: 'away' })],
    ['a broken connection', 'hang up'],
    ['no JSON', { status: 502, body: '<html>' }],
  ])('%s, so many times in a row', async (_, answer) => {
    script = answer;
    for (let i = 0; i < FAILURES; i += 1) await failed(create());
    expect(breaker?.state).toBe('open');
  });

  it('no answer within the time of one try', async () => {
    await payments.stop();
    payments = open(50);
    script = 'silence';
    await Promise.all(Array.from({ length: FAILURES }, () => failed(create())));
    expect(breaker?.state).toBe('open');
  });

  it.each<[string, Scripted]>([
    ['a decline', fault(402, { type: 'card_error', code: 'card_declined', message: 'no' })],
    ['a request that is wrong', fault(400, { type: 'invalid_request_error', message: 'what?' })],
    ['a limit of rate', fault(429, { type: 'invalid_request_error', code: 'rate_limit', message: 'slower' })],
    ['a wrong key', fault(401, { type: 'invalid_request_error', message: 'who are you?' })],
    [
      'a key in use',
      fault(409, { type: 'idempotency_error', code: 'idempotency_key_in_use', message: 'busy' }),
    ],
    [
      'a failure that is answered from memory',
      fault(500, { type: 'api_error', message: 'as before' }, { 'idempotent-replayed': 'true' }),
    ],
  ])('never %s', async (_, answer) => {
    script = answer;
    for (let i = 0; i < 3 * FAILURES; i += 1) await failed(create());
    expect(breaker?.state).toBe('closed');
    expect(asked).toHaveLength(3 * FAILURES);
  });
});

describe('while it is open', () => {
  beforeEach(goDown);

  it('nothing new is begun, and Stripe has not heard of it', async () => {
    script = well;
    const refused = await failed(create());
    expect(refused).toBeInstanceOf(PaymentAwayError);
    expect((refused as PaymentAwayError).retryAfterMs).toBeGreaterThan(0);
    expect(await failed(payments.method('pm_card_visa', 'key'))).toBeInstanceOf(PaymentAwayError);
    expect(asked).toEqual([]);
  });

  it('a payment that may exist is looked up and cancelled all the same', async () => {
    expect(await failed(payments.find('pi_1'))).toBeInstanceOf(PaymentUnavailableError);
    const cancelled = await failed(payments.cancel('pi_1'));
    expect(cancelled).toBeInstanceOf(PaymentUnavailableError);
    expect(cancelled).not.toBeInstanceOf(PaymentAwayError);
    expect(asked).toEqual(['GET /v1/payment_intents/pi_1', 'POST /v1/payment_intents/pi_1/cancel']);
    expect(breaker?.state).toBe('open');
  });

  it('the first of these that is answered lets all through', async () => {
    script = well;
    expect(await payments.find('pi_1')).toMatchObject({ id: 'pi_1' });
    expect(breaker?.state).toBe('closed');
    expect(await create()).toMatchObject({ id: 'pi_1' });
  });

  it('also when the answer is no', async () => {
    script = fault(404, { type: 'invalid_request_error', code: 'resource_missing', message: 'none' });
    expect(await payments.find('pi_2')).toBeNull();
    expect(breaker?.state).toBe('closed');
  });
});

it('without one it is asked always', async () => {
  await payments.stop();
  payments = new StripePayments({
    kind: 'stripe',
    secretKey: 'sk_test_secret_of_this_spec',
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    protocol: 'http',
    maxNetworkRetries: 0,
    logger: silentLogger,
  });
  script = fault(503, { type: 'api_error', message: 'away' });
  for (let i = 0; i < 3 * FAILURES; i += 1) await failed(create());
  expect(asked).toHaveLength(3 * FAILURES);
});
