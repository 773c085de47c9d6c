/**
 * The tickets of reservations: who sees what of them, and how they change hands.
 *
 * Guarantees: a code is shown to the holder only, until it is void; an offer, its acceptance and its end are
 * each decided on what stands when they are written, so of two that exclude each other one takes place; an act
 * of a holder is in the audit before it takes effect. Who was let in, and by whom, is in the admission itself.
 */
import type { Clock } from '../actors/ports.js';
import type { Reservation } from '../rules/index.js';
import type { Audit } from '../security/port.js';
import type { Principal } from '../users/principal.js';
import {
  decide,
  standingsOf,
  ticketIdOf,
  type Admission,
  type AdmissionCommand,
  type AdmissionDecision,
  type AdmissionRefusal,
  type Standing,
  type Use,
} from './admission.js';
import type { CodeFacts, TicketCodes } from './codes.js';
import type { OfferedTicket, TicketMail } from './mail.js';
import type { AdmissionRecords, Shares, StoredAdmission } from './records.js';

/** Offers one account may make in an hour, and have open at once. */
export const OFFERS_PER_HOUR_MAX = 10;
export const OFFERS_OPEN_MAX = 20;
/** Offers that may wait for one address. */
export const OFFERS_WAITING_MAX = 20;
/** Mails about offers that one address gets in an hour; an offer past it is seen in the account only. */
const OFFER_MAILS_PER_HOUR_MAX = 10;
/** Times a change is decided anew because somebody else was quicker. */
const CHANGES_MAX = 20;

export interface TicketDeskOptions {
  readonly records: AdmissionRecords;
  readonly shares: Shares;
  readonly codes: TicketCodes;
  readonly mail: TicketMail;
  readonly audit: Audit;
  readonly clock: Clock;
  readonly findReservation: (id: string) => Promise<Reservation | null>;
  /** Empty when the account is gone. */
  readonly emailOf: (account: string) => Promise<string>;
}

/** Who asks, as far as a reservation is concerned. */
export interface Viewer {
  readonly principal: Principal | null;
  /** Has the reservation's token, or it is the account's. */
  readonly isBuyer: boolean;
  readonly isOperator: boolean;
}

/** Where a request came from, for the audit. */
export interface Origin {
  readonly address: string;
  readonly requestId: string;
}

export type TicketStatus = 'valid' | 'offered' | 'refunding' | 'used' | 'transferred' | 'void';

export interface TicketView {
  readonly id: string;
  readonly reservationId: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly number: number;
  readonly unitPrice: number;
  readonly currency: string;
  readonly status: TicketStatus;
  readonly holder?: string;
  readonly offeredTo?: string;
  readonly offeredBy?: string;
  /** When somebody was let in with it, ISO 8601. */
  readonly usedAt?: string;
  readonly code?: string;
}

export interface Found {
  readonly reservation: Reservation;
  readonly standing: Standing;
}

export type OfferRefusal =
  AdmissionRefusal | { readonly kind: 'too_many'; readonly detail: string; readonly retryAfterMs?: number };

export type ChangeResult =
  | {
      readonly kind: 'done';
      readonly reservation: Reservation;
      readonly before: Standing;
      readonly after: Standing;
      readonly isChanged: boolean;
    }
  | AdmissionRefusal
  /** There is no such ticket. */
  | { readonly kind: 'gone' }
  /** Others change it again and again. */
  | { readonly kind: 'busy' };

export class TicketDesk {
  readonly #options: TicketDeskOptions;

  constructor(options: TicketDeskOptions) {
    this.#options = options;
  }

  get codes(): TicketCodes {
    return this.#options.codes;
  }

  async standings(reservation: Reservation): Promise<readonly Standing[]> {
    const known = await this.#options.records.ofReservation(reservation.id);
    return standingsOf(
      reservation,
      known.map(({ value }) => value),
    );
  }

  /** Null when no such place was sold. */
  async find(reservationId: string, number: number): Promise<Found | null> {
    const reservation = await this.#options.findReservation(reservationId);
    if (!reservation) return null;
    const standing = (await this.standings(reservation))[number - 1];
    return standing ? { reservation, standing } : null;
  }

