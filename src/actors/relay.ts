/**
 * The outbox's way out: committed events to the archive, and from there to the other marketplaces.
 *
 * Guarantees: events of a ticket reach both in order, the archive first; an outcome that may be told only when
 * it is durable is told only after the archive has it; an owner whose incarnation was superseded archives and
 * tells nothing more; what is not out when the process dies lies in the ticket's outbox for its next owner.
 * Writes of all tickets are grouped: while one is in flight, the next gathers. `Publishing` keeps the log
 * free of repeats.
 */
import {
  ArchiveUnavailableError,
  type AppendBatch,
  type AppendResult,
  type Archive,
  type CommittedEvent,
  type LedgerPosition,
} from '../archive/port.js';
import type { Logger } from '../process/log.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import type { Clock, Cursors, Reply, TicketStore } from './ports.js';
import { comparePositions } from './position.js';
import { isCovered, type Publishing, type PublishingLane, type PublishingStart } from './publishing.js';

export interface RelayOptions {
  readonly archive: Pick<Archive, 'append'>;
  readonly publishing: Publishing;
  readonly store: Pick<TicketStore, 'advance'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Events in one write to the archive or the log. */
  readonly groupEventsMax: number;
  /** Told of what was archived, in order for each ticket. Must neither throw nor take time. */
  readonly onArchived?: (ticket: TicketId, events: readonly CommittedEvent[]) => void;
  /** From 0 to 1, for jitter. */
  readonly random?: () => number;
}

/** Retries of a failed write: doubling from here, with jitter, at most `RETRY_MS_MAX`. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 2_000;
/** Cursors that moved without a reply to send are written together this much later. */
const CURSOR_DELAY_MS = 50;

/** Runs a step over and over while there is work, retrying with back-off while it fails. */
class Pump {
  readonly #name: string;
  readonly #options: Pick<RelayOptions, 'clock' | 'logger' | 'random'>;
  readonly #step: () => Promise<boolean>;
  #running: Promise<void> | null = null;
  #asked = false;
  #stopped = false;

  /** `step` answers whether there was anything to do. */
  constructor(
    name: string,
    options: Pick<RelayOptions, 'clock' | 'logger' | 'random'>,
    step: () => Promise<boolean>,
  ) {
    this.#name = name;
    this.#options = options;
    this.#step = step;
  }

  kick(): void {
    this.#asked = true;
    this.#running ??= this.#run();
  }

  /** Resolves when there is nothing left, or the first attempt fails. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    let failures = 0;
    // Everything pushed in this turn joins the first group.
    await Promise.resolve();
    while (this.#asked) {
      this.#asked = false;
      try {
        if (await this.#step()) this.#asked = true;
        failures = 0;
      } catch (error) {
        if (failures === 0) {
          this.#options.logger.warn({ err: error }, `the ${this.#name} cannot be written; trying again`);
        }
        failures += 1;
        // The next owner continues from the outbox.
        if (this.#stopped) break;
        this.#asked = true;
        await this.#backOff(failures);
      }
    }
    this.#running = null;
  }

  #backOff(failures: number): Promise<void> {
    const { clock, random = Math.random } = this.#options;
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures, 10));
    return new Promise((resolve) => {
      clock.schedule(ceiling * (0.5 + random() / 2), resolve);
    });
  }
}

/** A reply that waits for the archive. */
export interface DeferredReply {
  readonly gatewayId: string;
  readonly reply: Reply;
  readonly durableAt: LedgerPosition;
}

/** What a lane asks of its relay. */
export interface LaneRelay {
  /** The lane has something on its way. */
  kick(lane: RelayLane): void;
  leave(lane: RelayLane): Promise<void>;
}

/** A relay that writes nothing: all that its lanes are given is left to the next owner. */
export function idleRelay(): Pick<Relay, 'open'> {
  const relay: LaneRelay = { kick: () => undefined, leave: () => Promise.resolve() };
  return {
    open: (ticket, owner, start, onFenced) =>
      new RelayLane(relay, { ticket, owner, openedAt: 0 }, start, onFenced),
  };
}

/** One ticket's way out, for as long as its owner has it. */
export class RelayLane implements PublishingLane {
  readonly ticket: TicketId;
  readonly owner: string;
  archived: LedgerPosition;
  published: LedgerPosition;
  readonly toArchive: CommittedEvent[] = [];
  readonly toPublish: CommittedEvent[] = [];
  start: PublishingStart;
  session: string | null = null;
  closed = false;
  missing: LedgerPosition | null;
  deferred: DeferredReply[] = [];
  /** Set when a newer incarnation was found. */
  fenced = false;
  readonly onFenced: () => void;
  cursorsDirty = false;
  readonly #relay: LaneRelay;
  readonly #openedAt: number;
  readonly #archiveWaiters: (() => void)[] = [];
  readonly #outWaiters: (() => void)[] = [];

