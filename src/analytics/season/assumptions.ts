/**
 * Everything the season assumes, in one place. Where no source is named a figure is assumed: chosen to be plausible,
 * measured nowhere. Shares that belong together are weights: only their proportions count.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A value and its weight. */
export type Weighted<T> = readonly (readonly [T, number])[];

export type Region =
  | 'latin-america'
  | 'north-america'
  | 'western-europe'
  | 'eastern-europe'
  | 'arab'
  | 'africa'
  | 'asia'
  | 'oceania';

/** How far people come: what a trip costs decides how long they stay. */
export type Reach = 'resident' | 'near' | 'middle' | 'far';

export interface Team {
  readonly name: string;
  readonly region: Region;
  /** How much people anywhere care for it, 0 to 1. Assumed. */
  readonly fame: number;
  /** How well it plays, 0 to 1. Assumed. */
  readonly strength: number;
}

const team = (name: string, region: Region, fame: number, strength: number): Team => ({
  name,
  region,
  fame,
  strength,
});

/** Names as the bundled list has them. */
export const TEAMS: readonly Team[] = [
  team('Argentina', 'latin-america', 1, 0.92),
  team('Australia', 'oceania', 0.2, 0.4),
  team('Belgium', 'western-europe', 0.4, 0.8),
  team('Brazil', 'latin-america', 0.95, 0.95),
  team('Cameroon', 'africa', 0.2, 0.4),
  team('Canada', 'north-america', 0.2, 0.4),
  team('Costa Rica', 'latin-america', 0.12, 0.35),
  team('Croatia', 'eastern-europe', 0.4, 0.74),
  team('Denmark', 'western-europe', 0.25, 0.72),
  team('Ecuador', 'latin-america', 0.18, 0.5),
  team('England', 'western-europe', 0.75, 0.85),
  team('France', 'western-europe', 0.75, 0.92),
  team('Germany', 'western-europe', 0.65, 0.82),
  team('Ghana', 'africa', 0.25, 0.38),
  team('Iran', 'asia', 0.2, 0.42),
  team('Japan', 'asia', 0.35, 0.56),
  team('Korea Republic', 'asia', 0.3, 0.5),
  team('Mexico', 'latin-america', 0.5, 0.62),
  team('Morocco', 'arab', 0.4, 0.6),
  team('Netherlands', 'western-europe', 0.5, 0.84),
  team('Poland', 'eastern-europe', 0.3, 0.58),
  team('Portugal', 'western-europe', 0.85, 0.86),
  team('Qatar', 'arab', 0.3, 0.3),
  team('Saudi Arabia', 'arab', 0.3, 0.32),
  team('Senegal', 'africa', 0.3, 0.6),
  team('Serbia', 'eastern-europe', 0.2, 0.6),
  team('Spain', 'western-europe', 0.7, 0.87),
  team('Switzerland', 'western-europe', 0.22, 0.68),
  team('Tunisia', 'arab', 0.25, 0.42),
  team('USA', 'north-america', 0.4, 0.58),
  team('Uruguay', 'latin-america', 0.4, 0.72),
  team('Wales', 'western-europe', 0.2, 0.52),
];

/** Whose players are known where nobody of one's own plays; weights. Assumed. */
export const STARS: Weighted<string> = [
  ['Argentina', 30],
  ['Portugal', 22],
  ['Brazil', 20],
  ['France', 9],
  ['England', 9],
  ['Spain', 4],
  ['Germany', 3],
  ['Poland', 1.5],
  ['Croatia', 1.5],
];

export interface Country {
  /** ISO 3166-1 alpha-2. */
  readonly code: string;
  /** Of all buyers, a weight. */
  readonly share: number;
  readonly region: Region;
  readonly reach: Reach;
  /** Inclination to the dearer categories, 0 to 1. Assumed. */
  readonly spending: number;
  /** Its own teams. */
  readonly teams: Weighted<string>;
  /** Where those who live there come from, when not from there: which part of them, and from where. */
  readonly origins?: { readonly share: number; readonly from: Weighted<string> };
}

const country = (
  code: string,
  share: number,
  region: Region,
  reach: Reach,
  spending: number,
  teams: string | Weighted<string> | null = null,
  origins?: Country['origins'],
): Country => ({
  code,
  share,
  region,
  reach,
  spending,
  teams: teams === null ? [] : typeof teams === 'string' ? [[teams, 1]] : teams,
  ...(origins && { origins }),
});

