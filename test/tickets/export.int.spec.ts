import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { ArchiveUnavailableError, type Page } from '../../src/archive/port.js';
import { createGate } from '../../src/http/gate.js';
import { createMetrics } from '../../src/http/metrics.js';
import { createService, type Service } from '../../src/http/service.js';
import { systemClock } from '../../src/process/clock.js';
import { AccountExport, type ExportOptions } from '../../src/tickets/export.js';
import { exportRoute } from '../../src/tickets/routes.js';
import type { Session } from '../../src/users/sessions.js';
import { until } from '../helpers/engine.js';
import { HOLD, bearer, startBench, type Bench } from '../http/bench.js';
import { CARDS, FakeSecurity, accessTokenOf, fakeTokens } from '../http/fakes.js';

const EMAIL = 'anna@example.com';
const anna = bearer(accessTokenOf({ accountId: 'anna', emailConfirmed: true }));
const bob = bearer(accessTokenOf({ accountId: 'bob', emailConfirmed: true }));

interface Exported {
  readonly account: object;
  readonly logIns: readonly object[];
  readonly reservations: readonly { readonly id: string }[];
  readonly receivedTickets: readonly object[];
  readonly offeredTickets: readonly object[];
  readonly waitingLists: readonly object[];
  readonly activity: readonly object[];
}

/** So many to a page, whatever is asked. */
function paged<T>(all: readonly T[], size: number, after: string | undefined): Page<T> {
  const from = Number(after ?? 0);
  const next = from + size < all.length ? String(from + size) : undefined;
  return { items: all.slice(from, from + size), ...(next !== undefined && { next }) };
}

const WAITING = {
  id: 'w-m1c1-abcdefghijklmnopqrstuvwxyz',
  status: 'waiting',
  matchNumber: 1,
  category: 1,
  quantity: 2,
  position: 3,
  createdAt: '2022-11-01T12:00:00.000Z',
};

let bench: Bench;
let service: Service;
let url: string;
let opened = 0;
/** Parts that a test puts others in place of. */
let parts: Partial<ExportOptions>;
const logs: string[] = [];

beforeEach(async () => {
  bench = await startBench({ countryOf: () => 'QA' });
  parts = {};
  logs.length = 0;
  const session = (index: number) =>
    ({ createdAt: index, usedAt: index, endsAt: index, secondFactor: false, tokenHash: 'secret' }) as Session;
  const sessions = Array.from({ length: 5 }, (_, index) => session(index));
  const { market, accounts, records, desk } = bench;
  const options = (): ExportOptions => ({
    account: async (id) => ({
      id,
      email: `${id}@example.com`,
      name: id,
      roles: ['buyer'],
      emailConfirmed: true,
      secondFactor: false,
      createdAt: 1,
    }),
    sessions: { ofUser: async (_id, { after }) => paged(sessions, 2, after) },
    audit: {
      list: async ({ actor = '' }) => ({
        items: [
          { id: 'a', at: 1, actor, action: 'user.password_changed', subject: actor, address: '192.0.2.1' },
        ],
      }),
    },
    archived: {
      reservationsByEmail: async (email, { after }) =>
        paged(
          [...market.ended.values()].filter((one) => one.email === email),
          3,
          after,
        ),
    },
    accountIndex: { newest: async (id, limit) => (accounts.get(id) ?? []).slice(0, limit) },
    findReservation: (id) => market.find(id),
    payments: records,
    desk,
    waitingOf: async () => [WAITING],
    clock: systemClock,
    waitMs: 1_000,
    taxName: 'VAT',
    taxPercent: 20,
    ...parts,
  });
  const registry = new Registry();
  service = createService({
    info: { title: 'ticktak user', version: '0.0.0', description: 'Under test' },
    routes: [
      exportRoute({
        send: (principal, response) => {
          opened += 1;
          return new AccountExport(options()).send(principal, response);
        },
      }),
    ],
    gate: createGate({ tokens: fakeTokens, security: new FakeSecurity() }),
    checks: [],
    registry,
    metrics: createMetrics(registry),
    logger: pino({ level: 'info' }, { write: (line: string) => void logs.push(line) }),
    clock: systemClock,
    portSetting: 'USER_PORT',
  });
  url = `http://127.0.0.1:${await service.listen('127.0.0.1', 0)}/api/v1/users/me/export`;
});
afterEach(async () => {
  await service.close();
  await bench.stop();
});

