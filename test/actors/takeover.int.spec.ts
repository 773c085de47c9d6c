/** An owner that sleeps past its lease, at the moments that matter, and the one that takes over. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CommitResult } from '../../src/actors/ports.js';
import type { CommittedEvent } from '../../src/archive/port.js';
import {
  addJob,
  countersOf,
  envelopeOf,
  hearReplies,
  holdBody,
  ledgerOf,
  loadBody,
  startEngine,
  storedOf,
  until,
  type Engine,
} from '../helpers/engine.js';
import { deleteKeys, Deferred, patched, Pause } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };
const short = { core: { jobLockMs: 500 }, worker: { leaseMs: 600 }, matches: [7], workers: 0 } as const;

describe('an owner that sleeps past its lease', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  it('before its commit: is fenced and changes nothing; its job is done once, by the next owner', async () => {
    engine = await startEngine(short);
    const pause = new Pause();
    const commits: CommitResult[] = [];
    const sleeper = await engine.addPeer({
      parts: ({ store }) => ({
        store: patched(store, {
          commit: async (of, commit) => {
            if (commit.records.some(({ id }) => id === 'cmd-1')) await pause.here();
            const result = await store.commit(of, commit);
            if (commit.records.some(({ id }) => id === 'cmd-1')) commits.push(result);
            return result;
          },
        }),
      }),
    });
    expect(await engine.tell(ticket, loadBody(10))).toEqual({ kind: 'applied' });
    pause.arm();
    const first = engine.tell(ticket, holdBody('r1', 2), 'cmd-1');
    await pause.reached;
    await sleeper.sleep();
    const held: string[] = [];
    await engine.addWorker(undefined, {
      observe: {
        committed: () => undefined,
        event: ({ event }) => {
          if (event.type === 'held') held.push(event.reservation.id);
        },
      },
    });

    expect(await first).toMatchObject({ kind: 'held', reservation: { id: 'r1', quantity: 2 } });
    expect(await engine.tell(ticket, holdBody('r2'))).toMatchObject({ kind: 'held' });
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 3);
    const { meta } = engine.core.keys.ticket(ticket);
    await until(async () => {
      const cursors = await engine.core.redis.hmget(meta, 'archived', 'published');
      return cursors.every((cursor) => cursor === '1-3');
    });
    const before = await storedOf(engine.core, ticket);
    pause.open();
    await until(() => commits.length > 0);

    expect(commits).toEqual([{ kind: 'fenced' }]);
    await until(() => sleeper.worker.host.owned.every((actor) => actor.ticket.category !== 2));
    expect(await storedOf(engine.core, ticket)).toEqual(before);
    expect(held).toEqual(['r1', 'r2']);
    expect(await countersOf(engine, ticket)).toMatchObject({ capacity: 10, heldHere: 3, pending: 7 });
    sleeper.clock.thaw();
  });

  it('inside the fetch: the job it steals is given back first in line, and nothing is lost', async () => {
    engine = await startEngine(short);
    const sleeping = new Pause();
    const stolen: string[] = [];
    const sleeper = await engine.addPeer({
      parts: ({ queues }) => ({
        queues: patched(queues, {
          next: async (of, previous) => {
            if (of.category !== ticket.category) return queues.next(of, previous);
            // Not in the fetch that completes a job, which can come after that job's answer.
            if (!previous) await sleeping.here();
            const job = await queues.next(of, previous);
            if (job) stolen.push(job.id);
            return job;
          },
        }),
      }),
    });
    await engine.tell(ticket, loadBody(1));
    sleeping.arm();
    await sleeper.core.redis.publish(engine.core.keys.channels.wake(), '7:2');
    await sleeping.reached;
    await sleeper.sleep();
    stolen.length = 0;

    // The next owner has the ticket, and has found nothing to do, when the sleeper wakes.
    const held = new Pause();
    await engine.addWorker(undefined, undefined, {
      queues: patched(engine.core.queues, {
        next: async (of, previous) => {
          if (of.category === ticket.category) await held.here();
          return engine.core.queues.next(of, previous);
        },
      }),
    });
    expect(await engine.tell(ticket, loadBody(1))).toEqual({ kind: 'unchanged' });
    held.arm();
    const replies = await hearReplies(engine.core, 'probe');
    await addJob(engine.core, ticket, [envelopeOf('a', holdBody('first'), { replyTo: 'probe' })]);
    await addJob(engine.core, ticket, [envelopeOf('b', holdBody('second'), { replyTo: 'probe' })]);
    await held.reached;
    sleeping.open();
    await until(() => stolen.length > 0);
    // The stolen job keeps the second one from being worked on before it.
    expect(await engine.core.queues.next(ticket, null)).toBeNull();
    held.open();

    await until(() => replies.length === 2);
    expect(replies).toMatchObject([
      { id: 'a', result: { kind: 'held' } },
      { id: 'b', result: { kind: 'temporarily_unavailable' } },
    ]);
    const [pulse] = await engine.core.store.pulse([ticket]);
    expect(pulse).toMatchObject({ waiting: 0, active: 0 });
    sleeper.clock.thaw();
  });

  it('before it opens an incarnation: the sales of the next owner stay, told and archived', async () => {
    engine = await startEngine(short);
    const first = await engine.addWorker();
    await engine.tell(ticket, loadBody(10));
    await engine.tell(ticket, holdBody('early', 2));
    await first.stop();
    const { redis, keys, store } = engine.core;
    // As a restarted Redis looks to whoever claims the ticket next.
    await redis.hset(keys.ticket(ticket).meta, 'runId', 'an earlier run');

    const opening = new Pause(true);
    const sleeper = await engine.addPeer({
      parts: ({ archive }) => ({
        archive: patched(archive, {
          openIncarnation: async (of) => {
            if (of.category === ticket.category) await opening.here();
            return archive.openIncarnation(of);
          },
        }),
      }),
    });
    const sold = engine.tell(ticket, { type: 'startPayment', reservationId: 'early', paymentId: 'p' });
    await opening.reached;
    await sleeper.sleep();

    // The next owner commits, but its archive is slow.
    const appending = new Pause();
    const { archive } = engine;
    const refused: string[] = [];
    await engine.addWorker(undefined, undefined, {
      archive: patched(archive, {
        append: async (batches) => {
          await appending.here();
          const results = await archive.append(batches);
          results.forEach((result, i) => {
            if (result === 'fenced') refused.push(`${batches[i]?.incarnation}`);
          });
          return results;
        },
      }),
    });
    expect(await sold).toMatchObject({ kind: 'paying' });
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 2 });
    appending.arm();
    const reserved = engine.tell(ticket, { type: 'confirm', reservationId: 'early', paymentId: 'p' });
    await appending.reached;
    expect(await engine.tell(ticket, holdBody('late', 2, 'late'))).toMatchObject({ kind: 'held' });
    expect(await store.findReservation(ticket, 'early')).toMatchObject({ status: 'PAYING' });
    opening.open();
    await until(async () => {
      const late = { ticket, incarnation: 2, sequence: 99, commandId: 'x', event: { type: 'closed', at: 1 } };
      const [result] = await archive
        .append([{ ticket, incarnation: 2, events: [late as CommittedEvent] }])
        .catch(() => ['open']);
      return result === 'fenced';
    });
    appending.open();

    expect(await reserved).toMatchObject({ kind: 'reserved' });
    expect(refused).toContain('2');
    expect(await archive.reservation('early')).toMatchObject({ status: 'RESERVED' });
    expect(await store.findReservation(ticket, 'early')).toMatchObject({ status: 'RESERVED' });
    await until(async () => (await archive.reservation('late')) !== null);
    await deleteKeys(redis, engine.prefix);
    expect(await engine.tell(ticket, holdBody('r9', 1, 'late'))).toMatchObject({ kind: 'held' });
    expect(await countersOf(engine, ticket)).toMatchObject({ soldHere: 2, heldHere: 3, capacity: 10 });
    sleeper.clock.thaw();
  });

  it('before it refuses without a record: what the next owner grants was not refused', async () => {
    engine = await startEngine(short);
    const sleeping = new Pause();
    const { archive } = engine;
    const sleeper = await engine.addPeer({
      settings: { outboxEntriesMax: 1 },
      parts: ({ store, queues }) => ({
        // Its outbox is full: nothing of it is ever archived.
        archive: patched(archive, { append: () => new Promise(() => undefined) }),
        store,
        queues: patched(queues, {
          next: async (of, previous) => {
            const job = await queues.next(of, previous);
            if (job && of.category === ticket.category) await sleeping.here();
            return job;
          },
        }),
      }),
    });
    await engine.tell(ticket, loadBody(10));
    sleeping.arm();
    const answer = engine.tell(ticket, holdBody('r1'));
    await sleeping.reached;
    await sleeper.sleep();
    // The next owner has claimed the ticket and waits for the job to be free when the sleeper goes on.
    const claimed = new Deferred();
    const { store, queues } = engine.core;
    const recovering = new Pause(true);
    await engine.addWorker(undefined, undefined, {
      store: patched(store, {
        claim: async (of, owner) => {
          const claim = await store.claim(of, owner);
          if (of.category === ticket.category) claimed.resolve();
          return claim;
        },
      }),
      queues: patched(queues, {
        recover: async (of) => {
          if (of.category === ticket.category) await recovering.here();
          return queues.recover(of);
        },
      }),
    });
    await claimed.promise;
    sleeping.open();
    await until(() => sleeper.worker.host.owned.every((actor) => actor.ticket.category !== 2));
    recovering.open();
    expect(await answer).toMatchObject({ kind: 'held' });
    sleeper.kill();
  });
});
