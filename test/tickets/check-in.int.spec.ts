/** Check-in over HTTP: what gates are answered, what two devices let in, and who may do any of it. */
import { createPublicKey, randomUUID, verify } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LIST_KEEP_MS, LIST_TYPE, type Listed, type ListPayload } from '../../src/tickets/check-in-list.js';
import { SYNC_SCANS_MAX } from '../../src/tickets/check-in-routes.js';
import { TicketCodes } from '../../src/tickets/codes.js';
import { HOLD, SECRET, bearer, startBench, type Bench, type Reply } from '../http/bench.js';
import { CARDS, accessTokenOf } from '../http/fakes.js';

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(() => bench.stop());

type Headers = Record<string, string>;
const person = (accountId: string, more: object = {}): Headers =>
  bearer(accessTokenOf({ accountId, emailConfirmed: true, ...more }));
const anna = person('anna');
const bob = person('bob');
const steward = person('sam', { roles: ['buyer', 'steward'] });
const operator = person('op', { roles: ['operator'] });

interface Ticket {
  readonly id: string;
  readonly status: string;
  readonly code: string;
  readonly usedAt?: string;
}

async function bought(matchNumber = 1, more: object = {}): Promise<{ id: string; tickets: Ticket[] }> {
  bench.confirmed.add('anna@example.com');
  const wanted = { ...HOLD, matchNumber, email: 'anna@example.com', ...more };
  const held = await bench.call('POST', '/api/v1/reservations', wanted, anna);
  expect(held.status).toBe(201);
  const id = String(held.body['id']);
  const path = `/api/v1/reservations/${id}/payment`;
  expect((await bench.call('POST', path, { paymentMethod: CARDS.good }, anna)).status).toBe(200);
  return { id, tickets: await ticketsOf(id) };
}
async function ticketsOf(id: string, headers = anna): Promise<Ticket[]> {
  const { body } = await bench.call('GET', `/api/v1/reservations/${id}/tickets`, undefined, headers);
  return body['tickets'] as Ticket[];
}
async function transferred(ticket: Ticket): Promise<string> {
  const path = `/api/v1/tickets/${ticket.id}/transfer`;
  expect((await bench.call('POST', path, { email: 'bob@example.com' }, anna)).status).toBe(200);
  const accepted = await bench.call('POST', `${path}/accept`, undefined, bob);
  expect(accepted.status).toBe(200);
  return String(accepted.body['code']);
}
const refunded = (id: string, quantity?: number): Promise<Reply> =>
  bench.call('POST', `/api/v1/reservations/${id}/refund`, { ...(quantity && { quantity }) }, anna);

const now = (aheadMs = 0): string => new Date(bench.clock.now() + aheadMs).toISOString();
interface Sent {
  readonly scanId?: string;
  readonly code?: string;
  readonly matchNumber?: number;
  readonly scannedAt?: string;
  readonly gate?: string;
  readonly device?: string;
}
const scanned = (code: string | undefined, more: Sent = {}) => ({
  scanId: randomUUID(),
  code,
  matchNumber: 1,
  scannedAt: now(),
  ...more,
});
const scan = (code: string | undefined, more: Sent = {}, headers = steward): Promise<Reply> =>
  bench.call(
    'POST',
    '/api/v1/check-ins',
    { gate: 'North', device: 'phone 1', ...scanned(code, more) },
    headers,
  );
const sync = (scans: readonly object[], more: object = {}): Promise<Reply> =>
  bench.call('POST', '/api/v1/check-ins/sync', { gate: 'South', device: 'phone 2', scans, ...more }, steward);
const results = ({ status, body }: Reply): unknown[] => {
  expect(status).toBe(200);
  return body['results'] as unknown[];
};
async function conflicts(query = ''): Promise<readonly Record<string, unknown>[]> {
  const { body } = await bench.call('GET', `/api/v1/check-ins/conflicts${query}`, undefined, steward);
  return body['conflicts'] as Record<string, unknown>[];
}
async function counts(matchNumber = 1): Promise<unknown> {
  bench.clock.advance(1_000);
  return (await bench.call('GET', `/api/v1/check-ins/counts/${matchNumber}`, undefined, steward)).body;
}

