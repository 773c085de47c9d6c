/**
 * What a process needs to know who sends a request: keys, log-ins and access tokens over one store. Every role
 * that answers requests has one; only the user role has `Users` besides.
 */
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import type { Logger } from '../process/log.js';
import { AccessTokens } from './access-tokens.js';
import { Sealer } from './sealing.js';
import { Sessions, type SessionLimits } from './sessions.js';
import { SigningKeys } from './signing-keys.js';

export interface AccessOptions {
  readonly documents: Documents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Seals the keys; the same in every process of the installation. */
  readonly tokenSecret: string;
  /** Written into access tokens as `iss`; `aud` is made from it. */
  readonly issuer?: string;
  /** Life of an access token. */
  readonly tokenMs?: number;
  /** How long a key signs. */
  readonly rotateMs?: number;
  readonly sessionLimits?: Partial<SessionLimits>;
}

export interface Access {
  readonly sealer: Sealer;
  readonly keys: SigningKeys;
  readonly sessions: Sessions;
  readonly tokens: AccessTokens;
}

const TOKEN_MS = 600_000;
const ROTATE_MS = 30 * 86_400_000;
const ISSUER = 'ticktak';

export function createAccess(options: AccessOptions): Access {
  const { documents, clock, logger, issuer = ISSUER, tokenMs = TOKEN_MS, rotateMs = ROTATE_MS } = options;
  const sealer = new Sealer(options.tokenSecret);
  const keys = new SigningKeys({ documents, clock, logger, sealer, rotateMs, tokenMs });
  const { sessionLimits: limits } = options;
  const sessions = new Sessions({ documents, clock, sealer, ...(limits && { limits }) });
  const audience = `${issuer}-api`;
  const tokens = new AccessTokens({ keys, sessions, clock, issuer, audience, tokenMs });
  return { sealer, keys, sessions, tokens };
}
