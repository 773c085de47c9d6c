/** The Redis of the simulation by itself: its clock, and what a server can go through. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { CommandJob } from '../../src/actors/ports.js';
import { MemoryRedis, type Message } from './memory-redis.js';

const ticket = { matchNumber: 7, category: 3 };
const other = { matchNumber: 7, category: 1 };
const job: CommandJob = { schema: 4, commands: [] };

describe('the Redis in memory', () => {
  let now = 0;
  let heard: Message[] = [];
  let redis: MemoryRedis;
  beforeEach(() => {
    now = 1_000;
    heard = [];
    redis = new MemoryRedis({ now: () => now, onPublish: (message) => heard.push(message) });
  });

  it('keeps a value for the whole of its last millisecond, whatever the clock does meanwhile', () => {
    expect(redis.setIfNew('key', 'one', 100)).toBe(true);
    now = 1_100;
    expect([redis.get('key'), redis.setIfNew('key', 'two', 100)]).toEqual(['one', false]);
    now = 1_101;
    expect(redis.get('key')).toBeNull();
    // Put back, the clock finds it again: its end is a time of day.
    now = 900;
    expect(redis.get('key')).toBe('one');
  });

  it('takes a job from a dead owner when its lock has ended, and not before', () => {
    redis.setConcurrency(ticket, 1);
    redis.addJob(ticket, job);
    redis.addJob(ticket, job);
    expect(redis.takeJob(ticket, 'dead', 500)).toMatchObject({ id: '1' });
    const look = (): number => {
      redis.lookForStalled(ticket, 10);
      return redis.activeJobs(ticket).length;
    };
    expect(look()).toBe(1);
    now += 11;
    expect(look()).toBe(1);
    now = 1_501;
    expect(look()).toBe(0);
    expect(redis.takeJob(ticket, 'live', 500)).toMatchObject({ id: '1' });
    expect(redis.finishJob(ticket, '1', 'dead', 'completed', null)).toEqual({ kind: 'lost', code: -6 });
  });

  it('looks for stalled jobs once in a while, whoever asks', () => {
    redis.addJob(ticket, job);
    redis.takeJob(ticket, 'dead', 5);
    redis.lookForStalled(ticket, 10);
    now += 10;
    redis.lookForStalled(ticket, 10);
    expect(redis.activeJobs(ticket)).toHaveLength(1);
    now += 1;
    redis.lookForStalled(ticket, 10);
    expect(redis.activeJobs(ticket)).toHaveLength(0);
  });

  it('goes back to what it had, as another run of the server', () => {
    const first = redis.runId();
    redis.claim(ticket, 'a/1', 5);
    const then = redis.snapshot();
    redis.claim(ticket, 'b/1', 6);
    redis.claim(other, 'b/2', 6);
    redis.restore(then);
    expect(redis.meta(ticket)).toEqual({ owner: 'a/1', due: 5 });
    expect(redis.dumpOf(other)).toBeNull();
    const second = redis.runId();
    redis.restore(then, false);
    expect([redis.runId(), second === first]).toEqual([second, false]);
    redis.restart();
    expect([redis.meta(ticket).owner, redis.runId() === second]).toEqual(['a/1', false]);
    redis.flush();
    expect([...redis.dump().keys()]).toEqual([]);
    expect(heard).toEqual([]);
  });

  it('is not changed by what is done with a job that was taken from it', () => {
    redis.addJob(ticket, job);
    const taken = redis.takeJob(ticket, 'a', 5);
    (taken?.data as { commands: unknown[] }).commands.push('mine');
    expect(redis.dumpOf(ticket)?.jobs.get('1')).toEqual(job);
  });
});
