/** What the API answers about tickets: one per admission. */

export type TicketStatus = 'valid' | 'offered' | 'refunding' | 'used' | 'transferred' | 'void';

export interface Ticket {
  /** `<reservation>.<number>` */
  readonly id: string;
  readonly reservationId: string;
  readonly matchNumber: number;
  readonly category: number;
  /** 1 to the reservation's quantity. */
  readonly number: number;
  readonly unitPrice: number;
  readonly currency: string;
  readonly status: TicketStatus;
  readonly holder?: string;
  readonly offeredTo?: string;
  /** When somebody was let in with it. */
  readonly usedAt?: string;
  /** Signed, for the gate; only for the holder of a ticket that is not void. */
  readonly code?: string;
}

export interface MyTickets {
  /** Received from others. */
  readonly tickets: readonly Ticket[];
  /** Waiting for an answer of mine. */
  readonly offers: readonly Ticket[];
}

export interface Refunded {
  readonly refundedMinor: number;
  /** The money is not on its way yet; it will be sent. */
  readonly pending: boolean;
}
