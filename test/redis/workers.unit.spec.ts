/** Who lives, on an imitation of Redis. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import RedisMock from 'ioredis-mock';
import { RedisKeys } from '../../src/redis/keys.js';
import { RedisMembership } from '../../src/redis/workers.js';
import { ManualClock } from '../helpers/faults.js';

describe('the members', () => {
  let clock: ManualClock;
  let membership: RedisMembership;
  const redis = new RedisMock();

  beforeEach(async () => {
    await redis.flushall();
    clock = new ManualClock();
    membership = new RedisMembership(redis, new RedisKeys('p'), clock);
  });

  it('are those who said so a short while ago, and whoever asks', async () => {
    expect(await membership.beat('a')).toEqual(['a']);
    await clock.advance(1_000);
    expect([...(await membership.beat('b'))].sort()).toEqual(['a', 'b']);
    await clock.advance(2_499);
    expect([...(await membership.beat('b'))].sort()).toEqual(['a', 'b']);
    await clock.advance(2);
    expect(await membership.beat('b')).toEqual(['b']);
    expect([...(await membership.beat('a'))].sort()).toEqual(['a', 'b']);
  });

  it('are no longer those who left', async () => {
    await membership.beat('a');
    await membership.beat('b');
    await membership.leave('a');
    await membership.leave('never here');
    expect(await membership.beat('b')).toEqual(['b']);
  });

  it('of another market are others', async () => {
    await membership.beat('a');
    const elsewhere = new RedisMembership(redis, new RedisKeys('q'), clock);
    expect(await elsewhere.beat('b')).toEqual(['b']);
  });
});
