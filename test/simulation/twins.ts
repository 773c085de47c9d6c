/** The run's real Redis and one in memory, asked the same things one after the other; their answers must be alike. */
import { deepStrictEqual } from 'node:assert';
import { Map as ImmutableMap } from 'immutable';
import { Redis } from 'ioredis';
import type { Clock, Lease, TakenJob } from '../../src/actors/ports.js';
import { formatPosition } from '../../src/actors/position.js';
import type { LedgerPosition } from '../../src/archive/port.js';
import { BullTicketQueues } from '../../src/queues/ticket-queues.js';
import { RedisKeys, ticketName } from '../../src/redis/keys.js';
import { RedlockLeases } from '../../src/redis/leases.js';
import { RedisTicketStore } from '../../src/redis/ticket-store.js';
import { RedisMembership, RedisWakeUps } from '../../src/redis/workers.js';
import type { Bus } from '../../src/redis/connection.js';
import type { TicketId } from '../../src/rules/index.js';
import { testRedisUrl } from '../helpers/engine.js';
import { deleteKeys, dumpKeys, type RedisDump } from '../helpers/faults.js';
import {
  MemoryLeases,
  MemoryMembership,
  MemoryTicketQueues,
  MemoryTicketStore,
  MemoryWakeUps,
  type Send,
} from './memory-ports.js';
import { MemoryRedis, RefusedError, type Message, type Snapshot } from './memory-redis.js';

/** Longer than a run, and far enough from each other to be told apart by what is left of them. */
export const JOB_LOCK_MS = 200_000;
export const LEASE_MS = 400_000;
/** A life may differ by as much as passes between asking the one and asking the other. */
const LIFE_TOLERANCE_MS = 50_000;
/** Steps shown when answers differ. */
const STEPS_SHOWN = 12;

export const PROCESSES = [0, 1] as const;

/** Something on both sides. */
export interface Pair<R, M = R> {
  readonly real: R;
  readonly memory: M;
}

/** What a moment of both can be put back to. */
export interface Moment {
  readonly real: RedisDump;
  readonly memory: Snapshot;
}

/** A step that no network delays. */
const send: Send = async (step) => step();

/** The two Redis are not alike. */
export class DifferenceError extends Error {
  override readonly name = 'DifferenceError';
}

export class Twins {
  readonly tickets: readonly TicketId[];
  readonly redis: Redis;
  readonly keys: RedisKeys;
  readonly memory: MemoryRedis;
  readonly stores: Pair<RedisTicketStore, MemoryTicketStore>;
  readonly queues: readonly Pair<BullTicketQueues, MemoryTicketQueues>[];
  readonly leases: readonly Pair<RedlockLeases, MemoryLeases>[];
  readonly members: Pair<RedisMembership, MemoryMembership>;
  readonly wakeUps: Pair<RedisWakeUps, MemoryWakeUps>;
  /** The clients' clock; the servers have their own. */
  clientNow = 1_000_000;
  readonly #name: string;
  readonly #prefix: string;
  readonly #ear: Redis;
  readonly #heard: Message[] = [];
  readonly #published: Message[] = [];
  readonly #steps: string[] = [];
  #run = '';
  #ids = 0;

