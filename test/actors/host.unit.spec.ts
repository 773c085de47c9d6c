/** Which worker a ticket prefers. */
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { preferredMember } from '../../src/actors/host.js';

const names = Array.from({ length: 64 }, (_, match) => [1, 2, 3].map((c) => `${match + 1}:${c}`)).flat();
const members = fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 8 });

describe('the preferred member', () => {
  it('is nobody among none, and the only one among one', () => {
    expect(preferredMember('1:1', [])).toBeNull();
    expect(preferredMember('1:1', ['only'])).toBe('only');
  });

  it('is the same whoever asks, in whatever order the members are listed', () => {
    fc.assert(
      fc.property(members, fc.constantFrom(...names), (all, name) => {
        expect(preferredMember(name, all)).toBe(preferredMember(name, [...all].reverse()));
        expect(all).toContain(preferredMember(name, all));
      }),
    );
  });

  it('spreads the tickets evenly enough', () => {
    fc.assert(
      fc.property(members, (all) => {
        const shares = all.map((one) => names.filter((name) => preferredMember(name, all) === one).length);
        const fair = names.length / all.length;
        // Six standard deviations: a right spread fails once in hundreds of millions of tries.
        const slack = 6 * Math.sqrt(fair);
        for (const share of shares) expect(Math.abs(share - fair)).toBeLessThanOrEqual(slack);
      }),
      { numRuns: 30 },
    );
  });

  it('changes only for the tickets of who leaves, or to who joins', () => {
    fc.assert(
      fc.property(members, fc.uuid(), (all, newcomer) => {
        fc.pre(!all.includes(newcomer));
        for (const name of names) {
          const before = preferredMember(name, all);
          const after = preferredMember(name, [...all, newcomer]);
          expect([before, newcomer]).toContain(after);
        }
      }),
      { numRuns: 30 },
    );
  });
});
