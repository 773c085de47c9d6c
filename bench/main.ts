/** `npm run bench`: its options, and its report for people and as files. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { found } from '../test/helpers/services.js';
import { chartOf } from './chart.js';
import type { Group } from './contender.js';
import { SOAK_HOLDS } from './contenders/soak.js';
import { flameOf, type CpuProfile } from './flame.js';
import { groupsOf } from './groups.js';
import { machine, reportOf, tableOf, verdictOf, versionsOf, type Report } from './report.js';
import { nameOfCase, runGroups, type Options } from './suite.js';

const RESULTS = new URL('./results/', import.meta.url);
const CHART = new URL('../docs/images/bench.svg', import.meta.url);
const PACKAGES = [
  ...['express', 'ioredis', 'bullmq', 'redlock', 'mongodb', 'pg', 'kafkajs', 'autocannon', 'undici'],
  ...['@restatedev/restate-sdk', '@restatedev/restate-sdk-clients'],
];

const HELP = `npm run bench -- [options]

  --rounds 5      rounds: in each, every contender is started anew and measured in every case
  --seconds 8     how long each case is measured
  --warm-up 3     how long it is asked before
  --only a,b      contenders whose id begins so
  --cases a,b     cases whose name begins so
  --soak-holds N  how many holds the case \`soak\` makes (1000000), which runs only when it is named
  --list          names them all
  --profile DIR   CPU profiles of ticktak's processes, and pictures of them; they slow them down
  --out FILE      where the results go (bench/results/latest.json)`;

/** Read before anything is started. */
const loadBefore = loadavg()[0] ?? 0;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '8' },
      'warm-up': { type: 'string', default: '3' },
      only: { type: 'string' },
      cases: { type: 'string' },
      out: { type: 'string' },
      profile: { type: 'string' },
      'soak-holds': { type: 'string', default: String(SOAK_HOLDS) },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const groups = groupsOf({ soakHolds: Math.round(positive('soak-holds', values['soak-holds'])) });
  if (values.list) {
    await list(groups);
    return 0;
  }
  const options: Options = {
    rounds: positive('rounds', values.rounds),
    seconds: positive('seconds', values.seconds),
    warmUpSeconds: positive('warm-up', values['warm-up']),
    only: values.only?.split(',') ?? [],
    cases: values.cases?.split(',') ?? [],
  };
  if (values.profile !== undefined) {
    mkdirSync(values.profile, { recursive: true });
    process.env['PROFILE_DIR'] = resolve(values.profile);
  }
  const started = Date.now();
  const outcome = await runGroups(groups, options, (line) => console.log(line));
  const report = reportOf(outcome, {
    startedAt: new Date(started).toISOString(),
    minutes: Math.round((Date.now() - started) / 6_000) / 10,
    options,
    machine: machine(loadBefore, versions()),
  });
  tell(report);
  write(report, values.out);
  if (values.profile !== undefined) draw(values.profile, options.cases.join(', '));
  return report.failures.length === 0 ? 0 : 1;
}

async function list(groups: readonly Group[]): Promise<void> {
  for (const group of groups) {
    console.log(`\n${group.title}`);
    for (const case_ of group.cases) {
      const when = case_.onlyWhenNamed ? ` (only with --cases ${group.id})` : '';
      console.log(`  ${nameOfCase(group, case_).padEnd(22)} ${case_.title}${when}`);
    }
    for (const contender of group.contenders) {
      const { id, title, durability } = contender;
      const reason = await contender.missing();
      console.log(
        `  ${id.padEnd(22)} ${title}${reason === null ? '' : ` - MISSING: ${reason}`}\n${' '.repeat(25)}${durability}`,
      );
    }
  }
}

function versions(): Record<string, string> {
  const services = (['mongo', 'kafka', 'restate'] as const).map((name) => {
    const { kind, name: called, version } = found(name);
    return [
      called,
      kind === 'none' ? 'none' : `${version}${kind === 'stand-in' ? ' (stand-in)' : ''}`,
    ] as const;
  });
  return { ...versionsOf(PACKAGES), ...Object.fromEntries(services) };
}

function tell(report: Report): void {
  console.log(tableOf(report));
  console.log('\nRatios are medians of the ratios within each round, with the lowest and the highest.');
  for (const { contender, reason } of report.missing) console.log(`Missing: ${contender} (${reason})`);
  for (const aim of report.aims) console.log(verdictOf(aim));
  for (const failure of report.failures) console.log(`FAILED: ${failure}`);
}

function write(report: Report, out: string | undefined): void {
  mkdirSync(RESULTS, { recursive: true });
  const file = out ?? new URL('latest.json', RESULTS);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  const chart = chartOf(report, 'holds');
  // Part of a run is no picture of all.
  const isWhole = report.options.only.length === 0 && report.options.cases.length === 0;
  if (chart !== '' && isWhole) writeFileSync(CHART, chart);
  console.log(
    `\nResults: ${out ?? 'bench/results/latest.json'}${isWhole ? ', chart: docs/images/bench.svg' : ''}`,
  );
}

/** A picture beside each profile. */
function draw(dir: string, cases: string): void {
  for (const name of readdirSync(dir).filter((each) => each.endsWith('.cpuprofile'))) {
    const profile = JSON.parse(readFileSync(join(dir, name), 'utf8')) as CpuProfile;
    const title = [name.replace(/-\d+\.cpuprofile$/, ''), cases].filter((part) => part !== '').join(', ');
    writeFileSync(join(dir, name.replace(/cpuprofile$/, 'svg')), flameOf(profile, title));
  }
}

function positive(name: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name} must be a number above 0.`);
  return number;
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});
process.exit();
