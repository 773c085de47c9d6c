/** The operations of Stripe's API that the sandbox has, as data: path, parameters, and what is done. */
import { z } from 'zod';
import type { Clock } from '../../actors/ports.js';
import { sortable } from '../../archive/documents.js';
import { ApiError, cardError, invalid, missing, ok, type Answer, type Json } from './answers.js';
import { behaviourOf, cardOfMethod, cardOfNumber, type CardRecord } from './cards.js';
import type { Books, BooksState, Entry } from './balance.js';
import { checked, expand, integer, metadata } from './form.js';
import type { Intents } from './intents.js';
import { cancel, confirm, confirmOf, decideDispute, declineError, refund } from './machine.js';
import { ids, type IntentRecord, type Records } from './records.js';
import * as render from './render.js';

export interface ApiParts {
  readonly records: Records;
  readonly intents: Intents;
  readonly books: Books;
  readonly clock: Clock;
  /** How long a slow card takes. */
  readonly slowMs: number;
  /** How long asynchronous refunds and disputes take. */
  readonly laterMs: number;
  readonly fingerprintSecret: string;
}

export interface Call {
  /** The id in the path, or ''. */
  readonly id: string;
  readonly params: Parameters<typeof checked>[1];
  /** The same in every try of one request under an idempotency key. */
  readonly operation: string;
}

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  readonly handle: (parts: ApiParts, call: Call) => Promise<Answer>;
}

/** One route; `:id` stands for an id. */
function route<S extends z.ZodType>(
  method: Route['method'],
  path: string,
  params: S,
  handle: (parts: ApiParts, call: Omit<Call, 'params'> & { readonly params: z.output<S> }) => Promise<Answer>,
): Route {
  return {
    method,
    path: new RegExp(`^/v1/${path.replace(':id', '([A-Za-z0-9_]{1,200})')}$`),
    handle: (parts, call) => handle(parts, { ...call, params: checked(params, call.params) }),
  };
}

const AMOUNT_MAX = 99_999_999;
const TEXT_CHARS_MAX = 1_000;
const URL_CHARS_MAX = 2_048;
const PAGE_MAX = 100;

const text = z.string().max(TEXT_CHARS_MAX);
const only = z.strictObject({ expand: expand.optional() });
const webUrl = z.url({ protocol: /^https?$/ }).max(URL_CHARS_MAX);
const page = {
  limit: integer.pipe(z.number().min(1).max(PAGE_MAX)).default(10),
  starting_after: text.optional(),
  expand: expand.optional(),
};
const created = z.strictObject({ gte: integer.optional() }).optional();
const ofIntent = z.strictObject({ ...page, payment_intent: text.optional(), charge: text.optional() });

async function found(parts: ApiParts, id: string, param = 'intent'): Promise<IntentRecord> {
  const record = await parts.intents.get(id);
  if (!record) throw missing('payment_intent', id, param);
  return record;
}

const createIntent = route(
  'POST',
  'payment_intents',
  z.strictObject({
    amount: integer.pipe(z.number().min(1).max(AMOUNT_MAX)),
    currency: z.string().regex(/^[a-z]{3}$/i, 'not a currency'),
    automatic_payment_methods: z.strictObject({ enabled: z.literal('true') }).optional(),
    capture_method: z.literal('automatic').optional(),
    description: text.optional(),
    receipt_email: text.optional(),
    metadata: metadata.default({}),
    expand: expand.optional(),
  }),
  async (parts, { params, operation }) => {
    const id = ids.intent(operation);
    const record: IntentRecord = {
      kind: 'payment_intent',
      created: parts.clock.now(),
      amount: params.amount,
      currency: params.currency.toLowerCase(),
      description: params.description ?? null,
      receiptEmail: params.receipt_email ?? null,
      metadata: params.metadata,
      status: 'requires_payment_method',
      methodId: null,
      returnUrl: null,
      lastError: null,
      canceled: null,
      confirms: [],
      charges: [],
      refunds: [],
      dispute: null,
      disputeLater: null,
      eventCount: 0,
      outbox: [],
    };
    const isNew = await parts.intents.insert(id, record);
    return ok(render.intent(id, isNew ? record : await found(parts, id), params.expand));
  },
);

const readIntent = route('GET', 'payment_intents/:id', only, async (parts, { id, params }) =>
  ok(render.intent(id, await found(parts, id), params.expand)),
);

