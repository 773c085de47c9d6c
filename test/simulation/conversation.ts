/** A seeded conversation with a Redis: what owners, gateways and workers say to it, right and wrong. */
import fc from '../helpers/property.js';
import type { Commit, CommandJob, Lease, RecordedOutcome, Reply, TakenJob } from '../../src/actors/ports.js';
import { SCHEMA_VERSION } from '../../src/actors/state-codec.js';
import type { CommittedEvent, LedgerPosition } from '../../src/archive/port.js';
import { seeded, wholeFrom, type Random } from '../../src/peer/random.js';
import { ticketName } from '../../src/redis/keys.js';
import { apply, decide, initialState } from '../../src/rules/index.js';
import type { Command, Policy, Reservation, TicketId, TicketState } from '../../src/rules/index.js';
import { commands, POLICY } from '../rules/commands.js';
import { PROCESSES, seenOf, type Moment, type Pair, type Twins } from './twins.js';
import { told } from '../helpers/told.js';

/** Two of one match, whose tallies guard each other, and one of another. */
export const TICKETS: readonly TicketId[] = [
  { matchNumber: 7, category: 3 },
  { matchNumber: 7, category: 1 },
  { matchNumber: 8, category: 3 },
];
const GATEWAYS = ['gate', 'wicket'] as const;
const WORKERS = ['ann', 'bea', 'cyd'] as const;
const PUBLISHERS = ['north', 'south', '?', null] as const;
const PERSONS = ['ann', 'bob', 'cy', 'card:visa'] as const;
/** Far enough from each other to be told apart by what is left of them. */
const KEEP_MS = [300_000, 600_000, 3_600_000] as const;
/** Reservations end up in few hands by these rules; more are allowed, so that more is stored. */
const CONVERSATION_POLICY: Policy = { ...POLICY, ticketsPerPersonMax: 9 };
/** Owners of a ticket that are remembered: the last is the one, the others are late. */
const OWNERS_MAX = 3;
const REMEMBERED_MAX = 12;

/** What an owner knows of its ticket, or believes to know. */
interface Owner {
  readonly token: string;
  incarnation: number;
  sequence: number;
  version: number;
  state: TicketState;
}

/** A commit in the words of each side: they call the run of the server by different names. */
type CommitOf = (side: 'real' | 'memory') => Commit;

interface TicketTalk {
  readonly ticket: TicketId;
  readonly owners: Owner[];
  readonly sent: { readonly commit: CommitOf; readonly text: string }[];
  readonly ids: string[];
  readonly jobs: Pair<TakenJob>[];
  readonly leases: Pair<Lease>[];
  wishes: Command[];
  /** What a claim must find: what the last owner committed. Null after a fault, until the next claim. */
  known: TicketState | null;
}

export class Conversation {
  /** Answers to commits, by kind. */
  readonly commits = new Map<string, number>();
  readonly #twins: Twins;
  readonly #random: Random;
  readonly #talks: readonly TicketTalk[];
  readonly #seed: number;
  #moments: Moment[] = [];
  #made = 0;

