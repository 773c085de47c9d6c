/**
 * The waiting list over HTTP: join, look, leave.
 *
 * Guarantees: a request repeated under its Idempotency-Key has one place; a place is shown to, and given up by, whoever
 * may open the reservation that it leads to; whoever joins passes the checks that a hold passes, sale phases and the waiting
 * room among them, because a place is the promise of one. An offer is paid or given back as any reservation (src/http/reservations.ts).
 */
import { z } from 'zod';
import { CATEGORIES } from '../catalog/match.js';
import type { Message } from '../catalog/notices.js';
import { defineRoute, type Handled, type Route, type RouteInput } from '../http/api.js';
import { subjectOf, type Buyer, type Buyers } from '../http/buyer.js';
import { guestToken } from '../http/identity.js';
import type { Idempotency, RequestIdentity } from '../http/idempotency.js';
import type { CommandGateway } from '../http/ports.js';
import { isRefusal, notFound, outcomeUnknown, Problem, refusalProblem } from '../http/problem.js';
import {
  CHECKED,
  CONFLICT,
  categorySchema,
  decidedOf,
  emailSchema,
  keyHeader,
  matchNumberSchema,
  OF_OWNER,
  paused,
  PHASED,
  submitted,
} from '../http/reservations.js';
import { CODE_CHARS_MAX } from '../phases/codes.js';
import type { Admitted, SaleGate } from '../phases/sale-gate.js';
import type { HoldLimits, TicketId } from '../rules/index.js';
import type { Principal } from '../users/principal.js';
import { passHeader, type RoomGate } from '../waiting-room/gate.js';
import {
  ENTRY_ID,
  entryIdOf,
  offerIdOf,
  ticketOfEntry,
  type Standing,
  type WaitingLists,
} from './waiting-list.js';

export interface WaitingListRoutesOptions {
  readonly gateway: CommandGateway;
  readonly lists: Pick<WaitingLists, 'standing' | 'mine'>;
  readonly idempotency: Idempotency;
  readonly buyers: Buyers;
  /** What buyers are told while sales of the ticket are stopped. */
  readonly pauseMessage: (ticket: TicketId) => Message | null;
  /** Makes the tokens of reservations. */
  readonly tokenSecret: string;
  readonly ticketsPerReservationMax: number;
  /** In which country an address is, ISO 3166-1 alpha-2; null when that is not known. */
  readonly countryOf: (address: string) => string | null;
  readonly knows: (ticket: TicketId) => Promise<boolean>;
  /** Absent: tickets are sold without phases. */
  readonly sale?: Pick<SaleGate, 'admit'>;
  /** Absent: nobody queues. */
  readonly room?: Pick<RoomGate, 'refusal'>;
}

export function waitingListRoutes(options: WaitingListRoutesOptions): Route[] {
  return [joinRoute(options), mineRoute(options), readRoute(options), leaveRoute(options)];
}

const tokenSchema = z.string().meta({
  description: 'For guests: opens the place, and the reservation that it leads to. Keep it secret.',
});

export const entrySchema = z
  .object({
    id: z.string(),
    token: tokenSchema.optional(),
    status: z.enum(['waiting', 'offered', 'taken', 'lapsed', 'left']).meta({
      description:
        'waiting: in line. offered: tickets are held for you, see `offer`. taken: they were paid. lapsed: the offer ended. left: the place was given up, or its person has as many tickets as one may have.',
    }),
    matchNumber: z.number().int(),
    category: z.number().int().min(1).max(CATEGORIES.length),
    quantity: z.number().int(),
    position: z.number().int().nullable().meta({ description: '1 is the first in line.' }),
    createdAt: z.iso.datetime(),
    offer: z
      .object({
        reservationId: z.string(),
        expiresAt: z.iso.datetime().meta({ description: 'Pay before.' }),
        token: tokenSchema.optional(),
      })
      .optional(),
  })
  .meta({ id: 'WaitingListEntry' });

/** `token`: for who has nothing else to come back with. */
export function entryJson(standing: Standing, token: string | null): z.output<typeof entrySchema> {
  const { id, status, ticket, quantity, position, joinedAt, offer } = standing;
  const shown = token === null ? {} : { token };
  return {
    id,
    ...shown,
    status,
    ...ticket,
    quantity,
    position,
    createdAt: new Date(joinedAt).toISOString(),
    ...(offer && {
      offer: { reservationId: offer.id, expiresAt: new Date(offer.expiresAt).toISOString(), ...shown },
    }),
  };
}

