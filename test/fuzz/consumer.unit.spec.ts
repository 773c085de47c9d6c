/** Some hundred hostile records through the shipped consumer; `npm run fuzz -- --only kafka` sends many more. */
import { describe, expect, it, jest } from '@jest/globals';
import { PROPERTY_SEED } from '../helpers/seed.js';
import { fuzzConsumer } from './consumer.js';

// Some hundred large and deep records, on a busy machine.
jest.setTimeout(60_000);

describe('hostile records', () => {
  it('never stop the consumer, lie in the dead letters as they came, and good ones between them count once', async () => {
    const { faults, handled, deadLetters } = await fuzzConsumer(PROPERTY_SEED, 0, 800);
    expect(faults).toEqual([]);
    // Not all of them are refused at the door.
    for (const kind of ['applied', 'malformed', 'master_list', 'own', 'waiting'] as const) {
      expect([kind, (handled.get(kind) ?? 0) > 0]).toEqual([kind, true]);
    }
    expect(deadLetters).toBeGreaterThan(300);
  });
});
