/**
 * Hostile records in the topics of a real broker, while the shipped consumer and a worker run as processes of their own:
 * keys, values, headers and sizes that nobody should send, and good sales between them. At the end the group has come to
 * the end of both topics, every record that cannot be read lies in the dead letters as it stands in the log, the others
 * are counted or lie there, each good sale took effect once, and nothing was logged as an error or ended.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { TicketCounters } from '../../src/actors/ports.js';
import { MongoArchive } from '../../src/archive/mongo.js';
import { incoming } from '../../src/kafka/broker-log.js';
import { EARLIEST, LATEST, type OutgoingMessage } from '../../src/kafka/kafkajs.js';
import { itemIdOf } from '../../src/kafka/dead-letters.js';
import type { IncomingRecord } from '../../src/kafka/port.js';
import { decodeMasterList, decodeSalesMessage } from '../../src/kafka/wire.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { listEntry, pending, Topics } from '../exchange/topics.js';
import { silentLogger } from '../helpers/engine.js';
import { FileRedis } from '../helpers/file-redis.js';
import { kafkaFound, startKafka } from '../helpers/kafka.js';
import { mongoFound, startMongo } from '../helpers/mongo.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { memoryAt, probed, type Memory } from './memory.js';
import { sizeOf, wireRecordOf } from './records.js';
import { logFaults } from './rules.js';

export interface TopicsReport {
  readonly records: number;
  readonly largestBytes: number;
  readonly good: number;
  readonly deadLetters: number;
  /** What the consumer says it did with how many. */
  readonly handled: ReadonlyMap<string, number>;
  /** Of the consumer. */
  readonly memory: readonly Memory[];
  readonly seconds: number;
  readonly faults: readonly string[];
}

export interface TopicsOptions {
  readonly seed: number;
  readonly records: number;
  readonly log: (line: string) => void;
}

/** Why there is nothing to publish to; null when there is. */
export function missingForTopics(): string | null {
  if (kafkaFound.kind !== 'real') return `Kafka: ${kafkaFound.reason}`;
  return mongoFound.kind === 'none' ? `MongoDB: ${mongoFound.reason}` : null;
}

/** The broker's limit, well above what a value may be. */
const RECORD_BYTES_MAX = 2 * 1_048_576;
const BATCH_BYTES = 512 * 1_024;
const GOOD_EVERY = 10;
/** Of the good ones: no hostile record names it. */
const GOOD_MATCH = 9_000;
const OPEN_MATCHES = [...Array.from({ length: 40 }, (_, i) => i + 1), GOOD_MATCH];
const AVAILABLE = 1_000_000;
const PREFIX = 'fuzzed';
const GROUP = 'fuzzed';
/** Until everything is read and durable. */
const READ_MS_MAX = 15 * 60_000;
const LOOK_MS = 2_000;
const LETTERS_MS_MAX = 60_000;
const FAULTS_MAX = 20;

interface Servers {
  readonly topics: Topics;
  readonly redis: FileRedis;
  readonly mongoUrl: string;
}

export async function fuzzTopics(options: TopicsOptions): Promise<TopicsReport> {
  const kafka = await startKafka({ properties: { 'message.max.bytes': String(RECORD_BYTES_MAX) } });
  const [mongo, redis] = [await startMongo(), await FileRedis.start()];
  const topics = new Topics(kafka.brokers);
  try {
    await topics.create();
    return await fuzz({ topics, redis, mongoUrl: `${mongo.url.replace(/\/+$/, '')}/${PREFIX}` }, options);
  } finally {
    await topics.close();
    await Promise.all([kafka.stop(), mongo.stop(), redis.stop()]);
  }
}

