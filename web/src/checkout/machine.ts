/**
 * Buying, from a hold to its tickets, as the screen tells it.
 *
 * Guarantees: what is shown is what the server answered last; pressing a button changes nothing but that an answer
 * is waited for; a request that may have had its effect although no answer came leads to `unknown` and to nothing
 * else, and from there only an answer leads on. Which event may follow in which state is the table `LEGAL`; any
 * other event, such as an answer that comes after a newer one, changes nothing.
 *
 * Pure: times are milliseconds since 1970 by the server's clock and come with the events.
 */
import type { ApiProblem, ProblemCode } from '../api/problem';
import { isRecord } from '../api/problem';
import type { Reservation, ReservationStatus } from '../api/types';
import type { NextAction, PaymentState } from './types';

/** What was refused, and what the server said with it. */
export interface Refused {
  readonly during: 'pay' | 'cancel';
  readonly code: ProblemCode;
  /** Of a decline: the bank's reason. */
  readonly reason?: string;
  /** Of a hold that had ended: whether a charge was made and given back. */
  readonly refunded?: boolean;
  /** Not to be asked again before. */
  readonly notBefore?: number;
  readonly limit?: number;
  readonly owned?: number;
}

/** What is known of a reservation, in every state that shows one. */
interface Known {
  readonly reservation: Reservation;
  /** Null when there was none, as far as is known. */
  readonly payment: PaymentState | null;
  /** Without it nothing is said about whether anything was charged. */
  readonly isPaymentKnown: boolean;
  /** What the last thing the buyer asked for was answered, if it was refused. */
  readonly refused: Refused | null;
  /** The last look failed: what is shown may be old. */
  readonly isStale: boolean;
}

/** How far a payment that was sent has come: all that is known before there is an answer. */
export type Step = 'sent' | 'challenge' | 'asking_again';

export type Checkout =
  | { readonly kind: 'loading' }
  /** Not shown to whoever asks: the link is not complete, or the log-in is missing. */
  | { readonly kind: 'closed'; readonly problem: ApiProblem }
  /** It could not be read. */
  | { readonly kind: 'away'; readonly problem: ApiProblem }
  /** The tickets are held: pay or give them back. */
  | ({ readonly kind: 'held' } & Known)
  /** Declined and given back; another payment takes them again while there are any. */
  | ({ readonly kind: 'retry' } & Known)
  /** By our clock the time is up; the server's word is waited for. */
  | ({ readonly kind: 'ending' } & Known)
  /** `isRepeat`: how it went the first time is not known; until there is an answer that is what is true. */
  | ({ readonly kind: 'sending'; readonly step: Step; readonly isRepeat: boolean } & Known)
  /** The buyer's bank wants to see the buyer. */
  | ({ readonly kind: 'authenticating'; readonly action: NextAction } & Known)
  /** A payment is under way that this tab did not send, or knows no more of. */
  | ({ readonly kind: 'paying' } & Known)
  | ({ readonly kind: 'cancelling'; readonly isRepeat: boolean } & Known)
  /** Nobody knows yet whether what was asked has happened; it is asked again under the same key. */
  | ({ readonly kind: 'unknown'; readonly asked: 'pay' | 'cancel' } & Known)
  | ({ readonly kind: 'reserved' } & Known)
  | ({ readonly kind: 'cancelled' } & Known)
  | ({ readonly kind: 'expired' } & Known)
  | ({ readonly kind: 'refunded' } & Known);

export type CheckoutKind = Checkout['kind'];
export type Shown = Exclude<Checkout, { kind: 'loading' | 'closed' | 'away' }>;

export type CheckoutEvent =
  | {
      readonly kind: 'read';
      readonly reservation: Reservation;
      readonly payment: PaymentState | null | 'unknown';
      readonly now: number;
    }
  | { readonly kind: 'read_failed'; readonly problem: ApiProblem }
  | { readonly kind: 'time_up'; readonly now: number }
  | { readonly kind: 'pay' }
  | { readonly kind: 'progress'; readonly step: Step }
  | { readonly kind: 'paid'; readonly reservation: Reservation; readonly now: number }
  | { readonly kind: 'authenticate'; readonly reservation: Reservation; readonly action: NextAction }
  | { readonly kind: 'pay_refused'; readonly problem: ApiProblem; readonly now: number }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'released'; readonly reservation: Reservation; readonly now: number }
  | { readonly kind: 'cancel_refused'; readonly problem: ApiProblem; readonly now: number };

type EventKind = CheckoutEvent['kind'];

