/** What programs share that work on the archive while the marketplace may be stopped: settings, command line, archive. */
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { loadSettings, type Settings } from '../../config/settings.js';
import type { Archive, OpenOptions } from '../archive/port.js';
import { Failure, firstSentence, type Environment } from '../peer/program.js';
import { makeArchive } from './archive.js';
import { createLogger } from './log.js';

/** Those that say where things are kept; every program heeds them. */
const VARIABLES = ['DATA_DIR', 'LOG_LEVEL', 'MONGODB_TIMEOUT_MS', 'MONGODB_URL'];

export const HELP_OPTION = { help: { type: 'boolean', short: 'h' } } as const;

export function argumentsOf(
  argv: readonly string[],
  program: string,
  options: NonNullable<Parameters<typeof parseArgs>[0]>['options'] & object,
): Readonly<Record<string, unknown>> {
  try {
    return parseArgs({ args: [...argv], options }).values;
  } catch (error) {
    throw new Failure(`${firstSentence(error)}: npm run ${program} -- --help says what is possible.`);
  }
}

/** Those of the marketplace, as far as they are about what is kept, and `more`. Throws `SettingsError`. */
export function keptSettings(env: Environment, more: readonly string[]): Settings {
  const given: NodeJS.ProcessEnv = { LOG_LEVEL: 'error' };
  for (const name of [...VARIABLES, ...more]) if (env[name]?.trim()) given[name] = env[name];
  return loadSettings(given, []);
}

/** Opens the archive for as long as the work takes. Lines of the log do not mix with what a program says. */
export async function withArchive<T>(
  settings: Settings,
  options: OpenOptions,
  work: (archive: Archive) => Promise<T>,
): Promise<T> {
  const archive = await makeArchive(settings, resolve(settings.dataDir), createLogger(settings, 2), options);
  await archive.start();
  try {
    return await work(archive);
  } finally {
    await archive.stop();
  }
}

export const placeOf = ({ mongoUrl, dataDir }: Settings): string =>
  mongoUrl === undefined ? join(resolve(dataDir), 'archive') : 'MongoDB';
