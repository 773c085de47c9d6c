/**
 * The one place that maps errors and outcomes to HTTP.
 *
 * Guarantees: every refusal is RFC 9457 `application/problem+json` with a stable `code`; no stack trace and no
 * internal detail leaves the process; what cannot be done now says when to ask again (Retry-After), and an
 * outcome that is not known says so (`outcome: "unknown"`) and how to learn it.
 */
import { ArchiveUnavailableError } from '../archive/port.js';
import type { CommandResult } from '../actors/ports.js';
import type { SubmissionResult } from './ports.js';
import { PaymentUnavailableError } from '../payments/port.js';

export const PROBLEM_TYPE = 'application/problem+json';

/** Every code: its HTTP status, and its title, which never changes either. */
export const PROBLEMS = {
  sold_out: [409, 'ticket is sold out'],
  temporarily_unavailable: [409, 'ticket is temporarily unavailable'],
  purchase_limit: [409, 'purchase limit reached'],
  hold_expired: [409, 'the hold has ended'],
  sales_closed: [409, 'sales are closed'],
  sales_paused: [409, 'sales are paused'],
  not_on_sale: [403, 'not on sale now'],
  access_code_required: [403, 'an access code is required'],
  access_code_invalid: [403, 'the access code is not valid'],
  country_not_allowed: [403, 'not on sale in this country yet'],
  already_waiting: [409, 'already on the waiting list'],
  available_now: [409, 'the tickets can be had now'],
  waiting_list_full: [409, 'the waiting list is full'],
  invalid_state: [409, 'not possible in the current state'],
  payment_declined: [402, 'payment declined'],
  validation_failed: [422, 'the request does not validate'],
  unauthorized: [401, 'authentication required'],
  forbidden: [403, 'not allowed'],
  email_unconfirmed: [403, 'the e-mail address must be confirmed first'],
  second_factor_required: [403, 'a second factor is required'],
  blocked: [403, 'refused by the security check'],
  conflict: [409, 'it was changed or taken meanwhile'],
  waiting_room: [403, 'buyers queue in the waiting room'],
  challenge_required: [403, 'a challenge must be solved first'],
  rate_limited: [429, 'too many requests'],
  overloaded: [503, 'temporarily overloaded'],
  not_found: [404, 'not found'],
  method_not_allowed: [405, 'method not allowed'],
  malformed_request: [400, 'the request cannot be understood'],
  payload_too_large: [413, 'the request is too large'],
  unsupported_media_type: [415, 'unsupported content type or encoding'],
  request_timeout: [408, 'the request did not arrive in time'],
  headers_too_large: [431, 'the request headers are too large'],
  not_ready: [503, 'not ready'],
  internal_error: [500, 'unexpected error'],
} as const satisfies Record<string, readonly [status: number, title: string]>;
export type ProblemCode = keyof typeof PROBLEMS;

export interface FieldError {
  /** Dotted path of the field, empty for the body itself. */
  readonly path: string;
  readonly message: string;
}

export interface ProblemOptions {
  /** Where a route has its own rule; the code's status otherwise. */
  readonly status?: number;
  readonly detail?: string;
  /** Whole seconds are sent, at least 1. */
  readonly retryAfterMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the body. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** A refusal, ready to be sent. A value, not an error: most of them are expected outcomes. */
export class Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(
    readonly code: ProblemCode,
    readonly options: ProblemOptions = {},
  ) {
    const [status, title] = PROBLEMS[code];
    this.status = options.status ?? status;
    this.body = {
      type: `urn:ticktak:problem:${code}`,
      title,
      status: this.status,
      code,
      ...(options.detail !== undefined && { detail: options.detail }),
      ...options.members,
    };
    this.headers = {
      ...(options.retryAfterMs !== undefined && { 'Retry-After': retryAfter(options.retryAfterMs) }),
      ...options.headers,
    };
  }

