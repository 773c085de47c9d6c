/** What of a process keeps it standing when too much is asked of it or a dependency is down: one for all its roles. */
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../actors/ports.js';
import { ArchiveUnavailableError } from '../archive/port.js';
import type { Metrics } from '../http/metrics.js';
import { Admission } from '../overload/admission.js';
import { Breaker, BREAKER_STATES, type BreakerState, type Dependency } from '../overload/breaker.js';
import { SHED_ORDER, type LoadClass } from '../overload/classes.js';
import { measureLoopDelay, type LoopDelay } from '../overload/loop-delay.js';
import type { Logger } from './log.js';

/** So much of `REPLY_WAIT_MS` may commands wait on average before those who want to hold are refused. */
const ANSWER_PART_MAX = 1 / 4;

type OverloadSettings = Pick<Settings, 'loadShedding' | 'loopDelayMs' | 'requestsMax' | 'replyWaitMs'>;

export class Overload {
  /** Null when it is switched off. */
  readonly admission: Admission | null;
  readonly #loopDelay: LoopDelay | null;
  readonly #breakers = new Map<Dependency, Breaker>();
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  #onHolds: (share: number) => void = () => undefined;

  constructor(settings: OverloadSettings, clock: Clock, logger: Logger, metrics: Metrics) {
    this.#clock = clock;
    this.#logger = logger;
    this.#metrics = metrics;
    this.#loopDelay = settings.loadShedding ? measureLoopDelay() : null;
    this.admission = this.#loopDelay && this.#admissionOf(settings, this.#loopDelay);
  }

  /** One for each dependency that the process has. */
  breaker(
    dependency: Dependency,
    isDown: (error: unknown) => boolean,
    pauses: { readonly pauseMsMin?: number; readonly pauseMsMax?: number } = {},
  ): Breaker {
    const breaker = new Breaker({
      dependency,
      isDown,
      logger: this.#logger,
      onState: (state) => this.#metrics.breakerState.set({ dependency }, BREAKER_STATES[state]),
      ...pauses,
    });
    this.#breakers.set(dependency, breaker);
    return breaker;
  }

  /** Tells, as often as it is looked at, which share of those who want to hold is not let in. */
  hearHolds(onHolds: (share: number) => void): void {
    this.#onHolds = onHolds;
  }

  /** Of the dependencies that this process has. */
  states(): { readonly dependency: Dependency; readonly state: BreakerState }[] {
    return [...this.#breakers].map(([dependency, { state }]) => ({ dependency, state }));
  }

  readonly onShed = (loadClass: LoadClass, answer: 'refused' | 'stale'): void => {
    this.#metrics.shed.inc({ class: loadClass, answer });
    if (answer === 'refused') this.#metrics.refusals.inc({ code: 'overloaded' });
  };

  start(): void {
    this.admission?.start();
  }

  stop(): void {
    this.admission?.stop();
    this.#loopDelay?.stop();
  }

  #admissionOf(settings: OverloadSettings, loopDelay: LoopDelay): Admission {
    // A series that begins with its first event has no rise that a rule could see.
    for (const shed of SHED_ORDER) {
      this.#metrics.shedShare.set({ class: shed }, 0);
      this.#metrics.shed.inc({ class: shed, answer: 'refused' }, 0);
    }
    return new Admission({
      clock: this.#clock,
      logger: this.#logger,
      loopDelayMs: () => loopDelay.take(),
      random: Math.random,
      delayMsMax: settings.loopDelayMs,
      answerMsMax: settings.replyWaitMs * ANSWER_PART_MAX,
      requestsMax: settings.requestsMax,
      onShare: (shed, share) => {
        this.#metrics.shedShare.set({ class: shed }, share);
        if (shed === 'hold') this.#onHolds(share);
      },
    });
  }
}

/** What an archive says when nobody answers it. */
export const isArchiveDown = (error: unknown): boolean => error instanceof ArchiveUnavailableError;
