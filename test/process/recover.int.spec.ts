/**
 * Redis is lost, wholly or in part, and rebuilt by the program: what was sold, held and told by others is there again;
 * what is whole is left alone; it may be killed anywhere and run again.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { MongoArchive } from '../../src/archive/mongo.js';
import type { TicketId } from '../../src/rules/index.js';
import { openDataDir } from '../../src/process/data-dir.js';
import { recover } from '../../src/process/recover.js';
import {
  countersOf,
  holdBody,
  loadBody,
  sell,
  silentLogger,
  startEngine,
  storedOf,
  until,
} from '../helpers/engine.js';
import type { Engine, EngineOptions } from '../helpers/engine.js';
import { deleteKeys, dumpKeys } from '../helpers/faults.js';
import { sharedMongo, sharedMongoFound } from '../helpers/mongo.js';
import { uniqueName } from '../helpers/services.js';
import { skipBecause } from '../helpers/skips.js';

const KILLED = join(import.meta.dirname, '../helpers/recover-killed.mjs');
/** Writes after which it is killed; a recovery of what is sold below takes more than the largest. */
const KILLED_AFTER = [0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24];
const KILLED_MS_MAX = 120_000;

const one: TicketId = { matchNumber: 7, category: 2 };
const two: TicketId = { matchNumber: 7, category: 3 };
const remote = { type: 'remote', clientId: 'peer', recordedAt: Date.now() } as const;
const place = (offset: number) => ({ source: 'cluster/0', offset: String(offset), index: 0 });

/** What the tickets hold after `sellSome`, worked out by hand. */
const EXPECTED_ONE = {
  capacity: 10,
  // Two sold here, one of a sale of two was refunded, three sold elsewhere.
  available: 10 - 2 - 1 - 3,
  pending: 4 - 1 - 2,
  soldHere: 3,
  heldHere: 1,
  soldElsewhere: 3,
  heldElsewhere: 2,
  price: 125,
};
const EXPECTED_TWO = { capacity: 5, available: 4, pending: 4, soldHere: 1, heldHere: 0, paused: true };

let dir: string;
let engine: Engine;
let env: Record<string, string>;
let said = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ticktak-recover-'));
  said = '';
  const hear = (chunk: unknown): boolean => {
    said += String(chunk);
    return true;
  };
  jest.spyOn(process.stdout, 'write').mockImplementation(hear);
  jest.spyOn(process.stderr, 'write').mockImplementation(hear);
});
afterEach(async () => {
  jest.restoreAllMocks();
  await deleteKeys(engine.core.redis, engine.prefix);
  await engine.stop();
  rmSync(dir, { recursive: true });
});

async function start(options: Partial<EngineOptions> = {}): Promise<void> {
  engine = await startEngine({
    dir: join(dir, 'archive'),
    matches: [7],
    worker: { snapshotMs: 100 },
    ...options,
  });
  env = {
    DATA_DIR: dir,
    REDIS_URL: engine.redisUrl,
    REDIS_PREFIX: engine.prefix,
    LEASE_MS: '500',
    JOB_LOCK_MS: '500',
  };
}

async function sellSome(): Promise<void> {
  await engine.tell(one, loadBody(10));
  await engine.tell(one, holdBody('sold', 2, 'anna'));
  expect(await sell(engine, one, 'sold')).toMatchObject({ kind: 'reserved' });
  // A part of it lies in a snapshot, the rest behind it.
  await until(async () => (await engine.archive.snapshot(one)) !== null);
  await engine.tell(one, holdBody('refunded', 2, 'ben'));
  expect(await sell(engine, one, 'refunded')).toMatchObject({ kind: 'reserved' });
  expect(await engine.tell(one, { type: 'refund', reservationId: 'refunded', quantity: 1 })).toMatchObject({
    kind: 'refunded',
  });
  await engine.tell(one, { ...holdBody('held', 1, 'carol'), account: 'u-carol' });
  const sales = [
    { action: 'pending', quantity: 2, position: place(1) },
    { action: 'reserved', quantity: 3, reservationId: 'theirs', position: place(2) },
    { action: 'cancelled', quantity: 1, clientId: 'other', position: place(3) },
  ] as const;
  for (const sale of sales) await engine.tell(one, { ...remote, ...sale });
  await engine.tell(two, loadBody(5));
  await engine.tell(two, holdBody('third', 1, 'anna'));
  expect(await sell(engine, two, 'third')).toMatchObject({ kind: 'reserved' });
  await engine.tell(two, { type: 'pause', paused: true, revision: 7 });
  await archived();
}

