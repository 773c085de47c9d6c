/**
 * Judges rankers on what people chose after all that the rankers learnt from.
 *
 * Guarantees: a trainer is given nothing that happened at or after the cut; a choice is predicted from what the same
 * person chose strictly before it; every ranker is asked about the same choices with the same candidates; ties are
 * broken by nobody's order (metrics.ts).
 */
import type { Choice, Dataset, Item, Ranker, Trainer } from '../model/dataset.js';
import { hitRate, ndcg, placeOf, reciprocalRank } from './metrics.js';

/** The last part of the choices, by time, that is kept from trainers. */
export const TEST_SHARE = 0.2;
/** More test choices are thinned evenly, so that a large file is judged in minutes. */
export const TEST_CHOICES_MAX = 50_000;

export const METRICS = ['hitRateAt5', 'ndcgAt10', 'mrr'] as const;
export type Metric = (typeof METRICS)[number];

export interface Judged {
  readonly dataset: Dataset;
  /** Whether an item was on sale at that time, as far as that is known. Without it, all were until they began. */
  readonly isOnSale?: (item: number, at: number) => boolean;
}

export interface Split {
  /** Choices before it are for training. Epoch milliseconds. */
  readonly cutAt: number;
  readonly training: Dataset;
  readonly test: readonly Choice[];
  /** Test choices there were before thinning. */
  readonly testAll: number;
}

/** The values of one ranker, one for each test choice. */
export type Values = Readonly<Record<Metric, Float64Array>>;

export interface Evaluation {
  readonly trainingChoices: number;
  readonly testChoices: number;
  /** Test choices of things that, by their facts, could not be chosen: not counted. */
  readonly impossible: number;
  /** Candidates for a choice, mean. */
  readonly candidatesMean: number;
  /** Mean of 1, 5, 10 ... by chance alone: what a ranker that knows nothing gets. */
  readonly chance: Readonly<Record<Metric, number>>;
  /** Who chose, one for each test choice. */
  readonly persons: readonly string[];
  /** Whether the person is known from training. */
  readonly isKnown: readonly boolean[];
  readonly values: ReadonlyMap<string, Values>;
}

/** Cuts at one moment for all: choices of the moment itself are test choices. */
export function splitOf({ items, choices }: Dataset, testShare: number, testChoicesMax: number): Split {
  const first = choices[Math.floor(choices.length * (1 - testShare))];
  if (!first) throw new Error('There are no choices to judge by.');
  const cutAt = first.at;
  const after = choices.filter(({ at }) => at >= cutAt);
  const step = Math.max(1, after.length / testChoicesMax);
  const test = Array.from({ length: Math.floor(after.length / step) }, (_, i) => after[Math.floor(i * step)]);
  return {
    cutAt,
    training: { items, choices: choices.filter(({ at }) => at < cutAt) },
    test: test.filter((choice) => choice !== undefined),
    testAll: after.length,
  };
}

export interface EvaluateOptions {
  readonly trainers: ReadonlyMap<string, Trainer>;
  readonly seed: number;
  readonly testShare?: number;
  readonly testChoicesMax?: number;
}

export function evaluate(judged: Judged, options: EvaluateOptions): Evaluation {
  const { dataset } = judged;
  const { trainers, seed, testShare = TEST_SHARE, testChoicesMax = TEST_CHOICES_MAX } = options;
  const split = splitOf(dataset, testShare, testChoicesMax);
  const rankers = new Map([...trainers].map(([name, train]) => [name, train(split.training, seed)]));
  const tally = new Tally([...rankers.keys()], split);
  const questions = questionsOf(judged, split);
  for (const question of questions) {
    if (question.chosen < 0) tally.impossible += 1;
    else tally.add(question, rankers);
  }
  return tally.evaluation();
}

interface Question {
  readonly choice: Choice;
  readonly history: readonly Choice[];
  readonly candidates: readonly number[];
  /** Index of what was chosen among the candidates; -1: it is none of them. */
  readonly chosen: number;
}

/**
 * Candidates are all items that had not begun and were on sale, without those the person chose before, unless people
 * choose the same thing again in these data.
 */
