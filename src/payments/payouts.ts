/**
 * What the provider pays out, beside the payments on record. Guarantees: every change of the balance that a payout
 * pays out is a line with a verdict; a payment that is on record as charged and is not charged at the provider is
 * told as missing, in the payout that its time falls into; what could not be read within the limits is told by
 * `isComplete: false`, and is no mismatch. Nothing is changed, at the provider or in the records.
 *
 * Not paid out is what came into the balance and is in no automatic payout. A payout is made after what it pays out,
 * so what changed the balance since a time, less what payouts since that time pay out, is exactly that part of it.
 */
import type { Clock } from '../actors/ports.js';
import {
  compare,
  isFault,
  missingOf,
  totalsOf,
  type ComparedLine,
  type Evidence,
  type MissingPayment,
  type Totals,
} from './payouts/compare.js';
import { eachInTime, gather, within, type Gathered, type ReadBounds } from './payouts/read.js';
import { PENDING, type PayoutResult, type PayoutResults } from './payouts/results.js';
import type { BalanceTransaction, PaymentProvider, Payout } from './port.js';
import type { PaymentRecord, PaymentRecords } from './records.js';

/** Lines of one payout. */
export const LINES_MAX = 10_000;
/** Changes of the balance that are read to find out which are not paid out. */
const KNOWN_MAX = 50_000;
/** Payments on record that are looked through for missing ones. */
const RECORDS_MAX = 20_000;
/** Payments that the provider is asked for one by one. */
const LOOKUPS_MAX = 100;
const LOOKUPS_AT_ONCE = 4;
const RECORDS_AT_ONCE = 16;
const PAYOUTS_MAX = 500;
const PAYOUTS_PER_PAGE = 100;
/** What is not paid out is not older: the longest payout schedule is a month, and cards clear within two weeks. */
const UNPAID_BACK_MS = 45 * 24 * 60 * 60_000;
/** Records and provider may differ for so long: looks and webhooks take their time. */
const GRACE_MS = 60 * 60_000;
/** The balance may show something so much later than it happened. */
const LISTED_LATE_MS = 24 * 60 * 60_000;
/** A result is not replaced by a lesser one for so long. */
const FRESH_MS = 12 * 60 * 60_000;
/** Payouts before one that are searched for the newest charge, and lines of each. */
const PREVIOUS_MAX = 3;
const PREVIOUS_LINES_MAX = 1_000;
/** The provider's times are whole seconds. */
const SECOND_MS = 1_000;

export interface ReconciledPayout {
  /** Null: what is not paid out. */
  readonly payout: Payout | null;
  readonly currency: string;
  readonly totals: Totals;
  readonly lines: readonly ComparedLine[];
  readonly missing: readonly MissingPayment[];
  /** Lines at fault, missing payments, and one when the lines do not add up to the payout. */
  readonly mismatches: number;
  readonly isComplete: boolean;
}

/**
 * How long the balance may be read, milliseconds (comparing what was read takes at most as long again), and what ends
 * it earlier.
 */
export interface ReadLimits {
  readonly readMs: number;
  readonly signal?: AbortSignal;
}

export interface ListedPayout extends Payout {
  /** How it compared last. */
  readonly result: PayoutResult | null;
}

export interface PayoutDeskOptions {
  readonly provider: Pick<PaymentProvider, 'payouts' | 'payout' | 'balanceTransactions' | 'find'>;
  readonly records: Pick<PaymentRecords, 'get' | 'between'>;
  readonly results: Pick<PayoutResults, 'get' | 'keep'>;
  readonly clock: Clock;
  /** Of the sale. */
  readonly currency: string;
}

/** Between these times, epoch milliseconds, the first excluded. */
interface Period {
  readonly from: number;
  readonly to: number;
}

export class PayoutDesk {
  readonly #options: PayoutDeskOptions;

  constructor(options: PayoutDeskOptions) {
    this.#options = options;
  }

  /** Newest first. */
  async list(page: { readonly limit: number; readonly after?: string }): Promise<{
    readonly payouts: readonly ListedPayout[];
    readonly next?: string;
  }> {
    const { provider, results } = this.#options;
    const { payouts, next } = await provider.payouts(page);
    const listed = payouts.map(async (payout) => ({ ...payout, result: await results.get(payout.id) }));
    return { payouts: await Promise.all(listed), ...(next !== undefined && { next }) };
  }

