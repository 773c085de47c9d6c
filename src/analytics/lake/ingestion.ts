/**
 * From the ledgers into the bookings. Guarantee: every event of every ledger that changed a counter is one row, once,
 * whoever dies in between: rows and how far the ledgers were read are one entry of the lake's log. One step is bounded.
 */
import {
  LedgerWalk,
  readOn,
  type Behind,
  type LedgerWalkOptions,
  type Standing,
} from '../../archive/ledger-walk.js';
import type { Archive } from '../../archive/port.js';
import { priceAfter } from '../../operations/sales/facts.js';
import { ticketName } from '../../redis/keys.js';
import type { Reservation } from '../../rules/index.js';
import type { Booking } from '../booking.js';
import { bookingOf } from './bookings.js';
import type { LakeWriter } from './lake.js';
import { NEW_CURSOR, type LedgerCursor } from './log.js';
import { DAY_MS } from './tables.js';

export interface IngestionOptions extends Pick<
  LedgerWalkOptions,
  'clock' | 'tickets' | 'subscribe' | 'sweepMs'
> {
  readonly archive: Pick<Archive, 'events' | 'head'>;
  /** Our own name among the marketplaces. */
  readonly clientId: string;
  readonly personOf: (reservation: Reservation) => string | null;
  /** Events of one step. */
  readonly batchEventsMax: number;
  /** Older bookings are not kept. */
  readonly bookingDays: number;
}

/** Ledgers that share a step, so that a long one does not keep the others waiting. */
const LEDGERS_PER_STEP = 8;
/** Events in memory at once: they are several times as large as the rows that come of them. */
const EVENTS_AT_ONCE = 1_000;

export class Ingestion {
  readonly #options: IngestionOptions;
  readonly #walk: LedgerWalk;
  #writer: LakeWriter | null = null;

  constructor(options: IngestionOptions) {
    this.#options = options;
    this.#walk = new LedgerWalk({
      ...options,
      cursors: () => Promise.resolve(this.#writer?.state.ledgers ?? new Map<string, LedgerCursor>()),
    });
  }

  start(): void {
    this.#walk.start();
  }

  stop(): void {
    this.#walk.stop();
  }

  standing(): Standing {
    return this.#walk.standing();
  }

  /** The places of what was read have changed: everything is looked at anew. */
  reset(): void {
    this.#walk.reset();
  }

  /** Reads on, and answers how many rows came of it; false when there is nothing more to read. */
  async step(writer: LakeWriter): Promise<{ readonly rows: number; readonly isMore: boolean }> {
    this.#writer = writer;
    let rows = 0;
    await this.#walk.pass(async (behind, done) => {
      const batch = await this.#read(behind, writer);
      if (batch.ledgers.size === 0) return;
      await writer.add(
        { bookings: batch.bookings },
        { what: `${batch.bookings.length} bookings`, ledgers: batch.ledgers },
      );
      rows = batch.bookings.length;
      for (const { ticket, at, isMore } of batch.read) done(ticket, { at, isMore });
    });
    return { rows, isMore: this.#walk.isBehind };
  }

  async #read(behind: readonly Behind[], writer: LakeWriter): Promise<Batch> {
    const { archive, batchEventsMax, clock, bookingDays } = this.#options;
    const batch: Batch = { bookings: [], ledgers: new Map(), read: [] };
    const shareMax = Math.ceil(batchEventsMax / Math.min(behind.length, LEDGERS_PER_STEP));
    const oldest = clock.now() - bookingDays * DAY_MS;
    let left = batchEventsMax;
    for (const { ticket } of behind) {
      if (left <= 0) break;
      const name = ticketName(ticket);
      let cursor = writer.state.ledgers.get(name) ?? NEW_CURSOR;
      let share = Math.min(left, shareMax);
      left -= share;
      let isMore = true;
      while (isMore && share > 0) {
        const read = await readOn(archive, ticket, cursor, Math.min(share, EVENTS_AT_ONCE));
        ({ isMore } = read);
        share -= read.events.length;
        for (const committed of read.events) {
          const { price, currency } = priceAfter(committed.event, cursor);
          const { incarnation, sequence, event } = committed;
          cursor = { incarnation, sequence, at: event.at, price, currency };
          const booking = bookingOf(committed, cursor, this.#options);
          if (booking && booking.at >= oldest) batch.bookings.push(booking);
        }
        if (read.events.length > 0) batch.ledgers.set(name, cursor);
      }
      left += share;
      batch.read.push({ ticket, at: cursor.at, isMore });
    }
    return batch;
  }
}

interface Batch {
  readonly bookings: Booking[];
  /** How far each ledger was read. */
  readonly ledgers: Map<string, LedgerCursor>;
  readonly read: (Behind & { readonly isMore: boolean })[];
}
