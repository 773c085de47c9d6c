/**
 * Which ledgers have more than somebody has read of them. Guarantee: whoever passes again and again reads every event
 * of every ledger there is: ledgers are looked at shortly after their tickets changed, and all of them now and then,
 * since changes are heard of only as long as nothing fails.
 */
import { comparePositions } from '../actors/position.js';
import type { Clock } from '../actors/ports.js';
import { each } from '../process/each.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import type { Archive, CommittedEvent, LedgerPosition } from './port.js';

/** How far a ledger was read, and the time of the newest event that was, epoch milliseconds. */
export interface ReadThrough extends LedgerPosition {
  readonly at: number;
}

export interface LedgerWalkOptions {
  readonly archive: Pick<Archive, 'head'>;
  readonly clock: Clock;
  /** Every ticket there is. */
  readonly tickets: () => readonly TicketId[];
  /** Tells of tickets that changed, and when changes may have been missed. Answers how to end it. */
  readonly subscribe?: (onChange: (ticket: TicketId) => void, onReset: () => void) => () => void;
  /** How far each was read, by name of the ticket. */
  readonly cursors: () => Promise<ReadonlyMap<string, ReadThrough>>;
  /** Between two looks at all of them. */
  readonly sweepMs?: number;
}

/** How far somebody who reads the ledgers is. */
export interface Standing {
  /** Epoch milliseconds; null while that is not known. */
  readonly asOf: number | null;
  /** False while there are events that were not read. */
  readonly isComplete: boolean;
}

/** A ledger with events that were not read, and the time of the last one that was. */
export interface Behind {
  readonly ticket: TicketId;
  readonly at: number;
}

/** What was read of a ledger, and whether there is more. */
export type Done = (ticket: TicketId, read: { readonly at: number; readonly isMore: boolean }) => void;

const SWEEP_MS = 60_000;
/** A change is heard of before it is archived: so long its ticket is looked at. */
const HOT_MS = 20_000;
const HEADS_AT_ONCE = 8;

export class LedgerWalk {
  readonly #options: LedgerWalkOptions;
  /** Until when a ticket is looked at, by name. */
  readonly #hot = new Map<string, { readonly ticket: TicketId; readonly until: number }>();
  readonly #behind = new Map<string, Behind>();
  #sweptAt: number | null = null;
  /** As of the last pass that came to its end. */
  #standing: Standing = { asOf: null, isComplete: false };
  #unsubscribe: () => void = () => undefined;

  constructor(options: LedgerWalkOptions) {
    this.#options = options;
  }

  /** Begins to listen. */
  start(): void {
    const { clock, subscribe } = this.#options;
    const heard = (ticket: TicketId): void => {
      this.#hot.set(ticketName(ticket), { ticket, until: clock.now() + HOT_MS });
    };
    this.#unsubscribe = subscribe?.(heard, () => (this.#sweptAt = null)) ?? this.#unsubscribe;
  }

  stop(): void {
    this.#unsubscribe();
  }

  standing(): Standing {
    return this.#standing;
  }

  get isBehind(): boolean {
    return this.#behind.size > 0;
  }

  /** Everything is to be read anew. */
  reset(): void {
    this.#behind.clear();
    this.#sweptAt = null;
    this.#standing = { asOf: null, isComplete: false };
  }

  /** Looks, and has those read on that are behind; `read` says of each that it read. */
  async pass(read: (behind: readonly Behind[], done: Done) => Promise<void>): Promise<void> {
    const { clock, sweepMs = SWEEP_MS } = this.#options;
    const now = clock.now();
    const isSweep = this.#sweptAt === null || now - this.#sweptAt >= sweepMs;
    if (isSweep) this.#sweptAt = now;
    try {
      await this.#look(isSweep ? this.#options.tickets() : this.#changed(now));
      // At the first start the rest may take long.
      if (this.#standing.asOf === null) this.#stand(now);
      await read([...this.#behind.values()], (ticket, { at, isMore }) => {
        const name = ticketName(ticket);
        if (isMore) this.#behind.set(name, { ticket, at });
        else this.#behind.delete(name);
      });
    } catch (error) {
      if (isSweep) this.#sweptAt = null;
      throw error;
    }
    this.#stand(now);
  }

  /** `lookedAt`: what is not behind was complete then. */
  #stand(lookedAt: number): void {
    const times = [...this.#behind.values()].map(({ at }) => at);
    const asOf = Math.min(lookedAt, ...times);
    this.#standing = { asOf: asOf > 0 ? asOf : null, isComplete: times.length === 0 };
  }

  #changed(now: number): readonly TicketId[] {
    for (const [name, { until }] of this.#hot) if (until < now) this.#hot.delete(name);
    return [...this.#hot.values()].map(({ ticket }) => ticket);
  }

  /** Finds out which of them have events that were not read. */
  async #look(tickets: readonly TicketId[]): Promise<void> {
    const { archive, cursors } = this.#options;
    const read = await cursors();
    await each(tickets, HEADS_AT_ONCE, async (ticket) => {
      const name = ticketName(ticket);
      const head = await archive.head(ticket);
      const cursor = read.get(name) ?? { incarnation: 0, sequence: 0, at: 0 };
      if (head && comparePositions(head, cursor) > 0) this.#behind.set(name, { ticket, at: cursor.at });
    });
  }
}

/** The next events of a ledger, so many at most, and whether there are more. */
export async function readOn(
  archive: Pick<Archive, 'events'>,
  ticket: TicketId,
  from: LedgerPosition,
  eventsMax: number,
): Promise<{ readonly events: readonly CommittedEvent[]; readonly isMore: boolean }> {
  const events: CommittedEvent[] = [];
  for await (const event of archive.events(ticket, from.incarnation === 0 ? null : from)) {
    if (events.length >= eventsMax) return { events, isMore: true };
    events.push(event);
  }
  return { events, isMore: false };
}
