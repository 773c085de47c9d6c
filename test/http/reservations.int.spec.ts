import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { guestToken, reservationId } from '../../src/http/identity.js';
import type { Submission } from '../../src/http/ports.js';
import { HOLD, SECRET, bearer, startBench, type Bench, type Reply } from './bench.js';
import { CARDS, FakeProvider } from './fakes.js';

const KEY = 'a-key-nobody-guesses-0001';
const keyed = (key = KEY): Record<string, string> => ({ 'Idempotency-Key': key });
const T11 = { matchNumber: 1, category: 1 };

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.stop());

const hold = (more: object = {}, headers: Record<string, string> = {}): Promise<Reply> =>
  bench.call('POST', '/api/v1/reservations', { ...HOLD, ...more }, headers);

const pay = (held: Reply, card: unknown = CARDS.good, headers: Record<string, string> = {}): Promise<Reply> =>
  bench.call(
    'POST',
    `/api/v1/reservations/${String(held.body['id'])}/payment`,
    { paymentMethod: card },
    { ...bearer(held.body['token']), ...headers },
  );

const read = (held: Reply): Promise<Reply> =>
  bench.call('GET', `/api/v1/reservations/${String(held.body['id'])}`, undefined, bearer(held.body['token']));

const cancel = (held: Reply, headers: Record<string, string> = {}): Promise<Reply> =>
  bench.call('DELETE', `/api/v1/reservations/${String(held.body['id'])}`, undefined, {
    ...bearer(held.body['token']),
    ...headers,
  });

/** Lets something happen to the first command of a type, once. */
function once(type: Submission['body']['type'], what: ReturnType<Bench['market']['intercept']>): void {
  bench.market.intercept = ({ body }) => {
    if (body.type !== type) return undefined;
    bench.market.intercept = () => undefined;
    return what;
  };
}

