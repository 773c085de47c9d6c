/** The archive that the settings name. */
import type { Settings } from '../../config/settings.js';
import { EmbeddedArchive } from '../archive/embedded.js';
import { MongoArchive } from '../archive/mongo.js';
import type { Archive, OpenOptions } from '../archive/port.js';
import type { Logger } from './log.js';

/** Not started yet. */
export function makeArchive(
  { mongoUrl, mongoTimeoutMs }: Pick<Settings, 'mongoUrl' | 'mongoTimeoutMs'>,
  dataDir: string,
  logger: Logger,
  options: OpenOptions = {},
): Archive {
  if (mongoUrl === undefined) return new EmbeddedArchive({ dir: `${dataDir}/archive`, ...options });
  return new MongoArchive({ url: mongoUrl, timeoutMs: mongoTimeoutMs, logger, ...options });
}
