/**
 * A process that reads the ledgers of an embedded archive into a lake, merges it and begins anew, until it is killed;
 * with `once` it ends when everything is read and merged. It prints a line at each step.
 *
 *   node lake-keeper.mjs <archive folder> <lake folder> [once]
 */
import { writeSync } from 'node:fs';
import { Erasures } from '../../dist/src/analytics/lake/erasures.js';
import { LakeKeeper } from '../../dist/src/analytics/lake/keeper.js';
import { Lake } from '../../dist/src/analytics/lake/lake.js';
import { Persons } from '../../dist/src/analytics/lake/persons.js';
import { EmbeddedArchive } from '../../dist/src/archive/embedded.js';
import { systemClock } from '../../dist/src/process/clock.js';
import { createLogger } from '../../dist/src/process/log.js';

const [archiveDir, dir, mode] = process.argv.slice(2);
const archive = new EmbeddedArchive({ dir: archiveDir });
await archive.start();
const tickets = await archive.ledgerTickets();
const lake = new Lake({ dir, limits: { memoryMb: 128, threads: 1 }, clock: systemClock });
const keeper = new LakeKeeper({
  lake,
  archive,
  clock: systemClock,
  logger: createLogger({ logLevel: 'silent' }),
  persons: new Persons('0123456789abcdef0123456789abcdef'),
  erasures: new Erasures(archive),
  tickets: () => tickets,
  clientId: 'us',
  batchEventsMax: 40,
  daysKept: { bookings: 36_500, views: 36_500, searches: 36_500 },
  everyMs: 1_000,
  silentMs: 200,
});
const step = () => writeSync(1, 'step\n');
await keeper.acquire(10_000);
do {
  await keeper.catchUp(step);
  await keeper.compact();
  step();
  if (mode !== 'once') await keeper.rebuild();
} while (mode !== 'once');
await keeper.release();
await lake.stop();
await archive.stop();
