/**
 * The model that recommendations are made with, kept up to date behind requests.
 *
 * Guarantees: no request waits for it; what cannot be read, or is of another version of the program, leaves the one
 * that is there in its place and is told once.
 */
import type { Clock } from '../../actors/ports.js';
import type { Logger } from '../../process/log.js';
import { Loop } from '../../process/loop.js';
import type { ExplainingRanker } from './reason.js';

export interface Served {
  readonly version: number;
  readonly ranker: ExplainingRanker;
}

export interface ServedModelOptions<A> {
  /** The newest that was trained; null when none was. */
  readonly current: () => Promise<{ readonly version: number; readonly artefact: A } | null>;
  /** Throws for one that it cannot read. */
  readonly rankerOf: (artefact: A) => ExplainingRanker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly everyMs?: number;
}

const LOOK_MS = 15_000;

export class ServedModel<A> {
  readonly #options: ServedModelOptions<A>;
  readonly #loop: Loop;
  #served: Served | null = null;
  /** What is not tried again. */
  #refused: number | null = null;

  constructor(options: ServedModelOptions<A>) {
    this.#options = options;
    const { clock, logger, everyMs = LOOK_MS } = options;
    this.#loop = new Loop({
      clock,
      everyMs,
      work: () => this.#look(),
      failed: (err, isFirst) => {
        if (isFirst) logger.warn({ err }, 'the model of recommendations cannot be read; what is there stays');
      },
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Null while there is none. */
  current(): Served | null {
    return this.#served;
  }

  /** It failed while it was used: it is not used again. */
  refuse(version: number, err: unknown): void {
    if (this.#served?.version === version) this.#served = null;
    this.#tell(version, err);
  }

  async #look(): Promise<void> {
    const { current, rankerOf, logger } = this.#options;
    const found = await current();
    if (!found) {
      this.#served = null;
      return;
    }
    const { version, artefact } = found;
    if (version === this.#served?.version || version === this.#refused) return;
    try {
      this.#served = { version, ranker: rankerOf(artefact) };
      logger.info({ version, model: this.#served.ranker.name }, 'a model of recommendations is served');
    } catch (err) {
      this.#tell(version, err);
    }
  }

  #tell(version: number, err: unknown): void {
    if (this.#refused === version) return;
    this.#refused = version;
    this.#options.logger.error({ err, version }, 'this model of recommendations cannot be used');
  }
}
