/**
 * Backup and restore of everything that an archive holds, through its port: so what was in one kind of store can
 * be put into the other.
 *
 * Guarantees:
 *
 *  - A backup may be taken while the marketplace runs. It holds everything that was answered before it began. Of
 *    each ledger it holds a prefix, and nothing else in it is older than what the ledgers refer to: they are read
 *    first (docs/decisions/0027).
 *  - A restore writes nothing before it has read the whole file and found it whole, and only into an archive that
 *    holds nothing. An archive whose restore did not finish does not open for a marketplace.
 *  - After a restore new events are under incarnations that no life of the marketplace before it can have used, so
 *    that nobody takes them for events that were there.
 *  - Memory is bounded: by the largest snapshot or letter, whatever the length of ledgers and collections.
 */
import { createHash } from 'node:crypto';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { SCHEMA_VERSION } from '../actors/state-codec.js';
import type { Match } from '../catalog/match.js';
import { ticketName } from '../redis/keys.js';
import type { TicketEvent, TicketId } from '../rules/index.js';
import {
  BACKUP_FORMAT,
  BackupError,
  readBackup,
  Tally,
  type BackupCounts,
  type BackupHeader,
  type BackupRecord,
  type RecordOf,
} from './backup-format.js';
import { COLLECTIONS, type CollectionName, type KeptDocument } from './documents.js';
import {
  ArchiveRefusedError,
  type AppendBatch,
  type Archive,
  type CommittedEvent,
  type DeadLetter,
  type LedgerPosition,
  type TicketSnapshot,
} from './port.js';

export { BACKUP_FORMAT, BackupError, type BackupCounts, type BackupHeader } from './backup-format.js';

/** Made anew from the ledgers by who reads them: left out, for they may count what a ledger here does not have. */
const DERIVED: ReadonlySet<CollectionName> = new Set(['sales', 'salesCursors'] as const);

/**
 * The order in which collections are read. Before mails how far ledgers were looked through for them: a cursor that
 * was read after could say that a mail is queued which was read before it was.
 */
const COLLECTION_ORDER: readonly CollectionName[] = [
  'mailCursors',
  ...(Object.keys(COLLECTIONS) as CollectionName[]).filter(
    (name) => name !== 'mailCursors' && !DERIVED.has(name),
  ),
];

/** Raw bytes of a letter may be a megabyte. */
const LETTERS_PER_READ = 10;
const CHUNK_CHARS = 2 ** 18;
/** Little smaller at the higher levels, and much slower. */
const GZIP_LEVEL = 3;
const EVENTS_PER_APPEND = 1_000;
const DOCUMENTS_PER_PUT = 200;
const LETTERS_AT_ONCE = 10;
const TICKETS_PER_APPEND = 200;

/** What is read of an archive. */
export type BackupSource = Pick<
  Archive,
  'deadLetters' | 'ledgerTickets' | 'snapshot' | 'events' | 'matches' | 'publishers' | 'allDocuments'
>;

export interface BackupFacts {
  /** When the reading begins. */
  readonly now: () => number;
  readonly product: string;
  readonly source: BackupHeader['source'];
  readonly secrets: BackupHeader['secrets'];
}

export interface BackupReport {
  readonly counts: BackupCounts;
  /** Before it was compressed. */
  readonly bytes: number;
  readonly sha256: string;
}

export type OnProgress = (counts: BackupCounts) => void;

// --- Backup ----------------------------------------------------------------------------------------------

/** Writes a backup to `out` and ends it. Rejects with what archive or stream reject with. */
export async function writeBackup(
  archive: BackupSource,
  facts: BackupFacts,
  out: Writable,
  onProgress: OnProgress = () => undefined,
): Promise<BackupReport> {
  const tally = new Tally();
  const hash = createHash('sha256');
  let bytes = 0;
  let sha256 = '';
  const written = (lines: readonly string[]): Buffer => {
    const chunk = Buffer.from(lines.join(''));
    bytes += chunk.length;
    hash.update(chunk);
    return chunk;
  };
  async function* chunks(): AsyncGenerator<Buffer> {
    let lines: string[] = [];
    let chars = 0;
    for await (const record of recordsOf(archive, facts)) {
      tally.add(record);
      const line = `${JSON.stringify(record)}\n`;
      lines.push(line);
      chars += line.length;
      if (chars < CHUNK_CHARS) continue;
      yield written(lines);
      lines = [];
      chars = 0;
      onProgress(tally.counts);
    }
    yield written(lines);
    sha256 = hash.digest('hex');
    const endedAt = new Date(facts.now()).toISOString();
    const trailer: BackupRecord = { kind: 'trailer', endedAt, counts: tally.counts, sha256 };
    yield Buffer.from(`${JSON.stringify(trailer)}\n`);
  }
  await pipeline(Readable.from(chunks(), { objectMode: true }), createGzip({ level: GZIP_LEVEL }), out);
  return { counts: tally.counts, bytes, sha256 };
}

