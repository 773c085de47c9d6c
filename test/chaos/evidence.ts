/** Reads what is left after a run, from the stores themselves: no code of the product stands in between. */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Redis } from 'ioredis';
import { MongoClient, type Binary, type Db } from 'mongodb';
import type { LogRecord } from '../exchange/fold.js';
import { tryOnce, type Crowd } from './buyers.js';
import type { Charge, Counters, LedgerEvent, World } from './check.js';
import type { Fleet } from './fleet.js';

const unzip = promisify(gunzip);
/** Reservations that are read at once in the end. */
const READS_AT_ONCE = 8;
const READ_TRIES_MAX = 20;

const baseOf = (prefix: string, ticket: string): string => {
  const [matchNumber, category] = ticket.split(':');
  return `${prefix}:{m${matchNumber}}:c${category}`;
};

export async function countersIn(redis: Redis, prefix: string, ticket: string): Promise<Counters | null> {
  const json = await redis.hget(`${baseOf(prefix, ticket)}:meta`, 'counters');
  return json === null ? null : (JSON.parse(json) as Counters);
}

/** Jobs that wait or are worked on, and events that are not told or not archived. */
export async function leftIn(
  redis: Redis,
  prefix: string,
  tickets: readonly string[],
): Promise<Record<string, number>> {
  const left: Record<string, number> = {};
  for (const ticket of tickets) {
    const [matchNumber = '', category = ''] = ticket.split(':');
    const queue = `${prefix}:{m${matchNumber}}:match-${matchNumber.padStart(2, '0')}.category-${category}`;
    const counts = await Promise.all([
      redis.llen(`${queue}:wait`),
      redis.llen(`${queue}:active`),
      redis.llen(`${queue}:paused`),
      redis.zcard(`${queue}:delayed`),
      redis.zcard(`${queue}:prioritized`),
      redis.zcard(`${queue}:failed`),
    ]);
    left[`jobs of ${ticket}`] = counts.reduce((sum, count) => sum + count, 0);
    const cursors = await redis.hmget(`${baseOf(prefix, ticket)}:meta`, 'position', 'archived', 'published');
    const [position, ...done] = cursors;
    left[`events of ${ticket}`] = done.filter((cursor) => cursor !== position).length;
  }
  return left;
}

export async function paymentsDue(database: Db): Promise<number> {
  return database.collection('payments').countDocuments({ 'value.dueAt': { $exists: true } });
}

interface StoredEntry {
  readonly _id: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly events?: readonly StoredFact[];
  readonly packed?: Binary;
}

interface StoredFact {
  readonly incarnation: number;
  readonly sequence: number;
  readonly formerly?: { readonly incarnation: number; readonly sequence: number };
  readonly event: {
    readonly type: string;
    readonly capacity?: number;
    readonly quantity?: number;
    readonly reservation?: LedgerEvent['reservation'];
    readonly heldDelta?: number;
    readonly soldDelta?: number;
    readonly position?: { readonly source: string; readonly offset: string; readonly index: number };
  };
}

/** By the order of their keys: numbers in them have leading zeros. */
async function ledgerOf(database: Db): Promise<LedgerEvent[]> {
  const events: LedgerEvent[] = [];
  for await (const entry of database.collection<StoredEntry>('ledger').find().sort({ _id: 1 })) {
    const ticket = `${entry.matchNumber}:${entry.category}`;
    const facts = entry.packed
      ? (JSON.parse((await unzip(entry.packed.value())).toString()) as readonly StoredFact[])
      : (entry.events ?? []);
    for (const { incarnation, sequence, formerly, event } of facts) {
      const isRemote = event.type === 'remote';
      events.push({
        ...{ ticket, incarnation, sequence, type: event.type },
        capacity: event.capacity,
        formerly: formerly && `${ticket}:${formerly.incarnation}:${formerly.sequence}`,
        reservation: event.reservation && bare(event.reservation),
        quantity: event.quantity,
        ...(isRemote && { heldDelta: event.heldDelta, soldDelta: event.soldDelta }),
        ...(isRemote && { offset: event.position?.offset, index: event.position?.index }),
      });
    }
  }
  return events;
}

