/**
 * Tickets over HTTP. Thin: desk.ts and refunds.ts decide, this asks who is asking and maps what they answer.
 *
 * Guarantees: a ticket is shown, printed, offered, accepted or refunded only by whom it concerns, asked before
 * the body is read; operators see tickets and no codes, and have a refund of their own (payments); where a token
 * of a reservation is enough to see, an account is needed to transfer.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Match } from '../catalog/match.js';
import { defineRoute, type Answer, type Handled, type Route, type RouteInput } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { noSuchReservation, owns, type Buyers } from '../http/buyer.js';
import { ticketOfReservation } from '../http/identity.js';
import type { Idempotency } from '../http/idempotency.js';
import { Problem, notFound, outcomeUnknown, overloaded, validationFailed } from '../http/problem.js';
import { idParams, keyHeader, OF_OWNER, reservationJson, reservationSchema } from '../http/reservations.js';
import type { Reservation } from '../rules/index.js';
import { personOf } from '../security/person.js';
import type { Audit } from '../security/port.js';
import { solutionOf, verdictProblem } from '../security/verdict.js';
import { notLoggedIn } from '../users/operators.js';
import type { Principal } from '../users/principal.js';
import { entrySchema } from '../waiting-list/routes.js';
import { emailSchema } from '../users/records.js';
import { partsOfTicketId, type AdmissionState } from './admission.js';
import { CODE_CHARS_MAX } from './codes.js';
import {
  isHeldBy,
  isOfferedTo,
  type ChangeResult,
  type Found,
  type OfferRefusal,
  type TicketDesk,
  type Viewer,
} from './desk.js';
import { ExportEndedError, type AccountExport } from './export.js';
import type { GuestLookup } from './lookup.js';
import { pagesOf } from './pages.js';
import { PAGES_MAX, PDF_LANGUAGES, type PdfDesk, type PdfLanguage, type TicketPage } from './pdf-desk.js';
import type { BuyerRefundResult, BuyerRefunds } from './refunds.js';

export interface TicketRoutesOptions {
  readonly desk: TicketDesk;
  readonly refunds: BuyerRefunds;
  readonly lookup: GuestLookup;
  readonly pdf: PdfDesk;
  readonly buyers: Buyers;
  readonly idempotency: Idempotency;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly waitMs: number;
  readonly findReservation: (id: string) => Promise<Reservation | null>;
  readonly match: (matchNumber: number) => Promise<Match | null>;
  /** Null for stewards, and for operators who may act as one. */
  readonly requireSteward: (principal: Principal | null) => Problem | null;
}

export function ticketRoutes(options: TicketRoutesOptions): Route[] {
  return [
    ofReservationRoute(options),
    reservationPdfRoute(options),
    refundRoute(options),
    lookupRoute(options),
    mineRoute(options),
    keysRoute(options),
    checkRoute(options),
    ticketPdfRoute(options),
    offerRoute(options),
    endOfferRoute(options),
    acceptRoute(options),
  ];
}

type Asking = Pick<
  RouteInput<{ id: string }, unknown, unknown, unknown>,
  'params' | 'request' | 'principal' | 'address'
>;

const TAG = 'tickets';
const LOGGED_IN = ['accessToken'] as const;
const FOR_OWNER = ['unauthorized', 'forbidden', 'not_found', 'overloaded'] as const;

const ticketSchema = z
  .object({
    id: z.string().meta({ description: '`<reservation>.<number>`' }),
    reservationId: z.string(),
    matchNumber: z.number().int(),
    category: z.number().int(),
    number: z.number().int().meta({ description: 'From 1, among those that were sold together.' }),
    unitPrice: z.number(),
    currency: z.string(),
    status: z.enum(['valid', 'offered', 'refunding', 'used', 'transferred', 'void']).meta({
      description:
        '`offered`: to somebody who has not accepted yet. `refunding`: a refund was ordered and is not known to be done; ask for it again. `used`: somebody was let in with it. `transferred`: somebody else’s now. `void`: refunded.',
    }),
    holder: z.string().optional().meta({ description: 'Whose it is, where the asker may know.' }),
    offeredTo: z.string().optional(),
    offeredBy: z.string().optional(),
    usedAt: z.iso.datetime().optional().meta({ description: 'When somebody was let in with it.' }),
    code: z.string().optional().meta({
      description: 'For the gate, as a QR code. Only for the holder, and only until it is void.',
    }),
  })
  .meta({ id: 'Ticket' });

