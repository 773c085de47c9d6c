/** Connections, subscriptions and what is asked of a Redis before anything is stored in it. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { systemClock } from '../../src/process/clock.js';
import { Bus, checkRedis, connectRedis } from '../../src/redis/connection.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { RedlockLeases } from '../../src/redis/leases.js';
import { RedisCounters, TicketReservationReader } from '../../src/redis/reads.js';
import { loadScript } from '../../src/redis/scripts.js';
import { RedisTicketStore } from '../../src/redis/ticket-store.js';
import { RedisWakeUps } from '../../src/redis/workers.js';
import { silentLogger, testRedisUrl, until } from '../helpers/engine.js';
import { deleteKeys, OwnRedis } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };
/** Longer than a busy machine takes for some commands, and short enough to wait for its end. */
const LEASE_MS = 3_000;

function listening() {
  const lines: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      lines.push((JSON.parse(chunk.toString()) as { msg: string }).msg);
      done();
    },
  });
  return { logger: pino({ level: 'info' }, sink), lines };
}

/** Answers INFO with this text. */
const told = (info: string) => ({ info: () => Promise.resolve(info) }) as unknown as Redis;

describe('a connection', () => {
  it('takes what is sent in one turn of the event loop as one message, and answers in its order', async () => {
    const own = new OwnRedis();
    await own.start();
    const redis = connectRedis({ url: own.url, name: 'gathering', logger: silentLogger });
    try {
      await redis.ping();
      const reads = async (): Promise<number> =>
        Number(/total_reads_processed:(\d+)/.exec(await redis.info('stats'))?.[1]);
      const before = await reads();
      const answers = await Promise.all(Array.from({ length: 300 }, () => redis.incr('turns')));
      // Sent one by one, they would be read in many parts.
      expect((await reads()) - before).toBeLessThan(5);
      expect(answers).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
    } finally {
      redis.disconnect();
      await own.remove();
    }
  });
});

describe('a Redis that is fit to store tickets', () => {
  it('is new enough', async () => {
    await expect(checkRedis(told('redis_version:6.0.16\r\n'), silentLogger)).rejects.toThrow(
      '6.0 is too old',
    );
    await expect(checkRedis(told('nothing known'), silentLogger)).rejects.toThrow('too old');
    await checkRedis(told('redis_version:6.2.0\r\n'), silentLogger);
    await checkRedis(told('redis_version:10.0.0\r\n'), silentLogger);
  });

  it('evicts nothing', async () => {
    const info = 'redis_version:7.0.0\r\nmaxmemory_policy:allkeys-lru\r\n';
    await expect(checkRedis(told(info), silentLogger)).rejects.toThrow('allkeys-lru');
  });

  it('keeps a file, or a warning says what that costs', async () => {
    const { logger, lines } = listening();
    await checkRedis(told('redis_version:7.0.0\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\n'), logger);
    expect(lines).toEqual([expect.stringContaining('append-only')]);
  });

  it('is the one the tests run on', async () => {
    const redis = connectRedis({ url: testRedisUrl(), name: 'probe', logger: silentLogger });
    await checkRedis(redis, silentLogger);
    expect(await redis.client('LIST')).toContain('name=probe');
    redis.disconnect();
  });
});

describe('a connection to a Redis that comes and goes', () => {
  const server = new OwnRedis();
  beforeEach(() => server.start());
  afterEach(() => server.remove());

  it('goes on where it was, says each change once, and tells who listens that messages were missed', async () => {
    const { logger, lines } = listening();
    const redis = connectRedis({ url: server.url, name: 'a', logger });
    const bus = new Bus(connectRedis({ url: server.url, name: 'b', logger: silentLogger }));
    const heard: string[] = [];
    let resets = 0;
    const keys = new RedisKeys('p');
    const wakeUps = new RedisWakeUps(redis, bus, keys);
    const stop = await wakeUps.listen(
      (name) => heard.push(name),
      () => (resets += 1),
    );
    const unsubscribe = await bus.subscribe('other', (message) => heard.push(`other ${message}`));
    expect(bus.ready).toBe(true);
    await wakeUps.wake(ticket);
    await until(() => heard.length === 1);
    expect(resets).toBe(0);

    await server.kill();
    await until(() => !bus.ready);
    const waiting = redis.set('key', 'value');
    await until(() => lines.length === 1);
    await server.start();
    expect(await waiting).toBe('OK');
    await until(() => bus.ready && resets === 1);
    await wakeUps.wakeAll();
    await redis.publish('other', 'x');
    await until(() => heard.length === 3);
    expect(heard).toEqual(['7:2', '*', 'other x']);
    expect(lines).toEqual([expect.stringContaining('cannot be reached'), 'Redis is back']);

    stop();
    unsubscribe();
    await wakeUps.wake(ticket);
    await redis.publish('other', 'y');
    await bus.barrier();
    expect(heard).toHaveLength(3);
    redis.disconnect();
    bus.close();
  });

  it('that is not there yet is not a missed message', async () => {
    await server.kill();
    const redis = connectRedis({ url: server.url, name: 'b', logger: silentLogger });
    const bus = new Bus(redis);
    let resets = 0;
    const forget = bus.onReset(() => (resets += 1));
    const subscribed = bus.subscribe('x', () => undefined);
    await server.start();
    await subscribed;
    expect(resets).toBe(0);
    forget();
    bus.close();
  });

  it('may be subscribed to at any moment of its beginning', async () => {
    // Listed in the order in which they come.
    for (const moment of ['connecting', 'connect', 'ready'] as const) {
      const redis = connectRedis({ url: server.url, name: 'b', logger: silentLogger });
      const errors: Error[] = [];
      redis.on('error', (error: Error) => errors.push(error));
      const bus = new Bus(redis);
      if (moment !== 'connecting') await once(redis, moment);
      const heard: string[] = [];
      await bus.subscribe('x', (message) => heard.push(message));
      const publisher = new Redis(server.url);
      await publisher.publish('x', moment);
      await until(() => heard.length === 1);
      expect(errors).toEqual([]);
      publisher.disconnect();
      bus.close();
    }
  });

  it('is sent a script whole when it does not know it, and tells a mistake in its use', async () => {
    // Of a server of its own: others would miss the scripts that it forgets.
    const redis = new Redis(server.url);
    const keys = new RedisKeys('p');
    const claim = loadScript('claim-1');
    await redis.script('FLUSH');
    expect(await claim(redis, [keys.ticket(ticket).meta], ['me', 1])).toBe(1);
    expect(await claim(redis, [keys.ticket(ticket).meta], ['you', 1])).toBe(1);
    expect(await redis.hget(keys.ticket(ticket).meta, 'owner')).toBe('you');
    await redis.set('not-a-hash', '1');
    await expect(claim(redis, ['not-a-hash'], ['me', 1])).rejects.toThrow('WRONGTYPE');
    redis.disconnect();
  });

  it('tells a lost lease from a Redis that cannot be reached', async () => {
    const redis = new Redis(server.url, { retryStrategy: () => null });
    redis.on('error', () => undefined);
    const leases = new RedlockLeases(redis, new RedisKeys('p'), 5_000);
    const lease = await leases.acquire(ticket);
    await server.kill();
    await until(() => redis.status === 'end');
    await expect(lease!.extend()).rejects.toThrow();
    await expect(leases.acquire(ticket)).rejects.toThrow();
  });
});

