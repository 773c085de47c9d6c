/** Each patch breaks one promise in a copy of the sources; the unchanged simulator must notice. */
import { describe, expect, it } from '@jest/globals';
import { mutations, simulateMutant } from './mutants.js';

/** A seed that shows it. All seeds pass on the sources as they are. */
const CAUGHT: readonly (readonly [patch: string, seed: number, promise: string])[] = [
  ['cancellation-not-final', 67, 'cancelled stays cancelled'],
  ['complete-before-commit', 1, 'completed after its commit'],
  ['expiry-twice', 2, 'legal transitions'],
  ['fence-of-archive-ignored', 26, 'told when durable'],
  ['hold-below-zero', 2, 'no hold below 0'],
  ['ids-not-recorded', 43, 'a command once'],
  ['late-payment-kept', 4, 'charged for tickets or refunded'],
  ['log-not-read-back', 7, 'an event once in the log'],
  ['paying-told-before-archived', 1, 'told when durable'],
  ['persons-not-guarded', 2, 'purchase limit'],
  ['place-before-settled', 9, 'the ledger equals the log'],
  ['published-before-archived', 1, 'archived before published'],
  ['redelivery-not-recognised', 2, 'a message once'],
  ['refund-gives-back-twice', 3, 'counters'],
  ['reply-before-commit', 1, 'answered when committed'],
  ['reserved-told-before-archived', 1, 'told when durable'],
  ['sold-without-charge', 1, 'sold when charged'],
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

  it.each([
    [1, 9],
    [26, 1],
    [43, 1],
    [67, 1],
  ])(
    'finds nothing from seed %i on in the sources as they are',
    async (seed, seeds) => {
      const { violations } = await simulateMutant(null, argsOf(seed, seeds));
      expect(violations).toEqual([]);
    },
    240_000,
  );

  it('knows every patch that it is asked about', async () => {
    const known = await mutations();
    for (const [patch] of CAUGHT) expect(known).toContain(patch);
  });
});
