/** What the API answers about paying. */
import type { Reservation } from '../api/types';

export interface PaymentConfig {
  readonly provider: 'sandbox' | 'stripe';
  /** Of Stripe; absent in the sandbox. */
  readonly publishableKey?: string;
}

export interface PaymentState {
  readonly id: string;
  readonly status: string;
  /** Minor units of the currency, like every amount here. */
  readonly amountMinor: number;
  readonly currency: string;
  /** Contained in the amount. */
  readonly tax: { readonly name: string; readonly percent: number; readonly amountMinor: number };
  readonly refundedMinor: number;
  /** Charged after the hold had ended: what became of it. */
  readonly late?: 'reserved' | 'refunded' | 'pending';
  readonly receiptUrl?: string;
  /** False while something of it is still to be done. */
  readonly isSettled: boolean;
}

/** Where the buyer's bank wants to see the buyer. */
export interface NextAction {
  readonly clientSecret: string;
  /** A page to go to; absent when Stripe.js shows it. */
  readonly url?: string;
}

/** 202 of a payment. */
export interface RequiresAction {
  readonly status: 'requires_action';
  readonly clientSecret: string;
  readonly nextAction: { readonly type: string; readonly url?: string };
  readonly reservation: Reservation;
}

export interface TestCard {
  readonly number: string;
  readonly expirationMonth: string;
  readonly expirationYear: string;
  readonly cvc: string;
}

/** What is paid with: the id of a payment method, or a test card of the sandbox. */
export type PaymentMethod = string | TestCard;

/** Reservations tell no minor units; most currencies have two digits of them, and Intl knows the others. */
export function majorOf(amountMinor: number, currency: string): number {
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: currency.toUpperCase(),
  }).resolvedOptions();
  return amountMinor / 10 ** maximumFractionDigits;
}

/** The other way round; `amount` has no more digits than the currency. */
export function minorOf(amount: number, currency: string): number {
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat('en', {
    style: 'currency',
    currency: currency.toUpperCase(),
  }).resolvedOptions();
  return Math.round(amount * 10 ** maximumFractionDigits);
}
