/**
 * The ways between processes and servers. A call is three events: it reaches the server and takes effect there in
 * one step, and its answer comes back; each takes a while, and each may be the last that is heard of it.
 */
import type { Kernel, Process } from './kernel.js';
import type { Random } from './random.js';

/** Mean time of one way, milliseconds. */
const WAY_MS = 0.6;

/** How a server behaves just now; changed by faults. */
export class ServerState {
  isUp = true;
  /** Times the usual delay. */
  slowness = 1;
  /** That a call is lost before it takes effect, and that its answer is lost after. */
  requestLossChance = 0;
  answerLossChance = 0;
  /** That a call takes effect a second time a while later, where the way may repeat it. */
  repeatChance = 0;
  /** That nothing is ever heard of a call that took effect. */
  silenceChance = 0;
  /** Outages, losses and repeats that happened, by kind. */
  readonly onFault: (kind: string) => void;

  constructor(onFault: (kind: string) => void) {
    this.onFault = onFault;
  }

  calm(): void {
    this.isUp = true;
    this.slowness = 1;
    this.requestLossChance = 0;
    this.answerLossChance = 0;
    this.repeatChance = 0;
    this.silenceChance = 0;
  }
}

export interface CallOptions {
  readonly kernel: Kernel;
  readonly process: Process;
  readonly server: ServerState;
  readonly serverName: string;
  /** What a caller is told when the server cannot be reached, or its answer is not known. */
  readonly unavailable: (why: string) => Error;
  /** Until a lost call is noticed, milliseconds. */
  readonly timeoutMs: number;
}

/** Calls of one process to a server of which each goes its own way: none waits for another. */
export class Caller {
  readonly #options: CallOptions;
  readonly #random: Random;

  constructor(options: CallOptions) {
    this.#options = options;
    this.#random = options.process.random;
  }

  /** `effect` happens at the server at once and whole; `mayRepeat`: the way may bring it twice. */
  call<T>(name: string, effect: () => T | Promise<T>, mayRepeat = false): Promise<T> {
    const { kernel, process, server, serverName, unavailable, timeoutMs } = this.#options;
    const random = this.#random;
    const way = (): number => 0.05 + random.delay(WAY_MS * server.slowness);
    const label = `${process.name} ${serverName}.${name}`;
    return new Promise<T>((resolve, reject) => {
      const refuse = (why: string): void => {
        kernel.schedule(timeoutMs, process, `${label} gives up`, () => reject(unavailable(why)));
      };
      // Drawn here, so that what happens to this call does not depend on what happens to others meanwhile.
      const [there, back] = [way(), way()];
      const [request, answer, twice, silent] = [random.next(), random.next(), random.next(), random.next()];
      kernel.schedule(there, null, label, () => {
        if (!server.isUp) {
          kernel.schedule(back, process, `${label} refused`, () => reject(unavailable('away')));
          return;
        }
        if (request < server.requestLossChance) {
          server.onFault('lost requests');
          refuse('the request was lost');
          return;
        }
        const result = attempt(effect);
        if (mayRepeat && twice < server.repeatChance) {
          server.onFault('repeated requests');
          kernel.schedule(there + 20 * way(), null, `${label} again`, () => {
            if (server.isUp) attempt(effect).catch(() => undefined);
          });
        }
        if (silent < server.silenceChance) {
          server.onFault('answers that never come');
          result.catch(() => undefined);
          return;
        }
        if (answer < server.answerLossChance) {
          server.onFault('lost answers');
          result.catch(() => undefined);
          refuse('the answer was lost');
          return;
        }
        result.then(
          (value) => kernel.schedule(back, process, `${label} answers`, () => resolve(value)),
          (error: unknown) => {
            const failed = error instanceof Error ? error : new Error(String(error));
            kernel.schedule(back, process, `${label} fails`, () => reject(failed));
          },
        );
      });
    });
  }
}

async function attempt<T>(effect: () => T | Promise<T>): Promise<T> {
  return effect();
}

/**
 * The connection of one process to Redis, as its client library keeps it: commands go out and are answered in
 * order; what was sent and not answered when the connection breaks is sent again when it is back, whether it had
 * taken effect or not; what is asked meanwhile waits.
 */
export class Connection {
  readonly #options: Pick<CallOptions, 'kernel' | 'process' | 'server'>;
  /** Sent and not answered, in order; and all that waits for the connection. */
  readonly #sent: Pending[] = [];
  #isUp = true;
  #lastArrival = 0;
  #lastAnswer = 0;
  #lastMessage = 0;
  /** Counts connections: what belongs to an older one does not arrive. */
  #epoch = 0;
  readonly #resets = new Set<() => void>();

  constructor(options: Pick<CallOptions, 'kernel' | 'process' | 'server'>) {
    this.#options = options;
    // A process may be started while the server is away.
    if (!options.server.isUp) this.cut(50);
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** A step of the server. */
  send<T>(step: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const pending: Pending = {
        step,
        resolve: (value) => resolve(value as T),
        reject,
      };
      this.#sent.push(pending);
      if (this.#isUp) this.#transmit(pending);
    });
  }

  /** A message that the server published comes along the way of subscriptions. */
  deliver(label: string, task: () => void): void {
    if (!this.#isUp) return;
    const { kernel, process } = this.#options;
    const epoch = this.#epoch;
    this.#lastMessage = Math.max(this.#lastMessage, kernel.now + this.#way());
    kernel.at(this.#lastMessage, process, label, () => {
      if (epoch === this.#epoch) task();
    });
  }

  /** Called when messages may have been missed. */
  onReset(handler: () => void): () => void {
    this.#resets.add(handler);
    return () => this.#resets.delete(handler);
  }

  /** It breaks, and comes back when the server is there again. */
  cut(backMs: number): void {
    const { kernel, process } = this.#options;
    this.#epoch += 1;
    const epoch = this.#epoch;
    this.#isUp = false;
    kernel.schedule(backMs, process, `${process.name} connects`, () => {
      if (epoch === this.#epoch) this.#connect();
    });
  }

  #connect(): void {
    const { server, process } = this.#options;
    if (!server.isUp) {
      this.cut(process.random.int(20, 200));
      return;
    }
    this.#isUp = true;
    // Subscriptions first, as the library does; then what was not answered, in its order.
    for (const handler of this.#resets) handler();
    for (const pending of [...this.#sent]) this.#transmit(pending);
  }

  #way(): number {
    const { server, process } = this.#options;
    return 0.05 + process.random.delay(WAY_MS * server.slowness);
  }

  #transmit(pending: Pending): void {
    const { kernel, process, server } = this.#options;
    const epoch = this.#epoch;
    this.#lastArrival = Math.max(this.#lastArrival, kernel.now + this.#way());
    kernel.at(this.#lastArrival, null, `${process.name} redis`, () => {
      // What is on its way when the connection breaks is lost; of a process that died it arrives.
      if (epoch !== this.#epoch || !server.isUp) return;
      let answer: () => void;
      try {
        const value = pending.step();
        answer = () => pending.resolve(value);
      } catch (error) {
        answer = () => pending.reject(error as Error);
      }
      this.#lastAnswer = Math.max(this.#lastAnswer, kernel.now + this.#way());
      kernel.at(this.#lastAnswer, process, `${process.name} redis answers`, () => {
        if (epoch !== this.#epoch) return;
        this.#sent.splice(this.#sent.indexOf(pending), 1);
        answer();
      });
    });
  }
}

interface Pending {
  readonly step: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}
