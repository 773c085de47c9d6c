/**
 * Sale phases on a marketplace of separate OS processes: an operator sets them in one, buyers meet them in another. A
 * sale opens by itself, codes and countries let in whom they should, guessing is made dear, and limits hold.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { CARD, firstPassword, logIn, OPERATOR, writeList } from '../operations/market.js';

jest.setTimeout(180_000);

/** Held for many years by networks of one country, and nobody's in public. */
const IN_QATAR = '89.211.0.1';
const IN_BRITAIN = '212.58.244.20';
const NOWHERE = '203.0.113.7';

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>> & { readonly code?: string };
}

describe('sale phases', () => {
  const scratch = scratchDir();
  const prefix = `phases-${randomUUID().slice(0, 8)}`;
  const redis = new Redis(testRedisUrl());
  const env = {
    DATA_DIR: scratch.dir,
    REDIS_URL: testRedisUrl(),
    REDIS_PREFIX: prefix,
    MASTERLIST_FILE: writeList(scratch.dir, 5, 50),
    TOKEN_SECRET: 'the token secret of this test, and of no other place',
    SERVICE_TOKEN: 'the-service-token-of-this-test',
    TRUST_PROXY: '1',
  };
  let shop: Running;
  let payments: Running;
  let operator: string;

  beforeAll(async () => {
    shop = await run(['worker', 'consumer', 'shop', 'reservations', 'user', 'security'], env);
    payments = await run(['payments'], env);
    operator = await logIn(shop.url('user'), OPERATOR, firstPassword(shop));
  });
  afterAll(async () => {
    await payments.end();
    await shop.end();
    await deleteKeys(redis, prefix);
    redis.disconnect();
    scratch.remove();
  });

  async function ask(
    method: string,
    url: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Reply> {
    const response = await fetch(url, {
      method,
      headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: JSON.parse(text === '' ? '{}' : text) as Reply['body'],
    };
  }
  const put = (ticket: string, phases: readonly object[]): Promise<Reply> =>
    ask(
      'PUT',
      `${payments.url('payments')}/api/v1/operations/sale-phases/${ticket}`,
      { phases },
      { Authorization: `Bearer ${operator}` },
    );
  const hold = (more: object, from = NOWHERE): Promise<Reply> =>
    ask(
      'POST',
      `${shop.url('reservations')}/api/v1/reservations`,
      { matchNumber: 1, category: 1, quantity: 1, email: 'fan@example.org', ...more },
      { 'X-Forwarded-For': from },
    );
  const oneShot = (matchNumber: number, headers: Record<string, string>): Promise<Reply> =>
    ask(
      'POST',
      `${shop.url('reservations')}/api/reservation`,
      {
        email: `one-shot-${randomUUID().slice(0, 8)}@example.org`,
        matchNumber,
        tickets: { category: 1, quantity: 1, price: 75 },
        card: { number: CARD, expirationMonth: 12, expirationYear: 2030, cvc: '123' },
      },
      headers,
    );
  const saleOf = async (matchNumber: number): Promise<Record<string, unknown> | undefined> => {
    const { body } = await ask('GET', `${shop.url('shop')}/api/v1/matches/${matchNumber}`);
    const availability = body['availability'] as Record<string, { sale?: Record<string, unknown> }>;
    return availability['category1']?.sale;
  };
  const stateOf = async (matchNumber: number): Promise<unknown> => (await saleOf(matchNumber))?.['state'];
  /** Of the clock that all of them share. */
  const at = (ms: number): string => new Date(Date.now() + ms).toISOString();

  it('opens by itself at the time that everybody was told', async () => {
    expect(await saleOf(1)).toBeUndefined();
    const opensAt = at(4_000);
    const set = await put('1/1', [{ name: 'General sale', opensAt, access: { kind: 'open' } }]);
    expect(set.status).toBe(200);
    // Told by Redis to the process that sells.
    await until(async () => (await stateOf(1)) === 'not_yet');
    const early = await hold({});
    expect([early.status, early.body]).toMatchObject([403, { code: 'not_on_sale', opensAt }]);
    expect(Number(early.headers.get('Retry-After'))).toBeGreaterThan(0);
    expect((await oneShot(1, {})).body).toMatchObject({ status: 403, code: 'not_on_sale', opensAt });
    expect(await saleOf(1)).toMatchObject({ name: 'General sale', opensAt });

    await until(async () => (await stateOf(1)) === 'open');
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(opensAt));
    const held = await hold({});
    expect([held.status, held.body['status']]).toEqual([201, 'PENDING']);
  });

  it('lets in who has a code, and tells nobody else what it is', async () => {
    const phases = [
      {
        name: 'Members',
        opensAt: at(-1_000),
        closesAt: at(3_600_000),
        access: { kind: 'code', codes: ['FAN-2022'] },
      },
      { name: 'General sale', opensAt: at(3_600_000), access: { kind: 'open' } },
    ];
    const set = await put('2/1', phases);
    expect(set.body['phases']).toMatchObject([
      { access: { kind: 'code', codeCount: 1 } },
      { name: 'General sale' },
    ]);
    expect(JSON.stringify(set.body)).not.toContain('FAN-2022');
    await until(async () => (await stateOf(2)) === 'presale');
    expect(await saleOf(2)).toMatchObject({ access: 'code', next: { name: 'General sale' } });
    const wanted = { matchNumber: 2 };
    expect((await hold(wanted)).body).toMatchObject({ status: 403, code: 'access_code_required' });
    expect((await hold({ ...wanted, accessCode: 'FAN-2023' })).body).toMatchObject({
      status: 403,
      code: 'access_code_invalid',
    });
    expect((await hold({ ...wanted, accessCode: 'fan-2022' })).status).toBe(201);
    expect((await oneShot(2, { 'Access-Code': 'FAN-2022' })).status).toBe(200);
    expect((await oneShot(2, {})).body.code).toBe('access_code_required');
    // A place in line is the promise of a hold.
    const join = async (more: object) =>
      (
        await ask('POST', `${shop.url('reservations')}/api/v1/waiting-list`, {
          ...wanted,
          category: 1,
          quantity: 1,
          email: 'in-line@example.org',
          ...more,
        })
      ).body.code;
    expect(await join({})).toBe('access_code_required');
    expect(await join({ accessCode: 'FAN-2023' })).toBe('access_code_invalid');
    expect(await join({ accessCode: 'FAN-2022' })).toBe('available_now');
  });

  it('makes guessing dear: after some wrong codes an address has work to do for each', async () => {
    const from = '198.51.100.77';
    const codes: (string | undefined)[] = [];
    const guess = async (accessCode: string): Promise<void> => {
      const email = `${randomUUID()}@example.org`;
      const { body } = await hold({ matchNumber: 2, email, accessCode }, from);
      codes.push(body.code);
    };
    // In bursts: a beat as of a clock would be noticed for itself.
    await until(async () => {
      await Promise.all(Array.from({ length: 8 }, (_, i) => guess(`GUESS-${codes.length}-${i}`)));
      return codes.includes('challenge_required');
    });
    expect(codes.filter((code) => code === 'access_code_invalid').length).toBeGreaterThan(15);
    expect(new Set(codes)).toEqual(new Set(['access_code_invalid', 'challenge_required']));
    // Others are not asked for anything.
    const other = await hold({
      matchNumber: 2,
      email: `${randomUUID()}@example.org`,
      accessCode: 'FAN-2022',
    });
    expect(other.status).toBe(201);
  });

  it('lets in who comes from a country, as far as the address says', async () => {
    await put('3/1', [
      {
        name: 'Residents',
        opensAt: at(-1_000),
        closesAt: at(3_600_000),
        access: { kind: 'country', countries: ['QA'] },
      },
    ]);
    await until(async () => (await stateOf(3)) === 'presale');
    const wanted = { matchNumber: 3 };
    const refused = { status: 403, code: 'country_not_allowed', countries: ['QA'] };
    expect((await hold(wanted, IN_BRITAIN)).body).toMatchObject(refused);
    expect((await hold(wanted, NOWHERE)).body).toMatchObject(refused);
    expect((await hold({ ...wanted, country: 'QA' }, IN_BRITAIN)).body).toMatchObject(refused);
    expect((await hold(wanted, IN_QATAR)).status).toBe(201);
  });

  it('allows a person one ticket in the first phase and two in the next, however fast they ask', async () => {
    const turn = 6_000;
    await put('4/1', [
      {
        name: 'First',
        opensAt: at(-1_000),
        closesAt: at(turn),
        access: { kind: 'open' },
        ticketsPerPersonMax: 1,
      },
      { name: 'Second', opensAt: at(turn), access: { kind: 'open' }, ticketsPerPersonMax: 2 },
    ]);
    await until(async () => (await saleOf(4))?.['name'] === 'First');
    const wanted = { matchNumber: 4, email: 'eager@example.org' };
    const all = await Promise.all(Array.from({ length: 12 }, () => hold(wanted)));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(all.filter(({ body }) => body.code === 'purchase_limit' && body['limit'] === 1)).toHaveLength(11);
    await until(async () => (await saleOf(4))?.['name'] === 'Second');
    const again = await Promise.all(Array.from({ length: 12 }, () => hold(wanted)));
    expect(again.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(again.filter(({ body }) => body.code === 'purchase_limit' && body['limit'] === 2)).toHaveLength(
      11,
    );
  });

  it('limits a place in line as it limits a hold', async () => {
    await put('5/1', [
      { name: 'All', opensAt: at(-1_000), access: { kind: 'open' }, ticketsPerPersonMax: 1 },
    ]);
    await until(async () => (await saleOf(5))?.['name'] === 'All');
    const wanted = { matchNumber: 5, email: 'one-only@example.org' };
    expect((await hold(wanted)).status).toBe(201);
    const { body } = await ask('POST', `${shop.url('reservations')}/api/v1/waiting-list`, {
      ...wanted,
      category: 1,
      quantity: 1,
    });
    expect(body).toMatchObject({ status: 409, code: 'purchase_limit', limit: 1, owned: 1 });
  });

  it('sells as ever once the phases are gone', async () => {
    expect((await put('3/1', [])).body).toEqual({ phases: [] });
    await until(async () => (await saleOf(3)) === undefined);
    expect((await hold({ matchNumber: 3, email: 'abroad@example.org' }, IN_BRITAIN)).status).toBe(201);
  });
});
