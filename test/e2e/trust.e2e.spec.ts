/**
 * What strangers, thieves, forgers and bots get out of the running marketplace: separate OS processes, real
 * signatures, real cards of the sandbox, and nothing but HTTP between them and it.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  type JsonWebKey,
} from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Secret, TOTP } from 'otpauth';
import { solve } from '../../src/security/challenge-client.js';
import { entryIdOf } from '../../src/waiting-list/waiting-list.js';
import { deleteKeys } from '../helpers/faults.js';
import { testRedisUrl, until } from '../helpers/engine.js';
import { freePort } from '../helpers/ports.js';
import { run, scratchDir, type Running } from '../helpers/processes.js';
import { skipBecause } from '../helpers/skips.js';

jest.setTimeout(120_000);

const CARD = '4242424242424242';
const PASSWORD = 'horse staple battery 42';
const OPERATOR = 'operator@ticktak.example';
const TOKEN_SECRET = 'the token secret of this test, and of no other place';
const SERVICE_TOKEN = 'the-service-token-of-this-test';

/** The fields of answers that these tests read; absent ones are undefined. */
interface Body {
  readonly id: string;
  readonly token: string;
  readonly status: string;
  readonly code: string;
  readonly email: string;
  readonly account: Body;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly secret: string;
  readonly recoveryCodes: readonly string[];
  readonly challenge: unknown;
  readonly payments: readonly Body[];
  readonly reservationId: string;
  readonly isSettled: boolean;
  readonly amountMinor: number;
  readonly refundedMinor: number;
  readonly reservations: readonly Body[];
  readonly entries: readonly Body[];
  readonly conflicts: readonly Body[];
  readonly action: string;
  readonly keys: readonly JsonWebKey[];
  readonly tickets: readonly { readonly code: string }[];
  readonly queues: readonly { readonly name: string; readonly isPaused: boolean }[];
  readonly availability: Readonly<Record<string, { readonly available: number }>>;
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly security?: readonly object[] }>>>
  >;
}
type Fields = Readonly<Record<string, unknown>>;
interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly body: Body;
}
interface Asked {
  readonly body?: unknown;
  /** As it is sent: for what is no JSON, or signed. */
  readonly raw?: string;
  readonly token?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

const agent = new Agent({ keepAlive: true, maxSockets: 100 });
afterAll(() => {
  agent.destroy();
});

/** One request; the path goes out exactly as it is written. Rejects only when the connection fails. */
function ask(method: string, base: string, path: string, asked: Asked = {}): Promise<Reply> {
  const { body, raw = body === undefined ? undefined : JSON.stringify(body), token, headers } = asked;
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      {
        agent,
        method,
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        path,
        headers: {
          ...(raw !== undefined && {
            'Content-Type': 'application/json',
            'Content-Length': Buffer.byteLength(raw),
          }),
          ...(token !== undefined && { Authorization: `Bearer ${token}` }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== '';
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            body: JSON.parse(isJson ? text : '{}') as Body,
          });
        });
      },
    );
    sent.on('error', reject);
    sent.end(raw);
  });
}

const newEmail = (name = 'person'): string => `${name}-${randomUUID().slice(0, 8)}@example.org`;

/** The password that a start prints once. */
function firstPassword({ output }: Running): string {
  const password = /shown this once[^\n]*\n +\S+@\S+\n +(\S+)\n/.exec(output())?.[1];
  if (password === undefined) throw new Error(`no first operator in:\n${output()}`);
  return password;
}

interface Account {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly refreshToken: string;
}

/** One running marketplace, seen by its clients. */
class Market {
  readonly #part: (role: string) => Running;

  constructor(part: Running | ((role: string) => Running)) {
    this.#part = typeof part === 'function' ? part : () => part;
  }

