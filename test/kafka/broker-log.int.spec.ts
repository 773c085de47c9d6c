/** The log on a real broker: fencing, reading back, groups, topics that are made anew. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { BrokerLog } from '../../src/kafka/broker-log.js';
import { KafkaClient } from '../../src/kafka/kafkajs.js';
import type { IncomingRecord, Log, OutgoingRecord } from '../../src/kafka/port.js';
import { checkTopics, problemsOf, TopicsError } from '../../src/kafka/topics.js';
import { systemClock } from '../../src/process/clock.js';
import { silentLogger, until } from '../helpers/engine.js';
import { sharedKafka, sharedKafkaFound, type SharedKafka } from '../helpers/kafka.js';
import { uniqueName } from '../helpers/services.js';
import { skipBecause } from '../helpers/skips.js';

const isReal = sharedKafkaFound.kind === 'real';

if (!isReal) {
  skipBecause('the log on a real Kafka broker', sharedKafkaFound.reason);
} else {
  describe('the log on Kafka', () => {
    let kafka: SharedKafka;
    const logs: Log[] = [];
    beforeAll(async () => {
      kafka = await sharedKafka();
    });
    afterEach(async () => {
      await Promise.all(logs.splice(0).map((log) => log.stop()));
    });
    let client: KafkaClient;
    beforeAll(() => {
      client = new KafkaClient({ brokers: kafka.brokers, clientId: 'tests', logger: silentLogger });
    });
    afterAll(() => client.disconnect());

    interface Market {
      readonly sales: string;
      readonly lists: string;
      readonly group: string;
      readonly open: () => Promise<BrokerLog>;
    }
    function market(partitions = 1): Market {
      const name = uniqueName('market');
      const [sales, lists] = [`${name}-sales`, `${name}-lists`];
      const open = async (): Promise<BrokerLog> => {
        const log = new BrokerLog({
          client: new KafkaClient({ brokers: kafka.brokers, clientId: 'me', logger: silentLogger }),
          groupId: name,
          clientId: 'me',
          salesTopic: sales,
          topics: {
            masterlistTopic: lists,
            salesTopic: sales,
            create: true,
            salesPartitions: partitions,
            replication: -1,
          },
          fencing: true,
          clock: systemClock,
          logger: silentLogger,
        });
        logs.push(log);
        await log.start();
        return log;
      };
      return { sales, lists, group: name, open };
    }
    const out = (topic: string, value: string, key = '1:1'): OutgoingRecord => ({
      topic,
      key,
      value,
      headers: { clientId: 'me', eventId: value },
    });
    const valuesOf = (records: readonly IncomingRecord[]): string[] =>
      records.map(({ value }) => String(value));
    async function held(log: Log, topic: string, since = 0): Promise<string[]> {
      const found: IncomingRecord[] = [];
      await log.readBack(topic, since, (record) => found.push(record));
      return valuesOf(found);
    }

    it('gives back what was published, in order, with its headers', async () => {
      const { sales, lists, open } = market();
      const log = await open();
      const publisher = await log.openPublisher();
      await publisher.publish([out(sales, 'a'), out(sales, 'b'), out(lists, 'l')]);
      await publisher.publish([out(sales, 'c')]);
      const found: IncomingRecord[] = [];
      const subscription = await log.subscribe(
        [sales, lists],
        async (records) => void found.push(...records),
      );
      await until(() => found.length === 4);
      const sold = found.filter(({ topic }) => topic === sales);
      expect(valuesOf(sold)).toEqual(['a', 'b', 'c']);
      expect(sold[0]).toMatchObject({ offset: '0', headers: { clientId: 'me', eventId: 'a' } });
      expect(sold[0]?.source).toMatch(/^[\w-]{22}\/[\w-]{22}\/0$/);
      expect(subscription.handled().get(sold[0]?.source ?? '')).toBe('3');
      await subscription.stop();
    });

    it('a fenced publisher writes nothing more, and what it had written is read back', async () => {
      const { sales, open } = market(3);
      const [sleeper, successor] = [await open(), await open()];
      const asleep = await sleeper.openPublisher();
      await asleep.publish([out(sales, 'a', '1:1'), out(sales, 'b', '1:2'), out(sales, 'c', '1:3')]);
      await successor.fence(asleep.id);
      expect((await held(successor, sales)).sort()).toEqual(['a', 'b', 'c']);
      for (const key of ['1:1', '1:2', '1:3', '2:1']) {
        await expect(asleep.publish([out(sales, 'late', key)])).rejects.toThrow('old epoch');
      }
      const publisher = await successor.openPublisher();
      await publisher.publish([out(sales, 'd')]);
      expect((await held(successor, sales)).sort()).toEqual(['a', 'b', 'c', 'd']);
    });

    it('fences one that never wrote, one that never was, twice, and by several at once', async () => {
      const { sales, open } = market();
      const [one, two] = [await open(), await open()];
      const idle = await one.openPublisher();
      await Promise.all([
        one.fence(idle.id),
        two.fence(idle.id),
        two.fence('never-was'),
        one.fence('never-was'),
      ]);
      await two.fence(idle.id);
      await expect(idle.publish([out(sales, 'late')])).rejects.toThrow('old epoch');
      expect(await held(two, sales)).toEqual([]);
    });

    it('publishers of a fence do not disturb each other or those who only read committed records', async () => {
      const { sales, lists, open } = market();
      const log = await open();
      const found: IncomingRecord[] = [];
      const subscription = await log.subscribe(
        [sales, lists],
        async (records) => void found.push(...records),
      );
      const [first, second] = [await log.openPublisher(), await log.openPublisher()];
      for (let i = 0; i < 5; i += 1) {
        await first.publish([out(sales, `first-${i}`)]);
        await log.fence(`dead-${i}`);
        await second.publish([out(sales, `second-${i}`)]);
      }
      await until(() => found.length === 10);
      expect(new Set(valuesOf(found)).size).toBe(10);
      await subscription.stop();
    });

    it('reads back from a time on', async () => {
      const { sales, open } = market();
      const log = await open();
      const publisher = await log.openPublisher();
      await publisher.publish([out(sales, 'old')]);
      await new Promise((resolve) => setTimeout(resolve, 30));
      const since = Date.now();
      await publisher.publish([out(sales, 'new')]);
      expect(await held(log, sales, since)).toEqual(['new']);
      expect(await held(log, sales, Date.now() + 60_000)).toEqual([]);
    });

    it('hands a rejected batch over again, and a new start begins at what was committed', async () => {
      const { sales, lists, open } = market();
      const log = await open();
      const publisher = await log.openPublisher();
      await publisher.publish(['a', 'b', 'c', 'd'].map((value) => out(sales, value)));
      let failures = 2;
      const found: IncomingRecord[] = [];
      const first = await log.subscribe([sales, lists], async (records) => {
        if ((failures -= 1) >= 0) throw new Error('not now');
        found.push(...records);
      });
      await until(() => found.length === 4);
      expect(first.isJoined()).toBe(true);
      const [source = ''] = found.map((record) => record.source);
      await first.commit(new Map([[source, '2']]));
      await first.stop();
      expect(first.isJoined()).toBe(false);
      const again: IncomingRecord[] = [];
      const second = await log.subscribe([sales, lists], async (records) => void again.push(...records));
      await until(() => again.length === 2);
      expect(valuesOf(again)).toEqual(['c', 'd']);
      await second.commit(second.handled());
      await publisher.publish([out(sales, 'e')]);
      await until(() => again.length === 3);
      await second.rewind();
      await until(() => again.length === 4);
      expect(valuesOf(again)).toEqual(['c', 'd', 'e', 'e']);
      await second.stop();
    });

    it('takes what others write: no key, no headers, no value, bytes that are no text', async () => {
      const { sales, lists, open } = market();
      const log = await open();
      await kafka.tool('console-producer', ['--topic', sales], '{"from":"the console"}\n');
      const zero = { firstSequence: 0 };
      const headers = {};
      await client.produce(
        null,
        sales,
        new Map([
          [
            0,
            {
              ...zero,
              messages: [{ key: null, value: Buffer.from([0xff, 0]), headers, timestamp: Date.now() }],
            },
          ],
        ]),
      );
      const found: IncomingRecord[] = [];
      const subscription = await log.subscribe(
        [sales, lists],
        async (records) => void found.push(...records),
      );
      await until(() => found.length === 2);
      expect(valuesOf(found)[0]).toBe('{"from":"the console"}');
      expect(found[1]?.value).toEqual(Buffer.from([0xff, 0]));
      expect(found.map(({ headers: given }) => given)).toEqual([{}, {}]);
      await subscription.stop();
    });

    it('takes what others write compressed, in every way there is', async () => {
      const { sales, lists, open } = market();
      const log = await open();
      const codecs = ['gzip', 'snappy', 'lz4', 'zstd'];
      const linesOf = (codec: string): string[] =>
        Array.from({ length: 2_000 }, (_, i) => `{"codec":"${codec}","sale":${i}}`);
      await Promise.all(
        codecs.map((codec) =>
          kafka.tool(
            'console-producer',
            ['--topic', sales, '--compression-codec', codec, '--batch-size', '200000'],
            linesOf(codec)
              .map((line) => `${line}\n`)
              .join(''),
          ),
        ),
      );
      const publisher = await log.openPublisher();
      await publisher.publish([out(sales, 'plain')]);
      const back = await held(log, sales);
      const found: IncomingRecord[] = [];
      const subscription = await log.subscribe(
        [sales, lists],
        async (records) => void found.push(...records),
      );
      await until(() => found.length >= back.length, 30_000);
      for (const codec of codecs) {
        expect(back.filter((value) => value.includes(codec))).toEqual(linesOf(codec));
      }
      expect(back).toHaveLength(codecs.length * 2_000 + 1);
      expect(valuesOf(found)).toEqual(back);
      await subscription.stop();
    });

    it('shares the partitions of a group, and goes on with those of a member that left', async () => {
      const { sales, lists, open } = market(4);
      const [one, two] = [await open(), await open()];
      const publisher = await one.openPublisher();
      const found = new Map<string, Set<string>>([
        ['one', new Set()],
        ['two', new Set()],
      ]);
      const hear = (name: string) => async (records: readonly IncomingRecord[]) => {
        for (const value of valuesOf(records)) found.get(name)?.add(value);
      };
      const first = await one.subscribe([sales, lists], hear('one'));
      const second = await two.subscribe([sales, lists], hear('two'));
      let sent = 0;
      const publish = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i += 1) {
          await publisher.publish([out(sales, `v${sent}`, `${sent % 16}:1`)]);
          sent += 1;
        }
      };
      const all = (): number => new Set([...(found.get('one') ?? []), ...(found.get('two') ?? [])]).size;
      await until(async () => {
        await publish(4);
        return [...found.values()].every((values) => values.size > 0);
      }, 30_000);
      await first.stop();
      await publish(50);
      await until(() => all() === sent, 30_000);
      await second.stop();
    });

    it('a topic that was deleted and made anew is another source, read from its beginning', async () => {
      const { sales, lists, open } = market();
      const log = await open();
      const publisher = await log.openPublisher();
      await publisher.publish([out(sales, 'a'), out(sales, 'b')]);
      const found: IncomingRecord[] = [];
      const subscription = await log.subscribe(
        [sales, lists],
        async (records) => void found.push(...records),
      );
      await until(() => found.length === 2);
      await subscription.commit(subscription.handled());
      await kafka.tool('topics', ['--delete', '--topic', sales]);
      await until(async () => !(await client.topics([sales])).has(sales));
      await client.createTopics([{ name: sales, partitions: 1, replication: -1, settings: {} }]);
      const other = await (await open()).openPublisher();
      await other.publish([out(sales, 'c')]);
      await until(() => found.length >= 3, 40_000);
      expect(valuesOf(found).at(-1)).toBe('c');
      expect(found.at(-1)?.offset).toBe('0');
      expect(found.at(-1)?.source).not.toBe(found[0]?.source);
      await subscription.stop();
    });

    it('tells how far behind it is', async () => {
      const { sales, lists, open } = market();
      const log = await open();
      const publisher = await log.openPublisher();
      await publisher.publish([out(sales, 'a'), out(sales, 'b'), out(sales, 'c')]);
      let isOpen = false;
      const subscription = await log.subscribe([sales, lists], () =>
        isOpen ? Promise.resolve() : Promise.reject(new Error('not yet')),
      );
      await until(() => [...subscription.lag().values()].includes(3), 30_000);
      isOpen = true;
      await until(() => [...subscription.lag().values()].every((lag) => lag === 0), 30_000);
      await subscription.stop();
    });

    describe('topics', () => {
      const policy = (more: object) => ({
        masterlistTopic: uniqueName('lists'),
        salesTopic: uniqueName('sales'),
        create: true,
        salesPartitions: 2,
        replication: -1,
        ...more,
      });

      it('are made with everything kept, the list with one partition', async () => {
        const given = policy({});
        await checkTopics(client, given, silentLogger);
        const facts = await client.topics([given.masterlistTopic, given.salesTopic]);
        expect([...facts.values()].map(({ partitions }) => partitions).sort()).toEqual([1, 2]);
        const settings = await client.topicSettings([given.salesTopic]);
        expect(settings.get(given.salesTopic)?.get('retention.ms')).toBe('-1');
      });

      it('have one partition and the times of the brokers, where sales go by their order', async () => {
        const given = policy({ salesPartitions: 1, ordered: true });
        await checkTopics(client, given, silentLogger);
        const settings = await client.topicSettings([given.salesTopic]);
        expect(settings.get(given.salesTopic)?.get('message.timestamp.type')).toBe('LogAppendTime');
        await checkTopics(client, given, silentLogger);
      });

      it.each([
        [{ partitions: 2, type: 'LogAppendTime' }, 'has 2 partitions'],
        [{ partitions: 1, type: 'CreateTime' }, 'message.timestamp.type CreateTime'],
      ])('%o are refused where sales go by their order', async ({ partitions, type }, words) => {
        const given = policy({ ordered: true });
        await client.createTopics([
          {
            name: given.salesTopic,
            partitions,
            replication: -1,
            settings: { 'message.timestamp.type': type },
          },
        ]);
        await expect(checkTopics(client, given, silentLogger)).rejects.toThrow(words);
      });

      it('are asked for when they must not be made', async () => {
        const given = policy({ create: false });
        const check = checkTopics(client, given, silentLogger);
        await expect(check).rejects.toThrow(TopicsError);
        await expect(check).rejects.toThrow(`Kafka has no topic ${given.salesTopic}. Make it`);
      });

      it('that forget sales are refused', async () => {
        const given = policy({});
        await client.createTopics([
          {
            name: given.salesTopic,
            partitions: 1,
            replication: -1,
            settings: { 'cleanup.policy': 'compact' },
          },
        ]);
        await expect(checkTopics(client, given, silentLogger)).rejects.toThrow('cleanup.policy=compact');
      });
    });
  });
}

describe('what is wrong with a topic', () => {
  const texts = (settings: Readonly<Record<string, string>>): string[] =>
    problemsOf('sales', new Map(Object.entries(settings))).map(({ text }) => text);
  const good = {
    'cleanup.policy': 'delete',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'min.insync.replicas': '2',
  };

  it('is nothing when every record is kept by two', () => {
    expect(texts(good)).toEqual([]);
  });
  it.each(['producer', 'uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'])(
    'is not that its records are compressed: %s',
    (type) => {
      expect(texts({ ...good, 'compression.type': type })).toEqual([]);
    },
  );
  it.each([
    [{ 'cleanup.policy': 'compact,delete' }, 'forgets all but the newest sale'],
    [{ 'retention.ms': '604800000' }, 'deletes records after 168 h'],
    [{ 'retention.bytes': '1000' }, 'deletes records past 1000 bytes'],
    [{ 'min.insync.replicas': '1' }, 'one broker alone has'],
  ])('names %o', (settings, words) => {
    const found = texts({ ...good, ...settings });
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(words);
  });
});
