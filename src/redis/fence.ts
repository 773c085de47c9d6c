/**
 * Who has a ticket's keys: what a claim remembers, and what is compared with it before anything is told of the ticket.
 *
 * Guarantee: Redis can have lost writes of a ticket only when the answer is another one than at its claim. Of one Redis
 * it is the run id of the server; in a cluster that of the node which has the slot, as lua/holder.lua tells it.
 */
import type { TicketId } from '../rules/index.js';
import { isCluster, type RedisClient } from './connection.js';
import type { RedisKeys } from './keys.js';
import { loadScript } from './scripts.js';

export class Fence {
  readonly #redis: RedisClient;
  readonly #keys: RedisKeys;
  readonly #holder = loadScript('holder-1', 'holder');

  constructor(redis: RedisClient, keys: RedisKeys) {
    this.#redis = redis;
    this.#keys = keys;
  }

  async runId(ticket: TicketId): Promise<string> {
    return isCluster(this.#redis) ? (await this.#ask(ticket)).runId : this.#runIdOfServer();
  }

  /** With the one of the ticket's claim; null when it was never claimed. */
  async compare(ticket: TicketId): Promise<{ readonly claimedRun: string | null; readonly runId: string }> {
    if (isCluster(this.#redis)) return this.#ask(ticket);
    const { meta } = this.#keys.ticket(ticket);
    const [claimedRun, runId] = await Promise.all([this.#redis.hget(meta, 'runId'), this.#runIdOfServer()]);
    return { claimedRun, runId };
  }

  /** Of many, each match asked once: its tickets have one slot. In a cluster only of these. */
  async runIds(tickets: readonly TicketId[]): Promise<(ticket?: TicketId) => string> {
    if (!isCluster(this.#redis)) {
      const runId = await this.#runIdOfServer();
      return () => runId;
    }
    const firsts = new Map(tickets.map((ticket) => [ticket.matchNumber, ticket]));
    const found = await Promise.all(
      [...firsts].map(async ([matchNumber, ticket]) => [matchNumber, await this.runId(ticket)] as const),
    );
    const runs = new Map(found);
    return (ticket) => runs.get(ticket?.matchNumber ?? NaN) ?? '';
  }

  async #runIdOfServer(): Promise<string> {
    const runId = /run_id:(\w+)/.exec(await this.#redis.info('server'))?.[1];
    if (runId === undefined) throw new Error('Redis did not tell its run_id');
    return runId;
  }

  async #ask(ticket: TicketId): Promise<{ readonly claimedRun: string | null; readonly runId: string }> {
    const [runId, claimedRun] = (await this.#holder(this.#redis, [this.#keys.ticket(ticket).meta], [])) as [
      string,
      string | null | undefined,
    ];
    return { runId, claimedRun: claimedRun ?? null };
  }
}
