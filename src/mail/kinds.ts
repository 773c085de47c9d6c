/**
 * Every kind of mail, and what is known when one is asked for. Guarantee: what a mail needs beyond this (the
 * match as it stands, the payment, the language) is read when it is written, so that a queued mail is never
 * older than what it says.
 */
import { z } from 'zod';

const ticket = { matchNumber: z.number().int(), category: z.number().int() };

const reservationSchema = z.object({
  reservationId: z.string(),
  ...ticket,
  quantity: z.number().int(),
  /** Whole units of the currency, per ticket. */
  unitPrice: z.number(),
  currency: z.string(),
  /** Absent for a guest, whose links carry the reservation's token. */
  account: z.string().exactOptional(),
  paymentId: z.string().exactOptional(),
});
export type ReservationFacts = z.output<typeof reservationSchema>;

const transferSchema = z.object({ ticketId: z.string(), ...ticket });

/** Reservations that one mail lists. */
export const LISTED_MAX = 50;

/** Mails that wait in the outbox, with what is kept there of them. */
export const QUEUED = {
  purchase: reservationSchema,
  expired: reservationSchema,
  cancelled: reservationSchema,
  /** `given`: tickets given back by this refund; `left`: those it still covers. */
  refund: reservationSchema.extend({ given: z.number().int(), left: z.number().int() }),
  /** Tickets are held for somebody who waited. */
  'waiting-list-offer': reservationSchema.extend({ expiresAt: z.number() }),
  'late-payment-reserved': reservationSchema,
  'late-payment-refunded': reservationSchema,
  /** `charged`: it was paid, and the money goes back; else it was held only. */
  'match-cancelled': reservationSchema.extend({ charged: z.boolean() }),
  /** To whom a ticket of it was passed on. */
  'match-cancelled-holder': transferSchema,
  'match-rescheduled': reservationSchema.extend({ formerDateUtc: z.string(), formerLocation: z.string() }),
  /** To whom a ticket of it was passed on. */
  'match-rescheduled-holder': transferSchema.extend({
    formerDateUtc: z.string(),
    formerLocation: z.string(),
  }),
  /** To whom a ticket is offered. */
  'ticket-offered': transferSchema.extend({ from: z.string() }),
  /** To who offers it, who must know of it if it was somebody else. */
  'ticket-given': transferSchema.extend({ to: z.string() }),
  /** To who offered it. */
  'ticket-accepted': transferSchema.extend({ by: z.string() }),
  /** To who offered it. */
  'ticket-declined': transferSchema.extend({ by: z.string() }),
  /** To whom it was offered, when the offer was taken back. */
  'ticket-withdrawn': transferSchema.extend({ from: z.string() }),
  lookup: z.object({
    reservations: z
      .array(z.object({ reservationId: z.string(), ...ticket, quantity: z.number().int().exactOptional() }))
      .min(1)
      .max(LISTED_MAX),
  }),
} as const satisfies Record<string, z.ZodType>;
export type QueuedKind = keyof typeof QUEUED;

export const isQueuedKind = (kind: string): kind is QueuedKind => Object.hasOwn(QUEUED, kind);

/** What changed about an account. */
export type AccountChange =
  'password_changed' | 'password_reset' | 'second_factor_added' | 'second_factor_removed';

/** Mails that are handed over at once: they carry secrets that no store may have in the clear, or tell of a change. */
export interface ImmediateMails {
  readonly 'confirm-email': { readonly link: string };
  readonly 'reset-password': { readonly link: string };
  readonly notice: { readonly change: AccountChange };
}

export type MailData = { readonly [K in QueuedKind]: z.output<(typeof QUEUED)[K]> } & ImmediateMails;
export type MailKind = keyof MailData;

/** What is asked to be mailed, and once however often it is asked: `id` names the fact. */
export type NewMail = {
  readonly [K in QueuedKind]: {
    readonly kind: K;
    /** Printable ASCII, derived from what the mail is about: `purchase:<reservation id>`. */
    readonly id: string;
    readonly to: string;
    readonly data: MailData[K];
  };
}[QueuedKind];

const HOUR_MS = 3_600_000;

/** What holds for the mails of a kind. */
export interface KindRules {
  /** Not sent when the address got so many mails of any limited kind within an hour; absent: never held back. */
  readonly perHourMax?: number;
  /** Worth nothing after so long; absent: sent however late. */
  readonly staleMs?: number;
}

/** Lower than what account mails may have (5), so that holds in others' names never use up the share of a reset. */
const UNPAID = { perHourMax: 2, staleMs: 6 * HOUR_MS } as const;
const OF_OTHERS = { perHourMax: 4 } as const;
/** Who waits for many tickets may be offered several in an hour, and each offer ends. */
const OFFERS = { perHourMax: 10 } as const;

/** Whoever paid is told whatever happens; mails that a stranger can cause to an address are few. */
export const KIND_RULES: Readonly<Record<QueuedKind, KindRules>> = {
  purchase: {},
  expired: UNPAID,
  cancelled: UNPAID,
  refund: {},
  'waiting-list-offer': OFFERS,
  'late-payment-reserved': {},
  'late-payment-refunded': {},
  'match-cancelled': {},
  'match-cancelled-holder': {},
  'match-rescheduled': {},
  'match-rescheduled-holder': {},
  'ticket-offered': OF_OTHERS,
  'ticket-given': {},
  'ticket-accepted': {},
  'ticket-declined': {},
  'ticket-withdrawn': OF_OTHERS,
  lookup: OF_OTHERS,
};
