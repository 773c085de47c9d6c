import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { adminRouter, type BoardQueue } from '../../src/http/admin.js';
import { startBench, type Bench } from './bench.js';
import { ManualClock } from './fakes.js';

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

let bench: Bench;
let queues: (BoardQueue & { paused: boolean })[] = [];
beforeAll(async () => {
  const clock = new ManualClock();
  const admin = adminRouter({ queues: () => queues, operatorToken: TOKEN, clock, waitMs: 1_000 });
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