  constructor(
    relay: LaneRelay,
    { ticket, owner, openedAt }: { ticket: TicketId; owner: string; openedAt: number },
    start: LaneStart,
    onFenced: () => void,
  ) {
    this.#relay = relay;
    this.#openedAt = openedAt;
    this.onFenced = onFenced;
    this.ticket = ticket;
    this.owner = owner;
    this.archived = start.cursors.archived;
    this.published = start.cursors.published;
    this.start = start;
    this.missing = comparePositions(this.published, this.archived) < 0 ? this.archived : null;
  }

  /** Events not out yet. */
  get backlog(): number {
    return this.toArchive.length + this.toPublish.length + (this.missing ? 1 : 0);
  }

  /** When the oldest of them was committed, epoch milliseconds; null when there is none. */
  get oldestAt(): number | null {
    // What the last owner left in the ledger is older than this owner.
    if (this.missing) return this.#openedAt;
    return (this.toPublish[0] ?? this.toArchive[0])?.event.at ?? null;
  }

  /** Takes events that were just committed, and replies that wait for them. */
  push(events: readonly CommittedEvent[], deferred: readonly DeferredReply[]): void {
    if (this.fenced || (events.length === 0 && deferred.length === 0)) return;
    for (const event of events) {
      if (comparePositions(event, this.archived) > 0) this.toArchive.push(event);
      else if (!this.missing) this.#offer(event);
    }
    this.deferred.push(...deferred);
    this.#relay.kick(this);
  }

  /** Begins with what the last owner left. */
  begin(): void {
    if (this.backlog > 0) this.#relay.kick(this);
  }

  /** Called by the relay when the first `count` events are archived. */
  archivedFirst(count: number): void {
    const events = this.toArchive.splice(0, count);
    const last = events.at(-1);
    if (last) this.archived = { incarnation: last.incarnation, sequence: last.sequence };
    for (const event of events) this.#offer(event);
  }

  #offer(event: CommittedEvent): void {
    if (!this.closed && !isCovered(event, this.published)) this.toPublish.push(event);
  }

