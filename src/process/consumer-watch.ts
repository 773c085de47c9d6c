/** What the consumer needs of the process around it: news of lost writes, durable places, metrics. */
import { hostname } from 'node:os';
import type { Core } from './core.js';
import type { Metrics } from '../http/metrics.js';
import type { Durability, SalesConsumer } from '../kafka/consumer.js';
import type { RedisTicketStore, TicketProgress } from '../redis/ticket-store.js';
import type { Catalog } from '../catalog/catalog.js';
import type { Clock } from '../actors/ports.js';
import type { Logger } from './log.js';
import { comparePositions } from '../actors/position.js';

/** What a consumer says of itself every `METRICS_MS`, for whoever looks at the whole marketplace. */
export interface ConsumerStanding {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly lag: readonly { readonly source: string; readonly records: number }[];
  /** Messages that wait for the master-list entry of their ticket. */
  readonly waiting: number;
}

/** Several tickets are rebuilt at once: one rewind is for all of them. */
const REWIND_DELAY_MS = 500;
const METRICS_MS = 2_000;
/** How long a look for what is archived goes on. */
const ARCHIVED_WAIT_MS = 5_000;
const ARCHIVED_LOOK_MS = 100;

/** Rewinds the consumer when Redis may have forgotten what only it knew; answers how to end that. */
export async function watchConsumer(
  consumer: SalesConsumer,
  { redis, bus, keys, clock, logger }: Pick<Core, 'redis' | 'bus' | 'keys' | 'clock' | 'logger'>,
  metrics: Metrics,
): Promise<() => void> {
  const id = `${hostname()}-${process.pid}`;
  const rewinding = new Rewinding(consumer, clock, logger);
  const rewind = (): void => rewinding.soon();
  const unsubscribe = await bus.subscribe(keys.channels.rebuilt(), rewind);
  const unreset = bus.onReset(rewind);
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
    rewinding.stop();
    cancelMetrics();
    metrics.marketJoined.set(0);
    redis.hdel(keys.consumers, id).catch(() => undefined);
  };
}

/** Reads the market again a little later, once for all that asked meanwhile, and until it could. */
export class Rewinding {
  readonly #consumer: Pick<SalesConsumer, 'rewind'>;
  readonly #clock: Clock;
  readonly #logger: Pick<Logger, 'warn'>;
  #cancel: (() => void) | null = null;

  constructor(consumer: Pick<SalesConsumer, 'rewind'>, clock: Clock, logger: Pick<Logger, 'warn'>) {
    this.#consumer = consumer;
    this.#clock = clock;
    this.#logger = logger;
  }

  soon(): void {
    this.#cancel ??= this.#clock.schedule(REWIND_DELAY_MS, () => {
      this.#cancel = null;
      this.#consumer.rewind().catch((error: unknown) => {
        this.#logger.warn({ err: error }, 'could not read the market again after a loss; trying again');
        this.soon();
      });
    });
  }

  stop(): void {
    this.#cancel?.();
  }
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
  readonly #core: DurabilityDeps;
  #runId = '';
  readonly #incarnations = new Map<string, number>();

  constructor(core: DurabilityDeps) {
    this.#core = core;
  }

  async begin(): Promise<void> {
    const { store, catalog } = this.#core;
    const [runId, progress] = await Promise.all([store.runId(), store.progress(catalog.tickets)]);
    this.#runId = runId;
    this.#incarnations.clear();
    for (const [name, { position }] of progress) this.#incarnations.set(name, position.incarnation);
  }

  async check(): Promise<'durable' | 'pending' | 'lost'> {
    const { store, catalog, clock } = this.#core;
    const giveUpAt = clock.now() + ARCHIVED_WAIT_MS;
    let left = await store.progress(catalog.tickets);
    for (;;) {
      const [runId, now] = await Promise.all([store.runId(), store.progress(catalog.tickets)]);
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

  /** Tickets that are new since the beginning have lost nothing. */
  #hasLost(now: ReadonlyMap<string, TicketProgress>): boolean {
    for (const [name, incarnation] of this.#incarnations) {
      if (now.get(name)?.position.incarnation !== incarnation) return true;
    }
    for (const [name, { position }] of now) this.#incarnations.set(name, position.incarnation);
    return false;
  }
}
