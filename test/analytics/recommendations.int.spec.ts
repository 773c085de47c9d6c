/** What is recommended, over HTTP: reasons, what is never named, where somebody is taken to be. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Reason } from '../../src/analytics/model/artefact.js';
import type { Visitor } from '../../src/analytics/model/dataset.js';
import type { Served } from '../../src/analytics/recommender/served-model.js';
import { bearer, HOLD, startBench, type Bench, type BenchOptions, type Reply } from '../http/bench.js';
import { accessTokenOf, someMatch } from '../http/fakes.js';

const PEER = { type: 'remote', clientId: 'peer', recordedAt: 0 } as const;
const CATEGORIES = [1, 2, 3] as const;

let bench: Bench;
afterEach(() => bench.stop());

async function open(options: BenchOptions = {}): Promise<void> {
  bench = await startBench(options);
}

const ask = (query = '', headers?: Record<string, string>): Promise<Reply> =>
  bench.call('GET', `/api/v1/recommendations${query === '' ? '' : `?${query}`}`, undefined, headers);

interface Told {
  readonly match: { readonly matchNumber: number };
  readonly reasons: readonly string[];
  readonly because: readonly Reason[];
  readonly score: number;
}
const told = ({ body }: Reply): readonly Told[] => body['recommendations'] as Told[];
const numbers = (reply: Reply): readonly number[] => told(reply).map(({ match }) => match.matchNumber);

const as = (accountId: string, more = {}): Record<string, string> =>
  bearer(accessTokenOf({ accountId, email: `${accountId}@example.com`, emailConfirmed: true, ...more }));

/** A model that likes what is listed, best first, and keeps what it was asked. */
function serve(
  order: readonly number[],
  because: readonly Reason[] = [],
): { readonly served: Served; readonly asked: Visitor[] } {
  const asked: Visitor[] = [];
  const served: Served = {
    version: 7,
    ranker: {
      name: 'fake',
      scores: (visitor, candidates) => {
        asked.push(visitor);
        return Float64Array.from(candidates, (item) => -order.indexOf(item));
      },
      explain: (_visitor, item) => (item === order[0] ? because : []),
    },
  };
  bench.analytics.served = served;
  return { served, asked };
}

describe('while there is no model', () => {
  it('popularity ranks, says so, and says why', async () => {
    await open();
    bench.market.do({ matchNumber: 2, category: 1 }, { ...PEER, action: 'reserved', quantity: 18 });
    bench.market.do({ matchNumber: 2, category: 2 }, { ...PEER, action: 'pending', quantity: 10 });
    const reply = await ask();
    expect(reply.body).toMatchObject({ model: { name: 'popularity' }, country: null });
    expect(told(reply)[0]).toMatchObject({
      match: { matchNumber: 2 },
      because: [{ kind: 'popular' }],
      reasons: [
        'Popular',
        '47% of its tickets are sold or held',
        'Only 2 left in category 1',
        'On sale now in category 1, 2, 3, from 75 USD',
      ],
    });
    expect(reply.headers.get('Cache-Control')).toBe('no-cache');
  });

  it.each([
    ['country=England', 2, 'England'],
    ['country=GB', 2, 'England'],
    ['country=sn', 3, 'Senegal'],
    ['country=Iran', 2, 'IR Iran'],
    ['team=netherlands', 3, 'Netherlands'],
    ['team=Nobody&team=Ecuador', 1, 'Ecuador'],
  ])('the matches of %s come first', async (query, expected, team) => {
    await open();
    const reply = await ask(`limit=1&${query}`);
    expect(told(reply)).toMatchObject([
      { match: { matchNumber: expected }, because: [{ kind: 'your_team', team }] },
    ]);
    expect(told(reply)[0]?.reasons[0]).toBe(`Your team plays: ${team}`);
  });

  it('a country without a match changes nothing', async () => {
    await open();
    expect(numbers(await ask('country=zz'))).toEqual([1, 2, 3, 4]);
  });
});

it.each(['limit=0', 'limit=65', `country=${'x'.repeat(101)}`, 'team=a&team=b&team=c&team=d&team=e&team=f'])(
  'refuses %s',
  async (query) => {
    await open();
    expect((await ask(query)).status).toBe(422);
  },
);