  /** Resolves when everything pushed so far is archived, or the lane is fenced or the relay stopped. */
  async archivedAll(): Promise<void> {
    if (this.toArchive.length === 0 || this.fenced) return;
    await new Promise<void>((resolve) => this.#archiveWaiters.push(resolve));
  }

  /**
   * Resolves when everything pushed so far is archived and published, or the lane is fenced or the relay
   * stopped; what stays away keeps it waiting.
   */
  async outAll(): Promise<void> {
    if (this.backlog === 0 || this.fenced) return;
    await new Promise<void>((resolve) => this.#outWaiters.push(resolve));
  }

  /** The owner has the ticket no more. What is committed still goes to the archive; its successor publishes. */
  abandon(): void {
    this.closed = true;
    this.missing = null;
    this.toPublish.length = 0;
    this.settle();
  }

  /** The owner gives the ticket up, having published all of it: nobody need be fenced. */
  leave(): Promise<void> {
    return this.#relay.leave(this);
  }

  /** Called by the relay when something is out, or `gone` when nothing of it ever will be. */
  settle(gone = false): void {
    if (gone || this.toArchive.length === 0) for (const resolve of this.#archiveWaiters.splice(0)) resolve();
    if (gone || this.backlog === 0) for (const resolve of this.#outWaiters.splice(0)) resolve();
  }
}

/** What an owner found of its ticket's way out. */
export interface LaneStart extends PublishingStart {
  readonly cursors: Cursors;
}

export class Relay {
  readonly #options: RelayOptions;
  readonly #lanes = new Set<RelayLane>();
  /** By ticket name. */
  readonly #newest = new Map<string, RelayLane>();
  readonly #archiving: Pump;
  readonly #publishing: Pump;
  #cursorTimer: (() => void) | null = null;
  #stopped = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#archiving = new Pump('archive', options, () => this.#archiveOnce());
    this.#publishing = new Pump('log', options, () => this.#publishOnce());
  }

  /** `onFenced` hears once that a newer incarnation was found. */
  open(ticket: TicketId, owner: string, start: LaneStart, onFenced: () => void): RelayLane {
    const name = ticketName(ticket);
    // One that was forgotten on the way to losing the ticket must not publish beside this one.
    this.#newest.get(name)?.abandon();
    const openedAt = this.#options.clock.now();
    const lane = new RelayLane(this, { ticket, owner, openedAt }, start, onFenced);
    this.#newest.set(name, lane);
    return lane;
  }

  /** Does nothing for a lane that still has something on its way. */
  async leave(lane: RelayLane): Promise<void> {
    if (lane.backlog > 0 || lane.fenced || lane.closed) return;
    await this.#options.publishing.leave(lane);
  }

  /** Writes out what it can until `stop` has nothing left to do; a store that stays away is left behind. */
  async stop(): Promise<void> {
    for (const lane of this.#lanes) this.kick(lane);
    this.#stopped = true;
    await this.#archiving.stop();
    this.#publishing.kick();
    await this.#publishing.stop();
    this.#cursorTimer?.();
    await this.#writeCursors();
    for (const lane of this.#lanes) lane.settle(true);
    await this.#options.publishing.stop().catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'could not close the publisher; a successor may fence it');
    });
  }

  /** Entries not out yet, by ticket name; tickets without any are absent. */
  backlogs(): ReadonlyMap<string, number> {
    const backlogs = new Map<string, number>();
    for (const lane of this.#lanes) {
      const name = ticketName(lane.ticket);
      // One that was given up may still be archiving beside the one that goes on.
      if (lane.backlog > 0) backlogs.set(name, (backlogs.get(name) ?? 0) + lane.backlog);
    }
    return backlogs;
  }

  /** When the oldest entry that is not out yet was committed, epoch milliseconds; null when all is out. */
  oldestAt(): number | null {
    let oldest: number | null = null;
    for (const { oldestAt } of this.#lanes)
      if (oldestAt !== null && (oldest === null || oldestAt < oldest)) oldest = oldestAt;
    return oldest;
  }

  kick(lane: RelayLane): void {
    this.#lanes.add(lane);
    this.#archiving.kick();
    this.#publishing.kick();
  }

  async #archiveOnce(): Promise<boolean> {
    const lanes: RelayLane[] = [];
    const batches: AppendBatch[] = [];
    let room = this.#options.groupEventsMax;
    for (const lane of this.#lanes) {
      const first = lane.toArchive[0];
      if (lane.fenced || !first || room <= 0) continue;
      const { incarnation } = first;
      const end = lane.toArchive.findIndex((event) => event.incarnation !== incarnation);
      const events = lane.toArchive.slice(0, Math.min(end < 0 ? Infinity : end, room));
      room -= events.length;
      lanes.push(lane);
      batches.push({ ticket: lane.ticket, incarnation, events });
    }
    // Replies to repeated commands: what they say may be archived already.
    for (const lane of this.#lanes) {
      if (lane.toArchive.length === 0 && lane.deferred.length > 0) await this.#tell(lane);
    }
    if (batches.length === 0) return false;
    const results = await this.#append(lanes, batches);
    await Promise.all(
      lanes.map(async (lane, i) => {
        const batch = batches[i];
        if (!batch) return;
        const result = results[i];
        if (result === 'fenced') {
          this.#options.logger.warn(
            { ticket: ticketName(lane.ticket) },
            'a newer incarnation has the ticket',
          );
          this.#fence(lane);
        } else if (result === 'appended') await this.#archived(lane, batch.events);
      }),
    );
    return true;
  }

  /** One group; when the archive refuses it for what is in it, each ticket by itself, so that one cannot block all. */
  async #append(
    lanes: readonly RelayLane[],
    batches: readonly AppendBatch[],
  ): Promise<readonly (AppendResult | 'refused')[]> {
    try {
      return await this.#options.archive.append(batches);
    } catch (error) {
      if (error instanceof ArchiveUnavailableError) throw error;
      return Promise.all(batches.map((batch, i) => this.#appendAlone(lanes[i], batch)));
    }
  }

  async #appendAlone(lane: RelayLane | undefined, batch: AppendBatch): Promise<AppendResult | 'refused'> {
    try {
      const [result] = await this.#options.archive.append([batch]);
      return result ?? 'refused';
    } catch (error) {
      if (error instanceof ArchiveUnavailableError) throw error;
      this.#options.logger.error(
        { err: error, ticket: ticketName(batch.ticket) },
        'the archive refuses the events of a ticket: nothing of it is told as sold until its next owner starts anew',
      );
      if (lane) this.#fence(lane);
      return 'refused';
    }
  }

  #fence(lane: RelayLane): void {
    lane.fenced = true;
    lane.deferred = [];
    lane.toArchive.length = 0;
    lane.toPublish.length = 0;
    lane.settle(true);
    this.#lanes.delete(lane);
    lane.onFenced();
  }

