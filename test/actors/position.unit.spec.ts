import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { comparePositions, formatPosition, parsePosition } from '../../src/actors/position.js';

const position = fc.record({
  incarnation: fc.integer({ min: 0, max: 2 ** 40 }),
  sequence: fc.integer({ min: 0, max: 2 ** 40 }),
});

describe('a position in a ledger', () => {
  it('reads back from its text', () => {
    fc.assert(
      fc.property(position, (of) => {
        expect(parsePosition(formatPosition(of))).toEqual(of);
      }),
    );
  });

  it('that is not there, or not legible, is before everything', () => {
    for (const text of [null, undefined, '', '1', '1-', '-1', '1-2-3', 'a-b', '1 -2']) {
      expect(parsePosition(text)).toEqual({ incarnation: 0, sequence: 0 });
    }
  });

  it('comes later with a later incarnation, and within one with a later sequence', () => {
    fc.assert(
      fc.property(position, position, position, (a, b, c) => {
        const order = Math.sign(comparePositions(a, b));
        const expected = Math.sign(a.incarnation - b.incarnation) || Math.sign(a.sequence - b.sequence);
        expect(order).toBe(expected);
        expect(Math.sign(comparePositions(b, a))).toBe(order === 0 ? 0 : -order);
        const sorted = [a, b, c].sort(comparePositions);
        expect(comparePositions(sorted[0]!, sorted[2]!)).toBeLessThanOrEqual(0);
      }),
    );
  });
});
