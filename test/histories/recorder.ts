/** Records who asked what when, and what was answered. Times are positions in one order, so none are equal. */
import type { Operation } from './linearizable.js';
import type { Call, Result } from './model.js';

export class Recorder {
  readonly operations: Operation[] = [];
  #now = 0;

  /** `ask` answers null when the outcome is not known; then the interval stays open. */
  async record(call: Call, ask: () => Promise<Result | null>): Promise<Result | null> {
    const calledAt = (this.#now += 1);
    const result = await ask().catch(() => null);
    const answeredAt = result === null ? null : (this.#now += 1);
    this.operations.push({ call, calledAt, answeredAt, result });
    return result;
  }
}
