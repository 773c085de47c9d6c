/** The servers that other tests stand on: that they are what they say, and keep what they acknowledged. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Kafka, logLevel } from 'kafkajs';
import { MongoClient, type Db } from 'mongodb';
import { kafkaFound, sharedKafka, startKafka, type KafkaServer } from './kafka.js';
import { mongoFound, sharedMongo, startMongo, type MongoServer } from './mongo.js';
import { uniqueName } from './services.js';
import { skipBecause } from './skips.js';

const START_MS_MAX = 90_000;

describe('Kafka', () => {
  const keeps = 'gives a record back, to its own programs too, also after it was killed and restarted';
  if (kafkaFound.kind !== 'real') {
    skipBecause(keeps, kafkaFound.reason);
    return;
  }
  let server: KafkaServer;
  beforeAll(async () => {
    server = await startKafka();
  }, START_MS_MAX);
  afterAll(() => server?.stop());

  test(
    keeps,
    async () => {
      const topic = uniqueName('records');
      await server.tool('topics', ['--create', '--topic', topic, '--partitions', '1']);
      await produce(server.brokers, topic, 'from kafkajs');
      await server.tool('console-producer', ['--topic', topic], 'from the console\n');
      const fromStart = ['--topic', topic, '--from-beginning', '--max-messages', '2'];
      expect(await server.tool('console-consumer', fromStart)).toBe('from kafkajs\nfrom the console\n');

      await server.restart();
      expect(await consume(server.brokers, topic, 2)).toEqual(['from kafkajs', 'from the console']);
    },
    60_000,
  );

  test('answers nothing while it is paused', async () => {
    server.pause();
    const topics = topicsOf(server.brokers);
    const first = await Promise.race([topics.then(() => 'answered'), after(1_000, 'silent')]);
    server.resume();
    expect(first).toBe('silent');
    expect(await topics).not.toEqual([]);
  });

  test(
    'is shared by everyone who asks for it',
    async () => {
      const [one, other] = await Promise.all([sharedKafka(), sharedKafka()]);
      expect(one.brokers).toEqual(other.brokers);
      expect(one.brokers).not.toEqual(server.brokers);
      await expect(topicsOf(one.brokers)).resolves.toBeDefined();
    },
    START_MS_MAX,
  );
});

describe('MongoDB', () => {
  const keeps = 'keeps what it acknowledged when it is killed, unique indexes included';
  if (mongoFound.kind === 'none') {
    skipBecause(keeps, mongoFound.reason);
    return;
  }
  let server: MongoServer;
  beforeAll(async () => {
    server = await startMongo();
  }, START_MS_MAX);
  afterAll(() => server?.stop());

  test(keeps, async () => {
    const name = uniqueName('kept');
    await withDatabase(server.url, name, async (db) => {
      const key = { ticket: 1, sequence: 1 };
      await db.collection('events').createIndexes([{ key, unique: true }]);
      await db.collection('events').insertOne({ ticket: '1/1', sequence: 1 });
    });
    await server.restart();
    await withDatabase(server.url, name, async (db) => {
      const events = db.collection('events');
      await expect(events.insertOne({ ticket: '1/1', sequence: 1 })).rejects.toMatchObject({ code: 11_000 });
      await events.insertOne({ ticket: '1/1', sequence: 2 });
      expect(await events.countDocuments({ ticket: '1/1' })).toBe(2);
    });
  });

  test('lets one of many win that update the same document under a condition', async () => {
    await withDatabase(server.url, uniqueName('races'), async (db) => {
      const fences = db.collection<{ _id: string; epoch: number }>('fences');
      await fences.insertOne({ _id: '1/1', epoch: 0 });
      const raise = () => fences.findOneAndUpdate({ _id: '1/1', epoch: 0 }, { $set: { epoch: 1 } });
      const winners = await Promise.all(Array.from({ length: 20 }, raise));
      expect(winners.filter((winner) => winner !== null)).toHaveLength(1);
    });
  });

  test(
    'is shared by everyone who asks for it',
    async () => {
      const [one, other] = await Promise.all([sharedMongo(), sharedMongo()]);
      expect(one.url).toBe(other.url);
      await withDatabase(one.url, uniqueName('shared'), async (db) => {
        await expect(db.command({ ping: 1 })).resolves.toMatchObject({ ok: 1 });
      });
    },
    START_MS_MAX,
  );
});

const connectTo = (brokers: string[]): Kafka => new Kafka({ brokers, logLevel: logLevel.NOTHING });

async function produce(brokers: string[], topic: string, value: string): Promise<void> {
  const producer = connectTo(brokers).producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value }] });
  await producer.disconnect();
}

async function consume(brokers: string[], topic: string, count: number): Promise<string[]> {
  const consumer = connectTo(brokers).consumer({ groupId: uniqueName('group') });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }): Promise<void> => {
      values.push(String(message.value));
      if (values.length === count) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return values;
}

async function topicsOf(brokers: string[]): Promise<string[]> {
  const admin = connectTo(brokers).admin();
  await admin.connect();
  try {
    return await admin.listTopics();
  } finally {
    await admin.disconnect();
  }
}

async function withDatabase(url: string, name: string, work: (db: Db) => Promise<void>): Promise<void> {
  const client = await MongoClient.connect(url);
  try {
    await work(client.db(name));
  } finally {
    await client.close();
  }
}

const after = <T>(ms: number, value: T): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms));