const tokenOf = (
  { tokenSecret }: WaitingListRoutesOptions,
  { ticket, id }: Pick<Standing, 'ticket' | 'id'>,
) => guestToken(tokenSecret, offerIdOf(ticket, id));

/** Of a guest's place, shown to a guest: the token was presented. */
function shownTo(
  options: WaitingListRoutesOptions,
  standing: Standing,
  principal: Principal | null,
): z.output<typeof entrySchema> {
  const isGuests = principal === null && standing.account === undefined;
  return entryJson(standing, isGuests ? tokenOf(options, standing) : null);
}

function joinRoute(options: WaitingListRoutesOptions): Route {
  const body = z
    .object({
      matchNumber: matchNumberSchema,
      category: categorySchema,
      quantity: z.number().int().min(1).max(options.ticketsPerReservationMax),
      email: emailSchema.optional(),
      accessCode: z.string().max(CODE_CHARS_MAX).optional().meta({ description: 'The code of a presale.' }),
    })
    .meta({ id: 'JoinWaitingList' });
  return defineRoute({
    method: 'post',
    path: '/api/v1/waiting-list',
    tag: 'waiting list',
    summary: 'Wait for tickets that cannot be had now',
    description:
      'As a guest with an e-mail address, or logged in. When tickets come back they are held for the first in line whom they are enough for, who gets a mail.',
    security: ['accessToken'],
    routeClass: 'hold',
    headers: keyHeader.extend(passHeader),
    body,
    responses: { 201: { description: 'In line', schema: entrySchema } },
    problems: [
      'already_waiting',
      'available_now',
      'waiting_list_full',
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
      const { headers, address, principal } = input;
      const buyer = options.buyers.buyerOf(principal, input.body.email);
      if (buyer instanceof Problem) return buyer;
      const { accessCode, ...asks } = input.body;
      const wanted = { ...asks, email: buyer.email };
      if (!(await options.knows(wanted))) return notFound('This ticket');
      const caller = buyer.account ?? buyer.email;
      const key = headers['Idempotency-Key'];
      const [refusal, identity] = await Promise.all([
        options.buyers.refusal(buyer, 'hold', input),
        options.idempotency.identify({ route: 'waiting-list', caller, address, key, body: wanted }),
      ]);
      if (identity.kind === 'conflict') return CONFLICT;
      // As with a hold: what was answered before is answered again.
      const isKnown = async (): Promise<boolean> =>
        (await options.lists.standing(entryIdOf(wanted, identity.id))) !== null;
      const entrant = { person: subjectOf(buyer), accessCode, address };
      const admit = async (): Promise<Admitted | Problem> =>
        (await options.sale?.admit(wanted, entrant)) ?? {};
      const admitted = refusal ?? options.room?.refusal(buyer, input) ?? (await admit());
      const isBarred = admitted instanceof Problem;
      if (isBarred && (identity.first || !(await isKnown()))) return admitted;
      const { limits } = isBarred ? {} : admitted;
      return join(options, { ...wanted, ...(limits && { limits }) }, buyer, identity, input);
    },
  });
}

async function join(
  options: WaitingListRoutesOptions,
  {
    matchNumber,
    category,
    quantity,
    limits,
  }: TicketId & { readonly quantity: number; readonly limits?: HoldLimits },
  { email, person, account }: Buyer,
  { id, keepMs, keyed, first }: RequestIdentity,
  { address, requestId }: Pick<RouteInput<unknown, unknown, unknown, unknown>, 'address' | 'requestId'>,
): Promise<Handled> {
  const { gateway, lists, countryOf, pauseMessage } = options;
  const ticket = { matchNumber, category };
  const entryId = entryIdOf(ticket, id);
  const country = countryOf(address);
  const body = {
    type: 'joinWaitingList' as const,
    entryId,
    reservationId: offerIdOf(ticket, entryId),
    quantity,
    email,
    person,
    ...(account !== undefined && { account }),
    ...(country !== null && { country }),
    ...(limits && { limits }),
  };
  const answer = await submitted(gateway.submit({ ticket, id, body, keepMs, requestId }));
  const result = decidedOf(answer, first, () => outcomeUnknown({ keyed }));
  if (result instanceof Problem) return result;
  if (result.kind === 'paused') return paused(pauseMessage(ticket));
  if (isRefusal(result)) return refusalProblem(result);
  const standing = await lists.standing(entryId);
  if (!standing) return outcomeUnknown({ keyed });
  return {
    status: 201,
    body: entryJson(standing, account === undefined ? tokenOf(options, standing) : null),
    headers: { Location: `/api/v1/waiting-list/${entryId}` },
  };
}

