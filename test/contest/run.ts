/**
 * A contest: marketplaces that are run for real sell the same tickets against each other on one broker, round by round,
 * to a crowd that does not give up, while they are killed. `npm run contest`, and a short one among the tests.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listEntry, Topics } from '../exchange/topics.js';
import { startKafka } from '../helpers/kafka.js';
import { verdictOf, type Evidence, type Verdict } from './check.js';
import { Contestant, type Mode } from './contestant.js';
import { crowd, Doors, readSales, type CrowdEnd } from './crowd.js';
import { faultsOf, inject, tellFault, type PlannedFault } from './faults.js';

export interface ContestOptions {
  readonly mode: Mode;
  readonly rounds: number;
  readonly buyers: number;
  /** Of each round. */
  readonly tickets: number;
  readonly marketplaces: number;
  readonly seed: number;
  /** After so many no further round begins. */
  readonly minutesMax: number;
  /** Folder for what the processes logged, when there was a problem; null for none. */
  readonly reportDir: string | null;
  readonly log: (line: string) => void;
  /** Called after each round with what is known by then. */
  readonly onRound?: (report: ContestReport) => void;
}

export interface Round extends Verdict {
  readonly round: number;
  readonly ticket: string;
  readonly requests: number;
  /** Of every try, by what was asked and what was answered. */
  readonly answers: Readonly<Record<string, number>>;
  readonly faults: readonly PlannedFault[];
  /** Since the round began. */
  readonly lastSaleSeconds: number;
  readonly answeredSeconds: number;
  /** Until everybody agreed. */
  readonly settledSeconds: number;
  /** Of the machine in its last minute, when the round ended. */
  readonly load: number;
}

export interface ContestReport {
  readonly options: Omit<ContestOptions, 'log' | 'reportDir' | 'onRound'>;
  readonly machine: string;
  readonly startedAt: string;
  readonly seconds: number;
  readonly names: readonly string[];
  readonly rounds: readonly Round[];
  readonly summary: Summary;
}

export interface Summary {
  readonly rounds: number;
  /** In which exactly as many were sold as there were. */
  readonly exact: number;
  readonly tickets: number;
  readonly sold: number;
  readonly oversold: number;
  readonly requests: number;
  readonly crashes: number;
  readonly standstills: number;
  readonly lastSaleSecondsMedian: number;
  readonly problems: number;
}

/** Long enough to pay for, short enough that what is left behind comes back within the round. */
const HOLD_MS = 15_000;
const OPEN_MS_MAX = 120_000;
const ROUND_MS_MAX = 600_000;
const SETTLE_MS_MAX = 60_000;
const READ_MS_MAX = 60_000;
/** Nothing has moved for so long. */
const QUIET_MS = 1_500;
const LOOK_MS = 250;
const NAMES = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
export const MARKETPLACES_MAX = NAMES.length;

/** Every round has a ticket of its own. */
const ticketOf = (round: number): string => `${round}:1`;

export async function contest(options: ContestOptions): Promise<ContestReport> {
  const { mode, marketplaces, log } = options;
  const began = Date.now();
  const names = NAMES.slice(0, marketplaces);
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const kafka = await startKafka();
    closing.push(() => kafka.stop());
    const topics = new Topics(kafka.brokers);
    closing.push(() => topics.close());
    // Ordered admission goes by the broker's times; both modes have the same topic.
    await topics.create({ 'message.timestamp.type': 'LogAppendTime' });
    const list = Array.from({ length: options.rounds }, (_, i) => listEntry(i + 1, options.tickets));
    await topics.publish(topics.lists, list);
    const starting = names.map(async (clientId) => {
      const contestant = await Contestant.start({ clientId, mode, topics, holdMs: HOLD_MS });
      closing.push(() => contestant.stop());
      return contestant;
    });
    // When one of them fails the others are still to be stopped.
    await Promise.allSettled(starting);
    const contestants = await Promise.all(starting);
    await open(contestants, options.rounds);
    const doors = new Doors(contestants, options.buyers);
    closing.push(() => doors.close());
    log(`${mode}: open after ${seconds(Date.now() - began)} s; seed ${options.seed}`);
    log(headOf(names));
    const rounds: Round[] = [];
    for (let number = 1; number <= options.rounds; number += 1) {
      if (Date.now() - began > options.minutesMax * 60_000) break;
      const round = await play(number, { options, contestants, doors, topics, broker: kafka });
      rounds.push(round);
      log(lineOf(round, names));
      for (const { name, detail } of round.problems.slice(0, SHOWN_MAX)) log(`    ${name}: ${detail}`);
      if (round.problems.length > 0) writeLogs(options, round, contestants);
      options.onRound?.(reportOf(options, names, began, rounds));
    }
    const report = reportOf(options, names, began, rounds);
    log(`\n${summaryOf(report)}`);
    return report;
  } finally {
    // Those that were started last first.
    for (const close of closing.reverse()) await close();
  }
}

