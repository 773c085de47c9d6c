/**
 * How often a person and an address may ask. Guarantees: a person's limit holds over all processes and
 * addresses while Redis answers, and in each process alone while it does not; what a process remembers is
 * bounded; reads never wait for Redis.
 */
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Clock } from '../actors/ports.js';
import { BoundedMap } from './bounded-map.js';
import type { SecurityKeys } from '../redis/keys.js';
import type { RouteClass } from './port.js';
import type { RedisGuard } from './redis-guard.js';

export interface ClassLimits {
  /** Requests of one person in a minute; more are denied. Null: not counted. */
  readonly personPerMinute: number | null;
  /** Requests of one address in a minute; more are challenged where they can be. Null: not counted. */
  readonly addressPerMinute: number | null;
  /** `memory`: in each process by itself, for what must not wait for Redis. */
  readonly counted: 'redis' | 'memory';
}

export type LimitTable = Readonly<Record<RouteClass, ClassLimits>>;

/** Every limit, in requests per minute. An address is often a whole venue: its limits only ask for a challenge. */
export const LIMITS: LimitTable = {
  hold: { personPerMinute: 30, addressPerMinute: 600, counted: 'redis' },
  pay: { personPerMinute: 300, addressPerMinute: 600, counted: 'redis' },
  login: { personPerMinute: 10, addressPerMinute: 30, counted: 'redis' },
  account: { personPerMinute: 20, addressPerMinute: 30, counted: 'redis' },
  write: { personPerMinute: 120, addressPerMinute: 600, counted: 'redis' },
  read: { personPerMinute: 1_200, addressPerMinute: 6_000, counted: 'memory' },
  admin: { personPerMinute: 1_200, addressPerMinute: 6_000, counted: 'memory' },
  // Several devices of one steward, each a scan a second and what it kept without a network.
  'check-in': { personPerMinute: 600, addressPerMinute: 6_000, counted: 'memory' },
  service: { personPerMinute: null, addressPerMinute: 60_000, counted: 'memory' },
  webhook: { personPerMinute: null, addressPerMinute: 6_000, counted: 'memory' },
  unknown: { personPerMinute: null, addressPerMinute: 600, counted: 'memory' },
};

/** An address that passes its limit this many times over is denied without a solved challenge: no venue asks that often. */
export const ADDRESS_CEILING_TIMES = 20;

const WINDOW_MS = 60_000;
/** Counters one process keeps per kind; the longest unused are forgotten. */
const COUNTERS_MAX = 100_000;

/** Up to this share of a limit a process counts by itself, and Redis is not asked. */
const QUIET_SHARE = 0.1;

export interface Count {
  /** In this minute, this request included. */
  readonly count: number;
  /** Until the minute is over. */
  readonly restMs: number;
}

/** Counts in fixed windows, in memory. The library's own grows without bound and keeps a timer per key. */
export class MemoryWindows {
  readonly #clock: Clock;
  readonly #windows = new BoundedMap<string, { count: number; untold: number; readonly end: number }>(
    COUNTERS_MAX,
  );

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hit(key: string): Count {
    const now = this.#clock.now();
    const known = this.#windows.get(key);
    if (known && known.end > now) {
      known.count += 1;
      known.untold += 1;
      return { count: known.count, restMs: known.end - now };
    }
    this.#windows.set(key, { count: 1, untold: 1, end: now + WINDOW_MS });
    return { count: 1, restMs: WINDOW_MS };
  }

  /** What was counted here and told to nobody yet; told with it, at least 1. */
  takeUntold(key: string): number {
    const known = this.#windows.get(key);
    const untold = Math.max(1, known?.untold ?? 1);
    if (known) known.untold = 0;
    return untold;
  }
}

export type Limited =
  | { readonly level: 'under' }
  /** Passed, by this factor. */
  | { readonly level: 'over'; readonly times: number; readonly restMs: number }
  /** An address past its ceiling. */
  | { readonly level: 'beyond'; readonly restMs: number };

