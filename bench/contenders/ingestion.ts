/** What other marketplaces say, taken from a real broker: with all its effects committed, and only parsed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Case, Contender, Figures, Part, Running } from '../contender.js';
import { runMeasuring } from '../generator.js';
import { stopAll } from '../program.js';
import { TICKETS } from './holds.js';
import { realKafkaMissing, startMarket } from './market.js';
import { ticketNumbers, withStore } from './store.js';
import { startProduct, ticktak } from './ticktak.js';

export type IngestionCase = Case;

const RECORDS = 20_000;

export const INGESTION_CASES: readonly IngestionCase[] = [
  { id: 'spread', title: '20,000 holds of a peer with ids, 192 tickets, one partition' },
];

/** Of the records these come before anything is timed. */
const WARM_UP_SHARE = 0.2;
const LOOK_MS = 20;
const INGESTION_MS_MAX = 300_000;
const CONSUMER = new URL('../programs/parsing-consumer.ts', import.meta.url);

export const parsing: Contender<IngestionCase> = {
  id: 'kafkajs',
  title: 'a kafkajs consumer that only parses',
  durability: 'None: nothing is kept of what was read.',
  setUp: 'One process with a kafkajs consumer (eachBatch) and Apache Kafka, one partition.',
  missing: realKafkaMissing,
  async start(): Promise<Running<IngestionCase>> {
    const { topics, brokers, stop } = await startMarket(RECORDS);
    return {
      parts: [],
      measure: (_case, measuring) => {
        const warmUpRecords = RECORDS * WARM_UP_SHARE;
        return runMeasuring(
          CONSUMER,
          { brokers, topic: topics.sales, records: RECORDS, warmUpRecords },
          measuring,
        );
      },
      stop,
    };
  },
};

export const ingestion: Contender<IngestionCase> = {
  ...ticktak('everysec'),
  durability: 'Counts a record when its effect is committed in Redis, from where it goes to the archive.',
  setUp:
    'One consumer process, one worker process, Redis, the embedded archive, and Apache Kafka, one partition.',
  missing: realKafkaMissing,
  async start(): Promise<Running<IngestionCase>> {
    const { settings, stop } = await startMarket(RECORDS);
    const started: { stop(): Promise<void> }[] = [{ stop }];
    const parts: Part[] = [];
    return {
      parts,
      async measure(_case, { onBegin }) {
        const product = await startProduct('everysec', { roles: ['consumer'], env: settings });
        started.push(product);
        parts.push(...product.programs);
        return counted(product.programs[0]?.url ?? '', RECORDS, onBegin);
      },
      stop: () => stopAll(started),
    };
  },
};

/** Looks until every record has had its effect. */
const counted = (redisUrl: string, records: number, onBegin: () => void): Promise<Figures> =>
  withStore(redisUrl, async (store) => {
    const tickets = ticketNumbers(TICKETS);
    const giveUpAt = Date.now() + INGESTION_MS_MAX;
    let began: { readonly at: number; readonly done: number } | null = null;
    for (;;) {
      const counters = await store.counters(tickets);
      const done = counters.reduce((sum, { heldElsewhere }) => sum + heldElsewhere, 0);
      if (began === null && done >= records * WARM_UP_SHARE) {
        began = { at: performance.now(), done };
        onBegin();
      }
      if (done >= records || Date.now() > giveUpAt) {
        const count = done - (began?.done ?? done);
        const seconds = (performance.now() - (began?.at ?? performance.now())) / 1_000;
        const failed =
          done === records ? {} : { 'records without or with more than their effect': records - done };
        return { count, seconds, perSecond: count / seconds, latency: null, failed };
      }
      await sleep(LOOK_MS);
    }
  });
