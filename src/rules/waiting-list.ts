/**
 * Who waits for tickets of one ticket, in the order of joining: what such a list is.
 *
 * Guarantees: a person is in it once; an entry keeps its place until it leaves; whether anybody in it could be given a
 * number of tickets is answered without a walk over the list, because every command of the ticket asks it.
 */
import { Map as ImmutableMap, OrderedMap } from 'immutable';

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
  readonly joinedAt: number;
  /** Grows from entry to entry: who is first has the lowest. */
  readonly place: number;
}

export interface WaitingList {
  /** By id, in the order of their places. */
  readonly entries: OrderedMap<string, WaitingEntry>;
  /** The entry of each person. */
  readonly persons: ImmutableMap<string, string>;
  /** How many entries ask for each quantity. */
  readonly quantities: ImmutableMap<number, number>;
}

export const NOBODY_WAITS: WaitingList = {
  entries: OrderedMap(),
  persons: ImmutableMap(),
  quantities: ImmutableMap(),
};

/** The place behind the last one. */
export function nextPlace({ entries }: WaitingList): number {
  return (entries.last()?.place ?? 0) + 1;
}

/** Whether some entry asks for no more than `free` tickets. */
export function someoneFits({ quantities }: WaitingList, free: number): boolean {
  return free > 0 && quantities.some((_, quantity) => quantity <= free);
}

/** Joins at the end. Somebody who was in it is so no more at the former place. */
export function withEntry(list: WaitingList, entry: WaitingEntry): WaitingList {
  const former = list.persons.get(entry.person);
  const { entries, persons, quantities } = withoutEntry(
    former === undefined ? list : withoutEntry(list, former),
    entry.id,
  );
  return {
    entries: entries.set(entry.id, entry),
    persons: persons.set(entry.person, entry.id),
    quantities: quantities.update(entry.quantity, 0, (count) => count + 1),
  };
}

/** The same list when it has no such entry. */
export function withoutEntry(list: WaitingList, id: string): WaitingList {
  const entry = list.entries.get(id);
  if (!entry) return list;
  const { person, quantity } = entry;
  const left = (list.quantities.get(quantity) ?? 0) - 1;
  return {
    entries: list.entries.delete(id),
    persons: list.persons.delete(person),
    quantities: left > 0 ? list.quantities.set(quantity, left) : list.quantities.delete(quantity),
  };
}

/** From its entries, in whatever order they come. */
export function waitingListOf(entries: Iterable<WaitingEntry>): WaitingList {
  const inOrder = [...entries].sort((a, b) => a.place - b.place);
  return inOrder.length === 0 ? NOBODY_WAITS : inOrder.reduce(withEntry, NOBODY_WAITS);
}
