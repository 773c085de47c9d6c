/**
 * The archive on this machine's disk: LMDB (npm `lmdb`), one file in one folder, no server.
 *
 * Guarantees, beyond those of the port:
 *
 *  - A write that resolved survives `kill -9` of this process, and a power cut if the disk flushes when told.
 *  - What a reader sees is durable: there is no moment at which an event can be read and still be lost.
 *  - Several processes of one machine may have the folder open at once (a local file system, one PID
 *    namespace); every fence, head and "first one wins" is decided under LMDB's one write lock.
 *    Its limit: a process that is stopped, not killed, in the middle of a commit keeps that lock. Writes of
 *    the others wait, and are refused as unavailable after COMMIT_MS_MAX; reads go on. One that is killed while
 *    it waits can leave another asleep for a lock that is free: that one has itself woken (embedded-nudge.ts).
 *  - All of an `append` is one transaction. Calls that arrive while a commit is on its way share the next
 *    one; a call that throws leaves no trace, and takes nothing with it that others wrote.
 *
 * Why that holds (lmdb 3.5, read in its write.js, writer.cpp and mdb.c, and watched at the system calls):
 *
 *  - `overlappingSync` is off. With it on, lmdb's default, a commit is visible before it is flushed, and its
 *    promise vouches for the commit only: another process could act on an event, or be told `appended` for a
 *    repeat of it, that a power cut then takes back. With it off, LMDB's own order applies, all of it inside
 *    the write lock: pages written, fdatasync, then the meta page through an O_DSYNC descriptor, and only
 *    then the transaction number readers go by. The promise resolves after that. Its price is that commits
 *    do not overlap; grouping makes up for it.
 *  - A commit that changed nothing skips both syncs. It could confirm what a process that was killed between
 *    its last two steps left in the page cache only, so every commit here writes at least one key.
 *  - A failed write or sync aborts the transaction: nothing of it becomes visible, and its pages are written
 *    anew before anything refers to them. A failed meta page makes LMDB refuse all further work, and lmdb
 *    would never settle another write; that is detected, and the archive stays unavailable until a restart.
 *  - Callbacks of `transaction` commit what they wrote before they threw; those of `childTransaction` do not.
 *    `eventTurnBatching` is off because its internal promise is rejected unhandled when a commit fails, which
 *    would end the process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, constants, mkdir, open as openFile, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ABORT, open, type Database, type Key, type RootDatabase } from 'lmdb';
import type { Match } from '../catalog/match.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { checkBatch, gapBefore, refuseOther } from './append-checks.js';
import { checkDocument, isDocumentKey } from './documents.js';
import type { CollectionName, KeptDocument, ListRequest, NewDocument, StoredDocument } from './documents.js';
import {
  documentsAfter,
  insertDocument,
  listDocuments,
  putDocument,
  readDocument,
  removeDocument,
  replaceDocument,
  type DocumentStores,
} from './embedded-documents.js';
import { cursorOf, itemsOf, placeOf } from './pages.js';
import {
  ArchiveRefusedError,
  ArchiveUnavailableError,
  noArchive,
  unfinishedRestore,
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

/** Version of the layout below. A folder with a newer one is refused. */
export const EMBEDDED_SCHEMA = 1;

/** Address space reserved for the file, not memory or disk. Past it lmdb maps the file anew, so it is no limit. */
const MAP_BYTES = 16 * 2 ** 30;
/** Calls that share one commit at most. */
const CALLS_PER_COMMIT_MAX = 1_000;
/** Calls that may wait for a commit; more are refused as unavailable. */
const CALLS_WAITING_MAX = 20_000;
/** A commit that takes longer is given up: its callers are told that the outcome is not known. */
const COMMIT_MS_MAX = 30_000;
/** One that takes longer may sleep for a lock that nobody has: see embedded-nudge.ts. */
const NUDGE_MS = 2_000;
const NUDGE = fileURLToPath(new URL('./embedded-nudge.js', import.meta.url));
/** Rows read in one go; between two the event loop gets its turn. */
const ROWS_PER_READ = 500;
/** Above every time and sequence in a key. */
const LAST = Number.MAX_SAFE_INTEGER;

