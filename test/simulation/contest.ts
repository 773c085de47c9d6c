/**
 * A contest of marketplaces for the same tickets. What the log decides is folded here record by record, from the words
 * of the contract alone and without the product's rules; what marketplaces decide, sell and end up with is held against
 * it in every step. Where holds are not admitted by the log, what was sold too often is counted and is no violation.
 */
import type { CommittedEvent } from '../../src/archive/port.js';
import type { LogPosition, Reservation, TicketId, TicketState } from '../../src/rules/index.js';
import { emptyTally, readMessage, take, type Message, type Tally } from '../exchange/fold.js';
import { Violation } from './kernel.js';
import { MASTERLIST_TOPIC, SALES_TOPIC, type LogRecord } from './log.js';
import type { HoldOp, Mode, Op } from './plan.js';

/** What the place of a hold in the log says of it. */
interface Verdict {
  readonly clientId: string;
  readonly reservationId: string;
  readonly quantity: number;
  readonly isGranted: boolean;
  /** Its marketplace has held or voided it, for good. */
  isDecided: boolean;
}

/** One ticket, as the log tells of it. */
interface Entry {
  /** Of the list that opened the sale; null before it. */
  capacity: number | null;
  /** The least and the most that any list said. */
  capacityMin: number;
  capacityMax: number;
  /** Records that came before that list: they count once it is there. */
  readonly early: LogRecord[];
  taken: number;
  /** By place in the log: what was taken after it. */
  readonly takenAt: Map<string, number>;
  /** By peer, or by peer and reservation. */
  readonly tallies: Map<string, Tally>;
  /** Holds that came too late, and are not taken back yet: tickets by reservation. */
  readonly voids: Map<string, number>;
  /** By place in the log. */
  readonly verdicts: Map<string, Verdict>;
  /** What participants have by their ledgers, by reservation: tickets held or sold. */
  readonly live: Map<string, { readonly quantity: number; readonly isSold: boolean }>;
}

export interface ContestOptions {
  readonly mode: Mode;
  /** Of the marketplaces that take part. */
  readonly clientIds: readonly string[];
}

/** What a marketplace has of a ticket at the end. */
export interface EndState {
  readonly clientId: string;
  readonly ticket: TicketId;
  readonly state: TicketState;
}

const nameOf = ({ matchNumber, category }: TicketId): string => `${matchNumber}:${category}`;
const keyOf = (clientId: string, reservationId: string): string =>
  reservationId === '' ? clientId : `${clientId}/${reservationId}`;

export class Contest {
  readonly #options: ContestOptions;
  readonly #entries = new Map<string, Entry>();
  /** Tickets sold that were not there. */
  oversold = 0;

  constructor(options: ContestOptions) {
    this.#options = options;
  }

