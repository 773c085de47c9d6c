/** What the log alone grants. */
import { describe, expect, it } from '@jest/globals';
import type { LogRecord } from '../exchange/fold.js';
import { readLog } from './log.js';

type Move = readonly [id: string, action: 'PENDING' | 'RESERVED' | 'CANCELLED', quantity: number];

const recordOf = ([id, action, quantity]: Move): LogRecord => ({
  ...{ offset: '0', timestamp: 0, headers: { clientId: 'one', reservationId: id } },
  value: JSON.stringify({
    meta: { action: `TICKET_${action}` },
    body: { matchNumber: 1, tickets: { category: 1, quantity, price: 75 } },
  }),
});

const read = (capacity: number, ...moves: readonly Move[]) => {
  const { sold, ...others } = readLog(moves.map(recordOf), '1:1', capacity);
  return { ...others, sold: Object.fromEntries(sold) };
};

describe('the log of a ticket', () => {
  it('grants what is covered at its place and nothing else', () => {
    expect(
      read(3, ['a', 'PENDING', 2], ['b', 'PENDING', 2], ['c', 'PENDING', 1], ['d', 'PENDING', 1]),
    ).toEqual({
      ...{ granted: 2, voided: 2, outOfTurn: [], sold: {} },
    });
  });

  it('grants again what was given back, and not what a void hold gives back', () => {
    const moves: Move[] = [
      ['a', 'PENDING', 2],
      ['b', 'PENDING', 1],
      ['b', 'CANCELLED', 1],
      ['c', 'PENDING', 1],
      ['a', 'CANCELLED', 2],
      ['d', 'PENDING', 2],
      ['d', 'RESERVED', 2],
      ['e', 'PENDING', 1],
    ];
    expect(read(2, ...moves)).toEqual({ granted: 2, voided: 3, outOfTurn: [], sold: { 'one d': 2 } });
  });

  it('grants again what was refunded', () => {
    const moves: Move[] = [
      ['a', 'PENDING', 2],
      ['a', 'RESERVED', 2],
      ['a', 'CANCELLED', 1],
      ['b', 'PENDING', 1],
    ];
    expect(read(2, ...moves)).toEqual({ granted: 2, voided: 0, outOfTurn: [], sold: { 'one a': 1 } });
  });

  it('names what is sold out of turn', () => {
    const moves: Move[] = [
      ['a', 'PENDING', 2],
      ['b', 'PENDING', 1],
      ['b', 'RESERVED', 1],
      ['c', 'RESERVED', 1],
    ];
    expect(read(2, ...moves)).toMatchObject({ outOfTurn: ['one b', 'one c'] });
  });

  it('leaves other tickets and garbage out', () => {
    const garbage: LogRecord = { offset: '0', timestamp: 0, headers: {}, value: 'garbage' };
    const records = [garbage, ...[['a', 'PENDING', 1] as const].map(recordOf)];
    expect(readLog(records, '2:1', 1)).toMatchObject({ granted: 0, voided: 0 });
  });
});
