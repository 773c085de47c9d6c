/**
 * The tickets of a sale as a file for the mail about it. Guarantee: only codes that the buyer holds stand in it; what
 * cannot be made now is asked for again by the mail's next attempt.
 */
import type { Match } from '../catalog/match.js';
import type { Attach } from '../mail/writer.js';
import type { Reservation } from '../rules/index.js';
import type { TicketDesk } from './desk.js';
import { AS_BUYER, pagesOf } from './pages.js';
import { PAGES_MAX, type PdfDesk } from './pdf-desk.js';

export interface AttachTicketsOptions {
  readonly desk: TicketDesk;
  readonly pdf: PdfDesk;
  readonly findReservation: (id: string) => Promise<Reservation | null>;
  readonly match: (matchNumber: number) => Promise<Match | null>;
}

export function attachTickets({
  desk,
  pdf,
  findReservation,
  match: findMatch,
}: AttachTicketsOptions): Attach {
  return async ({ reservationId, matchNumber }, locale) => {
    const [reservation, match] = await Promise.all([findReservation(reservationId), findMatch(matchNumber)]);
    if (!reservation || !match) throw new Error(`the tickets of ${reservationId} cannot be made now`);
    const pages = (await pagesOf(desk, reservation, AS_BUYER, match)).slice(0, PAGES_MAX);
    if (pages.length === 0) return [];
    const making = pdf.document(pages, locale);
    if (!making) throw new Error('too many documents are being made');
    const filename = `ticktak-${reservationId}.pdf`;
    return [{ filename, contentType: 'application/pdf', content: await making }];
  };
}
