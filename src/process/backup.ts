/**
 * `npm run backup` and `npm run restore`: files, command lines and checks around src/archive/backup.ts.
 *
 * Guarantees: a backup's file is there whole or not at all, for its owner only, and in place of no other; a restore
 * writes nothing unless all of its file is right, nothing is where it shall go, and Redis holds nothing of another
 * life of this marketplace, as far as the settings say where that is.
 */
import { createHmac } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { Redis } from 'ioredis';
import { redisUrlsOf } from '../../config/redis-url.js';
import type { Settings } from '../../config/settings.js';
import {
  BackupError,
  restoreBackup,
  verifyBackup,
  writeBackup,
  type BackupCounts,
  type BackupHeader,
  type BackupReport,
  type RestoreReport,
  type VerifiedBackup,
} from '../archive/backup.js';
import type { CollectionName, KeptDocument } from '../archive/documents.js';
import { cursorAt } from '../mail/feed.js';
import { droppedMail } from '../mail/records.js';
import { dueIfSettledSince } from '../payments/records.js';
import { exitCodeOf, Failure, type Environment } from '../peer/program.js';
import { argumentsOf, HELP_OPTION, keptSettings, placeOf, withArchive } from './archive-program.js';
import { connectRedis, isCluster, type RedisClient } from '../redis/connection.js';
import { keptTokenSecret, openDataDir, reasonOf } from './data-dir.js';
import { createLogger } from './log.js';
import { withTimeout } from './timeout.js';
import { VERSION } from './version.js';

/** Clocks of machines differ by less. */
const CLOCK_SKEW_MS = 5 * 60_000;
const PROGRESS_MS = 10_000;
/** For the look whether Redis is empty, which may hold many keys of others. */
const REDIS_MS_MAX = 60_000;
const REDIS_CONNECT_MS = 5_000;
const KEYS_PER_SCAN = 1_000;
const FINGERPRINT_CHARS = 16;
const INTERRUPTED = 130;

const VARIABLES = ['REDIS_PREFIX', 'REDIS_URL', 'TICKET_SECRET', 'TOKEN_SECRET'];

const BACKUP_HELP = `npm run backup -- --out FILE

Writes everything that the archive holds (MONGODB_URL, or else DATA_DIR/archive) to one file. The marketplace may
run meanwhile.

  --out FILE   a file that is not there yet; - for standard output (then: node scripts/backup.mjs --out - | ...)

It holds personal data, and no secrets: keep DATA_DIR/secrets, or the settings, too. See docs/backup.md.
`;

const RESTORE_HELP = `npm run restore -- --from FILE

Puts a backup into an archive that holds nothing (MONGODB_URL, or else DATA_DIR/archive), of the same kind or the
other, with the marketplace stopped.

  --from FILE         a backup, not encrypted
  --check             only says whether the file is whole, and what is in it
  --drop-mails        mails that waited when it was made are not sent
  --into-empty-only   what it does anyway, for scripts that want to say so

See docs/backup.md for what has to be done before and after.
`;

const FROM_STDIN =
  'A restore reads its file twice, to be sure of all of it before it writes anything: it cannot read from standard ' +
  'input. Decrypt to a file on a disk that is encrypted, or in memory (/dev/shm), and remove it afterwards.';

type Say = (line: string) => void;
const toOut: Say = (line) => void process.stdout.write(`${line}\n`);
const toErr: Say = (line) => void process.stderr.write(`${line}\n`);

/** Answers the process's exit code. */
export function backup(argv: readonly string[], env: Environment): Promise<number> {
  return exitCodeOf(async () => {
    const { out, help } = argumentsOf(argv, 'backup', { out: { type: 'string' }, ...HELP_OPTION });
    if (help === true) toOut(BACKUP_HELP);
    else if (typeof out !== 'string' || out === '') throw new Failure('Say where to: --out FILE.');
    else await backUp(out, settingsOf(env));
  });
}

/** Answers the process's exit code. */
export function restore(argv: readonly string[], env: Environment): Promise<number> {
  return exitCodeOf(async () => {
    const flags = argumentsOf(argv, 'restore', {
      from: { type: 'string' },
      check: { type: 'boolean' },
      'drop-mails': { type: 'boolean' },
      'into-empty-only': { type: 'boolean' },
      ...HELP_OPTION,
    });
    const { from } = flags;
    if (flags['help'] === true) toOut(RESTORE_HELP);
    else if (typeof from !== 'string' || from === '') throw new Failure('Say from what: --from FILE.');
    else if (from === '-') throw new Failure(FROM_STDIN);
    else if (flags['check'] === true) await check(from);
    else await restoreFrom(from, settingsOf(env), flags['drop-mails'] === true);
  });
}

