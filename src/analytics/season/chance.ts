/** Draws from a seeded stream: the same stream gives the same draws. */
import type { Random } from '../../peer/random.js';
import type { Weighted } from './assumptions.js';

/** Whether something of this probability happens. */
export const happens = (random: Random, probability: number): boolean => random() < probability;

/** One of the values, by weight. Throws when there is none. */
export function pick<T>(random: Random, values: Weighted<T>): T {
  const total = values.reduce((sum, [, weight]) => sum + weight, 0);
  let left = random() * total;
  for (const [value, weight] of values) {
    left -= weight;
    if (left < 0) return value;
  }
  const last = values.at(-1);
  if (!last) throw new Error('There is nothing to pick from.');
  return last[0];
}

/** Standard normal, by Box and Muller (1958). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return radius * Math.cos(2 * Math.PI * random());
}

export const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random());

/** How often something happens before it first does not; geometric, from 0. */
export const times = (random: Random, mean: number): number =>
  mean <= 0 ? 0 : Math.floor(Math.log(1 - random()) / Math.log(mean / (1 + mean)));

/**
 * The index of one of the utilities, as a multinomial logit chooses: likely as e to their power. -1 when all are
 * impossible (-Infinity). Always takes one number of the stream.
 */
export function choose(random: Random, utilities: Float64Array): number {
  const drawn = random();
  const highest = Math.max(...utilities);
  if (highest === -Infinity) return -1;
  // Less the highest, so that nothing overflows.
  const weights = utilities.map((utility) => Math.exp(utility - highest));
  let left = drawn * weights.reduce((sum, weight) => sum + weight, 0);
  let chosen = -1;
  for (let index = 0; index < weights.length && left >= 0; index += 1) {
    const weight = weights[index] ?? 0;
    if (weight === 0) continue;
    chosen = index;
    left -= weight;
  }
  return chosen;
}
