/**
 * The archive in MongoDB: a single server or a replica set, of version 4.2 on, or a server that speaks like
 * one. For processes on several machines.
 *
 * Guarantees, beyond those of the port:
 *
 *  - What was acknowledged, and what anyone can read, is in the journals of a majority of the replica set.
 *  - No transactions. Whatever of a ticket must be decided once (what follows in a ledger, which incarnation is
 *    whose) is decided by inserting a document under an `_id` that can be taken once. So it holds on every
 *    server that keeps `_id`s unique. Documents (mongo/documents.ts) also need a replace of one document to be
 *    atomic, as it is on MongoDB.
 *  - The batches that one `append` brings for a ticket are there as a whole or not at all; those of different
 *    tickets may come to be one by one. A call that throws for what is in it has left nothing, unless another
 *    writer of the same ticket came in between.
 *  - Every wait is bounded: no call to the server takes longer than `timeoutMs`.
 *  - A server that is away at the start does not prevent it; the archive is unavailable until it is there.
 *
 * Its limit: the database must not be sharded, since then `_id`s are unique per shard only.
 */
import type { Clock } from '../actors/ports.js';
import type { Match } from '../catalog/match.js';
import type { Breaker } from '../overload/breaker.js';
import { systemClock } from '../process/clock.js';
import type { Logger } from '../process/log.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { checkDocument } from './documents.js';
import type { CollectionName, KeptDocument, ListRequest, NewDocument, StoredDocument } from './documents.js';
import { Chains } from './mongo/chain.js';
import { MongoDocuments } from './mongo/documents.js';
import { Ledger } from './mongo/ledger.js';
import {
  PING_KEY,
  RESTORE_KEY,
  documentCollectionsOf,
  prepare,
  type LetterDocument,
  type Stores,
} from './mongo/layout.js';
import { cursorOf, itemsOf, placeOf, type Place } from './pages.js';
import { isDuplicate, MongoServer, reasonOf, refusesUser } from './mongo/server.js';
import { newestSnapshot, saveSnapshot } from './mongo/snapshots.js';
import {
  ArchiveUnavailableError,
  type AppendBatch,
  type AppendResult,
  type Archive,
  type CommittedEvent,
  type DeadLetter,
  type LedgerPosition,
  type OpenOptions,
  type Page,
  type TicketSnapshot,
} from './port.js';

const TIMEOUT_MS = 5_000;
/** Documents of one reservation that a page of them reckons with; with more it reads on. */
const VERSIONS_PER_RESERVATION = 4;

export interface MongoArchiveOptions extends OpenOptions {
  /** `mongodb://` or `mongodb+srv://`; may hold a password, which is never logged. */
  readonly url: string;
  /** Default: the one in the URL's path, else `ticktak`. */
  readonly database?: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** How long one call to the server may take. */
  readonly timeoutMs?: number;
  /** Leaves the server alone while it is down. Absent: it is asked always. */
  readonly breaker?: Breaker;
}

type PageRequest = Parameters<Archive['deadLetters']>[0];

/** Connected, or about to be. */
interface Opened {
  readonly server: MongoServer;
  readonly chains: Chains;
  readonly ledger: Ledger;
  readonly documents: MongoDocuments;
  stores: Stores | null;
  preparing: Promise<Stores> | null;
}

export class MongoArchive implements Archive {
  readonly #options: MongoArchiveOptions;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #opened: Opened | null = null;
  /** Calls that were accepted and are not answered yet. */
  readonly #busy = new Set<Promise<unknown>>();

  constructor(options: MongoArchiveOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger;
  }

