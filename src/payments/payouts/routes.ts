/** Payouts for operators: the list, one with what it pays out, and what is not paid out yet. Nothing here changes anything. */
import { z } from 'zod';
import { defineRoute, type Answer, type Route } from '../../http/api.js';
import { notFound, type Problem } from '../../http/problem.js';
import { CSV_TYPE, csvOf, type Cell } from '../../operations/csv.js';
import type { Principal } from '../../users/principal.js';
import type { ListedPayout, PayoutDesk, ReconciledPayout } from '../payouts.js';
import { BALANCE_KINDS, type Payout } from '../port.js';
import { MATCHES, MISSING_REASONS, type ComparedLine } from './compare.js';

export interface PayoutRoutesOptions {
  readonly desk: Pick<PayoutDesk, 'list' | 'payout' | 'pending'>;
  readonly requireOperator: (principal: Principal | null) => Problem | null;
}

/** To be put before routes that take any id behind `/api/v1/payments/`. */
export function payoutRoutes(options: PayoutRoutesOptions): Route[] {
  return [listRoute(options), pendingRoute(options), readRoute(options)];
}

/** How long a request may read from the provider: what is not read by then is told by `isComplete`. */
const READ_MS = 15_000;
const PAYOUTS_PER_PAGE_MAX = 100;
const PAYOUT_ID = /^po_[A-Za-z0-9_]{1,100}$/;
const FOR_OPERATORS = ['unauthorized', 'forbidden', 'second_factor_required', 'overloaded'] as const;

const time = z.iso.datetime();
const minor = z.number().int();

const payoutFields = {
  id: z.string(),
  status: z.string().meta({ description: '`pending`, `in_transit`, `paid`, `failed` or `canceled`.' }),
  amountMinor: minor.meta({ description: 'Minor units of the currency.' }),
  currency: z.string(),
  arrivalDate: time.meta({ description: 'When the bank should have it.' }),
  createdAt: time,
  automatic: z.boolean().meta({ description: 'Of any other it is not known what it pays out.' }),
};
const payoutSchema = z.object(payoutFields).meta({ id: 'Payout' });
const listedSchema = z
  .object({
    ...payoutFields,
    comparison: z
      .object({ at: time, mismatches: z.number().int(), isComplete: z.boolean() })
      .optional()
      .meta({ description: 'With the payments on record, when it was compared last.' }),
  })
  .meta({ id: 'Listed payout' });

const lineSchema = z
  .object({
    id: z.string(),
    type: z.enum(BALANCE_KINDS),
    at: time,
    amountMinor: minor.meta({ description: 'Below 0 when it leaves the balance.' }),
    feeMinor: minor,
    netMinor: minor.meta({ description: '`amountMinor` less `feeMinor`.' }),
    currency: z.string().optional().meta({
      description: 'Where it is another one than that of the payout; then it is not in the totals.',
    }),
    paymentId: z.string().optional(),
    reservationId: z.string().optional(),
    match: z.enum(MATCHES).meta({
      description:
        '`unknown_payment` and `amount_differs` are mismatches; `other` is nothing of a reservation.',
    }),
    detail: z.string().optional(),
  })
  .meta({ id: 'Payout line' });

const reconciledSchema = z
  .object({
    payout: payoutSchema.nullable().meta({ description: 'Null: what is not paid out yet.' }),
    currency: z.string(),
    totals: z
      .object({
        chargesMinor: minor,
        refundsMinor: minor.meta({ description: 'Given back.' }),
        feesMinor: minor,
        disputesMinor: minor.meta({ description: 'Taken by disputes.' }),
        otherMinor: minor.meta({ description: 'Anything else; above 0 when it came in.' }),
        netMinor: minor.meta({ description: 'Charges less refunds, fees and disputes, and anything else.' }),
      })
      .meta({ description: 'Minor units of the currency.' }),
    lines: z.array(lineSchema).meta({ description: 'Newest first; at most 10,000.' }),
    mismatches: z.number().int().meta({
      description:
        'Lines that do not match, what is missing, and one more when the lines do not add up to the payout.',
    }),
    missing: z
      .array(
        z.object({
          paymentId: z.string(),
          reservationId: z.string(),
          amountMinor: minor,
          refundedMinor: minor,
          reason: z.enum(MISSING_REASONS),
        }),
      )
      .meta({ description: 'On record and not at the provider.' }),
    isComplete: z
      .boolean()
      .meta({ description: 'False when not all could be read or compared; the rest is as it says.' }),
  })
  .meta({ id: 'Reconciled payout' });

const format = z
  .enum(['json', 'csv'])
  .default('json')
  .meta({ description: '`csv`: the lines, then what is missing.' });

const operatorsOnly =
  ({ requireOperator }: PayoutRoutesOptions) =>
  ({ principal }: { readonly principal: Principal | null }): Problem | null =>
    requireOperator(principal);

