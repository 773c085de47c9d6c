import { describe, expect, it } from '@jest/globals';
import { ApiProblem, type ProblemCode } from '../../src/api/problem';
import type { Reservation, ReservationStatus } from '../../src/api/types';
import {
  BEGINNING,
  endingOf,
  LEGAL,
  reduce,
  shownKind,
  type Checkout,
  type CheckoutEvent,
  type CheckoutKind,
  type Shown,
} from '../../src/checkout/machine';
import type { PaymentState } from '../../src/checkout/types';

const NOW = Date.parse('2030-01-01T12:00:00Z');
const HOLD_MS = 600_000;

const reservation = (status: ReservationStatus, more: Partial<Reservation> = {}): Reservation => ({
  id: 'm1c1-a',
  status,
  matchNumber: 1,
  category: 1,
  quantity: 2,
  unitPrice: 75,
  currency: 'usd',
  email: 'fan@example.com',
  createdAt: new Date(NOW).toISOString(),
  expiresAt: new Date(NOW + HOLD_MS).toISOString(),
  ...more,
});

const payment = (more: Partial<PaymentState> = {}): PaymentState => ({
  id: 'pi_1',
  status: 'canceled',
  amountMinor: 15_000,
  currency: 'usd',
  tax: { name: 'VAT', percent: 5, amountMinor: 714 },
  refundedMinor: 0,
  isSettled: true,
  ...more,
});

const read = (status: ReservationStatus, more: Partial<Reservation> = {}, now = NOW): CheckoutEvent => ({
  kind: 'read',
  reservation: reservation(status, more),
  payment: null,
  now,
});
const problem = (code: ProblemCode, members: Record<string, unknown> = {}): ApiProblem =>
  new ApiProblem(code, { status: 400, members });
const refusedPayment = (code: ProblemCode, members?: Record<string, unknown>): CheckoutEvent => ({
  kind: 'pay_refused',
  problem: problem(code, members),
  now: NOW,
});
const ACTION = { clientSecret: 'secret', url: 'https://bank.example/' };

const after = (...events: readonly CheckoutEvent[]): Checkout => events.reduce(reduce, BEGINNING);
const PAY: CheckoutEvent = { kind: 'pay' };
const SENDING = [read('PENDING'), PAY];

/** How each state comes about. */
const WAYS: Readonly<Record<CheckoutKind, readonly CheckoutEvent[]>> = {
  loading: [],
  closed: [{ kind: 'read_failed', problem: problem('forbidden') }],
  away: [{ kind: 'read_failed', problem: problem('connection_lost') }],
  held: [read('PENDING')],
  retry: [read('CANCELLED', { reason: 'declined' })],
  ending: [read('PENDING'), { kind: 'time_up', now: NOW + HOLD_MS }],
  sending: SENDING,
  authenticating: [...SENDING, { kind: 'authenticate', reservation: reservation('PAYING'), action: ACTION }],
  paying: [read('PAYING')],
  cancelling: [read('PENDING'), { kind: 'cancel' }],
  unknown: [...SENDING, refusedPayment('connection_lost')],
  reserved: [read('RESERVED')],
  cancelled: [read('CANCELLED', { reason: 'cancelled' })],
  expired: [read('EXPIRED')],
  refunded: [read('REFUNDED')],
};
const KINDS = Object.keys(LEGAL) as CheckoutKind[];

const EVENTS: readonly CheckoutEvent[] = [
  read('RESERVED'),
  { kind: 'read_failed', problem: problem('overloaded') },
  { kind: 'time_up', now: NOW + HOLD_MS },
  PAY,
  { kind: 'progress', step: 'challenge' },
  { kind: 'paid', reservation: reservation('RESERVED'), now: NOW },
  { kind: 'authenticate', reservation: reservation('PAYING'), action: ACTION },
  refusedPayment('payment_declined', { held: true }),
  { kind: 'cancel' },
  { kind: 'released', reservation: reservation('CANCELLED', { reason: 'cancelled' }), now: NOW },
  { kind: 'cancel_refused', problem: problem('hold_expired'), now: NOW },
];

