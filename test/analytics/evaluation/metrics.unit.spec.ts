import { describe, expect, it } from '@jest/globals';
import { hitRate, ndcg, placeOf, reciprocalRank } from '../../../src/analytics/evaluation/metrics.js';

const rank = (position: number) => ({ above: position - 1, tied: 1 });

describe('the place of what was chosen', () => {
  it('counts who is above and who is level', () => {
    expect(placeOf(Float64Array.of(3, 1, 2, 2, 0), 0)).toEqual({ above: 0, tied: 1 });
    expect(placeOf(Float64Array.of(3, 1, 2, 2, 0), 3)).toEqual({ above: 1, tied: 2 });
    expect(placeOf(Float64Array.of(-Infinity, 1), 0)).toEqual({ above: 1, tied: 1 });
  });

  it('takes no score that is not a number', () => {
    expect(() => placeOf(Float64Array.of(1, NaN), 0)).toThrow('not a number');
    expect(() => placeOf(Float64Array.of(NaN, 1), 0)).toThrow();
    expect(() => placeOf(Float64Array.of(1), 1)).toThrow();
  });
});

describe('metrics of one choice', () => {
  it.each([
    [1, 1, 1, 1],
    [2, 1, 0.63093, 0.5],
    [5, 1, 0.38685, 0.2],
    [6, 0, 0.35621, 1 / 6],
    [10, 0, 0.28906, 0.1],
    [11, 0, 0, 1 / 11],
  ])('at rank %i are %d, %d and %d', (position, hit, gain, reciprocal) => {
    expect(hitRate(rank(position), 5)).toBe(hit);
    expect(ndcg(rank(position), 10)).toBeCloseTo(gain, 5);
    expect(reciprocalRank(rank(position))).toBeCloseTo(reciprocal, 10);
  });

  it('are the mean over all orders of those that tie', () => {
    // Ranks 4 to 7, each as likely.
    const place = { above: 3, tied: 4 };
    const positions = [4, 5, 6, 7];
    const mean = (of: (position: number) => number) => positions.reduce((sum, p) => sum + of(p), 0) / 4;
    expect(hitRate(place, 5)).toBe(0.5);
    expect(ndcg(place, 10)).toBeCloseTo(
      mean((p) => 1 / Math.log2(p + 1)),
      12,
    );
    expect(reciprocalRank(place)).toBeCloseTo(
      mean((p) => 1 / p),
      12,
    );
    // Over the edge of the first ten: ranks 10 and 11.
    expect(ndcg({ above: 9, tied: 2 }, 10)).toBeCloseTo(1 / Math.log2(11) / 2, 12);
  });
});
