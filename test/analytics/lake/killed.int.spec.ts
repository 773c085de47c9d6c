/** A process that keeps a lake is killed again and again, wherever it is: in the end every row is there once. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { Lake } from '../../../src/analytics/lake/lake.js';
import { EmbeddedArchive } from '../../../src/archive/embedded.js';
import { systemClock } from '../../../src/process/clock.js';
import { DAY, NOON, T11, T12, sold } from '../../operations/ledger.js';
import { LIMITS } from './bench.js';

const KEEPER = join(import.meta.dirname, '../../helpers/lake-keeper.mjs');
const EVENTS = 300;
/** Steps after which it is killed; in between it reads, writes, merges and begins anew. */
const KILLED_AFTER = [0, 1, 3, 6, 9, 13, 17, 22, 26, 31];

/** Runs it, and kills it after so many steps; without, until it ends by itself. */
async function run(args: readonly string[], steps?: number): Promise<number | null> {
  const child = spawn(process.execPath, [KEEPER, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let seen = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    seen += chunk.toString().split('step').length - 1;
    if (steps !== undefined && seen >= steps) child.kill('SIGKILL');
  });
  if (steps === 0) child.once('spawn', () => child.kill('SIGKILL'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code;
}

it('neither loses nor doubles a row through kills', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'ticktak-killed-'));
  const [archiveDir, lakeDir] = [join(dir, 'archive'), join(dir, 'lake')];
  const archive = new EmbeddedArchive({ dir: archiveDir });
  await archive.start();
  for (const ticket of [T11, T12]) {
    const { incarnation } = await archive.openIncarnation(ticket);
    const events = Array.from({ length: EVENTS }, (_, index) => ({
      ticket,
      incarnation,
      sequence: index + 1,
      commandId: `c${index}`,
      event: sold(NOON + (index % 9) * DAY + index, { id: `${ticket.category}-${index}`, ...ticket }),
    }));
    await archive.append([{ ticket, incarnation, events }]);
  }
  await archive.stop();

  for (const steps of KILLED_AFTER) expect(await run([archiveDir, lakeDir], steps)).toBeNull();
  expect(await run([archiveDir, lakeDir, 'once'])).toBe(0);

  const lake = new Lake({ dir: lakeDir, limits: LIMITS, clock: systemClock });
  expect(await lake.content('bookings')).toMatchObject({ rows: 2 * EVENTS, ids: 2 * EVENTS });
  expect((await lake.log.read()).files.size).toBe(9);
  await lake.stop();
  await rm(dir, { recursive: true });
}, 180_000);
