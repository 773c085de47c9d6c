/** Stopping sales, and cancelling or moving a match: over HTTP, for operators. */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { CATEGORIES, MATCH_NUMBER_MAX, type Match } from '../catalog/match.js';
import { messageSchema } from '../catalog/notices.js';
import { defineRoute, type Handled, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { notFound, Problem, validationFailed } from '../http/problem.js';
import type { LongJobs } from '../queues/long-jobs.js';
import type { Cancellations, Touched } from './cancellation.js';
import type { Cancellation, NoticeBoard, Reschedule } from './notice-board.js';
import { actorOf, audited, forOperators, iso, type OperatorRoutesOptions } from './operators.js';
import type { Rescheduling } from './rescheduling.js';
import type { PauseStanding, SalesStop } from './sales-stop.js';

export interface SalesRoutesOptions extends OperatorRoutesOptions {
  readonly stop: SalesStop;
  readonly board: NoticeBoard;
  readonly cancellations: Cancellations;
  readonly rescheduling: Rescheduling;
  readonly jobs: Pick<LongJobs, 'add'>;
  readonly match: (matchNumber: number) => Promise<Match | null>;
  readonly clock: Clock;
  readonly waitMs: number;
}

/** Names of the jobs (queues/long-jobs.ts); the key is the match number. */
export const CANCEL_JOB = 'cancel-match';
export const RESCHEDULE_JOB = 'reschedule-match';

export function salesRoutes(options: SalesRoutesOptions): Route[] {
  return [
    pausesRoute(options),
    pauseRoute(options),
    resumeRoute(options),
    cancellationRoute(options),
    cancelRoute(options),
    scheduleRoute(options),
    rescheduleRoute(options),
  ];
}

const PAUSES_PATH = '/api/v1/operations/pauses';

const pauseViewSchema = z
  .object({
    id: z.string(),
    matchNumber: z.number().int().optional(),
    category: z.number().int().optional(),
    message: messageSchema,
    since: z.iso.datetime(),
    by: z.string(),
    applied: z.number().int().meta({ description: 'Tickets that stand under it by now.' }),
    of: z.number().int(),
  })
  .meta({ id: 'Pause' });

function pauseJson({ pause, applied, of }: PauseStanding): z.output<typeof pauseViewSchema> {
  return { ...pause, since: iso(pause.since), applied, of };
}

function pausesRoute(options: SalesRoutesOptions): Route {
  const { stop, clock, waitMs } = options;
  return defineRoute({
    method: 'get',
    path: PAUSES_PATH,
    summary: 'Where sales are stopped',
    ...forOperators(options),
    responses: { 200: { description: 'All', schema: z.object({ pauses: z.array(pauseViewSchema) }) } },
    handle: async () => {
      const pauses = await bounded(clock, waitMs, 'pauses', stop.list());
      return { status: 200, body: { pauses: pauses.map(pauseJson) } };
    },
  });
}

const scopeSchema = z.object({
  matchNumber: z.number().int().min(1).max(MATCH_NUMBER_MAX).optional(),
  category: z.union(CATEGORIES.map((category) => z.literal(category))).optional(),
});

function pauseRoute(options: SalesRoutesOptions): Route {
  const { stop, match } = options;
  return defineRoute({
    method: 'post',
    path: PAUSES_PATH,
    summary: 'Stop sales',
    description:
      'Of all matches, of one, or of one category of it. From the answer on no new hold is granted on `applied` of its tickets, the others follow as soon as their worker answers. What is held can be paid for. The same scope again replaces the message.',
    ...forOperators(options, 'not_found'),
    body: scopeSchema.extend({ message: messageSchema }).meta({ id: 'New pause' }),
    responses: { 200: { description: 'It stands', schema: pauseViewSchema } },
    handle: async ({ body, ...asked }) => {
      const { matchNumber, category, message } = body;
      if (category !== undefined && matchNumber === undefined) {
        return validationFailed([{ path: 'matchNumber', message: 'say of which match the category is' }]);
      }
      if (matchNumber !== undefined && !(await match(matchNumber))) return notFound(`Match ${matchNumber}`);
      const scope = {
        ...(matchNumber !== undefined && { matchNumber }),
        ...(category !== undefined && { category }),
      };
      await audited(options, asked, {
        action: 'sales.paused',
        subject: matchNumber === undefined ? 'sales:all' : `match:${matchNumber}`,
        details: { ...scope, message: message.en },
      });
      const standing = await stop.pause(scope, message, actorOf(asked));
      if (standing === 'full') {
        return new Problem('invalid_state', {
          detail: 'Too many pauses stand; stop all sales with one instead.',
        });
      }
      return { status: 200, body: pauseJson(standing) };
    },
  });
}

function resumeRoute(options: SalesRoutesOptions): Route {
  return defineRoute({
    method: 'delete',
    path: `${PAUSES_PATH}/{id}`,
    summary: 'Let sales go on',
    description: 'As far as no other pause covers them.',
    ...forOperators(options, 'not_found'),
    params: z.object({ id: z.string().regex(/^(all|match-[1-9]\d{0,3}(-[1-3])?)$/) }),
    responses: { 204: { description: 'It stands no more' } },
    handle: async ({ params, ...asked }) => {
      await audited(options, asked, {
        action: 'sales.resumed',
        subject: params.id === 'all' ? 'sales:all' : `match:${params.id.split('-')[1] ?? ''}`,
        details: { pause: params.id },
      });
      return (await options.stop.resume(params.id)) ? { status: 204 } : notFound('This pause');
    },
  });
}

const matchParams = z.object({
  matchNumber: z
    .string()
    .regex(/^[1-9]\d{0,3}$/)
    .meta({ description: `1 to ${MATCH_NUMBER_MAX}` }),
});
const CANCELLATION_PATH = '/api/v1/operations/matches/{matchNumber}/cancellation';
const SCHEDULE_PATH = '/api/v1/operations/matches/{matchNumber}/schedule';

const cancellationViewSchema = z
  .object({
    matchNumber: z.number().int(),
    state: z.enum(['none', 'closing', 'refunding', 'done']),
    phrase: z.string().meta({ description: 'To be typed to confirm.' }),
    touches: z
      .object({
        pending: z.number().int(),
        paying: z.number().int(),
        sales: z.number().int(),
        tickets: z.number().int(),
        amountMinor: z.number().int(),
        currency: z.string(),
        transferred: z.number().int(),
        admitted: z.number().int(),
        soldElsewhere: z.number().int(),
      })
      .meta({ description: 'What stands now: what it would end, or has not ended yet.' }),
    progress: z.object({
      closed: z.number().int(),
      of: z.number().int(),
      total: z.number().int(),
      refunded: z.number().int(),
      failed: z.number().int(),
      mailed: z.number().int(),
    }),
    reason: messageSchema.optional(),
    startedAt: z.iso.datetime().optional(),
    startedBy: z.string().optional(),
    finishedAt: z.iso.datetime().optional(),
    failures: z.array(z.object({ reservationId: z.string(), reason: z.string() })),
  })
  .meta({ id: 'Cancellation' });

const cancelPhrase = (matchNumber: number): string => `CANCEL ${matchNumber}`;

function cancellationJson(
  matchNumber: number,
  touches: Touched,
  cancellation: Cancellation | undefined,
): z.output<typeof cancellationViewSchema> {
  const {
    state = 'none',
    closed = 0,
    total = 0,
    refunded = 0,
    mailed = 0,
    failures = [],
  } = cancellation ?? {};
  return {
    matchNumber,
    state,
    phrase: cancelPhrase(matchNumber),
    touches,
    progress: { closed, of: CATEGORIES.length, total, refunded, failed: failures.length, mailed },
    ...(cancellation && {
      reason: cancellation.reason,
      startedAt: iso(cancellation.startedAt),
      startedBy: cancellation.startedBy,
      ...(cancellation.finishedAt !== undefined && { finishedAt: iso(cancellation.finishedAt) }),
    }),
    failures,
  };
}

async function shownCancellation(options: SalesRoutesOptions, matchNumber: number) {
  const { cancellations, board, clock, waitMs } = options;
  const [touches, change] = await bounded(
    clock,
    waitMs,
    'the match',
    Promise.all([cancellations.touched(matchNumber), board.change(matchNumber)]),
  );
  return cancellationJson(matchNumber, touches, change?.cancellation);
}

function cancellationRoute(options: SalesRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: CANCELLATION_PATH,
    summary: 'What cancelling a match would touch, or how far it is',
    ...forOperators(options, 'not_found'),
    params: matchParams,
    responses: { 200: { description: 'As it stands', schema: cancellationViewSchema } },
    handle: async ({ params }) => {
      const matchNumber = Number(params.matchNumber);
      if (!(await options.match(matchNumber))) return notFound(`Match ${matchNumber}`);
      return { status: 200, body: await shownCancellation(options, matchNumber) };
    },
  });
}