  get #isOrdered(): boolean {
    return this.#options.mode === 'ordered';
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name);
    if (!entry) {
      entry = {
        capacity: null,
        capacityMin: Infinity,
        capacityMax: 0,
        early: [],
        taken: 0,
        takenAt: new Map(),
        tallies: new Map(),
        voids: new Map(),
        verdicts: new Map(),
        live: new Map(),
      };
      this.#entries.set(name, entry);
    }
    return entry;
  }

  // ---- the log ------------------------------------------------------------------------------------------

  recordWritten(record: LogRecord): void {
    if (record.topic === MASTERLIST_TOPIC) this.#list(record);
    if (record.topic !== SALES_TOPIC) return;
    const message = readMessage({ value: record.value?.toString() ?? null, headers: record.headers });
    const categories = new Set(message?.tickets.map(({ category }) => category));
    for (const category of categories) {
      const entry = this.#entry(nameOf({ matchNumber: message?.matchNumber ?? 0, category }));
      if (entry.capacity === null) entry.early.push(record);
      else this.#fold(entry, category, record);
    }
  }

  #list({ value }: LogRecord): void {
    const matches = JSON.parse(value?.toString() ?? '[]') as readonly {
      readonly matchNumber: number;
      readonly availability: Readonly<Record<string, { readonly available: number }>>;
    }[];
    for (const { matchNumber, availability } of matches) {
      for (const category of [1, 2, 3]) {
        const entry = this.#entry(nameOf({ matchNumber, category }));
        const { available = 0 } = availability[`category${category}`] ?? {};
        entry.capacityMin = Math.min(entry.capacityMin, available);
        entry.capacityMax = Math.max(entry.capacityMax, available);
        if (entry.capacity !== null) continue;
        entry.capacity = available;
        for (const record of entry.early.splice(0)) this.#fold(entry, category, record);
      }
    }
  }

  #fold(entry: Entry, category: number, record: LogRecord): void {
    const { headers, offset } = record;
    const message = readMessage({ value: record.value?.toString() ?? null, headers });
    message?.tickets.forEach(({ category: of, quantity }, index) => {
      if (of === category) {
        this.#count(entry, message, quantity, record, `${offset}/${index}`);
        entry.takenAt.set(`${offset}/${index}`, entry.taken);
      }
    });
  }

  #count(
    entry: Entry,
    { clientId, reservationId, action }: Message,
    quantity: number,
    { headers, timestamp }: LogRecord,
    place: string,
  ): void {
    const key = keyOf(clientId, reservationId);
    const takesPart = headers['admission'] === 'ordered' && reservationId !== '';
    if (action === 'TICKET_PENDING' && takesPart) {
      const isGranted = (entry.capacity ?? 0) - entry.taken >= quantity;
      const verdict: Verdict = { clientId, reservationId, quantity, isGranted, isDecided: false };
      entry.verdicts.set(place, verdict);
      if (!isGranted) {
        entry.voids.set(key, (entry.voids.get(key) ?? 0) + quantity);
        return;
      }
    }
    const rest = action === 'TICKET_CANCELLED' ? quantity - takeBack(entry, key, quantity) : quantity;
    if (rest === 0) return;
    const tally = entry.tallies.get(key) ?? emptyTally();
    entry.tallies.set(key, tally);
    const before = tally.held + tally.sold;
    if (action === 'TICKET_RESERVED') this.#checkSale(clientId, reservationId, tally, rest);
    take(tally, action, rest, timestamp, reservationId !== '');
    entry.taken += tally.held + tally.sold - before;
  }

  /** Of a participant: peers that only count may say what they like. */
  #checkSale(clientId: string, reservationId: string, { held }: Tally, quantity: number): void {
    if (!this.#isOrdered || !this.#options.clientIds.includes(clientId) || held >= quantity) return;
    throw new Violation(
      'sold when granted',
      `${clientId} sells ${quantity} of ${reservationId}, granted ${held}`,
    );
  }

  // ---- what marketplaces decide and sell ----------------------------------------------------------------

  /** It is in Redis: what a marketplace goes on from is what the log says of all that it has read. */
  committed(clientId: string, ticket: TicketId, events: readonly CommittedEvent[], state: TicketState): void {
    if (!this.#isOrdered) return;
    for (const event of events) this.#checkDecision(clientId, event);
    const { capacity, takenAt } = this.#entry(nameOf(ticket));
    const { ordered, opened } = state;
    const place = [...state.positions].find(([source]) => source.includes(`/${SALES_TOPIC}/`))?.[1];
    const mine = opened ? [capacity, place ? takenAt.get(`${place.offset}/${place.index}`) : 0].join() : '';
    const theirs = ordered ? [ordered.capacity, ordered.taken].join() : '';
    if (mine === theirs) return;
    const where = `${clientId} ${nameOf(ticket)} at ${place?.offset ?? 'the beginning'}`;
    throw new Violation('participants are equal', `${where}: capacity and taken are ${theirs}, not ${mine}`);
  }

  /** It is in the ledger of its marketplace for good. */
  appended(clientId: string, committed: CommittedEvent): void {
    const { ticket, event } = committed;
    const verdict = this.#isOrdered ? this.#checkDecision(clientId, committed) : null;
    if (verdict?.isDecided === true) {
      throw new Violation('decided once', `${clientId} ${nameOf(ticket)}: ${verdict.reservationId} again`);
    }
    if (verdict) verdict.isDecided = true;
    if ('reservation' in event) this.#keep(this.#entry(nameOf(ticket)), clientId, ticket, event.reservation);
  }

  /** Nothing but the place of a record decides a hold. Answers what the record of this event said, if it was a hold. */
  #checkDecision(clientId: string, { ticket, event }: CommittedEvent): Verdict | null {
    const record = recordOf(event);
    const verdict = record && this.#verdictAt(ticket, record.position);
    const where = `${clientId} ${nameOf(ticket)} ${event.type} at ${record?.position.offset ?? 'no place'}`;
    const fail = (why: string): never => {
      throw new Violation('decided by the place in the log', `${where}: ${why}`);
    };
    if (record && verdict && verdict.isGranted === record.isVoid) {
      fail(`${verdict.reservationId} of ${verdict.clientId} is ${verdict.isGranted ? 'granted' : 'void'}`);
    }
    if (event.type !== 'held' && event.type !== 'voided') return null;
    const { id, quantity } = event.type === 'held' ? event.reservation : event.asked.reservation;
    if (verdict?.clientId !== clientId || verdict.reservationId !== id || verdict.quantity !== quantity) {
      return fail(`${id} has no record there`);
    }
    if (verdict.isGranted !== (event.type === 'held') && !this.#isLowered(ticket, event.type)) {
      fail(`${id} is ${verdict.isGranted ? 'granted' : 'void'}`);
    }
    return verdict;
  }

  /** What the log grants need not be given, when a later list has lowered what there is. */
  #isLowered(ticket: TicketId, type: 'held' | 'voided'): boolean {
    const { capacity, capacityMin } = this.#entry(nameOf(ticket));
    return type === 'voided' && capacityMin < (capacity ?? 0);
  }

  #verdictAt(ticket: TicketId, { offset, index }: LogPosition): Verdict | undefined {
    return this.#entry(nameOf(ticket)).verdicts.get(`${offset}/${index}`);
  }

  #keep(entry: Entry, clientId: string, ticket: TicketId, { id, status, quantity }: Reservation): void {
    const key = keyOf(clientId, id);
    const before = entry.live.get(key);
    const isSold = status === 'RESERVED';
    if (!isSold && status !== 'PENDING' && status !== 'PAYING') entry.live.delete(key);
    else entry.live.set(key, { quantity, isSold });
    const all = [...entry.live.values()];
    const sum = (of: typeof all): number => of.reduce((total, one) => total + one.quantity, 0);
    const sold = sum(all.filter((one) => one.isSold));
    if (isSold && before?.isSold !== true) {
      this.oversold += Math.min(quantity, Math.max(0, sold - entry.capacityMax));
    }
    if (!this.#isOrdered || sum(all) <= (entry.capacity ?? 0)) return;
    const what = isSold && sold > (entry.capacity ?? 0) ? 'sold' : 'sold or held';
    throw new Violation(
      'no oversell',
      `${nameOf(ticket)}: ${sum(all)} of ${entry.capacity} are ${what} with ${key}`,
    );
  }

  // ---- the end ------------------------------------------------------------------------------------------

  /** Everything is quiet: whoever took part has what the log says, and answered all that it asked for. */
  atEnd(states: readonly EndState[]): void {
    if (!this.#isOrdered) return;
    for (const [name, { verdicts }] of this.#entries) {
      for (const [place, { clientId, reservationId, isDecided }] of verdicts) {
        if (isDecided || !this.#options.clientIds.includes(clientId)) continue;
        throw new Violation(
          'decided in the end',
          `${name}: ${clientId} asked for ${reservationId} at ${place}`,
        );
      }
    }
    for (const { clientId, ticket, state } of states) {
      const { capacity, taken, tallies } = this.#entry(nameOf(ticket));
      const mine = [capacity, taken, ...talliesOf(tallies)].join(' ');
      const { ordered, asked } = state;
      const head = [ordered?.capacity ?? null, ordered?.taken ?? 0];
      // What it makes of its own records, and what it has done itself.
      for (const theirs of [
        [...head, ...talliesIn(state, clientId, loggedIn(state))].join(' '),
        [...head, ...talliesIn(state, clientId, reservedIn(state))].join(' '),
      ]) {
        if (mine === theirs) continue;
        throw new Violation('participants are equal', `${clientId} ${nameOf(ticket)}: ${theirs} for ${mine}`);
      }
      if (asked.size > 0) {
        throw new Violation(
          'decided in the end',
          `${clientId} ${nameOf(ticket)} waits for ${[...asked.keys()].join()}`,
        );
      }
    }
  }
}

/** The record of the log behind an event, and whether it is said to be a hold that was not granted. */
function recordOf(
  event: CommittedEvent['event'],
): { readonly position: LogPosition; readonly isVoid: boolean } | null {
  switch (event.type) {
    case 'held':
    case 'voided':
      return event.logged ? { position: event.logged.position, isVoid: event.logged.isVoid === true } : null;
    case 'logged':
    case 'remote':
      return event.position ? { position: event.position, isVoid: event.isVoid === true } : null;
    default:
      return null;
  }
}

/** How much of a CANCELLED takes back a hold that came too late. */
function takeBack({ voids }: Entry, key: string, quantity: number): number {
  const back = Math.min(voids.get(key) ?? 0, quantity);
  if (back > 0) voids.set(key, (voids.get(key) ?? 0) - back);
  return back;
}

const talliesOf = (tallies: ReadonlyMap<string, Tally>): readonly string[] =>
  [...tallies]
    .filter(([, { held, sold }]) => held + sold > 0)
    .map(([key, { held, sold }]) => `${key}=${held}+${sold}`)
    .sort();

type Own = Iterable<readonly [id: string, tally: Pick<Tally, 'held' | 'sold'>]>;

/** What a marketplace knows of its peers and of its own reservations, in the same words. */
function talliesIn({ remote }: TicketState, clientId: string, own: Own): readonly string[] {
  const all = new Map<string, Tally>();
  for (const [key, { held, sold }] of remote) all.set(key, { ...emptyTally(), held, sold });
  for (const [id, { held, sold }] of own) all.set(keyOf(clientId, id), { ...emptyTally(), held, sold });
  return talliesOf(all);
}

const loggedIn = ({ logged }: TicketState): Own => logged;
const reservedIn = ({ reservations }: TicketState): Own =>
  [...reservations.values()].map(({ id, quantity, status }) => {
    const isSold = status === 'RESERVED';
    return [id, { held: isSold ? 0 : quantity, sold: isSold ? quantity : 0 }];
  });

/** Tickets that buyers of more than one marketplace wanted, and more of them than there are. */
export function contestedOf(ops: readonly Op[]): number {
  const capacities = new Map<string, number>();
  const holds = new Map<string, HoldOp[]>();
  for (const op of ops) {
    if (op.kind === 'list') {
      for (const [matchNumber, category, available] of op.available) {
        const name = nameOf({ matchNumber, category });
        capacities.set(name, Math.max(available, capacities.get(name) ?? 0));
      }
    }
    if (op.kind !== 'hold') continue;
    const name = nameOf(op.ticket);
    holds.set(name, [...(holds.get(name) ?? []), op]);
  }
  let contested = 0;
  for (const [name, wanted] of holds) {
    const capacity = capacities.get(name) ?? 0;
    const markets = new Set(wanted.map(({ market }) => market));
    const quantity = wanted.reduce((sum, op) => sum + op.quantity, 0);
    if (markets.size > 1 && quantity > capacity) contested += capacity;
  }
  return contested;
}
