/**
 * The API as the pages see it.
 *
 * Guarantees: every request ends, in an answer or in an `ApiProblem` with a stable code, within a time limit; what
 * may have happened although no answer came is never reported as refused; a key that makes repeats harmless is
 * kept until the outcome is known.
 */

/** Codes of the server (problem+json), and those that only a client can see. */
export const SERVER_CODES = [
  'sold_out',
  'temporarily_unavailable',
  'purchase_limit',
  'hold_expired',
  'sales_closed',
  'sales_paused',
  'invalid_state',
  'payment_declined',
  'validation_failed',
  'unauthorized',
  'forbidden',
  'email_unconfirmed',
  'second_factor_required',
  'blocked',
  'conflict',
  'waiting_room',
  'not_on_sale',
  'access_code_required',
  'access_code_invalid',
  'country_not_allowed',
  'already_waiting',
  'available_now',
  'waiting_list_full',
  'challenge_required',
  'rate_limited',
  'overloaded',
  'not_found',
  'method_not_allowed',
  'malformed_request',
  'payload_too_large',
  'unsupported_media_type',
  'request_timeout',
  'headers_too_large',
  'not_ready',
  'internal_error',
] as const;
export type ServerCode = (typeof SERVER_CODES)[number];

/** `connection_lost`: no answer, or half of one. `outcome_unknown`: it may have been done. */
export const CLIENT_CODES = [
  'connection_lost',
  'timed_out',
  'outcome_unknown',
  'challenge_failed',
  'bad_answer',
] as const;
export type ClientCode = (typeof CLIENT_CODES)[number];
export type ProblemCode = ServerCode | ClientCode;

export interface FieldError {
  readonly path: string;
  readonly message: string;
}

export interface ProblemParts {
  readonly status?: number;
  readonly detail?: string;
  readonly retryAfterMs?: number;
  /** The other members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** A refusal or a failure of a request. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  /** 0 when there was no answer. */
  readonly status: number;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(
    readonly code: ProblemCode,
    { status = 0, detail, retryAfterMs, members = {} }: ProblemParts = {},
  ) {
    super(detail ?? code);
    this.status = status;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
    this.members = members;
  }

  /** Whether the request may have taken effect: the same key must be asked again, or the state be read. */
  get isOutcomeUnknown(): boolean {
    const { code } = this;
    if (code === 'overloaded') return this.members['outcome'] === 'unknown';
    // The server went wrong somewhere: how far it came is not known.
    return (
      code === 'connection_lost' ||
      code === 'timed_out' ||
      code === 'outcome_unknown' ||
      code === 'bad_answer' ||
      code === 'internal_error'
    );
  }

  /** Of `temporarily_unavailable`: what can still be held now. */
  get remaining(): number | undefined {
    return numberOf(this.members['remaining']);
  }

  /** Of `purchase_limit`: at most so many, and how many of them the person has. */
  get limit(): number | undefined {
    return numberOf(this.members['limit']);
  }
  get owned(): number | undefined {
    return numberOf(this.members['owned']);
  }

  /** Of `sales_paused`: what the operators tell buyers, as it came. */
  get buyersText(): unknown {
    return this.members['message'];
  }

  /** Of `not_on_sale`: when sales of the ticket open, as it came. */
  get opensAt(): string | undefined {
    const { opensAt } = this.members;
    return typeof opensAt === 'string' && !Number.isNaN(Date.parse(opensAt)) ? opensAt : undefined;
  }

  /** Of `country_not_allowed`: ISO 3166-1 alpha-2. */
  get countries(): readonly string[] {
    const { countries } = this.members;
    return Array.isArray(countries)
      ? countries.filter((code): code is string => typeof code === 'string')
      : [];
  }

  /** Of `validation_failed`. */
  get errors(): readonly FieldError[] {
    const { errors } = this.members;
    return Array.isArray(errors) ? errors.filter(isFieldError) : [];
  }
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

function isFieldError(value: unknown): value is FieldError {
  return isRecord(value) && typeof value['path'] === 'string' && typeof value['message'] === 'string';
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const KNOWN: ReadonlySet<string> = new Set(SERVER_CODES);
const isServerCode = (value: unknown): value is ServerCode => typeof value === 'string' && KNOWN.has(value);

/** Longer waits than that are not believed, milliseconds. */
const RETRY_AFTER_MS_MAX = 60 * 60_000;

/** What an answer that is no success says. `body` as parsed, or null when it is no JSON. */
export function problemOf(status: number, body: unknown, retryAfter: string | null): ApiProblem {
  const members = isRecord(body) ? body : {};
  const { code, detail } = members;
  const retryAfterMs = retryAfterMsOf(retryAfter);
  return new ApiProblem(isServerCode(code) ? code : codeOfStatus(status), {
    status,
    members,
    ...(typeof detail === 'string' && { detail }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
}

/** For answers of something in between, a proxy for example, which knows nothing of our codes. */
function codeOfStatus(status: number): ProblemCode {
  switch (status) {
    case 401:
      return 'unauthorized';
    case 403:
      return 'forbidden';
    case 404:
      return 'not_found';
    case 429:
      return 'rate_limited';
    default:
      // A gateway that gave up says nothing about what the service behind it has done.
      return status >= 500 ? 'outcome_unknown' : 'bad_answer';
  }
}

/** `Retry-After` in whole seconds; dates are not used by our servers. */
export function retryAfterMsOf(header: string | null): number | undefined {
  if (header === null || !/^\d{1,6}$/.test(header)) return undefined;
  return Math.min(RETRY_AFTER_MS_MAX, Number(header) * 1_000);
}

/** Anything thrown, as a problem. */
export function asProblem(error: unknown): ApiProblem {
  return error instanceof ApiProblem ? error : new ApiProblem('bad_answer', { detail: String(error) });
}
