/**
 * The lake: tables of Parquet files by day, and the log that says which of them count (log.ts).
 *
 * Guarantees: a row and the place it was read from are in together or not at all, so that no row is lost or doubled
 * whenever a process is killed; a reader sees the tables of one moment; one writes at a time, and one that was taken
 * for dead adds nothing when it wakes.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Clock } from '../../actors/ports.js';
import { Engine, type Content, type EngineLimits } from './engine.js';
import { DiskFiles, DRAFT, type LakeFiles } from './files.js';
import {
  LOG_FOLDER,
  LakeLog,
  REMOVED_KEPT_MS,
  type LakeChange,
  type LakeFile,
  type LakeState,
} from './log.js';
import { DAY_MS, TABLE_NAMES, dayOf, type Rows, type TableName } from './tables.js';

export interface LakeOptions {
  readonly dir: string;
  readonly limits: EngineLimits;
  readonly clock: Clock;
  /** For tests. */
  readonly files?: LakeFiles;
}

/** How long a writer may be silent before another takes its place. */
export const WRITER_SILENT_MS = 10_000;
const BEATS_PER_SILENCE = 4;
const WRITER_FILE = 'writer.json';
const TEMP_FOLDER = 'tmp';
/** Temporary files of others: a question takes no longer. */
const TEMP_KEPT_MS = 24 * 3_600_000;

/** Another process writes the lake now. */
export class LakeLostError extends Error {
  override readonly name = 'LakeLostError';
  constructor() {
    super('another process writes the lake now');
  }
}

/** Reads a lake; see `LakeWriter` for the rest. */
export class Lake {
  readonly dir: string;
  readonly files: LakeFiles;
  readonly log: LakeLog;
  readonly clock: Clock;
  /** Folder of temporary files: two processes may have the lake open. */
  readonly tempName: string;
  readonly #limits: EngineLimits;
  #engine: Promise<Engine> | null = null;

  constructor({ dir, limits, clock, files }: LakeOptions) {
    this.dir = resolve(dir);
    this.files = files ?? new DiskFiles(this.dir);
    this.log = new LakeLog(this.files);
    this.clock = clock;
    this.tempName = `${clock.now()}-${randomUUID()}`;
    this.#limits = limits;
  }

  async stop(): Promise<void> {
    const engine = await this.#engine?.catch(() => null);
    this.#engine = null;
    engine?.close();
  }

  engine(): Promise<Engine> {
    this.#engine ??= Engine.open(this.#limits, this.files.pathOf(`${TEMP_FOLDER}/${this.tempName}`));
    return this.#engine;
  }

  /** Of one table, absolute. */
  async pathsOf(table: TableName): Promise<readonly string[]> {
    return this.paths(await this.log.read(), table);
  }

  paths({ files }: LakeState, table: TableName): readonly string[] {
    return filesOf(files, table).map(({ path }) => this.files.pathOf(path));
  }

  /** What a table says, whatever files it is in. */
  async content(table: TableName): Promise<Content> {
    return (await this.engine()).content(table, await this.pathsOf(table));
  }
}

export const filesOf = (files: LakeState['files'], table: TableName): readonly LakeFile[] =>
  [...files.values()].filter((file) => file.table === table);

/** Rows on their way into the lake, by table. */
export type NewRows = { readonly [T in TableName]?: readonly Rows[T][] };

/** The one who writes. */
export class LakeWriter {
  readonly lake: Lake;
  #state: LakeState;
  readonly #presence: Presence;

  private constructor(lake: Lake, state: LakeState, presence: Presence) {
    this.lake = lake;
    this.#state = state;
    this.#presence = presence;
  }