function* questionsOf({ dataset, isOnSale }: Judged, { test }: Split): Generator<Question> {
  const histories = historiesOf(dataset.choices, test);
  const mayRepeat = hasRepeats(dataset.choices);
  const isOpen = (item: Item, now: number): boolean =>
    (item.at === undefined || item.at > now) && (isOnSale?.(item.id, now) ?? true);
  for (const choice of test) {
    const all = histories.get(choice.person) ?? [];
    const history = all.filter(({ at }) => at < choice.at);
    const had = new Set(mayRepeat ? [] : history.map(({ item }) => item));
    const candidates: number[] = [];
    for (const item of dataset.items) {
      if (!had.has(item.id) && isOpen(item, choice.at)) candidates.push(item.id);
    }
    yield { choice, history, candidates, chosen: candidates.indexOf(choice.item) };
  }
}

/** Of those who are asked about, in the order of time. */
function historiesOf(
  choices: readonly Choice[],
  test: readonly Choice[],
): ReadonlyMap<string, readonly Choice[]> {
  const histories = new Map<string, Choice[]>(test.map(({ person }) => [person, []]));
  for (const choice of choices) histories.get(choice.person)?.push(choice);
  return histories;
}

function hasRepeats(choices: readonly Choice[]): boolean {
  const items = new Map<string, Set<number>>();
  for (const { person, item } of choices) {
    const mine = items.get(person);
    if (mine?.has(item)) return true;
    if (mine) mine.add(item);
    else items.set(person, new Set([item]));
  }
  return false;
}

class Tally {
  impossible = 0;
  readonly #split: Split;
  readonly #knownPersons: ReadonlySet<string>;
  readonly #values: ReadonlyMap<string, Readonly<Record<Metric, number[]>>>;
  readonly #persons: string[] = [];
  readonly #isKnown: boolean[] = [];
  readonly #chance: Record<Metric, number> = { hitRateAt5: 0, ndcgAt10: 0, mrr: 0 };
  #candidates = 0;

  constructor(names: readonly string[], split: Split) {
    this.#split = split;
    this.#knownPersons = new Set(split.training.choices.map(({ person }) => person));
    this.#values = new Map(names.map((name) => [name, { hitRateAt5: [], ndcgAt10: [], mrr: [] }]));
  }

  add({ choice, history, candidates, chosen }: Question, rankers: ReadonlyMap<string, Ranker>): void {
    const { person, country, at } = choice;
    const visitor = { country, history: history.map(({ item, at: when }) => ({ item, at: when })) };
    this.#persons.push(person);
    this.#isKnown.push(this.#knownPersons.has(person));
    this.#candidates += candidates.length;
    const byChance = valuesOf({ above: 0, tied: candidates.length });
    for (const metric of METRICS) this.#chance[metric] += byChance[metric];
    for (const [name, values] of this.#values) {
      const scores = rankers.get(name)?.scores(visitor, candidates, at);
      if (scores?.length !== candidates.length) throw new Error(`${name} does not score every candidate.`);
      const found = valuesOf(placeOf(scores, chosen));
      for (const metric of METRICS) values[metric].push(found[metric]);
    }
  }

  evaluation(): Evaluation {
    const count = Math.max(1, this.#persons.length);
    const { hitRateAt5, ndcgAt10, mrr } = this.#chance;
    return {
      trainingChoices: this.#split.training.choices.length,
      testChoices: this.#persons.length,
      impossible: this.impossible,
      candidatesMean: this.#candidates / count,
      chance: { hitRateAt5: hitRateAt5 / count, ndcgAt10: ndcgAt10 / count, mrr: mrr / count },
      persons: this.#persons,
      isKnown: this.#isKnown,
      values: new Map(
        [...this.#values].map(([name, values]) => [
          name,
          {
            hitRateAt5: Float64Array.from(values.hitRateAt5),
            ndcgAt10: Float64Array.from(values.ndcgAt10),
            mrr: Float64Array.from(values.mrr),
          },
        ]),
      ),
    };
  }
}

const valuesOf = (place: { above: number; tied: number }): Record<Metric, number> => ({
  hitRateAt5: hitRate(place, 5),
  ndcgAt10: ndcg(place, 10),
  mrr: reciprocalRank(place),
});
