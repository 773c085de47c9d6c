/** Closes the tickets of matches that have kicked off. Repeating it is harmless. */
import type { Clock } from '../actors/ports.js';
import type { CommandGateway } from '../http/ports.js';
import type { Logger } from '../process/log.js';
import { Loop } from '../process/loop.js';
import type { Catalog } from './catalog.js';
import { ticketsOf } from './match.js';

const LOOK_EVERY_MS = 30_000;
const KEEP_MS = 24 * 60 * 60 * 1_000;

export class KickoffCloser {
  readonly #catalog: Catalog;
  readonly #gateway: CommandGateway;
  readonly #clock: Clock;
  readonly #loop: Loop;
  readonly #closed = new Set<number>();

  constructor(catalog: Catalog, gateway: CommandGateway, clock: Clock, logger: Logger) {
    this.#catalog = catalog;
    this.#gateway = gateway;
    this.#clock = clock;
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
    const now = this.#clock.now();
    for (const { matchNumber, dateUtc } of await this.#catalog.matches()) {
      if (this.#closed.has(matchNumber) || Date.parse(dateUtc) > now) continue;
      const answers = await Promise.all(
        ticketsOf(matchNumber).map((ticket) =>
          this.#gateway.submit({
            ticket,
            id: `kickoff/${matchNumber}:${ticket.category}/${dateUtc}`,
            body: { type: 'close', endHolds: false },
            keepMs: KEEP_MS,
          }),
        ),
      );
      if (answers.every(({ kind }) => kind === 'answered')) this.#closed.add(matchNumber);
    }
  }
}
