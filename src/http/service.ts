/**
 * What every HTTP service has: safe headers, request ids, logs, health, metrics, its documentation, and an
 * orderly end.
 *
 * Guarantees: no body, token or e-mail address is logged; the service says it is not ready before it stops
 * accepting; a request that was accepted before `close` is answered, within a bound.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import cors from 'cors';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import { defineRoute, jsonReader, openApiDocument, rawReader, requestIdOf, send } from './api.js';
import type { Answer, ApiInfo, BodyReaders, Route } from './api.js';
import { bounded } from './bounded.js';
import { docsPage } from './docs.js';
import { createDoor, EXPOSED_HEADERS, type DoorOptions, type Listener } from '../overload/door.js';
import { believeForwarder, type ForwardedSeal } from './forwarded.js';
import type { RouteClass } from '../security/port.js';
import type { Metrics } from './metrics.js';
import { Problem, problemOfError, rawResponse } from './problem.js';

export interface ReadinessCheck {
  readonly name: string;
  /** Rejects when the part cannot do its work. */
  check(): Promise<void>;
}

export interface ServiceLimits {
  /** Largest body. */
  readonly bodyBytesMax: number;
  readonly headerBytesMax: number;
  readonly headersCountMax: number;
  /** Time for the headers, and for the whole request, to arrive. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long one readiness check may take. */
  readonly readinessMs: number;
  /** Between saying "not ready" and accepting no more, so that a balancer can turn away. 0 for none. */
  readonly drainMs: number;
  /** How long requests in flight may take once the service is closing. */
  readonly closeMs: number;
}

export const SERVICE_LIMITS: ServiceLimits = {
  bodyBytesMax: 64 * 1024,
  headerBytesMax: 16 * 1024,
  headersCountMax: 100,
  headersMs: 10_000,
  requestMs: 30_000,
  keepAliveMs: 65_000,
  readinessMs: 2_000,
  drainMs: 0,
  closeMs: 10_000,
};

/**
 * What a request passes before anything else is done for it; health and metrics, which machines ask for, do
 * not. Puts the principal where `principalOf` finds it; answers why the request may not go on, or null.
 */
export type Gate = (request: Request, response: Response, routeClass: RouteClass) => Promise<Problem | null>;

export interface ServiceOptions {
  readonly info: ApiInfo;
  readonly routes: readonly Route[];
  readonly checks: readonly ReadinessCheck[];
  readonly registry: Registry;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The setting to change when the port is taken, for the error that says so. */
  readonly portSetting: string;
  readonly limits?: Partial<ServiceLimits>;
  readonly gate?: Gate;
  /** Pages of these origins may use the API, without cookies. */
  readonly corsOrigins?: readonly string[];
  /** Express `trust proxy`: whose X-Forwarded-For is believed. False when nobody's. */
  readonly trustProxy?: boolean | number | string;
  /** Checks the client role's word of whom it forwards for. Absent: nobody's is taken. */
  readonly forwarded?: ForwardedSeal;
  /** Mounts what is no API: the operators' pages, the web app. Before the answer "not found". */
  readonly mount?: (app: Express) => void;
  /** Refuses requests before anything else, while more is asked than can be done. Absent: none. */
  readonly door?: Omit<DoorOptions, 'corsOrigins'>;
  /** Dependencies that are left alone while they are down, for those who ask how ready this is. */
  readonly breakers?: () => readonly BreakerView[];
  /** Called when the service starts to close: ends streams that would not end by themselves. */
  readonly onClosing?: readonly (() => void)[];
}

export interface Service {
  readonly app: Express;
  /** The API's routes, the ones every service has included. */
  readonly routes: readonly Route[];
  /** Resolves with the port that was bound. Rejects with one clear line when it cannot be. */
  listen(host: string, port: number): Promise<number>;
  /** Not ready from now on; stops accepting, finishes what was accepted. Resolves when all is closed. */
  close(): Promise<void>;
}

