/** What is in a season, in lines: enough to see whether it is plausible. */
import type { Fixture } from './fixtures.js';
import { datasetOf, type Season } from './season.js';

const COUNTRIES_SHOWN = 20;

export function summaryLines(season: Season): readonly string[] {
  const { fixtures, bookings, views, searches, soldOut, leftWithNothing } = season;
  const { choices } = datasetOf(season);
  const sold = sums(bookings.map(({ matchNumber, soldDelta }) => [String(matchNumber), soldDelta]));
  const total = sum([...sold.values()]);
  const capacity = sum(fixtures.map(capacityOf));
  const persons = new Set(choices.map(({ person }) => person)).size;
  const isGone = ({ number }: Fixture): boolean => soldOut.get(number)?.at(-1)?.to === Infinity;
  return [
    'Made up, not real: docs/season.md says what is assumed.',
    '',
    `${total} of ${capacity} tickets sold (${share(total, capacity)}) on all marketplaces; ${bookings.length} rows of ledgers.`,
    `${choices.length} choices of ${persons} persons with us; ${views.length} views, ${searches.length} searches.`,
    `${fixtures.filter(isGone).length} of ${fixtures.length} matches sold out; ${leftWithNothing} visits found nothing left.`,
    '',
    `By marketplace: ${listed(sums(bookings.map(({ marketplace, soldDelta }) => [marketplace, soldDelta])), total)}`,
    `By country (choices with us): ${listed(sums(choices.map(({ country }) => [country ?? 'unknown', 1])), choices.length)}`,
    '',
    'Match                                       sold  first sold out',
    ...fixtures.map((fixture) => matchLine(fixture, sold.get(String(fixture.number)) ?? 0, season)),
  ];
}

function matchLine(fixture: Fixture, sold: number, { soldOut }: Season): string {
  const { number, teams, stage } = fixture;
  const name = `${String(number).padStart(2)}  ${teams.map((team) => team.name).join(' - ')}`;
  const label = stage === 'group' ? name : `${name} (${stage})`;
  const first = soldOut.get(number)?.[0];
  const day = first ? new Date(first.from).toISOString().slice(0, 10) : '';
  return `${label.padEnd(42)} ${share(sold, capacityOf(fixture)).padStart(5)}  ${day}`.trimEnd();
}

const capacityOf = ({ capacities }: Fixture): number => sum(capacities);

function sums(entries: readonly (readonly [string, number])[]): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  for (const [key, value] of entries) totals.set(key, (totals.get(key) ?? 0) + value);
  return totals;
}

function listed(totals: ReadonlyMap<string, number>, whole: number): string {
  const ranked = [...totals].sort((a, b) => b[1] - a[1]).slice(0, COUNTRIES_SHOWN);
  return ranked.map(([name, count]) => `${name} ${share(count, whole)}`).join(', ');
}

const share = (part: number, whole: number): string => `${Math.round((100 * part) / Math.max(1, whole))}%`;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