/**
 * The order of the first ten (Qatar, USA, England, Saudi Arabia, Mexico, United Arab Emirates, France, Argentina,
 * Brazil, Germany) is what FIFA said of sales by country of residence on 18 August 2022; India was among the first ten
 * of requests (FIFA, January 2022). How large the shares are, and all the rest, is assumed.
 */
export const COUNTRIES: readonly Country[] = [
  country('QA', 30, 'arab', 'resident', 0.45, 'Qatar', {
    // Nine of ten who live there come from elsewhere; those who can afford tickets are assumed to be of this mix.
    share: 0.8,
    from: [
      ...([
        ['IN', 24],
        ['EG', 10],
        ['PH', 6],
        ['PK', 6],
        ['BD', 5],
        ['NP', 4],
        ['LK', 3],
      ] as const),
      ...([
        ['JO', 6],
        ['LB', 6],
        ['TN', 4],
        ['MA', 4],
        ['DZ', 2],
        ['IR', 3],
        ['GB', 6],
      ] as const),
      ...([
        ['US', 3],
        ['FR', 3],
        ['DE', 1],
        ['ES', 2],
        ['ZA', 1],
        ['BR', 1],
        ['KE', 1],
      ] as const),
    ],
  }),
  country('US', 7.5, 'north-america', 'far', 0.7, 'USA', {
    share: 0.35,
    from: [
      ['MX', 45],
      ['AR', 8],
      ['BR', 8],
      ['GB', 8],
      ['IN', 10],
      ['EC', 5],
      ['DE', 5],
      ['KR', 5],
      ['GH', 3],
      ['CR', 3],
    ],
  }),
  country(
    'GB',
    6.5,
    'western-europe',
    'middle',
    0.6,
    [
      ['England', 82],
      ['Wales', 18],
    ],
    {
      share: 0.15,
      from: [
        ['IN', 25],
        ['PL', 20],
        ['NG', 15],
        ['GH', 15],
        ['FR', 10],
        ['PT', 15],
      ],
    },
  ),
  country('SA', 9.5, 'arab', 'near', 0.6, 'Saudi Arabia', {
    share: 0.25,
    from: [
      ['EG', 35],
      ['IN', 30],
      ['JO', 15],
      ['TN', 10],
      ['MA', 10],
    ],
  }),
  country('MX', 4.6, 'latin-america', 'far', 0.5, 'Mexico'),
  country('AE', 8.5, 'arab', 'near', 0.7, null, {
    share: 0.8,
    from: [
      ['IN', 35],
      ['GB', 14],
      ['EG', 10],
      ['LB', 8],
      ['PK', 8],
      ['PH', 5],
      ['FR', 6],
      ['MA', 4],
      ['TN', 3],
      ['IR', 4],
      ['DE', 3],
    ],
  }),
  country('FR', 3.8, 'western-europe', 'middle', 0.55, 'France', {
    share: 0.25,
    from: [
      ['MA', 35],
      ['TN', 20],
      ['DZ', 20],
      ['PT', 15],
      ['SN', 10],
    ],
  }),
  country('AR', 3, 'latin-america', 'far', 0.35, 'Argentina'),
  country('BR', 2.9, 'latin-america', 'far', 0.5, 'Brazil'),
  country('DE', 3, 'western-europe', 'middle', 0.55, 'Germany'),
  country('IN', 3, 'asia', 'middle', 0.35),
  country('AU', 1.5, 'oceania', 'far', 0.6, 'Australia'),
  country('CA', 1.5, 'north-america', 'far', 0.6, 'Canada', {
    share: 0.3,
    from: [
      ['IN', 25],
      ['PT', 15],
      ['MA', 15],
      ['IR', 15],
      ['HR', 10],
      ['GB', 20],
    ],
  }),
  country('ES', 1.3, 'western-europe', 'middle', 0.5, 'Spain'),
  country('MA', 1.3, 'arab', 'middle', 0.3, 'Morocco'),
  country('NL', 1.1, 'western-europe', 'middle', 0.6, 'Netherlands'),
  country('JP', 1.1, 'asia', 'far', 0.6, 'Japan'),
  country('CH', 1, 'western-europe', 'middle', 0.75, 'Switzerland'),
  country('PL', 0.9, 'eastern-europe', 'middle', 0.35, 'Poland'),
  country('EC', 0.8, 'latin-america', 'far', 0.35, 'Ecuador'),
  country('TN', 0.8, 'arab', 'middle', 0.3, 'Tunisia'),
  country('KR', 0.7, 'asia', 'far', 0.55, 'Korea Republic'),
  country('PT', 0.7, 'western-europe', 'middle', 0.45, 'Portugal'),
  country('IR', 0.7, 'asia', 'near', 0.25, 'Iran'),
  country('BE', 0.6, 'western-europe', 'middle', 0.55, 'Belgium'),
  country('DK', 0.5, 'western-europe', 'middle', 0.65, 'Denmark'),
  country('CR', 0.45, 'latin-america', 'far', 0.4, 'Costa Rica'),
  country('UY', 0.4, 'latin-america', 'far', 0.4, 'Uruguay'),
  country('HR', 0.4, 'eastern-europe', 'middle', 0.4, 'Croatia'),
  country('GH', 0.4, 'africa', 'middle', 0.3, 'Ghana'),
  country('SN', 0.3, 'africa', 'middle', 0.3, 'Senegal'),
  country('CM', 0.3, 'africa', 'middle', 0.3, 'Cameroon'),
  country('RS', 0.3, 'eastern-europe', 'middle', 0.35, 'Serbia'),
  country('KW', 1.1, 'arab', 'near', 0.7),
  country('OM', 1.1, 'arab', 'near', 0.5),
  country('BH', 0.6, 'arab', 'near', 0.55),
  country('EG', 1, 'arab', 'middle', 0.3),
  country('JO', 0.5, 'arab', 'near', 0.35),
  country('LB', 0.5, 'arab', 'middle', 0.45),
  country('DZ', 0.4, 'arab', 'middle', 0.3),
  country('IQ', 0.2, 'arab', 'near', 0.3),
  country('CO', 0.7, 'latin-america', 'far', 0.4),
  country('PE', 0.4, 'latin-america', 'far', 0.4),
  country('CL', 0.4, 'latin-america', 'far', 0.45),
  country('GT', 0.2, 'latin-america', 'far', 0.4),
  country('PA', 0.15, 'latin-america', 'far', 0.4),
  country('VE', 0.1, 'latin-america', 'far', 0.3),
  country('IT', 0.7, 'western-europe', 'middle', 0.5),
  country('IE', 0.3, 'western-europe', 'middle', 0.6),
  country('SE', 0.3, 'western-europe', 'middle', 0.6),
  country('NO', 0.2, 'western-europe', 'middle', 0.7),
  country('AT', 0.2, 'western-europe', 'middle', 0.6),
  country('TR', 0.4, 'eastern-europe', 'middle', 0.35),
  country('RO', 0.15, 'eastern-europe', 'middle', 0.35),
  country('NG', 0.3, 'africa', 'middle', 0.35),
  country('KE', 0.2, 'africa', 'middle', 0.3),
  country('ZA', 0.25, 'africa', 'middle', 0.45),
  country('CN', 0.8, 'asia', 'far', 0.65),
  country('HK', 0.3, 'asia', 'far', 0.7),
  country('SG', 0.3, 'asia', 'middle', 0.7),
  country('MY', 0.3, 'asia', 'middle', 0.45),
  country('ID', 0.3, 'asia', 'middle', 0.4),
  country('PK', 0.4, 'asia', 'middle', 0.3),
  country('BD', 0.3, 'asia', 'middle', 0.25),
  country('LK', 0.1, 'asia', 'middle', 0.3),
  country('NP', 0.1, 'asia', 'middle', 0.2),
  country('PH', 0.15, 'asia', 'middle', 0.3),
  country('TH', 0.2, 'asia', 'middle', 0.4),
  country('NZ', 0.2, 'oceania', 'far', 0.6),
];

