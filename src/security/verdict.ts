/** The security check at the edge of HTTP: what is read of a request, and how a verdict is answered. */
import type { IncomingMessage } from 'node:http';
import { Problem } from '../http/problem.js';
import type { CheckRequest, Verdict } from './port.js';

/** Where a client puts the solution of a challenge. */
export const SOLUTION_HEADER = 'X-Challenge-Solution';
/** Longest solution, characters: a payload of the widget has about 700. */
export const SOLUTION_CHARS_MAX = 4_096;

/** The headers that tell browsers from programs. */
export const SIGNAL_HEADERS = [
  'user-agent',
  'accept',
  'accept-language',
  'origin',
  'sec-fetch-site',
  'sec-fetch-mode',
  'sec-fetch-dest',
  'sec-ch-ua',
] as const;
export const SIGNAL_CHARS_MAX = 512;

export function signalsOf({ headers }: Pick<IncomingMessage, 'headers'>): CheckRequest['signals'] {
  const signals: Record<string, string> = {};
  for (const name of SIGNAL_HEADERS) {
    const value = headers[name];
    if (typeof value === 'string') signals[name] = value.slice(0, SIGNAL_CHARS_MAX);
  }
  return signals;
}

/** Undefined when there is none, or one that cannot be any. */
export function solutionOf({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
  const value = headers[SOLUTION_HEADER.toLowerCase()];
  return typeof value === 'string' && value.length <= SOLUTION_CHARS_MAX ? value : undefined;
}

/** What the client is told; null when its request may go on. The reasons are for logs: they would teach bots. */
export function verdictProblem(verdict: Verdict): Problem | null {
  switch (verdict.verdict) {
    case 'allow':
      return null;
    case 'challenge':
      return new Problem('challenge_required', {
        detail:
          `Solve the challenge (ALTCHA proof of work) and send the same request again with its solution in the ` +
          `header ${SOLUTION_HEADER}. A solution works once.`,
        members: { challenge: verdict.challenge },
      });
    case 'deny':
      return verdict.retryAfterMs === undefined
        ? new Problem('blocked', {
            detail: 'This request is refused. If you think that is wrong, ask the operator of the shop.',
          })
        : new Problem('rate_limited', {
            retryAfterMs: verdict.retryAfterMs,
            detail: 'Too many requests; please wait before the next one.',
          });
  }
}
