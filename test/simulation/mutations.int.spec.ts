/**
 * Each patch breaks one promise in a copy of the sources, and the unchanged simulator must notice. Its Redis stands for
 * the real one and its scripts; what breaks a script must show where the two are compared.
 */
import { describe, expect, it } from '@jest/globals';
import { compareMutant, mutations, simulateMutant } from './mutants.js';

/** A seed that shows it, by default with all faults. All seeds pass on the sources as they are. */
const CAUGHT: readonly (readonly [patch: string, seed: number, promise: string, faults?: string])[] = [
  ['cancellation-not-final', 67, 'cancelled stays cancelled', 'none'],
  ['complete-before-commit', 1, 'completed after its commit'],
  ['expiry-twice', 1, 'legal transitions'],
  ['fence-of-archive-ignored', 51, 'told when durable'],
  ['held-back-before-canceled', 1, 'given back when nothing can be charged'],
  ['hold-below-zero', 2, 'no hold below 0'],
  ['ids-not-recorded', 43, 'a command once'],
  ['late-payment-kept', 3, 'charged for tickets or refunded'],
  ['log-not-read-back', 3, 'an event once in the log'],
  ['lost-messages-overtaken', 551, 'the ledger equals the log'],
  ['lost-writes-not-noticed', 2, 'rebuilt after a loss'],
  ['paying-told-before-archived', 1, 'told when durable'],
  ['persons-not-guarded', 2, 'purchase limit'],
  ['place-before-archived', 6, 'the ledger equals the log'],
  ['place-before-settled', 20, 'the ledger equals the log'],
  ['published-before-archived', 1, 'archived before published'],
  ['redelivery-not-recognised', 2, 'a message once'],
  ['refund-gives-back-twice', 3, 'counters'],
  ['reply-before-commit', 1, 'answered when committed'],
  ['reserved-told-before-archived', 1, 'told when durable'],
  ['snapshot-ahead-of-ledger', 35, 'counters'],
  ['sold-without-charge', 1, 'sold when charged'],
  ['version-not-compared', 53, 'counters'],
];
/** A seed of a contest whose holds the log grants that shows it; all of those seeds pass on the sources as they are. */
const CONTESTS: readonly (readonly [patch: string, seed: number, promise: string])[] = [
  ['asked-again-when-decided', 6, 'a command once'],
  ['capacity-of-a-later-list', 2, 'participants are equal'],
  ['own-decided-by-local-count', 6, 'decided by the place in the log'],
  ['own-records-skipped', 1, 'decided by the place in the log'],
  ['told-before-the-log-decides', 1, 'answered when committed'],
  ['void-gives-back', 1, 'participants are equal'],
  ['voids-of-others-counted', 1, 'decided by the place in the log'],
];
/** A seed with a waiting list that shows it, of a contest where a mode is given; all of those seeds pass as the sources are. */
const IN_LINE: readonly (readonly [patch: string, seed: number, promise: string, mode: 'ordered' | null])[] =
  [
    ['offered-out-of-turn', 5, 'offered in turn', null],
    ['void-offer-keeps-asking', 23, 'quiet at the end', 'ordered'],
    ['waiting-told-before-archived', 1, 'told when durable', null],
  ];
/** What the simulated Redis answers, as the real one no longer does. */
const SCRIPTS: readonly (readonly [patch: string, expected: RegExp])[] = [
  ['script-ids-not-compared', /^\+ +kind: 'repeat'/m],
  // An id that was given its effect is not known when it comes again.
  ['script-ids-not-recorded', /^\+ +kind: 'repeat'/m],
  ['script-owner-not-compared', /^\+ +kind: 'fenced'/m],
  ['script-persons-not-compared', /^\+ +kind: 'guard'/m],
  ['script-repeat-not-recognised', /^\+ +kind: 'committed'/m],
  ['script-version-not-compared', /^\+ +kind: 'behind'/m],
];
/** Of the conversations that show them; they agree on the sources as they are. */
const CONVERSATION_SEED = 1;

const argsOf = (seed: number, seeds: number, faults: string): string[] =>
  `--seed ${seed} --seeds ${seeds} --faults ${faults} --ops 200 --jobs 2 --violations-max 1 --shrink-seconds 0`.split(
    ' ',
  );

const contestArgsOf = (seed: number): string[] => [
  ...argsOf(seed, 1, 'all'),
  // The last of two counts.
  ...'--ops 100 --mode ordered --marketplaces 3'.split(' '),
];

const inLineArgsOf = (seed: number, mode: 'ordered' | null): string[] => [
  ...(mode ? contestArgsOf(seed) : argsOf(seed, 1, 'all')),
  '--waiting-list',
];

describe('the simulator', () => {
  it.each(CAUGHT)(
    'catches %s by seed %i',
    async (patch, seed, promise, faults = 'all') => {
      const { violations } = await simulateMutant(patch, argsOf(seed, 1, faults));
      expect(violations.join()).toContain(`seed ${seed}: ${promise}: `);
    },
    120_000,
  );

  it.each<readonly [seed: number, seeds: number, faults?: string]>([
    [1, 9],
    [35, 1],
    [20, 1],
    [53, 1],
    [43, 1],
    [67, 1, 'none'],
    [51, 1],
    [551, 1],
  ])(
    'finds nothing from seed %i on in the sources as they are',
    async (seed, seeds, faults = 'all') => {
      const { violations } = await simulateMutant(null, argsOf(seed, seeds, faults));
      expect(violations).toEqual([]);
    },
    240_000,
  );

  it.each(CONTESTS)(
    'catches %s by seed %i of a contest',
    async (patch, seed, promise) => {
      const { violations } = await simulateMutant(patch, contestArgsOf(seed));
      expect(violations.join()).toContain(`seed ${seed}: ${promise}: `);
    },
    120_000,
  );

  it.each([...new Set(CONTESTS.map(([, seed]) => seed))])(
    'finds nothing in a contest of seed %i in the sources as they are',
    async (seed) => {
      const { violations } = await simulateMutant(null, contestArgsOf(seed));
      expect(violations).toEqual([]);
    },
    240_000,
  );

  it.each(IN_LINE)(
    'catches %s by seed %i with a waiting list',
    async (patch, seed, promise, mode) => {
      const { violations } = await simulateMutant(patch, inLineArgsOf(seed, mode));
      expect(violations.join()).toContain(`seed ${seed}: ${promise}: `);
    },
    120_000,
  );

  it.each<readonly [seed: number, mode: 'ordered' | null]>([
    [1, null],
    [5, null],
    [23, 'ordered'],
  ])(
    'finds nothing with a waiting list by seed %i in the sources as they are',
    async (seed, mode) => {
      const { violations } = await simulateMutant(null, inLineArgsOf(seed, mode));
      expect(violations).toEqual([]);
    },
    240_000,
  );

  it('is asked about every patch there is', async () => {
    const asked = [...CAUGHT, ...CONTESTS, ...IN_LINE, ...SCRIPTS].map(([patch]) => patch);
    expect(asked.sort()).toEqual([...(await mutations())].sort());
  });
});

describe('the Redis of the simulator', () => {
  it.each(SCRIPTS)(
    'differs from a real one with %s',
    async (patch, expected) => {
      const { violations, output } = await compareMutant(patch, [CONVERSATION_SEED]);
      expect(violations).toHaveLength(1);
      expect(output).toMatch(expected);
    },
    120_000,
  );

  it('answers as a real one with the scripts as they are', async () => {
    const { violations } = await compareMutant(null, [CONVERSATION_SEED]);
    expect(violations).toEqual([]);
  }, 120_000);
});
