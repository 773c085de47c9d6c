/**
 * A made-up season: people who buy tickets for the bundled list, on our marketplace and on others. Nobody should take
 * it for real data: docs/season.md says what is assumed.
 *
 * Guarantees: the same options give the same season, byte for byte; nobody holds two matches that overlap; never is
 * more sold than there is; nothing is bought after kick-off; no team of a knock-out match is known to anybody before
 * the matches that decide it are over.
 */
import type { MatchEntry } from '../../catalog/match.js';
import { seeded } from '../../peer/random.js';
import type { Booking } from '../booking.js';
import type { Choice, Dataset } from '../model/dataset.js';
import {
  FOLLOWERS,
  HOLD_MS,
  IDLE_VIEWS_SHARE,
  LOOKERS_PER_BUYER,
  MATCHES_TRIED_MAX,
  NEW_ADDRESS_SHARE,
  OTHER_CATEGORY_SHARE,
  OTHER_MARKETPLACE_SHARE,
  MARKETPLACES,
  OWN_MARKETPLACE,
  PAY_MS_MEAN,
  REFUND_SHARE,
  RESERVATION_QUANTITY_MAX,
  SALE_MS,
  SEARCH_SHARE,
  TICKETS_PER_BUYER,
  TIMES,
  TRY_AGAIN_SHARE,
  UNPAID_SHARE,
  VIEWS_MEAN,
} from './assumptions.js';
import { Agenda } from './agenda.js';
import { atSomeHour, drawBuyer, personOf, type Buyer, type Calendar, type Stay } from './buyers.js';
import { choose, exponential, happens, pick, times } from './chance.js';
import { DAY_MS, itemOf, playSeason, teamsAt, type Fixture } from './fixtures.js';
import { Market, type Party, type SoldOut } from './market.js';
import { drawFashion, isPossible, utilities, type Fashion } from './wishes.js';

export interface SeasonOptions {
  readonly entries: readonly MatchEntry[];
  readonly seed: number;
  readonly buyers: number;
  /** Part of the loyal who are loyal: 1 as assumed, 0.5 half of them. */
  readonly loyalty: number;
  /** Part of the bookings that are for no reason anybody could see. */
  readonly noise: number;
  /** The list's capacities times this; null: so that supply fits the number of buyers. */
  readonly capacityScale: number | null;
}

/** Part of the bookings for no reason that could be seen, unless asked otherwise. Assumed. */
export const NOISE_SHARE = 0.1;

export interface SeenMatch {
  readonly at: number;
  readonly person: string;
  readonly country: string | null;
  readonly matchNumber: number;
}

export interface Searched {
  readonly at: number;
  readonly person: string;
  readonly country: string | null;
  /** Names of teams, cities and stadiums. */
  readonly terms: readonly string[];
}

export interface Season {
  readonly fixtures: readonly Fixture[];
  /** Every event of every ticket, ours and others', in the order of time. */
  readonly bookings: readonly Booking[];
  /** On our marketplace, of those who agreed to it; in the order of time. */
  readonly views: readonly SeenMatch[];
  readonly searches: readonly Searched[];
  /** By match: when nothing of it was left. */
  readonly soldOut: ReadonlyMap<number, readonly SoldOut[]>;
  /** Who came to a shop and found nothing they wanted. */
  readonly leftWithNothing: number;
}

/** Streams of the seed that are no buyer's. */
const STREAMS = { results: 1, fashion: 2 } as const;

export function makeSeason(options: SeasonOptions): Season {
  return new Simulation(options).run();
}

/**
 * What a model may learn from: each match that a person bought with us, once, at the first purchase. What was given
 * back later counts: at the time they wanted it.
 */
export function datasetOf({ fixtures, bookings }: Season): Dataset {
  const choices: Choice[] = [];
  const known = new Set<string>();
  for (const { kind, person, country, matchNumber, at } of bookings) {
    if (kind !== 'sold' || person === null || known.has(`${person}/${matchNumber}`)) continue;
    known.add(`${person}/${matchNumber}`);
    choices.push({ person, country, item: matchNumber, at });
  }
  return { items: fixtures.map(itemOf), choices: choices.sort(inOrder) };
}

const inOrder = (a: Choice, b: Choice): number =>
  a.at - b.at || (a.person < b.person ? -1 : a.person > b.person ? 1 : a.item - b.item);

