/**
 * What goes wrong in a round. Guarantees: the same seed and round give the same plan; in every round the processes of one
 * marketplace are killed (SIGKILL), and in some a Redis or the broker stands still (SIGSTOP) besides; whatever is done is
 * undone before the round is looked at.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded, wholeFrom } from '../../src/peer/random.js';
import type { Controls } from '../helpers/server-process.js';
import type { Contestant } from './contestant.js';

export interface PlannedFault {
  readonly kind: 'crash' | 'redis' | 'broker';
  /** Which marketplace; of the broker it says nothing. */
  readonly of: number;
  /** Since the round began. */
  readonly atMs: number;
  /** Until it is started again, or goes on. */
  readonly forMs: number;
}

/** While tickets are to be had. */
const AT_MS_MIN = 200;
const AT_MS_MAX = 5_000;
const AWAY_MS_MIN = 500;
const AWAY_MS_MAX = 2_000;
const STILL_MS = 1_000;
/** Rounds in which something stands still. */
const STILL_SHARE = 0.4;
/** Apart from the streams of buyers, which are small numbers. */
const STREAM = 2 ** 30;

export function faultsOf(seed: number, round: number, marketplaces: number): PlannedFault[] {
  const random = seeded(seed, STREAM + round);
  const atMs = (): number => wholeFrom(random, AT_MS_MIN, AT_MS_MAX);
  const of = (): number => wholeFrom(random, 0, marketplaces - 1);
  const forMs = wholeFrom(random, AWAY_MS_MIN, AWAY_MS_MAX);
  const crash: PlannedFault = { kind: 'crash', of: of(), atMs: atMs(), forMs };
  if (random() >= STILL_SHARE) return [crash];
  const kind = random() < 0.5 ? 'redis' : 'broker';
  return [crash, { kind, of: of(), atMs: atMs(), forMs: STILL_MS }];
}

/** Resolves when all of them are over and everybody is open again. */
export async function inject(
  plan: readonly PlannedFault[],
  contestants: readonly Contestant[],
  broker: Pick<Controls, 'pause' | 'resume'>,
): Promise<void> {
  await Promise.all(
    plan.map(async ({ kind, of, atMs, forMs }) => {
      const contestant = contestants[of];
      if (!contestant) throw new Error(`there is no marketplace ${of}`);
      await sleep(atMs);
      if (kind === 'crash') {
        await contestant.unit.kill();
        await sleep(forMs);
        await contestant.unit.start();
        return;
      }
      const server = kind === 'redis' ? contestant.redis : broker;
      server.pause();
      try {
        await sleep(forMs);
      } finally {
        server.resume();
      }
    }),
  );
}

/** `names`: of the marketplaces. */
export function tellFault({ kind, of, atMs, forMs }: PlannedFault, names: readonly string[]): string {
  const at = `${(atMs / 1_000).toFixed(1)}+${(forMs / 1_000).toFixed(1)} s`;
  if (kind === 'broker') return `broker still ${at}`;
  return kind === 'crash' ? `${names[of] ?? ''} killed ${at}` : `Redis of ${names[of] ?? ''} still ${at}`;
}
