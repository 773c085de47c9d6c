/** Accounts over HTTP: what a client sees, and what it must never see. */
import { afterEach, beforeEach, describe, expect, it, test } from '@jest/globals';
import { openApiDocument } from '../../src/http/api.js';
import { userRoutes } from '../../src/users/routes.js';
import {
  bearer,
  codeOf,
  PASSWORD,
  someone,
  someOperator,
  startUsers,
  type Bench,
  type Reply,
} from './bench.js';

const EMAIL = 'fan@example.org';
const FAN = { email: EMAIL, password: PASSWORD, name: 'A Fan' };
const SAME_SITE = { 'Sec-Fetch-Site': 'same-origin' };

let bench: Bench;
beforeEach(async () => {
  bench = await startUsers();
});
afterEach(() => bench.stop());

const register = (body: object = FAN): Promise<Reply> => bench.call('POST', '/api/v1/users', body);
const logIn = (more: object = {}, headers = {}): Promise<Reply> =>
  bench.call('POST', '/api/v1/sessions', { email: EMAIL, password: PASSWORD, ...more }, headers);
const refresh = (refreshToken?: unknown, headers = {}): Promise<Reply> =>
  bench.call('POST', '/api/v1/sessions/refresh', { refreshToken }, headers);
const me = (token: unknown): Promise<Reply> =>
  bench.call('GET', '/api/v1/users/me', undefined, bearer(token));
const cookieIn = (reply: Reply): string => (reply.headers.get('Set-Cookie') ?? '').split(';')[0] ?? '';

test('mails are in the language of the request, and later in that of the registration', async () => {
  const arabic = { 'Accept-Language': 'ar-QA,ar;q=0.9,en;q=0.5' };
  await bench.call('POST', '/api/v1/users', FAN, arabic);
  await bench.call('POST', '/api/v1/password-resets', { email: FAN.email });
  await bench.call('POST', '/api/v1/password-resets', { email: FAN.email }, { 'Accept-Language': 'en' });
  const mails = await bench.mailsTo(FAN.email);
  expect(mails.map(({ kind, locale }) => [kind, locale])).toEqual([
    ['confirm-email', 'ar'],
    ['reset-password', 'ar'],
    ['reset-password', 'en'],
  ]);
  expect(mails[0]?.text).toContain('/ar/confirm-email#token=');
});

test('register, log in, refresh, a stolen token found, log out', async () => {
  const registered = await register({ ...FAN, email: ' Fan@Example.ORG ' });
  expect(registered.status).toBe(201);
  expect(registered.body).toMatchObject({
    email: EMAIL,
    name: 'A Fan',
    roles: ['buyer'],
    emailConfirmed: false,
  });
  const first = await logIn();
  expect(first.status).toBe(201);
  expect(first.headers.get('Cache-Control')).toBe('no-store');
  expect((await me(first.body['accessToken'])).body).toEqual(registered.body);
  const second = await refresh(first.body['refreshToken']);
  expect(second.status).toBe(200);
  bench.clock.advance(10_001);
  const stolen = await refresh(first.body['refreshToken']);
  expect(stolen.body).toMatchObject({ status: 401, code: 'unauthorized' });
  expect((await refresh(second.body['refreshToken'])).status).toBe(401);
  expect((await me(second.body['accessToken'])).status).toBe(401);
  expect(bench.audited).toMatchObject([{ action: 'user.refresh_reused' }]);
  const last = await logIn();
  const { accessToken } = last.body;
  expect((await bench.call('DELETE', '/api/v1/sessions', undefined, bearer(accessToken))).status).toBe(204);
  expect((await me(accessToken)).status).toBe(401);
  expect((await refresh(last.body['refreshToken'])).status).toBe(401);
});

