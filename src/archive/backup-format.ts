/**
 * What a backup file says: gzip of lines, each a JSON object with its `kind`.
 *
 *     header                       what it is, who made it, from where, and when the reading began
 *     deadLetter ...               newest first
 *     ticket, snapshot?, event ... of each ticket, by match and category; its events in order, of all incarnations
 *     match ...  publisher ...
 *     document ...                 by collection, then by id
 *     trailer                      how many there are of each, and the SHA-256 of every line before, newlines included
 *
 * Guarantee of `readBackup`: a file that it reads to the end is whole, unaltered, of a version that this program
 * knows, and in an order that a restore can follow. It says otherwise by a `BackupError`, at the latest at the end:
 * until then nothing of it may be believed.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { comparePositions } from '../actors/position.js';
import { SCHEMA_VERSION } from '../actors/state-codec.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { COLLECTIONS, checkDocument, type CollectionName } from './documents.js';
import type { LedgerPosition } from './port.js';

/** Version of all this. A newer one is refused. */
export const BACKUP_FORMAT = 1;

/** Longest line: a snapshot of a large ticket has tens of megabytes. */
const LINE_BYTES_MAX = 2 ** 28;
const CHUNK_BYTES = 2 ** 18;
const NEWLINE = 0x0a;

/** The file is no backup, or not whole, or not one that this program may restore. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

const count = z.number().int().min(0);
const place = { incarnation: z.number().int().min(1), sequence: z.number().int().min(1) };
const positionSchema = z.strictObject(place);
/** Of what has not happened yet the sequence is 0. */
const cursorSchema = z.strictObject({ incarnation: count, sequence: count });

const headerSchema = z.strictObject({
  kind: z.literal('header'),
  program: z.literal('ticktak'),
  format: z.number().int(),
  /** When the reading began: what was answered before is in it. */
  madeAt: z.iso.datetime(),
  /** Version of the program. */
  product: z.string(),
  /** Version of states and events, see actors/state-codec.ts. */
  schema: z.number().int(),
  source: z.enum(['embedded', 'mongodb']),
  /** Tell whether the installation that restores it has the same secrets; they say nothing of the secrets. */
  secrets: z.strictObject({ token: z.string().exactOptional(), ticket: z.string().exactOptional() }),
  collections: z.array(z.string()),
});
export type BackupHeader = z.output<typeof headerSchema>;

const countsSchema = z.strictObject({
  deadLetters: count,
  tickets: count,
  events: count,
  snapshots: count,
  matches: count,
  publishers: count,
  documents: z.record(z.string(), count),
});
export type BackupCounts = z.output<typeof countsSchema>;

const trailerSchema = z.strictObject({
  kind: z.literal('trailer'),
  endedAt: z.iso.datetime(),
  counts: countsSchema,
  sha256: z.string(),
});
export type BackupTrailer = z.output<typeof trailerSchema>;

const reservationSchema = z.looseObject({
  id: z.string(),
  email: z.string(),
  status: z.string(),
  createdAt: z.number(),
});

/** What the archive itself reads of them is checked. What else they say, their readers check. */
const recordSchema = z.discriminatedUnion('kind', [
  headerSchema,
  z.strictObject({
    kind: z.literal('deadLetter'),
    letter: z.looseObject({
      id: z.string(),
      source: z.string(),
      reason: z.string(),
      raw: z.string(),
      headers: z.record(z.string(), z.string()),
      receivedAt: z.number(),
      redrivenAt: z.number().exactOptional(),
    }),
  }),
  z.strictObject({
    kind: z.literal('ticket'),
    matchNumber: z.number().int().min(1).max(9_999),
    category: z.number().int().min(1).max(9),
  }),
  z.strictObject({
    kind: z.literal('snapshot'),
    ...place,
    schema: z.number().int(),
    takenAt: z.number(),
    published: cursorSchema.exactOptional(),
    state: z.unknown(),
  }),
  z.strictObject({
    kind: z.literal('event'),
    ...place,
    commandId: z.string(),
    requestId: z.string().exactOptional(),
    formerly: positionSchema.exactOptional(),
    event: z.looseObject({
      type: z.string(),
      at: z.number(),
      reservation: reservationSchema.exactOptional(),
    }),
  }),
  z.strictObject({
    kind: z.literal('match'),
    match: z.looseObject({
      matchNumber: z.number().int().min(1).max(9_999),
      dateUtc: z.string(),
      homeTeam: z.string(),
      awayTeam: z.string(),
    }),
  }),
  z.strictObject({ kind: z.literal('publisher'), id: z.string() }),
  z.strictObject({
    kind: z.literal('document'),
    collection: z.string(),
    id: z.string(),
    version: z.number().int().min(1),
    value: z.unknown(),
    lists: z.record(z.string(), z.string()),
    expiresAt: z.number().exactOptional(),
  }),
  trailerSchema,
]);
export type BackupRecord = z.output<typeof recordSchema>;
export type RecordOf<K extends BackupRecord['kind']> = Extract<BackupRecord, { readonly kind: K }>;

