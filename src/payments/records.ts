/**
 * What we keep of every payment: for whom it is, and when it must be looked at again. Guarantees: a record is
 * durable before money can move, so that no payment is forgotten whatever crashes; one that needs a look is in
 * the list `due` until a look finds it settled.
 */
import { z } from 'zod';
import {
  Collection,
  sortable,
  writtenDocument,
  type CollectionRules,
  type Documents,
  type KeptDocument,
  type StoredDocument,
} from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import { localeSchema, type Locale } from '../mail/locale.js';
import type { Reservation } from '../rules/index.js';
import type { Payment } from './port.js';
import { amountMinorOf } from './settlement.js';

const recordSchema = z.object({
  reservationId: z.string(),
  matchNumber: z.number(),
  category: z.number(),
  quantity: z.number(),
  unitPrice: z.number(),
  currency: z.string(),
  email: z.string(),
  person: z.string(),
  account: z.string().exactOptional(),
  country: z.string().exactOptional(),
  heldAt: z.number(),
  amountMinor: z.number(),
  /** Contained in the amount. */
  taxMinor: z.number(),
  /** As the provider had it at the last look. */
  status: z.string(),
  refundedMinor: z.number(),
  dispute: z.enum(['open', 'won', 'lost']).exactOptional(),
  receiptUrl: z.string().exactOptional(),
  /** Of the request that paid first: mails about it are written in it. */
  locale: localeSchema.exactOptional(),
  late: z.enum(['rehold', 'refund']).exactOptional(),
  /** What became of a payment that came too late; its mail was queued before this was written. */
  lateOutcome: z.enum(['reserved', 'refunded']).exactOptional(),
  /** A look that began before this time does not settle it: something was to happen that it cannot have seen. */
  remindAt: z.number().exactOptional(),
  /** Commands to give its tickets back whose answer has not come (yet). */
  refundsAsked: z.number().exactOptional(),
  /** Refunds of it that the provider refused. Each request names how many there were before it. */
  refundAttempt: z.number().exactOptional(),
  /** Why the provider will not give it back; a person must look. */
  stuck: z.string().exactOptional(),
  createdAt: z.number(),
  updatedAt: z.number(),
  /** When it must be looked at again; absent when it is settled. */
  dueAt: z.number().exactOptional(),
  /** Looks in a row that failed, and when the first of them did. */
  failures: z.number().exactOptional(),
  failingSince: z.number().exactOptional(),
});
export type PaymentRecord = z.output<typeof recordSchema>;
export type StoredPayment = StoredDocument<PaymentRecord>;

/** Most that a list answers at once. */
export const STUCK_COUNTED_MAX = 100;

const RULES: CollectionRules<'payments', typeof recordSchema> = {
  name: 'payments',
  schema: recordSchema,
  lists: ({ dueAt, createdAt, failingSince, stuck }) => ({
    all: sortable(createdAt),
    due: dueAt === undefined ? undefined : sortable(dueAt),
    // One that is stuck is no longer waited for, but looked after by a person.
    failing: failingSince === undefined || stuck !== undefined ? undefined : sortable(failingSince),
    stuck: stuck === undefined ? undefined : sortable(createdAt),
  }),
};

export class PaymentRecords {
  readonly #collection: Collection<'payments', typeof recordSchema>;

  constructor(documents: Documents) {
    this.#collection = new Collection(documents, RULES);
  }

