/**
 * Accounts and the addresses they have.
 *
 * Guarantees: an address has at most one account, whoever registers it at the same time and wherever a process
 * dies in between; an address is confirmed for an account only by a mail that was sent for that account.
 */
import type { Clock } from '../actors/ports.js';
import type { Documents, ListRequest } from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import type { Locale } from '../mail/locale.js';
import {
  addressesOf,
  addressId,
  MAIL_WINDOW_MS,
  newUserId,
  usersOf,
  without,
  type AddressRecord,
  type User,
  type UserRecord,
} from './records.js';

/** A claim of an address without its account is given up after this: longer than any write takes. */
export const CLAIM_MS = 120_000;
const CHANGES_MAX = 20;

export interface NewAccount {
  readonly email: string;
  readonly name: string;
  readonly passwordHash: string;
  readonly roles: UserRecord['roles'];
  readonly locale?: Locale;
}

export interface AccountsOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  /** What else is to know that an account is about to be erased. When it fails nothing is erased, and one asks again. */
  readonly onErase?: (account: { readonly id: string; readonly email: string | null }) => Promise<void>;
}

/** Accounts that were erased; their addresses are forgotten. */
export async function* accountsErased(
  documents: Documents,
): AsyncGenerator<{ readonly id: string; readonly email: null }> {
  for await (const { id, value } of usersOf(documents).all('all')) {
    if (value.deletedAt !== undefined) yield { id, email: null };
  }
}

export class Accounts {
  readonly #users: ReturnType<typeof usersOf>;
  readonly #addresses: ReturnType<typeof addressesOf>;
  readonly #clock: Clock;
  readonly #onErase: NonNullable<AccountsOptions['onErase']>;

  constructor({ documents, clock, onErase }: AccountsOptions) {
    this.#users = usersOf(documents);
    this.#addresses = addressesOf(documents);
    this.#clock = clock;
    this.#onErase = onErase ?? (() => Promise.resolve());
  }

  async get(id: string): Promise<User | null> {
    const found = await this.#users.get(id);
    return found && { ...found.value, id: found.id };
  }

  /** Null when nobody has the address. Reads as much either way. */
  async byEmail(email: string): Promise<User | null> {
    const address = await this.#addresses.get(addressId(email));
    const user = await this.get(address?.value.userId ?? 'nobody');
    return user?.email === email ? user : null;
  }

