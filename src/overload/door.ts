/**
 * The door of a service, before anything is read, checked or routed. Guarantees: what is refused costs a look at a table and one
 * small write; it is answered 503 `overloaded` with a Retry-After of its own, so that those who are refused together do not come
 * back together; where an answer that may be a moment old is at hand, those who look get that instead, and it says so.
 */
import { randomInt, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PROBLEM_TYPE, overloaded } from '../http/problem.js';
import type { Admission } from './admission.js';
import { loadClassOf, pathOf, type LoadClass } from './classes.js';

/** What is known without asking anybody, as JSON; it may be behind. */
export interface StaleAnswer {
  readonly json: string;
  /** Absent: it has none. */
  readonly etag?: string;
}

export interface DoorOptions {
  readonly admission: Pick<Admission, 'admits' | 'enter' | 'isHard'>;
  /** For a path without a query; null when there is none. */
  readonly stale?: (path: string) => StaleAnswer | null;
  readonly corsOrigins?: readonly string[];
  /** Whether another door of this process has let it in, which counts it. */
  readonly isLetIn?: (request: IncomingMessage) => boolean;
  readonly onShed?: (loadClass: LoadClass, answer: 'refused' | 'stale') => void;
}

export type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Whole seconds after which those who are refused may come back: those who pay sooner. */
const RETRY_AFTER_S = { others: { min: 2, max: 8 }, pay: { min: 1, max: 3 } } as const;
/** A larger body of a refused request is not waited for: its connection ends. */
const BODY_BYTES_MAX = 64 * 1024;

const REFUSAL = { type: PROBLEM_TYPE, body: Buffer.from(JSON.stringify(overloaded().body)) };
/** For people, whose browser asks again by itself. */
const PAGE = {
  type: 'text/html; charset=utf-8',
  body: Buffer.from(
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
      '<meta http-equiv="refresh" content="8"><title>ticktak</title>' +
      '<p>Very many people are looking just now. This page is asked for again in a few seconds.</p>' +
      '<p lang="ar" dir="rtl">عدد كبير جدًا من الناس يتصفح الآن. ستُطلب هذه الصفحة مجددًا خلال ثوانٍ.</p></html>',
  ),
};
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** As every answer of an API has them. */
const SAFE = [
  ['Content-Security-Policy', "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'"],
  ['X-Content-Type-Options', 'nosniff'],
] as const;

/** On the end of one answer: past Node's default it would warn of a leak. */
const LISTENERS_MAX = 20;

export function createDoor(app: Listener, options: DoorOptions): Listener {
  const { admission, onShed } = options;
  return (request, response) => {
    const { method = 'GET', url = '/' } = request;
    const path = pathOf(url);
    const { loadClass, isStream } = loadClassOf(method, path);
    const isLetIn = options.isLetIn?.(request) ?? false;
    if (isLetIn || admission.admits(loadClass)) {
      if (!isStream && !isLetIn) {
        // One more than what answers a request has of its own.
        response.setMaxListeners(LISTENERS_MAX);
        response.once('close', admission.enter(loadClass));
      }
      app(request, response);
      return;
    }
    allowOrigin(request, response, options.corsOrigins);
    const isPlainRead = loadClass === 'browse' && method === 'GET' && !url.includes('?') && !admission.isHard;
    const stale = isPlainRead ? (options.stale?.(path) ?? null) : null;
    if (stale) answerStale(request, response, stale);
    else refuse(request, response, loadClass, isPage(request, path) ? PAGE : REFUSAL);
    onShed?.(loadClass, stale ? 'stale' : 'refused');
  };
}

function head(request: IncomingMessage, response: ServerResponse): void {
  const { 'x-request-id': presented } = request.headers;
  const isGood = typeof presented === 'string' && REQUEST_ID.test(presented);
  response.setHeader('X-Request-Id', isGood ? presented : randomUUID());
  for (const [name, value] of SAFE) response.setHeader(name, value);
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  loadClass: LoadClass,
  { type, body }: typeof REFUSAL,
): void {
  const { min, max } = RETRY_AFTER_S[loadClass === 'pay' ? 'pay' : 'others'];
  head(request, response);
  response.setHeader('Content-Type', type);
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Retry-After', randomInt(min, max + 1));
  response.setHeader('Content-Length', body.length);
  if (hasLargeBody(request)) response.setHeader('Connection', 'close');
  response.statusCode = 503;
  response.end(request.method === 'HEAD' ? undefined : body);
}

/** RFC 9111 section 5.5 has no header for it any more; this one says it to whoever asks. */
export const STALE_HEADER = 'X-Stale';

function answerStale(request: IncomingMessage, response: ServerResponse, { json, etag }: StaleAnswer): void {
  head(request, response);
  response.setHeader(STALE_HEADER, 'true');
  response.setHeader('Cache-Control', 'no-cache');
  if (etag !== undefined) {
    response.setHeader('ETag', etag);
    if (request.headers['if-none-match'] === etag) {
      response.statusCode = 304;
      response.end();
      return;
    }
  }
  response.setHeader('Content-Type', 'application/json; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(json));
  response.end(json);
}

function isPage({ headers: { accept = '' } }: IncomingMessage, path: string): boolean {
  return !path.startsWith('/api/') && accept.includes('text/html');
}

function hasLargeBody({ headers }: IncomingMessage): boolean {
  return (
    headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > BODY_BYTES_MAX
  );
}

/** What a page of another origin may read beside the body: of `Date` its countdowns take the server's clock. */
export const EXPOSED_HEADERS = [
  'Date',
  'ETag',
  'Location',
  'Retry-After',
  'X-Request-Id',
  STALE_HEADER,
] as const;

/** A page of another origin that may use the API may read why it is refused. */
function allowOrigin(
  { headers: { origin } }: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[] = [],
): void {
  if (origin === undefined || !origins.includes(origin)) return;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', EXPOSED_HEADERS.join(', '));
  response.setHeader('Vary', 'Origin');
}
