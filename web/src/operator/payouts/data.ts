/** Payouts of the payment provider, and whether what is in them is what we have on record. */
import { api } from '../../api';
import type { Question } from '../data';

export interface Payout {
  readonly id: string;
  readonly status: string;
  readonly amountMinor: number;
  readonly currency: string;
  readonly arrivalDate: string;
  readonly createdAt: string;
  readonly automatic: boolean;
  /** What the last comparison found; absent before the first. */
  readonly comparison?: {
    readonly at: string;
    readonly mismatches: number;
    readonly isComplete: boolean;
  };
}

const STATUSES = ['paid', 'pending', 'in_transit', 'canceled', 'failed'] as const;
export type PayoutStatus = (typeof STATUSES)[number] | 'other';

/** The provider may come to know more of them. */
export const statusOf = (status: string): PayoutStatus => STATUSES.find((one) => one === status) ?? 'other';

/** What is known of a payout by its last comparison. */
export function verdictOf({ comparison }: Payout): 'fine' | 'look' | 'unknown' {
  if (!comparison) return 'unknown';
  if (comparison.mismatches > 0) return 'look';
  return comparison.isComplete ? 'fine' : 'unknown';
}

export interface PayoutPage {
  readonly payouts: readonly Payout[];
  readonly next?: string;
}

export type LineMatch = 'ok' | 'unknown_payment' | 'amount_differs' | 'other';

const LINE_TYPES = [
  'charge',
  'refund',
  'refund_failure',
  'dispute',
  'dispute_reversal',
  'fee',
  'payout',
  'payout_failure',
  'other',
] as const;
export type LineType = (typeof LINE_TYPES)[number];

export const lineTypeOf = (type: string): LineType => LINE_TYPES.find((one) => one === type) ?? 'other';

export interface PayoutLine {
  readonly id: string;
  readonly type: string;
  readonly at: string;
  readonly amountMinor: number;
  readonly feeMinor: number;
  readonly netMinor: number;
  /** Where it is not that of the payout; then it is not in the totals. */
  readonly currency?: string;
  readonly paymentId?: string;
  readonly reservationId?: string;
  readonly match: LineMatch;
  readonly detail?: string;
}

/** On record here, and not among the lines where it belongs. */
export interface MissingPayment {
  readonly paymentId: string;
  readonly reservationId: string;
  readonly amountMinor: number;
  readonly refundedMinor: number;
  readonly reason: string;
}

const MISSING_REASONS = ['not_at_provider', 'not_charged', 'refund_not_in_balance'] as const;
export type MissingReason = (typeof MISSING_REASONS)[number];

/** Null for a reason that this page does not know. */
export const missingReasonOf = (reason: string): MissingReason | null =>
  MISSING_REASONS.find((one) => one === reason) ?? null;

export interface PayoutDetail {
  /** Null: the balance that was not paid out yet. */
  readonly payout: Payout | null;
  readonly currency: string;
  readonly totals: {
    readonly chargesMinor: number;
    readonly refundsMinor: number;
    readonly feesMinor: number;
    readonly disputesMinor: number;
    readonly otherMinor: number;
    readonly netMinor: number;
  };
  readonly lines: readonly PayoutLine[];
  readonly mismatches: number;
  readonly missing: readonly MissingPayment[];
  /** False when there is more than could be read. */
  readonly isComplete: boolean;
}

/** In the place of a payout's id. */
export const PENDING_BALANCE = 'pending';

const PAYOUTS_PER_PAGE = 25;

export const payouts: Question = { path: '/payments/payouts', query: { limit: PAYOUTS_PER_PAGE } };

const detailPath = (id: string): string => `/payments/payouts/${encodeURIComponent(id)}`;

/** The provider is asked page by page; the API reads for 15 s at most, and compares for as long. */
const READ_MS_MAX = 40_000;

export const payoutOf = (id: string): Question => ({ path: detailPath(id), timeoutMs: READ_MS_MAX });

export const payoutCsv = (id: string): Promise<Blob> =>
  api.file({ path: detailPath(id), query: { format: 'csv' }, timeoutMs: READ_MS_MAX });

const RANK: Readonly<Record<LineMatch, number>> = { unknown_payment: 0, amount_differs: 1, other: 2, ok: 3 };

export const isMismatch = ({ match }: PayoutLine): boolean =>
  match === 'unknown_payment' || match === 'amount_differs';

/** What does not agree first, then by time. */
export const byConcern = (lines: readonly PayoutLine[]): PayoutLine[] =>
  [...lines].sort((a, b) => RANK[a.match] - RANK[b.match] || Date.parse(a.at) - Date.parse(b.at));

/** More lines make a page slow and are read by nobody; the file has all of them. What does not agree is shown always. */
export const LINES_SHOWN_MAX = 500;

export function shownLines(lines: readonly PayoutLine[]): readonly PayoutLine[] {
  return byConcern(lines).slice(0, Math.max(LINES_SHOWN_MAX, lines.filter(isMismatch).length));
}

/** Whether anything asks for somebody's attention. */
export const isInOrder = ({ mismatches, missing, isComplete }: PayoutDetail): boolean =>
  mismatches === 0 && missing.length === 0 && isComplete;

/** Mismatches that are neither a line nor a missing payment: the lines do not add up to what was paid out. */
export const unexplained = ({ mismatches, lines, missing }: PayoutDetail): number =>
  Math.max(0, mismatches - lines.filter(isMismatch).length - missing.length);
