/** What the sandbox answers: a body with its status, and Stripe's errors. https://docs.stripe.com/api/errors */
import type { Decline } from './cards.js';

export type Json = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly status: number;
  readonly body: Json;
  /** Whether a repeat under the same idempotency key is answered from memory. */
  readonly isKept: boolean;
}

export const ok = (body: Json): Answer => ({ status: 200, body, isKept: true });

/** An answer that ends the request wherever it is found to be needed. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly answer: Answer;

  constructor(status: number, error: Json & { readonly message: string }, isKept = false) {
    super(error.message);
    this.answer = { status, body: { error }, isKept };
  }
}

/** Refused before anything was tried; not remembered under the key. */
export function invalid(message: string, facts: Json = {}): ApiError {
  return new ApiError(400, { type: 'invalid_request_error', message, ...facts });
}

/** Refused for the state that the object has; remembered under the key. */
export function refusedFor(code: string, message: string, facts: Json = {}): ApiError {
  return new ApiError(400, { type: 'invalid_request_error', code, message, ...facts }, true);
}

export function missing(what: string, id: string, param: string): ApiError {
  const message = `No such ${what}: '${id}'`;
  const facts = { type: 'invalid_request_error', code: 'resource_missing', param };
  return new ApiError(param === 'payment_method' ? 400 : 404, { ...facts, message });
}

export function cardError({ code, declineCode, message }: Decline, facts: Json = {}): ApiError {
  const error = {
    type: 'card_error',
    code,
    message,
    ...(declineCode !== undefined && { decline_code: declineCode }),
    doc_url: `https://docs.stripe.com/error-codes/${code.replaceAll('_', '-')}`,
    ...facts,
  };
  return new ApiError(402, error, true);
}
