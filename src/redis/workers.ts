/** Worker membership and wake-ups on Redis. */
import { EVERYTHING, type Membership, type WakeUps } from '../actors/host.js';
import type { Clock } from '../actors/ports.js';
import type { TicketId } from '../rules/index.js';
import type { Bus, RedisClient } from './connection.js';
import { ticketName, type RedisKeys } from './keys.js';

/** A worker that has not said that it lives for this long is dead to the others. */
export const HEARTBEAT_MS = 3_500;

export class RedisMembership implements Membership {
  readonly #redis: RedisClient;
  readonly #keys: RedisKeys;
  readonly #clock: Clock;

  constructor(redis: RedisClient, keys: RedisKeys, clock: Clock) {
    this.#redis = redis;
    this.#keys = keys;
    this.#clock = clock;
  }

  async beat(workerId: string): Promise<readonly string[]> {
    const now = this.#clock.now();
    const results = await this.#redis
      .multi()
      .zadd(this.#keys.workers, now + HEARTBEAT_MS, workerId)
      .zremrangebyscore(this.#keys.workers, '-inf', now)
      .zrange(this.#keys.workers, 0, -1)
      .exec();
    return (results?.[2]?.[1] as string[] | undefined) ?? [workerId];
  }

  members(): Promise<readonly string[]> {
    return this.#redis.zrangebyscore(this.#keys.workers, this.#clock.now(), '+inf');
  }

  async leave(workerId: string): Promise<void> {
    await this.#redis.zrem(this.#keys.workers, workerId);
  }
}

export class RedisWakeUps implements WakeUps {
  readonly #redis: RedisClient;
  readonly #bus: Bus;
  readonly #keys: RedisKeys;

  constructor(redis: RedisClient, bus: Bus, keys: RedisKeys) {
    this.#redis = redis;
    this.#bus = bus;
    this.#keys = keys;
  }

  async listen(onWake: (name: string) => void, onReset: () => void): Promise<() => void> {
    const unsubscribe = await this.#bus.subscribe(this.#keys.channels.wake(), onWake);
    const unreset = this.#bus.onReset(onReset);
    return () => {
      unsubscribe();
      unreset();
    };
  }

  async wakeAll(): Promise<void> {
    await this.#redis.publish(this.#keys.channels.wake(), EVERYTHING);
  }

  async wake(ticket: TicketId): Promise<void> {
    await this.#redis.publish(this.#keys.channels.wake(), ticketName(ticket));
  }
}
