/** The archive that the settings name. */
import type { Settings } from '../../config/settings.js';
import type { Archive, OpenOptions } from '../archive/port.js';
import type { Breaker } from '../overload/breaker.js';
import type { Logger } from './log.js';

/** Not started yet. The driver of the other kind is not loaded: each takes some MB of every process. */
export async function makeArchive(
  { mongoUrl, mongoTimeoutMs }: Pick<Settings, 'mongoUrl' | 'mongoTimeoutMs'>,
  dataDir: string,
  logger: Logger,
  options: OpenOptions = {},
  /** Made where there is a server to be left alone. */
  makeBreaker?: () => Breaker,
): Promise<Archive> {
  if (mongoUrl === undefined) {
    const { EmbeddedArchive } = await import('../archive/embedded.js');
    return new EmbeddedArchive({ dir: `${dataDir}/archive`, ...options });
  }
  const { MongoArchive } = await import('../archive/mongo.js');
  return new MongoArchive({
    url: mongoUrl,
    timeoutMs: mongoTimeoutMs,
    logger,
    ...options,
    ...(makeBreaker && { breaker: makeBreaker() }),
  });
}
