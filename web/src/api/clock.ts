/**
 * The server's clock, as well as answers tell it.
 *
 * The `Date` header has whole seconds: an answer sent and received between two moments of ours says that the
 * server's time was within that second, so each one bounds the offset from both sides. The bounds of all answers
 * together narrow it to about the round trip's time (a single answer: half a second). Bounds that contradict each
 * other mean that a clock was set: only the newest counts then.
 */
export class ServerClock {
  readonly #now: () => number;
  #lowMs = -Infinity;
  #highMs = Infinity;

  /** `now`: this machine's clock, milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Milliseconds since 1970 by the server's clock; ours while no answer has told. */
  now(): number {
    return this.#now() + this.offsetMs;
  }

  get offsetMs(): number {
    return Number.isFinite(this.#lowMs) ? (this.#lowMs + this.#highMs) / 2 : 0;
  }

  /** How wrong `now()` may be, milliseconds; Infinity while nothing is known. */
  get uncertaintyMs(): number {
    return (this.#highMs - this.#lowMs) / 2;
  }

  /** Takes the `Date` header of an answer to a request sent and received at these moments of our clock. */
  observe(date: string | null, sentAt: number, receivedAt: number): void {
    const second = date === null ? NaN : Date.parse(date);
    if (Number.isNaN(second) || receivedAt < sentAt) return;
    const lowMs = second - receivedAt;
    const highMs = second + 1_000 - sentAt;
    const narrowedLow = Math.max(this.#lowMs, lowMs);
    const narrowedHigh = Math.min(this.#highMs, highMs);
    const agrees = narrowedLow <= narrowedHigh;
    this.#lowMs = agrees ? narrowedLow : lowMs;
    this.#highMs = agrees ? narrowedHigh : highMs;
  }
}

export const serverClock = new ServerClock(() => Date.now());
