/**
 * The marketplace as it runs for real, and everything that can happen to it: processes of ours that are started
 * again when they end, as a platform does; Redis, Kafka and MongoDB of its own, each behind a proxy.
 */
import { mkdirSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Topics } from '../exchange/topics.js';
import { startKafka, type KafkaServer } from '../helpers/kafka.js';
import { startMongo } from '../helpers/mongo.js';
import { freePort } from '../helpers/ports.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { ServerProcess, type Controls } from '../helpers/server-process.js';
import { uniqueName } from '../helpers/services.js';
import { FaultyProxy } from './proxy.js';
import type { Target } from './schedule.js';

/** A process that could not start is tried again after so long. */
const RETRY_MS = 1_000;
const OUTPUT_CHARS = 2_000;

/** A process of ours that ended though nobody made it. */
export interface Crash {
  readonly name: string;
  readonly at: number;
  readonly output: string;
}

export class Unit {
  /** Starts that failed: it says what it lacks, ends, and is started again. */
  failedStarts = 0;
  readonly crashes: Crash[] = [];
  #running: Running | null = null;
  #isWanted = false;
  #starting: Promise<void> | null = null;

  constructor(
    readonly name: string,
    readonly roles: readonly string[],
    readonly env: Readonly<Record<string, string>>,
  ) {}

  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** Resolves when it is open. */
  start(): Promise<void> {
    this.#isWanted = true;
    this.#starting ??= this.#start().finally(() => (this.#starting = null));
    return this.#starting;
  }

  async #start(): Promise<void> {
    while (this.#isWanted && !this.#running) {
      try {
        const running = await run(this.roles, this.env);
        this.#running = running;
        running.child.once('exit', () => this.#ended(running));
      } catch {
        this.failedStarts += 1;
        await sleep(RETRY_MS);
      }
    }
  }

  /** By itself: `kill` takes it away first. */
  #ended(running: Running): void {
    if (this.#running !== running) return;
    this.#running = null;
    this.crashes.push({ name: this.name, at: Date.now(), output: running.output().slice(-OUTPUT_CHARS) });
    void this.start();
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isWanted = false;
    await this.#starting;
    const running = this.#running;
    this.#running = null;
    await running?.end(signal);
  }

  pause(): void {
    this.#running?.kill('SIGSTOP');
  }

  resume(): void {
    this.#running?.kill('SIGCONT');
  }

  /** Null while it is away. */
  url(role: string): string | null {
    return this.#running?.url(role) ?? null;
  }

  /** What it has logged since it was started. */
  get output(): string {
    return this.#running?.output() ?? '';
  }
}

/** A redis-server that syncs its file once a second, and whose last second can be taken away. */
export class FileRedis implements Controls {
  readonly #server: ServerProcess;
  readonly #port: number;
  #sizes: { readonly at: number; readonly bytes: number }[] = [];
  #timer: NodeJS.Timeout | null = null;

  private constructor(port: number) {
    this.#port = port;
    this.#server = new ServerProcess((dir) => {
      const data = join(dir, 'data');
      mkdirSync(data, { recursive: true });
      const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--save', ''];
      const aof = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--auto-aof-rewrite-percentage', '0'];
      const args = [...fixed, ...aof, '--maxmemory-policy', 'noeviction'];
      return {
        name: 'redis-server',
        command: process.env['TEST_REDIS_SERVER'] ?? 'redis-server',
        args,
        isReady: () => answers(`redis://127.0.0.1:${port}`),
      };
    }, process.pid);
  }

  static async start(): Promise<FileRedis> {
    const redis = new FileRedis(await freePort());
    await redis.#server.start();
    redis.#timer = setInterval(() => redis.#look(), SIZES_MS).unref();
    return redis;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.#port}`;
  }

  /** What it wrote in its last second is lost. Answers how many bytes that were. */
  async losePower(): Promise<number> {
    const before = this.#sizes.findLast(({ at }) => at <= Date.now() - SECOND_MS)?.bytes;
    await this.kill();
    const file = this.#file();
    const now = statSync(file).size;
    if (before === undefined || before > now) return 0;
    truncateSync(file, before);
    return now - before;
  }

  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer);
    await this.#server.stop();
  }
  kill(signal?: NodeJS.Signals): Promise<void> {
    return this.#server.kill(signal);
  }
  async restart(): Promise<void> {
    await this.#server.restart();
    this.#sizes = [];
  }
  pause(): void {
    this.#server.pause();
  }
  resume(): void {
    this.#server.resume();
  }

  #look(): void {
    const now = Date.now();
    this.#sizes = this.#sizes.filter(({ at }) => at > now - SIZES_KEEP_MS);
    this.#sizes.push({ at: now, bytes: statSync(this.#file(), { throwIfNoEntry: false })?.size ?? 0 });
  }

  #file(): string {
    const dir = join(this.#server.dir, 'data', 'appendonlydir');
    const [newest] = readdirSync(dir)
      .filter((name) => name.endsWith('.incr.aof'))
      .sort()
      .reverse();
    return join(dir, newest ?? '');
  }
}

