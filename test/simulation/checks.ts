/**
 * The promises, checked in every step that touches them, and all of them together at the end. A part is told what
 * happens at the servers, never what the product believes; what it counts, it counts by itself.
 */
import type { CommandJob, Commit, CommitResult, Reply } from '../../src/actors/ports.js';
import { comparePositions } from '../../src/actors/position.js';
import type { CommittedEvent, LedgerPosition } from '../../src/archive/port.js';
import type { IncomingRecord } from '../../src/kafka/port.js';
import { ownEventOf } from '../../src/kafka/wire.js';
import type { Payment } from '../../src/payments/port.js';
import { ticketName } from '../../src/redis/keys.js';
import type { Policy, Reservation, TicketId } from '../../src/rules/index.js';
import { fold } from '../exchange/fold.js';
import type { ArchiveServer } from './archive.js';
import type { Contest } from './contest.js';
import { TicketFold } from './fold.js';
import { Violation } from './kernel.js';
import { SALES_TOPIC, type LogServer } from './log.js';
import type { ProviderServer } from './provider.js';

/** What Redis has of a ticket, as far as it was seen to be written. */
interface InRedis {
  readonly events: CommittedEvent[];
  readonly fold: TicketFold;
  /** Who took the ticket since a loss, until somebody began anew; null when nothing was lost. */
  readonly claims: Set<string> | null;
}

/** What was in Redis at a time, by ticket name: so many of those events, to which others may have been added since. */
export type RedisMark = ReadonlyMap<
  string,
  { readonly events: readonly CommittedEvent[]; readonly length: number }
>;

/** What a buyer was told. */
export interface Told {
  readonly at: number;
  /** When it was asked. */
  readonly askedAt: number;
  readonly what: 'hold' | 'pay' | 'cancel' | 'read' | 'refund' | 'join' | 'leave';
  readonly reservationId: string;
  readonly ticket: TicketId;
  readonly kind: string;
  /** Times that Redis had lost something before it was asked, and before it was told. */
  readonly lossesBefore: number;
  readonly losses: number;
}

/** The place in the waiting list that leads to a reservation. */
export const entryOf = (reservationId: string): string => `w-${reservationId}`;

/** Before every event. */
const NOWHERE: LedgerPosition = { incarnation: 0, sequence: 0 };

export interface ChecksOptions {
  readonly clientId: string;
  readonly policy: Policy;
  readonly log: LogServer;
  readonly tickets: readonly TicketId[];
  /** Holds are granted by their place in the log alone. */
  readonly isOrdered: boolean;
  readonly contest: Contest | null;
}

export class Checks {
  readonly #options: ChecksOptions;
  readonly #redis = new Map<string, InRedis>();
  readonly #archive = new Map<string, TicketFold>();
  readonly #everHeld = new Set<string>();
  /** By a request that came again when Redis had forgotten the first. */
  readonly #heldAnew = new Set<string>();
  /** Commands with an outcome on record, or whose sender was told that they are not done. */
  readonly #decided = new Set<string>();
  readonly #charged = new Map<string, string>();
  readonly #published = new Set<string>();
  readonly #newestPublished = new Map<string, CommittedEvent>();
  readonly told: Told[] = [];
  /** Reservations that somebody asked to refund. */
  readonly refundAsked = new Set<string>();
  /** Times that Redis lost something. */
  losses = 0;
  provider: ProviderServer | null = null;
  archive: ArchiveServer | null = null;

  constructor(options: ChecksOptions) {
    this.#options = options;
  }

  archiveFold(ticket: TicketId): TicketFold {
    const name = ticketName(ticket);
    let found = this.#archive.get(name);
    if (!found) {
      const { clientId, isOrdered } = this.#options;
      this.#archive.set(name, (found = new TicketFold(`${clientId} ledger of ${name}`, isOrdered)));
    }
    return found;
  }

