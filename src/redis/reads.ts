/** The read side over Redis: live counters, single reservations, idempotency claims. */
import type { TicketCounters } from '../actors/ports.js';
import type { Archive } from '../archive/port.js';
import type { CountersSource, ReservationReader } from '../http/ports.js';
import type { Reservation, TicketId } from '../rules/index.js';
import type { Bus } from './connection.js';
import type { RedisKeys } from './keys.js';
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

/** Redis first, because it is ahead of the archive; the archive for what left Redis. */
export class TicketReservationReader implements ReservationReader {
  readonly #store: Pick<RedisTicketStore, 'findReservation'>;
  readonly #archive: Pick<Archive, 'reservation' | 'head'>;
  readonly #ticketOf: (id: string) => TicketId | null;

  constructor(
    store: Pick<RedisTicketStore, 'findReservation'>,
    archive: Pick<Archive, 'reservation' | 'head'>,
    ticketOf: (id: string) => TicketId | null,
  ) {
    this.#store = store;
    this.#archive = archive;
    this.#ticketOf = ticketOf;
  }

  async find(id: string): Promise<Reservation | null> {
    const ticket = this.#ticketOf(id);
    if (!ticket) return null;
    const found = await this.#store.findReservation(ticket, id);
    if (found !== 'unknown_ticket') return found ?? (await this.#archive.reservation(id));
    // Lost with Redis: whoever had it may still archive what came after, until the ticket is rebuilt.
    if ((await this.#archive.head(ticket)) !== null) throw new WaitsToBeRebuiltError(ticket);
    return null;
  }
}
