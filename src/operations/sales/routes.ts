/**
 * Sales and revenue over time, for operators: as JSON for pictures and tables, as CSV for spreadsheets. Guarantees: a
 * range has a limit, and so has the number of series; it says how far what it tells is.
 */
import { z } from 'zod';
import type { Clock } from '../../actors/ports.js';
import type { Match } from '../../catalog/match.js';
import { defineRoute, type Answer, type Route } from '../../http/api.js';
import { bounded } from '../../http/bounded.js';
import { Problem, validationFailed } from '../../http/problem.js';
import { majorOf } from '../../payments/settlement.js';
import type { Principal } from '../../users/principal.js';
import { CSV_TYPE, csvOf, type Cell } from '../csv.js';
import type { SalesBook } from './book.js';
import {
  ALL,
  BUCKETS,
  BUCKET_MS,
  GROUPINGS,
  SERIES_MAX,
  figuresOf,
  type Bucket,
  type Figures,
  type FiguresAnswer,
  type Grouping,
} from './figures.js';
import type { SalesProjection } from './projection.js';

export interface SalesFigureRoutesOptions {
  readonly book: Pick<SalesBook, 'read'>;
  readonly projection: Pick<SalesProjection, 'standing'>;
  readonly matches: () => Promise<readonly Match[]>;
  readonly clock: Clock;
  readonly waitMs: number;
  /** Our own name among the marketplaces. */
  readonly clientId: string;
  /** ISO 4217, upper case. */
  readonly currency: string;
  readonly requireOperator: (principal: Principal | null) => Problem | null;
}

const DAY_MS = BUCKET_MS.day;
/** Longest range, days. */
export const DAYS_MAX: Readonly<Record<Bucket, number>> = { hour: 14, day: 3 * 366 };
/** What is shown when no range is asked for, days. */
const DAYS_DEFAULT: Readonly<Record<Bucket, number>> = { hour: 14, day: 30 };

const FOR_OPERATORS = ['unauthorized', 'forbidden', 'second_factor_required', 'overloaded'] as const;

const moment = z.union([z.iso.date(), z.iso.datetime({ offset: true })], {
  error: 'a date (2022-11-20) or a time (2022-11-20T16:00:00Z)',
});

const query = z.object({
  from: moment.optional().meta({ description: 'Default: 30 days (by the hour: 14 days) before `to`. UTC.' }),
  to: moment
    .optional()
    .meta({ description: 'A date includes that day; a time is not included. Default: now.' }),
  bucket: z.enum(BUCKETS).default('day'),
  by: z.enum(GROUPINGS).default('none'),
  format: z.enum(['json', 'csv']).default('json'),
});
type Query = z.output<typeof query>;

const count = z.number().int();
const figures = {
  sold: count.meta({ description: 'Tickets sold here; in the series of a marketplace: there.' }),
  refunded: count,
  revenueMinor: count.meta({ description: 'Ours, minor units of the currency.' }),
  refundedMinor: count,
  soldElsewhere: count.optional().meta({
    description:
      'Tickets at other marketplaces. Absent by country, which is not known of them, and by marketplace.',
  }),
  refundedElsewhere: count.optional(),
  valueMinor: count.optional().meta({ description: 'By marketplace: tickets sold, at our prices.' }),
};

const answerSchema = z
  .object({
    from: z.iso.datetime(),
    to: z.iso.datetime().meta({ description: 'Not included.' }),
    bucket: z.enum(BUCKETS),
    by: z.enum(GROUPINGS),
    currency: z.string(),
    asOf: z.iso.datetime().meta({ description: 'Everything until then is counted.' }),
    isComplete: z.boolean().meta({ description: 'False while there is more than that to be counted.' }),
    otherCurrencies: z
      .array(z.string())
      .optional()
      .meta({ description: 'Sales in these are counted as tickets only.' }),
    series: z.array(
      z.object({
        key: z.string().meta({
          description: `A match number, a category, a country (\`ZZ\`: not known), the clientId of a marketplace, or \`${ALL}\`.`,
        }),
        label: z.string().optional(),
        isOwn: z.literal(true).optional().meta({ description: 'This marketplace.' }),
        points: z.array(z.object({ at: z.iso.datetime(), ...figures })),
        totals: z.object(figures),
      }),
    ),
    totals: z.object(figures),
  })
  .meta({ id: 'Sales' });

interface Range {
  readonly from: number;
  readonly to: number;
}

export function salesFigureRoutes(options: SalesFigureRoutesOptions): Route[] {
  return [
    defineRoute({
      method: 'get',
      path: '/api/v1/operations/sales',
      tag: 'operations',
      summary: 'Sales and revenue over time',
      description:
        `In whole hours or days, UTC. At most ${SERIES_MAX} series, the largest first, and the rest as \`other\`; every ` +
        `point is there, also where nothing was sold. By the hour at most ${DAYS_MAX.hour} days, by the day 3 years. As ` +
        'CSV: one line per series and point, amounts in whole units of the currency.',
      routeClass: 'admin',
      security: ['accessToken'],
      query,
      responses: {
        200: { description: 'As far as they are counted', schema: answerSchema, alsoAs: ['text/csv'] },
      },
      problems: FOR_OPERATORS,
      authorize: ({ principal }) => options.requireOperator(principal),
      handle: async ({ query: asked }) => {
        const range = rangeOf(asked, options.clock.now());
        return range instanceof Problem ? range : answer(options, asked, range);
      },
    }),
  ];
}

