/**
 * Who buys, and whose a reservation is.
 *
 * Guarantees: a reservation is shown to, and acted on by, whoever has its token, the account that made it, an
 * account whose confirmed e-mail address it was made with, and operators; to nobody else. An account and a
 * guest with the same mailbox are one person to every limit.
 */
import type { Request } from 'express';
import type { Reservation, TicketId } from '../rules/index.js';
import { BoundedMap } from '../security/bounded-map.js';
import type { Devices } from '../security/device.js';
import { personOf } from '../security/person.js';
import type { PersonCheckRequest, Security } from '../security/port.js';
import { solutionOf, verdictProblem } from '../security/verdict.js';
import type { Principal } from '../users/principal.js';
import { isAccessToken } from './gate.js';
import { TOKEN_CHARS_MAX, bearerToken, ticketOfReservation, verifyToken } from './identity.js';
import { Problem, notFound, validationFailed } from './problem.js';

/**
 * Who may buy without a confirmed e-mail address: nobody, anybody once, anybody. An account whose address is not
 * confirmed proves no more than a guest does.
 */
export type GuestPolicy = 'none' | 'confirmed' | 'open';

export interface BuyersOptions {
  readonly guests: GuestPolicy;
  /** Makes the tokens of reservations; whoever has it can open every one. */
  readonly tokenSecret: string;
  readonly security: Pick<Security, 'checkPerson' | 'tell'> & {
    hasBought(person: string): Promise<boolean>;
  };
  readonly isEmailConfirmed: (email: string) => Promise<boolean>;
  readonly devices?: Pick<Devices, 'of'>;
  /** Null when the principal is an operator who may act as one. */
  readonly requireOperator: (principal: Principal | null) => Problem | null;
}

export interface Buyer {
  readonly email: string;
  /** Whom the purchase limit counts. */
  readonly person: string;
  readonly account?: string;
}

/**
 * Whom rates and signals of the security check count. Not the address of somebody who has an account: anybody can
 * type it, and act in its name until its owner cannot buy any more.
 */
export function subjectOf({ account, person }: Pick<Reservation, 'person' | 'account'>): string {
  return account ?? person;
}

interface Asking {
  readonly request: Request;
  readonly principal: Principal | null;
  readonly address: string;
}

/** Tokens one request may present. */
export const TOKENS_MAX = 20;

/** Guests remembered per process. */
const GUESTS_MAX = 20_000;

export class Buyers {
  readonly #options: BuyersOptions;
  /** Those without a confirmed address who asked for a hold here before. */
  readonly #guests = new BoundedMap<string, true>(GUESTS_MAX);

  constructor(options: BuyersOptions) {
    this.#options = options;
  }

  get security(): BuyersOptions['security'] {
    return this.#options.security;
  }

  /** Who buys: the account that is logged in, else the guest the address names. */
  buyerOf(principal: Principal | null, email: string | undefined): Buyer | Problem {
    if (principal) {
      if (email !== undefined && email !== principal.email) {
        return validationFailed([
          { path: 'email', message: 'is not the one of the account that is logged in' },
        ]);
      }
      const { accountId: account } = principal;
      return { email: principal.email, person: personOf(principal.email), account };
    }
    if (this.#options.guests === 'none') {
      return new Problem('unauthorized', {
        detail: 'Buying needs an account here: log in and send its access token.',
        headers: { 'WWW-Authenticate': 'Bearer' },
      });
    }
    if (email === undefined) return validationFailed([{ path: 'email', message: 'is required from guests' }]);
    return { email, person: personOf(email) };
  }

  /** Why this person may not go on now; null when it may. `countsDevice`: it may wait for Redis to count persons on one device. */
  async refusal(
    buyer: Buyer,
    routeClass: PersonCheckRequest['routeClass'],
    { request, principal, address }: Asking,
    countsDevice = routeClass === 'pay',
  ): Promise<Problem | null> {
    const { security, isEmailConfirmed, devices } = this.#options;
    const solution = solutionOf(request);
    // Not of a hold, which need not wait for Redis: many persons on one device are stopped where they pay.
    const device = countsDevice ? devices?.of(request) : undefined;
    const asksAddress = routeClass === 'hold' && principal?.emailConfirmed !== true;
    const [verdict, needsConfirmed] = await Promise.all([
      security.checkPerson({
        address,
        routeClass,
        person: subjectOf(buyer),
        principal,
        ...(device !== undefined && { device }),
        ...(solution !== undefined && { solution }),
      }),
      asksAddress && this.#needsConfirmed(buyer),
    ]);
    const problem = verdictProblem(verdict);
    if (problem) return problem;
    return needsConfirmed && !(await isEmailConfirmed(buyer.email)) ? unconfirmed() : null;
  }

