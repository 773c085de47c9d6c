/**
 * The payment sandbox: a server on loopback that behaves like Stripe for what we use of it, so that the way of
 * a payment is the same code without a network and an account.
 *
 * Guarantees, across processes and crashes: all that happens to a payment intent happens in one write of its
 * one document, at the version it was decided on; a request repeated under its idempotency key, also by
 * another process or after a crash between any two writes, has one effect; an answer is given only once it is
 * durable. Card numbers are never kept: of a number stay brand, last four digits, what the test card does,
 * and for cards of one's own a keyed hash. Client secrets are not kept either.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { Clock } from '../../actors/ports.js';
import type { Documents } from '../../archive/documents.js';
import type { Logger } from '../../process/log.js';
import { withTimeout } from '../../process/timeout.js';
import { ApiError, invalid, type Answer, type Json } from './answers.js';
import { ROUTES, type ApiParts } from './api.js';
import { Books } from './balance.js';
import { Courier, type Webhook } from './courier.js';
import { parseForm } from './form.js';
import { Intents } from './intents.js';
import { underKey, type KeysOptions } from './keys.js';
import { PAGE_PATH, answerPage } from './page.js';
import { newCore, openRecords, ownKey } from './records.js';
import { Secrets, isSame, present } from './secrets.js';

export interface SandboxServerOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The key that requests must carry. */
  readonly secretKey: string;
  /** Nobody is told when absent; the events can be listed all the same. */
  readonly webhook?: Webhook;
  /** 0: any free one. */
  readonly port?: number;
  readonly host?: string;
  /** Where browsers reach the sandbox's pages; its own address when absent. */
  readonly publicUrl?: () => string | null;
  /** How long `pm_sandbox_slow` takes. */
  readonly slowMs?: number;
  /** How long asynchronous refunds and disputes take. */
  readonly laterMs?: number;
  /** How long a repeat waits for a first that may have died, beyond the slowest card. */
  readonly busyMs?: number;
}

const SLOW_MS = 3_000;
const LATER_MS = 2_000;
const BUSY_MS = 5_000;
const BODY_BYTES_MAX = 65_536;
const URL_CHARS_MAX = 8_192;
const REQUEST_MS_MAX = 30_000;
const HEADERS_MS_MAX = 10_000;
const STOP_MS_MAX = 3_000;
const CONNECTIONS_MAX = 1_000;

interface Running {
  readonly parts: ApiParts;
  readonly keys: KeysOptions;
  readonly secrets: Secrets;
  readonly courier: Courier;
  readonly server: Server;
  readonly url: string;
}

export class SandboxServer {
  readonly #options: SandboxServerOptions;
  #running: Running | null = null;
  readonly #underway = new Set<Promise<void>>();

  constructor(options: SandboxServerOptions) {
    this.#options = options;
  }

  /** Where it answers, while it does. */
  get url(): string | null {
    return this.#running?.url ?? null;
  }

