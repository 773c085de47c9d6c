import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TicketCodes } from '../../src/tickets/codes.js';
import { OFFERS_OPEN_MAX, OFFERS_PER_HOUR_MAX, OFFERS_WAITING_MAX } from '../../src/tickets/desk.js';
import { LOOKUPS_PER_HOUR_MAX } from '../../src/tickets/lookup.js';
import { until } from '../helpers/engine.js';
import { HOLD, SECRET, bearer, startBench, type Bench, type Reply } from '../http/bench.js';
import { CARDS, accessTokenOf } from '../http/fakes.js';

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.stop());

interface Ticket {
  readonly id: string;
  readonly number: number;
  readonly status: string;
  readonly code?: string;
  readonly holder?: string;
  readonly offeredTo?: string;
  readonly offeredBy?: string;
}
type Headers = Record<string, string>;
interface Bought {
  readonly id: string;
  readonly token: Headers;
}

/** Somebody with an account whose address is confirmed. */
const person = (accountId: string, more: object = {}): Headers =>
  bearer(accessTokenOf({ accountId, emailConfirmed: true, ...more }));
const emailOf = (accountId: string): string => `${accountId}@example.com`;
const anna = person('anna');
const bob = person('bob');
const eve = person('eve');
const operator = person('op', { roles: ['operator'] });
let keys = 0;
const keyed = (): Headers => ({ 'Idempotency-Key': `a-key-nobody-guesses-${(keys += 1)}` });

async function bought(more: object = {}, headers: Headers = {}): Promise<Bought> {
  const held = await bench.call('POST', '/api/v1/reservations', { ...HOLD, ...more }, headers);
  expect(held.status).toBe(201);
  const id = String(held.body['id']);
  const token = bearer(held.body['token']);
  const paid = await bench.call(
    'POST',
    `/api/v1/reservations/${id}/payment`,
    { paymentMethod: CARDS.good },
    token,
  );
  expect(paid.status).toBe(200);
  return { id, token };
}
/** Anna's, bought with her account. */
const annas = (more: object = {}): Promise<Bought> => bought({ email: emailOf('anna'), ...more }, anna);

async function ticketsOf(id: string, headers: Headers): Promise<readonly Ticket[]> {
  const { status, body } = await bench.call('GET', `/api/v1/reservations/${id}/tickets`, undefined, headers);
  expect(status).toBe(200);
  return body['tickets'] as Ticket[];
}
async function mine(headers: Headers): Promise<{ tickets: readonly Ticket[]; offers: readonly Ticket[] }> {
  const { status, body } = await bench.call('GET', '/api/v1/tickets', undefined, headers);
  expect(status).toBe(200);
  return { tickets: body['tickets'] as Ticket[], offers: body['offers'] as Ticket[] };
}
const offer = (ticket: string, email: string, headers: Headers): Promise<Reply> =>
  bench.call('POST', `/api/v1/tickets/${ticket}/transfer`, { email }, headers);
const accept = (ticket: string, headers: Headers): Promise<Reply> =>
  bench.call('POST', `/api/v1/tickets/${ticket}/transfer/accept`, undefined, headers);
const endOffer = (ticket: string, headers: Headers): Promise<Reply> =>
  bench.call('DELETE', `/api/v1/tickets/${ticket}/transfer`, undefined, headers);
const refund = (id: string, headers: Headers, body: object = {}): Promise<Reply> =>
  bench.call('POST', `/api/v1/reservations/${id}/refund`, body, headers);
const check = (code: string | undefined): Promise<Reply> =>
  bench.call('POST', '/api/v1/tickets/check', { code }, operator);
const fact = ({ status, body }: Reply) => ({ status, code: body.code });
const mailed = (): string[] => bench.mails.map(({ kind, to }) => `${kind} ${to}`);

async function given(): Promise<{ readonly id: string; readonly first: string; readonly oldCode: string }> {
  const { id } = await annas();
  const [ticket] = await ticketsOf(id, anna);
  expect((await offer(ticket!.id, emailOf('bob'), anna)).status).toBe(200);
  expect((await accept(ticket!.id, bob)).status).toBe(200);
  return { id, first: ticket!.id, oldCode: ticket!.code! };
}

