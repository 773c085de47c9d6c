/** How one sale of a peer goes, decided by chance when it begins. Pure: the same chance gives the same plan. */
import type { SaleAction } from './messages.js';
import { wholeFrom, type Random } from './random.js';

/** How a peer sells. Shares are from 0 to 1. */
export interface Habits {
  /** Longest time from PENDING to its end, milliseconds. */
  readonly patienceMs: number;
  /** Tickets in one sale. */
  readonly quantityMin: number;
  readonly quantityMax: number;
  /** Sales that end with TICKET_CANCELLED. */
  readonly cancelShare: number;
  /** Records that are published a second time. */
  readonly repeats: number;
  /** Sales whose end is published before their PENDING. */
  readonly reorders: number;
  /** Sales that come with a record which nobody can use. */
  readonly garbage: number;
  /** Sales that end with PENDING. */
  readonly silence: number;
}

export interface Plan {
  readonly quantity: number;
  /** Null: nothing follows. */
  readonly end: Exclude<SaleAction, 'TICKET_PENDING'> | null;
  /** From the first record to the second, milliseconds. */
  readonly endAfterMs: number;
  readonly isReordered: boolean;
  readonly hasGarbage: boolean;
  /** From a record to its repeat, milliseconds; null for none. */
  readonly repeatAfterMs: readonly [first: number | null, second: number | null];
}

/** Two records in the wrong order are this close, milliseconds. */
const REORDER_MS_MAX = 2_000;

/** Always draws the same number of times, so that a share changes only what it is about. */
export function planSale(random: Random, habits: Habits): Plan {
  const quantity = wholeFrom(random, habits.quantityMin, habits.quantityMax);
  const isSilent = random() < habits.silence;
  const isCancelled = random() < habits.cancelShare;
  const endAfterMs = Math.ceil(random() * habits.patienceMs);
  const isReordered = random() < habits.reorders && !isSilent;
  const hasGarbage = random() < habits.garbage;
  return {
    quantity,
    end: isSilent ? null : isCancelled ? 'TICKET_CANCELLED' : 'TICKET_RESERVED',
    endAfterMs: isReordered ? Math.min(endAfterMs, REORDER_MS_MAX) : endAfterMs,
    isReordered,
    hasGarbage,
    repeatAfterMs: [repeatOf(random, habits), repeatOf(random, habits)],
  };
}

/** Half of the repeats come at once, the others when the sale may have ended. */
function repeatOf(random: Random, { repeats, patienceMs }: Habits): number | null {
  const isRepeated = random() < repeats;
  const isAtOnce = random() < 0.5;
  const laterMs = Math.ceil(random() * patienceMs);
  if (!isRepeated) return null;
  return isAtOnce ? 0 : laterMs;
}
