/**
 * What we send to Stripe, and what the sandbox answers in its place, is what Stripe's published description of
 * its API has: the provider suite runs through a recorder, and each exchange is checked.
 */
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import Stripe from 'stripe';
import { StripePayments } from '../../src/payments/stripe.js';
import { skipBecause } from '../helpers/skips.js';
import { OpenApi, type ApiDescription, type Exchange } from './openapi.js';
import { RETURN_URL, providerSuite, type ProviderWorld } from './provider-suite.js';
import { Recorder } from './recorder.js';
import { DAY_MS, MovableClock, WEBHOOK_SECRET, logger, sandboxWorld, until } from './worlds.js';

const FILE = process.env['STRIPE_OPENAPI'];
const KEY = 'sk_test_of_this_spec';

if (FILE === undefined) {
  skipBecause(
    'Requests and answers are checked against Stripe’s published API description',
    'STRIPE_OPENAPI does not name a file (openapi/spec3.json of https://github.com/stripe/openapi)',
  );
} else {
  checkAgainst(FILE);
}

function checkAgainst(file: string): void {
  const exchanges: Exchange[] = [];

  const recordedWorld = async (): Promise<ProviderWorld> => {
    const world = await sandboxWorld({ secretKey: KEY });
    const recorders: Recorder[] = [];
    const through = async (target: string): Promise<StripePayments> => {
      const recorder = new Recorder(target);
      recorders.push(recorder);
      return new StripePayments({
        kind: 'sandbox',
        secretKey: KEY,
        webhookSecret: WEBHOOK_SECRET,
        host: '127.0.0.1',
        port: await recorder.start(),
        protocol: 'http',
        logger,
      });
    };
    const provider = await through(world.provider.server.url ?? '');
    const elsewhere = await through(world.elsewhere.server.url ?? '');
    return {
      provider,
      elsewhere,
      webhookSecret: WEBHOOK_SECRET,
      close: async () => {
        exchanges.push(...recorders.flatMap((recorder) => recorder.exchanges));
        recorders.forEach((recorder) => recorder.stop());
        await Promise.all([provider.stop(), elsewhere.stop()]);
        await world.close();
      },
    };
  };

  providerSuite('through a recorder', recordedWorld, 20);

  describe('Stripe’s description of its API', () => {
    const described = async (): Promise<OpenApi> =>
      new OpenApi(JSON.parse(await readFile(file, 'utf8')) as ApiDescription);

    test('has all that the suite sent and was answered', async () => {
      const api = await described();
      const operations = new Set(exchanges.map(({ method, path }) => `${method} ${path.split(/[/?]/)[2]}`));
      expect([...operations]).toEqual(
        expect.arrayContaining([
          'POST payment_intents',
          'GET payment_intents',
          'GET payment_methods',
          'POST refunds',
          'GET balance_transactions',
          'GET payouts',
        ]),
      );
      expect([...new Set(exchanges.flatMap((exchange) => api.faults(exchange)))]).toEqual([]);
    });

    test('has every object that the sandbox makes', async () => {
      const api = await described();
      const clock = new MovableClock();
      const world = await sandboxWorld({ secretKey: KEY, clock });
      const recorder = new Recorder(world.provider.server.url ?? '');
      const port = await recorder.start();
      const stripe = new Stripe(KEY, { host: '127.0.0.1', port, protocol: 'http', telemetry: false });
      await useAll(stripe);
      await readBalance(stripe);
      // More than all that is given back.
      const { id } = await stripe.paymentIntents.create({ amount: 100_000, currency: 'usd' });
      await stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa', return_url: RETURN_URL });
      clock.advance(2 * DAY_MS);
      expect(await readBalance(stripe)).toBeGreaterThan(0);
      const { data: events } = await stripe.events.list({ limit: 100 });
      recorder.stop();
      await world.close();
      expect([...new Set(recorder.exchanges.flatMap((exchange) => api.faults(exchange)))]).toEqual([]);
      expect(events.length).toBeGreaterThan(5);
      for (const { data } of events) {
        const { object } = data.object as { object: string };
        expect(api.objectFaults(object, data.object)).toEqual([]);
      }
    });

    test('would tell', async () => {
      const api = await described();
      const sent = (form: string): string[] =>
        api.faults({ method: 'POST', path: '/v1/refunds', form, status: 200, answer: { id: 7 } });
      const faults = sent('amount=x&reason=none&expand[0]=a&color=red&metadata[a]=b');
      for (const fault of [
        'amount: is no integer',
        'none is none of its values',
        'unknown color',
        'currency is missing',
        'id: is number',
      ]) {
        expect(faults).toContainEqual(expect.stringContaining(fault));
      }
      expect(faults.join()).not.toMatch(/expand|metadata/);
      expect(
        api.faults({ method: 'GET', path: '/v1/nothing', form: '', status: 200, answer: {} }),
      ).toHaveLength(1);
    });
  });
}