const settingsOf = (env: Environment): Settings => keptSettings(env, VARIABLES);

// --- Backup ----------------------------------------------------------------------------------------------

async function backUp(out: string, settings: Settings): Promise<void> {
  const isPiped = out === '-';
  const say = isPiped ? toErr : toOut;
  if (!isPiped) await refuseExisting(out);
  const startedAt = Date.now();
  const secrets = await fingerprintsOf(settings);
  const report = await withArchive(settings, { isReadOnly: true }, (archive) => {
    const write = (to: Writable): Promise<BackupReport> =>
      writeBackup(
        archive,
        {
          now: Date.now,
          product: VERSION,
          source: settings.mongoUrl === undefined ? 'embedded' : 'mongodb',
          secrets,
        },
        to,
        progress(toErr, 'read'),
      );
    return isPiped ? write(process.stdout) : writeFile(out, write);
  });
  const seconds = (Date.now() - startedAt) / 1_000;
  say(`${placeOf(settings)} is backed up${isPiped ? '' : ` in ${out}`}, in ${seconds.toFixed(1)} s:`);
  say(`  ${countsLine(report.counts)}`);
  say(`  ${(report.bytes / 1e6).toFixed(1)} MB before compression, SHA-256 ${report.sha256}`);
  if (!isPiped) say(`It holds personal data. Whether it is whole: npm run restore -- --check --from ${out}`);
}

async function refuseExisting(file: string): Promise<void> {
  if (await stat(file).catch(() => null)) {
    throw new Failure(`${file} is there already: a backup takes the place of nothing.`);
  }
}

