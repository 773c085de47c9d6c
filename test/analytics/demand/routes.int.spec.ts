/** What operators are told of demand, and nobody else: from ledgers to the answer. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { TicketCounters } from '../../../src/actors/ports.js';
import { makeDemand } from '../../../src/analytics/demand/index.js';
import { SalesBook } from '../../../src/operations/sales/book.js';
import { SalesProjection } from '../../../src/operations/sales/projection.js';
import { SalesRecords } from '../../../src/operations/sales/records.js';
import { systemClock } from '../../../src/process/clock.js';
import { requireOperator } from '../../../src/users/operators.js';
import { silentLogger, until } from '../../helpers/engine.js';
import { MemoryDocuments } from '../../helpers/memory-documents.js';
import { bearer, startBench, type Bench, type Reply } from '../../http/bench.js';
import { accessTokenOf, someMatch } from '../../http/fakes.js';
import { DAY, HOUR, MemoryLedger, T11, T12, T21, remote, sold } from '../../operations/ledger.js';

const OPERATOR = bearer(accessTokenOf({ accountId: 'boss', roles: ['operator'] }));
const PATH = '/api/v1/operations/demand';
const T13 = { matchNumber: 1, category: 3 };
const T22 = { matchNumber: 2, category: 2 };
const T23 = { matchNumber: 2, category: 3 };
/** Both matches are some days later. */
const NOW = Date.UTC(2022, 10, 10, 12, 30);

let bench: Bench;
let now: number;
let reads: number;
let read: () => Promise<void>;
let counters: TicketCounters[];

const standing = (fields: Partial<TicketCounters>): TicketCounters => ({
  ...T11,
  capacity: 100,
  available: 40,
  pending: 38,
  price: 75,
  currency: 'USD',
  closed: false,
  soldHere: 30,
  soldElsewhere: 30,
  heldHere: 1,
  heldElsewhere: 1,
  incarnation: 1,
  version: 1,
  ...fields,
});

beforeEach(async () => {
  now = NOW;
  reads = 0;
  read = () => Promise.resolve();
  const ledger = new MemoryLedger();
  // Six a day: sold out in about a week, and the match is in ten days.
  for (let hours = 20 * 24; hours > 0; hours -= 8) ledger.append(T11, [sold(NOW - hours * HOUR)]);
  // Two a day of many.
  for (let day = 20; day > 0; day -= 1) ledger.append(T12, [sold(NOW - day * DAY)]);
  // Seven, when there were five.
  ledger.append(T21, [remote(NOW - 3 * DAY, 7, '=late')]);
  counters = [
    standing({ ...T12, available: 500, pending: 500 }),
    standing({}),
    standing({ ...T13, available: 3, pending: 0 }),
    standing({ ...T21, available: -2, pending: -3, soldHere: 40, heldHere: 0, heldElsewhere: 1 }),
    standing({ ...T22, paused: true }),
    standing({ ...T23, closed: true, cancelled: true }),
  ];
  const records = new SalesRecords(new MemoryDocuments());
  const tickets = (): (typeof T11)[] => [T11, T12, T13, T21, T22, T23];
  const options = { archive: ledger, records, clock: systemClock, logger: silentLogger, everyMs: 2 };
  const projection = new SalesProjection({ ...options, tickets });
  projection.start();
  await until(() => projection.standing().isComplete);
  await projection.stop();
  const book = new SalesBook(records);
  bench = await startBench({
    moreRoutes: [
      ...makeDemand({
        book: {
          read: (from, to) => {
            reads += 1;
            return read().then(() => book.read(from, to));
          },
        },
        standing: () => ({ asOf: now - 1_000, isComplete: true }),
        matches: async () => [1, 2].map((number) => someMatch(number)),
        tickets,
        counters: async () => counters,
        market: async () => ({
          remote: new Map([
            ['=late/r1', { held: 1, sold: 3 }],
            ['=late/r2', { held: 0, sold: 4 }],
            ['other%2Fone', { held: 0, sold: 1 }],
          ]),
        }),
        clock: { ...systemClock, now: () => now },
        waitMs: 200,
        clientId: 'ticktak',
        requireOperator: (principal) => requireOperator(principal, { secondFactor: 'optional' }),
      }),
    ],
  });
});
afterEach(() => bench.stop());

const ask = (query = '', headers = OPERATOR): Promise<Reply> =>
  bench.call('GET', `${PATH}${query}`, undefined, headers);

interface Ticket {
  readonly matchNumber: number;
  readonly category: number;
  readonly outlook: string;
  readonly median?: string | null;
  readonly earliest?: string | null;
  readonly latest?: string | null;
  readonly endsAt: string;
}
const ticketsOf = ({ body }: Reply): readonly Ticket[] => body['tickets'] as readonly Ticket[];

