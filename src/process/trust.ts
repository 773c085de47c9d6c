/**
 * Who is trusted with what, in one process: accounts and access tokens, the security check, the audit, mail,
 * and the payment provider. Made once per process, whatever roles it has.
 */
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import type { Role, Settings } from '../../config/settings.js';
import { Erasures, personsOfAccount } from '../analytics/lake/erasures.js';
import { Persons } from '../analytics/lake/persons.js';
import type { Problem } from '../http/problem.js';
import { FolderMailer } from '../mail/folder.js';
import { GuardedMailer, isMailDown } from '../mail/guarded.js';
import type { Mailer } from '../mail/port.js';
import { MailRecords } from '../mail/records.js';
import { SmtpMailer } from '../mail/smtp.js';
import { lateMailOf } from '../mail/sources.js';
import type { LateOutcome } from '../payments/flow.js';
import type { Payment, PaymentProvider } from '../payments/port.js';
import { SandboxPayments } from '../payments/sandbox/provider.js';
import { StripePayments } from '../payments/stripe.js';
import { connectRedis, type RedisClient } from '../redis/connection.js';
import { RedisWaitingLists } from '../redis/waiting-lists.js';
import type { Reservation } from '../rules/index.js';
import { DocumentAudit } from '../security/audit.js';
import { Devices } from '../security/device.js';
import { InProcessSecurity } from '../security/in-process.js';
import type { Security } from '../security/port.js';
import { RemoteSecurity } from '../security/remote.js';
import { QueuedTicketMail } from '../mail/ticket-mail.js';
import type { TicketMail } from '../tickets/mail.js';
import { createAccess, type Access } from '../users/access.js';
import { Operators, requireOperator, requireSteward } from '../users/operators.js';
import type { Principal } from '../users/principal.js';
import { Users } from '../users/users.js';
import { leaveWaitingLists } from '../waiting-list/leave-all.js';
import type { Core } from './core.js';
import { StartupError, type Secrets } from './data-dir.js';
import type { Overload } from './overload.js';

type Checks = Security & { hasBought(person: string): Promise<boolean> };

/** A mail server is asked rarely, and one attempt takes long. */
const MAIL_PAUSES = { pauseMsMin: 2_000, pauseMsMax: 60_000 };

const listOf = (text: string): string[] => text.split(',').map((part) => part.trim());

/** A key of its own for each use, so that none of them reveals another. */
function derived(secret: string, use: string): string {
  return createHmac('sha256', secret).update(use).digest('base64url');
}

/** Where this process has its things. */
export interface Places {
  readonly dataDir: string;
  readonly redisUrl: string;
  readonly overload: Overload;
}

export class Trust {
  readonly audit: DocumentAudit;
  readonly access: Access;
  readonly users: Users;
  readonly operators: Operators;
  readonly security: Checks;
  readonly devices: Devices;
  readonly operatorSecondFactor: 'optional' | 'required';
  /** Browsers come by HTTPS only. */
  readonly secureCookies: boolean;
  /** Where mails go when no server is configured. */
  readonly mailDir: string | null;
  /** Where mails are queued. */
  readonly mails: MailRecords;
  readonly #core: Core;
  readonly #settings: Settings;
  readonly #mailer: Mailer;
  readonly #local: InProcessSecurity | null;
  #redis: RedisClient | null = null;

