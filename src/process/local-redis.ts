/**
 * The embedded default's Redis: a redis-server of our own, on loopback, with its data in `<dataDir>/redis`.
 * Guarantees: at most one server per folder, since one that outlived a killed ticktak is adopted; only who can
 * read the folder knows its password; it survives Ctrl-C in the terminal until `stop`, which loses no write;
 * when it ends by itself it is started again under the same URL. The caller holds the lock of the data folder.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdir, open, readFile, realpath, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { processStarted, readOrCreateSecret, reasonOf, StartupError } from './data-dir.js';
import { ensureRedisServer } from './redis-server.js';

export interface LocalRedisOptions {
  readonly dataDir: string;
  /** Most memory it may use, MiB. */
  readonly memoryMb: number;
  readonly log: (message: string) => void;
  /** How long a server may take to shut down before it is killed. */
  readonly stopMsMax?: number;
}

export interface LocalRedis {
  /** Contains the password. */
  readonly url: string;
  /** Shuts the server down after it has written everything. */
  stop(): Promise<void>;
}

/** For a server that is not loading; loading a large append-only file may take LOAD_MS_MAX. */
const START_MS_MAX = 10_000;
const LOAD_MS_MAX = 10 * 60_000;
const APPEAR_MS_MAX = 1_000;
const STOP_MS_MAX = 10_000;
const ANSWER_MS_MAX = 2_000;
const POLL_MS = 25;
const WATCH_MS = 500;
const RESTART_MS = 1_000;
const PORT_ATTEMPTS_MAX = 3;
/**
 * The server comes back on its port. Systems give ports from 32768 (Linux) or 49152 (others) on to whoever connects to
 * somewhere: nobody gets one of these while the server is away.
 */
const KEPT_PORT_MIN = 10_240;
const KEPT_PORT_MAX = 32_767;

/** What is known of the server of a folder; kept in `server.json` in it. */
interface ServerRecord {
  readonly port: number;
  /** Absent between choosing the port and having started the process. */
  readonly pid?: number;
  readonly started?: string;
}

interface Home {
  readonly dir: string;
  readonly password: string;
  readonly memoryMb: number;
  readonly log: (message: string) => void;
  readonly stopMsMax: number;
}

/** Throws `StartupError`. */
export async function startLocalRedis(options: LocalRedisOptions): Promise<LocalRedis> {
  const { dataDir, memoryMb, log, stopMsMax = STOP_MS_MAX } = options;
  const dir = join(dataDir, 'redis');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const home: Home = {
    dir: await realpath(dir),
    password: await readOrCreateSecret(join(dir, 'password')),
    memoryMb,
    log,
    stopMsMax,
  };
  const last = await readRecord(home);
  const server = (last && (await adopt(home, last))) ?? (await startOnFreePort(home, last?.port));
  return supervise(home, server);
}

interface Server {
  readonly port: number;
  readonly pid: number;
  /** Null when it had ended before anyone looked. */
  readonly started: string | null;
}

/** The server that an earlier ticktak left running on this folder, or null. */
async function adopt(home: Home, last: ServerRecord): Promise<Server | null> {
  const startedAt = Date.now();
  // Nobody else is asked at this port, because the question contains the password.
  while (await mayRun(last, startedAt)) {
    const pid = await pidOfServer(home, last.port);
    if (pid !== null) {
      const server = { port: last.port, pid, started: await processStarted(pid) };
      await untilReady(home, server);
      home.log(`using the redis-server that still runs on this data folder (process ${pid})`);
      await writeRecord(home, server);
      return server;
    }
    if (Date.now() - startedAt > START_MS_MAX) {
      const holder = `redis-server process ${last.pid ?? 0}`;
      throw new StartupError(`${holder} still has ${home.dir} but does not answer: end it and start again.`);
    }
    // It is shutting down, or not listening yet.
    await sleep(POLL_MS * 4);
  }
  return null;
}

/** Without a process id ticktak was killed while starting the server: it shows up soon or never. */
async function mayRun({ pid, started }: ServerRecord, since: number): Promise<boolean> {
  if (pid === undefined) return Date.now() - since < APPEAR_MS_MAX;
  return (await processStarted(pid)) === started;
}