export const isCollection = (name: string): name is CollectionName => name in COLLECTIONS;

/** Counts what a backup has. */
export class Tally {
  readonly #counts: BackupCounts = {
    deadLetters: 0,
    tickets: 0,
    events: 0,
    snapshots: 0,
    matches: 0,
    publishers: 0,
    documents: {},
  };

  get counts(): BackupCounts {
    return this.#counts;
  }

  add(record: BackupRecord): void {
    const counts = this.#counts;
    switch (record.kind) {
      case 'deadLetter':
        counts.deadLetters += 1;
        break;
      case 'ticket':
        counts.tickets += 1;
        break;
      case 'event':
        counts.events += 1;
        break;
      case 'snapshot':
        counts.snapshots += 1;
        break;
      case 'match':
        counts.matches += 1;
        break;
      case 'publisher':
        counts.publishers += 1;
        break;
      case 'document':
        counts.documents[record.collection] = (counts.documents[record.collection] ?? 0) + 1;
        break;
      case 'header':
      case 'trailer':
        break;
    }
  }
}

// --- Reading ---------------------------------------------------------------------------------------------

/**
 * The records of a file, in groups; the trailer comes last and alone. Throws `BackupError`, and what the source
 * throws.
 */
export async function* readBackup(source: Readable): AsyncGenerator<readonly BackupRecord[]> {
  const check = new Check();
  for await (const lines of linesOf(source)) {
    const records = lines.map((line) => check.take(line));
    if (records.length > 0) yield records;
  }
  check.end();
}

/** Complete lines, as they arrive, without their ends. */
async function* linesOf(source: Readable): AsyncGenerator<readonly Buffer[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of unzipped(source)) {
    const lines: Buffer[] = [];
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      const line = chunk.subarray(from, end);
      lines.push(restBytes > 0 ? Buffer.concat([...rest, line]) : line);
      rest = [];
      restBytes = 0;
      from = end + 1;
    }
    if (from < chunk.length) {
      rest.push(chunk.subarray(from));
      restBytes += chunk.length - from;
    }
    if (restBytes > LINE_BYTES_MAX) throw new BackupError(`a line is longer than ${LINE_BYTES_MAX} bytes`);
    yield lines;
  }
  if (restBytes > 0) throw new BackupError('its last line has no end: it is cut short');
}

async function* unzipped(source: Readable): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  let bytes = 0;
  source.on('data', (chunk: Buffer) => (bytes += chunk.length));
  source.once('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    throw zlibError(error);
  } finally {
    source.destroy();
  }
  if (gunzip.bytesWritten !== bytes) throw new BackupError('something follows its end');
}

function zlibError(error: unknown): unknown {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === 'Z_BUF_ERROR') return new BackupError('it is cut short');
  if (typeof code !== 'string' || !code.startsWith('Z_')) return error;
  return new BackupError('it is no gzip file, or was altered', { cause: error });
}

/** Everything that can be said of one line after the other. */
class Check {
  readonly #hash: Hash = createHash('sha256');
  readonly #tally = new Tally();
  readonly #tickets = new Set<string>();
  #lines = 0;
  #step = 0;
  #ended = false;
  /** The ticket whose events come now. */
  #ticket: TicketId | null = null;
  #head: LedgerPosition | null = null;
  #snapshot: LedgerPosition | null = null;
  #document = { collection: '', id: '' };
  readonly #collections = new Set<string>();