  constructor(settings: Settings, secrets: Secrets, core: Core, places: Places) {
    const { dataDir, overload } = places;
    const { archive: documents, clock, logger } = core;
    this.#core = core;
    this.#settings = settings;
    const isProduction = settings.environment === 'prod';
    this.operatorSecondFactor = isProduction ? 'required' : settings.operatorSecondFactor;
    this.secureCookies = isProduction || settings.publicUrl.startsWith('https:');
    this.mailDir = settings.smtpUrl === undefined ? join(dataDir, 'mail') : null;
    this.#mailer = this.#makeMailer(overload);
    this.mails = new MailRecords({ documents, clock });
    this.audit = new DocumentAudit({ documents, clock, logger });
    const { tokenSecret } = secrets;
    this.devices = new Devices({ secret: derived(tokenSecret, 'device'), isSecure: this.secureCookies });
    const { accessTokenMs: tokenMs, signingKeyMs: rotateMs, publicUrl } = settings;
    this.access = createAccess({ documents, clock, logger, tokenSecret, tokenMs, rotateMs });
    const { audit, access, operatorSecondFactor } = this;
    const mailer = this.#mailer;
    this.users = new Users({
      documents,
      clock,
      logger,
      mailer,
      audit,
      access,
      publicUrl,
      operatorSecondFactor,
      onErase: async (account) => {
        const { gateway, catalog, store, redis, keys } = core;
        const lists = new RedisWaitingLists(redis, keys);
        const { tickets } = catalog;
        await leaveWaitingLists({ lists, store, tickets, gateway, clock }, account);
        const erasures = new Erasures(documents);
        for (const person of personsOfAccount(new Persons(tokenSecret), account)) {
          await erasures.add(person, clock.now());
        }
      },
    });
    this.operators = new Operators({ documents, clock, audit, users: this.users });
    this.#local = this.#makeLocal(secrets, places.redisUrl);
    this.security = this.#makeChecks(secrets);
  }

