/**
 * Looks at what waits, from outside of the workers, so that it is told also when none of them lives: how old the
 * oldest work of each ticket is, which tickets nobody has, how many workers live, how many dead letters are open.
 * Every process that looks tells the same. While Redis is away the last figures stand.
 */
import type { Clock, Pulse } from '../actors/ports.js';
import type { Metrics } from '../http/metrics.js';
import type { DeadLetterQueue } from '../queues/dead-letter-queue.js';
import { ticketName } from '../redis/keys.js';
import type { QueueStanding } from '../redis/ticket-store.js';
import type { TicketId } from '../rules/index.js';
import type { Logger } from './log.js';
import { Loop } from './loop.js';

export interface QueueWatchOptions {
  readonly tickets: () => readonly TicketId[];
  readonly store: {
    pulse(tickets: readonly TicketId[]): Promise<readonly Pulse[]>;
    standing(tickets: readonly TicketId[]): Promise<readonly QueueStanding[]>;
  };
  readonly countWorkers: () => Promise<number>;
  readonly deadLetters: Pick<DeadLetterQueue, 'open'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** From the end of one look to the next. */
export const LOOK_MS = 5_000;

export class QueueWatch {
  readonly #options: QueueWatchOptions;
  readonly #loop: Loop;
  /** Tickets with work that nobody had at the last look: one that was just woken has no owner yet either. */
  #ownerless: ReadonlySet<string> = new Set();

  constructor(options: QueueWatchOptions) {
    const { clock, logger } = options;
    this.#options = options;
    this.#loop = new Loop({
      clock,
      everyMs: LOOK_MS,
      work: () => this.look(),
      failed: (error, isFirst) => {
        if (isFirst) logger.warn({ err: error }, 'the queues could not be looked at; trying again');
      },
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Does not wait for a look that waits for Redis. */
  stop(): void {
    void this.#loop.stop();
  }

  async look(): Promise<void> {
    const { tickets, store, countWorkers, deadLetters, clock, metrics } = this.#options;
    const [pulses, workers, letters] = await Promise.all([
      store.pulse(tickets()),
      countWorkers(),
      deadLetters.open(),
    ]);
    const busy = pulses.filter(({ waiting, active }) => waiting + active > 0).map(({ ticket }) => ticket);
    const standing = await store.standing(busy);
    metrics.workers.set(workers);
    metrics.deadLettersOpen.set(letters);
    metrics.queueOldestSeconds.reset();
    const ownerless = new Set<string>();
    busy.forEach((ticket, i) => {
      const name = ticketName(ticket);
      const { oldestAt = null, isOwned = false } = standing[i] ?? {};
      // Done meanwhile.
      if (oldestAt === null) return;
      metrics.queueOldestSeconds.set({ ticket: name }, Math.max(0, clock.now() - oldestAt) / 1_000);
      if (!isOwned) ownerless.add(name);
    });
    metrics.ticketsWithoutOwner.set([...ownerless].filter((name) => this.#ownerless.has(name)).length);
    this.#ownerless = ownerless;
  }
}
