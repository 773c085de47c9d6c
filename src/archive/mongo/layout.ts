/**
 * What the archive keeps in MongoDB: collections, their documents, keys, indexes and validators. `prepare`
 * makes all of it and may run any number of times, in several processes at once.
 *
 * Keys of a ticket's documents begin with its name and a slash, and numbers in them have leading zeros, so
 * that the order of the keys is the order of the numbers.
 */
import type { Binary, Collection, CreateCollectionOptions, Db, IndexDescription } from 'mongodb';
import type { Match } from '../../catalog/match.js';
import type { Logger } from '../../process/log.js';
import type { Reservation, TicketId } from '../../rules/index.js';
import { COLLECTIONS, type CollectionName } from '../documents.js';
import {
  ArchiveRefusedError,
  noArchive,
  unfinishedRestore,
  type CommittedEvent,
  type DeadLetter,
  type LedgerPosition,
  type OpenOptions,
} from '../port.js';
import type { DocumentDocument } from './documents.js';
import { isNameTaken, isUnsupported, refusesUser, type Identified, type MongoServer } from './server.js';

/** Version of the layout below. A database with a newer one is refused. */
export const MONGO_SCHEMA = 1;

/** An event as it stands in its entry, which knows the ticket. */
export type StoredEvent = Omit<CommittedEvent, 'ticket'>;

/** A place in the chain that is a ticket's ledger (chain.ts). Written once, never changed. */
interface ChainPlace extends Identified {
  readonly matchNumber: number;
  readonly category: number;
  /** From 1. */
  readonly number: number;
}

export interface LedgerEntry extends ChainPlace {
  /** The incarnation that is open after it; older ones are fenced. */
  readonly incarnation: number;
  /** Position of the newest event after it, as `positionKey` writes it; empty when there is none. */
  readonly position: string;
  /** Commands of remote messages among its events: by them a repeat is told. */
  readonly remoteCommands?: readonly string[];
  /** Absent when they are packed. */
  readonly events?: readonly StoredEvent[];
  /** The events as gzipped JSON, when they would not fit into a document. */
  readonly packed?: Binary;
}

/** Takes its number without a look at the ones before. */
export interface Marker extends ChainPlace {
  /** It opens the incarnation after the one before it; else it is there only to take the number. */
  readonly opens: boolean;
  /** Numbers between this and its own may be free: they must be taken before anything is added after it. */
  readonly from: number;
}

/** A reservation as the event at one position left it. Written once, never changed; the newest is the truth. */
export interface ReservationVersion extends Identified {
  readonly reservation: Reservation;
}

/** A snapshot, gzipped JSON, or its last part when it has several. */
export interface SnapshotDocument extends Identified {
  /** Parts before `data`, in documents of their own. */
  readonly parts: number;
  readonly data: Binary;
}

export interface SnapshotPart extends Identified {
  readonly data: Binary;
}

export interface MatchDocument extends Omit<Match, 'matchNumber'> {
  readonly _id: number;
}