type TicketKey = [matchNumber: number, category: number];
type LedgerKey = [...TicketKey, incarnation: number, sequence: number];
type CommandKey = [...TicketKey, commandId: string];
/** Orders rows by time within a group: an e-mail address, or ALL. Ids as `keyOf` made them. */
type IndexKey = [group: string, at: number, id: string];
const ALL = '*';

/** Values are JSON text; the values of indexes are empty. */
interface Stores extends DocumentStores {
  readonly folder: string;
  readonly isReadOnly: boolean;
  readonly root: RootDatabase<string, string>;
  readonly meta: Database<string, string>;
  /** Fence, newest event and newest snapshot of each ticket. */
  readonly tickets: Database<string, TicketKey>;
  readonly ledger: Database<string, LedgerKey>;
  /** Commands of remote messages that took effect: a re-drive may come when nothing else remembers them. */
  readonly commands: Database<string, CommandKey>;
  readonly publishers: Database<string, string>;
  readonly snapshots: Database<string, TicketKey>;
  readonly reservations: Database<string, string>;
  /** E-mail address and time of creation never change for a reservation, so its entry never moves. */
  readonly reservationsByEmail: Database<string, IndexKey>;
  readonly matches: Database<string, number>;
  readonly deadLetters: Database<string, string>;
  readonly deadLettersByTime: Database<string, IndexKey>;
}

interface TicketRow {
  /** Incarnations below it are fenced; 0 before the first. */
  readonly fence: number;
  readonly head: LedgerPosition | null;
  readonly snapshot: LedgerPosition | null;
}

/** A call waiting for a commit. `run` works inside the transaction and answers how to tell its caller. */
interface WaitingCall {
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
}

/** What a transaction did: the calls it ran, and how to answer them or what one of them threw. */
interface Outcome {
  calls: readonly WaitingCall[];
  settlers: readonly (() => void)[];
  thrown: { readonly error: unknown } | null;
}

export interface EmbeddedArchiveOptions extends OpenOptions {
  /** The folder; made when it is not there. */
  readonly dir: string;
  /** See MAP_BYTES. */
  readonly mapBytes?: number;
  /** Epoch milliseconds, for documents that end. */
  readonly now?: () => number;
  /** How `embedded-nudge` is run, when not as it was built. */
  readonly nudge?: { readonly program: string; readonly execArgv: readonly string[] };
}

export class EmbeddedArchive implements Archive {
  private readonly dir: string;
  private readonly mapBytes: number;
  private readonly isReadOnly: boolean;
  private readonly isRestore: boolean;
  private readonly now: () => number;
  private stores: Stores | null = null;
  private waiting: WaitingCall[] = [];
  private draining: Promise<void> | null = null;
  /** Why no commit can be tried: one is stuck, or LMDB gave up. */
  private broken: Error | null = null;
  private readonly nudgeWith: NonNullable<EmbeddedArchiveOptions['nudge']>;
  private nudging: ChildProcess | null = null;

  constructor(options: EmbeddedArchiveOptions) {
    this.dir = resolve(options.dir);
    this.mapBytes = options.mapBytes ?? MAP_BYTES;
    this.isReadOnly = options.isReadOnly ?? false;
    this.isRestore = options.isRestore ?? false;
    this.now = options.now ?? Date.now;
    this.nudgeWith = options.nudge ?? { program: NUDGE, execArgv: [] };
  }

