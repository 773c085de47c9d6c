/**
 * Reservations: hold, pay, cancel, read, and the one-shot purchase of existing clients.
 *
 * Guarantees: a request repeated under its Idempotency-Key has one effect and one answer; a reservation is
 * shown, paid or cancelled only by whose it is (buyer.ts); a 2xx is sent only for what is committed, and
 * RESERVED only for what is durable. Handlers stay thin: the rules decide in the actor, the money in
 * `PaymentFlow`, who may go on in `Buyers`.
 */
import { z } from 'zod';
import type { Clock, CommandResult } from '../actors/ports.js';
import { CATEGORIES, MATCH_NUMBER_MAX } from '../catalog/match.js';
import type { Message } from '../catalog/notices.js';
import type { Archive } from '../archive/port.js';
import { acceptLanguage, negotiatedLocale } from '../mail/locale.js';
import { paymentJson, paymentStateSchema } from '../payments/routes.js';
import type { PaymentRecords } from '../payments/records.js';
import type { AccountIndex } from '../redis/account-index.js';
import type { Principal } from '../users/principal.js';
import type { GuestPolicy } from './buyer.js';
import { attemptIdOf } from '../payments/flow.js';
import type { BuyerFacts, FlowIds, PaymentFlow, PaymentResult, ReservationRef } from '../payments/flow.js';
import type { HoldLimits, Reservation, ReservationStatus, TicketId } from '../rules/index.js';
import { COUNTRY } from '../geo/country.js';
import { CODE_CHARS_MAX } from '../phases/codes.js';
import type { Admitted, SaleGate } from '../phases/sale-gate.js';
import { passHeader, type RoomGate } from '../waiting-room/gate.js';
import { defineRoute, type Handled, type Route, type RouteInput } from './api.js';
import { bounded } from './bounded.js';
import type { Idempotency, RequestIdentity } from './idempotency.js';
import { TOKENS_MAX, noSuchReservation, subjectOf, unconfirmed, type Buyer, type Buyers } from './buyer.js';
import type { GuestPurchases } from './guest-purchases.js';
import { RESERVATION_ID, guestToken, reservationId } from './identity.js';
import type { Metrics } from './metrics.js';
import { ownReservations } from './own-reservations.js';
import type { CommandGateway, ReservationReader, SubmissionResult } from './ports.js';
import {
  Problem,
  isRefusal,
  notFound,
  outcomeUnknown,
  overloaded,
  refusalProblem,
  validationFailed,
} from './problem.js';

export interface ReservationsOptions {
  readonly gateway: CommandGateway;
  /** Whether the command of this id was accepted here, and its outcome is not known yet. */
  readonly isUnderWay: (ticket: TicketId, id: string) => boolean;
  readonly reader: ReservationReader;
  readonly flow: PaymentFlow;
  readonly idempotency: Idempotency;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly buyers: Buyers;
  /** Stands before new holds; absent: nothing does. */
  readonly room?: RoomGate;
  /** What buyers are told while sales of the ticket are stopped. */
  readonly pauseMessage: (ticket: TicketId) => Message | null;
  /** Newest first. */
  readonly archived: Pick<Archive, 'reservationsByEmail'>;
  readonly accountIndex: Pick<AccountIndex, 'add' | 'newest'>;
  readonly records: Pick<PaymentRecords, 'get'>;
  /** Of a guest: what was bought with this address before, durably. */
  readonly isEmailConfirmed: (email: string) => Promise<boolean>;
  readonly guests: GuestPolicy;
  readonly guestPurchases: Pick<GuestPurchases, 'claim'>;
  readonly taxName: string;
  readonly taxPercent: number;
  /** Makes the tokens; whoever has it can open every reservation. */
  readonly tokenSecret: string;
  readonly ticketsPerReservationMax: number;
  /** Persons who may wait for tickets of one ticket. */
  readonly waitingListMax: number;
  /** How long a read may take. */
  readonly waitMs: number;
  /** In which country an address is, ISO 3166-1 alpha-2; null when that is not known. */
  readonly countryOf: (address: string) => string | null;
  /** Whether the sale of a ticket lets a buyer in now. Absent: nothing is sold in phases. */
  readonly sale?: Pick<SaleGate, 'admit'>;
  /** Whether there is such a ticket: nobody may fill Redis with queues of tickets that do not exist. */
  readonly knows: (ticket: TicketId) => Promise<boolean>;
}

