/**
 * The way from a ticket's ledger to the other marketplaces, of all tickets that this worker has.
 *
 * Guarantee: every archived event that concerns others stands in the log exactly once, whatever dies or
 * sleeps. Peers without ids count what they read, so a repeat would be a sale too many.
 *
 *  - Only archived events are published: the log never tells of something that a loss of Redis undoes.
 *  - Each ticket's record in Redis names the publisher that may have written for it. Another owner first
 *    fences that publisher, from then on nothing of it can reach the log; then reads back what the log holds
 *    and goes on behind it; then takes the ticket's publishing over, which fails when it is not the owner.
 *  - A publisher is never reused after a failure that leaves open what reached the log: a new one takes over
 *    from it, in the same way.
 *  - When Redis may have forgotten which publisher it was, all that the archive knows are fenced.
 *  - A ticket that is given up with nothing on its way names no publisher, so that nobody need be fenced.
 */
import type { Archive, CommittedEvent, LedgerPosition } from '../archive/port.js';
import {
  NotPublishedError,
  type IncomingRecord,
  type Log,
  type OutgoingRecord,
  type Publisher,
} from '../kafka/port.js';
import type { Logger } from '../process/log.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import type { TicketStore } from './ports.js';
import { comparePositions } from './position.js';

/** Read back from this long before an event's time, milliseconds: clocks of machines differ. */
const CLOCK_SKEW_MS = 5 * 60_000;
/** Most bytes of values in one call of the log: brokers refuse batches above 1 MB. */
const GROUP_BYTES_MAX = 256 * 1_024;
/** What a record costs besides its value: key, headers, framing. */
const RECORD_BYTES = 400;

export interface PublishingOptions {
  readonly log: Pick<Log, 'openPublisher' | 'fence' | 'readBack'>;
  readonly archive: Pick<Archive, 'events' | 'savePublisher' | 'removePublisher' | 'publishers'>;
  readonly store: Pick<TicketStore, 'setPublisher'>;
  /** What other marketplaces hear of an event; nothing when it is none of theirs. */
  readonly encode: (event: CommittedEvent) => readonly OutgoingRecord[];
  /** The event of ours behind a record of the log; null when it is not one. */
  readonly identify: (record: IncomingRecord) => (LedgerPosition & { readonly ticket: TicketId }) | null;
  /** Where `encode` sends records. */
  readonly topic: string;
  readonly logger: Logger;
}

/** What the last owner left behind. */
export interface PublishingStart {
  /** May have written for the ticket; null when all that it wrote is known. */
  readonly publisher: string | null;
  /** Redis may have lost writes: what it says of the publisher proves nothing. */
  readonly uncertain: boolean;
}

/** The publishing side of one ticket, for as long as its owner has it. */
export interface PublishingLane {
  readonly ticket: TicketId;
  readonly owner: string;
  /** Archived events to publish, in order. */
  readonly toPublish: CommittedEvent[];
  published: LedgerPosition;
  /** Archived up to here before this owner came, and not all of it published: the ledger has what is missing. */
  missing: LedgerPosition | null;
  start: PublishingStart;
  /** The publisher that took the ticket over. */
  session: string | null;
  /** Given up: nothing more of it is published here. */
  closed: boolean;
}

export class Publishing {
  readonly #options: PublishingOptions;
  #publisher: Publisher | null = null;
  readonly #fenced = new Set<string>();
  /** Newest event that this process knows to be in the log, by ticket. */
  readonly #known = new Map<string, LedgerPosition>();

  constructor(options: PublishingOptions) {
    this.#options = options;
  }

