/**
 * Accounts as the rest of ticktak and the HTTP routes use them.
 *
 * What src/users guarantees:
 *
 *  - One account per e-mail address. A taken address is told at registration (409): a trade-off, because the
 *    answer must say whether there is an account now; how many may be tried is bounded by the security check's
 *    limits and challenges. Log-in, reset and confirmation answer the same, after the same work, whether there is
 *    an account or not.
 *  - A password cannot be guessed by trying (attempts.ts), nor a code of the second factor (second-factor.ts).
 *  - Changing or resetting a password, a role or the second factor, and disabling an account, ends every log-in
 *    made before: they are void by `authVersion` before they are tidied up.
 *  - What operators do, and what looks like theft, is in the audit before it is answered.
 *  - Refusals are values. Only a store that is away (`ArchiveUnavailableError`) and defects throw.
 */
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import type { Locale } from '../mail/locale.js';
import type { Mailer } from '../mail/port.js';
import type { Logger } from '../process/log.js';
import type { Audit } from '../security/port.js';
import type { Access } from './access.js';
import { Accounts, type AccountsOptions } from './accounts.js';
import { Attempts, FREE_FAILURES } from './attempts.js';
import { MailedTokens } from './mailed-tokens.js';
import { Passwords, passwordRefusal, type PasswordLimits } from './passwords.js';
import type { AccountRole, Principal } from './principal.js';
import { without, type User, type UserRecord } from './records.js';
import {
  confirmed,
  judge,
  newSecret,
  PENDING_MS,
  type FactorVerdict,
  type Presented,
} from './second-factor.js';
import type { Opened } from './sessions.js';

export interface UsersOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly mailer: Mailer;
  readonly audit: Audit;
  readonly access: Access;
  /** Where people find the web app: links in mails begin with it. */
  readonly publicUrl: string;
  readonly operatorSecondFactor: 'optional' | 'required';
  readonly mailsPerHourMax?: number;
  readonly passwordLimits?: Partial<PasswordLimits>;
  readonly onErase?: NonNullable<AccountsOptions['onErase']>;
}

/** Where a request came from, for the audit. */
export interface Origin {
  readonly address?: string;
  readonly requestId?: string;
}

/** An account as its owner and operators see it. */
export interface Account {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly roles: readonly AccountRole[];
  readonly emailConfirmed: boolean;
  readonly secondFactor: boolean;
  readonly createdAt: number;
  readonly disabledAt?: number;
  readonly deletedAt?: number;
}

export interface LogIn {
  readonly kind: 'logged_in';
  readonly account: Account;
  readonly accessToken: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  readonly refreshToken: string;
  readonly refreshEndsAt: number;
}

export type Refusal =
  /** Which of the two is wrong is not told. */
  | { readonly kind: 'wrong_credentials' }
  | { readonly kind: 'wait'; readonly retryAfterMs: number }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'code_required' }
  | { readonly kind: 'code_wrong' }
  | { readonly kind: 'password_refused'; readonly reason: string }
  | { readonly kind: 'address_taken' }
  | { readonly kind: 'token_invalid' }
  /** The log-in has ended, or the account is gone. */
  | { readonly kind: 'not_logged_in' }
  | { readonly kind: 'no_second_factor' }
  | { readonly kind: 'second_factor_kept' }
  | { readonly kind: 'last_operator' }
  | { readonly kind: 'is_operator' }
  | { readonly kind: 'not_found' };

export interface Credentials extends Presented {
  readonly email: string;
  readonly password: string;
}

/** Mails one address gets within an hour. */
const MAILS_PER_HOUR_MAX = 5;

/** What an account suffers, whoever does it. */
const BY_ANYBODY: ReadonlySet<string> = new Set([
  'user.login_delayed',
  'user.refresh_reused',
  'user.second_factor_locked',
]);

export class Users {
  readonly #options: UsersOptions;
  readonly #attempts: Attempts;
  readonly #passwords: Passwords;
  readonly accounts: Accounts;
  readonly mailed: MailedTokens;

  constructor(options: UsersOptions) {
    const { mailsPerHourMax = MAILS_PER_HOUR_MAX, passwordLimits } = options;
    this.#options = options;
    this.#attempts = new Attempts(options);
    this.#passwords = new Passwords(passwordLimits);
    this.accounts = new Accounts(options);
    this.mailed = new MailedTokens({ ...options, accounts: this.accounts, mailsPerHourMax });
  }

  async start(): Promise<void> {
    await this.#passwords.start();
  }

