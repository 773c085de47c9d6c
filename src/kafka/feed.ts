/**
 * The log of the embedded default: topics in the memory of one process, one partition each.
 *
 * Guarantees those of the port, and: a record is dropped only when every subscriber has passed it; publishing
 * is refused (`FeedFullError`) rather than growing without a limit while a subscriber does not keep up; a
 * handler that rejects is given the same batch again, later and later up to a limit. What is published is as
 * durable as the process: in the embedded default the archive keeps what must be kept.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../actors/ports.js';
import {
  NotPublishedError,
  type IncomingRecord,
  type Log,
  type OutgoingRecord,
  type Places,
  type Publisher,
  type Subscription,
} from './port.js';

/** Records of one topic kept for subscribers to come, and most that a subscriber may be behind. */
export const FEED_RECORDS_MAX = 10_000;
/** Most records handed over at once. */
export const FEED_BATCH_RECORDS_MAX = 500;
/** A rejected batch is handed over again after this, doubling up to the maximum, with jitter. */
export const FEED_RETRY_MS_MIN = 50;
export const FEED_RETRY_MS_MAX = 5_000;

/** A subscriber is too far behind; the same records can be published when it has caught up. */
export class FeedFullError extends NotPublishedError {
  override readonly name = 'FeedFullError';
}
/** The feed is not running; the same records can be published once it is. */
export class FeedStoppedError extends NotPublishedError {
  override readonly name = 'FeedStoppedError';
}
/** The publisher was fenced. */
export class FeedFencedError extends Error {
  override readonly name = 'FeedFencedError';
}

export interface FeedOptions {
  readonly clock: Clock;
  readonly recordsMax?: number;
  readonly batchRecordsMax?: number;
  /** From 0 to 1, for jitter. */
  readonly random?: () => number;
}

type Handler = (records: readonly IncomingRecord[]) => Promise<void>;

interface Topic {
  readonly name: string;
  readonly source: string;
  /** Offset of the first record kept. */
  base: number;
  readonly records: IncomingRecord[];
  readonly readers: Set<Reader>;
}

/** One subscriber's place in one topic. */
interface Reader {
  readonly topic: Topic;
  readonly handler: Handler;
  next: number;
  ended: boolean;
  running: Promise<void> | null;
  /** Ends the pause before a retry at once. */
  wake: (() => void) | null;
}

const endOf = (topic: Topic): number => topic.base + topic.records.length;

export class InProcessFeed implements Log {
  readonly #clock: Clock;
  readonly #recordsMax: number;
  readonly #batchRecordsMax: number;
  readonly #random: () => number;
  readonly #id = randomUUID();
  readonly #topics = new Map<string, Topic>();
  readonly #fenced = new Set<string>();
  #started = false;

  constructor(options: FeedOptions) {
    this.#clock = options.clock;
    this.#recordsMax = options.recordsMax ?? FEED_RECORDS_MAX;
    this.#batchRecordsMax = options.batchRecordsMax ?? FEED_BATCH_RECORDS_MAX;
    this.#random = options.random ?? Math.random;
  }

