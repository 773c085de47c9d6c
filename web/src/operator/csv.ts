/** Files of tables for spreadsheets: RFC 4180, in UTF-8 with its mark, without which some take it for something else. */

export type CsvValue = string | number | boolean | null | undefined;

/** A spreadsheet would take such a text for a formula and run it (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@\t\r\n]/;
const NEEDS_QUOTES = /[",\r\n]/;

function cellOf(value: CsvValue): string {
  if (typeof value !== 'string') return String(value ?? '');
  const harmless = FORMULA.test(value) ? `'${value}` : value;
  return NEEDS_QUOTES.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** `rows`, the header first. Numbers stay numbers; a text that looks like a formula gets an apostrophe before it. */
export function csvOf(rows: readonly (readonly CsvValue[])[]): string {
  return `\ufeff${rows.map((row) => `${row.map(cellOf).join(',')}\r\n`).join('')}`;
}
