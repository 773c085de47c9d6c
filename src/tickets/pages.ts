/** What is printed of a reservation: for who asks here, and for the mail that tells of a purchase. */
import type { Match } from '../catalog/match.js';
import type { Reservation } from '../rules/index.js';
import { placesOf } from './admission.js';
import type { TicketDesk, Viewer } from './desk.js';
import type { TicketPage } from './pdf-desk.js';

/** Whom a reservation was sold to, wherever a mail to its address comes from. */
export const AS_BUYER: Viewer = { principal: null, isBuyer: true, isOperator: false };

/** One page for each ticket that the viewer holds and that still admits, by number. */
export async function pagesOf(
  desk: Pick<TicketDesk, 'ofReservation'>,
  reservation: Reservation,
  viewer: Viewer,
  match: Match,
): Promise<readonly TicketPage[]> {
  const { category, unitPrice, currency } = reservation;
  const facts = { match, category, unitPrice, currency, of: placesOf(reservation) };
  const views = await desk.ofReservation(reservation, viewer);
  return views.flatMap(({ id, code, number, status, holder = '' }) =>
    code === undefined || status === 'used' ? [] : [{ ...facts, id, code, number, holder }],
  );
}
