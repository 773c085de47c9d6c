/**
 * Records as Stripe's objects, https://docs.stripe.com/api. What comes out is kept too (answers, events), so it
 * holds no secret: `present` adds those to an answer on its way out.
 */
import type { Json } from './answers.js';
import { LETTERS, balanceOf, type Entry, type PayoutEntry } from './balance.js';
import type { CardRecord } from './cards.js';
import { paidIndex, refundedOf, type Happening } from './machine.js';
import { ids, type EventRecord, type IntentRecord, type MethodRecord } from './records.js';

const seconds = (ms: number): number => Math.floor(ms / 1000);

/** A time as an answer has it. */
export const whole = (ms: number): number => seconds(ms) * 1000;

const BILLING_DETAILS = {
  address: { city: null, country: null, line1: null, line2: null, postal_code: null, state: null },
  email: null,
  name: null,
  phone: null,
  tax_id: null,
};

const CHECKS = { address_line1_check: null, address_postal_code_check: null, cvc_check: 'pass' };

function cardFacts({ brand, funding, last4, expMonth, expYear, fingerprint }: CardRecord): Json {
  return {
    brand,
    funding,
    last4,
    exp_month: expMonth,
    exp_year: expYear,
    fingerprint,
    country: 'US',
    checks: CHECKS,
    wallet: null,
  };
}

export function method(id: string, { created, card }: MethodRecord): Json {
  return {
    id,
    object: 'payment_method',
    allow_redisplay: 'unspecified',
    billing_details: BILLING_DETAILS,
    card: { ...cardFacts(card), networks: { available: [card.brand], preferred: null } },
    created: seconds(created),
    customer: null,
    livemode: false,
    metadata: {},
    type: 'card',
  };
}

export function refund(intentId: string, record: IntentRecord, index: number): Json {
  const made = record.refunds[index];
  if (!made) throw new Error(`${intentId} has no refund ${index}`);
  return {
    id: ids.refund(intentId, index),
    object: 'refund',
    amount: made.amount,
    balance_transaction: ids.transaction(intentId, LETTERS.refund, index),
    charge: ids.charge(intentId, paidIndex(record)),
    created: seconds(made.created),
    currency: record.currency,
    metadata: made.metadata,
    payment_intent: intentId,
    reason: made.reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: made.status,
    transfer_reversal: null,
    ...(made.status === 'pending' && { pending_reason: 'processing' }),
    ...(made.status === 'failed' && {
      failure_reason: 'expired_or_canceled_card',
      failure_balance_transaction: ids.transaction(intentId, LETTERS.refundFailure, index),
    }),
  };
}

export function list(url: string, data: readonly Json[], hasMore = false): Json {
  return { object: 'list', data, has_more: hasMore, url };
}

/** What a list holds when it comes with another object. */
const FIRST_PAGE = 10;
const firstPage = (url: string, data: readonly Json[]): Json =>
  list(url, data.slice(0, FIRST_PAGE), data.length > FIRST_PAGE);

/** Newest first. */
export function refunds(intentId: string, record: IntentRecord): readonly Json[] {
  return record.refunds.map((_, index) => refund(intentId, record, index)).reverse();
}

export function charge(intentId: string, record: IntentRecord, index: number, withRefunds = false): Json {
  const made = record.charges[index];
  if (!made) throw new Error(`${intentId} has no charge ${index}`);
  const id = ids.charge(intentId, index);
  const isPaid = made.failure === null;
  const refunded = isPaid ? refundedOf(record) : 0;
  return {
    id,
    object: 'charge',
    amount: record.amount,
    amount_captured: isPaid ? record.amount : 0,
    amount_refunded: refunded,
    balance_transaction: isPaid ? ids.transaction(intentId, LETTERS.charge, index) : null,
    billing_details: BILLING_DETAILS,
    captured: isPaid,
    created: seconds(made.created),
    currency: record.currency,
    customer: null,
    description: record.description,
    disputed: isPaid && record.dispute !== null,
    failure_code: made.failure?.code ?? null,
    failure_message: made.failure?.message ?? null,
    fraud_details: {},
    livemode: false,
    metadata: record.metadata,
    outcome: {
      network_status: isPaid ? 'approved_by_network' : 'declined_by_network',
      reason: made.failure?.declineCode ?? null,
      type: isPaid ? 'authorized' : 'issuer_declined',
    },
    paid: isPaid,
    payment_intent: intentId,
    payment_method: made.methodId,
    payment_method_details: {
      type: 'card',
      card: {
        ...cardFacts(made.card),
        network: made.card.brand,
        three_d_secure: made.isAuthenticated ? { result: 'authenticated', version: '2.2.0' } : null,
      },
    },
    receipt_email: record.receiptEmail,
    receipt_number: null,
    receipt_url: null,
    refunded: isPaid && refunded === record.amount,
    shipping: null,
    status: isPaid ? 'succeeded' : 'failed',
    ...(withRefunds && {
      refunds: firstPage(`/v1/charges/${id}/refunds`, isPaid ? refunds(intentId, record) : []),
    }),
  };
}

function lastError(intentId: string, { lastError: error }: IntentRecord): Json | null {
  if (!error) return null;
  return {
    type: error.type,
    code: error.code,
    message: error.message,
    ...(error.declineCode !== undefined && { decline_code: error.declineCode }),
    ...(error.chargeIndex !== null && { charge: ids.charge(intentId, error.chargeIndex) }),
  };
}

