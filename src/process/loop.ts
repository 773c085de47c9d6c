/** Work that is done again and again, one run at a time, until it is stopped. A run that fails is followed by the next. */
import type { Clock } from '../actors/ports.js';

export interface LoopOptions {
  readonly clock: Clock;
  /** From the end of one run to the next. */
  readonly everyMs: number;
  /** Until the first; absent: it begins at once. */
  readonly firstMs?: number;
  readonly work: () => Promise<unknown>;
  /** `isFirst`: the run before it did not fail. Must not throw. */
  readonly failed: (error: unknown, isFirst: boolean) => void;
}

export class Loop {
  readonly #options: LoopOptions;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = true;
  #hasFailed = false;

  constructor(options: LoopOptions) {
    this.#options = options;
  }

  start(): void {
    const { firstMs } = this.#options;
    this.#isStopped = false;
    if (firstMs === undefined) this.#run();
    else this.#plan(firstMs);
  }

  /** Resolves when no run is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel();
    await this.#running;
  }

  #plan(ms: number): void {
    if (!this.#isStopped) this.#cancel = this.#options.clock.schedule(ms, () => this.#run());
  }

  #run(): void {
    const { work, failed, everyMs } = this.#options;
    this.#running = work()
      .then(
        () => (this.#hasFailed = false),
        (error: unknown) => {
          if (!this.#isStopped) failed(error, !this.#hasFailed);
          this.#hasFailed = true;
        },
      )
      .then(() => this.#plan(everyMs));
  }
}
