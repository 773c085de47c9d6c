/**
 * What operators do with accounts, and who may act as one.
 *
 * Guarantees: there is always an operator once there was one; of processes that start at once one makes the first;
 * every change is in the audit before it is made, and ends the log-ins of the account it is about.
 */
import { randomBytes, randomInt } from 'node:crypto';
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import { Problem } from '../http/problem.js';
import type { Audit } from '../security/port.js';
import type { AccountRole, Principal } from './principal.js';
import { locksOf, without, type User, type UserRecord } from './records.js';
import type { Account, Origin, Refusal, Users } from './users.js';

export interface OperatorsOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly users: Users;
}

export interface AccountChange {
  readonly operator?: boolean | undefined;
  readonly steward?: boolean | undefined;
  readonly disabled?: boolean | undefined;
  /** For somebody who lost both device and recovery codes, and proved who they are some other way. */
  readonly resetSecondFactor?: boolean | undefined;
}

/** A change of operators is over by then, or its process is gone. */
const LOCK_MS = 30_000;
const LOCK_WAIT_MS = 10_000;
const LOCK_POLL_MS = 50;
const LOCK_ID = 'lock-operators';
const PAGE_MAX = 100;
const PAGES_MAX = 10;
const PASSWORD_CHARS = 24;

/** Why a request is not one of an operator; null when it is. */
export function requireOperator(
  principal: Principal | null,
  options: { readonly secondFactor: 'optional' | 'required' },
): Problem | null {
  if (!principal) return notLoggedIn();
  if (!principal.roles.includes('operator'))
    return new Problem('forbidden', { detail: 'Only operators may do this.' });
  if (options.secondFactor === 'required' && !principal.secondFactor) {
    return new Problem('second_factor_required', {
      detail: 'Operators need a second factor: set one up at /api/v1/users/me/second-factor.',
    });
  }
  return null;
}

/** The same for who checks people in: a steward, who needs no second factor, or an operator who may act as one. */
export function requireSteward(
  principal: Principal | null,
  options: { readonly secondFactor: 'optional' | 'required' },
): Problem | null {
  if (!principal) return notLoggedIn();
  if (principal.roles.includes('steward')) return null;
  if (principal.roles.includes('operator')) return requireOperator(principal, options);
  return new Problem('forbidden', { detail: 'Only stewards and operators may do this.' });
}

export const notLoggedIn = (): Problem =>
  new Problem('unauthorized', {
    detail: 'Send the access token of a log-in that stands: Authorization: Bearer <token>.',
    headers: { 'WWW-Authenticate': 'Bearer' },
  });

export class Operators {
  readonly #options: OperatorsOptions;
  readonly #locks: ReturnType<typeof locksOf>;

  constructor(options: OperatorsOptions) {
    this.#options = options;
    this.#locks = locksOf(options.documents);
  }

  /** Oldest accounts first. */
  async list(page: { readonly limit: number; readonly after?: string }): Promise<Page<Account>> {
    const { users } = this.#options;
    const { items, ...rest } = await users.accounts.list(page);
    return { ...rest, items: await Promise.all(items.map((user) => users.accountOf(user))) };
  }

  async change(
    operator: Principal,
    userId: string,
    change: AccountChange,
    origin: Origin,
  ): Promise<{ readonly kind: 'changed'; readonly account: Account } | Refusal> {
    const { users, clock } = this.#options;
    const result = await this.#alone(async () => {
      const user = await users.accounts.get(userId);
      if (!user || user.deletedAt !== undefined) return { kind: 'not_found' } as const;
      const endsOperator = change.operator === false || change.disabled === true;
      if (endsOperator && isOperator(user) && !(await this.#isAnother(userId)))
        return { kind: 'last_operator' } as const;
      await this.#record(operator, userId, change, origin);
      const changed = await users.endLogIns(userId, (before) => changedBy(change, before, clock.now()));
      return changed ?? ({ kind: 'not_found' } as const);
    });
    if (result === 'busy') return { kind: 'overloaded' };
    if ('kind' in result) return result;
    return { kind: 'changed', account: await users.accountOf(result) };
  }

