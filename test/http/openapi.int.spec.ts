import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startBench, type Bench } from './bench.js';

interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> };
}
interface Operation {
  operationId: string;
  summary: string;
  parameters?: { name: string; in: string; schema: unknown }[];
  responses: Record<string, { description: string }>;
  security?: Record<string, unknown[]>[];
}

let bench: Bench;
let document: Document;
beforeAll(async () => {
  bench = await startBench();
  document = (await bench.call('GET', '/api/v1/openapi.json')).body as unknown as Document;
});
afterAll(() => bench.stop());

const operations = (): [string, string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, Operation] => [
      path,
      method,
      operation,
    ]),
  );

/** Every route the app really serves: read from its router, not from the list it was made of. */
function served(): string[] {
  const { stack } = bench.service.app.router as unknown as {
    stack: { route?: { path: string; methods: Record<string, boolean> } }[];
  };
  // What refuses other methods takes all of them: it is no route.
  return stack.flatMap(({ route }) => {
    const methods = Object.keys(route?.methods ?? {});
    return route && methods.length === 1 ? [`${methods[0]} ${route.path}`] : [];
  });
}

it('says how too many tokens of reservations are answered', async () => {
  const headers = { 'X-Reservation-Token': 'a,'.repeat(60) };
  const path = '/api/v1/reservations/m1c1-aaaaaaaaaaaaaaaaaaaaaaaaaa';
  const { status } = await bench.call('GET', path, undefined, headers);
  expect(status).toBe(422);
  expect(document.paths['/api/v1/reservations/{id}']?.['get']?.responses).toHaveProperty('422');
});

it('says how a broken header is answered where a broken body has a status of its own', async () => {
  const headers = { 'Idempotency-Key': 'a b' };
  const { status } = await bench.call('POST', '/api/reservation', {}, headers);
  expect(status).toBe(422);
  expect(document.paths['/api/reservation']?.['post']?.responses).toHaveProperty('422');
});

describe('openapi.json', () => {
  it('is an OpenAPI 3.1 document', () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: 'ticktak', version: '0.0.0' });
    const ids = operations().map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [path, , operation] of operations()) {
      expect(operation.summary).not.toBe('');
      expect(Object.keys(operation.responses).every((status) => /^[1-5]\d\d$/.test(status))).toBe(true);
      expect(Object.values(operation.responses).every(({ description }) => description !== '')).toBe(true);
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]);
      const named = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(named.map((parameter) => parameter.name)).toEqual(inPath);
    }
  });

  it('has every reference it makes', () => {
    const text = JSON.stringify(document);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      expect(document.components.schemas).toHaveProperty(name ?? '');
    }
    for (const [, , { security }] of operations()) {
      for (const scheme of (security ?? []).flatMap((entry) => Object.keys(entry))) {
        expect(document.components.securitySchemes).toHaveProperty(scheme);
      }
    }
  });

  it('covers every route of the app', () => {
    const documented = operations().map(([path, method]) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`);
    expect(new Set(documented)).toEqual(new Set(served()));
    expect(documented).toEqual(
      expect.arrayContaining([
        'post /api/v1/reservations',
        'post /api/reservation',
        'get /api/v1/availability/stream',
        'post /api/v1/sales-messages',
        'get /health/ready',
      ]),
    );
  });

  it('says what validates: the schemas are the ones in use', () => {
    const { Hold } = document.components.schemas as Record<string, { properties: Record<string, object> }>;
    expect(Hold?.properties['quantity']).toMatchObject({ type: 'integer', minimum: 1, maximum: 2 });
    expect(Hold?.properties['email']).toMatchObject({ type: 'string', maxLength: 254 });
  });

  it('is readable as a page that needs nothing else', async () => {
    const { status, text, headers } = await bench.call('GET', '/api/v1/docs');
    expect(status).toBe(200);
    expect(headers.get('Content-Type')).toBe('text/html; charset=utf-8');
    expect(headers.get('Content-Security-Policy')).toMatch(/style-src 'sha256-[\w+/=]+'/);
    expect(text).not.toMatch(/<script|<link|src=|https?:\/\//);
    for (const [path] of operations()) expect(text).toContain(path);
    for (const schema of Object.keys(document.components.schemas))
      expect(text).toContain(`id="schema-${schema}"`);
  });
});
