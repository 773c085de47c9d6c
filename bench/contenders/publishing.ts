/** What is told to other marketplaces, put on a real broker: from the outbox with all its effects, and only sent. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LATEST } from '../../src/kafka/kafkajs.js';
import type { RedisTicketStore } from '../../src/redis/ticket-store.js';
import type { Topics } from '../../test/exchange/topics.js';
import type { Case, Contender, Figures, Part, Running } from '../contender.js';
import { load, runMeasuring } from '../generator.js';
import { stopAll } from '../program.js';
import type { ProducerOptions } from '../programs/producer.js';
import { HOLD_PATH } from '../programs/web.js';
import { TICKETS } from './holds.js';
import { MARKET_CLIENT, realKafkaMissing, startMarket } from './market.js';
import { saleOpen, ticketNumbers, withStore } from './store.js';
import { startProduct, ticktak } from './ticktak.js';

export interface PublishingCase extends Case {
  readonly records: number;
}

export const PUBLISHING_CASES: readonly PublishingCase[] = [
  {
    id: 'spread',
    title: '40,000 holds that waited for the broker, 192 tickets, one partition',
    records: 40_000,
  },
];

/** Of the records these come before anything is timed. */
const WARM_UP_SHARE = 0.2;
/** As many as the product has in one of its own batches, which it limits by their bytes. */
const BATCH_RECORDS = 500;
const HOLD_CONNECTIONS = 64;
const LOOK_MS = 20;
const PUBLISHING_MS_MAX = 300_000;
const PRODUCER = new URL('../programs/producer.ts', import.meta.url);

export const producing: Contender<PublishingCase> = {
  id: 'kafkajs',
  title: 'a kafkajs producer that only sends',
  durability: 'Counts a record when all in-sync replicas, here one, have it; nothing says which were sent.',
  setUp:
    `One process with a kafkajs producer, ${BATCH_RECORDS} records in a batch, one batch after the other, and Apache Kafka, ` +
    'one partition.',
  missing: realKafkaMissing,
  async start(): Promise<Running<PublishingCase>> {
    const { topics, brokers, stop } = await startMarket(0);
    return {
      parts: [],
      measure: ({ records }, measuring) => {
        const options: ProducerOptions = {
          brokers,
          topic: topics.sales,
          clientId: MARKET_CLIENT,
          records,
          warmUpRecords: records * WARM_UP_SHARE,
          batchRecords: BATCH_RECORDS,
          tickets: TICKETS,
        };
        return runMeasuring(PRODUCER, options, measuring);
      },
      stop,
    };
  },
};

export const publishing: Contender<PublishingCase> = {
  ...ticktak('everysec'),
  durability:
    'Counts a record when it is archived and all in-sync replicas have it; ends when Redis knows that all were sent, so ' +
    'that nobody sends one again.',
  setUp:
    'One web process (reservations), one consumer process, one worker process, Redis, the embedded archive, and Apache ' +
    'Kafka, one partition, which is stopped (SIGSTOP) while the holds are made.',
  missing: realKafkaMissing,
  async start(): Promise<Running<PublishingCase>> {
    const { kafka, topics, settings, stop } = await startMarket(0);
    const started: { stop(): Promise<void> }[] = [{ stop }];
    const parts: Part[] = [];
    return {
      parts,
      async measure({ records }, { onBegin, ...times }) {
        const product = await startProduct('everysec', { beside: ['consumer'], env: settings });
        started.push(product);
        parts.push(...product.programs);
        const redisUrl = product.programs[0]?.url ?? '';
        await saleOpen(redisUrl, TICKETS);
        kafka.pause();
        try {
          const made = await load(
            {
              url: product.programs.at(-1)?.url ?? '',
              connections: HOLD_CONNECTIONS,
              expected: 201,
              amount: records,
              requests: { kind: 'hold', path: HOLD_PATH, firstTicket: 0, tickets: TICKETS },
            },
            { ...times, onBegin: () => undefined },
          );
          kafka.resume();
          if (Object.keys(made.failed).length > 0) return made;
          return await withStore(redisUrl, (store) => published(topics, store, records, onBegin));
        } finally {
          kafka.resume();
        }
      },
      stop: () => stopAll(started),
    };
  },
};

/** Looks until the broker has every record and Redis knows it. */
async function published(
  topics: Topics,
  store: RedisTicketStore,
  records: number,
  onBegin: () => void,
): Promise<Figures> {
  const giveUpAt = Date.now() + PUBLISHING_MS_MAX;
  let began: { readonly at: number; readonly done: number } | null = null;
  let isOut = false;
  while (!isOut && Date.now() < giveUpAt) {
    await sleep(LOOK_MS);
    const done = Number((await topics.client.offsetsAt(topics.sales, LATEST)).get(0) ?? 0n);
    if (began === null && done >= records * WARM_UP_SHARE) {
      began = { at: performance.now(), done };
      onBegin();
    }
    if (done >= records) isOut = (await store.pulse(ticketNumbers(TICKETS))).every((ticket) => ticket.isOut);
  }
  const seconds = (performance.now() - (began?.at ?? performance.now())) / 1_000;
  // Fences take places in the topic too: what is there is counted by reading it.
  const ours = (await topics.records()).filter(({ headers }) => headers['clientId'] === MARKET_CLIENT);
  const different = new Set(ours.map(({ headers }) => headers['eventId'])).size;
  const failed = {
    ...(!isOut && { 'not published in time': 1 }),
    ...(different !== records && { 'records missing or too many': Math.abs(records - different) }),
    ...(ours.length !== different && { 'records sent again': ours.length - different }),
  };
  const count = records - (began?.done ?? records);
  return { count, seconds, perSecond: count / seconds, latency: null, failed };
}
