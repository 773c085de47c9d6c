/**
 * Stopping sales, and letting them go on.
 *
 * Guarantees: once a ticket's actor has answered, no new hold of it is granted until sales go on, nor is one that has
 * ended taken again, whatever was charged for it; what is held can be paid for; tickets that come later under a pause are paused too; a ticket that could not be told (its worker is
 * away, and so sells nothing) is told as soon as it can be.
 */
import { randomUUID } from 'node:crypto';
import type { Clock, TicketCounters } from '../actors/ports.js';
import { covers, pauseOf, type Message, type Pause } from '../catalog/notices.js';
import type { CommandGateway } from '../http/ports.js';
import { each } from '../process/each.js';
import type { Logger } from '../process/log.js';
import type { TicketId } from '../rules/index.js';
import type { NoticeBoard } from './notice-board.js';

export interface SalesStopOptions {
  readonly board: NoticeBoard;
  readonly gateway: CommandGateway;
  readonly counters: (tickets: readonly TicketId[]) => Promise<readonly TicketCounters[]>;
  readonly tickets: () => readonly TicketId[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Outcomes of these commands are asked for by nobody later. */
const KEEP_MS = 60_000;
const AT_ONCE = 64;

/** A pause, and how many of its tickets stand under it by now. */
export interface PauseStanding {
  readonly pause: Pause;
  readonly applied: number;
  readonly of: number;
}

export class SalesStop {
  readonly #options: SalesStopOptions;

  constructor(options: SalesStopOptions) {
    this.#options = options;
  }

  async list(): Promise<readonly PauseStanding[]> {
    const { board, counters, tickets } = this.#options;
    const [{ pauses }, all] = await Promise.all([board.control(), counters(tickets())]);
    return pauses.map((pause) => standingOf(pause, all));
  }

  /** `full` when there are too many pauses. */
  async pause(scope: { matchNumber?: number; category?: number }, message: Message, by: string) {
    const { board, clock } = this.#options;
    const pause = await board.pause({ ...scope, message, since: clock.now(), by });
    if (pause === 'full') return 'full' as const;
    await this.enforce();
    return standingOf(pause, await this.#options.counters(this.#options.tickets()));
  }

  /** False when there was no such pause. */
  async resume(id: string): Promise<boolean> {
    const was = await this.#options.board.resume(id);
    if (was) await this.enforce();
    return was;
  }

  /** Tells every ticket that does not stand as decided; answers how many could not be told. */
  async enforce(): Promise<number> {
    const { board, counters, tickets, gateway, logger } = this.#options;
    const all = await counters(tickets());
    let control = await board.control();
    const wanted = (ticket: TicketCounters): boolean =>
      pauseOf({ pauses: control.pauses, matches: new Map() }, ticket) !== null;
    const wrong = all.filter((ticket) => (ticket.paused ?? false) !== wanted(ticket));
    const newest = Math.max(0, ...wrong.map(({ pauseRevision = 0 }) => pauseRevision));
    if (wrong.length > 0 && newest >= control.revision) control = await board.raise(newest);
    let untold = 0;
    await each(wrong, AT_ONCE, async ({ matchNumber, category, paused = false }) => {
      const answer = await gateway.submit({
        ticket: { matchNumber, category },
        id: `pause/${randomUUID()}`,
        body: { type: 'pause', paused: !paused, revision: control.revision },
        keepMs: KEEP_MS,
      });
      const isTold =
        answer.kind === 'answered' &&
        (answer.result.kind === 'applied' || answer.result.kind === 'unchanged');
      if (!isTold) untold += 1;
    });
    if (untold > 0) logger.warn({ untold }, 'tickets could not be told of a pause or its end; trying again');
    return untold;
  }
}

function standingOf(pause: Pause, all: readonly TicketCounters[]): PauseStanding {
  const own = all.filter((ticket) => covers(pause, ticket));
  return { pause, applied: own.filter(({ paused }) => paused === true).length, of: own.length };
}
