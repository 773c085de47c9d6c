/**
 * What actors stand on, over a MemoryRedis: the client's side of src/redis and src/queues, round trip by round
 * trip. `send` carries each step to the server and its answer back; what it delays, loses or repeats on the way
 * is the caller's affair. What of one call the real client sends without waiting is sent so here.
 *
 * A real connection delivers steps and answers in the order in which they were sent. When it is lost, the client
 * waits until it has another and then sends again what is unanswered, so that a step may be done twice and its
 * first answer never comes; only pipelines of which a part was answered fail.
 */
import { EVERYTHING, type Membership, type WakeUps } from '../../src/actors/host.js';
import type {
  Claim,
  Clock,
  CommandJob,
  Commit,
  CommitResult,
  Cursors,
  Lease,
  Leases,
  Pulse,
  Reply,
  TakenJob,
  TicketCounters,
  TicketQueues,
  TicketStore,
} from '../../src/actors/ports.js';
import { comparePositions } from '../../src/actors/position.js';
import type { CommittedEvent, LedgerPosition } from '../../src/archive/port.js';
import { ticketName } from '../../src/redis/keys.js';
import { isSaleTold, sortedRemote, storedTicket, toldOf } from '../../src/redis/stored-ticket.js';
import {
  WaitsToBeRebuiltError,
  type QueueStanding,
  type TicketProgress,
} from '../../src/redis/ticket-store.js';
import { HEARTBEAT_MS } from '../../src/redis/workers.js';
import type { Orphan, RemoteTally, Reservation, TicketId, Told } from '../../src/rules/index.js';
import type { FetchedJob, LostJobCode, MemoryRedis } from './memory-redis.js';

/** Runs a step on the server and resolves with its answer, or rejects with what the step or the way threw. */
export type Send = <T>(step: () => T) => Promise<T>;

/** As in src/queues/ticket-queues.ts. */
const STALLED_LOOK_MS = 10;

const NOWHERE: LedgerPosition = { incarnation: 0, sequence: 0 };

export class MemoryTicketStore implements TicketStore {
  readonly #redis: MemoryRedis;
  readonly #send: Send;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #isAway: () => boolean;

  /** `isAway`: the connection was lost, and is known to be. */
  constructor(redis: MemoryRedis, send: Send, clock: Pick<Clock, 'now'>, isAway = () => false) {
    this.#redis = redis;
    this.#send = send;
    this.#clock = clock;
    this.#isAway = isAway;
  }

  async claim(ticket: TicketId, owner: string): Promise<Claim> {
    const redis = this.#redis;
    const now = this.#clock.now();
    await this.#send(() => redis.claim(ticket, owner, now));
    const [runId, meta, reservations, remote] = await Promise.all([
      this.#send(() => redis.runId()),
      this.#send(() => redis.meta(ticket)),
      this.#send(() => redis.reservations(ticket)),
      this.#send(() => redis.remote(ticket)),
    ]);
    const live = [...reservations.values()].map(({ r }) => r);
    return { runId, stored: storedTicket(ticket, meta, live, remote.entries()) };
  }

  commit(ticket: TicketId, commit: Commit): Promise<CommitResult> {
    return this.#send(() => this.#redis.commit(ticket, commit));
  }

  outbox(ticket: TicketId, after: LedgerPosition, limit: number): Promise<readonly CommittedEvent[]> {
    return this.#send(() => this.#redis.outbox(ticket, after, limit));
  }

  advance(
    ticket: TicketId,
    owner: string,
    { archived, published }: Cursors,
    replies: ReadonlyMap<string, readonly Reply[]>,
  ): Promise<void> {
    // As they are now: the relay hands over its lane, which goes on.
    return this.#send(() => this.#redis.advance(ticket, owner, { archived, published }, replies));
  }

  setPublisher(
    ticket: TicketId,
    owner: string,
    publisher: string | null,
    published: LedgerPosition,
  ): Promise<boolean> {
    return this.#send(() => this.#redis.setPublisher(ticket, owner, publisher, published));
  }

  async progress(tickets: readonly TicketId[]): Promise<ReadonlyMap<string, TicketProgress>> {
    const all = await this.#send(() => tickets.map((ticket) => this.#redis.meta(ticket)));
    const found = new Map<string, TicketProgress>();
    tickets.forEach((ticket, i) => {
      const { position, archived = NOWHERE } = all[i] ?? {};
      if (position) found.set(ticketName(ticket), { position, archived });
    });
    return found;
  }

