/**
 * A real process that is asked more than it can do: those who look come in a flood from a process of their own, and meanwhile a
 * few hold, read and pay. What each was told is counted.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { request, run, scratchDir, type Answer, type Running } from '../helpers/processes.js';

const TEST_MS_MAX = 240_000;
const BUYERS = 12;
/** How many at once look, and what they look for: a search, which nobody has at hand. */
const CONNECTIONS = 250;
const LOOKED_FOR = '/api/v1/matches?q=qatar';
const FLOOD = new URL('flood.mjs', import.meta.url).pathname;

const scratch = scratchDir();
const prefix = `priority-${randomUUID().slice(0, 8)}`;
let world: Running;
let flood: ChildProcess | undefined;

beforeAll(async () => {
  world = await run([], {
    DATA_DIR: scratch.dir,
    REDIS_URL: testRedisUrl(),
    REDIS_PREFIX: prefix,
    // Soon too late, so that a fast machine is too slow as well.
    LOOP_DELAY_MS: '25',
  });
}, TEST_MS_MAX);
afterAll(async () => {
  flood?.kill('SIGKILL');
  await world.end('SIGKILL');
  const redis = new Redis(testRedisUrl());
  await deleteKeys(redis, prefix);
  redis.disconnect();
  scratch.remove();
}, TEST_MS_MAX);

interface Flooded {
  readonly answered: Readonly<Record<string, number>>;
  /** Of those who were refused. */
  readonly withoutRetryAfter: number;
  readonly failed: number;
}

/** Begins it; the answer ends it and says what those who looked were told. */
async function startFlood(): Promise<() => Promise<Flooded>> {
  const child = spawn(process.execPath, [FLOOD, world.url('shop') + LOOKED_FOR, String(CONNECTIONS)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  flood = child;
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(child, 'exit');
  await until(() => said.includes('begun'));
  return async () => {
    child.stdin.end();
    await ended;
    return JSON.parse(said.slice(said.indexOf('{'))) as Flooded;
  };
}

async function metrics(): Promise<(name: string) => number> {
  const text = await (await fetch(`${world.url('reservations')}/metrics`)).text();
  return (name) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    );
}
const shedOf = (loadClass: string, answer: string): string =>
  `ticktak_shed_total{class="${loadClass}",answer="${answer}"}`;

const ask = (method: string, path: string, options: Parameters<typeof request>[2] = {}): Promise<Answer> =>
  request(method, `${world.url('reservations')}/api/v1${path}`, options);

it(
  'those who look are refused, and those who hold, read and pay get what they ask for',
  async () => {
    const end = await startFlood();
    // From here on it is too much: many of them have been refused.
    await until(async () => (await metrics())(shedOf('browse', 'refused')) > 2 * CONNECTIONS, 60_000);

    const told: Record<'held' | 'read' | 'paid' | 'known', number[]> = {
      held: [],
      read: [],
      paid: [],
      known: [],
    };
    for (let n = 0; n < BUYERS; n += 1) {
      const body = { matchNumber: 20 + n, category: 1, quantity: 1, email: `${randomUUID()}@example.org` };
      const held = await ask('POST', '/reservations', { body, key: randomUUID() });
      told.held.push(held.status);
      const { id, token } = held.body;
      told.read.push((await ask('GET', `/reservations/${id}`, { token })).status);
      const paid = await ask('POST', `/reservations/${id}/payment`, {
        body: { paymentMethod: '4242424242424242' },
        token,
        key: randomUUID(),
      });
      told.paid.push(paid.status);
      told.known.push(
        (await ask('GET', `/reservations/${id}`, { token })).body.status === 'RESERVED' ? 200 : 0,
      );
    }
    const now = await metrics();
    const looked = await end();

    expect(told).toEqual({
      held: Array.from({ length: BUYERS }, () => 201),
      read: Array.from({ length: BUYERS }, () => 200),
      paid: Array.from({ length: BUYERS }, () => 200),
      known: Array.from({ length: BUYERS }, () => 200),
    });
    // Those who looked were told so, each with a time to come back, and nothing else went wrong for them.
    expect(looked.answered['503'] ?? 0).toBeGreaterThan(CONNECTIONS);
    expect(Object.keys(looked.answered).filter((status) => status !== '200' && status !== '503')).toEqual([]);
    expect(looked.withoutRetryAfter).toBe(0);
    expect(now(shedOf('browse', 'refused'))).toBeGreaterThan(0);
    expect(['hold', 'holder', 'pay'].map((one) => now(shedOf(one, 'refused')))).toEqual([0, 0, 0]);

    // Once nobody floods it, all are let in again.
    await until(async () => (await metrics())('ticktak_shed_share{class="browse"}') === 0, 60_000);
    const again = await fetch(world.url('shop') + LOOKED_FOR);
    expect(again.status).toBe(200);
  },
  TEST_MS_MAX,
);
