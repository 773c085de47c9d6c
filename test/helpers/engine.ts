/** A whole engine on the run's real Redis and a real embedded archive, under a key prefix of its own. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Redis } from 'ioredis';
import type { ActorObserver } from '../../src/actors/actor.js';
import type { CommandBody, CommandResult } from '../../src/actors/ports.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import type { Archive } from '../../src/archive/port.js';
import type { SubmissionResult } from '../../src/http/ports.js';
import { startCore, type Core, type CoreSettings } from '../../src/process/core.js';
import { systemClock } from '../../src/process/clock.js';
import {
  createWorker,
  type WorkerDeps,
  type WorkerRole,
  type WorkerSettings,
} from '../../src/process/worker.js';
import type { Policy, TicketId } from '../../src/rules/index.js';

export const TEST_POLICY: Policy = {
  holdMs: 600_000,
  payingMs: 900_000,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60_000,
  remoteTalliesMax: 100,
};

export const TEST_WORKER: WorkerSettings = {
  policy: TEST_POLICY,
  leaseMs: 2_000,
  sweepMs: 100,
  snapshotMs: 500,
  idleReleaseMs: 60_000,
  paymentCheckMs: 30_000,
  outboxEntriesMax: 10_000,
};

export const TEST_CORE: Omit<CoreSettings, 'redisUrl' | 'redisPrefix'> = {
  jobLockMs: 1_000,
  replyWaitMs: 10_000,
  commandsWaitingMax: 5_000,
  batchCommandsMax: 500,
};

export const silentLogger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
const quiet: ActorObserver = { committed: () => undefined, event: () => undefined };

export interface EngineOptions {
  readonly redisUrl?: string;
  readonly prefix?: string;
  readonly dir?: string;
  readonly archive?: (real: EmbeddedArchive) => Archive;
  readonly core?: Partial<CoreSettings>;
  readonly worker?: Partial<WorkerSettings>;
  readonly deps?: Partial<WorkerDeps>;
  readonly workers?: number;
}

export interface Engine {
  readonly core: Core;
  readonly archive: Archive;
  readonly workers: WorkerRole[];
  readonly prefix: string;
  readonly dir: string;
  readonly redisUrl: string;
  /** Submits a command and answers the gateway's result. */
  ask(ticket: TicketId, body: CommandBody, id?: string): Promise<SubmissionResult>;
  /** Submits a command that must be answered. */
  tell(ticket: TicketId, body: CommandBody, id?: string): Promise<CommandResult>;
  /** Another worker on the same Redis and archive. */
  addWorker(settings?: Partial<WorkerSettings>, deps?: Partial<WorkerDeps>): Promise<WorkerRole>;
  stop(): Promise<void>;
}

export function testRedisUrl(): string {
  const url = process.env['TEST_REDIS_URL'];
  if (url === undefined) throw new Error('TEST_REDIS_URL is not set: run the tests with npm test');
  return url;
}

export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  const redisUrl = options.redisUrl ?? testRedisUrl();
  const prefix = options.prefix ?? `t-${randomUUID().slice(0, 8)}`;
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), 'ticktak-engine-'));
  const embedded = new EmbeddedArchive({ dir });
  const archive = options.archive ? options.archive(embedded) : embedded;
  await archive.start();
  const core = await startCore(
    { redisUrl, redisPrefix: prefix, ...TEST_CORE, ...options.core },
    { archive, clock: systemClock, logger: silentLogger },
  );
  const workers: WorkerRole[] = [];
  const addWorker: Engine['addWorker'] = async (settings, deps) => {
    const worker = createWorker(
      core,
      { ...TEST_WORKER, ...options.worker, ...settings },
      {
        log: { publish: () => Promise.resolve() },
        encode: () => [],
        settle: () => Promise.resolve(),
        deadLetter: () => Promise.resolve(),
        observe: quiet,
        ...options.deps,
        ...deps,
      },
    );
    await worker.start();
    workers.push(worker);
    return worker;
  };
  for (let i = 0; i < (options.workers ?? 1); i += 1) await addWorker();
  const ask: Engine['ask'] = (ticket, body, id = randomUUID()) =>
    core.gateway.submit({ ticket, id, body, keepMs: 600_000 });
  const tell: Engine['tell'] = async (ticket, body, id) => {
    const answer = await ask(ticket, body, id);
    if (answer.kind !== 'answered') throw new Error(`not answered: ${JSON.stringify(answer)}`);
    return answer.result;
  };
  const stop = async (): Promise<void> => {
    await core.gateway.stop();
    for (const worker of workers) await worker.stop();
    await core.close();
    await archive.stop();
    if (options.prefix === undefined) await dropKeys(redisUrl, prefix);
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
  };
  return { core, archive, workers, prefix, dir, redisUrl, ask, tell, addWorker, stop };
}

async function dropKeys(redisUrl: string, prefix: string): Promise<void> {
  const redis = new Redis(redisUrl);
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(keys);
  redis.disconnect();
}

let people = 0;
/** A hold by a person nobody else is. */
export function holdBody(reservationId: string, quantity = 1, person = `p${(people += 1)}@example.org`) {
  return { type: 'hold', reservationId, quantity, email: person, person } as const;
}

/** Polls until `check` is true, bounded. For states that no event announces. */
export async function until(check: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error('the awaited state did not come');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
