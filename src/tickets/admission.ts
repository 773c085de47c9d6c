/**
 * Admissions: one for each sold place of a reservation, numbered from 1. Pure.
 *
 * What src/tickets guarantees:
 *
 *  - A sold place admits one person: as many admissions of a reservation are not void as it has places left,
 *    whoever refunds, transfers and accepts at the same time.
 *  - An admission has one holder: its reservation's buyer until it is accepted by an account, then that account.
 *    Each change of holder raises its generation, and only a code of the newest generation is valid.
 *  - It is transferred or refunded, never both: what a buyer wants refunded is marked before the refund is
 *    ordered, what is marked cannot be accepted, and what was transferred cannot be marked.
 *  - It is used once: the first scan that admits somebody ends an open offer, and from then on it is not offered,
 *    transferred or refunded by its buyer. The same scan again changes nothing; another is told of the first.
 *  - Changes are kept as documents (records.ts), each written at the version it was decided on. An admission
 *    without a document is its buyer's, generation 0.
 *  - Nobody learns from any of it whether an address has an account.
 */
import type { Reservation } from '../rules/index.js';

/** To whom it is offered. Made by its holder. */
export interface Offer {
  /** Of the request that made it. */
  readonly id: string;
  /** An e-mail address: whoever has an account with it, confirmed, may accept. */
  readonly to: string;
  /** The account that offers. */
  readonly from: string;
  readonly at: number;
}

/** A refund that its buyer ordered; every admission it is about carries all of it. */
export interface RefundMark {
  /** Of the request that ordered it: the actor's command has the same. */
  readonly id: string;
  readonly numbers: readonly number[];
  /** Places of the reservation that were refunded before. */
  readonly before: number;
  readonly at: number;
  /** Whether the places are known to be given back. */
  readonly isDone: boolean;
}

/** The scan that let somebody in. */
export interface Use {
  /** Of the scan, made by its device: the same scan again is no other. */
  readonly scanId: string;
  /** When it was scanned, by the device's clock. */
  readonly at: number;
  readonly gate: string;
  readonly device: string;
  /** The account that let them in. */
  readonly by: string;
  /** When it was kept here: later than `at` by as long as the device had no network. */
  readonly notedAt: number;
}

/** What is kept of an admission once something happened to it. Times are epoch milliseconds. */
export interface Admission {
  readonly reservationId: string;
  readonly number: number;
  /** Changes of holder. */
  readonly generation: number;
  /** The account it was transferred to, from which, and when; absent while it is the buyer's. */
  readonly holder?: string;
  readonly givenBy?: string;
  readonly heldSince?: number;
  readonly offer?: Offer;
  /** Id of the newest offer that was answered or withdrawn: its request, repeated, makes no other. */
  readonly endedOffer?: string;
  readonly refund?: RefundMark;
  readonly used?: Use;
}

export type AdmissionState =
  | 'valid'
  /** Offered, and still its holder's. */
  | 'offered'
  /** Its buyer ordered a refund whose outcome is not known yet. */
  | 'refunding'
  /** Somebody was let in with it. */
  | 'used'
  /** Refunded. Final. */
  | 'void';

export interface Standing {
  readonly admission: Admission;
  readonly state: AdmissionState;
}

export const ticketIdOf = (reservationId: string, number: number): string => `${reservationId}.${number}`;

const TICKET_ID = /^([a-z0-9-]{1,60})\.([1-9]\d{0,3})$/;

/** Null for what no admission can be called. */
export function partsOfTicketId(
  id: string,
): { readonly reservationId: string; readonly number: number } | null {
  const [, reservationId, number] = TICKET_ID.exec(id) ?? [];
  return reservationId === undefined ? null : { reservationId, number: Number(number) };
}

/** Places that were sold, refunded ones included. */
export function placesOf({ status, quantity, refundedQuantity }: Reservation): number {
  if (status === 'RESERVED') return quantity + refundedQuantity;
  // The last refund leaves its quantity as it was before.
  return status === 'REFUNDED' ? refundedQuantity : 0;
}

/** How every admission of a reservation stands, in the order of the numbers. */
export function standingsOf(reservation: Reservation, known: readonly Admission[]): readonly Standing[] {
  const kept = new Map(known.map((one) => [one.number, one]));
  const admissions = Array.from({ length: placesOf(reservation) }, (_, index) => {
    const number = index + 1;
    return kept.get(number) ?? { reservationId: reservation.id, number, generation: 0 };
  });
  const gone = voidNumbers(reservation, admissions);
  return admissions.map((admission) => ({ admission, state: stateOf(admission, gone) }));
}

function stateOf({ number, refund, offer, used }: Admission, gone: ReadonlySet<number>): AdmissionState {
  if (gone.has(number)) return 'void';
  if (used) return 'used';
  if (refund) return 'refunding';
  return offer ? 'offered' : 'valid';
}

/**
 * Which numbers the refunded places are: the buyer's own before transferred ones before those that were used, the
 * highest first. A buyer's refund marks the next ones in this order. What is void stays so: void and marked ones can
 * be neither transferred nor used, so none ever moves back in it.
 */
function voidNumbers(reservation: Reservation, admissions: readonly Admission[]): ReadonlySet<number> {
  const highestFirst = [...admissions].reverse();
  const unused = highestFirst.filter(({ used }) => !used);
  const own = unused.filter(({ generation }) => generation === 0);
  const transferred = unused.filter(({ generation }) => generation > 0);
  const used = highestFirst.filter((one) => one.used);
  const order = [...own, ...transferred, ...used].map(({ number }) => number);
  return new Set(order.slice(0, reservation.refundedQuantity));
}

