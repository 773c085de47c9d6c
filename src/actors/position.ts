/** Positions in a ticket's ledger: their order and their text form `incarnation-sequence`. */
import type { LedgerPosition } from '../archive/port.js';

export const formatPosition = ({ incarnation, sequence }: LedgerPosition): string =>
  `${incarnation}-${sequence}`;

/** Nothing, or nothing legible, is before everything. */
export function parsePosition(text: string | null | undefined): LedgerPosition {
  const match = /^(\d+)-(\d+)$/.exec(text ?? '');
  return match
    ? { incarnation: Number(match[1]), sequence: Number(match[2]) }
    : { incarnation: 0, sequence: 0 };
}

/** Below 0 when `a` comes before `b`. */
export function comparePositions(a: LedgerPosition, b: LedgerPosition): number {
  return a.incarnation - b.incarnation || a.sequence - b.sequence;
}
