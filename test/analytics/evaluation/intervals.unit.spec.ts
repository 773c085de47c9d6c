import { describe, expect, it } from '@jest/globals';
import {
  bootstrap,
  meanInterval,
  ratioInterval,
  SAMPLES_MAX,
  T_QUANTILES,
} from '../../../src/analytics/evaluation/intervals.js';
import { seeded } from '../../../src/peer/random.js';

/** Area under Student's density from 0 to `t`, by Simpson's rule, over its area from 0 to infinity (1/2). */
function shareBelow(t: number, freedom: number): number {
  // By the substitution x = sqrt(freedom) tan(u) the density becomes cos(u) to the power freedom - 1.
  const area = (to: number): number => {
    const steps = 2_000;
    const width = to / steps;
    const density = (u: number): number => Math.cos(u) ** (freedom - 1);
    let sum = density(0) + density(to);
    for (let i = 1; i < steps; i += 1) sum += (i % 2 === 1 ? 4 : 2) * density(i * width);
    return (sum * width) / 3;
  };
  return 0.5 + area(Math.atan(t / Math.sqrt(freedom))) / area(Math.PI / 2) / 2;
}

describe('quantiles of the t distribution', () => {
  it.each(T_QUANTILES.map((t, i) => [i + 1, t]))('for %i degrees of freedom', (freedom, t) => {
    expect(shareBelow(t, freedom)).toBeCloseTo(0.975, 4);
  });
});

describe('the interval of a mean', () => {
  it('is that of the formula', () => {
    // Mean 3, s = sqrt(2.5), n = 5, t(4) = 2.776.
    const { value, low, high } = meanInterval([1, 2, 3, 4, 5]);
    expect(value).toBe(3);
    expect(low).toBeCloseTo(3 - 2.776 * Math.sqrt(2.5 / 5), 10);
    expect(high).toBeCloseTo(3 + 2.776 * Math.sqrt(2.5 / 5), 10);
  });

  it('of one value says nothing, and takes no more than it has quantiles for', () => {
    expect(meanInterval([7])).toEqual({ value: 7, low: -Infinity, high: Infinity });
    expect(() => meanInterval([])).toThrow();
    expect(() => meanInterval(new Array<number>(SAMPLES_MAX + 1).fill(1))).toThrow();
  });
});

describe('the interval of a ratio', () => {
  it('is narrow where the ratio is the same, however much the values differ', () => {
    const { value, low, high } = ratioInterval([2, 20, 200], [1, 10, 100])!;
    expect([value, low, high].map((number) => Number(number.toFixed(10)))).toEqual([2, 2, 2]);
  });

  it('is that of the logarithms', () => {
    const { value, low } = ratioInterval([1, 4], [1, 1])!;
    expect(value).toBeCloseTo(2, 10);
    // Logarithms 0 and ln 4: s = ln 4 / sqrt 2, so half = 12.706 · ln 4 / 2.
    expect(low).toBeCloseTo(Math.exp(Math.log(2) - (12.706 * Math.log(4)) / 2), 12);
  });

  it('is none where nothing was hit', () => {
    expect(ratioInterval([0, 1], [1, 1])).toBeNull();
    expect(ratioInterval([1, 1], [1, 0])).toBeNull();
  });
});

describe('the bootstrap', () => {
  const random = seeded(5);
  // 400 persons with one choice each, hit with probability 0.3.
  const persons = Array.from({ length: 400 }, () => ({ count: 1, sums: [random() < 0.3 ? 1 : 0] }));
  const meanOf = ({ count, sums }: { count: number; sums: readonly number[] }) => [(sums[0] ?? 0) / count];

  it('is as wide as the binomial formula says', () => {
    const [interval] = bootstrap(persons, meanOf, 1);
    const p = interval!.value;
    const half = 1.96 * Math.sqrt((p * (1 - p)) / 400);
    expect((interval!.high - interval!.low) / 2 / half).toBeCloseTo(1, 0);
    expect(interval!.low).toBeLessThan(p);
    expect(interval!.high).toBeGreaterThan(p);
  });

  it('is wider where the choices of a person are alike', () => {
    const fours = Array.from({ length: 100 }, (_, i) => ({
      count: 4,
      sums: [4 * (persons[i]?.sums[0] ?? 0)],
    }));
    const width = (of: typeof persons) => {
      const [interval] = bootstrap(of, meanOf, 1);
      return interval!.high - interval!.low;
    };
    expect(width(fours)).toBeGreaterThan(1.5 * width(persons));
  });

  it('is the same for the same seed', () => {
    expect(bootstrap(persons, meanOf, 3)).toEqual(bootstrap(persons, meanOf, 3));
  });
});
