/**
 * The only module that imports kafkajs: what the rest needs of Kafka, as few typed calls.
 *
 * Guarantees: every call ends within `CALL_MS_MAX` or rejects; nothing is retried here that could be written
 * twice; after `fence` has resolved, no batch of the fenced producer is appended to the topic any more.
 *
 * How the fence works: a producer's batches carry its id and an epoch, and a partition refuses an epoch older
 * than the newest it has seen. `fence` has the transaction coordinator raise the epoch, and writes an abort
 * marker, which carries no data, to every partition of the topic. Batches themselves are written outside of
 * transactions: peers that read uncommitted records, as many do, would count those of an aborted one. The
 * public interface of kafkajs cannot mix the two, which is why this module reaches behind it.
 */
import kafkajs, {
  type Consumer,
  type ConsumerConfig,
  type Kafka,
  type KafkaConfig,
  type PartitionMetadata,
  type SASLOptions,
} from 'kafkajs';
import Cluster, { type Broker, type ProducerIdentity, type RawRecord } from 'kafkajs/src/cluster/index.js';
import loggers from 'kafkajs/src/loggers/index.js';
import defaultSocketFactory from 'kafkajs/src/network/socketFactory.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import type { Logger } from '../process/log.js';
import { withTimeout } from '../process/timeout.js';
import { registerCodecs } from './compression.js';

// Node finds only some of the names that this CommonJS package exports.
const { CompressionCodecs, ConfigResourceTypes, logLevel, Partitioners } = kafkajs;
registerCodecs(CompressionCodecs);

export type { Consumer, ConsumerEndBatchProcessEvent as BatchEndEvent, EachBatchPayload } from 'kafkajs';
export type { ProducerIdentity, RawRecord };

export type SaslSettings = Extract<
  SASLOptions,
  { readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' }
>;

export interface KafkaClientOptions {
  readonly brokers: readonly string[];
  /** Shown in the brokers' logs. */
  readonly clientId: string;
  /** Certificates in PEM; an empty object trusts the machine's authorities. Absent: no TLS. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: SaslSettings;
  readonly logger: Logger;
}

export interface TopicFacts {
  /** Changes when a topic is deleted and made anew; `NO_ID` where the brokers are too old to tell. */
  readonly id: string;
  readonly partitions: number;
}

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  /** -1: as the brokers do by default. */
  readonly replication: number;
  readonly settings: Readonly<Record<string, string>>;
}

export interface OutgoingMessage {
  readonly key: Buffer | null;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** Epoch milliseconds. */
  readonly timestamp: number;
}

/** In place of a topic's id. */
export const NO_ID = '0';
export const EARLIEST = -2;
export const LATEST = -1;

