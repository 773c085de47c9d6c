/**
 * What is in the lake is said by a log of numbered entries. Each names the files it adds and removes and how far
 * ledgers, views and erasures were read, so that rows and places change together or not at all.
 *
 * Guarantees: an entry is there whole or not at all, and of two writers one gets a number; a reader that knows one
 * number knows exactly the files of that moment; a writer whom another followed is told so at its next entry, and adds
 * nothing. Every so often an entry has the whole state, so that few are read; those that nobody needs are removed.
 */
import { z } from 'zod';
import type { LakeFiles } from './files.js';
import { TABLE_NAMES } from './tables.js';

export const LOG_FOLDER = 'log';
/** Version of the entries. A newer one is refused. */
const FORMAT = 1;
const NUMBER_DIGITS = 12;
/** Every so many entries one has everything. */
export const WHOLE_EVERY = 50;
/** Entries before the newest that stay for readers that come late. */
const ENTRIES_KEPT = 2 * WHOLE_EVERY;
/** Attempts of a reader whom entries are removed from under: each means that the log went on by as many. */
const READ_ATTEMPTS_MAX = 10;
/** How long a file stays that no entry has any more, for readers that began before. */
export const REMOVED_KEPT_MS = 5 * 60_000;

const fileSchema = z.object({
  /** In the lake's folder. */
  path: z.string(),
  table: z.enum(TABLE_NAMES),
  /** `2022-11-20`, UTC. */
  day: z.string(),
  rows: z.number().int(),
  bytes: z.number().int(),
});
export type LakeFile = z.output<typeof fileSchema>;

const cursorSchema = z.object({
  incarnation: z.number().int(),
  sequence: z.number().int(),
  /** Of the newest event that is in, epoch milliseconds. */
  at: z.number(),
  /** What the ticket costs there; 0 and empty before any master list. */
  price: z.number(),
  currency: z.string(),
});
/** Everything of a ledger up to it is in the bookings. */
export type LedgerCursor = z.output<typeof cursorSchema>;
export const NEW_CURSOR: LedgerCursor = { incarnation: 0, sequence: 0, at: 0, price: 0, currency: '' };

const placesSchema = z.object({
  /** By name of the ticket. */
  ledgers: z.record(z.string(), cursorSchema),
  /** Id of the newest view or search that is in; empty before the first. */
  viewsThrough: z.string(),
  /** Time of the newest erasure that was done, epoch milliseconds. */
  erasedThrough: z.number(),
});

const entrySchema = z.object({
  format: z.literal(FORMAT),
  number: z.number().int(),
  /** Epoch milliseconds. */
  at: z.number(),
  /** What was done, for people who look. */
  what: z.string(),
  added: z.array(fileSchema),
  removed: z.array(z.string()),
  /** The bookings begin anew. */
  isRebuild: z.literal(true).exactOptional(),
  /** Places that changed. */
  places: placesSchema.partial(),
  /** Everything, this entry included. */
  whole: z
    .object({
      files: z.array(fileSchema),
      /** Files that are not in any more, and since when. */
      removed: z.record(z.string(), z.number()),
      places: placesSchema,
    })
    .exactOptional(),
});
type Entry = z.output<typeof entrySchema>;
const versionedSchema = z.object({ format: z.number().int() });

/** The lake at one moment. */
export interface LakeState {
  /** Of the newest entry; 0 before the first. */
  readonly number: number;
  /** By path. */
  readonly files: ReadonlyMap<string, LakeFile>;
  readonly removed: ReadonlyMap<string, number>;
  readonly ledgers: ReadonlyMap<string, LedgerCursor>;
  readonly viewsThrough: string;
  readonly erasedThrough: number;
}

export const EMPTY_LAKE: LakeState = {
  number: 0,
  files: new Map(),
  removed: new Map(),
  ledgers: new Map(),
  viewsThrough: '',
  erasedThrough: 0,
};

/** What one entry changes. */
export interface LakeChange {
  readonly what: string;
  readonly added?: readonly LakeFile[];
  /** Paths. */
  readonly removed?: readonly string[];
  readonly isRebuild?: true;
  readonly ledgers?: ReadonlyMap<string, LedgerCursor>;
  readonly viewsThrough?: string;
  readonly erasedThrough?: number;
}

/** Something in the lake's folder is not as it was written. */
export class LakeDamagedError extends Error {
  override readonly name = 'LakeDamagedError';
}

/** The lake was written by a program that is newer than this one. */
export class NewerLakeError extends Error {
  override readonly name = 'NewerLakeError';

  constructor(number: number, found: number) {
    super(
      `entry ${number} of the lake’s log has version ${found}, this ticktak knows up to ${FORMAT}: ` +
        'start the newer version instead.',
    );
  }
}

export class LakeLog {
  readonly #files: LakeFiles;
  #known: LakeState = EMPTY_LAKE;

  constructor(files: LakeFiles) {
    this.#files = files;
  }

