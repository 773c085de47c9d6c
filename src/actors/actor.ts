/**
 * One ticket's actor: the only writer of its state while it has the ticket.
 *
 * Guarantees:
 *  - every job is decided by the pure rules on the newest state and written by one compare-and-commit; an
 *    owner that lost the ticket (paused past its lease, replaced) writes nothing, because the commit compares
 *    the owner token and the version;
 *  - a command id takes effect once, whatever is repeated: ids are recorded with their outcome in the commit
 *    that gives them effect, refusals too;
 *  - a job is completed only after its commit;
 *  - a Redis that lost writes is noticed at the claim (another run of the server, nothing there, or less than
 *    the archive has) or at the commit (not the version this owner left), and the ticket is rebuilt from the
 *    archive under a new incarnation before anything is decided;
 *  - a command that names the incarnation in which what its sender sent before took effect is decided in no other;
 *  - what may be told only when durable is handed to the relay, which tells it then;
 *  - who asked for a hold that the log decides is answered with the commit of the decision, and the outcome is on record
 *    for who asks after an owner that died in between.
 */
import {
  ArchiveUnavailableError,
  type Archive,
  type CommittedEvent,
  type LedgerPosition,
} from '../archive/port.js';
import type { Logger } from '../process/log.js';
import { ticketName } from '../redis/keys.js';
import { apply, cardKey, decide, initialState, isSpokenFor } from '../rules/index.js';
import type { Decision, Outcome, Policy, Reservation, Told } from '../rules/index.js';
import type { Command, TicketId, TicketState } from '../rules/index.js';
import type {
  Answer,
  Clock,
  CommandBody,
  CommandEnvelope,
  Commit,
  Cursors,
  Lease,
  Leases,
  RecordedOutcome,
  Reply,
  StoredTicket,
  TakenJob,
  TicketQueues,
  TicketStore,
} from './ports.js';
import { comparePositions } from './position.js';
import { parseJob, type ParsedJob } from './job.js';
import type { DeferredReply, LaneStart, Relay, RelayLane } from './relay.js';
import {
  decodeState,
  encodeState,
  NewerSchemaError,
  refuseNewerEvent,
  stateVersionOf,
} from './state-codec.js';

/** Tries of one batch before it is given up as a defect; each lost try has a cause that ends. */
const COMMIT_TRIES_MAX = 20;
/** Due since ever: what Redis has is not known, so the first look after a claim writes the exact time. */
const DUE_UNKNOWN = 1;
/** Outbox entries read at once when an owner takes over. */
const OUTBOX_PAGE = 1_000;
/** A snapshot waits this long for the log, milliseconds. */
const SNAPSHOT_WAIT_MS = 10_000;
/** Until a ticket with data of a newer version is looked at again. */
const NEWER_LOOK_MS = 30_000;
/** Before every event. */
const NOWHERE: LedgerPosition = { incarnation: 0, sequence: 0 };
/** Outcomes that may be told only when their event is archived. */
const DURABLE_OUTCOMES: ReadonlySet<Outcome['kind']> = new Set([
  'paying',
  'reserved',
  'refunded',
  'waiting',
  'left_waiting_list',
]);

/** What a full outbox has no room for. */
const NEW_COMMANDS: ReadonlySet<CommandBody['type']> = new Set(['hold', 'joinWaitingList']);

/** Who is told of one decision of the log, at most; others find it on record or ask again. */
const ASKERS_MAX = 10;
/** For so long the outcome of a hold that the log decided stays on record, when its sender's wish is not known any more. */
const ANSWER_KEEP_MS = 24 * 60 * 60 * 1_000;

/** What operators decide is told when it stands for good. */
const OPERATORS_COMMANDS: ReadonlySet<CommandBody['type']> = new Set([
  'close',
  'pause',
  'decideOrphan',
  'releaseRemote',
]);

export interface ActorDeps {
  readonly store: TicketStore;
  readonly queues: TicketQueues;
  readonly leases: Leases;
  readonly archive: Pick<
    Archive,
    'append' | 'openIncarnation' | 'head' | 'events' | 'snapshot' | 'saveSnapshot'
  >;
  readonly relay: Pick<Relay, 'open'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Never the same twice, in whatever process. */
  readonly newId: () => string;
  readonly policy: Policy;
  /** Distinguishes this worker in owner tokens and logs. */
  readonly workerId: string;
  readonly leaseMs: number;
  /** A PAYING reservation is looked after this often, milliseconds. */
  readonly paymentCheckMs: number;
  /** Unarchived or unpublished events per ticket past which nothing new is sold. */
  readonly outboxEntriesMax: number;
  /** A ticket with data of a newer version is looked at again after this, milliseconds. */
  readonly newerLookMs?: number;
  /** Asks for a PAYING reservation to be compared with its payment. Must not block. */
  readonly settle: (reservation: Reservation) => void;
  readonly deadLetter: (ticket: TicketId, reason: string, raw: unknown) => Promise<void>;
  /** The ticket was rebuilt from the archive: what Redis alone knew of other marketplaces is to be read again. */
  readonly rebuilt: (ticket: TicketId) => void;
  readonly observe: ActorObserver;
}