function listRoute(options: PayoutRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/payments/payouts',
    tag: 'payments',
    summary: 'Payouts of the provider, newest first',
    routeClass: 'admin',
    security: ['accessToken'],
    query: z.object({
      limit: z.coerce.number().int().min(1).max(PAYOUTS_PER_PAGE_MAX).default(25),
      after: z.string().max(200).optional(),
    }),
    responses: {
      200: {
        description: 'A page',
        schema: z.object({ payouts: z.array(listedSchema), next: z.string().optional() }),
      },
    },
    problems: FOR_OPERATORS,
    authorize: operatorsOnly(options),
    handle: async ({ query: { limit, after } }) => {
      const { payouts, next } = await options.desk.list({ limit, ...(after !== undefined && { after }) });
      const body = { payouts: payouts.map(listedJson), ...(next !== undefined && { next }) };
      return { status: 200, body };
    },
  });
}

function pendingRoute(options: PayoutRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/payments/payouts/pending',
    tag: 'payments',
    summary: 'What is not paid out yet, beside the payments on record',
    routeClass: 'admin',
    security: ['accessToken'],
    query: z.object({ format }),
    responses: {
      200: {
        description: 'Each change of the balance with a verdict',
        schema: reconciledSchema,
        alsoAs: ['text/csv'],
      },
    },
    problems: FOR_OPERATORS,
    authorize: operatorsOnly(options),
    handle: async ({ query }) => answer(await options.desk.pending({ readMs: READ_MS }), query.format),
  });
}

function readRoute(options: PayoutRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/payments/payouts/{id}',
    tag: 'payments',
    summary: 'A payout, beside the payments on record',
    routeClass: 'admin',
    security: ['accessToken'],
    params: z.object({ id: z.string().regex(PAYOUT_ID) }),
    query: z.object({ format }),
    responses: {
      200: { description: 'Each line with a verdict', schema: reconciledSchema, alsoAs: ['text/csv'] },
    },
    problems: [...FOR_OPERATORS, 'not_found'],
    authorize: operatorsOnly(options),
    handle: async ({ params, query }) => {
      const found = await options.desk.payout(params.id, { readMs: READ_MS });
      return found ? answer(found, query.format) : notFound('This payout');
    },
  });
}

const iso = (at: number): string => new Date(at).toISOString();

function payoutJson(payout: Payout): z.output<typeof payoutSchema> {
  const { id, status, amountMinor, currency, arrivalAt, createdAt, isAutomatic } = payout;
  return {
    id,
    status,
    amountMinor,
    currency,
    arrivalDate: iso(arrivalAt),
    createdAt: iso(createdAt),
    automatic: isAutomatic,
  };
}

function listedJson({ result, ...payout }: ListedPayout): z.output<typeof listedSchema> {
  if (!result) return payoutJson(payout);
  const { comparedAt, mismatches, isComplete } = result;
  return { ...payoutJson(payout), comparison: { at: iso(comparedAt), mismatches, isComplete } };
}

function lineJson(line: ComparedLine, currency: string): z.output<typeof lineSchema> {
  const { id, kind, at, amountMinor, feeMinor, netMinor, paymentId, reservationId, match, detail } = line;
  return {
    id,
    type: kind,
    at: iso(at),
    amountMinor,
    feeMinor,
    netMinor,
    ...(line.currency !== currency && { currency: line.currency }),
    ...(paymentId !== undefined && { paymentId }),
    ...(reservationId !== undefined && { reservationId }),
    match,
    ...(detail !== undefined && { detail }),
  };
}

function answer(reconciled: ReconciledPayout, wanted: 'json' | 'csv'): Answer {
  if (wanted === 'csv') return csvAnswer(reconciled);
  const { payout, currency, totals, lines, mismatches, missing, isComplete } = reconciled;
  const body: z.output<typeof reconciledSchema> = {
    payout: payout && payoutJson(payout),
    currency,
    totals,
    lines: lines.map((line) => lineJson(line, currency)),
    mismatches,
    missing: [...missing],
    isComplete,
  };
  return { status: 200, body };
}

const COLUMNS = [
  'id',
  'type',
  'at',
  'amountMinor',
  'feeMinor',
  'netMinor',
  'currency',
  'paymentId',
  'reservationId',
  'match',
  'detail',
] as const;
type Cells = { readonly [C in (typeof COLUMNS)[number]]?: Cell };

function csvAnswer({ payout, currency, lines, missing, isComplete }: ReconciledPayout): Answer {
  const rows: Cells[] = [
    ...lines.map((line) => ({ ...lineJson(line, currency), currency: line.currency })),
    ...missing.map(({ paymentId, reservationId, reason }) => ({
      type: 'missing',
      paymentId,
      reservationId,
      match: 'missing',
      detail: reason,
    })),
    // A sheet that goes from hand to hand has to say itself that it is not all.
    ...(isComplete ? [] : [{ type: 'incomplete', detail: 'Not all could be read or compared.' }]),
  ];
  const content = csvOf(
    COLUMNS,
    rows.map((cells) => COLUMNS.map((column) => cells[column])),
  );
  const name = `payout-${payout?.id ?? 'pending'}.csv`;
  return {
    status: 200,
    text: { type: CSV_TYPE, content },
    headers: { 'Content-Disposition': `attachment; filename="${name}"` },
  };
}
