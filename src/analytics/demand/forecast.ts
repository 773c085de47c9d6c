/**
 * When a ticket sells out, if it goes on as it did. Pure, and no chance in it: the same sales give the same forecast.
 *
 * Net sales of a day are a Poisson count with a rate that has a gamma distribution (the conjugate pair: Gelman et al.,
 * Bayesian Data Analysis, 3rd ed., 2.6), with these additions:
 *
 * - The past counts for less the older it is, as in the steady model of counts: Smith, "A generalization of the
 *   Bayesian steady forecasting model", JRSS B 41 (1979); Harvey & Fernandes, "Time series models for count or
 *   qualitative observations", JBES 7 (1989).
 * - People buy several at once, and in waves: counts are divided by how much more they vary than a Poisson count does
 *   (quasi-likelihood: Wedderburn, Biometrika 61 (1974)), as seen from one day to the next.
 * - Before a ticket has sales of its own, its rate is that of similar tickets, as uncertain as they differ (empirical
 *   Bayes by moments: Casella, The American Statistician 39 (1985)).
 * - Markets rise and fall as a whole. What all tickets together sold more or less from one week to the next goes on,
 *   and ever less so (a damped trend: Gardner & McKenzie, Management Science 31 (1985)).
 * - Rates wander. Over t days to come the average rate has the relative variance 1/shape + drift * t / 3, that of the
 *   average of a random walk; the drift is what weeks differ by beyond their counts.
 *
 * The time until k more are sold is then a scaled beta-prime variable, of which chance and quantiles are told.
 */
import { HOUR_MS } from '../../operations/sales/month.js';
import { incompleteBeta } from './beta.js';
import { dayCurveOf, type DayCurve } from './day-curve.js';
import { DAY_HOURS, LOOKBACK_DAYS, type History, type Window } from './history.js';

/** So old, what was seen counts half. */
export const HALF_LIFE_DAYS = 7;
/** The chance that it is earlier than the interval, and that it is later. */
export const TAIL = 0.1;
/** Sales of the ticket and of similar ones below which nothing is forecast. */
export const SALES_MIN = 10;
/** A market that was seen for less time is not judged by it, days. */
export const OBSERVED_DAYS_MIN = 1;
/** Similar tickets that are enough to go by; with fewer, less similar ones are taken too. */
const SIMILAR_MIN = 4;
/** Of the prior. Below: anything goes; above: tickets are hardly told apart. */
const SHAPE_MIN = 0.5;
const SHAPE_MAX = 8;
/** Tickets that the dispersion of all counts for, against a ticket's own. */
const DISPERSION_TICKETS = 40;
/** Before any is seen: what buying one to four at once makes of it. */
const DISPERSION_USUAL = 2;
/** What a drift is taken to be before it can be seen, as so many tickets' worth of weeks. Relative variance a day. */
const DRIFT_USUAL = 0.01;
const DRIFT_MIN = 0.002;
const DRIFT_MAX = 0.1;
const DRIFT_TICKETS = 8;
/** A rate that has wandered for so long is as far away as it gets. */
const DRIFT_DAYS_MAX = 28;
const WEEK_DAYS = 7;
/** Of the market, a day: the spread that is expected of it before any is seen, and its bounds. */
const GROWTH_USUAL = 0.03;
const GROWTH_MAX = 0.07;
/** Of two neighbouring pairs of weeks the older tells half as much of the growth. */
const WEEK_WEIGHT = 0.5;
/** After so many days a growth is down to a part of 1/e. */
const GROWTH_LASTS_DAYS = 14;
/** Halvings of the time to the end in the search for a quantile: of 100 days they leave a minute. */
const HALVINGS = 18;

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

export interface Forecast {
  readonly kind: 'forecast';
  /** That it sells out before its end, 0 to 1. */
  readonly chance: number;
  /** Epoch milliseconds at which a tenth, half, and nine tenths of the chance are reached; null: not before its end. */
  readonly earliest: number | null;
  readonly median: number | null;
  readonly latest: number | null;
  /** Net sales that are expected in a day. */
  readonly perDay: number;
}

