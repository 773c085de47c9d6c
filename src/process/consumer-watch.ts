/** What the consumer needs of the process around it: news of lost writes, durable places, metrics. */
import type { Core } from './core.js';
import type { Metrics } from '../http/metrics.js';
import type { SalesConsumer } from '../kafka/consumer.js';
import { comparePositions } from '../actors/position.js';

/** Several tickets are rebuilt at once: one rewind is for all of them. */
const REWIND_DELAY_MS = 500;
const METRICS_MS = 2_000;
/** How long a look for what is archived goes on. */
const ARCHIVED_WAIT_MS = 5_000;
const ARCHIVED_LOOK_MS = 100;

/** Rewinds the consumer when Redis may have forgotten what only it knew; answers how to end that. */
export async function watchConsumer(
  consumer: SalesConsumer,
  { bus, keys, clock, logger }: Pick<Core, 'bus' | 'keys' | 'clock' | 'logger'>,
  metrics: Metrics,
): Promise<() => void> {
  let cancelRewind: (() => void) | null = null;
  const rewind = (): void => {
    cancelRewind ??= clock.schedule(REWIND_DELAY_MS, () => {
      cancelRewind = null;
      consumer.rewind().catch((error: unknown) => {
        logger.warn({ err: error }, 'could not read the market again after a loss; trying again');
        rewind();
      });
    });
  };
  const unsubscribe = await bus.subscribe(keys.channels.rebuilt(), rewind);
  const unreset = bus.onReset(rewind);
  let cancelMetrics: () => void = () => undefined;
  const measure = (): void => {
    metrics.messagesWaiting.set(consumer.waiting);
    metrics.consumerLagRecords.reset();
    for (const [source, lag] of consumer.lag()) metrics.consumerLagRecords.set({ source }, lag);
    cancelMetrics = clock.schedule(METRICS_MS, measure);
  };
  measure();
  return () => {
    unsubscribe();
    unreset();
    cancelRewind?.();
    cancelMetrics();
  };
}

/** Resolves when everything that is committed now is archived; false when that takes too long. */
export async function archivedSoFar({ store, catalog, clock }: Core): Promise<boolean> {
  const giveUpAt = clock.now() + ARCHIVED_WAIT_MS;
  let left = await store.progress(catalog.tickets);
  for (;;) {
    const now = await store.progress(catalog.tickets);
    left = new Map(
      [...left].filter(([name, { position }]) => {
        const archived = now.get(name)?.archived;
        return archived !== undefined && comparePositions(archived, position) < 0;
      }),
    );
    if (left.size === 0) return true;
    if (clock.now() > giveUpAt) return false;
    await new Promise<void>((resolve) => clock.schedule(ARCHIVED_LOOK_MS, resolve));
  }
}
