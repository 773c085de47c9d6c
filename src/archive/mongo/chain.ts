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
 * Reads never go back behind what this process has read, added or found taken: for a moment after a change of
 * the primary a majority may seem to have less. Then they wait until it is seen.
 *
 * Reservations are told from their events in a collection of their own, one document per reservation and
 * entry. It is written after the entry, so a writer may die in between. Therefore an entry is added only by one
 * who knows that the reservations of all entries before are told: reading the end of a chain tells those of
 * the last entry (once more), and all before it are told by the same rule.
 */
import type { Filter } from 'mongodb';
import type { TicketId } from '../../rules/index.js';
import type { CommittedEvent, LedgerPosition } from '../port.js';
import {
  EMPTY_TAIL,
  entryOf,
  eventsOf,
  isOpening,
  keyOf,
  markerOf,
  type Addition,
  type Place,
  type Tail,
} from './entry.js';
import {
  positionKey,
  positionOf,
  ticketKey,
  ticketKeys,
  ticketName,
  ticketOfKey,
  type LedgerEntry,
  type Marker,
  type ReservationVersion,
  type Stores,
} from './layout.js';
import type { MongoServer } from './server.js';

/** How much further on an opener goes, and up to twice as much, so that several openers meet less. */
const NUMBERS_AHEAD_MIN = 16;
/** Doubled up to this each time that the number was taken too. */
const NUMBERS_AHEAD_MAX = 4_096;
/** Entries read in one go: more while they are small, since those of a rush may have hundreds of events each. */
const ENTRIES_PER_READ_MIN = 8;
const ENTRIES_PER_READ_START = 64;
const ENTRIES_PER_READ_MAX = 512;
const EVENTS_PER_READ = 2_000;
/** Where the stores are once they are prepared. */
export type OpenStores = () => Promise<Stores>;

/** How far a chain is known to reach. */
interface Reach {
  readonly number: number;
  /** As `positionKey` writes it. */
  readonly position: string;
}

export class Chains {
  readonly #server: MongoServer;
  readonly #stores: OpenStores;
  /** By ticket name. */
  readonly #reached = new Map<string, Reach>();

  constructor(server: MongoServer, stores: OpenStores) {
    this.#server = server;
    this.#stores = stores;
  }

  /** The end of a chain as the server has it; its reservations are told when this resolves. */
  async tail(ticket: TicketId): Promise<Tail> {
    const last = await this.#lastPlace(ticket);
    if (!last) return EMPTY_TAIL;
    return 'position' in last ? this.#tailOf(ticket, last) : this.#settle(ticket, last, null);
  }