const listIntents = route(
  'GET',
  'payment_intents',
  z.strictObject({ ...page, created }),
  async (parts, { params }) => {
    const paths = params.expand?.map((path) => path.replace(/^data\./, ''));
    const { items, hasMore } = await newest(parts, 'payment_intent', params);
    const data = items.flatMap(({ id, value }) =>
      value.kind === 'payment_intent' ? [render.intent(id, value, paths)] : [],
    );
    return ok(render.list('/v1/payment_intents', data, hasMore));
  },
);

interface Listing {
  readonly limit: number;
  readonly starting_after?: string | undefined;
  readonly created?: { readonly gte?: number | undefined } | undefined;
}

/** A page of all objects of a kind, newest first. */
async function newest(
  { records }: ApiParts,
  kind: 'payment_intent' | 'event',
  { limit, starting_after: after, created: since }: Listing,
): Promise<{ items: Awaited<ReturnType<Records['list']>>['items']; hasMore: boolean }> {
  const last = after === undefined ? null : await records.get(after);
  if (after !== undefined && last?.value.kind !== kind) throw missing(kind, after, 'starting_after');
  const below = last && 'created' in last.value ? `${kind}/${sortable(last.value.created)}/${last.id}` : null;
  const { items } = await records.list('all', {
    prefix: `${kind}/`,
    limit: Math.min(limit + 1, PAGE_MAX),
    newestFirst: true,
    ...(below !== null && { below }),
  });
  const wanted = items.filter(
    ({ value }) => 'created' in value && Math.floor(value.created / 1000) >= (since?.gte ?? 0),
  );
  // A full page may be the last one: then the next is empty.
  const hasMore = wanted.length > limit || (limit === PAGE_MAX && wanted.length === PAGE_MAX);
  return { items: wanted.slice(0, limit), hasMore };
}

async function cardFor({ records }: ApiParts, methodId: string): Promise<CardRecord> {
  const ready = cardOfMethod(methodId);
  if (ready) return ready;
  const kept = await records.get(methodId);
  if (kept?.value.kind !== 'payment_method') throw missing('PaymentMethod', methodId, 'payment_method');
  return kept.value.card;
}

const confirmIntent = route(
  'POST',
  'payment_intents/:id/confirm',
  z.strictObject({ payment_method: text, return_url: webUrl.optional(), expand: expand.optional() }),
  async (parts, { id, params, operation }) => {
    const { slowMs, laterMs, clock } = parts;
    await found(parts, id);
    const methodId = params.payment_method;
    const card = await cardFor(parts, methodId);
    if (behaviourOf(card).isSlow) await new Promise<void>((done) => void clock.schedule(slowMs, done));
    const request = {
      operation,
      methodId,
      card,
      laterMs,
      now: clock.now(),
      returnUrl: params.return_url ?? null,
    };
    const record = await changed(parts, id, (before) => confirm(before, request));
    const declined = declineError(id, confirmOf(record, operation));
    if (declined) throw withIntent(declined, id, record);
    return ok(render.intent(id, record, params.expand));
  },
);

const cancelIntent = route(
  'POST',
  'payment_intents/:id/cancel',
  z.strictObject({
    cancellation_reason: z.enum(['abandoned', 'duplicate', 'fraudulent', 'requested_by_customer']).optional(),
    expand: expand.optional(),
  }),
  async (parts, { id, params, operation }) => {
    const request = { operation, reason: params.cancellation_reason ?? null, now: parts.clock.now() };
    const record = await changed(parts, id, (before) => cancel(before, request));
    return ok(render.intent(id, record, params.expand));
  },
);

async function changed(
  parts: ApiParts,
  id: string,
  step: Parameters<Intents['change']>[1],
): Promise<IntentRecord> {
  try {
    const record = await parts.intents.change(id, step);
    if (!record) throw missing('payment_intent', id, 'intent');
    return record;
  } catch (error) {
    if (!(error instanceof ApiError) || !error.answer.isKept) throw error;
    throw withIntent(error, id, await found(parts, id));
  }
}

function withIntent({ answer, message }: ApiError, id: string, record: IntentRecord): ApiError {
  const facts = { ...(answer.body['error'] as Json), message }; // ApiError's own shape
  return new ApiError(answer.status, { ...facts, payment_intent: render.intent(id, record) }, answer.isKept);
}

