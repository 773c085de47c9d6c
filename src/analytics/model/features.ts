/**
 * What is seen of a visitor and an item: a few numbers out of many that could be, each with the weight the model has
 * learned for it. Training and ranking see the same, because both ask here.
 *
 * Guarantee: pure; the same facts give the same numbers of features, in the same order.
 */
import type { Item } from './dataset.js';
import type { Neighbours } from './neighbours.js';
import type { Earlier } from './packed.js';
import { REGION_NAMES, countryOfTeam, regionsOf } from './regions.js';

/** Everything that features are counted in. Part of the artefact. */
export interface Shape {
  readonly items: readonly Item[];
  readonly teams: readonly string[];
  readonly stages: readonly string[];
  readonly cities: readonly string[];
  readonly countries: readonly string[];
  readonly regions: readonly string[];
}

export function shapeOf(items: readonly Item[], countries: readonly string[]): Shape {
  const known = (names: readonly (string | undefined)[]): string[] =>
    [...new Set(names)].filter((name) => name !== undefined).sort();
  return {
    items,
    teams: known(items.flatMap(({ teams = [] }) => teams)),
    stages: known(items.map(({ stage }) => stage)),
    cities: known(items.map(({ city }) => city)),
    countries,
    regions: REGION_NAMES,
  };
}

/** What is counted, not learned: it changes with every choice. */
export interface Statistics {
  readonly popularity: Float64Array;
  readonly trend: Float64Array;
  readonly neighbours: Neighbours;
}

export type GroupName =
  | 'popularity'
  | 'trend'
  | 'neighbours'
  | 'again'
  | 'item'
  | 'region-item'
  | 'country-item'
  | 'team'
  | 'region-team'
  | 'country-team'
  | 'own-team'
  | 'near-team'
  | 'loyal'
  | 'loyal-share'
  | 'team-after'
  | 'stage'
  | 'region-stage'
  | 'country-stage'
  | 'stage-after'
  | 'city'
  | 'city-again'
  | 'lead'
  | 'gap'
  | 'plans'
  | 'price'
  | 'region-price'
  | 'country-price'
  | 'price-after';

export interface Group {
  readonly name: GroupName;
  readonly offset: number;
  readonly size: number;
  /** Its features stand in rows of so many: one more team makes rows longer. */
  readonly columns: number;
  /**
   * How far from `start` a weight is thought to be before anything is seen (the standard deviation of its prior):
   * what few choices speak of stays near what more of them say of the team, the region, everybody.
   */
  readonly spread: number;
  readonly start: number;
}

/** Features that are there, with their values. */
export class Entries {
  index = new Int32Array(1_024);
  value = new Float64Array(1_024);
  length = 0;

  add(index: number, value: number): void {
    if (this.length === this.index.length) {
      const [index, value] = [new Int32Array(2 * this.length), new Float64Array(2 * this.length)];
      index.set(this.index);
      value.set(this.value);
      this.index = index;
      this.value = value;
    }
    this.index[this.length] = index;
    this.value[this.length] = value;
    this.length += 1;
  }
}

/** What is the same of a country's visitors, item by item. */
interface Common {
  /** Where an item's entries begin; one more at the end. */
  readonly begins: Int32Array;
  readonly entries: Entries;
}

interface Held {
  readonly item: number;
  readonly at: number;
  readonly day: number;
  readonly city: number;
}

/** A visitor, seen once for all items. */
export interface Scene {
  readonly country: string | null;
  readonly now: number;
  readonly common: Common;
  /** What their earlier choices say of each item. */
  readonly pull: Float64Array | null;
  readonly depth: number;
  readonly timesChosen: ReadonlyMap<number, number>;
  /** By team: how often they chose it; following one counts as `FOLLOW_CHOICES`. */
  readonly teamTimes: Float64Array;
  readonly teamsTotal: number;
  readonly stageShare: Float64Array;
  readonly cityShare: Float64Array;
  readonly held: readonly Held[];
  readonly priceLog: number | null;
}

/** Latest choices that are looked at. */
export const HISTORY_MAX = 200;
/** Those whose dates, cities and stages are compared with a candidate's. */
const HELD_MAX = 20;
/** Whoever says that they follow a team is taken for somebody who chose it so often. */
export const FOLLOW_CHOICES = 2;
/** More, and countries have no weights for single items, only for teams and stages. */
const COUNTRY_ITEMS_MAX = 200_000;
/** Countries seen lately, each with what is common to its visitors. */
const COMMON_MAX = 300;

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** Days change when it is night or early morning wherever most matches are played: an evening in Los Angeles is over. */
const DAY_BEGINS_MS = 5 * HOUR_MS;
/** Kick-offs that are nearer cannot both be seen. */
const CLASH_MS = 4 * HOUR_MS;

