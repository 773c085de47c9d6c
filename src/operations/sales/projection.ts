/**
 * From the ledgers to the figures of sales.
 *
 * Guarantees: every event of every ledger is counted exactly once, whoever dies or is away in between, however many
 * processes count, and whatever was rebuilt: a ledger only ever grows at its end, and an event that is archived anew
 * under a later incarnation is in it only there. Months are written first, the ticket's cursor after them; each month
 * knows up to where it counts. Nothing that sells waits for it, and one step of a ticket is bounded.
 *
 * The ledgers are looked at shortly after their tickets changed, and all of them now and then, since changes are
 * heard of only as long as nothing fails.
 */
import { comparePositions } from '../../actors/position.js';
import type { Clock } from '../../actors/ports.js';
import type { Archive, CommittedEvent, LedgerPosition } from '../../archive/port.js';
import { each } from '../../process/each.js';
import type { Logger } from '../../process/log.js';
import { ticketName } from '../../redis/keys.js';
import type { TicketId } from '../../rules/index.js';
import { factOf, priceAfter } from './facts.js';
import { monthOf, type PlacedFact } from './month.js';
import { NEW_CURSOR, type SalesCursor, type SalesRecords } from './records.js';

export interface SalesProjectionOptions {
  readonly archive: Pick<Archive, 'events' | 'head'>;
  readonly records: SalesRecords;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Every ticket there is. */
  readonly tickets: () => readonly TicketId[];
  /** Tells of tickets that changed, and when changes may have been missed. Answers how to end it. */
  readonly subscribe?: (onChange: (ticket: TicketId) => void, onReset: () => void) => () => void;
  /** Between two looks at tickets that changed. */
  readonly everyMs?: number;
  /** Between two looks at all of them. */
  readonly sweepMs?: number;
  /** Events of one ticket that are counted before others have their turn. */
  readonly stepEventsMax?: number;
}

/** How far the figures are. */
export interface Standing {
  /** Epoch milliseconds; null while that is not known. */
  readonly asOf: number | null;
  /** False while there are events that are not counted. */
  readonly isComplete: boolean;
}

const EVERY_MS = 2_000;
const SWEEP_MS = 60_000;
/** A change is heard of before it is archived: so long its ticket is looked at. */
const HOT_MS = 20_000;
const STEP_EVENTS_MAX = 2_000;
/** Tickets worked on at once. */
const TICKETS_AT_ONCE = 4;
const HEADS_AT_ONCE = 8;

export class SalesProjection {
  readonly #options: SalesProjectionOptions;
  /** Until when a ticket is looked at, by name. */
  readonly #hot = new Map<string, { readonly ticket: TicketId; readonly until: number }>();
  /** Tickets with events that are not counted, with the time of the last one that is. */
  readonly #behind = new Map<string, { readonly ticket: TicketId; readonly at: number }>();
  /** As they were read or written last. */
  #cursors: Map<string, SalesCursor> | null = null;
  #sweptAt: number | null = null;
  /** As of the last pass that came to its end. */
  #standing: Standing = { asOf: null, isComplete: false };
  #isFailing = false;
  #timer: (() => void) | null = null;
  #unsubscribe: () => void = () => undefined;
  #working: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(options: SalesProjectionOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, subscribe } = this.#options;
    this.#isStopped = false;
    const heard = (ticket: TicketId): void => {
      this.#hot.set(ticketName(ticket), { ticket, until: clock.now() + HOT_MS });
    };
    this.#unsubscribe = subscribe?.(heard, () => (this.#sweptAt = null)) ?? this.#unsubscribe;
    this.#work();
  }

  /** Resolves when the step under way is done: what it has not counted is counted after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#timer?.();
    await this.#working;
  }

  standing(): Standing {
    return this.#standing;
  }

  #work(): void {
    this.#working = this.#pass().then(
      () => this.#again(this.#behind.size > 0),
      (error: unknown) => {
        if (!this.#isFailing) {
          this.#options.logger.warn({ err: error }, 'sales cannot be counted now; trying again');
        }
        this.#isFailing = true;
        this.#again(false);
      },
    );
  }

  #again(isBehind: boolean): void {
    if (this.#isStopped) return;
    const { clock, everyMs = EVERY_MS } = this.#options;
    // Others that run here have their turn in between.
    this.#timer = clock.schedule(isBehind ? 0 : everyMs, () => this.#work());
  }

  async #pass(): Promise<void> {
    const { clock, sweepMs = SWEEP_MS } = this.#options;
    const now = clock.now();
    const isSweep = this.#sweptAt === null || now - this.#sweptAt >= sweepMs;
    if (isSweep) this.#sweptAt = now;
    try {
      await this.#look(isSweep ? this.#options.tickets() : this.#changed(now));
      // At the first start the rest may take long.
      if (this.#standing.asOf === null) this.#stand(now);
      await each([...this.#behind.values()], TICKETS_AT_ONCE, async ({ ticket }) => {
        if (!this.#isStopped) await this.#step(ticket);
      });
    } catch (error) {
      if (isSweep) this.#sweptAt = null;
      throw error;
    }
    this.#stand(now);
    this.#isFailing = false;
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

  /** Finds out which of them have events that are not counted. */
  async #look(tickets: readonly TicketId[]): Promise<void> {
    const { archive, records } = this.#options;
    this.#cursors ??= new Map(await records.cursors());
    const cursors = this.#cursors;
    await each(tickets, HEADS_AT_ONCE, async (ticket) => {
      const name = ticketName(ticket);
      const head = await archive.head(ticket);
      const cursor = cursors.get(name) ?? NEW_CURSOR;
      if (head && comparePositions(head, cursor) > 0) this.#behind.set(name, { ticket, at: cursor.at });
    });
  }

  /** Counts the next events of a ticket. */
  async #step(ticket: TicketId): Promise<void> {
    const { archive, records, stepEventsMax = STEP_EVENTS_MAX } = this.#options;
    const name = ticketName(ticket);
    // Another process may have counted meanwhile.
    const from = await records.cursor(name);
    const events: CommittedEvent[] = [];
    let isMore = false;
    for await (const event of archive.events(ticket, from.incarnation === 0 ? null : from)) {
      if (events.length >= stepEventsMax) {
        isMore = true;
        break;
      }
      events.push(event);
    }
    const cursor = await this.#count(name, from, events);
    this.#cursors?.set(name, cursor);
    if (isMore) this.#behind.set(name, { ticket, at: cursor.at });
    else this.#behind.delete(name);
  }

  async #count(name: string, from: SalesCursor, events: readonly CommittedEvent[]): Promise<SalesCursor> {
    const { records } = this.#options;
    const last = events.at(-1);
    if (!last) return from;
    let { price, currency } = from;
    const facts = new Map<string, PlacedFact[]>();
    for (const { event, ...place } of events) {
      ({ price, currency } = priceAfter(event, { price, currency }));
      const fact = factOf(event, { price, currency });
      if (!fact) continue;
      const month = monthOf(fact.at);
      const placed = facts.get(month) ?? [];
      facts.set(month, placed);
      placed.push({ position: positionOf(place), fact });
    }
    const through = positionOf(last);
    const months: Record<string, number> = {};
    for (const [month, placed] of facts) months[month] = await records.count(name, month, placed, through);
    return records.moveCursor(name, {
      ...through,
      at: last.event.at,
      price,
      currency,
      months: { ...from.months, ...months },
    });
  }
}

const positionOf = ({ incarnation, sequence }: LedgerPosition): LedgerPosition => ({ incarnation, sequence });