function mineRoute(options: WaitingListRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/waiting-list',
    tag: 'waiting list',
    summary: 'My places in waiting lists',
    description: 'Those of the account, and what it was offered lately. Newest first.',
    security: ['accessToken'],
    responses: {
      200: { description: 'Newest first', schema: z.object({ entries: z.array(entrySchema) }) },
    },
    problems: ['unauthorized', 'overloaded'],
    handle: async ({ principal }) => {
      if (!principal) return NOT_LOGGED_IN;
      const entries = await options.lists.mine(principal);
      return { status: 200, body: { entries: entries.map((one) => entryJson(one, null)) } };
    },
  });
}

const NOT_LOGGED_IN = new Problem('unauthorized', {
  detail: 'Log in and send the access token; a guest asks for a place by its id, with its token.',
  headers: { 'WWW-Authenticate': 'Bearer' },
});

const idParams = z.object({ id: z.string().regex(ENTRY_ID) });
const noSuchEntry = (): Problem => notFound('This place in a waiting list');

/** Whoever may open the reservation that the place leads to. */
const authorizeOwner =
  (options: WaitingListRoutesOptions) =>
  ({
    params: { id },
    ...asking
  }: Pick<
    RouteInput<{ id: string }, unknown, unknown, unknown>,
    'params' | 'request' | 'principal' | 'address'
  >): Promise<Problem | null> | Problem => {
    const ticket = ticketOfEntry(id);
    if (!ticket) return noSuchEntry();
    return options.buyers.authorize(offerIdOf(ticket, id), asking, () => options.lists.standing(id));
  };

function readRoute(options: WaitingListRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/waiting-list/{id}',
    tag: 'waiting list',
    summary: 'How a place stands',
    description: 'A place that was given up is forgotten after a day.',
    security: OF_OWNER,
    params: idParams,
    responses: { 200: { description: 'As it stands now', schema: entrySchema } },
    problems: ['unauthorized', 'forbidden', 'overloaded'],
    authorize: authorizeOwner(options),
    handle: async ({ params, principal }) => {
      const standing = await options.lists.standing(params.id);
      return standing ? { status: 200, body: shownTo(options, standing, principal) } : noSuchEntry();
    },
  });
}

function leaveRoute(options: WaitingListRoutesOptions): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/waiting-list/{id}',
    tag: 'waiting list',
    summary: 'Give a place up',
    description: 'Tickets that were offered are given back by cancelling their reservation.',
    security: OF_OWNER,
    params: idParams,
    headers: keyHeader,
    responses: { 200: { description: 'left', schema: entrySchema } },
    problems: ['unauthorized', 'forbidden', 'invalid_state', 'overloaded'],
    authorize: authorizeOwner(options),
    handle: async (input) => {
      const { id: entryId } = input.params;
      const ticket = ticketOfEntry(entryId);
      if (!ticket) return noSuchEntry();
      const identity = await options.idempotency.identify({
        route: 'waiting-list-leave',
        caller: entryId,
        key: input.headers['Idempotency-Key'],
        body: null,
      });
      if (identity.kind === 'conflict') return CONFLICT;
      const { id, keepMs, keyed, first } = identity;
      const body = { type: 'leaveWaitingList' as const, entryId };
      const answer = await submitted(
        options.gateway.submit({ ticket, id, body, keepMs, requestId: input.requestId }),
      );
      const result = decidedOf(answer, first, () => outcomeUnknown({ keyed }));
      if (result instanceof Problem) return result;
      if (isRefusal(result) && result.kind !== 'not_waiting') return refusalProblem(result);
      const standing = await options.lists.standing(entryId);
      if (!standing) return noSuchEntry();
      return standing.status === 'left'
        ? { status: 200, body: shownTo(options, standing, input.principal) }
        : offeredSince(standing);
    },
  });
}

function offeredSince({ status, offer }: Standing): Problem {
  return new Problem('invalid_state', {
    detail: 'The tickets were offered meanwhile: to give them back cancel the reservation.',
    members: { entryStatus: status, ...(offer && { reservationId: offer.id }) },
  });
}
