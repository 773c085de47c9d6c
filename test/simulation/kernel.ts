/**
 * The time of a simulation: one queue of events, one event after the other.
 *
 * Guarantees: nothing happens but what an event does; between two events every promise that can go on has gone
 * on; the same seed and plan give the same events in the same order, which the hash of the trace shows; an event
 * of a process that died never happens, one of a process that is paused happens when it goes on.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../src/actors/ports.js';
import { Random } from './random.js';

/** When every simulation begins, epoch milliseconds: 2022-10-01. */
export const BEGIN_MS = 1_664_582_400_000;

interface Event {
  at: number;
  readonly order: number;
  readonly owner: Process | null;
  readonly label: string;
  run: (() => void) | null;
}

/** A promise is broken: what the simulation looks for. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** Which promise, the same for every way of breaking it. */
  readonly promise: string;

  constructor(promise: string, detail: string) {
    super(`${promise}: ${detail}`);
    this.promise = promise;
  }
}

/** Something that runs, sleeps and dies: a worker, a web process, a consumer, a buyer. */
export class Process {
  readonly name: string;
  readonly random: Random;
  readonly clock: Clock;
  isAlive = true;
  /** Nothing of it happens before this. */
  pausedUntil = 0;
  /** How far its clock is off, milliseconds. */
  skewMs = 0;
  #ids = 0;

  constructor(kernel: Kernel, name: string) {
    this.name = name;
    this.random = new Random(kernel.seed, name);
    this.clock = {
      now: () => Math.floor(kernel.now + this.skewMs),
      schedule: (delayMs, task) => kernel.schedule(delayMs, this, `${name} timer`, task),
    };
  }

  /** Never the same twice. */
  readonly newId = (): string => {
    this.#ids += 1;
    return `${this.name}-${this.#ids}`;
  };

  kill(): void {
    this.isAlive = false;
  }
}

export class Kernel {
  readonly seed: number;
  now = BEGIN_MS;
  steps = 0;
  #order = 0;
  readonly #heap: Event[] = [];
  readonly #hash = createHash('sha256');
  #trace = '';
  /** Hears all that is noted, and every event before it happens. */
  onNote: ((text: string) => void) | null = null;
  #failure: Error | null = null;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** Does `run` after a while, unless its process died; the returned function cancels it. */
  schedule(delayMs: number, owner: Process | null, label: string, run: () => void): () => void {
    return this.at(this.now + Math.max(0, delayMs), owner, label, run);
  }

  at(time: number, owner: Process | null, label: string, run: () => void): () => void {
    this.#order += 1;
    const event: Event = { at: Math.max(time, this.now), order: this.#order, owner, label, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  /** Ends the run at the next step. */
  fail(error: Error): void {
    this.#failure ??= error;
  }

  /** Whether the run was ended by `fail`. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Notes what happened for the trace. */
  note(text: string): void {
    this.onNote?.(text);
    this.#trace += `${text}\n`;
    if (this.#trace.length > 16_384) this.#flushTrace();
  }

  #flushTrace(): void {
    this.#hash.update(this.#trace);
    this.#trace = '';
  }

  /** The hash of all that has happened; nothing may happen after it. */
  traceHash(): string {
    this.#flushTrace();
    return this.#hash.digest('hex');
  }

  /** Lets events happen until one is later than `time`. Rejects with what failed. */
  runUntil(time: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = (): void => {
        if (this.#failure) {
          reject(this.#failure);
          return;
        }
        const event = this.#next(time);
        if (!event) {
          this.now = Math.max(this.now, time);
          resolve();
          return;
        }
        this.now = event.at;
        this.steps += 1;
        this.note(`${(event.at - BEGIN_MS).toFixed(3)} ${event.label}`);
        try {
          const { run } = event;
          event.run = null;
          run?.();
        } catch (error) {
          this.fail(error instanceof Error ? error : new Error(String(error)));
        }
        // Every promise that can go on does so before the next event.
        setImmediate(turn);
      };
      setImmediate(turn);
    });
  }

  #next(until: number): Event | null {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.at > until) return null;
      this.#pop();
      const { owner } = first;
      if (first.run === null || (owner && !owner.isAlive)) continue;
      if (owner && owner.pausedUntil > first.at) {
        // In the order in which it would have happened.
        first.at = owner.pausedUntil;
        this.#push(first);
        continue;
      }
      return first;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(event);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(event, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      let below = heap[child];
      if (!below) break;
      const right = heap[child + 1];
      if (right && isBefore(right, below)) {
        child += 1;
        below = right;
      }
      if (!isBefore(below, last)) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
