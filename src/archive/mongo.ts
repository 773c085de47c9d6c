/**
 * The archive in MongoDB: a single server or a replica set, of version 4.2 on, or a server that speaks like
 * one. For processes on several machines.
 *
 * Guarantees, beyond those of the port:
 *
 *  - What was acknowledged, and what anyone can read, is in the journals of a majority of the replica set.
 *  - No transactions, and no update that must be atomic. Whatever must be decided once (what follows in a
 *    ledger, which incarnation is whose, the first record of a payment) is decided by inserting a document
 *    under an `_id` that can be taken once. So it holds on every server that keeps `_id`s unique.
 *  - The batches that one `append` brings for a ticket are there as a whole or not at all; those of different
 *    tickets may come to be one by one. A call that throws for what is in it has left nothing, unless another
 *    writer of the same ticket came in between.
 *  - Every wait is bounded: no call to the server takes longer than `timeoutMs`.
 *  - A server that is away at the start does not prevent it; the archive is unavailable until it is there.
 *
 * Its limit: the database must not be sharded, since then `_id`s are unique per shard only.
 */
import type { Filter } from 'mongodb';
import type { Clock } from '../actors/ports.js';
import type { Match } from '../catalog/match.js';
import { systemClock } from '../process/clock.js';
import type { Logger } from '../process/log.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { Chains } from './mongo/chain.js';
import { Ledger } from './mongo/ledger.js';
import {
  PING_KEY,
  prepare,
  type LetterDocument,
  type PaymentDocument,
  type RefundDocument,
  type Stores,
} from './mongo/layout.js';
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
  type Page,
  type PaymentRecord,
  type RefundRecord,
  type TicketSnapshot,
} from './port.js';

const TIMEOUT_MS = 5_000;
/** Items per page at most, as the port says. */
const PAGE_ITEMS_MAX = 100;
/** Rows read in one go. */
const ROWS_PER_READ = 500;
/** Documents of one reservation that a page of them reckons with; with more it reads on. */
const VERSIONS_PER_RESERVATION = 4;

export interface MongoArchiveOptions {
  /** `mongodb://` or `mongodb+srv://`; may hold a password, which is never logged. */
  readonly url: string;
  /** Default: the one in the URL's path, else `ticktak`. */
  readonly database?: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** How long one call to the server may take. */
  readonly timeoutMs?: number;
}

type PageRequest = Parameters<Archive['deadLetters']>[0];

