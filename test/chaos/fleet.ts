/**
 * The marketplace as it runs for real, and everything that can happen to it: processes of ours that are started
 * again when they end, as a platform does; Redis, Kafka and MongoDB of its own, each behind a proxy.
 */
import { Topics } from '../exchange/topics.js';
import { FileRedis } from '../helpers/file-redis.js';
import { startKafka, type KafkaServer } from '../helpers/kafka.js';
import { startMongo } from '../helpers/mongo.js';
import { scratchDir } from '../helpers/processes.js';
import type { Controls } from '../helpers/server-process.js';
import { uniqueName } from '../helpers/services.js';
import { Unit } from '../helpers/unit.js';
import { FaultyProxy } from './proxy.js';
import type { Target } from './schedule.js';

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
