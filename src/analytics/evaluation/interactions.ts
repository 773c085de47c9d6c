/**
 * Data sets from files in public formats: who chose what and when.
 *
 * - RecBole's atomic files: `NAME.inter` with `user_id:token`, `item_id:token` and `timestamp:float`, tabs between; facts
 *   from `NAME.item` and `NAME.user` beside it, where there are such files
 *   (https://recbole.io/docs/user_guide/data/atomic_files.html).
 * - MovieLens: `ratings.csv` with its header, `u.data` with tabs, `ratings.dat` with `::`
 *   (https://grouplens.org/datasets/movielens/). Each rating is a choice, whatever the stars.
 *
 * Guarantees: files are read as a stream and have limits; a line that is not as it should be is named with its number,
 * and nothing is taken of such a file. Times are seconds, or milliseconds where they are so large that they must be.
 */
import { createReadStream, existsSync } from 'node:fs';
import { basename } from 'node:path';
import { Failure } from '../../peer/program.js';
import type { Choice, Dataset, Item } from '../model/dataset.js';

export const LINE_CHARS_MAX = 100_000;
export const CHOICES_MAX = 5_000_000;
const ITEMS_MAX = 1_000_000;
const PROBLEMS_MAX = 10;

/** Seconds past this would be after the year 5000. */
const SECONDS_MAX = 1e11;

const COUNTRY = /^[A-Z]{2}$/;

interface Format {
  readonly separator: string;
  /** Null: the first line is data, in the order of MovieLens. */
  readonly columns: { readonly user: string; readonly item: string; readonly time: string } | null;
}

const MOVIELENS_PLACES = { user: 0, item: 1, time: 3 } as const;

/** Throws `Failure`. */
export async function readInteractions(path: string): Promise<Dataset> {
  const format = formatOf(path);
  const rows = new Rows();
  const file = new File(path);
  let places: Readonly<Record<'user' | 'item' | 'time', number>> | null = format.columns
    ? null
    : MOVIELENS_PLACES;
  await file.each(format.separator, (cells) => {
    if (!places) {
      places = placesIn(path, cells, format);
      return null;
    }
    return rows.add(cells[places.user], cells[places.item], cells[places.time]);
  });
  if (rows.length === 0) throw new Failure(`${path} holds no interactions.`);
  const stem = path.replace(/\.inter$/, '');
  const isAtomic = stem !== path;
  const facts = isAtomic ? await factsOf(`${stem}.item`) : new Map<string, Omit<Item, 'id'>>();
  const countries = isAtomic ? await countriesOf(`${stem}.user`) : new Map<string, string>();
  return rows.dataset(facts, countries);
}

function formatOf(path: string): Format {
  const name = basename(path);
  const atomic = { user: 'user_id:token', item: 'item_id:token', time: 'timestamp:float' };
  if (name.endsWith('.inter')) return { separator: '\t', columns: atomic };
  if (name.endsWith('.csv'))
    return { separator: ',', columns: { user: 'userId', item: 'movieId', time: 'timestamp' } };
  if (name.endsWith('.data')) return { separator: '\t', columns: null };
  if (name.endsWith('.dat')) return { separator: '::', columns: null };
  throw new Failure(
    `${path} is of no known format: NAME.inter of RecBole, or ratings.csv, u.data or ratings.dat of MovieLens.`,
  );
}

function placesIn(path: string, header: readonly string[], { columns }: Format) {
  const { user, item, time } = columns ?? { user: '', item: '', time: '' };
  const missing = [user, item, time].filter((name) => !header.includes(name));
  if (missing.length > 0) {
    throw new Failure(`${path}:1: the header lacks ${missing.join(', ')}; it has ${header.join(', ')}.`);
  }
  return { user: header.indexOf(user), item: header.indexOf(item), time: header.indexOf(time) };
}

/** Interactions as they come; few bytes each, because there may be millions. */
class Rows {
  readonly #users = new Numbers();
  readonly #items = new Numbers();
  readonly #user: number[] = [];
  readonly #item: number[] = [];
  readonly #at: number[] = [];

  get length(): number {
    return this.#at.length;
  }

  /** What is wrong with them; null: nothing, and they are kept. */
  add(user = '', item = '', time = ''): string | null {
    if (user === '') return 'no user';
    if (item === '') return 'no item';
    const at = timeOf(time);
    if (at === null) return `${JSON.stringify(time)} is no time`;
    if (this.length >= CHOICES_MAX) throw new Failure(`There are more than ${CHOICES_MAX} interactions.`);
    this.#user.push(this.#users.of(user));
    this.#item.push(this.#items.of(item));
    this.#at.push(at);
    return null;
  }

