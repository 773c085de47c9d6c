/** The people of a season: drawn one by one, each from a stream of their own, so that one more changes no other. */
import { createHash } from 'node:crypto';
import { seeded, type Random } from '../../peer/random.js';
import {
  ACCOUNTS_SHARE,
  CONSENT_SHARE,
  COUNTRIES,
  COUNTRY_UNKNOWN_SHARE,
  COUNTRY_WRONG_SHARE,
  FIXED_DAYS_SHARE,
  GROUPS,
  HURRIES,
  LOYALTIES,
  MARKETPLACES,
  OTHER_WISHES_SHARE,
  STARS,
  STAYS,
  TASTE,
  TEAMS,
  TIMES,
  TRIPS,
  type Country,
  type LoyaltyKind,
  type Reach,
  type Region,
} from './assumptions.js';
import { exponential, happens, normal, pick, times } from './chance.js';
import { DAY_MS } from './fixtures.js';

/** First and last moment at which somebody can be at a match, epoch milliseconds. */
export interface Stay {
  readonly from: number;
  readonly to: number;
}

export interface Buyer {
  readonly index: number;
  readonly random: Random;
  /** Where they live; what the shop sees is `seenCountry`. */
  readonly country: string;
  readonly reach: Reach;
  readonly loyalty: LoyaltyKind;
  /** By team: what it is worth to them, a logit. */
  readonly teams: ReadonlyMap<string, number>;
  /** How much the famous draw them; 1 is average. */
  readonly curiosity: number;
  readonly sameStadium: number;
  readonly spending: number;
  readonly group: number;
  /** The stadium they live or stay near. */
  readonly near: string;
  readonly matchesWanted: number;
  /** When they first want to buy, epoch milliseconds. */
  readonly firstAt: number;
  /** Null while the days are open. */
  readonly stay: Stay | null;
  readonly tripDays: number;
  readonly marketplace: string;
  readonly hasAccount: boolean;
  readonly hasConsented: boolean;
  readonly seenCountry: string | null;
}

export interface Calendar {
  readonly saleAt: number;
  readonly firstKickOffAt: number;
  readonly lastKickOffAt: number;
}

/** Streams of a seed: what is not a buyer's comes first. */
const BUYERS_STREAM = 1_000;

const countryOf = new Map(COUNTRIES.map((country) => [country.code, country]));

export function drawBuyer(index: number, seed: number, loyaltyShare: number, calendar: Calendar): Buyer {
  const random = seeded(seed, BUYERS_STREAM + index);
  const country = pick(
    random,
    COUNTRIES.map((one) => [one, one.share] as const),
  );
  const { reach } = country;
  const hearts = loyaltyOf(random, country, loyaltyShare);
  const tripDays = TRIPS[reach].daysMin + exponential(random, TRIPS[reach].daysMean - TRIPS[reach].daysMin);
  const firstAt = firstVisit(random, reach, hearts.loyalty, calendar);
  const isFixed = happens(random, FIXED_DAYS_SHARE);
  const arrival =
    calendar.firstKickOffAt - DAY_MS / 2 + random() * (calendar.lastKickOffAt - calendar.firstKickOffAt);
  return {
    index,
    random,
    country: country.code,
    reach,
    ...hearts,
    curiosity: Math.exp(TASTE.curiosityDeviation * normal(random)),
    sameStadium: TASTE.sameStadiumDeviation * normal(random),
    spending: country.spending,
    group: pick(random, GROUPS),
    near: pick(random, STAYS),
    matchesWanted: 1 + times(random, TRIPS[reach].moreMatchesMean),
    firstAt,
    stay: stayOf(reach, isFixed, Math.max(arrival, firstAt + TIMES.travelMs), tripDays, calendar),
    tripDays,
    marketplace: pick(random, MARKETPLACES),
    hasAccount: happens(random, ACCOUNTS_SHARE),
    hasConsented: happens(random, CONSENT_SHARE),
    seenCountry: seenCountry(random, country.code),
  };
}

