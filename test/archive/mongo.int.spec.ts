/**
 * The archive in MongoDB keeps the contract, and what it promises beyond: nothing is lost, doubled or half
 * there when calls are lost on the way, come late, or the server dies.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  BSON,
  Double,
  Int32,
  Long,
  Binary,
  MongoClient,
  MongoNetworkError,
  type Db,
  type Document,
} from 'mongodb';
import { pino } from 'pino';
import { COLLECTIONS, type CollectionName } from '../../src/archive/documents.js';
import {
  INDEXES,
  MONGO_SCHEMA,
  positionKey,
  allSchemas,
  type Schema,
} from '../../src/archive/mongo/layout.js';
import { MongoServer as Connected } from '../../src/archive/mongo/server.js';
import { MongoArchive, type MongoArchiveOptions } from '../../src/archive/mongo.js';
import {
  ArchiveUnavailableError,
  type AppendBatch,
  type AppendResult,
  type Archive,
  type CommittedEvent,
  type TicketSnapshot,
} from '../../src/archive/port.js';
import { systemClock } from '../../src/process/clock.js';
import type { Reservation, TicketId } from '../../src/rules/index.js';
import { all, archiveContract, batchOf, positionsOf, reservationOf } from '../contract/archive.js';
import { until } from '../helpers/engine.js';
import { Deferred } from '../helpers/faults.js';
import { mongoFound, sharedMongo, sharedMongoFound, startMongo, type MongoServer } from '../helpers/mongo.js';
import { freePort } from '../helpers/ports.js';
import { uniqueName } from '../helpers/services.js';
import { skipBecause } from '../helpers/skips.js';

const START_MS_MAX = 60_000;
const TICKET: TicketId = { matchNumber: 7, category: 2 };
const OTHER: TicketId = { matchNumber: 8, category: 1 };

/** A logger and what it was told, as text. */
function logged(): { readonly logger: MongoArchiveOptions['logger']; readonly lines: string[] } {
  const lines: string[] = [];
  return { logger: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }), lines };
}

/** A database of its own and archives on it. */
class TestStore {
  readonly database = uniqueName('archive');
  readonly #url: string;
  readonly #opened: MongoArchive[] = [];
  readonly #client: MongoClient;

  constructor(url: string) {
    this.#url = url;
    this.#client = new MongoClient(url);
  }

  /** Not started. */
  make(options: Partial<MongoArchiveOptions> = {}): MongoArchive {
    const { logger } = logged();
    const archive = new MongoArchive({ url: this.#url, database: this.database, logger, ...options });
    this.#opened.push(archive);
    return archive;
  }

  async open(options: Partial<MongoArchiveOptions> = {}): Promise<MongoArchive> {
    const archive = this.make(options);
    await archive.start();
    return archive;
  }

  documents(collection: string, options: { promoteValues?: boolean } = {}): Promise<Document[]> {
    return this.#client.db(this.database).collection(collection).find({}, options).toArray();
  }

  async put(collection: string, key: string, fields: Document): Promise<void> {
    const found = this.#client.db(this.database).collection<Document & { _id: string }>(collection);
    await found.replaceOne({ _id: key }, fields, { upsert: true });
  }

  client(): MongoClient {
    return this.#client;
  }

  async remove(): Promise<void> {
    await Promise.all(this.#opened.map((archive) => archive.stop()));
    await this.#client.db(this.database).dropDatabase();
    await this.#client.close();
  }
}

// --- Faults on the way -----------------------------------------------------------------------------------

/** What becomes of a command: it may also be answered by the proxy itself. */
type Fate = 'forward' | 'lose the request' | 'lose the answer' | { readonly answer: Document };

const HEADER_BYTES = 16;
const OP_MSG = 2013;

/** Between an archive and its server: decides the fate of each command, which it understands. */
class Proxy {
  /** Asked for each command by its name and collection; holds it until it answers. */
  fateOf: (command: string, collection: string) => Fate | Promise<Fate> = () => 'forward';
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(targetUrl: string) {
    this.#target = new URL(targetUrl);
    this.#server = createServer((client) => this.#serve(client));
  }

  async start(port = 0): Promise<void> {
    this.#server.listen(port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `mongodb://127.0.0.1:${this.port}/?directConnection=true`;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const state = { losing: false };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    }
    server.on('data', (data) => {
      if (state.losing) client.destroy();
      else client.write(data);
    });
    server.on('close', () => client.destroy());
    // What a client sent before it went away still arrives, as on a slow network.
    const messages = this.#relay(client, server, state).catch(() => client.destroy());
    client.on('close', () => void messages.then(() => server.end()));
  }

  /** Message by message, in order. */
  async #relay(client: Socket, server: Socket, state: { losing: boolean }): Promise<void> {
    let rest = Buffer.alloc(0);
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      rest = Buffer.concat([rest, chunk as Buffer]);
      while (rest.length >= HEADER_BYTES && rest.length >= rest.readInt32LE(0)) {
        const message = rest.subarray(0, rest.readInt32LE(0));
        rest = rest.subarray(message.length);
        await this.#pass(message, client, server, state);
      }
    }
  }

  async #pass(message: Buffer, client: Socket, server: Socket, state: { losing: boolean }): Promise<void> {
    const [command, collection] = commandOf(message);
    const fate = await this.fateOf(command, collection);
    if (typeof fate === 'object') client.write(answerTo(message, fate.answer));
    else if (fate === 'lose the request') client.destroy();
    else {
      state.losing ||= fate === 'lose the answer';
      server.write(message);
    }
  }
}