/** Connected, or about to be. */
interface Opened {
  readonly server: MongoServer;
  readonly chains: Chains;
  readonly ledger: Ledger;
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
    const opened: Opened = { server, chains, ledger, stores: null, preparing: null };
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
    const after = cursorOf(page.after);
    if (after === 'unknown') return { items: [] };
    const limit = itemsOf(page);
    const found = await this.#use((opened, stores) =>
      newestOf(opened.server, stores, email, limit + 1, after),
    );
    return pageOf(found, limit, ({ createdAt, id }) => ({ at: createdAt, id }));
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

  async decidePayment({ id, ...record }: PaymentRecord): Promise<PaymentRecord> {
    return this.#use(async ({ server }, { payments }) =>
      recordOf(await server.insertOrGet<PaymentDocument>(payments, { _id: id, ...record })),
    );
  }

  async payment(id: string): Promise<PaymentRecord | null> {
    const found = await this.#use(({ server }, { payments }) =>
      server.call(() => payments.findOne({ _id: id })),
    );
    return found && recordOf(found);
  }

  /** Reads in steps; a payment recorded meanwhile is met when it is newer than what was read. */
  async *payments(): AsyncIterable<PaymentRecord> {
    let filter: Filter<PaymentDocument> = {};
    for (;;) {
      const found = await this.#use(({ server }, { payments }) =>
        server.call(() =>
          payments.find(filter).sort({ createdAt: 1, _id: 1 }).limit(ROWS_PER_READ).toArray(),
        ),
      );
      yield* found.map(recordOf);
      const last = found.at(-1);
      if (!last || found.length < ROWS_PER_READ) return;
      const { _id, createdAt } = last;
      filter = { $or: [{ createdAt: { $gt: createdAt } }, { createdAt, _id: { $gt: _id } }] };
    }
  }

  async recordRefund({ id, ...record }: RefundRecord): Promise<RefundRecord> {
    return this.#use(async ({ server }, { refunds }) =>
      recordOf(await server.insertOrGet<RefundDocument>(refunds, { _id: id, ...record })),
    );
  }

  /** Oldest first. */
  async refunds(paymentId: string): Promise<readonly RefundRecord[]> {
    const found = await this.#use(({ server }, { refunds }) =>
      server.call(() => refunds.find({ paymentId }).sort({ createdAt: 1, _id: 1 }).toArray()),
    );
    return found.map(recordOf);
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
    const after = cursorOf(page.after);
    if (after === 'unknown') return { items: [] };
    const limit = itemsOf(page);
    const found = await this.#use(({ server }, stores) => newestLetters(server, stores, limit + 1, after));
    return pageOf(found, limit, ({ receivedAt, id }) => ({ at: receivedAt, id }));
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
    opened.stores = await prepare(server, this.#logger);
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

function recordOf<T extends { readonly _id: string }>({
  _id,
  ...record
}: T): Omit<T, '_id'> & { id: string } {
  return { id: _id, ...record };
}

function documentOf({ id, headers, redrivenAt: _, ...letter }: DeadLetter): LetterDocument {
  const pairs = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return { _id: id, ...letter, headers: pairs };
}

function letterOf({ _id, headers, ...letter }: LetterDocument, redrivenAt: number | undefined): DeadLetter {
  const named = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  return { id: _id, ...letter, headers: named, ...(redrivenAt !== undefined && { redrivenAt }) };
}

// --- Pages -----------------------------------------------------------------------------------------------

/** Where a page ends: both lists are ordered by time and, within the same, by id, newest first. */
interface Cursor {
  readonly at: number;
  readonly id: string;
}

function itemsOf({ limit }: PageRequest): number {
  return Math.min(Math.max(Math.trunc(limit), 1), PAGE_ITEMS_MAX);
}

/** A page of what was found, which is one more than fits if there are more. */
function pageOf<T>(found: readonly T[], limit: number, placeOf: (item: T) => Cursor): Page<T> {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (!last || found.length <= limit) return { items };
  const { at, id } = placeOf(last);
  return { items, next: Buffer.from(JSON.stringify([at, id])).toString('base64url') };
}

/** `unknown` for a cursor that was never issued. */
function cursorOf(text: string | undefined): Cursor | null | 'unknown' {
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (!Array.isArray(value)) return 'unknown';
    const [at, id] = value as unknown[];
    return typeof at === 'number' && typeof id === 'string' ? { at, id } : 'unknown';
  } catch {
    return 'unknown';
  }
}

/** A buyer's reservations, newest first. Of each there is a document per append that changed it: the first counts. */
async function newestOf(
  server: MongoServer,
  { reservations }: Stores,
  email: string,
  count: number,
  cursor: Cursor | null,
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
            { 'reservation.createdAt': { $lt: after.at } },
            { 'reservation.createdAt': after.at, 'reservation.id': { $lt: after.id } },
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
    after = { at: last.createdAt, id: last.id };
  }
}

async function newestLetters(
  server: MongoServer,
  { deadLetters, redrives }: Stores,
  count: number,
  after: Cursor | null,
): Promise<readonly DeadLetter[]> {
  const filter = after
    ? { $or: [{ receivedAt: { $lt: after.at } }, { receivedAt: after.at, _id: { $lt: after.id } }] }
    : {};
  const found = await server.call(() =>
    deadLetters.find(filter).sort({ receivedAt: -1, _id: -1 }).limit(count).toArray(),
  );
  const ids = found.map(({ _id }) => _id);
  const redriven = await server.call(() => redrives.find({ _id: { $in: ids } }).toArray());
  const times = new Map(redriven.map(({ _id, at }) => [_id, at]));
  return found.map((document) => letterOf(document, times.get(document._id)));
}
