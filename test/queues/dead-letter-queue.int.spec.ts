/**
 * Dead letters on a real BullMQ queue: filed under failed with their reason, re-driven by "retry", once; a few
 * KiB each in Redis once the archive has them, a bounded number of bytes before, and back after a loss of Redis.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { ArchiveUnavailableError, type DeadLetter } from '../../src/archive/port.js';
import type { RedriveResult } from '../../src/kafka/dead-letters.js';
import { systemClock } from '../../src/process/clock.js';
import { DeadLetterDesk, DeadLetterQueue } from '../../src/queues/dead-letter-queue.js';
import { silentLogger, testRedisUrl, until } from '../helpers/engine.js';

const letter = (id: string, fields: Partial<DeadLetter> = {}): DeadLetter => ({
  id,
  source: 'cluster/sales/0',
  reason: 'malformed: no category',
  raw: Buffer.from('{').toString('base64'),
  headers: {},
  receivedAt: 1,
  ...fields,
});

const rawOf = (bytes: number, fill = 'x'): string => Buffer.alloc(bytes, fill).toString('base64');

/** What the desk and the queue use of the archive, in memory; `away` like a store that cannot be reached. */
class FakeArchive {
  away = false;
  readonly saved = new Map<string, DeadLetter>();
  readonly redriven = new Set<string>();

  async saveDeadLetter(one: DeadLetter): Promise<void> {
    await this.#reach();
    if (!this.saved.has(one.id)) this.saved.set(one.id, one);
  }
  async markRedriven(id: string): Promise<boolean> {
    await this.#reach();
    const first = this.saved.has(id) && !this.redriven.has(id);
    if (first) this.redriven.add(id);
    return first;
  }
  async deadLetter(id: string): Promise<DeadLetter | null> {
    await this.#reach();
    return this.saved.get(id) ?? null;
  }
  async deadLetters({ limit, after = '0' }: { limit: number; after?: string }) {
    await this.#reach();
    const all = [...this.saved.values()].sort((a, b) => b.receivedAt - a.receivedAt);
    const end = Number(after) + limit;
    const items = all
      .slice(Number(after), end)
      .map((one) => (this.redriven.has(one.id) ? { ...one, redrivenAt: 9 } : one));
    return { items, ...(end < all.length && { next: String(end) }) };
  }
  async #reach(): Promise<void> {
    await Promise.resolve();
    if (this.away) throw new ArchiveUnavailableError('the disk is gone');
  }
}

