import { describe, expect, it } from '@jest/globals';
import { ApiProblem, asProblem, problemOf, retryAfterMsOf } from '../src/api/problem';

describe('problems', () => {
  it('are read from problem+json', () => {
    const problem = problemOf(409, { code: 'temporarily_unavailable', remaining: 1 }, null);
    expect([problem.code, problem.status, problem.remaining, problem.isOutcomeUnknown]).toEqual([
      'temporarily_unavailable',
      409,
      1,
      false,
    ]);
    const limit = problemOf(409, { code: 'purchase_limit', limit: 4, owned: 3 }, null);
    expect([limit.limit, limit.owned]).toEqual([4, 3]);
  });

  it('tell a refusal from an outcome that is not known', () => {
    expect(problemOf(503, { code: 'overloaded', outcome: 'refused' }, '2').isOutcomeUnknown).toBe(false);
    expect(problemOf(503, { code: 'overloaded', outcome: 'unknown' }, '2').isOutcomeUnknown).toBe(true);
    expect(new ApiProblem('connection_lost').isOutcomeUnknown).toBe(true);
    expect(new ApiProblem('timed_out').isOutcomeUnknown).toBe(true);
    expect(problemOf(500, { code: 'internal_error' }, null).isOutcomeUnknown).toBe(true);
    expect(problemOf(409, { code: 'sold_out' }, null).isOutcomeUnknown).toBe(false);
  });

  it('of something in between are told by their status', () => {
    expect(problemOf(502, null, null).code).toBe('outcome_unknown');
    expect(problemOf(404, '<html>', null).code).toBe('not_found');
    expect(problemOf(429, undefined, '7')).toMatchObject({ code: 'rate_limited', retryAfterMs: 7_000 });
    expect(problemOf(400, { code: 'made_up' }, null).code).toBe('bad_answer');
  });

  it('keep only fields that are fields', () => {
    const errors = [{ path: 'email', message: 'no' }, { path: 1 }, null];
    const problem = problemOf(422, { code: 'validation_failed', errors }, null);
    expect(problem.errors).toEqual([{ path: 'email', message: 'no' }]);
  });

  it('believe no wait that is absurd', () => {
    expect([retryAfterMsOf('999999'), retryAfterMsOf('soon'), retryAfterMsOf(null)]).toEqual([
      3_600_000,
      undefined,
      undefined,
    ]);
  });

  it('are made of anything thrown', () => {
    expect(asProblem(new TypeError('x')).code).toBe('bad_answer');
  });
});