const forbidden = (detail?: string): Problem =>
  new Problem('forbidden', { ...(detail !== undefined && { detail }) });

/** Somebody asked for what is not theirs. */
function refused({ buyers }: TicketRoutesOptions, { address }: Asking): Problem {
  buyers.security.tell({ kind: 'probe', address });
  return forbidden();
}

// ---- a reservation's ------------------------------------------------------------------------------------

/** Its buyer, by token or account, and operators. */
const authorizeReader =
  (options: TicketRoutesOptions) =>
  (input: Asking): Promise<Problem | null> | Problem =>
    options.buyers.refOf(input.params.id)
      ? options.buyers.authorize(input.params.id, input, options.findReservation)
      : noSuchReservation();

/** Who asks about a reservation. A problem when nothing is presented that says who it is. */
function viewerOf(
  { buyers }: TicketRoutesOptions,
  input: Asking,
  reservation: Reservation,
): Viewer | Problem {
  const opened = buyers.tokensOf(input);
  if (opened instanceof Problem) return opened;
  const { principal } = input;
  const isBuyer = opened.has(reservation.id) || (principal !== null && owns(principal, reservation));
  return { principal, isBuyer, isOperator: buyers.isOperator(principal) };
}

function ofReservationRoute(options: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations/{id}/tickets',
    tag: TAG,
    summary: 'The tickets of a reservation',
    description: 'One for each place, once they are sold.',
    security: OF_OWNER,
    params: idParams,
    responses: {
      200: { description: 'By number', schema: z.object({ tickets: z.array(ticketSchema) }) },
    },
    problems: FOR_OWNER,
    authorize: authorizeReader(options),
    handle: async (input) => {
      const reservation = await options.findReservation(input.params.id);
      if (!reservation) return notFound('This reservation');
      const viewer = viewerOf(options, input, reservation);
      if (viewer instanceof Problem) return viewer;
      return { status: 200, body: { tickets: await options.desk.ofReservation(reservation, viewer) } };
    },
  });
}

const languageSchema = z.enum(PDF_LANGUAGES).default('en').meta({ description: 'Of the words on it.' });
const PDF_RESPONSE = { 200: { description: 'A document', contentType: 'application/pdf' } };

function reservationPdfRoute(options: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/reservations/{id}/tickets.pdf',
    tag: TAG,
    summary: 'The tickets of a reservation to print',
    description: `Those that the asker holds and that are valid, ${PAGES_MAX} in one document.`,
    security: OF_OWNER,
    params: idParams,
    query: z.object({
      lang: languageSchema,
      page: z.coerce.number().int().min(1).max(100).default(1).meta({ description: 'The next ones.' }),
    }),
    responses: PDF_RESPONSE,
    problems: [...FOR_OWNER, 'invalid_state', 'validation_failed'],
    authorize: authorizeReader(options),
    handle: async (input) => {
      const { lang, page } = input.query;
      const reservation = await options.findReservation(input.params.id);
      if (!reservation) return notFound('This reservation');
      const viewer = viewerOf(options, input, reservation);
      if (viewer instanceof Problem) return viewer;
      const from = (page - 1) * PAGES_MAX;
      return pdfAnswer(options, {
        reservation,
        viewer,
        lang,
        pick: (all) => all.slice(from, from + PAGES_MAX),
      });
    },
  });
}

