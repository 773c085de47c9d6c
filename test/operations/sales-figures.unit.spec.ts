/** What events count, how months add up, and what an answer makes of them. */
import { describe, expect, it } from '@jest/globals';
import fc from '../helpers/property.js';
import { csvOf } from '../../src/operations/csv.js';
import type { MonthSales } from '../../src/operations/sales/book.js';
import { PEER_TIME_MS_MAX, factOf, priceAfter } from '../../src/operations/sales/facts.js';
import {
  BUCKETS,
  GROUPINGS,
  SERIES_MAX,
  figuresOf,
  type FiguresRequest,
} from '../../src/operations/sales/figures.js';
import {
  EMPTY_MONTH,
  PEERS_MAX,
  REST,
  ROW,
  counted,
  monthOf,
  monthSchema,
  monthStart,
  rowsOf,
  type PlacedFact,
  type StoredMonth,
} from '../../src/operations/sales/month.js';
import {
  apply,
  decide,
  initialState,
  type Command,
  type TicketEvent,
  type TicketId,
} from '../../src/rules/index.js';
import { POLICY } from '../http/fakes.js';
import { DAY, HOUR, NOON, T11, T12, T21, held, loaded, refunded, remote, sold } from './ledger.js';

const PRICE = { price: 75, currency: 'USD' };
const MONTH = '2022-11';
const START = monthStart(MONTH);

function placed(events: readonly TicketEvent[], from = 1, incarnation = 1): PlacedFact[] {
  return events.flatMap((event, index) => {
    const fact = factOf(event, PRICE);
    return fact ? [{ position: { incarnation, sequence: from + index }, fact }] : [];
  });
}

function monthWith(events: readonly TicketEvent[], from = EMPTY_MONTH, first = 1): StoredMonth {
  const through = { incarnation: 1, sequence: first + events.length - 1 };
  return counted(from, START, placed(events, first), through);
}

const salesOf = (ticket: TicketId, stored: StoredMonth): MonthSales => ({
  ticket,
  start: START,
  groups: stored.groups,
  rows: Float64Array.from(rowsOf(stored)),
});

const request = (more: Partial<FiguresRequest> = {}): FiguresRequest => ({
  from: Date.UTC(2022, 10, 20),
  to: Date.UTC(2022, 10, 22),
  bucket: 'day',
  by: 'none',
  clientId: 'ticktak',
  currency: 'USD',
  ...more,
});

