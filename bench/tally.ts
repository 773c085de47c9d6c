/** Counts and times what a measuring process was answered, and tells it to whoever started the process. */
import { createHistogram } from 'node:perf_hooks';
import type { Figures } from './contender.js';

const US_PER_MS = 1_000;

/** What was measured so far, once `begin` was called. */
export class Tally {
  readonly #histogram = createHistogram({ figures: 3 });
  readonly #failed: Record<string, number> = {};
  readonly #values: Record<string, number> = {};
  #count = 0;
  #beganAt: number | null = null;
  #endedAt = 0;

  begin(): void {
    this.#beganAt = performance.now();
    process.stdout.write('begin\n');
  }

  end(): void {
    this.#endedAt = performance.now();
  }

  answered(ms: number): void {
    if (this.#beganAt === null || this.#endedAt > 0) return;
    this.#count += 1;
    this.#histogram.record(Math.max(1, Math.round(ms * US_PER_MS)));
  }

  /** Something that nobody waited for. */
  counted(): void {
    this.#count += 1;
  }

  /** What else is to be told, by what it is called, its unit last. */
  found(what: string, value: number): void {
    this.#values[what] = value;
  }

  failed(what: string, times = 1): void {
    this.#failed[what] = (this.#failed[what] ?? 0) + times;
  }

  get figures(): Figures {
    const seconds = (this.#endedAt - (this.#beganAt ?? this.#endedAt)) / 1_000;
    const at = (percent: number): number => this.#histogram.percentile(percent) / US_PER_MS;
    const latency = { p50: at(50), p90: at(90), p99: at(99), max: this.#histogram.max / US_PER_MS };
    const count = this.#count;
    if (count === 0) this.failed('nothing was answered');
    return {
      count,
      seconds,
      perSecond: count / seconds,
      latency: this.#histogram.count === 0 ? null : latency,
      failed: this.#failed,
      values: this.#values,
    };
  }

  /** Ends the process. */
  tell(): void {
    process.stdout.write(`${JSON.stringify(this.figures)}\n`, () => process.exit());
  }
}
