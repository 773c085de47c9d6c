/**
 * Guests who lost the links to their reservations. Guarantees: links go to the address the reservations were
 * made with and nowhere else; who asks learns nothing, neither from the answer nor from its time, because the
 * work is done after it; an address gets a bounded number of these mails, and what waits is bounded.
 */
import type { Clock } from '../actors/ports.js';
import type { Archive } from '../archive/port.js';
import { bounded } from '../http/bounded.js';
import type { Logger } from '../process/log.js';
import type { Reservation } from '../rules/index.js';
import type { LookedUp, TicketMail } from './mail.js';
import type { Shares } from './records.js';

export const LOOKUPS_PER_HOUR_MAX = 3;
/** Links in one mail, and reservations they are picked from, the newest first. */
const LINKS_MAX = 20;
const LOOKED_AT_MAX = 100;
const RUNNING_MAX = 4;
const WAITING_MAX = 200;
/** What a buyer may still want to open. */
const SHOWN: ReadonlySet<Reservation['status']> = new Set(['PENDING', 'PAYING', 'RESERVED', 'REFUNDED']);

export interface GuestLookupOptions {
  readonly archived: Pick<Archive, 'reservationsByEmail'>;
  readonly findReservation: (id: string) => Promise<Reservation | null>;
  readonly shares: Shares;
  readonly mail: TicketMail;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly waitMs: number;
}

export class GuestLookup {
  readonly #options: GuestLookupOptions;
  readonly #waiting: string[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor(options: GuestLookupOptions) {
    this.#options = options;
  }

  /** Takes it on; false when too many wait already. */
  request(email: string): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false;
    this.#waiting.push(email);
    if (this.#running.size < RUNNING_MAX) {
      const running = this.#work().finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
    return true;
  }

  /** Finishes what was taken on; each step of it has a time limit. */
  async stop(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #work(): Promise<void> {
    // Not within the request's turn.
    await new Promise((resolve) => setImmediate(resolve));
    for (let email = this.#waiting.shift(); email !== undefined; email = this.#waiting.shift()) {
      try {
        await this.#look(email);
      } catch (error) {
        this.#options.logger.warn({ error: String(error) }, 'a look-up of reservations failed');
      }
    }
  }

  async #look(email: string): Promise<void> {
    const { shares, mail, archived, clock, waitMs, findReservation } = this.#options;
    if (!(await bounded(clock, waitMs, 'archive', shares.take('lookups', email, LOOKUPS_PER_HOUR_MAX))))
      return;
    const listed = archived.reservationsByEmail(email, { limit: LOOKED_AT_MAX });
    const { items } = await bounded(clock, waitMs, 'archive', listed);
    // An account's are behind its log-in, and a second factor where it has one: no mail opens them.
    const guests = items.filter(({ account }) => account === undefined);
    const found: LookedUp[] = [];
    for (const { id } of guests) {
      if (found.length >= LINKS_MAX) break;
      const reservation = await findReservation(id);
      if (!reservation || reservation.email !== email || !SHOWN.has(reservation.status)) continue;
      const { matchNumber, category, quantity } = reservation;
      found.push({ reservationId: id, matchNumber, category, quantity });
    }
    if (found.length > 0) mail.lookedUp(email, found);
  }
}
