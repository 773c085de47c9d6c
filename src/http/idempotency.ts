/**
 * Idempotency keys.
 *
 * Guarantees: the same key of the same caller on the same route always gives the same command id, so that the
 * actor's recorded outcome answers repeats, also concurrently and after a crash; the same key with another
 * body is a conflict. The store keeps only hashes: no key, no e-mail and no card number can be read from it.
 */
import { createHmac } from 'node:crypto';
import type { RedisClient } from '../redis/connection.js';
import type { Clock } from '../actors/ports.js';
import { bounded } from './bounded.js';
import { digest } from './identity.js';
import { UnavailableError } from './problem.js';

/** Remembers what a key was first used for. */
export interface IdempotencyStore {
  /** Keeps `fingerprint` under `scopeKey` for `ttlMs` unless there is one; answers the one that is there. */
  claim(
    scopeKey: string,
    fingerprint: string,
    ttlMs: number,
  ): Promise<{ readonly first: boolean; readonly fingerprint: string }>;
}

/** A claim that expires between two steps is taken anew; more than a few times in a row cannot be. */
const CLAIM_ATTEMPTS = 3;

/** On Redis. SET NX and then GET: one round trip for a first use, on any version of Redis. */
export class RedisIdempotencyStore implements IdempotencyStore {
  readonly #redis: Pick<RedisClient, 'set' | 'get'>;
  readonly #key: (scope: string) => string;
  readonly #isUp: () => boolean;

  /** `isUp` is false while Redis cannot be reached: claims queued until then would outlive their clients. */
  constructor(redis: Pick<RedisClient, 'set' | 'get'>, key: (scope: string) => string, isUp: () => boolean) {
    this.#redis = redis;
    this.#key = key;
    this.#isUp = isUp;
  }

  async claim(
    scopeKey: string,
    fingerprint: string,
    ttlMs: number,
  ): Promise<{ first: boolean; fingerprint: string }> {
    if (!this.#isUp()) throw new UnavailableError('Redis cannot be reached');
    const key = this.#key(scopeKey);
    for (let attempt = 0; attempt < CLAIM_ATTEMPTS; attempt += 1) {
      const set = await this.#redis.set(key, fingerprint, 'PX', ttlMs, 'NX');
      if (set === 'OK') return { first: true, fingerprint };
      const known = await this.#redis.get(key);
      if (known !== null) return { first: false, fingerprint: known };
    }
    throw new UnavailableError('an idempotency key expired again and again');
  }
}

export interface IdempotencyOptions {
  readonly store: IdempotencyStore;
  readonly clock: Clock;
  /** Keys the fingerprints: a body may hold a card number, whose plain hash could be tried out. */
  readonly secret: string;
  /** How long the store may take to answer. */
  readonly waitMs: number;
  /** How long outcomes stay on record, with a key and without. */
  readonly idempotencyMs: number;
  readonly unkeyedOutcomeMs: number;
  /** Ids for requests without a key; unguessable. */
  readonly newId: () => string;
}

export interface Asked {
  readonly route: string;
  /** Whose key it is. */
  readonly caller: string;
  /** Where it came from, when the caller is only a name that others may know. */
  readonly address?: string;
  readonly key: string | undefined;
  /** The validated body. */
  readonly body: unknown;
}

/** How the commands of one request are identified. */
export interface RequestIdentity {
  readonly kind: 'identified';
  /** Command ids derive from it. */
  readonly id: string;
  readonly keepMs: number;
  readonly keyed: boolean;
  /** False for a repeat. */
  readonly first: boolean;
}

/** 160 bits of the hash. */
const ID_CHARS = 40;

/** A shorter key can be guessed, so it counts only together with the address it came from. */
export const UNGUESSABLE_KEY_CHARS = 16;

export class Idempotency {
  readonly #options: IdempotencyOptions;

  constructor(options: IdempotencyOptions) {
    this.#options = options;
  }

  /** Rejects with `UnavailableError` when the store does not answer; nothing was done then. */
  async identify(asked: Asked): Promise<RequestIdentity | { readonly kind: 'conflict' }> {
    const { store, clock, secret, waitMs, idempotencyMs, unkeyedOutcomeMs, newId } = this.#options;
    const { route, caller, address, key, body } = asked;
    if (key === undefined) {
      return { kind: 'identified', id: newId(), keepMs: unkeyedOutcomeMs, keyed: false, first: true };
    }
    const scope = digest(route, caller, key, key.length < UNGUESSABLE_KEY_CHARS ? (address ?? '') : '');
    const id = scope.slice(0, ID_CHARS);
    const fingerprint = createHmac('sha256', secret)
      .update(canonicalJson(body ?? null))
      .digest('base64url');
    const claim = await bounded(
      clock,
      waitMs,
      'idempotency store',
      store.claim(id, fingerprint, idempotencyMs),
    );
    if (claim.fingerprint !== fingerprint) return { kind: 'conflict' };
    return { kind: 'identified', id, keepMs: idempotencyMs, keyed: true, first: claim.first };
  }
}

/** JSON with sorted members: the same body however it was written. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) => {
    if (member === null || typeof member !== 'object' || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}
