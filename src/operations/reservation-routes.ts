/**
 * Reservations for operators: found by address, id or payment, with their money; and their tickets mailed again.
 * Whoever looks is in the audit, because what is shown is personal data.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Archive, Page } from '../archive/port.js';
import { defineRoute, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { RESERVATION_ID } from '../http/identity.js';
import { notFound, Problem, validationFailed } from '../http/problem.js';
import type { MailRecords } from '../mail/records.js';
import { factsOf } from '../mail/sources.js';
import { operatorJson, paymentStateSchema, type TaxLine } from '../payments/routes.js';
import type { PaymentRecords } from '../payments/records.js';
import type { Reservation } from '../rules/index.js';
import { audited, forOperators, iso, type OperatorRoutesOptions } from './operators.js';

export interface ReservationSearchOptions extends OperatorRoutesOptions, TaxLine {
  readonly archived: Pick<Archive, 'reservationsByEmail'>;
  readonly find: (id: string) => Promise<Reservation | null>;
  readonly payments: Pick<PaymentRecords, 'get'>;
  readonly mails: Pick<MailRecords, 'add'>;
  readonly clock: Clock;
  readonly waitMs: number;
}

export function reservationSearchRoutes(options: ReservationSearchOptions): Route[] {
  return [searchRoute(options), mailRoute(options)];
}

const reservationSchema = z
  .object({
    id: z.string(),
    status: z.string(),
    matchNumber: z.number().int(),
    category: z.number().int(),
    quantity: z.number().int(),
    refundedQuantity: z.number().int(),
    unitPrice: z.number(),
    currency: z.string(),
    email: z.string(),
    account: z.string().optional(),
    country: z.string().optional().meta({ description: 'ISO 3166-1 alpha-2, where it is known.' }),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    reason: z.string().optional(),
    payment: paymentStateSchema.optional(),
  })
  .meta({ id: 'Found reservation' });

const PAGE_MAX = 50;
const CURSOR_CHARS_MAX = 1_000;
const PAYMENT_ID = /^[A-Za-z0-9_-]{1,100}$/;

const querySchema = z.object({
  email: z.email().max(254).toLowerCase().optional(),
  id: z.string().regex(RESERVATION_ID).optional(),
  payment: z.string().regex(PAYMENT_ID).optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(20),
  after: z.string().max(CURSOR_CHARS_MAX).optional(),
});

function searchRoute(options: ReservationSearchOptions): Route {
  const { clock, waitMs } = options;
  return defineRoute({
    method: 'get',
    path: '/api/v1/operations/reservations',
    summary: 'Find reservations',
    description: 'By exactly one of `email`, `id` and `payment`. The newest first.',
    ...forOperators(options),
    query: querySchema,
    responses: {
      200: {
        description: 'A page',
        schema: z.object({ reservations: z.array(reservationSchema), next: z.string().optional() }),
      },
    },
    handle: async ({ query, ...asked }) => {
      const given = [query.email, query.id, query.payment].filter((one) => one !== undefined);
      if (given.length !== 1) {
        return validationFailed([{ path: 'email', message: 'give exactly one of email, id and payment' }]);
      }
      await audited(options, asked, {
        action: 'reservation.searched',
        subject: 'reservations',
        details: { by: query.email !== undefined ? 'email' : query.id !== undefined ? 'id' : 'payment' },
      });
      const { items, next } = await bounded(clock, waitMs, 'archive', search(options, query));
      const shown = items.map((reservation) => shownWithPayment(options, reservation));
      const reservations = await bounded(clock, waitMs, 'archive', Promise.all(shown));
      return { status: 200, body: { reservations, ...(next !== undefined && { next }) } };
    },
  });
}

async function search(
  { archived, find, payments }: ReservationSearchOptions,
  { email, id, payment, limit, after }: z.output<typeof querySchema>,
): Promise<Page<Reservation>> {
  if (email !== undefined) {
    const page = await archived.reservationsByEmail(email, { limit, ...(after !== undefined && { after }) });
    // Redis is ahead of the archive.
    const newest = await Promise.all(page.items.map(async (one) => (await find(one.id)) ?? one));
    return { ...page, items: newest };
  }
  const wanted = id ?? (payment === undefined ? undefined : (await payments.get(payment))?.reservationId);
  const found = wanted === undefined ? null : await find(wanted);
  return { items: found ? [found] : [] };
}

async function shownWithPayment(
  options: ReservationSearchOptions,
  reservation: Reservation,
): Promise<z.output<typeof reservationSchema>> {
  const { id, status, matchNumber, category, quantity, refundedQuantity, unitPrice } = reservation;
  const { currency, email, account, country, createdAt, updatedAt, expiresAt, reason, paymentId } =
    reservation;
  const payment = paymentId === undefined ? null : await options.payments.get(paymentId);
  return {
    id,
    status,
    matchNumber,
    category,
    quantity,
    refundedQuantity,
    unitPrice,
    currency,
    email,
    ...(account !== undefined && { account }),
    ...(country !== undefined && { country }),
    createdAt: iso(createdAt),
    updatedAt: iso(updatedAt),
    expiresAt: iso(expiresAt),
    ...(reason !== undefined && { reason }),
    ...(payment && paymentId !== undefined && { payment: operatorJson(paymentId, payment, options) }),
  };
}

function mailRoute(options: ReservationSearchOptions): Route {
  const { find, mails, clock, waitMs } = options;
  return defineRoute({
    method: 'post',
    path: '/api/v1/operations/reservations/{id}/mails',
    summary: 'Mail the tickets of a sale again',
    description: 'To the address it was bought with.',
    ...forOperators(options, 'not_found', 'invalid_state'),
    params: z.object({ id: z.string().regex(RESERVATION_ID) }),
    responses: { 202: { description: 'Queued', schema: z.object({ queued: z.literal(true) }) } },
    handle: async ({ params: { id }, ...asked }) => {
      const reservation = await bounded(clock, waitMs, 'archive', find(id));
      if (!reservation) return notFound('This reservation');
      if (reservation.status !== 'RESERVED') {
        return new Problem('invalid_state', {
          detail: `The reservation is ${reservation.status}: it has no tickets to mail.`,
        });
      }
      await audited(options, asked, { action: 'tickets.mailed_again', subject: `reservation:${id}` });
      const mail = {
        kind: 'purchase',
        id: `purchase:${id}:${asked.requestId}`,
        to: reservation.email,
        data: factsOf(reservation),
      } as const;
      await bounded(clock, waitMs, 'archive', mails.add(mail));
      return { status: 202, body: { queued: true } };
    },
  });
}
