/**
 * What operators do, on a marketplace of separate OS processes: pausing, cancelling a match with 500 sales while the
 * process that does it is killed and the operator looks on in a real browser, moving a match, deciding about other
 * marketplaces; and who may not.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Locator, Page } from 'playwright-core';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { freePort } from '../helpers/ports.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { skipBecause } from '../helpers/skips.js';
import { browserFound, launch, visit } from '../web/browser.js';
import { logIn as logInAs } from '../web/gate.js';
import {
  ask,
  buy,
  firstPassword,
  hold,
  logIn,
  OPERATOR,
  register,
  times,
  writeList,
  type Bought,
} from './market.js';

jest.setTimeout(600_000);

const SALES = 500;
const HOLDS = 10;
const CANCELLATION = `cancels a match with ${SALES} sales in a browser: killed half-way and resumed, everybody refunded once and mailed once`;
const SERVICE_TOKEN = 'the-service-token-of-this-test';

interface Cancellation {
  readonly state: string;
  readonly phrase: string;
  readonly touches: Readonly<Record<string, number | string>>;
  readonly progress: { readonly total: number; readonly refunded: number; readonly mailed: number };
  readonly failures: readonly unknown[];
}
interface Listed {
  readonly notice?: { readonly kind: string; readonly message?: { readonly en: string } };
  readonly dateUtc: string;
  readonly location: string;
  readonly availability: Readonly<
    Record<string, { available: number; pending: number; status: string; paused?: true; closed?: true }>
  >;
}

describe('operations', () => {
  const scratch = scratchDir();
  const prefix = `ops-${randomUUID().slice(0, 8)}`;
  const redis = new Redis(testRedisUrl());
  const env = {
    DATA_DIR: scratch.dir,
    REDIS_URL: testRedisUrl(),
    REDIS_PREFIX: prefix,
    MASTERLIST_FILE: writeList(scratch.dir, 6, 600),
    TOKEN_SECRET: 'the token secret of this test, and of no other place',
    SERVICE_TOKEN,
    MAILS_PER_SECOND_MAX: '500',
    MAIL_CHECK_MS: '200',
    PAYMENT_CHECK_MS: '1000',
  };
  const market = ['client', 'worker', 'consumer', 'shop', 'reservations', 'user', 'security'];
  let ports: Readonly<Record<string, string>>;
  let shop: Running;
  let payments: Running;
  let operator: string;

  const runPayments = (): Promise<Running> => run(['payments'], { ...env, ...ports });

  beforeAll(async () => {
    const [client, ofPayments] = await Promise.all([freePort(), freePort()]);
    ports = {
      CLIENT_PORT: String(client),
      PUBLIC_URL: `http://127.0.0.1:${client}`,
      // Killed and started again, it is where browsers are sent to.
      PAYMENTS_PORT: String(ofPayments),
      PAYMENTS_URL: `http://127.0.0.1:${ofPayments}`,
    };
    shop = await run(market, { ...env, ...ports });
    payments = await runPayments();
    operator = await logIn(shop.url('user'), OPERATOR, firstPassword(shop));
  }, 120_000);
  afterAll(async () => {
    await payments.end('SIGKILL');
    await shop.end();
    await deleteKeys(redis, prefix);
    redis.disconnect();
    scratch.remove();
  });

  const operate = <T = Record<string, unknown>>(method: string, path: string, body?: unknown) =>
    ask<T>(method, `${payments.url('payments')}/api/v1/operations${path}`, {
      token: operator,
      ...(body !== undefined && { body }),
    });
  const matchOf = async (number: number): Promise<Listed> =>
    (await ask<Listed>('GET', `${shop.url('shop')}/api/v1/matches/${number}`)).body;
  /** By their files, which do not change: there are more than a thousand, looked at again and again. */
  const read = new Map<string, string>();
  const mails = (): string[] => {
    const dir = join(scratch.dir, 'mail');
    for (const name of readdirSync(dir)) {
      if (!name.endsWith('.eml') || read.has(name)) continue;
      read.set(name, readFileSync(join(dir, name), 'utf8').replace(/=\r?\n/g, ''));
    }
    return [...read.values()];
  };
  const tell = (action: string, clientId: string, quantity: number, messageId: string) =>
    ask('POST', `${shop.url('shop')}/api/v1/sales-messages`, {
      token: SERVICE_TOKEN,
      body: {
        messageId,
        clientId,
        message: {
          meta: { action },
          body: { matchNumber: 5, tickets: { category: 1, quantity, price: 75 } },
        },
      },
    });

  /** As buyers read them. */
  const statusesOf = (all: readonly Bought[]): Promise<string[]> =>
    times(all.length, 24, async (i) => {
      const url = `${shop.url('reservations')}/api/v1/reservations/${all[i]!.id}`;
      return (await ask<{ status: string }>('GET', url, { token: all[i]!.token })).body.status;
    });

  it('stops sales of everything at once, and lets them go on', async () => {
    const reservations = shop.url('reservations');
    const held = await hold(reservations, { matchNumber: 4, category: 1, quantity: 1 }, 'before@example.org');
    const paused = await operate('POST', '/pauses', { message: { en: 'Back at noon', ar: 'نعود ظهرًا' } });
    expect(paused).toMatchObject({ status: 200, body: { id: 'all', applied: 18, of: 18 } });
    const refused = await ask('POST', `${reservations}/api/v1/reservations`, {
      body: { matchNumber: 3, category: 2, quantity: 1, email: 'late@example.org' },
    });
    expect(refused).toMatchObject({
      status: 409,
      body: { code: 'sales_paused', detail: 'Back at noon', message: { ar: 'نعود ظهرًا' } },
    });
    expect(await matchOf(3)).toMatchObject({
      notice: { kind: 'paused', message: { en: 'Back at noon' } },
      availability: { category2: { status: 'temporarily_unavailable', paused: true, pending: 600 } },
    });
    // What is held can be paid for.
    const paid = await ask('POST', `${reservations}/api/v1/reservations/${held.id}/payment`, {
      body: { paymentMethod: '4242424242424242' },
      token: held.token,
    });
    expect(paid).toMatchObject({ status: 200, body: { status: 'RESERVED' } });
    expect((await operate('DELETE', '/pauses/all')).status).toBe(204);
    await hold(reservations, { matchNumber: 3, category: 2, quantity: 1 }, 'after@example.org');
    expect((await matchOf(3)).notice).toBeUndefined();
    expect((await operate('DELETE', '/pauses/all')).status).toBe(404);
  });

  it('stops one category, whatever else is stopped or goes on', async () => {
    await operate('POST', '/pauses', { matchNumber: 3, category: 1, message: { en: 'Only this one' } });
    await operate('POST', '/pauses', { matchNumber: 3, message: { en: 'All of it' } });
    await operate('DELETE', '/pauses/match-3');
    const { availability } = await matchOf(3);
    expect(availability['category1']).toMatchObject({ paused: true });
    expect(availability['category2']?.paused).toBeUndefined();
    expect((await operate<{ pauses: unknown[] }>('GET', '/pauses')).body.pauses).toMatchObject([
      { id: 'match-3-1', applied: 1, of: 1, message: { en: 'Only this one' } },
    ]);
    await operate('DELETE', '/pauses/match-3-1');
  });

  if (browserFound.kind === 'none') skipBecause(CANCELLATION, browserFound.reason);
  else it(CANCELLATION, cancelInBrowser);

  async function cancelInBrowser(): Promise<void> {
    const reservations = shop.url('reservations');
    const wanted = (i: number) => ({ matchNumber: 1, category: 1 + (i % 3), quantity: 1 + (i % 2) });
    const sold = await times(SALES, 24, (i) => buy(reservations, wanted(i), `fan-${i}@example.org`));
    const held = await times(HOLDS, 5, (i) => hold(reservations, wanted(i), `holder-${i}@example.org`));
    const path = '/matches/1/cancellation';
    const preview = await operate<Cancellation>('GET', path);
    expect(preview.body).toMatchObject({
      state: 'none',
      phrase: 'CANCEL 1',
      touches: { sales: SALES, pending: HOLDS, paying: 0, currency: 'USD' },
    });
    const reason = { en: 'The stadium is flooded.' };
    expect((await operate('POST', path, { phrase: 'cancel it', reason })).status).toBe(422);
    const progress = async () => (await operate<Cancellation>('GET', path)).body;

    const browser = await launch();
    try {
      const visitor = await visit(browser, 'desktop');
      const { page } = visitor;
      await page.goto(`${shop.url('client')}/operator/matches/1`);
      await logInAs(page, { email: OPERATOR, password: firstPassword(shop) });
      const section = page.getByRole('region', { name: 'Cancel the match' });
      await begin(page, section, preview.body);
      await section.getByText('Refunding buyers', { exact: true }).waitFor({ timeout: 60_000 });
      await until(async () => (await refundedIn(section)) >= SALES / 5, 120_000);
      await payments.end('SIGKILL');
      // What it knew last stays in view, and that it knows no more is said.
      await section.getByRole('alert').waitFor({ timeout: 60_000 });
      const before = await refundedIn(section);
      // While nobody goes on with it: it may be far when the next process answers.
      const statuses = new Set(await statusesOf(sold));
      expect(statuses).toContain('REFUNDED');
      expect(statuses).toContain('RESERVED');
      payments = await runPayments();
      expect(['refunding', 'done']).toContain((await progress()).state);
      // Again, by somebody who does not know that it goes on: nothing twice.
      await operate('POST', path, { phrase: 'CANCEL 1', reason });
      // The page finds its way back by itself, and a page that is loaded anew is at the same place.
      await section.getByRole('alert').waitFor({ state: 'detached', timeout: 60_000 });
      await until(async () => (await refundedIn(section)) > before, 60_000);
      await page.reload();
      await until(async () => (await refundedIn(section)) > before, 60_000);
      await section
        .getByText('The match is cancelled, and everybody has been refunded')
        .waitFor({ timeout: 180_000 });
      await section.getByText(`${SALES} of ${SALES} purchases`).waitFor();
      await section.getByText(`${SALES + HOLDS} of ${SALES + HOLDS} buyers`).waitFor();
      expect(await section.getByRole('table').count()).toBe(0);
      expect(visitor.errors).toEqual([]);
    } finally {
      await browser.close();
    }
    expect(await progress()).toMatchObject({
      state: 'done',
      progress: { total: SALES, refunded: SALES, failed: 0, mailed: SALES + HOLDS },
      touches: { sales: 0, pending: 0, paying: 0 },
      failures: [],
    });

    expect(new Set(await statusesOf(sold))).toEqual(new Set(['REFUNDED']));
    const ended = await ask('GET', `${reservations}/api/v1/reservations/${held[0]!.id}`, {
      token: held[0]!.token,
    });
    expect(ended.body).toMatchObject({ status: 'CANCELLED' });

    // The money: each payment given back, all of it, once.
    const given = await everyPayment(payments.url('payments'), operator);
    const ofMatch = given.filter(({ reservationId }) => sold.some(({ id }) => id === reservationId));
    expect(ofMatch).toHaveLength(SALES);
    await until(
      async () =>
        (await everyPayment(payments.url('payments'), operator)).filter(
          ({ reservationId, amountMinor, refundedMinor }) =>
            sold.some(({ id }) => id === reservationId) && refundedMinor === amountMinor,
        ).length === SALES,
      60_000,
    );

    // The mails: one each, in the organiser's words; none that says that a refund or hold is something else.
    await until(
      () => mails().filter((mail) => mail.includes('The stadium is flooded')).length === SALES + HOLDS,
      120_000,
    );
    // The tickets when they were bought, whose mails may still be on their way, and one mail since.
    const boxes = boxesOf(mails());
    await until(() => {
      boxes.clear();
      for (const [to, box] of boxesOf(mails())) boxes.set(to, box);
      return sold.every(({ email }) => (boxes.get(email)?.length ?? 0) >= 2);
    }, 120_000);
    expect(new Set(sold.map(({ email }) => boxes.get(email)?.length))).toEqual(new Set([2]));
    expect(new Set(held.map(({ email }) => boxes.get(email)?.length))).toEqual(new Set([1]));
    expect(boxes.get(held[0]!.email)?.[0]).toContain('Nothing was charged');
    const told = boxesOf(mails().filter((mail) => mail.includes('The stadium is flooded')));
    expect([...told.keys()].sort()).toEqual([...sold, ...held].map(({ email }) => email).sort());
    expect(new Set([...told.values()].map(({ length }) => length))).toEqual(new Set([1]));

    // Nobody is told that there are tickets again, and nobody gets any.
    const { notice, availability } = await matchOf(1);
    expect(notice).toMatchObject({ kind: 'cancelled', message: reason });
    expect(availability['category1']).toMatchObject({ closed: true });
    const refused = await ask('POST', `${reservations}/api/v1/reservations`, {
      body: { matchNumber: 1, category: 1, quantity: 1, email: 'late@example.org' },
    });
    expect(refused.body).toMatchObject({ code: 'sales_closed' });
  }

  it('moves a match: buyers are told once, and may give their tickets back', async () => {
    const reservations = shop.url('reservations');
    const bought = await buy(reservations, { matchNumber: 2, category: 1, quantity: 2 }, 'mover@example.org');
    const path = '/matches/2/schedule';
    const wish = {
      phrase: 'RESCHEDULE 2',
      dateUtc: '2022-11-22T19:00:00Z',
      location: 'Lusail Stadium',
      message: { en: 'Because of a storm.' },
      refundUntil: new Date(Date.now() + 86_400_000).toISOString(),
    };
    expect((await operate('POST', path, { ...wish, phrase: 'RESCHEDULE 3' })).status).toBe(422);
    expect((await operate('POST', path, wish)).status).toBe(202);
    await until(async () => {
      const { body } = await operate<{ change?: { finishedAt?: string; progress: object } }>('GET', path);
      return body.change?.finishedAt !== undefined;
    });
    expect(await matchOf(2)).toMatchObject({
      dateUtc: wish.dateUtc,
      location: wish.location,
      notice: { kind: 'rescheduled', message: wish.message, previousDateUtc: '2022-11-20T16:00:00Z' },
    });
    const told = (): string[] =>
      mails().filter((mail) => mail.includes('To: mover@example.org') && mail.includes('Because of a storm'));
    await until(() => told().length > 0, 60_000);
    expect(told()).toHaveLength(1);
    const back = await ask('POST', `${reservations}/api/v1/reservations/${bought.id}/refund`, {
      token: bought.token,
      key: randomUUID(),
      body: { quantity: 2 },
    });
    expect(back.status).toBe(200);
    expect((await operate('POST', path, wish)).status).toBe(422);
  });

  it('decides about cancellations and holds of other marketplaces, once', async () => {
    await tell('TICKET_PENDING', 'north', 2, 'n1');
    await tell('TICKET_RESERVED', 'north', 2, 'n2');
    await tell('TICKET_CANCELLED', 'north', 1, 'n3');
    await tell('TICKET_PENDING', 'south', 2, 's1');
    const orphans = await operate<{ orphans: { id: string; kind: string }[] }>('GET', '/orphans');
    expect(orphans.body.orphans).toMatchObject([
      {
        matchNumber: 5,
        category: 1,
        clientId: 'north',
        kind: 'suspected_refund',
        quantity: 1,
        soldByPeer: 2,
      },
    ]);
    const decision = {
      matchNumber: 5,
      category: 1,
      id: orphans.body.orphans[0]!.id,
      decision: 'give_back',
      note: 'They say so',
    };
    expect((await operate('POST', '/orphans/decisions', decision)).body).toEqual({
      result: 'applied',
      givenBack: 1,
    });
    expect((await operate('POST', '/orphans/decisions', decision)).body).toEqual({
      result: 'unchanged',
      givenBack: 0,
    });
    expect((await matchOf(5)).availability['category1']).toMatchObject({ available: 599, pending: 597 });
    const { body } = await operate<{ holds: { clientId: string; heldSince: string }[] }>(
      'GET',
      '/remote-holds',
    );
    expect(body.holds).toMatchObject([{ clientId: 'south', held: 2, isFlagged: false }]);
    const { clientId, heldSince } = body.holds[0]!;
    const release = { matchNumber: 5, category: 1, clientId, heldSince, note: 'They are gone' };
    expect((await operate('POST', '/remote-holds/releases', release)).body).toEqual({
      result: 'applied',
      released: 2,
    });
    expect((await operate('POST', '/remote-holds/releases', release)).body).toMatchObject({
      result: 'unchanged',
    });
    expect((await matchOf(5)).availability['category1']).toMatchObject({ available: 599, pending: 599 });
  });

  it('shows every ticket with its owner, and what works on them', async () => {
    const { body } = await operate<{ tickets: Record<string, unknown>[] }>('GET', '/tickets');
    expect(body.tickets).toHaveLength(18);
    const owned = body.tickets.find(({ matchNumber, category }) => matchNumber === 5 && category === 1);
    expect(owned).toMatchObject({ soldElsewhere: 1, heldElsewhere: 0, capacity: 600, oversubscribed: 0 });
    const system = await operate<{ workers: { id: string; tickets: number }[] }>('GET', '/system');
    expect(system.body.workers).toHaveLength(1);
    expect(system.body).toMatchObject({ consumers: [{ waiting: 0 }], deadLetters: { open: 0 } });
    expect(owned?.['owner']).toBe(system.body.workers[0]?.id);
  });

  it('finds reservations by address, id and payment, and mails tickets again', async () => {
    const bought = await buy(
      shop.url('reservations'),
      { matchNumber: 6, category: 3, quantity: 1 },
      'found@example.org',
    );
    await until(async () => {
      const { body } = await operate<{ reservations: unknown[] }>(
        'GET',
        '/reservations?email=found@example.org',
      );
      return body.reservations.length === 1;
    });
    const { body } = await operate<{ reservations: { id: string; payment: { id: string } }[] }>(
      'GET',
      `/reservations?id=${bought.id}`,
    );
    expect(body.reservations).toMatchObject([
      { id: bought.id, status: 'RESERVED', email: 'found@example.org' },
    ]);
    const payment = body.reservations[0]!.payment.id;
    expect((await operate('GET', `/reservations?payment=${payment}`)).body).toMatchObject({
      reservations: [{ id: bought.id }],
    });
    expect((await operate('GET', '/reservations')).status).toBe(422);
    const sent = () => mails().filter((mail) => mail.includes('To: found@example.org')).length;
    await until(() => sent() === 1, 60_000);
    expect((await operate('POST', `/reservations/${bought.id}/mails`)).status).toBe(202);
    await until(() => sent() === 2, 60_000);
  });

  it('lets nobody else see or do any of it', async () => {
    const { token: buyer } = await register(shop.url('user'), 'buyer@example.org');
    const { body } = await ask<{
      paths: Record<string, Record<string, { tags?: string[] }>>;
    }>('GET', `${payments.url('payments')}/api/v1/openapi.json`);
    const routes = Object.entries(body.paths).flatMap(([path, methods]) =>
      path.startsWith('/api/v1/operations') ? Object.keys(methods).map((method) => ({ method, path })) : [],
    );
    expect(routes.length).toBeGreaterThan(15);
    for (const { method, path } of routes) {
      const url = `${payments.url('payments')}${path
        .replace('{matchNumber}', '1')
        .replace('{category}', '1')
        .replace('{id}', path.includes('reservations') ? `m1c1-${'a'.repeat(26)}` : 'all')}`;
      const send = method === 'get' || method === 'delete' ? {} : { body: {} };
      const results = await Promise.all([
        ask(method.toUpperCase(), url, send),
        ask(method.toUpperCase(), url, { ...send, token: buyer }),
        ask(method.toUpperCase(), url, { ...send, token: SERVICE_TOKEN }),
      ]);
      expect([method, path, ...results.map(({ status }) => status)]).toEqual([method, path, 401, 403, 401]);
    }
  });
});

