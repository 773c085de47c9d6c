/**
 * A Redis of the tests: what src/redis and src/queues keep in the real one, as one object in memory.
 *
 * Every method is one atomic step of the server: one command, script or transaction. It runs to its end, never
 * waits, and takes its time from `now`. Whatever the shipped code asks for in several round trips is several
 * methods here, so that whoever drives it may let others in between, lose an answer, or send a step twice.
 *
 * Guarantees: for every sequence of steps the answers are those of the real scripts and commands, wrong steps
 * included (another owner, another version, ids that are known, tallies that differ, positions that are not the
 * newest); keys end when their time is over by the server's clock; values are never changed once they are
 * stored, so that a snapshot costs one reference. memory-redis.int.spec.ts holds it to that.
 *
 * What a commit writes is taken from src/redis/stored-ticket.ts, as the real store does; the script that
 * compares and writes, and BullMQ's scripts, are written here anew.
 *
 * Left out: the memory limit (OOM), keys of the wrong type, numbers that JSON cannot carry, lives of no time,
 * pages of a scan (all comes at once), the events, markers and metrics of BullMQ, and everything of Redis that
 * does not concern tickets: catalog, notices, accounts, security, dead letters.
 */
import { Map as ImmutableMap } from 'immutable';
import type {
  Commit,
  CommandJob,
  CommitResult,
  Cursors,
  RecordedOutcome,
  Reply,
  TicketCounters,
} from '../../src/actors/ports.js';
import { comparePositions } from '../../src/actors/position.js';
import type { Scalars } from '../../src/actors/state-codec.js';
import type { CommittedEvent, LedgerPosition } from '../../src/archive/port.js';
import { CATEGORIES } from '../../src/catalog/match.js';
import { ticketName } from '../../src/redis/keys.js';
import {
  changesOf,
  countersAfter,
  ENDED_KEEP_MS,
  metaChangesOf,
  type CommittedMeta,
  type StoredReservation,
} from '../../src/redis/stored-ticket.js';
import { waitingFields, type RemoteValue } from '../../src/redis/stored-waiting.js';
import type { TicketId, WaitingEntry } from '../../src/rules/index.js';

/** What is heard on a channel. */
export type Message =
  | { readonly channel: 'replies'; readonly gatewayId: string; readonly replies: readonly Reply[] }
  | { readonly channel: 'changes'; readonly counters: TicketCounters }
  /** A ticket's name, or `EVERYTHING`. */
  | { readonly channel: 'wake'; readonly name: string }
  | { readonly channel: 'rebuilt' };

export interface MemoryRedisOptions {
  /** The server's clock, epoch milliseconds. */
  readonly now: () => number;
  /** Gets what a step publishes, in order, before the step answers. Must not call back into the server. */
  readonly onPublish: (message: Message) => void;
}

/** The hash of a ticket. */
export type Meta = Partial<CommittedMeta> & { readonly owner?: string };

/** A value with the last millisecond in which it can be read. */
interface Ending<T> {
  readonly value: T;
  readonly endsAt: number;
}

/** A job in Redis. */
interface StoredJob {
  /** As JSON: who takes it gets a copy of their own. */
  readonly data: string;
  readonly addedAt: number;
  readonly lock: Ending<string> | null;
}

interface StoredQueue {
  readonly lastId: number;
  readonly jobs: ImmutableMap<string, StoredJob>;
  /** Ids; the first is taken next. */
  readonly wait: readonly string[];
  /** Ids, the longest active first. */
  readonly active: readonly string[];
  /** Ids that were active at the last look. */
  readonly suspects: readonly string[];
  /** No other look before this has passed. */
  readonly lookedUntil: number | null;
  readonly failed: readonly string[];
  /** Most jobs active at once; null for no limit. */
  readonly concurrency: number | null;
}