/** What stands for somebody in the data: nothing of it leads back. A guest with another address is another person. */
export function personOf(seed: number, index: number, address: number): string {
  return createHash('sha256').update(`season/${seed}/${index}/${address}`).digest('hex').slice(0, 16);
}

function stayOf(
  reach: Reach,
  isFixed: boolean,
  arrival: number,
  tripDays: number,
  { saleAt, lastKickOffAt }: Calendar,
): Stay | null {
  if (reach === 'resident') return { from: saleAt, to: lastKickOffAt };
  return isFixed ? { from: arrival, to: arrival + tripDays * DAY_MS } : null;
}

function seenCountry(random: Random, country: string): string | null {
  const drawn = random();
  const other = pick(
    random,
    COUNTRIES.map((one) => [one.code, one.share] as const),
  );
  if (drawn < COUNTRY_UNKNOWN_SHARE) return null;
  return drawn < COUNTRY_UNKNOWN_SHARE + COUNTRY_WRONG_SHARE ? other : country;
}

function firstVisit(random: Random, reach: Reach, loyalty: LoyaltyKind, calendar: Calendar): number {
  const isResident = reach === 'resident';
  const habit = isResident ? 'resident' : loyalty === 'own' ? 'loyalVisitor' : 'visitor';
  const hurry = pick(random, HURRIES[habit]);
  const { saleAt, firstKickOffAt } = calendar;
  const lateFrom = firstKickOffAt - TIMES.lateBeforeMs;
  const lateTo = firstKickOffAt + TIMES.lateAfterMs[isResident ? 'resident' : 'visitor'];
  const rush = saleAt + Math.min(exponential(random, TIMES.rushMsMean), lateFrom - saleAt);
  const share = random();
  const day = {
    rush,
    steady: saleAt + share * (lateFrom - saleAt),
    late: lateFrom + share * (lateTo - lateFrom),
  }[hurry];
  return Math.max(saleAt, atSomeHour(random, day));
}

/** The same day, at an hour at which people buy. */
export function atSomeHour(random: Random, at: number): number {
  const hour = TIMES.hourMean + TIMES.hourDeviation * normal(random);
  return Math.floor(at / DAY_MS) * DAY_MS + Math.round((((hour % 24) + 24) % 24) * 3_600_000);
}

interface Hearts {
  readonly loyalty: LoyaltyKind;
  readonly teams: ReadonlyMap<string, number>;
}

/** `share` of those who are loyal stay so. */
function loyaltyOf(random: Random, country: Country, share: number): Hearts {
  const origin = originOf(random, country);
  const drawn = pick(random, LOYALTIES[origin.teams.length > 0 ? 'plays' : 'absent']);
  const isKept = random() < share;
  const teams = wishesOf(random, origin, isKept ? drawn : 'none');
  // The wishes of those who come along: anybody's.
  if (happens(random, OTHER_WISHES_SHARE)) {
    for (const [name, worth] of wishesOf(random, origin, isKept ? 'fame' : 'none')) {
      teams.set(name, Math.max(teams.get(name) ?? 0, worth));
    }
  }
  return { loyalty: isKept ? drawn : 'none', teams };
}

function originOf(random: Random, country: Country): Country {
  const isFromElsewhere = random() < (country.origins?.share ?? 0);
  if (!isFromElsewhere || !country.origins) return country;
  return countryOf.get(pick(random, country.origins.from)) ?? country;
}

function wishesOf(random: Random, origin: Country, loyalty: LoyaltyKind): Map<string, number> {
  if (loyalty === 'none') return new Map();
  const { mean, deviation } = TASTE[loyalty];
  const worth = Math.max(0, mean + deviation * normal(random));
  if (loyalty === 'own') return new Map([[pick(random, origin.teams), worth]]);
  if (loyalty === 'fame') return new Map([[pick(random, STARS), worth]]);
  return new Map(neighboursOf(origin.region, origin).map((name) => [name, worth]));
}

function neighboursOf(region: Region, origin: Country): readonly string[] {
  const own = new Set(origin.teams.map(([name]) => name));
  return TEAMS.filter((team) => team.region === region && !own.has(team.name)).map(({ name }) => name);
}
