import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  FLUSH_MS,
  HEARTBEAT_MS,
  HOLD,
  SERVICE_TOKEN,
  bearer,
  startBench,
  type Bench,
  type Reply,
} from './bench.js';
import { someMatch } from './fakes.js';

const T11 = { matchNumber: 1, category: 1 };
const PEER = { type: 'remote', clientId: 'peer', recordedAt: 0 } as const;

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.stop());

const get = (path: string, headers?: Record<string, string>): Promise<Reply> =>
  bench.call('GET', `/api/v1${path}`, undefined, headers);

async function numbers(query: string): Promise<number[]> {
  const { body } = await get(`/matches?${query}`);
  return (body['matches'] as { matchNumber: number }[]).map(({ matchNumber }) => matchNumber);
}

describe('matches', () => {
  it('are master-list objects with a status in each category', async () => {
    const { status, body } = await get('/matches/1');
    expect(status).toBe(200);
    expect(body).toEqual({
      ...someMatch(1),
      currency: 'usd',
      availability: {
        category1: { available: 20, pending: 20, price: 75, status: 'available' },
        category2: { available: 20, pending: 20, price: 125, status: 'available' },
        category3: { available: 20, pending: 20, price: 195, status: 'available' },
      },
    });
    expect((await get('/matches')).body).toMatchObject({ matches: [{ matchNumber: 1 }, {}, {}, {}] });
  });

  it('show what was answered before, and never less than nothing', async () => {
    await bench.call('POST', '/api/v1/reservations', HOLD);
    expect((await get('/matches/1')).body).toMatchObject({
      availability: { category1: { available: 20, pending: 18 } },
    });
    bench.market.do(T11, { ...PEER, action: 'pending', quantity: 30 });
    const held = { available: 20, pending: 0, status: 'temporarily_unavailable' };
    expect((await get('/matches/1')).body).toMatchObject({ availability: { category1: held } });
    bench.market.do(T11, { ...PEER, action: 'reserved', quantity: 30 });
    const sold = { available: 0, pending: 0, status: 'sold_out' };
    expect((await get('/matches/1')).body).toMatchObject({ availability: { category1: sold } });
    bench.market.do(T11, { type: 'close', endHolds: false });
    expect((await get('/matches/1')).body).toMatchObject({ availability: { category1: { closed: true } } });
  });

  it('are listed once all three categories are open', async () => {
    bench.market.open(someMatch(5), 10, [1, 2]);
    expect((await get('/matches/5')).status).toBe(404);
    bench.market.open(someMatch(5), 10);
    expect((await get('/matches/5')).status).toBe(200);
  });

  it.each([
    ['team=qatar', [1]],
    ['team=IR%20Iran', [2]],
    ['group=A', [1]],
    ['group=group%20b', [2]],
    ['round=4', [4]],
    ['location=al%20bayt%20stadium', [1]],
    ['date=2022-11-21', [2]],
    ['status=sold_out', []],
    ['status=available', [1, 2, 3, 4]],
    ['team=Qatar&group=B', []],
    ['q=england', [2]],
    ['q=englnad', [2]],
    ['q=neth', [3]],
    ['q=al%20bayt', [1]],
    ['q=qatar%20england', []],
    ['q=group%20c', [3]],
    ['q=', [1, 2, 3, 4]],
    ['q=%22%3E%3Cscript', []],
    ['unknown=1', [1, 2, 3, 4]],
  ])('are filtered by %s', async (query, expected) => {
    expect(await numbers(query)).toEqual(expected);
  });

  it('are filtered by the status that any of their categories has', async () => {
    bench.market.do(T11, { ...PEER, action: 'reserved', quantity: 20 });
    expect(await numbers('status=sold_out')).toEqual([1]);
  });

  it('come in pages when asked', async () => {
    expect((await get('/matches?limit=2')).body).toMatchObject({
      total: 4,
      matches: [{ matchNumber: 1 }, { matchNumber: 2 }],
    });
    expect((await get('/matches?limit=2&offset=3')).body).toMatchObject({
      total: 4,
      matches: [{ matchNumber: 4 }],
    });
    expect((await get('/matches')).body).not.toHaveProperty('total');
  });

  it.each([
    'limit=0',
    'limit=x',
    'offset=-1',
    'date=2022-13-40',
    'date=today',
    'status=open',
    'round=NaN',
    'team=a&team=b',
    `q=${'x'.repeat(101)}`,
  ])('refuse %s with 422', async (query) => {
    expect((await get(`/matches?${query}`)).body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it.each(['0', '01', '-1', 'x', '1e3', '99999', '999'])('answer 404 to number %s', async (number) => {
    expect((await get(`/matches/${number}`)).body).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('are sent again only when they changed', async () => {
    const first = await get('/matches');
    const etag = first.headers.get('ETag') ?? '';
    expect(first.headers.get('Cache-Control')).toBe('no-cache');
    const same = await get('/matches', { 'If-None-Match': `"other", W/${etag}` });
    expect([same.status, same.text]).toEqual([304, '']);
    await bench.call('POST', '/api/v1/reservations', HOLD);
    const changed = await get('/matches', { 'If-None-Match': etag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('ETag')).not.toBe(etag);
  });

  it('are refused with 503 while the market cannot be known', async () => {
    bench.market.gate = new Promise(() => undefined);
    const before = bench.clock.timers;
    const asked = get('/matches');
    while (bench.clock.timers === before) await new Promise(setImmediate);
    bench.clock.advance(1_000);
    const { status, body, headers } = await asked;
    expect(status).toBe(503);
    expect(body.code).toBe('overloaded');
    expect(headers.get('Retry-After')).toBe('2');
  });
});

/** Reads events of a stream until there are enough of them. */
class Events {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';

  constructor(response: Response) {
    this.#reader = response.body!.getReader();
  }

  /** The next block: an event, a comment or a setting; null at the end. */
  async next(): Promise<{ event?: string; id?: string; data?: unknown; raw: string } | null> {
    while (!this.#text.includes('\n\n')) {
      const { value, done } = await this.#reader.read();
      if (done) return null;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
    const end = this.#text.indexOf('\n\n');
    const raw = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 2);
    const fields = Object.fromEntries(
      raw.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)),
    ) as Record<string, string>;
    return {
      ...fields,
      ...(fields['data'] !== undefined && { data: JSON.parse(fields['data']) as unknown }),
      raw,
    };
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}

describe('availability stream', () => {
  const open = async (headers = {}): Promise<Events> =>
    new Events(await fetch(`${bench.url}/api/v1/availability/stream`, { headers }));

  it('sends a snapshot, then the newest state of each ticket that changed', async () => {
    const events = await open();
    expect((await events.next())?.raw).toBe('retry: 3000');
    const first = await events.next();
    expect(first?.event).toBe('snapshot');
    const { tickets } = first?.data as { tickets: object[] };
    expect(tickets).toHaveLength(12);
    const ticket = {
      matchNumber: 1,
      category: 1,
      available: 20,
      pending: 20,
      price: 75,
      status: 'available',
    };
    expect(tickets[0]).toEqual(ticket);
    await bench.call('POST', '/api/v1/reservations', HOLD);
    await bench.call('POST', '/api/v1/reservations', { ...HOLD, quantity: 1 });
    bench.clock.advance(FLUSH_MS);
    const change = await events.next();
    expect(change).toMatchObject({ event: 'availability', data: { ...ticket, pending: 17 } });
    expect(Number(change?.id)).toBeGreaterThan(Number(first?.id));
    bench.clock.advance(HEARTBEAT_MS);
    expect((await events.next())?.raw).toMatch(/^: /);
    await events.cancel();
  });

  it('sends a snapshot again after a reset, and to those who come again', async () => {
    const events = await open({ 'Last-Event-ID': '12345' });
    await events.next();
    expect((await events.next())?.event).toBe('snapshot');
    bench.market.open(someMatch(5), 10);
    await get('/matches');
    bench.clock.advance(FLUSH_MS);
    const again = await events.next();
    expect(again?.event).toBe('snapshot');
    expect((again?.data as { tickets: object[] }).tickets).toHaveLength(15);
    await events.cancel();
  });

  it('takes only so many clients, and ends with the service', async () => {
    const [one, two] = [await open(), await open()];
    const third = await get('/availability/stream');
    expect(third.body).toMatchObject({ status: 503, code: 'overloaded' });
    expect(await bench.registry.getSingleMetricAsString('ticktak_stream_clients')).toContain(
      'ticktak_stream_clients 2',
    );
    await bench.service.close();
    for (const events of [one, two]) {
      let last: unknown = {};
      while (last !== null) last = await events.next();
    }
  });

  it('opens nothing for HEAD', async () => {
    const { status, headers } = await bench.call('HEAD', '/api/v1/availability/stream');
    expect(status).toBe(200);
    expect(headers.get('Content-Type')).toContain('text/event-stream');
  });
});

describe('sales messages over HTTP', () => {
  const message = (action: string, quantity = 2, matchNumber = 1): object => ({
    meta: { action },
    body: { matchNumber, tickets: { category: 1, quantity, price: 75 } },
  });
  const report = (body: unknown, token: string = SERVICE_TOKEN): Promise<Reply> =>
    bench.call('POST', '/api/v1/sales-messages', body, bearer(token));

  it('take effect once and answer repeats the same', async () => {
    const body = { messageId: 'a-1', clientId: 'peer', message: message('TICKET_PENDING') };
    const replies = await Promise.all(Array.from({ length: 10 }, () => report(body)));
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
    expect(replies[0]?.body).toEqual({ messageId: 'a-1', results: [{ ...T11, outcome: 'applied' }] });
    expect(bench.market.countersOf(T11)).toMatchObject({ heldElsewhere: 2, pending: 18 });
    const other = await report({ ...body, message: message('TICKET_RESERVED') });
    expect(other.body).toMatchObject({ status: 422, errors: [{ path: 'messageId' }] });
    await report({ messageId: 'a-2', clientId: 'peer', message: message('TICKET_RESERVED') });
    expect(bench.market.countersOf(T11)).toMatchObject({ heldElsewhere: 0, soldElsewhere: 2 });
  });

  it('take effect once also when no outcome is kept any more', async () => {
    const body = { messageId: 'old', clientId: 'peer', message: message('TICKET_PENDING') };
    await report(body);
    const before = bench.market.countersOf(T11);
    bench.market.outcomes.clear();
    expect((await report(body)).body).toMatchObject({ results: [{ ...T11, outcome: 'repeated' }] });
    expect(bench.market.countersOf(T11)).toEqual(before);
    bench.market.outcomes.clear();
    bench.market.archiveAway = true;
    expect((await report(body)).body).toMatchObject({ status: 503, code: 'overloaded' });
    expect(bench.market.countersOf(T11)).toEqual(before);
    bench.market.archiveAway = false;
  });

  it('tell their outcomes', async () => {
    const orphan = await report({ messageId: 'b', clientId: 'peer', message: message('TICKET_CANCELLED') });
    expect(orphan.body).toMatchObject({ results: [{ outcome: 'orphaned' }] });
    const nowhere = await report({
      messageId: 'c',
      clientId: 'peer',
      message: message('TICKET_PENDING', 1, 99),
    });
    expect(nowhere.body).toMatchObject({ results: [{ outcome: 'not_open' }] });
    const own = await report({ messageId: 'd', clientId: 'ticktak', message: message('TICKET_PENDING') });
    expect(own.body).toEqual({ messageId: 'd', results: [] });
    bench.market.intercept = () => ({ kind: 'unknown' });
    const open = await report({ messageId: 'e', clientId: 'peer', message: message('TICKET_PENDING') });
    expect(open).toMatchObject({ status: 202, body: { results: [{ outcome: 'unknown' }] } });
    bench.market.intercept = () => ({ kind: 'overloaded', retryAfterMs: 5_000 });
    const full = await report({ messageId: 'f', clientId: 'peer', message: message('TICKET_PENDING') });
    expect(full.body).toMatchObject({ status: 503, code: 'overloaded' });
  });

  it('are for services only', async () => {
    const body = { messageId: 'g', clientId: 'peer', message: message('TICKET_PENDING') };
    expect((await bench.call('POST', '/api/v1/sales-messages', body)).status).toBe(401);
    expect((await report(body, 'wrong')).status).toBe(403);
  });

  it('are refused when they are none', async () => {
    expect((await report({ messageId: 'h', clientId: 'peer', message: {} })).status).toBe(422);
    expect((await report({ messageId: '', message: {} })).status).toBe(422);
    expect((await report({ messageId: 'i' })).status).toBe(422);
    const deep = `{"messageId":"j","clientId":"p","message":{"a":${'['.repeat(30_000)}${']'.repeat(30_000)}}}`;
    expect((await report(deep)).status).toBe(422);
  });
});
