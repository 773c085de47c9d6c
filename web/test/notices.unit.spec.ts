import { describe, expect, it } from '@jest/globals';
import { problemOf } from '../src/api/problem';
import type { Category, CategoryView, LiveTicket, MatchNotice, MatchView } from '../src/api/types';
import { canBeHeld, standingIn, standingOf } from '../src/data/availability';
import { buyersTextOf, textIn, toldOf } from '../src/data/notices';
import { applyFacts, applyTickets, withFacts } from '../src/live/apply';
import { sportsEvent } from '../src/pages/match/structured-data';
import { NO_FILTERS, passes } from '../src/pages/matches/filters';
import { problemTextKey } from '../src/ui/problem-text';

const OPEN: CategoryView = { available: 20, pending: 20, price: 75, status: 'available' };
const PAUSED: CategoryView = { ...OPEN, paused: true };
const GONE: CategoryView = { ...OPEN, available: 0, pending: 0, status: 'sold_out' };

function matchWith(
  [one, two, three]: readonly [CategoryView, CategoryView, CategoryView],
  notice?: MatchNotice,
): MatchView {
  return {
    matchNumber: 12,
    roundNumber: 1,
    dateUtc: '2022-11-21T10:00:00Z',
    location: 'Al Bayt Stadium',
    homeTeam: 'Qatar',
    awayTeam: 'Ecuador',
    group: 'A',
    availability: { category1: one, category2: two, category3: three },
    ...(notice && { notice }),
  };
}
const PLAIN = matchWith([OPEN, OPEN, OPEN]);
const message = { en: 'We look into the prices.', ar: 'نراجع الأسعار.' };