const CALL_MS_MAX = 15_000;
const CONNECT_MS_MAX = 5_000;
const REQUEST_MS_MAX = 10_000;
const METADATA_AGE_MS = 60_000;
const READ_UNCOMMITTED = 0;
const TRANSACTION_COORDINATOR = 1;
const TRANSACTION_MS_MAX = 60_000;
const FETCH_BYTES_MAX = 4 * 1_024 * 1_024;
/** Answers of a coordinator that is about to be able to do what was asked. */
const COMING: ReadonlySet<string> = new Set([
  'CONCURRENT_TRANSACTIONS',
  'GROUP_LOAD_IN_PROGRESS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);
/** Somebody else fences the same producer just now. */
const OVERTAKEN: ReadonlySet<string> = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED']);
const COMING_PAUSE_MS = 50;

export class KafkaClient {
  readonly #options: KafkaClientOptions;
  readonly #kafka: Kafka;
  readonly #cluster: Cluster;
  readonly #partitioner = Partitioners.DefaultPartitioner();

  constructor(options: KafkaClientOptions) {
    this.#options = options;
    const { brokers, clientId, tls, sasl, logger } = options;
    const config: KafkaConfig = {
      brokers: [...brokers],
      clientId,
      connectionTimeout: CONNECT_MS_MAX,
      authenticationTimeout: CONNECT_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      enforceRequestTimeout: true,
      retry: { retries: 2, initialRetryTime: 100, maxRetryTime: 1_000 },
      ...(tls && { ssl: tls }),
      ...(sasl && { sasl }),
    };
    const logCreator = () => toLogger(logger);
    this.#kafka = new kafkajs.Kafka({ ...config, logLevel: logLevel.WARN, logCreator });
    this.#cluster = new Cluster({
      ...config,
      reauthenticationThreshold: 10_000,
      socketFactory: defaultSocketFactory(),
      logger: loggers.createLogger({ level: logLevel.WARN, logCreator }),
      allowAutoTopicCreation: false,
      metadataMaxAge: METADATA_AGE_MS,
      maxInFlightRequests: null,
      isolationLevel: READ_UNCOMMITTED,
    });
  }

  /** Rejects when no broker answers. Every other call connects by itself. */
  async connect(): Promise<void> {
    await this.#call('connect', () => this.#connected());
  }

  async disconnect(): Promise<void> {
    await this.#call('disconnect', () => this.#cluster.disconnect());
  }

  clusterId(): Promise<string> {
    return this.#call('read the cluster id', async () => {
      await this.#connected();
      if (!this.#cluster.brokerPool.metadata) await this.#cluster.refreshMetadata();
      return this.#cluster.brokerPool.metadata?.clusterId ?? 'unnamed';
    });
  }

  /** What there is of the topics asked for; those that do not exist are absent. */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicFacts>> {
    return this.#call('read topics', async () => {
      await this.#connected();
      const broker = await this.#anyBroker();
      if ((broker.versions[METADATA_KEY]?.maxVersion ?? 0) < METADATA_VERSION) return this.#oldTopics(names);
      const found = await broker.connectionPool.send(metadataRequest(names));
      return new Map(found.map(({ name, id, partitions }) => [name, { id, partitions }]));
    });
  }

  /** Topics of brokers that do not tell ids. */
  async #oldTopics(names: readonly string[]): Promise<ReadonlyMap<string, TopicFacts>> {
    return this.#withAdmin(async (admin) => {
      const existing = new Set(await admin.listTopics());
      const { topics } = await admin.fetchTopicMetadata({
        topics: names.filter((name) => existing.has(name)),
      });
      return new Map(
        topics.map(({ name, partitions }) => [name, { id: NO_ID, partitions: partitions.length }]),
      );
    });
  }

  async createTopics(topics: readonly NewTopic[]): Promise<void> {
    await this.#call('create topics', () =>
      this.#withAdmin((admin) =>
        admin.createTopics({
          waitForLeaders: true,
          timeout: REQUEST_MS_MAX,
          topics: topics.map(({ name, partitions, replication, settings }) => ({
            topic: name,
            numPartitions: partitions,
            replicationFactor: replication,
            configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
          })),
        }),
      ),
    );
  }

  /** Settings of topics that exist, by topic and name. */
  topicSettings(names: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
    return this.#call('read topic settings', () =>
      this.#withAdmin(async (admin) => {
        const { resources } = await admin.describeConfigs({
          includeSynonyms: false,
          resources: names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
        });
        return new Map(
          resources.map(({ resourceName, configEntries }) => [
            resourceName,
            new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
          ]),
        );
      }),
    );
  }

  /** Where a group goes on, by partition; -1 where it never was. */
  groupOffsets(groupId: string, topic: string): Promise<ReadonlyMap<number, string>> {
    return this.#call('read the offsets of the group', () =>
      this.#withAdmin(async (admin) => {
        const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
        return new Map(found?.partitions.map(({ partition, offset }) => [partition, offset]));
      }),
    );
  }

  consumer(config: ConsumerConfig): Consumer {
    return this.#kafka.consumer({ ...config, allowAutoTopicCreation: false });
  }

  // ---- writing ----------------------------------------------------------------------------------------

  /** A producer that can be fenced by its name. */
  openProducer(name: string): Promise<ProducerIdentity> {
    return this.#call('open a producer', () => this.#init(name));
  }

  /** See above. Fencing twice, by several at once, or one that never was, is fine. */
  fence(name: string, topic: string): Promise<void> {
    return this.#call('fence a producer', async () => {
      // Partitions may have been added since: it must be fenced in all of them.
      await this.#connected();
      await this.#cluster.refreshMetadata();
      const partitions = (await this.#partitions(topic)).map(({ partitionId }) => partitionId);
      for (;;) {
        const identity = await this.#init(name);
        try {
          await this.#coordinated(name, (coordinator) =>
            coordinator.addPartitionsToTxn({
              ...identity,
              transactionalId: name,
              topics: [{ topic, partitions }],
            }),
          );
          await this.#coordinated(name, (coordinator) =>
            coordinator.endTxn({ ...identity, transactionalId: name, transactionResult: false }),
          );
          // Answered only when the markers stand in every partition.
          await this.#init(name);
          return;
        } catch (error) {
          if (!OVERTAKEN.has(protocolErrorOf(error))) throw error;
        }
      }
    });
  }

  async #init(name: string): Promise<ProducerIdentity> {
    await this.#connected();
    const { producerId, producerEpoch } = await this.#coordinated(name, (coordinator) =>
      coordinator.initProducerId({ transactionalId: name, transactionTimeout: TRANSACTION_MS_MAX }),
    );
    return { producerId, producerEpoch };
  }

  async #coordinated<T>(name: string, ask: (coordinator: Broker) => Promise<T>): Promise<T> {
    const giveUpAt = Date.now() + CALL_MS_MAX;
    for (;;) {
      try {
        const coordinator = await this.#cluster.findGroupCoordinator({
          groupId: name,
          coordinatorType: TRANSACTION_COORDINATOR,
        });
        return await ask(coordinator);
      } catch (error) {
        if (!COMING.has(protocolErrorOf(error)) || Date.now() > giveUpAt) throw error;
        await new Promise((resolve) => setTimeout(resolve, COMING_PAUSE_MS));
      }
    }
  }

  /** The partition of a key, as every Kafka client computes it; keyless messages go anywhere. */
  async partitionOf(topic: string, key: Buffer | null): Promise<number> {
    const partitionMetadata = await this.#partitions(topic);
    return this.#partitioner({ topic, partitionMetadata, message: { key, value: null } });
  }

  /**
   * Appends one batch per partition, acknowledged by all replicas. A rejection leaves open what was written.
   * `firstSequence` counts the messages that the producer wrote to the partition before; without a producer
   * nothing can be fenced.
   */
  async produce(
    producer: ProducerIdentity | null,
    topic: string,
    batches: ReadonlyMap<
      number,
      { readonly firstSequence: number; readonly messages: readonly OutgoingMessage[] }
    >,
  ): Promise<void> {
    await this.#call('write', async () => {
      await this.#partitions(topic);
      const leaders = this.#cluster.findLeaderForPartitions(topic, [...batches.keys()]);
      if (Object.values(leaders).flat().length < batches.size)
        throw new Error(`partitions of ${topic} have no leader`);
      await Promise.all(
        Object.entries(leaders).map(async ([nodeId, partitions]) => {
          const broker = await this.#cluster.findBroker({ nodeId });
          const topicData = partitions.map((partition) => {
            const batch = batches.get(partition);
            const messages = (batch?.messages ?? []).map((message) => ({
              ...message,
              timestamp: String(message.timestamp),
            }));
            return { partition, firstSequence: batch?.firstSequence ?? 0, messages };
          });
          await broker.produce({
            ...producer,
            acks: -1,
            timeout: REQUEST_MS_MAX,
            topicData: [{ topic, partitions: topicData }],
          });
        }),
      );
    });
  }

  // ---- reading ----------------------------------------------------------------------------------------

  /**
   * By partition, the offset of the first record at or after a time; `EARLIEST` and `LATEST` (behind the
   * last one) are times too. Partitions without such a record are absent.
   */
  offsetsAt(topic: string, timestamp: number): Promise<ReadonlyMap<number, bigint>> {
    return this.#call('read offsets', async () => {
      const partitions = (await this.#partitions(topic)).map(({ partitionId }) => partitionId);
      const leaders = this.#cluster.findLeaderForPartitions(topic, partitions);
      const found = new Map<number, bigint>();
      for (const [nodeId, led] of Object.entries(leaders)) {
        const broker = await this.#cluster.findBroker({ nodeId });
        const { responses } = await broker.listOffsets({
          isolationLevel: READ_UNCOMMITTED,
          topics: [{ topic, partitions: led.map((partition) => ({ partition, timestamp })) }],
        });
        for (const { partition, offset } of responses.flatMap((response) => response.partitions)) {
          if (BigInt(offset) >= 0n) found.set(partition, BigInt(offset));
        }
      }
      return found;
    });
  }

  /** Records of one partition from an offset on, aborted ones included, markers not; and where to go on. */
  fetch(
    topic: string,
    partition: number,
    from: bigint,
  ): Promise<{ readonly records: readonly RawRecord[]; readonly next: bigint }> {
    return this.#call('read', async () => {
      await this.#partitions(topic);
      const [nodeId] = Object.keys(this.#cluster.findLeaderForPartitions(topic, [partition]));
      const broker = await this.#cluster.findBroker({ nodeId: nodeId ?? '' });
      const { responses } = await broker.fetch({
        isolationLevel: READ_UNCOMMITTED,
        maxWaitTime: 500,
        minBytes: 1,
        maxBytes: FETCH_BYTES_MAX,
        topics: [
          { topic, partitions: [{ partition, fetchOffset: String(from), maxBytes: FETCH_BYTES_MAX }] },
        ],
      });
      const all = responses.flatMap((response) => response.partitions.flatMap(({ messages }) => messages));
      const wanted = all.filter(({ offset }) => BigInt(offset) >= from);
      const last = wanted.at(-1);
      const records = wanted.filter(({ isControlRecord }) => isControlRecord !== true);
      return { records, next: last ? BigInt(last.offset) + 1n : from };
    });
  }

  // ---- connections ------------------------------------------------------------------------------------

  async #connected(): Promise<void> {
    if (!this.#cluster.isConnected()) await this.#cluster.connect();
  }

  async #anyBroker(): Promise<Broker> {
    await this.#cluster.refreshMetadataIfNecessary();
    return this.#cluster.findControllerBroker();
  }

  async #partitions(topic: string): Promise<PartitionMetadata[]> {
    await this.#connected();
    await this.#cluster.addMultipleTargetTopics([topic]);
    await this.#cluster.refreshMetadataIfNecessary();
    const partitions = this.#cluster.findTopicPartitionMetadata(topic);
    if (partitions.length === 0) throw new Error(`Kafka has no topic ${topic}`);
    return partitions;
  }

  /** After a failure what is known of the brokers may be what is wrong: it is asked for anew. */
  async #call<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await withTimeout(work(), CALL_MS_MAX, `no answer within ${CALL_MS_MAX} ms`);
    } catch (error) {
      if (this.#cluster.isConnected()) void this.#cluster.refreshMetadata().catch(() => undefined);
      const brokers = this.#options.brokers.join(', ');
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`Kafka at ${brokers} could not ${what}: ${reason}`, { cause: error });
    }
  }

  async #withAdmin<T>(work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin();
    try {
      await admin.connect();
      return await work(admin);
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  }
}