/** Everything but the trailer. */
async function* recordsOf(archive: BackupSource, facts: BackupFacts): AsyncGenerator<BackupRecord> {
  yield headerOf(facts);
  // Before the ledgers: a letter that was driven again afterwards is driven again once more, which its effect
  // in the ledger makes a repeat. The other way round the effect would be lost.
  yield* lettersOf(archive);
  for (const ticket of await archive.ledgerTickets()) yield* ticketOf(archive, ticket);
  for (const match of await archive.matches()) yield { kind: 'match', match: { ...match } };
  for (const id of [...(await archive.publishers())].sort()) yield { kind: 'publisher', id };
  for (const collection of COLLECTION_ORDER) {
    for await (const document of archive.allDocuments(collection)) yield documentRecord(collection, document);
  }
}

const headerOf = ({ now, product, source, secrets }: BackupFacts): BackupHeader => ({
  kind: 'header',
  program: 'ticktak',
  format: BACKUP_FORMAT,
  madeAt: new Date(now()).toISOString(),
  product,
  schema: SCHEMA_VERSION,
  source,
  secrets,
  collections: [...COLLECTION_ORDER],
});

async function* lettersOf(archive: BackupSource): AsyncGenerator<BackupRecord> {
  for (let after: string | undefined; ;) {
    const page = await archive.deadLetters({
      limit: LETTERS_PER_READ,
      ...(after !== undefined && { after }),
    });
    for (const letter of page.items) yield letterRecord(letter);
    if (page.next === undefined) return;
    after = page.next;
  }
}

async function* ticketOf(archive: BackupSource, ticket: TicketId): AsyncGenerator<BackupRecord> {
  const { matchNumber, category } = ticket;
  yield { kind: 'ticket', matchNumber, category };
  // Before the events, so that they reach as far as it does.
  const snapshot = await archive.snapshot(ticket);
  if (snapshot) yield snapshotRecord(snapshot);
  for await (const event of archive.events(ticket, null)) yield eventRecord(event);
}

// Fields are named one by one, so that the same content is the same text whatever store it comes from.

const letterRecord = ({
  id,
  source,
  reason,
  raw,
  headers,
  receivedAt,
  ...rest
}: DeadLetter): BackupRecord => ({
  kind: 'deadLetter',
  letter: { id, source, reason, raw, headers, receivedAt, ...rest },
});

const snapshotRecord = (snapshot: TicketSnapshot): BackupRecord => {
  const { incarnation, sequence, schema, takenAt, published, state } = snapshot;
  return {
    kind: 'snapshot',
    incarnation,
    sequence,
    schema,
    takenAt,
    ...(published && { published: positionOf(published) }),
    state,
  };
};

const eventRecord = (committed: CommittedEvent): BackupRecord => {
  const { incarnation, sequence, commandId, requestId, formerly, event } = committed;
  return {
    kind: 'event',
    incarnation,
    sequence,
    commandId,
    ...(requestId !== undefined && { requestId }),
    ...(formerly && { formerly: positionOf(formerly) }),
    event: event as unknown as RecordOf<'event'>['event'],
  };
};

const documentRecord = (collection: string, document: KeptDocument): BackupRecord => {
  const { id, version, value, lists, expiresAt } = document;
  return {
    kind: 'document',
    collection,
    id,
    version,
    value,
    lists: { ...lists },
    ...(expiresAt !== undefined && { expiresAt }),
  };
};

const positionOf = ({ incarnation, sequence }: LedgerPosition): LedgerPosition => ({ incarnation, sequence });

// --- Restore ---------------------------------------------------------------------------------------------

export interface LedgerEnd {
  readonly ticket: TicketId;
  readonly head: LedgerPosition;
}

export interface RestoreOptions {
  /** The file, from its beginning. */
  readonly source: Readable;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** What is put instead of a document; null for nothing. */
  readonly change?: (
    collection: CollectionName,
    document: KeptDocument,
    header: BackupHeader,
  ) => KeptDocument | null;
  /** What is put besides, once it is known where the ledgers end. */
  readonly add?: (
    ends: readonly LedgerEnd[],
  ) => Iterable<readonly [collection: CollectionName, document: KeptDocument]>;
  readonly onProgress?: OnProgress;
}

