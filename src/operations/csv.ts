/**
 * Tables as CSV (RFC 4180). Guarantee: no text in a cell is taken for a formula by a spreadsheet: names of teams and
 * of marketplaces are other people's words.
 */

export const CSV_TYPE = 'text/csv; charset=utf-8; header=present';

/** Absent: an empty cell. */
export type Cell = string | number | undefined;

/** Spreadsheets begin to calculate at these, also behind a tab or a line break. */
const FORMULA = /^[=+\-@\t\r\n]/;
const SPECIAL = /[",\r\n]/;

export function csvOf(header: readonly string[], rows: Iterable<readonly Cell[]>): string {
  const lines = [header, ...rows].map((cells) => cells.map(cellText).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

function cellText(cell: Cell): string {
  if (cell === undefined) return '';
  if (typeof cell === 'number') return String(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return SPECIAL.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
