/** The checker of histories: what it must accept and reject, and that it agrees with trying everything. */
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { check, checkByForce, type Operation } from './linearizable.js';
import type { Call, Result } from './model.js';
import { BAD_HISTORIES, GOOD_HISTORIES } from './samples.js';

const ids = fc.constantFrom('a', 'b', 'c');
const calls: fc.Arbitrary<Call> = fc.oneof(
  fc.record({ op: fc.constant('hold' as const), id: ids, quantity: fc.integer({ min: 1, max: 2 }) }),
  fc.record({ op: fc.constantFrom('confirm' as const, 'release' as const), id: ids }),
  fc.record({ op: fc.constant('expire' as const), id: ids }),
  fc.constant({ op: 'read' as const }),
);
const KINDS = {
  hold: ['held', 'sold_out', 'unavailable'],
  confirm: ['sold', 'gone'],
  release: ['released', 'gone'],
  expire: ['done'],
} as const;

function resultOf(call: Call, choice: number): Result {
  if (call.op === 'read')
    return { kind: 'counters', pending: choice % 3, available: Math.floor(choice / 3) % 3 };
  const kinds = KINDS[call.op];
  return { kind: kinds[choice % kinds.length] ?? 'done' };
}

const operations = fc
  .record({
    call: calls,
    calledAt: fc.integer({ min: 0, max: 8 }),
    tookMs: fc.integer({ min: 0, max: 6 }),
    choice: fc.integer({ min: 0, max: 8 }),
    isUnknown: fc.integer({ min: 0, max: 4 }).map((roll) => roll === 0),
  })
  .map(({ call, calledAt, tookMs, choice, isUnknown }): Operation => ({
    call,
    calledAt,
    answeredAt: isUnknown ? null : calledAt + tookMs,
    result: isUnknown ? null : resultOf(call, choice),
  }));

describe('the checker of histories', () => {
  it.each(GOOD_HISTORIES.map(({ what, history }) => [what, history] as const))('accepts %s', (_, history) => {
    expect(check(history)).toBe('linearizable');
    expect(checkByForce(history)).toBe(true);
  });

  it.each(BAD_HISTORIES.map(({ what, history }) => [what, history] as const))('rejects %s', (_, history) => {
    expect(check(history)).toBe('not_linearizable');
    expect(checkByForce(history)).toBe(false);
  });

  it('agrees with trying every order, on small histories', () => {
    const verdicts = new Set<string>();
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 }),
        fc.array(operations, { minLength: 1, maxLength: 5 }),
        (capacity, all) => {
          const history = { capacity, operations: all };
          const verdict = check(history);
          verdicts.add(verdict);
          expect(verdict === 'linearizable').toBe(checkByForce(history));
        },
      ),
      { numRuns: 3_000 },
    );
    expect(verdicts).toEqual(new Set(['linearizable', 'not_linearizable']));
  });
});