describe('a category', () => {
  it('that is paused cannot be held, and says so before it says that others hold what is left', () => {
    expect(standingOf(PAUSED)).toBe('paused');
    expect(standingOf({ ...PAUSED, pending: 0, status: 'temporarily_unavailable' })).toBe('paused');
    const match = matchWith([PAUSED, OPEN, OPEN]);
    expect(([1, 2, 3] as const).map((category) => canBeHeld(match, category))).toEqual([false, true, true]);
  });

  it('that is sold out or closed says that: a pause would promise more', () => {
    expect(standingOf({ ...GONE, paused: true })).toBe('sold_out');
    expect(standingOf({ ...PAUSED, closed: true })).toBe('closed');
  });

  it('of a cancelled match cannot be held, whatever its figures are', () => {
    const match = matchWith([OPEN, PAUSED, GONE], { kind: 'cancelled' });
    expect(([1, 2, 3] as const).map((category) => standingIn(match, category))).toEqual([
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    expect(passes(match, { ...NO_FILTERS, status: 'available' }, null)).toBe(false);
    expect(passes(PLAIN, { ...NO_FILTERS, status: 'available' }, null)).toBe(true);
  });
});

describe('what buyers are told', () => {
  it('is nothing of a match as it should be', () => {
    expect(toldOf(PLAIN)).toBeNull();
  });

  it('names the categories that are paused, and whether anything else is to be had', () => {
    const some = toldOf(matchWith([PAUSED, OPEN, PAUSED], { kind: 'paused', message }));
    expect(some).toMatchObject({ paused: [1, 3], isAllPaused: false, message });
    expect(toldOf(matchWith([PAUSED, GONE, PAUSED]))).toMatchObject({ isAllPaused: true, message: null });
    expect(toldOf(matchWith([PAUSED, PAUSED, PAUSED]))).toMatchObject({ isAllPaused: true });
  });

  it('ends with the pause, also before the notice was read again', () => {
    expect(toldOf(matchWith([OPEN, OPEN, OPEN], { kind: 'paused', message }))).toBeNull();
  });

  it('is of a cancelled match that it is cancelled, and nothing of pauses', () => {
    const told = toldOf(matchWith([PAUSED, PAUSED, PAUSED], { kind: 'cancelled', message }));
    expect(told).toMatchObject({ isCancelled: true, paused: [], isAllPaused: false, message });
  });

  it('is of a rescheduled match what was otherwise before', () => {
    const notice: MatchNotice = {
      kind: 'rescheduled',
      previousDateUtc: '2022-11-20T10:00:00.000Z',
      previousLocation: 'Al Bayt Stadium',
    };
    expect(toldOf(matchWith([OPEN, OPEN, OPEN], notice))?.previous).toEqual({
      dateUtc: '2022-11-20T10:00:00.000Z',
    });
    const moved: MatchNotice = { kind: 'rescheduled', previousLocation: 'Lusail Stadium' };
    expect(toldOf(matchWith([OPEN, OPEN, OPEN], moved))?.previous).toEqual({ location: 'Lusail Stadium' });
  });

  it('may be both: paused, and on another day', () => {
    const notice: MatchNotice = { kind: 'paused', message, previousDateUtc: '2022-11-20T10:00:00Z' };
    expect(toldOf(matchWith([PAUSED, OPEN, OPEN], notice))).toMatchObject({
      paused: [1],
      previous: { dateUtc: '2022-11-20T10:00:00Z' },
      message,
    });
    // The pause is over: its message is not one about the date.
    expect(toldOf(matchWith([OPEN, OPEN, OPEN], notice))).toMatchObject({ paused: [], message: null });
  });

  it('comes in the language of the page, or else in English', () => {
    expect(textIn(message, 'ar')).toEqual({ text: message.ar, lang: 'ar' });
    expect(textIn({ en: 'Only this.' }, 'ar')).toEqual({ text: 'Only this.', lang: 'en' });
    expect(textIn(message, 'en')).toEqual({ text: message.en, lang: 'en' });
  });
});

describe('a hold that is refused because of a pause', () => {
  it('has a text of its own and the message of the operators', () => {
    const problem = problemOf(409, { code: 'sales_paused', detail: 'paused', message }, null);
    expect(problem.isOutcomeUnknown).toBe(false);
    expect(problemTextKey(problem)).toBe('sales_paused');
    expect(buyersTextOf(problem.buyersText)).toEqual(message);
  });

  it.each([undefined, 'words', null, { ar: 'x' }, { en: 5 }])('takes no %p for a message', (value) => {
    expect(buyersTextOf(value)).toBeNull();
  });
});

describe('live changes', () => {
  const ticket = (category: Category, view: CategoryView): LiveTicket => ({
    ...view,
    matchNumber: 12,
    category,
  });

  it('pause and resume a category', () => {
    const [paused] = applyTickets([PLAIN], [ticket(2, PAUSED)]);
    expect(paused && standingIn(paused, 2)).toBe('paused');
    const [resumed] = applyTickets(paused ? [paused] : [], [ticket(2, OPEN)]);
    expect(resumed && standingIn(resumed, 2)).toBe('available');
  });

  it('move a match and take its notice back, and leave the figures and other matches as they are', () => {
    const other = { ...PLAIN, matchNumber: 13 };
    const notice: MatchNotice = { kind: 'rescheduled', previousDateUtc: PLAIN.dateUtc };
    const moved = { matchNumber: 12, dateUtc: '2022-12-01T10:00:00Z', location: 'Lusail Stadium', notice };
    const list = applyFacts([PLAIN, other], [moved, { ...moved, matchNumber: 99 }]);
    expect(list).toEqual([{ ...PLAIN, ...moved }, other]);
    expect(list[1]).toBe(other);
    const { dateUtc, location } = PLAIN;
    expect(applyFacts(list, [{ matchNumber: 12, dateUtc, location }])).toEqual([PLAIN, other]);
  });

  it('that change nothing leave the list the same object', () => {
    const list = [matchWith([OPEN, OPEN, OPEN], { kind: 'paused', message })];
    const { matchNumber, dateUtc, location, notice } = list[0]!;
    expect(applyFacts(list, [{ matchNumber, dateUtc, location, notice: { ...notice! } }])).toBe(list);
    expect(applyFacts(list, [])).toBe(list);
  });

  it('are newer than the figures of a list that was asked for meanwhile', () => {
    const other = { ...PLAIN, matchNumber: 13 };
    const live = matchWith([{ ...PAUSED, pending: 1 }, OPEN, OPEN]);
    const read = matchWith([OPEN, OPEN, OPEN], { kind: 'paused', message });
    const next = withFacts([live, other], [read, { ...other }]);
    expect(next[0]).toEqual({ ...live, notice: read.notice });
    expect(next[1]).toBe(other);
  });
});

describe('search engines', () => {
  const told = (match: MatchView): unknown =>
    sportsEvent(match, {
      url: 'https://shop.example/matches/12',
      name: 'Qatar – Ecuador',
      description: '',
      language: 'en',
      nameOf: (name) => name,
      categoryName: (category) => `Category ${category}`,
      currency: 'usd',
    });

  it('hear that a match is cancelled, and sells nothing', () => {
    expect(told(matchWith([OPEN, OPEN, OPEN], { kind: 'cancelled' }))).toMatchObject({
      eventStatus: 'https://schema.org/EventCancelled',
      startDate: '2022-11-21T10:00:00Z',
      offers: [
        { availability: 'https://schema.org/SoldOut' },
        { availability: 'https://schema.org/SoldOut' },
        { availability: 'https://schema.org/SoldOut' },
      ],
    });
  });

  it('hear of a new date along with the old one', () => {
    const notice: MatchNotice = { kind: 'rescheduled', previousDateUtc: '2022-11-20T10:00:00Z' };
    expect(told(matchWith([OPEN, OPEN, OPEN], notice))).toMatchObject({
      eventStatus: 'https://schema.org/EventRescheduled',
      startDate: '2022-11-21T10:00:00Z',
      previousStartDate: '2022-11-20T10:00:00Z',
    });
    expect(told(PLAIN)).toMatchObject({ eventStatus: 'https://schema.org/EventScheduled' });
    expect(told(PLAIN)).not.toHaveProperty('previousStartDate');
  });
});