/** Process id of the server at this port when it is the one of our folder. */
async function pidOfServer(home: Home, port: number): Promise<number | null> {
  try {
    return await ask(home, port, async (redis) => {
      const info = await redis.info('server');
      const conf = /config_file:(.*)/.exec(info)?.[1]?.trim();
      const pid = Number(/process_id:(\d+)/.exec(info)?.[1]);
      return conf === confFile(home) && pid > 0 ? pid : null;
    });
  } catch {
    return null;
  }
}

async function startOnFreePort(home: Home, lastPort: number | undefined): Promise<Server> {
  const { path } = await ensureRedisServer({ log: home.log });
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(attempt === 1 ? lastPort : undefined);
    try {
      return await launch(home, path, port);
    } catch (error) {
      // Someone else may have taken the port in the meantime.
      const taken =
        error instanceof StartupError && /Address already in use|Failed listening/.test(error.message);
      if (!taken || attempt === PORT_ATTEMPTS_MAX) throw error;
    }
  }
}

/** Starts the server in a process group of its own, so that a terminal's Ctrl-C reaches only ticktak. */
async function launch(home: Home, path: string, port: number): Promise<Server> {
  await rename(logFile(home), `${logFile(home)}.1`).catch(() => undefined);
  await writeFile(confFile(home), configuration(home, port), { mode: 0o600 });
  await writeRecord(home, { port });
  // What it says before it has read its configuration goes to the same log.
  const output = await open(logFile(home), 'a', 0o600);
  const end: { reason?: string } = {};
  try {
    const stdio: ['ignore', number, number] = ['ignore', output.fd, output.fd];
    const child = spawn(path, [confFile(home)], { cwd: home.dir, detached: true, stdio });
    child.once('error', (error) => (end.reason = reasonOf(error)));
    child.once('exit', (code, signal) => (end.reason = `it ended with ${signal ?? `code ${code ?? 0}`}`));
    child.unref();
    const { pid } = child;
    if (pid !== undefined) {
      const server = { port, pid, started: await processStarted(pid) };
      await writeRecord(home, server);
      if (await untilReady(home, server)) return server;
    } else {
      await sleep(0);
    }
  } finally {
    await output.close();
  }
  throw new StartupError(`redis-server did not start: ${await lastWords(home, end.reason ?? 'it ended')}.`);
}

/** False when the process has ended. Throws `StartupError` when it runs and does not answer in time. */
async function untilReady(home: Home, { port, pid }: Server): Promise<boolean> {
  const startedAt = Date.now();
  for (let told = false; ;) {
    const answer = await ask(home, port, (redis) => redis.ping()).catch(reasonOf);
    if (answer === 'PONG') return true;
    if (!isRunning(pid)) return false;
    const loading = answer.startsWith('LOADING');
    if (loading && !told) home.log('redis-server is loading its data');
    told ||= loading;
    if (Date.now() - startedAt > (told ? LOAD_MS_MAX : START_MS_MAX)) {
      throw new StartupError(`redis-server process ${pid} does not answer (log: ${logFile(home)}).`);
    }
    await sleep(POLL_MS);
  }
}

/** Starts the server again when it ends by itself, until it is stopped. */
function supervise(home: Home, first: Server): LocalRedis {
  let server = first;
  let stopping = false;
  let restart: Promise<void> = Promise.resolve();
  const startAgain = async (): Promise<void> => {
    let said = `redis-server ended: ${await lastWords(home, 'without a word')}; starting it again`;
    home.log(said);
    while (!stopping) {
      try {
        const { path } = await ensureRedisServer({ log: home.log });
        server = await launch(home, path, server.port);
        home.log('redis-server runs again');
        break;
      } catch (error) {
        if (said !== reasonOf(error)) home.log((said = reasonOf(error)));
        await sleep(RESTART_MS);
      }
    }
    watch();
  };
  const watch = (): void => {
    if (stopping) return;
    const timer = setInterval(() => {
      if (!stopping && isRunning(server.pid)) return;
      clearInterval(timer);
      if (!stopping) restart = startAgain();
    }, WATCH_MS);
    timer.unref();
  };
  watch();
  return {
    url: urlOf(home, first.port),
    async stop() {
      stopping = true;
      await restart;
      await shutDown(home, server);
    },
  };
}