describe('tickets of a reservation', () => {
  it('are there once it is sold, with a code that can be checked with the public keys', async () => {
    const held = await bench.call('POST', '/api/v1/reservations', HOLD);
    expect(await ticketsOf(String(held.body['id']), bearer(held.body['token']))).toEqual([]);
    const { id, token } = await bought({ matchNumber: 2 });
    const tickets = await ticketsOf(id, token);
    expect(tickets).toEqual([
      expect.objectContaining({
        id: `${id}.1`,
        reservationId: id,
        matchNumber: 2,
        category: 1,
        number: 1,
        unitPrice: 75,
        status: 'valid',
        holder: HOLD.email,
      }),
      expect.objectContaining({ id: `${id}.2`, number: 2 }),
    ]);
    const read = tickets.map(({ code = '' }) => new TicketCodes({ secret: SECRET }).read(code));
    expect(read).toEqual([1, 2].map((number) => ({ reservationId: id, number, generation: 0 })));
    const { body } = await bench.call('GET', '/api/v1/tickets/keys');
    expect(body['keys']).toEqual(bench.desk.codes.keys);
  });

  it('show no code to an operator, and nothing to anybody else', async () => {
    const { id } = await annas();
    const seen = await ticketsOf(id, operator);
    expect(seen.map(({ status, code, holder }) => [status, code, holder])).toEqual([
      ['valid', undefined, emailOf('anna')],
      ['valid', undefined, emailOf('anna')],
    ]);
    const other = await bought({ matchNumber: 2, email: 'guest@example.com' });
    const path = `/api/v1/reservations/${id}/tickets`;
    expect(fact(await bench.call('GET', path))).toEqual({ status: 401, code: 'unauthorized' });
    for (const headers of [eve, other.token, bearer(`${id}.forged`)]) {
      expect(fact(await bench.call('GET', path, undefined, headers))).toEqual({
        status: 403,
        code: 'forbidden',
      });
    }
  });
});

