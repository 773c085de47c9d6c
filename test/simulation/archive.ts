/**
 * The archive of one marketplace: what was answered is durable, each call takes effect at once and whole. The same
 * refusals as src/archive/embedded.ts.
 */
import { checkBatch, gapBefore, refuseOther } from '../../src/archive/append-checks.js';
import type {
  CollectionName,
  ListRequest,
  NewDocument,
  StoredDocument,
} from '../../src/archive/documents.js';
import {
  ArchiveUnavailableError,
  type AppendBatch,
  type AppendResult,
  type Archive,
  type CommittedEvent,
  type DeadLetter,
  type LedgerPosition,
  type Page,
  type TicketSnapshot,
} from '../../src/archive/port.js';
import { comparePositions } from '../../src/actors/position.js';
import type { Match } from '../../src/catalog/match.js';
import { ticketName } from '../../src/redis/keys.js';
import type { Reservation, TicketId } from '../../src/rules/index.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import type { Kernel, Process } from './kernel.js';
import { Caller, type ServerState } from './network.js';

interface TicketRow {
  fence: number;
  readonly ledger: CommittedEvent[];
  snapshot: TicketSnapshot | null;
}

/** Hears what became durable, in the step in which it did. */
export interface ArchiveWatch {
  appended(event: CommittedEvent): void;
}

export class ArchiveServer {
  readonly tickets = new Map<string, TicketRow>();
  readonly documents: MemoryDocuments;
  readonly reservations = new Map<string, Reservation>();
  readonly commands = new Set<string>();
  readonly publishers = new Set<string>();
  readonly letters = new Map<string, DeadLetter>();
  readonly matches = new Map<number, Match>();
  readonly #watch: ArchiveWatch;

  constructor(kernel: Kernel, watch: ArchiveWatch) {
    this.documents = new MemoryDocuments(() => Math.floor(kernel.now));
    this.#watch = watch;
  }

  ticket(ticket: TicketId): TicketRow {
    const name = ticketName(ticket);
    const known = this.tickets.get(name);
    if (known) return known;
    const made: TicketRow = { fence: 0, ledger: [], snapshot: null };
    this.tickets.set(name, made);
    return made;
  }

  head(ticket: TicketId): LedgerPosition | null {
    const last = this.ticket(ticket).ledger.at(-1);
    return last ? { incarnation: last.incarnation, sequence: last.sequence } : null;
  }

  /** All of the batches or, when it throws, none. A ticket may be in several of them. */
  append(batches: readonly AppendBatch[]): readonly AppendResult[] {
    for (const batch of batches) checkBatch(batch);
    const before = batches.map(({ ticket }) => {
      const row = this.ticket(ticket);
      return { row, fence: row.fence, length: row.ledger.length };
    });
    const written: CommittedEvent[] = [];
    try {
      const results = batches.map((batch) => this.#appendBatch(batch, written));
      for (const event of written) this.#project(event);
      return results;
    } catch (error) {
      for (const { row, fence, length } of before.reverse()) {
        row.fence = fence;
        row.ledger.length = length;
      }
      throw error;
    }
  }

  #appendBatch({ ticket, incarnation, events }: AppendBatch, written: CommittedEvent[]): AppendResult {
    const row = this.ticket(ticket);
    if (incarnation < row.fence) return 'fenced';
    const head = row.ledger.at(-1);
    const known = head?.incarnation === incarnation ? head.sequence : 0;
    const end = row.ledger.length;
    let due = known + 1;
    for (const event of events) {
      if (event.sequence <= known) {
        refuseOther(event, row.ledger[end - 1 - (known - event.sequence)]);
        continue;
      }
      if (event.sequence !== due) throw gapBefore(event, due);
      due += 1;
      row.ledger.push(event);
      written.push(event);
    }
    row.fence = incarnation;
    return 'appended';
  }

  #project(committed: CommittedEvent): void {
    const { ticket, commandId, event } = committed;
    if (event.type === 'remote') this.commands.add(`${ticketName(ticket)}/${commandId}`);
    if ('reservation' in event) this.reservations.set(event.reservation.id, event.reservation);
    this.#watch.appended(committed);
  }

  openIncarnation(ticket: TicketId): { incarnation: number; head: LedgerPosition | null } {
    const row = this.ticket(ticket);
    row.fence += 1;
    return { incarnation: row.fence, head: this.head(ticket) };
  }

  eventsAfter(ticket: TicketId, after: LedgerPosition | null, limit: number): readonly CommittedEvent[] {
    const { ledger } = this.ticket(ticket);
    let from = after === null ? 0 : ledger.length;
    if (after !== null) while (from > 0 && comparePositions(ledger[from - 1]!, after) > 0) from -= 1;
    return ledger.slice(from, from + limit);
  }

  saveSnapshot(snapshot: TicketSnapshot): void {
    const row = this.ticket(snapshot.ticket);
    if (row.snapshot && comparePositions(snapshot, row.snapshot) < 0) return;
    row.snapshot = JSON.parse(JSON.stringify(snapshot)) as TicketSnapshot;
  }
}

/** What of the archive the parts that are simulated ask for. */
export type UsedArchive = Omit<
  Archive,
  'start' | 'stop' | 'ping' | 'ledgerTickets' | 'allDocuments' | 'putDocuments' | 'markRestore'
