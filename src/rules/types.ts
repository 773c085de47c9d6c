/**
 * The pure rules of one ticket.
 *
 * This folder guarantees, for every state it can produce:
 *
 *   available = capacity - soldHere - soldElsewhere
 *   pending   = available - heldHere - heldElsewhere
 *
 * and that no hold of ours is ever granted which would take `pending` below 0. It reads no clock, no
 * network and no Redis: time, identity and limits arrive in the command and the policy. The actor, the
 * simulator and the tests all run exactly this code, so the lint rules keep every I/O import out of it.
 */
import type { Map as ImmutableMap } from 'immutable';
import type { WaitingEntry, WaitingList } from './waiting-list.js';

/** A ticket is the resource (match, category), never one seat. */
export interface TicketId {
  readonly matchNumber: number;
  readonly category: number;
}

/** States of a reservation. PENDING, PAYING and RESERVED are live; the others are final. */
export type ReservationStatus = 'PENDING' | 'PAYING' | 'RESERVED' | 'CANCELLED' | 'EXPIRED' | 'REFUNDED';

/** Why a reservation ended or changed; published to other marketplaces in the `reason` header. */
export type ReleaseReason = 'cancelled' | 'declined' | 'expired';

/** One buyer's hold or sale. Times are epoch milliseconds, prices are whole units of `currency` per ticket. */
export interface Reservation {
  readonly id: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly status: ReservationStatus;
  /** Tickets it covers now; a partial refund lowers it. */
  readonly quantity: number;
  readonly refundedQuantity: number;
  readonly unitPrice: number;
  readonly currency: string;
  readonly email: string;
  /** Whose purchase limit it counts against. */
  readonly person: string;
  /** The account that made it; absent for a guest. */
  readonly account?: string;
  /** Where the buyer is, ISO 3166-1 alpha-2, as far as that is known; for figures only. */
  readonly country?: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** End of the hold; without meaning once RESERVED. */
  readonly expiresAt: number;
  /** Set while PAYING and after: the payment that pays for it, and when that payment is given up. */
  readonly paymentId?: string;
  readonly payingUntil?: number;
  /** Tries to pay, the newest last; each is a payment of its own. */
  readonly attempts?: readonly PaymentAttempt[];
  /** Fingerprint of the card that pays or paid: it counts against the purchase limit like a person. */
  readonly card?: string;
  /** Digest of the presale's code, where what one code gets is limited: it counts like a person. */
  readonly code?: string;
  /** What the sale phase allowed that let the buyer in: tickets that are taken again are judged by the same. */
  readonly limits?: KeptLimits;
  readonly reason?: ReleaseReason | 'paid' | 'refunded';
  /** Of what was offered to somebody who waited: whose turn it was, and since when they had waited. */
  readonly offer?: { readonly entryId: string; readonly joinedAt: number };
}

/** Of `HoldLimits`, what others may have used up meanwhile. `perCode` goes with `code`. */
export interface KeptLimits {
  readonly perPerson?: number;
  readonly perCode?: number;
}

export interface PaymentAttempt {
  /** Made by the request that tries. */
  readonly id: string;
  /** Why it was declined; absent while its outcome is open, and when it paid. */
  readonly declined?: string;
}

/** What is known of one peer without ids, or of one reservation of a peer with ids. */
export interface RemoteTally {
  readonly held: number;
  readonly sold: number;
  /** RESERVED that arrived before its PENDING; that PENDING is not counted again. */
  readonly early: readonly { readonly at: number; readonly quantity: number }[];
  /** CANCELLED that arrived before its PENDING (peers with ids only). */
  readonly cancelledEarly: number;
  /** Record time of its last PENDING: a hold without an end is flagged to operators by it. */
  readonly heldSince: number;
}

/** A CANCELLED of a peer without ids that nothing outstanding explained: an operator decides what it meant. */
export interface Orphan {
  readonly clientId: string;
  /** `suspected_refund`: the peer had sales then. */
  readonly kind: 'orphan' | 'suspected_refund';
  readonly quantity: number;
  /** Record time, epoch milliseconds. */
  readonly recordedAt: number;
}