const createMethod = route(
  'POST',
  'payment_methods',
  z.strictObject({
    type: z.literal('card'),
    card: z.strictObject({
      number: z.string().regex(/^\d{12,19}$/, 'not a card number'),
      exp_month: integer.pipe(z.number().min(1).max(12)),
      exp_year: integer,
      cvc: z
        .string()
        .regex(/^\d{3,4}$/, 'not a check number')
        .optional(),
    }),
    expand: expand.optional(),
  }),
  async ({ records, clock, fingerprintSecret }, { params, operation }) => {
    const { number, exp_month: expMonth, exp_year: expYear } = params.card;
    const card = cardOfNumber(number, { expMonth, expYear }, fingerprintSecret);
    if ('code' in card) throw cardError(card);
    const id = ids.method(operation);
    const record = { kind: 'payment_method', created: clock.now(), card } as const;
    await records.insert(id, record);
    return ok(render.method(id, record));
  },
);

const readMethod = route('GET', 'payment_methods/:id', only, async (parts, { id }) => {
  const created = parts.clock.now();
  const kept = await parts.records.get(id);
  const record = kept?.value.kind === 'payment_method' ? kept.value : null;
  const card = record?.card ?? (await cardFor(parts, id));
  return ok(render.method(id, record ?? { kind: 'payment_method', created, card }));
});

const createRefund = route(
  'POST',
  'refunds',
  z.strictObject({
    payment_intent: text.optional(),
    charge: text.optional(),
    amount: integer.optional(),
    reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer']).optional(),
    metadata: metadata.default({}),
    expand: expand.optional(),
  }),
  async (parts, { params, operation }) => {
    const { clock, laterMs } = parts;
    const id = intentIdOf(params);
    const request = {
      operation,
      amount: params.amount,
      reason: params.reason ?? null,
      metadata: params.metadata,
      now: clock.now(),
      laterMs,
    };
    const record = await parts.intents.change(id, (before) => refund(before, request));
    if (!record) throw missing('payment_intent', id, 'payment_intent');
    const index = record.refunds.findIndex((made) => made.operation === operation);
    return ok(render.refund(id, record, index));
  },
);

function intentIdOf({
  payment_intent: intent,
  charge,
}: {
  payment_intent?: string | undefined;
  charge?: string | undefined;
}): string {
  const id = intent ?? (charge === undefined ? undefined : ids.intentOf(charge));
  if (id !== undefined) return id;
  throw invalid('The sandbox needs a payment_intent or a charge here', {
    code: 'parameter_missing',
    param: 'payment_intent',
  });
}

type Parts = (id: string, record: IntentRecord, now: number) => readonly Json[];

/** Objects that belong to an intent, by their own id. */
function readPart(path: string, what: string, parts: Parts): Route {
  return route('GET', `${path}/:id`, only, async ({ intents, clock }, { id }) => {
    const intentId = ids.intentOf(id);
    const record = await intents.get(intentId);
    const part = record && parts(intentId, record, clock.now()).find((known) => known['id'] === id);
    if (!part) throw missing(what, id, 'id');
    return ok(part);
  });
}

/** Objects that belong to an intent, newest first. The sandbox lists them by intent only. */
function listParts(path: string, parts: Parts): Route {
  return route('GET', path, ofIntent, async ({ intents, clock }, { params }) => {
    const intentId = intentIdOf(params);
    const record = await intents.get(intentId);
    const all = record ? parts(intentId, record, clock.now()) : [];
    const from =
      params.starting_after === undefined ? 0 : all.findIndex(({ id }) => id === params.starting_after) + 1;
    const data = all.slice(from, from + params.limit);
    return ok(render.list(`/v1/${path}`, data, all.length > from + params.limit));
  });
}

const charges: Parts = (id, record) =>
  record.charges.map((_, index) => render.charge(id, record, index)).reverse();
const disputes: Parts = (id, record, now) => (record.dispute ? [render.dispute(id, record, now)] : []);

/** Stripe decides a test dispute by this evidence at once. https://docs.stripe.com/testing#disputes */
const answerDispute = route(
  'POST',
  'disputes/:id',
  z.strictObject({
    evidence: z.strictObject({ uncategorized_text: z.enum(['winning_evidence', 'losing_evidence']) }),
    submit: z.literal('true').optional(),
    expand: expand.optional(),
  }),
  async ({ intents, clock }, { id, params }) => {
    const status = params.evidence.uncategorized_text === 'winning_evidence' ? 'won' : 'lost';
    const intentId = ids.intentOf(id);
    const record = await intents.change(intentId, (before) => decideDispute(before, status, clock.now()));
    if (!record) throw missing('dispute', id, 'dispute');
    return ok(render.dispute(intentId, record, clock.now()));
  },
);

