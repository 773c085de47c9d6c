/** Reservations as operators look them up, what is true of their money, and what can be done for a buyer. */
import { api } from '../../api';
import { isRecord } from '../../api/problem';
import type { Reservation } from '../../api/types';
import type { PaymentState } from '../../checkout/types';
import type { Question } from '../data';
import { KeptRequests, ofThisTab } from '../kept-requests';

export interface OperatorPayment extends PaymentState {
  readonly reservationId: string;
  readonly dispute?: 'open' | 'won' | 'lost';
  /** Why the provider refuses to give money back. */
  readonly stuck?: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface FoundReservation extends Reservation {
  /** Tickets given back so far. `quantity` is what is left, and of a refunded one what there was at last. */
  readonly refundedQuantity: number;
  /** Id of the account; absent for guests. */
  readonly account?: string;
  readonly updatedAt: string;
  readonly country?: string;
  readonly payment?: OperatorPayment;
}

export interface FoundPage {
  readonly reservations: readonly FoundReservation[];
  readonly next?: string;
}

export type Search =
  | { readonly kind: 'email'; readonly value: string }
  | { readonly kind: 'id'; readonly value: string }
  | { readonly kind: 'payment'; readonly value: string };

export const SEARCH_CHARS_MAX = 254;
const RESERVATION = /^m[1-9]\d{0,3}c\d-[a-z2-7]{26}$/;
/** A ticket's id is its reservation's and a number. */
const TICKET = /^(m[1-9]\d{0,3}c\d-[a-z2-7]{26})\.\d{1,3}$/;
const PAYMENT = /^pi_[A-Za-z0-9_]{1,200}$/;

/** What is looked for, told by how it is written; null when it can be none of them. */
export function searchOf(text: string): Search | null {
  const value = text.trim();
  if (value.length > SEARCH_CHARS_MAX) return null;
  if (PAYMENT.test(value)) return { kind: 'payment', value };
  if (/^[^\s@]+@[^\s@]+$/.test(value)) return { kind: 'email', value };
  const id = value.toLowerCase();
  if (RESERVATION.test(id)) return { kind: 'id', value: id };
  const ticket = TICKET.exec(id)?.[1];
  return ticket === undefined ? null : { kind: 'id', value: ticket };
}

/** Where the page shows it: an address is kept out of the URL. */
export const placeOf = ({
  kind,
  value,
}: Search): { readonly to: { readonly hash: string }; readonly options: { readonly state: unknown } } =>
  kind === 'email'
    ? { to: { hash: '' }, options: { state: { find: value } } }
    : { to: { hash: encodeURIComponent(value) }, options: { state: null } };

const RESERVATIONS_PER_PAGE = 20;

export const RESERVATIONS = '/operations/reservations';

export const found = ({ kind, value }: Search): Question => ({
  path: RESERVATIONS,
  query: { [kind]: value, limit: RESERVATIONS_PER_PAGE },
});

/** The mail with the tickets, once more. */
export const resendTickets = (reservationId: string): Promise<{ readonly queued: true }> =>
  api.send({
    method: 'POST',
    path: `${RESERVATIONS}/${encodeURIComponent(reservationId)}/mails`,
    body: {},
  });

export interface RefundOrder {
  /** All that is left when absent. */
  readonly quantity?: number;
  readonly note: string;
}

export interface RefundDone {
  readonly reservationStatus: string;
  /** Tickets it still covers. */
  readonly quantity: number;
  /** Given back in all. */
  readonly refundedMinor: number;
  /** The money is not on its way yet. */
  readonly pending: boolean;
  readonly stuck?: string;
}

const isRefundOrder = (value: unknown): value is RefundOrder =>
  isRecord(value) &&
  typeof value['note'] === 'string' &&
  (value['quantity'] === undefined || typeof value['quantity'] === 'number');

/** Refunds by the id of their payment. */
export const openRefunds = new KeptRequests<RefundOrder>(ofThisTab, isRefundOrder);

export const sendRefund = (
  paymentId: string,
  { key, body }: { readonly key: string; readonly body: RefundOrder },
): Promise<RefundDone> =>
  api.send({ method: 'POST', path: `/payments/${encodeURIComponent(paymentId)}/refunds`, body, key });

/** Tickets that were bought or held at first. */
export const boughtQuantity = ({ status, quantity, refundedQuantity }: FoundReservation): number =>
  status === 'REFUNDED' ? refundedQuantity : quantity + refundedQuantity;

/** Tickets that can be refunded; 0 when nothing can. */
export const refundableQuantity = ({ status, quantity, payment }: FoundReservation): number =>
  status === 'RESERVED' && payment !== undefined ? quantity : 0;

/** What is true of the money, worst first. */
export type MoneyTruth =
  | { readonly kind: 'stuck'; readonly reason: string }
  | { readonly kind: 'dispute_open' }
  | { readonly kind: 'dispute_lost' }
  | { readonly kind: 'dispute_won' }
  | { readonly kind: 'late_pending' }
  | { readonly kind: 'late_reserved' }
  | { readonly kind: 'late_refunded' }
  | { readonly kind: 'refund_owed'; readonly owedMinor: number }
  | { readonly kind: 'unsettled' };

export function moneyTruths(reservation: FoundReservation): MoneyTruth[] {
  const { payment } = reservation;
  if (!payment) return [];
  const { stuck, dispute, late, isSettled } = payment;
  const owedMinor = refundOwedMinor(reservation, payment);
  const truths: MoneyTruth[] = [];
  if (stuck !== undefined) truths.push({ kind: 'stuck', reason: stuck });
  if (dispute !== undefined) truths.push({ kind: `dispute_${dispute}` });
  if (late !== undefined) truths.push({ kind: `late_${late}` });
  // What a lost dispute took is not owed once more.
  if (owedMinor > 0 && dispute !== 'lost') truths.push({ kind: 'refund_owed', owedMinor });
  if (!isSettled && truths.length === 0) truths.push({ kind: 'unsettled' });
  return truths;
}

/** Of tickets that were given back, what has not been sent yet; in proportion to the tickets. */
function refundOwedMinor(reservation: FoundReservation, payment: OperatorPayment): number {
  const bought = boughtQuantity(reservation);
  const { status, refundedQuantity } = reservation;
  if (bought === 0 || (status !== 'RESERVED' && status !== 'REFUNDED')) return 0;
  const due = Math.round((payment.amountMinor * refundedQuantity) / bought);
  return Math.max(0, due - payment.refundedMinor);
}
