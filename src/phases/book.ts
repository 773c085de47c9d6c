/**
 * The sale phases of all tickets, as this process knows them.
 *
 * Guarantees: the archive decides; a change is known in every process at once when Redis tells of it, within two
 * seconds when that message is lost, and within half a minute whatever Redis has forgotten. While they were never
 * known here, asking rejects (`UnavailableError`): a ticket whose phases are not known is not sold. What was known
 * stays known while the archive is away.
 *
 * Redis carries a mark that is new with every change, so that a look costs one small question, and a copy for
 * processes that start while the archive is away. It is believed for nothing else.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import { bounded } from '../http/bounded.js';
import { UnavailableError } from '../http/problem.js';
import type { Logger } from '../process/log.js';
import { Loop } from '../process/loop.js';
import type { Bus } from '../redis/connection.js';
import { ticketName, type RedisKeys } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { nextChange, saleView, type Phase, type SaleView } from './phase.js';
import { allPhasesSchema, PhaseRecords, type TicketPhases } from './records.js';

/** Of Redis. */
interface Hashes {
  hget(key: string, field: string): Promise<string | null>;
  hset(key: string, fields: Record<string, string>): Promise<number>;
  publish(channel: string, message: string): Promise<number>;
}

export interface PhaseBookOptions {
  readonly documents: Documents;
  readonly redis: Hashes;
  readonly bus: Pick<Bus, 'subscribe' | 'onReset'>;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the archive and Redis may take. */
  readonly waitMs: number;
}

/** How often the mark in Redis is looked at, milliseconds. */
const LOOK_MS = 2_000;
/** After so many looks the archive is read, whatever the mark says. */
const LOOKS_BETWEEN_READS = 15;

const MARK = 'mark';
const COPY = 'phases';

export class PhaseBook {
  readonly records: PhaseRecords;
  readonly #options: PhaseBookOptions;
  readonly #listeners = new Set<() => void>();
  readonly #loop: Loop;
  /** Null while they were never known here. */
  #tickets: ReadonlyMap<string, TicketPhases> | null = null;
  #text = '';
  #mark: string | null = null;
  #looks = 0;
  #reading: Promise<void> = Promise.resolve();
  #stops: (() => void)[] = [];

  constructor(options: PhaseBookOptions) {
    const { documents, clock, logger } = options;
    this.#options = options;
    this.records = new PhaseRecords({ documents, clock });
    this.#loop = new Loop({
      clock,
      everyMs: LOOK_MS,
      firstMs: LOOK_MS,
      work: () => this.#look(),
      failed: (error, isFirst) => {
        if (isFirst) logger.warn({ err: error }, 'sale phases could not be read; trying again');
      },
    });
  }

  /** Resolves when they are known, or cannot be for now: then they are as soon as they can be. */
  async start(): Promise<void> {
    const { bus, keys, logger } = this.#options;
    const again = (): void => {
      this.read().catch((error: unknown) => logger.warn({ err: error }, 'sale phases could not be read'));
    };
    this.#stops = [await bus.subscribe(keys.channels.salePhases(), again), bus.onReset(again)];
    try {
      await this.read();
    } catch (error) {
      logger.error({ err: error }, 'the sale phases are not known, so nothing is sold: trying again');
    }
    this.#loop.start();
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    await this.#loop.stop();
    await this.#reading.catch(() => undefined);
  }

  /** In the order of the operator; none where the ticket is sold without. Throws `UnavailableError`. */
  phasesOf(ticket: TicketId): readonly Phase[] {
    if (!this.#tickets) throw new UnavailableError('the sale phases are not known yet');
    return this.#tickets.get(ticketName(ticket))?.phases ?? [];
  }

  /** Of the tickets that have some. */
  all(): readonly TicketPhases[] {
    return [...(this.#tickets?.values() ?? [])];
  }

  /** What buyers are told at a moment; null where the ticket is sold without, or that is not known. */
  saleOf(ticket: TicketId, at: number): SaleView | null {
    return saleView(this.#tickets?.get(ticketName(ticket))?.phases ?? [], at);
  }

  /** When what `saleOf` answers changes next after `at`, and of which tickets; null when it does not. */
  nextChange(at: number): { readonly at: number; readonly tickets: readonly TicketId[] } | null {
    const changes = this.all().flatMap(({ matchNumber, category, phases }) => {
      const next = nextChange(phases, at);
      return next === null ? [] : [{ ticket: { matchNumber, category }, next }];
    });
    if (changes.length === 0) return null;
    const first = Math.min(...changes.map(({ next }) => next));
    return { at: first, tickets: changes.filter(({ next }) => next === first).map(({ ticket }) => ticket) };
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => {
      this.#listeners.delete(onChange);
    };
  }

  /** Tells every process of what was written to `records`. */
  async changed(): Promise<void> {
    const { redis, keys, clock, waitMs, logger } = this.#options;
    await this.read();
    const mark = randomUUID();
    const told = redis
      .hset(keys.salePhases, { [MARK]: mark, [COPY]: this.#text })
      .then(() => redis.publish(keys.channels.salePhases(), ''));
    try {
      await bounded(clock, waitMs, 'Redis', told);
      this.#mark = mark;
    } catch (error) {
      // It is decided all the same, and they look for themselves.
      logger.warn({ err: error }, 'other processes could not be told of sale phases at once');
    }
  }

  /** Learns them anew, one reading after the other so that no older one comes last. */
  read(): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#read());
    return this.#reading;
  }

  async #look(): Promise<void> {
    const { redis, keys, clock, waitMs } = this.#options;
    this.#looks += 1;
    const mark = await bounded(clock, waitMs, 'Redis', redis.hget(keys.salePhases, MARK)).catch(() => null);
    const isDue = this.#tickets === null || this.#looks % LOOKS_BETWEEN_READS === 0;
    if (mark !== this.#mark || isDue) await this.read();
    this.#mark = mark;
  }

  async #read(): Promise<void> {
    const { clock, waitMs, logger } = this.#options;
    try {
      this.#take(await bounded(clock, waitMs, 'archive', this.records.all()));
    } catch (error) {
      // The archive is away since the start: what it last said stands in Redis, if anything does.
      const copy = this.#tickets ? null : await this.#copy();
      if (!copy) throw error;
      logger.warn({ err: error }, 'the archive does not say which sale phases there are: Redis does');
      this.#take(allPhasesSchema.parse(JSON.parse(copy)));
      return;
    }
    await this.#keepCopy();
  }

  #take(all: readonly TicketPhases[]): void {
    const text = JSON.stringify(all);
    if (this.#tickets && text === this.#text) return;
    this.#tickets = new Map(all.map((one) => [ticketName(one), one]));
    this.#text = text;
    for (const listener of this.#listeners) listener();
  }

  #copy(): Promise<string | null> {
    const { redis, keys, clock, waitMs } = this.#options;
    return bounded(clock, waitMs, 'Redis', redis.hget(keys.salePhases, COPY));
  }

  /** Puts the copy right, as in a Redis that is new. */
  async #keepCopy(): Promise<void> {
    const { redis, keys, clock, waitMs } = this.#options;
    try {
      if ((await this.#copy()) === this.#text) return;
      await bounded(clock, waitMs, 'Redis', redis.hset(keys.salePhases, { [COPY]: this.#text }));
    } catch {
      // The next reading does.
    }
  }
}
