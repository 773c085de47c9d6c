/**
 * The ledgers of all tickets, on chains of entries that need no transactions (chain.ts).
 *
 *  - The events that one append brings for a ticket are one entry: all of them are there, or none.
 *  - Opening an incarnation is an entry too, without events. A writer that slept finds its number taken,
 *    reads the chain again, and finds itself fenced; or it came first, and its events are a part of the
 *    history that the opener is told of.
 *  - An append whose outcome was not known is repeated: its entry is found, or added now.
 *
 * Calls that arrive while a group is on its way make up the next one. A group is two round trips, whatever
 * the number of its tickets: entries, then reservations.
 */
import type { TicketId } from '../../rules/index.js';
import {
  ArchiveUnavailableError,
  type AppendBatch,
  type AppendResult,
  type CommittedEvent,
  type LedgerPosition,
} from '../port.js';
import type { Chains } from './chain.js';
import type { Addition, Tail } from './entry.js';
import { positionKey, ticketName } from './layout.js';
import { checkBatch } from '../append-checks.js';
import { planAppends, type Call, type Known, type Plan } from './plan.js';
import type { MongoServer } from './server.js';

/** Calls that may wait for the ones before them; more are refused as unavailable. */
const CALLS_WAITING_MAX = 20_000;
/** Calls join a group up to this many events; a larger one is a group by itself. */
const GROUP_EVENTS_MAX = 2_000;
/** Chains read at once, which leaves connections for others. */
const CHAINS_AT_ONCE = 6;

interface WaitingCall extends Call {
  readonly settle: (results: readonly AppendResult[]) => void;
  readonly reject: (error: unknown) => void;
}

export class Ledger {
  readonly #server: MongoServer;
  readonly #chains: Chains;
  /** Ends of chains as this process knows them, by ticket name. */
  readonly #tails = new Map<string, Tail>();
  #waiting: WaitingCall[] = [];
  #isDraining = false;

  constructor(server: MongoServer, chains: Chains) {
    this.#server = server;
    this.#chains = chains;
  }

  async append(batches: readonly AppendBatch[]): Promise<readonly AppendResult[]> {
    for (const batch of batches) checkBatch(batch);
    if (this.#waiting.length >= CALLS_WAITING_MAX) {
      throw new ArchiveUnavailableError(`${CALLS_WAITING_MAX} appends already wait for MongoDB`);
    }
    return new Promise((settle, reject) => {
      this.#waiting.push({ batches, results: batches.map(() => undefined), settle, reject });
      if (!this.#isDraining) void this.#drain();
    });
  }

  async openIncarnation(
    ticket: TicketId,
  ): Promise<{ readonly incarnation: number; readonly head: LedgerPosition | null }> {
    const tail = await this.#chains.open(ticket);
    this.#remember(ticket, tail);
    return { incarnation: tail.incarnation, head: tail.head };
  }

  /** Never rejects. */
  async #drain(): Promise<void> {
    this.#isDraining = true;
    // Everything that is appended in this turn joins the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#appendGroup(this.#nextGroup());
    // In the same step as the last look at what waits, so that no call slips in between and is forgotten.
    this.#isDraining = false;
  }

