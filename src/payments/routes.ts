/**
 * The payments service: the provider's webhook, and payments for operators. Guarantees: a webhook is believed
 * only when its signature over the raw body is right and fresh; it may come twice, late and out of order,
 * because it only says which payment to look at; it is answered 200 only when that is on record.
 */
import { z } from 'zod';
import { Collection, type Documents } from '../archive/documents.js';
import type { Clock } from '../actors/ports.js';
import { defineRoute, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { ticketOfReservation } from '../http/identity.js';
import type { Idempotency } from '../http/idempotency.js';
import { Problem, notFound, outcomeUnknown, overloaded, validationFailed } from '../http/problem.js';
import type { Audit } from '../security/port.js';
import type { Principal } from '../users/principal.js';
import type { PaymentFlow, RefundResult } from './flow.js';
import { WebhookRefusedError, type PaymentProvider } from './port.js';
import type { PaymentRecord, PaymentRecords } from './records.js';

export const paymentStateSchema = z
  .object({
    id: z.string(),
    reservationId: z.string(),
    status: z.string().meta({ description: "As Stripe's PaymentIntent, when it was looked at last." }),
    amountMinor: z.number().int().meta({ description: 'Minor units of the currency.' }),
    currency: z.string(),
    tax: z
      .object({ name: z.string(), percent: z.number(), amountMinor: z.number().int() })
      .meta({ description: 'Contained in the amount.' }),
    refundedMinor: z.number().int(),
    dispute: z.enum(['open', 'won', 'lost']).optional(),
    late: z
      .enum(['reserved', 'refunded', 'pending'])
      .optional()
      .meta({ description: 'Charged after the hold had ended: what became of it.' }),
    receiptUrl: z.string().optional(),
    stuck: z
      .string()
      .optional()
      .meta({ description: 'Why the provider refuses to give money back; for operators.' }),
    isSettled: z.boolean().meta({ description: 'False while something of it is still to be done.' }),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .meta({ id: 'Payment state' });

export interface TaxLine {
  readonly taxName: string;
  readonly taxPercent: number;
}

/** What buyers and operators see of a payment. */
export function paymentJson(
  id: string,
  record: PaymentRecord,
  { taxName, taxPercent }: TaxLine,
): z.output<typeof paymentStateSchema> {
  const { reservationId, status, amountMinor, currency, taxMinor, refundedMinor } = record;
  const { dispute, receiptUrl } = record;
  const late = lateOf(record);
  return {
    id,
    reservationId,
    status,
    amountMinor,
    currency,
    tax: { name: taxName, percent: taxPercent, amountMinor: taxMinor },
    refundedMinor,
    ...(dispute !== undefined && { dispute }),
    ...(late !== undefined && { late }),
    ...(receiptUrl !== undefined && { receiptUrl }),
    isSettled: record.dueAt === undefined,
    createdAt: new Date(record.createdAt).toISOString(),
    updatedAt: new Date(record.updatedAt).toISOString(),
  };
}

/** What operators see beside what buyers do. */
export function operatorJson(
  id: string,
  record: PaymentRecord,
  tax: TaxLine,
): ReturnType<typeof paymentJson> {
  return { ...paymentJson(id, record, tax), ...(record.stuck !== undefined && { stuck: record.stuck }) };
}

function lateOf({ late, lateOutcome }: PaymentRecord): 'reserved' | 'refunded' | 'pending' | undefined {
  return late === undefined ? undefined : (lateOutcome ?? 'pending');
}

export interface PaymentRoutesOptions extends TaxLine {
  readonly provider: Pick<PaymentProvider, 'webhook' | 'kind'>;
  readonly flow: Pick<PaymentFlow, 'refund'>;
  readonly records: PaymentRecords;
  readonly documents: Documents;
  readonly idempotency: Idempotency;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly waitMs: number;
  /** A payment has just become due. */
  readonly poke: () => void;
  readonly requireOperator: (principal: Principal | null) => Problem | null;
  /** Stripe's key for browsers; absent in the sandbox. */
  readonly publishableKey: string | undefined;
}

/** How long webhook messages are remembered; Stripe sends one again for three days. */
const MESSAGE_KEEP_MS = 7 * 24 * 60 * 60_000;

const messageSchema = z.object({ type: z.string(), at: z.number() });
type Messages = Collection<'webhooks', typeof messageSchema>;

export function paymentRoutes(options: PaymentRoutesOptions): Route[] {
  const messages: Messages = new Collection(options.documents, {
    name: 'webhooks',
    schema: messageSchema,
    expiresAt: ({ at }) => at + MESSAGE_KEEP_MS,
  });
  return [
    configRoute(options),
    webhookRoute(options, messages),
    listRoute(options),
    readRoute(options),
    refundRoute(options),
  ];
}

function configRoute({ provider, publishableKey }: PaymentRoutesOptions): Route {
  const schema = z.object({ provider: z.enum(['sandbox', 'stripe']), publishableKey: z.string().optional() });
  return defineRoute({
    method: 'get',
    path: '/api/v1/payments/config',
    tag: 'payments',
    summary: 'How payments are made here',
    responses: { 200: { description: 'What a client needs to collect a payment method', schema } },
    handle: () => ({
      status: 200,
      body: { provider: provider.kind, ...(publishableKey !== undefined && { publishableKey }) },
    }),
  });
}

const SIGNATURE_CHARS_MAX = 2_000;

function webhookRoute(options: PaymentRoutesOptions, messages: Messages): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/payments/webhook',
    tag: 'payments',
    summary: 'What the payment provider tells us',
    description: "Stripe's webhook; signed in `Stripe-Signature`, at most 5 minutes old.",
    routeClass: 'webhook',
    headers: z.object({ 'Stripe-Signature': z.string().max(SIGNATURE_CHARS_MAX).optional() }),
    rawBody: true,
    body: z.unknown().meta({ description: 'An event of Stripe.' }),
    responses: {
      200: {
        description: 'On record',
        schema: z.object({ status: z.enum(['taken', 'repeated', 'ignored']) }),
      },
    },
    problems: ['malformed_request', 'overloaded'],
    handle: async ({ headers, body }) => {
      const message = await verified(options, body, headers['Stripe-Signature'] ?? '');
      if (message instanceof Problem) return message;
      const { clock, waitMs } = options;
      const status = await bounded(clock, waitMs, 'archive', take(options, messages, message));
      if (status === 'taken') options.poke();
      return { status: 200, body: { status } };
    },
  });
}