/** What metrics hear. */
export interface ActorObserver {
  committed(ticket: TicketId, batch: { commands: number; events: number; ms: number }): void;
  event(event: CommittedEvent): void;
}

/** The actor lost the ticket; whoever has it now goes on. */
class LostTicketError extends Error {
  override readonly name = 'LostTicketError';
}

/** What an owner knows of its ticket. */
interface Hold {
  readonly owner: string;
  readonly runId: string;
  readonly lane: RelayLane;
  incarnation: number;
  sequence: number;
  version: number;
  state: TicketState;
  /** Lower bound of the next time a reservation needs attention; 0 for none. */
  dueAt: number;
  /** Who waits for the log to decide on a reservation, by its id. Gone with the owner: the outcome is on record. */
  readonly askers: Map<string, CommandEnvelope[]>;
}

/** What the archive says of a ticket. */
interface Rebuilt {
  readonly state: TicketState;
  readonly published: LedgerPosition;
}

/** A batch decided but not committed. */
interface Draft {
  readonly state: TicketState;
  readonly events: CommittedEvent[];
  readonly results: Map<string, Answer>;
  readonly records: Commit['records'][number][];
  readonly guards: Map<string, number>;
  /** What the log decided for who asked earlier, by reservation. */
  readonly answers: ReadonlyMap<string, RecordedOutcome>;
}

export class TicketActor {
  readonly ticket: TicketId;
  readonly #deps: ActorDeps;
  readonly #logger: Logger;
  #lease: Lease | null = null;
  #hold: Hold | null = null;
  #running: Promise<void> | null = null;
  #poked = false;
  #orphans = false;
  #stopping = false;
  /** The incarnation that Redis has must not be gone on with: writes were lost, or the archive closed it. */
  #mustReopen = false;
  /** Data of a newer version was met, and until when it is left alone, epoch milliseconds. */
  #newer: { readonly error: NewerSchemaError; readonly until: number } | null = null;
  #cancelExtend: (() => void) | null = null;
  #cancelDue: (() => void) | null = null;
  #lastWorkAt = 0;
  #snapshotAt: LedgerPosition | null = null;
  /** Since when a snapshot waits for the log, epoch milliseconds; 0 when none does. */
  #snapshotWaitsSince = 0;
  readonly #lastCheck = new Map<string, number>();

  constructor(ticket: TicketId, deps: ActorDeps) {
    this.ticket = ticket;
    this.#deps = deps;
    this.#logger = deps.logger.child({ ticket: ticketName(ticket) });
  }

  /** True while this process has the ticket. */
  get owned(): boolean {
    return this.#hold !== null;
  }

  /** Since when nothing happened, epoch milliseconds; not idle while something is on its way out. */
  get idleSince(): number {
    const isAtIt = this.#running !== null || (this.#hold?.lane.backlog ?? 0) > 0;
    return isAtIt ? Number.POSITIVE_INFINITY : this.#lastWorkAt;
  }

  /** What this version does not understand of the ticket, which it leaves to a newer one; null for nothing. */
  get newer(): NewerSchemaError | null {
    return this.#newer?.error ?? null;
  }

  /** The committed state, while owned. */
  get state(): TicketState | null {
    return this.#hold?.state ?? null;
  }