const PHRASE_CHARS_MAX = 60;

function cancelRoute(options: SalesRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: CANCELLATION_PATH,
    summary: 'Cancel a match, for good',
    description:
      'Its sales are closed, holds end, every sale is refunded and its buyer mailed, in the background: ask how far it is. Asked again it changes nothing.',
    ...forOperators(options, 'not_found'),
    params: matchParams,
    body: z
      .object({
        phrase: z.string().max(PHRASE_CHARS_MAX),
        reason: messageSchema.meta({ description: 'What buyers read.' }),
      })
      .meta({ id: 'New cancellation' }),
    responses: { 202: { description: 'It goes on by itself', schema: cancellationViewSchema } },
    handle: async ({ params, body, ...asked }): Promise<Handled> => {
      const matchNumber = Number(params.matchNumber);
      if (!(await options.match(matchNumber))) return notFound(`Match ${matchNumber}`);
      const wrong = wrongPhrase(body.phrase, cancelPhrase(matchNumber));
      if (wrong) return wrong;
      await audited(options, asked, {
        action: 'match.cancelled',
        subject: `match:${matchNumber}`,
        details: { reason: body.reason.en },
      });
      await options.cancellations.begin(matchNumber, body.reason, actorOf(asked));
      await options.jobs.add(CANCEL_JOB, String(matchNumber));
      return { status: 202, body: await shownCancellation(options, matchNumber) };
    },
  });
}

