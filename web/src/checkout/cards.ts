/** Cards of the sandbox: those offered, and what the form takes. */
import type { TestCard } from './types';

export interface OfferedCard {
  readonly id:
    'approved' | 'authentication' | 'declined' | 'insufficient' | 'authenticationDeclined' | 'expired';
  readonly number: string;
}

/** https://docs.stripe.com/testing: the sandbox does what Stripe's test mode does with them. */
export const OFFERED_CARDS: readonly OfferedCard[] = [
  { id: 'approved', number: '4242424242424242' },
  { id: 'authentication', number: '4000002760003184' },
  { id: 'declined', number: '4000000000000002' },
  { id: 'insufficient', number: '4000000000009995' },
  { id: 'authenticationDeclined', number: '4000008400001629' },
  { id: 'expired', number: '4000000000000069' },
];

/** Every number that begins so is a test card of its own. */
const OWN_CARD_PREFIX = '42424242';

/** Whether a number is surely no real card. */
export function isTestCard(number: string): boolean {
  return number.startsWith(OWN_CARD_PREFIX) || OFFERED_CARDS.some((card) => card.number === number);
}

export interface CardForm {
  readonly number: string;
  readonly month: string;
  readonly year: string;
  readonly cvc: string;
}
export type CardField = keyof CardForm;

const digitsOf = (text: string): string => westernDigits(text).replace(/[\s-]/g, '');

/** Arabic and Persian keyboards write their own digits. */
function westernDigits(text: string): string {
  return text.replace(/[٠-٩۰-۹]/g, (digit) => String((digit.codePointAt(0) ?? 0) & 0xf));
}

/** Fields that cannot be right; what the card itself is worth, the server says. */
export function wrongFields({ number, month, year, cvc }: CardForm): readonly CardField[] {
  const wrong: CardField[] = [];
  if (!/^\d{12,19}$/.test(digitsOf(number))) wrong.push('number');
  if (!/^(0?[1-9]|1[0-2])$/.test(digitsOf(month))) wrong.push('month');
  if (!/^(\d{2}|\d{4})$/.test(digitsOf(year))) wrong.push('year');
  if (!/^\d{3,4}$/.test(digitsOf(cvc))) wrong.push('cvc');
  return wrong;
}

export function cardOf({ number, month, year, cvc }: CardForm): TestCard {
  return {
    number: digitsOf(number),
    expirationMonth: digitsOf(month),
    expirationYear: digitsOf(year),
    cvc: digitsOf(cvc),
  };
}

/** In groups of four, as on the card. */
export function groupedNumber(text: string): string {
  const digits = digitsOf(text).slice(0, 19);
  return /^\d*$/.test(digits) ? (digits.match(/.{1,4}/g) ?? []).join(' ') : text;
}

/** Month and year that a test card may have: any that is to come. */
export function futureExpiry(now: number): Pick<CardForm, 'month' | 'year'> {
  return { month: '12', year: String(new Date(now).getUTCFullYear() + 3) };
}