export interface LimitsOptions {
  readonly guard: RedisGuard;
  readonly keys: SecurityKeys;
  readonly clock: Clock;
  readonly table?: Partial<LimitTable>;
}

type Scope = 'person' | 'address';

/** Who is counted: in this process by its name, in Redis by what stands for it there. Most never are in Redis. */
export interface Counted {
  readonly name: string;
  readonly pseudonym: () => string;
}

export class Limits {
  readonly #table: LimitTable;
  readonly #guard: RedisGuard;
  readonly #keys: SecurityKeys;
  readonly #memory: MemoryWindows;
  readonly #limiters = new Map<string, RateLimiterRedis>();

  constructor({ guard, keys, clock, table }: LimitsOptions) {
    this.#table = { ...LIMITS, ...table };
    this.#guard = guard;
    this.#keys = keys;
    this.#memory = new MemoryWindows(clock);
  }

  person(routeClass: RouteClass, person: Counted): Limited | Promise<Limited> {
    const limit = this.#table[routeClass].personPerMinute;
    return limit === null ? { level: 'under' } : this.#take('person', routeClass, person, limit, limit);
  }

  address(routeClass: RouteClass, address: Counted): Limited | Promise<Limited> {
    const limit = this.#table[routeClass].addressPerMinute;
    if (limit === null) return { level: 'under' };
    return this.#take('address', routeClass, address, limit, limit * ADDRESS_CEILING_TIMES);
  }

  /**
   * Who is far from the limit is counted by this process alone, which costs nothing; with the first request
   * beyond that Redis is told all of them, and from then on what all processes have counted decides. Log-ins
   * always are counted there.
   */
  #take(
    scope: Scope,
    routeClass: RouteClass,
    counted: Counted,
    limit: number,
    ceiling: number,
  ): Limited | Promise<Limited> {
    // Counted here too, so that a Redis that goes away does not give everyone a fresh minute.
    const key = `${scope}/${routeClass}/${counted.name}`;
    const here = this.#memory.hit(key);
    if (this.#table[routeClass].counted === 'memory') return levelOf(here, limit, ceiling);
    if (here.count <= limit * QUIET_SHARE && routeClass !== 'login') return levelOf(here, limit, ceiling);
    const limiter = this.#limiter(scope, routeClass, ceiling);
    const points = this.#memory.takeUntold(key);
    return this.#guard
      .run(() => consumed(limiter, counted.pseudonym(), ceiling, points))
      .then((answer) => levelOf(answer.away ? here : answer.value, limit, ceiling));
  }

  #limiter(scope: Scope, routeClass: RouteClass, ceiling: number): RateLimiterRedis {
    const keyPrefix = this.#keys.limit(scope, routeClass);
    const limiter =
      this.#limiters.get(keyPrefix) ??
      new RateLimiterRedis({
        storeClient: this.#guard.redis,
        keyPrefix,
        points: ceiling,
        duration: WINDOW_MS / 1_000,
        rejectIfRedisNotReady: true,
        // Whoever is over the top is told so from memory, and costs Redis nothing any more.
        inMemoryBlockOnConsumed: ceiling,
      });
    this.#limiters.set(keyPrefix, limiter);
    return limiter;
  }
}

async function consumed(
  limiter: RateLimiterRedis,
  name: string,
  ceiling: number,
  points: number,
): Promise<Count> {
  try {
    const { consumedPoints, msBeforeNext } = await limiter.consume(name, points);
    return { count: consumedPoints, restMs: msBeforeNext };
  } catch (refused) {
    // The limiter rejects with its answer when the ceiling is passed, and with an error when Redis fails.
    if (!(refused instanceof RateLimiterRes)) throw refused;
    return { count: ceiling + 1, restMs: refused.msBeforeNext };
  }
}

function levelOf({ count, restMs }: Count, limit: number, ceiling: number): Limited {
  if (count <= limit) return { level: 'under' };
  if (count > ceiling && ceiling > limit) return { level: 'beyond', restMs };
  return { level: 'over', times: count / limit, restMs };
}
