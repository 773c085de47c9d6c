/** How late this process reacts, measured by the runtime. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Between two measurements, milliseconds: each is this long when nothing delays it. */
const RESOLUTION_MS = 20;
const NS_PER_MS = 1_000_000;

export interface LoopDelay {
  /** The mean since the last call, milliseconds. */
  take(): number;
  stop(): void;
}

export function measureLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return {
    take() {
      const meanMs = histogram.mean / NS_PER_MS;
      histogram.reset();
      // Without any measurement there is nothing to say.
      return Number.isFinite(meanMs) ? Math.max(0, meanMs - RESOLUTION_MS) : 0;
    },
    stop() {
      histogram.disable();
    },
  };
}
