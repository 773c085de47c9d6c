/**
 * The exchange as it is run for real: separate processes, a real broker, a server that speaks MongoDB's protocol.
 * What is compared in the end: Redis, the archive, the log (by a fold of its own), and what buyers were told.
 */
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { Peer, PEER_HABITS } from '../../src/peer/peer.js';
import { BrokerLog } from '../../src/kafka/broker-log.js';
import { KafkaClient } from '../../src/kafka/kafkajs.js';
import { systemClock } from '../../src/process/clock.js';
import { silentLogger, testRedisUrl, until } from '../helpers/engine.js';
import { OwnRedis } from '../helpers/faults.js';
import { kafkaFound, sharedKafka, sharedKafkaFound, startKafka } from '../helpers/kafka.js';
import { mongoFound, sharedMongo, sharedMongoFound, startMongo } from '../helpers/mongo.js';
import { request } from '../helpers/processes.js';
import { uniqueName } from '../helpers/services.js';
import { skipBecause } from '../helpers/skips.js';
import {
  compare,
  listEntry,
  Marketplace,
  pending,
  settled,
  Topics,
  type Addresses,
} from '../exchange/world.js';

/** How long the mixed sale goes on, seconds: longer by hand (`npm run soak`). */
const SALE_SECONDS = Number(process.env['EXCHANGE_SECONDS'] ?? 15);
/** How long MongoDB and Kafka are away, seconds each. */
const OUTAGE_SECONDS = Number(process.env['OUTAGE_SECONDS'] ?? 6);
const TEST_MS_MAX = 300_000 + 2_000 * (SALE_SECONDS + OUTAGE_SECONDS);

/** The stand-in for Kafka knows no transactions and cannot be restarted. */
const reasons = [
  ...[sharedKafkaFound, kafkaFound].filter(({ kind }) => kind !== 'real'),
  ...[sharedMongoFound, mongoFound].filter(({ kind }) => kind === 'none'),
].map(({ reason }) => reason);

/** Tickets of matches 1 to `matches`. */
const ticketsOf = (matches: number): string[] =>
  Array.from({ length: matches }, (_, i) => [1, 2, 3].map((category) => `${i + 1}:${category}`)).flat();

