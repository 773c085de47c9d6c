/**
 * Search over the matches, in the browser: as one types, by team, city, stadium, group and number; typing mistakes
 * are forgiven; in Arabic by the names in both languages, with or without marks, the article and forms of a letter.
 */
import MiniSearch from 'minisearch';
import type { MatchView } from '../api/types';
import { stadiumOf } from './stadiums';
import { TO_BE_ANNOUNCED } from './teams';

/** A letter and its look-alikes, as people type them. */
const FOLDED: readonly (readonly [RegExp, string])[] = [
  [/\p{M}|ـ/gu, ''],
  [/[أإآٱ]/g, 'ا'],
  [/ة/g, 'ه'],
  [/[ىئ]/g, 'ي'],
  [/ؤ/g, 'و'],
];

export function folded(word: string): string {
  const plain = FOLDED.reduce(
    (text, [pattern, letter]) => text.replace(pattern, letter),
    word.normalize('NFKD').toLowerCase(),
  );
  // "The" of Arabic names: قطر and القطر are looked for alike.
  return plain.length > 4 && plain.startsWith('ال') ? plain.slice(2) : plain;
}

/** Queries are not read any further, characters. */
export const QUERY_CHARS_MAX = 100;
/** One mistake in so many letters is forgiven. */
const FUZZY = 0.25;
const FUZZY_FROM_CHARS = 4;

export class MatchSearch {
  readonly #index: MiniSearch<{ id: number; text: string }>;

  /** `nameOf`: a name of the master list in the reader's language. */
  constructor(matches: readonly MatchView[], nameOf: (name: string) => string) {
    this.#index = new MiniSearch({ fields: ['text'], processTerm: (term) => folded(term) || null });
    this.#index.addAll(
      matches.map((match) => ({ id: match.matchNumber, text: words(match, nameOf).join(' ') })),
    );
  }

  /** Numbers of the matches that have every word; null when nothing is asked for. */
  find(query: string): ReadonlySet<number> | null {
    const text = query.slice(0, QUERY_CHARS_MAX).trim();
    if (text === '') return null;
    const found = this.#index.search(text, {
      combineWith: 'AND',
      prefix: true,
      fuzzy: (term) => (term.length >= FUZZY_FROM_CHARS ? FUZZY : false),
    });
    return new Set(found.map(({ id }) => Number(id)));
  }
}

/** Names said in one search are not read any further. */
const NAMES_MAX = 5;

/**
 * Which teams, stadiums and cities a query names, by their names in the master list. Every word of a name must stand there,
 * spelled as the search compares words: what is half typed, mistyped or anything else names nothing.
 */
export function namedIn(
  query: string,
  matches: readonly MatchView[],
  nameOf: (name: string) => string,
): string[] {
  const typed = new Set(wordsOf(query.slice(0, QUERY_CHARS_MAX)));
  if (typed.size === 0) return [];
  const names = new Set(
    matches.flatMap(({ homeTeam, awayTeam, location }) => {
      const city = stadiumOf(location)?.city;
      return [homeTeam, awayTeam, location, ...(city === undefined ? [] : [city])];
    }),
  );
  const isNamed = (name: string): boolean => {
    const all = wordsOf(name);
    return all.length > 0 && all.every((word) => typed.has(word));
  };
  return [...names]
    .filter((name) => name !== TO_BE_ANNOUNCED && (isNamed(name) || isNamed(nameOf(name))))
    .slice(0, NAMES_MAX);
}

const wordsOf = (text: string): string[] =>
  text
    .split(/[^\p{L}\p{M}\p{N}]+/u)
    .map(folded)
    .filter((word) => word !== '');

function words(match: MatchView, nameOf: (name: string) => string): string[] {
  const { homeTeam, awayTeam, location, group, matchNumber } = match;
  const city = stadiumOf(location)?.city;
  const names = [homeTeam, awayTeam, location, ...(city === undefined ? [] : [city])];
  return [
    ...names.flatMap((name) => [name, nameOf(name)]),
    String(matchNumber),
    ...(group === null ? [] : [`Group ${group}`, nameOf(`Group ${group}`)]),
  ];
}
