/** The whole marketplace as a person meets it: one process, HTTP, its own Redis and store. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { until } from '../helpers/engine.js';
import { request, run, scratchDir, type Running } from '../helpers/processes.js';

const CARD = '4242424242424242';
/** A start on a busy machine. */
const START_MS_MAX = 60_000;
/** Longer than a busy machine takes from a hold to its payment. */
const HOLD_MS = 12_000;
const DECLINED = '4000000000000002';

jest.setTimeout(START_MS_MAX);

describe.each(['optimistic', 'ordered'])('npm start, all roles in one process, %s', (mode) => {
  const scratch = scratchDir();
  const env = { DATA_DIR: scratch.dir, HOLD_MS: String(HOLD_MS), SALES_MODE: mode };
  let running: Running;
  beforeAll(async () => {
    running = await run([], env);
  }, START_MS_MAX);
  afterAll(async () => {
    await running.end();
    scratch.remove();
  }, START_MS_MAX);

  const category = async (matchNumber: number, number: number) => {
    const { body } = await request('GET', `${running.url('shop')}/api/v1/matches/${matchNumber}`);
    return body.availability[`category${number}`];
  };
  const hold = (
    matchNumber: number,
    number: number,
    quantity: number,
    email = `${randomUUID()}@example.org`,
  ) =>
    request('POST', `${running.url('reservations')}/api/v1/reservations`, {
      body: { matchNumber, category: number, quantity, email },
    });
  const pay = (id: string, token: string, paymentMethod: string, key?: string) =>
    request('POST', `${running.url('reservations')}/api/v1/reservations/${id}/payment`, {
      body: { paymentMethod },
      token,
      ...(key !== undefined && { key }),
    });

  it('offers 64 matches with pending, available, price and status per category', async () => {
    const { status, body } = await request('GET', `${running.url('shop')}/api/v1/matches`);
    expect(status).toBe(200);
    expect(body.matches).toHaveLength(64);
    for (const match of body.matches) {
      for (const [number, price] of [75, 125, 195].entries()) {
        expect(match.availability[`category${number + 1}`]).toMatchObject({ price, status: 'available' });
      }
    }
  });

  it('lowers pending by a hold, and available by its payment, in the next read', async () => {
    const held = await hold(2, 1, 2);
    expect(held).toMatchObject({ status: 201, body: { status: 'PENDING' } });
    expect(await category(2, 1)).toMatchObject({ available: 20, pending: 18 });
    const paid = await pay(held.body.id, held.body.token, CARD);
    expect(paid).toMatchObject({ status: 200, body: { status: 'RESERVED' } });
    expect(await category(2, 1)).toMatchObject({ available: 18, pending: 18 });
  });

  it('gives pending back after a decline and after an expiry', async () => {
    const declined = await hold(3, 1, 1);
    expect(await pay(declined.body.id, declined.body.token, DECLINED)).toMatchObject({
      status: 402,
      body: { code: 'payment_declined' },
    });
    expect(await category(3, 1)).toMatchObject({ available: 20, pending: 20 });
    const expiring = await hold(3, 2, 1);
    expect(await category(3, 2)).toMatchObject({ pending: 19 });
    await until(async () => (await category(3, 2))?.pending === 20, 3 * HOLD_MS);
    expect(await pay(expiring.body.id, expiring.body.token, CARD)).toMatchObject({
      status: 409,
      body: { code: 'hold_expired' },
    });
  });

  it('answers the last ticket temporarily_unavailable, and sold_out once paid', async () => {
    const holds = await Promise.all(Array.from({ length: 10 }, () => hold(4, 3, 2)));
    expect(holds.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 201));
    expect(await hold(4, 3, 1)).toMatchObject({
      status: 409,
      body: { code: 'temporarily_unavailable', remaining: 0, title: 'ticket is temporarily unavailable' },
    });
    await Promise.all(holds.map(({ body }) => pay(body.id, body.token, CARD)));
    expect(await hold(4, 3, 1)).toMatchObject({
      status: 409,
      body: { code: 'sold_out', title: 'ticket is sold out' },
    });
    expect(await category(4, 3)).toMatchObject({ available: 0, pending: 0, status: 'sold_out' });
  });

  it('gives one reservation and one answer to a key sent 50 times at once, and again after kill -9', async () => {
    const body = { matchNumber: 5, category: 1, quantity: 2, email: 'same@example.org' };
    const key = randomUUID();
    const send = () => request('POST', `${running.url('reservations')}/api/v1/reservations`, { body, key });
    const answers = await Promise.all(Array.from({ length: 50 }, send));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(answers[0]?.status).toBe(201);
    expect(await category(5, 1)).toMatchObject({ pending: 18 });
    const { id, token } = answers[0]?.body ?? { id: '', token: '' };
    const payKey = randomUUID();
    const paid = await pay(id, token, CARD, payKey);
    expect(paid).toMatchObject({ status: 200, body: { status: 'RESERVED' } });

    await running.end('SIGKILL');
    running = await run([], env);
    expect(await send()).toEqual(answers[0]);
    expect(await pay(id, token, CARD, payKey)).toEqual(paid);
    expect(await category(5, 1)).toMatchObject({ available: 18, pending: 18 });
    const other = await request('POST', `${running.url('reservations')}/api/v1/reservations`, {
      body: { ...body, quantity: 1 },
      key,
    });
    expect(other).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
  });

  it('stops cleanly and continues with the same holds and sales', async () => {
    const before = await request('GET', `${running.url('shop')}/api/v1/matches`);
    expect(await running.end('SIGINT')).toBe(0);
    running = await run([], env);
    const after = await request('GET', `${running.url('shop')}/api/v1/matches`);
    expect(after.body).toEqual(before.body);
  });

  it('refuses a port in use, a second start on the same folder and a folder it cannot write', async () => {
    const port = new URL(running.url('shop')).port;
    const other = scratchDir();
    await expect(run([], { DATA_DIR: other.dir, SHOP_PORT: port })).rejects.toThrow(
      /ended with 1 .*\n.*SHOP_PORT/,
    );
    await expect(run([], env)).rejects.toThrow(/ended with 1/);
    const file = `${other.dir}/file`;
    writeFileSync(file, '');
    await expect(run([], { DATA_DIR: `${file}/data` })).rejects.toThrow(
      /ended with 1 [^]*cannot start: .*file/,
    );
    other.remove();
  });
});
