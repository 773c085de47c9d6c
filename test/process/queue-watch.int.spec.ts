/** What is told of queues from outside of the workers: on a real Redis, with workers that come, die and are missing. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Registry } from 'prom-client';
import type { Clock } from '../../src/actors/ports.js';
import { createMetrics, type Metrics } from '../../src/http/metrics.js';
import { systemClock } from '../../src/process/clock.js';
import { LOOK_MS, QueueWatch, type QueueWatchOptions } from '../../src/process/queue-watch.js';
import { DeadLetterQueue } from '../../src/queues/dead-letter-queue.js';
import {
  addJob,
  envelopeOf,
  holdBody,
  loadBody,
  silentLogger,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { ManualClock, patched, Pause, settled } from '../helpers/faults.js';

const ticket = { matchNumber: 1, category: 1 };
const NAME = '1:1';

describe('the watch of the queues', () => {
  let engine: Engine;
  let letters: DeadLetterQueue;
  let metrics: Metrics;
  let watch: QueueWatch;
  /** Ahead of the clock that jobs are stamped by. */
  let aheadMs: number;

  beforeEach(async () => {
    engine = await startEngine({ workers: 0, matches: [1] });
    const { redis, keys, store, catalog } = engine.core;
    aheadMs = 0;
    const clock: Clock = { now: () => Date.now() + aheadMs, schedule: systemClock.schedule };
    letters = new DeadLetterQueue({
      redis,
      prefix: keys.queuePrefix,
      archive: engine.archive,
      clock,
      logger: silentLogger,
    });
    metrics = createMetrics(new Registry());
    watch = new QueueWatch({
      tickets: () => catalog.tickets,
      store,
      countWorkers: () => redis.zcount(keys.workers, Date.now(), '+inf'),
      deadLetters: letters,
      clock,
      logger: silentLogger,
      metrics,
    });
  });
  afterEach(async () => {
    await letters.close();
    await engine.stop();
  });

  const ages = async (): Promise<Map<unknown, number>> => {
    const { values } = await metrics.queueOldestSeconds.get();
    return new Map(values.map(({ labels, value }) => [labels.ticket, value]));
  };
  const valueOf = async (gauge: 'workers' | 'ticketsWithoutOwner' | 'deadLettersOpen') =>
    (await metrics[gauge].get()).values[0]?.value;
  const load = () => addJob(engine.core, ticket, [envelopeOf(randomUUID(), loadBody(20))]);

  it('tells how old the oldest work is that nobody does, and that nobody has the ticket', async () => {
    await load();
    aheadMs = 20_000;
    await load();
    aheadMs = 60_000;
    await watch.look();
    const age = (await ages()).get(NAME);
    expect(age).toBeGreaterThanOrEqual(60);
    expect(age).toBeLessThan(70);
    expect([...(await ages()).keys()]).toEqual([NAME]);
    // It may just have been added, and be taken the next moment.
    expect(await valueOf('ticketsWithoutOwner')).toBe(0);
    await watch.look();
    expect(await valueOf('ticketsWithoutOwner')).toBe(1);
    expect(await valueOf('workers')).toBe(0);

    await engine.addWorker();
    await until(async () => (await engine.core.store.counters([ticket])).length === 1);
    await until(
      async () => (await engine.core.queues.queue(ticket).getJobCountByTypes('wait', 'active')) === 0,
    );
    await watch.look();
    expect((await ages()).size).toBe(0);
    expect(await valueOf('ticketsWithoutOwner')).toBe(0);
    expect(await valueOf('workers')).toBe(1);
  });

  it('sees work that hangs in the hands of its owner, which has the ticket', async () => {
    const pause = new Pause(true);
    const { store } = engine.core;
    const slow = patched(store, {
      commit: async (of, commit) => {
        if (commit.records.length > 0) await pause.here();
        return store.commit(of, commit);
      },
    });
    await engine.addWorker({}, {}, { store: slow });
    await load();
    const queue = engine.core.queues.queue(ticket);
    await until(async () => (await queue.getActiveCount()) === 1);
    aheadMs = 45_000;
    await watch.look();
    await watch.look();
    expect((await ages()).get(NAME)).toBeGreaterThanOrEqual(45);
    expect(await valueOf('ticketsWithoutOwner')).toBe(0);
    pause.open();
    await until(async () => (await queue.getActiveCount()) === 0);
    await watch.look();
    expect((await ages()).size).toBe(0);
  });

  it('sees the tickets of a worker that died, and the worker gone', async () => {
    const peer = await engine.addPeer();
    await engine.tell(ticket, loadBody(20));
    await watch.look();
    expect(await valueOf('workers')).toBe(1);
    peer.kill();
    await engine.core.redis.del(engine.core.keys.workers);
    await until(async () => (await engine.core.redis.exists(engine.core.keys.ticket(ticket).lease)) === 0);
    await addJob(engine.core, ticket, [envelopeOf(randomUUID(), holdBody(`m1c1-${randomUUID()}`))]);
    await watch.look();
    await watch.look();
    expect(await valueOf('workers')).toBe(0);
    expect(await valueOf('ticketsWithoutOwner')).toBe(1);
  });

  it('counts dead letters until they are out of the way', async () => {
    for (const id of ['a', 'b'])
      await letters.add({ id, source: 'x', reason: 'malformed', raw: '', headers: {}, receivedAt: 1 });
    await watch.look();
    expect(await valueOf('deadLettersOpen')).toBe(2);
    await letters.settled('a');
    await watch.look();
    expect(await valueOf('deadLettersOpen')).toBe(1);
  });
});

describe('a watch whose Redis is away', () => {
  it('goes on looking, says so once, keeps the last figures, and stops', async () => {
    const clock = new ManualClock();
    const warnings: unknown[] = [];
    let isAway = false;
    let looks = 0;
    const metrics = createMetrics(new Registry());
    const options: QueueWatchOptions = {
      tickets: () => [],
      store: { pulse: () => Promise.resolve([]), standing: () => Promise.resolve([]) },
      countWorkers: () => {
        looks += 1;
        return isAway ? Promise.reject(new Error('away')) : Promise.resolve(3);
      },
      deadLetters: { open: () => Promise.resolve(0) },
      clock,
      logger: Object.assign(Object.create(silentLogger) as typeof silentLogger, {
        warn: (...given: unknown[]) => void warnings.push(given),
      }),
      metrics,
    };
    const watch = new QueueWatch(options);
    watch.start();
    await settled();
    isAway = true;
    await clock.advance(3 * LOOK_MS);
    expect([looks, warnings.length]).toEqual([4, 1]);
    expect((await metrics.workers.get()).values[0]?.value).toBe(3);
    isAway = false;
    await clock.advance(LOOK_MS);
    isAway = true;
    await clock.advance(LOOK_MS);
    expect([looks, warnings.length]).toEqual([6, 2]);
    watch.stop();
    await clock.advance(10 * LOOK_MS);
    expect([looks, clock.timers]).toEqual([6, 0]);
  });
});