export type LoyaltyKind = 'own' | 'neighbour' | 'fame' | 'none';

/** What people's hearts are with, by whether the country they come from plays. Assumed. */
export const LOYALTIES: Readonly<Record<'plays' | 'absent', Weighted<LoyaltyKind>>> = {
  plays: [
    ['own', 58],
    ['neighbour', 6],
    ['fame', 12],
    ['none', 24],
  ],
  absent: [
    ['neighbour', 24],
    ['fame', 36],
    ['none', 40],
  ],
};

/**
 * What moves people, in the unit of a logit: one more makes a match e (2.7) times as likely to be chosen. All assumed.
 */
export const TASTE = {
  /** For the team one is loyal to: mean, and how much people differ. */
  own: { mean: 3, deviation: 1 },
  neighbour: { mean: 1.3, deviation: 0.6 },
  fame: { mean: 2, deviation: 0.8 },
  /** For two teams of fame 1, to people of average curiosity. */
  teamsFame: 1.1,
  /** How much curiosity for the famous differs between people. */
  curiosityDeviation: 0.35,
  stage: {
    group: 0,
    'round-of-16': 0.2,
    'quarter-final': 0.45,
    'semi-final': 0.8,
    'third-place': -0.2,
    final: 1.4,
  },
  openingMatch: 0.7,
  /** What a season makes of matches and teams, whatever their names: deviations. */
  matchFashionDeviation: 0.35,
  teamFashionDeviation: 0.2,
  /** Residents at work: kick-off before 14:00 UTC from Sunday to Thursday. */
  workingHours: -0.8,
  /** Per kilometre between where one stays and the stadium. */
  perKm: -0.015,
  /** Days to the nearest match one holds: 0, 1, 2, 3; none beyond. */
  daysBetween: [-0.5, 0.25, 0.35, 0.1],
  /** Twice the same stadium is easy for some and dull for others: a deviation. */
  sameStadiumDeviation: 0.3,
  /** To see the same team again, for people who are not loyal to it. */
  sameTeamAgain: -0.3,
} as const;