  async get(id: string): Promise<PaymentRecord | null> {
    return (await this.#collection.get(id))?.value ?? null;
  }

  /** Keeps it unless it is kept. */
  async open(
    payment: Payment,
    reservation: Reservation,
    facts: {
      readonly now: number;
      readonly dueAt: number;
      readonly taxMinor: number;
      readonly locale?: Locale;
    },
  ): Promise<void> {
    const { matchNumber, category, quantity, unitPrice, currency } = reservation;
    const { email, person, account, country } = reservation;
    const record: PaymentRecord = {
      reservationId: reservation.id,
      matchNumber,
      category,
      quantity,
      unitPrice,
      currency,
      email,
      person,
      ...(account !== undefined && { account }),
      ...(country !== undefined && { country }),
      heldAt: reservation.createdAt,
      amountMinor: amountMinorOf(reservation),
      taxMinor: facts.taxMinor,
      status: payment.status,
      refundedMinor: 0,
      ...(facts.locale !== undefined && { locale: facts.locale }),
      createdAt: facts.now,
      updatedAt: facts.now,
      dueAt: facts.dueAt,
    };
    await this.#collection.insert(payment.id, record);
  }

  /** Null when there is none. */
  async update(id: string, change: (record: PaymentRecord) => PaymentRecord): Promise<PaymentRecord | null> {
    return (await this.#collection.update(id, change))?.value ?? null;
  }

  /** Looked at again at `at` or later, whatever a look that is under way finds. */
  remind(id: string, at: number): Promise<PaymentRecord | null> {
    return this.update(id, (record) => reminded(record, at));
  }

  /**
   * Before a command to give its tickets back: money may be owed from then on. Looked at again at `at` or later,
   * unless it is answered before.
   */
  refundAsked(id: string, at: number): Promise<PaymentRecord | null> {
    return this.update(id, (record) => ({
      ...reminded(record, at),
      refundsAsked: (record.refundsAsked ?? 0) + 1,
    }));
  }

  /** The command is answered, and the money given back. Another's reminder, or a later one, stays. */
  refundAnswered(id: string, at: number): Promise<PaymentRecord | null> {
    return this.update(id, ({ refundsAsked = 0, ...record }) => {
      if (refundsAsked > 1) return { ...record, refundsAsked: refundsAsked - 1 };
      return record.remindAt !== undefined && record.remindAt <= at ? settled(record, at) : record;
    });
  }

  /** Those to be looked at before `now`, the longest due first. */
  async due(now: number, limit: number): Promise<readonly StoredPayment[]> {
    return (await this.#collection.list('due', { below: sortable(now + 1), limit })).items;
  }

  /** Those that are not settled, the longest due first. */
  async unsettled(limit: number): Promise<readonly StoredPayment[]> {
    return (await this.#collection.list('due', { limit })).items;
  }

  /** Those made after one time and until another, epoch milliseconds, newest first. */
  async *between(after: number, until: number): AsyncIterable<StoredPayment> {
    const newestFirst = { below: sortable(until + 1), newestFirst: true };
    for await (const stored of this.#collection.all('all', newestFirst)) {
      if (stored.value.createdAt <= after) return;
      yield stored;
    }
  }

  /** Since when a payment was looked at in vain, epoch milliseconds, of the one that has been longest; null for none. */
  async failingSince(): Promise<number | null> {
    const [longest] = (await this.#collection.list('failing', { limit: 1 })).items;
    return longest?.value.failingSince ?? null;
  }

  /** How many refunds the provider refuses; `STUCK_COUNTED_MAX` stands for as many or more. */
  async countStuck(): Promise<number> {
    return (await this.#collection.list('stuck', { limit: STUCK_COUNTED_MAX })).items.length;
  }

  /** Newest first. */
  list(page: { readonly limit: number; readonly after?: string }): Promise<Page<StoredPayment>> {
    return this.#collection.list('all', { ...page, newestFirst: true });
  }
}

/**
 * For a restore: a record that was settled at `since` or later is due at `now`. The ledgers beside it were read
 * before it was, and may not have what it was settled by.
 */
export function dueIfSettledSince(document: KeptDocument, since: number, now: number): KeptDocument {
  const { data } = recordSchema.safeParse(document.value);
  if (!data || data.dueAt !== undefined || data.updatedAt < since) return document;
  return { ...document, ...writtenDocument(RULES, document.id, { ...data, dueAt: now }) };
}

function reminded(record: PaymentRecord, at: number): PaymentRecord {
  return {
    ...record,
    dueAt: Math.min(record.dueAt ?? at, at),
    remindAt: Math.max(record.remindAt ?? at, at),
  };
}

/** A record without what a look that began at `startedAt` has settled. */
export function settled(record: PaymentRecord, startedAt: number): PaymentRecord {
  const {
    dueAt: _dueAt,
    failures: _failures,
    failingSince: _failingSince,
    stuck: _stuck,
    remindAt,
    refundsAsked,
    ...rest
  } = record;
  if (remindAt === undefined || remindAt <= startedAt) return rest;
  return { ...rest, dueAt: remindAt, remindAt, ...(refundsAsked !== undefined && { refundsAsked }) };
}

/** The reservation a record was made for, when nothing else knows of it any more. */
export function reservationOfRecord(record: PaymentRecord, paymentId: string): Reservation {
  const { reservationId: id, matchNumber, category, quantity, unitPrice, currency, email, person } = record;
  return {
    id,
    matchNumber,
    category,
    status: 'EXPIRED',
    quantity,
    refundedQuantity: 0,
    unitPrice,
    currency,
    email,
    person,
    ...(record.account !== undefined && { account: record.account }),
    ...(record.country !== undefined && { country: record.country }),
    createdAt: record.heldAt,
    updatedAt: record.updatedAt,
    expiresAt: record.heldAt,
    paymentId,
    reason: 'expired',
  };
}
