/**
 * What the sale phases of a category mean at a moment. Pure.
 *
 * Guarantees: what is told ahead (`next`, `closesAt`) takes effect at its time by the server's clock, without an answer
 * of the server; nothing is made up that was not told.
 */
import { CATEGORIES, type CategoryView, type MatchView, type SalePhase, type SaleView } from '../api/types';

/** Milliseconds since 1970; null for what is not told. */
function msOf(moment: string | undefined): number | null {
  const ms = moment === undefined ? NaN : Date.parse(moment);
  return Number.isNaN(ms) ? null : ms;
}

/** The phases that are on, as of what was told. */
export function phasesOn(sale: SaleView): readonly SalePhase[] {
  if (sale.state === 'not_yet' || sale.state === 'closed') return [];
  const { state: _, next: _next, also = [], ...own } = sale;
  return [own, ...also];
}

function phasesToCome(sale: SaleView): readonly SalePhase[] {
  const { state, next, also: _, ...own } = sale;
  return [...(state === 'not_yet' ? [own] : []), ...(next ? [next] : [])];
}

/** When tickets can be bought first; null where that is not told, or they can. Milliseconds since 1970. */
export const openingOf = ({ state, opensAt }: SaleView): number | null =>
  state === 'not_yet' ? msOf(opensAt) : null;

const hasOpened = ({ opensAt }: SalePhase, now: number): boolean => (msOf(opensAt) ?? Infinity) <= now;
const hasClosed = ({ closesAt }: SalePhase, now: number): boolean => (msOf(closesAt) ?? Infinity) <= now;

/** The sale at a moment, by what was told before it; the same object while nothing has begun or ended. */
export function saleAt(sale: SaleView, now: number): SaleView {
  const told = phasesOn(sale);
  const coming = phasesToCome(sale);
  const begun = coming.filter((phase) => hasOpened(phase, now));
  const on = [...told, ...begun].filter((phase) => !hasClosed(phase, now));
  if (begun.length === 0 && on.length === told.length) return sale;
  const [first, second] = coming.filter((phase) => !begun.includes(phase));
  const main = on.find(({ access }) => access === undefined) ?? on[0];
  if (!main) {
    return first ? { state: 'not_yet', ...first, ...(second && { next: second }) } : { state: 'closed' };
  }
  const also = on.filter((phase) => phase !== main);
  return {
    state: main.access === undefined ? 'open' : 'presale',
    ...main,
    ...(first && { next: first }),
    ...(also.length > 0 && { also }),
  };
}

function viewAt(view: CategoryView, now: number): CategoryView {
  const sale = view.sale && saleAt(view.sale, now);
  return sale === view.sale || sale === undefined ? view : { ...view, sale };
}

/** The match as its phases make it at a moment; the same object while none has changed. */
export function matchAt(match: MatchView, now: number): MatchView {
  let { availability } = match;
  for (const category of CATEGORIES) {
    const key = `category${category}` as const;
    const view = viewAt(availability[key], now);
    if (view !== availability[key]) availability = { ...availability, [key]: view };
  }
  return availability === match.availability ? match : { ...match, availability };
}

/** When a phase begins or ends next, after a moment; null for never, as far as is told. */
export function nextChangeOf(match: MatchView, now: number): number | null {
  const ahead = CATEGORIES.flatMap((category) => {
    const { sale } = match.availability[`category${category}`];
    if (!sale) return [];
    const phases = [...phasesOn(sale), ...phasesToCome(sale)];
    return phases.flatMap(({ opensAt, closesAt }) => [msOf(opensAt), msOf(closesAt)]);
  }).filter((ms) => ms !== null && ms > now) as number[];
  return ahead.length === 0 ? null : Math.min(...ahead);
}

/** As long as the server takes the code of a presale. */
export const CODE_CHARS_MAX = 64;

/** Whether a code is asked for: `optional` where others can buy without one, or under another phase. */
export function codeFor(view: CategoryView | null): 'none' | 'optional' | 'required' {
  const on = view?.sale ? phasesOn(view.sale) : [];
  const byCode = on.filter(({ access }) => access === 'code');
  if (byCode.length === 0) return 'none';
  return byCode.length === on.length ? 'required' : 'optional';
}

/** The phase whose limits hold for a buyer: with a code that of the code. */
export function phaseFor(view: CategoryView | null, hasCode: boolean): SalePhase | null {
  const on = view?.sale ? phasesOn(view.sale) : [];
  return on.find(({ access }) => (access === 'code') === hasCode) ?? on[0] ?? null;
}

/** How long until a moment, as people say it: days and hours first, then a clock. Rounded up: 0 only when it is over. */
export interface Until {
  /** 0 for less than a day: then it is a clock. */
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
  readonly isOver: boolean;
  /** Until the shown value changes, milliseconds. */
  readonly nextMs: number;
}

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const HOURS_OF_DAY = 24;

/** Days are told with hours, and change with the hour; a day or less by the second. */
export function untilAt(moment: number, now: number): Until {
  const leftMs = Math.max(0, moment - now);
  const isLong = leftMs > HOURS_OF_DAY * HOUR_MS;
  const step = isLong ? HOUR_MS : SECOND_MS;
  const steps = Math.ceil(leftMs / step);
  const nextMs = leftMs === 0 ? 0 : leftMs - (steps - 1) * step;
  if (isLong) {
    const days = Math.floor(steps / HOURS_OF_DAY);
    return { days, hours: steps % HOURS_OF_DAY, minutes: 0, seconds: 0, isOver: false, nextMs };
  }
  return {
    days: 0,
    hours: Math.floor(steps / 3_600),
    minutes: Math.floor((steps % 3_600) / 60),
    seconds: steps % 60,
    isOver: leftMs === 0,
    nextMs,
  };
}
