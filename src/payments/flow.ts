/**
 * The way from a hold to a sale and its money, and back.
 *
 * Guarantees: each attempt to pay is one payment at the provider, and the one before is canceled there before
 * the next is made, so a reservation is charged at most once; a payment is on record, durably, and the actor's
 * PAYING commit is, before anything can be charged; a decline gives the tickets back, and another attempt takes
 * them again if they are still to be had; a sale is told only when
 * the actor's confirm is durable; whoever is charged for a hold that ended gets the tickets at that price or
 * the money back, and is told which; a step whose answer is not known is never guessed: the record stays due
 * until a repeat, a webhook, the actor or the reconciler has looked. All of them take the steps of
 * `nextStep`, which may be repeated and may meet each other.
 */
import { createHash } from 'node:crypto';
import type { Clock, CommandBody, CommandResult } from '../actors/ports.js';
import { ticketOfReservation } from '../http/identity.js';
import type { CommandGateway, ReservationReader } from '../http/ports.js';
import type { Locale } from '../mail/locale.js';
import type { Logger } from '../process/log.js';
import { mayTryAgain, type Reservation, type TicketId } from '../rules/index.js';
import {
  PaymentAwayError,
  RefundRefusedError,
  type Payment,
  type PaymentMethod,
  type PaymentProvider,
} from './port.js';
import { reservationOfRecord, settled, type PaymentRecord, type PaymentRecords } from './records.js';
import {
  amountMinorOf,
  minorOf,
  newestDecline,
  nextStep,
  type SettlementPolicy,
  type Standing,
  type Step,
} from './settlement.js';

/** How the commands of one request are identified; the same ids repeat it. */
export interface FlowIds {
  readonly id: string;
  readonly keepMs: number;
  readonly requestId?: string;
}

/** What a request says of the buyer beyond the reservation. */
export interface BuyerFacts {
  /** For mails. */
  readonly locale?: Locale;
}

export interface ReservationRef {
  readonly ticket: TicketId;
  readonly reservationId: string;
}

export type PaymentResult =
  | { readonly kind: 'reserved'; readonly reservation: Reservation }
  /** The buyer has to do something, in the browser with the client secret, or at the URL; then ask again. */
  | {
      readonly kind: 'requires_action';
      readonly reservation: Reservation;
      readonly clientSecret: string;
      readonly nextAction: { readonly type: string; readonly url?: string };
    }
  /**
   * Nothing was charged. `held`: the tickets are still held. Else they were given back, and until `retryUntil`
   * (epoch milliseconds) another attempt takes them again, if they are still to be had.
   */
  | {
      readonly kind: 'declined';
      readonly reason: string;
      readonly reservation: Reservation;
      readonly held: boolean;
      readonly retryUntil?: number;
    }
  /** The tickets cannot be had (again), or the card has its share of this match. Nothing was charged. */
  | { readonly kind: 'unavailable'; readonly refusal: Unavailable; readonly held: boolean }
  /** It was paid and refunded since. */
  | { readonly kind: 'refunded'; readonly reservation: Reservation }
  /** The hold had ended. `refunded`: it was charged, and the money was given back. */
  | { readonly kind: 'hold_expired'; readonly refunded: boolean }
  /** The provider does not answer for now and was not asked: this request charged nothing, and changed nothing. */
  | { readonly kind: 'provider_away'; readonly reservation: Reservation; readonly retryAfterMs: number }
  /** Nothing was done and nothing will be. */
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  /** Not known yet; the same ids asked again tell. */
  | { readonly kind: 'unknown' };

export type Unavailable = Extract<
  CommandResult,
  { kind: 'sold_out' | 'temporarily_unavailable' | 'purchase_limit' | 'closed' | 'paused' }
>;

export type CancelResult =
  /** For good: no other attempt to pay takes the tickets again. */
  | { readonly kind: 'released'; readonly reservation: Reservation }
  /** It is not live: it ended before, or never was. `reservation`: how it ended, if that was seen. */
  | { readonly kind: 'not_live'; readonly reservation?: Reservation }
  /** Its payment had succeeded, or it was sold before: it is not to be cancelled but refunded. */
  | { readonly kind: 'wrong_state'; readonly reservation: Reservation }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown' };

export type RefundResult =
  /** The tickets are given back. `refundedMinor` in all; `pending` while the money is not on its way yet. */
  | {
      readonly kind: 'refunded';
      /** Why the provider will not give it back: a person must look. */
      readonly stuck?: string;
      readonly reservation: Reservation;
      readonly refundedMinor: number;
      readonly pending: boolean;
    }
  | { readonly kind: 'refund_exceeds'; readonly quantity: number }
  | { readonly kind: 'wrong_state'; readonly status: string }
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown' };

/** What became of a payment that came too late; for the buyer to be told. */
export type LateOutcome = 'reserved' | 'refunded';

