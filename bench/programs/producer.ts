/**
 * The least that a producer can do: sends records like those that the product sends of its holds with kafkajs, one batch
 * after the other, each acknowledged by all replicas. Measures by itself.
 */
import { randomUUID } from 'node:crypto';
import kafkajs from 'kafkajs';
import { reservationId } from '../../src/http/identity.js';
import { pending } from '../../test/exchange/topics.js';
import type { Times } from '../contender.js';
import { Tally } from '../tally.js';
import { optionsOf } from './program.js';
import { ticketNumber } from './ticket.js';

export interface ProducerOptions {
  readonly brokers: string;
  readonly topic: string;
  readonly clientId: string;
  readonly records: number;
  readonly warmUpRecords: number;
  readonly batchRecords: number;
  readonly tickets: number;
}

const ALL_REPLICAS = -1;

const { brokers, topic, clientId, records, warmUpRecords, batchRecords, tickets } = optionsOf<
  ProducerOptions & Times
>();
const kafka = new kafkajs.Kafka({
  clientId,
  brokers: brokers.split(','),
  logLevel: kafkajs.logLevel.NOTHING,
});
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
const tally = new Tally();

function record(index: number) {
  const ticket = ticketNumber(index % tickets);
  const { matchNumber, category } = ticket;
  const sequence = 2 + Math.floor(index / tickets);
  return {
    key: `${matchNumber}:${category}`,
    value: JSON.stringify(pending(matchNumber, category, 1)),
    headers: {
      clientId,
      eventId: `${matchNumber}:${category}:1:${sequence}`,
      reservationId: reservationId(ticket, randomUUID()),
      sequence: String(sequence),
    },
  };
}

await producer.connect();
let hasBegun = false;
for (let first = 0; first < records; first += batchRecords) {
  if (!hasBegun && first >= warmUpRecords) {
    tally.begin();
    hasBegun = true;
  }
  const count = Math.min(batchRecords, records - first);
  const messages = Array.from({ length: count }, (_, index) => record(first + index));
  await producer.send({ topic, acks: ALL_REPLICAS, messages });
  if (hasBegun) for (let sent = 0; sent < count; sent += 1) tally.counted();
}
tally.end();
await producer.disconnect();
tally.tell();
