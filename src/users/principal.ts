/** Who sends a request, as far as an access token proves it. */
/**
 * `buyer`: everybody with an account. `steward`: checks people in at the gates, and reaches nothing else that is
 * operators'. `operator`: all of it.
 */
export type AccountRole = 'buyer' | 'operator' | 'service' | 'steward';

export interface Principal {
  readonly accountId: string;
  /** Confirmed or not: see `emailConfirmed`. */
  readonly email: string;
  readonly emailConfirmed: boolean;
  readonly roles: readonly AccountRole[];
  /** The log-in it came from. */
  readonly sessionId: string;
  /** Whether a second factor was given at that log-in. */
  readonly secondFactor: boolean;
}
