/** Holds without HTTP, against what Redis alone does of the same commits. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import type { Case, Contender, Figures, Running, Measuring } from '../contender.js';
import { runMeasuring } from '../generator.js';
import { startRedis, typeScript, type Program } from '../program.js';
import type { EngineOptions } from '../programs/engine.js';
import { CAPACITY, TICKETS } from './holds.js';

export interface EngineCase extends Case {
  readonly tickets: number;
  readonly underWay: number;
}

export const ENGINE_CASES: readonly EngineCase[] = [
  { id: 'hot', title: 'one ticket, 512 holds under way', tickets: 1, underWay: 512 },
  { id: 'spread', title: '192 tickets, 512 holds under way', tickets: TICKETS, underWay: 512 },
];

const run = promisify(execFile);
const ENGINE = new URL('../programs/engine.ts', import.meta.url);
const COMMIT_CALL = new URL('../programs/commit-call.ts', import.meta.url);
const BENCHMARK = 'redis-benchmark';
/** As many numbers as redis-benchmark can draw from. */
const NUMBERS = 2_147_483_647;
/** Of its calls so many may draw a number again, and are then known as repeats. */
const REPEATS_MAX = 0.001;
/** By these is found how many fill the time. */
const TRIAL_CALLS = 10_000;

const optionsFor = (redis: Program, { tickets, underWay }: EngineCase): EngineOptions => ({
  redisUrl: redis.url,
  prefix: `bench-${Math.random().toString(36).slice(2, 8)}`,
  tickets,
  underWay,
  capacity: CAPACITY,
});

async function onRedis(
  measure: (redis: Program, case_: EngineCase, measuring: Measuring) => Promise<Figures>,
): Promise<Running<EngineCase>> {
  const redis = await startRedis('everysec');
  return {
    parts: [redis],
    measure: (case_, measuring) => measure(redis, case_, measuring),
    stop: () => redis.stop(),
  };
}

export const engine: Contender<EngineCase> = {
  id: 'engine',
  title: 'the engine, its senders in the same process',
  durability: 'As ticktak/everysec.',
  setUp: 'One process (gateway, BullMQ, actors, embedded archive) and Redis; no HTTP, no security check.',
  missing: () => Promise.resolve(null),
  start: () =>
    onRedis((redis, case_, measuring) => runMeasuring(ENGINE, optionsFor(redis, case_), measuring)),
};

export const evalsha: Contender<EngineCase> = {
  id: 'evalsha',
  title: 'redis-benchmark: the same commit, one hold each',
  durability: 'The commits alone, as ticktak/everysec.',
  setUp:
    'redis-benchmark with 64 connections and Redis: the EVALSHA of one committed hold, of one ticket, again and again.',
  missing: () =>
    run(BENCHMARK, ['--version']).then(
      () => null,
      () => `${BENCHMARK} is not installed`,
    ),
  start: () => onRedis(repeatCommit),
};

async function repeatCommit(redis: Program, case_: EngineCase, measuring: Measuring): Promise<Figures> {
  const { stdout } = await run(process.execPath, typeScript(COMMIT_CALL, optionsFor(redis, case_)));
  const { call, outbox } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    call: string[];
    outbox: string;
  };
  const trial = await benchmark(redis, TRIAL_CALLS, call);
  if (measuring.warmUpSeconds > 0) await benchmark(redis, callsIn(measuring.warmUpSeconds, trial), call);
  const client = new Redis(redis.url);
  try {
    await client.del(outbox);
    measuring.onBegin();
    const count = callsIn(measuring.seconds, trial);
    const perSecond = await benchmark(redis, count, call);
    // Whatever was refused has left no event.
    const committed = await client.xlen(outbox);
    const failed = count - committed > count * REPEATS_MAX ? { 'not committed': count - committed } : {};
    const seconds = count / perSecond;
    return { count: committed, seconds, perSecond: committed / seconds, latency: null, failed };
  } finally {
    client.disconnect();
  }
}

const callsIn = (seconds: number, perSecond: number): number => Math.max(1, Math.round(seconds * perSecond));

/** Answers how many a second. */
async function benchmark(redis: Program, count: number, call: readonly string[]): Promise<number> {
  const { port } = new URL(redis.url);
  const how = ['-p', port, '-c', '64', '-n', String(count), '-r', String(NUMBERS), '--csv'];
  const { stdout } = await run(BENCHMARK, [...how, ...call]);
  // The name comes first and has anything in it; behind it come calls a second and six times.
  const perSecond = Number(stdout.trim().split('","').at(-7));
  if (!(perSecond > 0)) throw new Error(`${BENCHMARK} said ${stdout.slice(-200)}`);
  return perSecond;
}