export function createService(options: ServiceOptions): Service {
  const limits = { ...SERVICE_LIMITS, ...options.limits };
  const state = { closing: false };
  const routes: Route[] = [...options.routes, ...commonRoutes(options, limits, state, () => routes)];
  const { bodyBytesMax } = limits;
  const largeBytesMax = Math.max(bodyBytesMax, RAW_BYTES_MIN);
  const readers = {
    json: jsonReader(bodyBytesMax),
    largeJson: jsonReader(largeBytesMax),
    raw: rawReader(largeBytesMax),
  };
  const app = createApp(options, routes, readers, state);
  const { door } = options;
  const listener = door ? createDoor(app, { ...door, ...insideOf(options) }) : app;
  const server = createHttpServer(listener, limits, state);
  return {
    app,
    routes,
    listen: (host, port) => listen(server, host, port, options.portSetting),
    close: closer(server, options, limits, state),
  };
}

/** Signed messages of a payment provider may be larger than any body of a client. */
export const RAW_BYTES_MIN = 512 * 1024;

interface State {
  closing: boolean;
}

function createApp(
  options: ServiceOptions,
  routes: readonly Route[],
  readers: BodyReaders,
  state: State,
): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', options.trustProxy ?? false);
  app.use(identify);
  app.use(believeForwarder(options.forwarded, options.clock, options.logger));
  app.use(observe(options, state));
  app.use(requestLog(options.logger));
  app.use(safeHeaders());
  app.use(refuseUnclear);
  if (options.corsOrigins) app.use('/api', crossOrigin(options.corsOrigins));
  for (const route of routes) register(app, route, readers, options.gate);
  refuseOtherMethods(app, routes);
  options.mount?.(app);
  app.use(async (request, response) => {
    const refused = await options.gate?.(request, response, 'unknown');
    send(response, refused ?? new Problem('not_found'));
  });
  app.use(errorHandler(options.logger));
  return app;
}

/** Who is allowed to read, and who was let in already. */
function insideOf({ corsOrigins, forwarded }: ServiceOptions): Pick<DoorOptions, 'corsOrigins' | 'isLetIn'> {
  return {
    ...(corsOrigins && { corsOrigins }),
    ...(forwarded && { isLetIn: ({ headers }) => forwarded.isLetIn(headers) }),
  };
}

/** Nothing of an API may be framed, sniffed or run. */
function safeHeaders(): express.RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    // Plain HTTP on a local port must stay reachable; where there is TLS, the proxy that ends it sends HSTS.
    strictTransportSecurity: false,
  });
}

/** Without it no page of another origin reads anything. Never with cookies: those are for our own pages. */
function crossOrigin(origins: readonly string[]): express.RequestHandler {
  return cors({
    origin: [...origins],
    credentials: false,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [
      'Authorization',
      'Content-Type',
      'Idempotency-Key',
      'Waiting-Room-Pass',
      'Waiting-Room-Token',
      'X-Challenge-Solution',
      'Access-Code',
      'X-Request-Id',
      'X-Reservation-Token',
    ],
    exposedHeaders: [...EXPOSED_HEADERS],
    maxAge: CORS_SECONDS,
  });
}

const CORS_SECONDS = 600;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

function identify(request: Request, response: Response, next: NextFunction): void {
  const presented = request.get('X-Request-Id');
  const id = presented !== undefined && REQUEST_ID.test(presented) ? presented : randomUUID();
  response.locals['requestId'] = id;
  response.setHeader('X-Request-Id', id);
  next();
}

/** Told like any other mistake: Node's own answers to these have no body. RFC 9112 section 3.2, RFC 9110 section 10.1.1. */
function refuseUnclear(request: Request, response: Response, next: NextFunction): void {
  const { httpVersion, headers } = request;
  const { host, expect = '100-continue' } = headers;
  if (httpVersion === '1.1' && host === undefined) {
    refuseAndClose(response, { detail: 'The Host header is missing.' });
  } else if (expect.toLowerCase() !== '100-continue') {
    refuseAndClose(response, { status: 417, detail: 'Nothing but 100-continue can be expected.' });
  } else next();
}

