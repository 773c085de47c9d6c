/**
 * The parts of kafkajs 2.2.4 behind its public interface that `kafkajs.ts` stands on. The library is no longer
 * developed and its version is pinned, so they do not move. Why they are used: docs/decisions/0013.
 */
declare module 'kafkajs/src/cluster/index.js' {
  import type { KafkaConfig, PartitionMetadata } from 'kafkajs';

  export interface RawRecord {
    readonly offset: string;
    readonly timestamp: string;
    readonly value: Buffer | null;
    readonly headers: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>;
    readonly isControlRecord?: boolean;
  }
  export interface ProducerIdentity {
    readonly producerId: string;
    readonly producerEpoch: number;
  }
  interface TopicPartitions<T> {
    readonly topic: string;
    readonly partitions: readonly T[];
  }
  export interface Broker {
    readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>;
    readonly connectionPool: {
      send<T>(request: {
        readonly request: {
          readonly apiKey: number;
          readonly apiVersion: number;
          readonly apiName: string;
          readonly encode: () => Promise<unknown>;
        };
        readonly response: {
          readonly decode: (payload: Buffer) => Promise<T>;
          readonly parse: (data: T) => Promise<T>;
        };
      }): Promise<T>;
    };
    produce(
      request: Partial<ProducerIdentity> & {
        readonly acks: number;
        readonly timeout: number;
        readonly topicData: readonly TopicPartitions<{
          readonly partition: number;
          readonly firstSequence: number;
          readonly messages: readonly {
            readonly key: Buffer | null;
            readonly value: Buffer;
            readonly headers: Readonly<Record<string, string>>;
            readonly timestamp: string;
          }[];
        }>[];
      },
    ): Promise<unknown>;
    fetch(request: {
      readonly isolationLevel: number;
      readonly maxWaitTime: number;
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly topics: readonly TopicPartitions<{
        readonly partition: number;
        readonly fetchOffset: string;
        readonly maxBytes: number;
      }>[];
    }): Promise<{
      readonly responses: readonly {
        readonly topicName: string;
        readonly partitions: readonly {
          readonly partition: number;
          readonly messages: readonly RawRecord[];
        }[];
      }[];
    }>;
    listOffsets(request: {
      readonly isolationLevel: number;
      readonly topics: readonly TopicPartitions<{ readonly partition: number; readonly timestamp: number }>[];
    }): Promise<{
      readonly responses: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number; readonly offset: string }[];
      }[];
    }>;
    initProducerId(request: {
      readonly transactionalId: string;
      readonly transactionTimeout: number;
    }): Promise<ProducerIdentity>;
    addPartitionsToTxn(
      request: ProducerIdentity & {
        readonly transactionalId: string;
        readonly topics: readonly TopicPartitions<number>[];
      },
    ): Promise<unknown>;
    endTxn(
      request: ProducerIdentity & { readonly transactionalId: string; readonly transactionResult: boolean },
    ): Promise<unknown>;
  }

  export default class Cluster {
    constructor(
      options: Omit<KafkaConfig, 'logLevel' | 'logCreator' | 'ssl'> & {
        readonly logger: unknown;
        readonly ssl?: unknown;
        readonly allowAutoTopicCreation: boolean;
        readonly metadataMaxAge: number;
        readonly maxInFlightRequests: number | null;
        readonly isolationLevel: number;
      },
    );
    readonly brokerPool: { readonly metadata?: { readonly clusterId?: string | null } };
    isConnected(): boolean;
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    refreshMetadata(): Promise<void>;
    refreshMetadataIfNecessary(): Promise<void>;
    addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
    findBroker(options: { readonly nodeId: string }): Promise<Broker>;
    findControllerBroker(): Promise<Broker>;
    findGroupCoordinator(options: {
      readonly groupId: string;
      readonly coordinatorType: number;
    }): Promise<Broker>;
    findTopicPartitionMetadata(topic: string): PartitionMetadata[];
    findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, number[]>>;
  }
}
declare module 'kafkajs/src/loggers/index.js' {
  import type { logCreator, logLevel } from 'kafkajs';
  const loggers: {
    readonly createLogger: (options: {
      readonly level: logLevel;
      readonly logCreator: logCreator;
    }) => unknown;
  };
  export default loggers;
}
declare module 'kafkajs/src/network/socketFactory.js' {
  import type { ISocketFactory } from 'kafkajs';
  const defaultSocketFactory: () => ISocketFactory;
  export default defaultSocketFactory;
}
declare module 'kafkajs/src/protocol/encoder.js' {
  export default class Encoder {
    writeBufferInternal(bytes: Buffer): this;
  }
}
