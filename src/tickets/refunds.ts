/**
 * A buyer's refund of tickets.
 *
 * Guarantees: the admissions are marked before anything is ordered, so that none of them can be accepted by
 * somebody else any more, and none that was accepted is refunded; marks are taken off again only when it is
 * known that nothing was refunded. One refund of a reservation at a time: one that was cut short (crash, lost
 * answer) is finished by the next request, whichever it is, and takes effect once.
 */
import type { Clock } from '../actors/ports.js';
import { ticketOfReservation } from '../http/identity.js';
import type { FlowIds, PaymentFlow } from '../payments/flow.js';
import type { PaymentRecords } from '../payments/records.js';
import type { Reservation } from '../rules/index.js';
import { refundable, type RefundMark, type Standing } from './admission.js';
import type { TicketDesk } from './desk.js';

export interface BuyerRefundsOptions {
  readonly desk: Pick<TicketDesk, 'standings' | 'refundStep'>;
  readonly flow: Pick<PaymentFlow, 'refund'>;
  readonly payments: Pick<PaymentRecords, 'get'>;
  readonly clock: Clock;
  readonly findReservation: (id: string) => Promise<Reservation | null>;
  /** Whether buyers may give tickets back at all. */
  readonly isAllowed: boolean;
  /** Until when those of a match may be given back, epoch milliseconds; null: without end. */
  readonly until: (matchNumber: number) => Promise<number | null>;
  /**
   * Until when those of a match that was moved may be given back whatever else holds, epoch milliseconds; null for
   * other matches.
   */
  readonly offeredUntil?: (matchNumber: number) => number | null;
}

export interface RefundIds extends FlowIds {
  /** Whether the same request can come again. */
  readonly keyed: boolean;
}

export type BuyerRefundResult =
  | {
      readonly kind: 'refunded';
      readonly reservation: Reservation;
      /** In all. */
      readonly refundedMinor: number;
      /** The money is not on its way yet; it will be sent. */
      readonly pending: boolean;
    }
  | { readonly kind: 'not_allowed' }
  | { readonly kind: 'too_late'; readonly until: number }
  | { readonly kind: 'wrong_state'; readonly status: string }
  /** More than there is; `quantity` is. */
  | { readonly kind: 'exceeds'; readonly quantity: number }
  /** Some were transferred or used; so many are left to refund. */
  | { readonly kind: 'transferred'; readonly quantity: number }
  /** Another one was under way; it is done now. */
  | { readonly kind: 'another_first' }
  /** They were transferred, or refunded, while it was asked. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown' };

export class BuyerRefunds {
  readonly #options: BuyerRefundsOptions;

  constructor(options: BuyerRefundsOptions) {
    this.#options = options;
  }

  /** `quantity` absent: all of it. Whose the reservation is, the caller has asked. `audit` is kept before it is ordered. */
  async refund(
    reservation: Reservation,
    quantity: number | undefined,
    ids: RefundIds,
    audit: (numbers: readonly number[]) => Promise<void>,
  ): Promise<BuyerRefundResult> {
    const standings = await this.#options.desk.standings(reservation);
    const marks = standings.flatMap(({ admission }) => admission.refund ?? []);
    const own = marks.find(({ id }) => id === ids.id);
    // What was ordered is finished, also after the time for ordering is over.
    if (own) return this.#resume(own, reservation, ids);
    const open = marks.find(({ isDone }) => !isDone);
    if (open) {
      const finished = await this.#resume(open, reservation, { ...ids, id: open.id });
      if (finished.kind === 'refunded') return { kind: 'another_first' };
      return finished.kind === 'unknown' ? finished : { kind: 'changed' };
    }
    const refusal = await this.#refusal(reservation, standings, quantity);
    if ('kind' in refusal) return refusal;
    await audit(refusal);
    const mark = {
      id: ids.id,
      numbers: refusal,
      before: reservation.refundedQuantity,
      at: this.#options.clock.now(),
      isDone: false,
    };
    return this.#order(mark, reservation, ids, !ids.keyed);
  }

  /** Why not; or the numbers. */
  async #refusal(
    { status, quantity: left, matchNumber }: Reservation,
    standings: readonly Standing[],
    quantity: number | undefined,
  ): Promise<BuyerRefundResult | readonly number[]> {
    const { isAllowed, until, offeredUntil, clock } = this.#options;
    const isOffered = clock.now() < (offeredUntil?.(matchNumber) ?? 0);
    if (!isAllowed && !isOffered) return { kind: 'not_allowed' };
    if (status !== 'RESERVED') return { kind: 'wrong_state', status };
    const end = isOffered ? null : await until(matchNumber);
    if (end !== null && clock.now() >= end) return { kind: 'too_late', until: end };
    const wanted = quantity ?? left;
    if (wanted > left) return { kind: 'exceeds', quantity: left };
    const own = refundable(standings);
    if (wanted > own.length) return { kind: 'transferred', quantity: own.length };
    return own.slice(0, wanted);
  }

  /** A refund that was ordered before: done when the reservation shows it, else ordered again under its id. */
  async #resume(mark: RefundMark, reservation: Reservation, ids: FlowIds): Promise<BuyerRefundResult> {
    if (reservation.refundedQuantity < mark.before + mark.numbers.length) {
      return this.#order(mark, reservation, ids, false);
    }
    if (!mark.isDone) await this.#step(mark, 'settle', reservation);
    const { paymentId } = reservation;
    const record = paymentId === undefined ? null : await this.#options.payments.get(paymentId);
    const refundedMinor = record?.refundedMinor ?? 0;
    return { kind: 'refunded', reservation, refundedMinor, pending: record?.dueAt !== undefined };
  }

  async #order(
    mark: RefundMark,
    reservation: Reservation,
    ids: FlowIds,
    isAlone: boolean,
  ): Promise<BuyerRefundResult> {
    const ticket = ticketOfReservation(reservation.id);
    const { paymentId } = reservation;
    if (!ticket || paymentId === undefined) return { kind: 'wrong_state', status: reservation.status };
    if (!(await this.#mark(mark, reservation))) return { kind: 'changed' };
    const wanted = {
      ref: { ticket, reservationId: reservation.id },
      paymentId,
      quantity: mark.numbers.length,
    };
    const result = await this.#options.flow.refund(wanted, ids);
    switch (result.kind) {
      case 'refunded':
        await this.#step(mark, 'settle', reservation);
        return result;
      case 'refund_exceeds':
        await this.#step(mark, 'keep', reservation);
        return { kind: 'exceeds', quantity: result.quantity };
      case 'wrong_state':
        await this.#step(mark, 'keep', reservation);
        return result;
      case 'overloaded':
        // This order was not taken. Of an earlier one, or a repeat at the same time, that is not known.
        if (isAlone) await this.#step(mark, 'keep', reservation);
        return isAlone ? result : { kind: 'unknown' };
      case 'unknown':
        return result;
    }
  }

  /** Highest number first: of two refunds at once the second meets the mark of the first, and has none itself. */
  async #mark(mark: RefundMark, { id }: Reservation): Promise<boolean> {
    for (const number of mark.numbers) {
      const { kind } = await this.#options.desk.refundStep(id, number, { type: 'refund', mark });
      if (kind === 'done') continue;
      await this.#step(mark, 'keep', { id });
      return false;
    }
    return true;
  }

  async #step(mark: RefundMark, type: 'keep' | 'settle', { id }: Pick<Reservation, 'id'>): Promise<void> {
    for (const number of mark.numbers) {
      await this.#options.desk.refundStep(id, number, { type, id: mark.id });
    }
  }
}
