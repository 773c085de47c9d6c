/** What was seen of each ticket, in the form that a forecast needs. Pure. */
import { HOUR_MS } from '../../operations/sales/month.js';
import type { DayCurve } from './day-curve.js';
import { DAY_HOURS, LOOKBACK_DAYS, type History, type Window } from './history.js';

/** So old, what was seen counts half. */
export const HALF_LIFE_DAYS = 7;
export const WEEK_DAYS = 7;

export interface Subject {
  readonly history: History;
  /** Tickets that are not sold. */
  readonly available: number;
  /** Since when it could be bought, as far as is known, epoch milliseconds. */
  readonly since: number;
  /** The end of its sale, later than now, epoch milliseconds. */
  readonly endsAt: number;
  /** Names of what is similar to it, the most similar first: those with the same name are. */
  readonly kinds: readonly string[];
}

export interface View {
  readonly window: Window;
  readonly now: number;
  readonly curve: DayCurve;
}

/** A span in which a ticket could be bought, epoch milliseconds. */
interface Span {
  readonly start: number;
  readonly stop: number;
}

/** When a ticket could be bought, and what it sold by day and week: only whole ones are compared. */
export interface Blocks {
  readonly spans: readonly Span[];
  readonly daily: Ratio;
  /** Pairs of neighbours, the newest first, the newer of a pair first. */
  readonly weeks: readonly (readonly [number, number])[];
}
export const NO_BLOCKS: Blocks = { spans: [], daily: { of: 0, to: 0 }, weeks: [] };

/** How much neighbouring days differ, squared and halved, and what they sold in the mean. */
interface Ratio {
  readonly of: number;
  readonly to: number;
}

export function blocksOf(subject: Subject, { window, now }: View): Blocks {
  const { history, since, available } = subject;
  const from = Math.max(window.start, since);
  const spans: Span[] = [];
  const netOfDay = new Array<number>(LOOKBACK_DAYS).fill(0);
  const isOnSale = new Array<boolean>(LOOKBACK_DAYS).fill(false);
  // From now backwards: what was left then is what is left now and what was sold since.
  let left = available;
  let stop: number | null = left > 0 ? now : null;
  const close = (start: number): void => {
    if (stop === null || stop <= start) return;
    spans.push({ start, stop });
    const [oldest, newest] = [daysAgo(now, start), daysAgo(now, stop)];
    for (let day = Math.ceil(newest); day < Math.floor(oldest + ROUNDING); day += 1) isOnSale[day] = true;
  };
  for (const { hour, sold, refunded } of history.toReversed()) {
    const began = window.start + hour * HOUR_MS;
    const ended = Math.min(now, began + HOUR_MS);
    const day = Math.floor(daysAgo(now, (began + ended) / 2));
    netOfDay[day] = (netOfDay[day] ?? 0) + sold - refunded;
    if (left <= 0) stop = ended;
    left += sold - refunded;
    if (left > 0) continue;
    close(Math.max(from, began));
    stop = null;
  }
  close(from);
  return { spans, daily: dailyOf(netOfDay, isOnSale), weeks: weeksOf(netOfDay, isOnSale) };
}

const ROUNDING = 1e-9;
export const daysAgo = (now: number, time: number): number => (now - time) / (DAY_HOURS * HOUR_MS);

/** Neighbours only: a rate that wanders slowly is no dispersion. */
function dailyOf(netOfDay: readonly number[], isOnSale: readonly boolean[]): Ratio {
  let of = 0;
  let to = 0;
  for (let day = 1; day < netOfDay.length; day += 1) {
    if (!isOnSale[day] || !isOnSale[day - 1]) continue;
    const [newer, older] = [netOfDay[day - 1] ?? 0, netOfDay[day] ?? 0];
    of += (newer - older) ** 2 / 2;
    to += Math.max(0, newer + older) / 2;
  }
  return { of, to };
}

function weeksOf(
  net: readonly number[],
  isOnSale: readonly boolean[],
): readonly (readonly [number, number])[] {
  const weeks: [number, number][] = [];
  const sum = (first: number): number => net.slice(first, first + WEEK_DAYS).reduce((a, b) => a + b, 0);
  for (let day = 0; day + 2 * WEEK_DAYS <= net.length; day += WEEK_DAYS) {
    if (!isOnSale.slice(day, day + 2 * WEEK_DAYS).every((one) => one)) break;
    weeks.push([sum(day), sum(day + WEEK_DAYS)]);
  }
  return weeks;
}

/** What is known of one ticket. Days are those of the curve. */
export interface Evidence {
  /** Net sales and the days in which they could be made, both discounted by age. */
  readonly sales: number;
  readonly days: number;
  /** Not discounted. */
  readonly sold: number;
  readonly blocks: Blocks;
}

export function evidenceOf(subject: Subject, blocks: Blocks, growth: number, view: View): Evidence {
  const { window, now, curve } = view;
  const end = curve.at(now);
  const decay = Math.LN2 / HALF_LIFE_DAYS;
  const agedBy = (rate: number, time: number): number => Math.exp(-rate * (end - curve.at(time)));
  let sales = 0;
  let sold = 0;
  for (const entry of subject.history) {
    const start = window.start + entry.hour * HOUR_MS;
    const middle = (start + Math.min(now, start + HOUR_MS)) / 2;
    sales += (entry.sold - entry.refunded) * agedBy(decay, middle);
    sold += entry.sold;
  }
  // As many days of the rate that is now as would have brought what was sold at the rates of then.
  const rate = decay + growth;
  const days = blocks.spans.reduce(
    (sum, { start, stop }) => sum + (agedBy(rate, stop) - agedBy(rate, start)) / rate,
    0,
  );
  return { sales: Math.max(0, sales), days, sold, blocks };
}
