/** What is taken of views and searches, over HTTP. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startBench, type Bench, type Reply } from '../http/bench.js';
import { accessTokenOf } from '../http/fakes.js';

const VISITOR = randomUUID();
const view = (matchNumber = 1): object => ({ kind: 'view', id: randomUUID(), matchNumber });
const search = (terms: readonly string[], results = 1): object => ({
  kind: 'search',
  id: randomUUID(),
  terms,
  results,
});

let bench: Bench;
beforeEach(async () => {
  bench = await startBench({ countryOf: () => 'FR' });
});
afterEach(() => bench.stop());

const send = (body: unknown, headers?: Record<string, string>): Promise<Reply> =>
  bench.call('POST', '/api/v1/views', body, headers);
const batch = (events: readonly object[], more: object = {}): object => ({
  consent: true,
  visitor: VISITOR,
  events,
  ...more,
});

it('are taken with the country of the address, and nothing else of it', async () => {
  const seen = view(2);
  const sought = search(['Qatar', 'Al Bayt Stadium'], 3);
  const reply = await send(batch([seen, sought]));
  expect([reply.status, reply.body]).toEqual([202, { taken: 2 }]);
  expect(bench.analytics.views).toEqual([
    { ...seen, visitor: VISITOR, country: 'FR' },
    { ...sought, visitor: VISITOR, country: 'FR' },
  ]);
});

it('are taken with the country that the visitor chose', async () => {
  await send(batch([view()], { country: 'BR' }));
  expect(bench.analytics.views).toMatchObject([{ country: 'BR' }]);
});

it('are nobody’s, also of somebody who is logged in', async () => {
  const token = accessTokenOf({ accountId: 'ann' });
  await send(batch([view()]), { Authorization: `Bearer ${token}` });
  expect(JSON.stringify(bench.analytics.views)).not.toContain('ann');
});

it('leave out what is not in the list', async () => {
  const reply = await send(
    batch([view(999), search(['my name is Ann', 'Ecuador']), search(['ann@example.com']), view(1)]),
  );
  expect(reply.body).toEqual({ taken: 2 });
  expect(bench.analytics.views).toMatchObject([{ terms: ['Ecuador'] }, { matchNumber: 1 }]);
  expect(JSON.stringify(bench.analytics.views)).not.toMatch(/ann/i);
});

describe.each<[string, object]>([
  ['nobody agreed to', { visitor: VISITOR, events: [view()] }],
  ['was refused', batch([view()], { consent: false })],
  ['nobody sent', batch([])],
  ['has no browser', { consent: true, events: [view()] }],
  ['names a person', batch([view()], { visitor: 'ann@example.com' })],
  ['is too much', batch(Array.from({ length: 51 }, () => view()))],
  ['is of another kind', batch([{ kind: 'typed', id: randomUUID(), text: 'x' }])],
  ['has no terms', batch([search([])])],
  ['has another country', batch([view()], { country: 'France' })],
])('what %s', (_what, body) => {
  it('is refused, and nothing is kept', async () => {
    const reply = await send(body);
    expect([reply.status, reply.body.code]).toEqual([422, 'validation_failed']);
    expect(bench.analytics.views).toEqual([]);
  });
});

it('are told to come later while too many wait', async () => {
  bench.analytics.isFull = true;
  const reply = await send(batch([view()]));
  expect([reply.status, reply.body.code]).toEqual([503, 'overloaded']);
});

it('share the limits of what writes', async () => {
  await send(batch([view()]));
  expect(bench.security.asked.at(-1)).toMatchObject({ routeClass: 'write', path: '/api/v1/views' });
});
