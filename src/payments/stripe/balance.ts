/** What Stripe's balance and payouts say, in the words of the payment port. https://docs.stripe.com/reports/balance-transaction-types */
import type Stripe from 'stripe';
import type { BalanceKind, BalanceTransaction, Payout } from '../port.js';

/** A transaction's charge, refund, dispute or payout comes with it. */
export const TRANSACTION_EXPANDS = ['data.source'] as const;

/** What is read of a source, whichever of Stripe's objects it is. */
interface Source {
  readonly id?: string;
  readonly object?: string;
  readonly amount?: number;
  readonly currency?: string;
  readonly payment_intent?: string | { readonly id: string } | null;
  readonly metadata?: Readonly<Record<string, string>> | null;
}

export function transactionOf(transaction: Stripe.BalanceTransaction): BalanceTransaction {
  const { id, type, created, amount, fee, currency } = transaction;
  const source: Source = typeof transaction.source === 'object' ? (transaction.source ?? {}) : {};
  const kind = kindOf(transaction, source);
  const { payment_intent: intent } = source;
  const paymentId = typeof intent === 'object' ? intent?.id : intent;
  const reservationId = source.metadata?.['reservationId'];
  return {
    id,
    kind,
    type,
    at: created * 1000,
    amountMinor: amount,
    feeMinor: fee,
    currency: currency.toUpperCase(),
    ...(paymentId !== undefined && { paymentId }),
    ...(reservationId !== undefined && reservationId !== '' && { reservationId }),
    ...(source.amount !== undefined &&
      source.currency !== undefined && {
        paid: { amountMinor: source.amount, currency: source.currency.toUpperCase() },
      }),
    ...(source.object === 'payout' && source.id !== undefined && { payoutId: source.id }),
  };
}

/** `payment...` are charges and refunds of what is no card. */
function kindOf({ type, amount, net }: Stripe.BalanceTransaction, { object }: Source): BalanceKind {
  switch (type) {
    case 'charge':
    case 'payment':
      return 'charge';
    case 'refund':
    case 'payment_refund':
      return 'refund';
    case 'refund_failure':
    case 'payment_refund_failure':
      return 'refund_failure';
    case 'adjustment':
      if (object !== 'dispute') return 'other';
      // What is taken has a fee; what comes back may be nothing but that fee.
      return amount < 0 || net < 0 ? 'dispute' : 'dispute_reversal';
    case 'stripe_fee':
    case 'stripe_fx_fee':
    case 'tax_fee':
      return 'fee';
    case 'payout':
      return 'payout';
    case 'payout_failure':
    case 'payout_cancel':
      return 'payout_failure';
    default:
      return 'other';
  }
}

export function payoutOf(payout: Stripe.Payout): Payout {
  const { id, status, amount, currency, arrival_date: arrival, created, automatic } = payout;
  return {
    id,
    status,
    amountMinor: amount,
    currency: currency.toUpperCase(),
    arrivalAt: arrival * 1000,
    createdAt: created * 1000,
    isAutomatic: automatic,
    isClosed: payout.reconciliation_status !== 'in_progress',
  };
}
