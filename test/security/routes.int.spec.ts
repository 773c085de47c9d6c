import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { solve } from '../../src/security/challenge-client.js';
import type { InProcessSecurity } from '../../src/security/in-process.js';
import { LIMITS } from '../../src/security/limits.js';
import { signalsOf, solutionOf, verdictProblem } from '../../src/security/verdict.js';
import { routeClassOf } from '../../src/security/route-classes.js';
import type { Gate, ServiceOptions } from '../../src/http/service.js';
import { defineRoute } from '../../src/http/api.js';
import { SERVICE_TOKEN, personRequest, serve, startBench, type Bench, type RunningService } from './bench.js';

let bench: Bench;
let security: InProcessSecurity;
let running: RunningService;
beforeEach(async () => {
  bench = await startBench();
  security = await bench.process();
  running = await serve(bench, security);
});
afterEach(async () => {
  await running.service.close();
  await bench.stop();
});

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}
async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  { url } = running,
): Promise<Reply> {
  const response = await fetch(url + path, {
    method,
    headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown> };
}
const service = { Authorization: `Bearer ${SERVICE_TOKEN}` };
const operator = { 'X-Test-Account': 'operator' };
const CHECK = { ip: '198.51.100.7', userAgent: 'curl/8.5.0', route: 'POST /api/v1/reservations' };

describe('checks', () => {
  it('answer a verdict', async () => {
    expect(await call('POST', '/api/v1/checks', CHECK, service)).toEqual({
      status: 200,
      body: { verdict: 'allow', reasons: [] },
    });
    const bot = { ...CHECK, userAgent: 'HeadlessChrome', accountId: 'a1' };
    expect((await call('POST', '/api/v1/checks', bot, service)).body).toEqual({
      verdict: 'challenge',
      reasons: ['headless'],
      challenge: { parameters: expect.any(Object), signature: expect.any(String) },
    });
  });

  it.each([
    ['no address', { ...CHECK, ip: 'nowhere' }],
    ['no route', { ip: CHECK.ip, userAgent: '' }],
    [
      'a person where none is asked for',
      { ...CHECK, route: 'GET /api/v1/matches', person: 'fan@example.org' },
    ],
    ['a signal that is none', { ...CHECK, signals: { cookie: 'x' } }],
    ['a user agent without end', { ...CHECK, userAgent: 'x'.repeat(5_000) }],
  ])('refuse %s', async (_, body) => {
    expect(await call('POST', '/api/v1/checks', body, service)).toMatchObject({
      status: 422,
      body: { code: 'validation_failed' },
    });
  });

  it.each([
    ['POST', '/api/v1/checks', CHECK],
    ['POST', '/api/v1/checks/facts', { facts: [{ kind: 'bought', person: 'fan@example.org' }] }],
    ['POST', '/api/v1/checks/bought', { person: 'fan@example.org' }],
    ['POST', '/api/v1/challenges/verify', { solution: 'x', route: CHECK.route }],
  ])('are for services only: %s %s', async (method, path, body) => {
    expect(await call(method, path, body)).toMatchObject({ status: 401 });
    expect(await call(method, path, body, { Authorization: 'Bearer wrong' })).toMatchObject({ status: 403 });
    expect(await call(method, path, body, operator)).toMatchObject({ status: 401 });
    expect((await call(method, path, body, service)).status).toBeLessThan(300);
  });

  it('are refused before the body is read', async () => {
    expect(await call('POST', '/api/v1/checks', 'no check')).toMatchObject({ status: 401 });
  });
});

describe('challenges', () => {
  it('can be had in advance and verified once', async () => {
    const { status, body } = await call('POST', '/api/v1/challenges', { route: CHECK.route });
    expect(status).toBe(201);
    const solution = await solve(body['challenge']);
    const verify = (route: string) =>
      call('POST', '/api/v1/challenges/verify', { solution, route }, service).then((reply) => reply.body);
    expect(await verify(CHECK.route)).toEqual({ verified: true });
    expect(await verify(CHECK.route)).toEqual({ verified: false, reason: 'used' });
    const nonsense = { solution: 'nonsense', route: CHECK.route };
    expect((await call('POST', '/api/v1/challenges/verify', nonsense, service)).body).toEqual({
      verified: false,
      reason: 'invalid',
    });
  });

  it('are for one class of routes', async () => {
    const { body } = await call('POST', '/api/v1/challenges', { route: 'POST /api/v1/sessions' });
    const solution = await solve(body['challenge']);
    const asked = { solution, route: CHECK.route };
    expect((await call('POST', '/api/v1/challenges/verify', asked, service)).body).toEqual({
      verified: false,
      reason: 'other_route',
    });
    expect(await call('POST', '/api/v1/challenges', { route: 'GET /api/v1/matches' })).toMatchObject({
      status: 422,
    });
  });
});

describe('the block list and the audit', () => {
  const BLOCK = { cidr: '203.0.113.0/24', reason: 'spam' };

  it.each([
    ['GET', '/api/v1/blocks', undefined],
    ['POST', '/api/v1/blocks', BLOCK],
    ['DELETE', '/api/v1/blocks/00000000-0000-4000-8000-000000000000', undefined],
    ['GET', '/api/v1/audit', undefined],
    ['GET', '/api/v1/audit?actor=account:op', undefined],
  ])('are for operators only: %s %s', async (method, path, body) => {
    for (const headers of [{}, service, { 'X-Forwarded-For': '127.0.0.1' }, { 'X-Role': 'operator' }]) {
      expect(await call(method, path, body, headers)).toMatchObject({ status: 401 });
    }
    expect(await call(method, path, body, { 'X-Test-Account': 'buyer' })).toMatchObject({ status: 403 });
    expect((await security.blocks.list({ limit: 1 })).items).toEqual([]);
  });

  it('are kept by operators', async () => {
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const added = await call('POST', '/api/v1/blocks', { ...BLOCK, expiresAt }, operator);
    expect(added).toMatchObject({ status: 201, body: { ...BLOCK, addedBy: 'account:operator', expiresAt } });
    const list = await call('GET', '/api/v1/blocks?limit=10', undefined, operator);
    expect(list.body).toEqual({ blocks: [added.body] });
    const asked = { ...CHECK, ip: '203.0.113.9' };
    expect((await call('POST', '/api/v1/checks', asked, service)).body).toMatchObject({ verdict: 'deny' });
    const id = String(added.body['id']);
    expect(await call('DELETE', `/api/v1/blocks/${id}`, undefined, operator)).toMatchObject({ status: 204 });
    expect(await call('DELETE', `/api/v1/blocks/${id}`, undefined, operator)).toMatchObject({ status: 404 });
    expect(await call('DELETE', '/api/v1/blocks/none', undefined, operator)).toMatchObject({ status: 404 });
    expect((await call('POST', '/api/v1/checks', asked, service)).body).toMatchObject({ verdict: 'allow' });
    const audit = await call('GET', `/api/v1/audit?subject=block:${id}`, undefined, operator);
    expect(audit.body).toMatchObject({
      entries: [
        { action: 'block.removed' },
        { action: 'block.added', actor: 'account:operator', address: '127.0.0.1' },
      ],
    });
  });

  it('refuse what would block everyone, in words', async () => {
    const refused = await call('POST', '/api/v1/blocks', { cidr: '0.0.0.0/0', reason: 'slip' }, operator);
    expect(refused).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'cidr', message: expect.stringContaining('every address') }] },
    });
    expect(await call('GET', '/api/v1/audit?limit=101', undefined, operator)).toMatchObject({ status: 422 });
  });
});