describe('hold', () => {
  it('answers 201 PENDING with the price of the actor and a token', async () => {
    const { status, body, headers } = await hold();
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^m1c1-[a-z2-7]{26}$/),
      status: 'PENDING',
      ...HOLD,
      unitPrice: 75,
      currency: 'usd',
      createdAt: '2022-10-01T00:00:00.000Z',
      expiresAt: '2022-10-01T00:10:00.000Z',
      token: expect.stringMatching(/^m1c1-/),
    });
    expect(headers.get('Location')).toBe(`/api/v1/reservations/${String(body['id'])}`);
  });

  it('says what is left when fewer can be held, and when all is held', async () => {
    await bench.stop();
    bench = await startBench({ capacity: 3 });
    await hold();
    const fewer = await hold({ email: 'other@example.com' });
    expect(fewer.status).toBe(409);
    expect(fewer.body).toMatchObject({
      code: 'temporarily_unavailable',
      remaining: 1,
      title: 'ticket is temporarily unavailable',
    });
    await hold({ email: 'other@example.com', quantity: 1 });
    const none = await hold({ email: 'third@example.com' });
    expect(none.body).toMatchObject({ code: 'temporarily_unavailable', remaining: 0 });
  });

  it('says "ticket is sold out" when nothing is left to sell', async () => {
    const sold = {
      type: 'remote',
      clientId: 'peer',
      recordedAt: 0,
      action: 'reserved',
      quantity: 20,
    } as const;
    bench.market.do(T11, sold);
    const { status, body } = await hold();
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'sold_out', title: 'ticket is sold out' });
  });

  it('counts the limit per person and match over all categories, however the address is typed', async () => {
    expect((await hold()).status).toBe(201);
    expect((await hold({ category: 2, email: '  FAN@Example.com ' })).status).toBe(201);
    const { status, body } = await hold({ category: 3, quantity: 1 });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'purchase_limit', limit: 4, owned: 4 });
    expect((await hold({ matchNumber: 2 })).status).toBe(201);
  });

  it.each([
    ['too many', { quantity: 3 }, 'quantity'],
    ['none', { quantity: 0 }, 'quantity'],
    ['half a ticket', { quantity: 1.5 }, 'quantity'],
    ['a text for a number', { quantity: '2' }, 'quantity'],
    ['another price', { price: 74 }, 'price'],
    ['no category of this market', { category: 4 }, 'category'],
    ['no e-mail address', { email: 'nobody' }, 'email'],
    ['an endless e-mail address', { email: `${'a'.repeat(300)}@example.com` }, 'email'],
    ['a match beyond all', { matchNumber: 10_000 }, 'matchNumber'],
  ])('refuses %s with 422 and its path', async (_what, more, path) => {
    const { status, body } = await hold(more);
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: 'validation_failed', errors: [{ path }] });
  });

  it('needs an e-mail address from guests', async () => {
    const { status, body } = await hold({ email: undefined });
    expect(status).toBe(422);
    expect(body).toMatchObject({ errors: [{ path: 'email' }] });
  });

  it('makes no queue for a match that does not exist', async () => {
    const { status, body } = await hold({ matchNumber: 77 });
    expect(status).toBe(404);
    expect(body.code).toBe('not_found');
    expect(bench.market.submissions).toHaveLength(0);
  });

  it('says that sales are closed', async () => {
    bench.market.do(T11, { type: 'close', endHolds: false });
    expect((await hold()).body).toMatchObject({ status: 409, code: 'sales_closed' });
  });

  it('refuses undone when overloaded, with Retry-After', async () => {
    once('hold', { kind: 'overloaded', retryAfterMs: 2_500 });
    const { status, body, headers } = await hold();
    expect(status).toBe(503);
    expect(body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
    expect(headers.get('Retry-After')).toBe('3');
    once('hold', { kind: 'answered', result: { kind: 'deadline_passed' } });
    expect((await hold()).body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
  });

  it('never tells a repeat that nothing was done, because its first may have taken effect', async () => {
    const held = await hold({}, keyed());
    expect(held.status).toBe(201);
    const { id, token } = held.body;
    once('hold', { kind: 'overloaded', retryAfterMs: 1 });
    const refused = await hold({}, keyed());
    expect(refused.body).toMatchObject({
      code: 'overloaded',
      outcome: 'unknown',
      reservation: { id, token },
    });
    once('hold', { kind: 'answered', result: { kind: 'outbox_full' } });
    expect((await hold({}, keyed())).body).toMatchObject({ code: 'overloaded', outcome: 'unknown' });
    const payKey = keyed('a-key-of-its-own-for-paying');
    expect((await pay(held, CARDS.good, payKey)).body['status']).toBe('RESERVED');
    once('startPayment', { kind: 'overloaded', retryAfterMs: 1 });
    expect((await pay(held, CARDS.good, payKey)).body).toMatchObject({
      code: 'overloaded',
      outcome: 'unknown',
    });
    expect((await pay(held, CARDS.good, payKey)).body['status']).toBe('RESERVED');
  });

  it.each(['answer lost', 'rejects'] as const)('says when the outcome is not known (%s)', async (what) => {
    once('hold', what);
    const lost = await hold({}, keyed());
    expect(lost.status).toBe(503);
    expect(lost.body).toMatchObject({ code: 'overloaded', outcome: 'unknown' });
    expect(lost.body['detail']).toContain('same Idempotency-Key');
    const again = await hold({}, keyed());
    expect(again.status).toBe(201);
    expect(lost.body['reservation']).toEqual({ id: again.body['id'], token: again.body['token'] });
    expect(bench.market.countersOf(T11).heldHere).toBe(2);
  });

  it('is not done when the idempotency store is away', async () => {
    bench.store.fails = true;
    expect((await hold({}, keyed())).body).toMatchObject({ status: 503, code: 'overloaded' });
    expect(bench.market.submissions).toHaveLength(0);
  });
});

