/**
 * Access tokens: who sends a request, proven by a signature that every process can check by itself.
 *
 * Guarantees: only tokens we signed for this use, unaltered and not ended, name anybody; a token that says
 * nothing about us costs no more than a look at its shape; checking one again costs a look-up in memory.
 *
 * When a log-in ends (log-out, changed password, refused refresh token), its access tokens end with it:
 *
 *  - in the process that ended it, at once;
 *  - those of operators and services in every process within `LIVE_MS_MAX` of sessions.ts, because for them each
 *    request looks whether the log-in still stands;
 *  - those of buyers elsewhere when they expire by themselves: `tokenMs`, 10 minutes unless set otherwise.
 */
import { randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Principal } from './principal.js';
import { ROLES } from './records.js';
import type { SigningKeys } from './signing-keys.js';

/** What access tokens ask of log-ins. */
export interface SessionLookup {
  /** Whether this process knows that it was ended. */
  isEndedHere(sessionId: string): boolean;
  /** Whether it stands, at most a few seconds ago. Rejects with `ArchiveUnavailableError`. */
  isLive(sessionId: string): Promise<boolean>;
}

export interface AccessTokensOptions {
  readonly keys: SigningKeys;
  readonly sessions: SessionLookup;
  readonly clock: Clock;
  /** Whose tokens they are, and for whom: two installations must not take each other's. */
  readonly issuer: string;
  readonly audience: string;
  readonly tokenMs: number;
}

export interface AccessToken {
  readonly token: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const ALGORITHM = 'ES256';
/** RFC 9068: told apart from every other JWT there may be. */
const TYPE = 'at+jwt';
const TOKEN_CHARS_MAX = 2_048;
/** Checked tokens remembered: about 1 KB each. */
const CACHED_MAX = 5_000;

const headerSchema = z.strictObject({ alg: z.literal(ALGORITHM), typ: z.literal(TYPE), kid: z.string() });
const claimsSchema = z.object({
  sub: z.string(),
  exp: z.number(),
  iat: z.number(),
  sid: z.string(),
  email: z.string(),
  email_verified: z.boolean(),
  roles: z.array(z.enum(ROLES)),
  second_factor: z.boolean(),
});

interface Checked {
  readonly principal: Principal;
  readonly expiresAt: number;
}

export class AccessTokens {
  readonly #options: AccessTokensOptions;
  /** In order of use. */
  readonly #cache = new Map<string, Checked>();

  constructor(options: AccessTokensOptions) {
    this.#options = options;
  }

  /** Rejects with `ArchiveUnavailableError` when there is no key to sign with. */
  async sign(principal: Principal): Promise<AccessToken> {
    const { keys, clock, issuer, audience, tokenMs } = this.#options;
    const { kid, privateKey } = await keys.signer();
    const iat = Math.floor(clock.now() / 1_000);
    const exp = Math.floor((clock.now() + tokenMs) / 1_000);
    const claims = {
      iss: issuer,
      aud: audience,
      sub: principal.accountId,
      jti: randomUUID(),
      iat,
      exp,
      sid: principal.sessionId,
      email: principal.email,
      email_verified: principal.emailConfirmed,
      roles: principal.roles,
      second_factor: principal.secondFactor,
    };
    const header = { alg: ALGORITHM, typ: TYPE, kid };
    const token = jwt.sign(claims, privateKey, { algorithm: ALGORITHM, keyid: kid, header });
    return { token, expiresAt: exp * 1_000 };
  }

  /**
   * Null for whatever is not a token of ours that still stands. Rejects with `ArchiveUnavailableError` only when
   * no keys could be read at all, or an operator's log-in cannot be looked up.
   */
  async verify(token: string): Promise<Principal | null> {
    const checked = this.#cached(token) ?? (await this.#check(token));
    if (!checked || checked.expiresAt <= this.#options.clock.now()) return null;
    const { principal } = checked;
    const { sessions } = this.#options;
    if (sessions.isEndedHere(principal.sessionId)) return null;
    const isBuyer = principal.roles.every((role) => role === 'buyer');
    return isBuyer || (await sessions.isLive(principal.sessionId)) ? principal : null;
  }

  #cached(token: string): Checked | null {
    const checked = this.#cache.get(token);
    if (!checked) return null;
    this.#cache.delete(token);
    this.#cache.set(token, checked);
    return checked;
  }

  async #check(token: string): Promise<Checked | null> {
    const kid = kidOf(token);
    if (kid === null) return null;
    const key = await this.#options.keys.verifier(kid);
    if (!key) return null;
    const { clock, issuer, audience, tokenMs } = this.#options;
    const nowSeconds = Math.floor(clock.now() / 1_000);
    try {
      const claims = jwt.verify(token, key, {
        algorithms: [ALGORITHM],
        issuer,
        audience,
        clockTimestamp: nowSeconds,
      });
      const { success, data } = claimsSchema.safeParse(claims);
      // A longer life than we give is none of ours.
      if (!success || (data.exp - data.iat) * 1_000 > tokenMs + 1_000) return null;
      return this.#remember(token, { principal: principalOf(data), expiresAt: data.exp * 1_000 });
    } catch {
      return null;
    }
  }

  #remember(token: string, checked: Checked): Checked {
    const [oldest] = this.#cache.keys();
    if (this.#cache.size >= CACHED_MAX && oldest !== undefined) this.#cache.delete(oldest);
    this.#cache.set(token, checked);
    return checked;
  }
}

/** The key a token names; null when its shape or header is not that of our tokens. Guests' tokens have one dot. */
function kidOf(token: string): string | null {
  if (token.length > TOKEN_CHARS_MAX || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return null;
  try {
    const text = Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString('utf8');
    const { success, data } = headerSchema.safeParse(JSON.parse(text));
    return success ? data.kid : null;
  } catch {
    return null;
  }
}

function principalOf(claims: z.output<typeof claimsSchema>): Principal {
  return {
    accountId: claims.sub,
    email: claims.email,
    emailConfirmed: claims.email_verified,
    roles: claims.roles,
    sessionId: claims.sid,
    secondFactor: claims.second_factor,
  };
}