  /** Waits for the mails that are on their way. The mailer is stopped after it. */
  async stop(): Promise<void> {
    await this.mailed.stop();
  }

  /** Makes an account and mails a link that confirms its address. */
  async register(
    wanted: {
      readonly email: string;
      readonly password: string;
      readonly name: string;
      readonly locale?: Locale | undefined;
    },
    roles: UserRecord['roles'] = ['buyer'],
  ): Promise<{ readonly kind: 'registered'; readonly account: Account } | Refusal> {
    const { email, password, name, locale } = wanted;
    const reason = passwordRefusal(password, wanted);
    if (reason !== null) return { kind: 'password_refused', reason };
    // Before the hash, so that trying addresses costs us little.
    if (await this.accounts.isTaken(email)) return { kind: 'address_taken' };
    const hashed = await this.#passwords.hash(password);
    if (hashed.kind === 'overloaded') return hashed;
    const user = await this.accounts.create({
      email,
      name,
      passwordHash: hashed.hash,
      roles,
      ...(locale !== undefined && { locale }),
    });
    if (!user) return { kind: 'address_taken' };
    const to = { email, userId: user.id, authVersion: user.authVersion };
    await this.mailed.issue('confirm', to, { isReal: true, locale });
    return { kind: 'registered', account: await this.accountOf(user) };
  }