  /** There may be something to do; `orphans` when a job is active that nobody works on. Never rejects. */
  poke(orphans = false): void {
    if (this.#stopping || (this.#newer && this.#deps.clock.now() < this.#newer.until)) return;
    this.#poked = true;
    this.#orphans ||= orphans;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      if (this.#poked) this.poke();
    });
  }

  /** Finishes the job at hand and gives the ticket up, so that another worker can have it at once. */
  async release(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.#leave().catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'gave the ticket up with something left to its successor');
    });
    await this.#drop(true);
    this.#stopping = false;
    if (this.#poked) this.#poked = false;
  }

  /**
   * Takes the ticket, which rebuilds it where Redis lost writes, and gives it up again: no job is worked on, no hold
   * is ended, nothing is told to others; its next owner does. False when somebody else has it.
   */
  async restore(): Promise<boolean> {
    this.#stopping = true;
    await this.#running;
    try {
      return await this.#ensureOwned();
    } finally {
      await this.#drop(true);
      this.#stopping = false;
    }
  }

  /** A snapshot that says that all is published saves a rebuild the search in the log; it waits a while for it. */
  #isSoonPublished(lane: RelayLane): boolean {
    const now = this.#deps.clock.now();
    if (lane.toPublish.length === 0) this.#snapshotWaitsSince = 0;
    else if (this.#snapshotWaitsSince === 0) this.#snapshotWaitsSince = now;
    return this.#snapshotWaitsSince > 0 && now - this.#snapshotWaitsSince < SNAPSHOT_WAIT_MS;
  }

  /** Leaves nothing to the successor, when what it takes is not away. */
  async #leave(): Promise<void> {
    const lane = this.#hold?.lane;
    if (!lane) return;
    await Promise.race([lane.outAll(), this.#sleep(this.#deps.leaseMs / 5)]);
    // Nothing is committed any more: a published cursor that is written now stays true.
    await lane.leave();
    await this.saveSnapshot(false);
  }

  /** Looks at everything again: Redis came back, and may not be where we left it. */
  async reclaim(): Promise<void> {
    await this.#running;
    // What was told must be in the archive before the ticket is read anew, or be given up after a while.
    const hold = this.#hold;
    if (hold) await Promise.race([hold.lane.archivedAll(), this.#sleep(this.#deps.leaseMs)]);
    await this.#drop(true);
    this.poke();
  }

  /** Keeps the state in the archive, when it grew since the last time; `wait` for the ledger to catch up. */
  async saveSnapshot(wait: boolean): Promise<void> {
    const hold = this.#hold;
    if (!hold || hold.lane.fenced || hold.sequence === 0) return;
    const { incarnation, sequence, state, lane } = hold;
    const isNewer = (): boolean =>
      !this.#snapshotAt || comparePositions(this.#snapshotAt, { incarnation, sequence }) < 0;
    if (!isNewer()) return;
    if (wait) await lane.archivedAll();
    // Only what the ledger has may stand in a snapshot; and it may have been saved while this one waited.
    if (lane.fenced || comparePositions(lane.archived, { incarnation, sequence }) < 0 || !isNewer()) return;
    if (wait && this.#isSoonPublished(lane)) return;
    const previous = this.#snapshotAt;
    this.#snapshotAt = { incarnation, sequence };
    try {
      await this.#deps.archive.saveSnapshot({
        ticket: this.ticket,
        incarnation,
        sequence,
        schema: stateVersionOf(state),
        takenAt: this.#deps.clock.now(),
        published: lane.published,
        state: encodeState(state),
      });
    } catch (error) {
      this.#snapshotAt = previous;
      throw error;
    }
  }

  async #run(): Promise<void> {
    this.#poked = false;
    try {
      if (!(await this.#ensureOwned())) return;
      await this.#work();
      this.#newer = null;
    } catch (error) {
      await this.#drop(!(error instanceof LostTicketError));
      if (error instanceof NewerSchemaError) this.#leaveToNewer(error);
      else if (!(error instanceof LostTicketError)) {
        this.#logger.error({ err: error }, 'the actor gave its ticket up; the next look takes it again');
      }
    }
  }

  /** Told once: it is looked at again and again. */
  #leaveToNewer(error: NewerSchemaError): void {
    const { clock, newerLookMs = NEWER_LOOK_MS } = this.#deps;
    if (!this.#newer) {
      this.#logger.error({ err: error }, 'a newer version wrote this: the ticket is left to its workers');
    }
    this.#newer = { error, until: clock.now() + newerLookMs };
    this.#poked = false;
  }

  async #work(): Promise<void> {
    const { queues } = this.#deps;
    await this.#handleDue();
    if (this.#orphans) {
      this.#orphans = false;
      await queues.recover(this.ticket);
    }
    let job = await queues.next(this.ticket, null);
    while (job) {
      await this.#handleJob(job);
      if (this.#stopping) {
        await queues.complete(this.ticket, job);
        break;
      }
      job = await queues.next(this.ticket, job);
      await this.#handleDue();
    }
    this.#lastWorkAt = this.#deps.clock.now();
    this.#armDue();
  }

  // ---- having the ticket ------------------------------------------------------------------------------

  async #ensureOwned(): Promise<boolean> {
    if (this.#hold) {
      if (!this.#hold.lane.fenced) return true;
      this.#mustReopen = true;
      await this.#drop(true);
    }
    const lease = await this.#deps.leases.acquire(this.ticket);
    if (!lease) return false;
    this.#lease = lease;
    this.#armExtend();
    const hold = await this.#load();
    // What a dead owner was working on goes first, or later messages would overtake it.
    for (let tries = 0; !(await this.#deps.queues.recover(this.ticket)); tries += 1) {
      if (tries >= COMMIT_TRIES_MAX) throw new LostTicketError();
      await this.#sleep(Math.min(500, this.#deps.leaseMs / 10));
    }
    // The lease may have ended meanwhile: then somebody else may have claimed it.
    if (this.#lease !== lease) throw new LostTicketError();
    this.#hold = hold;
    this.#logger.debug({ incarnation: hold.incarnation, version: hold.version }, 'took the ticket');
    return true;
  }

  /** What it sold at once has no place in the order of the log, and the other way round. */
  #refuseOtherMode({ opened, ordered }: TicketState): void {
    if (!opened || (ordered !== null) === (this.#deps.policy.ordered ?? false)) return;
    throw new Error(
      `The ticket was opened with SALES_MODE=${ordered ? 'ordered' : 'optimistic'} and is sold with no other: start the worker with it.`,
    );
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.schedule(ms, resolve));
  }

  #armExtend(): void {
    this.#cancelExtend?.();
    this.#cancelExtend = this.#deps.clock.schedule(this.#deps.leaseMs / 3, () => {
      const lease = this.#lease;
      if (!lease) return;
      lease.extend().then(
        (kept) => {
          if (this.#lease !== lease) return;
          if (kept) this.#armExtend();
          else void this.#drop(false);
        },
        () => {
          if (this.#lease === lease) void this.#drop(false);
        },
      );
    });
  }

  async #drop(release: boolean): Promise<void> {
    const lease = this.#lease;
    this.#lease = null;
    this.#hold?.lane.abandon();
    this.#hold = null;
    this.#cancelExtend?.();
    this.#cancelDue?.();
    this.#lastCheck.clear();
    if (lease && release) await lease.release().catch(() => undefined);
  }

  /** Reads the ticket after claiming it, and rebuilds it where Redis may have lost writes. */
  async #load(): Promise<Hold> {
    const owner = `${this.#deps.workerId}/${this.#deps.newId()}`;
    const { runId, stored } = await this.#deps.store.claim(this.ticket, owner);
    if (stored?.runId === runId && !(await this.#isBehindArchive(stored))) {
      const { position, version, state } = stored;
      const hold = this.#holdOf(owner, runId, stored, position, version, state);
      await this.#refillRelay(hold);
      return hold;
    }
    const hold = await this.#openIncarnation(owner, runId, stored);
    this.#mustReopen = false;
    return hold;
  }

  /** The same run of the server can have been given older data. */
  async #isBehindArchive({ position }: StoredTicket): Promise<boolean> {
    if (this.#mustReopen) return true;
    try {
      const head = await this.#deps.archive.head(this.ticket);
      return head !== null && comparePositions(head, position) > 0;
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      // Nothing is sold while it is away, and holds should not wait for it.
      this.#logger.warn({ err: error }, 'took the ticket without asking the archive');
      return false;
    }
  }

  #holdOf(
    owner: string,
    runId: string,
    start: LaneStart,
    position: LedgerPosition,
    version: number,
    state: TicketState,
  ): Hold {
    // Before anything of it is on its way: others would read it as of the other mode.
    this.#refuseOtherMode(state);
    const lane = this.#deps.relay.open(this.ticket, owner, start, () => {
      if (this.#hold?.lane === lane) this.poke();
    });
    const { incarnation, sequence } = position;
    return {
      owner,
      runId,
      lane,
      incarnation,
      sequence,
      version,
      state,
      dueAt: DUE_UNKNOWN,
      askers: new Map(),
    };
  }

  /** Hands the relay what the last owner left: what is archived the ledger has, the rest is in the outbox. */
  async #refillRelay(hold: Hold): Promise<void> {
    for (let after = hold.lane.archived; ;) {
      const events = await this.#deps.store.outbox(this.ticket, after, OUTBOX_PAGE);
      hold.lane.push(events, []);
      const last = events.at(-1);
      if (!last || events.length < OUTBOX_PAGE) break;
      after = last;
    }
    hold.lane.begin();
  }

  /**
   * Redis restarted, lost writes, or knows nothing of the ticket. What its outbox still has goes to the archive
   * first; then the old incarnation is closed, so that no sleeping owner can add to it; then whichever of Redis
   * and the archive is ahead is the truth.
   */
  async #openIncarnation(owner: string, runId: string, stored: StoredTicket | null): Promise<Hold> {
    const refused = stored ? await this.#archiveOutbox(stored) : [];
    const { incarnation, head } = await this.#deps.archive.openIncarnation(this.ticket);
    const behind = head !== null && (!stored || comparePositions(head, stored.position) > 0);
    const rebuilt = behind ? await this.#rebuild(stored?.cursors.published) : null;
    const state = rebuilt?.state ?? stored?.state ?? initialState(this.ticket);
    if (behind) {
      this.#logger.warn(
        { incarnation, head, found: stored?.position },
        'Redis lost writes; rebuilt the ticket',
      );
    }
    const sequence = behind ? 0 : await this.#archiveAnew(refused, head, incarnation);
    const start = { incarnation, sequence };
    const isNew = !stored && !head;
    const published = rebuilt?.published ?? stored?.cursors.published ?? start;
    const cursors: Cursors = { archived: start, published };
    const laneStart = { cursors, publisher: stored?.publisher ?? null, uncertain: !isNew };
    const hold = this.#holdOf(owner, runId, laneStart, start, stored?.version ?? 0, state);
    if (isNew) return hold;
    const result = await this.#commit(hold, {
      ...emptyDraft(state),
      replace: { ...cursors, uncertain: true },
    });
    if (result.kind !== 'committed') throw new LostTicketError();
    await this.#refillRelay(hold);
    if (rebuilt) this.#deps.rebuilt(this.ticket);
    return hold;
  }

  /** Answers the events that the archive refused, because someone closed their incarnation. */
  async #archiveOutbox(stored: StoredTicket): Promise<readonly CommittedEvent[]> {
    const refused: CommittedEvent[] = [];
    let after = stored.cursors.archived;
    for (;;) {
      const events = await this.#deps.store.outbox(this.ticket, after, OUTBOX_PAGE);
      const first = events[0];
      if (!first) return refused;
      const { incarnation } = first;
      const same = events.filter((event) => event.incarnation === incarnation);
      const [result] = await this.#deps.archive.append([{ ticket: this.ticket, incarnation, events: same }]);
      if (result === 'fenced') refused.push(...same);
      after = same.at(-1) ?? first;
    }
  }

  /**
   * A sleeper may have opened an incarnation while another owner committed under the one before: Redis has
   * the events, the ledger has not. They are its first ones under the new incarnation; answers how many.
   */
  async #archiveAnew(
    refused: readonly CommittedEvent[],
    head: LedgerPosition | null,
    incarnation: number,
  ): Promise<number> {
    const events = refused
      .filter((event) => head === null || comparePositions(event, head) > 0)
      .map((event, i) => ({
        ...event,
        incarnation,
        sequence: i + 1,
        formerly: { incarnation: event.incarnation, sequence: event.sequence },
      }));
    if (events.length === 0) return 0;
    // All at once: whoever comes after a crash in between finds all of them in the ledger, or none.
    const [result] = await this.#deps.archive.append([{ ticket: this.ticket, incarnation, events }]);
    if (result === 'fenced') throw new LostTicketError();
    return events.length;
  }

  /** From the archive: the state, and how far others have heard of it for certain. */
  async #rebuild(knownPublished: LedgerPosition | undefined): Promise<Rebuilt> {
    const snapshot = await this.#deps.archive.snapshot(this.ticket);
    let state = snapshot
      ? decodeState(this.ticket, snapshot.schema, snapshot.state)
      : initialState(this.ticket);
    const known = snapshot ?? NOWHERE;
    // Whichever says most was true when it was written.
    const published = latest(knownPublished ?? NOWHERE, snapshot?.published ?? NOWHERE);
    for await (const { event } of this.#deps.archive.events(this.ticket, known)) {
      refuseNewerEvent(this.ticket, event);
      state = apply(state, event);
    }
    return { state, published };
  }

  // ---- working on jobs --------------------------------------------------------------------------------

  async #handleJob(job: TakenJob): Promise<void> {
    const parsed = await this.#parse(job);
    if (parsed.kind === 'malformed') {
      await this.#deps.deadLetter(this.ticket, parsed.reason, job.data);
      await this.#deps.queues.bury(this.ticket, job, parsed.reason);
      return;
    }
    await this.#handleCommands(parsed.job.commands);
  }

  /** One of a newer version is put back where it was, first in line. */
  async #parse(job: TakenJob): Promise<ParsedJob> {
    try {
      return parseJob(job.data);
    } catch (error) {
      if (error instanceof NewerSchemaError) await this.#deps.queues.giveBack(this.ticket, job);
      throw error;
    }
  }

  async #handleCommands(commands: readonly CommandEnvelope[]): Promise<void> {
    const startedAt = this.#deps.clock.now();
    const known = new Map<string, RecordedOutcome>();
    const elsewhere = new Map<string, number>();
    for (let tries = 0; tries < COMMIT_TRIES_MAX; tries += 1) {
      const hold = await this.#held();
      const draft = await this.#decideAll(hold, commands, known, elsewhere);
      const result = await this.#commit(hold, { ...draft, commands, known, replace: null });
      switch (result.kind) {
        case 'committed':
          this.#deps.observe.committed(this.ticket, {
            commands: commands.length,
            events: draft.events.length,
            ms: this.#deps.clock.now() - startedAt,
          });
          return;
        case 'repeat':
          for (const [id, outcome] of result.recorded) known.set(id, outcome);
          break;
        case 'guard': {
          const looked = elsewhere.size;
          for (const [person, tally] of result.tallies) elsewhere.set(person, tally);
          // So many may be looked at who wait that each try finds others out; there is an end of them.
          if (elsewhere.size > looked) tries -= 1;
          break;
        }
        case 'fenced':
          await this.#drop(false);
          throw new LostTicketError();
        case 'behind':
          await this.#recoverFromLoss(hold);
          break;
      }
    }
    throw new Error(
      `A batch of ${commands.length} commands could not be committed in ${COMMIT_TRIES_MAX} tries`,
    );
  }

  async #held(): Promise<Hold> {
    if (!(await this.#ensureOwned()) || !this.#hold) throw new LostTicketError();
    return this.#hold;
  }

  /** Redis is not where we left it. What we committed and told must be in the archive before we read it. */
  async #recoverFromLoss(hold: Hold): Promise<void> {
    this.#logger.warn({ version: hold.version }, 'Redis is behind its owner: it lost writes');
    await hold.lane.archivedAll();
    this.#mustReopen = true;
    await this.#drop(true);
  }

  async #decideAll(
    hold: Hold,
    commands: readonly CommandEnvelope[],
    known: ReadonlyMap<string, RecordedOutcome>,
    elsewhere: ReadonlyMap<string, number>,
  ): Promise<Draft> {
    const now = this.#deps.clock.now();
    const draft = new DraftBuilder(hold, this.ticket, this.#deps.policy, { known, elsewhere });
    for (const reservation of hold.state.reservations.values()) {
      if (hold.dueAt === 0 || hold.dueAt > now) break;
      draft.expireIfDue(reservation, now);
    }
    const full = hold.lane.backlog >= this.#deps.outboxEntriesMax;
    if (full) await this.#recallInto(draft, commands);
    for (const envelope of commands) {
      if (known.has(envelope.id) || draft.results.has(envelope.id)) continue;
      const { incarnation = hold.incarnation } = envelope;
      if (now > envelope.deadline) draft.results.set(envelope.id, { kind: 'deadline_passed' });
      else if (incarnation !== hold.incarnation)
        draft.results.set(envelope.id, { kind: 'incarnation_passed' });
      else if (full && NEW_COMMANDS.has(envelope.body.type))
        draft.results.set(envelope.id, { kind: 'outbox_full' });
      else await this.#decideOne(draft, envelope, now);
    }
    draft.serveIfDue(now);
    return draft;
  }

  /** A full outbox refuses what is new; what took effect before is told as it was. */
  async #recallInto(draft: Draft, commands: readonly CommandEnvelope[]): Promise<void> {
    const ids = commands.filter(({ body }) => NEW_COMMANDS.has(body.type)).map(({ id }) => id);
    for (const [id, outcome] of await this.#deps.store.recall(this.ticket, ids))
      draft.results.set(id, outcome);
  }

  async #decideOne(draft: DraftBuilder, envelope: CommandEnvelope, now: number): Promise<void> {
    try {
      draft.decide(envelope, now);
    } catch (error) {
      // A defect of ours: this command is set aside, the others go on.
      this.#logger.error({ err: error, commandId: envelope.id }, 'a command could not be decided');
      await this.#deps.deadLetter(this.ticket, `could not be decided: ${String(error)}`, envelope);
      draft.results.set(envelope.id, { kind: 'failed' });
    }
  }

  /** Writes a draft and, when it took effect, moves on to its state and hands its events to the relay. */
  async #commit(
    hold: Hold,
    draft: Draft & {
      readonly replace: Commit['replace'];
      readonly commands?: readonly CommandEnvelope[];
      readonly known?: ReadonlyMap<string, RecordedOutcome>;
    },
  ) {
    const { now, later } = splitReplies(draft.commands ?? [], draft, hold);
    const dueAt = this.#dueAfter(hold, draft);
    const isIdle = isEmptyDraft(draft) && now.size === 0 && dueAt === hold.dueAt;
    // Even a refusal that changes nothing goes through the compare: only the owner may give it.
    if (draft.replace === null && isIdle && hold.version > 0) {
      hold.lane.push([], later);
      awaitAnswers(hold, draft);
      return { kind: 'committed' } as const;
    }
    const unanswered = askedBy(draft);
    const commit: Commit = {
      commitId: this.#deps.newId(),
      owner: hold.owner,
      version: hold.version,
      runId: hold.runId,
      incarnation: hold.incarnation,
      before: hold.state,
      after: draft.state,
      events: draft.events,
      records: draft.records,
      // What the log decided of it before, and Redis still knows, is its outcome: it does not ask again.
      ...(unanswered.length > 0 && { unanswered }),
      replies: now,
      guards: draft.guards,
      dueAt,
      // The first commit of a ticket that Redis does not know writes all of it.
      replace: draft.replace ?? (hold.version === 0 ? { ...cursorsOf(hold.lane), uncertain: false } : null),
    };
    const result = await this.#deps.store.commit(this.ticket, commit);
    if (result.kind === 'committed') {
      hold.version += 1;
      hold.sequence += draft.events.length;
      hold.state = draft.state;
      hold.dueAt = dueAt;
      hold.lane.push(draft.events, later);
      awaitAnswers(hold, draft);
      for (const event of draft.events) this.#deps.observe.event(event);
      this.#armDue();
    }
    return result;
  }

  // ---- timers -----------------------------------------------------------------------------------------

  #isDue(): boolean {
    const dueAt = this.#hold?.dueAt ?? 0;
    return dueAt > 0 && dueAt <= this.#deps.clock.now();
  }

  /** Ends what has expired, and asks after payments that take long. */
  async #handleDue(): Promise<void> {
    if (!this.#isDue()) return;
    const { state } = await this.#held();
    const now = this.#deps.clock.now();
    for (const reservation of state.reservations.values()) {
      if (reservation.status !== 'PAYING' || this.#paymentDue(reservation) > now) continue;
      this.#lastCheck.set(reservation.id, now);
      this.#deps.settle(reservation);
    }
    await this.#handleCommands([]);
  }

  #paymentDue({ id, updatedAt }: Reservation): number {
    return Math.max(updatedAt, this.#lastCheck.get(id) ?? 0) + this.#deps.paymentCheckMs;
  }

  /** Exact next time over all reservations. */
  #nextDue(state: TicketState): number {
    if (isSpokenFor(state)) return this.#deps.clock.now();
    for (const id of this.#lastCheck.keys()) if (!state.reservations.has(id)) this.#lastCheck.delete(id);
    let next = Number.POSITIVE_INFINITY;
    for (const reservation of state.reservations.values()) {
      if (reservation.status === 'PENDING') next = Math.min(next, reservation.expiresAt);
      if (reservation.status === 'PAYING') next = Math.min(next, this.#paymentDue(reservation));
    }
    return Number.isFinite(next) ? next : 0;
  }

  /** Next time after a draft: exact when something was due, else a bound that needs no walk over them all. */
  #dueAfter(hold: Hold, draft: Draft): number {
    const now = this.#deps.clock.now();
    if (isSpokenFor(draft.state)) return now;
    if (hold.dueAt > 0 && hold.dueAt <= now) return this.#nextDue(draft.state);
    let next = hold.dueAt === 0 ? Number.POSITIVE_INFINITY : hold.dueAt;
    for (const { event } of draft.events) {
      if (event.type === 'held') next = Math.min(next, event.reservation.expiresAt);
      if (event.type === 'paymentStarted') next = Math.min(next, event.at + this.#deps.paymentCheckMs);
    }
    return Number.isFinite(next) ? next : 0;
  }

  #armDue(): void {
    this.#cancelDue?.();
    const dueAt = this.#hold?.dueAt ?? 0;
    if (dueAt === 0) return;
    // A timer further away than this would overflow; the sweep looks again anyway.
    const delayMs = Math.min(Math.max(0, dueAt - this.#deps.clock.now()), 60_000);
    this.#cancelDue = this.#deps.clock.schedule(delayMs, () => {
      // A timer may come a little early, or on the way to a time that is too far off for one.
      if (this.#isDue()) this.poke();
      else this.#armDue();
    });
  }
}

/** Decides commands one after another, each on the state that the ones before it leave. */
class DraftBuilder implements Draft {
  state: TicketState;
  readonly events: CommittedEvent[] = [];
  readonly results = new Map<string, Answer>();
  readonly records: Commit['records'][number][] = [];
  readonly guards = new Map<string, number>();
  readonly answers = new Map<string, RecordedOutcome>();
  readonly #ticket: TicketId;
  readonly #policy: Policy;
  readonly #incarnation: number;
  readonly #elsewhere: ReadonlyMap<string, number>;
  readonly #askers: Hold['askers'];
  readonly #known: ReadonlyMap<string, RecordedOutcome>;
  #sequence: number;

  constructor(
    hold: Hold,
    ticket: TicketId,
    policy: Policy,
    {
      known,
      elsewhere,
    }: {
      readonly known: ReadonlyMap<string, RecordedOutcome>;
      readonly elsewhere: ReadonlyMap<string, number>;
    },
  ) {
    this.state = hold.state;
    this.#askers = hold.askers;
    this.#known = known;
    this.#ticket = ticket;
    this.#policy = policy;
    this.#elsewhere = elsewhere;
    this.#incarnation = hold.incarnation;
    this.#sequence = hold.sequence;
  }

  expireIfDue(reservation: Reservation, now: number): void {
    if (reservation.status !== 'PENDING' || reservation.expiresAt > now) return;
    const command: Command = {
      type: 'expire',
      id: `expire/${reservation.id}`,
      at: now,
      reservationId: reservation.id,
    };
    this.#run(command, undefined);
  }

  /** The next of those who wait, when the decisions before left some of them for later. */
  serveIfDue(now: number): void {
    if (!isSpokenFor(this.state)) return;
    this.#run(
      { type: 'serveWaitingList', id: `serve/${this.#incarnation}-${this.#sequence}`, at: now },
      undefined,
    );
  }

  decide(envelope: CommandEnvelope, now: number): void {
    const { body } = envelope;
    const command = this.#commandOf(envelope, now);
    const outcome = this.#run(command, envelope.requestId);
    this.results.set(envelope.id, outcome);
    // It is sent again under the same id, and must take effect once its ticket is open.
    if ((body.type === 'remote' || body.type === 'own') && outcome.kind === 'not_open') return;
    // What became of it is recorded under this id when the log has decided.
    if (outcome.kind === 'asked') return;
    // Nothing was decided: who asks again under the same id, in a moment, is to be told what can be done then.
    if (outcome.kind === 'being_offered') return;
    this.records.push({
      id: envelope.id,
      keepMs: envelope.keepMs,
      outcome: this.#recorded(outcome, isToldWhenDurable(body, outcome)),
    });
  }

  #recorded(result: Told, whenDurable: boolean): RecordedOutcome {
    if (!whenDurable) return { result };
    return { result, durableAt: { incarnation: this.#incarnation, sequence: this.#sequence } };
  }

  /** Records what the log decided for everybody who is known to have asked for it. */
  #answer({ reservationId, commandId, outcome }: NonNullable<Decision['answer']>): void {
    const recorded = this.#recorded(outcome, DURABLE_OUTCOMES.has(outcome.kind));
    this.answers.set(reservationId, recorded);
    const keep = new Map([[commandId, ANSWER_KEEP_MS]]);
    for (const { id, keepMs } of this.#askers.get(reservationId) ?? []) keep.set(id, keepMs);
    for (const [id, keepMs] of keep) {
      if (!this.#known.has(id)) this.records.push({ id, keepMs, outcome: recorded });
    }
  }

  /** Gives it its time and what it is decided on beyond this ticket, which the commit then guards. */
  #commandOf({ id, body }: CommandEnvelope, at: number): Command {
    const guarded = this.#guarded;
    switch (body.type) {
      case 'hold':
      case 'joinWaitingList':
        return { ...body, id, at, personElsewhere: guarded(body.person) };
      case 'rehold': {
        const { person } = body.reservation;
        const card = body.attemptId === undefined ? body.reservation.card : body.card;
        return { ...body, id, at, personElsewhere: guarded(person), ...withCard(card, guarded) };
      }
      case 'startPayment':
        return { ...body, id, at, ...withCard(body.card, guarded) };
      default:
        return { ...body, id, at };
    }
  }

  /** Assumed 0 until the commit says otherwise: most people buy in one category. */
  readonly #guarded = (key: string): number => {
    const tally = this.#elsewhere.get(key) ?? 0;
    this.guards.set(key, tally);
    return tally;
  };

  #run(command: Command, requestId: string | undefined): Outcome {
    const { events, outcome, answer } = decide(this.state, command, this.#policy, this.#guarded);
    for (const event of events) {
      this.state = apply(this.state, event);
      this.#sequence += 1;
      this.events.push({
        ticket: this.#ticket,
        incarnation: this.#incarnation,
        sequence: this.#sequence,
        commandId: command.id,
        event,
        ...(requestId !== undefined && { requestId }),
      });
    }
    if (answer) this.#answer(answer);
    return outcome;
  }
}

