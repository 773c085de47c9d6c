/**
 * 500 concurrent buyers for 20 tickets, each retrying with its own key until a final answer: exactly 20 sold,
 * over separate OS processes, with workers killed, and with a paused owner that wakes up.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { request, run, scratchDir, type Running } from '../helpers/processes.js';

const BUYERS = 500;
const CAPACITY = 20;
const ROUND_MS_MAX = 120_000;
/** Matches whose three categories are sold while workers are killed. */
const KILLED_FROM = 15;
const KILLED_MATCHES = 45;

describe('a crowd at separate processes', () => {
  const scratch = scratchDir();
  const prefix = `crowd-${randomUUID().slice(0, 8)}`;
  const env = { DATA_DIR: scratch.dir, REDIS_URL: testRedisUrl(), REDIS_PREFIX: prefix };
  const workers: Running[] = [];
  let web: Running;
  const redis = new Redis(testRedisUrl());

  beforeAll(async () => {
    workers.push(await run(['worker'], env));
    web = await run(['shop', 'reservations', 'consumer'], env);
  }, ROUND_MS_MAX);
  afterAll(async () => {
    await web.end();
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    await deleteKeys(redis, prefix);
    redis.disconnect();
    scratch.remove();
  });

  const countersOf = async (matchNumber: number, category = 1) => {
    const { body } = await request('GET', `${web.url('shop')}/api/v1/matches/${matchNumber}`);
    return body.availability[`category${category}`];
  };

  /** Asks with one key until the answer is final: a time-out or an overload is not a refusal. */
  async function final(path: string, options: { body: unknown; token?: string }) {
    const key = randomUUID();
    for (;;) {
      const answer = await request('POST', `${web.url('reservations')}${path}`, { ...options, key });
      if (answer.status !== 503) return answer;
      await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 300));
    }
  }

  async function buyer(matchNumber: number, category: number): Promise<'sold' | 'refused'> {
    const email = `${randomUUID()}@example.org`;
    const held = await final('/api/v1/reservations', {
      body: { matchNumber, category, quantity: 1, email },
    });
    if (held.status !== 201) {
      expect(['sold_out', 'temporarily_unavailable']).toContain(held.body.code);
      return 'refused';
    }
    const { id, token } = held.body;
    const paid = await final(`/api/v1/reservations/${id}/payment`, {
      body: { paymentMethod: '4242424242424242' },
      token,
    });
    expect(paid).toMatchObject({ status: 200, body: { status: 'RESERVED' } });
    const read = await request('GET', `${web.url('reservations')}/api/v1/reservations/${id}`, { token });
    expect(read.body.status).toBe('RESERVED');
    return 'sold';
  }

  async function round(matchNumber: number, category = 1): Promise<void> {
    const results = await Promise.all(Array.from({ length: BUYERS }, () => buyer(matchNumber, category)));
    expect(results.filter((result) => result === 'sold')).toHaveLength(CAPACITY);
    const left = await countersOf(matchNumber, category);
    expect(left).toMatchObject({ available: 0, pending: 0, status: 'sold_out' });
  }

  const ownerOf = async (matchNumber: number): Promise<string> =>
    (await redis.hget(`${prefix}:{m${matchNumber}}:c1:meta`, 'owner')) ?? '';

  it('sells exactly 20 with one worker process', () => round(11), ROUND_MS_MAX);

  it(
    'sells exactly 20 with three worker processes',
    async () => {
      workers.push(await run(['worker'], env), await run(['worker'], env));
      for (const matchNumber of [12, 13, 14]) await round(matchNumber);
    },
    ROUND_MS_MAX,
  );

  it(
    'sells exactly 20 while one of three workers is killed every 5 s',
    async () => {
      let kills = 0;
      let over = false;
      const killer = (async () => {
        while (!over) {
          await new Promise((resolve) => setTimeout(resolve, 5_000));
          if (over) break;
          const victim = workers.shift();
          victim?.kill('SIGKILL');
          kills += 1;
          workers.push(await run(['worker'], env));
        }
      })();
      // Rounds go on until the killer has struck often enough to matter, however long a start takes.
      for (let n = 0; kills < 4 || n < 4; n += 1) {
        await round(KILLED_FROM + (n % KILLED_MATCHES), 1 + Math.floor(n / KILLED_MATCHES));
      }
      over = true;
      await killer;
      expect(kills).toBeGreaterThanOrEqual(4);
    },
    2 * ROUND_MS_MAX,
  );

  it(
    'lets a paused owner that wakes after its lease change nothing',
    async () => {
      const hold = () =>
        final('/api/v1/reservations', {
          body: { matchNumber: 60, category: 1, quantity: 1, email: `${randomUUID()}@example.org` },
        });
      let holds = 0;
      for (let pause = 0; pause < 3; pause += 1) {
        expect((await hold()).status).toBe(201);
        const owner = await ownerOf(60);
        const sleeper = workers.find(({ child }) => owner.includes(`-${child.pid}-`));
        expect(sleeper).toBeDefined();
        // It sleeps in the middle of its work; a successor answers these, late but truly.
        const asked = [hold(), hold()];
        sleeper?.kill('SIGSTOP');
        expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([201, 201]);
        await until(async () => (await ownerOf(60)) !== owner, 30_000);
        const taken = await ownerOf(60);
        sleeper?.kill('SIGCONT');
        // The sleeper writes, if anything, before this is answered.
        expect((await hold()).status).toBe(201);
        expect(taken).not.toBe(owner);
        holds += 4;
        expect(await countersOf(60)).toMatchObject({ available: 20, pending: 20 - holds });
      }
    },
    ROUND_MS_MAX,
  );
});