  /** Rejects when what it was given cannot be right; a server that is away is waited for by the calls. */
  async start(): Promise<void> {
    if (this.#opened) return;
    const { timeoutMs = TIMEOUT_MS } = this.#options;
    const server = new MongoServer({ ...this.#options, clock: this.#clock, timeoutMs });
    const chains = new Chains(server, () => this.#ready(opened));
    const ledger = new Ledger(server, chains);
    const collections = documentCollectionsOf(server.database);
    const documents = new MongoDocuments(server, this.#clock, collections);
    const opened: Opened = { server, chains, ledger, documents, stores: null, preparing: null };
    this.#opened = opened;
    try {
      await this.#prepare(opened);
    } catch (error) {
      if (error instanceof ArchiveUnavailableError && !refusesUser(error)) {
        this.#logger.warn(
          { err: error },
          `MongoDB at ${server.name} cannot be reached: nothing is archived, and so no sale told, until it can`,
        );
        return;
      }
      this.#opened = null;
      await server.close();
      throw refusesUser(error) ? userRefused(server, error) : error;
    }
  }

  /** Waits for the calls that were accepted. */
  async stop(): Promise<void> {
    const opened = this.#opened;
    this.#opened = null;
    await Promise.allSettled(this.#busy);
    await opened?.server.close();
  }

  /** Writes, so that a server without a primary, a majority or space is noticed. */
  async ping(): Promise<void> {
    await this.#use(({ server }, { meta }) =>
      server.call(() => meta.updateOne({ _id: PING_KEY }, { $set: { at: this.#clock.now() } })),
    );
  }

  async append(batches: readonly AppendBatch[]): Promise<readonly AppendResult[]> {
    return this.#use(({ ledger }) => ledger.append(batches));
  }

  async openIncarnation(ticket: TicketId): Promise<{ incarnation: number; head: LedgerPosition | null }> {
    return this.#use(({ ledger }) => ledger.openIncarnation(ticket));
  }

  async head(ticket: TicketId): Promise<LedgerPosition | null> {
    return this.#use(({ chains }) => chains.head(ticket));
  }

  async *events(ticket: TicketId, after: LedgerPosition | null): AsyncIterable<CommittedEvent> {
    yield* this.#open().chains.events(ticket, after);
  }

  async hasCommand(ticket: TicketId, commandId: string): Promise<boolean> {
    return this.#use(({ chains }) => chains.hasCommand(ticket, commandId));
  }

  async saveSnapshot(snapshot: TicketSnapshot): Promise<void> {
    await this.#use(({ server }, stores) => saveSnapshot(server, stores, snapshot));
  }

  async snapshot(ticket: TicketId): Promise<TicketSnapshot | null> {
    return this.#use(({ server }, stores) => newestSnapshot(server, stores, ticket));
  }

  async reservation(id: string): Promise<Reservation | null> {
    const newest = await this.#use(({ server }, { reservations }) =>
      server.call(() => reservations.findOne({ 'reservation.id': id }, { sort: { _id: -1 } })),
    );
    return newest?.reservation ?? null;
  }

  async reservationsByEmail(email: string, page: PageRequest): Promise<Page<Reservation>> {
    const after = placeOf(page.after, 'number');
    if (after === 'unknown') return { items: [] };
    const limit = itemsOf(page);
    const found = await this.#use((opened, stores) =>
      newestOf(opened.server, stores, email, limit + 1, after),
    );
    return pageOf(found, limit, ({ createdAt, id }) => [createdAt, id]);
  }

  async saveMatches(matches: readonly Match[]): Promise<void> {
    if (matches.length === 0) return;
    const writes = matches.map(({ matchNumber, ...replacement }) => ({
      replaceOne: { filter: { _id: matchNumber }, replacement, upsert: true },
    }));
    await this.#use(({ server }, stores) =>
      server.untilDecided(async () => {
        try {
          return await server.call(() => stores.matches.bulkWrite(writes, { ordered: false }));
        } catch (error) {
          // Another inserted the same match between the look and the insertion: then it can be replaced.
          if (isDuplicate(error)) return null;
          throw error;
        }
      }),
    );
  }

  async matches(): Promise<readonly Match[]> {
    const found = await this.#use(({ server }, { matches }) =>
      server.call(() => matches.find().sort({ _id: 1 }).toArray()),
    );
    return found.map(({ _id, ...match }) => ({ matchNumber: _id, ...match }));
  }

  async insertDocument(collection: CollectionName, document: NewDocument): Promise<boolean> {
    checkDocument(collection, document);
    return this.#use(({ documents }) => documents.insert(collection, document));
  }

  async document(collection: CollectionName, id: string): Promise<StoredDocument | null> {
    return this.#use(({ documents }) => documents.get(collection, id));
  }

  async replaceDocument(
    collection: CollectionName,
    document: NewDocument,
    version: number,
  ): Promise<boolean> {
    checkDocument(collection, document);
    return this.#use(({ documents }) => documents.replace(collection, document, version));
  }

  async removeDocument(collection: CollectionName, id: string, version?: number): Promise<boolean> {
    return this.#use(({ documents }) => documents.remove(collection, id, version));
  }

  async listDocuments(
    collection: CollectionName,
    list: string,
    request: ListRequest,
  ): Promise<Page<StoredDocument>> {
    return this.#use(({ documents }) => documents.list(collection, list, request));
  }

  async savePublisher(id: string): Promise<void> {
    await this.#use(({ server }, { publishers }) => server.insert(publishers, { _id: id }));
  }

  async removePublisher(id: string): Promise<void> {
    await this.#use(({ server }, { publishers }) => server.call(() => publishers.deleteOne({ _id: id })));
  }

  async publishers(): Promise<readonly string[]> {
    const found = await this.#use(({ server }, { publishers }) =>
      server.call(() => publishers.find().toArray()),
    );
    return found.map(({ _id }) => _id);
  }

  async saveDeadLetter(letter: DeadLetter): Promise<void> {
    await this.#use(async ({ server }, { deadLetters, redrives }) => {
      await server.insert(deadLetters, documentOf(letter));
      const { id, redrivenAt } = letter;
      if (redrivenAt !== undefined) await server.insert(redrives, { _id: id, at: redrivenAt });
    });
  }

  async markRedriven(id: string, at: number): Promise<boolean> {
    return this.#use(async ({ server }, { deadLetters, redrives }) => {
      const letter = await server.call(() => deadLetters.findOne({ _id: id }));
      return letter !== null && (await server.insert(redrives, { _id: id, at }));
    });
  }

  async deadLetter(id: string): Promise<DeadLetter | null> {
    return this.#use(async ({ server }, { deadLetters, redrives }) => {
      const letter = await server.call(() => deadLetters.findOne({ _id: id }));
      const redrive = letter && (await server.call(() => redrives.findOne({ _id: id })));
      return letter && letterOf(letter, redrive?.at);
    });
  }

  /** Newest first. */
  async deadLetters(page: PageRequest): Promise<Page<DeadLetter>> {
    const after = placeOf(page.after, 'number');
    if (after === 'unknown') return { items: [] };
    const limit = itemsOf(page);
    const found = await this.#use(({ server }, stores) => newestLetters(server, stores, limit + 1, after));
    return pageOf(found, limit, ({ receivedAt, id }) => [receivedAt, id]);
  }

  async ledgerTickets(): Promise<readonly TicketId[]> {
    return this.#use(({ chains }) => chains.tickets());
  }

  async *allDocuments(collection: CollectionName): AsyncIterable<KeptDocument> {
    const opened = this.#open();
    await this.#ready(opened);
    yield* opened.documents.all(collection);
  }

  async putDocuments(collection: CollectionName, documents: readonly KeptDocument[]): Promise<void> {
    for (const document of documents) checkDocument(collection, document);
    await this.#use(({ documents: kept }) => kept.put(collection, documents));
  }

  async markRestore(isUnderWay: boolean): Promise<void> {
    await this.#use(async ({ server }, { meta }) => {
      if (isUnderWay) await server.insert(meta, { _id: RESTORE_KEY, at: this.#clock.now() });
      else await server.call(() => meta.deleteOne({ _id: RESTORE_KEY }));
    });
  }

  #open(): Opened {
    if (!this.#opened) throw new ArchiveUnavailableError('The archive in MongoDB is not open');
    return this.#opened;
  }

  /** Runs one call of the port; a stop waits for it. */
  async #use<T>(work: (opened: Opened, stores: Stores) => Promise<T>): Promise<T> {
    const opened = this.#open();
    const answer = this.#ready(opened).then((stores) => work(opened, stores));
    this.#busy.add(answer);
    try {
      return await answer;
    } finally {
      this.#busy.delete(answer);
    }
  }

  /** The stores; where that failed so far it is tried again. */
  async #ready(opened: Opened): Promise<Stores> {
    try {
      return opened.stores ?? (await this.#prepare(opened));
    } catch (error) {
      if (error instanceof ArchiveUnavailableError) throw error;
      const message = `The archive in MongoDB at ${opened.server.name} is not ready: ${reasonOf(error)}`;
      throw new ArchiveUnavailableError(message, { cause: error });
    }
  }

  /** Callers at the same time share one attempt. */
  #prepare(opened: Opened): Promise<Stores> {
    opened.preparing ??= this.#connect(opened).finally(() => (opened.preparing = null));
    return opened.preparing;
  }

  async #connect(opened: Opened): Promise<Stores> {
    const { server } = opened;
    await server.connect();
    opened.stores = await prepare(server, this.#logger, this.#options);
    this.#logger.info({ server: server.name }, 'the archive is in MongoDB');
    return opened.stores;
  }
}