const LOYAL_BUCKETS = 4;
const GAP_BUCKETS = 9;
const LEAD_BUCKETS = 8;
const PRICE_BUCKETS = 7;
const DEPTH_BUCKETS = 4;

export const dayOf = (at: number): number => Math.floor((at - DAY_BEGINS_MS) / DAY_MS);

/** Of a number of choices: 1, 2, 3 to 5, more. */
const depthOf = (choices: number): number =>
  choices <= 1 ? 0 : choices === 2 ? 1 : choices <= 5 ? 2 : DEPTH_BUCKETS - 1;

/** 1 to 4 days, to a week, to two, beyond; the first two are a clash and the same day. */
function gapBucket(days: number, clashes: boolean): number {
  if (clashes) return 0;
  const apart = Math.abs(days);
  if (apart <= 4) return 1 + apart;
  if (apart <= 7) return 6;
  return apart <= 14 ? 7 : GAP_BUCKETS - 1;
}

/** Whole days until it begins: 0, 1, 2 to 3, 4 to 7 and so on. */
function leadBucket(ms: number): number {
  const days = Math.max(0, ms / DAY_MS);
  return Math.min(LEAD_BUCKETS - 1, days < 1 ? 0 : 1 + Math.floor(Math.log2(days)));
}

/** From less than half to more than twice the price. */
const priceBucket = (difference: number): number =>
  Math.max(0, Math.min(PRICE_BUCKETS - 1, Math.round(difference / 0.25) + 3));

export class Features {
  readonly shape: Shape;
  readonly size: number;
  readonly groups: readonly Group[];
  /** Where each group begins. */
  readonly #at: Readonly<Record<GroupName, number>>;
  readonly #teamsOf: readonly (readonly number[])[];
  readonly #stageOf: readonly number[];
  readonly #cityOf: readonly number[];
  readonly #priceOf: readonly (number | null)[];
  readonly #teamCountry: readonly (string | null)[];
  readonly #places: ReadonlyMap<number, number>;
  readonly #countries: ReadonlyMap<string, number>;
  readonly #regions: ReadonlyMap<string, number>;
  readonly #teams: ReadonlyMap<string, number>;
  readonly #hasCountryItems: boolean;
  readonly #common = new Map<string, Common>();
  readonly hasFacts: boolean;

  constructor(shape: Shape) {
    this.shape = shape;
    const { items, teams, stages, cities, countries, regions } = shape;
    const placed = (names: readonly string[]) => new Map(names.map((name, place) => [name, place]));
    const [stagePlaces, cityPlaces] = [placed(stages), placed(cities)];
    this.#teams = placed(teams);
    this.#countries = placed(countries);
    this.#regions = placed(regions);
    this.#places = new Map(items.map(({ id }, place) => [id, place]));
    this.#teamsOf = items.map(({ teams: names = [] }) =>
      names.flatMap((name) => this.#teams.get(name) ?? []),
    );
    this.#stageOf = items.map(({ stage }) => (stage === undefined ? -1 : (stagePlaces.get(stage) ?? -1)));
    this.#cityOf = items.map(({ city }) => (city === undefined ? -1 : (cityPlaces.get(city) ?? -1)));
    const logs = items.map(({ priceMinor = 0 }) => (priceMinor > 0 ? Math.log(priceMinor) : null));
    const priced = logs.filter((log) => log !== null);
    const mean = priced.reduce((sum, log) => sum + log, 0) / Math.max(1, priced.length);
    this.#priceOf = logs.map((log) => (log === null ? null : log - mean));
    this.#teamCountry = teams.map(countryOfTeam);
    this.hasFacts = items.some(
      ({ at, city, stage, priceMinor, teams: names = [] }) =>
        at !== undefined ||
        city !== undefined ||
        stage !== undefined ||
        priceMinor !== undefined ||
        names.length > 0,
    );
    this.#hasCountryItems = countries.length * items.length <= COUNTRY_ITEMS_MAX;
    this.groups = this.#layOut();
    this.#at = Object.fromEntries(this.groups.map(({ name, offset }) => [name, offset])) as Record<
      GroupName,
      number
    >;
    this.size = this.groups.reduce((sum, group) => sum + group.size, 0);
  }

