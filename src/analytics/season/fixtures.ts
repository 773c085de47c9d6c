/**
 * The matches of a season and how they end. Who plays in a knock-out match is decided by the season's chance, and
 * nobody knows it before the matches that decide it are over.
 */
import type { MatchEntry } from '../../catalog/match.js';
import type { Random } from '../../peer/random.js';
import type { Item } from '../model/dataset.js';
import {
  DRAW_SHARE,
  LATER_ROUNDS,
  ROUND_OF_16,
  STADIUMS,
  STRENGTH_LOGIT,
  TEAMS,
  THIRD_PLACE_MATCH,
  TIMES,
  type Team,
} from './assumptions.js';
import { happens } from './chance.js';

export const DAY_MS = 24 * 3_600_000;

export type Stage = 'group' | 'round-of-16' | 'quarter-final' | 'semi-final' | 'third-place' | 'final';

export interface Fixture {
  readonly number: number;
  /** Kick-off, epoch milliseconds. */
  readonly at: number;
  readonly stage: Stage;
  readonly stadium: string;
  readonly city: string;
  readonly group: string | null;
  /** Who will play. */
  readonly teams: readonly [Team, Team];
  /** From when on that is known, epoch milliseconds; -Infinity for what the list says. */
  readonly knownAt: number;
  /** By category, 1 first. */
  readonly prices: readonly number[];
  readonly capacities: readonly number[];
}

const teamNamed = new Map(TEAMS.map((team) => [team.name, team]));

/** Throws when the list is not the bundled one: the rounds that follow the groups are known for that one only. */
export function playSeason(
  entries: readonly MatchEntry[],
  capacityScale: number,
  random: Random,
): readonly Fixture[] {
  const group = entries.filter((entry) => entry.group !== null);
  const knockOut = entries.filter((entry) => entry.group === null);
  const played = new Map<number, Fixture>();
  for (const entry of group) {
    const teams = [teamOf(entry.homeTeam), teamOf(entry.awayTeam)] as const;
    played.set(entry.matchNumber, fixtureOf(entry, teams, -Infinity, capacityScale));
  }
  const places = placesOf([...played.values()], random);
  const winners = new Map<number, readonly [Team, Team]>();
  for (const entry of knockOut) {
    const { teams, knownAt } = meetingOf(entry.matchNumber, places, winners, played);
    const fixture = fixtureOf(entry, teams, knownAt, capacityScale);
    played.set(entry.matchNumber, fixture);
    const isFirst = happens(random, winShare(teams[0], teams[1]));
    winners.set(entry.matchNumber, isFirst ? teams : [teams[1], teams[0]]);
  }
  return entries.map(({ matchNumber }) => found(played.get(matchNumber), `match ${matchNumber}`));
}

/** What may be known of a match when the sale begins: no teams where the list has none. */
export function itemOf(fixture: Fixture): Item {
  const { number, at, stage, city, teams, knownAt, prices } = fixture;
  return {
    id: number,
    at,
    teams: knownAt === -Infinity ? teams.map(({ name }) => name) : [],
    city,
    stage,
    priceMinor: Math.round(Math.min(...prices) * 100),
  };
}

const NOBODY: readonly Team[] = [];

/** Who is known to play. */
export const teamsAt = (fixture: Fixture, now: number): readonly Team[] =>
  now >= fixture.knownAt ? fixture.teams : NOBODY;

/** Kilometres, on a plane: the stadiums are near each other. */
export function kmBetween(one: string, other: string): number {
  const a = found(STADIUMS[one], one);
  const b = found(STADIUMS[other], other);
  const kmPerDegree = 111.2;
  const east = (a.lon - b.lon) * Math.cos((a.lat * Math.PI) / 180);
  return kmPerDegree * Math.sqrt((a.lat - b.lat) * (a.lat - b.lat) + east * east);
}

