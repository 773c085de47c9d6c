/** What the API answers about waiting lists. */

export type EntryStatus = 'waiting' | 'offered' | 'taken' | 'lapsed' | 'left';

/** A hold made for whoever waits; it ends like any other. */
export interface Offer {
  readonly reservationId: string;
  readonly expiresAt: string;
  /** For guests: opens the reservation. */
  readonly token?: string;
}

export interface WaitingEntry {
  readonly id: string;
  /** For guests: opens the entry. */
  readonly token?: string;
  readonly status: EntryStatus;
  readonly matchNumber: number;
  readonly category: number;
  readonly quantity: number;
  /** 1 is the first in line. */
  readonly position: number | null;
  readonly createdAt: string;
  readonly offer?: Offer;
}
