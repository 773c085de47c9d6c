/** Starts the load generator (load.ts), or another program that measures, and hears what it found. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import type { Figures, Measuring, Times } from './contender.js';
import { typeScript } from './program.js';

/** `{ticket}` in a path is replaced by `matchNumber-category`. Tickets are numbered from 0, three to a match. */
export type Requests =
  | {
      /** `purchase`: each connection holds, and then pays for what it holds. */
      readonly kind: 'hold' | 'purchase';
      readonly path: string;
      readonly firstTicket: number;
      readonly tickets: number;
    }
  | { readonly kind: 'get'; readonly path: string; readonly headers: Readonly<Record<string, string>> };

export interface LoadPlan extends Times {
  readonly url: string;
  readonly connections: number;
  readonly requests: Requests;
  /** The only status that counts as success. */
  readonly expected: number;
  /** Of a step towards it, which is not counted and not timed. */
  readonly onTheWay?: number;
  /** Requests a second; absent: as many as are answered. */
  readonly perSecond?: number;
  /** Ends when so many were answered, with no warm-up; absent: after `seconds`. Not with `perSecond`. */
  readonly amount?: number;
}

const LOAD = new URL('./load.ts', import.meta.url);
/** What a measuring program may take beyond its times: its start, answers that are late, and its end. */
const BEYOND_MS_MAX = 120_000;
/** Where an amount is asked for, fewer a second are taken for a standstill. */
const AMOUNT_PER_SECOND_MIN = 50;

export const load = (plan: Omit<LoadPlan, keyof Times>, measuring: Measuring): Promise<Figures> =>
  runMeasuring(LOAD, plan, measuring, BEYOND_MS_MAX + (1_000 * (plan.amount ?? 0)) / AMOUNT_PER_SECOND_MIN);

/**
 * Runs a program of ours that measures by itself: it says when it begins, and what it found (tally.ts). One that does not
 * end is killed `beyondMs` after its times, and rejects.
 */
export async function runMeasuring(
  file: URL,
  plan: object,
  measuring: Measuring,
  beyondMs = BEYOND_MS_MAX,
): Promise<Figures> {
  const { warmUpSeconds, seconds, onBegin } = measuring;
  const name = basename(file.pathname);
  const msMax = (warmUpSeconds + seconds) * 1_000 + beyondMs;
  const args = typeScript(file, { ...plan, warmUpSeconds, seconds });
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, msMax);
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'begin') onBegin();
    else last = line;
  }
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  clearTimeout(late);
  if (isLate) throw new Error(`${name} did not end within ${msMax / 1_000} s`);
  if (code !== 0) throw new Error(`${name} ended with ${code ?? signal}`);
  return JSON.parse(last) as Figures;
}
