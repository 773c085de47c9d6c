/**
 * What has to be done next so that a payment and its reservation say the same. Pure: given what the provider
 * and the actor have now, there is one next step, and repeating the steps ends in one of two places: sold and
 * charged, or free and not charged (or given back). Whoever looks, in whatever order messages came, takes the
 * same steps; each of them may be repeated.
 */
import { mayTryAgain, type ReleaseReason, type Reservation } from '../rules/index.js';
import type { Payment } from './port.js';

/** What to do with tickets whose charge is disputed. */
export type DisputePolicy = 'void' | 'keep';

/** What was decided about a payment that succeeded after its hold had ended; `refund` is never taken back. */
export type LateDecision = 'rehold' | 'refund';

export interface Standing {
  readonly payment: Payment;
  /** As it stands now; null when nothing is known of it. */
  readonly reservation: Reservation | null;
  readonly late: LateDecision | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
  /** Its buyer is giving the hold back, whatever its payment had come to. */
  readonly isGivenUp?: boolean;
}

export interface SettlementPolicy {
  readonly paymentAttemptsMax: number;
  readonly disputes: DisputePolicy;
  /** How long an attempt whose request has ended may stay without an answer, milliseconds. */
  readonly attemptOpenMs: number;
  /** Pause before another look at what changes by itself, milliseconds. */
  readonly checkMs: number;
  /** How long after it was sent a command may still take effect, milliseconds. */
  readonly commandMs: number;
}

export type Step =
  /** Both say the same. `final` when nothing but a refund or a dispute can change it. */
  | { readonly kind: 'rest' }
  /** Something is still to come: look again then, epoch milliseconds. */
  | { readonly kind: 'wait'; readonly until: number }
  /** Charged: sell. */
  | { readonly kind: 'confirm' }
  /** The newest attempt was declined: the actor must know. */
  | { readonly kind: 'decline'; readonly reason: string }
  /** Charged to another card than the one whose limit was asked about: decide that the money goes back. */
  | { readonly kind: 'refuse' }
  /** End the payment at the provider. */
  | { readonly kind: 'cancel' }
  /** The payment can never succeed, or its money goes back: give the hold back. */
  | { readonly kind: 'fail'; readonly reason: ReleaseReason }
  /** Charged after the hold had ended: try to take the tickets again, and else decide for a refund. */
  | { readonly kind: 'rehold' }
  /** Give back until this much is given back in all. */
  | { readonly kind: 'refund'; readonly totalMinor: number }
  /** Take so many sold tickets back: their money went back another way. */
  | { readonly kind: 'void'; readonly quantity: number };

const REST: Step = { kind: 'rest' };
const DISPUTED_CHECK_MS = 6 * 60 * 60_000;
/** A refund that a bank has not taken yet may come back days later. */
const REFUND_CHECK_MS = 6 * 60 * 60_000;

export function nextStep(standing: Standing, policy: SettlementPolicy): Step {
  const step = stepOf(standing, policy);
  const isOpen = step.kind === 'rest' && standing.payment.isRefundOpen === true;
  return isOpen ? { kind: 'wait', until: standing.now + REFUND_CHECK_MS } : step;
}

function stepOf(standing: Standing, policy: SettlementPolicy): Step {
  const { payment } = standing;
  switch (payment.status) {
    case 'succeeded':
      return afterSuccess(standing, policy);
    case 'canceled':
      return afterCancel(standing);
    case 'processing': {
      const { payingUntil = Number.POSITIVE_INFINITY } = paidBy(standing) ?? {};
      // The provider may refuse to cancel it at this stage; then it stays as it is and is looked at again.
      if (standing.now >= payingUntil) return { kind: 'cancel' };
      return { kind: 'wait', until: standing.now + policy.checkMs };
    }
    case 'requires_payment_method':
    case 'requires_confirmation':
    case 'requires_action':
      return whileOpen(standing, policy);
  }
}

/** The reservation, when it is this payment that pays for it. */
function paidBy({ payment, reservation }: Standing): Reservation | null {
  return reservation?.paymentId === payment.id ? reservation : null;
}

function whileOpen(standing: Standing, policy: SettlementPolicy): Step {
  const { payment, reservation, now } = standing;
  const mine = paidBy(standing);
  // Made, but not started: a request is on its way to the actor, or it never came there.
  const soon = now + policy.checkMs;
  if (reservation?.status === 'PENDING')
    return { kind: 'wait', until: Math.max(reservation.expiresAt, soon) };
  // Made for another attempt after a decline, which may be on its way to the actor.
  if (reservation && !mine && mayTryAgain(reservation, now, policy)) return { kind: 'wait', until: soon };
  if (mine?.status !== 'PAYING') return { kind: 'cancel' };
  const { payingUntil = 0, updatedAt } = mine;
  // Before the hold is given back nothing may be left that could still be charged.
  if (now >= payingUntil || newestDecline(mine) !== undefined) return { kind: 'cancel' };
  if (payment.status !== 'requires_action' && now - updatedAt > policy.attemptOpenMs) {
    return { kind: 'decline', reason: payment.declineReason ?? 'not_completed' };
  }
  return { kind: 'wait', until: Math.min(payingUntil, now + policy.checkMs) };
}

