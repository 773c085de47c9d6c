/**
 * What Redis has of a ticket, as values: what a commit changes of it, and how a claim puts it together again.
 * Guarantee: putting together what commits changed gives the state that the last of them left.
 */
import type { Commit, StoredTicket, TicketCounters } from '../actors/ports.js';
import { comparePositions } from '../actors/position.js';
import { assembleState, scalarsOf, stateVersionOf, type Scalars } from '../actors/state-codec.js';
import type { CommittedEvent, LedgerPosition } from '../archive/port.js';
import {
  available,
  isIdleTally,
  pending,
  personsOf,
  remoteKey,
  type Asked,
  type Orphan,
  type RemoteTally,
  type Reservation,
  type TicketId,
  type TicketState,
  type WaitingEntry,
} from '../rules/index.js';
import { waitingChangesOf, waitingFieldKind, type WaitingChanges } from './stored-waiting.js';

/** How long an ended reservation stays in Redis; the archive has it long before. */
export const ENDED_KEEP_MS = 24 * 60 * 60 * 1_000;

/** In place of a publisher's name: Redis may have forgotten who it was. */
const UNCERTAIN = '?';

/** Before every event. */
const NOWHERE: LedgerPosition = { incarnation: 0, sequence: 0 };

/**
 * Beside the tallies of peers stands what only a sale in the order of the log has. `remoteKey` escapes `%`, so that no
 * peer's key can begin so.
 */
const ASKED = '%asked/';
const LOGGED = '%logged/';

/** A reservation as stored: with the position of the event that left it so. */
export interface StoredReservation {
  readonly r: Reservation;
  readonly p: LedgerPosition;
}

/** False for a sale that is not archived yet: nobody is told of it. What was given back of it shows that it is. */
export function isSaleTold({ r, p }: StoredReservation, archived: LedgerPosition): boolean {
  return r.refundedQuantity > 0 || comparePositions(p, archived) <= 0;
}

/**
 * A reservation as it may be told, live or ended: a sale that is not archived yet reads PAYING. Throws for a refund that is
 * not: its money would be given back, and a Redis that lost it would have the tickets sold all the same.
 */
export function toldOf(stored: StoredReservation, archived: LedgerPosition): Reservation {
  const { r, p } = stored;
  if (r.status === 'RESERVED' && !isSaleTold(stored, archived)) return { ...r, status: 'PAYING' };
  if (r.refundedQuantity > 0 && comparePositions(p, archived) > 0) throw new NotArchivedError(r.id);
  return r;
}

/** What was decided of a reservation is on its way to the archive, and may not be told before it is there. */
export class NotArchivedError extends Error {
  override readonly name = 'NotArchivedError';
  constructor(id: string) {
    super(`a refund of ${id} waits for the archive`);
  }
}

/** What is stored once for each ticket, and written by its commits. */
export interface CommittedMeta {
  readonly version: number;
  /** Of the last commit. */
  readonly commit: string;
  readonly due: number;
  readonly schema: number;
  readonly runId: string;
  readonly position: LedgerPosition;
  readonly archived: LedgerPosition;
  readonly published: LedgerPosition;
  /** Empty for nobody. */
  readonly publisher: string;
  readonly state: Scalars;
  readonly counters: TicketCounters;
  readonly orphans: readonly [string, Orphan][];
  readonly positions: readonly [string, { readonly offset: string; readonly index: number }][];
}

export function countersAfter(
  { matchNumber, category }: TicketId,
  { after, incarnation, version }: Pick<Commit, 'after' | 'incarnation' | 'version'>,
): TicketCounters {
  const { capacity, price, currency, closed, cancelled, paused, pauseRevision } = after;
  const { soldHere, soldElsewhere, heldHere, heldElsewhere } = after;
  // Spelt out: a spread in front of so many fields takes many times as long.
  return {
    matchNumber,
    category,
    capacity,
    available: available(after),
    pending: pending(after),
    price,
    currency,
    closed,
    cancelled,
    paused,
    pauseRevision,
    soldHere,
    soldElsewhere,
    heldHere,
    heldElsewhere,
    incarnation,
    version: version + 1,
  };
}

/** What a commit writes of it; what is absent stays as it is. */
export function metaChangesOf(commit: Commit): Partial<CommittedMeta> {
  const { after, before, version, runId, commitId, dueAt, replace } = commit;
  const last = commit.events.at(-1);
  const position = last ?? replace?.archived;
  return {
    version: version + 1,
    commit: commitId,
    due: dueAt,
    ...(replace && {
      runId,
      archived: replace.archived,
      published: replace.published,
      publisher: replace.uncertain ? UNCERTAIN : '',
    }),
    ...(position && {
      position: { incarnation: position.incarnation, sequence: position.sequence },
      // With every state: an older worker's version must not stay on what a newer one wrote.
      schema: stateVersionOf(after),
      state: scalarsOf(after),
      ...(after.opened && { counters: countersAfter(after.ticket, commit) }),
    }),
    ...((replace || after.orphans !== before.orphans) && { orphans: [...after.orphans.entries()] }),
    ...((replace || after.positions !== before.positions) && { positions: [...after.positions.entries()] }),
  };
}

/** What a commit writes of reservations, peers, persons and those who wait. */
export interface Changes {
  readonly setReservations: (readonly [string, StoredReservation])[];
  readonly delReservations: string[];
  /** Of peers, and of ours in the log. */
  readonly setRemote: (readonly [string, RemoteTally | Asked])[];
  readonly delRemote: string[];
  readonly setPersons: (readonly [string, number])[];
  readonly delPersons: string[];
  /** As they ended. */
  readonly ended: StoredReservation[];
  readonly waiting: WaitingChanges;
}

