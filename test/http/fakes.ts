/**
 * Fakes at the ports of the HTTP services. The market runs the real rules, so every outcome a test sees is a
 * true one; time stands still until a test moves it.
 */
import { ArchiveUnavailableError } from '../../src/archive/port.js';
import type { Clock, CommandResult, TicketCounters } from '../../src/actors/ports.js';
import { ticketsOf, type Match } from '../../src/catalog/match.js';
import type {
  CatalogSource,
  CommandGateway,
  CountersSource,
  ReservationReader,
  Submission,
  SubmissionResult,
} from '../../src/http/ports.js';
import type { IdempotencyStore } from '../../src/http/idempotency.js';
import {
  PaymentUnavailableError,
  type ChargeRequest,
  type PaymentProvider,
  type PaymentState,
} from '../../src/payments/port.js';
import { apply, available, decide, initialState, pending } from '../../src/rules/index.js';
import type { Command, Outcome, Policy, Reservation, TicketId, TicketState } from '../../src/rules/index.js';

export class ManualClock implements Clock {
  #now = Date.UTC(2022, 9, 1);
  #timers = new Map<symbol, { at: number; task: () => void }>();

  now(): number {
    return this.#now;
  }

  schedule(delayMs: number, task: () => void): () => void {
    const id = Symbol();
    this.#timers.set(id, { at: this.#now + delayMs, task });
    return () => this.#timers.delete(id);
  }

