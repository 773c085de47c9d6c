import { createServer, type RequestListener, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { RemoteSecurity, type RemoteSecurityOptions } from '../../src/security/remote.js';
import { silentLogger } from '../helpers/engine.js';
import { ManualClock } from '../http/fakes.js';
import { ShiftedClock, personRequest, request } from './bench.js';

const servers: Server[] = [];
const remotes: RemoteSecurity[] = [];
afterEach(async () => {
  await Promise.all(remotes.splice(0).map((remote) => remote.stop()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
function remoteOf(over: Partial<RemoteSecurityOptions>): RemoteSecurity {
  const remote = new RemoteSecurity({
    url: 'http://127.0.0.1:1',
    serviceToken: 'token',
    whenUnreachable: 'deny',
    clock: new ShiftedClock(),
    logger: silentLogger,
    timeoutMs: 10_000,
    ...over,
  });
  remotes.push(remote);
  return remote;
}
const answering =
  (status: number, body: string): RequestListener =>
  (asked, response) => {
    asked.resume();
    response.statusCode = status;
    response.end(body);
  };
const denied = { verdict: 'deny', reasons: ['security_unreachable'], retryAfterMs: expect.any(Number) };

describe('a security service that cannot be used', () => {
  it.each([
    ['refuses the connection', null],
    ['answers an error', answering(500, '{}')],
    ['knows another token', answering(403, '{"code":"forbidden"}')],
    ['talks nonsense', answering(200, '<html>')],
    ['answers something else', answering(200, '{"verdict":"maybe"}')],
    ['answers without end', answering(200, 'x'.repeat(200_000))],
    ['hangs up', (asked) => asked.socket.destroy()],
  ])('%s: the policy answers', async (_, listener) => {
    const url = listener ? await listen(listener) : 'http://127.0.0.1:1';
    const strict = remoteOf({ url, whenUnreachable: 'deny' });
    expect(await strict.check(request())).toEqual(denied);
    expect(await strict.checkPerson(personRequest())).toEqual(denied);
    const lenient = remoteOf({ url, whenUnreachable: 'allow' });
    expect(await lenient.check(request())).toEqual({ verdict: 'allow', reasons: ['security_unreachable'] });
    expect(await lenient.hasBought('fan@example.org')).toBe(false);
  });

  it('does not answer: nobody waits longer than the bound', async () => {
    const clock = new ManualClock();
    let asked = (): void => undefined;
    const reached = new Promise<void>((resolve) => (asked = resolve));
    const url = await listen(() => asked());
    const remote = remoteOf({ url, clock, timeoutMs: 250 });
    const verdict = remote.check(request());
    await reached;
    clock.advance(249);
    clock.advance(1);
    expect(await verdict).toEqual(denied);
  });

  it('is left alone after five failures, for two seconds', async () => {
    const clock = new ManualClock();
    let calls = 0;
    let works = false;
    const url = await listen((asked, response) => {
      calls += 1;
      answering(works ? 200 : 503, '{"verdict":"allow","reasons":[]}')(asked, response);
    });
    const remote = remoteOf({ url, clock });
    for (let i = 0; i < 20; i += 1) expect(await remote.check(request())).toEqual(denied);
    expect(calls).toBe(5);
    works = true;
    clock.advance(1_999);
    expect(await remote.check(request())).toEqual(denied);
    clock.advance(1);
    expect(await remote.check(request())).toEqual({ verdict: 'allow', reasons: [] });
    expect(calls).toBe(6);
  });
});

describe('what is told', () => {
  it('is sent in batches over few connections', async () => {
    const batches: number[] = [];
    const sockets = new Set<unknown>();
    const url = await listen((asked, response) => {
      sockets.add(asked.socket);
      let body = '';
      asked.on('data', (chunk: Buffer) => (body += chunk.toString()));
      asked.on('end', () => {
        batches.push((JSON.parse(body) as { facts: unknown[] }).facts.length);
        response.statusCode = 202;
        response.end('{}');
      });
    });
    const remote = remoteOf({ url });
    for (let i = 0; i < 250; i += 1) remote.tell({ kind: 'probe', address: '192.0.2.1' });
    await remote.flush();
    expect(batches).toEqual([100, 100, 50]);
    expect(sockets.size).toBe(1);
    expect(remote.droppedFacts).toBe(0);
  });

  it('is dropped and counted when it does not fit or cannot be sent', async () => {
    const remote = remoteOf({ clock: new ManualClock() });
    for (let i = 0; i < 10_500; i += 1) remote.tell({ kind: 'probe', address: '192.0.2.1' });
    expect(remote.droppedFacts).toBe(500);
    await remote.flush();
    expect(remote.droppedFacts).toBe(10_500);
  });
});
