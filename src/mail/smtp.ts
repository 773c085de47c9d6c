/**
 * Mail through a server, by SMTP.
 *
 * Guarantees beyond the port: no mail and no password leaves this machine unencrypted; a send ends within two
 * attempts' time; what the server refuses for good is not tried again.
 */
import type { Transporter } from 'nodemailer';
import type { Clock } from '../actors/ports.js';
import { composed, MailRefusedError } from './message.js';
import { MailUnavailableError, type Mail, type Mailer, type MailFault } from './port.js';

export interface SmtpMailerOptions {
  /** `smtps://user:password@host:465` (TLS from the start) or `smtp://host:587` (STARTTLS, required). */
  readonly url: string;
  /** `Name <address>` or an address. */
  readonly from: string;
  readonly clock: Clock;
  /** For one attempt, from connecting to the server's last word. */
  readonly attemptMs?: number;
  /** Before the second attempt. */
  readonly retryMs?: number;
}

const ATTEMPT_MS = 15_000;
const RETRY_MS = 1_000;
const ATTEMPTS_MAX = 2;
const PORTS = { 'smtp:': 587, 'smtps:': 465 } as const;

export class SmtpMailer implements Mailer {
  readonly #options: Required<SmtpMailerOptions>;
  readonly #target: SmtpTarget;
  #isStarted = false;
  /** Made with the first mail. */
  #transport: Promise<Transporter> | null = null;

  /** Throws on a URL that is none. */
  constructor(options: SmtpMailerOptions) {
    this.#options = { attemptMs: ATTEMPT_MS, retryMs: RETRY_MS, ...options };
    this.#target = smtpTarget(options.url);
  }

  start(): Promise<void> {
    this.#isStarted = true;
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    const transport = this.#transport;
    this.#isStarted = false;
    this.#transport = null;
    (await transport)?.close();
  }

  async send(mail: Mail): Promise<void> {
    if (!this.#isStarted) throw new MailUnavailableError('The mailer is not started.');
    this.#transport ??= makeTransport(this.#target, this.#options.attemptMs);
    const transport = await this.#transport;
    const { from, clock, attemptMs, retryMs } = this.#options;
    // Composed once: both attempts have one Message-ID.
    const message = composed(mail, from, clock.now());
    for (let attempt = 1; ; attempt += 1) {
      try {
        await transport.sendMail({ ...message, signal: AbortSignal.timeout(attemptMs) });
        return;
      } catch (error) {
        if (attempt < ATTEMPTS_MAX && mayPass(error)) {
          await new Promise<void>((resolve) => clock.schedule(retryMs, resolve));
          continue;
        }
        throw failure(error, this.#target.host);
      }
    }
  }
}

/** What speaks SMTP is loaded here: most processes never send a mail. */
async function makeTransport(
  { auth, isLoopback, ...server }: SmtpTarget,
  attemptMs: number,
): Promise<Transporter> {
  const { createTransport } = await import('nodemailer');
  return createTransport({
    ...server,
    ...(auth && { auth }),
    requireTLS: !isLoopback && !server.secure,
    opportunisticTLS: isLoopback,
    tls: { minVersion: 'TLSv1.2' },
    connectionTimeout: attemptMs,
    greetingTimeout: attemptMs,
    socketTimeout: attemptMs,
    dnsTimeout: attemptMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

interface SmtpTarget {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly isLoopback: boolean;
  readonly auth?: { readonly user: string; readonly pass: string };
}

/** Throws with what is wrong, never with the URL itself: it may hold a password. */
export function smtpTarget(text: string): SmtpTarget {
  if (!URL.canParse(text))
    throw new Error('The SMTP URL cannot be read; it is smtp(s)://user:password@host:port.');
  const { protocol, hostname, port, username, password } = new URL(text);
  if (protocol !== 'smtp:' && protocol !== 'smtps:')
    throw new Error('The SMTP URL must begin with smtp:// or smtps://.');
  if (hostname === '') throw new Error('The SMTP URL names no host.');
  const host = hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: port === '' ? PORTS[protocol] : Number(port),
    secure: protocol === 'smtps:',
    isLoopback: host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host),
    ...(username !== '' && {
      auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
    }),
  };
}

/** Whether another attempt may help. Log-ins and TLS do not get better within a second. */
function mayPass(error: unknown): boolean {
  const { code, responseCode } = detailsOf(error);
  if (responseCode !== undefined) return responseCode < 500;
  return code === undefined || !['EAUTH', 'ENOAUTH', 'ETLS', 'ECONFIG', 'EENVELOPE'].includes(code);
}

interface SmtpFailure {
  readonly code?: string;
  readonly command?: string;
  readonly responseCode?: number;
}

function detailsOf(error: unknown): SmtpFailure {
  if (!(error instanceof Error)) return {};
  // Members nodemailer puts on its errors; each is checked before it is used.
  const { code, command, responseCode } = error as { [K in keyof SmtpFailure]: unknown };
  return {
    ...(typeof code === 'string' && { code }),
    ...(typeof command === 'string' && { command }),
    ...(typeof responseCode === 'number' && { responseCode }),
  };
}

/** The server's words may quote the address: only codes are told. */
function failure(error: unknown, host: string): Error {
  if (error instanceof MailRefusedError) return error;
  const { code, responseCode } = detailsOf(error);
  const why = [code, responseCode].filter((part) => part !== undefined).join(' ') || 'no answer in time';
  const fault = faultOf(error);
  const advice = fault === 'recipient' ? 'it refuses the address for good' : 'check SMTP_URL';
  return new MailUnavailableError(`The mail server ${host} did not take a mail (${why}); ${advice}.`, {
    fault,
  });
}

/** Answers about a recipient or a content are about that mail; everything else is about the server. */
function faultOf(error: unknown): MailFault {
  const { command, responseCode = 0 } = detailsOf(error);
  if (responseCode === 0 || (command !== 'RCPT TO' && command !== 'DATA')) return 'server';
  const isForGood = command === 'RCPT TO' && responseCode >= 550 && responseCode < 560;
  return isForGood ? 'recipient' : 'mail';
}
