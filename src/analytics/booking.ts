/** What the data lake keeps of a booking event. Nothing in it names a person: see `person`. */

export const BOOKING_KINDS = ['held', 'sold', 'released', 'refunded'] as const;
export type BookingKind = (typeof BOOKING_KINDS)[number];

/** One event of one ticket, of ours or of another marketplace. */
export interface Booking {
  /** `<match>:<category>:<incarnation>:<sequence>`: the event's place in its ledger; a row of it is there once. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly kind: BookingKind;
  readonly matchNumber: number;
  readonly category: number;
  /** The clientId of who sold it. */
  readonly marketplace: string;
  readonly isOwn: boolean;
  /** Tickets of the event, positive. */
  readonly quantity: number;
  /** What it changed in the ticket's counters: their sums are the counters. */
  readonly heldDelta: number;
  readonly soldDelta: number;
  /** Per ticket, in minor units. */
  readonly unitPriceMinor: number;
  /** ISO 4217, upper case. */
  readonly currency: string;
  /** Who bought, as a salted hash; null for other marketplaces, and for those who were erased. */
  readonly person: string | null;
  /** ISO 3166-1 alpha-2; null when it is not known, for other marketplaces, and for those who were erased. */
  readonly country: string | null;
}