/** The command in a message, and the collection that it is about. */
function commandOf(message: Buffer): [string, string] {
  const flagsAndKind = 5;
  if (message.readInt32LE(12) !== OP_MSG) return ['', ''];
  const start = HEADER_BYTES + flagsAndKind;
  const body = BSON.deserialize(message.subarray(start, start + message.readInt32LE(start)));
  const [name = '', value] = Object.entries(body)[0] ?? [];
  return [name, typeof value === 'string' ? value : ''];
}

function answerTo(message: Buffer, answer: Document): Buffer {
  const body = BSON.serialize(answer);
  const head = Buffer.alloc(HEADER_BYTES + 5);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(message.readInt32LE(4), 8);
  head.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([head, body]);
}

/** The fate of the next command of its kind; those after it go through. */
function nextTime(command: string, collection: string, fate: () => Fate | Promise<Fate>): Proxy['fateOf'] {
  let isDone = false;
  return (...given) => {
    if (isDone || given[0] !== command || given[1] !== collection) return 'forward';
    isDone = true;
    return fate();
  };
}

// --- Events ----------------------------------------------------------------------------------------------

function sale(reservation: Reservation, incarnation = 1, from = 1): AppendBatch {
  const committed = (sequence: number, event: CommittedEvent['event']): CommittedEvent => ({
    ticket: TICKET,
    incarnation,
    sequence,
    commandId: `${incarnation}/${sequence}`,
    event,
  });
  const events = [
    committed(from, { type: 'held', at: 1, reservation }),
    committed(from + 1, { type: 'sold', at: 2, reservation: { ...reservation, status: 'RESERVED' } }),
  ];
  return { ticket: TICKET, incarnation, events };
}

const ledgerOf = async (archive: Archive, ticket = TICKET): Promise<[number, number][]> =>
  positionsOf(await all(archive.events(ticket, null)));

const run = (incarnation: number, to: number): [number, number][] =>
  Array.from({ length: to }, (_, index) => [incarnation, index + 1]);

/** Tries again and again until the outcome is known. */
async function untilKnown<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      // Gives the event loop to those who bring the server back.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const appendUntilKnown = (
  archive: Archive,
  batches: readonly AppendBatch[],
): Promise<readonly AppendResult[]> => untilKnown(() => archive.append(batches));

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function snapshotAt(sequence: number, state: unknown): TicketSnapshot {
  return { ticket: TICKET, incarnation: 1, sequence, schema: 1, takenAt: 1_700_000_000_000, state };
}

/** Text that has still so many bytes when it is compressed. */
const incompressible = (bytes: number): string => randomBytes(bytes).toString('base64');
/** So large that its snapshot has several parts. */
const IN_PARTS = 6_000_000;

// --- Schemas ---------------------------------------------------------------------------------------------

const BSON_TYPES: Record<Schema['bsonType'], (value: unknown) => boolean> = {
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => value instanceof Int32 || value instanceof Double || value instanceof Long,
  bool: (value) => typeof value === 'boolean',
  binData: (value) => value instanceof Binary,
  date: (value) => value instanceof Date,
};

/** What a server that checks documents would object to. */
function objections(value: unknown, schema: Schema, path: string): string[] {
  if (!BSON_TYPES[schema.bsonType](value)) return [`${path} is no ${schema.bsonType}`];
  const found: string[] = [];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value)))
    found.push(`${path}: pattern`);
  if (schema.minimum !== undefined && Number(value) < schema.minimum) found.push(`${path}: minimum`);
  if (schema.enum && !schema.enum.includes(value as string)) found.push(`${path}: enum`);
  const fields = value as Readonly<Record<string, unknown>>;
  for (const name of schema.required ?? []) if (!(name in fields)) found.push(`${path}.${name} is absent`);
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    if (name in fields) found.push(...objections(fields[name], property, `${path}.${name}`));
  }
  if (schema.items) {
    const { items } = schema;
    (value as unknown[]).forEach((item, index) => found.push(...objections(item, items, `${path}.${index}`)));
  }
  return found;
}

// --- Tests -----------------------------------------------------------------------------------------------

function contract(url: () => Promise<string>): void {
  archiveContract('MongoArchive', async () => {
    const store = new TestStore(await url());
    return {
      archive: await store.open(),
      reopen: (options) => store.open(options),
      cleanup: () => store.remove(),
    };
  });
}