function withCard(
  card: string | undefined,
  guarded: (key: string) => number,
): { readonly cardElsewhere?: number } {
  return card === undefined ? {} : { cardElsewhere: guarded(cardKey(card)) };
}

const latest = (a: LedgerPosition, b: LedgerPosition): LedgerPosition => (comparePositions(a, b) < 0 ? b : a);

/** What nobody would send again if Redis lost it after it was answered. */
function isToldWhenDurable(body: CommandBody, { kind }: Outcome): boolean {
  if (DURABLE_OUTCOMES.has(kind)) return true;
  if (OPERATORS_COMMANDS.has(body.type)) return kind !== 'unchanged';
  // A message of a log is read again; one that came another way is not.
  return body.type === 'remote' && !body.position && (kind === 'applied' || kind === 'orphaned');
}

const cursorsOf = ({ archived, published }: Cursors): Cursors => ({ archived, published });

const emptyDraft = (state: TicketState): Draft => ({
  state,
  events: [],
  results: new Map(),
  records: [],
  guards: new Map(),
  answers: new Map(),
});

/** Who was answered waits no more; who asked does from now on. */
function awaitAnswers(
  hold: Hold,
  { answers, commands = [], results }: Draft & { readonly commands?: readonly CommandEnvelope[] },
): void {
  for (const id of answers.keys()) hold.askers.delete(id);
  for (const envelope of commands) {
    if (results.get(envelope.id)?.kind === 'asked') awaitAnswer(hold, envelope);
  }
}