function fixtureOf(
  entry: MatchEntry,
  teams: readonly [Team, Team],
  knownAt: number,
  capacityScale: number,
): Fixture {
  const { availability } = entry;
  const categories = [availability.category1, availability.category2, availability.category3];
  return {
    number: entry.matchNumber,
    at: Date.parse(entry.dateUtc),
    stage: stageOf(entry),
    stadium: entry.location,
    city: found(STADIUMS[entry.location], entry.location).city,
    group: entry.group,
    teams,
    knownAt,
    prices: categories.map(({ price }) => price),
    capacities: categories.map(({ available }) => Math.max(1, Math.round(available * capacityScale))),
  };
}

const LATER_STAGES: Readonly<Record<number, Stage>> = {
  4: 'round-of-16',
  5: 'quarter-final',
  6: 'semi-final',
  7: 'final',
};

function stageOf({ group, roundNumber, matchNumber }: MatchEntry): Stage {
  if (group !== null) return 'group';
  if (matchNumber === THIRD_PLACE_MATCH) return 'third-place';
  return found(LATER_STAGES[roundNumber], `round ${roundNumber}`);
}

const winShare = (one: Team, other: Team): number =>
  1 / (1 + Math.exp(-STRENGTH_LOGIT * (one.strength - other.strength)));

interface Place {
  readonly team: Team;
  readonly knownAt: number;
}

/** First and second of each group, by points; chance decides between equals. */
function placesOf(fixtures: readonly Fixture[], random: Random): ReadonlyMap<string, Place> {
  const points = new Map<string, Map<Team, number>>();
  const over = new Map<string, number>();
  for (const { group, teams, at } of fixtures) {
    if (group === null) continue;
    const table = points.get(group) ?? new Map<Team, number>();
    points.set(group, table);
    over.set(group, Math.max(over.get(group) ?? 0, at + TIMES.matchMs));
    const isDraw = happens(random, DRAW_SHARE);
    const isFirst = happens(random, winShare(teams[0], teams[1]));
    const gained = isDraw ? [1, 1] : isFirst ? [3, 0] : [0, 3];
    for (const [i, team] of teams.entries()) table.set(team, (table.get(team) ?? 0) + (gained[i] ?? 0));
  }
  const places = new Map<string, Place>();
  for (const [group, table] of points) {
    const ranked = [...table].map(([team, count]) => ({ team, count: count + random() / 2 }));
    ranked.sort((a, b) => b.count - a.count);
    for (const [i, { team }] of ranked.slice(0, 2).entries()) {
      places.set(`${group}${i + 1}`, { team, knownAt: over.get(group) ?? 0 });
    }
  }
  return places;
}

function meetingOf(
  number: number,
  places: ReadonlyMap<string, Place>,
  winners: ReadonlyMap<number, readonly [Team, Team]>,
  played: ReadonlyMap<number, Fixture>,
): { teams: readonly [Team, Team]; knownAt: number } {
  const groups = ROUND_OF_16[number];
  if (groups) {
    const [first, second] = groups.map((place) => found(places.get(place), place));
    const one = found(first, 'a group winner');
    const other = found(second, 'a runner-up');
    return { teams: [one.team, other.team], knownAt: Math.max(one.knownAt, other.knownAt) };
  }
  const before = found(LATER_ROUNDS[number], `match ${number}`);
  const place = number === THIRD_PLACE_MATCH ? 1 : 0;
  const [one, other] = before.map((match) => found(winners.get(match), `match ${match}`)[place]);
  const ends = before.map((match) => found(played.get(match), `match ${match}`).at + TIMES.matchMs);
  return { teams: [found(one, 'a winner'), found(other, 'a winner')], knownAt: Math.max(...ends) };
}

const teamOf = (name: string): Team => found(teamNamed.get(name), name);

export function found<T>(value: T | undefined, name: string): T {
  if (value === undefined)
    throw new Error(`The season knows nothing of ${name}: it is made for the bundled list.`);
  return value;
}
