/**
 * What a template answers: text without markup, from which render.ts makes both the plain and the HTML part.
 * Guarantee: no template can put markup into a mail, and both parts say the same.
 */
import type { Match } from '../../catalog/match.js';
import type { MailData, MailKind } from '../kinds.js';
import type { Locale } from '../locale.js';
import type { Formats } from './formats.js';

export interface Link {
  readonly label: string;
  readonly url: string;
}

export interface Content {
  readonly subject: string;
  /** The one heading. */
  readonly heading: string;
  readonly paragraphs: readonly string[];
  /** A table of two columns. */
  readonly facts?: readonly (readonly [label: string, value: string])[];
  /** A button, and its address in text below it. */
  readonly action?: Link;
  /** Several of equal rank. */
  readonly links?: readonly Link[];
  /** What follows the action. */
  readonly after?: readonly string[];
}

/** What is known beside the mail's own data when it is written. */
export interface Context {
  readonly formats: Formats;
  /** Null when it is not on the list any more, or not known now. */
  readonly match: Match | null;
  /** Of a mail about money: what was paid, or is given back, minor units; 0 for other mails. */
  readonly amountMinor: number;
  /** Contained in the amount; null where no tax is shown. */
  readonly tax: { readonly name: string; readonly percent: number; readonly amountMinor: number } | null;
  /** What the organiser says of the match, in the mail's language where it was said in it. */
  readonly message: string | null;
  /** Until when the tickets of a match that was moved may be given back, epoch milliseconds. */
  readonly refundUntil: number | null;
  /** The tickets are attached. */
  readonly hasTickets: boolean;
  /** The bank has taken the money back itself. */
  readonly isDisputed: boolean;
  /** Whether a payment had been begun. */
  readonly hadPayment: boolean;
  readonly urlOf: Urls;
}

/** Pages of the web app, in the mail's language. */
export interface Urls {
  /** With the token of a guest's reservation. */
  reservation(facts: { readonly reservationId: string; readonly account?: string }): string;
  match(matchNumber: number): string;
  tickets(): string;
  resetPassword(): string;
  home(): string;
}

export type Template<K extends MailKind> = (data: MailData[K], context: Context) => Content;

/** A language: one file that answers this, and its line in `locale.ts` and `index.ts`. */
export interface Language {
  readonly locale: Locale;
  readonly dir: 'ltr' | 'rtl';
  /** For `Intl`. */
  readonly intl: string;
  /** Below every mail. */
  readonly footer: string;
  /** Before the address of a button. */
  readonly linkHint: string;
  readonly mails: { readonly [K in MailKind]: Template<K> };
}
