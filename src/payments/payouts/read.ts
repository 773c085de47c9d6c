/** Reading from a provider that may be slow or have very much: with an end. */
import type { Clock } from '../../actors/ports.js';
import { PaymentUnavailableError } from '../port.js';

export interface ReadBounds {
  readonly clock: Clock;
  /** Epoch milliseconds. What was read by then is answered. */
  readonly until: number;
  /** Ends it earlier. */
  readonly signal?: AbortSignal;
}

export interface Gathered<T> {
  readonly items: readonly T[];
  /** False when there is more, or may be. */
  readonly isComplete: boolean;
}

const LATE = Symbol('late');
const SILENT = 'The payment provider did not answer in time';

/** At most `max` of them. Rejects with `PaymentUnavailableError` when nothing came in time. */
export async function gather<T>(
  source: AsyncIterable<T>,
  max: number,
  bounds: ReadBounds,
  isLast: (item: T) => boolean = () => false,
): Promise<Gathered<T>> {
  const items: T[] = [];
  const iterator = source[Symbol.asyncIterator]();
  // Not waited for: it ends when the call under way does.
  const leave = (): void => void iterator.return?.().catch(() => undefined);
  for (;;) {
    const next = await inTime(iterator.next(), bounds);
    if (next === LATE) {
      leave();
      if (items.length > 0) return { items, isComplete: false };
      throw new PaymentUnavailableError(SILENT);
    }
    if (next.done === true) return { items, isComplete: true };
    if (items.length >= max) {
      leave();
      return { items, isComplete: false };
    }
    items.push(next.value);
    if (isLast(next.value)) {
      leave();
      return { items, isComplete: true };
    }
  }
}

async function inTime<T>(work: Promise<T>, { clock, until, signal }: ReadBounds): Promise<T | typeof LATE> {
  // After the end nobody hears of it.
  work.catch(() => undefined);
  let cancel: () => void = () => undefined;
  const late = new Promise<typeof LATE>((resolve) => {
    const end = (): void => resolve(LATE);
    const cancelTimer = clock.schedule(Math.max(0, until - clock.now()), end);
    signal?.addEventListener('abort', end);
    cancel = () => {
      cancelTimer();
      signal?.removeEventListener('abort', end);
    };
    if (signal?.aborted === true) end();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
  }
}

/**
 * Each once, `atOnce` at a time, in any order; stops asking at the end. False when some were not done by then.
 * Rejects as the first does that rejects before.
 */
export async function eachInTime<T>(
  items: readonly T[],
  atOnce: number,
  bounds: ReadBounds,
  work: (item: T) => Promise<void>,
): Promise<boolean> {
  const waiting = [...items];
  let done = 0;
  const worker = async (): Promise<void> => {
    while (waiting.length > 0 && !isOver(bounds)) {
      const item = waiting.shift();
      if (item === undefined) return;
      try {
        await work(item);
        done += 1;
      } catch (error) {
        if (!isOver(bounds)) throw error;
      }
    }
  };
  const all = Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return (await inTime(all, bounds)) !== LATE && done === items.length;
}

const isOver = ({ clock, until, signal }: ReadBounds): boolean =>
  clock.now() >= until || signal?.aborted === true;

/** What was asked for. Rejects with `PaymentUnavailableError` when it did not come in time. */
export async function within<T>(bounds: ReadBounds, work: Promise<T>): Promise<T> {
  const answer = await inTime(work, bounds);
  if (answer === LATE) throw new PaymentUnavailableError(SILENT);
  return answer;
}
