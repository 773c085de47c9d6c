/** How answers are compressed: by what the browser weighs highest, and where it does not mind, by Brotli. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { request } from 'undici';
import express, { type Express } from 'express';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ForwardedSeal } from '../../src/http/forwarded.js';
import { systemClock } from '../../src/process/clock.js';
import { mountWeb, type WebOptions } from '../../src/web/app.js';
import { encodingFor } from '../../src/web/encoding.js';
import { Forwarder } from '../../src/web/forwarder.js';
import { silentLogger } from '../helpers/engine.js';

const CHROME = 'gzip, deflate, br, zstd';

describe('the encoding', () => {
  it.each([
    [undefined, null],
    ['', null],
    [CHROME, 'br'],
    ['gzip, deflate, br', 'br'],
    ['gzip, deflate', 'gzip'],
    ['br;q=1.0, gzip;q=0.8, *;q=0.1', 'br'],
    ['gzip;q=1.0, br;q=0.8', 'gzip'],
    ['gzip;q=0.5, br;q=0.5', 'br'],
    ['GZIP, BR', 'br'],
    ['*', 'br'],
    ['*, br;q=0', 'gzip'],
    ['br;q=0', null],
    ['*;q=0', null],
    ['deflate, zstd', null],
    ['identity', null],
    ['identity, br;q=0.5', null],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['brotli', null],
  ])('of %p is %p', (accepted, encoding) => {
    expect(encodingFor(accepted === undefined ? {} : { 'accept-encoding': accepted })).toBe(encoding);
  });
});

const HTML = `<!doctype html>${'<p>a match</p>'.repeat(500)}`;
const LIST = JSON.stringify({ matches: Array.from({ length: 500 }, (_, i) => ({ matchNumber: i + 1 })) });

describe('what is sent', () => {
  const ends: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function listening(server: Server): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ends.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** The client role, with a shop behind it, and pages that are made without a browser's app. */
  async function client(): Promise<string> {
    const shop = createServer((_asked, response) => {
      response.setHeader('Content-Type', 'application/json');
      response.setHeader('Content-Length', Buffer.byteLength(LIST));
      response.end(LIST);
    });
    const seal = new ForwardedSeal('service-token-of-the-tests', systemClock);
    const forwarder = new Forwarder({
      upstream: 'shop',
      url: await listening(shop),
      seal,
      clock: systemClock,
      logger: silentLogger,
    });
    ends.push(() => forwarder.stop());
    const page = { status: 200, html: HTML, headers: {}, etag: 'W/"one"', isWhole: true };
    const site = {
      built: { clientDir: '/nowhere', files: new Set<string>() },
      pages: { page: () => Promise.resolve(page) },
      origin: 'http://127.0.0.1',
      headers: {},
    } as unknown as WebOptions['site'];
    const app: Express = express();
    mountWeb(app, {
      forwarders: new Map([['shop', forwarder]]),
      gate: () => Promise.resolve(null),
      site,
    });
    return listening(createServer(app));
  }

  async function get(
    url: string,
    accepted?: string,
  ): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> {
    const { headers, body } = await request(url, {
      headers: accepted === undefined ? {} : { 'accept-encoding': accepted },
    });
    return { headers, body: Buffer.from(await body.arrayBuffer()) };
  }

  it.each([
    ['pages', '/', HTML],
    ['the list of matches', '/api/v1/matches', LIST],
  ])('of %s is the smallest that the browser takes', async (_, path, whole) => {
    const url = (await client()) + path;
    const [br, gzip, plain] = [await get(url, CHROME), await get(url, 'gzip'), await get(url)];
    expect([br, gzip, plain].map(({ headers }) => headers['content-encoding'])).toEqual([
      'br',
      'gzip',
      undefined,
    ]);
    expect(brotliDecompressSync(br.body).toString()).toBe(whole);
    expect(gunzipSync(gzip.body).toString()).toBe(whole);
    expect(plain.body.toString()).toBe(whole);
    expect(br.body.length).toBeLessThan(gzip.body.length);
    for (const { headers } of [br, gzip]) expect(headers.vary).toContain('Accept-Encoding');
  });
});
