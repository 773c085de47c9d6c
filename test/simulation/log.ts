/**
 * Kafka, as far as the port of the log knows it: topics of partitions, groups whose members are sent away and come
 * back, publishers that can be fenced. Records are kept for ever. One log for all marketplaces.
 */
import {
  NotPublishedError,
  type IncomingRecord,
  type Log,
  type OutgoingRecord,
  type Places,
  type Publisher,
  type Subscription,
} from '../../src/kafka/port.js';
import type { Kernel, Process } from './kernel.js';
import { Caller, type ServerState } from './network.js';
import { hashOf, Random } from './random.js';

export const MASTERLIST_TOPIC = 'masterlist';
export const SALES_TOPIC = 'sales';

export interface LogRecord extends IncomingRecord {
  readonly key: string | undefined;
  readonly publisherId: string;
}

export interface Partition {
  readonly topic: string;
  readonly source: string;
  readonly records: LogRecord[];
}

interface Group {
  /** When each member was heard last, in the order in which they came. */
  readonly members: Map<string, number>;
  generation: number;
  /** By source. */
  readonly committed: Map<string, number>;
}

/** A member that is silent this long has left, milliseconds. */
const SESSION_MS = 3_000;
const HEARTBEAT_MS = 700;
const POLL_MS = 120;
const BATCH_RECORDS_MAX = 20;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5_000;
const TIMEOUT_MS = 2_000;

export class LogServer {
  readonly partitions: readonly Partition[];
  readonly #fenced = new Set<string>();
  readonly #groups = new Map<string, Group>();
  readonly #kernel: Kernel;
  readonly #appendTime: boolean;
  /** Hears every record in the step in which it is written. */
  onRecord: (record: LogRecord) => void = () => undefined;

  /** `appendTime`: records have the time of the log, not that of their writer's clock. */
  constructor(kernel: Kernel, salesPartitions: number, appendTime: boolean) {
    this.#kernel = kernel;
    this.#appendTime = appendTime;
    const made = (topic: string, number: number): Partition => ({
      topic,
      source: `kafka/${topic}/${number}`,
      records: [],
    });
    this.partitions = [
      made(MASTERLIST_TOPIC, 0),
      ...Array.from({ length: salesPartitions }, (_, i) => made(SALES_TOPIC, i)),
    ];
  }

  partitionOf(topic: string, key: string | undefined): Partition {
    const all = this.partitions.filter((partition) => partition.topic === topic);
    const chosen = all[hashOf(key ?? '') % all.length];
    if (!chosen) throw new Error(`there is no topic ${topic}`);
    return chosen;
  }

