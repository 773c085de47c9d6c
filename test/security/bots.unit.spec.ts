import { describe, expect, it } from '@jest/globals';
import { Bots, CHALLENGE_SCORE_MIN, Cadence, denies, isHoneypot, scoreOf } from '../../src/security/bots.js';
import { routeClassOf } from '../../src/security/route-classes.js';
import { signalsOf, solutionOf, verdictProblem } from '../../src/security/verdict.js';
import { CHROME } from './bench.js';

const bots = new Bots();
const agent = (userAgent: string, more: Record<string, string> = {}, method = 'POST') => {
  const marks = bots.marks({ signals: { 'user-agent': userAgent, ...more }, method });
  return { marks, challenged: scoreOf(marks) >= CHALLENGE_SCORE_MIN, denied: denies(marks) };
};

describe('the score of a request', () => {
  it.each([
    'curl/8.5.0',
    'node',
    'undici',
    'node-fetch/1.0 (+https://github.com/bitinn/node-fetch)',
    'axios/1.6.2',
    'python-requests/2.31.0',
    'Python-urllib/3.11',
    'Python/3.11 aiohttp/3.9.1',
    'Go-http-client/1.1',
    'okhttp/4.12.0',
    'PostmanRuntime/7.36.0',
    'Wget/1.21.4',
    'our-partner-shop/2.0',
  ])('says nothing against %s', (userAgent) => {
    expect(agent(userAgent)).toEqual({ marks: [], challenged: false, denied: false });
  });

  it('says nothing against a browser, also one on plain http', () => {
    expect(agent(CHROME['user-agent'], CHROME).marks).toEqual([]);
    const { accept, origin } = CHROME;
    const plain = { accept, origin, 'accept-language': 'de' };
    expect(agent(CHROME['user-agent'], plain)).toMatchObject({ challenged: false });
  });

  it.each([
    [CHROME['user-agent'].replace('Chrome', 'HeadlessChrome'), 'headless'],
    [
      'Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/534.34 (KHTML, like Gecko) PhantomJS/1.9.8 Safari/534.34',
      'headless',
    ],
    ['puppeteer/21', 'headless'],
    ['Playwright/1.40', 'headless'],
    ['selenium/4.16 (python linux)', 'headless'],
    ['Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', 'crawler'],
  ])('challenges %s', (userAgent, mark) => {
    const found = agent(userAgent, CHROME_WITHOUT_AGENT);
    expect(found).toMatchObject({ challenged: true, denied: false });
    expect(found.marks).toContain(mark);
  });

  it('challenges a program that only says it is a browser', () => {
    const found = agent(CHROME['user-agent'], { accept: '*/*' });
    expect(found).toMatchObject({ challenged: true, denied: false });
    expect(found.marks).toEqual(['no_language', 'no_fetch_metadata', 'no_origin']);
  });

  it('sees a headless browser that hides only in its user agent', () => {
    const found = agent(CHROME['user-agent'], {
      ...CHROME_WITHOUT_AGENT,
      'sec-ch-ua': '"HeadlessChrome";v="126"',
    });
    expect(found.challenged).toBe(true);
  });

  it('denies tools that look for holes, and nothing else', () => {
    expect(agent('sqlmap/1.7.2#stable (https://sqlmap.org)').denied).toBe(true);
    expect(agent('Mozilla/5.0 (compatible; Nmap Scripting Engine)').denied).toBe(true);
    expect(agent('')).toEqual({ marks: ['no_user_agent'], challenged: false, denied: false });
  });
});

const CHROME_WITHOUT_AGENT = Object.fromEntries(
  Object.entries(CHROME).filter(([name]) => name !== 'user-agent'),
);

describe('a honeypot', () => {
  it.each([
    '/wp-login.php',
    '/.env',
    '/.git/config',
    '/.git',
    '/blog/.env.local',
    '/index.php',
    '/phpmyadmin/',
    '/cgi-bin/a',
  ])('is %s', (path) => {
    expect(isHoneypot(path)).toBe(true);
  });
  it.each([
    '/',
    '/api/v1/matches',
    '/matches/1',
    '/.well-known/security.txt',
    '/favicon.ico',
    '/assets/app.js',
    '/admin/queues',
    '/environment',
  ])('is not %s', (path) => {
    expect(isHoneypot(path)).toBe(false);
  });
});

