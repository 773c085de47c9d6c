/** Where a reservation is read from: Redis, the archive, or not at all. */
import { describe, expect, it } from '@jest/globals';
import type { LedgerPosition } from '../../src/archive/port.js';
import { TicketReservationReader } from '../../src/redis/reads.js';
import { NotArchivedError } from '../../src/redis/stored-ticket.js';
import { WaitsToBeRebuiltError } from '../../src/redis/ticket-store.js';
import type { Reservation } from '../../src/rules/index.js';

const ticket = { matchNumber: 7, category: 1 };
const atOnce = {
  schedule: (_delayMs: number, task: () => void) => {
    setImmediate(task);
    return () => undefined;
  },
};
const reservation = (status: Reservation['status']): Reservation => ({
  ...ticket,
  id: 'r-1',
  status,
  quantity: 2,
  refundedQuantity: 0,
  unitPrice: 75,
  currency: 'USD',
  email: 'ann@example.org',
  person: 'ann',
  createdAt: 1,
  updatedAt: 1,
  expiresAt: 2,
});

function readerOf(
  inRedis: Reservation | null | 'unknown_ticket',
  archived: { readonly reservation?: Reservation; readonly head?: LedgerPosition } = {},
) {
  return new TicketReservationReader(
    { findReservation: () => Promise.resolve(inRedis) },
    {
      reservation: () => Promise.resolve(archived.reservation ?? null),
      head: () => Promise.resolve(archived.head ?? null),
    },
    (id) => (id === 'no reservation' ? null : ticket),
    atOnce,
  );
}

describe('a reservation', () => {
  const head = { incarnation: 1, sequence: 3 };

  it('is read from Redis, which is ahead of the archive', async () => {
    const reader = readerOf(reservation('RESERVED'), { reservation: reservation('PAYING'), head });
    expect(await reader.find('r-1')).toMatchObject({ status: 'RESERVED' });
  });

  it('is read from the archive when it has left Redis', async () => {
    const reader = readerOf(null, { reservation: reservation('EXPIRED'), head });
    expect(await reader.find('r-1')).toMatchObject({ status: 'EXPIRED' });
  });

  it('is not told while its ticket is lost: its owner may still archive what came after', async () => {
    const reader = readerOf('unknown_ticket', { reservation: reservation('RESERVED'), head });
    await expect(reader.find('r-1')).rejects.toThrow(WaitsToBeRebuiltError);
    // Nor that there is none: it may be among what is on its way.
    await expect(readerOf('unknown_ticket', { head }).find('r-1')).rejects.toThrow(WaitsToBeRebuiltError);
  });

  it('waits for a refund that is on its way to the archive, but not for ever', async () => {
    let looks = 0;
    const readerAfter = (archivedAt: number) =>
      new TicketReservationReader(
        {
          findReservation: () => {
            looks += 1;
            return looks < archivedAt
              ? Promise.reject(new NotArchivedError('r-1'))
              : Promise.resolve(reservation('REFUNDED'));
          },
        },
        { reservation: () => Promise.resolve(null), head: () => Promise.resolve(null) },
        () => ticket,
        atOnce,
      );
    expect(await readerAfter(3).find('r-1')).toMatchObject({ status: 'REFUNDED' });
    expect(looks).toBe(3);
    looks = 0;
    await expect(readerAfter(Infinity).find('r-1')).rejects.toThrow(NotArchivedError);
  });

  it('is none of a ticket that was never opened, or of no ticket', async () => {
    expect(await readerOf('unknown_ticket').find('r-1')).toBeNull();
    expect(await readerOf(reservation('PENDING')).find('no reservation')).toBeNull();
  });
});
