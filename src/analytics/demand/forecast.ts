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
import { dayCurveOf } from './day-curve.js';
import {
  NO_BLOCKS,
  blocksOf,
  daysAgo,
  evidenceOf,
  type Evidence,
  type Subject,
  type View,
} from './evidence.js';
import type { Window } from './history.js';
import { Pool, SALES_MIN, trendOf, type Gamma } from './market.js';
import { firstAt, soldBy } from './sell-out.js';

/** The chance that it is earlier than the interval, and that it is later. */
export const TAIL = 0.1;
/** A market that was seen for less time is not judged by it, days. */
export const OBSERVED_DAYS_MIN = 1;

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

/** Learns from all tickets, also from those that are sold out; then forecasts one by one. */
export class Forecaster {
  readonly #view: View;
  readonly #pool: Pool;
  readonly #seen: ReadonlyMap<Subject, Evidence>;

  /** `now`: in the last hour of the window. */
  constructor(subjects: readonly Subject[], window: Window, now: number) {
    const histories = subjects.map(({ history }) => history);
    const view: View = { window, now, curve: dayCurveOf(histories, window.start) };
    const blocks = subjects.map((subject) => blocksOf(subject, view));
    const trend = trendOf(blocks);
    const seen = subjects.map((subject, i) =>
      evidenceOf(subject, blocks[i] ?? NO_BLOCKS, trend.growth.mean, view),
    );
    this.#view = view;
    this.#seen = new Map(seen.map((one, i) => [subjects[i] as Subject, one]));
    this.#pool = new Pool(subjects, seen, trend);
  }

  /** Of one of the subjects, with tickets that are not sold. */
  prospect(subject: Subject): Prospect {
    const own = this.#seen.get(subject);
    if (!own) throw new Error('a forecast was asked for of a ticket that was not seen');
    return prospectOf(subject, own, this.#pool, this.#view);
  }
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
