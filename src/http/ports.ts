/** What the HTTP services stand on: the way in (commands), and the ways to read. */
import type { CommandBody, CommandResult, TicketCounters } from '../actors/ports.js';
import type { MatchEntry, Match } from '../catalog/match.js';
import type { Notices } from '../catalog/notices.js';
import type { SaleView } from '../phases/phase.js';
import type { Reservation, TicketId } from '../rules/index.js';

export interface Submission {
  readonly ticket: TicketId;
  /** Same id: one effect, one outcome. */
  readonly id: string;
  readonly body: CommandBody;
  /** How long the outcome stays on record, milliseconds. */
  readonly keepMs: number;
  readonly requestId?: string;
  /** Done only in this incarnation of the ticket. Absent: in any. */
  readonly incarnation?: number;
}

export type SubmissionResult =
  | { readonly kind: 'answered'; readonly result: CommandResult }
  /** Too many wait already: nothing was accepted, nothing will happen. */
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  /** Accepted, but the outcome did not arrive in time: it may happen yet. The same id asked again tells. */
  | { readonly kind: 'unknown' };

/** The way of a command: HTTP and Kafka inputs both become jobs of a ticket's queue through it. */
export interface CommandGateway {
  submit(submission: Submission): Promise<SubmissionResult>;
}

/** For who must not have a later command take effect without the one before it. */
export interface OrderedGateway extends CommandGateway {
  /**
   * Commands of one ticket, decided one after the other in one commit, or none of them. Their results in order. Rejects
   * for more than a job may hold.
   */
  submitInOrder(submissions: readonly Submission[]): Promise<readonly SubmissionResult[]>;
}

/**
 * Reads one reservation as it stands now, ended ones included; never says RESERVED before it is durable. Rejects
 * with `UnavailableError` when it cannot, or not in time.
 */
export interface ReservationReader {
  find(id: string): Promise<Reservation | null>;
}

/** Live counters. */
export interface CountersSource {
  /** All counters as committed now. Tickets that were never opened are absent. */
  read(tickets: readonly TicketId[]): Promise<readonly TicketCounters[]>;
  /**
   * `onChange` gets the counters after every commit, in order per ticket. `onReset` says that changes may
   * have been missed: read again.
   */
  subscribe(onChange: (counters: TicketCounters) => void, onReset: () => void): () => void;
  /** Resolves after every change committed before the call has been handed to the subscribers. */
  barrier(): Promise<void>;
}

/** The matches on sale. */
export interface CatalogSource {
  matches(): Promise<readonly Match[]>;
  /** What operators tell buyers, as of the newest `matches`. */
  readonly notices: Notices;
  /** `onChange` is called when the list may have changed. */
  subscribe(onChange: () => void): () => void;
}

/** Where the sale of tickets has phases. */
export interface SalesSource {
  /** What buyers are told at a moment, epoch milliseconds; null where the ticket is sold without phases. */
  saleOf(ticket: TicketId, at: number): SaleView | null;
  /** When that changes next after `at`, and of which tickets; null when it does not. */
  nextChange(at: number): { readonly at: number; readonly tickets: readonly TicketId[] } | null;
  /** `onChange` is called when operators have changed phases. */
  subscribe(onChange: () => void): () => void;
}

/** Where a master list came from: a place in a log, or a name when it stands in none. */
export interface ListOrigin {
  readonly source: string;
  readonly offset?: string;
}

/** Loads master-list entries: facts to the catalog, capacity and price to the actors. */
export interface CatalogLoader {
  load(entries: readonly MatchEntry[], origin: ListOrigin): Promise<void>;
}
