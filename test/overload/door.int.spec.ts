/** What those who are not let in are told, and what it costs. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ForwardedSeal, LET_IN_HEADER } from '../../src/http/forwarded.js';
import { staleMatches } from '../../src/http/shop.js';
import type { LoadClass } from '../../src/overload/classes.js';
import { STALE_HEADER } from '../../src/overload/door.js';
import { systemClock } from '../../src/process/clock.js';
import { HOLD, SERVICE_TOKEN, bearer, startBench, type Bench } from '../http/bench.js';

const ORIGIN = 'https://shop.example.org';
const seal = new ForwardedSeal(SERVICE_TOKEN, systemClock);

/** Lets in whom it is told to. */
const admission = {
  refused: new Set<LoadClass>(),
  isHard: false,
  underWay: 0,
  entered: 0,
  admits: (loadClass: LoadClass) => !admission.refused.has(loadClass),
  enter: () => {
    admission.underWay += 1;
    admission.entered += 1;
    return () => void (admission.underWay -= 1);
  },
};
let shed: string[];
let bench: Bench;
beforeEach(async () => {
  admission.refused = new Set();
  admission.isHard = false;
  shed = [];
  bench = await startBench({
    service: {
      door: {
        admission,
        stale: (path) => staleMatches(bench.model)(path),
        onShed: (loadClass, answer) => void shed.push(`${loadClass} ${answer}`),
      },
      corsOrigins: [ORIGIN],
      forwarded: seal,
    },
  });
});
afterEach(() => bench.stop());

const held = async (): Promise<{ id: string; token: string }> => {
  const { status, body } = await bench.call('POST', '/api/v1/reservations', HOLD);
  expect(status).toBe(201);
  return { id: String(body['id']), token: String(body['token']) };
};

describe('who is refused', () => {
  it('is told 503 overloaded, that nothing was done, and when to come back', async () => {
    admission.refused = new Set(['hold']);
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => bench.call('POST', '/api/v1/reservations', HOLD)),
    );
    for (const { status, body } of answers)
      expect({ status, ...body }).toMatchObject({ status: 503, code: 'overloaded', outcome: 'refused' });
    const waits = answers.map(({ headers }) => Number(headers.get('Retry-After')));
    expect(waits.every((wait) => Number.isInteger(wait) && wait >= 2 && wait <= 8)).toBe(true);
    // Not all at the same time.
    expect(new Set(waits).size).toBeGreaterThan(1);
    expect(answers[0]?.headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(shed).toEqual(answers.map(() => 'hold refused'));
    expect(bench.market.submissions).toEqual([]);
  });

  it('costs no check, no look at who asks, and no body', async () => {
    admission.refused = new Set(['hold', 'pay']);
    const checksBefore = bench.security.asked.length;
    const { status } = await bench.call('POST', '/api/v1/reservations', '{"cut off', {
      Authorization: 'Bearer a.b.c',
      'X-Request-Id': 'mine',
    });
    expect(status).toBe(503);
    expect(bench.security.asked).toHaveLength(checksBefore);
  });

  it('keeps the id that came with the request', async () => {
    admission.refused = new Set(['hold']);
    const { headers } = await bench.call('POST', '/api/v1/reservations', HOLD, { 'X-Request-Id': 'mine' });
    expect(headers.get('X-Request-Id')).toBe('mine');
  });

  it('may be a page of another origin, which can read why', async () => {
    admission.refused = new Set(['hold']);
    const mine = await bench.call('POST', '/api/v1/reservations', HOLD, { Origin: ORIGIN });
    expect(mine.headers.get('Access-Control-Allow-Origin')).toBe(ORIGIN);
    // As when it is not refused; countdowns go by the server's clock.
    admission.refused = new Set();
    const letIn = await bench.call('GET', '/api/v1/matches', undefined, { Origin: ORIGIN });
    const readable = [mine, letIn].map(({ headers }) =>
      headers.get('Access-Control-Expose-Headers')?.split(/, ?/),
    );
    expect(readable[0]).toEqual(
      expect.arrayContaining(['Date', 'Retry-After', 'X-Request-Id', STALE_HEADER]),
    );
    expect(readable[1]).toEqual(readable[0]);
    admission.refused = new Set(['hold']);
    const other = await bench.call('POST', '/api/v1/reservations', HOLD, { Origin: 'https://other.example' });
    expect(other.headers.get('Access-Control-Allow-Origin')).toBeNull();
  });

  it('has its connection ended rather than its large body waited for', async () => {
    admission.refused = new Set(['hold']);
    const url = new URL('/api/v1/reservations', bench.url);
    const answer = await new Promise<{ status: number; connection: string | undefined }>(
      (resolve, reject) => {
        const asking = httpRequest(url, { method: 'POST', headers: { 'Content-Length': 10_000_000 } });
        asking.once('error', reject);
        asking.once('response', ({ statusCode = 0, headers: { connection } }) => {
          resolve({ status: statusCode, connection });
          asking.destroy();
        });
        asking.flushHeaders();
      },
    );
    expect(answer).toEqual({ status: 503, connection: 'close' });
  });
});

