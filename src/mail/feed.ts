/**
 * From the ledgers to the outbox of mails.
 *
 * Guarantees: every archived fact that asks for a mail has one in the outbox sooner or later, whatever dies or is
 * away, and nothing that commits, archives or sells ever waits for it. The relay says what it has just archived;
 * what follows on what is known already is queued from memory. Anything else (a gap, a failure, too much at once,
 * events that a dead process archived last) is read from the ledger, behind a cursor that is kept per ticket. A
 * sweep compares cursors with ledgers, for tickets that nobody speaks of any more. Facts may be read twice: their
 * mails have the same ids.
 */
import { z } from 'zod';
import { comparePositions, formatPosition } from '../actors/position.js';
import type { Clock } from '../actors/ports.js';
import {
  Collection,
  writtenDocument,
  type CollectionRules,
  type Documents,
  type KeptDocument,
} from '../archive/documents.js';
import type { Archive, CommittedEvent, LedgerPosition } from '../archive/port.js';
import { each } from '../process/each.js';
import type { Logger } from '../process/log.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { UnqueueableError, type MailRecords } from './records.js';
import { isMailed, mailOf } from './sources.js';

export interface MailFeedOptions {
  readonly archive: Pick<Archive, 'events' | 'head'> & Documents;
  readonly mails: Pick<MailRecords, 'add'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Every ticket there is. */
  readonly tickets: () => readonly TicketId[];
  /** Between two comparisons of all cursors with their ledgers. */
  readonly sweepMs?: number;
  /** Mails were queued. */
  readonly onQueued?: () => void;
}

const SWEEP_MS = 60_000;
/** Facts older than this are not mailed about: a ledger that was never looked through may be long. */
export const MAILED_FACT_MS = 3 * 24 * 60 * 60_000;
/** Events that wait in memory to be mailed about, of all tickets; what is more is read from the ledger. */
const WAITING_MAX = 20_000;
/** Tickets worked on at once, and mails of one queued at once. */
const TICKETS_AT_ONCE = 4;
const MAILS_AT_ONCE = 16;
/** Events of a ledger that are read before their mails are queued. */
const READ_EVENTS_MAX = 500;
/** Cursors that moved are written together this much later: what is read twice for it changes nothing. */
const CURSOR_DELAY_MS = 2_000;
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;
const HEADS_AT_ONCE = 8;

const cursorSchema = z.object({ incarnation: z.number().int(), sequence: z.number().int() });

const RULES: CollectionRules<'mailCursors', typeof cursorSchema> = {
  name: 'mailCursors',
  schema: cursorSchema,
  lists: (_, id) => ({ all: id }),
};

/** For a restore: a cursor that says that a ledger was looked through up to here. */
export function cursorAt(ticket: TicketId, { incarnation, sequence }: LedgerPosition): KeptDocument {
  return { version: 1, ...writtenDocument(RULES, ticketName(ticket), { incarnation, sequence }) };
}

/** Archived events in a row, of which only those that ask for mails are kept. */
interface Heard {
  readonly first: LedgerPosition;
  last: LedgerPosition;
  readonly events: CommittedEvent[];
}

interface Lane {
  readonly ticket: TicketId;
  readonly name: string;
  /** Looked through up to here; undefined: not known yet. */
  cursor: LedgerPosition | undefined;
  heard: Heard | null;
  /** Something is in the ledger that was not heard. */
  isBehind: boolean;
  isBusy: boolean;
  isCursorDue: boolean;
}

const START: LedgerPosition = { incarnation: 0, sequence: 0 };

export class MailFeed {
  readonly #options: MailFeedOptions;
  readonly #cursors: Collection<'mailCursors', typeof cursorSchema>;
  readonly #lanes = new Map<string, Lane>();
  readonly #waiting = new Set<Lane>();
  readonly #working = new Set<Promise<void>>();
  /** Cursors that the last sweep found behind their ledgers. */
  #lagging = new Map<string, string>();
  #events = 0;
  #failures = 0;
  #retry: (() => void) | null = null;
  #cursorTimer: (() => void) | null = null;
  #sweepTimer: (() => void) | null = null;
  #sweeping: Promise<void> = Promise.resolve();
  #isStopped = true;

  constructor(options: MailFeedOptions) {
    this.#options = options;
    this.#cursors = new Collection(options.archive, RULES);
  }

  /** Begins with what others may have left. */
  start(): void {
    this.#isStopped = false;
    this.#sweep(true);
  }