  /** Null when the provider has no such payout. Rejects with `PaymentUnavailableError` when it cannot be read. */
  async payout(id: string, limits: ReadLimits): Promise<ReconciledPayout | null> {
    const { provider } = this.#options;
    const bounds = this.#bounds(limits);
    const payout = await within(bounds, provider.payout(id));
    if (!payout) return null;
    if (!payout.isAutomatic) return unreadable(payout);
    const read = await gather(provider.balanceTransactions({ payout: id }), LINES_MAX, bounds);
    const rest = later(bounds, limits);
    const period = await this.#periodOf(payout, read, rest);
    const known = { lines: read.items, known: read.items, isOpenEnded: false };
    const compared = await this.#compare(known, period, rest);
    const isRead = read.isComplete && payout.isClosed;
    const totals = totalsOf(read.items, payout.currency);
    const isOff = isRead && totals.netMinor !== payout.amountMinor;
    const reconciled = {
      payout,
      currency: payout.currency,
      totals,
      lines: compared.lines,
      missing: compared.missing,
      mismatches: countOf(compared) + (isOff ? 1 : 0),
      isComplete: isRead && compared.isComplete,
    };
    await this.#keep(id, { ...reconciled, at: payout.createdAt });
    return reconciled;
  }

  /** The balance that is not paid out. Rejects as `payout` does. */
  async pending(limits: ReadLimits): Promise<ReconciledPayout> {
    const { provider, clock, results, currency: own } = this.#options;
    const now = clock.now();
    const bounds = this.#bounds(limits);
    const before = await results.get(PENDING);
    const since = Math.max(before?.unpaidSince ?? 0, now - UNPAID_BACK_MS);
    // Before the payouts: one that is made meanwhile pays out what was read.
    const read = await gather(provider.balanceTransactions({ since }), KNOWN_MAX, bounds);
    const rest = later(bounds, limits);
    const paid = await this.#paidSince(since, rest);
    const unpaid = read.items.filter(
      ({ id, payoutId = '' }) => !paid.ids.has(id) && !paid.payouts.has(payoutId),
    );
    const lines = unpaid.slice(0, LINES_MAX);
    const chargedUntil = Math.max(before?.chargedUntil ?? 0, paid.chargedUntil);
    const oldest = read.isComplete ? now - UNPAID_BACK_MS : (read.items.at(-1)?.at ?? now);
    const period = { from: Math.max(oldest, chargedUntil), to: now - GRACE_MS };
    const compared = await this.#compare(
      { lines, known: read.items, isOpenEnded: true },
      period,
      later(rest, limits),
    );
    const isRead = read.isComplete && paid.isComplete;
    const reconciled = {
      payout: null,
      currency: lines.some(({ currency }) => currency === own) ? own : (lines[0]?.currency ?? own),
      lines: compared.lines,
      missing: compared.missing,
      mismatches: countOf(compared),
      isComplete: isRead && compared.isComplete && lines.length === unpaid.length,
    };
    await this.#keep(PENDING, {
      ...reconciled,
      at: now,
      chargedUntil,
      // What lacks refunds is looked at until it has them.
      unpaidSince: isRead
        ? Math.min(unpaid.at(-1)?.at ?? now, compared.openSince, now - LISTED_LATE_MS)
        : since,
    });
    return { ...reconciled, totals: totalsOf(lines, reconciled.currency) };
  }

  #bounds({ readMs, signal }: ReadLimits): ReadBounds {
    const { clock } = this.#options;
    return { clock, until: clock.now() + readMs, ...(signal && { signal }) };
  }

  /** A look that could not see all does not replace a fresh one that could, unless it found more. */
  async #keep(id: string, facts: Omit<PayoutResult, 'comparedAt'>): Promise<void> {
    const { results, clock } = this.#options;
    const { at, mismatches, isComplete, unpaidSince, chargedUntil } = facts;
    const comparedAt = clock.now();
    const kept = isComplete ? null : await results.get(id);
    const isFresh = kept?.isComplete === true && kept.comparedAt > comparedAt - FRESH_MS;
    if (isFresh && kept.mismatches >= mismatches) return;
    await results.keep(id, {
      at,
      comparedAt,
      mismatches,
      isComplete,
      ...(unpaidSince !== undefined && { unpaidSince }),
      ...(chargedUntil !== undefined && { chargedUntil }),
    });
  }

  /**
   * Which payments this payout has to have: those made since the newest charge of the one before. Null when it
   * charges nothing.
   */
  async #periodOf(
    payout: Payout,
    read: Gathered<BalanceTransaction>,
    bounds: ReadBounds,
  ): Promise<Period | null> {
    const charges = read.items.filter(({ kind }) => kind === 'charge').map(({ at }) => at);
    if (charges.length === 0) return null;
    const first = charges.reduce((min, at) => Math.min(min, at));
    const before = read.isComplete ? await this.#chargedBefore(payout, bounds) : null;
    return { from: before ?? first, to: chargedUntil(read.items) };
  }

  /** When the newest charge of the payouts before this one was made; null when that is not to be found. */
  async #chargedBefore(payout: Payout, bounds: ReadBounds): Promise<number | null> {
    const { provider } = this.#options;
    const page = provider.payouts({ limit: PAYOUTS_PER_PAGE, after: payout.id });
    const { payouts, next } = await within(bounds, page);
    const before = payouts.filter(({ isAutomatic, currency }) => isAutomatic && currency === payout.currency);
    if (before.length === 0 && next === undefined) return 0;
    for (const { id } of before.slice(0, PREVIOUS_MAX)) {
      const lines = provider.balanceTransactions({ payout: id });
      const isCharge = ({ kind }: BalanceTransaction): boolean => kind === 'charge';
      const { items } = await gather(lines, PREVIOUS_LINES_MAX, bounds, isCharge);
      if (items.some(isCharge)) return chargedUntil(items);
    }
    return null;
  }

  /** What automatic payouts since a time have paid out, of what came since that time. */
  async #paidSince(
    since: number,
    bounds: ReadBounds,
  ): Promise<{
    readonly ids: ReadonlySet<string>;
    readonly payouts: ReadonlySet<string>;
    readonly chargedUntil: number;
    readonly isComplete: boolean;
  }> {
    const { provider } = this.#options;
    const made = await this.#payoutsSince(since, bounds);
    const ids = new Set<string>();
    let { isComplete } = made;
    let newest = 0;
    const areAll = await eachInTime(made.items, LOOKUPS_AT_ONCE, bounds, async ({ id, isClosed }) => {
      const lines = provider.balanceTransactions({ payout: id });
      const read = await gather(lines, Math.max(1, KNOWN_MAX - ids.size), bounds, ({ at }) => at < since);
      read.items.forEach((line) => ids.add(line.id));
      newest = Math.max(newest, chargedUntil(read.items));
      isComplete &&= read.isComplete && isClosed;
    });
    const payouts = new Set(made.items.map(({ id }) => id));
    return { ids, payouts, chargedUntil: newest, isComplete: isComplete && areAll };
  }

  /** Automatic ones, newest first. */
  async #payoutsSince(since: number, bounds: ReadBounds): Promise<Gathered<Payout>> {
    const { provider } = this.#options;
    const items: Payout[] = [];
    let after: string | undefined;
    do {
      const cursor = after === undefined ? {} : { after };
      const page = await within(bounds, provider.payouts({ limit: PAYOUTS_PER_PAGE, since, ...cursor }));
      items.push(...page.payouts);
      after = page.next;
    } while (after !== undefined && items.length < PAYOUTS_MAX);
    return { items: items.filter(({ isAutomatic }) => isAutomatic), isComplete: after === undefined };
  }

  async #compare(
    known: Pick<Evidence, 'lines' | 'known' | 'isOpenEnded'>,
    period: Period | null,
    bounds: ReadBounds,
  ): Promise<{
    readonly lines: readonly ComparedLine[];
    readonly missing: readonly MissingPayment[];
    /** When the oldest payment was made that lacks refunds. */
    readonly openSince: number;
    readonly isComplete: boolean;
  }> {
    const settledBefore = this.#options.clock.now() - GRACE_MS;
    const expected = period ? await this.#recordsOf(period, settledBefore, bounds) : NOBODY;
    const { records, areAll } = await this.#recordsFor(known.known, expected.items, bounds);
    const lookups = new Lookups(this.#options.provider, bounds);
    const strangers = await lookups.strangers(known, records);
    const charged = new Set(
      known.known.filter(({ kind }) => kind === 'charge').map(({ paymentId }) => paymentId),
    );
    const uncharged = expected.items.filter(
      ({ id, value }) => value.status === 'succeeded' && !charged.has(id),
    );
    const missing = await lookups.missing(uncharged);
    const compared = compare({ ...known, records, strangers, settledBefore });
    return {
      lines: compared.lines,
      missing: [...missing, ...compared.missing],
      openSince: Math.min(
        ...compared.missing.map(({ paymentId }) => records.get(paymentId)?.createdAt ?? Infinity),
      ),
      isComplete: expected.isComplete && areAll && lookups.areAll,
    };
  }

  /** Made in a period, and long enough ago. */
  #recordsOf({ from, to }: Period, settledBefore: number, bounds: ReadBounds): Promise<Gathered<Stored>> {
    const until = Math.min(to, settledBefore);
    return gather(this.#options.records.between(from, until), RECORDS_MAX, bounds);
  }

  async #recordsFor(
    lines: readonly BalanceTransaction[],
    known: readonly Stored[],
    bounds: ReadBounds,
  ): Promise<{ readonly records: ReadonlyMap<string, PaymentRecord>; readonly areAll: boolean }> {
    const records = new Map(known.map(({ id, value }) => [id, value]));
    const ids = new Set(lines.flatMap(({ paymentId }) => paymentId ?? []));
    const wanted = [...ids].filter((id) => !records.has(id));
    const areAll = await eachInTime(wanted, RECORDS_AT_ONCE, bounds, async (id) => {
      const record = await this.#options.records.get(id);
      if (record) records.set(id, record);
    });
    return { records, areAll };
  }
}

