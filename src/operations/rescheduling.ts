/**
 * Moving a match to another time or place.
 *
 * Guarantees: it is on record before anything follows; every buyer, and whoever a ticket was passed on to, is mailed
 * once about it, whatever dies; until a time that the operator sets they may give their tickets back for all of their
 * price, whatever else holds for refunds. Tickets and their codes stay valid.
 */
import type { Clock } from '../actors/ports.js';
import { ticketsOf, type Match } from '../catalog/match.js';
import type { Message } from '../catalog/notices.js';
import { ticketOfReservation } from '../http/identity.js';
import type { MailRecords } from '../mail/records.js';
import { factsOf } from '../mail/sources.js';
import type { JobRun } from '../queues/long-jobs.js';
import type { Reservation, TicketId } from '../rules/index.js';
import { ticketIdOf } from '../tickets/admission.js';
import type { AdmissionRecords } from '../tickets/records.js';
import type { NoticeBoard, Reschedule } from './notice-board.js';

export interface ReschedulingOptions {
  readonly board: NoticeBoard;
  readonly live: (ticket: TicketId) => AsyncIterable<Reservation>;
  readonly mails: Pick<MailRecords, 'add'>;
  readonly admissions: Pick<AdmissionRecords, 'ofMatch'>;
  readonly emailOf: (account: string) => Promise<string>;
  readonly clock: Clock;
}

export interface NewSchedule {
  readonly dateUtc: string;
  readonly location: string;
  readonly message?: Message;
  readonly refundUntil: number;
}

const PROGRESS_EVERY = 50;

export class Rescheduling {
  readonly #options: ReschedulingOptions;

  constructor(options: ReschedulingOptions) {
    this.#options = options;
  }

  /** `cancelled`: a match that will not be played is not moved. `busy`: buyers are still told of the last change. */
  async begin(match: Match, to: NewSchedule, by: string): Promise<'begun' | 'cancelled' | 'busy'> {
    const { board, clock } = this.#options;
    let answer: 'begun' | 'cancelled' | 'busy' = 'begun';
    await board.changeMatch(match.matchNumber, (change) => {
      answer = change.cancellation ? 'cancelled' : 'begun';
      if (change.reschedule && change.reschedule.finishedAt === undefined) answer = 'busy';
      if (answer !== 'begun') return change;
      const reschedule: Reschedule = {
        ...to,
        previousDateUtc: match.dateUtc,
        previousLocation: match.location,
        startedAt: clock.now(),
        startedBy: by,
        total: 0,
        mailed: 0,
      };
      return { ...change, reschedule };
    });
    // Before buyers are looked up: whoever buys after that reads the new time.
    if (answer === 'begun') await board.share();
    return answer;
  }

  /** Mails everybody whom it concerns; those who were mailed before it was cut short are not mailed again. */
  async run(matchNumber: number, { progress, signal }: Pick<JobRun, 'progress' | 'signal'>): Promise<void> {
    const { board, mails, admissions, emailOf, clock } = this.#options;
    const change = (await board.change(matchNumber))?.reschedule;
    if (!change || change.finishedAt !== undefined) return;
    await board.share();
    const { previousDateUtc: formerDateUtc, previousLocation: formerLocation, startedAt } = change;
    const buyers = await this.#buyers(matchNumber);
    let mailed = 0;
    const note = async (more: Partial<Reschedule> = {}): Promise<void> => {
      await this.#note(matchNumber, startedAt, { total: buyers.length, mailed, ...more });
      await progress({ total: buyers.length, mailed });
    };
    for (const reservation of buyers) {
      signal.throwIfAborted();
      await mails.add({
        kind: 'match-rescheduled',
        id: `match-rescheduled:${startedAt}:${reservation.id}`,
        to: reservation.email,
        data: { ...factsOf(reservation), formerDateUtc, formerLocation },
      });
      mailed += 1;
      if (mailed % PROGRESS_EVERY === 0) await note();
    }
    for await (const { value } of admissions.ofMatch(matchNumber)) {
      signal.throwIfAborted();
      const ticket = ticketOfReservation(value.reservationId);
      const to = value.holder === undefined ? '' : await emailOf(value.holder);
      if (!ticket || to === '') continue;
      const ticketId = ticketIdOf(value.reservationId, value.number);
      await mails.add({
        kind: 'match-rescheduled-holder',
        id: `match-rescheduled-holder:${startedAt}:${ticketId}`,
        to,
        data: { ticketId, ...ticket, formerDateUtc, formerLocation },
      });
    }
    await note({ finishedAt: clock.now() });
  }

  /** Who has paid, or is paying and read the old time. */
  async #buyers(matchNumber: number): Promise<readonly Reservation[]> {
    const found = new Map<string, Reservation>();
    for (const ticket of ticketsOf(matchNumber)) {
      for await (const reservation of this.#options.live(ticket)) {
        if (reservation.status !== 'PENDING') found.set(reservation.id, reservation);
      }
    }
    return [...found.values()];
  }

  async #note(matchNumber: number, startedAt: number, more: Partial<Reschedule>): Promise<void> {
    await this.#options.board.changeMatch(matchNumber, (change) => {
      const { reschedule } = change;
      if (reschedule?.startedAt !== startedAt) return change;
      return { ...change, reschedule: { ...reschedule, ...more } };
    });
  }
}