function wrongPhrase(phrase: string, expected: string): Problem | null {
  if (phrase.trim() === expected) return null;
  return validationFailed([{ path: 'phrase', message: `type ${expected} to confirm` }]);
}

const scheduleViewSchema = z
  .object({
    matchNumber: z.number().int(),
    dateUtc: z.string(),
    location: z.string(),
    phrase: z.string(),
    sales: z.number().int().meta({ description: 'Reservations whose buyers are told.' }),
    change: z
      .object({
        dateUtc: z.string(),
        location: z.string(),
        previousDateUtc: z.string(),
        previousLocation: z.string(),
        message: messageSchema.optional(),
        refundUntil: z.iso.datetime(),
        startedAt: z.iso.datetime(),
        startedBy: z.string(),
        progress: z.object({ total: z.number().int(), mailed: z.number().int() }),
        finishedAt: z.iso.datetime().optional(),
      })
      .optional(),
  })
  .meta({ id: 'Schedule' });

const reschedulePhrase = (matchNumber: number): string => `RESCHEDULE ${matchNumber}`;

function changeJson(change: Reschedule) {
  const { startedAt, finishedAt, refundUntil, total, mailed, ...rest } = change;
  return {
    ...rest,
    refundUntil: iso(refundUntil),
    startedAt: iso(startedAt),
    progress: { total, mailed },
    ...(finishedAt !== undefined && { finishedAt: iso(finishedAt) }),
  };
}

async function shownSchedule(
  { cancellations, board, clock, waitMs }: SalesRoutesOptions,
  { matchNumber, dateUtc, location }: Match,
): Promise<z.output<typeof scheduleViewSchema>> {
  const [{ sales, paying }, change] = await bounded(
    clock,
    waitMs,
    'the match',
    Promise.all([cancellations.touched(matchNumber), board.change(matchNumber)]),
  );
  return {
    matchNumber,
    dateUtc,
    location,
    phrase: reschedulePhrase(matchNumber),
    sales: sales + paying,
    ...(change?.reschedule && { change: changeJson(change.reschedule) }),
  };
}

