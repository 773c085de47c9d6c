/** Counters in Redis, taken from by one script: what the contenders that stand on Redis alone have for a ticket. */
import type { Redis } from 'ioredis';
import { namesOf } from './web.js';

/** KEYS[1] counter   ARGV[1] quantity. Returns what is left, -1 when there is too little. */
const TAKE = `
local left = tonumber(redis.call('GET', KEYS[1]) or '0')
if left < tonumber(ARGV[1]) then return -1 end
return redis.call('DECRBY', KEYS[1], ARGV[1])`;

export interface CounterOptions {
  readonly redisUrl: string;
  readonly tickets: number;
  readonly capacity: number;
}

const keyOf = (name: string): string => `bench:{${name}}`;

export async function fillCounters(redis: Redis, { tickets, capacity }: CounterOptions): Promise<void> {
  await redis.mset(Object.fromEntries(namesOf(tickets).map((name) => [keyOf(name), capacity])));
}

/** One EVALSHA each. */
export async function takerFrom(redis: Redis): Promise<(name: string, quantity: number) => Promise<number>> {
  const sha = (await redis.script('LOAD', TAKE)) as string;
  return async (name, quantity) => (await redis.evalsha(sha, 1, keyOf(name), quantity)) as number;
}