/** The page where the holder answers the bank, without what opens it. */
export const pagePath = (intentId: string, attempt: number): string =>
  `/sandbox/authenticate/${intentId}?attempt=${attempt}`;

/** `expand`: `latest_charge`, `latest_charge.refunds`; what else is asked for stays an id. */
export function intent(id: string, record: IntentRecord, expand: readonly string[] = []): Json {
  const latest = record.charges.length - 1;
  const withRefunds = expand.includes('latest_charge.refunds');
  const isExpanded = withRefunds || expand.includes('latest_charge');
  return {
    id,
    object: 'payment_intent',
    amount: record.amount,
    amount_capturable: 0,
    amount_details: { tip: {} },
    amount_received: record.status === 'succeeded' ? record.amount : 0,
    application: null,
    automatic_payment_methods: { allow_redirects: 'always', enabled: true },
    canceled_at: record.canceled ? seconds(record.canceled.at) : null,
    cancellation_reason: record.canceled?.reason ?? null,
    capture_method: 'automatic',
    client_secret: null,
    confirmation_method: 'automatic',
    created: seconds(record.created),
    currency: record.currency,
    customer: null,
    description: record.description,
    last_payment_error: lastError(id, record),
    latest_charge:
      latest < 0 ? null : isExpanded ? charge(id, record, latest, withRefunds) : ids.charge(id, latest),
    livemode: false,
    metadata: record.metadata,
    next_action:
      record.status === 'requires_action'
        ? {
            type: 'redirect_to_url',
            redirect_to_url: { url: pagePath(id, record.confirms.length), return_url: record.returnUrl },
          }
        : null,
    payment_method: record.methodId,
    payment_method_options: {},
    payment_method_types: ['card'],
    processing: null,
    receipt_email: record.receiptEmail,
    setup_future_usage: null,
    shipping: null,
    status: record.status,
  };
}

const DISPUTE_ANSWER_MS = 7 * 86_400_000;

/** With what it did to the balance, as that stands at `now`; in an event, before it is available. */
export function dispute(intentId: string, record: IntentRecord, now = 0): Json {
  const { dispute: open } = record;
  if (!open) throw new Error(`${intentId} has no dispute`);
  return {
    id: ids.dispute(intentId),
    object: 'dispute',
    amount: record.amount,
    balance_transactions: balanceOf(intentId, record)
      .filter((entry) => entry.of === 'dispute')
      .map((entry) => transaction(entry, now)),
    charge: ids.charge(intentId, paidIndex(record)),
    created: seconds(open.created),
    currency: record.currency,
    enhanced_eligibility_types: [],
    evidence: { enhanced_evidence: {} },
    evidence_details: {
      due_by: seconds(open.created + DISPUTE_ANSWER_MS),
      enhanced_eligibility: {},
      has_evidence: open.status !== 'needs_response',
      past_due: false,
      submission_count: open.status === 'needs_response' ? 0 : 1,
    },
    is_charge_refundable: false,
    livemode: false,
    metadata: {},
    payment_intent: intentId,
    reason: open.reason,
    status: open.status,
  };
}

/** `source`: the object it is of, where it was asked for. */
export function transaction(entry: Entry, now: number, source?: Json): Json {
  const { id, type, category, at, availableAt, amount, fee, currency, sourceId } = entry;
  return {
    id,
    object: 'balance_transaction',
    amount,
    available_on: seconds(availableAt),
    balance_type: 'payments',
    created: seconds(at),
    currency,
    description: null,
    exchange_rate: null,
    fee,
    fee_details:
      fee === 0
        ? []
        : [{ amount: fee, application: null, currency, description: 'Sandbox fee', type: 'stripe_fee' }],
    net: amount - fee,
    reporting_category: category,
    source: source ?? sourceId,
    status: availableAt <= now ? 'available' : 'pending',
    type,
  };
}

export function payout({ id, at, amount, currency, transactionId }: PayoutEntry): Json {
  return {
    id,
    object: 'payout',
    amount,
    application_fee: null,
    application_fee_amount: null,
    arrival_date: seconds(at),
    automatic: true,
    balance_transaction: transactionId,
    created: seconds(at),
    currency,
    description: 'STRIPE PAYOUT',
    destination: null,
    failure_balance_transaction: null,
    failure_code: null,
    failure_message: null,
    livemode: false,
    metadata: {},
    method: 'standard',
    original_payout: null,
    payout_method: null,
    reconciliation_status: 'completed',
    reversed_by: null,
    source_type: 'card',
    statement_descriptor: null,
    status: 'paid',
    trace_id: null,
    type: 'bank_account',
  };
}

export function happened(
  intentId: string,
  record: IntentRecord,
  { object, index = 0 }: Pick<Happening, 'object' | 'index'>,
): Json {
  switch (object) {
    case 'payment_intent':
      return intent(intentId, record);
    case 'charge':
      return charge(intentId, record, index);
    case 'refund':
      return refund(intentId, record, index);
    case 'dispute':
      return dispute(intentId, record);
  }
}

export function event(id: string, { type, created, object, due }: EventRecord): Json {
  return {
    id,
    object: 'event',
    api_version: null,
    created: seconds(created),
    data: { object },
    livemode: false,
    pending_webhooks: due === null ? 0 : 1,
    request: { id: null, idempotency_key: null },
    type,
  };
}