/** Which events have a meaning in a state. */
export const LEGAL: Readonly<Record<CheckoutKind, readonly EventKind[]>> = {
  loading: ['read', 'read_failed'],
  closed: ['read', 'read_failed'],
  away: ['read', 'read_failed'],
  held: ['read', 'read_failed', 'time_up', 'pay', 'cancel'],
  retry: ['read', 'read_failed', 'time_up', 'pay'],
  ending: ['read', 'read_failed'],
  sending: ['progress', 'paid', 'authenticate', 'pay_refused'],
  authenticating: ['read', 'read_failed', 'pay', 'cancel'],
  paying: ['read', 'read_failed', 'pay', 'cancel'],
  cancelling: ['released', 'cancel_refused'],
  unknown: ['read', 'read_failed', 'pay', 'cancel'],
  reserved: ['read', 'read_failed'],
  cancelled: ['read', 'read_failed'],
  expired: ['read', 'read_failed'],
  refunded: ['read', 'read_failed'],
};

export const BEGINNING: Checkout = { kind: 'loading' };

export function reduce(state: Checkout, event: CheckoutEvent): Checkout {
  if (!LEGAL[state.kind].includes(event.kind)) return state;
  if (event.kind === 'read') return afterRead(state, event);
  if (event.kind === 'read_failed') return afterFailedRead(state, event.problem);
  return 'reservation' in state ? afterAsking(state, event) : state;
}

/** For as long as a decline lets the buyer take the tickets again. */
export function retryUntilOf({ status, reason, expiresAt }: Reservation, now: number): number | null {
  const until = Date.parse(expiresAt);
  return status === 'CANCELLED' && reason === 'declined' && now < until ? until : null;
}

/** What the screen says: a repeat of what nobody knows the outcome of is no news. */
export function shownKind(state: Shown): Shown['kind'] {
  const isRepeat = (state.kind === 'sending' || state.kind === 'cancelling') && state.isRepeat;
  return isRepeat ? 'unknown' : state.kind;
}

/** The state that says no more than what the server's reservation says. */
export function standing(known: Known, now: number): Shown {
  const { status } = known.reservation;
  switch (status) {
    case 'PENDING':
      return { kind: 'held', ...known };
    case 'PAYING':
      return { kind: 'paying', ...known };
    case 'RESERVED':
      return { kind: 'reserved', ...known };
    case 'REFUNDED':
      return { kind: 'refunded', ...known };
    case 'EXPIRED':
      return { kind: 'expired', ...known };
    case 'CANCELLED':
      return retryUntilOf(known.reservation, now) === null
        ? { kind: 'cancelled', ...known }
        : { kind: 'retry', ...known };
  }
}

const ENDED: ReadonlySet<ReservationStatus> = new Set(['RESERVED', 'CANCELLED', 'EXPIRED', 'REFUNDED']);

function afterRead(
  state: Checkout,
  { reservation, payment, now }: Extract<CheckoutEvent, { kind: 'read' }>,
): Checkout {
  const refused = 'refused' in state ? state.refused : null;
  const before = 'payment' in state ? state.payment : null;
  const known = {
    reservation,
    payment: payment === 'unknown' ? before : payment,
    isPaymentKnown: payment !== 'unknown',
    refused,
    isStale: false,
  };
  const isOver = ENDED.has(reservation.status);
  switch (state.kind) {
    // Reading alone does not tell how what was asked went while the reservation lives.
    case 'unknown':
      return isOver ? standing(known, now) : { ...state, ...known };
    case 'authenticating':
      return reservation.status === 'PAYING' ? { ...state, ...known } : standing(known, now);
    case 'ending':
      return reservation.status === 'PENDING' && now >= Date.parse(reservation.expiresAt)
        ? { ...state, ...known }
        : standing(known, now);
    // The server has said that there is no other attempt; its reservation alone does not tell.
    case 'cancelled':
    case 'expired':
      return reservation.status === 'CANCELLED' ? { kind: 'cancelled', ...known } : standing(known, now);
    default:
      return standing(known, now);
  }
}

/** Who may not see it is told at once; any other failure leaves what is shown, marked as old. */
function afterFailedRead(state: Checkout, problem: ApiProblem): Checkout {
  const { code } = problem;
  const isClosed = code === 'unauthorized' || code === 'forbidden' || code === 'not_found';
  if ('reservation' in state) return { ...state, isStale: true };
  return isClosed ? { kind: 'closed', problem } : { kind: 'away', problem };
}

