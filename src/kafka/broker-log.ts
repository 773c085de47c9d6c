/**
 * The log on Kafka brokers.
 *
 * Guarantees those of the port: what `publish` resolved for is on all in-sync replicas; a fenced publisher
 * writes nothing more; a subscriber's batch is handed over until its handler resolved, and the place behind it
 * moves only by `commit`. Brokers that are away are waited for, for ever; `start` alone fails, when the topics
 * are not as they must be.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import { LATEST, type KafkaClient, type OutgoingMessage, type RawRecord } from './kafkajs.js';
import { NotPublishedError } from './port.js';
import type { IncomingRecord, Log, OutgoingRecord, Publisher, Subscription } from './port.js';
import { GroupSubscription } from './subscription.js';
import { checkTopics, TopicsError, type TopicPolicy } from './topics.js';

export interface BrokerLogOptions {
  readonly client: KafkaClient;
  /** One per marketplace. */
  readonly groupId: string;
  /** First part of the publishers' names. */
  readonly clientId: string;
  readonly topics: TopicPolicy;
  /** Where publishers write: only there are they fenced. */
  readonly salesTopic: string;
  /** False for brokers without transactions: then a process that slept can repeat what its successor wrote. */
  readonly fencing: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Between two looks whether the brokers are there, at the start. */
const START_RETRY_MS = 2_000;

export class BrokerLog implements Log {
  readonly #options: BrokerLogOptions;
  readonly #subscriptions = new Set<Subscription>();
  #checked: Promise<void> | null = null;
  #isChecked = false;
  #stopped = false;

  constructor(options: BrokerLogOptions) {
    this.#options = options;
  }

  /** Rejects with `TopicsError`; while the brokers are away it goes on trying behind the caller's back. */
  async start(): Promise<void> {
    const { client, logger, topics } = this.#options;
    try {
      await client.connect();
      await checkTopics(client, topics, logger);
      this.#checked = Promise.resolve();
      this.#isChecked = true;
    } catch (error) {
      if (error instanceof TopicsError) throw error;
      logger.error({ err: error }, 'Kafka cannot be reached: selling goes on, others hear of it later');
      this.#checked = this.#checkLater();
    }
    if (!this.#options.fencing) {
      logger.warn('publishers are not fenced: a process that slept can repeat what its successor published');
    }
  }

  async #checkLater(): Promise<void> {
    const { client, logger, topics, clock } = this.#options;
    while (!this.#stopped) {
      await new Promise<void>((resolve) => clock.schedule(START_RETRY_MS, resolve));
      try {
        await client.connect();
        await checkTopics(client, topics, logger);
        this.#isChecked = true;
        logger.info('Kafka is there');
        return;
      } catch (error) {
        // Too late to refuse the start: it is said as loudly as can be, again and again.
        if (error instanceof TopicsError) logger.error(error.message);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    await this.#options.client.disconnect().catch(() => undefined);
  }

  async openPublisher(): Promise<Publisher> {
    const { client, clientId, fencing } = this.#options;
    if (!this.#isChecked) throw new NotPublishedError('The brokers were not there yet');
    const id = `${clientId}-${randomUUID()}`;
    const producer = fencing ? await client.openProducer(id) : null;
    /** Messages written so far, by topic and partition: the brokers refuse a gap, and a repeat. */
    const sequences = new Map<string, number>();
    const publish = async (records: readonly OutgoingRecord[]): Promise<void> => {
      for (const [topic, group] of byTopic(records)) {
        const batches = await this.#batches(topic, group);
        const numbered = new Map(
          [...batches].map(([partition, messages]) => {
            const name = `${topic}/${partition}`;
            const firstSequence = sequences.get(name) ?? 0;
            sequences.set(name, (firstSequence + messages.length) % SEQUENCES);
            return [partition, { firstSequence, messages }];
          }),
        );
        await client.produce(producer, topic, numbered);
      }
    };
    return { id, publish };
  }

  async #batches(
    topic: string,
    records: readonly OutgoingRecord[],
  ): Promise<ReadonlyMap<number, OutgoingMessage[]>> {
    const batches = new Map<number, OutgoingMessage[]>();
    const timestamp = this.#options.clock.now();
    for (const { key, value, headers } of records) {
      const message = {
        key: key === undefined ? null : Buffer.from(key),
        value: Buffer.from(value),
        headers,
        timestamp,
      };
      let partition: number;
      try {
        partition = await this.#options.client.partitionOf(topic, message.key);
      } catch (cause) {
        throw new NotPublishedError(`Nothing was sent: ${String(cause)}`, { cause });
      }
      const batch = batches.get(partition);
      if (batch) batch.push(message);
      else batches.set(partition, [message]);
    }
    return batches;
  }

  async fence(publisherId: string): Promise<void> {
    if (!this.#options.fencing) return;
    await this.#options.client.fence(publisherId, this.#options.salesTopic);
  }

  async readBack(topic: string, since: number, onRecord: (record: IncomingRecord) => void): Promise<void> {
    const { client } = this.#options;
    await this.#ready();
    const ends = await client.offsetsAt(topic, LATEST);
    const starts = await client.offsetsAt(topic, Math.max(0, since));
    for (const [partition, end] of ends) {
      const start = starts.get(partition);
      if (start === undefined) continue;
      for (let at = start; at < end;) {
        const { records, next } = await client.fetch(topic, partition, at);
        for (const record of records) onRecord(incoming(record, '', topic));
        // Offsets that compaction or markers left empty.
        at = next > at ? next : at + 1n;
      }
    }
  }

  async subscribe(
    topics: readonly string[],
    handler: (records: readonly IncomingRecord[]) => Promise<void>,
  ): Promise<Subscription> {
    const { client, groupId, clock, logger } = this.#options;
    const subscription = new GroupSubscription({
      client,
      groupId,
      topics,
      handler,
      clock,
      logger,
      ready: () => this.#ready(),
    });
    await subscription.start();
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Rejects while the topics were not found in order. */
  async #ready(): Promise<void> {
    if (!this.#checked) throw new NotPublishedError('The log is not started');
    await this.#checked;
  }
}

/** Sequence numbers begin anew after the largest. */
const SEQUENCES = 2 ** 31;

function byTopic(records: readonly OutgoingRecord[]): ReadonlyMap<string, readonly OutgoingRecord[]> {
  const groups = new Map<string, OutgoingRecord[]>();
  for (const record of records) {
    const group = groups.get(record.topic);
    if (group) group.push(record);
    else groups.set(record.topic, [record]);
  }
  return groups;
}

/** `source` as the subscriber knows it. */
export function incoming(
  record: Pick<RawRecord, 'offset' | 'timestamp' | 'value' | 'headers'>,
  source: string,
  topic: string,
): IncomingRecord {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(record.headers)) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) headers[name] = first.toString();
  }
  return {
    source,
    topic,
    offset: record.offset,
    timestamp: Number(record.timestamp),
    value: record.value,
    headers,
  };
}
