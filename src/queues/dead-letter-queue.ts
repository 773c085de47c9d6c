/**
 * The dead-letter queue: what could not take effect, with its reason and raw bytes.
 *
 * Guarantees: a letter is in the archive before anyone may forget it (while the archive is away it is in Redis,
 * and its sender keeps its place in the log); on the dashboard it stands among the
 * failed jobs of one queue, and "retry" re-drives it; a re-drive that succeeds takes effect once, a repeated
 * one changes nothing, and one that fails leaves the letter where it was with the new reason.
 *
 * Of a letter the archive has, Redis holds a few KiB to be shown, however long its message is; the re-drive
 * reads the archive. What waits in Redis for the archive is bounded per process; past it `add` refuses, so that
 * the sender waits. A board that is empty at a start, as after a loss of Redis, is filled from the archive.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Queue, UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Clock } from '../actors/ports.js';
import { ArchiveUnavailableError, type Archive, type DeadLetter } from '../archive/port.js';
import type { DeadLetters, RedriveResult } from '../kafka/dead-letters.js';
import type { Logger } from '../process/log.js';
import type { RedisClient } from '../redis/connection.js';

const QUEUE_NAME = 'dead-letters';
/** Letters kept on the dashboard; the archive has them all. */
const LETTERS_SHOWN_MAX = 10_000;
/** Re-driven letters kept on the dashboard. */
const REDRIVEN_SHOWN_MAX = 1_000;
/** Letters that may wait for the archive in this process, and their bytes; past either their senders wait. */
const UNARCHIVED_MAX = 10_000;
const UNARCHIVED_BYTES_MAX = 16 * 2 ** 20;
/** Of a letter the archive has, shown on the dashboard: its first bytes, and the last headers, each cut. */
const RAW_SHOWN_BYTES = 1_024;
const HEADERS_SHOWN_MAX = 16;
const HEADER_SHOWN_CHARS = 128;
/** Letters put back on an empty board at most; how many are read at a time, each may be megabytes. */
const RESTORED_MAX = 1_000;
const RESTORE_PAGE = 10;
/** How long until letters that could not be put back are asked for again. */
const RESTORE_RETRY_MS = 30_000;
/** Between two looks at a letter that is being re-driven. */
const REDRIVE_LOOK_MS = 50;
/** How often an idle worker of this queue asks again, seconds. */
const DRAIN_DELAY_S = 30;

export interface DeadLetterQueueOptions {
  readonly redis: RedisClient;
  readonly prefix: string;
  readonly archive: Pick<Archive, 'saveDeadLetter' | 'markRedriven' | 'deadLetter' | 'deadLetters'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type RedriveAnswer =
  | { readonly kind: 'redriven' | 'repeated' | 'not_found' | 'unknown' }
  | { readonly kind: 'refused'; readonly reason: string };

/** What the dashboard shows of a letter that the archive has. */
export interface ShownLetter extends Pick<DeadLetter, 'id' | 'source' | 'reason' | 'receivedAt' | 'headers'> {
  /** How the message begins, as text. */
  readonly rawPrefix: string;
  /** How long it is. */
  readonly rawBytes: number;
}

/** Whole while the archive lacks it; earlier versions kept every letter whole. */
type LetterData = ShownLetter | DeadLetter;
type LetterJob = Job<LetterData, string>;
type LetterQueue = Queue<LetterJob>;

/** The sending side and the dashboard's view of it. */
export class DeadLetterQueue implements DeadLetters {
  readonly queue: LetterQueue;
  readonly #options: DeadLetterQueueOptions;
  /** In Redis only, because the archive was away. */
  readonly #unarchived = new Map<string, DeadLetter>();
  #unarchivedBytes = 0;

  constructor(options: DeadLetterQueueOptions) {
    this.#options = options;
    this.queue = openQueue(options);
  }

  /** Keeps a letter; the same id again changes nothing. */
  async add(letter: DeadLetter): Promise<void> {
    const isArchived = await this.#save(letter);
    await this.queue.add('letter', isArchived ? shownOf(letter) : letter, { jobId: jobIdOf(letter.id) });
    // The job may be there, whole, from before; or it was archived while its job was on the way.
    if (!this.#unarchived.has(letter.id)) await this.#shorten(letter);
    this.#options.logger.warn(
      { letterId: letter.id, source: letter.source, reason: letter.reason },
      'dead letter',
    );
  }

  /** It took effect after all: it stays in the archive, marked, and leaves the dashboard. */
  async settled(id: string): Promise<void> {
    const letter = this.#unarchived.get(id);
    if (letter) await this.#archiveLate(letter);
    await this.#options.archive.markRedriven(id, this.#options.clock.now());
    await this.queue.remove(jobIdOf(id));
  }