if (sharedMongoFound.kind === 'none') {
  skipBecause('MongoArchive keeps the promises of the archive', sharedMongoFound.reason);
} else {
  contract(async () => (await sharedMongo()).url);

  describe('MongoArchive on a server', () => {
    let url: string;
    let store: TestStore;
    let proxy: Proxy;
    /** Goes straight to the server. */
    let archive: MongoArchive;
    const viaProxy = (options: Partial<MongoArchiveOptions> = {}): Promise<MongoArchive> =>
      store.open({ url: proxy.url, ...options });

    beforeAll(async () => {
      ({ url } = await sharedMongo());
    }, START_MS_MAX);
    beforeEach(async () => {
      store = new TestStore(url);
      proxy = new Proxy(url);
      await proxy.start();
      archive = await store.open();
    });
    afterEach(async () => {
      await store.remove();
      await proxy.stop();
    });

    /** Numbers of the ticket's chain, as they are stored. */
    const numbers = async (): Promise<number[]> =>
      (await store.documents('ledger'))
        .filter(({ matchNumber }) => matchNumber === TICKET.matchNumber)
        .map(({ number }) => Number(number))
        .sort((a, b) => a - b);
    const expectNoHoles = async (): Promise<void> => {
      const found = await numbers();
      expect(found).toEqual(found.map((_, index) => index + 1));
    };

    describe('when a writer dies', () => {
      const moments: [string, string, Fate, boolean][] = [
        ['before its entry is there', 'ledger', 'lose the request', false],
        ['before it hears that its entry is there', 'ledger', 'lose the answer', true],
        ['between its entry and its reservations', 'reservations', 'lose the request', true],
        ['before it hears that its reservations are there', 'reservations', 'lose the answer', true],
      ];
      test.each(moments)(
        '%s, it hears that the outcome is not known, and the repeat tells',
        async (...moment) => {
          const [, collection, fate, isThere] = moment;
          const writer = await viaProxy();
          const reservation = reservationOf();
          proxy.fateOf = nextTime('insert', collection, () => fate);
          await expect(writer.append([sale(reservation)])).rejects.toBeInstanceOf(ArchiveUnavailableError);
          expect(await ledgerOf(archive)).toEqual(isThere ? run(1, 2) : []);

          expect(await writer.append([sale(reservation)])).toEqual(['appended']);
          expect(await all(archive.events(TICKET, null))).toEqual(sale(reservation).events);
          expect((await archive.reservation(reservation.id))?.status).toBe('RESERVED');
          await expectNoHoles();
        },
      );

      test.each(moments)(
        '%s, and never comes back, whoever opens the next incarnation tells the reservations',
        async (...moment) => {
          const [, collection, fate, isThere] = moment;
          const writer = await viaProxy();
          const reservation = reservationOf();
          proxy.fateOf = nextTime('insert', collection, () => fate);
          await expect(writer.append([sale(reservation)])).rejects.toBeInstanceOf(ArchiveUnavailableError);

          const { head } = await archive.openIncarnation(TICKET);
          expect(head).toEqual(isThere ? { incarnation: 1, sequence: 2 } : null);
          expect((await archive.reservation(reservation.id))?.status).toBe(isThere ? 'RESERVED' : undefined);
          expect((await archive.reservationsByEmail(reservation.email, { limit: 5 })).items).toHaveLength(
            isThere ? 1 : 0,
          );
        },
      );

      test('so does whoever appends next', async () => {
        const writer = await viaProxy();
        const reservation = reservationOf();
        proxy.fateOf = nextTime('insert', 'reservations', () => 'lose the request');
        await expect(writer.append([sale(reservation)])).rejects.toBeInstanceOf(ArchiveUnavailableError);
        expect(await archive.append([batchOf(TICKET, 1, 3, 3)])).toEqual(['appended']);
        expect((await archive.reservation(reservation.id))?.status).toBe('RESERVED');
      });

      test('of several tickets each has all of its batch or nothing, and the repeat adds the rest', async () => {
        const writer = await viaProxy();
        proxy.fateOf = nextTime('insert', 'ledger', () => 'lose the answer');
        const batches = [batchOf(TICKET, 1, 1, 40), batchOf(OTHER, 1, 1, 40)];
        await expect(writer.append(batches)).rejects.toBeInstanceOf(ArchiveUnavailableError);
        for (const ticket of [TICKET, OTHER])
          expect([0, 40]).toContain((await ledgerOf(archive, ticket)).length);
        expect(await writer.append(batches)).toEqual(['appended', 'appended']);
        for (const ticket of [TICKET, OTHER]) expect(await ledgerOf(archive, ticket)).toEqual(run(1, 40));
      });
    });

    describe('when a writer sleeps', () => {
      test('in the middle of an append, and an incarnation is opened meanwhile, nothing of it is taken', async () => {
        const writer = await viaProxy();
        const reservation = reservationOf();
        expect(await writer.append([batchOf(TICKET, 1, 1, 2), batchOf(OTHER, 1, 1, 1)])).toHaveLength(2);
        const sent = new Deferred();
        const woken = new Deferred();
        proxy.fateOf = nextTime('insert', 'ledger', async (): Promise<Fate> => {
          sent.resolve();
          await woken.promise;
          return 'forward';
        });
        const slept = writer.append([sale(reservation, 1, 3), batchOf(OTHER, 1, 2, 2)]);
        await sent.promise;
        const opened = await archive.openIncarnation(TICKET);
        expect(opened).toEqual({ incarnation: 2, head: { incarnation: 1, sequence: 2 } });
        woken.resolve();
        // What it brought for the other ticket is not disturbed.
        expect(await slept).toEqual(['fenced', 'appended']);
        expect(await ledgerOf(archive)).toEqual(run(1, 2));
        expect(await ledgerOf(archive, OTHER)).toEqual(run(1, 2));
        expect(await archive.reservation(reservation.id)).toBeNull();
        expect(await archive.append([batchOf(TICKET, 2, 1, 1)])).toEqual(['appended']);
      });

      test('after its entry is there, what it tells of reservations later sets nothing back', async () => {
        const writer = await viaProxy();
        const reservation = reservationOf();
        const sent = new Deferred();
        const woken = new Deferred();
        proxy.fateOf = nextTime('insert', 'reservations', async (): Promise<Fate> => {
          sent.resolve();
          await woken.promise;
          return 'forward';
        });
        const slept = writer.append([sale(reservation)]);
        await sent.promise;
        const opened = await archive.openIncarnation(TICKET);
        expect(opened).toEqual({ incarnation: 2, head: { incarnation: 1, sequence: 2 } });
        const refunded: Reservation = { ...reservation, status: 'REFUNDED' };
        const event = { type: 'refunded', at: 3, reservation: refunded, quantity: 2 } as const;
        const refund = { ticket: TICKET, incarnation: 2, sequence: 1, commandId: 'refund', event };
        await archive.append([{ ticket: TICKET, incarnation: 2, events: [refund] }]);
        woken.resolve();
        expect(await slept).toEqual(['appended']);
        expect(await archive.reservation(reservation.id)).toEqual(refunded);
      });

      test('and its request arrives after the repeat of it, nothing is doubled', async () => {
        const writer = await viaProxy({ timeoutMs: 500 });
        const late = new Deferred();
        proxy.fateOf = nextTime('insert', 'ledger', async (): Promise<Fate> => {
          await late.promise;
          return 'forward';
        });
        await expect(writer.append([batchOf(TICKET, 1, 1, 3)])).rejects.toBeInstanceOf(
          ArchiveUnavailableError,
        );
        expect(await appendUntilKnown(writer, [batchOf(TICKET, 1, 1, 3)])).toEqual(['appended']);
        late.resolve();
        expect(await appendUntilKnown(writer, [batchOf(TICKET, 1, 4, 5)])).toEqual(['appended']);
        expect(await all(archive.events(TICKET, null))).toEqual(batchOf(TICKET, 1, 1, 5).events);
        await expectNoHoles();
      });
    });

    describe('when an opener races with a writer that is always faster', () => {
      /** Before each insertion of the opener the writer appends; answers how far it came. */
      const losing = async (
        fates: readonly Fate[] = [],
      ): Promise<{ opener: MongoArchive; at: () => number }> => {
        const opener = await viaProxy();
        let sequence = 0;
        let insertions = 0;
        proxy.fateOf = async (command, collection) => {
          if (command !== 'insert' || collection !== 'ledger') return 'forward';
          const [result] = await archive.append([batchOf(TICKET, 1, sequence + 1, sequence + 1)]);
          if (result === 'appended') sequence += 1;
          insertions += 1;
          return fates[insertions - 1] ?? 'forward';
        };
        return { opener, at: () => sequence };
      };

      test('it gets through, and is told all that came before', async () => {
        const { opener, at } = await losing();
        const { incarnation, head } = await opener.openIncarnation(TICKET);
        expect(incarnation).toBe(2);
        expect(head).toEqual({ incarnation: 1, sequence: at() });
        expect(await archive.append([batchOf(TICKET, 1, at() + 1, at() + 1)])).toEqual(['fenced']);
        expect(await archive.append([batchOf(TICKET, 2, 1, 2)])).toEqual(['appended']);
        expect(await ledgerOf(opener)).toEqual([...run(1, at()), ...run(2, 2)]);
        expect(await archive.openIncarnation(TICKET)).toEqual({
          incarnation: 3,
          head: { incarnation: 2, sequence: 2 },
        });
        await expectNoHoles();
      });

      test('and dies on the way, the next one finishes what it began', async () => {
        const { opener, at } = await losing(['forward', 'lose the answer']);
        await expect(opener.openIncarnation(TICKET)).rejects.toBeInstanceOf(ArchiveUnavailableError);
        const reader = await store.open();
        expect(await ledgerOf(reader)).toEqual(run(1, at()));
        // Incarnation 2 was opened, though nobody was told.
        expect(await reader.openIncarnation(TICKET)).toEqual({
          incarnation: 3,
          head: { incarnation: 1, sequence: at() },
        });
        expect(await archive.append([batchOf(TICKET, 1, at() + 1, at() + 1)])).toEqual(['fenced']);
        await expectNoHoles();
      });

      test('and dies on the way, a writer that reads the chain anew finds itself fenced', async () => {
        const { opener, at } = await losing(['forward', 'lose the answer']);
        await expect(opener.openIncarnation(TICKET)).rejects.toBeInstanceOf(ArchiveUnavailableError);
        const writer = await store.open();
        expect(await writer.append([batchOf(TICKET, 1, at() + 1, at() + 1)])).toEqual(['fenced']);
        expect(await writer.append([batchOf(TICKET, 2, 1, 1)])).toEqual(['appended']);
        expect(await ledgerOf(writer)).toEqual([...run(1, at()), ...run(2, 1)]);
        await expectNoHoles();
      });
    });

    test.each([1, 2])(
      'owners that take a ticket from each other over a bad network, seed %i',
      async (seed) => {
        const random = randomOf(seed);
        proxy.fateOf = (command) => {
          if (command !== 'insert' && command !== 'find') return 'forward';
          const chance = random();
          if (chance < 0.06) return 'lose the request';
          return chance < 0.12 ? 'lose the answer' : 'forward';
        };
        const openings: { readonly incarnation: number; readonly end: string }[] = [];
        const acknowledged: CommittedEvent[] = [];
        const own = async (owner: MongoArchive): Promise<void> => {
          const { incarnation, head } = await untilKnown(() => owner.openIncarnation(TICKET));
          const history = await untilKnown(() => all(owner.events(TICKET, null)));
          // Others may have opened and appended since, but up to the head it is what it was said to be.
          const older = history.filter((event) => event.incarnation < incarnation).map(positionKey);
          openings.push({ incarnation, end: positionKey(head) });
          expect(older.at(-1) ?? '').toBe(positionKey(head));
          for (let sequence = 1; sequence <= 12; sequence += 2) {
            const batch = sale(reservationOf(), incarnation, sequence);
            const [result] = await untilKnown(() => owner.append([batch]));
            if (result === 'fenced') return;
            acknowledged.push(...batch.events);
          }
        };
        const owners = await Promise.all([1, 2, 3].map(() => viaProxy({ timeoutMs: 3_000 })));
        await Promise.all(
          owners.map(async (owner) => {
            for (let turn = 0; turn < 3; turn += 1) await own(owner);
          }),
        );

        const events = await all(archive.events(TICKET, null));
        const positions = events.map(positionKey);
        expect(positions).toEqual([...positions].sort());
        for (const event of acknowledged) expect(events).toContainEqual(event);
        for (const { incarnation, sequence } of events) {
          const before = positionKey({ incarnation, sequence: sequence - 1 });
          expect(sequence === 1 || positions.includes(before)).toBe(true);
        }
        for (const { incarnation, end } of openings) {
          const late = events.filter((event) => event.incarnation < incarnation && positionKey(event) > end);
          expect(late).toEqual([]);
        }
        expect(new Set(openings.map(({ incarnation }) => incarnation)).size).toBe(openings.length);
        for (const { event } of events) {
          if (event.type !== 'sold') continue;
          expect(await archive.reservation(event.reservation.id)).toEqual(event.reservation);
        }
        await expectNoHoles();
      },
    );

    describe('when the server answers from a little in the past, as a new primary may', () => {
      const nothing = { ok: 1, cursor: { id: Long.ZERO, ns: 'a.ledger', firstBatch: [] } };
      let reader: MongoArchive;
      let isPast: boolean;

      beforeEach(async () => {
        reader = await viaProxy();
        isPast = false;
        proxy.fateOf = (command, collection) => {
          if (!isPast || command !== 'find' || collection !== 'ledger') return 'forward';
          isPast = false;
          return { answer: nothing };
        };
      });

      test('a history is read to where it was said to end', async () => {
        await archive.append([batchOf(TICKET, 1, 1, 4)]);
        const { head } = await reader.openIncarnation(TICKET);
        expect(head).toEqual({ incarnation: 1, sequence: 4 });
        isPast = true;
        expect(await ledgerOf(reader)).toEqual(run(1, 4));
        expect(isPast).toBe(false);
        isPast = true;
        expect(await reader.head(TICKET)).toEqual(head);
      });

      test('what follows an entry that is not seen yet is no gap', async () => {
        await reader.append([batchOf(TICKET, 1, 1, 2)]);
        await archive.append([batchOf(TICKET, 1, 3, 4)]);
        isPast = true;
        expect(await reader.append([batchOf(TICKET, 1, 3, 6)])).toEqual(['appended']);
        expect(isPast).toBe(false);
        expect(await ledgerOf(archive)).toEqual(run(1, 6));
      });

      test('an entry that was found and is gone with its primary blocks nobody for good', async () => {
        const writer = await viaProxy({ timeoutMs: 300 });
        proxy.fateOf = nextTime('insert', 'ledger', () => ({
          answer: { ok: 1, n: 0, writeErrors: [{ index: 0, code: 11_000, errmsg: 'E11000' }] },
        }));
        const first = writer.append([batchOf(TICKET, 1, 1, 1)]);
        await expect(first).rejects.toBeInstanceOf(ArchiveUnavailableError);
        expect(await appendUntilKnown(writer, [batchOf(TICKET, 1, 1, 1)])).toEqual(['appended']);
      });
    });

    test('a batch that is larger than a document is there as a whole', async () => {
      const padding = 'x'.repeat(30_000);
      const events = Array.from({ length: 700 }, (_, index): CommittedEvent => ({
        ticket: TICKET,
        incarnation: 1,
        sequence: index + 1,
        commandId: `command ${index}`,
        requestId: padding,
        event: {
          type: 'remote',
          at: 1,
          action: 'pending',
          clientId: 'peer',
          quantity: 1,
          recordedAt: 1,
          heldDelta: 1,
          soldDelta: 0,
          tally: { held: 1, sold: 0, early: [], cancelledEarly: 0, heldSince: 1 },
        },
      }));
      const batch = { ticket: TICKET, incarnation: 1, events };
      expect(await archive.append([batch])).toEqual(['appended']);
      const reader = await store.open();
      expect(await all(reader.events(TICKET, null))).toEqual(events);
      expect(await reader.append([batch])).toEqual(['appended']);
      expect(await reader.hasCommand(TICKET, 'command 699')).toBe(true);
      expect(await reader.head(TICKET)).toEqual({ incarnation: 1, sequence: 700 });
    });

    describe('snapshots', () => {
      test('may be larger than a document', async () => {
        const state = { text: incompressible(3 * IN_PARTS) };
        await archive.saveSnapshot(snapshotAt(1, state));
        expect((await store.documents('snapshotParts')).length).toBeGreaterThan(1);
        expect(await archive.snapshot(TICKET)).toEqual(snapshotAt(1, state));
        await archive.saveSnapshot(snapshotAt(2, 'small'));
        expect(await store.documents('snapshotParts')).toEqual([]);
        expect(await store.documents('snapshots')).toHaveLength(1);
      });

      test('are seen whole or not at all when a writer dies, and what it left goes with the next', async () => {
        const writer = await viaProxy();
        const large = { text: incompressible(IN_PARTS) };
        await archive.saveSnapshot(snapshotAt(1, 'first'));
        proxy.fateOf = nextTime('insert', 'snapshots', () => 'lose the request');
        await expect(writer.saveSnapshot(snapshotAt(2, large))).rejects.toBeInstanceOf(
          ArchiveUnavailableError,
        );
        expect((await archive.snapshot(TICKET))?.state).toBe('first');
        expect(await store.documents('snapshotParts')).not.toEqual([]);
        await writer.saveSnapshot(snapshotAt(3, 'third'));
        expect((await archive.snapshot(TICKET))?.state).toBe('third');
        expect(await store.documents('snapshotParts')).toEqual([]);
      });

      test('that are replaced while they are read give the newer one', async () => {
        const reader = await viaProxy();
        await archive.saveSnapshot(snapshotAt(1, incompressible(IN_PARTS)));
        proxy.fateOf = nextTime('find', 'snapshotParts', async (): Promise<Fate> => {
          await archive.saveSnapshot(snapshotAt(2, 'newer'));
          return 'forward';
        });
        expect((await reader.snapshot(TICKET))?.state).toBe('newer');
      });
    });

    describe('errors', () => {
      const answers: [string, Document][] = [
        [
          'is no primary any more',
          { ok: 0, errmsg: 'not primary', code: 10_107, codeName: 'NotWritablePrimary' },
        ],
        ['is shutting down', { ok: 0, errmsg: 'shutting down', code: 91, codeName: 'ShutdownInProgress' }],
        [
          'has no majority',
          { ok: 1, n: 1, writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } },
        ],
        ['has a full disk', { ok: 0, errmsg: 'no space left', code: 14_031, codeName: 'OutOfDiskSpace' }],
        ['had its password changed', { ok: 0, errmsg: 'who are you', code: 13, codeName: 'Unauthorized' }],
      ];
      test.each(answers)('a server that %s is unavailable for now', async (_, answer) => {
        const writer = await viaProxy();
        proxy.fateOf = nextTime('insert', 'ledger', () => ({ answer }));
        const error: unknown = await writer
          .append([batchOf(TICKET, 1, 1, 1)])
          .catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ArchiveUnavailableError);
        expect((error as Error).cause).toBeInstanceOf(Error);
        expect(await appendUntilKnown(writer, [batchOf(TICKET, 1, 1, 1)])).toEqual(['appended']);
      });

      test('a document that the server refuses is not unavailability', async () => {
        const writer = await viaProxy();
        const refusal = { index: 0, code: 121, errmsg: 'Document failed validation' };
        proxy.fateOf = nextTime('insert', 'ledger', () => ({
          answer: { ok: 1, n: 0, writeErrors: [refusal] },
        }));
        const appended = writer.append([batchOf(TICKET, 1, 1, 1)]);
        await expect(appended).rejects.toThrow('Document failed validation');
        await expect(appended).rejects.not.toBeInstanceOf(ArchiveUnavailableError);
      });

      test('a ping wants a server that takes writes', async () => {
        const pinger = await viaProxy();
        await pinger.ping();
        proxy.fateOf = nextTime('update', 'meta', () => ({
          answer: { ok: 0, errmsg: 'not primary', code: 10_107, codeName: 'NotWritablePrimary' },
        }));
        await expect(pinger.ping()).rejects.toBeInstanceOf(ArchiveUnavailableError);
      });
    });

    describe('starting', () => {
      test('goes on without a server, says so without the password, and is ready once it is there', async () => {
        const { logger, lines } = logged();
        const port = await freePort();
        const away = store.make({
          url: `mongodb://somebody:secret@127.0.0.1:${port}/?directConnection=true`,
          logger,
          timeoutMs: 300,
        });
        await away.start();
        expect(lines.join('\n')).toContain(`127.0.0.1:${port}`);
        expect(lines.join('\n')).not.toContain('secret');
        await expect(away.ping()).rejects.toBeInstanceOf(ArchiveUnavailableError);
        await expect(all(away.events(TICKET, null))).rejects.toBeInstanceOf(ArchiveUnavailableError);

        const waiting = store.make({ url: `mongodb://127.0.0.1:${port}/`, timeoutMs: 2_000 });
        await waiting.start();
        await expect(waiting.append([batchOf(TICKET, 1, 1, 1)])).rejects.toBeInstanceOf(
          ArchiveUnavailableError,
        );
        const arrived = new Proxy(url);
        await arrived.start(port);
        expect(await appendUntilKnown(waiting, [batchOf(TICKET, 1, 1, 1)])).toEqual(['appended']);
        await waiting.stop();
        await away.stop();
        await arrived.stop();
      });

      test('refuses a URL that cannot be understood, and does not repeat its password', async () => {
        const urls = [
          'http://a:secret@b',
          'mongodb://',
          'mongodb://a:secret@b:99999/',
          'mongodb://a:se@cret@b/',
          '',
        ];
        for (const bad of urls) {
          const error: unknown = await store
            .make({ url: bad })
            .start()
            .catch((thrown: unknown) => thrown);
          expect(String(error)).toMatch(/MongoDB URL cannot be used.*mongodb:\/\/user:password@host/);
          expect(JSON.stringify(pino.stdSerializers.err(error as Error))).not.toMatch(/secret|se@cret/);
        }
      });

      test('refuses a user that the server does not know, and says what to look at', async () => {
        const refusal = {
          ok: 0,
          errmsg: 'Authentication failed.',
          code: 18,
          codeName: 'AuthenticationFailed',
        };
        proxy.fateOf = (command) => (command.startsWith('sasl') ? { answer: refusal } : 'forward');
        const start = store
          .make({ url: `mongodb://somebody:secret@127.0.0.1:${proxy.port}/?authMechanism=PLAIN` })
          .start();
        await expect(start).rejects.toThrow(/Authentication failed.*password.*authSource/);
        await expect(start).rejects.not.toThrow('secret');
      });

      test('refuses a database that a newer version wrote, and leaves it alone', async () => {
        await archive.append([batchOf(TICKET, 1, 1, 1)]);
        await store.put('meta', 'schema', { version: MONGO_SCHEMA + 1 });
        const newer = new RegExp(`newer.*schema ${MONGO_SCHEMA + 1}`);
        await expect(store.make().start()).rejects.toThrow(newer);
        await store.put('meta', 'schema', { version: MONGO_SCHEMA });
        expect(await ledgerOf(await store.open())).toEqual(run(1, 1));
      });

      test('takes the database from the URL, and one of its own name without', async () => {
        const named = uniqueName('named');
        const { logger, lines } = logged();
        const inUrl = new MongoArchive({ url: `${url}${named}`, logger });
        await inUrl.start();
        await inUrl.stop();
        expect(lines.join('\n')).toContain(`/${named}"`);
        await store.client().db(named).dropDatabase();
        const port = await freePort();
        const byDefault = new MongoArchive({ url: `mongodb://127.0.0.1:${port}`, logger, timeoutMs: 100 });
        await byDefault.start();
        await byDefault.stop();
        expect(lines.join('\n')).toContain(`127.0.0.1:${port}/ticktak `);
      });

      test('several at once on an empty database make it together', async () => {
        const fresh = new TestStore(url);
        const archives = await Promise.all(Array.from({ length: 4 }, () => fresh.open()));
        const results = await Promise.all(
          archives.map((each, index) =>
            each.append([batchOf({ matchNumber: index + 1, category: 1 }, 1, 1, 1)]),
          ),
        );
        expect(results.flat()).toEqual(['appended', 'appended', 'appended', 'appended']);
        await fresh.remove();
      });

      test('makes the indexes', async () => {
        for (const [collection, wanted] of Object.entries(INDEXES)) {
          const found = await store.client().db(store.database).collection(collection).indexes();
          for (const { name, key } of wanted)
            expect(found).toContainEqual(expect.objectContaining({ name, key }));
        }
      });

      test('goes on with a server that has no validators, and says so once', async () => {
        const { logger, lines } = logged();
        const fresh = uniqueName('plain');
        proxy.fateOf = (command) =>
          command === 'create' || command === 'collMod'
            ? { answer: { ok: 0, errmsg: 'no', code: 238 } }
            : 'forward';
        const plain = await store.open({ url: proxy.url, database: fresh, logger });
        expect(await plain.append([batchOf(TICKET, 1, 1, 1)])).toEqual(['appended']);
        expect(lines.filter((line) => line.includes('does not check documents'))).toHaveLength(1);
        await store.client().db(fresh).dropDatabase();
      });
    });

    test('what it stores is what its validators ask for', async () => {
      await fillAll(archive);
      for (const [collection, schema] of Object.entries(allSchemas())) {
        const documents = await store.documents(collection, { promoteValues: false });
        expect([collection, documents.length > 0]).toEqual([collection, true]);
        for (const document of documents) expect(objections(document, schema, collection)).toEqual([]);
      }
    });

    const refusing = 'a server with validators refuses what could not be read';
    if (sharedMongoFound.kind !== 'real')
      skipBecause(refusing, 'stand-ins for MongoDB do not check documents');
    else {
      test(refusing, async () => {
        for (const collection of Object.keys(allSchemas()).filter((name) => name !== 'meta')) {
          await expect(store.put(collection, 'strange', { any: 'thing' })).rejects.toThrow(/validation/);
        }
      });
    }
  });
}

