/** The least that a consumer can do: reads a topic from its beginning with kafkajs and parses each value. Measures by itself. */
import kafkajs from 'kafkajs';
import { Tally } from '../tally.js';
import { optionsOf } from './program.js';

interface Options {
  readonly brokers: string;
  readonly topic: string;
  readonly records: number;
  readonly warmUpRecords: number;
}

const { brokers, topic, records, warmUpRecords } = optionsOf<Options>();
const kafka = new kafkajs.Kafka({
  clientId: 'bench',
  brokers: brokers.split(','),
  logLevel: kafkajs.logLevel.NOTHING,
});
const consumer = kafka.consumer({ groupId: `bench-${Math.random().toString(36).slice(2)}` });
const tally = new Tally();
let seen = 0;
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  eachBatch: ({ batch }) => {
    for (const { value } of batch.messages) {
      JSON.parse(value?.toString() ?? '');
      seen += 1;
      if (seen === warmUpRecords) tally.begin();
      else if (seen > warmUpRecords) tally.counted();
      if (seen === records) {
        tally.end();
        tally.tell();
      }
    }
    return Promise.resolve();
  },
});