/** Its body was not read, and what comes behind it may not be what it seems. */
function refuseAndClose(response: Response, options: { status?: number; detail: string }): void {
  send(response, new Problem('malformed_request', { ...options, headers: { Connection: 'close' } }));
}

const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

function observe({ metrics, clock }: ServiceOptions, state: State): express.RequestHandler {
  return (request, response, next) => {
    const startedAt = clock.now();
    if (state.closing) response.setHeader('Connection', 'close');
    response.once('finish', () => {
      const { route, code } = response.locals as { route?: unknown; code?: unknown };
      const labels = {
        // Only names of our own: a client must not be able to make new time series.
        route: typeof route === 'string' ? route : 'other',
        method: KNOWN_METHODS.has(request.method) ? request.method : 'OTHER',
        status: String(response.statusCode),
      };
      metrics.httpSeconds.observe(labels, (clock.now() - startedAt) / 1_000);
      if (typeof code === 'string') metrics.refusals.inc({ code });
    });
    next();
  };
}

const QUIET = /^\/(health|metrics)/;

/** One line a request, when it has ended. Nothing is made for one whose line is below the level: most are. */
function requestLog(logger: Logger): express.RequestHandler {
  return (request, response, next) => {
    if (!QUIET.test(request.originalUrl)) {
      const startedAt = performance.now();
      // After `finish`, or alone when the client has gone or the answer failed.
      response.once('close', () => logEnd(logger, request, response, startedAt));
    }
    next();
  };
}

function logEnd(logger: Logger, request: Request, response: Response, startedAt: number): void {
  const { statusCode: status, writableEnded } = response;
  const level = status === 500 ? 'error' : status > 500 ? 'warn' : 'info';
  if (!logger.isLevelEnabled(level)) return;
  const isWhole = writableEnded && !request.readableAborted;
  const outcome = status >= 500 ? 'errored' : isWhole ? 'completed' : 'aborted';
  // Not the headers (tokens), not the query (what people search for), not the body.
  logger[level](
    {
      reqId: requestIdOf(response),
      method: request.method,
      path: loggedPath(request.originalUrl),
      status,
      code: (response.locals as { code?: unknown }).code,
      responseTime: Math.round(performance.now() - startedAt),
    },
    `request ${outcome}`,
  );
}

const PATH_CHARS_MAX = 200;

/** The path without its query, and without anything that looks like an e-mail address. */
function loggedPath(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  return path.slice(0, PATH_CHARS_MAX).replace(/[^/]*(@|%40)[^/]*/gi, '[hidden]');
}

function register(app: Express, route: Route, readers: BodyReaders, gate: Gate | undefined): void {
  const routeClass = route.routeClass ?? (route.method === 'get' ? 'read' : 'write');
  app[route.method](expressPath(route.path), async (request: Request, response: Response) => {
    response.locals['route'] = route.path;
    const refused = QUIET.test(route.path) ? null : await gate?.(request, response, routeClass);
    const handled = refused ?? (await route.serve(request, response, readers));
    if (handled !== 'streaming') send(response, handled);
  });
}

const expressPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

/** A path that exists answers OPTIONS with what it takes, and anything else with 405. */
function refuseOtherMethods(app: Express, routes: readonly Route[]): void {
  const byPath = new Map<string, Set<string>>();
  for (const { path, method } of routes) {
    const methods = byPath.get(path) ?? new Set(['OPTIONS']);
    methods.add(method.toUpperCase());
    if (method === 'get') methods.add('HEAD');
    byPath.set(path, methods);
  }
  for (const [path, methods] of byPath) {
    const headers = { Allow: [...methods].sort().join(', ') };
    app.all(expressPath(path), (request, response) => {
      response.locals['route'] = path;
      const isQuestion = request.method === 'OPTIONS';
      send(response, isQuestion ? { status: 204, headers } : new Problem('method_not_allowed', { headers }));
    });
  }
}

