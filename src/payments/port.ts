/**
 * Payments. Guarantees of a provider: an attempt to pay a reservation is one payment, which can succeed once;
 * an operation repeated under its key has one effect; once `cancel` has answered `canceled` the payment can never succeed;
 * amounts are minor units of the currency. Names and states are Stripe's (a payment is a PaymentIntent).
 */

/** https://docs.stripe.com/payments/paymentintents/lifecycle, as far as we let it come. */
export type PaymentStatus =
  | 'requires_payment_method'
  | 'requires_confirmation'
  | 'requires_action'
  | 'processing'
  | 'succeeded'
  | 'canceled';

/** A payment as the provider has it now. */
export interface Payment {
  /** `pi_...` */
  readonly id: string;
  readonly reservationId: string;
  readonly status: PaymentStatus;
  readonly amountMinor: number;
  /** ISO 4217, upper case. */
  readonly currency: string;
  /** Lets the buyer's browser finish it; to be shown to the buyer only. */
  readonly clientSecret: string;
  /** Why its newest attempt failed: the decline code, else the error code. */
  readonly declineReason?: string;
  /** What the buyer has to do while `requires_action`. */
  readonly nextAction?: { readonly type: string; readonly url?: string };
  /** Given back or on its way back. */
  readonly refundedMinor: number;
  /** Some of that may still fail: the provider does not know yet. */
  readonly isRefundOpen?: true;
  readonly dispute?: 'open' | 'won' | 'lost';
  /** Tells cards apart, not whose they are. Of the card that paid. */
  readonly cardFingerprint?: string;
  readonly receiptUrl?: string;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

export interface NewPayment {
  readonly reservationId: string;
  /** Names the attempt, unless it is the first. The payment of the one before was canceled. */
  readonly attempt?: string;
  readonly amountMinor: number;
  readonly currency: string;
  /** Where the receipt goes. */
  readonly email: string;
  /** What the buyer reads on the receipt. */
  readonly description: string;
  /** Facts kept with the payment: names up to 40 characters, values up to 500. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A payment method that can be used once for one attempt. */
export interface PaymentMethod {
  /** `pm_...` */
  readonly id: string;
  /** Absent when it is no card, or a card that everybody has (test cards). */
  readonly fingerprint?: string;
}

/** A signed message of the provider. Only a hint: the payment itself is always read again. */
export interface WebhookMessage {
  /** `evt_...` */
  readonly id: string;
  readonly type: string;
  /** Null when it is about something else. */
  readonly paymentId: string | null;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/** Money on its way from the provider's account, our balance there, to our bank. */
export interface Payout {
  /** `po_...` */
  readonly id: string;
  /** `pending`, `in_transit`, `paid`, `failed`, `canceled`; one that was paid may still fail some days later. */
  readonly status: string;
  readonly amountMinor: number;
  /** ISO 4217, upper case. */
  readonly currency: string;
  /** When the bank should have it. Epoch milliseconds. */
  readonly arrivalAt: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Made by the provider's schedule. Of any other it is not known what it pays out. */
  readonly isAutomatic: boolean;
  /** False while the provider still gathers what it pays out. */
  readonly isClosed: boolean;
}

/**
 * What a change of the balance is for. `refund_failure`: a refund came back; `dispute_reversal`: what a dispute took
 * came back; `payout`: sent to our bank, `payout_failure`: came back from there.
 */
export const BALANCE_KINDS = [
  'charge',
  'refund',
  'refund_failure',
  'dispute',
  'dispute_reversal',
  'fee',
  'payout',
  'payout_failure',
  'other',
] as const;
export type BalanceKind = (typeof BALANCE_KINDS)[number];

/** One change of our balance at the provider. It never changes once it is there. */
export interface BalanceTransaction {
  /** `txn_...` */
  readonly id: string;
  readonly kind: BalanceKind;
  /** The provider's own word for it. */
  readonly type: string;
  /** Epoch milliseconds, whole seconds. */
  readonly at: number;
  /** Below 0 when it leaves the balance. In minor units of `currency`, like `feeMinor`. */
  readonly amountMinor: number;
  /** What the provider keeps of it: the balance changes by `amountMinor - feeMinor`. */
  readonly feeMinor: number;
  /** Of the balance, which may be another one than the payment's. ISO 4217, upper case. */
  readonly currency: string;
  /** The payment that was charged, refunded or disputed. */
  readonly paymentId?: string;
  /** Of the payment, where this says it. A charge without one was not made for a reservation. */
  readonly reservationId?: string;
  /** The same amount as the buyer's card had it: above 0, in the payment's currency. */
  readonly paid?: { readonly amountMinor: number; readonly currency: string };
  /** The payout that it is, or that failed. */
  readonly payoutId?: string;
}

export interface PaymentProvider {
  /** `sandbox` takes raw test cards; both are spoken to through Stripe's own library. */
  readonly kind: 'sandbox' | 'stripe';
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The payment of this attempt of the reservation; made unless it is there. No money moves. */
  create(payment: NewPayment): Promise<Payment>;
  /**
   * `paymentMethod` is a payment method id, or in the sandbox a test card number. `key` names this attempt: the
   * same key gives the same method. A method that cannot be used is a value, not an error.
   */
  method(paymentMethod: string, key: string): Promise<PaymentMethod | { readonly declineReason: string }>;
  /**
   * Tries to charge. A decline is answered as a payment that requires another method, with its reason.
   * Repeated with the same attempt number it is the same try. A payment that ended before is answered as it is.
   */
  confirm(request: {
    readonly paymentId: string;
    readonly reservationId: string;
    /** From 1; Stripe replays an attempt's first answer, so another try needs another number and payment. */
    readonly attempt: number;
    /** Of `method`. */
    readonly methodId: string;
    /** Where the buyer's bank sends the browser back to. */
    readonly returnUrl: string;
  }): Promise<Payment>;
  /** Ends a payment that has not succeeded; answers what it is now. */
  cancel(paymentId: string): Promise<Payment>;
  /** Null when the provider has never heard of it. */
  find(paymentId: string): Promise<Payment | null>;
  /**
   * Gives back until `totalMinor` is given back in all, so that repeats and races give back once. Answers the
   * payment after it. Rejects with `RefundRefusedError` when the provider will not: it then answers the same
   * `attempt` (0 for the first) in the same way again.
   */
  refund(request: {
    readonly paymentId: string;
    readonly totalMinor: number;
    readonly attempt: number;
  }): Promise<Payment>;
  /** Payments made at or after a time (epoch milliseconds), newest first: for reconciliation. */
  list(since: number): AsyncIterable<Payment>;
  /** A page of payouts, newest first, those made at or after `since`. A cursor that was never issued ends the list. */
  payouts(page: {
    /** 1 to 100. */
    readonly limit: number;
    /** Of the page before; a payout's id: what is older than it. */
    readonly after?: string;
    /** Epoch milliseconds. */
    readonly since?: number;
  }): Promise<{ readonly payouts: readonly Payout[]; readonly next?: string }>;
  /** Null when there is none. */
  payout(id: string): Promise<Payout | null>;
  /**
   * What an automatic payout pays out, without the payout itself; or all changes of the balance at or after a time
   * (epoch milliseconds), payouts included. Newest first.
   */
  balanceTransactions(
    of: { readonly payout: string } | { readonly since: number },
  ): AsyncIterable<BalanceTransaction>;
  /** Reads a webhook. Rejects with `WebhookRefusedError` when it is not signed, altered or too old. */
  webhook(body: Buffer, signature: string): Promise<WebhookMessage>;
}

/** The provider's answer is not known; the same call may be repeated. */
export class PaymentUnavailableError extends Error {
  override readonly name = 'PaymentUnavailableError';
}

/** The provider does not answer for now, so it was not asked: it has not heard of this call, and nothing came of it. */
export class PaymentAwayError extends PaymentUnavailableError {
  constructor(
    message: string,
    /** When to come back, milliseconds. */
    readonly retryAfterMs: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The provider refuses to give the money back (disputed, too old, balance); a person must look. */
export class RefundRefusedError extends Error {
  override readonly name = 'RefundRefusedError';
}

/** The message does not come from the provider, was altered, or is too old. */
export class WebhookRefusedError extends Error {
  override readonly name = 'WebhookRefusedError';
}