describe('a transfer', () => {
  it('moves the ticket when it is accepted: the old code is replaced, the new one valid', async () => {
    const { id } = await annas();
    const before = await ticketsOf(id, anna);
    const { id: ticket, code: oldCode } = before[0]!;
    const offered = await offer(ticket, ` ${emailOf('bob').toUpperCase()} `, anna);
    expect(offered.body).toMatchObject({ status: 'offered', offeredTo: emailOf('bob'), code: oldCode });
    expect((await check(oldCode)).body).toMatchObject({ result: 'valid', ticketId: ticket, matchNumber: 1 });
    expect((await mine(bob)).offers).toEqual([
      expect.objectContaining({ id: ticket, status: 'offered', offeredBy: emailOf('anna') }),
    ]);
    expect((await mine(bob)).offers[0]).not.toHaveProperty('code');
    const accepted = await accept(ticket, bob);
    expect(accepted.body).toMatchObject({ id: ticket, status: 'valid', holder: emailOf('bob') });
    expect(await mine(bob)).toEqual({ tickets: [accepted.body], offers: [] });
    expect((await check(oldCode)).body['result']).toBe('replaced');
    expect((await check(String(accepted.body['code']))).body['result']).toBe('valid');
    const after = await ticketsOf(id, anna);
    expect(after[0]).toMatchObject({ status: 'transferred', holder: emailOf('bob') });
    expect(after[0]).not.toHaveProperty('code');
    expect(after[1]).toEqual(before[1]);
    expect(mailed()).toEqual([
      `ticket-offered ${emailOf('bob')}`,
      `ticket-given ${emailOf('anna')}`,
      `ticket-accepted ${emailOf('anna')}`,
    ]);
    expect(bench.audited).toEqual(['ticket.offered', 'ticket.accepted']);
  });

  it('can go on, and the buyer does not learn to whom', async () => {
    const { id, first } = await given();
    expect((await offer(first, emailOf('carl'), bob)).status).toBe(200);
    expect((await ticketsOf(id, anna))[0]).toMatchObject({ status: 'transferred', holder: emailOf('bob') });
    expect((await ticketsOf(id, anna))[0]).not.toHaveProperty('offeredTo');
    expect((await accept(first, person('carl'))).body).toMatchObject({ holder: emailOf('carl') });
    expect((await ticketsOf(id, anna))[0]).not.toHaveProperty('holder');
    expect((await mine(bob)).tickets).toEqual([]);
    expect(fact(await offer(first, emailOf('eve'), bob))).toEqual({ status: 403, code: 'forbidden' });
  });

  it('comes back as any other', async () => {
    const { id, first } = await given();
    await offer(first, emailOf('anna'), bob);
    expect((await accept(first, anna)).body).toMatchObject({ status: 'valid', holder: emailOf('anna') });
    expect((await ticketsOf(id, anna))[0]).toMatchObject({ status: 'valid' });
    // What was transferred once is not for its buyer's refund any more.
    expect((await refund(id, anna)).body).toMatchObject({ code: 'invalid_state', refundable: 1 });
  });

  it('is for the account that was meant, with its address confirmed', async () => {
    const { id } = await annas();
    const ticket = `${id}.1`;
    await offer(ticket, emailOf('bob'), anna);
    expect(fact(await accept(ticket, eve))).toEqual({ status: 403, code: 'forbidden' });
    expect(fact(await accept(ticket, anna))).toEqual({ status: 403, code: 'forbidden' });
    expect(fact(await accept(ticket, operator))).toEqual({ status: 403, code: 'forbidden' });
    const unconfirmed = person('bob', { emailConfirmed: false });
    expect(fact(await accept(ticket, unconfirmed))).toEqual({ status: 403, code: 'email_unconfirmed' });
    expect(await mine(unconfirmed)).toEqual({ tickets: [], offers: [] });
    expect((await accept(ticket, bob)).status).toBe(200);
  });

  it('needs the account whose ticket it is, and no token of the reservation', async () => {
    const { id, token } = await annas();
    for (const headers of [{}, token, { 'X-Reservation-Token': token['Authorization']!.slice(7) }]) {
      expect(fact(await offer(`${id}.1`, emailOf('bob'), headers))).toEqual({
        status: 401,
        code: 'unauthorized',
      });
    }
    for (const headers of [
      eve,
      operator,
      { ...eve, 'X-Reservation-Token': token['Authorization']!.slice(7) },
    ]) {
      expect(fact(await offer(`${id}.1`, emailOf('eve'), headers))).toEqual({
        status: 403,
        code: 'forbidden',
      });
      expect(fact(await endOffer(`${id}.1`, headers))).toEqual({ status: 403, code: 'forbidden' });
    }
    // A guest's, by the account with that address, once it is confirmed.
    const guest = await bought({ matchNumber: 2, email: emailOf('gus') });
    const gus = (emailConfirmed: boolean) => person('gus', { emailConfirmed });
    expect((await offer(`${guest.id}.1`, emailOf('bob'), gus(false))).status).toBe(403);
    expect((await offer(`${guest.id}.1`, emailOf('bob'), gus(true))).status).toBe(200);
    expect(bench.mails).toHaveLength(2);
  });

  it('of what is not there is forbidden like that of others', async () => {
    const { id } = await annas();
    const held = await bench.call('POST', '/api/v1/reservations', { ...HOLD, email: emailOf('anna') }, anna);
    const ids = [
      `${id}.3`,
      `${String(held.body['id'])}.1`,
      `m1c1-${'a'.repeat(26)}.1`,
      `m9999c9-${'a'.repeat(26)}.1`,
    ];
    for (const ticket of ids) {
      expect([ticket, fact(await offer(ticket, emailOf('bob'), anna))]).toEqual([
        ticket,
        { status: 403, code: 'forbidden' },
      ]);
      expect((await accept(ticket, anna)).status).toBe(403);
    }
    for (const odd of [`${id}.0`, `${id}.01`, `${id}.1.1`, `${id}.99999`, id, `${id}.1%00`, '..%2f']) {
      expect([odd, (await offer(odd, emailOf('bob'), anna)).status]).toEqual([odd, 404]);
    }
  });

  it('is taken back by the holder, or declined by the receiver, and both may ask twice', async () => {
    const { id } = await annas();
    const ticket = `${id}.1`;
    expect((await endOffer(ticket, anna)).status).toBe(204);
    await offer(ticket, emailOf('bob'), anna);
    expect(fact(await endOffer(ticket, eve))).toEqual({ status: 403, code: 'forbidden' });
    expect((await endOffer(ticket, anna)).status).toBe(204);
    expect((await endOffer(ticket, anna)).status).toBe(204);
    const late = await accept(ticket, bob);
    expect(fact(late)).toEqual({ status: 403, code: 'forbidden' });
    expect(late.body['detail']).toContain('not offered to your account any more');
    await offer(ticket, emailOf('bob'), anna);
    expect((await endOffer(ticket, bob)).status).toBe(204);
    expect((await ticketsOf(id, anna))[0]).toMatchObject({ status: 'valid', code: expect.anything() });
    expect(mailed().filter((mail) => !/offered|given/.test(mail))).toEqual([
      `ticket-withdrawn ${emailOf('bob')}`,
      `ticket-declined ${emailOf('anna')}`,
    ]);
  });

  it('is offered once by one request, and a key is for one address', async () => {
    const { id } = await annas();
    const ticket = `${id}.1`;
    const key = keyed();
    const first = await offer(ticket, emailOf('bob'), { ...anna, ...key });
    const again = await offer(ticket, emailOf('bob'), { ...anna, ...key });
    expect(again.text).toBe(first.text);
    expect((await offer(ticket, emailOf('carl'), { ...anna, ...key })).status).toBe(422);
    expect(bench.mails).toHaveLength(2);
    expect(fact(await offer(ticket, emailOf('carl'), anna))).toEqual({ status: 409, code: 'conflict' });
    await endOffer(ticket, anna);
    expect(fact(await offer(ticket, emailOf('bob'), { ...anna, ...key }))).toEqual({
      status: 409,
      code: 'conflict',
    });
    expect((await accept(ticket, bob)).status).toBe(403);
    expect((await offer(ticket, emailOf('anna'), anna)).status).toBe(422);
  });

  it('tells nobody whether an address has an account', async () => {
    const { id } = await annas();
    const known = await offer(`${id}.1`, emailOf('bob'), anna);
    const unknown = await offer(`${id}.2`, 'nobody@nowhere.example', anna);
    const plain = ({ body }: Reply) => ({ ...body, id: 0, number: 0, code: 0, offeredTo: 0 });
    expect([unknown.status, plain(unknown)]).toEqual([known.status, plain(known)]);
  });

  it('is limited by the hour, and in how many wait', async () => {
    const { id } = await annas();
    for (let count = 0; count < OFFERS_PER_HOUR_MAX; count += 1) {
      expect((await offer(`${id}.1`, emailOf('bob'), anna)).status).toBe(200);
      await endOffer(`${id}.1`, anna);
    }
    const more = await offer(`${id}.1`, emailOf('bob'), anna);
    expect(fact(more)).toEqual({ status: 429, code: 'rate_limited' });
    expect(more.headers.get('Retry-After')).toBe('600');
    bench.clock.advance(3_600_001);
    expect((await offer(`${id}.1`, emailOf('bob'), anna)).status).toBe(200);
    expect(OFFERS_OPEN_MAX).toBeGreaterThan(OFFERS_PER_HOUR_MAX);
  });

  it('waits for one address with others to a limit, whoever offers', async () => {
    const { id } = await annas();
    for (let index = 0; index < OFFERS_WAITING_MAX / 2; index += 1) {
      const name = `seller${index}`;
      const theirs = await bought(
        { email: emailOf(name), matchNumber: 2 + (index % 3), category: 2 },
        person(name),
      );
      for (const number of [1, 2]) {
        expect((await offer(`${theirs.id}.${number}`, emailOf('bob'), person(name))).status).toBe(200);
      }
    }
    expect(fact(await offer(`${id}.1`, emailOf('bob'), anna))).toEqual({ status: 429, code: 'rate_limited' });
    expect((await mine(bob)).offers).toHaveLength(OFFERS_WAITING_MAX);
    // The mails of an hour are fewer: the others are seen in the account.
    expect(mailed().filter((mail) => mail.startsWith('ticket-offered'))).toHaveLength(10);
    // One that is refunded by an operator waits no more.
    const [first, second] = (await mine(bob)).offers as [Ticket, Ticket];
    const gone = first.id.split('.')[0]!;
    const { matchNumber, category } = (await bench.market.find(gone))!;
    bench.market.do({ matchNumber, category }, { type: 'refund', reservationId: gone, quantity: 2 });
    expect((await offer(`${id}.2`, emailOf('bob'), anna)).status).toBe(200);
    const now = (await mine(bob)).offers.map((one) => one.id);
    expect(now).toContain(`${id}.2`);
    expect(now.filter((one) => one.startsWith(gone))).toEqual([]);
    expect(second.id.startsWith(gone)).toBe(true);
  });

  it('of a ticket that was refunded meanwhile is refused', async () => {
    const { id } = await annas();
    await offer(`${id}.1`, emailOf('bob'), anna);
    bench.market.do({ matchNumber: 1, category: 1 }, { type: 'refund', reservationId: id, quantity: 2 });
    const late = await accept(`${id}.1`, bob);
    expect(late.body).toMatchObject({ code: 'invalid_state', ticketStatus: 'void' });
    expect((await mine(bob)).offers).toEqual([]);
    expect((await ticketsOf(id, anna)).map(({ status, code }) => [status, code])).toEqual([
      ['void', undefined],
      ['void', undefined],
    ]);
    expect(fact(await offer(`${id}.2`, emailOf('bob'), anna))).toEqual({
      status: 409,
      code: 'invalid_state',
    });
  });
});

