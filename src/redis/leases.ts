/**
 * Leases by Redlock: one key per ticket on one Redis. They keep two owners apart for efficiency only; a
 * holder that sleeps past its lease is stopped by the owner compare in every commit.
 */
import Redlock, { ExecutionError, type Lock, ResourceLockedError } from 'redlock';
import type { Lease, Leases } from '../actors/ports.js';
import type { TicketId } from '../rules/index.js';
import type { RedisClient } from './connection.js';
import type { RedisKeys } from './keys.js';

export class RedlockLeases implements Leases {
  readonly #redlock: Redlock;
  readonly #keys: RedisKeys;
  readonly #leaseMs: number;

  constructor(redis: RedisClient, keys: RedisKeys, leaseMs: number) {
    // No retries: whoever does not get a ticket is told by the sweep when to ask again.
    this.#redlock = new Redlock([redis], { retryCount: 0, automaticExtensionThreshold: 0 });
    this.#redlock.on('error', () => {
      // Every lost race is also reported here; acquire and extend answer it.
    });
    this.#keys = keys;
    this.#leaseMs = leaseMs;
  }

  async acquire(ticket: TicketId): Promise<Lease | null> {
    try {
      const lock = await this.#redlock.acquire([this.#keys.ticket(ticket).lease], this.#leaseMs);
      return new RedlockLease(lock, this.#leaseMs);
    } catch (error) {
      if (await isHeldByOther(error)) return null;
      throw error;
    }
  }
}

class RedlockLease implements Lease {
  #lock: Lock;
  readonly #leaseMs: number;

  constructor(lock: Lock, leaseMs: number) {
    this.#lock = lock;
    this.#leaseMs = leaseMs;
  }

  async extend(): Promise<boolean> {
    try {
      this.#lock = await this.#lock.extend(this.#leaseMs);
      return true;
    } catch (error) {
      if (await isHeldByOther(error)) return false;
      throw error;
    }
  }

  async release(): Promise<void> {
    await this.#lock.release();
  }
}

/** Redlock answers a lost race and an unreachable Redis with the same error; its votes tell them apart. */
async function isHeldByOther(error: unknown): Promise<boolean> {
  if (error instanceof ResourceLockedError) return true;
  if (!(error instanceof ExecutionError)) return false;
  const last = await error.attempts.at(-1);
  // No attempt was made: our own lock had ended already.
  if (!last) return true;
  return [...last.votesAgainst.values()].every((vote) => vote instanceof ResourceLockedError);
}
