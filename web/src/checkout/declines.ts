/** What a buyer is told of a bank's reason. https://docs.stripe.com/declines/codes says which must not be told. */

export type DeclineKey =
  | 'insufficient_funds'
  | 'expired_card'
  | 'incorrect_cvc'
  | 'incorrect_number'
  | 'processing_error'
  | 'authentication'
  | 'limit'
  | 'test_card'
  | 'generic';

const KEYS: Readonly<Record<string, DeclineKey>> = {
  insufficient_funds: 'insufficient_funds',
  expired_card: 'expired_card',
  incorrect_cvc: 'incorrect_cvc',
  invalid_cvc: 'incorrect_cvc',
  incorrect_number: 'incorrect_number',
  invalid_number: 'incorrect_number',
  invalid_expiry_month: 'expired_card',
  invalid_expiry_year: 'expired_card',
  processing_error: 'processing_error',
  try_again_later: 'processing_error',
  issuer_not_available: 'processing_error',
  authentication_required: 'authentication',
  authentication_failed: 'authentication',
  payment_intent_authentication_failure: 'authentication',
  not_completed: 'authentication',
  card_velocity_exceeded: 'limit',
  withdrawal_count_limit_exceeded: 'limit',
  test_mode_live_card: 'test_card',
};

/** Lost, stolen and suspicious cards are told like any other: whoever holds one must not learn it here. */
export function declineKeyOf(reason: string | undefined): DeclineKey {
  return reason !== undefined && Object.hasOwn(KEYS, reason) ? (KEYS[reason] ?? 'generic') : 'generic';
}
