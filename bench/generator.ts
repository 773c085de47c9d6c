/** Starts the load generator (load.ts) and hears what it found. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Figures, Measuring, Times } from './contender.js';
import { typeScript } from './program.js';

/** `{ticket}` in a path is replaced by `matchNumber-category`. Tickets are numbered from 0, three to a match. */
export type Requests =
  | { readonly kind: 'hold'; readonly path: string; readonly firstTicket: number; readonly tickets: number }
  | { readonly kind: 'get'; readonly path: string; readonly headers: Readonly<Record<string, string>> };

export interface LoadPlan extends Times {
  readonly url: string;
  readonly connections: number;
  readonly requests: Requests;
  /** The only status that counts as success. */
  readonly expected: number;
  /** Requests a second; absent: as many as are answered. */
  readonly perSecond?: number;
}

const LOAD = new URL('./load.ts', import.meta.url);

export async function load(
  plan: Omit<LoadPlan, keyof Times>,
  { warmUpSeconds, seconds, onBegin }: Measuring,
): Promise<Figures> {
  const args = typeScript(LOAD, { ...plan, warmUpSeconds, seconds } satisfies LoadPlan);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'begin') onBegin();
    else last = line;
  }
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`the load generator ended with ${code}`);
  return JSON.parse(last) as Figures;
}
