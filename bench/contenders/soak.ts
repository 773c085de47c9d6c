/** What a worker needs after very many holds, and whether it goes on growing. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case, Contender, Figures, Measuring, Running } from '../contender.js';
import { load } from '../generator.js';
import type { Program } from '../program.js';
import { HOLD_PATH } from '../programs/web.js';
import { growthOf, thinned } from '../statistics.js';
import { memoryMissing, memoryOf, type Memory } from '../usage.js';
import { TICKETS } from './holds.js';
import { PREFIX, ticketNumbers, withStore } from './store.js';
import { startProduct, ticktak } from './ticktak.js';

export interface SoakCase extends Case {
  readonly holds: number;
}

/** As many as the season asks for. */
export const SOAK_HOLDS = 1_000_000;

export const soakCases = (holds: number): readonly SoakCase[] => [
  {
    id: 'spread',
    title: `${holds.toLocaleString('en')} holds, ${TICKETS} tickets, memory in MB of a million bytes`,
    holds,
    onlyWhenNamed: true,
  },
];

/** What the aims are for. `own` is without pages of files. */
export const SOAK_VALUES = {
  worker: 'worker, MB',
  own: 'own, MB',
  growth: 'worker grew, %',
  ownGrowth: 'own grew, %',
} as const;

/** Holds end by themselves, so that after the first seconds as many end as begin. */
const HOLD_MS = 10_000;
const CONNECTIONS = 64;
const HEAP_MIB = 128;
const SAMPLE_MS = 500;
const SERIES_MAX = 60;
/** Until the last holds have ended, once nobody asks for more. */
const ENDED_MS_MAX = HOLD_MS + 60_000;
const LOOK_MS = 200;

async function start(workerEnv: Readonly<Record<string, string>>): Promise<Running<SoakCase>> {
  const env = { REDIS_PREFIX: PREFIX, HOLD_MS: String(HOLD_MS) };
  const { programs, stop } = await startProduct('everysec', { env, workerEnv });
  return {
    parts: programs,
    measure: (case_, measuring) => measure(programs, case_.holds, measuring),
    stop,
  };
}

const SET_UP = `As ticktak/everysec, with holds that last ${HOLD_MS / 1_000} s`;

export const soak: Contender<SoakCase> = {
  ...ticktak('everysec'),
  setUp: `${SET_UP}.`,
  missing: memoryMissing,
  start: () => start({}),
};

/**
 * With plenty of memory in the machine the heap grows because nothing asks it not to. With little room what grows is
 * what is kept, until the worker ends for want of memory, which fails.
 */
export const soakInLittle: Contender<SoakCase> = {
  ...soak,
  id: `heap/${HEAP_MIB}`,
  title: `ticktak with a worker’s heap of ${HEAP_MIB} MiB`,
  setUp: `${SET_UP}, and a worker of --max-old-space-size=${HEAP_MIB}.`,
  start: () => start({ NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` }),
};

async function measure(programs: readonly Program[], holds: number, measuring: Measuring): Promise<Figures> {
  const of = (name: string): Program => {
    const found = programs.find((each) => each.name === name);
    if (!found) throw new Error(`there is no ${name}`);
    return found;
  };
  const [redis, worker, web] = [of('redis'), of('worker'), of('web')];
  const samples = { worker: [] as Memory[], web: [] as Memory[] };
  const look = (): void => {
    samples.worker.push(memoryOf(worker.pid));
    samples.web.push(memoryOf(web.pid));
  };
  const looking = setInterval(look, SAMPLE_MS);
  const requests = { kind: 'hold', path: HOLD_PATH, firstTicket: 0, tickets: TICKETS } as const;
  const plan = { url: web.url, connections: CONNECTIONS, expected: 201, amount: holds, requests };
  const figures = await load(plan, measuring).finally(() => clearInterval(looking));
  const left = await heldAfter(redis.url);
  const after = memoryOf(worker.pid);
  const all = samples.worker.map((memory) => memory.all);
  const own = samples.worker.map((memory) => memory.all - memory.files);
  const values = {
    [SOAK_VALUES.worker]: after.all,
    [SOAK_VALUES.own]: after.all - after.files,
    'most, MB': Math.max(...all),
    [SOAK_VALUES.growth]: growthOf(all),
    [SOAK_VALUES.ownGrowth]: growthOf(own),
    'web, MB': memoryOf(web.pid).all,
    'web grew, %': growthOf(samples.web.map((memory) => memory.all)),
    'Redis, MB': memoryOf(redis.pid).all,
  };
  const failed = { ...figures.failed, ...(left > 0 && { 'did not end': left }) };
  const series = {
    'worker, MB': thinned(all, SERIES_MAX),
    'own, MB': thinned(own, SERIES_MAX),
  };
  return { ...figures, failed, values, series };
}

/** Waits until no hold is left; answers how many are when that takes too long. */
const heldAfter = (redisUrl: string): Promise<number> =>
  withStore(redisUrl, async (store) => {
    const giveUpAt = Date.now() + ENDED_MS_MAX;
    for (;;) {
      const counters = await store.counters(ticketNumbers(TICKETS));
      const held = counters.reduce((sum, { heldHere }) => sum + heldHere, 0);
      if (held === 0 || Date.now() > giveUpAt) return held;
      await sleep(LOOK_MS);
    }
  });
