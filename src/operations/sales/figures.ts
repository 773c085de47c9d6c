/**
 * From counts by the hour to the figures somebody asked for. Pure. Guarantees: every row in the range is in exactly
 * one series, in one point of it and in the totals; points have no gaps, so that all series have the same times.
 */
import type { MonthSales } from './book.js';
import { HOUR_MS, REST, ROW, type Group } from './month.js';

export const BUCKETS = ['hour', 'day'] as const;
export type Bucket = (typeof BUCKETS)[number];
export const BUCKET_MS: Readonly<Record<Bucket, number>> = { hour: HOUR_MS, day: 24 * HOUR_MS };

export const GROUPINGS = ['none', 'match', 'category', 'country', 'marketplace'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Series of one answer, the one of all others not counted. */
export const SERIES_MAX = 50;
/** Key of the only series of an answer that is not grouped. */
export const ALL = 'all';
export const UNKNOWN_COUNTRY = 'ZZ';

export interface FiguresRequest {
  /** Epoch milliseconds, whole buckets; `to` is not included. */
  readonly from: number;
  readonly to: number;
  readonly bucket: Bucket;
  readonly by: Grouping;
  /** Our own name among the marketplaces. */
  readonly clientId: string;
  /** Amounts in another one are left out. ISO 4217, upper case. */
  readonly currency: string;
}

/** Tickets, and money in minor units. */
export interface Figures {
  readonly sold: number;
  readonly refunded: number;
  readonly revenueMinor: number;
  readonly refundedMinor: number;
  /** Tickets at other marketplaces; absent by country, which is not known of them, and in a marketplace's own series. */
  readonly soldElsewhere?: number;
  readonly refundedElsewhere?: number;
  /** Of a marketplace: what it sold at our prices. */
  readonly valueMinor?: number;
}

export interface Series {
  readonly key: string;
  /** It is ours, among the marketplaces. */
  readonly isOwn?: true;
  readonly points: readonly (Figures & { readonly at: number })[];
  readonly totals: Figures;
}

export interface FiguresAnswer {
  /** The largest first; the rest of them last, as `other`. */
  readonly series: readonly Series[];
  /** The same for whatever grouping. */
  readonly totals: Figures;
  /** Some amounts are in other currencies, and not in here. */
  readonly otherCurrencies: readonly string[];
}

/** Sums: ours, then those of others. */
const SUM = {
  sold: 0,
  refunded: 1,
  soldMinor: 2,
  refundedMinor: 3,
  soldElsewhere: 4,
  refundedElsewhere: 5,
  valueMinor: 6,
  width: 7,
} as const;

export function figuresOf(months: readonly MonthSales[], request: FiguresRequest): FiguresAnswer {
  const { keys, placed } = placesOf(months, request);
  const sizes = new Float64Array(keys.length * SUM.width);
  const used = new Set<Place>();
  eachRow(placed, request, (place, _bucket, rows, row) => {
    used.add(place);
    add(sizes, place.series * SUM.width, place, rows, row);
  });
  const inRange = new Set([...used].map(({ series }) => series));
  const ranked = ranking(keys, sizes, inRange, request);
  const hasRest = ranked.length < inRange.size;
  const buckets = (request.to - request.from) / BUCKET_MS[request.bucket];
  const shown = hasRest ? [...ranked, REST] : ranked;
  // By number of the series: where its points begin.
  const starts = keys.map((key) => {
    const index = ranked.indexOf(key);
    return (index < 0 ? ranked.length : index) * buckets * SUM.width;
  });
  const points = new Float64Array(shown.length * buckets * SUM.width);
  eachRow(placed, request, (place, bucket, rows, row) => {
    add(points, (starts[place.series] ?? 0) + bucket * SUM.width, place, rows, row);
  });
  const length = buckets * SUM.width;
  const others = [...used].map(({ currency }) => currency).filter((one) => one !== request.currency);
  return {
    series: shown.map((key, index) =>
      seriesOf(key, points.subarray(index * length, (index + 1) * length), request),
    ),
    totals: figuresAt(summed(sizes), 0, request.by === 'marketplace' ? 'none' : request.by),
    otherCurrencies: [...new Set(others)].sort(),
  };
}

/** Where the rows of a group are counted. */
interface Place {
  /** Number of the series, or NOWHERE. */
  readonly series: number;
  readonly isPeer: boolean;
  readonly isMoneyCounted: boolean;
  readonly currency: string;
}

const NOWHERE = -1;

interface PlacedMonth {
  readonly month: MonthSales;
  /** By index of the group. */
  readonly places: readonly Place[];
}

/** The keys of all series, by number, and which rows belong to which: found out once, and not for every row. */
function placesOf(
  months: readonly MonthSales[],
  request: FiguresRequest,
): { readonly keys: readonly string[]; readonly placed: readonly PlacedMonth[] } {
  // Without anything sold there is a series all the same.
  const numbers = new Map<string, number>(request.by === 'none' ? [[ALL, 0]] : []);
  const numberOf = (key: string): number => {
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  };
  const placed = months.map((month) => ({
    month,
    places: month.groups.map((group): Place => {
      const key = keyOf(month.ticket, group, request);
      return {
        series: key === null ? NOWHERE : numberOf(key),
        isPeer: group.peer !== undefined,
        isMoneyCounted: group.currency === request.currency,
        currency: group.currency,
      };
    }),
  }));
  return { keys: [...numbers.keys()], placed };
}

type Visit = (place: Place, bucket: number, rows: Float64Array, row: number) => void;

/** Visits every row that is in the range and in a series. */
function eachRow(placed: readonly PlacedMonth[], { from, to, bucket }: FiguresRequest, visit: Visit): void {
  const bucketHours = BUCKET_MS[bucket] / HOUR_MS;
  const hours = (to - from) / HOUR_MS;
  for (const { month, places } of placed) {
    const { start, rows } = month;
    const shift = (start - from) / HOUR_MS;
    for (let row = 0; row < rows.length; row += ROW.width) {
      const hour = (rows[row + ROW.hour] ?? 0) + shift;
      if (hour < 0 || hour >= hours) continue;
      const place = places[rows[row + ROW.group] ?? 0];
      if (place && place.series !== NOWHERE) visit(place, Math.floor(hour / bucketHours), rows, row);
    }
  }
}

/** Null for what is in no series. */
function keyOf(
  { matchNumber, category }: MonthSales['ticket'],
  { peer, country }: Group,
  { by, clientId }: FiguresRequest,
): string | null {
  switch (by) {
    case 'none':
      return ALL;
    case 'match':
      return String(matchNumber);
    case 'category':
      return String(category);
    case 'country':
      return peer === undefined ? (country ?? UNKNOWN_COUNTRY) : null;
    case 'marketplace':
      return peer ?? clientId;
  }
}

function add(to: Float64Array, at: number, place: Place, rows: Float64Array, row: number): void {
  const tickets = at + (place.isPeer ? SUM.soldElsewhere : SUM.sold);
  to[tickets] = (to[tickets] ?? 0) + (rows[row + ROW.sold] ?? 0);
  to[tickets + 1] = (to[tickets + 1] ?? 0) + (rows[row + ROW.refunded] ?? 0);
  if (!place.isMoneyCounted) return;
  const money = at + (place.isPeer ? SUM.valueMinor : SUM.soldMinor);
  to[money] = (to[money] ?? 0) + (rows[row + ROW.soldMinor] ?? 0);
  if (place.isPeer) return;
  to[money + 1] = (to[money + 1] ?? 0) + (rows[row + ROW.refundedMinor] ?? 0);
}

/** Of many sums one. */
function summed(sums: Float64Array): Float64Array {
  const all = new Float64Array(SUM.width);
  for (let at = 0; at < sums.length; at += 1) {
    const column = at % SUM.width;
    all[column] = (all[column] ?? 0) + (sums[at] ?? 0);
  }
  return all;
}

/** Keys of the series that have a place of their own, in order. Ours always has one among the marketplaces. */
function ranking(
  keys: readonly string[],
  sizes: Float64Array,
  inRange: ReadonlySet<number>,
  { by, clientId }: FiguresRequest,
): string[] {
  if (by === 'none') return [ALL];
  const size = (series: number, column: number): number => sizes[series * SUM.width + column] ?? 0;
  const tickets = (series: number): number => size(series, SUM.sold) + size(series, SUM.soldElsewhere);
  const ranked = [...inRange]
    .filter((series) => keys[series] !== REST)
    .sort(
      (a, b) =>
        tickets(b) - tickets(a) ||
        size(b, SUM.soldMinor) - size(a, SUM.soldMinor) ||
        size(b, SUM.refunded) - size(a, SUM.refunded) ||
        ((keys[a] ?? '') < (keys[b] ?? '') ? -1 : 1),
    )
    .map((series) => keys[series] ?? '');
  const kept = ranked.slice(0, SERIES_MAX);
  const isOwnLeft = by === 'marketplace' && ranked.slice(SERIES_MAX).includes(clientId);
  return isOwnLeft ? [...kept.slice(0, -1), clientId] : kept;
}

function seriesOf(key: string, points: Float64Array, request: FiguresRequest): Series {
  const { by, from, bucket, clientId } = request;
  const shape = by === 'marketplace' && key === clientId ? 'own' : by;
  const list: (Figures & { readonly at: number })[] = [];
  for (let at = 0; at < points.length; at += SUM.width) {
    list.push({ at: from + (at / SUM.width) * BUCKET_MS[bucket], ...figuresAt(points, at, shape) });
  }
  return {
    key,
    ...(shape === 'own' && { isOwn: true }),
    points: list,
    totals: figuresAt(summed(points), 0, shape),
  };
}

/** `own`: our series among the marketplaces. */
function figuresAt(sums: Float64Array, at: number, shape: Grouping | 'own'): Figures {
  const of = (column: number): number => sums[at + column] ?? 0;
  const revenueMinor = of(SUM.soldMinor);
  const ours = {
    sold: of(SUM.sold),
    refunded: of(SUM.refunded),
    revenueMinor,
    refundedMinor: of(SUM.refundedMinor),
  };
  const [soldElsewhere, refundedElsewhere] = [of(SUM.soldElsewhere), of(SUM.refundedElsewhere)];
  switch (shape) {
    case 'country':
      return ours;
    case 'own':
      return { ...ours, valueMinor: revenueMinor };
    case 'marketplace':
      return {
        ...ours,
        sold: soldElsewhere,
        refunded: refundedElsewhere,
        valueMinor: of(SUM.valueMinor),
      };
    default:
      return { ...ours, soldElsewhere, refundedElsewhere };
  }
}
