/**
 * Recommendations from popularity alone: what others buy and what is still on sale. No profile of the reader is
 * kept or needed. A match that cannot be bought now is never recommended.
 */
import type { TicketCounters } from '../actors/ports.js';
import { statusOf, type ListedMatch, type MatchView } from './read-model.js';

export interface Recommendation {
  readonly match: MatchView;
  /** In plain words, most telling first. */
  readonly reasons: readonly string[];
  /** 0 to 1; only its order means anything. */
  readonly score: number;
}

export const POPULARITY_MODEL = {
  name: 'popularity',
  version: 1,
  description:
    'Ranks matches by the share of their tickets that is sold or held, then by what is on sale now; matches of the country asked for come first. No personal data is used.',
} as const;

/** Weights; they add up to 1, so the score stays between 0 and 1. */
const WEIGHTS = { taken: 0.5, onSale: 0.1, country: 0.4 } as const;
/** From this share on a match is called popular. */
const POPULAR_SHARE = 0.25;
/** At most so many left in a category are called few. */
const FEW_LEFT = 5;

const isOnSale = (ticket: TicketCounters): boolean => statusOf(ticket) === 'available' && !ticket.closed;

export function recommend(
  matches: readonly ListedMatch[],
  country: string | undefined,
  limit: number,
): Recommendation[] {
  const names = country === undefined ? [] : countryNames(country);
  return matches
    .filter(({ counters }) => counters.some(isOnSale))
    .map(({ view, counters }) => scored(view, counters, names))
    .sort((a, b) => b.score - a.score || a.match.matchNumber - b.match.matchNumber)
    .slice(0, limit);
}

function scored(
  match: MatchView,
  counters: readonly TicketCounters[],
  names: readonly string[],
): Recommendation {
  const onSale = counters.filter(isOnSale);
  const capacity = sum(counters.map((ticket) => ticket.capacity));
  const left = sum(counters.map((ticket) => Math.max(0, ticket.pending)));
  const taken = capacity === 0 ? 0 : Math.min(1, Math.max(0, 1 - left / capacity));
  const team = [match.homeTeam, match.awayTeam].find((name) => names.includes(name.toLowerCase()));
  const score =
    WEIGHTS.taken * taken +
    WEIGHTS.onSale * (onSale.length / counters.length) +
    (team === undefined ? 0 : WEIGHTS.country);
  return { match, reasons: reasons(team, taken, onSale), score: Math.round(score * 1_000) / 1_000 };
}

function reasons(team: string | undefined, taken: number, onSale: readonly TicketCounters[]): string[] {
  const few = onSale
    .filter((ticket) => ticket.pending <= FEW_LEFT)
    .map((ticket) => `Only ${ticket.pending} left in category ${ticket.category}`);
  const cheapest = onSale.reduce(
    (best, ticket) => (ticket.price < best.price ? ticket : best),
    onSale[0] ?? NONE,
  );
  return [
    ...(team === undefined ? [] : [`${team} plays`]),
    ...(taken >= POPULAR_SHARE ? [`${Math.round(taken * 100)}% of its tickets are sold or held`] : []),
    ...few,
    `On sale now in category ${onSale.map((ticket) => ticket.category).join(', ')}, from ${cheapest.price} ${cheapest.currency.toUpperCase()}`.trim(),
  ];
}

const NONE = { price: 0, currency: '' };

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** A country by name or by ISO 3166 code, in lower case, with the names the market's lists use for it. */
function countryNames(country: string): string[] {
  const name = country.trim();
  const named = /^[A-Za-z]{2}$/.test(name) ? regionName(name.toUpperCase()) : name;
  const lower = named.toLowerCase();
  return [...new Set([name.toLowerCase(), lower, ...(OTHER_NAMES[lower] ?? [])])];
}

const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  'united states': ['usa'],
  'south korea': ['korea republic'],
  'united kingdom': ['england', 'wales', 'scotland'],
  iran: ['ir iran'],
};

function regionName(code: string): string {
  return new Intl.DisplayNames(['en'], { type: 'region' }).of(code) ?? code;
}