async function bought(matchNumber: number, headers = anna, email = EMAIL, quantity = 1): Promise<string> {
  const held = await bench.call(
    'POST',
    '/api/v1/reservations',
    { ...HOLD, matchNumber, quantity, email },
    headers,
  );
  const id = String(held.body['id']);
  const path = `/api/v1/reservations/${id}/payment`;
  await bench.call('POST', path, { paymentMethod: CARDS.good }, bearer(held.body['token']));
  return id;
}

describe('the export of an account', () => {
  it('holds all of it, however many pages that is, and nothing of anybody else', async () => {
    const ids = [];
    // Buying more than once takes addresses that are confirmed.
    bench.confirmed.add(EMAIL).add('bob@example.com');
    for (const matchNumber of [1, 2, 3, 4, 1, 2, 3]) ids.push(await bought(matchNumber));
    const asGuest = await bought(4, {});
    const bobs = await bought(1, bob, 'bob@example.com');
    await bench.call('POST', `/api/v1/tickets/${bobs}.1/transfer`, { email: EMAIL }, bob);
    const second = await bought(2, bob, 'bob@example.com');
    await bench.call('POST', `/api/v1/tickets/${second}.1/transfer`, { email: EMAIL }, bob);
    await bench.call('POST', `/api/v1/tickets/${second}.1/transfer/accept`, undefined, anna);
    const response = await fetch(url, { headers: anna });
    expect(response.status).toBe(200);
    expect(response.headers.get('Content-Disposition')).toBe('attachment; filename="ticktak-export.json"');
    expect(response.headers.get('Cache-Control')).toBe('no-store');
    const text = await response.text();
    const body = JSON.parse(text) as Exported;
    expect(service.routes[0]?.responses[200]?.schema?.parse(body)).toEqual(body);
    expect(body.account).toMatchObject({ id: 'anna', email: EMAIL });
    expect(body.logIns).toHaveLength(5);
    expect(text).not.toContain('secret');
    const listed = body.reservations.map(({ id }) => id);
    expect(listed.sort()).toEqual([...ids, asGuest].sort());
    expect(body.reservations[0]).toMatchObject({
      status: 'RESERVED',
      country: 'QA',
      payment: { status: 'succeeded', amountMinor: expect.any(Number) },
      tickets: [{ status: 'valid', code: expect.stringMatching(/^T1\./) }],
    });
    expect(body.receivedTickets).toEqual([expect.objectContaining({ id: `${second}.1`, status: 'valid' })]);
    expect(body.waitingLists).toEqual([WAITING]);
    expect(body.offeredTickets).toEqual([expect.objectContaining({ id: `${bobs}.1`, status: 'offered' })]);
    expect(body.activity).toEqual([expect.objectContaining({ action: 'user.password_changed' })]);
  });

  it('is for who is logged in', async () => {
    for (const headers of [{}, bearer('h.forged'), bearer(`m1c1-${'a'.repeat(26)}.forged`)]) {
      const response = await fetch(url, { headers });
      expect([response.status, response.headers.get('Content-Type')]).toEqual([
        401,
        'application/problem+json',
      ]);
    }
    parts = { account: async () => null };
    expect((await fetch(url, { headers: anna })).status).toBe(401);
  });

  it('is refused, or cut off, when a part cannot be read: never less than all of it', async () => {
    parts = { account: async () => Promise.reject(new ArchiveUnavailableError('away')) };
    expect((await fetch(url, { headers: anna })).status).toBe(503);
    const away = async () => Promise.reject(new ArchiveUnavailableError('away'));
    parts = { audit: { list: away } };
    await expect(fetch(url, { headers: anna }).then((response) => response.text())).rejects.toThrow();
  });

  it('ends when its client is gone', async () => {
    const many = Array.from({ length: 1_000_000 }, (_, index) => index);
    let read = 0;
    parts = {
      sessions: {
        ofUser: async (_id, { after }) => {
          read += 1;
          const { items, next } = paged(many, 100, after);
          const logIns = items.map(
            () => ({ createdAt: 1, usedAt: 1, endsAt: 1, secondFactor: false }) as Session,
          );
          return { items: logIns, ...(next !== undefined && { next }) };
        },
      },
    };
    const before = opened;
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: ${anna['Authorization']}\r\n\r\n`);
    socket.pause();
    await until(() => opened > before && read > 10);
    socket.destroy();
    const settled = async (): Promise<boolean> => {
      const at = read;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return read === at;
    };
    await until(settled);
    expect(read).toBeLessThan(10_000);
    expect(logs.filter((line) => line.includes('unexpectedly'))).toEqual([]);
  });
});