  /** Adds entries of different tickets and tells their reservations; answers which found their number taken. */
  async add(additions: readonly Addition[]): Promise<ReadonlySet<Addition>> {
    const { ledger } = await this.#stores();
    const taken = await this.#server.insertAll(ledger, await Promise.all(additions.map(entryOf)));
    additions.forEach(({ ticket, after, head }, index) => {
      this.#reaches(ticket, after.number + 1, taken.has(index) ? null : head);
    });
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

  /** Those with a chain, from key to key: each is found by the index, however long the chains are. */
  async tickets(): Promise<readonly TicketId[]> {
    const { ledger } = await this.#stores();
    const found: TicketId[] = [];
    for (let after = ''; ;) {
      const options = { sort: { _id: 1 }, projection: { _id: 1 } } as const;
      const next = await this.#server.call(() => ledger.findOne({ _id: { $gt: after } }, options));
      if (!next) break;
      const ticket = ticketOfKey(next._id);
      found.push(ticket);
      after = ticketKeys(ticket).$lt;
    }
    return found.sort((a, b) => a.matchNumber - b.matchNumber || a.category - b.category);
  }

  async head(ticket: TicketId): Promise<LedgerPosition | null> {
    const read = (await this.#lastEntry(ticket, {}))?.position ?? '';
    const { position } = this.#reach(ticket);
    return positionOf(read < position ? position : read);
  }

  /** Reads in steps: the chain only ever grows at its end. */
  async *events(ticket: TicketId, after: LedgerPosition | null): AsyncIterable<CommittedEvent> {
    let last = positionKey(after);
    for (let limit = ENTRIES_PER_READ_START; ;) {
      const entries = await this.#entriesAfter(ticket, last, limit);
      let count = 0;
      for (const entry of entries) {
        const events = await eventsOf(ticket, entry);
        count += events.length;
        for (const event of events) if (positionKey(event) > last) yield event;
        last = entry.position;
      }
      if (entries.length < limit) return;
      limit =
        count < EVENTS_PER_READ
          ? Math.min(2 * limit, ENTRIES_PER_READ_MAX)
          : Math.max(limit / 2, ENTRIES_PER_READ_MIN);
    }
  }

  /** Looks at the chain itself, so it knows of a command as soon as of its event. */
  async hasCommand({ matchNumber, category }: TicketId, commandId: string): Promise<boolean> {
    const { ledger } = await this.#stores();
    const filter = { matchNumber, category, remoteCommands: commandId };
    const found = await this.#server.call(() => ledger.findOne(filter, { projection: { _id: 1 } }));
    return found !== null;
  }

  async #lastPlace(ticket: TicketId): Promise<Place | null> {
    const { ledger } = await this.#stores();
    const find = (): Promise<Place | null> =>
      ledger.findOne({ _id: ticketKeys(ticket) }, { sort: { _id: -1 } });
    try {
      const { last } = await this.#server.untilDecided(async () => {
        const found = await this.#server.call(find);
        return (found?.number ?? 0) < this.#reach(ticket).number ? null : { last: found };
      });
      return last;
    } catch (error) {
      // What was found taken, and is not seen for so long, was taken back with the primary that had it.
      this.#reached.set(ticketName(ticket), { ...this.#reach(ticket), number: 0 });
      throw error;
    }
  }

  /** The entries that end after a position, from the first on. */
  async #entriesAfter(ticket: TicketId, after: string, limit: number): Promise<readonly LedgerEntry[]> {
    const { ledger } = await this.#stores();
    const { matchNumber, category } = ticket;
    const filter = { matchNumber, category, position: { $gt: after } };
    const sort = { position: 1, number: 1 } as const;
    return this.#server.untilDecided(async () => {
      const entries = await this.#server.call(() =>
        ledger.find<LedgerEntry>(filter, { sort, limit }).toArray(),
      );
      const end = entries.at(-1)?.position ?? after;
      return entries.length < limit && end < this.#reach(ticket).position ? null : entries;
    });
  }

  async #openAhead(ticket: TicketId, after: Tail): Promise<Tail> {
    const { ledger } = await this.#stores();
    let ahead = NUMBERS_AHEAD_MIN;
    const opening = await this.#server.untilDecided(async () => {
      const number = after.number + ahead + Math.floor(Math.random() * ahead);
      ahead = Math.min(2 * ahead, NUMBERS_AHEAD_MAX);
      const marker = markerOf(ticket, number, { opens: true, from: after.number });
      const isOurs = await this.#server.insert(ledger, marker);
      this.#reaches(ticket, number, null);
      return isOurs ? marker : null;
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
    const find = (): Promise<LedgerEntry | null> => ledger.findOne<LedgerEntry>({ _id: key });
    return this.#tailOf(ticket, await this.#server.untilDecided(() => this.#server.call(find)));
  }

  async #tailOf(ticket: TicketId, entry: LedgerEntry): Promise<Tail> {
    await this.#tell(await eventsOf(ticket, entry));
    const { number, incarnation } = entry;
    const head = positionOf(entry.position);
    this.#reaches(ticket, number, head);
    return { number, incarnation, head };
  }

  #reach(ticket: TicketId): Reach {
    return this.#reached.get(ticketName(ticket)) ?? { number: 0, position: '' };
  }

  #reaches(ticket: TicketId, number: number, head: LedgerPosition | null): void {
    const known = this.#reach(ticket);
    const position = positionKey(head);
    this.#reached.set(ticketName(ticket), {
      number: Math.max(number, known.number),
      position: position > known.position ? position : known.position,
    });
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