  dataset(facts: ReadonlyMap<string, Omit<Item, 'id'>>, countries: ReadonlyMap<string, string>): Dataset {
    // Items with facts can be chosen, whether anybody did or not.
    for (const name of facts.keys()) this.#items.of(name);
    const names = this.#items.names;
    const persons = this.#users.names;
    if (names.length > ITEMS_MAX) throw new Failure(`There are more than ${ITEMS_MAX} items.`);
    const ids = idsOf(names);
    const items = names.map((name, i) => ({ id: ids[i] ?? i, ...facts.get(name) }));
    const choices = this.#at.map((at, i): Choice => {
      const person = persons[this.#user[i] ?? 0] ?? '';
      return { person, country: countries.get(person) ?? null, item: ids[this.#item[i] ?? 0] ?? 0, at };
    });
    return { items: items.sort((a, b) => a.id - b.id), choices: choices.sort(inOrder) };
  }
}

const inOrder = (a: Choice, b: Choice): number =>
  a.at - b.at || (a.person < b.person ? -1 : a.person > b.person ? 1 : a.item - b.item);

/** Names, numbered in the order in which they first come. */
class Numbers {
  readonly names: string[] = [];
  readonly #numbers = new Map<string, number>();

  of(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.names.length);
    return this.names.push(name) - 1;
  }
}

/** The names themselves where all are whole numbers, else their order. */
function idsOf(names: readonly string[]): readonly number[] {
  const isNumbers = names.every((name) => /^(0|[1-9]\d{0,14})$/.test(name));
  return names.map((name, i) => (isNumbers ? Number(name) : i));
}

/** Epoch milliseconds. */
function timeOf(text: string): number | null {
  const time = Number(text);
  if (text.trim() === '' || !Number.isFinite(time) || time < 0) return null;
  return Math.round(time > SECONDS_MAX ? time : time * 1_000);
}

async function factsOf(path: string): Promise<ReadonlyMap<string, Omit<Item, 'id'>>> {
  const facts = new Map<string, Omit<Item, 'id'>>();
  await eachRecord(path, 'item_id:token', (id, cells) => {
    const { 'at:float': at, 'teams:token_seq': teams, 'city:token': city, 'stage:token': stage } = cells;
    const price = cells['price_minor:float'];
    const time = at === undefined || at === '' ? undefined : timeOf(at);
    if (time === null) return `${JSON.stringify(at)} is no time`;
    if (price !== undefined && price !== '' && !Number.isFinite(Number(price)))
      return `${JSON.stringify(price)} is no price`;
    facts.set(id, {
      ...(time !== undefined && { at: time }),
      ...(teams !== undefined && { teams: teams.split(' ').filter(Boolean).map(nameOf) }),
      ...(city && { city }),
      ...(stage && { stage }),
      ...(price && { priceMinor: Number(price) }),
    });
    return null;
  });
  return facts;
}

/** A blank parts the words of a sequence, so `_` stands for it within one. */
const nameOf = (word: string): string => word.replaceAll('_', ' ');

async function countriesOf(path: string): Promise<ReadonlyMap<string, string>> {
  const countries = new Map<string, string>();
  await eachRecord(path, 'user_id:token', (id, cells) => {
    const country = cells['country:token'];
    if (country === undefined || country === '') return null;
    if (!COUNTRY.test(country)) return `${JSON.stringify(country)} is no country of ISO 3166-1 alpha-2`;
    countries.set(id, country);
    return null;
  });
  return countries;
}

type Cells = Readonly<Record<string, string | undefined>>;

/** Of a file that need not be there. */
async function eachRecord(
  path: string,
  key: string,
  take: (id: string, cells: Cells) => string | null,
): Promise<void> {
  if (!existsSync(path)) return;
  let header: readonly string[] | null = null;
  await new File(path).each('\t', (cells) => {
    if (!header) {
      header = cells;
      if (!header.includes(key)) throw new Failure(`${path}:1: the header lacks ${key}.`);
      return null;
    }
    const record: Cells = Object.fromEntries(header.map((name, i) => [name, cells[i]]));
    const id = record[key];
    return id === undefined || id === '' ? `no ${key}` : take(id, record);
  });
}

/** A text file whose bad lines are gathered. */
class File {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** `take` says what is wrong with a line, or null. Throws `Failure` when anything was. Empty lines are passed over. */
  async each(separator: string, take: (cells: readonly string[]) => string | null): Promise<void> {
    const problems: string[] = [];
    let number = 0;
    let bad = 0;
    for await (const line of this.#lines()) {
      number += 1;
      if (line === '') continue;
      const problem = take(line.split(separator));
      if (problem === null) continue;
      bad += 1;
      if (bad <= PROBLEMS_MAX) problems.push(`  ${this.#path}:${number}: ${problem}`);
    }
    if (bad === 0) return;
    const more = bad > PROBLEMS_MAX ? [`  ... and ${bad - PROBLEMS_MAX} more`] : [];
    throw new Failure([`${this.#path} cannot be used:`, ...problems, ...more].join('\n'));
  }

  async *#lines(): AsyncGenerator<string> {
    let rest = '';
    try {
      for await (const chunk of createReadStream(this.#path, 'utf8') as AsyncIterable<string>) {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > LINE_CHARS_MAX) {
          throw new Failure(`${this.#path} has a line of more than ${LINE_CHARS_MAX} characters.`);
        }
        for (const line of lines) yield line.replace(/\r$/, '');
      }
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(
        `${this.#path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (rest !== '') yield rest.replace(/\r$/, '');
  }
}
