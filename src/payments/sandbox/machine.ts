/**
 * What happens to a payment intent: pure steps from one record to the next, with the events of each. Every
 * step knows the operation it is done for and answers a repeat of it from the record, so a crash between the
 * record's write and the answer neither loses nor doubles anything.
 */
import { cardError, invalid, refusedFor } from './answers.js';
import { behaviourOf, type CardRecord, type Decline } from './cards.js';
import { ids, type IntentRecord, type RefundRecord } from './records.js';

/** Bounds of one payment's record. */
const CONFIRMS_MAX = 250;
const REFUNDS_MAX = 100;

export type EventObject = 'payment_intent' | 'charge' | 'refund' | 'dispute';
export interface Happening {
  readonly type: string;
  readonly object: EventObject;
  /** Which of the refunds or charges. */
  readonly index?: number;
}
export interface Step {
  readonly record: IntentRecord;
  readonly happenings: readonly Happening[];
}

const still = (record: IntentRecord): Step => ({ record, happenings: [] });

/** What time does: asynchronous refunds end, disputes come in. */
export function settle(record: IntentRecord, now: number): Step {
  let step = still(record);
  const { disputeLater } = record;
  if (disputeLater && disputeLater.at <= now) {
    step = add(step, {
      record: {
        ...record,
        disputeLater: null,
        dispute: { created: disputeLater.at, reason: disputeLater.reason, status: 'needs_response' },
      },
      happenings: [{ type: 'charge.dispute.created', object: 'dispute' }],
    });
  }
  record.refunds.forEach((refund, index) => {
    if (refund.later && refund.later.at <= now) step = add(step, settleRefund(step.record, refund, index));
  });
  return step;
}

function settleRefund(record: IntentRecord, refund: RefundRecord, index: number): Step {
  const { later } = refund;
  const status = later?.status ?? refund.status;
  const failed = later && status === 'failed' ? { failedAt: later.at } : {};
  const refunds = record.refunds.with(index, { ...refund, status, later: null, ...failed });
  return {
    record: { ...record, refunds },
    happenings: [
      { type: status === 'failed' ? 'refund.failed' : 'refund.updated', object: 'refund', index },
      { type: 'charge.refund.updated', object: 'refund', index },
    ],
  };
}

const add = (before: Step, { record, happenings }: Step): Step => ({
  record,
  happenings: [...before.happenings, ...happenings],
});

export interface Confirm {
  readonly operation: string;
  readonly methodId: string;
  readonly card: CardRecord;
  readonly returnUrl: string | null;
  readonly now: number;
  /** How long disputes take to come in. */
  readonly laterMs: number;
}

/** Throws ApiErrors when the state does not allow it; a decline is a step. */
export function confirm(record: IntentRecord, request: Confirm): Step {
  const { operation, methodId, card, returnUrl } = request;
  if (confirmOf(record, operation)) return still(record);
  requireOpen(record, 'confirm');
  if (record.confirms.length >= CONFIRMS_MAX) {
    throw invalid(`The sandbox takes ${CONFIRMS_MAX} confirms of one PaymentIntent`);
  }
  const chargeIndex = behaviourOf(card).authenticates ? null : record.charges.length;
  const tried: IntentRecord = {
    ...record,
    confirms: [...record.confirms, { operation, chargeIndex, card, methodId }],
    methodId,
    returnUrl: returnUrl ?? record.returnUrl,
    lastError: null,
  };
  if (chargeIndex !== null) return charge(tried, request, false);
  return {
    record: { ...tried, status: 'requires_action' },
    happenings: [{ type: 'payment_intent.requires_action', object: 'payment_intent' }],
  };
}

/** What an operation's confirm came to, for a repeat of it; null when it has made none. */
export function confirmOf(
  record: IntentRecord,
  operation: string,
): { readonly failure: Decline | null; readonly chargeIndex: number | null } | null {
  const made = record.confirms.find((known) => known.operation === operation);
  if (!made) return null;
  const { chargeIndex } = made;
  const failure = chargeIndex === null ? null : (record.charges[chargeIndex]?.failure ?? null);
  return { failure: failure && decline(failure), chargeIndex };
}

/** The type is told apart in the answer. */
const decline = ({ code, declineCode, message }: Decline): Decline => ({
  code,
  message,
  ...(declineCode !== undefined && { declineCode }),
});

type Charging = Pick<Confirm, 'methodId' | 'card' | 'now' | 'laterMs'>;

function charge(
  record: IntentRecord,
  { methodId, card, now, laterMs }: Charging,
  isAuthenticated: boolean,
): Step {
  const behaviour = behaviourOf(card);
  const failure = behaviour.decline ? { type: 'card_error', ...behaviour.decline } : null;
  const index = record.charges.length;
  const charges = [...record.charges, { created: now, failure, card, methodId, isAuthenticated }];
  if (failure) return failed({ ...record, charges }, { ...failure, methodId, chargeIndex: index });
  return {
    record: {
      ...record,
      charges,
      status: 'succeeded',
      lastError: null,
      disputeLater: behaviour.dispute ? { at: now + laterMs, reason: behaviour.dispute } : null,
    },
    happenings: [{ type: 'payment_intent.succeeded', object: 'payment_intent' }],
  };
}