export interface PaymentFlowOptions {
  readonly gateway: CommandGateway;
  readonly provider: PaymentProvider;
  readonly reader: ReservationReader;
  readonly records: PaymentRecords;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy: SettlementPolicy;
  /** How long the provider may take to answer a request. */
  readonly providerWaitMs: number;
  /** How long the outcomes of steps nobody repeats stay on record. */
  readonly unkeyedOutcomeMs: number;
  /** Unguessable, never the same. */
  readonly newId: () => string;
  /** Where a buyer's bank sends the browser back to. */
  readonly returnUrl: (reservationId: string) => string;
  /** Part of every price that is tax. */
  readonly taxPercent: number;
  /** Told when a payment became a sale; more than once in rare cases. Must not throw. */
  readonly onSold?: (reservation: Reservation, payment: Payment) => void;
  /**
   * Told when a payment that came too late was dealt with, before that is on record: more than once in rare cases,
   * and never not at all. While it rejects, the payment stays due.
   */
  readonly onLate?: (reservation: Reservation, outcome: LateOutcome) => Promise<void>;
  /** Told when money was given back, or sold tickets were taken back, as the books asked. Must not throw. */
  readonly onGivenBack?: (payment: Payment, why: 'refunded' | 'voided') => void;
}

/** Retry hint when the sender gave none. */
const RETRY_AFTER_MS = 2_000;
/** Steps from any standing to rest; more mean that others change it all the time. */
const STEPS_MAX = 12;
/** Pause after a look that failed: doubled up to the second. */
const FAILED_MS_MIN = 2_000;
const FAILED_MS_MAX = 10 * 60_000;
/** Looks that actors ask for at once. */
const SETTLING_MAX = 8;
/** Between two clocks, and from asking for a command until it is sent. */
const COMMAND_MARGIN_MS = 5_000;
/** After its time a payment that the provider does not know is given up. */
const FORGOTTEN_MS = 10 * 60_000;
/** What was sold here, or given back: what is owed of it is known. */
const OWING: ReadonlySet<Reservation['status']> = new Set(['RESERVED', 'REFUNDED']);
/** A refund that the provider refuses is tried again, in case a person made it possible. */
const STUCK_MS = 6 * 60 * 60_000;

type Submitted =
  | CommandResult
  | { readonly kind: 'overloaded'; readonly retryAfterMs: number }
  | { readonly kind: 'unknown' };

/** How things stand after all steps that could be taken. */
interface Settled {
  readonly payment: Payment;
  readonly reservation: Reservation | null;
  /** False when something must be looked at again. */
  readonly isSettled: boolean;
  /** False when the steps came to no end, and the record does not say when to look again. */
  readonly isNoted: boolean;
}

/** What a request knows that neither the provider nor the actor says. */
interface Knowledge {
  /** Why its attempt was declined. */
  readonly declined?: string | undefined;
  /** Its buyer gives the hold back. */
  readonly isGivenUp?: boolean;
}

/** The tax contained in an amount, both in minor units. */
export function taxMinorOf(amountMinor: number, taxPercent: number): number {
  return Math.round((amountMinor * taxPercent) / (100 + taxPercent));
}

/** The attempt that a request makes: one however often it is repeated. */
export function attemptIdOf(reservationId: string, requestId: string): string {
  const hash = createHash('sha256').update(JSON.stringify([reservationId, requestId]));
  return hash.digest('hex').slice(0, 32);
}

const isLive = (reservation: Reservation | null): reservation is Reservation =>
  reservation?.status === 'PENDING' || reservation?.status === 'PAYING';

export class PaymentFlow {
  readonly #options: PaymentFlowOptions;
  #settling = 0;
  /** Payments that are being made, by reservation: who asks meanwhile gets the same. */
  readonly #opening = new Map<string, Promise<Payment | 'unknown' | PaymentAwayError>>();

  constructor(options: PaymentFlowOptions) {
    this.#options = options;
  }

  get providerKind(): PaymentProvider['kind'] {
    return this.#options.provider.kind;
  }

  /** Pays for a hold. `paymentMethod` goes to the provider as it is. */
  async pay(
    ref: ReservationRef,
    paymentMethod: string,
    ids: FlowIds,
    buyer: BuyerFacts = {},
  ): Promise<PaymentResult> {
    const attemptId = attemptIdOf(ref.reservationId, ids.id);
    const startedAt = this.#options.clock.now();
    const reservation = await this.#ask('read', this.#options.reader.find(ref.reservationId));
    if (reservation === 'unknown') return { kind: 'unknown' };
    if (!reservation) return { kind: 'hold_expired', refunded: false };
    const isNew = !reservation.attempts?.some(({ id }) => id === attemptId);
    const { clock, policy } = this.#options;
    if (!isLive(reservation) && !(isNew && mayTryAgain(reservation, clock.now(), policy))) {
      return this.#afterTheEnd(reservation, attemptId);
    }
    const payment = await this.#open(reservation, attemptId, buyer);
    if (payment === 'unknown') return { kind: 'unknown' };
    if (payment instanceof PaymentAwayError) return providerAway(reservation, payment);
    if (isNew && reservation.status === 'PAYING') return this.#whileAnother(payment, startedAt);
    // Succeeded or canceled before: what it is now is all there is to say.
    if (payment.status === 'succeeded' || payment.status === 'canceled') {
      return this.#outcome(await this.#advance(payment, startedAt), attemptId);
    }
    const { provider } = this.#options;
    const method = await this.#askNew(
      'method',
      provider.method(paymentMethod, `${ref.reservationId}:${attemptId}`),
    );
    if (method === 'unknown') return { kind: 'unknown' };
    if (method instanceof PaymentAwayError) return providerAway(reservation, method);
    if ('declineReason' in method) {
      return this.#declined(method.declineReason, reservation);
    }
    return this.#attempt(reservation, { payment, startedAt }, { attemptId, method }, ids);
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

