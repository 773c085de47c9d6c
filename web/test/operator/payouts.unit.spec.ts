import { describe, expect, it } from '@jest/globals';
import {
  byConcern,
  isInOrder,
  isMismatch,
  lineTypeOf,
  missingReasonOf,
  payoutOf,
  shownLines,
  statusOf,
  unexplained,
  verdictOf,
  type LineMatch,
  type Payout,
  type PayoutDetail,
  type PayoutLine,
} from '../../src/operator/payouts/data';

const line = (id: string, match: LineMatch, at = '2026-11-26T10:00:00.000Z'): PayoutLine => ({
  id,
  match,
  at,
  type: 'charge',
  amountMinor: 100,
  feeMinor: 3,
  netMinor: 97,
});
const detail = (more: Partial<PayoutDetail>): PayoutDetail => ({
  payout: null,
  currency: 'usd',
  totals: { chargesMinor: 0, refundsMinor: 0, feesMinor: 0, disputesMinor: 0, otherMinor: 0, netMinor: 0 },
  lines: [],
  mismatches: 0,
  missing: [],
  isComplete: true,
  ...more,
});

describe('a payout', () => {
  it('has what does not agree first, then its lines by time', () => {
    const sorted = byConcern([
      line('late', 'ok', '2026-11-26T12:00:00.000Z'),
      line('fee', 'other'),
      line('early', 'ok'),
      line('differs', 'amount_differs'),
      line('unknown', 'unknown_payment'),
    ]);
    expect(sorted.map(({ id }) => id)).toEqual(['unknown', 'differs', 'fee', 'early', 'late']);
  });

  it('is in order only when all of it was read and agrees', () => {
    expect(isInOrder(detail({}))).toBe(true);
    expect(isInOrder(detail({ isComplete: false }))).toBe(false);
    expect(isInOrder(detail({ mismatches: 1 }))).toBe(false);
  });

  it('says when its lines do not add up, beside what is wrong with them', () => {
    const missing = [
      { paymentId: 'pi_1', reservationId: 'r', amountMinor: 1, refundedMinor: 0, reason: 'not_charged' },
    ];
    const lines = [line('a', 'amount_differs'), line('b', 'ok')];
    expect(unexplained(detail({ lines, missing, mismatches: 2 }))).toBe(0);
    expect(unexplained(detail({ lines, missing, mismatches: 3 }))).toBe(1);
  });

  it('is unknown before it was compared in whole', () => {
    const verdict = (comparison?: Omit<NonNullable<Payout['comparison']>, 'at'>): string =>
      verdictOf({ ...(comparison && { comparison: { at: '', ...comparison } }) } as Payout);
    expect(verdict()).toBe('unknown');
    expect(verdict({ mismatches: 0, isComplete: false })).toBe('unknown');
    expect(verdict({ mismatches: 0, isComplete: true })).toBe('fine');
    expect(verdict({ mismatches: 2, isComplete: false })).toBe('look');
  });

  it('shows all that does not agree, however much agrees', () => {
    const many = (count: number, match: LineMatch): PayoutLine[] =>
      Array.from({ length: count }, (_, index) => line(`${match}-${index}`, match));
    const shown = shownLines([...many(600, 'ok'), ...many(700, 'amount_differs')]);
    expect(shown.filter(isMismatch)).toHaveLength(700);
    expect(shown).toHaveLength(700);
    expect(shownLines([...many(600, 'ok'), ...many(3, 'other')])).toHaveLength(500);
  });

  it('may be in a state, or miss something for a reason, that is new to this page', () => {
    expect([lineTypeOf('fee'), lineTypeOf('news')]).toEqual(['fee', 'other']);
    expect([statusOf('paid'), statusOf('held_up')]).toEqual(['paid', 'other']);
    expect([missingReasonOf('not_charged'), missingReasonOf('toString')]).toEqual(['not_charged', null]);
  });

  it('is asked for by an id that cannot leave its place in the path', () => {
    expect(payoutOf('a/../b').path).toBe('/payments/payouts/a%2F..%2Fb');
  });
});
