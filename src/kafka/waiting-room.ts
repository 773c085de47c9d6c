/**
 * Messages that came before their ticket's master-list entry, in the order in which they came.
 *
 * Guarantees: at most `waitingMax` wait; of one ticket they are tried strictly in order, one after the other,
 * whoever asks. It holds nothing that is not also in the dead letters.
 */
import type { Clock } from '../actors/ports.js';
import type { TicketId } from '../rules/index.js';
import { itemIdOf } from './dead-letters.js';
import type { DecodedItem } from './wire.js';

export interface WaitingRoomOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Milliseconds after which a message is left to the dead letters. */
  readonly waitMs: number;
  readonly waitingMax: number;
}

interface Line {
  readonly ticket: TicketId;
  /** By message id, oldest first. */
  readonly items: Map<string, { readonly item: DecodedItem; readonly since: number }>;
  draining: Promise<boolean> | null;
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

  /** Offset of the oldest message that waits, by source. */
  oldest(): ReadonlyMap<string, bigint> {
    const oldest = new Map<string, bigint>();
    for (const { items } of this.#lines.values()) {
      for (const { item } of items.values()) {
        const { source } = item.position;
        const offset = BigInt(item.position.offset);
        const known = oldest.get(source);
        if (known === undefined || offset < known) oldest.set(source, offset);
      }
    }
    return oldest;
  }

  tickets(): TicketId[] {
    return [...this.#lines.values()].map(({ ticket }) => ticket);
  }

  /** False when it is full. A message that waits already goes on waiting. */
  add(item: DecodedItem): boolean {
    const { source, offset, index } = item.position;
    const id = itemIdOf(source, offset, index);
    const known = this.#lines.get(nameOf(item.ticket));
    if (known?.items.has(id)) return true;
    if (this.#size >= this.#options.waitingMax) return false;
    const line = known ?? { ticket: item.ticket, items: new Map(), draining: null };
    line.items.set(id, { item, since: this.#options.clock.now() });
    this.#lines.set(nameOf(item.ticket), line);
    this.#size += 1;
    return true;
  }

  /** Lets go of messages of a ticket that have waited too long; answers how many. */
  expire(ticket: TicketId): number {
    const line = this.#lines.get(nameOf(ticket));
    if (!line) return 0;
    const last = this.#options.clock.now() - this.#options.waitMs;
    const old = [...line.items].filter(([, { since }]) => since <= last);
    for (const [id] of old) this.#remove(line, id);
    return old.length;
  }

  /**
   * Tries what waits for a ticket until nothing is left (true), or `attempt` answers that it has to be tried
   * again (false). What `attempt` is done with is removed.
   */
  drain(ticket: TicketId, attempt: (item: DecodedItem) => Promise<boolean>): Promise<boolean> {
    const line = this.#lines.get(nameOf(ticket));
    if (!line) return Promise.resolve(true);
    line.draining ??= this.#drainLine(line, attempt).finally(() => {
      line.draining = null;
    });
    return line.draining;
  }

  async #drainLine(line: Line, attempt: (item: DecodedItem) => Promise<boolean>): Promise<boolean> {
    for (const [id, { item }] of line.items) {
      if (!(await attempt(item))) return false;
      this.#remove(line, id);
    }
    return true;
  }

  #remove(line: Line, id: string): void {
    if (line.items.delete(id)) this.#size -= 1;
    if (line.items.size === 0) this.#lines.delete(nameOf(line.ticket));
  }
}

const nameOf = ({ matchNumber, category }: TicketId): string => `${matchNumber}:${category}`;
