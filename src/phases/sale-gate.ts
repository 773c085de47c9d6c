/**
 * Whether a buyer is let into the sale of a ticket now, asked before a hold becomes a command.
 *
 * Guarantees: time is this machine's, the country that of the address the request came from, and not what the buyer
 * says; a code that is wrong is told to the security check, and a right one says nothing but that. What the phase
 * allows, and when it ends, goes with the hold: the actor decides it, so that many holds at once get no more, and one
 * that waited past the end gets nothing.
 */
import type { Clock } from '../actors/ports.js';
import { Problem } from '../http/problem.js';
import type { HoldLimits, TicketId } from '../rules/index.js';
import type { Security } from '../security/port.js';
import type { PhaseBook } from './book.js';
import type { CodeSets } from './codes.js';
import { phaseFor, phasesOn, phasesToCome, type Phase, type Presented } from './phase.js';

export interface SaleGateOptions {
  readonly book: Pick<PhaseBook, 'phasesOf' | 'all' | 'subscribe'>;
  readonly codes: Pick<CodeSets, 'find' | 'warm'>;
  readonly security: Pick<Security, 'tell'>;
  /** In which country an address is; null when that is not known. */
  readonly countryOf: (address: string) => string | null;
  readonly clock: Clock;
}

/** Who asks. */
export interface Entrant {
  /** As in the security check: an account, or a guest's mailbox. */
  readonly person: string;
  readonly address: string;
  readonly accessCode?: string | undefined;
}

export interface Admitted {
  /** For the hold; absent where the ticket is sold without phases. */
  readonly limits?: HoldLimits;
}

const WITHOUT_PHASES: Admitted = {};

export class SaleGate {
  readonly #options: SaleGateOptions;

  constructor(options: SaleGateOptions) {
    this.#options = options;
  }

  /** From now on codes are known before a crowd asks about them. Answers how to end that. */
  start(): () => void {
    const { book } = this.#options;
    const warm = (): void => void this.#warm();
    warm();
    return book.subscribe(warm);
  }

  async #warm(): Promise<void> {
    const { book, codes, clock } = this.#options;
    const coming = book
      .all()
      .flatMap(({ phases }) => phases)
      .filter(({ closesAt = Infinity }) => closesAt > clock.now());
    for (const { access } of coming) {
      // One that is not to be had now is asked for again by whoever comes with a code.
      if (access.kind === 'code') await codes.warm(access.codesId).catch(() => undefined);
    }
  }

  /** Rejects with `UnavailableError` while it cannot be known. */
  async admit(ticket: TicketId, entrant: Entrant): Promise<Admitted | Problem> {
    const { book, clock, countryOf } = this.#options;
    const phases = book.phasesOf(ticket);
    if (phases.length === 0) return WITHOUT_PHASES;
    const at = clock.now();
    const on = phasesOn(phases, at);
    const opensAt = phasesToCome(phases, at)[0]?.opensAt;
    if (on.length === 0) return notOnSale(at, opensAt);
    const digests = await this.#opened(on, entrant);
    if (digests instanceof Problem) return digests;
    const countries = on.flatMap(({ access }) => (access.kind === 'country' ? access.countries : []));
    const country = countries.length > 0 ? countryOf(entrant.address) : null;
    const phase = phaseFor(on, { digests, country });
    if (phase) return { limits: limitsOf(phase, digests) };
    const byCode = on.some(({ access }) => access.kind === 'code');
    return byCode ? codeRequired(opensAt) : countryNotAllowed(countries, country, opensAt);
  }

  /** Sets that the buyer's code is in, with what stands for it there. */
  async #opened(
    on: readonly Phase[],
    { accessCode, person, address }: Entrant,
  ): Promise<Presented['digests'] | Problem> {
    const sets = on.flatMap(({ access }) => (access.kind === 'code' ? [access.codesId] : []));
    // One of an earlier phase does no harm once nobody asks for codes.
    if (accessCode === undefined || sets.length === 0) return new Map();
    const opened = new Map<string, string>();
    for (const codesId of sets) {
      const digest = await this.#options.codes.find(codesId, accessCode);
      if (digest !== null) opened.set(codesId, digest);
    }
    if (opened.size > 0) return opened;
    this.#options.security.tell({ kind: 'code_wrong', person, address });
    return new Problem('access_code_invalid', {
      detail:
        'This code opens no phase of the sale that is on now. Check how it is written, or leave it out.',
    });
  }
}

function limitsOf(phase: Phase, digests: Presented['digests']): HoldLimits {
  const { access, closesAt, ticketsPerPersonMax, ticketsPerReservationMax, ticketsPerCodeMax } = phase;
  const digest = access.kind === 'code' ? digests.get(access.codesId) : undefined;
  return {
    ...(ticketsPerPersonMax !== undefined && { perPerson: ticketsPerPersonMax }),
    ...(ticketsPerReservationMax !== undefined && { perReservation: ticketsPerReservationMax }),
    ...(closesAt !== undefined && { until: closesAt }),
    ...(digest !== undefined &&
      ticketsPerCodeMax !== undefined && { code: { digest, ticketsMax: ticketsPerCodeMax } }),
  };
}

const iso = (at: number): string => new Date(at).toISOString();

const opens = (opensAt: number | undefined): { readonly opensAt?: string } =>
  opensAt === undefined ? {} : { opensAt: iso(opensAt) };

function notOnSale(at: number, opensAt: number | undefined): Problem {
  if (opensAt === undefined) {
    return new Problem('not_on_sale', { detail: 'The sale of this ticket is over.' });
  }
  return new Problem('not_on_sale', {
    detail: `The sale of this ticket opens at ${iso(opensAt)}.`,
    retryAfterMs: opensAt - at,
    members: opens(opensAt),
  });
}

function codeRequired(opensAt: number | undefined): Problem {
  return new Problem('access_code_required', {
    detail: 'This is a presale: send your code as `accessCode`, or in the header Access-Code.',
    members: opens(opensAt),
  });
}

function countryNotAllowed(
  countries: readonly string[],
  country: string | null,
  opensAt: number | undefined,
): Problem {
  const where = country === null ? 'in no country that is known' : `in ${country}`;
  return new Problem('country_not_allowed', {
    detail: `This presale is for buyers in ${countries.join(', ')}; your connection comes from an address ${where}.`,
    members: { countries: [...new Set(countries)], ...opens(opensAt) },
  });
}
