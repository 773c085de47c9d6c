/**
 * What actors stand on. Each port is small, so that a simulator can drive the shipped gateway, actor and
 * relay over simulated ones; src/redis and src/queues implement them on Redis and BullMQ.
 */
import type { CommittedEvent, LedgerPosition } from '../archive/port.js';
import type { Command, TicketId, TicketState, Told } from '../rules/index.js';

/** Time and timers. Every part takes its time from here. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
  /** Runs `task` once after `delayMs`; the returned function cancels it. */
  schedule(delayMs: number, task: () => void): () => void;
}

/** Omit over each member of a union. */
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A command before the actor gives it a time and what it observed of the person's and the card's other categories. */
export type CommandBody = DistributiveOmit<Command, 'id' | 'at' | 'personElsewhere' | 'cardElsewhere'>;

/** A command on its way through a queue. */
export interface CommandEnvelope {
  /** Made by the sender. Same id: one effect, one outcome. */
  readonly id: string;
  readonly body: CommandBody;
  /** Epoch milliseconds after which it is refused undone, so that nobody acts for a sender who gave up. */
  readonly deadline: number;
  /**
   * Done only in this incarnation of the ticket: what its sender sent before took effect in it, and may be lost in
   * another. Absent: done in any. A worker too old to know of it does it in any.
   */
  readonly incarnation?: number;
  /** How long its outcome stays on record, milliseconds. */
  readonly keepMs: number;
  /** Which gateway waits for the outcome; absent when nobody does. */
  readonly replyTo?: string;
  /** Follows the command through logs and headers. */
  readonly requestId?: string;
}

/** A job of a ticket's queue: commands in the order in which they were accepted. */
export interface CommandJob {
  /** Version of this format; a worker refuses a newer one. */
  readonly schema: number;
  readonly commands: readonly CommandEnvelope[];
}

/** What a sender is told. `deadline_passed`: not done and never will be under that deadline. */
export type CommandResult =
  | Told
  | { readonly kind: 'deadline_passed' }
  /** Not done: the ticket is in another incarnation than the sender's. */
  | { readonly kind: 'incarnation_passed' }
  /** The ticket's outbox is full: nothing new is accepted until the archive and the log catch up. */
  | { readonly kind: 'outbox_full' }
  /** A defect: the command could not be decided and lies in the dead letters. */
  | { readonly kind: 'failed' };

/** `asked`: it was taken, and its outcome follows when the log has decided. */
export type Answer = CommandResult | { readonly kind: 'asked' };

export interface Reply {
  readonly id: string;
  readonly result: Answer;
  /** Of a result that is not on record: the deadline of the one attempt that it answers. */
  readonly deadline?: number;
}

/** An outcome on record. `durableAt` is set when it may be told only once that position is archived. */
export interface RecordedOutcome {
  readonly result: Told;
  readonly durableAt?: LedgerPosition;
}

/** How Redis identifies one run of the server: it can only have lost writes when this changed. */
export type StoreRunId = string;

/** How far a ticket's outbox was archived and published. */
export interface Cursors {
  readonly archived: LedgerPosition;
  readonly published: LedgerPosition;
}

/** What a claim finds in Redis. */
export interface Claim {
  readonly runId: StoreRunId;
  /** Null when Redis knows nothing of the ticket: never opened, or lost. */
  readonly stored: StoredTicket | null;
}

export interface StoredTicket {
  readonly schema: number;
  readonly runId: StoreRunId;
  readonly position: LedgerPosition;
  readonly version: number;
  readonly cursors: Cursors;
  /** Who may have written the ticket's events to the log since `cursors.published`; null for nobody. */
  readonly publisher: string | null;
  /** That is not known, nor whether the outbox has all that is unpublished: Redis lost writes since. */
  readonly uncertain: boolean;
  readonly state: TicketState;
}

/** One commit: everything a batch of commands changed, or nothing of it. */
export interface Commit {
  /** Unique; lets a sender whose answer was lost see that its own commit took effect. */
  readonly commitId: string;
  readonly owner: string;
  /** Version it was decided on; the commit makes it `version + 1`. */
  readonly version: number;
  readonly runId: StoreRunId;
  readonly incarnation: number;
  readonly before: TicketState;
  readonly after: TicketState;
  readonly events: readonly CommittedEvent[];
  /** Outcomes to record, refusals too. A recorded id that exists makes the whole commit a `repeat`. */
  readonly records: readonly {
    readonly id: string;
    readonly keepMs: number;
    readonly outcome: RecordedOutcome;
  }[];
  /** Ids whose outcome is recorded by a later commit: one that is on record makes this one a `repeat` too. */
  readonly unanswered?: readonly string[];
  /** Replies that need not wait for the archive, by gateway. */
  readonly replies: ReadonlyMap<string, readonly Reply[]>;
  /** Tallies of persons in the match's other categories that decisions were based on. */
  readonly guards: ReadonlyMap<string, number>;
  /** Earliest time at which a hold or payment needs attention, epoch milliseconds; 0 for none. */
  readonly dueAt: number;
  /**
   * Set for the first commit of an incarnation: replaces whatever is stored, and sets the outbox cursors.
   * `uncertain` stays on record until somebody has taken the publishing over.
   */
  readonly replace: (Cursors & { readonly uncertain: boolean }) | null;
}

