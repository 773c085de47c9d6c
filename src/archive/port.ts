/**
 * The archive: what must outlive Redis.
 *
 * Guarantees that every implementation gives, proven by one contract suite (test/contract/archive.ts):
 *
 *  - `append` resolves only when its events are durable, and is idempotent by (ticket, incarnation, sequence);
 *  - the ledger of a ticket is a prefix: no event is visible before all earlier ones of its incarnation;
 *  - once `openIncarnation` has answered, no event of an older incarnation is ever accepted: an owner that
 *    slept through a loss of Redis cannot add to a history that was rebuilt without it;
 *  - a reservation reads back as the newest archived event about it left it;
 *  - what is between two marks of a restore is served to nobody: an archive that was filled by half does not open.
 */
import type { Reservation, TicketEvent, TicketId } from '../rules/index.js';
import type { Match } from '../catalog/match.js';
import type { CollectionName, Documents, KeptDocument } from './documents.js';

/** Place of an event in its ticket's ledger; ordered by incarnation, then sequence (both from 1). */
export interface LedgerPosition {
  readonly incarnation: number;
  readonly sequence: number;
}

/** A fact with its identity. */
export interface CommittedEvent extends LedgerPosition {
  readonly ticket: TicketId;
  /** Id of the command that caused it. */
  readonly commandId: string;
  /** Id of the request behind the command, for logs and headers. */
  readonly requestId?: string;
  /** Its place before it was archived anew under a later incarnation: it may be in the log under that one. */
  readonly formerly?: LedgerPosition;
  readonly event: TicketEvent;
}

export interface AppendBatch {
  readonly ticket: TicketId;
  readonly incarnation: number;
  /** In sequence order, without gaps, all of this incarnation. */
  readonly events: readonly CommittedEvent[];
}

/** `fenced`: a newer incarnation exists; none of the batch was written and its sender must stop. */
export type AppendResult = 'appended' | 'fenced';

/** A ticket's state at a ledger position, as plain JSON (see actors/state-codec.ts). */
export interface TicketSnapshot extends LedgerPosition {
  readonly ticket: TicketId;
  /** Version of the state's format. */
  readonly schema: number;
  readonly takenAt: number;
  /** How far the ticket's events were published then; absent when that was not known. */
  readonly published?: LedgerPosition;
  readonly state: unknown;
}

/** A message or job that could not take effect, kept with its raw bytes until someone decides. */
export interface DeadLetter {
  readonly id: string;
  readonly source: string;
  readonly reason: string;
  /** The raw bytes, base64. */
  readonly raw: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly receivedAt: number;
  readonly redrivenAt?: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Pass as `after` to go on; absent on the last page. */
  readonly next?: string;
}

/** Every method rejects with `ArchiveUnavailableError` when the store cannot be reached. */
export interface Archive extends Documents {
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Resolves when the store can take writes. */
  ping(): Promise<void>;

  /** Writes all batches as one group, durable when it resolves; one result per batch, in order. */
  append(batches: readonly AppendBatch[]): Promise<readonly AppendResult[]>;
  /** Starts the next incarnation of a ticket and says where its ledger ended; null when it is empty. */
  openIncarnation(ticket: TicketId): Promise<{ incarnation: number; head: LedgerPosition | null }>;
  /** Position of the newest event; null when there is none. */
  head(ticket: TicketId): Promise<LedgerPosition | null>;
  /** Events after a position (all when null), in order. */
  events(ticket: TicketId, after: LedgerPosition | null): AsyncIterable<CommittedEvent>;

  /** Whether an archived event of the ticket was caused by this command; asked of remote messages only. */
  hasCommand(ticket: TicketId, commandId: string): Promise<boolean>;

  /** Keeps the snapshot unless a newer one is there. */
  saveSnapshot(snapshot: TicketSnapshot): Promise<void>;
  snapshot(ticket: TicketId): Promise<TicketSnapshot | null>;

  reservation(id: string): Promise<Reservation | null>;
  /** A buyer's reservations, newest first. `limit` 1 to 100. */
  reservationsByEmail(
    email: string,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<Page<Reservation>>;

  saveMatches(matches: readonly Match[]): Promise<void>;
  matches(): Promise<readonly Match[]>;

  /** Remembers a publisher of the log, so that it can be fenced even when Redis has forgotten it. */
  savePublisher(id: string): Promise<void>;
  removePublisher(id: string): Promise<void>;
  /** Publishers that were neither closed nor fenced yet. */
  publishers(): Promise<readonly string[]>;

  /** Keeps a dead letter unless its id is taken. */
  saveDeadLetter(letter: DeadLetter): Promise<void>;
  /** Marks it re-driven once; false when it was re-driven before or does not exist. */
  markRedriven(id: string, at: number): Promise<boolean>;
  /** The letter, whole; null when there is none of this id. */
  deadLetter(id: string): Promise<DeadLetter | null>;
  deadLetters(page: { readonly limit: number; readonly after?: string }): Promise<Page<DeadLetter>>;

  // What only a backup and a restore ask for (backup.ts).

  /** Every ticket that an incarnation was ever opened of, by match and category. */
  ledgerTickets(): Promise<readonly TicketId[]>;
  /**
   * Every document of a collection whose time is not over, by id as text. Reads in steps: of a document that is
   * changed, made or removed meanwhile either state may come, and each id comes once at most.
   */
  allDocuments(collection: CollectionName): AsyncIterable<KeptDocument>;
  /**
   * Puts documents where there are none, as they were, versions included. Rejects when one of the ids is taken;
   * some of the others may have been put then.
   */
  putDocuments(collection: CollectionName, documents: readonly KeptDocument[]): Promise<void>;
  /** While a restore is under way the archive opens for restores only (`isRestore`). */
  markRestore(isUnderWay: boolean): Promise<void>;
}

/** How an archive is opened. */
export interface OpenOptions {
  /** Nothing is written, not even where there is no archive yet: that one is refused. */
  readonly isReadOnly?: boolean;
  /** Opens also when a restore was not finished. */
  readonly isRestore?: boolean;
}

/** The store cannot be reached or refused the write; the same call may succeed later. */
export class ArchiveUnavailableError extends Error {
  override readonly name = 'ArchiveUnavailableError';
}

/** It may not be opened as it was asked to be. The message says why, and what to do. */
export class ArchiveRefusedError extends Error {
  override readonly name = 'ArchiveRefusedError';
}

export function unfinishedRestore(where: string): ArchiveRefusedError {
  return new ArchiveRefusedError(
    `A restore into the archive ${where} was not finished: remove what is there and restore it again`,
  );
}

export function noArchive(where: string): ArchiveRefusedError {
  return new ArchiveRefusedError(`There is no archive ${where}`);
}
