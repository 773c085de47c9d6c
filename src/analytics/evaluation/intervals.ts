/** How sure a figure is: 95 % confidence intervals. */
import { seeded } from '../../peer/random.js';

export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * 97.5 % quantiles of Student's t distribution for 1, 2, ... 30 degrees of freedom: NIST/SEMATECH e-Handbook of
 * Statistical Methods, 1.3.6.7.2.
 */
export const T_QUANTILES: readonly number[] = [
  ...[12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228],
  ...[2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086],
  ...[2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042],
];
/** Most values that an interval is made of. */
export const SAMPLES_MAX = T_QUANTILES.length + 1;

/**
 * The mean of independent values: mean ± t · s / √n (NIST/SEMATECH e-Handbook, 1.3.5.2). Of one value nothing is
 * known: the interval is infinite.
 */
export function meanInterval(values: readonly number[]): Interval {
  const count = values.length;
  if (count === 0 || count > SAMPLES_MAX) throw new Error(`An interval takes 1 to ${SAMPLES_MAX} values.`);
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const t = T_QUANTILES[count - 2];
  if (t === undefined) return { value: mean, low: -Infinity, high: Infinity };
  const variance = values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0) / (count - 1);
  const half = t * Math.sqrt(variance / count);
  return { value: mean, low: mean - half, high: mean + half };
}

/**
 * How many times the others the values are, pair by pair: the interval of the mean of the logarithms of the ratios,
 * back from logarithms. Null where a value is not above 0: then no ratio says anything.
 */
export function ratioInterval(values: readonly number[], others: readonly number[]): Interval | null {
  const pairs = values.map((value, i) => [value, others[i] ?? 0] as const);
  if (pairs.some(([value, other]) => value <= 0 || other <= 0)) return null;
  const { value, low, high } = meanInterval(pairs.map(([one, other]) => Math.log(one / other)));
  return { value: Math.exp(value), low: Math.exp(low), high: Math.exp(high) };
}

/** Sums of one person's choices: how many, and what each ranker got for them. */
export interface PersonSums {
  readonly count: number;
  readonly sums: readonly number[];
}

export const BOOTSTRAP_ROUNDS = 1_000;

/**
 * Percentile intervals (Efron and Tibshirani, 1993, chapter 13) of figures of a sample of persons: persons are drawn
 * again, not choices, because the choices of one person depend on each other. A figure that is not finite in a round
 * makes its bound infinite.
 */
export function bootstrap(
  persons: readonly PersonSums[],
  figuresOf: (total: PersonSums) => readonly number[],
  seed: number,
  rounds = BOOTSTRAP_ROUNDS,
): readonly Interval[] {
  const random = seeded(seed);
  const figures = figuresOf(totalOf(persons));
  const drawn = figures.map(() => new Float64Array(rounds));
  const sums = new Float64Array(persons[0]?.sums.length ?? 0);
  for (let round = 0; round < rounds; round += 1) {
    let count = 0;
    sums.fill(0);
    for (let i = 0; i < persons.length; i += 1) {
      const person = persons[Math.floor(random() * persons.length)];
      if (!person) continue;
      count += person.count;
      for (let k = 0; k < sums.length; k += 1) sums[k] = (sums[k] ?? 0) + (person.sums[k] ?? 0);
    }
    for (const [i, figure] of figuresOf({ count, sums: [...sums] }).entries()) {
      const mine = drawn[i];
      if (mine) mine[round] = Number.isNaN(figure) ? Infinity : figure;
    }
  }
  return figures.map((value, i) => {
    const sorted = (drawn[i] ?? new Float64Array()).sort();
    return { value, low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
  });
}

function totalOf(persons: readonly PersonSums[]): PersonSums {
  const sums = [...(persons[0]?.sums ?? [])].map((_, k) =>
    persons.reduce((total, person) => total + (person.sums[k] ?? 0), 0),
  );
  return { count: persons.reduce((total, { count }) => total + count, 0), sums };
}

/** Of sorted values: the nearest rank. */
const quantile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
