/**
 * One BullMQ queue per ticket, over one shared connection.
 *
 * Guarantees: at most one job of a ticket is active, whoever fetches (global concurrency 1), so jobs take
 * effect in the order in which they were accepted; a job left active by a dead owner is put back first in
 * line; a stalled job never fails; connections do not grow with the number of tickets, because jobs are
 * fetched by hand instead of by a blocking worker per queue.
 */
import { randomUUID } from 'node:crypto';
import {
  Queue,
  QueueKeys,
  RedisConnection,
  RedisQueueBackend,
  Worker,
  type Job,
  type QueueOptions,
  type WorkerOptions,
} from 'bullmq';
import type { Clock, CommandJob, TakenJob, TicketQueues } from '../actors/ports.js';
import type { TicketId } from '../rules/index.js';
import type { RedisClient } from '../redis/connection.js';
import { ticketName, type RedisKeys } from '../redis/keys.js';

/** Name of every job on a ticket's queue. */
const JOB_NAME = 'commands';
/** Failed jobs kept per queue for the dashboard; the dead letters have them all. */
const FAILED_JOBS_MAX = 1_000;
/** Entries of BullMQ's own event stream per queue; nothing of ours reads it. */
const QUEUE_EVENTS_MAX = 100;
/** BullMQ fails a job that stalled more often than this; ours must never fail by stalling. */
const STALLED_MAX = Number.MAX_SAFE_INTEGER;
/** Two looks at the active list have to be this far apart; the job lock decides, not this. */
const STALLED_LOOK_MS = 10;

type BullCommandJob = Job<CommandJob, null, string>;

/** BullMQ's worker with its fetch and complete steps open to the owner of the ticket. */
class HandWorker extends Worker<CommandJob, null, string> {
  readonly #token = randomUUID();

