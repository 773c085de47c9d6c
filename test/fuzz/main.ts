/** `npm run fuzz`: its options, and its report for people. */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { fuzzConsumer } from './consumer.js';
import { crowd } from './crowd.js';
import { courseOf, growthOf, type Memory } from './memory.js';
import { fuzzServices, type Report } from './services.js';
import { fuzzTopics, missingForTopics } from './topics.js';

const INPUTS = 100_000;
const SEED = 2_022;
/** Of the inputs, so many of a hundred pass the security check first, and so many are records in a broker's topics. */
const CHECKED_SHARE = 10;
const TOPICS_SHARE = 10;
/** Beside them, within this process. */
const DECODED_SHARE = 20;
/** More memory in the second half of a run is a leak. */
const GROWTH_SHARE_MAX = 0.1;
const GROWTH_SAMPLES_MIN = 20;
/** Parts of a run whose memory is shown one by one: whether it comes to rest. */
const COURSE_PARTS = 8;

const log = (line: string): void => console.log(line);
const megabytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(0)} MiB`;

/** False when it grew by more than may be. */
function tellMemory(memory: readonly Memory[]): boolean {
  let isWell = true;
  for (const kind of ['heapUsed', 'own', 'rss', 'mapped', 'external'] as const) {
    const { first, second, share } = growthOf(memory, kind);
    const sign = share > 0 ? '+' : '';
    log(
      `  ${kind} after collection, median of each half: ${megabytes(first)}, ${megabytes(second)} (${sign}${(share * 100).toFixed(1)} %)`,
    );
    log(`    bit by bit: ${courseOf(memory, kind, COURSE_PARTS).map(megabytes).join(', ')}`);
    // A few inputs say nothing of it.
    const isJudged = kind === 'heapUsed' || kind === 'rss';
    if (isJudged && share > GROWTH_SHARE_MAX && memory.length >= GROWTH_SAMPLES_MIN) {
      log(`  ${kind} grew by more than ${GROWTH_SHARE_MAX * 100} %`);
      isWell = false;
    }
  }
  return isWell;
}

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
  if (report.unreached.length > 0) log(`    never answered 2xx: ${report.unreached.join('; ')}`);
  let isWell = report.failures.length === 0 && report.faults.length === 0;
  isWell = tellMemory(memory) && isWell;
  for (const { input, violations, text, replay } of report.failures) {
    log(`\n  input ${input}: ${violations.join('; ')}\n    ${text}\n    ${replay}`);
  }
  for (const fault of report.faults) log(`\n  ${fault}`);
  return isWell;
}

/** Records that one consumer gets; the next ones get another. */
const CONSUMER_RECORDS = 2_000;

async function fuzzDecoders(seed: number, count: number): Promise<boolean> {
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
    `\nrecords within this process: ${records}, each handed over twice, in ${seconds.toFixed(0)} s; ${letters} dead letters`,
  );
  log(`  ${[...handled].map(([kind, times]) => `${kind}: ${times}`).join(', ')}`);
  for (const fault of faults.slice(0, FAULTS_MAX)) log(`  ${fault}`);
  if (faults.length > 0)
    log(`  npm run fuzz -- --only records --seed ${seed} --inputs ${(count * 100) / DECODED_SHARE}`);
  return faults.length === 0;
}

const FAULTS_MAX = 20;
async function fuzzBroker(seed: number, records: number): Promise<boolean> {
  const report = await fuzzTopics({ seed, records, log });
  const { largestBytes, good, deadLetters, handled, memory, seconds, faults } = report;
  log(
    `\ntopics of a broker: ${report.records} hostile records (the largest of ${megabytes(largestBytes)}) and ${good} good ones, read in ${seconds.toFixed(0)} s; ${deadLetters} dead letters`,
  );
  log(`  ${[...handled].map(([kind, times]) => `${kind}: ${times}`).join(', ')}`);
  const isWell = tellMemory(memory) && faults.length === 0;
  for (const fault of faults) log(`  ${fault}`);
  if (!isWell)
    log(`  npm run fuzz -- --only topics --seed ${seed} --inputs ${records * (100 / TOPICS_SHARE)}`);
  return isWell;
}

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

const share = (inputs: number, percent: number): number => Math.floor((inputs * percent) / 100);

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
  const does = (part: string): boolean => values.only === undefined || values.only === part;
  const missing = missingForTopics();
  const records = missing === null ? share(inputs, TOPICS_SHARE) : 0;
  const requests = inputs - records;
  const checked = share(inputs, CHECKED_SHARE);
  let isWell = true;
  const never: string[][] = [];
  if (does('service')) {
    const report = await fuzzServices({ seed, from: 0, to: requests - checked, isChecked: false, log });
    isWell = tell('services, without the security check', report) && isWell;
    never.push([...report.unreached]);
  }
  if (does('checked')) {
    const to = requests;
    const report = await fuzzServices({ seed, from: requests - checked, to, isChecked: true, log });
    isWell = tell('services, with the security check', report) && isWell;
    never.push([...report.unreached]);
  }
  if (never.length > 0) {
    const [first = [], second = first] = never;
    const both = first.filter((name) => second.includes(name));
    log(`\noperations that never answered 2xx: ${both.join('; ') || 'none'}`);
  }
  if (does('topics')) {
    if (missing === null) isWell = (await fuzzBroker(seed, records)) && isWell;
    else log(`\ntopics of a broker: left out, there is none (npm run services). ${missing}`);
  }
  if (does('records')) isWell = (await fuzzDecoders(seed, share(inputs, DECODED_SHARE))) && isWell;
  if (does('connections')) isWell = (await fuzzConnections()) && isWell;
  log(
    `\nload at the end ${loadavg()[0]?.toFixed(1) ?? ''}; ${isWell ? 'no rule was broken' : 'RULES WERE BROKEN'}`,
  );
  return isWell ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
