/** What all routes of operators have in common: who may, which limits they share, and the audit before an act. */
import { z } from 'zod';
import type { RouteInput } from '../http/api.js';
import type { Problem, ProblemCode } from '../http/problem.js';
import type { Audit } from '../security/port.js';
import type { Principal } from '../users/principal.js';

export interface OperatorRoutesOptions {
  readonly requireOperator: (principal: Principal | null) => Problem | null;
  readonly audit: Audit;
}

const PROBLEMS: readonly ProblemCode[] = [
  'unauthorized',
  'forbidden',
  'second_factor_required',
  'overloaded',
];

/** Spread into a route's definition. */
export function forOperators(
  { requireOperator }: Pick<OperatorRoutesOptions, 'requireOperator'>,
  ...more: readonly ProblemCode[]
) {
  return {
    tag: 'operations',
    routeClass: 'admin',
    security: ['accessToken'],
    problems: [...PROBLEMS, ...more],
    authorize: ({ principal }: { readonly principal: Principal | null }): Problem | null =>
      requireOperator(principal),
  } as const;
}

type Asked = Pick<RouteInput<unknown, unknown, unknown, unknown>, 'principal' | 'address' | 'requestId'>;

export const actorOf = ({ principal }: Pick<Asked, 'principal'>): string =>
  `account:${principal?.accountId ?? ''}`;

/** Kept before what it tells of is done. */
export function audited(
  { audit }: Pick<OperatorRoutesOptions, 'audit'>,
  asked: Asked,
  act: {
    readonly action: string;
    readonly subject: string;
    readonly details?: Readonly<Record<string, string | number | boolean>>;
  },
): Promise<void> {
  const { address, requestId } = asked;
  return audit.record({ actor: actorOf(asked), address, requestId, ...act });
}

const NOTE_CHARS_MAX = 500;
export const noteSchema = z
  .string()
  .trim()
  .min(1)
  .max(NOTE_CHARS_MAX)
  .meta({ description: 'Why, for the audit.' });

export const iso = (at: number): string => new Date(at).toISOString();
