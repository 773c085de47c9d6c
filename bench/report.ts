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
  /** Medians over the rounds, milliseconds. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** By the id of what it is compared with: of each round, so that what slowed a round down hits both. */
  readonly ratios: Readonly<Record<string, Spread>>;
  /** Processors that its processes kept busy together, and their memory at the end; medians. */
  readonly cores: number;
  /** Processor time of its processes for each, milliseconds: what else the machine does hardly changes it. */
  readonly cpuMs: number;
  readonly mib: number;
  readonly failed: Readonly<Record<string, number>>;
}

export interface AimReached extends Aim {
  readonly ratio: number;
  readonly isReached: boolean;
}

export interface Report {
  readonly schema: 1;
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
    schema: 1,
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

function reached(group: Group, aim: Aim, rows: readonly Row[]): AimReached[] {
  const name = nameOfCase(group, { id: aim.case });
  const row = rows.find((each) => each.case === name && each.contender === aim.contender);
  const ratio = row?.ratios[aim.reference]?.median;
  return ratio === undefined ? [] : [{ ...aim, case: name, ratio, isReached: ratio >= aim.atLeast }];
}

const whole = (value: number): string => Math.round(value).toString();
const ratio = ({ median, min, max }: Spread): string =>
  `${median.toFixed(2)} (${min.toFixed(2)}..${max.toFixed(2)})`;

/** A table per case, for people, as Markdown is written too. */
export function tableOf(report: Report): string {
  const lines: string[] = [];
  for (const name of new Set(report.rows.map((row) => row.case))) {
    const rows = report.rows.filter((row) => row.case === name);
    const references = [...new Set(rows.flatMap(({ ratios }) => Object.keys(ratios)))];
    const families = [...new Set(references.map((reference) => reference.split('/')[0] ?? ''))];
    const [first] = rows;
    const head = ['', `${first?.unit ?? ''}/s (min..max)`, 'p50', 'p99', 'cores', 'CPU each', 'MiB'];
    const cells = rows.map((row) => {
      const { perSecond, p50, p99, cores, cpuMs, mib, failed, ratios } = row;
      const { median, min, max } = perSecond;
      const isBroken = Number.isNaN(median);
      return [
        row.contender,
        isBroken ? 'failed' : `${whole(median)} (${whole(min)}..${whole(max)})`,
        p50 === null ? '' : `${p50.toFixed(1)} ms`,
        p99 === null ? '' : `${p99.toFixed(1)} ms`,
        isBroken ? '' : cores.toFixed(2),
        isBroken ? '' : `${cpuMs.toFixed(2)} ms`,
        isBroken ? '' : whole(mib),
        ...families.map((family) => {
          const [, found] = Object.entries(ratios).find(([id]) => id.split('/')[0] === family) ?? [];
          return found === undefined ? '' : ratio(found);
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