describe('what is answered', () => {
  it('to a wrong password is the same for every address, headers included', async () => {
    await register();
    const answer = async (email: string): Promise<unknown> => {
      const { status, headers, body } = await logIn({ email, password: 'wrong wrong wrong' });
      return { status, body, headers: [...headers.keys()].sort(), wait: headers.get('Retry-After') };
    };
    for (let i = 0; i < 7; i += 1) expect(await answer('nobody@example.org')).toEqual(await answer(EMAIL));
    expect(await answer(EMAIL)).toMatchObject({ status: 429, wait: '60', body: { code: 'rate_limited' } });
  });

  it.each(['/api/v1/password-resets', '/api/v1/email-confirmations'])(
    'to %s is the same for every address',
    async (path) => {
      await register();
      const answers = await Promise.all(
        [EMAIL, 'nobody@example.org'].map((email) => bench.call('POST', path, { email })),
      );
      expect(answers.map(({ status, text }) => ({ status, text }))).toEqual(
        Array(2).fill({ status: 202, text: '{"status":"accepted"}' }),
      );
    },
  );

  it('to a taken address is a conflict', async () => {
    await register();
    expect((await register({ ...FAN, email: 'FAN@example.org' })).body).toMatchObject({
      status: 409,
      code: 'conflict',
    });
  });

  it.each([
    ['no e-mail address', { email: 'fan' }],
    ['one that is too long', { email: `${'a'.repeat(250)}@example.org` }],
    ['two addresses', { email: 'a@example.org,b@example.org' }],
    ['an address with a header', { email: 'a@example.org\r\nBcc: b@example.org' }],
    ['a weak password', { password: 'password1234' }],
    ['a short password', { password: 'short' }],
    ['an endless password', { password: 'x'.repeat(10_000) }],
    ['a password that is an object', { password: { $ne: null } }],
    ['a name of markup', { name: '<script>' }],
    ['a name of control characters', { name: 'a\u202eb' }],
    ['no name', { name: '  ' }],
  ])('to a registration with %s is 422 and quotes nothing secret', async (_what, wrong) => {
    const answer = await register({ ...FAN, ...wrong });
    expect(answer.body).toMatchObject({ status: 422, code: 'validation_failed' });
    const { password } = { ...FAN, ...wrong };
    if (typeof password === 'string') expect(answer.text).not.toContain(password);
  });

  it('a buyer cannot make themselves an operator', async () => {
    await register({ ...FAN, roles: ['operator'], id: 'u1', emailConfirmed: true });
    const first = await logIn();
    const token = bearer(first.body['accessToken']);
    await bench.call('PATCH', '/api/v1/users/me', { name: 'New Name', roles: ['operator'] }, token);
    expect((await me(first.body['accessToken'])).body).toMatchObject({ name: 'New Name', roles: ['buyer'] });
    expect((await bench.call('GET', '/api/v1/users', undefined, token)).body.code).toBe('forbidden');
    const id = (first.body['account'] as { id: string }).id;
    expect((await bench.call('PATCH', `/api/v1/users/${id}`, { operator: true }, token)).body.code).toBe(
      'forbidden',
    );
  });

  it('without an access token is 401 before the body is read', async () => {
    const routes: [string, string][] = [
      ['GET', '/api/v1/users/me'],
      ['PATCH', '/api/v1/users/me'],
      ['POST', '/api/v1/users/me/password'],
      ['POST', '/api/v1/users/me/deletion'],
      ['POST', '/api/v1/users/me/second-factor'],
      ['POST', '/api/v1/users/me/second-factor/confirm'],
      ['DELETE', '/api/v1/users/me/second-factor'],
      ['DELETE', '/api/v1/sessions'],
      ['DELETE', '/api/v1/sessions/all'],
      ['GET', '/api/v1/users'],
      ['PATCH', `/api/v1/users/u${'0'.repeat(32)}`],
    ];
    for (const [method, path] of routes) {
      for (const headers of [{}, bearer('eyJ.eyJ.x'), { Authorization: 'Basic b3A6eA==' }]) {
        const body = ['GET', 'DELETE'].includes(method) ? undefined : { anything: 1 };
        expect((await bench.call(method, path, body, headers)).status).toBe(401);
      }
    }
  });
});

