/** Which model is served while others are trained, broken, or written by a newer program. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pino } from 'pino';
import type { Artefact, ExplainingRanker } from '../../src/analytics/model/artefact.js';
import { ServedModel } from '../../src/analytics/recommender/served-model.js';
import { ManualClock } from '../http/fakes.js';

const EVERY_MS = 1_000;
const ranker = (name: string): ExplainingRanker => ({
  name,
  scores: (_visitor, items) => new Float64Array(items.length),
  explain: () => [],
});

const clock = new ManualClock();
let version: number | null;
let read: (version: number) => ExplainingRanker;
let reads: number;
let current: () => Promise<number>;
let lines: string[];
let served: ServedModel;

beforeEach(() => {
  [version, reads, lines] = [null, 0, []];
  read = (number) => ranker(`model ${number}`);
  current = async () => version ?? 0;
  served = new ServedModel({
    models: {
      currentVersion: async () => version,
      current: async () => {
        const found = await current();
        // Only its version is looked at here.
        return version === null ? null : { version: found, artefact: { seed: found } as Artefact };
      },
    },
    rankerOf: ({ seed }) => {
      reads += 1;
      return read(seed);
    },
    clock,
    logger: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
    everyMs: EVERY_MS,
  });
});
afterEach(() => served.stop());

/** Starts it, or lets the next look happen. */
async function look(): Promise<void> {
  const before = clock.timers;
  if (before === 0) served.start();
  else clock.advance(EVERY_MS);
  for (let turns = 0; turns < 100 && clock.timers === 0; turns += 1) await new Promise(setImmediate);
  expect(clock.timers).toBe(1);
}
const name = (): string | undefined => served.current()?.ranker.name;
const told = (level: number): number => lines.filter((line) => line.includes(`"level":${level}`)).length;

it('is none while none was trained, then the newest, made once', async () => {
  await look();
  expect(served.current()).toBeNull();
  version = 1;
  await look();
  await look();
  expect([name(), reads]).toEqual(['model 1', 1]);
  version = 2;
  await look();
  expect([name(), reads, served.current()?.version]).toEqual(['model 2', 2, 2]);
});

it('stays when another cannot be used, which is told once', async () => {
  version = 1;
  await look();
  version = 2;
  read = () => {
    throw new Error('broken');
  };
  for (let times = 0; times < 3; times += 1) await look();
  expect([name(), reads, told(50)]).toEqual(['model 1', 2, 1]);
  [version, read] = [3, (number) => ranker(`model ${number}`)];
  await look();
  expect(name()).toBe('model 3');
});

it('stays while others cannot be read, which is told once', async () => {
  version = 1;
  await look();
  version = 2;
  current = () => Promise.reject(new Error('written by a newer ticktak'));
  for (let times = 0; times < 3; times += 1) await look();
  expect([name(), told(40)]).toEqual(['model 1', 1]);
});

it('is not used again once it failed in use', async () => {
  version = 1;
  await look();
  served.refuse(1, new Error('broken'));
  served.refuse(1, new Error('broken'));
  await look();
  expect([served.current(), told(50)]).toEqual([null, 1]);
});

it('goes when it was taken back', async () => {
  version = 1;
  await look();
  version = null;
  await look();
  expect(served.current()).toBeNull();
});
