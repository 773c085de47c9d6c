import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { adminRouter, type BoardQueue } from '../../src/http/admin.js';
import type { OperatorDoorOptions } from '../../src/http/operator-door.js';
import { Problem } from '../../src/http/problem.js';
import type { Audit, AuditEntry, RouteClass } from '../../src/security/port.js';
import { requireOperator } from '../../src/users/operators.js';
import type { LogIn } from '../../src/users/users.js';
import { startBench, type Bench } from './bench.js';
import { FakeSecurity, ManualClock, accessTokenOf, fakeTokens } from './fakes.js';

const TOKEN = 'operator-token-of-the-tests';
const basic = (token: string): Record<string, string> => ({
  Authorization: `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`,
});
const asOperator = basic(TOKEN);

/** As much of a BullMQ queue as the board asks for. */
function queue(name: string, counts: Record<string, number> = {}): BoardQueue & { paused: boolean } {
  const fake = {
    name,
    metaValues: { version: 'bullmq:test' },
    opts: { prefix: 'test' },
    paused: false,
    getJobCounts: async () => counts,
    isPaused: async () => fake.paused,
    pause: async () => void (fake.paused = true),
    getGlobalConcurrency: async () => null,
    getRateLimitTtl: async () => 0,
    getJobSchedulersCount: async () => 0,
    getJobs: async () => [],
    getJob: async () => undefined,
  };
  return fake as unknown as BoardQueue & { paused: boolean };
}

const audited: Omit<AuditEntry, 'at'>[] = [];
const audit: Audit = { record: async (entry) => void audited.push(entry) };
const security = new FakeSecurity();

const operator = { accountId: 'op', email: 'op@example.com', roles: ['operator'] } as const;
const accessToken = accessTokenOf({ ...operator, roles: [...operator.roles] });
/** One operator, one buyer; a log-in is renewed once per name of its refresh token. */
const users: OperatorDoorOptions['users'] = {
  logIn: async ({ email, password, totp }) => {
    if (password !== 'right') return { kind: 'wrong_credentials' };
    if (email === 'factor@example.com' && totp === undefined) return { kind: 'code_required' };
    return loggedIn(email.startsWith('buyer') ? 'buyer' : 'operator', 'refresh-1');
  },
  refresh: async (token) =>
    token === 'refresh-1' ? loggedIn('operator', 'refresh-2') : { kind: 'not_logged_in' },
  logOutByToken: async (token) => void endedLogIns.push(token),
};
const endedLogIns: string[] = [];
const loggedIn = (role: 'buyer' | 'operator', refreshToken: string): LogIn => ({
  kind: 'logged_in',
  account: {
    id: 'op',
    email: 'op@example.com',
    name: 'Op',
    roles: [role],
    emailConfirmed: true,
    secondFactor: false,
    createdAt: 1,
  },
  accessToken,
  expiresAt: Date.now() + 600_000,
  refreshToken,
  refreshEndsAt: Date.now() + 6_000_000,
});
/** Classes that were asked about, and what the gate answers. */
const asked: RouteClass[] = [];
let refusal: Problem | null = null;
const door: OperatorDoorOptions = {
  gate: async (_request, _response, routeClass) => {
    asked.push(routeClass);
    return refusal;
  },
  users,
  tokens: fakeTokens,
  security,
  requireOperator: (principal) => requireOperator(principal, { secondFactor: 'optional' }),
  adminToken: TOKEN,
  secureCookies: true,
};

let bench: Bench;
let queues: (BoardQueue & { paused: boolean })[] = [];
beforeAll(async () => {
  const clock = new ManualClock();
  const admin = adminRouter({ queues: () => queues, door, audit, clock, waitMs: 1_000 });
  bench = await startBench({ service: { mount: (app) => app.use(admin) } });
});
afterAll(() => bench.stop());
beforeEach(() => {
  queues = ['match-10.category-1', 'match-01.category-2', 'match-01.category-1'].map((name) => queue(name));
});

const shown = async (): Promise<{ name: string; delimiter: string }[]> =>
  (await bench.call('GET', '/admin/queues/api/queues', undefined, asOperator)).body['queues'] as {
    name: string;
    delimiter: string;
  }[];