  /** Queues what it heard of as far as that is possible at once; the rest is in the ledgers. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#sweepTimer?.();
    this.#retry?.();
    await this.#sweeping;
    while (this.#working.size > 0) await Promise.all(this.#working);
    this.#cursorTimer?.();
    await this.#writeCursors();
  }

  /** Told by the relay, in order, what it has just archived of a ticket. Never throws and takes no time. */
  heard(ticket: TicketId, events: readonly CommittedEvent[]): void {
    const [first] = events;
    const last = events.at(-1);
    if (!first || !last || this.#isStopped) return;
    const lane = this.#laneOf(ticket);
    const mailed = events.filter(isMailed);
    if (this.#events + mailed.length > WAITING_MAX) this.#forget(lane);
    else {
      const { heard } = lane;
      if (heard && isNext(heard.last, first)) {
        heard.last = positionOf(last);
        heard.events.push(...mailed);
      } else {
        this.#events -= heard?.events.length ?? 0;
        lane.heard = { first: positionOf(first), last: positionOf(last), events: mailed };
      }
      this.#events += mailed.length;
    }
    this.#kick(lane);
  }

  #laneOf(ticket: TicketId): Lane {
    const name = ticketName(ticket);
    let lane = this.#lanes.get(name);
    if (!lane) {
      lane = {
        ticket,
        name,
        cursor: undefined,
        heard: null,
        isBehind: false,
        isBusy: false,
        isCursorDue: false,
      };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  /** What is in memory of it is dropped: the ledger has it. */
  #forget(lane: Lane): void {
    this.#events -= lane.heard?.events.length ?? 0;
    lane.heard = null;
    lane.isBehind = true;
  }

  #kick(lane: Lane): void {
    this.#waiting.add(lane);
    this.#work();
  }

  #work(): void {
    // While something is away, its next try takes everything along.
    if (this.#retry !== null) return;
    while (this.#working.size < Math.min(TICKETS_AT_ONCE, this.#waiting.size)) {
      const working = this.#run().finally(() => this.#working.delete(working));
      this.#working.add(working);
    }
  }

  async #run(): Promise<void> {
    // Everything archived in this turn joins.
    await Promise.resolve();
    for (let lane = this.#next(); lane; lane = this.#next()) {
      lane.isBusy = true;
      try {
        await this.#advance(lane);
        this.#failures = 0;
      } catch (error) {
        this.#forget(lane);
        this.#waiting.add(lane);
        this.#failed(lane, error);
        return;
      } finally {
        lane.isBusy = false;
      }
    }
  }