  runId(): Promise<string> {
    return this.#send(() => this.#redis.runId());
  }

  async pulse(tickets: readonly TicketId[]): Promise<readonly Pulse[]> {
    const redis = this.#redis;
    const [all, runId] = await Promise.all([
      this.#send(() =>
        tickets.map((ticket) => ({ ...redis.queueLengths(ticket), meta: redis.meta(ticket) })),
      ),
      this.runId(),
    ]);
    return tickets.map((ticket, i) => {
      const { waiting = 0, active = 0, meta = {} } = all[i] ?? {};
      const { due, runId: claimedRun, position = NOWHERE, archived = NOWHERE, published = NOWHERE } = meta;
      const isKnown = due !== undefined && (claimedRun === undefined || claimedRun === runId);
      return {
        ticket,
        waiting,
        active,
        dueAt: isKnown ? due : null,
        isOut: comparePositions(archived, position) >= 0 && comparePositions(published, position) >= 0,
      };
    });
  }

  async standing(tickets: readonly TicketId[]): Promise<readonly QueueStanding[]> {
    const redis = this.#redis;
    return this.#send(() =>
      tickets.map((ticket) => ({ oldestAt: redis.oldestJobAt(ticket), isOwned: redis.isLeased(ticket) })),
    );
  }

  async recall(ticket: TicketId, ids: readonly string[]): Promise<ReadonlyMap<string, Told>> {
    const found = new Map<string, Told>();
    if (ids.length === 0) return found;
    const [values, { archived = NOWHERE }] = await Promise.all([
      this.#send(() => this.#redis.outcomes(ticket, ids)),
      this.#send(() => this.#redis.meta(ticket)),
    ]);
    ids.forEach((id, i) => {
      const { result, durableAt } = values[i] ?? {};
      if (result && (!durableAt || comparePositions(durableAt, archived) <= 0)) found.set(id, result);
    });
    return found;
  }

  async findReservation(ticket: TicketId, id: string): Promise<Reservation | null | 'unknown_ticket'> {
    if (this.#isAway()) throw new Error('Redis cannot be reached');
    const [live, { archived = NOWHERE, runId: claimedRun }, ended, runId] = await Promise.all([
      this.#send(() => this.#redis.reservations(ticket).get(id)),
      this.#send(() => this.#redis.meta(ticket)),
      this.#send(() => this.#redis.ended(ticket, id)),
      this.runId(),
    ]);
    if (claimedRun !== undefined) checkRun(ticket, claimedRun, runId);
    const stored = live ?? ended;
    if (stored) return toldOf(stored, archived);
    return claimedRun === undefined ? 'unknown_ticket' : null;
  }

  async *live(ticket: TicketId): AsyncGenerator<Reservation> {
    for (const { r } of await this.#scan(ticket)) yield r;
  }

  async *sold(ticket: TicketId): AsyncGenerator<Reservation> {
    const { archived = NOWHERE } = await this.#send(() => this.#redis.meta(ticket));
    for (const stored of await this.#scan(ticket)) {
      if (stored.r.status === 'RESERVED' && isSaleTold(stored, archived)) yield stored.r;
    }
  }

  async #scan(ticket: TicketId) {
    if (this.#isAway()) throw new Error('Redis cannot be reached');
    const all = await this.#send(() => this.#redis.reservations(ticket));
    const [{ runId: claimedRun }, runId] = await Promise.all([
      this.#send(() => this.#redis.meta(ticket)),
      this.runId(),
    ]);
    checkRun(ticket, claimedRun, runId);
    return all.values();
  }

  async market(ticket: TicketId): Promise<{
    readonly orphans: ReadonlyMap<string, Orphan>;
    readonly remote: ReadonlyMap<string, RemoteTally>;
  }> {
    const [{ orphans }, remote] = await Promise.all([
      this.#send(() => this.#redis.meta(ticket)),
      this.#send(() => this.#redis.remote(ticket)),
    ]);
    return { orphans: new Map(orphans ?? []), remote: new Map(sortedRemote(remote).remote) };
  }

  async holders(
    tickets: readonly TicketId[],
  ): Promise<readonly { readonly owner: string | null; readonly outbox: number }[]> {
    const redis = this.#redis;
    return this.#send(() =>
      tickets.map((ticket) => {
        const { owner } = redis.meta(ticket);
        const worker = owner === undefined ? null : owner.slice(0, owner.lastIndexOf('/'));
        return { owner: redis.isLeased(ticket) ? worker : null, outbox: redis.outboxLength(ticket) };
      }),
    );
  }

  async counters(tickets: readonly TicketId[]): Promise<readonly TicketCounters[]> {
    const all = await this.#send(() => tickets.map((ticket) => this.#redis.meta(ticket).counters));
    return all.filter((counters) => counters !== undefined);
  }
}

