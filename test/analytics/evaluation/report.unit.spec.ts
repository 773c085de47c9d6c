import { describe, expect, it } from '@jest/globals';
import type { Evaluation } from '../../../src/analytics/evaluation/evaluate.js';
import { reportLines, reportOfPersons, reportOfSeeds } from '../../../src/analytics/evaluation/report.js';
import { seeded } from '../../../src/peer/random.js';

const BARS = [{ name: 'popularity', factor: 1.5 }];

/** Two choices each of a known and an unknown person, and so on; each ranker gets about its share of hits. */
function evaluationOf(people: number, shares: Readonly<Record<string, number>>, seed: number): Evaluation {
  const random = seeded(seed);
  const persons = Array.from({ length: people }, (_, i) => `p${i}`).flatMap((person) => [person, person]);
  const drawn = persons.map(() => random());
  const values = Object.entries(shares).map(([name, share]) => {
    const hits = Float64Array.from(drawn, (number) => (number < share ? 1 : 0));
    return [name, { hitRateAt5: hits, ndcgAt10: hits, mrr: hits }] as const;
  });
  return {
    trainingChoices: 10,
    testChoices: persons.length,
    impossible: 0,
    candidatesMean: 20,
    chance: { hitRateAt5: 0.25, ndcgAt10: 0.2, mrr: 0.1 },
    persons,
    isKnown: persons.map((_, i) => i % 4 < 2),
    values: new Map(values),
  };
}

const aboveOf = (report: ReturnType<typeof reportOfSeeds>) =>
  report.comparisons.filter(({ metric }) => metric === 'hitRateAt5').map(({ isAbove }) => isAbove);

describe('a report', () => {
  it('of seeds says that twice as good is clearly above 1.5, and 1.52 times is not', () => {
    const seeds = [1, 2, 3, 4, 5];
    const twice = seeds.map((seed) => evaluationOf(500, { popularity: 0.3, model: 0.6 }, seed));
    expect(aboveOf(reportOfSeeds('', twice, BARS))).toEqual([true]);
    const hardly = seeds.map((seed) => evaluationOf(500, { popularity: 0.3, model: 0.456 }, seed));
    expect(aboveOf(reportOfSeeds('', hardly, BARS))).toEqual([false]);
  });

  it('of one seed is sure of nothing', () => {
    const report = reportOfSeeds('', [evaluationOf(500, { popularity: 0.1, model: 0.9 }, 1)], BARS);
    expect(aboveOf(report)).toEqual([false]);
  });

  it('of persons says of one data set whether the whole interval is above', () => {
    const twice = evaluationOf(500, { popularity: 0.3, model: 0.6 }, 1);
    expect(aboveOf(reportOfPersons('', twice, BARS, 1))).toEqual([true]);
    // Above in the sample, which is too small to be sure.
    const hits = (count: number) => {
      const values = Float64Array.from({ length: 40 }, (_, i) => (i % 20 < count ? 1 : 0));
      return { hitRateAt5: values, ndcgAt10: values, mrr: values };
    };
    const few = {
      ...evaluationOf(20, {}, 1),
      values: new Map([
        ['popularity', hits(10)],
        ['model', hits(16)],
      ]),
    };
    const report = reportOfPersons('', few, BARS, 1);
    const { ratio } = report.comparisons[0]!;
    expect(ratio!.value).toBeGreaterThan(1.5);
    expect(ratio!.low).toBeLessThan(1.5);
    expect(aboveOf(report)).toEqual([false]);
  });

  it('tells known persons from others, and all from both', () => {
    const evaluation = evaluationOf(100, { popularity: 0.3 }, 1);
    const hits = evaluation.values.get('popularity')!.hitRateAt5;
    const of = (isKnown: boolean) => {
      const mine = [...hits].filter((_, i) => evaluation.isKnown[i] === isKnown);
      return mine.reduce((sum, hit) => sum + hit, 0) / mine.length;
    };
    for (const report of [reportOfSeeds('', [evaluation], BARS), reportOfPersons('', evaluation, BARS, 1)]) {
      const { known, unknown, all } = report.figures['popularity']!;
      expect(known.hitRateAt5!.value).toBeCloseTo(of(true), 12);
      expect(unknown.hitRateAt5!.value).toBeCloseTo(of(false), 12);
      expect(all.hitRateAt5!.value).toBeCloseTo((of(true) + of(false)) / 2, 12);
    }
  });

  it('prints a row for each ranker and chance, and a verdict', () => {
    const evaluation = evaluationOf(500, { popularity: 0.3, model: 0.6 }, 1);
    const text = reportLines(reportOfPersons('A file', evaluation, BARS, 1)).join('\n');
    expect(text).toMatch(/^A file\n/);
    expect(text).toMatch(/\npopularity {2,}0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]/);
    expect(text).toMatch(/\nchance {2,}0\.250 /);
    expect(text).toMatch(/model : popularity, and whether clearly above 1\.5\n +\d\.\d\d \[.*\] yes/);
  });

  it('says nothing of a group that nobody is in', () => {
    const evaluation = {
      ...evaluationOf(10, { popularity: 0.5 }, 1),
      isKnown: new Array<boolean>(20).fill(true),
    };
    expect(reportOfPersons('', evaluation, BARS, 1).figures['popularity']!.unknown.hitRateAt5).toBeNull();
    expect(reportOfSeeds('', [evaluation], BARS).figures['popularity']!.unknown.hitRateAt5).toBeNull();
  });
});