  async logIn(credentials: Credentials, origin: Origin): Promise<LogIn | Refusal> {
    const { email, password } = credentials;
    const checked = await this.#checkPassword(await this.accounts.byEmail(email), email, password, origin);
    if (checked.kind !== 'right') return checked;
    const { user } = checked;
    if (user.secondFactor) {
      const refusal = await this.#checkFactor(user.id, credentials, origin);
      if (refusal) return refusal;
    }
    await this.#renewHash(user, password);
    if (user.roles.includes('operator')) await this.#record('user.operator_logged_in', user.id, origin);
    return this.#answer(
      user,
      await this.#sessions.open(user, { secondFactor: user.secondFactor !== undefined }),
    );
  }

  async refresh(refreshToken: string, origin: Origin): Promise<LogIn | Refusal> {
    const refreshed = await this.#sessions.refresh(refreshToken);
    if (refreshed.kind === 'reused') {
      const { userId, sessionId } = refreshed;
      this.#options.logger.warn(
        { userId, sessionId },
        'a used refresh token was presented; the log-in was ended',
      );
      await this.#record('user.refresh_reused', userId, origin);
    }
    if (refreshed.kind !== 'refreshed') return { kind: 'not_logged_in' };
    return this.#answer(refreshed.user, refreshed);
  }

  async logOut(sessionId: string): Promise<void> {
    await this.#sessions.end(sessionId);
  }

  /** Ends the session of a refresh token; nothing for a made-up one. */
  async logOutByToken(refreshToken: string): Promise<void> {
    const sessionId = this.#sessions.sessionOf(refreshToken);
    if (sessionId !== null) await this.#sessions.end(sessionId);
  }

  /** Every log-in of the account. */
  async logOutAll(userId: string): Promise<void> {
    await this.endLogIns(userId, (user) => ({ ...user }));
  }

  async account(userId: string): Promise<Account | null> {
    const user = await this.#active(userId);
    return user && this.accountOf(user);
  }

  async changeName(userId: string, name: string): Promise<Account | Refusal> {
    const user = await this.accounts.update(userId, (before) =>
      isActive(before) ? { ...before, name } : before,
    );
    return user && isActive(user) ? this.accountOf(user) : { kind: 'not_logged_in' };
  }

  /** Ends every log-in and answers a new one. */
  async changePassword(
    principal: Principal,
    change: { readonly password: string; readonly newPassword: string },
    origin: Origin,
  ): Promise<LogIn | Refusal> {
    const checked = await this.#reauthenticate(principal, change.password, origin);
    if (checked.kind !== 'right') return checked;
    const { user } = checked;
    const about = { email: user.email ?? '', name: user.name };
    const reason = passwordRefusal(change.newPassword, about);
    if (reason !== null) return { kind: 'password_refused', reason };
    const hashed = await this.#passwords.hash(change.newPassword);
    if (hashed.kind === 'overloaded') return hashed;
    const changed = await this.endLogIns(user.id, (before) =>
      before.authVersion === user.authVersion ? { ...before, passwordHash: hashed.hash } : before,
    );
    if (changed?.passwordHash !== hashed.hash) return { kind: 'not_logged_in' };
    await this.#record('user.password_changed', user.id, origin);
    this.mailed.notify(user, 'password_changed');
    return this.#answer(changed, await this.#sessions.open(changed, principal));
  }

  /** Erases whose account it is. Operators give up that role first, which the last one cannot. */
  async deleteAccount(
    principal: Principal,
    password: string,
    origin: Origin,
  ): Promise<{ kind: 'done' } | Refusal> {
    const checked = await this.#reauthenticate(principal, password, origin);
    if (checked.kind !== 'right') return checked;
    if (checked.user.roles.includes('operator')) return { kind: 'is_operator' };
    await this.#record('user.deleted', principal.accountId, origin);
    await this.accounts.seal(principal.accountId);
    await this.#sessions.endAll(principal.accountId);
    return { kind: 'done' };
  }

  /** Mails a link that proves the address: for the account of the one who asks, or for a guest. */
  async requestEmailProof(email: string, principal: Principal | null = null, locale?: Locale): Promise<void> {
    const isTheirs = principal?.email === email;
    const to = { email, userId: isTheirs ? principal.accountId : null, authVersion: 0 };
    await this.mailed.issue('confirm', to, { isReal: true, locale });
  }

  /**
   * The address that was proved. For an account it takes both, the mailbox and the log-in: whoever registers with
   * another's address must not get it confirmed by a click of its owner, who thinks of a mail of their own.
   */
  async confirmEmail(
    token: string,
    principal: Principal | null = null,
  ): Promise<{ readonly kind: 'confirmed'; readonly email: string } | Refusal> {
    const found = await this.mailed.find('confirm', token);
    if (!found) return { kind: 'token_invalid' };
    if (found.userId !== null && principal?.accountId !== found.userId) return { kind: 'not_logged_in' };
    if (!(await found.use())) return { kind: 'token_invalid' };
    await this.accounts.confirm(found.email, found.userId);
    return { kind: 'confirmed', email: found.email };
  }

  isEmailConfirmed(email: string): Promise<boolean> {
    return this.accounts.isEmailConfirmed(email);
  }

  /** Answers, and takes, the same whether there is an account or not. */
  async requestPasswordReset(email: string, asked?: Locale): Promise<void> {
    const user = await this.accounts.byEmail(email);
    const isReal = user !== null && isActive(user);
    const to = { email, userId: user?.id ?? null, authVersion: user?.authVersion ?? 0 };
    await this.mailed.issue('reset', to, { isReal, locale: asked ?? user?.locale });
  }

  /** The language of mails to an account, or to an address; nothing when it asked for none of ours, or is gone. */
  async localeOf(of: { readonly account?: string; readonly email: string }): Promise<Locale | undefined> {
    const { account, email } = of;
    return (await (account === undefined ? this.accounts.byEmail(email) : this.accounts.get(account)))
      ?.locale;
  }

  /** Sets a new password, ends every log-in, and ends the delays that wrong passwords made. */
  async resetPassword(token: string, password: string, origin: Origin): Promise<{ kind: 'done' } | Refusal> {
    const found = await this.mailed.find('reset', token);
    const user = found?.userId ? await this.#active(found.userId) : null;
    if (!found || user?.authVersion !== found.authVersion) return { kind: 'token_invalid' };
    const reason = passwordRefusal(password, { email: found.email, name: user.name });
    if (reason !== null) return { kind: 'password_refused', reason };
    const hashed = await this.#passwords.hash(password);
    if (hashed.kind === 'overloaded') return hashed;
    if (!(await found.use())) return { kind: 'token_invalid' };
    // Whoever registered an address without ever reading it may have left a second factor of theirs behind.
    // Not so with operators: their mailbox alone must not be enough.
    const isOwners = user.roles.includes('operator') || (await this.accounts.isConfirmed(user));
    await this.endLogIns(user.id, (before) => ({
      ...(isOwners ? before : without(before, 'secondFactor', 'pendingFactor')),
      passwordHash: hashed.hash,
    }));
    await this.accounts.confirm(found.email, user.id);
    await this.#attempts.clear(found.email);
    await this.#record('user.password_reset', user.id, origin);
    this.mailed.notify(user, 'password_reset');
    return { kind: 'done' };
  }

  /** A secret for an authenticator app; nothing changes until `confirmSecondFactor`. */
  async enrolSecondFactor(
    principal: Principal,
    password: string,
    origin: Origin,
  ): Promise<{ readonly kind: 'enrolled'; readonly secret: string; readonly uri: string } | Refusal> {
    const checked = await this.#reauthenticate(principal, password, origin);
    if (checked.kind !== 'right') return checked;
    const { id, email } = checked.user;
    // Whoever has only the password must not replace the factor that keeps them out.
    if (checked.user.secondFactor && !principal.secondFactor) return { kind: 'code_required' };
    const { sealedSecret, ...shown } = newSecret(this.#options.access.sealer, id, email ?? '');
    const pendingFactor = { sealedSecret, createdAt: this.#options.clock.now() };
    await this.accounts.update(id, (before) => ({ ...before, pendingFactor }));
    return { kind: 'enrolled', ...shown };
  }

  /** A first code makes the factor count; ends every log-in and answers a new one with it. */
  async confirmSecondFactor(
    principal: Principal,
    code: string,
    origin: Origin,
  ): Promise<(LogIn & { readonly recoveryCodes: readonly string[] }) | Refusal> {
    const user = await this.#active(principal.accountId);
    if (!user) return { kind: 'not_logged_in' };
    const { pendingFactor: pending } = user;
    const now = this.#options.clock.now();
    if (!pending || pending.createdAt + PENDING_MS <= now) return { kind: 'no_second_factor' };
    const attempt = await this.#attempts.begin(`enrol:${user.id}`);
    if (attempt.kind === 'wait') return attempt;
    const made = confirmed(this.#options.access.sealer, user.id, pending.sealedSecret, code, now);
    if (!made) return { kind: 'code_wrong' };
    await this.#attempts.clear(`enrol:${user.id}`);
    const changed = await this.endLogIns(user.id, (before) =>
      before.pendingFactor?.sealedSecret === pending.sealedSecret
        ? { ...without(before, 'pendingFactor'), secondFactor: made.factor }
        : before,
    );
    if (changed?.secondFactor?.sealedSecret !== pending.sealedSecret) return { kind: 'no_second_factor' };
    await this.#record('user.second_factor_added', user.id, origin);
    this.mailed.notify(user, 'second_factor_added');
    const logIn = await this.#answer(changed, await this.#sessions.open(changed, { secondFactor: true }));
    return { ...logIn, recoveryCodes: made.recoveryCodes };
  }

  /** Ends every log-in and answers a new one without it. */
  async removeSecondFactor(
    principal: Principal,
    proof: Presented & { readonly password: string },
    origin: Origin,
  ): Promise<LogIn | Refusal> {
    const checked = await this.#reauthenticate(principal, proof.password, origin);
    if (checked.kind !== 'right') return checked;
    const { user } = checked;
    if (!user.secondFactor) return { kind: 'no_second_factor' };
    if (user.roles.includes('operator') && this.#options.operatorSecondFactor === 'required')
      return { kind: 'second_factor_kept' };
    const refusal = await this.#checkFactor(user.id, proof, origin);
    if (refusal) return refusal;
    const changed = await this.endLogIns(user.id, (before) =>
      without(before, 'secondFactor', 'pendingFactor'),
    );
    if (!changed) return { kind: 'not_logged_in' };
    await this.#record('user.second_factor_removed', user.id, origin);
    this.mailed.notify(user, 'second_factor_removed');
    return this.#answer(changed, await this.#sessions.open(changed, { secondFactor: false }));
  }

  async accountOf(user: User): Promise<Account> {
    const { id, email, name, roles, createdAt, disabledAt, deletedAt } = user;
    return {
      id,
      email: email ?? '',
      name,
      roles,
      emailConfirmed: await this.accounts.isConfirmed(user),
      secondFactor: user.secondFactor !== undefined,
      createdAt,
      ...(disabledAt !== undefined && { disabledAt }),
      ...(deletedAt !== undefined && { deletedAt }),
    };
  }

  /** Changes the account so that every log-in made before is void; `change` answers the same object to leave it. */
  async endLogIns(userId: string, change: (user: UserRecord) => UserRecord): Promise<User | null> {
    const done = { isChanged: false };
    const user = await this.accounts.update(userId, (before) => {
      const after = change(before);
      done.isChanged = after !== before;
      return done.isChanged ? { ...after, authVersion: before.authVersion + 1 } : before;
    });
    if (done.isChanged) await this.#sessions.endAll(userId);
    return user;
  }

  get #sessions(): Access['sessions'] {
    return this.#options.access.sessions;
  }

  async #active(userId: string): Promise<User | null> {
    const user = await this.accounts.get(userId);
    return user && isActive(user) ? user : null;
  }

  /** The same steps, reads and writes for an account and for none. */
  async #checkPassword(
    user: User | null,
    email: string,
    password: string,
    origin: Origin,
  ): Promise<{ readonly kind: 'right'; readonly user: User } | Refusal> {
    const attempt = await this.#attempts.begin(email);
    if (attempt.kind === 'wait') return attempt;
    const candidate = user && isActive(user) ? user : null;
    const compared = await this.#passwords.compare(candidate?.passwordHash ?? null, password);
    if (compared === 'overloaded') {
      await this.#attempts.giveBack(email);
      return { kind: 'overloaded' };
    }
    if (compared === 'right' && candidate) {
      await this.#attempts.clear(email);
      return { kind: 'right', user: candidate };
    }
    this.#options.logger.info({ requestId: origin.requestId, failures: attempt.failures }, 'a log-in failed');
    if (attempt.failures >= FREE_FAILURES)
      await this.#record('user.login_delayed', user?.id ?? 'unknown', origin, { failures: attempt.failures });
    return { kind: 'wrong_credentials' };
  }

  /** Asks for the password again before something that a stolen access token alone must not do. */
  async #reauthenticate(
    principal: Principal,
    password: string,
    origin: Origin,
  ): Promise<{ readonly kind: 'right'; readonly user: User } | Refusal> {
    const user = await this.#active(principal.accountId);
    if (user?.email === undefined || user.email === null) return { kind: 'not_logged_in' };
    return this.#checkPassword(user, user.email, password, origin);
  }

  /** Null when the code is right. Stored at the version it was judged on: no two attempts share a count. */
  async #checkFactor(userId: string, presented: Presented, origin: Origin): Promise<Refusal | null> {
    if (presented.totp === undefined && presented.recoveryCode === undefined)
      return { kind: 'code_required' };
    const { access, clock } = this.#options;
    const judged: { verdict: FactorVerdict | null } = { verdict: null };
    await this.accounts.update(userId, (user) => {
      const { secondFactor: factor } = user;
      const verdict = factor ? judge(access.sealer, userId, factor, presented, clock.now()) : null;
      judged.verdict = verdict;
      return verdict && 'factor' in verdict ? { ...user, secondFactor: verdict.factor } : user;
    });
    return this.#factorRefusal(judged.verdict, userId, origin);
  }

  async #factorRefusal(
    verdict: FactorVerdict | null,
    userId: string,
    origin: Origin,
  ): Promise<Refusal | null> {
    switch (verdict?.kind) {
      case 'right':
        if (verdict.by === 'recovery')
          await this.#record('user.recovery_code_used', userId, origin, {
            left: verdict.factor.recoveryHashes.length,
          });
        return null;
      case 'wrong':
        if (verdict.isLocked) await this.#record('user.second_factor_locked', userId, origin);
        return { kind: 'code_wrong' };
      case 'locked':
        return { kind: 'wait', retryAfterMs: verdict.retryAfterMs };
      case 'unreadable':
        this.#options.logger.error(
          { userId },
          'a second factor was made under another token secret; reset it',
        );
        return { kind: 'code_wrong' };
      case undefined:
        // Removed meanwhile: the log-in starts over.
        return { kind: 'code_wrong' };
    }
  }

  /** A hash made with parameters of the past is made anew, now that the password is known. */
  async #renewHash(user: User, password: string): Promise<void> {
    const { passwordHash } = user;
    if (passwordHash === null || !this.#passwords.isOutdated(passwordHash)) return;
    const hashed = await this.#passwords.hash(password);
    if (hashed.kind === 'overloaded') return;
    await this.accounts.update(user.id, (before) =>
      before.passwordHash === passwordHash ? { ...before, passwordHash: hashed.hash } : before,
    );
  }

  async #answer(user: User, { session, refreshToken, refreshEndsAt }: Opened): Promise<LogIn> {
    const account = await this.accountOf(user);
    const { token, expiresAt } = await this.#options.access.tokens.sign({
      accountId: user.id,
      email: account.email,
      emailConfirmed: account.emailConfirmed,
      roles: user.roles,
      sessionId: session.id,
      secondFactor: session.secondFactor,
    });
    return { kind: 'logged_in', account, accessToken: token, expiresAt, refreshToken, refreshEndsAt };
  }

  #record(
    action: string,
    userId: string,
    origin: Origin,
    details?: Readonly<Record<string, string | number | boolean>>,
  ): Promise<void> {
    const who = `account:${userId}`;
    return this.#options.audit.record({
      // Whoever guesses or replays is most likely not whose account it is.
      actor: BY_ANYBODY.has(action) ? 'anonymous' : who,
      action,
      subject: who,
      ...origin,
      ...(details && { details }),
    });
  }
}

const isActive = (user: UserRecord): boolean => user.disabledAt === undefined && user.deletedAt === undefined;