  /** Whether the address has an account, or one is being made. */
  async isTaken(email: string): Promise<boolean> {
    const address = await this.#addresses.get(addressId(email));
    return address !== null && (await this.#isHeld(address.value));
  }

  /** Null when the address is taken. */
  async create({ email, ...facts }: NewAccount): Promise<User | null> {
    const id = newUserId();
    if (!(await this.#claim(email, id))) return null;
    const user: UserRecord = { ...facts, email, createdAt: this.#clock.now(), authVersion: 1 };
    if (!(await this.#users.insert(id, user))) throw new Error('a random account id was taken');
    // Somebody may have taken the claim over while this process slept.
    const address = await this.#addresses.get(addressId(email));
    if (address?.value.userId === id) return { ...user, id };
    await this.#users.remove(id);
    return null;
  }

  /** Null when there is none. `change` answers the same object to leave it. */
  async update(id: string, change: (user: UserRecord) => UserRecord): Promise<User | null> {
    const found = await this.#users.update(id, change);
    return found && { ...found.value, id };
  }

  /** Erases whose account it was; its id stays, because reservations and the audit name it. */
  async seal(id: string): Promise<void> {
    const user = await this.get(id);
    if (!user) return;
    // First, because afterwards nobody knows the address.
    await this.#onErase(user);
    await this.#users.update(id, ({ createdAt, authVersion }) => ({
      email: null,
      name: '',
      passwordHash: null,
      roles: [],
      createdAt,
      authVersion: authVersion + 1,
      deletedAt: this.#clock.now(),
    }));
    if (user.email !== null) await this.#release(user.email, id);
  }

  list(request: ListRequest): Promise<Page<User>> {
    return this.#page(this.#users.list('all', request));
  }

  operators(request: Omit<ListRequest, 'prefix'>): Promise<Page<User>> {
    return this.#page(this.#users.list('role', { ...request, prefix: 'operator/' }));
  }

  async isConfirmed(user: User): Promise<boolean> {
    if (user.email === null) return false;
    const address = await this.#addresses.get(addressId(user.email));
    return address?.value.userId === user.id && address.value.confirmedFor === user.id;
  }

  /** Whether anybody has proved to read this address. */
  async isEmailConfirmed(email: string): Promise<boolean> {
    const address = await this.#addresses.get(addressId(email));
    return address?.value.confirmedAt !== undefined;
  }

  /** Records that a mail to the address was read; `userId`: on behalf of this account. */
  async confirm(email: string, userId: string | null): Promise<void> {
    const now = this.#clock.now();
    const isDone = await this.#changeAddress(email, (address) => {
      const isOwner = userId !== null && address.userId === userId;
      return {
        ...address,
        confirmedAt: address.confirmedAt ?? now,
        ...(isOwner && { confirmedFor: userId }),
      };
    });
    if (!isDone) throw new Error('an address was changed by others again and again');
  }

  /**
   * Counts a mail to the address; false, and not counted, when it had its share within the last hour. Mails that
   * reset a password have a share of their own, which nobody uses up by asking for others.
   */
  async mayMail(email: string, kind: 'reset' | 'other', mailsPerHourMax: number): Promise<boolean> {
    const now = this.#clock.now();
    let may = false;
    const isDone = await this.#changeAddress(email, (address) => {
      const list = kind === 'reset' ? 'resets' : 'mails';
      const recent = address[list].filter((at) => at > now - MAIL_WINDOW_MS);
      may = recent.length < mailsPerHourMax;
      return may ? { ...address, [list]: [...recent, now] } : address;
    });
    return isDone && may;
  }

  async #page(listed: ReturnType<ReturnType<typeof usersOf>['list']>): Promise<Page<User>> {
    const page = await listed;
    return { ...page, items: page.items.map(({ id, value }) => ({ ...value, id })) };
  }

  /** True when the address is `userId`'s now. */
  async #claim(email: string, userId: string): Promise<boolean> {
    let isClaimed = false;
    const isDone = await this.#changeAddress(email, async (address) => {
      isClaimed = !(await this.#isHeld(address));
      if (!isClaimed) return address;
      return { ...without(address, 'confirmedFor'), userId, claimedAt: this.#clock.now() };
    });
    return isDone && isClaimed;
  }

  /** A claim is void when its account was not made in time, or has given the address up. */
  async #isHeld({ userId, claimedAt }: AddressRecord): Promise<boolean> {
    if (userId === null) return false;
    const user = await this.get(userId);
    return user ? user.email !== null : claimedAt + CLAIM_MS > this.#clock.now();
  }

  /** What was confirmed goes with the account; that mails were sent stays, so that none are sent in a loop. */
  async #release(email: string, userId: string): Promise<void> {
    await this.#changeAddress(email, (address) =>
      address.userId === userId
        ? { ...without(address, 'confirmedAt', 'confirmedFor'), userId: null }
        : address,
    );
  }

  /** False, and nothing changed, when others change it again and again. */
  async #changeAddress(
    email: string,
    change: (address: AddressRecord) => AddressRecord | Promise<AddressRecord>,
  ): Promise<boolean> {
    const id = addressId(email);
    for (let attempt = 0; attempt < CHANGES_MAX; attempt += 1) {
      const found = await this.#addresses.get(id);
      const before = found?.value ?? { userId: null, claimedAt: 0, mails: [], resets: [] };
      const after = await change(before);
      if (after === before) return true;
      const isDone = found
        ? await this.#addresses.replace(id, after, found.version)
        : await this.#addresses.insert(id, after);
      if (isDone) return true;
    }
    return false;
  }
}
