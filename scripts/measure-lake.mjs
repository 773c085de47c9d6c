/**
 * `npm run measure:lake [events]`: seeds ledgers (scripts/seed-ledgers.mjs, a process of its own), then reads them into
 * a data lake, merges it and asks it, in one process whose memory is told, DuckDB's included. The archive is in a process
 * beside it, as MongoDB would be: what an embedded one maps of its file would count as memory. Everything is in a folder of
 * its own that is removed again.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { builtParts } from './seed-ledgers.mjs';
import { fail, runScript } from './lib.mjs';

/** Of which a million and more change a counter. */
const EVENTS = 1_400_000;
const PAGE = 1_001;
const SEED_MS_MAX = 30 * 60_000;
const RSS_MB_MAX = 1_024;
const QUESTIONS = {
  'rows by kind': 'SELECT kind, count(*) FROM bookings GROUP BY kind',
  'sold by day': 'SELECT day, sum(sold_delta) FROM bookings GROUP BY day ORDER BY day',
  'buyers by country and match':
    "SELECT country, match_number, count(DISTINCT person) FROM bookings WHERE kind = 'sold' GROUP BY ALL ORDER BY 3 DESC LIMIT 20",
  'held and sold of every ticket':
    'SELECT match_number, category, is_own, sum(held_delta), sum(sold_delta) FROM bookings GROUP BY ALL',
};

const timed = async (work) => {
  const from = performance.now();
  return [await work(), (performance.now() - from) / 1_000];
};

