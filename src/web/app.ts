/**
 * What is behind the client port: the web app, and under the same origin the API of all services and the operators'
 * board.
 *
 * Guarantees: a browser needs no other address than this one; nobody can make a service take another address for
 * theirs; every page passes the security check before anything is made for it, and every request of the API passes
 * that of its service; the API is served whether the web app was built or not, and pages whether the shop answers or
 * not.
 */
import type { ServerResponse } from 'node:http';
import type { Express, NextFunction, Request, RequestHandler, Response } from 'express';
import expressStaticGzip from 'express-static-gzip';
import { send, type Answer } from '../http/api.js';
import { Problem, overloaded } from '../http/problem.js';
import type { Gate } from '../http/service.js';
import type { RouteClass } from '../security/port.js';
import type { BuiltWeb } from './built.js';
import { encodingFor } from './encoding.js';
import type { Forwarder } from './forwarder.js';
import { SERVICE_WORKER_HEADERS } from './headers.js';
import type { MatchesSource } from './matches.js';
import { Compressed, type Page, type PageRequest, type Pages } from './pages.js';
import { robots, sitemap } from './site.js';
import { isForwarded, upstreamOf, type Upstream } from './upstreams.js';

export interface WebOptions {
  /** A service that is missing answers "not found". */
  readonly forwarders: ReadonlyMap<Upstream, Pick<Forwarder, 'forward'>>;
  readonly gate: Gate;
  /** Null when the web app was not built. */
  readonly site: {
    readonly built: BuiltWeb;
    readonly pages: Pick<Pages, 'page'>;
    readonly matches: Pick<MatchesSource, 'current'>;
    readonly origin: string;
    readonly headers: Readonly<Record<string, string>>;
    /** Of the page that stewards scan with, in place of `headers`. */
    readonly gateHeaders: Readonly<Record<string, string>>;
  } | null;
}

type Site = NonNullable<WebOptions['site']>;

/** Mounts all of it; what is left unanswered does not exist. */
export function mountWeb(app: Express, { forwarders, gate, site }: WebOptions): void {
  app.use(api(forwarders, gate));
  if (!site) {
    app.use(getOnly, async (request, response) => {
      const refused = await gate(request, response, 'read');
      send(response, refused ?? new Problem('not_found', { detail: NOT_BUILT }));
    });
    return;
  }
  app.use(assets(site.built, gate));
  app.use(getOnly);
  app.use(async (request, response, next) => {
    // The same for what is there and what is not: a link that leads nowhere makes nobody suspicious.
    const refused = await gate(request, response, 'read');
    if (refused) send(response, refused);
    else next();
  });
  app.get('/robots.txt', async (_request, response) => {
    response.locals['route'] = '/robots.txt';
    send(response, textAnswer('text/plain', robots(await siteOf(site))));
  });
  app.get('/sitemap.xml', async (_request, response) => {
    response.locals['route'] = '/sitemap.xml';
    const { list } = await site.matches.current();
    send(response, list ? textAnswer('application/xml', sitemap(await siteOf(site), list)) : overloaded());
  });
  app.use(pages(site));
}

const NOT_BUILT = 'The web app was not built: run npm run build, and start again. The API is under /api.';
const FALLBACK_LANGUAGES = ['en', 'ar'];

async function siteOf({ built, origin }: Site): Promise<Parameters<typeof robots>[0]> {
  try {
    const { languages } = await built.bundle();
    return { origin, languages };
  } catch {
    // Said already where the pages are made.
    return { origin, languages: FALLBACK_LANGUAGES };
  }
}

const textAnswer = (type: string, content: string): Answer => ({
  status: 200,
  text: { type: `${type}; charset=utf-8`, content },
  headers: { 'Cache-Control': `public, max-age=${SITE_SECONDS}` },
});

const SITE_SECONDS = 300;

/** Its own service checks a request of the API or the board; what no service answers is checked here. */
function api(forwarders: WebOptions['forwarders'], gate: Gate): RequestHandler {
  return async (request, response, next) => {
    const path = pathOf(request);
    if (!isForwarded(path)) {
      next();
      return;
    }
    const upstream = upstreamOf(path);
    const forwarder = upstream && forwarders.get(upstream);
    if (!forwarder) {
      const refused = await gate(request, response, 'unknown');
      send(response, refused ?? new Problem('not_found'));
      return;
    }
    response.locals['route'] = `forwarded: ${upstream}`;
    const handled = await forwarder.forward(request, response);
    if (handled !== 'streaming') send(response, handled);
  };
}

function getOnly(request: Request, response: Response, next: NextFunction): void {
  if (request.method === 'GET' || request.method === 'HEAD') next();
  else send(response, new Problem('method_not_allowed', { headers: { Allow: 'GET, HEAD' } }));
}