/** Headers have any names, which field names may not. */
export interface LetterDocument extends Identified, Omit<DeadLetter, 'id' | 'headers' | 'redrivenAt'> {
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

/** Says that the dead letter of the same id was driven again. */
export interface RedriveDocument extends Identified {
  readonly at: number;
}

export interface MetaDocument extends Identified {
  readonly version?: number;
  /** When someone last tried whether the server takes writes. */
  readonly at?: number;
}

export interface Stores {
  readonly ledger: Collection<LedgerEntry | Marker>;
  readonly reservations: Collection<ReservationVersion>;
  readonly snapshots: Collection<SnapshotDocument>;
  readonly snapshotParts: Collection<SnapshotPart>;
  readonly matches: Collection<MatchDocument>;
  readonly publishers: Collection<Identified>;
  readonly deadLetters: Collection<LetterDocument>;
  readonly redrives: Collection<RedriveDocument>;
  readonly meta: Collection<MetaDocument>;
}

export function storesOf(database: Db): Stores {
  return {
    ledger: database.collection('ledger'),
    reservations: database.collection('reservations'),
    snapshots: database.collection('snapshots'),
    snapshotParts: database.collection('snapshotParts'),
    matches: database.collection('matches'),
    publishers: database.collection('publishers'),
    deadLetters: database.collection('deadLetters'),
    redrives: database.collection('redrives'),
    meta: database.collection('meta'),
  };
}

// --- Keys ------------------------------------------------------------------------------------------------

export function ticketName({ matchNumber, category }: TicketId): string {
  return `${matchNumber}:${category}`;
}

/** Key of a ticket's document. */
export function ticketKey(ticket: TicketId, rest: string): string {
  return `${ticketName(ticket)}/${rest}`;
}

/** The ticket whose key it is. */
export function ticketOfKey(key: string): TicketId {
  const [, matchNumber, category] = /^(\d+):(\d+)\//.exec(key) ?? [];
  if (matchNumber === undefined) throw new Error(`${key} is no key of a ticket`);
  return { matchNumber: Number(matchNumber), category: Number(category) };
}

/** All keys of a ticket; `0` is what follows the slash. */
export function ticketKeys(ticket: TicketId): { readonly $gt: string; readonly $lt: string } {
  return { $gt: `${ticketName(ticket)}/`, $lt: `${ticketName(ticket)}0` };
}

const DIGITS = 12;

export function numberKey(number: number): string {
  return String(number).padStart(DIGITS, '0');
}

/** Empty for null, which comes before all others. */
export function positionKey(position: LedgerPosition | null): string {
  return position ? `${numberKey(position.incarnation)}.${numberKey(position.sequence)}` : '';
}

export function positionOf(key: string): LedgerPosition | null {
  if (key === '') return null;
  const [incarnation, sequence] = key.split('.').map(Number);
  if (incarnation === undefined || sequence === undefined) throw new Error(`${key} is no ledger position`);
  return { incarnation, sequence };
}

// --- Indexes and validators ------------------------------------------------------------------------------

/** Beyond the one on `_id`. Their order is the order in which readers ask. */
export const INDEXES: Partial<Record<keyof Stores, readonly IndexDescription[]>> = {
  ledger: [
    { name: 'byPosition', key: { matchNumber: 1, category: 1, position: 1, number: 1 } },
    { name: 'byRemoteCommand', key: { matchNumber: 1, category: 1, remoteCommands: 1 } },
  ],
  reservations: [
    { name: 'byReservation', key: { 'reservation.id': 1, _id: -1 } },
    {
      name: 'byEmail',
      key: { 'reservation.email': 1, 'reservation.createdAt': -1, 'reservation.id': -1, _id: -1 },
    },
  ],
  deadLetters: [{ name: 'byTime', key: { receivedAt: -1, _id: -1 } }],
};

/** The part of $jsonSchema that is used here. */
export interface Schema {
  readonly bsonType: 'object' | 'array' | 'string' | 'number' | 'bool' | 'binData' | 'date';
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly enum?: readonly (string | number)[];
}

const TEXT: Schema = { bsonType: 'string' };
const NUMBER: Schema = { bsonType: 'number' };
const COUNT: Schema = { bsonType: 'number', minimum: 1 };
const DATA: Schema = { bsonType: 'binData' };
const KEY = String.raw`^[0-9]+:[0-9]+/`;
const POSITION = String.raw`[0-9]{12}\.[0-9]{12}`;

/** All listed properties are required, except those named. */
function object(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { bsonType: 'object', required, properties };
}

const EVENT = object(
  {
    incarnation: COUNT,
    sequence: COUNT,
    commandId: TEXT,
    requestId: TEXT,
    event: object({ type: TEXT, at: NUMBER }),
  },
  ['requestId'],
);

/** What each document must be like. They refuse what this code could not read, and leave room for new fields. */
export const SCHEMAS: Record<keyof Stores, Schema> = {
  ledger: object(
    {
      _id: { bsonType: 'string', pattern: `${KEY}[0-9]{12}$` },
      matchNumber: NUMBER,
      category: NUMBER,
      number: COUNT,
      incarnation: COUNT,
      position: { bsonType: 'string', pattern: `^(${POSITION})?$` },
      remoteCommands: { bsonType: 'array', items: TEXT },
      events: { bsonType: 'array', items: EVENT },
      packed: DATA,
      opens: { bsonType: 'bool' },
      from: { bsonType: 'number', minimum: 0 },
    },
    ['incarnation', 'position', 'remoteCommands', 'events', 'packed', 'opens', 'from'],
  ),
  reservations: object({
    _id: { bsonType: 'string', pattern: `${KEY}${POSITION}$` },
    reservation: object({ id: TEXT, status: TEXT, quantity: NUMBER, email: TEXT, createdAt: NUMBER }),
  }),
  snapshots: object({
    _id: { bsonType: 'string', pattern: `${KEY}${POSITION}/` },
    parts: { bsonType: 'number', minimum: 0 },
    data: DATA,
  }),
  snapshotParts: object({ _id: { bsonType: 'string', pattern: `${KEY}${POSITION}/` }, data: DATA }),
  matches: object({ _id: COUNT, dateUtc: TEXT, homeTeam: TEXT, awayTeam: TEXT }),
  publishers: object({ _id: TEXT }),
  deadLetters: object({
    _id: TEXT,
    source: TEXT,
    reason: TEXT,
    raw: TEXT,
    headers: { bsonType: 'array', items: object({ name: TEXT, value: TEXT }) },
    receivedAt: NUMBER,
  }),
  redrives: object({ _id: TEXT, at: NUMBER }),
  meta: object({ _id: TEXT }),
};

/** Documents of one collection (documents.ts): what their values are, their readers check. */
const DOCUMENT: Schema = object(
  { _id: TEXT, version: COUNT, lists: { bsonType: 'object' }, expiresAt: { bsonType: 'date' } },
  ['expiresAt'],
);

const COLLECTION_NAMES = Object.keys(COLLECTIONS) as CollectionName[];

/** Of every collection there is. */
export function allSchemas(): Readonly<Record<string, Schema>> {
  return { ...SCHEMAS, ...Object.fromEntries(COLLECTION_NAMES.map((name) => [name, DOCUMENT])) };
}

export function documentCollectionsOf(
  database: Db,
): ReadonlyMap<CollectionName, Collection<DocumentDocument>> {
  return new Map(COLLECTION_NAMES.map((name) => [name, database.collection<DocumentDocument>(name)]));
}

/** One index per list. */
function listIndexesOf(name: CollectionName): readonly IndexDescription[] {
  return COLLECTIONS[name].map((list) => ({
    name: `list-${list}`,
    key: { [`lists.${list}`]: 1, _id: 1 },
  }));
}

// --- Preparing -------------------------------------------------------------------------------------------

const SCHEMA_KEY = 'schema';
export const PING_KEY = 'ping';
/** There while a restore is under way. */
export const RESTORE_KEY = 'restore';

export class NewerMongoSchemaError extends ArchiveRefusedError {
  constructor(server: string, found: number) {
    super(
      `The archive in MongoDB at ${server} was written by a newer ticktak (schema ${found}, this one knows up ` +
        `to ${MONGO_SCHEMA}): start that version, or use another database`,
    );
  }
}

/** The stores of an archive that may be opened like this; touches nothing. Null where there is none yet. */
async function look(server: MongoServer, { isRestore = false }: OpenOptions): Promise<Stores | null> {
  const stores = storesOf(server.database);
  const [schema, restore] = await Promise.all(
    [SCHEMA_KEY, RESTORE_KEY].map((_id) => server.call(() => stores.meta.findOne({ _id }))),
  );
  const version = schema?.version ?? 0;
  if (version > MONGO_SCHEMA) throw new NewerMongoSchemaError(server.name, version);
  if (restore && !isRestore) throw unfinishedRestore(`in MongoDB at ${server.name}`);
  return schema ? stores : null;
}

/** Makes what is not there yet, except for who only reads. Throws `ArchiveRefusedError` before it touches anything. */
export async function prepare(server: MongoServer, logger: Logger, options: OpenOptions): Promise<Stores> {
  const found = await look(server, options);
  if (options.isReadOnly === true) {
    if (!found) throw noArchive(`in MongoDB at ${server.name}`);
    return found;
  }
  const { database } = server;
  const stores = storesOf(database);
  await makeCollections(server, logger);
  const all = [
    ...Object.entries(INDEXES),
    ...COLLECTION_NAMES.map((name) => [name, listIndexesOf(name)] as const),
  ];
  for (const [name, indexes] of all) {
    // One by one: FerretDB 1.24 fails at several that are there.
    for (const index of indexes) {
      await server.call(() => database.collection(name).createIndexes([index]));
    }
  }
  for (const name of COLLECTION_NAMES) await removeByTime(server, name);
  await server.insertAll(stores.meta, [
    { _id: SCHEMA_KEY, version: MONGO_SCHEMA },
    { _id: PING_KEY, at: 0 },
  ]);
  return stores;
}

/** Documents whose time is over go by themselves, where the server can do that; they read as absent anyway. */
async function removeByTime(server: MongoServer, name: CollectionName): Promise<void> {
  const index = { name: 'expiry', key: { expiresAt: 1 }, expireAfterSeconds: 0 } as const;
  try {
    await server.call(() => server.database.collection(name).createIndexes([index]));
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
}

async function makeCollections(server: MongoServer, logger: Logger): Promise<void> {
  const validators = await validatorsThere(server);
  let checked = true;
  const schemas = [...Object.entries(SCHEMAS), ...COLLECTION_NAMES.map((name) => [name, DOCUMENT] as const)];
  for (const [name, schema] of schemas) {
    const there = validators.get(name);
    if (there === undefined) {
      checked &&= await makeCollection(server, name, { validator: { $jsonSchema: schema } });
      if (!checked) await makeCollection(server, name, {});
    } else if (there !== JSON.stringify({ $jsonSchema: schema })) {
      checked &&= await changeValidator(server, name, schema);
    }
  }
  if (checked) return;
  logger.info(
    { server: server.name },
    'MongoDB does not check documents against a schema here: the server cannot, or the user may not ask it to',
  );
}

/** Names of the collections that are there, with their validators as JSON. */
async function validatorsThere(server: MongoServer): Promise<Map<string, string>> {
  const found = await server.call(() => server.database.listCollections().toArray());
  return new Map(
    found.map((info) => {
      const options = 'options' in info ? info.options : undefined;
      return [info.name, JSON.stringify(options?.['validator'] ?? null)];
    }),
  );
}

/** Makes a collection unless it is there; false when the server does not support an option. */
async function makeCollection(
  server: MongoServer,
  name: string,
  options: CreateCollectionOptions,
): Promise<boolean> {
  try {
    await server.call(() => server.database.createCollection(name, options));
    return true;
  } catch (error) {
    if (isUnsupported(error)) return false;
    if (isNameTaken(error)) return true;
    throw error;
  }
}

/** False when the server has no validators, or the user may not change them: that takes the role `dbAdmin`. */
async function changeValidator(server: MongoServer, name: string, schema: Schema): Promise<boolean> {
  try {
    await server.call(() => server.database.command({ collMod: name, validator: { $jsonSchema: schema } }));
    return true;
  } catch (error) {
    if (isUnsupported(error) || refusesUser(error)) return false;
    throw error;
  }
}