/** Resolves when the archive has all that Redis has. */
const archived = (): Promise<void> =>
  until(async () => {
    const progress = await engine.core.store.progress([one, two]);
    return [...progress.values()].every(({ position, archived: at }) => at.sequence === position.sequence);
  });

async function run(...args: string[]): Promise<{ readonly code: number; readonly said: string }> {
  said = '';
  const code = await recover(args, env);
  return { code, said };
}

async function expectAll(): Promise<void> {
  expect(await countersOf(engine, one)).toMatchObject(EXPECTED_ONE);
  expect(await countersOf(engine, two)).toMatchObject(EXPECTED_TWO);
  const { store } = engine.core;
  expect(await store.findReservation(one, 'sold')).toMatchObject({ status: 'RESERVED', quantity: 2 });
  expect(await store.findReservation(one, 'refunded')).toMatchObject({ status: 'RESERVED', quantity: 1 });
  expect(await store.findReservation(one, 'held')).toMatchObject({ status: 'PENDING', person: 'carol' });
  expect(await store.findReservation(two, 'third')).toMatchObject({ status: 'RESERVED' });
  const { orphans, remote: tallies } = await store.market(one);
  expect([...orphans.values()]).toMatchObject([{ clientId: 'other', quantity: 1 }]);
  expect([...tallies.values()].map(({ held, sold }) => [held, sold]).sort()).toEqual([
    [0, 3],
    [2, 0],
  ]);
}

const lose = (): Promise<void> => deleteKeys(engine.core.redis, engine.prefix);
const stopWorkers = async (): Promise<void> => {
  for (const worker of engine.workers.splice(0)) await worker.stop();
};
const keysOf = async (): Promise<Record<string, unknown>> => {
  const { redis } = engine.core;
  const names = (await redis.keys(`${engine.prefix}:*`)).sort();
  const values = await Promise.all(
    names.map(async (name) => (await redis.dumpBuffer(name))?.toString('base64')),
  );
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
};