/** Where a message stood in a log: each takes effect once, in the order of its partition. */
export interface LogPosition {
  /** Cluster, topic incarnation and partition, as one string. */
  readonly source: string;
  /** Offset as a decimal string (64 bit). */
  readonly offset: string;
  /** Index in an array of tickets inside one message. */
  readonly index: number;
}

/**
 * The sale of one ticket as the log alone tells it, by which holds are granted in the ordered mode. Everybody who folds
 * the same records has the same.
 */
export interface OrderedSale {
  /** Of the list that opened the sale. A later list has no place among the sales, and moves only what people see. */
  readonly capacity: number;
  /** Granted by the log and not given back in it: held or sold, here and elsewhere. */
  readonly taken: number;
  /** Asked for here, and not decided by the log yet. */
  readonly asked: number;
}

/** A hold that was asked for: it is granted or void by the place of its TICKET_PENDING in the log. */
export interface Asked {
  /** As it will stand once it is granted; its hold then ends by the time of the record. */
  readonly reservation: Reservation;
  /** Of the command that asked. */
  readonly commandId: string;
  /** It ended before and is taken again for its payment: its payment goes on once it is granted. */
  readonly again?: true;
  /** The end of its hold stands already: a try after a decline makes it no longer. */
  readonly isEndFixed?: true;
}

/** The state of one ticket. Immutable: `apply` returns a new one that shares structure with the old. */
export interface TicketState {
  readonly ticket: TicketId;
  /** False until a master list has opened it. */
  readonly opened: boolean;
  /** True while sales are closed (kick-off, cancelled match). */
  readonly closed: boolean;
  /** True once its match was cancelled: nothing that ends is offered to others any more. */
  readonly cancelled: boolean;
  /** True while an operator has stopped sales; what is held can be paid for. */
  readonly paused: boolean;
  /** Number of the decision that last paused or resumed it: an older one that comes late changes nothing. */
  readonly pauseRevision: number;
  readonly capacity: number;
  readonly price: number;
  readonly currency: string;
  readonly soldHere: number;
  readonly soldElsewhere: number;
  readonly heldHere: number;
  readonly heldElsewhere: number;
  /** Live reservations by id: PENDING, PAYING and RESERVED. Ended ones leave the state. */
  readonly reservations: ImmutableMap<string, Reservation>;
  /** Tickets held or bought in this category, by person. */
  readonly persons: ImmutableMap<string, number>;
  /** By `clientId` (peers without ids) or `clientId/reservationId`. */
  readonly remote: ImmutableMap<string, RemoteTally>;
  /** Orphans that wait for a decision, by id; the ledger has those that were pushed out. */
  readonly orphans: ImmutableMap<string, Orphan>;
  /** Last position taken from each log partition. */
  readonly positions: ImmutableMap<string, { readonly offset: string; readonly index: number }>;
  /** Who waits for tickets. */
  readonly waiting: WaitingList;
  /** Null where holds are granted at once. Set by the list that opens the ticket, for good. */
  readonly ordered: OrderedSale | null;
  /** By reservation id. */
  readonly asked: ImmutableMap<string, Asked>;
  /** What the log says of our own reservations, by their ids; what `reservations` says may be ahead of it. */
  readonly logged: ImmutableMap<string, RemoteTally>;
  /** How many of `reservations` say what version 3 does not know (`isBeyondVersion3`). */
  readonly beyondVersion3: number;
}