>;

const PAGE_EVENTS = 100;
/** Until a process takes an answer for lost. */
const TIMEOUT_MS = 1_500;

/** The archive as one process has it. */
export class ArchiveClient implements UsedArchive {
  readonly #server: ArchiveServer;
  readonly #caller: Caller;

  constructor(server: ArchiveServer, kernel: Kernel, process: Process, state: ServerState) {
    this.#server = server;
    this.#caller = new Caller({
      kernel,
      process,
      server: state,
      serverName: 'archive',
      unavailable: (why) => new ArchiveUnavailableError(why),
      timeoutMs: TIMEOUT_MS,
    });
  }

  append(batches: readonly AppendBatch[]): Promise<readonly AppendResult[]> {
    return this.#caller.call('append', () => this.#server.append(batches), true);
  }
  openIncarnation(ticket: TicketId): Promise<{ incarnation: number; head: LedgerPosition | null }> {
    return this.#caller.call('openIncarnation', () => this.#server.openIncarnation(ticket), true);
  }
  head(ticket: TicketId): Promise<LedgerPosition | null> {
    return this.#caller.call('head', () => this.#server.head(ticket));
  }
  async *events(ticket: TicketId, after: LedgerPosition | null): AsyncIterable<CommittedEvent> {
    for (let next = after; ;) {
      const from = next;
      const page = await this.#caller.call('events', () =>
        this.#server.eventsAfter(ticket, from, PAGE_EVENTS),
      );
      yield* page;
      const last = page.at(-1);
      if (!last || page.length < PAGE_EVENTS) return;
      next = last;
    }
  }
  hasCommand(ticket: TicketId, commandId: string): Promise<boolean> {
    return this.#caller.call('hasCommand', () =>
      this.#server.commands.has(`${ticketName(ticket)}/${commandId}`),
    );
  }
  saveSnapshot(snapshot: TicketSnapshot): Promise<void> {
    return this.#caller.call('saveSnapshot', () => this.#server.saveSnapshot(snapshot), true);
  }
  snapshot(ticket: TicketId): Promise<TicketSnapshot | null> {
    return this.#caller.call('snapshot', () => this.#server.ticket(ticket).snapshot);
  }
  reservation(id: string): Promise<Reservation | null> {
    return this.#caller.call('reservation', () => this.#server.reservations.get(id) ?? null);
  }
  reservationsByEmail(): Promise<Page<Reservation>> {
    return Promise.reject(new Error('nobody here asks for a list'));
  }
  saveMatches(matches: readonly Match[]): Promise<void> {
    return this.#caller.call('saveMatches', () => {
      for (const match of matches) this.#server.matches.set(match.matchNumber, match);
    });
  }
  matches(): Promise<readonly Match[]> {
    return this.#caller.call('matches', () => [...this.#server.matches.values()]);
  }
  savePublisher(id: string): Promise<void> {
    return this.#caller.call('savePublisher', () => void this.#server.publishers.add(id));
  }
  removePublisher(id: string): Promise<void> {
    return this.#caller.call('removePublisher', () => void this.#server.publishers.delete(id), true);
  }
  publishers(): Promise<readonly string[]> {
    return this.#caller.call('publishers', () => [...this.#server.publishers]);
  }
  saveDeadLetter(letter: DeadLetter): Promise<void> {
    return this.#caller.call('saveDeadLetter', () => {
      if (!this.#server.letters.has(letter.id)) this.#server.letters.set(letter.id, letter);
    });
  }
  markRedriven(id: string, at: number): Promise<boolean> {
    return this.#caller.call('markRedriven', () => {
      const letter = this.#server.letters.get(id);
      if (!letter || letter.redrivenAt !== undefined) return false;
      this.#server.letters.set(id, { ...letter, redrivenAt: at });
      return true;
    });
  }
  deadLetter(id: string): Promise<DeadLetter | null> {
    return this.#caller.call('deadLetter', () => this.#server.letters.get(id) ?? null);
  }
  deadLetters(): Promise<Page<DeadLetter>> {
    return this.#caller.call('deadLetters', () => ({ items: [...this.#server.letters.values()] }));
  }

  insertDocument(collection: CollectionName, document: NewDocument): Promise<boolean> {
    return this.#caller.call(`insert ${collection}`, () =>
      this.#server.documents.insertDocument(collection, document),
    );
  }
  document(collection: CollectionName, id: string): Promise<StoredDocument | null> {
    return this.#caller.call(`read ${collection}`, () => this.#server.documents.document(collection, id));
  }
  replaceDocument(collection: CollectionName, document: NewDocument, version: number): Promise<boolean> {
    return this.#caller.call(`replace ${collection}`, () =>
      this.#server.documents.replaceDocument(collection, document, version),
    );
  }
  removeDocument(collection: CollectionName, id: string, version?: number): Promise<boolean> {
    return this.#caller.call(`remove ${collection}`, () =>
      this.#server.documents.removeDocument(collection, id, version),
    );
  }
  listDocuments(
    collection: CollectionName,
    list: string,
    request: ListRequest,
  ): Promise<Page<StoredDocument>> {
    return this.#caller.call(`list ${collection}`, () =>
      this.#server.documents.listDocuments(collection, list, request),
    );
  }
}