async function pdfAnswer(
  { desk, pdf, match: findMatch, clock, waitMs }: TicketRoutesOptions,
  {
    reservation,
    viewer,
    lang,
    pick,
  }: {
    readonly reservation: Reservation;
    readonly viewer: Viewer;
    readonly lang: PdfLanguage;
    readonly pick: (all: readonly TicketPage[]) => readonly TicketPage[];
  },
): Promise<Handled> {
  const match = await bounded(clock, waitMs, 'catalog', findMatch(reservation.matchNumber));
  if (!match) return overloaded();
  const pages = pick(await pagesOf(desk, reservation, viewer, match));
  if (pages.length === 0) {
    return new Problem('invalid_state', {
      detail: 'There is no valid ticket of yours to print.',
      members: { reservationStatus: reservation.status },
    });
  }
  const making = pdf.document(pages, lang);
  return making ? pdfOf(await making, pages.length === 1 ? pages[0]?.id : reservation.id) : overloaded();
}

function pdfOf(content: Buffer, name = 'tickets'): Answer {
  const headers = { 'Content-Disposition': `inline; filename="ticktak-${name}.pdf"` };
  return { status: 200, text: { type: 'application/pdf', content }, headers };
}

const QUANTITY_MAX = 1_000;

function refundRoute(options: TicketRoutesOptions): Route {
  const body = z
    .object({
      quantity: z
        .number()
        .int()
        .min(1)
        .max(QUANTITY_MAX)
        .optional()
        .meta({ description: 'All when absent. The highest numbers go first.' }),
    })
    .meta({ id: 'BuyerRefund' });
  return defineRoute({
    method: 'post',
    path: '/api/v1/reservations/{id}/refund',
    tag: TAG,
    summary: 'Give my tickets back and get their money back',
    description:
      'The tickets are void at once, offers of them end. Tickets that were accepted by somebody else cannot be given back by their seller.',
    security: OF_OWNER,
    params: idParams,
    headers: keyHeader,
    body,
    responses: {
      200: {
        description: 'The tickets are given back',
        schema: z.object({
          reservation: reservationSchema,
          refundedMinor: z.number().int().meta({ description: 'Given back in all, minor units.' }),
          pending: z.boolean().meta({
            description: 'True while the money is not on its way yet; it will be sent.',
          }),
        }),
      },
    },
    problems: [...FOR_OWNER, 'invalid_state', 'conflict'],
    authorize: async (input) => {
      const { id } = input.params;
      if (!options.buyers.refOf(id)) return noSuchReservation();
      const opened = options.buyers.tokensOf(input);
      if (opened instanceof Problem) return opened;
      if (opened.has(id)) return null;
      const { principal } = input;
      const reservation = principal && (await options.findReservation(id));
      return principal && reservation && owns(principal, reservation) ? null : refused(options, input);
    },
    handle: async (input) => {
      const { params, body: wanted, headers, principal, address, requestId } = input;
      const { id } = params;
      const key = headers['Idempotency-Key'];
      const asked = { route: 'buyer refund', caller: id, key, body: wanted };
      const identity = await options.idempotency.identify(asked);
      if (identity.kind === 'conflict') return KEY_CONFLICT;
      const reservation = await options.findReservation(id);
      if (!reservation) return notFound('This reservation');
      const ids = { id: identity.id, keepMs: identity.keepMs, keyed: identity.keyed, requestId };
      const isAccount = principal !== null && owns(principal, reservation);
      const result = await options.refunds.refund(reservation, wanted.quantity, ids, (numbers) =>
        options.audit.record({
          actor: isAccount ? `account:${principal.accountId}` : 'guest',
          action: 'reservation.refund_ordered',
          subject: `reservation:${id}`,
          address,
          requestId,
          details: { numbers: numbers.join(',') },
        }),
      );
      return refundAnswer(result, identity.keyed);
    },
  });
}

const KEY_CONFLICT = validationFailed([{ path: 'Idempotency-Key', message: 'was used with another body' }]);

