/**
 * `npm run lake`: looks at the data lake, and makes it anew. Guarantees: `check` and `query` change nothing; the others
 * wait for the lake, and give up when a marketplace that runs keeps it.
 */
import { resolve } from 'node:path';
import type { Archive } from '../../archive/port.js';
import type { Settings } from '../../../config/settings.js';
import type { Clock } from '../../actors/ports.js';
import { Failure } from '../../peer/program.js';
import type { Logger } from '../../process/log.js';
import { Erasures } from './erasures.js';
import { LakeKeeper } from './keeper.js';
import { Lake, LakeLostError, filesOf } from './lake.js';
import { Persons } from './persons.js';
import { nextMerge, type DaysKept } from './upkeep.js';
import { TABLE_NAMES } from './tables.js';

export interface LakeProgramOptions {
  readonly dir: string;
  readonly settings: Pick<Settings, 'lakeMemoryMb' | 'lakeThreads' | 'lakeBatchEventsMax' | 'clientId'>;
  readonly daysKept: DaysKept;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly say: (line: string) => void;
}

/** Where bookings come from. */
export interface LakeSources {
  readonly archive: Archive;
  readonly tokenSecret: string;
}

/** How long a program waits for the lake. */
const WAIT_MS = 15_000;
/** Rows that a question is answered. */
export const ANSWER_ROWS_MAX = 1_000;

export class LakeProgram {
  readonly #options: LakeProgramOptions;
  readonly #lake: Lake;

  constructor(options: LakeProgramOptions) {
    const { dir, settings, clock } = options;
    this.#options = options;
    const limits = { memoryMb: settings.lakeMemoryMb, threads: settings.lakeThreads };
    this.#lake = new Lake({ dir: resolve(dir), limits, clock });
  }

  stop(): Promise<void> {
    return this.#lake.stop();
  }

  /** Makes the bookings anew from the ledgers. */
  async rebuild(sources: LakeSources): Promise<void> {
    const { say } = this.#options;
    await this.#keep(sources, async (keeper) => {
      await keeper.rebuild();
      let rows = 0;
      await keeper.catchUp((more) => (rows += more));
      say(`${rows} bookings were read from the ledgers.`);
      const merges = await keeper.compact();
      say(`${merges} merges.`);
    });
    await this.check();
  }

  async compact(sources: LakeSources): Promise<void> {
    await this.#keep(sources, async (keeper) => {
      this.#options.say(`${await keeper.compact()} merges.`);
    });
  }

  /** Says what is in the lake. Throws when a row is there twice, or a file does not have what the log says. */
  async check(): Promise<void> {
    const { say, clock } = this.#options;
    const state = await this.#lake.log.read();
    const engine = await this.#lake.engine();
    say(`entry ${state.number} of the log, ${state.files.size} files, ${state.ledgers.size} ledgers read`);
    const wrong: string[] = [];
    for (const table of TABLE_NAMES) {
      const files = filesOf(state.files, table);
      const { rows, ids, hash } = await engine.content(table, this.#lake.paths(state, table));
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      const expected = files.reduce((sum, file) => sum + file.rows, 0);
      const days = new Set(files.map(({ day }) => day)).size;
      say(
        `${table}: ${rows} rows of ${days} days, ${files.length} files, ${(bytes / 1e6).toFixed(1)} MB, content ${hash}`,
      );
      if (ids !== rows) wrong.push(`${table}: ${rows - ids} rows are there twice`);
      if (rows !== expected)
        wrong.push(`${table}: ${expected} rows are in the log, and ${rows} in the files`);
    }
    if (nextMerge(state.files, clock.now())) say('Some files can be merged: npm run lake -- compact');
    if (wrong.length > 0) throw new Failure(`${wrong.join('; ')}.`);
  }

  async query(sql: string): Promise<void> {
    const { say } = this.#options;
    const state = await this.#lake.log.read();
    const [bookings, views, searches] = TABLE_NAMES.map((table) => this.#lake.paths(state, table));
    const files = { bookings: bookings ?? [], views: views ?? [], searches: searches ?? [] };
    const engine = await this.#lake.engine();
    const found = await engine
      .ask(sql, files, { dir: this.#lake.dir, rowsMax: ANSWER_ROWS_MAX })
      .catch((error: unknown) => {
        throw new Failure(
          `The question is not understood: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
    say(found.columns.join('\t'));
    for (const row of found.rows) {
      say(row.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join('\t'));
    }
    if (found.rows.length === ANSWER_ROWS_MAX) say(`... (the first ${ANSWER_ROWS_MAX} rows)`);
  }

  async #keep(
    { archive, tokenSecret }: LakeSources,
    work: (keeper: LakeKeeper) => Promise<void>,
  ): Promise<void> {
    const { settings, clock, logger, daysKept } = this.#options;
    const tickets = await archive.ledgerTickets();
    const keeper = new LakeKeeper({
      lake: this.#lake,
      archive,
      clock,
      logger,
      persons: new Persons(tokenSecret),
      erasures: new Erasures(archive),
      tickets: () => tickets,
      clientId: settings.clientId,
      batchEventsMax: settings.lakeBatchEventsMax,
      daysKept,
      everyMs: WAIT_MS,
    });
    try {
      await keeper.acquire(WAIT_MS);
      await work(keeper);
    } catch (error) {
      if (error instanceof LakeLostError) {
        throw new Failure('A marketplace keeps this lake now: stop its analytics, or wait for it.');
      }
      throw error;
    } finally {
      await keeper.release();
    }
  }
}