export type Prospect = Forecast | { readonly kind: 'too_little_history' };

/** In the order of the subjects. `now`: in the last hour of the window. Tickets that sold out teach, and have no prospect. */
export function forecastsOf(
  subjects: readonly Subject[],
  window: Window,
  now: number,
): readonly (Prospect | null)[] {
  const curve = dayCurveOf(
    subjects.map(({ history }) => history),
    window.start,
  );
  const view: View = { window, now, curve };
  const blocks = subjects.map((subject) => blocksOf(subject, view));
  const trend = trendOf(blocks);
  const seen = subjects.map((subject, i) => evidenceOf(subject, blocks[i] ?? NO_BLOCKS, trend.growth, view));
  const pool = new Pool(subjects, seen, trend);
  return subjects.map((subject, i) => {
    const own = seen[i];
    return own && subject.available > 0 ? prospectOf(subject, own, pool, view) : null;
  });
}

interface View {
  readonly window: Window;
  readonly now: number;
  readonly curve: DayCurve;
}

/** A span in which a ticket could be bought, epoch milliseconds. */
interface Span {
  readonly start: number;
  readonly stop: number;
}

/** What a ticket sold by day and week, newest first, and when it could be bought. */
interface Blocks {
  readonly spans: readonly Span[];
  readonly netOfDay: readonly number[];
  /** Whole days in which it could be bought, by how many days ago. */
  readonly isOnSale: readonly boolean[];
  /** Pairs of neighbours, the newer of a pair first. */
  readonly weeks: readonly (readonly [number, number])[];
}
const NO_BLOCKS: Blocks = { spans: [], netOfDay: [], isOnSale: [], weeks: [] };

function blocksOf(subject: Subject, { window, now }: View): Blocks {
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
    // Days that were not whole are not compared with others.
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
  return { spans, netOfDay, isOnSale, weeks: weeksOf(netOfDay, isOnSale) };
}

const ROUNDING = 1e-9;
const daysAgo = (now: number, time: number): number => (now - time) / (DAY_HOURS * HOUR_MS);

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

/** What all tickets have in common. */
interface Trend {
  /** By how much more counts vary than Poisson ones, 1 or above. */
  readonly dispersion: number;
  /** Of the rate, a day, as an exponent. */
  readonly growth: number;
}

function trendOf(blocks: readonly Blocks[]): Trend {
  const daily = blocks.map(dailyOf);
  const of = daily.reduce((sum, one) => sum + one.of, DISPERSION_TICKETS * DISPERSION_USUAL);
  const to = daily.reduce((sum, one) => sum + one.to, DISPERSION_TICKETS);
  const dispersion = Math.max(1, of / to);
  let [newer, older] = [0, 0];
  for (const { weeks } of blocks) {
    weeks.forEach(([one, before], ago) => {
      newer += WEEK_WEIGHT ** ago * Math.max(0, one);
      older += WEEK_WEIGHT ** ago * Math.max(0, before);
    });
  }
  if (newer === 0 || older === 0) return { dispersion, growth: 0 };
  const seen = Math.log(newer / older) / WEEK_DAYS;
  const chance = (dispersion * (1 / newer + 1 / older)) / WEEK_DAYS ** 2;
  const growth = (seen * GROWTH_USUAL ** 2) / (GROWTH_USUAL ** 2 + chance);
  return { dispersion, growth: Math.min(GROWTH_MAX, Math.max(-GROWTH_MAX, growth)) };
}

/** What is known of one ticket. Days are those of the curve. */
interface Evidence {
  /** Net sales and the days in which they could be made, both discounted by age. */
  readonly sales: number;
  readonly days: number;
  /** Not discounted. */
  readonly sold: number;
  /** Squared differences of neighbouring days, halved, and what they were in the mean: how much more than Poisson. */
  readonly daily: Ratio;
  /** Neighbouring weeks: how much more they differ than their counts tell. */
  readonly weeks: readonly (readonly [number, number])[];
}