/** Limits and durations the rules apply. All times in milliseconds. */
export interface Policy {
  readonly holdMs: number;
  readonly payingMs: number;
  readonly paymentAttemptsMax: number;
  readonly ticketsPerPersonMax: number;
  readonly ticketsPerReservationMax: number;
  /** A PENDING this close (record time) to an unmatched RESERVED of a peer without ids is not counted again. */
  readonly earlyReservedWindowMs: number;
  /** Remote reservations and peers tracked one by one per ticket; messages past it are refused. */
  readonly remoteTalliesMax: number;
  /** How long an offer to somebody who waited lasts; absent: as long as a hold. */
  readonly waitingOfferMs?: number;
  /** Entries of the waiting list; absent or 0: nobody joins. Who waits already is served all the same. */
  readonly waitingListMax?: number;
  /** Tickets that are opened from now on are sold in the order of the log. Absent: at once. */
  readonly ordered?: boolean;
}

/** Fields that every command carries. */
interface CommandBase {
  /** Made by the sender; the same id never takes effect twice. */
  readonly id: string;
  /** When the actor decides it, epoch milliseconds. */
  readonly at: number;
}

export interface Hold extends CommandBase {
  readonly type: 'hold';
  readonly reservationId: string;
  readonly quantity: number;
  readonly email: string;
  readonly person: string;
  readonly account?: string;
  readonly country?: string;
  /** A price the buyer saw; must match when given. */
  readonly price?: number;
  /** Tickets the person has in the match's other categories, as observed; guarded at the commit. */
  readonly personElsewhere: number;
  /** Of the sale phase that let the buyer in; the smaller of these and the policy's hold. */
  readonly limits?: HoldLimits;
}
export interface HoldLimits {
  readonly perPerson?: number;
  readonly perReservation?: number;
  /** The phase is over then, epoch milliseconds. */
  readonly until?: number;
  /** What one code gets of this ticket in all, whoever uses it. */
  readonly code?: { readonly digest: string; readonly ticketsMax: number };
}
/**
 * Takes the tickets of a reservation that has ended again, at its price, if they are to be had: because its
 * payment succeeded all the same, or because the buyer tries to pay once more after a decline.
 */
