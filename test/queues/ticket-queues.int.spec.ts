/** The serialized queue of a ticket, on BullMQ. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { TakenJob } from '../../src/actors/ports.js';
import { BullTicketQueues } from '../../src/queues/ticket-queues.js';
import { addJob, envelopeOf, loadBody, startEngine, until, type Engine } from '../helpers/engine.js';

const ticket = { matchNumber: 9, category: 1 };
/** Longer than a busy machine takes from one fetch to the next, and short enough to wait for its end. */
const LOCK_MS = 2_000;

describe('the queue of a ticket', () => {
  let engine: Engine;
  const others: BullTicketQueues[] = [];
  afterEach(async () => {
    for (const queues of others.splice(0)) await queues.close();
    await engine.stop();
  });

  const start = async () => {
    engine = await startEngine({ workers: 0, core: { jobLockMs: LOCK_MS } });
    return engine.core.queues;
  };

  /** The queues as another process has them. */
  const another = (): BullTicketQueues => {
    const { redis, keys, clock } = engine.core;
    const queues = new BullTicketQueues({ redis, keys, clock, jobLockMs: LOCK_MS });
    others.push(queues);
    return queues;
  };

  const add = (id: string) => addJob(engine.core, ticket, [envelopeOf(id, loadBody(1))]);
  const idOf = (job: TakenJob | null) =>
    (job?.data as { commands: { id: string }[] } | undefined)?.commands[0]?.id ?? null;

  it('gives one job at a time, in order, whoever asks', async () => {
    const mine = await start();
    const theirs = another();
    expect(await mine.recover(ticket)).toBe(true);
    for (const id of ['a', 'b', 'c']) await add(id);
    const a = await mine.next(ticket, null);
    expect(idOf(a)).toBe('a');
    expect(await theirs.next(ticket, null)).toBeNull();
    const b = await mine.next(ticket, a);
    expect(idOf(b)).toBe('b');
    expect(await theirs.next(ticket, null)).toBeNull();
    await mine.complete(ticket, b!);
    const c = await theirs.next(ticket, null);
    expect(idOf(c)).toBe('c');
    expect(await theirs.next(ticket, c)).toBeNull();
    expect(await engine.core.store.pulse([ticket])).toMatchObject([{ waiting: 0, active: 0 }]);
  });

  it('puts a dead owner’s job back first in line, again and again, without ever failing it', async () => {
    const dead = await start();
    expect(await dead.recover(ticket)).toBe(true);
    await add('a');
    await add('b');
    let live = dead;
    let stuck = await dead.next(ticket, null);
    for (let times = 0; times < 3; times += 1) {
      expect(idOf(stuck)).toBe('a');
      // Whoever took it last died too.
      live = another();
      expect(await live.recover(ticket)).toBe(false);
      await until(() => live.recover(ticket));
      stuck = await live.next(ticket, null);
    }
    expect(idOf(await live.next(ticket, stuck))).toBe('b');
    expect(await engine.core.queues.queue(ticket).getFailedCount()).toBe(0);
  });

  it('puts back at once what it took itself and never heard of', async () => {
    const mine = await start();
    await mine.recover(ticket);
    await add('a');
    await add('b');
    // As when the connection breaks before the answer: Redis has given the job, and nobody works on it.
    await mine.next(ticket, null);
    expect(await mine.next(ticket, null)).toBeNull();
    expect(await mine.recover(ticket)).toBe(true);
    const a = await mine.next(ticket, null);
    expect(idOf(a)).toBe('a');
    expect(await another().recover(ticket)).toBe(false);
    expect(idOf(await mine.next(ticket, a))).toBe('b');
  });

  it('takes the next job although the one before was lost or given to someone else', async () => {
    const sleeper = await start();
    const live = another();
    await sleeper.recover(ticket);
    await add('a');
    const asleep = await sleeper.next(ticket, null);
    await until(() => live.recover(ticket));
    const again = await live.next(ticket, null);
    expect(idOf(again)).toBe('a');
    // The lock is another's, then the job is gone: neither completes anything that is not ours.
    await sleeper.complete(ticket, asleep!);
    expect(await sleeper.next(ticket, asleep)).toBeNull();
    expect(await engine.core.store.pulse([ticket])).toMatchObject([{ waiting: 0, active: 1 }]);
    expect(await live.next(ticket, again)).toBeNull();
    await add('b');
    expect(idOf(await sleeper.next(ticket, asleep))).toBe('b');
  });

  it('says what goes wrong other than a lost job', async () => {
    const queues = await start();
    await queues.recover(ticket);
    await add('a');
    const job = await queues.next(ticket, null);
    engine.core.redis.disconnect();
    await expect(queues.complete(ticket, job!)).rejects.toThrow();
    await expect(queues.next(ticket, job)).rejects.toThrow();
    await engine.core.redis.connect();
  });

  it('leaves alone what is not one of its jobs', async () => {
    const queues = await start();
    await queues.recover(ticket);
    await add('a');
    const foreign: TakenJob = { id: '1', data: null };
    await queues.complete(ticket, foreign);
    await queues.bury(ticket, foreign, 'no reason');
    expect(await engine.core.store.pulse([ticket])).toMatchObject([{ waiting: 1, active: 0 }]);
    expect(idOf(await queues.next(ticket, foreign))).toBe('a');
  });

  it('survives a connection that fails before any queue was used', async () => {
    await start();
    expect(() => engine.core.redis.emit('error', new Error('connection refused'))).not.toThrow();
  });
});