function refundAnswer(result: BuyerRefundResult, keyed: boolean): Handled {
  const invalid = (detail: string, members: Readonly<Record<string, unknown>> = {}): Problem =>
    new Problem('invalid_state', { detail, members });
  switch (result.kind) {
    case 'refunded': {
      const { reservation, refundedMinor, pending } = result;
      return { status: 200, body: { reservation: reservationJson(reservation), refundedMinor, pending } };
    }
    case 'not_allowed':
      return invalid('Tickets cannot be given back here.');
    case 'too_late': {
      const until = new Date(result.until).toISOString();
      return invalid(`Tickets of this match could be given back until ${until}.`, { refundUntil: until });
    }
    case 'wrong_state': {
      const { status } = result;
      const why = status === 'REFUNDED' ? 'All of it was refunded before' : `The reservation is ${status}`;
      return invalid(`${why}; nothing was refunded now.`, { reservationStatus: status });
    }
    case 'exceeds':
      return validationFailed([{ path: 'quantity', message: `at most ${result.quantity} can be refunded` }]);
    case 'transferred':
      return invalid(
        `Some of the tickets were transferred, used or refunded; ${result.quantity} can be given back.`,
        { refundable: result.quantity },
      );
    case 'another_first':
      return new Problem('conflict', {
        detail:
          'Another refund was under way, and is done now. Look at the reservation, and ask again for more.',
      });
    case 'changed':
      return new Problem('conflict', {
        detail: 'The tickets were changed meanwhile; nothing was refunded now. Look at them and ask again.',
      });
    case 'overloaded':
      return overloaded(result.retryAfterMs);
    case 'unknown':
      return outcomeUnknown({ keyed });
  }
}

function lookupRoute(options: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/reservations/lookup',
    tag: TAG,
    summary: 'Mail a guest the links to their reservations',
    description:
      'Answers the same whether there are any. The links go to that address only; reservations of accounts are not among them.',
    routeClass: 'account',
    body: z.object({ email: emailSchema }).meta({ id: 'Lookup' }),
    responses: { 202: { description: 'Taken on' } },
    problems: ['rate_limited', 'challenge_required', 'blocked', 'overloaded'],
    handle: async ({ body: { email }, address, principal, request }) => {
      const solution = solutionOf(request);
      const verdict = await options.buyers.security.checkPerson({
        address,
        routeClass: 'account',
        person: personOf(email),
        principal,
        ...(solution !== undefined && { solution }),
      });
      const stopped = verdictProblem(verdict);
      if (stopped) return stopped;
      return options.lookup.request(email) ? { status: 202 } : overloaded();
    },
  });
}

// ---- one ticket -----------------------------------------------------------------------------------------

const TICKET_ID = /^m[1-9]\d{0,3}c\d-[a-z2-7]{26}\.[1-9]\d{0,3}$/;
const ticketParams = z.object({ id: z.string().regex(TICKET_ID) });

const RECEIVED_PER_PAGE_MAX = 100;

function mineRoute({ desk, clock, waitMs }: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/tickets',
    tag: TAG,
    summary: 'Tickets I received, and those offered to me',
    description:
      'Those I bought come with their reservations. Newest first; `next` is there while there are more.',
    security: LOGGED_IN,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(RECEIVED_PER_PAGE_MAX).default(RECEIVED_PER_PAGE_MAX),
      after: z.string().max(500).optional().meta({ description: 'The `next` of the page before.' }),
    }),
    responses: {
      200: {
        description: 'A page of those received; all offers',
        schema: z.object({
          tickets: z.array(ticketSchema),
          offers: z.array(ticketSchema),
          next: z.string().optional(),
        }),
      },
    },
    problems: ['unauthorized', 'validation_failed', 'overloaded'],
    authorize: ({ principal }) => (principal ? null : notLoggedIn()),
    handle: async ({ principal, query: { limit, after } }) => {
      if (!principal) return notLoggedIn();
      const page = { limit, ...(after !== undefined && { after }) };
      const [received, offers] = await bounded(
        clock,
        waitMs,
        'archive',
        Promise.all([desk.received(principal, page), desk.offersTo(principal)]),
      );
      return { status: 200, body: { ...received, offers } };
    },
  });
}

