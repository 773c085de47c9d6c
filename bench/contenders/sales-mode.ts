/** Holds on a real broker, in both modes of sale: what it costs to wait for a place in the log. */
import type { Contender } from '../contender.js';
import { startAll, stopAll, type Program } from '../program.js';
import { HOLD_CASES, runningHolds, type HoldCase } from './holds.js';
import { realKafkaMissing, startMarket } from './market.js';
import { saleOpen } from './store.js';
import { startProduct, ticktak } from './ticktak.js';

export const SALES_MODE_CASES: readonly HoldCase[] = HOLD_CASES.filter(({ id }) => id.startsWith('hot-'));

/** As many as the cases ask for, and no more to read at the start. */
const TICKETS = Math.max(...SALES_MODE_CASES.map(({ firstTicket, tickets }) => firstTicket + tickets));

const DURABILITY = {
  optimistic: 'Answers a hold when it is committed in Redis; the others hear of it afterwards.',
  ordered:
    'Answers a hold when its record has come back from the log, acknowledged by all replicas, and was granted there.',
} as const;

export const salesMode = (mode: keyof typeof DURABILITY): Contender<HoldCase> => ({
  ...ticktak('everysec'),
  id: `sales-mode/${mode}`,
  title: `ticktak, ${mode}, on a real broker`,
  durability: DURABILITY[mode],
  setUp:
    'One web process (reservations), one worker process, one consumer process, Redis, the embedded archive, and Apache ' +
    'Kafka, one partition, LogAppendTime.',
  missing: realKafkaMissing,
  start: async () => {
    let programs: readonly Program[] = [];
    const all = await startAll<{ stop(): Promise<unknown> }>(async (started) => {
      const market = await startMarket(0, TICKETS, { 'message.timestamp.type': 'LogAppendTime' });
      started(market);
      const env = { ...market.settings, ...(mode === 'ordered' && { SALES_MODE: mode }) };
      const product = await startProduct('everysec', { beside: ['consumer'], env });
      started(product);
      programs = product.programs;
      await saleOpen(programs[0]?.url ?? '', TICKETS);
    });
    return { ...runningHolds(programs), stop: () => stopAll(all) };
  },
});