  /** Publishes one group and answers the lanes that moved on. One call at a time. */
  async publish<L extends PublishingLane>(lanes: readonly L[], eventsMax: number): Promise<readonly L[]> {
    const unfilled = lanes.filter((lane) => !lane.closed && lane.missing !== null);
    if (unfilled.length > 0) {
      await Promise.all(unfilled.map((lane) => this.#fill(lane)));
      return unfilled;
    }
    const waiting = lanes.filter((lane) => !lane.closed && lane.toPublish.length > 0);
    if (waiting.length === 0) return [];
    const silent = this.#passSilent(waiting);
    if (silent.length > 0) return silent;
    const publisher = await this.#open();
    await this.#takeOver(
      publisher,
      waiting.filter((lane) => lane.session !== publisher.id),
    );
    for (const lane of waiting) this.#passKnown(lane);
    const taken = takeGroup(waiting, eventsMax, this.#options.encode);
    const records = taken.flatMap((group) => group.records);
    if (records.length > 0) {
      try {
        await publisher.publish(records);
      } catch (error) {
        if (!(error instanceof NotPublishedError)) this.#giveUp(publisher, lanes);
        throw error;
      }
    }
    for (const { lane, events } of taken) this.#passed(lane, events);
    return waiting;
  }

  /** The ticket is given up with nothing on its way: its next owner need not fence anybody. */
  async leave(lane: PublishingLane): Promise<void> {
    lane.closed = true;
    if (lane.session === null && !lane.start.uncertain) return;
    await this.#options.store.setPublisher(lane.ticket, lane.owner, null, lane.published);
  }

  /** Nothing may be on its way any more. */
  async stop(): Promise<void> {
    const publisher = this.#publisher;
    this.#publisher = null;
    if (publisher) await this.#options.archive.removePublisher(publisher.id);
  }

  /** From the ledger and not from the outbox, which lacks it where Redis lost writes under an earlier owner. */
  async #fill(lane: PublishingLane): Promise<void> {
    const { missing } = lane;
    if (!missing) return;
    const events: CommittedEvent[] = [];
    for await (const event of this.#options.archive.events(lane.ticket, lane.published)) {
      if (comparePositions(event, missing) > 0) break;
      if (!isCovered(event, lane.published)) events.push(event);
    }
    if (lane.closed) return;
    lane.missing = null;
    if (events.length === 0) lane.published = missing;
    else lane.toPublish.unshift(...events);
  }

  /** Moves past events that concern nobody else, so that they ask for no publisher. */
  #passSilent<L extends PublishingLane>(lanes: readonly L[]): readonly L[] {
    return lanes.filter((lane) => {
      const first = lane.toPublish.findIndex((event) => this.#options.encode(event).length > 0);
      const count = first < 0 ? lane.toPublish.length : first;
      if (count > 0) this.#passed(lane, lane.toPublish.slice(0, count));
      return count > 0;
    });
  }

  /** `events` are the first of the lane, or were when they were taken: it may have been given up since. */
  #passed(lane: PublishingLane, events: readonly CommittedEvent[]): void {
    const last = events.at(-1);
    if (!last) return;
    lane.toPublish.splice(0, events.length);
    lane.published = { incarnation: last.incarnation, sequence: last.sequence };
    this.#know(ticketName(lane.ticket), lane.published);
  }

  async #open(): Promise<Publisher> {
    if (this.#publisher) return this.#publisher;
    const publisher = await this.#options.log.openPublisher();
    // Before it writes anything: whoever rebuilds a ticket must be able to fence it.
    await this.#options.archive.savePublisher(publisher.id);
    this.#publisher = publisher;
    return publisher;
  }

