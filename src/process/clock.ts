/** The machine's clock behind the port that every part takes its time from. */
import type { Clock } from '../actors/ports.js';

export const systemClock: Clock = {
  now: () => Date.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, delayMs);
    return () => {
      clearTimeout(timer);
    };
  },
};
