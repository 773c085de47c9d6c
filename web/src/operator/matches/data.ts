/** What operators do with matches and their sales: pausing, cancelling, rescheduling; and how far it has come. */
import { api } from '../../api';
import { asProblem } from '../../api/problem';
import {
  CATEGORIES,
  type BuyersText,
  type Category,
  type MatchNotice,
  type MatchView,
} from '../../api/types';
import { standingOf, categoryOf } from '../../data/availability';
import { toldOf } from '../../data/notices';
import type { Question } from '../data';
import { zoneOffsetMinutes } from '../../i18n/format';

/** What a pause is about: everything, a match, or a category of it. */
export interface PauseScope {
  readonly matchNumber?: number;
  readonly category?: number;
}

export interface Pause extends PauseScope {
  readonly id: string;
  readonly message: BuyersText;
  readonly since: string;
  /** Who did it. */
  readonly by: string;
  /** How many of its tickets have stopped selling, of how many. */
  readonly applied: number;
  readonly of: number;
}

export interface Pauses {
  readonly pauses: readonly Pause[];
}

/** Whoever else pauses or resumes is seen within so long, milliseconds. */
export const PAUSES_EVERY_MS = 5_000;

export const pauses: Question = { path: '/operations/pauses' };

/** The same again changes nothing but the message. */
export const pauseSales = (scope: PauseScope, message: BuyersText): Promise<Pause> =>
  api.send({ method: 'POST', path: pauses.path, body: { ...scope, message } });

/** One that is over already is what was wanted. */
export async function resumeSales(id: string): Promise<void> {
  try {
    await api.send<null>({ method: 'DELETE', path: `${pauses.path}/${encodeURIComponent(id)}` });
  } catch (error) {
    const problem = asProblem(error);
    if (problem.code !== 'not_found') throw problem;
  }
}

/** Ids of pauses are those of their scopes. */
export const pauseIdOf = ({ matchNumber, category }: PauseScope): string =>
  matchNumber === undefined
    ? 'all'
    : ['match', matchNumber, category].filter((one) => one !== undefined).join('-');

/** The pauses that stop sales of a match or of some of it, the widest first. */
export function pausesOf(all: readonly Pause[], matchNumber: number): Pause[] {
  return widestFirst(
    all.filter((pause) => pause.matchNumber === undefined || pause.matchNumber === matchNumber),
  );
}

export const widestFirst = (all: readonly Pause[]): Pause[] =>
  [...all].sort(
    (a, b) =>
      breadth(b) - breadth(a) ||
      (a.matchNumber ?? 0) - (b.matchNumber ?? 0) ||
      (a.category ?? 0) - (b.category ?? 0),
  );

/** Pauses that go on stopping all of what a pause stops, when that one ends. */
export const coveringOf = (all: readonly Pause[], pause: Pause): Pause[] =>
  all.filter(
    (other) =>
      breadth(other) > breadth(pause) &&
      (other.matchNumber === undefined || other.matchNumber === pause.matchNumber),
  );

const breadth = ({ matchNumber, category }: PauseScope): number =>
  matchNumber === undefined ? 2 : category === undefined ? 1 : 0;

export type MatchState = 'on_sale' | 'paused' | 'partly_paused' | 'closed' | 'cancelled' | 'rescheduled';

/** How a match stands; the first is what sales are. */
export function statesOf(match: MatchView): readonly MatchState[] {
  const told = toldOf(match);
  if (told?.isCancelled === true) return ['cancelled'];
  const sales = salesOf(match, told?.paused.length ?? 0, told?.isAllPaused === true);
  return told?.previous ? [sales, 'rescheduled'] : [sales];
}

function salesOf(match: MatchView, pausedCount: number, isAllPaused: boolean): MatchState {
  if (isAllPaused) return 'paused';
  if (pausedCount > 0) return 'partly_paused';
  const isClosed = CATEGORIES.every((category) => standingOf(categoryOf(match, category)) === 'closed');
  return isClosed ? 'closed' : 'on_sale';
}

