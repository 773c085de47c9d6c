/** The contest still runs, in little: one round of each mode, with its crash, and what has to be true after it. */
import { describe, expect, it } from '@jest/globals';
import { contest } from '../contest/run.js';
import type { Mode } from '../contest/contestant.js';
import { kafkaFound } from '../helpers/kafka.js';
import { skipBecause } from '../helpers/skips.js';

const TEST_MS_MAX = 400_000;
const LITTLE = { rounds: 1, buyers: 100, tickets: 10, marketplaces: 3, seed: 11, minutesMax: 5 };

const play = (mode: Mode) => contest({ ...LITTLE, mode, reportDir: null, log: () => undefined });

if (kafkaFound.kind !== 'real') {
  skipBecause('marketplaces that sell the same tickets against each other', kafkaFound.reason);
} else {
  describe('three marketplaces that sell the same tickets against each other', () => {
    it(
      'loses no sale in the optimistic mode',
      async () => {
        const [round] = (await play('optimistic')).rounds;
        expect(round?.problems).toEqual([]);
        expect(round?.sold).toBeGreaterThanOrEqual(LITTLE.tickets);
      },
      TEST_MS_MAX,
    );

    it(
      'sells exactly what there is in the ordered mode',
      async () => {
        const [round] = (await play('ordered')).rounds;
        expect(round?.problems).toEqual([]);
        expect(round?.sold).toBe(LITTLE.tickets);
      },
      TEST_MS_MAX,
    );
  });
}
