/**
 * A season as files. Choices in the atomic files of RecBole (https://recbole.io/docs/user_guide/data/atomic_files.html),
 * so that other programs can read them; rows of the ledgers and searches as lines of JSON.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Dataset } from '../model/dataset.js';
import { datasetOf, type Season } from './season.js';

/** Seconds, to the millisecond. */
const seconds = (at: number): string => (at / 1_000).toFixed(3);
/** Words of a sequence are parted by blanks, so a name has none. */
const word = (name: string): string => name.replaceAll(' ', '_');

type Lines = Iterable<string>;

export const FILES: Readonly<Record<string, (season: Season, dataset: Dataset) => Lines>> = {
  'season.inter': (_, { choices }) => interactions(choices.map(({ person, item, at }) => [person, item, at])),
  'season.item': (_, { items }) => [
    'item_id:token\tat:float\tteams:token_seq\tcity:token\tstage:token\tprice_minor:float',
    ...items.map(({ id, at = 0, teams = [], city = '', stage = '', priceMinor = 0 }) =>
      [id, seconds(at), teams.map(word).join(' '), city, stage, priceMinor].join('\t'),
    ),
  ],
  'season.user': (_, { choices }) => [
    'user_id:token\tcountry:token',
    ...[...new Map(choices.map(({ person, country }) => [person, country]))].map(
      ([person, country]) => `${person}\t${country ?? ''}`,
    ),
  ],
  'views.inter': ({ views }) =>
    interactions(views.map(({ person, matchNumber, at }) => [person, matchNumber, at])),
  'searches.ndjson': ({ searches }) => searches.map((search) => JSON.stringify(search)),
  'bookings.ndjson': ({ bookings }) => bookings.map((booking) => JSON.stringify(booking)),
};

const interactions = (rows: readonly (readonly [string, number, number])[]): Lines => [
  'user_id:token\titem_id:token\ttimestamp:float',
  ...rows.map(([person, item, at]) => `${person}\t${item}\t${seconds(at)}`),
];

/** Writes all of them into a folder, which is made where it is missing; files of these names are replaced. */
export async function writeSeason(season: Season, dir: string): Promise<readonly string[]> {
  await mkdir(dir, { recursive: true });
  const dataset = datasetOf(season);
  for (const [name, linesOf] of Object.entries(FILES)) {
    await pipeline(Readable.from(ended(linesOf(season, dataset))), createWriteStream(join(dir, name)));
  }
  return Object.keys(FILES);
}

/** SHA-256 of all files, in their order: tells whether a season is still the same. */
export function hashOf(season: Season): string {
  const hash = createHash('sha256');
  const dataset = datasetOf(season);
  for (const linesOf of Object.values(FILES)) {
    for (const line of ended(linesOf(season, dataset))) hash.update(line);
  }
  return hash.digest('hex');
}

function* ended(lines: Lines): Generator<string> {
  for (const line of lines) yield `${line}\n`;
}
