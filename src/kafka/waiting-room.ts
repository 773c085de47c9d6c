/**
 * Messages that came before their ticket's master-list entry, in the order in which they came.
 *
 * Guarantees: at most `waitingMax` wait; of one ticket they are tried strictly in order, one after the other,
 * whoever asks, and only those of the reading that asks: others are read again. It holds nothing that is not also in
 * the dead letters.
 */
import type { Clock } from '../actors/ports.js';
import type { TicketId } from '../rules/index.js';
import { messageIdOf } from './dead-letters.js';
import type { Reading } from './consumer.js';
import type { DecodedItem } from './wire.js';

export interface WaitingRoomOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Milliseconds after which a message is left to the dead letters. */
  readonly waitMs: number;
  readonly waitingMax: number;
}

interface Waiting {
  readonly item: DecodedItem;
  readonly reading: Reading;
  /** Epoch milliseconds. */
  readonly since: number;
}

interface Line {
  readonly ticket: TicketId;
  /** By message id, oldest first. */
  readonly items: Map<string, Waiting>;
  draining: { readonly reading: Reading; readonly done: Promise<boolean> } | null;
}

export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #lines = new Map<string, Line>();
  #size = 0;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  /** Offset of the oldest message that a reading left waiting, by source. */
  oldest(reading: Reading): ReadonlyMap<string, bigint> {
    const oldest = new Map<string, bigint>();
    for (const { items } of this.#lines.values()) {
      for (const waiting of items.values()) {
        if (waiting.reading !== reading) continue;
        const { source } = waiting.item.position;
        const offset = BigInt(waiting.item.position.offset);
        const known = oldest.get(source);
        if (known === undefined || offset < known) oldest.set(source, offset);
      }
    }
    return oldest;
  }

  tickets(): TicketId[] {
    return [...this.#lines.values()].map(({ ticket }) => ticket);
  }

  /** False when it is full. A message that waits already goes on waiting, in the order of the newest reading. */
  add(item: DecodedItem, reading: Reading): boolean {
    const id = messageIdOf(item);
    const known = this.#lines.get(nameOf(item.ticket));
    const waiting = known?.items.get(id);
    if (waiting?.reading === reading) return true;
    if (!waiting && this.#size >= this.#options.waitingMax) return false;
    const line = known ?? { ticket: item.ticket, items: new Map<string, Waiting>(), draining: null };
    if (waiting) this.#remove(line, id);
    line.items.set(id, { item, reading, since: waiting?.since ?? this.#options.clock.now() });
    this.#lines.set(nameOf(item.ticket), line);
    this.#size += 1;
    return true;
  }

  /** What became of it is known; false when it did not wait. */
  remove(item: DecodedItem): boolean {
    const line = this.#lines.get(nameOf(item.ticket));
    return line !== undefined && this.#remove(line, messageIdOf(item));
  }

  /** Lets go of messages that others read now. */
  keepOnly(sources: Pick<ReadonlySet<string>, 'has'>): void {
    for (const line of [...this.#lines.values()]) {
      for (const [id, { item }] of line.items) {
        if (!sources.has(item.position.source)) this.#remove(line, id);
      }
    }
  }

  /** Lets go of messages of a ticket that have waited too long, and answers them. */
  expire(ticket: TicketId): readonly DecodedItem[] {
    const line = this.#lines.get(nameOf(ticket));
    if (!line) return [];
    const last = this.#options.clock.now() - this.#options.waitMs;
    const old = [...line.items].filter(([, { since }]) => since <= last);
    for (const [id] of old) this.#remove(line, id);
    return old.map(([, { item }]) => item);
  }

  /**
   * Tries what a reading left waiting for a ticket until nothing of it is left (true), or `attempt` answers that it
   * has to be tried again (false). What `attempt` is done with is removed.
   */
  async drain(
    ticket: TicketId,
    reading: Reading,
    attempt: (item: DecodedItem) => Promise<boolean>,
  ): Promise<boolean> {
    const line = this.#lines.get(nameOf(ticket));
    if (!line) return true;
    while (line.draining && line.draining.reading !== reading) await line.draining.done;
    line.draining ??= {
      reading,
      done: this.#drainLine(line, reading, attempt).finally(() => {
        line.draining = null;
      }),
    };
    return line.draining.done;
  }

  async #drainLine(
    line: Line,
    reading: Reading,
    attempt: (item: DecodedItem) => Promise<boolean>,
  ): Promise<boolean> {
    for (const [id, waiting] of line.items) {
      if (waiting.reading !== reading) continue;
      if (!(await attempt(waiting.item))) return false;
      // It may have been read again meanwhile: then it is tried once more, and known as a repeat.
      if (line.items.get(id) === waiting) this.#remove(line, id);
    }
    return true;
  }

  #remove(line: Line, id: string): boolean {
    const isKnown = line.items.delete(id);
    if (isKnown) this.#size -= 1;
    if (line.items.size === 0) this.#lines.delete(nameOf(line.ticket));
    return isKnown;
  }
}

const nameOf = ({ matchNumber, category }: TicketId): string => `${matchNumber}:${category}`;
