/**
 * Mails that are handed over at once and kept nowhere: those of accounts. They carry tokens, which no store may
 * have in the clear, or tell of a change; whoever misses one asks again.
 */
import type { ImmediateMails } from './kinds.js';
import type { Locale } from './locale.js';
import type { Mail } from './port.js';
import { renderMail } from './templates/index.js';
import { urlsOf } from './urls.js';

export function immediateMail<K extends keyof ImmediateMails>(
  kind: K,
  { to, locale, publicUrl }: { readonly to: string; readonly locale: Locale; readonly publicUrl: string },
  data: ImmediateMails[K],
): Mail {
  const about = {
    match: null,
    message: null,
    refundUntil: null,
    amountMinor: 0,
    tax: null,
    hasTickets: false,
    isDisputed: false,
    hadPayment: false,
    urlOf: urlsOf({ publicUrl, tokenOf: () => '' }, locale),
  };
  return { ...renderMail<keyof ImmediateMails>(kind, locale, data, about), to, kind, locale };
}
