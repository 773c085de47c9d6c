/**
 * What somebody may want to see, with reasons.
 *
 * Guarantees: never a match that cannot be bought now, never one that the person holds or that overlaps with one they
 * hold; no request waits for a model, and while there is none popularity ranks and the answer says so; where somebody is
 * comes from what they chose, else from their last booking, else from their address, in this order.
 */
import type { Clock } from '../../actors/ports.js';
import { countryByText } from '../../geo/names.js';
import type { ListedMatch, MatchView, ReadModel } from '../../http/read-model.js';
import type { Principal } from '../../users/principal.js';
import type { Visitor } from '../model/dataset.js';
import { NO_HISTORY, type Histories, type History } from './histories.js';
import {
  availabilityReasons,
  byPopularity,
  isBuyable,
  POPULARITY_MODEL,
  teamsOf,
  type Ranked,
} from './popularity.js';
import type { Reason } from '../model/artefact.js';
import type { Served, ServedModel } from './served-model.js';
import { sentence } from './words.js';

export interface RecommenderOptions {
  readonly matches: Pick<ReadModel, 'fresh'>;
  readonly model: Pick<ServedModel, 'current' | 'refuse'>;
  readonly histories: Pick<Histories, 'of'>;
  /** In which country an address is, ISO 3166-1 alpha-2; null when that is not known. */
  readonly countryOf: (address: string) => string | null;
  readonly clock: Clock;
  /** Whether tickets are sold until kick-off only. */
  readonly closesAtKickoff: boolean;
}

export interface Asking {
  readonly principal: Principal | null;
  readonly address: string;
  /** A country by code or name, or a team, as the visitor chose it. */
  readonly country: string | undefined;
  /** Followed, by their whole names. */
  readonly teams: readonly string[];
  readonly limit: number;
}

export interface Recommendation {
  readonly match: MatchView;
  /** In plain English, most telling first. */
  readonly reasons: readonly string[];
  /** The same for programs, without what is said of availability. */
  readonly because: readonly Reason[];
  /** 0 to 1; only its order means anything. */
  readonly score: number;
}

export interface ModelFacts {
  readonly name: string;
  readonly version: number;
  readonly description: string;
}

export const COUNTRY_SOURCES = ['chosen', 'booking', 'address'] as const;

export interface Recommended {
  /** Best first. */
  readonly recommendations: readonly Recommendation[];
  readonly model: ModelFacts;
  /** Where the visitor was taken to be; null when that is not known. */
  readonly country: { readonly code: string; readonly from: (typeof COUNTRY_SOURCES)[number] } | null;
}

const LEARNED_DESCRIPTION =
  'Learned from bookings: ranks matches by where the visitor is, the teams they follow, what they booked before, and what others like them book. It names nobody.';

/** Kick-offs of two matches that one person can see are at least so far apart. */
export const APART_MS_MIN = 3 * 60 * 60_000;

/** What is known of whoever asks. */
interface Known {
  readonly visitor: Visitor;
  /** Names, lower case, of the teams that count as theirs. */
  readonly teams: ReadonlySet<string>;
  readonly country: Recommended['country'];
}

export class Recommender {
  readonly #options: RecommenderOptions;

  constructor(options: RecommenderOptions) {
    this.#options = options;
  }

  /** Rejects with `UnavailableError` while it cannot be known what is on sale, or what the person holds. */
  async recommend(asking: Asking): Promise<Recommended> {
    const { matches: readModel, histories } = this.#options;
    const { principal, limit } = asking;
    const [{ matches }, history] = await Promise.all([
      readModel.fresh(),
      principal ? histories.of(principal) : NO_HISTORY,
    ]);
    const known = this.#known(asking, history, matches);
    const candidates = this.#candidates(matches, history);
    const find = (matchNumber: number): MatchView | undefined =>
      matches.find(({ view }) => view.matchNumber === matchNumber)?.view;
    const { facts, best } = this.#best(candidates, known, limit);
    return {
      recommendations: best.map(({ match, score, because }) => ({
        match: match.view,
        reasons: [
          ...because.map((reason) => sentence(reason, find)).filter((text) => text !== null),
          ...availabilityReasons(match),
        ],
        because,
        score: Math.round(score * 1_000) / 1_000,
      })),
      model: facts,
      country: known.country,
    };
  }