function keysRoute({ desk }: TicketRoutesOptions): Route {
  const schema = z.object({
    keys: z.array(
      z.object({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        x: z.string(),
        kid: z.string(),
        use: z.literal('sig'),
        alg: z.literal('EdDSA'),
      }),
    ),
  });
  return defineRoute({
    method: 'get',
    path: '/api/v1/tickets/keys',
    tag: TAG,
    summary: 'Public keys of the codes on tickets (JWKS)',
    description: 'Codes can be checked with them offline. The first signs; the others signed before.',
    responses: { 200: { description: 'RFC 7517, RFC 8037', schema } },
    handle: () => ({
      status: 200,
      body: { keys: desk.codes.keys },
      headers: { 'Cache-Control': 'public, max-age=300' },
    }),
  });
}

function checkRoute({ desk, requireSteward, clock, waitMs }: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/tickets/check',
    tag: TAG,
    summary: 'Whether a code admits now',
    description:
      'What cannot be seen offline: whether the ticket was refunded, the code replaced by a transfer, or somebody let in with it. It lets nobody in: that is `POST /api/v1/check-ins`.',
    security: LOGGED_IN,
    routeClass: 'check-in',
    body: z.object({ code: z.string().min(1).max(CODE_CHARS_MAX) }).meta({ id: 'TicketCode' }),
    responses: {
      200: {
        description: 'What it is',
        schema: z.object({
          result: z.enum(['valid', 'used', 'void', 'replaced', 'forged']),
          ticketId: z.string().optional(),
          matchNumber: z.number().int().optional(),
          category: z.number().int().optional(),
        }),
      },
    },
    problems: ['unauthorized', 'forbidden', 'second_factor_required', 'overloaded'],
    authorize: ({ principal }) => requireSteward(principal),
    handle: async ({ body: { code } }) => {
      const checked = await bounded(clock, waitMs, 'archive', desk.check(code));
      if (checked.kind === 'forged') return { status: 200, body: { result: 'forged' } };
      const { matchNumber, category } = checked.reservation;
      return { status: 200, body: { result: checked.kind, ticketId: checked.id, matchNumber, category } };
    },
  });
}

/** Ids of our shape name a place; whether it was sold is looked up. */
async function findTicket(options: TicketRoutesOptions, id: string): Promise<Found | null> {
  const parts = partsOfTicketId(id);
  if (!parts || ticketOfReservation(parts.reservationId) === null) return null;
  const { clock, waitMs, desk } = options;
  return bounded(clock, waitMs, 'archive', desk.find(parts.reservationId, parts.number));
}

function ticketPdfRoute(options: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/tickets/{id}/ticket.pdf',
    tag: TAG,
    summary: 'A ticket to print',
    security: OF_OWNER,
    params: ticketParams,
    query: z.object({ lang: languageSchema }),
    responses: PDF_RESPONSE,
    problems: [...FOR_OWNER, 'invalid_state', 'validation_failed'],
    authorize: async (input) => {
      const opened = options.buyers.tokensOf(input);
      if (opened instanceof Problem) return opened;
      const found = await findTicket(options, input.params.id);
      const viewer = found && viewerOf(options, input, found.reservation);
      if (!found || !viewer || viewer instanceof Problem) return refused(options, input);
      const { admission } = found.standing;
      // A buyer may learn that a ticket was transferred.
      return viewer.isBuyer || isHeldBy(admission, viewer) ? null : refused(options, input);
    },
    handle: async (input) => {
      const { id } = input.params;
      const found = await findTicket(options, id);
      if (!found) return notFound('This ticket');
      const { reservation } = found;
      const viewer = viewerOf(options, input, reservation);
      if (viewer instanceof Problem) return viewer;
      const pick = (all: readonly TicketPage[]): readonly TicketPage[] => all.filter((one) => one.id === id);
      return pdfAnswer(options, { reservation, viewer, lang: input.query.lang, pick });
    },
  });
}

const TRANSFER_PROBLEMS = ['unauthorized', 'forbidden', 'conflict', 'invalid_state', 'overloaded'] as const;
const OK_TICKET = { description: 'The ticket', schema: ticketSchema };

/** The viewer of a ticket who is logged in. */
function accountViewer(principal: Principal, { reservation }: Found): Viewer {
  return { principal, isBuyer: owns(principal, reservation), isOperator: false };
}

function isHolder(principal: Principal, found: Found): boolean {
  return isHeldBy(found.standing.admission, accountViewer(principal, found));
}