describe('a scan', () => {
  it('lets in once, and says of a second where and when the first was', async () => {
    const { id, tickets } = await bought();
    const at = now();
    const [ticket] = tickets as [Ticket];
    const shown = { id: ticket.id, matchNumber: 1, category: 1, number: 1 };
    expect((await scan(ticket.code)).body).toEqual({ result: 'admitted', ticket: shown });
    bench.clock.advance(60_000);
    const again = await scan(ticket.code, { gate: 'South', device: 'phone 2' });
    expect(again.body).toEqual({
      result: 'repeated',
      ticket: shown,
      first: { at, gate: 'North', device: 'phone 1' },
    });
    expect((await scan(tickets[1]!.code)).body['result']).toBe('admitted');
    const seen = await ticketsOf(id);
    expect(seen[0]).toMatchObject({ status: 'used', usedAt: at, code: ticket.code });
    const checked = await bench.call('POST', '/api/v1/tickets/check', { code: ticket.code }, steward);
    expect(checked.body).toMatchObject({ result: 'used', ticketId: ticket.id });
    // The record itself says who: the audit has no entry for each of sixty thousand.
    expect(bench.audited).toEqual([]);
    const kept = await bench.documents.document('admissions', ticket.id);
    expect(kept?.value).toMatchObject({ used: { by: 'sam', gate: 'North', device: 'phone 1' } });
  });

  it('sent again is the same scan, also after a crash of the process', async () => {
    const { tickets } = await bought();
    const scanId = randomUUID();
    const first = await scan(tickets[0]!.code, { scanId });
    bench = await bench.restart();
    bench.clock.advance(5_000);
    expect((await scan(tickets[0]!.code, { scanId })).text).toBe(first.text);
    expect((await scan(tickets[0]!.code)).body['result']).toBe('repeated');
    expect(await counts()).toMatchObject({ admitted: 1 });
  });

  it('of what was refunded, or is being refunded, lets nobody in', async () => {
    const { id, tickets } = await bought();
    bench.market.intercept = ({ body }) => (body.type === 'refund' ? 'rejects' : undefined);
    expect((await refunded(id, 1)).status).toBe(503);
    expect((await scan(tickets[1]!.code)).body).toMatchObject({ result: 'refused', reason: 'refunding' });
    bench.market.intercept = () => undefined;
    await refunded(id, 1);
    expect((await scan(tickets[1]!.code)).body).toEqual({
      result: 'refused',
      reason: 'void',
      ticket: { id: `${id}.2`, matchNumber: 1, category: 1, number: 2 },
    });
    expect((await scan(tickets[0]!.code)).body['result']).toBe('admitted');
  });

  it('after a transfer lets the new code in and the old one not, whoever comes first', async () => {
    const { tickets } = await bought();
    const [first, second] = tickets as [Ticket, Ticket];
    const code = await transferred(first);
    expect((await scan(first.code)).body).toMatchObject({ result: 'refused', reason: 'replaced' });
    expect((await scan(code)).body['result']).toBe('admitted');
    expect((await scan(first.code)).body).toMatchObject({ result: 'refused', reason: 'replaced' });
    expect((await scan(second.code)).body['result']).toBe('admitted');
  });

  it('ends an offer: whoever it was offered to is told, and comes too late', async () => {
    const { id, tickets } = await bought();
    const [ticket] = tickets as [Ticket];
    const path = `/api/v1/tickets/${ticket.id}/transfer`;
    await bench.call('POST', path, { email: 'bob@example.com' }, anna);
    bench.mails.length = 0;
    expect((await scan(ticket.code)).body['result']).toBe('admitted');
    expect(bench.mails.map(({ kind, to }) => [kind, to])).toEqual([['ticket-withdrawn', 'bob@example.com']]);
    expect((await bench.call('POST', `${path}/accept`, undefined, bob)).status).toBe(403);
    const offered = await bench.call('POST', path, { email: 'bob@example.com' }, anna);
    expect(offered.body).toMatchObject({ code: 'invalid_state', ticketStatus: 'used' });
    // The other one can be given back, this one not.
    expect((await refunded(id)).body).toMatchObject({ code: 'invalid_state', refundable: 1 });
    expect((await refunded(id, 1)).status).toBe(200);
    expect((await ticketsOf(id)).map(({ status }) => status)).toEqual(['used', 'void']);
    expect((await refunded(id)).body).toMatchObject({ code: 'invalid_state', refundable: 0 });
  });

  it('is not undone by an operator’s refund, and nobody follows', async () => {
    const { id, tickets } = await bought();
    const scanId = randomUUID();
    await scan(tickets[1]!.code, { scanId });
    const refund = { type: 'refund', reservationId: id, quantity: 1 } as const;
    bench.market.do({ matchNumber: 1, category: 1 }, refund);
    // The unused one is void first.
    expect((await ticketsOf(id)).map(({ status }) => status)).toEqual(['void', 'used']);
    bench.market.do({ matchNumber: 1, category: 1 }, refund);
    expect((await scan(tickets[1]!.code)).body).toMatchObject({ result: 'refused', reason: 'void' });
    expect((await scan(tickets[1]!.code, { scanId })).body['result']).toBe('admitted');
  });

  it('is for one match, and for none that is cancelled', async () => {
    const { tickets } = await bought(2);
    expect((await scan(tickets[0]!.code)).body).toMatchObject({
      result: 'refused',
      reason: 'other_match',
      ticket: { matchNumber: 2 },
    });
    bench.cancelled.add(2);
    expect((await scan(tickets[0]!.code, { matchNumber: 2 })).body).toMatchObject({
      result: 'refused',
      reason: 'cancelled',
    });
    bench.cancelled.clear();
    expect((await scan(tickets[0]!.code, { matchNumber: 2 })).body['result']).toBe('admitted');
  });

  it('of no code of ours lets nobody in', async () => {
    const { id, tickets } = await bought();
    const [ticket] = tickets as [Ticket];
    const forger = new TicketCodes({ secret: 'another' });
    const ours = new TicketCodes({ secret: SECRET });
    const codes = [
      'T1.X',
      'https://example.org',
      ticket.code.toLowerCase(),
      ticket.code.replace(/.(?=.$)/, (letter) => (letter === 'A' ? 'B' : 'A')),
      forger.sign({ reservationId: id, number: 1, generation: 0 }),
      // Signed by us for what was never sold: it cannot be.
      ours.sign({ reservationId: id, number: 3, generation: 0 }),
      ours.sign({ reservationId: `m1c1-${'a'.repeat(26)}`, number: 1, generation: 0 }),
    ];
    for (const code of codes) {
      expect([code, (await scan(code)).body]).toEqual([code, { result: 'refused', reason: 'forged' }]);
    }
    const future = ours.sign({ reservationId: id, number: 1, generation: 1 });
    expect((await scan(future)).body).toMatchObject({ result: 'refused', reason: 'replaced' });
    expect((await scan(ticket.code)).body['result']).toBe('admitted');
  });

  it('has a time that can be right, and names that are names', async () => {
    const { tickets } = await bought();
    const code = tickets[0]!.code;
    const wrong: Sent[] = [
      { scannedAt: now(300_001) },
      { scannedAt: now(-7 * 86_400_000 - 1) },
      { scannedAt: 'yesterday' },
      { scanId: '1' },
      { gate: ' ' },
      { gate: 'x'.repeat(61) },
      { device: 'phone\n1' },
      { device: '<b>' },
      { matchNumber: 0 },
      { code: '' },
      { code: 'x'.repeat(251) },
    ];
    for (const more of wrong) expect([more, (await scan(code, more)).status]).toEqual([more, 422]);
    expect((await scan(code, { scannedAt: now(300_000) })).body['result']).toBe('admitted');
  });
});