interface StoredKeys {
  readonly meta: Meta | null;
  readonly reservations: ImmutableMap<string, StoredReservation>;
  readonly remote: ImmutableMap<string, RemoteValue>;
  readonly persons: ImmutableMap<string, number>;
  /** A sorted set. */
  readonly places: ImmutableMap<string, number>;
  readonly outbox: readonly CommittedEvent[];
  /** Of the outbox, however much of it was trimmed. */
  readonly newestId: LedgerPosition;
  readonly outcomes: ImmutableMap<string, Ending<RecordedOutcome>>;
  readonly ended: ImmutableMap<string, Ending<StoredReservation>>;
  /** Entries of the waiting list that left; in Redis beside those. */
  readonly left: ImmutableMap<string, Ending<WaitingEntry>>;
  /** Outcomes and ended reservations at which those are dropped whose time is over. */
  readonly sweepAt: number;
  readonly lease: Ending<string> | null;
  readonly queue: StoredQueue;
}

/** Everything in the server; never changed, so it stands for as long as somebody keeps it. */
export interface Snapshot {
  readonly tickets: ImmutableMap<string, StoredKeys>;
  readonly members: ImmutableMap<string, number>;
  readonly strings: ImmutableMap<string, Ending<string>>;
}

/** A job as taken. */
export interface FetchedJob {
  readonly id: string;
  readonly data: unknown;
}

/** BullMQ's codes: no such job; its lock ended; it is not active; its lock is another's. */
export type LostJobCode = -1 | -2 | -3 | -6;

/** What became of a job that was to be finished, and the next one if that was asked for. */
export type Finished =
  | { readonly kind: 'finished'; readonly next: FetchedJob | null }
  | { readonly kind: 'lost'; readonly code: LostJobCode };

/** The server refuses a command, as Redis answers an error. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}

/** Before every event. */
const NOWHERE: LedgerPosition = { incarnation: 0, sequence: 0 };
/** As in src/queues/ticket-queues.ts. */
const FAILED_JOBS_MAX = 1_000;
/** Sweeps of what has ended begin at this many keys. */
const SWEEP_MIN = 200;

const EMPTY_QUEUE: StoredQueue = {
  lastId: 0,
  jobs: ImmutableMap(),
  wait: [],
  active: [],
  suspects: [],
  lookedUntil: null,
  failed: [],
  concurrency: null,
};

const EMPTY_KEYS: StoredKeys = {
  meta: null,
  reservations: ImmutableMap(),
  remote: ImmutableMap(),
  persons: ImmutableMap(),
  places: ImmutableMap(),
  outbox: [],
  newestId: NOWHERE,
  outcomes: ImmutableMap(),
  ended: ImmutableMap(),
  left: ImmutableMap(),
  sweepAt: SWEEP_MIN,
  lease: null,
  queue: EMPTY_QUEUE,
};

const NOTHING: Snapshot = { tickets: ImmutableMap(), members: ImmutableMap(), strings: ImmutableMap() };

export class MemoryRedis {
  readonly #now: () => number;
  readonly #publish: (message: Message) => void;
  #all: Snapshot = NOTHING;
  #runs = 1;

  constructor({ now, onPublish }: MemoryRedisOptions) {
    this.#now = now;
    this.#publish = onPublish;
  }

  // ---- the server itself ------------------------------------------------------------------------------

  /** Which run of the server this is: INFO. */
  runId(): string {
    return `run${this.#runs}`;
  }

  /** Everything, as it is now. */
  snapshot(): Snapshot {
    return this.#all;
  }

  /** It stops and comes back with all that it had. Connections are the caller's to cut. */
  restart(): void {
    this.#runs += 1;
  }

  /** It comes back with what it had then: what was written since is lost. `newRun` false: data put under a server that runs on. */
  restore(snapshot: Snapshot, newRun = true): void {
    this.#all = snapshot;
    if (newRun) this.#runs += 1;
  }

  /** It comes back with nothing. */
  flush(newRun = true): void {
    this.restore(NOTHING, newRun);
  }

  /** PUBLISH. */
  publish(message: Message): void {
    this.#publish(message);
  }

  // ---- tickets: scripts of src/redis/lua ---------------------------------------------------------------