  /** The same refusal under another status, for routes whose clients expect it there. */
  withStatus(status: number): Problem {
    return new Problem(this.code, { ...this.options, status });
  }
}

const retryAfter = (ms: number): string => String(Math.max(1, Math.ceil(ms / 1_000)));

/** How long a client waits before it asks again when nothing better is known. */
export const RETRY_AFTER_MS = 2_000;

export function validationFailed(errors: readonly FieldError[]): Problem {
  const first = errors[0];
  const detail = first && (first.path === '' ? first.message : `${first.path}: ${first.message}`);
  return new Problem('validation_failed', { ...(detail !== undefined && { detail }), members: { errors } });
}

export const notFound = (what: string): Problem =>
  new Problem('not_found', { detail: `${what} does not exist` });

/** Refused for now: nothing was done and nothing will be. */
export function overloaded(retryAfterMs = RETRY_AFTER_MS): Problem {
  return new Problem('overloaded', {
    retryAfterMs,
    detail: 'Nothing was done; please try again shortly.',
    members: { outcome: 'refused' },
  });
}

/** Accepted, but how it ended is not known in time. `reservation` lets a hold be looked up. */
export function outcomeUnknown(options: {
  readonly keyed: boolean;
  readonly reservation?: { readonly id: string; readonly token: string };
}): Problem {
  const again = options.keyed
    ? 'Ask again with the same Idempotency-Key to learn the outcome.'
    : options.reservation
      ? 'Read the reservation to learn the outcome; send an Idempotency-Key to be able to ask again.'
      : 'Read the state to learn the outcome; send the same Idempotency-Key with repeats to be able to ask again.';
  return new Problem('overloaded', {
    retryAfterMs: RETRY_AFTER_MS,
    detail: `The outcome is not known yet: it may still happen. ${again}`,
    members: { outcome: 'unknown', ...(options.reservation && { reservation: options.reservation }) },
  });
}

const SUCCESSES = [
  'held',
  'paying',
  'reserved',
  'released',
  'refunded',
  'applied',
  'orphaned',
  'repeated',
  'unchanged',
  'orphan_decided',
  'remote_released',
  'waiting',
  'left_waiting_list',
] as const;

/** Results of commands that are refusals, whatever was asked. */
export type Refusal = Exclude<CommandResult, { kind: (typeof SUCCESSES)[number] }>;

export function isRefusal(result: CommandResult): result is Refusal {
  return !SUCCESSES.some((kind) => kind === result.kind);
}

