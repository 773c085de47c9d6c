/** What the consumer needs of the process around it: news of lost writes, durable places, metrics. */
import { hostname } from 'node:os';
import type { Core } from './core.js';
import type { Metrics } from '../http/metrics.js';
import type { Durability, Reading, SalesConsumer } from '../kafka/consumer.js';
import { ticketName } from '../redis/keys.js';
import type { RedisTicketStore, TicketProgress } from '../redis/ticket-store.js';
import type { TicketId } from '../rules/index.js';
import type { Catalog } from '../catalog/catalog.js';
import type { Clock } from '../actors/ports.js';
import { comparePositions } from '../actors/position.js';

/** What a consumer says of itself every `METRICS_MS`, for whoever looks at the whole marketplace. */
export interface ConsumerStanding {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly lag: readonly { readonly source: string; readonly records: number }[];
  /** Messages that wait for the master-list entry of their ticket. */
  readonly waiting: number;
}

const METRICS_MS = 2_000;
/** How long a look for what is archived goes on. */
const ARCHIVED_WAIT_MS = 5_000;
const ARCHIVED_LOOK_MS = 100;

/** Rewinds the consumer when Redis may have forgotten what only it knew; answers how to end that. */
export async function watchConsumer(
  consumer: SalesConsumer,
  { redis, bus, keys, clock }: Pick<Core, 'redis' | 'bus' | 'keys' | 'clock'>,
  metrics: Metrics,
): Promise<() => void> {
  const id = `${hostname()}-${process.pid}`;
  const lost = (): void => consumer.lost();
  const unsubscribe = await bus.subscribe(keys.channels.rebuilt(), lost);
  const unreset = bus.onReset(lost);
  let cancelMetrics: () => void = () => undefined;
  const measure = (): void => {
    metrics.marketJoined.set(consumer.joined ? 1 : 0);
    metrics.messagesWaiting.set(consumer.waiting);
    metrics.consumerLagRecords.reset();
    const lag = [...consumer.lag()].map(([source, records]) => ({ source, records }));
    for (const { source, records } of lag) metrics.consumerLagRecords.set({ source }, records);
    const said: ConsumerStanding = { at: clock.now(), lag, waiting: consumer.waiting };
    // Only told to operators: a beat that is lost is followed by the next.
    redis.hset(keys.consumers, id, JSON.stringify(said)).catch(() => undefined);
    cancelMetrics = clock.schedule(METRICS_MS, measure);
  };
  measure();
  return () => {
    unsubscribe();
    unreset();
    cancelMetrics();
    metrics.marketJoined.set(0);
    redis.hdel(keys.consumers, id).catch(() => undefined);
  };
}

export interface DurabilityDeps {
  readonly store: Pick<RedisTicketStore, 'runId' | 'progress'>;
  readonly catalog: Pick<Catalog, 'tickets'>;
  readonly clock: Clock;
}

/**
 * Whether what the consumer has handled is durable. Redis may lose writes without telling: every loss shows as
 * another run of the server or another incarnation of a ticket, so both are compared with what they were when
 * the reading began.
 */
export class RedisDurability implements Durability {
  readonly #deps: DurabilityDeps;

  constructor(deps: DurabilityDeps) {
    this.#deps = deps;
  }

  async begin(): Promise<Reading> {
    const { store, catalog } = this.#deps;
    const { tickets } = catalog;
    const [runId, progress] = await Promise.all([store.runId(tickets), store.progress(tickets)]);
    return new RedisReading(this.#deps, runId, progress, tickets);
  }
}

class RedisReading implements Reading {
  readonly #deps: DurabilityDeps;
  readonly #runId: string;
  /** Those that `#runId` is of, where that matters. */
  readonly #tickets: readonly TicketId[];
  /** By the ticket's name. Set once: an incarnation that a ticket has later may lack what was handled before. */
  readonly #incarnations = new Map<string, number>();
  /** Met before the catalog here had them. */
  readonly #others: TicketId[] = [];

  constructor(
    deps: DurabilityDeps,
    runId: string,
    progress: ReadonlyMap<string, TicketProgress>,
    tickets: readonly TicketId[],
  ) {
    this.#deps = deps;
    this.#runId = runId;
    this.#tickets = tickets;
    this.#meet(progress);
  }

  async incarnationOf(ticket: TicketId): Promise<number | null> {
    const name = ticketName(ticket);
    // Nothing was sent to a ticket that was not met before, so whatever it has now lacks nothing.
    if (!this.#incarnations.has(name)) {
      const progress = await this.#deps.store.progress([ticket]);
      this.#meet(progress);
      if (progress.size > 0) this.#others.push(ticket);
    }
    return this.#incarnations.get(name) ?? null;
  }

  async check(): Promise<'durable' | 'pending' | 'lost'> {
    const { store, clock } = this.#deps;
    const giveUpAt = clock.now() + ARCHIVED_WAIT_MS;
    let left = await this.#progress();
    for (;;) {
      const [runId, now] = await Promise.all([store.runId(this.#tickets), this.#progress()]);
      if (runId !== this.#runId || this.#hasLost(now)) return 'lost';
      left = new Map(
        [...left].filter(([name, { position }]) => {
          const archived = now.get(name)?.archived;
          return archived === undefined || comparePositions(archived, position) < 0;
        }),
      );
      if (left.size === 0) return 'durable';
      if (clock.now() > giveUpAt) return 'pending';
      await new Promise<void>((resolve) => clock.schedule(ARCHIVED_LOOK_MS, resolve));
    }
  }

  #progress(): Promise<ReadonlyMap<string, TicketProgress>> {
    const { store, catalog } = this.#deps;
    return store.progress([...catalog.tickets, ...this.#others]);
  }

  #meet(progress: ReadonlyMap<string, TicketProgress>): void {
    for (const [name, { position }] of progress) {
      if (!this.#incarnations.has(name)) this.#incarnations.set(name, position.incarnation);
    }
  }

  #hasLost(now: ReadonlyMap<string, TicketProgress>): boolean {
    for (const [name, incarnation] of this.#incarnations) {
      if (now.get(name)?.position.incarnation !== incarnation) return true;
    }
    this.#meet(now);
    return false;
  }
}
