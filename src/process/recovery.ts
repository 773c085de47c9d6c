/**
 * Rebuilding the tickets in Redis from the archive, and comparing the two.
 *
 * Guarantees: only a ticket that Redis lost, or of which it has less than the archive, is touched, and only by an
 * actor that has claimed it, so workers that live, and other recoveries, may be at it at the same time; whatever is
 * interrupted can be done again; what is compared in the end is folded from the whole ledger, whatever the ticket
 * was rebuilt from.
 */
import { TicketActor, type ActorDeps } from '../actors/actor.js';
import { comparePositions } from '../actors/position.js';
import { refuseNewerEvent, scalarsOf, type Scalars } from '../actors/state-codec.js';
import type { Clock, StoredTicket } from '../actors/ports.js';
import type { Archive, CommittedEvent, LedgerPosition } from '../archive/port.js';
import type { InspectedTicket, RedisTicketStore } from '../redis/ticket-store.js';
import { apply, initialState, isIdleTally, type TicketId, type TicketState } from '../rules/index.js';

/**
 * What Redis has of a ticket beside the archive. `unopened`: neither knows anything; `whole`: all that the archive
 * has, or more; `lost`: nothing; `behind`: less; `foreign`: it says that more is archived than the archive has.
 */
export type Standing = 'unopened' | 'whole' | 'lost' | 'behind' | 'foreign';

export interface Finding {
  readonly ticket: TicketId;
  readonly standing: Standing;
  /** The newest event in each; null where there is none. */
  readonly redis: LedgerPosition | null;
  readonly head: LedgerPosition | null;
}

/** What a ticket's state was made from. */
export interface Source {
  /** The snapshot that the archive had; null without one. */
  readonly snapshot: LedgerPosition | null;
  /** Events of the ledger behind it. */
  readonly events: number;
}

export interface Comparison {
  /** As Redis has it; null when it has nothing. */
  readonly stored: StoredTicket | null;
  /** What the ledger says, and what is on its way to it. */
  readonly folded: TicketState;
  readonly eventsFolded: number;
  readonly source: Source;
  /** What is not the same, in words; empty when all is. */
  readonly differences: readonly string[];
}

export interface RecoveryOptions {
  readonly store: Pick<RedisTicketStore, 'inspect'>;
  readonly archive: Pick<Archive, 'head' | 'events' | 'snapshot'>;
  readonly clock: Clock;
}

/** Before every event. */
const NOWHERE: LedgerPosition = { incarnation: 0, sequence: 0 };
/** Between two tries to take a ticket that somebody else has. */
const RETRY_MS = 200;

/** Looks at a ticket, changing nothing. */
export async function find({ store, archive }: RecoveryOptions, ticket: TicketId): Promise<Finding> {
  // In this order: what is archived was in Redis before.
  const head = await archive.head(ticket);
  const inspected = await store.inspect(ticket);
  const redis = inspected?.stored.position ?? null;
  const standing = standingOf(head, inspected);
  if (standing !== 'foreign') return { ticket, head, redis, standing };
  // A worker that lives may have archived it between the two looks; an archive that is another one still ends before.
  const newest = await archive.head(ticket);
  const isForeign = standingOf(newest, inspected) === 'foreign';
  return { ticket, head: newest, redis, standing: isForeign ? 'foreign' : 'whole' };
}

function standingOf(head: LedgerPosition | null, inspected: InspectedTicket | null): Standing {
  if (!inspected) return head ? 'lost' : 'unopened';
  const { position, cursors } = inspected.stored;
  // The first commit of an incarnation puts the cursor before its first event.
  if (cursors.archived.sequence > 0 && comparePositions(cursors.archived, head ?? NOWHERE) > 0) {
    return 'foreign';
  }
  return head && comparePositions(head, position) > 0 ? 'behind' : 'whole';
}

/**
 * Rebuilds a ticket by claiming it, or waits until whoever has it has done so. Answers whether it is done; false
 * after `waitMs`.
 */
