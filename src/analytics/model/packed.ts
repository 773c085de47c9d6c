/** A data set in columns: what a training works on, and what goes to its thread without being copied. */
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

/** Choices of what is no item of the data set are left out. */
export function packed({ items, choices }: Dataset): Packed {
  const kept = keptItems(items, choices);
  const places = new Map(kept.map(({ id }, place) => [id, place]));
  const codes = [...new Set(choices.flatMap(({ country }) => (country === null ? [] : [country])))].sort();
  const countries = new Map(codes.map((code, place) => [code, place]));
  const persons = new Map<string, number>();
  const known = choices.filter(({ item }) => places.has(item));
  const person = new Int32Array(known.length);
  const country = new Int32Array(known.length).fill(-1);
  const item = new Int32Array(known.length);
  const at = new Float64Array(known.length);
  known.forEach((choice, row) => {
    const number = persons.get(choice.person) ?? persons.size;
    persons.set(choice.person, number);
    person[row] = number;
    if (choice.country !== null) country[row] = countries.get(choice.country) ?? -1;
    item[row] = places.get(choice.item) ?? 0;
    at[row] = choice.at;
  });
  return { items: kept, persons: persons.size, countries: codes, person, country, item, at };
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
