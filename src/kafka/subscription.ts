/**
 * One member of a consumer group.
 *
 * Guarantees: batches of one partition are handed over in order, the next one only when the handler has
 * resolved for the one before; one that rejects comes again, later and later; the group's place moves only by
 * `commit`, and only over what was handled here; a consumer that the library gives up is made anew. Every
 * record's source names cluster, topic incarnation and partition, so that a topic that was deleted and made
 * anew is not taken for the old one.
 */
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import { incoming } from './broker-log.js';
import {
  EARLIEST,
  LATEST,
  NO_ID,
  protocolErrorOf,
  type BatchEndEvent,
  type Consumer,
  type EachBatchPayload,
  type KafkaClient,
} from './kafkajs.js';
import type { IncomingRecord, Places, Subscription } from './port.js';

export interface GroupSubscriptionOptions {
  readonly client: KafkaClient;
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly handler: (records: readonly IncomingRecord[]) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Resolves when the topics are there. */
  readonly ready: () => Promise<void>;
}

/** A member that is silent this long has left, milliseconds. */
const SESSION_MS = 10_000;
const HEARTBEAT_MS = 1_500;
/** A batch at hand may keep a rebalance waiting this long. */
const REBALANCE_MS = 30_000;
const BATCH_RECORDS_MAX = 4_000;
const PARTITIONS_AT_ONCE = 4;
/** A rejected batch is handed over again after this, doubling up to the maximum. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;
/** A consumer that failed is made anew after this. */
const RESTART_MS = 1_000;
/** How often the ends of partitions are looked up. */
const WATCH_MS = 5_000;

type EmptyBatch = Pick<
  BatchEndEvent['payload'],
  'topic' | 'partition' | 'batchSize' | 'firstOffset' | 'lastOffset'
>;

interface Partition {
  readonly topic: string;
  readonly partition: number;
  readonly source: string;
  /** Next offset to handle; null before the first batch. */
  next: bigint | null;
  /** Where the group goes on; null when that is not known here. */
  committed: bigint | null;
  /** Behind the newest record. */
  end: bigint | null;
}

export class GroupSubscription implements Subscription {
  readonly #options: GroupSubscriptionOptions;
  readonly #partitions = new Map<string, Partition>();
  #consumer: Consumer | null = null;
  #incarnations: ReadonlyMap<string, string> = new Map();
  /** Partitions read here, by topic; null while this is no member of the group. */
  #assigned: Readonly<Record<string, readonly number[]>> | null = null;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Ends the wait for brokers that never were there. */
  #cancelReady: () => void = () => undefined;
  #wake: () => void = () => undefined;
  #cancelWatch: () => void = () => undefined;

  constructor(options: GroupSubscriptionOptions) {
    this.#options = options;
  }

  /** Resolves at once: brokers that are away are waited for. */
  start(): Promise<void> {
    this.#running = this.#supervise();
    this.#armWatch();
    return Promise.resolve();
  }

  handled(): Places {
    const places = new Map<string, string>();
    for (const { source, next } of this.#partitions.values()) {
      if (next !== null) places.set(source, String(next));
    }
    return places;
  }