export interface Rehold extends CommandBase {
  readonly type: 'rehold';
  /** As it ended. */
  readonly reservation: Reservation;
  readonly paymentId: string;
  /** Names the new attempt; absent when the payment has succeeded. */
  readonly attemptId?: string;
  /** Fingerprint of the card of the new attempt, where it is known. */
  readonly card?: string;
  readonly personElsewhere: number;
  /** As with StartPayment. */
  readonly cardElsewhere?: number;
}
export interface StartPayment extends CommandBase {
  readonly type: 'startPayment';
  readonly reservationId: string;
  readonly paymentId: string;
  /** Names the attempt; the same one is the same attempt. Default: the payment's id. */
  readonly attemptId?: string;
  /** Fingerprint of the card, where it is known. */
  readonly card?: string;
  /** Tickets the card has in the match's other categories, as observed; guarded at the commit. With `card`. */
  readonly cardElsewhere?: number;
}
/** The attempt was declined, and why. The hold is given back by FailPayment, once it cannot be charged any more. */
export interface DeclinePayment extends CommandBase {
  readonly type: 'declinePayment';
  readonly reservationId: string;
  readonly paymentId: string;
  readonly reason: string;
}
export interface Confirm extends CommandBase {
  readonly type: 'confirm';
  readonly reservationId: string;
  readonly paymentId: string;
}
/** The payment ended without money: the hold is given back. Sent only after the provider said so. */
export interface FailPayment extends CommandBase {
  readonly type: 'failPayment';
  readonly reservationId: string;
  readonly paymentId: string;
  readonly reason: ReleaseReason;
}
/** The buyer gives a PENDING hold back. */
export interface Release extends CommandBase {
  readonly type: 'release';
  readonly reservationId: string;
}
/** Ends a PENDING hold whose time is over. */
export interface Expire extends CommandBase {
  readonly type: 'expire';
  readonly reservationId: string;
}
export interface Refund extends CommandBase {
  readonly type: 'refund';
  readonly reservationId: string;
  readonly quantity: number;
}
export type RemoteAction = 'pending' | 'reserved' | 'cancelled';
/** A sales message of another marketplace. */
export interface Remote extends CommandBase {
  readonly type: 'remote';
  readonly action: RemoteAction;
  readonly clientId: string;
  readonly quantity: number;
  /** Present when the peer sends ids. */
  readonly reservationId?: string;
  /** Record time, epoch milliseconds. */
  readonly recordedAt: number;
  readonly position?: LogPosition;
  /** Its sender grants holds by the order of the log too, and gives back what is void. */
  readonly ordered?: true;
}
/** A sales message of ours, as it came back in the log; for tickets that are sold in its order. */
export interface Own extends CommandBase {
  readonly type: 'own';
  readonly action: RemoteAction;
  readonly quantity: number;
  readonly reservationId: string;
  /** When the log took it, epoch milliseconds. */
  readonly recordedAt: number;
  readonly position: LogPosition;
}
/** An entry of the master list: opens the ticket, or moves its capacity and price. */
export interface Load extends CommandBase {
  readonly type: 'load';
  readonly capacity: number;
  readonly price: number;
  readonly currency: string;
  readonly position?: LogPosition;
}
/** Closes the ticket to new holds; `endHolds` also gives back every PENDING hold. */
export interface Close extends CommandBase {
  readonly type: 'close';
  readonly endHolds: boolean;
  /** Its match is cancelled: whatever ends from now on is no news to others, who would sell it again. */
  readonly cancelled?: true;
}
/** Opens what was closed at a kick-off that is still to come; what was cancelled stays closed. */
export interface Reopen extends CommandBase {
  readonly type: 'reopen';
}
/** Stops new holds, or lets them go on. */
export interface Pause extends CommandBase {
  readonly type: 'pause';
  readonly paused: boolean;
  /** Of the decision; decisions are numbered in their order. */
  readonly revision: number;
}
/** An operator says what a CANCELLED without a hold meant. */
export interface DecideOrphan extends CommandBase {
  readonly type: 'decideOrphan';
  readonly orphanId: string;
  /** `give_back`: it was a refund; as many of the peer's sales as it says are given back. */
  readonly decision: 'give_back' | 'dismiss';
}
/** An operator ends what a peer holds without ever saying what became of it. */
export interface ReleaseRemote extends CommandBase {
  readonly type: 'releaseRemote';
  readonly clientId: string;
  readonly reservationId?: string;
  /** As the operator saw it: a hold that was renewed since is another one. */
  readonly heldSince: number;
}
/** Somebody waits for tickets that cannot be had now. */
export interface JoinWaitingList extends CommandBase {
  readonly type: 'joinWaitingList';
  readonly entryId: string;
  /** Of the reservation that it will be offered as. */
  readonly reservationId: string;
  readonly quantity: number;
  readonly email: string;
  readonly person: string;
  readonly account?: string;
  readonly country?: string;
  /** As with Hold. */
  readonly limits?: HoldLimits;
  /** As with Hold. */
  readonly personElsewhere: number;
}
/** Gives a place in the waiting list up; an offer is given back like any hold. */
export interface LeaveWaitingList extends CommandBase {
  readonly type: 'leaveWaitingList';
  readonly entryId: string;
}
/** Goes on offering what is free, where one decision could not serve all. */
export interface ServeWaitingList extends CommandBase {
  readonly type: 'serveWaitingList';
}

export type Command =
  | Hold
  | Rehold
  | StartPayment
  | DeclinePayment
  | Confirm
  | FailPayment
  | Release
  | Expire
  | Refund
  | Remote
  | Own
  | Load
  | Close
  | Reopen
  | Pause
  | DecideOrphan
  | ReleaseRemote
  | JoinWaitingList
  | LeaveWaitingList
  | ServeWaitingList;

