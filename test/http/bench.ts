/** A shop and a reservations service in one, over fakes, on a port of its own. */
import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { problemSchema, type Route } from '../../src/http/api.js';
import { Buyers, type GuestPolicy } from '../../src/http/buyer.js';
import { createGate } from '../../src/http/gate.js';
import { Histories } from '../../src/analytics/recommender/histories.js';
import { Recommender } from '../../src/analytics/recommender/recommender.js';
import { recommendationsRoute } from '../../src/analytics/recommender/routes.js';
import type { Served } from '../../src/analytics/recommender/served-model.js';
import { viewsRoute } from '../../src/analytics/view-routes.js';
import type { ViewEvent } from '../../src/analytics/views.js';
import { ownReservations } from '../../src/http/own-reservations.js';
import type { Devices } from '../../src/security/device.js';
import { GuestPurchases } from '../../src/http/guest-purchases.js';
import type { TicketId } from '../../src/rules/index.js';
import { Idempotency } from '../../src/http/idempotency.js';
import { createMetrics } from '../../src/http/metrics.js';
import { PROBLEM_TYPE, type Problem } from '../../src/http/problem.js';
import { ReadModel } from '../../src/http/read-model.js';
import { reservationRoutes } from '../../src/http/reservations.js';
import type { DecodedMessage } from '../../src/http/sales-messages.js';
import { createService, type Service, type ServiceOptions } from '../../src/http/service.js';
import { shopRoutes } from '../../src/http/shop.js';
import { AvailabilityStream } from '../../src/http/stream.js';
import { PaymentFlow } from '../../src/payments/flow.js';
import { PhaseBook } from '../../src/phases/book.js';
import { CodeSets } from '../../src/phases/codes.js';
import { phaseRoutes } from '../../src/phases/routes.js';
import { SaleGate } from '../../src/phases/sale-gate.js';
import { RedisKeys } from '../../src/redis/keys.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { paymentRoutes } from '../../src/payments/routes.js';
import { CheckInDesk } from '../../src/tickets/check-in.js';
import { CheckInLists } from '../../src/tickets/check-in-list.js';
import { ConflictRecords } from '../../src/tickets/check-in-records.js';
import { checkInRoutes } from '../../src/tickets/check-in-routes.js';
import { TicketCodes } from '../../src/tickets/codes.js';
import { TicketDesk } from '../../src/tickets/desk.js';
import { GuestLookup } from '../../src/tickets/lookup.js';
import { QueuedTicketMail } from '../../src/mail/ticket-mail.js';
import { PdfDesk } from '../../src/tickets/pdf-desk.js';
import { AdmissionRecords, Shares } from '../../src/tickets/records.js';
import { BuyerRefunds } from '../../src/tickets/refunds.js';
import { ticketRoutes } from '../../src/tickets/routes.js';
import type { NewMail } from '../../src/mail/kinds.js';
import { requireOperator, requireSteward } from '../../src/users/operators.js';
import type { Principal } from '../../src/users/principal.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import {
  FakeProvider,
  FakeSecurity,
  ManualClock,
  Market,
  MemoryHashes,
  MemoryIdempotency,
  POLICY,
  SETTLEMENT,
  fakeTokens,
  someMatch,
} from './fakes.js';

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

export interface Bench extends Stores {
  readonly service: Service;
  readonly model: ReadModel;
  readonly flow: PaymentFlow;
  readonly records: PaymentRecords;
  readonly registry: Registry;
  readonly logs: string[];
  /** Actions in the audit. */
  readonly audited: string[];
  /** The same, whole. */
  readonly auditEntries: unknown[];
  /** About tickets. */
  readonly mails: NewMail[];
  readonly desk: TicketDesk;
  readonly lookup: GuestLookup;
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
  readonly waitingListMax?: number;
  readonly service?: Partial<ServiceOptions>;
  readonly moreRoutes?: readonly Route[];
  readonly guests?: GuestPolicy;
  readonly devices?: Devices;
  readonly secondFactor?: 'optional' | 'required';
  readonly buyerRefunds?: boolean;
  readonly countryOf?: (address: string) => string | null;
  readonly closesAtKickoff?: boolean;
  /** Milliseconds before kick-off; absent: without end. */
  readonly buyerRefundUntilMs?: number;
}

interface Stores {
  readonly clock: ManualClock;
  readonly market: Market;
  readonly provider: FakeProvider;
  readonly store: MemoryIdempotency;
  readonly security: FakeSecurity;
  readonly documents: MemoryDocuments;
  /** E-mail addresses that were confirmed. */
  readonly confirmed: Set<string>;
  readonly accounts: Map<string, string[]>;
  /** Matches that will not be played. */
  readonly cancelled: Set<number>;
  readonly analytics: Analytics;
}

