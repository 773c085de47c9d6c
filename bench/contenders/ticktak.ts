/** The product as it is shipped: the built processes, started as a platform does. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listEntry } from '../../test/exchange/topics.js';
import { run } from '../../test/helpers/processes.js';
import type { Contender } from '../contender.js';
import { FSYNC_MEANS, startAll, startRedis, stopAll, type Fsync, type Program } from '../program.js';
import { CAPACITY, runningHolds, TICKETS, type HoldCase } from './holds.js';

/**
 * Everything is as a marketplace is run, but for what a test of load cannot do without. The security check, the limits
 * of persons and of addresses, and idempotency keys are in the path: every request comes from a person and an address
 * of its own, so that no limit is reached.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  NODE_ENV: 'production',
  // Buyers of the test have no mail box to confirm an address with.
  GUESTS: 'open',
  // The load generator stands where a router does and says from where each request comes.
  TRUST_PROXY: '1',
  // None of the others writes a line for each request.
  LOG_LEVEL: 'warn',
  PAYMENT_SANDBOX: 'true',
};

const PROFILED = new URL('../programs/profiled.mjs', import.meta.url).pathname;

export interface Product {
  readonly programs: readonly Program[];
  /** One more, which is among `programs` from then on. */
  readonly startWorker: () => Promise<Program>;
  readonly stop: () => Promise<void>;
}

export interface ProductOptions {
  readonly roles?: readonly string[];
  readonly workers?: number;
  /** Further roles, each in a process of its own. */
  readonly beside?: readonly string[];
  /** Added to its settings. With brokers the sale is opened by the list in their topic. */
  readonly env?: Readonly<Record<string, string>>;
  /** Added to those of workers alone. */
  readonly workerEnv?: Readonly<Record<string, string>>;
}

/** Redis, `workers` workers, and one web process of `roles`, whose first is the one that is asked. */
export async function startProduct(
  fsync: Fsync,
  { roles = ['reservations'], workers = 1, beside = [], env: more = {}, workerEnv = {} }: ProductOptions = {},
): Promise<Product> {
  const dir = mkdtempSync(join(tmpdir(), 'ticktak-bench-'));
  let startWorker: () => Promise<Program> = () => Promise.reject(new Error('not started'));
  const all = await startAll<Program>(async (started) => {
    started({
      name: 'folder',
      pid: 0,
      url: '',
      stop: async () => rmSync(dir, { recursive: true, force: true }),
    });
    const redis = started(await startRedis(fsync));
    const masterList = join(dir, 'masterlist.json');
    const matches = Array.from({ length: TICKETS / 3 }, (_, index) => listEntry(index + 1, CAPACITY));
    writeFileSync(masterList, JSON.stringify(matches));
    const profileDir = process.env['PROFILE_DIR'];
    const profiled = profileDir === undefined ? undefined : PROFILED;
    const env = {
      ...SETTINGS,
      ...(profileDir !== undefined && { PROFILE_DIR: profileDir }),
      DATA_DIR: dir,
      REDIS_URL: redis.url,
      MASTERLIST_FILE: masterList,
      ...more,
    };
    const start = async (name: string, of: readonly string[], also = {}): Promise<Program> => {
      const running = await run(of, { ...env, ...also }, profiled);
      const stop = async (): Promise<void> => void (await running.end());
      return started({ name, pid: running.child.pid ?? 0, url: running.url(of[0] ?? ''), stop });
    };
    startWorker = () => start('worker', ['worker'], workerEnv);
    for (let count = 0; count < workers; count += 1) await startWorker();
    // It opens the sale at its start, and is needed no more: there are no brokers.
    if (more['KAFKA_BROKERS'] === undefined) await (await run(['consumer'], env)).end();
    for (const role of beside) await start(role, [role]);
    await start('web', roles);
  });
  const programs = all.filter(({ pid }) => pid > 0);
  return {
    programs,
    startWorker: async () => {
      const worker = await startWorker();
      programs.push(worker);
      return worker;
    },
    stop: () => stopAll(all),
  };
}

export const ticktak = (fsync: Fsync): Contender<HoldCase> => ({
  id: `ticktak/${fsync}`,
  title: `ticktak (AOF ${fsync})`,
  durability:
    'Answers a hold when it, its event and its outcome are committed in Redis, and goes on to the archive; a sale is ' +
    `answered when it is synced to the archive too. ${FSYNC_MEANS[fsync]}, of holds only.`,
  setUp:
    'One web process (reservations), one worker process, Redis, the embedded archive; security check, idempotency key, ' +
    'hold, commit, outbox, reply.',
  missing: () => Promise.resolve(null),
  start: async () => {
    const { programs, stop } = await startProduct(fsync);
    return { ...runningHolds(programs), stop };
  },
});

/** So many worker processes, and nothing else that differs. */
export const ticktakWorkers = (workers: number): Contender<HoldCase> => ({
  ...ticktak('everysec'),
  id: `workers/${workers}`,
  title: `ticktak with ${workers} worker processes`,
  setUp: `As ticktak/everysec with ${workers} worker processes.`,
  start: async () => {
    const { programs, stop } = await startProduct('everysec', { workers });
    return { ...runningHolds(programs), stop };
  },
});
