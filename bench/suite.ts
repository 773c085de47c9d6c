/**
 * Runs the groups of a benchmark.
 *
 * Guarantees: in every round each contender is started anew and measured in each case after a warm-up; only one is
 * there at a time; the order of contenders and of cases moves on by one each round; whatever fails is in the report.
 */
import { loadavg } from 'node:os';
import type { Case, Contender, Figures, Group, Running } from './contender.js';
import { rotated } from './statistics.js';
import { watchUsage, type Usage } from './usage.js';

export interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Contenders whose id begins with one of these; empty for all. */
  readonly only: readonly string[];
  /** Cases whose name, `group-case`, begins with one of these; empty for all but those that are to be named. */
  readonly cases: readonly string[];
}

export interface Measurement extends Figures {
  readonly group: string;
  readonly case: string;
  readonly contender: string;
  readonly round: number;
  /** Of the machine when it began, one minute. */
  readonly load: number;
  readonly usage: readonly Usage[];
  /** How long all processes of the contender took to start. */
  readonly startSeconds: number;
}

export interface Missing {
  readonly group: string;
  readonly contender: string;
  readonly reason: string;
}

export interface Outcome {
  readonly groups: readonly Group[];
  readonly measurements: readonly Measurement[];
  readonly missing: readonly Missing[];
}

export const nameOfCase = (group: { readonly id: string }, case_: { readonly id: string }): string =>
  `${group.id}-${case_.id}`;

/** Whether one of these is the name of the group, or goes on behind it. */
const isNamed = (group: Group, cases: readonly string[]): boolean =>
  cases.some((name) => name === group.id || name.startsWith(`${group.id}-`));

const isChosen = (name: string, prefixes: readonly string[]): boolean =>
  prefixes.length === 0 || prefixes.some((prefix) => name.startsWith(prefix));

/** Whether the case is measured when these are asked for. */
const isTaken = (group: Group, case_: Case, cases: readonly string[]): boolean =>
  isChosen(nameOfCase(group, case_), cases) && (!case_.onlyWhenNamed || isNamed(group, cases));

/** What is left of the groups by `only` and `cases`. Throws when one of those names nothing. */
export function chosen(groups: readonly Group[], { only, cases }: Pick<Options, 'only' | 'cases'>): Group[] {
  const contenders = groups.flatMap((group) => group.contenders.map(({ id }) => id));
  refuse(only, contenders, (prefix) => contenders.some((id) => id.startsWith(prefix)));
  const names = groups.flatMap((group) => group.cases.map((case_) => nameOfCase(group, case_)));
  refuse(cases, names, (prefix) =>
    groups.some((group) => group.cases.some((case_) => isTaken(group, case_, [prefix]))),
  );
  return groups
    .map((group) => ({
      ...group,
      cases: group.cases.filter((case_) => isTaken(group, case_, cases)),
      contenders: group.contenders.filter(({ id }) => isChosen(id, only)),
    }))
    .filter((group) => group.cases.length > 0 && group.contenders.length > 0);
}

function refuse(
  prefixes: readonly string[],
  all: readonly string[],
  isKnown: (prefix: string) => boolean,
): void {
  const unknown = prefixes.filter((prefix) => !isKnown(prefix));
  if (unknown.length > 0) throw new Error(`${unknown.join(', ')} is none of: ${all.join(', ')}`);
}

export async function runGroups(
  all: readonly Group[],
  options: Options,
  log: (line: string) => void,
): Promise<Outcome> {
  const groups = chosen(all, options);
  const measurements: Measurement[] = [];
  const missing: Missing[] = [];
  for (const group of groups) {
    const present: Contender<Group['cases'][number]>[] = [];
    for (const contender of group.contenders) {
      const reason = await contender.missing();
      if (reason === null) present.push(contender);
      else missing.push({ group: group.id, contender: contender.id, reason });
    }
    for (let round = 0; round < options.rounds; round += 1) {
      for (const contender of rotated(present, round)) {
        const cases = rotated(group.cases, round);
        for (const measured of await measureOne({ ...group, cases }, contender, round, options)) {
          measurements.push(measured);
          log(lineOf(group, measured, options.rounds));
        }
      }
    }
  }
  return { groups, measurements, missing };
}

/** One start of one contender. */
async function measureOne(
  group: Group,
  contender: Contender<Group['cases'][number]>,
  round: number,
  { warmUpSeconds, seconds }: Options,
): Promise<Measurement[]> {
  const found: Measurement[] = [];
  let running: Running<Group['cases'][number]> | null = null;
  const startedAt = performance.now();
  try {
    running = await contender.start();
    const startSeconds = (performance.now() - startedAt) / 1_000;
    for (const case_ of group.cases) {
      const about = {
        group: group.id,
        case: case_.id,
        contender: contender.id,
        round,
        load: loadavg()[0] ?? 0,
      };
      const { parts } = running;
      let usage = watchUsage(parts);
      const onBegin = (): void => void (usage = watchUsage(parts));
      const figures = await running.measure(case_, { warmUpSeconds, seconds, onBegin }).catch(failedBy);
      found.push({ ...about, ...figures, usage: usage(), startSeconds });
    }
  } catch (error) {
    // It did not start: each of its cases says so.
    const left = group.cases.slice(found.length);
    for (const case_ of left) {
      const about = {
        group: group.id,
        case: case_.id,
        contender: contender.id,
        round,
        load: loadavg()[0] ?? 0,
      };
      found.push({ ...about, ...failedBy(error), usage: [], startSeconds: 0 });
    }
  } finally {
    await running?.stop();
  }
  return found;
}

function failedBy(error: unknown): Figures {
  const what = error instanceof Error ? error.message : String(error);
  return { count: 0, seconds: 0, perSecond: 0, latency: null, failed: { [what]: 1 } };
}

function lineOf({ id, unit, isCountGiven }: Group, measured: Measurement, rounds: number): string {
  const { round, contender, perSecond, count, latency, failed, load, values = {} } = measured;
  const failures = Object.entries(failed).map(([what, times]) => `${what} (${times})`);
  return [
    `round ${round + 1}/${rounds}`,
    `${id}-${measured.case}`.padEnd(18),
    contender.padEnd(18),
    (isCountGiven ? `${count} ${unit}` : `${Math.round(perSecond)} ${unit}/s`).padStart(16),
    latency === null ? '' : `p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`,
    ...Object.entries(values).map(([name, value]) => `${name}: ${value.toFixed(1)}`),
    `load ${load.toFixed(1)}`,
    failures.length === 0 ? '' : `FAILED: ${failures.join('; ')}`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}
