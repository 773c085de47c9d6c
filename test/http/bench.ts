/** A shop and a reservations service in one, over fakes, on a port of its own. */
import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { problemSchema, type Route } from '../../src/http/api.js';
import type { TicketId } from '../../src/rules/index.js';
import { Idempotency } from '../../src/http/idempotency.js';
import { createMetrics } from '../../src/http/metrics.js';
import { PROBLEM_TYPE } from '../../src/http/problem.js';
import { ReadModel } from '../../src/http/read-model.js';
import { reservationRoutes } from '../../src/http/reservations.js';
import type { DecodedMessage } from '../../src/http/sales-messages.js';
import { createService, type Service, type ServiceOptions } from '../../src/http/service.js';
import { shopRoutes } from '../../src/http/shop.js';
import { AvailabilityStream } from '../../src/http/stream.js';
import { PaymentFlow } from '../../src/payments/flow.js';
import { FakeProvider, ManualClock, Market, MemoryIdempotency, POLICY, someMatch } from './fakes.js';

export const SECRET = 'a secret of the tests';
export const SERVICE_TOKEN = 'service-token-of-the-tests';
export const FLUSH_MS = 50;
export const HEARTBEAT_MS = 15_000;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Bodies are checked against the route's schema before a test reads them.
  readonly body: Record<string, unknown> & { readonly code?: string };
}

export interface Bench {
  readonly clock: ManualClock;
  readonly market: Market;
  readonly provider: FakeProvider;
  readonly store: MemoryIdempotency;
  readonly service: Service;
  readonly model: ReadModel;
  readonly flow: PaymentFlow;
  readonly registry: Registry;
  readonly logs: string[];
  readonly url: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** The same services anew over the same stores: what a crash of the process leaves. */
  restart(): Promise<Bench>;
  stop(): Promise<void>;
}

export interface BenchOptions {
  readonly capacity?: number;
  readonly provider?: FakeProvider;
  readonly streamClientsMax?: number;
  readonly service?: Partial<ServiceOptions>;
  readonly moreRoutes?: readonly Route[];
}

interface Stores {
  readonly clock: ManualClock;
  readonly market: Market;
  readonly provider: FakeProvider;
  readonly store: MemoryIdempotency;
}

export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const clock = new ManualClock();
  const market = new Market(clock);
  for (const matchNumber of [1, 2, 3, 4]) market.open(someMatch(matchNumber), options.capacity ?? 20);
  const provider = options.provider ?? new FakeProvider();
  return assemble(options, { clock, market, provider, store: new MemoryIdempotency() });
}

async function assemble(options: BenchOptions, stores: Stores): Promise<Bench> {
  const { clock, market, provider, store } = stores;
  const logs: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void logs.push(line) });
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const model = new ReadModel({
    counters: market.counters,
    catalog: market.catalog,
    clock,
    logger,
    waitMs: 1_000,
  });
  await model.start();
  const timing = { clock, waitMs: 1_000, newId: randomUUID, unkeyedOutcomeMs: 60_000 };
  const idempotency = new Idempotency({ ...timing, store, secret: SECRET, idempotencyMs: 86_400_000 });
  const flow = new PaymentFlow({
    ...timing,
    gateway: market,
    provider,
    reader: market,
    logger,
    providerWaitMs: 5_000,
  });
  const stream = new AvailabilityStream({
    model,
    clock,
    metrics,
    clientsMax: options.streamClientsMax ?? 2,
    flushMs: FLUSH_MS,
    heartbeatMs: HEARTBEAT_MS,
    retryMs: 3_000,
  });
  const knows = model.knows.bind(model);
  const salesMessages = {
    gateway: market,
    idempotency,
    clock,
    serviceToken: SERVICE_TOKEN,
    decode,
    knows,
    recall: (ticket: TicketId, id: string) => market.recall(ticket, id),
    tookEffect: (ticket: TicketId, id: string) => market.tookEffect(ticket, id),
  };
  const service = createService({
    info: { title: 'ticktak', version: '0.0.0', description: 'Under test' },
    routes: [
      ...shopRoutes({ model, stream, salesMessages }),
      ...reservationRoutes({
        gateway: market,
        reader: market,
        flow,
        idempotency,
        metrics,
        clock,
        tokenSecret: SECRET,
        ticketsPerReservationMax: POLICY.ticketsPerReservationMax,
        waitMs: 1_000,
        knows,
      }),
      ...(options.moreRoutes ?? []),
    ],
    checks: [],
    registry,
    metrics,
    logger,
    clock,
    portSetting: 'SHOP_PORT',
    onClosing: [() => stream.close()],
    ...options.service,
  });
  const url = `http://127.0.0.1:${await service.listen('127.0.0.1', 0)}`;
  const stop = async (): Promise<void> => {
    await service.close();
    await model.stop();
  };
  return {
    ...stores,
    service,
    model,
    flow,
    registry,
    logs,
    url,
    call: (method, path, body, headers) => call(url, service.routes, method, path, body, headers),
    restart: async () => {
      await stop();
      return assemble(options, stores);
    },
    stop,
  };
}

