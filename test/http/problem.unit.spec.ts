import { describe, expect, it } from '@jest/globals';
import { ArchiveUnavailableError } from '../../src/archive/port.js';
import {
  PROBLEMS,
  Problem,
  isRefusal,
  outcomeUnknown,
  problemOfError,
  refusalProblem,
  validationFailed,
  type Refusal,
} from '../../src/http/problem.js';
import { PaymentUnavailableError } from '../../src/payments/port.js';
import type { Reservation } from '../../src/rules/index.js';

const reservation = { status: 'RESERVED' } as Reservation;

const TABLE: [Refusal, number, string, object][] = [
  [{ kind: 'sold_out' }, 409, 'sold_out', { title: 'ticket is sold out', detail: 'ticket is sold out' }],
  [
    { kind: 'temporarily_unavailable', remaining: 1 },
    409,
    'temporarily_unavailable',
    { title: 'ticket is temporarily unavailable', remaining: 1 },
  ],
  [{ kind: 'purchase_limit', limit: 4, owned: 3 }, 409, 'purchase_limit', { limit: 4, owned: 3 }],
  [
    { kind: 'price_mismatch', price: 75 },
    422,
    'validation_failed',
    { errors: [{ path: 'price', message: 'the price is 75' }] },
  ],
  [{ kind: 'not_open' }, 404, 'not_found', {}],
  [{ kind: 'closed' }, 409, 'sales_closed', {}],
  [{ kind: 'not_live' }, 409, 'hold_expired', {}],
  [{ kind: 'hold_expired' }, 409, 'hold_expired', {}],
  [{ kind: 'wrong_state', reservation }, 409, 'invalid_state', { reservationStatus: 'RESERVED' }],
  [{ kind: 'refund_exceeds', quantity: 1 }, 422, 'validation_failed', {}],
  [{ kind: 'not_due', expiresAt: 1 }, 409, 'invalid_state', {}],
  [{ kind: 'deadline_passed' }, 503, 'overloaded', { outcome: 'refused' }],
  [{ kind: 'outbox_full' }, 503, 'overloaded', { outcome: 'refused' }],
  [{ kind: 'being_offered' }, 503, 'overloaded', { outcome: 'refused' }],
  [{ kind: 'remote_limit', limit: 1 }, 503, 'overloaded', { outcome: 'refused' }],
  [{ kind: 'failed' }, 503, 'overloaded', { outcome: 'unknown' }],
];

describe('refusals', () => {
  it.each(TABLE)('%j', (refusal, status, code, members) => {
    const problem = refusalProblem(refusal);
    expect(isRefusal(refusal)).toBe(true);
    expect(problem.body).toMatchObject({ status, code, type: `urn:ticktak:problem:${code}`, ...members });
    if (status === 503) expect(problem.headers['Retry-After']).toMatch(/^[1-9]\d*$/);
  });

  it('are told apart from successes', () => {
    expect(isRefusal({ kind: 'held', reservation })).toBe(false);
    expect(isRefusal({ kind: 'applied' })).toBe(false);
  });
});

describe('problems', () => {
  it('have the statuses of the contract', () => {
    const contract = {
      hold_expired: 409,
      payment_declined: 402,
      validation_failed: 422,
      unauthorized: 401,
      forbidden: 403,
      rate_limited: 429,
      overloaded: 503,
      challenge_required: 403,
      not_found: 404,
    } as const;
    for (const [code, status] of Object.entries(contract)) {
      expect(PROBLEMS[code as keyof typeof contract][0]).toBe(status);
    }
  });

  it('send whole seconds, at least one', () => {
    expect(new Problem('rate_limited', { retryAfterMs: 1 }).headers).toEqual({ 'Retry-After': '1' });
    expect(new Problem('rate_limited', { retryAfterMs: 2_001 }).headers).toEqual({ 'Retry-After': '3' });
  });

  it('say how to learn an outcome that is not known', () => {
    const held = outcomeUnknown({ keyed: true, reservation: { id: 'i', token: 't' } });
    expect(held.body).toMatchObject({ outcome: 'unknown', reservation: { id: 'i', token: 't' } });
    expect(held.body['detail']).toContain('same Idempotency-Key');
    expect(held.headers).toHaveProperty('Retry-After');
  });

  it('name the first mistake in the detail', () => {
    expect(validationFailed([{ path: 'a', message: 'm' }]).body['detail']).toBe('a: m');
    expect(validationFailed([{ path: '', message: 'm' }]).body['detail']).toBe('m');
  });
});

describe('errors', () => {
  const withStatus = (status: unknown): Error => Object.assign(new Error('quotes the client'), { status });
  it.each([
    [new ArchiveUnavailableError('x'), 503, 'overloaded', true],
    [new PaymentUnavailableError('x'), 503, 'overloaded', true],
    [new URIError('x'), 400, 'malformed_request', true],
    [withStatus(400), 400, 'malformed_request', true],
    [withStatus(404), 404, 'not_found', true],
    [withStatus(408), 408, 'request_timeout', true],
    [withStatus(413), 413, 'payload_too_large', true],
    [withStatus(415), 415, 'unsupported_media_type', true],
    [withStatus(431), 431, 'headers_too_large', true],
    [withStatus(499), 499, 'malformed_request', true],
    [withStatus(500), 500, 'internal_error', false],
    [withStatus('400'), 500, 'internal_error', false],
    [new Error('secret'), 500, 'internal_error', false],
    ['text', 500, 'internal_error', false],
    [undefined, 500, 'internal_error', false],
  ])('%s', (error, status, code, expected) => {
    const told = problemOfError(error);
    expect(told.expected).toBe(expected);
    expect(told.problem.body).toMatchObject({ status, code });
    expect(JSON.stringify(told.problem.body)).not.toMatch(/secret|quotes/);
  });
});
