/** What the payment sandbox does beyond the port: Stripe's manners, test cards, its page and its webhooks. */
import { createServer, type Server } from 'node:http';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import Stripe from 'stripe';
import { PaymentUnavailableError, RefundRefusedError, type Payment } from '../../src/payments/port.js';
import { SandboxServer } from '../../src/payments/sandbox/server.js';
import { systemClock } from '../../src/process/clock.js';
import { RETURN_URL, known, newPayment, pay } from './provider-suite.js';
import { WEBHOOK_SECRET, logger, sandboxWorld, until, type SandboxWorld } from './worlds.js';
import { recorded, type RecordedDocuments } from './faulty-documents.js';

const KEY = 'sk_test_of_this_spec';

describe('the payment sandbox', () => {
  let world: SandboxWorld;
  let kept: RecordedDocuments;
  let server: SandboxServer;
  let base: string;
  let stripe: Stripe;

  beforeAll(async () => {
    world = await sandboxWorld();
    kept = recorded(world.documents);
    server = new SandboxServer({
      documents: kept,
      clock: systemClock,
      logger,
      secretKey: KEY,
      // Long enough for three requests to come meanwhile.
      slowMs: 1_500,
      laterMs: 50,
    });
    const port = await server.start();
    base = `http://127.0.0.1:${port}`;
    stripe = new Stripe(KEY, {
      host: '127.0.0.1',
      port,
      protocol: 'http',
      maxNetworkRetries: 0,
      telemetry: false,
    });
  });
  afterAll(async () => {
    await server.stop();
    await world.close();
  });

  const post = (path: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${base}/v1/${path}`, {
      method: 'POST',
      body,
      headers: {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      },
    });
  const errorOf = async (response: Response): Promise<Record<string, unknown>> =>
    ((await response.json()) as { error: Record<string, unknown> }).error;
  const created = (amount = 1_000): Promise<Stripe.PaymentIntent> =>
    stripe.paymentIntents.create({ amount, currency: 'usd', automatic_payment_methods: { enabled: true } });
  const confirmed = async (method: string): Promise<Stripe.PaymentIntent> =>
    stripe.paymentIntents.confirm((await created()).id, { payment_method: method, return_url: RETURN_URL });

  describe('test cards by number', () => {
    const methodOf = async (number: string): ReturnType<SandboxWorld['provider']['method']> =>
      world.provider.method(number, randomUUID());

    test.each([
      '4242424242424242',
      '4242 4242 4242 4242',
      '4242-4242-4242-4242',
      '5555555555554444',
      '2223003122003222',
      '378282246310005',
      '36227206271667',
      '6205500000000000004',
    ])('%s pays, and is a card that everybody has', async (number) => {
      const method = await methodOf(number);
      expect(method).toEqual({ id: expect.stringMatching(/^pm_/) });
      const payment = await world.provider.create(newPayment());
      const paid = await pay(world.elsewhere, payment, 'id' in method ? method.id : '');
      expect(paid.status).toBe('succeeded');
      expect(paid).not.toHaveProperty('cardFingerprint');
    });

    test.each([
      ['4000000000000002', 'generic_decline'],
      ['4000000000009995', 'insufficient_funds'],
      ['4000000000009987', 'lost_card'],
      ['4000000000009979', 'stolen_card'],
      ['4000000000000069', 'expired_card'],
      ['4000000000000127', 'incorrect_cvc'],
      ['4000000000000119', 'processing_error'],
      ['4000000000006975', 'card_velocity_exceeded'],
      ['4100000000000019', 'fraudulent'],
    ])('%s is declined: %s', async (number, declineReason) => {
      const method = await methodOf(number);
      const payment = await world.provider.create(newPayment());
      expect(await pay(world.provider, payment, 'id' in method ? method.id : '')).toMatchObject({
        status: 'requires_payment_method',
        declineReason,
      });
    });

    test.each([
      ['4111111111111111', 'test_mode_live_card'],
      ['5454545454545454', 'test_mode_live_card'],
      ['4242424242424241', 'incorrect_number'],
      ['4242x4242', 'invalid_payment_method'],
    ])('%s is no test card: %s', async (number, declineReason) => {
      expect(await methodOf(number)).toEqual({ declineReason });
    });

    test('other numbers that begin with 42424242 are cards of one’s own', async () => {
      const numbers = ['4242424200000000', '4242424200000018', '4242424200000000'];
      const methods = await Promise.all(numbers.map(methodOf));
      const prints = methods.map((method) => ('id' in method ? method.fingerprint : undefined));
      expect(prints[0]).toMatch(/^[\w-]{16}$/);
      expect(prints[2]).toBe(prints[0]);
      expect(prints[1]).not.toBe(prints[0]);
      const [first] = methods;
      const payment = await world.provider.create(newPayment());
      expect(await pay(world.provider, payment, first && 'id' in first ? first.id : '')).toMatchObject({
        status: 'succeeded',
        cardFingerprint: prints[0],
      });
    });

    test('the same key is the same method', async () => {
      const [one, again] = await Promise.all(
        [1, 2].map(() => known(() => world.provider.method('4242424200000000', 'k-1'))),
      );
      expect(again).toEqual(one);
    });
  });

  test('keeps no card number and no client secret', async () => {
    const number = '4242424200000000';
    const method = await stripe.paymentMethods.create({
      type: 'card',
      card: { number, exp_month: 12, exp_year: 2040, cvc: '987' },
    });
    const intent = await created();
    const asked = await stripe.paymentIntents.confirm(intent.id, {
      payment_method: 'pm_card_threeDSecure2Required',
      return_url: RETURN_URL,
    });
    const secret = intent.client_secret ?? '';
    const token = new URL(asked.next_action?.redirect_to_url?.url ?? '').searchParams.get('token') ?? '';
    await stripe.paymentIntents.confirm(intent.id, { payment_method: method.id, return_url: RETURN_URL });
    const written = kept.written();
    for (const text of [number, secret, token]) {
      expect(text.length).toBeGreaterThan(10);
      expect(written.some((value) => value.includes(text))).toBe(false);
    }
    // Too short to be looked for inside of others: times and random names may have these digits.
    for (const text of ['00000000', '987']) {
      expect(written.some((value) => new RegExp(`(?<!\\w)${text}(?!\\w)`).test(value))).toBe(false);
    }
    expect(written.some((value) => value.includes(intent.id))).toBe(true);
  });

  describe('Stripe’s manners', () => {
    test('the wrong key is refused', async () => {
      for (const authorization of ['', 'Bearer sk_test_other', `Basic ${KEY}`]) {
        const response = await fetch(`${base}/v1/payment_intents`, { headers: { authorization } });
        expect(response.status).toBe(401);
      }
    });

    test('what it does not have is said', async () => {
      await expect(stripe.customers.list()).rejects.toThrow(/Unrecognized request URL/);
      const asked = stripe.paymentIntents.create({ amount: 1, currency: 'usd', off_session: true });
      await expect(asked).rejects.toMatchObject({ code: 'parameter_unknown', param: 'off_session' });
      for (const body of [
        'amount=x&currency=usd',
        'currency=usd',
        'amount=0&currency=usd',
        'amount=5&currency=us',
      ]) {
        const response = await post('payment_intents', body);
        expect(response.status).toBe(400);
        expect(await errorOf(response)).toMatchObject({ type: 'invalid_request_error' });
      }
      for (const body of [
        'a[b][c][d][e][f][g]=1',
        'a=1&a[b]=2',
        '__proto__[x]=1',
        `a=${'x'.repeat(70_000)}`,
      ]) {
        expect((await post('payment_intents', body)).status).toBe(400);
      }
      expect((await post('payment_intents', `x=1&${'y=1&'.repeat(300)}`)).status).toBe(400);
    });

    test('a key gives the first answer again, and other parameters are refused', async () => {
      const headers = { 'idempotency-key': randomUUID() };
      const first = await post('payment_intents', 'amount=500&currency=usd', headers);
      const again = await post('payment_intents', 'amount=500&currency=usd', headers);
      expect(await again.json()).toEqual(await first.json());
      expect([first, again].map((one) => one.headers.get('idempotent-replayed'))).toEqual([null, 'true']);
      expect(again.headers.get('request-id')).toMatch(/^req_/);
      const other = await post('payment_intents', 'amount=501&currency=usd', headers);
      expect(other.status).toBe(400);
      expect(await errorOf(other)).toMatchObject({ type: 'idempotency_error' });
      expect((await post('refunds', 'amount=500&currency=usd', headers)).status).toBe(400);
    });

    test('a decline is remembered under the key, what was not understood is not', async () => {
      const { id } = await created();
      const headers = { 'idempotency-key': randomUUID() };
      const body = `payment_method=pm_card_visa_chargeDeclined&return_url=${encodeURIComponent(RETURN_URL)}`;
      const first = await post(`payment_intents/${id}/confirm`, body, headers);
      expect(first.status).toBe(402);
      const error = await errorOf(first);
      expect(error).toMatchObject({
        type: 'card_error',
        code: 'card_declined',
        decline_code: 'generic_decline',
      });
      await post(`payment_intents/${id}/confirm`, 'payment_method=pm_card_visa');
      const again = await post(`payment_intents/${id}/confirm`, body, headers);
      expect([again.status, await errorOf(again)]).toEqual([402, error]);
      const retry = { 'idempotency-key': randomUUID() };
      expect((await post('payment_intents', 'amount=x&currency=usd', retry)).status).toBe(400);
      expect((await post('payment_intents', 'amount=5&currency=usd', retry)).status).toBe(200);
    });

    test('a key that is being worked on is refused for now', async () => {
      const { id } = await created();
      const headers = { 'idempotency-key': randomUUID() };
      const call = (): Promise<Response> =>
        post(`payment_intents/${id}/confirm`, 'payment_method=pm_sandbox_slow', headers);
      const answers = await Promise.all([call(), call(), call()]);
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409]);
      expect((await call()).headers.get('idempotent-replayed')).toBe('true');
    });

    test('lists are pages, newest first', async () => {
      const since = Math.floor(Date.now() / 1000);
      const made: string[] = [];
      for (let count = 0; count < 5; count += 1) made.unshift((await created()).id);
      const listed: string[] = [];
      for await (const { id } of stripe.paymentIntents.list({ limit: 2, created: { gte: since } }))
        listed.push(id);
      expect(listed.filter((id) => made.includes(id))).toHaveLength(5);
      expect(listed.slice(0, 5)).toEqual(expect.arrayContaining(made));
      await expect(stripe.paymentIntents.list({ starting_after: 'pi_none' })).rejects.toMatchObject({
        code: 'resource_missing',
      });
    });
  });

  test('200 concurrent confirms make one charge', async () => {
    const { id } = await created();
    const body = (index: number): string =>
      `payment_method=${index % 3 ? 'pm_card_visa' : 'pm_card_mastercard'}`;
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => post(`payment_intents/${id}/confirm`, body(index))),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const charges = await stripe.charges.list({ payment_intent: id });
    expect(charges.data.filter(({ paid }) => paid)).toHaveLength(1);
    expect(charges.data).toHaveLength(1);
  });

  describe('3-D Secure', () => {
    const opened = async (method: string): Promise<{ intent: Stripe.PaymentIntent; url: string }> => {
      const intent = await confirmed(method);
      expect(intent.status).toBe('requires_action');
      return { intent, url: intent.next_action?.redirect_to_url?.url ?? '' };
    };
    const choose = (url: string, result: string): Promise<Response> =>
      fetch(url, { method: 'POST', body: new URLSearchParams({ result }), redirect: 'manual' });

    test.each([
      ['pm_card_authenticationRequired', 'complete', 'succeeded', undefined],
      ['pm_card_authenticationRequiredOnSetup', 'complete', 'succeeded', undefined],
      ['pm_card_threeDSecure2Required', 'complete', 'succeeded', undefined],
      [
        'pm_card_threeDSecure2Required',
        'fail',
        'requires_payment_method',
        'payment_intent_authentication_failure',
      ],
      ['pm_card_threeDSecureRequiredChargeDeclined', 'complete', 'requires_payment_method', 'card_declined'],
      [
        'pm_card_authenticationRequiredChargeDeclinedInsufficientFunds',
        'complete',
        'requires_payment_method',
        'card_declined',
      ],
    ])('%s, %s: %s %s', async (method, result, status, code) => {
      const { intent, url } = await opened(method);
      const page = await fetch(url);
      const text = await page.text();
      expect(page.status).toBe(200);
      expect(text).not.toMatch(/<script/);
      expect(page.headers.get('content-security-policy')).toContain(
        `form-action 'self' https://tickets.example;`,
      );
      const answer = await choose(url, result);
      expect(answer.status).toBe(303);
      const back = new URL(answer.headers.get('location') ?? '');
      expect(back.href.startsWith(RETURN_URL)).toBe(true);
      expect(Object.fromEntries(back.searchParams)).toEqual({
        order: '7',
        payment_intent: intent.id,
        payment_intent_client_secret: intent.client_secret,
        redirect_status: status === 'succeeded' ? 'succeeded' : 'failed',
      });
      const after = await stripe.paymentIntents.retrieve(intent.id);
      expect(after.status).toBe(status);
      expect(after.last_payment_error?.code).toBe(code);
    });

    test('the link is good for one attempt, and its address cannot be changed', async () => {
      const { intent, url } = await opened('pm_card_threeDSecure2Required');
      const forged = [
        url.replace(/token=.*/, 'token=x'),
        url.replace('attempt=1', 'attempt=2'),
        url.replace(intent.id, (await created()).id),
        url.split('?')[0] ?? '',
      ];
      for (const other of forged) {
        expect((await fetch(other)).status).toBe(404);
        expect((await choose(other, 'complete')).status).toBe(404);
      }
      expect((await choose(url, 'nothing')).status).toBe(400);
      const elsewhere = await choose(`${url}&return_url=https://evil.example`, 'fail');
      expect(elsewhere.headers.get('location')).toMatch(/^https:\/\/tickets\.example\//);
      // Used up: the same link decides nothing any more.
      await choose(url, 'complete');
      expect((await stripe.paymentIntents.retrieve(intent.id)).status).toBe('requires_payment_method');
    });

    test('of a cancel and an answer that meet one wins', async () => {
      for (let round = 0; round < 5; round += 1) {
        const { intent, url } = await opened('pm_card_threeDSecure2Required');
        const [, cancel] = await Promise.allSettled([
          choose(url, 'complete'),
          stripe.paymentIntents.cancel(intent.id),
        ]);
        const after = await stripe.paymentIntents.retrieve(intent.id);
        expect(after.status).toBe(cancel.status === 'fulfilled' ? 'canceled' : 'succeeded');
      }
    });
  });

  describe('what comes later', () => {
    const paidWith = async (method: string): Promise<Payment> =>
      pay(world.provider, await world.provider.create(newPayment()), method);

    test('an asynchronous refund is on its way, then done', async () => {
      const { id } = await paidWith('pm_card_pendingRefund');
      await world.provider.refund({ paymentId: id, totalMinor: 15_000, attempt: 0 });
      const state = async (): Promise<string | null | undefined> =>
        (await stripe.refunds.list({ payment_intent: id })).data[0]?.status;
      await until('the refund succeeds', async () => (await state()) === 'succeeded');
      expect(await world.elsewhere.find(id)).toMatchObject({ refundedMinor: 15_000 });
    });

    test('a refund that fails later counts no more, and can be tried again', async () => {
      const { id } = await paidWith('pm_card_refundFail');
      expect(await world.provider.refund({ paymentId: id, totalMinor: 15_000, attempt: 0 })).toMatchObject({
        refundedMinor: 15_000,
      });
      await until('the refund fails', async () => (await world.elsewhere.find(id))?.refundedMinor === 0);
      await world.provider.refund({ paymentId: id, totalMinor: 15_000, attempt: 0 });
      expect((await stripe.refunds.list({ payment_intent: id })).data).toHaveLength(2);
    });

    test('a dispute comes in, forbids refunds, and is won or lost', async () => {
      for (const [evidence, outcome] of [
        ['winning_evidence', 'won'],
        ['losing_evidence', 'lost'],
      ] as const) {
        const { id } = await paidWith('pm_card_createDispute');
        await until('the dispute', async () => (await world.provider.find(id))?.dispute === 'open');
        const refund = world.provider.refund({ paymentId: id, totalMinor: 1, attempt: 0 });
        await expect(refund).rejects.toBeInstanceOf(RefundRefusedError);
        const [dispute] = (await stripe.disputes.list({ payment_intent: id })).data;
        await stripe.disputes.update(dispute?.id ?? '', { evidence: { uncategorized_text: evidence } });
        expect(await world.elsewhere.find(id)).toMatchObject({ dispute: outcome });
      }
    });

    test('more refunds than come with a charge are all counted', async () => {
      const { id } = await paidWith('pm_card_visa');
      for (let total = 1; total <= 12; total += 1)
        await world.provider.refund({ paymentId: id, totalMinor: total, attempt: 0 });
      expect(await world.elsewhere.find(id)).toMatchObject({ refundedMinor: 12 });
      expect(await world.provider.refund({ paymentId: id, totalMinor: 11, attempt: 0 })).toMatchObject({
        refundedMinor: 12,
      });
    });
  });

  test('an answer that comes too late is not known, and the repeat charges once', async () => {
    const hasty = await world.open({ slowMs: 600, timeoutMs: 150, maxNetworkRetries: 0 });
    const payment = await hasty.create(newPayment());
    const request = {
      paymentId: payment.id,
      reservationId: payment.reservationId,
      attempt: 1,
      methodId: 'pm_sandbox_slow',
      returnUrl: RETURN_URL,
    };
    await expect(hasty.confirm(request)).rejects.toBeInstanceOf(PaymentUnavailableError);
    await until('it is charged', async () => (await hasty.find(payment.id))?.status === 'succeeded');
    expect(await known(() => hasty.confirm(request))).toMatchObject({ status: 'succeeded' });
    expect((await stripe.charges.list({ payment_intent: payment.id })).data).toHaveLength(1);
  });

  test('answers outlive a restart', async () => {
    const once = await world.open();
    const payment = await pay(once, await once.create(newPayment()), 'pm_card_visa');
    await once.stop();
    await expect(once.find(payment.id)).rejects.toBeInstanceOf(PaymentUnavailableError);
    await once.start();
    expect(await once.find(payment.id)).toEqual(payment);
  });

  describe('webhooks', () => {
    let receiver: Server;
    let refuse = 0;
    let messages: { type: string; paymentId: string | null; id: string }[] = [];

    beforeAll(async () => {
      receiver = createServer((request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          if (refuse > 0) {
            refuse -= 1;
            response.writeHead(500).end();
            return;
          }
          const signature = String(request.headers['stripe-signature']);
          void world.provider.webhook(Buffer.concat(chunks), signature).then(
            (message) => {
              messages.push(message);
              response.end();
            },
            () => response.writeHead(400).end(),
          );
        });
      });
      receiver.listen(0, '127.0.0.1');
      await once(receiver, 'listening');
    });
    afterAll(() => {
      receiver.close();
      receiver.closeAllConnections();
    });

    test('tell what happened, signed, again until they are taken', async () => {
      const { port } = receiver.address() as AddressInfo;
      const url = (): string => `http://127.0.0.1:${port}/hook`;
      const telling = await world.open({ webhook: { url, secret: WEBHOOK_SECRET } });
      refuse = 1;
      const payment = await pay(telling, await telling.create(newPayment()), 'pm_card_createDispute');
      const toldOf = (type: string): boolean =>
        messages.some((message) => message.type === type && message.paymentId === payment.id);
      await until(
        'payment and dispute',
        () => toldOf('payment_intent.succeeded') && toldOf('charge.dispute.created'),
      );
      const refunded = await pay(telling, await telling.create(newPayment()), 'pm_card_refundFail');
      await telling.refund({ paymentId: refunded.id, totalMinor: 5, attempt: 0 });
      await until('the failed refund', () => messages.some(({ type }) => type === 'refund.failed'));
      const events = await stripe.events.list({ limit: 100 });
      expect(events.data.map(({ id }) => id)).toEqual(expect.arrayContaining(messages.map(({ id }) => id)));
      messages = [];
    });
  });

  test('stops within a bound while a request is under way', async () => {
    const stopping = new SandboxServer({
      documents: world.documents,
      clock: systemClock,
      logger,
      secretKey: KEY,
      slowMs: 300,
    });
    const port = await stopping.start();
    const { id } = await created();
    const answer = fetch(`http://127.0.0.1:${port}/v1/payment_intents/${id}/confirm`, {
      method: 'POST',
      body: 'payment_method=pm_sandbox_slow',
      headers: { authorization: `Bearer ${KEY}` },
    });
    await until('it has begun', async () => (await stripe.paymentIntents.retrieve(id)).id === id);
    await Promise.all([stopping.stop(), answer.catch(() => undefined)]);
    await expect(fetch(`http://127.0.0.1:${port}/v1/events`)).rejects.toThrow();
  });
});
