/**
 * What every archive must do, whatever it stands on: the promises of src/archive/port.ts as tests. Each test
 * has a store of its own.
 */
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Match } from '../../src/catalog/match.js';
import {
  ArchiveRefusedError,
  ArchiveUnavailableError,
  type AppendBatch,
  type Archive,
  type CommittedEvent,
  type DeadLetter,
  type LedgerPosition,
  type OpenOptions,
  type TicketSnapshot,
} from '../../src/archive/port.js';
import type { Reservation, ReservationStatus, TicketEvent, TicketId } from '../../src/rules/index.js';
import { documentsContract } from './documents.js';
import { modelsContract } from './models.js';

export interface ArchiveUnderTest {
  /** Started. */
  readonly archive: Archive;
  /** Another started archive on the same store, as after a restart or in another process. */
  readonly reopen: (options?: OpenOptions) => Promise<Archive>;
  /** Stops all of them and removes the store. */
  readonly cleanup: () => Promise<void>;
}

const TICKET: TicketId = { matchNumber: 7, category: 2 };
const T0 = Date.UTC(2022, 10, 20, 16);

export function reservationOf(fields: Partial<Reservation> = {}): Reservation {
  return {
    id: randomUUID(),
    matchNumber: TICKET.matchNumber,
    category: TICKET.category,
    status: 'PENDING',
    quantity: 2,
    refundedQuantity: 0,
    unitPrice: 125,
    currency: 'usd',
    email: 'ada@example.com',
    person: 'ada@example.com',
    createdAt: T0,
    updatedAt: T0,
    expiresAt: T0 + 600_000,
    ...fields,
  };
}

const EVENT_OF_STATUS = {
  PENDING: 'held',
  PAYING: 'paymentStarted',
  RESERVED: 'sold',
  CANCELLED: 'released',
  EXPIRED: 'released',
} as const satisfies Partial<Record<ReservationStatus, TicketEvent['type']>>;

/** The event that leaves a reservation as it is given. */
function eventAbout(reservation: Reservation): TicketEvent {
  const { status } = reservation;
  if (status === 'REFUNDED') return { type: 'refunded', at: T0, reservation, quantity: reservation.quantity };
  return { type: EVENT_OF_STATUS[status], at: T0, reservation };
}

function loaded(sequence: number): TicketEvent {
  return { type: 'loaded', at: T0 + sequence, capacity: 20, price: 125, currency: 'usd' };
}

function committed(
  ticket: TicketId,
  incarnation: number,
  sequence: number,
  event: TicketEvent = loaded(sequence),
): CommittedEvent {
  return { ticket, incarnation, sequence, commandId: `${incarnation}/${sequence}`, requestId: 'r', event };
}

/** A batch of `loaded` events from one sequence to another, both included. */
export function batchOf(ticket: TicketId, incarnation: number, from: number, to: number): AppendBatch {
  const events = Array.from({ length: to - from + 1 }, (_, index) =>
    committed(ticket, incarnation, from + index),
  );
  return { ticket, incarnation, events };
}

