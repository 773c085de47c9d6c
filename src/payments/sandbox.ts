/**
 * The payment sandbox: stands in for Stripe's test mode without a network.
 *
 * Guarantees, across processes and crashes, because each rests on one "first record wins" of the archive:
 *
 *  - a payment id has one answer for ever: charges repeated, also at the same time, get the first one's;
 *  - of a charge and a cancel the one that is recorded first wins, and both are told which;
 *  - an answer is given only once its record is durable;
 *  - a refund id gives money back once, and no payment gives back more than was charged. The sum is checked
 *    within this process; between processes it is the ticket's actor, the one sender of its refunds, that
 *    keeps two from meeting.
 *
 * No card number is ever stored or logged: a record keeps the outcome only.
 */
import {
  ArchiveUnavailableError,
  type Archive,
  type PaymentRecord,
  type RefundRecord,
} from '../archive/port.js';
import {
  PaymentUnavailableError,
  type ChargeRequest,
  type PaymentProvider,
  type PaymentState,
} from './port.js';

/** What a test card does: it pays, or it is declined for a reason. */
type CardOutcome = 'approved' | { readonly declined: string };

interface TestCard {
  /** Digits only. */
  readonly number: string;
  /** Stripe's ready-made payment method for this card; some cards have none. */
  readonly paymentMethod?: string;
  readonly outcome: CardOutcome;
}

const approves = (number: string, paymentMethod?: string): TestCard => ({
  number,
  outcome: 'approved',
  ...(paymentMethod !== undefined && { paymentMethod }),
});
const declines = (number: string, declined: string, paymentMethod: string): TestCard => ({
  number,
  outcome: { declined },
  paymentMethod,
});

/**
 * Stripe's test cards, https://docs.stripe.com/testing ("Cards by brand" and "Declined payments"). The reason
 * is Stripe's decline code where it has one, else its error code; a generic decline is `card_declined`.
 */
const TEST_CARDS: readonly TestCard[] = [
  approves('4242424242424242', 'pm_card_visa'),
  approves('4000056655665556', 'pm_card_visa_debit'),
  approves('5555555555554444', 'pm_card_mastercard'),
  approves('2223003122003222'), // Mastercard, 2-series
  approves('5200828282828210', 'pm_card_mastercard_debit'),
  approves('5105105105105100', 'pm_card_mastercard_prepaid'),
  approves('378282246310005', 'pm_card_amex'),
  approves('371449635398431'), // American Express
  approves('6011111111111117', 'pm_card_discover'),
  approves('6011000990139424'), // Discover
  approves('6011981111111113'), // Discover, debit
  approves('3056930009020004', 'pm_card_diners'),
  approves('36227206271667'), // Diners Club, 14 digits
  approves('6555900000604105'), // BCcard and DinaCard
  approves('3566002020360505', 'pm_card_jcb'),
  approves('6200000000000005', 'pm_card_unionpay'),
  approves('6200000000000047'), // UnionPay, debit
  approves('6205500000000000004'), // UnionPay, 19 digits
  declines('4000000000000002', 'card_declined', 'pm_card_visa_chargeDeclined'),
  declines('4000000000009995', 'insufficient_funds', 'pm_card_visa_chargeDeclinedInsufficientFunds'),
  declines('4000000000009987', 'lost_card', 'pm_card_visa_chargeDeclinedLostCard'),
  declines('4000000000009979', 'stolen_card', 'pm_card_visa_chargeDeclinedStolenCard'),
  declines('4000000000000069', 'expired_card', 'pm_card_chargeDeclinedExpiredCard'),
  declines('4000000000000127', 'incorrect_cvc', 'pm_card_chargeDeclinedIncorrectCvc'),
  declines('4000000000000119', 'processing_error', 'pm_card_chargeDeclinedProcessingError'),
  declines('4000000000006975', 'card_velocity_exceeded', 'pm_card_visa_chargeDeclinedVelocityLimitExceeded'),
];

/** Stripe's decline code for a card that is not a test card, used in test mode. */
const NOT_A_TEST_CARD: CardOutcome = { declined: 'test_mode_live_card' };

const OUTCOMES: ReadonlyMap<string, CardOutcome> = new Map(
  TEST_CARDS.flatMap(({ number, paymentMethod, outcome }) => [
    [number, outcome] as const,
    ...(paymentMethod === undefined ? [] : [[paymentMethod, outcome] as const]),
  ]),
);