describe('GET /api/v1/operations/demand', () => {
  it('tells what is oversubscribed first, then what sells out soonest, then why nothing is said of the others', async () => {
    const reply = await ask();
    expect([reply.status, reply.headers.get('Cache-Control')]).toEqual([200, 'no-store']);
    expect(
      ticketsOf(reply).map(({ matchNumber, category, outlook }) => [matchNumber, category, outlook]),
    ).toEqual([
      [2, 1, 'sold_out'],
      [1, 1, 'forecast'],
      [1, 2, 'forecast'],
      [1, 3, 'temporarily_unavailable'],
      [2, 2, 'paused'],
      [2, 3, 'cancelled'],
    ]);
    const [over, soon, never] = ticketsOf(reply);
    expect(soon).toMatchObject({
      label: 'Qatar – Ecuador',
      kickOff: '2022-11-20T16:00:00.000Z',
      endsAt: '2022-11-20T16:00:00.000Z',
      isPastKickoff: false,
      held: 2,
      soldLastDay: 4,
      soldLastWeek: 40,
      holders: [],
    });
    const days = (Date.parse(soon?.median ?? '') - NOW) / DAY;
    expect(days).toBeGreaterThan(5);
    expect(days).toBeLessThan(9);
    expect(Date.parse(soon?.earliest ?? '')).toBeLessThan(Date.parse(soon?.median ?? ''));
    expect(never).toMatchObject({ median: null, latest: null, chance: 0 });
    expect(over).toMatchObject({
      oversubscribed: 3,
      holders: [
        { clientId: 'ticktak', isOwn: true, held: 0, sold: 40 },
        { clientId: '=late', held: 1, sold: 7 },
        { clientId: 'other/one', held: 0, sold: 1 },
      ],
      oversubscribers: [{ clientId: '=late', hours: 1, ticketsMost: 2 }],
    });
    expect(over).not.toHaveProperty('chance');
    expect(reply.body).toMatchObject({
      asOf: new Date(NOW - 1_000).toISOString(),
      isComplete: true,
      more: false,
      oversubscribers: [{ clientId: '=late', hours: 1, ticketsMost: 2, tickets: 1 }],
    });
  });

  it('tells of one match when asked to', async () => {
    expect(ticketsOf(await ask('?match=2')).map(({ matchNumber }) => matchNumber)).toEqual([2, 2, 2]);
    expect(ticketsOf(await ask('?match=99'))).toEqual([]);
    expect((await ask('?match=0')).status).toBe(422);
    expect((await ask('?format=xml')).status).toBe(422);
  });

  it('looks some days ahead where a match has begun and is still on sale', async () => {
    now = Date.UTC(2022, 10, 20, 17);
    const soon = ticketsOf(await ask('?match=1')).find(({ category }) => category === 1);
    expect(soon).toMatchObject({ isPastKickoff: true, endsAt: new Date(now + 30 * DAY).toISOString() });
  });

  it('is made once for all who ask within some seconds, and anew when it failed', async () => {
    await Promise.all([ask(), ask(), ask('?match=1')]);
    expect(reads).toBe(1);
    now += 10_000;
    read = () => Promise.reject(new Error('away'));
    expect((await ask()).status).toBe(503);
    read = () => Promise.resolve();
    expect((await ask()).status).toBe(200);
    expect(reads).toBe(3);
  });

  it('is CSV for spreadsheets: one line for each ticket, nothing to calculate', async () => {
    const { headers, text } = await ask('?format=csv');
    expect(headers.get('Content-Type')).toBe('text/csv; charset=utf-8; header=present');
    expect(headers.get('Content-Disposition')).toBe('attachment; filename="ticktak-demand-2022-11-10.csv"');
    const [header, over, soon, ...rest] = text.split('\r\n');
    expect(header).toMatch(
      /^match,label,category,kick_off,capacity,available,pending,held,oversubscribed,outlook,/,
    );
    expect(over).toBe(
      "2,England – IR Iran,1,2022-11-21T16:00:00.000Z,100,-2,-3,1,3,sold_out,,,,,,0,7,ticktak 40; =late 8; other/one 1,'=late 1",
    );
    expect(soon).toMatch(
      /^1,Qatar – Ecuador,1,2022-11-20T16:00:00.000Z,100,40,38,2,0,forecast,0\.\d+,2022-11-1/,
    );
    expect(rest).toHaveLength(5);
  });

  it('is for operators only, and does not wait for an archive that does not answer', async () => {
    const buyer = bearer(accessTokenOf({ accountId: 'fan', emailConfirmed: true }));
    expect((await ask('', {})).status).toBe(401);
    expect((await ask('', buyer)).status).toBe(403);
    read = () => new Promise(() => undefined);
    const { status, body } = await ask();
    expect([status, body.code]).toEqual([503, 'overloaded']);
  });
});
