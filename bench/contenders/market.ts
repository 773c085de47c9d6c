/** A market on a real broker of its own: its topics, a master list, and what other marketplaces said. */
import { listEntry, pending, Topics } from '../../test/exchange/topics.js';
import { kafkaFound, startKafka, type KafkaServer } from '../../test/helpers/kafka.js';
import { ticketNumber } from '../programs/ticket.js';
import { CAPACITY, TICKETS } from './holds.js';
import { PREFIX } from './store.js';

const BATCH_RECORDS = 1_000;

/** The product's name in the market. */
export const MARKET_CLIENT = 'ticktak';

export interface Market {
  readonly kafka: KafkaServer;
  readonly topics: Topics;
  readonly brokers: string;
  /** Of the product, to take part in it. */
  readonly settings: Readonly<Record<string, string>>;
  readonly stop: () => Promise<void>;
}

/**
 * `records` holds of a peer and the list of `tickets` are in their topics before anybody reads; the topics have
 * `topicSettings` besides those of all.
 */
export async function startMarket(
  records: number,
  tickets = TICKETS,
  topicSettings: Readonly<Record<string, string>> = {},
): Promise<Market> {
  const kafka = await startKafka();
  const topics = new Topics(kafka.brokers);
  await topics.create(topicSettings);
  const matches = Array.from({ length: Math.ceil(tickets / 3) }, (_, index) =>
    listEntry(index + 1, CAPACITY),
  );
  await topics.publish(topics.lists, matches);
  for (let from = 0; from < records; from += BATCH_RECORDS) {
    const messages = Array.from({ length: Math.min(BATCH_RECORDS, records - from) }, (_, index) => {
      const { matchNumber, category } = ticketNumber((from + index) % tickets);
      return {
        key: Buffer.from(`${matchNumber}:${category}`),
        value: Buffer.from(JSON.stringify(pending(matchNumber, category, 1))),
        headers: { clientId: 'peer', reservationId: `peer-${from + index}` },
        timestamp: Date.now(),
      };
    });
    await topics.client.produce(null, topics.sales, new Map([[0, { firstSequence: 0, messages }]]));
  }
  const brokers = kafka.brokers.join();
  return {
    kafka,
    topics,
    brokers,
    settings: {
      KAFKA_BROKERS: brokers,
      CLIENT_ID: MARKET_CLIENT,
      REDIS_PREFIX: PREFIX,
      SALES_TOPIC_PREFIX: topics.sales.replace(/-dev$/, ''),
      MASTERLIST_TOPIC_PREFIX: topics.lists.replace(/-dev$/, ''),
    },
    stop: async () => {
      await topics.close();
      await kafka.stop();
    },
  };
}

/** Why there is no real broker; null when there is one. */
export const realKafkaMissing = (): Promise<string | null> =>
  Promise.resolve(kafkaFound.kind === 'real' ? null : `a real Kafka: ${kafkaFound.reason}`);