describe('a refund by the buyer', () => {
  it('gives back all of it, with the money, and voids the codes', async () => {
    const { id, token } = await bought();
    const codes = (await ticketsOf(id, token)).map(({ code }) => code);
    const key = keyed();
    const { status, body } = await refund(id, { ...token, ...key });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      reservation: { id, status: 'REFUNDED' },
      refundedMinor: 15_000,
      pending: false,
    });
    for (const code of codes) expect((await check(code)).body['result']).toBe('void');
    expect((await refund(id, { ...token, ...key })).text).toBe(JSON.stringify(body));
    const again = await refund(id, token);
    expect(again.body).toMatchObject({ code: 'invalid_state', reservationStatus: 'REFUNDED' });
    expect(again.body['detail']).toContain('refunded before');
    expect(bench.audited).toEqual(['reservation.refund_ordered']);
    expect(bench.market.countersOf({ matchNumber: 1, category: 1 }).soldHere).toBe(0);
  });

  it('gives back some, the highest numbers first, and each key once', async () => {
    const { id, token } = await bought();
    const key = keyed();
    const one = await refund(id, { ...token, ...key }, { quantity: 1 });
    expect(one.body).toMatchObject({
      reservation: { status: 'RESERVED', quantity: 1 },
      refundedMinor: 7_500,
    });
    expect((await refund(id, { ...token, ...key }, { quantity: 1 })).body).toMatchObject({
      refundedMinor: 7_500,
    });
    expect((await ticketsOf(id, token)).map(({ status }) => status)).toEqual(['valid', 'void']);
    expect((await refund(id, { ...token, ...key }, { quantity: 2 })).status).toBe(422);
    expect((await refund(id, token, { quantity: 2 })).body).toMatchObject({
      status: 422,
      errors: [{ path: 'quantity', message: 'at most 1 can be refunded' }],
    });
    expect((await refund(id, token)).body).toMatchObject({
      reservation: { status: 'REFUNDED' },
      refundedMinor: 15_000,
    });
  });

  it('takes open offers back, and refuses what was accepted', async () => {
    const { id, first } = await given();
    await offer(`${id}.2`, emailOf('carl'), anna);
    expect((await refund(id, anna)).body).toMatchObject({ code: 'invalid_state', refundable: 1 });
    bench.mails.length = 0;
    const one = await refund(id, anna, { quantity: 1 });
    expect(one.body).toMatchObject({ reservation: { quantity: 1 }, refundedMinor: 7_500 });
    expect(mailed()).toEqual([`ticket-withdrawn ${emailOf('carl')}`]);
    expect((await accept(`${id}.2`, person('carl'))).status).toBe(403);
    expect((await mine(bob)).tickets).toEqual([expect.objectContaining({ id: first, status: 'valid' })]);
    expect((await refund(id, anna)).body).toMatchObject({ code: 'invalid_state', refundable: 0 });
  });

  it('is for the buyer alone', async () => {
    const { id } = await annas();
    const other = await bought({ matchNumber: 2, email: 'guest@example.com' });
    expect(fact(await refund(id, {}))).toEqual({ status: 401, code: 'unauthorized' });
    for (const headers of [eve, operator, other.token]) {
      expect(fact(await refund(id, headers))).toEqual({ status: 403, code: 'forbidden' });
    }
    // Before the body is looked at.
    expect((await bench.call('POST', `/api/v1/reservations/${id}/refund`, 'no json', eve)).status).toBe(403);
    expect(bench.audited).toEqual([]);
  });

  it('of a receiver’s is nothing the receiver can ask for', async () => {
    const { id } = await given();
    expect(fact(await refund(id, bob))).toEqual({ status: 403, code: 'forbidden' });
  });

  it('says that the money waits when the provider does not answer', async () => {
    const { id, token } = await bought();
    bench.provider.refundsFail = true;
    const key = keyed();
    const waiting = await refund(id, { ...token, ...key });
    expect(waiting.body).toMatchObject({
      reservation: { status: 'REFUNDED' },
      refundedMinor: 0,
      pending: true,
    });
    bench.provider.refundsFail = false;
    const { paymentId } = (await bench.market.find(id))!;
    await bench.flow.look(paymentId!);
    bench.clock.advance(60_000);
    await bench.flow.look(paymentId!);
    const done = await refund(id, { ...token, ...key });
    expect(done.body).toMatchObject({ refundedMinor: 15_000, pending: false });
  });

  it('whose answer is lost keeps the tickets from others until it is known, and takes effect once', async () => {
    const { id } = await annas();
    await offer(`${id}.2`, emailOf('bob'), anna);
    let lost: 'answer lost' | 'rejects' = 'rejects';
    bench.market.intercept = ({ body }) => (body.type === 'refund' ? lost : undefined);
    const key = keyed();
    const unknown = await refund(id, { ...anna, ...key }, { quantity: 1 });
    expect(unknown.body).toMatchObject({ code: 'overloaded', outcome: 'unknown' });
    expect((await ticketsOf(id, anna)).map(({ status, code }) => [status, code === undefined])).toEqual([
      ['valid', false],
      ['refunding', true],
    ]);
    expect((await accept(`${id}.2`, bob)).status).toBe(403);
    expect((await offer(`${id}.2`, emailOf('bob'), anna)).body).toMatchObject({ ticketStatus: 'refunding' });
    lost = 'answer lost';
    expect((await refund(id, { ...anna, ...key }, { quantity: 1 })).body['outcome']).toBe('unknown');
    bench.market.intercept = () => undefined;
    // Another request finishes it first.
    expect(fact(await refund(id, anna, { quantity: 1 }))).toEqual({ status: 409, code: 'conflict' });
    const known = await refund(id, { ...anna, ...key }, { quantity: 1 });
    expect(known.body).toMatchObject({ reservation: { status: 'RESERVED', quantity: 1 } });
    expect((await ticketsOf(id, anna)).map(({ status }) => status)).toEqual(['valid', 'void']);
  });

  it('survives a crash of the process, and the loss of recorded outcomes', async () => {
    const { id } = await annas();
    bench.market.intercept = ({ body }) => (body.type === 'refund' ? 'answer lost' : undefined);
    expect((await refund(id, { ...anna, ...keyed() }, { quantity: 1 })).status).toBe(503);
    bench.market.intercept = () => undefined;
    bench.market.outcomes.clear();
    bench = await bench.restart();
    // It shows in the reservation: nothing is ordered again.
    expect((await refund(id, anna, { quantity: 1 })).status).toBe(409);
    expect((await bench.market.find(id))?.refundedQuantity).toBe(1);
  });

  it('leaves everything as it was when nothing was taken on', async () => {
    const { id, token } = await bought();
    bench.market.intercept = ({ body }) =>
      body.type === 'refund' ? { kind: 'overloaded', retryAfterMs: 3_000 } : undefined;
    const refused = await refund(id, token);
    expect(refused.body).toMatchObject({ code: 'overloaded', outcome: 'refused' });
    expect((await ticketsOf(id, token)).map(({ status }) => status)).toEqual(['valid', 'valid']);
  });

  it('ends at its time, and can be switched off', async () => {
    await bench.stop();
    bench = await startBench({ buyerRefundUntilMs: 86_400_000 });
    const { id, token } = await bought();
    const kickoff = Date.UTC(2022, 10, 20, 16);
    bench.clock.advance(kickoff - 86_400_000 - bench.clock.now() - 1);
    expect((await refund(id, token, { quantity: 1 })).status).toBe(200);
    bench.clock.advance(1);
    const late = await refund(id, token);
    expect(late.body).toMatchObject({ code: 'invalid_state', refundUntil: '2022-11-19T16:00:00.000Z' });
    await bench.stop();
    bench = await startBench({ buyerRefunds: false });
    const other = await bought();
    expect(fact(await refund(other.id, other.token))).toEqual({ status: 409, code: 'invalid_state' });
  });

  it('of what is not sold says so', async () => {
    const held = await bench.call('POST', '/api/v1/reservations', HOLD);
    const { body } = await refund(String(held.body['id']), bearer(held.body['token']));
    expect(body).toMatchObject({ code: 'invalid_state', reservationStatus: 'PENDING' });
  });
});