describe('what was let in without a network', () => {
  it('counts where it could have been, from its own time, however often it is sent', async () => {
    const { id, tickets } = await bought();
    const scans = tickets.map(({ code }, i) => scanned(code, { scannedAt: now(-3_600_000 + i) }));
    const shown = (number: number) => ({ id: `${id}.${number}`, matchNumber: 1, category: 1, number });
    const wanted = scans.map(({ scanId }, i) => ({ scanId, result: 'admitted', ticket: shown(i + 1) }));
    expect(results(await sync(scans))).toEqual(wanted);
    bench = await bench.restart();
    expect(results(await sync(scans))).toEqual(wanted);
    expect((await ticketsOf(id)).map(({ usedAt }) => usedAt)).toEqual(scans.map((one) => one.scannedAt));
    expect(await conflicts()).toEqual([]);
    expect((await scan(tickets[0]!.code)).body).toMatchObject({
      result: 'repeated',
      first: { at: scans[0]!.scannedAt, gate: 'South', device: 'phone 2' },
    });
  });

  it('is a conflict where another device let the same ticket in, also when that was later', async () => {
    const { id, tickets } = await bought();
    const [ticket] = tickets as [Ticket];
    const at = now();
    await scan(ticket.code);
    const earlier = scanned(ticket.code, { scannedAt: now(-60_000) });
    const first = { at, gate: 'North', device: 'phone 1' };
    const answer = results(await sync([earlier]));
    expect(answer).toEqual([
      {
        scanId: earlier.scanId,
        result: 'conflict',
        ticket: { id: ticket.id, matchNumber: 1, category: 1, number: 1 },
        first,
      },
    ]);
    bench.clock.advance(1_000);
    expect(results(await sync([earlier]))).toEqual(answer);
    // What is on record stays, and both times are kept.
    expect((await ticketsOf(id))[0]).toMatchObject({ usedAt: at });
    const kept = await conflicts();
    expect(kept).toEqual([
      {
        id: expect.any(String),
        ticketId: ticket.id,
        matchNumber: 1,
        kind: 'twice',
        first,
        second: { at: earlier.scannedAt, gate: 'South', device: 'phone 2' },
        noticedAt: at,
      },
    ]);
    expect(await counts()).toMatchObject({ admitted: 1, conflicts: 1 });
    const third = scanned(ticket.code);
    await sync([third], { gate: 'West', device: 'phone 3' });
    expect(await conflicts()).toHaveLength(2);
    expect(await counts()).toMatchObject({ admitted: 1, conflicts: 2 });
  });

  it('is a conflict that somebody looks into once: who, when and what was found, also in the audit', async () => {
    const { tickets } = await bought();
    await scan(tickets[0]!.code);
    const again = scanned(tickets[0]!.code);
    await sync([again]);
    const [open] = await conflicts();
    const path = `/api/v1/check-ins/conflicts/${String(open!['id'])}/resolution`;
    const resolve = (note: string, headers = steward): Promise<Reply> =>
      bench.call('POST', path, { note }, headers);
    expect((await resolve('   ')).status).toBe(422);
    expect((await resolve('x'.repeat(501))).status).toBe(422);
    bench.clock.advance(60_000);
    const resolved = { at: now(), by: 'sam', note: 'A screenshot; the second left.' };
    expect(await resolve(' A screenshot; the second left. ')).toMatchObject({
      status: 200,
      body: { ...open, resolved },
    });
    // What was said first stays, and a scan that is sent again undoes nothing.
    bench.clock.advance(60_000);
    expect((await resolve('Something else.', operator)).body).toMatchObject({ resolved });
    await sync([again]);
    expect(await conflicts()).toEqual([{ ...open, resolved }]);
    expect(await counts()).toMatchObject({ admitted: 1, conflicts: 1 });
    expect(bench.auditEntries).toEqual([
      expect.objectContaining({
        actor: 'account:sam',
        action: 'check_in.conflict_resolved',
        subject: 'match:1',
        details: { conflict: open!['id'], ticket: tickets[0]!.id, note: resolved.note },
      }),
    ]);
    const none = '/api/v1/check-ins/conflicts/none/resolution';
    expect((await bench.call('POST', none, { note: 'x' }, steward)).status).toBe(404);
  });

  it('is told of two devices that both were without one, and of one that let the same in twice', async () => {
    const { tickets } = await bought();
    const [first, second] = tickets as [Ticket, Ticket];
    const here = [scanned(first.code), scanned(second.code), scanned(first.code)];
    expect(results(await sync(here)).map((one) => (one as { result: string }).result)).toEqual([
      'admitted',
      'admitted',
      'conflict',
    ]);
    const there = await sync([scanned(second.code)], { gate: 'West', device: 'phone 3' });
    expect(results(there)).toMatchObject([
      { result: 'conflict', first: { gate: 'South', device: 'phone 2' } },
    ]);
    expect(await conflicts()).toHaveLength(2);
  });

  it('is kept for people to look at when it admits nobody', async () => {
    const { id, tickets } = await bought();
    const [first, second] = tickets as [Ticket, Ticket];
    const code = await transferred(first);
    await refunded(id, 1);
    const elsewhere = await bought(2);
    const forged = new TicketCodes({ secret: 'another' }).sign({
      reservationId: id,
      number: 1,
      generation: 0,
    });
    const sent = [first.code, second.code, elsewhere.tickets[0]!.code, forged, 'no code'];
    const scans = sent.map((one) => scanned(one));
    const reasons = ['replaced', 'void', 'other_match', 'forged', 'forged'];
    for (let times = 0; times < 2; times += 1) {
      expect(results(await sync(scans))).toMatchObject(
        reasons.map((reason, i) => ({ scanId: scans[i]!.scanId, result: 'refused', reason })),
      );
    }
    const kept = await conflicts('?matchNumber=1');
    expect(kept.map(({ kind, reason, ticketId }) => [kind, reason, ticketId]).sort()).toEqual(
      [
        ['let_in_refused', 'replaced', first.id],
        ['let_in_refused', 'void', second.id],
        ['let_in_refused', 'other_match', elsewhere.tickets[0]!.id],
        ['let_in_refused', 'forged', first.id],
        ['let_in_refused', 'forged', 'unknown'],
      ].sort(),
    );
    expect(kept[0]).not.toHaveProperty('first');
    expect(await conflicts('?matchNumber=2')).toEqual([]);
    // Whose ticket it is now still gets in.
    expect((await scan(code)).body['result']).toBe('admitted');
  });

  it('is listed page by page, the newest first', async () => {
    const { tickets } = await bought();
    await scan(tickets[0]!.code);
    const scans = Array.from({ length: 5 }, () => scanned(tickets[0]!.code));
    for (const one of scans) {
      bench.clock.advance(1_000);
      await sync([one]);
    }
    const seen: unknown[] = [];
    let after = '';
    for (let page = 0; page < 3; page += 1) {
      const path = `/api/v1/check-ins/conflicts?matchNumber=1&limit=2${after}`;
      const { body } = await bench.call('GET', path, undefined, steward);
      seen.push(...(body['conflicts'] as { second: { at: string } }[]).map(({ second }) => second.at));
      expect(body['next'] === undefined).toBe(page === 2);
      after = `&after=${encodeURIComponent(String(body['next']))}`;
    }
    expect(seen).toEqual(scans.map((one) => one.scannedAt).reverse());
  });

  it('is taken whatever the clock of the device says', async () => {
    const { id, tickets } = await bought();
    const times = [now(-30 * 86_400_000), now(86_400_000)];
    const scans = tickets.map(({ code }, i) => scanned(code, { scannedAt: times[i]! }));
    expect(results(await sync(scans))).toMatchObject([{ result: 'admitted' }, { result: 'admitted' }]);
    const kept = (await ticketsOf(id)).map(({ usedAt }) => usedAt);
    expect(kept).toEqual([now(-7 * 86_400_000), now()]);
  });

  it('is sent in parts of a bounded size', async () => {
    const many = Array.from({ length: SYNC_SCANS_MAX + 1 }, () => scanned('T1.X'));
    expect((await sync(many)).status).toBe(422);
    expect(results(await sync(many.slice(1)))).toHaveLength(SYNC_SCANS_MAX);
    expect((await sync([])).status).toBe(422);
    // A body of the largest size fits.
    const long = many.slice(1).map((one) => ({ ...one, code: 'x'.repeat(250) }));
    expect(results(await sync(long))).toHaveLength(SYNC_SCANS_MAX);
  });
});

