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

/** Nothing of it reached the log: the same publisher may try again. Any other failure leaves that open. */
export class NotPublishedError extends Error {
  override readonly name: string = 'NotPublishedError';
  readonly retriable = true;
}

/** One run of one sender. After a failure that leaves open what reached the log it must be given up and fenced. */
export interface Publisher {
  /** Never used twice; `Log.fence` ends it by this name from anywhere. */
  readonly id: string;
  /** Resolves when the records are as durable as the log makes them, in order. One call at a time. */
  publish(records: readonly OutgoingRecord[]): Promise<void>;
}

/** The next offset to read, by source. */
export type Places = ReadonlyMap<string, string>;

export interface Subscription {
  /** What the handler has resolved for, of the partitions read here. */
  handled(): Places;
  /**
   * From here on a new start begins at these places. Answers which of them: sources that are not read here any more
   * are left out.
   */
  commit(places: Places): Promise<Places>;
  /** Begins again at what was committed last: what came after it is handed over again. */
  rewind(): Promise<void>;
  /** Records not handed over yet, by source. */
  lag(): ReadonlyMap<string, number>;
  /** Whether records that come now would be handed over, here or to another member of the group. */
  isJoined(): boolean;
  /** Resolves after the batch at hand. */
  stop(): Promise<void>;
}

export interface Log {
  start(): Promise<void>;
  stop(): Promise<void>;
  openPublisher(): Promise<Publisher>;
  /** Once it resolves, nothing of that publisher reaches the log any more, wherever it runs. Idempotent. */
  fence(publisherId: string): Promise<void>;
  /**
   * Hands over what a topic holds at the time of the call, from records of `since` (epoch milliseconds) on.
   * What a fenced publisher wrote is among it.
   */
  readBack(topic: string, since: number, onRecord: (record: IncomingRecord) => void): Promise<void>;
  /** From the beginning for a group that is new. `handler` gets batches of one partition. */
  subscribe(
    topics: readonly string[],
    handler: (records: readonly IncomingRecord[]) => Promise<void>,
  ): Promise<Subscription>;
}
