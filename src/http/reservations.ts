/**
 * Reservations: hold, pay, cancel, read, and the one-shot purchase of existing clients.
 *
 * Guarantees: a request repeated under its Idempotency-Key has one effect and one answer; a reservation is
 * shown, paid or cancelled only with its token; a 2xx is sent only for what is committed, and RESERVED only for
 * what is durable. Handlers stay thin: the rules decide in the actor, the money in `PaymentFlow`.
 */
import { z } from 'zod';
import type { Clock, CommandResult } from '../actors/ports.js';
import { CATEGORIES, MATCH_NUMBER_MAX } from '../catalog/match.js';
import type { FlowIds, PaymentFlow, PaymentResult, ReservationRef } from '../payments/flow.js';
import type { Reservation, ReservationStatus, TicketId } from '../rules/index.js';
import { defineRoute, type Handled, type Route, type RouteInput } from './api.js';
import { bounded } from './bounded.js';
import type { Idempotency, RequestIdentity } from './idempotency.js';
import {
  RESERVATION_ID,
  TOKEN_CHARS_MAX,
  bearerToken,
  guestToken,
  reservationId,
  ticketOfReservation,
  verifyToken,
} from './identity.js';
import type { Metrics } from './metrics.js';
import type { CommandGateway, ReservationReader, SubmissionResult } from './ports.js';
import {
  Problem,
  isRefusal,
  notFound,
  outcomeUnknown,
  overloaded,
  refusalProblem,
  unansweredProblem,
  validationFailed,
} from './problem.js';

export interface ReservationsOptions {
  readonly gateway: CommandGateway;
  readonly reader: ReservationReader;
  readonly flow: PaymentFlow;
  readonly idempotency: Idempotency;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** Makes the tokens; whoever has it can open every reservation. */
  readonly tokenSecret: string;
  readonly ticketsPerReservationMax: number;
  /** How long a read may take. */
  readonly waitMs: number;
  /** Whether there is such a ticket: nobody may fill Redis with queues of tickets that do not exist. */
  readonly knows: (ticket: TicketId) => Promise<boolean>;
}

export function reservationRoutes(options: ReservationsOptions): Route[] {
  return [
    holdRoute(options),
    mineRoute(options),
    readRoute(options),
    payRoute(options),
    cancelRoute(options),
    oneShotRoute(options),
  ];
}

const EMAIL_CHARS_MAX = 254;
const emailSchema = z
  .string()
  .max(EMAIL_CHARS_MAX)
  .trim()
  .toLowerCase()
  .pipe(z.email())
  .meta({ description: 'Required: there are no accounts yet.', format: 'email' });
const matchNumberSchema = z.number().int().min(1).max(MATCH_NUMBER_MAX);
const categorySchema = z.number().int().min(1).max(CATEGORIES.length);
const priceSchema = z.number().positive().meta({ description: 'The price per ticket the buyer saw.' });

const RESERVATION_STATUSES = [
  'PENDING',
  'PAYING',
  'RESERVED',
  'CANCELLED',
  'EXPIRED',
  'REFUNDED',
] as const satisfies readonly ReservationStatus[];

const reservationSchema = z
  .object({
    id: z.string(),
    status: z.enum(RESERVATION_STATUSES),
    matchNumber: z.number().int(),
    category: z.number().int(),
    quantity: z.number().int(),
    unitPrice: z.number(),
    currency: z.string(),
    email: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().meta({ description: 'End of the hold.' }),
    reason: z.enum(['cancelled', 'declined', 'expired', 'paid', 'refunded']).optional(),
  })
  .meta({ id: 'Reservation' });

const heldSchema = reservationSchema
  .extend({
    token: z.string().meta({ description: 'Reads, pays and cancels this reservation. Keep it secret.' }),
  })
  .meta({ id: 'HeldReservation' });

/** What people see of a reservation. */
export function reservationJson(reservation: Reservation): z.output<typeof reservationSchema> {
  const { id, status, matchNumber, category, quantity, unitPrice, currency, email, reason } = reservation;
  return {
    id,
    status,
    matchNumber,
    category,
    quantity,
    unitPrice,
    currency,
    email,
    createdAt: new Date(reservation.createdAt).toISOString(),
    expiresAt: new Date(reservation.expiresAt).toISOString(),
    ...(reason !== undefined && { reason }),
  };
}

const KEY_CHARS_MAX = 255;
const keyHeader = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(KEY_CHARS_MAX)
    .regex(/^[\x21-\x7e]+$/, 'visible ASCII only')
    .optional()
    .meta({ description: 'Same key and body: the first answer again. At least 16 random characters.' }),
});
type KeyHeader = z.output<typeof keyHeader>;