function afterAsking(
  state: Shown,
  event: Exclude<CheckoutEvent, { kind: 'read' | 'read_failed' }>,
): Checkout {
  const { reservation, payment, isPaymentKnown, isStale } = state;
  const known = { reservation, payment, isPaymentKnown, refused: null, isStale };
  switch (event.kind) {
    case 'time_up':
      return state.kind === 'held'
        ? { ...state, kind: 'ending' }
        : standing({ ...known, refused: state.refused }, event.now);
    case 'pay':
      if (state.kind === 'unknown' && state.asked !== 'pay') return state;
      return { kind: 'sending', step: 'sent', isRepeat: state.kind === 'unknown', ...known };
    case 'progress':
      return state.kind === 'sending' ? { ...state, step: event.step } : state;
    case 'paid':
    case 'released':
      return standing({ ...known, reservation: event.reservation, isStale: false }, event.now);
    case 'authenticate':
      return {
        kind: 'authenticating',
        action: event.action,
        ...known,
        reservation: event.reservation,
        isStale: false,
      };
    case 'cancel':
      if (state.kind === 'unknown' && state.asked !== 'cancel') return state;
      return { kind: 'cancelling', isRepeat: state.kind === 'unknown', ...known };
    case 'pay_refused':
      return afterRefusedPayment(known, event.problem, event.now);
    case 'cancel_refused':
      return afterRefusedCancel(known, event.problem, event.now);
  }
}

/** What an ended reservation's payment allows to say. */
export type Ending =
  /** Charged too late; tickets or money, it is being decided. */
  | 'late'
  | 'late_refunded'
  /** Not known, or still open at the bank. */
  | 'open'
  | 'charged_back'
  | 'not_charged';

export function endingOf({ payment, isPaymentKnown, refused }: Shown): Ending {
  if (payment?.late === 'refunded') return 'late_refunded';
  if (payment && !payment.isSettled) {
    return payment.late === 'pending' || payment.status === 'succeeded' ? 'late' : 'open';
  }
  if (refused?.refunded === true) return 'charged_back';
  return isPaymentKnown || refused?.refunded === false ? 'not_charged' : 'open';
}

function refusedOf(during: Refused['during'], problem: ApiProblem, now: number): Refused {
  const { code, members, retryAfterMs, limit, owned } = problem;
  const { reason, refunded } = members;
  return {
    during,
    code,
    ...(typeof reason === 'string' && { reason }),
    ...(typeof refunded === 'boolean' && { refunded }),
    ...(retryAfterMs !== undefined && { notBefore: now + retryAfterMs }),
    ...(limit !== undefined && { limit }),
    ...(owned !== undefined && { owned }),
  };
}

function afterRefusedPayment(known: Known, problem: ApiProblem, now: number): Checkout {
  if (problem.isOutcomeUnknown) return { kind: 'unknown', asked: 'pay', ...known };
  const told: Known = { ...known, refused: refusedOf('pay', problem, now), isStale: false };
  const { reservation } = known;
  switch (problem.code) {
    case 'payment_declined':
      return afterDecline(told, problem, now);
    case 'hold_expired':
      return { kind: 'expired', ...told };
    case 'invalid_state':
      return standing({ ...told, reservation: withStatus(reservation, problem) }, now);
    default:
      return standing(told, now);
  }
}

function afterDecline(known: Known, problem: ApiProblem, now: number): Checkout {
  const { held, expiresAt, retryUntil } = problem.members;
  const { reservation } = known;
  if (held === true) {
    const until = typeof expiresAt === 'string' ? { expiresAt } : {};
    return standing({ ...known, reservation: { ...reservation, ...until, status: 'PENDING' } }, now);
  }
  const back = { ...reservation, status: 'CANCELLED', reason: 'declined' } as const;
  // Without it there is no other attempt, whatever time is left.
  if (typeof retryUntil !== 'string') return { kind: 'cancelled', ...known, reservation: back };
  return standing({ ...known, reservation: { ...back, expiresAt: retryUntil } }, now);
}

function afterRefusedCancel(known: Known, problem: ApiProblem, now: number): Checkout {
  if (problem.isOutcomeUnknown) return { kind: 'unknown', asked: 'cancel', ...known };
  const told: Known = { ...known, refused: refusedOf('cancel', problem, now), isStale: false };
  if (problem.code === 'hold_expired') return { kind: 'expired', ...told };
  return standing({ ...told, reservation: withStatus(known.reservation, problem) }, now);
}

const STATUSES: ReadonlySet<unknown> = new Set<ReservationStatus>([
  'PENDING',
  'PAYING',
  'RESERVED',
  'CANCELLED',
  'EXPIRED',
  'REFUNDED',
]);
const isStatus = (value: unknown): value is ReservationStatus => STATUSES.has(value);

/** The server says in the refusal how the reservation stands. */
function withStatus(reservation: Reservation, { members }: ApiProblem): Reservation {
  const status = isRecord(members) ? members['reservationStatus'] : undefined;
  return isStatus(status) ? { ...reservation, status } : reservation;
}
