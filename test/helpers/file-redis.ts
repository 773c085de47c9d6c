/** A Redis of a test's own that keeps its data as one in production does, and can be killed, paused and cut short. */
import { mkdirSync, readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './ports.js';
import { ServerProcess, type Controls } from './server-process.js';

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