describe('the list of a match', () => {
  async function listed(matchNumber = 1): Promise<{ header: unknown; payload: ListPayload }> {
    const path = `/api/v1/check-ins/lists/${matchNumber}`;
    const { status, body, headers } = await bench.call('GET', path, undefined, steward);
    expect(status).toBe(200);
    expect(headers.get('Content-Encoding')).toBe('gzip');
    const [header = '', payload = '', signature = ''] = String(body['list']).split('.');
    const keys = (await bench.call('GET', '/api/v1/tickets/keys')).body['keys'] as { kid: string }[];
    const read = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString());
    const { kid } = read(header) as { kid: string };
    const key = keys.find((one) => one.kid === kid)!;
    const isSigned = (text: string): boolean =>
      verify(
        null,
        Buffer.from(text),
        createPublicKey({ key, format: 'jwk' }),
        Buffer.from(signature, 'base64url'),
      );
    expect(isSigned(`${header}.${payload}`)).toBe(true);
    const other = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('"v":1', '"v":2'));
    expect(isSigned(`${header}.${other.toString('base64url')}`)).toBe(false);
    return { header: read(header), payload: read(payload) as ListPayload };
  }
  const byId = (list: readonly Listed[]): readonly Listed[] =>
    [...list].sort((a, b) => (a[0] < b[0] ? -1 : 1));

  it('has every ticket sold of it with its state, signed, for a day', async () => {
    const first = await bought();
    const second = await bought(1, { category: 2 });
    await bought(2);
    const held = { ...HOLD, email: 'held@example.com' };
    expect((await bench.call('POST', '/api/v1/reservations', held)).status).toBe(201);
    await transferred(first.tickets[0]!);
    await scan(first.tickets[1]!.code);
    await refunded(second.id, 1);
    const { header, payload } = await listed();
    expect(header).toEqual({ alg: 'EdDSA', kid: bench.desk.codes.keys[0]!.kid, typ: LIST_TYPE });
    const at = Math.floor(bench.clock.now() / 1_000);
    expect(payload).toEqual({
      v: 1,
      matchNumber: 1,
      issuedAt: at,
      expiresAt: at + 86_400,
      admissions: expect.anything(),
    });
    expect(byId(payload.admissions)).toEqual(
      byId([
        [first.tickets[0]!.id, 1, 1, 'valid', null],
        [first.tickets[1]!.id, 1, 0, 'used', at],
        [second.tickets[0]!.id, 2, 0, 'valid', null],
        [second.tickets[1]!.id, 2, 0, 'void', null],
      ]),
    );
    expect(bench.audited.filter((action) => action === 'check_in.list_downloaded')).toHaveLength(1);
  });

  it('is made once for those who ask at the same time, and anew a little later', async () => {
    const { id, tickets } = await bought();
    const read = jest.spyOn(bench.market, 'sold');
    await Promise.all([listed(), listed(), listed()]);
    expect(read).toHaveBeenCalledTimes(3);
    await refunded(id);
    bench.clock.advance(LIST_KEEP_MS);
    expect((await listed()).payload.admissions).toEqual([]);
    expect((await scan(tickets[0]!.code)).body).toMatchObject({ reason: 'void' });
  });

  it('of what is being refunded, or of a cancelled match, lets nobody in', async () => {
    const { id } = await bought();
    bench.market.intercept = ({ body }) => (body.type === 'refund' ? 'rejects' : undefined);
    await refunded(id, 1);
    const states = async (): Promise<string[]> =>
      byId((await listed()).payload.admissions).map(([, , , state]) => state);
    expect(await states()).toEqual(['valid', 'void']);
    bench.cancelled.add(1);
    bench.clock.advance(LIST_KEEP_MS);
    expect(await states()).toEqual(['void', 'void']);
  });

  it('is of matches there are', async () => {
    for (const [match, status] of [
      [99, 404],
      [0, 404],
      ['x', 404],
    ]) {
      const path = `/api/v1/check-ins/lists/${match}`;
      expect((await bench.call('GET', path, undefined, steward)).status).toBe(status);
    }
    expect(bench.audited).toEqual([]);
  });

  it('is no code, and no code is a list', async () => {
    const { tickets } = await bought();
    const { list } = (await bench.call('GET', '/api/v1/check-ins/lists/1', undefined, steward)).body;
    expect((await scan(String(list).slice(0, 250))).body['reason']).toBe('forged');
    expect(tickets[0]!.code).not.toContain('eyJ');
  });
});