const idParams = z.object({ id: z.string().regex(RESERVATION_ID) });

const WITH_TOKEN = ['reservationToken', 'reservationTokenHeader'] as const;

/** Tokens one request may present. */
const TOKENS_MAX = 20;

/** The tokens a request presents. More than allowed are not looked at, one by one they would cost time. */
function tokensOf({
  request,
}: Pick<RouteInput<unknown, unknown, unknown, unknown>, 'request'>): string[] | Problem {
  const bearer = bearerToken(request.get('Authorization'));
  const listed = (request.get('X-Reservation-Token') ?? '').split(',').map((token) => token.trim());
  const tokens = [...(bearer === null ? [] : [bearer]), ...listed].filter((token) => token !== '');
  if (tokens.length > TOKENS_MAX) {
    return validationFailed([{ path: 'X-Reservation-Token', message: `at most ${TOKENS_MAX} tokens` }]);
  }
  return tokens.length > 0
    ? tokens
    : new Problem('unauthorized', {
        detail: `Present the reservation's token (at most ${TOKEN_CHARS_MAX} characters).`,
        headers: { 'WWW-Authenticate': 'Bearer' },
      });
}

/** The reservation a request may act on, or the refusal. */
function authorize(
  { tokenSecret }: ReservationsOptions,
  input: RouteInput<{ id: string }, unknown, unknown, unknown>,
): ReservationRef | Problem {
  const { id } = input.params;
  const ticket = ticketOfReservation(id);
  if (!ticket) return notFound('This reservation');
  const tokens = tokensOf(input);
  if (tokens instanceof Problem) return tokens;
  const isTheirs = tokens.some((token) => verifyToken(tokenSecret, token) === id);
  return isTheirs ? { ticket, reservationId: id } : new Problem('forbidden');
}

const CONFLICT = validationFailed([{ path: 'Idempotency-Key', message: 'was used with another body' }]);

const idsOf = ({ id, keepMs }: RequestIdentity, requestId: string): FlowIds => ({ id, keepMs, requestId });

function holdRoute(options: ReservationsOptions): Route {
  const body = z
    .object({
      matchNumber: matchNumberSchema,
      category: categorySchema,
      quantity: z.number().int().min(1).max(options.ticketsPerReservationMax),
      email: emailSchema,
      price: priceSchema.optional(),
    })
    .meta({ id: 'Hold' });
  return defineRoute({
    method: 'post',
    path: '/api/v1/reservations',
    tag: 'reservations',
    summary: 'Hold tickets',
    headers: keyHeader,
    body,
    responses: { 201: { description: 'Held until `expiresAt`', schema: heldSchema } },
    problems: [
      'sold_out',
      'temporarily_unavailable',
      'purchase_limit',
      'sales_closed',
      'not_found',
      'overloaded',
    ],
    handle: async ({ body: wanted, headers, address, requestId }) => {
      const { email } = wanted;
      const asked = { route: 'hold', caller: email, address, key: headers['Idempotency-Key'], body: wanted };
      if (!(await options.knows(wanted))) return notFound('This ticket');
      const identity = await options.idempotency.identify(asked);
      if (identity.kind === 'conflict') return CONFLICT;
      const held = await hold(options, wanted, idsOf(identity, requestId), identity);
      if (held instanceof Problem) return held;
      return {
        status: 201,
        body: { ...reservationJson(held), token: guestToken(options.tokenSecret, held.id) },
        headers: { Location: `/api/v1/reservations/${held.id}` },
      };
    },
  });
}

interface Wanted {
  readonly matchNumber: number;
  readonly category: number;
  readonly quantity: number;
  readonly email: string;
  readonly price?: number | undefined;
}

async function hold(
  { gateway, tokenSecret, metrics }: ReservationsOptions,
  { matchNumber, category, quantity, email, price }: Wanted,
  { id, keepMs, requestId }: FlowIds,
  { keyed, first }: RequestIdentity,
): Promise<Reservation | Problem> {
  const ticket = { matchNumber, category };
  const heldId = reservationId(ticket, id);
  const body = {
    type: 'hold' as const,
    reservationId: heldId,
    quantity,
    email,
    // One person however the address was typed: it has been normalized.
    person: email,
    ...(price !== undefined && { price }),
  };
  const submission = { ticket, id, body, keepMs, ...(requestId !== undefined && { requestId }) };
  const answer = await submitted(gateway.submit(submission));
  const reservation = { id: heldId, token: guestToken(tokenSecret, heldId) };
  if (answer.kind !== 'answered') {
    return first ? unansweredProblem(answer, { keyed, reservation }) : outcomeUnknown({ keyed, reservation });
  }
  const { result } = answer;
  if (result.kind === 'held') {
    if (first) metrics.holds.inc();
    return result.reservation;
  }
  // A repeat that was not decided anew says nothing about what its first did.
  const undecided = result.kind === 'deadline_passed' || result.kind === 'outbox_full';
  if (result.kind === 'failed' || (undecided && !first)) return outcomeUnknown({ keyed, reservation });
  return refused(result);
}