  #giveUp(publisher: Publisher, lanes: readonly PublishingLane[]): void {
    this.#publisher = null;
    for (const lane of lanes) {
      if (lane.session !== publisher.id) continue;
      lane.session = null;
      lane.start = { ...lane.start, publisher: publisher.id };
    }
  }

  async #takeOver(publisher: Publisher, lanes: readonly PublishingLane[]): Promise<void> {
    if (lanes.length === 0) return;
    await this.#fenceAll(publisher, lanes);
    // Of one that was given up meanwhile nothing is left to look for in the log, so it must not look taken over.
    const open = lanes.filter((lane) => !lane.closed);
    await this.#readBack(publisher, open);
    await Promise.all(
      open.map(async (lane) => {
        const { ticket, owner, published } = lane;
        const isOwner = await this.#options.store.setPublisher(ticket, owner, publisher.id, published);
        if (isOwner) {
          lane.session = publisher.id;
          lane.start = { publisher: publisher.id, uncertain: false };
        } else {
          lane.closed = true;
          lane.toPublish.length = 0;
        }
      }),
    );
  }

  async #fenceAll(publisher: Publisher, lanes: readonly PublishingLane[]): Promise<void> {
    const { log, archive, logger } = this.#options;
    const ids = new Set<string>();
    for (const { start } of lanes) if (start.publisher !== null) ids.add(start.publisher);
    if (lanes.some(({ start }) => start.uncertain)) {
      for (const id of await archive.publishers()) ids.add(id);
    }
    ids.delete(publisher.id);
    for (const id of ids) {
      if (this.#fenced.has(id)) continue;
      await log.fence(id);
      this.#fenced.add(id);
      await archive.removePublisher(id);
      logger.info({ publisher: id }, 'fenced a publisher before going on behind it');
    }
  }

  /** Drops what the log holds already. */
  async #readBack(publisher: Publisher, lanes: readonly PublishingLane[]): Promise<void> {
    const { log, topic, identify } = this.#options;
    const asked = lanes.filter(
      ({ start }) => start.uncertain || (start.publisher !== null && start.publisher !== publisher.id),
    );
    // Their times were given by different owners, whose clocks may differ: the first need not be the oldest.
    let since = Infinity;
    for (const { toPublish } of asked) for (const { event } of toPublish) since = Math.min(since, event.at);
    const found = new Map<string, LedgerPosition>();
    if (Number.isFinite(since)) {
      await log.readBack(topic, since - CLOCK_SKEW_MS, (record) => {
        const event = identify(record);
        if (!event) return;
        const name = ticketName(event.ticket);
        const newest = found.get(name);
        if (!newest || comparePositions(newest, event) < 0) found.set(name, event);
      });
    }
    for (const [name, newest] of found) this.#know(name, newest);
    for (const lane of lanes) this.#passKnown(lane);
  }

  /** Drops what is known to be in the log; more of it may come to the lane when its publishing was taken over. */
  #passKnown(lane: PublishingLane): void {
    const newest = this.#known.get(ticketName(lane.ticket));
    if (newest) this.#passed(lane, lane.toPublish.slice(0, countCovered(lane.toPublish, newest)));
  }

  /** Another lane of the ticket may have gone further: an owner that comes anew begins behind what it wrote. */
  #know(name: string, newest: LedgerPosition): void {
    const known = this.#known.get(name);
    if (!known || comparePositions(known, newest) < 0) this.#known.set(name, newest);
  }
}

/** Whether the log holds an event when `newest` is the newest of its ticket in it. */
export function isCovered(event: CommittedEvent, newest: LedgerPosition): boolean {
  if (comparePositions(event, newest) <= 0) return true;
  const { formerly, incarnation } = event;
  return (
    formerly !== undefined && incarnation > newest.incarnation && comparePositions(formerly, newest) <= 0
  );
}

/** How many of the first events the log holds. */
function countCovered(events: readonly CommittedEvent[], newest: LedgerPosition): number {
  const first = events.findIndex((event) => !isCovered(event, newest));
  return first < 0 ? events.length : first;
}

interface Taken<L> {
  readonly lane: L;
  readonly events: readonly CommittedEvent[];
  readonly records: readonly OutgoingRecord[];
}

/** The next events of each lane, together within the limits; at least one. */
function takeGroup<L extends PublishingLane>(
  lanes: readonly L[],
  eventsMax: number,
  encode: PublishingOptions['encode'],
): Taken<L>[] {
  const groups: Taken<L>[] = [];
  let room = eventsMax;
  let bytes = 0;
  for (const lane of lanes) {
    const events: CommittedEvent[] = [];
    const records: OutgoingRecord[] = [];
    for (const event of lane.toPublish) {
      if (room <= 0 || bytes >= GROUP_BYTES_MAX) break;
      const encoded = encode(event);
      for (const { value } of encoded) bytes += Buffer.byteLength(value) + RECORD_BYTES;
      room -= 1;
      events.push(event);
      records.push(...encoded);
    }
    if (events.length > 0) groups.push({ lane, events, records });
  }
  return groups;
}
