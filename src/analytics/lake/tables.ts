/** The tables of the lake, column by column: what a row is made of, and how it is written. */
import type { Booking } from '../booking.js';

/** What a value is while rows are on their way into a file. */
type Staged = 'VARCHAR' | 'DOUBLE' | 'INTEGER' | 'BOOLEAN';
export type StagedValue = string | number | boolean | null;

export interface Column<R> {
  readonly name: string;
  /** In the file. */
  readonly type: string;
  readonly staged: Staged;
  readonly of: (row: R) => StagedValue;
  /** From what is staged to what is written, in SQL; absent: a cast. */
  readonly as?: string;
}

export interface Table<R> {
  readonly name: TableName;
  readonly columns: readonly Column<R>[];
}

/** Somebody looked at a match. */
export interface ViewRow {
  readonly id: string;
  /** When it was taken in, epoch milliseconds. */
  readonly at: number;
  readonly person: string | null;
  readonly country: string | null;
  readonly matchNumber: number;
}

/** Somebody searched. */
export interface SearchRow {
  readonly id: string;
  readonly at: number;
  readonly person: string | null;
  readonly country: string | null;
  /** Names that the catalog has. */
  readonly terms: readonly string[];
  readonly results: number;
}

export interface Rows {
  readonly bookings: Booking;
  readonly views: ViewRow;
  readonly searches: SearchRow;
}
export const TABLE_NAMES = ['bookings', 'views', 'searches'] as const satisfies readonly (keyof Rows)[];
export type TableName = (typeof TABLE_NAMES)[number];

/** Between the terms of a search while they are staged; no name has it. */
const SEPARATOR = '\u001f';

const text = <R>(name: string, of: (row: R) => string | null): Column<R> => ({
  name,
  type: 'VARCHAR',
  staged: 'VARCHAR',
  of,
});
const whole = <R>(name: string, of: (row: R) => number): Column<R> => ({
  name,
  type: 'INTEGER',
  staged: 'INTEGER',
  of,
});
/** `at` is a word of SQL. */
const time = <R extends { readonly at: number }>(): Column<R> => ({
  name: 'happened_at',
  type: 'TIMESTAMP',
  staged: 'DOUBLE',
  of: ({ at }) => at,
  as: 'make_timestamp_ms(CAST(happened_at AS BIGINT))::TIMESTAMP',
});

const BOOKINGS: Table<Booking> = {
  name: 'bookings',
  columns: [
    text('id', ({ id }) => id),
    time(),
    text('kind', ({ kind }) => kind),
    whole('match_number', ({ matchNumber }) => matchNumber),
    whole('category', ({ category }) => category),
    text('marketplace', ({ marketplace }) => marketplace),
    { name: 'is_own', type: 'BOOLEAN', staged: 'BOOLEAN', of: ({ isOwn }) => isOwn },
    whole('quantity', ({ quantity }) => quantity),
    whole('held_delta', ({ heldDelta }) => heldDelta),
    whole('sold_delta', ({ soldDelta }) => soldDelta),
    {
      name: 'unit_price_minor',
      type: 'BIGINT',
      staged: 'DOUBLE',
      of: ({ unitPriceMinor }) => unitPriceMinor,
    },
    text('currency', ({ currency }) => currency),
    text('person', ({ person }) => person),
    text('country', ({ country }) => country),
  ],
};

const VIEWS: Table<ViewRow> = {
  name: 'views',
  columns: [
    text('id', ({ id }) => id),
    time(),
    whole('match_number', ({ matchNumber }) => matchNumber),
    text('person', ({ person }) => person),
    text('country', ({ country }) => country),
  ],
};

const SEARCHES: Table<SearchRow> = {
  name: 'searches',
  columns: [
    text('id', ({ id }) => id),
    time(),
    {
      name: 'terms',
      type: 'VARCHAR[]',
      staged: 'VARCHAR',
      of: ({ terms }) => terms.join(SEPARATOR),
      as: "CASE WHEN terms = '' THEN CAST([] AS VARCHAR[]) ELSE string_split(terms, chr(31)) END",
    },
    whole('results', ({ results }) => results),
    text('person', ({ person }) => person),
    text('country', ({ country }) => country),
  ],
};

export const TABLES: { readonly [T in TableName]: Table<Rows[T]> } = {
  bookings: BOOKINGS,
  views: VIEWS,
  searches: SEARCHES,
};

/** How the rows of a file are sorted. */
export const ORDER = 'happened_at, id';

/** `2022-11-20`, UTC. */
export const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10);

export const DAY_MS = 24 * 3_600_000;

/** The list of what is selected from staged rows. */
export function writtenColumns(table: TableName): string {
  const columns: readonly Pick<Column<never>, 'name' | 'type' | 'as'>[] = TABLES[table].columns;
  return columns
    .map(({ name, type, as: expression = `CAST(${name} AS ${type})` }) => `${expression} AS ${name}`)
    .join(', ');
}

/** Columns as they are read. */
export function columnNames(table: TableName): readonly string[] {
  return TABLES[table].columns.map(({ name }) => name);
}

/** A row as one text, the same wherever and however it is stored; absent values are told from empty ones. */
export function rowText(table: TableName): string {
  const columns: readonly Pick<Column<never>, 'name' | 'type'>[] = TABLES[table].columns;
  const parts = columns.map(({ name, type }) => {
    const value = type === 'TIMESTAMP' ? `epoch_ms(${name})` : name;
    return `coalesce(CAST(${value} AS VARCHAR), '\u2205')`;
  });
  return `concat_ws(chr(31), ${parts.join(', ')})`;
}
