/** Tickets numbered from 0, three to a match. */
export const ticketNumber = (ticket: number) => ({
  matchNumber: 1 + Math.floor(ticket / 3),
  category: 1 + (ticket % 3),
});
