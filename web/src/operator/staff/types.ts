/** `GET /api/v1/users`. */
import type { Account } from '../../api/types';

export interface StaffAccount extends Account {
  readonly disabledAt?: string;
  /** Erased but for its id then. */
  readonly deletedAt?: string;
}

export interface Accounts {
  readonly accounts: readonly StaffAccount[];
  readonly next?: string;
}
