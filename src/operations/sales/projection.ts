/**
 * From the ledgers to the figures of sales.
 *
 * Guarantees: every event of every ledger is counted exactly once, whoever dies or is away in between, however many
 * processes count, and whatever was rebuilt: a ledger only ever grows at its end, and an event that is archived anew
 * under a later incarnation is in it only there. Months are written first, the ticket's cursor after them; each month
 * knows up to where it counts. Nothing that sells waits for it, and one step of a ticket is bounded. Which ledgers are
 * looked at when: src/archive/ledger-walk.ts.
 */
import type { Clock } from '../../actors/ports.js';
import {
  LedgerWalk,
  readOn,
  type LedgerWalkOptions,
  type ReadThrough,
  type Standing,
} from '../../archive/ledger-walk.js';
import type { Archive, CommittedEvent, LedgerPosition } from '../../archive/port.js';
import { each } from '../../process/each.js';
import type { Logger } from '../../process/log.js';
import { ticketName } from '../../redis/keys.js';
import type { TicketId } from '../../rules/index.js';
import { factOf, priceAfter } from './facts.js';
import { monthOf, type PlacedFact } from './month.js';
import type { SalesCursor, SalesRecords } from './records.js';

export interface SalesProjectionOptions extends Pick<
  LedgerWalkOptions,
  'clock' | 'tickets' | 'subscribe' | 'sweepMs'
> {
  readonly archive: Pick<Archive, 'events' | 'head'>;
  readonly records: SalesRecords;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Between two looks at tickets that changed. */
  readonly everyMs?: number;
  /** Events of one ticket that are counted before others have their turn. */
  readonly stepEventsMax?: number;
}

const EVERY_MS = 2_000;
const STEP_EVENTS_MAX = 2_000;
/** Tickets worked on at once. */
const TICKETS_AT_ONCE = 4;

export class SalesProjection {
  readonly #options: SalesProjectionOptions;
  readonly #walk: LedgerWalk;
  /** As they were read or written last. */
  #cursors: Map<string, SalesCursor> | null = null;
  #isFailing = false;
  #timer: (() => void) | null = null;
  #working: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(options: SalesProjectionOptions) {
    this.#options = options;
    this.#walk = new LedgerWalk({ ...options, cursors: () => this.#read() });
  }

  start(): void {
    this.#isStopped = false;
    this.#walk.start();
    this.#work();
  }

  /** Resolves when the step under way is done: what it has not counted is counted after the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#walk.stop();
    this.#timer?.();
    await this.#working;
  }

  standing(): Standing {
    return this.#walk.standing();
  }

  #work(): void {
    this.#working = this.#pass().then(
      () => this.#again(this.#walk.isBehind),
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
    await this.#walk.pass((behind, done) =>
      each(behind, TICKETS_AT_ONCE, async ({ ticket }) => {
        if (!this.#isStopped) done(ticket, await this.#step(ticket));
      }),
    );
    this.#isFailing = false;
  }

  async #read(): Promise<ReadonlyMap<string, ReadThrough>> {
    this.#cursors ??= new Map(await this.#options.records.cursors());
    return this.#cursors;
  }

  /** Counts the next events of a ticket. */
  async #step(ticket: TicketId): Promise<{ readonly at: number; readonly isMore: boolean }> {
    const { archive, records, stepEventsMax = STEP_EVENTS_MAX } = this.#options;
    const name = ticketName(ticket);
    // Another process may have counted meanwhile.
    const from = await records.cursor(name);
    const { events, isMore } = await readOn(archive, ticket, from, stepEventsMax);
    const cursor = await this.#count(name, from, events);
    this.#cursors?.set(name, cursor);
    return { at: cursor.at, isMore };
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
