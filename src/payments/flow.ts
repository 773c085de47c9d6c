/**
 * The way from a hold to a sale and its money.
 *
 * Guarantees: the actor's PAYING commit comes before the charge, so at most one payment of a reservation is
 * under way; a sale is told only when the actor's confirm is durable; whoever was charged for a hold that
 * ended gets the money back; a step whose answer is not known is never guessed: the reservation stays PAYING
 * until a repeat or the settler learns it. Every step may be repeated under the same ids.
 */
import { createHash } from 'node:crypto';
import type { Clock, CommandBody, CommandResult } from '../actors/ports.js';
import type { CommandGateway, ReservationReader } from '../http/ports.js';
import type { Logger } from '../process/log.js';
import type { ReleaseReason, Reservation, TicketId } from '../rules/index.js';
import type { PaymentProvider, PaymentState } from './port.js';

/** How the commands of one request are identified; the same ids repeat it. */
export interface FlowIds {
  readonly id: string;
  readonly keepMs: number;
  readonly requestId?: string;
}

export interface ReservationRef {
  readonly ticket: TicketId;
  readonly reservationId: string;
}

export type PaymentResult =
  | { readonly kind: 'reserved'; readonly reservation: Reservation }
  /** The provider refused it for good; the hold was given back. */
  | { readonly kind: 'declined'; readonly reason: string }
  /** The hold had ended. `refunded`: it was charged, and the money was given back. */
  | { readonly kind: 'hold_expired'; readonly refunded: boolean }
  /** Nothing was done and nothing will be. */
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  /** Not known yet; the same ids asked again tell. */
  | { readonly kind: 'unknown' };

export type CancelResult =
  | { readonly kind: 'released'; readonly reservation: Reservation }
  /** It is not live: it ended before, or never was. */
  | { readonly kind: 'not_live' }
  /** Its payment had succeeded, or it was sold before: it is not to be cancelled but refunded. */
  | { readonly kind: 'wrong_state'; readonly reservation: Reservation }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown' };

/** `pending`: it is not over yet, or could not be settled now; try again later. */
export type SettleResult = PaymentResult | { readonly kind: 'pending' };

export interface PaymentFlowOptions {
  readonly gateway: CommandGateway;
  readonly provider: PaymentProvider;
  readonly reader: ReservationReader;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the provider may take to answer a request. */
  readonly providerWaitMs: number;
  /** How long the settler's outcomes stay on record. */
  readonly unkeyedOutcomeMs: number;
  /** Unguessable, never the same. */
  readonly newId: () => string;
}

/** Retry hint when the sender gave none. */
const RETRY_AFTER_MS = 2_000;

type Submitted =
  | CommandResult
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown' };

/** The payment an attempt makes: one per reservation and request, however often it is repeated. */
export function paymentIdOf(reservationId: string, requestId: string): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([reservationId, requestId]))
    .digest('hex');
  return `pay_${hash.slice(0, 32)}`;
}

/** What a reservation costs, in minor units of its currency. */
export function amountMinorOf({ quantity, unitPrice, currency }: Reservation): number {
  return Math.round(quantity * unitPrice * 10 ** minorDigits(currency));
}

function minorDigits(currency: string): number {
  try {
    const format = new Intl.NumberFormat('en', { style: 'currency', currency });
    return format.resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 2;
  }
}

export class PaymentFlow {
  readonly #options: PaymentFlowOptions;

  constructor(options: PaymentFlowOptions) {
    this.#options = options;
  }

  get providerKind(): PaymentProvider['kind'] {
    return this.#options.provider.kind;
  }

