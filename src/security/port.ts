/**
 * The security check: what every request goes through before any work is done for it.
 *
 * Guarantees: a verdict is answered within a bound, whatever is away; it never depends on an address that no
 * trusted proxy vouches for; a shared address alone is never a reason to deny, only to challenge.
 */
import type { Principal } from '../users/principal.js';

/** Routes that share limits. */
export const ROUTE_CLASSES = [
  'read',
  'login',
  'account',
  'hold',
  'pay',
  'write',
  'service',
  'webhook',
  'admin',
  'check-in',
  'unknown',
] as const;
export type RouteClass = (typeof ROUTE_CLASSES)[number];

/** What is known of a request before its body is read. */
export interface CheckRequest {
  readonly address: string;
  readonly routeClass: RouteClass;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Of the headers only what tells bots: user-agent, accept, accept-language, sec-*, origin. */
  readonly signals: Readonly<Record<string, string | undefined>>;
  readonly principal: Principal | null;
  /** A solved challenge (`X-Challenge-Solution`). */
  readonly solution?: string;
}

/** What is known once the body was read: who buys. */
export interface PersonCheckRequest {
  readonly address: string;
  readonly routeClass: 'hold' | 'pay' | 'login' | 'account';
  /** The account, or the normalized e-mail address. */
  readonly person: string;
  readonly principal: Principal | null;
  readonly device?: string;
  readonly solution?: string;
}

export type Verdict =
  | { readonly verdict: 'allow'; readonly reasons: readonly string[] }
  /** Answered 403 `challenge_required` with the challenge; the same request with its solution goes on. */
  | { readonly verdict: 'challenge'; readonly reasons: readonly string[]; readonly challenge: unknown }
  /** `retryAfterMs` when it is a limit of rate (429), else it is answered 403. */
  | { readonly verdict: 'deny'; readonly reasons: readonly string[]; readonly retryAfterMs?: number };

/** What buyers do, told after it happened: fraud signals grow from it. Never rejects, never waits. */
export type SecurityFact =
  | {
      readonly kind: 'held' | 'released' | 'expired' | 'bought' | 'declined';
      readonly person: string;
      readonly address?: string;
    }
  | { readonly kind: 'card'; readonly person: string; readonly fingerprint: string }
  | {
      /** `code_wrong`: a code of a presale that opens nothing. */
      readonly kind: 'login_failed' | 'login_succeeded' | 'code_wrong';
      readonly person: string;
      readonly address: string;
    }
  /** Somebody asked for what is not theirs, or is not there. */
  | { readonly kind: 'probe'; readonly address: string };

export interface Security {
  start(): Promise<void>;
  stop(): Promise<void>;
  check(request: CheckRequest): Promise<Verdict>;
  checkPerson(request: PersonCheckRequest): Promise<Verdict>;
  tell(fact: SecurityFact): void;
}

/** Who did what, kept for good. */
export interface AuditEntry {
  /** Epoch milliseconds. */
  readonly at: number;
  /** `account:<id>`, `service`, `system`, `provider`. */
  readonly actor: string;
  /** `user.login_failed`, `block.added`, `payment.refunded`, `queue.job_retried`, ... */
  readonly action: string;
  /** What it was done to: `account:<id>`, `reservation:<id>`, `payment:<id>`, `block:<id>`, `queue:<name>`. */
  readonly subject: string;
  readonly address?: string;
  readonly requestId?: string;
  /** Never secrets, tokens or card numbers. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

export interface Audit {
  /** Resolves when it is durable; logged and rejected when it cannot be. */
  record(entry: Omit<AuditEntry, 'at'>): Promise<void>;
}