  async archivedAll(): Promise<boolean> {
    try {
      for (const letter of this.#unarchived.values()) await this.#archiveLate(letter);
      return true;
    } catch (error) {
      if (error instanceof ArchiveUnavailableError) return false;
      throw error;
    }
  }

  /**
   * Re-drives a letter as "retry" on the dashboard does, and answers what came of it. `unknown`: nobody has taken it
   * on in time, and it may still happen; the dashboard tells.
   */
  async redrive(id: string, waitMs: number): Promise<RedriveAnswer> {
    const letter = await this.#options.archive.deadLetter(id);
    if (!letter) return { kind: 'not_found' };
    if (letter.redrivenAt !== undefined) return { kind: 'repeated' };
    const endsAt = this.#options.clock.now() + waitMs;
    // One that left the board, as all do with a loss of Redis, is filed again first.
    await this.queue.add('letter', shownOf(letter), { jobId: jobIdOf(id) });
    if ((await this.#ended(id, endsAt)) === 'failed') {
      await (await this.queue.getJob(jobIdOf(id)))?.retry().catch(() => undefined);
    }
    const ended = await this.#ended(id, endsAt);
    if (ended === null) return { kind: 'unknown' };
    if (ended === 'completed') return { kind: 'redriven' };
    const job = await this.queue.getJob(jobIdOf(id));
    return { kind: 'refused', reason: job?.failedReason ?? 'the letter is gone' };
  }

  async #ended(id: string, endsAt: number): Promise<'completed' | 'failed' | null> {
    const { clock } = this.#options;
    for (;;) {
      const state = await this.queue.getJobState(jobIdOf(id));
      if (state === 'completed' || state === 'failed') return state;
      if (clock.now() >= endsAt) return null;
      await new Promise<void>((resolve) => clock.schedule(REDRIVE_LOOK_MS, resolve));
    }
  }

  /** Puts the newest that nobody has re-driven back on a board that is empty; answers how many. */
  async restore(): Promise<number> {
    if (!(await isEmpty(this.queue))) return 0;
    return fileOpen(this.queue, this.#options.archive, () => true);
  }

  /** Letters that nobody has re-driven, as far as the dashboard shows them. */
  async open(): Promise<number> {
    const counts = await this.queue.getJobCounts('failed', 'waiting', 'active', 'delayed');
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  close(): Promise<void> {
    return this.queue.close();
  }

  /** False when the archive is away and the letter waits for it here; throws when too many do. */
  async #save(letter: DeadLetter): Promise<boolean> {
    try {
      await this.#options.archive.saveDeadLetter(letter);
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      if (this.#unarchived.has(letter.id)) return false;
      const bytes = this.#unarchivedBytes + bytesOf(letter);
      if (this.#unarchived.size >= UNARCHIVED_MAX || bytes > UNARCHIVED_BYTES_MAX) throw error;
      this.#unarchived.set(letter.id, letter);
      this.#unarchivedBytes = bytes;
      return false;
    }
    this.#forget(letter.id);
    return true;
  }

  /** Forgotten only when Redis holds the short form: what fails on the way is done again. */
  async #archiveLate(letter: DeadLetter): Promise<void> {
    await this.#options.archive.saveDeadLetter(letter);
    await this.#shorten(letter);
    this.#forget(letter.id);
  }

  #forget(id: string): void {
    const letter = this.#unarchived.get(id);
    if (!letter) return;
    this.#unarchived.delete(id);
    this.#unarchivedBytes -= bytesOf(letter);
  }

  async #shorten(letter: DeadLetter): Promise<void> {
    const job = await this.queue.getJob(jobIdOf(letter.id));
    if (job && isWhole(job.data)) await job.updateData(shownOf(letter));
  }
}

function openQueue({ redis, prefix }: DeadLetterQueueOptions): LetterQueue {
  return new Queue<LetterJob>(QUEUE_NAME, {
    connection: redis,
    prefix,
    defaultJobOptions: { removeOnComplete: REDRIVEN_SHOWN_MAX, removeOnFail: LETTERS_SHOWN_MAX },
  });
}

async function isEmpty(queue: LetterQueue): Promise<boolean> {
  return Object.values(await queue.getJobCounts()).every((count) => count === 0);
}

/** Files the newest letters that nobody has re-driven; answers how many: none when it is not wanted any more. */
async function fileOpen(
  queue: LetterQueue,
  archive: Pick<Archive, 'deadLetters'>,
  isWanted: () => boolean,
): Promise<number> {
  const letters = await openLetters(archive, isWanted);
  if (!isWanted() || letters.length === 0) return 0;
  // The oldest first, as they came: the board shows first what was filed last.
  await queue.addBulk(
    letters.reverse().map((data) => ({ name: 'letter', data, opts: { jobId: jobIdOf(data.id) } })),
  );
  return letters.length;
}

/** The newest that were not re-driven, newest first. */
async function openLetters(
  archive: Pick<Archive, 'deadLetters'>,
  isWanted: () => boolean,
): Promise<ShownLetter[]> {
  const letters: ShownLetter[] = [];
  let after: string | undefined;
  do {
    const page = await archive.deadLetters({
      limit: RESTORE_PAGE,
      ...(after !== undefined && { after }),
    });
    for (const letter of page.items) if (letter.redrivenAt === undefined) letters.push(shownOf(letter));
    after = page.next;
    await nextTurn();
  } while (after !== undefined && letters.length < RESTORED_MAX && isWanted());
  return letters.slice(0, RESTORED_MAX);
}

/** BullMQ's own ids must not contain its separator. */
const jobIdOf = (letterId: string): string => letterId.replaceAll(':', '_');

const isWhole = (data: LetterData): data is DeadLetter => 'raw' in data;

/** What the letter's job takes in Redis, but for some bytes. */
const bytesOf = ({ raw, headers }: DeadLetter): number =>
  raw.length + Buffer.byteLength(JSON.stringify(headers));

function shownOf({ id, source, reason, receivedAt, headers, raw }: DeadLetter): ShownLetter {
  // Base64 has four characters for three bytes.
  const start = Buffer.from(raw.slice(0, Math.ceil(RAW_SHOWN_BYTES / 3) * 4), 'base64');
  return {
    id,
    source,
    reason,
    receivedAt,
    headers: Object.fromEntries(
      Object.entries(headers)
        .slice(-HEADERS_SHOWN_MAX)
        .map(([name, value]) => [name.slice(0, HEADER_SHOWN_CHARS), value.slice(0, HEADER_SHOWN_CHARS)]),
    ),
    rawPrefix: start.subarray(0, RAW_SHOWN_BYTES).toString('utf8'),
    rawBytes: Buffer.byteLength(raw, 'base64'),
  };
}

/** The role that answers "retry". Its first look at a letter files it under failed, with its reason. */
export class DeadLetterDesk {
  readonly #options: DeadLetterQueueOptions;
  readonly #redrive: (letter: DeadLetter) => Promise<RedriveResult>;
  #worker: Worker<LetterData, string> | null = null;
  #queue: LetterQueue | null = null;
  #restoring: Promise<void> = Promise.resolve();
  #cancelRetry: () => void = () => undefined;

