import { describe, expect, it } from '@jest/globals';
import { compare, isFault, totalsOf, type Evidence } from '../../src/payments/payouts/compare.js';
import type { BalanceTransaction } from '../../src/payments/port.js';
import { charge, line, paymentRecord } from './payout-samples.js';

const HOUR = 3_600_000;
const NOW = 1_800_000_000_000;

const compared = (
  lines: readonly BalanceTransaction[],
  more: Partial<Evidence> = {},
): ReturnType<typeof compare> =>
  compare({
    lines,
    known: lines,
    isOpenEnded: false,
    records: new Map([['pi_1', paymentRecord({})]]),
    strangers: new Set(),
    settledBefore: NOW,
    ...more,
  });
const verdictOf = (
  of: BalanceTransaction | readonly BalanceTransaction[],
  more: Partial<Evidence> = {},
): [string, string | undefined] => {
  const { lines } = compared(
    Array.isArray(of) ? (of as BalanceTransaction[]) : [of as BalanceTransaction],
    more,
  );
  return [lines[0]!.match, lines[0]!.detail];
};
const recordOf = (fields: Parameters<typeof paymentRecord>[0]): Partial<Evidence> => ({
  records: new Map([['pi_1', paymentRecord(fields)]]),
});
const refund = (minor: number, fields: Partial<BalanceTransaction> = {}): BalanceTransaction =>
  line({ kind: 'refund', amountMinor: -minor, paid: { amountMinor: minor, currency: 'USD' }, ...fields });
const dispute = line({
  id: 'txn_d',
  kind: 'dispute',
  type: 'adjustment',
  amountMinor: -15_000,
  feeMinor: 1_500,
  paid: { amountMinor: 15_000, currency: 'USD' },
});

describe('a charge', () => {
  it('is right when its record has the same amount and currency', () => {
    const { lines, missing } = compared([charge()]);
    expect(lines[0]).toMatchObject({ match: 'ok', netMinor: 14_535, reservationId: 'r-1' });
    expect(lines[0]).not.toHaveProperty('detail');
    expect(missing).toEqual([]);
  });

  it('is compared as the card had it, whatever the balance is kept in', () => {
    const converted = charge({ amountMinor: 13_800, currency: 'EUR' });
    expect(verdictOf(converted)).toEqual(['ok', undefined]);
    const { paid: _, ...bare } = charge();
    expect(verdictOf(bare)).toEqual(['ok', undefined]);
    expect(verdictOf({ ...bare, currency: 'EUR' })[0]).toBe('amount_differs');
  });

  it.each<[string, Parameters<typeof paymentRecord>[0], RegExp]>([
    ['another amount', { amountMinor: 7_500 }, /Charged 150 USD; on record 75 USD/],
    ['another currency', { currency: 'EUR' }, /on record 150 EUR/],
    ['a record that was not charged', { status: 'canceled' }, /canceled/],
  ])('differs: %s', (_, fields, detail) => {
    const [match, said] = verdictOf(charge(), recordOf(fields));
    expect(match).toBe('amount_differs');
    expect(said).toMatch(detail);
  });

  it('is no second time right', () => {
    const twice = [charge(), charge({ id: 'txn_2' })];
    expect(compared(twice).lines.map(({ match }) => match)).toEqual(['amount_differs', 'amount_differs']);
  });

  it('without a record is unknown, unless it was not made for a reservation', () => {
    const none = { records: new Map() };
    expect(verdictOf(charge(), none)).toEqual(['unknown_payment', expect.stringContaining('not on record')]);
    const { reservationId: _, ...foreign } = charge();
    expect(verdictOf(foreign, none)[0]).toBe('other');
    const { paymentId: _id, ...bare } = foreign;
    expect(verdictOf(bare, none)[0]).toBe('other');
  });
});