describe('idempotency of a hold', () => {
  it('gives fifty at once one effect and one answer', async () => {
    const replies = await Promise.all(Array.from({ length: 50 }, () => hold({}, keyed())));
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(replies[0]?.status).toBe(201);
    expect(bench.market.countersOf(T11).heldHere).toBe(2);
  });

  it('gives the first answer after a crash, and after the hold has ended', async () => {
    const first = await hold({}, keyed());
    bench = await bench.restart();
    bench.clock.advance(700_000);
    bench.market.do(T11, { type: 'expire', reservationId: String(first.body['id']) });
    expect((await hold({}, keyed())).text).toBe(first.text);
  });

  it('gives a refusal again', async () => {
    once('hold', undefined);
    const sold = {
      type: 'remote',
      clientId: 'peer',
      recordedAt: 0,
      action: 'pending',
      quantity: 20,
    } as const;
    bench.market.do(T11, sold);
    const first = await hold({}, keyed());
    bench.market.do(T11, { ...sold, action: 'cancelled' });
    expect(first.body.code).toBe('temporarily_unavailable');
    expect((await hold({}, keyed())).text).toBe(first.text);
    expect((await hold({}, keyed('another-key-nobody-guesses'))).status).toBe(201);
  });

  it('refuses another body under the same key', async () => {
    await hold({}, keyed());
    const { status, body } = await hold({ quantity: 1 }, keyed());
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: 'validation_failed', errors: [{ path: 'Idempotency-Key' }] });
    expect((await hold({ email: ' Fan@EXAMPLE.com' }, keyed())).status).toBe(201);
  });

  it('is scoped to the caller: the same key of another person is another hold', async () => {
    const mine = await hold({}, keyed());
    const theirs = await hold({ email: 'other@example.com' }, keyed());
    expect(theirs.status).toBe(201);
    expect(theirs.body['id']).not.toBe(mine.body['id']);
  });

  it.each(['', 'with space', 'x'.repeat(256), 'é'])('refuses the key %j', async (key) => {
    const { status, body } = await hold({}, keyed(key));
    expect(status).toBe(422);
    expect(body['detail']).toContain('Idempotency-Key');
  });

  it('keeps outcomes longer with a key than without', async () => {
    await hold({}, keyed());
    await hold({ email: 'other@example.com' });
    expect(bench.market.submissions.map(({ keepMs }) => keepMs)).toEqual([86_400_000, 60_000]);
  });
});

describe('reading', () => {
  it('shows a reservation to its token only', async () => {
    const held = await hold();
    const other = await hold({ email: 'other@example.com' });
    const path = `/api/v1/reservations/${String(held.body['id'])}`;
    const { token, ...shown } = held.body;
    expect((await read(held)).body).toEqual(shown);
    const byHeader = await bench.call('GET', path, undefined, { 'X-Reservation-Token': String(token) });
    expect(byHeader.body).toEqual(shown);
    const none = await bench.call('GET', path);
    expect(none.body).toMatchObject({ status: 401, code: 'unauthorized' });
    expect(none.headers.get('WWW-Authenticate')).toBe('Bearer');
    for (const wrong of [
      other.body['token'],
      `${String(held.body['id'])}.x`,
      'x',
      '.',
      `${String(token)}x`,
    ]) {
      const reply = await bench.call('GET', path, undefined, bearer(wrong));
      expect(reply.body).toMatchObject({ status: 403, code: 'forbidden' });
    }
  });

  it.each([
    'x',
    'm1c1-',
    'm1c1-AAAAAAAAAAAAAAAAAAAAAAAAAA',
    'm0c1-aaaaaaaaaaaaaaaaaaaaaaaaaa',
    'm1c4-aaaaaaaaaaaaaaaaaaaaaaaaaa',
  ])('answers 404 to the impossible id %s', async (id) => {
    const reply = await bench.call('GET', `/api/v1/reservations/${id}`, undefined, bearer('x'));
    expect(reply.body).toMatchObject({ status: 404, code: 'not_found' });
  });

  it('answers 404, and hold_expired to a payment, when a loss of Redis ended the hold without a trace', async () => {
    const id = reservationId(T11, 'lost');
    const lost = { body: { id, token: guestToken(SECRET, id) } } as unknown as Reply;
    expect((await read(lost)).body).toMatchObject({ status: 404, code: 'not_found' });
    expect((await pay(lost)).body).toMatchObject({ status: 409, code: 'hold_expired' });
    expect((await cancel(lost)).body).toMatchObject({ status: 404, code: 'not_found' });
    expect(bench.provider.charged.size).toBe(0);
  });

  it('lists the reservations of the tokens presented, newest first', async () => {
    const first = await hold();
    bench.clock.advance(1_000);
    const second = await hold({ matchNumber: 2 });
    const mine = (tokens: unknown[]): Promise<Reply> =>
      bench.call('GET', '/api/v1/reservations', undefined, { 'X-Reservation-Token': tokens.join(',') });
    const both = await mine([first.body['token'], second.body['token'], 'stale']);
    expect(both.body['reservations']).toEqual([
      expect.objectContaining({ id: second.body['id'] }),
      expect.objectContaining({ id: first.body['id'] }),
    ]);
    expect((await bench.call('GET', '/api/v1/reservations')).status).toBe(401);
    expect((await mine(['wrong'])).status).toBe(403);
    expect((await mine(Array.from({ length: 21 }, () => first.body['token']))).status).toBe(422);
  });
});

