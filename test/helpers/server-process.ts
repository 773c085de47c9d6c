/**
 * A server of the tests as a process of its own: on a free loopback port and in a temporary folder, both of
 * which it keeps when it is started again. Guarantee: neither outlives the process that it is bound to,
 * however that one ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const LOG_LINES = 30;

export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Answers true once it serves. Called again and again; may throw. */
  readonly isReady: (log: string) => Promise<boolean> | boolean;
}

/** What every server of a test can be told. */
export interface Controls {
  /** Ends it in good order and removes its data. */
  stop(): Promise<void>;
  /** Ends it from one moment to the next, or by another signal; its data stays. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Kills it if need be and starts it again on its port and data. */
  restart(): Promise<void>;
  /** Its process stops running until `resume`; its connections stay open. */
  pause(): void;
  resume(): void;
}

export class ServerProcess implements Controls {
  readonly dir: string;
  readonly #program: (dir: string) => Program;
  #child: ChildProcess | null = null;

  /** `boundTo` is the process that it does not outlive. */
  constructor(program: (dir: string) => Program, boundTo: number) {
    this.#program = program;
    this.dir = mkdtempSync(join(tmpdir(), 'ticktak-test-server-'));
    watch(this.dir, boundTo);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get log(): string {
    return readFileSync(join(this.dir, 'log'), 'utf8');
  }

  async start(): Promise<void> {
    const { name, command, args, isReady } = this.#program(this.dir);
    const log = openSync(join(this.dir, 'log'), 'w');
    // Its own group: Ctrl-C in a terminal is for the test run, which ends its servers itself.
    const child = spawn(command, args, { detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    let failure: string | null = null;
    child.once('error', (error) => (failure = error.message));
    child.once('exit', (code, signal) => {
      failure = `it ended with ${code ?? signal}`;
      rmSync(join(this.dir, 'pid'), { force: true });
    });
    child.unref();
    if (child.pid !== undefined) writeFileSync(join(this.dir, 'pid'), String(child.pid));
    this.#child = child;
    const giveUpAt = Date.now() + START_MS_MAX;
    while (!(await tried(() => isReady(this.log)))) {
      if (failure === null && Date.now() > giveUpAt) failure = `no answer within ${START_MS_MAX} ms`;
      if (failure !== null) {
        await this.kill();
        throw new Error(`${name} did not start (${failure}):\n${lastLines(this.log)}`);
      }
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    this.resume();
    const late = setTimeout(() => this.#signal('SIGKILL'), STOP_MS_MAX);
    await this.kill('SIGTERM');
    clearTimeout(late);
    this.remove();
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (!child || child.pid === undefined || hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.ref();
    child.kill(signal);
    await ended;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  /** The watcher ends with the folder. */
  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child && !hasEnded(this.#child)) this.#child.kill(signal);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Ends whatever runs in `dir`, and removes the folder, once `boundTo` is gone. */
function watch(dir: string, boundTo: number): void {
  const script =
    'while [ -d "$0" ] && kill -0 "$1"; do sleep 1; done; [ -f "$0/pid" ] && kill -9 $(cat "$0/pid"); rm -rf "$0"';
  spawn('sh', ['-c', script, dir, String(boundTo)], { detached: true, stdio: 'ignore' }).unref();
}

async function tried(work: () => Promise<boolean> | boolean): Promise<boolean> {
  try {
    return await work();
  } catch {
    return false;
  }
}

function lastLines(text: string): string {
  return text.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
}
