/**
 * Hands a request of the API to the service that answers it, and the answer back.
 *
 * Guarantees: bodies pass piece by piece both ways, so an event of a stream is sent on when it comes and no body is
 * kept; what is under way is bounded in number and in time; when the browser leaves, the service is told; a service
 * that is away is a 503 that says whether anything was done; an answer that breaks off breaks off for the browser too.
 */
import { pipeline } from 'node:stream/promises';
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';
import type { Request, Response } from 'express';
import { errors, Pool, type Dispatcher } from 'undici';
import type { Clock } from '../actors/ports.js';
import { requestIdOf } from '../http/api.js';
import { FORWARDED_HEADER, LET_IN_HEADER, type ForwardedSeal } from '../http/forwarded.js';
import { outcomeUnknown, overloaded, Problem } from '../http/problem.js';
import { roomFor } from '../overload/admission.js';
import { loadClassOf } from '../overload/classes.js';
import type { Logger } from '../process/log.js';
import { encodingFor, type Encoding } from './encoding.js';
import { isApi, type Upstream } from './upstreams.js';

export interface ForwarderLimits {
  /** Largest body; a service may take less. */
  readonly bodyBytesMax: number;
  /** How long a service may take to begin its answer. */
  readonly answerMs: number;
  /** Between two pieces of an answer. */
  readonly silenceMs: number;
  /** The same for a stream, whose service says something more often. */
  readonly streamSilenceMs: number;
  readonly connectMs: number;
  /** How long an idle connection is kept: less than the services keep theirs. */
  readonly keepAliveMs: number;
  /** Requests under way to one service, and streams. More are refused. */
  readonly requestsMax: number;
  readonly streamsMax: number;
}

export const FORWARDER_LIMITS: ForwarderLimits = {
  bodyBytesMax: 512 * 1024,
  answerMs: 30_000,
  silenceMs: 30_000,
  streamSilenceMs: 60_000,
  connectMs: 2_000,
  keepAliveMs: 30_000,
  requestsMax: 1_000,
  streamsMax: 10_000,
};

export interface ForwarderOptions {
  readonly upstream: Upstream;
  /** True for a service of this process, whose door need not look at a request again. */
  readonly isHere?: boolean;
  /** Of the service: `http://host:3000`, with a path before that of the API if there is one. */
  readonly url: string;
  readonly seal: ForwardedSeal;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<ForwarderLimits>;
}

/** Meant for the next hop only (RFC 9110 section 7.6.1), or made anew for it. */
const NOT_FORWARDED: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // Whose request it is, the sealed header says; these anybody can write.
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  FORWARDED_HEADER,
  LET_IN_HEADER,
]);

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** Smaller ones are not worth it. */
const COMPRESSED_BYTES_MIN = 1_400;
const LOG_MS = 5_000;

