/**
 * `npm run recover`: puts into Redis, after it lost everything or its newest writes, what the archive has of it.
 *
 * Guarantees: tickets of which Redis has all that the archive has are left alone, and nothing at all is touched when
 * Redis knows of more than this archive ever had; workers may run meanwhile; it may be killed at any moment and done
 * again; it says of each ticket and each part what it was rebuilt from, and what is gone for good; it ends with 0 only
 * when every ticket in Redis equals a fold of its ledger.
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { redisUrlsOf } from '../../config/redis-url.js';
import type { Settings } from '../../config/settings.js';
import { idleRelay } from '../actors/relay.js';
import { formatPosition } from '../actors/position.js';
import type { ActorDeps } from '../actors/actor.js';
import type { Archive } from '../archive/port.js';
import { Catalog } from '../catalog/catalog.js';
import { ticketsOf } from '../catalog/match.js';
import { NoticeBoard } from '../operations/notice-board.js';
import { exitCodeOf, Failure, print, type Environment } from '../peer/program.js';
import { BullTicketQueues } from '../queues/ticket-queues.js';
import { DeadLetterQueue } from '../queues/dead-letter-queue.js';
import { ACCOUNT_INDEX_KEEP_MS, AccountIndex } from '../redis/account-index.js';
import { Bus, checkRedis, connectRedis, type RedisClient } from '../redis/connection.js';
import { RedisKeys, ticketName } from '../redis/keys.js';
import { RedlockLeases } from '../redis/leases.js';
import { RedisTicketStore } from '../redis/ticket-store.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { argumentsOf, HELP_OPTION, keptSettings, placeOf, withArchive } from './archive-program.js';
import { systemClock } from './clock.js';
import { isOrdered } from './sales-mode.js';
import { openDataDir, reasonOf } from './data-dir.js';
import { each } from './each.js';
import { startLocalRedis } from './local-redis.js';
import { createLogger, type Logger } from './log.js';
import { withTimeout } from './timeout.js';
import { compare, find, rebuild, type Comparison, type Finding, type RecoveryOptions } from './recovery.js';

const VARIABLES = ['JOB_LOCK_MS', 'LEASE_MS', 'REDIS_MEMORY_MB', 'REDIS_PREFIX', 'REDIS_URL'];

const HELP = `npm run recover

Puts into Redis, after it lost everything or its newest writes, what the archive (MONGODB_URL, or else
DATA_DIR/archive) has of every ticket, and compares all of it with the ledgers. Redis is REDIS_URL, or else the one
in DATA_DIR, which is started for it. What Redis has whole is left alone. May be interrupted and repeated.

  --check   only compares, and changes nothing

Ends with 0 when every ticket in Redis equals the fold of its ledger. See docs/runbook.md.
`;

const TICKETS_AT_ONCE = 8;
const REDIS_CONNECT_MS = 5_000;
/** One that does not answer for so long fails the recovery, which can be repeated. */
const REDIS_COMMAND_MS_MAX = 60_000;
const REDIS_TRIES_MAX = 5;
const REDIS_START_MS_MAX = 120_000;
/** How many leases a ticket that somebody else has is waited for, and at least how long, milliseconds. */
const BUSY_LEASES = 3;
const BUSY_MS_MIN = 15_000;
const PROGRESS_MS = 10_000;
/** Differences of one ticket that are told. */
const DIFFERENCES_TOLD_MAX = 5;

/** Answers the process's exit code. */
export function recover(argv: readonly string[], env: Environment): Promise<number> {
  return exitCodeOf(async () => {
    const flags = argumentsOf(argv, 'recover', { check: { type: 'boolean' }, ...HELP_OPTION });
    if (flags['help'] === true) print(HELP);
    else await recoverWith(keptSettings(env, VARIABLES), flags['check'] === true);
  });
}