  /** Gives sold tickets back, and then their money. `quantity` absent: all of them. */
  async refund(
    { ref, paymentId, quantity }: { ref: ReservationRef; paymentId: string; quantity: number | undefined },
    ids: FlowIds,
  ): Promise<RefundResult> {
    const { reader, records, clock, policy } = this.#options;
    const { reservationId } = ref;
    const sold = await reader.find(reservationId);
    const isSold = sold?.status === 'RESERVED' || sold?.status === 'REFUNDED';
    // Of several attempts only the one that was charged can be given back.
    if (!isSold || sold.paymentId !== paymentId) {
      return { kind: 'wrong_state', status: isSold ? 'paid another way' : (sold?.status ?? 'unknown') };
    }
    // Before the actor's commit: from then on the money is owed, whatever becomes of this process. A look that
    // came before the command took effect would see nothing owed.
    const lookAt = clock.now() + Math.max(policy.checkMs, policy.commandMs + COMMAND_MARGIN_MS);
    await records.refundAsked(paymentId, lookAt);
    // A repeat is told what the first was, so even what is refunded by now is asked.
    const body: CommandBody = { type: 'refund', reservationId, quantity: quantity ?? sold.quantity };
    const given = await this.#submit(ref, 'refund', ids, body);
    switch (given.kind) {
      case 'refunded':
        return this.#giveBack(given.reservation, paymentId, lookAt);
      case 'refund_exceeds':
        return { kind: 'refund_exceeds', quantity: given.quantity };
      case 'wrong_state':
        return { kind: 'wrong_state', status: given.reservation.status };
      case 'not_live':
        return { kind: 'wrong_state', status: sold.status };
      default:
        return refusedOrUnknown(given);
    }
  }

  /** Asked by the actor about a reservation that is PAYING for long. */
  async settle({ paymentId }: Reservation): Promise<void> {
    // More than so many at once would keep those waiting who pay now; the actor asks again.
    if (paymentId === undefined || this.#settling >= SETTLING_MAX) return;
    this.#settling += 1;
    try {
      await this.look(paymentId);
    } finally {
      this.#settling -= 1;
    }
  }

  /** Looks at a payment and takes the steps that are due. True when both sides say the same then. */
  async look(paymentId: string): Promise<boolean> {
    const { provider, records, clock, logger } = this.#options;
    const startedAt = clock.now();
    let notAskedMs: number | undefined;
    try {
      const payment =
        (await this.#within('find', provider.find(paymentId))) ?? (await this.#forgotten(paymentId));
      if (payment) {
        await this.#afterRefunds(payment, startedAt);
        const { isSettled, isNoted } = await this.#advance(payment, startedAt);
        if (isNoted) return isSettled;
      } else
        logger.error({ paymentId }, 'the provider does not know a payment of ours: is it the right account?');
    } catch (error) {
      if (error instanceof PaymentAwayError) notAskedMs = error.retryAfterMs;
      else logger.warn({ error: String(error), paymentId }, 'a payment could not be looked at');
    }
    await records.update(paymentId, (record) => {
      // Somebody else has looked meanwhile.
      if (record.dueAt === undefined) return record;
      // Something happened since this look began.
      if (record.remindAt !== undefined && record.remindAt > startedAt) return record;
      // A person was asked to look.
      if (record.stuck !== undefined) return { ...record, dueAt: clock.now() + STUCK_MS };
      const { failingSince = startedAt } = record;
      // Nobody was asked: as soon as somebody may be, it is looked at again.
      if (notAskedMs !== undefined) {
        return { ...record, failingSince, dueAt: clock.now() + Math.max(FAILED_MS_MIN, notAskedMs) };
      }
      const failures = (record.failures ?? 0) + 1;
      const pauseMs = Math.min(FAILED_MS_MAX, FAILED_MS_MIN * 2 ** Math.min(failures, 20));
      return { ...record, failures, failingSince, dueAt: clock.now() + pauseMs };
    });
    return false;
  }

  /**
   * When the process that asked for tickets back is gone, its command may still be about to take effect, however
   * late its owner is. One that is answered after it shows that it has, or never will. Rejects without an answer.
   */
  async #afterRefunds(payment: Payment, startedAt: number): Promise<void> {
    const { id: paymentId, reservationId, status } = payment;
    const ref = refOf(payment);
    if (status !== 'succeeded' || !ref) return;
    const { refundsAsked, remindAt = 0 } = (await this.#options.records.get(paymentId)) ?? {};
    if (refundsAsked === undefined || remindAt > startedAt) return;
    // Sold by it before it was asked back: the answer is how it stands.
    const body: CommandBody = { type: 'confirm', reservationId, paymentId };
    const answer = await this.#submit(ref, 'confirm', this.#freshIds(), body);
    if (!isAnswered(answer)) throw new Error('whether tickets were given back is not known yet');
  }

  /** A payment that the provider does not know can never be charged: after its time it counts as canceled. */
  async #forgotten(paymentId: string): Promise<Payment | null> {
    const { records, reader, clock } = this.#options;
    const record = await records.get(paymentId);
    const paying = record && (await reader.find(record.reservationId));
    const isMine = paying?.status === 'PAYING' && paying.paymentId === paymentId;
    if (!record || !isMine || clock.now() < (paying.payingUntil ?? 0) + FORGOTTEN_MS) return null;
    const { reservationId, amountMinor, currency, createdAt } = record;
    const facts = { id: paymentId, reservationId, amountMinor, currency, createdAt };
    return { ...facts, status: 'canceled', clientSecret: '', refundedMinor: 0 };
  }

  // ---- paying -----------------------------------------------------------------------------------------

  /** The payment of a live reservation, on record. */
  #open(
    reservation: Reservation,
    attemptId: string,
    buyer: BuyerFacts,
  ): Promise<Payment | 'unknown' | PaymentAwayError> {
    const { id } = reservation;
    const opening =
      this.#opening.get(id) ??
      this.#make(reservation, attemptId, buyer).finally(() => this.#opening.delete(id));
    this.#opening.set(id, opening);
    return opening;
  }

