/** The simulated Redis with the checks at its scripts, and with a memory of its last second, which it may lose. */
import type { CommandJob, Commit, CommitResult, Cursors, Reply } from '../../src/actors/ports.js';
import { ticketName } from '../../src/redis/keys.js';
import { storedTicket } from '../../src/redis/stored-ticket.js';
import { initialState, type TicketState } from '../../src/rules/index.js';
import type { TicketId } from '../../src/rules/index.js';
import type { Checks, RedisMark } from './checks.js';
import type { Kernel } from './kernel.js';
import { MemoryRedis, type FetchedJob, type Finished, type Message, type Snapshot } from './memory-redis.js';

/** How much a crash may lose: what an append-only file that is flushed every second may lack. */
const UNFLUSHED_MS = 1_000;

interface Moment {
  readonly at: number;
  readonly snapshot: Snapshot;
  readonly mark: RedisMark;
}

export class WatchedRedis extends MemoryRedis {
  readonly #kernel: Kernel;
  readonly #checks: Checks;
  readonly #guarded: (check: () => void) => void;
  readonly #moments: Moment[] = [];
  /** As they were taken last, by ticket and id: a Redis that was emptied gives the same ids again. */
  readonly #jobs = new Map<string, CommandJob>();

  constructor(
    kernel: Kernel,
    checks: Checks,
    guarded: (check: () => void) => void,
    onPublish: (message: Message) => void,
  ) {
    super({ now: () => Math.floor(kernel.now), onPublish });
    this.#kernel = kernel;
    this.#checks = checks;
    this.#guarded = guarded;
  }

  override claim(ticket: TicketId, owner: string, now: number): void {
    super.claim(ticket, owner, now);
    this.#checks.claimed(ticket, owner);
  }

  override commit(ticket: TicketId, commit: Commit): CommitResult {
    const isRepeat = this.meta(ticket).commit === commit.commitId;
    this.#remember();
    const result = super.commit(ticket, commit);
    this.#kernel.note(
      `commit ${ticketName(ticket)} ${commit.version} ${result.kind} ${commit.owner}: ${commit.events.map(({ incarnation, sequence, event }) => `${incarnation}-${sequence} ${event.type}`).join()}`,
    );
    this.#guarded(() => this.#checks.committed(ticket, commit, result, isRepeat));
    return result;
  }

  override advance(
    ticket: TicketId,
    owner: string,
    cursors: Cursors,
    replies: ReadonlyMap<string, readonly Reply[]>,
  ): void {
    super.advance(ticket, owner, cursors, replies);
    const { archived, published } = cursors;
    this.#kernel.note(
      `advance ${ticketName(ticket)} ${owner} ${archived.incarnation}-${archived.sequence} ${published.incarnation}-${published.sequence}`,
    );
    this.#guarded(() => this.#checks.replied(replies));
  }

  override takeJob(ticket: TicketId, token: string, lockMs: number): FetchedJob | null {
    return this.#taken(ticket, super.takeJob(ticket, token, lockMs));
  }

  override finishJob(
    ticket: TicketId,
    id: string,
    token: string,
    how: 'completed' | 'failed',
    nextLockMs: number | null,
  ): Finished {
    const finished = super.finishJob(ticket, id, token, how, nextLockMs);
    if (finished.kind === 'lost') return finished;
    const job = this.#jobs.get(`${ticketName(ticket)}/${id}`);
    if (job && how === 'completed') this.#guarded(() => this.#checks.completed(job));
    this.#taken(ticket, finished.next);
    return finished;
  }

  #taken(ticket: TicketId, job: FetchedJob | null): FetchedJob | null {
    if (job) this.#jobs.set(`${ticketName(ticket)}/${job.id}`, job.data as CommandJob);
    return job;
  }

  /** What it was just before a step that it may lose. */
  #remember(): void {
    const moments = this.#moments;
    moments.push({ at: this.#kernel.now, snapshot: this.snapshot(), mark: this.#checks.redisMark() });
    while ((moments[0]?.at ?? Infinity) < this.#kernel.now - UNFLUSHED_MS) moments.shift();
  }

  /** What the next owner would find. */
  state(ticket: TicketId): TicketState {
    const live = [...this.reservations(ticket).values()].map(({ r }) => r);
    const stored = storedTicket(ticket, this.meta(ticket), live, this.remote(ticket).entries());
    return stored?.state ?? initialState(ticket);
  }

  /** It comes back without what was written last. `share`: of its last second, from 0 to 1. */
  loseLast(share: number, newRun: boolean): void {
    const since = this.#kernel.now - UNFLUSHED_MS * share;
    const moment = this.#moments.find(({ at }) => at >= since);
    this.#moments.length = 0;
    if (!moment) {
      if (newRun) this.restart();
      return;
    }
    this.restore(moment.snapshot, newRun);
    this.#checks.redisLost(moment.mark);
  }

  loseAll(newRun: boolean): void {
    this.#moments.length = 0;
    this.flush(newRun);
    this.#checks.redisLost(new Map());
  }
}
