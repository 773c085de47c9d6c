/** Which sales are asked for, and what the picture and the tables make of the answer. */
import { describe, expect, it } from '@jest/globals';
import { DEFAULT_VIEW, faultOf, questionOf, searchOf, viewOf } from '../../src/operator/sales/range';
import { amountOf, bucketsOf, findingOf, linesOf, REST, rowsOf } from '../../src/operator/sales/series';
import type { Sales, SalesFigures, SalesSeries } from '../../src/operator/sales/types';

const NOW = Date.parse('2022-11-30T15:20:00Z');
const DAY_MS = 86_400_000;
const view = (search: string): ReturnType<typeof viewOf> => viewOf(new URLSearchParams(search));

describe('a view of sales', () => {
  it('is the address, and what cannot be is as if it were not there', () => {
    expect(view('')).toEqual(DEFAULT_VIEW);
    expect(view('range=8&by=colour&bucket=minute&show=all&from=2022-11-01')).toEqual(DEFAULT_VIEW);
    const custom = 'range=custom&from=2022-11-01&to=2022-11-10&by=country&bucket=hour&show=revenue';
    expect(searchOf(view(custom))).toBe(`?${custom}`);
    expect(searchOf(DEFAULT_VIEW)).toBe('');
    expect(view('range=custom&from=2022-13-01').from).toBe('');
  });

  it('is by the hour only where hours can be told apart', () => {
    expect(view('range=7&bucket=hour').bucket).toBe('hour');
    expect(view('range=30&bucket=hour').bucket).toBe('day');
    expect(view('range=custom&from=2022-11-01&to=2022-11-14&bucket=hour').bucket).toBe('hour');
    expect(view('range=custom&from=2022-11-01&to=2022-11-15&bucket=hour').bucket).toBe('day');
  });

  it('asks for whole days in UTC, today and the last day included', () => {
    expect(questionOf(view('range=7'), NOW)).toEqual({
      path: '/operations/sales',
      query: { from: '2022-11-24T00:00:00.000Z', to: undefined, by: 'none', bucket: 'day' },
    });
    const { query } = questionOf(view('range=custom&from=2022-11-01&to=2022-11-02'), NOW);
    expect(query).toMatchObject({ from: '2022-11-01T00:00:00.000Z', to: '2022-11-03T00:00:00.000Z' });
  });

  it.each([
    ['range=custom', 'missing'],
    ['range=custom&from=2022-11-02&to=2022-11-01', 'order'],
    ['range=custom&from=2021-11-01&to=2022-11-02', 'long'],
    ['range=custom&from=2022-11-02&to=2022-11-02', null],
    ['range=90', null],
  ] as const)('%s: %s', (search, fault) => {
    expect(faultOf(view(search))).toBe(fault);
  });
});

const NONE: SalesFigures = { sold: 0, refunded: 0, revenueMinor: 0, refundedMinor: 0 };
const FROM = Date.parse('2022-11-01T00:00:00Z');
const at = (day: number): string => new Date(FROM + day * DAY_MS).toISOString();

/** Sold by day; every ticket costs 75.00. */
function series(key: string, sold: readonly number[]): SalesSeries {
  const figures = (count: number): SalesFigures => ({ ...NONE, sold: count, revenueMinor: count * 7_500 });
  return {
    key,
    points: sold.flatMap((count, day) => (count === 0 ? [] : [{ at: at(day), ...figures(count) }])),
    totals: figures(sold.reduce((all, count) => all + count, 0)),
  };
}

function sales(all: readonly SalesSeries[], days = 8): Sales {
  return {
    from: at(0),
    to: at(days),
    bucket: 'day',
    by: 'match',
    currency: 'USD',
    asOf: at(days),
    isComplete: true,
    series: all,
    totals: NONE,
  };
}

describe('the picture of sales', () => {
  it('has a place for each day, also where nothing was sold, and for what lies beside them', () => {
    const found = bucketsOf(sales([series('1', [1, 0, 0, 4])], 4));
    expect(found).toEqual([0, 1, 2, 3].map((day) => FROM + day * DAY_MS));
    expect(bucketsOf({ ...sales([series('1', [0, 0, 0, 0, 2])], 2) }).at(-1)).toBe(FROM + 4 * DAY_MS);
  });

  it('shows the largest series and the rest as one, whatever their order', () => {
    const many = Array.from({ length: 9 }, (_, i) => series(String(i + 1), [i + 1, 1]));
    const lines = linesOf(sales([...many, series(REST, [100, 0])], 2), 'sold');
    expect(lines.map(({ key, total }) => [key, total])).toEqual([
      ['9', 10],
      ['8', 9],
      ['7', 8],
      ['6', 7],
      ['5', 6],
      [REST, 5 + 4 + 3 + 2 + 100],
    ]);
    expect(lines.at(-1)?.values).toEqual([4 + 3 + 2 + 1 + 100, 4]);
    expect(linesOf(sales(many.slice(0, 6)), 'sold')).toHaveLength(6);
  });

  it('counts what other marketplaces sold by its worth', () => {
    expect(amountOf({ ...NONE, valueMinor: 500 }, 'revenue')).toBe(500);
    expect(amountOf({ ...NONE, revenueMinor: 300, valueMinor: 500 }, 'revenue')).toBe(300);
    expect(amountOf({ ...NONE, sold: 2, valueMinor: 500 }, 'sold')).toBe(2);
  });

  it('says what there is to see', () => {
    const { total, peak, change, leader } = findingOf(
      sales([series('1', [1, 1, 1, 1, 2, 2, 2, 2]), series('2', [0, 0, 0, 4, 0, 0, 4, 0])]),
      'sold',
    );
    expect({ total, peak, change }).toEqual({
      total: 20,
      peak: { at: FROM + 6 * DAY_MS, value: 6 },
      change: 12 / 8 - 1,
    });
    expect(leader).toMatchObject({ line: { key: '1' }, part: 12 / 20 });
  });

  it('says no more than there is', () => {
    expect(findingOf(sales([]), 'sold')).toEqual({ total: 0, peak: null, change: null, leader: null });
    expect(findingOf(sales([series('1', [0, 0, 0, 0, 5])]), 'sold')).toMatchObject({
      change: null,
      leader: null,
    });
    // The rest is nobody, so it leads nothing.
    const { leader } = findingOf(sales([series(REST, [90]), series('1', [5]), series('2', [4])]), 'sold');
    expect(leader?.line.key).toBe('1');
  });

  it('and its table tell the same', () => {
    const shown = sales([series('1', [3, 0]), series('2', [4, 1])], 2);
    expect(rowsOf(shown)).toEqual([
      expect.objectContaining({ at: FROM, sold: 7, revenueMinor: 7 * 7_500 }),
      expect.objectContaining({ at: FROM + DAY_MS, sold: 1, revenueMinor: 7_500 }),
    ]);
  });
});
