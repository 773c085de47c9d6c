import { describe, expect, it } from '@jest/globals';
import { memoryStorage } from '../../src/api/storage';
import { KeptRequests, type KeptRequestsOptions } from '../../src/operator/kept-requests';
import {
  boughtQuantity,
  found,
  moneyTruths,
  placeOf,
  refundableQuantity,
  searchOf,
  type FoundReservation,
  type OperatorPayment,
} from '../../src/operator/reservations/data';

const ID = 'm12c1-abcdefghijklmnopqrstuvwx23';

const payment: OperatorPayment = {
  id: 'pi_1',
  reservationId: ID,
  status: 'succeeded',
  amountMinor: 30_000,
  currency: 'usd',
  tax: { name: 'VAT', percent: 0, amountMinor: 0 },
  refundedMinor: 0,
  isSettled: true,
  createdAt: '2026-11-26T10:00:00.000Z',
  updatedAt: '2026-11-26T10:00:00.000Z',
};
const reservation = (more: Partial<FoundReservation> = {}): FoundReservation => ({
  id: ID,
  status: 'RESERVED',
  matchNumber: 12,
  category: 1,
  quantity: 4,
  refundedQuantity: 0,
  unitPrice: 75,
  currency: 'usd',
  email: 'fan@example.org',
  createdAt: '2026-11-26T10:00:00.000Z',
  updatedAt: '2026-11-26T10:00:00.000Z',
  expiresAt: '2026-11-26T10:10:00.000Z',
  payment,
  ...more,
});

describe('what is looked for', () => {
  it.each([
    ['fan@example.org', { kind: 'email', value: 'fan@example.org' }],
    ['  fan@example.org ', { kind: 'email', value: 'fan@example.org' }],
    [ID, { kind: 'id', value: ID }],
    [ID.toUpperCase(), { kind: 'id', value: ID }],
    [`${ID}.2`, { kind: 'id', value: ID }],
    ['pi_3OabcDEF', { kind: 'payment', value: 'pi_3OabcDEF' }],
    ['', null],
    ['fan', null],
    ['m12c1-short', null],
    ['a b@example.org', null],
    [`${'a'.repeat(250)}@example.org`, null],
  ])('is told by how it is written: %p', (text, expected) => {
    expect(searchOf(text)).toEqual(expected);
  });

  it('stands in the URL of the page when it is an id, and never when it is an address', () => {
    expect(placeOf({ kind: 'id', value: ID })).toEqual({ to: { hash: ID }, options: { state: null } });
    const place = placeOf({ kind: 'email', value: 'fan@example.org' });
    expect(place.options.state).toEqual({ find: 'fan@example.org' });
    expect(JSON.stringify(place.to)).not.toContain('fan');
  });

  it('is asked for by its kind alone', () => {
    expect(found({ kind: 'payment', value: 'pi_1' }).query).toEqual({ payment: 'pi_1', limit: 20 });
  });
});

describe('tickets of a reservation', () => {
  it('were as many as are left and were given back', () => {
    expect(boughtQuantity(reservation({ quantity: 3, refundedQuantity: 1 }))).toBe(4);
    // The last refund leaves its quantity in the record.
    expect(boughtQuantity(reservation({ status: 'REFUNDED', quantity: 3, refundedQuantity: 4 }))).toBe(4);
  });

  it('can be refunded while they are bought and paid', () => {
    expect(refundableQuantity(reservation())).toBe(4);
    expect(refundableQuantity(reservation({ status: 'REFUNDED' }))).toBe(0);
    const { payment: _, ...unpaid } = reservation();
    expect(refundableQuantity(unpaid)).toBe(0);
  });
});

describe('what is true of the money', () => {
  const kinds = (more: Partial<OperatorPayment>, of: Partial<FoundReservation> = {}): string[] =>
    moneyTruths(reservation({ ...of, payment: { ...payment, ...more } })).map(({ kind }) => kind);

  it('is nothing out of the ordinary, mostly', () => {
    expect(kinds({})).toEqual([]);
    const { payment: _, ...unpaid } = reservation();
    expect(moneyTruths(unpaid)).toEqual([]);
  });

  it('is told worst first', () => {
    expect(kinds({ stuck: 'account closed', dispute: 'open', late: 'refunded' })).toEqual([
      'stuck',
      'dispute_open',
      'late_refunded',
    ]);
    expect(kinds({ isSettled: false })).toEqual(['unsettled']);
    expect(kinds({ isSettled: false, late: 'pending' })).toEqual(['late_pending']);
  });

  it('is owed in proportion to the tickets that were given back', () => {
    const truths = moneyTruths(reservation({ quantity: 3, refundedQuantity: 1 }));
    expect(truths).toEqual([{ kind: 'refund_owed', owedMinor: 7_500 }]);
    expect(kinds({ refundedMinor: 7_500 }, { quantity: 3, refundedQuantity: 1 })).toEqual([]);
  });

  it('is not owed once more after the bank has taken it', () => {
    expect(kinds({ dispute: 'lost' }, { status: 'REFUNDED', refundedQuantity: 4 })).toEqual(['dispute_lost']);
  });

  it('is not owed for what was never sold', () => {
    expect(kinds({ late: 'refunded' }, { status: 'EXPIRED', refundedQuantity: 0 })).toEqual([
      'late_refunded',
    ]);
  });
});

describe('a refund whose answer is missing', () => {
  interface Body {
    readonly note: string;
  }
  const isBody = (value: unknown): value is Body =>
    typeof value === 'object' && value !== null && 'note' in value && typeof value.note === 'string';
  const HOUR_MS = 3_600_000;
  let now = 0;
  let keys = 0;
  const options = (): KeptRequestsOptions => ({
    storage: memoryStorage(),
    newKey: () => `key-${(keys += 1)}`,
    now: () => now,
  });

  it('is sent again as it was, whatever stands in the form by then', () => {
    const requests = new KeptRequests<Body>(options(), isBody);
    const first = requests.begin('pi_1', { note: 'one' });
    expect(requests.begin('pi_1', { note: 'two' })).toEqual(first);
    expect(requests.begin('pi_2', { note: 'two' }).key).not.toBe(first.key);
  });

  it('is still known after a reload', () => {
    const shared = options();
    const first = new KeptRequests<Body>(shared, isBody).begin('pi_1', { note: 'one' });
    expect(new KeptRequests<Body>(shared, isBody).open('pi_1')).toEqual(first);
  });

  it('makes way for another once its outcome is known, or the server has forgotten its key', () => {
    const requests = new KeptRequests<Body>(options(), isBody);
    const first = requests.begin('pi_1', { note: 'one' });
    requests.end('pi_1');
    expect(requests.open('pi_1')).toBeNull();
    const second = requests.begin('pi_1', { note: 'one' });
    expect(second.key).not.toBe(first.key);
    now += 12 * HOUR_MS;
    expect(requests.open('pi_1')).toBeNull();
  });

  it('is nothing that somebody else left in the storage', () => {
    const shared = options();
    shared.storage.set('ticktak.request.pi_1', '{"key":"k","body":{"note":5},"at":99999999999999}');
    shared.storage.set('ticktak.request.pi_2', 'no json');
    const requests = new KeptRequests<Body>(shared, isBody);
    expect([requests.open('pi_1'), requests.open('pi_2')]).toEqual([null, null]);
  });
});
