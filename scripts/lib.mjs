/**
 * What the scripts share: running programs, and whether packages and build are up to date. Node's own
 * modules only, because nothing may be installed yet.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const inRoot = (...parts) => join(ROOT, ...parts);

const LOCK_WAIT_MS_MAX = 10 * 60_000;
const EXIT_MS_MAX = 1_000;

/** Something that one line says all about. */
export class Failure extends Error {}

/** Runs a program in the repository; answers its exit code and everything it printed. */
export function run(command, args, { env = {}, timeoutMs } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(timeoutMs && { timeout: timeoutMs, killSignal: 'SIGKILL' }),
    });
    const output = [];
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.once('error', (error) => resolve({ code: 1, output: `${command}: ${error.message}` }));
    child.once('close', (code, signal) => {
      if (signal) output.push(Buffer.from(`\n${command} was ended by ${signal}\n`));
      resolve({ code: code ?? 1, output: Buffer.concat(output).toString('utf8') });
    });
  });
}

/** Runs one of our scripts, or the program of a package. */
export const runScript = (name, args = [], options = {}) =>
  run(process.execPath, [inRoot('scripts', name), ...args], options);
export const runBin = (name, args, options = {}) => run(inRoot('node_modules', '.bin', name), args, options);

/** Node's arguments for jest with ES modules. */
export const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  inRoot('node_modules', 'jest', 'bin', 'jest.js'),
];

/** Ends a script: the failure's line, or everything about an error that nobody expected. */
export function fail(error) {
  console.error(error instanceof Failure ? error.message : error);
  process.exit(1);
}

const timeOf = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const textOf = (path) => (timeOf(path) > 0 ? readFileSync(path, 'utf8') : '');

const LOCK_FILE = inRoot('package-lock.json');
const INSTALL_STAMP = inRoot('node_modules', '.ticktak-lock-hash');

/** True when the packages are those of package-lock.json, whether we or npm itself installed them. */
function isInstalled() {
  const hash = createHash('sha256').update(readFileSync(LOCK_FILE)).digest('hex');
  if (textOf(INSTALL_STAMP) === hash) return true;
  // npm writes its own copy of the lock last.
  if (timeOf(inRoot('node_modules', '.package-lock.json')) < timeOf(LOCK_FILE)) return false;
  writeFileSync(INSTALL_STAMP, hash);
  return true;
}

/** Installs the packages if need be. */
export async function ensureInstalled() {
  if (isInstalled()) return;
  await oneAtATime(async () => {
    if (isInstalled()) return;
    console.log('Installing packages (npm ci) ...');
    const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
    const { code, output } = await run('npm', args);
    if (code === 0 && isInstalled()) return;
    const reason = firstLine(output, /error (?!code)/i);
    throw new Failure(`The packages could not be installed: ${reason}`);
  });
}

const BUILD_STAMP = inRoot('dist', '.built');
const SOURCES = ['src', 'config', 'web', 'tsconfig.json', 'tsconfig.build.json'];

/** The stamp carries the time at which the build began, so that edits during it count as newer. */
export function stampBuild(startedAt) {
  writeFileSync(BUILD_STAMP, new Date(startedAt).toISOString());
}

function isBuilt() {
  const builtAt = Date.parse(textOf(BUILD_STAMP)) || 0;
  return builtAt > 0 && SOURCES.every((path) => !existsSync(inRoot(path)) || newest(inRoot(path)) <= builtAt);
}

/** Newest change of a file or of anything in a folder; a folder's own time tells that a file was removed. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

/** Builds if need be. */
export async function ensureBuilt() {
  if (isBuilt()) return;
  await oneAtATime(async () => {
    if (isBuilt()) return;
    console.log('Building ...');
    const { code, output } = await runScript('build.mjs');
    if (code !== 0)
      throw new Failure(`The build failed: ${firstLine(output, /error/i)} (all of it: npm run build)`);
  });
}

/** First line that matches, else the first with anything in it. */
function firstLine(output, pattern) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return (lines.find((line) => pattern.test(line)) ?? lines[0] ?? 'it said nothing').trim();
}

/** Several roles may be started at once on a fresh machine; one of them prepares it for all. */
async function oneAtATime(work) {
  const lock = inRoot('.cache', 'setup.lock');
  mkdirSync(inRoot('.cache'), { recursive: true });
  for (const giveUpAt = Date.now() + LOCK_WAIT_MS_MAX; ; await sleep(200)) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw new Failure(`${lock} cannot be written: ${error.message}`);
    }
    const holder = Number(textOf(lock));
    if (Date.now() > giveUpAt) throw new Failure(`Process ${holder} is still preparing ticktak (${lock}).`);
    if (holder > 0 && !isRunning(holder)) rmSync(lock, { force: true });
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs a program of src/process with the arguments of this one, after building what is missing or stale. */
export async function runProgram(file, name) {
  try {
    await ensureInstalled();
    await ensureBuilt();
    const { [name]: program } = await import(pathToFileURL(inRoot('dist', 'src', 'process', file)).href);
    process.exitCode = await program(process.argv.slice(2), process.env);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
  // Output gets time to be written; what was not closed does not keep the process.
  setTimeout(() => process.exit(), EXIT_MS_MAX).unref();
}

/** Runs TypeScript of the tests, as it lies there, with the arguments of this process. */
export async function runTypeScript(...parts) {
  await ensureInstalled();
  const hooks = pathToFileURL(inRoot('test', 'helpers', 'typescript.mjs')).href;
  const args = ['--import', hooks, inRoot(...parts), ...process.argv.slice(2)];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}

/** Does `work` where the helpers of the tests find `services` and keep what they start, as they do under Jest. */
export async function withTestServices(services, work) {
  const runDir = mkdtempSync(join(tmpdir(), 'ticktak-run-'));
  Object.assign(process.env, {
    TEST_SERVICES: JSON.stringify(services),
    TEST_RUN_DIR: runDir,
    TEST_RUN_PID: String(process.pid),
  });
  try {
    return await work();
  } finally {
    rmSync(runDir, { recursive: true, force: true });
  }
}
