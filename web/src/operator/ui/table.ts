/** What a table is made of, how it is sorted, and what of it is in its file. Pure. */
import type { ReactNode } from 'react';
import type { CsvValue } from '../csv';

export interface Column<Row> {
  readonly key: string;
  readonly header: string;
  readonly cell: (row: Row) => ReactNode;
  /** What it is sorted by; a column without cannot be sorted. */
  readonly sort?: (row: Row) => number | string;
  /** Its value in the file, instead of `sort`'s; null for a column that is not in the file. */
  readonly csv?: ((row: Row) => CsvValue) | null;
  /** Set at the end of its cell, all digits as wide. */
  readonly isNumber?: true;
  /** Never broken into lines: times, names of things. */
  readonly isShort?: true;
  /** The one that names the row. */
  readonly isName?: true;
}

export interface Sorting {
  readonly key: string;
  readonly direction: 'ascending' | 'descending';
}

/** The header first. */
export function tableOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): CsvValue[][] {
  const written = columns.flatMap(({ header, csv, sort }) => {
    const value = csv === undefined ? sort : csv;
    return value ? [{ header, value }] : [];
  });
  return [written.map(({ header }) => header), ...rows.map((row) => written.map(({ value }) => value(row)))];
}

/** The other way round; a column of numbers begins with the largest. */
export function nextSorting<Row>(column: Column<Row>, before: Sorting | null): Sorting {
  const first = column.isNumber ? 'descending' : 'ascending';
  if (before?.key !== column.key) return { key: column.key, direction: first };
  return { key: column.key, direction: before.direction === 'ascending' ? 'descending' : 'ascending' };
}

/** Rows that are alike stay in the order they came in. */
export function sortedRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sorting: Sorting | null,
  language: string,
): readonly Row[] {
  const by = sorting && columns.find(({ key }) => key === sorting.key)?.sort;
  if (!by) return rows;
  const sign = sorting.direction === 'ascending' ? 1 : -1;
  const collator = new Intl.Collator(language, { numeric: true });
  return rows
    .map((row) => ({ row, value: by(row) }))
    .sort((a, b) =>
      typeof a.value === 'number' && typeof b.value === 'number'
        ? sign * (a.value - b.value)
        : sign * collator.compare(String(a.value), String(b.value)),
    )
    .map(({ row }) => row);
}