const SIZES_MS = 50;
const SIZES_KEEP_MS = 5_000;
const SECOND_MS = 1_000;

async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } finally {
    redis.disconnect();
  }
}

export interface FleetOptions {
  readonly holdMs: number;
  readonly payingMs: number;
  readonly workers: number;
  readonly webs: number;
  readonly consumers: number;
}

/** Everything that is started, and how to harm it. */
export class Fleet {
  readonly prefix = uniqueName('chaos');
  readonly clientId = 'ticktak';
  readonly proxies: Readonly<Record<'redis' | 'kafka' | 'mongo', FaultyProxy>>;
  readonly units: Readonly<Record<'worker' | 'web' | 'consumer', readonly Unit[]>>;
  readonly #scratch: ReturnType<typeof scratchDir>;

  private constructor(
    readonly redis: FileRedis,
    readonly kafka: KafkaServer,
    /** Null when it is one that the environment names: it cannot be killed. */
    readonly mongo: (Controls & { readonly name: string }) | null,
    readonly mongoUrl: string,
    readonly topics: Topics,
    proxies: Fleet['proxies'],
    options: FleetOptions,
  ) {
    this.proxies = proxies;
    this.#scratch = scratchDir();
    const env = this.#env(options);
    const units = (name: string, count: number, roles: readonly string[]): readonly Unit[] =>
      Array.from({ length: count }, (_, index) => new Unit(`${name} ${index + 1}`, roles, env));
    this.units = {
      worker: units('worker', options.workers, ['worker']),
      web: units('web', options.webs, ['shop', 'reservations', 'payments']),
      consumer: units('consumer', options.consumers, ['consumer']),
    };
  }

  /** Servers and topics; the processes are started by `open`. */
  static async start(options: FleetOptions): Promise<Fleet> {
    const proxies = { redis: new FaultyProxy(), kafka: new FaultyProxy(), mongo: new FaultyProxy() };
    await Promise.all(Object.values(proxies).map((proxy) => proxy.start()));
    const redis = await FileRedis.start();
    proxies.redis.target = { host: '127.0.0.1', port: redis.port };
    const kafka = await startKafka({ proxyPort: proxies.kafka.port });
    proxies.kafka.target = { host: '127.0.0.1', port: kafka.behindProxy ?? 0 };
    const given = process.env['MONGODB_URL'];
    const mongo = given === undefined ? await startMongo() : null;
    const mongoUrl = (mongo?.url ?? given ?? '').replace(/\/+$/, '');
    const { hostname, port } = new URL(mongoUrl);
    proxies.mongo.target = { host: hostname, port: Number(port || '27017') };
    const topics = new Topics(kafka.brokers);
    await topics.create();
    return new Fleet(redis, kafka, mongo, mongoUrl, topics, proxies, options);
  }

  get database(): string {
    return this.prefix;
  }

  #env({ holdMs, payingMs }: FleetOptions): Record<string, string> {
    const { redis, kafka, mongo } = this.proxies;
    const given = new URL(this.mongoUrl);
    given.hostname = '127.0.0.1';
    given.port = String(mongo.port);
    given.pathname = `/${this.database}`;
    given.searchParams.set('directConnection', 'true');
    return {
      CLIENT_ID: this.clientId,
      REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      REDIS_PREFIX: this.prefix,
      DATA_DIR: this.#scratch.dir,
      MONGODB_URL: given.href,
      KAFKA_BROKERS: `127.0.0.1:${kafka.port}`,
      SALES_TOPIC_PREFIX: `${this.topics.name}-sales`,
      MASTERLIST_TOPIC_PREFIX: `${this.topics.name}-lists`,
      TOKEN_SECRET: 'a-secret-that-only-these-tests-have-1234',
      SERVICE_TOKEN: 'service-token-of-the-tests',
      HOLD_MS: String(holdMs),
      PAYING_MS: String(payingMs),
      LOG_LEVEL: 'warn',
      PAYMENT_TIMEOUT_MS: '5000',
      RECONCILE_MS: '1000',
      PAYMENT_CHECK_MS: '2000',
    };
  }

  get all(): readonly Unit[] {
    return Object.values(this.units).flat();
  }

  async open(): Promise<void> {
    await Promise.all(this.all.map((unit) => unit.start()));
  }

  /** What can be killed and paused. */
  controls(target: Target, instance: number): Controls | Unit {
    if (target === 'redis') return this.redis;
    if (target === 'kafka') return this.kafka;
    if (target === 'mongo') {
      if (!this.mongo) throw new Error('the MongoDB that the environment names is not ours to harm');
      return this.mongo;
    }
    const unit = this.units[target][instance];
    if (!unit) throw new Error(`there is no ${target} ${instance}`);
    return unit;
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((unit) => unit.kill()));
    await this.topics.close();
    await Promise.all([this.redis.stop(), this.kafka.stop(), this.mongo?.stop()]);
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy.stop()));
    this.#scratch.remove();
  }
}
