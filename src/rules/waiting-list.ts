/**
 * Who waits for tickets of one ticket, in the order of joining: what such a list is.
 *
 * Guarantees: a person is in it once; an entry keeps its place until it leaves; whether anybody in it could be given a
 * number of tickets is answered without a walk over the list, because every command of the ticket asks it.
 */
import { Map as ImmutableMap, OrderedMap, Set as ImmutableSet } from 'immutable';
import type { KeptLimits } from './types.js';

/** Somebody who waits. Times are epoch milliseconds. */
export interface WaitingEntry {
  readonly id: string;
  /** Of the reservation that it is offered as. */
  readonly reservationId: string;
  readonly quantity: number;
  readonly email: string;
  /** Whose purchase limit the offer counts against. */
  readonly person: string;
  /** The account that joined; absent for a guest. */
  readonly account?: string;
  /** Where the buyer is, ISO 3166-1 alpha-2, as far as that is known; for figures only. */
  readonly country?: string;
  /** As with a reservation: of the sale phase that let the buyer in, and the offer is judged by them. */
  readonly code?: string;
  readonly limits?: KeptLimits;
  readonly joinedAt: number;
  /** Grows from entry to entry: who is first has the lowest. */
  readonly place: number;
}

export interface WaitingList {
  /** By id, in the order of their places. */
  readonly entries: OrderedMap<string, WaitingEntry>;
  /** The entry of each person. */
  readonly persons: ImmutableMap<string, string>;
  /** How many entries ask for each quantity, without those in `asked`. */
  readonly quantities: ImmutableMap<number, number>;
  /** Ids of those for whom the log of the market is asked: they are in line until it has granted the tickets. */
  readonly asked: ImmutableSet<string>;
}

export const NOBODY_WAITS: WaitingList = {
  entries: OrderedMap(),
  persons: ImmutableMap(),
  quantities: ImmutableMap(),
  asked: ImmutableSet(),
};

/** The place behind the last one. */
export function nextPlace({ entries }: WaitingList): number {
  return (entries.last()?.place ?? 0) + 1;
}

/** Whether some entry, for which the log is not asked yet, wants no more than `free` tickets. */
export function someoneFits({ quantities }: WaitingList, free: number): boolean {
  return free > 0 && quantities.some((_, quantity) => quantity <= free);
}

/** Joins at the end. Somebody who was in it is so no more at the former place. */
export function withEntry(list: WaitingList, entry: WaitingEntry): WaitingList {
  const former = list.persons.get(entry.person);
  const others = withoutEntry(former === undefined ? list : withoutEntry(list, former), entry.id);
  return {
    ...others,
    entries: others.entries.set(entry.id, entry),
    persons: others.persons.set(entry.person, entry.id),
    quantities: counted(others.quantities, entry, 1),
  };
}

/** The same list when it has no such entry. */
export function withoutEntry(list: WaitingList, id: string): WaitingList {
  const entry = list.entries.get(id);
  if (!entry) return list;
  const { quantities } = asked(list, id);
  return {
    entries: list.entries.delete(id),
    persons: list.persons.delete(entry.person),
    quantities,
    asked: list.asked.delete(id),
  };
}

/** The log is asked for the tickets of an entry. It keeps its place, and is not asked for again. */
export function asked(list: WaitingList, id: string): WaitingList {
  const entry = list.entries.get(id);
  if (!entry || list.asked.has(id)) return list;
  return { ...list, quantities: counted(list.quantities, entry, -1), asked: list.asked.add(id) };
}

/** The log had no room: the entry waits on. */
export function waitsOn(list: WaitingList, id: string): WaitingList {
  const entry = list.entries.get(id);
  if (!entry || !list.asked.has(id)) return list;
  return { ...list, quantities: counted(list.quantities, entry, 1), asked: list.asked.delete(id) };
}

function counted(
  quantities: WaitingList['quantities'],
  { quantity }: WaitingEntry,
  change: 1 | -1,
): WaitingList['quantities'] {
  const count = (quantities.get(quantity) ?? 0) + change;
  return count > 0 ? quantities.set(quantity, count) : quantities.delete(quantity);
}

/** From its entries, in whatever order they come. `isAsked`: of the reservation as which an entry is offered. */
export function waitingListOf(
  entries: Iterable<WaitingEntry>,
  isAsked: (reservationId: string) => boolean = () => false,
): WaitingList {
  const inOrder = [...entries].sort((a, b) => a.place - b.place);
  return inOrder.reduce((list, entry) => {
    const more = withEntry(list, entry);
    return isAsked(entry.reservationId) ? asked(more, entry.id) : more;
  }, NOBODY_WAITS);
}