  /** `name` stands in front of every difference. */
  constructor(name: string, prefix: string, tickets: readonly TicketId[], leaseMs = LEASE_MS) {
    this.#name = name;
    this.#prefix = prefix;
    this.tickets = tickets;
    const redis = new Redis(testRedisUrl());
    const keys = new RedisKeys(prefix);
    const clock: Clock = {
      now: () => this.clientNow,
      schedule: (delayMs, task) => {
        const timer = setTimeout(task, delayMs);
        return () => clearTimeout(timer);
      },
    };
    const memory = new MemoryRedis({
      now: () => Date.now(),
      onPublish: (message) => this.#published.push(message),
    });
    const newId = (): string => `lease${(this.#ids += 1)}`;
    this.redis = redis;
    this.keys = keys;
    this.memory = memory;
    this.stores = {
      real: new RedisTicketStore(redis, keys, clock),
      memory: new MemoryTicketStore(memory, send, clock),
    };
    this.queues = PROCESSES.map((id) => ({
      real: new BullTicketQueues({ redis, keys, clock, jobLockMs: JOB_LOCK_MS }),
      memory: new MemoryTicketQueues({
        redis: memory,
        send,
        clock,
        jobLockMs: JOB_LOCK_MS,
        processId: `process${id}`,
      }),
    }));
    // Leases take the time of the machine, whatever the client's clock says.
    this.leases = PROCESSES.map(() => ({
      real: new RedlockLeases(redis, keys, leaseMs),
      memory: new MemoryLeases({ redis: memory, send, clock: Date, leaseMs, newId }),
    }));
    this.members = {
      real: new RedisMembership(redis, keys, clock),
      memory: new MemoryMembership(memory, send, clock),
    };
    const deaf = { subscribe: () => Promise.resolve(() => undefined), onReset: () => () => undefined };
    this.wakeUps = {
      real: new RedisWakeUps(redis, deaf as unknown as Bus, keys),
      memory: new MemoryWakeUps(memory, send, deaf),
    };
    this.#ear = new Redis(testRedisUrl());
  }