  async start(): Promise<void> {
    if (this.stores) return;
    let stores: Stores | null = null;
    try {
      const made = await this.findFolder();
      stores = await acquire(await realpath(this.dir), this.mapBytes, this.isReadOnly);
      const { meta } = stores;
      if (!this.isRestore && meta.get(RESTORE_KEY) !== undefined) throw unfinishedRestore(`in ${this.dir}`);
      if (!this.isReadOnly) {
        await syncFolders(this.dir, made === undefined ? this.dir : dirname(made));
        // Also makes durable what a killed process may have left half flushed.
        await this.durable(stores, () => meta.putSync(SCHEMA_KEY, String(EMBEDDED_SCHEMA)));
      }
    } catch (error) {
      if (stores) await this.close(stores);
      if (error instanceof ArchiveRefusedError) throw error;
      const asked = this.isReadOnly ? 'read' : 'written';
      const message = `The archive folder ${this.dir} cannot be ${asked}: ${reasonOf(error)}`;
      throw new ArchiveUnavailableError(message, { cause: error });
    }
    this.stores = stores;
  }

  /** Answers the first folder that had to be made. */
  private async findFolder(): Promise<string | undefined> {
    if (!this.isReadOnly) return mkdir(this.dir, { recursive: true });
    const file = join(this.dir, FILE_NAME);
    if ((await stat(file).catch(() => null)) === null) throw noArchive(`in ${this.dir}`);
    // Readers stand in the lock file, too: pages that nobody is seen to read are written over.
    await access(`${file}-lock`, constants.W_OK).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return;
      throw new ArchiveRefusedError(
        `${file}-lock cannot be written, as readers have to: be the user that the marketplace runs as`,
      );
    });
    return undefined;
  }

  /** Waits for the writes that were accepted. */
  async stop(): Promise<void> {
    const stores = this.stores;
    this.stores = null;
    await this.draining;
    if (stores) await this.close(stores);
  }

  /** Writes, so that a full or failed disk is noticed. */
  async ping(): Promise<void> {
    await this.write(() => undefined);
  }

  async append(batches: readonly AppendBatch[]): Promise<readonly AppendResult[]> {
    const prepared = batches.map(prepareBatch);
    return this.write((stores) => prepared.map((batch) => appendBatch(stores, batch)));
  }

  async openIncarnation(ticket: TicketId): Promise<{ incarnation: number; head: LedgerPosition | null }> {
    return this.write((stores) => {
      const row = ticketRow(stores, ticket);
      const incarnation = row.fence + 1;
      putTicketRow(stores, ticket, { ...row, fence: incarnation });
      return { incarnation, head: row.head };
    });
  }

  async head(ticket: TicketId): Promise<LedgerPosition | null> {
    return this.read((stores) => ticketRow(stores, ticket).head);
  }

  /** Reads in steps, without holding a snapshot: the ledger only ever grows at its end. */
  async *events(ticket: TicketId, after: LedgerPosition | null): AsyncIterable<CommittedEvent> {
    const key = keyOfTicket(ticket);
    let next = after;
    for (;;) {
      const start = next ? [...key, next.incarnation, next.sequence + 1] : key;
      const range = { start, end: [...key, LAST], limit: ROWS_PER_READ };
      const rows = this.read((stores) => [...stores.ledger.getRange(range)]);
      for (const { value } of rows) {
        const event = JSON.parse(value) as CommittedEvent;
        next = event;
        yield event;
      }
      if (rows.length < ROWS_PER_READ) return;
      await nextTurn();
    }
  }

  async hasCommand(ticket: TicketId, commandId: string): Promise<boolean> {
    const key: CommandKey = [...keyOfTicket(ticket), keyOf(commandId)];
    return this.read((stores) => stores.commands.get(key) !== undefined);
  }

  async saveSnapshot(snapshot: TicketSnapshot): Promise<void> {
    const { ticket, incarnation, sequence } = snapshot;
    // May be megabytes: made into text before the write lock is taken.
    const text = JSON.stringify(snapshot);
    await this.write((stores) => {
      const row = ticketRow(stores, ticket);
      if (row.snapshot && isBefore(snapshot, row.snapshot)) return;
      stores.snapshots.putSync(keyOfTicket(ticket), text);
      putTicketRow(stores, ticket, { ...row, snapshot: { incarnation, sequence } });
    });
  }

  async snapshot(ticket: TicketId): Promise<TicketSnapshot | null> {
    return this.read((stores) => parsed<TicketSnapshot>(stores.snapshots.get(keyOfTicket(ticket))));
  }

  async reservation(id: string): Promise<Reservation | null> {
    return this.read((stores) => parsed<Reservation>(stores.reservations.get(keyOf(id))));
  }

  async reservationsByEmail(email: string, page: PageRequest): Promise<Page<Reservation>> {
    return this.read(({ reservationsByEmail, reservations }) =>
      readPage<Reservation>(reservationsByEmail, reservations, keyOf(email), page),
    );
  }

  async saveMatches(matches: readonly Match[]): Promise<void> {
    await this.write((stores) => {
      for (const match of matches) stores.matches.putSync(match.matchNumber, JSON.stringify(match));
    });
  }

  async matches(): Promise<readonly Match[]> {
    return this.read((stores) =>
      [...stores.matches.getRange()].map(({ value }) => JSON.parse(value) as Match),
    );
  }

  async insertDocument(collection: CollectionName, document: NewDocument): Promise<boolean> {
    checkDocument(collection, document);
    return this.write((stores) => insertDocument(stores, collection, document, this.now()));
  }

  async document(collection: CollectionName, id: string): Promise<StoredDocument | null> {
    return this.read((stores) =>
      isDocumentKey(id) ? readDocument(stores, collection, id, this.now()) : null,
    );
  }

  async replaceDocument(
    collection: CollectionName,
    document: NewDocument,
    version: number,
  ): Promise<boolean> {
    checkDocument(collection, document);
    return this.write((stores) => replaceDocument(stores, collection, document, version, this.now()));
  }

  async removeDocument(collection: CollectionName, id: string, version?: number): Promise<boolean> {
    return this.write(
      (stores) => isDocumentKey(id) && removeDocument(stores, collection, id, version, this.now()),
    );
  }

  async listDocuments(
    collection: CollectionName,
    list: string,
    request: ListRequest,
  ): Promise<Page<StoredDocument>> {
    return this.read((stores) => listDocuments(stores, collection, list, request, this.now()));
  }

  async savePublisher(id: string): Promise<void> {
    await this.write((stores) => {
      stores.publishers.putSync(keyOf(id), id);
    });
  }

  async removePublisher(id: string): Promise<void> {
    await this.write((stores) => {
      stores.publishers.removeSync(keyOf(id));
    });
  }

  async publishers(): Promise<readonly string[]> {
    return this.read((stores) => [...stores.publishers.getRange()].map(({ value }) => value));
  }

  async saveDeadLetter(letter: DeadLetter): Promise<void> {
    await this.write(({ deadLetters, deadLettersByTime }) =>
      insert(deadLetters, deadLettersByTime, ALL, letter.receivedAt, letter),
    );
  }

  async markRedriven(id: string, at: number): Promise<boolean> {
    return this.write((stores) => {
      const letter = parsed<DeadLetter>(stores.deadLetters.get(keyOf(id)));
      if (!letter || letter.redrivenAt !== undefined) return false;
      stores.deadLetters.putSync(
        keyOf(id),
        JSON.stringify({ ...letter, redrivenAt: at } satisfies DeadLetter),
      );
      return true;
    });
  }

  async deadLetter(id: string): Promise<DeadLetter | null> {
    return this.read((stores) => parsed<DeadLetter>(stores.deadLetters.get(keyOf(id))));
  }

  /** Newest first. */
  async deadLetters(page: PageRequest): Promise<Page<DeadLetter>> {
    return this.read(({ deadLettersByTime, deadLetters }) =>
      readPage<DeadLetter>(deadLettersByTime, deadLetters, ALL, page),
    );
  }

  async ledgerTickets(): Promise<readonly TicketId[]> {
    return this.read(({ tickets }) =>
      [...tickets.getRange()]
        .filter(({ value }) => (JSON.parse(value) as TicketRow).fence > 0)
        .map(({ key: [matchNumber, category] }) => ({ matchNumber, category })),
    );
  }

  async *allDocuments(collection: CollectionName): AsyncIterable<KeptDocument> {
    for (let after: string | null = null; ;) {
      const { documents, last } = this.read((stores) =>
        documentsAfter(stores, collection, after, ROWS_PER_READ, this.now()),
      );
      yield* documents;
      if (last === null) return;
      after = last;
      await nextTurn();
    }
  }

  async putDocuments(collection: CollectionName, documents: readonly KeptDocument[]): Promise<void> {
    for (const document of documents) checkDocument(collection, document);
    await this.write((stores) => {
      const taken = documents.find((document) => !putDocument(stores, collection, document));
      if (taken) throw new Error(`There is a document ${taken.id} in ${collection} already`);
    });
  }

  async markRestore(isUnderWay: boolean): Promise<void> {
    await this.write(({ meta }) => {
      if (isUnderWay) meta.putSync(RESTORE_KEY, '');
      else meta.removeSync(RESTORE_KEY);
    });
  }

  private opened(): Stores {
    if (!this.stores) throw new ArchiveUnavailableError(`The archive in ${this.dir} is not open`);
    return this.stores;
  }

  /** Reads the newest committed state, other processes' commits included. */
  private read<T>(look: (stores: Stores) => T): T {
    const stores = this.opened();
    try {
      // lmdb keeps its read transaction for a turn of the event loop; without this, what another process
      // committed meanwhile would not be seen.
      stores.root.resetReadTxn();
      return look(stores);
    } catch (error) {
      throw unavailableIfLmdb(error);
    }
  }

  /** Runs `work` in a transaction with what else waits; resolves with its answer once that is durable. */
  private write<T>(work: (stores: Stores) => T): Promise<T> {
    const stores = this.opened();
    if (this.isReadOnly) throw new Error(`The archive in ${this.dir} is open for reading only`);
    if (this.waiting.length >= CALLS_WAITING_MAX) {
      throw new ArchiveUnavailableError(`${CALLS_WAITING_MAX} writes already wait for the archive's disk`);
    }
    const answer = new Promise<T>((settle, reject) => {
      const run = (): (() => void) => {
        const value = work(stores);
        return () => settle(value);
      };
      this.waiting.push({ run, reject });
    });
    this.draining ??= this.drain(stores);
    return answer;
  }

  /** One commit at a time: what arrives meanwhile makes up the next. Never rejects. */
  private async drain(stores: Stores): Promise<void> {
    while (this.waiting.length > 0) await this.commit(stores, null);
    // In the same step as the last look at what waits, so that no call slips in between and is forgotten.
    this.draining = null;
  }

  /** Commits the given calls, or those that wait once the write lock is ours, and answers them. */
  private async commit(stores: Stores, given: readonly WaitingCall[] | null): Promise<void> {
    const outcome: Outcome = { calls: given ?? [], settlers: [], thrown: null };
    try {
      await this.durable(stores, () => {
        outcome.calls = given ?? this.waiting.splice(0, CALLS_PER_COMMIT_MAX);
        return runCalls(stores, outcome);
      });
    } catch (cause) {
      // Those that wait can join a later commit, unless there can be none or this one never got to them.
      const all = this.broken !== null || outcome.calls.length === 0;
      const lost = all ? [...outcome.calls, ...this.waiting.splice(0)] : outcome.calls;
      for (const { reject } of lost) reject(new ArchiveUnavailableError(reasonOf(cause), { cause }));
      return;
    }
    if (!outcome.thrown) for (const settle of outcome.settlers) settle();
    else if (outcome.calls.length === 1) outcome.calls[0]?.reject(unavailableIfLmdb(outcome.thrown.error));
    // One of several threw and all were undone: now each alone, so that only the culprit fails.
    else for (const call of outcome.calls) await this.commit(stores, [call]);
  }

  /** Commits and flushes; throws when nothing was committed, or when that is not known in time. */
  private async durable(stores: Stores, callback: () => unknown): Promise<void> {
    if (this.broken) throw this.broken;
    const nudges = setInterval(() => this.nudge(stores), NUDGE_MS).unref();
    const transaction = stores.root
      .childTransaction(callback)
      .then(() => null, commitError)
      .finally(() => clearInterval(nudges));
    const failure = await orAfter(COMMIT_MS_MAX, transaction, () => {
      const stuck = new Error(`The archive in ${this.dir} did not finish a commit in ${COMMIT_MS_MAX} ms`);
      this.broken = stuck;
      void transaction.then(() => (this.broken = null));
      return stuck;
    });
    if (!failure) return;
    if (!this.broken && refusesWork(stores)) {
      this.broken = new Error(`The archive in ${this.dir} needs a restart after: ${reasonOf(failure)}`);
    }
    throw failure;
  }

  /** One at a time; it may have to wait for the lock itself, and is not killed for that. */
  private nudge({ folder }: Stores): void {
    if (this.nudging) return;
    const { program, execArgv } = this.nudgeWith;
    const args = [...execArgv, program, join(folder, FILE_NAME)];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    this.nudging = child;
    const ended = (): void => void (this.nudging = null);
    child.once('exit', ended);
    child.once('error', ended);
    child.unref();
  }

  private async close(stores: Stores): Promise<void> {
    // A stuck commit still uses the file, and closing would wait for it, maybe for ever.
    if (!this.broken) await release(stores);
  }
}