/** What `write` writes becomes the file when all of it is on the disk. */
async function writeFile(
  file: string,
  write: (to: Writable) => Promise<BackupReport>,
): Promise<BackupReport> {
  const partial = `${file}.partial`;
  const handle = await createPartial(partial);
  const onSignal = (): void => {
    rmSync(partial, { force: true });
    process.exit(INTERRUPTED);
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const report = await write(handle.createWriteStream({ flush: true }));
    await refuseExisting(file);
    await rename(partial, file);
    await syncFolder(dirname(resolve(file)));
    return report;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

async function createPartial(partial: string): Promise<FileHandle> {
  try {
    return await open(partial, 'wx', 0o600);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      throw new Failure(`${partial} is there: another backup writes it, or one was killed. Then remove it.`);
    }
    throw new Failure(`${partial} cannot be written: ${reasonOf(error)}.`);
  }
}

async function syncFolder(folder: string): Promise<void> {
  // Windows has no handle for a folder to sync.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}

// --- Restore ---------------------------------------------------------------------------------------------

async function check(file: string): Promise<void> {
  const verified = await verify(file);
  toOut(`${file} is whole:`);
  toOut(`  ${describe(verified)}`);
  toOut(`  ${countsLine(verified.counts)}`);
}

async function restoreFrom(file: string, settings: Settings, dropMails: boolean): Promise<void> {
  await refuseRedis(settings);
  const startedAt = Date.now();
  const verified = await verify(file);
  toOut(`${file} is whole: ${describe(verified)}.`);
  const changes = new Changes(startedAt, dropMails);
  const report = await withFolder(settings, () =>
    withArchive(settings, { isRestore: true }, (archive) =>
      restoreBackup(archive, verified, {
        source: createReadStream(file),
        now: Date.now,
        change: (collection, document, header) => changes.of(collection, document, header),
        add: (ends) =>
          dropMails ? ends.map(({ ticket, head }) => ['mailCursors', cursorAt(ticket, head)] as const) : [],
        onProgress: progress(toErr, 'written'),
      }),
    ),
  );
  const seconds = (Date.now() - startedAt) / 1_000;
  toOut(`It is restored into ${placeOf(settings)}, in ${seconds.toFixed(1)} s:`);
  for (const line of reportLines(report, changes)) toOut(`  ${line}`);
  toOut('Before you start the marketplace:');
  for (const line of await nextSteps(settings, verified.header)) toOut(`- ${line}`);
}

/** Of the processes with all roles none may have the folder. */
async function withFolder<T>({ mongoUrl, dataDir }: Settings, work: () => Promise<T>): Promise<T> {
  if (mongoUrl !== undefined) return work();
  const folder = await openDataDir(dataDir, { exclusive: true });
  try {
    return await work();
  } finally {
    await folder.release();
  }
}

async function verify(file: string): Promise<VerifiedBackup> {
  const found = await stat(file).catch((error: unknown) => {
    throw new Failure(`${file} cannot be read: ${reasonOf(error)}.`);
  });
  if (!found.isFile()) throw new Failure(`${file} is no file.`);
  try {
    return await verifyBackup(createReadStream(file), progress(toErr, 'verified'));
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    throw new Failure(`${file} cannot be restored, and nothing was written: ${error.message}.`);
  }
}

/** What a restore does to documents, and how often it did. */
class Changes {
  readonly #now: number;
  readonly #dropMails: boolean;
  paymentsDue = 0;
  mailsWaiting = 0;

  constructor(now: number, dropMails: boolean) {
    this.#now = now;
    this.#dropMails = dropMails;
  }

  get dropsMails(): boolean {
    return this.#dropMails;
  }

  of(collection: CollectionName, document: KeptDocument, { madeAt }: BackupHeader): KeptDocument | null {
    switch (collection) {
      case 'payments': {
        const due = dueIfSettledSince(document, Date.parse(madeAt) - CLOCK_SKEW_MS, this.#now);
        if ('due' in due.lists) this.paymentsDue += 1;
        return due;
      }
      case 'mails':
        if (!('due' in document.lists)) return document;
        this.mailsWaiting += 1;
        return this.#dropMails ? droppedMail(document, this.#now) : document;
      case 'mailCursors':
        // Written anew at the ends of the ledgers.
        return this.#dropMails ? null : document;
      default:
        return document;
    }
  }
}

function reportLines({ counts, leftOut }: RestoreReport, changes: Changes): readonly string[] {
  const { paymentsDue, mailsWaiting, dropsMails } = changes;
  const lines = [countsLine(counts)];
  if (leftOut > 0)
    lines.push(`${leftOut} of the documents were left out: their time is over, or they are made anew`);
  if (paymentsDue > 0) lines.push(`${paymentsDue} payments are compared with the provider at the next start`);
  if (mailsWaiting > 0) {
    lines.push(
      dropsMails
        ? `${mailsWaiting} mails that waited are dropped`
        : `${mailsWaiting} mails that waited are sent at the next start, also those that were sent after the backup`,
    );
  }
  return lines;
}

async function nextSteps(settings: Settings, header: BackupHeader): Promise<readonly string[]> {
  const own = await fingerprintsOf(settings);
  const lines: string[] = [];
  const secretOf = { token: 'TOKEN_SECRET', ticket: 'TICKET_SECRET' } as const;
  for (const [name, variable] of Object.entries(secretOf) as ['token' | 'ticket', string][]) {
    if (header.secrets[name] === undefined || own[name] === header.secrets[name]) continue;
    lines.push(
      own[name] === undefined
        ? `the ${variable} of the backup is not here yet: set it, or put back DATA_DIR/secrets. With another one ${LOSS[name]}`
        : `${variable} is NOT the one of the backup: with it ${LOSS[name]}`,
    );
  }
  if (settings.redisUrl === undefined) {
    lines.push('if it uses a Redis of its own (REDIS_URL), remove all keys of REDIS_PREFIX there');
  }
  lines.push('with brokers, set the consumer group back to before the backup (docs/backup.md)');
  return lines;
}

const LOSS = {
  token: 'all log-ins end and second factors cannot be read',
  ticket: 'the codes of all tickets that are out are void',
} as const;

// --- Redis and secrets -----------------------------------------------------------------------------------

const AHEAD =
  'what it knows of tickets is ahead of the archive that is restored, and would keep them from being sold';

/** Refuses when Redis holds anything of this marketplace, where the settings say where Redis is. */
async function refuseRedis({ redisUrl, redisPrefix, dataDir }: Settings): Promise<void> {
  if (redisUrl === undefined) {
    const folder = join(resolve(dataDir), 'redis');
    const names = await readdir(folder).catch(() => []);
    const data = names.find((name) => /^(appendonly|dump)/.test(name));
    if (data === undefined) return;
    throw new Failure(
      `${join(folder, data)} holds the data of a Redis: ${AHEAD}. Stop the marketplace and remove ${folder}.`,
    );
  }
  const key = await firstKey(redisUrl, `${redisPrefix}:`);
  if (key === null) return;
  throw new Failure(
    `Redis holds keys of ${redisPrefix} (${key}): ${AHEAD}. Stop the marketplace and remove all keys ${redisPrefix}:*.`,
  );
}

async function firstKey(url: string, prefix: string): Promise<string | null> {
  try {
    return redisUrlsOf(url).length > 1
      ? await firstKeyOfCluster(url, prefix)
      : await firstKeyOfOne(url, prefix);
  } catch (error) {
    throw new Failure(`Whether Redis (REDIS_URL) is empty cannot be seen: ${reasonOf(error)}.`);
  }
}

async function firstKeyOfOne(url: string, prefix: string): Promise<string | null> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: REDIS_CONNECT_MS,
    commandTimeout: REDIS_CONNECT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await firstKeyAt(redis, prefix, Date.now() + REDIS_MS_MAX);
  } finally {
    redis.disconnect();
  }
}

/** Each master has some of the keys. */
async function firstKeyOfCluster(url: string, prefix: string): Promise<string | null> {
  const cluster = connectRedis({ url, name: 'ticktak-restore', logger: createLogger({ logLevel: 'fatal' }) });
  try {
    const state = await withTimeout(clusterState(cluster), REDIS_CONNECT_MS, 'the cluster does not answer');
    if (!/cluster_slots_ok:16384\b/.test(state)) throw new Error('some slots of the cluster are not served');
    const giveUpAt = Date.now() + REDIS_MS_MAX;
    const nodes = isCluster(cluster) ? cluster.nodes('master') : [];
    for (const node of nodes) {
      const found = firstKeyAt(node, prefix, giveUpAt);
      const key = await withTimeout(found, REDIS_MS_MAX, 'a node of the cluster does not answer');
      if (key !== null) return key;
    }
    return null;
  } finally {
    cluster.disconnect();
  }
}

async function clusterState(cluster: RedisClient): Promise<string> {
  return String(await cluster.call('CLUSTER', 'INFO'));
}

async function firstKeyAt(
  redis: Pick<Redis, 'scan'>,
  prefix: string,
  giveUpAt: number,
): Promise<string | null> {
  for (let cursor = '0'; ;) {
    const [next, [key]] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', KEYS_PER_SCAN);
    if (key !== undefined) return key;
    if (next === '0') return null;
    cursor = next;
    if (Date.now() > giveUpAt)
      throw new Error(`it has too many keys to be looked through in ${REDIS_MS_MAX} ms`);
  }
}

/** By them it is told whether two secrets are the same. */
async function fingerprintsOf(settings: Settings): Promise<BackupHeader['secrets']> {
  const token = settings.tokenSecret ?? (await keptTokenSecret(resolve(settings.dataDir)));
  const ticket = settings.ticketSecret ?? token;
  return {
    ...(token !== null && { token: fingerprintOf('token', token) }),
    ...(ticket !== null && { ticket: fingerprintOf('ticket', ticket) }),
  };
}

const fingerprintOf = (name: string, secret: string): string =>
  createHmac('sha256', secret).update(`ticktak backup: ${name}`).digest('hex').slice(0, FINGERPRINT_CHARS);

// --- Words -----------------------------------------------------------------------------------------------

function describe({ header, endedAt }: VerifiedBackup): string {
  return `made by ticktak ${header.product} from ${header.source}, from ${header.madeAt} to ${endedAt}`;
}

function countsLine({ documents, ...counts }: BackupCounts): string {
  const all = Object.values(documents).reduce((total, one) => total + one, 0);
  const { events, tickets, snapshots, matches, deadLetters, publishers } = counts;
  return (
    `${events} events of ${tickets} tickets, ${snapshots} snapshots, ${matches} matches, ${deadLetters} dead letters, ` +
    `${publishers} publishers, ${all} documents` +
    (all > 0
      ? ` (${Object.entries(documents)
          .map((entry) => entry.join(' '))
          .join(', ')})`
      : '')
  );
}

/** Says now and then how far it is. */
function progress(say: Say, what: string): (counts: BackupCounts) => void {
  let saidAt = Date.now();
  return ({ events, documents }) => {
    if (Date.now() < saidAt + PROGRESS_MS) return;
    saidAt = Date.now();
    const all = Object.values(documents).reduce((total, one) => total + one, 0);
    say(`${events} events and ${all} documents ${what} ...`);
  };
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
