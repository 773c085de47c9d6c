/**
 * Which browser a request comes from, as far as a cookie tells: to see that many persons use one. Guarantee: nobody
 * but us makes one up; no script reads it, no other site sends it, and nothing of the device itself is in it.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Request, Response } from 'express';

const NAME = 'ticktak_device';
const ID_BYTES = 16;
const DAY_MS = 24 * 60 * 60_000;
/** As long as the longest log-in. */
const KEPT_MS = 90 * DAY_MS;
const COOKIE = new RegExp(`(?:^|;\\s*)${NAME}=([\\w-]{22})\\.([\\w-]{43})(?:;|$)`);

export class Devices {
  readonly #secret: string;
  readonly #isSecure: boolean;

  /** `isSecure`: browsers come by HTTPS only. */
  constructor({ secret, isSecure }: { readonly secret: string; readonly isSecure: boolean }) {
    this.#secret = secret;
    this.#isSecure = isSecure;
  }

  /** Undefined for programs, for browsers that come for the first time, and for what was made up. */
  of(request: Request): string | undefined {
    const [, id, mac] = COOKIE.exec(request.get('Cookie') ?? '') ?? [];
    if (id === undefined || mac === undefined) return undefined;
    const presented = Buffer.from(mac, 'base64url');
    const expected = this.#mac(id);
    return presented.length === expected.length && timingSafeEqual(presented, expected) ? id : undefined;
  }

  /** Gives a browser one, unless it has one. Programs, which keep no cookies, are given none. */
  give(request: Request, response: Response): void {
    if (request.get('Sec-Fetch-Site') === undefined || this.of(request) !== undefined) return;
    const id = randomBytes(ID_BYTES).toString('base64url');
    response.cookie(NAME, `${id}.${this.#mac(id).toString('base64url')}`, {
      httpOnly: true,
      sameSite: 'lax',
      secure: this.#isSecure,
      path: '/api',
      maxAge: KEPT_MS,
    });
  }

  #mac(id: string): Buffer {
    return createHmac('sha256', this.#secret).update(`device:${id}`).digest();
  }
}