/** A message of ours at its place in the log. */
export interface Logged {
  readonly action: RemoteAction;
  readonly reservationId: string;
  readonly quantity: number;
  readonly recordedAt: number;
  readonly position: LogPosition;
  /** What it did to what the log has given away, and what it gave to the reservation after it. */
  readonly takenDelta: number;
  readonly tally: RemoteTally;
  /** A hold that the log did not grant. */
  readonly isVoid?: true;
}

/**
 * A fact an actor committed. Events about a reservation carry the whole reservation after the fact, so a
 * store can keep it without knowing the rules.
 */
export type TicketEvent =
  | {
      readonly type: 'held';
      readonly at: number;
      readonly reservation: Reservation;
      /**
       * The log granted it, by this record: others know of it since it was asked for. One fact with the hold, so that a
       * loss between the two cannot leave it undecided.
       */
      readonly logged?: Logged;
    }
  /** From version 5 on, with the next two. */
  | { readonly type: 'asked'; readonly at: number; readonly asked: Asked }
  /** What was asked for is not given: the log had no room for it, or it must not be given here any more. */
  | {
      readonly type: 'voided';
      readonly at: number;
      readonly asked: Asked;
      readonly logged: Logged;
      readonly cause?: 'match_cancelled';
    }
  /** A message of ours was found in the log, and decides nothing that was asked for. */
  | ({ readonly type: 'logged'; readonly at: number } & Logged)
  | { readonly type: 'paymentStarted'; readonly at: number; readonly reservation: Reservation }
  | { readonly type: 'paymentDeclined'; readonly at: number; readonly reservation: Reservation }
  | {
      readonly type: 'sold';
      readonly at: number;
      readonly reservation: Reservation;
      readonly cause?: 'match_cancelled';
    }
  | {
      readonly type: 'released';
      readonly at: number;
      readonly reservation: Reservation;
      readonly cause?: 'match_cancelled';
    }
  | {
      readonly type: 'refunded';
      readonly at: number;
      readonly reservation: Reservation;
      /** Tickets given back by this refund. */
      readonly quantity: number;
      /** The match is cancelled: the buyer is told so, and nobody that there are tickets again. */
      readonly cause?: 'match_cancelled';
    }
  | {
      readonly type: 'remote';
      readonly at: number;
      readonly action: RemoteAction;
      readonly clientId: string;
      readonly reservationId?: string;
      readonly quantity: number;
      readonly recordedAt: number;
      readonly position?: LogPosition;
      /** What it did to the counters, and the tally after it. */
      readonly heldDelta: number;
      readonly soldDelta: number;
      readonly tally: RemoteTally;
      /** A hold that the log did not grant: it has no effect. */
      readonly isVoid?: true;
      /** CANCELLED that nothing outstanding explains; the operator decides. */
      readonly orphan?: {
        /** Of the command that brought it; absent in facts older than the decisions on them. */
        readonly id?: string;
        readonly kind: 'orphan' | 'suspected_refund';
        readonly quantity: number;
      };
    }
  | {
      readonly type: 'orphanDecided';
      readonly at: number;
      readonly orphanId: string;
      readonly clientId: string;
      readonly decision: 'give_back' | 'dismiss';
      /** Of its sales; what the peer has after it. */
      readonly givenBack: number;
      readonly tally?: RemoteTally;
    }
  | {
      readonly type: 'remoteReleased';
      readonly at: number;
      readonly clientId: string;
      readonly reservationId?: string;
      readonly quantity: number;
      readonly tally: RemoteTally;
    }
  | {
      readonly type: 'loaded';
      readonly at: number;
      readonly capacity: number;
      readonly price: number;
      readonly currency: string;
      readonly position?: LogPosition;
      /** It opens the ticket, to be sold in the order of the log. From version 5 on. */
      readonly ordered?: true;
    }
  | { readonly type: 'closed'; readonly at: number; readonly cause?: 'match_cancelled' }
  /** From version 4 on. */
  | { readonly type: 'reopened'; readonly at: number }
  | { readonly type: 'paused'; readonly at: number; readonly paused: boolean; readonly revision: number }
  /** From version 5 on, as `offer` in what is held. */
  | { readonly type: 'waitingJoined'; readonly at: number; readonly entry: WaitingEntry }
  | {
      readonly type: 'waitingLeft';
      readonly at: number;
      readonly entry: WaitingEntry;
      /** By itself, or because its person may buy no more. Who is offered tickets leaves by being `held`. */
      readonly cause: 'left' | 'limit';
    };