/** The protocol's name of an error, as `REBALANCE_IN_PROGRESS`; empty for other errors. */
export const protocolErrorOf = (error: unknown): string =>
  error instanceof Error && 'type' in error && typeof error.type === 'string' ? error.type : '';

/** The library's warnings and errors; it calls errors what it tries again. */
function toLogger(logger: Logger) {
  let last = '';
  let lastAt = 0;
  return ({ namespace, log }: { namespace: string; log: { message: string } }): void => {
    const line = `kafka ${namespace}: ${log.message}`;
    // While brokers are away it says the same several times a second.
    if (line === last && Date.now() - lastAt < 10_000) return;
    last = line;
    lastAt = Date.now();
    logger.debug(line);
  };
}

// ---- the metadata request that tells topic ids ------------------------------------------------------------

const METADATA_KEY = 3;
/** The first that answers topic ids; kafkajs itself ends at 6. */
const METADATA_VERSION = 10;

interface TopicMetadata extends TopicFacts {
  readonly name: string;
}

function metadataRequest(names: readonly string[]) {
  return {
    request: {
      apiKey: METADATA_KEY,
      apiVersion: METADATA_VERSION,
      apiName: 'Metadata',
      encode: () => Promise.resolve(encodedMetadataRequest(names)),
    },
    response: {
      decode: (payload: Buffer) => Promise.resolve(new MetadataReader(payload).topics()),
      parse: (topics: readonly TopicMetadata[]) => Promise.resolve(topics),
    },
  };
}

