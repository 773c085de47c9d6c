/**
 * Popularity: what others buy and what is still on sale. What is recommended with while no model is there, and what
 * is said of availability whoever ranks. Pure.
 */
import type { TicketCounters } from '../../actors/ports.js';
import type { Category } from '../../catalog/match.js';
import { statusOf, type ListedMatch, type MatchView } from '../../http/read-model.js';
import type { Reason } from '../model/artefact.js';

export const POPULARITY_MODEL = {
  name: 'popularity',
  version: 1,
  description:
    'Ranks matches by the share of their tickets that is sold or held, then by what is on sale now; matches of the teams and of the country asked for come first. Nothing was learned about anybody.',
} as const;

export interface Ranked {
  /** 0 to 1; only its order means anything. */
  readonly score: number;
  /** Most telling first. */
  readonly because: readonly Reason[];
}

/** Weights; they add up to 1, so the score stays between 0 and 1. */
const WEIGHTS = { taken: 0.5, onSale: 0.1, team: 0.4 } as const;
/** From this share on a match is called popular. */
const POPULAR_SHARE = 0.25;
/** At most so many left in a category are called few. */
const FEW_LEFT = 5;

/** Its tickets that can be bought now, by everybody: not those whose sale is for some, or still to come. */
const ticketsOnSale = ({ view, counters }: ListedMatch): readonly TicketCounters[] =>
  counters.filter((ticket) => {
    const sale = view.availability[`category${ticket.category as Category}`].sale?.state ?? 'open';
    return statusOf(ticket) === 'available' && !ticket.closed && ticket.cancelled !== true && sale === 'open';
  });

/** Whether a ticket of it can be bought now, whatever the time is. */
export const isBuyable = (match: ListedMatch): boolean =>
  match.view.notice?.kind !== 'cancelled' && ticketsOnSale(match).length > 0;

/** `teams`: names in lower case whose matches come first. */
export function byPopularity(match: ListedMatch, teams: ReadonlySet<string>): Ranked {
  const { view, counters } = match;
  const taken = takenShare(counters);
  const onSale = ticketsOnSale(match).length / counters.length;
  const team = teamsOf(view).find((name) => teams.has(name.toLowerCase()));
  const score = WEIGHTS.taken * taken + WEIGHTS.onSale * onSale + (team === undefined ? 0 : WEIGHTS.team);
  const because: Reason[] = [
    ...(team === undefined ? [] : [{ kind: 'your_team', team } as const]),
    ...(taken >= POPULAR_SHARE ? [{ kind: 'popular' } as const] : []),
  ];
  return { score, because };
}

export const teamsOf = ({ homeTeam, awayTeam }: MatchView): readonly string[] => [homeTeam, awayTeam];

/** What can be said of its tickets, in plain English. */
export function availabilityReasons(match: ListedMatch): string[] {
  const onSale = ticketsOnSale(match);
  const taken = takenShare(match.counters);
  const few = onSale
    .filter((ticket) => ticket.pending <= FEW_LEFT)
    .map((ticket) => `Only ${ticket.pending} left in category ${ticket.category}`);
  const cheapest = onSale.reduce(
    (best, ticket) => (ticket.price < best.price ? ticket : best),
    onSale[0] ?? NONE,
  );
  return [
    ...(taken >= POPULAR_SHARE ? [`${Math.round(taken * 100)}% of its tickets are sold or held`] : []),
    ...few,
    `On sale now in category ${onSale.map((ticket) => ticket.category).join(', ')}, from ${cheapest.price} ${cheapest.currency.toUpperCase()}`.trim(),
  ];
}

const NONE = { price: 0, currency: '' };

function takenShare(counters: readonly TicketCounters[]): number {
  const capacity = sum(counters.map((ticket) => ticket.capacity));
  const left = sum(counters.map((ticket) => Math.max(0, ticket.pending)));
  return capacity === 0 ? 0 : Math.min(1, Math.max(0, 1 - left / capacity));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