export function reservationRoutes(options: ReservationsOptions): Route[] {
  return [
    holdRoute(options),
    mineRoute(options),
    termsRoute(options),
    readRoute(options),
    payRoute(options),
    paymentStateRoute(options),
    cancelRoute(options),
    oneShotRoute(options),
  ];
}

const EMAIL_CHARS_MAX = 254;
export const emailSchema = z
  .string()
  .max(EMAIL_CHARS_MAX)
  .trim()
  .toLowerCase()
  .pipe(z.email())
  .meta({ description: 'Required from guests; that of the account otherwise.', format: 'email' });
export const matchNumberSchema = z.number().int().min(1).max(MATCH_NUMBER_MAX);
export const categorySchema = z.number().int().min(1).max(CATEGORIES.length);
const priceSchema = z.number().positive().meta({ description: 'The price per ticket the buyer saw.' });

const RESERVATION_STATUSES = [
  'PENDING',
  'PAYING',
  'RESERVED',
  'CANCELLED',
  'EXPIRED',
  'REFUNDED',
] as const satisfies readonly ReservationStatus[];

export const reservationSchema = z
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
    offer: z.literal(true).optional().meta({ description: 'It was offered from the waiting list.' }),
  })
  .meta({ id: 'Reservation' });

const heldSchema = reservationSchema
  .extend({
    token: z.string().meta({ description: 'Reads, pays and cancels this reservation. Keep it secret.' }),
  })
  .meta({ id: 'HeldReservation' });

/** What people see of a reservation. */
export function reservationJson(reservation: Reservation): z.output<typeof reservationSchema> {
  const { id, status, matchNumber, category, quantity, unitPrice, currency, email, reason, offer } =
    reservation;
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
    ...(offer && { offer: true as const }),
  };
}

const KEY_CHARS_MAX = 255;
export const keyHeader = z.object({
  'Idempotency-Key': z
    .string()
    .min(1)
    .max(KEY_CHARS_MAX)
    .regex(/^[\x21-\x7e]+$/, 'visible ASCII only')
    .optional()
    .meta({ description: 'Same key and body: the first answer again. At least 16 random characters.' }),
});
type KeyHeader = z.output<typeof keyHeader>;
const holdHeader = keyHeader.extend(passHeader);
const payHeader = keyHeader.extend({ 'Accept-Language': acceptLanguage });
type PayHeader = z.output<typeof payHeader>;
const oneShotHeader = payHeader.extend(passHeader).extend({
  'Access-Code': z
    .string()
    .max(CODE_CHARS_MAX)
    .optional()
    .meta({ description: 'The code of a presale: the body has no place for it.' }),
});
type OneShotHeader = z.output<typeof oneShotHeader>;

/** What is kept of the buyer with the payment. */
function buyerFacts(headers: PayHeader): BuyerFacts {
  const locale = negotiatedLocale(headers['Accept-Language']);
  return locale === undefined ? {} : { locale };
}

export const idParams = z.object({ id: z.string().regex(RESERVATION_ID) });

export const OF_OWNER = ['reservationToken', 'reservationTokenHeader', 'accessToken'] as const;

type IdInput = Pick<
  RouteInput<{ id: string }, unknown, unknown, unknown>,
  'params' | 'request' | 'principal' | 'address'
>;

/** Whether the request may act on the reservation its path names; asked before its body is read. */
const authorizeOwner =
  (options: ReservationsOptions) =>
  (input: IdInput): Promise<Problem | null> | Problem =>
    options.buyers.refOf(input.params.id)
      ? options.buyers.authorize(input.params.id, input, (id) => options.reader.find(id))
      : noSuchReservation();

/** `authorizeOwner` let only ids through that name a ticket. */
function refOf({ buyers }: ReservationsOptions, id: string): ReservationRef {
  const ref = buyers.refOf(id);
  if (!ref) throw new Error(`${id} is no reservation id`);
  return ref;
}

export const CONFLICT = validationFailed([
  { path: 'Idempotency-Key', message: 'was used with another body' },
]);

const idsOf = ({ id, keepMs }: RequestIdentity, requestId: string): FlowIds => ({ id, keepMs, requestId });