describe('on one Redis', () => {
  let redis: Redis;
  let prefix: string;
  let keys: RedisKeys;
  beforeEach(() => {
    redis = new Redis(testRedisUrl());
    prefix = `t-${randomUUID().slice(0, 8)}`;
    keys = new RedisKeys(prefix);
  });
  afterEach(async () => {
    await deleteKeys(redis, prefix);
    redis.disconnect();
  });

  it('a lease keeps others away until it is released or has ended', async () => {
    const mine = new RedlockLeases(redis, keys, LEASE_MS);
    const theirs = new RedlockLeases(redis, keys, 60_000);
    const lease = await mine.acquire(ticket);
    expect(lease).not.toBeNull();
    expect(await theirs.acquire(ticket)).toBeNull();
    expect(await theirs.acquire({ ...ticket, category: 1 })).not.toBeNull();
    expect(await lease!.extend()).toBe(true);
    await lease!.release();
    const next = await theirs.acquire(ticket);
    expect(next).not.toBeNull();
    expect(await lease!.extend()).toBe(false);
    expect(await next!.extend()).toBe(true);
    await next!.release();
    // One that nobody extends ends by itself; its holder is told.
    const asleep = await mine.acquire(ticket);
    await until(async () => (await theirs.acquire(ticket)) !== null);
    expect(await asleep!.extend()).toBe(false);
  });

  it('changes are heard in order, and a barrier waits for all of them', async () => {
    const bus = new Bus(new Redis(testRedisUrl()));
    const store = new RedisTicketStore(redis, keys, systemClock);
    const counters = new RedisCounters(store, bus);
    await counters.start(keys);
    const heard: number[] = [];
    const stop = counters.subscribe(
      ({ version }) => heard.push(version),
      () => undefined,
    );
    for (let version = 1; version <= 50; version += 1) {
      await redis.publish(keys.channels.changes(), JSON.stringify({ version }));
    }
    await counters.barrier();
    expect(heard).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    stop();
    await redis.publish(keys.channels.changes(), JSON.stringify({ version: 51 }));
    await counters.barrier();
    expect(heard).toHaveLength(50);
    expect(await counters.read([ticket])).toEqual([]);
    bus.close();
  });

  it('a reservation is looked for in Redis first, then in the archive', async () => {
    const archived = { id: 'r1', status: 'REFUNDED' };
    const asked: string[] = [];
    const store = new RedisTicketStore(redis, keys, systemClock);
    await redis.hset(keys.ticket(ticket).meta, 'runId', await store.runId());
    const reader = new TicketReservationReader(
      store,
      {
        reservation: async (id) => {
          asked.push(id);
          return id === 'r1' ? (archived as never) : null;
        },
        head: async () => null,
      },
      (id) => (id.startsWith('r') ? ticket : null),
      systemClock,
    );
    expect(await reader.find('r1')).toBe(archived);
    await redis.set(keys.ended(ticket, 'r2'), JSON.stringify({ id: 'r2', status: 'EXPIRED' }));
    expect(await reader.find('r2')).toEqual({ id: 'r2', status: 'EXPIRED' });
    expect(await reader.find('r3')).toBeNull();
    expect(await reader.find('x1')).toBeNull();
    expect(asked).toEqual(['r1', 'r3']);
  });
});