  async commit(places: Places): Promise<Places> {
    if (!this.#consumer) return new Map();
    const read = [...this.#partitions.values()].flatMap((partition) => {
      const offset = places.get(partition.source);
      return offset === undefined ? [] : [{ partition, offset }];
    });
    const moved = read.filter(({ partition, offset }) => partition.committed !== BigInt(offset));
    if (moved.length > 0) {
      await this.#consumer.commitOffsets(
        moved.map(({ partition: { topic, partition }, offset }) => ({ topic, partition, offset })),
      );
    }
    for (const { partition, offset } of moved) partition.committed = BigInt(offset);
    return new Map(read.map(({ partition: { source }, offset }) => [source, offset]));
  }

  async rewind(): Promise<void> {
    const { client, groupId, topics } = this.#options;
    for (const topic of topics) {
      const mine = [...this.#partitions.values()].filter((partition) => partition.topic === topic);
      if (mine.length === 0) continue;
      const committed = await client.groupOffsets(groupId, topic);
      const starts = await client.offsetsAt(topic, EARLIEST);
      for (const partition of mine) {
        const known = BigInt(committed.get(partition.partition) ?? -1);
        const to = known >= 0n ? known : (starts.get(partition.partition) ?? 0n);
        partition.next = to;
        this.#consumer?.seek({ topic, partition: partition.partition, offset: String(to) });
      }
    }
  }

  lag(): ReadonlyMap<string, number> {
    const lags = new Map<string, number>();
    for (const { source, next, end } of this.#partitions.values()) {
      if (end !== null) lags.set(source, Math.max(0, Number(end - (next ?? 0n))));
    }
    return lags;
  }

  isJoined(): boolean {
    return this.#assigned !== null;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelWatch();
    this.#cancelReady();
    this.#wake();
    await this.#running;
  }

  // ---- the consumer -----------------------------------------------------------------------------------

  async #supervise(): Promise<void> {
    const { logger } = this.#options;
    while (!this.#stopped) {
      try {
        await Promise.race([
          this.#options.ready(),
          new Promise<void>((resolve) => (this.#cancelReady = resolve)),
        ]);
        if (!this.#stopped) await this.#consume();
      } catch (error) {
        logger.warn({ err: error }, 'the consumer of the market failed; starting it anew');
      }
      if (!this.#stopped) await this.#pause(RESTART_MS);
    }
  }

  /** Runs one consumer until it fails or the subscription is stopped. */
  async #consume(): Promise<void> {
    const { client, groupId, topics } = this.#options;
    this.#incarnations = await this.#readIncarnations();
    const consumer = client.consumer({
      groupId,
      sessionTimeout: SESSION_MS,
      heartbeatInterval: HEARTBEAT_MS,
      rebalanceTimeout: REBALANCE_MS,
      maxWaitTimeInMs: 500,
      retry: {
        retries: 5,
        initialRetryTime: 100,
        maxRetryTime: 2_000,
        restartOnFailure: () => Promise.resolve(false),
      },
    });
    const ended = new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    });
    // It may fail before anybody waits for its end.
    ended.catch(() => undefined);
    // What another member did with a partition while it had it is not known here.
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const assigned = payload.memberAssignment;
      for (const [key, { topic, partition }] of this.#partitions) {
        if (!assigned[topic]?.includes(partition)) this.#partitions.delete(key);
      }
      this.#assigned = assigned;
    });
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => this.#passEmpty(payload));
    this.#consumer = consumer;
    try {
      await consumer.connect();
      await consumer.subscribe({ topics: [...topics], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        partitionsConsumedConcurrently: PARTITIONS_AT_ONCE,
        eachBatch: (payload) => this.#eachBatch(payload),
      });
      if (this.#stopped) return;
      await ended;
    } finally {
      this.#consumer = null;
      this.#partitions.clear();
      this.#assigned = null;
      await consumer.disconnect().catch(() => undefined);
    }
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    // Asked after the batch came: were the topic made anew before, its records would pass for the old ones.
    if (!(await this.#isSameTopic(batch.topic))) return;
    const partition = await this.#partition(batch.topic, batch.partition);
    partition.end = BigInt(batch.highWatermark);
    for (let from = 0; from < batch.messages.length; from += BATCH_RECORDS_MAX) {
      const messages = batch.messages.slice(from, from + BATCH_RECORDS_MAX);
      const records = messages.map(({ offset, timestamp, value, headers }) =>
        incoming({ offset, timestamp, value, headers: headers ?? {} }, partition.source, batch.topic),
      );
      if (!(await this.#handOver(records, payload))) return;
      const last = records.at(-1);
      // A rewind or a rebalance may have come meanwhile.
      if (!last || !payload.isRunning() || payload.isStale()) return;
      payload.resolveOffset(last.offset);
      partition.next = BigInt(last.offset) + 1n;
    }
  }

  /** A batch of nothing but the marks of fences is not handed over; it counts as read when it comes next. */
  #passEmpty({ topic, partition, batchSize, firstOffset, lastOffset }: EmptyBatch): void {
    const known = this.#partitions.get(`${topic}/${partition}`);
    if (batchSize > 0 || !known || known.next === null || BigInt(firstOffset) > known.next) return;
    const next = BigInt(lastOffset) + 1n;
    if (next > known.next) known.next = next;
  }

  /** False when the partition is to be read by somebody else, or again, before the handler has resolved. */
  async #handOver(records: readonly IncomingRecord[], payload: EachBatchPayload): Promise<boolean> {
    const heartbeat = (): Promise<void> => payload.heartbeat();
    const { handler, logger } = this.#options;
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(RETRY_MS_MAX, 2 * delayMs)) {
      if (!payload.isRunning() || payload.isStale()) return false;
      try {
        await this.#beatWhile(handler(records), heartbeat);
        return true;
      } catch (error) {
        if (isRebalance(error)) throw error;
        logger.debug({ err: error }, 'a batch was not handled; handing it over again');
      }
      await this.#beatWhile(this.#pause(delayMs * (0.5 + Math.random() / 2)), heartbeat);
    }
  }

  /** Keeps the membership while the work goes on; a rebalance is told when it has ended. */
  async #beatWhile(work: Promise<void>, heartbeat: () => Promise<void>): Promise<void> {
    let lost: unknown = null;
    const timer = setInterval(() => {
      heartbeat().catch((error: unknown) => {
        lost ??= error;
      });
    }, HEARTBEAT_MS);
    try {
      await work;
    } finally {
      clearInterval(timer);
    }
    if (lost !== null && isRebalance(lost)) throw lost as Error;
  }

  async #partition(topic: string, partition: number): Promise<Partition> {
    const key = `${topic}/${partition}`;
    const known = this.#partitions.get(key);
    if (known) return known;
    const { client } = this.#options;
    const source = `${await client.clusterId()}/${this.#incarnations.get(topic) ?? topic}/${partition}`;
    const made: Partition = { topic, partition, source, next: null, committed: null, end: null };
    this.#partitions.set(key, made);
    return made;
  }

  async #readIncarnations(): Promise<ReadonlyMap<string, string>> {
    const facts = await this.#options.client.topics(this.#options.topics);
    const missing = this.#options.topics.filter((topic) => !facts.has(topic));
    if (missing.length > 0) throw new Error(`Kafka has no topic ${missing.join(', ')}`);
    // Brokers that tell no ids: the name at least keeps topics apart.
    return new Map([...facts].map(([name, { id }]) => [name, id === NO_ID ? name : id]));
  }

  /** False when it was deleted, maybe made anew: the consumer is started anew then. */
  async #isSameTopic(topic: string): Promise<boolean> {
    const id = (await this.#options.client.topics([topic])).get(topic)?.id;
    if (id !== undefined && (id === NO_ID ? topic : id) === this.#incarnations.get(topic)) return true;
    this.#options.logger.warn({ topic }, 'a topic was deleted; reading the new one from its beginning');
    this.#wake();
    return false;
  }

  // ---- watching ---------------------------------------------------------------------------------------

  #armWatch(): void {
    this.#cancelWatch = this.#options.clock.schedule(WATCH_MS, () => {
      this.#watch()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#stopped) this.#armWatch();
        });
    });
  }

  async #watch(): Promise<void> {
    const { client, topics } = this.#options;
    if (!this.#consumer) return;
    await this.#noteAssigned();
    for (const topic of topics) {
      const ends = await client.offsetsAt(topic, LATEST);
      for (const partition of this.#partitions.values()) {
        if (partition.topic === topic) partition.end = ends.get(partition.partition) ?? partition.end;
      }
    }
  }

  /** Partitions from which nothing has come yet: only so is it told how far behind they are. */
  async #noteAssigned(): Promise<void> {
    const { client, groupId } = this.#options;
    for (const [topic, partitions] of Object.entries(this.#assigned ?? {})) {
      const idle = partitions.filter((partition) => !this.#partitions.has(`${topic}/${partition}`));
      if (idle.length === 0) continue;
      const [committed, starts] = [
        await client.groupOffsets(groupId, topic),
        await client.offsetsAt(topic, EARLIEST),
      ];
      for (const partition of idle) {
        if (!this.#assigned?.[topic]?.includes(partition)) continue;
        const known = BigInt(committed.get(partition) ?? -1);
        const made = await this.#partition(topic, partition);
        made.next ??= known >= 0n ? known : (starts.get(partition) ?? 0n);
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(delayMs, resolve));
  }
}

/** The group is being divided anew, or has been without this member. */
const isRebalance = (error: unknown): boolean => REBALANCES.has(protocolErrorOf(error));
const REBALANCES: ReadonlySet<string> = new Set([
  'REBALANCE_IN_PROGRESS',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'NOT_COORDINATOR_FOR_GROUP',
]);
