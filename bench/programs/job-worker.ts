/** The worker of one job per request: a BullMQ worker per ticket, one job at a time, each with a Redlock around it. */
import { Worker } from 'bullmq';
import { Redis } from 'ioredis';
import Redlock from 'redlock';
import { takerFrom, type CounterOptions } from './counter.js';
import { LOCK_MS } from './job.js';
import { optionsOf, ready } from './program.js';
import { namesOf } from './web.js';

const { redisUrl, tickets } = optionsOf<CounterOptions>();
const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
const take = await takerFrom(connection);
const redlock = new Redlock([connection]);
const workers = namesOf(tickets).map(
  (name) =>
    new Worker<{ quantity: number }, number>(
      name,
      async ({ data }) => {
        const lock = await redlock.acquire([`lock:${name}`], LOCK_MS);
        try {
          return await take(name, data.quantity);
        } finally {
          await lock.release();
        }
      },
      { connection },
    ),
);
await Promise.all(workers.map((worker) => worker.waitUntilReady()));
ready();
