import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { guestToken, reservationId } from '../../src/http/identity.js';
import type { Submission } from '../../src/http/ports.js';
import { HOLD, SECRET, bearer, startBench, type Bench, type Reply } from './bench.js';
import { CARDS, FakeProvider, accessTokenOf } from './fakes.js';

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
    ['a country in words', { country: 'Qatar' }, 'country'],
    ['a country in small letters', { country: 'qa' }, 'country'],
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
    once('confirm', 'answer lost');
    expect((await pay(held, CARDS.good, payKey)).body).toMatchObject({ outcome: 'unknown' });
    expect((await pay(held, CARDS.good, payKey)).body['status']).toBe('RESERVED');
    const other = await hold({ matchNumber: 2, email: 'other@example.com' });
    const otherKey = keyed('another-key-of-its-own-to-pay');
    expect((await pay(other, CARDS.away, otherKey)).body).toMatchObject({ outcome: 'unknown' });
    once('startPayment', { kind: 'overloaded', retryAfterMs: 1 });
    expect((await pay(other, CARDS.away, otherKey)).body).toMatchObject({
      code: 'overloaded',
      outcome: 'unknown',
    });
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

describe('where a buyer is', () => {
  const countries = (): unknown[] =>
    bench.market.submissions.flatMap(({ body }) => (body.type === 'hold' ? [body.country] : []));
  let known: string | null;
  beforeEach(async () => {
    known = 'EC';
    await bench.stop();
    bench = await startBench({ countryOf: (address) => (address === '127.0.0.1' ? known : 'XX') });
  });

  it('is what the buyer says, else what is known of the address, else not known', async () => {
    await hold({ country: 'QA' });
    await hold({ email: 'other@example.com' });
    known = null;
    await hold({ email: 'third@example.com' });
    expect(countries()).toEqual(['QA', 'EC', undefined]);
  });

  it('is of the address in a one-shot purchase, and stays with the sale', async () => {
    const body = {
      email: 'fan@example.com',
      matchNumber: 1,
      tickets: { category: 1, quantity: 1, price: 75 },
      card: { number: CARDS.good, expirationMonth: 12, expirationYear: 2030, cvc: '123' },
    };
    const { status, body: bought } = await bench.call('POST', '/api/reservation', body);
    expect(status).toBe(200);
    expect(await bench.market.find(String(bought['id']))).toMatchObject({
      status: 'RESERVED',
      country: 'EC',
    });
  });

  it('is no part of a request that is repeated from elsewhere', async () => {
    const first = await hold({}, keyed());
    known = 'QA';
    expect((await hold({}, keyed())).body).toEqual(first.body);
    expect(first.body).not.toHaveProperty('country');
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

describe('terms', () => {
  it('tell anyone what a hold may ask for', async () => {
    const { status, body } = await bench.call('GET', '/api/v1/reservations/terms');
    expect([status, body]).toEqual([200, { ticketsPerReservationMax: 2, guests: true, waitingList: true }]);
  });

  it('tell of no waiting list when nobody may be on one', async () => {
    await bench.stop();
    bench = await startBench({ waitingListMax: 0 });
    const { body } = await bench.call('GET', '/api/v1/reservations/terms');
    expect(body['waitingList']).toBe(false);
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
    expect(bench.provider.charged).toEqual([]);
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
    expect(bench.provider.charged).toEqual([15_000]);
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
    expect(first.body).toMatchObject({
      code: 'payment_declined',
      reason: 'card_declined',
      held: false,
      retryUntil: held.body['expiresAt'],
    });
    expect((await read(held)).body).toMatchObject({ status: 'CANCELLED', reason: 'declined' });
    expect(bench.market.countersOf(T11).heldHere).toBe(0);
    bench = await bench.restart();
    expect((await pay(held, CARDS.declined, keyed())).text).toBe(first.text);
    // Even when Redis lost what was recorded: the reservation still knows.
    bench.market.outcomes.clear();
    expect((await pay(held, CARDS.declined, keyed())).text).toBe(first.text);
  });

  it('lets another card take the tickets again while the hold would have lasted', async () => {
    const held = await hold();
    await pay(held, CARDS.declined, keyed());
    const paid = await pay(held, CARDS.good, keyed('another-key-for-another-card'));
    expect(paid.body).toMatchObject({ id: held.body['id'], status: 'RESERVED', reason: 'paid' });
    expect(bench.provider.charged).toEqual([15_000]);
    expect((await pay(held, CARDS.declined, keyed())).body).toMatchObject({ status: 'RESERVED' });
  });

  it('says that the tickets are gone when another bought them after the decline', async () => {
    await bench.stop();
    bench = await startBench({ capacity: 2 });
    const held = await hold();
    await pay(held, CARDS.declined);
    const other = await hold({ email: 'quick@example.com' });
    expect((await pay(held)).body).toMatchObject({ code: 'temporarily_unavailable', remaining: 0 });
    await pay(other);
    expect((await pay(held)).body).toMatchObject({ code: 'sold_out' });
    expect(bench.provider.charged).toEqual([15_000]);
  });

  it('ends after the last attempt', async () => {
    const held = await hold();
    for (let attempt = 0; attempt < 2; attempt += 1) await pay(held, CARDS.declined);
    const last = await pay(held, CARDS.declined, keyed());
    expect(last.body).toMatchObject({ status: 402, code: 'payment_declined', held: false });
    expect(last.body).not.toHaveProperty('retryUntil');
    expect((await pay(held, CARDS.declined, keyed())).text).toBe(last.text);
    expect((await pay(held)).body.code).toBe('hold_expired');
  });

  it('asks the buyer to authenticate, and the same request again tells how that went', async () => {
    const held = await hold();
    const asked = await pay(held, CARDS.secure, keyed());
    expect(asked.status).toBe(202);
    expect(asked.body).toMatchObject({
      status: 'requires_action',
      clientSecret: expect.stringMatching(/_secret$/),
      nextAction: { type: 'redirect_to_url', url: expect.stringMatching(/^http/) },
      reservation: { status: 'PAYING' },
    });
    bench.provider.authenticate(`pi_${String(held.body['id'])}`);
    expect((await pay(held, CARDS.secure, keyed())).body).toMatchObject({ status: 'RESERVED' });
  });

  it('tells how a payment stands, with the tax contained, to nobody else', async () => {
    const held = await hold();
    const path = `/api/v1/reservations/${String(held.body['id'])}/payment`;
    const state = (token: unknown) => bench.call('GET', path, undefined, bearer(token));
    expect((await state(held.body['token'])).status).toBe(404);
    await pay(held);
    expect((await state(held.body['token'])).body).toMatchObject({
      status: 'succeeded',
      amountMinor: 15_000,
      tax: { name: 'VAT', percent: 20, amountMinor: 2_500 },
      refundedMinor: 0,
      isSettled: true,
    });
    expect((await state((await hold({ matchNumber: 2 })).body['token'])).status).toBe(403);
    expect((await bench.call('GET', path)).status).toBe(401);
  });

  it('charges once, however often and at once it is asked', async () => {
    const held = await hold();
    const replies = await Promise.all(Array.from({ length: 50 }, () => pay(held, CARDS.good, keyed())));
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(replies[0]?.status).toBe(200);
    expect((await pay(held, CARDS.good, keyed('another-key-of-this-person'))).status).toBe(200);
    expect((await pay(held)).status).toBe(200);
    expect(bench.provider.charged).toEqual([15_000]);
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
    expect(bench.provider.charged).toEqual([]);
  });

  it('says when the answer of the provider is not known; the same key tells it later', async () => {
    const held = await hold();
    const lost = await pay(held, CARDS.lost, keyed());
    expect(lost.status).toBe(503);
    expect(lost.body).toMatchObject({ code: 'overloaded', outcome: 'unknown' });
    expect((await read(held)).body['status']).toBe('PAYING');
    // Another request finds out too: it finishes the payment that is under way, and makes none of its own.
    expect((await pay(held, CARDS.good)).body['status']).toBe('RESERVED');
    expect(bench.provider.charged).toEqual([15_000]);
  });

  it('refuses undone when the payment cannot start', async () => {
    const held = await hold();
    once('startPayment', { kind: 'overloaded', retryAfterMs: 1 });
    expect((await pay(held)).body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
    expect(bench.provider.charged).toEqual([]);
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
    expect([...bench.provider.payments.values()].map(({ status }) => status)).toEqual(['canceled']);
    expect((await pay(held, CARDS.good, keyed('yet-another-key-of-mine'))).body.code).toBe('hold_expired');
  });

  it('finds that a payment under way had succeeded', async () => {
    const held = await hold();
    await pay(held, CARDS.lost);
    expect((await cancel(held)).body).toMatchObject({ code: 'invalid_state', reservationStatus: 'RESERVED' });
    expect((await read(held)).body['status']).toBe('RESERVED');
  });

  /** Paid with a card that is declined, which is noted, and the hold is not given back yet. */
  const declining = async (): Promise<Reply> => {
    const held = await hold();
    once('failPayment', { kind: 'overloaded', retryAfterMs: 1 });
    await pay(held, CARDS.declined, keyed());
    return held;
  };

  it('is final, although a decline of its payment was being noted', async () => {
    const held = await declining();
    expect((await cancel(held)).body).toMatchObject({ status: 'CANCELLED', reason: 'cancelled' });
    expect((await cancel(held)).body).toMatchObject({ status: 'CANCELLED', reason: 'cancelled' });
    expect((await pay(held, CARDS.good, keyed('another-key-of-mine-0002'))).body.code).toBe('hold_expired');
    const declined = await pay(held, CARDS.declined, keyed());
    expect(declined.body).toMatchObject({ code: 'payment_declined', held: false });
    expect(declined.body).not.toHaveProperty('retryUntil');
    expect(bench.security.facts.map(({ kind }) => kind)).toContain('released');
  });

  it.each([
    ['declined', 200, { status: 'CANCELLED', reason: 'declined' }],
    ['expired', 409, { code: 'hold_expired' }],
  ] as const)('says that it was %s when that was quicker', async (reason, status, body) => {
    const held = await declining();
    const reservationId = String(held.body['id']);
    const paymentId = `pi_${reservationId}`;
    const { provider, market, security } = bench;
    const ending = provider.cancel.bind(provider);
    provider.cancel = (id) => {
      market.do(T11, { type: 'failPayment', reservationId, paymentId, reason });
      return ending(id);
    };
    const told = await cancel(held);
    expect(told.status).toBe(status);
    expect(told.body).toMatchObject(body);
    expect(security.facts.map(({ kind }) => kind)).not.toContain('released');
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
    expect((await buy()).body).toMatchObject({ status: 403, code: 'email_unconfirmed' });
    bench.confirmed.add('fan@example.com');
    await buy();
    expect((await buy()).body).toMatchObject({ status: 409, code: 'purchase_limit' });
  });

  it('needs the address confirmed for a second purchase, even when Redis forgot the first', async () => {
    expect((await buy()).status).toBe(200);
    bench.security.buyers.clear();
    expect((await buy()).body).toMatchObject({ status: 403, code: 'email_unconfirmed' });
    expect(bench.market.countersOf(T11)).toMatchObject({ soldHere: 2, heldHere: 0 });
  });

  it('has one effect under one key, whatever the outcome', async () => {
    const replies = await Promise.all(Array.from({ length: 20 }, () => buy({}, keyed())));
    expect(new Set(replies.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(bench.provider.charged).toEqual([15_000]);
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

describe('whose a reservation is', () => {
  const as = (principal: Parameters<typeof accessTokenOf>[0]): Record<string, string> => ({
    Authorization: `Bearer ${accessTokenOf(principal)}`,
  });
  const ANN = as({ accountId: 'ann' });
  const BOB = as({ accountId: 'bob', email: 'bob@example.com', emailConfirmed: true });
  const { email: _email, ...WANTED } = HOLD;
  const holdAs = (who: Record<string, string>, more: object = {}): Promise<Reply> =>
    bench.call('POST', '/api/v1/reservations', { ...WANTED, ...more }, who);
  const at = (method: string, id: unknown, who: Record<string, string>, rest = ''): Promise<Reply> =>
    bench.call(method, `/api/v1/reservations/${String(id)}${rest}`, undefined, who);

  it('an account buys without naming an address, and cannot name another', async () => {
    const held = await holdAs(ANN);
    expect(held.body).toMatchObject({ status: 'PENDING', email: 'ann@example.com' });
    expect((await holdAs(ANN, { email: 'ann@example.com' })).status).toBe(201);
    expect((await holdAs(ANN, { email: 'bob@example.com' })).body).toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'email' }],
    });
  });

  it('the account that made it, and operators, and nobody else', async () => {
    const { id } = (await holdAs(ANN)).body;
    const operator = as({ accountId: 'op', roles: ['operator'] });
    for (const who of [ANN, operator]) expect((await at('GET', id, who)).status).toBe(200);
    // A confirmed address is no way to another account's reservation.
    const namesake = as({ accountId: 'other', email: 'ann@example.com', emailConfirmed: true });
    for (const who of [BOB, namesake, bearer('x')]) {
      for (const method of ['GET', 'DELETE']) {
        expect((await at(method, id, who)).body).toMatchObject({ status: 403, code: 'forbidden' });
      }
      expect((await at('GET', id, who, '/payment')).status).toBe(403);
      const body = { paymentMethod: CARDS.good };
      const path = `/api/v1/reservations/${String(id)}/payment`;
      expect((await bench.call('POST', path, body, who)).status).toBe(403);
      // Whose it is comes first: nothing is said about the body.
      expect((await bench.call('POST', path, {}, who)).status).toBe(403);
    }
    expect((await at('GET', id, {})).status).toBe(401);
    const probes = bench.security.facts.filter(({ kind }) => kind === 'probe');
    expect(probes.length).toBeGreaterThan(10);
  });

  it.each([
    ['a role that is made up', { roles: ['buyer', 'Operator', 'admin'] as never }],
    ['an operator without the second factor that is required', { roles: ['operator'] as never }],
  ])('not %s', async (_what, principal) => {
    await bench.stop();
    bench = await startBench({ secondFactor: 'required' });
    const { id } = (await holdAs(ANN)).body;
    expect((await at('GET', id, as({ accountId: 'x', ...principal }))).status).toBe(403);
  });

  it('another mailbox is another owner, even where limits count both as one person', async () => {
    const guest = await hold({ email: 'bob@example.com' });
    const tagged = as({ accountId: 'tag', email: 'bob+x@example.com', emailConfirmed: true });
    expect((await at('GET', guest.body['id'], tagged)).status).toBe(403);
  });

  it('a guest’s belongs to the account with that address, once it is confirmed', async () => {
    const guest = await hold({ email: 'bob@example.com' });
    expect((await at('GET', guest.body['id'], BOB)).status).toBe(200);
    const claimed = as({ accountId: 'eve', email: 'bob@example.com', emailConfirmed: false });
    expect((await at('GET', guest.body['id'], claimed)).status).toBe(403);
  });

  it('lists an account’s own, the newest hold included, and no other’s', async () => {
    const first = await holdAs(ANN);
    bench.clock.advance(1_000);
    const second = await holdAs(ANN, { matchNumber: 2 });
    await hold({ email: 'ann@example.com', matchNumber: 3 });
    const mine = async (who: Record<string, string>): Promise<unknown[]> => {
      const { body } = await bench.call('GET', '/api/v1/reservations', undefined, who);
      return (body['reservations'] as { id: string }[]).map(({ id }) => id);
    };
    expect(await mine(ANN)).toEqual([second.body['id'], first.body['id']]);
    expect(await mine(BOB)).toEqual([]);
  });

  it('an access token that has ended opens nothing, and is told so', async () => {
    const ended = { Authorization: 'Bearer a.b.c' };
    const { id } = (await holdAs(ANN)).body;
    expect((await at('GET', id, ended)).status).toBe(401);
    const refused = await holdAs(ended);
    expect(refused.body).toMatchObject({ status: 401, code: 'unauthorized' });
    expect((await bench.call('GET', '/api/v1/matches/1', undefined, ended)).status).toBe(200);
  });

  it('an account whose address is not confirmed buys once, like a guest', async () => {
    const pays = async (held: Reply): Promise<Reply> =>
      bench.call(
        'POST',
        `/api/v1/reservations/${String(held.body['id'])}/payment`,
        { paymentMethod: CARDS.good },
        ANN,
      );
    const held = await Promise.all([holdAs(ANN), holdAs(ANN, { matchNumber: 2 })]);
    const codes = (await Promise.all(held.map(pays))).map(({ body }) => body['code'] ?? body['status']);
    expect(codes.sort()).toEqual(['RESERVED', 'email_unconfirmed']);
    expect((await holdAs(ANN, { matchNumber: 3 })).body).toMatchObject({ code: 'email_unconfirmed' });
    // The token is some minutes old; what counts is how it stands now.
    bench.confirmed.add('ann@example.com');
    expect((await pays(await holdAs(ANN, { matchNumber: 3 }))).status).toBe(200);
  });

  it('where guests may not buy, accounts confirm their address first', async () => {
    await bench.stop();
    bench = await startBench({ guests: 'none' });
    expect((await holdAs(ANN)).body).toMatchObject({ status: 403, code: 'email_unconfirmed' });
    expect((await holdAs(BOB)).status).toBe(201);
    bench.confirmed.add('ann@example.com');
    expect((await holdAs(ANN)).status).toBe(201);
  });

  it('is judged by what it did, not by what others did under its address', async () => {
    await holdAs(BOB);
    await hold({ email: 'bob@example.com', matchNumber: 2 });
    expect(bench.security.persons.map(({ person }) => person)).toEqual(['bob', 'bob@example.com']);
    expect(bench.security.facts.filter(({ kind }) => kind === 'held')).toMatchObject([
      { person: 'bob' },
      { person: 'bob@example.com' },
    ]);
  });

  it('one person at the limit, with or without an account', async () => {
    await holdAs(BOB);
    await hold({ email: 'Bob+tickets@example.com', category: 2 });
    expect((await holdAs(BOB, { category: 3 })).body).toMatchObject({ code: 'purchase_limit', owned: 4 });
  });
});

describe('guests', () => {
  it('confirm their address before a second purchase, even when Redis forgot the first', async () => {
    expect((await pay(await hold())).status).toBe(200);
    expect((await hold({ matchNumber: 2 })).body).toMatchObject({ status: 403, code: 'email_unconfirmed' });
    bench.security.buyers.clear();
    const held = await hold({ matchNumber: 2 });
    expect(held.status).toBe(201);
    expect((await pay(held)).body).toMatchObject({ status: 403, code: 'email_unconfirmed' });
    bench.confirmed.add('fan@example.com');
    expect((await pay(held)).status).toBe(200);
    expect((await hold({ matchNumber: 3 })).status).toBe(201);
  });

  it('are asked about when they come back, and before they pay', async () => {
    bench.security.buyers.add('fan@example.com');
    const held = await hold();
    expect(held.status).toBe(201);
    expect((await pay(held)).body).toMatchObject({ status: 403, code: 'email_unconfirmed' });
    expect((await hold({ matchNumber: 2 })).body).toMatchObject({ status: 403, code: 'email_unconfirmed' });
  });

  it('of two purchases that are paid at the same moment one is sold', async () => {
    const held = await Promise.all([1, 2, 3, 4].map((matchNumber) => hold({ matchNumber, quantity: 1 })));
    const paid = await Promise.all(held.map((one) => pay(one)));
    const codes = paid.map(({ body }) => body['code'] ?? body['status']).sort();
    expect(codes).toEqual(['RESERVED', ...Array.from({ length: 3 }, () => 'email_unconfirmed')]);
  });

  it('a purchase that came to nothing keeps nobody from the next, and does not come back beside it', async () => {
    const first = await hold();
    expect((await pay(first, CARDS.declined)).status).toBe(402);
    const second = await hold({ matchNumber: 2 });
    expect((await pay(second)).status).toBe(200);
    expect((await pay(first)).body).toMatchObject({ code: 'email_unconfirmed' });
    expect(bench.market.countersOf(T11)).toMatchObject({ soldHere: 0, heldHere: 0 });
  });

  it('a repeat of the first purchase is no second one', async () => {
    const held = await hold({}, keyed());
    await pay(held, CARDS.good, keyed('a-key-of-its-own-for-paying'));
    expect((await hold({}, keyed())).text).toBe(held.text);
    expect((await pay(held, CARDS.good, keyed('a-key-of-its-own-for-paying'))).status).toBe(200);
  });

  it.each([
    ['none', 401, 'unauthorized'],
    ['open', 201, undefined],
  ] as const)('as the setting says: %s', async (guests, status, code) => {
    await bench.stop();
    bench = await startBench({ guests });
    bench.security.buyers.add('fan@example.com');
    const reply = await hold();
    expect([reply.status, reply.body.code]).toEqual([status, code]);
  });
});

describe('the security check', () => {
  it('comes before any work: a refused request reads no body and makes no command', async () => {
    bench.security.verdict = { verdict: 'deny', reasons: ['blocked_address'] };
    const reply = await bench.call('POST', '/api/v1/reservations', '{ this is no JSON');
    expect(reply.body).toMatchObject({ status: 403, code: 'blocked' });
    expect((await bench.call('GET', '/nowhere')).status).toBe(403);
    expect((await bench.call('GET', '/health/live')).status).toBe(200);
    expect(bench.market.submissions).toHaveLength(0);
    expect(bench.security.asked.map(({ routeClass }) => routeClass)).toEqual(['hold', 'unknown']);
  });

  it('a person is challenged, or told to wait, before anything is held or paid', async () => {
    const held = await hold();
    bench.security.personVerdict = { verdict: 'challenge', reasons: ['fast'], challenge: { salt: 'x' } };
    expect((await hold({ matchNumber: 2 })).body).toMatchObject({
      status: 403,
      code: 'challenge_required',
      challenge: { salt: 'x' },
    });
    expect((await pay(held)).body).toMatchObject({ code: 'challenge_required' });
    bench.security.personVerdict = { verdict: 'deny', reasons: ['rate'], retryAfterMs: 3_000 };
    const late = await hold({ matchNumber: 2 }, { 'X-Challenge-Solution': 'solved' });
    expect([late.status, late.headers.get('Retry-After')]).toEqual([429, '3']);
    expect(bench.security.persons.at(-1)).toMatchObject({ person: 'fan@example.com', solution: 'solved' });
    expect(bench.provider.charged).toEqual([]);
  });

  it('is not passed by sending the same request again', async () => {
    const held = await hold({ email: 'other@example.com' });
    bench.security.personVerdict = { verdict: 'deny', reasons: ['fraud'] };
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await hold({}, keyed())).status).toBe(403);
      expect((await pay(held, CARDS.good, keyed())).status).toBe(403);
    }
    bench.security.personVerdict = { verdict: 'allow', reasons: [] };
    const first = await hold({}, keyed());
    expect(first.status).toBe(201);
    expect((await pay(held, CARDS.good, keyed())).status).toBe(200);
    // What was let through is told again, whatever the check says now.
    bench.security.personVerdict = { verdict: 'deny', reasons: ['fraud'] };
    expect((await hold({}, keyed())).text).toBe(first.text);
    expect((await pay(held, CARDS.good, keyed())).status).toBe(200);
  });

  it('hears what buyers do', async () => {
    const held = await hold();
    await pay(held, CARDS.declined);
    await pay(held);
    await cancel(await hold({ email: 'b@example.com' }));
    const told = bench.security.facts.map(({ kind }) => kind);
    expect(told).toEqual(['held', 'declined', 'bought', 'held', 'released']);
  });
});

describe('payments', () => {
  const OPERATOR = { Authorization: `Bearer ${accessTokenOf({ accountId: 'op', roles: ['operator'] })}` };
  const sold = async (): Promise<string> => `pi_${String((await pay(await hold())).body['id'])}`;
  const refund = (id: string, body: object, headers: object = {}): Promise<Reply> =>
    bench.call('POST', `/api/v1/payments/${id}/refunds`, body, { ...OPERATOR, ...keyed(), ...headers });

  it('are given back whole or in part by operators, once per key, and audited', async () => {
    const id = await sold();
    const part = await refund(id, { quantity: 1, note: 'one is ill' });
    expect(part.body).toEqual({
      reservationStatus: 'RESERVED',
      quantity: 1,
      refundedMinor: 7_500,
      pending: false,
    });
    expect((await refund(id, { quantity: 1, note: 'one is ill' })).body).toEqual(part.body);
    expect((await refund(id, { note: 'all' })).body).toMatchObject({ code: 'validation_failed' });
    const rest = await refund(id, { note: 'all' }, keyed('another-key-for-the-rest'));
    expect(rest.body).toMatchObject({ reservationStatus: 'REFUNDED', quantity: 0, refundedMinor: 15_000 });
    expect(bench.provider.takenMinor).toBe(0);
    // A repeat is the same order, also when all is given back by now.
    const last = await refund(id, { note: 'all' }, keyed('another-key-for-the-rest'));
    expect(last.body).toEqual(rest.body);
    expect(bench.audited).toHaveLength(4);
    expect(new Set(bench.audited)).toEqual(new Set(['payment.refund_ordered']));
    const again = await refund(id, { note: 'once more' }, keyed('a-third-key-for-nothing'));
    expect(again.body).toMatchObject({ status: 409, code: 'invalid_state' });
  });

  it('are shown to operators only', async () => {
    const id = await sold();
    const buyer = { Authorization: `Bearer ${accessTokenOf({ accountId: 'b' })}` };
    for (const path of ['/api/v1/payments', `/api/v1/payments/${id}`]) {
      expect((await bench.call('GET', path)).status).toBe(401);
      expect((await bench.call('GET', path, undefined, buyer)).status).toBe(403);
      expect((await bench.call('GET', path, undefined, OPERATOR)).status).toBe(200);
    }
    expect((await refund(id, { note: 'x' }, buyer)).status).toBe(403);
    expect(bench.audited).toEqual([]);
    expect((await bench.call('GET', '/api/v1/payments/pi_none', undefined, OPERATOR)).status).toBe(404);
  });

  const webhook = (message: object, signature = 'signed'): Promise<Reply> =>
    bench.call('POST', '/api/v1/payments/webhook', message, { 'Stripe-Signature': signature });

  it('a webhook makes its payment due once, however often it comes', async () => {
    const held = await hold();
    await pay(held, CARDS.lost);
    const paymentId = `pi_${String(held.body['id'])}`;
    const message = { id: 'evt_1', type: 'payment_intent.succeeded', paymentId, createdAt: 1 };
    expect((await webhook(message)).body).toEqual({ status: 'taken' });
    expect((await bench.records.get(paymentId))?.dueAt).toBe(bench.clock.now());
    await bench.flow.look(paymentId);
    expect((await read(held)).body['status']).toBe('RESERVED');
    expect((await webhook(message)).body).toEqual({ status: 'repeated' });
    expect((await bench.records.get(paymentId))?.dueAt).toBeUndefined();
    // An older one that comes late: what the payment is now counts, not what it was.
    const late = { ...message, id: 'evt_0', type: 'payment_intent.payment_failed' };
    expect((await webhook(late)).body).toEqual({ status: 'taken' });
    await bench.flow.look(paymentId);
    expect((await read(held)).body['status']).toBe('RESERVED');
    expect(bench.provider.charged).toEqual([15_000]);
  });

  it('a webhook that is not signed is refused, and one about others is ignored', async () => {
    const message = { id: 'evt_1', type: 'x', paymentId: 'pi_other', createdAt: 1 };
    expect((await webhook(message, 'forged')).status).toBe(400);
    expect((await webhook(message)).body).toEqual({ status: 'ignored' });
    expect((await webhook({ ...message, paymentId: null })).body).toEqual({ status: 'ignored' });
  });
});
