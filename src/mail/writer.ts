/**
 * From a queued mail to one that can be sent. Guarantee: what it says of a match, a payment and its language is as
 * they stand when it is written; a mail that would say what is not true (any more) is not written.
 */
import type { Clock } from '../actors/ports.js';
import type { Match } from '../catalog/match.js';
import type { MatchNotice } from '../catalog/notices.js';
import { taxMinorOf } from '../payments/flow.js';
import { minorOf } from '../payments/settlement.js';
import { isQueuedKind, QUEUED, type MailData, type QueuedKind, type ReservationFacts } from './kinds.js';
import { FALLBACK_LOCALE, type Locale } from './locale.js';
import type { Attachment, Mail } from './port.js';
import { messageIdOf, type StoredMail } from './records.js';
import { renderMail, type Context } from './templates/index.js';
import { urlsOf, type UrlsOptions } from './urls.js';

/** As much of a payment's record as mails speak of. */
export interface PaymentFacts {
  readonly locale?: Locale;
  readonly status: string;
  readonly amountMinor: number;
  readonly taxMinor: number;
  readonly dispute?: 'open' | 'won' | 'lost';
  readonly late?: 'rehold' | 'refund';
  /** Absent when it is settled. */
  readonly dueAt?: number;
}

/** The tickets of a sale as files; none where they are only shown. */
export type Attach = (
  sale: ReservationFacts & { readonly email: string },
  locale: Locale,
) => Promise<readonly Attachment[]>;

export const attachNothing: Attach = () => Promise.resolve([]);

export interface MailWriterOptions extends UrlsOptions {
  readonly clock: Clock;
  readonly matches: () => Promise<readonly Match[]>;
  /** What operators say of a match. */
  readonly noticeOf: (matchNumber: number) => MatchNotice | undefined;
  readonly payment: (id: string) => Promise<PaymentFacts | null>;
  /** Of an account, else of the one that has the address; nothing when there is none. */
  readonly accountLocale: (of: {
    readonly account?: string;
    readonly email: string;
  }) => Promise<Locale | undefined>;
  readonly attach: Attach;
  readonly taxName: string;
  readonly taxPercent: number;
}

export type Written =
  | { readonly kind: 'mail'; readonly mail: Mail }
  /** Not yet known what to say. */
  | { readonly kind: 'wait'; readonly ms: number; readonly why: string }
  /** It would not be true. */
  | { readonly kind: 'drop'; readonly why: string };

/** The list is read again this often while mails are written. */
const MATCHES_MS = 10_000;
/** A payment that is not settled yet is waited for, this long at most. */
const UNSETTLED_MS = 15_000;
const UNSETTLED_MS_MAX = 30 * 60_000;
/** Tries to make the tickets; then the mail goes without them, and says where they are. */
const ATTACH_ATTEMPTS_MAX = 4;

export class MailWriter {
  readonly #options: MailWriterOptions;
  #matches: Promise<ReadonlyMap<number, Match>> | null = null;
  #matchesAt = 0;

  constructor(options: MailWriterOptions) {
    this.#options = options;
  }

  /** Rejects when something it needs is away, or the mail is of a kind that this version does not know. */
  async write(stored: StoredMail): Promise<Written> {
    const { kind, data } = stored.value;
    if (!isQueuedKind(kind)) throw new Error(`mails of the kind ${kind} are not known to this version`);
    return this.#write(stored, kind, QUEUED[kind].parse(data));
  }

  async #write<K extends QueuedKind>(stored: StoredMail, kind: K, data: MailData[K]): Promise<Written> {
    const { value, id } = stored;
    if (value.to === null) return { kind: 'drop', why: 'it has no address' };
    const reservation = reservationIn(data);
    const payment = reservation && (await this.#paymentOf(reservation));
    const untrue = this.#untrue(kind, data, payment, stored);
    if (untrue) return untrue;
    const owner = {
      email: value.to,
      ...(reservation?.account !== undefined && { account: reservation.account }),
    };
    const locale =
      value.locale ?? payment?.locale ?? (await this.#options.accountLocale(owner)) ?? FALLBACK_LOCALE;
    const sale = kind === 'purchase' && reservation ? { ...reservation, email: value.to } : null;
    const attachments = sale ? await this.#attach(sale, locale, value.attempts) : [];
    const context = await this.#contextOf(kind, data, payment, locale, attachments.length > 0);
    return {
      kind: 'mail',
      mail: {
        ...renderMail(kind, locale, data, context),
        to: value.to,
        kind,
        locale,
        id: messageIdOf(id),
        ...(attachments.length > 0 && { attachments }),
      },
    };
  }

  async #paymentOf({ paymentId }: ReservationFacts): Promise<PaymentFacts | null> {
    return paymentId === undefined ? null : this.#options.payment(paymentId);
  }

