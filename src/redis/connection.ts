/**
 * Connections to Redis: two per process, whatever the number of tickets. One carries commands, scripts and
 * queues; one carries subscriptions (`Bus`). The consumer has a third, on which the dead-letter queue waits, and
 * so has a process with web roles, for the security check. To a Redis Cluster the one for commands is one to each
 * node, and the one for subscriptions goes to whichever node can be reached.
 */
import { createConnection } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector, Cluster, Redis, type RedisOptions as ClientOptions } from 'ioredis';
import { redisUrlsOf } from '../../config/redis-url.js';
import type { Logger } from '../process/log.js';
import { gatherWrites } from './gathered-writes.js';

/** One Redis, or all of a Redis Cluster. */
export type RedisClient = Redis | Cluster;

export interface RedisOptions {
  /** With several hosts it is a Redis Cluster. */
  readonly url: string;
  /** Shown by CLIENT LIST. */
  readonly name: string;
  readonly logger: Logger;
}

/** Buyers wait this long for the connection once Redis is back. */
const RETRY_MS_MAX = 500;
const CONNECT_MS_MAX = 5_000;
const KEEP_ALIVE_MS = 10_000;
/**
 * A command of a cluster is sent again after so long, and is sent so often at most: while its slot is moved, and until a
 * replica has taken the place of a master, which takes the nodes' `cluster-node-timeout` and a second or two. ioredis
 * asks a node by chance first, so that each try counts for two or three: they last for 20 to 30 s.
 */
const CLUSTER_RETRY_MS = 100;
const CLUSTER_TRIES_MAX = 600;
/**
 * One that a node of a cluster has not answered by then fails, and whoever asked asks anew: a node can hang while another
 * takes its place. Longer than a worker of a queue waits for a job.
 */
const CLUSTER_COMMAND_MS_MAX = 60_000;
/** Who has which slot is asked this often. A node that hangs is found to be out by it. */
const SLOTS_LOOK_MS = 2_000;
const SLOTS_ANSWER_MS_MAX = 2_000;
/** A socket that does not close is ended after that. */
const SOCKET_END_MS_MAX = 2_000;

const retryMs = (attempt: number): number =>
  Math.min(RETRY_MS_MAX, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2);

export const isCluster = (redis: RedisClient): redis is Cluster => redis.isCluster;

/** Retries for ever with bounded, jittered back-off; commands sent meanwhile wait for the connection. */
export function connectRedis(options: RedisOptions): RedisClient {
  const urls = redisUrlsOf(options.url);
  const redis = urls.length > 1 ? connectCluster(urls, options) : connectOne(options);
  return told(redis, options.logger);
}

function connectOne({ url, name }: RedisOptions): Redis {
  const redis = new Redis(url, {
    connectionName: name,
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT_MS_MAX,
    keepAlive: KEEP_ALIVE_MS,
    retryStrategy: retryMs,
  });
  gatherWrites(redis);
  return redis;
}

function connectCluster(urls: readonly string[], { name }: RedisOptions): Cluster {
  const cluster = new Cluster(
    urls.map((url) => {
      const { host, port } = addressOf(url);
      return { host, port };
    }),
    {
      redisOptions: {
        ...loginOf(urls),
        connectionName: name,
        maxRetriesPerRequest: null,
        commandTimeout: CLUSTER_COMMAND_MS_MAX,
        connectTimeout: CONNECT_MS_MAX,
        keepAlive: KEEP_ALIVE_MS,
      },
      clusterRetryStrategy: retryMs,
      // Names stay names: with TLS they are what certificates are for.
      dnsLookup: (address, done) => done(null, address),
      maxRedirections: CLUSTER_TRIES_MAX,
      retryDelayOnFailover: CLUSTER_RETRY_MS,
      retryDelayOnClusterDown: CLUSTER_RETRY_MS,
      retryDelayOnTryAgain: CLUSTER_RETRY_MS,
      slotsRefreshInterval: SLOTS_LOOK_MS,
      slotsRefreshTimeout: SLOTS_ANSWER_MS_MAX,
    },
  );
  cluster.on('+node', gatherWrites);
  return cluster;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function addressOf(url: string): Address {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || '6379') };
}

