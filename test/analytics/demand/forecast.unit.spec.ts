/** What a forecast says, and where it says that it does not know. */
import { describe, expect, it } from '@jest/globals';
import { incompleteBeta, logGamma } from '../../../src/analytics/demand/beta.js';
import { DayCurve, dayCurveOf } from '../../../src/analytics/demand/day-curve.js';
import type { Subject } from '../../../src/analytics/demand/evidence.js';
import { Forecaster, type Forecast, type Prospect } from '../../../src/analytics/demand/forecast.js';
import { NO_PEERS, historiesOf, windowOf, type SalesHour } from '../../../src/analytics/demand/history.js';
import { oversubscribersOf } from '../../../src/analytics/demand/oversubscription.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = Date.UTC(2022, 10, 1, 9, 20);
const WINDOW = windowOf(NOW);
const HOURS = (WINDOW.end - WINDOW.start) / HOUR;

/** So many at every so-many-th hour of the last days. */
function every(hours: number, sold: number, days = 20): SalesHour[] {
  const history: SalesHour[] = [];
  for (let hour = HOURS - days * 24; hour < HOURS; hour += hours) {
    history.push({ hour, sold, refunded: 0, peers: NO_PEERS });
  }
  return history;
}

const subject = (fields: Partial<Subject> = {}): Subject => ({
  history: every(6, 1),
  available: 40,
  since: NOW - 20 * DAY,
  endsAt: NOW + 60 * DAY,
  kinds: ['group/1', '1', 'any'],
  ...fields,
});

const prospectAmong = (one: Subject, others: readonly Subject[] = []): Prospect =>
  new Forecaster([one, ...others], WINDOW, NOW).prospect(one);

function forecastOf(one: Subject, others?: readonly Subject[]): Forecast {
  const prospect = prospectAmong(one, others);
  if (prospect.kind !== 'forecast') throw new Error('no forecast');
  return prospect;
}

const daysUntil = (at: number | null): number => (at === null ? Infinity : (at - NOW) / DAY);

