import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { defineRoute } from '../../src/http/api.js';
import { PROBLEMS } from '../../src/http/problem.js';
import { until } from '../helpers/engine.js';
import { HOLD, bearer, startBench, type Bench, type Reply } from './bench.js';

let bench: Bench;
const broken = defineRoute({
  method: 'get',
  path: '/broken',
  tag: 'test',
  summary: 'Throws',
  responses: {},
  handle: () => {
    throw new Error('a secret detail');
  },
});
let release: () => void = () => undefined;
let entered: Promise<void>;
beforeEach(async () => {
  let enter: () => void;
  entered = new Promise((resolve) => (enter = resolve));
  const slow = defineRoute({
    method: 'get',
    path: '/slow',
    tag: 'test',
    summary: 'Waits for the test',
    responses: { 200: { description: 'Done' } },
    handle: async () => {
      enter();
      await new Promise<void>((resolve) => (release = resolve));
      return { status: 200, body: { done: true } };
    },
  });
  bench = await startBench({ moreRoutes: [broken, slow], service: { checks } });
});
afterEach(() => {
  release();
  return bench.stop();
});

let down = false;
const checks = [
  { name: 'redis', check: async () => undefined },
  {
    name: 'archive',
    check: async () => {
      if (down) throw new Error('mongodb://user:password@host is away');
    },
  },
];

/** Sends bytes as they are and collects the answer until the connection ends. */
function raw(bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(bench.url).port), '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