async function fuzz(servers: Servers, options: TopicsOptions): Promise<TopicsReport> {
  const { topics, redis, mongoUrl } = servers;
  const scratch = scratchDir();
  const probe = join(scratch.dir, 'probe');
  const env = {
    CLIENT_ID: 'ticktak',
    REDIS_URL: redis.url,
    REDIS_PREFIX: PREFIX,
    DATA_DIR: join(scratch.dir, 'data'),
    MONGODB_URL: mongoUrl,
    KAFKA_BROKERS: topics.brokers.join(','),
    KAFKA_GROUP_ID: GROUP,
    SALES_TOPIC_PREFIX: `${topics.name}-sales`,
    MASTERLIST_TOPIC_PREFIX: `${topics.name}-lists`,
    TOKEN_SECRET: 'the-token-secret-of-the-fuzzer-and-of-nobody',
    SERVICE_TOKEN: 'the-service-token-of-the-fuzzer',
    // What waits for a match that nobody lists keeps the group from going on.
    SALES_MESSAGE_WAIT_MS: '5000',
    LOG_LEVEL: 'warn',
  };
  const processes: Running[] = [];
  try {
    const worker = await run(['worker'], env);
    processes.push(worker);
    const consumer = await run(['consumer'], { ...env, ...probed(probe) });
    processes.push(consumer);
    const startedAt = performance.now();
    await topics.publish(
      topics.lists,
      OPEN_MATCHES.map((match) => listEntry(match, AVAILABLE)),
    );
    const memory: Memory[] = [];
    const publishing = publish(topics, options);
    const look = setInterval(
      () =>
        void memoryAt(probe).then(
          (one) => memory.push(one),
          () => null,
        ),
      LOOK_MS,
    );
    let sent: Sent;
    let isRead: boolean;
    try {
      sent = await publishing;
      options.log(`${sent.records} records are published`);
      isRead = await readToTheEnd(topics, processes);
    } finally {
      clearInterval(look);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const found = isRead ? await accountFor(servers, consumer, sent) : NOTHING_FOUND;
    const faults = [
      ...(isRead ? [] : ['the consumer did not come to the end of the topics']),
      ...found.faults,
      ...(await endFaults(processes)),
    ];
    const { records, good, largestBytes } = sent;
    const { deadLetters, handled } = found;
    return { records, largestBytes, good, deadLetters, handled, memory, seconds, faults: cut(faults) };
  } finally {
    await Promise.all(processes.map((process) => process.end('SIGKILL')));
    scratch.remove();
  }
}

const cut = (faults: readonly string[]): readonly string[] =>
  faults.length <= FAULTS_MAX
    ? faults
    : [...faults.slice(0, FAULTS_MAX), `and ${faults.length - FAULTS_MAX} more`];

interface Sent {
  readonly records: number;
  readonly good: number;
  readonly largestBytes: number;
}

async function publish({ client, sales, lists }: Topics, { seed, records }: TopicsOptions): Promise<Sent> {
  let [good, largestBytes] = [0, 0];
  const waiting = new Map<string, { messages: OutgoingMessage[]; bytes: number }>();
  const flush = async (topic: string): Promise<void> => {
    const messages = waiting.get(topic)?.messages ?? [];
    waiting.delete(topic);
    if (messages.length > 0)
      await client.produce(null, topic, new Map([[0, { firstSequence: 0, messages }]]));
  };
  const add = async (topic: string, message: OutgoingMessage): Promise<void> => {
    const bytes = sizeOf(message);
    const before = waiting.get(topic);
    if (before && before.bytes + bytes > BATCH_BYTES) await flush(topic);
    const batch = waiting.get(topic) ?? { messages: [], bytes: 0 };
    batch.messages.push(message);
    waiting.set(topic, { messages: batch.messages, bytes: batch.bytes + bytes });
  };
  for (let number = 0; number < records; number += 1) {
    const { key, value, headers, isList } = wireRecordOf(seed, number, RECORD_BYTES_MAX);
    // kafkajs writes a tombstone, bytes as headers and a header that comes twice; we never do.
    const message = { key, value: value as Buffer, headers: headers as Record<string, string> };
    await add(isList ? lists : sales, { ...message, timestamp: Date.now() });
    largestBytes = Math.max(largestBytes, sizeOf(message));
    if (number % GOOD_EVERY > 0) continue;
    good += 1;
    await add(sales, {
      key: Buffer.from(`${GOOD_MATCH}:1`),
      value: Buffer.from(JSON.stringify(pending(GOOD_MATCH, 1, 1))),
      headers: { clientId: 'good', reservationId: `r${number}` },
      timestamp: Date.now(),
    });
  }
  for (const topic of [lists, sales]) await flush(topic);
  return { records, good, largestBytes };
}

/** Whether the group's places, which are committed when all before them is durable, reach the ends. */
async function readToTheEnd(
  { client, lists, sales }: Topics,
  processes: readonly Running[],
): Promise<boolean> {
  const isUp = ({ child }: Running): boolean => child.exitCode === null && child.signalCode === null;
  for (const until = performance.now() + READ_MS_MAX; performance.now() < until;) {
    if (!processes.every(isUp)) return false;
    const left = await Promise.all(
      [lists, sales].map(async (topic) => {
        const end = (await client.offsetsAt(topic, LATEST)).get(0) ?? 0n;
        return end - BigInt((await client.groupOffsets(GROUP, topic)).get(0) ?? 0);
      }),
    );
    if (left.every((count) => count <= 0n)) return true;
    await sleep(LOOK_MS / 2);
  }
  return false;
}

interface Found {
  readonly deadLetters: number;
  readonly handled: ReadonlyMap<string, number>;
  readonly faults: readonly string[];
}
const NOTHING_FOUND: Found = { deadLetters: 0, handled: new Map(), faults: [] };

/** Every record of the log against the dead letters, the counts of the consumer and the counters of the tickets. */
async function accountFor(servers: Servers, consumer: Running, sent: Sent): Promise<Found> {
  const { topics, redis, mongoUrl: url } = servers;
  const handled = await handledBy(consumer);
  const archive = new MongoArchive({ url, logger: silentLogger, timeoutMs: LETTERS_MS_MAX });
  await archive.start();
  try {
    const log = await new Ledger(archive).read(topics);
    const faults = [...log.faults];
    const expected = sent.records + sent.good + 1;
    if (log.records !== expected) faults.push(`${log.records} of ${expected} records are in the log`);
    const counted = [...handled].reduce((sum, [kind, count]) => sum + (kind === 'retry' ? 0 : count), 0);
    if (counted < log.items) faults.push(`${counted} messages are counted of ${log.items} in the log`);
    faults.push(...(await counterFaults(redis.url, sent.good)));
    return { deadLetters: log.letters, handled, faults };
  } finally {
    await archive.stop();
  }
}

/** What must be in the dead letters, looked up one by one. */
class Ledger {
  records = 0;
  /** What the consumer has to count. */
  items = 0;
  letters = 0;
  readonly faults: string[] = [];
  readonly #archive: MongoArchive;
  readonly #open = new Set(OPEN_MATCHES);

  constructor(archive: MongoArchive) {
    this.#archive = archive;
  }

  async read(topics: Topics): Promise<this> {
    // Lists first: what they open may be sold.
    for await (const record of recordsOf(topics, topics.lists)) {
      this.records += 1;
      this.items += 1;
      const decoded = decodeMasterList(record);
      if (decoded.kind === 'malformed') await this.#mustLie(record);
      else for (const { matchNumber } of decoded.entries) this.#open.add(matchNumber);
    }
    for await (const record of recordsOf(topics, topics.sales)) {
      this.records += 1;
      const decoded = decodeSalesMessage(record);
      if (decoded.kind === 'malformed') await this.#mustLie(record);
      const own = decoded.kind === 'sales' ? decoded.items : [];
      this.items += decoded.kind === 'sales' ? own.length : 1;
      for (const { ticket, clientId, position } of own) {
        const isWaiting = clientId !== 'ticktak' && !this.#open.has(ticket.matchNumber);
        if (isWaiting) await this.#mustLie(record, position.index);
      }
    }
    return this;
  }

  async #mustLie({ source, offset, topic, value }: IncomingRecord, index?: number): Promise<void> {
    const id = index === undefined ? `${source}/${offset}` : itemIdOf(source, offset, index);
    const letter = await this.#archive.deadLetter(id);
    if (letter) this.letters += 1;
    if (letter?.raw !== (value?.toString('base64') ?? ''))
      this.faults.push(`record ${offset} of ${topic} is not in the dead letters as it came`);
  }
}

