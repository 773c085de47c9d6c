/**
 * Fuzzes a running marketplace over HTTP, so many inputs in order by several senders at once, and says what broke the
 * rules: an answer, the log, the memory, the counters, or the process.
 */
import { inputOf, type Input } from './inputs.js';
import { minimised } from './minimise.js';
import { nameOf } from './openapi.js';
import { logFaults, violationsOf } from './rules.js';
import { bytesOf, send, type Names } from './send.js';
import { Connection } from './wire.js';
import type { Memory } from './memory.js';
import { World } from './world.js';

const SENDERS = 8;
/** After so many inputs what they used up is made anew. */
const RENEW_INPUTS = 1_000;
const FAILURES_MAX = 20;
const MEMORY_SAMPLES = 40;
/** An answer this slow is worth a line. */
const TEXT_CHARS_MAX = 600;

export interface FuzzOptions {
  readonly seed: number;
  /** The first and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly isChecked: boolean;
  readonly log: (line: string) => void;
}

export interface Failure {
  readonly input: number;
  readonly violations: readonly string[];
  /** For people: what it was, in its smallest form. */
  readonly text: string;
  readonly replay: string;
}

export interface Report {
  readonly sent: number;
  readonly failures: readonly Failure[];
  /** What is wrong with the marketplace as a whole. */
  readonly faults: readonly string[];
  /** Answers by status, and 503s by their code. */
  readonly statuses: ReadonlyMap<string, number>;
  /** Operations that answered 2xx to nobody. */
  readonly unreached: readonly string[];
  readonly operations: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly memory: readonly Memory[];
  readonly seconds: number;
}

const UNNAMED: Names = { name: () => '...', signature: () => '...' };

class Run {
  readonly #options: FuzzOptions;
  readonly #world: World;
  readonly #failures: Failure[] = [];
  readonly #seen = new Set<string>();
  readonly #statuses = new Map<string, number>();
  readonly #reached = new Set<string>();
  readonly #took: number[] = [];
  readonly #memory: Memory[] = [];
  readonly #underWay = new Map<number, Input>();
  #next: number;
  #sent = 0;
  #renewing: Promise<void> | null = null;

  constructor(world: World, options: FuzzOptions) {
    this.#world = world;
    this.#options = options;
    this.#next = options.from;
  }

