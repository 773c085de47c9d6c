/** `npm run fuzz`: its options, and its report for people. */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { fuzzConsumer } from './consumer.js';
import { crowd } from './crowd.js';
import { fuzzServices, growthOf, type Report } from './services.js';

const INPUTS = 100_000;
const SEED = 2_022;
/** Of the inputs, so many of a hundred pass the security check first. */
const CHECKED_SHARE = 10;
/** More memory in the second half of a run is a leak. */
const GROWTH_SHARE_MAX = 0.1;
const GROWTH_SAMPLES_MIN = 20;

const log = (line: string): void => console.log(line);
const megabytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`;

function tell(title: string, report: Report): boolean {
  const { latencyMs: ms, memory } = report;
  log(
    `\n${title}: ${report.sent} inputs in ${report.seconds.toFixed(0)} s (${Math.round(report.sent / report.seconds)}/s)`,
  );
  const statuses = [...report.statuses].sort(([a], [b]) => a.localeCompare(b));
  log(`  answers: ${statuses.map(([status, count]) => `${status}: ${count}`).join(', ')}`);
  log(`  milliseconds: median ${ms.p50.toFixed(1)}, p99 ${ms.p99.toFixed(0)}, longest ${ms.max.toFixed(0)}`);
  log(
    `  operations that did what they are for: ${report.operations - report.unreached.length} of ${report.operations}`,
  );
  if (report.unreached.length > 0) log(`    the others: ${report.unreached.join('; ')}`);
  let isWell = report.failures.length === 0 && report.faults.length === 0;
  for (const kind of ['heapUsed', 'rss'] as const) {
    const { first, second, share } = growthOf(memory, kind);
    const sign = share > 0 ? '+' : '';
    log(
      `  ${kind} after collection, median of each half: ${megabytes(first)}, ${megabytes(second)} (${sign}${(share * 100).toFixed(1)} %)`,
    );
    // A few inputs say nothing of it.
    if (share > GROWTH_SHARE_MAX && memory.length >= GROWTH_SAMPLES_MIN) {
      log(`  ${kind} grew by more than ${GROWTH_SHARE_MAX * 100} %`);
      isWell = false;
    }
  }
  for (const { input, violations, text, replay } of report.failures) {
    log(`\n  input ${input}: ${violations.join('; ')}\n    ${text}\n    ${replay}`);
  }
  for (const fault of report.faults) log(`\n  ${fault}`);
  return isWell;
}

/** Records that one consumer gets; the next ones get another. */
const CONSUMER_RECORDS = 2_000;

async function fuzzTopics(seed: number, count: number): Promise<boolean> {
  const startedAt = performance.now();
  const handled = new Map<string, number>();
  const faults: string[] = [];
  let [records, letters] = [0, 0];
  for (let from = 0; from < count; from += CONSUMER_RECORDS) {
    const report = await fuzzConsumer(seed, from, Math.min(count, from + CONSUMER_RECORDS));
    records += report.records;
    letters += report.deadLetters;
    faults.push(...report.faults);
    for (const [kind, times] of report.handled) handled.set(kind, (handled.get(kind) ?? 0) + times);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  log(
    `\ntopics: ${records} records, each handed over twice, in ${seconds.toFixed(0)} s; ${letters} dead letters`,
  );
  log(`  ${[...handled].map(([kind, times]) => `${kind}: ${times}`).join(', ')}`);
  for (const fault of faults.slice(0, FAULTS_MAX)) log(`  ${fault}`);
  if (faults.length > 0) log(`  npm run fuzz -- --only kafka --seed ${seed} --inputs ${count}`);
  return faults.length === 0;
}

const FAULTS_MAX = 20;
const IDLE = 10_000;
const SLOW = 200;

/** Each side needs a file for each connection: `ulimit -n` must be higher. */
async function fuzzConnections(): Promise<boolean> {
  const { opened, slowEnded, memory, salesMs, faults } = await crowd({ idle: IDLE, slow: SLOW, log });
  const heaps = [memory.before, memory.during, memory.after].map(({ heapUsed }) => megabytes(heapUsed));
  const sizes = [memory.before, memory.during, memory.after].map(({ rss }) => megabytes(rss));
  log(`\nconnections: ${opened} idle ones, ${slowEnded} slow bodies told 408`);
  log(`  heap before, during, after: ${heaps.join(', ')}; rss: ${sizes.join(', ')}`);
  log(`  a hold and its payment meanwhile: at most ${Math.max(...salesMs).toFixed(0)} ms`);
  for (const fault of faults) log(`  ${fault}`);
  return faults.length === 0;
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      inputs: { type: 'string', default: String(INPUTS) },
      seed: { type: 'string', default: String(SEED) },
      only: { type: 'string' },
      input: { type: 'string' },
      checked: { type: 'boolean', default: false },
    },
  });
  const seed = Number(values.seed);
  log(
    `${cpus().length} x ${cpus()[0]?.model ?? ''}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1) ?? ''}; seed ${seed}`,
  );
  if (values.input !== undefined) {
    const from = Number(values.input);
    const report = await fuzzServices({ seed, from, to: from + 1, isChecked: values.checked, log });
    return tell('one input', report) ? 0 : 1;
  }
  const inputs = Number(values.inputs);
  const checked = Math.floor((inputs * CHECKED_SHARE) / 100);
  let isWell = true;
  if (values.only === undefined || values.only === 'service') {
    const open = await fuzzServices({ seed, from: 0, to: inputs - checked, isChecked: false, log });
    isWell = tell('services, without the security check', open) && isWell;
    const rest = await fuzzServices({ seed, from: inputs - checked, to: inputs, isChecked: true, log });
    isWell = tell('services, with the security check', rest) && isWell;
  }
  if (values.only === undefined || values.only === 'kafka')
    isWell = (await fuzzTopics(seed, inputs)) && isWell;
  if (values.only === undefined || values.only === 'connections')
    isWell = (await fuzzConnections()) && isWell;
  log(
    `\nload at the end ${loadavg()[0]?.toFixed(1) ?? ''}; ${isWell ? 'no rule was broken' : 'RULES WERE BROKEN'}`,
  );
  return isWell ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
