/**
 * Payments. Guarantees: an id is charged at most once, whatever is repeated; once `cancel` has answered
 * `cancelled` the payment can never succeed; amounts are minor units of the currency.
 */

export interface ChargeRequest {
  /** Made by the actor's PAYING commit; the same id always gives the same answer. */
  readonly paymentId: string;
  readonly reservationId: string;
  readonly amountMinor: number;
  readonly currency: string;
  /** A payment method id, or in the sandbox a test card number. */
  readonly paymentMethod: string;
}

export type PaymentState =
  | { readonly status: 'succeeded' }
  /** Final for this payment id. `reason` is the provider's decline code. */
  | { readonly status: 'declined'; readonly reason: string }
  | { readonly status: 'cancelled' };

/** Every method rejects with `PaymentUnavailableError` when the provider's answer is not known. */
export interface PaymentProvider {
  /** What the provider is, for documents and logs: `sandbox` takes raw test cards. */
  readonly kind: 'sandbox' | 'stripe';
  charge(request: ChargeRequest): Promise<PaymentState>;
  /** Ends a payment that has not succeeded; answers what it is now. */
  cancel(request: Omit<ChargeRequest, 'paymentMethod'>): Promise<PaymentState>;
  /** Null when the provider has never heard of it. */
  find(paymentId: string): Promise<PaymentState | null>;
  /** Gives money back; the same refund id never gives back twice. */
  refund(request: {
    readonly refundId: string;
    readonly paymentId: string;
    readonly amountMinor: number;
  }): Promise<void>;
}

/** The provider's answer is not known; the same call may be repeated. */
export class PaymentUnavailableError extends Error {
  override readonly name = 'PaymentUnavailableError';
}
