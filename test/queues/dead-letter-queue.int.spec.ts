/** Dead letters on a real BullMQ queue: filed under failed with their reason, re-driven by "retry", once. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { DeadLetter } from '../../src/archive/port.js';
import type { RedriveResult } from '../../src/kafka/dead-letters.js';
import { systemClock } from '../../src/process/clock.js';
import { DeadLetterDesk, DeadLetterQueue } from '../../src/queues/dead-letter-queue.js';
import { silentLogger, testRedisUrl, until } from '../helpers/engine.js';

const letter = (id: string): DeadLetter => ({
  id,
  source: 'cluster/sales/0',
  reason: 'malformed: no category',
  raw: Buffer.from('{').toString('base64'),
  headers: {},
  receivedAt: 1,
});

describe('the dead-letter queue', () => {
  const prefix = `dead-${randomUUID().slice(0, 8)}`;
  let redis: Redis;
  let letters: DeadLetterQueue;
  let desk: DeadLetterDesk;
  let answer: RedriveResult;
  let asked: string[];
  const saved = new Map<string, DeadLetter>();
  const redriven = new Set<string>();

  beforeEach(async () => {
    redis = new Redis(testRedisUrl(), { maxRetriesPerRequest: null });
    asked = [];
    saved.clear();
    redriven.clear();
    const archive = {
      saveDeadLetter: (one: DeadLetter) => Promise.resolve(void saved.set(one.id, one)),
      markRedriven: (id: string) => {
        const first = saved.has(id) && !redriven.has(id);
        redriven.add(id);
        return Promise.resolve(first);
      },
    };
    const options = { redis, prefix, archive, clock: systemClock, logger: silentLogger };
    letters = new DeadLetterQueue(options);
    desk = new DeadLetterDesk(options, (one) => {
      asked.push(one.id);
      return Promise.resolve(answer);
    });
    await desk.start();
  });
  afterEach(async () => {
    await desk.stop();
    await letters.queue.obliterate({ force: true });
    await letters.close();
    redis.disconnect();
  });

  const failed = async () => (await letters.queue.getFailed())[0];

  it('keeps a letter with its reason, re-drives it when asked, and not before', async () => {
    await letters.add(letter('cluster/sales/0/7:1'));
    await letters.add(letter('cluster/sales/0/7:1'));
    await until(async () => (await letters.queue.getFailedCount()) === 1);
    expect(asked).toEqual([]);
    expect(saved.size).toBe(1);
    expect(await failed()).toMatchObject({ failedReason: 'malformed: no category' });

    answer = { kind: 'refused', reason: 'still malformed' };
    await (await failed())?.retry('failed');
    await until(async () => (await failed())?.failedReason === 'still malformed');
    expect(redriven.size).toBe(0);

    answer = { kind: 'settled' };
    await (await failed())?.retry('failed');
    await until(async () => (await letters.queue.getCompletedCount()) === 1);
    expect(asked).toHaveLength(2);
    const [job] = await letters.queue.getCompleted();
    expect(job?.returnvalue).toBe('re-driven');

    await job?.retry('completed');
    await until(async () => (await letters.queue.getCompleted())[0]?.returnvalue === 'was re-driven before');
  });

  it('takes a letter off the dashboard that took effect by itself', async () => {
    await letters.add(letter('waiting'));
    await until(async () => (await letters.queue.getFailedCount()) === 1);
    await letters.settled('waiting');
    expect(await letters.queue.getFailedCount()).toBe(0);
    expect(redriven.has('waiting')).toBe(true);
  });
});