/** Kilometres that count as nothing between two matches of one day, and the least time between their kick-offs. */
export const SAME_DAY = { hoursMin: 4, hoursPerKm: 0.03 } as const;

/** Degrees, of public maps, rounded; city as it is commonly named. */
export const STADIUMS: Readonly<
  Record<string, { readonly city: string; readonly lat: number; readonly lon: number }>
> = {
  'Ahmad Bin Ali Stadium': { city: 'Al Rayyan', lat: 25.33, lon: 51.342 },
  'Al Bayt Stadium': { city: 'Al Khor', lat: 25.652, lon: 51.488 },
  'Al Janoub Stadium': { city: 'Al Wakrah', lat: 25.16, lon: 51.574 },
  'Al Thumama Stadium': { city: 'Doha', lat: 25.235, lon: 51.532 },
  'Education City Stadium': { city: 'Al Rayyan', lat: 25.311, lon: 51.424 },
  'Khalifa International Stadium': { city: 'Al Rayyan', lat: 25.264, lon: 51.448 },
  'Lusail Stadium': { city: 'Lusail', lat: 25.42, lon: 51.49 },
  'Stadium 974': { city: 'Doha', lat: 25.289, lon: 51.566 },
};

/** Where people live or stay: near which stadium, weights. Assumed: most in and around Doha. */
export const STAYS: Weighted<string> = [
  ['Stadium 974', 34],
  ['Al Thumama Stadium', 18],
  ['Khalifa International Stadium', 16],
  ['Education City Stadium', 10],
  ['Lusail Stadium', 10],
  ['Al Janoub Stadium', 6],
  ['Ahmad Bin Ali Stadium', 4],
  ['Al Bayt Stadium', 2],
];

/** Trips, days: mean and least; matches beyond the first: mean. Assumed. */
export const TRIPS: Readonly<
  Record<Reach, { readonly daysMin: number; readonly daysMean: number; readonly moreMatchesMean: number }>
> = {
  resident: { daysMin: 0, daysMean: 0, moreMatchesMean: 1.3 },
  near: { daysMin: 1, daysMean: 2.2, moreMatchesMean: 0.6 },
  middle: { daysMin: 2, daysMean: 6, moreMatchesMean: 1.5 },
  far: { daysMin: 4, daysMean: 10, moreMatchesMean: 2.3 },
};

/** Visitors whose days are fixed (work, flights) before they look for a match. Assumed. */
export const FIXED_DAYS_SHARE = 0.35;

/** Tickets bought together. Four are the limit of the shop; assumed otherwise. */
export const GROUPS: Weighted<number> = [
  [1, 34],
  [2, 40],
  [3, 12],
  [4, 14],
];

/** Groups in which another person's wishes count as much. Assumed. */
export const OTHER_WISHES_SHARE = 0.25;

/** Largest quantity of one reservation in the shop; larger groups make two. */
export const RESERVATION_QUANTITY_MAX = 2;

/** When the sale begins, before the first kick-off. */
export const SALE_MS = 180 * DAY_MS;

export type Hurry = 'rush' | 'steady' | 'late';

/** When people buy for the first time. Assumed: the loyal come early, locals late. */
export const HURRIES: Readonly<Record<'loyalVisitor' | 'visitor' | 'resident', Weighted<Hurry>>> = {
  loyalVisitor: [
    ['rush', 50],
    ['steady', 35],
    ['late', 15],
  ],
  visitor: [
    ['rush', 25],
    ['steady', 50],
    ['late', 25],
  ],
  resident: [
    ['rush', 18],
    ['steady', 27],
    ['late', 55],
  ],
};