describe('a service behind its gate', () => {
  const hold = defineRoute({
    method: 'post',
    path: '/api/v1/reservations',
    tag: 'test',
    summary: 'Says what address it saw',
    routeClass: 'hold',
    responses: {},
    handle: ({ address }) => ({ status: 201, body: { address } }),
  });
  const gate: Gate = async (request, _response, routeClass) => {
    const solution = solutionOf(request);
    const verdict = await security.check({
      address: request.ip ?? '',
      routeClass,
      method: request.method,
      path: request.path,
      signals: signalsOf(request),
      principal: null,
      ...(solution !== undefined && { solution }),
    });
    return verdictProblem(verdict);
  };
  const within = async (over: Partial<ServiceOptions>, work: (gated: RunningService) => Promise<void>) => {
    const gated = await serve(bench, security, { gate, routes: [hold], ...over });
    try {
      await work(gated);
    } finally {
      await gated.service.close();
    }
  };
  const buy = (gated: RunningService, headers: Record<string, string> = {}) =>
    call('POST', '/api/v1/reservations', {}, { 'User-Agent': 'curl/8.5.0', ...headers }, gated);

  it('does not believe an address that nobody vouches for', async () => {
    await security.blocks.add({ cidr: '203.0.113.5', reason: 'spam', addedBy: 'account:op' });
    await within({}, async (gated) => {
      // Neither can one be blamed on another, nor can the own one be hidden.
      for (const header of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'X-Client-IP', 'CF-Connecting-IP']) {
        expect(await buy(gated, { [header]: '203.0.113.5' })).toEqual({
          status: 201,
          body: { address: '127.0.0.1' },
        });
      }
    });
  });

  it('believes the hop that its trusted proxy saw, and none before it', async () => {
    await security.blocks.add({ cidr: '203.0.113.5', reason: 'spam', addedBy: 'account:op' });
    await within({ trustProxy: 1 }, async (gated) => {
      expect(await buy(gated, { 'X-Forwarded-For': '203.0.113.5' })).toMatchObject({
        status: 403,
        body: { code: 'blocked' },
      });
      // The client wrote the first one; the proxy appended the second.
      expect(await buy(gated, { 'X-Forwarded-For': '127.0.0.1, 203.0.113.5' })).toMatchObject({
        status: 403,
      });
      expect(await buy(gated, { 'X-Forwarded-For': '203.0.113.5, 198.51.100.1' })).toEqual({
        status: 201,
        body: { address: '198.51.100.1' },
      });
    });
  });

  it('takes a solved challenge in the header', async () => {
    await within({}, async (gated) => {
      const headless = { 'User-Agent': 'HeadlessChrome' };
      const refused = await buy(gated, headless);
      expect(refused).toMatchObject({ status: 403, body: { code: 'challenge_required' } });
      const solution = await solve(refused.body['challenge']);
      const solved = { ...headless, 'X-Challenge-Solution': solution };
      expect(await buy(gated, solved)).toMatchObject({ status: 201 });
      expect(await buy(gated, solved)).toMatchObject({ status: 403, body: { code: 'challenge_required' } });
    });
  });

  it('marks who asks for pages that only break-in scripts ask for', async () => {
    await within({ trustProxy: 1 }, async (gated) => {
      const from = { 'X-Forwarded-For': '198.51.100.66' };
      expect(await buy(gated, from)).toMatchObject({ status: 201 });
      expect(await call('GET', '/wp-login.php', undefined, from, gated)).toMatchObject({ status: 404 });
      await security.flush();
      expect(await buy(gated, from)).toMatchObject({ status: 403, body: { code: 'challenge_required' } });
    });
  });

  it('has the same classes as the description of its routes', () => {
    for (const { method, path, routeClass } of running.service.routes) {
      if (path.startsWith('/health') || path === '/metrics') continue;
      const wanted = routeClass ?? (method === 'get' ? 'read' : 'write');
      expect([path, routeClassOf(`${method.toUpperCase()} ${path}`)]).toEqual([path, wanted]);
    }
  });
});