describe('payment', () => {
  it('answers RESERVED, and the next reads say so', async () => {
    const held = await hold();
    const { status, body } = await pay(held);
    expect(status).toBe(200);
    expect(body).toMatchObject({ id: held.body['id'], status: 'RESERVED', reason: 'paid' });
    expect((await read(held)).body['status']).toBe('RESERVED');
    expect([...bench.provider.charged.values()]).toEqual([15_000]);
    const match = await bench.call('GET', '/api/v1/matches/1');
    expect(match.body).toMatchObject({ availability: { category1: { available: 18, pending: 18 } } });
  });

  it('takes a test card as an object too', async () => {
    const card = { number: '4242 4242 4242 4242', expirationMonth: 12, expirationYear: 2030, cvc: '123' };
    expect((await pay(await hold(), card)).status).toBe(200);
  });

  it('gives a declined hold back, and says so again', async () => {
    const held = await hold();
    const first = await pay(held, CARDS.declined, keyed());
    expect(first.status).toBe(402);
    expect(first.body).toMatchObject({ code: 'payment_declined', reason: 'card_declined' });
    expect((await read(held)).body).toMatchObject({ status: 'CANCELLED', reason: 'declined' });
    expect(bench.market.countersOf(T11).heldHere).toBe(0);
    bench = await bench.restart();
    expect((await pay(held, CARDS.declined, keyed())).text).toBe(first.text);
    // Even when Redis lost what was recorded: the provider still knows.
    bench.market.outcomes.clear();
    expect((await pay(held, CARDS.declined, keyed())).text).toBe(first.text);
    expect((await pay(held)).body.code).toBe('hold_expired');
  });

  it('charges once, however often and at once it is asked', async () => {
    const held = await hold();
    const replies = await Promise.all(Array.from({ length: 50 }, () => pay(held, CARDS.good, keyed())));
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(replies[0]?.status).toBe(200);
    expect((await pay(held, CARDS.good, keyed('another-key-of-this-person'))).status).toBe(200);
    expect((await pay(held)).status).toBe(200);
    expect(bench.provider.charged.size).toBe(1);
    expect(bench.market.countersOf(T11).soldHere).toBe(2);
  });

  it('refuses another body under the same key', async () => {
    const held = await hold();
    await pay(held, CARDS.good, keyed());
    expect((await pay(held, CARDS.declined, keyed())).status).toBe(422);
  });

  it('does not charge for a hold whose time is over', async () => {
    const held = await hold();
    bench.clock.advance(600_000);
    const { status, body } = await pay(held);
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'hold_expired', refunded: false });
    expect(bench.provider.payments.size).toBe(0);
  });

  it('says when the answer of the provider is not known; the same key tells it later', async () => {
    const held = await hold();
    const lost = await pay(held, CARDS.lost, keyed());
    expect(lost.status).toBe(503);
    expect(lost.body).toMatchObject({ code: 'overloaded', outcome: 'unknown' });
    expect((await read(held)).body['status']).toBe('PAYING');
    // Another request finds out too: it finishes the payment that is under way, and makes none of its own.
    expect((await pay(held, CARDS.good)).body['status']).toBe('RESERVED');
    expect(bench.provider.charged.size).toBe(1);
  });

  it('refuses undone when the payment cannot start', async () => {
    const held = await hold();
    once('startPayment', { kind: 'overloaded', retryAfterMs: 1 });
    expect((await pay(held)).body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
    expect(bench.provider.payments.size).toBe(0);
    expect((await pay(held)).status).toBe(200);
  });

  it.each([
    ['nothing', {}],
    ['an empty text', { paymentMethod: '' }],
    ['a number', { paymentMethod: 4242424242424242 }],
    ['a card without a number', { paymentMethod: { cvc: '123' } }],
  ])('refuses %s as a payment method', async (_what, body) => {
    const held = await hold();
    const path = `/api/v1/reservations/${String(held.body['id'])}/payment`;
    const reply = await bench.call('POST', path, body, bearer(held.body['token']));
    expect(reply.body).toMatchObject({ status: 422, code: 'validation_failed' });
  });

  it('takes no raw card where the money is real', async () => {
    await bench.stop();
    bench = await startBench({ provider: new FakeProvider('stripe') });
    const held = await hold();
    const raw = await pay(held, '4242-4242-4242-4242');
    expect(raw.status).toBe(422);
    expect(raw.body['detail']).toContain('Stripe.js');
    expect((await pay(held, 'pm_card_visa')).status).toBe(200);
    const oneShot = await bench.call('POST', '/api/reservation', PURCHASE);
    expect(oneShot.status).toBe(403);
    expect(oneShot.body['detail']).toContain('payment method');
  });
});

