/** What the picture and the tables of sales show, from what the API answers. Pure. */
import type { Measure } from './range';
import type { Bucket, Sales, SalesFigures, SalesSeries } from './types';

const STEP_MS: Readonly<Record<Bucket, number>> = { hour: 3_600_000, day: 86_400_000 };
/** More than any range has. */
const BUCKETS_MAX = 3_000;
/** Lines that can be told apart in one picture; the rest is one more. */
export const LINES_MAX = 5;
export const REST = 'other';

/** Of a split by marketplace, what others took is counted by its worth. */
export function amountOf(figures: SalesFigures, measure: Measure): number {
  if (measure === 'sold') return figures.sold;
  return figures.revenueMinor === 0 ? (figures.valueMinor ?? 0) : figures.revenueMinor;
}

/** Beginnings of all buckets, milliseconds since 1970; those in which nothing was sold too. */
export function bucketsOf({ from, to, bucket, series }: Sales): readonly number[] {
  const step = STEP_MS[bucket];
  const found = new Set(series.flatMap(({ points }) => points.map(({ at }) => Date.parse(at))));
  const end = Date.parse(to);
  const first = Math.floor(Date.parse(from) / step) * step;
  for (let at = first; at < end && found.size < BUCKETS_MAX; at += step) found.add(at);
  return [...found].sort((a, b) => a - b);
}

export interface Line {
  readonly key: string;
  /** How many series it stands for: more than one for the rest. */
  readonly of: number;
  readonly label?: string;
  readonly isOwn?: true;
  readonly total: number;
  /** One for each bucket. */
  readonly values: readonly number[];
}

/** The largest series, largest first, and the rest as one. */
export function linesOf(sales: Sales, measure: Measure): readonly Line[] {
  const buckets = bucketsOf(sales);
  const bySize = [...sales.series].sort(
    (a, b) =>
      Number(a.key === REST) - Number(b.key === REST) ||
      amountOf(b.totals, measure) - amountOf(a.totals, measure),
  );
  const isAll = bySize.length <= LINES_MAX + 1;
  const single = isAll ? bySize : bySize.slice(0, LINES_MAX);
  const rest = isAll ? [] : bySize.slice(LINES_MAX);
  const lines = single.map((series) => lineOf(series, buckets, measure));
  return rest.length === 0 ? lines : [...lines, sumOf(rest.map((one) => lineOf(one, buckets, measure)))];
}

function lineOf(
  { key, label, isOwn, points, totals }: SalesSeries,
  buckets: readonly number[],
  measure: Measure,
): Line {
  const amounts = new Map(points.map((point) => [Date.parse(point.at), amountOf(point, measure)]));
  return {
    key,
    of: 1,
    ...(label !== undefined && { label }),
    ...(isOwn !== undefined && { isOwn }),
    total: amountOf(totals, measure),
    values: buckets.map((at) => amounts.get(at) ?? 0),
  };
}

function sumOf(lines: readonly Line[]): Line {
  const values = (lines[0]?.values ?? []).map((_, i) =>
    lines.reduce((sum, line) => sum + (line.values[i] ?? 0), 0),
  );
  return { key: REST, of: lines.length, total: lines.reduce((sum, { total }) => sum + total, 0), values };
}

export interface BucketRow extends SalesFigures {
  readonly at: number;
}

/** All series together, bucket by bucket. */
export function rowsOf(sales: Sales): readonly BucketRow[] {
  const points = sales.series.flatMap((one) => one.points);
  const byTime = new Map<number, SalesFigures[]>();
  for (const point of points) {
    const at = Date.parse(point.at);
    byTime.set(at, [...(byTime.get(at) ?? []), point]);
  }
  return bucketsOf(sales).map((at) => ({ at, ...sumOfFigures(byTime.get(at) ?? []) }));
}

export function sumOfFigures(all: readonly SalesFigures[]): SalesFigures {
  const sum = (of: (figures: SalesFigures) => number | undefined): number =>
    all.reduce((total, figures) => total + (of(figures) ?? 0), 0);
  return {
    sold: sum(({ sold }) => sold),
    refunded: sum(({ refunded }) => refunded),
    revenueMinor: sum(({ revenueMinor }) => revenueMinor),
    refundedMinor: sum(({ refundedMinor }) => refundedMinor),
    soldElsewhere: sum(({ soldElsewhere }) => soldElsewhere),
    valueMinor: sum(({ valueMinor }) => valueMinor),
  };
}

export interface Finding {
  readonly total: number;
  /** The bucket with most; null when nothing was sold. */
  readonly peak: { readonly at: number; readonly value: number } | null;
  /** The second half of the time against the first: 0.25 is a quarter more. Null where that says nothing. */
  readonly change: number | null;
  /** The largest line and its part of the whole. Null where there are not several. */
  readonly leader: { readonly line: Line; readonly part: number } | null;
}

/** What the picture says, for a sentence. */
export function findingOf(sales: Sales, measure: Measure): Finding {
  const lines = linesOf(sales, measure);
  const buckets = bucketsOf(sales);
  const values = buckets.map((_, i) => lines.reduce((sum, line) => sum + (line.values[i] ?? 0), 0));
  const sum = (some: readonly number[]): number => some.reduce((all, value) => all + value, 0);
  const total = sum(values);
  const most = values.reduce((best, value, i) => (value > (values[best] ?? 0) ? i : best), 0);
  const half = Math.floor(values.length / 2);
  const [before, after] = [sum(values.slice(0, half)), sum(values.slice(values.length - half))];
  const named = lines.filter(({ key }) => key !== REST);
  const [line] = [...named].sort((a, b) => b.total - a.total);
  return {
    total,
    peak: total === 0 ? null : { at: buckets[most] ?? 0, value: values[most] ?? 0 },
    change: half < 3 || before === 0 ? null : after / before - 1,
    leader: line && named.length > 1 && total > 0 ? { line, part: line.total / total } : null,
  };
}