describe('the dead-letter queue', () => {
  const prefix = `dead-${randomUUID().slice(0, 8)}`;
  let redis: Redis;
  let letters: DeadLetterQueue;
  let desk: DeadLetterDesk;
  let answer: RedriveResult;
  let asked: DeadLetter[];
  let archive: FakeArchive;
  let onRetry: (() => void) | null;

  const makeDesk = () => new DeadLetterDesk(options(), redrive);
  const options = () => {
    const clock = {
      now: systemClock.now,
      schedule: (_: number, task: () => void) => {
        onRetry = task;
        return () => (onRetry = null);
      },
    };
    return { redis, prefix, archive, clock, logger: silentLogger };
  };
  const redrive = (one: DeadLetter): Promise<RedriveResult> => {
    asked.push(one);
    return Promise.resolve(answer);
  };

  beforeEach(async () => {
    redis = new Redis(testRedisUrl(), { maxRetriesPerRequest: null });
    asked = [];
    answer = { kind: 'settled' };
    archive = new FakeArchive();
    onRetry = null;
    letters = new DeadLetterQueue(options());
    desk = makeDesk();
    await desk.start();
  });
  afterEach(async () => {
    await desk.stop();
    await letters.queue.obliterate({ force: true });
    await letters.close();
    redis.disconnect();
  });

  const failed = async () => (await letters.queue.getFailed())[0];
  const isFailed = (count: number) => until(async () => (await letters.queue.getFailedCount()) === count);
  const jobOf = (id: string) => letters.queue.getJob(id);
  /** Chooses "retry" on the only failed letter, and waits for it to fail for this reason. */
  const isRefused = async (reason: string) => {
    await (await failed())?.retry('failed');
    await until(async () => (await failed())?.failedReason === reason);
  };
  const isRedriven = async () => {
    await (await failed())?.retry('failed');
    await until(async () => (await letters.queue.getCompletedCount()) === 1);
  };

  it('keeps a letter with its reason, re-drives it when asked, and not before', async () => {
    await letters.add(letter('cluster/sales/0/7:1'));
    await letters.add(letter('cluster/sales/0/7:1'));
    await until(async () => (await letters.queue.getFailedCount()) === 1);
    expect(asked).toEqual([]);
    expect(archive.saved.size).toBe(1);
    expect(await failed()).toMatchObject({ failedReason: 'malformed: no category' });

    answer = { kind: 'refused', reason: 'still malformed' };
    await (await failed())?.retry('failed');
    await until(async () => (await failed())?.failedReason === 'still malformed');
    expect(archive.redriven.size).toBe(0);

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
    expect(archive.redriven.has('waiting')).toBe(true);
  });

  it('keeps a few KiB of a letter that the archive has, and re-drives it whole', async () => {
    const headers = { clientId: 'peer', 'x-original-offset': '7' };
    const big = letter('big', {
      raw: Buffer.from(`{"a":"${'é'.repeat(500_000)}"}`).toString('base64'),
      headers,
    });
    await letters.add(big);
    await isFailed(1);
    const { raw: _, ...rest } = big;
    const rawPrefix = Buffer.from(big.raw, 'base64').subarray(0, 1_024).toString();
    expect((await failed())?.data).toEqual({ ...rest, rawPrefix, rawBytes: 1_000_008 });
    await isRedriven();
    expect(asked).toEqual([big]);
  });

  it('stays small whatever the message is', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => [`h${index}`, 'v'.repeat(500)] as const);
    const headers = Object.fromEntries([...many, ['long', 'x'.repeat(900_000)], ['x-original-offset', '7']]);
    await letters.add(letter('long', { raw: rawOf(1_000_000, '\0'), headers }));
    await letters.add(letter('empty', { raw: '' }));
    await isFailed(2);
    const job = await jobOf('long');
    expect(JSON.stringify(job?.data).length).toBeLessThan(16_384);
    expect(job?.data.headers).toMatchObject({ long: 'x'.repeat(128), 'x-original-offset': '7' });
    expect((await jobOf('empty'))?.data).toMatchObject({ rawPrefix: '', rawBytes: 0 });
    await job?.retry('failed');
    await until(() => asked.length === 1);
    expect(asked[0]?.headers).toEqual(headers);
  });

  it('refuses to re-drive what the archive does not have, and what it cannot read now', async () => {
    await letters.add(letter('one'));
    await isFailed(1);
    archive.away = true;
    await isRefused('not now: the disk is gone; try again');
    archive.away = false;
    archive.saved.clear();
    await isRefused('the archive has no letter one: its message cannot be re-driven');
    expect(asked).toEqual([]);
  });

  it('keeps a letter whole while the archive is away, and short from then on', async () => {
    archive.away = true;
    const one = letter('one', { raw: rawOf(100_000) });
    await letters.add(one);
    await isFailed(1);
    expect((await failed())?.data).toEqual(one);
    expect(await letters.archivedAll()).toBe(false);
    await isRefused('not now: the disk is gone; try again');
    expect(asked).toEqual([]);

    archive.away = false;
    expect(await letters.archivedAll()).toBe(true);
    expect(archive.saved.get('one')).toEqual(one);
    expect((await failed())?.data).toMatchObject({ id: 'one', rawBytes: 100_000 });
    expect((await failed())?.data).not.toHaveProperty('raw');
    await isRedriven();
    expect(asked).toEqual([one]);
  });

  it('bounds the bytes that wait for the archive, and counts them off again', async () => {
    archive.away = true;
    const mib = (id: number) => letter(`m${id}`, { raw: rawOf(3 * 2 ** 20) });
    for (const id of [0, 0, 1, 2]) await letters.add(mib(id));
    await expect(letters.add(mib(3))).rejects.toBeInstanceOf(ArchiveUnavailableError);
    expect(await jobOf('m3')).toBeUndefined();
    // What is there changes nothing, and what is small still fits.
    await letters.add(mib(2));
    await letters.add(letter('small'));

    archive.away = false;
    // One by being added again, the others in one go.
    await letters.add(mib(1));
    expect((await jobOf('m1'))?.data).not.toHaveProperty('raw');
    expect(await letters.archivedAll()).toBe(true);
    for (const id of [0, 2]) expect((await jobOf(`m${id}`))?.data).not.toHaveProperty('raw');
    archive.away = true;
    for (const id of [3, 4, 5]) await letters.add(mib(id));
    await expect(letters.add(mib(6))).rejects.toBeInstanceOf(ArchiveUnavailableError);
  });

  it('archives a waiting letter before it notes that it took effect', async () => {
    archive.away = true;
    await letters.add(letter('one'));
    await isFailed(1);
    await expect(letters.settled('one')).rejects.toBeInstanceOf(ArchiveUnavailableError);
    archive.away = false;
    await letters.settled('one');
    expect(archive.redriven.has('one')).toBe(true);
    expect(await jobOf('one')).toBeUndefined();
    expect(await letters.archivedAll()).toBe(true);
  });

  it('re-drives the whole letters of earlier versions and of processes that died, and shortens them', async () => {
    const old = letter('old');
    await letters.queue.add('letter', old, { jobId: 'old' });
    const orphan = letter('orphan');
    await letters.queue.add('letter', orphan, { jobId: 'orphan' });
    await isFailed(2);
    // The sender of the orphan reads its message again.
    await letters.add(orphan);
    expect((await jobOf('orphan'))?.data).not.toHaveProperty('raw');
    await (await jobOf('old'))?.retry('failed');
    await until(async () => (await letters.queue.getCompletedCount()) === 1);
    const job = await jobOf('old');
    expect(job?.returnvalue).toBe('re-driven');
    expect(job?.data).not.toHaveProperty('raw');
    expect(asked).toEqual([old]);
    expect(archive.redriven.has('old')).toBe(true);
  });

  describe('on an empty board', () => {
    /** As after a loss of Redis. */
    const restart = async () => {
      await desk.stop();
      await letters.queue.obliterate({ force: true });
      desk = makeDesk();
      await desk.start();
    };
    const fill = (count: number) => {
      for (let index = 0; index < count; index += 1) {
        const id = `l:${index}`;
        archive.saved.set(id, letter(id, { receivedAt: index }));
      }
    };

    it('puts back the newest open letters of the archive', async () => {
      fill(1_040);
      for (const index of [1_039, 1_000, 500]) archive.redriven.add(`l:${index}`);
      await restart();
      await isFailed(1_000);
      expect(await jobOf('l_1039')).toBeUndefined();
      expect(await jobOf('l_500')).toBeUndefined();
      expect((await jobOf('l_37'))?.data).toMatchObject({ id: 'l:37', rawPrefix: '{', rawBytes: 1 });
      expect(await jobOf('l_36')).toBeUndefined();
      expect((await failed())?.id).toBe('l_1038');
      await (await jobOf('l_37'))?.retry('failed');
      await until(() => archive.redriven.has('l:37'));
      expect(asked).toEqual([archive.saved.get('l:37')]);
    });

    it('starts while the archive is away, and puts them back later', async () => {
      fill(3);
      archive.away = true;
      await restart();
      await until(() => onRetry !== null);
      expect(await letters.queue.getFailedCount()).toBe(0);
      archive.away = false;
      onRetry?.();
      await isFailed(3);
      archive.away = true;
      await restart();
      await until(() => onRetry !== null);
      await desk.stop();
      expect(onRetry).toBeNull();
    });

    it('leaves a board alone that has letters', async () => {
      await letters.add(letter('one'));
      await isFailed(1);
      fill(3);
      await desk.stop();
      desk = makeDesk();
      await desk.start();
      await desk.stop();
      expect(await letters.queue.getFailedCount()).toBe(1);
      expect(await letters.queue.getJobCountByTypes('waiting', 'active')).toBe(0);
    });
  });
});