describe('the refresh cookie', () => {
  const CLEARED =
    /^ticktak_refresh=; Path=\/api\/v1\/sessions; Max-Age=0; HttpOnly; SameSite=Strict; Secure$/;

  it('can be read by no script and is sent to log-ins only', async () => {
    await register();
    const first = await logIn({ cookie: true }, SAME_SITE);
    expect(first.body).not.toHaveProperty('refreshToken');
    expect(first.headers.get('Set-Cookie')).toMatch(
      /^ticktak_refresh=[\w.-]+; Path=\/api\/v1\/sessions; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure$/,
    );
    const second = await refresh(undefined, { ...SAME_SITE, Cookie: cookieIn(first) });
    expect(second.status).toBe(200);
    expect(second.body).not.toHaveProperty('refreshToken');
    const out = await bench.call('DELETE', '/api/v1/sessions', undefined, {
      ...SAME_SITE,
      Cookie: cookieIn(second),
    });
    expect(out.status).toBe(204);
    expect(out.headers.get('Set-Cookie')).toMatch(CLEARED);
    const late = await refresh(undefined, { ...SAME_SITE, Cookie: cookieIn(second) });
    expect(late.status).toBe(401);
    expect(late.headers.get('Set-Cookie')).toMatch(CLEARED);
  });

  it.each([
    ['another site', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a sibling site', { 'Sec-Fetch-Site': 'same-site' }],
    ['another origin', { Origin: 'https://evil.example' }],
    ['an origin that hides', { Origin: 'null' }],
    ['nobody who says', {}],
  ])('is refused from %s', async (_who, headers) => {
    await register();
    const first = await logIn({ cookie: true }, SAME_SITE);
    const sent = { ...headers, Cookie: cookieIn(first) };
    expect((await refresh(undefined, sent)).body.code).toBe('forbidden');
    expect((await bench.call('DELETE', '/api/v1/sessions', undefined, sent)).body.code).toBe('forbidden');
    expect((await logIn({ cookie: true }, headers)).body.code).toBe('forbidden');
    expect(
      (await refresh(undefined, { Cookie: cookieIn(first), Origin: 'https://ticktak.example' })).status,
    ).toBe(200);
  });
});

describe('the security check', () => {
  it('is asked about the person before any password work', async () => {
    await register();
    bench.verdict = { verdict: 'deny', reasons: ['test'] };
    const writes: string[] = [];
    bench.archive.insertDocument = async (collection) => writes.push(collection) > 0;
    for (const [path, body] of [
      ['/api/v1/sessions', { email: EMAIL, password: PASSWORD }],
      ['/api/v1/users', { ...FAN, email: 'b@example.org' }],
      ['/api/v1/password-resets', { email: EMAIL }],
      ['/api/v1/email-confirmations', { email: EMAIL }],
    ] as const) {
      const answer = await bench.call('POST', path, body, { 'X-Challenge-Solution': 'solved' });
      expect(answer.body.code).toBe('blocked');
      // Guesses of a password use up nothing of what a reset may.
      const person = path === '/api/v1/password-resets' ? `reset ${body.email}` : body.email;
      expect(bench.checked.at(-1)).toMatchObject({ person, solution: 'solved' });
    }
    expect(writes).toEqual([]);
    expect(bench.checked.at(-3)).toMatchObject({ routeClass: 'account' });
  });

  it('is told of log-ins, whoever they were about', async () => {
    await register();
    await logIn({ password: 'wrong wrong wrong' });
    await logIn({ email: 'nobody@example.org', password: 'wrong wrong wrong' });
    await logIn();
    expect(bench.facts.map(({ kind, ...fact }) => [kind, 'person' in fact ? fact.person : ''])).toEqual([
      ['login_failed', EMAIL],
      ['login_failed', 'nobody@example.org'],
      ['login_succeeded', EMAIL],
    ]);
  });
});

describe('mail links over HTTP', () => {
  it('confirm and reset', async () => {
    await register();
    const confirm = await bench.mailedToken(EMAIL, 'confirm-email');
    const path1 = '/api/v1/email-confirmations/confirm';
    expect((await bench.call('POST', path1, { token: confirm })).body.code).toBe('unauthorized');
    const { accessToken } = (await logIn()).body;
    const confirmed = await bench.call('POST', path1, { token: confirm }, bearer(accessToken));
    expect(confirmed.body).toEqual({ email: EMAIL });
    await bench.call('POST', '/api/v1/password-resets', { email: EMAIL });
    const token = await bench.mailedToken(EMAIL, 'reset-password');
    const reset = { token, password: 'quite another four words' };
    const path = '/api/v1/password-resets/confirm';
    expect((await bench.call('POST', path, { ...reset, password: 'short' })).body.code).toBe(
      'validation_failed',
    );
    expect((await bench.call('POST', path, reset)).status).toBe(204);
    const again = await bench.call('POST', path, reset);
    expect(again.body).toMatchObject({ status: 422, code: 'validation_failed' });
    expect(again.text).not.toContain(token);
    expect((await logIn({ password: reset.password })).body['account']).toMatchObject({
      emailConfirmed: true,
    });
  });

  it('point at the web app, with the token where no server sees it', async () => {
    await register();
    const [mail] = await bench.mailsTo(EMAIL);
    expect(mail!.text).toMatch(/\nhttps:\/\/ticktak\.example\/confirm-email#token=[\w-]{43}\n/);
  });
});

describe('the second factor over HTTP', () => {
  it('is enrolled, needed, and locked with Retry-After', async () => {
    await register();
    const first = await logIn();
    const token = bearer(first.body['accessToken']);
    const path = '/api/v1/users/me/second-factor';
    expect((await bench.call('POST', path, { password: 'wrong wrong wrong' }, token)).status).toBe(401);
    const enrolled = await bench.call('POST', path, { password: PASSWORD }, token);
    const secret = String(enrolled.body['secret']);
    const set = await bench.call('POST', `${path}/confirm`, { totp: codeOf(bench, secret) }, token);
    expect(set.body['recoveryCodes']).toHaveLength(10);
    expect((await logIn()).body).toMatchObject({ status: 403, code: 'second_factor_required' });
    const totp = codeOf(bench, secret) === '000000' ? '000001' : '000000';
    for (let i = 0; i < 5; i += 1) expect((await logIn({ totp })).body.code).toBe('second_factor_required');
    const locked = await logIn({ totp });
    expect(locked.body.code).toBe('rate_limited');
    expect(locked.headers.get('Retry-After')).toBe('900');
  });
});

describe('operators over HTTP', () => {
  it('need their second factor for everything but setting it up', async () => {
    const made = (await bench.operators.ensureFirst({ email: 'operator@ticktak.example' }))!;
    const first = await logIn(made);
    const token = bearer(first.body['accessToken']);
    expect((await bench.call('GET', '/api/v1/users', undefined, token)).body.code).toBe(
      'second_factor_required',
    );
    const enrolled = await bench.call(
      'POST',
      '/api/v1/users/me/second-factor',
      { password: made.password },
      token,
    );
    expect(enrolled.status).toBe(200);
    const totp = codeOf(bench, String(enrolled.body['secret']));
    const set = await bench.call('POST', '/api/v1/users/me/second-factor/confirm', { totp }, token);
    const full = bearer(set.body['accessToken']);
    expect((await bench.call('GET', '/api/v1/users', undefined, full)).status).toBe(200);
    expect((await bench.call('GET', '/api/v1/users', undefined, token)).status).toBe(401);
  });

  it('list accounts by pages and change them, without seeing secrets', async () => {
    const { logIn: operator } = await someOperator(bench);
    const token = bearer(operator.accessToken);
    for (const name of ['a', 'b', 'c']) {
      bench.clock.advance(1_000);
      await someone(bench, `${name}@example.org`);
    }
    const emails: unknown[] = [];
    let after: string | undefined;
    do {
      const query = after === undefined ? '' : `&after=${encodeURIComponent(after)}`;
      const page = await bench.call('GET', `/api/v1/users?limit=3${query}`, undefined, token);
      expect(page.text).not.toMatch(/argon2|sealed|passwordHash/);
      emails.push(...(page.body['accounts'] as { email: string }[]).map(({ email }) => email));
      after = page.body['next'] as string | undefined;
    } while (after !== undefined);
    expect(emails).toEqual(['operator@ticktak.example', 'a@example.org', 'b@example.org', 'c@example.org']);
    const user = (await bench.users.accounts.byEmail('a@example.org'))!;
    const path = `/api/v1/users/${user.id}`;
    const changed = await bench.call('PATCH', path, { disabled: true }, token);
    expect(changed.body).toMatchObject({ email: 'a@example.org', disabledAt: expect.any(String) });
    expect((await bench.call('PATCH', path, { roles: ['operator'] }, token)).status).toBe(422);
    expect((await bench.call('PATCH', `/api/v1/users/u${'0'.repeat(32)}`, {}, token)).status).toBe(404);
    const own = await bench.call('PATCH', `/api/v1/users/${operator.account.id}`, { operator: false }, token);
    expect(own.body).toMatchObject({ status: 409, code: 'conflict' });
  });
});

describe('stewards', () => {
  it('are made and unmade by operators, which ends their log-ins, and reach nothing of theirs', async () => {
    const { logIn: operator } = await someOperator(bench);
    const token = bearer(operator.accessToken);
    const fan = await someone(bench, EMAIL);
    const path = `/api/v1/users/${fan.account.id}`;
    const given = await bench.call('PATCH', path, { steward: true }, token);
    expect(given.body).toMatchObject({ roles: ['buyer', 'steward'] });
    expect(bench.audited.at(-1)).toMatchObject({ action: 'user.changed', details: { steward: true } });
    expect((await me(fan.accessToken)).status).toBe(401);
    const again = await logIn();
    const theirs = bearer(again.body['accessToken']);
    expect((await me(again.body['accessToken'])).body).toMatchObject({ roles: ['buyer', 'steward'] });
    for (const [method, asked, body] of [
      ['GET', '/api/v1/users', undefined],
      ['PATCH', path, { operator: true }],
      ['PATCH', `/api/v1/users/${operator.account.id}`, { disabled: true }],
    ] as const) {
      expect((await bench.call(method, asked, body, theirs)).body.code).toBe('forbidden');
    }
    // The two roles are given and taken each by itself; the last operator is no steward's matter.
    const both = await bench.call('PATCH', path, { operator: true }, token);
    expect(both.body).toMatchObject({ roles: ['buyer', 'steward', 'operator'] });
    expect((await bench.users.accounts.operators({ limit: 10 })).items).toHaveLength(2);
    const taken = await bench.call('PATCH', path, { steward: false, operator: false }, token);
    expect(taken.body).toMatchObject({ roles: ['buyer'] });
    expect((await bench.users.accounts.operators({ limit: 10 })).items).toHaveLength(1);
  });

  it('stay logged in for a shift, not for weeks', async () => {
    const { logIn: operator } = await someOperator(bench);
    const fan = await someone(bench, EMAIL);
    const path = `/api/v1/users/${fan.account.id}`;
    await bench.call('PATCH', path, { steward: true }, bearer(operator.accessToken));
    const shift = await logIn();
    bench.clock.advance(12 * 3_600_000 - 1);
    const second = await refresh(shift.body['refreshToken']);
    expect(second.status).toBe(200);
    bench.clock.advance(1);
    expect((await refresh(second.body['refreshToken'])).status).toBe(401);
  });
});

test('the key set is public and holds no private part', async () => {
  await register();
  await logIn();
  const { body, headers } = await bench.call('GET', '/.well-known/jwks.json');
  expect(body).toEqual({
    keys: [
      {
        ...{ kty: 'EC', crv: 'P-256', use: 'sig', alg: 'ES256' },
        x: expect.any(String),
        y: expect.any(String),
        kid: expect.stringMatching(/^1\./),
      },
    ],
  });
  expect(headers.get('Cache-Control')).toBe('public, max-age=60');
});

test('no password, token, code or address is in any log', async () => {
  await register();
  const first = await logIn();
  await logIn({ password: 'wrong wrong wrong' });
  const second = await refresh(first.body['refreshToken']);
  bench.clock.advance(10_001);
  await refresh(first.body['refreshToken']);
  await bench.call('POST', '/api/v1/password-resets', { email: EMAIL });
  const token = await bench.mailedToken(EMAIL, 'reset-password');
  await bench.call('POST', '/api/v1/password-resets/confirm', {
    token,
    password: 'quite another four words',
  });
  const logs = bench.logs.join('');
  expect(logs).toContain('/api/v1/sessions');
  const secrets = [PASSWORD, 'wrong wrong', 'quite another', EMAIL, token];
  for (const reply of [first, second])
    secrets.push(String(reply.body['accessToken']), String(reply.body['refreshToken']));
  for (const secret of secrets) expect(logs).not.toContain(secret);
});

test('the routes are documented as they are', () => {
  const routes = userRoutes({
    ...bench,
    security: { checkPerson: async () => bench.verdict, tell: () => undefined },
    verdictProblem: () => null,
    operatorSecondFactor: 'required',
    secureCookies: true,
    publicUrl: 'https://ticktak.example',
  });
  const document = openApiDocument({ title: 'x', version: '1', description: 'x' }, routes);
  expect(Object.keys(document.paths ?? {})).toHaveLength(15);
  const ids = Object.values(document.paths ?? {}).flatMap((path) =>
    Object.values(path as Record<string, { operationId?: string }>).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
});
