/**
 * What can be checked before a form is sent, and where to go after a log-in. Pure.
 *
 * The server has the last word on everything here; these only spare a person a round trip.
 */

export const EMAIL_CHARS_MAX = 254;
export const NAME_CHARS_MAX = 100;
/** OWASP ASVS 4.0 V2.1.1 and V2.1.2, as the server holds it. */
export const PASSWORD_CHARS_MIN = 12;
export const PASSWORD_CHARS_MAX = 128;

/** Loosely: an address that works is proved by a mail only. */
export function isEmail(text: string): boolean {
  return text.length <= EMAIL_CHARS_MAX && /^[^\s@<>]+@[^\s@<>.]+(\.[^\s@<>.]+)+$/.test(text);
}

export const isName = (text: string): boolean =>
  text.trim() !== '' && text.length <= NAME_CHARS_MAX && /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}<>]*$/u.test(text);

export type PasswordFault = 'short' | 'long';

export function passwordFault(password: string): PasswordFault | null {
  const { length } = Array.from(password.normalize('NFKC'));
  if (length < PASSWORD_CHARS_MIN) return 'short';
  return length > PASSWORD_CHARS_MAX ? 'long' : null;
}

export type Strength = 'short' | 'guessable' | 'fair' | 'good';

/** What is in it, for the hint under the field. NIST SP 800-63B: length counts, rules about signs do not. */
export function strengthOf(password: string, own: readonly string[]): Strength {
  const text = password.normalize('NFKC').toLowerCase();
  if (passwordFault(password) === 'short') return 'short';
  const rest = own
    .flatMap((word) => word.toLowerCase().split(/[\s@.+_-]+/))
    .filter((word) => word.length >= 3)
    .reduce((left, word) => left.replaceAll(word, ''), text);
  const different = new Set(rest).size;
  if (rest.length < PASSWORD_CHARS_MIN - 4 || different < 5 || isSequence(rest)) return 'guessable';
  return rest.length >= 16 && different >= 8 ? 'good' : 'fair';
}

/** Most neighbours are neighbours of the alphabet, or the same again. */
function isSequence(text: string): boolean {
  const codes = Array.from(text, (sign) => sign.codePointAt(0) ?? 0);
  const steps = codes.slice(1).filter((code, index) => Math.abs(code - (codes[index] ?? 0)) <= 1);
  return steps.length > codes.length / 2;
}

const westernDigits = (text: string): string =>
  text.replace(/[٠-٩۰-۹]/g, (digit) => String((digit.codePointAt(0) ?? 0) & 0xf));

/** As typed from the app: digits of any keyboard, with or without a space. */
export const codeOf = (text: string): string => westernDigits(text).replace(/\s/g, '');
export const isCode = (text: string): boolean => /^\d{6}$/.test(codeOf(text));

/** As written down: in capitals, with spaces for the hyphens. */
export function recoveryCodeOf(text: string): string {
  const signs = westernDigits(text).toLowerCase().replace(/[\s-]/g, '');
  return (signs.match(/.{1,4}/g) ?? []).join('-');
}
export const isRecoveryCode = (text: string): boolean =>
  /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/.test(recoveryCodeOf(text));

/** Of `next`: a path of this site, whatever an address says. Paths of log-in itself would go round in a circle. */
export function ownPath(next: string | null, otherwise = '/tickets'): string {
  if (next === null || !/^\/(?![/\\])[\x21-\x7e]*$/.test(next) || next.includes('\\')) return otherwise;
  const base = 'https://own.invalid';
  if (!URL.canParse(next, base)) return otherwise;
  const { origin, pathname, search, hash } = new URL(next, base);
  if (origin !== base || /^\/(login|register)\b/.test(pathname)) return otherwise;
  return pathname + search + hash;
}

/** Erasing an account is asked for by typing its address. */
export const isTypedRight = (typed: string, email: string): boolean =>
  typed.trim().toLowerCase() === email.toLowerCase();