/** A submission that fails may have been accepted all the same. */
function submitted(answer: Promise<SubmissionResult>): Promise<SubmissionResult> {
  return answer.catch(() => ({ kind: 'unknown' }));
}

function refused(result: CommandResult): Problem {
  if (isRefusal(result)) return refusalProblem(result);
  throw new Error(`a command answered ${result.kind}, which it cannot`);
}

function readRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations/{id}',
    tag: 'reservations',
    summary: 'Read a reservation',
    security: WITH_TOKEN,
    params: idParams,
    responses: { 200: { description: 'As it stands now', schema: reservationSchema } },
    problems: ['unauthorized', 'forbidden', 'overloaded'],
    handle: async (input) => {
      const ref = authorize(options, input);
      if (ref instanceof Problem) return ref;
      const reservation = await read(options, ref.reservationId);
      return reservation ? { status: 200, body: reservationJson(reservation) } : notFound('This reservation');
    },
  });
}

function read({ clock, waitMs, reader }: ReservationsOptions, id: string): Promise<Reservation | null> {
  return bounded(clock, waitMs, 'reservations', reader.find(id));
}

function mineRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations',
    tag: 'reservations',
    summary: 'My reservations',
    description: `Those of the tokens presented (at most ${TOKENS_MAX}), newest first.`,
    security: WITH_TOKEN,
    responses: {
      200: { description: 'Newest first', schema: z.object({ reservations: z.array(reservationSchema) }) },
    },
    problems: ['unauthorized', 'forbidden', 'validation_failed', 'overloaded'],
    handle: async (input) => {
      const tokens = tokensOf(input);
      if (tokens instanceof Problem) return tokens;
      const ids = new Set(
        tokens.map((token) => verifyToken(options.tokenSecret, token)).filter((id) => id !== null),
      );
      if (ids.size === 0) return new Problem('forbidden');
      const found = await Promise.all([...ids].map((id) => read(options, id)));
      const reservations = found
        .filter((reservation) => reservation !== null)
        .sort((a, b) => b.createdAt - a.createdAt)
        .map(reservationJson);
      return { status: 200, body: { reservations } };
    },
  });
}

const CARD_NUMBER = /^\d{12,19}$/;
const digitsOf = (text: string): string => text.replace(/[\s-]/g, '');

/** Existing clients write numbers as numbers or as text. */
const digitsSchema = z.union([z.string().max(30), z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)]);
const digits = (pattern: RegExp, message: string): z.ZodType<string> =>
  digitsSchema.transform((value) => digitsOf(String(value))).pipe(z.string().regex(pattern, message));

// Dates are not compared with today: the cards that existing clients send are long past theirs, and the
// sandbox goes by the number alone.
const cardSchema = z
  .object({
    number: digits(CARD_NUMBER, 'a card number has 12 to 19 digits'),
    expirationMonth: digits(/^(0?[1-9]|1[0-2])$/, 'a month is 1 to 12'),
    expirationYear: digits(/^(\d{2}|\d{4})$/, 'a year has 2 or 4 digits'),
    cvc: digits(/^\d{3,4}$/, 'a cvc has 3 or 4 digits'),
  })
  .meta({ id: 'Card', description: 'A test card of the sandbox.' });

const METHOD_CHARS_MAX = 200;
const paymentSchema = z
  .object({
    paymentMethod: z
      .union([z.string().trim().min(1).max(METHOD_CHARS_MAX), cardSchema])
      .meta({ description: 'A payment method id; in the sandbox a test card, or its number.' }),
  })
  .meta({ id: 'Payment' });

const TOKEN_FLOW =
  'Card numbers are taken by the sandbox only. Make a payment method with Stripe.js and send its id (pm_...) to POST /api/v1/reservations/{id}/payment.';