async function recoverWith(settings: Settings, isCheck: boolean): Promise<void> {
  const logger = createLogger(settings, 2);
  const stopping = new StopFlag();
  await withRedis(settings, logger, async (redis) => {
    // One for all tickets: each listens to the connection, and asks Redis which run of it this is.
    const store = new RedisTicketStore(redis, new RedisKeys(settings.redisPrefix), systemClock);
    const at = { settings, redis, store, logger, stopping };
    // For reading first: a folder that is not the marketplace's is refused instead of being filled.
    const found = await withArchive(settings, { isReadOnly: true }, (archive) => look({ ...at, archive }));
    tellFindings(found);
    const foreign = found.findings.filter(({ standing }) => standing === 'foreign');
    if (foreign.length > 0) throw refusal(foreign, settings);
    const broken = found.findings.filter(({ standing }) => standing === 'lost' || standing === 'behind');
    if (isCheck) {
      const whole = found.findings.filter((finding) => !broken.includes(finding));
      await withArchive(settings, { isReadOnly: true }, (archive) =>
        verify({ ...at, archive }, whole, new Map()),
      );
      if (broken.length === 0) return;
      const names = broken.map(({ ticket }) => ticketName(ticket)).join(', ');
      throw new Failure(`To be rebuilt: ${names}. Run npm run recover, without --check.`);
    }
    await withArchive(settings, {}, async (archive) => {
      const run = { ...at, archive };
      const parts = await mend(run, broken);
      const rebuilt = new Map(broken.map((finding) => [ticketName(finding.ticket), finding]));
      await verify(run, found.findings, rebuilt, () => tellParts(parts, rebuilt.size > 0));
    });
  }).finally(() => stopping.end());
}

interface Run {
  readonly settings: Settings;
  readonly redis: RedisClient;
  readonly store: RedisTicketStore;
  readonly archive: Archive;
  readonly logger: Logger;
  readonly stopping: { readonly asked: boolean };
}

interface Found {
  readonly findings: readonly Finding[];
  readonly workers: number;
}