  /** The records of one partition, all of them at once. */
  write(partition: Partition, records: readonly OutgoingRecord[], publisherId: string, at: number): void {
    if (this.#fenced.has(publisherId)) throw new Error(`the publisher ${publisherId} is fenced`);
    const timestamp = this.#appendTime ? Math.floor(this.#kernel.now) : at;
    for (const { key, value, headers } of records) {
      const record: LogRecord = {
        source: partition.source,
        topic: partition.topic,
        offset: String(partition.records.length),
        timestamp,
        value: Buffer.from(value),
        headers: { ...headers },
        key,
        publisherId,
      };
      partition.records.push(record);
      this.onRecord(record);
    }
  }

  fence(publisherId: string): void {
    this.#fenced.add(publisherId);
  }

  /** From the first record of that time on, whatever the times of later ones. */
  readBack(topic: string, since: number): readonly IncomingRecord[] {
    return this.partitions
      .filter((partition) => partition.topic === topic)
      .flatMap(({ records }) => {
        const first = records.findIndex(({ timestamp }) => timestamp >= since);
        return first < 0 ? [] : records.slice(first);
      });
  }

  group(name: string): Group {
    const known = this.#groups.get(name);
    if (known) return known;
    const made: Group = { members: new Map(), generation: 0, committed: new Map() };
    this.#groups.set(name, made);
    return made;
  }

  /** A member says that it lives; answers which partitions are its own. */
  beat(groupName: string, member: string): { generation: number; sources: readonly string[] } {
    const group = this.group(groupName);
    for (const [other, heardAt] of group.members) {
      if (other === member || this.#kernel.now - heardAt < SESSION_MS) continue;
      group.members.delete(other);
      group.generation += 1;
    }
    if (!group.members.has(member)) group.generation += 1;
    group.members.set(member, this.#kernel.now);
    const members = [...group.members.keys()].sort();
    const mine = members.indexOf(member);
    // Moves with every generation, so that a rebalance gives partitions to others.
    const sources = this.partitions
      .filter((_, i) => (i + group.generation) % members.length === mine)
      .map(({ source }) => source);
    return { generation: group.generation, sources };
  }

  leave(groupName: string, member: string): void {
    const group = this.group(groupName);
    if (group.members.delete(member)) group.generation += 1;
  }

  /** All partitions are given out anew. */
  rebalance(groupName: string): void {
    this.group(groupName).generation += 1;
  }

  commit(groupName: string, generation: number, places: Places): void {
    const group = this.group(groupName);
    if (generation !== group.generation) throw new Error('ILLEGAL_GENERATION');
    for (const [source, offset] of places) group.committed.set(source, Number(offset));
  }

  partition(source: string): Partition {
    const found = this.partitions.find((partition) => partition.source === source);
    if (!found) throw new Error(`there is no partition ${source}`);
    return found;
  }
}

/** The log as one process has it. */
export class LogClient implements Log {
  readonly #server: LogServer;
  readonly #process: Process;
  readonly #group: string;
  readonly caller: Caller;

  constructor(server: LogServer, kernel: Kernel, process: Process, state: ServerState, group: string) {
    this.#server = server;
    this.#process = process;
    this.#group = group;
    this.caller = new Caller({
      kernel,
      process,
      server: state,
      serverName: 'kafka',
      unavailable: (why) => new Error(`kafka: ${why}`),
      timeoutMs: TIMEOUT_MS,
    });
  }

  start = (): Promise<void> => Promise.resolve();
  stop = (): Promise<void> => Promise.resolve();

  async openPublisher(): Promise<Publisher> {
    const id = `${this.#group}-${this.#process.newId()}`;
    await this.caller
      .call('openPublisher', () => undefined)
      .catch((error: unknown) => {
        throw new NotPublishedError(String(error));
      });
    return { id, publish: (records) => this.#publish(id, records) };
  }

  async #publish(id: string, records: readonly OutgoingRecord[]): Promise<void> {
    const groups = new Map<Partition, OutgoingRecord[]>();
    for (const record of records) {
      const partition = this.#server.partitionOf(record.topic, record.key);
      const group = groups.get(partition) ?? [];
      group.push(record);
      groups.set(partition, group);
    }
    const at = this.#process.clock.now();
    // Each partition's leader answers for itself: some may have it when others have not.
    await Promise.all(
      [...groups].map(([partition, group]) =>
        this.caller.call('publish', () => this.#server.write(partition, group, id, at)),
      ),
    );
  }

  fence(publisherId: string): Promise<void> {
    return this.caller.call('fence', () => this.#server.fence(publisherId), true);
  }

  async readBack(topic: string, since: number, onRecord: (record: IncomingRecord) => void): Promise<void> {
    for (const record of await this.caller.call('readBack', () => this.#server.readBack(topic, since))) {
      onRecord(record);
    }
  }

  async subscribe(
    topics: readonly string[],
    handler: (records: readonly IncomingRecord[]) => Promise<void>,
  ): Promise<Subscription> {
    const member = new GroupMember(this.#server, this.caller, this.#process, this.#group, topics, handler);
    member.start();
    return member;
  }
}

/** Reads one partition for as long as it is this member's. */
interface Reading {
  readonly source: string;
  next: number | null;
  ended: boolean;
  /** Counts seeks: a batch from before one moves nothing. */
  seeks: number;
}

/** One member of a group: what src/kafka/subscription.ts does with kafkajs. */
class GroupMember implements Subscription {
  readonly #server: LogServer;
  readonly #caller: Caller;
  readonly #process: Process;
  readonly #group: string;
  readonly #topics: readonly string[];
  readonly #handler: (records: readonly IncomingRecord[]) => Promise<void>;
  readonly #id: string;
  readonly #random: Random;
  #generation = -1;
  readonly #readings = new Map<string, Reading>();
  #stopped = false;

  constructor(
    server: LogServer,
    caller: Caller,
    process: Process,
    group: string,
    topics: readonly string[],
    handler: (records: readonly IncomingRecord[]) => Promise<void>,
  ) {
    this.#server = server;
    this.#caller = caller;
    this.#process = process;
    this.#group = group;
    this.#topics = topics;
    this.#handler = handler;
    this.#id = process.newId();
    this.#random = process.random;
  }

  start(): void {
    void this.#beatOn();
  }

  async #beatOn(): Promise<void> {
    while (!this.#stopped) {
      try {
        const { generation, sources } = await this.#caller.call('beat', () =>
          this.#server.beat(this.#group, this.#id),
        );
        if (generation !== this.#generation) this.#assigned(generation, sources);
      } catch {
        // The next one tells.
      }
      await this.#pause(HEARTBEAT_MS);
    }
  }

  #assigned(generation: number, sources: readonly string[]): void {
    this.#generation = generation;
    for (const [source, reading] of this.#readings) {
      if (sources.includes(source)) continue;
      reading.ended = true;
      this.#readings.delete(source);
    }
    for (const source of sources) {
      if (this.#readings.has(source) || !this.#topics.includes(this.#server.partition(source).topic))
        continue;
      const reading: Reading = { source, next: null, ended: false, seeks: 0 };
      this.#readings.set(source, reading);
      void this.#read(reading);
    }
  }

  async #read(reading: Reading): Promise<void> {
    while (!reading.ended && !this.#stopped) {
      const { seeks } = reading;
      const batch = await this.#fetch(reading).catch(() => []);
      if (reading.ended || this.#stopped) return;
      if (reading.seeks !== seeks) continue;
      if (batch.length === 0) {
        await this.#pause(POLL_MS * (0.5 + this.#random.next()));
        continue;
      }
      const isHandled = await this.#handOver(batch, reading, seeks);
      if (isHandled && !reading.ended && reading.seeks === seeks)
        reading.next = Number(batch.at(-1)!.offset) + 1;
    }
  }

  #fetch(reading: Reading): Promise<readonly IncomingRecord[]> {
    const { source, next } = reading;
    const limit = this.#random.int(1, BATCH_RECORDS_MAX);
    return this.#caller.call('fetch', () => {
      const from = next ?? this.#server.group(this.#group).committed.get(source) ?? 0;
      return this.#server.partition(source).records.slice(from, from + limit);
    });
  }

  async #handOver(batch: readonly IncomingRecord[], reading: Reading, seeks: number): Promise<boolean> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(RETRY_MS_MAX, 2 * delayMs)) {
      if (reading.ended || reading.seeks !== seeks || this.#stopped) return false;
      try {
        await this.#handler(batch);
        return true;
      } catch {
        await this.#pause(delayMs * (0.5 + this.#random.next() / 2));
      }
    }
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#process.clock.schedule(delayMs, resolve));
  }

  handled(): Places {
    const places = new Map<string, string>();
    for (const { source, next } of this.#readings.values())
      if (next !== null) places.set(source, String(next));
    return places;
  }

  async commit(places: Places): Promise<Places> {
    const mine = new Map([...places].filter(([source]) => this.#readings.has(source)));
    const generation = this.#generation;
    await this.#caller.call('commit', () => this.#server.commit(this.#group, generation, mine), true);
    return mine;
  }

  async rewind(): Promise<void> {
    const committed = await this.#caller.call(
      'offsets',
      () => new Map(this.#server.group(this.#group).committed),
    );
    for (const reading of this.#readings.values()) {
      reading.seeks += 1;
      reading.next = committed.get(reading.source) ?? 0;
    }
  }

  lag(): ReadonlyMap<string, number> {
    return new Map();
  }

  isJoined(): boolean {
    return this.#readings.size > 0;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#caller.call('leave', () => this.#server.leave(this.#group, this.#id)).catch(() => undefined);
  }
}
