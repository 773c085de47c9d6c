/** A run from the first process to the report: `npm run chaos`, and a short one among the tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { LATEST } from '../../src/kafka/kafkajs.js';
import { seeded } from '../../src/peer/random.js';
import { listEntry } from '../exchange/topics.js';
import { Crowd } from './buyers.js';
import { violationsOf, VIOLATIONS, type Violation, type World } from './check.js';
import { countersIn, gather, leftIn, paymentsDue } from './evidence.js';
import { figuresOf, tableOf, type KindFigures } from './figures.js';
import { Fleet } from './fleet.js';
import { Injector, type InjectedFault } from './injector.js';
import { KINDS, scheduleOf, type KindName } from './schedule.js';

export interface ChaosOptions {
  readonly seed: number;
  readonly minutes: number;
  readonly faults: number;
  readonly kinds: readonly KindName[];
  /** Buyers at once for each ticket. */
  readonly width: number;
  /** Folder that the report is written into; null for none. */
  readonly reportDir: string | null;
  readonly log: (line: string) => void;
}

export interface ChaosReport {
  readonly options: Omit<ChaosOptions, 'log' | 'reportDir'>;
  readonly machine: string;
  readonly load: { readonly before: number; readonly after: number };
  readonly store: string;
  readonly seconds: number;
  readonly faults: readonly InjectedFault[];
  readonly requests: number;
  /** Of every try, by what it was answered. */
  readonly answers: Readonly<Record<string, number>>;
  /** Final ones, by operation. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly records: number;
  readonly events: number;
  readonly charges: number;
  readonly failedStarts: number;
  readonly drainSeconds: number;
  readonly figures: readonly KindFigures[];
  readonly violations: readonly Violation[];
}

/** Scarce and sold by us alone; sold by all until it is gone; and one that is never sold out. */
const CAPACITIES = [12, 600, 100_000];
const SHARED_MATCHES = '2-3';
/** Longer than buyers take, also when their first tries fail. */
const HOLD_MS = 12_000;
const PAYING_MS = 30_000;
const OPEN_MS_MAX = 120_000;
const DRAIN_MS_MAX = 240_000;
/** Nothing has moved for so long. */
const QUIET_MS = 6_000;
const LOOK_MS = 500;
/** After the faults buyers get this long for their answers. */
const ANSWER_MS_MAX = 120_000;
/** Before the first fault and after the last. */
const CALM_MS = 3_000;
const PEERS = [
  ['peer-full', 'full'],
  ['peer-client', 'client'],
] as const;

const INSTANCES = { worker: 2, web: 2, consumer: 1 } as const;

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, minutes, faults, kinds, width, log } = options;
  const began = Date.now();
  const before = load();
  const fleet = await Fleet.start({
    holdMs: HOLD_MS,
    payingMs: PAYING_MS,
    workers: INSTANCES.worker,
    webs: INSTANCES.web,
    consumers: INSTANCES.consumer,
  });
  const peers: ChildProcess[] = [];
  try {
    const usable = kinds.filter((kind) => fleet.mongo !== null || !isOurMongo(kind));
    const tickets = await openMarket(fleet);
    log(`open after ${((Date.now() - began) / 1_000).toFixed(0)} s; seed ${seed}`);
    let [isOver, isHopeless] = [false, false];
    const crowd = new Crowd({
      tickets,
      width,
      urls: () => fleet.units.web.flatMap((unit) => unit.url('reservations') ?? []),
      random: seeded(seed, 1),
      isOver: () => isOver,
      isHopeless: () => isHopeless,
    });
    const buying = crowd.run();
    peers.push(...PEERS.map(([clientId, ids], i) => peerOf(fleet, clientId, ids, seed + i)));
    const injector = new Injector(fleet, tickets, log);
    const spanMs = minutes * 60_000;
    const schedule = scheduleOf({ seed, faults, spanMs, kinds: usable, instances: INSTANCES });
    await sleep(CALM_MS);
    const faulting = injector.run(schedule);
    await Promise.all([faulting, sleep(spanMs)]);
    await sleep(CALM_MS);
    isOver = true;
    log('faults are over; waiting for the last answers');
    const drainBegan = Date.now();
    const hopeless = setTimeout(() => (isHopeless = true), ANSWER_MS_MAX);
    await Promise.all([buying, ...peers.map(ended)]);
    clearTimeout(hopeless);
    await drained(fleet, tickets, log);
    const drainSeconds = (Date.now() - drainBegan) / 1_000;
    const world = await gather(fleet, crowd, tickets);
    const figures = figuresOf(injector.injected, crowd.purchases, tickets);
    const report: ChaosReport = {
      options: { seed, minutes, faults, kinds: usable, width },
      machine: `${cpus().length} x ${cpus()[0]?.model ?? ''}, Node ${process.version}`,
      load: { before, after: load() },
      store: fleet.mongo?.name ?? 'the MongoDB of MONGODB_URL',
      seconds: (Date.now() - began) / 1_000,
      faults: injector.injected,
      requests: crowd.requests,
      answers: sorted(crowd.answers),
      outcomes: outcomesOf(world),
      records: world.records.length,
      events: world.ledger.length,
      charges: world.charges.filter(({ paid }) => paid > 0).length,
      failedStarts: fleet.all.reduce((sum, unit) => sum + unit.failedStarts, 0),
      drainSeconds,
      figures,
      violations: violationsOf(world),
    };
    write(options, report, world, fleet);
    return report;
  } finally {
    for (const peer of peers) peer.kill('SIGKILL');
    await fleet.stop();
  }
}

const isOurMongo = (kind: KindName): boolean =>
  KINDS[kind].target === 'mongo' && KINDS[kind].act !== 'cut' && KINDS[kind].act !== 'slow';