type PageRequest = Parameters<Archive['deadLetters']>[0];

class NewerSchemaError extends ArchiveRefusedError {
  constructor(folder: string, found: string) {
    super(
      `The archive in ${folder} was written by a newer ticktak (schema ${found}, this one knows up to ` +
        `${EMBEDDED_SCHEMA}): start that version, or use another folder`,
    );
  }
}

// --- Opening ---------------------------------------------------------------------------------------------

const FILE_NAME = 'archive.mdb';
const SCHEMA_KEY = 'schema';
/** There while a restore is under way. */
const RESTORE_KEY = 'restore';
/** Written by every commit, see the head comment. */
const TOUCH_KEY = 'touch';

/**
 * The folders this process has open. Instances of one process share the store, because lmdb opens named
 * stores in a transaction that blocks the main thread: had another instance's commit the write lock and its
 * callback still to run on that thread, both would wait for ever.
 */
const openFolders = new Map<
  string,
  { readonly stores: Stores; users: number; closing: Promise<void> | null }
>();

async function acquire(folder: string, mapBytes: number, isReadOnly: boolean): Promise<Stores> {
  for (;;) {
    const known = openFolders.get(folder);
    if (!known) break;
    if (!known.closing) {
      if (known.stores.isReadOnly && !isReadOnly) throw new Error('this process has it open for reading');
      known.users += 1;
      return known.stores;
    }
    await known.closing;
  }
  const stores = openStores(folder, mapBytes, isReadOnly);
  openFolders.set(folder, { stores, users: 1, closing: null });
  return stores;
}