async function main([events = EVENTS]) {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-lake-'));
  const { part, catalog } = await builtParts();
  console.log(
    `${cpus().length} processors (${cpus()[0]?.model}), ${(totalmem() / 2 ** 30).toFixed(0)} GB, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}`,
  );
  let archive;
  let lake;
  try {
    const [seeded, seededIn] = await timed(() =>
      runScript('seed-ledgers.mjs', [join(dir, 'archive'), String(events)], { timeoutMs: SEED_MS_MAX }),
    );
    if (seeded.code !== 0) throw new Error(seeded.output);
    console.log(`${events} events seeded in ${seededIn.toFixed(0)} s`);
    const [
      { Lake },
      { LakeKeeper },
      { Persons },
      { Erasures },
      { readDataset },
      { systemClock },
      { createLogger },
    ] = await Promise.all(
      [
        'analytics/lake/lake',
        'analytics/lake/keeper',
        'analytics/lake/persons',
        'analytics/lake/erasures',
        'analytics/lake/dataset',
        'process/clock',
        'process/log',
      ].map(part),
    );
    archive = archiveBeside(join(dir, 'archive'));
    const tickets = await archive.ledgerTickets();
    lake = new Lake({
      dir: join(dir, 'lake'),
      limits: { memoryMb: 256, threads: 2 },
      clock: systemClock,
    });
    const keeper = new LakeKeeper({
      lake,
      archive,
      clock: systemClock,
      logger: createLogger({ logLevel: 'warn' }),
      persons: new Persons('0123456789abcdef0123456789abcdef'),
      erasures: new Erasures(archive),
      tickets: () => tickets,
      clientId: 'ticktak',
      batchEventsMax: 50_000,
      daysKept: { bookings: 1_825, views: 180, searches: 180 },
      everyMs: 5_000,
    });
    const delay = monitorEventLoopDelay({ resolution: 5 });
    delay.enable();
    await keeper.acquire(1_000);
    const memory = watchMemory();
    let rows = 0;
    const [, ingested] = await timed(() => keeper.catchUp((more) => (rows += more)));
    console.log(
      `ingested: ${rows} rows of ${events} events in ${ingested.toFixed(1)} s, ${Math.round(events / ingested)} events/s, ${await filesOf(lake)}`,
    );
    const [merges, compacted] = await timed(() => keeper.compact());
    console.log(`compacted: ${merges} merges in ${compacted.toFixed(1)} s, ${await filesOf(lake)}`);
    delay.disable();
    console.log(
      `  event loop kept for p50 ${(delay.percentile(50) / 1e6).toFixed(0)} ms, p99 ${(delay.percentile(99) / 1e6).toFixed(0)} ms, at most ${(delay.max / 1e6).toFixed(0)} ms`,
    );
    const state = await lake.log.read();
    const files = { bookings: lake.paths(state, 'bookings'), views: [], searches: [] };
    const engine = await lake.engine();
    for (const [name, sql] of Object.entries(QUESTIONS)) {
      const [found, took] = await timed(() => engine.ask(sql, files, { dir: lake.dir, rowsMax: 100_000 }));
      console.log(`asked: ${name}, ${found.rows.length} rows in ${(took * 1_000).toFixed(0)} ms`);
    }
    const [content, hashed] = await timed(() => lake.content('bookings'));
    console.log(
      `content of all rows: ${content.rows} rows, ${content.ids} different, in ${hashed.toFixed(1)} s`,
    );
    const matches = catalog.entries.map(catalog.matchOf);
    const [set, read] = await timed(() => readDataset(lake, matches));
    console.log(`data set: ${set.choices.length} choices in ${read.toFixed(1)} s`);
    await keeper.rebuild();
    const [, again] = await timed(() => keeper.catchUp());
    const after = await lake.content('bookings');
    console.log(
      `made anew in ${again.toFixed(1)} s: ${after.hash === content.hash ? 'the same rows' : 'OTHER ROWS'}`,
    );
    await keeper.release();
    const peakMb = peakRssMb();
    console.log(`memory: ${memory()}`);
    console.log(`peak RSS of this process: ${peakMb.toFixed(0)} MB, load ${loadavg()[0]?.toFixed(1)}`);
    if (peakMb > RSS_MB_MAX || after.hash !== content.hash || content.ids !== content.rows)
      process.exitCode = 1;
  } finally {
    await lake?.stop();
    archive?.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The archive of another process. */
function archiveBeside(dir) {
  const child = fork(fileURLToPath(import.meta.url), ['serve', dir], { serialization: 'advanced' });
  const waiting = new Map();
  let calls = 0;
  child.on('message', ({ id, answer, failed }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (failed) reject(new Error(failed));
    else resolve(answer);
  });
  const call = (method, ...args) =>
    new Promise((resolve, reject) => {
      calls += 1;
      waiting.set(calls, { resolve, reject });
      child.send({ id: calls, method, args });
    });
  return {
    head: (ticket) => call('head', ticket),
    ledgerTickets: () => call('ledgerTickets'),
    listDocuments: (...args) => call('listDocuments', ...args),
    async *events(ticket, after) {
      for (let page = await call('events', ticket, after); page.length > 0;) {
        yield* page;
        page = page.length < PAGE ? [] : await call('events', ticket, page.at(-1));
      }
    },
    stop: () => child.disconnect(),
  };
}

async function serve(dir) {
  const { EmbeddedArchive } = await builtParts();
  const archive = new EmbeddedArchive({ dir });
  const started = archive.start();
  const events = async (ticket, after) => {
    const page = [];
    for await (const event of archive.events(ticket, after)) if (page.push(event) >= PAGE) break;
    return page;
  };
  process.on('message', async ({ id, method, args }) => {
    try {
      await started;
      process.send({ id, answer: await (method === 'events' ? events(...args) : archive[method](...args)) });
    } catch (error) {
      process.send({ id, failed: error.message });
    }
  });
  process.once('disconnect', () => void archive.stop());
}

async function filesOf(lake) {
  const { files } = await lake.log.read();
  const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0);
  return `${files.size} files, ${(bytes / 1e6).toFixed(1)} MB`;
}

/** Of its own, and of mapped files, at most so far. */
function watchMemory() {
  const peak = { RssAnon: 0, RssFile: 0 };
  const look = () => {
    const status = readFileSync('/proc/self/status', 'utf8');
    for (const name of Object.keys(peak)) {
      const kb = Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
      peak[name] = Math.max(peak[name], kb / 1_024);
    }
  };
  const timer = process.platform === 'linux' ? setInterval(look, 20) : undefined;
  return () => {
    clearInterval(timer);
    return `${peak.RssAnon.toFixed(0)} MB of its own, ${peak.RssFile.toFixed(0)} MB of mapped files, at most`;
  };
}

/** What the kernel saw; elsewhere what Node says, in kilobytes. */
function peakRssMb() {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1_024;
  } catch {
    return process.resourceUsage().maxRSS / 1_024;
  }
}

const [mode, dir] = process.argv.slice(2);
await (mode === 'serve' ? serve(dir) : main(process.argv.slice(2))).catch(fail);
