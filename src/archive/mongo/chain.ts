/**
 * The chain that is a ticket's ledger: entries numbered 1, 2, 3 and so on, and **who inserts a number first
 * decides what stands there**. That `_id`s are unique is all it asks of the server, and what every server does.
 *
 *  - An entry is added under the number after the last one, by one who has read the last one from a majority
 *    or had its insertion acknowledged. Whoever finds the number taken reads the chain again, and decides anew.
 *  - Who opens an incarnation must get through also against a writer that is always faster. After a lost race
 *    it takes a number further on, with a marker that opens the incarnation whatever comes before it,
 *    and then takes the free numbers up to there with empty markers. Events that still came in between belong
 *    to the history that it reads now; later ones find their number taken. Whoever finds such a marker at the
 *    end of the chain does the rest, should the opener have died.
 *
 * Reservations are told from their events in a collection of their own, one document per reservation and
 * entry. It is written after the entry, so a writer may die in between. Therefore an entry is added only by one
 * who knows that the reservations of all entries before are told: reading the end of a chain tells those of
 * the last entry (once more), and all before it are told by the same rule.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Binary, BSON, type Filter } from 'mongodb';
import type { TicketId } from '../../rules/index.js';
import type { CommittedEvent, LedgerPosition } from '../port.js';
import {
  numberKey,
  positionKey,
  positionOf,
  ticketKey,
  ticketKeys,
  ticketName,
  type LedgerEntry,
  type Marker,
  type ReservationVersion,
  type Stores,
  type StoredEvent,
} from './layout.js';
import type { MongoServer } from './server.js';

/** How much further on an opener goes, and up to twice as much, so that several openers meet less. */
const NUMBERS_AHEAD_MIN = 16;
/** Doubled up to this each time that the number was taken too. */
const NUMBERS_AHEAD_MAX = 4_096;
/** Entries read in one go. */
export const ENTRIES_PER_READ = 100;
/** A document may have 16 MiB. So many events are not measured, and above this size they are packed. */
const EVENTS_UNMEASURED_MAX = 500;
const ENTRY_BYTES_MAX = 12 * 2 ** 20;

/** The end of a ticket's chain. */
export interface Tail {
  /** Number of its last entry; 0 when there is none. */
  readonly number: number;
  /** The incarnation that is open; older ones are fenced. */
  readonly incarnation: number;
  readonly head: LedgerPosition | null;
}

export const EMPTY_TAIL: Tail = { number: 0, incarnation: 0, head: null };

/** What joins the chain of a ticket as one entry. */
export interface Addition {
  readonly ticket: TicketId;
  /** The end of the chain that it was decided on, and must follow. */
  readonly after: Tail;
  readonly incarnation: number;
  readonly head: LedgerPosition | null;
  readonly events: readonly CommittedEvent[];
}

/** Where the stores are once they are prepared. */
export type OpenStores = () => Promise<Stores>;

export class Chains {
  readonly #server: MongoServer;
  readonly #stores: OpenStores;

  constructor(server: MongoServer, stores: OpenStores) {
    this.#server = server;
    this.#stores = stores;
  }

