/**
 * Mails about tickets that are passed on, and about reservations that are looked up, by the outbox. Guarantees: a
 * call never rejects and never waits; once queued a mail is kept like every other; no token of a reservation is
 * stored, links are made when the mail is written.
 */
import { randomUUID } from 'node:crypto';
import type { Logger } from '../process/log.js';
import { LISTED_MAX, type NewMail } from './kinds.js';
import type { Locale } from './locale.js';
import type { MailRecords } from './records.js';

export interface PassedTicket {
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly category: number;
  /** Who offers, by its address; empty when that account is gone. */
  readonly from: string;
  readonly to: string;
}

export interface ListedReservation {
  readonly reservationId: string;
  readonly matchNumber: number;
  readonly category: number;
  /** Tickets it covers; absent where the list does not say. */
  readonly quantity?: number;
}

export class QueuedTicketMail {
  readonly #mails: Pick<MailRecords, 'add'>;
  readonly #logger: Logger;

  constructor({ mails, logger }: { readonly mails: Pick<MailRecords, 'add'>; readonly logger: Logger }) {
    this.#mails = mails;
    this.#logger = logger;
  }

  offered({ from, to, ...ticket }: PassedTicket): void {
    this.#add({
      kind: 'ticket-offered',
      ...idFor('ticket-offered', ticket),
      to,
      data: { ...facts(ticket), from },
    });
    this.#add({
      kind: 'ticket-given',
      ...idFor('ticket-given', ticket),
      to: from,
      data: { ...facts(ticket), to },
    });
  }

  accepted({ from, to, ...ticket }: PassedTicket): void {
    const id = idFor('ticket-accepted', ticket);
    this.#add({ kind: 'ticket-accepted', ...id, to: from, data: { ...facts(ticket), by: to } });
  }

  withdrawn({ from, to, ...ticket }: PassedTicket): void {
    const id = idFor('ticket-withdrawn', ticket);
    this.#add({ kind: 'ticket-withdrawn', ...id, to, data: { ...facts(ticket), from } });
  }

  declined({ from, to, ...ticket }: PassedTicket): void {
    const id = idFor('ticket-declined', ticket);
    this.#add({ kind: 'ticket-declined', ...id, to: from, data: { ...facts(ticket), by: to } });
  }

  /** Nothing is mailed to an address without reservations. The newest should be first: a mail lists so many. */
  lookedUp(email: string, found: readonly ListedReservation[], locale?: Locale): void {
    if (found.length === 0) return;
    const reservations = found
      .slice(0, LISTED_MAX)
      .map(({ reservationId, matchNumber, category, quantity }) => ({
        ...{ reservationId, matchNumber, category },
        ...(quantity !== undefined && { quantity }),
      }));
    this.#add({ kind: 'lookup', id: `lookup:${randomUUID()}`, to: email, data: { reservations } }, locale);
  }

  #add(mail: NewMail, locale?: Locale): void {
    if (mail.to === '') return;
    this.#mails.add(mail, locale).catch((error: unknown) => {
      this.#logger.error(
        { error: String(error), kind: mail.kind },
        'a mail could not be queued; it is not sent',
      );
    });
  }
}

type TicketFacts = Pick<PassedTicket, 'ticketId' | 'matchNumber' | 'category'>;

/** The same ticket may be offered again and again: each call is a fact of its own. */
const idFor = (kind: string, { ticketId }: TicketFacts): { readonly id: string } => ({
  id: `${kind}:${ticketId}:${randomUUID()}`,
});

const facts = ({ ticketId, matchNumber, category }: TicketFacts): TicketFacts => ({
  ticketId,
  matchNumber,
  category,
});
