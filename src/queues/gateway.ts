/**
 * The way of a command into a ticket's queue, and of its outcome back.
 *
 * Guarantees: a command is answered with its outcome, refused undone (`overloaded`), or answered `unknown`
 * when neither is known in time; commands of one ticket are queued in the order in which they were
 * submitted, those submitted together in one job; while an add to a queue is in flight, or as many jobs are
 * unanswered as may be, further commands gather by ticket and go as one job, so an idle system adds no latency and
 * a rush makes large batches; tickets whose jobs nobody takes hold the others up for a moment only; nothing grows
 * without a limit.
 */
import type {
  Clock,
  CommandEnvelope,
  CommandResult,
  Reply,
  TicketQueues,
  TicketStore,
} from '../actors/ports.js';
import { jobOf } from '../actors/job.js';
import type { OrderedGateway, Submission, SubmissionResult } from '../http/ports.js';
import type { Logger } from '../process/log.js';
import { ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';

export interface GatewayOptions {
  /** Unique per process; replies are addressed to it. */
  readonly gatewayId: string;
  readonly queues: Pick<TicketQueues, 'add'>;
  readonly store: Pick<TicketStore, 'recall'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** False while Redis cannot be reached: nothing is accepted then. */
  readonly isUp: () => boolean;
  /** How long a sender waits for its outcome, and the command's deadline, milliseconds. */
  readonly replyWaitMs: number;
  /** Commands accepted and not answered, per ticket. */
  readonly commandsWaitingMax: number;
  /** Commands in one job. */
  readonly batchCommandsMax: number;
  /** Told how long a command waited for its answer, milliseconds. */
  readonly onAnswered?: (waitedMs: number) => void;
}

/** A sender told `overloaded` is asked to come back after this. */
const RETRY_AFTER_MS = 1_000;
const OVERLOADED = { kind: 'overloaded', retryAfterMs: RETRY_AFTER_MS } as const;
/** A reply that takes longer is looked up on record, as often as this. */
const RECALL_EVERY_MS = 1_000;

/** Jobs of one ticket ahead: one that is decided, and one behind it so that its owner has always something to do. */
const JOBS_AHEAD_PER_TICKET_MAX = 2;
/** Jobs of all tickets ahead. More would not be decided sooner, only be smaller. */
const JOBS_AHEAD_MAX = 64;
/** A job that is not answered for so long holds nobody up any more: its ticket may have no owner for now. */
const AHEAD_MS_MAX = 250;

interface Waiting {
  readonly envelope: CommandEnvelope;
  readonly since: number;
  readonly resolvers: ((result: SubmissionResult) => void)[];
  /** That it went in. */
  job: Job | null;
  /** The log was asked, and what it says will come as another command. */
  isAsked: boolean;
}

/** One that is ahead: sent, and neither answered nor given up. */
interface Job {
  readonly lane: Lane;
  readonly since: number;
  unanswered: number;
}

interface Accepted {
  readonly envelope: CommandEnvelope;
  readonly resolve: (result: SubmissionResult) => void;
}

interface Lane {
  readonly ticket: TicketId;
  /** Accepted, not yet in a job. What was submitted together stays together. */
  readonly queued: (readonly CommandEnvelope[])[];
  queuedCommands: number;
  /** Accepted, not yet answered. */
  readonly waiting: Map<string, Waiting>;
  /** Those of them that the log was asked about. */
  asked: number;
  adding: boolean;
  /** Its jobs that are ahead. */
  ahead: number;
}

export class Gateway implements OrderedGateway {
  readonly #options: GatewayOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #laneOf = new Map<string, Lane>();
  /** In the order in which they were sent. */
  readonly #ahead = new Set<Job>();
  /** Tickets with commands that wait for others' jobs, or their own, in the order in which they came. */
  readonly #held = new Set<Lane>();
  #cancelLook: (() => void) | null = null;
  #cancelTick: (() => void) | null = null;
  #ticking: Promise<void> = Promise.resolve();
  #accepting = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  start(): void {
    this.#accepting = true;
    this.#scheduleTick();
  }

  /** Refuses new commands and waits until all that were accepted are answered. */
  async stop(): Promise<void> {
    this.#accepting = false;
    while (this.#laneOf.size > 0) await this.#tick();
    this.#cancelTick?.();
    this.#cancelLook?.();
    await this.#ticking;
  }

  /** Whether a command of this id was accepted and is not answered yet. */
  isUnderWay(ticket: TicketId, id: string): boolean {
    return this.#lanes.get(ticketName(ticket))?.waiting.has(id) ?? false;
  }

  /** Commands accepted and not answered. */
  get waiting(): number {
    return this.#laneOf.size;
  }

  submit(submission: Submission): Promise<SubmissionResult> {
    const lane = this.#lane(submission.ticket);
    return new Promise((resolve) => {
      // The same command twice at once is one command with two listeners.
      const same = lane.waiting.get(submission.id);
      if (same) {
        same.resolvers.push(resolve);
      } else if (this.#isFull(lane, lane.waiting.size, 1)) {
        resolve(OVERLOADED);
      } else {
        this.#accept(lane, [{ envelope: this.#envelopeOf(submission), resolve }]);
      }
    });
  }

  submitInOrder(submissions: readonly Submission[]): Promise<readonly SubmissionResult[]> {
    const { batchCommandsMax } = this.#options;
    const [first] = submissions;
    if (!first) return Promise.resolve([]);
    if (submissions.length > batchCommandsMax) {
      return Promise.reject(new Error(`at most ${batchCommandsMax} commands go together`));
    }
    if (new Set(submissions.map(({ id }) => id)).size < submissions.length) {
      return Promise.reject(new Error('the same command twice in one group'));
    }
    const lane = this.#lane(first.ticket);
    // Those that wait for what the log says must not keep out what the log says.
    const waiting = lane.waiting.size - lane.asked;
    if (this.#isFull(lane, waiting, submissions.length))
      return Promise.resolve(submissions.map(() => OVERLOADED));
    // One that is under way may yet come to nothing: those after it must not go without it.
    if (submissions.some(({ id }) => lane.waiting.has(id))) {
      return Promise.resolve(submissions.map(() => ({ kind: 'unknown' })));
    }
    const group: Accepted[] = [];
    const results = submissions.map(
      (submission) =>
        new Promise<SubmissionResult>((resolve) =>
          group.push({ envelope: this.#envelopeOf(submission), resolve }),
        ),
    );
    this.#accept(lane, group);
    return Promise.all(results);
  }

  #isFull({ queuedCommands }: Lane, waiting: number, more: number): boolean {
    const count = Math.max(waiting, queuedCommands) + more;
    return !this.#accepting || !this.#options.isUp() || count > this.#options.commandsWaitingMax;
  }

  #envelopeOf({ id, body, keepMs, requestId, incarnation }: Submission): CommandEnvelope {
    return {
      id,
      body,
      deadline: this.#options.clock.now() + this.#options.replyWaitMs,
      keepMs,
      replyTo: this.#options.gatewayId,
      ...(requestId !== undefined && { requestId }),
      ...(incarnation !== undefined && { incarnation }),
    };
  }

  #accept(lane: Lane, group: readonly Accepted[]): void {
    const since = this.#options.clock.now();
    for (const { envelope, resolve } of group) {
      lane.waiting.set(envelope.id, { envelope, since, resolvers: [resolve], job: null, isAsked: false });
      this.#laneOf.set(envelope.id, lane);
    }
    lane.queued.push(group.map(({ envelope }) => envelope));
    lane.queuedCommands += group.length;
    void this.#flush(lane);
  }

  /** Takes replies from the bus; ids that nobody waits for are ignored. */
  onReplies(replies: readonly Reply[]): void {
    for (const { id, result, deadline } of replies) {
      // What is not on record was said to one attempt; a later one of the same id may yet take effect.
      const waiting = this.#laneOf.get(id)?.waiting.get(id);
      if (deadline !== undefined && deadline !== waiting?.envelope.deadline) continue;
      // It was late for this attempt; whether an earlier run of its job took effect is not known here.
      if (result.kind === 'deadline_passed') this.#answer(id, { kind: 'unknown' });
      else if (result.kind === 'asked') this.#wasAsked(id);
      else this.#answer(id, { kind: 'answered', result });
    }
  }

  #lane(ticket: TicketId): Lane {
    const name = ticketName(ticket);
    let lane = this.#lanes.get(name);
    if (!lane) {
      lane = { ticket, queued: [], queuedCommands: 0, waiting: new Map(), asked: 0, adding: false, ahead: 0 };
      this.#lanes.set(name, lane);
    }
    return lane;
  }

  /** Its job is done; what the log says of it comes by another, which must not wait for this one. */
  #wasTaken(id: string): void {
    const waiting = this.#laneOf.get(id)?.waiting.get(id);
    if (!waiting) return;
    const { job } = waiting;
    waiting.job = null;
    if (job && (job.unanswered -= 1) === 0) this.#leaveBehind([job]);
  }

  #wasAsked(id: string): void {
    this.#wasTaken(id);
    const lane = this.#laneOf.get(id);
    const waiting = lane?.waiting.get(id);
    if (!lane || !waiting || waiting.isAsked) return;
    waiting.isAsked = true;
    lane.asked += 1;
  }

  #answer(id: string, result: SubmissionResult): void {
    this.#wasTaken(id);
    const lane = this.#laneOf.get(id);
    const waiting = lane?.waiting.get(id);
    if (!lane || !waiting) return;
    lane.waiting.delete(id);
    if (waiting.isAsked) lane.asked -= 1;
    this.#laneOf.delete(id);
    this.#options.onAnswered?.(this.#options.clock.now() - waiting.since);
    for (const resolve of waiting.resolvers) resolve(result);
  }

  /** Sends what has gathered, as far as there may be jobs ahead. */
  async #flush(lane: Lane): Promise<void> {
    if (lane.adding) return;
    lane.adding = true;
    while (lane.queued.length > 0 && this.#mayGoAhead(lane)) {
      const commands = this.#nextJob(lane);
      this.#goAhead(lane, commands);
      try {
        await this.#options.queues.add(lane.ticket, jobOf(commands));
      } catch (error) {
        if (isOutOfMemory(error)) {
          for (const { id } of commands) this.#answer(id, OVERLOADED);
        }
        // It may or may not be in Redis: its senders wait for a reply, the record, or `unknown`.
        this.#options.logger.error(
          { err: error, ticket: ticketName(lane.ticket) },
          'could not queue commands',
        );
      }
    }
    lane.adding = false;
    if (lane.queued.length > 0) this.#hold(lane);
  }

  #mayGoAhead({ ahead }: Lane): boolean {
    return ahead < JOBS_AHEAD_PER_TICKET_MAX && this.#ahead.size < JOBS_AHEAD_MAX;
  }

  #goAhead(lane: Lane, commands: readonly CommandEnvelope[]): void {
    const job: Job = { lane, since: this.#options.clock.now(), unanswered: 0 };
    for (const { id } of commands) {
      const waiting = lane.waiting.get(id);
      if (!waiting) continue;
      waiting.job = job;
      job.unanswered += 1;
    }
    if (job.unanswered === 0) return;
    this.#ahead.add(job);
    lane.ahead += 1;
  }

  /** Those jobs are answered, or not to be waited for: others may go. */
  #leaveBehind(jobs: readonly Job[]): void {
    for (const job of jobs) {
      if (this.#ahead.delete(job)) job.lane.ahead -= 1;
    }
    for (const lane of this.#held) {
      if (this.#ahead.size >= JOBS_AHEAD_MAX) break;
      if (!this.#mayGoAhead(lane)) continue;
      this.#held.delete(lane);
      void this.#flush(lane);
    }
  }

  #hold(lane: Lane): void {
    this.#held.add(lane);
    this.#lookLater();
  }

  /** When the oldest job ahead has been waited for long enough, as long as somebody is held up. */
  #lookLater(): void {
    const [oldest] = this.#ahead;
    if (!oldest || this.#held.size === 0 || this.#cancelLook) return;
    const { clock } = this.#options;
    const leftMs = Math.max(0, oldest.since + AHEAD_MS_MAX - clock.now());
    this.#cancelLook = clock.schedule(leftMs, () => {
      this.#cancelLook = null;
      const now = clock.now();
      this.#leaveBehind([...this.#ahead].filter(({ since }) => now - since >= AHEAD_MS_MAX));
      this.#lookLater();
    });
  }

  /** As many as a job may hold, in order. */
  #nextJob(lane: Lane): CommandEnvelope[] {
    const commands: CommandEnvelope[] = [];
    let groups = 0;
    for (const group of lane.queued) {
      if (groups > 0 && commands.length + group.length > this.#options.batchCommandsMax) break;
      commands.push(...group);
      groups += 1;
    }
    lane.queued.splice(0, groups);
    lane.queuedCommands -= commands.length;
    return commands;
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#options.clock.schedule(RECALL_EVERY_MS / 2, () => {
      this.#ticking = this.#tick().finally(() => {
        if (this.#accepting) this.#scheduleTick();
      });
    });
  }

  /** Looks up outcomes whose reply is late, and answers `unknown` where the time is up. */
  async #tick(): Promise<void> {
    const now = this.#options.clock.now();
    for (const lane of this.#lanes.values()) {
      if (lane.waiting.size === 0) continue;
      const late = [...lane.waiting.values()].filter(({ since }) => now - since >= RECALL_EVERY_MS);
      await this.#recall(lane, late);
      for (const { envelope } of late) {
        if (now >= envelope.deadline) this.#answer(envelope.id, { kind: 'unknown' });
      }
    }
    if (!this.#accepting && this.#laneOf.size > 0) {
      await new Promise<void>((resolve) => this.#options.clock.schedule(RECALL_EVERY_MS / 10, resolve));
    }
  }

  async #recall(lane: Lane, late: readonly Waiting[]): Promise<void> {
    if (late.length === 0 || !this.#options.isUp()) return;
    try {
      const ids = late.map(({ envelope }) => envelope.id);
      for (const [id, outcome] of await this.#options.store.recall(lane.ticket, ids)) {
        this.#answer(id, { kind: 'answered', result: outcome satisfies CommandResult });
      }
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'could not look up recorded outcomes');
    }
  }
}

/** Redis is full and took nothing. */
const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && /^OOM\b|\bOOM command/.test(error.message);
