/**
 * Work that takes longer than a request: one BullMQ job each, seen with its progress on the dashboard.
 *
 * Guarantees: a job whose process dies is gone on with by the next that has this queue, within seconds, for as long
 * as it takes; the same job is there once. What is to be done, and how far it is, its handler keeps elsewhere: after
 * a loss of Redis whoever knows of open work adds its job again.
 */
import { Queue, Worker, type Job } from 'bullmq';
import type { Logger } from '../process/log.js';
import type { RedisClient } from '../redis/connection.js';

const QUEUE_NAME = 'operations';
/** A dead process's job is taken over after about so long. */
const LOCK_MS = 5_000;
/** Between two tries of a job that failed. */
const RETRY_MS = 2_000;
/** How often an idle worker of this queue asks again, seconds. */
const DRAIN_DELAY_S = 30;
const COMPLETED_SHOWN_MAX = 100;
/** One that waits for something must not keep the others waiting. */
const JOBS_AT_ONCE = 4;

export interface LongJobsOptions {
  readonly redis: RedisClient;
  readonly prefix: string;
  readonly logger: Logger;
}

export interface JobRun {
  readonly key: string;
  /** Shown on the dashboard. */
  progress(progress: object): Promise<void>;
  /** This process is about to stop: come to a place where the work can be taken up again, and reject. */
  readonly signal: AbortSignal;
}

/** By name. A handler that rejects is tried again. */
export type JobHandlers = Readonly<Record<string, (run: JobRun) => Promise<void>>>;

interface JobData {
  readonly key: string;
}
type LongJob = Job<JobData, void>;

export class LongJobs {
  readonly queue: Queue<LongJob>;
  readonly #options: LongJobsOptions;
  readonly #stopping = new AbortController();
  #worker: Worker<JobData, void> | null = null;

  constructor(options: LongJobsOptions) {
    this.#options = options;
    this.queue = new Queue<LongJob>(QUEUE_NAME, {
      connection: options.redis,
      prefix: options.prefix,
      defaultJobOptions: {
        attempts: Number.MAX_SAFE_INTEGER,
        backoff: { type: 'fixed', delay: RETRY_MS },
        removeOnComplete: COMPLETED_SHOWN_MAX,
      },
    });
  }

  /** Nothing when it is there and not done. */
  async add(name: string, key: string): Promise<void> {
    const jobId = `${name}-${key}`;
    const known = await this.queue.getJob(jobId);
    if (known && (await known.isCompleted())) await known.remove();
    await this.queue.add(name, { key }, { jobId });
  }

  async start(handlers: JobHandlers): Promise<void> {
    const { redis, prefix, logger } = this.#options;
    this.#worker = new Worker<JobData, void>(
      QUEUE_NAME,
      async (job) => {
        const handle = handlers[job.name];
        if (!handle) throw new Error(`this version knows no work of the name ${job.name}`);
        await handle({
          key: job.data.key,
          progress: (progress) => job.updateProgress(progress),
          signal: this.#stopping.signal,
        });
      },
      {
        connection: redis,
        prefix,
        concurrency: JOBS_AT_ONCE,
        lockDuration: LOCK_MS,
        stalledInterval: LOCK_MS,
        drainDelay: DRAIN_DELAY_S,
        maxStalledCount: Number.MAX_SAFE_INTEGER,
      },
    );
    this.#worker.on('error', (error) => {
      logger.warn({ err: error.message }, 'the queue of operations cannot be reached; trying again');
    });
    this.#worker.on('failed', (job, error) => {
      if (!this.#stopping.signal.aborted) {
        logger.warn({ err: error, job: job?.id }, 'work of operators was interrupted; it goes on shortly');
      }
    });
    await this.#worker.waitUntilReady();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#worker?.close();
    await this.queue.close();
  }
}