/** The named results of a command. Expected outcomes are values; only a broken invariant throws. */
export type Outcome =
  | { readonly kind: 'held'; readonly reservation: Reservation }
  /** The log decides; nobody is told before it has. */
  | { readonly kind: 'asked' }
  | { readonly kind: 'sold_out' }
  /** `remaining` tickets can be held now: fewer than asked, 0 while all that is left is held. */
  | { readonly kind: 'temporarily_unavailable'; readonly remaining: number }
  /** `of`: not the person has its share, but the code. */
  | { readonly kind: 'purchase_limit'; readonly limit: number; readonly owned: number; readonly of?: 'code' }
  | { readonly kind: 'price_mismatch'; readonly price: number }
  | { readonly kind: 'not_open' }
  | { readonly kind: 'closed' }
  /** An operator has stopped sales for now. */
  | { readonly kind: 'paused' }
  /** The sale phase that let the buyer in was over when the hold was decided. */
  | { readonly kind: 'phase_over' }
  | { readonly kind: 'paying'; readonly reservation: Reservation }
  | { readonly kind: 'reserved'; readonly reservation: Reservation }
  | { readonly kind: 'released'; readonly reservation: Reservation }
  | { readonly kind: 'refunded'; readonly reservation: Reservation; readonly quantity: number }
  /** The reservation is not live here: it ended, or never was. The reader's record says which. */
  | { readonly kind: 'not_live' }
  /** The hold's time is over; it has just been expired if it still stood. */
  | { readonly kind: 'hold_expired' }
  /** It is in a state that this command does not apply to. */
  | { readonly kind: 'wrong_state'; readonly reservation: Reservation }
  | { readonly kind: 'refund_exceeds'; readonly quantity: number }
  | { readonly kind: 'not_due'; readonly expiresAt: number }
  /** Remote message, master-list entry or close: it took effect. */
  | { readonly kind: 'applied' }
  | { readonly kind: 'orphaned' }
  | { readonly kind: 'orphan_decided'; readonly givenBack: number }
  /** The peer has no sale that could be given back. */
  | { readonly kind: 'nothing_sold' }
  | { readonly kind: 'remote_released'; readonly quantity: number }
  /** It took effect before. */
  | { readonly kind: 'repeated' }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'remote_limit'; readonly limit: number }
  /** The ticket is sold in the order of the log, and only what stands in it may move what others have. */
  | { readonly kind: 'only_by_log' }
  | { readonly kind: 'waiting'; readonly entry: WaitingEntry }
  | { readonly kind: 'left_waiting_list'; readonly entry: WaitingEntry }
  /** The person waits for this ticket with another entry. */
  | { readonly kind: 'already_waiting'; readonly entryId: string }
  /** Nobody has to wait for so many. */
  | { readonly kind: 'available_now' }
  | { readonly kind: 'waiting_list_full'; readonly limit: number }
  /** The log of the market is asked for the tickets of the entry: in a moment it is offered them, or waits on. */
  | { readonly kind: 'being_offered' }
  /** The entry was offered tickets, has left, or never was. */
  | { readonly kind: 'not_waiting' };

export type OutcomeKind = Outcome['kind'];
/** Outcomes that somebody is told. */
export type Told = Exclude<Outcome, { readonly kind: 'asked' }>;

export interface Decision {
  readonly events: readonly TicketEvent[];
  readonly outcome: Outcome;
  /** What became of a hold that was asked for earlier: the outcome of the command that asked. */
  readonly answer?: { readonly reservationId: string; readonly commandId: string; readonly outcome: Told };
}