describe('the cadence of requests', () => {
  const noted = (pauses: readonly number[]): boolean => {
    const cadence = new Cadence();
    let now = 0;
    return pauses.map((pause) => cadence.note('name', (now += pause))).includes(true);
  };

  it('is told when it is regular and fast', () => {
    expect(noted(Array.from({ length: 20 }, () => 500))).toBe(true);
    expect(noted(Array.from({ length: 20 }, (_, i) => 500 + (i % 3) * 20))).toBe(true);
  });
  it('is no mark of people, of slow polling, or of bursts', () => {
    expect(noted(Array.from({ length: 40 }, (_, i) => 200 + ((i * 7_919) % 1_000)))).toBe(false);
    expect(noted(Array.from({ length: 40 }, () => 10_000))).toBe(false);
    expect(noted(Array.from({ length: 40 }, () => 1))).toBe(false);
    expect(noted(Array.from({ length: 10 }, () => 500))).toBe(false);
  });
});

describe('the class of a route', () => {
  it.each([
    ['POST /api/v1/reservations', 'hold'],
    ['POST /api/reservation', 'hold'],
    ['POST /api/v1/reservations/m1c1-x/payment', 'pay'],
    ['DELETE /api/v1/reservations/m1c1-x', 'write'],
    ['GET /api/v1/reservations', 'read'],
    ['GET /api/v1/matches?team=Qatar', 'read'],
    ['GET /', 'read'],
    ['POST /api/v1/sessions', 'login'],
    ['POST /api/v1/sessions/', 'login'],
    ['POST /api/v1/users', 'account'],
    ['GET /api/v1/users/me', 'read'],
    ['POST /api/v1/payments/webhook', 'webhook'],
    ['POST /api/v1/checks/facts', 'service'],
    ['GET /admin/queues', 'admin'],
    ['POST /api/v1/blocks', 'admin'],
    ['POST /api/v1/check-ins', 'check-in'],
    ['GET /api/v1/check-ins/lists/1', 'check-in'],
    ['POST /api/v1/tickets/check', 'check-in'],
    ['POST /api/v1/check-ins-and-more', 'write'],
    ['GET /wp-login.php', 'unknown'],
    ['', 'unknown'],
  ])('%s is %s', (route, routeClass) => {
    expect(routeClassOf(route)).toBe(routeClass);
  });
});

describe('at the edge of HTTP', () => {
  it('takes only the headers that tell bots, bounded', () => {
    const headers = {
      'user-agent': 'a'.repeat(5_000),
      cookie: 'secret',
      authorization: 'secret',
      'sec-ch-ua': 'x',
    };
    expect(signalsOf({ headers })).toEqual({ 'user-agent': 'a'.repeat(512), 'sec-ch-ua': 'x' });
    expect(solutionOf({ headers: { 'x-challenge-solution': 'abc' } })).toBe('abc');
    expect(solutionOf({ headers: { 'x-challenge-solution': 'a'.repeat(10_000) } })).toBeUndefined();
  });

  it('answers each verdict', () => {
    expect(verdictProblem({ verdict: 'allow', reasons: [] })).toBeNull();
    const challenge = verdictProblem({
      verdict: 'challenge',
      reasons: ['secret'],
      challenge: { parameters: {} },
    });
    expect(challenge).toMatchObject({
      status: 403,
      code: 'challenge_required',
      body: { challenge: { parameters: {} } },
    });
    expect(challenge?.body['detail']).toMatch(/X-Challenge-Solution/);
    const limited = verdictProblem({ verdict: 'deny', reasons: ['secret'], retryAfterMs: 1_500 });
    expect(limited).toMatchObject({ status: 429, code: 'rate_limited', headers: { 'Retry-After': '2' } });
    const blocked = verdictProblem({ verdict: 'deny', reasons: ['secret'] });
    expect(blocked).toMatchObject({ status: 403, code: 'blocked' });
    expect(JSON.stringify([challenge?.body, limited?.body, blocked?.body])).not.toContain('secret');
  });
});