  async run(): Promise<Report> {
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: SENDERS }, () => this.#sender()));
    const seconds = (performance.now() - startedAt) / 1_000;
    const faults = await this.#faults();
    const names = this.#world.operations.map(nameOf);
    const sorted = this.#took.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    return {
      sent: this.#sent,
      failures: this.#failures,
      faults,
      statuses: this.#statuses,
      unreached: names.filter((name) => !this.#reached.has(name)),
      operations: names.length,
      latencyMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      memory: this.#memory,
      seconds,
    };
  }

  async #sender(): Promise<void> {
    const connections = new Map<string, Connection>();
    const connectionTo = (role: string): Connection => {
      const known = connections.get(role) ?? new Connection(this.#world.port(role));
      connections.set(role, known);
      return known;
    };
    const { to, seed } = this.#options;
    while (this.#next < to && this.#failures.length < FAILURES_MAX && this.#world.isUp) {
      const number = this.#next;
      this.#next += 1;
      await this.#housekeeping(number);
      const input = inputOf(seed, number, this.#world.operations);
      this.#underWay.set(number, input);
      const exchange = await send(input, connectionTo(input.role), this.#world);
      if (!this.#world.isUp) break;
      this.#underWay.delete(number);
      this.#sent += 1;
      if (exchange.kind === 'answered') this.#note(input, exchange.answer);
      const violations = violationsOf(input, exchange);
      if (violations.length > 0) await this.#failed(input, violations);
    }
    for (const connection of connections.values()) connection.close();
  }

  async #housekeeping(number: number): Promise<void> {
    const { from, to, log } = this.#options;
    const every = Math.max(1, Math.floor((to - from) / MEMORY_SAMPLES));
    const count = number - from;
    if (count > 0 && count % RENEW_INPUTS === 0) {
      this.#renewing = this.#world.renew().catch((error: unknown) => {
        if (this.#world.isUp) log(`could not be renewed: ${String(error)}`);
      });
    }
    await this.#renewing;
    if (count % every === 0 && this.#world.isUp) {
      const memory = await this.#world.memory().catch(() => null);
      if (memory) this.#memory.push(memory);
      if (count > 0 && count % (every * 5) === 0) log(`${count} of ${to - from} inputs`);
    }
  }

  #note(
    input: Input,
    {
      status,
      headers,
      body,
      tookMs,
    }: { status: number; headers: Readonly<Record<string, string>>; body: Buffer; tookMs: number },
  ): void {
    this.#took.push(tookMs);
    const code = status === 503 ? ` ${/"code":"(\w+)"/.exec(body.toString('latin1'))?.[1] ?? ''}` : '';
    const key = `${status}${code}`;
    this.#statuses.set(key, (this.#statuses.get(key) ?? 0) + 1);
    const { operation } = input;
    if (!operation || status >= 300) return;
    this.#reached.add(nameOf(operation));
    if (!(headers['content-type'] ?? '').startsWith('application/json')) return;
    try {
      this.#world.learn(operation, status, JSON.parse(body.toString('utf8')));
    } catch {
      // Said by the rules.
    }
  }

  async #failed(input: Input, violations: readonly string[]): Promise<void> {
    const { seed, isChecked } = this.#options;
    const kind = `${input.operation ? nameOf(input.operation) : ''} ${violations.join()}`;
    // One of a kind is enough to look at.
    if (this.#seen.has(kind)) return;
    this.#seen.add(kind);
    const connection = new Connection(this.#world.port(input.role));
    const smallest = await minimised(input, async (candidate) => {
      if (!this.#world.isUp) return false;
      const found = violationsOf(candidate, await send(candidate, connection, this.#world));
      return found.length > 0 && found[0] === violations[0];
    });
    connection.close();
    this.#failures.push({
      input: input.number,
      violations,
      text: `${input.role}: ${printable(bytesOf(smallest, UNNAMED))}`,
      replay: replayOf(seed, input.number, isChecked),
    });
  }

  async #faults(): Promise<string[]> {
    const { seed, isChecked, log } = this.#options;
    if (!this.#world.isUp) {
      const suspects = [...this.#underWay.keys()].map((number) => replayOf(seed, number, isChecked));
      return [`the marketplace ended; one of these did it:\n  ${suspects.join('\n  ')}`];
    }
    const faults: string[] = [];
    const tell = (what: string) => (error: unknown) => void faults.push(`${what}: ${String(error)}`);
    if (!isChecked) {
      await this.#world.renew().catch(tell('it cannot be used any more'));
      await this.#world.checkSale().catch(tell('nothing can be sold any more'));
      faults.push(...(await this.#world.counterFaults().catch((error: unknown) => [String(error)])));
    }
    faults.push(
      ...logFaults(this.#world.running.output()).map(
        (line) => `in the log: ${line.slice(0, TEXT_CHARS_MAX)}`,
      ),
    );
    log('checked that it still sells, its counters and its log');
    return faults;
  }
}

function printable(bytes: Buffer): string {
  const text = JSON.stringify(bytes.toString('latin1'));
  return text.length <= TEXT_CHARS_MAX ? text : `${text.slice(0, TEXT_CHARS_MAX)}... (${bytes.length} bytes)`;
}

const replayOf = (seed: number, input: number, isChecked: boolean): string =>
  `npm run fuzz -- --only service --seed ${seed} --input ${input}${isChecked ? ' --checked' : ''}`;

/** On a marketplace of its own. */
export async function fuzzServices(options: FuzzOptions): Promise<Report> {
  const world = await World.start({ isChecked: options.isChecked });
  let report: Report;
  try {
    report = await new Run(world, options).run();
  } finally {
    if (!world.isUp) options.log(world.running.output().slice(-3_000));
  }
  const code = await world.end();
  const stopped = code === 0 ? [] : [`it did not end well: ${String(code)}`];
  return { ...report, faults: [...report.faults, ...stopped] };
}