  #make(
    reservation: Reservation,
    attemptId: string,
    buyer: BuyerFacts,
  ): Promise<Payment | 'unknown' | PaymentAwayError> {
    const { provider, records, reader, clock, policy, taxPercent } = this.#options;
    const { id, status, paymentId, attempts = [] } = reservation;
    const amountMinor = amountMinorOf(reservation);
    const taxMinor = taxMinorOf(amountMinor, taxPercent);
    const make = async (): Promise<Payment> => {
      if (status === 'PAYING' && paymentId !== undefined) {
        const found = await provider.find(paymentId);
        if (found) return found;
      }
      const wanted = newPayment(reservation, amountMinor, taxMinor);
      const number = attempts.length + 1;
      let payment = await provider.create(number === 1 ? wanted : { ...wanted, attempt: String(number) });
      if (payment.status === 'canceled') {
        // Its attempt may have ended since the reservation was read, even by its buyer's cancellation.
        const { attempts: newest = [] } = (await reader.find(id)) ?? {};
        if (newest.length >= number) throw new Error('another attempt has begun meanwhile');
        // Made for an attempt that never began: this request gets one of its own.
        payment = await provider.create({ ...wanted, attempt: `${number}-${attemptId}` });
      }
      const now = clock.now();
      await records.open(payment, reservation, { now, dueAt: now + policy.checkMs, taxMinor, ...buyer });
      return payment;
    };
    return this.#askNew('create', make());
  }

  /** Takes the hold into PAYING, or tickets that a decline gave back again, and charges. */
  async #attempt(
    reservation: Reservation,
    { payment, startedAt }: { readonly payment: Payment; readonly startedAt: number },
    { attemptId, method }: { readonly attemptId: string; readonly method: PaymentMethod },
    { requestId }: FlowIds,
  ): Promise<PaymentResult> {
    const ref = refOf(payment);
    if (!ref) return { kind: 'unknown' };
    const { fingerprint } = method;
    const attempt = {
      paymentId: payment.id,
      attemptId,
      ...(fingerprint !== undefined && { card: fingerprint }),
    };
    const body: CommandBody = isLive(reservation)
      ? { type: 'startPayment', reservationId: reservation.id, ...attempt }
      : { type: 'rehold', reservation, ...attempt };
    // A new id: the attempt's own id makes it safe to repeat, and that another was under way must not stick.
    const started = await this.#submit(ref, 'start', this.#freshIds(requestId), body);
    switch (started.kind) {
      case 'paying': {
        const { attempts = [], paymentId } = started.reservation;
        const isOurs = paymentId === payment.id && attempts.at(-1)?.id === attemptId;
        return isOurs
          ? this.#charge(started.reservation, payment, method.id)
          : this.#whileAnother(payment, startedAt);
      }
      case 'reserved':
        return { kind: 'reserved', reservation: started.reservation };
      case 'purchase_limit':
      case 'sold_out':
      case 'temporarily_unavailable':
      case 'closed':
      case 'paused':
        // Nothing can be charged with it any more than before; what is open is looked at and canceled.
        await this.#advance(payment, startedAt);
        return { kind: 'unavailable', refusal: started, held: isLive(reservation) };
      case 'hold_expired':
      case 'not_live':
      case 'wrong_state':
        return this.#outcome(await this.#advance(payment, startedAt), attemptId);
      default:
        return refusedOrUnknown(started);
    }
  }

  async #charge(
    { id: reservationId, attempts = [] }: Reservation,
    { id: paymentId }: Payment,
    methodId: string,
  ): Promise<PaymentResult> {
    const { provider, returnUrl, clock } = this.#options;
    const startedAt = clock.now();
    const charged = await this.#ask(
      'confirm',
      provider.confirm({
        paymentId,
        reservationId,
        attempt: attempts.length,
        methodId,
        returnUrl: returnUrl(reservationId),
      }),
    );
    if (charged === 'unknown') return { kind: 'unknown' };
    const isDeclined = charged.status === 'requires_payment_method';
    const declined = isDeclined ? (charged.declineReason ?? 'card_declined') : undefined;
    const after = await this.#advance(charged, startedAt, { declined });
    return this.#outcome(after, attempts.at(-1)?.id ?? '');
  }

  /** Another attempt is under way: one payment at a time. It is finished if its answer is known. */
  async #whileAnother(payment: Payment, startedAt: number): Promise<PaymentResult> {
    const now = await this.#advance(payment, startedAt);
    const { reservation } = now;
    if (reservation?.status === 'RESERVED') return { kind: 'reserved', reservation };
    // Declined meanwhile: the same request again makes an attempt of its own.
    return reservation?.status === 'EXPIRED' ? this.#outcome(now, '') : { kind: 'unknown' };
  }

  /** What a buyer is told of how things stand. */
  #outcome({ payment, reservation, isSettled }: Settled, attemptId: string): PaymentResult {
    const attempt = reservation?.attempts?.find(({ id }) => id === attemptId);
    if (reservation && attempt?.declined !== undefined && reservation.status !== 'RESERVED') {
      return this.#declined(attempt.declined, reservation);
    }
    const mine = reservation?.paymentId === payment.id ? reservation : null;
    switch (mine?.status) {
      case 'RESERVED':
        return { kind: 'reserved', reservation: mine };
      case 'REFUNDED':
        return { kind: 'refunded', reservation: mine };
      case 'PAYING':
        return whilePaying(payment, mine);
      case 'PENDING':
      case 'CANCELLED':
      case 'EXPIRED':
      case undefined:
        break;
    }
    if (isLive(reservation)) return { kind: 'unknown' };
    if (payment.status === 'succeeded') {
      const isBack = payment.refundedMinor >= payment.amountMinor;
      return isBack ? { kind: 'hold_expired', refunded: true } : { kind: 'unknown' };
    }
    // An open payment may still be charged: nothing is promised before it is canceled.
    if (payment.status !== 'canceled' && !isSettled) return { kind: 'unknown' };
    return { kind: 'hold_expired', refunded: false };
  }

  #declined(reason: string, reservation: Reservation): PaymentResult {
    const { clock, policy } = this.#options;
    const mayRetry = mayTryAgain(reservation, clock.now(), policy);
    return {
      kind: 'declined',
      reason,
      reservation,
      // Live because a newer attempt has them; with this one the newest they are being given back.
      held: isLive(reservation) && newestDecline(reservation) === undefined,
      ...(mayRetry && { retryUntil: reservation.expiresAt }),
    };
  }

  /** The hold is gone, or sold: a repeat is told the same again; money that is still on its way is dealt with. */
  async #afterTheEnd(reservation: Reservation, attemptId: string): Promise<PaymentResult> {
    if (reservation.status === 'RESERVED') return { kind: 'reserved', reservation };
    if (reservation.status === 'REFUNDED') return { kind: 'refunded', reservation };
    const { paymentId } = reservation;
    if (paymentId === undefined) return { kind: 'hold_expired', refunded: false };
    const startedAt = this.#options.clock.now();
    const payment = await this.#ask('find', this.#options.provider.find(paymentId));
    if (payment === 'unknown') return { kind: 'unknown' };
    if (payment === null) return { kind: 'hold_expired', refunded: false };
    return this.#outcome(await this.#advance(payment, startedAt), attemptId);
  }

  async #cancelPaying(reservation: Reservation): Promise<CancelResult> {
    const { paymentId } = reservation;
    if (paymentId === undefined) return { kind: 'unknown' };
    const startedAt = this.#options.clock.now();
    const payment = await this.#ask('cancel', this.#options.provider.cancel(paymentId));
    if (payment === 'unknown') return { kind: 'unknown' };
    const { reservation: now } = await this.#advance(payment, startedAt, { isGivenUp: true });
    switch (now?.status) {
      case 'CANCELLED':
        // Somebody who noted a decline may have been quicker; that leaves the buyer another attempt.
        return { kind: now.reason === 'cancelled' ? 'released' : 'not_live', reservation: now };
      case 'EXPIRED':
        return { kind: 'not_live', reservation: now };
      case 'RESERVED':
      case 'REFUNDED':
        return { kind: 'wrong_state', reservation: now };
      case undefined:
        return { kind: 'not_live' };
      default:
        // A later look gives the hold back if the payment is cancelled; the same ids asked again tell.
        return { kind: 'unknown' };
    }
  }

  /** `lookAt`: when a look would do it, if this did not. */
  async #giveBack(reservation: Reservation, paymentId: string, lookAt: number): Promise<RefundResult> {
    const { clock, provider, records } = this.#options;
    const startedAt = clock.now();
    try {
      const payment = await this.#within('find', provider.find(paymentId));
      if (payment) {
        const after = await this.#advance(payment, startedAt);
        const { refundedMinor } = after.payment;
        if (after.isSettled) await records.refundAnswered(paymentId, lookAt);
        const pending = refundedMinor < minorOf(reservation, reservation.refundedQuantity);
        const stuck = pending ? (await records.get(paymentId))?.stuck : undefined;
        return {
          kind: 'refunded',
          reservation,
          refundedMinor,
          pending,
          ...(stuck !== undefined && { stuck }),
        };
      }
    } catch (error) {
      this.#options.logger.warn({ error: String(error), paymentId }, 'a refund waits for the provider');
    }
    return { kind: 'refunded', reservation, refundedMinor: 0, pending: true };
  }

  // ---- settling ---------------------------------------------------------------------------------------

  /**
   * Takes steps until nothing more can be done now. Never rejects: what failed stays due. `startedAt`: before the
   * payment was read, so that a reminder made since is not taken for settled.
   */
  async #advance(
    first: Payment,
    startedAt: number,
    { declined, isGivenUp = false }: Knowledge = {},
  ): Promise<Settled> {
    const { clock, policy, logger, reader, records } = this.#options;
    let payment = first;
    let reservation: Reservation | null = null;
    try {
      for (let steps = 0; steps < STEPS_MAX; steps += 1) {
        reservation = await this.#within('read', reader.find(payment.reservationId));
        const record = await records.get(payment.id);
        const late = record?.late;
        const standing: Standing = { payment, reservation, late, now: clock.now(), isGivenUp };
        const step = knownDecline(standing, declined) ?? nextStep(standing, policy);
        if (step.kind === 'rest' || step.kind === 'wait') {
          await this.#note(payment, { reservation, before: record, startedAt }, step);
          return { payment, reservation, isSettled: step.kind === 'rest', isNoted: true };
        }
        const taken = await this.#take(step, standing, record);
        if (taken === 'unknown') break;
        if (taken) payment = taken;
        if (step.kind === 'cancel' && payment.status === 'processing') {
          // The provider takes no cancel at this stage: asked again and again it would say the same.
          const later = { kind: 'wait', until: clock.now() + policy.checkMs } as const;
          await this.#note(payment, { reservation, before: record, startedAt }, later);
          return { payment, reservation, isSettled: false, isNoted: true };
        }
      }
    } catch (error) {
      logger.warn({ error: String(error), paymentId: payment.id }, 'a payment is settled later');
    }
    return { payment, reservation, isSettled: false, isNoted: false };
  }

  /** Answers the payment after the step, null when only the reservation changed, or that it is not known. */
  async #take(
    step: Exclude<Step, { kind: 'rest' | 'wait' }>,
    { payment, reservation }: Standing,
    record: PaymentRecord | null,
  ): Promise<Payment | null | 'unknown'> {
    const { provider } = this.#options;
    const { id: paymentId, reservationId } = payment;
    switch (step.kind) {
      case 'confirm': {
        const answer = await this.#confirm(payment, { type: 'confirm', reservationId, paymentId });
        // Read as PAYING, or as PENDING, and refused: somebody was quicker, or what is read is behind.
        return answer === 'refused' ? (reservation?.status === 'PAYING' ? null : 'unknown') : answer;
      }
      case 'decline': {
        const { reason } = step;
        return this.#tell(payment, { type: 'declinePayment', reservationId, paymentId, reason });
      }
      case 'fail': {
        const { reason } = step;
        return this.#tell(payment, { type: 'failPayment', reservationId, paymentId, reason });
      }
      case 'void':
        return this.#void(payment, step.quantity);
      case 'refuse':
        return this.#decideLate(payment, 'refund');
      case 'cancel':
        return this.#within('cancel', provider.cancel(paymentId));
      case 'rehold':
        return this.#rehold(payment, reservation, record);
      case 'refund':
        return this.#refund(payment, step.totalMinor, reservation, record);
    }
  }

  async #void(payment: Payment, quantity: number): Promise<null | 'unknown'> {
    const { reservationId } = payment;
    const told = await this.#tell(payment, { type: 'refund', reservationId, quantity });
    if (told === null) this.#options.onGivenBack?.(payment, 'voided');
    return told;
  }

  /** Null when it is sold. */
  async #confirm(payment: Payment, body: CommandBody): Promise<null | 'refused' | 'unknown'> {
    const ref = refOf(payment);
    if (!ref) return 'unknown';
    const answer = await this.#submit(ref, 'confirm', this.#freshIds(), body);
    if (!isAnswered(answer)) return 'unknown';
    if (answer.kind !== 'reserved') return 'refused';
    this.#options.onSold?.(answer.reservation, payment);
    return null;
  }

  /** A command whose outcome the next look reads from the state. */
  async #tell(payment: Payment, body: CommandBody): Promise<null | 'unknown'> {
    const ref = refOf(payment);
    if (!ref) return 'unknown';
    const answer = await this.#submit(ref, body.type, this.#freshIds(), body);
    return isAnswered(answer) ? null : 'unknown';
  }

  /**
   * Tries to take the tickets again. Refused, it is decided for good, and on record, that the money goes back;
   * only then, and only while the reservation is not live, is it given back.
   */
  async #rehold(
    payment: Payment,
    reservation: Reservation | null,
    record: PaymentRecord | null,
  ): Promise<Payment | null | 'unknown'> {
    const ref = refOf(payment);
    if (!record || !ref) {
      // Whose it is is not known here, and no decision could be kept.
      this.#options.logger.error({ paymentId: payment.id }, 'a payment without a record: look at it by hand');
      return 'unknown';
    }
    const ended = reservation ?? reservationOfRecord(record, payment.id);
    if ((await this.#decideLate(payment, 'rehold')) === 'unknown') return 'unknown';
    const { logger } = this.#options;
    const body: CommandBody = { type: 'rehold', reservation: ended, paymentId: payment.id };
    const answer = await this.#submit(ref, 'rehold', this.#freshIds(), body);
    if (!isAnswered(answer)) return 'unknown';
    if (answer.kind === 'paying' || answer.kind === 'reserved') return null;
    logger.warn(
      { paymentId: payment.id, reservationId: ended.id, why: answer.kind },
      'charged after the hold had ended, and the tickets cannot be had again: the money goes back',
    );
    return this.#decideLate(payment, 'refund');
  }

  /** Keeps the decision unless it was decided for a refund, which stays. */
  async #decideLate(payment: Payment, late: 'rehold' | 'refund'): Promise<null | 'unknown'> {
    const kept = await this.#options.records.update(payment.id, (record) =>
      record.late === late || record.late === 'refund' ? record : { ...record, late },
    );
    return kept ? null : 'unknown';
  }

  async #refund(
    payment: Payment,
    totalMinor: number,
    reservation: Reservation | null,
    before: PaymentRecord | null,
  ): Promise<Payment | null | 'unknown'> {
    const { provider, records, clock, logger } = this.#options;
    const attempt = before?.refundAttempt ?? 0;
    const isOwed = reservation?.paymentId === payment.id && OWING.has(reservation.status);
    const answer = isOwed ? 'free' : await this.#askActor(payment);
    if (answer !== 'free') return answer;
    try {
      const after = await this.#within(
        'refund',
        provider.refund({ paymentId: payment.id, totalMinor, attempt }),
      );
      if (after.refundedMinor > payment.refundedMinor) this.#options.onGivenBack?.(after, 'refunded');
      return after.refundedMinor < totalMinor ? 'unknown' : after;
    } catch (error) {
      if (!(error instanceof RefundRefusedError)) throw error;
      logger.error(
        { paymentId: payment.id, error: error.message },
        'a refund is refused: look at it by hand',
      );
      const dueAt = clock.now() + STUCK_MS;
      await records.update(payment.id, (kept) => ({
        ...kept,
        stuck: error.message,
        // The provider answers a request that it refused in the same way again: the next one is another.
        refundAttempt: Math.max(kept.refundAttempt ?? 0, attempt + 1),
        // Something that happened meanwhile is looked at when it said so.
        dueAt: kept.remindAt === before?.remindAt ? dueAt : (kept.dueAt ?? dueAt),
      }));
      return 'unknown';
    }
  }

  /**
   * Whether the actor, who has looked at the archive, has nothing that this payment pays for: what was read may
   * have lost a sale with Redis. A hold of it is given back; null when it has changed or is sold after all.
   */
  async #askActor(payment: Payment): Promise<'free' | null | 'unknown'> {
    const { id: paymentId, reservationId } = payment;
    const ref = refOf(payment);
    if (!ref) return 'unknown';
    const body: CommandBody = { type: 'failPayment', reservationId, paymentId, reason: 'expired' };
    const answer = await this.#submit(ref, 'fail', this.#freshIds(), body);
    if (!isAnswered(answer)) return 'unknown';
    if (answer.kind === 'released') return null;
    const isSold = answer.kind === 'wrong_state' && answer.reservation.status === 'RESERVED';
    return isSold && answer.reservation.paymentId === paymentId ? null : 'free';
  }

  /** Keeps what was seen, and when to look again. */
  async #note(
    { id, status, amountMinor, refundedMinor, dispute, receiptUrl }: Payment,
    {
      reservation,
      before,
      startedAt,
    }: {
      readonly reservation: Reservation | null;
      readonly before: PaymentRecord | null;
      readonly startedAt: number;
    },
    step: Extract<Step, { kind: 'rest' | 'wait' }>,
  ): Promise<void> {
    if (!before) return;
    const { records, clock } = this.#options;
    const now = clock.now();
    const outcome =
      step.kind === 'rest' ? lateOutcomeOf(before, reservation, amountMinor <= refundedMinor) : undefined;
    // Before it is on record, so that no crash in between leaves the buyer without a word.
    if (outcome !== undefined && before.lateOutcome === undefined)
      await this.#options.onLate?.(reservation ?? reservationOfRecord(before, id), outcome);
    await records.update(id, (record) => {
      const kept = settled(record, startedAt);
      return {
        ...kept,
        status,
        refundedMinor,
        ...(dispute !== undefined && { dispute }),
        ...(receiptUrl !== undefined && { receiptUrl }),
        updatedAt: now,
        // What happened since this look began is not pushed back by what it saw.
        ...(step.kind === 'wait' && { dueAt: Math.min(step.until, kept.dueAt ?? step.until) }),
        ...(outcome !== undefined && record.lateOutcome === undefined && { lateOutcome: outcome }),
      };
    });
  }

  /** Steps that the state itself makes safe to repeat get new ids: an old refusal on record must not stick. */
  #freshIds(requestId?: string): FlowIds {
    const { newId, unkeyedOutcomeMs } = this.#options;
    return { id: newId(), keepMs: unkeyedOutcomeMs, ...(requestId !== undefined && { requestId }) };
  }

  // ---- asking -----------------------------------------------------------------------------------------

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
  async #ask<T>(what: string, asked: Promise<T>): Promise<T | 'unknown'> {
    try {
      return await this.#within(what, asked);
    } catch (error) {
      this.#options.logger.warn({ error: String(error), what }, 'the answer to a payment step is not known');
      return 'unknown';
    }
  }

  /** The same for what begins something; a provider that was not asked says so. */
  async #askNew<T>(what: string, asked: Promise<T>): Promise<T | 'unknown' | PaymentAwayError> {
    return this.#ask(
      what,
      asked.catch((error: unknown) => {
        if (error instanceof PaymentAwayError) return error;
        throw error;
      }),
    );
  }

  /** Rejects when there is no answer within the time. */
  #within<T>(what: string, answer: Promise<T>): Promise<T> {
    const { clock, providerWaitMs } = this.#options;
    return new Promise((resolve, reject) => {
      const cancel = clock.schedule(providerWaitMs, () => reject(new Error(`${what}: no answer in time`)));
      answer.then(resolve, reject).finally(cancel);
    });
  }
}