  async take(): Promise<BullCommandJob | null> {
    return (await this.getNextJob(this.#token, { block: false })) ?? null;
  }

  async complete(job: BullCommandJob): Promise<void> {
    await job.moveToCompleted(null, this.#token, false);
  }

  async completeAndTake(job: BullCommandJob): Promise<BullCommandJob | null> {
    const next: unknown = await job.moveToCompleted(null, this.#token, true);
    if (!Array.isArray(next)) return null;
    const [data, id] = next as [Parameters<typeof this.nextJobFromJobData>[0], string | undefined];
    return (await this.nextJobFromJobData(data, id, this.#token)) ?? null;
  }

  async giveBack(job: BullCommandJob): Promise<void> {
    await job.moveToWait(this.#token);
  }

  async fail(job: BullCommandJob, reason: string): Promise<void> {
    await job.moveToFailed(new Error(reason), this.#token, false);
  }
}

class BullJob implements TakenJob {
  constructor(readonly job: BullCommandJob) {}
  get id(): string {
    return this.job.id ?? '';
  }
  get data(): unknown {
    return this.job.data;
  }
}

export interface BullTicketQueuesOptions {
  readonly redis: RedisClient;
  readonly keys: RedisKeys;
  readonly clock: Clock;
  /** How long a fetched job stays with its owner before another may have it, milliseconds. */
  readonly jobLockMs: number;
}

/** What belongs to one ticket's queue. The worker is made by the first process that takes from it. */
interface Lane {
  readonly backend: RedisQueueBackend;
  readonly queue: Queue<CommandJob, null, string>;
  readonly options: WorkerOptions;
  worker: HandWorker | null;
}

export class BullTicketQueues implements TicketQueues {
  readonly #options: BullTicketQueuesOptions;
  readonly #connection: RedisConnection;
  readonly #lanes = new Map<string, Lane>();

  constructor(options: BullTicketQueuesOptions) {
    this.#options = options;
    this.#connection = new RedisConnection(options.redis, { shared: true, blocking: false });
    // Who made the connection reports its errors; without a listener here one would end the process.
    this.#connection.on('error', () => undefined);
  }

  /** The BullMQ queue of a ticket, for dashboards. */
  queue(ticket: TicketId): Queue<CommandJob, null, string> {
    return this.#lane(ticket).queue;
  }

  #lane(ticket: TicketId): Lane {
    const id = ticketName(ticket);
    let lane = this.#lanes.get(id);
    if (!lane) {
      lane = this.#makeLane(ticket);
      this.#lanes.set(id, lane);
    }
    return lane;
  }

  #makeLane(ticket: TicketId): Lane {
    const { redis, keys, jobLockMs } = this.#options;
    const { queueName, queuePrefix } = keys.ticket(ticket);
    const queueKeys = new QueueKeys(queuePrefix);
    const options: QueueOptions & WorkerOptions = {
      connection: redis,
      prefix: queuePrefix,
      streams: { events: { maxLen: QUEUE_EVENTS_MAX } },
      defaultJobOptions: { removeOnComplete: true, removeOnFail: FAILED_JOBS_MAX },
      skipMetasUpdate: true,
      lockDuration: jobLockMs,
      maxStalledCount: STALLED_MAX,
      stalledInterval: STALLED_LOOK_MS,
    };
    const backend = new RedisQueueBackend(
      this.#connection,
      queueName,
      queueKeys.getKeys(queueName),
      (type) => queueKeys.toKey(queueName, type),
      options,
      undefined,
      false,
    );
    const queue = new Queue<CommandJob, null, string>(queueName, options, () => backend);
    return { backend, queue, options, worker: null };
  }

  #worker(ticket: TicketId): HandWorker {
    const lane = this.#lane(ticket);
    lane.worker ??= new HandWorker(
      lane.queue.name,
      null,
      {
        ...lane.options,
        autorun: false,
        skipStalledCheck: true,
        skipLockRenewal: true,
      },
      () => lane.backend,
    );
    return lane.worker;
  }

  async add(ticket: TicketId, job: CommandJob): Promise<void> {
    await this.queue(ticket).add(JOB_NAME, job);
    // Wakes the owner if it sleeps; lost wake-ups are found by the workers' sweep.
    await this.#options.redis.publish(this.#options.keys.channels.wake(), ticketName(ticket));
  }

  async next(ticket: TicketId, previous: TakenJob | null): Promise<TakenJob | null> {
    const worker = this.#worker(ticket);
    const job =
      previous instanceof BullJob ? await this.#complete(worker, previous.job) : await worker.take();
    return job ? new BullJob(job) : null;
  }

  async #complete(worker: HandWorker, job: BullCommandJob): Promise<BullCommandJob | null> {
    try {
      return await worker.completeAndTake(job);
    } catch (error) {
      // Its lock ended or Redis lost it: it may run again, and its recorded ids keep that without effect.
      if (isLostJob(error)) return worker.take();
      throw error;
    }
  }

  async complete(ticket: TicketId, job: TakenJob): Promise<void> {
    if (!(job instanceof BullJob)) return;
    try {
      await this.#worker(ticket).complete(job.job);
    } catch (error) {
      if (!isLostJob(error)) throw error;
    }
  }

  async giveBack(ticket: TicketId, job: TakenJob): Promise<void> {
    if (!(job instanceof BullJob)) return;
    try {
      await this.#worker(ticket).giveBack(job.job);
    } catch (error) {
      // It is another's by now, or comes back by itself.
      if (!isLostJob(error)) throw error;
    }
  }

  async recover(ticket: TicketId): Promise<boolean> {
    const { backend, queue } = this.#lane(ticket);
    await backend.setQueueMeta({ concurrency: 1, 'opts.maxLenEvents': QUEUE_EVENTS_MAX });
    if ((await queue.getActiveCount()) === 0) return true;
    // A connection that breaks may lose the answer that had a job: it is locked by us, and we do not know it.
    for (const job of await queue.getActive()) await this.giveBack(ticket, new BullJob(job));
    if ((await queue.getActiveCount()) === 0) return true;
    // The first look marks what is active, the second puts back what is marked and no longer locked.
    await backend.moveStalledJobsToWait();
    await new Promise<void>((resolve) => this.#options.clock.schedule(2 * STALLED_LOOK_MS, resolve));
    await backend.moveStalledJobsToWait();
    return (await queue.getActiveCount()) === 0;
  }

  async bury(ticket: TicketId, job: TakenJob, reason: string): Promise<void> {
    if (job instanceof BullJob) await this.#worker(ticket).fail(job.job, reason);
  }

  async close(): Promise<void> {
    for (const { queue, worker } of this.#lanes.values()) {
      await worker?.close();
      await queue.close();
    }
  }
}

/** BullMQ's codes for a job that is gone or no longer ours (ErrorCode: -1, -2, -3, -6). */
function isLostJob(error: unknown): boolean {
  const code = (error as { readonly code?: unknown }).code;
  return error instanceof Error && (code === -1 || code === -2 || code === -3 || code === -6);
}