function holdRoute(options: ReservationsOptions): Route {
  const body = z
    .object({
      matchNumber: matchNumberSchema,
      category: categorySchema,
      quantity: z.number().int().min(1).max(options.ticketsPerReservationMax),
      email: emailSchema.optional(),
      price: priceSchema.optional(),
      country: z.string().regex(COUNTRY, 'two capital letters').optional().meta({
        description:
          'Where the buyer is, ISO 3166-1 alpha-2: for figures only. When absent, what is known of the address.',
      }),
      accessCode: z
        .string()
        .max(CODE_CHARS_MAX)
        .optional()
        .meta({ description: 'The code of a presale. It may be corrected under the same Idempotency-Key.' }),
    })
    .meta({ id: 'Hold' });
  return defineRoute({
    method: 'post',
    path: '/api/v1/reservations',
    tag: 'reservations',
    summary: 'Hold tickets',
    description: 'As a guest with an e-mail address, or logged in. The answer to a guest carries a token.',
    security: ['accessToken'],
    routeClass: 'hold',
    headers: holdHeader,
    body,
    responses: { 201: { description: 'Held until `expiresAt`', schema: heldSchema } },
    problems: [
      'sold_out',
      'temporarily_unavailable',
      'purchase_limit',
      'sales_closed',
      'sales_paused',
      ...PHASED,
      'not_found',
      'unauthorized',
      'waiting_room',
      ...CHECKED,
      'overloaded',
    ],
    handle: async (input) => {
      const { body, headers, address, requestId, principal } = input;
      const buyer = options.buyers.buyerOf(principal, body.email);
      if (buyer instanceof Problem) return buyer;
      const caller = buyer.account ?? buyer.email;
      // Like the solution of a challenge, the code is no part of what is asked for.
      const { accessCode, ...asks } = body;
      const wanted = { ...asks, email: buyer.email };
      if (!(await options.knows(wanted))) return notFound('This ticket');
      const barred = options.room?.refusal(buyer, input) ?? null;
      // Without a key it is no repeat of what was held.
      if (barred && headers['Idempotency-Key'] === undefined) return barred;
      const asked = { route: 'hold', caller, address, key: headers['Idempotency-Key'], body: wanted };
      const [refusal, identity] = await Promise.all([
        barred ?? options.buyers.refusal(buyer, 'hold', input),
        options.idempotency.identify(asked),
      ]);
      if (identity.kind === 'conflict') return CONFLICT;
      // What was answered before, or is about to be, is answered again, also to one who may not hold anew now; that the
      // key was used says nothing, because it may have been refused then.
      const isRepeat =
        !identity.first &&
        (options.isUnderWay(wanted, identity.id) || (await isHeld(options, wanted, identity.id)));
      if (refusal && !isRepeat) return refusal;
      const admitted = isRepeat ? {} : await admit(options, wanted, buyer, { accessCode, address });
      if (admitted instanceof Problem) return admitted;
      const from = body.country ?? options.countryOf(address);
      const held = await hold(
        options,
        { ...wanted, ...buyer, ...admitted, country: from },
        idsOf(identity, requestId),
        identity,
      );
      if (held instanceof Problem) return held;
      options.room?.held(input);
      return {
        status: 201,
        body: { ...reservationJson(held), token: guestToken(options.tokenSecret, held.id) },
        headers: { Location: `/api/v1/reservations/${held.id}` },
      };
    },
  });
}

/** What the security check of a person may answer. */
export const CHECKED = ['challenge_required', 'blocked', 'rate_limited', 'email_unconfirmed'] as const;

/** What a sale phase may answer to who wants to hold. */
export const PHASED = [
  'not_on_sale',
  'access_code_required',
  'access_code_invalid',
  'country_not_allowed',
] as const;

/** Whether the sale lets the buyer in now, and to what limits. */
async function admit(
  { sale }: ReservationsOptions,
  ticket: TicketId,
  buyer: Buyer,
  { accessCode, address }: { readonly accessCode: string | undefined; readonly address: string },
): Promise<Admitted | Problem> {
  return sale ? sale.admit(ticket, { person: subjectOf(buyer), accessCode, address }) : {};
}

/** Whether the command of this id has held something before. */
async function isHeld(options: ReservationsOptions, ticket: TicketId, id: string): Promise<boolean> {
  return (await options.reader.find(reservationId(ticket, id))) !== null;
}

