/**
 * A dependency that is down is not asked by everybody. Guarantees: after so many failures in a row that mean "down", calls
 * are refused at once and have certainly not reached it; now and then one call asks whether it is back, and the first answer
 * that proves it lets all through again; a call that must be made because something may exist there (`insist`) never waits
 * for that, it is only kept from coming in crowds. An answer that says no is an answer.
 */
import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, handleAll } from 'cockatiel';
import type { CircuitBreakerPolicy, IBackoff } from 'cockatiel';
import type { Logger } from '../process/log.js';

export const DEPENDENCIES = ['stripe', 'mongodb', 'mail'] as const;
export type Dependency = (typeof DEPENDENCIES)[number];

/** `half_open`: one call is asking. The numbers are those of the metric. */
export const BREAKER_STATES = { closed: 0, half_open: 1, open: 2 } as const;
export type BreakerState = keyof typeof BREAKER_STATES;

export interface BreakerOptions {
  readonly dependency: Dependency;
  readonly logger: Logger;
  /** Whether a failure means that nobody is there: time-outs, broken connections, 5xx; never that it said no. */
  readonly isDown: (error: unknown) => boolean;
  /** Failures in a row. One success in between says that it is not down. */
  readonly failuresMax?: number;
  /** Until it is asked again: doubled after each time in vain, up to the second. */
  readonly pauseMsMin?: number;
  readonly pauseMsMax?: number;
  readonly onState?: (state: BreakerState) => void;
}

const FAILURES_MAX = 5;
const PAUSE_MS_MIN = 1_000;
const PAUSE_MS_MAX = 15_000;
/** Calls that insist, at once, while it is down. */
export const INSISTING_MAX = 4;

/** The call was not made: the dependency has not heard of it. */
export class BreakerOpenError extends Error {
  override readonly name = 'BreakerOpenError';
  constructor(
    readonly dependency: Dependency,
    /** When to come back, milliseconds: it may have been asked again by then. */
    readonly retryAfterMs: number,
  ) {
    super(`${dependency} does not answer: it is left alone for now`);
  }
}

/** Of a call, as the policy sees it: what failed for other reasons than the dependency is an answer. */
type Outcome<T> = { readonly value: T } | { readonly error: unknown };

export class Breaker {
  readonly dependency: Dependency;
  readonly #options: BreakerOptions;
  readonly #policy: CircuitBreakerPolicy;
  readonly #count: ConsecutiveBreaker;
  #insisting = 0;
  /** Moves on when it is known that the dependency is back: older failures mean nothing then. */
  #proof = 0;
  #openUntil = 0;
  #isTold = false;

  constructor(options: BreakerOptions) {
    const { failuresMax = FAILURES_MAX, pauseMsMin = PAUSE_MS_MIN, pauseMsMax = PAUSE_MS_MAX } = options;
    this.dependency = options.dependency;
    this.#options = options;
    this.#count = new ConsecutiveBreaker(failuresMax);
    this.#policy = circuitBreaker(handleAll, {
      breaker: this.#count,
      halfOpenAfter: { next: () => this.#resting(pauseOf(pauseMsMin, pauseMsMax)) },
    });
    this.#policy.onStateChange((state) => this.#changed(state));
    options.onState?.('closed');
  }

  get state(): BreakerState {
    return nameOf(this.#policy.state);
  }

  /** Until a call is let through again, milliseconds; 0 when one would be now. */
  get restMs(): number {
    return this.state === 'closed' ? 0 : Math.max(0, this.#openUntil - Date.now());
  }

  /** Makes the call, or rejects with `BreakerOpenError` without having made it. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    // One asks already: nobody waits for what it hears.
    if (this.state === 'half_open') throw this.#refusal();
    const proof = this.#proof;
    let outcome: Outcome<T>;
    try {
      outcome = await this.#policy.execute(() => this.#asked(work, proof));
    } catch (error) {
      throw error instanceof BrokenCircuitError ? this.#refusal() : error;
    }
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /**
   * For calls about what may exist there. Makes the call whatever is thought of the dependency, unless so many others do at
   * this moment; what it learns counts.
   */
  async insist<T>(work: () => Promise<T>): Promise<T> {
    if (this.state === 'closed') return this.run(work);
    if (this.#insisting >= INSISTING_MAX) throw this.#refusal();
    this.#insisting += 1;
    try {
      const value = await work();
      this.#isBack();
      return value;
    } catch (error) {
      if (!this.#options.isDown(error)) this.#isBack();
      throw error;
    } finally {
      this.#insisting -= 1;
    }
  }

  /** Throws only what means that it is down. */
  async #asked<T>(work: () => Promise<T>, proof: number): Promise<Outcome<T>> {
    try {
      return { value: await work() };
    } catch (error) {
      if (this.#options.isDown(error) && proof === this.#proof) throw error;
      return { error };
    }
  }

  /** Closes it, whatever is under way. */
  #isBack(): void {
    if (this.state === 'closed') return;
    this.#proof += 1;
    this.#count.success();
    this.#policy.isolate().dispose();
  }

  #refusal(): BreakerOpenError {
    // Those who are refused together are not asked to come back together.
    return new BreakerOpenError(this.dependency, this.restMs + MS_MIN + Math.random() * SPREAD_MS);
  }

  /** The pause that begins now. */
  #resting(pause: Pause): Pause {
    this.#openUntil = Date.now() + pause.duration;
    return { duration: pause.duration, next: () => this.#resting(pause.next()) };
  }

  #changed(state: CircuitState): void {
    // On the way to closed; nothing was asked in it.
    if (state === CircuitState.Isolated) return;
    const { dependency, logger, onState } = this.#options;
    onState?.(nameOf(state));
    // Once: asked in vain it is open again, and that is no news.
    if (state === CircuitState.Open && !this.#isTold) {
      this.#isTold = true;
      logger.warn({ dependency }, `${dependency} does not answer: it is left alone, and asked now and then`);
    } else if (state === CircuitState.Closed) {
      this.#isTold = false;
      logger.info({ dependency }, `${dependency} answers again`);
    }
  }
}

/** Nobody is asked to come back at once, nor all at a time. */
const MS_MIN = 1_000;
const SPREAD_MS = 3_000;

interface Pause extends IBackoff<unknown> {
  readonly duration: number;
  next(): Pause;
}

function pauseOf(ms: number, max: number): Pause {
  return {
    // With jitter, so that processes do not ask all at once.
    duration: Math.ceil(ms * (0.75 + Math.random() / 4)),
    next: () => pauseOf(Math.min(max, 2 * ms), max),
  };
}

function nameOf(state: CircuitState): BreakerState {
  switch (state) {
    case CircuitState.Closed:
      return 'closed';
    case CircuitState.HalfOpen:
      return 'half_open';
    case CircuitState.Open:
    case CircuitState.Isolated:
      return 'open';
  }
}