async function release({ folder, root }: Stores): Promise<void> {
  const known = openFolders.get(folder);
  if (!known) return;
  known.users -= 1;
  if (known.users > 0) return;
  known.closing = root.close().finally(() => openFolders.delete(folder));
  await known.closing;
}

function openStores(folder: string, mapBytes: number, isReadOnly: boolean): Stores {
  const root: RootDatabase<string, string> = open({
    path: join(folder, FILE_NAME),
    readOnly: isReadOnly,
    encoding: 'string',
    overlappingSync: false,
    eventTurnBatching: false,
    mapSize: mapBytes,
    maxDbs: 32,
  });
  const store = <K extends Key>(name: string): Database<string, K> =>
    root.openDB<string, K>({ name, encoding: 'string' });
  try {
    const meta = store<string>('meta');
    const schema = meta.get(SCHEMA_KEY);
    if (schema !== undefined && Number(schema) > EMBEDDED_SCHEMA) throw new NewerSchemaError(folder, schema);
    if (isReadOnly && schema === undefined) throw noArchive(`in ${folder}`);
    const openAll = (): Stores => ({
      folder,
      isReadOnly,
      root,
      meta,
      tickets: store('tickets'),
      ledger: store('ledger'),
      commands: store('commands'),
      publishers: store('publishers'),
      snapshots: store('snapshots'),
      reservations: store('reservations'),
      reservationsByEmail: store('reservationsByEmail'),
      matches: store('matches'),
      deadLetters: store('deadLetters'),
      deadLettersByTime: store('deadLettersByTime'),
      documents: store('documents'),
      documentLists: store('documentLists'),
      documentExpiries: store('documentExpiries'),
    });
    // In one transaction: each on its own would cost a flush in a new folder.
    return isReadOnly ? openAll() : root.transactionSync(openAll);
  } catch (error) {
    void root.close();
    throw error;
  }
}

