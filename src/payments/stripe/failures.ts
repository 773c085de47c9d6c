/** What a failed call to Stripe means. https://docs.stripe.com/api/errors, https://docs.stripe.com/error-codes */
import Stripe from 'stripe';

const { errors } = Stripe;

/** The call may be repeated: nothing is known of its effect, or there was none and there can be one later. */
export function isUnavailable(error: unknown): boolean {
  return (
    error instanceof errors.StripeConnectionError ||
    // Every 5xx, and 409: another request under the same idempotency key is still being worked on.
    error instanceof errors.StripeAPIError ||
    error instanceof errors.StripeRateLimitError ||
    isKeyRefused(error)
  );
}

/**
 * Nobody is there, or what is there is broken: no connection, no answer, a 5xx. Not a 409, 429 or a wrong key, which somebody
 * said; nor what was answered from memory, by somebody who is well.
 */
export function isDown(error: unknown): boolean {
  if (error instanceof errors.StripeConnectionError) return true;
  const isBroken = error instanceof errors.StripeAPIError && (error.statusCode ?? 500) >= 500;
  return isBroken && !isReplay(error);
}

/** A failure that Stripe answered from its memory: under this key it always will. */
export function isReplay(error: unknown): boolean {
  const { headers } = typeof error === 'object' && error !== null ? (error as { headers?: unknown }) : {};
  return (
    typeof headers === 'object' && headers !== null && Reflect.get(headers, 'idempotent-replayed') === 'true'
  );
}

/** The secret key is wrong or may not do this: a person must change it. */
export function isKeyRefused(error: unknown): error is Stripe.errors.StripeError {
  return error instanceof errors.StripeAuthenticationError || error instanceof errors.StripePermissionError;
}

/** The card or its bank said no. */
export function isDecline(error: unknown): error is Stripe.errors.StripeCardError {
  return error instanceof errors.StripeCardError;
}

/** The payment is past the step that was asked for. */
export function isUnexpectedState(error: unknown): boolean {
  return isInvalid(error) && error.code === 'payment_intent_unexpected_state';
}

/** The idempotency key was used before, with other parameters. */
export function isKeyOfAnother(error: unknown): boolean {
  return error instanceof errors.StripeIdempotencyError;
}

export function isInvalid(error: unknown): error is Stripe.errors.StripeInvalidRequestError {
  return error instanceof errors.StripeInvalidRequestError;
}

export function isMissing(error: unknown): error is Stripe.errors.StripeInvalidRequestError {
  return isInvalid(error) && error.code === 'resource_missing';
}

/** It is the payment method that is wrong: unknown, used up, or of a kind that cannot pay this. */
export function isMethodRefused(error: unknown): boolean {
  if (!isInvalid(error)) return false;
  const { param, code } = error;
  return (
    (param?.startsWith('payment_method') ?? false) ||
    (code?.startsWith('payment_method_') ?? false) ||
    code === 'payment_intent_incompatible_payment_method'
  );
}

/** Stripe's words, without what could name a card; its messages of these types never do. */
export function described(error: unknown): string {
  if (!(error instanceof errors.StripeError)) return error instanceof Error ? error.message : String(error);
  const facts = [error.type, error.code, error.requestId].filter((fact) => fact !== undefined && fact !== '');
  return `${facts.join(', ')}: ${error.message}`;
}