async function shutDown(home: Home, { port, pid, started }: Server): Promise<void> {
  // The answer to SHUTDOWN is that the connection ends.
  await ask(home, port, (redis) => redis.shutdown()).catch(() => undefined);
  if (await untilGone(pid, home.stopMsMax)) return;
  home.log(`redis-server process ${pid} does not stop; ending it`);
  // The id may be another process's by now.
  if ((await processStarted(pid)) === started) process.kill(pid, 'SIGKILL');
  await untilGone(pid, home.stopMsMax);
}

async function untilGone(pid: number, waitMs: number): Promise<boolean> {
  const giveUpAt = Date.now() + waitMs;
  while (isRunning(pid)) {
    if (Date.now() > giveUpAt) return false;
    await sleep(POLL_MS);
  }
  return true;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** One short conversation. Rejects when nobody answers in time. */
async function ask<T>(home: Home, port: number, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(urlOf(home, port), {
    lazyConnect: true,
    connectTimeout: ANSWER_MS_MAX,
    // A connection that the server has closed already keeps this timer.
    disconnectTimeout: POLL_MS,
    enableReadyCheck: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  // Ends what is still waiting for an answer.
  const timer = setTimeout(() => redis.disconnect(), ANSWER_MS_MAX);
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

/** `preferred` when it is free, else any free port. */
async function freePort(preferred: number | undefined): Promise<number> {
  if (preferred !== undefined && (await tryPort(preferred)) !== null) return preferred;
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    const port = await tryPort(randomInt(KEPT_PORT_MIN, KEPT_PORT_MAX + 1));
    if (port !== null) return port;
  }
  const port = await tryPort(0);
  if (port === null) throw new StartupError('No port is free on 127.0.0.1 for redis-server.');
  return port;
}

function tryPort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : null));
    });
  });
}

const urlOf = (home: Home, port: number): string => `redis://:${home.password}@127.0.0.1:${port}`;
const confFile = (home: Home): string => join(home.dir, 'redis.conf');
const logFile = (home: Home): string => join(home.dir, 'redis.log');
const recordFile = (home: Home): string => join(home.dir, 'server.json');

/** The password stands here and not on the command line, which everyone on the machine can read. */
function configuration(home: Home, port: number): string {
  const quoted = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`;
  return [
    '# Written by ticktak at every start; changes are lost.',
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${quoted(home.password)}`,
    `dir ${quoted(home.dir)}`,
    `logfile ${quoted(logFile(home))}`,
    'daemonize no',
    'appendonly yes',
    'appendfsync everysec',
    'save ""',
    'maxmemory-policy noeviction',
    `maxmemory ${home.memoryMb}mb`,
    '',
  ].join('\n');
}

/** The newest line of its log that says what is wrong. */
async function lastWords(home: Home, otherwise: string): Promise<string> {
  const log = await readFile(logFile(home), 'utf8').catch(() => '');
  const lines = log.split('\n').filter((line) => / # |\*\*\*|error/i.test(line));
  const line = (lines.at(-1) ?? '').replace(/^.*? # /, '').trim();
  return `${line || otherwise} (log: ${logFile(home)})`;
}

async function writeRecord(home: Home, record: { port: number } | Server): Promise<void> {
  const draft = `${recordFile(home)}.new`;
  await writeFile(draft, JSON.stringify(record), { mode: 0o600 });
  await rename(draft, recordFile(home));
}

/** Null when there is none that can be read. */
async function readRecord(home: Home): Promise<ServerRecord | null> {
  try {
    const value: unknown = JSON.parse(await readFile(recordFile(home), 'utf8'));
    if (typeof value !== 'object' || value === null || !('port' in value)) return null;
    const { port } = value;
    if (typeof port !== 'number') return null;
    const known = 'pid' in value && 'started' in value ? value : null;
    if (typeof known?.pid !== 'number' || typeof known.started !== 'string') return { port };
    return { port, pid: known.pid, started: known.started };
  } catch {
    return null;
  }
}