/** A payment that was begun before may be charged by now: only of a hold that none was begun for it is known. */
function providerAway(reservation: Reservation, { retryAfterMs }: PaymentAwayError): PaymentResult {
  if (reservation.status === 'PAYING') return { kind: 'unknown' };
  return { kind: 'provider_away', reservation, retryAfterMs };
}

/** What became of a payment that came too late, once both sides rest. */
function lateOutcomeOf(
  { late }: PaymentRecord,
  reservation: Reservation | null,
  isAllBack: boolean,
): LateOutcome | undefined {
  if (late === undefined) return undefined;
  if (isAllBack) return 'refunded';
  return reservation?.status === 'RESERVED' ? 'reserved' : undefined;
}

/** What this very request learned of its attempt, which the provider's payment alone does not say. */
function knownDecline({ payment, reservation }: Standing, declined: string | undefined): Step | null {
  if (declined === undefined || payment.status !== 'requires_payment_method') return null;
  if (reservation?.status !== 'PAYING' || reservation.paymentId !== payment.id) return null;
  return newestDecline(reservation) === undefined ? { kind: 'decline', reason: declined } : null;
}

function whilePaying(payment: Payment, reservation: Reservation): PaymentResult {
  if (payment.status !== 'requires_action') return { kind: 'unknown' };
  const { clientSecret, nextAction = { type: 'unknown' } } = payment;
  return { kind: 'requires_action', reservation, clientSecret, nextAction };
}

