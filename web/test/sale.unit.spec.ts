import { describe, expect, it } from '@jest/globals';
import type { CategoryView, MatchView, SaleView } from '../src/api/types';
import { canBeHeld, standingOf } from '../src/data/availability';
import { codeFor, matchAt, nextChangeOf, openingOf, phaseFor, saleAt, untilAt } from '../src/data/sale';
import { applyTickets, withFacts } from '../src/live/apply';
import { chosenIn, pathOf, perReservationMax, quantityMax } from '../src/pages/match/hold-rules';
import { sportsEvent } from '../src/pages/match/structured-data';

const OPEN: CategoryView = { available: 20, pending: 20, price: 75, status: 'available' };
const HOUR_MS = 3_600_000;
const NOON = Date.parse('2022-11-01T12:00:00Z');
const iso = (hours: number): string => new Date(NOON + hours * HOUR_MS).toISOString();

const matchOf = (sale?: SaleView): MatchView => ({
  matchNumber: 12,
  roundNumber: 1,
  dateUtc: '2022-11-21T10:00:00Z',
  location: 'Al Bayt Stadium',
  homeTeam: 'Qatar',
  awayTeam: 'Ecuador',
  group: 'A',
  availability: { category1: { ...OPEN, ...(sale && { sale }) }, category2: OPEN, category3: OPEN },
});

/** A presale by code from 1 to 3, then sales for everybody from 4 on. */
const BEFORE: SaleView = {
  state: 'not_yet',
  name: 'Members',
  opensAt: iso(1),
  closesAt: iso(3),
  access: 'code',
  ticketsPerPersonMax: 1,
  next: { name: 'Everybody', opensAt: iso(4) },
};

describe('a sale in phases', () => {
  it('stays as it was told while nothing begins or ends', () => {
    expect(saleAt(BEFORE, NOON)).toBe(BEFORE);
    const match = matchOf(BEFORE);
    expect(matchAt(match, NOON)).toBe(match);
    expect(matchAt(matchOf(), NOON + 9 * HOUR_MS).availability).toEqual(matchOf().availability);
  });

  it('begins, ends and goes on as it was told ahead, with the limits of each phase', () => {
    const presale = saleAt(BEFORE, NOON + HOUR_MS);
    expect(presale).toEqual({
      state: 'presale',
      name: 'Members',
      opensAt: iso(1),
      closesAt: iso(3),
      access: 'code',
      ticketsPerPersonMax: 1,
      next: { name: 'Everybody', opensAt: iso(4) },
    });
    // The very millisecond is the next phase's.
    expect(saleAt(presale, NOON + 3 * HOUR_MS - 1)).toBe(presale);
    const between = { state: 'not_yet', name: 'Everybody', opensAt: iso(4) };
    expect(saleAt(presale, NOON + 3 * HOUR_MS)).toEqual(between);
    const open = { state: 'open', name: 'Everybody', opensAt: iso(4) };
    // However much was slept through.
    expect(saleAt(BEFORE, NOON + 5 * HOUR_MS)).toEqual(open);
  });

  it('is closed when its last phase is over', () => {
    const last: SaleView = { state: 'open', opensAt: iso(0), closesAt: iso(1) };
    expect(saleAt(last, NOON + HOUR_MS)).toEqual({ state: 'closed' });
    expect(standingOf({ ...OPEN, sale: { state: 'closed' } })).toBe('closed');
  });

  it('of several that are on at once tells the one for everybody first, and goes on with what is left', () => {
    const both: SaleView = {
      state: 'open',
      name: 'Everybody',
      closesAt: iso(1),
      ticketsPerReservationMax: 1,
      also: [{ name: 'Members', access: 'code', closesAt: iso(2), ticketsPerReservationMax: 4 }],
    };
    const view = { ...OPEN, sale: both };
    expect([codeFor(view), codeFor({ ...OPEN, sale: saleAt(both, NOON + HOUR_MS) })]).toEqual([
      'optional',
      'required',
    ]);
    expect(phaseFor(view, false)).toMatchObject({ name: 'Everybody' });
    expect(phaseFor(view, true)).toMatchObject({ name: 'Members' });
    expect([codeFor(OPEN), codeFor(null), phaseFor(OPEN, true)]).toEqual(['none', 'none', null]);
  });

  it('says when it changes next, once for each moment', () => {
    const match = matchOf(BEFORE);
    expect(nextChangeOf(match, NOON)).toBe(NOON + HOUR_MS);
    expect(nextChangeOf(match, NOON + HOUR_MS)).toBe(NOON + 3 * HOUR_MS);
    expect(nextChangeOf(match, NOON + 4 * HOUR_MS)).toBeNull();
    expect(nextChangeOf(matchOf(), NOON)).toBeNull();
    expect(nextChangeOf(matchOf({ state: 'not_yet', opensAt: 'soon' }), NOON)).toBeNull();
  });

  it('decides what can be held, after what will not come back and before what may', () => {
    expect(canBeHeld(matchOf(BEFORE), 1)).toBe(false);
    expect(canBeHeld(matchAt(matchOf(BEFORE), NOON + HOUR_MS), 1)).toBe(true);
    expect(standingOf({ ...OPEN, sale: BEFORE })).toBe('not_yet');
    expect(standingOf({ ...OPEN, sale: BEFORE, available: 0, pending: 0, status: 'sold_out' })).toBe(
      'sold_out',
    );
    expect(standingOf({ ...OPEN, sale: BEFORE, paused: true })).toBe('paused');
    expect([openingOf(BEFORE), openingOf({ state: 'open', opensAt: iso(0) })]).toEqual([
      NOON + HOUR_MS,
      null,
    ]);
  });

  it('tells search engines when it opens', () => {
    const event = sportsEvent(matchOf(BEFORE), {
      url: 'https://example.org/matches/12',
      name: '',
      description: '',
      language: 'en',
      nameOf: (name) => name,
      categoryName: String,
      currency: 'usd',
    }) as { offers: { availability: string; validFrom?: string }[] };
    expect(event.offers.map(({ availability, validFrom }) => [availability, validFrom])).toEqual([
      ['https://schema.org/PreOrder', iso(1)],
      ['https://schema.org/InStock', undefined],
      ['https://schema.org/InStock', undefined],
    ]);
  });
});

