import { describe, expect, it } from '@jest/globals';
import type { Reservation, ReservationStatus } from '../../src/api/types';
import type { PaymentState } from '../../src/checkout/types';
import { pathOf } from '../../src/tickets/qr';
import type { Ticket, TicketStatus } from '../../src/tickets/types';
import {
  grouped,
  groupOf,
  refundAmount,
  refundObstacle,
  refundOfPayment,
  refundTruth,
  ticketView,
} from '../../src/tickets/view';

const NOW = Date.parse('2030-06-10T12:00:00Z');
const DAY_MS = 86_400_000;

const reservation = (status: ReservationStatus, more: Partial<Reservation> = {}): Reservation => ({
  id: `m1c1-${status}`,
  status,
  matchNumber: 1,
  category: 1,
  quantity: 2,
  unitPrice: 75.5,
  currency: 'usd',
  email: 'fan@example.com',
  createdAt: new Date(NOW - 3 * DAY_MS).toISOString(),
  expiresAt: new Date(NOW + 60_000).toISOString(),
  ...more,
});
const ticket = (status: TicketStatus, more: Partial<Ticket> = {}): Ticket => ({
  id: 'm1c1-a.1',
  reservationId: 'm1c1-a',
  matchNumber: 1,
  category: 1,
  number: 1,
  unitPrice: 75,
  currency: 'usd',
  status,
  ...more,
});

describe('groups of reservations', () => {
  it.each([
    ['waiting', reservation('PENDING')],
    ['waiting', reservation('PAYING')],
    ['waiting', reservation('CANCELLED', { reason: 'declined' })],
    ['ended', reservation('CANCELLED', { reason: 'cancelled' })],
    ['ended', reservation('EXPIRED')],
    ['refunded', reservation('REFUNDED')],
    ['upcoming', reservation('RESERVED')],
  ] as const)('puts into %s what belongs there', (group, one) => {
    expect(groupOf(one, NOW + DAY_MS, NOW)).toBe(group);
  });

  it('are over after the match, unless they were bought after it', () => {
    const kickOff = NOW - DAY_MS;
    expect(groupOf(reservation('RESERVED'), kickOff, NOW)).toBe('past');
    expect(groupOf(reservation('RESERVED'), kickOff, kickOff + 3_600_000)).toBe('upcoming');
    const bought = reservation('RESERVED', { createdAt: new Date(NOW).toISOString() });
    expect(groupOf(bought, kickOff, NOW + 3_600_000)).toBe('upcoming');
    expect(groupOf(reservation('RESERVED'), undefined, NOW)).toBe('upcoming');
  });

  it('are in the order of kick-off where they are to come, and newest first elsewhere', () => {
    const first = reservation('RESERVED', { id: 'first', matchNumber: 2 });
    const second = reservation('RESERVED', { id: 'second', matchNumber: 3 });
    const unknown = reservation('RESERVED', { id: 'unknown', matchNumber: 9 });
    const old = reservation('EXPIRED', { id: 'old', createdAt: new Date(NOW - 9 * DAY_MS).toISOString() });
    const young = reservation('EXPIRED', { id: 'young' });
    const kickOffs: Record<number, number> = { 2: NOW + DAY_MS, 3: NOW + 2 * DAY_MS };
    const groups = grouped([old, unknown, second, young, first], (number) => kickOffs[number], NOW);
    expect(groups.upcoming.map(({ id }) => id)).toEqual(['first', 'second', 'unknown']);
    expect(groups.ended.map(({ id }) => id)).toEqual(['young', 'old']);
  });
});

describe('a ticket', () => {
  it('shows its code to its holder only, and can be given away by an account', () => {
    expect(ticketView(ticket('valid', { code: 'c' }), true)).toEqual({
      showsCode: true,
      canDownload: true,
      canTransfer: true,
      canWithdraw: false,
      needsAccount: false,
    });
    expect(ticketView(ticket('valid', { code: 'c' }), false)).toMatchObject({
      canTransfer: false,
      needsAccount: true,
    });
    expect(ticketView(ticket('valid'), true)).toMatchObject({ showsCode: false, canTransfer: false });
  });

  it('admits until an offer is accepted, and the offer can be taken back', () => {
    expect(ticketView(ticket('offered', { code: 'c' }), true)).toMatchObject({
      showsCode: true,
      canTransfer: false,
      canWithdraw: true,
    });
    expect(ticketView(ticket('used', { code: 'c' }), true)).toEqual({
      showsCode: true,
      canDownload: false,
      canTransfer: false,
      canWithdraw: false,
      needsAccount: false,
    });
    expect(ticketView(ticket('transferred', { code: 'c' }), true)).toMatchObject({
      showsCode: false,
      canTransfer: false,
    });
  });
});

describe('a refund', () => {
  const payment = (more: Partial<PaymentState>): PaymentState => ({
    id: 'pi_1',
    status: 'succeeded',
    amountMinor: 15_100,
    currency: 'usd',
    tax: { name: 'VAT', percent: 0, amountMinor: 0 },
    refundedMinor: 0,
    isSettled: true,
    ...more,
  });

  it('is offered for what was bought and is not given to others', () => {
    expect(refundObstacle(reservation('PENDING'), null)).toBe('not_bought');
    expect(refundObstacle(reservation('RESERVED'), null)).toBeNull();
    expect(refundObstacle(reservation('RESERVED'), [ticket('valid'), ticket('void')])).toBeNull();
    expect(refundObstacle(reservation('RESERVED'), [ticket('valid'), ticket('offered')])).toBe('transferred');
    expect(refundObstacle(reservation('RESERVED'), [ticket('used'), ticket('offered')])).toBe('used');
  });

  it('is the price of the tickets, and of no more than there are', () => {
    expect(refundAmount(reservation('RESERVED'), 1)).toBe(75.5);
    expect(refundAmount(reservation('RESERVED'), 9)).toBe(151);
    expect(refundAmount(reservation('RESERVED'), -1)).toBe(0);
  });

  it('is told as sent only when it was', () => {
    expect(refundTruth({ refundedMinor: 7_550, pending: false }, 'usd')).toEqual({
      kind: 'sent',
      amount: 75.5,
    });
    expect(refundTruth({ refundedMinor: 0, pending: true }, 'usd')).toEqual({ kind: 'pending' });
    expect(refundTruth({ refundedMinor: 7_550, pending: true }, 'usd')).toEqual({
      kind: 'partly',
      amount: 75.5,
    });
  });

  it('is told of a payment as it was seen last', () => {
    expect(refundOfPayment(reservation('RESERVED'), payment({}))).toBeNull();
    expect(refundOfPayment(reservation('RESERVED'), payment({ refundedMinor: 7_550 }))?.kind).toBe('sent');
    expect(refundOfPayment(reservation('REFUNDED'), payment({}))?.kind).toBe('pending');
    expect(refundOfPayment(reservation('REFUNDED'), payment({ refundedMinor: 15_100 }))?.kind).toBe('sent');
    expect(refundOfPayment(reservation('REFUNDED'), null)?.kind).toBe('pending');
  });
});

it('draws the dark squares of a code, run by run', () => {
  expect(
    pathOf([
      [true, true, false, true],
      [false, false, false, false],
      [false, true, true, true],
    ]),
  ).toBe('M0 0h2v1h-2zM3 0h1v1h-1zM1 2h3v1h-3z');
});
