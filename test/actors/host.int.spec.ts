/** Every ticket that has something to do gets an owner: workers join, stop, die, and miss wake-ups. */
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { preferredMember } from '../../src/actors/host.js';
import type { WorkerRole } from '../../src/process/worker.js';
import { ticketsOf } from '../../src/catalog/match.js';
import { ticketName } from '../../src/redis/keys.js';
import type { Pulse } from '../../src/actors/ports.js';
import { countersOf, holdBody, loadBody, startEngine, until, type Engine } from '../helpers/engine.js';
import { patched } from '../helpers/faults.js';

const matches = [1, 2, 3, 4, 5, 6, 7, 8];
const tickets = matches.flatMap((match) => ticketsOf(match));
const ticket = { matchNumber: 1, category: 1 };
/** Nothing is found by looking: what happens, happens because somebody was told. */
const unswept = { sweepMs: 60_000 };

describe('the workers of a market', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  const namesOf = (worker: WorkerRole) => worker.host.owned.map((actor) => ticketName(actor.ticket)).sort();
  const askAll = async (capacity: number) => {
    const answers = await Promise.all(tickets.map((of) => engine.tell(of, loadBody(capacity))));
    for (const answer of answers) expect(answer).toEqual({ kind: 'applied' });
  };

  it('share the tickets, and hand over to one that joins', async () => {
    engine = await startEngine({ matches, workers: 1 });
    const [first] = engine.workers as [WorkerRole];
    await askAll(10);
    expect(namesOf(first)).toHaveLength(24);
    const second = await engine.addWorker();
    const { redis, keys } = engine.core;
    const members = await redis.zrange(keys.workers, 0, -1);
    expect(members).toHaveLength(2);
    const names = tickets.map(ticketName).sort();
    const shares = members.map((one) => names.filter((name) => preferredMember(name, members) === one));
    const owned = () => [namesOf(first), namesOf(second)];
    let capacity = 10;
    await until(async () => {
      await askAll((capacity += 1));
      return [shares, [...shares].reverse()].some((of) => isDeepStrictEqual(of, owned()));
    });
    // From here on nothing moves.
    const before = owned();
    await askAll(capacity + 1);
    expect(owned()).toEqual(before);
  });

  it('take what one that stops leaves, at once', async () => {
    engine = await startEngine({ matches, workers: 0 });
    const first = await engine.addWorker(unswept);
    const second = await engine.addWorker(unswept);
    await askAll(10);
    expect(namesOf(first).length).toBeGreaterThan(0);
    await engine.tell(ticket, holdBody('r1'));
    await first.stop();
    expect(namesOf(first)).toEqual([]);
    await askAll(11);
    expect(namesOf(second)).toHaveLength(24);
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 1, capacity: 11, incarnation: 1 });
  });

  it('finish the job at hand before they stop, and leave the others to the next', async () => {
    engine = await startEngine({ matches: [1], workers: 0 });
    const { queues } = engine.core;
    const stopping: Promise<void>[] = [];
    const worker: WorkerRole = await engine.addWorker(undefined, undefined, {
      queues: patched(queues, {
        next: async (of, previous) => {
          const job = await queues.next(of, previous);
          if (stopping.length === 0 && job && JSON.stringify(job.data).includes('r1')) {
            stopping.push(worker.stop());
          }
          return job;
        },
      }),
    });
    await engine.tell(ticket, loadBody(10));
    expect(await engine.tell(ticket, holdBody('r1'))).toMatchObject({ kind: 'held' });
    const second = engine.tell(ticket, holdBody('r2'));
    await until(() => stopping.length > 0);
    await Promise.all(stopping);
    await until(async () => (await engine.core.store.pulse([ticket]))[0]?.waiting === 1);
    expect(await engine.core.store.pulse([ticket])).toMatchObject([{ active: 0, waiting: 1 }]);
    await engine.addWorker();
    expect(await second).toMatchObject({ kind: 'held' });
  });

  it('replace one that died without leaving', async () => {
    engine = await startEngine({ matches, workers: 0, core: { jobLockMs: 500 }, worker: { leaseMs: 600 } });
    const dying = await engine.addPeer();
    await askAll(10);
    dying.kill();
    const heir = await engine.addWorker();
    let capacity = 11;
    await askAll(capacity);
    await until(async () => {
      await askAll((capacity += 1));
      return namesOf(heir).length === 24;
    });
    const { redis, keys } = engine.core;
    await until(async () => (await redis.zcard(keys.workers)) === 1);
  });

  it('find work that they were not told of', async () => {
    engine = await startEngine({ matches: [1], workers: 0 });
    const { bus } = engine.core;
    await engine.addWorker(undefined, undefined, {
      bus: patched(bus, { subscribe: () => Promise.resolve(() => undefined) }),
    });
    expect(await engine.tell(ticket, loadBody(10))).toEqual({ kind: 'applied' });
    expect(await engine.tell(ticket, holdBody('r1'))).toMatchObject({ kind: 'held' });
  });

  it('take what the preferred one neglects', async () => {
    engine = await startEngine({ matches, workers: 0 });
    // It is said to live, is preferred by many tickets, and does nothing.
    const ghosts = Array.from({ length: 9 }, (_, i) => [Date.now() + 600_000, `ghost-${i}`]).flat();
    await engine.core.redis.zadd(engine.core.keys.workers, ...(ghosts as [number, string]));
    await engine.addWorker();
    await askAll(10);
  });

  it('give up what nobody asks for, and take it again when somebody does', async () => {
    engine = await startEngine({ matches: [1], worker: { idleReleaseMs: 100 } });
    const [worker] = engine.workers as [WorkerRole];
    await engine.tell(ticket, loadBody(10));
    await until(() => worker.host.owned.length === 0);
    expect(await engine.core.redis.exists(engine.core.keys.ticket(ticket).lease)).toBe(0);
    expect(await engine.tell(ticket, loadBody(11))).toEqual({ kind: 'applied' });
  });

  it('go on after a sweep that failed, and tell what the others found', async () => {
    const pulses: (readonly Pulse[])[] = [];
    engine = await startEngine({ matches: [1], workers: 0 });
    const { store } = engine.core;
    let calls = 0;
    await engine.addWorker(
      undefined,
      { onPulse: (seen) => pulses.push(seen) },
      {
        store: patched(store, {
          pulse: async (of) => {
            calls += 1;
            if (calls % 2 === 1) throw new Error('Redis was away for a moment');
            return store.pulse(of);
          },
        }),
      },
    );
    await until(() => pulses.length >= 2);
    expect(pulses[0]?.map(({ ticket: of }) => of)).toEqual(ticketsOf(1));
    expect(await engine.tell(ticket, loadBody(10))).toEqual({ kind: 'applied' });
  });

  it('go on when a snapshot cannot be saved', async () => {
    let tries = 0;
    engine = await startEngine({
      matches: [1],
      worker: { snapshotMs: 50, sweepMs: 50 },
      archive: (real) =>
        patched(real, {
          saveSnapshot: async () => {
            tries += 1;
            throw new Error('the archive takes no snapshot');
          },
        }),
    });
    await engine.tell(ticket, loadBody(10));
    await until(() => tries >= 2);
    expect(await engine.tell(ticket, holdBody('r1'))).toMatchObject({ kind: 'held' });
    await engine.workers[0]!.stop();
    expect(await engine.archive.snapshot(ticket)).toBeNull();
  });
});