describe('an event', () => {
  it('counts when it sells, with the price of the sale and the country of the buyer', () => {
    expect(factOf(sold(NOON, { quantity: 2, unitPrice: 80, country: 'QA' }), PRICE)).toEqual({
      at: NOON,
      country: 'QA',
      currency: 'USD',
      sold: 2,
      refunded: 0,
      soldMinor: 16_000,
      refundedMinor: 0,
    });
  });

  it('counts when it refunds: what this refund gives back, not what is left or was given back before', () => {
    const event = refunded(NOON, 1, { quantity: 1, refundedQuantity: 2, unitPrice: 75 });
    expect(factOf(event, PRICE)).toMatchObject({ sold: 0, refunded: 1, soldMinor: 0, refundedMinor: 7_500 });
  });

  it('counts when it sells or takes back at a peer, at the price that the ticket has here then', () => {
    const dearer = priceAfter(loaded(NOON, 100), PRICE);
    expect(priceAfter(held(NOON), dearer)).toBe(dearer);
    expect(factOf(remote(NOON, 3, 'blue'), dearer)).toEqual({
      at: NOON,
      peer: 'blue',
      currency: 'USD',
      sold: 3,
      refunded: 0,
      soldMinor: 30_000,
      refundedMinor: 0,
    });
    expect(factOf(remote(NOON, -2, 'blue'), PRICE)).toMatchObject({
      sold: 0,
      refunded: 2,
      refundedMinor: 15_000,
    });
  });

  it('counts when an operator decides that a peer gave tickets back, and not when it gave none', () => {
    const decided = (givenBack: number): TicketEvent => ({
      type: 'orphanDecided',
      at: NOON,
      orphanId: 'o',
      clientId: 'blue',
      decision: givenBack > 0 ? 'give_back' : 'dismiss',
      givenBack,
    });
    expect(factOf(decided(2), PRICE)).toMatchObject({ at: NOON, peer: 'blue', sold: 0, refunded: 2 });
    expect(factOf(decided(0), PRICE)).toBeNull();
  });

  it('leaves what the rules say is sold, whatever happens to a ticket', () => {
    const reservationId = fc.constantFrom('r1', 'r2', 'r3');
    const base = { id: fc.uuid(), at: fc.integer({ min: NOON, max: NOON + 20 * DAY }) };
    const quantity = fc.integer({ min: 1, max: 3 });
    const payment = { reservationId, paymentId: fc.constant('p') };
    const typed = <T extends Command['type']>(type: T) => ({ ...base, type: fc.constant(type) });
    const buyer = fc.constantFrom('ann', 'bob');
    const hold = { reservationId, quantity, email: buyer, person: buyer, personElsewhere: fc.constant(0) };
    const command: fc.Arbitrary<Command> = fc.oneof(
      fc.record({ ...typed('hold'), ...hold }),
      fc.record({ ...typed('startPayment'), ...payment }),
      fc.record({ ...typed('confirm'), ...payment }),
      fc.record({ ...typed('failPayment'), ...payment, reason: fc.constant('expired' as const) }),
      fc.record({ ...typed('refund'), reservationId, quantity }),
      fc
        .record({
          ...typed('remote'),
          action: fc.constantFrom('pending' as const, 'reserved' as const, 'cancelled' as const),
          clientId: fc.constantFrom('blue', 'red'),
          quantity,
          recordedAt: base.at,
          of: fc.option(reservationId),
        })
        .map(({ of, ...rest }) => ({ ...rest, ...(of !== null && { reservationId: of }) })),
      fc.record({
        ...typed('decideOrphan'),
        orphanId: fc.constant(''),
        decision: fc.constantFrom('give_back' as const, 'dismiss' as const),
      }),
      fc.record({ ...typed('close'), endHolds: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(command, { minLength: 20, maxLength: 60 }), (commands) => {
        const load: Command = { type: 'load', id: 'l', at: NOON, capacity: 40, price: 75, currency: 'USD' };
        let state = initialState(T11);
        const events: TicketEvent[] = [];
        for (const one of [load, ...commands]) {
          const orphanId = [...state.orphans.keys()][0] ?? 'none';
          const decided = decide(state, one.type === 'decideOrphan' ? { ...one, orphanId } : one, POLICY);
          for (const event of decided.events) state = apply(state, event);
          events.push(...decided.events);
        }
        const sums = { here: 0, elsewhere: 0 };
        for (const { fact } of placed(events)) {
          sums[fact.peer === undefined ? 'here' : 'elsewhere'] += fact.sold - fact.refunded;
        }
        expect(sums).toEqual({ here: state.soldHere, elsewhere: state.soldElsewhere });
      }),
      { numRuns: 300 },
    );
  });

  it.each<[string, TicketEvent]>([
    ['a hold', held(NOON)],
    ['a hold of a peer', remote(NOON, 0)],
    ['an entry of the master list', loaded(NOON)],
    ['a close', { type: 'closed', at: NOON }],
    ['a hold given back', { ...(held(NOON) as Extract<TicketEvent, { type: 'held' }>), type: 'released' }],
  ])('does not count when it is %s', (_what, event) => {
    expect(factOf(event, PRICE)).toBeNull();
  });

  it('of a peer is of when it was sent, unless that cannot be', () => {
    const at = (recordedAt: number): unknown => factOf(remote(NOON, 1, 'p', { recordedAt }), PRICE)?.at;
    expect(at(NOON - 90 * DAY)).toBe(NOON - 90 * DAY);
    expect([at(NOON + 1), at(0), at(NOON - PEER_TIME_MS_MAX), at(-1), at(NaN)]).toEqual(
      Array.from({ length: 5 }, () => NOON),
    );
  });

  it('has amounts as the currency counts them', () => {
    expect(factOf(sold(NOON, { unitPrice: 1_000, currency: 'jpy', quantity: 2 }), PRICE)).toMatchObject({
      soldMinor: 2_000,
      currency: 'JPY',
    });
  });
});

describe('a month', () => {
  it('has a row per hour and group, and reads back from its text', () => {
    const month = monthWith([
      sold(NOON, { country: 'QA' }),
      sold(NOON + HOUR - 1, { country: 'QA' }),
      sold(NOON + HOUR, { country: 'QA' }),
      sold(NOON, { country: 'EC' }),
      sold(NOON),
      remote(NOON, 4, 'blue'),
      refunded(NOON, 1, { country: 'QA' }),
    ]);
    expect(monthSchema.parse(JSON.parse(JSON.stringify(month)))).toEqual(month);
    expect(month.groups).toEqual([
      { country: 'QA', currency: 'USD' },
      { country: 'EC', currency: 'USD' },
      { currency: 'USD' },
      { peer: 'blue', currency: 'USD' },
    ]);
    const hour = 19 * 24 + 16;
    const rows = rowsOf(month);
    expect(rows.slice(0, ROW.width)).toEqual([hour, 0, 4, 1, 30_000, 7_500]);
    expect(rows.length / ROW.width).toBe(5);
  });

  it('covers its first and its last hour', () => {
    const last = Date.UTC(2022, 11, 1) - 1;
    expect([monthOf(START), monthOf(START - 1), monthOf(last)]).toEqual(['2022-11', '2022-10', '2022-11']);
    const rows = rowsOf(monthWith([sold(START), sold(last)]));
    expect([rows[ROW.hour], rows[ROW.width + ROW.hour]]).toEqual([0, 30 * 24 - 1]);
  });

  it('counts an event once, however often and in whatever pieces it is handed over', () => {
    const event = fc.oneof(
      fc
        .record({ at: fc.integer({ min: 0, max: 100 }), quantity: fc.integer({ min: 1, max: 4 }) })
        .map(({ at, quantity }) => sold(START + at * HOUR, { quantity })),
      fc.integer({ min: 0, max: 100 }).map((at) => refunded(START + at * HOUR, 1)),
      fc.integer({ min: 0, max: 100 }).map((at) => held(START + at * HOUR)),
      fc
        .record({ at: fc.integer({ min: 0, max: 100 }), by: fc.integer({ min: -3, max: 3 }) })
        .map(({ at, by }) => remote(START + at * HOUR, by, 'blue')),
    );
    const pieces = fc.array(fc.record({ back: fc.nat(8), length: fc.integer({ min: 1, max: 8 }) }));
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), pieces, (events, cuts) => {
        const whole = monthWith(events);
        let month = EMPTY_MONTH;
        let done = 0;
        for (const { back, length } of [...cuts, { back: 0, length: events.length }]) {
          // What was counted before a crash is handed over again from an older cursor on.
          const from = Math.max(0, done - back);
          const piece = events.slice(from, Math.max(done, from + length));
          if (piece.length === 0) continue;
          month = monthWith(piece, month, from + 1);
          done = Math.max(done, from + piece.length);
        }
        expect(month.rows).toBe(events.length === 0 ? '' : whole.rows);
      }),
    );
  });

  it('goes on under a new incarnation', () => {
    const first = monthWith([sold(NOON), sold(NOON)]);
    const anew = counted(first, START, placed([sold(NOON)], 1, 2), { incarnation: 2, sequence: 1 });
    expect(rowsOf(anew)[ROW.sold]).toBe(6);
    // A sleeper with the events of the first.
    expect(counted(anew, START, placed([sold(NOON), sold(NOON)]), { incarnation: 1, sequence: 2 })).toBe(
      anew,
    );
  });

  it('keeps so many peers apart and counts the others together, however they are called', () => {
    const many = Array.from({ length: PEERS_MAX + 50 }, (_, index) => remote(NOON, 1, `p${index}`));
    const month = monthWith([...many, remote(NOON, 1, 'p0'), remote(NOON, 1, '__proto__'), sold(NOON)]);
    expect(month.groups).toHaveLength(PEERS_MAX + 2);
    const of = (peer: string): number | undefined => {
      const rows = rowsOf(month);
      const group = month.groups.findIndex((one) => one.peer === peer);
      const at = rows.findIndex((number, index) => index % ROW.width === ROW.group && number === group);
      return rows[at - ROW.group + ROW.sold];
    };
    expect([of('p0'), of('p1'), of(REST)]).toEqual([2, 1, 51]);
  });

  it('that was cut off is refused', () => {
    expect(() => rowsOf({ rows: '1,2,3' })).toThrow('cut off');
    expect(monthSchema.safeParse({ ...EMPTY_MONTH, rows: '1,-2' }).success).toBe(false);
  });
});

