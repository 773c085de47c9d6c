/**
 * A worker process: the actors of the tickets it owns.
 *
 * Guarantees: every ticket that has something to do gets an owner, a wake-up lost or not; the tickets are
 * spread over the live workers by rendezvous hashing, so that workers rarely ask for the same one; a dead
 * worker's tickets are taken when its lease ends, a stopped one's at once; an idle ticket has no owner and
 * costs nothing but its place in the sweep. A worker that meets data of a newer version stands down: its tickets are
 * left to the other workers, and while there are none it goes on with what it understands.
 */
import { createHash } from 'node:crypto';
import type { Logger } from '../process/log.js';
import { parseTicketName, ticketName } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { TicketActor, type ActorDeps } from './actor.js';
import type { Clock, Pulse, TicketStore } from './ports.js';

/** Which workers live. */
export interface Membership {
  /** Says that this worker lives, and answers who else does, itself included. */
  beat(workerId: string): Promise<readonly string[]>;
  /** Who lives, with nothing said. */
  members(): Promise<readonly string[]>;
  leave(workerId: string): Promise<void>;
}

/** Wake-ups between processes. */
export interface WakeUps {
  /** `onWake` gets ticket names; `onReset` says that some may have been missed. */
  listen(onWake: (name: string) => void, onReset: () => void): Promise<() => void>;
  /** Tells the other workers that a ticket waits for an owner. */
  wake(ticket: TicketId): Promise<void>;
  /** Tells them that the members changed and many may wait; heard as `EVERYTHING`. */
  wakeAll(): Promise<void>;
}

/** What `onWake` gets in place of a ticket's name when all tickets are to be looked at. */
export const EVERYTHING = '*';

export interface HostOptions {
  readonly workerId: string;
  readonly actor: ActorDeps;
  readonly store: Pick<TicketStore, 'pulse'>;
  readonly membership: Membership;
  readonly wakeUps: WakeUps;
  readonly clock: Clock;
  readonly logger: Logger;
  /** All tickets there are. */
  readonly tickets: () => readonly TicketId[];
  readonly sweepMs: number;
  readonly snapshotMs: number;
  /** A ticket without work for this long is given up, milliseconds. */
  readonly idleReleaseMs: number;
  /** Hears the waiting and active jobs of every ticket after each sweep. */
  readonly onPulse?: (pulses: readonly Pulse[]) => void;
}

/** Sweeps that a ticket must need attention in before a worker that is not preferred takes it. */
const PATIENCE_SWEEPS = 3;

export class ActorHost {
  readonly #options: HostOptions;
  readonly #actors = new Map<string, TicketActor>();
  readonly #neglected = new Map<string, number>();
  #members: readonly string[] = [];
  #unlisten: (() => void) | null = null;
  #cancelSweep: (() => void) | null = null;
  #sweeping: Promise<void> = Promise.resolve();
  #lastSnapshotAt = 0;
  /** It met data of a newer version, and other workers live. */
  #isDown = false;
  #stopped = false;