  #nextGroup(): readonly WaitingCall[] {
    let room = GROUP_EVENTS_MAX;
    const end = this.#waiting.findIndex(({ batches }, index) => {
      room -= batches.reduce((sum, { events }) => sum + events.length, 0);
      return index > 0 && room < 0;
    });
    return this.#waiting.splice(0, end < 0 ? Infinity : end);
  }

  /** Never rejects. */
  async #appendGroup(calls: readonly WaitingCall[]): Promise<void> {
    let open = calls;
    try {
      await this.#server.untilDecided(async () => {
        open = await this.#appendOpen(open);
        return open.length === 0 ? true : null;
      });
    } catch (error) {
      for (const { reject } of open) reject(error);
    }
  }

  /** Tries once, answers the calls that are decided, and returns the others: of those another was faster. */
  async #appendOpen(calls: readonly WaitingCall[]): Promise<readonly WaitingCall[]> {
    const { additions, answers, refused } = await this.#plan(calls);
    const lost = additions.length > 0 ? await this.#add(additions) : new Set();
    for (const [call, error] of refused) call.reject(error);
    const open: WaitingCall[] = [];
    for (const [call, answer] of answers) {
      for (const [index, result] of answer) {
        const ticket = call.batches[index]?.ticket;
        if (ticket && !lost.has(ticketName(ticket))) call.results[index] = result;
      }
      const results = call.results.filter((result) => result !== undefined);
      if (results.length === call.batches.length) call.settle(results);
      else open.push(call);
    }
    return open;
  }

  async #plan(calls: readonly WaitingCall[]): Promise<Plan<WaitingCall>> {
    const open = openBatches(calls);
    const known = new Map<string, Known>();
    for (const name of open.keys()) {
      const tail = this.#tails.get(name);
      if (tail) known.set(name, { tail, fresh: false, stored: new Map() });
    }
    await this.#learn(open, (name) => !known.has(name), known);
    for (;;) {
      const plan = planAppends(calls, known);
      if (plan.doubtful.size === 0) return plan;
      await this.#learn(open, (name) => plan.doubtful.has(name), known);
    }
  }

  /** Reads the chains of some of the tickets, with the stored events that their batches repeat. */
  async #learn(
    open: ReadonlyMap<string, readonly AppendBatch[]>,
    isWanted: (name: string) => boolean,
    known: Map<string, Known>,
  ): Promise<void> {
    const wanted = [...open].filter(([name]) => isWanted(name)).values();
    const learnNext = async (): Promise<void> => {
      for (const [name, batches] of wanted) {
        const [first] = batches;
        if (first) known.set(name, await this.#know(first.ticket, batches));
      }
    };
    await Promise.all(Array.from({ length: CHAINS_AT_ONCE }, learnNext));
  }

  async #know(ticket: TicketId, batches: readonly AppendBatch[]): Promise<Known> {
    const tail = await this.#chains.tail(ticket);
    this.#remember(ticket, tail);
    const stored = new Map<string, CommittedEvent>();
    const head = positionKey(tail.head);
    const repeated = batches
      .flatMap(({ events, incarnation }) => (incarnation < tail.incarnation ? [] : events))
      .filter((event) => positionKey(event) <= head);
    if (repeated.length === 0) return { tail, fresh: true, stored };
    const sequences = repeated.map(({ sequence }) => sequence);
    const { incarnation } = tail;
    const before = { incarnation, sequence: sequences.reduce((a, b) => Math.min(a, b)) - 1 };
    const last = positionKey({ incarnation, sequence: sequences.reduce((a, b) => Math.max(a, b)) });
    for await (const event of this.#chains.events(ticket, before)) {
      stored.set(positionKey(event), event);
      if (positionKey(event) >= last) break;
    }
    return { tail, fresh: true, stored };
  }

  /** Answers the names of the tickets in which another was faster. */
  async #add(additions: readonly Addition[]): Promise<ReadonlySet<string>> {
    const lost = await this.#chains.add(additions);
    for (const addition of additions) {
      const { ticket, after, incarnation, head } = addition;
      if (lost.has(addition)) this.#tails.delete(ticketName(ticket));
      else this.#remember(ticket, { number: after.number + 1, incarnation, head });
    }
    return new Set([...lost].map(({ ticket }) => ticketName(ticket)));
  }

  #remember(ticket: TicketId, tail: Tail): void {
    const name = ticketName(ticket);
    const known = this.#tails.get(name);
    if (!known || known.number < tail.number) this.#tails.set(name, tail);
  }
}

/** The open batches of the calls, by ticket name. */
function openBatches(calls: readonly Call[]): ReadonlyMap<string, readonly AppendBatch[]> {
  const open = new Map<string, AppendBatch[]>();
  for (const { batches, results } of calls) {
    batches.forEach((batch, index) => {
      if (results[index] !== undefined) return;
      const name = ticketName(batch.ticket);
      const list = open.get(name);
      if (list) list.push(batch);
      else open.set(name, [batch]);
    });
  }
  return open;
}
