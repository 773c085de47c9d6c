/**
 * Cancelling a match.
 *
 * Guarantees: it is on record before anything follows, and then goes on to its end whatever dies; the actors close
 * the match first, so that nothing of it is sold any more and no other marketplace hears that there are tickets
 * again; holds end without a charge; every sale is refunded once, in whole, and its buyer mailed once; a sale whose
 * payment was under way is refunded too, or its payment ends; what a person has to look at is listed.
 *
 * Why once: a refund is a command of the reservation's actor, which knows what is refunded already, and its money is
 * owed from that commit on (payments/flow.ts); a mail is queued under the reservation's id.
 */
import type { Clock, TicketCounters } from '../actors/ports.js';
import type { Archive } from '../archive/port.js';
import { ticketsOf } from '../catalog/match.js';
import type { Message } from '../catalog/notices.js';
import { ticketOfReservation } from '../http/identity.js';
import type { CommandGateway } from '../http/ports.js';
import type { MailRecords } from '../mail/records.js';
import { mailOf } from '../mail/sources.js';
import type { PaymentFlow } from '../payments/flow.js';
import { minorOf } from '../payments/settlement.js';
import { each } from '../process/each.js';
import type { Logger } from '../process/log.js';
import type { JobRun } from '../queues/long-jobs.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { ticketIdOf } from '../tickets/admission.js';
import type { AdmissionRecords } from '../tickets/records.js';
import type { Cancellation, NoticeBoard } from './notice-board.js';

export interface CancellationsOptions {
  readonly board: NoticeBoard;
  readonly gateway: CommandGateway;
  readonly flow: Pick<PaymentFlow, 'refund' | 'cancel'>;
  /** Live reservations of a ticket, each once; throws while they are not known. */
  readonly live: (ticket: TicketId) => AsyncIterable<Reservation>;
  readonly counters: (tickets: readonly TicketId[]) => Promise<readonly TicketCounters[]>;
  readonly archive: Pick<Archive, 'events'>;
  readonly mails: Pick<MailRecords, 'add'>;
  readonly admissions: Pick<AdmissionRecords, 'ofMatch'>;
  /** Empty when the account is gone. */
  readonly emailOf: (account: string) => Promise<string>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a cancellation would touch, or touches still. */
export interface Touched {
  readonly pending: number;
  readonly paying: number;
  readonly sales: number;
  /** Sold here. */
  readonly tickets: number;
  readonly amountMinor: number;
  /** ISO 4217; empty where nothing was sold. */
  readonly currency: string;
  readonly transferred: number;
  /** Let in already. */
  readonly admitted: number;
  readonly soldElsewhere: number;
}

const KEEP_MS = 24 * 60 * 60_000;
/** Refunds under way at once: providers limit how many they take in a second. */
const REFUNDS_AT_ONCE = 8;
const MAILS_AT_ONCE = 16;
/** Between two rounds over what could not be ended. */
const ROUND_MS = 1_000;
/** How far it is is written this often. */
const PROGRESS_MS = 500;
const FAILURES_MAX = 200;

export class Cancellations {
  readonly #options: CancellationsOptions;

  constructor(options: CancellationsOptions) {
    this.#options = options;
  }

  async touched(matchNumber: number): Promise<Touched> {
    const { admissions, counters } = this.#options;
    const count = { pending: 0, paying: 0, sales: 0, tickets: 0, amountMinor: 0, currency: '' };
    for await (const reservation of this.#live(matchNumber)) {
      if (reservation.status === 'PENDING') count.pending += 1;
      else if (reservation.status === 'PAYING') count.paying += 1;
      else {
        count.sales += 1;
        count.tickets += reservation.quantity;
        count.amountMinor += minorOf(reservation, reservation.quantity);
        count.currency = reservation.currency;
      }
    }
    let transferred = 0;
    let admitted = 0;
    for await (const { value } of admissions.ofMatch(matchNumber)) {
      if (value.generation > 0) transferred += 1;
      if (value.used) admitted += 1;
    }
    const tickets = await counters(ticketsOf(matchNumber));
    const soldElsewhere = tickets.reduce((sum, ticket) => sum + ticket.soldElsewhere, 0);
    return { ...count, transferred, admitted, soldElsewhere };
  }