  constructor(options: HostOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#members = await this.#options.membership.beat(this.#options.workerId);
    this.#unlisten = await this.#options.wakeUps.listen(
      (name) => this.#onWake(name),
      () => this.#onReset(),
    );
    this.#sweepSoon(0);
  }

  /** Finishes the jobs at hand and hands every ticket over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unlisten?.();
    this.#cancelSweep?.();
    await this.#sweeping;
    await this.#options.membership.leave(this.#options.workerId);
    const owned = [...this.#actors.values()];
    await Promise.all(owned.map((actor) => actor.release()));
    await this.#options.wakeUps.wakeAll();
  }

  /** Tickets this worker has now. */
  get owned(): readonly TicketActor[] {
    return [...this.#actors.values()].filter((actor) => actor.owned);
  }

  /** Tickets that this worker leaves to a newer version, and why. */
  get newer(): readonly { readonly ticket: TicketId; readonly reason: string }[] {
    return [...this.#actors.values()].flatMap(({ ticket, newer }) =>
      newer ? [{ ticket, reason: newer.message }] : [],
    );
  }

  #actor(ticket: TicketId): TicketActor {
    const name = ticketName(ticket);
    let actor = this.#actors.get(name);
    if (!actor) {
      actor = new TicketActor(ticket, this.#options.actor);
      this.#actors.set(name, actor);
    }
    return actor;
  }

  #isPreferred(name: string): boolean {
    return preferredMember(name, this.#members) === this.#options.workerId;
  }

  #onWake(name: string): void {
    if (name === EVERYTHING) {
      if (!this.#stopped) this.#sweepSoon(0);
      return;
    }
    const ticket = parseTicketName(name);
    if (!ticket || this.#stopped || this.#isDown) return;
    if (this.#actors.get(name)?.owned || this.#isPreferred(name)) this.#actor(ticket).poke();
  }

  /** Redis was away: what we own may have been lost or taken, and wake-ups were missed. */
  #onReset(): void {
    if (this.#stopped) return;
    for (const actor of this.owned) this.#reclaim(actor);
    this.#sweepSoon(0);
  }

  #reclaim(actor: TicketActor): void {
    actor.reclaim().catch((error: unknown) => {
      this.#options.logger.error({ err: error }, 'could not look at a ticket again');
    });
  }

  #sweepSoon(delayMs: number): void {
    this.#cancelSweep?.();
    this.#cancelSweep = this.#options.clock.schedule(delayMs, () => {
      this.#sweeping = this.#sweep()
        .catch((error: unknown) => {
          this.#options.logger.warn({ err: error }, 'could not sweep the tickets; trying again');
        })
        .finally(() => {
          if (!this.#stopped) this.#sweepSoon(this.#options.sweepMs);
        });
    });
  }

  async #sweep(): Promise<void> {
    this.#members = await this.#meet();
    const pulses = await this.#options.store.pulse(this.#options.tickets());
    this.#options.onPulse?.(pulses);
    const now = this.#options.clock.now();
    if (!this.#isDown) for (const pulse of pulses) this.#attend(pulse, now);
    await this.#giveUpIdle(now);
    if (now - this.#lastSnapshotAt >= this.#options.snapshotMs) {
      this.#lastSnapshotAt = now;
      this.#snapshotAll();
    }
  }

  /** The members among whom tickets are shared out; one that stands down is none, unless it is alone. */
  async #meet(): Promise<readonly string[]> {
    const { membership, workerId, logger } = this.#options;
    if (this.newer.length === 0) {
      this.#isDown = false;
      return membership.beat(workerId);
    }
    const wasDown = this.#isDown;
    await membership.leave(workerId);
    const others = await membership.members();
    this.#isDown = others.length > 0;
    if (this.#isDown && !wasDown) {
      const [first] = this.newer;
      logger.error(
        { reason: first?.reason, others },
        'this worker stands down, because a newer version is at work: the others have its tickets; stop it',
      );
    }
    return this.#isDown ? others : [workerId];
  }

  #attend({ ticket, waiting, active, dueAt, isOut }: Pulse, now: number): void {
    const name = ticketName(ticket);
    const needed = waiting > 0 || active > 0 || dueAt === null || (dueAt > 0 && dueAt <= now);
    if (!needed) {
      this.#neglected.delete(name);
      // What a dead owner left on its way out. An owner that lives is at it, however long the log is away.
      if (!isOut && this.#isPreferred(name) && !this.#actors.get(name)?.owned) this.#actor(ticket).poke();
      return;
    }
    const sweeps = (this.#neglected.get(name) ?? 0) + 1;
    this.#neglected.set(name, sweeps);
    const owned = this.#actors.get(name)?.owned ?? false;
    if (owned && dueAt === null) {
      // Redis went away while the ticket was being taken: what its owner has read is of the run before.
      this.#reclaim(this.#actor(ticket));
      return;
    }
    // A ticket that still needs attention after a while may have a preferred worker that is stuck.
    if (owned || this.#isPreferred(name) || sweeps > PATIENCE_SWEEPS) {
      this.#actor(ticket).poke(active > 0 && sweeps > 1);
    }
  }

  async #giveUpIdle(now: number): Promise<void> {
    const leaving = this.owned.filter((actor) => {
      const moved = !this.#isPreferred(ticketName(actor.ticket));
      return moved || now - actor.idleSince >= this.#options.idleReleaseMs;
    });
    await Promise.all(
      leaving.map(async (actor) => {
        await actor.release();
        if (!this.#isPreferred(ticketName(actor.ticket))) await this.#options.wakeUps.wake(actor.ticket);
      }),
    );
  }

  #snapshotAll(): void {
    for (const actor of this.owned) {
      actor.saveSnapshot(true).catch((error: unknown) => {
        this.#options.logger.warn({ err: error, ticket: ticketName(actor.ticket) }, 'no snapshot this time');
      });
    }
  }
}

/** Rendezvous hashing: each ticket's favourite among the members; a change moves only what it must. */
export function preferredMember(name: string, members: readonly string[]): string | null {
  let best: string | null = null;
  let bestScore = '';
  for (const member of members) {
    const score = createHash('md5').update(`${member}\n${name}`).digest('hex');
    if (score > bestScore) {
      best = member;
      bestScore = score;
    }
  }
  return best;
}
