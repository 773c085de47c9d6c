/** The topics of a market for tests, what is put into them, and what stands in them. */
import { KafkaClient, LATEST } from '../../src/kafka/kafkajs.js';
import { silentLogger } from '../helpers/engine.js';
import { uniqueName } from '../helpers/services.js';
import type { LogRecord } from './fold.js';

export const PRICES = [75, 125, 195];

/** One match of a master list. */
export function listEntry(matchNumber: number, available: number) {
  const category = (price: number) => ({ available, pending: 0, price });
  return {
    matchNumber,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    availability: { category1: category(75), category2: category(125), category3: category(195) },
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
  };
}

/** The topics of one test, and what stands in them. */
export class Topics {
  readonly name = uniqueName('exchange');
  readonly sales = `${this.name}-sales-dev`;
  readonly lists = `${this.name}-lists-dev`;
  readonly client: KafkaClient;

  constructor(readonly brokers: readonly string[]) {
    this.client = new KafkaClient({ brokers, clientId: 'tests', logger: silentLogger });
  }

  /** `more`: settings of both, added to that everything is kept. */
  async create(more: Readonly<Record<string, string>> = {}): Promise<void> {
    const settings = { 'retention.ms': '-1', ...more };
    await this.client.createTopics(
      [this.sales, this.lists].map((name) => ({ name, partitions: 1, replication: -1, settings })),
    );
  }

  async publish(
    topic: string,
    value: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const text = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
    const message = { key: null, value: text, headers, timestamp: Date.now() };
    await this.client.produce(null, topic, new Map([[0, { firstSequence: 0, messages: [message] }]]));
  }

  /** Where the next record of the sales topic will be, at the earliest. */
  async end(): Promise<bigint> {
    return (await this.client.offsetsAt(this.sales, LATEST)).get(0) ?? 0n;
  }

  /** Everything in the sales topic, or what is there from an offset on. */
  async records(from = 0n): Promise<LogRecord[]> {
    const found: LogRecord[] = [];
    const end = await this.end();
    for (let at = from; at < end;) {
      const { records, next } = await this.client.fetch(this.sales, 0, at);
      for (const { offset, timestamp, value, headers } of records) {
        const texts = Object.entries(headers).map(([name, given]) => [name, String(given)] as const);
        found.push({
          offset,
          timestamp: Number(timestamp),
          value: value === null ? null : value.toString(),
          headers: Object.fromEntries(texts),
        });
      }
      at = next > at ? next : at + 1n;
    }
    return found;
  }

  close(): Promise<void> {
    return this.client.disconnect();
  }
}

export const pending = (matchNumber: number, category: number, quantity: number) => ({
  meta: { action: 'TICKET_PENDING' },
  body: { matchNumber, tickets: { category, quantity, price: PRICES[category - 1] } },
});