  async #archived(lane: RelayLane, events: readonly CommittedEvent[]): Promise<void> {
    lane.archivedFirst(events.length);
    this.#options.onArchived?.(lane.ticket, events);
    if (lane.toPublish.length > 0) this.#publishing.kick();
    if (lane.deferred.length > 0) await this.#tell(lane);
    else this.#markDirty(lane);
    lane.settle();
  }

  /** Sends the replies that waited for what is archived now, and writes the cursors with them. */
  async #tell(lane: RelayLane): Promise<void> {
    const replies = new Map<string, Reply[]>();
    const later: DeferredReply[] = [];
    for (const deferred of lane.deferred) {
      if (comparePositions(deferred.durableAt, lane.archived) > 0) {
        later.push(deferred);
        continue;
      }
      const list = replies.get(deferred.gatewayId) ?? [];
      list.push(deferred.reply);
      replies.set(deferred.gatewayId, list);
    }
    lane.deferred = later;
    lane.cursorsDirty = false;
    await this.#advance(lane, replies);
  }

  async #publishOnce(): Promise<boolean> {
    const lanes = [...this.#lanes].filter((lane) => !lane.fenced);
    const moved = await this.#options.publishing.publish(lanes, this.#options.groupEventsMax);
    for (const lane of moved) {
      this.#markDirty(lane);
      lane.settle();
    }
    return moved.length > 0;
  }

  #markDirty(lane: RelayLane): void {
    lane.cursorsDirty = true;
    this.#cursorTimer ??= this.#options.clock.schedule(CURSOR_DELAY_MS, () => {
      this.#cursorTimer = null;
      void this.#writeCursors();
    });
  }

  async #writeCursors(): Promise<void> {
    await Promise.all(
      [...this.#lanes].map(async (lane) => {
        if (lane.cursorsDirty) {
          lane.cursorsDirty = false;
          await this.#advance(lane, new Map());
        }
        const isDone = lane.backlog === 0 && lane.deferred.length === 0 && !lane.cursorsDirty;
        if (isDone) this.#lanes.delete(lane);
      }),
    );
  }

  /** A failure costs a late reply or a late trim: replies are found on record, cursors by the next owner. */
  async #advance(lane: RelayLane, replies: ReadonlyMap<string, readonly Reply[]>): Promise<void> {
    try {
      await this.#options.store.advance(lane.ticket, lane.owner, lane, replies);
    } catch (error) {
      if (!this.#stopped) this.#markDirty(lane);
      this.#options.logger.warn(
        { err: error, ticket: ticketName(lane.ticket) },
        'could not advance the outbox',
      );
    }
  }
}
