/**
 * What the provider's balance says, beside what our records say. Pure. Every line gets a verdict; what is on
 * record and not in the balance is told apart, as `missing`.
 */
import type { BalanceKind, BalanceTransaction } from '../port.js';
import type { PaymentRecord } from '../records.js';
import { majorOf } from '../settlement.js';

export const MATCHES = ['ok', 'unknown_payment', 'amount_differs', 'other'] as const;
export type Match = (typeof MATCHES)[number];

/** Why a payment on record is missing in the balance. */
export const MISSING_REASONS = [
  /** The provider has never heard of it. */
  'not_at_provider',
  /** The provider has it, and has not charged it. */
  'not_charged',
  /** More is on record as given back than left the balance. */
  'refund_not_in_balance',
] as const;
export type MissingReason = (typeof MISSING_REASONS)[number];

export interface ComparedLine extends BalanceTransaction {
  readonly netMinor: number;
  readonly match: Match;
  /** Why it is no `ok`, in words for operators. */
  readonly detail?: string;
}

export interface MissingPayment {
  readonly paymentId: string;
  readonly reservationId: string;
  readonly amountMinor: number;
  readonly refundedMinor: number;
  readonly reason: MissingReason;
}

/** In minor units of one currency; lines of others are not counted. */
export interface Totals {
  readonly chargesMinor: number;
  /** Given back, less what came back. */
  readonly refundsMinor: number;
  readonly feesMinor: number;
  /** Taken by disputes, less what came back. */
  readonly disputesMinor: number;
  /** Above 0 when it came in. */
  readonly otherMinor: number;
  readonly netMinor: number;
}

export interface Evidence {
  readonly lines: readonly BalanceTransaction[];
  /** All that is known of the payments of the lines, the lines included: amounts are summed over it. */
  readonly known: readonly BalanceTransaction[];
  /** Whether `known` has everything that happened since to the payments that are charged in it. */
  readonly isOpenEnded: boolean;
  readonly records: ReadonlyMap<string, PaymentRecord>;
  /** Payments without a record that were not made for a reservation. */
  readonly strangers: ReadonlySet<string>;
  /** What happened after this time may not be on record yet, epoch milliseconds. */
  readonly settledBefore: number;
}

export interface Comparison {
  readonly lines: readonly ComparedLine[];
  /** Payments of which the balance lacks refunds. */
  readonly missing: readonly MissingPayment[];
}

/** What was charged for a payment and given back in all, in the payment's currency. */
interface Sums {
  readonly chargedMinor: number;
  readonly charges: number;
  readonly refundedMinor: number;
  /** Of its newest transaction. */
  readonly lastAt: number;
}
const NOTHING: Sums = { chargedMinor: 0, charges: 0, refundedMinor: 0, lastAt: 0 };

export function compare(evidence: Evidence): Comparison {
  const sums = sumsOf(evidence.known);
  const lines = evidence.lines.map((line): ComparedLine => {
    const { match, detail } = verdict(line, sums.get(line.paymentId ?? '') ?? NOTHING, evidence);
    const record = evidence.records.get(line.paymentId ?? '');
    return {
      ...line,
      // Refunds and disputes that others began say nothing of it.
      ...(record && { reservationId: record.reservationId }),
      netMinor: line.amountMinor - line.feeMinor,
      match,
      ...(detail !== undefined && { detail }),
    };
  });
  return { lines, missing: evidence.isOpenEnded ? refundsMissing(sums, evidence) : [] };
}

function sumsOf(known: readonly BalanceTransaction[]): ReadonlyMap<string, Sums> {
  const sums = new Map<string, Sums>();
  for (const line of known) {
    if (line.paymentId === undefined) continue;
    const before = sums.get(line.paymentId) ?? NOTHING;
    const { amountMinor } = paidOf(line);
    const isCharge = line.kind === 'charge';
    sums.set(line.paymentId, {
      chargedMinor: before.chargedMinor + (isCharge ? amountMinor : 0),
      charges: before.charges + (isCharge ? 1 : 0),
      refundedMinor: before.refundedMinor + givenBack(line.kind, amountMinor),
      lastAt: Math.max(before.lastAt, line.at),
    });
  }
  return sums;
}

function givenBack(kind: BalanceKind, amountMinor: number): number {
  if (kind === 'refund') return amountMinor;
  return kind === 'refund_failure' ? -amountMinor : 0;
}

/** As the buyer's card had it; where that is not said, as the balance had it. */
function paidOf({
  paid,
  amountMinor,
  currency,
}: BalanceTransaction): NonNullable<BalanceTransaction['paid']> {
  return paid ?? { amountMinor: Math.abs(amountMinor), currency };
}

interface Verdict {
  readonly match: Match;
  readonly detail?: string;
}
const OK: Verdict = { match: 'ok' };
const other = (detail: string): Verdict => ({ match: 'other', detail });
const differs = (detail: string): Verdict => ({ match: 'amount_differs', detail });

