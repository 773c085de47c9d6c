/**
 * Mails about tickets (src/mail/ticket-mail.ts sends them). Guarantees of an implementation: a call never rejects and never waits; what is told of a
 * transfer goes to its two sides only, and what opens a reservation to its buyer's address only.
 */
export interface OfferedTicket {
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly category: number;
  /** Who offers, by its address; empty when that account is gone. */
  readonly from: string;
  readonly to: string;
}

/** Of a guest. Its link is made when the mail is written. */
export interface LookedUp {
  readonly reservationId: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly quantity: number;
}

export interface TicketMail {
  /** To the receiver, with how to accept; and to the sender, who must know of it if it was somebody else. */
  offered(offer: OfferedTicket): void;
  /** To the sender. */
  accepted(offer: OfferedTicket): void;
  /** To the receiver: the sender, or a refund, took the offer back. */
  withdrawn(offer: OfferedTicket): void;
  /** To the sender. */
  declined(offer: OfferedTicket): void;
  lookedUp(email: string, found: readonly LookedUp[]): void;
}
