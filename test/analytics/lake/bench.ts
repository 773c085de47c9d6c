/** A lake in a folder of its own, ledgers in memory, and files that fail at a step of one's choice. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { textOf } from '../../../src/analytics/lake/engine.js';
import { Erasures } from '../../../src/analytics/lake/erasures.js';
import { DiskFiles, type LakeFiles } from '../../../src/analytics/lake/files.js';
import { LakeKeeper, type KeeperOptions } from '../../../src/analytics/lake/keeper.js';
import { Lake } from '../../../src/analytics/lake/lake.js';
import { Persons } from '../../../src/analytics/lake/persons.js';
import type { TableName } from '../../../src/analytics/lake/tables.js';
import type { Json } from '@duckdb/node-api';
import { systemClock } from '../../../src/process/clock.js';
import type { TicketId } from '../../../src/rules/index.js';
import { silentLogger } from '../../helpers/engine.js';
import { MemoryDocuments } from '../../helpers/memory-documents.js';
import { MemoryLedger, T11, T12, T21 } from '../../operations/ledger.js';

export const LIMITS = { memoryMb: 128, threads: 1 };
export const TICKETS: readonly TicketId[] = [T11, T12, T21];
export const SECRET = 'a-secret-of-thirty-two-characters-and-more';
/** Taken for dead after so long. */
export const SILENT_MS = 40;

export class LakeBench {
  readonly dir: string;
  readonly ledger = new MemoryLedger();
  readonly documents = new MemoryDocuments();
  readonly persons = new Persons(SECRET);
  readonly erasures = new Erasures(this.documents);
  readonly #keepers: { readonly keeper: LakeKeeper; readonly lake: Lake }[] = [];

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(): Promise<LakeBench> {
    return new LakeBench(await mkdtemp(join(tmpdir(), 'ticktak-lake-')));
  }

  lake(files?: LakeFiles): Lake {
    return new Lake({ dir: this.dir, limits: LIMITS, clock: systemClock, ...(files && { files }) });
  }

  keeper(more: Partial<KeeperOptions> = {}, files?: LakeFiles): LakeKeeper {
    const lake = more.lake ?? this.lake(files);
    const keeper = new LakeKeeper({
      archive: this.ledger,
      clock: systemClock,
      logger: silentLogger,
      persons: this.persons,
      erasures: this.erasures,
      tickets: () => TICKETS,
      clientId: 'us',
      batchEventsMax: 10,
      daysKept: { bookings: 36_500, views: 36_500, searches: 36_500 },
      everyMs: 5,
      sweepMs: 5,
      silentMs: SILENT_MS,
      ...more,
      lake,
    });
    this.#keepers.push({ keeper, lake });
    return keeper;
  }

  /** Rows of a table, as whoever opens the lake now sees them. */
  async rows(table: TableName, columns = '*', rest = ''): Promise<readonly (readonly Json[])[]> {
    const lake = this.lake();
    try {
      const files = { bookings: [], views: [], searches: [], [table]: await lake.pathsOf(table) };
      const engine = await lake.engine();
      const sql = `SELECT ${columns} FROM ${table} ${rest}`;
      return (await engine.ask(sql, files, { dir: this.dir, rowsMax: 100_000 })).rows;
    } finally {
      await lake.stop();
    }
  }

  async ids(table: TableName): Promise<string[]> {
    return (await this.rows(table, 'id')).map(([id]) => textOf(id)).sort();
  }

  async close(): Promise<void> {
    for (const { keeper, lake } of this.#keepers) {
      // One whose files are gone cannot say that it goes.
      await keeper.stop().catch(() => undefined);
      await lake.stop();
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}

export class Killed extends Error {}

/** Steps of a file system; at one of them the process is gone, before or after it was done. */
export class FaultyFiles implements LakeFiles {
  readonly #files: DiskFiles;
  readonly #at: number;
  readonly #isDone: boolean;
  steps = 0;

  constructor(dir: string, at = Infinity, isDone = false) {
    this.#files = new DiskFiles(dir);
    this.#at = at;
    this.#isDone = isDone;
  }

  get isKilled(): boolean {
    return this.steps >= this.#at;
  }

  pathOf(path: string): string {
    return this.#files.pathOf(path);
  }

  read(path: string): Promise<string | null> {
    return this.#step(() => this.#files.read(path));
  }

  create(path: string, content: string): Promise<boolean> {
    return this.#step(() => this.#files.create(path, content));
  }

  replace(path: string, content: string): Promise<void> {
    // By the clock, and of no meaning after a kill: no step, so that the steps are the same each time.
    return this.isKilled ? Promise.reject(new Killed()) : this.#files.replace(path, content);
  }

  list(path: string): Promise<readonly string[]> {
    return this.#step(() => this.#files.list(path));
  }

  prepare(path: string): Promise<void> {
    return this.#step(() => this.#files.prepare(path));
  }

  sync(path: string): Promise<number> {
    return this.#step(() => this.#files.sync(path));
  }

  remove(path: string): Promise<void> {
    return this.#step(() => this.#files.remove(path));
  }

  async #step<R>(work: () => Promise<R>): Promise<R> {
    this.steps += 1;
    if (this.steps > this.#at || (this.steps === this.#at && !this.#isDone)) throw new Killed();
    const result = await work();
    if (this.steps === this.#at) throw new Killed();
    return result;
  }
}