  /** The newest. Throws `LakeDamagedError` or `NewerLakeError`. */
  async read(): Promise<LakeState> {
    for (let attempt = 0; attempt < READ_ATTEMPTS_MAX; attempt += 1) {
      const newest = (await this.numbers()).at(-1) ?? 0;
      const state = await this.#stateAt(newest);
      if (state) return (this.#known = state);
    }
    throw new LakeDamagedError('entries of the lake’s log are missing');
  }

  /** The state after the change; null when another was first: whoever wrote on `before` must stop. */
  async append(before: LakeState, change: LakeChange, at: number): Promise<LakeState | null> {
    const entry = entryOf(before, change, at);
    const state = applied(before, entry);
    const isWhole = entry.number % WHOLE_EVERY === 1;
    const content = JSON.stringify(isWhole ? { ...entry, whole: wholeOf(state) } : entry);
    const path = pathOf(entry.number);
    if (!(await this.#files.create(path, content))) return null;
    // Numbers that nobody needs any more are free again: the newest counts.
    const newest = (await this.numbers()).at(-1);
    if (newest !== entry.number) {
      await this.#files.remove(path);
      return null;
    }
    return (this.#known = state);
  }

  /** Removes entries that no reader needs. */
  async trim({ number }: LakeState): Promise<void> {
    const numbers = await this.numbers();
    for (const old of numbers) if (old <= lastNeeded(number)) await this.#files.remove(pathOf(old));
  }

  /** Of the entries that are there, in order. */
  async numbers(): Promise<readonly number[]> {
    return (await this.#files.list(LOG_FOLDER))
      .filter((name) => NAME.test(name))
      .map((name) => Number(name.slice(0, NUMBER_DIGITS)))
      .sort((a, b) => a - b);
  }

  /** Null when one of its entries was removed meanwhile. */
  async #stateAt(number: number): Promise<LakeState | null> {
    if (number === this.#known.number) return this.#known;
    const entries: Entry[] = [];
    for (let at = number; at > 0; at -= 1) {
      if (at === this.#known.number) return entries.reduceRight(applied, this.#known);
      const entry = await this.#entry(at);
      if (!entry) return null;
      if (entry.whole) return entries.reduceRight(applied, stateOf(entry.number, entry.whole));
      entries.push(entry);
    }
    return entries.reduceRight(applied, EMPTY_LAKE);
  }

  async #entry(number: number): Promise<Entry | null> {
    const content = await this.#files.read(pathOf(number));
    if (content === null) return null;
    const value = jsonOf(content);
    const versioned = versionedSchema.safeParse(value);
    // Before anything else of it is read, or called damaged: whoever makes a lake anew for that loses a good one.
    if (versioned.success && versioned.data.format > FORMAT)
      throw new NewerLakeError(number, versioned.data.format);
    const parsed = entrySchema.safeParse(value);
    if (parsed.success && parsed.data.number === number) return parsed.data;
    throw new LakeDamagedError(`entry ${number} of the lake’s log cannot be read`);
  }
}

const NAME = new RegExp(`^\\d{${NUMBER_DIGITS}}\\.json$`);
const pathOf = (number: number): string =>
  `${LOG_FOLDER}/${String(number).padStart(NUMBER_DIGITS, '0')}.json`;

/** Up to there entries are in a whole one that stays. */
function lastNeeded(number: number): number {
  const oldest = number - ENTRIES_KEPT;
  return oldest - ((((oldest - 1) % WHOLE_EVERY) + WHOLE_EVERY) % WHOLE_EVERY) - 1;
}

function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return null;
  }
}

function entryOf(before: LakeState, change: LakeChange, at: number): Entry {
  const { what, added = [], removed = [], isRebuild, ledgers, viewsThrough, erasedThrough } = change;
  return {
    format: FORMAT,
    number: before.number + 1,
    at,
    what,
    added: [...added],
    removed: [...removed],
    ...(isRebuild && { isRebuild }),
    places: {
      ...(ledgers && { ledgers: Object.fromEntries(ledgers) }),
      ...(viewsThrough !== undefined && { viewsThrough }),
      ...(erasedThrough !== undefined && { erasedThrough }),
    },
  };
}

function applied(before: LakeState, entry: Entry): LakeState {
  const files = new Map(before.files);
  // What was removed long ago is gone, or is swept as what nobody knows.
  const removed = new Map([...before.removed].filter(([, at]) => at > entry.at - 2 * REMOVED_KEPT_MS));
  for (const path of entry.removed) {
    if (!files.delete(path)) throw new LakeDamagedError(`entry ${entry.number} removes what is not there`);
    removed.set(path, entry.at);
  }
  for (const file of entry.added) files.set(file.path, file);
  const { places } = entry;
  const ledgers = new Map(entry.isRebuild ? [] : before.ledgers);
  for (const [name, cursor] of Object.entries(places.ledgers ?? {})) ledgers.set(name, cursor);
  return {
    number: entry.number,
    files,
    removed,
    ledgers,
    viewsThrough: places.viewsThrough ?? before.viewsThrough,
    erasedThrough: places.erasedThrough ?? before.erasedThrough,
  };
}

function wholeOf({ files, removed, ledgers, viewsThrough, erasedThrough }: LakeState): Entry['whole'] {
  return {
    files: [...files.values()],
    removed: Object.fromEntries(removed),
    places: { ledgers: Object.fromEntries(ledgers), viewsThrough, erasedThrough },
  };
}

function stateOf(number: number, { files, removed, places }: NonNullable<Entry['whole']>): LakeState {
  return {
    number,
    files: new Map(files.map((file) => [file.path, file])),
    removed: new Map(Object.entries(removed)),
    ledgers: new Map(Object.entries(places.ledgers)),
    viewsThrough: places.viewsThrough,
    erasedThrough: places.erasedThrough,
  };
}
