/** What was measured, put together: medians, spreads, ratios within each round, and what was aimed at. */
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import type { Aim, Group } from './contender.js';
import { spreadOf, type Spread } from './statistics.js';
import { nameOfCase, type Measurement, type Missing, type Options, type Outcome } from './suite.js';

export interface Row {
  readonly case: string;
  readonly title: string;
  readonly contender: string;
  readonly unit: string;
  readonly perSecond: Spread;
  /** Of all rounds; null where it follows from the time. */
  readonly count: number | null;
  /** Medians over the rounds, milliseconds. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** Of all rounds. */
  readonly max: number | null;
  /** What else was found. */
  readonly values: Readonly<Record<string, Spread>>;
  /** By the id of what it is compared with: of each round, so that what slowed a round down hits both. */
  readonly ratios: Readonly<Record<string, Spread>>;
  /** Processors that its processes kept busy together, and their memory at the end; medians. */
  readonly cores: number;
  /** Processor time of its processes for each, milliseconds: what else the machine does hardly changes it. */
  readonly cpuMs: number;
  readonly mib: number;
  readonly failed: Readonly<Record<string, number>>;
}

/** `case` has its group before it. */
export type AimReached = Aim & {
  readonly found: number;
  readonly isReached: boolean;
};

export interface Report {
  readonly schema: 2;
  readonly startedAt: string;
  readonly minutes: number;
  readonly options: Options;
  readonly machine: Machine;
  readonly contenders: readonly Described[];
  readonly missing: readonly Missing[];
  readonly rows: readonly Row[];
  readonly aims: readonly AimReached[];
  /** Ids of measurements in which something failed. */
  readonly failures: readonly string[];
  readonly measurements: readonly Measurement[];
}

export interface Described {
  readonly group: string;
  readonly id: string;
  readonly title: string;
  readonly durability: string;
  readonly setUp: string;
}

export interface Machine {
  readonly processors: string;
  readonly memoryMib: number;
  readonly system: string;
  /** Where Redis and the databases keep their files. A file system in memory makes every sync free. */
  readonly files: 'disk' | 'memory';
  /** One minute, at the start. */
  readonly load: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** `f_type` of tmpfs and ramfs (linux/magic.h). */
const MEMORY_FILE_SYSTEMS = [0x0102_1994, 0x8584_58f6];

export function machine(load: number, versions: Readonly<Record<string, string>>): Machine {
  const all = cpus();
  return {
    processors: `${all.length} x ${all[0]?.model ?? 'unknown'}`,
    memoryMib: Math.round(totalmem() / 1_048_576),
    system: `${process.platform} ${release()}`,
    files: MEMORY_FILE_SYSTEMS.includes(statfsSync(tmpdir()).type) ? 'memory' : 'disk',
    load,
    versions: { node: process.version, ...versions },
  };
}

/** Of packages, as they are installed. */
export function versionsOf(names: readonly string[]): Record<string, string> {
  const entries = names.map((name) => {
    const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };
    return [name, version] as const;
  });
  return Object.fromEntries(entries);
}

export function reportOf(
  { groups, measurements, missing }: Outcome,
  about: Pick<Report, 'startedAt' | 'minutes' | 'options' | 'machine'>,
): Report {
  const rows = groups.flatMap((group) => rowsOf(group, measurements));
  const contenders = groups.flatMap(({ id: group, contenders: all }) =>
    all.map(({ id, title, durability, setUp }) => ({ group, id, title, durability, setUp })),
  );
  return {
    schema: 2,
    ...about,
    contenders,
    missing,
    rows,
    aims: groups.flatMap((group) => group.aims.flatMap((aim) => reached(group, aim, rows))),
    failures: measurements
      .filter(hasFailed)
      .map((each) => `${idOf(each)}: ${Object.keys(each.failed).join('; ')}`),
    measurements,
  };
}

const hasFailed = ({ failed }: Measurement): boolean => Object.keys(failed).length > 0;
const idOf = ({ group, case: id, contender, round }: Measurement): string =>
  `${group}-${id} of ${contender} in round ${round + 1}`;

function rowsOf(group: Group, all: readonly Measurement[]): Row[] {
  return group.cases.flatMap((case_) => {
    const ofCase = all.filter((each) => each.group === group.id && each.case === case_.id);
    const rows = group.contenders.map(({ id: contender }): Row | null => {
      const own = ofCase.filter((each) => each.contender === contender);
      // What failed in a round says nothing of how fast it is.
      const good = own.filter((each) => !hasFailed(each));
      if (own.length === 0) return null;
      const median = (values: readonly number[]): number => spreadOf(values).median;
      const latencies = good.flatMap(({ latency }) => latency ?? []);
      return {
        case: nameOfCase(group, case_),
        title: `${group.title}: ${case_.title}`,
        contender,
        unit: group.unit,
        perSecond: spreadOf(good.map(({ perSecond }) => perSecond)),
        p50: latencies.length === 0 ? null : median(latencies.map(({ p50 }) => p50)),
        p99: latencies.length === 0 ? null : median(latencies.map(({ p99 }) => p99)),
        max: latencies.length === 0 ? null : spreadOf(latencies.map(({ max }) => max)).max,
        count: group.isCountGiven ? good.reduce((sum, { count }) => sum + count, 0) : null,
        values: valuesOf(good),
        ratios: ratiosOf(good, ofCase, group.references),
        cores: median(good.map(coresOf)),
        cpuMs: median(good.map((each) => (1_000 * coresOf(each)) / each.perSecond)),
        mib: median(good.map(({ usage }) => usage.reduce((sum, { mib }) => sum + mib, 0))),
        failed: own.map(({ failed }) => failed).reduce(added, {}),
      };
    });
    return rows.filter((row) => row !== null);
  });
}

