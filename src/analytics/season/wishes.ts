/** What a buyer thinks of every match at a moment: a multinomial logit (McFadden, 1974) over what is possible. */
import { SAME_DAY, STADIUMS, TASTE, TEAMS, TIMES, type Team } from './assumptions.js';
import type { Random } from '../../peer/random.js';
import type { Buyer, Stay } from './buyers.js';
import { normal } from './chance.js';
import { DAY_MS, kmBetween, teamsAt, type Fixture } from './fixtures.js';

/** What a season makes of matches and teams, beyond their names: logits. */
export interface Fashion {
  readonly matches: readonly number[];
  readonly teams: ReadonlyMap<string, number>;
}

export function drawFashion(fixtures: readonly Fixture[], random: Random): Fashion {
  return {
    matches: fixtures.map(() => TASTE.matchFashionDeviation * normal(random)),
    teams: new Map(TEAMS.map(({ name }) => [name, TASTE.teamFashionDeviation * normal(random)])),
  };
}

export interface Situation {
  readonly now: number;
  readonly stay: Stay | null;
  /** Matches they hold. */
  readonly held: readonly Fixture[];
}

/** One for each match, in their order; -Infinity for what cannot be. */
export function utilities(
  buyer: Buyer,
  situation: Situation,
  fixtures: readonly Fixture[],
  fashion: Fashion,
): Float64Array {
  const { now, held } = situation;
  const beside = {
    days: held.map(({ at }) => dayOf(at)),
    stadiums: new Set(held.map(({ stadium }) => stadium)),
    teams: new Set(held.flatMap((other) => teamsAt(other, now))),
  };
  return Float64Array.from(fixtures, (fixture, i) =>
    isPossible(buyer, situation, fixture)
      ? worthOf(buyer, now, fixture, fashion) +
        worthBeside(buyer, now, fixture, beside) +
        (fashion.matches[i] ?? 0)
      : -Infinity,
  );
}

export function isPossible(buyer: Buyer, { now, stay, held }: Situation, fixture: Fixture): boolean {
  const { at } = fixture;
  if (at < now + TIMES.beforeKickOffMs) return false;
  if (stay ? at < stay.from || at > stay.to : at < now + TIMES.travelMs) return false;
  if (buyer.reach !== 'resident' && at < now + TIMES.travelMs && now < (stay?.from ?? now)) return false;
  return held.every((other) => canSeeBoth(fixture, other));
}

/** They do not overlap, and one can get from one to the other. */
export function canSeeBoth(one: Fixture, other: Fixture): boolean {
  if (one.number === other.number) return false;
  const hours = Math.abs(one.at - other.at) / 3_600_000;
  return hours >= SAME_DAY.hoursMin + SAME_DAY.hoursPerKm * km(one.stadium, other.stadium);
}

function worthOf(buyer: Buyer, now: number, fixture: Fixture, fashion: Fashion): number {
  let worth = TASTE.stage[fixture.stage] + (fixture.number === 1 ? TASTE.openingMatch : 0);
  for (const { name, fame } of teamsAt(fixture, now)) {
    worth += buyer.curiosity * ((TASTE.teamsFame / 2) * fame + (fashion.teams.get(name) ?? 0));
    worth += buyer.teams.get(name) ?? 0;
  }
  worth += TASTE.perKm * km(buyer.near, fixture.stadium);
  if (buyer.reach === 'resident' && isInWorkingHours(fixture.at)) worth += TASTE.workingHours;
  return worth;
}

/** Of the matches they hold. */
interface Beside {
  readonly days: readonly number[];
  readonly stadiums: ReadonlySet<string>;
  readonly teams: ReadonlySet<Team>;
}

/** What it is worth beside the matches they hold. */
function worthBeside(buyer: Buyer, now: number, fixture: Fixture, beside: Beside): number {
  if (beside.days.length === 0) return 0;
  const day = dayOf(fixture.at);
  const days = Math.min(...beside.days.map((other) => Math.abs(other - day)));
  let worth = TASTE.daysBetween[days] ?? 0;
  if (beside.stadiums.has(fixture.stadium)) worth += buyer.sameStadium;
  for (const team of teamsAt(fixture, now)) {
    if (beside.teams.has(team) && !buyer.teams.has(team.name)) worth += TASTE.sameTeamAgain;
  }
  return worth;
}

export const dayOf = (at: number): number => Math.floor(at / DAY_MS);

const FRIDAY = 5;
const SATURDAY = 6;
const WORK_ENDS_HOUR = 14;

function isInWorkingHours(at: number): boolean {
  const date = new Date(at);
  const day = date.getUTCDay();
  return day !== FRIDAY && day !== SATURDAY && date.getUTCHours() < WORK_ENDS_HOUR;
}

const names = Object.keys(STADIUMS);
const distances = new Map(
  names.map((one) => [one, new Map(names.map((other) => [other, kmBetween(one, other)]))]),
);
const km = (one: string, other: string): number => distances.get(one)?.get(other) ?? 0;