/** The same for all nodes. */
function loginOf([url = '']: readonly string[]): Pick<ClientOptions, 'username' | 'password' | 'tls'> {
  const { protocol, username, password } = new URL(url);
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
    ...(protocol === 'rediss:' && { tls: {} }),
  };
}

function told<Client extends RedisClient>(redis: Client, logger: Logger): Client {
  let down = false;
  const onError = (error: Error): void => {
    if (!down) logger.warn({ err: error.message }, 'Redis cannot be reached; trying again');
    down = true;
  };
  const onReady = (): void => {
    if (down) logger.info('Redis is back');
    down = false;
  };
  redis.on('error', onError);
  redis.on('ready', onReady);
  return redis;
}

/**
 * A connection for a `Bus`. In a cluster every node passes on what any of them publishes: the connection goes to one
 * of them, and to the next when that one is gone. `redis`: of the same process; it knows the nodes.
 */
export function connectSubscriber(options: RedisOptions, redis: RedisClient): Redis {
  const urls = redisUrlsOf(options.url);
  if (!isCluster(redis)) return told(connectOne(options), options.logger);
  const seeds = urls.map(addressOf);
  let at = Math.floor(Math.random() * seeds.length);
  let current: Address | null = null;
  const next = (): Address => {
    const known = redis
      .nodes('all')
      .flatMap(({ options: { host, port } }) =>
        host === undefined || port === undefined ? [] : [{ host, port }],
      );
    const all = known.length > 0 ? known : seeds;
    at += 1;
    current = all[at % all.length] ?? null;
    if (!current) throw new Error('REDIS_URL names no host');
    return current;
  };
  const { tls, ...login } = loginOf(urls);
  class NextNode extends AbstractConnector {
    constructor() {
      super(SOCKET_END_MS_MAX);
    }

    connect() {
      this.connecting = true;
      const { host, port } = next();
      this.stream = tls ? connectTls({ host, port, ...tls }) : createConnection({ host, port });
      this.stream.once('error', (error: Error) => (this.firstError = error));
      return Promise.resolve(this.stream);
    }
  }
  const line = new Redis({
    ...login,
    connectionName: options.name,
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT_MS_MAX,
    keepAlive: KEEP_ALIVE_MS,
    retryStrategy: retryMs,
    Connector: NextNode,
  });
  redis.on('-node', ({ options: { host, port } }: Redis) => {
    // It may go on and hear nothing any more. When all is closed every node goes.
    const isCurrent = current?.host === host && current?.port === port;
    if (isCurrent && redis.status === 'ready') line.disconnect(true);
  });
  return told(line, options.logger);
}

/** Oldest Redis with everything the scripts and queues use. */
const REDIS_VERSION_MIN = [6, 2] as const;

/**
 * Refuses a Redis that would lose what is stored in it, or is too old; warns where it may lose a second. So it does
 * with each master of a cluster. A hosted Redis that hides CONFIG is taken at its word.
 */
export async function checkRedis(redis: RedisClient, logger: Logger): Promise<void> {
  if (!isCluster(redis)) {
    const info = await redis.info();
    if (/cluster_enabled:1/.test(info)) throw new Error(ONE_NODE);
    checkServer(info, 'Redis', logger);
    return;
  }
  // Who they are is known when the cluster is.
  await clusterAnswers(redis);
  for (const node of redis.nodes('master')) {
    const { host, port } = node.options;
    checkServer(await node.info(), `Redis at ${host}:${port}`, logger);
  }
}