function newPayment(reservation: Reservation, amountMinor: number, taxMinor: number) {
  const { id, matchNumber, category, quantity, currency, email } = reservation;
  return {
    reservationId: id,
    amountMinor,
    currency,
    email,
    description: `Match ${matchNumber}, category ${category}: ${quantity} ${quantity === 1 ? 'ticket' : 'tickets'}`,
    metadata: {
      matchNumber: String(matchNumber),
      category: String(category),
      quantity: String(quantity),
      taxMinor: String(taxMinor),
    },
  };
}

/** The ticket that a payment's reservation is of; null when that is no reservation of ours. */
function refOf({ reservationId }: Payment): ReservationRef | null {
  const ticket = ticketOfReservation(reservationId);
  return ticket && { ticket, reservationId };
}

/** Whether the actor has decided the command. */
function isAnswered(answer: Submitted): boolean {
  switch (answer.kind) {
    case 'overloaded':
    case 'unknown':
    case 'deadline_passed':
    case 'incarnation_passed':
    case 'outbox_full':
    case 'not_open':
    case 'failed':
      return false;
    default:
      return true;
  }
}

/** Answers that say nothing of the reservation: refused undone, or not known. */
function refusedOrUnknown(
  result: Submitted,
): { readonly kind: 'overloaded'; readonly retryAfterMs: number } | { readonly kind: 'unknown' } {
  switch (result.kind) {
    case 'overloaded':
      return { kind: 'overloaded', retryAfterMs: result.retryAfterMs };
    case 'deadline_passed':
    case 'incarnation_passed':
    case 'outbox_full':
    case 'not_open':
      return { kind: 'overloaded', retryAfterMs: RETRY_AFTER_MS };
    default:
      return { kind: 'unknown' };
  }
}