describe('the operators’ pages', () => {
  it.each([
    '/admin',
    '/admin/queues',
    '/admin/queues/api/queues',
    '/admin/busy',
    '/admin/queues/static/js/x.js',
  ])('show nothing of %s without the token', async (path) => {
    for (const headers of [
      {},
      basic('wrong'),
      basic(''),
      { Authorization: 'Bearer wrong' },
      { Authorization: 'Basic !' },
    ]) {
      const reply = await bench.call('GET', path, undefined, headers);
      expect(reply.body).toMatchObject({ status: 401, code: 'unauthorized' });
      expect(reply.headers.get('WWW-Authenticate')).toContain('Basic');
    }
  });

  it('take the token as password of any user, or as Bearer', async () => {
    for (const headers of [asOperator, { Authorization: `Bearer ${TOKEN}` }]) {
      const { status, text } = await bench.call('GET', '/admin/queues', undefined, headers);
      expect(status).toBe(200);
      expect(text).toContain('<div id="root">');
    }
  });

  it('may run their own scripts and nothing else', async () => {
    const { headers, text } = await bench.call('GET', '/admin/queues', undefined, asOperator);
    expect(headers.get('Content-Security-Policy')).toContain("script-src 'self'");
    const script = /src="(static\/js\/[^"]+)"/.exec(text)?.[1];
    const file = await bench.call('GET', `/admin/queues/${script ?? ''}`, undefined, asOperator);
    expect(file.status).toBe(200);
    expect(file.headers.get('Content-Type')).toContain('javascript');
    expect((await bench.call('GET', '/health/live')).headers.get('Content-Security-Policy')).toContain(
      "default-src 'none'",
    );
  });
});