describe('recover', () => {
  it('rebuilds all of a Redis that lost everything, says from what, and changes nothing when it is run again', async () => {
    await start();
    await engine.archive.saveDeadLetter({
      id: 'sales/0/9',
      source: 'sales',
      reason: 'not JSON',
      raw: 'eA==',
      headers: {},
      receivedAt: 1,
    });
    await sellSome();
    await stopWorkers();
    const before = await storedOf(engine.core, one);
    await lose();

    const done = await run();
    expect(done).toMatchObject({ code: 0 });
    expect(done.said).toContain('has lost 2');
    expect(done.said).toMatch(
      /7:2 {2}rebuilt from snapshot 1-\d+ and \d+ events, incarnation 2: of 10 sold here 3, elsewhere 3; held here 1, elsewhere 2/,
    );
    expect(done.said).toMatch(/7:3 {2}rebuilt from/);
    expect(done.said).toContain('matches on sale: 1 put back');
    expect(done.said).toContain('newest reservations of accounts: 1 of 1 accounts');
    expect(done.said).toContain('dead letters: 1 on the board again');
    expect(done.said).toContain('3 tickets in Redis equal the fold of their ledgers');
    await expectAll();
    const after = await storedOf(engine.core, one);
    const persons = (stored: unknown): unknown => (stored as { persons: unknown }).persons;
    expect(persons(after)).toEqual(persons(before));
    expect(await engine.core.redis.zrange(engine.core.keys.accountReservations('u-carol'), 0, -1)).toEqual([
      'held',
    ]);

    const keys = await keysOf();
    const again = await run();
    expect(again).toMatchObject({ code: 0, said: expect.stringContaining('has 2 whole, has lost 0') });
    expect(await keysOf()).toEqual(keys);

    // The market goes on: what a peer said before is known, and what is held can be paid for.
    await engine.addWorker();
    expect(await engine.tell(one, { ...remote, action: 'pending', quantity: 2, position: place(1) })).toEqual(
      { kind: 'repeated' },
    );
    expect(await sell(engine, one, 'held')).toMatchObject({ kind: 'reserved' });
    expect(await countersOf(engine, one)).toMatchObject({ soldHere: 4, heldHere: 0 });
  });

  it('works beside workers that live: each ticket is rebuilt once, by either', async () => {
    await start();
    await sellSome();
    await lose();
    // A worker says that it lives at its next sweep.
    await until(async () => (await engine.core.redis.zcard(engine.core.keys.workers)) > 0);
    const done = await run();
    expect(done).toMatchObject({ code: 0, said: expect.stringContaining('1 workers live') });
    await expectAll();
    expect(await sell(engine, one, 'held')).toMatchObject({ kind: 'reserved' });
    expect((await run('--check')).code).toBe(0);
  });

  it('leaves what Redis has whole alone, also what is not archived yet', async () => {
    await start();
    await sellSome();
    await stopWorkers();
    const before = [await storedOf(engine.core, one), await storedOf(engine.core, two)];
    expect(await run()).toMatchObject({
      code: 0,
      said: expect.stringContaining('has 3 whole, has lost 0, has an older state of 0'),
    });
    expect([await storedOf(engine.core, one), await storedOf(engine.core, two)]).toEqual(before);
  });

  it('rebuilds what Redis has an older state of, and only that', async () => {
    await start();
    await sellSome();
    const past = await dumpKeys(engine.core.redis, engine.prefix);
    await engine.tell(one, holdBody('later', 1, 'dora'));
    expect(await sell(engine, one, 'later')).toMatchObject({ kind: 'reserved' });
    await archived();
    await stopWorkers();
    await past.restore();
    expect(await countersOf(engine, one)).toMatchObject({ soldHere: 3 });
    expect(await run('--check')).toMatchObject({
      code: 1,
      said: expect.stringContaining('has an older state of 1'),
    });
    expect(await run()).toMatchObject({ code: 0 });
    expect(await countersOf(engine, one)).toMatchObject({ soldHere: 4, incarnation: 2 });
    expect(await countersOf(engine, two)).toMatchObject({ ...EXPECTED_TWO, incarnation: 1 });
  });

  it('refuses, with nothing changed, when Redis knows more than this archive ever had', async () => {
    await start();
    await sellSome();
    cpSync(join(dir, 'archive'), join(dir, 'old', 'archive'), { recursive: true });
    await engine.tell(one, holdBody('later', 1, 'dora'));
    expect(await sell(engine, one, 'later')).toMatchObject({ kind: 'reserved' });
    await archived();
    await stopWorkers();
    // Another ticket is lost: it is not touched either.
    await engine.core.redis.del(engine.core.keys.ticket(two).meta);
    const keys = await keysOf();
    env['DATA_DIR'] = join(dir, 'old');
    const refused = await run();
    expect(refused).toMatchObject({
      code: 1,
      said: expect.stringContaining('Nothing was changed: Redis knows 1 tickets'),
    });
    expect(refused.said).toContain('docs/backup.md');
    expect(await keysOf()).toEqual(keys);
  });

  it('only looks with --check', async () => {
    await start();
    await sellSome();
    await stopWorkers();
    expect(await run('--check')).toMatchObject({
      code: 0,
      said: expect.stringContaining('Compared: 3 tickets'),
    });
    await lose();
    const missing = await run('--check');
    expect(missing).toMatchObject({ code: 1, said: expect.stringContaining('Run npm run recover') });
    expect(await keysOf()).toEqual({});
    // The ledger stands at the incarnation that it had.
    expect(await engine.archive.openIncarnation(one)).toMatchObject({ incarnation: 2 });
  });

  it('tells of counters that are not what the ledger says, and lets people decide', async () => {
    await start();
    await sellSome();
    await stopWorkers();
    const { redis, keys } = engine.core;
    const { meta } = keys.ticket(one);
    const state = JSON.parse((await redis.hget(meta, 'state')) ?? '') as Record<string, number>;
    await redis.hset(meta, 'state', JSON.stringify({ ...state, soldHere: 2 }));
    const told = await run();
    expect(told).toMatchObject({
      code: 1,
      said: expect.stringContaining('soldHere is 2 in Redis, 3 by the ledger'),
    });
    expect(told.said).toContain(`DEL '${meta}'`);
    // What it advises helps.
    const { reservations, remote: tallies, persons } = keys.ticket(one);
    await redis.del(meta, reservations, tallies, persons);
    expect((await run()).code).toBe(0);
    await expectAll();
  });

  it('refuses a folder without an archive, and one that another process has', async () => {
    await start();
    env['DATA_DIR'] = join(dir, 'elsewhere');
    expect(await run()).toMatchObject({ code: 1, said: expect.stringContaining('There is no archive') });
    expect((await run('--chek')).said).toContain('--help says what is possible');
    // Without REDIS_URL it would start the Redis of the folder, which belongs to who has the folder.
    const { REDIS_URL: _, ...own } = env;
    env = { ...own, DATA_DIR: dir };
    const folder = await openDataDir(dir, { exclusive: true });
    const refused = await run();
    await folder.release();
    expect(refused).toMatchObject({ code: 1, said: expect.stringContaining('is in use by ticktak process') });
    expect(refused.said).toContain('stop it first');
    expect(existsSync(join(dir, 'redis'))).toBe(false);
  });

  it(
    'may be killed at any write, and run again',
    async () => {
      await start();
      await sellSome();
      await stopWorkers();
      await lose();
      for (const writes of KILLED_AFTER) {
        const child = spawn(process.execPath, [KILLED, String(writes)], {
          env: { PATH: process.env['PATH'], ...env },
          stdio: 'ignore',
        });
        const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
        // Late kills may find nothing left to do.
        expect([code, signal]).toEqual(signal === null ? [0, null] : [null, 'SIGKILL']);
        expect(writes > 4 || signal === 'SIGKILL').toBe(true);
        await deleteSome(writes);
      }
      expect(await run()).toMatchObject({
        code: 0,
        said: expect.stringContaining('3 tickets in Redis equal'),
      });
      await expectAll();
    },
    KILLED_MS_MAX,
  );

  /** Every other time all is lost again, so that late kills meet work, too. */
  async function deleteSome(writes: number): Promise<void> {
    if (writes % 2 === 0) await lose();
  }

  const reason = sharedMongoFound.kind === 'none' ? sharedMongoFound.reason : null;
  const criterion = 'rebuilds from MongoDB, too';
  if (reason !== null) skipBecause(criterion, reason);
  else {
    it(criterion, async () => {
      const { url } = await sharedMongo();
      const mongoUrl = `${url.replace(/\/+$/, '')}/${uniqueName('recover')}`;
      await start({ archive: () => new MongoArchive({ url: mongoUrl, logger: silentLogger }) });
      env['MONGODB_URL'] = mongoUrl;
      await sellSome();
      await stopWorkers();
      await lose();
      expect(await run()).toMatchObject({
        code: 0,
        said: expect.stringContaining('3 tickets in Redis equal'),
      });
      await expectAll();
    });
  }
});