function checkRun(ticket: TicketId, claimedRun: string | undefined, runId: string): void {
  if (claimedRun !== runId) throw new WaitsToBeRebuiltError(ticket);
}

/** A job is gone or no longer ours. */
export class LostJobError extends Error {
  override readonly name = 'LostJobError';
  constructor(readonly code: LostJobCode) {
    super(`the job is lost: ${code}`);
  }
}

class MemoryJob implements TakenJob {
  readonly id: string;
  readonly data: unknown;

  constructor({ id, data }: FetchedJob) {
    this.id = id;
    this.data = data;
  }
}

export interface MemoryTicketQueuesOptions {
  readonly redis: MemoryRedis;
  readonly send: Send;
  readonly clock: Pick<Clock, 'schedule'>;
  readonly jobLockMs: number;
  /** Unique to this run of the process: whose locks are its own. */
  readonly processId: string;
}

export class MemoryTicketQueues implements TicketQueues {
  readonly #options: MemoryTicketQueuesOptions;

  constructor(options: MemoryTicketQueuesOptions) {
    this.#options = options;
  }

  async add(ticket: TicketId, job: CommandJob): Promise<void> {
    const { redis, send } = this.#options;
    await send(() => redis.addJob(ticket, job));
    await send(() => redis.publish({ channel: 'wake', name: ticketName(ticket) }));
  }

  async next(ticket: TicketId, previous: TakenJob | null): Promise<TakenJob | null> {
    const job =
      previous instanceof MemoryJob ? await this.#passOn(ticket, previous) : await this.#take(ticket);
    return job && new MemoryJob(job);
  }

  #take(ticket: TicketId): Promise<FetchedJob | null> {
    const { redis, send, processId, jobLockMs } = this.#options;
    return send(() => redis.takeJob(ticket, processId, jobLockMs));
  }

  async #passOn(ticket: TicketId, { id }: MemoryJob): Promise<FetchedJob | null> {
    const { redis, send, processId, jobLockMs } = this.#options;
    const done = await send(() => redis.finishJob(ticket, id, processId, 'completed', jobLockMs));
    return done.kind === 'lost' ? this.#take(ticket) : done.next;
  }

  async complete(ticket: TicketId, job: TakenJob): Promise<void> {
    const { redis, send, processId } = this.#options;
    if (job instanceof MemoryJob)
      await send(() => redis.finishJob(ticket, job.id, processId, 'completed', null));
  }

  async giveBack(ticket: TicketId, job: TakenJob): Promise<void> {
    const { redis, send, processId } = this.#options;
    // A lost one is another's by now, or comes back by itself.
    if (job instanceof MemoryJob) await send(() => redis.giveBackJob(ticket, job.id, processId));
  }

  async recover(ticket: TicketId): Promise<boolean> {
    const { redis, send, clock, processId } = this.#options;
    await send(() => redis.setConcurrency(ticket, 1));
    const active = await send(() => redis.activeJobs(ticket));
    if (active.length === 0) return true;
    for (const id of active) await send(() => redis.giveBackJob(ticket, id, processId));
    if ((await send(() => redis.activeJobs(ticket))).length === 0) return true;
    await send(() => redis.lookForStalled(ticket, STALLED_LOOK_MS));
    await new Promise<void>((resolve) => clock.schedule(2 * STALLED_LOOK_MS, resolve));
    await send(() => redis.lookForStalled(ticket, STALLED_LOOK_MS));
    return (await send(() => redis.activeJobs(ticket))).length === 0;
  }

  async bury(ticket: TicketId, job: TakenJob, _reason: string): Promise<void> {
    if (!(job instanceof MemoryJob)) return;
    const { redis, send, processId } = this.#options;
    const done = await send(() => redis.finishJob(ticket, job.id, processId, 'failed', null));
    if (done.kind === 'lost') throw new LostJobError(done.code);
  }
}

