/** Which sales are shown: in the address and nowhere else, so that a view can be shared and gone back to. */
import type { Question } from '../data';
import { BUCKETS, SPLITS, type Bucket, type Split } from './types';

export const RANGES = ['7', '30', '90', 'custom'] as const;
export type Range = (typeof RANGES)[number];
export const MEASURES = ['sold', 'revenue'] as const;
export type Measure = (typeof MEASURES)[number];

export interface SalesView {
  readonly range: Range;
  /** `YYYY-MM-DD`, UTC, both included; of a custom range, and '' while it is not chosen. */
  readonly from: string;
  readonly to: string;
  readonly by: Split;
  readonly bucket: Bucket;
  readonly measure: Measure;
}

export const DEFAULT_VIEW: SalesView = {
  range: '30',
  from: '',
  to: '',
  by: 'none',
  bucket: 'day',
  measure: 'sold',
};

const DAY_MS = 24 * 60 * 60_000;
/** Longer ranges have too many hours to look at. */
export const HOURLY_DAYS_MAX = 14;
export const CUSTOM_DAYS_MAX = 366;

function oneOf<T extends string>(known: readonly T[], value: string | null, otherwise: T): T {
  return known.find((one) => one === value) ?? otherwise;
}

const isDay = (text: string): boolean =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`));

/** What the address says; anything that cannot be is as if it were not there. */
export function viewOf(search: URLSearchParams): SalesView {
  const day = (name: string): string => {
    const text = search.get(name) ?? '';
    return isDay(text) ? text : '';
  };
  const range = oneOf(RANGES, search.get('range'), DEFAULT_VIEW.range);
  const isCustom = range === 'custom';
  const view: SalesView = {
    range,
    from: isCustom ? day('from') : '',
    to: isCustom ? day('to') : '',
    by: oneOf(SPLITS, search.get('by'), DEFAULT_VIEW.by),
    bucket: oneOf(BUCKETS, search.get('bucket'), DEFAULT_VIEW.bucket),
    measure: oneOf(MEASURES, search.get('show'), DEFAULT_VIEW.measure),
  };
  return mayBeHourly(view) ? view : { ...view, bucket: 'day' };
}

/** The shortest address that says it. */
export function searchOf(view: SalesView): string {
  const search = new URLSearchParams();
  const put = (name: string, value: string, usual: string): void => {
    if (value !== usual) search.set(name, value);
  };
  put('range', view.range, DEFAULT_VIEW.range);
  put('from', view.from, '');
  put('to', view.to, '');
  put('by', view.by, DEFAULT_VIEW.by);
  put('bucket', view.bucket, DEFAULT_VIEW.bucket);
  put('show', view.measure, DEFAULT_VIEW.measure);
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}

const daysOf = ({ range, from, to }: SalesView): number =>
  range === 'custom' ? (Date.parse(to) - Date.parse(from)) / DAY_MS + 1 : Number(range);

export const mayBeHourly = (view: SalesView): boolean => daysOf(view) <= HOURLY_DAYS_MAX;

/** What is wrong with a custom range; null when it can be asked for. */
export function faultOf(view: SalesView): 'missing' | 'order' | 'long' | null {
  if (view.range !== 'custom') return null;
  if (view.from === '' || view.to === '') return 'missing';
  const days = daysOf(view);
  if (days < 1) return 'order';
  return days > CUSTOM_DAYS_MAX ? 'long' : null;
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Of whole days in UTC, as the server counts. `now`: milliseconds since 1970. */
export function questionOf(view: SalesView, now: number): Question {
  const { by, bucket } = view;
  const isCustom = view.range === 'custom';
  const from = isCustom ? view.from : dayOf(now - (daysOf(view) - 1) * DAY_MS);
  const to = isCustom ? `${dayOf(Date.parse(view.to) + DAY_MS)}T00:00:00.000Z` : undefined;
  return { path: '/operations/sales', query: { from: `${from}T00:00:00.000Z`, to, by, bucket } };
}