export class Forwarder {
  readonly upstream: Upstream;
  readonly #options: ForwarderOptions;
  readonly #limits: ForwarderLimits;
  readonly #basePath: string;
  readonly #requests: Pool;
  readonly #streams: Pool;
  /** One for each stream under way. */
  readonly #open = new Set<AbortController>();
  #underWay = 0;
  #loggedAt = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.upstream = options.upstream;
    const limits = { ...FORWARDER_LIMITS, ...options.limits };
    this.#limits = limits;
    const { origin, pathname } = new URL(options.url);
    this.#basePath = pathname.replace(/\/$/, '');
    const shared = {
      connect: { timeout: limits.connectMs },
      keepAliveTimeout: limits.keepAliveMs,
      keepAliveMaxTimeout: limits.keepAliveMs,
      headersTimeout: limits.answerMs,
    };
    // Streams have connections of their own: however many are open, requests find one.
    this.#requests = new Pool(origin, {
      ...shared,
      connections: limits.requestsMax,
      bodyTimeout: limits.silenceMs,
    });
    this.#streams = new Pool(origin, {
      ...shared,
      connections: limits.streamsMax,
      bodyTimeout: limits.streamSilenceMs,
    });
  }

  /** A request of our own: the matches for a page. Rejects when the service does not answer. */
  get(
    path: string,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<Dispatcher.ResponseData> {
    const signal = AbortSignal.timeout(timeoutMs);
    return this.#requests.request({ method: 'GET', path: this.#basePath + path, headers, signal });
  }

  /** Sends the service's answer, or answers why there is none. */
  async forward(request: Request, response: Response): Promise<Problem | 'streaming'> {
    const { loadClass, isStream: isOfStream } = loadClassOf(request.method, pathOf(request));
    const { requestsMax, streamsMax, bodyBytesMax } = this.#limits;
    // A service that is slow fills its places with those who look, and keeps some for those who pay.
    const room = roomFor(loadClass, requestsMax);
    if (isOfStream ? this.#open.size >= streamsMax : this.#underWay >= room) return overloaded();
    if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax)
      return new Problem('payload_too_large');
    const left = new AbortController();
    const leave = (): void => {
      if (!response.writableFinished) left.abort();
    };
    response.once('close', leave);
    if (isOfStream) this.#open.add(left);
    else this.#underWay += 1;
    try {
      return await this.#exchange(request, response, left.signal, isOfStream);
    } finally {
      response.off('close', leave);
      if (isOfStream) this.#open.delete(left);
      else this.#underWay -= 1;
    }
  }

  /** Ends the streams that would not end by themselves. */
  endStreams(): void {
    for (const open of this.#open) open.abort();
  }

  async stop(): Promise<void> {
    this.endStreams();
    await Promise.all([this.#requests.destroy(), this.#streams.destroy()]);
  }

  async #exchange(
    request: Request,
    response: Response,
    signal: AbortSignal,
    isOfStream: boolean,
  ): Promise<Problem | 'streaming'> {
    let answer: Dispatcher.ResponseData;
    try {
      answer = await (isOfStream ? this.#streams : this.#requests).request({
        method: request.method,
        path: this.#basePath + request.originalUrl,
        headers: this.#headers(request, response),
        body: hasBody(request.headers) ? request : null,
        signal,
      });
    } catch (error) {
      return response.destroyed ? 'streaming' : this.#unanswered(error, request, signal);
    }
    const compress = this.#compressorOf(request, answer);
    copyHead(answer, response, compress?.encoding ?? null);
    if (isOfStream) response.flushHeaders();
    try {
      await (compress ? pipeline(answer.body, compress.stream, response) : pipeline(answer.body, response));
    } catch (error) {
      // What was sent cannot be taken back: the connection ends before the answer does, so nobody takes it for whole.
      if (!signal.aborted) this.#log(error, 'an answer broke off');
      response.destroy();
    }
    return 'streaming';
  }

  #headers(request: Request, response: Response): Record<string, string | string[]> {
    const dropped = namedBy(request.headers.connection);
    const headers: Record<string, string | string[]> = {};
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined && !NOT_FORWARDED.has(name) && !dropped.has(name)) headers[name] = value;
    }
    headers['x-request-id'] = requestIdOf(response);
    const { address, host } = { address: request.ip ?? '', host: request.headers.host ?? '' };
    const { seal, isHere = false } = this.#options;
    headers[FORWARDED_HEADER] = seal.seal({ address, host });
    if (isHere) headers[LET_IN_HEADER] = seal.letIn;
    return headers;
  }

  #unanswered(error: unknown, request: Request, signal: AbortSignal): Problem {
    // This service closes.
    if (signal.aborted) return overloaded();
    if (error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError) {
      return new Problem('malformed_request', {
        detail: 'The path or a header has characters that none may have.',
      });
    }
    this.#log(error, 'a service does not answer');
    if (SAFE_METHODS.has(request.method) || wasNeverSent(error)) return overloaded();
    return outcomeUnknown({ keyed: request.headers['idempotency-key'] !== undefined });
  }

  /** What the shop says everybody may know, so that its size tells nothing; nothing of one person. */
  #compressorOf(request: Request, answer: Dispatcher.ResponseData): Compressor | null {
    const { 'content-type': type, 'content-length': length, 'content-encoding': encoded } = answer.headers;
    const isWorth =
      this.upstream === 'shop' &&
      isApi(pathOf(request)) &&
      request.method === 'GET' &&
      answer.statusCode === 200 &&
      encoded === undefined &&
      String(type).startsWith('application/json') &&
      Number(length) >= COMPRESSED_BYTES_MIN;
    return isWorth ? compressorFor(request) : null;
  }

  #log(error: unknown, message: string): void {
    const { clock, logger, url } = this.#options;
    if (clock.now() - this.#loggedAt < LOG_MS) return;
    this.#loggedAt = clock.now();
    const err = error instanceof Error ? error.message || error.name : String(error);
    logger.warn({ err, service: this.upstream, url }, message);
  }
}

interface Compressor {
  readonly encoding: Encoding;
  readonly stream: Duplex;
}

/** Little effort: it is done anew for each answer. */
const BROTLI_QUALITY = 4;

function compressorFor(request: Request): Compressor | null {
  const encoding = encodingFor(request.headers);
  if (encoding === 'br') {
    const stream = createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY } });
    return { encoding, stream };
  }
  return encoding === 'gzip' ? { encoding, stream: createGzip() } : null;
}

function copyHead(answer: Dispatcher.ResponseData, response: Response, encoding: string | null): void {
  const { headers, statusCode } = answer;
  const dropped = namedBy(headers['connection']);
  response.statusCode = statusCode;
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !NOT_FORWARDED.has(name) && !dropped.has(name))
      response.setHeader(name, value);
  }
  if (encoding === null) return;
  response.removeHeader('Content-Length');
  response.setHeader('Content-Encoding', encoding);
  response.vary('Accept-Encoding');
  const { etag } = headers;
  // Other bytes than the service's, which stand for the same (RFC 9110 section 8.8.1).
  if (typeof etag === 'string' && !etag.startsWith('W/')) response.setHeader('ETag', `W/${etag}`);
}

/** Headers that a Connection header says are for the next hop only. */
function namedBy(connection: string | readonly string[] | undefined): ReadonlySet<string> {
  const text = typeof connection === 'string' ? connection : (connection ?? []).join(',');
  return new Set(text.split(',').map((name) => name.trim().toLowerCase()));
}

function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function pathOf({ originalUrl }: Request): string {
  return originalUrl.split('?', 1)[0] ?? '';
}

const NEVER_SENT: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** No connection was made, so the service knows nothing of it. */
function wasNeverSent(error: unknown): boolean {
  if (error instanceof errors.ConnectTimeoutError) return true;
  return error instanceof Error && 'code' in error && NEVER_SENT.has(String(error.code));
}
