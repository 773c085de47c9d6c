/**
 * How likely a ticket is to be sold out after some time, and when it is as likely as that. Pure.
 *
 * Given the average rate of the time to come, net sales are a Poisson count; the rate has a gamma distribution. So the
 * time until k more are sold is a scaled beta-prime variable, whose distribution is an incomplete beta function.
 */
import { incompleteBeta } from './beta.js';
import type { Gamma, Growth } from './market.js';

/** A rate that has wandered for so long is as far away as it gets. */
const DRIFT_DAYS_MAX = 28;
/** After so many days a growth is down to a part of 1/e. */
const GROWTH_LASTS_DAYS = 14;
/** Halvings of the time to the end in the search for a quantile: of 100 days they leave nine minutes. */
const HALVINGS = 14;

export interface Outlook {
  /** Tickets to be sold. */
  readonly count: number;
  readonly rate: Gamma;
  readonly dispersion: number;
  readonly drift: number;
  readonly growth: Growth;
}

/** The chance that so many are sold within so many days. */
export function soldBy(days: number, { count, rate, dispersion, drift, growth }: Outlook): number {
  if (days <= 0 || rate.mean <= 0) return 0;
  const wandered = (drift * Math.min(days, DRIFT_DAYS_MAX)) / 3;
  const shape = 1 / (1 / rate.shape + wandered + growth.variance * growingDays(days) ** 2);
  const odds = (rate.mean * grownDays(days, growth.mean)) / (dispersion * shape);
  return incompleteBeta(odds / (1 + odds), count / dispersion, shape);
}

/** What a growth is multiplied by in the exponent, in the mean over so many days: `lasts * (1 - exp(-t / lasts))`. */
function growingDays(days: number): number {
  const lasts = GROWTH_LASTS_DAYS;
  return lasts * (1 - (lasts / days) * -Math.expm1(-days / lasts));
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
  const [a, b, c, d] = [bent / 4, bent / 2, (3 * bent) / 4, bent].map(factor) as [
    number,
    number,
    number,
    number,
  ];
  return (bent / 12) * (1 + 4 * a + 2 * b + 4 * c + d) + (days - bent) * d;
}

/** The first time at which the chance is `wanted`; it is at least that at `end`. */
export function firstAt(wanted: number, end: number, chanceAfter: (days: number) => number): number {
  let [low, high] = [0, end];
  for (let halving = 0; halving < HALVINGS; halving += 1) {
    const middle = (low + high) / 2;
    if (chanceAfter(middle) >= wanted) high = middle;
    else low = middle;
  }
  return high;
}