/** Rejects when it is none, instead of asking for ever. */
async function clusterAnswers(redis: Cluster): Promise<void> {
  let refuse: (error: Error) => void = () => undefined;
  const refused = new Promise<never>((_, reject) => (refuse = reject));
  const onNodeError = (error: Error, address: string): void => {
    if (!/cluster support disabled/.test(error.message)) return;
    refuse(
      new Error(
        `REDIS_URL names several hosts, as nodes of one Redis Cluster, but ${address} is none: name one host.`,
      ),
    );
  };
  redis.on('node error', onNodeError);
  try {
    await Promise.race([redis.ping(), refused]);
  } finally {
    redis.off('node error', onNodeError);
  }
}

const ONE_NODE =
  'REDIS_URL names one host, and that is a node of a Redis Cluster: name several of its nodes, separated by commas ' +
  '(redis://a:6379,b:6379), or one twice where the cluster has one address.';

function checkServer(info: string, name: string, logger: Logger): void {
  const version = /redis_version:(\d+)\.(\d+)/.exec(info);
  const major = Number(version?.[1] ?? 0);
  const minor = Number(version?.[2] ?? 0);
  if (major < REDIS_VERSION_MIN[0] || (major === REDIS_VERSION_MIN[0] && minor < REDIS_VERSION_MIN[1])) {
    throw new Error(
      `${name} ${major}.${minor} is too old: ticktak needs ${REDIS_VERSION_MIN.join('.')} or newer.`,
    );
  }
  const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1];
  if (policy !== undefined && policy !== 'noeviction') {
    throw new Error(
      `${name} has maxmemory-policy ${policy} and could evict tickets; set it to noeviction (CONFIG SET maxmemory-policy noeviction).`,
    );
  }
  if (/aof_enabled:0/.test(info)) {
    logger.warn(`${name} keeps no append-only file: holds are lost when it restarts (set appendonly yes)`);
  }
}

type Handler = (message: string) => void;

/**
 * Subscriptions of a process. Messages of one Redis arrive in the order in which it sent them, and `barrier`
 * uses that order: a PING on the same connection is answered after everything that was published before it. Between
 * the nodes of a cluster there is no such order, and a message can be lost without a reset: what must be known there is
 * asked of the node that has it (`RedisCounters`).
 */
export class Bus {
  readonly #redis: RedisClient;
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #resets = new Set<() => void>();

  /** `redis`: of `connectSubscriber` where it may be a cluster, whose own subscriber changes nodes without a word. */
  constructor(redis: RedisClient) {
    this.#redis = redis;
    redis.on('message', (channel: string, message: string) => {
      for (const handler of this.#handlers.get(channel) ?? []) handler(message);
    });
    let first = redis.status !== 'ready';
    redis.on('ready', () => {
      if (first) first = false;
      else for (const reset of this.#resets) reset();
    });
  }

  get ready(): boolean {
    return this.#redis.status === 'ready';
  }

  /** Resolves when Redis has confirmed the subscription. */
  async subscribe(channel: string, handler: Handler): Promise<() => void> {
    const handlers = this.#handlers.get(channel) ?? new Set<Handler>();
    this.#handlers.set(channel, handlers);
    handlers.add(handler);
    // Between connecting and its ready check ioredis would send this first, fail the check and stay deaf.
    if (this.#redis.status !== 'ready') await new Promise((resolve) => this.#redis.once('ready', resolve));
    await this.#redis.subscribe(channel);
    return () => {
      handlers.delete(handler);
    };
  }

  /** `handler` is called when messages may have been missed. */
  onReset(handler: () => void): () => void {
    this.#resets.add(handler);
    return () => {
      this.#resets.delete(handler);
    };
  }

  /** Resolves after every message that Redis published before this call has been handled; not so in a cluster. */
  async barrier(): Promise<void> {
    // Queued until it comes back, a read would wait for as long as its buyer has patience.
    if (!this.ready) throw new Error('Redis cannot be reached');
    await this.#redis.ping();
  }

  close(): void {
    this.#redis.disconnect();
  }
}
