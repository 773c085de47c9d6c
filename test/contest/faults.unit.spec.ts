/** What goes wrong is given by the seed. */
import { describe, expect, it } from '@jest/globals';
import { faultsOf } from './faults.js';

const ROUNDS = Array.from({ length: 200 }, (_, round) => round + 1);
const planOf = (seed: number) => ROUNDS.map((round) => faultsOf(seed, round, 3));

describe('the faults of a contest', () => {
  it('are the same for the same seed, and others for another', () => {
    expect(planOf(1)).toEqual(planOf(1));
    expect(planOf(1)).not.toEqual(planOf(2));
  });

  it('are one crash in each round, of any marketplace, and now and then a standstill', () => {
    const plans = planOf(7);
    const crashes = plans.map((plan) => plan.filter(({ kind }) => kind === 'crash'));
    expect(new Set(crashes.map(({ length }) => length))).toEqual(new Set([1]));
    expect(new Set(crashes.flat().map(({ of }) => of))).toEqual(new Set([0, 1, 2]));
    expect(new Set(plans.map(({ length }) => length))).toEqual(new Set([1, 2]));
    expect(new Set(plans.flat().map(({ kind }) => kind))).toEqual(new Set(['crash', 'redis', 'broker']));
    for (const { atMs, forMs } of plans.flat()) {
      expect(atMs).toBeGreaterThanOrEqual(200);
      expect(atMs).toBeLessThanOrEqual(5_000);
      expect(forMs).toBeGreaterThanOrEqual(500);
      expect(forMs).toBeLessThanOrEqual(2_000);
    }
  });
});