interface Wanted extends Buyer {
  readonly matchNumber: number;
  readonly category: number;
  readonly quantity: number;
  readonly price?: number | undefined;
  /** Where the buyer is; null when that is not known. */
  readonly country: string | null;
  /** Of the sale phase that lets the buyer in. */
  readonly limits?: HoldLimits;
}

async function hold(
  options: ReservationsOptions,
  { matchNumber, category, quantity, email, person, account, price, country, limits }: Wanted,
  { id, keepMs, requestId }: FlowIds,
  { keyed, first }: RequestIdentity,
): Promise<Reservation | Problem> {
  const { gateway, tokenSecret, metrics, accountIndex, buyers, clock, waitMs } = options;
  const ticket = { matchNumber, category };
  const heldId = reservationId(ticket, id);
  const body = {
    type: 'hold' as const,
    reservationId: heldId,
    quantity,
    email,
    person,
    ...(account !== undefined && { account }),
    ...(country !== null && { country }),
    ...(price !== undefined && { price }),
    ...(limits && { limits }),
  };
  const submission = { ticket, id, body, keepMs, ...(requestId !== undefined && { requestId }) };
  // Before it is answered: the account's next read must have it.
  const [answer] = await Promise.all([
    submitted(gateway.submit(submission)),
    account === undefined
      ? undefined
      : // Without it the account's list has the hold a little later.
        bounded(clock, waitMs, 'account index', accountIndex.add(account, heldId)).catch(() => undefined),
  ]);
  // With it the hold can be found again, if there is one.
  const unknown = (): Problem =>
    outcomeUnknown({ keyed, reservation: { id: heldId, token: guestToken(tokenSecret, heldId) } });
  const result = decidedOf(answer, first, unknown);
  if (result instanceof Problem) return result;
  if (result.kind === 'held') {
    if (first) {
      metrics.holds.inc();
      buyers.security.tell({
        kind: 'held',
        person: subjectOf({ person, ...(account !== undefined && { account }) }),
      });
    }
    return result.reservation;
  }
  return result.kind === 'paused' ? paused(options.pauseMessage(ticket)) : refused(result);
}

/** A submission that fails may have been accepted all the same. */
export function submitted(answer: Promise<SubmissionResult>): Promise<SubmissionResult> {
  return answer.catch(() => ({ kind: 'unknown' }));
}

/** What a command came to; `unknown` where that is not known, of a repeat also what its first did. */
export function decidedOf(
  answer: SubmissionResult,
  first: boolean,
  unknown: () => Problem,
): CommandResult | Problem {
  if (answer.kind !== 'answered') {
    return first && answer.kind === 'overloaded' ? overloaded(answer.retryAfterMs) : unknown();
  }
  const { result } = answer;
  // A repeat that was not decided anew says nothing about what its first did.
  const isUndecided = result.kind === 'deadline_passed' || result.kind === 'outbox_full';
  return result.kind === 'failed' || (isUndecided && !first) ? unknown() : result;
}

/** With the words of whoever stopped the sales. */
export function paused(message: Message | null): Problem {
  return new Problem('sales_paused', {
    detail: message?.en ?? 'Sales of this ticket are paused for now.',
    ...(message && { members: { message } }),
  });
}

function refused(result: CommandResult): Problem {
  if (isRefusal(result)) return refusalProblem(result);
  throw new Error(`a command answered ${result.kind}, which it cannot`);
}

/** Beside the ids: none of them can be this word. */
function termsRoute({ guests, ticketsPerReservationMax, waitingListMax }: ReservationsOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations/terms',
    tag: 'reservations',
    summary: 'What a hold may ask for here',
    responses: {
      200: {
        description: 'As this shop is set up',
        schema: z.object({
          ticketsPerReservationMax: z.number().int(),
          guests: z.boolean().meta({ description: 'Whether one may buy without an account.' }),
          waitingList: z.boolean().meta({ description: 'Whether one may wait for what is sold out.' }),
        }),
      },
    },
    handle: () => ({
      status: 200,
      body: { ticketsPerReservationMax, guests: guests !== 'none', waitingList: waitingListMax > 0 },
    }),
  });
}

function readRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations/{id}',
    tag: 'reservations',
    summary: 'Read a reservation',
    security: OF_OWNER,
    params: idParams,
    responses: { 200: { description: 'As it stands now', schema: reservationSchema } },
    problems: ['unauthorized', 'forbidden', 'overloaded'],
    authorize: authorizeOwner(options),
    handle: async ({ params }) => {
      const reservation = await options.reader.find(params.id);
      return reservation ? { status: 200, body: reservationJson(reservation) } : notFound('This reservation');
    },
  });
}

const RESERVATIONS_PER_PAGE_MAX = 100;

function mineRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations',
    tag: 'reservations',
    summary: 'My reservations',
    description:
      `Those of the tokens presented (at most ${TOKENS_MAX}) and, logged in, those of the account and of its ` +
      'confirmed e-mail address. Newest first; `next` is there while there are more.',
    security: OF_OWNER,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(RESERVATIONS_PER_PAGE_MAX).default(RESERVATIONS_PER_PAGE_MAX),
      after: z.string().max(500).optional().meta({ description: 'The `next` of the page before.' }),
    }),
    responses: {
      200: {
        description: 'Newest first',
        schema: z.object({ reservations: z.array(reservationSchema), next: z.string().optional() }),
      },
    },
    problems: ['unauthorized', 'forbidden', 'validation_failed', 'overloaded'],
    handle: async (input) => {
      const opened = options.buyers.tokensOf(input);
      if (opened instanceof Problem) return opened;
      const { limit, after } = input.query;
      const page = { limit, ...(after !== undefined && { after }) };
      const own = input.principal ? await ownReservations(options, input.principal, page) : { items: [] };
      const known = new Set(own.items.map(({ id }) => id));
      const others = [...opened].filter((id) => after === undefined && !known.has(id));
      const found = await Promise.all(others.map((id) => options.reader.find(id)));
      const reservations = [...own.items, ...found.filter((reservation) => reservation !== null)]
        .sort((a, b) => b.createdAt - a.createdAt)
        .map(reservationJson);
      return { status: 200, body: { reservations, ...(own.next !== undefined && { next: own.next }) } };
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

const actionSchema = z
  .object({
    status: z.literal('requires_action'),
    clientSecret: z.string().meta({ description: "For Stripe.js in the buyer's browser; keep it secret." }),
    nextAction: z.object({
      type: z.string(),
      url: z.string().optional().meta({ description: "Where the buyer's browser goes." }),
    }),
    reservation: reservationSchema,
  })
  .meta({ id: 'RequiresAction' });

/** Why the buyer may not pay now: the checks of a person, and an address that must be confirmed first. */
async function payerRefusal(
  options: ReservationsOptions,
  { reservationId: id }: ReservationRef,
  requestId: string,
  input: Parameters<Buyers['refusal']>[2],
): Promise<Problem | null> {
  const reservation = await options.reader.find(id);
  // Nothing is charged for what is paid.
  if (!reservation || reservation.status === 'RESERVED' || reservation.status === 'REFUNDED') return null;
  // A repeat of an attempt that was let through is told how it went.
  const attemptId = attemptIdOf(id, requestId);
  if (reservation.attempts?.some((attempt) => attempt.id === attemptId)) return null;
  return (
    (await options.buyers.refusal(reservation, 'pay', input)) ??
    (await addressRefusal(options, reservation, input.principal)) ??
    (await placeRefusal(options, reservation))
  );
}

type Payer = Pick<Reservation, 'id' | 'email' | 'person' | 'account'>;

/** An address is confirmed before another purchase than this one. */
async function addressRefusal(
  options: ReservationsOptions,
  { id, email, person, account }: Payer,
  principal: Principal | null,
): Promise<Problem | null> {
  const isProved = principal?.emailConfirmed === true && principal.accountId === account;
  if (options.guests === 'open' || isProved) return null;
  const hasBought =
    (await options.buyers.security.hasBought(person)) || (await hasBoughtBefore(options, { id, email }));
  return hasBought && !(await options.isEmailConfirmed(email)) ? unconfirmed() : null;
}

/** Of several purchases with an unconfirmed address at the same moment one is charged. */
async function placeRefusal(
  options: ReservationsOptions,
  { id, email, person }: Payer,
): Promise<Problem | null> {
  if (options.guests === 'open' || (await options.isEmailConfirmed(email))) return null;
  const isOver = async (other: string): Promise<boolean> => {
    const status = (await options.reader.find(other))?.status;
    return status !== 'PENDING' && status !== 'PAYING' && status !== 'RESERVED';
  };
  return (await options.guestPurchases.claim(person, id, isOver)) ? null : unconfirmed();
}

const PURCHASES_LOOKED_AT = 50;

/** From the archive, because what Redis remembers of buyers may be lost. */
async function hasBoughtBefore(
  { archived, clock, waitMs }: ReservationsOptions,
  { id, email }: Pick<Reservation, 'id' | 'email'>,
): Promise<boolean> {
  const page = await bounded(
    clock,
    waitMs,
    'archive',
    archived.reservationsByEmail(email, { limit: PURCHASES_LOOKED_AT }),
  );
  return page.items.some((other) => other.id !== id && other.status === 'RESERVED');
}

function payRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/reservations/{id}/payment',
    tag: 'reservations',
    summary: 'Pay for a hold',
    security: OF_OWNER,
    params: idParams,
    headers: payHeader,
    body: paymentSchema,
    routeClass: 'pay',
    responses: {
      200: { description: 'RESERVED, durably', schema: reservationSchema },
      202: {
        description: 'The buyer must authenticate the payment; then ask again with the same key',
        schema: actionSchema,
      },
    },
    problems: [
      'unauthorized',
      'forbidden',
      'payment_declined',
      'sold_out',
      'temporarily_unavailable',
      'purchase_limit',
      'sales_closed',
      'sales_paused',
      'hold_expired',
      ...CHECKED,
      'overloaded',
    ],
    authorize: authorizeOwner(options),
    handle: async (input) => {
      const ref = refOf(options, input.params.id);
      const method = paymentMethodOf(options, input.body);
      if (method instanceof Problem) return method;
      const identity = await identify(options, 'payment', ref, input, input.body);
      if (identity.kind === 'conflict') return CONFLICT;
      const refusal = await payerRefusal(options, ref, identity.id, input);
      if (refusal) return refusal;
      const ids = idsOf(identity, input.requestId);
      const result = await options.flow.pay(ref, method, ids, buyerFacts(input.headers));
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

function paid(options: ReservationsOptions, result: PaymentResult, identity: RequestIdentity): Handled {
  if (identity.first) tellOf(options, result);
  switch (result.kind) {
    case 'reserved':
      return { status: 200, body: reservationJson(result.reservation) };
    case 'requires_action': {
      const { clientSecret, nextAction, reservation } = result;
      const body = {
        status: 'requires_action',
        clientSecret,
        nextAction,
        reservation: reservationJson(reservation),
      };
      return { status: 202, body };
    }
    default:
      return paymentProblem(result, identity);
  }
}

/** What the security check learns of a payment that was no sale; of sales `PaymentFlow` tells. */
function tellOf({ buyers: { security } }: ReservationsOptions, result: PaymentResult): void {
  if (result.kind !== 'declined') return;
  const { card } = result.reservation;
  const person = subjectOf(result.reservation);
  security.tell({ kind: 'declined', person });
  if (card !== undefined) security.tell({ kind: 'card', person, fingerprint: card });
}

function paymentStateRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations/{id}/payment',
    tag: 'reservations',
    summary: 'How its payment stands',
    description:
      'With the tax contained, what was given back, and what became of a payment that came too late.',
    security: OF_OWNER,
    params: idParams,
    responses: { 200: { description: 'As it was seen last', schema: paymentStateSchema } },
    problems: ['unauthorized', 'forbidden', 'overloaded'],
    authorize: authorizeOwner(options),
    handle: async ({ params }) => {
      const { paymentId } = (await options.reader.find(params.id)) ?? {};
      const record = paymentId === undefined ? null : await options.records.get(paymentId);
      if (paymentId === undefined || !record) return notFound('A payment of this reservation');
      return { status: 200, body: paymentJson(paymentId, record, options) };
    },
  });
}