  /** The end of a chain as the server has it; its reservations are told when this resolves. */
  async tail(ticket: TicketId): Promise<Tail> {
    const { ledger } = await this.#stores();
    const last = await this.#server.call(() =>
      ledger.findOne({ _id: ticketKeys(ticket) }, { sort: { _id: -1 } }),
    );
    if (!last) return EMPTY_TAIL;
    return 'position' in last ? this.#tailOf(ticket, last) : this.#settle(ticket, last, null);
  }

  /** Adds entries of different tickets and tells their reservations; answers which found their number taken. */
  async add(additions: readonly Addition[]): Promise<ReadonlySet<Addition>> {
    const { ledger } = await this.#stores();
    const taken = await this.#server.insertAll(ledger, await Promise.all(additions.map(entryOf)));
    const added = additions.filter((_, index) => !taken.has(index));
    await this.#tell(added.flatMap(({ events }) => events));
    return new Set(additions.filter((_, index) => taken.has(index)));
  }

  /** Opens the next incarnation; the end of the chain after it. */
  async open(ticket: TicketId): Promise<Tail> {
    const after = await this.tail(ticket);
    const { head } = after;
    const incarnation = after.incarnation + 1;
    const lost = await this.add([{ ticket, after, incarnation, head, events: [] }]);
    if (lost.size === 0) return { number: after.number + 1, incarnation, head };
    return this.#openAhead(ticket, after);
  }

  async head(ticket: TicketId): Promise<LedgerPosition | null> {
    const last = await this.#lastEntry(ticket, {});
    return last ? positionOf(last.position) : null;
  }

  /** Entries that end after a position, as `positionKey` writes it, at most `ENTRIES_PER_READ`. */
  async entriesAfter(ticket: TicketId, position: string): Promise<readonly LedgerEntry[]> {
    const { ledger } = await this.#stores();
    const { matchNumber, category } = ticket;
    const filter = { matchNumber, category, position: { $gt: position } };
    const sort = { position: 1, number: 1 } as const;
    return this.#server.call(() =>
      ledger.find<LedgerEntry>(filter, { sort, limit: ENTRIES_PER_READ }).toArray(),
    );
  }

  /** Looks at the chain itself, so it knows of a command as soon as of its event. */
  async hasCommand({ matchNumber, category }: TicketId, commandId: string): Promise<boolean> {
    const { ledger } = await this.#stores();
    const filter = { matchNumber, category, remoteCommands: commandId };
    const found = await this.#server.call(() => ledger.findOne(filter, { projection: { _id: 1 } }));
    return found !== null;
  }

  async #openAhead(ticket: TicketId, after: Tail): Promise<Tail> {
    const { ledger } = await this.#stores();
    let ahead = NUMBERS_AHEAD_MIN;
    const opening = await this.#server.untilDecided(async () => {
      const number = after.number + ahead + Math.floor(Math.random() * ahead);
      ahead = Math.min(2 * ahead, NUMBERS_AHEAD_MAX);
      const marker = markerOf(ticket, number, { opens: true, from: after.number });
      return (await this.#server.insert(ledger, marker)) ? marker : null;
    });
    return this.#settle(ticket, opening, after);
  }

  /**
   * The chain up to a marker that opens: takes the numbers before it that are free, and reads what is there.
   * `base` is the chain up to `from`, where it is known.
   */
  async #settle(ticket: TicketId, opening: Marker, base: Tail | null): Promise<Tail> {
    const between = await this.#server.untilDecided(() => this.#fill(ticket, opening));
    const last = between.findLast((place) => 'position' in place);
    const { incarnation, head } = last
      ? await this.#told(ticket, last._id)
      : (base ?? (await this.#tailAt(ticket, opening.from)));
    const openings = between.filter((place) => isOpening(place) && place.number > (last?.number ?? 0));
    return { number: opening.number, incarnation: incarnation + openings.length + 1, head };
  }

  /** What stands before a marker that opens, in order; null while some of it cannot be seen yet. */
  async #fill(ticket: TicketId, { _id, number, from }: Marker): Promise<readonly Place[] | null> {
    const { ledger } = await this.#stores();
    const range = { _id: { $gt: keyOf(ticket, from), $lt: _id } };
    const places = await this.#server.call(() =>
      ledger.find(range, { projection: { events: 0, packed: 0 }, sort: { _id: 1 } }).toArray(),
    );
    const seen = new Set(places.map((place) => place.number));
    const free = Array.from({ length: number - from - 1 }, (_, index) => from + 1 + index)
      .filter((each) => !seen.has(each))
      .map((each) => markerOf(ticket, each, { opens: false, from: each - 1 }));
    // Taken meanwhile: it is seen once a majority has it.
    return (await this.#server.insertAll(ledger, free)).size > 0 ? null : places;
  }

  /** The chain up to a number, all of which is decided. */
  async #tailAt(ticket: TicketId, number: number): Promise<Tail> {
    const { ledger } = await this.#stores();
    const last = await this.#lastEntry(ticket, { number: { $lte: number } });
    const { incarnation, head } = last ? await this.#told(ticket, last._id) : EMPTY_TAIL;
    const range = { $gt: keyOf(ticket, last?.number ?? 0), $lte: keyOf(ticket, number) };
    const openings = await this.#server.call(() => ledger.find({ _id: range, opens: true }).toArray());
    return { number, incarnation: incarnation + openings.length, head };
  }

  /** The last entry that knows where the ledger ends, which markers do not; without its events. */
  async #lastEntry({ matchNumber, category }: TicketId, among: Filter<Place>): Promise<LedgerEntry | null> {
    const { ledger } = await this.#stores();
    const filter = { matchNumber, category, position: { $gte: '' }, ...among };
    const options = { projection: { events: 0, packed: 0 }, sort: { position: -1, number: -1 } } as const;
    return this.#server.call(() => ledger.findOne<LedgerEntry>(filter, options));
  }

  /** The chain up to an entry, whose reservations are told when this resolves. */
  async #told(ticket: TicketId, key: string): Promise<Tail> {
    const { ledger } = await this.#stores();
    const entry = await this.#server.call(() => ledger.findOne<LedgerEntry>({ _id: key }));
    if (!entry) throw new Error(`Ledger of ticket ${ticketName(ticket)} has lost its entry ${key}`);
    return this.#tailOf(ticket, entry);
  }

  async #tailOf(ticket: TicketId, entry: LedgerEntry): Promise<Tail> {
    await this.#tell(await eventsOf(ticket, entry));
    return { number: entry.number, incarnation: entry.incarnation, head: positionOf(entry.position) };
  }

  /** Writes how the events left their reservations. Once more changes nothing. */
  async #tell(events: readonly CommittedEvent[]): Promise<void> {
    const newest = new Map<string, ReservationVersion>();
    for (const committed of events) {
      const { ticket, event } = committed;
      if (!('reservation' in event)) continue;
      const { reservation } = event;
      newest.set(reservation.id, { _id: ticketKey(ticket, positionKey(committed)), reservation });
    }
    if (newest.size === 0) return;
    const { reservations } = await this.#stores();
    await this.#server.insertAll(reservations, [...newest.values()]);
  }
}

