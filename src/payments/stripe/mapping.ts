/** What Stripe's objects say, in the words of the payment port. */
import type Stripe from 'stripe';
import type { Payment, PaymentStatus } from '../port.js';

/** Everything a payment is read from comes in one answer. */
export const PAYMENT_EXPANDS = ['latest_charge.refunds'] as const;

/** A refund that failed or was cancelled gives nothing back; all others do, or will. */
export function isGivingBack({ status }: Pick<Stripe.Refund, 'status'>): boolean {
  return status !== 'failed' && status !== 'canceled';
}

export function sumOf(refunds: readonly Stripe.Refund[]): number {
  return refunds.filter(isGivingBack).reduce((sum, { amount }) => sum + amount, 0);
}

/** Whether one of them may still fail. */
export function isAnyOpen(refunds: readonly Pick<Stripe.Refund, 'status'>[]): boolean {
  return refunds.some(({ status }) => status === 'pending' || status === 'requires_action');
}

/** The charge that its newest attempt made, when it was read with it. */
export function chargeOf({ latest_charge }: Stripe.PaymentIntent): Stripe.Charge | null {
  return typeof latest_charge === 'object' ? latest_charge : null;
}

/** A dispute that is lost is the worst of several, one that is open the next. */
export function disputeOf(disputes: readonly Pick<Stripe.Dispute, 'status'>[]): Payment['dispute'] {
  const states = disputes.map(({ status }) => stateOfDispute(status));
  return (['lost', 'open', 'won'] as const).find((state) => states.includes(state));
}

/**
 * `prevented` ended before the bank took any money; `warning_*` are inquiries: the bank asks, no money has moved, and
 * if it goes on it becomes a dispute of another status. https://docs.stripe.com/disputes/how-disputes-work
 */
function stateOfDispute(status: Stripe.Dispute['status']): NonNullable<Payment['dispute']> {
  switch (status) {
    case 'lost':
      return 'lost';
    case 'won':
    case 'prevented':
    case 'warning_needs_response':
    case 'warning_under_review':
    case 'warning_closed':
      return 'won';
    default:
      return 'open';
  }
}

const STATUSES: readonly PaymentStatus[] = [
  'requires_payment_method',
  'requires_confirmation',
  'requires_action',
  'processing',
  'succeeded',
  'canceled',
];

/** Any other (captured by hand, which we never ask for, or not invented yet) is not over: look again. */
function statusOf({ status }: Stripe.PaymentIntent): PaymentStatus {
  return STATUSES.find((known) => known === status) ?? 'processing';
}

/** The decline code, else the error code. */
export function reasonOf(error: {
  readonly decline_code?: string | undefined;
  readonly code?: string | undefined;
}): string {
  return (
    [error.decline_code, error.code].find((text) => text !== undefined && text !== '') ?? 'card_declined'
  );
}

/** What is known of a payment beyond the payment intent itself. */
export interface PaymentFacts {
  readonly refundedMinor: number;
  readonly isRefundOpen: boolean;
  readonly dispute: Payment['dispute'];
  /** Only when it tells cards apart. */
  readonly cardFingerprint: string | undefined;
}

export function paymentOf(intent: Stripe.PaymentIntent, facts: PaymentFacts): Payment {
  const status = statusOf(intent);
  const failure = status === 'succeeded' ? null : intent.last_payment_error;
  const action = intent.next_action;
  const url = action?.redirect_to_url?.url;
  const receiptUrl = status === 'succeeded' ? chargeOf(intent)?.receipt_url : null;
  return {
    id: intent.id,
    reservationId: intent.metadata['reservationId'] ?? '',
    status,
    amountMinor: intent.amount,
    currency: intent.currency.toUpperCase(),
    clientSecret: intent.client_secret ?? '',
    refundedMinor: facts.refundedMinor,
    createdAt: intent.created * 1000,
    ...(facts.isRefundOpen && { isRefundOpen: true }),
    ...(failure && { declineReason: reasonOf(failure) }),
    ...(status === 'requires_action' &&
      action && { nextAction: { type: action.type, ...(url != null && { url }) } }),
    ...(facts.dispute && { dispute: facts.dispute }),
    ...(facts.cardFingerprint !== undefined && { cardFingerprint: facts.cardFingerprint }),
    ...(receiptUrl != null && { receiptUrl }),
  };
}
