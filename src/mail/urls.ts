/** Links in mails: pages of the web app, in the language of the mail. */
import type { Locale } from './locale.js';
import type { Urls } from './templates/content.js';

export interface UrlsOptions {
  /** Where people find the web app, without a path. */
  readonly publicUrl: string;
  /** Opens a guest's reservation. */
  readonly tokenOf: (reservationId: string) => string;
}

/** A page of the web app; throws when `publicUrl` is no URL. */
export function pageUrl(publicUrl: string, locale: Locale, path: string, hash = ''): string {
  const url = new URL(locale === 'en' ? path : `/${locale}${path}`, publicUrl);
  // In the fragment, which browsers send to nobody: no log and no Referer shows it.
  url.hash = hash;
  return url.href;
}

export function urlsOf({ publicUrl, tokenOf }: UrlsOptions, locale: Locale): Urls {
  const page = (path: string, hash?: string): string => pageUrl(publicUrl, locale, path, hash);
  return {
    // Whose account made it logs in; a guest has nothing but the token.
    reservation: ({ reservationId, account }) =>
      page(`/reservations/${reservationId}`, account === undefined ? `token=${tokenOf(reservationId)}` : ''),
    match: (matchNumber) => page(`/matches/${matchNumber}`),
    tickets: () => page('/tickets'),
    resetPassword: () => page('/reset-password'),
    home: () => page('/'),
  };
}
