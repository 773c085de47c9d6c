/**
 * When in the day tickets are sold. Hours are as long as their part of a day's sales, so that a night in which nobody
 * buys is short: the forecast is made in such time, and told in that of clocks. Pure.
 */
import { HOUR_MS } from '../../operations/sales/month.js';
import { DAY_HOURS, type History } from './history.js';

/** What each hour counts besides what was seen, in days: six days on which every hour sold alike. */
const EVEN_DAYS = 0.25;

export class DayCurve {
  /** How long an hour of the day (UTC) is, in days: 24 that make 1. */
  readonly #lengths: readonly number[];
  /** Of the hours before it, in days. */
  readonly #before: readonly number[];

  /** `lengths`: in the order of the hours, UTC. */
  constructor(lengths: readonly number[]) {
    const sum = lengths.reduce((total, length) => total + length, 0);
    this.#lengths = lengths.map((length) => length / sum);
    let before = 0;
    this.#before = this.#lengths.map((length) => (before += length) - length);
  }

  /** Days of sale from the epoch on. */
  at(time: number): number {
    const hours = Math.floor(time / HOUR_MS);
    const days = Math.floor(hours / DAY_HOURS);
    const hour = hours - days * DAY_HOURS;
    const part = time / HOUR_MS - hours;
    return days + (this.#before[hour] ?? 0) + part * (this.#lengths[hour] ?? 0);
  }

  /** Undoes `at`: epoch milliseconds. */
  timeOf(at: number): number {
    const days = Math.floor(at);
    const rest = at - days;
    const next = this.#before.findIndex((before) => before > rest);
    const hour = (next < 0 ? DAY_HOURS : next) - 1;
    const part = (rest - (this.#before[hour] ?? 0)) / (this.#lengths[hour] ?? 1);
    return (days * DAY_HOURS + hour + Math.min(1, part)) * HOUR_MS;
  }
}

/**
 * The curve of all tickets together. Days count alike, however much was sold on them: one rush is not every day's.
 * `start`: of the window, epoch milliseconds.
 */
export function dayCurveOf(histories: Iterable<History>, start: number): DayCurve {
  const first = Math.floor(start / HOUR_MS);
  const days = new Map<number, number[]>();
  for (const history of histories) {
    for (const { hour, sold } of history) {
      const at = first + hour;
      const day = Math.floor(at / DAY_HOURS);
      const counts = days.get(day) ?? new Array<number>(DAY_HOURS).fill(0);
      days.set(day, counts);
      counts[at - day * DAY_HOURS] = (counts[at - day * DAY_HOURS] ?? 0) + sold;
    }
  }
  const lengths = new Array<number>(DAY_HOURS).fill(EVEN_DAYS);
  for (const counts of days.values()) {
    const all = counts.reduce((total, count) => total + count, 0);
    if (all === 0) continue;
    counts.forEach((count, hour) => (lengths[hour] = (lengths[hour] ?? 0) + count / all));
  }
  return new DayCurve(lengths);
}