  #known({ address, ...asking }: Asking, history: History, matches: readonly ListedMatch[]): Known {
    const chosen = asking.country === undefined ? null : countryByText(asking.country);
    const country = placeOf(chosen?.code ?? null, history.country, () => this.#options.countryOf(address));
    const wanted = new Set([
      ...asking.teams.map((team) => team.toLowerCase()),
      ...(chosen?.names ?? (country ? countryByText(country.code).names : [])),
    ]);
    const names = new Set(matches.flatMap(({ view }) => teamsOf(view)));
    const asked = new Set(asking.teams.map((team) => team.toLowerCase()));
    // A team that is chosen as a country is one they follow, be it a country's or a club's.
    if (chosen && asking.country !== undefined) asked.add(asking.country.trim().toLowerCase());
    const follows = [...names].filter((name) => asked.has(name.toLowerCase())).sort();
    return {
      visitor: { country: country?.code ?? null, follows, history: history.choices },
      teams: wanted,
      country,
    };
  }

  #candidates(matches: readonly ListedMatch[], { choices }: History): ListedMatch[] {
    const { closesAtKickoff, clock } = this.#options;
    const held = new Set(choices.map(({ item }) => item));
    const kickOffs = matches
      .filter(({ view }) => held.has(view.matchNumber))
      .map(({ view }) => kickOffOf(view));
    const from = closesAtKickoff ? clock.now() : -Infinity;
    return matches.filter((match) => {
      const at = kickOffOf(match.view);
      const overlaps = kickOffs.some((other) => Math.abs(other - at) < APART_MS_MIN);
      return isBuyable(match) && at > from && !held.has(match.view.matchNumber) && !overlaps;
    });
  }

  /** By the model, or by popularity where there is none or it fails. */
  #best(candidates: readonly ListedMatch[], { visitor, teams }: Known, limit: number): Best {
    const { model, clock } = this.#options;
    const served = model.current();
    if (served) {
      try {
        return bestByModel(served, candidates, visitor, { limit, now: clock.now() });
      } catch (error) {
        model.refuse(served.version, error);
      }
    }
    const ranked = candidates.map((match) => ({ match, ...byPopularity(match, teams) }));
    return { facts: POPULARITY_MODEL, best: ranked.sort(bestFirst).slice(0, limit) };
  }
}

interface Best {
  readonly facts: ModelFacts;
  readonly best: readonly (Ranked & Scored)[];
}

interface Scored {
  readonly match: ListedMatch;
  readonly score: number;
}

const bestFirst = (a: Scored, b: Scored): number =>
  b.score - a.score || a.match.view.matchNumber - b.match.view.matchNumber;

/** Throws where the model does. */
function bestByModel(
  { version, ranker }: Served,
  candidates: readonly ListedMatch[],
  visitor: Visitor,
  { limit, now }: { readonly limit: number; readonly now: number },
): Best {
  const numbers = candidates.map(({ view }) => view.matchNumber);
  const scores = ranker.scores(visitor, numbers, now);
  if (scores.length !== numbers.length || scores.some((score) => Number.isNaN(score))) {
    throw new Error(`${scores.length} scores for ${numbers.length} matches, or one that is none`);
  }
  const lowest = scores.reduce((least, score) => Math.min(least, score), Infinity);
  const spread = scores.reduce((most, score) => Math.max(most, score), -Infinity) - lowest;
  const best = candidates
    .map((match, index) => ({ match, score: scores[index] ?? lowest }))
    .sort(bestFirst)
    .slice(0, limit)
    .map(({ match, score }) => ({
      match,
      score: spread > 0 ? (score - lowest) / spread : 0,
      because: ranker.explain(visitor, match.view.matchNumber, now),
    }));
  return { facts: { name: ranker.name, version, description: LEARNED_DESCRIPTION }, best };
}

function placeOf(
  chosen: string | null,
  booking: string | null,
  address: () => string | null,
): Recommended['country'] {
  if (chosen !== null) return { code: chosen, from: 'chosen' };
  if (booking !== null) return { code: booking, from: 'booking' };
  const code = address();
  return code === null ? null : { code, from: 'address' };
}

const kickOffOf = ({ dateUtc }: MatchView): number => Date.parse(dateUtc);