/** What the provider is given; a refusal where a raw card would reach a real one. */
function paymentMethodOf(
  { flow }: ReservationsOptions,
  { paymentMethod }: z.output<typeof paymentSchema>,
): string | Problem {
  const given = typeof paymentMethod === 'string' ? paymentMethod : paymentMethod.number;
  const isCard = CARD_NUMBER.test(digitsOf(given));
  if (isCard && flow.providerKind !== 'sandbox') {
    return validationFailed([{ path: 'paymentMethod', message: TOKEN_FLOW }]);
  }
  return isCard ? digitsOf(given) : given;
}

function payRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/reservations/{id}/payment',
    tag: 'reservations',
    summary: 'Pay for a hold',
    security: WITH_TOKEN,
    params: idParams,
    headers: keyHeader,
    body: paymentSchema,
    responses: { 200: { description: 'RESERVED, durably', schema: reservationSchema } },
    problems: ['unauthorized', 'forbidden', 'payment_declined', 'hold_expired', 'overloaded'],
    handle: async (input) => {
      const ref = authorize(options, input);
      if (ref instanceof Problem) return ref;
      const method = paymentMethodOf(options, input.body);
      if (method instanceof Problem) return method;
      const identity = await identify(options, 'payment', ref, input, input.body);
      if (identity.kind === 'conflict') return CONFLICT;
      const result = await options.flow.pay(ref, method, idsOf(identity, input.requestId));
      return paid(options, result, identity);
    },
  });
}

function identify(
  { idempotency }: ReservationsOptions,
  route: string,
  { reservationId: caller }: ReservationRef,
  { headers }: { readonly headers: KeyHeader },
  body: unknown,
): ReturnType<Idempotency['identify']> {
  // Only the holder of the token comes this far, so a short key need not be tied to an address.
  return idempotency.identify({ route, caller, key: headers['Idempotency-Key'], body });
}

function paid({ metrics }: ReservationsOptions, result: PaymentResult, identity: RequestIdentity): Handled {
  if (result.kind !== 'reserved') return paymentProblem(result, identity);
  if (identity.first) metrics.sales.inc();
  return { status: 200, body: reservationJson(result.reservation) };
}

function paymentProblem(
  result: Exclude<PaymentResult, { kind: 'reserved' }>,
  { keyed, first }: RequestIdentity,
): Problem {
  switch (result.kind) {
    case 'declined':
      return new Problem('payment_declined', {
        detail: `The payment was declined (${result.reason}). Nothing was charged and the tickets were given back.`,
        members: { reason: result.reason },
      });
    case 'hold_expired':
      return new Problem('hold_expired', {
        detail: result.refunded
          ? 'The hold had ended before the payment came through; the charge was refunded.'
          : 'The hold has ended; nothing was charged.',
        members: { refunded: result.refunded },
      });
    case 'overloaded':
      return first ? overloaded(result.retryAfterMs) : outcomeUnknown({ keyed });
    case 'unknown':
      return outcomeUnknown({ keyed });
  }
}

function cancelRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/reservations/{id}',
    tag: 'reservations',
    summary: 'Give a hold back',
    security: WITH_TOKEN,
    params: idParams,
    headers: keyHeader,
    responses: { 200: { description: 'CANCELLED', schema: reservationSchema } },
    problems: ['unauthorized', 'forbidden', 'hold_expired', 'invalid_state', 'overloaded'],
    handle: async (input) => {
      const ref = authorize(options, input);
      if (ref instanceof Problem) return ref;
      const identity = await identify(options, 'cancel', ref, input, null);
      if (identity.kind === 'conflict') return CONFLICT;
      const result = await options.flow.cancel(ref, idsOf(identity, input.requestId));
      switch (result.kind) {
        case 'released':
          return { status: 200, body: reservationJson(result.reservation) };
        case 'not_live':
          return alreadyEnded(await read(options, ref.reservationId));
        case 'wrong_state':
          return refusalProblem(result);
        case 'overloaded':
          return identity.first ? overloaded(result.retryAfterMs) : outcomeUnknown({ keyed: identity.keyed });
        case 'unknown':
          return outcomeUnknown({ keyed: identity.keyed });
      }
    },
  });
}

/** Cancelling what was cancelled is no mistake; what ended otherwise is told. */
function alreadyEnded(reservation: Reservation | null): Handled {
  if (!reservation) return notFound('This reservation');
  switch (reservation.status) {
    case 'CANCELLED':
      return { status: 200, body: reservationJson(reservation) };
    case 'PENDING':
    case 'PAYING':
    case 'EXPIRED':
      return refusalProblem({ kind: 'hold_expired' });
    case 'RESERVED':
    case 'REFUNDED':
      return refusalProblem({ kind: 'wrong_state', reservation });
  }
}

/** Existing clients of this market expect these. */
const ONE_SHOT_INVALID_STATUS = 403;
const ONE_SHOT_DECLINED_STATUS = 400;