describe('what a steward sees', () => {
  it('are the matches, and which of them are cancelled', async () => {
    bench.cancelled.add(3);
    const { body } = await bench.call('GET', '/api/v1/check-ins/matches', undefined, steward);
    const matches = body['matches'] as { matchNumber: number; state?: string }[];
    expect(matches.map(({ matchNumber, state }) => [matchNumber, state])).toEqual([
      [1, undefined],
      [2, undefined],
      [3, 'cancelled'],
      [4, undefined],
    ]);
    expect(matches[0]).toMatchObject({
      homeTeam: expect.anything(),
      dateUtc: expect.anything(),
      location: expect.anything(),
    });
  });

  it('is how many were sold and let in, by category', async () => {
    const first = await bought();
    const second = await bought(1, { category: 2 });
    await bought(2);
    expect(await counts()).toEqual({
      matchNumber: 1,
      sold: 4,
      admitted: 0,
      byCategory: [
        { category: 1, sold: 2, admitted: 0 },
        { category: 2, sold: 2, admitted: 0 },
        { category: 3, sold: 0, admitted: 0 },
      ],
      conflicts: 0,
    });
    for (const { code } of first.tickets) await scan(code);
    expect(await counts()).toMatchObject({ admitted: 2 });
    // Beyond what a look reads again.
    bench.clock.advance(120_000);
    for (const { code } of second.tickets) await scan(code);
    await scan(second.tickets[0]!.code);
    const wanted = { sold: 4, admitted: 4, byCategory: [{ admitted: 2 }, { admitted: 2 }, { admitted: 0 }] };
    expect(await counts()).toMatchObject(wanted);
    expect(await counts()).toMatchObject(wanted);
    bench = await bench.restart();
    expect(await counts()).toMatchObject(wanted);
    expect(await counts(2)).toMatchObject({ sold: 2, admitted: 0 });
  });
});