/** Asks, and checks the answer against what the API promises: status, schema and content type. */
async function call(
  url: string,
  routes: readonly Route[],
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const hasBody = body !== undefined;
  const response = await fetch(url + path, {
    method,
    headers: { ...(hasBody && { 'Content-Type': 'application/json' }), ...headers },
    ...(hasBody && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const type = response.headers.get('Content-Type') ?? '';
  const parsed = (type.includes('json') && text !== '' ? JSON.parse(text) : {}) as Reply['body'];
  checkAgainstApi(routes, method, path, response, parsed, text);
  return { status: response.status, headers: response.headers, text, body: parsed };
}

function checkAgainstApi(
  routes: readonly Route[],
  method: string,
  path: string,
  response: Response,
  body: unknown,
  text: string,
): void {
  expect(response.headers.get('X-Request-Id')).toMatch(/^[\w.-]{1,64}$/);
  expect(text).not.toMatch(/\bat .*\.[jt]s:\d+/);
  const type = response.headers.get('Content-Type') ?? '';
  if (response.status >= 400) {
    expect(type).toBe(PROBLEM_TYPE);
    if (method !== 'HEAD')
      expect(problemSchema.parse(body)).toEqual({ ...(body as object), status: response.status });
    return;
  }
  const route = routes.find(
    (known) => known.method === method.toLowerCase() && pathPattern(known).test(path),
  );
  if (!route) return;
  const promised = route.responses[response.status];
  expect(promised).toBeDefined();
  if (promised?.schema) expect(promised.schema.parse(body)).toEqual(body);
}

const pathPattern = ({ path }: Route): RegExp => new RegExp(`^${path.replace(/\{\w+\}/g, '[^/?]+')}(\\?|$)`);

/** Stands in for the codec of the Kafka side: one object of tickets, the clientId in the header. */
function decode(value: Buffer, headers: Readonly<Record<string, string>>): DecodedMessage {
  const { meta, body } = JSON.parse(value.toString()) as {
    meta?: { action?: string };
    body?: { matchNumber: number; tickets: { category: number; quantity: number } };
  };
  const action = (
    { TICKET_PENDING: 'pending', TICKET_RESERVED: 'reserved', TICKET_CANCELLED: 'cancelled' } as const
  )[meta?.action ?? ''];
  const { clientId, reservationId } = headers;
  if (!action || !body || clientId === undefined) return { kind: 'invalid', reason: 'not a sales message' };
  if (clientId === 'ticktak') return { kind: 'own' };
  const ticket = { matchNumber: body.matchNumber, category: body.tickets.category };
  const sale = { ticket, action, quantity: body.tickets.quantity, clientId };
  return { kind: 'sales', sales: [{ ...sale, ...(reservationId !== undefined && { reservationId }) }] };
}

export const HOLD = { matchNumber: 1, category: 1, quantity: 2, email: 'fan@example.com' };

export const bearer = (token: unknown): Record<string, string> => ({
  Authorization: `Bearer ${String(token)}`,
});