/** What a client is told of a refused command. */
export function refusalProblem(refusal: Refusal): Problem {
  switch (refusal.kind) {
    case 'sold_out':
      return new Problem('sold_out', { detail: 'ticket is sold out' });
    case 'temporarily_unavailable':
      return new Problem('temporarily_unavailable', {
        detail: 'ticket is temporarily unavailable',
        members: { remaining: refusal.remaining },
      });
    case 'purchase_limit': {
      const { limit, owned, of } = refusal;
      const detail =
        of === 'code'
          ? `At most ${limit} tickets with this code; ${owned} are held or sold.`
          : `At most ${limit} tickets; you have ${owned} of this match.`;
      return new Problem('purchase_limit', { detail, members: { limit, owned, ...(of && { of }) } });
    }
    case 'price_mismatch':
      return validationFailed([{ path: 'price', message: `the price is ${refusal.price}` }]);
    case 'not_open':
      return notFound('This ticket');
    case 'closed':
      return new Problem('sales_closed', { detail: 'Sales of this ticket are closed.' });
    case 'paused':
      return new Problem('sales_paused', { detail: 'Sales of this ticket are paused for now.' });
    case 'phase_over':
      return new Problem('not_on_sale', {
        detail:
          'This phase of the sale ended before the request was decided; nothing is held. Look what is on now.',
      });
    case 'only_by_log':
      return new Problem('invalid_state', {
        detail:
          'The ticket is sold in the order of the log (SALES_MODE=ordered): what others have moves only by what they publish.',
      });
    case 'nothing_sold':
      return new Problem('invalid_state', {
        detail: 'This marketplace has no sale of the ticket that could be given back; dismiss it instead.',
      });
    case 'not_live':
    case 'hold_expired':
      return new Problem('hold_expired', { detail: 'The hold has ended and its tickets were given back.' });
    case 'wrong_state':
      return new Problem('invalid_state', {
        detail: `The reservation is ${refusal.reservation.status}.`,
        members: { reservationStatus: refusal.reservation.status },
      });
    case 'refund_exceeds':
      return validationFailed([{ path: 'quantity', message: `at most ${refusal.quantity} can be refunded` }]);
    case 'not_due':
      return new Problem('invalid_state', { detail: 'The hold has not ended yet.' });
    case 'already_waiting':
      return new Problem('already_waiting', { detail: 'You wait for this ticket already.' });
    case 'available_now':
      return new Problem('available_now', { detail: 'Nobody has to wait for these tickets: hold them.' });
    case 'waiting_list_full':
      return new Problem('waiting_list_full', {
        detail: `At most ${refusal.limit} wait for one ticket; ask again later.`,
        members: { limit: refusal.limit },
      });
    case 'being_offered':
      return overloaded();
    case 'not_waiting':
      return new Problem('invalid_state', { detail: 'This place in the waiting list is given up.' });
    case 'deadline_passed':
    case 'incarnation_passed':
    case 'outbox_full':
    case 'remote_limit':
      return overloaded();
    case 'failed':
      return outcomeUnknown({ keyed: false });
  }
}

/** What a client is told when a submission was not answered. */
export function unansweredProblem(
  result: Exclude<SubmissionResult, { kind: 'answered' }>,
  options: Parameters<typeof outcomeUnknown>[0],
): Problem {
  return result.kind === 'overloaded' ? overloaded(result.retryAfterMs) : outcomeUnknown(options);
}

/** Something this process stands on does not answer; the same request may succeed later. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
}

/**
 * The problem for anything thrown while a request was served. `expected` is false for defects, which are to be
 * logged: they are answered 500 without details.
 */
export function problemOfError(error: unknown): { readonly problem: Problem; readonly expected: boolean } {
  if (
    error instanceof UnavailableError ||
    error instanceof ArchiveUnavailableError ||
    error instanceof PaymentUnavailableError
  ) {
    const problem = new Problem('overloaded', {
      retryAfterMs: RETRY_AFTER_MS,
      detail: 'A part of the service does not answer; please try again shortly.',
    });
    return { problem, expected: true };
  }
  const status = statusOf(error);
  if (status === null) return { problem: new Problem('internal_error'), expected: false };
  return { problem: clientErrorProblem(status), expected: true };
}

/** Express, its body parser and its router name the client's mistake by `status`; nothing else sets one. */
function statusOf(error: unknown): number | null {
  if (error instanceof URIError) return 400;
  if (!(error instanceof Error) || !('status' in error)) return null;
  const { status } = error;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null;
}

/** Fixed words per status: messages of parsers quote the client's input. */
function clientErrorProblem(status: number): Problem {
  switch (status) {
    case 404:
      return new Problem('not_found');
    case 408:
      return new Problem('request_timeout');
    case 413:
      return new Problem('payload_too_large');
    case 415:
      return new Problem('unsupported_media_type', { detail: 'Send plain JSON in UTF-8.' });
    case 431:
      return new Problem('headers_too_large');
    default:
      return new Problem('malformed_request', {
        status,
        detail: 'The URL or the body is not well-formed (JSON in UTF-8 is expected).',
      });
  }
}

/** A problem as raw HTTP/1.1, for a connection whose request could not even be parsed. */
export function rawResponse(problem: Problem, reason: string): string {
  const body = JSON.stringify(problem.body);
  return (
    `HTTP/1.1 ${problem.status} ${reason}\r\nConnection: close\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}