/** Makes the folder entries durable that lead to the file, from `from` up to `to`: LMDB syncs the file only. */
async function syncFolders(from: string, to: string): Promise<void> {
  // Windows has no handle for a folder to sync.
  if (process.platform === 'win32') return;
  for (let folder = from; ; folder = dirname(folder)) {
    const handle = await openFile(folder, 'r');
    await handle.sync().finally(() => handle.close());
    if (folder === to || folder === dirname(folder)) return;
  }
}

// --- Inside a transaction: here `putSync` is a part of it, and nothing may be awaited ----------------------

/** Runs all calls, or undoes them all. */
function runCalls(stores: Stores, outcome: Outcome): unknown {
  try {
    outcome.settlers = outcome.calls.map(({ run }) => run());
    stores.meta.putSync(TOUCH_KEY, '');
    return undefined;
  } catch (error) {
    outcome.thrown = { error };
    return ABORT;
  }
}

interface PreparedBatch {
  readonly ticket: TicketId;
  readonly incarnation: number;
  readonly rows: readonly { readonly event: CommittedEvent; readonly text: string }[];
}

/** Checks what the port asks of a batch; makes its text before the write lock is taken. */
function prepareBatch({ ticket, incarnation, events }: AppendBatch): PreparedBatch {
  checkBatch({ ticket, incarnation, events });
  return { ticket, incarnation, rows: events.map((event) => ({ event, text: JSON.stringify(event) })) };
}

