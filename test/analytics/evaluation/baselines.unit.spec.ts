import { describe, expect, it } from '@jest/globals';
import {
  trainCountryPopularity,
  trainPopularity,
  trainRecentPopularity,
} from '../../../src/analytics/evaluation/baselines.js';
import type { Choice, Dataset } from '../../../src/analytics/model/dataset.js';

const visitor = (country: string | null) => ({ country, history: [] });

function dataset(...groups: readonly (readonly [string | null, number, number])[]): Dataset {
  const choices: Choice[] = groups.flatMap(([country, item, count]) =>
    Array.from({ length: count }, (_, i) => ({ person: `${country}${item}/${i}`, country, item, at: 1 })),
  );
  return { items: [1, 2, 3].map((id) => ({ id })), choices };
}

const order = (scores: Float64Array, items: readonly number[]): readonly number[] =>
  [...items].sort((a, b) => scores[items.indexOf(b)]! - scores[items.indexOf(a)]!);

describe('baselines', () => {
  const data = dataset(['AR', 1, 40], ['QA', 2, 100], ['MX', 3, 30], ['MX', 2, 5]);

  it('rank by how often something was chosen; what never was is last', () => {
    const ranker = trainPopularity(data, 1);
    expect([...ranker.scores(visitor('AR'), [1, 2, 3, 9], 0)]).toEqual([40, 105, 30, 0]);
  });

  it('rank by country, and as all do where the country or its taste is not known', () => {
    const ranker = trainCountryPopularity(data, 1);
    const ranked = (country: string | null) =>
      order(ranker.scores(visitor(country), [1, 2, 3], 0), [1, 2, 3]);
    expect(ranked('AR')[0]).toBe(1);
    expect(ranked('MX')[0]).toBe(3);
    expect(ranked(null)).toEqual([2, 1, 3]);
    expect(ranked('FI')).toEqual([2, 1, 3]);
  });

  it('believe a country of few choices little when countries are all alike', () => {
    const alike = dataset(
      ...['AR', 'QA', 'MX'].flatMap((country) => [
        [country, 1, 50] as const,
        [country, 2, 30] as const,
        [country, 3, 20] as const,
      ]),
      ['FI', 3, 1],
    );
    const ranker = trainCountryPopularity(alike, 1);
    const scores = ranker.scores(visitor('FI'), [1, 2, 3], 0);
    expect(order(scores, [1, 2, 3])[2]).toBe(3);
  });

  it('rank by what was chosen of late', () => {
    const choices = [
      ...Array.from({ length: 10 }, (_, i) => ({ person: `a${i}`, country: null, item: 1, at: i })),
      ...Array.from({ length: 4 }, (_, i) => ({ person: `b${i}`, country: null, item: 2, at: 1_000 + i })),
    ];
    const data2 = { items: [], choices };
    const top = (train: typeof trainPopularity) =>
      order(train(data2, 1).scores(visitor(null), [1, 2], 2_000), [1, 2])[0];
    expect(top(trainPopularity)).toBe(1);
    expect(top(trainRecentPopularity)).toBe(2);
  });
});
