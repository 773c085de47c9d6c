/** A whole engine on the run's real Redis and a real embedded archive, under a key prefix of its own. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Redis } from 'ioredis';
import type { ActorObserver } from '../../src/actors/actor.js';
import type {
  Clock,
  CommandBody,
  CommandEnvelope,
  CommandResult,
  Reply,
  TicketCounters,
} from '../../src/actors/ports.js';
import { SCHEMA_VERSION } from '../../src/actors/state-codec.js';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import type { Archive, CommittedEvent } from '../../src/archive/port.js';
import type { SubmissionResult } from '../../src/http/ports.js';
import type { Match } from '../../src/catalog/match.js';
import type { Log, Publisher } from '../../src/kafka/port.js';
import { startCore, type Core, type CoreSettings } from '../../src/process/core.js';
import { systemClock } from '../../src/process/clock.js';
import {
  createWorker,
  type WorkerDeps,
  type WorkerRole,
  type WorkerSettings,
} from '../../src/process/worker.js';
import type { Policy, TicketId } from '../../src/rules/index.js';
import { ProcessClock, deleteKeys } from './faults.js';

export const TEST_POLICY: Policy = {
  holdMs: 600_000,
  paymentAttemptsMax: 3,
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
  salesTopic: 'sales',
};

export const TEST_CORE: Omit<CoreSettings, 'redisUrl' | 'redisPrefix'> = {
  jobLockMs: 1_000,
  replyWaitMs: 10_000,
  commandsWaitingMax: 5_000,
  batchCommandsMax: 500,
};

export const silentLogger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
const quiet: ActorObserver = { committed: () => undefined, event: () => undefined };

/** A log that only takes what is published; nothing is there to be read back. */
export function logOf(publish: Publisher['publish']): Pick<Log, 'openPublisher' | 'fence' | 'readBack'> {
  let publishers = 0;
  return {
    openPublisher: () => Promise.resolve({ id: `publisher-${(publishers += 1)}`, publish }),
    fence: () => Promise.resolve(),
    readBack: () => Promise.resolve(),
  };
}

export interface EngineOptions {
  readonly redisUrl?: string;
  readonly prefix?: string;
  readonly dir?: string;
  readonly archive?: (real: EmbeddedArchive) => Archive;
  readonly core?: Partial<CoreSettings>;
  readonly worker?: Partial<WorkerSettings>;
  readonly deps?: Partial<WorkerDeps>;
  readonly workers?: number;
  /** Matches in the catalog before the first worker starts: what the sweeps look after. */
  readonly matches?: readonly number[];
}

/** A process of its own on the same Redis and archive: own connections, own clock, one worker. */
export interface Peer {
  readonly core: Core;
  readonly worker: WorkerRole;
  readonly clock: ProcessClock;
  /** Its timers stop, and to the others its heartbeat has ended. */
  sleep(): Promise<void>;
  /** To the others it is gone from one moment to the next: nothing is handed over, nothing answered. */
  kill(): void;
}

export interface PeerOptions {
  readonly settings?: Partial<WorkerSettings>;
  readonly deps?: Partial<WorkerDeps>;
  /** Parts of its core to put something else in place of. */
  readonly parts?: (core: Core) => Partial<Core>;
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
  tell(ticket: TicketId, body: CommandBody, id?: string, incarnation?: number): Promise<CommandResult>;
  /** Another worker on the same Redis and archive. */
  addWorker(
    settings?: Partial<WorkerSettings>,
    deps?: Partial<WorkerDeps>,
    parts?: Partial<Core>,
  ): Promise<WorkerRole>;
  addPeer(options?: PeerOptions): Promise<Peer>;
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
  const connect = (clock: Clock): Promise<Core> =>
    startCore(
      { redisUrl, redisPrefix: prefix, ...TEST_CORE, ...options.core },
      { archive, clock, logger: silentLogger },
    );
  const core = await connect(systemClock);
  if (options.matches) await core.catalog.save(options.matches.map(matchFacts));
  const workers: WorkerRole[] = [];
  const peers: { readonly peer: Peer; dead: boolean }[] = [];
  const makeWorker = (on: Core, settings?: Partial<WorkerSettings>, deps?: Partial<WorkerDeps>) =>
    createWorker(
      on,
      { ...TEST_WORKER, ...options.worker, ...settings },
      {
        log: logOf(() => Promise.resolve()),
        encode: () => [],
        identify: () => null,
        settle: () => Promise.resolve(),
        deadLetter: () => Promise.resolve(),
        observe: quiet,
        ...options.deps,
        ...deps,
      },
    );
  const addWorker: Engine['addWorker'] = async (settings, deps, parts) => {
    const worker = makeWorker({ ...core, ...parts }, settings, deps);
    await worker.start();
    workers.push(worker);
    return worker;
  };
  const addPeer: Engine['addPeer'] = async ({ settings, deps, parts } = {}) => {
    const clock = new ProcessClock();
    const own = await connect(clock);
    const worker = makeWorker({ ...own, ...parts?.(own) }, settings, deps);
    await worker.start();
    const kill = (): void => {
      entry.dead = true;
      clock.freeze();
      own.redis.disconnect();
      own.bus.close();
    };
    const sleep = async (): Promise<void> => {
      clock.freeze();
      // Whoever lives says so again at its next sweep.
      await core.redis.del(core.keys.workers);
    };
    const entry = { peer: { core: own, worker, clock, sleep, kill }, dead: false };
    peers.push(entry);
    return entry.peer;
  };
  for (let i = 0; i < (options.workers ?? 1); i += 1) await addWorker();
  const submit = (ticket: TicketId, body: CommandBody, id: string = randomUUID(), incarnation?: number) =>
    core.gateway.submit({
      ticket,
      id,
      body,
      keepMs: 600_000,
      ...(incarnation !== undefined && { incarnation }),
    });
  const ask: Engine['ask'] = (ticket, body, id) => submit(ticket, body, id);
  const tell: Engine['tell'] = async (...given) => {
    const answer = await submit(...given);
    if (answer.kind !== 'answered') throw new Error(`not answered: ${JSON.stringify(answer)}`);
    return answer.result;
  };
  const stop = async (): Promise<void> => {
    await core.gateway.stop();
    for (const worker of workers) await worker.stop();
    for (const { peer, dead } of peers) {
      if (dead) continue;
      await peer.core.gateway.stop();
      await peer.worker.stop();
      await peer.core.close();
    }
    await core.close();
    await archive.stop();
    if (options.prefix === undefined) await dropKeys(redisUrl, prefix);
    if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
  };
  return { core, archive, workers, prefix, dir, redisUrl, ask, tell, addWorker, addPeer, stop };
}