/** What `verifyBackup` says of a file that it has read to its end. */
export interface VerifiedBackup {
  readonly header: BackupHeader;
  readonly counts: BackupCounts;
  readonly endedAt: string;
  readonly sha256: string;
}

export interface RestoreReport {
  readonly counts: BackupCounts;
  /** Documents whose time was over since, and those that `change` left out. */
  readonly leftOut: number;
}

/** Reads all of a backup. Throws `BackupError` when it is not whole, or not one that can be restored here. */
export async function verifyBackup(source: Readable, onProgress?: OnProgress): Promise<VerifiedBackup> {
  const tally = new Tally();
  let header: BackupHeader | null = null;
  let verified: VerifiedBackup | null = null;
  // To the end of the file, not of the backup: what follows it is looked at too.
  for await (const records of readBackup(source)) {
    for (const record of records) {
      tally.add(record);
      if (record.kind === 'header') header = record;
      if (record.kind === 'trailer' && header) {
        verified = { header, counts: record.counts, endedAt: record.endedAt, sha256: record.sha256 };
      }
    }
    onProgress?.(tally.counts);
  }
  if (!verified) throw new BackupError('it is cut short');
  return verified;
}

/**
 * Puts a backup that was verified into an archive that holds nothing. Throws `ArchiveRefusedError`, with nothing
 * written, when it holds something; what is thrown later leaves an archive that opens for restores only.
 */
export async function restoreBackup(
  archive: Archive,
  verified: VerifiedBackup,
  options: RestoreOptions,
): Promise<RestoreReport> {
  await refuseContent(archive);
  await archive.markRestore(true);
  const restore = new Restore(archive, verified.header, options);
  for await (const records of readBackup(options.source)) {
    for (const record of records) {
      if (record.kind === 'trailer' && record.sha256 !== verified.sha256) {
        throw new BackupError('it is not the file any more that was verified');
      }
      const writing = restore.take(record);
      if (writing) await writing;
    }
    options.onProgress?.(restore.counts);
  }
  await restore.end();
  await archive.markRestore(false);
  return { counts: restore.counts, leftOut: restore.leftOut };
}

async function refuseContent(archive: Archive): Promise<void> {
  const found = await contentOf(archive);
  if (found === null) return;
  throw new ArchiveRefusedError(
    `The archive holds something already (${found}), and a restore goes into an empty one only: name another ` +
      'folder or database, or remove what is there, when it is certain that nobody needs it',
  );
}

/** Something that it holds; null when it holds nothing. */
async function contentOf(archive: Archive): Promise<string | null> {
  const [ticket] = await archive.ledgerTickets();
  if (ticket) return `the ledger of ticket ${ticketName(ticket)}`;
  if ((await archive.matches()).length > 0) return 'matches';
  if ((await archive.publishers()).length > 0) return 'publishers';
  if ((await archive.deadLetters({ limit: 1 })).items.length > 0) return 'dead letters';
  for (const name of Object.keys(COLLECTIONS) as CollectionName[]) {
    for await (const _ of archive.allDocuments(name)) return name;
  }
  return null;
}

/** Writes what it is given in groups. */
class Restore {
  readonly #archive: Archive;
  readonly #header: BackupHeader;
  readonly #options: RestoreOptions;
  readonly #tally = new Tally();
  /** Newest event of each ticket, null when it has none. */
  readonly #ends: { readonly ticket: TicketId; head: LedgerPosition | null }[] = [];
  #events: CommittedEvent[] = [];
  #letters: DeadLetter[] = [];
  #matches: Match[] = [];
  #collection: CollectionName | null = null;
  #documents: KeptDocument[] = [];
  #leftOut = 0;

  constructor(archive: Archive, header: BackupHeader, options: RestoreOptions) {
    this.#archive = archive;
    this.#header = header;
    this.#options = options;
  }

