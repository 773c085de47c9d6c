/**
 * The client role's word about a request it forwards: whose it is and which host it was sent to.
 *
 * Guarantee: a service takes an address from this header only when it was sealed with the service token within the
 * last half minute; whatever else is in it is as if it had not been sent. So nobody who reaches a service directly
 * can choose an address, and TRUST_PROXY goes on to say whom the process that browsers reach believes.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Logger } from '../process/log.js';

/** Lower case, as Node has headers. */
export const FORWARDED_HEADER = 'x-ticktak-forwarded';
export const LET_IN_HEADER = 'x-ticktak-let-in';

export interface Forwarded {
  /** The browser's, as the client role knows it. */
  readonly address: string;
  /** The Host header the browser sent; empty when it sent none. */
  readonly host: string;
}

const TEXT_CHARS_MAX = 1_000;
const HOST_CHARS_MAX = 255;
const LET_IN_BYTES = 24;
/** How old a seal may be, and how far clocks may differ. */
export const SEAL_MS_MAX = 30_000;
const LOG_MS = 60_000;

const wordSchema = z.tuple([
  z.number().int(),
  z.string().refine((text) => isIP(text) !== 0),
  z.string().max(HOST_CHARS_MAX),
]);

export class ForwardedSeal {
  readonly #key: Buffer;
  readonly #clock: Clock;
  /** Nobody but this process knows it. */
  readonly #letIn = randomBytes(LET_IN_BYTES);

  /** `serviceToken` is what all services of the same operator share. */
  constructor(serviceToken: string, clock: Clock) {
    // A key of its own, so that the header reveals nothing that opens anything else.
    this.#key = createHmac('sha256', serviceToken).update('forwarded address').digest();
    this.#clock = clock;
  }

  seal({ address, host }: Forwarded): string {
    const word = [this.#clock.now(), address, host.slice(0, HOST_CHARS_MAX)];
    const text = Buffer.from(JSON.stringify(word)).toString('base64url');
    return `${text}.${this.#mac(text).toString('base64url')}`;
  }

  /** `late`: it was sealed by one of us, but not just now: a repeat, or a clock that is wrong. */
  open(sealed: string): Forwarded | 'late' | null {
    if (sealed.length > TEXT_CHARS_MAX) return null;
    const [text = '', mac = '', ...rest] = sealed.split('.');
    const [presented, expected] = [Buffer.from(mac, 'base64url'), this.#mac(text)];
    if (rest.length > 0 || presented.length !== expected.length || !timingSafeEqual(presented, expected)) {
      return null;
    }
    const word = wordSchema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString()));
    if (!word.success) return null;
    const [at, address, host] = word.data;
    return Math.abs(this.#clock.now() - at) > SEAL_MS_MAX ? 'late' : { address, host };
  }

  /** For `LET_IN_HEADER` of a request that this process forwards to itself: its door has let it in. */
  get letIn(): string {
    return this.#letIn.toString('base64url');
  }

  isLetIn({ [LET_IN_HEADER]: word }: IncomingHttpHeaders): boolean {
    if (typeof word !== 'string' || word.length > TEXT_CHARS_MAX) return false;
    const presented = Buffer.from(word, 'base64url');
    return presented.length === LET_IN_BYTES && timingSafeEqual(presented, this.#letIn);
  }

  #mac(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

/**
 * Puts the browser's address and host in place of the client role's, and takes the header away. Without a seal to
 * check it by, it only takes it away: the process that browsers reach has nobody to believe.
 */
export function believeForwarder(
  seal: ForwardedSeal | undefined,
  clock: Clock,
  logger: Logger,
): RequestHandler {
  let loggedAt = 0;
  return (request, _response, next) => {
    const sealed = request.headers[FORWARDED_HEADER];
    if (sealed === undefined) {
      next();
      return;
    }
    request.headers[FORWARDED_HEADER] = undefined;
    const word = seal && typeof sealed === 'string' ? seal.open(sealed) : null;
    if (word === 'late') {
      if (clock.now() - loggedAt >= LOG_MS) {
        loggedAt = clock.now();
        logger.warn(
          'the clock of the client role and that of this process differ: its addresses are not believed',
        );
      }
    } else if (word) {
      // Express computes it anew at each look, from the connection.
      Object.defineProperty(request, 'ip', { value: word.address, configurable: true });
      if (word.host !== '') request.headers.host = word.host;
    }
    next();
  };
}
