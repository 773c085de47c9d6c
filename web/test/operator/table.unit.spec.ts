/** Tables of operators: sorting, and files that a spreadsheet may open. */
import { describe, expect, it } from '@jest/globals';
import { csvOf } from '../../src/operator/csv';
import { nextSorting, sortedRows, tableOf, type Column } from '../../src/operator/ui/table';

interface Row {
  readonly name: string;
  readonly sold: number;
}
const ROWS: readonly Row[] = [
  { name: 'match 10', sold: 5 },
  { name: 'match 9', sold: 70 },
  { name: 'match 2', sold: 5 },
];
const name: Column<Row> = { key: 'name', header: 'Match', cell: (row) => row.name, sort: (row) => row.name };
const sold: Column<Row> = {
  key: 'sold',
  header: 'Sold',
  cell: (row) => row.sold,
  sort: (row) => row.sold,
  isNumber: true,
};
const action: Column<Row> = { key: 'action', header: 'Change', cell: () => 'End' };
const COLUMNS = [name, sold, action];
const namesBy = (key: string, direction: 'ascending' | 'descending'): string[] =>
  sortedRows(ROWS, COLUMNS, { key, direction }, 'en').map((row) => row.name);

describe('a sorted table', () => {
  it('puts numbers by their size, and numbers in words too', () => {
    expect(namesBy('sold', 'descending')).toEqual(['match 9', 'match 10', 'match 2']);
    expect(namesBy('name', 'ascending')).toEqual(['match 2', 'match 9', 'match 10']);
    expect(namesBy('name', 'descending')).toEqual(['match 10', 'match 9', 'match 2']);
  });

  it('leaves rows alone that are alike, that are not sorted, or by a column that cannot be', () => {
    expect(namesBy('sold', 'ascending')).toEqual(['match 10', 'match 2', 'match 9']);
    expect(sortedRows(ROWS, COLUMNS, null, 'en')).toBe(ROWS);
    expect(namesBy('action', 'ascending')).toEqual(ROWS.map((row) => row.name));
  });

  it('begins a column of numbers with the largest, and turns round when pressed again', () => {
    const first = nextSorting(sold, null);
    expect(first).toEqual({ key: 'sold', direction: 'descending' });
    expect(nextSorting(sold, first)).toEqual({ key: 'sold', direction: 'ascending' });
    expect(nextSorting(name, first)).toEqual({ key: 'name', direction: 'ascending' });
  });
});

describe('the file of a table', () => {
  it('has the columns with a value, and not those with buttons', () => {
    expect(tableOf(COLUMNS, ROWS.slice(0, 1))).toEqual([
      ['Match', 'Sold'],
      ['match 10', 5],
    ]);
    const inUnits: Column<Row> = { ...sold, csv: (row) => row.sold / 100 };
    expect(tableOf([{ ...name, csv: null }, inUnits], ROWS.slice(1, 2))).toEqual([['Sold'], [0.7]]);
  });

  it('quotes what RFC 4180 says, and ends every line', () => {
    expect(
      csvOf([
        ['a', 'b'],
        ['x,y', 'say "no"'],
        ['two\nlines', null],
        [true, undefined],
      ]),
    ).toBe('\ufeffa,b\r\n"x,y","say ""no"""\r\n"two\nlines",\r\ntrue,\r\n');
  });

  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '=HYPERLINK("http://x","y")'])(
    'runs nothing in a spreadsheet: %j',
    (text) => {
      const [, cell = ''] = csvOf([['name', text]]).split(',');
      expect(cell.replace(/^"/, '').startsWith("'")).toBe(true);
    },
  );

  it('keeps numbers below zero numbers', () => {
    expect(csvOf([[-3, '-3']])).toBe("\ufeff-3,'-3\r\n");
  });
});