  /** Pays for a hold. `paymentMethod` goes to the provider as it is. */
  async pay(ref: ReservationRef, paymentMethod: string, ids: FlowIds): Promise<PaymentResult> {
    const paymentId = paymentIdOf(ref.reservationId, ids.id);
    const started = await this.#submit(ref, 'start', ids, {
      type: 'startPayment',
      reservationId: ref.reservationId,
      paymentId,
    });
    switch (started.kind) {
      case 'paying':
        return started.reservation.paymentId === paymentId
          ? this.#charge(started.reservation, paymentMethod, ids)
          : this.#finishOther(started.reservation);
      case 'reserved':
        return { kind: 'reserved', reservation: started.reservation };
      case 'not_live':
        return this.#recallEnded(ref, paymentId, ids);
      case 'hold_expired':
        return { kind: 'hold_expired', refunded: false };
      default:
        return refusedOrUnknown(started);
    }
  }

  /** Gives a hold back; one that is being paid only after its payment was cancelled at the provider. */
  async cancel(ref: ReservationRef, ids: FlowIds): Promise<CancelResult> {
    const { reservationId } = ref;
    const released = await this.#submit(ref, 'release', ids, { type: 'release', reservationId });
    switch (released.kind) {
      case 'released':
        return { kind: 'released', reservation: released.reservation };
      case 'not_live':
        return { kind: 'not_live' };
      case 'wrong_state':
        return released.reservation.status === 'PAYING'
          ? this.#cancelPaying(released.reservation)
          : { kind: 'wrong_state', reservation: released.reservation };
      default:
        return refusedOrUnknown(released);
    }
  }

  /** Finishes a payment that nobody waits for: once its answer is known, or its time is over. */
  async settle(reservation: Reservation): Promise<SettleResult> {
    const { paymentId, payingUntil, status } = reservation;
    if (status === 'RESERVED') return { kind: 'reserved', reservation };
    if (status !== 'PAYING' || paymentId === undefined) return { kind: 'hold_expired', refunded: false };
    const { provider, clock } = this.#options;
    const found = await this.#ask('find', provider.find(paymentId));
    if (found === 'unknown') return { kind: 'pending' };
    if (found) return this.#finish(reservation, found, this.#freshIds(), 'expired');
    if (payingUntil === undefined || clock.now() < payingUntil) return { kind: 'pending' };
    const cancelled = await this.#cancelAtProvider(reservation, paymentId);
    if (cancelled === 'unknown') return { kind: 'pending' };
    return this.#finish(reservation, cancelled, this.#freshIds(), 'expired');
  }

  async #charge(reservation: Reservation, paymentMethod: string, ids: FlowIds): Promise<PaymentResult> {
    const { provider } = this.#options;
    const { id, paymentId, currency } = reservation;
    if (paymentId === undefined) return { kind: 'unknown' };
    const request = {
      paymentId,
      reservationId: id,
      amountMinor: amountMinorOf(reservation),
      currency,
      paymentMethod,
    };
    const charged = await this.#ask('charge', provider.charge(request));
    if (charged === 'unknown') return { kind: 'unknown' };
    return this.#finish(reservation, charged, ids, 'cancelled');
  }

  /** Brings a final answer of the provider to the actor. */
  async #finish(
    reservation: Reservation,
    state: PaymentState,
    ids: FlowIds,
    cancelReason: ReleaseReason,
  ): Promise<PaymentResult> {
    switch (state.status) {
      case 'succeeded':
        return this.#confirm(reservation, ids);
      case 'declined':
        await this.#fail(reservation, 'declined', ids);
        // Told even if the hold could not be given back just now: the settler does, and no money moved.
        return { kind: 'declined', reason: state.reason };
      case 'cancelled':
        await this.#fail(reservation, cancelReason, ids);
        return { kind: 'hold_expired', refunded: false };
    }
  }

  async #confirm(reservation: Reservation, ids: FlowIds): Promise<PaymentResult> {
    const { id, paymentId } = reservation;
    if (paymentId === undefined) return { kind: 'unknown' };
    const confirmed = await this.#submit(refOf(reservation), 'confirm', ids, {
      type: 'confirm',
      reservationId: id,
      paymentId,
    });
    switch (confirmed.kind) {
      case 'reserved':
        return { kind: 'reserved', reservation: confirmed.reservation };
      case 'not_live':
      case 'wrong_state':
        return this.#giveBack(reservation, paymentId);
      default:
        // The money moved: even "overloaded" is not "nothing happened" here. The settler or a repeat confirms.
        return { kind: 'unknown' };
    }
  }

  async #fail(reservation: Reservation, reason: ReleaseReason, ids: FlowIds): Promise<Submitted> {
    const { id, paymentId } = reservation;
    if (paymentId === undefined) return { kind: 'unknown' };
    const body: CommandBody = { type: 'failPayment', reservationId: id, paymentId, reason };
    return this.#submit(refOf(reservation), 'fail', ids, body);
  }

  /** Charged, but the hold ended: nobody is charged for nothing. */
  async #giveBack(reservation: Reservation, paymentId: string): Promise<PaymentResult> {
    const { provider, reader, logger } = this.#options;
    const stored = await this.#ask('read', reader.find(reservation.id));
    if (stored === 'unknown') return { kind: 'unknown' };
    // It was sold and refunded since: the money went back then.
    if (stored?.status === 'REFUNDED' && stored.paymentId === paymentId) {
      return { kind: 'hold_expired', refunded: true };
    }
    // Durable outside Redis: a sale is never lost, whatever the actor has just been rebuilt from.
    if (stored?.status === 'RESERVED' && stored.paymentId === paymentId) {
      return { kind: 'reserved', reservation: stored };
    }
    const amountMinor = amountMinorOf(reservation);
    const refund = provider.refund({ refundId: `${paymentId}_ended`, paymentId, amountMinor });
    const refunded = await this.#ask(
      'refund',
      refund.then(() => true),
    );
    if (refunded === 'unknown') {
      logger.error(
        { reservationId: reservation.id, paymentId },
        'a refund is due and its answer is not known',
      );
      return { kind: 'unknown' };
    }
    logger.warn({ reservationId: reservation.id, paymentId }, 'charged after the hold had ended; refunded');
    return { kind: 'hold_expired', refunded: true };
  }

  /** Another payment of the reservation is under way: it is finished if its answer is known. */
  async #finishOther(reservation: Reservation): Promise<PaymentResult> {
    const { paymentId } = reservation;
    if (paymentId === undefined) return { kind: 'unknown' };
    const found = await this.#ask('find', this.#options.provider.find(paymentId));
    if (found === 'unknown' || found === null) return { kind: 'unknown' };
    const result = await this.#finish(reservation, found, this.#freshIds(), 'cancelled');
    // That decline is the other request's; this one only finds the hold gone.
    return result.kind === 'declined' ? { kind: 'hold_expired', refunded: false } : result;
  }

  /** The hold is gone: a repeat of the request that ended it is told the same again. */
  async #recallEnded(ref: ReservationRef, paymentId: string, ids: FlowIds): Promise<PaymentResult> {
    const { provider, reader } = this.#options;
    const found = await this.#ask('find', provider.find(paymentId));
    if (found === 'unknown') return { kind: 'unknown' };
    if (found?.status === 'declined') return { kind: 'declined', reason: found.reason };
    if (found?.status !== 'succeeded') return { kind: 'hold_expired', refunded: false };
    const stored = await this.#ask('read', reader.find(ref.reservationId));
    if (stored === 'unknown') return { kind: 'unknown' };
    // Without a record its price is not known here; reconciliation with the provider finds the charge.
    if (stored === null) return { kind: 'unknown' };
    return this.#confirm({ ...stored, paymentId }, ids);
  }

  async #cancelPaying(reservation: Reservation): Promise<CancelResult> {
    const { paymentId } = reservation;
    if (paymentId === undefined) return { kind: 'unknown' };
    const state = await this.#cancelAtProvider(reservation, paymentId);
    if (state === 'unknown') return { kind: 'unknown' };
    if (state.status === 'succeeded') {
      const result = await this.#confirm(reservation, this.#freshIds());
      switch (result.kind) {
        case 'reserved':
          return { kind: 'wrong_state', reservation: result.reservation };
        case 'hold_expired':
          return { kind: 'not_live' };
        default:
          return { kind: 'unknown' };
      }
    }
    const reason = state.status === 'declined' ? 'declined' : 'cancelled';
    const failed = await this.#fail(reservation, reason, this.#freshIds());
    switch (failed.kind) {
      case 'released':
        return { kind: 'released', reservation: failed.reservation };
      case 'not_live':
        return { kind: 'not_live' };
      case 'wrong_state':
        return { kind: 'wrong_state', reservation: failed.reservation };
      default:
        // The payment is cancelled for good; the settler gives the hold back.
        return { kind: 'unknown' };
    }
  }

  #cancelAtProvider(reservation: Reservation, paymentId: string): Promise<PaymentState | 'unknown'> {
    const { id, currency } = reservation;
    const amountMinor = amountMinorOf(reservation);
    const request = { paymentId, reservationId: id, amountMinor, currency };
    return this.#ask('cancel', this.#options.provider.cancel(request));
  }

  /** Steps that the state itself makes safe to repeat get new ids: an old refusal on record must not stick. */
  #freshIds(): FlowIds {
    return { id: this.#options.newId(), keepMs: this.#options.unkeyedOutcomeMs };
  }

  async #submit(ref: ReservationRef, step: string, ids: FlowIds, body: CommandBody): Promise<Submitted> {
    const { gateway, logger } = this.#options;
    const { id, keepMs, requestId } = ids;
    try {
      const submission = { ticket: ref.ticket, id: `${id}-${step}`, body, keepMs };
      const answer = await gateway.submit({ ...submission, ...(requestId !== undefined && { requestId }) });
      return answer.kind === 'answered' ? answer.result : answer;
    } catch (error) {
      logger.warn({ error: String(error), step }, 'a command could not be submitted');
      return { kind: 'unknown' };
    }
  }

  /** An answer within the time, or `unknown`. */
  #ask<T>(what: string, answer: Promise<T>): Promise<T | 'unknown'> {
    const { clock, providerWaitMs, logger } = this.#options;
    return new Promise((resolve) => {
      const cancel = clock.schedule(providerWaitMs, () => resolve('unknown'));
      answer.then(
        (value) => {
          cancel();
          resolve(value);
        },
        (error: unknown) => {
          cancel();
          logger.warn({ error: String(error), what }, 'the answer to a payment step is not known');
          resolve('unknown');
        },
      );
    });
  }
}

const refOf = ({ id, matchNumber, category }: Reservation): ReservationRef => ({
  ticket: { matchNumber, category },
  reservationId: id,
});

/** Answers that say nothing of the reservation: refused undone, or not known. */
function refusedOrUnknown(
  result: Submitted,
): { readonly kind: 'overloaded'; readonly retryAfterMs: number } | { readonly kind: 'unknown' } {
  switch (result.kind) {
    case 'overloaded':
      return { kind: 'overloaded', retryAfterMs: result.retryAfterMs };
    case 'deadline_passed':
    case 'outbox_full':
    case 'not_open':
      return { kind: 'overloaded', retryAfterMs: RETRY_AFTER_MS };
    default:
      return { kind: 'unknown' };
  }
}