/** At least one document of every kind. */
async function fillAll(archive: MongoArchive): Promise<void> {
  const reservation = reservationOf({ paymentId: 'p', payingUntil: 5, reason: 'paid' });
  await archive.append([sale(reservation)]);
  await archive.openIncarnation(TICKET);
  await archive.openIncarnation(OTHER);
  await archive.saveSnapshot(snapshotAt(1, incompressible(IN_PARTS)));
  await archive.saveMatches([
    {
      matchNumber: 1,
      roundNumber: 1,
      dateUtc: '2022-11-20T16:00:00Z',
      location: 'Al Bayt Stadium',
      homeTeam: 'Qatar',
      awayTeam: 'Ecuador',
      group: null,
    },
  ]);
  for (const name of Object.keys(COLLECTIONS) as CollectionName[]) {
    const lists = Object.fromEntries(COLLECTIONS[name].map((list) => [list, '1']));
    await archive.insertDocument(name, { id: 'd', value: 1, lists, expiresAt: Date.now() + 60_000 });
  }
  await archive.savePublisher('publisher');
  await archive.saveDeadLetter({
    id: 'l',
    source: 's',
    reason: 'r',
    raw: '',
    headers: { 'a.b': '1', $c: '2', __proto__: '3' },
    receivedAt: Date.now(),
  });
  await archive.markRedriven('l', Date.now());
}