/** What somebody does at a moment. */
type Step =
  | { readonly kind: 'visit'; readonly who: Shopper }
  | { readonly kind: 'look'; readonly who: Shopper }
  | { readonly kind: 'follow'; readonly who: Shopper; readonly fixture: Fixture }
  | { readonly kind: 'again'; readonly who: Shopper; readonly fixture: Fixture }
  | { readonly kind: 'end'; readonly run: () => void };

/** A buyer and what came of it so far. */
interface Shopper {
  readonly buyer: Buyer;
  stay: Stay | null;
  held: Fixture[];
  left: number;
  /** Addresses given so far, less one. */
  address: number;
}

interface Reservation {
  readonly fixture: Fixture;
  readonly category: number;
  readonly quantity: number;
  readonly party: Party;
}

class Simulation {
  readonly #options: SeasonOptions;
  readonly #fixtures: readonly Fixture[];
  readonly #fashion: Fashion;
  readonly #calendar: Calendar;
  readonly #market: Market;
  readonly #agenda = new Agenda<Step>();
  readonly #views: SeenMatch[] = [];
  readonly #searches: Searched[] = [];
  #leftWithNothing = 0;

  constructor(options: SeasonOptions) {
    this.#options = options;
    const { entries, seed, buyers } = options;
    const scale = options.capacityScale ?? (buyers * TICKETS_PER_BUYER) / ticketsOf(entries);
    this.#fixtures = playSeason(entries, scale, seeded(seed, STREAMS.results));
    this.#fashion = drawFashion(this.#fixtures, seeded(seed, STREAMS.fashion));
    const kickOffs = this.#fixtures.map(({ at }) => at);
    const firstKickOffAt = Math.min(...kickOffs);
    this.#calendar = {
      saleAt: firstKickOffAt - SALE_MS,
      firstKickOffAt,
      lastKickOffAt: Math.max(...kickOffs),
    };
    this.#market = new Market(this.#fixtures);
  }

  run(): Season {
    const { seed, buyers, loyalty } = this.#options;
    const people = buyers + Math.round(buyers * LOOKERS_PER_BUYER);
    for (let index = 0; index < people; index += 1) {
      const buyer = drawBuyer(index, seed, loyalty, this.#calendar);
      const who = { buyer, stay: buyer.stay, held: [], left: buyer.matchesWanted, address: 0 };
      if (index < buyers) this.#plan(who);
      else this.#agenda.put(buyer.firstAt, { kind: 'look', who });
    }
    for (let next = this.#agenda.next(); next; next = this.#agenda.next()) this.#do(next.at, next.what);
    return {
      fixtures: this.#fixtures,
      bookings: this.#market.rows,
      views: this.#views.sort((a, b) => a.at - b.at),
      searches: this.#searches.sort((a, b) => a.at - b.at),
      soldOut: this.#market.soldOut,
      leftWithNothing: this.#leftWithNothing,
    };
  }

  #plan(who: Shopper): void {
    const { buyer } = who;
    this.#agenda.put(buyer.firstAt, { kind: 'visit', who });
    for (const fixture of this.#fixtures) {
      if (fixture.knownAt === -Infinity || !fixture.teams.some(({ name }) => buyer.teams.has(name))) continue;
      const at = Math.round(fixture.knownAt + exponential(buyer.random, TIMES.followMsMean));
      this.#agenda.put(at, { kind: 'follow', who, fixture });
    }
  }

  #do(now: number, step: Step): void {
    switch (step.kind) {
      case 'visit':
        this.#visit(now, step.who);
        return;
      case 'look':
        this.#look(now, step.who, null, this.#party(step.who, false));
        return;
      case 'follow':
        this.#follow(now, step.who, step.fixture);
        return;
      case 'again':
        if (isPossible(step.who.buyer, { now, ...step.who }, step.fixture)) {
          this.#book(now, step.who, step.fixture, this.#party(step.who, false));
        }
        return;
      case 'end':
        step.run();
    }
  }

  /** Chooses a match and books it; what is sold out sends some to another match. Then plans the next visit. */
  #visit(now: number, who: Shopper): void {
    const { buyer } = who;
    const party = this.#party(who, who.held.length > 0);
    const wishes = this.#wishes(now, who);
    let isBooked = false;
    for (let tries = 0; tries < MATCHES_TRIED_MAX && !isBooked; tries += 1) {
      const index = choose(buyer.random, wishes);
      const fixture = this.#fixtures[index];
      if (!fixture) break;
      if (tries === 0) this.#look(now, who, fixture, party);
      isBooked = this.#book(now, who, fixture, party);
      wishes[index] = -Infinity;
    }
    if (!isBooked) this.#leftWithNothing += 1;
    who.left -= 1;
    if (who.left > 0) this.#agenda.put(this.#nextVisit(now, buyer), { kind: 'visit', who });
  }

  /** Where chance is to choose, all that is possible is worth the same. */
  #wishes(now: number, who: Shopper): Float64Array {
    const { buyer, stay, held } = who;
    const isNoise = happens(buyer.random, this.#options.noise);
    const wishes = utilities(buyer, { now, stay, held }, this.#fixtures, this.#fashion);
    return isNoise ? wishes.map((worth) => (worth === -Infinity ? worth : 0)) : wishes;
  }

  #nextVisit(now: number, { random, reach }: Buyer): number {
    if (happens(random, TIMES.sameVisitShare)) {
      return Math.round(now + 60_000 + exponential(random, TIMES.sameVisitMsMean));
    }
    const mean = TIMES.nextVisitMsMean[reach === 'resident' ? 'resident' : 'visitor'];
    return Math.max(now + DAY_MS / 24, atSomeHour(random, now + DAY_MS / 2 + exponential(random, mean)));
  }

  /** Their team goes on: residents go, visitors if they are there then, a few stay longer for it. */
  #follow(now: number, who: Shopper, fixture: Fixture): void {
    const { buyer, stay } = who;
    const hasCome = buyer.reach === 'resident' || (stay !== null && stay.from <= now);
    const isThere = stay !== null && hasCome && fixture.at >= stay.from && fixture.at <= stay.to;
    const share =
      buyer.reach === 'resident'
        ? FOLLOWERS.resident
        : isThere
          ? FOLLOWERS.thereAlready
          : hasCome && stay !== null && stay.to >= now - DAY_MS
            ? FOLLOWERS.staysLonger
            : 0;
    if (!happens(buyer.random, share)) return;
    if (!isThere && stay) who.stay = { from: stay.from, to: fixture.at };
    if (!isPossible(buyer, { now, ...who }, fixture)) return;
    const party = this.#party(who, true);
    this.#look(now, who, fixture, party);
    if (!this.#book(now, who, fixture, party)) this.#leftWithNothing += 1;
  }

  /** Whether something was left for them. */
  #book(now: number, who: Shopper, fixture: Fixture, party: Party): boolean {
    const { buyer } = who;
    const category = this.#category(buyer, fixture);
    if (category === null) return false;
    who.held = [...who.held, fixture];
    who.stay ??= this.#trip(buyer, fixture, now);
    const isPaid = !happens(buyer.random, UNPAID_SHARE);
    const isRefunded = happens(buyer.random, REFUND_SHARE);
    for (let left = buyer.group; left > 0; left -= RESERVATION_QUANTITY_MAX) {
      const quantity = Math.min(left, RESERVATION_QUANTITY_MAX);
      const reservation = { fixture, category, quantity, party };
      this.#market.hold(now, fixture.number, category, quantity, party);
      if (isPaid) this.#pay(now, who, reservation, isRefunded);
      else this.#expire(now, reservation);
    }
    if (!isPaid) {
      const again = happens(buyer.random, TRY_AGAIN_SHARE);
      this.#agenda.put(now + HOLD_MS, {
        kind: 'end',
        run: () => {
          who.held = who.held.filter((other) => other !== fixture);
          if (again) this.#agenda.put(now + HOLD_MS + 60_000, { kind: 'again', who, fixture });
        },
      });
    }
    return true;
  }

  #pay(
    now: number,
    who: Shopper,
    { fixture, category, quantity, party }: Reservation,
    isRefunded: boolean,
  ): void {
    const { random } = who.buyer;
    const paidAt = Math.round(now + Math.min(HOLD_MS - 1_000, 20_000 + exponential(random, PAY_MS_MEAN)));
    this.#agenda.put(paidAt, {
      kind: 'end',
      run: () => this.#market.sell(paidAt, fixture.number, category, quantity, party),
    });
    if (!isRefunded) return;
    const latest = fixture.at - TIMES.beforeKickOffMs / 2;
    const refundedAt = Math.round(paidAt + 1_000 + random() * Math.max(0, latest - paidAt - 1_000));
    this.#agenda.put(refundedAt, {
      kind: 'end',
      run: () => {
        this.#market.giveBack('refunded', refundedAt, fixture.number, category, quantity, party);
        who.held = who.held.filter((other) => other !== fixture);
      },
    });
  }

  #expire(now: number, { fixture, category, quantity, party }: Reservation): void {
    const endsAt = now + HOLD_MS;
    this.#agenda.put(endsAt, {
      kind: 'end',
      run: () => this.#market.giveBack('released', endsAt, fixture.number, category, quantity, party),
    });
  }

  /** The category they would take, or another when that is sold out and they do not mind; null: none. */
  #category({ random, spending, group }: Buyer, { number, prices }: Fixture): number | null {
    const drawn = random();
    const takesOther = happens(random, OTHER_CATEGORY_SHARE);
    // Of three: the dearer the likelier the more is spent.
    const wanted = drawn < (1 - spending) * 0.7 ? 1 : drawn < 1 - spending * 0.4 ? 2 : 3;
    const others = prices.map((_, i) => i + 1).filter((category) => category !== wanted);
    others.sort((a, b) => Math.abs(a - wanted) - Math.abs(b - wanted) || a - b);
    const options = takesOther ? [wanted, ...others] : [wanted];
    return options.find((category) => this.#market.left(number, category) >= group) ?? null;
  }

  /** The days around the match that a trip is made for. */
  #trip({ random, tripDays }: Buyer, { at }: Fixture, now: number): Stay {
    const before = random() * tripDays * DAY_MS;
    const from = Math.max(at - before, Math.min(at, now + TIMES.travelMs));
    return { from: Math.min(from, at), to: Math.max(at, from + tripDays * DAY_MS) };
  }

  /** Where they buy this time, and as whom. */
  #party(who: Shopper, mayBeNew: boolean): Party {
    const { buyer } = who;
    const isElsewhere = happens(buyer.random, OTHER_MARKETPLACE_SHARE);
    const elsewhere = pick(buyer.random, MARKETPLACES);
    const isNew = happens(buyer.random, NEW_ADDRESS_SHARE);
    if (mayBeNew && isNew && !buyer.hasAccount) who.address += 1;
    return {
      marketplace: isElsewhere ? elsewhere : buyer.marketplace,
      person: personOf(this.#options.seed, buyer.index, who.address),
      country: buyer.seenCountry,
    };
  }

  /** Looks around before booking `fixture`, or only looks; kept where they agreed to it and the shop is ours. */
  #look(now: number, who: Shopper, fixture: Fixture | null, { marketplace, person, country }: Party): void {
    const { buyer, stay, held } = who;
    const { random } = buyer;
    if (!buyer.hasConsented || marketplace !== OWN_MARKETPLACE) return;
    const wishes = utilities(buyer, { now, stay, held }, this.#fixtures, this.#fashion);
    const anything = wishes.map((worth) => (worth === -Infinity ? worth : 0));
    const seen: Fixture[] = [];
    for (let count = times(random, VIEWS_MEAN); count >= 0; count -= 1) {
      const other = this.#fixtures[choose(random, happens(random, IDLE_VIEWS_SHARE) ? anything : wishes)];
      if (other) seen.push(other);
    }
    if (fixture) seen.push(fixture);
    const isSearching = happens(random, SEARCH_SHARE);
    const target = seen.at(-1);
    const term = target && termOf(random(), target, now);
    const from = now - seen.length * 40_000;
    for (const [i, { number }] of seen.entries()) {
      this.#views.push({ at: from + i * 40_000, person, country, matchNumber: number });
    }
    if (isSearching && term) this.#searches.push({ at: from - 20_000, person, country, terms: [term] });
  }
}

/** What somebody types who ends up at this match: a team while there are some, else the place. */
function termOf(drawn: number, fixture: Fixture, now: number): string {
  const teams = teamsAt(fixture, now).map(({ name }) => name);
  const terms = teams.length > 0 ? [...teams, ...teams, fixture.city] : [fixture.city, fixture.stadium];
  return terms[Math.floor(drawn * terms.length)] ?? fixture.city;
}

const ticketsOf = (entries: readonly MatchEntry[]): number =>
  entries.reduce(
    (sum, { availability: { category1, category2, category3 } }) =>
      sum + category1.available + category2.available + category3.available,
    0,
  );