function verdict(line: BalanceTransaction, sums: Sums, evidence: Evidence): Verdict {
  const found = byKind(line, sums, evidence);
  const isYoung = Math.max(line.at, sums.lastAt) >= evidence.settledBefore;
  return isYoung && isFault(found) ? other('Too new to be compared.') : found;
}

function byKind(line: BalanceTransaction, sums: Sums, evidence: Evidence): Verdict {
  switch (line.kind) {
    case 'charge':
    case 'refund':
    case 'refund_failure':
    case 'dispute':
    case 'dispute_reversal':
      return ofPayment(line, sums, evidence);
    case 'fee':
    case 'payout':
    case 'payout_failure':
    case 'other':
      return other(`The provider’s own: ${line.type}.`);
  }
}

function ofPayment(line: BalanceTransaction, sums: Sums, { records, strangers }: Evidence): Verdict {
  const { kind, paymentId, reservationId } = line;
  const record = paymentId === undefined ? undefined : records.get(paymentId);
  if (!record) {
    const isForeign = strangers.has(paymentId ?? '') || (kind === 'charge' && reservationId === undefined);
    if (isForeign) return other('Not a payment of a reservation.');
    return { match: 'unknown_payment', detail: 'This payment is not on record here.' };
  }
  switch (kind) {
    case 'charge':
      return ofCharge(line, sums, record);
    case 'refund':
      return ofRefund(sums, record);
    case 'dispute':
      return ofDispute(line, record);
    default:
      return OK;
  }
}

const money = (minor: number, currency: string): string => `${majorOf(minor, currency)} ${currency}`;

function ofCharge(line: BalanceTransaction, sums: Sums, record: PaymentRecord): Verdict {
  const { amountMinor, currency } = paidOf(line);
  const expected = money(record.amountMinor, record.currency);
  if (amountMinor !== record.amountMinor || currency !== record.currency.toUpperCase()) {
    return differs(`Charged ${money(amountMinor, currency)}; on record ${expected}.`);
  }
  if (sums.charges > 1) return differs(`Charged ${sums.charges} times; on record once.`);
  if (record.status !== 'succeeded') return differs(`Charged; on record it is ${record.status}.`);
  return OK;
}

/** Further refunds may be in other payouts: less than on record is no fault of this one. */
function ofRefund({ refundedMinor }: Sums, record: PaymentRecord): Verdict {
  if (refundedMinor <= record.refundedMinor) return OK;
  const { currency } = record;
  return differs(
    `Given back ${money(refundedMinor, currency)}; on record ${money(record.refundedMinor, currency)}.`,
  );
}

function ofDispute(line: BalanceTransaction, record: PaymentRecord): Verdict {
  if (record.dispute === undefined) return differs('On record it is not disputed.');
  const { amountMinor, currency } = paidOf(line);
  if (amountMinor <= record.amountMinor) return OK;
  return differs(
    `Disputed ${money(amountMinor, currency)}; on record ${money(record.amountMinor, record.currency)}.`,
  );
}

function refundsMissing(
  sums: ReadonlyMap<string, Sums>,
  { records, settledBefore }: Evidence,
): readonly MissingPayment[] {
  const missing: MissingPayment[] = [];
  for (const [paymentId, { charges, refundedMinor, lastAt }] of sums) {
    const record = records.get(paymentId);
    // Without the charge, refunds may be older than what is known.
    if (!record || charges === 0 || refundedMinor >= record.refundedMinor) continue;
    if (Math.max(lastAt, record.updatedAt) >= settledBefore) continue;
    missing.push(missingOf(paymentId, record, 'refund_not_in_balance'));
  }
  return missing;
}

export function missingOf(
  paymentId: string,
  { reservationId, amountMinor, refundedMinor }: PaymentRecord,
  reason: MissingReason,
): MissingPayment {
  return { paymentId, reservationId, amountMinor, refundedMinor, reason };
}

export const isFault = ({ match }: Pick<ComparedLine, 'match'>): boolean =>
  match === 'unknown_payment' || match === 'amount_differs';

/** Every line counts once, and its fee. */
export function totalsOf(lines: readonly BalanceTransaction[], currency: string): Totals {
  const sum = (value: (line: BalanceTransaction) => number): number =>
    lines.reduce((total, line) => total + (line.currency === currency ? value(line) : 0), 0);
  const of = (...kinds: readonly BalanceKind[]): number =>
    sum(({ kind, amountMinor }) => (kinds.includes(kind) ? amountMinor : 0));
  // Not -0, which is told apart from 0 where values are compared.
  const taken = (...kinds: readonly BalanceKind[]): number => 0 - of(...kinds);
  return {
    chargesMinor: of('charge'),
    refundsMinor: taken('refund', 'refund_failure'),
    feesMinor: sum(({ feeMinor }) => feeMinor) + taken('fee'),
    disputesMinor: taken('dispute', 'dispute_reversal'),
    otherMinor: of('payout', 'payout_failure', 'other'),
    netMinor: sum(({ amountMinor, feeMinor }) => amountMinor - feeMinor),
  };
}
