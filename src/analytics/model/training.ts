/**
 * Trains a model again and again, on whatever the data are by then.
 *
 * Guarantees: what answers requests in this process is not kept waiting: reading yields, and the work is done in a
 * thread of its own that is ended when it takes too long; every run leaves a report, also when there is too little to
 * learn from; a model that is not better than popularity on the last choices, which it was not shown, is kept and not
 * used. The same data give the same model.
 */
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../actors/ports.js';
import type { Logger } from '../../process/log.js';
import type { AnalyticsJobs, AnalyticsRun } from '../../queues/analytics-jobs.js';
import type { Artefact } from './artefact.js';
import type { Dataset } from './dataset.js';
import type { HeldOut, Models, TrainingReport } from './models.js';
import { packedInTurns, type Packed } from './packed.js';
import { personsOf } from './train.js';

export const TRAIN_JOB = 'train';

/** Fewer, and chance would decide what is learned. */
export const CHOICES_MIN = 500;
export const PERSONS_MIN = 100;
export const ITEMS_MIN = 10;
/** A thread that takes longer is ended. */
export const TRAINING_MS_MAX = 15 * 60_000;
/** Of JavaScript objects in the thread; the columns are beside it, 20 bytes a choice. */
const THREAD_HEAP_MB_MAX = 768;

/** What the thread says. */
export type ThreadMessage =
  | {
      readonly kind: 'progress';
      readonly step: 'judging' | 'fitting';
      readonly epoch: number;
      readonly of: number;
    }
  | { readonly kind: 'done'; readonly heldOut: HeldOut | null; readonly artefact: Artefact };

/** Where the thread's code is, and what Node needs to run it. */
export interface ThreadSource {
  readonly url: URL;
  readonly execArgv?: readonly string[];
}

export interface TrainingOptions {
  readonly jobs: Pick<AnalyticsJobs, 'start' | 'now' | 'stop'>;
  readonly models: Pick<Models, 'save'>;
  readonly dataset: () => Promise<Dataset>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly everyMs: number;
  readonly seed: number;
  readonly thread?: ThreadSource;
  readonly trainingMsMax?: number;
}

export interface Training {
  start(): Promise<void>;
  /** Resolves when the run under way has ended; another process, or the next start, begins it anew. */
  stop(): Promise<void>;
  /** One run besides those that are due. The id of its job in the queue. */
  trainNow(): Promise<string>;
}

export function makeTraining(options: TrainingOptions): Training {
  const { jobs, everyMs } = options;
  const run = new TrainingRun(options);
  return {
    start: () => jobs.start({ [TRAIN_JOB]: { everyMs, handle: (job) => run.run(job) } }),
    stop: () => jobs.stop(),
    trainNow: () => jobs.now(TRAIN_JOB),
  };
}

/** Longer than it may. */
class TooSlowError extends Error {}

interface Learned {
  readonly artefact: Artefact;
  readonly heldOut: HeldOut | null;
}

type Counts = Pick<TrainingReport, 'choices' | 'persons' | 'items'>;
type Ending = Pick<TrainingReport, 'outcome' | 'message' | 'heldOut'>;

class TrainingRun {
  readonly #options: TrainingOptions;

  constructor(options: TrainingOptions) {
    this.#options = options;
  }

  async run(job: AnalyticsRun): Promise<TrainingReport & { readonly version: number }> {
    const { clock, dataset } = this.#options;
    const startedAt = clock.now();
    await job.progress({ step: 'reading' });
    const data = await packedInTurns(await dataset());
    const counts = { choices: data.at.length, persons: personsOf(data), items: data.items.length };
    const learned = isTooLittle(counts) ? null : await this.#learn(data, job);
    const ending = endingOf(counts, learned);
    await job.progress({ step: 'saving' });
    return this.#save(learned instanceof Error ? null : (learned?.artefact ?? null), {
      ...ending,
      ...counts,
      startedAt,
      tookMs: clock.now() - startedAt,
      seed: this.#options.seed,
    });
  }

  async #save(artefact: Artefact | null, report: TrainingReport) {
    const version = await this.#options.models.save(artefact, report);
    this.#options.logger.info({ version, ...report }, 'a training ended');
    return { version, ...report };
  }

  /** Rejects only when this process is about to stop. */
  async #learn(data: Packed, job: AnalyticsRun): Promise<Learned | Error> {
    try {
      return await this.#inThread(data, job);
    } catch (error) {
      job.signal.throwIfAborted();
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #inThread(data: Packed, job: AnalyticsRun): Promise<Learned> {
    const { signal } = job;
    signal.throwIfAborted();
    const { clock, logger, seed, thread, trainingMsMax = TRAINING_MS_MAX } = this.#options;
    const { url, execArgv } = thread ?? { url: new URL('./training-thread.js', import.meta.url) };
    const worker = new Worker(url, {
      workerData: { data, seed },
      transferList: [data.person, data.country, data.item, data.at].map(
        ({ buffer }) => buffer as ArrayBuffer,
      ),
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB_MAX },
      ...(execArgv && { execArgv: [...execArgv] }),
    });
    let endWaiting: () => void = () => undefined;
    try {
      return await new Promise<Learned>((resolve, reject) => {
        const stopTimer = clock.schedule(trainingMsMax, () => reject(new TooSlowError()));
        const abort = (): void => reject(new Error('this process is about to stop'));
        signal.addEventListener('abort', abort);
        endWaiting = () => {
          stopTimer();
          signal.removeEventListener('abort', abort);
        };
        worker.on('message', (message: ThreadMessage) => {
          if (message.kind === 'done') resolve(message);
          // Progress that cannot be shown stops nothing.
          else
            job
              .progress(message)
              .catch((error: unknown) => logger.debug({ err: error }, 'no progress shown'));
        });
        worker.on('error', reject);
        worker.on('exit', (code) => reject(new Error(`the thread ended with code ${code} and no model`)));
      });
    } finally {
      endWaiting();
      await worker.terminate();
    }
  }
}

const isTooLittle = ({ choices, persons, items }: Counts): boolean =>
  choices < CHOICES_MIN || persons < PERSONS_MIN || items < ITEMS_MIN;

function endingOf({ choices, persons, items }: Counts, learned: Learned | Error | null): Ending {
  if (learned === null) {
    const message =
      `There is too little to learn from: ${choices} choices of ${persons} persons among ${items} items; ` +
      `it takes ${CHOICES_MIN}, ${PERSONS_MIN} and ${ITEMS_MIN}.`;
    return { outcome: 'too_little_data', message, heldOut: null };
  }
  if (learned instanceof TooSlowError) {
    return {
      outcome: 'too_slow',
      message: 'It took too long and was ended; no model was made.',
      heldOut: null,
    };
  }
  if (learned instanceof Error) {
    return { outcome: 'failed', message: `It failed: ${learned.message}`.slice(0, 500), heldOut: null };
  }
  const { heldOut } = learned;
  if (heldOut && isBetter(heldOut)) {
    return { outcome: 'taken', message: 'The model is better than popularity and in use.', heldOut };
  }
  const message = heldOut
    ? 'The model is not better than popularity on the last choices and is not used.'
    : 'There were no choices to judge the model by; it is not used.';
  return { outcome: 'not_better', message, heldOut };
}

const isBetter = ({ model, popularity }: HeldOut): boolean =>
  model.ndcg10 > popularity.ndcg10 && model.hitRate5 >= popularity.hitRate5;
