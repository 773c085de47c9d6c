/**
 * Mail. Guarantees of this folder: what was committed is mailed about at least once, whatever dies (feed.ts sees
 * every archived fact, records.ts keeps each mail once, deliverer.ts hands it over until it was taken); one mail
 * may come twice, with the same Message-ID, when a process dies between the server's yes and our record of it;
 * nothing that a mail contains can add a header, a recipient, or markup.
 * Of a `Mailer`: `send` resolves when the mail was handed over (to the server, or to the folder).
 */
import type { Locale } from './locale.js';

export interface Mail {
  /** One address. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  /** What it is about, for logs and the folder: `confirm-email`, `reset-password`, ... */
  readonly kind: string;
  /** The language it is written in. */
  readonly locale?: Locale;
  /** Left part of its Message-ID: letters and digits, the same whenever the same mail is sent. Absent: a random one. */
  readonly id?: string;
  /** Within `MAIL_LIMITS`. */
  readonly attachments?: readonly Attachment[];
}

export interface Attachment {
  /** Letters, digits, dots, dashes and underscores. */
  readonly filename: string;
  /** `type/subtype`. */
  readonly contentType: string;
  readonly content: Buffer;
}

export interface Mailer {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Rejects with `MailUnavailableError` when it could not be handed over in time. */
  send(mail: Mail): Promise<void>;
  /** For so many milliseconds no mail is tried. Absent: any is. */
  readonly restMs?: number;
}

/**
 * Not handed over. `server`: no mail can be now, for want of a connection, a log-in or a disk. `mail`: this one was
 * not taken now. `recipient`: the server refused the address for good.
 */
export type MailFault = 'server' | 'mail' | 'recipient';

export class MailUnavailableError extends Error {
  override readonly name = 'MailUnavailableError';
  readonly fault: MailFault;

  constructor(message: string, options: { readonly fault?: MailFault; readonly cause?: unknown } = {}) {
    const { fault = 'server', cause } = options;
    super(message, cause === undefined ? {} : { cause });
    this.fault = fault;
  }
}

/** No mail can be handed over for now, so this one was not tried. */
export class MailAwayError extends MailUnavailableError {}
