/**
 * Finds the redis-server program, or installs it where that needs no questions. Guarantee: what it answers
 * runs and is new enough; otherwise one line says what to install.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { reasonOf, StartupError } from './data-dir.js';

const run = promisify(execFile);

/** Oldest version with everything the scripts and queues use. */
const VERSION_MIN = [6, 2] as const;
/** The first is looked up on PATH. */
const PLACES = [
  'redis-server',
  '/usr/bin/redis-server',
  '/usr/local/bin/redis-server',
  '/opt/homebrew/bin/redis-server',
];
const INSTALL_MS_MAX = 5 * 60_000;
const HELP = `Install Redis ${VERSION_MIN.join('.')} or newer (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis), or set REDIS_URL`;

export interface RedisServer {
  readonly path: string;
  readonly version: string;
}

export interface RedisServerOptions {
  /** Told before something that takes long. */
  readonly log: (message: string) => void;
  readonly places?: readonly string[];
  /** Answers whether it found a way to install it. */
  readonly install?: (log: (message: string) => void) => Promise<boolean>;
}

/** Throws `StartupError`. */
export async function ensureRedisServer(options: RedisServerOptions): Promise<RedisServer> {
  const { log, places = PLACES, install = installRedisServer } = options;
  const found = await find(places);
  if (found !== null) return checked(found);
  const installed = (await install(log)) ? await find(places) : null;
  if (installed === null) throw new StartupError(`redis-server was not found. ${HELP}.`);
  return checked(installed);
}

async function find(places: readonly string[]): Promise<RedisServer | null> {
  let old: RedisServer | null = null;
  for (const path of places) {
    const version = await versionOf(path);
    if (version === null) continue;
    if (isNewEnough(version)) return { path, version };
    old ??= { path, version };
  }
  return old;
}

function checked(server: RedisServer): RedisServer {
  if (isNewEnough(server.version)) return server;
  throw new StartupError(`${server.path} is version ${server.version}, which is too old. ${HELP}.`);
}

/** Null when there is no such program. */
async function versionOf(path: string): Promise<string | null> {
  try {
    const { stdout } = await run(path, ['--version']);
    return /\bv=(\d+(?:\.\d+)*)/.exec(stdout)?.[1] ?? null;
  } catch {
    return null;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]);
}

/** Package managers that ask nothing: apt-get for root or with sudo that needs no password, and Homebrew. */
async function installRedisServer(log: (message: string) => void): Promise<boolean> {
  if (process.platform === 'darwin' && (await works('brew', ['--version']))) {
    log('redis-server is missing: installing it with Homebrew');
    await step('brew', ['install', 'redis']);
    return true;
  }
  if (process.platform !== 'linux' || !(await works('apt-get', ['--version']))) return false;
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (asRoot.length > 0 && !(await works('sudo', ['-n', 'true']))) return false;
  log('redis-server is missing: installing it with apt-get');
  const apt = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'DPkg::Lock::Timeout=60'];
  const [command = 'env', ...args] = apt;
  await step(command, [...args, 'update']);
  await step(command, [...args, 'install', '-y', '--no-install-recommends', 'redis-server']);
  return true;
}

async function works(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

async function step(command: string, args: readonly string[]): Promise<void> {
  try {
    await run(command, args, { timeout: INSTALL_MS_MAX, maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const stderr =
      typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr).trim() : '';
    const reason = stderr.split('\n').at(-1) ?? '';
    throw new StartupError(`redis-server could not be installed (${reason || reasonOf(error)}). ${HELP}.`, {
      cause: error,
    });
  }
}
