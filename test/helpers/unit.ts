/**
 * A process of ours as a platform runs it. Guarantee: while it is wanted it is started again whenever it ends, and
 * whatever ended it but us is kept as a crash.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { run, type Running } from './processes.js';

/** A process that could not start is tried again after so long. */
const RETRY_MS = 1_000;
const OUTPUT_CHARS = 2_000;

/** A process of ours that ended though nobody made it. */
export interface Crash {
  readonly name: string;
  readonly at: number;
  readonly output: string;
}

export class Unit {
  /** Starts that failed: it says what it lacks, ends, and is started again. */
  failedStarts = 0;
  /** Of the last of them. */
  lastFailure = '';
  readonly crashes: Crash[] = [];
  #running: Running | null = null;
  #isWanted = false;
  #starting: Promise<void> | null = null;

  constructor(
    readonly name: string,
    readonly roles: readonly string[],
    readonly env: Readonly<Record<string, string>>,
  ) {}

  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** Resolves when it is open. */
  start(): Promise<void> {
    this.#isWanted = true;
    this.#starting ??= this.#start().finally(() => (this.#starting = null));
    return this.#starting;
  }

  async #start(): Promise<void> {
    while (this.#isWanted && !this.#running) {
      try {
        const running = await run(this.roles, this.env);
        this.#running = running;
        running.child.once('exit', () => this.#ended(running));
      } catch (error) {
        this.failedStarts += 1;
        this.lastFailure = String(error);
        await sleep(RETRY_MS);
      }
    }
  }

  /** By itself: `kill` takes it away first. */
  #ended(running: Running): void {
    if (this.#running !== running) return;
    this.#running = null;
    this.crashes.push({ name: this.name, at: Date.now(), output: running.output().slice(-OUTPUT_CHARS) });
    void this.start();
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isWanted = false;
    await this.#starting;
    const running = this.#running;
    this.#running = null;
    await running?.end(signal);
  }

  pause(): void {
    this.#running?.kill('SIGSTOP');
  }

  resume(): void {
    this.#running?.kill('SIGCONT');
  }

  /** Null while it is away. */
  url(role: string): string | null {
    return this.#running?.url(role) ?? null;
  }

  /** What it has logged since it was started. */
  get output(): string {
    return this.#running?.output() ?? '';
  }
}