  /** Resolves with the port. */
  async start(): Promise<number> {
    const { documents, clock, logger, webhook, host = '127.0.0.1', port = 0 } = this.#options;
    const { slowMs = SLOW_MS, laterMs = LATER_MS, busyMs = BUSY_MS } = this.#options;
    const records = openRecords(documents);
    const key = await ownKey(records);
    const courier = new Courier({ records, intents: () => intents, clock, logger, webhook });
    const intents = new Intents({ records, clock, onHappening: () => courier.kick() });
    const server = createServer((request, response) => this.#serve(request, response));
    server.requestTimeout = REQUEST_MS_MAX;
    server.headersTimeout = HEADERS_MS_MAX;
    server.maxConnections = CONNECTIONS_MAX;
    server.listen(port, host);
    await once(server, 'listening');
    const address = server.address();
    const bound = typeof address === 'object' && address ? address.port : port;
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
    const books = new Books({ records, clock });
    const parts = { records, intents, books, clock, slowMs, laterMs, fingerprintSecret: key };
    const keys = { records, clock, busyMs: busyMs + slowMs };
    this.#running = { parts, keys, secrets: new Secrets(key), courier, server, url };
    courier.start();
    logger.debug({ port: bound }, 'the payment sandbox answers');
    return bound;
  }

  /** Lets requests that are under way end, within a bound. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = null;
    const closed = once(running.server, 'close');
    running.server.close();
    running.server.closeIdleConnections();
    await withTimeout(Promise.all(this.#underway), STOP_MS_MAX, 'late').catch(() => undefined);
    running.server.closeAllConnections();
    await closed;
    await running.courier.stop();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const work = this.#answer(request, response).catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'the payment sandbox could not answer');
      response.destroy();
    });
    this.#underway.add(work);
    void work.finally(() => this.#underway.delete(work));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const running = this.#running;
    if (!running || (request.url ?? '').length > URL_CHARS_MAX) return void response.destroy();
    const url = new URL(request.url ?? '/', 'http://sandbox');
    const page = PAGE_PATH.exec(url.pathname);
    if (page?.[1] !== undefined) {
      const form = request.method === 'POST' ? await bodyOf(request) : null;
      const { parts, secrets } = running;
      const { status, headers, body } = await answerPage(
        { ...parts, secrets },
        page[1],
        url.searchParams,
        form,
      );
      response.writeHead(status, headers).end(body);
      return;
    }
    const { status, body, isReplayed } = await this.#called(running, request, url);
    const text = JSON.stringify(present(body, running.secrets, this.#options.publicUrl?.() ?? running.url));
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      'request-id': `req_${newCore()}`,
      ...(isReplayed && { 'idempotent-replayed': 'true' }),
    });
    response.end(text);
  }

  async #called(
    running: Running,
    request: IncomingMessage,
    url: URL,
  ): Promise<Answer & { readonly isReplayed: boolean }> {
    try {
      this.#requireKey(request);
      return await this.#routed(running, request, url);
    } catch (error) {
      if (error instanceof ApiError) return { ...error.answer, isReplayed: false };
      // The store cannot be reached, or a defect: in both the outcome is not known.
      this.#options.logger.warn({ err: error }, 'the payment sandbox failed');
      const body: Json = { error: { type: 'api_error', message: 'The payment sandbox failed; try again' } };
      return { status: 500, body, isKept: false, isReplayed: false };
    }
  }

  async #routed(
    { parts, keys }: Running,
    request: IncomingMessage,
    { pathname, search }: URL,
  ): Promise<Answer & { readonly isReplayed: boolean }> {
    const method = request.method ?? '';
    const text = method === 'POST' ? await bodyOf(request) : search.slice(1);
    for (const route of ROUTES) {
      const match = route.method === method ? route.path.exec(pathname) : null;
      if (!match) continue;
      const call = { id: match[1] ?? '', params: parseForm(text) };
      if (method === 'GET') {
        return { ...(await route.handle(parts, { ...call, operation: '' })), isReplayed: false };
      }
      const key = request.headers['idempotency-key'];
      const asked = `${method} ${pathname} ${text}`;
      return underKey(keys, typeof key === 'string' ? key : undefined, asked, (operation) =>
        route.handle(parts, { ...call, operation }),
      );
    }
    throw new ApiError(404, {
      type: 'invalid_request_error',
      message: `Unrecognized request URL (${method}: ${pathname.slice(0, 200)}). The payment sandbox has not all of Stripe.`,
    });
  }

  #requireKey({ headers }: IncomingMessage): void {
    if (isSame(headers.authorization ?? '', `Bearer ${this.#options.secretKey}`)) return;
    throw new ApiError(401, { type: 'invalid_request_error', message: 'Invalid API Key provided' });
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const tooLong = invalid(`A body may have ${BODY_BYTES_MAX} bytes`);
  // Said before any of it is read, the refusal still reaches the sender.
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) throw tooLong;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw tooLong;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