describe('who was let in at another door of the process', () => {
  const ask = (letIn: string): Promise<number> =>
    bench
      .call('GET', '/api/v1/matches/999', undefined, { [LET_IN_HEADER]: letIn })
      .then(({ status }) => status);

  it('is neither refused at this one nor counted twice', async () => {
    admission.refused = new Set(['browse']);
    admission.entered = 0;
    expect(await ask(seal.letIn)).toBe(404);
    expect([admission.entered, shed]).toEqual([0, []]);
  });

  it('is nobody who only says so, in another process or in none', async () => {
    admission.refused = new Set(['browse']);
    const other = new ForwardedSeal(SERVICE_TOKEN, systemClock);
    for (const word of ['true', '', 'x'.repeat(2_000), other.letIn])
      expect([word, await ask(word)]).toEqual([word, 503]);
  });
});

it('a person who opens a page is told so in words, and the browser asks again', async () => {
  admission.refused = new Set(['browse']);
  const answer = await fetch(`${bench.url}/matches/1`, { headers: { Accept: 'text/html,*/*' } });
  expect([answer.status, answer.headers.get('Content-Type')]).toEqual([503, 'text/html; charset=utf-8']);
  expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0);
  expect(await answer.text()).toContain('http-equiv="refresh"');
});

describe('while those who look are refused', () => {
  beforeEach(() => {
    admission.refused = new Set(['browse']);
  });

  it('matches are what was known a moment ago, and say so', async () => {
    admission.refused = new Set();
    const fresh = await bench.call('GET', '/api/v1/matches');
    expect(fresh.headers.get(STALE_HEADER)).toBeNull();
    admission.refused = new Set(['browse']);
    const barriers = bench.market.barriers;
    const stale = await bench.call('GET', '/api/v1/matches');
    expect([stale.status, stale.headers.get(STALE_HEADER)]).toEqual([200, 'true']);
    expect(stale.body).toEqual(fresh.body);
    const one = await bench.call('GET', '/api/v1/matches/2');
    expect(one.body).toEqual((fresh.body['matches'] as unknown[])[1]);
    const etag = stale.headers.get('ETag') ?? '';
    const same = await bench.call('GET', '/api/v1/matches', undefined, { 'If-None-Match': etag });
    expect(same.status).toBe(304);
    // Nobody was asked for it.
    expect(bench.market.barriers).toBe(barriers);
    expect(shed).toEqual(['browse stale', 'browse stale', 'browse stale']);
  });

  it.each(['/api/v1/matches?q=qatar', '/api/v1/matches/999', '/api/v1/recommendations'])(
    '%s, which nobody has at hand, is refused',
    async (path) => {
      const { status, body } = await bench.call('GET', path);
      expect([status, body.code]).toEqual([503, 'overloaded']);
    },
  );

  it('no new stream is opened, and those that are open go on', async () => {
    admission.refused = new Set();
    const open = await fetch(`${bench.url}/api/v1/availability/stream`);
    expect(open.status).toBe(200);
    admission.refused = new Set(['browse']);
    const refused = await bench.call('GET', '/api/v1/availability/stream');
    expect([refused.status, refused.body.code]).toEqual([503, 'overloaded']);
    const reader = open.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reader?.cancel();
  });

  it('when all of them are, not even what is at hand is sent', async () => {
    admission.isHard = true;
    expect((await bench.call('GET', '/api/v1/matches')).status).toBe(503);
  });

  it('all others are let in', async () => {
    const { id, token } = await held();
    expect((await bench.call('GET', `/api/v1/reservations/${id}`, undefined, bearer(token))).status).toBe(
      200,
    );
    const paid = await bench.call(
      'POST',
      `/api/v1/reservations/${id}/payment`,
      { paymentMethod: '4242424242424242' },
      bearer(token),
    );
    expect(paid.body['status']).toBe('RESERVED');
  });
});

it('lets health, metrics and services in, whoever else is refused', async () => {
  admission.refused = new Set(['browse', 'hold', 'holder', 'pay']);
  expect((await bench.call('GET', '/health/live')).status).toBe(200);
  expect((await bench.call('GET', '/health/ready')).status).toBe(200);
  expect((await bench.call('GET', '/metrics')).status).toBe(200);
  const told = await bench.call('POST', '/api/v1/sales-messages', {}, bearer(SERVICE_TOKEN));
  expect(told.status).toBe(422);
});

it('counts a request until it is over, and a stream never', async () => {
  await bench.call('GET', '/api/v1/matches');
  const stream = await fetch(`${bench.url}/api/v1/availability/stream`);
  expect(admission.underWay).toBe(0);
  await stream.body?.cancel();
});

it.each([
  '/api/v1/availability/stream/',
  '/API/v1/availability/Stream?since=1',
  '/api/v1/availability/stream#a',
  'http://shop.example.org/api/v1/availability/stream',
  'HTTP://shop.example.org/api/v1/availability/stream/?since=1',
])('a stream that is asked for as %s is one, and not counted either', async (target) => {
  const { hostname, port } = new URL(bench.url);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const asking = httpRequest({ hostname, port, path: target }, resolve);
    asking.once('error', reject);
    asking.end();
  });
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([
    200,
    expect.stringContaining('text/event-stream'),
  ]);
  expect(admission.underWay).toBe(0);
  answer.destroy();
});
