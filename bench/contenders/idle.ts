/** What connections cost that nobody asks anything over. */
import type { Case, Contender, Running } from '../contender.js';
import { runMeasuring } from '../generator.js';
import { startAll, startProgram, stopAll, type Program } from '../program.js';
import type { IdleOptions } from '../programs/idle-connections.js';
import { memoryMissing } from '../usage.js';
import { startProduct, ticktak } from './ticktak.js';

export interface IdleCase extends Case {
  readonly connections: number;
}

export const IDLE_CASES: readonly IdleCase[] = [
  { id: '2000', title: '2,000 connections that asked for one match and are silent', connections: 2_000 },
];

const PATH = '/api/v1/matches/1';
const MEASURE = new URL('../programs/idle-connections.ts', import.meta.url);

function running(programs: readonly Program[], stop: () => Promise<void>): Running<IdleCase> {
  const { url = '', pid = 0 } = programs.at(-1) ?? {};
  return {
    parts: programs,
    measure: ({ connections }, measuring) => {
      const options: IdleOptions = { url, pid, path: PATH, connections };
      return runMeasuring(MEASURE, options, measuring);
    },
    stop,
  };
}

export const idle: Contender<IdleCase> = {
  ...ticktak('everysec'),
  durability: 'A read: it has everything that was answered before it was asked.',
  setUp: 'One web process (shop), one worker process, Redis, the embedded archive.',
  missing: memoryMissing,
  start: async () => {
    const { programs, stop } = await startProduct('everysec', { roles: ['shop'] });
    return running(programs, stop);
  },
};

export const idleExpress: Contender<IdleCase> = {
  id: 'express',
  title: 'Express that sends a constant',
  durability: 'None: the answer is a constant.',
  setUp: 'One web process: Express and a string.',
  missing: memoryMissing,
  start: async () => {
    const options = { path: PATH, type: 'application/json', body: '{"matchNumber":1}' };
    const programs = await startAll<Program>(async (started) => {
      started(await startProgram('web', 'same-bytes-web', options));
    });
    return running(programs, () => stopAll(programs));
  },
};