function appendBatch(stores: Stores, { ticket, incarnation, rows }: PreparedBatch): AppendResult {
  const row = ticketRow(stores, ticket);
  if (incarnation < row.fence) return 'fenced';
  const known = row.head?.incarnation === incarnation ? row.head.sequence : 0;
  let head = row.head;
  for (const { event, text } of rows) {
    const { sequence } = event;
    const key: LedgerKey = [...keyOfTicket(ticket), incarnation, sequence];
    if (sequence <= known) {
      refuseOther(event, parsed<CommittedEvent>(stores.ledger.get(key)));
      continue;
    }
    const due = head?.incarnation === incarnation ? head.sequence + 1 : 1;
    if (sequence !== due) throw gapBefore(event, due);
    stores.ledger.putSync(key, text);
    rememberCommand(stores, event);
    projectReservation(stores, event);
    head = { incarnation, sequence };
  }
  putTicketRow(stores, ticket, { ...row, fence: incarnation, head });
  return 'appended';
}

function rememberCommand(stores: Stores, { ticket, commandId, event }: CommittedEvent): void {
  if (event.type !== 'remote') return;
  stores.commands.putSync([...keyOfTicket(ticket), keyOf(commandId)], '');
}

/** Only new events come here, in ledger order, so the last one written is the newest. */
function projectReservation(stores: Stores, { event }: CommittedEvent): void {
  if (!('reservation' in event)) return;
  const { reservation } = event;
  const key = keyOf(reservation.id);
  stores.reservations.putSync(key, JSON.stringify(reservation));
  stores.reservationsByEmail.putSync([keyOf(reservation.email), reservation.createdAt, key], '');
}

function ticketRow(stores: Stores, ticket: TicketId): TicketRow {
  const row = parsed<TicketRow>(stores.tickets.get(keyOfTicket(ticket)));
  return row ?? { fence: 0, head: null, snapshot: null };
}