/** The model that is served, what is taken of views, and how often somebody's reservations were read. */
export class Analytics {
  served: Served | null = null;
  refused: unknown[] = [];
  isFull = false;
  readonly views: ViewEvent[] = [];
  reads = 0;
}

export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const clock = new ManualClock();
  const market = new Market(clock);
  for (const matchNumber of [1, 2, 3, 4]) market.open(someMatch(matchNumber), options.capacity ?? 20);
  const provider = options.provider ?? new FakeProvider();
  return assemble(options, {
    clock,
    market,
    provider,
    store: new MemoryIdempotency(),
    security: new FakeSecurity(),
    documents: new MemoryDocuments(() => clock.now()),
    confirmed: new Set(),
    accounts: new Map(),
    cancelled: new Set(),
    analytics: new Analytics(),
  });
}

async function assemble(options: BenchOptions, stores: Stores): Promise<Bench> {
  const { clock, market, provider, store, security, documents, confirmed, accounts } = stores;
  const logs: string[] = [];
  const logger = pino({ level: 'info' }, { write: (line: string) => void logs.push(line) });
  const registry = new Registry();
  const metrics = createMetrics(registry);
  const ports = { documents, clock, logger, waitMs: 1_000 };
  const hashes = new MemoryHashes();
  const book = new PhaseBook({ ...ports, redis: hashes, bus: hashes.bus, keys: new RedisKeys('t') });
  // Nothing looks again by itself: time stands still here.
  await book.read();
  const codes = new CodeSets({ ...ports, secret: SECRET });
  const model = new ReadModel({
    counters: market.counters,
    catalog: market.catalog,
    sales: book,
    clock,
    logger,
    waitMs: 1_000,
  });
  await model.start();
  const timing = { clock, waitMs: 1_000, newId: randomUUID, unkeyedOutcomeMs: 60_000 };
  const idempotency = new Idempotency({ ...timing, store, secret: SECRET, idempotencyMs: 86_400_000 });
  const records = new PaymentRecords(documents);
  const flow = new PaymentFlow({
    ...timing,
    gateway: market,
    provider,
    reader: market,
    records,
    logger,
    providerWaitMs: 5_000,
    policy: SETTLEMENT,
    returnUrl: (id) => `http://127.0.0.1/reservations/${id}`,
    taxPercent: 20,
    onSold: ({ person }) => {
      metrics.sales.inc();
      security.tell({ kind: 'bought', person });
    },
  });
  const guests = options.guests ?? 'confirmed';
  const devices = options.devices ? { devices: options.devices } : {};
  const isEmailConfirmed = async (email: string): Promise<boolean> => confirmed.has(email);
  const requireOperatorHere = (principal: Principal | null): Problem | null =>
    requireOperator(principal, { secondFactor: options.secondFactor ?? 'optional' });
  const buyers = new Buyers({
    guests,
    tokenSecret: SECRET,
    security,
    isEmailConfirmed,
    requireOperator: requireOperatorHere,
    ...devices,
  });
  const accountIndex = {
    add: async (account: string, id: string) =>
      void accounts.set(account, [id, ...(accounts.get(account) ?? [])]),
    newest: async (account: string, limit: number) => (accounts.get(account) ?? []).slice(0, limit),
  };
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
  const audited: string[] = [];
  const auditEntries: unknown[] = [];
  const audit = {
    record: async (entry: { action: string }) => {
      audited.push(entry.action);
      auditEntries.push(entry);
    },
  };
  const mails: NewMail[] = [];
  const mail = new QueuedTicketMail({
    mails: { add: async (one) => mails.push(one) > 0 },
    logger,
  });
  const shares = new Shares({ documents, clock });
  const findReservation = (id: string) => market.find(id);
  const findMatch = async (matchNumber: number) =>
    (await market.catalog.matches()).find((one) => one.matchNumber === matchNumber) ?? null;
  const requireStewardHere = (principal: Principal | null): Problem | null =>
    requireSteward(principal, { secondFactor: options.secondFactor ?? 'optional' });
  const admissions = new AdmissionRecords(documents);
  const desk = new TicketDesk({
    records: admissions,
    shares,
    codes: new TicketCodes({ secret: SECRET }),
    mail,
    audit,
    clock,
    findReservation,
    emailOf: async (account) => `${account}@example.com`,
  });
  const conflicts = new ConflictRecords(documents);
  const isCancelled = async (matchNumber: number): Promise<boolean> => stores.cancelled.has(matchNumber);
  const checkIn = new CheckInDesk({
    desk,
    records: admissions,
    conflicts,
    clock,
    counters: (tickets) => market.counters.read(tickets),
    isCancelled,
  });
  const lookup = new GuestLookup({
    archived: market,
    findReservation,
    shares,
    mail,
    clock,
    logger,
    waitMs: 1_000,
  });
  const { buyerRefundUntilMs } = options;
  const refunds = new BuyerRefunds({
    desk,
    flow,
    payments: records,
    clock,
    findReservation,
    isAllowed: options.buyerRefunds ?? true,
    until: async (matchNumber) => {
      const match = await findMatch(matchNumber);
      return match && buyerRefundUntilMs !== undefined
        ? Date.parse(match.dateUtc) - buyerRefundUntilMs
        : null;
    },
  });
  const { analytics } = stores;
  const place = (address: string): string | null => options.countryOf?.(address) ?? null;
  const recommender = new Recommender({
    matches: model,
    model: {
      current: () => analytics.served,
      refuse: (version, error) => {
        analytics.refused.push([version, error]);
        analytics.served = null;
      },
    },
    histories: new Histories({
      reservations: async (principal) => {
        analytics.reads += 1;
        const own = { archived: market, accountIndex, reader: market, clock, waitMs: 1_000 };
        return (await ownReservations(own, principal, { limit: 100 })).items;
      },
      newest: async (account) => (await accountIndex.newest(account, 1))[0],
      clock,
    }),
    countryOf: place,
    clock,
    closesAtKickoff: options.closesAtKickoff ?? false,
  });
  const intake = {
    take: async (views: readonly ViewEvent[]) => {
      if (analytics.isFull) return 'full' as const;
      analytics.views.push(...views);
      return 'taken' as const;
    },
  };
  const service = createService({
    info: { title: 'ticktak', version: '0.0.0', description: 'Under test' },
    routes: [
      ...shopRoutes({ model, stream, salesMessages }),
      recommendationsRoute(recommender),
      viewsRoute({ intake, matches: model, countryOf: place, clock, waitMs: 1_000 }),
      ...reservationRoutes({
        gateway: market,
        reader: market,
        isUnderWay: () => false,
        flow,
        idempotency,
        metrics,
        clock,
        buyers,
        pauseMessage: () => null,
        archived: market,
        accountIndex,
        records,
        isEmailConfirmed,
        guests,
        guestPurchases: new GuestPurchases({ documents, clock, keepMs: 86_400_000 }),
        taxName: 'VAT',
        taxPercent: 20,
        tokenSecret: SECRET,
        ticketsPerReservationMax: POLICY.ticketsPerReservationMax,
        waitingListMax: options.waitingListMax ?? 10,
        waitMs: 1_000,
        countryOf: place,
        sale: new SaleGate({ book, codes, security, countryOf: place, clock }),
        knows,
      }),
      ...phaseRoutes({
        book,
        codes,
        match: findMatch,
        clock,
        waitMs: 1_000,
        audit,
        requireOperator: requireOperatorHere,
      }),
      ...paymentRoutes({
        provider,
        flow,
        records,
        documents,
        idempotency,
        audit,
        clock,
        waitMs: 1_000,
        poke: () => undefined,
        requireOperator: requireOperatorHere,
        publishableKey: undefined,
        taxName: 'VAT',
        taxPercent: 20,
      }),
      ...ticketRoutes({
        desk,
        refunds,
        lookup,
        pdf: new PdfDesk(),
        buyers,
        idempotency,
        audit,
        clock,
        waitMs: 1_000,
        findReservation,
        match: findMatch,
        requireSteward: requireStewardHere,
      }),
      ...checkInRoutes({
        desk: checkIn,
        lists: new CheckInLists({
          records: admissions,
          codes: desk.codes,
          clock,
          sold: (ticket) => market.sold(ticket),
          isCancelled,
        }),
        conflicts,
        audit,
        clock,
        waitMs: 1_000,
        matches: () => market.catalog.matches(),
        isCancelled,
        requireSteward: requireStewardHere,
      }),
      ...(options.moreRoutes ?? []),
    ],
    gate: createGate({ tokens: fakeTokens, security, ...devices }),
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
    await lookup.stop();
    await model.stop();
  };
  return {
    ...stores,
    audited,
    auditEntries,
    mails,
    desk,
    lookup,
    service,
    model,
    flow,
    records,
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
  const isOther = promised?.alsoAs?.some((other) => type.startsWith(other)) ?? false;
  if (promised?.schema && !isOther) expect(promised.schema.parse(body)).toEqual(body);
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
