/** Months as weeks of days. Days are `YYYY-MM-DD`, whatever the reader's time zone. */

export interface Month {
  /** `YYYY-MM`. */
  readonly month: string;
  /** Seven each; null where the week has a day of another month. */
  readonly weeks: readonly (readonly (string | null)[])[];
}

/** Longer lists than that are no calendar. */
const MONTHS_MAX = 24;
const DAY_MS = 24 * 60 * 60_000;

/** Every month that has one of the days. `weekStart`: 0 for Sunday to 6. */
export function monthsOf(days: readonly string[], weekStart: number): Month[] {
  const months = [...new Set(days.map((day) => day.slice(0, 7)))].sort().slice(0, MONTHS_MAX);
  return months.map((month) => ({ month, weeks: weeksOf(month, weekStart) }));
}

function weeksOf(month: string, weekStart: number): (string | null)[][] {
  const first = Date.parse(`${month}-01T00:00:00Z`);
  const cells: (string | null)[] = [];
  const before = (new Date(first).getUTCDay() - weekStart + 7) % 7;
  for (let blank = 0; blank < before; blank += 1) cells.push(null);
  for (let at = first; new Date(at).toISOString().startsWith(month); at += DAY_MS) {
    cells.push(new Date(at).toISOString().slice(0, 10));
  }
  while (cells.length % 7 !== 0) cells.push(null);
  return Array.from({ length: cells.length / 7 }, (_, week) => cells.slice(week * 7, week * 7 + 7));
}

/** A week's days in their order, as dates in UTC: for the names of weekdays. */
export function weekdays(weekStart: number): string[] {
  // 1 January 2023 was a Sunday.
  return Array.from({ length: 7 }, (_, index) =>
    new Date(Date.UTC(2023, 0, 1 + weekStart + index)).toISOString().slice(0, 10),
  );
}