function oneShotRoute(options: ReservationsOptions): Route {
  const body = z
    .object({
      email: emailSchema,
      matchNumber: matchNumberSchema,
      tickets: z.object({
        category: categorySchema,
        quantity: z.number().int().min(1).max(options.ticketsPerReservationMax),
        price: priceSchema,
      }),
      card: cardSchema,
    })
    .meta({ id: 'Purchase' });
  return defineRoute({
    method: 'post',
    path: '/api/reservation',
    tag: 'reservations',
    summary: 'Hold and pay at once',
    description:
      'For clients that know one request only. A body that does not validate is 403, a decline is 400.',
    headers: keyHeader,
    body,
    invalidBodyStatus: ONE_SHOT_INVALID_STATUS,
    responses: { 200: { description: 'Bought', schema: purchaseSchema } },
    problems: [
      'sold_out',
      'temporarily_unavailable',
      'purchase_limit',
      'hold_expired',
      'sales_closed',
      'not_found',
      'overloaded',
    ],
    handle: (input) => purchase(options, input.body, input),
  });
}

const purchaseSchema = z
  .object({
    message: z.string(),
    id: z.string(),
    email: z.string(),
    matchNumber: z.number().int(),
    category: z.number().int(),
    quantity: z.number().int(),
    price: z.number(),
  })
  .meta({ id: 'Purchased' });

interface Purchase {
  readonly email: string;
  readonly matchNumber: number;
  readonly tickets: { readonly category: number; readonly quantity: number; readonly price: number };
  readonly card: z.output<typeof cardSchema>;
}

async function purchase(
  options: ReservationsOptions,
  body: Purchase,
  { headers, address, requestId }: RouteInput<unknown, unknown, KeyHeader, unknown>,
): Promise<Handled> {
  const { email, matchNumber, tickets, card } = body;
  const { flow, idempotency, metrics } = options;
  if (flow.providerKind !== 'sandbox') return new Problem('forbidden', { detail: TOKEN_FLOW });
  const wanted = { email, matchNumber, ...tickets };
  if (!(await options.knows(wanted))) return notFound('This ticket');
  const key = headers['Idempotency-Key'];
  const identity = await idempotency.identify({ route: 'one-shot', caller: email, address, key, body });
  if (identity.kind === 'conflict') return CONFLICT;
  const ids = idsOf(identity, requestId);
  const held = await hold(options, wanted, { ...ids, id: `${ids.id}-hold` }, identity);
  if (held instanceof Problem) return oneShotProblem(held);
  const ref = { ticket: { matchNumber, category: tickets.category }, reservationId: held.id };
  const result = await flow.pay(ref, card.number, { ...ids, id: `${ids.id}-pay` });
  if (result.kind !== 'reserved') return oneShotUnpaid(options, result, ref, identity, ids);
  if (identity.first) metrics.sales.inc();
  return { status: 200, body: purchased(result.reservation) };
}

function purchased(reservation: Reservation): z.output<typeof purchaseSchema> {
  const { id, email, matchNumber, category, quantity, unitPrice } = reservation;
  return {
    message: 'Ticket purchase successful',
    id,
    email,
    matchNumber,
    category,
    quantity,
    price: unitPrice,
  };
}

/** A price that does not match is a body that does not validate. */
function oneShotProblem(problem: Problem): Problem {
  return problem.code === 'validation_failed' ? problem.withStatus(ONE_SHOT_INVALID_STATUS) : problem;
}

async function oneShotUnpaid(
  { flow, tokenSecret }: ReservationsOptions,
  result: Exclude<PaymentResult, { kind: 'reserved' }>,
  ref: ReservationRef,
  identity: RequestIdentity,
  ids: FlowIds,
): Promise<Problem> {
  const { keyed } = identity;
  const reservation = { id: ref.reservationId, token: guestToken(tokenSecret, ref.reservationId) };
  switch (result.kind) {
    case 'declined':
      return paymentProblem(result, identity).withStatus(ONE_SHOT_DECLINED_STATUS);
    case 'hold_expired':
      return paymentProblem(result, identity);
    case 'unknown':
      return outcomeUnknown({ keyed, reservation });
    case 'overloaded':
      // With a key the hold stands: the repeat that is asked for goes on with it.
      if (keyed) return outcomeUnknown({ keyed, reservation });
      return (await flow.cancel(ref, { ...ids, id: `${ids.id}-undo` })).kind === 'released'
        ? overloaded(result.retryAfterMs)
        : outcomeUnknown({ keyed, reservation });
  }
}
