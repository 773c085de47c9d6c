/**
 * What a peer believes is left of each ticket: the master list less what every marketplace said it holds or has
 * sold. Simpler than ours, and it can be wrong: repeats count twice, and a sale may be on its way. Bounded by
 * the match numbers there can be, and by `HOLDERS_MAX`.
 */
import { CATEGORIES, type MatchEntry } from '../catalog/match.js';
import type { DecodedSale } from '../kafka/wire.js';
import type { TicketId } from '../rules/index.js';
import { wholeFrom, type Random } from './random.js';

/** Most holds of peers without ids that are kept apart, by ticket and peer. */
const HOLDERS_MAX = 10_000;
/** Tickets drawn by chance before one that has enough left is looked for. */
const DRAWS_MAX = 8;

interface Line {
  readonly ticket: TicketId;
  readonly capacity: number;
  readonly price: number;
}

export interface Offer {
  readonly ticket: TicketId;
  readonly price: number;
  /** At least as many as were asked for. */
  readonly left: number;
}

const nameOf = ({ matchNumber, category }: TicketId): string => `${matchNumber}:${category}`;

export class Stock {
  readonly #matches: ReadonlySet<number> | null;
  readonly #lines = new Map<string, Line>();
  /** The same, in the order of the matches, so that a seed draws the same tickets however the list came. */
  #ordered: readonly Line[] = [];
  /** Held or sold, by ticket. */
  readonly #taken = new Map<string, number>();
  /** Held, by ticket and peer, of peers that name no reservation. */
  readonly #held = new Map<string, number>();

  /** `matches`: the only ones to sell; null for all. */
  constructor(matches: ReadonlySet<number> | null) {
    this.#matches = matches;
  }

  load(entries: readonly MatchEntry[]): void {
    for (const { matchNumber, availability } of entries) {
      if (this.#matches && !this.#matches.has(matchNumber)) continue;
      for (const category of CATEGORIES) {
        const { available, price } = availability[`category${category}`];
        const ticket = { matchNumber, category };
        this.#lines.set(nameOf(ticket), { ticket, capacity: available, price });
      }
    }
    this.#ordered = [...this.#lines.values()].sort(
      (a, b) => a.ticket.matchNumber - b.ticket.matchNumber || a.ticket.category - b.ticket.category,
    );
  }

  /** Whether there is anything to sell from, sold out or not. */
  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** Tickets left in all, as far as is known. */
  get left(): number {
    return this.#ordered.reduce((sum, line) => sum + Math.max(0, this.#leftOf(line)), 0);
  }

  /** One sale of the log, whoever sent it. Also of tickets that no list has named yet. */
  count(sale: DecodedSale): void {
    const name = nameOf(sale.ticket);
    const change = sale.reservationId === undefined ? this.#ofPeer(name, sale) : ofReservation(sale);
    this.add(sale.ticket, change);
  }

  /** Tickets that are taken, or given back, as nobody has said yet. */
  add(ticket: TicketId, change: number): void {
    const name = nameOf(ticket);
    const taken = (this.#taken.get(name) ?? 0) + change;
    if (taken === 0) this.#taken.delete(name);
    else this.#taken.set(name, taken);
  }

  /** A ticket of which that many are left; null when there is none. */
  offer(random: Random, quantity: number): Offer | null {
    const last = this.#ordered.length - 1;
    const hasEnough = (line: Line | undefined): line is Line =>
      line !== undefined && this.#leftOf(line) >= quantity;
    for (let draws = 0; draws < DRAWS_MAX; draws += 1) {
      const line = this.#ordered[wholeFrom(random, 0, last)];
      if (hasEnough(line)) return this.#offerOf(line);
    }
    const from = wholeFrom(random, 0, last);
    const wrapped = [...this.#ordered.slice(from), ...this.#ordered.slice(0, from)];
    const found = wrapped.find(hasEnough);
    return found ? this.#offerOf(found) : null;
  }

  #offerOf(line: Line): Offer {
    return { ticket: line.ticket, price: line.price, left: this.#leftOf(line) };
  }

  #leftOf({ ticket, capacity }: Line): number {
    return capacity - (this.#taken.get(nameOf(ticket)) ?? 0);
  }

  /** By how much a message changes what is taken: only a count tells what it belongs to. */
  #ofPeer(name: string, { action, clientId, quantity }: DecodedSale): number {
    const holder = `${name}/${clientId}`;
    const held = this.#held.get(holder) ?? 0;
    if (action === 'pending') {
      this.#setHeld(holder, held + quantity);
      return quantity;
    }
    const ended = Math.min(held, quantity);
    this.#setHeld(holder, held - ended);
    return action === 'reserved' ? quantity - ended : -ended;
  }

  #setHeld(holder: string, held: number): void {
    if (held === 0) this.#held.delete(holder);
    else if (this.#held.has(holder) || this.#held.size < HOLDERS_MAX) this.#held.set(holder, held);
  }
}

/** Whatever comes first, in the end a reservation takes what was held less what was given back. */
function ofReservation({ action, quantity }: DecodedSale): number {
  switch (action) {
    case 'pending':
      return quantity;
    case 'reserved':
      return 0;
    case 'cancelled':
      return -quantity;
  }
}