describe('a document', () => {
  const pdf = (path: string, headers: Headers = {}): Promise<Reply> =>
    bench.call('GET', path, undefined, headers);

  it('has what the asker holds, in either language', async () => {
    const { id, token } = await bought();
    for (const lang of ['en', 'ar']) {
      const { status, headers, text } = await pdf(
        `/api/v1/reservations/${id}/tickets.pdf?lang=${lang}`,
        token,
      );
      expect(status).toBe(200);
      expect(headers.get('Content-Type')).toBe('application/pdf');
      expect(headers.get('Content-Disposition')).toBe(`inline; filename="ticktak-${id}.pdf"`);
      expect(text.startsWith('%PDF-1.')).toBe(true);
      expect(text.match(/\/Type \/Page\b/g)).toHaveLength(2);
    }
    const one = await pdf(`/api/v1/tickets/${id}.2/ticket.pdf`, token);
    expect(one.text.match(/\/Type \/Page\b/g)).toHaveLength(1);
    expect((await pdf(`/api/v1/tickets/${id}.2/ticket.pdf?lang=xx`, token)).status).toBe(422);
    expect((await pdf(`/api/v1/reservations/${id}/tickets.pdf?page=2`, token)).status).toBe(409);
  });

  it('is the holder’s: after a transfer the receiver’s, and not the buyer’s any more', async () => {
    const { id, first } = await given();
    expect((await pdf(`/api/v1/tickets/${first}/ticket.pdf`, bob)).status).toBe(200);
    expect(fact(await pdf(`/api/v1/tickets/${first}/ticket.pdf`, anna))).toEqual({
      status: 409,
      code: 'invalid_state',
    });
    const rest = await pdf(`/api/v1/reservations/${id}/tickets.pdf`, anna);
    expect(rest.text.match(/\/Type \/Page\b/g)).toHaveLength(1);
    expect(fact(await pdf(`/api/v1/tickets/${id}.2/ticket.pdf`, bob))).toEqual({
      status: 403,
      code: 'forbidden',
    });
    expect(fact(await pdf(`/api/v1/reservations/${id}/tickets.pdf`, bob))).toEqual({
      status: 403,
      code: 'forbidden',
    });
  });

  it('is nobody else’s, by no token and no id', async () => {
    const { id } = await annas();
    const other = await bought({ matchNumber: 2, email: 'guest@example.com' });
    for (const path of [`/api/v1/reservations/${id}/tickets.pdf`, `/api/v1/tickets/${id}.1/ticket.pdf`]) {
      expect((await pdf(path)).status).toBe(401);
      for (const headers of [eve, other.token, bearer(`${id}.forged`)]) {
        expect([path, (await pdf(path, headers)).status]).toEqual([path, 403]);
      }
    }
    // An operator may look at the reservation, and has no codes.
    expect((await pdf(`/api/v1/reservations/${id}/tickets.pdf`, operator)).status).toBe(409);
    expect((await pdf(`/api/v1/tickets/${id}.1/ticket.pdf`, operator)).status).toBe(403);
  });
});

