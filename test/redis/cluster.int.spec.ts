/** What stands on a Redis Cluster: who a ticket was claimed from, what is told while a slot moves, and what is refused. */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import { reservationId } from '../../src/http/identity.js';
import { restore } from '../../src/process/backup.js';
import { systemClock } from '../../src/process/clock.js';
import { checkRedis, connectRedis, isCluster } from '../../src/redis/connection.js';
import { SecurityKeys } from '../../src/redis/keys.js';
import { RedisGuard } from '../../src/security/redis-guard.js';
import { Signals } from '../../src/security/signals.js';
import { TestCluster } from '../helpers/cluster.js';
import {
  countersOf,
  holdBody,
  ledgerOf,
  loadBody,
  sell,
  startEngine,
  testRedisUrl,
  until,
  type Engine,
} from '../helpers/engine.js';

const logger = pino({ level: 'silent' });
const MATCHES = [1, 2, 3, 4, 5, 6];
const ticketOf = (matchNumber: number) => ({ matchNumber, category: 1 }) as const;

describe('a Redis Cluster', () => {
  let cluster: TestCluster;
  let engine: Engine;

  beforeAll(async () => {
    cluster = await TestCluster.start();
    engine = await startEngine({ redisUrl: cluster.url, prefix: 'cluster', matches: MATCHES, workers: 2 });
    for (const matchNumber of MATCHES) await engine.tell(ticketOf(matchNumber), loadBody(20));
  }, 120_000);
  afterAll(async () => {
    await engine.stop();
    await cluster.stop();
  }, 60_000);

  const metaOf = (matchNumber: number): string => engine.core.keys.ticket(ticketOf(matchNumber)).meta;
  const incarnationOf = async (matchNumber: number): Promise<number> => {
    const at = await cluster.at(metaOf(matchNumber));
    return Number((await at.hget(metaOf(matchNumber), 'position'))?.split('-')[0]);
  };
  const sold = async (matchNumber: number, name: string): Promise<string> => {
    const id = reservationId(ticketOf(matchNumber), name);
    expect(await engine.tell(ticketOf(matchNumber), holdBody(id))).toMatchObject({ kind: 'held' });
    expect(await sell(engine, ticketOf(matchNumber), id)).toMatchObject({ kind: 'reserved' });
    return id;
  };
  const isSold = async (id: string): Promise<boolean> =>
    (await engine.core.reader.find(id).catch(() => null))?.status === 'RESERVED';

  it('has matches on each of its masters', async () => {
    const nodes = await Promise.all(MATCHES.map((matchNumber) => cluster.at(metaOf(matchNumber))));
    expect(new Set(nodes).size).toBe(3);
  });

  it('sells, and shows each sale to who reads behind it', async () => {
    for (const matchNumber of MATCHES) {
      const id = await sold(matchNumber, 'first');
      expect(await engine.core.reader.find(id)).toMatchObject({ status: 'RESERVED' });
      const heard: number[] = [];
      const end = engine.core.counters.subscribe(
        (counters) => counters.matchNumber === matchNumber && heard.push(counters.soldHere),
        () => undefined,
      );
      await engine.core.counters.read([ticketOf(matchNumber)]);
      await engine.tell(ticketOf(matchNumber), holdBody(reservationId(ticketOf(matchNumber), 'held')));
      await engine.core.counters.barrier();
      end();
      expect(heard.length).toBeGreaterThan(0);
    }
  });

  it('opens an incarnation when a slot has moved, and again when it is back', async () => {
    const [matchNumber = 0] = MATCHES;
    const id = await sold(matchNumber, 'before');
    const before = await incarnationOf(matchNumber);
    const [from, run] = [await cluster.at(metaOf(matchNumber)), await claimedRunOf(matchNumber)];
    expect(await cluster.moveSlot(metaOf(matchNumber))).toBeGreaterThan(0);
    await until(async () => (await incarnationOf(matchNumber)) > before);
    await until(() => isSold(id));
    const between = await incarnationOf(matchNumber);
    await cluster.moveSlot(metaOf(matchNumber), { target: from });
    await until(async () => (await incarnationOf(matchNumber)) > between);
    expect(await claimedRunOf(matchNumber)).not.toBe(run);
    await until(() => isSold(id));
    await sold(matchNumber, 'after');
    expect((await countersOf(engine, ticketOf(matchNumber))).soldHere).toBe(3);
  }, 60_000);

  async function claimedRunOf(matchNumber: number): Promise<string | null> {
    const at = await cluster.at(metaOf(matchNumber));
    return at.hget(metaOf(matchNumber), 'runId');
  }

  it('refuses to tell of a ticket whose slot has moved until it is claimed anew', async () => {
    const matchNumber = 2;
    const id = await sold(matchNumber, 'told');
    await until(() => isSold(id));
    await Promise.all(engine.workers.splice(0).map((worker) => worker.stop()));
    const from = await cluster.at(metaOf(matchNumber));
    const find = () => engine.core.store.findReservation(ticketOf(matchNumber), id);
    expect(await find()).toMatchObject({ status: 'RESERVED' });
    await cluster.moveSlot(metaOf(matchNumber));
    await expect(find()).rejects.toThrow('rebuilt');
    // It may have lost writes where it was meanwhile.
    await cluster.moveSlot(metaOf(matchNumber), { target: from });
    await expect(find()).rejects.toThrow('rebuilt');
    await engine.addWorker();
    await until(() => isSold(id));
  }, 60_000);

  it('keeps all sales when a master is killed', async () => {
    const ids = await Promise.all(MATCHES.map((matchNumber) => sold(matchNumber, 'told before the kill')));
    const before = await Promise.all(MATCHES.map(incarnationOf));
    await cluster.killMasterOf(metaOf(3));
    for (const id of ids) await until(() => isSold(id), 60_000);
    for (const matchNumber of MATCHES) {
      const ticket = ticketOf(matchNumber);
      await until(async () => {
        const answer = await engine.ask(ticket, holdBody(reservationId(ticket, `after ${Date.now()}`)));
        return answer.kind === 'answered' && answer.result.kind === 'held';
      }, 60_000);
      const sales = (await ledgerOf(engine.archive, ticket)).filter(({ event }) => event.type === 'sold');
      expect((await countersOf(engine, ticket)).soldHere).toBe(sales.length);
    }
    const after = await Promise.all(MATCHES.map(incarnationOf));
    expect(after[2]).toBeGreaterThan(before[2] ?? 0);
  }, 120_000);

  it('marks persons whose windows are on several nodes', async () => {
    const { redis } = engine.core;
    const signals = new Signals({
      guard: new RedisGuard({ redis, clock: systemClock, waitMs: 5_000 }),
      keys: new SecurityKeys('cluster'),
      clock: systemClock,
      logger,
      pseudonym: (kind, name) => `${kind}-${name}`,
      isExempt: () => false,
      addressKey: (address) => address,
    });
    const persons = ['ann', 'bob', 'cem', 'dee'];
    for (const person of persons) for (let i = 0; i < 6; i += 1) signals.tell({ kind: 'declined', person });
    await signals.flush();
    for (const person of persons) {
      const marks = await signals.read(redis, 'person', `person-${person}`);
      expect(signals.marked(marks, 'pay').challenges).toEqual(['declines']);
    }
    expect(await signals.noteDevice(redis, 'phone', 'ann')).toBe(1);
    expect(await signals.noteDevice(redis, 'phone', 'bob')).toBe(2);
  });

  it('is looked through on every master before something is restored', async () => {
    let said = '';
    const out = jest.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      said += String(chunk);
      return true;
    });
    try {
      for (const matchNumber of MATCHES) {
        const prefix = `restore-${matchNumber}`;
        const key = `${prefix}:{m${matchNumber}}:c1:meta`;
        await engine.core.redis.hset(key, 'version', '1');
        const env = { REDIS_URL: cluster.url, REDIS_PREFIX: prefix, DATA_DIR: engine.dir };
        expect(await restore(['--from', 'a file that is not there'], env)).toBe(1);
        expect(said).toContain(`Redis holds keys of ${prefix} (${key})`);
      }
    } finally {
      out.mockRestore();
    }
  });

  it('is refused when one host is named, or when one that is no cluster is named as several', async () => {
    const one = connectRedis({ url: cluster.urlOfOne, name: 'one', logger });
    const { host } = new URL(testRedisUrl());
    const several = connectRedis({ url: `redis://${host},${host}`, name: 'several', logger });
    try {
      expect([isCluster(one), isCluster(several)]).toEqual([false, true]);
      await expect(checkRedis(one, logger)).rejects.toThrow(/a node of a Redis Cluster: name several/);
      await expect(checkRedis(several, logger)).rejects.toThrow(/is none: name one host/);
    } finally {
      one.disconnect();
      several.disconnect();
    }
  });
});