interface Stored {
  readonly id: string;
  readonly value: PaymentRecord;
}
const NOBODY: Gathered<Stored> = { items: [], isComplete: true };

/** Questions to the provider about single payments, as many as may be asked. */
class Lookups {
  readonly #provider: Pick<PaymentProvider, 'find'>;
  readonly #bounds: ReadBounds;
  #left = LOOKUPS_MAX;
  #areAll = true;

  constructor(provider: Pick<PaymentProvider, 'find'>, bounds: ReadBounds) {
    this.#provider = provider;
    this.#bounds = bounds;
  }

  /** Whether all were answered. */
  get areAll(): boolean {
    return this.#areAll;
  }

  /** Payments of the lines that were not made for reservations: the account may serve others too. */
  async strangers(
    { lines, known }: Pick<Evidence, 'lines' | 'known'>,
    records: ReadonlyMap<string, PaymentRecord>,
  ): Promise<ReadonlySet<string>> {
    const strangers = new Set<string>();
    for (const { kind, paymentId, reservationId } of known) {
      if (kind === 'charge' && paymentId !== undefined && reservationId === undefined)
        strangers.add(paymentId);
    }
    const doubtful = new Set<string>();
    for (const { paymentId, reservationId } of lines) {
      if (paymentId === undefined || reservationId !== undefined) continue;
      if (!records.has(paymentId) && !strangers.has(paymentId)) doubtful.add(paymentId);
    }
    await this.#ask([...doubtful], async (id) => {
      const payment = await this.#provider.find(id);
      if (payment?.reservationId === '') strangers.add(id);
    });
    return strangers;
  }

  /** Of payments that should have been charged: those that the provider has not charged either. */
  async missing(records: readonly Stored[]): Promise<readonly MissingPayment[]> {
    const missing: MissingPayment[] = [];
    await this.#ask(records, async ({ id, value }) => {
      const payment = await this.#provider.find(id);
      if (payment?.status === 'succeeded') return;
      missing.push(missingOf(id, value, payment ? 'not_charged' : 'not_at_provider'));
    });
    return missing;
  }

  async #ask<T>(items: readonly T[], question: (item: T) => Promise<void>): Promise<void> {
    const asked = items.slice(0, this.#left);
    this.#left -= asked.length;
    const areAll = await eachInTime(asked, LOOKUPS_AT_ONCE, this.#bounds, question);
    this.#areAll &&= areAll && asked.length === items.length;
  }
}

/** What was read to the end of its time is compared all the same. */
const later = (bounds: ReadBounds, { readMs }: ReadLimits): ReadBounds => ({
  ...bounds,
  until: bounds.until + readMs / 2,
});

/** The end of the second of the newest charge; 0 without one. */
function chargedUntil(lines: readonly BalanceTransaction[]): number {
  const charges = lines.filter(({ kind }) => kind === 'charge');
  return charges.reduce((max, { at }) => Math.max(max, at + SECOND_MS - 1), 0);
}

function countOf({
  lines,
  missing,
}: {
  readonly lines: readonly ComparedLine[];
  readonly missing: readonly MissingPayment[];
}): number {
  return lines.filter(isFault).length + missing.length;
}

/** The provider tells of payouts by its own schedule only what they pay out. */
function unreadable(payout: Payout): ReconciledPayout {
  const { currency } = payout;
  const totals = totalsOf([], currency);
  return { payout, currency, totals, lines: [], missing: [], mismatches: 0, isComplete: false };
}
