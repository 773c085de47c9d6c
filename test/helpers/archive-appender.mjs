/**
 * A process that appends to one ticket of an embedded archive until it is killed or has appended `count`
 * events, and prints a line with each sequence once its append was acknowledged, never before.
 *
 *   node archive-appender.mjs <dir> <matchNumber> <category> [count]
 *
 * It opens the next incarnation first, so that it can be started again on the same folder.
 */
import { writeSync } from 'node:fs';
import { EmbeddedArchive } from '../../dist/src/archive/embedded.js';

const [dir, matchNumber, category, count = 'Infinity'] = process.argv.slice(2);
const ticket = { matchNumber: Number(matchNumber), category: Number(category) };

const archive = new EmbeddedArchive({ dir });
await archive.start();
const { incarnation } = await archive.openIncarnation(ticket);
for (let sequence = 1; sequence <= Number(count); sequence += 1) {
  const event = { type: 'loaded', at: sequence, capacity: sequence, price: 75, currency: 'usd' };
  const commandId = `${process.pid}/${sequence}`;
  await archive.append([
    { ticket, incarnation, events: [{ ticket, incarnation, sequence, commandId, event }] },
  ]);
  writeSync(1, `${incarnation} ${sequence}\n`);
}
await archive.stop();