function userRefused({ name }: MongoServer, cause: unknown): Error {
  return new Error(
    `MongoDB at ${name} refuses the user of the URL (${reasonOf(cause)}): check its name and password, ` +
      'authSource, and that it has the role readWrite on the database',
    { cause },
  );
}

// --- Documents -------------------------------------------------------------------------------------------

function documentOf({ id, headers, redrivenAt: _, ...letter }: DeadLetter): LetterDocument {
  const pairs = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return { _id: id, ...letter, headers: pairs };
}

function letterOf({ _id, headers, ...letter }: LetterDocument, redrivenAt: number | undefined): DeadLetter {
  const named = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  return { id: _id, ...letter, headers: named, ...(redrivenAt !== undefined && { redrivenAt }) };
}

// --- Pages -----------------------------------------------------------------------------------------------

/** A page of what was found, which is one more than fits if there are more. */
function pageOf<T>(found: readonly T[], limit: number, ends: (item: T) => Place<number>): Page<T> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return last && found.length > limit ? { items, next: cursorOf(ends(last)) } : { items };
}

/** A buyer's reservations, newest first. Of each there is a document per append that changed it: the first counts. */
async function newestOf(
  server: MongoServer,
  { reservations }: Stores,
  email: string,
  count: number,
  cursor: Place<number> | null,
): Promise<readonly Reservation[]> {
  const found: Reservation[] = [];
  const limit = count * VERSIONS_PER_RESERVATION;
  const newestFirst = {
    'reservation.email': 1,
    'reservation.createdAt': -1,
    'reservation.id': -1,
    _id: -1,
  } as const;
  for (let after = cursor; ;) {
    const older = after
      ? {
          $or: [
            { 'reservation.createdAt': { $lt: after[0] } },
            { 'reservation.createdAt': after[0], 'reservation.id': { $lt: after[1] } },
          ],
        }
      : {};
    const filter = { 'reservation.email': email, ...older };
    const versions = await server.call(() =>
      reservations.find(filter).sort(newestFirst).limit(limit).toArray(),
    );
    for (const { reservation } of versions) {
      if (reservation.id !== found.at(-1)?.id) found.push(reservation);
    }
    const last = found.at(-1);
    if (!last || found.length >= count || versions.length < limit) return found.slice(0, count);
    after = [last.createdAt, last.id];
  }
}

async function newestLetters(
  server: MongoServer,
  { deadLetters, redrives }: Stores,
  count: number,
  after: Place<number> | null,
): Promise<readonly DeadLetter[]> {
  const filter = after
    ? { $or: [{ receivedAt: { $lt: after[0] } }, { receivedAt: after[0], _id: { $lt: after[1] } }] }
    : {};
  const found = await server.call(() =>
    deadLetters.find(filter).sort({ receivedAt: -1, _id: -1 }).limit(count).toArray(),
  );
  const ids = found.map(({ _id }) => _id);
  const redriven = await server.call(() => redrives.find({ _id: { $in: ids } }).toArray());
  const times = new Map(redriven.map(({ _id, at }) => [_id, at]));
  return found.map((document) => letterOf(document, times.get(document._id)));
}