  #inRedis(ticket: TicketId): InRedis {
    const name = ticketName(ticket);
    let found = this.#redis.get(name);
    if (!found) this.#redis.set(name, (found = { events: [], fold: this.#redisFold(ticket), claims: null }));
    return found;
  }

  #redisFold(ticket: TicketId): TicketFold {
    const { clientId, isOrdered } = this.#options;
    return new TicketFold(`${clientId} Redis of ${ticketName(ticket)}`, isOrdered);
  }

  // ---- Redis --------------------------------------------------------------------------------------------

  /** For a loss later: what is in Redis now. */
  redisMark(): RedisMark {
    return new Map([...this.#redis].map(([name, { events }]) => [name, { events, length: events.length }]));
  }

  /** Redis lost what came after the mark. */
  redisLost(mark: RedisMark): void {
    this.losses += 1;
    for (const ticket of this.#options.tickets) {
      const marked = mark.get(ticketName(ticket));
      const events = marked ? marked.events.slice(0, marked.length) : [];
      const fold = this.#redisFold(ticket);
      fold.hasForgotten = true;
      this.archiveFold(ticket).hasForgotten = true;
      for (const event of events) fold.apply(event);
      this.#redis.set(ticketName(ticket), { events, fold, claims: new Set() });
    }
  }

  claimed(ticket: TicketId, owner: string): void {
    this.#inRedis(ticket).claims?.add(owner);
  }

  committed(ticket: TicketId, commit: Commit, result: CommitResult, isRepeat: boolean): void {
    if (result.kind !== 'committed' || isRepeat) return;
    let stored = this.#inRedis(ticket);
    if (commit.replace && commit.version + commit.events.length >= 0 && this.#begins(ticket, commit)) {
      const events = [...(this.archive?.ticket(ticket).ledger ?? [])];
      stored = { events, fold: this.#redisFold(ticket), claims: null };
      stored.fold.hasForgotten = this.losses > 0;
      for (const event of events) stored.fold.apply(event);
      this.#redis.set(ticketName(ticket), stored);
    } else this.#checkNotBehind(ticket, commit, stored);
    for (const event of commit.events) {
      stored.events.push(event);
      stored.fold.apply(event);
      if (event.event.type === 'held') {
        const { reservation } = event.event;
        const isAnew = this.#everHeld.has(reservation.id) && reservation.paymentId === undefined;
        if (isAnew && this.losses > 0) this.#heldAnew.add(reservation.id);
        this.#everHeld.add(reservation.id);
        this.#checkLimit(ticket, reservation);
      }
      if (event.event.type === 'released') this.#checkNotCharged(event.event.reservation);
    }
    for (const { id } of commit.records) this.#decided.add(id);
    this.#options.contest?.committed(this.#options.clientId, ticket, commit.events, commit.after);
    stored.fold.compare(commit.after, `after version ${commit.version + 1}`);
    this.replied(commit.replies);
  }

  /** A replacement stands on what is archived, all of it; the first commit of a new ticket on nothing. */
  #begins(ticket: TicketId, { replace }: Commit): boolean {
    const head = this.archive?.head(ticket) ?? null;
    if (head === null) return true;
    if (replace && comparePositions(replace.archived, head) < 0 && replace.archived.sequence > 0) {
      throw new Violation('rebuilt from all', `${ticketName(ticket)} begins at ${replace.archived.sequence}`);
    }
    return true;
  }

  /** Who takes a ticket after a loss decides nothing before it has all that is archived. */
  #checkNotBehind(ticket: TicketId, { owner, version }: Commit, { events, claims }: InRedis): void {
    if (!claims?.has(owner)) return;
    const head = this.archive?.head(ticket) ?? null;
    const last = events.at(-1) ?? NOWHERE;
    if (head === null || comparePositions(head, last) <= 0) return;
    const where = `${last.incarnation}-${last.sequence}, archived is ${head.incarnation}-${head.sequence}`;
    throw new Violation('rebuilt after a loss', `${ticketName(ticket)} goes on from ${version} at ${where}`);
  }

  /** A hold goes back when its payment has failed for good: a buyer who still can pay would pay for nothing. */
  #checkNotCharged({ id, paymentId = '' }: Reservation): void {
    const status = this.provider?.payments.get(paymentId)?.status;
    if (status === undefined || status === 'canceled' || status === 'succeeded') return;
    throw new Violation('given back when nothing can be charged', `${id}: ${paymentId} is ${status}`);
  }

  /** Over the categories of a match; what a loss took apart may exceed it. */
  #checkLimit(ticket: TicketId, { person, id }: Reservation): void {
    if (this.losses > 0) return;
    let owned = 0;
    for (const other of this.#options.tickets) {
      if (other.matchNumber === ticket.matchNumber) owned += this.#inRedis(other).fold.owned(person);
    }
    if (owned > this.#options.policy.ticketsPerPersonMax) {
      throw new Violation('purchase limit', `${person} has ${owned} tickets of a match with ${id}`);
    }
  }

  /** Replies leave Redis for those who wait. */
  replied(replies: ReadonlyMap<string, readonly Reply[]>): void {
    for (const list of replies.values()) {
      for (const { id, result } of list) {
        this.#decided.add(id);
        if (result.kind === 'held' && !this.#everHeld.has(result.reservation.id)) {
          throw new Violation('answered when committed', `${result.reservation.id} is told as held`);
        }
        if (result.kind === 'paying' || result.kind === 'reserved' || result.kind === 'refunded') {
          this.#checkDurable(result.kind, result.reservation);
        }
      }
    }
  }

  /** A job leaves its queue for good. */
  completed(job: CommandJob): void {
    for (const { id } of job.commands) {
      if (!this.#decided.has(id)) throw new Violation('completed after its commit', `${id} was not decided`);
    }
  }

  #checkDurable(kind: string, reservation: Reservation): void {
    const known = this.archiveFold(reservation).known.get(reservation.id);
    const isDurable = {
      paying: known?.paymentId !== undefined,
      reserved: known?.status === 'RESERVED' || known?.status === 'REFUNDED',
      refunded: (known?.refundedQuantity ?? 0) > 0,
    }[kind];
    if (!isDurable) {
      throw new Violation(
        'told when durable',
        `${reservation.id} is told ${kind}, archived as ${known?.status}`,
      );
    }
  }

  // ---- archive, log, provider ---------------------------------------------------------------------------

  appended(event: CommittedEvent): void {
    this.archiveFold(event.ticket).apply(event);
    this.#options.contest?.appended(this.#options.clientId, event);
    if (event.event.type !== 'sold') return;
    const { paymentId = '', id } = event.event.reservation;
    const payment = this.provider?.payments.get(paymentId);
    if (payment?.status !== 'succeeded')
      throw new Violation('sold when charged', `${id} by ${payment?.status}`);
  }

  recordWritten(record: IncomingRecord): void {
    const { clientId } = this.#options;
    const own = record.topic === SALES_TOPIC ? ownEventOf(record, clientId) : null;
    if (!own) return;
    const eventId = record.headers['eventId'] ?? '';
    if (this.#published.has(eventId)) throw new Violation('an event once in the log', `${eventId} again`);
    this.#published.add(eventId);
    const ledger = this.archive?.ticket(own.ticket).ledger ?? [];
    const event = ledger.find(
      ({ incarnation, sequence }) => incarnation === own.incarnation && sequence === own.sequence,
    );
    if (!event) throw new Violation('archived before published', `${eventId} is not in the ledger`);
    const name = ticketName(own.ticket);
    const newest = this.#newestPublished.get(name);
    if (newest && comparePositions(newest, event) > 0) {
      throw new Violation(
        'events in order in the log',
        `${eventId} after ${newest.incarnation}-${newest.sequence}`,
      );
    }
    this.#newestPublished.set(name, event);
  }

  asked(paymentId: string, reservationId: string): void {
    for (const ticket of this.#options.tickets) {
      const known = this.archiveFold(ticket).known.get(reservationId);
      if (known) {
        if (known.paymentId !== undefined) return;
        throw new Violation('PAYING before the charge', `${paymentId}: the ledger has ${known.status}`);
      }
    }
    throw new Violation('PAYING before the charge', `${paymentId}: ${reservationId} is not in the ledger`);
  }

  charged({ id, reservationId }: Payment): void {
    const before = this.#charged.get(reservationId);
    if (before !== undefined) {
      throw new Violation('charged once', `${reservationId} by ${before} and by ${id}`);
    }
    this.#charged.set(reservationId, id);
  }

  // ---- buyers -------------------------------------------------------------------------------------------

  tell(told: Omit<Told, 'losses'>): void {
    this.told.push({ ...told, losses: this.losses });
    const { reservationId, kind, ticket, what } = told;
    const known = this.archiveFold(ticket).known.get(reservationId);
    if (kind === 'RESERVED' && known?.status !== 'RESERVED' && known?.status !== 'REFUNDED') {
      throw new Violation(
        'told when durable',
        `${reservationId} is told RESERVED, archived as ${known?.status}`,
      );
    }
    if (kind === 'held' && !this.#everHeld.has(reservationId)) {
      throw new Violation('answered when committed', `${reservationId} is told as held`);
    }
    if (
      what === 'join' &&
      kind === 'waiting' &&
      !this.archiveFold(ticket).everWaited.has(entryOf(reservationId))
    ) {
      throw new Violation('told when durable', `${reservationId} is told a place that is not archived`);
    }
    if (what === 'read') this.#checkRead(told);
  }

  /**
   * What was answered before is in what is read now. A sale is durable, whatever Redis lost; a hold may be lost with it,
   * and one whose refund was asked for may then be held anew by a request that comes again.
   */
  #checkRead({ reservationId, kind, askedAt }: Omit<Told, 'losses'>): void {
    const before = this.told.filter(
      (one) => one.reservationId === reservationId && one.what !== 'read' && one.at < askedAt,
    );
    const ofNow = before.filter(({ losses }) => losses === this.losses);
    const wasReserved = (this.refundAsked.has(reservationId) ? ofNow : before).some(
      (one) => one.kind === 'RESERVED',
    );
    if (wasReserved && kind !== 'RESERVED' && kind !== 'REFUNDED') {
      throw new Violation('reads after a write are true', `${reservationId} was sold and reads ${kind}`);
    }
    if (ofNow.some((one) => one.kind === 'held') && kind === 'null') {
      throw new Violation('reads after a write are true', `${reservationId} was held and is not found`);
    }
  }

  // ---- the end ------------------------------------------------------------------------------------------

  /** Everything is quiet: all stores, and what buyers were told, must say the same. */
  atEnd(readRedis: (ticket: TicketId) => { position: string; counters: string; live: string[] }): void {
    this.#compareLog();
    for (const ticket of this.#options.tickets) {
      const name = ticketName(ticket);
      const ledger = this.archiveFold(ticket);
      const { counters, live } = readRedis(ticket);
      const mine = [
        ledger.capacity,
        ledger.heldHere,
        ledger.soldHere,
        ledger.heldElsewhere,
        ledger.soldElsewhere,
      ];
      if (counters !== mine.join()) {
        throw new Violation('Redis equals the ledger', `${name}: ${counters} for ${mine.join()}`);
      }
      const known = [...ledger.live.keys()].sort().join();
      if (live.sort().join() !== known)
        throw new Violation('Redis equals the ledger', `${name}: reservations`);
      if (ledger.heldHere !== 0)
        throw new Violation('no capacity leaked', `${name}: ${ledger.heldHere} held`);
    }
    this.#comparePayments();
    this.#compareTold();
  }

  #compareLog(): void {
    const { clientId, log, tickets } = this.#options;
    const names = new Set(tickets.map(ticketName));
    const onSale = new Set([...names].map((name) => name));
    const totals = new Map<string, number[]>();
    for (const { topic, records } of log.partitions) {
      if (topic !== SALES_TOPIC) continue;
      const plain = records.map((record) => ({ ...record, value: record.value?.toString() ?? null }));
      for (const [name, { soldHere, heldHere, soldElsewhere, heldElsewhere }] of fold(
        plain,
        clientId,
        onSale,
      )) {
        const sums = totals.get(name) ?? [0, 0, 0, 0];
        totals.set(name, [
          sums[0]! + heldHere,
          sums[1]! + soldHere,
          sums[2]! + heldElsewhere,
          sums[3]! + soldElsewhere,
        ]);
      }
    }
    for (const ticket of tickets) {
      const { heldHere, soldHere, heldElsewhere, soldElsewhere } = this.archiveFold(ticket);
      const theirs = [heldHere, soldHere, heldElsewhere, soldElsewhere].join();
      const name = `${ticket.matchNumber}:${ticket.category}`;
      const mine = (totals.get(name) ?? [0, 0, 0, 0]).join();
      if (theirs !== mine) throw new Violation('the ledger equals the log', `${name}: ${theirs} for ${mine}`);
    }
  }

  #comparePayments(): void {
    for (const payment of this.provider?.payments.values() ?? []) {
      const { id, reservationId, status, amountMinor, refundedMinor } = payment;
      if (status === 'processing') throw new Violation('quiet at the end', `${id} is processing`);
      if (status !== 'succeeded') continue;
      const reservation = this.#known(reservationId);
      const isPaidFor = reservation?.paymentId === id;
      const unit = amountMinor / ((reservation?.quantity ?? 0) + (reservation?.refundedQuantity ?? 0));
      const owed =
        isPaidFor && reservation.status === 'RESERVED'
          ? Math.round(unit * reservation.refundedQuantity)
          : amountMinor;
      if (refundedMinor !== owed) {
        throw new Violation(
          'charged for tickets or refunded',
          `${id}: ${refundedMinor} of ${amountMinor} given back, ${owed} owed, ${reservation?.status}`,
        );
      }
    }
    for (const ticket of this.#options.tickets) {
      for (const { id, status, paymentId } of this.archiveFold(ticket).known.values()) {
        if (status !== 'RESERVED') continue;
        if (this.#charged.get(id) !== paymentId)
          throw new Violation('sold when charged', `${id} was not charged`);
      }
    }
  }

  #known(id: string): Reservation | undefined {
    for (const ticket of this.#options.tickets) {
      const known = this.archiveFold(ticket).known.get(id);
      if (known) return known;
    }
    return undefined;
  }

  #compareTold(): void {
    for (const { kind, reservationId, lossesBefore, losses, what } of this.told) {
      const known = this.#known(reservationId);
      if (kind === 'RESERVED') {
        // Given back, and held anew by a request that came again when Redis had forgotten the first.
        const isBack = known?.status === 'REFUNDED' || this.losses > 0;
        const isRight = known?.status === 'RESERVED' || (isBack && this.refundAsked.has(reservationId));
        if (!isRight)
          throw new Violation('no sale missing', `${reservationId} was sold and is ${known?.status}`);
      }
      // One that was lost while its answer was on its way is told all the same.
      if (kind === 'held' && known === undefined && this.losses === lossesBefore) {
        throw new Violation('no hold missing', `${reservationId} was held, and Redis lost nothing since`);
      }
      if (what === 'leave' && kind === 'left_waiting_list' && known !== undefined && this.losses === 0) {
        throw new Violation('who left is offered nothing', `${reservationId} is ${known.status}`);
      }
      const isRefused = kind === 'sold_out' || kind === 'temporarily_unavailable';
      if (what === 'hold' && isRefused && known !== undefined && this.losses === 0) {
        throw new Violation(
          'refused stays refused',
          `${reservationId} was told ${kind} and is ${known.status}`,
        );
      }
      if (what === 'cancel' && kind === 'released') {
        const isSold = known?.status === 'RESERVED' && this.losses === losses;
        // After any other end, as by a decline, the buyer could take the tickets again.
        const isOther =
          known?.reason !== 'cancelled' && this.losses === lossesBefore && !this.#heldAnew.has(reservationId);
        if (isSold || isOther) {
          const how = `${known?.status} (${known?.reason})`;
          throw new Violation('cancelled stays cancelled', `${reservationId} was given back and is ${how}`);
        }
      }
    }
  }
}