/** A card number as people write it, in groups, becomes its digits; anything else stays as it is. */
function digitsOf(text: string): string {
  return /^[\d\s-]+$/.test(text) ? text.replaceAll(/[\s-]/g, '') : text;
}

export interface SandboxPaymentsOptions {
  readonly archive: Pick<Archive, 'decidePayment' | 'payment' | 'recordRefund' | 'refunds'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export class SandboxPayments implements PaymentProvider {
  readonly kind = 'sandbox';
  private readonly archive: SandboxPaymentsOptions['archive'];
  private readonly now: () => number;
  /** Refunds are made one after the other, so that two cannot each be within the sum and both exceed it. */
  private refunding: Promise<void> = Promise.resolve();

  constructor({ archive, now }: SandboxPaymentsOptions) {
    this.archive = archive;
    this.now = now;
  }

  async charge(request: ChargeRequest): Promise<PaymentState> {
    const outcome = OUTCOMES.get(digitsOf(request.paymentMethod)) ?? NOT_A_TEST_CARD;
    return this.decide(
      request,
      outcome === 'approved'
        ? { status: 'succeeded' }
        : { status: 'declined', declineReason: outcome.declined },
    );
  }

  async cancel(request: Omit<ChargeRequest, 'paymentMethod'>): Promise<PaymentState> {
    return this.decide(request, { status: 'cancelled' });
  }

  async find(paymentId: string): Promise<PaymentState | null> {
    const record = await answered(this.archive.payment(paymentId));
    return record && stateOf(record);
  }

  /** Throws when the payment did not succeed or would give back more than it took: callers must know better. */
  async refund(request: RefundRequest): Promise<void> {
    requireAmount(request.amountMinor, `Refund ${request.refundId}`);
    const refunded = this.refunding.then(() => answered(this.refundNext(request)));
    this.refunding = refunded.catch(() => undefined);
    await refunded;
  }

  private async refundNext({ refundId, paymentId, amountMinor }: RefundRequest): Promise<void> {
    const payment = await this.archive.payment(paymentId);
    if (payment?.status !== 'succeeded') {
      throw new Error(
        `Refund ${refundId}: payment ${paymentId} is ${payment?.status ?? 'unknown'}, not succeeded`,
      );
    }
    const others = (await this.archive.refunds(paymentId)).filter(({ id }) => id !== refundId);
    const before = others.reduce((sum, refund) => sum + refund.amountMinor, 0);
    if (before + amountMinor > payment.amountMinor) {
      throw new Error(
        `Refund ${refundId} of ${amountMinor} exceeds payment ${paymentId}: ` +
          `${payment.amountMinor} charged, ${before} given back before`,
      );
    }
    const record: RefundRecord = { id: refundId, paymentId, amountMinor, createdAt: this.now() };
    const kept = await this.archive.recordRefund(record);
    if (kept.paymentId !== paymentId || kept.amountMinor !== amountMinor) {
      throw new Error(
        `Refund ${refundId} was made before, of ${kept.amountMinor} for payment ${kept.paymentId}`,
      );
    }
  }

  /** Records the outcome unless the payment has one, and answers the one it has. */
  private async decide(
    request: Omit<ChargeRequest, 'paymentMethod'>,
    outcome: Pick<PaymentRecord, 'status' | 'declineReason'>,
  ): Promise<PaymentState> {
    const { paymentId, reservationId, amountMinor, currency } = request;
    requireAmount(amountMinor, `Payment ${paymentId}`);
    const record = { id: paymentId, reservationId, amountMinor, currency, createdAt: this.now(), ...outcome };
    return stateOf(await answered(this.archive.decidePayment(record)));
  }
}

type RefundRequest = Parameters<PaymentProvider['refund']>[0];

function stateOf({ status, declineReason }: PaymentRecord): PaymentState {
  return status === 'declined' ? { status, reason: declineReason ?? 'card_declined' } : { status };
}

function requireAmount(amountMinor: number, of: string): void {
  if (Number.isSafeInteger(amountMinor) && amountMinor > 0) return;
  throw new Error(`${of}: ${amountMinor} is not an amount in minor units`);
}

/** While the archive cannot be reached the outcome is not known, and the caller may ask again. */
async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (!(cause instanceof ArchiveUnavailableError)) throw cause;
    throw new PaymentUnavailableError(`The payment sandbox has no archive: ${cause.message}`, { cause });
  }
}