describe('the log-in of operators', () => {
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(bench.url + path, { redirect: 'manual', ...init });
  const logIn = (fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> =>
    ask('/admin/login', {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { Origin: bench.url, ...headers },
    });
  const RIGHT = { email: 'Op@example.com ', password: 'right' };

  it('sends a browser to its page, and a program an answer it can read', async () => {
    const browser = await ask('/admin/queues', { headers: { Accept: 'text/html' } });
    expect([browser.status, browser.headers.get('Location')]).toEqual([303, '/admin/login']);
    const page = await ask('/admin/login');
    expect(await page.text()).toContain('name="password"');
    expect(page.headers.get('Content-Security-Policy')).toContain("form-action 'self'");
    expect((await ask('/admin/queues')).status).toBe(401);
  });

  it('keeps the log-in in cookies that no script and no other site gets', async () => {
    const answer = await logIn(RIGHT);
    expect([answer.status, answer.headers.get('Location')]).toEqual([303, '/admin/queues']);
    const cookies = answer.headers.getSetCookie();
    expect(cookies).toHaveLength(2);
    for (const cookie of cookies) {
      for (const flag of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/admin']) {
        expect(cookie).toContain(flag);
      }
    }
    const Cookie = cookies.map((cookie) => cookie.split(';')[0]).join('; ');
    expect((await ask('/admin/queues', { headers: { Cookie } })).status).toBe(200);
  });

  it('renews it while it stands, and asks again when it has ended', async () => {
    const renewed = await ask('/admin/queues', { headers: { Cookie: 'ticktak_admin_refresh=refresh-1' } });
    expect(renewed.status).toBe(200);
    expect(renewed.headers.getSetCookie().join()).toContain('refresh-2');
    const ended = await ask('/admin/queues', { headers: { Cookie: 'ticktak_admin_refresh=refresh-9' } });
    expect(ended.status).toBe(401);
    expect(ended.headers.getSetCookie().join()).toContain('ticktak_admin_refresh=;');
  });

  it.each([
    ['a wrong password', { ...RIGHT, password: 'wrong' }, 401, 'not right'],
    ['nothing', {}, 401, 'not right'],
    ['no code where one is needed', { ...RIGHT, email: 'factor@example.com' }, 401, 'authenticator'],
    ['a buyer', { ...RIGHT, email: 'buyer@example.com' }, 401, 'not right'],
  ])('refuses %s', async (_what, fields, status, words) => {
    const answer = await logIn(fields);
    expect([answer.status, answer.headers.getSetCookie()]).toEqual([status, []]);
    expect(await answer.text()).toContain(words);
  });

  it('is open to no other site, and to nobody who tries too often', async () => {
    for (const Origin of ['https://evil.example', 'null']) {
      expect((await logIn(RIGHT, { Origin })).status).toBe(403);
    }
    security.personVerdict = { verdict: 'deny', reasons: ['rate'], retryAfterMs: 1_000 };
    expect((await logIn(RIGHT)).status).toBe(429);
    security.personVerdict = { verdict: 'allow', reasons: [] };
    expect(security.facts.map(({ kind }) => kind)).toContain('login_failed');
  });

  it('answers a buyer with the right password as one with a wrong one', async () => {
    const right = await logIn({ ...RIGHT, email: 'buyer@example.com' });
    const wrong = await logIn({ email: 'buyer@example.com', password: 'wrong' });
    expect([right.status, await right.text()]).toEqual([wrong.status, await wrong.text()]);
    expect(security.facts.at(-2)).toMatchObject({ kind: 'login_failed', person: 'buyer@example.com' });
  });

  it.each(['/admin/login', '/admin/login/', '/admin/LogIn'])('counts %s like every log-in', async (path) => {
    asked.length = 0;
    refusal = new Problem('challenge_required');
    const form = new URLSearchParams(RIGHT);
    const answer = await ask(path, { method: 'POST', body: form, headers: { Origin: bench.url } });
    refusal = null;
    expect([answer.status, asked]).toEqual([403, ['login']]);
    expect(await answer.text()).toContain('Too many attempts');
    expect(answer.headers.getSetCookie()).toEqual([]);
  });

  it('shows nothing to whom the gate stops', async () => {
    refusal = new Problem('blocked');
    const answer = await ask('/admin/queues', { headers: asOperator });
    refusal = null;
    expect(answer.status).toBe(403);
    expect(asked.at(-1)).toBe('admin');
  });

  it('ends with a log-out', async () => {
    const Cookie = 'ticktak_admin_refresh=refresh-1';
    const answer = await ask('/admin/logout', { method: 'POST', headers: { Origin: bench.url, Cookie } });
    expect(answer.headers.get('Location')).toBe('/admin/login');
    expect(endedLogIns).toContain('refresh-1');
  });

  it('a buyer’s access token opens nothing', async () => {
    const headers = { Authorization: `Bearer ${accessTokenOf({ accountId: 'b' })}` };
    expect((await bench.call('GET', '/admin/queues', undefined, headers)).status).toBe(403);
    const own = { Authorization: `Bearer ${accessToken}` };
    expect((await bench.call('GET', '/admin/queues', undefined, own)).status).toBe(200);
  });
});

describe('the board', () => {
  it('shows the queues there are, by match, and follows them', async () => {
    expect(await shown()).toMatchObject([
      { name: 'match-01.category-1', delimiter: '.' },
      { name: 'match-01.category-2', delimiter: '.' },
      { name: 'match-10.category-1', delimiter: '.' },
    ]);
    queues = [queue('match-02.category-3'), queues[0]!];
    expect((await shown()).map(({ name }) => name).sort()).toEqual([
      'match-02.category-3',
      'match-10.category-1',
    ]);
    queues = Array.from({ length: 192 }, (_, i) =>
      queue(`match-${Math.floor(i / 3) + 1}.category-${(i % 3) + 1}`),
    );
    expect(await shown()).toHaveLength(192);
  });

  it('does not say what it is made with', async () => {
    const { status, headers } = await bench.call('GET', '/admin/queues/api/queues', undefined, asOperator);
    expect([status, headers.get('x-powered-by')]).toEqual([200, null]);
  });

  it('changes something only for its own pages', async () => {
    const path = '/admin/queues/api/queues/dead-letters/pause';
    const target = queue('dead-letters');
    queues = [...queues, target];
    const foreign = [
      {},
      { 'Sec-Fetch-Site': 'cross-site' },
      { 'Sec-Fetch-Site': 'same-site', Origin: bench.url },
      { Origin: 'https://evil.example' },
      { Origin: 'null' },
    ];
    await shown();
    for (const headers of foreign) {
      const reply = await bench.call('PUT', path, undefined, { ...asOperator, ...headers });
      expect(reply.body).toMatchObject({ status: 403, code: 'forbidden' });
    }
    expect(target.paused).toBe(false);
    const own = await fetch(bench.url + path, {
      method: 'PUT',
      headers: { ...asOperator, Origin: bench.url },
    });
    expect(own.status).toBe(200);
    expect(target.paused).toBe(true);
    // A browser does not add a Bearer token by itself.
    const script = await fetch(bench.url + path, {
      method: 'PUT',
      headers: { Authorization: `Bearer ${TOKEN}` },
    });
    expect(script.status).toBe(200);
    expect(audited.at(-1)).toMatchObject({
      actor: 'admin-token',
      action: 'queue.changed',
      subject: 'queue:dead-letters',
      details: { method: 'PUT', path },
    });
    // A ticket's jobs are commands that buyers wait for: nobody empties its queue by hand.
    const ticket = await fetch(`${bench.url}/admin/queues/api/queues/match-01.category-1/pause`, {
      method: 'PUT',
      headers: { ...asOperator, Origin: bench.url },
    });
    expect(ticket.status).toBe(405);
  });
});

describe('the busy page', () => {
  it('lists tickets with work first and links to their queues', async () => {
    queues = [
      queue('match-01.category-1'),
      queue('match-02.category-1', { waiting: 2, active: 1 }),
      queue('match-03.category-1', { failed: 9 }),
    ];
    const { status, text } = await bench.call('GET', '/admin/busy', undefined, asOperator);
    expect(status).toBe(200);
    const links = [...text.matchAll(/href="([^"]+queue\/[^"]+)"/g)].map((found) => found[1]);
    expect(links).toEqual([3, 2, 1].map((match) => `/admin/queues/queue/match-0${match}.category-1`));
  });
});
