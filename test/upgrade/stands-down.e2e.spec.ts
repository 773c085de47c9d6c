/** What a worker process says of itself, to whoever watches it, while it leaves a ticket to a newer version. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { SCHEMA_VERSION } from '../../src/actors/state-codec.js';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';

const TEST_MS_MAX = 120_000;
const WAIT_MS_MAX = 30_000;
/** As the worker's own beats last; said again more often than that. */
const BEAT_MS = 3_500;

describe('a worker that meets what a newer version wrote', () => {
  const scratch = scratchDir();
  const prefix = `newer-${randomUUID().slice(0, 8)}`;
  const env = { DATA_DIR: scratch.dir, REDIS_URL: testRedisUrl(), REDIS_PREFIX: prefix };
  const redis = new Redis(testRedisUrl(), { maxRetriesPerRequest: null });
  const queue = new Queue<{ readonly schema: number }>('match-09.category-1', {
    connection: redis,
    prefix: `${prefix}:{m9}`,
    skipMetasUpdate: true,
  });
  let worker: Running;
  let web: Running;

  beforeAll(async () => {
    worker = await run(['worker'], env);
    web = await run(['shop', 'reservations', 'consumer'], env);
  }, TEST_MS_MAX);
  afterAll(async () => {
    await Promise.all([worker, web].map((one) => one.end('SIGKILL')));
    await queue.close();
    await deleteKeys(redis, prefix);
    redis.disconnect();
    scratch.remove();
  });

  async function readiness(of: Running, role: string) {
    const response = await fetch(`${of.url(role)}/health/ready`);
    const body = (await response.json()) as {
      readonly checks: readonly { readonly name: string; readonly status: string }[];
    };
    return {
      status: response.status,
      down: body.checks.filter(({ status }) => status !== 'up').map(({ name }) => name),
      parts: body.checks.map(({ name }) => name),
    };
  }
  async function metric(series: string): Promise<number | null> {
    const text = await (await fetch(`${worker.url('worker')}/metrics`)).text();
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return line === undefined ? null : Number(line.slice(series.length));
  }
  const hold = (matchNumber: number): Promise<Answer> =>
    request('POST', `${web.url('reservations')}/api/v1/reservations`, {
      body: { matchNumber, category: 1, quantity: 1, email: `${randomUUID()}@example.org` },
      key: randomUUID(),
    });
  const VERSION = 'ticktak_part_ready{part="version of data"}';

  it(
    'is not ready and counts the ticket, alone or beside others; other processes are ready',
    async () => {
      expect(await readiness(worker, 'worker')).toMatchObject({ status: 200, down: [] });
      expect(await readiness(web, 'reservations')).toMatchObject({ status: 200 });
      expect(await metric('ticktak_tickets_newer')).toBe(0);
      expect(await metric(VERSION)).toBe(1);

      const command = { id: randomUUID(), body: { type: 'lottery' }, deadline: Date.now() + TEST_MS_MAX };
      await queue.add('commands', { schema: SCHEMA_VERSION + 1, commands: [command] } as { schema: number });
      await redis.publish(`${prefix}:wake`, '9:1');
      await until(async () => (await metric('ticktak_tickets_newer')) === 1, WAIT_MS_MAX);
      expect(await readiness(worker, 'worker')).toMatchObject({ status: 503, down: ['version of data'] });
      expect(await metric(VERSION)).toBe(0);
      expect(worker.output()).toContain('start the newer version instead');
      // Those that have no worker are not asked what a worker knows.
      const others = await readiness(web, 'reservations');
      expect(others).toMatchObject({ status: 200, down: [] });
      expect(others.parts).not.toContain('version of data');

      // Alone it goes on with what it understands.
      expect(worker.output()).not.toContain('stands down');
      expect(await hold(10)).toMatchObject({ status: 201 });
      await until(async () => (await metric('ticktak_tickets_owned')) !== 0, WAIT_MS_MAX);

      // Another one lives: it has nothing any more, and says the same of itself.
      const beat = () => redis.zadd(`${prefix}:workers`, Date.now() + BEAT_MS, 'the newer version');
      await beat();
      const beats = setInterval(() => void beat(), BEAT_MS / 4);
      try {
        await until(() => worker.output().includes('this worker stands down'), WAIT_MS_MAX);
        await until(async () => (await metric('ticktak_tickets_owned')) === 0, WAIT_MS_MAX);
        expect(await redis.zrange(`${prefix}:workers`, 0, -1)).toEqual(['the newer version']);
        expect(await readiness(worker, 'worker')).toMatchObject({ status: 503, down: ['version of data'] });
        expect(await metric('ticktak_tickets_newer')).toBe(1);
        expect(await queue.getWaitingCount()).toBe(1);
      } finally {
        clearInterval(beats);
      }

      // It lives no more: buyers of other tickets are served again, and the job waits as it was.
      const again = async () => (await hold(10)).status === 201;
      await until(again, WAIT_MS_MAX);
      expect(await readiness(worker, 'worker')).toMatchObject({ status: 503, down: ['version of data'] });
      expect((await queue.getWaiting()).map(({ data }) => data.schema)).toEqual([SCHEMA_VERSION + 1]);
      expect(await queue.getFailedCount()).toBe(0);
      expect(await worker.end()).toBe(0);
    },
    TEST_MS_MAX,
  );
});