describe('a forecast', () => {
  it('is when what is left is sold at the rate of the last days, with an interval around it', () => {
    const { median, earliest, latest, chance, perDay } = forecastOf(subject());
    expect(perDay).toBeGreaterThan(3.6);
    expect(perDay).toBeLessThan(4.4);
    expect(daysUntil(median)).toBeGreaterThan(8);
    expect(daysUntil(median)).toBeLessThan(12);
    expect(daysUntil(earliest)).toBeGreaterThan(4);
    expect(daysUntil(earliest)).toBeLessThan(daysUntil(median));
    expect(daysUntil(latest)).toBeGreaterThan(daysUntil(median));
    expect(chance).toBeGreaterThan(0.97);
  });

  it('is later the more there are, and the slower they sell', () => {
    const usual = daysUntil(forecastOf(subject()).median);
    expect(daysUntil(forecastOf(subject({ available: 80 })).median)).toBeGreaterThan(1.5 * usual);
    expect(daysUntil(forecastOf(subject({ history: every(12, 1) })).median)).toBeGreaterThan(1.5 * usual);
  });

  it('goes by the newest sales more than by old ones', () => {
    const before = every(3, 1, 20).filter(({ hour }) => hour < HOURS - 10 * 24);
    const slowed = [...before, ...every(24, 1, 10)];
    const { perDay } = forecastOf(subject({ history: slowed }));
    // 8 a day before, 1 a day since; 4.5 in the mean.
    expect(perDay).toBeLessThan(3);
  });

  it('takes what is given back off', () => {
    const history = every(6, 2).map((entry) => ({ ...entry, refunded: 1 }));
    expect(forecastOf(subject({ history })).perDay).toBeCloseTo(forecastOf(subject()).perDay, 5);
  });

  it('is never after kick-off: what is not reached by then has no time, and the chance says so', () => {
    const { chance, earliest, median, latest } = forecastOf(subject({ endsAt: NOW + 8 * DAY }));
    expect(chance).toBeGreaterThan(0.1);
    expect(chance).toBeLessThan(0.5);
    expect([median, latest]).toEqual([null, null]);
    expect(earliest).toBeLessThanOrEqual(NOW + 8 * DAY);
    const hopeless = forecastOf(subject({ available: 4_000 }));
    expect(hopeless).toMatchObject({ earliest: null, median: null, latest: null });
    expect(hopeless.chance).toBeLessThan(0.01);
    const last = forecastOf(subject({ available: 1, endsAt: NOW + HOUR }));
    for (const at of [last.earliest, last.median]) expect(at ?? NOW).toBeLessThanOrEqual(NOW + HOUR);
  });

  it('is wider when people buy many at once', () => {
    const width = (one: Subject): number => {
      const { earliest, latest, median } = forecastOf(one);
      return (daysUntil(latest) - daysUntil(earliest)) / daysUntil(median);
    };
    const lumps = every(72, 12);
    expect(width(subject({ history: lumps, since: NOW - 20 * DAY }))).toBeGreaterThan(1.3 * width(subject()));
  });

  it('is that of similar tickets, and wide, while a ticket has no sales of its own', () => {
    const similar = [1, 2, 3, 4, 5].map((i) => subject({ history: every(4 + i, 1) }));
    const others = [1, 2, 3, 4].map(() => subject({ history: every(1, 4), kinds: ['group/2', '2', 'any'] }));
    const fresh = subject({ history: [], since: NOW - 2 * DAY });
    const [own, none] = [
      forecastOf(subject(), [...similar, ...others]),
      forecastOf(fresh, [...similar, ...others]),
    ];
    expect(none.perDay).toBeGreaterThan(0.5);
    expect(none.perDay).toBeLessThan(6);
    const ratio = ({ earliest, latest }: Forecast): number => daysUntil(latest) / daysUntil(earliest);
    expect(ratio(none)).toBeGreaterThan(1.5 * ratio(own));
  });

  it('does not take a ticket that was sold out for one that nobody wanted', () => {
    const soldOut = [1, 2, 3, 4, 5].map(() =>
      // Sold in ten days, ten days ago.
      subject({ history: every(6, 1, 20).filter(({ hour }) => hour < HOURS - 240), available: 0 }),
    );
    const fresh = subject({ history: [], since: NOW - HOUR * 30, available: 40 });
    expect(forecastOf(fresh, soldOut).perDay).toBeGreaterThan(2);
  });

  it.each([
    ['nothing was ever sold', subject({ history: [], since: NOW - 20 * DAY })],
    ['a handful was sold', subject({ history: every(120, 1) })],
    ['the market is an hour old', subject({ history: every(1, 20, 0.1), since: NOW - HOUR })],
  ])('is none when %s', (_, one) => {
    expect(prospectAmong(one)).toEqual({ kind: 'too_little_history' });
  });

  it('is the same for the same sales', () => {
    expect(forecastOf(subject())).toEqual(forecastOf(subject()));
  });

  it('knows that nobody buys at night', () => {
    const byDay = every(1, 2).filter(({ hour }) => {
      const clock = new Date(WINDOW.start + hour * HOUR).getUTCHours();
      return clock >= 9 && clock < 21;
    });
    const hourOf = (available: number): number =>
      new Date(forecastOf(subject({ history: byDay, available })).median ?? 0).getUTCHours();
    // 24 a day, in half of the hours: what is left at 9:20 and not sold by 21:00 is not sold before the next morning.
    expect([...Array(8).keys()].map((i) => hourOf(20 + 4 * i)).filter((hour) => hour < 6)).toEqual([]);
  });
});

describe('the hours of a day', () => {
  it('are as long as their part of the sales, there and back', () => {
    const curve = dayCurveOf([every(24, 5)], WINDOW.start);
    for (const at of [NOW, NOW + 17 * HOUR, NOW + 40 * DAY]) {
      expect(curve.timeOf(curve.at(at))).toBeCloseTo(at, -2);
    }
    expect(curve.at(NOW + DAY) - curve.at(NOW)).toBeCloseTo(1, 9);
    const lengths = [...Array(24).keys()].map((hour) => (hour === 12 ? 23 : 1 / 23));
    const noon = new DayCurve(lengths);
    const day = Date.UTC(2022, 10, 2);
    expect(noon.at(day + 13 * HOUR) - noon.at(day + 12 * HOUR)).toBeCloseTo(23 / 24, 9);
  });
});

