/**
 * Documents in LMDB: what runs inside a read or a transaction of the embedded archive. Here `putSync` is a
 * part of the transaction, and nothing may be awaited.
 */
import type { Database } from 'lmdb';
import {
  rangeOf,
  type CollectionName,
  type KeptDocument,
  type ListRequest,
  type NewDocument,
  type StoredDocument,
} from './documents.js';
import { cursorOf } from './pages.js';
import type { Page } from './port.js';

type DocumentKey = [collection: string, id: string];
type ListKey = [collection: string, list: string, sortKey: string, id: string];
type ExpiryKey = [at: number, collection: string, id: string];

/** Values are JSON text; those of lists and expiries are empty. */
export interface DocumentStores {
  readonly documents: Database<string, DocumentKey>;
  readonly documentLists: Database<string, ListKey>;
  readonly documentExpiries: Database<string, ExpiryKey>;
}

/** A document as it is stored. */
interface Row {
  readonly version: number;
  readonly value: unknown;
  readonly lists: Readonly<Record<string, string>>;
  readonly expiresAt?: number;
}

/** After every id. */
const LAST_ID = '\x7f';
/** Expired documents that one write takes along, so that they go without a job of their own. */
const EXPIRED_PER_WRITE_MAX = 20;

export function insertDocument(
  stores: DocumentStores,
  collection: CollectionName,
  document: NewDocument,
  now: number,
): boolean {
  removeExpired(stores, now);
  const found = rowOf(stores, collection, document.id);
  if (found && !isOver(found, now)) return false;
  if (found) erase(stores, collection, document.id, found);
  write(stores, collection, document, 1);
  return true;
}

export function readDocument(
  stores: DocumentStores,
  collection: CollectionName,
  id: string,
  now: number,
): StoredDocument | null {
  const row = rowOf(stores, collection, id);
  return row && !isOver(row, now) ? { id, version: row.version, value: row.value } : null;
}

export function replaceDocument(
  stores: DocumentStores,
  collection: CollectionName,
  document: NewDocument,
  version: number,
  now: number,
): boolean {
  const found = rowOf(stores, collection, document.id);
  if (!found || isOver(found, now) || found.version !== version) return false;
  erase(stores, collection, document.id, found);
  write(stores, collection, document, version + 1);
  return true;
}

export function removeDocument(
  stores: DocumentStores,
  collection: CollectionName,
  id: string,
  version: number | undefined,
  now: number,
): boolean {
  const found = rowOf(stores, collection, id);
  if (!found || (version !== undefined && found.version !== version)) return false;
  erase(stores, collection, id, found);
  return !isOver(found, now);
}

export function listDocuments(
  stores: DocumentStores,
  collection: CollectionName,
  list: string,
  request: ListRequest,
  now: number,
): Page<StoredDocument> {
  const asked = rangeOf(request);
  if (!asked) return { items: [] };
  const { limit, from, below, after } = asked;
  const place = after && ([collection, list, ...after] satisfies ListKey);
  const lower = [collection, list, from];
  const upper = [collection, list, below];
  const exclusiveStart = place !== null;
  const range = request.newestFirst
    ? { start: place ?? upper, end: lower, reverse: true, exclusiveStart }
    : { start: place ?? lower, end: upper, exclusiveStart };
  const items: StoredDocument[] = [];
  let last: ListKey | null = null;
  for (const key of stores.documentLists.getKeys(range)) {
    const document = readDocument(stores, collection, key[3], now);
    if (!document) continue;
    if (items.length === limit && last) {
      return { items, next: cursorOf([last[2], last[3]]) };
    }
    items.push(document);
    last = key;
  }
  return { items };
}

/** Those after an id, with everything that is kept of them; `last` is where to go on, null at the end. */
export function documentsAfter(
  stores: DocumentStores,
  collection: CollectionName,
  after: string | null,
  limit: number,
  now: number,
): { readonly documents: readonly KeptDocument[]; readonly last: string | null } {
  const start = after === null ? [collection] : [collection, after];
  const range = { start, end: [collection, LAST_ID], exclusiveStart: after !== null, limit };
  const rows = [...stores.documents.getRange(range)].map(({ key: [, id], value }) => {
    const row = JSON.parse(value) as Row;
    return { id, row };
  });
  const documents = rows.filter(({ row }) => !isOver(row, now)).map(({ id, row }) => ({ id, ...row }));
  return { documents, last: rows.length < limit ? null : (rows.at(-1)?.id ?? null) };
}

/** False, and nothing done, when its id is taken. */
export function putDocument(
  stores: DocumentStores,
  collection: CollectionName,
  document: KeptDocument,
): boolean {
  if (rowOf(stores, collection, document.id)) return false;
  write(stores, collection, document, document.version);
  return true;
}

function rowOf({ documents }: DocumentStores, collection: string, id: string): Row | null {
  const text = documents.get([collection, id]);
  return text === undefined ? null : (JSON.parse(text) as Row);
}

const isOver = ({ expiresAt }: Row, now: number): boolean => expiresAt !== undefined && expiresAt <= now;

function write(
  stores: DocumentStores,
  collection: string,
  { id, value, lists = {}, expiresAt }: NewDocument,
  version: number,
): void {
  const row: Row = { version, value, lists, ...(expiresAt !== undefined && { expiresAt }) };
  stores.documents.putSync([collection, id], JSON.stringify(row));
  for (const [list, key] of Object.entries(lists)) {
    stores.documentLists.putSync([collection, list, key, id], '');
  }
  if (expiresAt !== undefined) stores.documentExpiries.putSync([expiresAt, collection, id], '');
}

function erase(stores: DocumentStores, collection: string, id: string, row: Row): void {
  stores.documents.removeSync([collection, id]);
  for (const [list, key] of Object.entries(row.lists)) {
    stores.documentLists.removeSync([collection, list, key, id]);
  }
  if (row.expiresAt !== undefined) stores.documentExpiries.removeSync([row.expiresAt, collection, id]);
}

function removeExpired(stores: DocumentStores, now: number): void {
  const range = { end: [now, '', ''] satisfies ExpiryKey, limit: EXPIRED_PER_WRITE_MAX };
  for (const key of [...stores.documentExpiries.getKeys(range)]) {
    const [, collection, id] = key;
    const row = rowOf(stores, collection, id);
    if (row && isOver(row, now)) erase(stores, collection, id, row);
    else stores.documentExpiries.removeSync(key);
  }
}
