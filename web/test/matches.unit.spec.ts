import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { Category, CategoryView, LiveTicket, MatchView } from '../src/api/types';
import { standingOf } from '../src/data/availability';
import { folded, MatchSearch } from '../src/data/search';
import { stadiumOf, timeZoneOf } from '../src/data/stadiums';
import { Stages } from '../src/data/stages';
import { flagOf } from '../src/data/teams';
import { applyTickets, hasUnknownMatch } from '../src/live/apply';
import { ZONES } from '../src/pages/match/bowl';
import { canBeEmail, quantityMax, withinLimit } from '../src/pages/match/hold-rules';
import { sportsEvent } from '../src/pages/match/structured-data';
import { monthsOf, weekdays } from '../src/pages/matches/calendar';
import { byDay, filtersOf, NO_FILTERS, passes, searchOf } from '../src/pages/matches/filters';

const root = new URL('../../', import.meta.url);
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, root), 'utf8'));
const names = read('web/src/i18n/ar.names.json') as Record<string, string>;
const OPEN: CategoryView = { available: 20, pending: 20, price: 75, status: 'available' };
const matches = (read('src/catalog/master-list.json') as MatchView[]).map((match) => {
  const open = (category: Category): CategoryView => ({
    ...OPEN,
    price: match.availability[`category${category}`].price,
  });
  return { ...match, availability: { category1: open(1), category2: open(2), category3: open(3) } };
});
const matchOf = (number: number): MatchView => matches.find(({ matchNumber }) => matchNumber === number)!;
const match1 = matchOf(1);

describe('search', () => {
  const english = new MatchSearch(matches, (name) => name);
  const arabic = new MatchSearch(matches, (name) => names[name] ?? name);

  it.each([
    ['Argentina', 3],
    ['argentna', 3],
    ['ARG', 3],
    ['korea', 3],
    ['lusail', 10],
    ['Lusial', 10],
    ['qatar ecuador', 1],
    ['zzzzzz', 0],
    ['  ', undefined],
  ])('finds %p in English: %p', (query, count) => {
    expect(english.find(query)?.size).toBe(count);
  });

  it.each([
    ['الأرجنتين', 3],
    ['ارجنتين', 3],
    ['قطر', 3],
    ['لوسيل', 10],
    ['Argentina', 3],
  ])('finds %p in Arabic: %p', (query, count) => {
    expect(arabic.find(query)?.size).toBe(count);
  });

  it('takes letters that look alike as one, and leaves out accents and the article', () => {
    expect(folded('الأَرْجَنتين')).toBe(folded('ارجنتين'));
    expect(folded('CÔTE')).toBe('cote');
  });
});

describe('filters', () => {
  it('live in the address and come back from it', () => {
    const filters = {
      ...NO_FILTERS,
      q: 'a b',
      team: 'Korea Republic',
      date: '2022-11-24',
      view: 'calendar',
    } as const;
    expect(filtersOf(new URLSearchParams(searchOf(filters)))).toEqual(filters);
    expect(searchOf(NO_FILTERS)).toBe('');
  });

  it('that cannot be are as if they were not there', () => {
    const search = new URLSearchParams('status=maybe&round=x&date=24.11.&view=poster&q=%20%20');
    expect(filtersOf(search)).toEqual(NO_FILTERS);
    expect(filtersOf(new URLSearchParams({ q: 'a'.repeat(500) })).q).toHaveLength(100);
  });

  it('narrow the list', () => {
    const count = (filters: Partial<typeof NO_FILTERS>): number =>
      matches.filter((match) => passes(match, { ...NO_FILTERS, ...filters }, null)).length;
    expect(count({})).toBe(64);
    expect(count({ team: 'Qatar' })).toBe(3);
    expect(count({ group: 'A', round: '1' })).toBe(2);
    expect(count({ location: 'Lusail Stadium' })).toBe(10);
    expect(count({ status: 'sold_out' })).toBe(0);
    expect(passes(match1, NO_FILTERS, new Set([2]))).toBe(false);
  });

  it('go by the day at the stadium', () => {
    const late = { ...match1, dateUtc: '2022-11-20T22:00:00Z' };
    expect(passes(late, { ...NO_FILTERS, date: '2022-11-21' }, null)).toBe(true);
    expect(byDay([late, match1]).map(({ day }) => day)).toEqual(['2022-11-20', '2022-11-21']);
  });
});

