/** Backup and restore between both kinds of archive, of files that are not right, and while something happens. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { BACKUP_FORMAT, BackupError, verifyBackup } from '../../src/archive/backup.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { MongoArchive } from '../../src/archive/mongo.js';
import {
  ArchiveRefusedError,
  type Archive,
  type CommittedEvent,
  type OpenOptions,
} from '../../src/archive/port.js';
import { SCHEMA_VERSION } from '../../src/actors/state-codec.js';
import { COLLECTIONS, type CollectionName } from '../../src/archive/documents.js';
import type { TicketEvent, TicketId } from '../../src/rules/index.js';
import { all, batchOf, positionsOf, reservationOf } from '../contract/archive.js';
import {
  backupOf,
  contentOf,
  linesOf,
  matchOf,
  restored,
  rewritten,
  seed,
  sourceOf,
  T0,
  YEAR_MS,
  type Line,
} from '../helpers/backup.js';
import { MongoClient } from 'mongodb';
import { sharedMongo, sharedMongoFound } from '../helpers/mongo.js';
import { uniqueName } from '../helpers/services.js';
import { skipBecause } from '../helpers/skips.js';

const TICKET: TicketId = { matchNumber: 7, category: 2 };
const NOW = Date.UTC(2026, 5, 1);

interface Store {
  readonly kind: 'embedded' | 'mongodb';
  open(options?: OpenOptions): Promise<Archive>;
  remove(): Promise<void>;
}

async function embeddedStore(): Promise<Store> {
  const dir = await mkdtemp(join(tmpdir(), 'ticktak-backup-'));
  const opened: Archive[] = [];
  return {
    kind: 'embedded',
    async open(options = {}) {
      const archive = new EmbeddedArchive({ dir, ...options });
      await archive.start();
      opened.push(archive);
      return archive;
    },
    async remove() {
      await Promise.all(opened.map((archive) => archive.stop()));
      await rm(dir, { recursive: true });
    },
  };
}

async function mongoStore(): Promise<Store> {
  const { url } = await sharedMongo();
  const database = uniqueName('backup');
  const opened: Archive[] = [];
  return {
    kind: 'mongodb',
    async open(options = {}) {
      const archive = new MongoArchive({ url, database, logger: pino({ level: 'silent' }), ...options });
      await archive.start();
      opened.push(archive);
      return archive;
    },
    async remove() {
      await Promise.all(opened.map((archive) => archive.stop()));
      const client = new MongoClient(url);
      await client.db(database).dropDatabase();
      await client.close();
    },
  };
}

let stores: Store[];
beforeEach(() => {
  stores = [];
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.remove()));
});

async function made(make: () => Promise<Store>): Promise<Store> {
  const store = await make();
  stores.push(store);
  return store;
}

const MAKERS = { embedded: embeddedStore, mongodb: mongoStore } as const;
const directions = (['embedded', 'mongodb'] as const)
  .flatMap((from) => (['embedded', 'mongodb'] as const).map((to) => [from, to] as const))
  .filter((pair) => sharedMongoFound.kind !== 'none' || !pair.includes('mongodb'));
if (sharedMongoFound.kind === 'none') {
  skipBecause('backups go from MongoDB to the embedded store and back', sharedMongoFound.reason);
}

describe('a backup', () => {
  test.each(directions)(
    'of a store (%s) is the same once it was restored (%s)',
    async (from, to) => {
      const source = await (await made(MAKERS[from])).open();
      const { sold, refunded, ticket, long } = await seed(source);
      const file = await backupOf(source);
      const target = await made(MAKERS[to]);
      const report = await restored(await target.open({ isRestore: true }), file, { now: () => NOW });

      const archive = await target.open();
      expect(contentOf(await backupOf(archive, T0 + 1))).toEqual(contentOf(file));
      expect(report.counts).toMatchObject({ tickets: 4, events: 2_509, snapshots: 2, deadLetters: 23 });
      expect(report.counts.documents).toMatchObject({ users: 3, audit: 450 });

      // What is told from ledgers and lists is there, too.
      expect(await archive.reservation(sold.id)).toEqual(sold);
      expect(await archive.reservation(refunded.id)).toEqual(refunded);
      expect(await archive.reservationsByEmail(sold.email, { limit: 9 })).toEqual({ items: [sold] });
      expect(await archive.hasCommand(ticket, 'c/2/2')).toBe(true);
      expect(await archive.snapshot(long)).toEqual(await source.snapshot(long));
      expect(await archive.deadLetter('sales/0/4')).toEqual(await source.deadLetter('sales/0/4'));
      expect(await archive.markRedriven('sales/0/4', T0)).toBe(false);
      const list = { limit: 100, newestFirst: true };
      expect(await archive.listDocuments('audit', 'all', list)).toEqual(
        await source.listDocuments('audit', 'all', list),
      );
      expect(await archive.document('users', 'users-2')).toMatchObject({ version: 3 });

      // Life goes on behind everything that may have happened in another one.
      const { incarnation, head } = await archive.openIncarnation(ticket);
      expect(incarnation).toBe(NOW / 1_000 + 1);
      expect(head).toEqual({ incarnation: 4, sequence: 1 });
      expect(await archive.append([batchOf(ticket, 4, 2, 2)])).toEqual(['fenced']);
      expect(await archive.append([batchOf(ticket, incarnation, 1, 3)])).toEqual(['appended']);
    },
    60_000,
  );

  test('of an empty store is whole, and restores to an empty one', async () => {
    const file = await backupOf(await (await made(embeddedStore)).open());
    const target = await made(embeddedStore);
    await restored(await target.open({ isRestore: true }), file);
    expect(contentOf(await backupOf(await target.open()))).toEqual([]);
  });

  test('says what it is, and holds ledgers before documents, cursors of mails before mails', async () => {
    const source = await (await made(embeddedStore)).open();
    await seed(source);
    const file = await backupOf(source);
    const [header, ...lines] = linesOf(file).map((line) => JSON.parse(line) as Line);
    expect(header).toMatchObject({ program: 'ticktak', format: BACKUP_FORMAT, schema: SCHEMA_VERSION });
    expect(header).toMatchObject({ madeAt: '2022-11-20T16:00:00.000Z', source: 'embedded' });
    const first = (kind: string, collection?: string): number =>
      lines.findIndex((line) => line['kind'] === kind && line['collection'] === collection);
    const last = (kind: string): number => lines.findLastIndex((line) => line['kind'] === kind);
    expect(last('deadLetter')).toBeLessThan(first('ticket'));
    expect(last('event')).toBeLessThan(first('match'));
    expect(last('event')).toBeLessThan(first('document', 'mailCursors'));
    expect(first('document', 'mailCursors')).toBeLessThan(first('document', 'mails'));
    expect(first('document', 'payments')).toBeLessThan(first('document', 'sandbox'));
    // Those are counted anew from the ledgers; everything else is there.
    const there = new Set(lines.map((line) => line['collection']));
    const absent = Object.keys(COLLECTIONS).filter((name) => !there.has(name));
    expect(absent.sort()).toEqual(['sales', 'salesCursors']);
  });

  test('leaves what is over behind, and so does a restore', async () => {
    const source = await (await made(embeddedStore)).open();
    const soon = Date.now() + YEAR_MS;
    await source.putDocuments('tokens', [
      { id: 'over', version: 1, value: 1, lists: {}, expiresAt: Date.now() - 1 },
      { id: 'soon', version: 1, value: 1, lists: {}, expiresAt: soon },
      { id: 'stays', version: 1, value: 1, lists: {} },
    ]);
    const file = await backupOf(source);
    expect(contentOf(file)).toHaveLength(2);
    const target = await (await made(embeddedStore)).open({ isRestore: true });
    expect(await restored(target, file, { now: () => soon })).toMatchObject({ leftOut: 1 });
    expect((await all(target.allDocuments('tokens'))).map(({ id }) => id)).toEqual(['stays']);
  });
});

describe('a file that is not right', () => {
  let file: Buffer;
  let target: Store;
  let archive: Archive;
  beforeEach(async () => {
    const source = await (await made(embeddedStore)).open();
    await seed(source);
    file = await backupOf(source);
    target = await made(embeddedStore);
    archive = await target.open({ isRestore: true });
  });

  /** It is refused with this reason, and nothing was written. */
  async function refused(bad: Buffer, reason: RegExp): Promise<void> {
    const restoring = restored(archive, bad);
    await expect(restoring).rejects.toBeInstanceOf(BackupError);
    await expect(restoring).rejects.toThrow(reason);
    expect(contentOf(await backupOf(await target.open()))).toEqual([]);
  }

  test('that is cut short anywhere', async () => {
    const ends = [0, 1, 9, 10, 11, 100, file.length >> 1, file.length - 9, file.length - 8, file.length - 1];
    for (const end of ends) await refused(file.subarray(0, end), /cut short|no backup/);
    const text = gunzipSync(file);
    for (const end of [1, text.length >> 1, text.lastIndexOf('\n', -2) + 1, text.length - 1]) {
      await refused(gzipSync(text.subarray(0, end)), /cut short|no backup/);
    }
  });

  test('that was altered in any byte', async () => {
    // Magic, method, and bytes all over it; header fields of gzip that say nothing of the content aside.
    const places = [
      0,
      1,
      2,
      ...Array.from({ length: 24 }, (_, index) => 10 + Math.floor((index / 24) * (file.length - 10))),
    ];
    for (const place of [...places, file.length - 8, file.length - 1]) {
      const altered = Buffer.from(file);
      altered[place]! ^= 0x10;
      await refused(altered, /./);
    }
    const text = gunzipSync(file);
    for (let place = 5; place < text.length; place += Math.floor(text.length / 24)) {
      const altered = Buffer.from(text);
      altered[place] = altered[place] === 0x31 ? 0x32 : 0x31;
      await refused(gzipSync(altered), /./);
    }
  });

  test('that goes on after its end', async () => {
    for (const rest of [Buffer.from('x'), Buffer.alloc(1), Buffer.alloc(100_000), Buffer.from('\x1f\x8b')]) {
      await refused(Buffer.concat([file, rest]), /follows its end|cut short|altered/);
    }
    await refused(Buffer.concat([file, file]), /follows its end/);
    await refused(gzipSync(Buffer.concat([gunzipSync(file), Buffer.from('{}\n')])), /follows its end/);
  });

  test('that is something else', async () => {
    await refused(Buffer.from('PK\x03\x04 some other kind of file'), /no gzip file/);
    for (const text of ['', '\n', 'hello\n', '{"kind":"header"}\n', 'null\n']) {
      await refused(gzipSync(text), /no backup of ticktak|cut short/);
    }
  });

  test.each<[string, RegExp, (header: Line) => Line]>([
    ['format', /version 2.*knows up to 1/, (header) => ({ ...header, format: BACKUP_FORMAT + 1, kinds: [] })],
    ['states', /what it holds.*knows up to/, (header) => ({ ...header, schema: SCHEMA_VERSION + 1 })],
    [
      'collections',
      /9\.9\.9, which keeps loyalty/,
      (header) => ({ ...header, product: '9.9.9', collections: ['loyalty'] }),
    ],
  ])('that a newer version made: %s', async (_, reason, change) => {
    await refused(
      rewritten(file, ([header, ...rest]) => [change(header!), ...rest]),
      reason,
    );
  });

  const find = (lines: readonly Line[], kind: string, number = 0): number => {
    let left = number;
    return lines.findIndex((line) => line['kind'] === kind && left-- === 0);
  };
  test.each<[string, RegExp, (lines: Line[]) => readonly Line[]]>([
    ['counts', /not hold as much/, (lines) => lines.toSpliced(find(lines, 'publisher'), 1)],
    ['a gap in a ledger', /one after the other/, (lines) => lines.toSpliced(find(lines, 'event', 2), 1)],
    [
      'events in the wrong order',
      /one after the other/,
      (lines) => {
        const at = find(lines, 'event', 100);
        return [...lines.slice(0, at), lines[at + 1]!, lines[at]!, ...lines.slice(at + 2)];
      },
    ],
    [
      'a ticket twice',
      /7:2 comes twice/,
      (lines) => lines.toSpliced(find(lines, 'match'), 0, lines[find(lines, 'ticket', 1)]!),
    ],
    ['an event of no ticket', /without its ticket/, (lines) => lines.toSpliced(find(lines, 'ticket'), 2)],
    [
      'a state ahead of its ledger',
      /ahead of its ledger/,
      (lines) => lines.with(find(lines, 'snapshot'), { ...lines[find(lines, 'snapshot')], incarnation: 5 }),
    ],
    [
      'a state of a newer version',
      /snapshot is of version/,
      (lines) => lines.with(find(lines, 'snapshot'), { ...lines[find(lines, 'snapshot')], schema: 999 }),
    ],
    [
      'a document twice',
      /out of order/,
      (lines) => lines.toSpliced(find(lines, 'document'), 0, lines[find(lines, 'document')]!),
    ],
    [
      'a document that is none',
      /version/,
      (lines) => lines.with(find(lines, 'document'), { ...lines[find(lines, 'document')], version: 0 }),
    ],
    [
      'a document in no list',
      /no list nowhere/,
      (lines) =>
        lines.with(find(lines, 'document'), { ...lines[find(lines, 'document')], lists: { nowhere: '1' } }),
    ],
    ['an unknown kind', /line 2/, (lines) => lines.toSpliced(1, 0, { kind: 'surprise' })],
    ['a field that nobody knows', /line 2/, (lines) => lines.with(1, { ...lines[1], more: 1 })],
    ['a second header', /header stands where/, (lines) => [lines[0]!, ...lines]],
    [
      'documents before ledgers',
      /stands where none may/,
      (lines) => lines.toSpliced(1, 0, lines[find(lines, 'document')]!),
    ],
  ])('with a good checksum, and in it %s', async (_, reason, change) => {
    await refused(rewritten(file, change), reason);
  });

  test('is told only by its content: written anew it is as good', async () => {
    await restored(
      archive,
      rewritten(file, (lines) => lines),
    );
    expect(contentOf(await backupOf(await target.open()))).toEqual(contentOf(file));
  });
});

