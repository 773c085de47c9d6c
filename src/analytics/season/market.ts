/**
 * The tickets of a season and the events of their ledgers. Guarantees: no more is held or sold than there is, and
 * the rows of a ticket are in the order of their time, numbered without gaps.
 */
import type { Booking, BookingKind } from '../booking.js';
import { OWN_MARKETPLACE } from './assumptions.js';
import type { Fixture } from './fixtures.js';

/** Who books, as rows tell it. */
export interface Party {
  readonly marketplace: string;
  readonly person: string;
  readonly country: string | null;
}

interface Ticket {
  readonly matchNumber: number;
  readonly category: number;
  readonly unitPriceMinor: number;
  left: number;
  sequence: number;
}

/** A match of which nothing was left for a while; `to` is Infinity when it stayed so. */
export interface SoldOut {
  readonly from: number;
  to: number;
}

const CURRENCY = 'USD';

export class Market {
  readonly rows: Booking[] = [];
  readonly #tickets: ReadonlyMap<number, readonly Ticket[]>;
  readonly #soldOut = new Map<number, SoldOut[]>();

  constructor(fixtures: readonly Fixture[]) {
    this.#tickets = new Map(
      fixtures.map(({ number, prices, capacities }) => [
        number,
        prices.map((price, i) => ({
          matchNumber: number,
          category: i + 1,
          unitPriceMinor: Math.round(price * 100),
          left: capacities[i] ?? 0,
          sequence: 0,
        })),
      ]),
    );
  }

  /** By match: when nothing of it was left, in the order of time. */
  get soldOut(): ReadonlyMap<number, readonly SoldOut[]> {
    return this.#soldOut;
  }

  left(matchNumber: number, category: number): number {
    return this.#ticket(matchNumber, category).left;
  }

  isSoldOut(matchNumber: number): boolean {
    return (this.#tickets.get(matchNumber) ?? []).every(({ left }) => left === 0);
  }

  /** Throws when less is left: who asks has looked. */
  hold(at: number, matchNumber: number, category: number, quantity: number, party: Party): void {
    const ticket = this.#ticket(matchNumber, category);
    if (ticket.left < quantity)
      throw new Error(`Match ${matchNumber} has no ${quantity} of category ${category}.`);
    ticket.left -= quantity;
    this.#row(at, ticket, 'held', quantity, party);
    if (this.isSoldOut(matchNumber)) {
      const spells = this.#soldOut.get(matchNumber) ?? [];
      this.#soldOut.set(matchNumber, [...spells, { from: at, to: Infinity }]);
    }
  }

  /** What was held is paid. */
  sell(at: number, matchNumber: number, category: number, quantity: number, party: Party): void {
    this.#row(at, this.#ticket(matchNumber, category), 'sold', quantity, party);
  }

  /** What was held (`released`) or sold (`refunded`) is there again. */
  giveBack(
    kind: 'released' | 'refunded',
    at: number,
    matchNumber: number,
    category: number,
    quantity: number,
    party: Party,
  ): void {
    const ticket = this.#ticket(matchNumber, category);
    const spell = this.#soldOut.get(matchNumber)?.at(-1);
    if (spell?.to === Infinity) spell.to = at;
    ticket.left += quantity;
    this.#row(at, ticket, kind, quantity, party);
  }

  #ticket(matchNumber: number, category: number): Ticket {
    const ticket = this.#tickets.get(matchNumber)?.[category - 1];
    if (!ticket) throw new Error(`There is no category ${category} of match ${matchNumber}.`);
    return ticket;
  }

  #row(at: number, ticket: Ticket, kind: BookingKind, quantity: number, party: Party): void {
    const { matchNumber, category, unitPriceMinor } = ticket;
    const isOwn = party.marketplace === OWN_MARKETPLACE;
    ticket.sequence += 1;
    this.rows.push({
      id: `${matchNumber}:${category}:1:${ticket.sequence}`,
      at,
      kind,
      matchNumber,
      category,
      marketplace: party.marketplace,
      isOwn,
      quantity,
      heldDelta: kind === 'held' ? quantity : kind === 'refunded' ? 0 : -quantity,
      soldDelta: kind === 'sold' ? quantity : kind === 'refunded' ? -quantity : 0,
      unitPriceMinor,
      currency: CURRENCY,
      person: isOwn ? party.person : null,
      country: isOwn ? party.country : null,
    });
  }
}
