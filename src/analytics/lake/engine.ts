/**
 * DuckDB, as far as the lake needs it. Guarantees: it holds no data of its own, only what a call works on; memory and
 * threads have limits, and what does not fit goes to files beside the lake; it loads no extension, so that it speaks
 * to nobody. The package is loaded when it is first needed: 70 MB that most roles never touch.
 */
import { mkdir } from 'node:fs/promises';
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { DuckDBConnection, DuckDBInstance, DuckDBType, DuckDBValue, Json } from '@duckdb/node-api';
import {
  ORDER,
  TABLES,
  TABLE_NAMES,
  columnNames,
  dayOf,
  rowText,
  writtenColumns,
  type Column,
  type Rows,
  type TableName,
} from './tables.js';

export interface EngineLimits {
  /** Of DuckDB, MiB. */
  readonly memoryMb: number;
  readonly threads: number;
}

/** What rows of a table say: the same rows, the same, whatever their order and their files. */
export interface Content {
  readonly rows: number;
  /** Different ones. */
  readonly ids: number;
  readonly hash: string;
}

type DuckDB = typeof import('@duckdb/node-api');

/** Rows that are handed over at once: what DuckDB takes in one piece. */
const CHUNK_ROWS = 2_048;
/** Temporary files, at most. */
const TEMP_MB_MAX = 20_000;
/** Files of one statement that looks for rows: a long list is cut. */
const FILES_AT_ONCE = 500;
/** Rows of a group in a file; a file is read and written by the group. */
const GROUP_ROWS = 65_536;
const PARQUET = `(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${GROUP_ROWS})`;

export class Engine {
  readonly #duckdb: DuckDB;
  readonly #settings: Record<string, string>;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  #working: Promise<unknown> = Promise.resolve();

  private constructor(
    duckdb: DuckDB,
    settings: Record<string, string>,
    instance: DuckDBInstance,
    connection: DuckDBConnection,
  ) {
    this.#duckdb = duckdb;
    this.#settings = settings;
    this.#instance = instance;
    this.#connection = connection;
  }

  /** `tempDir`: for what does not fit into memory. */
  static async open({ memoryMb, threads }: EngineLimits, tempDir: string): Promise<Engine> {
    const duckdb = await import('@duckdb/node-api');
    await mkdir(tempDir, { recursive: true, mode: 0o700 });
    const settings = {
      memory_limit: `${memoryMb}MiB`,
      threads: String(threads),
      temp_directory: tempDir,
      max_temp_directory_size: `${TEMP_MB_MAX}MiB`,
      preserve_insertion_order: 'false',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    };
    const instance = await duckdb.DuckDBInstance.create(':memory:', settings);
    const connection = await instance.connect();
    for (const table of TABLE_NAMES) await connection.run(stageSql(table));
    return new Engine(duckdb, settings, instance, connection);
  }

