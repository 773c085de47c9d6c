/** Some hundred hostile records in a broker's topics; `npm run fuzz -- --only topics` publishes many more. */
import { describe, expect, it, jest } from '@jest/globals';
import { PROPERTY_SEED } from '../helpers/seed.js';
import { skipBecause } from '../helpers/skips.js';
import { fuzzTopics, missingForTopics } from './topics.js';

/** Three servers and two processes are started on a busy machine. */
jest.setTimeout(240_000);

const missing = missingForTopics();
if (missing === null) {
  describe('hostile records in the topics of a broker', () => {
    it('stop no consumer; none is lost, and good ones between them count once', async () => {
      const report = await fuzzTopics({ seed: PROPERTY_SEED, records: 300, log: () => undefined });
      expect(report.faults).toEqual([]);
      expect(report.good).toBe(30);
      expect(report.deadLetters).toBeGreaterThan(100);
      expect(report.handled.get('applied')).toBeGreaterThanOrEqual(report.good);
    });
  });
} else {
  skipBecause('hostile records in the topics of a broker', missing);
}
