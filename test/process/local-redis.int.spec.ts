import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { StartupError } from '../../src/process/data-dir.js';
import { startLocalRedis, type LocalRedis } from '../../src/process/local-redis.js';
import { ensureRedisServer } from '../../src/process/redis-server.js';

let dataDir: string;
let logged: string[];
const started: LocalRedis[] = [];

const start = async (stopMsMax = 10_000): Promise<LocalRedis> => {
  const redis = await startLocalRedis({
    dataDir,
    memoryMb: 64,
    log: (message) => logged.push(message),
    stopMsMax,
  });
  started.push(redis);
  return redis;
};

async function using<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, {
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    disconnectTimeout: 25,
  });
  redis.on('error', () => undefined);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

const processId = async (url: string): Promise<number> =>
  using(url, async (redis) => Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]));

async function eventually<T>(work: () => Promise<T>): Promise<T> {
  for (const giveUpAt = Date.now() + 10_000; ;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > giveUpAt) throw error;
      await sleep(25);
    }
  }
}

beforeEach(async () => {
  // A quote and a blank: both mean something in a Redis configuration.
  dataDir = await mkdtemp(join(tmpdir(), 'ticktak "local" redis-'));
  logged = [];
});

afterEach(async () => {
  await Promise.all(started.splice(0).map((redis) => redis.stop()));
  await rm(dataDir, { recursive: true, force: true });
});

describe('startLocalRedis', () => {
  it('starts a durable server that evicts nothing and only its owner can use', async () => {
    const { url } = await start();
    const config = await using(url, async (redis) => [
      ...((await redis.config('GET', 'appendonly')) as string[]),
      ...((await redis.config('GET', 'appendfsync')) as string[]),
      ...((await redis.config('GET', 'maxmemory-policy')) as string[]),
      ...((await redis.config('GET', 'bind')) as string[]),
    ]);
    expect(config).toEqual(expect.arrayContaining(['yes', 'everysec', 'noeviction', '127.0.0.1']));
    const anyone = `redis://127.0.0.1:${new URL(url).port}`;
    await expect(using(anyone, (redis) => redis.get('x'))).rejects.toThrow(/NOAUTH/);
    for (const file of ['password', 'redis.conf', 'server.json']) {
      expect((await stat(join(dataDir, 'redis', file))).mode & 0o777).toBe(0o600);
    }
    const { password } = new URL(url);
    const commandLine = await readFile(`/proc/${await processId(url)}/cmdline`, 'utf8').catch(() => '');
    expect(commandLine).not.toContain(password);
  });

  it('keeps its data, port and password over a stop', async () => {
    const first = await start();
    await using(first.url, (redis) => redis.set('kept', 'yes'));
    await first.stop();
    await expect(using(first.url, (redis) => redis.ping())).rejects.toThrow();
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await using(second.url, (redis) => redis.get('kept'))).toBe('yes');
  });

  it('takes another port when its last one is in use', async () => {
    const first = await start();
    await first.stop();
    const squatter: Server = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    await once(squatter, 'listening');
    const second = await start();
    squatter.close();
    expect(new URL(second.url).port).not.toBe(new URL(first.url).port);
  });

  it('adopts the server that a killed ticktak left running', async () => {
    const left = await start();
    const adopted = await start();
    expect(adopted.url).toBe(left.url);
    expect(logged.at(-1)).toMatch(/^using the redis-server that still runs/);
    await Promise.all([left.stop(), adopted.stop()]);
    await expect(using(left.url, (redis) => redis.ping())).rejects.toThrow();
  });

  it('adopts it also when ticktak was killed before it noted the process', async () => {
    const { url } = await start();
    await writeFile(
      join(dataDir, 'redis', 'server.json'),
      JSON.stringify({ port: Number(new URL(url).port) }),
    );
    expect((await start()).url).toBe(url);
    expect(logged).toHaveLength(1);
  });

  it('starts the server again when it is killed, under the same URL', async () => {
    const { url } = await start();
    const before = await processId(url);
    await using(url, (redis) => redis.set('kept', 'yes'));
    process.kill(before, 'SIGKILL');
    const after = await eventually(async () => {
      const pid = await processId(url);
      expect(pid).not.toBe(before);
      return pid;
    });
    expect(after).toBeGreaterThan(0);
    expect(await using(url, (redis) => redis.get('kept'))).toBe('yes');
    expect(logged[0]).toMatch(/^redis-server ended: .*starting it again$/);
  });

  it('ends a server that does not shut down', async () => {
    const redis = await start(200);
    const pid = await processId(redis.url);
    process.kill(pid, 'SIGSTOP');
    // Not even when nothing is left to know it by.
    await rm(dataDir, { recursive: true });
    await redis.stop();
    expect(() => process.kill(pid, 0)).toThrow();
  });

  it('says in one line why the server does not start', async () => {
    const first = await start();
    await using(first.url, (redis) => redis.set('x', 'y'));
    await first.stop();
    const manifest = join(dataDir, 'redis', 'appendonlydir', 'appendonly.aof.manifest');
    const single = join(dataDir, 'redis', 'appendonly.aof');
    const damaged = await stat(manifest).then(
      () => manifest,
      () => single,
    );
    await writeFile(damaged, 'not what belongs here\n');
    const failure = await start().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StartupError);
    expect((failure as StartupError).message).toMatch(
      /^redis-server did not start: .+ \(log: .+redis\.log\)\.$/,
    );
  });
});

describe('ensureRedisServer', () => {
  const log = (): void => undefined;
  const script = async (name: string, says: string): Promise<string> => {
    const path = join(dataDir, name);
    await writeFile(path, `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
    return path;
  };

  it('finds one that is new enough, whatever stands before it', async () => {
    const old = await script('old', 'Redis server v=5.0.14 sha=0 bits=64');
    const path = await script('new', 'Redis server v=7.2.4 sha=0 bits=64');
    const places = [join(dataDir, 'none'), old, path];
    expect(await ensureRedisServer({ log, places })).toEqual({ path, version: '7.2.4' });
  });

  it('says what to do about one that is too old', async () => {
    const old = await script('old', 'Redis server v=6.0.16 sha=0 bits=64');
    await expect(ensureRedisServer({ log, places: [old] })).rejects.toThrow(
      /old is version 6\.0\.16, which is too old\. Install Redis 6\.2 or newer .*, or set REDIS_URL\.$/,
    );
  });

  it('installs one where it can', async () => {
    const path = join(dataDir, 'later');
    const install = async (): Promise<boolean> => Boolean(await script('later', 'Redis server v=7.0.15'));
    expect(await ensureRedisServer({ log, places: [path], install })).toEqual({ path, version: '7.0.15' });
  });

  it('says what to do where it cannot', async () => {
    const install = (): Promise<boolean> => Promise.resolve(false);
    const failing = ensureRedisServer({ log, places: [join(dataDir, 'none')], install });
    await expect(failing).rejects.toThrow(StartupError);
    await expect(failing).rejects.toThrow(/^redis-server was not found\. Install Redis/);
  });
});