export const TIMES = {
  /** After the sale began, mean. */
  rushMsMean: 9 * DAY_MS,
  /** Late: from so long before the first kick-off to so long after it; visitors have to book flights. */
  lateBeforeMs: 35 * DAY_MS,
  lateAfterMs: { visitor: 9 * DAY_MS, resident: 26 * DAY_MS },
  /** Visitors arrive so long after they bought, at least. */
  travelMs: 2 * DAY_MS,
  /** The next match: in the same visit to the shop, or later. */
  sameVisitShare: 0.5,
  sameVisitMsMean: 6 * 60_000,
  nextVisitMsMean: { visitor: 14 * DAY_MS, resident: 5 * DAY_MS },
  /** Hour of the day, UTC: mean and deviation. */
  hourMean: 14,
  hourDeviation: 5,
  /** After the teams of a knock-out match are known, their people come: mean. */
  followMsMean: 9 * HOUR_MS,
  /** Nobody buys later than this before kick-off. */
  beforeKickOffMs: HOUR_MS,
  /** From kick-off until everybody knows the result. */
  matchMs: 2 * HOUR_MS,
} as const;

/** Loyal people whose team goes on: who buys its next match. Visitors must be there, or stay longer. Assumed. */
export const FOLLOWERS = { resident: 0.3, thereAlready: 0.5, staysLonger: 0.06 } as const;

/** Shares of the marketplaces, and how often people buy at another one than theirs. Assumed. */
export const OWN_MARKETPLACE = 'ticktak';
export const MARKETPLACES: Weighted<string> = [
  [OWN_MARKETPLACE, 50],
  ['blue', 22],
  ['green', 18],
  ['red', 10],
];
export const OTHER_MARKETPLACE_SHARE = 0.12;

/** Accounts among buyers; guests who give another address at a later visit. Assumed. */
export const ACCOUNTS_SHARE = 0.55;
export const NEW_ADDRESS_SHARE = 0.2;

/** What the shop sees of where somebody is from. Assumed: proxies, roaming, refused. */
export const COUNTRY_UNKNOWN_SHARE = 0.06;
export const COUNTRY_WRONG_SHARE = 0.04;

/** Holds that end unpaid; of those, how many try again; paid ones that are given back. Assumed. */
export const HOLD_MS = 10 * 60_000;
export const PAY_MS_MEAN = 3 * 60_000;
export const UNPAID_SHARE = 0.12;
export const TRY_AGAIN_SHARE = 0.6;
export const REFUND_SHARE = 0.04;

/** Who takes another category, or another match, when what they wanted is sold out. Assumed. */
export const OTHER_CATEGORY_SHARE = 0.65;
export const MATCHES_TRIED_MAX = 4;

/** Agreed to being counted; views before a booking, mean; views of something else than one would choose. Assumed. */
export const CONSENT_SHARE = 0.6;
export const VIEWS_MEAN = 3;
export const IDLE_VIEWS_SHARE = 0.35;
export const SEARCH_SHARE = 0.45;
/** For each buyer so many who only look. */
export const LOOKERS_PER_BUYER = 0.8;

/** Tickets there are for each buyer, when no scale is asked for. Assumed: most of it is sold, the favourites soon. */
export const TICKETS_PER_BUYER = 4.5;

/** Group winners and runners-up who meet, by match number; then winners of which matches (the losers for the third place). */
export const ROUND_OF_16: Readonly<Record<number, readonly [string, string]>> = {
  49: ['A1', 'B2'],
  50: ['C1', 'D2'],
  51: ['B1', 'A2'],
  52: ['D1', 'C2'],
  53: ['E1', 'F2'],
  54: ['G1', 'H2'],
  55: ['F1', 'E2'],
  56: ['H1', 'G2'],
};
export const LATER_ROUNDS: Readonly<Record<number, readonly [number, number]>> = {
  57: [49, 50],
  58: [53, 54],
  59: [51, 52],
  60: [55, 56],
  61: [57, 58],
  62: [59, 60],
  63: [61, 62],
  64: [61, 62],
};
export const THIRD_PLACE_MATCH = 63;

/** How sure the better team wins: a logit per unit of strength; draws among group matches. Assumed. */
export const STRENGTH_LOGIT = 5;
export const DRAW_SHARE = 0.24;