  /** Its place among the items; -1 for one that is not known. */
  placeOf(id: number): number {
    return this.#places.get(id) ?? -1;
  }

  teamPlaces(item: number): readonly number[] {
    return this.#teamsOf[item] ?? [];
  }

  teamCountry(team: number): string | null {
    return this.#teamCountry[team] ?? null;
  }

  cityPlace(item: number): number {
    return this.#cityOf[item] ?? -1;
  }

  groupAt(index: number): Group | undefined {
    return this.groups.find(({ offset, size }) => index >= offset && index < offset + size);
  }

  /** History: places of items, oldest first. */
  scene(
    country: string | null,
    history: readonly Earlier[],
    follows: readonly string[],
    now: number,
    { neighbours }: Statistics,
  ): Scene {
    const { teams, stages, cities, items } = this.shape;
    const recent = history.slice(-HISTORY_MAX);
    const timesChosen = new Map<number, number>();
    for (const { item } of recent) timesChosen.set(item, (timesChosen.get(item) ?? 0) + 1);
    const teamTimes = new Float64Array(teams.length);
    const stageShare = new Float64Array(stages.length);
    const cityShare = new Float64Array(cities.length);
    let [prices, priced] = [0, 0];
    if (this.hasFacts) {
      for (const { item } of recent) {
        for (const team of this.#teamsOf[item] ?? []) teamTimes[team] = (teamTimes[team] ?? 0) + 1;
        const [stage = -1, city = -1] = [this.#stageOf[item], this.#cityOf[item]];
        if (stage >= 0) stageShare[stage] = (stageShare[stage] ?? 0) + 1 / recent.length;
        if (city >= 0) cityShare[city] = (cityShare[city] ?? 0) + 1 / recent.length;
        const price = this.#priceOf[item] ?? null;
        if (price !== null) [prices, priced] = [prices + price, priced + 1];
      }
    }
    let teamsTotal = recent.length;
    for (const name of new Set(follows)) {
      const team = this.#teams.get(name);
      if (team === undefined) continue;
      teamTimes[team] = (teamTimes[team] ?? 0) + FOLLOW_CHOICES;
      teamsTotal += FOLLOW_CHOICES;
    }
    return {
      country,
      now,
      common: this.#commonOf(country),
      pull: pullOf(timesChosen.keys(), items.length, neighbours),
      depth: depthOf(timesChosen.size),
      timesChosen,
      teamTimes,
      teamsTotal,
      stageShare,
      cityShare,
      held: this.#held(timesChosen),
      priceLog: priced > 0 ? prices / priced : null,
    };
  }

  #held(chosen: ReadonlyMap<number, number>): Held[] {
    const held: Held[] = [];
    for (const item of [...chosen.keys()].slice(-HELD_MAX)) {
      const at = this.shape.items[item]?.at;
      if (at !== undefined) held.push({ item, at, day: dayOf(at), city: this.#cityOf[item] ?? -1 });
    }
    return held;
  }

  /** Adds what is seen of an item to `entries`. */
  emit(scene: Scene, item: number, statistics: Statistics, entries: Entries): void {
    const { begins, entries: common } = scene.common;
    const end = begins[item + 1] ?? 0;
    for (let e = begins[item] ?? 0; e < end; e += 1) {
      entries.add(common.index[e] ?? 0, common.value[e] ?? 0);
    }
    entries.add(this.#at['popularity'], statistics.popularity[item] ?? 0);
    entries.add(this.#at['trend'], statistics.trend[item] ?? 0);
    const pull = scene.pull?.[item] ?? 0;
    if (pull !== 0) entries.add(this.#at['neighbours'] + scene.depth, pull);
    const times = scene.timesChosen.get(item);
    if (times !== undefined) entries.add(this.#at['again'] + (times > 1 ? 1 : 0), 1);
    if (this.hasFacts) this.#emitFacts(scene, item, entries);
  }

  #emitFacts(scene: Scene, item: number, entries: Entries): void {
    this.#emitTeams(scene, item, entries);
    this.#emitPlans(scene, item, entries);
    const [stage = -1, city = -1] = [this.#stageOf[item], this.#cityOf[item]];
    if (stage >= 0) {
      const { stages } = this.shape;
      for (let earlier = 0; earlier < stages.length; earlier += 1) {
        const share = scene.stageShare[earlier] ?? 0;
        if (share > 0) entries.add(this.#at['stage-after'] + earlier * stages.length + stage, share);
      }
    }
    const cityShare = city >= 0 ? (scene.cityShare[city] ?? 0) : 0;
    if (cityShare > 0) entries.add(this.#at['city-again'], cityShare);
    const price = this.#priceOf[item] ?? null;
    if (price !== null && scene.priceLog !== null) {
      entries.add(this.#at['price-after'] + priceBucket(price - scene.priceLog), 1);
    }
  }

  /** Teams they chose before, and what those who chose them like besides. */
  #emitTeams(scene: Scene, item: number, entries: Entries): void {
    if (scene.teamsTotal === 0) return;
    const teams = this.#teamsOf[item] ?? [];
    for (const team of teams) this.emitLoyalty(scene, team, entries);
    const { length } = this.shape.teams;
    for (let earlier = 0; earlier < length; earlier += 1) {
      const times = scene.teamTimes[earlier] ?? 0;
      if (times === 0) continue;
      for (const team of teams) {
        if (team !== earlier) {
          entries.add(this.#at['team-after'] + earlier * length + team, times / scene.teamsTotal);
        }
      }
    }
  }

  /** What is seen in that a team plays which they chose before, or follow. */
  emitLoyalty(scene: Scene, team: number, entries: Entries): void {
    const times = scene.teamTimes[team] ?? 0;
    if (times === 0) return;
    const isOwn = scene.country !== null && this.#teamCountry[team] === scene.country;
    const bucket = Math.min(LOYAL_BUCKETS, times) - 1;
    entries.add(this.#at['loyal'] + (isOwn ? LOYAL_BUCKETS : 0) + bucket, 1);
    entries.add(this.#at['loyal-share'] + (isOwn ? 1 : 0), times / scene.teamsTotal);
  }

  /** What is seen in that a team plays, by where it and the visitor come from. */
  emitOrigin(code: string | null, item: number, team: number, entries: Entries): void {
    const { length } = this.shape.teams;
    const home = this.#teamCountry[team] ?? null;
    const homeRegions = regionsOf(home);
    const country = code === null ? undefined : this.#countries.get(code);
    if (country !== undefined) entries.add(this.#at['country-team'] + country * length + team, 1);
    if (home !== null && home === code) {
      const stage = this.#stageOf[item] ?? -1;
      entries.add(this.#at['own-team'], 1);
      if (stage >= 0) entries.add(this.#at['own-team'] + 1 + stage, 1);
    }
    for (const name of regionsOf(code)) {
      const region = this.#regions.get(name);
      if (region === undefined) continue;
      entries.add(this.#at['region-team'] + region * length + team, 1);
      if (home !== code && homeRegions.includes(name)) entries.add(this.#at['near-team'] + region, 1);
    }
  }

  /** How it fits between what they hold already. */
  #emitPlans(scene: Scene, item: number, entries: Entries): void {
    const at = this.shape.items[item]?.at;
    if (at === undefined) return;
    const isNew = scene.timesChosen.size === 0;
    entries.add(this.#at['lead'] + (isNew ? 0 : LEAD_BUCKETS) + leadBucket(at - scene.now), 1);
    const [day, city] = [dayOf(at), this.#cityOf[item] ?? -1];
    let nearest: Held | null = null;
    let [first, last, isClash, near, nearby] = [Infinity, -Infinity, false, 0, 0];
    for (const held of scene.held) {
      if (held.item === item) continue;
      first = Math.min(first, held.day);
      last = Math.max(last, held.day);
      const apart = Math.abs(day - held.day);
      if (Math.abs(at - held.at) < CLASH_MS) isClash = true;
      if (apart <= 3) near += 1;
      if (apart <= 7) nearby += 1;
      const best = nearest ? Math.abs(day - nearest.day) : Infinity;
      if (apart < best || (apart === best && held.city === city)) nearest = held;
    }
    if (!nearest) return;
    const bucket = gapBucket(day - nearest.day, isClash);
    const isSameCity = city >= 0 && nearest.city === city;
    const isAfter = at >= nearest.at;
    entries.add(this.#at['gap'] + ((isSameCity ? 1 : 0) * 2 + (isAfter ? 1 : 0)) * GAP_BUCKETS + bucket, 1);
    entries.add(this.#at['plans'], Math.min(4, near));
    entries.add(this.#at['plans'] + 1, Math.min(4, nearby));
    if (day >= first && day <= last) entries.add(this.#at['plans'] + 2, 1);
  }

  #commonOf(country: string | null): Common {
    const key = country ?? '';
    const kept = this.#common.get(key);
    if (kept) return kept;
    if (this.#common.size >= COMMON_MAX) this.#common.clear();
    const entries = new Entries();
    const begins = new Int32Array(this.shape.items.length + 1);
    for (let item = 0; item < this.shape.items.length; item += 1) {
      begins[item] = entries.length;
      this.#emitCommon(country, item, entries);
    }
    begins[this.shape.items.length] = entries.length;
    const common = { begins, entries };
    this.#common.set(key, common);
    return common;
  }

  #emitCommon(code: string | null, item: number, entries: Entries): void {
    const { items, stages } = this.shape;
    const country = code === null ? undefined : this.#countries.get(code);
    const regions = regionsOf(code).flatMap((name) => this.#regions.get(name) ?? []);
    const [stage = -1, city = -1] = [this.#stageOf[item], this.#cityOf[item]];
    const price = this.#priceOf[item] ?? null;
    entries.add(this.#at['item'] + item, 1);
    for (const region of regions) entries.add(this.#at['region-item'] + region * items.length + item, 1);
    if (country !== undefined && this.#hasCountryItems) {
      entries.add(this.#at['country-item'] + country * items.length + item, 1);
    }
    if (city >= 0) entries.add(this.#at['city'] + city, 1);
    if (stage >= 0) {
      entries.add(this.#at['stage'] + stage, 1);
      for (const region of regions) entries.add(this.#at['region-stage'] + region * stages.length + stage, 1);
      if (country !== undefined) entries.add(this.#at['country-stage'] + country * stages.length + stage, 1);
    }
    if (price !== null) {
      entries.add(this.#at['price'], price);
      for (const region of regions) entries.add(this.#at['region-price'] + region, price);
      if (country !== undefined) entries.add(this.#at['country-price'] + country, price);
    }
    for (const team of this.#teamsOf[item] ?? []) {
      entries.add(this.#at['team'] + team, 1);
      this.emitOrigin(code, item, team, entries);
    }
  }

  #layOut(): Group[] {
    const { items, teams, stages, cities, countries, regions } = this.shape;
    const [n, t, s, c, r] = [items.length, teams.length, stages.length, countries.length, regions.length];
    const groups: Group[] = [];
    let offset = 0;
    const add = (name: GroupName, size: number, spread: number, start = 0, columns = size): void => {
      groups.push({ name, offset, size, columns, spread, start });
      offset += size;
    };
    add('popularity', 1, 1, 0.7);
    add('trend', 1, 1, 0.3);
    add('neighbours', DEPTH_BUCKETS, 2);
    add('again', 2, 2);
    add('item', n, 0.5);
    add('region-item', r * n, 0.25, 0, n);
    add('country-item', this.#hasCountryItems ? c * n : 0, 0.25, 0, n);
    add('team', t, 0.7);
    add('region-team', r * t, 0.5, 0, t);
    add('country-team', c * t, 0.5, 0, t);
    add('own-team', 1 + s, 2);
    add('near-team', r, 0.5);
    add('stage', s, 1);
    add('region-stage', r * s, 0.25, 0, s);
    add('country-stage', c * s, 0.25, 0, s);
    add('stage-after', s * s, 1, 0, s);
    add('city', cities.length, 0.5);
    add('city-again', 1, 1);
    add('price', 1, 1);
    add('region-price', r, 0.5);
    add('country-price', c, 0.5);
    add('price-after', PRICE_BUCKETS, 1);
    add('lead', 2 * LEAD_BUCKETS, 0.7);
    add('loyal', 2 * LOYAL_BUCKETS, 2);
    add('loyal-share', 2, 2);
    add('team-after', t * t, 0.5, 0, t);
    add('gap', 4 * GAP_BUCKETS, 1);
    add('plans', 3, 1);
    return groups;
  }
}

/** The sum of what each chosen item says of the others; null where nothing is said. */
function pullOf(chosen: Iterable<number>, items: number, neighbours: Neighbours): Float64Array | null {
  let pull: Float64Array | null = null;
  for (const from of chosen) {
    const [to, weights] = [neighbours.items[from], neighbours.weights[from]];
    if (!to || !weights || to.length === 0) continue;
    pull ??= new Float64Array(items);
    for (let k = 0; k < to.length; k += 1) {
      const item = to[k] ?? 0;
      pull[item] = (pull[item] ?? 0) + (weights[k] ?? 0);
    }
  }
  return pull;
}