interface Field {
  readonly options: ContestOptions;
  readonly contestants: readonly Contestant[];
  readonly doors: Doors;
  readonly topics: Topics;
  readonly broker: Parameters<typeof inject>[2];
}

async function play(number: number, field: Field): Promise<Round> {
  const { options, contestants, doors, topics, broker } = field;
  const { mode, seed, buyers, tickets: capacity } = options;
  const ticket = ticketOf(number);
  const from = await topics.end();
  const faults = faultsOf(seed, number, contestants.length);
  const crashesBefore = crashesOf(contestants).length;
  const began = Date.now();
  const buying = crowd(doors, {
    ...{ seed, round: number, buyers, ticket },
    ...{ holdMs: HOLD_MS, msMax: ROUND_MS_MAX },
  });
  const [end] = await Promise.all([buying, inject(faults, contestants, broker)]);
  const answeredSeconds = Math.max(0, ...end.buyers.map(({ atMs }) => atMs)) / 1_000;
  await settled(contestants, topics, ticket);
  const settledSeconds = (Date.now() - began) / 1_000;
  const evidence: Evidence = {
    ...{ mode, ticket, capacity, buyers: end.buyers, surprises: end.surprises },
    said: await saidBy(contestants, ticket),
    records: await topics.records(from),
    readBack: await readSales(doors, end.buyers, READ_MS_MAX),
    left: await leftBy(contestants, ticket),
    crashes: crashesOf(contestants).slice(crashesBefore),
  };
  return {
    ...verdictOf(evidence),
    ...{ round: number, ticket, requests: end.requests, answers: end.answers, faults },
    ...{ lastSaleSeconds: lastSaleOf(end), answeredSeconds, settledSeconds },
    load: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}

const lastSaleOf = ({ buyers }: CrowdEnd): number =>
  Math.max(0, ...buyers.flatMap(({ outcome, atMs }) => (outcome === 'RESERVED' ? [atMs] : []))) / 1_000;

const crashesOf = (contestants: readonly Contestant[]): string[] =>
  contestants.flatMap(({ unit }) => unit.crashes.map(({ name, output }) => `${name}: ${output}`));

async function saidBy(contestants: readonly Contestant[], ticket: string): Promise<Evidence['said']> {
  const said = contestants.map(async (contestant) => {
    const [redis, archive] = [await contestant.counters(ticket), await contestant.archived(ticket)];
    return [contestant.clientId, { redis, archive }] as const;
  });
  return Object.fromEntries(await Promise.all(said));
}

async function leftBy(contestants: readonly Contestant[], ticket: string): Promise<Record<string, number>> {
  const left: Record<string, number> = {};
  for (const contestant of contestants)
    for (const [what, count] of Object.entries(await contestant.left(ticket)))
      left[`${what} at ${contestant.clientId}`] = count;
  return left;
}

/** Resolves when everybody has the list. */
async function open(contestants: readonly Contestant[], rounds: number): Promise<void> {
  await until('the list was read', OPEN_MS_MAX, async () => {
    for (const contestant of contestants)
      for (let round = 1; round <= rounds; round += 1)
        if ((await contestant.counters(ticketOf(round))) === null) return false;
    return true;
  });
}

/** Resolves when nothing is held, waits or moves any more, and all have sold as many; or when it is clear that they never will. */
async function settled(contestants: readonly Contestant[], topics: Topics, ticket: string): Promise<void> {
  let [last, since] = ['', Date.now()];
  const isOver = async (): Promise<boolean> => {
    const counters = await Promise.all(contestants.map((contestant) => contestant.counters(ticket)));
    const left = await leftBy(contestants, ticket);
    const now = JSON.stringify([counters, left, String(await topics.end())]);
    const sums = counters.map((said) => (said?.soldHere ?? 0) + (said?.soldElsewhere ?? 0));
    const isQuiet =
      new Set(sums).size === 1 &&
      counters.every((said) => said?.heldHere === 0 && said.heldElsewhere === 0) &&
      Object.values(left).every((count) => count === 0);
    if (now !== last || !isQuiet) [last, since] = [now, Date.now()];
    return Date.now() - since > QUIET_MS;
  };
  // The verdict says what is left.
  await until('everybody agrees', SETTLE_MS_MAX, isOver).catch(() => undefined);
}

async function until(what: string, msMax: number, check: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + msMax;
  while (!(await check())) {
    if (Date.now() > giveUpAt) throw new Error(`it did not come within ${msMax / 1_000} s that ${what}`);
    await sleep(LOOK_MS);
  }
}

function writeLogs(
  { reportDir, seed, mode }: ContestOptions,
  round: Round,
  all: readonly Contestant[],
): void {
  if (reportDir === null) return;
  mkdirSync(reportDir, { recursive: true });
  const logs = all.map(({ clientId, unit }) => `--- ${clientId} ---\n${unit.output}\n`);
  const name = `${seed}-${mode}-${round.round}`;
  writeFileSync(join(reportDir, `${name}-logs.txt`), logs.join(''));
  writeFileSync(join(reportDir, `${name}-round.json`), JSON.stringify(round, null, 2));
}

function reportOf(
  { log: _log, reportDir: _reportDir, onRound: _onRound, ...options }: ContestOptions,
  names: readonly string[],
  began: number,
  rounds: readonly Round[],
): ContestReport {
  const sum = (of: (round: Round) => number): number => rounds.reduce((total, round) => total + of(round), 0);
  const count = (kinds: readonly PlannedFault['kind'][]): number =>
    sum(({ faults }) => faults.filter(({ kind }) => kinds.includes(kind)).length);
  const times = rounds.map(({ lastSaleSeconds }) => lastSaleSeconds).sort((a, b) => a - b);
  return {
    options,
    machine: `${cpus().length} x ${cpus()[0]?.model ?? ''}, Node ${process.version}`,
    startedAt: new Date(began).toISOString(),
    seconds: (Date.now() - began) / 1_000,
    names,
    rounds,
    summary: {
      rounds: rounds.length,
      exact: sum(({ sold }) => (sold === options.tickets ? 1 : 0)),
      tickets: rounds.length * options.tickets,
      sold: sum(({ sold }) => sold),
      oversold: sum(({ oversold }) => oversold),
      requests: sum(({ requests }) => requests),
      crashes: count(['crash']),
      standstills: count(['redis', 'broker']),
      lastSaleSecondsMedian: times[Math.floor(times.length / 2)] ?? 0,
      problems: sum(({ problems }) => problems.length),
    },
  };
}

const SHOWN_MAX = 10;
const seconds = (ms: number): string => (ms / 1_000).toFixed(0);
const row = (cells: readonly (string | number)[], names: readonly string[]): string => {
  const widths = [5, 6, ...names.map(({ length }) => Math.max(4, length)), 5, 5, 8, 9, 8, 8, 5];
  return cells
    .map((cell, i) => String(cell)[i < widths.length ? 'padStart' : 'padEnd'](widths[i] ?? 0))
    .join('  ');
};

const headOf = (names: readonly string[]): string =>
  row(
    [
      'round',
      'sold',
      ...names,
      'over',
      'void',
      'requests',
      'last sale',
      'answered',
      'settled',
      'load',
      'faults',
    ],
    names,
  );

function lineOf(round: Round, names: readonly string[]): string {
  const { soldBy, sold, oversold, voided, requests, faults, load } = round;
  const times = [round.lastSaleSeconds, round.answeredSeconds, round.settledSeconds];
  return row(
    [
      ...[round.round, sold, ...names.map((name) => soldBy[name] ?? 0), oversold, voided, requests],
      ...times.map((time) => `${time.toFixed(1)} s`),
      load.toFixed(1),
      faults.map((fault) => tellFault(fault, names)).join('; '),
    ],
    names,
  );
}

/** What is printed at the end. */
export function summaryOf({ options, machine, summary }: ContestReport): string {
  const { rounds, exact, tickets, sold, oversold, requests, crashes, standstills, problems } = summary;
  return [
    `${options.mode}: ${rounds} of ${options.rounds} rounds, ${options.buyers} buyers each, ${options.marketplaces} marketplaces`,
    `${sold} of ${tickets} sold, ${exact} rounds exactly, ${oversold} oversold`,
    `${requests} requests, ${crashes} crashes, ${standstills} standstills; last sale after ${summary.lastSaleSecondsMedian.toFixed(1)} s (median)`,
    `${machine}; seed ${options.seed}`,
    problems === 0 ? 'No problem.' : `${problems} problems.`,
  ].join('\n');
}
