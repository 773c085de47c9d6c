/** The read side over Redis: live counters, single reservations, idempotency claims. */
import type { Clock, TicketCounters } from '../actors/ports.js';
import type { Archive } from '../archive/port.js';
import type { CountersSource, ReservationReader } from '../http/ports.js';
import type { Reservation, TicketId } from '../rules/index.js';
import type { Bus } from './connection.js';
import { ticketName, type RedisKeys } from './keys.js';
import { NotArchivedError } from './stored-ticket.js';
import { WaitsToBeRebuiltError, type RedisTicketStore } from './ticket-store.js';

/** In a cluster counters are looked at so often at least, milliseconds: a change that was published can be lost. */
const LOOK_MS = 1_000;

/**
 * Live counters. Guarantee: after `barrier` every change committed before it was called has been handed to who
 * subscribed. Of one Redis the order of its messages tells; the nodes of a cluster have no order among them, so there
 * the counters are read from the nodes that have them.
 */
export class RedisCounters implements CountersSource {
  readonly #store: RedisTicketStore;
  readonly #bus: Bus;
  readonly #listeners = new Set<(counters: TicketCounters) => void>();
  /** Tickets that were ever read, and their counters as stored when last looked at. */
  readonly #tickets = new Map<string, TicketId>();
  readonly #seen = new Map<string, string>();
  #timer: NodeJS.Timeout | null = null;

  constructor(store: RedisTicketStore, bus: Bus) {
    this.#store = store;
    this.#bus = bus;
  }

  /** Resolves when changes are being heard. */
  async start(keys: RedisKeys): Promise<void> {
    await this.#bus.subscribe(keys.channels.changes(), (message) => this.#hear(message));
    if (this.#store.isInCluster) this.#lookLater();
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async read(tickets: readonly TicketId[]): Promise<readonly TicketCounters[]> {
    for (const ticket of tickets) this.#tickets.set(ticketName(ticket), ticket);
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
    return this.#store.isInCluster ? this.#look() : this.#bus.barrier();
  }

  #hear(json: string): void {
    const counters = JSON.parse(json) as TicketCounters;
    for (const listener of this.#listeners) listener(counters);
  }

  async #look(): Promise<void> {
    const tickets = [...this.#tickets];
    const found = await this.#store.countersAsStored(tickets.map(([, ticket]) => ticket));
    tickets.forEach(([name], i) => {
      const json = found[i];
      if (typeof json !== 'string' || json === this.#seen.get(name)) return;
      this.#seen.set(name, json);
      this.#hear(json);
    });
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => {
      const looked = this.#listeners.size > 0 ? this.#look() : Promise.resolve();
      // A node is away: the next look finds what changed meanwhile.
      void looked.catch(() => undefined).then(() => this.#timer && this.#lookLater());
    }, LOOK_MS).unref();
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
