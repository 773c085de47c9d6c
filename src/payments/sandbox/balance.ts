/**
 * The sandbox's balance, and what it pays out: derived from its payments whenever it is asked for, so that it can
 * say nothing else than they do. Guarantees: the same payments make the same transactions and payouts, in every
 * process; a payout, once it is there, never changes.
 *
 * Assumptions: fees are Stripe's standard of the United States (https://stripe.com/pricing), also for other currencies;
 * each midnight UTC everything of before it is paid out, in each currency, and arrives at once. A balance of nothing or
 * less is not paid out: it counts in the next payout.
 */
import type { Clock } from '../../actors/ports.js';
import { paidIndex, settle } from './machine.js';
import { ids, type IntentRecord, type Records } from './records.js';

const FEE_SHARE = 0.029;
const FEE_MINOR = 30;
/** Of a dispute; not given back when it is won. */
const DISPUTE_FEE_MINOR = 1_500;
const DAY_MS = 86_400_000;

/** By which the transactions of one payment are told apart. */
export const LETTERS = {
  charge: 'c',
  refund: 'r',
  refundFailure: 'f',
  dispute: 'd',
  disputeReversal: 'v',
} as const;

interface EntryFacts {
  readonly id: string;
  readonly type: string;
  /** Stripe's `reporting_category`. */
  readonly category: string;
  readonly at: number;
  readonly availableAt: number;
  /** Below 0 when it is taken. */
  readonly amount: number;
  readonly fee: number;
  readonly currency: string;
  readonly sourceId: string;
  /** The payout that it is part of, or is. */
  readonly payoutId: string | null;
}
interface PaymentEntry extends EntryFacts {
  readonly of: 'charge' | 'refund' | 'dispute';
  readonly intentId: string;
  /** Which of the payment's charges or refunds. */
  readonly index: number;
}
export type Entry = PaymentEntry | (EntryFacts & { readonly of: 'payout' });

export interface PayoutEntry {
  readonly id: string;
  readonly at: number;
  readonly amount: number;
  readonly currency: string;
  readonly transactionId: string;
}

const nextMidnight = (at: number): number => (Math.floor(at / DAY_MS) + 1) * DAY_MS;

/** What a payment changed in the balance; `record` as time has made it. */
export function balanceOf(intentId: string, record: IntentRecord): readonly PaymentEntry[] {
  const { amount, currency, dispute } = record;
  const paid = paidIndex(record);
  const charge = record.charges[paid];
  if (!charge) return [];
  const entry = (
    facts: Pick<PaymentEntry, 'of' | 'index' | 'type' | 'category' | 'at' | 'amount' | 'sourceId'> &
      Partial<Pick<PaymentEntry, 'fee'>>,
    letter: string,
  ): PaymentEntry => ({
    fee: 0,
    ...facts,
    id: ids.transaction(intentId, letter, facts.index),
    intentId,
    currency,
    availableAt: nextMidnight(facts.at),
    payoutId: null,
  });
  const fee = Math.round(amount * FEE_SHARE) + FEE_MINOR;
  const sourceId = ids.charge(intentId, paid);
  const kind = { type: 'charge', category: 'charge' } as const;
  const entries = [
    entry({ ...kind, of: 'charge', index: paid, at: charge.created, amount, fee, sourceId }, LETTERS.charge),
  ];
  record.refunds.forEach((refund, index) => {
    const about = { of: 'refund', index, sourceId: ids.refund(intentId, index) } as const;
    const given = { type: 'refund', category: 'refund', at: refund.created, amount: -refund.amount };
    entries.push(entry({ ...about, ...given }, LETTERS.refund));
    if (refund.status !== 'failed') return;
    const { failedAt: at = refund.created } = refund;
    const back = { type: 'refund_failure', category: 'refund_failure', at, amount: refund.amount };
    entries.push(entry({ ...about, ...back }, LETTERS.refundFailure));
  });
  if (dispute) {
    const about = { of: 'dispute', index: 0, type: 'adjustment', sourceId: ids.dispute(intentId) } as const;
    const taken = { category: 'dispute', at: dispute.created, amount: -amount, fee: DISPUTE_FEE_MINOR };
    entries.push(entry({ ...about, ...taken }, LETTERS.dispute));
    if (dispute.status === 'won') {
      const { closedAt: at = dispute.created } = dispute;
      entries.push(entry({ ...about, category: 'dispute_reversal', at, amount }, LETTERS.disputeReversal));
    }
  }
  return entries;
}

