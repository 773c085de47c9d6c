/**
 * `npm run measure:operations [events]`: how long operators wait for figures of sales. Seeds an embedded archive in a
 * folder of its own with a million events of 192 tickets, counts them from the beginning as a first start does, and
 * then asks: the first time with nothing in memory, many times after, and while further sales are being counted.
 * Prints median, p95 and processor time of each question, and how long the counting kept the event loop. At last a whole
 * marketplace is started on it, and its dashboard opened in a real browser (measure-dashboard.mjs).
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fail } from './lib.mjs';
import { measureDashboard } from './measure-dashboard.mjs';
import { builtParts, EVENTS, seedLedgers } from './seed-ledgers.mjs';

const ASKED = 100;
const COUNT_MS_MAX = 30 * 60_000;
const DAY_MS = 24 * 3_600_000;
const QUESTIONS = {
  'last 30 days': {},
  'last 30 days by match': { by: 'match' },
  'last 30 days by country': { by: 'country' },
  'last 14 days by the hour, by marketplace': { bucket: 'hour', by: 'marketplace' },
  'all 120 days by match': { from: dateOf(-120), by: 'match' },
  'all 120 days by match, CSV': { from: dateOf(-120), by: 'match', format: 'csv' },
};

function dateOf(days) {
  return new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10);
}

const ms = (value) => `${value.toFixed(1).padStart(8)} ms`;
const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];

async function main([count = EVENTS]) {
  const { part, EmbeddedArchive, catalog } = await builtParts();
  const [{ makeSales }, { systemClock }, { SalesRecords }] = await Promise.all(
    ['operations/sales/index', 'process/clock', 'operations/sales/records'].map(part),
  );
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-operations-'));
  // Where a marketplace of this folder has it.
  const archiveDir = join(dir, 'archive');
  let archive = new EmbeddedArchive({ dir: archiveDir });
  await archive.start();
  const tickets = catalog.entries.flatMap(({ matchNumber }) => catalog.ticketsOf(matchNumber));
  const logger = { warn: console.warn };
  let changed = () => undefined;
  const started = () => {
    const sales = makeSales({
      archive,
      clock: systemClock,
      logger,
      clientId: 'ticktak',
      currency: 'USD',
      waitMs: 60_000,
      requireOperator: () => null,
      matches: () => archive.matches(),
      tickets: () => tickets,
      subscribe: (onChange) => {
        changed = onChange;
        return () => undefined;
      },
    });
    sales.start();
    return sales;
  };
  /** As the service answers, without the connection. */
  const ask = async ({ routes: [route] }, query) => {
    const from = performance.now();
    const request = { params: {}, query, headers: {}, ip: '127.0.0.1' };
    const answer = await route.serve(request, { locals: {} }, {});
    if (answer.status !== 200) throw new Error(JSON.stringify(answer));
    const content = answer.text?.content ?? JSON.stringify(answer.body);
    return { took: performance.now() - from, bytes: Buffer.byteLength(content), body: answer.body };
  };
  let sales;
  try {
    console.log(`${cpus().length} processors, Node ${process.version}; seeding ${Number(count)} events`);
    const seedingFrom = performance.now();
    const written = await seedLedgers({ archive, catalog, events: Number(count) });
    console.log(`seeded in ${((performance.now() - seedingFrom) / 1_000).toFixed(0)} s:`, written);

    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    const countingFrom = performance.now();
    sales = started();
    for (let body = {}; !body.isComplete; { body } = await ask(sales, { from: dateOf(0) })) {
      if (performance.now() - countingFrom > COUNT_MS_MAX) throw new Error('it was not counted in time');
      await sleep(200);
    }
    delay.disable();
    const took = (performance.now() - countingFrom) / 1_000;
    const total = Object.values(written).reduce((sum, one) => sum + one, 0);
    console.log(`counted in ${took.toFixed(1)} s, ${Math.round(total / took)} events/s;`);
    console.log(
      `  event loop kept for p50 ${ms(delay.percentile(50) / 1e6)}, p99 ${ms(delay.percentile(99) / 1e6)}, at most ${ms(delay.max / 1e6)}`,
    );
    const { body } = await ask(sales, { from: dateOf(-121) });
    const { sold, refunded } = body.totals;
    console.log(`  tickets sold ${sold}, refunded ${refunded}, elsewhere ${body.totals.soldElsewhere}`);
    const size = await documentsSize(new SalesRecords(archive));
    console.log(
      `  ${size.months} months of tickets, ${size.rows} rows, ${(size.bytes / 1e6).toFixed(1)} MB of text`,
    );
    console.log(`  archive: ${(statSync(join(archiveDir, 'archive.mdb')).size / 1e6).toFixed(0)} MB`);
    await sales.stop();

    console.log(`load of the machine: ${loadavg()[0]?.toFixed(1)}`);
    console.log(
      'answers:                                        first      p50         p95    processor         size',
    );
    for (const [name, query] of Object.entries(QUESTIONS)) {
      sales = started();
      const first = await ask(sales, query);
      const times = [];
      const usedFrom = process.cpuUsage();
      for (let index = 0; index < ASKED; index += 1) times.push((await ask(sales, query)).took);
      const { user, system } = process.cpuUsage(usedFrom);
      times.sort((a, b) => a - b);
      console.log(
        `  ${name.padEnd(42)}${ms(first.took)}${ms(at(times, 0.5))}${ms(at(times, 0.95))}${ms((user + system) / 1_000 / ASKED)} ${(first.bytes / 1e3).toFixed(0).padStart(6)} kB`,
      );
      await sales.stop();
    }
    await archive.stop();
    await measureDashboard({ dir });
    archive = new EmbeddedArchive({ dir: archiveDir });
    await archive.start();
    // Last: nothing could be started on ledgers whose sales nobody held.
    sales = started();
    await whileSelling(sales, { archive, tickets, ask, changed: (ticket) => changed(ticket) });
  } finally {
    await sales?.stop();
    await archive.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function documentsSize(records) {
  const size = { months: 0, rows: 0, bytes: 0 };
  for (const [ticket, { months }] of await records.cursors()) {
    for (const month of Object.keys(months)) {
      const { rows } = (await records.month(ticket, month)).value;
      size.months += 1;
      size.rows += (rows.split(',').length / 6) | 0;
      size.bytes += rows.length;
    }
  }
  return size;
}

/** Every ticket goes on selling; what changed is read anew. */
async function whileSelling(sales, { archive, tickets, ask, changed }) {
  const times = [];
  let isOver = false;
  const selling = (async () => {
    while (!isOver) {
      const batches = [];
      for (const ticket of tickets) {
        const head = await archive.head(ticket);
        const place = { incarnation: head.incarnation, sequence: head.sequence + 1 };
        const event = { type: 'sold', at: Date.now(), reservation: boughtNow(ticket) };
        const events = [{ ...place, ticket, commandId: `late-${place.sequence}`, event }];
        batches.push({ ticket, incarnation: place.incarnation, events });
      }
      await archive.append(batches);
      for (const ticket of tickets) changed(ticket);
      await sleep(100);
    }
  })();
  for (let index = 0; index < ASKED; index += 1) {
    times.push((await ask(sales, { by: 'match' })).took);
    await sleep(100);
  }
  isOver = true;
  await selling;
  times.sort((a, b) => a - b);
  console.log(
    `  while 192 tickets sell: by match, p50 ${ms(at(times, 0.5))}, p95 ${ms(at(times, 0.95))}, at most ${ms(times.at(-1))}`,
  );
}

/** Of a purchase that is made now. */
const boughtNow = ({ matchNumber, category }) => ({
  id: `m${matchNumber}c${category}-late`,
  matchNumber,
  category,
  status: 'RESERVED',
  quantity: 1,
  refundedQuantity: 0,
  unitPrice: 75,
  currency: 'USD',
  email: 'late@example.com',
  person: 'late@example.com',
  country: 'QA',
  createdAt: Date.now(),
  updatedAt: Date.now(),
  expiresAt: Date.now(),
});

await main(process.argv.slice(2)).catch(fail);