  constructor(twins: Twins, seed: number) {
    this.#twins = twins;
    this.#seed = seed;
    this.#random = seeded(seed);
    this.#talks = TICKETS.map((ticket) => ({
      ticket,
      owners: [],
      sent: [],
      ids: [],
      jobs: [],
      leases: [],
      wishes: [],
      known: null,
    }));
  }

  async run(steps: number): Promise<void> {
    for (let i = 0; i < steps; i += 1) await this.#step();
    await this.#twins.compareAll();
  }

  async #step(): Promise<void> {
    const talk = this.#pick(this.#talks);
    this.#twins.clientNow += this.#pick([0, 1, 40, 900, 3_500, -200]);
    const deeds: readonly (readonly [number, () => Promise<unknown>])[] = [
      [60, () => this.#commit(talk)],
      [6, () => this.#claim(talk)],
      [12, () => this.#advance(talk)],
      [4, () => this.#setPublisher(talk)],
      [20, () => this.#read(talk)],
      [30, () => this.#queue(talk)],
      [8, () => this.#lease(talk)],
      [5, () => this.#member(talk)],
      [2, () => this.#fault(talk)],
    ];
    let at = this.#random() * deeds.reduce((sum, [weight]) => sum + weight, 0);
    await deeds.find(([weight]) => (at -= weight) < 0)?.[1]();
  }

  // ---- owners ------------------------------------------------------------------------------------------

  async #claim(talk: TicketTalk): Promise<void> {
    const { ticket } = talk;
    const token = `${this.#pick(WORKERS)}/${this.#newId('claim')}`;
    const { real, memory } = this.#twins.stores;
    const claims = await this.#twins.ask(
      `claim ${ticketName(ticket)} for ${token}`,
      () => real.claim(ticket, token),
      () => memory.claim(ticket, token),
    );
    const stored = claims?.memory.stored ?? null;
    // Both could be wrong in the same way.
    if (talk.known && stored) {
      this.#twins.alike(talk.known, stored.state);
      // A claim does not read them: they guard the other categories.
      this.#twins.alike(talk.known.persons, this.#twins.memory.dumpOf(ticket)?.persons);
    }
    talk.known = stored?.state ?? initialState(ticket);
    const last = talk.owners.at(-1);
    talk.owners.push({
      token,
      incarnation: stored?.position.incarnation ?? (last?.incarnation ?? 0) + 1,
      sequence: stored?.position.sequence ?? 0,
      version: stored?.version ?? 0,
      state: stored?.state ?? initialState(ticket),
    });
    talk.owners.splice(0, talk.owners.length - OWNERS_MAX);
  }

  async #commit(talk: TicketTalk): Promise<void> {
    const isLate = this.#chance(0.06);
    const owner = isLate ? this.#pick(talk.owners) : talk.owners.at(-1);
    if (!owner) return this.#claim(talk);
    const again = this.#chance(0.04) ? this.#pick(talk.sent) : undefined;
    const { commit, text } = again ?? this.#newCommit(talk, owner);
    if (!again) remember(talk.sent, { commit, text });
    const { real, memory } = this.#twins.stores;
    const results = await this.#twins.ask(
      `commit ${again ? 'again ' : ''}${ticketName(talk.ticket)} ${text}`,
      () => real.commit(talk.ticket, commit('real')),
      () => memory.commit(talk.ticket, commit('memory')),
    );
    const kind = results?.memory.kind ?? 'refused';
    this.commits.set(kind, (this.commits.get(kind) ?? 0) + 1);
    if (kind !== 'committed') return;
    const sent = commit('memory');
    if (again || isLate) talk.known = null;
    if (again) return;
    talk.known &&= sent.after;
    owner.version = sent.version + 1;
    owner.state = sent.after;
    owner.incarnation = sent.incarnation;
    owner.sequence = sent.events.at(-1)?.sequence ?? sent.replace?.archived.sequence ?? owner.sequence;
  }

  #newCommit(talk: TicketTalk, owner: Owner): { commit: CommitOf; text: string } {
    const isNew = owner.version === 0 || this.#chance(0.05);
    const incarnation = owner.incarnation + (isNew && owner.version > 0 ? 1 : 0);
    const from = isNew ? 0 : owner.sequence - (this.#chance(0.04) ? 1 : 0);
    const { after, events, records } = this.#decided(talk, owner.state, incarnation, from);
    const start = { incarnation, sequence: from };
    const published = this.#chance(0.5) ? start : this.#position(owner);
    const rest = {
      commitId: this.#newId('commit'),
      owner: owner.token,
      version: owner.version + (this.#chance(0.04) ? this.#pick([-1, 1]) : 0),
      incarnation,
      before: owner.state,
      after,
      events,
      records,
      replies: this.#replies(),
      guards: this.#guards(talk),
      dueAt: this.#pick([0, 1, 12_345]),
      replace: isNew ? { archived: start, published, uncertain: this.#chance(0.5) } : null,
    };
    const isOtherRun = isNew && this.#chance(0.1);
    const commit: CommitOf = (side) => ({
      ...rest,
      runId: isOtherRun ? 'an earlier run' : this.#twins.runId(side),
    });
    const types = events.map(({ event }) => event.type).join(' ');
    return { commit, text: `${rest.commitId} version ${rest.version}${isNew ? ' anew' : ''}: ${types}` };
  }

  #decided(talk: TicketTalk, before: TicketState, incarnation: number, from: number) {
    let after = before;
    const events: CommittedEvent[] = [];
    const records: Commit['records'][number][] = [];
    for (let n = this.#pick([0, 1, 1, 1, 2, 4]); n > 0; n -= 1) {
      const command = this.#command(talk, after);
      const { events: facts, outcome } = decide(after, command, CONVERSATION_POLICY);
      for (const event of facts) {
        after = apply(after, event);
        events.push({
          ticket: talk.ticket,
          incarnation,
          sequence: from + events.length + 1,
          commandId: command.id,
          event,
          ...(this.#chance(0.3) && { requestId: this.#newId('request') }),
        });
      }
      // Before the first event of an incarnation there is no place.
      const sequence = Math.max(0, from + events.length);
      const recorded: RecordedOutcome = this.#chance(0.5)
        ? { result: told(outcome), durableAt: { incarnation, sequence } }
        : { result: told(outcome) };
      records.push({ id: command.id, keepMs: this.#pick(KEEP_MS), outcome: recorded });
      remember(talk.ids, command.id);
    }
    return { after, events, records };
  }

  /** What somebody could want of this state; sometimes by an id that was used before. */
  #command(talk: TicketTalk, state: TicketState): Command {
    if (talk.wishes.length === 0) {
      const numRuns = 8;
      talk.wishes = fc.sample(commands, { seed: this.#seed * 1_000 + (this.#made += 1), numRuns }).flat();
    }
    const wish = talk.wishes.shift() ?? { type: 'reopen', id: '', at: 0 };
    const known = talk.ids.length > 0 && this.#chance(0.04) ? this.#pick(talk.ids) : undefined;
    const id = known ?? this.#newId('c');
    if (wish.type === 'close' && this.#chance(0.7)) return { type: 'reopen', id, at: wish.at };
    if (wish.type === 'decideOrphan' && state.orphans.size > 0) {
      return { ...wish, id, orphanId: this.#pick([...state.orphans.keys()]) };
    }
    const live = [...state.reservations.keys()];
    if ('reservationId' in wish && wish.type !== 'hold' && wish.type !== 'remote' && live.length > 0) {
      return { ...wish, id, reservationId: this.#pick(live) };
    }
    if (wish.type === 'hold') return { ...wish, id, reservationId: this.#newId('r') };
    return { ...wish, id };
  }

  /** What the persons have in the match's other categories, as somebody may have seen it. */
  #guards(talk: TicketTalk): Map<string, number> {
    const guards = new Map<string, number>();
    if (this.#chance(0.6)) return guards;
    for (const person of PERSONS.filter(() => this.#chance(0.5))) {
      let tally = 0;
      for (const { ticket, owners } of this.#talks) {
        if (ticket.matchNumber !== talk.ticket.matchNumber || ticket === talk.ticket) continue;
        tally += owners.at(-1)?.state.persons.get(person) ?? 0;
      }
      guards.set(person, this.#chance(0.1) ? tally + 1 : tally);
    }
    return guards;
  }

  #replies(): Map<string, readonly Reply[]> {
    const replies = new Map<string, readonly Reply[]>();
    if (this.#chance(0.5)) return replies;
    for (const gateway of GATEWAYS) {
      const count = wholeFrom(this.#random, 0, 2);
      const made = Array.from({ length: count }, (): Reply => ({
        id: this.#newId('reply'),
        result: { kind: 'closed' },
      }));
      replies.set(gateway, made);
    }
    return replies;
  }

  async #advance(talk: TicketTalk): Promise<void> {
    const owner = this.#chance(0.1) ? this.#pick(talk.owners) : talk.owners.at(-1);
    if (!owner) return;
    const cursors = { archived: this.#position(owner), published: this.#position(owner) };
    const replies = this.#replies();
    const { real, memory } = this.#twins.stores;
    await this.#twins.ask(
      `advance ${ticketName(talk.ticket)} of ${owner.token} to ${JSON.stringify(cursors)}`,
      () => real.advance(talk.ticket, owner.token, cursors, replies),
      () => memory.advance(talk.ticket, owner.token, cursors, replies),
    );
  }

  async #setPublisher(talk: TicketTalk): Promise<void> {
    const owner = this.#chance(0.2) ? this.#pick(talk.owners) : talk.owners.at(-1);
    if (!owner) return;
    const publisher = this.#pick(PUBLISHERS);
    const published = this.#position(owner);
    const { real, memory } = this.#twins.stores;
    await this.#twins.ask(
      `${String(publisher)} publishes ${ticketName(talk.ticket)}`,
      () => real.setPublisher(talk.ticket, owner.token, publisher, published),
      () => memory.setPublisher(talk.ticket, owner.token, publisher, published),
    );
  }

  /** Somewhere in what the owner has committed, near its end more often. */
  #position({ incarnation, sequence }: Owner): LedgerPosition {
    const back = this.#pick([0, 0, 1, 2, 5, 30]);
    return {
      incarnation: incarnation - (this.#chance(0.05) ? 1 : 0),
      sequence: Math.max(0, sequence - back),
    };
  }

  // ---- readers -----------------------------------------------------------------------------------------

  async #read(talk: TicketTalk): Promise<void> {
    const { real, memory } = this.#twins.stores;
    const { ticket } = talk;
    const both = (what: string, ask: (store: typeof real | typeof memory) => Promise<unknown>) =>
      this.#twins.ask(
        `${what} ${ticketName(ticket)}`,
        () => ask(real),
        () => ask(memory),
      );
    const all = async (found: AsyncGenerator<Reservation>): Promise<unknown> => {
      const by = new Map<string, Reservation>();
      for await (const reservation of found) by.set(reservation.id, reservation);
      return by;
    };
    const owner = talk.owners.at(-1);
    const ids = [...talk.ids.filter(() => this.#chance(0.5)), 'nobody'];
    const reservations = [...(owner?.state.reservations.keys() ?? []), 'r1', 'r2', 'nobody'];
    const id = this.#pick(reservations);
    const after = owner ? this.#position(owner) : { incarnation: 0, sequence: 0 };
    const limit = this.#pick([1, 3, 1_000]);
    await this.#pick([
      () => both(`outbox after ${JSON.stringify(after)} of`, (store) => store.outbox(ticket, after, limit)),
      () => both('recall', (store) => store.recall(ticket, ids)),
      () => both('recall', (store) => store.recall(ticket, ids)),
      () => both(`find ${id} of`, (store) => store.findReservation(ticket, id)),
      () => both(`find ${id} of`, (store) => store.findReservation(ticket, id)),
      () => both('pulse', (store) => store.pulse(TICKETS)),
      () => both('counters', (store) => store.counters(TICKETS)),
      () => both('progress', (store) => store.progress(TICKETS)),
      () => both('holders', (store) => store.holders(TICKETS)),
      () => both('market', (store) => store.market(ticket)),
      () => both('live', (store) => all(store.live(ticket))),
      () => both('sold', (store) => all(store.sold(ticket))),
      () =>
        both('standing', async (store) =>
          // When is known to the millisecond by one side only.
          (await store.standing(TICKETS)).map(({ oldestAt, isOwned }) => [oldestAt !== null, isOwned]),
        ),
    ])();
  }

  // ---- queues, leases, members -------------------------------------------------------------------------

  async #queue(talk: TicketTalk): Promise<void> {
    const { ticket } = talk;
    const process = this.#pick(PROCESSES);
    const pair = this.#twins.queues[process];
    if (!pair) return;
    const { real, memory } = pair;
    const name = `of ${ticketName(ticket)} by ${process}`;
    const job = talk.jobs.length > 0 && this.#chance(0.8) ? this.#pickLate(talk.jobs) : null;
    const of = (side: 'real' | 'memory'): TakenJob => job?.[side] ?? { id: '1', data: null };
    const label = job ? `job ${job.memory.id}` : 'a foreign job';
    await this.#pick([
      () => this.#add(ticket, pair),
      () => this.#add(ticket, pair),
      () => this.#add(ticket, pair),
      () =>
        this.#next(
          talk,
          `next ${name}`,
          () => real.next(ticket, null),
          () => memory.next(ticket, null),
        ),
      () =>
        this.#next(
          talk,
          `next ${name}`,
          () => real.next(ticket, null),
          () => memory.next(ticket, null),
        ),
      () =>
        this.#next(
          talk,
          `next after ${label} ${name}`,
          () => real.next(ticket, of('real')),
          () => memory.next(ticket, of('memory')),
        ),
      () =>
        this.#next(
          talk,
          `next after ${label} ${name}`,
          () => real.next(ticket, of('real')),
          () => memory.next(ticket, of('memory')),
        ),
      () =>
        this.#twins.ask(
          `complete ${label} ${name}`,
          () => real.complete(ticket, of('real')),
          () => memory.complete(ticket, of('memory')),
        ),
      () =>
        this.#twins.ask(
          `give back ${label} ${name}`,
          () => real.giveBack(ticket, of('real')),
          () => memory.giveBack(ticket, of('memory')),
        ),
      () =>
        this.#chance(0.5)
          ? this.#twins.ask(
              `recover ${name}`,
              () => real.recover(ticket),
              () => memory.recover(ticket),
            )
          : this.#twins.ask(
              `bury ${label} ${name}`,
              () => real.bury(ticket, of('real'), 'no reason'),
              () => memory.bury(ticket, of('memory'), 'no reason'),
            ),
      () => (job ? this.#twins.endLock(ticket, job.memory.id) : Promise.resolve()),
    ])();
  }

  #add(ticket: TicketId, { real, memory }: Twins['queues'][number]): Promise<unknown> {
    const body = { type: 'release', reservationId: this.#newId('r') } as const;
    const envelope = { id: this.#newId('c'), body, deadline: 5, keepMs: 6 };
    const job: CommandJob = { schema: SCHEMA_VERSION, commands: [envelope] };
    return this.#twins.ask(
      `add ${envelope.id} to ${ticketName(ticket)}`,
      () => real.add(ticket, job),
      () => memory.add(ticket, job),
    );
  }

  async #next(
    talk: TicketTalk,
    step: string,
    real: () => Promise<TakenJob | null>,
    memory: () => Promise<TakenJob | null>,
  ): Promise<void> {
    const taken: { real?: TakenJob | null; memory?: TakenJob | null } = {};
    await this.#twins.ask(
      step,
      async () => seenOf((taken.real = await real())),
      async () => seenOf((taken.memory = await memory())),
    );
    if (taken.real && taken.memory) remember(talk.jobs, { real: taken.real, memory: taken.memory });
  }

  async #lease(talk: TicketTalk): Promise<void> {
    const pair = this.#twins.leases[this.#pick(PROCESSES)];
    if (!pair) return;
    const { ticket, leases } = talk;
    const name = ticketName(ticket);
    const lease = leases.length > 0 && this.#chance(0.6) ? this.#pickLate(leases) : null;
    if (!lease) {
      const got: { real?: Lease | null; memory?: Lease | null } = {};
      await this.#twins.ask(
        `acquire ${name}`,
        async () => (got.real = await pair.real.acquire(ticket)) !== null,
        async () => (got.memory = await pair.memory.acquire(ticket)) !== null,
      );
      if (got.real && got.memory) remember(leases, { real: got.real, memory: got.memory });
      return;
    }
    const { real, memory } = lease;
    await this.#pick([
      () =>
        this.#twins.ask(
          `extend ${name}`,
          () => real.extend(),
          () => memory.extend(),
        ),
      () =>
        this.#twins.ask(
          `release ${name}`,
          () => real.release(),
          () => memory.release(),
        ),
      () => this.#twins.endLease(ticket),
    ])();
  }

  async #member(talk: TicketTalk): Promise<void> {
    const { members, wakeUps } = this.#twins;
    const worker = this.#pick(WORKERS);
    await this.#pick([
      () =>
        this.#twins.ask(
          `${worker} beats`,
          () => members.real.beat(worker),
          () => members.memory.beat(worker),
        ),
      () =>
        this.#twins.ask(
          `${worker} beats`,
          () => members.real.beat(worker),
          () => members.memory.beat(worker),
        ),
      () =>
        this.#twins.ask(
          'who lives',
          () => members.real.members(),
          () => members.memory.members(),
        ),
      () =>
        this.#twins.ask(
          `${worker} leaves`,
          () => members.real.leave(worker),
          () => members.memory.leave(worker),
        ),
      () =>
        this.#twins.ask(
          'wake',
          () => wakeUps.real.wake(talk.ticket),
          () => wakeUps.memory.wake(talk.ticket),
        ),
      () =>
        this.#twins.ask(
          'wake all',
          () => wakeUps.real.wakeAll(),
          () => wakeUps.memory.wakeAll(),
        ),
    ])();
  }

  /** Redis goes back to an earlier moment, forgets everything, or forgets an outcome whose time is over. */
  async #fault(talk: TicketTalk): Promise<void> {
    const id = talk.ids.length > 0 ? this.#pick(talk.ids) : 'nobody';
    const moment = this.#moments.length > 0 ? this.#pick(this.#moments) : null;
    const forget = (): void => {
      for (const other of this.#talks) other.known = null;
    };
    await this.#pick([
      () => this.#twins.endOutcome(talk.ticket, id),
      () => this.#twins.endOutcome(talk.ticket, id),
      async () => remember(this.#moments, await this.#twins.moment()),
      async () => remember(this.#moments, await this.#twins.moment()),
      async () => {
        if (!moment) return;
        forget();
        await this.#twins.goBack(moment);
      },
      async () => {
        if (this.#chance(0.5)) return;
        forget();
        await this.#twins.flush();
      },
    ])();
  }

  // ---- chance ------------------------------------------------------------------------------------------

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(from: readonly T[]): T {
    return from[wholeFrom(this.#random, 0, from.length - 1)]!;
  }

  /** The newest half of the time. */
  #pickLate<T>(from: readonly T[]): T {
    return this.#chance(0.5) ? from.at(-1)! : this.#pick(from);
  }

  #newId(what: string): string {
    return `${what}${(this.#made += 1)}`;
  }
}

function remember<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > REMEMBERED_MAX) list.shift();
}
