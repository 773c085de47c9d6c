/**
 * Hands queued mails over. Guarantees: every mail that is due is tried, again and again with longer pauses, until
 * it was taken, is refused for good or is too old; several processes may do so at once, because each mail is
 * claimed before it is sent. A process that dies after the server's yes and before our record of it leaves the
 * claim to run out: that one mail comes twice, with the same Message-ID. So many mails a second at most: a rush of
 * sales must not take the machine, or the provider's patience, from the sale itself. While the server is away one
 * mail at a time asks whether it is back, and a mail that was not tried has used up no attempt.
 */
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import { isQueuedKind, KIND_RULES, type KindRules } from './kinds.js';
import { MailRefusedError } from './message.js';
import { MailAwayError, MailUnavailableError, type Mailer } from './port.js';
import type { MailRecords, StoredMail } from './records.js';
import type { MailWriter } from './writer.js';

export const DELIVERIES = ['sent', 'dropped', 'failed', 'given_up'] as const;
export type Delivery = (typeof DELIVERIES)[number];

export interface MailDelivererOptions {
  readonly mails: MailRecords;
  readonly writer: Pick<MailWriter, 'write'>;
  readonly mailer: Pick<Mailer, 'send' | 'restMs'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Pause between two looks at what is due, milliseconds. */
  readonly everyMs: number;
  readonly perSecondMax: number;
  /** A mail that was not taken for so long is given up. */
  readonly giveUpMs: number;
  /** Counts a mail to the address; false, and not counted, when it had so many within an hour. */
  readonly mayMail: (address: string, perHourMax: number) => Promise<boolean>;
  readonly onDelivery?: (kind: string, delivery: Delivery) => void;
  /** How many were due at the last look, and for how long the first of them, milliseconds. */
  readonly onDue?: (count: number, oldestMs: number) => void;
}

export const DUE_PER_LOOK = 50;
const AT_ONCE = 4;
/** A claim runs out after this: longer than any attempt takes. */
const CLAIM_MS = 2 * 60_000;
/** Pauses of one mail that was not taken. */
const RETRY_MS_MIN = 30_000;
const RETRY_MS_MAX = 60 * 60_000;
/** Pauses of all mails while the server is away. */
const AWAY_MS_MIN = 1_000;
const AWAY_MS_MAX = 60_000;
/** Attempts for want of a server before a mail has pauses of its own. */
const AWAY_ATTEMPTS_MAX = 5;
const SECOND_MS = 1_000;

export class MailDeliverer {
  readonly #options: MailDelivererOptions;
  #cancel: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #isStopped = false;
  /** Attempts in a row for want of a server. */
  #away = 0;
  #awayUntil = 0;
  /** When the next mail may begin, so that they are spread over the second. */
  #nextAt = 0;

  constructor(options: MailDelivererOptions) {
    this.#options = options;
  }

  start(): void {
    this.#isStopped = false;
    this.poke();
  }

  /** Waits for the mails at hand. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await this.#running;
  }

  /** Looks now: something has just been queued. */
  poke(): void {
    if (this.#isStopped) return;
    this.#again = this.#running !== null;
    this.#cancel?.();
    this.#cancel = null;
    this.#running ??= this.look().finally(() => {
      this.#running = null;
      if (this.#isStopped) return;
      if (this.#again) this.poke();
      else this.#cancel = this.#options.clock.schedule(this.#options.everyMs, () => this.poke());
    });
  }

  /** Tries what is due, once. Never rejects. */
  async look(): Promise<void> {
    const { mails, clock, logger, onDue } = this.#options;
    try {
      const due = await mails.due(DUE_PER_LOOK);
      const now = clock.now();
      onDue?.(due.length, now - Math.min(now, ...due.map(({ value }) => value.createdAt)));
      if (this.#isWaiting()) return;
      const ended = await this.#deliverAll(due);
      // More may be due than one look takes. Without progress the next look waits its time.
      this.#again ||= due.length === DUE_PER_LOOK && ended > 0;
    } catch (error) {
      logger.warn({ error: String(error) }, 'mails could not be looked at; they stay due');
    }
  }

  /** Answers how many are over. */
  async #deliverAll(due: readonly StoredMail[]): Promise<number> {
    const waiting = [...due];
    let ended = 0;
    const work = async (): Promise<void> => {
      for (let mail = waiting.shift(); mail && !this.#isStopped; mail = waiting.shift()) {
        await this.#pace();
        if (this.#isWaiting()) return;
        if (await this.#deliver(mail)) ended += 1;
      }
    };
    const atOnce = this.#away > 0 ? 1 : AT_ONCE;
    await Promise.all(Array.from({ length: Math.min(atOnce, waiting.length) }, work));
    return ended;
  }

  /** For the server: no mail is claimed meanwhile. */
  #isWaiting(): boolean {
    const { clock, mailer } = this.#options;
    return clock.now() < this.#awayUntil || (mailer.restMs ?? 0) > 0;
  }

  async #pace(): Promise<void> {
    const { clock, perSecondMax } = this.#options;
    const now = clock.now();
    const at = Math.max(now, this.#nextAt);
    this.#nextAt = at + SECOND_MS / perSecondMax;
    if (at > now) await new Promise<void>((resolve) => clock.schedule(at - now, resolve));
  }

  /** True when it is over. Never rejects. */
  async #deliver(due: StoredMail): Promise<boolean> {
    const { mails, clock, logger } = this.#options;
    let mail: StoredMail | null = null;
    try {
      mail = await mails.claim(due, clock.now() + CLAIM_MS);
      return mail !== null && (await this.#send(mail));
    } catch (error) {
      if (mail) return this.#failed(mail, error);
      logger.warn({ error: String(error), mail: due.id }, 'a mail could not be claimed; it stays due');
      return false;
    }
  }

  async #send(claimed: StoredMail): Promise<boolean> {
    const { mails, writer, mailer, clock } = this.#options;
    const { kind, createdAt } = claimed.value;
    const { perHourMax, staleMs }: KindRules = isQueuedKind(kind) ? KIND_RULES[kind] : {};
    if (staleMs !== undefined && clock.now() - createdAt > staleMs)
      return this.#drop(claimed, 'it came too late');
    const written = await writer.write(claimed);
    if (written.kind === 'drop') return this.#drop(claimed, written.why);
    if (written.kind === 'wait') {
      await mails.postpone(claimed, clock.now() + written.ms, written.why);
      return false;
    }
    const mail = perHourMax === undefined ? claimed : await this.#count(claimed, perHourMax);
    if (mail === 'share_used') return this.#drop(claimed, 'the address had its share of mails for this hour');
    if (mail === null) return false;
    try {
      await mailer.send(written.mail);
    } catch (error) {
      return error instanceof MailAwayError ? this.#untried(mail, error.message) : this.#failed(mail, error);
    }
    this.#away = 0;
    this.#options.onDelivery?.(kind, 'sent');
    await this.#keep(mail);
    return true;
  }

  /** Counts it against its address's share, once however often it is tried; null when the claim was lost. */
  async #count(mail: StoredMail, perHourMax: number): Promise<StoredMail | null | 'share_used'> {
    if (mail.value.isCounted === true) return mail;
    const { mails, mayMail } = this.#options;
    if (!(await mayMail(mail.value.to ?? '', perHourMax))) return 'share_used';
    return mails.change(mail, { isCounted: true });
  }

