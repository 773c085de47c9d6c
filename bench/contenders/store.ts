/** Looks into the product's store in Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { systemClock } from '../../src/process/clock.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { RedisTicketStore } from '../../src/redis/ticket-store.js';
import { ticketNumber } from '../programs/ticket.js';

/** First part of the product's keys, where a case looks at them. */
export const PREFIX = 'bench';

const OPEN_MS_MAX = 60_000;
const LOOK_MS = 50;

/** Does `work` with the store of the product that has `PREFIX`. */
export async function withStore<T>(
  redisUrl: string,
  work: (store: RedisTicketStore) => Promise<T>,
): Promise<T> {
  const redis = new Redis(redisUrl);
  try {
    return await work(new RedisTicketStore(redis, new RedisKeys(PREFIX), systemClock));
  } finally {
    redis.disconnect();
  }
}

export const ticketNumbers = (tickets: number) =>
  Array.from({ length: tickets }, (_, ticket) => ticketNumber(ticket));

/** Waits until so many tickets are open: a master list that is read from its topic takes a while. */
export const saleOpen = (redisUrl: string, tickets: number): Promise<void> =>
  withStore(redisUrl, async (store) => {
    const giveUpAt = Date.now() + OPEN_MS_MAX;
    while ((await store.counters(ticketNumbers(tickets))).length < tickets) {
      if (Date.now() > giveUpAt) throw new Error('the sale did not open');
      await sleep(LOOK_MS);
    }
  });