/** Every operation of the sandbox that the provider suite does not reach. */
async function useAll(stripe: Stripe): Promise<void> {
  const card = { number: '4242424200000000', exp_month: 1, exp_year: 2040, cvc: '123' };
  const method = await stripe.paymentMethods.create({ type: 'card', card });
  await stripe.paymentMethods.retrieve(method.id);
  for (const used of [
    method.id,
    'pm_card_visa_chargeDeclined',
    'pm_card_pendingRefund',
    'pm_card_refundFail',
    'pm_card_createDispute',
    'pm_card_threeDSecure2Required',
  ]) {
    const { id } = await stripe.paymentIntents.create({ amount: 700, currency: 'usd' });
    const paid = await stripe.paymentIntents
      .confirm(id, { payment_method: used, return_url: RETURN_URL, expand: ['latest_charge'] })
      .catch(() => null);
    const [charge] = (await stripe.charges.list({ payment_intent: id })).data;
    if (charge) await stripe.charges.retrieve(charge.id);
    if (paid?.status !== 'succeeded') continue;
    if (used === 'pm_card_createDispute') await disputed(stripe, id);
    else await refunded(stripe, id);
  }
  await stripe.paymentIntents.retrieve('pi_none').catch(() => null);
  await stripe.paymentMethods
    .create({ type: 'card', card: { ...card, number: '4111111111111111' } })
    .catch(() => null);
  const [event] = (await stripe.events.list({ type: 'refund.failed' })).data;
  await stripe.events.retrieve(event?.id ?? '');
}

/** Answers how many payouts there are. */
async function readBalance(stripe: Stripe): Promise<number> {
  await stripe.balanceTransactions.list({ limit: 100 });
  await stripe.balanceTransactions.list({ limit: 100, expand: ['data.source'] });
  const { data: payouts } = await stripe.payouts.list({ limit: 100 });
  for (const { id } of payouts) {
    await stripe.payouts.retrieve(id);
    await stripe.balanceTransactions.list({ payout: id, limit: 100, expand: ['data.source'] });
  }
  await stripe.payouts.retrieve('po_none').catch(() => null);
  await stripe.balanceTransactions.list({ payout: 'po_none' }).catch(() => null);
  return payouts.length;
}

async function disputed(stripe: Stripe, id: string): Promise<void> {
  await until(
    'the dispute',
    async () => (await stripe.disputes.list({ payment_intent: id })).data.length > 0,
  );
  const [dispute] = (await stripe.disputes.list({ payment_intent: id })).data;
  await stripe.refunds.create({ payment_intent: id }).catch(() => null);
  await stripe.disputes.retrieve(dispute?.id ?? '');
  await stripe.disputes.update(dispute?.id ?? '', { evidence: { uncategorized_text: 'losing_evidence' } });
}

async function refunded(stripe: Stripe, id: string): Promise<void> {
  const { id: refundId } = await stripe.refunds.create({ payment_intent: id, amount: 300 });
  await until('the refund is over', async () => {
    const { status } = await stripe.refunds.retrieve(refundId);
    return status !== 'pending';
  });
  await until('its events are told', async () => {
    const { data } = await stripe.events.list({ limit: 100 });
    const failed = data.some(({ type }) => type === 'refund.failed');
    const charge = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge'] });
    const isFailing =
      typeof charge.latest_charge === 'object' &&
      charge.latest_charge?.payment_method === 'pm_card_refundFail';
    return failed || !isFailing;
  });
}
