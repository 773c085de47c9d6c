/**
 * What `npm run peer` and `npm run masterlist` share: their settings are those of the marketplace as far as
 * they are about Kafka, and everything that keeps them from working is one clear line.
 */
import { loadSettings, settingsTable, type Settings } from '../../config/settings.js';
import type { Log } from '../kafka/port.js';
import { createLogger } from '../process/log.js';
import { makeLog } from '../kafka/market-log.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Something that its message says all about. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

/** What was wrong with a command line, without the advice that follows. */
export const firstSentence = (error: unknown): string =>
  String(error)
    .replace(/^\w*Error( \[\w+\])?: /, '')
    .split(/\.\s/)[0] ?? '';

const TAKEN: ReadonlySet<string> = new Set([
  'ENVIRONMENT',
  'LOG_LEVEL',
  'MASTERLIST_TOPIC_PREFIX',
  'SALES_TOPIC_PREFIX',
]);

const isTaken = (name: string): boolean =>
  (name.startsWith('KAFKA_') && name !== 'KAFKA_GROUP_ID') || TAKEN.has(name);

/** What they have to say they say in plain lines; the log of the Kafka client is for when that is not enough. */
const LOG_LEVEL = 'fatal';

/** Variables that these programs heed. */
export const VARIABLES = settingsTable
  .filter(({ env }) => isTaken(env))
  .map((line) => (line.env === 'LOG_LEVEL' ? { ...line, default: LOG_LEVEL } : line));

/** Throws `SettingsError`, or `Failure` when there are no brokers. */
export function marketSettings(env: Environment, clientId: string, withoutBrokers: string): Settings {
  const own = Object.fromEntries(VARIABLES.map(({ env: name }) => [name, env[name]]));
  if (!own['KAFKA_BROKERS']?.trim()) throw new Failure(withoutBrokers);
  // They take no payments, so nothing has to be said about how.
  const fixed = { CLIENT_ID: clientId, PAYMENT_SANDBOX: 'true' };
  const settings = loadSettings({ LOG_LEVEL, ...defined(own), ...fixed }, []);
  if (env['CLIENT_ID']?.trim() === clientId) {
    throw new Failure(
      `The client id ${clientId} is that of the marketplace (CLIENT_ID), which would take every message for its own.`,
    );
  }
  return settings;
}

const defined = (env: Environment): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value?.trim()));

/** The log of the brokers, for as long as the work takes. */
export async function withLog<T>(settings: Settings, work: (log: Log) => Promise<T>): Promise<T> {
  const log = await makeLog(settings, createLogger(settings));
  try {
    await log.start();
    return await work(log);
  } finally {
    await log.stop();
  }
}

/** Runs a program; answers the process's exit code. */
export async function exitCodeOf(work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Ctrl-C may reach a program twice: from the terminal, and handed on by what started it. */
const SAME_SIGNAL_MS = 1_000;
const INTERRUPTED = 130;

/** Resolves at the first SIGINT or SIGTERM; a later one ends the process at once. */
export function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let askedAt: number | null = null;
    const onSignal = (): void => {
      askedAt ??= Date.now();
      if (Date.now() > askedAt + SAME_SIGNAL_MS) process.exit(INTERRUPTED);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