/** The page that stewards scan with, in any language, and what opens it without a network. */
const GATE_PAGE = /^(?:\/[a-z]{2})?\/check-in\/?$/;
const SERVICE_WORKER = '/check-in-worker.js';

const IMMUTABLE_SECONDS = 365 * 24 * 60 * 60;
const FILE_SECONDS = 60 * 60;

/**
 * Files of the build, the smallest form that the browser takes. Their names are known from the start, so nothing
 * else of the disk can be asked for; they cost nothing and are the same for everybody, so nothing is checked.
 */
function assets({ clientDir, files }: BuiltWeb, gate: Gate): RequestHandler {
  const serve = expressStaticGzip(clientDir, {
    enableBrotli: true,
    index: false,
    orderPreference: ['br', 'gz'],
    serveStatic: {
      cacheControl: false,
      fallthrough: true,
      redirect: false,
      setHeaders: (response, file: string) => {
        // Another content has another name.
        const isHashed = file.startsWith(`${clientDir}/assets/`);
        const cache = isHashed ? `max-age=${IMMUTABLE_SECONDS}, immutable` : `max-age=${FILE_SECONDS}`;
        response.setHeader('Cache-Control', `public, ${cache}`);
        if (file.startsWith(`${clientDir}${SERVICE_WORKER}`)) set(response, SERVICE_WORKER_HEADERS);
      },
    },
  });
  return async (request, response, next) => {
    const path = pathOf(request);
    const isAsset = path.startsWith('/assets/');
    if (!isAsset && !files.has(path)) {
      next();
      return;
    }
    response.locals['route'] = isAsset ? '/assets' : 'file';
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (!files.has(path) || !isRead) {
      const refused = await gate(request, response, 'read' satisfies RouteClass);
      send(response, refused ?? new Problem(isRead ? 'not_found' : 'method_not_allowed'));
      return;
    }
    serve(request, response, (error?: unknown) => {
      // The file went while we run: what was said of it is not true of the answer.
      for (const name of ['Content-Encoding', 'Content-Type', 'Vary']) response.removeHeader(name);
      if (error === undefined) send(response, new Problem('not_found'));
      else next(error);
    });
  };
}

const URL_CHARS_MAX = 2_000;

function pages({ pages: maker, headers, gateHeaders }: Site): RequestHandler {
  const compressed = new Compressed();
  return async (request, response) => {
    response.locals['route'] = 'page';
    const asked = pageRequestOf(request);
    if (!asked) {
      send(response, new Problem('not_found', { detail: 'The address is too long.' }));
      return;
    }
    const page = await maker.page(asked);
    set(response, GATE_PAGE.test(pathOf(request)) ? gateHeaders : headers);
    set(response, page.headers);
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.vary('Accept-Encoding, Cookie');
    // Nothing in a page is of one person. It is asked for again each time, because what is available changes.
    response.setHeader('Cache-Control', page.isWhole ? 'no-cache' : 'no-store');
    if (page.isWhole) response.setHeader('ETag', page.etag);
    response.statusCode = page.status;
    if (page.isWhole && page.status === 200 && isSame(request.get('If-None-Match'), page.etag)) {
      response.statusCode = 304;
      response.removeHeader('Content-Type');
      response.end();
      return;
    }
    await sendPage(request, response, page, compressed);
  };
}

function set(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

async function sendPage(
  request: Request,
  response: Response,
  page: Page,
  compressed: Compressed,
): Promise<void> {
  const encoding = encodingFor(request.headers);
  const body = encoding === null ? Buffer.from(page.html) : await compressed.of(page, encoding);
  if (encoding !== null) response.setHeader('Content-Encoding', encoding);
  response.setHeader('Content-Length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** The browser's choice, which the app keeps where the server can read it. */
const THEME = /(?:^|;\s*)theme=(light|dark)(?:;|$)/;

function pageRequestOf(request: Request): PageRequest | null {
  const { originalUrl: url } = request;
  if (url.length > URL_CHARS_MAX) return null;
  const theme = THEME.exec(request.get('Cookie') ?? '')?.[1];
  return { url, theme: theme === 'light' || theme === 'dark' ? theme : null };
}

/** RFC 9110 section 13.1.2: weak comparison. */
function isSame(presented: string | undefined, etag: string): boolean {
  const bare = etag.replace(/^W\//, '');
  return (presented ?? '').split(',').some((tag) => tag.trim().replace(/^W\//, '') === bare);
}

function pathOf({ originalUrl }: Request): string {
  return originalUrl.split('?', 1)[0] ?? '';
}