describe('a driver that has ceased to look at its server', () => {
  const comes = 'is begun anew, and calls succeed again';
  if (sharedMongoFound.kind === 'none') {
    skipBecause(comes, sharedMongoFound.reason);
    return;
  }
  test(comes, async () => {
    const { url } = await sharedMongo();
    const server = new Connected({ url, database: uniqueName('blind'), clock: systemClock, timeoutMs: 300 });
    await server.connect();
    const ping = () => server.call(() => server.database.command({ ping: 1 }));
    await ping();
    blind(server.database);
    await expect(ping()).rejects.toThrow(ArchiveUnavailableError);
    await until(async () => (await ping().catch(() => null)) !== null);
    await server.close();
    await expect(ping()).rejects.toThrow(ArchiveUnavailableError);
  });
});

/** As a look at the server that is never answered leaves it: unknown, its pool paused, and nobody looks again. */
function blind(database: Db): void {
  const { client } = database as unknown as {
    client: { topology: { s: { servers: Map<string, Watched> } } };
  };
  for (const { monitor } of client.topology.s.servers.values()) {
    monitor.emit('resetServer', new MongoNetworkError('ended at once'));
    monitor.close();
  }
}

interface Watched {
  readonly monitor: { emit(event: string, error: Error): void; close(): void };
}