describe('who may', () => {
  const pathOf = (path: string): string => path.replace(/\{\w+\}/g, '1');
  const routes = (routeClass: string) =>
    bench.service.routes.filter((route) => route.routeClass === routeClass);
  const statusOf = async (route: { method: string; path: string }, headers: Headers): Promise<unknown> => {
    const { method, path } = route;
    const sent = { 'Idempotency-Key': 'a-key-nobody-guesses-1', ...headers };
    const asked = await bench.call(method.toUpperCase(), pathOf(path), undefined, sent);
    return [method, path, asked.status];
  };

  it('check people in are stewards and operators, and nobody else', async () => {
    const all = routes('check-in');
    expect(all.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([
      'get /api/v1/check-ins/conflicts',
      'get /api/v1/check-ins/counts/{matchNumber}',
      'get /api/v1/check-ins/lists/{matchNumber}',
      'get /api/v1/check-ins/matches',
      'post /api/v1/check-ins',
      'post /api/v1/check-ins/conflicts/{id}/resolution',
      'post /api/v1/check-ins/sync',
      'post /api/v1/tickets/check',
    ]);
    const { id, tickets } = await bought();
    const held = await bench.call('POST', '/api/v1/reservations', { ...HOLD, email: 'guest@example.com' });
    for (const route of all) {
      const { method, path } = route;
      for (const headers of [{}, bearer('forged'), bearer(held.body['token'])]) {
        expect(await statusOf(route, headers)).toEqual([method, path, 401]);
      }
      for (const headers of [anna, bob, person('svc', { roles: ['service'] })]) {
        expect(await statusOf(route, headers)).toEqual([method, path, 403]);
      }
      // Let through: what is wrong is the body, which is looked at after.
      const isGet = method === 'get';
      for (const headers of [steward, operator]) {
        expect(await statusOf(route, headers)).toEqual([method, path, isGet ? 200 : 422]);
      }
    }
    expect((await ticketsOf(id)).map(({ status }) => status)).toEqual(['valid', 'valid']);
    expect((await scan(tickets[0]!.code, {}, operator)).body['result']).toBe('admitted');
  });

  it('a steward needs no second factor, an operator does where one is required', async () => {
    await bench.stop();
    bench = await startBench({ secondFactor: 'required' });
    const path = '/api/v1/check-ins/matches';
    expect((await bench.call('GET', path, undefined, steward)).status).toBe(200);
    const refused = await bench.call('GET', path, undefined, operator);
    expect(refused.body).toMatchObject({ status: 403, code: 'second_factor_required' });
    const proven = person('op', { roles: ['operator'], secondFactor: true });
    expect((await bench.call('GET', path, undefined, proven)).status).toBe(200);
  });

  it('a steward reaches nothing else that is operators’, and no buyer’s things', async () => {
    const all = routes('admin');
    expect(all.length).toBeGreaterThan(2);
    for (const route of all) {
      expect(await statusOf(route, steward)).toEqual([route.method, route.path, 403]);
    }
    const { id } = await bought();
    for (const path of ['', '/tickets', '/tickets.pdf', '/payment']) {
      const asked = await bench.call('GET', `/api/v1/reservations/${id}${path}`, undefined, steward);
      expect([path, asked.status]).toEqual([path, 403]);
    }
  });
});