describe('figures', () => {
  const months = [
    salesOf(
      T11,
      monthWith([
        sold(NOON, { country: 'QA', quantity: 2 }),
        sold(NOON + DAY, { country: 'EC', quantity: 1 }),
        refunded(NOON + DAY, 1, { country: 'QA' }),
        remote(NOON, 5, 'blue'),
        remote(NOON + DAY, -1, 'blue'),
        sold(NOON + 2 * DAY, { quantity: 4 }),
        sold(NOON - DAY, { quantity: 4 }),
      ]),
    ),
    salesOf(T12, monthWith([sold(NOON, { category: 2, unitPrice: 125, quantity: 1 })])),
    salesOf(T21, monthWith([remote(NOON, 9, 'red'), sold(NOON, { quantity: 2 })])),
  ];

  it('are of the range, day by day, without gaps', () => {
    const { series, totals } = figuresOf(
      months,
      request({ to: Date.UTC(2022, 10, 24), from: NOON - 16 * HOUR }),
    );
    expect(series).toHaveLength(1);
    const [all] = series;
    expect(all?.key).toBe('all');
    expect(all?.points.map(({ at, sold: tickets }) => [new Date(at).toISOString(), tickets])).toEqual([
      ['2022-11-20T00:00:00.000Z', 5],
      ['2022-11-21T00:00:00.000Z', 1],
      ['2022-11-22T00:00:00.000Z', 4],
      ['2022-11-23T00:00:00.000Z', 0],
    ]);
    expect(totals).toEqual({
      sold: 10,
      refunded: 1,
      revenueMinor: 2 * 7_500 + 7_500 + 4 * 7_500 + 12_500 + 2 * 7_500,
      refundedMinor: 7_500,
      soldElsewhere: 14,
      refundedElsewhere: 1,
    });
    expect(all?.totals).toEqual(totals);
  });

  it('are of hours too', () => {
    const { series } = figuresOf(months, request({ bucket: 'hour', from: NOON - HOUR, to: NOON + 2 * HOUR }));
    expect(series[0]?.points.map(({ sold: tickets }) => tickets)).toEqual([0, 5, 0]);
  });

  it('are one series of zeros when nothing was sold, and none of anything else', () => {
    expect(figuresOf([], request()).series).toMatchObject([
      { key: 'all', points: [{ sold: 0 }, { sold: 0 }] },
    ]);
    expect(figuresOf([], request({ by: 'match' })).series).toEqual([]);
  });

  it.each<[FiguresRequest['by'], [string, number, number][]]>([
    // Largest first: by tickets, wherever they were sold.
    [
      'match',
      [
        ['2', 2, 9],
        ['1', 4, 5],
      ],
    ],
    [
      'category',
      [
        ['1', 5, 14],
        ['2', 1, 0],
      ],
    ],
  ])('by %s have ours and those of others', (by, expected) => {
    const { series } = figuresOf(months, request({ by }));
    expect(series.map(({ key, totals }) => [key, totals.sold, totals.soldElsewhere])).toEqual(expected);
  });

  it('by country are ours only', () => {
    const { series, totals } = figuresOf(months, request({ by: 'country' }));
    expect(series.map(({ key, totals: { sold: tickets, refunded: back } }) => [key, tickets, back])).toEqual([
      ['ZZ', 3, 0],
      ['QA', 2, 1],
      ['EC', 1, 0],
    ]);
    expect(totals).toEqual({ sold: 6, refunded: 1, revenueMinor: 50_000, refundedMinor: 7_500 });
  });

  it('by marketplace have no revenue of peers, but the value of what they sold', () => {
    const { series, totals } = figuresOf(months, request({ by: 'marketplace' }));
    const none = { revenueMinor: 0, refundedMinor: 0 };
    expect(series.map(({ points: _points, ...one }) => one)).toEqual([
      { key: 'red', totals: { sold: 9, refunded: 0, ...none, valueMinor: 67_500 } },
      {
        key: 'ticktak',
        isOwn: true,
        totals: { sold: 6, refunded: 1, revenueMinor: 50_000, refundedMinor: 7_500, valueMinor: 50_000 },
      },
      { key: 'blue', totals: { sold: 5, refunded: 1, ...none, valueMinor: 37_500 } },
    ]);
    expect(totals).toEqual(figuresOf(months, request()).totals);
  });

  it('leave out amounts in other currencies, and say so', () => {
    const mixed = [salesOf(T11, monthWith([sold(NOON), sold(NOON, { currency: 'EUR' })]))];
    expect(figuresOf(mixed, request())).toMatchObject({
      totals: { sold: 4, revenueMinor: 15_000 },
      otherCurrencies: ['EUR'],
    });
    expect(figuresOf(months, request()).otherCurrencies).toEqual([]);
  });

  it('have a limit of series: the largest, ours among the marketplaces, and the rest as one', () => {
    const peers = Array.from({ length: SERIES_MAX + 5 }, (_, index) => remote(NOON, 10 + index, `p${index}`));
    const many = [
      salesOf(T11, monthWith([...peers, remote(NOON, 1_000, REST), sold(NOON, { quantity: 1 })])),
    ];
    const { series } = figuresOf(many, request({ by: 'marketplace' }));
    expect(series).toHaveLength(SERIES_MAX + 1);
    expect(series[0]?.key).toBe(`p${SERIES_MAX + 4}`);
    expect(series[SERIES_MAX - 1]).toMatchObject({ key: 'ticktak', totals: { sold: 1 } });
    const smallest = Array.from({ length: 6 }, (_, index) => 10 + index).reduce((a, b) => a + b);
    expect(series.at(-1)).toMatchObject({ key: REST, totals: { sold: 1_000 + smallest } });
  });

  it('add up, whatever is asked', () => {
    const by = fc.constantFrom(...GROUPINGS);
    const bucket = fc.constantFrom(...BUCKETS);
    fc.assert(
      fc.property(by, bucket, (grouping, size) => {
        const { series, totals } = figuresOf(months, request({ by: grouping, bucket: size }));
        const all = (pick: (one: (typeof series)[number]) => number): number =>
          series.reduce((sum, one) => sum + pick(one), 0);
        const peers = grouping === 'marketplace' ? (totals.soldElsewhere ?? 0) : 0;
        expect(all((one) => one.totals.sold)).toBe(totals.sold + peers);
        expect(all((one) => one.totals.revenueMinor)).toBe(totals.revenueMinor);
        for (const one of series) {
          expect(one.points.reduce((sum, point) => sum + point.sold, 0)).toBe(one.totals.sold);
        }
      }),
    );
  });
});

describe('CSV', () => {
  it('quotes what has to be, ends lines as RFC 4180 says, and leaves nothing to a spreadsheet to calculate', () => {
    const text = csvOf(
      ['a', 'b'],
      [
        ['x, "y"', 1.5],
        ['two\nlines', undefined],
        ['=1+1', -2],
        ['+1', '-1'],
        ['@SUM(A1)', '\t=1'],
        ['Côte d’Ivoire', "it's"],
        ['=a,b', ''],
      ],
    );
    expect(text.split('\r\n')).toEqual([
      'a,b',
      '"x, ""y""",1.5',
      '"two\nlines",',
      "'=1+1,-2",
      "'+1,'-1",
      "'@SUM(A1),'\t=1",
      "Côte d’Ivoire,it's",
      '"\'=a,b",',
      '',
    ]);
  });
});