export interface MemoryLeasesOptions {
  readonly redis: MemoryRedis;
  readonly send: Send;
  readonly clock: Pick<Clock, 'now'>;
  readonly leaseMs: number;
  /** Unique every time it is asked. */
  readonly newId: () => string;
}

export class MemoryLeases implements Leases {
  readonly #options: MemoryLeasesOptions;

  constructor(options: MemoryLeasesOptions) {
    this.#options = options;
  }

  async acquire(ticket: TicketId): Promise<Lease | null> {
    const { redis, send, clock, leaseMs, newId } = this.#options;
    const value = newId();
    const startedAt = clock.now();
    try {
      if (await send(() => redis.acquireLease(ticket, value, leaseMs)))
        return new MemoryLease(this.#options, ticket, value, startedAt);
    } catch (error) {
      await this.#undo(ticket, value);
      throw error;
    }
    await this.#undo(ticket, value);
    return null;
  }

  /** The answer of an attempt may have been lost, and the attempt not. */
  async #undo(ticket: TicketId, value: string): Promise<void> {
    const { redis, send } = this.#options;
    await send(() => redis.releaseLease(ticket, value)).catch(() => undefined);
  }
}

class MemoryLease implements Lease {
  readonly #options: MemoryLeasesOptions;
  readonly #ticket: TicketId;
  readonly #value: string;
  #endsAt: number;

  constructor(options: MemoryLeasesOptions, ticket: TicketId, value: string, startedAt: number) {
    this.#options = options;
    this.#ticket = ticket;
    this.#value = value;
    this.#endsAt = endOf(startedAt, options.leaseMs);
  }

  async extend(): Promise<boolean> {
    const { redis, send, clock, leaseMs } = this.#options;
    const startedAt = clock.now();
    if (this.#endsAt < startedAt) return false;
    const kept = await send(() => redis.extendLease(this.#ticket, this.#value, leaseMs));
    if (kept) this.#endsAt = endOf(startedAt, leaseMs);
    return kept;
  }

  async release(): Promise<void> {
    this.#endsAt = 0;
    const released = await this.#options.send(() =>
      this.#options.redis.releaseLease(this.#ticket, this.#value),
    );
    if (!released) throw new Error('the lease was lost');
  }
}

/** When a holder must take its lease as ended: Redlock's allowance for drift. */
const endOf = (startedAt: number, leaseMs: number): number =>
  startedAt + leaseMs - Math.round(0.01 * leaseMs) - 2;

export class MemoryMembership implements Membership {
  readonly #redis: MemoryRedis;
  readonly #send: Send;
  readonly #clock: Pick<Clock, 'now'>;

  constructor(redis: MemoryRedis, send: Send, clock: Pick<Clock, 'now'>) {
    this.#redis = redis;
    this.#send = send;
    this.#clock = clock;
  }

  beat(workerId: string): Promise<readonly string[]> {
    const now = this.#clock.now();
    return this.#send(() => this.#redis.beat(workerId, now + HEARTBEAT_MS, now));
  }

  members(): Promise<readonly string[]> {
    const now = this.#clock.now();
    return this.#send(() => this.#redis.members(now));
  }

  leave(workerId: string): Promise<void> {
    return this.#send(() => this.#redis.leave(workerId));
  }
}

/** What a process hears of wake-ups; the caller delivers messages and says when some may have been missed. */
export interface WakeBus {
  subscribe(onWake: (name: string) => void): Promise<() => void>;
  onReset(handler: () => void): () => void;
}

export class MemoryWakeUps implements WakeUps {
  readonly #redis: MemoryRedis;
  readonly #send: Send;
  readonly #bus: WakeBus;

  constructor(redis: MemoryRedis, send: Send, bus: WakeBus) {
    this.#redis = redis;
    this.#send = send;
    this.#bus = bus;
  }

  async listen(onWake: (name: string) => void, onReset: () => void): Promise<() => void> {
    const unsubscribe = await this.#bus.subscribe(onWake);
    const unreset = this.#bus.onReset(onReset);
    return () => {
      unsubscribe();
      unreset();
    };
  }

  wakeAll(): Promise<void> {
    return this.#send(() => this.#redis.publish({ channel: 'wake', name: EVERYTHING }));
  }

  wake(ticket: TicketId): Promise<void> {
    return this.#send(() => this.#redis.publish({ channel: 'wake', name: ticketName(ticket) }));
  }
}
