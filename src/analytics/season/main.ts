/** `npm run season`: makes up a season, writes it where asked, and prints what is in it. */
import { bundledMasterList } from '../../catalog/bundled.js';
import { Failure, exitCodeOf, print } from '../../peer/program.js';
import { SEED_MAX } from '../../peer/random.js';
import { numberOf, optionsOf, wholeOf } from '../arguments.js';
import { makeSeason, NOISE_SHARE, type SeasonOptions } from './season.js';
import { summaryLines } from './summary.js';
import { writeSeason } from './write.js';

/** More do not fit in the memory that Node takes by default. */
export const BUYERS_MAX = 500_000;
export const BUYERS = 20_000;
const CAPACITY_SCALE_MAX = 100_000;

const HELP = `npm run season -- [options]

Makes up a season of bookings for the bundled list. Nobody should take it for real data: docs/season.md.

  --seed NUMBER      (1)  the same seed and options give the same files
  --buyers NUMBER    (${BUYERS})  people who buy, 1 to ${BUYERS_MAX}
  --loyalty SHARE    (1)  part of the loyal who are loyal, 0 to 1
  --noise SHARE      (${NOISE_SHARE})  part of the bookings for no reason anybody could see, 0 to 1
  --capacity FACTOR  (fits the buyers)  the capacities of the list times this
  --out DIR          folder for the files; without it nothing is written
`;

/** Answers the process's exit code. */
export function main(argv: readonly string[]): Promise<number> {
  return exitCodeOf(async () => {
    const texts = optionsOf(argv, ['seed', 'buyers', 'loyalty', 'noise', 'capacity', 'out'], 'season');
    if (texts.help) {
      print(HELP);
      return;
    }
    const season = makeSeason(seasonOptionsOf(texts.values));
    for (const line of summaryLines(season)) print(line);
    const { out } = texts.values;
    if (out === undefined) return;
    const files = await written(season, out);
    print(`Written to ${out}: ${files.join(', ')}.`);
  });
}

async function written(season: Parameters<typeof writeSeason>[0], dir: string): Promise<readonly string[]> {
  try {
    return await writeSeason(season, dir);
  } catch (error) {
    throw new Failure(`${dir} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Throws `Failure`. */
function seasonOptionsOf(texts: Readonly<Record<string, string | undefined>>): SeasonOptions {
  const { seed = '1', buyers = String(BUYERS), loyalty = '1', noise = String(NOISE_SHARE), capacity } = texts;
  return {
    entries: bundledMasterList(),
    seed: wholeOf('seed', seed, 0, SEED_MAX),
    buyers: wholeOf('buyers', buyers, 1, BUYERS_MAX),
    loyalty: numberOf('loyalty', loyalty, 0, 1),
    noise: numberOf('noise', noise, 0, 1),
    capacityScale: capacity === undefined ? null : numberOf('capacity', capacity, 0.01, CAPACITY_SCALE_MAX),
  };
}
