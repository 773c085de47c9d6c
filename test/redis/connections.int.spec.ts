/** A process has as many connections to Redis as it has, however many tickets it touches. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { CATEGORIES } from '../../src/catalog/match.js';
import type { TicketId } from '../../src/rules/index.js';
import { loadBody, startEngine, type Engine } from '../helpers/engine.js';
import { OwnRedis } from '../helpers/faults.js';

const ticketAt = (i: number): TicketId => ({
  matchNumber: 1 + Math.floor(i / 3),
  category: CATEGORIES[i % 3] ?? 1,
});

describe('connections', () => {
  const server = new OwnRedis();
  let engine: Engine;
  afterEach(async () => {
    await engine.stop();
    await server.remove();
  });

  it('are two per process, with 10, 192 and 1,000 tickets', async () => {
    await server.start();
    const matches = Array.from({ length: 67 }, (_, i) => i + 1);
    engine = await startEngine({
      redisUrl: server.url,
      prefix: 'many',
      matches,
      core: { replyWaitMs: 25_000 },
    });
    const { redis, queues } = engine.core;
    const clients = async () => ((await redis.client('LIST')) as string).trim().split('\n');
    const counts: number[] = [];
    // Those that have nothing to do are given up again, sooner than a slow machine has told all of them.
    let mostOwned = 0;
    const tell = async (ticket: TicketId, available: number): Promise<void> => {
      await engine.tell(ticket, loadBody(available));
      mostOwned = Math.max(mostOwned, engine.workers[0]?.host.owned.length ?? 0);
    };
    for (const [from, to] of [
      [0, 10],
      [10, 192],
      [192, 1_000],
    ] as const) {
      for (let i = from; i < to; i += 1) await queues.queue(ticketAt(i)).getJobCounts('wait');
      // Some of them with a worker of their own.
      const used = Array.from({ length: Math.min(200, to) }, (_, i) => ticketAt(i));
      await Promise.all(used.map((ticket) => tell(ticket, to)));
      counts.push((await clients()).length);
    }
    expect(counts).toEqual([2, 2, 2]);
    expect((await clients()).filter((line) => /flags=b/.test(line))).toEqual([]);
    expect(mostOwned).toBeGreaterThan(100);
  });
});