/** Some facts for a match; its tickets are opened by a `load`. */
export function matchFacts(matchNumber: number): Match {
  return {
    matchNumber,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location: 'Al Bayt Stadium',
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
  };
}

async function dropKeys(redisUrl: string, prefix: string): Promise<void> {
  const redis = new Redis(redisUrl);
  await deleteKeys(redis, prefix);
  redis.disconnect();
}

let people = 0;
/** A hold by a person nobody else is. */
export function holdBody(reservationId: string, quantity = 1, person = `p${(people += 1)}@example.org`) {
  return { type: 'hold', reservationId, quantity, email: person, person } as const;
}

export const loadBody = (capacity: number, price = 125) =>
  ({ type: 'load', capacity, price, currency: 'USD' }) as const;

/** Pays for a hold; answers what the last command was told. */
export async function sell(engine: Engine, ticket: TicketId, reservationId: string): Promise<CommandResult> {
  const payment = { reservationId, paymentId: `pay-${reservationId}` };
  const paying = await engine.tell(ticket, { type: 'startPayment', ...payment });
  if (paying.kind !== 'paying') return paying;
  return engine.tell(ticket, { type: 'confirm', ...payment });
}

/** A command as it lies in a job, with nobody waiting for its outcome unless `more` says so. */
export function envelopeOf(id: string, body: CommandBody, more: Partial<CommandEnvelope> = {}) {
  return { id, body, deadline: Date.now() + 60_000, keepMs: 600_000, ...more } satisfies CommandEnvelope;
}

/** Puts commands into a ticket's queue by hand, as one job. */
export function addJob(core: Core, ticket: TicketId, commands: readonly CommandEnvelope[]): Promise<void> {
  return core.queues.add(ticket, { schema: SCHEMA_VERSION, commands });
}

/** What is told to a gateway that nobody runs: every reply, in order. */
export async function hearReplies(core: Core, gatewayId: string): Promise<readonly Reply[]> {
  const heard: Reply[] = [];
  await core.bus.subscribe(core.keys.channels.replies(gatewayId), (message) => {
    heard.push(...(JSON.parse(message) as Reply[]));
  });
  return heard;
}

export async function countersOf(engine: Engine, ticket: TicketId): Promise<TicketCounters> {
  const [counters] = await engine.core.store.counters([ticket]);
  if (!counters) throw new Error('the ticket is not open');
  return counters;
}

/** The whole ledger of a ticket. */
export async function ledgerOf(archive: Archive, ticket: TicketId): Promise<readonly CommittedEvent[]> {
  const events: CommittedEvent[] = [];
  for await (const event of archive.events(ticket, null)) events.push(event);
  return events;
}

/** What Redis has of a ticket, its queue left out. */
export async function storedOf({ redis, keys }: Core, ticket: TicketId): Promise<unknown> {
  const { meta, reservations, remote, persons, outbox } = keys.ticket(ticket);
  return {
    meta: await redis.hgetall(meta),
    reservations: await redis.hgetall(reservations),
    remote: await redis.hgetall(remote),
    persons: await redis.hgetall(persons),
    outbox: await redis.xrange(outbox, '-', '+'),
  };
}

/** Polls until `check` is true, bounded. For states that no event announces. */
export async function until(check: () => boolean | Promise<boolean>, timeoutMs = 25_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error('the awaited state did not come');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
