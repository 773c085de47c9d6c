/** The way of committed events out of a real engine: to the archive and to the other marketplaces. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CommittedEvent } from '../../src/archive/port.js';
import type { OutgoingRecord } from '../../src/kafka/port.js';
import { formatPosition } from '../../src/actors/position.js';
import {
  countersOf,
  holdBody,
  ledgerOf,
  loadBody,
  logOf,
  sell,
  startEngine,
  storedOf,
  until,
  type Engine,
} from '../helpers/engine.js';
import { deleteKeys, patched, Pause } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };

/** A log that the test can take away, and what it was given. */
function hearing() {
  const heard: string[] = [];
  const state = { away: false };
  const publish = async (records: readonly OutgoingRecord[]): Promise<void> => {
    if (state.away) throw new Error('the log is away');
    heard.push(...records.map(({ value }) => value));
  };
  const encode = (event: CommittedEvent): readonly OutgoingRecord[] =>
    event.event.type === 'loaded'
      ? []
      : [{ topic: 'sales', value: `${formatPosition(event)} ${event.event.type}`, headers: {} }];
  return { heard, state, publish, deps: { log: logOf(publish), encode } };
}

describe('the outbox of a ticket', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  const outboxOf = async () =>
    ((await storedOf(engine.core, ticket)) as { outbox: [string, unknown][] }).outbox.map(([id]) => id);
  const cursorsOf = () =>
    engine.core.redis.hmget(engine.core.keys.ticket(ticket).meta, 'archived', 'published');

  it('reaches the archive and the log in order, and is trimmed behind both', async () => {
    const log = hearing();
    engine = await startEngine({ deps: log.deps });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('r1'));
    await sell(engine, ticket, 'r1');
    await until(async () => (await cursorsOf()).join(' ') === '1-4 1-4');
    log.state.away = true;
    await engine.tell(ticket, holdBody('r2'));
    await engine.tell(ticket, { type: 'release', reservationId: 'r2' });
    await until(async () => (await cursorsOf()).join(' ') === '1-6 1-4');
    expect(await outboxOf()).toEqual(['1-5', '1-6']);
    log.state.away = false;
    await until(async () => (await cursorsOf()).join(' ') === '1-6 1-6');
    expect(await outboxOf()).toEqual([]);
    const expected = ['1-2 held', '1-3 paymentStarted', '1-4 sold', '1-5 held', '1-6 released'];
    expect(log.heard).toEqual(expected);
    const ledger = await ledgerOf(engine.archive, ticket);
    expect(ledger.map((event) => `${formatPosition(event)} ${event.event.type}`)).toEqual([
      '1-1 loaded',
      ...expected,
    ]);
    expect(ledger[0]).toMatchObject({ ticket, commandId: expect.any(String) });
  });

  it('keeps the order of each ticket under a crowd, whatever fails in between', async () => {
    const log = hearing();
    let calls = 0;
    engine = await startEngine({
      deps: {
        ...log.deps,
        log: logOf(async (records) => {
          calls += 1;
          if (calls % 3 === 2) throw new Error('the log was away for a moment');
          await log.publish(records.map((record) => ({ ...record, value: `${record.key} ${record.value}` })));
        }),
        encode: (event) =>
          log.deps.encode(event).map((record) => ({ ...record, key: `${event.ticket.category}` })),
      },
    });
    const tickets = [1, 2, 3].map((category) => ({ matchNumber: 7, category }));
    for (const of of tickets) await engine.tell(of, loadBody(100));
    await Promise.all(Array.from({ length: 150 }, (_, i) => engine.tell(tickets[i % 3]!, holdBody(`r${i}`))));
    await until(() => log.heard.length >= 150);
    for (const { category } of tickets) {
      const sequences = log.heard
        .filter((value) => value.startsWith(`${category} `))
        .map((value) => Number(/-(\d+)/.exec(value)?.[1]));
      expect(sequences).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
    }
  });

  it('is gone on with by the next owner when one died before it archived or published anything', async () => {
    const log = hearing();
    engine = await startEngine({
      workers: 0,
      matches: [7],
      worker: { leaseMs: 600 },
      core: { jobLockMs: 500 },
    });
    const dying = await engine.addPeer({
      deps: { log: logOf(() => new Promise(() => undefined)), encode: log.deps.encode },
      parts: ({ archive }) => ({
        archive: patched(archive, { append: () => new Promise(() => undefined) }),
      }),
    });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('r1'));
    const paying = engine.tell(ticket, { type: 'startPayment', reservationId: 'r1', paymentId: 'p' });
    await until(async () => (await outboxOf()).length === 3);
    expect(await ledgerOf(engine.archive, ticket)).toEqual([]);
    dying.kill();
    await engine.addWorker(undefined, log.deps);
    // Its reply died with the owner; what the next one archives can be told from the record.
    expect(await engine.tell(ticket, holdBody('r2'))).toMatchObject({ kind: 'held' });
    expect(await paying).toMatchObject({ kind: 'paying' });
    await until(async () => (await outboxOf()).length === 0);
    expect((await ledgerOf(engine.archive, ticket)).map(formatPosition)).toEqual([
      '1-1',
      '1-2',
      '1-3',
      '1-4',
    ]);
    expect(log.heard).toEqual(['1-2 held', '1-3 paymentStarted', '1-4 held']);
  });

  it('is read page by page when it is long', async () => {
    const log = hearing();
    engine = await startEngine({ workers: 0 });
    const appending = new Pause(true);
    const first = await engine.addPeer({
      parts: ({ archive }) => ({
        archive: patched(archive, {
          append: () => appending.here().then(() => Promise.reject(new Error('dead'))),
        }),
      }),
      deps: { log: logOf(() => new Promise(() => undefined)), encode: log.deps.encode },
    });
    await engine.tell(ticket, loadBody(5_000));
    await Promise.all(Array.from({ length: 2_100 }, (_, i) => engine.tell(ticket, holdBody(`r${i}`))));
    first.kill();
    const { redis, keys } = engine.core;
    await redis.del(keys.ticket(ticket).lease);
    await redis.del(engine.core.keys.workers);
    await engine.addWorker(undefined, log.deps);
    await engine.tell(ticket, loadBody(5_001));
    await until(() => log.heard.length === 2_100);
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 2_102);
  });

  it('left by a dead owner goes out at the next sweep, with nobody asking for the ticket', async () => {
    const log = hearing();
    engine = await startEngine({
      workers: 0,
      matches: [7],
      worker: { leaseMs: 600 },
      core: { jobLockMs: 500 },
    });
    const dying = await engine.addPeer({
      deps: { log: logOf(() => new Promise(() => undefined)), encode: log.deps.encode },
    });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('r1'));
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 2);
    dying.kill();
    await engine.core.redis.del(engine.core.keys.workers);
    await engine.addWorker(undefined, log.deps);
    await until(() => log.heard.length === 1);
    const isOut = async () => (await engine.core.store.pulse([ticket]))[0]?.isOut;
    await until(async () => (await isOut()) === true);
  });

  it('is told although whoever rebuilt the ticket died before it could publish', async () => {
    const log = hearing();
    log.state.away = true;
    const settings = { leaseMs: 600, snapshotMs: 60_000 };
    engine = await startEngine({ workers: 0, matches: [7], worker: settings, core: { jobLockMs: 500 } });
    const first = await engine.addPeer({ deps: log.deps });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('r1'));
    expect(await sell(engine, ticket, 'r1')).toMatchObject({ kind: 'reserved' });
    await deleteKeys(engine.core.redis, engine.prefix);
    expect(await engine.tell(ticket, holdBody('r2'))).toMatchObject({ kind: 'held' });
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2 });
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 5);
    first.kill();
    await engine.core.redis.del(engine.core.keys.workers);
    log.state.away = false;
    await engine.addWorker(undefined, log.deps);
    await until(() => log.heard.length === 4);
    expect(log.heard).toEqual(['1-2 held', '1-3 paymentStarted', '1-4 sold', '2-1 held']);
  });

  it('has nothing left to go out after a rebuild, so that nobody looks after an idle ticket', async () => {
    const log = hearing();
    engine = await startEngine({ matches: [7], deps: log.deps, worker: { snapshotMs: 100 } });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('r1'));
    await until(async () => (await engine.archive.snapshot(ticket))?.published?.sequence === 2);
    await deleteKeys(engine.core.redis, engine.prefix);
    await until(async () => (await engine.core.store.counters([ticket])).length > 0);
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2, heldHere: 1 });
    await until(async () => (await engine.core.store.pulse([ticket]))[0]?.isOut === true);
    expect(log.heard).toEqual(['1-2 held']);
  });

  it('of a closed incarnation, left by an owner that never archived it, is archived under the next', async () => {
    engine = await startEngine({ matches: [7] });
    const { redis, keys } = engine.core;
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('r1', 2));
    expect(await sell(engine, ticket, 'r1')).toMatchObject({ kind: 'reserved' });
    // Someone opens an incarnation and is never seen again.
    expect(await engine.archive.openIncarnation(ticket)).toMatchObject({ incarnation: 2 });
    expect(await engine.tell(ticket, holdBody('r2', 2))).toMatchObject({ kind: 'held' });
    // Nobody asks for anything: the owner finds out and goes on by itself.
    await until(async () => (await countersOf(engine, ticket)).incarnation === 3);
    const ledger = await ledgerOf(engine.archive, ticket);
    expect(ledger.map((event) => `${formatPosition(event)} ${event.event.type}`)).toEqual([
      '1-1 loaded',
      '1-2 held',
      '1-3 paymentStarted',
      '1-4 sold',
      '3-1 held',
    ]);
    expect(await sell(engine, ticket, 'r2')).toMatchObject({ kind: 'reserved' });
    expect(await countersOf(engine, ticket)).toMatchObject({ soldHere: 4, incarnation: 3 });
    expect(await redis.hget(keys.ticket(ticket).meta, 'position')).toBe('3-3');
  });

  it('is not in the snapshot of an owner that stops before the archive has it', async () => {
    const appending = new Pause();
    const saved: number[] = [];
    engine = await startEngine({
      worker: { snapshotMs: 60_000 },
      archive: (real) =>
        patched(real, {
          append: async (batches) => {
            await appending.here();
            return real.append(batches);
          },
          saveSnapshot: async (snapshot) => {
            saved.push(snapshot.sequence);
            await real.saveSnapshot(snapshot);
          },
        }),
    });
    await engine.tell(ticket, loadBody(10));
    await until(async () => (await cursorsOf())[0] === '1-1');
    appending.arm();
    await engine.tell(ticket, holdBody('r1'));
    const stopping = engine.workers[0]!.stop();
    const { redis, keys } = engine.core;
    await until(async () => (await redis.exists(keys.ticket(ticket).lease)) === 0);
    expect(saved).not.toContain(2);
    appending.open();
    await stopping;
    expect(await ledgerOf(engine.archive, ticket)).toHaveLength(2);
  });

  it('never stands in a snapshot before it is in the ledger, and every snapshot is newer', async () => {
    const saved: string[] = [];
    engine = await startEngine({
      worker: { snapshotMs: 50, sweepMs: 50 },
      archive: (real) =>
        patched(real, {
          saveSnapshot: async (snapshot) => {
            const head = await real.head(snapshot.ticket);
            saved.push(`${formatPosition(snapshot)} ${head ? formatPosition(head) : ''}`);
            await real.saveSnapshot(snapshot);
          },
        }),
    });
    await engine.tell(ticket, loadBody(1_000));
    for (let i = 0; saved.length < 3; i += 1) await engine.tell(ticket, holdBody(`r${i}`));
    const position = await engine.core.redis.hget(engine.core.keys.ticket(ticket).meta, 'position');
    await until(async () => (await cursorsOf())[0] === position);
    await engine.workers[0]!.stop();
    const positions = saved.map((line) => line.split(' ').map((text) => Number(text.split('-')[1])));
    positions.forEach(([position = 0, head = 0], i) => {
      expect(position).toBeLessThanOrEqual(head);
      expect(position).toBeGreaterThan(positions[i - 1]?.[0] ?? 0);
    });
    // One that stopped leaves the newest state.
    expect(await engine.archive.snapshot(ticket)).toMatchObject(
      (await engine.archive.head(ticket)) as object,
    );
  });
});
