/**
 * The waiting room over HTTP, on a marketplace in a process of its own: who may hold and who may not, in which order
 * people are let in, and what of it outlives the process.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { freePort } from '../helpers/ports.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { CARD, firstPassword, logIn, OPERATOR, register, writeList } from '../operations/market.js';

jest.setTimeout(180_000);

const WAIT_MS = 30_000;

interface Room {
  readonly mode: string;
  readonly state: string;
  readonly opensAt?: string;
  readonly admitted: number;
  readonly perMinuteMax: number | null;
  readonly waiting: number;
  readonly inside: number;
  readonly why: string;
}
interface Place {
  readonly token: string;
  readonly status: string;
  readonly position: number | null;
  readonly estimatedWaitSeconds: number | null;
  readonly pollAfterSeconds: number;
  readonly pass?: string;
  readonly passExpiresAt?: string;
}
interface Held {
  readonly id: string;
  readonly token: string;
  readonly code: string;
  readonly room?: { readonly state: string; readonly opensAt?: string };
}
interface Reply<T> {
  readonly status: number;
  readonly body: T;
  readonly headers: Headers;
  readonly text: string;
}

describe('the waiting room', () => {
  const scratch = scratchDir();
  const prefix = `room-${randomUUID().slice(0, 8)}`;
  const redis = new Redis(testRedisUrl());
  let env: Record<string, string>;
  let market: Running;
  let password: string;
  let operator: string;

  beforeAll(async () => {
    const [reservations, client] = await Promise.all([freePort(), freePort()]);
    env = {
      DATA_DIR: scratch.dir,
      REDIS_URL: testRedisUrl(),
      REDIS_PREFIX: prefix,
      MASTERLIST_FILE: writeList(scratch.dir, 2, 500),
      RESERVATIONS_PORT: String(reservations),
      CLIENT_PORT: String(client),
    };
    market = await run([], env);
    password = firstPassword(market);
    operator = await logIn(market.url('user'), OPERATOR, password);
  });
  afterAll(async () => {
    await market.end();
    await deleteKeys(redis, prefix);
    redis.disconnect();
    scratch.remove();
  });

  async function call<T>(
    method: string,
    path: string,
    {
      body,
      headers = {},
      role = 'reservations',
    }: { body?: unknown; headers?: Record<string, string>; role?: string } = {},
  ): Promise<Reply<T>> {
    const response = await fetch(`${market.url(role)}${path}`, {
      method,
      headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, headers: response.headers, body: JSON.parse(text || '{}') as T };
  }

  const bearer = (token: string): Record<string, string> => ({ Authorization: `Bearer ${token}` });
  const room = async (): Promise<Room> => (await call<Room>('GET', '/api/v1/waiting-room')).body;
  const operate = (body?: unknown, token = operator): Promise<Reply<Room>> =>
    call<Room>(body === undefined ? 'GET' : 'PUT', '/api/v1/operations/waiting-room', {
      role: 'payments',
      headers: bearer(token),
      ...(body !== undefined && { body }),
    });

  /** Decided, and seen where holds are answered. */
  async function set(body: { mode: string; opensAt?: string; perMinuteMax?: number }): Promise<void> {
    expect((await operate(body)).status).toBe(200);
    const state = body.mode === 'off' ? 'off' : body.opensAt === undefined ? 'open' : 'before';
    await until(async () => (await room()).state === state, WAIT_MS);
  }

  const join = (email?: string, headers: Record<string, string> = {}): Promise<Reply<Place>> =>
    call<Place>('POST', '/api/v1/waiting-room/places', {
      body: email === undefined ? {} : { email },
      headers,
    });
  const mine = async (token: string): Promise<Place> =>
    (
      await call<Place>('GET', '/api/v1/waiting-room/places/mine', {
        headers: { 'Waiting-Room-Token': token },
      })
    ).body;
  const hold = (email: string, headers: Record<string, string> = {}): Promise<Reply<Held>> =>
    call<Held>('POST', '/api/v1/reservations', {
      body: { matchNumber: 1, category: 1, quantity: 1, email },
      headers,
    });
  const withPass = (pass: string): Record<string, string> => ({ 'Waiting-Room-Pass': pass });

  /** The pass of a place once it is let in. */
  async function passOf(token: string): Promise<string> {
    let pass: string | undefined;
    await until(async () => (pass = (await mine(token)).pass) !== undefined, WAIT_MS);
    return pass!;
  }

  it('is off where nobody turned it on: everybody holds at once', async () => {
    const { status, body, headers } = await call<Room>('GET', '/api/v1/waiting-room');
    expect(status).toBe(200);
    expect(body).toEqual({ state: 'off', admitted: 0, perMinute: 0, waiting: 0 });
    expect(headers.get('cache-control')).toBe('public, max-age=1');
    expect((await hold('first@example.org')).status).toBe(201);
    expect((await join('first@example.org')).body.status).toBe('admitted');
    expect((await operate()).body).toMatchObject({ mode: 'off', state: 'off', why: 'Off.' });
  });

  it('is the business of operators, and stands in their audit', async () => {
    const buyer = await register(market.url('user'), 'buyer@example.org');
    const body = { mode: 'on' };
    expect((await operate(body, buyer.token)).status).toBe(403);
    const nobody = await call('PUT', '/api/v1/operations/waiting-room', { role: 'payments', body });
    expect(nobody.status).toBe(401);
    expect((await operate({ mode: 'maybe' })).status).toBe(422);
    await set({ mode: 'on', perMinuteMax: 0 });
    const audit = await call<{ entries: { action: string; details?: object }[] }>('GET', '/api/v1/audit', {
      role: 'security',
      headers: bearer(operator),
    });
    expect(audit.text).toContain('waiting_room.set');
    expect((await operate()).body).toMatchObject({ mode: 'on', state: 'open', perMinuteMax: 0 });
  });

  it('lets nobody hold without a pass, in one request or two', async () => {
    const refused = await hold('nobody@example.org');
    expect(refused.status).toBe(403);
    expect(refused.body).toMatchObject({ code: 'waiting_room', room: { state: 'open' } });
    const keyed = await hold('nobody@example.org', { 'Idempotency-Key': randomUUID() });
    expect(keyed.body.code).toBe('waiting_room');
    const oneShot = await buyAtOnce('nobody@example.org');
    expect(oneShot.status).toBe(403);
    expect(oneShot.body.code).toBe('waiting_room');
  });

  const buyAtOnce = (email: string, headers: Record<string, string> = {}): Promise<Reply<Held>> =>
    call<Held>('POST', '/api/reservation', {
      body: {
        email,
        matchNumber: 1,
        tickets: { category: 1, quantity: 1, price: 75 },
        card: { number: CARD, expirationMonth: 12, expirationYear: 2040, cvc: '123' },
      },
      headers,
    });

  it('gives a person one place, however it is asked for', async () => {
    const first = await join('one@example.org');
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({ status: 'waiting', position: 1, estimatedWaitSeconds: null });
    const same = [
      await join(' ONE@Example.org '),
      await join('one+tag@example.org'),
      ...(await Promise.all(Array.from({ length: 5 }, () => join('one@example.org')))),
    ];
    for (const { status, body } of same) {
      expect(status).toBe(200);
      expect(body.token).toBe(first.body.token);
    }
    expect((await join('two@example.org')).status).toBe(201);
    expect((await join()).status).toBe(422);
    await until(async () => (await room()).waiting === 2, WAIT_MS);
  });

  it('refuses tokens that are none', async () => {
    const { token } = (await join('one@example.org')).body;
    const ask = (presented?: string) =>
      call<Held>('GET', '/api/v1/waiting-room/places/mine', {
        headers: presented === undefined ? {} : { 'Waiting-Room-Token': presented },
      });
    expect((await ask(token)).status).toBe(200);
    const other = token.startsWith('B') ? 'C' : 'B';
    for (const wrong of [undefined, '', other + token.slice(1), `${token}A`, 'x'.repeat(48)]) {
      expect((await ask(wrong)).status).toBe(401);
    }
    expect((await ask('x'.repeat(101))).status).toBe(422);
  });

  it('lets in whoever has the pass, and nobody with the pass of another', async () => {
    const [me, other] = [(await join('me@example.org')).body, (await join('other@example.org')).body];
    await set({ mode: 'on', perMinuteMax: 6_000 });
    const [pass, ofOther] = [await passOf(me.token), await passOf(other.token)];
    expect((await mine(me.token)).pass).toBe(pass);
    const wrong = [ofOther, me.token, pass.slice(0, -2) + (pass.endsWith('AA') ? 'BB' : 'AA'), 'x'];
    for (const one of wrong) {
      const refused = await hold('me@example.org', withPass(one));
      expect([refused.status, refused.body.code]).toEqual([403, 'waiting_room']);
    }
    const key = { 'Idempotency-Key': randomUUID() };
    const held = await hold('me@example.org', { ...withPass(pass), ...key });
    expect(held.status).toBe(201);
    // What was held is answered again, also when the pass is over.
    const again = await hold('me@example.org', key);
    expect([again.status, again.body.id]).toEqual([201, held.body.id]);
    // Who is inside goes on without it.
    const own = { headers: bearer(held.body.token) };
    expect((await call('GET', `/api/v1/reservations/${held.body.id}`, own)).status).toBe(200);
    const paid = await call<{ status: string }>('POST', `/api/v1/reservations/${held.body.id}/payment`, {
      ...own,
      body: { paymentMethod: CARD },
    });
    expect(paid.body.status).toBe('RESERVED');
    const bought = await buyAtOnce('other@example.org', withPass(ofOther));
    expect(bought.status).toBe(200);
  });

  it('counts an account and a guest with its address as one', async () => {
    const account = await register(market.url('user'), 'fan@example.org');
    const place = await join(undefined, bearer(account.token));
    expect(place.status).toBe(201);
    expect((await join('fan@example.org')).body.token).toBe(place.body.token);
    const pass = await passOf(place.body.token);
    const held = await call<Held>('POST', '/api/v1/reservations', {
      body: { matchNumber: 1, category: 2, quantity: 1 },
      headers: { ...bearer(account.token), ...withPass(pass) },
    });
    expect(held.status).toBe(201);
  });

  it('is reached through the client port too', async () => {
    const through = await call<Room>('GET', '/api/v1/waiting-room', { role: 'client' });
    expect(through.body.state).toBe('open');
  });

  it('before an opening draws the order of those who come, and keeps that of those who come later', async () => {
    const opensAt = new Date(Date.now() + 6_000).toISOString();
    await set({ mode: 'on', opensAt, perMinuteMax: 0 });
    const refused = await hold('me@example.org');
    expect(refused.body).toMatchObject({ code: 'waiting_room', room: { state: 'before', opensAt } });
    expect((await room()).opensAt).toBe(opensAt);
    const early: Place[] = [];
    for (let i = 0; i < 40; i += 1) early.push((await join(`early${i}@example.org`)).body);
    expect(early[0]).toMatchObject({ status: 'before', position: null });
    await until(async () => (await room()).state === 'open', WAIT_MS);
    const late: Place[] = [];
    for (let i = 0; i < 5; i += 1) late.push((await join(`late${i}@example.org`)).body);
    const positions = async (places: readonly Place[]): Promise<(number | null)[]> =>
      Promise.all(places.map(async ({ token }) => (await mine(token)).position));
    const drawn = await positions(early);
    expect(drawn.toSorted((a, b) => a! - b!)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    // 1 in 40! that it is the order in which they came.
    expect(drawn).not.toEqual(drawn.toSorted((a, b) => a! - b!));
    expect(await positions(late)).toEqual([41, 42, 43, 44, 45]);

    // They are let in in that order.
    const all = [...early, ...late];
    const order = [...drawn, 41, 42, 43, 44, 45].map(Number);
    expect((await operate({ mode: 'on', opensAt, perMinuteMax: 300 })).body.state).toBe('open');
    await until(async () => {
      const before = (await room()).admitted;
      const statuses = await Promise.all(all.map(async ({ token }) => (await mine(token)).status));
      const after = (await room()).admitted;
      order.forEach((position, i) => {
        if (position <= before) expect(statuses[i]).toBe('admitted');
        if (position > after) expect(statuses[i]).toBe('waiting');
      });
      return before === all.length;
    }, WAIT_MS);
  });

  it('a new opening ends the passes of before, and whoever holds tickets pays for them all the same', async () => {
    await set({ mode: 'on', perMinuteMax: 6_000 });
    const pass = await passOf((await join('eager@example.org')).body.token);
    const held: Held[] = [];
    for (let i = 0; i < 2; i += 1) {
      const { status, body } = await hold('eager@example.org', withPass(pass));
      expect(status).toBe(201);
      held.push(body);
    }
    const pay = ({ id, token }: Held): Promise<Reply<{ status: string }>> =>
      call('POST', `/api/v1/reservations/${id}/payment`, {
        headers: bearer(token),
        body: { paymentMethod: CARD },
      });
    const opensAt = new Date(Date.now() + 6_000).toISOString();
    await set({ mode: 'on', opensAt, perMinuteMax: 0 });
    const before = await hold('eager@example.org', withPass(pass));
    expect([before.status, before.body.code, before.body.room?.state]).toEqual([
      403,
      'waiting_room',
      'before',
    ]);
    expect((await pay(held[0]!)).body.status).toBe('RESERVED');
    await until(async () => (await room()).state === 'open', WAIT_MS);
    const after = await hold('eager@example.org', withPass(pass));
    expect([after.status, after.body.code, after.body.room?.state]).toEqual([403, 'waiting_room', 'open']);
    expect((await pay(held[1]!)).body.status).toBe('RESERVED');
    // Like everybody else.
    expect((await join('eager@example.org')).status).toBe(201);
  });

  it('outlives the process', async () => {
    await set({ mode: 'on', perMinuteMax: 0 });
    const { token } = (await join('patient@example.org')).body;
    const before = await mine(token);
    await market.end('SIGKILL');
    market = await run([], env);
    operator = await logIn(market.url('user'), OPERATOR, password);
    expect((await room()).state).toBe('open');
    expect(await mine(token)).toMatchObject({ status: 'waiting', position: before.position });
    expect((await join('patient@example.org')).body.token).toBe(token);
  });

  it('that is turned off again lets everybody hold', async () => {
    await set({ mode: 'off' });
    expect((await hold('free@example.org')).status).toBe(201);
  });
});
