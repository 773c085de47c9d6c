/**
 * The archive: what must outlive Redis.
 *
 * Guarantees that every implementation gives, proven by one contract suite (test/contract/archive.ts):
 *
 *  - `append` resolves only when its events are durable, and is idempotent by (ticket, incarnation, sequence);
 *  - the ledger of a ticket is a prefix: no event is visible before all earlier ones of its incarnation;
 *  - once `openIncarnation` has answered, no event of an older incarnation is ever accepted: an owner that
 *    slept through a loss of Redis cannot add to a history that was rebuilt without it;
 *  - a reservation reads back as the newest archived event about it left it.
 */
import type { Reservation, TicketEvent, TicketId } from '../rules/index.js';
import type { Match } from '../catalog/match.js';

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

/** What the payment sandbox remembers of one payment; the first record of an id wins. */
export interface PaymentRecord {
  readonly id: string;
  readonly reservationId: string;
  readonly status: 'succeeded' | 'declined' | 'cancelled';
  /** Minor units of `currency`. */
  readonly amountMinor: number;
  readonly currency: string;
  readonly declineReason?: string;
  readonly createdAt: number;
}

export interface RefundRecord {
  readonly id: string;
  readonly paymentId: string;
  readonly amountMinor: number;
  readonly createdAt: number;
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
export interface Archive {
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

  /** Inserts the record unless its id is taken; answers what is stored. Durable when it resolves. */
  decidePayment(record: PaymentRecord): Promise<PaymentRecord>;
  payment(id: string): Promise<PaymentRecord | null>;
  /** All payments, oldest first: for reconciliation. */
  payments(): AsyncIterable<PaymentRecord>;
  /** Inserts a refund unless its id is taken; answers what is stored. Durable when it resolves. */
  recordRefund(record: RefundRecord): Promise<RefundRecord>;
  refunds(paymentId: string): Promise<readonly RefundRecord[]>;

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
}

/** The store cannot be reached or refused the write; the same call may succeed later. */
export class ArchiveUnavailableError extends Error {
  override readonly name = 'ArchiveUnavailableError';
}