describe('a restore', () => {
  let file: Buffer;
  beforeEach(async () => {
    const source = await (await made(embeddedStore)).open();
    await seed(source);
    file = await backupOf(source);
  });

  const kinds = Object.keys(MAKERS).filter((kind) => kind === 'embedded' || sharedMongoFound.kind !== 'none');
  describe.each(kinds as (keyof typeof MAKERS)[])('into a store (%s)', (kind) => {
    test.each<[string, (archive: Archive) => Promise<unknown>]>([
      ['a ledger', (archive) => archive.append([batchOf(TICKET, 1, 1, 1)])],
      ['an incarnation', (archive) => archive.openIncarnation(TICKET)],
      ['a match', (archive) => archive.saveMatches([matchOf(1)])],
      ['a publisher', (archive) => archive.savePublisher('p')],
      [
        'a dead letter',
        (archive) =>
          archive.saveDeadLetter({ id: 'l', source: 's', reason: 'r', raw: '', headers: {}, receivedAt: T0 }),
      ],
      ['a document', (archive) => archive.insertDocument('shares', { id: 's', value: 1 })],
    ])('that holds %s is refused, and nothing is written', async (_, fill) => {
      const store = await made(MAKERS[kind]);
      const archive = await store.open({ isRestore: true });
      await fill(archive);
      const before = contentOf(await backupOf(archive));
      const restoring = restored(archive, file);
      await expect(restoring).rejects.toBeInstanceOf(ArchiveRefusedError);
      await expect(restoring).rejects.toThrow(/holds something already.*empty one only/);
      // It opens as before, for a marketplace too.
      expect(contentOf(await backupOf(await store.open()))).toEqual(before);
    });

    test('that dies half-way leaves nothing that a marketplace would start on', async () => {
      const store = await made(MAKERS[kind]);
      const archive = await store.open({ isRestore: true });
      let calls = 0;
      const dying = new Proxy(archive, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name);
          if (name === 'append' && ++calls > 3) throw new Error('the power went');
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
      await expect(restored(dying, file)).rejects.toThrow('the power went');
      await expect(store.open()).rejects.toThrow(/was not finished: remove what is there/);
      await expect(store.open({ isReadOnly: true })).rejects.toBeInstanceOf(ArchiveRefusedError);
      await expect(restored(await store.open({ isRestore: true }), file)).rejects.toThrow(/empty one only/);
    });
  });

  test('notices that its file became another one', async () => {
    const store = await made(embeddedStore);
    const archive = await store.open({ isRestore: true });
    const other = rewritten(file, (lines) =>
      lines.with(1, { ...lines[1], letter: { ...(lines[1]!['letter'] as Line), reason: 'x' } }),
    );
    await expect(restored(archive, file, { source: sourceOf(other) })).rejects.toThrow(
      /not the file any more/,
    );
    await expect(store.open()).rejects.toThrow(/not finished/);
  });

  test('puts what it is told to instead of documents, and besides', async () => {
    const archive = await (await made(embeddedStore)).open({ isRestore: true });
    const report = await restored(archive, file, {
      change: (collection, document) => {
        if (collection === 'users') return { ...document, value: 'changed' };
        return collection === 'mailCursors' ? null : document;
      },
      add: (ends) =>
        ends.map(({ ticket: { matchNumber, category }, head }) => [
          'mailCursors',
          { id: `${matchNumber}:${category}`, version: 1, value: head, lists: {} },
        ]),
    });
    expect(report.leftOut).toBe(3);
    expect((await archive.document('users', 'users-1'))?.value).toBe('changed');
    const cursors = await all(archive.allDocuments('mailCursors'));
    expect(cursors.map(({ id, value }) => [id, value])).toEqual([
      ['10:1', { incarnation: 1, sequence: 2_500 }],
      ['7:2', { incarnation: 4, sequence: 1 }],
      ['9999:3', { incarnation: 3, sequence: 2 }],
    ]);
  });
});

