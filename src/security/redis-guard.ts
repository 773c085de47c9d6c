/**
 * Redis as the security check uses it: it must answer at once or is done without. Guarantee: `run` answers
 * within `waitMs`, and while Redis does not answer most calls do not even wait for that.
 */
import type { Clock } from '../actors/ports.js';
import type { RedisClient } from '../redis/connection.js';

export interface RedisGuardOptions {
  readonly redis: RedisClient;
  readonly clock: Clock;
  /** How long one call may take. */
  readonly waitMs?: number;
  /** How long Redis is left alone after a call that took longer. */
  readonly restMs?: number;
}

const WAIT_MS = 40;
const REST_MS = 500;

/** Redis was not there, or not in time; `value` is its answer otherwise. */
export type Guarded<T> = { readonly away: true } | { readonly away: false; readonly value: T };

export class RedisGuard {
  readonly redis: RedisClient;
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #restMs: number;
  #restsUntil = 0;

  constructor({ redis, clock, waitMs = WAIT_MS, restMs = REST_MS }: RedisGuardOptions) {
    this.redis = redis;
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#restMs = restMs;
  }

  get away(): boolean {
    return this.redis.status !== 'ready' || this.#clock.now() < this.#restsUntil;
  }

  /** Never rejects. */
  run<T>(work: (redis: RedisClient) => Promise<T>): Promise<Guarded<T>> {
    if (this.away) return Promise.resolve({ away: true });
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(this.#waitMs, () => {
        // A process that was busy for as long finds the answer in its socket: it is looked at first.
        setImmediate(() => {
          if (done) return;
          this.#restsUntil = this.#clock.now() + this.#restMs;
          resolve({ away: true });
        });
      });
      let done = false;
      const end = (answer: Guarded<T>): void => {
        done = true;
        cancel();
        resolve(answer);
      };
      work(this.redis).then(
        (value) => end({ away: false, value }),
        () => end({ away: true }),
      );
    });
  }
}
