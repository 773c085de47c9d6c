/**
 * Connections to Redis: two per process, whatever the number of tickets. One carries commands, scripts and
 * queues; one carries subscriptions (`Bus`). The consumer has a third, on which the dead-letter queue waits, and
 * so has a process with web roles, for the security check.
 */
import { Redis } from 'ioredis';
import type { Logger } from '../process/log.js';
import { gatherWrites } from './gathered-writes.js';

export interface RedisOptions {
  readonly url: string;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  readonly logger: Logger;
}

/** Buyers wait this long for the connection once Redis is back. */
const RETRY_MS_MAX = 500;

/** Retries for ever with bounded, jittered back-off; commands sent meanwhile wait for the connection. */
export function connectRedis({ url, name, logger }: RedisOptions): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    maxRetriesPerRequest: null,
    connectTimeout: 5_000,
    keepAlive: 10_000,
    retryStrategy: (attempt) =>
      Math.min(RETRY_MS_MAX, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2),
  });
  gatherWrites(redis);
  let down = false;
  redis.on('error', (error: Error) => {
    if (!down) logger.warn({ err: error.message }, 'Redis cannot be reached; trying again');
    down = true;
  });
  redis.on('ready', () => {
    if (down) logger.info('Redis is back');
    down = false;
  });
  return redis;
}

/** Oldest Redis with everything the scripts and queues use. */
const REDIS_VERSION_MIN = [6, 2] as const;

/**
 * Refuses a Redis that would lose what is stored in it, or is too old; warns where it may lose a second.
 * A hosted Redis that hides CONFIG is taken at its word.
 */
export async function checkRedis(redis: Redis, logger: Logger): Promise<void> {
  const info = await redis.info();
  const version = /redis_version:(\d+)\.(\d+)/.exec(info);
  const major = Number(version?.[1] ?? 0);
  const minor = Number(version?.[2] ?? 0);
  if (major < REDIS_VERSION_MIN[0] || (major === REDIS_VERSION_MIN[0] && minor < REDIS_VERSION_MIN[1])) {
    throw new Error(
      `Redis ${major}.${minor} is too old: ticktak needs ${REDIS_VERSION_MIN.join('.')} or newer.`,
    );
  }
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
  if (policy !== undefined && policy !== 'noeviction') {
    throw new Error(
      `Redis has maxmemory-policy ${policy} and could evict tickets; set it to noeviction (CONFIG SET maxmemory-policy noeviction).`,
    );
  }
  if (/aof_enabled:0/.test(info)) {
    logger.warn('Redis keeps no append-only file: holds are lost when it restarts (set appendonly yes)');
  }
}

type Handler = (message: string) => void;

/**
 * Subscriptions of a process. Messages of one Redis arrive in the order in which it sent them, and `barrier`
 * uses that order: a PING on the same connection is answered after everything that was published before it.
 */
export class Bus {
  readonly #redis: Redis;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #resets = new Set<() => void>();

  constructor(redis: Redis) {
    this.#redis = redis;
    redis.on('message', (channel: string, message: string) => {
      for (const handler of this.#handlers.get(channel) ?? []) handler(message);
    });
    let first = redis.status !== 'ready';
    redis.on('ready', () => {
      if (first) first = false;
      else for (const reset of this.#resets) reset();
    });
  }

  get ready(): boolean {
    return this.#redis.status === 'ready';
  }

  /** Resolves when Redis has confirmed the subscription. */
  async subscribe(channel: string, handler: Handler): Promise<() => void> {
    const handlers = this.#handlers.get(channel) ?? new Set<Handler>();
    this.#handlers.set(channel, handlers);
    handlers.add(handler);
    // Between connecting and its ready check ioredis would send this first, fail the check and stay deaf.
    if (this.#redis.status !== 'ready') await new Promise((resolve) => this.#redis.once('ready', resolve));
    await this.#redis.subscribe(channel);
    return () => {
      handlers.delete(handler);
    };
  }

  /** `handler` is called when messages may have been missed. */
  onReset(handler: () => void): () => void {
    this.#resets.add(handler);
    return () => {
      this.#resets.delete(handler);
    };
  }

  /** Resolves after every message that Redis published before this call has been handled. */
  async barrier(): Promise<void> {
    // Queued until it comes back, a read would wait for as long as its buyer has patience.
    if (!this.ready) throw new Error('Redis cannot be reached');
    await this.#redis.ping();
  }

  close(): void {
    this.#redis.disconnect();
  }
}