function offerRoute(options: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/tickets/{id}/transfer',
    tag: TAG,
    summary: 'Offer a ticket to somebody else',
    description:
      'Mails the address. It stays the holder’s until an account with that address, confirmed, accepts. Answers the same whether the address has an account.',
    security: LOGGED_IN,
    params: ticketParams,
    headers: keyHeader,
    body: z.object({ email: emailSchema }).meta({ id: 'Transfer' }),
    responses: { 200: OK_TICKET },
    problems: [...TRANSFER_PROBLEMS, 'rate_limited'],
    authorize: async (input) => {
      const { principal } = input;
      if (!principal) return notLoggedIn();
      const found = await findTicket(options, input.params.id);
      return found && isHolder(principal, found) ? null : refused(options, input);
    },
    handle: async (input) => {
      const { params, body, headers, address, requestId } = input;
      const principal = principalOf(input.principal);
      const caller = `${principal.accountId} ${params.id}`;
      const key = headers['Idempotency-Key'];
      const identity = await options.idempotency.identify({ route: 'transfer', caller, key, body });
      if (identity.kind === 'conflict') return KEY_CONFLICT;
      const found = await findTicket(options, params.id);
      if (!found) return notFound('This ticket');
      if (!isHolder(principal, found)) return notHeld();
      const origin = { address, requestId };
      const { id } = identity;
      const result = await options.desk.offer(found, { id, to: body.email, principal, origin });
      return ticketAnswer(options, result, principal);
    },
  });
}

function acceptRoute(options: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/tickets/{id}/transfer/accept',
    tag: TAG,
    summary: 'Accept a ticket that is offered to me',
    description: 'The code of its holder until now is void from then on. Repeated, it answers the same.',
    security: LOGGED_IN,
    params: ticketParams,
    responses: { 200: OK_TICKET },
    problems: [...TRANSFER_PROBLEMS, 'email_unconfirmed'],
    authorize: async (input) => {
      const { principal } = input;
      if (!principal) return notLoggedIn();
      const found = await findTicket(options, input.params.id);
      const admission = found?.standing.admission;
      if (!admission) return refused(options, input);
      if (isOfferedTo(admission, principal) || admission.holder === principal.accountId) return null;
      if (admission.offer?.to === principal.email) {
        return new Problem('email_unconfirmed', {
          detail: 'Confirm the e-mail address of your account, log in anew, and accept then.',
        });
      }
      // Whoever comes too late has done nothing wrong.
      return admission.endedOffer === undefined ? refused(options, input) : notOffered();
    },
    handle: async (input) => {
      const principal = principalOf(input.principal);
      const found = await findTicket(options, input.params.id);
      if (!found) return notFound('This ticket');
      const { address, requestId } = input;
      const result = await options.desk.accept(found, principal, { address, requestId });
      return ticketAnswer(options, result, principal);
    },
  });
}

function endOfferRoute(options: TicketRoutesOptions): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/tickets/{id}/transfer',
    tag: TAG,
    summary: 'Take an offer back, or decline it',
    security: LOGGED_IN,
    params: ticketParams,
    responses: { 204: { description: 'It is not offered any more' } },
    problems: TRANSFER_PROBLEMS,
    authorize: async (input) => {
      const { principal } = input;
      if (!principal) return notLoggedIn();
      const found = await findTicket(options, input.params.id);
      if (!found) return refused(options, input);
      const { admission } = found.standing;
      if (isHolder(principal, found) || isOfferedTo(admission, principal)) return null;
      return admission.endedOffer === undefined ? refused(options, input) : notOffered();
    },
    handle: async (input) => {
      const principal = principalOf(input.principal);
      const found = await findTicket(options, input.params.id);
      if (!found) return notFound('This ticket');
      const isTheirs = isHolder(principal, found);
      if (!isTheirs && !isOfferedTo(found.standing.admission, principal)) return notOffered();
      // It was taken back before: nothing is offered, as was asked.
      if (!found.standing.admission.offer) return { status: 204 };
      const { address, requestId } = input;
      const origin = { address, requestId };
      const result = await options.desk.endOffer(found, { isHolder: isTheirs, principal, origin });
      return result.kind === 'done' ? { status: 204 } : changeProblem(result);
    },
  });
}