function paymentProblem(
  result: Exclude<PaymentResult, { kind: 'reserved' | 'requires_action' }>,
  { keyed, first }: RequestIdentity,
): Problem {
  switch (result.kind) {
    case 'declined':
      return declinedProblem(result);
    case 'unavailable':
      return unavailableProblem(result);
    case 'refunded':
      return new Problem('invalid_state', {
        detail: 'The tickets were paid and refunded since; nothing was charged now.',
        members: { reservationStatus: 'REFUNDED' },
      });
    case 'hold_expired':
      return new Problem('hold_expired', {
        detail: result.refunded
          ? 'The hold had ended before the payment came through; the charge was refunded.'
          : 'The hold has ended; nothing was charged.',
        members: { refunded: result.refunded },
      });
    case 'provider_away':
      return providerAway(result, first);
    case 'overloaded':
      return first ? overloaded(result.retryAfterMs) : outcomeUnknown({ keyed });
    case 'unknown':
      return outcomeUnknown({ keyed });
  }
}

/** Beside a repeat the request that it repeats may still be under way: what that one does is not known here. */
function providerAway(
  { reservation, retryAfterMs }: Extract<PaymentResult, { kind: 'provider_away' }>,
  isFirst: boolean,
): Problem {
  const isHeld = reservation.status === 'PENDING';
  const heldUntil = new Date(reservation.expiresAt).toISOString();
  const tickets = isHeld
    ? `your tickets are held until ${heldUntil}`
    : `the tickets can be paid for until ${heldUntil}, if they are still to be had`;
  const charged = isFirst ? 'Nothing was charged' : 'This request charged nothing';
  return new Problem('overloaded', {
    retryAfterMs,
    detail: `The payment provider is away. ${charged}, and ${tickets}: please try again shortly.`,
    members: { outcome: isFirst ? 'refused' : 'unknown', ...(isHeld && { heldUntil }) },
  });
}