export async function rebuild(
  options: RecoveryOptions,
  actorDeps: ActorDeps,
  ticket: TicketId,
  waitMs: number,
): Promise<boolean> {
  const { clock } = options;
  const giveUpAt = clock.now() + waitMs;
  for (;;) {
    await new TicketActor(ticket, actorDeps).restore();
    const { standing } = await find(options, ticket);
    if (standing !== 'lost' && standing !== 'behind') return true;
    if (clock.now() >= giveUpAt) return false;
    await new Promise<void>((resolve) => clock.schedule(RETRY_MS, resolve));
  }
}

/** What Redis has of a ticket beside a fold of its whole ledger, up to the event that Redis has last. */
export async function compare({ store, archive }: RecoveryOptions, ticket: TicketId): Promise<Comparison> {
  const inspected = await store.inspect(ticket);
  const snapshot = await archive.snapshot(ticket);
  const fold = new Fold(ticket, snapshot);
  for await (const event of archive.events(ticket, null)) {
    if (inspected && comparePositions(event, inspected.stored.position) > 0) break;
    fold.add(event);
  }
  // What is not archived yet is in the outbox.
  for (const event of inspected?.outbox ?? []) {
    if (comparePositions(event, fold.at) > 0) fold.add(event);
  }
  const { state, count, source } = fold;
  const stored = inspected?.stored ?? null;
  return { stored, folded: state, eventsFolded: count, source, differences: differencesOf(stored, state) };
}

class Fold {
  state: TicketState;
  at: LedgerPosition = NOWHERE;
  count = 0;
  readonly #snapshot: LedgerPosition | null;
  #behindSnapshot = 0;

  constructor(ticket: TicketId, snapshot: LedgerPosition | null) {
    this.state = initialState(ticket);
    this.#snapshot = snapshot;
  }

  add({ ticket, incarnation, sequence, event }: CommittedEvent): void {
    refuseNewerEvent(ticket, event);
    this.state = apply(this.state, event);
    this.at = { incarnation, sequence };
    this.count += 1;
    if (comparePositions(this.at, this.#snapshot ?? NOWHERE) > 0) this.#behindSnapshot += 1;
  }

  get source(): Source {
    return { snapshot: this.#snapshot, events: this.#behindSnapshot };
  }
}

function differencesOf(stored: StoredTicket | null, folded: TicketState): readonly string[] {
  if (!stored) return folded.opened ? ['Redis has nothing of it'] : [];
  const [there, here] = [describe(stored.state), describe(folded)];
  return [...new Set([...there.keys(), ...here.keys()])]
    .filter((name) => there.get(name) !== here.get(name))
    .map(
      (name) =>
        `${name} is ${there.get(name) ?? 'absent'} in Redis, ${here.get(name) ?? 'absent'} by the ledger`,
    );
}

/** All that counts of a state, by name, as text. */
function describe(state: TicketState): ReadonlyMap<string, string> {
  const facts = new Map<string, string>();
  const scalars = scalarsOf(state);
  for (const name of Object.keys(scalars) as (keyof Scalars)[])
    facts.set(name, JSON.stringify(scalars[name]));
  for (const { id, status, quantity, refundedQuantity } of state.reservations.values()) {
    facts.set(`reservation ${id}`, `${status} ${quantity}/${refundedQuantity}`);
  }
  for (const [key, tally] of state.remote) {
    // Redis does not keep those that say nothing.
    if (!isIdleTally(tally)) facts.set(`tally of ${key}`, `held ${tally.held}, sold ${tally.sold}`);
  }
  for (const id of state.asked.keys()) facts.set(`asked for ${id}`, 'yes');
  for (const [id, { held, sold }] of state.logged)
    facts.set(`${id} in the log`, `held ${held}, sold ${sold}`);
  for (const [id, { kind, quantity }] of state.orphans) facts.set(`orphan ${id}`, `${kind} ${quantity}`);
  for (const [source, { offset, index }] of state.positions)
    facts.set(`place in ${source}`, `${offset}/${index}`);
  return facts;
}
