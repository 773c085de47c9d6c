/** How long a ticket's sales stand still when the worker that has it is killed and another one is there. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RedisKeys } from '../../src/redis/keys.js';
import type { Case, Contender, Figures, Measuring } from '../contender.js';
import { stopAll } from '../program.js';
import { ticketNumber } from '../programs/ticket.js';
import { HOLD_PATH } from '../programs/web.js';
import { maker } from '../requests.js';
import { latencyOf } from '../statistics.js';
import { PREFIX } from './store.js';
import { startProduct, ticktak, type Product } from './ticktak.js';

export interface TakeoverCase extends Case {
  readonly kills: number;
}

export const TAKEOVER_CASES: readonly TakeoverCase[] = [
  { id: 'killed', title: 'its worker killed 3 times, from the kill to the first hold answered', kills: 3 },
];

/** The ticket that is asked for all the time. */
const TICKET = 0;
/** A hold is asked for so often. */
const ASK_EVERY_MS = 20;
/** After a worker was started, until the tickets are shared out and its lease and its heartbeat were renewed. */
const SETTLE_MS = 4_000;
/** The kill comes up to so much later, so that it meets the lease at any age. */
const AGE_MS_MAX = 5_000;
const STANDSTILL_MS_MAX = 60_000;
const NOT_TAKEN = 'answered while the killed worker had the ticket';
/** What the product writes of a ticket's owner: host, process and a random part, and which of its claims it is. */
const OWNER = /-(\d+)-[0-9a-f]{8}\//;

export const takeover: Contender<TakeoverCase> = {
  ...ticktak('everysec'),
  setUp:
    'One web process (reservations), two worker processes, Redis, the embedded archive. The worker that has the ticket gets ' +
    'SIGKILL; another one is started before the next kill.',
  start: async () => {
    const product = await startProduct('everysec', { workers: 2, env: { REDIS_PREFIX: PREFIX } });
    return {
      parts: product.programs,
      measure: (case_, measuring) => measure(product, case_.kills, measuring),
      stop: product.stop,
    };
  },
};

async function measure(product: Product, kills: number, { onBegin }: Measuring): Promise<Figures> {
  const redis = new Redis(product.programs.find(({ name }) => name === 'redis')?.url ?? '');
  const asking = new Asking(product.programs.find(({ name }) => name === 'web')?.url ?? '');
  const { meta } = new RedisKeys(PREFIX).ticket(ticketNumber(TICKET));
  const owner = async (): Promise<number> => Number(OWNER.exec((await redis.hget(meta, 'owner')) ?? '')?.[1]);
  const standstills: number[] = [];
  const failed: Record<string, number> = {};
  const startedAt = performance.now();
  onBegin();
  try {
    for (let kill = 0; kill < kills; kill += 1) {
      await sleep(SETTLE_MS + Math.random() * AGE_MS_MAX);
      const killed = await owner();
      if (!product.programs.some(({ name, pid }) => name === 'worker' && pid === killed))
        throw new Error(`no worker of ours has the ticket, but process ${killed}`);
      const killedAt = performance.now();
      process.kill(killed, 'SIGKILL');
      standstills.push((await asking.answeredAfter(killedAt)) - killedAt);
      if ((await owner()) === killed) failed[NOT_TAKEN] = (failed[NOT_TAKEN] ?? 0) + 1;
      await product.startWorker();
    }
    Object.assign(failed, await asking.stop());
  } finally {
    await stopAll([asking]);
    redis.disconnect();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const count = standstills.length;
  return { count, seconds, perSecond: count / seconds, latency: latencyOf(standstills), failed };
}

/** Somebody asks for a hold all the time, whether or not earlier ones are answered. */
class Asking {
  readonly #url: string;
  readonly #failed: Record<string, number> = {};
  readonly #open = new Set<Promise<void>>();
  readonly #next = maker({ kind: 'hold', path: HOLD_PATH, firstTicket: TICKET, tickets: 1 });
  readonly #done: Promise<void>;
  #isOver = false;
  #onAnswer: (askedAt: number) => void = () => undefined;

  constructor(url: string) {
    this.#url = url;
    this.#done = this.#go();
  }

  /**
   * When the first hold was answered that was asked for after `since`: what was committed for an earlier one may still be
   * answered by who is dead by then.
   */
  answeredAfter(since: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () =>
          reject(new Error(`no hold within ${STANDSTILL_MS_MAX / 1_000} s of the kill (${this.#told()})`)),
        STANDSTILL_MS_MAX,
      );
      this.#onAnswer = (askedAt) => {
        if (askedAt < since) return;
        this.#onAnswer = () => undefined;
        clearTimeout(late);
        resolve(performance.now());
      };
    });
  }

  /** Waits for the last answers; answers what failed. */
  async stop(): Promise<Readonly<Record<string, number>>> {
    this.#isOver = true;
    await this.#done;
    await Promise.all(this.#open);
    return this.#failed;
  }

  /** What was answered in place of a hold. */
  #told(): string {
    const answers = Object.entries(this.#failed).map(([what, times]) => `${times} x ${what}`);
    return `${answers.join(', ')}; ${this.#open.size} not answered`;
  }

  async #go(): Promise<void> {
    while (!this.#isOver) {
      const asked = this.#ask().finally(() => this.#open.delete(asked));
      this.#open.add(asked);
      await sleep(ASK_EVERY_MS);
    }
  }

  async #ask(): Promise<void> {
    const { path, ...made } = this.#next();
    const askedAt = performance.now();
    const outcome = await fetch(`${this.#url}${path}`, made).then(
      async (response) => {
        await response.arrayBuffer();
        return `status ${response.status}`;
      },
      (error: unknown) => (error instanceof Error ? error.message : 'error'),
    );
    if (outcome === 'status 201') this.#onAnswer(askedAt);
    else this.#failed[outcome] = (this.#failed[outcome] ?? 0) + 1;
  }
}
