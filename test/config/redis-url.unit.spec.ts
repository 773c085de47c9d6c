/** What a `REDIS_URL` says. */
import { describe, expect, it } from '@jest/globals';
import { redisUrlsOf } from '../../config/redis-url.js';

describe('REDIS_URL', () => {
  it.each([
    'redis://127.0.0.1:6379',
    'rediss://user:secret@redis.example:6380/2',
    'redis://:with,comma@h',
    'redis://h?family=6',
    'redis://[::1]:6379',
  ])('of one host stays as it is: %s', (url) => {
    expect(redisUrlsOf(url)).toEqual([url]);
  });

  it('of several hosts is one for each, with what is said of all', () => {
    expect(redisUrlsOf('rediss://user:a,b@one:7000, two,[::1]:7001/0')).toEqual([
      'rediss://user:a,b@one:7000',
      'rediss://user:a,b@two',
      'rediss://user:a,b@[::1]:7001',
    ]);
  });

  it('may name one host twice, where a cluster has one address', () => {
    expect(redisUrlsOf('redis://c:6379,c:6379')).toEqual(['redis://c:6379', 'redis://c:6379']);
  });

  it.each([
    '',
    'http://h',
    'redis://',
    'redis://a,,b',
    'redis://a,b:port',
    'redis://a,b/1',
    'redis://a,b/?x=1',
    'redis://a,redis://b',
  ])('is none: %s', (url) => {
    expect(redisUrlsOf(url)).toEqual([]);
  });
});
