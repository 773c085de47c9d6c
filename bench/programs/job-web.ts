/** One BullMQ job per request, and a wait until it is finished: a queue and its QueueEvents per ticket. */
import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { fillCounters, type CounterOptions } from './counter.js';
import { JOB_MS_MAX, JOBS_KEPT } from './job.js';
import { optionsOf } from './program.js';
import { nameOf, namesOf, serveHolds } from './web.js';

const options = optionsOf<CounterOptions>();
const connection = new Redis(options.redisUrl, { maxRetriesPerRequest: null });
await fillCounters(connection, options);
const lanes = new Map(
  namesOf(options.tickets).map((name) => {
    // Removed at once, a job could be gone before it is asked whether it is finished.
    const defaultJobOptions = { removeOnComplete: { count: JOBS_KEPT }, removeOnFail: { count: JOBS_KEPT } };
    const queue = new Queue<{ quantity: number }, number>(name, { connection, defaultJobOptions });
    return [name, { queue, events: new QueueEvents(name, { connection }) }] as const;
  }),
);
await Promise.all([...lanes.values()].map(({ events }) => events.waitUntilReady()));

await serveHolds(async (wanted) => {
  const lane = lanes.get(nameOf(wanted));
  if (!lane) return -1;
  const job = await lane.queue.add('hold', { quantity: wanted.quantity });
  return job.waitUntilFinished(lane.events, JOB_MS_MAX);
});