describe('a scripted bot and a venue', () => {
  it('gets at most its personal limit, while the people behind one address still buy', async () => {
    const bot: string[] = [];
    const solutions = new Map<string, string>();
    for (let i = 0; i < 400; i += 1) {
      // It may solve every challenge it is asked for.
      const address = `198.51.100.${i % 50}`;
      const solution = solutions.get(address);
      const verdict = await security.checkPerson(
        personRequest({ person: `bot+${i}@gmail.com`, address, ...(solution !== undefined && { solution }) }),
      );
      solutions.delete(address);
      if (verdict.verdict === 'challenge') solutions.set(address, await solve(verdict.challenge));
      bot.push(verdict.verdict);
    }
    expect(bot.filter((verdict) => verdict === 'allow')).toHaveLength(LIMITS.hold.personPerMinute!);
    expect(bot.at(-1)).toBe('deny');

    // 200 people at one address, four tries each: more than the address's 600 a minute.
    const reached: string[] = [];
    let challenged = 0;
    const buyer = async (i: number): Promise<void> => {
      const asked = {
        method: 'POST',
        path: '/api/v1/reservations',
        principal: null,
        routeClass: 'hold',
      } as const;
      const from = { ...asked, address: '192.0.2.50', signals: { 'user-agent': 'curl/8.5.0' } };
      for (let attempt = 0; attempt < 4; attempt += 1) {
        let solution: string | undefined;
        let verdict = await security.check(from);
        if (verdict.verdict === 'challenge') {
          challenged += 1;
          solution = await solve(verdict.challenge);
          verdict = await security.check({ ...from, solution });
        }
        const shown = solution === undefined ? {} : { solution };
        const person = personRequest({ person: `venue${i}@example.org`, address: from.address, ...shown });
        const second = await security.checkPerson(person);
        reached.push(`${verdict.verdict} ${second.verdict}`);
      }
    };
    await Promise.all(Array.from({ length: 200 }, (_, i) => buyer(i)));
    expect(challenged).toBeGreaterThan(0);
    expect(new Set(reached)).toEqual(new Set(['allow allow']));
    expect(reached).toHaveLength(800);
  });
});