  get counts(): BackupCounts {
    return this.#tally.counts;
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  /** Answers what must be waited for, where something must. */
  take(record: BackupRecord): Promise<unknown> | undefined {
    this.#tally.add(record);
    switch (record.kind) {
      case 'deadLetter':
        this.#letters.push(record.letter);
        return this.#letters.length < LETTERS_AT_ONCE ? undefined : this.#putLetters();
      case 'ticket': {
        const { matchNumber, category } = record;
        const before = this.#append();
        this.#ends.push({ ticket: { matchNumber, category }, head: null });
        return before;
      }
      case 'snapshot':
        return this.#putSnapshot(record);
      case 'event':
        return this.#takeEvent(record);
      case 'match':
        this.#matches.push(record.match as unknown as Match);
        return undefined;
      case 'publisher':
        return this.#archive.savePublisher(record.id);
      case 'document':
        return this.#takeDocument(record);
      case 'header':
      case 'trailer':
        return undefined;
    }
  }

  /** Writes what waits, closes the old incarnations, and adds what is to be added. */
  async end(): Promise<void> {
    await this.#append();
    await this.#putLetters();
    await this.#archive.saveMatches(this.#matches);
    await this.#putDocuments();
    await this.#fence();
    const ends = this.#ends.flatMap(({ ticket, head }) => (head ? [{ ticket, head }] : []));
    for (const [collection, document] of this.#options.add?.(ends) ?? []) {
      if (collection !== this.#collection || this.#documents.length >= DOCUMENTS_PER_PUT) {
        await this.#putDocuments();
      }
      this.#collection = collection;
      this.#documents.push(document);
    }
    await this.#putDocuments();
  }

  #takeEvent({ kind: _, event, ...rest }: RecordOf<'event'>): Promise<unknown> | undefined {
    const end = this.#ends.at(-1);
    if (!end) throw new BackupError('an event without its ticket');
    const { ticket } = end;
    const [first] = this.#events;
    const isFull = this.#events.length >= EVENTS_PER_APPEND;
    const writing = isFull || (first && first.incarnation !== rest.incarnation) ? this.#append() : undefined;
    this.#events.push({ ...rest, ticket, event: event as unknown as TicketEvent });
    end.head = positionOf(rest);
    return writing;
  }

  #append(): Promise<unknown> | undefined {
    const [first] = this.#events;
    if (!first) return undefined;
    const { ticket, incarnation } = first;
    const events = this.#events;
    this.#events = [];
    return this.#appendAll([{ ticket, incarnation, events }]);
  }

  async #appendAll(batches: readonly AppendBatch[]): Promise<void> {
    const results = await this.#archive.append(batches);
    if (results.every((result) => result === 'appended')) return;
    throw new ArchiveRefusedError('Somebody else writes to this archive: stop everything that uses it');
  }

  async #putSnapshot({ kind: _, ...snapshot }: RecordOf<'snapshot'>): Promise<void> {
    const ticket = this.#ends.at(-1)?.ticket;
    if (!ticket) throw new BackupError('a snapshot without its ticket');
    await this.#archive.saveSnapshot({ ticket, ...snapshot });
  }

  async #putLetters(): Promise<void> {
    const letters = this.#letters;
    this.#letters = [];
    await Promise.all(
      letters.map(async ({ redrivenAt, ...letter }) => {
        await this.#archive.saveDeadLetter(letter);
        if (redrivenAt !== undefined) await this.#archive.markRedriven(letter.id, redrivenAt);
      }),
    );
  }

  #takeDocument({
    kind: _,
    collection: name,
    ...document
  }: RecordOf<'document'>): Promise<unknown> | undefined {
    const collection = name as CollectionName;
    const isOver = document.expiresAt !== undefined && document.expiresAt <= this.#options.now();
    const { change } = this.#options;
    const changed = isOver ? null : change ? change(collection, document, this.#header) : document;
    if (!changed) {
      this.#leftOut += 1;
      return undefined;
    }
    const isFull = this.#documents.length >= DOCUMENTS_PER_PUT;
    const writing = isFull || this.#collection !== collection ? this.#putDocuments() : undefined;
    this.#collection = collection;
    this.#documents.push(changed);
    return writing;
  }

  #putDocuments(): Promise<unknown> | undefined {
    const [collection, documents] = [this.#collection, this.#documents];
    this.#documents = [];
    if (collection === null || documents.length === 0) return undefined;
    return this.#archive.putDocuments(collection, documents);
  }

  /**
   * Raises the fence of every ticket to the seconds since 1970. The marketplace that was backed up went on, and may
   * have published events under the next incarnations: under the same ones those of this life would pass for theirs.
   * It, and any life restored before, has opened far fewer incarnations than seconds have passed since.
   */
  async #fence(): Promise<void> {
    const seconds = Math.floor(this.#options.now() / 1_000);
    const batches = this.#ends.map(({ ticket, head }) => ({
      ticket,
      incarnation: Math.max(seconds, (head?.incarnation ?? 0) + 1),
      events: [],
    }));
    for (let from = 0; from < batches.length; from += TICKETS_PER_APPEND) {
      await this.#appendAll(batches.slice(from, from + TICKETS_PER_APPEND));
    }
  }
}