  #needsConfirmed({ person }: Buyer): boolean | Promise<boolean> {
    const { guests } = this.#options;
    return guests === 'none' || (guests === 'confirmed' && this.#isReturning(person));
  }

  /**
   * Whether somebody without a confirmed address has bought before. Asked of those who come back: most come once, and a hold
   * costs nobody money. The payment of each waits for what the archive says (reservations.ts).
   */
  #isReturning(person: string): boolean | Promise<boolean> {
    if (this.#guests.get(person)) return this.#options.security.hasBought(person);
    this.#guests.set(person, true);
    return false;
  }

  /** The reservation a path names; the id alone does not say whose it is. */
  refOf(id: string): { readonly ticket: TicketId; readonly reservationId: string } | null {
    const ticket = ticketOfReservation(id);
    return ticket && { ticket, reservationId: id };
  }

  /** Ids that the request's tokens open; a problem when it presents none, and no account either. */
  tokensOf({ request, principal, address }: Asking): ReadonlySet<string> | Problem {
    const presented = bearerToken(request.get('Authorization'));
    // An access token that has ended opens nothing, and is no attempt at a reservation.
    const bearer = presented !== null && isAccessToken(presented) ? null : presented;
    const listed = (request.get('X-Reservation-Token') ?? '').split(',').map((token) => token.trim());
    const tokens = [...(bearer === null ? [] : [bearer]), ...listed].filter((token) => token !== '');
    if (tokens.length > TOKENS_MAX) {
      return validationFailed([{ path: 'X-Reservation-Token', message: `at most ${TOKENS_MAX} tokens` }]);
    }
    if (tokens.length === 0) return principal ? new Set() : nothingPresented();
    const ids = tokens.map((token) => verifyToken(this.#options.tokenSecret, token));
    const opened = new Set(ids.filter((id) => id !== null));
    if (opened.size < tokens.length) this.security.tell({ kind: 'probe', address });
    return opened.size > 0 || principal ? opened : new Problem('forbidden');
  }

  isOperator(principal: Principal | null): boolean {
    return principal !== null && this.#options.requireOperator(principal) === null;
  }

  /** Whether the request may act on a reservation. `find` is asked only where the tokens do not say. */
  async authorize(
    id: string,
    asking: Asking,
    find: (id: string) => Promise<Owned | null>,
  ): Promise<Problem | null> {
    const opened = this.tokensOf(asking);
    if (opened instanceof Problem) return opened;
    if (opened.has(id)) return null;
    const { principal, address } = asking;
    if (principal) {
      if (this.#options.requireOperator(principal) === null) return null;
      const reservation = await find(id);
      if (reservation && owns(principal, reservation)) return null;
    }
    this.security.tell({ kind: 'probe', address });
    return new Problem('forbidden');
  }
}

/** As much of a reservation as says whose it is. */
export type Owned = Pick<Reservation, 'account' | 'email'>;

/** Whether a reservation is an account's own. */
export function owns(principal: Principal, { account, email }: Owned): boolean {
  if (account !== undefined) return account === principal.accountId;
  // Exactly: what is one mailbox for limits may be two in truth.
  return principal.emailConfirmed && email === principal.email;
}

const nothingPresented = (): Problem =>
  new Problem('unauthorized', {
    detail: `Present the reservation's token (at most ${TOKEN_CHARS_MAX} characters), or log in.`,
    headers: { 'WWW-Authenticate': 'Bearer' },
  });

export const unconfirmed = (): Problem =>
  new Problem('email_unconfirmed', {
    detail:
      'This e-mail address is not confirmed, and has bought before, is buying at this moment, or may not buy without. ' +
      'Confirm it: POST /api/v1/email-confirmations sends a mail with a link.',
  });

/** The answer for an id that can name nothing. */
export const noSuchReservation = (): Problem => notFound('This reservation');