/** What of the state has to be written: all of it when it replaces, else what the events touched. */
export function changesOf(commit: Commit): Changes {
  const { before, after, events, replace, incarnation } = commit;
  const touched = touchedBy(events, before, after, replace ? { incarnation, sequence: 0 } : null);
  const changes: Changes = {
    setReservations: [],
    delReservations: [],
    setRemote: [],
    delRemote: [],
    setPersons: [],
    delPersons: [],
    ended: [],
    waiting: waitingChangesOf(commit),
  };
  for (const [id, { last, position }] of touched.reservations) {
    const live = after.reservations.get(id);
    if (live) {
      changes.setReservations.push([id, { r: live, p: position }]);
    } else {
      changes.delReservations.push(id);
      changes.ended.push({ r: last, p: position });
    }
  }
  for (const key of touched.remote) {
    const value = remoteValue(after, key);
    if (value) changes.setRemote.push([key, value]);
    else changes.delRemote.push(key);
  }
  for (const person of touched.persons) {
    const tally = after.persons.get(person);
    if (tally !== undefined) changes.setPersons.push([person, tally]);
    else changes.delPersons.push(person);
  }
  return changes;
}

function remoteValue(state: TicketState, key: string): RemoteTally | Asked | undefined {
  if (key.startsWith(ASKED)) return state.asked.get(key.slice(ASKED.length));
  const tally = key.startsWith(LOGGED) ? state.logged.get(key.slice(LOGGED.length)) : state.remote.get(key);
  return tally && !isIdleTally(tally) ? tally : undefined;
}

interface Touched {
  readonly reservations: Map<string, { last: Reservation; position: LedgerPosition }>;
  readonly remote: Set<string>;
  readonly persons: Set<string>;
}

function touchedBy(
  events: readonly CommittedEvent[],
  before: TicketState,
  after: TicketState,
  everythingAt: LedgerPosition | null,
): Touched {
  const touched: Touched = { reservations: new Map(), remote: new Set(), persons: new Set() };
  if (everythingAt) {
    for (const [id, last] of after.reservations)
      touched.reservations.set(id, { last, position: everythingAt });
    for (const key of after.remote.keys()) touched.remote.add(key);
    for (const id of after.asked.keys()) touched.remote.add(ASKED + id);
    for (const id of after.logged.keys()) touched.remote.add(LOGGED + id);
    for (const person of after.persons.keys()) touched.persons.add(person);
  }
  for (const { event, incarnation, sequence } of events) {
    if ('reservation' in event) {
      const { reservation } = event;
      touched.reservations.set(reservation.id, { last: reservation, position: { incarnation, sequence } });
      for (const key of personsOf(reservation)) touched.persons.add(key);
      // Another card may have paid before.
      const known = before.reservations.get(reservation.id);
      if (known) for (const key of personsOf(known)) touched.persons.add(key);
      if (event.type === 'held' && event.logged) {
        touched.remote.add(ASKED + reservation.id).add(LOGGED + reservation.id);
      }
    } else if ('asked' in event) {
      const { reservation } = event.asked;
      touched.remote.add(ASKED + reservation.id);
      if (event.type === 'voided') touched.remote.add(LOGGED + reservation.id);
      for (const key of personsOf(reservation)) touched.persons.add(key);
    } else if (event.type === 'logged') {
      touched.remote.add(LOGGED + event.reservationId);
    } else if ('clientId' in event) {
      touched.remote.add(
        remoteKey(event.clientId, 'reservationId' in event ? event.reservationId : undefined),
      );
    }
  }
  return touched;
}

/** Null when Redis knows nothing but the claim itself. */
export function storedTicket(
  ticket: TicketId,
  meta: Partial<CommittedMeta>,
  reservations: Iterable<Reservation>,
  remote: Iterable<[string, unknown]>,
): StoredTicket | null {
  const { version, state, schema = NaN, runId = '', publisher } = meta;
  if (version === undefined || state === undefined) return null;
  return {
    schema,
    runId,
    version,
    position: meta.position ?? NOWHERE,
    cursors: { archived: meta.archived ?? NOWHERE, published: meta.published ?? NOWHERE },
    publisher: publisher === UNCERTAIN ? null : publisher || null,
    uncertain: publisher === UNCERTAIN,
    state: assembleState(ticket, {
      ...state,
      reservations,
      ...sortedRemote(remote),
      orphans: meta.orphans ?? [],
      positions: meta.positions ?? [],
    }),
  };
}

/** What stands beside each other in Redis, taken apart; written by `changesOf`, so its values are not checked again. */
export function sortedRemote(entries: Iterable<[string, unknown]>): {
  readonly remote: [string, RemoteTally][];
  readonly asked: [string, Asked][];
  readonly logged: [string, RemoteTally][];
  readonly waiting: WaitingEntry[];
} {
  const remote: [string, RemoteTally][] = [];
  const asked: [string, Asked][] = [];
  const logged: [string, RemoteTally][] = [];
  const waiting: WaitingEntry[] = [];
  for (const [key, value] of entries) {
    const ofList = waitingFieldKind(key);
    if (ofList === 'entry') waiting.push(value as WaitingEntry);
    else if (ofList === 'person') continue;
    else if (key.startsWith(ASKED)) asked.push([key.slice(ASKED.length), value as Asked]);
    else if (key.startsWith(LOGGED)) logged.push([key.slice(LOGGED.length), value as RemoteTally]);
    else remote.push([key, value as RemoteTally]);
  }
  return { remote, asked, logged, waiting };
}
