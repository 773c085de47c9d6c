/** A clock that is moved by hand, and waiting for something to have happened without any time passing. */
import type { Clock } from '../../src/actors/ports.js';

export class ManualClock implements Clock {
  #now = 1_669_000_000_000;
  #timers: { readonly at: number; readonly delayMs: number; readonly task: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, task: () => void): () => void {
    const timer = { at: this.#now + delayMs, delayMs, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Delays of the timers that are set, in the order in which they were. */
  get delays(): number[] {
    return this.#timers.map(({ delayMs }) => delayMs);
  }

  advance(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter(({ at }) => at <= this.#now);
    this.#timers = this.#timers.filter(({ at }) => at > this.#now);
    for (const { task } of due) task();
  }
}

/** Turns of the event loop that `until` waits at most. */
const TURNS_MAX = 10_000;

/** Lets everything that can go on go on until `happened`. */
export async function until(happened: () => boolean): Promise<void> {
  for (let turn = 0; turn < TURNS_MAX; turn += 1) {
    if (happened()) return;
    await nextTurn();
  }
  throw new Error(`It did not happen in ${TURNS_MAX} turns: ${happened.toString()}`);
}

/** Lets everything that can go on without time passing go on: enough turns for any chain of the tests. */
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await nextTurn();
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