describe('a backup of a store that is written to', () => {
  test.each(directions.filter(([from, to]) => from === to))(
    'holds of each ledger a prefix with all that was answered before, and no state ahead of it (%s)',
    async (kind) => {
      const store = await made(MAKERS[kind]);
      const writer = await store.open();
      const reader = await store.open({ isReadOnly: true });
      const tickets = Array.from({ length: 6 }, (_, index) => ({ matchNumber: index + 1, category: 1 }));
      const acknowledged = new Map<TicketId, number>(tickets.map((ticket) => [ticket, 0]));
      let isOver = false;
      const write = async (ticket: TicketId): Promise<void> => {
        for (let from = 1; !isOver; from += 3) {
          const events = [0, 1, 2].map((offset): CommittedEvent => {
            const reservation = reservationOf({ ...ticket, id: `r-${ticket.matchNumber}-${from + offset}` });
            const event = { type: 'held', at: T0, reservation } as const;
            return { ticket, incarnation: 1, sequence: from + offset, commandId: `c${from + offset}`, event };
          });
          await writer.append([{ ticket, incarnation: 1, events }]);
          acknowledged.set(ticket, from + 2);
          // As the actors and the feed of mails do: only of what is archived, and mails before cursors.
          await writer.saveSnapshot({
            ticket,
            incarnation: 1,
            sequence: from + 2,
            schema: 1,
            takenAt: T0,
            state: from,
          });
          await writer.insertDocument('mails', { id: `${ticket.matchNumber}/${from + 2}`, value: 1 });
          const cursor = { id: `${ticket.matchNumber}:1`, value: from + 2 };
          const kept = await writer.document('mailCursors', cursor.id);
          if (kept) await writer.replaceDocument('mailCursors', cursor, kept.version);
          else await writer.insertDocument('mailCursors', cursor);
        }
      };
      const writers = Promise.all(tickets.map(write));
      const backups: { readonly before: Map<TicketId, number>; readonly file: Buffer }[] = [];
      try {
        for (let round = 0; round < 4; round += 1) {
          while ([...acknowledged.values()].some((count) => count < (round + 1) * 15)) await writer.ping();
          const before = new Map(acknowledged);
          backups.push({ before, file: await backupOf(reader) });
        }
      } finally {
        isOver = true;
      }
      await writers;

      for (const { before, file } of backups) {
        const target = await made(embeddedStore);
        await restored(await target.open({ isRestore: true }), file);
        const archive = await target.open();
        for (const ticket of tickets) {
          const ledger = positionsOf(await all(archive.events(ticket, null)));
          expect(ledger).toEqual(ledger.map((_, index) => [1, index + 1]));
          expect(ledger.length).toBeGreaterThanOrEqual(before.get(ticket)!);
          expect((await archive.snapshot(ticket))!.sequence).toBeLessThanOrEqual(ledger.length);
          const last = await archive.reservation(`r-${ticket.matchNumber}-${ledger.length}`);
          expect(last?.status).toBe('PENDING');
          // Whatever a cursor says was mailed about has its mail.
          const cursor = (await archive.document('mailCursors', `${ticket.matchNumber}:1`))?.value;
          expect(await archive.document('mails', `${ticket.matchNumber}/${String(cursor)}`)).not.toBeNull();
        }
      }
    },
    60_000,
  );

  test('refers to nothing that it does not hold, whatever happens between two of its reads', async () => {
    const store = await made(embeddedStore);
    const archive = await store.open();
    let steps = 0;
    /** What marketplaces do, each in the order in which they make it durable. */
    const step = async (): Promise<void> => {
      const number = ++steps;
      const reservation = reservationOf({ ...TICKET, id: `r-${number}` });
      const put = (name: CollectionName, id: string): Promise<boolean> =>
        archive.insertDocument(name, { id, value: number });
      const events: TicketEvent[] = [
        { type: 'sold', at: T0, reservation },
        { type: 'closed', at: T0 },
      ];
      const sequence = 2 * number - 1;
      const letter = { source: 's', reason: 'r', raw: '', headers: {}, receivedAt: T0 + number };
      await archive.saveDeadLetter({ id: `l-${number}`, ...letter });
      await archive.savePublisher(`publisher-${number}`);
      await put('payments', `p-${number}`);
      await archive.append([
        {
          ticket: TICKET,
          incarnation: 1,
          events: events.map((event, index) => ({
            ...{ ticket: TICKET, incarnation: 1, sequence: sequence + index },
            ...{ commandId: `l-${number}`, event },
          })),
        },
      ]);
      await archive.markRedriven(`l-${number}`, T0);
      const at = { ticket: TICKET, incarnation: 1, sequence: sequence + 1 };
      await archive.saveSnapshot({ ...at, schema: 1, takenAt: T0, state: number });
      await put('mails', `m-${number}`);
      await put('mailCursors', `c-${number}`);
      await archive.saveMatches([matchOf(100 + number)]);
      await archive.append([batchOf({ matchNumber: 100 + number, category: 1 }, 1, 1, 1)]);
      await put('emails', `u-${number}`);
      await put('users', `u-${number}`);
      await put('sandbox', `p-${number}`);
    };
    await step();
    const restless = new Proxy(archive, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args) as unknown;
        if (name !== 'events' && name !== 'allDocuments') {
          return async (...args: unknown[]) => {
            await step();
            const answer: unknown = await call(...args);
            await step();
            return answer;
          };
        }
        return async function* (...args: unknown[]) {
          await step();
          yield* call(...args) as AsyncIterable<unknown>;
          await step();
        };
      },
    });
    const file = await backupOf(restless);
    expect(steps).toBeGreaterThan(50);

    const target = await made(embeddedStore);
    await restored(await target.open({ isRestore: true }), file);
    const after = await target.open();
    const ids = async (name: CollectionName): Promise<Set<number>> => {
      const documents = await all(after.allDocuments(name));
      return new Set(documents.map(({ value }) => Number(value)));
    };
    const events = await all(after.events(TICKET, null));
    const sales = events.filter(({ event }) => event.type === 'sold').map((_, index) => index + 1);
    expect(sales.length).toBeGreaterThan(3);
    const payments = await ids('payments');
    expect(sales.filter((number) => !payments.has(number))).toEqual([]);
    const publishers = new Set(await after.publishers());
    expect(sales.filter((number) => !publishers.has(`publisher-${number}`))).toEqual([]);
    const matches = new Set((await after.matches()).map(({ matchNumber }) => matchNumber));
    const tickets = (await after.ledgerTickets()).filter(({ matchNumber }) => matchNumber > 100);
    expect(tickets.filter(({ matchNumber }) => !matches.has(matchNumber))).toEqual([]);
    const letters = (await after.deadLetters({ limit: 100 })).items.filter(({ redrivenAt }) => redrivenAt);
    const known = new Set(events.map(({ commandId }) => commandId));
    expect(letters.length).toBeGreaterThan(0);
    expect(letters.filter(({ id }) => !known.has(id))).toEqual([]);
    for (const [name, needed] of [
      ['mailCursors', 'mails'],
      ['users', 'emails'],
    ] as const) {
      const there = await ids(needed);
      expect([...(await ids(name))].filter((number) => !there.has(number))).toEqual([]);
    }
    const charged = await ids('sandbox');
    expect([...payments].filter((number) => !charged.has(number))).toEqual([]);
  });

  test('is whole although documents come, change and go', async () => {
    const store = await made(embeddedStore);
    const archive = await store.open();
    await seed(archive);
    let isOver = false;
    const churn = (async () => {
      for (let index = 0; !isOver; index += 1) {
        await archive.insertDocument('audit', { id: `audit-${index % 600}x`, value: index });
        await archive.removeDocument('audit', `audit-${(index * 7) % 600}x`);
        await archive.replaceDocument('users', { id: 'users-0', value: index }, index + 1);
      }
    })();
    for (let round = 0; round < 5; round += 1) {
      const { counts } = await verifyBackup(sourceOf(await backupOf(archive)));
      expect(counts.documents['audit']).toBeGreaterThanOrEqual(450);
      expect(counts.documents['users']).toBe(3);
    }
    isOver = true;
    await churn;
  });
});