function valuesOf(good: readonly Measurement[]): Record<string, Spread> {
  const names = new Set(good.flatMap(({ values = {} }) => Object.keys(values)));
  const entries = [...names].map((name) => {
    const found = good.flatMap(({ values = {} }) => values[name] ?? []);
    return [name, spreadOf(found)] as const;
  });
  return Object.fromEntries(entries);
}

const coresOf = ({ usage }: Measurement): number => usage.reduce((sum, { cores }) => sum + cores, 0);

/** With a reference that comes in the same variants, its own variant is what counts: `bare/off` for `ticktak/off`. */
function ratiosOf(
  own: readonly Measurement[],
  ofCase: readonly Measurement[],
  references: readonly string[],
): Record<string, Spread> {
  const ratios: [string, Spread][] = [];
  for (const reference of references) {
    const [variant] = own.map(({ contender }) => contender.split('/')[1]);
    const names = [`${reference.split('/')[0] ?? ''}/${variant ?? ''}`, reference];
    const others = ofCase.filter(({ contender }) => contender !== own[0]?.contender);
    const name = names.find((each) => others.some(({ contender }) => contender === each));
    const values = own.flatMap(({ round, perSecond }) => {
      const other = others.find(
        (each) => each.contender === name && each.round === round && !hasFailed(each),
      );
      return other === undefined ? [] : [perSecond / other.perSecond];
    });
    if (name !== undefined && values.length > 0) ratios.push([name, spreadOf(values)]);
  }
  return Object.fromEntries(ratios);
}

function added(sum: Readonly<Record<string, number>>, more: Readonly<Record<string, number>>) {
  const all = { ...sum };
  for (const [what, times] of Object.entries(more)) all[what] = (all[what] ?? 0) + times;
  return all;
}

/** Nothing where it was not measured. */
function reached(group: Group, aim: Aim, rows: readonly Row[]): AimReached[] {
  const name = nameOfCase(group, { id: aim.case });
  const row = rows.find((each) => each.case === name && each.contender === aim.contender);
  const found = row === undefined ? null : foundFor(aim, row);
  if (found === null) return [];
  const isReached = aim.kind === 'ratio' ? found >= aim.atLeast : found <= aim.atMost;
  return [{ ...aim, case: name, found, isReached }];
}

function foundFor(aim: Aim, row: Row): number | null {
  if (aim.kind === 'ratio') return row.ratios[aim.reference]?.median ?? null;
  if (typeof aim.of === 'string') return row[aim.of];
  return row.values[aim.of.value]?.median ?? null;
}

/** One line for people. */
export function verdictOf(aim: AimReached): string {
  const { case: name, contender, found, isReached } = aim;
  const verdict = isReached ? 'reached' : 'NOT REACHED';
  if (aim.kind === 'ratio') {
    const { reference, atLeast } = aim;
    return `${name}: ${contender} is ${found.toFixed(2)} of ${reference}, aimed at ${atLeast}: ${verdict}`;
  }
  const what = typeof aim.of === 'string' ? `${aim.of}, ms` : aim.of.value;
  return `${name}: ${what} of ${contender} is ${found.toFixed(1)}, aimed at ${aim.atMost} at most: ${verdict}`;
}

const whole = (value: number): string => Math.round(value).toString();
const short = (value: number): string => value.toFixed(1).replace(/\.0$/, '');
/** Of one round there is none. */
const spread = ({ median, min, max }: Spread, told: (value: number) => string): string =>
  min === max ? told(median) : `${told(median)} (${told(min)}..${told(max)})`;

/** A table per case, for people, as Markdown is written too. */
export function tableOf(report: Report): string {
  const lines: string[] = [];
  for (const name of new Set(report.rows.map((row) => row.case))) {
    const rows = report.rows.filter((row) => row.case === name);
    const references = [...new Set(rows.flatMap(({ ratios }) => Object.keys(ratios)))];
    const families = [...new Set(references.map((reference) => reference.split('/')[0] ?? ''))];
    const [first] = rows;
    const extra = [...new Set(rows.flatMap(({ values }) => Object.keys(values)))];
    const unit = first?.unit ?? '';
    // Where the count is given, neither how many a second nor what each cost was measured.
    const counts = first?.count === null ? `${unit}/s (min..max)` : unit;
    const head = ['', counts, 'p50', 'p99', 'max', 'cores', 'CPU each', 'MiB', ...extra];
    const cells = rows.map((row) => {
      const { perSecond, count, p50, p99, max, cores, cpuMs, mib, values, failed, ratios } = row;
      const isBroken = Number.isNaN(perSecond.median);
      return [
        row.contender,
        isBroken ? 'failed' : count === null ? spread(perSecond, whole) : whole(count),
        ...[p50, p99, max].map((ms) => (ms === null ? '' : `${ms.toFixed(1)} ms`)),
        isBroken ? '' : cores.toFixed(2),
        isBroken || count !== null ? '' : `${cpuMs.toFixed(2)} ms`,
        isBroken ? '' : whole(mib),
        ...extra.map((value) => (values[value] === undefined ? '' : spread(values[value], short))),
        ...families.map((family) => {
          const [, found] = Object.entries(ratios).find(([id]) => id.split('/')[0] === family) ?? [];
          return found === undefined ? '' : spread(found, (each) => each.toFixed(2));
        }),
        Object.keys(failed).length === 0 ? '' : 'FAILED',
      ];
    });
    lines.push('', `${name}: ${first?.title ?? ''}`, '');
    lines.push(...aligned([[...head, ...families.map((family) => `of ${family}`), ''], ...cells]));
  }
  return lines.join('\n');
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
