/**
 * The security check over HTTP, for roles that run on their own.
 *
 * Guarantees: a verdict within `timeoutMs`, and at once while the service is known to be away; then the fixed
 * policy answers. What is told is sent in batches; what does not fit is dropped and counted.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';
import type { CheckRequest, PersonCheckRequest, Security, SecurityFact, Verdict } from './port.js';

export interface RemoteSecurityOptions {
  /** Of the security service: `http://host:3050`. */
  readonly url: string;
  readonly serviceToken: string;
  /** What is answered while it cannot be reached. */
  readonly whenUnreachable: 'allow' | 'deny';
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 250;
/** Failures in a row after which it is left alone, and for how long. */
const FAILURES_MAX = 5;
const OPEN_MS = 2_000;
const CONNECTIONS_MAX = 64;
const ANSWER_BYTES_MAX = 64 * 1024;
const FACTS_MAX = 10_000;
/** Facts of one request, as many as the service takes. */
export const FACTS_PER_REQUEST_MAX = 100;
/** How long facts gather. */
const GATHER_MS = 100;
/** For a batch of facts, which nobody waits for. */
const FACTS_TIMEOUT_MS = 2_000;

export const verdictSchema = z.object({
  verdict: z.enum(['allow', 'challenge', 'deny']),
  reasons: z.array(z.string()),
  challenge: z.looseObject({}).optional(),
  retryAfterMs: z.number().optional(),
});
const boughtSchema = z.object({ bought: z.boolean() });