const compact = (at: number): string => new Date(at).toISOString().slice(0, 10).replaceAll('-', '');

/** Of one currency. Those of before `now`, oldest first, and the transactions with what they are part of. */
function paidOut(
  entries: readonly PaymentEntry[],
  now: number,
): { readonly entries: readonly Entry[]; readonly payouts: readonly PayoutEntry[] } {
  const done: Entry[] = [];
  const payouts: PayoutEntry[] = [];
  let waiting: PaymentEntry[] = [];
  const close = (at: number): void => {
    const amount = waiting.reduce((sum, one) => sum + one.amount - one.fee, 0);
    const [first] = waiting;
    if (!first || amount <= 0 || at > now) return;
    const { currency } = first;
    const name = `${compact(at)}${currency}`;
    const payout = { id: `po_${name}`, at, amount, currency, transactionId: `txn_po${name}` };
    payouts.push(payout);
    done.push(...waiting.map((one) => ({ ...one, payoutId: payout.id })));
    done.push({
      of: 'payout',
      id: payout.transactionId,
      type: 'payout',
      category: 'payout',
      at,
      availableAt: at,
      amount: -amount,
      fee: 0,
      currency,
      sourceId: payout.id,
      payoutId: payout.id,
    });
    waiting = [];
  };
  for (const entry of entries.toSorted(older)) {
    const last = waiting.at(-1);
    if (last && last.availableAt < entry.availableAt) close(last.availableAt);
    waiting.push(entry);
  }
  const last = waiting.at(-1);
  if (last) close(last.availableAt);
  return { entries: [...done, ...waiting], payouts };
}

const older = (a: Pick<Entry, 'at' | 'id'>, b: Pick<Entry, 'at' | 'id'>): number =>
  a.at - b.at || (a.id < b.id ? -1 : 1);
const newer = (a: Pick<Entry, 'at' | 'id'>, b: Pick<Entry, 'at' | 'id'>): number => older(b, a);

export interface BooksState {
  /** Newest first. */
  readonly entries: readonly Entry[];
  /** By id, newest first. */
  readonly payouts: ReadonlyMap<string, PayoutEntry>;
}

/** Everything that all payments changed until now. */
export function booksOf(entries: readonly PaymentEntry[], now: number): BooksState {
  const currencies = new Set(entries.map(({ currency }) => currency));
  const parts = [...currencies].map((currency) =>
    paidOut(
      entries.filter((entry) => entry.currency === currency),
      now,
    ),
  );
  const payouts = parts.flatMap((part) => part.payouts).toSorted(newer);
  return {
    entries: parts.flatMap((part) => part.entries).toSorted(newer),
    payouts: new Map(payouts.map((payout) => [payout.id, payout])),
  };
}

export interface BooksOptions {
  readonly records: Records;
  readonly clock: Clock;
}

/** The sandbox is no place for more. */
const PAYMENTS_MAX = 500_000;
/** Further pages of a list are of the same books as its first, for so long. */
const KEEP_MS = 60_000;

export class Books {
  readonly #options: BooksOptions;
  #kept: (BooksState & { readonly until: number; readonly ids: ReadonlySet<string> }) | null = null;

  constructor(options: BooksOptions) {
    this.#options = options;
  }

  /**
   * As they are now. For what is asked of a payout, which never changes, or of what comes behind a place in a list: as
   * they were, if they had it and that is not long ago.
   */
  async read(known?: string): Promise<BooksState> {
    const { clock } = this.#options;
    const kept = this.#kept;
    if (kept && known !== undefined && kept.until > clock.now() && kept.ids.has(known)) return kept;
    const books = booksOf(await this.#all(), clock.now());
    const ids = new Set([...books.entries.map(({ id }) => id), ...books.payouts.keys()]);
    this.#kept = { ...books, until: clock.now() + KEEP_MS, ids };
    return books;
  }

  async #all(): Promise<readonly PaymentEntry[]> {
    const { records, clock } = this.#options;
    const entries: PaymentEntry[] = [];
    const newestFirst = { prefix: 'payment_intent/', newestFirst: true };
    let seen = 0;
    for await (const { id, value } of records.all('all', newestFirst)) {
      if (value.kind === 'payment_intent') entries.push(...balanceOf(id, settle(value, clock.now()).record));
      seen += 1;
      if (seen >= PAYMENTS_MAX) break;
    }
    return entries;
  }
}