if (reasons.length > 0) {
  skipBecause('marketplaces that exchange sales over Kafka and persist in MongoDB', reasons.join('; '));
} else {
  describe('marketplaces on one broker', () => {
    const closing: (() => Promise<unknown>)[] = [];
    afterEach(async () => {
      for (const close of closing.splice(0).reverse()) await close().catch(() => undefined);
    });
    let addresses: Addresses;
    beforeAll(async () => {
      const [kafka, mongo] = [await sharedKafka(), await sharedMongo()];
      addresses = { brokers: kafka.brokers, mongoUrl: mongo.url, redisUrl: testRedisUrl() };
    });

    async function market(capacity: number, matches: number, of: Addresses = addresses): Promise<Topics> {
      const topics = new Topics(of.brokers);
      closing.push(() => topics.close());
      await topics.create();
      await topics.publish(
        topics.lists,
        Array.from({ length: matches }, (_, i) => listEntry(i + 1, capacity)),
      );
      return topics;
    }
    async function marketplace(
      clientId: string,
      topics: Topics,
      groups: readonly (readonly string[])[] = [[]],
      of: Addresses = addresses,
      extra: Readonly<Record<string, string>> = {},
    ): Promise<Marketplace> {
      const made = new Marketplace(clientId, topics, of, extra);
      closing.push(() => made.close());
      await made.start(...groups);
      return made;
    }
    const open = (of: Marketplace, tickets: readonly string[]): Promise<void> =>
      until(async () => {
        const all = await Promise.all(tickets.map((ticket) => of.counters(ticket)));
        return all.every((counters) => counters !== null);
      }, 60_000);
    const held = async (of: Marketplace, ticket: string): Promise<number> =>
      (await of.counters(ticket))?.heldElsewhere ?? -1;
    function letters(of: Marketplace): Queue {
      const connection = new Redis(of.addresses.redisUrl, { maxRetriesPerRequest: null });
      const queue = new Queue('dead-letters', { connection, prefix: `${of.prefix}:{queues}` });
      closing.push(async () => {
        await queue.close();
        connection.disconnect();
      });
      return queue;
    }

    it(
      'takes what the console producer writes, skips its own, keeps garbage, re-drives once, replays without effect',
      async () => {
        const topics = await market(20, 2);
        const kafka = await sharedKafka();
        // Its hold stays to the end: what it says when it ends would be one record more.
        const settings = { SALES_MESSAGE_WAIT_MS: '1000', HOLD_MS: '3600000' };
        const one = await marketplace('one', topics, [[]], addresses, settings);
        await open(one, ticketsOf(2));
        const lines = (...messages: string[]): string => messages.map((line) => `${line}\n`).join('');
        await kafka.tool(
          'console-producer',
          ['--topic', topics.sales],
          lines(
            JSON.stringify(pending(1, 1, 2)),
            'garbage',
            '{"meta":{"action":"TICKET_STOLEN"}}',
            JSON.stringify(pending(9, 1, 1)),
            JSON.stringify(pending(1, 2, 1)),
          ),
        );
        await until(async () => (await held(one, '1:2')) === 1 && (await held(one, '1:1')) === 2);
        const queue = letters(one);
        await until(async () => (await queue.getFailed()).length === 3);
        const reasonsOf = (await queue.getFailed()).map(({ failedReason }) => failedReason);
        expect(reasonsOf.sort()).toEqual([
          'meta.action is not one of the three that the market knows',
          'not_open',
          'the value is not JSON in UTF-8',
        ]);
        // The cause is mended after the message has ceased to wait: now somebody has to re-drive it.
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        await topics.publish(topics.lists, listEntry(9, 20));
        await open(one, ['9:1']);
        expect(await held(one, '9:1')).toBe(0);
        for (let i = 0; i < 2; i += 1) {
          const letter = (await queue.getJobs(['failed', 'completed'])).find(
            ({ failedReason, returnvalue }) => failedReason === 'not_open' || Boolean(returnvalue),
          );
          await letter?.retry((await letter.isFailed()) ? 'failed' : 'completed');
          await until(async () => (await queue.getCompletedCount()) === 1);
          expect(await held(one, '9:1')).toBe(1);
        }
        // Our own hold is in the log, and not counted twice.
        await one.buyer(['2:1'], () => 0.1);
        await until(async () => (await topics.records()).length === 6);
        expect(await one.folded('2:1')).toMatchObject({ heldHere: 1, heldElsewhere: 0 });
        await settled(topics, [one], [...ticketsOf(2), '9:1']);

        const before = await Promise.all([...ticketsOf(2), '9:1'].map((ticket) => one.counters(ticket)));
        await one.stop();
        await kafka.tool('consumer-groups', [
          ...['--group', 'one', '--reset-offsets', '--to-earliest', '--execute'],
          ...['--topic', topics.sales, '--topic', topics.lists],
        ]);
        await one.restart();
        await topics.publish(topics.sales, pending(1, 3, 1));
        await until(async () => (await held(one, '1:3')) === 1);
        const after = await Promise.all([...ticketsOf(2), '9:1'].map((ticket) => one.counters(ticket)));
        const bare = (all: typeof before) =>
          all
            .filter((counters) => counters?.matchNumber !== 1 || counters.category !== 3)
            .map((counters) => ({ ...counters, version: 0, incarnation: 0 }));
        expect(bare(after)).toEqual(bare(before));
      },
      TEST_MS_MAX,
    );

    it(
      'two marketplaces and a misbehaving peer: counters equal a fold of the log',
      async () => {
        const matches = 4;
        const topics = await market(400, matches);
        const [one, two] = [await marketplace('one', topics), await marketplace('two', topics)];
        const tickets = ticketsOf(matches);
        await Promise.all([open(one, tickets), open(two, tickets)]);
        const peers = (['full', 'client'] as const).map((ids, i) => {
          const clientId = `peer-${ids}`;
          const log = new BrokerLog({
            client: new KafkaClient({ brokers: addresses.brokers, clientId, logger: silentLogger }),
            groupId: uniqueName(clientId),
            clientId,
            salesTopic: topics.sales,
            topics: {
              masterlistTopic: topics.lists,
              salesTopic: topics.sales,
              create: false,
              salesPartitions: 1,
              replication: -1,
            },
            fencing: false,
            clock: systemClock,
            logger: silentLogger,
          });
          const peer = new Peer({
            ...PEER_HABITS,
            log,
            clock: systemClock,
            masterlistTopic: topics.lists,
            salesTopic: topics.sales,
            clientId,
            seed: i + 1,
            rate: 8,
            ids,
            patienceMs: 2_000,
            repeats: 0.1,
            reorders: 0.1,
            garbage: 0.1,
            silence: 0.05,
          });
          return { log, peer };
        });
        for (const { log, peer } of peers) {
          await log.start();
          closing.push(() => log.stop());
          await peer.start();
        }
        const end = Date.now() + SALE_SECONDS * 1_000;
        const ended = (): boolean => Date.now() > end;
        await Promise.all([one.crowd(tickets, 6, ended), two.crowd(tickets, 6, ended)]);
        for (const { peer } of peers) await peer.stop();
        await settled(topics, [one, two], tickets);
        const seen = await compare(topics, [one, two], tickets);
        expect(seen.reserved).toBeGreaterThan(10);
        process.stdout.write(`exchange: ${JSON.stringify({ seconds: SALE_SECONDS, ...seen })}\n`);
      },
      TEST_MS_MAX,
    );

    it(
      'without MongoDB, without Kafka, and after a restart of everything, Redis, archive and log agree',
      async () => {
        const redis = new OwnRedis();
        closing.push(() => redis.remove());
        await redis.start();
        const kafka = await startKafka();
        closing.push(() => kafka.stop());
        const mongo = await startMongo();
        closing.push(() => mongo.stop());
        const own = { brokers: kafka.brokers, mongoUrl: mongo.url, redisUrl: redis.url };
        // Selling goes on while Kafka is away: there must be something left after it.
        const topics = await market(400 + 200 * OUTAGE_SECONDS, 2, own);
        const groups = [['worker'], ['worker'], ['shop', 'reservations'], ['consumer']];
        const one = await marketplace('one', topics, groups, own);
        const tickets = ticketsOf(2);
        await open(one, tickets);
        let isOver = false;
        const crowd = one.crowd(tickets, 6, () => isOver);
        const outage = async (server: { kill(): Promise<void>; restart(): Promise<void> }): Promise<void> => {
          await new Promise((resolve) => setTimeout(resolve, 3_000));
          await server.kill();
          await new Promise((resolve) => setTimeout(resolve, OUTAGE_SECONDS * 1_000));
          await server.restart();
          const before = one.told.filter(({ status }) => status === 'RESERVED').length;
          // It sells again.
          await until(
            () => one.told.filter(({ status }) => status === 'RESERVED').length > before + 3,
            60_000,
          );
        };
        await outage(mongo);
        await outage(kafka);
        isOver = true;
        await crowd;
        await settled(topics, [one], tickets);
        await compare(topics, [one], tickets);
        await one.stop();
        await redis.kill();
        await redis.start();
        await kafka.restart();
        await mongo.restart();
        await one.restart();
        let isOverAgain = false;
        const again = one.crowd(tickets, 4, () => isOverAgain);
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        isOverAgain = true;
        await again;
        await settled(topics, [one], tickets);
        await compare(topics, [one], tickets);
        // Redis loses everything while buyers are at it: holds may end, no sale does.
        let isOverAtLast = false;
        const last = one.crowd(tickets, 4, () => isOverAtLast);
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        await redis.remove();
        await redis.start();
        await new Promise((resolve) => setTimeout(resolve, 8_000));
        isOverAtLast = true;
        await last;
        await settled(topics, [one], tickets);
        await compare(topics, [one], tickets);
      },
      TEST_MS_MAX,
    );

    it(
      'three workers, two webs and two consumers on one Redis, with consumers and workers killed and paused: nothing is lost or doubled',
      async () => {
        const topics = await market(400, 3);
        const web = ['shop', 'reservations'];
        const groups = [['worker'], ['worker'], ['worker'], web, web, ['consumer'], ['consumer']];
        const one = await marketplace('one', topics, groups);
        const tickets = ticketsOf(3);
        await open(one, tickets);
        let isOver = false;
        const crowd = one.crowd(tickets, 4, () => isOver);
        let sent = 0;
        const others = (async () => {
          while (!isOver) {
            const ticket = tickets[(sent += 1) % tickets.length] ?? '1:1';
            const [matchNumber = 1, category = 1] = ticket.split(':').map(Number);
            await topics.publish(topics.sales, pending(matchNumber, category, 1), { clientId: 'other' });
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        })();
        const replace = async (role: string): Promise<void> => {
          const [process] = one.processes.filter(({ roles }) => roles.includes(role));
          if (!process) return;
          await process.running.end('SIGKILL');
          one.processes.splice(one.processes.indexOf(process), 1);
          await one.start(process.roles);
        };
        // One sleeps past its lease in the middle of its work; its tickets go on elsewhere, and it wakes.
        const [sleeper] = one.processes.filter(({ roles }) => roles.includes('worker'));
        sleeper?.running.kill('SIGSTOP');
        await new Promise((resolve) => setTimeout(resolve, 9_000));
        sleeper?.running.kill('SIGCONT');
        for (let i = 0; i < 3; i += 1) {
          await replace('consumer');
          await replace('worker');
          await new Promise((resolve) => setTimeout(resolve, 1_500));
        }
        isOver = true;
        await Promise.all([crowd, others]);
        await settled(topics, [one], tickets);
        const seen = await compare(topics, [one], tickets);
        const all = await Promise.all(tickets.map((ticket) => one.folded(ticket)));
        expect(all.reduce((sum, counters) => sum + (counters?.heldElsewhere ?? 0), 0)).toBe(sent);
        expect(seen.reserved).toBeGreaterThan(0);
        // Both webs answer, each from its own read model.
        for (let i = 0; i < 2; i += 1) {
          const { body } = await request('GET', `${one.url('shop')}/api/v1/matches/1`);
          const counters = await one.counters('1:1');
          expect(body.availability['category1']?.available).toBe(counters?.available);
        }
      },
      TEST_MS_MAX,
    );
  });
}
