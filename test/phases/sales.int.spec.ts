/** Sale phases over HTTP: what operators set, what buyers see, and who may hold when. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HOLD, bearer, startBench, type Bench, type Reply } from '../http/bench.js';
import { CARDS, accessTokenOf } from '../http/fakes.js';

const HOUR = 3_600_000;
const OPERATOR = bearer(accessTokenOf({ accountId: 'boss', roles: ['operator'] }));
const PATH = '/api/v1/operations/sale-phases';
const T11 = { matchNumber: 1, category: 1 };

let country: string | null;
let bench: Bench;
beforeEach(async () => {
  country = null;
  bench = await startBench({ countryOf: () => country, guests: 'open' });
});
afterEach(() => bench.stop());

const at = (ms: number): string => new Date(bench.clock.now() + ms).toISOString();
const put = (phases: readonly object[], ticket = '1/1', headers = OPERATOR): Promise<Reply> =>
  bench.call('PUT', `${PATH}/${ticket}`, { phases }, headers);
const get = (path: string, headers = OPERATOR): Promise<Reply> => bench.call('GET', path, undefined, headers);
const hold = (more: object = {}, headers: Record<string, string> = {}): Promise<Reply> =>
  bench.call('POST', '/api/v1/reservations', { ...HOLD, quantity: 1, ...more }, headers);
const oneShot = (more: Record<string, string> = {}, quantity = 1): Promise<Reply> =>
  bench.call(
    'POST',
    '/api/reservation',
    {
      email: 'fan@example.com',
      matchNumber: 1,
      tickets: { category: 1, quantity, price: 75 },
      card: { number: CARDS.good, expirationMonth: 12, expirationYear: 2030, cvc: '123' },
    },
    more,
  );
const codeOf = ({ status, body }: Reply): [number, unknown] => [status, body.code ?? body['status']];
const NOT_ON_SALE: [number, string] = [403, 'not_on_sale'];
const HELD: [number, string] = [201, 'PENDING'];

interface Shown {
  readonly sale?: Record<string, unknown>;
  readonly status: string;
}
const shown = async (category = 1): Promise<Shown> => {
  const { body } = await get('/api/v1/matches/1', {});
  return (body['availability'] as Record<string, Shown>)[`category${category}`]!;
};

const forAll = (opensAt: string, more: object = {}): object => ({
  name: 'General sale',
  opensAt,
  access: { kind: 'open' },
  ...more,
});
const byCode = (opensAt: string, closesAt: string, codes?: string[], more: object = {}): object => ({
  name: 'Members',
  opensAt,
  closesAt,
  access: { kind: 'code', ...(codes && { codes }) },
  ...more,
});
const byCountry = (opensAt: string, closesAt: string, countries: string[], more: object = {}): object => ({
  name: 'Residents',
  opensAt,
  closesAt,
  access: { kind: 'country', countries },
  ...more,
});

describe('a ticket without phases', () => {
  it('is sold and shown as ever', async () => {
    expect(await shown()).not.toHaveProperty('sale');
    expect(codeOf(await hold({ accessCode: 'whatever' }))).toEqual(HELD);
  });

  it('is not touched by those of another category, or of another match', async () => {
    await put([forAll(at(HOUR))]);
    expect(await shown(2)).not.toHaveProperty('sale');
    expect(codeOf(await hold({ category: 2 }))).toEqual(HELD);
    expect(codeOf(await hold({ matchNumber: 2 }))).toEqual(HELD);
    expect(codeOf(await hold())).toEqual(NOT_ON_SALE);
  });

  it('is one again once they were taken away', async () => {
    await put([forAll(at(HOUR))]);
    expect((await put([])).body).toEqual({ phases: [] });
    expect(await shown()).not.toHaveProperty('sale');
    expect(codeOf(await hold())).toEqual(HELD);
  });
});

describe('before the sale', () => {
  it('nothing is held, and everybody is told when it opens', async () => {
    const opensAt = at(90_000);
    await put([forAll(opensAt)]);
    const { status, body, headers } = await hold();
    expect([status, body]).toMatchObject([403, { code: 'not_on_sale', opensAt }]);
    expect(headers.get('Retry-After')).toBe('90');
    expect((await oneShot()).body).toMatchObject({ code: 'not_on_sale', opensAt });
    expect(bench.market.submissions).toHaveLength(0);
    expect(await shown()).toMatchObject({
      status: 'available',
      sale: { state: 'not_yet', name: 'General sale', opensAt },
    });
  });

  it('opens at its millisecond by itself, in what is shown too', async () => {
    await put([forAll(at(HOUR))]);
    const before = await get('/api/v1/matches', {});
    bench.clock.advance(HOUR - 1);
    expect(codeOf(await hold())).toEqual(NOT_ON_SALE);
    expect((await get('/api/v1/matches', {})).text).toBe(before.text);
    bench.clock.advance(1);
    expect(codeOf(await hold())).toEqual(HELD);
    expect(await shown()).toMatchObject({ sale: { state: 'open' } });
    const after = await get('/api/v1/matches', {});
    expect(after.headers.get('ETag')).not.toBe(before.headers.get('ETag'));
  });

  it('is over at the millisecond at which the last phase closes', async () => {
    await put([forAll(at(0), { closesAt: at(HOUR) })]);
    bench.clock.advance(HOUR - 1);
    const held = await hold();
    expect(codeOf(held)).toEqual(HELD);
    bench.clock.advance(1);
    const late = await hold({ email: 'late@example.com' });
    expect(codeOf(late)).toEqual(NOT_ON_SALE);
    expect(late.body).not.toHaveProperty('opensAt');
    expect(await shown()).toMatchObject({ sale: { state: 'closed' } });
    // What is held is paid for.
    const paid = await bench.call(
      'POST',
      `/api/v1/reservations/${String(held.body['id'])}/payment`,
      { paymentMethod: CARDS.good },
      bearer(held.body['token']),
    );
    expect(paid.body['status']).toBe('RESERVED');
  });

  it('a hold that waited past the end of its phase gets nothing', async () => {
    await put([forAll(at(0), { closesAt: at(HOUR) })]);
    bench.market.intercept = () => {
      bench.clock.advance(HOUR);
      return undefined;
    };
    expect(codeOf(await hold())).toEqual(NOT_ON_SALE);
    expect(bench.market.countersOf(T11).heldHere).toBe(0);
  });

  it('answers a repeat what it answered before, whatever is on by now', async () => {
    await put([forAll(at(0), { closesAt: at(60_000) })]);
    const key = { 'Idempotency-Key': 'a-key-nobody-guesses-0001' };
    const first = await hold({}, key);
    bench.clock.advance(60_000);
    expect((await hold({}, key)).body).toEqual(first.body);
    expect(codeOf(await hold({}, { 'Idempotency-Key': 'another-key-for-a-hold' }))).toEqual(NOT_ON_SALE);
  });
});

describe('a presale by code', () => {
  beforeEach(async () => {
    await put([byCode(at(0), at(HOUR), ['FAN-2022', 'FAN-2023']), forAll(at(2 * HOUR))]);
  });

  it('asks for a code', async () => {
    const { status, body } = await hold();
    expect([status, body]).toMatchObject([403, { code: 'access_code_required', opensAt: at(2 * HOUR) }]);
    expect(codeOf(await oneShot())).toEqual([403, 'access_code_required']);
    expect(bench.security.facts).toEqual([]);
  });

  it('lets in who has one, however it is typed', async () => {
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual(HELD);
    expect(codeOf(await hold({ accessCode: ' fan-2023 ', email: 'other@example.com' }))).toEqual(HELD);
    expect((await oneShot({ 'Access-Code': 'fan-2022' })).status).toBe(200);
  });

  it('refuses a wrong one, and tells the security check', async () => {
    expect(codeOf(await hold({ accessCode: 'FAN-2024' }))).toEqual([403, 'access_code_invalid']);
    expect(codeOf(await oneShot({ 'Access-Code': 'x' }))).toEqual([403, 'access_code_invalid']);
    expect(bench.security.facts).toMatchObject([
      { kind: 'code_wrong', person: 'fan@example.com', address: '127.0.0.1' },
      { kind: 'code_wrong', person: 'fan@example.com', address: '127.0.0.1' },
    ]);
    expect(bench.market.submissions).toHaveLength(0);
  });

  it('takes a corrected one under the same key', async () => {
    const key = { 'Idempotency-Key': 'a-key-nobody-guesses-0001' };
    expect(codeOf(await hold({ accessCode: 'FAN-2024' }, key))).toEqual([403, 'access_code_invalid']);
    const held = await hold({ accessCode: 'FAN-2022' }, key);
    expect(codeOf(held)).toEqual(HELD);
    expect((await hold({ accessCode: 'FAN-2022' }, key)).body).toEqual(held.body);
    expect(bench.market.countersOf(T11).heldHere).toBe(1);
  });

  it('asks for no code once the sale is for all: an old one does no harm', async () => {
    bench.clock.advance(HOUR);
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual(NOT_ON_SALE);
    bench.clock.advance(HOUR);
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual(HELD);
    expect(codeOf(await hold({ accessCode: 'nonsense', email: 'other@example.com' }))).toEqual(HELD);
    expect(bench.security.facts.filter(({ kind }) => kind === 'code_wrong')).toEqual([]);
  });

  it('keeps its codes when the phases are written again without them', async () => {
    await put([byCode(at(0), at(HOUR), undefined, { ticketsPerPersonMax: 1 })]);
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual(HELD);
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual([409, 'purchase_limit']);
  });

  it('forgets its codes when others come, and when it goes', async () => {
    const kept = (): string[] =>
      [...bench.documents.rows.keys()].filter((key) => key.startsWith('saleCodes'));
    expect(kept()).toHaveLength(1);
    await put([byCode(at(0), at(HOUR), ['NEW-ONE'])]);
    expect(kept()).toHaveLength(1);
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual([403, 'access_code_invalid']);
    expect(codeOf(await hold({ accessCode: 'NEW-ONE' }))).toEqual(HELD);
    await put([]);
    expect(kept()).toHaveLength(0);
  });
});

describe('a presale by country', () => {
  beforeEach(async () => {
    await put([byCountry(at(0), at(HOUR), ['QA', 'EC'])]);
  });

  it('lets in who comes from an address there, and nobody else', async () => {
    const refused = { code: 'country_not_allowed', countries: ['QA', 'EC'] };
    expect((await hold()).body).toMatchObject(refused);
    country = 'DE';
    expect((await hold()).body).toMatchObject(refused);
    expect((await oneShot()).body).toMatchObject({ ...refused, status: 403 });
    country = 'EC';
    expect(codeOf(await hold())).toEqual(HELD);
    expect((await oneShot()).status).toBe(200);
  });

  it('does not take the word of the buyer for it', async () => {
    country = 'DE';
    expect((await hold({ country: 'QA' })).body).toMatchObject({ code: 'country_not_allowed' });
  });

  it('stands beside one by code', async () => {
    await put([byCountry(at(0), at(HOUR), ['QA']), byCode(at(0), at(HOUR), ['FAN-2022'])]);
    expect((await hold()).body).toMatchObject({ code: 'access_code_required' });
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual(HELD);
    country = 'QA';
    expect(codeOf(await hold({ email: 'other@example.com' }))).toEqual(HELD);
    expect(await shown()).toMatchObject({
      sale: { state: 'presale', access: 'country', also: [{ access: 'code', name: 'Members' }] },
    });
  });
});

describe('limits of a phase', () => {
  it('are one ticket first and two later, with what was bought before', async () => {
    await put([
      forAll(at(0), { name: 'First', closesAt: at(HOUR), ticketsPerPersonMax: 1 }),
      forAll(at(HOUR), { ticketsPerPersonMax: 2 }),
    ]);
    expect((await hold({ quantity: 2 })).body).toMatchObject({ code: 'purchase_limit', limit: 1, owned: 0 });
    expect(codeOf(await hold())).toEqual(HELD);
    expect((await hold()).body).toMatchObject({ code: 'purchase_limit', limit: 1, owned: 1 });
    bench.clock.advance(HOUR);
    expect(codeOf(await hold())).toEqual(HELD);
    expect((await hold()).body).toMatchObject({ code: 'purchase_limit', limit: 2, owned: 2 });
    // Of the whole match: what was held in this category counts in the next, which has no phases.
    expect(codeOf(await hold({ category: 2, quantity: 2 }))).toEqual(HELD);
    expect((await hold({ category: 2 })).body).toMatchObject({ code: 'purchase_limit', limit: 4, owned: 4 });
  });

  it('are decided by the actor: twenty holds at once get no more', async () => {
    await put([forAll(at(0), { ticketsPerPersonMax: 1 })]);
    const all = await Promise.all(Array.from({ length: 20 }, () => hold()));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(all.filter(({ body }) => body.code === 'purchase_limit')).toHaveLength(19);
  });

  it('can be of a reservation, and never widen those of the marketplace', async () => {
    await put([forAll(at(0), { ticketsPerReservationMax: 1 })]);
    expect((await hold({ quantity: 2 })).body).toMatchObject({ code: 'purchase_limit', limit: 1 });
    await put([forAll(at(0), { ticketsPerReservationMax: 9, ticketsPerPersonMax: 9 })]);
    expect((await hold({ quantity: 3 })).body).toMatchObject({ code: 'validation_failed' });
    expect(codeOf(await hold({ quantity: 2 }))).toEqual(HELD);
    expect(codeOf(await hold({ quantity: 2 }))).toEqual(HELD);
    expect((await hold()).body).toMatchObject({ code: 'purchase_limit', limit: 4, owned: 4 });
  });

  it('can be of a code: what it gets in all, whoever has it, until a hold is given back', async () => {
    const members = byCode(at(0), at(HOUR), ['FAN-2022', 'FAN-2023'], { ticketsPerCodeMax: 2 });
    await put([members]);
    expect(await shown()).toMatchObject({ sale: { ticketsPerCodeMax: 2 } });
    const by = (email: string, accessCode = 'FAN-2022', quantity = 1): Promise<Reply> =>
      hold({ email: `${email}@example.com`, accessCode, quantity });
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => by(`fan${i}`)));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(2);
    expect((await by('late')).body).toMatchObject({ code: 'purchase_limit', limit: 2, owned: 2, of: 'code' });
    expect(codeOf(await by('other', 'FAN-2023', 2))).toEqual(HELD);
    const held = all.find(({ status }) => status === 201)!;
    const path = `/api/v1/reservations/${String(held.body['id'])}`;
    await bench.call('DELETE', path, undefined, bearer(held.body['token']));
    expect(codeOf(await by('late'))).toEqual(HELD);
    expect(codeOf(await by('later'))).toEqual([409, 'purchase_limit']);
    // Written again without codes they are the same codes, used as often.
    await put([{ ...members, access: { kind: 'code' }, ticketsPerCodeMax: 3 }]);
    expect(codeOf(await by('later'))).toEqual(HELD);
    expect((await by('last')).body).toMatchObject({ limit: 3, owned: 3 });
  });

  it('are those of the code where the sale for all is on too', async () => {
    const members = byCode(at(0), at(HOUR), ['FAN-2022'], { ticketsPerPersonMax: 2 });
    await put([forAll(at(0), { ticketsPerPersonMax: 1 }), members]);
    expect(codeOf(await hold())).toEqual(HELD);
    expect((await hold()).body).toMatchObject({ code: 'purchase_limit', limit: 1 });
    expect(codeOf(await hold({ accessCode: 'FAN-2022' }))).toEqual(HELD);
    expect((await hold({ accessCode: 'FAN-2022' })).body).toMatchObject({ code: 'purchase_limit', limit: 2 });
  });
});

describe('operators', () => {
  it('read what they wrote, but no code', async () => {
    const members = byCode(at(0), at(HOUR), ['FAN-2022', 'FAN-2023', 'fan-2022']);
    const others = [
      byCountry(at(0), at(HOUR), ['QA'], { ticketsPerPersonMax: 1, ticketsPerReservationMax: 1 }),
      forAll(at(HOUR)),
    ];
    const written = await put([members, ...others]);
    const expected = [{ ...members, access: { kind: 'code', codeCount: 2 } }, ...others];
    expect([written.status, written.body]).toEqual([200, { phases: expected }]);
    expect((await get(`${PATH}/1/1`)).body).toEqual({ phases: expected });
    expect((await get(`${PATH}/1/2`)).body).toEqual({ phases: [] });
    await put([forAll(at(HOUR))], '2/3');
    const listed = expected.map((phase) => ({ ...T11, ...phase }));
    const other = { matchNumber: 2, category: 3, ...forAll(at(HOUR)) };
    expect((await get(PATH)).body).toEqual({ phases: [...listed, other] });
    expect((await get(`${PATH}?matchNumber=2`)).body).toEqual({ phases: [other] });
    // What was read can be written.
    expect((await put(expected)).body).toEqual({ phases: expected });
    const texts = [...bench.documents.rows.values()].map(({ text }) => text.toUpperCase());
    expect(texts.filter((text) => text.includes('FAN-202'))).toEqual([]);
    expect(JSON.stringify([bench.auditEntries, bench.logs]).toUpperCase()).not.toContain('FAN-202');
    expect(bench.audited).toEqual(Array(3).fill('sale.phases_replaced'));
  });

  it('may be others, who see nothing and change nothing', async () => {
    for (const headers of [{}, bearer(accessTokenOf({ accountId: 'fan' }))]) {
      for (const reply of [
        await get(PATH, headers),
        await get(`${PATH}/1/1`, headers),
        await put([], '1/1', headers),
      ]) {
        expect([401, 403]).toContain(reply.status);
      }
    }
    expect(bench.audited).toEqual([]);
  });

  it('give as many codes as there may be, in one request', async () => {
    const codes = Array.from({ length: 10_000 }, (_, i) => `PRESALE-${String(i).padStart(8, '0')}`);
    const { status, body } = await put([byCode(at(0), at(HOUR), codes)]);
    expect([status, body]).toMatchObject([200, { phases: [{ access: { codeCount: 10_000 } }] }]);
    expect(codeOf(await hold({ accessCode: codes[9_999] }))).toEqual(HELD);
    expect(codeOf(await put([byCode(at(0), at(HOUR), [...codes, 'ONE-MORE'])]))).toEqual([
      422,
      'validation_failed',
    ]);
  });

  it.each<[string, (ms: (n: number) => string) => object[], string]>([
    ['no end after the start', (ms) => [forAll(ms(HOUR), { closesAt: ms(0) })], 'phases.0.closesAt'],
    ['two for all at once', (ms) => [forAll(ms(0)), forAll(ms(HOUR), { name: 'B' })], 'phases.1.opensAt'],
    ['a name twice', (ms) => [forAll(ms(0), { closesAt: ms(1) }), forAll(ms(HOUR))], 'phases.1.name'],
    ['no name', (ms) => [forAll(ms(0), { name: ' ' })], 'phases.0.name'],
    ['an endless name', (ms) => [forAll(ms(0), { name: 'x'.repeat(61) })], 'phases.0.name'],
    ['a code too short', (ms) => [byCode(ms(0), ms(1), ['ABC'])], 'phases.0.access.codes.0'],
    ['a code too long', (ms) => [byCode(ms(0), ms(1), ['x'.repeat(65)])], 'phases.0.access.codes.0'],
    ['no codes, and none to keep', (ms) => [byCode(ms(0), ms(1))], 'phases.0.access.codes'],
    ['an empty list of codes', (ms) => [byCode(ms(0), ms(1), [])], 'phases.0.access.codes'],
    ['a country in words', (ms) => [byCountry(ms(0), ms(1), ['Qatar'])], 'phases.0.access.countries.0'],
    ['no country', (ms) => [byCountry(ms(0), ms(1), [])], 'phases.0.access.countries'],
    [
      'a limit of codes without codes',
      (ms) => [forAll(ms(0), { ticketsPerCodeMax: 1 })],
      'phases.0.ticketsPerCodeMax',
    ],
    [
      'a limit of nothing',
      (ms) => [forAll(ms(0), { ticketsPerPersonMax: 0 })],
      'phases.0.ticketsPerPersonMax',
    ],
    [
      'too many phases',
      (ms) => Array.from({ length: 21 }, (_, i) => byCountry(ms(i), ms(i + 1), ['QA'], { name: `P${i}` })),
      'phases',
    ],
    ['no time', () => [forAll('tomorrow')], 'phases.0.opensAt'],
  ])('are told what is wrong with %s', async (_what, phases, path) => {
    const { status, body } = await put(phases(at));
    expect([status, body]).toMatchObject([422, { code: 'validation_failed', errors: [{ path }] }]);
    expect((await get(PATH)).body).toEqual({ phases: [] });
    expect(bench.audited).toEqual([]);
  });

  it('are told of matches and categories that do not exist', async () => {
    expect((await put([], '77/1')).status).toBe(404);
    expect((await get(`${PATH}/77/1`)).status).toBe(404);
    expect((await put([], '1/4')).status).toBe(404);
  });
});

describe('recommendations', () => {
  it('name no match whose sale is for some, or still to come', async () => {
    const named = async (): Promise<unknown[]> => {
      const { body } = await get('/api/v1/recommendations', {});
      const { recommendations } = body as unknown as {
        recommendations: { match: { matchNumber: number } }[];
      };
      return recommendations.map(({ match }) => match.matchNumber);
    };
    expect(await named()).toContain(1);
    for (const category of [1, 2]) await put([forAll(at(HOUR))], `1/${category}`);
    expect(await named()).toContain(1);
    await put([byCode(at(0), at(HOUR), ['FAN-2022'])], '1/3');
    expect(await named()).not.toContain(1);
    bench.clock.advance(HOUR);
    expect(await named()).toContain(1);
  });
});

describe('the stream', () => {
  it('tells of the moment at which a sale opens', async () => {
    await put([forAll(at(HOUR))]);
    const response = await fetch(`${bench.url}/api/v1/availability/stream`);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const heard = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(text)) text += (await reader.read()).value ?? '';
    };
    await heard(/event: snapshot\ndata: .*"state":"not_yet"/);
    text = '';
    bench.clock.advance(HOUR);
    bench.clock.advance(50);
    await heard(/event: availability\ndata: .*"category":1,.*"sale":\{"state":"open"/);
    await reader.cancel();
    expect(text).not.toContain('"category":2');
  });
});
