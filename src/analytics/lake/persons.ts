/**
 * Who somebody is in the lake: a hash that only who has the key can make, so that bookings and views of one person
 * belong together and name nobody. The key comes from TOKEN_SECRET: with another secret all persons are others.
 */
import { createHmac, hkdfSync } from 'node:crypto';
import type { Reservation } from '../../rules/index.js';

const KEY_BYTES = 32;
const PERSON_CHARS = 24;

export class Persons {
  readonly #key: Buffer;

  /** `secret`: TOKEN_SECRET. */
  constructor(secret: string) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, 'ticktak analytics', 'person', KEY_BYTES));
  }

  /** Of an account, or of the id that a browser keeps. */
  ofId(id: string): string {
    return createHmac('sha256', this.#key).update(id).digest('hex').slice(0, PERSON_CHARS);
  }

  ofAddress(email: string): string {
    return this.ofId(email.toLowerCase());
  }

  ofBuyer({ account, email }: Pick<Reservation, 'account' | 'email'>): string {
    return account === undefined ? this.ofAddress(email) : this.ofId(account);
  }
}