describe('the calendar', () => {
  it('has whole weeks from the day they start with', () => {
    const [november, december] = monthsOf(['2022-12-18', '2022-11-20'], 1);
    expect([november?.month, december?.month]).toEqual(['2022-11', '2022-12']);
    expect(november?.weeks[0]).toEqual([null, ...[1, 2, 3, 4, 5, 6].map((day) => `2022-11-0${day}`)]);
    expect(monthsOf(['2022-11-20'], 6)[0]?.weeks[0]?.indexOf('2022-11-01')).toBe(3);
    expect(new Date(weekdays(6)[0] ?? '').getUTCDay()).toBe(6);
  });
});

describe('what is shown of a match', () => {
  it('has a stage told from the list', () => {
    const stages = new Stages(matches);
    const kinds = [1, 49, 57, 61, 63, 64].map((number) => stages.of(matchOf(number)).kind);
    expect(kinds).toEqual(['group', 'last16', 'quarter', 'semi', 'third', 'final']);
    expect(stages.ofRound(7)).toEqual({ kind: 'finals' });
    expect(new Stages([{ ...match1, group: null }]).of(match1).kind).toBe('final');
  });

  it('has a known place and a flag that is in the repository', () => {
    for (const { location, homeTeam } of matches) {
      expect([stadiumOf(location) !== undefined, timeZoneOf(location)]).toEqual([true, 'Asia/Qatar']);
      if (homeTeam === 'TBA') continue;
      const file = new URL(`web/public/flags/${flagOf(homeTeam) ?? ''}.svg`, root);
      expect(readFileSync(file, 'utf8')).toContain('<svg');
      expect(names[homeTeam]).toBeDefined();
    }
    expect([timeZoneOf('Somewhere'), stadiumOf('constructor')]).toEqual(['UTC', undefined]);
  });

  it('stands as the market says', () => {
    expect(standingOf(OPEN)).toBe('available');
    expect(standingOf({ ...OPEN, pending: 5 })).toBe('few');
    expect(standingOf({ ...OPEN, pending: 0, status: 'temporarily_unavailable' })).toBe(
      'temporarily_unavailable',
    );
    expect(standingOf({ ...OPEN, status: 'sold_out' })).toBe('sold_out');
    expect(standingOf({ ...OPEN, closed: true })).toBe('closed');
  });

  it('is told to search engines as schema.org wants it', () => {
    const event = sportsEvent(match1, {
      url: 'https://shop.example/matches/1',
      name: 'Qatar – Ecuador',
      description: '',
      language: 'en',
      nameOf: (name) => name,
      categoryName: (category) => `Category ${category}`,
      currency: 'usd',
    });
    expect(event).toMatchObject({
      '@type': 'SportsEvent',
      startDate: match1.dateUtc,
      endDate: '2022-11-20T18:00:00.000Z',
      location: { address: { addressLocality: 'Al Khor', addressCountry: 'QA' } },
      offers: [{ price: 75, priceCurrency: 'USD', availability: 'https://schema.org/InStock' }, {}, {}],
    });
  });

  it('is drawn with every category', () => {
    expect(ZONES.map(({ category }) => category)).toEqual([1, 2, 3]);
    for (const { path } of ZONES) expect(path).not.toContain('NaN');
  });
});

describe('live changes', () => {
  const ticket: LiveTicket = { ...OPEN, price: 125, matchNumber: 1, category: 2, pending: 3 };

  it('touch one match, and nothing when nothing changed', () => {
    const next = applyTickets(matches, [ticket]);
    expect(next.find(({ matchNumber }) => matchNumber === 1)?.availability.category2.pending).toBe(3);
    expect(next.filter((match, index) => match !== matches[index])).toHaveLength(1);
    expect(applyTickets(next, [ticket])).toBe(next);
    expect(applyTickets(matches, [{ ...ticket, category: 9 }])).toBe(matches);
  });

  it('tell of matches the list lacks', () => {
    expect(hasUnknownMatch(matches, [ticket])).toBe(false);
    expect(hasUnknownMatch(matches, [{ ...ticket, matchNumber: 99 }])).toBe(true);
  });
});

describe('the form of a hold', () => {
  it('allows what the shop allows and the category has left', () => {
    expect(quantityMax({ ...OPEN, pending: 1 }, 2)).toBe(1);
    expect(quantityMax({ ...OPEN, pending: 0 }, 2)).toBe(1);
    expect(quantityMax(OPEN, 4)).toBe(4);
    expect([withinLimit(0, 2), withinLimit(3, 2)]).toEqual([1, 2]);
  });

  it('refuses only what can be no address', () => {
    expect(['a@b.co', ' fan+1@example.com '].every(canBeEmail)).toBe(true);
    expect(['', 'a@b', 'a b@c.de', `${'a'.repeat(260)}@b.co`].some(canBeEmail)).toBe(false);
  });
});
