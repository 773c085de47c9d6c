import { describe, expect, it } from '@jest/globals';
import type { Choice, Dataset, Ranker, Trainer, Visitor } from '../../../src/analytics/model/dataset.js';
import {
  evaluate,
  splitOf,
  type Evaluation,
  type Judged,
} from '../../../src/analytics/evaluation/evaluate.js';
import { judgedSeason } from '../../../src/analytics/evaluation/main.js';
import { makeSeason, NOISE_SHARE } from '../../../src/analytics/season/season.js';
import { bundledMasterList } from '../../../src/catalog/bundled.js';
import { seeded } from '../../../src/peer/random.js';

const ITEMS = 20;

const choice = (person: string, item: number, at: number, country: string | null = null): Choice => ({
  person,
  country,
  item,
  at,
});

const rankerOf =
  (name: string, scores: Ranker['scores']): Trainer =>
  () => ({ name, scores });

const meanOf = (evaluation: Evaluation, name: string) => {
  const values = evaluation.values.get(name)!;
  const mean = (array: Float64Array) => array.reduce((sum, value) => sum + value, 0) / array.length;
  return { hit: mean(values.hitRateAt5), gain: mean(values.ndcgAt10), mrr: mean(values.mrr) };
};

const run = (judged: Judged, trainers: Readonly<Record<string, Trainer>>, testShare = 0.25) =>
  evaluate(judged, { trainers: new Map(Object.entries(trainers)), seed: 1, testShare });

/** People who choose at random, one match at most once. */
function randomDataset(people: number, each: number): Dataset {
  const random = seeded(9);
  const choices: Choice[] = [];
  for (let person = 0; person < people; person += 1) {
    const left = Array.from({ length: ITEMS }, (_, i) => i);
    for (let i = 0; i < each; i += 1) {
      const [item = 0] = left.splice(Math.floor(random() * left.length), 1);
      choices.push(choice(`p${person}`, item, Math.floor(random() * 1_000_000)));
    }
  }
  return {
    items: Array.from({ length: ITEMS }, (_, id) => ({ id })),
    choices: choices.sort((a, b) => a.at - b.at),
  };
}

describe('the split', () => {
  const choices = [1, 2, 3, 4, 4, 4, 5, 6].map((at, i) => choice(`p${i}`, i, at));

  it('cuts at one moment for all, and that moment is for the test', () => {
    const { cutAt, training, test } = splitOf({ items: [], choices }, 0.5, 100);
    expect(cutAt).toBe(4);
    expect(training.choices.map(({ at }) => at)).toEqual([1, 2, 3]);
    expect(test.map(({ at }) => at)).toEqual([4, 4, 4, 5, 6]);
  });

  it('thins many evenly', () => {
    const { test, testAll } = splitOf({ items: [], choices }, 1, 4);
    expect(test.map(({ item }) => item)).toEqual([0, 2, 4, 6]);
    expect(testAll).toBe(8);
  });
});

describe('what rankers and trainers are told', () => {
  const dataset: Dataset = {
    items: [{ id: 1 }, { id: 2 }, { id: 3, at: 45 }, { id: 4 }],
    choices: [
      choice('a', 1, 10, 'AR'),
      choice('b', 1, 20),
      choice('a', 3, 30, 'AR'),
      choice('b', 2, 40),
      choice('a', 2, 50, 'AR'),
      choice('a', 4, 50, 'AR'),
      choice('c', 4, 60),
    ],
  };

  it('is nothing that happened at or after the cut, and nothing of the same moment', () => {
    const trained: Dataset[] = [];
    const asked: { visitor: Visitor; candidates: readonly number[]; now: number }[] = [];
    const spy: Trainer = (training) => {
      trained.push(training);
      return {
        name: 'spy',
        scores: (visitor, candidates, now) => {
          asked.push({ visitor, candidates, now });
          return new Float64Array(candidates.length);
        },
      };
    };
    const { isKnown, impossible } = run({ dataset }, { spy }, 0.6);
    expect(trained.map(({ choices }) => choices)).toEqual([dataset.choices.slice(0, 2)]);
    expect(asked).toEqual([
      { visitor: { country: 'AR', history: [{ item: 1, at: 10 }] }, candidates: [2, 3, 4], now: 30 },
      { visitor: { country: null, history: [{ item: 1, at: 20 }] }, candidates: [2, 3, 4], now: 40 },
      // The earlier test choice is history; match 3 has begun; the choice of the same moment is not told.
      ...[1, 2].map(() => ({
        visitor: {
          country: 'AR',
          history: [
            { item: 1, at: 10 },
            { item: 3, at: 30 },
          ],
        },
        candidates: [2, 4],
        now: 50,
      })),
      { visitor: { country: null, history: [] }, candidates: [1, 2, 4], now: 60 },
    ]);
    expect(isKnown).toEqual([true, true, true, true, false]);
    expect(impossible).toBe(0);
  });

  it('is that what was chosen before can be chosen again only where somebody did', () => {
    const seen: number[][] = [];
    const spy = rankerOf('spy', (_, candidates) => {
      seen.push([...candidates]);
      return new Float64Array(candidates.length);
    });
    const choices = [choice('a', 1, 1), choice('b', 1, 2), choice('b', 1, 3), choice('a', 2, 4)];
    run({ dataset: { items: [{ id: 1 }, { id: 2 }], choices } }, { spy }, 0.25);
    expect(seen).toEqual([[1, 2]]);
  });

  it('leaves out and counts what could not be chosen', () => {
    const constant = rankerOf('constant', (_, candidates) => new Float64Array(candidates.length));
    const sold: Judged = { dataset, isOnSale: (item) => item !== 4 };
    const { impossible, testChoices } = run(sold, { constant }, 0.6);
    expect({ impossible, testChoices }).toEqual({ impossible: 2, testChoices: 3 });
  });
});