describe('cancelling', () => {
  it('gives the tickets back once', async () => {
    const held = await hold();
    expect((await cancel(held)).body).toMatchObject({ status: 'CANCELLED', reason: 'cancelled' });
    expect((await cancel(held)).body['status']).toBe('CANCELLED');
    expect(bench.market.countersOf(T11)).toMatchObject({ heldHere: 0, pending: 20 });
    expect((await pay(held)).body.code).toBe('hold_expired');
  });

  it('gives the first answer again under its key', async () => {
    const held = await hold();
    const replies = await Promise.all(Array.from({ length: 10 }, () => cancel(held, keyed())));
    expect(new Set(replies.map(({ text }) => text)).size).toBe(1);
  });

  it('does not apply to what is RESERVED', async () => {
    const held = await hold();
    await pay(held);
    const { status, body } = await cancel(held);
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'invalid_state', reservationStatus: 'RESERVED' });
  });

  it('ends a payment under way at the provider first', async () => {
    const held = await hold();
    await pay(held, CARDS.away, keyed());
    expect((await cancel(held)).body).toMatchObject({ status: 'CANCELLED' });
    expect([...bench.provider.payments.values()]).toEqual([{ status: 'cancelled' }]);
    expect((await pay(held, CARDS.good, keyed('yet-another-key-of-mine'))).body.code).toBe('hold_expired');
  });

  it('finds that a payment under way had succeeded', async () => {
    const held = await hold();
    await pay(held, CARDS.lost);
    expect((await cancel(held)).body).toMatchObject({ code: 'invalid_state', reservationStatus: 'RESERVED' });
    expect((await read(held)).body['status']).toBe('RESERVED');
  });

  it('says what ended otherwise, and needs the token', async () => {
    const held = await hold();
    bench.clock.advance(600_000);
    bench.market.do(T11, { type: 'expire', reservationId: String(held.body['id']) });
    expect((await cancel(held)).body.code).toBe('hold_expired');
    expect((await bench.call('DELETE', `/api/v1/reservations/${String(held.body['id'])}`)).status).toBe(401);
    once('release', { kind: 'overloaded', retryAfterMs: 1 });
    expect((await cancel(held)).body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
    once('release', 'answer lost');
    expect((await cancel(held)).body).toMatchObject({ code: 'overloaded', outcome: 'unknown' });
  });
});

const PURCHASE = {
  email: 'fan@example.com',
  matchNumber: 1,
  tickets: { category: 1, quantity: 2, price: 75 },
  card: { number: CARDS.good, expirationMonth: 12, expirationYear: 2022, cvc: '123' },
};