/** Processes, and a master list that they all have. Answers its tickets. */
async function openMarket(fleet: Fleet): Promise<readonly string[]> {
  await fleet.topics.publish(
    fleet.topics.lists,
    CAPACITIES.map((capacity, i) => listEntry(i + 1, capacity)),
  );
  await fleet.open();
  const tickets = CAPACITIES.flatMap((_, i) => [1, 2, 3].map((category) => `${i + 1}:${category}`));
  const redis = new Redis(fleet.redis.url);
  try {
    await until('the market opens', OPEN_MS_MAX, async () => {
      const all = await Promise.all(tickets.map((ticket) => countersIn(redis, fleet.prefix, ticket)));
      return all.every((counters) => counters !== null);
    });
  } finally {
    redis.disconnect();
  }
  return tickets;
}

/** Another marketplace, as `npm run peer` starts it; on the brokers themselves. */
function peerOf(fleet: Fleet, clientId: string, ids: string, seed: number): ChildProcess {
  const script = new URL('../../scripts/peer.mjs', import.meta.url).pathname;
  const habits = '--rate 3 --patience-ms 3000 --repeats 0.1 --reorders 0.1 --garbage 0.1 --silence 0.03';
  const names = ['--client-id', clientId, '--ids', ids, '--seed', String(seed), '--matches', SHARED_MATCHES];
  return spawn(process.execPath, [script, ...names, ...habits.split(' ')], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      KAFKA_BROKERS: fleet.kafka.brokers.join(),
      SALES_TOPIC_PREFIX: `${fleet.topics.name}-sales`,
      MASTERLIST_TOPIC_PREFIX: `${fleet.topics.name}-lists`,
    },
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}

/** Resolves when nothing is held, waits or moves any more, or it is clear that it never will. */
async function drained(fleet: Fleet, tickets: readonly string[], log: ChaosOptions['log']): Promise<void> {
  const redis = new Redis(fleet.redis.url);
  const client = new MongoClient(fleet.mongoUrl);
  let [last, since] = ['', Date.now()];
  try {
    await until('everything has settled', DRAIN_MS_MAX, async () => {
      const counters = await Promise.all(tickets.map((ticket) => countersIn(redis, fleet.prefix, ticket)));
      const left = await leftIn(redis, fleet.prefix, tickets);
      const due = await paymentsDue(client.db(fleet.database));
      const records = (await fleet.topics.client.offsetsAt(fleet.topics.sales, LATEST)).get(0);
      const now = JSON.stringify([counters, left, due, String(records)]);
      const isQuiet =
        due === 0 &&
        Object.values(left).every((count) => count === 0) &&
        counters.every((one) => one?.heldHere === 0);
      if (now !== last || !isQuiet) [last, since] = [now, Date.now()];
      return Date.now() - since > QUIET_MS;
    });
  } catch (error) {
    // The checker says what is left.
    log(String(error));
  } finally {
    redis.disconnect();
    await client.close();
  }
}

async function until(what: string, msMax: number, check: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + msMax;
  for (;;) {
    if (await check().catch(() => false)) return;
    if (Date.now() > giveUpAt) throw new Error(`it did not come within ${msMax / 1_000} s that ${what}`);
    await sleep(LOOK_MS);
  }
}

const load = (): number => Number((loadavg()[0] ?? 0).toFixed(2));

const sorted = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));

function outcomesOf({ purchases }: World): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { op, status, code, state } of purchases.flatMap(({ answers }) => answers)) {
    const name = `${op}: ${status === 0 ? 'none' : (code ?? state ?? status)}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return sorted(counts);
}

/** The report, and with violations all evidence and what the processes logged, so that it can be looked at. */
function write({ reportDir }: ChaosOptions, report: ChaosReport, world: World, fleet: Fleet): void {
  if (reportDir === null) return;
  mkdirSync(reportDir, { recursive: true });
  const file = (name: string): string => join(reportDir, `${report.options.seed}-${name}.json`);
  writeFileSync(file('report'), JSON.stringify(report, null, 2));
  if (report.violations.length === 0) return;
  writeFileSync(file('world'), JSON.stringify(world));
  const logs = fleet.all.map(({ name, output }) => `--- ${name} ---\n${output}\n`);
  writeFileSync(join(reportDir, `${report.options.seed}-logs.txt`), logs.join(''));
}

/** What is printed. */
export function summaryOf(report: ChaosReport): string {
  const { faults, requests, records, events, charges, violations, load: busy, options } = report;
  const counts = (of: Readonly<Record<string, number>>): string =>
    Object.entries(of)
      .map(([name, count]) => `  ${String(count).padStart(7)}  ${name}`)
      .join('\n');
  const shown = violations
    .slice(0, SHOWN_MAX)
    .map(({ name, of, detail }) => `  ${name} (${VIOLATIONS[name]}): ${of}: ${detail}`);
  const more = violations.length > SHOWN_MAX ? [`  ... and ${violations.length - SHOWN_MAX} more`] : [];
  return [
    `${faults.length} faults, ${requests} requests, ${events} events, ${records} records, ${charges} charges`,
    `${report.machine}; load ${busy.before} before, ${busy.after} after; ${report.store}`,
    '',
    tableOf(report.figures),
    '',
    'Answers to all tries:',
    counts(report.answers),
    'Final answers:',
    counts(report.outcomes),
    `Starts that failed and were repeated: ${report.failedStarts}; settled ${report.drainSeconds.toFixed(0)} s after the last fault`,
    '',
    violations.length === 0 ? 'No violation.' : `${violations.length} violations, seed ${options.seed}:`,
    ...shown,
    ...more,
  ].join('\n');
}

const SHOWN_MAX = 40;
