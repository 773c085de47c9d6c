/**
 * What all tickets together say of each: how much counts vary, where the market goes, how much rates wander, and what
 * the rate of a ticket is likely to be before it has sales of its own. Pure.
 */
import { WEEK_DAYS, type Blocks, type Evidence, type Subject } from './evidence.js';

/** Sales of the ticket and of similar ones below which nothing is forecast. */
export const SALES_MIN = 10;
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
/** Of the market, a day: the spread that is expected of it before any is seen, and its bounds. */
const GROWTH_USUAL = 0.04;
const GROWTH_MAX = 0.07;
/** Of two neighbouring pairs of weeks the older tells half as much of the growth. */
const WEEK_WEIGHT = 0.5;

/** A gamma distribution of a rate. */
export interface Gamma {
  readonly shape: number;
  readonly mean: number;
}

/** What all tickets have in common. */
export interface Trend {
  /** By how much more counts vary than Poisson ones, 1 or above. */
  readonly dispersion: number;
  readonly growth: Growth;
}

/** Of the rate, a day, as an exponent. */
export interface Growth {
  readonly mean: number;
  readonly variance: number;
}

export function trendOf(blocks: readonly Blocks[]): Trend {
  const of = blocks.reduce((sum, { daily }) => sum + daily.of, DISPERSION_TICKETS * DISPERSION_USUAL);
  const to = blocks.reduce((sum, { daily }) => sum + daily.to, DISPERSION_TICKETS);
  const dispersion = Math.max(1, of / to);
  let [newer, older] = [0, 0];
  for (const { weeks } of blocks) {
    weeks.forEach(([one, before], ago) => {
      newer += WEEK_WEIGHT ** ago * Math.max(0, one);
      older += WEEK_WEIGHT ** ago * Math.max(0, before);
    });
  }
  const usual = GROWTH_USUAL ** 2;
  if (newer === 0 || older === 0) return { dispersion, growth: { mean: 0, variance: usual } };
  const seen = Math.log(newer / older) / WEEK_DAYS;
  const chance = (dispersion * (1 / newer + 1 / older)) / WEEK_DAYS ** 2;
  const mean = Math.min(GROWTH_MAX, Math.max(-GROWTH_MAX, (seen * usual) / (usual + chance)));
  return { dispersion, growth: { mean, variance: (usual * chance) / (usual + chance) } };
}

/** What all tickets together say of each. */
export class Pool {
  readonly trend: Trend;
  /** Relative variance of a rate after a day. */
  readonly drift: number;
  readonly #byKind = new Map<string, Sums>();

  constructor(subjects: readonly Subject[], seen: readonly Evidence[], trend: Trend) {
    this.trend = trend;
    this.drift = driftOf(seen, trend);
    subjects.forEach(({ kinds }, i) => {
      const own = seen[i];
      if (!own || own.days <= 0) return;
      for (const kind of kinds) this.#byKind.set(kind, sumOf(this.#byKind.get(kind) ?? NO_SUMS, own, 1));
    });
  }

  /** Of a ticket of its own, as far as that can be told. */
  dispersionOf({ blocks: { daily } }: Evidence): number {
    const usual = DISPERSION_TICKETS * this.trend.dispersion;
    return Math.max(1, (daily.of + usual) / (daily.to + DISPERSION_TICKETS));
  }

  /** What the rate of a ticket is thought to be by those that are similar, and how many they sold. */
  priorOf({ kinds }: Subject, own: Evidence): Gamma & { readonly sold: number } {
    let others = NO_SUMS;
    for (const kind of kinds) {
      const all = this.#byKind.get(kind) ?? NO_SUMS;
      others = own.days > 0 ? sumOf(all, own, -1) : all;
      if (others.tickets >= SIMILAR_MIN && others.sold >= SALES_MIN) break;
    }
    return { ...momentsOf(others, this.trend.dispersion), sold: others.sold };
  }
}

/** Of similar tickets: enough to know their mean and their spread without looking at each again. */
interface Sums {
  readonly tickets: number;
  readonly sold: number;
  readonly sales: number;
  readonly days: number;
  /** Of sales * sales / days. */
  readonly squares: number;
}
const NO_SUMS: Sums = { tickets: 0, sold: 0, sales: 0, days: 0, squares: 0 };

function sumOf(sums: Sums, { sold, sales, days }: Evidence, sign: 1 | -1): Sums {
  return {
    tickets: sums.tickets + sign,
    sold: sums.sold + sign * sold,
    sales: sums.sales + sign * sales,
    days: sums.days + sign * days,
    squares: sums.squares + (sign * sales * sales) / days,
  };
}

function momentsOf({ tickets, sales, days, squares }: Sums, dispersion: number): Gamma {
  if (tickets === 0 || days <= 0 || sales <= 0) return { shape: SHAPE_MIN, mean: 0 };
  const mean = sales / days;
  // How much they differ beyond what chance makes of equal ones.
  const spread = squares / days - mean ** 2;
  const chance = (tickets * dispersion * mean) / days;
  const shape = mean ** 2 / Math.max(spread - chance, mean ** 2 / SHAPE_MAX);
  return { shape: Math.max(SHAPE_MIN, shape), mean };
}

/** Weeks that are neighbours: the averages of a random walk over them differ by two thirds of a week of drift. */
function driftOf(seen: readonly Evidence[], { dispersion, growth }: Trend): number {
  const perWeek = (2 / 3) * WEEK_DAYS;
  // Each ticket counts alike, those that sell fast no more than others: what is small in them is mostly chance.
  let of = DRIFT_TICKETS * DRIFT_USUAL * perWeek;
  let to = DRIFT_TICKETS;
  const grown = Math.exp(growth.mean * WEEK_DAYS);
  for (const { blocks } of seen) {
    for (const [newer, before] of blocks.weeks) {
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