describe('figures', () => {
  const dataset = randomDataset(300, 4);

  it('are 1 for who knows the future', () => {
    const answers = new Map<string, number>(dataset.choices.map(({ item, at }) => [String(at), item]));
    const oracle = rankerOf('oracle', (_, candidates, now) =>
      Float64Array.from(candidates, (item) => (answers.get(String(now)) === item ? 1 : 0)),
    );
    const moments = new Set(dataset.choices.map(({ at }) => at));
    const choices = dataset.choices.filter((one, i) => dataset.choices[i - 1]?.at !== one.at);
    expect(moments.size).toBe(choices.length);
    expect(meanOf(run({ dataset: { ...dataset, choices } }, { oracle }), 'oracle')).toEqual({
      hit: 1,
      gain: 1,
      mrr: 1,
    });
  });

  it('are what chance gives for who draws, and exactly that for who scores all the same', () => {
    const random = seeded(4);
    const evaluation = run(
      { dataset },
      {
        random: rankerOf('random', (_, candidates) => Float64Array.from(candidates, () => random())),
        constant: rankerOf('constant', (_, candidates) => new Float64Array(candidates.length).fill(7)),
      },
    );
    const constant = meanOf(evaluation, 'constant');
    expect(constant.hit).toBeCloseTo(evaluation.chance.hitRateAt5, 12);
    expect(constant.gain).toBeCloseTo(evaluation.chance.ndcgAt10, 12);
    expect(constant.mrr).toBeCloseTo(evaluation.chance.mrr, 12);
    const drawn = meanOf(evaluation, 'random');
    const count = evaluation.testChoices;
    const p = evaluation.chance.hitRateAt5;
    // Four standard deviations of a binomial.
    expect(Math.abs(drawn.hit - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / count));
    expect(Math.abs(drawn.gain - evaluation.chance.ndcgAt10)).toBeLessThan(4 / Math.sqrt(count));
    // With n candidates the probability to be among five is 5 / n, and people have chosen up to three of 20.
    expect(p).toBeGreaterThan(5 / 20);
    expect(p).toBeLessThan(5 / 17);
  });

  it('do not depend on the order of the candidates', () => {
    const rank = rankerOf('rank', (_, candidates) => Float64Array.from(candidates, (item) => item % 3));
    const turned = { ...dataset, items: [...dataset.items].reverse() };
    const of = (judged: Judged) => run(judged, { rank }).values.get('rank')!.ndcgAt10;
    expect(of({ dataset: turned })).toEqual(of({ dataset }));
  });

  it('take no ranker that leaves candidates out', () => {
    const lazy = rankerOf('lazy', () => new Float64Array(1));
    expect(() => run({ dataset }, { lazy })).toThrow('lazy does not score every candidate');
  });
});

describe('a season', () => {
  it('has every test choice among its candidates, and never one that was sold out', () => {
    const season = makeSeason({
      entries: bundledMasterList(),
      seed: 3,
      buyers: 500,
      loyalty: 1,
      noise: NOISE_SHARE,
      // Few tickets, so that many matches sell out.
      capacityScale: 0.3,
    });
    const wrong: number[] = [];
    const spy = rankerOf('spy', (_, candidates, now) => {
      for (const { number, at } of season.fixtures) {
        const isGone =
          season.soldOut.get(number)?.some(({ from, to }) => from < now - 600_000 && now <= to) ?? false;
        if (candidates.includes(number) && (isGone || at <= now)) wrong.push(number);
      }
      return new Float64Array(candidates.length);
    });
    const { impossible, testChoices, candidatesMean } = run(judgedSeason(season), { spy });
    expect(impossible).toBe(0);
    expect(testChoices).toBeGreaterThan(20);
    expect(candidatesMean).toBeLessThan(50);
    expect(wrong).toEqual([]);
  });
});