  /**
   * Makes the first operator and answers its password, this once; null when there is one already. Throws when
   * the address has an account that is none, or other processes do not let go.
   */
  async ensureFirst({
    email,
  }: {
    readonly email: string;
  }): Promise<{ email: string; password: string } | null> {
    if (await this.#isAnother(null)) return null;
    const made = await this.#alone(async () => {
      if (await this.#isAnother(null)) return null;
      const password = randomPassword();
      const { users, audit } = this.#options;
      await audit.record({ actor: 'system', action: 'user.first_operator', subject: 'account:first' });
      const result = await users.register({ email, password, name: 'Operator' }, ['buyer', 'operator']);
      if (result.kind === 'registered') return { email, password };
      throw new Error(
        `The first operator cannot be made with this address (${result.kind}): it has an account, or a start that failed wanted it a moment ago. Name another address, or start again in two minutes.`,
      );
    });
    if (made === 'busy')
      throw new Error('Another process is making the first operator; start again in a minute.');
    return made;
  }

  /** Whether there is an operator who can log in, besides one. */
  async #isAnother(userId: string | null): Promise<boolean> {
    let after: string | undefined;
    for (let page = 0; page < PAGES_MAX; page += 1) {
      const from = after === undefined ? {} : { after };
      const { items, next } = await this.#options.users.accounts.operators({ limit: PAGE_MAX, ...from });
      if (items.some((user) => user.id !== userId && isOperator(user))) return true;
      if (next === undefined) return false;
      after = next;
    }
    return false;
  }

  /** Runs `work` while no other process changes operators; `busy` when one does for too long. */
  async #alone<T>(work: () => Promise<T>): Promise<T | 'busy'> {
    const { clock } = this.#options;
    const owner = randomBytes(16).toString('hex');
    const tries = LOCK_WAIT_MS / LOCK_POLL_MS;
    for (let attempt = 0; attempt < tries; attempt += 1) {
      if (await this.#locks.insert(LOCK_ID, { owner, endsAt: clock.now() + LOCK_MS })) {
        try {
          return await work();
        } finally {
          const held = await this.#locks.get(LOCK_ID);
          if (held?.value.owner === owner) await this.#locks.remove(LOCK_ID, held.version);
        }
      }
      await new Promise<void>((resolve) => clock.schedule(LOCK_POLL_MS, resolve));
    }
    return 'busy';
  }

  #record(operator: Principal, userId: string, change: AccountChange, origin: Origin): Promise<void> {
    const details = Object.fromEntries(
      Object.entries(change).filter((entry): entry is [string, boolean] => typeof entry[1] === 'boolean'),
    );
    return this.#options.audit.record({
      actor: `account:${operator.accountId}`,
      action: 'user.changed',
      subject: `account:${userId}`,
      ...origin,
      details,
    });
  }
}

const isOperator = (user: User): boolean =>
  user.roles.includes('operator') && user.disabledAt === undefined && user.deletedAt === undefined;

function changedBy(change: AccountChange, before: UserRecord, now: number): UserRecord {
  const { disabled, resetSecondFactor } = change;
  const roles = GIVEN_ROLES.reduce((all, role) => withRole(all, role, change[role]), before.roles);
  const kept = without(
    before,
    ...(disabled === false ? (['disabledAt'] as const) : []),
    ...(resetSecondFactor === true ? (['secondFactor', 'pendingFactor'] as const) : []),
  );
  // The type of what is left depends on values; all that can be gone is optional.
  return {
    ...(kept as UserRecord),
    roles,
    ...(disabled === true && { disabledAt: before.disabledAt ?? now }),
  };
}

/** Roles that operators give and take. */
const GIVEN_ROLES = ['operator', 'steward'] as const satisfies readonly AccountRole[];

/** `isGiven` undefined: as it is. */
function withRole(
  roles: UserRecord['roles'],
  role: AccountRole,
  isGiven: boolean | undefined,
): UserRecord['roles'] {
  if (isGiven === undefined || isGiven === roles.includes(role)) return roles;
  return isGiven ? [...roles, role] : roles.filter((one) => one !== role);
}

/** Without characters that are taken for each other: it is read off a screen once. */
const READABLE = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789';

function randomPassword(): string {
  return Array.from({ length: PASSWORD_CHARS }, () => READABLE.charAt(randomInt(READABLE.length))).join('');
}