describe('MongoArchive and a server that dies', () => {
  const keeps = 'loses nothing that it acknowledged and doubles nothing, killed under load again and again';
  if (mongoFound.kind === 'none') {
    skipBecause(keeps, mongoFound.reason);
    return;
  }
  let server: MongoServer;
  beforeAll(async () => {
    server = await startMongo();
  }, START_MS_MAX);
  afterAll(() => server?.stop());

  test(
    keeps,
    async () => {
      const store = new TestStore(server.url);
      const tickets = Array.from({ length: 6 }, (_, index) => ({ matchNumber: index + 1, category: 1 }));
      const writer = await store.open();
      const acknowledged = new Map<TicketId, number>();
      let isOver = false;
      let progress: () => void = () => undefined;
      const write = async (ticket: TicketId): Promise<void> => {
        for (let from = 1; !isOver; from += 3) {
          const results = await appendUntilKnown(writer, [batchOf(ticket, 1, from, from + 2)]);
          expect(results).toEqual(['appended']);
          acknowledged.set(ticket, from + 2);
          progress();
        }
      };
      const writers = Promise.all(tickets.map(write));
      const more = async (count: number): Promise<void> => {
        for (let left = count; left > 0; left -= 1) {
          await Promise.race([new Promise<void>((settle) => (progress = settle)), writers]);
        }
      };
      try {
        for (let kill = 0; kill < 3; kill += 1) {
          await more(20);
          await server.restart();
        }
        await more(20);
      } finally {
        isOver = true;
      }
      await writers;
      const reader = await store.open();
      for (const ticket of tickets) {
        expect(await ledgerOf(reader, ticket)).toEqual(run(1, acknowledged.get(ticket)!));
      }
      await store.remove();
    },
    START_MS_MAX * 2,
  );
});