  /** Puts it on record; `begun` before changes nothing. */
  async begin(matchNumber: number, reason: Message, by: string): Promise<'begun' | 'was'> {
    const { board, clock } = this.#options;
    let was = false;
    await board.changeMatch(matchNumber, (change) => {
      was = change.cancellation !== undefined;
      if (was) return change;
      const cancellation: Cancellation = {
        state: 'closing',
        reason,
        startedAt: clock.now(),
        startedBy: by,
        closed: 0,
        total: 0,
        refunded: 0,
        mailed: 0,
        failures: [],
      };
      return { ...change, cancellation };
    });
    return was ? 'was' : 'begun';
  }

  /** Goes on from wherever it stands; rejects when it must be taken up again later. */
  async run(matchNumber: number, { progress, signal }: Pick<JobRun, 'progress' | 'signal'>): Promise<void> {
    const state = (await this.#options.board.change(matchNumber))?.cancellation?.state;
    if (state === undefined || state === 'done') return;
    await this.#close(matchNumber, signal);
    // Whoever looks at the match reads why, from now on.
    await this.#options.board.share();
    if (state === 'closing') {
      const total = await this.#count(matchNumber);
      await this.#note(matchNumber, { state: 'refunding', total });
    }
    await this.#endAll(matchNumber, { progress, signal });
    const mailed = await this.#mailAll(matchNumber, signal);
    await this.#note(matchNumber, { state: 'done', mailed, finishedAt: this.#options.clock.now() });
    this.#options.logger.info({ matchNumber, mailed }, 'a cancelled match is dealt with');
  }

  /** First: nothing is sold any more, and what ends from now on is no news to others. */
  async #close(matchNumber: number, signal: AbortSignal): Promise<void> {
    const { gateway } = this.#options;
    let closed = 0;
    for (const ticket of ticketsOf(matchNumber)) {
      const answer = await gateway.submit({
        ticket,
        id: `cancel-match/${matchNumber}:${ticket.category}`,
        body: { type: 'close', endHolds: true, cancelled: true },
        keepMs: KEEP_MS,
      });
      signal.throwIfAborted();
      const isClosed =
        answer.kind === 'answered' &&
        (answer.result.kind === 'applied' || answer.result.kind === 'unchanged');
      if (!isClosed) throw new Error(`match ${matchNumber}, category ${ticket.category} is not closed yet`);
      closed += 1;
      await this.#note(matchNumber, { closed });
    }
  }

