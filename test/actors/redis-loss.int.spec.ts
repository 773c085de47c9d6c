/** A Redis that loses what it had: everything, or everything since a moment in the past. */
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  countersOf,
  holdBody,
  ledgerOf,
  loadBody,
  sell,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { deleteKeys, dumpKeys, patched } from '../helpers/faults.js';
import { stateVersionOf } from '../../src/actors/state-codec.js';

const ticket = { matchNumber: 7, category: 2 };

describe('a Redis that lost writes', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  const archived = (events: number) =>
    until(async () => (await ledgerOf(engine.archive, ticket)).length >= events);

  /** Ten tickets: two sold, one held, one held by another marketplace. Five events, six with the remote one. */
  async function sellSome(): Promise<void> {
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('sold', 2, 'anna'));
    expect(await sell(engine, ticket, 'sold')).toMatchObject({ kind: 'reserved' });
    expect(await engine.tell(ticket, holdBody('held', 1, 'anna'))).toMatchObject({ kind: 'held' });
    const remote = { type: 'remote', action: 'pending', clientId: 'peer', quantity: 1 } as const;
    const position = { source: 'cluster/0', offset: '41', index: 0 };
    await engine.tell(ticket, { ...remote, recordedAt: Date.now(), position });
    await archived(6);
  }

  async function expectRebuilt(): Promise<void> {
    expect(await countersOf(engine, ticket)).toMatchObject({
      capacity: 10,
      available: 8,
      pending: 6,
      soldHere: 2,
      heldHere: 1,
      heldElsewhere: 1,
      price: 125,
    });
    const { store } = engine.core;
    expect(await store.findReservation(ticket, 'sold')).toMatchObject({ status: 'RESERVED', quantity: 2 });
    expect(await store.findReservation(ticket, 'held')).toMatchObject({ status: 'PENDING' });
  }

  it('all of it, under a live owner: the ticket is rebuilt, and its old incarnation ends', async () => {
    engine = await startEngine({ matches: [7] });
    await sellSome();
    await deleteKeys(engine.core.redis, engine.prefix);
    // Whoever asks first makes the owner notice, and is answered from what was rebuilt.
    expect(await engine.tell(ticket, holdBody('more', 2, 'anna'))).toMatchObject({
      kind: 'purchase_limit',
      owned: 3,
    });
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2 });
    await expectRebuilt();
    // What its peers had told it before is not counted again.
    const remote = { type: 'remote', action: 'pending', clientId: 'peer', quantity: 1 } as const;
    const position = { source: 'cluster/0', offset: '41', index: 0 };
    expect(await engine.tell(ticket, { ...remote, recordedAt: Date.now(), position })).toEqual({
      kind: 'repeated',
    });
    // Nor is one that came after it decided in the name of the incarnation that has ended, and nothing is on record.
    const next = { ...remote, recordedAt: Date.now(), position: { ...position, offset: '42' } };
    expect(await engine.tell(ticket, next, 'next', 1)).toEqual({ kind: 'incarnation_passed' });
    expect(await engine.tell(ticket, next, 'next', 2)).toEqual({ kind: 'applied' });
    const [first] = await ledgerOf(engine.archive, ticket);
    const late = { ...first!, sequence: 7 };
    expect(await engine.archive.append([{ ticket, incarnation: 1, events: [late] }])).toEqual(['fenced']);
    expect(await sell(engine, ticket, 'held')).toMatchObject({ kind: 'reserved' });
  });

  it('all of it, while nobody has the ticket: the next sweep rebuilds it, with nobody asking', async () => {
    engine = await startEngine({ matches: [7] });
    await sellSome();
    await engine.workers[0]!.stop();
    await deleteKeys(engine.core.redis, engine.prefix);
    await engine.addWorker();
    await until(async () => (await engine.core.store.counters([ticket])).length > 0);
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2 });
    await expectRebuilt();
  });

  it('all of it, with a snapshot: the rebuilt state is the snapshot and what came after', async () => {
    engine = await startEngine({ matches: [7], worker: { snapshotMs: 100 } });
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('sold', 2, 'anna'));
    await until(async () => (await engine.archive.snapshot(ticket)) !== null);
    await engine.workers[0]!.stop();
    const snapshot = await engine.archive.snapshot(ticket);
    expect(snapshot).toMatchObject({
      incarnation: 1,
      sequence: 2,
      schema: stateVersionOf({ ordered: null }),
    });
    const asked: unknown[] = [];
    const { archive } = engine;
    await engine.addWorker({ snapshotMs: 60_000 }, undefined, {
      archive: patched(archive, {
        events: (of, after) => {
          asked.push(after);
          return archive.events(of, after);
        },
      }),
    });
    await sell(engine, ticket, 'sold');
    await engine.tell(ticket, holdBody('held', 1, 'anna'));
    await archived(5);
    await deleteKeys(engine.core.redis, engine.prefix);
    await engine.tell(ticket, {
      type: 'remote',
      action: 'pending',
      clientId: 'peer',
      quantity: 1,
      recordedAt: Date.now(),
    });
    // Once for the state, and once for what others have not heard.
    await until(() => asked.length === 2);
    expect(asked).toMatchObject([
      { incarnation: 1, sequence: 2 },
      { incarnation: 1, sequence: 2 },
    ]);
    await expectRebuilt();
  });

  it('while its owner took the ticket: what was read of the run before is not gone on with', async () => {
    engine = await startEngine({ matches: [7] });
    await sellSome();
    await Promise.all(engine.workers.map((worker) => worker.stop()));
    const { redis, keys, store } = engine.core;
    const dueAt = async () => (await store.pulse([ticket]))[0]?.dueAt;
    expect(await dueAt()).not.toBeNull();
    let claims = 0;
    const claim: typeof store.claim = async (of, owner) => {
      const claimed = await store.claim(of, owner);
      if (of.category !== ticket.category) return claimed;
      claims += 1;
      // Redis is started again as soon as the first owner has read the ticket.
      if (claims > 1 || !claimed.stored) return claimed;
      await redis.hset(keys.ticket(ticket).meta, 'runId', 'the run before');
      const runId = 'the run before';
      return { runId, stored: { ...claimed.stored, runId } };
    };
    await engine.addWorker({ sweepMs: 50 }, undefined, { store: patched(store, { claim }) });
    expect(await engine.tell(ticket, loadBody(10))).toEqual({ kind: 'unchanged' });
    await until(async () => (await dueAt()) !== null);
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2 });
    await expectRebuilt();
  });

  it('the newest, under a live owner: it notices and rebuilds, and no sale is lost', async () => {
    engine = await startEngine({ matches: [7] });
    await sellSome();
    const past = await dumpKeys(engine.core.redis, engine.prefix);
    await engine.tell(ticket, holdBody('later', 2));
    expect(await sell(engine, ticket, 'later')).toMatchObject({ kind: 'reserved' });
    await past.restore();
    expect(await countersOf(engine, ticket)).toMatchObject({ soldHere: 2 });
    expect(await engine.tell(ticket, holdBody('after'))).toMatchObject({ kind: 'held' });
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2, soldHere: 4, heldHere: 2 });
    expect(await engine.core.store.findReservation(ticket, 'later')).toMatchObject({ status: 'RESERVED' });
    expect(await sell(engine, ticket, 'after')).toMatchObject({ kind: 'reserved' });
    expect(await engine.archive.reservation('later')).toMatchObject({ status: 'RESERVED' });
  });

  it('the newest, back to the time of an earlier owner: no sale is lost', async () => {
    engine = await startEngine({ matches: [7] });
    await sellSome();
    const past = await dumpKeys(engine.core.redis, engine.prefix);
    await engine.workers[0]!.stop();
    await engine.addWorker();
    await engine.tell(ticket, holdBody('later', 2));
    expect(await sell(engine, ticket, 'later')).toMatchObject({ kind: 'reserved' });
    await past.restore();
    expect(await engine.tell(ticket, holdBody('after'))).toMatchObject({ kind: 'held' });
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2, soldHere: 4, heldHere: 2 });
    expect(await sell(engine, ticket, 'after')).toMatchObject({ kind: 'reserved' });
  });

  it('the newest, while nobody has the ticket: no sale is lost', async () => {
    engine = await startEngine({ matches: [7] });
    await sellSome();
    const past = await dumpKeys(engine.core.redis, engine.prefix);
    await engine.tell(ticket, holdBody('later', 2));
    expect(await sell(engine, ticket, 'later')).toMatchObject({ kind: 'reserved' });
    await engine.workers[0]!.stop();
    await past.restore();
    await engine.addWorker();
    expect(await engine.tell(ticket, holdBody('after'))).toMatchObject({ kind: 'held' });
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2, soldHere: 4, heldHere: 2 });
    expect(await sell(engine, ticket, 'after')).toMatchObject({ kind: 'reserved' });
  });
});
