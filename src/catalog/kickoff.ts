/**
 * Closes the tickets of matches that have kicked off, and opens them again where the kick-off was moved to a time
 * that is still to come. Guarantee: what stands after a look is what the dates say, whatever a look before it did and
 * however many processes look; a match that was cancelled stays closed.
 */
import { randomUUID } from 'node:crypto';
import type { Clock, CommandBody, TicketCounters } from '../actors/ports.js';
import type { CatalogSource, CommandGateway } from '../http/ports.js';
import type { Logger } from '../process/log.js';
import { Loop } from '../process/loop.js';
import type { TicketId } from '../rules/index.js';
import { ticketsOf } from './match.js';

const LOOK_EVERY_MS = 30_000;
/** Outcomes of these commands are asked for by nobody later. */
const KEEP_MS = 60_000;

export interface KickoffOptions {
  readonly catalog: Pick<CatalogSource, 'matches' | 'notices'>;
  readonly gateway: CommandGateway;
  readonly counters: (tickets: readonly TicketId[]) => Promise<readonly TicketCounters[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class KickoffCloser {
  readonly #options: KickoffOptions;
  readonly #loop: Loop;

  constructor(options: KickoffOptions) {
    const { clock, logger } = options;
    this.#options = options;
    this.#loop = new Loop({
      clock,
      everyMs: LOOK_EVERY_MS,
      work: () => this.#look(),
      failed: (error) => logger.warn({ err: error }, 'could not close matches at kick-off; trying again'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #look(): Promise<void> {
    const { catalog, clock, counters } = this.#options;
    const matches = await catalog.matches();
    const now = clock.now();
    for (const { matchNumber, dateUtc } of matches) {
      // Cancelling closes by itself.
      if (catalog.notices.matches.get(matchNumber)?.cancelled) continue;
      const hasBegun = Date.parse(dateUtc) <= now;
      const tickets = ticketsOf(matchNumber);
      const known = await counters(tickets);
      // One that no list has opened yet has no counters: it is closed before it opens.
      const isClosed = ({ category }: TicketId): boolean =>
        known.find((one) => one.category === category)?.closed ?? false;
      const wrong = tickets.filter((ticket) => isClosed(ticket) !== hasBegun);
      const body: CommandBody = hasBegun ? { type: 'close', endHolds: false } : { type: 'reopen' };
      await Promise.all(wrong.map((ticket) => this.#tell(ticket, body)));
    }
  }

  /** A date may come back, so each look has commands of its own; what got no answer is seen by the next look. */
  async #tell(ticket: TicketId, body: CommandBody): Promise<void> {
    await this.#options.gateway.submit({ ticket, id: `kickoff/${randomUUID()}`, body, keepMs: KEEP_MS });
  }
}