  start(): Promise<void> {
    this.#started = true;
    for (const reader of this.#readers()) this.#kick(reader);
    return Promise.resolve();
  }

  /** Resolves after the batches at hand. Records and places are kept for the next start. */
  async stop(): Promise<void> {
    this.#started = false;
    const readers = this.#readers();
    for (const reader of readers) reader.wake?.();
    await Promise.all(readers.map((reader) => reader.running ?? Promise.resolve()));
  }

  openPublisher(): Promise<Publisher> {
    const id = `in-process/${randomUUID()}`;
    const publish = async (records: readonly OutgoingRecord[]): Promise<void> => {
      if (this.#fenced.has(id)) throw new FeedFencedError(`The publisher ${id} was fenced`);
      await this.publish(records);
    };
    return Promise.resolve({ id, publish });
  }

  fence(publisherId: string): Promise<void> {
    this.#fenced.add(publisherId);
    return Promise.resolve();
  }

  readBack(topic: string, since: number, onRecord: (record: IncomingRecord) => void): Promise<void> {
    for (const record of this.#topic(topic).records) if (record.timestamp >= since) onRecord(record);
    return Promise.resolve();
  }

  /** All of the records or, when it rejects, none. */
  async publish(records: readonly OutgoingRecord[]): Promise<void> {
    if (!this.#started) throw new FeedStoppedError('The in-process feed is not running');
    const byTopic = new Map<Topic, OutgoingRecord[]>();
    for (const record of records) {
      const topic = this.#topic(record.topic);
      const group = byTopic.get(topic);
      if (group) group.push(record);
      else byTopic.set(topic, [record]);
    }
    for (const [topic, group] of byTopic) this.#checkRoom(topic, group.length);
    const now = this.#clock.now();
    for (const [topic, group] of byTopic) {
      for (const record of group) topic.records.push(this.#incoming(topic, record, now));
      this.#trim(topic);
      for (const reader of topic.readers) this.#kick(reader);
    }
  }

  /** Every call is a group of its own. Do not wait for its `stop` inside the handler it ends. */
  subscribe(topics: readonly string[], handler: Handler): Promise<Subscription> {
    const readers = topics.map((name): Reader => {
      const topic = this.#topic(name);
      const reader = { topic, handler, next: topic.base, ended: false, running: null, wake: null };
      topic.readers.add(reader);
      return reader;
    });
    for (const reader of readers) this.#kick(reader);
    const placesOf = (of: (reader: Reader) => number): ReadonlyMap<string, number> =>
      new Map(readers.map((reader) => [reader.topic.source, of(reader)]));
    return Promise.resolve({
      handled: (): Places =>
        new Map([...placesOf(({ next }) => next)].map(([source, next]) => [source, String(next)])),
      // The records are as short-lived as the process: there is no later start to remember places for.
      commit: (places) => Promise.resolve(places),
      rewind: () => Promise.all(readers.map((reader) => this.#rewind(reader))).then(() => undefined),
      lag: () => placesOf(({ topic, next }) => endOf(topic) - next),
      isJoined: () => true,
      stop: () => this.#end(readers),
    });
  }

  /** To the oldest record that is kept, after the batch at hand. */
  async #rewind(reader: Reader): Promise<void> {
    const wasEnded = reader.ended;
    reader.ended = true;
    reader.wake?.();
    await reader.running;
    reader.ended = wasEnded;
    reader.next = reader.topic.base;
    this.#kick(reader);
  }

  async #end(readers: readonly Reader[]): Promise<void> {
    for (const reader of readers) {
      reader.ended = true;
      reader.wake?.();
    }
    await Promise.all(readers.map((reader) => reader.running ?? Promise.resolve()));
    for (const reader of readers) {
      reader.topic.readers.delete(reader);
      this.#trim(reader.topic);
    }
  }

  #readers(): Reader[] {
    return [...this.#topics.values()].flatMap((topic) => [...topic.readers]);
  }

  #topic(name: string): Topic {
    let topic = this.#topics.get(name);
    if (!topic) {
      const source = `in-process/${this.#id}/${name}/0`;
      topic = { name, source, base: 0, records: [], readers: new Set() };
      this.#topics.set(name, topic);
    }
    return topic;
  }

  #incoming(topic: Topic, record: OutgoingRecord, now: number): IncomingRecord {
    return {
      source: topic.source,
      topic: topic.name,
      offset: String(endOf(topic)),
      timestamp: now,
      value: ownBytes(record.value),
      headers: { ...record.headers },
    };
  }

  /** A group larger than the limit passes when nobody is behind: else it never could. */
  #checkRoom(topic: Topic, count: number): void {
    const behind = endOf(topic) - this.#slowest(topic);
    if (behind > 0 && behind + count > this.#recordsMax) {
      throw new FeedFullError(`A subscriber of ${topic.name} is ${behind} records behind`);
    }
  }

  /** Offset that every subscriber has reached. */
  #slowest(topic: Topic): number {
    let slowest = endOf(topic);
    for (const reader of topic.readers) slowest = Math.min(slowest, reader.next);
    return slowest;
  }

  #trim(topic: Topic): void {
    const excess = topic.records.length - this.#recordsMax;
    const passed = this.#slowest(topic) - topic.base;
    const count = Math.min(excess, passed);
    if (count <= 0) return;
    topic.records.splice(0, count);
    topic.base += count;
  }

  #goesOn(reader: Reader): boolean {
    return this.#started && !reader.ended;
  }

  #kick(reader: Reader): void {
    if (!this.#goesOn(reader) || reader.next >= endOf(reader.topic)) return;
    reader.running ??= this.#deliver(reader).finally(() => {
      reader.running = null;
      // Something may have come, or the feed been started again, while the last batch ended.
      this.#kick(reader);
    });
  }

  async #deliver(reader: Reader): Promise<void> {
    const { topic } = reader;
    let failures = 0;
    // Never inside the call that published.
    await Promise.resolve();
    while (this.#goesOn(reader) && reader.next < endOf(topic)) {
      const from = reader.next - topic.base;
      const batch = topic.records.slice(from, from + this.#batchRecordsMax);
      try {
        await reader.handler(batch);
        reader.next += batch.length;
        failures = 0;
        this.#trim(topic);
      } catch {
        failures += 1;
        if (this.#goesOn(reader)) await this.#pause(reader, failures);
      }
    }
  }

  #pause(reader: Reader, failures: number): Promise<void> {
    const delayMs = Math.min(FEED_RETRY_MS_MAX, FEED_RETRY_MS_MIN * 2 ** (failures - 1));
    return new Promise((resolve) => {
      const done = (): void => {
        cancel();
        reader.wake = null;
        resolve();
      };
      // Half of it is left to chance, so that several that failed together do not come back together.
      const cancel = this.#clock.schedule(delayMs * (0.5 + this.#random() / 2), done);
      reader.wake = done;
    });
  }
}

/** In memory of its own: a piece of the pool that short buffers share would keep 8 KiB as long as the record is kept. */
function ownBytes(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}