describe('phases in the list of matches', () => {
  it('come with the stream and with a reading, which leaves the figures of the stream', () => {
    const known = [matchOf()];
    const told = { matchNumber: 12, category: 1, ...OPEN, sale: BEFORE };
    const [live] = applyTickets(known, [told]);
    expect(live?.availability.category1.sale).toEqual(BEFORE);
    expect(applyTickets([live!], [{ ...told, sale: { ...BEFORE } }])[0]).toBe(live);

    const sold = matchOf(BEFORE);
    const [read] = withFacts(
      [{ ...sold, availability: { ...sold.availability, category1: { ...OPEN, pending: 3 } } }],
      [sold],
    );
    expect(read?.availability.category1).toEqual({ ...OPEN, pending: 3, sale: BEFORE });
    expect(withFacts([read!], [sold])[0]).toBe(read);
    expect(withFacts([read!], [matchOf()])[0]?.availability.category1).toEqual({ ...OPEN, pending: 3 });
  });
});

describe('how many may be asked for', () => {
  it('is the narrowest of what the shop, the phase and the category allow, and at least one', () => {
    expect(perReservationMax(null, 2)).toBe(2);
    expect(perReservationMax({ ticketsPerReservationMax: 1 }, 2)).toBe(1);
    expect(perReservationMax({ ticketsPerReservationMax: 4 }, 2)).toBe(2);
    expect(perReservationMax({ ticketsPerPersonMax: 1 }, 2)).toBe(1);
    expect([quantityMax(OPEN, 2), quantityMax({ ...OPEN, pending: 0 }, 2)]).toEqual([2, 1]);
  });

  it('is kept in the address of the page on the way through the waiting room', () => {
    const chosen = { category: 2, quantity: 2 } as const;
    const path = pathOf(12, chosen);
    expect(path).toBe('/matches/12?category=2&quantity=2');
    expect(chosenIn(path.slice(path.indexOf('?')))).toEqual(chosen);
    expect(pathOf(12, { category: null, quantity: 2 })).toBe('/matches/12');
    expect(chosenIn('?category=4&quantity=-1')).toEqual({ category: null, quantity: 1 });
    expect(chosenIn('')).toEqual({ category: null, quantity: 1 });
  });
});

describe('the time until an opening', () => {
  it('is told in days and hours, then by the clock, and is over only when it is', () => {
    const DAY_MS = 24 * HOUR_MS;
    expect(untilAt(3 * DAY_MS, 0)).toMatchObject({ days: 3, hours: 0, isOver: false, nextMs: HOUR_MS });
    expect(untilAt(3 * DAY_MS, 1)).toMatchObject({ days: 3, hours: 0, nextMs: HOUR_MS - 1 });
    expect(untilAt(DAY_MS + 1, 0)).toMatchObject({ days: 1, hours: 1, nextMs: 1 });
    expect(untilAt(DAY_MS, 0)).toMatchObject({ days: 0, hours: 24, minutes: 0, seconds: 0, nextMs: 1_000 });
    expect(untilAt(61_500, 0)).toMatchObject({ days: 0, hours: 0, minutes: 1, seconds: 2, nextMs: 500 });
    expect(untilAt(1, 0)).toMatchObject({ seconds: 1, isOver: false });
    expect(untilAt(0, 5)).toMatchObject({ seconds: 0, isOver: true, nextMs: 0 });
  });
});