describe('the table of the checkout', () => {
  it.each(KINDS)('reaches %s', (kind) => {
    expect(after(...WAYS[kind]).kind).toBe(kind);
  });

  it.each(KINDS)('changes nothing in %s by an event that has no meaning there', (kind) => {
    const state = after(...WAYS[kind]);
    for (const event of EVENTS.filter((one) => !LEGAL[kind].includes(one.kind))) {
      expect(reduce(state, event)).toBe(state);
    }
  });

  it.each(KINDS)('leads from every event that has a meaning in %s to a state of the table', (kind) => {
    for (const event of EVENTS.filter((one) => LEGAL[kind].includes(one.kind))) {
      expect(KINDS).toContain(reduce(after(...WAYS[kind]), event).kind);
    }
  });
});

describe('a payment whose answer did not come', () => {
  const unknown = after(...WAYS.unknown);

  it.each(['connection_lost', 'timed_out', 'bad_answer', 'internal_error', 'outcome_unknown'] as const)(
    'is unknown after %s',
    (code) => {
      expect(after(...SENDING, refusedPayment(code)).kind).toBe('unknown');
    },
  );

  it('is unknown when the server says so, and refused when it says that nothing was done', () => {
    expect(after(...SENDING, refusedPayment('overloaded', { outcome: 'unknown' })).kind).toBe('unknown');
    const refused = after(...SENDING, refusedPayment('overloaded', { outcome: 'refused' }));
    expect(refused).toMatchObject({ kind: 'held', refused: { code: 'overloaded' } });
  });

  it.each(['PENDING', 'PAYING'] as const)('stays unknown while the reservation is read as %s', (status) => {
    expect(reduce(unknown, read(status)).kind).toBe('unknown');
  });

  it('is known as soon as the reservation has ended', () => {
    expect(reduce(unknown, read('RESERVED')).kind).toBe('reserved');
    expect(reduce(unknown, read('EXPIRED')).kind).toBe('expired');
  });

  it('is still what the screen says while it is asked for again', () => {
    const again = reduce(unknown, PAY) as Shown;
    expect(again).toMatchObject({ kind: 'sending', isRepeat: true });
    expect(shownKind(again)).toBe('unknown');
    expect(shownKind(after(...SENDING) as Shown)).toBe('sending');
  });

  it('is not cancelled before its outcome is known', () => {
    expect(reduce(unknown, { kind: 'cancel' })).toBe(unknown);
  });
});

describe('a decline', () => {
  it('leaves the tickets held when the server says so', () => {
    const expiresAt = new Date(NOW + 1_000).toISOString();
    const state = after(
      ...SENDING,
      refusedPayment('payment_declined', { held: true, reason: 'incorrect_cvc', expiresAt }),
    );
    expect(state).toMatchObject({
      kind: 'held',
      refused: { code: 'payment_declined', reason: 'incorrect_cvc' },
      reservation: { expiresAt },
    });
  });

  it('lets the buyer take the tickets again until the time the server names', () => {
    const retryUntil = new Date(NOW + 5_000).toISOString();
    const state = after(...SENDING, refusedPayment('payment_declined', { held: false, retryUntil }));
    expect(state).toMatchObject({ kind: 'retry', reservation: { status: 'CANCELLED' } });
    expect(reduce(state, PAY).kind).toBe('sending');
    expect(reduce(state, { kind: 'time_up', now: NOW + 5_000 }).kind).toBe('cancelled');
  });

  it('is the end when there is no other attempt', () => {
    expect(after(...SENDING, refusedPayment('payment_declined', { held: false })).kind).toBe('cancelled');
  });

  it('stays the end when the reservation is read, and so does an attempt that came too late', () => {
    const declined = read('CANCELLED', { reason: 'declined' });
    expect(after(...SENDING, refusedPayment('payment_declined', { held: false }), declined).kind).toBe(
      'cancelled',
    );
    expect(after(declined, PAY, refusedPayment('hold_expired', { refunded: false }), declined).kind).toBe(
      'cancelled',
    );
  });

  it('offers the tickets again after a reload, while there is time', () => {
    expect(after(read('CANCELLED', { reason: 'declined' })).kind).toBe('retry');
    expect(after(read('CANCELLED', { reason: 'declined' }, NOW + HOLD_MS)).kind).toBe('cancelled');
  });

  it('is offered to who gave them back when the decline was quicker, and not after a cancellation', () => {
    const told = (reason: 'cancelled' | 'declined'): CheckoutKind =>
      after(
        read('PAYING'),
        { kind: 'cancel' },
        {
          kind: 'released',
          reservation: reservation('CANCELLED', { reason }),
          now: NOW,
        },
      ).kind;
    expect([told('declined'), told('cancelled')]).toEqual(['retry', 'cancelled']);
  });

  it('keeps the offer while others hold the tickets', () => {
    const state = after(
      read('CANCELLED', { reason: 'declined' }),
      PAY,
      refusedPayment('temporarily_unavailable'),
    );
    expect(state).toMatchObject({ kind: 'retry', refused: { code: 'temporarily_unavailable' } });
  });
});