function putTicketRow(stores: Stores, ticket: TicketId, row: TicketRow): void {
  stores.tickets.putSync(keyOfTicket(ticket), JSON.stringify(row));
}

/** Inserts the document and its index entry unless its id is taken; answers what is stored. */
function insert<T extends { readonly id: string }>(
  documents: Database<string, string>,
  index: Database<string, IndexKey>,
  group: string,
  at: number,
  document: T,
): T {
  const key = keyOf(document.id);
  const kept = parsed<T>(documents.get(key));
  if (kept) return kept;
  documents.putSync(key, JSON.stringify(document));
  index.putSync([group, at, key], '');
  return document;
}

// --- Reading ---------------------------------------------------------------------------------------------

/** Newest first. A cursor that was never issued ends the list. */
function readPage<T>(
  index: Database<string, IndexKey>,
  documents: Database<string, string>,
  group: string,
  request: PageRequest,
): Page<T> {
  const after = placeOf(request.after, 'number');
  if (after === 'unknown' || (after && !KEY_TEXT.test(after[1]))) return { items: [] };
  const start = after ? [group, ...after] : [group, LAST];
  const items = itemsOf(request);
  const exclusiveStart = after !== null;
  const range = { start, end: [group, -LAST], reverse: true, exclusiveStart, limit: items + 1 };
  const keys = [...index.getKeys(range)];
  const shown = keys.slice(0, items);
  const last = shown.at(-1);
  const page = { items: shown.map((key) => stored<T>(documents, key)) };
  return last && keys.length > items ? { ...page, next: cursorOf([last[1], last[2]]) } : page;
}

/** The document an index entry is about; both are written in one transaction. */
function stored<T>(documents: Database<string, string>, [, , id]: IndexKey): T {
  const document = parsed<T>(documents.get(id));
  if (!document) throw new Error(`Archive index names ${id}, which is not stored`);
  return document;
}

/** What this store wrote reads back as what it was: the schema version says so. */
function parsed<T>(text: string | undefined): T | null {
  return text === undefined ? null : (JSON.parse(text) as T);
}

// --- Keys and errors -------------------------------------------------------------------------------------

/** Text that can be a key as it is: LMDB limits its length, and lmdb ends strings in keys at NUL. */
const KEY_TEXT = /^[\x20-\x7e]{1,200}$/;

/** A key for any text; what cannot be one itself is hashed. Hashes begin with `#`, and no other key does. */
function keyOf(text: string): string {
  if (KEY_TEXT.test(text) && !text.startsWith('#')) return text;
  return `#${createHash('sha256').update(text, 'utf16le').digest('hex')}`;
}

function keyOfTicket({ matchNumber, category }: TicketId): TicketKey {
  return [matchNumber, category];
}

function isBefore(a: LedgerPosition, b: LedgerPosition): boolean {
  return a.incarnation < b.incarnation || (a.incarnation === b.incarnation && a.sequence < b.sequence);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** Errors of LMDB and of the system carry its number; ours do not. */
function unavailableIfLmdb(error: unknown): unknown {
  const isLmdb = error instanceof Error && 'code' in error && typeof error.code === 'number';
  return isLmdb ? new ArchiveUnavailableError(reasonOf(error), { cause: error }) : error;
}

/** lmdb rejects with a general message and keeps the reason in another promise, which also wants a handler. */
async function commitError(error: unknown): Promise<Error> {
  try {
    if (error instanceof Error && 'commitError' in error) await error.commitError;
  } catch (reason) {
    return new Error(`The archive could not commit: ${reasonOf(reason)}`, { cause: reason });
  }
  return error instanceof Error ? error : new Error(reasonOf(error));
}

/** True once LMDB has given up, which it does when a meta page could not be written. */
function refusesWork({ root, meta }: Stores): boolean {
  try {
    root.resetReadTxn();
    meta.get(SCHEMA_KEY);
    return false;
  } catch {
    return true;
  }
}

async function orAfter<T>(delayMs: number, promise: Promise<T>, late: () => T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<T>((settle) => {
    timer = setTimeout(() => settle(late()), delayMs);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