  /** The check that runs in this process. */
  get local(): InProcessSecurity {
    if (!this.#local) throw new Error('the security check of this process runs elsewhere');
    return this.#local;
  }

  readonly requireSteward = (principal: Principal | null): Problem | null =>
    requireSteward(principal, { secondFactor: this.operatorSecondFactor });

  readonly requireOperator = (principal: Principal | null): Problem | null =>
    requireOperator(principal, { secondFactor: this.operatorSecondFactor });

  async start(): Promise<void> {
    await this.#mailer.start();
    await this.users.start();
    await this.#local?.start();
    if (this.security !== this.#local) await this.security.start();
  }

  async stop(): Promise<void> {
    if (this.security !== this.#local) await this.security.stop();
    await this.#local?.stop();
    this.#redis?.disconnect();
    await this.users.stop();
    await this.#mailer.stop();
  }

  /** Null unless this start made it. Throws `StartupError`. */
  async ensureFirstOperator(email: string): Promise<{ email: string; password: string } | null> {
    try {
      return await this.operators.ensureFirst({ email });
    } catch (error) {
      throw new StartupError(error instanceof Error ? error.message : String(error), { cause: error });
    }
  }

  /** Mails about tickets that are passed on, and about what was looked up. */
  ticketMail(): TicketMail {
    return new QueuedTicketMail({ mails: this.mails, logger: this.#core.logger });
  }

  /** Tells a buyer what became of a payment that came after the hold had ended. Resolves when that is queued. */
  async tellLate(reservation: Reservation, outcome: LateOutcome): Promise<void> {
    await this.mails.add(lateMailOf(reservation, outcome));
  }

  /** Empty when the account is gone. */
  async emailOf(account: string): Promise<string> {
    return (await this.users.account(account))?.email ?? '';
  }

  /** Whether an address may get another mail that it did not cause itself. */
  mayMail(address: string, perHourMax: number): Promise<boolean> {
    return this.users.accounts.mayMail(address, 'other', perHourMax);
  }

  /** Hands mails over; started and stopped with this. */
  get mailer(): Pick<Mailer, 'send' | 'restMs'> {
    return this.#mailer;
  }

  /** Money or tickets that nobody ordered back are in the audit like those that somebody did. */
  auditGivenBack({ id, reservationId, refundedMinor }: Payment, why: 'refunded' | 'voided'): void {
    const { logger } = this.#core;
    const details = { reservationId, refundedMinor };
    this.audit
      .record({ actor: 'system', action: `payment.${why}`, subject: `payment:${id}`, details })
      .catch((error: unknown) => {
        logger.error({ error: String(error), paymentId: id }, 'the audit of a payment could not be kept');
      });
  }

  #makeMailer(overload: Overload): Mailer {
    const { smtpUrl, mailFrom: from } = this.#settings;
    const { clock } = this.#core;
    if (smtpUrl !== undefined) {
      const breaker = overload.breaker('mail', isMailDown, MAIL_PAUSES);
      return new GuardedMailer(new SmtpMailer({ url: smtpUrl, from, clock }), breaker);
    }
    return new FolderMailer({ dir: this.mailDir ?? '', from, clock });
  }

  #makeLocal({ tokenSecret }: Secrets, redisUrl: string): InProcessSecurity | null {
    const { securityUrl, roles, redisPrefix, blockListFiles, addressesExempt } = this.#settings;
    const isHere: readonly Role[] = ['security'];
    if (securityUrl !== undefined && !roles.some((role) => isHere.includes(role))) return null;
    const { redis, archive: documents, clock, logger } = this.#core;
    // Where requests are checked all the time, on a connection of its own. Not with
    // automatic pipelining: under load it ends the process (ioredis 5 with transactions of the limiter).
    if (roles.some((role) => role !== 'worker' && role !== 'consumer')) {
      this.#redis = connectRedis({ url: redisUrl, name: 'ticktak-security', logger });
    }
    return new InProcessSecurity({
      redis: this.#redis ?? redis,
      redisPrefix,
      documents,
      audit: this.audit,
      clock,
      logger,
      secret: derived(tokenSecret, 'security'),
      exemptAddresses: listOf(addressesExempt),
      ...(blockListFiles !== undefined && { listFiles: listOf(blockListFiles) }),
    });
  }

  #makeChecks({ serviceToken }: Secrets): Checks {
    const { securityCheck, securityUrl, securityTimeoutMs, securityUnreachable } = this.#settings;
    const { clock, logger } = this.#core;
    if (!securityCheck) return unchecked;
    if (this.#local) return this.#local;
    return new RemoteSecurity({
      url: securityUrl ?? '',
      serviceToken,
      whenUnreachable: securityUnreachable,
      clock,
      logger,
      timeoutMs: securityTimeoutMs,
    });
  }
}

/** To measure what the check costs. */
const unchecked: Checks = {
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
  check: () => Promise.resolve({ verdict: 'allow', reasons: [] }),
  checkPerson: () => Promise.resolve({ verdict: 'allow', reasons: [] }),
  hasBought: () => Promise.resolve(false),
  tell: () => undefined,
};

/** How this machine reaches a service of its own that listens on `host`. */
export function loopbackOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/** Stripe where there is a key, else the sandbox. Not started yet. */
export function makePayments(
  settings: Settings,
  { tokenSecret }: Secrets,
  { archive: documents, clock, logger }: Core,
  ports: ReadonlyMap<Role, number>,
  overload: Overload,
): PaymentProvider {
  const makeBreaker = (isDown: (error: unknown) => boolean) => overload.breaker('stripe', isDown);
  const { stripeSecretKey, stripeWebhookSecret, paymentTimeoutMs, host } = settings;
  if (stripeSecretKey !== undefined) {
    return new StripePayments({
      kind: 'stripe',
      secretKey: stripeSecretKey,
      ...(stripeWebhookSecret !== undefined && { webhookSecret: stripeWebhookSecret }),
      timeoutMs: paymentTimeoutMs,
      logger,
      makeBreaker,
    });
  }
  return new SandboxPayments({
    documents,
    clock,
    logger,
    timeoutMs: paymentTimeoutMs,
    makeBreaker,
    webhook: {
      // Told by the process that has the payments service, whichever process the event happened in.
      url: () => {
        const port = ports.get('payments');
        return port === undefined ? null : `http://${loopbackOf(host)}:${port}/api/v1/payments/webhook`;
      },
      secret: `whsec_${derived(tokenSecret, 'sandbox webhook')}`,
    },
  });
}