  /** Those of a reservation, as the viewer may see them. */
  async ofReservation(reservation: Reservation, viewer: Viewer): Promise<readonly TicketView[]> {
    const standings = await this.standings(reservation);
    return Promise.all(standings.map((standing) => this.view(reservation, standing, viewer)));
  }

  /** Received by transfer, the newest first. */
  async received(
    principal: Principal,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<{ readonly tickets: readonly TicketView[]; readonly next?: string }> {
    const { items, next } = await this.#options.records.heldBy(principal.accountId, page);
    const tickets = await this.#views(principal, items);
    return { tickets, ...(next !== undefined && { next }) };
  }

  /** Waiting for the account to accept; none before its address is confirmed. */
  async offersTo(principal: Principal): Promise<readonly TicketView[]> {
    if (!principal.emailConfirmed) return [];
    const offers = await this.#options.records.offeredTo(principal.email, OFFERS_WAITING_MAX);
    return this.#views(principal, await this.#stillOpen(offers));
  }

  async view(reservation: Reservation, { admission, state }: Standing, viewer: Viewer): Promise<TicketView> {
    const { id: reservationId, matchNumber, category, unitPrice, currency } = reservation;
    const { number, generation, holder, givenBy, offer, used } = admission;
    const isHolder = isHeldBy(admission, viewer);
    const isReceiver = isOfferedTo(admission, viewer.principal);
    const seesOffer = state === 'offered' && (isHolder || isReceiver || viewer.isOperator);
    const seesHolder =
      isHolder ||
      viewer.isOperator ||
      (givenBy !== undefined && viewer.principal !== null && givenBy === viewer.principal.accountId);
    const hasCode = state === 'valid' || state === 'offered' || state === 'used';
    const seesUse = isHolder || viewer.isOperator;
    return {
      id: ticketIdOf(reservationId, number),
      reservationId,
      matchNumber,
      category,
      number,
      unitPrice,
      currency,
      status: seesOffer
        ? 'offered'
        : state === 'offered'
          ? statusOf('valid', isHolder)
          : statusOf(state, isHolder || (viewer.isOperator && generation === 0)),
      ...(seesHolder && {
        holder: holder === undefined ? reservation.email : await this.#options.emailOf(holder),
      }),
      ...(seesOffer && offer && { offeredTo: offer.to, offeredBy: await this.#options.emailOf(offer.from) }),
      ...(seesUse && used && { usedAt: new Date(used.at).toISOString() }),
      ...(isHolder && hasCode && { code: this.#options.codes.sign(admission) }),
    };
  }

  /** `id`: of the request; the same makes one offer. */
  async offer(
    { reservation, standing }: Found,
    { id, to, principal, origin }: { id: string; to: string; principal: Principal; origin: Origin },
  ): Promise<Exclude<ChangeResult, AdmissionRefusal> | OfferRefusal> {
    const { accountId: from, email: fromEmail } = principal;
    const at = this.#options.clock.now();
    const command = { type: 'offer', id, to, from, fromEmail, at } as const;
    // What cannot be done takes nothing of what may be done in an hour.
    const decision = decide(standing, command);
    if (decision.kind === 'changed') {
      const refusal = await this.#offerRefusal(from, to);
      if (refusal) return refusal;
      await this.#record('ticket.offered', standing.admission, principal, origin);
    } else if (decision.kind !== 'unchanged') return decision;
    const result = await this.#change(reservation.id, standing.admission.number, command, (admission) =>
      isHeldBy(admission, { principal, isBuyer: standing.admission.generation === 0 }),
    );
    if (result.kind !== 'done' || !result.isChanged) return result;
    const { offer } = result.after.admission;
    if (offer && (await this.#options.shares.take('offer mails', to, OFFER_MAILS_PER_HOUR_MAX))) {
      const { number } = standing.admission;
      this.#options.mail.offered(await this.#offeredTicket(result.reservation, number, offer));
    }
    return result;
  }

  async accept(
    { reservation, standing }: Found,
    principal: Principal,
    origin: Origin,
  ): Promise<ChangeResult> {
    const { accountId: account, email } = principal;
    const { number } = standing.admission;
    const command = { type: 'accept', account, email, at: this.#options.clock.now() } as const;
    if (decide(standing, command).kind === 'changed') {
      await this.#record('ticket.accepted', standing.admission, principal, origin);
    }
    const result = await this.#change(reservation.id, number, command);
    if (result.kind !== 'done' || !result.isChanged) return result;
    const { offer } = result.before.admission;
    if (offer) this.#options.mail.accepted(await this.#offeredTicket(result.reservation, number, offer));
    // An operator's refund may have come in between, which transfers do not stop.
    const after = await this.find(reservation.id, number);
    return after?.standing.state === 'void' ? { kind: 'wrong_state', state: 'void' } : result;
  }

  /** Withdrawn by the holder, or declined by the receiver. */
  async endOffer(
    { reservation, standing }: Found,
    { isHolder, principal, origin }: { isHolder: boolean; principal: Principal; origin: Origin },
  ): Promise<ChangeResult> {
    const { number, offer: seen } = standing.admission;
    const action = isHolder ? 'ticket.offer_withdrawn' : 'ticket.offer_declined';
    if (seen) await this.#record(action, standing.admission, principal, origin);
    // Only the offer that was looked at: another one may have come in its place.
    const result = await this.#change(
      reservation.id,
      number,
      { type: 'end' },
      (admission) => admission.offer?.id === seen?.id,
    );
    if (result.kind !== 'done' || !seen) return result;
    const told = await this.#offeredTicket(result.reservation, number, seen);
    if (isHolder) this.#options.mail.withdrawn(told);
    else this.#options.mail.declined(told);
    return result;
  }

  /** Whether a code admits now. */
  async check(code: string): Promise<
    | { readonly kind: 'valid'; readonly id: string; readonly reservation: Reservation }
    /** None of ours. */
    | { readonly kind: 'forged' }
    | { readonly kind: 'void' | 'replaced' | 'used'; readonly id: string; readonly reservation: Reservation }
  > {
    const facts = this.#options.codes.read(code);
    const found = facts && (await this.find(facts.reservationId, facts.number));
    if (!facts || !found) return { kind: 'forged' };
    const { reservation, standing } = found;
    const id = ticketIdOf(facts.reservationId, facts.number);
    if (standing.state === 'void' || standing.state === 'refunding') return { kind: 'void', id, reservation };
    if (standing.admission.generation !== facts.generation) return { kind: 'replaced', id, reservation };
    return { kind: standing.state === 'used' ? 'used' : 'valid', id, reservation };
  }

  /** Lets somebody in with a code of ours, or says why not. Tells whom an open offer was made to that it is none any more. */
  async admit({ reservationId, number, generation }: CodeFacts, use: Use): Promise<ChangeResult> {
    const result = await this.#change(reservationId, number, { type: 'admit', generation, use });
    if (result.kind === 'done' && result.isChanged)
      await this.#tellWithdrawn(result.reservation, result.before);
    return result;
  }

  /** One command of a buyer's refund. Tells whom an open offer was made to that it is none any more. */
  async refundStep(
    reservationId: string,
    number: number,
    command: Extract<AdmissionCommand, { type: 'refund' | 'keep' | 'settle' }>,
  ): Promise<ChangeResult> {
    const result = await this.#change(reservationId, number, command);
    if (result.kind !== 'done' || !result.isChanged || command.type !== 'refund') return result;
    await this.#tellWithdrawn(result.reservation, result.before);
    return result;
  }

  async #tellWithdrawn(reservation: Reservation, { admission: { number, offer } }: Standing): Promise<void> {
    if (offer) this.#options.mail.withdrawn(await this.#offeredTicket(reservation, number, offer));
  }

  /** Decides on what stands, writes at that version, and decides anew when somebody was quicker. */
  async #change(
    reservationId: string,
    number: number,
    command: AdmissionCommand,
    isStill: (admission: Admission) => boolean = () => true,
  ): Promise<ChangeResult> {
    const { records, findReservation } = this.#options;
    for (let attempt = 0; attempt < CHANGES_MAX; attempt += 1) {
      // The version first: a reservation that is read after it cannot be older than what was decided on it.
      const known = await records.ofReservation(reservationId);
      const reservation = await findReservation(reservationId);
      if (!reservation) return { kind: 'gone' };
      const standings = standingsOf(
        reservation,
        known.map(({ value }) => value),
      );
      const before = standings[number - 1];
      if (!before) return { kind: 'gone' };
      const decision: AdmissionDecision = decide(before, command);
      if (decision.kind === 'unchanged') {
        return { kind: 'done', reservation, before, after: before, isChanged: false };
      }
      if (decision.kind !== 'changed') return decision;
      if (!isStill(before.admission)) return { kind: 'wrong_state', state: before.state };
      const { admission } = decision;
      const version = known.find(({ value }) => value.number === number)?.version ?? null;
      if (!(await records.write(admission, version))) continue;
      const others = known.map(({ value }) => value).filter((one) => one.number !== number);
      const after = standingsOf(reservation, [...others, admission])[number - 1] ?? before;
      return { kind: 'done', reservation, before, after, isChanged: true };
    }
    return { kind: 'busy' };
  }

  /** Open offers are counted first and then made, so some made at once may pass; the hour's number is exact. */
  async #offerRefusal(from: string, to: string): Promise<OfferRefusal | null> {
    const { records, shares } = this.#options;
    const [open, waiting] = await Promise.all([
      records.offeredBy(from, OFFERS_OPEN_MAX),
      records.offeredTo(to, OFFERS_WAITING_MAX),
    ]);
    if (open.length >= OFFERS_OPEN_MAX && (await this.#stillOpen(open)).length >= OFFERS_OPEN_MAX) {
      return {
        kind: 'too_many',
        detail: `At most ${OFFERS_OPEN_MAX} offers may be open; withdraw one first.`,
      };
    }
    if (
      waiting.length >= OFFERS_WAITING_MAX &&
      (await this.#stillOpen(waiting)).length >= OFFERS_WAITING_MAX
    ) {
      return { kind: 'too_many', detail: 'Too many offers wait for this address already.' };
    }
    if (await shares.take('offers', from, OFFERS_PER_HOUR_MAX)) return null;
    return {
      kind: 'too_many',
      detail: `At most ${OFFERS_PER_HOUR_MAX} tickets may be offered in an hour.`,
      retryAfterMs: 600_000,
    };
  }

  /** Without those of tickets that an operator refunded, whose offers end with the first look at them. */
  async #stillOpen(stored: readonly StoredAdmission[]): Promise<readonly StoredAdmission[]> {
    const looked = stored.map(async (one) => {
      const { reservationId, number } = one.value;
      const found = await this.find(reservationId, number);
      if (found?.standing.state === 'void') await this.#change(reservationId, number, { type: 'end' });
      return found?.standing.state === 'offered' ? [one] : [];
    });
    return (await Promise.all(looked)).flat();
  }

  async #offeredTicket(
    { id, matchNumber, category }: Reservation,
    number: number,
    { from, to }: { readonly from: string; readonly to: string },
  ): Promise<OfferedTicket> {
    const sender = await this.#options.emailOf(from);
    return { ticketId: ticketIdOf(id, number), matchNumber, category, from: sender, to };
  }

  async #views(principal: Principal, stored: readonly StoredAdmission[]): Promise<readonly TicketView[]> {
    const viewer = { principal, isBuyer: false, isOperator: false };
    const views = await Promise.all(
      stored.map(async ({ value }) => {
        const found = await this.find(value.reservationId, value.number);
        return found && this.view(found.reservation, found.standing, viewer);
      }),
    );
    return views.filter((view) => view !== null);
  }

  #record(
    action: string,
    { reservationId, number, generation }: Admission,
    principal: Principal,
    origin: Origin,
  ) {
    return this.#options.audit.record({
      actor: `account:${principal.accountId}`,
      action,
      subject: `reservation:${reservationId}`,
      ...origin,
      details: { number, generation },
    });
  }
}

const statusOf = (state: Standing['state'], isTheirs: boolean): TicketStatus =>
  state === 'void' ? 'void' : isTheirs ? state : 'transferred';

/** Whose it is now. */
export function isHeldBy(
  { generation, holder }: Admission,
  { principal, isBuyer }: Pick<Viewer, 'principal' | 'isBuyer'>,
): boolean {
  return generation === 0 ? isBuyer : principal !== null && holder === principal.accountId;
}

/** Exactly: what is one mailbox for limits may be two in truth. */
export function isOfferedTo({ offer }: Admission, principal: Principal | null): boolean {
  return (
    offer !== undefined && principal !== null && principal.emailConfirmed && offer.to === principal.email
  );
}
