/** Which text tells of a problem (`problems.*` of the languages). */
import type { ApiProblem } from '../api/problem';
import type { Messages } from '../i18n/languages';

type ProblemTexts = Omit<Messages['problems'], 'waitSeconds'>;
export type ProblemTextKey = keyof ProblemTexts;

const TOLD = {
  sold_out: true,
  temporarily_unavailable: true,
  purchase_limit: true,
  hold_expired: true,
  sales_closed: true,
  sales_paused: true,
  invalid_state: true,
  payment_declined: true,
  validation_failed: true,
  unauthorized: true,
  forbidden: true,
  email_unconfirmed: true,
  second_factor_required: true,
  blocked: true,
  conflict: true,
  waiting_room: true,
  not_on_sale: true,
  access_code_required: true,
  access_code_invalid: true,
  country_not_allowed: true,
  already_waiting: true,
  available_now: true,
  waiting_list_full: true,
  challenge_required: true,
  challenge_failed: true,
  rate_limited: true,
  overloaded: true,
  not_found: true,
  not_ready: true,
  connection_lost: true,
  timed_out: true,
  outcome_unknown: true,
  internal_error: true,
  other: true,
} as const satisfies Record<ProblemTextKey, true>;

const isTold = (code: string): code is ProblemTextKey => Object.hasOwn(TOLD, code);

/** Of a refusal whose outcome is known. */
export const problemTextOfCode = (code: string): ProblemTextKey => (isTold(code) ? code : 'other');

/** `overloaded` has two meanings: nothing was done, or nobody knows. */
export function problemTextKey(problem: ApiProblem): ProblemTextKey {
  if (problem.code === 'overloaded' && problem.isOutcomeUnknown) return 'outcome_unknown';
  return problemTextOfCode(problem.code);
}