type Message = Awaited<ReturnType<PaymentProvider['webhook']>>;

async function verified(
  { provider }: PaymentRoutesOptions,
  body: unknown,
  signature: string,
): Promise<Message | Problem> {
  try {
    return await provider.webhook(Buffer.isBuffer(body) ? body : Buffer.alloc(0), signature);
  } catch (error) {
    if (!(error instanceof WebhookRefusedError)) throw error;
    return new Problem('malformed_request', {
      detail: 'The message is not signed by the payment provider, was altered, or is too old.',
    });
  }
}

/** Makes its payment due, and only then remembers the message: a crash in between lets it be taken again. */
async function take(
  { records, clock }: PaymentRoutesOptions,
  messages: Messages,
  { id, type, paymentId }: Message,
): Promise<'taken' | 'repeated' | 'ignored'> {
  if (paymentId === null) return 'ignored';
  if (await messages.get(id)) return 'repeated';
  const record = await records.remind(paymentId, clock.now());
  if (!record) return 'ignored';
  await messages.insert(id, { type, at: clock.now() });
  return 'taken';
}

const operatorsOnly =
  ({ requireOperator }: PaymentRoutesOptions) =>
  ({ principal }: { readonly principal: Principal | null }): Problem | null =>
    requireOperator(principal);

const FOR_OPERATORS = ['unauthorized', 'forbidden', 'second_factor_required', 'overloaded'] as const;
const PAYMENT_ID = /^[A-Za-z0-9_-]{1,100}$/;
const idParams = z.object({ id: z.string().regex(PAYMENT_ID) });
const PAYMENTS_PER_PAGE_MAX = 100;

function listRoute(options: PaymentRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/payments',
    tag: 'payments',
    summary: 'All payments, newest first',
    routeClass: 'admin',
    security: ['accessToken'],
    query: z.object({
      limit: z.coerce.number().int().min(1).max(PAYMENTS_PER_PAGE_MAX).default(PAYMENTS_PER_PAGE_MAX),
      after: z.string().max(500).optional(),
    }),
    responses: {
      200: {
        description: 'A page',
        schema: z.object({ payments: z.array(paymentStateSchema), next: z.string().optional() }),
      },
    },
    problems: FOR_OPERATORS,
    authorize: operatorsOnly(options),
    handle: async ({ query: { limit, after } }) => {
      const page = await options.records.list({ limit, ...(after !== undefined && { after }) });
      const payments = page.items.map(({ id, value }) => operatorJson(id, value, options));
      return { status: 200, body: { payments, ...(page.next !== undefined && { next: page.next }) } };
    },
  });
}

