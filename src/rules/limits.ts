/** What a phase of the sale lets one person and one code have: at most what the policy does, and as long as tickets are taken. */
import { codeKey } from './apply.js';
import type { HoldLimits, KeptLimits, Outcome, Policy, TicketState } from './types.js';

type PurchaseLimits = Pick<Policy, 'ticketsPerPersonMax' | 'ticketsPerReservationMax'>;

/** Judged by the same whenever its tickets are taken: held, held again, or offered. */
export interface Limited {
  /** Digest of the presale's code, where what one code gets is limited. */
  readonly code?: string;
  readonly limits?: KeptLimits;
}

/** A sale phase can narrow what the policy allows, and not widen it. */
export function limitsOf(
  { perPerson = Infinity, perReservation = Infinity }: Pick<HoldLimits, 'perPerson' | 'perReservation'> = {},
  policy: PurchaseLimits,
): PurchaseLimits {
  return {
    ticketsPerPersonMax: Math.min(policy.ticketsPerPersonMax, perPerson),
    ticketsPerReservationMax: Math.min(policy.ticketsPerReservationMax, perReservation),
  };
}

/** What goes on record of the limits of a command. */
export function keptOf({ perPerson, code }: HoldLimits = {}): Limited {
  if (perPerson === undefined && code === undefined) return {};
  return {
    ...(code && { code: code.digest }),
    limits: { ...(perPerson !== undefined && { perPerson }), ...(code && { perCode: code.ticketsMax }) },
  };
}

/** The refusal when its code has not so many left. */
export function codeLimit(
  state: Pick<TicketState, 'persons'>,
  quantity: number,
  { code, limits: { perCode: limit } = {} }: Limited,
): Outcome | null {
  if (code === undefined || limit === undefined) return null;
  const owned = state.persons.get(codeKey(code)) ?? 0;
  return owned + quantity > limit ? { kind: 'purchase_limit', limit, owned, of: 'code' } : null;
}
