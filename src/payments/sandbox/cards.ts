/**
 * The sandbox's cards: those that Stripe documents for its test mode, https://docs.stripe.com/testing, by
 * number and by ready-made payment method, and two extensions of ours: `pm_sandbox_slow` answers late, and
 * every other valid number that begins with 42424242 pays and is a card of its own (see `fingerprint`).
 */
import { createHmac } from 'node:crypto';
import { z } from 'zod';

/** Why a card is refused. https://docs.stripe.com/error-codes, https://docs.stripe.com/declines/codes */
export interface Decline {
  readonly code: string;
  /** The bank's reason, where it gave one. */
  readonly declineCode?: string | undefined;
  readonly message: string;
}

/** What a card does when it is charged. */
export interface Behaviour {
  readonly decline?: Decline;
  /** The bank asks its holder first. */
  readonly authenticates?: true;
  readonly dispute?: 'fraudulent' | 'product_not_received';
  /** Refunds are pending first, or look good and fail later. */
  readonly refund?: 'pending' | 'fails';
  /** Answers late. */
  readonly isSlow?: true;
}

const declined = (code: string, message: string, declineCode?: string): Behaviour => ({
  decline: { code, message, ...(declineCode !== undefined && { declineCode }) },
});
const refused = (declineCode: string, message = 'Your card was declined.'): Behaviour =>
  declined('card_declined', message, declineCode);
const broke = refused('insufficient_funds', 'Your card has insufficient funds.');

/** By name: all of a card that decides its payments, and all of its number that is kept. */
const BEHAVIOURS = {
  approve: {},
  generic_decline: refused('generic_decline'),
  insufficient_funds: broke,
  lost_card: refused('lost_card'),
  stolen_card: refused('stolen_card'),
  velocity: refused('card_velocity_exceeded'),
  fraudulent: refused('fraudulent'),
  expired_card: declined('expired_card', 'Your card has expired.', 'expired_card'),
  incorrect_cvc: declined('incorrect_cvc', "Your card's security code is incorrect.", 'incorrect_cvc'),
  processing_error: declined(
    'processing_error',
    'An error occurred while processing your card. Try again in a little bit.',
    'processing_error',
  ),
  authenticate: { authenticates: true },
  authenticate_decline: { ...refused('generic_decline'), authenticates: true },
  authenticate_insufficient: { ...broke, authenticates: true },
  dispute_fraudulent: { dispute: 'fraudulent' },
  dispute_not_received: { dispute: 'product_not_received' },
  refund_pending: { refund: 'pending' },
  refund_fails: { refund: 'fails' },
  slow: { isSlow: true },
} as const satisfies Record<string, Behaviour>;
type BehaviourName = keyof typeof BEHAVIOURS;
const NAMES = z.enum(Object.keys(BEHAVIOURS) as [BehaviourName, ...BehaviourName[]]); // the keys of a constant

/** All that is ever kept of a card. */
export const cardRecord = z.object({
  brand: z.string(),
  funding: z.string(),
  last4: z.string(),
  expMonth: z.number(),
  expYear: z.number(),
  behaviour: NAMES,
  /** Null for a card that everybody has. */
  fingerprint: z.string().nullable(),
});
export type CardRecord = z.infer<typeof cardRecord>;

export const behaviourOf = ({ behaviour }: CardRecord): Behaviour => BEHAVIOURS[behaviour];

interface TestCard {
  /** Digits only. */
  readonly number: string;
  readonly behaviour: BehaviourName;
  /** Ready-made payment methods for it; some cards have none. */
  readonly methods: readonly string[];
}
const card = (number: string, behaviour: BehaviourName, ...methods: string[]): TestCard => ({
  number,
  behaviour,
  methods,
});

