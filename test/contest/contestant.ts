/**
 * One marketplace of a contest. Guarantee: it shares nothing with the others but the broker: its process, its Redis and
 * the folder of its archive are its own, and it comes back at the same address after it was killed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { EmbeddedArchive } from '../../src/archive/embedded.js';
import { archivedState } from '../exchange/archived.js';
import type { Folded } from '../exchange/fold.js';
import type { Topics } from '../exchange/topics.js';
import { countersIn, leftIn } from '../chaos/evidence.js';
import { FileRedis } from '../helpers/file-redis.js';
import { freePort } from '../helpers/ports.js';
import { scratchDir } from '../helpers/processes.js';
import { Unit } from '../helpers/unit.js';

export const MODES = ['optimistic', 'ordered'] as const;
export type Mode = (typeof MODES)[number];

/** First part of the keys in Redis: each has a Redis of its own. */
const PREFIX = 'contest';

export interface ContestantOptions {
  readonly clientId: string;
  readonly mode: Mode;
  readonly topics: Topics;
  readonly holdMs: number;
}

/** What one says of a ticket. */
export interface Said extends Folded {
  readonly capacity: number;
}

export class Contestant {
  readonly unit: Unit;
  readonly #asking: Redis;
  readonly #archive: EmbeddedArchive;

  private constructor(
    readonly clientId: string,
    /** Of its HTTP interface. */
    readonly url: string,
    readonly redis: FileRedis,
    readonly scratch: ReturnType<typeof scratchDir>,
    env: Readonly<Record<string, string>>,
  ) {
    this.unit = new Unit(clientId, ROLES, env);
    this.#asking = new Redis(redis.url);
    // It has to stand still at times.
    this.#asking.on('error', () => undefined);
    this.#archive = new EmbeddedArchive({ dir: `${scratch.dir}/archive`, isReadOnly: true });
  }

  /** Resolves when it is open. */
  static async start(options: ContestantOptions): Promise<Contestant> {
    const { clientId } = options;
    const port = await freePort();
    const redis = await FileRedis.start();
    const scratch = scratchDir();
    const env = { ...envOf(options), REDIS_URL: redis.url, DATA_DIR: scratch.dir };
    const ports = { RESERVATIONS_PORT: String(port) };
    const made = new Contestant(clientId, `http://127.0.0.1:${port}`, redis, scratch, { ...env, ...ports });
    try {
      await Promise.race([made.unit.start(), late(made.unit)]);
      await made.#archive.start();
    } catch (error) {
      await made.stop();
      throw error;
    }
    return made;
  }

  /** Null while it does not know the ticket. */
  async counters(ticket: string): Promise<Said | null> {
    const counters = await countersIn(this.#asking, PREFIX, ticket);
    return counters && saidOf(counters);
  }

  /** What its archive alone says. */
  async archived(ticket: string): Promise<Said> {
    return saidOf(await archivedState(this.#archive, ticket));
  }

  /** Jobs and events of a ticket that still wait, by what they are. */
  left(ticket: string): Promise<Record<string, number>> {
    return leftIn(this.#asking, PREFIX, [ticket]);
  }

  async stop(): Promise<void> {
    await this.unit.kill();
    await this.#archive.stop();
    this.#asking.disconnect();
    await this.redis.stop();
    this.scratch.remove();
  }
}

/** One that cannot start is started again and again: it is not waited for longer than this. */
const START_MS_MAX = 90_000;

async function late(unit: Unit): Promise<never> {
  await sleep(START_MS_MAX, undefined, { ref: false });
  throw new Error(`${unit.name} did not start: ${unit.lastFailure}`);
}

/** Everything that selling takes; nothing that only looks. */
const ROLES = ['reservations', 'payments', 'consumer', 'worker'];

const envOf = ({ clientId, mode, topics, holdMs }: ContestantOptions): Record<string, string> => ({
  CLIENT_ID: clientId,
  ...(mode === 'ordered' && { SALES_MODE: mode }),
  REDIS_PREFIX: PREFIX,
  KAFKA_BROKERS: topics.brokers.join(),
  SALES_TOPIC_PREFIX: `${topics.name}-sales`,
  MASTERLIST_TOPIC_PREFIX: `${topics.name}-lists`,
  NODE_ENV: 'production',
  GUESTS: 'open',
  // The crowd stands where a router does, and says from where each buyer comes.
  TRUST_PROXY: '1',
  PAYMENT_SANDBOX: 'true',
  LOG_LEVEL: 'warn',
  HOLD_MS: String(holdMs),
  PAYING_MS: String(PAYING_MS),
  RECONCILE_MS: '1000',
  PAYMENT_CHECK_MS: '2000',
});

/** A payment that its process left behind ends well before a round is given up. */
const PAYING_MS = 30_000;

const saidOf = ({ capacity, soldHere, heldHere, soldElsewhere, heldElsewhere }: Said): Said => ({
  ...{ capacity, soldHere, heldHere, soldElsewhere, heldElsewhere },
});