describe('one-shot purchase', () => {
  const buy = (more: object = {}, headers: Record<string, string> = {}): Promise<Reply> =>
    bench.call('POST', '/api/reservation', { ...PURCHASE, ...more }, headers);
  const card = (number: unknown): object => ({ card: { ...PURCHASE.card, number } });

  it('holds, pays and answers 200', async () => {
    const { status, body } = await buy();
    expect(status).toBe(200);
    expect(body).toEqual({
      message: expect.any(String),
      id: expect.stringMatching(/^m1c1-/),
      email: 'fan@example.com',
      matchNumber: 1,
      category: 1,
      quantity: 2,
      price: 75,
    });
    expect(bench.market.countersOf(T11)).toMatchObject({ soldHere: 2, heldHere: 0 });
    expect((await buy({ ...card(Number(CARDS.good)), email: 'b@example.com' })).status).toBe(200);
  });

  it('answers 400 to a decline and gives the hold back', async () => {
    const { status, body } = await buy(card(CARDS.declined));
    expect(status).toBe(400);
    expect(body.code).toBe('payment_declined');
    expect(bench.market.countersOf(T11)).toMatchObject({ soldHere: 0, heldHere: 0 });
  });

  it.each([
    ['another price', { tickets: { category: 1, quantity: 2, price: 1 } }],
    ['too many', { tickets: { category: 1, quantity: 3, price: 75 } }],
    ['no card', { card: undefined }],
    ['no card number', card('abc')],
    ['no address', { email: 'x' }],
    ['a category of no market', { tickets: { category: 9, quantity: 1, price: 75 } }],
  ])('answers 403 to %s', async (_what, more) => {
    const { status, body } = await buy(more);
    expect(status).toBe(403);
    expect(body.code).toBe('validation_failed');
  });

  it('answers 403 to what is no JSON', async () => {
    expect((await bench.call('POST', '/api/reservation', '{')).status).toBe(403);
    const text = await bench.call('POST', '/api/reservation', 'x', { 'Content-Type': 'text/plain' });
    expect(text.status).toBe(403);
    expect((await bench.call('POST', '/api/reservation')).status).toBe(403);
  });

  it('answers refusals as the codes say', async () => {
    expect((await buy({ matchNumber: 60 })).body).toMatchObject({ status: 404, code: 'not_found' });
    await buy();
    await buy();
    expect((await buy()).body).toMatchObject({ status: 409, code: 'purchase_limit' });
  });

  it('has one effect under one key, whatever the outcome', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => buy({}, keyed())));
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(bench.provider.charged.size).toBe(1);
    const key = 'a-declined-key-nobody-guesses';
    const declined = await buy({ ...card(CARDS.declined), email: 'b@example.com' }, keyed(key));
    bench = await bench.restart();
    const again = await buy({ ...card(CARDS.declined), email: 'b@example.com' }, keyed(key));
    expect(again.text).toBe(declined.text);
    expect((await buy({ email: 'b@example.com' }, keyed(key))).status).toBe(422);
  });

  it('leaves no hold behind when the payment could not start, unless a key goes on with it', async () => {
    once('startPayment', { kind: 'overloaded', retryAfterMs: 1 });
    expect((await buy()).body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
    expect(bench.market.countersOf(T11).heldHere).toBe(0);
    once('startPayment', { kind: 'overloaded', retryAfterMs: 1 });
    const open = await buy({}, keyed());
    expect(open.body).toMatchObject({ outcome: 'unknown', reservation: { id: expect.any(String) } });
    expect((await buy({}, keyed())).status).toBe(200);
  });

  it('gives a token to look at a purchase whose outcome is not known', async () => {
    const { body } = await buy(card(CARDS.lost));
    expect(body).toMatchObject({ code: 'overloaded', outcome: 'unknown' });
    const { id, token } = body['reservation'] as { id: string; token: string };
    const seen = await bench.call('GET', `/api/v1/reservations/${id}`, undefined, bearer(token));
    expect(seen.body['status']).toBe('PAYING');
  });
});