const TEST_CARDS: readonly TestCard[] = [
  // Cards by brand.
  card('4242424242424242', 'approve', 'pm_card_visa', 'pm_card_us'),
  card('4000056655665556', 'approve', 'pm_card_visa_debit'),
  card('5555555555554444', 'approve', 'pm_card_mastercard'),
  card('2223003122003222', 'approve'),
  card('5200828282828210', 'approve', 'pm_card_mastercard_debit'),
  card('5105105105105100', 'approve', 'pm_card_mastercard_prepaid'),
  card('378282246310005', 'approve', 'pm_card_amex'),
  card('371449635398431', 'approve'),
  card('6011111111111117', 'approve', 'pm_card_discover'),
  card('6011000990139424', 'approve'),
  card('6011981111111113', 'approve'),
  card('3056930009020004', 'approve', 'pm_card_diners'),
  card('36227206271667', 'approve'),
  card('6555900000604105', 'approve'),
  card('3566002020360505', 'approve', 'pm_card_jcb'),
  card('6200000000000005', 'approve', 'pm_card_unionpay'),
  card('6200000000000047', 'approve'),
  card('6205500000000000004', 'approve'),
  // Declined payments.
  card('4000000000000002', 'generic_decline', 'pm_card_visa_chargeDeclined', 'pm_card_chargeDeclined'),
  card('4000000000009995', 'insufficient_funds', 'pm_card_visa_chargeDeclinedInsufficientFunds'),
  card('4000000000009987', 'lost_card', 'pm_card_visa_chargeDeclinedLostCard'),
  card('4000000000009979', 'stolen_card', 'pm_card_visa_chargeDeclinedStolenCard'),
  card('4000000000000069', 'expired_card', 'pm_card_chargeDeclinedExpiredCard'),
  card('4000000000000127', 'incorrect_cvc', 'pm_card_chargeDeclinedIncorrectCvc'),
  card('4000000000000119', 'processing_error', 'pm_card_chargeDeclinedProcessingError'),
  card('4000000000006975', 'velocity', 'pm_card_visa_chargeDeclinedVelocityLimitExceeded'),
  card('4100000000000019', 'fraudulent', 'pm_card_radarBlock'),
  // 3-D Secure.
  card('4000002760003184', 'authenticate', 'pm_card_authenticationRequired'),
  card('4000002500003155', 'authenticate', 'pm_card_authenticationRequiredOnSetup'),
  card('4000003800000446', 'authenticate', 'pm_card_authenticationRequiredSetupForOffSession'),
  card('4000000000003220', 'authenticate', 'pm_card_threeDSecure2Required'),
  card('4000008400001629', 'authenticate_decline', 'pm_card_threeDSecureRequiredChargeDeclined'),
  card(
    '4000008260003178',
    'authenticate_insufficient',
    'pm_card_authenticationRequiredChargeDeclinedInsufficientFunds',
  ),
  card('4000000000003055', 'approve', 'pm_card_threeDSecureOptional'),
  // Disputes and refunds.
  card('4000000000000259', 'dispute_fraudulent', 'pm_card_createDispute'),
  card('4000000000002685', 'dispute_not_received', 'pm_card_createDisputeProductNotReceived'),
  card('4000000000007726', 'refund_pending', 'pm_card_pendingRefund'),
  card('4000000000005126', 'refund_fails', 'pm_card_refundFail'),
];

const OWN_CARD_PREFIX = '42424242';
/** Ours: pays like 4242 4242 4242 4242, but answers late. */
const SLOW_METHOD = 'pm_sandbox_slow';

const BY_NUMBER = new Map(TEST_CARDS.map((known) => [known.number, known]));
const BY_METHOD = new Map([
  ...TEST_CARDS.flatMap((known) => known.methods.map((method) => [method, known] as const)),
  [SLOW_METHOD, card('4242424242424242', 'slow')] as const,
]);

const READY_MADE_EXPIRY = { expMonth: 12, expYear: 2040 } as const;

/** The card of a ready-made payment method; null when there is no such method. */
export function cardOfMethod(method: string): CardRecord | null {
  const known = BY_METHOD.get(method);
  return known ? recordOf(known.number, known.behaviour, READY_MADE_EXPIRY, null) : null;
}

/** A raw number's card, or why it is none. `secret` keys the fingerprint, so that it does not tell the number. */
export function cardOfNumber(
  number: string,
  expiry: { readonly expMonth: number; readonly expYear: number },
  secret: string,
): CardRecord | Decline {
  if (!hasCheckDigit(number)) {
    return { code: 'incorrect_number', message: 'Your card number is incorrect.' };
  }
  const known = BY_NUMBER.get(number);
  if (known) return recordOf(number, known.behaviour, expiry, null);
  if (number.startsWith(OWN_CARD_PREFIX)) {
    return recordOf(number, 'approve', expiry, fingerprint(number, secret));
  }
  return {
    code: 'card_declined',
    declineCode: 'test_mode_live_card',
    message: 'Your card was declined. The sandbox takes test cards only: https://docs.stripe.com/testing',
  };
}

function recordOf(
  number: string,
  behaviour: BehaviourName,
  expiry: { readonly expMonth: number; readonly expYear: number },
  cardFingerprint: string | null,
): CardRecord {
  return {
    brand: brandOf(number),
    funding: 'credit',
    last4: number.slice(-4),
    behaviour,
    fingerprint: cardFingerprint,
    ...expiry,
  };
}

const FINGERPRINT_CHARS = 16;

function fingerprint(number: string, secret: string): string {
  return createHmac('sha256', secret)
    .update(`card:${number}`)
    .digest('base64url')
    .slice(0, FINGERPRINT_CHARS);
}

function brandOf(number: string): string {
  if (number.startsWith('4')) return 'visa';
  if (/^(5[1-5]|2[2-7])/.test(number)) return 'mastercard';
  if (/^3[47]/.test(number)) return 'amex';
  if (/^3[068]/.test(number)) return 'diners';
  if (number.startsWith('35')) return 'jcb';
  if (number.startsWith('62')) return 'unionpay';
  return 'discover';
}

/** ISO/IEC 7812-1, annex B. */
function hasCheckDigit(number: string): boolean {
  const sum = Array.from(number, Number)
    .reverse()
    .reduce((total, digit, index) => {
      const value = digit * (index % 2 === 0 ? 1 : 2);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
  return sum % 10 === 0;
}