  /** claim-1.lua. `now` is the client's. */
  claim(ticket: TicketId, owner: string, now: number): void {
    const keys = this.#keys(ticket);
    this.#set(ticket, { ...keys, meta: { due: now, ...keys.meta, owner } });
  }

  /** commit-n.lua. */
  commit(ticket: TicketId, commit: Commit): CommitResult {
    const keys = this.#keys(ticket);
    const { meta } = keys;
    if (meta?.owner !== commit.owner) return { kind: meta?.owner === undefined ? 'behind' : 'fenced' };
    if (meta.commit === commit.commitId) return { kind: 'committed' };
    if (!commit.replace && (meta.version ?? 0) !== commit.version) return { kind: 'behind' };
    const tallies = this.#wrongGuards(ticket, commit.guards);
    if (tallies.size > 0) return { kind: 'guard', tallies };
    const recorded = this.#recorded(keys, commit);
    if (recorded.size > 0) return { kind: 'repeat', recorded };
    this.#write(ticket, this.#append(ticket, keys, commit.events), commit);
    this.#announce(ticket, commit);
    return { kind: 'committed' };
  }

  /** Tallies in the match's other categories that are not as the commit assumes. */
  #wrongGuards(ticket: TicketId, guards: ReadonlyMap<string, number>): Map<string, number> {
    const wrong = new Map<string, number>();
    if (guards.size === 0) return wrong;
    const others = CATEGORIES.filter((category) => category !== ticket.category).map(
      (category) => this.#keys({ ...ticket, category }).persons,
    );
    for (const [person, assumed] of guards) {
      let tally = 0;
      for (const persons of others) tally += persons.get(person) ?? 0;
      if (tally !== assumed) wrong.set(person, tally);
    }
    return wrong;
  }

  #recorded({ outcomes }: StoredKeys, { records, unanswered = [] }: Commit): Map<string, RecordedOutcome> {
    const recorded = new Map<string, RecordedOutcome>();
    for (const id of [...records.map((record) => record.id), ...unanswered]) {
      const known = this.#read(outcomes.get(id));
      if (known) recorded.set(id, known);
    }
    return recorded;
  }

  /** Redis refuses an id that is not the newest, and keeps what the script has written until then. */
  #append(ticket: TicketId, keys: StoredKeys, events: readonly CommittedEvent[]): StoredKeys {
    if (events.length === 0) return keys;
    const outbox = [...keys.outbox];
    let newestId = keys.newestId;
    let refused = false;
    for (const { incarnation, sequence, commandId, requestId, event } of events) {
      const id = { incarnation, sequence };
      refused = comparePositions(id, newestId) <= 0;
      if (refused) break;
      outbox.push({
        ticket,
        incarnation,
        sequence,
        commandId,
        event,
        ...(requestId !== undefined && { requestId }),
      });
      newestId = id;
    }
    const appended = { ...keys, outbox, newestId };
    if (!refused) return appended;
    this.#set(ticket, appended);
    throw new RefusedError('an id of the outbox is not the newest');
  }

  #write(ticket: TicketId, keys: StoredKeys, commit: Commit): void {
    const changes = changesOf(commit);
    const now = this.#now();
    const { reservations, remote, persons, places } = commit.replace ? EMPTY_KEYS : keys;
    const waiting = waitingFields(changes.waiting);
    this.#set(
      ticket,
      swept(
        {
          ...keys,
          meta: { ...keys.meta, ...metaChangesOf(commit) },
          reservations: changed(reservations, changes.setReservations, changes.delReservations),
          remote: changed<RemoteValue>(
            remote,
            [...changes.setRemote, ...waiting.written],
            [...changes.delRemote, ...waiting.removed],
          ),
          persons: changed(persons, changes.setPersons, changes.delPersons),
          places: changed(
            places,
            changes.waiting.set.map(({ id, place }) => [id, place] as const),
            changes.waiting.removed.map(({ id }) => id),
          ),
          outcomes: changed(
            keys.outcomes,
            commit.records.map(({ id, keepMs, outcome }) => [id, { value: outcome, endsAt: now + keepMs }]),
            [],
          ),
          ended: changed(
            keys.ended,
            changes.ended.map((ended) => [ended.r.id, { value: ended, endsAt: now + ENDED_KEEP_MS }]),
            [],
          ),
          left: changed(
            keys.left,
            changes.waiting.ended.map((entry) => [entry.id, { value: entry, endsAt: now + ENDED_KEEP_MS }]),
            [],
          ),
        },
        now,
      ),
    );
  }

  #announce(ticket: TicketId, commit: Commit): void {
    this.#reply(commit.replies);
    if (commit.after.opened && (commit.events.length > 0 || commit.replace)) {
      this.#publish({ channel: 'changes', counters: countersAfter(ticket, commit) });
    }
  }

  #reply(replies: ReadonlyMap<string, readonly Reply[]>): void {
    for (const [gatewayId, list] of replies) {
      if (list.length > 0) this.#publish({ channel: 'replies', gatewayId, replies: list });
    }
  }

  /** advance-2.lua. */
  advance(
    ticket: TicketId,
    owner: string,
    { archived, published }: Cursors,
    replies: ReadonlyMap<string, readonly Reply[]>,
  ): void {
    this.#reply(replies);
    const keys = this.#keys(ticket);
    if (keys.meta?.owner !== owner) return;
    const passed = comparePositions(archived, published) < 0 ? archived : published;
    const kept = keys.outbox.findIndex((event) => comparePositions(event, passed) > 0);
    this.#set(ticket, {
      ...keys,
      meta: { ...keys.meta, archived: positionOf(archived), published: positionOf(published) },
      outbox: kept === 0 ? keys.outbox : kept < 0 ? [] : keys.outbox.slice(kept),
    });
  }

  /** publisher-1.lua. */
  setPublisher(
    ticket: TicketId,
    owner: string,
    publisher: string | null,
    published: LedgerPosition,
  ): boolean {
    const keys = this.#keys(ticket);
    if (keys.meta?.owner !== owner) return false;
    const meta = { ...keys.meta, publisher: publisher ?? '', published: positionOf(published) };
    this.#set(ticket, { ...keys, meta });
    return true;
  }

  // ---- tickets: reads ----------------------------------------------------------------------------------

  /** HGETALL, HMGET and HGET of the hash; empty where there is none. */
  meta(ticket: TicketId): Meta {
    return this.#keys(ticket).meta ?? {};
  }

  /** HVALS, HGET, HSCAN. */
  reservations(ticket: TicketId): ImmutableMap<string, StoredReservation> {
    return this.#keys(ticket).reservations;
  }

  /** HGETALL. */
  remote(ticket: TicketId): ImmutableMap<string, RemoteValue> {
    return this.#keys(ticket).remote;
  }

  /** XRANGE after a position. */
  outbox(ticket: TicketId, after: LedgerPosition, limit: number): readonly CommittedEvent[] {
    const { outbox } = this.#keys(ticket);
    const from = outbox.findIndex((event) => comparePositions(event, after) > 0);
    return from < 0 ? [] : outbox.slice(from, from + limit);
  }

  /** XLEN. */
  outboxLength(ticket: TicketId): number {
    return this.#keys(ticket).outbox.length;
  }

  /** MGET of recorded outcomes, in the order of `ids`. */
  outcomes(ticket: TicketId, ids: readonly string[]): readonly (RecordedOutcome | null)[] {
    const { outcomes } = this.#keys(ticket);
    return ids.map((id) => this.#read(outcomes.get(id)));
  }

  /** GET of a reservation that ended. */
  ended(ticket: TicketId, id: string): StoredReservation | null {
    return this.#read(this.#keys(ticket).ended.get(id));
  }

  /** LLEN of both lists of its queue. */
  queueLengths(ticket: TicketId): { readonly waiting: number; readonly active: number } {
    const { wait, active } = this.#keys(ticket).queue;
    return { waiting: wait.length, active: active.length };
  }

  // ---- queues: scripts of BullMQ -----------------------------------------------------------------------

  /** addStandardJob; answers the job's id. */
  addJob(ticket: TicketId, job: CommandJob): string {
    const { queue } = this.#keys(ticket);
    const lastId = queue.lastId + 1;
    const id = String(lastId);
    const stored = { data: JSON.stringify(job), addedAt: this.#now(), lock: null };
    this.#setQueue(ticket, {
      ...queue,
      lastId,
      jobs: queue.jobs.set(id, stored),
      wait: [...queue.wait, id],
    });
    return id;
  }

  /** moveToActive: the next job, locked for `token`; null while as many are active as may be, or none waits. */
  takeJob(ticket: TicketId, token: string, lockMs: number): FetchedJob | null {
    const { queue } = this.#keys(ticket);
    if (queue.concurrency !== null && queue.active.length >= queue.concurrency) return null;
    const [id, ...wait] = queue.wait;
    if (id === undefined) return null;
    const job = queue.jobs.get(id);
    const lock = { value: token, endsAt: this.#now() + lockMs };
    this.#setQueue(ticket, {
      ...queue,
      wait,
      active: [...queue.active, id],
      jobs: job ? queue.jobs.set(id, { ...job, lock }) : queue.jobs,
    });
    return { id, data: job ? (JSON.parse(job.data) as unknown) : undefined };
  }

  /** moveToFinished. With `nextLockMs` the next job is taken in the same step; null takes none. */
  finishJob(
    ticket: TicketId,
    id: string,
    token: string,
    how: 'completed' | 'failed',
    nextLockMs: number | null,
  ): Finished {
    const { queue } = this.#keys(ticket);
    const job = queue.jobs.get(id);
    if (!job) return { kind: 'lost', code: -1 };
    const lockedBy = this.#read(job.lock);
    if (lockedBy !== token) return { kind: 'lost', code: lockedBy === null ? -2 : -6 };
    const suspects = queue.suspects.filter((other) => other !== id);
    const unlocked = { ...job, lock: null };
    if (!queue.active.includes(id)) {
      this.#setQueue(ticket, { ...queue, suspects, jobs: queue.jobs.set(id, unlocked) });
      return { kind: 'lost', code: -3 };
    }
    const failed = how === 'failed' ? [...queue.failed, id] : queue.failed;
    const dropped = failed.slice(0, Math.max(0, failed.length - FAILED_JOBS_MAX));
    const jobs = how === 'failed' ? queue.jobs.set(id, unlocked) : queue.jobs.delete(id);
    this.#setQueue(ticket, {
      ...queue,
      suspects,
      active: queue.active.filter((other) => other !== id),
      failed: failed.slice(dropped.length),
      jobs: jobs.deleteAll(dropped),
    });
    return { kind: 'finished', next: nextLockMs === null ? null : this.takeJob(ticket, token, nextLockMs) };
  }

  /** moveJobFromActiveToWait: the next one again; what is not active any more only loses its lock. */
  giveBackJob(ticket: TicketId, id: string, token: string): 'given_back' | LostJobCode {
    const { queue } = this.#keys(ticket);
    const job = queue.jobs.get(id);
    if (!job) return -1;
    const lockedBy = this.#read(job.lock);
    if (lockedBy !== token) return lockedBy === null ? -2 : -6;
    const isActive = queue.active.includes(id);
    this.#setQueue(ticket, {
      ...queue,
      suspects: queue.suspects.filter((other) => other !== id),
      active: queue.active.filter((other) => other !== id),
      wait: isActive ? [id, ...queue.wait] : queue.wait,
      jobs: queue.jobs.set(id, { ...job, lock: null }),
    });
    return 'given_back';
  }

  /** HSET of the queue's hash. */
  setConcurrency(ticket: TicketId, concurrency: number): void {
    this.#setQueue(ticket, { ...this.#keys(ticket).queue, concurrency });
  }

  /** LRANGE of what is active. */
  activeJobs(ticket: TicketId): readonly string[] {
    return this.#keys(ticket).queue.active;
  }

  /**
   * moveStalledJobsToWait: puts back first in line what was active at the look before and has no lock, and
   * remembers what is active; does nothing within `pauseMs` of the last look.
   */
  lookForStalled(ticket: TicketId, pauseMs: number): void {
    const { queue } = this.#keys(ticket);
    const now = this.#now();
    if (queue.lookedUntil !== null && now <= queue.lookedUntil) return;
    const suspects = [...queue.suspects].sort((a, b) => Number(a) - Number(b));
    const stalled = suspects.filter(
      (id) => this.#read(queue.jobs.get(id)?.lock) === null && queue.active.includes(id),
    );
    const active = queue.active.filter((id) => !stalled.includes(id));
    this.#setQueue(ticket, {
      ...queue,
      lookedUntil: now + pauseMs,
      wait: [...stalled.reverse(), ...queue.wait],
      active,
      suspects: active,
    });
  }

  /** When the oldest job was added that waits or is active; null for none. */
  oldestJobAt(ticket: TicketId): number | null {
    const { active, wait, jobs } = this.#keys(ticket).queue;
    const times = [active[0], wait[0]].map((id) => (id === undefined ? undefined : jobs.get(id)?.addedAt));
    const known = times.filter((at) => at !== undefined);
    return known.length === 0 ? null : Math.min(...known);
  }

  // ---- leases: scripts of Redlock ----------------------------------------------------------------------

  /** False when there is one already. `value` is unique to this attempt. */
  acquireLease(ticket: TicketId, value: string, leaseMs: number): boolean {
    const keys = this.#keys(ticket);
    if (this.#read(keys.lease) !== null) return false;
    this.#set(ticket, { ...keys, lease: { value, endsAt: this.#now() + leaseMs } });
    return true;
  }

  /** False when it is not this one any more. */
  extendLease(ticket: TicketId, value: string, leaseMs: number): boolean {
    const keys = this.#keys(ticket);
    if (this.#read(keys.lease) !== value) return false;
    this.#set(ticket, { ...keys, lease: { value, endsAt: this.#now() + leaseMs } });
    return true;
  }

  /** False when it is not this one any more. */
  releaseLease(ticket: TicketId, value: string): boolean {
    const keys = this.#keys(ticket);
    if (this.#read(keys.lease) !== value) return false;
    this.#set(ticket, { ...keys, lease: null });
    return true;
  }

  /** EXISTS. */
  isLeased(ticket: TicketId): boolean {
    return this.#read(this.#keys(ticket).lease) !== null;
  }

  // ---- members and other keys --------------------------------------------------------------------------

  /** One transaction: this worker lives until then, those whose time is over by `now` (the client's) are gone. */
  beat(workerId: string, livesUntil: number, now: number): readonly string[] {
    const members = this.#all.members.set(workerId, livesUntil).filter((until) => until > now);
    this.#all = { ...this.#all, members };
    return sortedMembers(members);
  }

  /** ZRANGEBYSCORE: who lives at `now` (the client's). */
  members(now: number): readonly string[] {
    return sortedMembers(this.#all.members.filter((until) => until >= now));
  }

  /** ZREM. */
  leave(workerId: string): void {
    this.#all = { ...this.#all, members: this.#all.members.delete(workerId) };
  }

  /** SET NX PX; false when there is a value. For idempotency keys. */
  setIfNew(key: string, value: string, keepMs: number): boolean {
    if (this.get(key) !== null) return false;
    const strings = this.#all.strings.set(key, { value, endsAt: this.#now() + keepMs });
    this.#all = { ...this.#all, strings };
    return true;
  }

  /** GET. */
  get(key: string): string | null {
    return this.#read(this.#all.strings.get(key));
  }

  // ---- for checks --------------------------------------------------------------------------------------

  /** All that is in it now, by ticket name. */
  dump(): ReadonlyMap<string, TicketDump> {
    return new Map([...this.#all.tickets.keys()].map((name) => [name, this.#dumpOf(name)]));
  }

  /** One ticket of it; null when no key of it exists. */
  dumpOf(ticket: TicketId): TicketDump | null {
    const name = ticketName(ticket);
    return this.#all.tickets.has(name) ? this.#dumpOf(name) : null;
  }

  #dumpOf(name: string): TicketDump {
    const keys = this.#all.tickets.get(name) ?? EMPTY_KEYS;
    const { meta, reservations, remote, persons, outbox, outcomes, ended, queue } = keys;
    return {
      meta: meta ?? {},
      counters: meta?.counters ?? null,
      scalars: meta?.state ?? null,
      reservations,
      remote,
      persons,
      outbox,
      outcomes: this.#living(outcomes),
      ended: this.#living(ended),
      lease: this.#read(keys.lease),
      waiting: queue.wait,
      active: queue.active,
      failed: queue.failed,
      jobs: new Map(queue.jobs.map(({ data }) => JSON.parse(data) as unknown)),
    };
  }

  // ---- keys --------------------------------------------------------------------------------------------

  #keys(ticket: TicketId): StoredKeys {
    return this.#all.tickets.get(ticketName(ticket)) ?? EMPTY_KEYS;
  }

  #set(ticket: TicketId, keys: StoredKeys): void {
    this.#all = { ...this.#all, tickets: this.#all.tickets.set(ticketName(ticket), keys) };
  }

  #setQueue(ticket: TicketId, queue: StoredQueue): void {
    this.#set(ticket, { ...this.#keys(ticket), queue });
  }

  #read<T>(ending: Ending<T> | null | undefined): T | null {
    return ending && this.#now() <= ending.endsAt ? ending.value : null;
  }

  #living<T>(all: ImmutableMap<string, Ending<T>>): ReadonlyMap<string, T> {
    const now = this.#now();
    return new Map(all.filter(({ endsAt }) => now <= endsAt).map(({ value }) => value));
  }
}

