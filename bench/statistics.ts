/** Medians, spreads and percentiles. */
import type { Latency } from './contender.js';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return {
    median: (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2,
    min: at(0),
    max: at(sorted.length - 1),
  };
}

/** Of so few values that all are kept; at least one. The smallest that so many percent do not exceed. */
export function latencyOf(values: readonly number[]): Latency {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (percent: number): number =>
    sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}

/** Of samples in equal steps this share comes before anything is compared. */
const SETTLING_SHARE = 0.1;

/** By how many percent the median of the second half of the samples is above that of the first half; of at least two. */
export function growthOf(samples: readonly number[]): number {
  const settled = samples.slice(Math.floor(samples.length * SETTLING_SHARE));
  const middle = Math.ceil(settled.length / 2);
  const [first, second] = [settled.slice(0, middle), settled.slice(middle)].map(
    (half) => spreadOf(half).median,
  );
  return 100 * ((second ?? Number.NaN) / (first ?? Number.NaN) - 1);
}

/** The medians of `most` equal parts of the samples, or of so many as there are. */
export function thinned(samples: readonly number[], most: number): number[] {
  const parts = Math.min(most, samples.length);
  const start = (part: number): number => Math.floor((part * samples.length) / parts);
  return Array.from(
    { length: parts },
    (_, part) => spreadOf(samples.slice(start(part), start(part + 1))).median,
  );
}

/** So that everybody is first, second, ... equally often. */
export const rotated = <T>(all: readonly T[], by: number): T[] => {
  const from = all.length === 0 ? 0 : by % all.length;
  return [...all.slice(from), ...all.slice(0, from)];
};
