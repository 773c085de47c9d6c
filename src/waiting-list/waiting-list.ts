/**
 * Places in waiting lists, as people see them.
 *
 * Guarantees: a place, the offer that it leads to and the token that opens both are derived from one command id, so that
 * none of them needs an index and a repeat finds them again; a place is shown as it stands now, and to nobody but those
 * who may see the reservation that it leads to; one that was offered is told by that reservation, for good.
 */
import type { Clock } from '../actors/ports.js';
import { bounded } from '../http/bounded.js';
import { owns, type Owned } from '../http/buyer.js';
import { reservationId, ticketOfReservation } from '../http/identity.js';
import { ownReservations, type OwnReservationsOptions } from '../http/own-reservations.js';
import type { FoundEntry, RedisWaitingLists } from '../redis/waiting-lists.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { personOf } from '../security/person.js';
import type { Principal } from '../users/principal.js';

export const ENTRY_ID = /^w-m([1-9]\d{0,3})c(\d)-[a-z2-7]{26}$/;
const PREFIX = 'w-';

/** The same command id gives the same place. */
export function entryIdOf(ticket: TicketId, commandId: string): string {
  return `${PREFIX}${reservationId(ticket, `waiting-list/${commandId}`)}`;
}

/** The ticket that the id of a place names; null when no such id can have been made. */
export function ticketOfEntry(entryId: string): TicketId | null {
  return entryId.startsWith(PREFIX) ? ticketOfReservation(entryId.slice(PREFIX.length)) : null;
}

/** The reservation as which a place is offered. Its token opens the place too. */
export function offerIdOf(ticket: TicketId, entryId: string): string {
  return reservationId(ticket, `offer/${entryId}`);
}

export type EntryStatus = 'waiting' | 'offered' | 'taken' | 'lapsed' | 'left';

/** A place as it stands now. */
export interface Standing extends Owned {
  readonly id: string;
  readonly status: EntryStatus;
  readonly ticket: TicketId;
  readonly quantity: number;
  /** 1 is the first in line; null for one who does not wait any more. */
  readonly position: number | null;
  readonly joinedAt: number;
  /** While it is offered. */
  readonly offer: Pick<Reservation, 'id' | 'expiresAt'> | null;
}

/** Reservations of an account among which its offers are looked for. */
const RESERVATIONS_LOOKED_AT = 100;

export interface WaitingListsOptions extends OwnReservationsOptions {
  readonly lists: Pick<RedisWaitingLists, 'find' | 'ofPerson'>;
  readonly tickets: () => readonly TicketId[];
  readonly clock: Clock;
  /** How long a read may take. */
  readonly waitMs: number;
}

export class WaitingLists {
  readonly #options: WaitingListsOptions;

  constructor(options: WaitingListsOptions) {
    this.#options = options;
  }

  /** Null for a place that never was, or was given up long ago. */
  async standing(entryId: string): Promise<Standing | null> {
    const ticket = ticketOfEntry(entryId);
    if (!ticket) return null;
    const found = await this.#find(ticket, entryId);
    if (found?.kind === 'waiting') return ofEntry(ticket, found);
    // It can have been offered since: then it is a reservation by now.
    const reservation = await this.#options.reader.find(offerIdOf(ticket, entryId));
    return reservation?.offer ? ofOffer(reservation, reservation.offer) : found && ofEntry(ticket, found);
  }

  /** Where an account waits, and what it was offered lately. Newest first. */
  async mine(principal: Principal): Promise<readonly Standing[]> {
    const { lists, tickets, clock, waitMs } = this.#options;
    const person = personOf(principal.email);
    const [waiting, { items }] = await Promise.all([
      bounded(clock, waitMs, 'waiting lists', lists.ofPerson(tickets(), person)),
      ownReservations(this.#options, principal, { limit: RESERVATIONS_LOOKED_AT }),
    ]);
    const standings = await Promise.all(waiting.map(({ entryId }) => this.standing(entryId)));
    const all = new Map<string, Standing>();
    for (const standing of standings) {
      if (standing && owns(principal, standing)) all.set(standing.id, standing);
    }
    for (const reservation of items) {
      const { offer } = reservation;
      if (offer) all.set(offer.entryId, ofOffer(reservation, offer));
    }
    return [...all.values()].sort((a, b) => b.joinedAt - a.joinedAt);
  }

  #find(ticket: TicketId, entryId: string): Promise<FoundEntry | null> {
    const { lists, clock, waitMs } = this.#options;
    return bounded(clock, waitMs, 'waiting lists', lists.find(ticket, entryId));
  }
}

function ofEntry(ticket: TicketId, found: FoundEntry): Standing {
  const { id, quantity, joinedAt, email, account } = found.entry;
  return {
    id,
    status: found.kind,
    ticket,
    quantity,
    position: found.kind === 'waiting' ? found.position : null,
    joinedAt,
    offer: null,
    email,
    ...(account !== undefined && { account }),
  };
}

function ofOffer(
  reservation: Reservation,
  { entryId, joinedAt }: NonNullable<Reservation['offer']>,
): Standing {
  const { id, matchNumber, category, quantity, expiresAt, email, account } = reservation;
  const status = STATUS_OF[reservation.status];
  return {
    id: entryId,
    status,
    ticket: { matchNumber, category },
    quantity,
    position: null,
    joinedAt,
    offer: status === 'offered' ? { id, expiresAt } : null,
    email,
    ...(account !== undefined && { account }),
  };
}

const STATUS_OF: Readonly<Record<Reservation['status'], EntryStatus>> = {
  PENDING: 'offered',
  PAYING: 'offered',
  RESERVED: 'taken',
  REFUNDED: 'taken',
  CANCELLED: 'lapsed',
  EXPIRED: 'lapsed',
};