  async #endAll(
    matchNumber: number,
    { progress, signal }: Pick<JobRun, 'progress' | 'signal'>,
  ): Promise<void> {
    const failures = new Map<string, string>();
    for (;;) {
      const open: Reservation[] = [];
      for await (const reservation of this.#live(matchNumber)) open.push(reservation);
      if (open.length === 0) break;
      let left = open.length;
      let notedAt = 0;
      const note = async (): Promise<void> => {
        notedAt = this.#options.clock.now();
        const { total, refunded } = await this.#noteLeft(matchNumber, left, failures);
        await progress({ total, refunded, failed: failures.size });
      };
      await each(open, REFUNDS_AT_ONCE, async (reservation) => {
        signal.throwIfAborted();
        const why = await this.#end(reservation);
        if (why === null) {
          left -= 1;
          failures.delete(reservation.id);
        } else if (failures.size < FAILURES_MAX) failures.set(reservation.id, why);
        if (this.#options.clock.now() - notedAt >= PROGRESS_MS) await note();
      });
      await note();
      if (left > 0) await this.#wait(ROUND_MS, signal);
    }
    await this.#noteLeft(matchNumber, 0, new Map());
  }

  /** Null when it has ended; else why not yet. */
  async #end(reservation: Reservation): Promise<string | null> {
    const { flow } = this.#options;
    const { id, status, paymentId, quantity } = reservation;
    const ticket = ticketOfReservation(id);
    if (!ticket) return 'it names no ticket';
    const ref = { ticket, reservationId: id };
    // As many tickets as it covers now: a refund in part that comes in between must not make this one stick.
    const ids = { id: `cancel-match/${id}/${quantity}`, keepMs: KEEP_MS };
    if (status !== 'RESERVED' || paymentId === undefined) {
      const ended = await flow.cancel(ref, { ...ids, id: `${ids.id}/${this.#options.clock.now()}` });
      return ended.kind === 'released' || ended.kind === 'not_live' ? null : 'its payment is under way';
    }
    const refunded = await flow.refund({ ref, paymentId, quantity }, ids);
    switch (refunded.kind) {
      case 'refunded':
        // The tickets are void; what the provider refuses stays with the payment, for a person (docs/operations.md).
        return null;
      case 'wrong_state':
        return refunded.status === 'REFUNDED' ? null : `it is ${refunded.status}`;
      case 'refund_exceeds':
        return `it covers ${refunded.quantity} by now`;
      case 'overloaded':
      case 'unknown':
        return 'no answer yet';
    }
  }

  /** Mails of what is in the ledgers; those that were queued before change nothing. Answers how many there are. */
  async #mailAll(matchNumber: number, signal: AbortSignal): Promise<number> {
    const { archive, mails, admissions, emailOf } = this.#options;
    const ids = new Set<string>();
    for (const ticket of ticketsOf(matchNumber)) {
      for await (const event of archive.events(ticket, null)) {
        signal.throwIfAborted();
        const mail = mailOf(event);
        if (mail?.kind !== 'match-cancelled') continue;
        await mails.add(mail);
        ids.add(mail.id);
      }
    }
    const passedOn: { readonly id: string; readonly holder: string }[] = [];
    for await (const { value } of admissions.ofMatch(matchNumber)) {
      if (value.holder === undefined) continue;
      passedOn.push({ id: ticketIdOf(value.reservationId, value.number), holder: value.holder });
    }
    await each(passedOn, MAILS_AT_ONCE, async ({ id: ticketId, holder }) => {
      signal.throwIfAborted();
      const ticket = ticketOfReservation(ticketId.slice(0, ticketId.lastIndexOf('.')));
      const to = await emailOf(holder);
      if (!ticket || to === '') return;
      const id = `match-cancelled-holder:${ticketId}`;
      await mails.add({ kind: 'match-cancelled-holder', id, to, data: { ticketId, ...ticket } });
      ids.add(id);
    });
    return ids.size;
  }

  async #count(matchNumber: number): Promise<number> {
    let count = 0;
    const live = this.#live(matchNumber)[Symbol.asyncIterator]();
    while (!(await live.next()).done) count += 1;
    return count;
  }

  async *#live(matchNumber: number): AsyncIterable<Reservation> {
    for (const ticket of ticketsOf(matchNumber)) yield* this.#options.live(ticket);
  }

  async #noteLeft(
    matchNumber: number,
    left: number,
    failures: ReadonlyMap<string, string>,
  ): Promise<Cancellation> {
    return this.#note(matchNumber, (before) => {
      // One whose payment succeeded meanwhile is in neither count before.
      const total = Math.max(before.total, left);
      const listed = [...failures].map(([reservationId, reason]) => ({ reservationId, reason }));
      return { total, refunded: total - left, failures: listed };
    });
  }

  async #note(
    matchNumber: number,
    changed: Partial<Cancellation> | ((before: Cancellation) => Partial<Cancellation>),
  ): Promise<Cancellation> {
    const after = await this.#options.board.changeMatch(matchNumber, (change) => {
      const { cancellation } = change;
      if (!cancellation) throw new Error(`match ${matchNumber} is not cancelled`);
      const more = typeof changed === 'function' ? changed(cancellation) : changed;
      return { ...change, cancellation: { ...cancellation, ...more } };
    });
    if (!after.cancellation) throw new Error(`match ${matchNumber} is not cancelled`);
    return after.cancellation;
  }

  #wait(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        cancel();
        reject(new Error('this process is about to stop'));
      };
      const cancel = this.#options.clock.schedule(ms, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}
