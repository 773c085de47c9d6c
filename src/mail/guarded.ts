/**
 * A mailer behind a breaker: while the server is down no mail is tried, and whoever hands one over hears so at once
 * (`MailAwayError`) instead of waiting for it.
 */
import { BreakerOpenError, type Breaker } from '../overload/breaker.js';
import { MailAwayError, MailUnavailableError, type Mail, type Mailer } from './port.js';

export class GuardedMailer implements Mailer {
  readonly #mailer: Mailer;
  readonly #breaker: Breaker;

  constructor(mailer: Mailer, breaker: Breaker) {
    this.#mailer = mailer;
    this.#breaker = breaker;
  }

  start(): Promise<void> {
    return this.#mailer.start();
  }

  stop(): Promise<void> {
    return this.#mailer.stop();
  }

  get restMs(): number {
    return this.#breaker.restMs;
  }

  async send(mail: Mail): Promise<void> {
    try {
      await this.#breaker.run(() => this.#mailer.send(mail));
    } catch (cause) {
      if (!(cause instanceof BreakerOpenError)) throw cause;
      throw new MailAwayError('The mail server is down, and was not asked.', { cause });
    }
  }
}

/** What means that no mail can be handed over, whichever it is. */
export const isMailDown = (error: unknown): boolean =>
  error instanceof MailUnavailableError && error.fault === 'server';