function failed(record: IntentRecord, lastError: NonNullable<IntentRecord['lastError']>): Step {
  return {
    record: { ...record, status: 'requires_payment_method', methodId: null, lastError },
    happenings: [{ type: 'payment_intent.payment_failed', object: 'payment_intent' }],
  };
}

/**
 * The holder's answer to the bank, to the confirm that stands at `attempt` (from 1). Nothing happens when
 * that one is not being waited for any more.
 */
export function authenticate(
  record: IntentRecord,
  request: {
    readonly attempt: number;
    readonly isAuthentic: boolean;
    readonly now: number;
    readonly laterMs: number;
  },
): Step {
  const confirmed = record.confirms.at(-1);
  if (record.status !== 'requires_action' || !confirmed || record.confirms.length !== request.attempt) {
    return still(record);
  }
  if (request.isAuthentic) return charge(record, { ...confirmed, ...request }, true);
  return failed(record, {
    type: 'invalid_request_error',
    code: 'payment_intent_authentication_failure',
    message: 'The provided PaymentMethod has failed authentication. Provide another to try again.',
    methodId: confirmed.methodId,
    chargeIndex: null,
  });
}

export function cancel(
  record: IntentRecord,
  {
    operation,
    reason,
    now,
  }: { readonly operation: string; readonly reason: string | null; readonly now: number },
): Step {
  if (record.canceled?.operation === operation) return still(record);
  requireOpen(record, 'cancel');
  return {
    record: { ...record, status: 'canceled', canceled: { at: now, operation, reason } },
    happenings: [{ type: 'payment_intent.canceled', object: 'payment_intent' }],
  };
}

function requireOpen({ status }: IntentRecord, verb: 'confirm' | 'cancel'): void {
  if (status !== 'succeeded' && status !== 'canceled') return;
  throw refusedFor(
    'payment_intent_unexpected_state',
    `You cannot ${verb} this PaymentIntent because it has a status of ${status}.`,
  );
}

/** The charge that was paid. */
export function paidIndex(record: IntentRecord): number {
  return record.charges.findIndex(({ failure }) => failure === null);
}

export function refundedOf({ refunds }: IntentRecord): number {
  return refunds.reduce((sum, { amount, status }) => sum + (status === 'failed' ? 0 : amount), 0);
}

export interface Refund {
  readonly operation: string;
  /** All that is left when absent. */
  readonly amount?: number | undefined;
  readonly reason: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly now: number;
  readonly laterMs: number;
}

export function refund(record: IntentRecord, request: Refund): Step {
  const { operation, reason, now, laterMs } = request;
  if (record.refunds.some((known) => known.operation === operation)) return still(record);
  const { amount, behaviour } = requireRefundable(record, request);
  const made: RefundRecord = {
    operation,
    created: now,
    amount,
    status: behaviour === 'pending' ? 'pending' : 'succeeded',
    reason,
    metadata: { ...request.metadata },
    later: behaviour ? { at: now + laterMs, status: behaviour === 'pending' ? 'succeeded' : 'failed' } : null,
  };
  const index = record.refunds.length;
  return {
    record: { ...record, refunds: [...record.refunds, made] },
    happenings: [
      { type: 'refund.created', object: 'refund', index },
      { type: 'charge.refunded', object: 'charge', index: paidIndex(record) },
    ],
  };
}

function requireRefundable(
  record: IntentRecord,
  request: Refund,
): { amount: number; behaviour: 'pending' | 'fails' | undefined } {
  const paid = record.charges[paidIndex(record)];
  if (!paid) {
    const message = 'This PaymentIntent does not have a successful charge to refund.';
    throw refusedFor('payment_intent_unexpected_state', message);
  }
  if (record.dispute && record.dispute.status !== 'won') {
    throw refusedFor('charge_disputed', 'The charge has been charged back; cannot issue a refund.');
  }
  const left = record.amount - refundedOf(record);
  if (left === 0) throw refusedFor('charge_already_refunded', 'The charge has already been refunded.');
  const amount = request.amount ?? left;
  if (amount > left) {
    throw invalid(`Refund amount (${amount}) is greater than unrefunded amount on charge (${left})`, {
      param: 'amount',
    });
  }
  if (amount <= 0) throw invalid('This value must be greater than or equal to 1.', { param: 'amount' });
  if (record.refunds.length >= REFUNDS_MAX) {
    throw invalid(`The sandbox takes ${REFUNDS_MAX} refunds of one PaymentIntent`);
  }
  return { amount, behaviour: behaviourOf(paid.card).refund };
}

export function decideDispute(record: IntentRecord, status: 'won' | 'lost', now: number): Step {
  const { dispute } = record;
  if (dispute?.status !== 'needs_response') throw invalid('The dispute is closed.');
  return {
    record: { ...record, dispute: { ...dispute, status, closedAt: now } },
    happenings: [{ type: 'charge.dispute.closed', object: 'dispute' }],
  };
}

/** The error a confirm is answered with, repeated or not. */
export function declineError(
  intentId: string,
  made: ReturnType<typeof confirmOf>,
): ReturnType<typeof cardError> | null {
  if (!made?.failure) return null;
  return cardError(made.failure, { charge: ids.charge(intentId, made.chargeIndex ?? 0) });
}
