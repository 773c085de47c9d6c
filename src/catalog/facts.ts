/** What follows from the facts of a match. Pure. */
import type { Match } from './match.js';
import { cityOf } from './stadiums.js';

/** Teams that are known; the master list says `TBA` of the others. */
export function teamsOf({ homeTeam, awayTeam }: Pick<Match, 'homeTeam' | 'awayTeam'>): readonly string[] {
  return [homeTeam, awayTeam].filter((team) => team !== TO_BE_ANNOUNCED);
}

const TO_BE_ANNOUNCED = 'TBA';

export const STAGES = [
  'group',
  'round-of-16',
  'quarter-final',
  'semi-final',
  'third-place',
  'final',
] as const;
export type Stage = (typeof STAGES)[number];

/** Rounds of the bundled list that are knock-out. */
const KNOCK_OUT: ReadonlyMap<number, Stage> = new Map([
  [4, 'round-of-16'],
  [5, 'quarter-final'],
  [6, 'semi-final'],
]);
const LAST_ROUND = 7;

/**
 * The stages of matches by match number; a match of which that does not follow is not in it. The last round has two
 * matches, and the final is the later one.
 */
export function stagesOf(
  matches: readonly Pick<Match, 'matchNumber' | 'roundNumber' | 'group' | 'dateUtc'>[],
): ReadonlyMap<number, Stage> {
  const last = matches.filter(({ roundNumber, group }) => group === null && roundNumber === LAST_ROUND);
  const final = last.reduce<(typeof last)[number] | null>(
    (latest, match) => (latest && Date.parse(latest.dateUtc) >= Date.parse(match.dateUtc) ? latest : match),
    null,
  );
  const stages = new Map<number, Stage>();
  for (const { matchNumber, roundNumber, group } of matches) {
    const late =
      roundNumber === LAST_ROUND ? (matchNumber === final?.matchNumber ? 'final' : 'third-place') : null;
    const stage = group === null ? (KNOCK_OUT.get(roundNumber) ?? late) : 'group';
    if (stage !== null) stages.set(matchNumber, stage);
  }
  return stages;
}

/** Every name that somebody can look for: teams, stadiums and cities; by how it is written in small letters. */
export function namesOf(matches: readonly Match[]): ReadonlyMap<string, string> {
  const names = matches.flatMap((match) => {
    const city = cityOf(match.location);
    return [...teamsOf(match), match.location, ...(city === undefined ? [] : [city])];
  });
  return new Map(names.map((name) => [name.toLowerCase(), name]));
}
