/**
 * Faults that tests put between the parts of an engine: a call that sleeps, a process that stops running, a
 * process that dies, a Redis that goes back in time, a redis-server that is killed and started again.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Clock } from '../../src/actors/ports.js';
import type { RedisClient } from '../../src/redis/connection.js';
import { freePort } from './ports.js';

/** `target` with some members replaced. The others run on `target` itself, private members included. */
export function patched<T extends object>(target: T, over: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      if (Object.hasOwn(over, name)) return Reflect.get(over, name) as unknown;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

/** A promise and what resolves it. */
export class Deferred {
  resolve: () => void = () => undefined;
  readonly promise = new Promise<void>((resolve) => (this.resolve = resolve));
}

/** Where a call sleeps until the test lets it go on. */
export class Pause {
  readonly #reached = new Deferred();
  readonly #open = new Deferred();
  #armed: boolean;

  constructor(armed = false) {
    this.#armed = armed;
  }

  /** From here on the next call sleeps. */
  arm(): void {
    this.#armed = true;
  }

  /** Resolves when a call has got here. */
  get reached(): Promise<void> {
    return this.#reached.promise;
  }

  /** Lets the sleeper go on, and everyone after it. */
  open(): void {
    this.#armed = false;
    this.#open.resolve();
  }

  /** Called by the code under test, through a patched part. */
  async here(): Promise<void> {
    if (!this.#armed) return;
    this.#reached.resolve();
    await this.#open.promise;
  }
}

/** The machine's clock for one process, whose timers can be kept from running. */
export class ProcessClock implements Clock {
  readonly #late: (() => void)[] = [];
  #frozen = false;

  now(): number {
    return Date.now();
  }

  schedule(delayMs: number, task: () => void): () => void {
    let cancelled = false;
    const run = (): void => {
      if (cancelled) return;
      if (this.#frozen) this.#late.push(run);
      else task();
    };
    // One that sleeps for ever must not keep the test process from ending.
    const timer = setTimeout(run, delayMs).unref();
    return () => {
      cancelled = true;
      clearTimeout(timer);
    };
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** Everything that fell due meanwhile runs now. */
  thaw(): void {
    this.#frozen = false;
    for (const run of this.#late.splice(0)) run();
  }
}

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now: number;
  #timers: { readonly at: number; readonly task: () => void }[] = [];

  constructor(now = 1_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, task: () => void): () => void {
    const timer = { at: this.#now + delayMs, task };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  get timers(): number {
    return this.#timers.length;
  }

  /** Goes on by `ms`, timer by timer, and lets what each one starts run as far as it gets. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.task();
    }
    this.#now = end;
    await settled();
  }
}

/** Lets everything that waits for nothing outside run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Every key of a prefix, as it is now. */
export interface RedisDump {
  /** Deletes what is there and puts the dump in its place. */
  restore(): Promise<void>;
}

export async function dumpKeys(redis: RedisClient, prefix: string): Promise<RedisDump> {
  const keys = await redis.keys(`${prefix}:*`);
  const values = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
  const lives = await Promise.all(keys.map((key) => redis.pttl(key)));
  const restore = async (): Promise<void> => {
    // One transaction: nobody sees the moment in between.
    const all = redis.multi();
    for (const key of await redis.keys(`${prefix}:*`)) all.del(key);
    keys.forEach((key, i) => {
      const value = values[i];
      if (value) all.restore(key, Math.max(0, lives[i] ?? 0), value);
    });
    for (const [error] of (await all.exec()) ?? []) if (error) throw error;
  };
  return { restore };
}

export async function deleteKeys(redis: RedisClient, prefix: string): Promise<void> {
  const keys = await redis.keys(`${prefix}:*`);
  if (keys.length > 0) await redis.del(keys);
}

/** A redis-server of a test's own, whose folder survives it. */
export class OwnRedis {
  #dir: string | null = null;
  readonly #args: readonly string[];
  #child: ChildProcess | null = null;
  #port = 0;

  /** `args` are added to its command line. */
  constructor(args: readonly string[] = []) {
    this.#args = args;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    if (this.#port === 0) this.#port = await freePort();
    this.#dir ??= mkdtempSync(join(tmpdir(), 'ticktak-own-redis-'));
    const bin = process.env['TEST_REDIS_SERVER'] ?? 'redis-server';
    const fixed = ['--port', String(this.#port), '--bind', '127.0.0.1', '--dir', this.#dir, '--save', ''];
    const aof = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction'];
    this.#child = spawn(bin, [...fixed, ...aof, ...this.#args], { stdio: 'ignore' });
    const redis = new Redis(this.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
    redis.on('error', () => undefined);
    try {
      await redis.ping();
    } finally {
      redis.disconnect();
    }
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.kill();
    if (this.#dir !== null) rmSync(this.#dir, { recursive: true, force: true });
    this.#dir = null;
  }
}