/** One that asks again under the same id waits in its place. */
function awaitAnswer({ askers }: Hold, envelope: CommandEnvelope): void {
  const { body } = envelope;
  if (body.type !== 'hold' && body.type !== 'rehold') return;
  const reservationId = body.type === 'hold' ? body.reservationId : body.reservation.id;
  const others = (askers.get(reservationId) ?? []).filter(({ id }) => id !== envelope.id);
  askers.set(reservationId, [...others, envelope].slice(-ASKERS_MAX));
}

/** Commands whose outcome the log decides. */
const askedBy = ({ results }: Draft): readonly string[] =>
  [...results].filter(([, { kind }]) => kind === 'asked').map(([id]) => id);

const isEmptyDraft = (draft: Draft): boolean => draft.events.length === 0 && draft.records.length === 0;

/** Sorts replies into those the commit may send and those that wait for the archive. */
function splitReplies(
  commands: readonly CommandEnvelope[],
  draft: Draft & { readonly known?: ReadonlyMap<string, RecordedOutcome> },
  hold: Hold,
): { now: Map<string, Reply[]>; later: DeferredReply[] } {
  const now = new Map<string, Reply[]>();
  const later: DeferredReply[] = [];
  const fresh = new Map(draft.records.map(({ id, outcome }) => [id, outcome]));
  const tell = (
    { id, replyTo, deadline }: CommandEnvelope,
    recorded: RecordedOutcome | undefined,
    result: Answer | undefined,
  ): void => {
    if (replyTo === undefined || !result) return;
    const durableAt = recorded?.durableAt;
    if (durableAt && comparePositions(durableAt, hold.lane.archived) > 0) {
      later.push({ gatewayId: replyTo, reply: { id, result }, durableAt });
    } else {
      const reply: Reply = recorded ? { id, result } : { id, result, deadline };
      now.set(replyTo, [...(now.get(replyTo) ?? []), reply]);
    }
  };
  for (const command of commands) {
    const recorded = draft.known?.get(command.id) ?? fresh.get(command.id);
    tell(command, recorded, recorded?.result ?? draft.results.get(command.id));
  }
  for (const [reservationId, recorded] of draft.answers) {
    for (const asker of hold.askers.get(reservationId) ?? []) tell(asker, recorded, recorded.result);
  }
  return { now, later };
}