describe('the end of a hold', () => {
  it('is not told before the server tells it', () => {
    const state = after(...WAYS.ending);
    expect(reduce(state, read('PENDING', {}, NOW + HOLD_MS)).kind).toBe('ending');
    expect(reduce(state, read('EXPIRED', {}, NOW + HOLD_MS)).kind).toBe('expired');
  });

  it('is no end when our clock was ahead', () => {
    expect(reduce(after(...WAYS.ending), read('PENDING')).kind).toBe('held');
  });

  it('keeps what was refused, also over later reads', () => {
    const state = after(...SENDING, refusedPayment('hold_expired', { refunded: true }));
    expect(reduce(state, read('EXPIRED'))).toMatchObject({ kind: 'expired', refused: { refunded: true } });
  });
});

describe('cancelling', () => {
  it('ends in the tickets when the payment was quicker', () => {
    const refused: CheckoutEvent = {
      kind: 'cancel_refused',
      problem: problem('invalid_state', { reservationStatus: 'RESERVED' }),
      now: NOW,
    };
    expect(after(...WAYS.cancelling, refused)).toMatchObject({
      kind: 'reserved',
      refused: { during: 'cancel' },
    });
  });

  it('is unknown while no answer came, and can be asked again', () => {
    const lost: CheckoutEvent = { kind: 'cancel_refused', problem: problem('timed_out'), now: NOW };
    const state = after(...WAYS.cancelling, lost);
    expect(state).toMatchObject({ kind: 'unknown', asked: 'cancel' });
    expect(reduce(state, { kind: 'cancel' }).kind).toBe('cancelling');
    expect(reduce(state, PAY)).toBe(state);
  });
});

describe('authentication', () => {
  const state = after(...WAYS.authenticating);

  it('goes on while the reservation is being paid, and ends with it', () => {
    expect(reduce(state, read('PAYING'))).toMatchObject({ kind: 'authenticating', action: ACTION });
    expect(reduce(state, read('EXPIRED')).kind).toBe('expired');
    expect(reduce(state, PAY).kind).toBe('sending');
  });
});

describe('what is said of the money', () => {
  const ended = (more: Partial<Shown>): Shown => {
    const state = after(...WAYS.expired);
    return { ...(state as Shown), ...more } as Shown;
  };

  it.each([
    ['not_charged', {}],
    ['not_charged', { payment: payment() }],
    ['open', { isPaymentKnown: false }],
    ['open', { payment: payment({ status: 'requires_action', isSettled: false }) }],
    ['late', { payment: payment({ status: 'succeeded', isSettled: false }) }],
    ['late', { payment: payment({ late: 'pending', isSettled: false }) }],
    ['late_refunded', { payment: payment({ late: 'refunded' }) }],
    ['charged_back', { refused: { during: 'pay', code: 'hold_expired', refunded: true } }],
    [
      'not_charged',
      { isPaymentKnown: false, refused: { during: 'pay', code: 'hold_expired', refunded: false } },
    ],
  ] as const)('is %s', (ending, more) => {
    expect(endingOf(ended(more))).toBe(ending);
  });

  it('is not changed by a look that failed', () => {
    const state = after(...WAYS.reserved, { kind: 'read_failed', problem: problem('forbidden') });
    expect(state).toMatchObject({ kind: 'reserved', isStale: true });
  });

  it('keeps the payment that was read before when it cannot be read now', () => {
    const known = reduce(BEGINNING, {
      kind: 'read',
      reservation: reservation('RESERVED'),
      payment: payment(),
      now: NOW,
    });
    const unread = reduce(known, {
      kind: 'read',
      reservation: reservation('RESERVED'),
      payment: 'unknown',
      now: NOW,
    });
    expect(unread).toMatchObject({ payment: payment(), isPaymentKnown: false });
  });
});
