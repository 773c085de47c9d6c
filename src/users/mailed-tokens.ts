/**
 * Tokens that prove to read an address: sent by mail, good for one use and a short time.
 *
 * Guarantees: the store holds their hashes only; of several uses at once one succeeds; an address gets a bounded
 * number of mails; asking takes the same work and the same time whether there is an account or not, because the
 * mail goes out after the answer.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import { immediateMail } from '../mail/immediate.js';
import type { AccountChange } from '../mail/kinds.js';
import { FALLBACK_LOCALE, type Locale } from '../mail/locale.js';
import type { Mail, Mailer } from '../mail/port.js';
import { pageUrl } from '../mail/urls.js';
import type { Logger } from '../process/log.js';
import type { Accounts } from './accounts.js';
import { hashOf, mailedTokensOf, type MailedToken, type UserRecord } from './records.js';

const HOUR_MS = 3_600_000;
/** How long a token works. OWASP ASVS 4.0 V2.3.1 and V2.5: a short time. */
export const MAILED_MS = { confirm: 24 * HOUR_MS, reset: HOUR_MS } as const;
const PAGES = { confirm: '/confirm-email', reset: '/reset-password' } as const;
const MAILS = { confirm: 'confirm-email', reset: 'reset-password' } as const;
/** Mails being handed over, and waiting for it: in memory, because no store may have what they carry in the clear. */
const SENDING_MAX = 4;
const WAITING_MAX = 1_000;

export const MAILED_TOKEN = /^[\w-]{43}$/;

export interface MailedTokensOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly mailer: Mailer;
  readonly accounts: Accounts;
  /** Where people find the web app, without a path: links in mails begin with it. */
  readonly publicUrl: string;
  readonly mailsPerHourMax: number;
}

/** Whom a token is for; without an account nothing but the address is proved. */
export interface Recipient {
  readonly email: string;
  readonly userId: string | null;
  readonly authVersion: number;
}

export class MailedTokens {
  readonly #options: MailedTokensOptions;
  readonly #records: ReturnType<typeof mailedTokensOf>;
  readonly #waiting: Mail[] = [];
  readonly #sending = new Set<Promise<void>>();

  /** Throws when links could not be made. */
  constructor(options: MailedTokensOptions) {
    this.#options = options;
    this.#records = mailedTokensOf(options.documents);
    if (!URL.canParse(options.publicUrl)) throw new Error('links in mails need a URL to begin with');
  }

  /** Hands over what was accepted; a mailer that is away ends it with its own time limits. */
  async stop(): Promise<void> {
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  /**
   * Makes a token and mails it after this call. `isReal` false does all but the mail, for addresses that must not
   * be told apart from others. Nothing, as silently, when the address had its share of mails.
   */
  async issue(
    kind: MailedToken['kind'],
    to: Recipient,
    { isReal, locale = FALLBACK_LOCALE }: { readonly isReal: boolean; readonly locale?: Locale | undefined },
  ): Promise<void> {
    const { clock, accounts, mailsPerHourMax, logger, publicUrl } = this.#options;
    if (!(await accounts.mayMail(to.email, kind === 'reset' ? 'reset' : 'other', mailsPerHourMax))) {
      logger.info({ kind }, 'an address had its share of mails for this hour');
      return;
    }
    const token = randomBytes(32).toString('base64url');
    const record = { ...to, kind, endsAt: clock.now() + MAILED_MS[kind] };
    if (!(await this.#records.insert(idOf(token), record))) throw new Error('a random token was taken');
    if (!isReal) return;
    const link = pageUrl(publicUrl, locale, PAGES[kind], `token=${token}`);
    this.post(immediateMail(MAILS[kind], { to: to.email, locale, publicUrl }, { link }));
  }

  /** What the token is for, while it works. */
  async find(kind: MailedToken['kind'], token: string): Promise<Found | null> {
    if (!MAILED_TOKEN.test(token)) return null;
    const found = await this.#records.get(idOf(token));
    if (!found || found.value.kind !== kind || found.value.endsAt <= this.#options.clock.now()) return null;
    return { ...found.value, use: () => this.#records.remove(found.id, found.version) };
  }

  /** Tells the owner of an account, after this call and without any promise, that something about it changed. */
  notify(
    { email, locale = FALLBACK_LOCALE }: Pick<UserRecord, 'email' | 'locale'>,
    change: AccountChange,
  ): void {
    if (email === null) return;
    const { publicUrl } = this.#options;
    this.post(immediateMail('notice', { to: email, locale, publicUrl }, { change }));
  }

  post(mail: Mail): void {
    const { logger } = this.#options;
    if (this.#waiting.length >= WAITING_MAX) {
      logger.error({ kind: mail.kind, waiting: WAITING_MAX }, 'too many mails are waiting; one was dropped');
      return;
    }
    this.#waiting.push(mail);
    if (this.#sending.size >= SENDING_MAX) return;
    const sending = this.#send().finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  async #send(): Promise<void> {
    const { mailer, logger } = this.#options;
    // Not within the request's turn: what it answers must not wait for the mailer.
    await new Promise((resolve) => setImmediate(resolve));
    for (let mail = this.#waiting.shift(); mail; mail = this.#waiting.shift()) {
      try {
        await mailer.send(mail);
      } catch (error) {
        logger.error({ kind: mail.kind, error: String(error) }, 'a mail could not be sent');
      }
    }
  }
}

export interface Found extends MailedToken {
  /** False when somebody else has used it. */
  use(): Promise<boolean>;
}

const idOf = (token: string): string => `mailed-${hashOf('mailed', token)}`;