/** What buyers would see of a match; `scope` null: nothing is paused. */
export function asBuyersSee(
  match: MatchView,
  notice: MatchNotice,
  isPaused: (category: Category) => boolean = () => false,
): MatchView {
  const view = (category: Category): MatchView['availability']['category1'] => {
    const { paused: _, ...known } = categoryOf(match, category);
    return isPaused(category) ? { ...known, paused: true } : known;
  };
  return {
    ...match,
    notice,
    availability: { category1: view(1), category2: view(2), category3: view(3) },
  };
}

/** As long as the server takes it, characters. */
export const MESSAGE_CHARS_MAX = 300;

/** What is being written, in each language of the shop. */
export interface Words {
  readonly en: string;
  readonly ar: string;
}

/** Null when there is no English text, which every reader falls back on. */
export function buyersTextFrom({ en, ar }: Words): BuyersText | null {
  const [english, arabic] = [en.trim(), ar.trim()];
  if (english === '') return null;
  return { en: english, ...(arabic !== '' && { ar: arabic }) };
}

export interface Cancellation {
  readonly matchNumber: number;
  readonly state: 'none' | 'closing' | 'refunding' | 'done';
  /** What must be typed. */
  readonly phrase: string;
  readonly touches: {
    /** Reservations on hold, and those being paid. */
    readonly pending: number;
    readonly paying: number;
    /** Bought reservations, and their tickets. */
    readonly sales: number;
    readonly tickets: number;
    readonly amountMinor: number;
    /** Empty while there is no sale. */
    readonly currency: string;
    /** Tickets that were given to others, and those that are in the stadium. */
    readonly transferred: number;
    readonly admitted?: number;
    /** Tickets that other marketplaces have sold. */
    readonly soldElsewhere: number;
  };
  readonly progress: {
    /** Categories that are closed, of `of`. */
    readonly closed: number;
    readonly of: number;
    /** Sales to give back; those that were, those that could not be, and those whose buyers were written to. */
    readonly total: number;
    readonly refunded: number;
    readonly failed: number;
    readonly mailed: number;
  };
  /** What buyers are told. */
  readonly reason?: BuyersText;
  readonly startedAt?: string;
  readonly startedBy?: string;
  readonly finishedAt?: string;
  readonly failures: readonly { readonly reservationId: string; readonly reason: string }[];
}

const cancellationPath = (matchNumber: number): string => `/operations/matches/${matchNumber}/cancellation`;

export const cancellation = (matchNumber: number): Question => ({ path: cancellationPath(matchNumber) });

/** A match is cancelled once, so that an order whose answer was lost may be sent again. */
export const cancelMatch = (
  matchNumber: number,
  order: { readonly phrase: string; readonly reason: BuyersText },
): Promise<Cancellation> => api.send({ method: 'POST', path: cancellationPath(matchNumber), body: order });

export interface Schedule {
  readonly matchNumber: number;
  readonly dateUtc: string;
  readonly location: string;
  readonly phrase: string;
  /** Bought reservations whose buyers would be written to. */
  readonly sales: number;
  readonly change?: {
    readonly dateUtc: string;
    readonly location: string;
    readonly previousDateUtc: string;
    readonly previousLocation: string;
    readonly message?: BuyersText;
    /** Until when buyers may give their tickets back because of it. */
    readonly refundUntil: string;
    readonly startedAt: string;
    readonly startedBy: string;
    readonly progress: { readonly total: number; readonly mailed: number };
    readonly finishedAt?: string;
  };
}

export interface RescheduleOrder {
  readonly phrase: string;
  readonly dateUtc: string;
  readonly location?: string;
  readonly message?: BuyersText;
  readonly refundUntil: string;
}

const schedulePath = (matchNumber: number): string => `/operations/matches/${matchNumber}/schedule`;