  /** One at a time works on a ticket; what is heard of it meanwhile is looked at after. */
  #next(): Lane | undefined {
    for (const lane of this.#waiting) {
      if (lane.isBusy) continue;
      this.#waiting.delete(lane);
      return lane;
    }
    return undefined;
  }

  #failed(lane: Lane, error: unknown): void {
    const { clock, logger } = this.#options;
    this.#failures += 1;
    if (this.#failures === 1) {
      logger.warn(
        { err: error, ticket: lane.name },
        'mails of what was committed cannot be queued now; they will be, from the ledger',
      );
    }
    if (this.#isStopped || this.#retry !== null) return;
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(this.#failures, 10));
    const cancel = clock.schedule(ceiling * (0.5 + Math.random() / 2), () => {
      this.#retry = null;
      this.#work();
    });
    this.#retry = () => {
      cancel();
      this.#retry = null;
    };
  }

  async #advance(lane: Lane): Promise<void> {
    lane.cursor ??= await this.#storedCursor(lane);
    const { heard } = lane;
    if (heard && !lane.isBehind && follows(lane.cursor, heard.first)) {
      lane.heard = null;
      this.#events -= heard.events.length;
      await this.#queue(heard.events);
      this.#moved(lane, heard.last);
      return;
    }
    if (!heard && !lane.isBehind) return;
    await this.#readLedger(lane);
  }

  async #readLedger(lane: Lane): Promise<void> {
    // Before the reading begins: what is heard meanwhile is looked at after it.
    this.#forget(lane);
    lane.isBehind = false;
    const stored = await this.#storedCursor(lane);
    const known = lane.cursor ?? START;
    // Another process may have had the ticket meanwhile.
    const from = comparePositions(stored, known) > 0 ? stored : known;
    let read: CommittedEvent[] = [];
    const after = from.incarnation === 0 ? null : from;
    for await (const event of this.#options.archive.events(lane.ticket, after)) {
      read.push(event);
      if (read.length >= READ_EVENTS_MAX) {
        await this.#take(lane, read);
        read = [];
      }
    }
    await this.#take(lane, read);
  }

  async #take(lane: Lane, read: readonly CommittedEvent[]): Promise<void> {
    const last = read.at(-1);
    if (!last) return;
    await this.#queue(read.filter(isMailed));
    this.#moved(lane, positionOf(last));
  }

  #moved(lane: Lane, position: LedgerPosition): void {
    if (lane.cursor && comparePositions(position, lane.cursor) <= 0) return;
    lane.cursor = position;
    lane.isCursorDue = true;
    this.#cursorTimer ??= this.#options.clock.schedule(CURSOR_DELAY_MS, () => {
      this.#cursorTimer = null;
      void this.#writeCursors();
    });
  }

  async #queue(events: readonly CommittedEvent[]): Promise<void> {
    const { mails, clock, onQueued } = this.#options;
    const oldest = clock.now() - MAILED_FACT_MS;
    const waiting = events.filter(({ event }) => event.at >= oldest);
    if (waiting.length === 0) return;
    await each(waiting, MAILS_AT_ONCE, async (event) => {
      const mail = mailOf(event);
      if (mail) await this.#add(mails, mail);
    });
    onQueued?.();
  }

  /** What no store will ever take must not keep the ticket's other mails from being queued. */
  async #add(mails: MailFeedOptions['mails'], mail: NonNullable<ReturnType<typeof mailOf>>): Promise<void> {
    try {
      await mails.add(mail);
    } catch (error) {
      if (!(error instanceof UnqueueableError)) throw error;
      this.#options.logger.error(
        { err: error, mail: mail.id },
        'a mail could not be queued and never will be',
      );
    }
  }

  async #storedCursor(lane: Lane): Promise<LedgerPosition> {
    return (await this.#cursors.get(lane.name))?.value ?? START;
  }

  async #writeCursors(): Promise<void> {
    const due = [...this.#lanes.values()].filter(({ isCursorDue }) => isCursorDue);
    await each(due, MAILS_AT_ONCE, async (lane) => {
      lane.isCursorDue = false;
      try {
        await this.#writeCursor(lane);
      } catch (error) {
        // The next move writes it, or somebody reads a little again.
        lane.isCursorDue = true;
        this.#options.logger.debug({ err: error, ticket: lane.name }, 'a cursor of mails was not written');
      }
    });
  }

  async #writeCursor({ name, cursor }: Lane): Promise<void> {
    if (!cursor) return;
    await this.#cursors.put(name, (stored) =>
      stored && comparePositions(cursor, stored) <= 0 ? stored : cursor,
    );
  }

  #sweep(isFirst: boolean): void {
    this.#sweeping = this.#compare(isFirst)
      .then(
        () => false,
        (error: unknown) => {
          this.#options.logger.warn(
            { err: error },
            'the ledgers could not be compared with the mails; trying again',
          );
          return isFirst;
        },
      )
      .then((wasFirst) => {
        if (this.#isStopped) return;
        const { clock, sweepMs = SWEEP_MS } = this.#options;
        // Processes that were started together should not ask together.
        this.#sweepTimer = clock.schedule(sweepMs * (0.75 + Math.random() / 2), () => this.#sweep(wasFirst));
      });
  }

  /** `isFirst`: whatever is behind was left by somebody who is gone. Later it may be on its way elsewhere. */
  async #compare(isFirst: boolean): Promise<void> {
    const { archive, tickets } = this.#options;
    const cursors = await this.#allCursors();
    const lagging = new Map<string, string>();
    await each(tickets(), HEADS_AT_ONCE, async (ticket) => {
      if (this.#isStopped) return;
      const name = ticketName(ticket);
      const head = await archive.head(ticket);
      const cursor = cursors.get(name) ?? START;
      if (!head || comparePositions(head, cursor) <= 0) return;
      const place = formatPosition(cursor);
      lagging.set(name, place);
      // It stands where it stood, and so does whoever should have moved it.
      if (!isFirst && this.#lagging.get(name) !== place) return;
      const lane = this.#laneOf(ticket);
      lane.isBehind = true;
      this.#kick(lane);
    });
    this.#lagging = lagging;
  }

  async #allCursors(): Promise<ReadonlyMap<string, LedgerPosition>> {
    const cursors = new Map<string, LedgerPosition>();
    for await (const { id, value } of this.#cursors.all('all')) cursors.set(id, value);
    return cursors;
  }
}

const positionOf = ({ incarnation, sequence }: LedgerPosition): LedgerPosition => ({ incarnation, sequence });

const isNext = (last: LedgerPosition, next: LedgerPosition): boolean =>
  next.incarnation === last.incarnation && next.sequence === last.sequence + 1;

/** Whether nothing lies between a cursor and events that begin at `first`. */
function follows(cursor: LedgerPosition, first: LedgerPosition): boolean {
  // A ledger begins at 1-1.
  if (cursor.incarnation === 0) return first.incarnation === 1 && first.sequence === 1;
  return first.incarnation === cursor.incarnation && first.sequence <= cursor.sequence + 1;
}
