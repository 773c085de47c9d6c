/** What is paid out, through the sandbox and Stripe's library, and beside it the records of real purchases. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import Stripe from 'stripe';
import { createGate } from '../../src/http/gate.js';
import { reservationId as newReservationId } from '../../src/http/identity.js';
import { createMetrics } from '../../src/http/metrics.js';
import { createService, type Service } from '../../src/http/service.js';
import { PaymentFlow } from '../../src/payments/flow.js';
import { PayoutDesk } from '../../src/payments/payouts.js';
import { PayoutResults } from '../../src/payments/payouts/results.js';
import { payoutRoutes } from '../../src/payments/payouts/routes.js';
import { PayoutWatch } from '../../src/payments/payouts/watch.js';
import type { BalanceTransaction, Payment, PaymentProvider, Payout } from '../../src/payments/port.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { requireOperator } from '../../src/users/operators.js';
import { FakeSecurity, Market, SETTLEMENT, accessTokenOf, fakeTokens, someMatch } from '../http/fakes.js';
import { newPayment, pay } from './provider-suite.js';
import { DAY_MS, MovableClock, logger, sandboxWorld, until, type SandboxWorld } from './worlds.js';

const HOUR = 3_600_000;
const KEY = 'sk_test_of_this_spec';

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
const net = (lines: readonly BalanceTransaction[]): number =>
  lines.reduce((sum, { amountMinor, feeMinor }) => sum + amountMinor - feeMinor, 0);
const told = (lines: readonly BalanceTransaction[]): string[] =>
  lines.map(({ kind, amountMinor, feeMinor }) => `${kind} ${amountMinor} ${feeMinor}`);

describe('what the sandbox pays out', () => {
  let clock: MovableClock;
  let world: SandboxWorld;
  let provider: PaymentProvider;
  let elsewhere: PaymentProvider;

  beforeEach(async () => {
    clock = new MovableClock();
    // At noon: no test is so slow that its day ends.
    clock.advanceToNextDay(12);
    world = await sandboxWorld({ clock, secretKey: KEY });
    ({ provider, elsewhere } = world);
  });
  afterEach(() => world.close());

  const paid = async (amountMinor: number, method = 'pm_card_visa', currency = 'USD'): Promise<Payment> =>
    pay(provider, await provider.create(newPayment({ amountMinor, currency })), method);
  const payouts = async (): Promise<readonly Payout[]> => (await provider.payouts({ limit: 100 })).payouts;

  test('is everything of the days before, once, in the currency it came in', async () => {
    const first = await paid(15_000);
    await paid(7_500, 'pm_card_visa', 'EUR');
    await paid(5_000, 'pm_card_visa_chargeDeclined');
    expect(await payouts()).toEqual([]);
    clock.advanceToNextDay(12);
    const midnight = Math.floor(clock.now() / DAY_MS) * DAY_MS;
    await provider.refund({ paymentId: first.id, totalMinor: 5_000, attempt: 0 });
    await paid(20_000);
    const made = await payouts();
    // 2.9 % and 30.
    const facts = {
      status: 'paid',
      createdAt: midnight,
      arrivalAt: midnight,
      isAutomatic: true,
      isClosed: true,
    };
    expect(made.toSorted((a, b) => (a.currency < b.currency ? 1 : -1))).toEqual([
      { id: expect.any(String), amountMinor: 14_535, currency: 'USD', ...facts },
      { id: expect.any(String), amountMinor: 7_252, currency: 'EUR', ...facts },
    ]);
    clock.advanceToNextDay(0);
    const [newest] = await payouts();
    const lines = await all(provider.balanceTransactions({ payout: newest!.id }));
    expect(told(lines).toSorted()).toEqual(['charge 20000 610', 'refund -5000 0']);
    expect(newest).toMatchObject({ amountMinor: 14_390, currency: 'USD' });
    // With the payouts that have left it, the balance is empty.
    expect(net(await all(provider.balanceTransactions({ since: 0 })))).toBe(0);
    expect(await elsewhere.payouts({ limit: 100 })).toEqual(await provider.payouts({ limit: 100 }));
    const again = await all(elsewhere.balanceTransactions({ payout: newest!.id }));
    expect(again).toEqual(lines);
  });

  test('waits while the balance is nothing or less', async () => {
    const first = await paid(15_000);
    clock.advanceToNextDay(12);
    await provider.refund({ paymentId: first.id, totalMinor: 15_000, attempt: 0 });
    clock.advanceToNextDay(12);
    await paid(1_000);
    clock.advanceToNextDay(12);
    expect(await payouts()).toHaveLength(1);
    await paid(20_000);
    clock.advanceToNextDay(12);
    const [newest, ...others] = await payouts();
    expect([newest?.amountMinor, others.length]).toEqual([-15_000 + 1_000 - 59 + 20_000 - 610, 1]);
    const lines = await all(provider.balanceTransactions({ payout: newest!.id }));
    expect(told(lines)).toEqual(['charge 20000 610', 'charge 1000 59', 'refund -15000 0']);
  });

  test('has disputes with their fee, and what comes back', async () => {
    const disputed = await paid(10_000, 'pm_card_createDispute');
    await until('the dispute', async () => (await provider.find(disputed.id))?.dispute === 'open');
    const failing = await paid(10_000, 'pm_card_refundFail');
    await provider.refund({ paymentId: failing.id, totalMinor: 4_000, attempt: 0 });
    await until('it comes back', async () => (await provider.find(failing.id))?.refundedMinor === 0);
    const stripe = new Stripe(KEY, {
      host: '127.0.0.1',
      port: new URL(world.provider.server.url ?? '').port,
      protocol: 'http',
      telemetry: false,
    });
    const [dispute] = (await stripe.disputes.list({ payment_intent: disputed.id })).data;
    await stripe.disputes.update(dispute!.id, { evidence: { uncategorized_text: 'winning_evidence' } });
    clock.advanceToNextDay(12);
    const [made] = await payouts();
    const lines = await all(provider.balanceTransactions({ payout: made!.id }));
    expect(told(lines).toSorted()).toEqual([
      'charge 10000 320',
      'charge 10000 320',
      'dispute -10000 1500',
      'dispute_reversal 10000 0',
      'refund -4000 0',
      'refund_failure 4000 0',
    ]);
    expect(new Set(lines.map(({ paymentId }) => paymentId))).toEqual(new Set([disputed.id, failing.id]));
    expect(made?.amountMinor).toBe(net(lines));
    const after = await stripe.disputes.retrieve(dispute!.id);
    expect(after.balance_transactions.map(({ amount, status }) => [amount, status])).toEqual([
      [-10_000, 'available'],
      [10_000, 'available'],
    ]);
  });

  test('is listed in pages, and by what is asked for', async () => {
    for (let count = 0; count < 3; count += 1) await paid(1_000 + count);
    const since = clock.now();
    const last = await paid(9_000);
    await provider.refund({ paymentId: last.id, totalMinor: 500, attempt: 0 });
    clock.advanceToNextDay(12);
    const stripe = new Stripe(KEY, {
      host: '127.0.0.1',
      port: new URL(world.provider.server.url ?? '').port,
      protocol: 'http',
      telemetry: false,
    });
    const ids = async (params: Stripe.BalanceTransactionListParams): Promise<string[]> =>
      (await all(stripe.balanceTransactions.list(params))).map(({ id }) => id);
    const everything = await ids({ limit: 100 });
    expect(everything).toHaveLength(6);
    expect(await ids({ limit: 1 })).toEqual(everything);
    expect(await ids({ limit: 2, type: 'charge' })).toHaveLength(4);
    expect(await ids({ limit: 2, type: 'payout' })).toHaveLength(1);
    expect(await ids({ created: { gte: Math.floor(since / 1000) + 60 } })).toEqual(everything.slice(0, 1));
    // Paid out together, and with the payout itself, as Stripe has it.
    const [payout] = (await stripe.payouts.list()).data;
    expect(await ids({ payout: payout!.id, limit: 4 })).toEqual(everything);
    expect(await all(provider.balanceTransactions({ payout: payout!.id }))).toHaveLength(5);
    const [whole] = (await stripe.balanceTransactions.list({ limit: 1, type: 'charge' })).data;
    const charge = await stripe.charges.retrieve(whole!.source as string);
    expect(charge).toMatchObject({ balance_transaction: whole!.id, payment_intent: last.id });
    await expect(stripe.balanceTransactions.list({ starting_after: 'txn_none' })).rejects.toMatchObject({
      code: 'resource_missing',
    });
    await expect(stripe.balanceTransactions.list({ payout: 'po_none' })).rejects.toMatchObject({
      code: 'resource_missing',
    });
  });
});

describe('payouts beside the payments on record', () => {
  const OPERATOR = { Authorization: `Bearer ${accessTokenOf({ accountId: 'op', roles: ['operator'] })}` };
  const LIST = '/api/v1/payments/payouts';
  let clock: MovableClock;
  let world: SandboxWorld;
  let market: Market;
  let records: PaymentRecords;
  let flow: PaymentFlow;
  let service: Service;
  let url: string;
  let watch: PayoutWatch;
  let mismatches: () => Promise<number | undefined>;

  beforeAll(async () => {
    clock = new MovableClock();
    clock.advanceToNextDay(8);
    world = await sandboxWorld({ clock });
    const { provider, documents } = world;
    market = new Market(clock);
    market.open(someMatch(1), 50);
    records = new PaymentRecords(documents);
    flow = new PaymentFlow({
      gateway: market,
      provider,
      reader: market,
      records,
      clock,
      logger,
      policy: { ...SETTLEMENT, disputes: 'keep' },
      providerWaitMs: 5_000,
      unkeyedOutcomeMs: 1_000,
      newId: randomUUID,
      returnUrl: (id) => `http://127.0.0.1/reservations/${id}`,
      taxPercent: 0,
    });
    const results = new PayoutResults(documents, clock);
    const desk = new PayoutDesk({ provider, records, results, clock, currency: 'USD' });
    const registry = new Registry();
    const metrics = createMetrics(registry);
    watch = new PayoutWatch({
      desk,
      provider,
      results,
      clock,
      logger,
      everyMs: HOUR,
      onMismatches: (count) => metrics.paymentMismatches.set(count),
    });
    mismatches = async () => (await metrics.paymentMismatches.get()).values[0]?.value;
    service = createService({
      info: { title: 'ticktak', version: '0.0.0', description: 'Under test' },
      routes: payoutRoutes({
        desk,
        requireOperator: (principal) => requireOperator(principal, { secondFactor: 'optional' }),
      }),
      gate: createGate({ tokens: fakeTokens, security: new FakeSecurity() }),
      checks: [],
      registry,
      metrics,
      logger,
      clock,
      portSetting: 'PAYMENTS_PORT',
    });
    url = `http://127.0.0.1:${await service.listen('127.0.0.1', 0)}`;
  });
  afterAll(async () => {
    await service.close();
    await world.close();
  });

  const ids = (): { id: string; keepMs: number } => ({ id: randomUUID(), keepMs: 60_000 });
  /** A purchase, as buyers make them. Answers its payment. */
  async function bought(quantity: number, card = 'pm_card_visa'): Promise<string> {
    const ticket = { matchNumber: 1, category: 1 };
    const reservationId = newReservationId(ticket, randomUUID());
    const person = `${reservationId}@example.com`;
    market.do(ticket, { type: 'hold', reservationId, quantity, email: person, person });
    const result = await flow.pay({ ticket, reservationId }, card, ids());
    expect(result.kind).toBe('reserved');
    return (await market.find(reservationId))!.paymentId!;
  }
  async function refunded(paymentId: string, quantity: number): Promise<void> {
    const { reservationId } = (await records.get(paymentId))!;
    const ref = { ticket: { matchNumber: 1, category: 1 }, reservationId };
    expect((await flow.refund({ ref, paymentId, quantity }, ids())).kind).toBe('refunded');
    await flow.look(paymentId);
  }

  interface Reconciled {
    readonly payout: Record<string, unknown> | null;
    readonly totals: Record<string, number>;
    readonly lines: readonly Record<string, unknown>[];
    readonly missing: readonly Record<string, unknown>[];
    readonly mismatches: number;
    readonly isComplete: boolean;
  }
  const ask = (path: string, headers: Record<string, string> = OPERATOR): Promise<Response> =>
    fetch(url + path, { headers });
  async function get<T>(path: string): Promise<T> {
    const response = await ask(path);
    expect(response.status).toBe(200);
    return (await response.json()) as T;
  }
  const linesOf = ({ lines }: Reconciled): string[] =>
    lines
      .map(({ type, paymentId, match }) => `${String(type)} ${String(paymentId)} ${String(match)}`)
      .toSorted();
  const payoutsNow = async (): Promise<readonly Record<string, unknown>[]> =>
    (await get<{ payouts: readonly Record<string, unknown>[] }>(LIST)).payouts;

  test('ordinary days match: purchases, partial refunds, a dispute', async () => {
    const one = await bought(2);
    const two = await bought(1);
    const disputed = await bought(1, 'pm_card_createDispute');
    await until('the dispute', async () => (await world.provider.find(disputed))?.dispute === 'open');
    await flow.look(disputed);
    const pending = await get<Reconciled>(`${LIST}/pending`);
    expect(pending).toMatchObject({ payout: null, mismatches: 0, missing: [], isComplete: true });
    expect(linesOf(pending)).toEqual(
      [`charge ${one} ok`, `charge ${two} ok`, `charge ${disputed} ok`, `dispute ${disputed} ok`].toSorted(),
    );

    clock.advanceToNextDay(8);
    await refunded(one, 1);
    await bought(2);
    const [made, ...others] = await payoutsNow();
    expect([others, made]).toEqual([
      [],
      expect.objectContaining({ status: 'paid', currency: 'USD', automatic: true }),
    ]);
    expect(made).not.toHaveProperty('comparison');
    const found = await get<Reconciled>(`${LIST}/${String(made!['id'])}`);
    const { comparison: _, ...plain } = made!;
    expect(found).toMatchObject({ payout: plain, mismatches: 0, missing: [], isComplete: true });
    expect(found.totals).toEqual({
      chargesMinor: 30_000,
      refundsMinor: 0,
      feesMinor: 465 + 248 + 248 + 1_500,
      disputesMinor: 7_500,
      otherMinor: 0,
      netMinor: plain['amountMinor'],
    });
    // The refund is not paid out; the day's other payments are not in the payout of the day before.
    const rest = await get<Reconciled>(`${LIST}/pending`);
    expect(rest).toMatchObject({ mismatches: 0, isComplete: true, totals: { refundsMinor: 7_500 } });
    expect(rest.lines).toHaveLength(2);
    expect((await payoutsNow())[0]).toMatchObject({ comparison: { mismatches: 0, isComplete: true } });
    await watch.look();
    expect(await mismatches()).toBe(0);
  });

  test('a refund and a charge that nobody here ordered are found, and counted', async () => {
    clock.advanceToNextDay(8);
    const one = await bought(2);
    const { reservationId } = (await records.get(one))!;
    await world.provider.refund({ paymentId: one, totalMinor: 100, attempt: 0 });
    const stray = await world.elsewhere.create(newPayment({ amountMinor: 4_400 }));
    await pay(world.elsewhere, stray, 'pm_card_visa');
    clock.advanceToNextDay(8);
    await watch.look();
    expect(await mismatches()).toBe(2);
    const [made] = await payoutsNow();
    expect(made).toMatchObject({ comparison: { mismatches: 2, isComplete: true } });
    const found = await get<Reconciled>(`${LIST}/${String(made!['id'])}`);
    expect(found.lines).toContainEqual(
      expect.objectContaining({ type: 'refund', paymentId: one, reservationId, match: 'amount_differs' }),
    );
    expect(found.lines).toContainEqual(
      expect.objectContaining({ type: 'charge', paymentId: stray.id, match: 'unknown_payment' }),
    );
    const csv = await ask(`${LIST}/${String(made!['id'])}?format=csv`);
    expect(csv.headers.get('content-type')).toMatch(/^text\/csv/);
    expect(csv.headers.get('content-disposition')).toContain(`payout-${String(made!['id'])}.csv`);
    const rows = (await csv.text()).trimEnd().split('\r\n');
    expect(rows[0]).toBe(
      'id,type,at,amountMinor,feeMinor,netMinor,currency,paymentId,reservationId,match,detail',
    );
    expect(rows).toHaveLength(1 + found.lines.length);
    const refundRow = rows.find((row) => row.includes('amount_differs'));
    expect(refundRow).toContain(`,refund,`);
    expect(refundRow).toContain(`,-100,0,-100,USD,${one},${reservationId},amount_differs,`);
    // Once the record knows, all is well.
    await flow.look(one);
    clock.advance(2 * HOUR);
    await watch.look();
    expect(await mismatches()).toBe(1);
  });

  test('a payment whose charge the provider has lost is missing', async () => {
    clock.advanceToNextDay(8);
    const [lost] = [await bought(1), await bought(1)];
    await world.documents.removeDocument('sandbox', lost);
    clock.advance(2 * HOUR);
    const pending = await get<Reconciled>(`${LIST}/pending`);
    const missing = expect.objectContaining({
      paymentId: lost,
      amountMinor: 7_500,
      reason: 'not_at_provider',
    });
    expect([pending.missing, pending.mismatches]).toEqual([[missing], 1]);
    const csv = await (await ask(`${LIST}/pending?format=csv`)).text();
    expect(csv).toContain(`,missing,,,,,,${lost},`);
    clock.advanceToNextDay(8);
    const [made] = await payoutsNow();
    expect(await get(`${LIST}/${String(made!['id'])}`)).toMatchObject({ missing: [missing], mismatches: 1 });
    expect(await get(`${LIST}/pending`)).toMatchObject({ missing: [], mismatches: 0 });
  });

  test('pages of the list', async () => {
    const made = await payoutsNow();
    expect(made.length).toBeGreaterThan(2);
    const seen: unknown[] = [];
    for (let after = ''; ;) {
      const page = await get<{ payouts: readonly { id: string }[]; next?: string }>(
        `${LIST}?limit=1${after}`,
      );
      seen.push(...page.payouts);
      if (page.next === undefined) break;
      after = `&after=${page.next}`;
    }
    expect(seen).toEqual(made);
    expect(await get(`${LIST}?after=po_none`)).toEqual({ payouts: [] });
    for (const query of ['limit=0', 'limit=101', 'limit=x'])
      expect((await ask(`${LIST}?${query}`)).status).toBe(422);
  });

  test('are for operators only, and what is no payout is not there', async () => {
    const id = String((await payoutsNow())[0]!['id']);
    const buyer = { Authorization: `Bearer ${accessTokenOf({ accountId: 'b' })}` };
    for (const path of [LIST, `${LIST}/pending`, `${LIST}/${id}`, `${LIST}/${id}?format=csv`]) {
      expect([path, (await ask(path, {})).status]).toEqual([path, 401]);
      expect([path, (await ask(path, buyer)).status]).toEqual([path, 403]);
      expect([path, (await ask(path)).status]).toEqual([path, 200]);
    }
    for (const path of [`${LIST}/po_none`, `${LIST}/pi_1`, `${LIST}/..%2Fbalance`]) {
      expect([path, (await ask(path)).status]).toEqual([path, 404]);
    }
  });

  test('while the provider is away it is said so, and the last number stands', async () => {
    clock.advance(2 * HOUR);
    await watch.look();
    const before = await mismatches();
    expect(before).toBe(2);
    await world.provider.stop();
    for (const path of [LIST, `${LIST}/pending`, `${LIST}/po_1`]) {
      const response = await ask(path);
      expect([path, response.status]).toEqual([path, 503]);
      expect(await response.json()).toMatchObject({ code: 'overloaded' });
    }
    clock.advance(2 * HOUR);
    await watch.look();
    expect(await mismatches()).toBe(before);
    await world.provider.start();
  });
});
