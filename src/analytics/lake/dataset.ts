/**
 * What a model learns from: purchases made here by persons who are known, and the matches. Guarantee: the same rows,
 * in whatever files they are, are the same list in the same order; rows are read in pieces, and sorted by DuckDB
 * within its memory.
 */
import { stagesOf, teamsOf } from '../../catalog/facts.js';
import type { Match } from '../../catalog/match.js';
import { cityOf } from '../../catalog/stadiums.js';
import type { Choice, Dataset, Item } from '../model/dataset.js';
import { readOf, textOf } from './engine.js';
import type { Lake } from './lake.js';

export interface ReadOptions {
  /** Only what was before it, epoch milliseconds. */
  readonly before?: number;
  /** Lowest price of a match now, minor units; undefined where that is not known. */
  readonly priceMinorOf?: (matchNumber: number) => number | undefined;
}

export async function readDataset(
  lake: Lake,
  matches: readonly Match[],
  { before, priceMinorOf = () => undefined }: ReadOptions = {},
): Promise<Dataset> {
  const choices: Choice[] = [];
  const files = await lake.pathsOf('bookings');
  if (files.length > 0) {
    const engine = await lake.engine();
    for await (const rows of engine.read(sqlOf(files, before))) {
      for (const [at, person, item, country] of rows) {
        choices.push({
          person: textOf(person),
          country: typeof country === 'string' ? country : null,
          item: Number(item),
          at: Number(at),
        });
      }
    }
  }
  return { items: itemsOf(matches, priceMinorOf), choices };
}

function sqlOf(files: readonly string[], before: number | undefined): string {
  const until = before === undefined ? '' : `AND epoch_ms(happened_at) < ${Math.ceil(before)} `;
  return (
    'SELECT epoch_ms(happened_at)::DOUBLE, person, match_number, country ' +
    `FROM ${readOf(files)} WHERE kind = 'sold' AND is_own AND person IS NOT NULL ${until}` +
    'ORDER BY happened_at, person, match_number, id'
  );
}

/** By match number. */
export function itemsOf(
  matches: readonly Match[],
  priceMinorOf: NonNullable<ReadOptions['priceMinorOf']> = () => undefined,
): readonly Item[] {
  const stages = stagesOf(matches);
  return [...matches]
    .sort((a, b) => a.matchNumber - b.matchNumber)
    .map((match): Item => {
      const city = cityOf(match.location);
      const stage = stages.get(match.matchNumber);
      const priceMinor = priceMinorOf(match.matchNumber);
      return {
        id: match.matchNumber,
        at: Date.parse(match.dateUtc),
        teams: teamsOf(match),
        ...(city !== undefined && { city }),
        ...(stage !== undefined && { stage }),
        ...(priceMinor !== undefined && { priceMinor }),
      };
    });
}
