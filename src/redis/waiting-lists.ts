/**
 * The waiting lists as readers see them. Guarantees: what is told of an entry is one moment of it, and of no Redis that
 * may be behind what was told before; a position costs a look at the entry, however many wait.
 */
import type { TicketId, WaitingEntry } from '../rules/index.js';
import { askAll, type Question } from './ask-all.js';
import type { RedisClient } from './connection.js';
import { Fence } from './fence.js';
import type { RedisKeys } from './keys.js';
import { decodeLeft, entryField, personField } from './stored-waiting.js';
import { AWAY, WaitsToBeRebuiltError } from './ticket-store.js';

export type FoundEntry =
  /** `position`: 1 is the first in line. */
  | { readonly kind: 'waiting'; readonly entry: WaitingEntry; readonly position: number }
  /** It left without an offer, a short while ago. */
  | { readonly kind: 'left'; readonly entry: WaitingEntry };

export class RedisWaitingLists {
  readonly #redis: RedisClient;
  readonly #keys: RedisKeys;
  readonly #fence: Fence;

  constructor(redis: RedisClient, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
    this.#fence = new Fence(redis, keys);
  }

  /**
   * Null for an entry that is not in the list, and did not leave it lately: it was offered tickets, or never was. Throws
   * while Redis may be behind what was told, because the ticket waits to be rebuilt.
   */
  async find(ticket: TicketId, id: string): Promise<FoundEntry | null> {
    this.#checkReach();
    const { remote, waiting } = this.#keys.ticket(ticket);
    const results = await this.#redis
      .multi()
      .hget(remote, entryField(id))
      .zrank(waiting, id)
      .get(this.#keys.ended(ticket, id))
      .exec();
    // After the look: what was read may be what a Redis that lost writes has left.
    const { claimedRun, runId } = await this.#fence.compare(ticket);
    // Redis knows nothing of it: whether there is more to know the archive says, of the reservation.
    if (claimedRun === null) return null;
    if (claimedRun !== runId) throw new WaitsToBeRebuiltError(ticket);
    const [entry, rank, left] = (results ?? []).map(([error, value]) => {
      if (error) throw error;
      return value as string | number | null;
    });
    if (typeof entry === 'string' && typeof rank === 'number') {
      return { kind: 'waiting', entry: JSON.parse(entry) as WaitingEntry, position: rank + 1 };
    }
    const former = typeof left === 'string' ? decodeLeft(left) : null;
    return former && { kind: 'left', entry: former };
  }

  /** Where a person waits, of these tickets: one look for all of them. */
  async ofPerson(
    tickets: readonly TicketId[],
    person: string,
  ): Promise<readonly { readonly ticket: TicketId; readonly entryId: string }[]> {
    this.#checkReach();
    const questions = tickets.map((ticket): Question => [
      'hget',
      this.#keys.ticket(ticket).remote,
      personField(person),
    ]);
    const ids = (await askAll(this.#redis, questions)) as (string | null)[];
    return tickets.flatMap((ticket, i) => {
      const id = ids[i];
      return typeof id === 'string' ? [{ ticket, entryId: JSON.parse(id) as string }] : [];
    });
  }

  /** A read queued until Redis is back would pile up behind readers who have long gone. */
  #checkReach(): void {
    if (AWAY.has(this.#redis.status)) throw new Error('Redis cannot be reached');
  }
}
