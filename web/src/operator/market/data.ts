/** What other marketplaces left undecided: cancellations nobody can explain, and holds without an end. */
import { api } from '../../api';
import type { Question } from '../data';

export interface Orphan {
  readonly id: string;
  readonly matchNumber: number;
  readonly category: number;
  /** Of the peer that sent it. */
  readonly clientId: string;
  /** `suspected_refund`: it came after sales of that peer. */
  readonly kind: 'orphan' | 'suspected_refund';
  readonly quantity: number;
  readonly recordedAt: string;
  /** Tickets of this match and category that this peer has sold, as far as is known here. */
  readonly soldByPeer: number;
}

/** How often the lists are read again, milliseconds. */
export const MARKET_EVERY_MS = 30_000;

export type OrphanDecision = 'give_back' | 'dismiss';

export interface OrphanDecided {
  /** `unchanged`: it had been decided before. */
  readonly result: 'applied' | 'unchanged';
  readonly givenBack: number;
}

export interface RemoteHold {
  readonly matchNumber: number;
  readonly category: number;
  readonly clientId: string;
  /** Of the peer; absent for peers that send none. */
  readonly reservationId?: string;
  /** Tickets. */
  readonly held: number;
  readonly heldSince: string;
  /** It should have ended. */
  readonly isFlagged: boolean;
}

export interface RemoteHolds {
  readonly flaggedAfterMs: number;
  readonly holds: readonly RemoteHold[];
  readonly more: boolean;
}

export interface RemoteHoldReleased {
  /** `unchanged`: the hold had ended, or is another one now. */
  readonly result: 'applied' | 'unchanged';
  readonly released: number;
}

export interface Orphans {
  readonly orphans: readonly Orphan[];
  /** There are more than these. */
  readonly more: boolean;
}

export const orphans: Question = { path: '/operations/orphans' };
export const remoteHolds: Question = { path: '/operations/remote-holds' };

/** An orphan is decided once, so that a decision whose answer was lost may be sent again. */
export const decideOrphan = (
  { matchNumber, category, id }: Orphan,
  decision: OrphanDecision,
  note: string,
): Promise<OrphanDecided> =>
  api.send({
    method: 'POST',
    path: `${orphans.path}/decisions`,
    body: { matchNumber, category, id, decision, note },
  });

/** It names when the hold began: one that was renewed meanwhile stays. */
export const releaseRemoteHold = (
  { matchNumber, category, clientId, reservationId, heldSince }: RemoteHold,
  note: string,
): Promise<RemoteHoldReleased> =>
  api.send({
    method: 'POST',
    path: `${remoteHolds.path}/releases`,
    body: {
      matchNumber,
      category,
      clientId,
      ...(reservationId !== undefined && { reservationId }),
      heldSince,
      note,
    },
  });

/** How many tickets giving back would return: never more than the peer has sold. */
export const givesBack = ({ quantity, soldByPeer }: Orphan): number =>
  Math.max(0, Math.min(quantity, soldByPeer));

/** Suspected refunds first, because tickets may be waiting in them; each by age. */
export const byUrgency = (orphans: readonly Orphan[]): Orphan[] =>
  [...orphans].sort(
    (a, b) =>
      Number(b.kind === 'suspected_refund') - Number(a.kind === 'suspected_refund') ||
      Date.parse(a.recordedAt) - Date.parse(b.recordedAt),
  );

export interface SeenHold {
  readonly hold: RemoteHold;
  readonly ageMs: number;
}

/** Those without an end for too long first; each by age. */
export function seenHolds({ holds }: RemoteHolds, now: number): SeenHold[] {
  return holds
    .map((hold) => {
      return { hold, ageMs: Math.max(0, now - Date.parse(hold.heldSince)) };
    })
    .sort((a, b) => Number(b.hold.isFlagged) - Number(a.hold.isFlagged) || b.ageMs - a.ageMs);
}

/** Names a hold within the list. */
export const holdKey = ({ matchNumber, category, clientId, reservationId, heldSince }: RemoteHold): string =>
  JSON.stringify([matchNumber, category, clientId, reservationId ?? null, heldSince]);
