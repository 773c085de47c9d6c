import type { Clock } from '../actors/ports.js';

/** Resolves when the work has, or after `waitMs` with the work still going on. */
export async function inTime(clock: Clock, waitMs: number, work: Promise<void>): Promise<void> {
  let cancel: () => void = () => undefined;
  const late = new Promise<void>((resolve) => {
    cancel = clock.schedule(waitMs, resolve);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    cancel();
  }
}
