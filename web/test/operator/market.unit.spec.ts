import { describe, expect, it } from '@jest/globals';
import {
  byUrgency,
  givesBack,
  holdKey,
  seenHolds,
  type Orphan,
  type RemoteHold,
} from '../../src/operator/market/data';

const orphan = (more: Partial<Orphan>): Orphan => ({
  id: '1',
  matchNumber: 12,
  category: 1,
  clientId: 'peer',
  kind: 'orphan',
  quantity: 2,
  recordedAt: '2026-11-26T10:00:00.000Z',
  soldByPeer: 5,
  ...more,
});
const hold = (more: Partial<RemoteHold>): RemoteHold => ({
  matchNumber: 12,
  category: 1,
  clientId: 'peer',
  held: 1,
  heldSince: '2026-11-26T10:00:00.000Z',
  isFlagged: false,
  ...more,
});

describe('a cancellation nobody can explain', () => {
  it('gives back what it names, and never more than its marketplace has sold', () => {
    expect(givesBack(orphan({ quantity: 2, soldByPeer: 5 }))).toBe(2);
    expect(givesBack(orphan({ quantity: 4, soldByPeer: 1 }))).toBe(1);
    expect(givesBack(orphan({ quantity: 4, soldByPeer: 0 }))).toBe(0);
  });

  it('comes first when tickets may be waiting in it, then by age', () => {
    const sorted = byUrgency([
      orphan({ id: 'new', recordedAt: '2026-11-26T12:00:00.000Z' }),
      orphan({ id: 'old' }),
      orphan({ id: 'refund', kind: 'suspected_refund', recordedAt: '2026-11-26T13:00:00.000Z' }),
    ]);
    expect(sorted.map(({ id }) => id)).toEqual(['refund', 'old', 'new']);
  });
});

describe('holds of others', () => {
  const now = Date.parse('2026-11-26T11:00:00.000Z');

  it('are listed with those that should have ended first, each by age', () => {
    const seen = seenHolds(
      {
        flaggedAfterMs: 1_800_000,
        more: false,
        holds: [
          hold({ clientId: 'young', heldSince: '2026-11-26T10:50:00.000Z' }),
          hold({ clientId: 'flagged', heldSince: '2026-11-26T10:20:00.000Z', isFlagged: true }),
          hold({ clientId: 'oldest', heldSince: '2026-11-26T09:00:00.000Z', isFlagged: true }),
        ],
      },
      now,
    );
    expect(seen.map(({ hold: { clientId } }) => clientId)).toEqual(['oldest', 'flagged', 'young']);
    expect(seen[2]?.ageMs).toBe(600_000);
  });

  it('are not of the future, whatever the clocks say', () => {
    const [seen] = seenHolds(
      { flaggedAfterMs: 1, more: false, holds: [hold({ heldSince: '2026-11-26T11:00:05.000Z' })] },
      now,
    );
    expect(seen?.ageMs).toBe(0);
  });

  it('are told apart: a renewed one is another', () => {
    const keys = [
      hold({}),
      hold({ reservationId: 'a' }),
      hold({ heldSince: '2026-11-26T10:00:01.000Z' }),
      hold({ clientId: 'other' }),
    ].map(holdKey);
    expect(new Set(keys).size).toBe(4);
  });
});