const notOffered = (): Problem => forbidden('This ticket is not offered to your account any more.');
const notHeld = (): Problem => new Problem('invalid_state', { detail: 'The ticket is somebody else’s now.' });

/** `authorize` let nobody through without one. */
function principalOf(principal: Principal | null): Principal {
  if (!principal) throw new Error('a request without an account got past its check');
  return principal;
}

async function ticketAnswer(
  { desk }: TicketRoutesOptions,
  result: ChangeResult | OfferRefusal,
  principal: Principal,
): Promise<Handled> {
  if (result.kind !== 'done') return changeProblem(result);
  const { reservation, after } = result;
  const viewer = accountViewer(principal, { reservation, standing: after });
  return { status: 200, body: await desk.view(reservation, after, viewer) };
}

const STATE_DETAILS: Readonly<Record<AdmissionState, string>> = {
  valid: 'The ticket is not offered to anybody.',
  offered: 'The ticket is offered to somebody.',
  refunding: 'A refund of the ticket was ordered.',
  used: 'Somebody was let in with the ticket.',
  void: 'The ticket is void: it was refunded.',
};

const RETRY_AFTER_MS = 600_000;

function changeProblem(result: Exclude<ChangeResult | OfferRefusal, { kind: 'done' }>): Problem {
  switch (result.kind) {
    case 'wrong_state':
      return new Problem('invalid_state', {
        detail: STATE_DETAILS[result.state],
        members: { ticketStatus: result.state },
      });
    case 'already_offered':
      return new Problem('conflict', {
        detail: 'The ticket is offered to somebody else; take that back first.',
      });
    case 'offer_ended':
      return new Problem('conflict', { detail: 'This offer was taken back or answered; make another one.' });
    case 'not_offered':
      return new Problem('invalid_state', { detail: 'The ticket is not offered any more.' });
    case 'to_self':
      return validationFailed([{ path: 'email', message: 'is your own' }]);
    case 'transferred':
    case 'replaced':
      return notHeld();
    case 'repeated':
      return new Problem('invalid_state', {
        detail: STATE_DETAILS.used,
        members: { ticketStatus: 'used' satisfies AdmissionState },
      });
    case 'too_many':
      return new Problem('rate_limited', {
        detail: result.detail,
        retryAfterMs: result.retryAfterMs ?? RETRY_AFTER_MS,
      });
    case 'gone':
      return notFound('This ticket');
    case 'busy':
      return overloaded();
  }
}

// ---- an account's data ----------------------------------------------------------------------------------

/** Served where accounts are. */
export function exportRoute(accountExport: Pick<AccountExport, 'send'>): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/users/me/export',
    tag: 'users',
    summary: 'All that is kept on my account',
    description:
      'One JSON document: account, log-ins, reservations with payments and tickets, received tickets, activity.',
    routeClass: 'account',
    security: LOGGED_IN,
    responses: { 200: { description: 'A download', schema: exportSchema } },
    problems: ['unauthorized', 'overloaded'],
    authorize: ({ principal }) => (principal ? null : notLoggedIn()),
    handle: async ({ principal, response }) => {
      if (!principal) return notLoggedIn();
      try {
        return (await accountExport.send(principal, response)) ? 'streaming' : notLoggedIn();
      } catch (error) {
        if (!(error instanceof ExportEndedError)) throw error;
        response.destroy();
        return 'streaming';
      }
    },
  });
}

const exportSchema = z
  .object({
    exportedAt: z.iso.datetime(),
    account: z.looseObject({ id: z.string() }),
    logIns: z.array(z.looseObject({})),
    reservations: z.array(z.looseObject({ id: z.string() })),
    receivedTickets: z.array(ticketSchema),
    offeredTickets: z.array(ticketSchema),
    waitingLists: z.array(entrySchema),
    activity: z.array(z.looseObject({ action: z.string() })),
  })
  .meta({ id: 'AccountExport' });