/** Express tells an error handler by its four parameters. */
function errorHandler(logger: Logger): express.ErrorRequestHandler {
  return (error: unknown, request, response, next: NextFunction) => {
    const { problem, expected } = problemOfError(error);
    const about = { requestId: requestIdOf(response), path: loggedPath(request.originalUrl) };
    if (!expected) logger.error({ ...about, error: described(error) }, 'a request failed unexpectedly');
    else if (problem.status >= 500)
      logger.warn({ ...about, error: described(error) }, 'a request was refused');
    if (response.headersSent) next(error);
    else send(response, problem);
  };
}

/** What a log needs of an error: not its further members, which may quote a body. */
function described(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const cause = error.cause === undefined ? {} : { cause: described(error.cause) };
  return { name: error.name, message: error.message, stack: error.stack, ...cause };
}

function commonRoutes(
  options: ServiceOptions,
  limits: ServiceLimits,
  state: State,
  all: () => readonly Route[],
): Route[] {
  const readiness = readinessOf(options, limits, state);
  const document = once(() => openApiDocument(options.info, all()));
  const page = once(() => docsPage(document()));
  const page200 = (): Answer => ({
    status: 200,
    text: { type: 'text/html; charset=utf-8', content: page().html },
    headers: { 'Content-Security-Policy': page().csp, 'Cache-Control': 'no-cache' },
  });
  const health = z.object({ status: z.string() });
  return [
    defineRoute({
      method: 'get',
      path: '/health/live',
      tag: 'service',
      summary: 'The process runs',
      responses: { 200: { description: 'It does', schema: health } },
      handle: () => ({ status: 200, body: { status: 'live' } }),
    }),
    defineRoute({
      method: 'get',
      path: '/health/ready',
      tag: 'service',
      summary: 'The service can do its work',
      responses: { 200: { description: 'Every part answers', schema: readySchema } },
      problems: ['not_ready'],
      handle: readiness.answer,
    }),
    defineRoute({
      method: 'get',
      path: '/metrics',
      tag: 'service',
      summary: 'Metrics for Prometheus',
      responses: { 200: { description: 'Text exposition format', contentType: 'text/plain' } },
      handle: async () => {
        await readiness.look();
        return {
          status: 200,
          text: { type: options.registry.contentType, content: await options.registry.metrics() },
        };
      },
    }),
    defineRoute({
      method: 'get',
      path: '/api/v1/openapi.json',
      tag: 'service',
      summary: 'This document',
      responses: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
      handle: () => ({ status: 200, body: document(), headers: { 'Cache-Control': 'no-cache' } }),
    }),
    defineRoute({
      method: 'get',
      path: '/api/v1/docs',
      tag: 'service',
      summary: 'This document as a page',
      responses: { 200: { description: 'A page', contentType: 'text/html' } },
      handle: page200,
    }),
  ];
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const partSchema = z.object({ name: z.string(), status: z.enum(['up', 'down']) });
const breakerSchema = z.object({
  dependency: z.string(),
  state: z.enum(['closed', 'half_open', 'open']).meta({
    description:
      'Whether it is asked: `open` while it is down and left alone, `half_open` while one call asks.',
  }),
});
type BreakerView = z.infer<typeof breakerSchema>;
const readySchema = z.object({
  status: z.literal('ready'),
  checks: z.array(partSchema),
  breakers: z.array(breakerSchema).optional(),
});

type Part = z.infer<typeof partSchema>;

interface Readiness {
  /** Runs the checks; whoever asks while they run gets the same answer, so that asking costs nothing. */
  readonly look: () => Promise<readonly Part[]>;
  readonly answer: () => Promise<Answer | Problem>;
}

function readinessOf(options: ServiceOptions, limits: ServiceLimits, state: State): Readiness {
  const { checks, clock, logger, metrics } = options;
  const run = async (): Promise<Part[]> =>
    Promise.all(
      checks.map(async (part) => {
        const { name } = part;
        try {
          await bounded(clock, limits.readinessMs, name, part.check());
          metrics.partReady.set({ part: name }, 1);
          return { name, status: 'up' as const };
        } catch (error) {
          metrics.partReady.set({ part: name }, 0);
          logger.warn({ part: name, error: described(error) }, 'not ready');
          return { name, status: 'down' as const };
        }
      }),
    );
  let running: ReturnType<typeof run> | null = null;
  const look = (): Promise<readonly Part[]> => {
    running ??= run().finally(() => {
      running = null;
    });
    return running;
  };
  const answer = async (): Promise<Answer | Problem> => {
    const parts = await look();
    const down = parts.filter((part) => part.status === 'down').map((part) => part.name);
    const breakers = options.breakers?.() ?? [];
    const details = { checks: parts, ...(breakers.length > 0 && { breakers }) };
    if (down.length === 0 && !state.closing) return { status: 200, body: { status: 'ready', ...details } };
    const detail = state.closing ? 'Shutting down.' : `Not answering: ${down.join(', ')}.`;
    return new Problem('not_ready', { detail, members: { closing: state.closing, ...details } });
  };
  return { look, answer };
}

function createHttpServer(app: Listener, limits: ServiceLimits, state: State): Server {
  const server = createServer({ maxHeaderSize: limits.headerBytesMax, requireHostHeader: false }, app);
  server.on('checkExpectation', app);
  server.headersTimeout = limits.headersMs;
  server.requestTimeout = limits.requestMs;
  server.keepAliveTimeout = limits.keepAliveMs;
  server.maxHeadersCount = limits.headersCountMax;
  // A connection that becomes idle while the service closes has had its last answer.
  server.on('request', (_request, response) => {
    response.once('close', () => {
      if (state.closing) server.closeIdleConnections();
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
      socket.destroy();
      return;
    }
    socket.end(unparsable(error.code));
  });
  return server;
}

function unparsable(code: string | undefined): string {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return rawResponse(new Problem('headers_too_large'), 'Request Header Fields Too Large');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return rawResponse(new Problem('request_timeout'), 'Request Timeout');
    default:
      return rawResponse(new Problem('malformed_request'), 'Bad Request');
  }
}

async function listen(server: Server, host: string, port: number, setting: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      reject(new Error(cannotListen(error.code, host, port, setting), { cause: error }));
    };
    server.once('error', failed);
    server.listen({ host, port }, () => {
      server.off('error', failed);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}

function cannotListen(code: string | undefined, host: string, port: number, setting: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is already in use; set ${setting} to a free port.`;
    case 'EACCES':
      return `Port ${port} on ${host} may not be used by this user; set ${setting} to a port above 1023.`;
    default:
      return `Cannot listen on ${host}:${port} (${code ?? 'unknown error'}); check ${setting} and the host.`;
  }
}

function closer(
  server: Server,
  options: ServiceOptions,
  limits: ServiceLimits,
  state: State,
): () => Promise<void> {
  const { clock, onClosing } = options;
  const close = async (): Promise<void> => {
    state.closing = true;
    if (limits.drainMs > 0) await new Promise<void>((resolve) => clock.schedule(limits.drainMs, resolve));
    for (const end of onClosing ?? []) end();
    if (!server.listening) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.schedule(limits.closeMs, () => server.closeAllConnections());
      server.close(() => {
        cancel();
        resolve();
      });
      server.closeIdleConnections();
    });
  };
  let closing: Promise<void> | null = null;
  return () => (closing ??= close());
}