export type AdmissionCommand =
  | {
      readonly type: 'offer';
      readonly id: string;
      readonly to: string;
      /** The account of the holder, and its address. */
      readonly from: string;
      readonly fromEmail: string;
      readonly at: number;
    }
  /** The holder withdraws, or the receiver declines. */
  | { readonly type: 'end' }
  /** `email`: confirmed. */
  | { readonly type: 'accept'; readonly account: string; readonly email: string; readonly at: number }
  | { readonly type: 'refund'; readonly mark: RefundMark }
  /** The refund of this id is known not to have happened. */
  | { readonly type: 'keep'; readonly id: string }
  /** The refund of this id is known to have happened. */
  | { readonly type: 'settle'; readonly id: string }
  /** Somebody stands at the gate with the code of this generation. */
  | { readonly type: 'admit'; readonly generation: number; readonly use: Use };

export type AdmissionRefusal =
  /** Not possible as it stands. */
  | { readonly kind: 'wrong_state'; readonly state: AdmissionState }
  /** Offered to somebody else. */
  | { readonly kind: 'already_offered' }
  /** The request that made an offer came again after the offer's end. */
  | { readonly kind: 'offer_ended' }
  /** It is offered to nobody, or to somebody else. */
  | { readonly kind: 'not_offered' }
  | { readonly kind: 'to_self' }
  | { readonly kind: 'transferred' }
  /** The code is of a holder before. */
  | { readonly kind: 'replaced' }
  /** Another scan let somebody in. */
  | { readonly kind: 'repeated'; readonly first: Use };

export type AdmissionDecision =
  | { readonly kind: 'changed'; readonly admission: Admission }
  /** It was so before. */
  | { readonly kind: 'unchanged' }
  | AdmissionRefusal;

/** Every move there is. `settle` is one only together with the reservation, which has fewer places then. */
export const MOVES: Readonly<
  Record<AdmissionState, Readonly<Partial<Record<AdmissionCommand['type'], AdmissionState>>>>
> = {
  valid: { offer: 'offered', refund: 'refunding', admit: 'used' },
  offered: { end: 'valid', accept: 'valid', refund: 'refunding', admit: 'used' },
  refunding: { keep: 'valid', settle: 'refunding' },
  used: {},
  // What was open when it became void can be tidied away.
  void: { end: 'void', keep: 'void', settle: 'void' },
};

/** Whether the asker may command it is not decided here. */
export function decide(standing: Standing, command: AdmissionCommand): AdmissionDecision {
  const { admission, state } = standing;
  if (isRepeat(standing, command)) return { kind: 'unchanged' };
  const refusal = refusalOf(standing, command);
  if (refusal) return refusal;
  if (MOVES[state][command.type] === undefined) return { kind: 'wrong_state', state };
  return { kind: 'changed', admission: moved(admission, command) };
}

function isRepeat(
  { admission: { offer, holder, refund, used }, state }: Standing,
  command: AdmissionCommand,
) {
  switch (command.type) {
    case 'offer':
      return state === 'offered' && offer?.to === command.to;
    case 'end':
      return false;
    case 'accept':
      return (state === 'valid' || state === 'used') && holder === command.account;
    case 'refund':
      return refund?.id === command.mark.id;
    case 'keep':
      return refund?.id !== command.id || refund.isDone;
    case 'settle':
      return refund?.id !== command.id || refund.isDone;
    case 'admit':
      return used?.scanId === command.use.scanId;
  }
}

/** What the state alone does not say. */
function refusalOf(
  { admission: { offer, endedOffer, generation, used }, state }: Standing,
  command: AdmissionCommand,
): AdmissionRefusal | null {
  switch (command.type) {
    case 'offer':
      if (command.to === command.fromEmail) return { kind: 'to_self' };
      if (offer) return { kind: 'already_offered' };
      return endedOffer === command.id ? { kind: 'offer_ended' } : null;
    case 'end':
      return offer ? null : { kind: 'not_offered' };
    case 'accept':
      return offer?.to === command.email ? null : { kind: 'not_offered' };
    case 'refund':
      return generation > 0 ? { kind: 'transferred' } : null;
    case 'keep':
    case 'settle':
      return null;
    case 'admit':
      // What was refunded is told as that, whatever became of it before.
      if (state === 'void') return null;
      if (command.generation !== generation) return { kind: 'replaced' };
      return used ? { kind: 'repeated', first: used } : null;
  }
}

function moved(admission: Admission, command: AdmissionCommand): Admission {
  const { offer, refund, ...rest } = admission;
  const ended = offer ? { ...rest, endedOffer: offer.id } : rest;
  switch (command.type) {
    case 'offer': {
      const { id, to, from, at } = command;
      return { ...rest, offer: { id, to, from, at } };
    }
    case 'end':
      return refund ? { ...ended, refund } : ended;
    case 'accept': {
      const { account, at } = command;
      const from = offer && { givenBy: offer.from };
      return { ...ended, ...from, holder: account, heldSince: at, generation: admission.generation + 1 };
    }
    case 'refund':
      return { ...ended, refund: command.mark };
    case 'keep':
      return rest;
    case 'settle':
      return refund ? { ...admission, refund: { ...refund, isDone: true } } : admission;
    case 'admit':
      return { ...ended, used: command.use };
  }
}

/** The highest numbers that a buyer may have refunded, at most so many. */
export function refundable(standings: readonly Standing[]): readonly number[] {
  return standings
    .filter(
      ({ admission, state }) => admission.generation === 0 && (state === 'valid' || state === 'offered'),
    )
    .map(({ admission }) => admission.number)
    .reverse();
}