describe('a model', () => {
  it('ranks, and is named', async () => {
    await open();
    serve([3, 1, 4, 2], [{ kind: 'popular_in_country', country: 'SN' }]);
    const reply = await ask('country=SN');
    expect(numbers(reply)).toEqual([3, 1, 4, 2]);
    expect(reply.body).toMatchObject({ model: { name: 'fake', version: 7 } });
    expect(told(reply)[0]).toMatchObject({
      score: 1,
      because: [{ kind: 'popular_in_country', country: 'SN' }],
    });
    expect(told(reply).map(({ score }) => score)).toEqual([1, 0.667, 0.333, 0]);
  });

  it.each<[Reason, string]>([
    [{ kind: 'your_team', team: 'Senegal' }, 'Your team plays: Senegal'],
    [{ kind: 'neighbour_team', team: 'Senegal' }, 'Liked in your region: Senegal'],
    [{ kind: 'popular_in_country', country: 'SN' }, 'Popular in your country, Senegal'],
    [{ kind: 'popular' }, 'Popular'],
    [{ kind: 'same_city', city: 'Doha', days: 1 }, 'Same city, Doha, the day after your match'],
    [{ kind: 'same_city', city: 'Doha', days: -3 }, 'Same city, Doha, 3 days before your match'],
    [{ kind: 'same_city', city: 'Doha', days: 0 }, 'Same city, Doha, on the day of your match'],
    [{ kind: 'bought_together', item: 1 }, 'Often bought together with Qatar – Ecuador'],
  ])('has its reason %j in words', async (reason, sentence) => {
    await open();
    serve([3, 1, 4, 2], [reason]);
    expect(told(await ask())[0]?.reasons[0]).toBe(sentence);
  });

  it('says nothing of a match that is not listed', async () => {
    await open();
    serve([3, 1, 4, 2], [{ kind: 'bought_together', item: 99 }]);
    expect(told(await ask())[0]?.reasons).toEqual(['On sale now in category 1, 2, 3, from 75 USD']);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    ['scores nothing', () => new Float64Array(0)],
    [
      'scores what is no number',
      (_: unknown, items: readonly number[]) => Float64Array.from(items, () => NaN),
    ],
  ])('that %s gives way to popularity', async (_what, scores) => {
    await open();
    const { served } = serve([1]);
    bench.analytics.served = { ...served, ranker: { ...served.ranker, scores } };
    expect((await ask()).body).toMatchObject({ model: { name: 'popularity' } });
    expect(bench.analytics.refused).toHaveLength(1);
  });
});

describe.each(['popularity', 'a model'] as const)('with %s', (by) => {
  const rank = (): void => {
    if (by === 'a model') serve([1, 2, 3, 4]);
  };

  it('never names a match that cannot be bought', async () => {
    await open();
    rank();
    for (const matchNumber of [5, 6]) bench.market.open(someMatch(matchNumber), 20);
    const refuse = (matchNumber: number, what: Parameters<Bench['market']['do']>[1]): void => {
      for (const category of CATEGORIES) bench.market.do({ matchNumber, category }, what);
    };
    for (const category of [1, 2]) {
      bench.market.do({ matchNumber: 1, category }, { ...PEER, action: 'reserved', quantity: 25 });
    }
    bench.market.do({ matchNumber: 1, category: 3 }, { ...PEER, action: 'pending', quantity: 25 });
    refuse(2, { type: 'close', endHolds: false });
    refuse(3, { type: 'pause', paused: true, revision: 1 });
    refuse(5, { type: 'close', endHolds: true, cancelled: true });
    expect([...numbers(await ask())].sort()).toEqual([4, 6]);
  });

  it('never names one that has begun, where sales end then', async () => {
    await open({ closesAtKickoff: true });
    rank();
    bench.clock.advance(Date.parse(someMatch(2).dateUtc) - bench.clock.now());
    expect([...numbers(await ask())].sort()).toEqual([3, 4]);
  });

  it('never names what the person holds, or what overlaps with it', async () => {
    await open();
    rank();
    // Two hours after match 1, and three.
    const at = (hour: number) => ({ dateUtc: `2022-11-20T${hour}:00:00Z` });
    bench.market.open({ ...someMatch(5), ...at(18) }, 20);
    bench.market.open({ ...someMatch(6), ...at(19) }, 20);
    const before = await ask('', as('ann'));
    expect([...numbers(before)].sort()).toEqual([1, 2, 3, 4, 5, 6]);
    expect(before.headers.get('Cache-Control')).toBe('private, no-cache');
    const held = await bench.call('POST', '/api/v1/reservations', { ...HOLD, email: undefined }, as('ann'));
    expect(held.status).toBe(201);
    expect([...numbers(await ask('', as('ann')))].sort()).toEqual([2, 3, 4, 6]);
    // Nobody else's.
    expect(numbers(await ask('', as('bob')))).toHaveLength(6);
    expect(numbers(await ask())).toHaveLength(6);
  });
});

