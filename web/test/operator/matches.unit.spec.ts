import { describe, expect, it } from '@jest/globals';
import type { CategoryView, MatchNotice, MatchView } from '../../src/api/types';
import { toldOf } from '../../src/data/notices';
import {
  asBuyersSee,
  buyersTextFrom,
  coveringOf,
  instantOf,
  isCancelling,
  isTelling,
  localOf,
  pauseIdOf,
  pausesOf,
  rescheduleFrom,
  statesOf,
  type Cancellation,
  type Pause,
  type RescheduleForm,
  type Schedule,
} from '../../src/operator/matches/data';

const OPEN: CategoryView = { available: 20, pending: 20, price: 75, status: 'available' };
const PAUSED: CategoryView = { ...OPEN, paused: true };
const CLOSED: CategoryView = { ...OPEN, closed: true };

function matchWith(
  views: readonly [CategoryView, CategoryView, CategoryView],
  notice?: MatchNotice,
): MatchView {
  const [category1, category2, category3] = views;
  return {
    matchNumber: 12,
    roundNumber: 1,
    dateUtc: '2022-11-21T10:00:00Z',
    location: 'Al Bayt Stadium',
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
    availability: { category1, category2, category3 },
    ...(notice && { notice }),
  };
}

describe('how a match stands', () => {
  it.each([
    ['on sale', matchWith([OPEN, OPEN, OPEN]), ['on_sale']],
    ['paused', matchWith([PAUSED, PAUSED, PAUSED]), ['paused']],
    ['partly paused', matchWith([PAUSED, OPEN, OPEN]), ['partly_paused']],
    ['closed', matchWith([CLOSED, CLOSED, CLOSED]), ['closed']],
    ['cancelled', matchWith([CLOSED, CLOSED, CLOSED], { kind: 'cancelled' }), ['cancelled']],
    [
      'on sale on another day',
      matchWith([OPEN, OPEN, OPEN], { kind: 'rescheduled', previousDateUtc: '2022-11-20T10:00:00Z' }),
      ['on_sale', 'rescheduled'],
    ],
  ])('is %s', (_name, match, expected) => {
    expect(statesOf(match)).toEqual(expected);
  });
});

describe('pauses', () => {
  const pause = (scope: Pick<Pause, 'matchNumber' | 'category'>): Pause => ({
    ...scope,
    id: pauseIdOf(scope),
    message: { en: 'x' },
    since: '2026-11-26T10:00:00.000Z',
    by: 'account:1',
    applied: 0,
    of: 1,
  });
  const all = [
    pause({ matchNumber: 12, category: 2 }),
    pause({ matchNumber: 12, category: 1 }),
    pause({ matchNumber: 13 }),
    pause({ matchNumber: 12 }),
    pause({}),
  ];

  it('are named for what they are about', () => {
    expect(all.map(({ id }) => id)).toEqual(['match-12-2', 'match-12-1', 'match-13', 'match-12', 'all']);
  });

  it('of a match are the widest first, those of everything included', () => {
    expect(pausesOf(all, 12).map(({ id }) => id)).toEqual(['all', 'match-12', 'match-12-1', 'match-12-2']);
    expect(pausesOf(all, 14).map(({ id }) => id)).toEqual(['all']);
  });

  it('that end leave sales stopped where a wider one stands', () => {
    const ids = (id: string): string[] => {
      const one = all.find((other) => other.id === id);
      return one ? coveringOf(all, one).map((other) => other.id) : [];
    };
    expect(ids('match-12-1')).toEqual(['match-12', 'all']);
    expect(ids('match-13')).toEqual(['all']);
    expect(ids('all')).toEqual([]);
  });
});

describe('what buyers will see', () => {
  it('is the match with its notice, and only the paused categories paused', () => {
    const seen = asBuyersSee(
      matchWith([PAUSED, OPEN, OPEN]),
      { kind: 'paused', message: { en: 'x' } },
      (category) => category === 2,
    );
    expect(toldOf(seen)).toMatchObject({ paused: [2], message: { en: 'x' } });
  });

  it('needs an English text at least', () => {
    expect(buyersTextFrom({ en: '  ', ar: 'نص' })).toBeNull();
    expect(buyersTextFrom({ en: ' Text ', ar: ' ' })).toEqual({ en: 'Text' });
    expect(buyersTextFrom({ en: 'Text', ar: ' نص ' })).toEqual({ en: 'Text', ar: 'نص' });
  });
});