function declinedProblem({
  reason,
  held,
  retryUntil,
  reservation: { expiresAt },
}: Extract<PaymentResult, { kind: 'declined' }>): Problem {
  const until = retryUntil === undefined ? undefined : new Date(retryUntil).toISOString();
  const holdEnd = new Date(expiresAt).toISOString();
  const tickets = held
    ? `the tickets are still held until ${holdEnd}: try another payment method`
    : until === undefined
      ? 'the tickets were given back'
      : `the tickets were given back. Pay with another method before ${until} to take them again, if they are still to be had`;
  return new Problem('payment_declined', {
    detail: `The payment was declined (${reason}). Nothing was charged, and ${tickets}.`,
    members: {
      reason,
      held,
      ...(held && { expiresAt: holdEnd }),
      ...(until !== undefined && { retryUntil: until }),
    },
  });
}

function unavailableProblem({ refusal, held }: Extract<PaymentResult, { kind: 'unavailable' }>): Problem {
  if (refusal.kind !== 'purchase_limit' || !held) return refusalProblem(refusal);
  return new Problem('purchase_limit', {
    detail: `At most ${refusal.limit} tickets of a match per card; this one has ${refusal.owned}. Nothing was charged; try another card.`,
    members: { limit: refusal.limit, owned: refusal.owned },
  });
}

