/** An archive with something of everything in it, and backups in memory. */
import { Readable, Writable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import {
  restoreBackup,
  verifyBackup,
  writeBackup,
  type BackupSource,
  type RestoreOptions,
  type RestoreReport,
} from '../../src/archive/backup.js';
import {
  COLLECTIONS,
  sortable,
  type CollectionName,
  type KeptDocument,
} from '../../src/archive/documents.js';
import type { Archive, CommittedEvent } from '../../src/archive/port.js';
import type { Reservation, TicketEvent, TicketId } from '../../src/rules/index.js';
import { batchOf, reservationOf } from '../contract/archive.js';

export const T0 = Date.UTC(2022, 10, 20, 16);
export const YEAR_MS = 365 * 24 * 60 * 60_000;

const event = (
  ticket: TicketId,
  incarnation: number,
  sequence: number,
  event: TicketEvent,
  more: Partial<CommittedEvent> = {},
): CommittedEvent => ({
  ticket,
  incarnation,
  sequence,
  commandId: `c/${incarnation}/${sequence}`,
  event,
  ...more,
});

export interface Seeded {
  readonly sold: Reservation;
  readonly refunded: Reservation;
  /** Ticket of both, with three incarnations. */
  readonly ticket: TicketId;
  /** With more events than are appended at once. */
  readonly long: TicketId;
}

export async function seed(archive: Archive): Promise<Seeded> {
  const ticket = { matchNumber: 7, category: 2 };
  const long = { matchNumber: 10, category: 1 };
  const held = reservationOf({ id: 'r-sold', account: 'u-1', createdAt: T0 + 1 });
  const paying: Reservation = { ...held, status: 'PAYING', paymentId: 'pi_1', attempts: [{ id: 'a-1' }] };
  const sold: Reservation = { ...paying, status: 'RESERVED', reason: 'paid', updatedAt: T0 + 3 };
  const other = reservationOf({ id: 'r-refunded', email: 'žofie@example.com', createdAt: T0 + 4 });
  const refunded: Reservation = { ...other, status: 'REFUNDED', quantity: 0, refundedQuantity: 2 };
  const at = T0;
  await archive.append([
    {
      ticket,
      incarnation: 1,
      events: [
        event(ticket, 1, 1, { type: 'loaded', at, capacity: 20, price: 125.5, currency: 'usd' }),
        event(ticket, 1, 2, { type: 'held', at, reservation: held }, { requestId: 'req-"1"\n' }),
        event(ticket, 1, 3, { type: 'paymentStarted', at, reservation: paying }),
        event(ticket, 1, 4, { type: 'sold', at, reservation: sold }),
      ],
    },
  ]);
  await archive.openIncarnation(ticket);
  await archive.append([
    {
      ticket,
      incarnation: 2,
      events: [
        event(
          ticket,
          2,
          1,
          { type: 'held', at, reservation: other },
          { formerly: { incarnation: 1, sequence: 5 } },
        ),
        event(ticket, 2, 2, remoteEvent()),
      ],
    },
  ]);
  await archive.openIncarnation(ticket);
  await archive.openIncarnation(ticket);
  await archive.append([
    {
      ticket,
      incarnation: 4,
      events: [event(ticket, 4, 1, { type: 'refunded', at, reservation: refunded, quantity: 2 })],
    },
    batchOf({ matchNumber: 9_999, category: 3 }, 3, 1, 2),
  ]);
  for (let from = 1; from <= 2_500; from += 500) await archive.append([batchOf(long, 1, from, from + 499)]);
  await archive.openIncarnation({ matchNumber: 1, category: 1 });
  await archive.saveSnapshot({
    ticket,
    incarnation: 2,
    sequence: 2,
    schema: 1,
    takenAt: T0,
    published: { incarnation: 1, sequence: 0 },
    state: { some: ['state', null, 0.1], text: 'ž🐴\u2028' },
  });
  await archive.saveSnapshot({
    ticket: long,
    incarnation: 1,
    sequence: 2_500,
    schema: 2,
    takenAt: T0,
    state: 1,
  });
  await archive.saveMatches([matchOf(10), matchOf(7)]);
  await archive.savePublisher('publisher/2');
  await archive.savePublisher('publisher/1');
  for (let index = 0; index < 23; index += 1) {
    await archive.saveDeadLetter({
      id: `sales/0/${index}`,
      source: 'sales',
      reason: 'not JSON',
      raw: Buffer.alloc(index * 100, index).toString('base64'),
      headers: { 'a.$b': '1', clientId: 'peer' },
      receivedAt: T0 + Math.floor(index / 3),
    });
  }
  await archive.markRedriven('sales/0/4', T0 + 99);
  for (const name of Object.keys(COLLECTIONS) as CollectionName[]) await seedCollection(archive, name);
  return { sold, refunded, ticket, long };
}

function remoteEvent(): TicketEvent {
  return {
    type: 'remote',
    at: T0,
    action: 'cancelled',
    clientId: 'peer',
    quantity: 1,
    recordedAt: T0,
    position: { source: 'k/t/0', offset: '9007199254740993', index: 0 },
    heldDelta: 0,
    soldDelta: 0,
    tally: { held: 0, sold: 1, early: [], cancelledEarly: 0, heldSince: T0 },
    orphan: { kind: 'suspected_refund', quantity: 1 },
  };
}

export function matchOf(matchNumber: number) {
  return {
    matchNumber,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: null,
  };
}

/** More than are put at once, at several versions, in all their lists, some with an end. */
async function seedCollection(archive: Archive, name: CollectionName): Promise<void> {
  const documents = Array.from({ length: name === 'audit' ? 450 : 3 }, (_, index): KeptDocument => {
    const lists = Object.fromEntries(COLLECTIONS[name].map((list) => [list, sortable(index)]));
    return {
      id: `${name}-${index}`,
      version: index + 1,
      value: { index, password: '$argon2id$...', none: null, nested: [{ 'a.b': 1.5, $c: true }] },
      lists: index === 1 ? {} : lists,
      ...(index === 2 && { expiresAt: Date.now() + YEAR_MS }),
    };
  });
  await archive.putDocuments(name, documents);
}

export async function backupOf(archive: BackupSource, now = T0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const out = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  const facts = { now: () => now, product: '0.0.0-test', source: 'embedded', secrets: {} } as const;
  await writeBackup(archive, facts, out);
  return Buffer.concat(chunks);
}

export const sourceOf = (file: Buffer): Readable =>
  Readable.from([file.subarray(0, 1_000), file.subarray(1_000)], { objectMode: true });

export async function restored(
  archive: Archive,
  file: Buffer,
  options: Partial<RestoreOptions> = {},
): Promise<RestoreReport> {
  const verified = await verifyBackup(sourceOf(file));
  return restoreBackup(archive, verified, { source: sourceOf(file), now: Date.now, ...options });
}

export const linesOf = (file: Buffer): string[] => gunzipSync(file).toString('utf8').split('\n').slice(0, -1);

/** What a backup says of the content: all but header and trailer. */
export const contentOf = (file: Buffer): string[] => linesOf(file).slice(1, -1);

export type Line = Record<string, unknown>;

/** The file with its lines changed, and a trailer that is right for them. */
export function rewritten(
  file: Buffer,
  change: (lines: Line[]) => readonly Line[],
  changeTrailer: (trailer: Line) => Line = (trailer) => trailer,
): Buffer {
  const lines = linesOf(file).map((line) => JSON.parse(line) as Line);
  const trailer = lines.pop()!;
  const text = change(lines)
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
  const sha256 = createHash('sha256').update(text).digest('hex');
  return gzipSync(`${text}${JSON.stringify({ ...changeTrailer(trailer), sha256 })}\n`);
}