describe('the incomplete beta function', () => {
  it.each([
    [0.5, 1, 1, 0.5],
    [0.3, 2, 1, 0.09],
    // 1 - (1 - x)^b
    [0.2, 1, 3, 1 - 0.8 ** 3],
    // Of whole numbers it is a binomial tail: P(Bin(4, 0.4) >= 2).
    [0.4, 2, 3, 0.5248],
    // The arcsine law.
    [0.25, 0.5, 0.5, 1 / 3],
    [0.5, 300, 300, 0.5],
    [0, 2, 2, 0],
    [1, 2, 2, 1],
  ])('at %d with %d and %d is %d', (x, a, b, value) => {
    expect(incompleteBeta(x, a, b)).toBeCloseTo(value, 8);
  });

  it('grows with its argument, and is symmetric', () => {
    for (const [a, b] of [
      [0.6, 40],
      [250, 3.5],
      [12, 0.5],
    ] as const) {
      let before = 0;
      for (let x = 0.01; x < 1; x += 0.01) {
        const value = incompleteBeta(x, a, b);
        expect(value).toBeGreaterThanOrEqual(before);
        expect(value + incompleteBeta(1 - x, b, a)).toBeCloseTo(1, 9);
        before = value;
      }
    }
    expect(logGamma(5)).toBeCloseTo(Math.log(24), 9);
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 9);
  });
});

describe('what others oversubscribe', () => {
  const at = (hour: number, sold: number, peers: Record<string, number>, refunded = 0): SalesHour => ({
    hour,
    sold,
    refunded,
    peers: new Map(Object.entries(peers)),
  });

  it('is told of the hours in which more was sold than was left, of those who sold in them', () => {
    // 10 there were: 6 sold, then 5 of the 4 that were left, then 2 of none.
    const history = [at(1, 6, { early: 6 }), at(5, 5, { late: 3, other: 2 }), at(9, 2, { late: 2 })];
    expect(oversubscribersOf(history, -3, 0)).toEqual([
      { clientId: 'late', hours: 2, ticketsMost: 3 },
      { clientId: 'other', hours: 1, ticketsMost: 1 },
    ]);
    expect(oversubscribersOf(history, -3, 6)).toEqual([{ clientId: 'late', hours: 1, ticketsMost: 2 }]);
  });

  it('is nothing when there was enough, was given back in time, or was ours', () => {
    expect(oversubscribersOf([at(1, 6, { peer: 6 })], 0, 0)).toEqual([]);
    expect(oversubscribersOf([at(1, 6, { peer: 6 }, 2)], 0, 0)).toEqual([]);
    expect(oversubscribersOf([at(1, 6, {})], -1, 0)).toEqual([]);
  });
});

describe('histories', () => {
  it('have the hours of the window, ours and those of peers together, from whatever months', () => {
    const month = (name: string): number => Date.parse(`${name}-01T00:00:00Z`);
    const groups = [{ currency: 'USD' }, { peer: 'p', currency: 'USD' }];
    const rows = (...numbers: number[]): Float64Array => Float64Array.from(numbers);
    const ticket = { matchNumber: 3, category: 2 };
    const found = historiesOf(
      [
        { ticket, start: month('2022-11'), groups, rows: rows(8, 0, 2, 1, 0, 0, 8, 1, 3, 0, 0, 0) },
        { ticket, start: month('2022-10'), groups, rows: rows(743, 1, 1, 0, 0, 0) },
        // Before the window, and the hour after it.
        { ticket, start: month('2022-01'), groups, rows: rows(1, 0, 9, 0, 0, 0) },
        { ticket, start: month('2022-11'), groups, rows: rows(10, 0, 9, 0, 0, 0) },
      ],
      WINDOW,
    );
    expect(found.get('3:2')).toEqual([
      { hour: HOURS - 11, sold: 1, refunded: 0, peers: new Map([['p', 1]]) },
      { hour: HOURS - 2, sold: 5, refunded: 1, peers: new Map([['p', 3]]) },
    ]);
  });
});