async function answer(options: SalesFigureRoutesOptions, asked: Query, range: Range): Promise<Answer> {
  const { book, projection, clock, waitMs, clientId, currency } = options;
  const { bucket, by } = asked;
  // Before the reading: what is counted meanwhile may be in it or not.
  const { asOf, isComplete } = projection.standing();
  const months = await bounded(clock, waitMs, 'archive', book.read(range.from, range.to));
  const found = figuresOf(months, { ...range, bucket, by, clientId, currency });
  const labels = by === 'match' ? await matchNames(options) : new Map<string, string>();
  if (asked.format === 'csv') return csvAnswer(found, { asked, range, currency, labels });
  const { series, totals, otherCurrencies } = found;
  const body: z.output<typeof answerSchema> = {
    from: iso(range.from),
    to: iso(range.to),
    bucket,
    by,
    currency,
    asOf: iso(asOf ?? range.from),
    isComplete,
    ...(otherCurrencies.length > 0 && { otherCurrencies: [...otherCurrencies] }),
    series: series.map(({ points, ...one }) => ({
      ...one,
      ...labelOf(labels, one.key),
      points: points.map((point) => ({ ...point, at: iso(point.at) })),
    })),
    totals,
  };
  return { status: 200, body };
}

const iso = (at: number): string => new Date(at).toISOString();

function labelOf(labels: ReadonlyMap<string, string>, key: string): { readonly label?: string } {
  const label = labels.get(key);
  return label === undefined ? {} : { label };
}

async function matchNames({
  matches,
  clock,
  waitMs,
}: SalesFigureRoutesOptions): Promise<Map<string, string>> {
  const all = await bounded(clock, waitMs, 'catalog', matches());
  return new Map(
    all.map(({ matchNumber, homeTeam, awayTeam }) => [String(matchNumber), `${homeTeam} – ${awayTeam}`]),
  );
}

/** The whole hours or days that somebody asked for. */
function rangeOf({ from, to, bucket }: Query, now: number): Range | Problem {
  const size = BUCKET_MS[bucket];
  const end = to === undefined ? now : isDate(to) ? Date.parse(to) + DAY_MS : Date.parse(to);
  const last = Math.ceil(end / size) * size;
  const first =
    from === undefined ? last - DAYS_DEFAULT[bucket] * DAY_MS : Math.floor(Date.parse(from) / size) * size;
  if (first >= last) return validationFailed([{ path: 'from', message: 'must be before `to`' }]);
  const days = DAYS_MAX[bucket];
  if (last - first > days * DAY_MS) {
    const message = `with bucket=${bucket} at most ${days} days are shown at once`;
    return validationFailed([{ path: 'from', message }]);
  }
  return { from: first, to: last };
}

const isDate = (text: string): boolean => !text.includes('T');

interface Table {
  readonly asked: Query;
  readonly range: Range;
  readonly currency: string;
  readonly labels: ReadonlyMap<string, string>;
}

function csvAnswer({ series }: FiguresAnswer, { asked: { by }, range, currency, labels }: Table): Answer {
  const columns = columnsOf(by, currency);
  const header = ['at', by === 'none' ? 'series' : by, 'label', 'currency', ...columns.map(([name]) => name)];
  function* lines(): Iterable<readonly Cell[]> {
    for (const { key, points } of series) {
      for (const point of points) {
        const numbers = columns.map(([, of]) => of(point));
        yield [iso(point.at), key, labels.get(key), currency, ...numbers];
      }
    }
  }
  const [first, last] = [iso(range.from).slice(0, 10), iso(range.to - 1).slice(0, 10)];
  const name = `ticktak-sales-${by}-${first}-${last}.csv`;
  return {
    status: 200,
    text: { type: CSV_TYPE, content: csvOf(header, lines()) },
    headers: { 'Content-Disposition': `attachment; filename="${name}"` },
  };
}

/** Names as people read them, since most of them open it in a spreadsheet. */
function columnsOf(by: Grouping, currency: string): [string, (figures: Figures) => number | undefined][] {
  const money =
    (pick: (figures: Figures) => number | undefined) =>
    (figures: Figures): number | undefined => {
      const minor = pick(figures);
      return minor === undefined ? undefined : majorOf(minor, currency);
    };
  const columns: [string, (figures: Figures) => number | undefined][] = [
    ['sold', ({ sold }) => sold],
    ['refunded', ({ refunded }) => refunded],
    ['revenue', money(({ revenueMinor }) => revenueMinor)],
    ['refunds', money(({ refundedMinor }) => refundedMinor)],
  ];
  if (by === 'marketplace') return [...columns, ['value', money(({ valueMinor }) => valueMinor)]];
  if (by === 'country') return columns;
  return [
    ...columns,
    ['sold_elsewhere', ({ soldElsewhere }) => soldElsewhere],
    ['refunded_elsewhere', ({ refundedElsewhere }) => refundedElsewhere],
  ];
}