/** A batch that tells the story of reservations, from `from` on. */
function story(incarnation: number, from: number, reservations: readonly Reservation[]): AppendBatch {
  const events = reservations.map((reservation, index) =>
    committed(TICKET, incarnation, from + index, eventAbout(reservation)),
  );
  return { ticket: TICKET, incarnation, events };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export const positionsOf = (events: readonly LedgerPosition[]): [number, number][] =>
  events.map(({ incarnation, sequence }) => [incarnation, sequence]);

/** All pages of a listing, to its end. */
async function pages<T>(
  read: (after: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next?: string }>,
): Promise<(readonly T[])[]> {
  const found: (readonly T[])[] = [];
  let after: string | undefined;
  do {
    const page = await read(after);
    found.push(page.items);
    after = page.next;
  } while (after !== undefined);
  return found;
}

function snapshotAt(incarnation: number, sequence: number, state: unknown): TicketSnapshot {
  return { ticket: TICKET, incarnation, sequence, schema: 1, takenAt: T0, state };
}

function letterOf(id: string, fields: Partial<DeadLetter> = {}): DeadLetter {
  return {
    id,
    source: 'sales/0/17',
    reason: 'not JSON',
    raw: 'e30=',
    headers: { clientId: 'peer' },
    receivedAt: T0,
    ...fields,
  };
}

function matchOf(matchNumber: number, homeTeam = 'Qatar'): Match {
  return {
    matchNumber,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    homeTeam,
    awayTeam: 'Ecuador',
    group: null,
  };
}

export function archiveContract(name: string, make: () => Promise<ArchiveUnderTest>): void {
  describe(`${name} keeps the archive's promises`, () => {
    let archive: Archive;
    let reopen: ArchiveUnderTest['reopen'];
    let cleanup: ArchiveUnderTest['cleanup'];

    beforeEach(async () => {
      ({ archive, reopen, cleanup } = await make());
    });
    afterEach(async () => {
      await cleanup();
    });

    const ledger = (ticket = TICKET, after: LedgerPosition | null = null): Promise<CommittedEvent[]> =>
      all(archive.events(ticket, after));

    describe('ledger', () => {
      test('of an unknown ticket is empty', async () => {
        expect(await ledger()).toEqual([]);
        expect(await archive.head(TICKET)).toBeNull();
      });

      test('gives events back as they were appended, in order, tickets apart', async () => {
        const other = { matchNumber: 7, category: 3 };
        const farther = { matchNumber: 70, category: 2 };
        const batches = [batchOf(TICKET, 1, 1, 3), batchOf(other, 1, 1, 1), batchOf(farther, 1, 1, 2)];
        expect(await archive.append(batches)).toEqual(['appended', 'appended', 'appended']);
        expect(await archive.append([batchOf(TICKET, 1, 4, 12)])).toEqual(['appended']);
        expect(await ledger()).toEqual(batchOf(TICKET, 1, 1, 12).events);
        expect(await ledger(other)).toEqual(batches[1]!.events);
        expect(await ledger(farther)).toEqual(batches[2]!.events);
        expect(await archive.head(TICKET)).toEqual({ incarnation: 1, sequence: 12 });
      });

      test('takes several batches of one ticket in one append', async () => {
        const results = await archive.append([batchOf(TICKET, 1, 1, 2), batchOf(TICKET, 1, 3, 4)]);
        expect(results).toEqual(['appended', 'appended']);
        expect(await ledger()).toHaveLength(4);
      });

      test('is read from after a position on, across incarnations', async () => {
        await archive.append([batchOf(TICKET, 1, 1, 3), batchOf(TICKET, 2, 1, 2)]);
        const from = async (incarnation: number, sequence: number): Promise<[number, number][]> =>
          positionsOf(await ledger(TICKET, { incarnation, sequence }));
        expect(await from(1, 2)).toEqual([
          [1, 3],
          [2, 1],
          [2, 2],
        ]);
        expect(await from(1, 3)).toEqual([
          [2, 1],
          [2, 2],
        ]);
        expect(await from(2, 2)).toEqual([]);
        expect(await from(9, 1)).toEqual([]);
      });

      test('takes a repeated event once, whole or overlapping', async () => {
        await archive.append([batchOf(TICKET, 1, 1, 5)]);
        expect(await archive.append([batchOf(TICKET, 1, 1, 5)])).toEqual(['appended']);
        expect(await archive.append([batchOf(TICKET, 1, 2, 3)])).toEqual(['appended']);
        expect(await archive.append([batchOf(TICKET, 1, 4, 7)])).toEqual(['appended']);
        expect(await ledger()).toEqual(batchOf(TICKET, 1, 1, 7).events);
        expect(await archive.head(TICKET)).toEqual({ incarnation: 1, sequence: 7 });
      });

      test('takes what several senders append at the same time once', async () => {
        const results = await Promise.all(
          Array.from({ length: 20 }, () => archive.append([batchOf(TICKET, 1, 1, 10)])),
        );
        expect(results.flat()).toEqual(Array.from({ length: 20 }, () => 'appended'));
        expect(await ledger()).toEqual(batchOf(TICKET, 1, 1, 10).events);
      });

      test('refuses a gap, naming ticket and sequences, and writes nothing of that append', async () => {
        const other = { matchNumber: 8, category: 1 };
        await archive.append([batchOf(TICKET, 1, 1, 2)]);
        const gap = archive.append([batchOf(other, 1, 1, 1), batchOf(TICKET, 1, 4, 5)]);
        await expect(gap).rejects.toThrow(/7:2.*\b3\b.*\b4\b/);
        await expect(archive.append([batchOf(TICKET, 2, 2, 2)])).rejects.toThrow(/7:2.*\b1\b.*\b2\b/);
        expect(await ledger(other)).toEqual([]);
        expect(await ledger()).toHaveLength(2);
        // The refused incarnation 2 did not raise the fence either.
        expect(await archive.append([batchOf(TICKET, 1, 3, 3)])).toEqual(['appended']);
      });

      test('refuses a batch that is not one run of its ticket and incarnation', async () => {
        const hole = [committed(TICKET, 1, 1), committed(TICKET, 1, 3)];
        const mixed = [committed(TICKET, 1, 1), committed({ matchNumber: 8, category: 2 }, 1, 2)];
        const future = [committed(TICKET, 1, 1), committed(TICKET, 2, 2)];
        for (const events of [hole, mixed, future]) {
          await expect(archive.append([{ ticket: TICKET, incarnation: 1, events }])).rejects.toThrow(/7:2/);
        }
        expect(await ledger()).toEqual([]);
      });

      test('refuses another event at a position it holds', async () => {
        await archive.append([batchOf(TICKET, 1, 1, 2)]);
        const forged = { ...committed(TICKET, 1, 2), commandId: 'someone else' };
        await expect(archive.append([{ ticket: TICKET, incarnation: 1, events: [forged] }])).rejects.toThrow(
          /7:2.*\b2\b/,
        );
        expect(await ledger()).toEqual(batchOf(TICKET, 1, 1, 2).events);
      });

      test('one broken append does not harm those made at the same time', async () => {
        const other = { matchNumber: 8, category: 1 };
        const [good, gap, alsoGood] = await Promise.allSettled([
          archive.append([batchOf(TICKET, 1, 1, 2)]),
          archive.append([batchOf(TICKET, 1, 9, 9)]),
          archive.append([batchOf(other, 1, 1, 2)]),
        ]);
        expect([good.status, gap.status, alsoGood.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        expect(await ledger()).toHaveLength(2);
        expect(await ledger(other)).toHaveLength(2);
      });

      test('takes nothing and empty batches', async () => {
        expect(await archive.append([])).toEqual([]);
        expect(await archive.append([{ ticket: TICKET, incarnation: 1, events: [] }])).toEqual(['appended']);
        expect(await archive.head(TICKET)).toBeNull();
      });

      test('takes 5,000 events in one batch and gives them back', async () => {
        const batch = batchOf(TICKET, 1, 1, 5_000);
        expect(await archive.append([batch])).toEqual(['appended']);
        expect(await ledger()).toEqual(batch.events);
        expect(await ledger(TICKET, { incarnation: 1, sequence: 4_990 })).toHaveLength(10);
      });

      test('is a prefix for whoever reads while it grows', async () => {
        const reader = await reopen();
        let growing = true;
        const writer = (async () => {
          for (let from = 1; from <= 400; from += 8)
            await archive.append([batchOf(TICKET, 1, from, from + 7)]);
          growing = false;
        })();
        let seen = 0;
        while (growing) {
          const read = await all(reader.events(TICKET, null));
          expect(read.map(({ sequence }) => sequence)).toEqual(read.map((_, index) => index + 1));
          expect(read.length).toBeGreaterThanOrEqual(seen);
          seen = read.length;
          await nextTurn();
        }
        await writer;
        expect(await all(reader.events(TICKET, null))).toHaveLength(400);
      });
    });

    describe('commands of remote messages', () => {
      const remote = (sequence: number): CommittedEvent =>
        committed(TICKET, 1, sequence, {
          type: 'remote',
          at: T0,
          action: 'pending',
          clientId: 'peer',
          quantity: 1,
          recordedAt: T0,
          heldDelta: 1,
          soldDelta: 0,
          tally: { held: 1, sold: 0, early: [], cancelledEarly: 0, heldSince: T0 },
        });

      test('are known once their event is archived, in their own ticket', async () => {
        expect(await archive.hasCommand(TICKET, '1/1')).toBe(false);
        await archive.append([{ ticket: TICKET, incarnation: 1, events: [remote(1)] }]);
        expect(await archive.hasCommand(TICKET, '1/1')).toBe(true);
        expect(await archive.hasCommand({ ...TICKET, category: 1 }, '1/1')).toBe(false);
        expect(await archive.hasCommand(TICKET, '1/2')).toBe(false);
      });

      test('are not known when their event was fenced', async () => {
        await archive.openIncarnation(TICKET);
        await archive.openIncarnation(TICKET);
        expect(await archive.append([{ ticket: TICKET, incarnation: 1, events: [remote(1)] }])).toEqual([
          'fenced',
        ]);
        expect(await archive.hasCommand(TICKET, '1/1')).toBe(false);
      });
    });

    describe('publishers', () => {
      test('are remembered until they are removed, also after a restart', async () => {
        await Promise.all(['a', 'b', 'b', 'c'].map((id) => archive.savePublisher(id)));
        await archive.removePublisher('a');
        await archive.removePublisher('never there');
        const again = await reopen();
        expect([...(await again.publishers())].sort()).toEqual(['b', 'c']);
      });
    });

    describe('incarnations', () => {
      test('count from 1 and tell where the ledger ended', async () => {
        expect(await archive.openIncarnation(TICKET)).toEqual({ incarnation: 1, head: null });
        await archive.append([batchOf(TICKET, 1, 1, 4)]);
        expect(await archive.openIncarnation(TICKET)).toEqual({
          incarnation: 2,
          head: { incarnation: 1, sequence: 4 },
        });
        expect(await archive.openIncarnation(TICKET)).toEqual({
          incarnation: 3,
          head: { incarnation: 1, sequence: 4 },
        });
        expect(await archive.openIncarnation({ matchNumber: 7, category: 1 })).toEqual({
          incarnation: 1,
          head: null,
        });
      });

      test('fence the older ones, repeats included, and leave other tickets alone', async () => {
        const other = { matchNumber: 8, category: 1 };
        await archive.append([batchOf(TICKET, 1, 1, 2), batchOf(other, 1, 1, 1)]);
        await archive.openIncarnation(TICKET);
        const results = await archive.append([
          batchOf(TICKET, 1, 3, 4),
          batchOf(other, 1, 2, 2),
          batchOf(TICKET, 1, 1, 2),
          batchOf(TICKET, 2, 1, 1),
        ]);
        expect(results).toEqual(['fenced', 'appended', 'fenced', 'appended']);
        expect(positionsOf(await ledger())).toEqual([
          [1, 1],
          [1, 2],
          [2, 1],
        ]);
        expect(await archive.head(TICKET)).toEqual({ incarnation: 2, sequence: 1 });
      });

      test('a newer one that appends raises the fence itself', async () => {
        expect(await archive.append([batchOf(TICKET, 5, 1, 1)])).toEqual(['appended']);
        expect(await archive.append([batchOf(TICKET, 4, 1, 1)])).toEqual(['fenced']);
        expect((await archive.openIncarnation(TICKET)).incarnation).toBe(6);
      });

      test('opened by many at the same time are all different', async () => {
        const second = await reopen();
        const opened = await Promise.all(
          Array.from({ length: 40 }, (_, index) => (index % 2 ? archive : second).openIncarnation(TICKET)),
        );
        const numbers = opened.map(({ incarnation }) => incarnation).sort((a, b) => a - b);
        expect(numbers).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
      });

      test('once opened, no older one adds to the history that was read', async () => {
        const rebuilder = await reopen();
        /** An owner that appends until it is fenced. */
        const own = async (owner: Archive, incarnation: number): Promise<number> => {
          for (let sequence = 1; ; sequence += 2) {
            const results = await owner.append([batchOf(TICKET, incarnation, sequence, sequence + 1)]);
            if (results[0] === 'fenced') return sequence - 1;
          }
        };
        const owners: Promise<number>[] = [];
        const heads: LedgerPosition[] = [];
        for (let round = 1; round <= 12; round += 1) {
          const { incarnation, head } = await rebuilder.openIncarnation(TICKET);
          expect(incarnation).toBe(round);
          const history = positionsOf(await all(rebuilder.events(TICKET, null)));
          expect(history.at(-1) ?? null).toEqual(head && [head.incarnation, head.sequence]);
          if (head) heads.push(head);
          const owner = own(archive, incarnation);
          owners.push(owner);
          // Let it come some way: its appends and the next round's opening then really meet.
          for (let turn = 0; turn < round; turn += 1) await rebuilder.ping();
        }
        await rebuilder.openIncarnation(TICKET);
        const acknowledged = await Promise.all(owners);
        const history = positionsOf(await ledger());
        acknowledged.forEach((count, index) => {
          const kept = history
            .filter(([incarnation]) => incarnation === index + 1)
            .map(([, sequence]) => sequence);
          expect(kept).toEqual(Array.from({ length: count }, (_, at) => at + 1));
        });
        // Where an opening said the ledger ended, nothing of that or an older incarnation follows.
        for (const head of heads) {
          const rest = await ledger(TICKET, head);
          expect(rest.filter(({ incarnation }) => incarnation <= head.incarnation)).toEqual([]);
        }
      });
    });

    describe('backups and restores', () => {
      const tickets = (...names: string[]): TicketId[] =>
        names.map((name) => {
          const [matchNumber, category] = name.split(':').map(Number);
          return { matchNumber: matchNumber!, category: category! };
        });

      test('are told every ticket that has a ledger or an incarnation, in order, each once', async () => {
        expect(await archive.ledgerTickets()).toEqual([]);
        const wanted = tickets('1:1', '1:3', '2:1', '10:1', '10:2', '100:1', '9999:3');
        for (const ticket of [...wanted].reverse()) await archive.append([batchOf(ticket, 1, 1, 2)]);
        await archive.append([batchOf(wanted[3]!, 1, 3, 9), batchOf(wanted[3]!, 4, 1, 2)]);
        await archive.openIncarnation({ matchNumber: 3, category: 2 });
        await archive.openIncarnation({ matchNumber: 3, category: 2 });
        await archive.saveMatches([matchOf(50)]);
        const all = tickets('1:1', '1:3', '2:1', '3:2', '10:1', '10:2', '100:1', '9999:3');
        expect(await (await reopen()).ledgerTickets()).toEqual(all);
      });

      test('an append without events closes the incarnations before it, and adds nothing', async () => {
        const held = reservationOf();
        await archive.append([story(1, 1, [held]), batchOf(TICKET, 2, 1, 1)]);
        const far = 1_700_000_000;
        expect(await archive.append([{ ticket: TICKET, incarnation: far, events: [] }])).toEqual([
          'appended',
        ]);
        expect(positionsOf(await ledger())).toEqual([
          [1, 1],
          [2, 1],
        ]);
        expect(await archive.head(TICKET)).toEqual({ incarnation: 2, sequence: 1 });
        expect(await archive.append([batchOf(TICKET, 2, 2, 2)])).toEqual(['fenced']);
        expect(await archive.openIncarnation(TICKET)).toEqual({
          incarnation: far + 1,
          head: { incarnation: 2, sequence: 1 },
        });
        expect(await archive.append([batchOf(TICKET, far + 1, 1, 1)])).toEqual(['appended']);
        expect(await ledger(TICKET, { incarnation: 2, sequence: 1 })).toEqual(
          batchOf(TICKET, far + 1, 1, 1).events,
        );
      });

      test('an archive that was filled by half opens for restores only', async () => {
        await archive.append([batchOf(TICKET, 1, 1, 1)]);
        await archive.markRestore(true);
        await archive.markRestore(true);
        await expect(reopen()).rejects.toThrow(/restore into the archive .* was not finished/);
        await expect(reopen({ isReadOnly: true })).rejects.toBeInstanceOf(ArchiveRefusedError);
        const restorer = await reopen({ isRestore: true });
        await restorer.append([batchOf(TICKET, 1, 2, 2)]);
        await restorer.markRestore(false);
        await restorer.markRestore(false);
        expect(await (await reopen()).head(TICKET)).toEqual({ incarnation: 1, sequence: 2 });
      });

      test('a reader sees what others write meanwhile, and writes nothing', async () => {
        await archive.append([batchOf(TICKET, 1, 1, 1)]);
        await archive.insertDocument('users', { id: 'u', value: 1 });
        const reader = await reopen({ isReadOnly: true });
        await archive.append([batchOf(TICKET, 1, 2, 3)]);
        expect(await all(reader.events(TICKET, null))).toEqual(batchOf(TICKET, 1, 1, 3).events);
        expect(await reader.ledgerTickets()).toEqual([TICKET]);
        expect(await all(reader.allDocuments('users'))).toEqual([
          { id: 'u', version: 1, value: 1, lists: {} },
        ]);
        await reader.stop();
        expect(await archive.append([batchOf(TICKET, 1, 4, 4)])).toEqual(['appended']);
      });
    });

    describe('snapshots', () => {
      test('the newest wins, whatever the order of saving', async () => {
        expect(await archive.snapshot(TICKET)).toBeNull();
        await archive.saveSnapshot(snapshotAt(1, 10, { is: 'ten' }));
        await archive.saveSnapshot(snapshotAt(1, 9, { is: 'nine' }));
        expect(await archive.snapshot(TICKET)).toEqual(snapshotAt(1, 10, { is: 'ten' }));
        await archive.saveSnapshot(snapshotAt(2, 1, { is: 'a new incarnation' }));
        await archive.saveSnapshot(snapshotAt(1, 11, { is: 'late' }));
        expect(await archive.snapshot(TICKET)).toEqual(snapshotAt(2, 1, { is: 'a new incarnation' }));
        expect(await archive.snapshot({ matchNumber: 7, category: 1 })).toBeNull();
      });

      test('saved at the same time leave the newest', async () => {
        const second = await reopen();
        const order = [3, 9, 1, 20, 7, 12, 19, 2];
        await Promise.all(
          order.map((sequence, index) =>
            (index % 2 ? archive : second).saveSnapshot(snapshotAt(1, sequence, sequence)),
          ),
        );
        expect((await archive.snapshot(TICKET))?.state).toBe(20);
      });

      test('may be large, and do not disturb the ledger', async () => {
        await archive.append([batchOf(TICKET, 3, 1, 2)]);
        const state = Array.from({ length: 20_000 }, (_, index) => ({
          id: `reservation-${index}`,
          quantity: 2,
        }));
        await archive.saveSnapshot(snapshotAt(3, 1, state));
        expect((await archive.snapshot(TICKET))?.state).toEqual(state);
        expect(await archive.head(TICKET)).toEqual({ incarnation: 3, sequence: 2 });
        expect(await archive.append([batchOf(TICKET, 2, 1, 1)])).toEqual(['fenced']);
      });
    });

    describe('reservations', () => {
      test('read back as the newest event left them', async () => {
        const held = reservationOf();
        const paying = { ...held, status: 'PAYING', paymentId: 'p-1', payingUntil: T0 + 1 } as const;
        const sold = { ...paying, status: 'RESERVED', reason: 'paid' } as const;
        await archive.append([story(1, 1, [held])]);
        expect(await archive.reservation(held.id)).toEqual(held);
        await archive.append([story(1, 2, [paying, sold])]);
        expect(await archive.reservation(held.id)).toEqual(sold);
        await archive.append([story(2, 1, [{ ...sold, status: 'REFUNDED', reason: 'refunded' }])]);
        expect((await archive.reservation(held.id))?.status).toBe('REFUNDED');
        expect(await archive.reservation('nobody')).toBeNull();
      });

      test('are not set back by an event that is appended again', async () => {
        const held = reservationOf();
        const sold: Reservation = { ...held, status: 'RESERVED' };
        await archive.append([story(1, 1, [held])]);
        await archive.append([story(1, 2, [sold])]);
        await archive.append([story(1, 1, [held])]);
        expect(await archive.reservation(held.id)).toEqual(sold);
        const refunded: Reservation = { ...sold, status: 'REFUNDED' };
        await archive.append([story(1, 1, [held, sold, refunded])]);
        expect(await archive.reservation(held.id)).toEqual(refunded);
      });

      test('are not touched by what was fenced', async () => {
        const held = reservationOf();
        await archive.append([story(1, 1, [held])]);
        await archive.openIncarnation(TICKET);
        const results = await archive.append([story(1, 2, [{ ...held, status: 'RESERVED' }])]);
        expect(results).toEqual(['fenced']);
        expect(await archive.reservation(held.id)).toEqual(held);
      });

      test('of a buyer are listed newest first, page by page, each once', async () => {
        const mine = Array.from({ length: 23 }, (_, index) =>
          // Some share their time of creation, which must not lose any of them between two pages.
          reservationOf({ id: `r-${index}`, createdAt: T0 + Math.floor(index / 5) * 1_000 }),
        );
        const others = [
          reservationOf({ email: 'ada@example.co' }),
          reservationOf({ email: 'bob@example.com' }),
        ];
        await archive.append([story(1, 1, [...mine, ...others])]);
        const listed = await pages((after) =>
          archive.reservationsByEmail('ada@example.com', { limit: 5, ...(after !== undefined && { after }) }),
        );
        expect(listed.map((items) => items.length)).toEqual([5, 5, 5, 5, 3]);
        const times = listed.flat().map(({ createdAt }) => createdAt);
        expect(times).toEqual([...times].sort((a, b) => b - a));
        expect(new Set(listed.flat().map(({ id }) => id))).toEqual(new Set(mine.map(({ id }) => id)));
      });

      test('a page that fits exactly is the last one', async () => {
        const mine = Array.from({ length: 4 }, () => reservationOf());
        await archive.append([story(1, 1, mine)]);
        const page = await archive.reservationsByEmail('ada@example.com', { limit: 4 });
        expect(page.items).toHaveLength(4);
        expect(page).not.toHaveProperty('next');
      });

      test('that come while a list is being read do not shift it', async () => {
        const mine = Array.from({ length: 6 }, (_, index) => reservationOf({ createdAt: T0 + index }));
        await archive.append([story(1, 1, mine)]);
        const first = await archive.reservationsByEmail('ada@example.com', { limit: 3 });
        await archive.append([story(1, 7, [reservationOf({ createdAt: T0 + 99 })])]);
        await archive.append([story(1, 8, [{ ...mine[0]!, status: 'CANCELLED' }])]);
        const rest = await archive.reservationsByEmail('ada@example.com', { limit: 3, after: first.next! });
        expect(rest.items.map(({ createdAt }) => createdAt - T0)).toEqual([2, 1, 0]);
        expect(rest.items.at(-1)?.status).toBe('CANCELLED');
        expect(rest).not.toHaveProperty('next');
      });

      test('a buyer without any, or a cursor that was never issued, gets an empty page', async () => {
        await archive.append([story(1, 1, [reservationOf()])]);
        expect(await archive.reservationsByEmail('nobody@example.com', { limit: 10 })).toEqual({ items: [] });
        for (const after of ['', 'garbage', 'bnVsbA', 'WzEsMl0']) {
          const page = await archive.reservationsByEmail('ada@example.com', { limit: 10, after });
          expect(page).toEqual({ items: [] });
        }
      });

      test.each([
        ['long', 'x'.repeat(5_000)],
        ['with NUL', 'a\0b'],
        ['not ASCII', 'žluťoučký-🐴@example.com'],
        ['like a hash', '#0123'],
        ['empty', ''],
      ])('any text is looked up safely: %s', async (_, text) => {
        expect(await archive.reservation(text)).toBeNull();
        expect(await archive.markRedriven(text, T0)).toBe(false);
        expect(await archive.reservationsByEmail(text, { limit: 1 })).toEqual({ items: [] });
        const odd = reservationOf({ id: text, email: text });
        await archive.append([story(1, 1, [odd, reservationOf({ email: `${text}!` })])]);
        expect(await archive.reservation(text)).toEqual(odd);
        expect(await archive.reservationsByEmail(text, { limit: 9 })).toEqual({ items: [odd] });
      });
    });

    describe('matches', () => {
      test('are kept by number, the last word wins, and come in order', async () => {
        expect(await archive.matches()).toEqual([]);
        await archive.saveMatches([matchOf(10), matchOf(2)]);
        await archive.saveMatches([matchOf(9), matchOf(10, 'Wales'), matchOf(1)]);
        expect(await archive.matches()).toEqual([matchOf(1), matchOf(2), matchOf(9), matchOf(10, 'Wales')]);
      });
    });

    describe('dead letters', () => {
      test('are kept once and listed newest first, page by page', async () => {
        const letters = Array.from({ length: 7 }, (_, index) =>
          letterOf(`l-${index}`, { receivedAt: T0 + index }),
        );
        for (const letter of letters) await archive.saveDeadLetter(letter);
        await archive.saveDeadLetter(letterOf('l-3', { reason: 'another', receivedAt: T0 + 99 }));
        const listed = await pages((after) =>
          archive.deadLetters({ limit: 3, ...(after !== undefined && { after }) }),
        );
        expect(listed.map((items) => items.length)).toEqual([3, 3, 1]);
        expect(listed.flat()).toEqual([...letters].reverse());
      });

      test('are found by id, whole, with the time of their re-drive', async () => {
        const second = await reopen();
        const raw = Buffer.alloc(1_000_000, 7).toString('base64');
        const whole = letterOf('sales/0/17:3', { raw, headers: { clientId: 'peer', 'a.$b': '' } });
        await archive.saveDeadLetter(whole);
        await archive.saveDeadLetter(letterOf('l-1'));
        expect(await second.deadLetter(whole.id)).toEqual(whole);
        expect(await archive.deadLetter('l-1')).toEqual(letterOf('l-1'));
        for (const id of ['l-2', 'l', '']) expect(await archive.deadLetter(id)).toBeNull();
        await archive.markRedriven('l-1', T0 + 5);
        expect(await second.deadLetter('l-1')).toEqual(letterOf('l-1', { redrivenAt: T0 + 5 }));
        expect(await second.deadLetter(whole.id)).toEqual(whole);
      });

      test('are marked re-driven once, whoever asks', async () => {
        const second = await reopen();
        await archive.saveDeadLetter(letterOf('l-1'));
        expect(await archive.markRedriven('l-2', T0)).toBe(false);
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            (index % 2 ? archive : second).markRedriven('l-1', T0 + index),
          ),
        );
        expect(answers.filter(Boolean)).toHaveLength(1);
        const { items } = await archive.deadLetters({ limit: 10 });
        expect(items).toEqual([letterOf('l-1', { redrivenAt: T0 + answers.indexOf(true) })]);
        // Arriving again must not make it look untouched.
        await archive.saveDeadLetter(letterOf('l-1'));
        expect(await archive.markRedriven('l-1', T0)).toBe(false);
      });
    });

    describe('coming and going', () => {
      test('everything is there after a restart', async () => {
        const held = reservationOf();
        const sold: Reservation = { ...held, status: 'RESERVED' };
        await archive.openIncarnation(TICKET);
        await archive.append([story(1, 1, [held, sold])]);
        await archive.saveSnapshot(snapshotAt(1, 2, { some: 'state' }));
        await archive.saveMatches([matchOf(1)]);
        await archive.insertDocument('users', { id: 'u', value: 1 });
        await archive.saveDeadLetter(letterOf('l-1'));
        await archive.openIncarnation(TICKET);
        await archive.stop();

        archive = await reopen();
        expect(await ledger()).toEqual(story(1, 1, [held, sold]).events);
        expect(await archive.head(TICKET)).toEqual({ incarnation: 1, sequence: 2 });
        expect(await archive.append([batchOf(TICKET, 1, 3, 3)])).toEqual(['fenced']);
        expect(await archive.snapshot(TICKET)).toEqual(snapshotAt(1, 2, { some: 'state' }));
        expect(await archive.reservation(held.id)).toEqual(sold);
        expect(await archive.reservationsByEmail(held.email, { limit: 1 })).toEqual({ items: [sold] });
        expect(await archive.matches()).toEqual([matchOf(1)]);
        expect(await archive.document('users', 'u')).toEqual({ id: 'u', version: 1, value: 1 });
        expect(await archive.deadLetters({ limit: 1 })).toEqual({ items: [letterOf('l-1')] });
        expect((await archive.openIncarnation(TICKET)).incarnation).toBe(3);
      });

      test('what one archive wrote another on the same store reads at once', async () => {
        const second = await reopen();
        for (let sequence = 1; sequence <= 30; sequence += 1) {
          await archive.append([batchOf(TICKET, 1, sequence, sequence)]);
          expect(await second.head(TICKET)).toEqual({ incarnation: 1, sequence });
        }
      });

      test('writes accepted before a stop are done, and stopping twice is fine', async () => {
        const second = await reopen();
        const appended = archive.append([batchOf(TICKET, 1, 1, 50)]);
        await Promise.all([archive.stop(), archive.stop()]);
        expect(await appended).toEqual(['appended']);
        expect(await second.head(TICKET)).toEqual({ incarnation: 1, sequence: 50 });
      });

      test('a stopped archive says that it is unavailable', async () => {
        await archive.ping();
        await archive.stop();
        const calls: (() => Promise<unknown>)[] = [
          () => archive.ping(),
          () => archive.append([batchOf(TICKET, 1, 1, 1)]),
          () => archive.openIncarnation(TICKET),
          () => archive.head(TICKET),
          () => all(archive.events(TICKET, null)),
          () => archive.saveSnapshot(snapshotAt(1, 1, null)),
          () => archive.snapshot(TICKET),
          () => archive.reservation('r'),
          () => archive.reservationsByEmail('e', { limit: 1 }),
          () => archive.saveMatches([matchOf(1)]),
          () => archive.matches(),
          () => archive.saveDeadLetter(letterOf('l')),
          () => archive.markRedriven('l', T0),
          () => archive.deadLetter('l'),
          () => archive.deadLetters({ limit: 1 }),
          () => archive.ledgerTickets(),
          () => all(archive.allDocuments('users')),
          () => archive.putDocuments('users', [{ id: 'u', version: 1, value: 1, lists: {} }]),
          () => archive.markRestore(true),
        ];
        for (const call of calls) await expect(call()).rejects.toBeInstanceOf(ArchiveUnavailableError);
      });
    });
  });

  describe(name, () => documentsContract(make));
  describe(name, () => modelsContract(make));
}
