/** A data set in columns: what a training works on, and what goes to its thread without being copied. */
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { Choice, Dataset, Item } from './dataset.js';

export interface Packed {
  /** By id. */
  readonly items: readonly Item[];
  readonly persons: number;
  /** Every country of a choice, in the order of the code. */
  readonly countries: readonly string[];
  /** One entry a choice, in the order of time: whose, from where (-1: not known), what (its place in `items`), when. */
  readonly person: Int32Array;
  readonly country: Int32Array;
  readonly item: Int32Array;
  readonly at: Float64Array;
}

/** More than this and the least chosen items are left out: the model knows nothing of them and ranks them last. */
export const ITEMS_MAX = 5_000;

/** Rows that are packed before others have their turn. */
const ROWS_AT_ONCE = 20_000;

/** Choices of what is no item of the data set are left out. */
export function packed(dataset: Dataset): Packed {
  const work = packing(dataset);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** The same, in small pieces: a million choices would keep a process from answering for a second. */
export async function packedInTurns(dataset: Dataset): Promise<Packed> {
  const work = packing(dataset);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
    await othersTurn();
  }
}

function* packing({ items, choices }: Dataset): Generator<undefined, Packed> {
  const kept = keptItems(items, choices);
  const places = new Map(kept.map(({ id }, place) => [id, place]));
  const found = new Map<string, number>();
  const persons = new Map<string, number>();
  const person = new Int32Array(choices.length);
  const origin = new Int32Array(choices.length);
  const item = new Int32Array(choices.length);
  const at = new Float64Array(choices.length);
  let rows = 0;
  for (const choice of choices) {
    const place = places.get(choice.item);
    if (place === undefined) continue;
    person[rows] = numberOf(persons, choice.person);
    origin[rows] = choice.country === null ? -1 : numberOf(found, choice.country);
    item[rows] = place;
    at[rows] = choice.at;
    rows += 1;
    if (rows % ROWS_AT_ONCE === 0) yield;
  }
  const countries = [...found.keys()].sort();
  const order = Int32Array.from(found.keys(), (code) => countries.indexOf(code));
  return {
    items: kept,
    persons: persons.size,
    countries,
    person: person.slice(0, rows),
    country: origin.slice(0, rows).map((number) => order[number] ?? -1),
    item: item.slice(0, rows),
    at: at.slice(0, rows),
  };
}

/** Numbers are given in the order in which names come. */
function numberOf(numbers: Map<string, number>, name: string): number {
  const number = numbers.get(name) ?? numbers.size;
  numbers.set(name, number);
  return number;
}

function keptItems(items: readonly Item[], choices: readonly Choice[]): readonly Item[] {
  const byId = (list: readonly Item[]): Item[] => [...list].sort((a, b) => a.id - b.id);
  if (items.length <= ITEMS_MAX) return byId(items);
  const counts = new Map<number, number>();
  for (const { item } of choices) counts.set(item, (counts.get(item) ?? 0) + 1);
  const of = ({ id }: Item): number => counts.get(id) ?? 0;
  return byId([...items].sort((a, b) => of(b) - of(a) || a.id - b.id).slice(0, ITEMS_MAX));
}

/** The choices before a row; the same items and countries. */
export function firstOf(data: Packed, rows: number): Packed {
  return {
    ...data,
    person: data.person.subarray(0, rows),
    country: data.country.subarray(0, rows),
    item: data.item.subarray(0, rows),
    at: data.at.subarray(0, rows),
  };
}

/** For each row the row of the same person's choice before it; -1: none. */
export function previousRows({ person, persons }: Packed): Int32Array {
  const last = new Int32Array(persons).fill(-1);
  return person.map((number, row) => {
    const previous = last[number] ?? -1;
    last[number] = row;
    return previous;
  });
}

/** A choice that somebody made before. */
export interface Earlier {
  /** Its place among the items. */
  readonly item: number;
  readonly at: number;
}

/** What the person of a row chose before its time, oldest first, the latest `max`. */
export function historyOf(data: Packed, previous: Int32Array, row: number, max: number): Earlier[] {
  const history: Earlier[] = [];
  const now = data.at[row] ?? 0;
  for (let r = previous[row] ?? -1; r >= 0 && history.length < max; r = previous[r] ?? -1) {
    const at = data.at[r] ?? 0;
    if (at < now) history.push({ item: data.item[r] ?? 0, at });
  }
  return history.reverse();
}

/** Rows between which nobody could choose it, as far as choices tell: `[from, to)`, in order. */
export type Absences = readonly (readonly [from: number, to: number])[];

/** Fewer choices on a side say nothing about how often it is chosen. */
const ABSENCE_CHOICES_MIN = 5;
/** So many choices would have been made in the meantime: that there is none has a chance of 1 in 3,000. */
const ABSENCE_EXPECTED_MIN = 8;

/**
 * When each item could not be had: it was chosen again and again, and then no more while others were. Sold out, not yet
 * on sale, gone: the data do not say which, and for what is learned it is the same.
 */
export function absencesOf(data: Packed): readonly Absences[] {
  const rows = data.items.map((): number[] => []);
  data.item.forEach((item, row) => rows[item]?.push(row));
  return rows.map((chosen) =>
    // Never chosen: the choices of others say nothing of it.
    chosen.length === 0 ? [[0, data.at.length] as const] : gapsOf(chosen, data.at.length),
  );
}

function gapsOf(chosen: readonly number[], end: number): Absences {
  const gaps: [number, number][] = [];
  for (let nth = 0; nth <= chosen.length; nth += 1) {
    const [from, to] = [nth === 0 ? 0 : (chosen[nth - 1] ?? 0) + 1, chosen[nth] ?? end];
    const left = chosen.length - nth;
    const before = nth >= ABSENCE_CHOICES_MIN ? nth / from : 0;
    const after = left >= ABSENCE_CHOICES_MIN ? left / (end - to) : 0;
    const rate = nth === 0 ? after : left === 0 ? before : Math.min(before, after);
    if (rate * (to - from) >= ABSENCE_EXPECTED_MIN) gaps.push([from, to]);
  }
  return gaps;
}