  advance(ms: number): void {
    this.#now += ms;
    const due = [...this.#timers].filter(([, { at }]) => at <= this.#now);
    for (const [id, { task }] of due) {
      this.#timers.delete(id);
      task();
    }
  }

  get timers(): number {
    return this.#timers.size;
  }
}

export const POLICY: Policy = {
  holdMs: 600_000,
  payingMs: 900_000,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60_000,
  remoteTalliesMax: 100,
};

export const PRICES = [75, 125, 195] as const;

const TEAMS = ['Qatar', 'Ecuador', 'England', 'IR Iran', 'Senegal', 'Netherlands', 'USA', 'Côte d’Ivoire'];

export function someMatch(matchNumber: number): Match {
  const isKnockout = matchNumber > 3;
  return {
    matchNumber,
    roundNumber: isKnockout ? 4 : 1,
    dateUtc: `2022-11-${String(19 + matchNumber).padStart(2, '0')}T16:00:00Z`,
    location: matchNumber === 1 ? 'Al Bayt Stadium' : 'Khalifa International Stadium',
    homeTeam: isKnockout ? 'TBA' : (TEAMS[matchNumber * 2 - 2] ?? 'TBA'),
    awayTeam: isKnockout ? 'TBA' : (TEAMS[matchNumber * 2 - 1] ?? 'TBA'),
    group: isKnockout ? null : 'ABC'.charAt(matchNumber - 1),
  };
}

type Interception = SubmissionResult | 'answer lost' | 'rejects';

/** All actors of a small market, in memory. What a crash loses it does not keep: `restart` of its users. */
export class Market implements CommandGateway, ReservationReader {
  readonly states = new Map<string, TicketState>();
  readonly outcomes = new Map<string, Outcome>();
  readonly ended = new Map<string, Reservation>();
  readonly submissions: Submission[] = [];
  /** Commands that caused an event, for good. */
  readonly archived = new Set<string>();
  archiveAway = false;
  /** Asked before each submission; what it answers happens instead of the usual. */
  intercept: (submission: Submission) => Interception | undefined = () => undefined;
  readonly #clock: Clock;
  readonly #versions = new Map<string, number>();
  readonly #onChange = new Set<(counters: TicketCounters) => void>();
  readonly #onReset = new Set<() => void>();
  readonly #onCatalog = new Set<() => void>();
  #matches: Match[] = [];
  barriers = 0;
  /** What the next barriers wait for. */
  gate: Promise<void> = Promise.resolve();
  readGate: Promise<void> = Promise.resolve();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly counters: CountersSource = {
    read: async (tickets) => {
      await this.readGate;
      return tickets.filter((ticket) => this.#state(ticket).opened).map((ticket) => this.countersOf(ticket));
    },
    subscribe: (onChange, onReset) => {
      this.#onChange.add(onChange);
      this.#onReset.add(onReset);
      return () => {
        this.#onChange.delete(onChange);
        this.#onReset.delete(onReset);
      };
    },
    barrier: async () => {
      this.barriers += 1;
      await this.gate;
    },
  };

  readonly catalog: CatalogSource = {
    matches: async () => this.#matches,
    subscribe: (onChange) => {
      this.#onCatalog.add(onChange);
      return () => this.#onCatalog.delete(onChange);
    },
  };

  reset(): void {
    for (const reset of this.#onReset) reset();
  }

  /** Loads a match with `capacity` tickets in each category. */
  open(match: Match, capacity: number, categories: readonly number[] = [1, 2, 3]): void {
    this.#matches = [...this.#matches.filter((known) => known.matchNumber !== match.matchNumber), match];
    for (const ticket of ticketsOf(match.matchNumber)) {
      if (!categories.includes(ticket.category)) continue;
      const price = PRICES[ticket.category - 1] ?? 0;
      this.do(ticket, { type: 'load', capacity, price, currency: 'usd' });
    }
    for (const changed of this.#onCatalog) changed();
  }

  find(id: string): Promise<Reservation | null> {
    for (const state of this.states.values()) {
      const live = state.reservations.get(id);
      if (live) return Promise.resolve(live);
    }
    return Promise.resolve(this.ended.get(id) ?? null);
  }

  async submit(submission: Submission): Promise<SubmissionResult> {
    this.submissions.push(submission);
    const instead = this.intercept(submission);
    if (instead === 'rejects') throw new Error('the gateway is broken');
    if (typeof instead === 'object') return instead;
    const result = this.#run(submission);
    return instead === 'answer lost' ? { kind: 'unknown' } : { kind: 'answered', result };
  }

  async recall(ticket: TicketId, id: string): Promise<Outcome | undefined> {
    return this.outcomes.get(`${name(ticket)}/${id}`);
  }
  async tookEffect(ticket: TicketId, id: string): Promise<boolean> {
    if (this.archiveAway) throw new ArchiveUnavailableError('away');
    return this.archived.has(`${name(ticket)}/${id}`);
  }

  /** A command past HTTP: what peers, timers and operators do. */
  do(ticket: TicketId, body: Submission['body']): CommandResult {
    return this.#run({ ticket, body, id: `direct-${this.outcomes.size}-${Math.random()}`, keepMs: 1 });
  }

  countersOf(ticket: TicketId): TicketCounters {
    const state = this.#state(ticket);
    const { capacity, price, currency, closed, soldHere, soldElsewhere, heldHere, heldElsewhere } = state;
    const facts = { capacity, price, currency, closed, soldHere, soldElsewhere, heldHere, heldElsewhere };
    const version = this.#versions.get(name(ticket)) ?? 0;
    return {
      ...ticket,
      ...facts,
      available: available(state),
      pending: pending(state),
      incarnation: 1,
      version,
    };
  }

  #run({ ticket, id, body }: Submission): CommandResult {
    const recorded = this.outcomes.get(`${name(ticket)}/${id}`);
    if (recorded) return recorded;
    const command = { ...body, id, at: this.#clock.now(), ...this.#elsewhere(ticket, body) } as Command;
    const { events, outcome } = decide(this.#state(ticket), command, POLICY);
    this.states.set(name(ticket), events.reduce(apply, this.#state(ticket)));
    if (events.length > 0) this.archived.add(`${name(ticket)}/${id}`);
    for (const event of events) {
      if ('reservation' in event) this.ended.set(event.reservation.id, event.reservation);
    }
    this.outcomes.set(`${name(ticket)}/${id}`, outcome);
    if (events.length > 0) {
      this.#versions.set(name(ticket), (this.#versions.get(name(ticket)) ?? 0) + 1);
      for (const changed of this.#onChange) changed(this.countersOf(ticket));
    }
    return outcome;
  }

  #elsewhere({ matchNumber, category }: TicketId, body: Submission['body']): { personElsewhere?: number } {
    if (body.type !== 'hold') return {};
    const others = ticketsOf(matchNumber).filter((other) => other.category !== category);
    return {
      personElsewhere: others.reduce(
        (sum, other) => sum + (this.#state(other).persons.get(body.person) ?? 0),
        0,
      ),
    };
  }

  #state(ticket: TicketId): TicketState {
    return this.states.get(name(ticket)) ?? initialState(ticket);
  }
}

const name = ({ matchNumber, category }: TicketId): string => `${matchNumber}:${category}`;

export const CARDS = {
  good: '4242424242424242',
  declined: '4000000000000002',
  /** The provider takes it, and its answer is lost. */
  lost: '4000000000000341',
  /** The provider cannot be reached. */
  away: '4000000000000119',
};

export class FakeProvider implements PaymentProvider {
  readonly payments = new Map<string, PaymentState>();
  readonly charged = new Map<string, number>();
  readonly refunds = new Map<string, number>();
  refundsFail = false;
  /** Runs between the provider's decision and its answer. */
  beforeAnswer: () => void | Promise<void> = () => undefined;

  constructor(readonly kind: 'sandbox' | 'stripe' = 'sandbox') {}

  async charge(request: ChargeRequest): Promise<PaymentState> {
    if (request.paymentMethod === CARDS.away) throw new PaymentUnavailableError('away');
    const state = this.#decide(request.paymentId, () =>
      request.paymentMethod === CARDS.declined
        ? { status: 'declined', reason: 'card_declined' }
        : { status: 'succeeded' },
    );
    if (state.status === 'succeeded') this.charged.set(request.paymentId, request.amountMinor);
    await this.beforeAnswer();
    if (request.paymentMethod === CARDS.lost) throw new PaymentUnavailableError('lost');
    return state;
  }

  async cancel({ paymentId }: Omit<ChargeRequest, 'paymentMethod'>): Promise<PaymentState> {
    return this.#decide(paymentId, () => ({ status: 'cancelled' }));
  }

  async find(paymentId: string): Promise<PaymentState | null> {
    return this.payments.get(paymentId) ?? null;
  }

  async refund({ refundId, amountMinor }: { refundId: string; amountMinor: number }): Promise<void> {
    if (this.refundsFail) throw new PaymentUnavailableError('away');
    this.refunds.set(refundId, amountMinor);
  }

  #decide(paymentId: string, decision: () => PaymentState): PaymentState {
    const state = this.payments.get(paymentId) ?? decision();
    this.payments.set(paymentId, state);
    return state;
  }
}

export class MemoryIdempotency implements IdempotencyStore {
  readonly claims = new Map<string, string>();
  fails = false;

  async claim(scopeKey: string, fingerprint: string): Promise<{ first: boolean; fingerprint: string }> {
    if (this.fails) throw new Error('the store is away');
    const known = this.claims.get(scopeKey);
    if (known === undefined) this.claims.set(scopeKey, fingerprint);
    return { first: known === undefined, fingerprint: known ?? fingerprint };
  }
}
