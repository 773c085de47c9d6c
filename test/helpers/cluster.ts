/**
 * A Redis Cluster of a test's own: three masters with a replica each, on free loopback ports. What an operator does to
 * a cluster and what befalls it: a slot is moved, a master is killed.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { until } from './engine.js';
import { freePort } from './ports.js';
import { ServerProcess } from './server-process.js';

const MASTERS = 3;
const SLOTS = 16_384;
/** A master that does not answer for so long is replaced. */
const NODE_TIMEOUT_MS = 2_000;
const WAIT_MS_MAX = 30_000;
const KEYS_AT_ONCE = 10;

interface Member {
  readonly server: ServerProcess;
  readonly port: number;
  readonly redis: Redis;
  readonly id: string;
}

/** A node as CLUSTER NODES shows it. */
interface Shown {
  readonly id: string;
  readonly flags: ReadonlySet<string>;
  /** Of the master of a replica. */
  readonly master: string;
}

export class TestCluster {
  readonly #members: readonly Member[];

  private constructor(members: readonly Member[]) {
    this.#members = members;
  }

  /** Resolves when all slots are served and every master has its replica. */
  static async start(): Promise<TestCluster> {
    const ports: (readonly [number, number])[] = [];
    for (let i = 0; i < 2 * MASTERS; i += 1) ports.push([await freePort(), await freePort()]);
    const cluster = new TestCluster(await Promise.all(ports.map(startMember)));
    try {
      await cluster.#form();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** As REDIS_URL names it. */
  get url(): string {
    return `redis://${this.#members.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** Of one of its nodes alone. */
  get urlOfOne(): string {
    return `redis://127.0.0.1:${this.#members[0]?.port}`;
  }

  async #form(): Promise<void> {
    const [first, ...others] = this.#members;
    const masters = this.#members.slice(0, MASTERS);
    await Promise.all(
      masters.map(async ({ redis }, i) => {
        const [from, to] = [i, i + 1].map((n) => Math.floor((n * SLOTS) / MASTERS));
        await redis.call('CLUSTER', 'ADDSLOTSRANGE', from ?? 0, (to ?? 0) - 1);
        await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      }),
    );
    for (const { port, server } of others)
      await first?.redis.call('CLUSTER', 'MEET', '127.0.0.1', port, busPortOf(server));
    await settled(async () => (await this.#nodes()).every((nodes) => nodes.length === 2 * MASTERS));
    await Promise.all(
      this.#members
        .slice(MASTERS)
        .map(({ redis }, i) => redis.call('CLUSTER', 'REPLICATE', masters[i]?.id ?? '')),
    );
    await settled(async () => {
      const states = await Promise.all(
        this.#members.map(async ({ redis }) => String(await redis.call('CLUSTER', 'INFO'))),
      );
      const replicas = await Promise.all(
        this.#members.slice(MASTERS).map(({ redis }) => redis.info('replication')),
      );
      return (
        states.every((state) => state.includes('cluster_state:ok')) &&
        replicas.every((info) => info.includes('master_link_status:up'))
      );
    });
  }

  /** As each member that lives sees all of them. */
  #nodes(): Promise<readonly (readonly Shown[])[]> {
    return Promise.all(
      this.#members.filter(({ redis }) => redis.status === 'ready').map(({ redis }) => shownBy(redis)),
    );
  }

  /** The member that has the slot of a key. */
  async #holder(key: string): Promise<Member> {
    const slot = Number(await this.#anyone().redis.call('CLUSTER', 'KEYSLOT', key));
    const ranges = (await this.#anyone().redis.call('CLUSTER', 'SLOTS')) as [
      number,
      number,
      [string, number],
    ][];
    const port = ranges.find(([from, to]) => from <= slot && slot <= to)?.[2][1];
    const holder = this.#members.find((member) => member.port === port);
    if (!holder) throw new Error(`nobody has slot ${slot}`);
    return holder;
  }

  #anyone(): Member {
    const found = this.#members.find(({ redis }) => redis.status === 'ready');
    if (!found) throw new Error('no node of the cluster lives');
    return found;
  }

  /** A connection to the node that has the slot of a key, which asks that one node. */
  async at(key: string): Promise<Redis> {
    return (await this.#holder(key)).redis;
  }

  /**
   * Moves the slot of a key to another master, as `redis-cli --cluster reshard` does. Answers how many keys went.
   * `target`: which one; else any.
   */
  async moveSlot(
    key: string,
    { pauseMs = 0, target }: { readonly pauseMs?: number; readonly target?: Redis } = {},
  ): Promise<number> {
    const from = await this.#holder(key);
    const masters = await this.#masters();
    const to = masters.find((member) => (target ? member.redis === target : member !== from));
    if (!to) throw new Error('there is no other master');
    const slot = Number(await from.redis.call('CLUSTER', 'KEYSLOT', key));
    await to.redis.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
    await from.redis.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
    let moved = 0;
    for (;;) {
      const keys = (await from.redis.call('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_AT_ONCE)) as string[];
      if (keys.length === 0) break;
      await from.redis.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
      moved += keys.length;
      await sleep(pauseMs);
    }
    // First who has it, then who had it: in between nobody would.
    for (const { redis } of [to, from, ...masters.filter((one) => one !== to && one !== from)])
      await redis.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
    return moved;
  }

  async #masters(): Promise<readonly Member[]> {
    const shown = await shownBy(this.#anyone().redis);
    const ids = new Set(
      shown.filter(({ flags }) => flags.has('master') && !flags.has('fail')).map(({ id }) => id),
    );
    return this.#members.filter(({ id }) => ids.has(id));
  }

  /** Kills the master that has a key, from one moment to the next; resolves when its replica has taken over. */
  async killMasterOf(key: string): Promise<void> {
    const victim = await this.#holder(key);
    victim.redis.disconnect();
    await victim.server.kill();
    await settled(async () => (await this.#holder(key)) !== victim);
  }

  async stop(): Promise<void> {
    for (const { redis } of this.#members) redis.disconnect();
    await Promise.all(this.#members.map(({ server }) => server.stop()));
  }
}

const busPorts = new WeakMap<ServerProcess, number>();
const busPortOf = (server: ServerProcess): number => busPorts.get(server) ?? 0;

async function startMember([port, busPort]: readonly [number, number]): Promise<Member> {
  const redis = new Redis({ host: '127.0.0.1', port, lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => undefined);
  const server = new ServerProcess((dir) => {
    const data = join(dir, 'data');
    mkdirSync(data, { recursive: true });
    const place = [
      '--port',
      String(port),
      '--cluster-port',
      String(busPort),
      '--bind',
      '127.0.0.1',
      '--dir',
      data,
    ];
    const kept = ['--save', '', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'];
    const together = ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(NODE_TIMEOUT_MS)];
    const rest = ['--cluster-require-full-coverage', 'no', '--repl-diskless-sync-delay', '0'];
    return {
      name: 'redis-server',
      command: process.env['TEST_REDIS_SERVER'] ?? 'redis-server',
      args: [...place, ...kept, ...together, ...rest],
      isReady: async () => {
        if (redis.status !== 'ready') await redis.connect();
        return (await redis.ping()) === 'PONG';
      },
    };
  }, process.pid);
  busPorts.set(server, busPort);
  await server.start();
  return { server, port, redis, id: String(await redis.call('CLUSTER', 'MYID')) };
}

async function shownBy(redis: Redis): Promise<readonly Shown[]> {
  const text = String(await redis.call('CLUSTER', 'NODES'));
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', , flags = '', master = ''] = line.split(' ');
      return { id, flags: new Set(flags.split(',')), master };
    });
}

/** A node that does not answer has not settled yet. */
const settled = (check: () => Promise<boolean>): Promise<void> =>
  until(() => check().catch(() => false), WAIT_MS_MAX);
