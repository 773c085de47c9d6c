/**
 * `npm run verify`: everything that has to hold before a change goes in, the same for people and CI. Stops at
 * the first step that fails, with its output. The last line counts the tests.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { inRoot, JEST, run, runBin, runScript } from './lib.mjs';

const JEST_MS_MAX = 60 * 60_000;
const REPORT = inRoot('coverage', 'jest.json');

const steps = [
  ['format', () => runBin('prettier', ['--check', '.'])],
  ['lint', () => runBin('eslint', ['.'])],
  ['types', () => runBin('tsc', ['--noEmit', '-p', 'tsconfig.json'])],
  ['types of the web app', () => runBin('tsc', ['--noEmit', '-p', 'web/tsconfig.json'])],
  ['build', () => runScript('build.mjs')],
  ['settings', () => runScript('settings-doc.mjs', ['--check'])],
  ['tests', runTests],
];

rmSync(inRoot('coverage'), { recursive: true, force: true });
let failed = false;
for (const [name, work] of steps) {
  const startedAt = Date.now();
  const { code, output } = await work();
  const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(8)} ${seconds.padStart(6)} s`);
  if (code === 0) continue;
  console.log(`\n${output.trim()}\n`);
  failed = true;
  break;
}
if (existsSync(REPORT)) summarize();
process.exitCode = failed ? 1 : 0;

function runTests() {
  mkdirSync(inRoot('coverage'));
  const args = [...JEST, '--coverage', '--json', `--outputFile=${REPORT}`];
  return run(process.execPath, args, { timeoutMs: JEST_MS_MAX });
}

function summarize() {
  const report = JSON.parse(readFileSync(REPORT, 'utf8'));
  const { redis, kafka, mongo, browser } = readJson('services.json') ?? {};
  const redisLine = redis ? `redis-server ${redis.version} (${redis.how})` : 'none';
  console.log(`\nRan against:\n  - Redis: ${redisLine}`);
  console.log(`  - Kafka: ${service(kafka, 'KAFKA_BROKERS')}`);
  console.log(`  - MongoDB: ${service(mongo, 'MONGODB_URL')}`);
  console.log(`  - Browser: ${service(browser)}`);
  for (const { what, name } of readLines('against.json')) console.log(`  - ${what}: ${name}`);
  const coverage = readJson('coverage-summary.json');
  if (coverage) {
    const folders = ['src/rules/', 'src/actors/'].map((folder) => statements(coverage, folder));
    console.log(`Statements covered: ${folders.join(', ')}.`);
  }
  const skipped = skippedTests(report);
  if (skipped.length > 0) console.log(`Skipped:\n${skipped.map((line) => `  - ${line}`).join('\n')}`);
  // A file that could not even be loaded is a failure, too.
  const failures = report.numFailedTests + report.numRuntimeErrorTestSuites;
  console.log(`${report.numPassedTests} passed, ${failures} failed, ${skipped.length} skipped`);
}

/** What stood for a service in the tests (scripts/services/find.mjs), and what that leaves open. */
function service(found, variable = '') {
  const shared = process.env[variable] ? `named by ${variable}; of a test's own: ` : '';
  if (!found || found.kind === 'none') return `${shared}none (${found?.reason ?? 'no test needs one'})`;
  const name = `${shared}${found.name} ${found.version}`;
  if (found.kind === 'real') return name;
  return `${name}, a stand-in (${found.reason}), which leaves unproven: ${found.unproven}`;
}

function readJson(name) {
  const path = inRoot('coverage', name);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null;
}

/** What tests told by test/helpers/skips.ts, one JSON object per line. */
function readLines(name) {
  const path = inRoot('coverage', name);
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function statements(coverage, folder) {
  const files = Object.entries(coverage).filter(([path]) => relative(inRoot(), path).startsWith(folder));
  const sum = (key) => files.reduce((total, [, each]) => total + each.statements[key], 0);
  const [covered, total] = [sum('covered'), sum('total')];
  const percent = total === 0 ? 100 : (100 * covered) / total;
  return `${folder} ${percent.toFixed(1)} % (${covered} of ${total})`;
}

/** Every skipped test with its reason, as recorded by test/helpers/skips.ts. */
function skippedTests(report) {
  const reasons = new Map(readLines('skips.json').map(({ criterion, reason }) => [criterion, reason]));
  return report.testResults
    .flatMap((suite) => suite.assertionResults)
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
    .map(({ fullName, title }) => `${fullName}: ${reasons.get(title) ?? 'no reason given'}`);
}