const listEvents = route(
  'GET',
  'events',
  z.strictObject({ ...page, created, type: text.optional() }),
  async (parts, { params }) => {
    const { items, hasMore } = await newest(parts, 'event', params);
    const data = items.flatMap(({ id, value }) =>
      value.kind === 'event' && (params.type ?? value.type) === value.type ? [render.event(id, value)] : [],
    );
    return ok(render.list('/v1/events', data, hasMore));
  },
);

const readEvent = route('GET', 'events/:id', only, async ({ records }, { id }) => {
  const kept = await records.get(id);
  if (kept?.value.kind !== 'event') throw missing('event', id, 'id');
  return ok(render.event(id, kept.value));
});

/** What is listed of the books: where it starts and whether there is more. */
function pageOf<T extends { readonly id: string }>(
  all: readonly T[],
  { limit, starting_after: after }: Listing,
  what: string,
): { data: readonly T[]; hasMore: boolean } {
  const last = after === undefined ? -1 : all.findIndex(({ id }) => id === after);
  if (after !== undefined && last < 0) throw missing(what, after, 'starting_after');
  const data = all.slice(last + 1, last + 1 + limit);
  return { data, hasMore: all.length > last + 1 + limit };
}

const since = (params: Listing): number => (params.created?.gte ?? 0) * 1000;

const listTransactions = route(
  'GET',
  'balance_transactions',
  z.strictObject({ ...page, created, payout: text.optional(), type: text.optional() }),
  async (parts, { params }) => {
    const { payout, type, starting_after: after } = params;
    const books = await parts.books.read(after ?? payout);
    if (payout !== undefined && !books.payouts.has(payout)) throw missing('payout', payout, 'payout');
    const wanted = books.entries.filter(
      (entry) =>
        render.whole(entry.at) >= since(params) &&
        (payout === undefined || entry.payoutId === payout) &&
        (type === undefined || entry.type === type),
    );
    const { data, hasMore } = pageOf(wanted, params, 'balance transaction');
    const isExpanded = params.expand?.includes('data.source') ?? false;
    const shown = await Promise.all(data.map((entry) => transaction(parts, books, entry, isExpanded)));
    return ok(render.list('/v1/balance_transactions', shown, hasMore));
  },
);

async function transaction(
  { intents, clock }: ApiParts,
  { payouts }: BooksState,
  entry: Entry,
  isExpanded: boolean,
): Promise<Json> {
  const now = clock.now();
  if (!isExpanded) return render.transaction(entry, now);
  if (entry.of === 'payout') {
    const payout = payouts.get(entry.sourceId);
    return render.transaction(entry, now, payout && render.payout(payout));
  }
  const record = await intents.get(entry.intentId);
  const source = record && render.happened(entry.intentId, record, { object: entry.of, index: entry.index });
  return render.transaction(entry, now, source ?? undefined);
}

const listPayouts = route(
  'GET',
  'payouts',
  z.strictObject({ ...page, created }),
  async (parts, { params }) => {
    const { payouts } = await parts.books.read(params.starting_after);
    const wanted = [...payouts.values()].filter(({ at }) => at >= since(params));
    const { data, hasMore } = pageOf(wanted, params, 'payout');
    return ok(render.list('/v1/payouts', data.map(render.payout), hasMore));
  },
);

const readPayout = route('GET', 'payouts/:id', only, async ({ books }, { id }) => {
  const payout = (await books.read(id)).payouts.get(id);
  if (!payout) throw missing('payout', id, 'payout');
  return ok(render.payout(payout));
});

export const ROUTES: readonly Route[] = [
  createIntent,
  listIntents,
  readIntent,
  confirmIntent,
  cancelIntent,
  createMethod,
  readMethod,
  createRefund,
  listParts('refunds', render.refunds),
  readPart('refunds', 'refund', render.refunds),
  listParts('charges', charges),
  readPart('charges', 'charge', charges),
  listParts('disputes', disputes),
  readPart('disputes', 'dispute', disputes),
  answerDispute,
  listEvents,
  readEvent,
  listTransactions,
  listPayouts,
  readPayout,
];