// --- Entries ---------------------------------------------------------------------------------------------

type Place = LedgerEntry | Marker;

function isOpening(place: Place): boolean {
  return 'opens' in place && place.opens;
}

function keyOf(ticket: TicketId, number: number): string {
  return ticketKey(ticket, numberKey(number));
}

function markerOf(
  ticket: TicketId,
  number: number,
  fields: { readonly opens: boolean; readonly from: number },
): Marker {
  const { matchNumber, category } = ticket;
  return { _id: keyOf(ticket, number), matchNumber, category, number, ...fields };
}

const zip = promisify(gzip);
const unzip = promisify(gunzip);

async function entryOf({ ticket, after, incarnation, head, events }: Addition): Promise<LedgerEntry> {
  const { matchNumber, category } = ticket;
  const number = after.number + 1;
  const stored = events.map(({ ticket: _, ...event }): StoredEvent => event);
  const remote = events.filter(({ event }) => event.type === 'remote').map(({ commandId }) => commandId);
  return {
    _id: keyOf(ticket, number),
    matchNumber,
    category,
    number,
    incarnation,
    position: positionKey(head),
    ...(remote.length > 0 && { remoteCommands: remote }),
    ...(fits(stored) ? { events: stored } : { packed: new Binary(await zip(JSON.stringify(stored))) }),
  };
}

function fits(events: readonly StoredEvent[]): boolean {
  if (events.length <= EVENTS_UNMEASURED_MAX) return true;
  return BSON.calculateObjectSize({ events }, { ignoreUndefined: true }) <= ENTRY_BYTES_MAX;
}

/** What this archive wrote reads back as what it was: the schema version says so. */
export async function eventsOf(
  { matchNumber, category }: TicketId,
  { events, packed }: LedgerEntry,
): Promise<CommittedEvent[]> {
  const stored = packed
    ? (JSON.parse((await unzip(packed.value())).toString()) as readonly StoredEvent[])
    : (events ?? []);
  return stored.map((event) => ({ ...event, ticket: { matchNumber, category } }));
}