export class RemoteSecurity implements Security {
  readonly #options: RemoteSecurityOptions;
  readonly #agent: HttpAgent;
  #failures = 0;
  #openUntil = 0;
  #facts: SecurityFact[] = [];
  #dropped = 0;
  #sending: Promise<void> | null = null;
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: RemoteSecurityOptions) {
    this.#options = options;
    const settings = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
    this.#agent = options.url.startsWith('https:') ? new HttpsAgent(settings) : new HttpAgent(settings);
  }

  async start(): Promise<void> {
    this.#stopped = false;
  }

  /** Sends what was told, within a bound. */
  async stop(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    await this.#send();
    this.#stopped = true;
    this.#agent.destroy();
  }

  /** Facts that were never sent. */
  get droppedFacts(): number {
    return this.#dropped;
  }

  check({ address, principal, signals, solution, ...rest }: CheckRequest): Promise<Verdict> {
    const { routeClass, method, path } = rest;
    return this.#ask({
      ip: address,
      userAgent: signals['user-agent'] ?? '',
      route: `${method} ${path}`,
      routeClass,
      signals,
      ...(principal && { principal }),
      ...(solution !== undefined && { solution }),
    });
  }

  checkPerson(request: PersonCheckRequest): Promise<Verdict> {
    const { address, routeClass, person, principal, device, solution } = request;
    return this.#ask({
      ip: address,
      userAgent: '',
      route: '',
      routeClass,
      person,
      ...(principal && { principal }),
      ...(device !== undefined && { device }),
      ...(solution !== undefined && { solution }),
    });
  }

  /** Whether the person is known to have bought before; false also when the service does not say. */
  async hasBought(person: string): Promise<boolean> {
    const answer = await this.#call('/api/v1/checks/bought', { person });
    return boughtSchema.safeParse(answer).data?.bought ?? false;
  }

  tell(fact: SecurityFact): void {
    if (this.#stopped || this.#facts.length >= FACTS_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#facts.push(fact);
    this.#gather();
  }

  /** Sends what was told now. */
  async flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = null;
    await this.#send();
  }

  #gather(): void {
    this.#cancel ??= this.#options.clock.schedule(GATHER_MS, () => {
      this.#cancel = null;
      void this.#send();
    });
  }

  async #send(): Promise<void> {
    while (this.#sending) await this.#sending;
    if (this.#facts.length === 0) return;
    this.#sending = this.#sendAll();
    await this.#sending;
    this.#sending = null;
  }

  async #sendAll(): Promise<void> {
    while (this.#facts.length > 0) {
      const facts = this.#facts.splice(0, FACTS_PER_REQUEST_MAX);
      const answer = await this.#call('/api/v1/checks/facts', { facts }, FACTS_TIMEOUT_MS);
      // It may have taken them: they are not sent again.
      if (answer === null) this.#dropped += facts.length;
    }
  }

  async #ask(body: object): Promise<Verdict> {
    const answer = verdictSchema.safeParse(await this.#call('/api/v1/checks', body)).data;
    if (!answer) return this.#unreachable();
    const { verdict, reasons, challenge, retryAfterMs } = answer;
    if (verdict === 'challenge') return { verdict, reasons, challenge };
    if (verdict === 'deny') return { verdict, reasons, ...(retryAfterMs !== undefined && { retryAfterMs }) };
    return { verdict, reasons };
  }

  #unreachable(): Verdict {
    const reasons = ['security_unreachable'];
    return this.#options.whenUnreachable === 'allow'
      ? { verdict: 'allow', reasons }
      : { verdict: 'deny', reasons, retryAfterMs: OPEN_MS };
  }

  /** The answer's body; null when there is none. Never rejects. */
  async #call(
    path: string,
    body: object,
    timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS,
  ): Promise<unknown> {
    const { clock, logger } = this.#options;
    if (clock.now() < this.#openUntil) return null;
    try {
      const answer = await this.#post(path, JSON.stringify(body), timeoutMs);
      if (this.#failures >= FAILURES_MAX) logger.info('the security service is back');
      this.#failures = 0;
      return answer;
    } catch (error) {
      // It is there and did not take this one request: no reason to leave it alone.
      if (error instanceof NotTakenError) {
        logger.warn({ err: error.message }, 'the security service refused a request');
        return null;
      }
      this.#failures += 1;
      if (this.#failures >= FAILURES_MAX) this.#openUntil = clock.now() + OPEN_MS;
      if (this.#failures === FAILURES_MAX) {
        const err = error instanceof Error ? error.message : String(error);
        logger.warn(
          { err, url: this.#options.url, policy: this.#options.whenUnreachable },
          'the security service cannot be used',
        );
      }
      return null;
    }
  }

  #post(path: string, body: string, timeoutMs: number): Promise<unknown> {
    const { url, serviceToken, clock } = this.#options;
    const target = new URL(path, url);
    return new Promise((resolve, reject) => {
      const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
      const request: ClientRequest = send(target, {
        method: 'POST',
        agent: this.#agent,
        headers: {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(body),
          Authorization: `Bearer ${serviceToken}`,
        },
      });
      const cancel = clock.schedule(timeoutMs, () => {
        request.destroy(new Error(`no answer within ${timeoutMs} ms`));
      });
      request.once('close', cancel);
      request.once('error', reject);
      request.once('response', (response) => {
        readAnswer(response).then(resolve, (error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)));
          request.destroy();
        });
      });
      request.end(body);
    });
  }
}

/** Answers about what was asked, not about the service. */
const NOT_TAKEN: ReadonlySet<number> = new Set([400, 413, 422]);

class NotTakenError extends Error {
  override readonly name = 'NotTakenError';
}

async function readAnswer(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const part = Buffer.from(chunk as Uint8Array); // Without an encoding a response gives bytes.
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too large');
    chunks.push(part);
  }
  const { statusCode = 0 } = response;
  if (NOT_TAKEN.has(statusCode)) throw new NotTakenError(hint(statusCode));
  if (statusCode < 200 || statusCode > 299) throw new Error(hint(statusCode));
  return bytes === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as unknown);
}

const hint = (status: number): string =>
  status === 401 || status === 403
    ? `it answered ${status}: both sides need the same service token`
    : `it answered ${status}`;