  constructor(options: DeadLetterQueueOptions, redrive: (letter: DeadLetter) => Promise<RedriveResult>) {
    this.#options = options;
    this.#redrive = redrive;
  }

  /** Letters are put back on an empty board in the background, so that an archive that is away delays nothing. */
  async start(): Promise<void> {
    this.#worker = new Worker<LetterData, string>(QUEUE_NAME, (job) => this.#handle(job), {
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
    const queue = openQueue(this.#options);
    this.#queue = queue;
    if (await isEmpty(queue)) this.#restoring = this.#restore(queue);
  }

  async stop(): Promise<void> {
    const queue = this.#queue;
    this.#queue = null;
    this.#cancelRetry();
    await this.#restoring;
    await queue?.close();
    await this.#worker?.close();
  }

  /** Never rejects. */
  async #restore(queue: LetterQueue): Promise<void> {
    const { archive, clock, logger } = this.#options;
    try {
      const letters = await fileOpen(queue, archive, () => this.#queue === queue);
      if (letters > 0) logger.info({ letters }, 'dead letters of the archive are back on the empty board');
    } catch (error) {
      logger.warn({ err: error }, 'could not put dead letters back on the empty board; trying again');
      if (this.#queue !== queue) return;
      this.#cancelRetry = clock.schedule(RESTORE_RETRY_MS, () => {
        this.#restoring = this.#restore(queue);
      });
    }
  }

  async #handle(job: LetterJob): Promise<string> {
    if (job.attemptsMade === 0) throw new UnrecoverableError(job.data.reason);
    try {
      const letter = await this.#letterOf(job);
      const result = await this.#redrive(letter);
      if (result.kind === 'refused') throw new UnrecoverableError(result.reason);
      // The command's id made it take effect once; this says so to whoever looks.
      const first = await this.#options.archive.markRedriven(letter.id, this.#options.clock.now());
      return first ? 're-driven' : 'was re-driven before';
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      throw new UnrecoverableError(`not now: ${error.message}; try again`);
    }
  }

  /** The letter, whole and in the archive: there its re-drive is noted. */
  async #letterOf(job: LetterJob): Promise<DeadLetter> {
    const { archive } = this.#options;
    const { data } = job;
    if (isWhole(data)) {
      await archive.saveDeadLetter(data);
      await job.updateData(shownOf(data));
      return data;
    }
    const letter = await archive.deadLetter(data.id);
    if (letter) return letter;
    throw new UnrecoverableError(`the archive has no letter ${data.id}: its message cannot be re-driven`);
  }
}