/** A signal is heeded between two tickets; a second one ends the process at once, which does no harm either. */
class StopFlag {
  asked = false;
  readonly #onSignal = (): void => {
    this.asked = true;
    this.end();
  };

  constructor() {
    process.on('SIGINT', this.#onSignal).on('SIGTERM', this.#onSignal);
  }

  end(): void {
    process.off('SIGINT', this.#onSignal).off('SIGTERM', this.#onSignal);
  }
}

function heed({ stopping }: Run): void {
  if (stopping.asked)
    throw new Failure('Interrupted. What was rebuilt stays; npm run recover goes on with the rest.');
}

const recoveryOf = ({ store, archive }: Run): RecoveryOptions => ({ store, archive, clock: systemClock });

// --- Redis -----------------------------------------------------------------------------------------------

/** The Redis of the settings, or the one of the folder, which nobody else may have then. */
async function withRedis(
  settings: Settings,
  logger: Logger,
  work: (redis: RedisClient) => Promise<void>,
): Promise<void> {
  if (settings.redisUrl !== undefined) return withConnection(settings.redisUrl, logger, work);
  const folder = await openDataDir(settings.dataDir, { exclusive: true }).catch((error: unknown) => {
    const hint = /in use by/.test(reasonOf(error))
      ? ' While it runs it rebuilds by itself; to recover by hand, stop it first.'
      : '';
    throw new Failure(`${reasonOf(error)}.${hint}`);
  });
  try {
    const server = await startLocalRedis({
      dataDir: folder.path,
      memoryMb: settings.redisMemoryMb,
      log: (message) => logger.info(message),
    });
    try {
      await withConnection(server.url, logger, work);
    } finally {
      await server.stop();
    }
  } finally {
    await folder.release();
  }
}

async function withConnection(
  url: string,
  logger: Logger,
  work: (redis: RedisClient) => Promise<void>,
): Promise<void> {
  const redis = redisUrlsOf(url).length > 1 ? connectAll(url, logger) : connectOne(url);
  try {
    if (redis instanceof Redis) await redis.connect();
    const answered = checkRedis(redis, logger);
    await withTimeout(answered, REDIS_START_MS_MAX, `no answer within ${REDIS_START_MS_MAX} ms`);
  } catch (error) {
    redis.disconnect();
    throw new Failure(`Redis cannot be used: ${reasonOf(error)}. Check REDIS_URL.`);
  }
  try {
    await work(redis);
  } finally {
    redis.disconnect();
  }
}

function connectOne(url: string): Redis {
  const redis = new Redis(url, {
    connectionName: 'ticktak-recover',
    lazyConnect: true,
    connectTimeout: REDIS_CONNECT_MS,
    commandTimeout: REDIS_COMMAND_MS_MAX,
    maxRetriesPerRequest: REDIS_TRIES_MAX,
    retryStrategy: (tries) => (tries > REDIS_TRIES_MAX ? null : 200 * tries),
  });
  redis.on('error', () => undefined);
  return redis;
}

/** Of a cluster. */
const connectAll = (url: string, logger: Logger): RedisClient =>
  connectRedis({ url, name: 'ticktak-recover', logger });

// --- Looking ---------------------------------------------------------------------------------------------

async function look(run: Run): Promise<Found> {
  const { archive, redis, settings } = run;
  const keys = new RedisKeys(settings.redisPrefix);
  const tickets = await ticketsIn(archive);
  if (tickets.length === 0) {
    throw new Failure(
      `${placeOf(settings)} knows no matches: there is nothing to recover from. Check MONGODB_URL and DATA_DIR.`,
    );
  }
  const findings = new Map<string, Finding>();
  await each(tickets, TICKETS_AT_ONCE, async (ticket) => {
    heed(run);
    findings.set(ticketName(ticket), await find(recoveryOf(run), ticket));
  });
  const workers = await redis.zcount(keys.workers, systemClock.now(), '+inf');
  return { findings: tickets.map((ticket) => findings.get(ticketName(ticket))).filter(isDefined), workers };
}

const isDefined = <T>(value: T | undefined): value is T => value !== undefined;

/** Those on sale, and those with a history, by match and category. */
async function ticketsIn(archive: Archive): Promise<readonly TicketId[]> {
  const [matches, ledgers] = await Promise.all([archive.matches(), archive.ledgerTickets()]);
  const all = [...matches.flatMap(({ matchNumber }) => ticketsOf(matchNumber)), ...ledgers];
  return [...new Map(all.map((ticket) => [ticketName(ticket), ticket])).values()].sort(
    (a, b) => a.matchNumber - b.matchNumber || a.category - b.category,
  );
}

function tellFindings({ findings, workers }: Found): void {
  const count = (standing: Finding['standing']): number =>
    findings.filter((finding) => finding.standing === standing).length;
  print(`${findings.length} tickets in the archive. Of these Redis`);
  print(
    `  has ${count('whole')} whole, has lost ${count('lost')}, has an older state of ${count('behind')};`,
  );
  print(`  ${count('unopened')} were never opened.`);
  if (workers > 0) print(`${workers} workers live: they rebuild tickets, too, each ticket by one of us.`);
}

function refusal(foreign: readonly Finding[], settings: Settings): Failure {
  const [first] = foreign;
  const place = ({ redis, head }: Finding): string =>
    `Redis is at ${redis ? formatPosition(redis) : 'nothing'}, the archive ends at ${head ? formatPosition(head) : 'nothing'}`;
  return new Failure(
    [
      `Nothing was changed: Redis knows ${foreign.length} tickets to be archived further than this archive is` +
        ` (${first ? `${ticketName(first.ticket)}: ${place(first)}` : ''}).`,
      `So ${placeOf(settings)} is another archive, or an older one. Name the right one (MONGODB_URL, DATA_DIR). If an older`,
      'backup was restored on purpose, stop every process and empty Redis first, as docs/backup.md says.',
    ].join('\n'),
  );
}

// --- Mending ---------------------------------------------------------------------------------------------

interface Parts {
  readonly matches: number;
  readonly notices: boolean;
  readonly letters: number;
  readonly openJobs: number;
  readonly indexed: { readonly reservations: number; readonly accounts: number };
}

async function mend(run: Run, broken: readonly Finding[]): Promise<Parts> {
  const { settings, redis, archive, logger } = run;
  const keys = new RedisKeys(settings.redisPrefix);
  const catalog = new Catalog({ redis, bus: new Bus(redis), keys, archive, logger });
  // First, so that workers which live know the tickets.
  const matches = await catalog.restore();
  await rebuildAll(run, broken);
  const board = new NoticeBoard({ documents: archive, catalog });
  const notices = await board.restore();
  const letters = new DeadLetterQueue({
    redis,
    prefix: keys.queuePrefix,
    archive,
    clock: systemClock,
    logger,
  });
  const changes = await board.changes();
  try {
    return {
      matches,
      notices,
      letters: await letters.restore(),
      openJobs: changes.filter(
        ({ cancellation, reschedule }) =>
          (cancellation !== undefined && cancellation.state !== 'done') ||
          (reschedule !== undefined && reschedule.finishedAt === undefined),
      ).length,
      indexed: await indexAccounts(run, broken),
    };
  } finally {
    await letters.close();
  }
}

async function rebuildAll(run: Run, broken: readonly Finding[]): Promise<void> {
  const { settings, redis, store, archive, logger } = run;
  if (broken.length === 0) return;
  const keys = new RedisKeys(settings.redisPrefix);
  const queues = new BullTicketQueues({ redis, keys, clock: systemClock, jobLockMs: settings.jobLockMs });
  const deps: ActorDeps = {
    store,
    queues,
    leases: new RedlockLeases(redis, keys, settings.leaseMs),
    archive,
    relay: idleRelay(),
    clock: systemClock,
    // What it would log is told as the outcome.
    logger: logger.child({}, { level: 'fatal' }),
    policy: { ...settings, ordered: isOrdered(settings) },
    newId: randomUUID,
    workerId: `recover-${process.pid}`,
    leaseMs: settings.leaseMs,
    paymentCheckMs: settings.paymentCheckMs,
    outboxEntriesMax: settings.outboxEntriesMax,
    settle: () => undefined,
    deadLetter: () => Promise.reject(new Error('a recovery works on no job')),
    rebuilt: () => void redis.publish(keys.channels.rebuilt(), '').catch(() => undefined),
    observe: { committed: () => undefined, event: () => undefined },
  };
  const options = recoveryOf(run);
  const waitMs = Math.max(BUSY_MS_MIN, BUSY_LEASES * settings.leaseMs);
  const late: string[] = [];
  const say = progress(broken.length, 'rebuilt');
  try {
    await each(broken, TICKETS_AT_ONCE, async ({ ticket }) => {
      heed(run);
      if (!(await rebuild(options, deps, ticket, waitMs))) late.push(ticketName(ticket));
      say();
    });
  } finally {
    await queues.close();
  }
  if (late.length > 0) {
    throw new Failure(
      `Somebody has ${late.join(', ')} and does not rebuild it: look at the log of the workers, stop the one that` +
        ` has it (page Live, or GET /api/v1/operations/system), and run this again.`,
    );
  }
}

/** So that accounts see at once what they hold. */
async function indexAccounts(run: Run, broken: readonly Finding[]): Promise<Parts['indexed']> {
  const { settings, redis, store } = run;
  const keys = new RedisKeys(settings.redisPrefix);
  const index = new AccountIndex(redis, keys, systemClock);
  const since = systemClock.now() - ACCOUNT_INDEX_KEEP_MS;
  const accounts = new Set<string>();
  let reservations = 0;
  const add = async ({ id, account, createdAt }: Reservation): Promise<void> => {
    if (account === undefined || createdAt < since) return;
    await index.add(account, id, createdAt);
    accounts.add(account);
    reservations += 1;
  };
  await each(broken, TICKETS_AT_ONCE, async ({ ticket }) => {
    heed(run);
    const inspected = await store.inspect(ticket);
    for (const reservation of inspected?.stored.state.reservations.values() ?? []) await add(reservation);
  });
  return { reservations, accounts: accounts.size };
}

function tellParts(parts: Parts, isMended: boolean): void {
  const { matches, notices, letters, openJobs, indexed } = parts;
  print('Besides the tickets, from the archive:');
  print(`  matches on sale: ${matches === 0 ? 'nothing was missing' : `${matches} put back`}`);
  print(`  pauses, cancelled and moved matches: ${notices ? 'told again' : 'nothing was missing'}`);
  print(`  newest reservations of accounts: ${indexed.reservations} of ${indexed.accounts} accounts`);
  print(`  dead letters: ${letters === 0 ? 'nothing was missing' : `${letters} on the board again`}`);
  if (openJobs > 0)
    print(`  cancellations and moves under way: ${openJobs}, gone on with by the role payments`);
  if (!isMended) return;
  print('By themselves: workers, consumers and leases, as processes say that they live; messages of other');
  print(
    '  marketplaces, which consumers read again; what others have not heard, which the next owner tells them.',
  );
  print('Gone for good:');
  print(
    '  holds that were not archived yet, and commands that waited in queues: their buyers are told hold_expired, or',
  );
  print('    that the outcome is not known, and ask again. No sale that was told is among them');
  print('  recorded outcomes and idempotency keys: a repeat is recognised by its reservation');
  print('  limits, fraud signals and used challenges of the security check: they begin anew');
  print('  views that were not in the data lake yet, and how far jobs of analytics were');
}

// --- Verifying -------------------------------------------------------------------------------------------

async function verify(
  run: Run,
  findings: readonly Finding[],
  rebuilt: ReadonlyMap<string, Finding>,
  tellMore: () => void = () => undefined,
): Promise<void> {
  const compared = new Map<string, Comparison>();
  const say = progress(findings.length, 'compared');
  await each(findings, TICKETS_AT_ONCE, async ({ ticket }) => {
    heed(run);
    compared.set(ticketName(ticket), await compare(recoveryOf(run), ticket));
    say();
  });
  const wrong: string[] = [];
  for (const { ticket } of findings) {
    const name = ticketName(ticket);
    const comparison = compared.get(name);
    if (!comparison) continue;
    if (rebuilt.has(name)) print(`${name.padStart(7)}  ${rebuiltLine(comparison)}`);
    if (comparison.differences.length === 0) continue;
    wrong.push(name);
    print(
      `${name.padStart(7)}  DIFFERS: ${comparison.differences.slice(0, DIFFERENCES_TOLD_MAX).join('; ')}`,
    );
  }
  tellMore();
  const events = [...compared.values()].reduce((total, { eventsFolded }) => total + eventsFolded, 0);
  if (wrong.length === 0) {
    print(`Compared: ${compared.size} tickets in Redis equal the fold of their ledgers, ${events} events.`);
    return;
  }
  throw new Failure(
    `${wrong.length} of ${compared.size} tickets in Redis do NOT equal the fold of their ledgers: ${wrong.join(', ')}.\n` +
      advice(
        run,
        [...compared].filter(([name]) => wrong.includes(name)),
      ),
  );
}

function rebuiltLine({ stored, folded, source }: Comparison): string {
  const { snapshot, events } = source;
  const from = snapshot ? `snapshot ${formatPosition(snapshot)} and ${events} events` : `${events} events`;
  const { capacity, soldHere, soldElsewhere, heldHere, heldElsewhere } = folded;
  const incarnation = stored ? ` incarnation ${stored.position.incarnation}:` : '';
  const now = systemClock.now();
  const over = [...folded.reservations.values()].filter(
    ({ status, expiresAt }) => status === 'PENDING' && expiresAt <= now,
  ).length;
  return (
    `rebuilt from ${from},${incarnation} of ${capacity} sold here ${soldHere}, elsewhere ${soldElsewhere};` +
    ` held here ${heldHere}, elsewhere ${heldElsewhere}` +
    (over > 0 ? `; ${over} holds whose time is over end when a worker has the ticket` : '')
  );
}

/** What Redis has of a ticket is never removed by us: where it cannot be right a person decides. */
function advice({ settings }: Run, wrong: readonly (readonly [string, Comparison])[]): string {
  if (wrong.some(([, { stored }]) => stored === null))
    return 'Redis has lost them meanwhile: run npm run recover again.';
  const keys = new RedisKeys(settings.redisPrefix);
  const [first] = wrong;
  const ticket = first?.[1].folded.ticket;
  if (!ticket) return '';
  const { meta, reservations, remote, persons } = keys.ticket(ticket);
  const isCluster = redisUrlsOf(settings.redisUrl ?? '').length > 1;
  const server = isCluster ? '-c -u redis://ONE-OF-ITS-NODES' : '-u "$REDIS_URL"';
  return [
    'Redis has all events of them, so they were left alone. Keep a copy of Redis, stop every worker, remove what Redis has',
    `of each such ticket, here of ${first[0]}:`,
    `  redis-cli ${server} DEL '${meta}' '${reservations}' '${remote}' '${persons}'`,
    'and run npm run recover again. Please report it: it is a defect.',
  ].join('\n');
}

/** Says now and then how far it is. */
function progress(total: number, what: string): () => void {
  let done = 0;
  let saidAt = Date.now();
  return () => {
    done += 1;
    if (Date.now() < saidAt + PROGRESS_MS) return;
    saidAt = Date.now();
    print(`${done} of ${total} tickets ${what} ...`);
  };
}
