/** Each patch breaks one promise in a copy of the sources; the unchanged simulator must notice. */
import { describe, expect, it } from '@jest/globals';
import { simulateMutant } from './mutants.js';

/** A seed that shows it. All seeds pass on the sources as they are. */
const CAUGHT: readonly (readonly [patch: string, seed: number, promise: string])[] = [
  ['complete-before-commit', 1, 'completed after its commit'],
  ['expiry-twice', 2, 'legal transitions'],
  ['hold-below-zero', 2, 'no hold below 0'],
  ['late-payment-kept', 4, 'charged for tickets or refunded'],
  ['log-not-read-back', 7, 'an event once in the log'],
];
const argsOf = (seed: number, seeds = 1): string[] =>
  `--seed ${seed} --seeds ${seeds} --ops 200 --jobs 2 --violations-max 1 --shrink-seconds 0`.split(' ');

describe('the simulator', () => {
  it.each(CAUGHT)(
    'catches %s by seed %i',
    async (patch, seed, promise) => {
      const { violations } = await simulateMutant(patch, argsOf(seed));
      expect(violations.join()).toContain(`seed ${seed}: ${promise}: `);
    },
    120_000,
  );

  it('finds nothing in the same seeds of the sources as they are', async () => {
    const { violations } = await simulateMutant(null, argsOf(1, 7));
    expect(violations).toEqual([]);
  }, 240_000);
});
