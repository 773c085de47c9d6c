/**
 * Work of analytics that is due again and again: one BullMQ job scheduler each, seen with its progress on the dashboard.
 *
 * Guarantees: however many processes have this queue, a piece of work is due once per period and one job runs at a
 * time; the job of a process that dies or stops is begun anew by the next. What it says at its end is kept with it.
 */
import { Queue, Worker, type Job } from 'bullmq';
import type { Logger } from '../process/log.js';
import type { RedisClient } from '../redis/connection.js';

const QUEUE_NAME = 'analytics';
/** A dead process's job is taken over after about so long. */
const LOCK_MS = 5_000;
/** Between two tries of a job that was interrupted. */
const RETRY_MS = 2_000;
/** A job that ends its process again and again is given up until it is due again. */
const ATTEMPTS_MAX = 5;
const STALLS_MAX = 2;
/** How often an idle worker of this queue asks again, seconds. */
const DRAIN_DELAY_S = 30;
const SHOWN_MAX = 100;

export interface AnalyticsJobsOptions {
  readonly redis: RedisClient;
  readonly prefix: string;
  readonly logger: Logger;
}

export interface AnalyticsRun {
  /** Shown on the dashboard. */
  progress(progress: object): Promise<void>;
  /** This process is about to stop: end soon, and reject. */
  readonly signal: AbortSignal;
}

/** What it says at its end is shown on the dashboard. One that rejects is tried again. */
export type AnalyticsHandler = (run: AnalyticsRun) => Promise<object>;

export interface Scheduled {
  readonly everyMs: number;
  readonly handle: AnalyticsHandler;
}

type AnalyticsJob = Job<object, object>;

export class AnalyticsJobs {
  readonly queue: Queue<AnalyticsJob>;
  readonly #options: AnalyticsJobsOptions;
  readonly #stopping = new AbortController();
  #worker: Worker<object, object> | null = null;

  constructor(options: AnalyticsJobsOptions) {
    this.#options = options;
    this.queue = new Queue<AnalyticsJob>(QUEUE_NAME, {
      connection: options.redis,
      prefix: options.prefix,
      defaultJobOptions: {
        attempts: ATTEMPTS_MAX,
        backoff: { type: 'fixed', delay: RETRY_MS },
        removeOnComplete: SHOWN_MAX,
        removeOnFail: SHOWN_MAX,
      },
    });
  }

  /** By name. The first run is due at once, or when the period that another process began is over. */
  async start(work: Readonly<Record<string, Scheduled>>): Promise<void> {
    const { redis, prefix, logger } = this.#options;
    await this.queue.setGlobalConcurrency(1);
    for (const [name, { everyMs }] of Object.entries(work)) {
      await this.queue.upsertJobScheduler(name, { every: everyMs }, { name });
    }
    this.#worker = new Worker<object, object>(
      QUEUE_NAME,
      async (job) => {
        const known = work[job.name];
        if (!known) throw new Error(`this version knows no work of the name ${job.name}`);
        return known.handle({
          progress: (progress) => job.updateProgress(progress),
          signal: this.#stopping.signal,
        });
      },
      {
        connection: redis,
        prefix,
        concurrency: 1,
        lockDuration: LOCK_MS,
        stalledInterval: LOCK_MS,
        drainDelay: DRAIN_DELAY_S,
        maxStalledCount: STALLS_MAX,
      },
    );
    this.#worker.on('error', (error) => {
      logger.warn({ err: error.message }, 'the queue of analytics cannot be reached; trying again');
    });
    this.#worker.on('failed', (job, error) => {
      if (!this.#stopping.signal.aborted) {
        logger.warn(
          { err: error, job: job?.id },
          'work of analytics was interrupted; it is begun anew shortly',
        );
      }
    });
    await this.#worker.waitUntilReady();
  }

  /** One run besides those that are due; behind them where they wait. The id of its job. */
  async now(name: string): Promise<string> {
    const job = await this.queue.add(name, {});
    return job.id ?? '';
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#worker?.close();
    await this.queue.close();
  }
}