  /** Null while another writes, or when one was faster. `silentMs`: see WRITER_SILENT_MS. */
  static async open(lake: Lake, watch: WriterWatch): Promise<LakeWriter | null> {
    if (!(await watch.isFree())) return null;
    const before = await lake.log.read();
    const state = await lake.log.append(before, { what: 'a writer begins' }, lake.clock.now());
    if (!state) return null;
    const presence = new Presence(lake, watch.silentMs);
    const writer = new LakeWriter(lake, state, presence);
    await presence.start();
    try {
      await writer.sweep();
      return writer;
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  get state(): LakeState {
    return this.#state;
  }

  close(): Promise<void> {
    return this.#presence.stop();
  }

  /**
   * Adds rows, together with the places they came from. `once`: rows whose id the days before and after have are left
   * out. Throws `LakeLostError`.
   */
  async add(
    rows: NewRows,
    change: LakeChange,
    { once = false }: { readonly once?: boolean } = {},
  ): Promise<void> {
    const added: LakeFile[] = [];
    for (const table of TABLE_NAMES) added.push(...(await this.#written(table, rows[table] ?? [], once)));
    await this.commit({ ...change, added });
  }

  /** Throws `LakeLostError`. */
  async commit(change: LakeChange): Promise<void> {
    const state = await this.lake.log.append(this.#state, change, this.lake.clock.now());
    if (!state) throw new LakeLostError();
    this.#state = state;
  }

  /** A name that nobody has, for a file of a day. */
  async place(table: TableName, day: string): Promise<string> {
    const path = `${table}/day=${day}/${this.#state.number + 1}-${randomBytes(6).toString('hex')}.parquet`;
    await this.lake.files.prepare(path);
    return path;
  }

  /** Makes a file that was written durable, and says what is to be known of it. */
  async placed(path: string, table: TableName, day: string, rows: number): Promise<LakeFile> {
    return { path, table, day, rows, bytes: await this.lake.files.sync(path) };
  }

  /** Removes entries and files that nobody needs. */
  async sweep(): Promise<void> {
    const { files, log, clock } = this.lake;
    await log.trim(this.#state);
    const { files: known, removed } = this.#state;
    const before = clock.now() - REMOVED_KEPT_MS;
    for (const table of TABLE_NAMES) {
      for (const folder of await files.list(table)) {
        const names = await files.list(`${table}/${folder}`);
        let left = names.length;
        for (const name of names) {
          const path = `${table}/${folder}/${name}`;
          if (known.has(path) || (removed.get(path) ?? 0) > before) continue;
          await files.remove(path);
          left -= 1;
        }
        if (left === 0) await files.remove(`${table}/${folder}`);
      }
    }
    await this.#sweepLeftovers();
  }

  /** Of processes that were killed. */
  async #sweepLeftovers(): Promise<void> {
    const { files, clock, tempName } = this.lake;
    for (const folder of ['.', LOG_FOLDER]) {
      for (const name of await files.list(folder)) {
        if (name.endsWith(DRAFT)) await files.remove(`${folder}/${name}`);
      }
    }
    for (const name of await files.list(TEMP_FOLDER)) {
      const isOld = Number.parseInt(name, 10) < clock.now() - TEMP_KEPT_MS;
      if (name !== tempName && isOld) await files.remove(`${TEMP_FOLDER}/${name}`);
    }
  }

  async #written<T extends TableName>(
    table: T,
    rows: readonly Rows[T][],
    once: boolean,
  ): Promise<LakeFile[]> {
    if (rows.length === 0) return [];
    const engine = await this.lake.engine();
    const paths = new Map<string, string>();
    const known = once ? this.#near(table, rows) : [];
    const written = await engine.write(
      table,
      rows,
      async (day) => {
        const path = await this.place(table, day);
        paths.set(day, path);
        return this.lake.files.pathOf(path);
      },
      known,
    );
    const files: LakeFile[] = [];
    for (const [day, path] of paths) {
      files.push(await this.placed(path, table, day, written.get(day) ?? 0));
    }
    return files;
  }

  /** Files that may have the same rows: of their days, and of those beside them. */
  #near<T extends TableName>(table: T, rows: readonly Rows[T][]): readonly string[] {
    const days = new Set<string>();
    for (const { at } of rows) for (const shift of [-1, 0, 1]) days.add(dayOf(at + shift * DAY_MS));
    return filesOf(this.#state.files, table)
      .filter(({ day }) => days.has(day))
      .map(({ path }) => this.lake.files.pathOf(path));
  }
}

/**
 * Whether somebody writes, as far as one sees who looks again and again: a writer says so by a file that it changes.
 * Two who are wrong about it are told apart by the log.
 */
export class WriterWatch {
  readonly silentMs: number;
  readonly #lake: Lake;
  #seen: { readonly said: string; readonly since: number } | null = null;

  constructor(lake: Lake, silentMs = WRITER_SILENT_MS) {
    this.#lake = lake;
    this.silentMs = silentMs;
  }

  async isFree(): Promise<boolean> {
    const said = await this.#lake.files.read(WRITER_FILE);
    if (said === null) return true;
    const now = this.#lake.clock.now();
    if (this.#seen?.said !== said) this.#seen = { said, since: now };
    return now - this.#seen.since >= this.silentMs;
  }
}

/** Says that a writer is there. */
class Presence {
  readonly #lake: Lake;
  readonly #everyMs: number;
  readonly #writer = randomUUID();
  #beats = 0;
  #cancel: () => void = () => undefined;
  #beating: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(lake: Lake, silentMs: number) {
    this.#lake = lake;
    this.#everyMs = silentMs / BEATS_PER_SILENCE;
  }

  async start(): Promise<void> {
    await this.#beat();
    this.#plan();
  }

  /** The next need not wait. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#beating;
    const said = await this.#lake.files.read(WRITER_FILE);
    if (said?.includes(this.#writer) === true) await this.#lake.files.remove(WRITER_FILE);
  }

  #plan(): void {
    if (this.#isStopped) return;
    this.#cancel = this.#lake.clock.schedule(this.#everyMs, () => {
      // A disk that fails is heard of by whoever writes rows.
      this.#beating = this.#beat()
        .catch(() => undefined)
        .then(() => this.#plan());
    });
  }

  async #beat(): Promise<void> {
    this.#beats += 1;
    await this.#lake.files.replace(WRITER_FILE, JSON.stringify({ writer: this.#writer, beats: this.#beats }));
  }
}
