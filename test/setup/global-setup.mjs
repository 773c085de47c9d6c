/**
 * One real redis-server for the whole run, on a free loopback port and in a folder of its own, unless
 * TEST_REDIS_URL names one. Tests read TEST_REDIS_URL and use names of their own in it. Kafka and MongoDB are
 * only looked for: the first test that needs one starts it (test/helpers/services.ts). What was found is written
 * to coverage/services.json for the summary.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { findServices } from '../../scripts/services/find.mjs';

const START_MS_MAX = 10_000;

export default async function setup({ rootDir }) {
  const given = process.env.TEST_REDIS_URL;
  const url = given ?? (await startRedis());
  process.env.TEST_REDIS_URL = url;
  const version = await serverVersion(url);
  mkdirSync(join(rootDir, 'coverage'), { recursive: true });
  // npm test has looked already, and fetched what was missing.
  const found = process.env.TEST_SERVICES ? JSON.parse(process.env.TEST_SERVICES) : await findServices();
  process.env.TEST_SERVICES = JSON.stringify(found);
  process.env.TEST_RUN_DIR = mkdtempSync(join(tmpdir(), 'ticktak-test-run-'));
  process.env.TEST_RUN_PID = String(process.pid);
  const redis = { version, how: given ? 'named by TEST_REDIS_URL' : 'started for this run' };
  const services = { redis, ...found };
  writeFileSync(join(rootDir, 'coverage', 'services.json'), JSON.stringify(services));
}

/** Starts redis-server and leaves what the teardown needs on globalThis. */
async function startRedis() {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-test-redis-'));
  const logFile = join(dir, 'redis.log');
  const port = await freePort();
  const bin = process.env.TEST_REDIS_SERVER ?? 'redis-server';
  const args = `--port ${port} --bind 127.0.0.1 --appendonly yes --maxmemory-policy noeviction`.split(' ');
  const child = spawn(bin, [...args, '--save', '', '--dir', dir, '--logfile', logFile], { stdio: 'ignore' });
  const failed = new Promise((_resolve, reject) => {
    child.once('error', () => {
      reject(
        new Error(`${bin} not found: run "npm test", which finds or installs it, or set TEST_REDIS_URL`),
      );
    });
    child.once('exit', (code) => {
      reject(new Error(`${bin} ended with ${code}:\n${readFileSync(logFile, 'utf8')}`));
    });
  });
  failed.catch(() => undefined);
  globalThis.testRedis = { child, dir };
  if (child.pid !== undefined) endWith(process.pid, child.pid);
  const url = `redis://127.0.0.1:${port}`;
  try {
    await Promise.race([serverVersion(url), failed]);
  } catch (error) {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return url;
}

/** Ends the server also when the test run is killed and cannot tear it down. */
function endWith(runPid, serverPid) {
  const script = 'while kill -0 "$0"; do sleep 1; done; kill "$1"';
  const watcher = spawn('sh', ['-c', script, String(runPid), String(serverPid)], {
    detached: true,
    stdio: 'ignore',
  });
  watcher.unref();
}

/** Waits until the server answers, within START_MS_MAX. */
async function serverVersion(url) {
  const giveUpAt = Date.now() + START_MS_MAX;
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    retryStrategy: () => (Date.now() < giveUpAt ? 50 : null),
  });
  redis.on('error', () => undefined);
  try {
    return /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? 'unknown';
  } catch (error) {
    throw new Error(`no answer from Redis at ${new URL(url).host} within ${START_MS_MAX} ms`, {
      cause: error,
    });
  } finally {
    redis.disconnect();
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