  ask(role: string, method: string, path: string, asked: Asked = {}): Promise<Reply> {
    return ask(method, this.#part(role).url(role), path, asked);
  }

  logIn(email: string, password = PASSWORD, more: Fields = {}): Promise<Reply> {
    return this.ask('user', 'POST', '/api/v1/sessions', { body: { email, password, ...more } });
  }

  async account(email = newEmail()): Promise<Account> {
    const made = await this.ask('user', 'POST', '/api/v1/users', {
      body: { email, password: PASSWORD, name: 'Somebody' },
    });
    expect(made.status).toBe(201);
    const { status, body } = await this.logIn(email);
    expect(status).toBe(201);
    return { id: body.account.id, email, token: body.accessToken, refreshToken: body.refreshToken };
  }

  async operator(email = OPERATOR, password = firstPassword(this.#part('user'))): Promise<Account> {
    const { status, body } = await this.logIn(email, password);
    expect(status).toBe(201);
    return { id: body.account.id, email, token: body.accessToken, refreshToken: body.refreshToken };
  }

  hold(wanted: Fields, asked: Asked = {}): Promise<Reply> {
    const body = { matchNumber: 1, category: 1, quantity: 1, ...wanted };
    return this.ask('reservations', 'POST', '/api/v1/reservations', { body, ...asked });
  }

  pay(id: string, token: string, paymentMethod = CARD, asked: Asked = {}): Promise<Reply> {
    const path = `/api/v1/reservations/${id}/payment`;
    return this.ask('reservations', 'POST', path, { body: { paymentMethod }, token, ...asked });
  }

  async bought(wanted: Fields, asked: Asked = {}): Promise<{ readonly id: string; readonly token: string }> {
    const held = await this.hold(wanted, asked);
    expect(held).toMatchObject({ status: 201 });
    const { id, token } = held.body;
    expect(await this.pay(id, token)).toMatchObject({ status: 200, body: { status: 'RESERVED' } });
    return { id, token };
  }

  /** The payment of a reservation, once nothing is left to be done about it. */
  async paymentOf(reservationId: string, operator: Account): Promise<Body> {
    let found: Body | undefined;
    await until(async () => {
      const { body } = await this.ask('payments', 'GET', '/api/v1/payments', { token: operator.token });
      found = body.payments.find((one) => one.reservationId === reservationId);
      return found?.isSettled ?? false;
    });
    if (!found) throw new Error(`no payment of ${reservationId}`);
    return found;
  }

  async audited(operator: Account, subject: string): Promise<readonly Body[]> {
    const path = `/api/v1/audit?subject=${encodeURIComponent(subject)}`;
    const { status, body } = await this.ask('security', 'GET', path, { token: operator.token });
    expect(status).toBe(200);
    return body.entries;
  }
}

const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const partsOf = (token: string): [header: Fields, claims: Fields, signature: string] => {
  const [header = '', claims = '', signature = ''] = token.split('.');
  const read = (part: string): Fields =>
    JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Fields;
  return [read(header), read(claims), signature];
};

/** Access tokens that nobody signed, made of a buyer's own and of everything an operator's says. */
function forgeries(buyer: string, operator: string, jwk: JsonWebKey): Readonly<Record<string, string>> {
  const [header, own, signature] = partsOf(buyer);
  const [, claims] = partsOf(operator);
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const hs256 = (key: string | Buffer): string => {
    const content = `${base64url({ ...header, alg: 'HS256' })}.${base64url(claims)}`;
    return `${content}.${createHmac('sha256', key).update(content).digest('base64url')}`;
  };
  const mine = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const es256 = (more: Fields): string => {
    const content = `${base64url({ ...header, ...more })}.${base64url(claims)}`;
    const made = sign('sha256', Buffer.from(content), { key: mine.privateKey, dsaEncoding: 'ieee-p1363' });
    return `${content}.${made.toString('base64url')}`;
  };
  const altered = (more: Fields): string =>
    `${base64url(header)}.${base64url({ ...own, ...more })}.${signature}`;
  return {
    'role operator written into a token': altered({ roles: ['buyer', 'operator', 'service'] }),
    'another account written into a token': altered({ sub: claims['sub'], sid: claims['sid'] }),
    'alg none': `${base64url({ ...header, alg: 'none' })}.${base64url(claims)}.`,
    'alg none with a signature': `${base64url({ ...header, alg: 'none' })}.${base64url(claims)}.${signature}`,
    'HS256 with the public key as PEM': hs256(pem),
    'HS256 with the public key as DER': hs256(publicKey.export({ type: 'spki', format: 'der' })),
    'HS256 with the public key as JWK': hs256(JSON.stringify(jwk)),
    'another key under the same kid': es256({}),
    'another key that brings itself': es256({ jwk: mine.publicKey.export({ format: 'jwk' }) }),
  };
}

/** Headers by which some proxies and frameworks say who asks, or for what. */
const IDENTITY_HEADERS = {
  'X-Forwarded-User': OPERATOR,
  'X-Remote-User': OPERATOR,
  'X-Auth-Request-Email': OPERATOR,
  'X-User-Id': '1',
  'X-Role': 'operator',
  'X-Roles': 'operator,service',
  'X-Original-URL': '/health/live',
  'X-Rewrite-URL': '/health/live',
  'X-Original-Method': 'OPTIONS',
  'X-HTTP-Method-Override': 'OPTIONS',
  'X-Method-Override': 'OPTIONS',
  'X-Forwarded-For': '127.0.0.1',
  'X-Real-IP': '127.0.0.1',
  Forwarded: 'for=127.0.0.1;host=localhost',
  'X-Client-Cert': 'CN=service',
  Cookie: 'role=operator; admin=true',
};

/** Routes that anybody may call: a new one has to be put here on purpose. */
const OPEN = {
  all: [
    'GET /health/live',
    'GET /health/ready',
    'GET /metrics',
    'GET /api/v1/openapi.json',
    'GET /api/v1/docs',
  ],
  shop: [
    'GET /api/v1/matches',
    'GET /api/v1/matches/{matchNumber}',
    'GET /api/v1/availability/stream',
    'GET /api/v1/recommendations',
    // Numbers and names of the list, from whoever agreed to tell them.
    'POST /api/v1/views',
  ],
  reservations: [
    'POST /api/reservation',
    'GET /api/v1/reservations/terms',
    'POST /api/v1/reservations/lookup',
    'GET /api/v1/tickets/keys',
    'GET /api/v1/waiting-room',
    'GET /api/v1/waiting-room/places/mine',
    'POST /api/v1/waiting-room/places',
  ],
  user: [
    'POST /api/v1/users',
    'POST /api/v1/sessions',
    'POST /api/v1/email-confirmations',
    'POST /api/v1/email-confirmations/confirm',
    'POST /api/v1/password-resets',
    'POST /api/v1/password-resets/confirm',
    'GET /.well-known/jwks.json',
  ],
  // The webhook is signed instead.
  payments: ['GET /api/v1/payments/config', 'POST /api/v1/payments/webhook'],
  security: ['POST /api/v1/challenges'],
  consumer: [],
} as const;
const SERVICES = ['shop', 'reservations', 'user', 'payments', 'security', 'consumer'] as const;
type Service = (typeof SERVICES)[number];

/** About the caller: everybody has one, so another's credentials reach that other's, never ours. */
const OWN =
  /^(GET \/api\/v1\/(reservations|tickets|waiting-list)|\w+ \/api\/v1\/users\/me(\/.*)?|DELETE \/api\/v1\/sessions(\/all)?)$/;
/** What stewards are there for. */
const STEWARDS = /^(\w+ \/api\/v1\/check-ins(\/.*)?|POST \/api\/v1\/tickets\/check)$/;
const HOLD = 'POST /api/v1/reservations';
const JOIN = 'POST /api/v1/waiting-list';
/** Those name an access token, and take guests as well. */
const FOR_GUESTS: ReadonlySet<string> = new Set([HOLD, JOIN]);

interface Protected {
  readonly service: Service;
  readonly method: string;
  /** With its parameters' names. */
  readonly path: string;
  readonly key: string;
  readonly schemes: readonly string[];
}

describe('a marketplace in one process', () => {
  const scratch = scratchDir();
  let running: Running;
  let market: Market;
  let operator: Account;
  let owner: Account;
  let other: Account;
  let steward: Account;
  let jwk: JsonWebKey;

  beforeAll(async () => {
    running = await run([], { DATA_DIR: scratch.dir, GUESTS: 'confirmed', TOKEN_SECRET, SERVICE_TOKEN });
    market = new Market(running);
    operator = await market.operator();
    owner = await market.account(newEmail('owner'));
    other = await market.account(newEmail('other'));
    const sam = await market.account(newEmail('steward'));
    const made = await market.ask('user', 'PATCH', `/api/v1/users/${sam.id}`, {
      token: operator.token,
      body: { steward: true },
    });
    expect(made.status).toBe(200);
    steward = { ...sam, token: (await market.logIn(sam.email)).body.accessToken };
    const keys = await market.ask('user', 'GET', '/.well-known/jwks.json');
    jwk = keys.body.keys[0] ?? {};
  });
  afterAll(async () => {
    await running.end();
    scratch.remove();
  });

  /** Every route of every service, as the services describe themselves now. */
  async function routes(): Promise<{
    readonly closed: readonly Protected[];
    readonly open: readonly string[];
  }> {
    const closed: Protected[] = [];
    const open: string[] = [];
    for (const service of SERVICES) {
      const { body } = await market.ask(service, 'GET', '/api/v1/openapi.json');
      for (const [path, methods] of Object.entries(body.paths)) {
        for (const [name, { security }] of Object.entries(methods)) {
          const method = name.toUpperCase();
          const key = `${method} ${path}`;
          const schemes = (security ?? []).flatMap((one) => Object.keys(one));
          const isOpen = (security ?? [{}]).some((one) => Object.keys(one).length === 0);
          if (!isOpen) closed.push({ service, method, path, key, schemes });
          else open.push(`${service}: ${key}`);
        }
      }
    }
    return { closed, open };
  }

  it('has no other open routes than these', async () => {
    const known = SERVICES.flatMap((service) =>
      [...OPEN.all, ...OPEN[service]].map((route) => `${service}: ${route}`),
    );
    expect([...(await routes()).open].sort()).toEqual(known.sort());
  });

  describe('the closed ones', () => {
    let reservation: { readonly id: string; readonly token: string };
    let stranger: { readonly id: string; readonly token: string };
    let paymentId: string;
    let blockId: string;
    let codes: readonly string[];
    let names: Readonly<Record<string, string>>;

    beforeAll(async () => {
      reservation = await market.bought({ matchNumber: 3, quantity: 2 }, { token: owner.token });
      stranger = await market.bought({ matchNumber: 4, email: newEmail('guest') });
      paymentId = (await market.paymentOf(reservation.id, operator)).id;
      await market.paymentOf(stranger.id, operator);
      const block = await market.ask('security', 'POST', '/api/v1/blocks', {
        token: operator.token,
        body: { cidr: '192.0.2.128/25', reason: 'a test' },
      });
      blockId = block.body.id;
      const shown = await market.ask(
        'reservations',
        'GET',
        `/api/v1/reservations/${reservation.id}/tickets`,
        {
          token: owner.token,
        },
      );
      codes = shown.body.tickets.map(({ code }) => code);
      expect(codes).toHaveLength(2);
      names = {
        '/api/v1/reservations/{id}': reservation.id,
        '/api/v1/tickets/{id}': `${reservation.id}.1`,
        '/api/v1/waiting-list/{id}': entryIdOf({ matchNumber: 3, category: 1 }, 'nobody’s'),
        '/api/v1/check-ins/': '3',
        '/api/v1/operations/matches/': '3',
        '/api/v1/operations/pauses/': 'match-61',
        '/api/v1/operations/sale-phases/': '60/1',
        '/api/v1/operations/dead-letters/': 'none',
        '/api/v1/operations/reservations/': reservation.id,
        '/api/v1/payments/payouts/': 'po_none',
        '/api/v1/payments/{id}': paymentId,
        '/api/v1/payments/payouts/{id}': 'po_20221120usd',
        '/api/v1/blocks/{id}': blockId,
        '/api/v1/users/{id}': owner.id,
      };
    });

    function pathOf({ path, key }: Protected): string {
      const found = Object.entries(names).find(([start]) => path.startsWith(start));
      if (!path.includes('{')) return path;
      if (!found) throw new Error(`${key} is new: say here whose thing its id names`);
      return path.replace(/\{\w+\}(\/\{category\})?/, found[1]);
    }

    /** Bodies that are right: only who asks is wrong. */
    const bodies = (): Readonly<Record<string, unknown>> => ({
      [HOLD]: { matchNumber: 5, category: 1, quantity: 1 },
      [JOIN]: { matchNumber: 5, category: 1, quantity: 1 },
      'POST /api/v1/reservations/{id}/payment': { paymentMethod: CARD },
      'POST /api/v1/reservations/{id}/refund': { quantity: 1 },
      'POST /api/v1/tickets/{id}/transfer': { email: 'mallory@example.com' },
      'POST /api/v1/tickets/check': { code: 'T1.NONE' },
      'POST /api/v1/check-ins': { ...scanned(), gate: 'North', device: 'a phone' },
      'POST /api/v1/check-ins/sync': { gate: 'North', device: 'a phone', scans: [scanned()] },
      'POST /api/v1/check-ins/conflicts/{id}/resolution': { note: 'Mallory says that all is well.' },
      'POST /api/v1/operations/pauses': { matchNumber: 3, message: { en: 'Mallory says no.' } },
      'POST /api/v1/operations/matches/{matchNumber}/cancellation': cancelling(3),
      'POST /api/v1/operations/matches/{matchNumber}/schedule': moving(3),
      'POST /api/v1/operations/orphans/decisions': {
        ...{ matchNumber: 3, category: 1, id: 'none', decision: 'give_back', note: 'mine' },
      },
      'POST /api/v1/operations/remote-holds/releases': {
        ...{ matchNumber: 3, category: 1, clientId: 'none', note: 'mine' },
        heldSince: new Date().toISOString(),
      },
      'POST /api/v1/sales-messages': saleElsewhere(),
      'POST /api/v1/sessions/refresh': {},
      'PATCH /api/v1/users/me': { name: 'Mallory' },
      'POST /api/v1/users/me/password': { password: PASSWORD, newPassword: 'mallory was here 42' },
      'POST /api/v1/users/me/deletion': { password: PASSWORD },
      'POST /api/v1/users/me/second-factor': { password: PASSWORD },
      'POST /api/v1/users/me/second-factor/confirm': { totp: '123456' },
      'DELETE /api/v1/users/me/second-factor': { password: PASSWORD },
      'PATCH /api/v1/users/{id}': { disabled: true },
      'POST /api/v1/payments/{id}/refunds': { quantity: 1, note: 'mine' },
      'POST /api/v1/checks': { ip: '192.0.2.1', userAgent: '', route: 'GET /' },
      'POST /api/v1/checks/facts': { facts: [{ kind: 'bought', person: owner.email }] },
      'POST /api/v1/checks/bought': { person: owner.email },
      'POST /api/v1/challenges/verify': { solution: 'none', route: HOLD },
      'POST /api/v1/blocks': { cidr: '198.51.100.99', reason: 'mallory' },
    });
    const cancelling = (matchNumber: number) => ({
      phrase: `CANCEL ${matchNumber}`,
      reason: { en: 'Mallory does not like it.' },
    });
    const moving = (matchNumber: number) => ({
      phrase: `RESCHEDULE ${matchNumber}`,
      dateUtc: '2030-01-01T16:00:00Z',
      refundUntil: new Date(Date.now() + 86_400_000).toISOString(),
    });
    const scanned = () => ({
      scanId: randomUUID(),
      code: codes[1],
      matchNumber: 3,
      scannedAt: new Date().toISOString(),
    });
    const saleElsewhere = () => ({
      messageId: randomUUID(),
      clientId: 'another-marketplace',
      message: {
        meta: { action: 'TICKET_PENDING' },
        body: { matchNumber: 64, tickets: { category: 3, quantity: 1, price: 195 } },
      },
    });

    /** All that a stranger could have changed. */
    async function everything(): Promise<unknown> {
      const { token } = operator;
      const asked = [
        ['user', '/api/v1/users'],
        ['payments', '/api/v1/payments'],
        ['security', '/api/v1/blocks'],
        ['security', '/api/v1/audit'],
        ['reservations', `/api/v1/reservations/${reservation.id}`],
        ['reservations', `/api/v1/reservations/${reservation.id}/payment`],
        ['reservations', `/api/v1/reservations/${reservation.id}/tickets`],
        ['reservations', '/api/v1/check-ins/conflicts'],
        ['payments', '/api/v1/operations/pauses'],
        ['payments', '/api/v1/operations/matches/3/cancellation'],
        ['payments', '/api/v1/operations/matches/3/schedule'],
      ] as const;
      const kept = asked.map(([role, path]) => market.ask(role, 'GET', path, { token }));
      const matches = [3, 4, 5, 64].map((n) => market.ask('shop', 'GET', `/api/v1/matches/${n}`));
      const own = market.ask('user', 'GET', '/api/v1/users/me', { token: owner.token });
      const replies = await Promise.all([...kept, ...matches, own]);
      expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 200));
      return replies.map(({ body }) => body);
    }

    /** Ways to ask that prove nothing. `genuine`: credentials of somebody else, good for what is theirs. */
    interface Trick {
      readonly headers?: Readonly<Record<string, string>>;
      readonly query?: string;
      readonly genuine?: true;
      /** Nothing for routes that name this scheme. */
      readonly except?: string;
      /** Routes that it is right for. */
      readonly may?: RegExp;
    }
    function tricks(): Readonly<Record<string, Trick>> {
      const bearer = (token: string): Trick => ({ headers: { Authorization: `Bearer ${token}` } });
      const forged = forgeries(other.token, operator.token, jwk);
      const [id = '', proof = ''] = stranger.token.split('.');
      return {
        nothing: {},
        garbage: bearer('garbage'),
        'a token without end': bearer('x'.repeat(8_000)),
        'a number of dots': bearer('...'),
        'basic credentials': {
          headers: { Authorization: `Basic ${Buffer.from(`${OPERATOR}:${PASSWORD}`).toString('base64')}` },
        },
        'the token of another reservation': { ...bearer(stranger.token), genuine: true },
        'the token of another reservation in its header': {
          headers: { 'X-Reservation-Token': stranger.token },
          genuine: true,
        },
        'the proof of another reservation under this id': bearer(`${reservation.id}.${proof}`),
        'two reservations in one token': bearer(`${reservation.id},${id}.${proof}`),
        "another buyer's access token": { ...bearer(other.token), genuine: true },
        "another buyer's access token and headers that claim more": {
          headers: { ...IDENTITY_HEADERS, Authorization: `Bearer ${other.token}` },
          genuine: true,
        },
        "a steward's access token": { ...bearer(steward.token), genuine: true, may: STEWARDS },
        'headers that claim to be somebody': { headers: IDENTITY_HEADERS },
        'an access token in the query': {
          query: `access_token=${operator.token}&token=${reservation.token}&role=operator`,
        },
        "an operator's cookie of the pages": { headers: { Cookie: `ticktak_admin=${operator.token}` } },
        "the owner's refresh cookie, sent by another site": {
          headers: {
            Cookie: `ticktak_refresh=${owner.refreshToken}`,
            Origin: 'https://evil.example',
            'Sec-Fetch-Site': 'cross-site',
          },
        },
        "the owner's refresh token as access token": bearer(owner.refreshToken),
        'the service token': { ...bearer(SERVICE_TOKEN), except: 'serviceToken' },
        ...Object.fromEntries(Object.entries(forged).map(([name, token]) => [name, bearer(token)])),
      };
    }

    /** What is wrong with an answer; null when nobody got anything. */
    function complaint({ key, method, schemes }: Protected, trick: Trick, reply: Reply): string | null {
      const { status, text } = reply;
      if (status === 401 || status === 403) return null;
      // Without an account it is a guest's, who has to name an address.
      if (FOR_GUESTS.has(key) && status === 422) return null;
      const isOwn = trick.genuine && method === 'GET' && OWN.test(key) && !schemes.includes('serviceToken');
      const marks = [owner.id, owner.email, reservation.id, paymentId];
      if (isOwn && status === 200 && !marks.some((mark) => text.includes(mark))) return null;
      return `${status} ${text.slice(0, 200)}`;
    }

    it('give nothing to whoever proves nothing, and nothing changes', async () => {
      const before = await everything();
      const { closed } = await routes();
      const complaints: Record<string, string> = {};
      let asked = 0;
      for (const route of closed) {
        for (const [name, trick] of Object.entries(tricks())) {
          const { key, method, service, schemes } = route;
          const { headers = {}, query, genuine, except, may } = trick;
          if (except !== undefined && schemes.includes(except)) continue;
          if (may?.test(key)) continue;
          // That would be the other's own to do.
          if (genuine && (OWN.test(key) || FOR_GUESTS.has(key)) && method !== 'GET') continue;
          const body = bodies()[key];
          const path = `${pathOf(route)}${query === undefined ? '' : `?${query}`}`;
          const reply = await market.ask(service, method, path, {
            headers: { 'Idempotency-Key': randomUUID(), ...headers },
            ...(body !== undefined && { body }),
          });
          asked += 1;
          const wrong = complaint(route, trick, reply);
          if (wrong !== null) complaints[`${key} with ${name}`] = wrong;
        }
      }
      expect(complaints).toEqual({});
      expect(closed.length).toBeGreaterThan(25);
      expect(asked).toBeGreaterThan(closed.length * 15);
      expect(await everything()).toEqual(before);
    });

    it("take an operator's token for no service's, and tell nothing by HEAD", async () => {
      const { closed } = await routes();
      const services = closed.filter(({ schemes }) => schemes.includes('serviceToken'));
      expect(services.length).toBeGreaterThan(4);
      for (const route of services) {
        const asked = { token: operator.token, body: bodies()[route.key] };
        const reply = await market.ask(route.service, route.method, pathOf(route), asked);
        expect([route.key, reply.status]).toEqual([route.key, 403]);
      }
      for (const route of closed.filter(({ method }) => method === 'GET')) {
        const reply = await market.ask(route.service, 'HEAD', pathOf(route));
        expect([route.key, reply.status]).toEqual([route.key, 401]);
      }
    });

    it('give nothing to ids written in other ways', async () => {
      const { id } = reservation;
      const start = '/api/v1/reservations';
      const paths = [
        `${start}/${stranger.id}/../${id}`,
        `${start}/${stranger.id}%2f..%2f${id}`,
        `${start}/${stranger.id}/%2e%2e/${id}`,
        `${start}/${stranger.id};${id}`,
        `${start}/${id}?id=${stranger.id}`,
        `${start}/${id}%00`,
        `${start}/${id}%20`,
        `${start}/${id}/`,
        `${start}/${id.toUpperCase()}`,
        `/API/V1/RESERVATIONS/${id}`,
        `/${start}/${id}`,
        `${start}/*`,
        `${start}/m3c1-`,
        `${start}//${id}/payment`,
      ];
      for (const path of paths) {
        for (const headers of [
          { Authorization: `Bearer ${stranger.token}` },
          { Authorization: `Bearer ${other.token}` },
          { 'X-Reservation-Token': `${stranger.token},${reservation.id}` },
        ]) {
          const reply = await market.ask('reservations', 'GET', path, { headers });
          expect([path, [401, 403, 404].includes(reply.status)]).toEqual([path, true]);
          expect(reply.text).not.toContain(owner.email);
        }
      }
    });

    it("nor do the operators' pages, on any port", async () => {
      const before = await market.ask('shop', 'GET', '/admin/queues/api/queues', { token: operator.token });
      expect(before.status).toBe(200);
      const pages = [
        ['GET', '/admin'],
        ['GET', '/admin/'],
        ['GET', '/ADMIN/queues'],
        ['GET', '/admin/queues'],
        ['GET', '/admin/queues/static/../api/queues'],
        ['GET', '/admin/busy'],
        ['GET', '/admin/queues/api/queues'],
        ['PUT', '/admin/queues/api/queues/dead-letters/pause'],
        ['PUT', '/admin/queues/api/queues/match-03.category-1/clean/completed'],
      ] as const;
      const got: string[] = [];
      for (const service of SERVICES) {
        for (const [name, { headers = {}, query }] of Object.entries(tricks())) {
          if (name === "an operator's cookie of the pages") continue;
          for (const [method, page] of pages) {
            const path = `${page}${query === undefined ? '' : `?${query}`}`;
            const { status } = await market.ask(service, method, path, { headers });
            if (status !== 401 && status !== 403) got.push(`${service} ${method} ${path} ${name}: ${status}`);
          }
        }
        const browser = { Accept: 'text/html', 'Sec-Fetch-Site': 'same-origin' };
        const shown = await market.ask(service, 'GET', '/admin/queues', { headers: browser });
        expect(shown).toMatchObject({ status: 303, headers: { location: '/admin/login' } });
        expect(shown.text).not.toContain('queue');
        // The cookie of the pages changes nothing for a page of another site.
        const cookie = { Cookie: `ticktak_admin=${operator.token}`, Origin: 'https://evil.example' };
        const paused = await market.ask(service, 'PUT', pages[7][1], { headers: cookie });
        expect(paused.status).toBe(403);
      }
      expect(got).toEqual([]);
      for (const service of SERVICES) {
        for (const page of ['/admin/queues', '/admin/busy', '/admin/queues/api/queues']) {
          const shown = await market.ask(service, 'GET', page, { token: operator.token });
          expect([service, page, shown.status]).toEqual([service, page, 200]);
        }
      }
      const after = await market.ask('shop', 'GET', '/admin/queues/api/queues', { token: operator.token });
      const paused = (reply: Reply): unknown =>
        reply.body.queues.map(({ name, isPaused }) => [name, isPaused]);
      expect(paused(after)).toEqual(paused(before));
    });

    it('work with the right credentials, every one of them', async () => {
      const done = new Set<string>();
      const right = async (key: string, status: number, asked: Asked, path?: string): Promise<Reply> => {
        const route = (await routes()).closed.find((one) => one.key === key);
        if (!route) throw new Error(`there is no ${key}`);
        const body = asked.body ?? bodies()[key];
        const reply = await market.ask(route.service, route.method, path ?? pathOf(route), {
          ...asked,
          ...(body !== undefined && { body }),
        });
        expect([key, reply.status, status === reply.status ? '' : reply.text]).toEqual([key, status, '']);
        done.add(key);
        return reply;
      };
      const asOwner = { token: owner.token };
      const asGuest = { token: reservation.token };
      const asOperator = { token: operator.token };
      for (const who of [asOwner, asGuest, asOperator]) {
        await right('GET /api/v1/reservations/{id}', 200, who);
        await right('GET /api/v1/reservations/{id}/payment', 200, who);
      }
      for (const who of [asOwner, asGuest]) {
        await right('GET /api/v1/reservations/{id}/tickets', 200, who);
        await right('GET /api/v1/reservations/{id}/tickets.pdf', 200, who);
        await right('GET /api/v1/tickets/{id}/ticket.pdf', 200, who);
      }
      await right('GET /api/v1/tickets', 200, asOwner);
      const asSteward = { token: steward.token };
      for (const who of [asOperator, asSteward]) {
        await right('POST /api/v1/tickets/check', 200, who);
        await right('GET /api/v1/check-ins/matches', 200, who);
        await right('GET /api/v1/check-ins/lists/{matchNumber}', 200, who);
        await right('GET /api/v1/check-ins/counts/{matchNumber}', 200, who);
        await right('GET /api/v1/check-ins/conflicts', 200, who);
      }
      const letIn = await right('POST /api/v1/check-ins', 200, asSteward);
      expect(letIn.body).toMatchObject({ result: 'admitted' });
      const later = await right('POST /api/v1/check-ins/sync', 200, asOperator);
      expect(later.body).toMatchObject({ results: [{ result: 'conflict' }] });
      const open = await right('GET /api/v1/check-ins/conflicts', 200, asSteward);
      const [conflict] = open.body.conflicts;
      const resolution = `/api/v1/check-ins/conflicts/${conflict!.id}/resolution`;
      await right('POST /api/v1/check-ins/conflicts/{id}/resolution', 200, asSteward, resolution);
      // Buying again, and being given a ticket, takes an address that is confirmed.
      await confirm(owner);
      const friend = await market.account(newEmail('friend'));
      await confirm(friend);
      const asFriend = { token: (await market.logIn(friend.email, PASSWORD)).body.accessToken };
      const offer = { ...asOwner, body: { email: friend.email } };
      await right('POST /api/v1/tickets/{id}/transfer', 200, offer);
      await right('DELETE /api/v1/tickets/{id}/transfer', 204, asOwner);
      await right('POST /api/v1/tickets/{id}/transfer', 200, offer);
      await right('POST /api/v1/tickets/{id}/transfer/accept', 200, asFriend);
      const mine = await right('GET /api/v1/reservations', 200, asOwner);
      expect(mine.text).toContain(reservation.id);
      expect(mine.text).not.toContain(stranger.id);
      const held = (await right(HOLD, 201, asOwner)).body;
      await right('DELETE /api/v1/reservations/{id}', 200, asOwner, `/api/v1/reservations/${held.id}`);
      // Nobody waits here: whoever may ask is told so.
      await right(JOIN, 409, asOwner);
      await right('GET /api/v1/waiting-list', 200, asOwner);
      await right('GET /api/v1/waiting-list/{id}', 404, asOperator);
      await right('DELETE /api/v1/waiting-list/{id}', 404, asOperator);
      const paid = (await market.hold({ matchNumber: 6 }, asOwner)).body;
      const path = `/api/v1/reservations/${paid.id}/payment`;
      await right('POST /api/v1/reservations/{id}/payment', 200, asOwner, path);
      const refund = { ...asOwner, headers: { 'Idempotency-Key': randomUUID() } };
      await right(
        'POST /api/v1/reservations/{id}/refund',
        200,
        refund,
        `/api/v1/reservations/${paid.id}/refund`,
      );

      const asService = { token: SERVICE_TOKEN };
      await right('POST /api/v1/sales-messages', 200, asService);
      await right('POST /api/v1/checks', 200, asService);
      await right('POST /api/v1/checks/facts', 202, asService);
      await right('POST /api/v1/checks/bought', 200, asService);
      await right('POST /api/v1/challenges/verify', 200, asService);

      await right('GET /api/v1/payments', 200, asOperator);
      await right('GET /api/v1/payments/{id}', 200, asOperator);
      const key = { 'Idempotency-Key': randomUUID() };
      await right('POST /api/v1/payments/{id}/refunds', 200, { ...asOperator, headers: key });
      await right('GET /api/v1/operations/sales', 200, asOperator);
      await right('GET /api/v1/operations/demand', 200, asOperator);
      await right('GET /api/v1/operations/tickets', 200, asOperator);
      await right('GET /api/v1/operations/system', 200, asOperator);
      await right('GET /api/v1/operations/dead-letters', 200, asOperator);
      await right('POST /api/v1/operations/dead-letters/{id}/redrives', 404, asOperator);
      await right('GET /api/v1/operations/orphans', 200, asOperator);
      await right('POST /api/v1/operations/orphans/decisions', 200, asOperator);
      await right('GET /api/v1/operations/remote-holds', 200, asOperator);
      await right('POST /api/v1/operations/remote-holds/releases', 200, asOperator);
      const found = `/api/v1/operations/reservations?id=${reservation.id}`;
      await right('GET /api/v1/operations/reservations', 200, asOperator, found);
      await right('POST /api/v1/operations/reservations/{id}/mails', 202, asOperator);
      const pause = { ...asOperator, body: { matchNumber: 61, message: { en: 'Back in an hour.' } } };
      await right('POST /api/v1/operations/pauses', 200, pause);
      await right('GET /api/v1/operations/pauses', 200, asOperator);
      await right('DELETE /api/v1/operations/pauses/{id}', 204, asOperator);
      const phases = '/api/v1/operations/sale-phases/{matchNumber}/{category}';
      await right(`PUT ${phases}`, 200, { ...asOperator, body: { phases: [] } });
      await right(`GET ${phases}`, 200, asOperator);
      await right('GET /api/v1/operations/sale-phases', 200, asOperator);
      await right('PUT /api/v1/operations/waiting-room', 200, { ...asOperator, body: { mode: 'off' } });
      await right('GET /api/v1/operations/waiting-room', 200, asOperator);
      const cancellation = '/api/v1/operations/matches/{matchNumber}/cancellation';
      const schedule = '/api/v1/operations/matches/{matchNumber}/schedule';
      await right(`GET ${cancellation}`, 200, asOperator);
      await right(`GET ${schedule}`, 200, asOperator);
      const cancel = { ...asOperator, body: cancelling(62) };
      await right(`POST ${cancellation}`, 202, cancel, cancellation.replace('{matchNumber}', '62'));
      const move = { ...asOperator, body: moving(63) };
      await right(`POST ${schedule}`, 202, move, schedule.replace('{matchNumber}', '63'));
      await right('GET /api/v1/payments/payouts', 200, asOperator);
      await right('GET /api/v1/payments/payouts/pending', 200, asOperator);
      await right('GET /api/v1/payments/payouts/{id}', 404, asOperator);
      await right('GET /api/v1/blocks', 200, asOperator);
      await right('POST /api/v1/blocks', 201, asOperator);
      await right('DELETE /api/v1/blocks/{id}', 204, asOperator);
      await right('GET /api/v1/audit', 200, asOperator);
      await right('GET /api/v1/users', 200, asOperator);
      const last = await market.account();
      await right('PATCH /api/v1/users/{id}', 200, asOperator, `/api/v1/users/${last.id}`);

      let me = { token: (await market.account(newEmail('me'))).token };
      const { email } = (await right('GET /api/v1/users/me', 200, me)).body;
      await right('PATCH /api/v1/users/me', 200, me);
      const all = await right('GET /api/v1/users/me/export', 200, me);
      expect(all.text).not.toContain(reservation.id);
      const renewed = async (name: string, body: unknown): Promise<Body> => {
        const reply = await right(name, 200, { ...me, body });
        if (reply.text.includes('accessToken')) me = { token: reply.body.accessToken };
        return reply.body;
      };
      await renewed('POST /api/v1/users/me/password', {
        password: PASSWORD,
        newPassword: `${PASSWORD} anew`,
      });
      const password = `${PASSWORD} anew`;
      const { secret } = await renewed('POST /api/v1/users/me/second-factor', { password });
      const { recoveryCodes } = await renewed('POST /api/v1/users/me/second-factor/confirm', {
        totp: codeOf(secret),
      });
      const [recoveryCode] = recoveryCodes;
      await renewed('DELETE /api/v1/users/me/second-factor', { password, recoveryCode });
      const browser = { 'Sec-Fetch-Site': 'same-origin' };
      const logIn = await market.ask('user', 'POST', '/api/v1/sessions', {
        body: { email, password, cookie: true },
        headers: browser,
      });
      const cookie = (reply: Reply): string => String(reply.headers['set-cookie']).split(';', 1)[0] ?? '';
      const kept = { headers: { ...browser, Cookie: cookie(logIn) } };
      const refreshed = await right('POST /api/v1/sessions/refresh', 200, kept);
      const next = { headers: { ...browser, Cookie: cookie(refreshed) } };
      await right('DELETE /api/v1/sessions', 204, next);
      await right('DELETE /api/v1/sessions/all', 204, me);
      me = { token: (await market.logIn(email, password)).body.accessToken };
      await right('POST /api/v1/users/me/deletion', 204, { ...me, body: { password } });

      const { closed } = await routes();
      expect([...done].sort()).toEqual(closed.map((route) => route.key).sort());
    });
  });

  /** By the mail that came when it was registered. */
  const confirm = async ({ email, token }: Account): Promise<void> => {
    await until(() => mailsTo(email).length > 0);
    const link = /#token=([\w-]+)/.exec(mailsTo(email)[0] ?? '')?.[1];
    const path = '/api/v1/email-confirmations/confirm';
    const asked = { body: { token: link }, token };
    expect(await market.ask('user', 'POST', path, asked)).toMatchObject({ status: 200, body: { email } });
  };

  describe('log-ins', () => {
    it('a password cannot be guessed: the right one too waits, and nobody else does', async () => {
      const victim = await market.account();
      const guess = (password: string): Promise<Reply> => market.logIn(victim.email, password);
      for (let i = 0; i < 5; i += 1) {
        expect(await guess(`wrong ${i}`)).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
      }
      const right = await guess(PASSWORD);
      expect(right).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
      expect(right.text).toContain('Too many failed attempts');
      expect(Number(right.headers['retry-after'])).toBeGreaterThan(30);
      const door = await market.ask('shop', 'POST', '/admin/login', {
        raw: new URLSearchParams({ email: victim.email, password: PASSWORD }).toString(),
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Sec-Fetch-Site': 'same-origin' },
      });
      expect([door.status, door.text.includes('Too many attempts')]).toEqual([401, true]);
      expect(door.headers['set-cookie']).toBeUndefined();
      // Whoever is logged in stays so, and another account's log-in waits for nothing.
      const me = await market.ask('user', 'GET', '/api/v1/users/me', { token: victim.token });
      expect(me.status).toBe(200);
      expect((await market.logIn(other.email)).status).toBe(201);
    });

    it('a crowd of guesses at once gets no more than five tries', async () => {
      const victim = await market.account();
      const tries = await Promise.all(
        Array.from({ length: 40 }, (_, i) => market.logIn(victim.email, `no ${i}`)),
      );
      expect(tries.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(5);
      expect(tries.filter(({ status }) => status !== 401 && status !== 429)).toEqual([]);
      expect((await market.logIn(victim.email)).status).toBe(429);
    });

    it('a stolen refresh token ends the log-in of thief and owner, and operators see it', async () => {
      const victim = await market.account();
      const refresh = (refreshToken: string): Promise<Reply> =>
        market.ask('user', 'POST', '/api/v1/sessions/refresh', { body: { refreshToken } });
      const me = (token: string): Promise<Reply> => market.ask('user', 'GET', '/api/v1/users/me', { token });
      const second = (await refresh(victim.refreshToken)).body;
      const third = (await refresh(second.refreshToken)).body;
      expect((await me(third.accessToken)).status).toBe(200);
      expect(await refresh(victim.refreshToken)).toMatchObject({ status: 401 });
      expect(await refresh(third.refreshToken)).toMatchObject({ status: 401 });
      for (const token of [victim.token, second.accessToken, third.accessToken]) {
        expect((await me(token)).status).toBe(401);
      }
      const entries = await market.audited(operator, `account:${victim.id}`);
      const reuse = entries.find(({ action }) => action === 'user.refresh_reused');
      expect(reuse).toMatchObject({ subject: `account:${victim.id}`, address: '127.0.0.1' });
      // The account itself is not locked.
      expect((await market.logIn(victim.email)).status).toBe(201);
    });
  });

  describe('webhooks', () => {
    /** As src/process/trust.ts derives it, so that these are genuine. */
    const SECRET = `whsec_${createHmac('sha256', TOKEN_SECRET).update('sandbox webhook').digest('base64url')}`;

    const eventOf = (paymentId: string, type = 'payment_intent.succeeded'): string =>
      JSON.stringify({
        id: `evt_${randomUUID().replaceAll('-', '')}`,
        object: 'event',
        api_version: null,
        type,
        created: Math.floor(Date.now() / 1_000),
        data: { object: { id: paymentId, object: 'payment_intent', status: 'succeeded' } },
      });
    const signature = (payload: string, secret = SECRET, ageMs = 0): string => {
      const at = Math.floor((Date.now() - ageMs) / 1_000);
      return `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${payload}`).digest('hex')}`;
    };
    const deliver = (raw: string, signed: string | null): Promise<Reply> =>
      market.ask('payments', 'POST', '/api/v1/payments/webhook', {
        raw,
        ...(signed !== null && { headers: { 'Stripe-Signature': signed } }),
      });

    let buyer: { readonly id: string; readonly token: string };
    let payment: Body;
    const state = async (): Promise<unknown> => {
      const shown = await market.paymentOf(buyer.id, operator);
      const sold = await market.ask('reservations', 'GET', `/api/v1/reservations/${buyer.id}`, {
        token: buyer.token,
      });
      const { availability } = (await market.ask('shop', 'GET', '/api/v1/matches/7')).body;
      // Looked at again, it may say when.
      return [{ ...shown, updatedAt: '' }, sold.body, availability];
    };

    beforeAll(async () => {
      buyer = await market.bought({ matchNumber: 7, email: newEmail('payer') });
      payment = await market.paymentOf(buyer.id, operator);
    });

    it('are taken when they are genuine, once, and only say where to look', async () => {
      const before = await state();
      // It says that the charge was refunded and the payment is another one; the provider says otherwise.
      const event = eventOf(payment.id, 'charge.refunded');
      const first = await deliver(event, signature(event));
      expect(first).toMatchObject({ status: 200, body: { status: 'taken' } });
      expect(await state()).toEqual(before);
      const again = await deliver(event, signature(event));
      expect(again).toMatchObject({ status: 200, body: { status: 'repeated' } });
      // Replayed as it was caught, signature and all.
      const caught = signature(event);
      const replays = await Promise.all(Array.from({ length: 20 }, () => deliver(event, caught)));
      expect(new Set(replays.map(({ body }) => body.status))).toEqual(new Set(['repeated']));
      expect(await state()).toEqual(before);
    });

    it('are refused when forged, altered, unsigned or stale, and do nothing', async () => {
      const before = await state();
      const event = eventOf(payment.id);
      const altered = event.replace('succeeded', 'canceled');
      const good = signature(event);
      const refused: Readonly<Record<string, Promise<Reply>>> = {
        unsigned: deliver(event, null),
        'an empty signature': deliver(event, ''),
        'no signature in it': deliver(event, `t=${Math.floor(Date.now() / 1_000)}`),
        'another secret': deliver(event, signature(event, 'whsec_of_somebody_else')),
        'the secret of tokens': deliver(event, signature(event, TOKEN_SECRET)),
        altered: deliver(altered, good),
        'a space more': deliver(`${event} `, good),
        'a newer time on an old signature': deliver(event, good.replace(/t=\d+/, `t=${Date.now()}`)),
        'the scheme of tests': deliver(event, good.replace('v1=', 'v0=')),
        'older than five minutes': deliver(event, signature(event, SECRET, 301_000)),
        'a day old': deliver(event, signature(event, SECRET, 86_400_000)),
      };
      for (const [name, reply] of Object.entries(refused)) {
        const { status, body } = await reply;
        expect([name, status, body.code]).toEqual([name, 400, 'malformed_request']);
      }
      // None of them was remembered: the genuine one still comes first.
      expect((await deliver(event, signature(event, SECRET, 200_000))).body.status).toBe('taken');
      expect(await state()).toEqual(before);
    });

    it('sell nothing that was not paid', async () => {
      const held = await market.hold({ matchNumber: 7, email: newEmail('unpaid') });
      const { id, token } = held.body;
      const event = eventOf('pi_made_up');
      expect((await deliver(event, signature(event))).body.status).toBe('ignored');
      const read = await market.ask('reservations', 'GET', `/api/v1/reservations/${id}`, { token });
      expect(read.body.status).toBe('PENDING');
    });
  });

  it('believes no address that a client writes itself', async () => {
    const spoofed = '198.51.100.7';
    const from = { 'X-Forwarded-For': spoofed, 'X-Real-IP': spoofed, Forwarded: `for=${spoofed}` };
    const block = await market.ask('security', 'POST', '/api/v1/blocks', {
      token: operator.token,
      body: { cidr: spoofed, reason: 'a test' },
      headers: from,
    });
    expect(block.status).toBe(201);
    // Neither does it bring its own address into the block, nor into the audit.
    const held = await market.hold({ matchNumber: 8, email: newEmail() }, { headers: from });
    expect(held.status).toBe(201);
    const [entry] = await market.audited(operator, `block:${block.body.id}`);
    expect(entry).toMatchObject({ action: 'block.added', address: '127.0.0.1' });
  });

  /** Mails to an address, oldest first, without their transfer encoding. */
  const mailsTo = (email: string): string[] => {
    const folder = join(scratch.dir, 'mail');
    return readdirSync(folder)
      .filter((name) => name.endsWith('.eml'))
      .sort()
      .map((name) =>
        readFileSync(join(folder, name), 'utf8')
          .replace(/=\r?\n/g, '')
          .replaceAll('=3D', '='),
      )
      .filter((text) => text.includes(`To: ${email}`));
  };

  it('a guest buys again only with the address confirmed', async () => {
    const email = newEmail('guest');
    /** Up to the first refusal; the second look is at what is durable. */
    const buy = async (): Promise<Reply> => {
      const held = await market.hold({ matchNumber: 9, email });
      if (held.status !== 201) return held;
      return market.pay(held.body.id, held.body.token);
    };
    expect(await buy()).toMatchObject({ status: 200, body: { status: 'RESERVED' } });
    expect(await buy()).toMatchObject({ status: 403, body: { code: 'email_unconfirmed' } });
    const asked = await market.ask('user', 'POST', '/api/v1/email-confirmations', { body: { email } });
    expect(asked.status).toBe(202);
    const link = /confirm-email#token=([\w-]+)/;
    // It got a mail about its purchase, too.
    const confirmations = (): string[] => mailsTo(email).filter((text) => link.test(text));
    await until(() => confirmations().length > 0);
    const tagged = await market.hold({ matchNumber: 9, email: email.replace('@', '+again@') });
    expect(tagged).toMatchObject({ status: 403, body: { code: 'email_unconfirmed' } });
    expect(await buy()).toMatchObject({ status: 403, body: { code: 'email_unconfirmed' } });
    const token = link.exec(confirmations().at(-1) ?? '')?.[1];
    const confirm = (): Promise<Reply> =>
      market.ask('user', 'POST', '/api/v1/email-confirmations/confirm', { body: { token } });
    expect(await confirm()).toMatchObject({ status: 200, body: { email } });
    expect(await confirm()).toMatchObject({ status: 422 });
    expect(await buy()).toMatchObject({ status: 200, body: { status: 'RESERVED' } });
  });

  it('an account buys, sees it at once, and an operator gives part of it back, on record', async () => {
    const buyer = await market.account(newEmail('account'));
    const asBuyer = { token: buyer.token };
    const held = await market.hold({ matchNumber: 10, quantity: 2 }, asBuyer);
    expect(held).toMatchObject({ status: 201, body: { status: 'PENDING', email: buyer.email } });
    const { id } = held.body;
    const mine = async (): Promise<unknown> =>
      (await market.ask('reservations', 'GET', '/api/v1/reservations', asBuyer)).body.reservations;
    expect(await mine()).toEqual([expect.objectContaining({ id, status: 'PENDING' })]);
    expect(await market.pay(id, buyer.token)).toMatchObject({ status: 200 });
    expect(await mine()).toEqual([expect.objectContaining({ id, status: 'RESERVED', quantity: 2 })]);

    const paid = await market.paymentOf(id, operator);
    const refund = {
      token: operator.token,
      body: { quantity: 1, note: 'one seat is broken' },
      headers: { 'Idempotency-Key': randomUUID() },
    };
    const path = `/api/v1/payments/${paid.id}/refunds`;
    const part = { reservationStatus: 'RESERVED', quantity: 1, refundedMinor: paid.amountMinor / 2 };
    for (let sent = 0; sent < 2; sent += 1) {
      expect(await market.ask('payments', 'POST', path, refund)).toMatchObject({ status: 200, body: part });
    }
    expect(await mine()).toEqual([expect.objectContaining({ id, status: 'RESERVED', quantity: 1 })]);
    expect(await market.paymentOf(id, operator)).toMatchObject({ refundedMinor: paid.amountMinor / 2 });
    expect(await market.audited(operator, `payment:${paid.id}`)).toContainEqual(
      expect.objectContaining({
        actor: `account:${operator.id}`,
        action: 'payment.refund_ordered',
        details: { reservationId: id, quantity: 1, note: 'one seat is broken' },
      }),
    );
  });
});

/** The code of an authenticator app, now or some time steps later. */
function codeOf(secret: string, stepsLater = 0): string {
  const totp = new TOTP({ secret: Secret.fromBase32(secret) });
  return totp.generate({ timestamp: Date.now() + stepsLater * 30_000 });
}

describe.each([
  ['where it is asked for', { OPERATOR_SECOND_FACTOR: 'required' }],
  ['in production, always', { ENVIRONMENT: 'prod' }],
])("an operator's second factor %s", (_where, env) => {
  const scratch = scratchDir();
  let running: Running;
  let market: Market;
  beforeAll(async () => {
    running = await run([], { DATA_DIR: scratch.dir, ...env });
    market = new Market(running);
  });
  afterAll(async () => {
    await running.end();
    scratch.remove();
  });

  it('opens everything, and nothing is open before it', async () => {
    const password = firstPassword(running);
    let token = (await market.operator()).token;
    const places = [
      ['payments', '/api/v1/payments'],
      ['security', '/api/v1/blocks'],
      ['security', '/api/v1/audit'],
      ['user', '/api/v1/users'],
      ['shop', '/admin/queues/api/queues'],
    ] as const;
    const opened = (): Promise<readonly string[]> =>
      Promise.all(
        places.map(async ([role, path]) => {
          const { status, body } = await market.ask(role, 'GET', path, { token });
          return `${status} ${body.code}`;
        }),
      );
    const needed = places.map(() => '403 second_factor_required');
    const open = places.map(() => '200 undefined');
    expect(await opened()).toEqual(needed);

    const enrol = await market.ask('user', 'POST', '/api/v1/users/me/second-factor', {
      token,
      body: { password },
    });
    const { secret } = enrol.body;
    expect(await opened()).toEqual(needed);
    const code = codeOf(secret);
    const confirmed = await market.ask('user', 'POST', '/api/v1/users/me/second-factor/confirm', {
      token,
      body: { totp: code },
    });
    expect(confirmed.status).toBe(200);
    const before = token;
    token = confirmed.body.accessToken;
    expect(await opened()).toEqual(open);
    const old = await market.ask('payments', 'GET', '/api/v1/payments', { token: before });
    expect(old.status).toBe(401);

    const needs = { status: 403, body: { code: 'second_factor_required' } };
    expect(await market.logIn(OPERATOR, password)).toMatchObject(needs);
    expect(await market.logIn(OPERATOR, password, { totp: code })).toMatchObject(needs);
    const logIn = await market.logIn(OPERATOR, password, { totp: codeOf(secret, 1) });
    expect(logIn.status).toBe(201);
    token = logIn.body.accessToken;
    expect(await opened()).toEqual(open);
    // A recovery code is the factor too, once.
    const [recoveryCode] = confirmed.body.recoveryCodes;
    expect((await market.logIn(OPERATOR, password, { recoveryCode })).status).toBe(201);
    expect(await market.logIn(OPERATOR, password, { recoveryCode })).toMatchObject(needs);
  });
});

/** An address of this machine that is not loopback. */
const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

describe('a blocked client', () => {
  if (ownAddress === undefined) {
    skipBecause('does not get around its block by spoofing', 'this machine has only loopback addresses');
    return;
  }
  const scratch = scratchDir();
  let running: Running;
  beforeAll(async () => {
    running = await run([], { DATA_DIR: scratch.dir, HOST: ownAddress });
  });
  afterAll(async () => {
    await running.end();
    scratch.remove();
  });

  it('does not get around its block by spoofing', async () => {
    const market = new Market(running);
    const { token } = await market.operator();
    const hold = (headers: Readonly<Record<string, string>>): Promise<Reply> =>
      market.hold({ email: newEmail() }, { headers });
    const spoofs = ['127.0.0.1', '::1', '198.51.100.8', `198.51.100.8, ${ownAddress}`, 'unknown', ''].map(
      (address) => ({ 'X-Forwarded-For': address, 'X-Real-IP': '127.0.0.1', Forwarded: 'for=127.0.0.1' }),
    );
    expect((await hold({})).status).toBe(201);
    const body = { cidr: ownAddress, reason: 'a test' };
    const block = await market.ask('security', 'POST', '/api/v1/blocks', { token, body });
    expect(block.status).toBe(201);
    for (const headers of [{}, ...spoofs]) {
      expect(await hold(headers)).toMatchObject({ status: 403, body: { code: 'blocked' } });
      const read = await market.ask('shop', 'GET', '/api/v1/matches/1', { headers });
      expect(read.status).toBe(403);
    }
  });
});

/** ISO/IEC 7812-1: a number with its check digit. */
function cardNumber(digits: string): string {
  const sum = Array.from(digits, Number)
    .reverse()
    .map((digit, i) => digit * (i % 2 === 0 ? 2 : 1))
    .reduce((total, value) => total + (value > 9 ? value - 9 : value), 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

describe('behind a proxy', () => {
  const VENUE = '203.0.113.7';
  const scratch = scratchDir();
  let running: Running;
  let market: Market;
  beforeAll(async () => {
    // Guests may buy as often as they like: only what a person may have stops them.
    running = await run([], { DATA_DIR: scratch.dir, TRUST_PROXY: '1', GUESTS: 'open' });
    market = new Market(running);
  });
  afterAll(async () => {
    await running.end();
    scratch.remove();
  });

  it('the last hop counts, however long the chain that a client writes before it', async () => {
    const { token } = await market.operator();
    const blocked = '203.0.113.66';
    const body = { cidr: blocked, reason: 'a test' };
    const added = await market.ask('security', 'POST', '/api/v1/blocks', { token, body });
    expect(added.status).toBe(201);
    const statusOf = async (chain: string): Promise<number> => {
      const headers = { 'X-Forwarded-For': chain };
      return (await market.ask('shop', 'GET', '/api/v1/matches/1', { headers })).status;
    };
    expect(await statusOf(blocked)).toBe(403);
    expect(await statusOf(`127.0.0.1, ${blocked}`)).toBe(403);
    expect(await statusOf(`198.51.100.1, 198.51.100.2, 127.0.0.1, ${blocked}`)).toBe(403);
    expect(await statusOf(`::ffff:${blocked}`)).toBe(403);
    expect(await statusOf(VENUE)).toBe(200);
    expect(await statusOf(`${blocked}, ${VENUE}`)).toBe(200);
    expect(await statusOf(`${blocked}, 127.0.0.1, ${VENUE}`)).toBe(200);
  });

  /** Sends it again with the solution when a challenge is asked for. */
  async function willing(
    send: (headers: Readonly<Record<string, string>>) => Promise<Reply>,
  ): Promise<Reply> {
    const from = { 'X-Forwarded-For': VENUE };
    let reply = await send(from);
    for (let solved = 0; reply.body.code === 'challenge_required' && solved < 3; solved += 1) {
      const solution = await solve(reply.body.challenge);
      reply = await send({ ...from, 'X-Challenge-Solution': solution });
    }
    return reply;
  }

  /** An ordinary buyer: one ticket of any category, under an address and with a card like everybody's. */
  async function buys(matchNumber: number): Promise<string> {
    const email = newEmail('fan');
    for (const category of [1, 2, 3]) {
      const held = await willing((headers) => market.hold({ matchNumber, category, email }, { headers }));
      const { id, token, code } = held.body;
      if (code === 'sold_out' || code === 'temporarily_unavailable') continue;
      if (held.status !== 201) return `hold: ${held.status} ${held.text.slice(0, 200)}`;
      const paid = await willing((headers) => market.pay(id, token, CARD, { headers }));
      return paid.status === 200 ? 'bought' : `pay: ${paid.status} ${paid.text.slice(0, 200)}`;
    }
    return 'sold out';
  }
  const crowd = async (matchNumber: number): Promise<ReadonlySet<string>> =>
    new Set(await Promise.all(Array.from({ length: 30 }, () => buys(matchNumber))));

  const soldOf = async (matchNumber: number): Promise<number> => {
    const { body } = await market.ask('shop', 'GET', `/api/v1/matches/${matchNumber}`);
    const categories = Object.values(body.availability);
    return 60 - categories.reduce((left, { available }) => left + available, 0);
  };

  it('a bot that writes its address in many ways gets four tickets, and 30 people beside it one each', async () => {
    const matchNumber = 21;
    const mine = new Set<string>();
    const answers = new Map<string, number>();
    let over = false;
    let asked = 0;
    const spelled = (i: number): string =>
      [
        `bot.buyer+${i}@gmail.com`,
        `b.o.t.b.u.y.e.r+${i}@googlemail.com`,
        `BotBuyer+${i}@GMail.com`,
        `bo.tbuyer@gmail.com`,
      ][i % 4] ?? '';
    const bot = async (): Promise<void> => {
      while (!over) {
        const i = (asked += 1);
        const wanted = { matchNumber, category: (i % 3) + 1, quantity: (i % 2) + 1, email: spelled(i) };
        const send = (headers: Readonly<Record<string, string>>): Promise<Reply> =>
          market.hold(wanted, { headers });
        // It solves a challenge now and then, when it has hands free.
        const held = i % 50 === 0 ? await willing(send) : await send({ 'X-Forwarded-For': VENUE });
        const what = held.status === 201 ? 'held' : held.body.code;
        answers.set(what, (answers.get(what) ?? 0) + 1);
        if (held.status !== 201) continue;
        const { id, token } = held.body;
        mine.add(id);
        await willing((headers) => market.pay(id, token, CARD, { headers }));
      }
    };
    const bots = Array.from({ length: 8 }, () => bot());
    // By then the address of all of them is past what it may ask without a challenge.
    await until(() => asked > 700, 60_000);
    const people = await crowd(matchNumber);
    over = true;
    await Promise.all(bots);
    expect(people).toEqual(new Set(['bought']));
    expect(answers.get('held')).toBe(mine.size);
    // The limit of the person, the limit of the rate, and the challenge each stopped it.
    for (const code of ['purchase_limit', 'rate_limited', 'challenge_required']) {
      expect([code, (answers.get(code) ?? 0) > 0]).toEqual([code, true]);
    }
    expect((await soldOf(matchNumber)) - 30).toBeLessThanOrEqual(4);
    expect(mine.size).toBeGreaterThan(0);
  });

  it('a bot with many addresses and one card gets four tickets, and 30 people beside it one each', async () => {
    const matchNumber = 22;
    const card = cardNumber(`42424242${String(Date.now() % 10_000_000).padStart(7, '0')}`);
    const answers: string[] = [];
    const bot = async (i: number): Promise<void> => {
      const wanted = { matchNumber, category: (i % 3) + 1, quantity: 2, email: newEmail(`bot${i}`) };
      const held = await willing((headers) => market.hold(wanted, { headers }));
      if (held.status !== 201) return;
      const { id, token } = held.body;
      const paid = await willing((headers) => market.pay(id, token, card, { headers }));
      answers.push(paid.status === 200 ? 'bought' : paid.body.code);
    };
    const [people] = await Promise.all([
      crowd(matchNumber),
      Promise.all(Array.from({ length: 12 }, (_, i) => bot(i))),
    ]);
    expect(people).toEqual(new Set(['bought']));
    expect(answers.filter((answer) => answer === 'bought')).toHaveLength(2);
    expect(answers.filter((answer) => answer === 'purchase_limit').length).toBeGreaterThan(5);
    expect(new Set(answers)).toEqual(new Set(['bought', 'purchase_limit']));
    expect(await soldOf(matchNumber)).toBe(34);
  });
});

describe('roles in processes of their own', () => {
  const VISITOR = { 'X-Forwarded-For': '203.0.113.20' };
  const scratch = scratchDir();
  const prefix = `trust-${randomUUID().slice(0, 8)}`;
  const shared = {
    DATA_DIR: scratch.dir,
    REDIS_URL: testRedisUrl(),
    REDIS_PREFIX: prefix,
    TRUST_PROXY: '1',
  };
  let redis: Redis;
  let security: Running;
  let user: Running;
  let rest: Running;
  let strict: Running;
  let market: Market;

  beforeAll(async () => {
    redis = new Redis(testRedisUrl());
    // It comes back on its port.
    security = await run(['security'], { ...shared, SECURITY_PORT: String(await freePort()) });
    // Only a process that is gone is missed here, not one that a busy machine keeps waiting.
    const patient = { SECURITY_TIMEOUT_MS: '10000' };
    const checked = { ...shared, ...patient, SECURITY_URL: security.url('security') };
    user = await run(['user'], checked);
    rest = await run(['shop', 'reservations', 'payments', 'consumer', 'worker'], {
      ...checked,
      SECURITY_UNREACHABLE: 'allow',
    });
    strict = await run(['reservations'], { ...checked, SECURITY_UNREACHABLE: 'deny' });
    market = new Market((role) => (role === 'security' ? security : role === 'user' ? user : rest));
  });
  afterAll(async () => {
    await Promise.all([security, user, rest, strict].map((one) => one.end()));
    await deleteKeys(redis, prefix);
    redis.disconnect();
    scratch.remove();
  });

  const hold = (at: Running, from = VISITOR): Promise<Reply> =>
    new Market(at).hold({ matchNumber: 30, email: newEmail() }, { headers: from });

  it('an account of one process buys at another; logged out, an operator is so everywhere within seconds', async () => {
    const buyer = await market.account();
    const { id } = await market.bought({ matchNumber: 31 }, { token: buyer.token, headers: VISITOR });
    const mine = await market.ask('reservations', 'GET', '/api/v1/reservations', { token: buyer.token });
    expect(mine.text).toContain(id);
    const { token } = await market.operator();
    const payments = async (): Promise<number> =>
      (await market.ask('payments', 'GET', '/api/v1/payments', { token })).status;
    expect(await payments()).toBe(200);
    expect((await market.ask('user', 'DELETE', '/api/v1/sessions', { token })).status).toBe(204);
    await until(async () => (await payments()) === 401);
  });

  it('ask the security process; killed, it is missed as the setting says; started again, it is asked again', async () => {
    const { token } = await market.operator();
    const blocked = { 'X-Forwarded-For': '203.0.113.66' };
    const body = { cidr: '203.0.113.66', reason: 'a test' };
    expect((await market.ask('security', 'POST', '/api/v1/blocks', { token, body })).status).toBe(201);
    for (const at of [rest, strict]) {
      expect((await hold(at)).status).toBe(201);
      expect(await hold(at, blocked)).toMatchObject({ status: 403, body: { code: 'blocked' } });
    }
    const { port } = new URL(security.url('security'));
    await security.end('SIGKILL');
    for (let i = 0; i < 10; i += 1) {
      expect((await hold(rest)).status).toBe(201);
      const denied = await hold(strict);
      expect(denied).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
      expect(Number(denied.headers['retry-after'])).toBeGreaterThan(0);
    }
    security = await run(['security'], { ...shared, SECURITY_PORT: port });
    for (const at of [rest, strict]) {
      // A read, because what is allowed meanwhile must not hold anything.
      const mine = (): Promise<Reply> =>
        ask('GET', at.url('reservations'), '/api/v1/reservations', { headers: blocked });
      await until(async () => (await mine()).body.code === 'blocked');
      expect((await hold(at)).status).toBe(201);
    }
  });
});