interface Ratio {
  readonly of: number;
  readonly to: number;
}

function evidenceOf(subject: Subject, blocks: Blocks, growth: number, view: View): Evidence {
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
  return { sales: Math.max(0, sales), days, sold, daily: dailyOf(blocks), weeks: blocks.weeks };
}

/** Neighbours only: a rate that wanders slowly is no dispersion. */
function dailyOf({ netOfDay, isOnSale }: Blocks): Ratio {
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

/** A gamma distribution of a rate. */
interface Gamma {
  readonly shape: number;
  readonly mean: number;
}

/** What all tickets together say of each. */
class Pool {
  readonly trend: Trend;
  /** Relative variance of a rate after a day. */
  readonly drift: number;
  readonly #byKind = new Map<string, Evidence[]>();

  constructor(subjects: readonly Subject[], seen: readonly Evidence[], trend: Trend) {
    this.trend = trend;
    this.drift = driftOf(seen, trend);
    subjects.forEach(({ kinds }, i) => {
      const own = seen[i];
      if (!own) return;
      for (const kind of kinds) {
        const alike = this.#byKind.get(kind) ?? [];
        this.#byKind.set(kind, alike);
        alike.push(own);
      }
    });
  }

  /** Of a ticket of its own, as far as that can be told. */
  dispersionOf({ daily }: Evidence): number {
    return Math.max(1, (daily.of + DISPERSION_TICKETS * this.trend.dispersion) / (daily.to + DISPERSION_TICKETS));
  }

  /** What the rate of a ticket is thought to be by those that are similar, and how many they sold. */
  priorOf({ kinds }: Subject, own: Evidence): Gamma & { readonly sold: number } {
    let found: readonly Evidence[] = [];
    for (const kind of kinds) {
      found = (this.#byKind.get(kind) ?? []).filter((one) => one !== own && one.days > 0);
      const sold = found.reduce((sum, one) => sum + one.sold, 0);
      if (found.length >= SIMILAR_MIN && sold >= SALES_MIN) break;
    }
    return { ...momentsOf(found, this.trend.dispersion), sold: found.reduce((sum, one) => sum + one.sold, 0) };
  }
}

function momentsOf(alike: readonly Evidence[], dispersion: number): Gamma {
  const days = alike.reduce((sum, one) => sum + one.days, 0);
  const sales = alike.reduce((sum, one) => sum + one.sales, 0);
  if (days === 0 || sales === 0) return { shape: SHAPE_MIN, mean: 0 };
  const mean = sales / days;
  // How much they differ beyond what chance makes of equal ones.
  const spread = alike.reduce((sum, one) => sum + one.days * (one.sales / one.days - mean) ** 2, 0) / days;
  const chance = (alike.length * dispersion * mean) / days;
  const shape = mean ** 2 / Math.max(spread - chance, mean ** 2 / SHAPE_MAX);
  return { shape: Math.min(SHAPE_MAX, Math.max(SHAPE_MIN, shape)), mean };
}

/** Weeks that are neighbours: the averages of a random walk over them differ by two thirds of a week of drift. */
function driftOf(seen: readonly Evidence[], { dispersion, growth }: Trend): number {
  const perWeek = (2 / 3) * WEEK_DAYS;
  // Each ticket counts alike, those that sell fast no more than others: what is small in them is mostly chance.
  let of = DRIFT_TICKETS * DRIFT_USUAL * perWeek;
  let to = DRIFT_TICKETS;
  const grown = Math.exp(growth * WEEK_DAYS);
  for (const { weeks } of seen) {
    for (const [newer, before] of weeks) {
      const older = before * grown;
      const mean = (newer + older) / 2;
      if (mean <= 0) continue;
      const chance = (2 * dispersion) / mean;
      // The surer it can be told from chance, the more it counts.
      const weight = 1 / (1 + chance) ** 2;
      of += weight * (((newer - older) / mean) ** 2 - chance);
      to += weight;
    }
  }
  return Math.min(DRIFT_MAX, Math.max(DRIFT_MIN, of / to / perWeek));
}

function prospectOf(subject: Subject, own: Evidence, pool: Pool, view: View): Prospect {
  const { available, endsAt, since } = subject;
  const { now, curve, window } = view;
  const prior = pool.priorOf(subject, own);
  const isSeen = daysAgo(now, Math.max(window.start, since)) >= OBSERVED_DAYS_MIN;
  if (!isSeen || own.sold + prior.sold < SALES_MIN) return { kind: 'too_little_history' };
  const dispersion = pool.dispersionOf(own);
  const rate = posteriorOf(prior, own, dispersion);
  const from = curve.at(now);
  const end = curve.at(endsAt) - from;
  const { growth } = pool.trend;
  const chanceAfter = (days: number): number =>
    soldBy(days, { count: available, rate, dispersion, drift: pool.drift, growth });
  const chance = chanceAfter(end);
  const timeOf = (wanted: number): number | null => {
    if (chance < wanted) return null;
    const days = firstAt(wanted, end, chanceAfter);
    return Math.min(endsAt, Math.max(now, Math.round(curve.timeOf(from + days))));
  };
  return {
    kind: 'forecast',
    chance,
    earliest: timeOf(TAIL),
    median: timeOf(0.5),
    latest: timeOf(1 - TAIL),
    perDay: rate.mean,
  };
}

function posteriorOf(prior: Gamma, { sales, days }: Evidence, dispersion: number): Gamma {
  // Nothing similar was sold: its own sales are all there is to go by.
  const priorDays = prior.mean > 0 ? prior.shape / prior.mean : 0;
  const shape = prior.shape + sales / dispersion;
  const span = priorDays + days / dispersion;
  return { shape, mean: span > 0 ? shape / span : 0 };
}

interface Outlook {
  /** Tickets to be sold. */
  readonly count: number;
  readonly rate: Gamma;
  readonly dispersion: number;
  readonly drift: number;
  readonly growth: number;
}

/** The chance that so many are sold within so many days. */
function soldBy(days: number, { count, rate, dispersion, drift, growth }: Outlook): number {
  if (days <= 0 || rate.mean <= 0) return 0;
  const shape = 1 / (1 / rate.shape + (drift * Math.min(days, DRIFT_DAYS_MAX)) / 3);
  const odds = (rate.mean * grownDays(days, growth)) / (dispersion * shape);
  return incompleteBeta(odds / (1 + odds), count / dispersion, shape);
}

/**
 * Days of the rate of now that sell as much as so many days of one that grows, ever less: the integral of
 * exp(growth * lasts * (1 - exp(-t / lasts))), by Simpson's rule, which is exact enough for so smooth a curve.
 */
function grownDays(days: number, growth: number): number {
  // From here on it hardly grows any more.
  const bent = Math.min(days, 4 * GROWTH_LASTS_DAYS);
  const factor = (at: number): number =>
    Math.exp(growth * GROWTH_LASTS_DAYS * (1 - Math.exp(-at / GROWTH_LASTS_DAYS)));
  const [a, b, c, d] = [bent / 4, bent / 2, (3 * bent) / 4, bent].map(factor) as [number, number, number, number];
  return (bent / 12) * (1 + 4 * a + 2 * b + 4 * c + d) + (days - bent) * d;
}

/** The first time at which the chance is `wanted`; it is at least that at `end`. */
function firstAt(wanted: number, end: number, chanceAfter: (days: number) => number): number {
  let [low, high] = [0, end];
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (low + high) / 2;
    if (chanceAfter(middle) >= wanted) high = middle;
    else low = middle;
  }
  return high;
}
