/** The languages that mails are written in, and which of them a request prefers. */
import Negotiator from 'negotiator';
import { z } from 'zod';

/** The first is what everybody gets who prefers none of them. A language more: a line here, and its file in `templates`. */
export const LOCALES = ['en', 'ar'] as const;
export type Locale = (typeof LOCALES)[number];
export const localeSchema = z.enum(LOCALES);

export const FALLBACK_LOCALE: Locale = 'en';

/** Longest `Accept-Language` that is looked at; browsers send less than a tenth of it. */
export const ACCEPT_LANGUAGE_CHARS_MAX = 1_000;

/**
 * The best of our languages for an `Accept-Language` (RFC 9110 section 12.5.4, matched as in RFC 4647 section 3.4:
 * `ar-EG` asks for `ar`); nothing when it asks for none of them, or for any.
 */
export function negotiatedLocale(header: string | undefined): Locale | undefined {
  if (header === undefined || header.length > ACCEPT_LANGUAGE_CHARS_MAX) return undefined;
  const asked = header.trim();
  if (asked === '' || asked === '*') return undefined;
  const [best] = new Negotiator({ headers: { 'accept-language': asked } }).languages([...LOCALES]);
  return LOCALES.find((locale) => locale === best);
}

/** For the headers of a route. */
export const acceptLanguage = z
  .string()
  .optional()
  .meta({
    description: `Which language mails about it are written in (${LOCALES.join(', ')}).`,
  });
