/** A whole marketplace whose Redis goes away: what buyers are told until it is back, and that they get what they asked for. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OwnRedis } from '../helpers/faults.js';
import { until } from '../helpers/engine.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';

const TEST_MS_MAX = 120_000;
const CARD = '4242424242424242';

describe('a marketplace without Redis', () => {
  const scratch = scratchDir();
  const redis = new OwnRedis();
  let shop: Running;

  beforeAll(async () => {
    await redis.start();
    shop = await run([], { DATA_DIR: scratch.dir, REDIS_URL: redis.url, REPLY_WAIT_MS: '2000' });
  }, TEST_MS_MAX);
  afterAll(async () => {
    await shop.end('SIGKILL');
    await redis.remove();
    scratch.remove();
  });

  const ask = (
    method: string,
    path: string,
    more: { readonly token?: string; readonly body?: unknown; readonly key?: string } = {},
  ): Promise<Answer> => request(method, `${shop.url('client')}/api/v1${path}`, more);

  it(
    'asks for another try of whatever cannot be done, and does it once then',
    async () => {
      const body = { matchNumber: 3, category: 1, quantity: 1, email: 'fan@example.org' };
      const held = await ask('POST', '/reservations', { body });
      expect(held.status).toBe(201);
      const { id, token } = held.body;
      const payment = { token, body: { paymentMethod: CARD } };
      expect((await ask('POST', `/reservations/${id}/payment`, payment)).body.status).toBe('RESERVED');

      await redis.kill();
      const refund = { token, body: {}, key: 'give-my-tickets-back' };
      // While its connections end, and when they have.
      for (let round = 0; round < 4; round += 1) {
        const answers = await Promise.all([
          ask('POST', `/reservations/${id}/refund`, refund),
          ask('GET', `/reservations/${id}/tickets`, { token }),
          ask('POST', `/reservations/${id}/payment`, payment),
          ask('DELETE', `/reservations/${id}`, { token }),
        ]);
        const problems = answers.filter(({ status }) => status !== 200);
        expect(problems.map(({ status, body }) => `${status} ${body.code}`)).toEqual(
          problems.map(() => '503 overloaded'),
        );
        expect(answers[0].status).toBe(503);
      }

      await redis.start();
      await until(async () => {
        await sleep(300);
        return (await ask('POST', `/reservations/${id}/refund`, refund)).status === 200;
      }, 60_000);
      expect((await ask('GET', `/reservations/${id}`, { token })).body.status).toBe('REFUNDED');
    },
    TEST_MS_MAX,
  );
});
