/** The read side over Redis: live counters, single reservations, idempotency claims. */
import type { Clock, TicketCounters } from '../actors/ports.js';
import type { Archive } from '../archive/port.js';
import type { CountersSource, ReservationReader } from '../http/ports.js';
import type { Reservation, TicketId } from '../rules/index.js';
import type { Bus } from './connection.js';
import type { RedisKeys } from './keys.js';
import { NotArchivedError } from './stored-ticket.js';
import { WaitsToBeRebuiltError, type RedisTicketStore } from './ticket-store.js';

export class RedisCounters implements CountersSource {
  readonly #store: RedisTicketStore;
  readonly #bus: Bus;
  readonly #listeners = new Set<(counters: TicketCounters) => void>();

  constructor(store: RedisTicketStore, bus: Bus) {
    this.#store = store;
    this.#bus = bus;
  }

  /** Resolves when changes are being heard. */
  async start(keys: RedisKeys): Promise<void> {
    await this.#bus.subscribe(keys.channels.changes(), (message) => {
      const counters = JSON.parse(message) as TicketCounters;
      for (const listener of this.#listeners) listener(counters);
    });
  }

  read(tickets: readonly TicketId[]): Promise<readonly TicketCounters[]> {
    return this.#store.counters(tickets);
  }

  subscribe(onChange: (counters: TicketCounters) => void, onReset: () => void): () => void {
    this.#listeners.add(onChange);
    const unreset = this.#bus.onReset(onReset);
    return () => {
      this.#listeners.delete(onChange);
      unreset();
    };
  }

  barrier(): Promise<void> {
    return this.#bus.barrier();
  }
}

/** What is not archived yet is looked at again after this, milliseconds, so often at most. */
const ARCHIVED_LOOK_MS = 20;
const ARCHIVED_LOOKS_MAX = 50;

/** Redis first, because it is ahead of the archive; the archive for what left Redis. */
export class TicketReservationReader implements ReservationReader {
  readonly #store: Pick<RedisTicketStore, 'findReservation'>;
  readonly #archive: Pick<Archive, 'reservation' | 'head'>;
  readonly #ticketOf: (id: string) => TicketId | null;
  readonly #clock: Pick<Clock, 'schedule'>;

  constructor(
    store: Pick<RedisTicketStore, 'findReservation'>,
    archive: Pick<Archive, 'reservation' | 'head'>,
    ticketOf: (id: string) => TicketId | null,
    clock: Pick<Clock, 'schedule'>,
  ) {
    this.#store = store;
    this.#archive = archive;
    this.#ticketOf = ticketOf;
    this.#clock = clock;
  }

  async find(id: string): Promise<Reservation | null> {
    const ticket = this.#ticketOf(id);
    if (!ticket) return null;
    const found = await this.#settled(ticket, id);
    if (found !== 'unknown_ticket') return found ?? (await this.#archive.reservation(id));
    // Lost with Redis: whoever had it may still archive what came after, until the ticket is rebuilt.
    if ((await this.#archive.head(ticket)) !== null) throw new WaitsToBeRebuiltError(ticket);
    return null;
  }

  /** A refund on its way to the archive is there a few milliseconds later, unless the archive is away. */
  async #settled(ticket: TicketId, id: string): ReturnType<RedisTicketStore['findReservation']> {
    for (let looks = 1; ; looks += 1) {
      try {
        return await this.#store.findReservation(ticket, id);
      } catch (error) {
        if (!(error instanceof NotArchivedError) || looks >= ARCHIVED_LOOKS_MAX) throw error;
        await new Promise<void>((resolve) => this.#clock.schedule(ARCHIVED_LOOK_MS, resolve));
      }
    }
  }
}
