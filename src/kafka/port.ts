/**
 * The log between marketplaces. `feed.ts` is the in-process one of the embedded default; a Kafka one stands
 * behind the same port. Guarantees: records of one partition are handed over in order, at least once, and a
 * batch is handed over again until its handler has resolved.
 */

export interface OutgoingRecord {
  readonly topic: string;
  readonly key?: string;
  readonly value: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface IncomingRecord {
  /** Cluster, topic incarnation and partition, as one string: where `offset` counts. */
  readonly source: string;
  readonly topic: string;
  /** Decimal string, 64 bit. */
  readonly offset: string;
  /** Record time, epoch milliseconds. */
  readonly timestamp: number;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Log {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Resolves when the records are as durable as the log makes them, in order. */
  publish(records: readonly OutgoingRecord[]): Promise<void>;
  /** From the beginning for a group that is new. The returned function ends it after the batch at hand. */
  subscribe(
    topics: readonly string[],
    handler: (records: readonly IncomingRecord[]) => Promise<void>,
  ): Promise<() => Promise<void>>;
}