export type CommitResult =
  | { readonly kind: 'committed' }
  /** Some ids took effect before: their recorded outcomes. Nothing was written. */
  | { readonly kind: 'repeat'; readonly recorded: ReadonlyMap<string, RecordedOutcome> }
  /** Some persons' tallies in other categories differ from the guards: the true ones. Nothing was written. */
  | { readonly kind: 'guard'; readonly tallies: ReadonlyMap<string, number> }
  /** Another owner has the ticket. Nothing was written. */
  | { readonly kind: 'fenced' }
  /** Redis is not where this owner left it: it lost writes. Nothing was written. */
  | { readonly kind: 'behind' };

/** Counters of one ticket, as published after every commit. */
export interface TicketCounters {
  readonly matchNumber: number;
  readonly category: number;
  readonly capacity: number;
  readonly available: number;
  readonly pending: number;
  readonly price: number;
  readonly currency: string;
  readonly closed: boolean;
  /** Absent in what an older version wrote, as are the next ones. */
  readonly cancelled?: boolean;
  readonly paused?: boolean;
  readonly pauseRevision?: number;
  readonly soldHere: number;
  readonly soldElsewhere: number;
  readonly heldHere: number;
  readonly heldElsewhere: number;
  readonly incarnation: number;
  readonly version: number;
}

/** Whether a ticket needs its owner. */
export interface Pulse {
  readonly ticket: TicketId;
  readonly waiting: number;
  readonly active: number;
  /** Epoch milliseconds; 0 when nothing is due; null when Redis knows nothing of the ticket. */
  readonly dueAt: number | null;
  /** Whether all its events are archived and published, as far as is noted. */
  readonly isOut: boolean;
}

/** The tickets' state in Redis. */
export interface TicketStore {
  /** Makes `owner` the only one whose commits succeed, and reads what is stored. */
  claim(ticket: TicketId, owner: string): Promise<Claim>;
  commit(ticket: TicketId, commit: Commit): Promise<CommitResult>;
  /** Outbox entries after a position, in order, at most `limit`. */
  outbox(ticket: TicketId, after: LedgerPosition, limit: number): Promise<readonly CommittedEvent[]>;
  /**
   * Records how far the outbox was archived and published, trims what both passed, and sends replies that
   * waited for the archive. Changes nothing when `owner` no longer has the ticket; replies go out anyway,
   * because what they say is durable.
   */
  advance(
    ticket: TicketId,
    owner: string,
    cursors: Cursors,
    replies: ReadonlyMap<string, readonly Reply[]>,
  ): Promise<void>;
  /**
   * Records who may write the ticket's events to the log from now on (null: nobody), and how far they are
   * published; false, and nothing recorded, when `owner` no longer has the ticket.
   */
  setPublisher(
    ticket: TicketId,
    owner: string,
    publisher: string | null,
    published: LedgerPosition,
  ): Promise<boolean>;
  /** What each ticket's queue and timers ask for; without those whose part of Redis does not answer. */
  pulse(tickets: readonly TicketId[]): Promise<readonly Pulse[]>;
  /** Recorded outcomes that may be told now; ids without one are absent. */
  recall(ticket: TicketId, ids: readonly string[]): Promise<ReadonlyMap<string, Told>>;
}

/** One accepted job, being worked on. */
export interface TakenJob {
  readonly id: string;
  /** The job's data as stored; the actor checks it. */
  readonly data: unknown;
}

/** The serialized queue of each ticket: at most one job of it is active, whoever asks. */
export interface TicketQueues {
  /** Resolves when the job is in Redis. */
  add(ticket: TicketId, job: CommandJob): Promise<void>;
  /** The next job, or null. `previous` is completed in the same step. */
  next(ticket: TicketId, previous: TakenJob | null): Promise<TakenJob | null>;
  /** Completes a job without taking another. */
  complete(ticket: TicketId, job: TakenJob): Promise<void>;
  /** Puts a job back as the next one, as if it had not been taken. */
  giveBack(ticket: TicketId, job: TakenJob): Promise<void>;
  /**
   * Puts back what was left active: by this process at once, by a dead owner once its lock has ended; true when none
   * is left. Only for who works on no job of the ticket.
   */
  recover(ticket: TicketId): Promise<boolean>;
  /** Moves a job that can never be worked on out of the way. */
  bury(ticket: TicketId, job: TakenJob, reason: string): Promise<void>;
}

/** Keeps two owners apart while all is well; safety comes from the owner compare in every commit. */
export interface Leases {
  /** Null when someone else has it. */
  acquire(ticket: TicketId): Promise<Lease | null>;
}
export interface Lease {
  /** False when it was lost; the holder must stop. */
  extend(): Promise<boolean>;
  release(): Promise<void>;
}
