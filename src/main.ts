/**
 * One codebase, one process per role or all roles in one. This file reads the configuration, puts the parts
 * together, starts them in order and stops them in the opposite order. Importing it does nothing.
 */
import { loadSettings, helpText, SettingsError, wantsHelp, type Settings } from '../config/settings.js';
import { StartupError } from './process/data-dir.js';
import { createLogger, type Logger } from './process/log.js';
import { startMarketplace, type Marketplace } from './process/marketplace.js';
import { welcome } from './process/welcome.js';

/** Runs until a signal ends it. Answers the process's exit code. */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  if (wantsHelp(argv)) {
    process.stdout.write(`${helpText()}\n`);
    return 0;
  }
  let settings: Settings;
  try {
    settings = loadSettings(env, argv);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  const logger = createLogger(settings);
  const asked = stopSignal();
  let hasStarted = false;
  // A part that waits for something that is away must not keep the process from ending.
  void asked.promise.then(() => {
    if (!hasStarted) setTimeout(() => process.exit(1), settings.shutdownMs).unref();
  });
  try {
    const marketplace = await startMarketplace(settings, logger, asked.signal);
    hasStarted = true;
    process.stdout.write(`${welcome(settings, marketplace)}\n`);
    await asked.promise;
    return await stop(marketplace, settings, logger);
  } catch (error) {
    if (asked.signal.aborted) return 0;
    return startFailed(error, logger);
  }
}

/** Whatever keeps a part from starting is one clear line. */
function startFailed(error: unknown, logger: Logger): number {
  const expected = error instanceof StartupError || error instanceof SettingsError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`ticktak cannot start: ${message}\n`);
  if (!expected) logger.debug({ err: error }, 'start failed');
  return 1;
}

/** Stops in good order, or ends anyway when that takes too long. A second signal ends at once. */
async function stop(marketplace: Marketplace, settings: Settings, logger: Logger): Promise<number> {
  process.stdout.write('Stopping: answering what was accepted and handing the tickets over ...\n');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => {
      resolve('late');
    }, settings.shutdownMs);
  });
  const outcome = await Promise.race([
    marketplace.stop(),
    late,
    stopSignal().promise.then(() => 'late' as const),
  ]);
  clearTimeout(timer);
  if (outcome === 'late') {
    logger.error('stopping took too long; ended with work in hand, which the next worker continues');
    return 1;
  }
  process.stdout.write('Stopped.\n');
  return 0;
}

/** Resolves at the next SIGINT or SIGTERM. */
function stopSignal(): { readonly promise: Promise<void>; readonly signal: AbortSignal } {
  const controller = new AbortController();
  const promise = new Promise<void>((resolve) => {
    const onSignal = (): void => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      controller.abort();
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
  return { promise, signal: controller.signal };
}