describe('refunds', () => {
  it.each([
    [[5_000], 5_000, 'ok'],
    [[5_000], 15_000, 'ok'],
    [[5_000, 10_000], 15_000, 'ok'],
    [[5_000], 0, 'amount_differs'],
    [[5_000, 5_000], 5_000, 'amount_differs'],
  ])('of %j with %d on record: %s', (parts, refundedMinor, match) => {
    const lines = parts.map((minor, index) => refund(minor, { id: `txn_r${index}` }));
    const { lines: found } = compared(lines, recordOf({ refundedMinor }));
    expect(new Set(found.map((one) => one.match))).toEqual(new Set([match]));
  });

  it('that came back count no more', () => {
    const back = line({
      id: 'txn_f',
      kind: 'refund_failure',
      amountMinor: 5_000,
      paid: { amountMinor: 5_000, currency: 'USD' },
    });
    const { lines } = compared([back, refund(5_000)], recordOf({ refundedMinor: 0 }));
    expect(lines.map(({ match }) => match)).toEqual(['ok', 'ok']);
  });

  it('are summed over all that is known', () => {
    const known = [refund(5_000), refund(5_000, { id: 'txn_old' })];
    expect(verdictOf(known[0]!, { known, ...recordOf({ refundedMinor: 5_000 }) })[0]).toBe('amount_differs');
  });

  it('of what is unknown are unknown, of strangers nothing', () => {
    expect(verdictOf(refund(1), { records: new Map() })[0]).toBe('unknown_payment');
    expect(verdictOf(refund(1), { records: new Map(), strangers: new Set(['pi_1']) })[0]).toBe('other');
  });

  it('on record that never left the balance are missing, when all of it is known', () => {
    const short = { ...recordOf({ refundedMinor: 15_000, updatedAt: NOW - HOUR }), isOpenEnded: true };
    const lines = [refund(5_000), charge()];
    expect(compared(lines, short).missing).toEqual([
      {
        paymentId: 'pi_1',
        reservationId: 'r-1',
        amountMinor: 15_000,
        refundedMinor: 15_000,
        reason: 'refund_not_in_balance',
      },
    ]);
    expect(compared(lines, { ...short, isOpenEnded: false }).missing).toEqual([]);
    // Without the charge, what was given back before is not known.
    expect(compared([refund(5_000)], short).missing).toEqual([]);
    expect(compared([refund(15_000), charge()], short).missing).toEqual([]);
    // The order has just been given.
    const fresh = { ...short, ...recordOf({ refundedMinor: 15_000, updatedAt: NOW }) };
    expect(compared(lines, fresh).missing).toEqual([]);
  });
});

describe('disputes', () => {
  it('are right when the record knows of one', () => {
    expect(verdictOf(dispute, recordOf({ dispute: 'open' }))[0]).toBe('ok');
    expect(verdictOf(dispute)).toEqual(['amount_differs', 'On record it is not disputed.']);
    const more = recordOf({ dispute: 'open', amountMinor: 14_000 });
    expect(verdictOf(dispute, more)[0]).toBe('amount_differs');
    expect(verdictOf(dispute, { records: new Map() })[0]).toBe('unknown_payment');
  });

  it('that are won bring the money back', () => {
    const won = line({ kind: 'dispute_reversal', type: 'adjustment', amountMinor: 15_000 });
    expect(verdictOf(won, recordOf({ dispute: 'won' }))[0]).toBe('ok');
  });
});

describe('what is of no payment', () => {
  it.each(['fee', 'payout', 'payout_failure', 'other'] as const)('%s is the provider’s own', (kind) => {
    const { paymentId: _, ...bare } = line({ kind, type: 'stripe_fee', amountMinor: -200 });
    expect(verdictOf(bare)).toEqual(['other', expect.stringContaining('stripe_fee')]);
  });
});

it('what has just happened is no fault yet', () => {
  const young = { settledBefore: NOW - HOUR };
  const of = (at: number): [string, string | undefined] =>
    verdictOf(charge({ at }), { ...young, ...recordOf({ amountMinor: 1 }) });
  expect(of(NOW - HOUR)).toEqual(['other', expect.stringContaining('Too new')]);
  expect(of(NOW - HOUR - 1)[0]).toBe('amount_differs');
  // Nor is the older part of it.
  const known = [refund(5_000, { at: NOW }), refund(5_000, { id: 'txn_old', at: NOW - 2 * HOUR })];
  const { lines } = compared(known, { ...young, ...recordOf({ refundedMinor: 5_000 }) });
  expect(lines.filter(isFault)).toEqual([]);
});

it('totals count each line once, its fee, and one currency only', () => {
  const { paymentId: _, ...fee } = line({ kind: 'fee', type: 'stripe_fee', amountMinor: -200 });
  const lines = [
    charge({ feeMinor: 465 }),
    refund(5_000),
    line({ kind: 'refund_failure', amountMinor: 1_000 }),
    dispute,
    line({ kind: 'dispute_reversal', amountMinor: 4_000 }),
    fee,
    line({ kind: 'payout_failure', amountMinor: 300 }),
    line({ kind: 'other', amountMinor: -100 }),
    charge({ currency: 'EUR' }),
  ];
  expect(totalsOf(lines, 'USD')).toEqual({
    chargesMinor: 15_000,
    refundsMinor: 4_000,
    feesMinor: 465 + 1_500 + 200,
    disputesMinor: 11_000,
    otherMinor: 200,
    netMinor: 15_000 - 4_000 - 2_165 - 11_000 + 200,
  });
  expect(totalsOf([], 'USD')).toEqual({
    chargesMinor: 0,
    refundsMinor: 0,
    feesMinor: 0,
    disputesMinor: 0,
    otherMinor: 0,
    netMinor: 0,
  });
});