function scheduleRoute(options: SalesRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: SCHEDULE_PATH,
    summary: 'When and where a match is played, and how it was moved',
    ...forOperators(options, 'not_found'),
    params: matchParams,
    responses: { 200: { description: 'As it stands', schema: scheduleViewSchema } },
    handle: async ({ params }) => {
      const match = await options.match(Number(params.matchNumber));
      if (!match) return notFound(`Match ${params.matchNumber}`);
      return { status: 200, body: await shownSchedule(options, match) };
    },
  });
}

const LOCATION_CHARS_MAX = 200;
const REFUND_OFFER_MS_MAX = 366 * 24 * 60 * 60_000;

const newScheduleSchema = z
  .object({
    phrase: z.string().max(PHRASE_CHARS_MAX),
    dateUtc: z.iso.datetime({ offset: true }),
    location: z.string().trim().min(1).max(LOCATION_CHARS_MAX).optional(),
    message: messageSchema.optional(),
    refundUntil: z.iso
      .datetime({ offset: true })
      .meta({ description: 'Until then buyers may give their tickets back; at most a year ahead.' }),
  })
  .meta({ id: 'New schedule' });

function rescheduleRoute(options: SalesRoutesOptions): Route {
  const { rescheduling, jobs, clock } = options;
  return defineRoute({
    method: 'post',
    path: SCHEDULE_PATH,
    summary: 'Move a match',
    description: 'Buyers are mailed and offered a refund, in the background. Tickets stay valid.',
    ...forOperators(options, 'not_found', 'invalid_state'),
    params: matchParams,
    body: newScheduleSchema,
    responses: { 202: { description: 'It goes on by itself', schema: scheduleViewSchema } },
    handle: async ({ params, body, ...asked }): Promise<Handled> => {
      const matchNumber = Number(params.matchNumber);
      const match = await options.match(matchNumber);
      if (!match) return notFound(`Match ${matchNumber}`);
      const refundUntil = Date.parse(body.refundUntil);
      const to = { dateUtc: utc(body.dateUtc), location: body.location ?? match.location };
      const wrong =
        wrongPhrase(body.phrase, reschedulePhrase(matchNumber)) ??
        wrongSchedule(match, to, refundUntil, clock.now());
      if (wrong) return wrong;
      await audited(options, asked, {
        action: 'match.rescheduled',
        subject: `match:${matchNumber}`,
        details: { ...to, refundUntil: iso(refundUntil) },
      });
      const schedule = { ...to, refundUntil, ...(body.message && { message: body.message }) };
      const begun = await rescheduling.begin(match, schedule, actorOf(asked));
      if (begun === 'cancelled') {
        return new Problem('invalid_state', { detail: `Match ${matchNumber} is cancelled.` });
      }
      if (begun === 'busy') {
        return new Problem('invalid_state', {
          detail: 'Buyers are still being told of the last change; wait until that is done.',
        });
      }
      await jobs.add(RESCHEDULE_JOB, String(matchNumber));
      return { status: 202, body: await shownSchedule(options, (await options.match(matchNumber)) ?? match) };
    },
  });
}

/** As the master list writes times. */
const utc = (time: string): string => iso(Date.parse(time)).replace('.000Z', 'Z');

function wrongSchedule(
  match: Match,
  to: { readonly dateUtc: string; readonly location: string },
  refundUntil: number,
  now: number,
): Problem | null {
  const isSame = Date.parse(to.dateUtc) === Date.parse(match.dateUtc) && to.location === match.location;
  if (isSame) return validationFailed([{ path: 'dateUtc', message: 'it is played then and there already' }]);
  if (refundUntil > now && refundUntil < now + REFUND_OFFER_MS_MAX) return null;
  return validationFailed([{ path: 'refundUntil', message: 'a time in the next year' }]);
}