/** What it touches, the phrase, and not before that the deed. */
async function begin(page: Page, section: Locator, { touches, phrase }: Cancellation): Promise<void> {
  const tile = (name: string): Locator =>
    section.locator('.tile').filter({ has: page.getByText(name, { exact: true }) });
  await tile('Purchases to refund').getByText(String(SALES), { exact: true }).waitFor();
  await tile('Purchases to refund').getByText(`${touches['tickets']} tickets`).waitFor();
  await tile('On hold').getByText(String(HOLDS), { exact: true }).waitFor();
  await section.getByRole('button', { name: 'Prepare the cancellation…' }).click();
  await section.getByLabel('English').fill('The stadium is flooded.');
  const send = section.getByRole('button', { name: 'Cancel the match', exact: true });
  const typed = section.getByLabel(/^Type CANCEL 1/);
  await typed.fill('CANCEL 11');
  expect(await send.isDisabled()).toBe(true);
  await typed.fill(phrase);
  await send.click();
}

/** As the page says it; 0 while it says nothing. */
async function refundedIn(section: Locator): Promise<number> {
  const [words = ''] = await section.getByText(/^\d+ of \d+ purchases$/).allTextContents();
  return Number.parseInt(words, 10) || 0;
}

/** By recipient. */
function boxesOf(mails: readonly string[]): Map<string, string[]> {
  const boxes = new Map<string, string[]>();
  for (const mail of mails) {
    const to = /^To: (\S+)/m.exec(mail)?.[1] ?? '';
    boxes.set(to, [...(boxes.get(to) ?? []), mail]);
  }
  return boxes;
}

interface PaymentSeen {
  readonly reservationId: string;
  readonly amountMinor: number;
  readonly refundedMinor: number;
}

async function everyPayment(payments: string, token: string): Promise<PaymentSeen[]> {
  const all: PaymentSeen[] = [];
  let after: string | undefined;
  do {
    const query = after === undefined ? '' : `&after=${encodeURIComponent(after)}`;
    const { body } = await ask<{ payments: PaymentSeen[]; next?: string }>(
      'GET',
      `${payments}/api/v1/payments?limit=100${query}`,
      { token },
    );
    all.push(...body.payments);
    after = body.next;
  } while (after !== undefined);
  return all;
}