/** What checks read of a ticket. */
export interface TicketDump {
  readonly meta: Meta;
  readonly counters: TicketCounters | null;
  readonly scalars: Scalars | null;
  readonly reservations: ImmutableMap<string, StoredReservation>;
  readonly remote: ImmutableMap<string, RemoteValue>;
  readonly persons: ImmutableMap<string, number>;
  readonly outbox: readonly CommittedEvent[];
  readonly outcomes: ReadonlyMap<string, RecordedOutcome>;
  readonly ended: ReadonlyMap<string, StoredReservation>;
  readonly lease: string | null;
  /** Ids of jobs; the first is taken next. */
  readonly waiting: readonly string[];
  readonly active: readonly string[];
  readonly failed: readonly string[];
  readonly jobs: ReadonlyMap<string, unknown>;
}

const positionOf = ({ incarnation, sequence }: LedgerPosition): LedgerPosition => ({ incarnation, sequence });

/** In the order of a sorted set. */
const sortedMembers = (members: ImmutableMap<string, number>): readonly string[] =>
  [...members.entries()]
    .sort(([a, untilA], [b, untilB]) => untilA - untilB || (a < b ? -1 : 1))
    .map(([id]) => id);

/** The same map when nothing of it changes. */
function changed<T>(
  map: ImmutableMap<string, T>,
  set: readonly (readonly [string, T])[],
  del: readonly string[],
): ImmutableMap<string, T> {
  if (set.length + del.length === 0) return map;
  return map.withMutations((draft) => {
    for (const [key, value] of set) draft.set(key, value);
    for (const key of del) draft.delete(key);
  });
}

/** Drops what has ended, now and then: nobody can see the difference, and it would pile up. */
function swept(keys: StoredKeys, now: number): StoredKeys {
  if (keys.outcomes.size + keys.ended.size < keys.sweepAt) return keys;
  const outcomes = keys.outcomes.filter(({ endsAt }) => now <= endsAt);
  const ended = keys.ended.filter(({ endsAt }) => now <= endsAt);
  return { ...keys, outcomes, ended, sweepAt: Math.max(SWEEP_MIN, 2 * (outcomes.size + ended.size)) };
}
