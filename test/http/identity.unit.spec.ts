import { describe, expect, it } from '@jest/globals';
import {
  bearerToken,
  guestToken,
  reservationId,
  sameSecret,
  ticketOfReservation,
  verifyToken,
} from '../../src/http/identity.js';

const TICKET = { matchNumber: 64, category: 3 };

describe('reservation ids', () => {
  it('name their ticket and follow from the command id', () => {
    const id = reservationId(TICKET, 'command');
    expect(id).toMatch(/^m64c3-[a-z2-7]{26}$/);
    expect(reservationId(TICKET, 'command')).toBe(id);
    expect(reservationId(TICKET, 'other')).not.toBe(id);
    expect(reservationId({ ...TICKET, category: 2 }, 'command').slice(6)).not.toBe(id.slice(6));
    expect(ticketOfReservation(id)).toEqual(TICKET);
  });

  it('do not collide', () => {
    const ids = Array.from({ length: 10_000 }, (_, index) => reservationId(TICKET, String(index)));
    expect(new Set(ids).size).toBe(10_000);
  });

  const rest = 'a'.repeat(26);
  it.each([
    '',
    rest,
    `m1c1-${rest}a`,
    `m1c1-${'A'.repeat(26)}`,
    `m01c1-${rest}`,
    `m0c1-${rest}`,
    `m1c0-${rest}`,
    `m10000c1-${rest}`,
    ` m1c1-${rest}`,
    `m1c1-${rest}\n`,
  ])('%j can be none', (id) => {
    expect(ticketOfReservation(id)).toBeNull();
  });
});

describe('tokens', () => {
  const id = reservationId(TICKET, 'command');
  const token = guestToken('secret', id);

  it('open their reservation only', () => {
    expect(verifyToken('secret', token)).toBe(id);
    expect(verifyToken('other', token)).toBeNull();
    const other = reservationId(TICKET, 'other');
    expect(verifyToken('secret', token.replace(id, other))).toBeNull();
    for (const wrong of ['', '.', id, `${id}.`, `${token}=`, token.slice(0, -1), 'x'.repeat(10_000)]) {
      expect(verifyToken('secret', wrong)).toBeNull();
    }
  });

  it('are read from Bearer headers', () => {
    expect(bearerToken('Bearer abc')).toBe('abc');
    expect(bearerToken('bearer  abc ')).toBe('abc');
    for (const none of [undefined, '', 'Bearer', 'Basic abc', 'Bearer a b'])
      expect(bearerToken(none)).toBeNull();
  });

  it('are compared whatever their length', () => {
    expect(sameSecret('a', 'a')).toBe(true);
    expect(sameSecret('a', 'ab')).toBe(false);
  });
});