  /**
   * An offer is told while it stands. Only the end of a hold claims that nothing was charged: the payment's own record
   * must not say otherwise.
   */
  #untrue<K extends QueuedKind>(
    kind: K,
    data: MailData[K],
    payment: PaymentFacts | null,
    { value }: StoredMail,
  ): Written | null {
    if ('expiresAt' in data && data.expiresAt <= this.#options.clock.now()) {
      return { kind: 'drop', why: 'the offer has ended' };
    }
    const isUncharged = kind === 'expired' || kind === 'cancelled' || ('charged' in data && !data.charged);
    if (!isUncharged || !payment) return null;
    if (payment.late !== undefined || payment.status === 'succeeded') {
      return { kind: 'drop', why: 'the payment was charged late, which is mailed about on its own' };
    }
    const isWaiting =
      payment.dueAt !== undefined && this.#options.clock.now() - value.createdAt < UNSETTLED_MS_MAX;
    return isWaiting ? { kind: 'wait', ms: UNSETTLED_MS, why: 'its payment is not settled yet' } : null;
  }

  async #attach(
    sale: Parameters<Attach>[0],
    locale: Locale,
    attempts: number,
  ): Promise<readonly Attachment[]> {
    try {
      return await this.#options.attach(sale, locale);
    } catch (error) {
      if (attempts < ATTACH_ATTEMPTS_MAX) throw error;
      return [];
    }
  }

  async #contextOf<K extends QueuedKind>(
    kind: K,
    data: MailData[K],
    payment: PaymentFacts | null,
    locale: Locale,
    hasTickets: boolean,
  ): Promise<Omit<Context, 'formats'>> {
    const { taxName, taxPercent, noticeOf } = this.#options;
    const matches = await this.#allMatches();
    const notice = 'matchNumber' in data ? noticeOf(data.matchNumber) : undefined;
    const said = kind.startsWith('match-cancelled') ? notice?.cancelled : notice?.rescheduled;
    const amountMinor = amountOf(kind, data, payment);
    const taxMinor = payment?.taxMinor ?? taxMinorOf(amountMinor, taxPercent);
    return {
      match: ('matchNumber' in data ? matches.get(data.matchNumber) : undefined) ?? null,
      amountMinor,
      tax: taxPercent > 0 ? { name: taxName, percent: taxPercent, amountMinor: taxMinor } : null,
      message: said?.message ? (said.message[locale] ?? said.message.en) : null,
      refundUntil: notice?.rescheduled?.refundUntil ?? null,
      hasTickets,
      isDisputed: payment?.dispute === 'open' || payment?.dispute === 'lost',
      hadPayment: payment !== null,
      urlOf: urlsOf(this.#options, locale),
    };
  }

  #allMatches(): Promise<ReadonlyMap<number, Match>> {
    const { clock, matches } = this.#options;
    const now = clock.now();
    if (this.#matches && now - this.#matchesAt < MATCHES_MS) return this.#matches;
    const asked = matches().then((all) => new Map(all.map((match) => [match.matchNumber, match])));
    this.#matchesAt = now;
    this.#matches = asked;
    asked.catch(() => {
      // The next mail asks again.
      if (this.#matches === asked) this.#matches = null;
    });
    return asked;
  }
}

/** What the mail says was paid, or goes back. */
function amountOf(kind: QueuedKind, data: MailData[QueuedKind], payment: PaymentFacts | null): number {
  if (!('unitPrice' in data)) return 0;
  if (kind === 'refund' && 'given' in data) return minorOf(data, data.given);
  const cost = minorOf(data, data.quantity);
  return kind === 'purchase' || kind === 'late-payment-refunded' ? (payment?.amountMinor ?? cost) : cost;
}

/** Of mails about a sale or a hold. */
function reservationIn(data: MailData[QueuedKind]): ReservationFacts | null {
  return 'unitPrice' in data ? data : null;
}
