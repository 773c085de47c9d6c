/**
 * The model that recommendations are made with, kept up to date behind requests.
 *
 * Guarantees: no request waits for it; what cannot be read, or is of another version of the program, leaves the one
 * that is there in its place and is told once.
 */
import type { Clock } from '../../actors/ports.js';
import type { Logger } from '../../process/log.js';
import { Loop } from '../../process/loop.js';
import type { Artefact, ExplainingRanker } from '../model/artefact.js';
import type { Models } from '../model/models.js';

export interface Served {
  readonly version: number;
  readonly ranker: ExplainingRanker;
}

export interface ServedModelOptions {
  readonly models: Pick<Models, 'current' | 'currentVersion'>;
  /** Throws for one that it cannot use. */
  readonly rankerOf: (artefact: Artefact) => ExplainingRanker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly everyMs?: number;
}

const LOOK_MS = 15_000;

export class ServedModel {
  readonly #options: ServedModelOptions;
  readonly #loop: Loop;
  #served: Served | null = null;
  /** What is not tried again. */
  #refused: number | null = null;

  constructor(options: ServedModelOptions) {
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
    const { models, rankerOf, logger } = this.#options;
    const newest = await models.currentVersion();
    if (newest === this.#served?.version || (newest !== null && newest === this.#refused)) return;
    const found = await models.current();
    if (!found) {
      this.#served = null;
      return;
    }
    const { version, artefact } = found;
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