const bare = ({ id, status, quantity, unitPrice }: NonNullable<LedgerEvent['reservation']>) => ({
  ...{ id, status, quantity, unitPrice },
});

interface StoredIntent {
  readonly kind: string;
  readonly amount: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly charges: readonly { readonly failure: unknown }[];
  readonly refunds: readonly { readonly amount: number; readonly status: string }[];
}

/** Every intent of the sandbox, charged or not. */
async function chargesOf(database: Db): Promise<Charge[]> {
  const found = database
    .collection<{ readonly _id: string; readonly value: StoredIntent }>('sandbox')
    .find({ 'value.kind': 'payment_intent' });
  const charges: Charge[] = [];
  for await (const { _id, value } of found) {
    const succeeded = value.charges.filter(({ failure }) => failure === null).length;
    const refunds = value.refunds.filter(({ status }) => status !== 'failed');
    charges.push({
      paymentId: _id,
      reservationId: value.metadata['reservationId'] ?? '',
      paid: succeeded * value.amount,
      refunded: refunds.reduce((sum, { amount }) => sum + amount, 0),
    });
  }
  return charges;
}

async function lettersOf(database: Db, topic: string): Promise<string[]> {
  type Letter = { readonly headers: readonly { readonly name: string; readonly value: string }[] };
  const letters = await database.collection<Letter>('deadLetters').find().toArray();
  const header = ({ headers }: Letter, name: string): string =>
    headers.find((one) => one.name === name)?.value ?? '';
  return letters
    .filter((letter) => header(letter, 'x-original-topic') === topic)
    .map((letter) => header(letter, 'x-original-offset'));
}

/** What buyers read of what they were told to have bought. */
async function readBack(crowd: Crowd, fleet: Fleet): Promise<Record<string, string>> {
  const bought = crowd.purchases.filter(({ answers }) =>
    answers.some(({ op, status }) => op === 'pay' && status === 200),
  );
  const read: Record<string, string> = {};
  const waiting = [...bought];
  const line = async (): Promise<void> => {
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { id } = next;
      for (let tries = 0; tries < READ_TRIES_MAX && read[id] === undefined; tries += 1) {
        const url = fleet.units.web.map((unit) => unit.url('reservations')).find((one) => one !== null) ?? '';
        const token = crowd.tokens.get(id);
        const answer = await tryOnce(`${url}/api/v1/reservations/${id}`, { method: 'GET', token });
        if (answer.status === 200) read[id] = String(answer.body.status);
        else if (answer.status !== 0 && answer.status !== 503) read[id] = answer.code;
      }
    }
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, line));
  return read;
}

export async function gather(fleet: Fleet, crowd: Crowd, tickets: readonly string[]): Promise<World> {
  const redis = new Redis(fleet.redis.url);
  const client = new MongoClient(fleet.mongoUrl);
  try {
    const database = client.db(fleet.database);
    const counters: Record<string, Counters | null> = {};
    const live: Record<string, { status: string; quantity: number }> = {};
    for (const ticket of tickets) {
      counters[ticket] = await countersIn(redis, fleet.prefix, ticket);
      const stored = await redis.hgetall(`${baseOf(fleet.prefix, ticket)}:reservations`);
      for (const [id, json] of Object.entries(stored)) {
        const { r } = JSON.parse(json) as { r: { status: string; quantity: number } };
        live[id] = { status: r.status, quantity: r.quantity };
      }
    }
    const records: LogRecord[] = await fleet.topics.records();
    return {
      clientId: fleet.clientId,
      tickets,
      purchases: crowd.purchases,
      counters,
      live,
      ledger: await ledgerOf(database),
      records,
      charges: await chargesOf(database),
      letters: await lettersOf(database, fleet.topics.sales),
      left: {
        ...(await leftIn(redis, fleet.prefix, tickets)),
        'payments due': await paymentsDue(database),
      },
      readBack: await readBack(crowd, fleet),
      crashes: fleet.all.flatMap(({ crashes }) =>
        crashes.map(({ name, at, output }) => `${name} at ${new Date(at).toISOString()}: ${output}`),
      ),
    };
  } finally {
    redis.disconnect();
    await client.close();
  }
}