async function* recordsOf({ client }: Topics, topic: string): AsyncGenerator<IncomingRecord> {
  const id = (await client.topics([topic])).get(topic)?.id ?? topic;
  const source = `${await client.clusterId()}/${id}/0`;
  const end = (await client.offsetsAt(topic, LATEST)).get(0) ?? 0n;
  for (let at = (await client.offsetsAt(topic, EARLIEST)).get(0) ?? 0n; at < end;) {
    const { records, next } = await client.fetch(topic, 0, at);
    for (const record of records) yield incoming(record, source, topic);
    at = next > at ? next : at + 1n;
  }
}

async function handledBy(consumer: Running): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${consumer.url('consumer')}/metrics`)).text();
  const lines = text.matchAll(/^ticktak_messages_total\{(?:[^}]*,)?\w+="(\w+)"[^}]*\} (\d+)/gm);
  return new Map([...lines].map(([, kind = '', count]) => [kind, Number(count)]));
}

/** Good sales count once, and no number is one that cannot be. */
async function counterFaults(url: string, good: number): Promise<string[]> {
  const redis = new Redis(url);
  const keys = new RedisKeys(PREFIX);
  try {
    const faults: string[] = [];
    for (const matchNumber of OPEN_MATCHES) {
      const json = await redis.hget(keys.ticket({ matchNumber, category: 1 }).meta, 'counters');
      const counters = JSON.parse(json ?? '{}') as Partial<TicketCounters>;
      const { heldElsewhere = NaN, soldElsewhere = NaN } = counters;
      const isSane = [heldElsewhere, soldElsewhere].every((n) => Number.isSafeInteger(n) && n >= 0);
      if (!isSane) faults.push(`counters of ${matchNumber}:1 are ${json ?? 'nothing'}`);
      if (matchNumber === GOOD_MATCH && heldElsewhere !== good)
        faults.push(`${heldElsewhere} of ${good} good sales took effect`);
    }
    return faults;
  } finally {
    redis.disconnect();
  }
}

async function endFaults(processes: readonly Running[]): Promise<string[]> {
  const faults: string[] = [];
  for (const process of [...processes].reverse()) {
    const code = await process.end();
    if (code !== 0) faults.push(`a process ended with ${String(code)}: ${process.output().slice(-2_000)}`);
    faults.push(...logFaults(process.output()).map((line) => `in the log: ${line.slice(0, 600)}`));
  }
  return faults;
}
