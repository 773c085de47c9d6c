/**
 * What a peer has still to publish. Guarantees: records reach the log in the order in which they were added;
 * a failure is tried again, later and later, and never thrown; a publisher that failed midway is fenced before
 * another goes on. What it wrote is then known of records with an eventId; the others of its last batch may be
 * in the log twice, as those of marketplaces without ids may.
 */
import type { Clock } from '../actors/ports.js';
import { NotPublishedError, type Log, type OutgoingRecord, type Publisher } from '../kafka/port.js';
import { inTime } from './in-time.js';
import type { Random } from './random.js';

const BATCH_RECORDS_MAX = 100;
/** A failed batch is tried again after this, doubling up to the maximum, with jitter. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5_000;
/** The last records get this long when the peer is stopped. */
const STOP_MS_MAX = 3_000;

export interface OutboxOptions<Kind> {
  readonly log: Pick<Log, 'openPublisher' | 'fence' | 'readBack'>;
  readonly clock: Clock;
  /** Of all records. */
  readonly topic: string;
  /** For jitter. */
  readonly random: Random;
  readonly onPublished: (kinds: readonly Kind[]) => void;
  readonly onFailure: () => void;
}

interface Entry<Kind> {
  readonly record: OutgoingRecord;
  readonly kind: Kind;
  /** Null when the log cannot tell whether it has this one. */
  readonly eventId: string | null;
}

/** A publisher that failed midway, and since when. */
interface Doubt {
  readonly publisherId: string;
  readonly since: number;
}

/** Brokers and we may differ about the time. */
const CLOCKS_DIFFER_MS = 60_000;

export class Outbox<Kind> {
  readonly #options: OutboxOptions<Kind>;
  #entries: Entry<Kind>[] = [];
  #publisher: Publisher | null = null;
  /** What it wrote is not known; fenced before anything else is written. */
  #doubt: Doubt | null = null;
  #running: Promise<void> | null = null;
  #wake: () => void = () => undefined;
  #ending = false;
  #ended = false;

  constructor(options: OutboxOptions<Kind>) {
    this.#options = options;
  }

  /** Records that are not known to be published. */
  get waiting(): number {
    return this.#entries.length;
  }

  /** `isRepeat`: the log may have the same record already. */
  add(records: readonly OutgoingRecord[], kind: Kind, isRepeat = false): void {
    if (this.#ended) return;
    for (const record of records) {
      const eventId = isRepeat ? null : (record.headers['eventId'] ?? null);
      this.#entries.push({ record, kind, eventId });
    }
    this.#kick();
  }

  /** Tries once more what is left, then gives it up. */
  async stop(): Promise<void> {
    this.#ending = true;
    this.#wake();
    if (this.#running) await inTime(this.#options.clock, STOP_MS_MAX, this.#running);
    this.#ended = true;
  }

  #kick(): void {
    if (this.#entries.length === 0) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // Something may have been added while the last batch ended.
      if (!this.#ending) this.#kick();
    });
  }

  async #run(): Promise<void> {
    let failures = 0;
    // Never inside the call that added.
    await Promise.resolve();
    while (this.#entries.length > 0 && !this.#ended) {
      try {
        await this.#settleDoubt();
        const batch = this.#entries.slice(0, BATCH_RECORDS_MAX);
        await this.#publish(batch.map(({ record }) => record));
        this.#published(batch);
        failures = 0;
      } catch {
        failures += 1;
        this.#options.onFailure();
        if (this.#ending) return;
        await this.#pause(failures);
      }
    }
  }

  async #publish(records: readonly OutgoingRecord[]): Promise<void> {
    const { log, clock } = this.#options;
    if (records.length === 0) return;
    const publisher = (this.#publisher ??= await log.openPublisher());
    const since = clock.now();
    try {
      await publisher.publish(records);
    } catch (error) {
      if (!(error instanceof NotPublishedError)) {
        this.#doubt = { publisherId: publisher.id, since };
        this.#publisher = null;
      }
      throw error;
    }
  }

  /** Finds out which records of the failed batch are in the log. */
  async #settleDoubt(): Promise<void> {
    const { log, topic } = this.#options;
    if (!this.#doubt) return;
    await log.fence(this.#doubt.publisherId);
    const there = new Set<string>();
    await log.readBack(topic, this.#doubt.since - CLOCKS_DIFFER_MS, ({ headers }) => {
      if (headers['eventId'] !== undefined) there.add(headers['eventId']);
    });
    this.#doubt = null;
    const batch = this.#entries.slice(0, BATCH_RECORDS_MAX);
    this.#published(batch.filter(({ eventId }) => eventId !== null && there.has(eventId)));
  }

  #published(entries: readonly Entry<Kind>[]): void {
    const done = new Set(entries);
    this.#entries = this.#entries.filter((entry) => !done.has(entry));
    this.#options.onPublished(entries.map(({ kind }) => kind));
  }

  #pause(failures: number): Promise<void> {
    const delayMs = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (failures - 1));
    return this.#wait(delayMs * (0.5 + this.#options.random() / 2));
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.schedule(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}