  /** It was taken: when that cannot be put on record, it comes again once the claim has run out. */
  async #keep(mail: StoredMail): Promise<void> {
    const { mails, logger } = this.#options;
    try {
      await mails.end(mail, 'sent');
    } catch (error) {
      logger.warn(
        { error: String(error), mail: mail.id },
        'a mail was sent, but that could not be put on record: it may come twice',
      );
    }
  }

  async #drop(mail: StoredMail, why: string): Promise<boolean> {
    const { mails, logger, onDelivery } = this.#options;
    await mails.end(mail, 'dropped', why);
    onDelivery?.(mail.value.kind, 'dropped');
    logger.info({ mail: mail.id, kind: mail.value.kind, why }, 'a mail was not sent');
    return true;
  }

  /** Somebody else learned meanwhile that the server is away. */
  async #untried(mail: StoredMail, reason: string): Promise<false> {
    const { mails, clock, mailer } = this.#options;
    const dueAt = clock.now() + Math.max(AWAY_MS_MIN, mailer.restMs ?? 0);
    await mails.change(mail, { attempts: mail.value.attempts - 1, dueAt, reason });
    return false;
  }

  async #failed(mail: StoredMail, error: unknown): Promise<boolean> {
    const { mails, clock, logger, giveUpMs, onDelivery } = this.#options;
    const { kind, createdAt, attempts } = mail.value;
    const why = error instanceof Error ? error.message : String(error);
    const now = clock.now();
    const isForGood =
      error instanceof MailRefusedError ||
      (error instanceof MailUnavailableError && error.fault === 'recipient');
    try {
      if (isForGood || now - createdAt >= giveUpMs) {
        await mails.end(mail, 'given_up', why);
        onDelivery?.(kind, 'given_up');
        logger.error(
          { mail: mail.id, kind, attempts, why },
          'a mail is given up: tell the buyer another way, or correct the address and queue it again',
        );
        return true;
      }
      onDelivery?.(kind, 'failed');
      const isAway = error instanceof MailUnavailableError && error.fault === 'server';
      if (isAway) this.#serverAway(why);
      // What waits for the server is due again as soon as that may be asked; one that it never survives is not.
      const isFresh = isAway && attempts <= AWAY_ATTEMPTS_MAX;
      const dueAt = isFresh ? this.#awayUntil : Math.max(this.#awayUntil, now + pauseAfter(attempts));
      await mails.postpone(mail, dueAt, why);
      if (!isAway) logger.warn({ mail: mail.id, kind, attempts, why }, 'a mail was not taken; trying again');
    } catch (failure) {
      logger.warn(
        { error: String(failure), mail: mail.id },
        'a mail that was not taken is tried again later',
      );
    }
    return false;
  }

  #serverAway(why: string): void {
    const { clock, logger } = this.#options;
    this.#away += 1;
    if (this.#away === 1)
      logger.error({ why }, 'mails cannot be handed over now: they wait, and are tried again');
    const pauseMs = Math.min(AWAY_MS_MAX, AWAY_MS_MIN * 2 ** Math.min(this.#away - 1, 20));
    this.#awayUntil = clock.now() + pauseMs * (0.75 + Math.random() / 4);
  }
}

/** Doubling, with jitter. */
function pauseAfter(attempts: number): number {
  const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(Math.max(0, attempts - 1), 20));
  return ceiling * (0.75 + Math.random() / 4);
}