function encodedMetadataRequest(names: readonly string[]): Encoder {
  const noTags = Buffer.from([0]);
  const no = Buffer.from([0]);
  const topics = names.map((name) => {
    const bytes = Buffer.from(name);
    return Buffer.concat([Buffer.alloc(16), unsignedVarint(bytes.length + 1), bytes, noTags]);
  });
  const encoder = new Encoder();
  // Tags of the header, topics, and: no topic creation, no authorized operations of cluster and topics.
  encoder.writeBufferInternal(
    Buffer.concat([noTags, unsignedVarint(names.length + 1), ...topics, no, no, no, noTags]),
  );
  return encoder;
}

function unsignedVarint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

/** Reads version 10 of the metadata response. */
class MetadataReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  topics(): TopicMetadata[] {
    this.#tags();
    this.#skip(4); // throttle time
    this.#array(() => {
      this.#skip(4); // node id
      this.#string(); // host
      this.#skip(4); // port
      this.#string(); // rack
      this.#tags();
    });
    this.#string(); // cluster id
    this.#skip(4); // controller
    return this.#array(() => this.#topic()).filter((topic) => topic !== null);
  }

  #topic(): TopicMetadata | null {
    const errorCode = this.#take(2).readInt16BE();
    const name = this.#string();
    const id = this.#take(16).toString('base64url');
    this.#skip(1); // internal
    const partitions = this.#array(() => {
      this.#skip(2 + 4 + 4 + 4); // error, index, leader, leader epoch
      for (let list = 0; list < 3; list += 1) this.#array(() => this.#skip(4)); // replicas, in sync, offline
      this.#tags();
    });
    this.#skip(4); // authorized operations
    this.#tags();
    return errorCode === 0 ? { name, id, partitions: partitions.length } : null;
  }

  #take(count: number): Buffer {
    const taken = this.#bytes.subarray(this.#at, this.#at + count);
    if (taken.length < count) throw new Error('The metadata response ended early');
    this.#at += count;
    return taken;
  }

  #skip(count: number): void {
    this.#take(count);
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#take(1).readUInt8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const length = this.#varint();
    return length <= 1 ? '' : this.#take(length - 1).toString();
  }

  #array<T>(read: () => T): T[] {
    const length = this.#varint() - 1;
    const items: T[] = [];
    for (let i = 0; i < length; i += 1) items.push(read());
    return items;
  }

  #tags(): void {
    for (let left = this.#varint(); left > 0; left -= 1) {
      this.#varint();
      this.#skip(this.#varint());
    }
  }
}
