/**
 * The dead-letter queue: what could not take effect, with its reason and raw bytes.
 *
 * Guarantees: a letter is in the archive before anyone may forget it (while the archive is away it is in Redis,
 * and its sender keeps its place in the log); on the dashboard it stands among the
 * failed jobs of one queue, and "retry" re-drives it; a re-drive that succeeds takes effect once, a repeated
 * one changes nothing, and one that fails leaves the letter where it was with the new reason.
 */
import { Queue, UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Clock } from '../actors/ports.js';
import { ArchiveUnavailableError, type Archive, type DeadLetter } from '../archive/port.js';
import type { DeadLetters, RedriveResult } from '../kafka/dead-letters.js';
import type { Logger } from '../process/log.js';

const QUEUE_NAME = 'dead-letters';
/** Letters kept on the dashboard; the archive has them all. */
const LETTERS_SHOWN_MAX = 10_000;
/** Re-driven letters kept on the dashboard. */
const REDRIVEN_SHOWN_MAX = 1_000;
/** Letters that may wait for the archive in this process; past it their senders wait. */
const UNARCHIVED_MAX = 10_000;
/** How often an idle worker of this queue asks again, seconds. */
const DRAIN_DELAY_S = 30;

export interface DeadLetterQueueOptions {
  readonly redis: Redis;
  readonly prefix: string;
  readonly archive: Pick<Archive, 'saveDeadLetter' | 'markRedriven'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

type LetterJob = Job<DeadLetter, string>;

/** The sending side and the dashboard's view of it. */
export class DeadLetterQueue implements DeadLetters {
  readonly queue: Queue<DeadLetter, string, string>;
  readonly #options: DeadLetterQueueOptions;
  /** In Redis only, because the archive was away. */
  readonly #unarchived = new Map<string, DeadLetter>();

  constructor(options: DeadLetterQueueOptions) {
    this.#options = options;
    this.queue = new Queue<DeadLetter, string, string>(QUEUE_NAME, {
      connection: options.redis,
      prefix: options.prefix,
      defaultJobOptions: { removeOnComplete: REDRIVEN_SHOWN_MAX, removeOnFail: LETTERS_SHOWN_MAX },
    });
  }

  /** Keeps a letter; the same id again changes nothing. */
  async add(letter: DeadLetter): Promise<void> {
    try {
      await this.#options.archive.saveDeadLetter(letter);
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError) || this.#unarchived.size >= UNARCHIVED_MAX) throw error;
      this.#unarchived.set(letter.id, letter);
    }
    await this.queue.add('letter', letter, { jobId: jobIdOf(letter.id) });
    this.#options.logger.warn(
      { letterId: letter.id, source: letter.source, reason: letter.reason },
      'dead letter',
    );
  }

  /** It took effect after all: it stays in the archive, marked, and leaves the dashboard. */
  async settled(id: string): Promise<void> {
    await this.#options.archive.markRedriven(id, this.#options.clock.now());
    await this.queue.remove(jobIdOf(id));
  }

  async archivedAll(): Promise<boolean> {
    try {
      for (const [id, letter] of this.#unarchived) {
        await this.#options.archive.saveDeadLetter(letter);
        this.#unarchived.delete(id);
      }
      return true;
    } catch (error) {
      if (error instanceof ArchiveUnavailableError) return false;
      throw error;
    }
  }

  close(): Promise<void> {
    return this.queue.close();
  }
}

/** BullMQ's own ids must not contain its separator. */
const jobIdOf = (letterId: string): string => letterId.replaceAll(':', '_');

/** The role that answers "retry". Its first look at a letter files it under failed, with its reason. */
export class DeadLetterDesk {
  readonly #options: DeadLetterQueueOptions;
  readonly #redrive: (letter: DeadLetter) => Promise<RedriveResult>;
  #worker: Worker<DeadLetter, string> | null = null;

  constructor(options: DeadLetterQueueOptions, redrive: (letter: DeadLetter) => Promise<RedriveResult>) {
    this.#options = options;
    this.#redrive = redrive;
  }

  async start(): Promise<void> {
    this.#worker = new Worker<DeadLetter, string>(QUEUE_NAME, (job) => this.#handle(job), {
      connection: this.#options.redis,
      prefix: this.#options.prefix,
      concurrency: 1,
      drainDelay: DRAIN_DELAY_S,
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    });
    this.#worker.on('error', (error) => {
      this.#options.logger.warn(
        { err: error.message },
        'the dead-letter queue cannot be reached; trying again',
      );
    });
    await this.#worker.waitUntilReady();
  }

  async stop(): Promise<void> {
    await this.#worker?.close();
  }

  async #handle(job: LetterJob): Promise<string> {
    const letter = job.data;
    if (job.attemptsMade === 0) throw new UnrecoverableError(letter.reason);
    const result = await this.#redrive(letter);
    if (result.kind === 'refused') throw new UnrecoverableError(result.reason);
    // The command's id made it take effect once; this says so to whoever looks.
    const first = await this.#options.archive.markRedriven(letter.id, this.#options.clock.now());
    return first ? 're-driven' : 'was re-driven before';
  }
}