describe('the history of an account', () => {
  const hold = (matchNumber: number, more = {}): Promise<Reply> =>
    bench.call(
      'POST',
      '/api/v1/reservations',
      { ...HOLD, matchNumber, email: undefined, ...more },
      as('ann'),
    );

  it('is what it holds, oldest first, and is read anew when it holds more', async () => {
    await open();
    const { asked } = serve([1, 2, 3, 4]);
    await hold(2);
    bench.clock.advance(1_000);
    await hold(1);
    for (let times = 0; times < 3; times += 1) await ask('', as('ann'));
    expect(asked.at(-1)?.history.map(({ item }) => item)).toEqual([2, 1]);
    expect(bench.analytics.reads).toBe(1);
    await hold(3);
    await ask('', as('ann'));
    expect(asked.at(-1)?.history.map(({ item }) => item)).toEqual([2, 1, 3]);
    expect(bench.analytics.reads).toBe(2);
  });

  it('forgets what was given back, after a while', async () => {
    await open();
    const { asked } = serve([1, 2, 3, 4]);
    const { body } = await hold(2);
    await ask('', as('ann'));
    const path = `/api/v1/reservations/${String(body['id'])}`;
    expect((await bench.call('DELETE', path, undefined, as('ann'))).status).toBe(200);
    bench.clock.advance(60_000);
    expect(numbers(await ask('', as('ann')))).toContain(2);
    expect(asked.at(-1)?.history).toEqual([]);
  });

  it('is nobody else’s, and a stranger has none', async () => {
    await open();
    const { asked } = serve([1, 2, 3, 4]);
    await hold(2);
    await ask();
    await ask('', as('bob'));
    expect(asked.map(({ history }) => history)).toEqual([[], []]);
  });

  it('needs a token that opens the account', async () => {
    await open();
    const reply = await ask('', bearer('h.e30.forged'));
    expect(reply.status).toBe(401);
    expect(reply.body.code).toBe('unauthorized');
    expect((await ask('', bearer('something'))).status).toBe(401);
  });
});

describe('where somebody is', () => {
  const HERE = { countryOf: (address: string) => (address.includes('127.0.0.1') ? 'FR' : 'BR') };

  it('comes from what they chose, else from their booking, else from their address', async () => {
    await open(HERE);
    const { asked } = serve([1, 2, 3, 4]);
    expect((await ask()).body['country']).toEqual({ code: 'FR', from: 'address' });
    await bench.call('POST', '/api/v1/reservations', { ...HOLD, email: undefined, country: 'MX' }, as('ann'));
    expect((await ask('', as('ann'))).body['country']).toEqual({ code: 'MX', from: 'booking' });
    expect((await ask('country=ar', as('ann'))).body['country']).toEqual({ code: 'AR', from: 'chosen' });
    expect((await ask('country=Argentina')).body['country']).toEqual({ code: 'AR', from: 'chosen' });
    expect(asked.map(({ country }) => country)).toEqual(['FR', 'MX', 'AR', 'AR']);
  });

  it('is not what a header says that no proxy of ours wrote', async () => {
    await open(HERE);
    const reply = await ask('', { 'X-Forwarded-For': '200.160.2.3' });
    expect(reply.body['country']).toEqual({ code: 'FR', from: 'address' });
    // That an address is known makes an answer somebody's own.
    expect(reply.headers.get('Cache-Control')).toBe('private, no-cache');
  });

  it('is what a proxy says that is trusted', async () => {
    await open({ ...HERE, service: { trustProxy: 1 } });
    const reply = await ask('', { 'X-Forwarded-For': '200.160.2.3' });
    expect(reply.body['country']).toEqual({ code: 'BR', from: 'address' });
  });

  it('may be a team, which is followed then', async () => {
    await open();
    const { asked } = serve([1, 2, 3, 4]);
    await ask('country=England&team=senegal');
    expect(asked[0]).toMatchObject({ country: 'GB', follows: ['England', 'Senegal'] });
  });
});