export const schedule = (matchNumber: number): Question => ({ path: schedulePath(matchNumber) });

/** The same date and place again are the same change. */
export const rescheduleMatch = (matchNumber: number, order: RescheduleOrder): Promise<Schedule> =>
  api.send({ method: 'POST', path: schedulePath(matchNumber), body: order });

/** While something is being done it is asked for so often, milliseconds. */
export const POLL_MS = 2_000;

export const isCancelling = ({ state }: Cancellation): boolean =>
  state === 'closing' || state === 'refunding';

export const isTelling = ({ change }: Schedule): boolean =>
  change !== undefined && change.finishedAt === undefined;

/** `YYYY-MM-DDTHH:MM`, as fields for date and time have it. */
const LOCAL = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/;
const MINUTE_MS = 60_000;

/** What clocks somewhere show at a moment. */
export function localOf(at: string, timeZone: string): string {
  const ms = Date.parse(at);
  return new Date(ms + zoneOffsetMinutes(ms, timeZone) * MINUTE_MS).toISOString().slice(0, 16);
}

/** The moment at which clocks somewhere show this; null for what they never show, or what is no time. */
export function instantOf(local: string, timeZone: string): string | null {
  const asUtc = LOCAL.test(local) ? Date.parse(`${local}:00Z`) : NaN;
  if (Number.isNaN(asUtc)) return null;
  // The offset depends on the moment that is looked for; the second guess is right wherever there is one.
  const first = asUtc - zoneOffsetMinutes(asUtc, timeZone) * MINUTE_MS;
  const moment = new Date(asUtc - zoneOffsetMinutes(first, timeZone) * MINUTE_MS).toISOString();
  return localOf(moment, timeZone) === local ? moment : null;
}

export interface RescheduleForm {
  /** In the time of the new stadium. */
  readonly local: string;
  readonly location: string;
  readonly words: Words;
  /** In the time of the new stadium. */
  readonly refundUntilLocal: string;
}

export type RescheduleFault = 'date' | 'unchanged' | 'location' | 'refund_until' | 'refund_range' | 'english';

/** As long as the server takes it, characters. */
export const LOCATION_CHARS_MAX = 200;

/** A refund is offered for so long at most, milliseconds. */
const REFUND_OFFER_MS_MAX = 366 * 24 * 60 * MINUTE_MS;

const isOffered = (until: number, now: number): boolean => until > now && until < now + REFUND_OFFER_MS_MAX;

/** What the form says; or what is wrong with it, field by field. */
export function rescheduleFrom(
  form: RescheduleForm,
  {
    schedule: { dateUtc: before, location: placeBefore },
    timeZoneOf,
    now,
  }: {
    readonly schedule: Pick<Schedule, 'dateUtc' | 'location'>;
    readonly timeZoneOf: (location: string) => string;
    readonly now: number;
  },
): { readonly order: Omit<RescheduleOrder, 'phrase'> } | { readonly faults: readonly RescheduleFault[] } {
  const location = form.location.trim();
  const zone = timeZoneOf(location);
  const dateUtc = instantOf(form.local, zone);
  const refundUntil = instantOf(form.refundUntilLocal, zone);
  const message = buyersTextFrom(form.words);
  const faults: RescheduleFault[] = [];
  if (location === '') faults.push('location');
  if (dateUtc === null) faults.push('date');
  else if (Date.parse(dateUtc) === Date.parse(before) && location === placeBefore) faults.push('unchanged');
  if (refundUntil === null) faults.push('refund_until');
  else if (!isOffered(Date.parse(refundUntil), now)) faults.push('refund_range');
  if (message === null && form.words.ar.trim() !== '') faults.push('english');
  if (faults.length > 0 || dateUtc === null || refundUntil === null) return { faults };
  return {
    order: {
      dateUtc,
      ...(location !== placeBefore && { location }),
      ...(message && { message }),
      refundUntil,
    },
  };
}
