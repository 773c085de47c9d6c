/** Ledgers in memory, and events for them. */
import type { Archive, CommittedEvent, LedgerPosition } from '../../src/archive/port.js';
import { comparePositions } from '../../src/actors/position.js';
import { ticketName } from '../../src/redis/keys.js';
import type { Reservation, TicketEvent, TicketId } from '../../src/rules/index.js';

export const T11: TicketId = { matchNumber: 1, category: 1 };
export const T12: TicketId = { matchNumber: 1, category: 2 };
export const T21: TicketId = { matchNumber: 2, category: 1 };
/** 20 November 2022, 16:00 UTC. */
export const NOON = Date.UTC(2022, 10, 20, 16);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

let reservations = 0;

export function reservationOf(fields: Partial<Reservation> = {}): Reservation {
  return {
    id: `r${(reservations += 1)}`,
    matchNumber: 1,
    category: 1,
    status: 'RESERVED',
    quantity: 2,
    refundedQuantity: 0,
    unitPrice: 75,
    currency: 'USD',
    email: 'a@example.org',
    person: 'a@example.org',
    createdAt: NOON,
    updatedAt: NOON,
    expiresAt: NOON,
    ...fields,
  };
}

export const sold = (at: number, fields: Partial<Reservation> = {}): TicketEvent => ({
  type: 'sold',
  at,
  reservation: reservationOf(fields),
});

export const refunded = (at: number, quantity: number, fields: Partial<Reservation> = {}): TicketEvent => ({
  type: 'refunded',
  at,
  quantity,
  reservation: reservationOf(fields),
});

export const held = (at: number): TicketEvent => ({
  type: 'held',
  at,
  reservation: reservationOf({ status: 'PENDING' }),
});

export const loaded = (at: number, price = 75, currency = 'USD'): TicketEvent => ({
  type: 'loaded',
  at,
  capacity: 100,
  price,
  currency,
});

export const remote = (
  at: number,
  soldDelta: number,
  clientId = 'peer',
  more: Partial<Extract<TicketEvent, { type: 'remote' }>> = {},
): TicketEvent => ({
  type: 'remote',
  at,
  action: soldDelta < 0 ? 'cancelled' : 'reserved',
  clientId,
  quantity: Math.abs(soldDelta),
  recordedAt: at,
  heldDelta: 0,
  soldDelta,
  tally: { held: 0, sold: 0, early: [], cancelledEarly: 0, heldSince: 0 },
  ...more,
});

/** Grows at its end only, as the archive sees to. */
export class MemoryLedger implements Pick<Archive, 'events' | 'head'> {
  readonly #events = new Map<string, CommittedEvent[]>();
  /** Events that were read. */
  reads = 0;

  append(ticket: TicketId, events: readonly TicketEvent[], incarnation?: number): LedgerPosition {
    const ledger = this.#ledger(ticket);
    for (const event of events) {
      const last = ledger.at(-1) ?? { incarnation: 1, sequence: 0 };
      const isNew = incarnation !== undefined && incarnation > last.incarnation;
      const place = isNew
        ? { incarnation, sequence: 1 }
        : { incarnation: last.incarnation, sequence: last.sequence + 1 };
      ledger.push({ ...place, ticket, commandId: `c${ledger.length}`, event });
    }
    const { incarnation: of = 0, sequence = 0 } = ledger.at(-1) ?? {};
    return { incarnation: of, sequence };
  }

  async head(ticket: TicketId): Promise<LedgerPosition | null> {
    const last = this.#ledger(ticket).at(-1);
    return last ? { incarnation: last.incarnation, sequence: last.sequence } : null;
  }

  async *events(ticket: TicketId, after: LedgerPosition | null): AsyncIterable<CommittedEvent> {
    for (const event of this.#ledger(ticket)) {
      if (after && comparePositions(event, after) <= 0) continue;
      this.reads += 1;
      yield event;
    }
  }

  #ledger(ticket: TicketId): CommittedEvent[] {
    const name = ticketName(ticket);
    const found = this.#events.get(name) ?? [];
    this.#events.set(name, found);
    return found;
  }
}