describe('what cannot be understood', () => {
  const post = (body: unknown, headers: Record<string, string> = {}): Promise<Reply> =>
    bench.call('POST', '/api/v1/reservations', body, headers);

  it.each([
    ['cut-off JSON', '{"matchNumber":1', 400, 'malformed_request'],
    ['no JSON', 'hello', 400, 'malformed_request'],
    ['a bare number', '7', 400, 'malformed_request'],
    ['null', 'null', 400, 'malformed_request'],
    ['NaN', '{"matchNumber":NaN}', 400, 'malformed_request'],
    ['a number beyond all', '{"matchNumber":1e999}', 422, 'validation_failed'],
    ['an array', '[]', 422, 'validation_failed'],
    ['an empty object', '{}', 422, 'validation_failed'],
    ['nothing', '', 422, 'validation_failed'],
    ['a prototype', `{"__proto__":${JSON.stringify(HOLD)}}`, 422, 'validation_failed'],
    ['a constructor', '{"constructor":{"prototype":{}},"toString":1}', 422, 'validation_failed'],
    ['a length of no value', '{"email":{"length":{"toString":1,"valueOf":1}}}', 422, 'validation_failed'],
    [
      'endless nesting',
      `{"matchNumber":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
      422,
      'validation_failed',
    ],
    ['too much', JSON.stringify({ x: 'x'.repeat(70_000) }), 413, 'payload_too_large'],
  ])('%s', async (_what, body, status, code) => {
    expect((await post(body)).body).toMatchObject({ status, code });
  });

  it('unknown keys, also those of prototypes, are nothing', async () => {
    const text = JSON.stringify(HOLD).replace(
      '{',
      '{"__proto__":{"price":1},"constructor":1,"hasOwnProperty":1,',
    );
    expect((await post(text)).status).toBe(201);
  });

  it.each([
    ['text', { 'Content-Type': 'text/plain' }],
    ['a form', { 'Content-Type': 'application/x-www-form-urlencoded' }],
    ['another charset', { 'Content-Type': 'application/json; charset=latin1' }],
    ['UTF-16', { 'Content-Type': 'application/json; charset=utf-16' }],
    ['no charset of this world', { 'Content-Type': 'application/json; charset=nope' }],
    ['a compressed body', { 'Content-Encoding': 'gzip' }],
    ['an encoding of no world', { 'Content-Encoding': 'nope' }],
  ])('415 for %s', async (_what, headers) => {
    expect((await post(JSON.stringify(HOLD), headers)).body).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    });
  });

  it('400 for bytes that are no UTF-8', async () => {
    const body = Buffer.concat([Buffer.from('{"email":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    const head = `POST /api/v1/reservations HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
    const answer = await raw(Buffer.concat([Buffer.from(head), body]));
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('malformed_request');
  });

  it.each(['/api/v1/matches/%', '/api/v1/matches/%ff', '/api/v1/reservations/%E0%A4%A/payment'])(
    '4xx for the path %s',
    async (path) => {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
      expect(answer).toContain('application/problem+json');
    },
  );

  it.each([
    ['no Host', '', 400],
    ['an expectation that nobody can meet', 'Host: a\r\nExpect: something\r\n', 417],
  ])('a request with %s gets a problem like any other', async (_what, headers, status) => {
    const answer = await raw(`GET /api/v1/matches HTTP/1.1\r\n${headers}\r\n`);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
    expect(answer).toContain('"code":"malformed_request"');
  });

  it('a body that was announced is still asked for', async () => {
    const head =
      'POST /api/v1/reservations HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n';
    const answer = await raw(`${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
    expect(answer).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 422 /);
  });

  it('a query of nonsense is no reason to fail', async () => {
    for (const query of ['%', '%ff', 'q[a]=1', '__proto__=1', 'q=%00', '&&&==', 'team[]=x']) {
      expect((await bench.call('GET', `/api/v1/matches?${query}`)).status).toBeLessThan(500);
    }
  });

  it.each([
    ['no HTTP', 'hello\r\n\r\n', 400, 'malformed_request'],
    [
      'endless headers',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
  ])('%s', async (_what, bytes, status, code) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).toContain(`"code":"${code}"`);
  });
});

describe('methods and paths', () => {
  it('404 where nothing is, 405 with Allow where something else is', async () => {
    expect((await bench.call('GET', '/api/v1/nothing')).body).toMatchObject({
      status: 404,
      code: 'not_found',
    });
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      const { body, headers } = await bench.call(method, '/api/v1/matches');
      expect(body).toMatchObject({ status: 405, code: 'method_not_allowed' });
      expect(headers.get('Allow')).toBe('GET, HEAD, OPTIONS');
    }
    expect((await bench.call('GET', '/api/reservation')).headers.get('Allow')).toBe('OPTIONS, POST');
  });

  it('OPTIONS and HEAD', async () => {
    const options = await bench.call('OPTIONS', '/api/v1/reservations');
    expect([options.status, options.headers.get('Allow')]).toEqual([204, 'GET, HEAD, OPTIONS, POST']);
    const head = await bench.call('HEAD', '/api/v1/matches');
    expect([head.status, head.text]).toEqual([200, '']);
    expect(Number(head.headers.get('Content-Length'))).toBeGreaterThan(100);
  });
});

describe('every response', () => {
  it('carries the request id that was sent, if it is a sane one', async () => {
    const sane = await bench.call('GET', '/health/live', undefined, { 'X-Request-Id': 'abc.DEF_1-2' });
    expect(sane.headers.get('X-Request-Id')).toBe('abc.DEF_1-2');
    const odd = await bench.call('GET', '/health/live', undefined, { 'X-Request-Id': 'x'.repeat(65) });
    expect(odd.headers.get('X-Request-Id')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('passes its request id on with the command', async () => {
    await bench.call('POST', '/api/v1/reservations', HOLD, { 'X-Request-Id': 'follow-me' });
    expect(bench.market.submissions[0]?.requestId).toBe('follow-me');
  });

  it('has safe headers', async () => {
    const { headers } = await bench.call('GET', '/health/live');
    expect(headers.get('Content-Security-Policy')).toContain("default-src 'none'");
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(headers.has('X-Powered-By')).toBe(false);
  });

  it('tells nothing of a defect, which is logged', async () => {
    const { status, text, body } = await bench.call('GET', '/broken');
    expect(status).toBe(500);
    expect(body.code).toBe('internal_error');
    expect(text).not.toContain('secret');
    expect(bench.logs.join('')).toContain('a secret detail');
  });
});

describe('logs and metrics', () => {
  it('name the request, and no body, token or address', async () => {
    const held = await bench.call('POST', '/api/v1/reservations', { ...HOLD, price: 75 });
    const token = String(held.body['token']);
    await bench.call(
      'GET',
      `/api/v1/reservations/${String(held.body['id'])}?email=fan@example.com`,
      undefined,
      bearer(token),
    );
    await bench.call('GET', '/api/v1/fan%40example.com/fan@example.com');
    await bench.call('POST', '/api/v1/reservations', '{"email":"fan@example.com",');
    const logs = bench.logs.join('');
    expect(bench.logs.length).toBeGreaterThanOrEqual(4);
    expect(JSON.parse(bench.logs[0] ?? '')).toMatchObject({
      method: 'POST',
      path: '/api/v1/reservations',
      status: 201,
    });
    expect(logs).not.toMatch(/fan(@|%40)example/);
    expect(logs).not.toContain(token);
  });

  it('have one line a request, with its id, how it ended and its level; none for health and metrics', async () => {
    const lines = (): Record<string, unknown>[] =>
      bench.logs
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ msg }) => String(msg).startsWith('request '));
    await bench.call('GET', '/health/live');
    await bench.call('GET', '/metrics');
    await bench.call('GET', '/no/such', undefined, { 'X-Request-Id': 'asked-1' });
    await bench.call('GET', '/broken', undefined, { 'X-Request-Id': 'asked-2' });
    const leaving = connect(Number(new URL(bench.url).port), '127.0.0.1', () =>
      leaving.write('GET /slow HTTP/1.1\r\nHost: ticktak\r\nX-Request-Id: asked-3\r\n\r\n'),
    );
    await entered;
    leaving.destroy();
    await until(() => lines().length === 3);
    expect(lines()).toEqual([
      expect.objectContaining({
        reqId: 'asked-1',
        level: 30,
        status: 404,
        code: 'not_found',
        msg: 'request completed',
      }),
      expect.objectContaining({ reqId: 'asked-2', level: 50, status: 500, msg: 'request errored' }),
      expect.objectContaining({ reqId: 'asked-3', level: 30, path: '/slow', msg: 'request aborted' }),
    ]);
    expect(Object.keys(lines()[0] ?? {}).sort()).toEqual(
      [
        'code',
        'level',
        'method',
        'msg',
        'path',
        'reqId',
        'responseTime',
        'status',
        'time',
        'pid',
        'hostname',
      ].sort(),
    );
  });

  it('count by route, never by what a client makes up', async () => {
    await bench.call('POST', '/api/v1/reservations', HOLD);
    await bench.call('GET', '/made/up');
    await bench.call('POST', '/api/v1/reservations', {});
    const { text, headers } = await bench.call('GET', '/metrics');
    expect(headers.get('Content-Type')).toContain('text/plain');
    expect(text).toContain('ticktak_holds_total 1');
    expect(text).toContain('ticktak_refusals_total{code="validation_failed"} 1');
    expect(text).toMatch(
      /ticktak_http_request_seconds_count\{route="\/api\/v1\/reservations",method="POST",status="201"\} 1/,
    );
    expect(text).not.toContain('made');
    for (const name of [
      'queue_depth',
      'batch_commands',
      'commit_seconds',
      'outbox_lag_entries',
      'oversubscribed_tickets',
    ]) {
      expect(text).toContain(`ticktak_${name}`);
    }
  });
});

describe('metrics', () => {
  it('say of each part whether it is ready, as it is when they are asked for', async () => {
    down = true;
    const { text } = await bench.call('GET', '/metrics');
    down = false;
    expect(text).toContain('ticktak_part_ready{part="redis"} 1');
    expect(text).toContain('ticktak_part_ready{part="archive"} 0');
    expect((await bench.call('GET', '/metrics')).text).toContain('ticktak_part_ready{part="archive"} 1');
  });

  it('begin with 0 where a rule waits for the first of something', async () => {
    const { text } = await bench.call('GET', '/metrics');
    for (const code of Object.keys(PROBLEMS))
      expect(text).toMatch(new RegExp(`^ticktak_refusals_total\\{code="${code}"\\} \\d+$`, 'm'));
  });
});

describe('health and the end', () => {
  it('is ready when every part answers, and says which does not, without its words', async () => {
    down = false;
    expect((await bench.call('GET', '/health/live')).body).toEqual({ status: 'live' });
    const up = [
      { name: 'redis', status: 'up' },
      { name: 'archive', status: 'up' },
    ];
    expect((await bench.call('GET', '/health/ready')).body).toEqual({ status: 'ready', checks: up });
    down = true;
    const { status, body, text } = await bench.call('GET', '/health/ready');
    down = false;
    expect(status).toBe(503);
    expect(body).toMatchObject({ code: 'not_ready', checks: [up[0], { name: 'archive', status: 'down' }] });
    expect(text).not.toContain('password');
  });

  it('says it is not ready before it stops accepting', async () => {
    await bench.stop();
    bench = await startBench({ service: { limits: { drainMs: 5_000 } } });
    const closing = bench.service.close();
    const { status, body } = await bench.call('GET', '/health/ready');
    expect([status, body['closing']]).toEqual([503, true]);
    expect((await bench.call('GET', '/api/v1/matches')).headers.get('Connection')).toBe('close');
    bench.clock.advance(5_000);
    await closing;
    await expect(fetch(`${bench.url}/health/live`)).rejects.toThrow();
  });

  it('answers what it accepted before it closes', async () => {
    const slow = bench.call('GET', '/slow');
    await entered;
    const closing = bench.service.close();
    release();
    expect((await slow).body).toEqual({ done: true });
    await closing;
  });

  it('does not wait for ever', async () => {
    const slow = bench.call('GET', '/slow').catch((error: unknown) => error);
    await entered;
    const closing = bench.service.close();
    while (bench.clock.timers === 0) await new Promise(setImmediate);
    bench.clock.advance(10_000);
    await closing;
    expect(String(await slow)).toContain('fetch failed');
  });

  it('says in one line which port is taken and what to change', async () => {
    const port = Number(new URL(bench.url).port);
    const other = await startBench();
    await other.stop();
    await expect(other.service.listen('127.0.0.1', port)).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is already in use; set SHOP_PORT to a free port.`,
    );
  });
});
