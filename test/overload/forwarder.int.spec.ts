/** The client role, before a service that is slow: those who look do not take all its places. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { send } from '../../src/http/api.js';
import { ForwardedSeal, LET_IN_HEADER } from '../../src/http/forwarded.js';
import { systemClock } from '../../src/process/clock.js';
import { Forwarder } from '../../src/web/forwarder.js';
import { silentLogger, until } from '../helpers/engine.js';

const REQUESTS_MAX = 10;

const servers: Server[] = [];
let waiting: ServerResponse[];
let forwarder: Forwarder;
let url: string;
const seal = new ForwardedSeal('a service token of the tests', systemClock);

async function listen(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeEach(async () => {
  waiting = [];
  const slow = createServer((request, response) => {
    request.resume();
    waiting.push(response);
  });
  forwarder = new Forwarder({
    upstream: 'reservations',
    url: await listen(slow),
    seal,
    clock: systemClock,
    logger: silentLogger,
    limits: { requestsMax: REQUESTS_MAX },
  });
  const app = express();
  app.use(async (request, response) => {
    const handled = await forwarder.forward(request, response);
    if (handled !== 'streaming') send(response, handled);
  });
  url = await listen(createServer(app));
});
afterEach(async () => {
  for (const response of waiting) response.end('{}');
  await forwarder.stop();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

it('half of its places are for all, and some are left for those who pay', async () => {
  const asked: Promise<number>[] = [];
  const ask = (method: string, path: string): void => {
    asked.push(fetch(url + path, { method }).then(({ status }) => status));
  };
  const fill = async (method: string, path: string, count: number): Promise<void> => {
    while (waiting.length < count) {
      const before = waiting.length;
      ask(method, path);
      await until(() => waiting.length > before);
    }
  };
  await fill('GET', '/api/v1/matches', 5);
  expect((await fetch(`${url}/api/v1/matches`)).status).toBe(503);
  await fill('POST', '/api/v1/reservations', 7);
  const refused = await fetch(`${url}/api/v1/reservations`, { method: 'POST' });
  expect([refused.status, refused.headers.get('Retry-After')]).toEqual([503, expect.any(String)]);
  await fill('GET', '/api/v1/reservations/x', 8);
  await fill('POST', '/api/v1/reservations/x/payment', REQUESTS_MAX);
  for (const response of waiting) response.end('{}');
  expect(await Promise.all(asked)).toEqual(Array.from({ length: REQUESTS_MAX }, () => 200));
});

it.each([
  [true, seal.letIn],
  [false, undefined],
])(
  'a request that is let in says so to a service of the same process (%s) and to no other',
  async (isHere, expected) => {
    const heard: (string | string[] | undefined)[] = [];
    const service = createServer((request, response) => {
      heard.push(request.headers[LET_IN_HEADER]);
      response.end('{}');
    });
    const options = { clock: systemClock, logger: silentLogger, url: await listen(service), seal };
    const inside = new Forwarder({ ...options, upstream: 'shop', isHere });
    const app = express();
    app.use(async (request, response) => {
      await inside.forward(request, response);
    });
    const at = await listen(createServer(app));
    // Nor does a browser say it.
    await fetch(`${at}/api/v1/matches`, { headers: { [LET_IN_HEADER]: 'mine' } });
    await inside.stop();
    expect(heard).toEqual([expected]);
  },
);