  /** Throws `BackupError`. */
  take(line: Buffer): BackupRecord {
    this.#lines += 1;
    try {
      if (this.#ended) throw new BackupError('something follows its end');
      const record = parsed(line, this.#lines === 1);
      this.#follow(record);
      if (record.kind === 'trailer') this.#compare(record);
      this.#hash.update(line).update('\n');
      this.#tally.add(record);
      return record;
    } catch (error) {
      if (error instanceof BackupError && this.#lines === 1) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new BackupError(`line ${this.#lines}: ${reason}`, { cause: error });
    }
  }

  end(): void {
    if (!this.#ended) throw new BackupError('it is cut short');
  }

  #compare({ counts, sha256 }: BackupTrailer): void {
    if (sha256 !== this.#hash.copy().digest('hex'))
      throw new BackupError('the checksum is not that of the file');
    if (JSON.stringify(sorted(counts)) !== JSON.stringify(sorted(this.#tally.counts)))
      throw new BackupError('the file does not hold as much as it says');
    this.#ended = true;
  }

  #follow(record: BackupRecord): void {
    const step = STEPS.findIndex((kinds) => kinds.has(record.kind));
    if (step < this.#step || (this.#lines === 1) !== (step === 0)) {
      throw new BackupError(`a ${record.kind} stands where none may stand`);
    }
    this.#step = step;
    switch (record.kind) {
      case 'ticket':
        this.#followTicket(record);
        break;
      case 'snapshot':
        this.#followSnapshot(record);
        break;
      case 'event':
        this.#followEvent(record);
        break;
      case 'document':
        this.#followDocument(record);
        break;
      case 'header':
      case 'deadLetter':
      case 'match':
      case 'publisher':
      case 'trailer':
        this.#endTicket();
    }
  }

  #followTicket({ matchNumber, category }: RecordOf<'ticket'>): void {
    this.#endTicket();
    const ticket = { matchNumber, category };
    const name = ticketName(ticket);
    if (this.#tickets.has(name)) throw new BackupError(`ticket ${name} comes twice`);
    this.#tickets.add(name);
    this.#ticket = ticket;
  }

  #followSnapshot(snapshot: RecordOf<'snapshot'>): void {
    if (!this.#ticket || this.#snapshot || this.#head) throw new BackupError('a snapshot without its ticket');
    if (snapshot.schema > SCHEMA_VERSION) throw newer('a snapshot', snapshot.schema, SCHEMA_VERSION);
    this.#snapshot = snapshot;
  }

  #followEvent(event: RecordOf<'event'>): void {
    if (!this.#ticket) throw new BackupError('an event without its ticket');
    const { incarnation, sequence } = event;
    const isNext = incarnation === this.#head?.incarnation && sequence === this.#head.sequence + 1;
    const isFirst = incarnation > (this.#head?.incarnation ?? 0) && sequence === 1;
    if (!isNext && !isFirst) throw new BackupError('the events of a ticket are not one after the other');
    this.#head = { incarnation, sequence };
  }

  #followDocument({ kind: _, ...document }: RecordOf<'document'>): void {
    this.#endTicket();
    const { collection, id } = document;
    const last = this.#document;
    if (collection === last.collection ? id <= last.id : this.#collections.has(collection)) {
      throw new BackupError(`document ${id} of ${collection} is out of order`);
    }
    this.#collections.add(collection);
    this.#document = { collection, id };
    if (!isCollection(collection)) throw new BackupError(`there are no ${collection}`);
    checkDocument(collection, document);
  }

  /** A state may not know more than the ledger. */
  #endTicket(): void {
    const isAhead = this.#snapshot && (!this.#head || comparePositions(this.#snapshot, this.#head) > 0);
    if (isAhead) throw new BackupError('a snapshot is ahead of its ledger');
    this.#ticket = null;
    this.#head = null;
    this.#snapshot = null;
  }
}

/** Kinds in their order. */
const STEPS: readonly ReadonlySet<BackupRecord['kind']>[] = [
  new Set(['header']),
  new Set(['deadLetter']),
  new Set(['ticket', 'snapshot', 'event']),
  new Set(['match']),
  new Set(['publisher']),
  new Set(['document']),
  new Set(['trailer']),
];

const NO_BACKUP = 'it is no backup of ticktak';

/** The record as it was written: what the schemas do not know of it stays. */
function parsed(line: Buffer, isFirst: boolean): BackupRecord {
  let value: unknown;
  try {
    value = JSON.parse(line.toString('utf8'));
  } catch {
    throw new BackupError(isFirst ? NO_BACKUP : 'is no JSON');
  }
  if (isFirst) checkHeader(value);
  const result = recordSchema.safeParse(value);
  if (result.success) return value as BackupRecord;
  const { path, message } = result.error.issues[0] ?? { path: [], message: 'is not what it should be' };
  throw new BackupError(`${path.join('.')}: ${message}`);
}

/** What a newer program wrote is refused as such, whatever else it says. */
function checkHeader(value: unknown): void {
  const claim = z.looseObject({
    kind: z.literal('header'),
    program: z.literal('ticktak'),
    format: z.number(),
  });
  const { data } = claim.safeParse(value);
  if (!data) throw new BackupError(NO_BACKUP);
  if (data.format > BACKUP_FORMAT) throw newer('it', data.format, BACKUP_FORMAT);
  const header = headerSchema.safeParse(value);
  if (!header.success) throw new BackupError(NO_BACKUP);
  const { schema, collections, product } = header.data;
  if (schema > SCHEMA_VERSION) throw newer('what it holds', schema, SCHEMA_VERSION);
  const unknown = collections.filter((name) => !isCollection(name));
  if (unknown.length > 0) {
    throw new BackupError(
      `it was made by ticktak ${product}, which keeps ${unknown.join(', ')}; this one does not: restore it with that version`,
    );
  }
}

function newer(what: string, found: number, known: number): BackupError {
  return new BackupError(
    `${what} is of version ${found}, this ticktak knows up to ${known}: restore it with the newer version`,
  );
}

const sorted = ({ documents, ...counts }: BackupCounts): unknown => [
  Object.entries(counts).sort(),
  Object.entries(documents).sort(),
];
