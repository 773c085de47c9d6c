/** Data for every kind of mail, with what an attacker could put where buyers write. */
import type { Match } from '../../src/catalog/match.js';
import type { MailData, MailKind } from '../../src/mail/kinds.js';
import type { Locale } from '../../src/mail/locale.js';
import type { Context } from '../../src/mail/templates/index.js';
import { urlsOf } from '../../src/mail/urls.js';

export const SCRIPT = `<script>alert("x")</script> & 'co'`;

const reservation = {
  reservationId: 'm1c1-abcdefghijklmnopqrstuvwxyz',
  matchNumber: 1,
  category: 1,
  quantity: 2,
  unitPrice: 75,
  currency: 'USD',
  paymentId: 'pi_1',
};
const ticket = { ticketId: `${reservation.reservationId}.1`, matchNumber: 1, category: 1 };

export const SAMPLES: MailData = {
  purchase: reservation,
  expired: reservation,
  cancelled: reservation,
  refund: { ...reservation, given: 1, left: 1 },
  'waiting-list-offer': { ...reservation, expiresAt: Date.UTC(2022, 10, 1, 12) },
  'late-payment-reserved': reservation,
  'late-payment-refunded': reservation,
  'match-cancelled': { ...reservation, charged: true },
  'match-cancelled-holder': ticket,
  'match-rescheduled': {
    ...reservation,
    formerDateUtc: '2022-11-19T16:00:00Z',
    formerLocation: 'Lusail Stadium',
  },
  'match-rescheduled-holder': {
    ...ticket,
    formerDateUtc: '2022-11-19T16:00:00Z',
    formerLocation: 'Lusail Stadium',
  },
  'ticket-offered': { ...ticket, from: SCRIPT },
  'ticket-given': { ...ticket, to: SCRIPT },
  'ticket-accepted': { ...ticket, by: SCRIPT },
  'ticket-declined': { ...ticket, by: SCRIPT },
  'ticket-withdrawn': { ...ticket, from: SCRIPT },
  lookup: {
    reservations: [
      { reservationId: reservation.reservationId, matchNumber: 1, category: 1, quantity: 2 },
      { reservationId: 'm2c3-abcdefghijklmnopqrstuvwxyz', matchNumber: 2, category: 3, quantity: 1 },
    ],
  },
  'confirm-email': { link: 'https://ticktak.example/confirm-email#token=abc' },
  'reset-password': { link: 'https://ticktak.example/reset-password#token=abc' },
  notice: { change: 'password_changed' },
};
export const KINDS = Object.keys(SAMPLES) as MailKind[];

export const MATCH: Match = {
  matchNumber: 1,
  roundNumber: 1,
  dateUtc: '2022-11-20T16:00:00Z',
  location: 'Al Bayt Stadium',
  homeTeam: 'Qatar',
  awayTeam: 'Ecuador',
  group: 'A',
};

export function contextIn(locale: Locale, more: Partial<Context> = {}): Omit<Context, 'formats'> {
  return {
    match: MATCH,
    amountMinor: 15_000,
    message: null,
    refundUntil: null,
    tax: { name: 'VAT', percent: 15, amountMinor: 1_957 },
    hasTickets: false,
    isDisputed: false,
    hadPayment: true,
    urlOf: urlsOf({ publicUrl: 'https://ticktak.example', tokenOf: (id) => `${id}.proof` }, locale),
    ...more,
  };
}
