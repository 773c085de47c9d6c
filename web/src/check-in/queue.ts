/**
 * Sends what was let in without a network.
 *
 * Guarantees: a scan is sent, under the same id, until the server has answered about it; one tab sends at a time; a
 * scan that the server does not take stops no other one and stays for a person to see.
 */
import { ApiProblem, asProblem } from '../api/problem';
import { SYNC_SCANS_MAX, type Remote, type SyncResult } from './remote';
import type { GateStore, WaitingScan } from './store';

export interface QueueState {
  readonly waiting: number;
  readonly stuck: readonly WaitingScan[];
  readonly isSending: boolean;
}

export interface QueueOptions {
  readonly store: Pick<GateStore, 'batch' | 'settle' | 'stick' | 'unstick' | 'queued'>;
  readonly remote: Pick<Remote, 'sync'>;
  readonly now: () => number;
  readonly schedule: (ms: number, run: () => void) => () => void;
  readonly random: () => number;
  /** Runs one at a time over all tabs. */
  readonly exclusively: <T>(run: () => Promise<T>) => Promise<T>;
  readonly onAnswered: () => void;
  readonly onProblem: (problem: ApiProblem) => void;
  readonly onChange: () => void;
}

const AGAIN_MS = 2_000;
const AGAIN_MS_MAX = 60_000;
/** Batches in one go; more are sent in the next. */
const BATCHES_MAX = 1_000;

const EMPTY: QueueState = { waiting: 0, stuck: [], isSending: false };

export class ScanQueue {
  readonly #options: QueueOptions;
  #state = EMPTY;
  #failures = 0;
  #sending: Promise<void> | null = null;
  #isWanted = false;
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get state(): QueueState {
    return this.#state;
  }

  /** Reads how many wait. */
  async look(): Promise<void> {
    this.#become(await this.#options.store.queued());
  }

  /** Sends what waits, now. Resolves when it was sent or cannot be for the moment; never rejects. */
  send(): Promise<void> {
    this.#isWanted = true;
    if (this.#isStopped) return Promise.resolve();
    this.#sending ??= this.#run().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  /** Tries again what the server did not take. */
  async retryStuck(): Promise<void> {
    await this.#options.store.unstick();
    await this.look();
    await this.send();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  async #run(): Promise<void> {
    this.#cancel();
    try {
      while (this.#isWanted && !this.#isStopped) {
        this.#isWanted = false;
        await this.#options.exclusively(() => this.#sendAll());
      }
      this.#failures = 0;
    } catch (error) {
      this.#failed(asProblem(error));
    } finally {
      await this.look().catch(() => undefined);
      this.#become({ isSending: false });
    }
  }

  async #sendAll(): Promise<void> {
    const { store, now, onAnswered } = this.#options;
    let max = SYNC_SCANS_MAX;
    for (let sent = 0; sent < BATCHES_MAX && !this.#isStopped; sent += 1) {
      const batch = await store.batch(max);
      if (batch.length === 0) return;
      this.#become({ isSending: true });
      const taken = await this.#sendBatch(batch);
      if (!taken) {
        // Something in it is not as the server wants it: halves find out what.
        if (batch.length > 1) max = Math.ceil(batch.length / 2);
        continue;
      }
      onAnswered();
      if ((await store.settle(batch, taken, now())) === 0) throw new ApiProblem('bad_answer');
      this.#failures = 0;
      max = SYNC_SCANS_MAX;
      await this.look();
    }
  }

  /** Null when the server does not take the batch. */
  async #sendBatch(batch: readonly WaitingScan[]): Promise<readonly SyncResult[] | null> {
    const { remote, store } = this.#options;
    const [first] = batch;
    if (!first) return [];
    const scans = batch.map(({ scanId, code, matchNumber, at }) => ({
      scanId,
      code,
      matchNumber,
      scannedAt: new Date(at).toISOString(),
    }));
    try {
      return await remote.sync({ device: first.device, gate: first.gate, scans });
    } catch (error) {
      const problem = asProblem(error);
      if (!isAboutContent(problem)) throw problem;
      if (batch.length === 1) await store.stick(first.scanId, problem.detail ?? problem.code);
      return null;
    }
  }

  #failed(problem: ApiProblem): void {
    this.#options.onProblem(problem);
    if (this.#isStopped) return;
    const backOffMs = Math.min(AGAIN_MS_MAX, AGAIN_MS * 2 ** this.#failures);
    this.#failures += 1;
    const ms = Math.max(problem.retryAfterMs ?? 0, backOffMs * (0.5 + this.#options.random() / 2));
    this.#cancel = this.#options.schedule(ms, () => void this.send());
  }

  #become(change: Partial<QueueState>): void {
    this.#state = { ...this.#state, ...change };
    this.#options.onChange();
  }
}

/** The same again would be refused again: it is about what was sent, not about who, when or how often. */
const isAboutContent = ({ status, code }: ApiProblem): boolean =>
  code === 'validation_failed' || status === 400 || status === 413 || status === 422;