function cancelRoute(options: ReservationsOptions): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/reservations/{id}',
    tag: 'reservations',
    summary: 'Give a hold back',
    description:
      'With the reason `cancelled` that is final. With `declined` the decline of a payment had ended the hold before: until `expiresAt` another payment takes the tickets again, if they are still to be had.',
    security: OF_OWNER,
    params: idParams,
    headers: keyHeader,
    responses: { 200: { description: 'CANCELLED', schema: reservationSchema } },
    problems: ['unauthorized', 'forbidden', 'hold_expired', 'invalid_state', 'overloaded'],
    authorize: authorizeOwner(options),
    handle: async (input) => {
      const ref = refOf(options, input.params.id);
      const identity = await identify(options, 'cancel', ref, input, null);
      if (identity.kind === 'conflict') return CONFLICT;
      const result = await options.flow.cancel(ref, idsOf(identity, input.requestId));
      switch (result.kind) {
        case 'released':
          if (identity.first) {
            options.buyers.security.tell({ kind: 'released', person: subjectOf(result.reservation) });
          }
          return { status: 200, body: reservationJson(result.reservation) };
        case 'not_live':
          return alreadyEnded(result.reservation ?? (await options.reader.find(ref.reservationId)));
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
    headers: oneShotHeader,
    body,
    invalidBodyStatus: ONE_SHOT_INVALID_STATUS,
    routeClass: 'hold',
    responses: { 200: { description: 'Bought', schema: purchaseSchema } },
    problems: [
      'sold_out',
      'temporarily_unavailable',
      'purchase_limit',
      'hold_expired',
      'sales_closed',
      'sales_paused',
      ...PHASED,
      'not_found',
      'unauthorized',
      'waiting_room',
      ...CHECKED,
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
  input: RouteInput<unknown, unknown, OneShotHeader, unknown>,
): Promise<Handled> {
  const { headers, address, requestId, principal } = input;
  const { email, matchNumber, tickets, card } = body;
  const { flow, idempotency, buyers } = options;
  if (flow.providerKind !== 'sandbox') return new Problem('forbidden', { detail: TOKEN_FLOW });
  const buyer = buyers.buyerOf(principal, email);
  if (buyer instanceof Problem) return buyer;
  const wanted = { ...buyer, matchNumber, ...tickets, country: options.countryOf(address) };
  if (!(await options.knows(wanted))) return notFound('This ticket');
  const key = headers['Idempotency-Key'];
  const barred = options.room?.refusal(buyer, input) ?? null;
  if (barred && key === undefined) return barred;
  const identity = await idempotency.identify({ route: 'one-shot', caller: email, address, key, body });
  if (identity.kind === 'conflict') return CONFLICT;
  const ids = idsOf(identity, requestId);
  const holdId = `${ids.id}-hold`;
  const isRepeat = !identity.first && (await isHeld(options, wanted, holdId));
  const payer = { ...buyer, id: reservationId(wanted, holdId) };
  const refusal =
    barred ??
    (await buyers.refusal(buyer, 'hold', input)) ??
    (isRepeat ? null : await addressRefusal(options, payer, principal));
  if (refusal && !isRepeat) return refusal;
  const accessCode = headers['Access-Code'];
  const admitted = isRepeat ? {} : await admit(options, wanted, buyer, { accessCode, address });
  if (admitted instanceof Problem) return admitted;
  const held = await hold(options, { ...wanted, ...admitted }, { ...ids, id: holdId }, identity);
  if (held instanceof Problem) return oneShotProblem(held);
  options.room?.held(input);
  const ref = { ticket: { matchNumber, category: tickets.category }, reservationId: held.id };
  const late = isRepeat ? null : await placeRefusal(options, payer);
  if (late) {
    const undone = await flow.cancel(ref, { ...ids, id: `${ids.id}-undo` });
    const isUndone = undone.kind === 'released' || undone.kind === 'not_live';
    const reservation = { id: held.id, token: guestToken(options.tokenSecret, held.id) };
    return isUndone ? late : outcomeUnknown({ keyed: identity.keyed, reservation });
  }
  const payIds = { ...ids, id: `${ids.id}-pay` };
  const result = await flow.pay(ref, card.number, payIds, buyerFacts(headers));
  if (identity.first) tellOf(options, result);
  if (result.kind !== 'reserved') return oneShotUnpaid(options, result, ref, identity, ids);
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

function oneShotDeclined(reason: string, reservation: Reservation): Problem {
  return declinedProblem({ kind: 'declined', reason, reservation, held: false }).withStatus(
    ONE_SHOT_DECLINED_STATUS,
  );
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
  /** Whether the tickets are not held any more: a repeat finds them given back before. */
  const undo = async (): Promise<boolean> => {
    const undone = await flow.cancel(ref, { ...ids, id: `${ids.id}-undo` });
    return undone.kind === 'released' || undone.kind === 'not_live';
  };
  switch (result.kind) {
    case 'declined':
      return !result.held || (await undo())
        ? oneShotDeclined(result.reason, result.reservation)
        : outcomeUnknown({ keyed, reservation });
    case 'requires_action':
      // These clients have no way to let their buyer authenticate.
      return (await undo())
        ? oneShotDeclined('authentication_required', result.reservation)
        : outcomeUnknown({ keyed, reservation });
    case 'unavailable':
      return (await undo()) ? paymentProblem(result, identity) : outcomeUnknown({ keyed, reservation });
    case 'hold_expired':
    case 'refunded':
      return paymentProblem(result, identity);
    case 'unknown':
      return outcomeUnknown({ keyed, reservation });
    case 'provider_away':
    case 'overloaded':
      // With a key the hold stands: the repeat that is asked for goes on with it.
      if (keyed) return outcomeUnknown({ keyed, reservation });
      return (await undo()) ? overloaded(result.retryAfterMs) : outcomeUnknown({ keyed, reservation });
  }
}
