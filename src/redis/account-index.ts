/**
 * The newest reservations of each account, for reads that must see a hold before the archive has it. Guarantee:
 * an id that was added is in the next read; the archive has what is older, and what a loss of Redis takes.
 */
import type { Clock } from '../actors/ports.js';
import type { RedisClient } from './connection.js';
import type { RedisKeys } from './keys.js';

/** Reservations of one account that are kept; with more the oldest are left to the archive. */
const IDS_MAX = 200;
/** By then the archive has them, or they have ended. */
export const ACCOUNT_INDEX_KEEP_MS = 24 * 60 * 60_000;

export class AccountIndex {
  readonly #redis: Pick<RedisClient, 'multi' | 'zrange'>;
  readonly #keys: Pick<RedisKeys, 'accountReservations'>;
  readonly #clock: Clock;

  constructor(
    redis: Pick<RedisClient, 'multi' | 'zrange'>,
    keys: Pick<RedisKeys, 'accountReservations'>,
    clock: Clock,
  ) {
    this.#redis = redis;
    this.#keys = keys;
    this.#clock = clock;
  }

  /** The same id again keeps its place. `at`: when it was made, epoch milliseconds; absent: now. */
  async add(accountId: string, reservationId: string, at = this.#clock.now()): Promise<void> {
    const key = this.#keys.accountReservations(accountId);
    await this.#redis
      .multi()
      .zadd(key, 'NX', at, reservationId)
      .zremrangebyrank(key, 0, -IDS_MAX - 1)
      .pexpire(key, ACCOUNT_INDEX_KEEP_MS)
      .exec();
  }

  newest(accountId: string, limit: number): Promise<readonly string[]> {
    return this.#redis.zrange(this.#keys.accountReservations(accountId), 0, limit - 1, 'REV');
  }
}
