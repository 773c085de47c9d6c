/**
 * Snapshots of tickets. A state may have tens of megabytes, a document at most 16: it is kept as gzipped JSON,
 * the last part of it in the document that stands for the snapshot, the parts before it in documents of their
 * own, which are written first. So a snapshot that can be seen is whole.
 *
 * Each snapshot is a new document whose key orders it by position, then by time: the last one is the newest,
 * whatever the order of saving. Older ones are removed afterwards, with what a writer that died left behind.
 */
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Binary } from 'mongodb';
import type { TicketId } from '../../rules/index.js';
import type { TicketSnapshot } from '../port.js';
import {
  ticketKeys,
  numberKey,
  positionKey,
  ticketKey,
  ticketName,
  type SnapshotDocument,
  type Stores,
} from './layout.js';
import type { MongoServer } from './server.js';

/** Of one part. Small enough to be written within the time of one call. */
const PART_BYTES = 4 * 2 ** 20;

const zip = promisify(gzip);
const unzip = promisify(gunzip);

export async function saveSnapshot(
  server: MongoServer,
  stores: Stores,
  snapshot: TicketSnapshot,
): Promise<void> {
  const { ticket, takenAt } = snapshot;
  const position = ticketKey(ticket, positionKey(snapshot));
  const newest = await newestKey(server, stores, ticket);
  // Keys go on behind the position.
  if (newest !== null && newest.slice(0, position.length) > position) return;
  const key = `${position}/${numberKey(takenAt)}.${randomUUID()}`;
  const data = await zip(JSON.stringify(snapshot));
  const parts = Math.ceil(data.length / PART_BYTES) - 1;
  const partAt = (index: number): Binary =>
    new Binary(data.subarray(index * PART_BYTES, (index + 1) * PART_BYTES));
  for (let index = 0; index < parts; index += 1) {
    await server.insert(stores.snapshotParts, { _id: partKey(key, index), data: partAt(index) });
  }
  await server.insert(stores.snapshots, { _id: key, parts, data: partAt(parts) });
  const older = { _id: { ...ticketKeys(ticket), $lt: key } };
  await server.call(() => stores.snapshots.deleteMany(older));
  await server.call(() => stores.snapshotParts.deleteMany(older));
}

export async function newestSnapshot(
  server: MongoServer,
  stores: Stores,
  ticket: TicketId,
): Promise<TicketSnapshot | null> {
  for (let missed: string | null = null; ;) {
    const document = await server.call(() =>
      stores.snapshots.findOne({ _id: ticketKeys(ticket) }, { sort: { _id: -1 } }),
    );
    if (!document) return null;
    const parts = await partsOf(server, stores, document);
    if (parts) return JSON.parse((await unzip(Buffer.concat(parts))).toString()) as TicketSnapshot;
    // A newer one came and took its parts away, unless this is the second time.
    if (missed === document._id) throw new Error(`Snapshot of ticket ${ticketName(ticket)} lacks a part`);
    missed = document._id;
  }
}

async function newestKey(server: MongoServer, stores: Stores, ticket: TicketId): Promise<string | null> {
  const options = { sort: { _id: -1 }, projection: { _id: 1 } } as const;
  const newest = await server.call(() => stores.snapshots.findOne({ _id: ticketKeys(ticket) }, options));
  return newest?._id ?? null;
}

async function partsOf(
  server: MongoServer,
  { snapshotParts }: Stores,
  { _id, parts, data }: SnapshotDocument,
): Promise<readonly Uint8Array[] | null> {
  const found: Uint8Array[] = [];
  for (let index = 0; index < parts; index += 1) {
    const part = await server.call(() => snapshotParts.findOne({ _id: partKey(_id, index) }));
    if (!part) return null;
    found.push(part.data.value());
  }
  return [...found, data.value()];
}

function partKey(snapshot: string, index: number): string {
  return `${snapshot}#${index}`;
}
