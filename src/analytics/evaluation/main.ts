/** `npm run evaluate`: judges trainers on synthetic seasons, or on an interaction file, and prints one table. */
import { bundledMasterList } from '../../catalog/bundled.js';
import { exitCodeOf, Failure, print } from '../../peer/program.js';
import { numberOf, optionsOf, wholeOf } from '../arguments.js';
import type { Trainer } from '../model/dataset.js';
import { HOLD_MS } from '../season/assumptions.js';
import { BUYERS, BUYERS_MAX } from '../season/main.js';
import { datasetOf, makeSeason, NOISE_SHARE, type Season } from '../season/season.js';
import { evaluate, TEST_SHARE, type Evaluation, type Judged } from './evaluate.js';
import { readInteractions } from './interactions.js';
import { SAMPLES_MAX } from './intervals.js';
import { reportLines, reportOfPersons, reportOfSeeds, type Report } from './report.js';
import { BARS, TRAINERS } from './trainers.js';

const SEEDS = 5;
const SEASONS_MAX = 10;
/** For what is drawn again, and for trainers that draw, on a file. */
const FILE_SEED = 1;

const HELP = `npm run evaluate -- [options]

Judges trainers by what people chose later than all they learnt from: docs/evaluation.md. Without --data on synthetic
seasons.

  --trainers LIST    (${Object.keys(TRAINERS).join(',')})  which to judge
  --seeds NUMBER     (${SEEDS})  seasons of each kind, 1 to ${SAMPLES_MAX}; they have the seeds 1, 2, ...
  --loyalty LIST     (1,0.5)  kinds of season: part of the loyal who are loyal
  --buyers NUMBER    (${BUYERS})  people in a season, 1 to ${BUYERS_MAX}
  --test SHARE       (${TEST_SHARE})  the last part of the choices, which has to be foreseen
  --data PATH        a file instead: NAME.inter of RecBole, or ratings.csv, u.data or ratings.dat of MovieLens
  --json             the same as JSON
`;

const NAMES = ['trainers', 'seeds', 'loyalty', 'buyers', 'test', 'data'] as const;

/** Answers the process's exit code. `log` hears of progress. */
export function main(argv: readonly string[], log: (line: string) => void = toStderr): Promise<number> {
  return exitCodeOf(async () => {
    const { values, flags, help } = optionsOf(argv, NAMES, 'evaluate', ['json']);
    if (help) {
      print(HELP);
      return;
    }
    const trainers = trainersOf(values['trainers']);
    const testShare = numberOf('test', values['test'] ?? String(TEST_SHARE), 0.01, 0.9);
    const path = values['data'];
    const reports =
      path === undefined
        ? seasonReports(values, trainers, testShare, log)
        : [await fileReport(path, trainers, testShare)];
    if (flags.has('json')) print(JSON.stringify(reports, null, 2));
    else print(reports.map((report) => reportLines(report).join('\n')).join('\n\n\n'));
  });
}

function toStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}

function trainersOf(text: string | undefined): ReadonlyMap<string, Trainer> {
  const names = text?.split(',') ?? Object.keys(TRAINERS);
  return new Map(
    names.map((name) => {
      const trainer = Object.hasOwn(TRAINERS, name) ? TRAINERS[name] : undefined;
      if (!trainer)
        throw new Failure(`There is no trainer ${name}: there are ${Object.keys(TRAINERS).join(', ')}.`);
      return [name, trainer];
    }),
  );
}

function seasonReports(
  values: Readonly<Record<string, string | undefined>>,
  trainers: ReadonlyMap<string, Trainer>,
  testShare: number,
  log: (line: string) => void,
): readonly Report[] {
  const seeds = wholeOf('seeds', values['seeds'] ?? String(SEEDS), 1, SAMPLES_MAX);
  const buyers = wholeOf('buyers', values['buyers'] ?? String(BUYERS), 1, BUYERS_MAX);
  const loyalties = (values['loyalty'] ?? '1,0.5').split(',').map((text) => numberOf('loyalty', text, 0, 1));
  if (loyalties.length > SEASONS_MAX)
    throw new Failure(`--loyalty takes at most ${SEASONS_MAX} kinds of season.`);
  return loyalties.map((loyalty) => {
    const evaluations: Evaluation[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      log(`season ${seed} of ${seeds}, loyalty ${loyalty}`);
      const season = makeSeason({
        entries: bundledMasterList(),
        seed,
        buyers,
        loyalty,
        noise: NOISE_SHARE,
        capacityScale: null,
      });
      evaluations.push(evaluate(judgedSeason(season), { trainers, seed, testShare }));
    }
    return reportOfSeeds(`Synthetic seasons of ${buyers} buyers, loyalty ${loyalty}`, evaluations, BARS);
  });
}

/**
 * A match is on sale at a choice unless nothing of it was left all the time from a hold's length before: what somebody
 * bought was there when they held it, though it may have been gone when they paid.
 */
export function judgedSeason(season: Season): Judged {
  return {
    dataset: datasetOf(season),
    isOnSale: (item, at) =>
      !(season.soldOut.get(item) ?? []).some(({ from, to }) => from < at - HOLD_MS && to >= at),
  };
}

async function fileReport(
  path: string,
  trainers: ReadonlyMap<string, Trainer>,
  testShare: number,
): Promise<Report> {
  const dataset = await readInteractions(path);
  const evaluation = evaluate({ dataset }, { trainers, seed: FILE_SEED, testShare });
  return reportOfPersons(path, evaluation, BARS, FILE_SEED);
}