describe('a code', () => {
  it('is checked by stewards and operators only', async () => {
    const path = '/api/v1/tickets/check';
    expect((await bench.call('POST', path, { code: 'x' })).status).toBe(401);
    expect((await bench.call('POST', path, { code: 'x' }, anna)).status).toBe(403);
    expect((await check('T1.X')).body).toEqual({ result: 'forged' });
    // Signed by us, for what was never sold: it cannot be, and admits nobody.
    const reservationId = `m1c1-${'a'.repeat(26)}`;
    const code = new TicketCodes({ secret: SECRET }).sign({ reservationId, number: 1, generation: 0 });
    expect((await check(code)).body).toEqual({ result: 'forged' });
  });
});

describe('the look-up of guests', () => {
  const ask = (email: string, headers: Headers = {}): Promise<Reply> =>
    bench.call('POST', '/api/v1/reservations/lookup', { email }, headers);

  it('mails the links to the address they were bought with, and answers the same to all', async () => {
    const { id } = await bought();
    await annas({ matchNumber: 2 });
    const answers = [
      await ask(' Fan@Example.com'),
      await ask('nobody@nowhere.example'),
      await ask(emailOf('anna')),
    ];
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers[0]?.status).toBe(202);
    await bench.lookup.stop();
    // Not those of an account: a mailbox must not open what may be behind a second factor.
    expect(mailed()).toEqual([`lookup ${HOLD.email}`]);
    // The links with their tokens are made when the mail is written: none is stored.
    expect(bench.mails[0]?.data).toEqual({ reservations: [expect.objectContaining({ reservationId: id })] });
  });

  it('mails an address a few times an hour, and says nothing of it', async () => {
    await bought();
    for (let count = 0; count < LOOKUPS_PER_HOUR_MAX + 2; count += 1) {
      expect((await ask(HOLD.email)).status).toBe(202);
    }
    await bench.lookup.stop();
    expect(bench.mails).toHaveLength(LOOKUPS_PER_HOUR_MAX);
    bench.clock.advance(3_600_001);
    await ask(HOLD.email);
    await until(async () => bench.mails.length === LOOKUPS_PER_HOUR_MAX + 1);
  });

  it('is limited by the check of persons', async () => {
    await bought();
    bench.security.persons.length = 0;
    bench.security.personVerdict = { verdict: 'deny', reasons: ['limit'], retryAfterMs: 5_000 };
    expect(fact(await ask(HOLD.email))).toEqual({ status: 429, code: 'rate_limited' });
    expect(bench.security.persons).toEqual([
      expect.objectContaining({ routeClass: 'account', person: HOLD.email }),
    ]);
    await bench.lookup.stop();
    expect(bench.mails).toEqual([]);
  });
});
