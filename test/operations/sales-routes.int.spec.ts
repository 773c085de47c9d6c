/** What operators are told of sales, and nobody else. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SalesBook } from '../../src/operations/sales/book.js';
import type { Standing } from '../../src/archive/ledger-walk.js';
import { SalesProjection } from '../../src/operations/sales/projection.js';
import { SalesRecords } from '../../src/operations/sales/records.js';
import { salesFigureRoutes } from '../../src/operations/sales/routes.js';
import { systemClock } from '../../src/process/clock.js';
import { requireOperator } from '../../src/users/operators.js';
import { silentLogger, until } from '../helpers/engine.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import { bearer, startBench, type Bench, type Reply } from '../http/bench.js';
import { accessTokenOf, someMatch } from '../http/fakes.js';
import { DAY, HOUR, MemoryLedger, NOON, T11, T21, loaded, refunded, remote, sold } from './ledger.js';

const OPERATOR = bearer(accessTokenOf({ accountId: 'boss', roles: ['operator'] }));
const PATH = '/api/v1/operations/sales';

let bench: Bench;
let now: number;
let standing: Standing;
let read: () => Promise<void>;
beforeEach(async () => {
  now = NOON + 2 * DAY + HOUR / 2;
  standing = { asOf: now - 1_000, isComplete: true };
  read = () => Promise.resolve();
  const ledger = new MemoryLedger();
  ledger.append(T11, [
    loaded(NOON - 40 * DAY),
    sold(NOON - 40 * DAY, { quantity: 1 }),
    sold(NOON, { country: 'QA' }),
    sold(NOON + DAY, { country: 'EC', quantity: 1 }),
    refunded(NOON + DAY, 1, { country: 'QA' }),
    remote(NOON, 3, '=cmd|calc'),
  ]);
  ledger.append(T21, [sold(NOON + 2 * DAY, { matchNumber: 2, unitPrice: 12.5 })]);
  const records = new SalesRecords(new MemoryDocuments());
  const options = { archive: ledger, records, clock: systemClock, logger: silentLogger, everyMs: 2 };
  const projection = new SalesProjection({ ...options, tickets: () => [T11, T21] });
  projection.start();
  await until(() => projection.standing().isComplete);
  await projection.stop();
  const book = new SalesBook(records);
  bench = await startBench({
    moreRoutes: salesFigureRoutes({
      book: { read: (from, to) => read().then(() => book.read(from, to)) },
      projection: { standing: () => standing },
      matches: async () => [1, 2].map((number) => ({ ...someMatch(number), awayTeam: 'TBA, "soon"' })),
      clock: { ...systemClock, now: () => now },
      waitMs: 200,
      clientId: 'ticktak',
      currency: 'USD',
      requireOperator: (principal) => requireOperator(principal, { secondFactor: 'optional' }),
    }),
  });
});
afterEach(() => bench.stop());

const ask = (query = '', headers = OPERATOR): Promise<Reply> =>
  bench.call('GET', `${PATH}${query}`, undefined, headers);

interface Answer {
  readonly from: string;
  readonly to: string;
  readonly series: readonly {
    readonly key: string;
    readonly label?: string;
    readonly points: readonly object[];
  }[];
}
const answerOf = ({ body }: Reply): Answer => body as unknown as Answer;

describe('GET /api/v1/operations/sales', () => {
  it('answers the last 30 days by the day', async () => {
    const { status, body, headers } = await ask();
    expect(status).toBe(200);
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(body).toMatchObject({
      from: '2022-10-24T00:00:00.000Z',
      to: '2022-11-23T00:00:00.000Z',
      bucket: 'day',
      by: 'none',
      currency: 'USD',
      asOf: new Date(now - 1_000).toISOString(),
      isComplete: true,
      totals: {
        sold: 5,
        refunded: 1,
        revenueMinor: 25_000,
        refundedMinor: 7_500,
        soldElsewhere: 3,
        refundedElsewhere: 0,
      },
    });
    expect(body).not.toHaveProperty('otherCurrencies');
    const [all, ...others] = answerOf({ body } as Reply).series;
    expect(others).toEqual([]);
    expect(all?.points).toHaveLength(30);
    expect(all?.points.at(-1)).toEqual({
      at: '2022-11-22T00:00:00.000Z',
      sold: 2,
      refunded: 0,
      revenueMinor: 2_500,
      refundedMinor: 0,
      soldElsewhere: 0,
      refundedElsewhere: 0,
    });
  });

  it.each<[string, string, string]>([
    ['?from=2022-11-20&to=2022-11-20', '2022-11-20T00:00', '2022-11-21T00:00'],
    ['?from=2022-11-20T16:00:00Z&to=2022-11-21T00:00:00Z', '2022-11-20T00:00', '2022-11-21T00:00'],
    ['?from=2022-11-20T23:30:00%2B03:00&to=2022-11-21&bucket=hour', '2022-11-20T20:00', '2022-11-22T00:00'],
    ['?bucket=hour', '2022-11-08T17:00', '2022-11-22T17:00'],
    ['?to=2022-11-22', '2022-10-24T00:00', '2022-11-23T00:00'],
    ['?from=2022-11-21', '2022-11-21T00:00', '2022-11-23T00:00'],
    ['?from=2020-01-01&to=2022-12-31', '2020-01-01T00:00', '2023-01-01T00:00'],
  ])('takes %s as whole buckets from %s to before %s', async (query, from, to) => {
    const reply = await ask(query);
    expect([reply.status, answerOf(reply).from, answerOf(reply).to]).toEqual([
      200,
      `${from}:00.000Z`,
      `${to}:00.000Z`,
    ]);
  });

  it.each([
    ['?from=yesterday', 'from', 'a date'],
    ['?from=2022-13-01', 'from', 'a date'],
    ['?to=2022-11-20T16:00', 'to', 'a date'],
    ['?from=2022-11-21&to=2022-11-20', 'from', 'before'],
    ['?from=2022-11-21T00:00:00Z&to=2022-11-21T00:00:00Z', 'from', 'before'],
    ['?from=2022-11-01&to=2022-11-15&bucket=hour', 'from', 'at most 14 days'],
    ['?from=2019-01-01&to=2022-11-15', 'from', 'at most 1098 days'],
    ['?from=0001-01-01', 'from', 'at most 1098 days'],
    ['?bucket=minute', 'bucket', 'hour'],
    ['?by=buyer', 'by', 'marketplace'],
    ['?by=match&by=country', 'by', ''],
    ['?format=xml', 'format', 'csv'],
  ])('refuses %s, and says why', async (query, path, words) => {
    const { status, body } = await ask(query);
    expect(status).toBe(422);
    expect(body).toMatchObject({
      code: 'validation_failed',
      errors: [{ path, message: expect.stringContaining(words) }],
    });
  });

  it('names matches', async () => {
    const { series } = answerOf(await ask('?by=match'));
    expect(series.map(({ key, label }) => [key, label])).toEqual([
      ['1', 'Qatar – TBA, "soon"'],
      ['2', 'England – TBA, "soon"'],
    ]);
  });

  it('says where buyers are, and which marketplace is ours', async () => {
    expect((await ask('?by=country')).body).toMatchObject({
      series: [
        { key: 'QA', totals: { sold: 2, refunded: 1 } },
        { key: 'ZZ', totals: { sold: 2 } },
        { key: 'EC', totals: { sold: 1 } },
      ],
    });
    expect((await ask('?by=marketplace')).body).toMatchObject({
      series: [
        { key: 'ticktak', isOwn: true, totals: { revenueMinor: 25_000, valueMinor: 25_000 } },
        { key: '=cmd|calc', totals: { sold: 3, revenueMinor: 0, valueMinor: 22_500 } },
      ],
    });
  });

  it('says when it is not complete; what is not known at all is told as nothing of the range', async () => {
    standing = { asOf: NOON, isComplete: false };
    expect((await ask()).body).toMatchObject({ asOf: new Date(NOON).toISOString(), isComplete: false });
    standing = { asOf: null, isComplete: false };
    expect((await ask()).body).toMatchObject({ asOf: '2022-10-24T00:00:00.000Z', isComplete: false });
  });

  it('is CSV for spreadsheets: the same numbers, money in whole units, nothing to calculate', async () => {
    const { status, headers, text } = await ask('?by=marketplace&format=csv&from=2022-11-20&to=2022-11-21');
    expect(status).toBe(200);
    expect(headers.get('Content-Type')).toBe('text/csv; charset=utf-8; header=present');
    expect(headers.get('Content-Disposition')).toBe(
      'attachment; filename="ticktak-sales-marketplace-2022-11-20-2022-11-21.csv"',
    );
    expect(text.split('\r\n')).toEqual([
      'at,marketplace,label,currency,sold,refunded,revenue,refunds,value',
      '2022-11-20T00:00:00.000Z,ticktak,,USD,2,0,150,0,150',
      '2022-11-21T00:00:00.000Z,ticktak,,USD,1,1,75,75,75',
      "2022-11-20T00:00:00.000Z,'=cmd|calc,,USD,3,0,0,0,225",
      "2022-11-21T00:00:00.000Z,'=cmd|calc,,USD,0,0,0,0,0",
      '',
    ]);
    const matches = (await ask('?by=match&format=csv&from=2022-11-22&to=2022-11-22')).text.split('\r\n');
    expect(matches).toEqual([
      'at,match,label,currency,sold,refunded,revenue,refunds,sold_elsewhere,refunded_elsewhere',
      '2022-11-22T00:00:00.000Z,2,"England – TBA, ""soon""",USD,2,0,25,0,0,0',
      '',
    ]);
  });

  it('is for operators only', async () => {
    const buyer = bearer(accessTokenOf({ accountId: 'fan', emailConfirmed: true }));
    expect((await ask('', {})).status).toBe(401);
    expect((await ask('', buyer)).status).toBe(403);
    expect((await ask('?format=csv', buyer)).status).toBe(403);
  });

  it('does not wait for an archive that does not answer', async () => {
    read = () => new Promise(() => undefined);
    const { status, body } = await ask();
    expect([status, body.code]).toEqual([503, 'overloaded']);
  });
});
