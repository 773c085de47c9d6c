/** Forecasts made in the middle of a sale, beside what came of it. */
import type { Subject } from '../../../src/analytics/demand/evidence.js';
import { Forecaster, type Forecast } from '../../../src/analytics/demand/forecast.js';
import { DAY_HOURS, LOOKBACK_DAYS, type Window } from '../../../src/analytics/demand/history.js';
import { KINDS, type World } from './arrivals.js';

const HOUR_MS = 3_600_000;
/** The sale begins at a midnight. */
const BEGAN = Date.UTC(2026, 8, 1);

export interface Case {
  readonly forecast: Forecast;
  /** Epoch milliseconds of the middle of the hour in which it sold out; null: not before its end. */
  readonly soldOutAt: number | null;
  readonly daysAhead: number;
}

/** A forecast for each ticket that is not sold out yet. */
export function casesOf({ tickets, saleHours }: World, atHour: number): readonly Case[] {
  const now = BEGAN + atHour * HOUR_MS;
  const window: Window = { start: now - LOOKBACK_DAYS * DAY_HOURS * HOUR_MS, end: now };
  const firstHour = atHour - LOOKBACK_DAYS * DAY_HOURS;
  const endsAt = BEGAN + saleHours * HOUR_MS;
  const subjects = tickets.map(({ capacity, hours }, i): Subject => {
    const before = hours.filter(({ hour }) => hour < atHour);
    return {
      history: before.map((one) => ({ ...one, hour: one.hour - firstHour })).filter(({ hour }) => hour >= 0),
      available: before.reduce((left, { sold, refunded }) => left - sold + refunded, capacity),
      since: BEGAN,
      endsAt,
      // As stage and category are: demand and size.
      kinds: [`${i % KINDS}`, 'all'],
    };
  });
  const forecaster = new Forecaster(subjects, window, now);
  return subjects.flatMap((subject, i) => {
    const { soldOutHour = null } = tickets[i] ?? {};
    if (subject.available <= 0) return [];
    const prospect = forecaster.prospect(subject);
    if (prospect.kind !== 'forecast') return [];
    const soldOutAt = soldOutHour === null ? null : BEGAN + (soldOutHour + 0.5) * HOUR_MS;
    return [
      { forecast: prospect, soldOutAt, daysAhead: ((soldOutAt ?? endsAt) - now) / (DAY_HOURS * HOUR_MS) },
    ];
  });
}

export interface Calibration {
  /** Forecasts whose answer is open: it may sell out, and its interval is not only "not before kick-off". */
  readonly open: number;
  /** Of those whose interval has two ends, how many there are and the part that came within: 80 % if all is well. */
  readonly closed: number;
  readonly covered: number;
  /** Of those whose interval ends with kick-off, the part that came within: 90 % if all is well. */
  readonly coveredOpen: number;
  readonly early: number;
  readonly late: number;
  /** Mean chance of selling out at all, and the part that did. */
  readonly chance: number;
  readonly soldOut: number;
  /** Mean squared error of the chance, and of one that is the same for all. */
  readonly brier: number;
  readonly brierOfMean: number;
  /** Half of the intervals that have two ends are narrower, as part of the time from now to the median. */
  readonly width: number;
}

export function calibrationOf(cases: readonly Case[]): Calibration {
  const open = cases.filter(({ forecast }) => forecast.earliest !== null);
  const closed = open.filter(({ forecast }) => forecast.latest !== null);
  const part = (of: readonly Case[], is: (one: Case) => boolean): number => of.filter(is).length / of.length;
  const isEarly = ({ forecast: { earliest }, soldOutAt }: Case): boolean =>
    soldOutAt !== null && earliest !== null && soldOutAt < earliest - HOUR_MS / 2;
  const isLate = ({ forecast: { latest }, soldOutAt }: Case): boolean =>
    latest !== null && (soldOutAt === null || soldOutAt > latest + HOUR_MS / 2);
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const soldOut = part(cases, ({ soldOutAt }) => soldOutAt !== null);
  const widths = open.flatMap(({ forecast: { earliest, latest, median } }) =>
    earliest !== null && latest !== null && median !== null ? [(latest - earliest) / HOUR_MS / 24] : [],
  );
  return {
    open: open.length,
    closed: closed.length,
    covered: part(closed, (one) => !isEarly(one) && !isLate(one)),
    coveredOpen: part(
      open.filter((one) => !closed.includes(one)),
      (one) => !isEarly(one) && !isLate(one),
    ),
    early: part(open, isEarly),
    late: part(open, isLate),
    chance: mean(cases.map(({ forecast }) => forecast.chance)),
    soldOut,
    brier: mean(cases.map(({ forecast, soldOutAt }) => (forecast.chance - Number(soldOutAt !== null)) ** 2)),
    brierOfMean: soldOut * (1 - soldOut),
    width: widths.sort((a, b) => a - b)[Math.floor(widths.length / 2)] ?? 0,
  };
}
