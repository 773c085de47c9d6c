/**
 * What keeps the lake small and quick: many files of a day become one, days that are over their time go, and persons
 * who were erased are taken out. Guarantees: each step is one entry of the log and bounded; rows that stay say the
 * same as before.
 */
import { LakeDamagedError, type LakeFile } from './log.js';
import { filesOf, type LakeWriter } from './lake.js';
import { DAY_MS, TABLE_NAMES, dayOf, type TableName } from './tables.js';

/** So many small files of a day are merged though more will come. */
export const SMALL_FILES_MAX = 16;
/** A file with fewer rows is small: merging it again costs little. */
const SMALL_ROWS = 100_000;
/** Files that are merged at once. */
const MERGED_MAX = 200;
/** A day is over when nothing of it is on the way any more. */
const LATE_MS = 3_600_000;

export interface Merge {
  readonly table: TableName;
  readonly day: string;
  readonly files: readonly LakeFile[];
}

/** Pure: what is to be merged next, the oldest day first; null for nothing. */
export function nextMerge(files: ReadonlyMap<string, LakeFile>, now: number): Merge | null {
  const today = dayOf(now - LATE_MS);
  const days = new Map<string, LakeFile[]>();
  for (const file of files.values()) {
    const key = `${file.day}/${file.table}`;
    const found = days.get(key) ?? [];
    days.set(key, found);
    found.push(file);
  }
  for (const [, all] of [...days].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [first] = all;
    if (!first || all.length < 2) continue;
    const { table, day } = first;
    const small = all.filter(({ rows }) => rows < SMALL_ROWS);
    const chosen = day < today ? all : small.length >= SMALL_FILES_MAX ? small : [];
    if (chosen.length < 2) continue;
    // The smallest first, so that a large one is not written again for each few rows.
    const some = [...chosen].sort((a, b) => a.rows - b.rows).slice(0, MERGED_MAX);
    return { table, day, files: some };
  }
  return null;
}

/** Throws `LakeDamagedError`, and changes nothing, when a row is there twice or one is missing. */
export async function merge(writer: LakeWriter, { table, day, files }: Merge): Promise<void> {
  const { lake } = writer;
  const path = await writer.place(table, day);
  const inputs = files.map((file) => lake.files.pathOf(file.path));
  const engine = await lake.engine();
  const { rows, ids } = await engine.merge(table, inputs, lake.files.pathOf(path));
  const expected = files.reduce((sum, file) => sum + file.rows, 0);
  if (rows !== expected || ids !== rows) {
    await lake.files.remove(path);
    throw new LakeDamagedError(
      `${table} of ${day}: ${rows} rows of ${ids} different events, and ${expected} were expected`,
    );
  }
  const added = [await writer.placed(path, table, day, rows)];
  await writer.commit({
    what: `${files.length} files of ${table} of ${day} merged`,
    added,
    removed: files.map((file) => file.path),
  });
}

/** Days that each table keeps. */
export type DaysKept = Readonly<Record<TableName, number>>;

/** Lets go of days that are over their time. Answers how many files that were. */
export async function forget(writer: LakeWriter, days: DaysKept, now: number): Promise<number> {
  const removed = TABLE_NAMES.flatMap((table) => {
    const oldest = dayOf(now - days[table] * DAY_MS);
    return filesOf(writer.state.files, table).filter(({ day }) => day < oldest);
  });
  if (removed.length === 0) return 0;
  await writer.commit({
    what: `${removed.length} files were over their time`,
    removed: removed.map(({ path }) => path),
  });
  return removed.length;
}

/** Takes persons out of every row. `through`: time of the newest of the erasures. */
export async function erase(writer: LakeWriter, persons: readonly string[], through: number): Promise<void> {
  const { lake } = writer;
  const engine = await lake.engine();
  const added: LakeFile[] = [];
  const removed: string[] = [];
  for (const table of TABLE_NAMES) {
    const files = filesOf(writer.state.files, table);
    const found = new Set(
      await engine.filesWith(
        files.map(({ path }) => lake.files.pathOf(path)),
        persons,
      ),
    );
    for (const file of files) {
      const input = lake.files.pathOf(file.path);
      if (!found.has(input)) continue;
      const path = await writer.place(table, file.day);
      await engine.erase(table, input, lake.files.pathOf(path), persons);
      added.push(await writer.placed(path, table, file.day, file.rows));
      removed.push(file.path);
    }
  }
  const erasedThrough = Math.max(through, writer.state.erasedThrough);
  if (added.length === 0 && erasedThrough === writer.state.erasedThrough) return;
  await writer.commit({ what: `${persons.length} persons were erased`, added, removed, erasedThrough });
}