  async start(): Promise<void> {
    this.#run = await this.stores.real.runId();
    this.#ear.on('pmessage', (_pattern: string, channel: string, text: string) => {
      this.#heard.push(this.#messageOf(channel.slice(this.#prefix.length + 1), text));
    });
    await this.#ear.psubscribe(`${this.#prefix}:*`);
  }

  async stop(): Promise<void> {
    for (const { real } of this.queues) await real.close();
    await deleteKeys(this.redis, this.#prefix);
    this.redis.disconnect();
    this.#ear.disconnect();
  }

  /** The same run of the server, as each side calls it. */
  runId(side: 'real' | 'memory'): string {
    return side === 'real' ? this.#run : this.memory.runId();
  }

  /** Asks both; answers what both said, or nothing when both failed alike. */
  async ask<R, M>(
    step: string,
    real: () => Promise<R>,
    memory: () => Promise<M>,
  ): Promise<Pair<R, M> | null> {
    this.#steps.push(step);
    const [theirs, ours] = [await settled(real), await settled(memory)];
    this.alike(theirs, ours);
    return 'answer' in theirs && 'answer' in ours ? { real: theirs.answer, memory: ours.answer } : null;
  }

  /** Throws when they differ. */
  alike(theirs: unknown, ours: unknown): void {
    const [real, memory] = [this.#plain(theirs), this.#plain(ours)];
    if (JSON.stringify(real) === JSON.stringify(memory)) return;
    try {
      // Actual: the one in memory, which is to be as the real one.
      deepStrictEqual(memory, real);
      throw new Error('a difference that is none');
    } catch (error) {
      const steps = this.#steps.slice(-STEPS_SHOWN).join('\n  ');
      const what = error instanceof Error ? error.message : String(error);
      throw new DifferenceError(
        `${this.#name}: step ${this.#steps.length}: the answers differ after\n  ${steps}\n${what}`,
        { cause: error },
      );
    }
  }

  // ---- what happens to a server ------------------------------------------------------------------------

  async moment(): Promise<Moment> {
    // It lives a few milliseconds, and would be put back for ever.
    await this.redis.del(this.tickets.map((ticket) => this.#queueKey(ticket, 'stalled-check')));
    return { real: await dumpKeys(this.redis, this.#prefix), memory: this.memory.snapshot() };
  }

  async goBack({ real, memory }: Moment): Promise<void> {
    this.#steps.push('go back');
    await real.restore();
    this.memory.restore(memory, false);
  }

  async flush(): Promise<void> {
    this.#steps.push('flush');
    await deleteKeys(this.redis, this.#prefix);
    this.memory.flush(false);
  }

  /** The time of a job's lock is over. */
  async endLock(ticket: TicketId, id: string): Promise<void> {
    this.#steps.push(`the lock of job ${id} of ${ticketName(ticket)} ends`);
    await this.redis.del(this.#queueKey(ticket, `${id}:lock`));
    this.#edit(ticket, (keys) => {
      const job = keys.queue.jobs.get(id);
      if (!job) return keys;
      return { ...keys, queue: { ...keys.queue, jobs: keys.queue.jobs.set(id, { ...job, lock: null }) } };
    });
  }

  async endLease(ticket: TicketId): Promise<void> {
    this.#steps.push(`the lease of ${ticketName(ticket)} ends`);
    await this.redis.del(this.keys.ticket(ticket).lease);
    this.#edit(ticket, (keys) => ({ ...keys, lease: null }));
  }

  /** The time of a recorded outcome is over. */
  async endOutcome(ticket: TicketId, id: string): Promise<void> {
    this.#steps.push(`the outcome of ${id} ends`);
    await this.redis.del(this.keys.outcome(ticket, id));
    this.#edit(ticket, (keys) => ({ ...keys, outcomes: keys.outcomes.delete(id) }));
  }

  #edit(ticket: TicketId, change: (keys: StoredKeys) => StoredKeys): void {
    const all = this.memory.snapshot();
    const keys = all.tickets.get(ticketName(ticket));
    if (!keys) return;
    this.memory.restore({ ...all, tickets: all.tickets.set(ticketName(ticket), change(keys)) }, false);
  }

  // ---- everything that can be read ---------------------------------------------------------------------

  /** Every key of every ticket, how long it lives, and everything that was published, in order. */
  async compareAll(): Promise<void> {
    this.#steps.push('compare everything');
    for (const ticket of this.tickets) {
      const [real, memory] = [await this.#realKeys(ticket), this.#memoryKeys(ticket)];
      this.alike(real.values, memory.values);
      for (const [key, ms] of real.lives) {
        const left = memory.lives.get(key);
        if (left !== undefined && Math.abs(left - ms) < LIFE_TOLERANCE_MS) continue;
        throw new DifferenceError(
          `${this.#name}: ${key} of ${ticketName(ticket)} lives ${ms} ms, not ${left} ms`,
        );
      }
    }
    // Answered behind everything that was published before.
    await this.#ear.ping();
    this.alike(this.#heard, this.#published);
  }

  async #realKeys(ticket: TicketId) {
    const { redis } = this;
    const keys = this.keys.ticket(ticket);
    const lives = new Map<string, number>();
    const read = async (pattern: string, named: string): Promise<Map<string, unknown>> => {
      const found = new Map<string, unknown>();
      for (const key of await redis.keys(`${pattern}*`)) {
        const name = key.slice(pattern.length);
        found.set(name, await redis.get(key));
        lives.set(`${named} ${name}`, await redis.pttl(key));
      }
      return found;
    };
    const { owner, ...meta } = await redis.hgetall(keys.meta);
    const outcomes = await read(this.keys.outcome(ticket, ''), 'outcome');
    const ended = await read(this.keys.ended(ticket, ''), 'ended');
    const lease = await redis.pttl(keys.lease);
    if (lease >= 0) lives.set('lease', lease);
    const newest = (await redis.exists(keys.outbox)) ? await redis.xinfo('STREAM', keys.outbox) : [];
    const jobs = await this.#realJobs(ticket);
    for (const [id, ms] of jobs.locks) lives.set(`lock ${id}`, ms);
    return {
      lives,
      values: {
        owner,
        meta: parsedFields(meta),
        reservations: parsed(await redis.hgetall(keys.reservations)),
        remote: parsed(await redis.hgetall(keys.remote)),
        persons: parsed(await redis.hgetall(keys.persons)),
        places: await redis.zrange(keys.waiting, 0, -1, 'WITHSCORES'),
        outbox: (await redis.xrange(keys.outbox, '-', '+')).map(([id, [, json]]) => [
          id,
          JSON.parse(json ?? '') as unknown,
        ]),
        newestId: (newest as unknown[])[(newest as unknown[]).indexOf('last-generated-id') + 1] ?? '0-0',
        outcomes: parsed(outcomes),
        ended: parsed(ended),
        queue: jobs.queue,
        lives: [...lives.keys()].sort(),
      },
    };
  }

  async #realJobs(ticket: TicketId) {
    const { redis } = this;
    const key = (part: string): string => this.#queueKey(ticket, part);
    const active = await redis.lrange(key('active'), 0, -1);
    const wait = await redis.lrange(key('wait'), 0, -1);
    const failed = await redis.zrange(key('failed'), 0, -1);
    const suspects = await redis.smembers(key('stalled'));
    const data = new Map<string, unknown>();
    const locks = new Map<string, number>();
    const lastId = Number((await redis.get(key('id'))) ?? 0);
    for (let id = 1; id <= lastId; id += 1) {
      const json = await redis.hget(key(String(id)), 'data');
      if (json !== null) data.set(String(id), JSON.parse(json));
      const ms = await redis.pttl(key(`${id}:lock`));
      if (ms >= 0) locks.set(String(id), ms);
    }
    const concurrency = await redis.hget(key('meta'), 'concurrency');
    return {
      locks,
      queue: {
        lastId,
        data,
        // Jobs join at the head and leave at the tail.
        active: active.reverse(),
        wait: wait.reverse(),
        failed: failed.sort(),
        suspects: suspects.sort(),
        concurrency: concurrency === null ? null : Number(concurrency),
      },
    };
  }

  #memoryKeys(ticket: TicketId) {
    const lives = new Map<string, number>();
    const now = Date.now();
    const keys = this.memory.snapshot().tickets.get(ticketName(ticket));
    const read = <T>(all: ImmutableMap<string, { value: T; endsAt: number }> | undefined, named: string) => {
      const found = new Map<string, T>();
      for (const [name, { value, endsAt }] of all ?? []) {
        found.set(name, value);
        lives.set(`${named} ${name}`, endsAt - now);
      }
      return found;
    };
    const { owner, ...meta } = keys?.meta ?? {};
    const outcomes = read(keys?.outcomes, 'outcome');
    const ended = read(keys?.ended, 'ended');
    const left = read(keys?.left, 'ended');
    if (keys?.lease) lives.set('lease', keys.lease.endsAt - now);
    for (const [id, { lock }] of keys?.queue.jobs ?? []) if (lock) lives.set(`lock ${id}`, lock.endsAt - now);
    return {
      lives,
      values: {
        owner,
        meta: Object.fromEntries(Object.entries(meta).map(([name, value]) => [name, textual(value)])),
        reservations: new Map(keys?.reservations.map(({ r, p }) => ({ r, p: textual(p) }))),
        remote: new Map(keys?.remote),
        persons: new Map(keys?.persons),
        places: [...(keys?.places ?? [])]
          .sort(([a, placeA], [b, placeB]) => placeA - placeB || (a < b ? -1 : 1))
          .flatMap(([id, place]) => [id, String(place)]),
        outbox: (keys?.outbox ?? []).map(({ incarnation, sequence, commandId, requestId, event }) => [
          `${incarnation}-${sequence}`,
          { c: commandId, q: requestId, e: event },
        ]),
        newestId: textual(keys?.newestId ?? { incarnation: 0, sequence: 0 }),
        outcomes: new Map(
          [...outcomes].map(([id, { result, durableAt }]) => [
            id,
            { r: result, d: durableAt && textual(durableAt) },
          ]),
        ),
        ended: new Map<string, unknown>([
          ...[...ended].map(([id, { r, p }]) => [id, { ...r, position: textual(p) }] as const),
          ...[...left].map(([id, entry]) => [id, { left: entry }] as const),
        ]),
        queue: {
          lastId: keys?.queue.lastId ?? 0,
          data: new Map(keys?.queue.jobs.map(({ data }) => JSON.parse(data) as unknown)),
          active: keys?.queue.active ?? [],
          wait: keys?.queue.wait ?? [],
          failed: [...(keys?.queue.failed ?? [])].sort(),
          suspects: [...(keys?.queue.suspects ?? [])].sort(),
          concurrency: keys?.queue.concurrency ?? null,
        },
        lives: [...lives.keys()].sort(),
      },
    };
  }

  #queueKey(ticket: TicketId, part: string): string {
    const { queuePrefix, queueName } = this.keys.ticket(ticket);
    return `${queuePrefix}:${queueName}:${part}`;
  }

  #messageOf(channel: string, text: string): Message {
    const [name, gatewayId = ''] = channel.split(':');
    switch (name) {
      case 'replies':
        return { channel: name, gatewayId, replies: JSON.parse(text) };
      case 'changes':
        return { channel: name, counters: JSON.parse(text) };
      case 'wake':
        return { channel: name, name: text };
      default:
        throw new Error(`nothing of ours is published on ${channel}`);
    }
  }

  /** As plain JSON with sorted keys, each side's run of the server called the same. */
  #plain(value: unknown): unknown {
    if (value === this.#run || value === this.memory.runId()) return 'this run';
    if (typeof value === 'number') return Number.isNaN(value) ? 'NaN' : value;
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map((item) => this.#plain(item));
    const entries =
      value instanceof Map || ImmutableMap.isMap(value)
        ? [...(value as Map<string, unknown>).entries()]
        : Object.entries(value);
    const kept = entries.filter(([, item]) => item !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(kept.map(([key, item]) => [key, this.#plain(item)]));
  }
}

type StoredKeys = Snapshot['tickets'] extends ImmutableMap<string, infer K> ? K : never;

/** A job or a lease is a thing of its own on each side; what can be seen of it is compared. */
export const seenOf = (job: TakenJob | null): unknown => job && { id: job.id, data: job.data };
export const isHeld = (lease: Lease | null): boolean => lease !== null;

async function settled<T>(ask: () => Promise<T>): Promise<{ answer: T } | { failed: string }> {
  try {
    return { answer: await ask() };
  } catch (error) {
    return { failed: failureOf(error) };
  }
}

/** Failures that mean the same by the same name. */
function failureOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message: string };
  if (typeof code === 'number') return `lost job ${code}`;
  if (error instanceof RefusedError || message.includes('equal or smaller than the target stream'))
    return 'refused';
  if (message.includes('quorum') || message.includes('lease was lost')) return 'lost lease';
  if (message.includes('waits to be rebuilt') || message.includes('waits for the archive')) return message;
  throw error;
}

const parsed = (hash: Record<string, string> | Map<string, unknown>): Map<string, unknown> =>
  new Map(
    (hash instanceof Map ? [...hash] : Object.entries(hash)).map(([key, json]) => [
      key,
      JSON.parse(String(json)),
    ]),
  );

const JSON_FIELDS: ReadonlySet<string> = new Set(['state', 'counters', 'orphans', 'positions']);
const NUMBER_FIELDS: ReadonlySet<string> = new Set(['version', 'due', 'schema']);

const parsedFields = (hash: Record<string, string>): unknown =>
  Object.fromEntries(
    Object.entries(hash).map(([name, text]): [string, unknown] => {
      if (JSON_FIELDS.has(name)) return [name, JSON.parse(text)];
      return [name, NUMBER_FIELDS.has(name) ? Number(text) : text];
    }),
  );

/** Positions as they are written. */
function textual(value: unknown): unknown {
  return isPosition(value) ? formatPosition(value) : value;
}

function isPosition(value: unknown): value is LedgerPosition {
  return typeof value === 'object' && value !== null && Object.keys(value).join() === 'incarnation,sequence';
}
