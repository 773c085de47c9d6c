/** `npm run lake`: the command line around src/analytics/lake/program.ts. */
import { resolve } from 'node:path';
import { loadSettings, type Settings } from '../../config/settings.js';
import { LakeProgram, type LakeSources } from '../analytics/lake/program.js';
import { exitCodeOf, Failure, type Environment } from '../peer/program.js';
import { daysKeptOf, lakeDirOf } from './analytics.js';
import { makeArchive } from './archive.js';
import { systemClock } from './clock.js';
import { keptTokenSecret } from './data-dir.js';
import { createLogger } from './log.js';

const VARIABLES = [
  'CLIENT_ID',
  'DATA_DIR',
  'LAKE_BATCH_EVENTS_MAX',
  'LAKE_BOOKING_DAYS',
  'LAKE_DIR',
  'LAKE_MEMORY_MB',
  'LAKE_THREADS',
  'LAKE_VIEW_DAYS',
  'LOG_LEVEL',
  'MONGODB_TIMEOUT_MS',
  'MONGODB_URL',
  'TOKEN_SECRET',
];

const HELP = `npm run lake -- COMMAND

  check          says what is in the data lake, and whether every row is there once
  query "SQL"    answers a question about the tables bookings, views and searches; nothing is changed
  compact        merges the files of days that are over, and lets go of what is kept no longer
  rebuild        makes the bookings anew from the ledgers; views and searches stay

The lake is in LAKE_DIR, or lake in DATA_DIR. A marketplace that runs does what compact does by itself; compact and
rebuild want its analytics stopped. See docs/data-lake.md.
`;

/** Answers the process's exit code. */
export function lake(argv: readonly string[], env: Environment): Promise<number> {
  return exitCodeOf(async () => {
    const [command = '--help', ...more] = argv;
    if (command === '--help' || command === '-h') {
      process.stdout.write(`${HELP}\n`);
      return;
    }
    const settings = settingsOf(env);
    const program = programOf(settings);
    try {
      await run(program, settings, command, more);
    } finally {
      await program.stop();
    }
  });
}

async function run(
  program: LakeProgram,
  settings: Settings,
  command: string,
  more: readonly string[],
): Promise<void> {
  const [sql] = more;
  if (command === 'query' && sql !== undefined && more.length === 1) return program.query(sql);
  if (more.length === 0) {
    if (command === 'check') return program.check();
    if (command === 'compact') return withSources(settings, (sources) => program.compact(sources));
    if (command === 'rebuild') return withSources(settings, (sources) => program.rebuild(sources));
  }
  throw new Failure(
    `${[command, ...more].join(' ')} is not known: npm run lake -- --help says what is possible.`,
  );
}

/** Those that are about the lake and what it is made from. Throws `SettingsError`. */
function settingsOf(env: Environment): Settings {
  const given: NodeJS.ProcessEnv = { LOG_LEVEL: 'error' };
  for (const name of VARIABLES) if (env[name]?.trim()) given[name] = env[name];
  return loadSettings(given, []);
}

function programOf(settings: Settings): LakeProgram {
  return new LakeProgram({
    dir: lakeDirOf(settings, resolve(settings.dataDir)),
    settings,
    daysKept: daysKeptOf(settings),
    clock: systemClock,
    logger: createLogger(settings, 2),
    say: (line) => void process.stdout.write(`${line}\n`),
  });
}

async function withSources(settings: Settings, work: (sources: LakeSources) => Promise<void>): Promise<void> {
  const dataDir = resolve(settings.dataDir);
  const tokenSecret = settings.tokenSecret ?? (await keptTokenSecret(dataDir));
  if (tokenSecret === null) {
    throw new Failure(
      'TOKEN_SECRET is not set, and there is none in DATA_DIR: persons could not be told apart.',
    );
  }
  const archive = await makeArchive(settings, dataDir, createLogger(settings, 2), { isReadOnly: true });
  await archive.start();
  try {
    await work({ archive, tokenSecret });
  } finally {
    await archive.stop();
  }
}