  close(): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }

  /**
   * Writes rows into a file for each of their days; `fileOf` says which. `known`: files whose rows are not written
   * again, nor is a row that is among these twice. Answers how many rows each file has.
   */
  write<T extends TableName>(
    table: T,
    rows: readonly Rows[T][],
    fileOf: (day: string) => Promise<string>,
    known: readonly string[] = [],
  ): Promise<ReadonlyMap<string, number>> {
    return this.#alone(async () => {
      const stage = `stage_${table}`;
      await this.#run(`TRUNCATE ${stage}`);
      await this.#stage(table, rows);
      for (let from = 0; from < known.length; from += FILES_AT_ONCE) {
        const files = readOf(known.slice(from, from + FILES_AT_ONCE));
        await this.#run(`DELETE FROM ${stage} WHERE id IN (SELECT id FROM ${files})`);
      }
      const days = await this.#rows(`SELECT day, count(*)::INTEGER FROM ${stage} GROUP BY day ORDER BY day`);
      const written = new Map<string, number>();
      for (const [day, count] of days as [string, number][]) {
        const path = await fileOf(day);
        await this.#run(
          `COPY (SELECT ${writtenColumns(table)} FROM ${stage} WHERE day = ${quoted(day)} ORDER BY ${ORDER}) ` +
            `TO ${quoted(path)} ${PARQUET}`,
        );
        written.set(day, count);
      }
      await this.#run(`TRUNCATE ${stage}`);
      return written;
    });
  }

  /** Makes one file of several, sorted. Answers its rows, and how many different ids they have. */
  merge(
    table: TableName,
    inputs: readonly string[],
    output: string,
  ): Promise<{ readonly rows: number; readonly ids: number }> {
    return this.#alone(async () => {
      const columns = columnNames(table).join(', ');
      await this.#run(
        `COPY (SELECT ${columns} FROM ${readOf(inputs)} ORDER BY ${ORDER}) TO ${quoted(output)} ${PARQUET}`,
      );
      const [found] = await this.#rows(
        `SELECT count(*)::DOUBLE, count(DISTINCT id)::DOUBLE FROM ${readOf([output])}`,
      );
      const [rows = 0, ids = 0] = (found ?? []) as number[];
      return { rows, ids };
    });
  }

  /** Which of the files have rows of these persons. */
  filesWith(files: readonly string[], persons: readonly string[]): Promise<readonly string[]> {
    return this.#alone(async () => {
      const found: string[] = [];
      for (let from = 0; from < files.length; from += FILES_AT_ONCE) {
        const some = files.slice(from, from + FILES_AT_ONCE);
        const rows = await this.#rows(
          `SELECT DISTINCT filename FROM read_parquet([${some.map(quoted).join(', ')}], filename = true) ` +
            `WHERE person IN (${persons.map(quoted).join(', ')})`,
        );
        found.push(...rows.map(([name]) => textOf(name)));
      }
      return found;
    });
  }

  /** Writes a file anew without the persons and where they are. */
  erase(table: TableName, input: string, output: string, persons: readonly string[]): Promise<void> {
    const isErased = `person IN (${persons.map(quoted).join(', ')})`;
    const columns = columnNames(table).map((name) =>
      name === 'person' || name === 'country'
        ? `CASE WHEN ${isErased} THEN NULL ELSE ${name} END AS ${name}`
        : name,
    );
    return this.#alone(() =>
      this.#run(
        `COPY (SELECT ${columns.join(', ')} FROM ${readOf([input])} ORDER BY ${ORDER}) TO ${quoted(output)} ${PARQUET}`,
      ),
    );
  }

  /** What the files say together. */
  async content(table: TableName, files: readonly string[]): Promise<Content> {
    if (files.length === 0) return { rows: 0, ids: 0, hash: '0' };
    return this.#alone(async () => {
      const [found] = await this.#rows(
        `SELECT count(*)::DOUBLE, count(DISTINCT id)::DOUBLE, ` +
          `coalesce(sum(md5_number_lower(t))::VARCHAR || '-' || bit_xor(md5_number_upper(t))::VARCHAR, '0') ` +
          `FROM (SELECT id, ${rowText(table)} AS t FROM ${readOf(files)})`,
      );
      const [rows = 0, ids = 0, hash = '0'] = found ?? [];
      return { rows: Number(rows), ids: Number(ids), hash: textOf(hash) };
    });
  }

  /** Rows of a statement, so many at a time. `sql` is ours: nothing of it was typed by somebody. */
  async *read(sql: string): AsyncGenerator<readonly (readonly Json[])[]> {
    const connection = await this.#instance.connect();
    try {
      const result = await connection.stream(sql);
      for await (const rows of result.yieldRowsJson()) {
        yield rows;
        await othersTurn();
      }
    } finally {
      connection.closeSync();
    }
  }

  /**
   * Answers somebody's question about the tables, `rowsMax` rows at most. Throws an error with a message for people
   * when it is not one question, or is wrong.
   */
  async ask(
    sql: string,
    files: Readonly<Record<TableName, readonly string[]>>,
    { dir, rowsMax }: { readonly dir: string; readonly rowsMax: number },
  ): Promise<{ readonly columns: readonly string[]; readonly rows: readonly (readonly Json[])[] }> {
    // Of its own, because what closes it to the outside holds for all of an instance.
    const instance = await this.#duckdb.DuckDBInstance.create(':memory:', this.#settings);
    const connection = await instance.connect();
    try {
      for (const table of TABLE_NAMES) {
        await connection.run(`CREATE OR REPLACE VIEW ${table} AS ${viewOf(table, files[table])}`);
      }
      await connection.run(`SET allowed_directories = [${quoted(dir)}]`);
      await connection.run('SET enable_external_access = false');
      await connection.run('SET lock_configuration = true');
      const statements = await connection.extractStatements(sql);
      if (statements.count !== 1) throw new Error('it must be one statement');
      const statement = await statements.prepare(0);
      const { SELECT, EXPLAIN } = this.#duckdb.StatementType;
      // What writes would write beside the log.
      if (statement.statementType !== SELECT && statement.statementType !== EXPLAIN) {
        throw new Error('it must be a question: SELECT ...');
      }
      const reader = await statement.streamAndReadUntil(rowsMax);
      return { columns: reader.deduplicatedColumnNames(), rows: reader.getRowsJson().slice(0, rowsMax) };
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  /** Hands rows over in columns, and lets others have their turn in between. */
  async #stage<T extends TableName>(table: T, rows: readonly Rows[T][]): Promise<void> {
    const { VARCHAR, DOUBLE, INTEGER, BOOLEAN, DuckDBDataChunk } = this.#duckdb;
    const types: Readonly<Record<Column<never>['staged'], DuckDBType>> = {
      VARCHAR,
      DOUBLE,
      INTEGER,
      BOOLEAN,
    };
    const columns: readonly Column<Rows[T]>[] = TABLES[table].columns;
    const seen = new Set<string>();
    const appender = await this.#connection.createAppender(`stage_${table}`);
    try {
      for (let from = 0; from < rows.length; from += CHUNK_ROWS) {
        const some = rows.slice(from, from + CHUNK_ROWS).filter(({ id }) => !seen.has(id) && seen.add(id));
        if (some.length === 0) continue;
        const chunk = DuckDBDataChunk.create([VARCHAR, ...columns.map(({ staged }) => types[staged])]);
        const values = columns.map(({ of }): DuckDBValue[] => some.map(of));
        chunk.setColumns([some.map(({ at }) => dayOf(at)), ...values]);
        appender.appendDataChunk(chunk);
        await othersTurn();
      }
      appender.flushSync();
    } finally {
      appender.closeSync();
    }
  }

  /** One after the other: what is staged belongs to one of them. */
  #alone<R>(work: () => Promise<R>): Promise<R> {
    const result = this.#working.then(work);
    this.#working = result.catch(() => undefined);
    return result;
  }

  async #run(sql: string): Promise<void> {
    await this.#connection.run(sql);
  }

  async #rows(sql: string): Promise<readonly (readonly Json[])[]> {
    return (await this.#connection.runAndReadAll(sql)).getRowsJson();
  }
}

/** Of a column that has nothing else. */
export const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

/** As SQL has text. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

const listOf = (files: readonly string[]): string => files.map(quoted).join(', ');

export const readOf = (files: readonly string[]): string =>
  `read_parquet([${listOf(files)}], hive_partitioning = false)`;

function stageSql(table: TableName): string {
  const columns: readonly Pick<Column<never>, 'name' | 'staged'>[] = TABLES[table].columns;
  const named = columns.map(({ name, staged }) => `${name} ${staged}`);
  return `CREATE TABLE stage_${table} (day VARCHAR, ${named.join(', ')})`;
}

/** A table as somebody asks for it, with its day. */
function viewOf(table: TableName, files: readonly string[]): string {
  const columns: readonly Pick<Column<never>, 'name' | 'type'>[] = TABLES[table].columns;
  if (files.length === 0) {
    const none = columns.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${name}`);
    return `SELECT ${none.join(', ')}, CAST(NULL AS DATE) AS day WHERE false`;
  }
  const names = columns.map(({ name }) => name).join(', ');
  return `SELECT ${names}, CAST(happened_at AS DATE) AS day FROM ${readOf(files)}`;
}
