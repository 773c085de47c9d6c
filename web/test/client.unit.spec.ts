import { describe, expect, it } from '@jest/globals';
import { Api, type ApiOptions } from '../src/api/client';
import { ServerClock } from '../src/api/clock';
import { ApiProblem } from '../src/api/problem';

interface Sent {
  readonly url: string;
  readonly headers: Headers;
  readonly body: unknown;
}

/** Answers in turn; an error is thrown as a browser throws when the connection is lost. */
function bench(answers: readonly (Response | Error)[], more: Partial<ApiOptions> = {}) {
  const sent: Sent[] = [];
  const waits: number[] = [];
  const left = [...answers];
  const api = new Api({
    fetch: async (url, init) => {
      sent.push({ url: url as string, headers: init?.headers as Headers, body: init?.body });
      const answer = left.shift() ?? new Error('asked too often');
      if (answer instanceof Error) throw answer;
      return answer;
    },
    clock: new ServerClock(() => 0),
    now: () => 0,
    language: () => 'ar',
    accessToken: async () => null,
    renew: async () => false,
    solve: async () => 'solved',
    wait: async (ms) => void waits.push(ms),
    ...more,
  });
  return { api, sent, waits };
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers });
const lost = new TypeError('failed to fetch');
const hold = {
  method: 'POST',
  path: '/reservations',
  body: { matchNumber: 1 },
  key: 'k'.repeat(16),
} as const;
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'answered',
    (error: unknown) => (error instanceof ApiProblem ? error.code : String(error)),
  );

describe('a request', () => {
  it('is sent with its key, language and tokens', async () => {
    const { api, sent } = bench([json(201, { id: 'r' })]);
    const request = { ...hold, tokens: ['a', 'b'], query: { limit: 2, after: undefined } };
    expect(await api.send(request)).toEqual({ id: 'r' });
    expect(sent[0]?.url).toBe('/api/v1/reservations?limit=2');
    expect(sent[0]?.headers.get('Idempotency-Key')).toBe(hold.key);
    expect(sent[0]?.headers.get('Accept-Language')).toBe('ar');
    expect(sent[0]?.headers.get('X-Reservation-Token')).toBe('a,b');
  });

  it('with a key is asked again with the same key while its outcome is unknown', async () => {
    const unknown = json(503, { code: 'overloaded', outcome: 'unknown' }, { 'Retry-After': '2' });
    const { api, sent, waits } = bench([lost, unknown, json(201, { id: 'r' })]);
    expect(await api.send(hold)).toEqual({ id: 'r' });
    expect(new Set(sent.map(({ headers }) => headers.get('Idempotency-Key'))).size).toBe(1);
    expect(waits).toEqual([1_000, 2_000]);
  });

  it('gives up asking, and says that nothing is known', async () => {
    const { api, sent } = bench([lost, lost, lost, lost, lost]);
    expect(await codeOf(api.send(hold))).toBe('connection_lost');
    expect(sent).toHaveLength(4);
  });

  it('without a key is never repeated when it may have been done', async () => {
    const { api, sent } = bench([lost, json(200, {})]);
    expect(await codeOf(api.send({ method: 'POST', path: '/users', body: {} }))).toBe('connection_lost');
    expect(sent).toHaveLength(1);
  });

  it('is not repeated when it was refused', async () => {
    const { api, sent } = bench([json(503, { code: 'overloaded', outcome: 'refused' })]);
    expect(await codeOf(api.send(hold))).toBe('overloaded');
    expect(sent).toHaveLength(1);
  });

  it('solves one challenge and sends the same again', async () => {
    const asked: unknown[] = [];
    const challenge = (): Response => json(403, { code: 'challenge_required', challenge: { parameters: 1 } });
    const solve = async (given: unknown): Promise<string> => {
      asked.push(given);
      return 'proof';
    };
    const { api, sent } = bench([challenge(), json(201, { id: 'r' })], { solve });
    expect(await api.send(hold)).toEqual({ id: 'r' });
    expect(asked).toEqual([{ parameters: 1 }]);
    expect(sent[1]?.headers.get('X-Challenge-Solution')).toBe('proof');
    expect(sent[1]?.body).toBe(sent[0]?.body);
    expect(await codeOf(bench([challenge(), challenge()]).api.send(hold))).toBe('challenge_required');
  });

  it('says that nothing was done when the solver fails', async () => {
    const { api } = bench([json(403, { code: 'challenge_required' })], {
      solve: () => Promise.reject(new Error('no such module')),
    });
    expect(await codeOf(api.send(hold))).toBe('challenge_failed');
  });

  it('renews an access token that was not taken, once', async () => {
    const tokens = ['old', 'new'];
    const { api, sent } = bench([json(401, { code: 'unauthorized' }), json(200, { ok: 1 })], {
      accessToken: async () => tokens.shift() ?? null,
      renew: async () => true,
    });
    expect(await api.send({ path: '/users/me' })).toEqual({ ok: 1 });
    expect(sent.map(({ headers }) => headers.get('Authorization'))).toEqual(['Bearer old', 'Bearer new']);
  });

  it('with an answer that is no JSON has an unknown outcome; with an empty one it is done', async () => {
    const page = (): Response => new Response('<html>', { status: 200 });
    expect(await codeOf(bench([page(), page(), page(), page()]).api.send(hold))).toBe('bad_answer');
    const { api } = bench([new Response(null, { status: 204 })]);
    expect(await api.send({ method: 'DELETE', path: '/sessions' })).toBeNull();
  });

  it('is not repeated with a new access token when it is about the password sent along', async () => {
    const wrong = json(401, { code: 'unauthorized' });
    const { api, sent } = bench([wrong], { renew: async () => true });
    expect(
      await codeOf(api.send({ method: 'POST', path: '/users/me/password', body: {}, auth: 'once' })),
    ).toBe('unauthorized');
    expect(sent).toHaveLength(1);
  });

  it('can be answered with a file, and refused like any other', async () => {
    const { api, sent } = bench([new Response('%PDF-1.7'), json(403, { code: 'forbidden' })]);
    const file = await api.file({ path: '/reservations/r/tickets.pdf' });
    expect(await file.text()).toBe('%PDF-1.7');
    expect(sent[0]?.headers.get('Accept')).toBe('*/*');
    expect(await codeOf(api.file({ path: '/reservations/r/tickets.pdf' }))).toBe('forbidden');
  });
});