/** Why the newest attempt was declined; undefined when it was not. */
export function newestDecline({ attempts }: Reservation): string | undefined {
  return attempts?.at(-1)?.declined;
}

function afterCancel(standing: Standing): Step {
  const mine = paidBy(standing);
  if (mine?.status !== 'PAYING') return REST;
  // Also when the newest attempt was declined: another attempt may follow a decline, but no cancellation.
  if (standing.isGivenUp === true) return { kind: 'fail', reason: 'cancelled' };
  if (newestDecline(mine) !== undefined) return { kind: 'fail', reason: 'declined' };
  const isOver = standing.now >= (mine.payingUntil ?? 0);
  return { kind: 'fail', reason: isOver ? 'expired' : 'cancelled' };
}

function afterSuccess(standing: Standing, policy: SettlementPolicy): Step {
  const { payment, late } = standing;
  const mine = paidBy(standing);
  if (mine?.status === 'PAYING') {
    // Its money is going back, or went: it must not become a sale.
    const goesBack = late === 'refund' || payment.refundedMinor > 0;
    if (!goesBack && isOtherCard(payment, mine)) return { kind: 'refuse' };
    return goesBack ? { kind: 'fail', reason: 'expired' } : { kind: 'confirm' };
  }
  if (payment.dispute === 'open' || payment.dispute === 'lost') return whileDisputed(standing, mine, policy);
  if (mine?.status === 'RESERVED') return whileSold(payment, mine);
  // It was PAYING, durably, before it was charged: what was read has lost that. The actor knows.
  if (standing.reservation?.status === 'PENDING') return { kind: 'confirm' };
  const owes = payment.refundedMinor < payment.amountMinor;
  if (!owes) return REST;
  const isLate = mine?.status !== 'REFUNDED' && !isPaidOtherwise(standing);
  if (isLate && late !== 'refund' && payment.refundedMinor === 0) return { kind: 'rehold' };
  return { kind: 'refund', totalMinor: payment.amountMinor };
}

/** The browser can present another card to a payment that waits for its buyer: its limit was never asked about. */
function isOtherCard({ cardFingerprint }: Payment, { card }: Reservation): boolean {
  return cardFingerprint !== undefined && card !== undefined && cardFingerprint !== card;
}

/** Live, or sold, by another payment: this one paid for nothing. */
function isPaidOtherwise({ payment, reservation }: Standing): boolean {
  if (!reservation || reservation.paymentId === payment.id) return false;
  return ['PAYING', 'RESERVED', 'REFUNDED'].includes(reservation.status);
}

/** The bank holds the money; nothing can be given back until it decides, and nothing at all once it was lost. */
function whileDisputed({ payment, now }: Standing, mine: Reservation | null, policy: SettlementPolicy): Step {
  if (mine?.status === 'RESERVED' && policy.disputes === 'void') {
    return { kind: 'void', quantity: mine.quantity };
  }
  return payment.dispute === 'open' ? { kind: 'wait', until: now + DISPUTED_CHECK_MS } : REST;
}

function whileSold(payment: Payment, sold: Reservation): Step {
  const owedMinor = minorOf(sold, sold.refundedQuantity);
  if (payment.refundedMinor < owedMinor) return { kind: 'refund', totalMinor: owedMinor };
  // All of it was given back at the provider's own pages.
  if (payment.refundedMinor >= payment.amountMinor) return { kind: 'void', quantity: sold.quantity };
  return REST;
}

/** What so many of its tickets cost, in minor units of its currency. */
export function minorOf(
  { unitPrice, currency }: Pick<Reservation, 'unitPrice' | 'currency'>,
  quantity: number,
): number {
  const code = currency.toUpperCase();
  if (WITHOUT_MINOR_UNIT.has(code)) return Math.round(quantity * unitPrice);
  // Of three digits the last must be a zero.
  if (WITH_THREE_DIGITS.has(code)) return Math.round(quantity * unitPrice * 100) * 10;
  return Math.round(quantity * unitPrice * 100);
}

/** An amount in whole units of its currency, for people to read. */
export function majorOf(minor: number, currency: string): number {
  const code = currency.toUpperCase();
  if (WITHOUT_MINOR_UNIT.has(code)) return minor;
  return minor / (WITH_THREE_DIGITS.has(code) ? 1_000 : 100);
}

/** What a reservation costs. */
export function amountMinorOf(reservation: Reservation): number {
  return minorOf(reservation, reservation.quantity);
}

/** As Stripe counts them, which is not always as ISO 4217 does: https://docs.stripe.com/currencies. */
const WITHOUT_MINOR_UNIT: ReadonlySet<string> = new Set(
  'BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF'.split(' '),
);
const WITH_THREE_DIGITS: ReadonlySet<string> = new Set('BHD JOD KWD OMR TND'.split(' '));