describe('times at a stadium', () => {
  it.each([
    ['Asia/Qatar', '2022-11-21T13:00', '2022-11-21T10:00:00.000Z'],
    ['UTC', '2022-11-21T13:00', '2022-11-21T13:00:00.000Z'],
    ['America/New_York', '2026-07-19T15:00', '2026-07-19T19:00:00.000Z'],
    ['America/New_York', '2026-12-19T15:00', '2026-12-19T20:00:00.000Z'],
    ['Asia/Kathmandu', '2026-01-01T00:15', '2025-12-31T18:30:00.000Z'],
    ['Pacific/Auckland', '2026-01-01T09:00', '2025-12-31T20:00:00.000Z'],
  ])('in %s: %s is %s, and back', (zone, local, at) => {
    expect(instantOf(local, zone)).toBe(at);
    expect(localOf(at, zone)).toBe(local);
  });

  it('that clocks skip, or that are none, are refused', () => {
    // In the night of 8 March 2026 clocks in New York go from 2:00 to 3:00.
    expect(instantOf('2026-03-08T02:30', 'America/New_York')).toBeNull();
    expect(instantOf('2026-03-08T03:00', 'America/New_York')).toBe('2026-03-08T07:00:00.000Z');
    expect(instantOf('', 'UTC')).toBeNull();
    expect(instantOf('2026-13-40T99:99', 'UTC')).toBeNull();
  });

  it('that clocks show twice are taken once', () => {
    const at = instantOf('2026-11-01T01:30', 'America/New_York');
    expect(['2026-11-01T05:30:00.000Z', '2026-11-01T06:30:00.000Z']).toContain(at);
  });
});

describe('the form of a new date', () => {
  const now = Date.parse('2026-11-26T10:00:00Z');
  const schedule = { dateUtc: '2022-11-21T10:00:00Z', location: 'Al Bayt Stadium' };
  const zoneOf = (location: string): string => (location === 'Wembley' ? 'Europe/London' : 'Asia/Qatar');
  const filled: RescheduleForm = {
    local: '2022-11-22T19:00',
    location: 'Al Bayt Stadium',
    words: { en: '', ar: '' },
    refundUntilLocal: '2026-12-01T12:00',
  };
  const read = (more: Partial<RescheduleForm>): ReturnType<typeof rescheduleFrom> =>
    rescheduleFrom({ ...filled, ...more }, { schedule, timeZoneOf: zoneOf, now });

  it('says when in UTC, and where only if that is another place', () => {
    expect(read({})).toEqual({
      order: { dateUtc: '2022-11-22T16:00:00.000Z', refundUntil: '2026-12-01T09:00:00.000Z' },
    });
    expect(read({ location: ' Wembley ', words: { en: 'Moved', ar: '' } })).toEqual({
      order: {
        dateUtc: '2022-11-22T19:00:00.000Z',
        location: 'Wembley',
        message: { en: 'Moved' },
        refundUntil: '2026-12-01T12:00:00.000Z',
      },
    });
  });

  it.each([
    [{ local: '' }, ['date']],
    [{ local: '2022-11-21T13:00' }, ['unchanged']],
    [{ location: ' ' }, ['location']],
    [{ refundUntilLocal: '' }, ['refund_until']],
    [{ refundUntilLocal: '2026-11-26T12:59' }, ['refund_range']],
    [{ refundUntilLocal: '2028-01-01T00:00' }, ['refund_range']],
    [{ words: { en: ' ', ar: 'نص' } }, ['english']],
    [{ local: 'x', refundUntilLocal: 'x' }, ['date', 'refund_until']],
  ])('is wrong: %p', (more, faults) => {
    expect(read(more)).toEqual({ faults });
  });
});

describe('what goes on by itself', () => {
  it('is watched until it is done', () => {
    const states = (['none', 'closing', 'refunding', 'done'] as const).map((state) =>
      isCancelling({ state } as Cancellation),
    );
    expect(states).toEqual([false, true, true, false]);
    expect(isTelling({} as Schedule)).toBe(false);
    expect(isTelling({ change: {} } as Schedule)).toBe(true);
    expect(isTelling({ change: { finishedAt: 'x' } } as Schedule)).toBe(false);
  });
});