function readRoute(options: PaymentRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/payments/{id}',
    tag: 'payments',
    summary: 'A payment',
    routeClass: 'admin',
    security: ['accessToken'],
    params: idParams,
    responses: { 200: { description: 'As it was seen last', schema: paymentStateSchema } },
    problems: FOR_OPERATORS,
    authorize: operatorsOnly(options),
    handle: async ({ params }) => {
      const record = await options.records.get(params.id);
      return record
        ? { status: 200, body: operatorJson(params.id, record, options) }
        : notFound('This payment');
    },
  });
}

const refundedSchema = z.object({
  reservationStatus: z.string(),
  quantity: z.number().int().meta({ description: 'Tickets it still covers.' }),
  refundedMinor: z.number().int().meta({ description: 'Given back in all.' }),
  pending: z
    .boolean()
    .meta({ description: 'True while the money is not on its way yet; it will be sent, unless `stuck`.' }),
  stuck: z
    .string()
    .optional()
    .meta({ description: 'Why the provider refuses to send it; see docs/operations.md.' }),
});

const QUANTITY_MAX = 1_000;
const NOTE_CHARS_MAX = 500;
const KEY_CHARS_MAX = 255;

function refundRoute(options: PaymentRoutesOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/payments/{id}/refunds',
    tag: 'payments',
    summary: 'Give tickets and their money back',
    description: 'Whole, or some of its tickets. The tickets are void at once.',
    routeClass: 'admin',
    security: ['accessToken'],
    params: idParams,
    headers: z.object({
      'Idempotency-Key': z
        .string()
        .min(1)
        .max(KEY_CHARS_MAX)
        .regex(/^[\x21-\x7e]+$/, 'visible ASCII only')
        .meta({ description: 'The same refund, however often it is sent.' }),
    }),
    body: z
      .object({
        quantity: z
          .number()
          .int()
          .min(1)
          .max(QUANTITY_MAX)
          .optional()
          .meta({ description: 'All when absent.' }),
        note: z.string().trim().min(1).max(NOTE_CHARS_MAX).meta({ description: 'Why, for the audit.' }),
      })
      .meta({ id: 'Refund' }),
    responses: { 200: { description: 'The tickets are given back', schema: refundedSchema } },
    problems: [...FOR_OPERATORS, 'not_found', 'invalid_state'],
    authorize: operatorsOnly(options),
    handle: async ({ params: { id }, body, headers, principal, requestId, address }) => {
      const record = await options.records.get(id);
      const ticket = record && ticketOfReservation(record.reservationId);
      if (!record || !ticket) return notFound('This payment');
      const key = headers['Idempotency-Key'];
      const identity = await options.idempotency.identify({ route: 'refund', caller: id, key, body });
      if (identity.kind === 'conflict') {
        return validationFailed([{ path: 'Idempotency-Key', message: 'was used with another body' }]);
      }
      await options.audit.record({
        actor: `account:${principal?.accountId ?? ''}`,
        action: 'payment.refund_ordered',
        subject: `payment:${id}`,
        address,
        requestId,
        details: { reservationId: record.reservationId, quantity: body.quantity ?? 'all', note: body.note },
      });
      const ref = { ticket, reservationId: record.reservationId };
      const ids = { id: identity.id, keepMs: identity.keepMs, requestId };
      const wanted = { ref, paymentId: id, quantity: body.quantity };
      return refundAnswer(await options.flow.refund(wanted, ids), identity.first);
    },
  });
}

function refundAnswer(result: RefundResult, first: boolean) {
  switch (result.kind) {
    case 'refunded': {
      const { reservation, refundedMinor, pending, stuck } = result;
      const { status, quantity } = reservation;
      const left = status === 'REFUNDED' ? 0 : quantity;
      const body = { reservationStatus: status, quantity: left, refundedMinor, pending };
      return { status: 200, body: { ...body, ...(stuck !== undefined && { stuck }) } };
    }
    case 'refund_exceeds':
      return validationFailed([{ path: 'quantity', message: `at most ${result.quantity} can be refunded` }]);
    case 'wrong_state':
      return new Problem('invalid_state', { detail: `The reservation is ${result.status}, not RESERVED.` });
    case 'overloaded':
      return first ? overloaded(result.retryAfterMs) : outcomeUnknown({ keyed: true });
    case 'unknown':
      return outcomeUnknown({ keyed: true });
  }
}
