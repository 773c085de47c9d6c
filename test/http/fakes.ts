/**
 * Fakes at the ports of the HTTP services. The market runs the real rules, so every outcome a test sees is a
 * true one; time stands still until a test moves it.
 */
import { NO_NOTICES, type Notices } from '../../src/catalog/notices.js';
import { ArchiveUnavailableError, type Page } from '../../src/archive/port.js';
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
import type {
  CheckRequest,
  PersonCheckRequest,
  Security,
  SecurityFact,
  Verdict,
} from '../../src/security/port.js';
import type { SettlementPolicy } from '../../src/payments/settlement.js';
import type { Principal } from '../../src/users/principal.js';
import type { IdempotencyStore } from '../../src/http/idempotency.js';
import {
  PaymentUnavailableError,
  RefundRefusedError,
  WebhookRefusedError,
  type BalanceTransaction,
  type NewPayment,
  type Payment,
  type PaymentMethod,
  type PaymentProvider,
  type Payout,
  type WebhookMessage,
} from '../../src/payments/port.js';
import { apply, available, cardKey, decide, initialState, pending } from '../../src/rules/index.js';
import type { Command, Policy, Reservation, TicketId, TicketState, Told } from '../../src/rules/index.js';
import { told } from '../helpers/told.js';

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
  paymentAttemptsMax: 3,
  ticketsPerPersonMax: 4,
  ticketsPerReservationMax: 2,
  earlyReservedWindowMs: 60_000,
  remoteTalliesMax: 100,
};

/** Of payments in tests. */
export const SETTLEMENT = {
  paymentAttemptsMax: 3,
  disputes: 'void',
  attemptOpenMs: 60_000,
  checkMs: 30_000,
  commandMs: 10_000,
} as const satisfies SettlementPolicy;

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

/** Of Redis only what hands sale phases around. */
export class MemoryHashes {
  readonly fields = new Map<string, string>();
  readonly #handlers = new Set<(message: string) => void>();
  readonly #resets = new Set<() => void>();
  isAway = false;

  readonly bus = {
    subscribe: async (_channel: string, handler: (message: string) => void) => {
      this.#handlers.add(handler);
      return () => void this.#handlers.delete(handler);
    },
    onReset: (handler: () => void) => {
      this.#resets.add(handler);
      return () => void this.#resets.delete(handler);
    },
  };

  reset(): void {
    for (const reset of this.#resets) reset();
  }

  async hget(key: string, field: string): Promise<string | null> {
    this.#reach();
    return this.fields.get(`${key}/${field}`) ?? null;
  }

  async hset(key: string, fields: Record<string, string>): Promise<number> {
    this.#reach();
    for (const [field, value] of Object.entries(fields)) this.fields.set(`${key}/${field}`, value);
    return Object.keys(fields).length;
  }

  async publish(_channel: string, message: string): Promise<number> {
    this.#reach();
    for (const handler of this.#handlers) handler(message);
    return this.#handlers.size;
  }

  #reach(): void {
    if (this.isAway) throw new Error('Redis is away');
  }
}

type Interception = SubmissionResult | 'answer lost' | 'rejects';

/** All actors of a small market, in memory. What a crash loses it does not keep: `restart` of its users. */
export class Market implements CommandGateway, ReservationReader {
  readonly states = new Map<string, TicketState>();
  readonly outcomes = new Map<string, Told>();
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

  /** What operators tell buyers; told on by the next `open`. */
  notices: Notices = NO_NOTICES;

  readonly catalog: CatalogSource = this.#catalogSource();

  #catalogSource(): CatalogSource {
    const told = (): Notices => this.notices;
    return {
      matches: async () => this.#matches,
      get notices() {
        return told();
      },
      subscribe: (onChange) => {
        this.#onCatalog.add(onChange);
        return () => this.#onCatalog.delete(onChange);
      },
    };
  }

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

  async *sold(ticket: TicketId): AsyncGenerator<Reservation> {
    for (const one of this.#state(ticket).reservations.values()) if (one.status === 'RESERVED') yield one;
  }

  async submit(submission: Submission): Promise<SubmissionResult> {
    this.submissions.push(submission);
    const instead = this.intercept(submission);
    if (instead === 'rejects') throw new Error('the gateway is broken');
    if (typeof instead === 'object') return instead;
    const result = this.#run(submission);
    return instead === 'answer lost' ? { kind: 'unknown' } : { kind: 'answered', result };
  }

  /** As the archive lists them: newest first. */
  async reservationsByEmail(email: string, { limit }: { limit: number }): Promise<Page<Reservation>> {
    const all = [...this.ended.values()].filter((one) => one.email === email);
    return { items: all.sort((a, b) => b.createdAt - a.createdAt).slice(0, limit) };
  }

  async recall(ticket: TicketId, id: string): Promise<Told | undefined> {
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
      cancelled: state.cancelled,
      paused: state.paused,
      incarnation: 1,
      version,
    };
  }

  #run({ ticket, id, body }: Submission): CommandResult {
    const recorded = this.outcomes.get(`${name(ticket)}/${id}`);
    if (recorded) return recorded;
    const command = { ...body, id, at: this.#clock.now(), ...this.#elsewhere(ticket, body) } as Command;
    const decision = decide(this.#state(ticket), command, POLICY);
    const { events } = decision;
    const outcome = told(decision.outcome);
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

  #elsewhere(
    { matchNumber, category }: TicketId,
    body: Submission['body'],
  ): { personElsewhere?: number; cardElsewhere?: number } {
    const tally = (key: string): number =>
      ticketsOf(matchNumber)
        .filter((other) => other.category !== category)
        .reduce((sum, other) => sum + (this.#state(other).persons.get(key) ?? 0), 0);
    switch (body.type) {
      case 'hold':
        return { personElsewhere: tally(body.person) };
      case 'rehold':
        return { personElsewhere: tally(body.reservation.person) };
      case 'startPayment':
        return { cardElsewhere: body.card === undefined ? 0 : tally(cardKey(body.card)) };
      default:
        return {};
    }
  }

  #state(ticket: TicketId): TicketState {
    return this.states.get(name(ticket)) ?? initialState(ticket);
  }
}

const name = ({ matchNumber, category }: TicketId): string => `${matchNumber}:${category}`;

export const CARDS = {
  good: '4242424242424242',
  declined: '4000000000000002',
  /** Approved once the buyer has authenticated. */
  secure: '4000002760003184',
  /** The provider takes it, and its answer is lost. */
  lost: '4000000000000341',
  /** The provider cannot be reached. */
  away: '4000000000000119',
};

/** A provider in memory that keeps to the port: one payment per reservation, attempts replayed. */
export class FakeProvider implements PaymentProvider {
  readonly payments = new Map<string, Payment>();
  readonly attempts = new Map<string, Payment>();
  refundsFail = false;
  refundRefused = false;
  isAway = false;
  fingerprints = new Map<string, string>();
  /** Runs between the provider's decision and its answer. */
  beforeAnswer: () => void | Promise<void> = () => undefined;
  readonly #now: () => number;

  constructor(
    readonly kind: 'sandbox' | 'stripe' = 'sandbox',
    now: () => number = Date.now,
  ) {
    this.#now = now;
  }

  start = () => Promise.resolve();
  stop = () => Promise.resolve();

  /** What was taken, payment by payment, minor units. */
  get charged(): number[] {
    return [...this.payments.values()]
      .filter(({ status }) => status === 'succeeded')
      .map((one) => one.amountMinor);
  }

  /** What buyers have paid in all, minor units. */
  get takenMinor(): number {
    return [...this.payments.values()].reduce((sum, payment) => sum + taken(payment), 0);
  }

  async create({ reservationId, attempt, amountMinor, currency }: NewPayment): Promise<Payment> {
    this.#reach();
    const id = `pi_${reservationId}${attempt === undefined ? '' : `_${attempt}`}`;
    const payment: Payment = this.payments.get(id) ?? {
      id,
      reservationId,
      status: 'requires_payment_method',
      amountMinor,
      currency,
      clientSecret: `${id}_secret`,
      refundedMinor: 0,
      createdAt: this.#now(),
    };
    this.payments.set(id, payment);
    return payment;
  }

  async method(paymentMethod: string, key: string): Promise<PaymentMethod | { declineReason: string }> {
    this.#reach();
    if (paymentMethod === 'pm_none') return { declineReason: 'invalid_payment_method' };
    const fingerprint = this.fingerprints.get(paymentMethod);
    return { id: `${paymentMethod}/${key}`, ...(fingerprint !== undefined && { fingerprint }) };
  }

  async confirm({
    paymentId,
    attempt,
    methodId,
  }: Parameters<PaymentProvider['confirm']>[0]): Promise<Payment> {
    this.#reach();
    const card = methodId.split('/')[0];
    if (card === CARDS.away) throw new PaymentUnavailableError('away');
    const key = `${paymentId}/${attempt}`;
    const known = this.attempts.get(key);
    const payment = this.#get(paymentId);
    const isOpen = payment.status === 'requires_payment_method';
    if (!known && isOpen) this.attempts.set(key, this.#set(paymentId, outcomeOf(card)));
    await this.beforeAnswer();
    if (card === CARDS.lost) throw new PaymentUnavailableError('lost');
    return known?.declineReason === undefined ? this.#get(paymentId) : known;
  }

  /** What the buyer does at the bank's page. */
  authenticate(paymentId: string, succeeds = true): void {
    if (this.payments.get(paymentId)?.status !== 'requires_action') return;
    const failed = { status: 'requires_payment_method', declineReason: 'authentication_failed' } as const;
    this.#set(paymentId, succeeds ? { status: 'succeeded' } : failed);
  }

  cancels = 0;
  async cancel(paymentId: string): Promise<Payment> {
    this.#reach();
    const payment = this.#get(paymentId);
    this.cancels += 1;
    const isBeyond = payment.status === 'succeeded' || payment.status === 'processing';
    return isBeyond ? payment : this.#set(paymentId, { status: 'canceled' });
  }

  async find(paymentId: string): Promise<Payment | null> {
    this.#reach();
    return this.payments.get(paymentId) ?? null;
  }

  /** Attempts to refund, as they were asked for. */
  readonly refundAttempts: number[] = [];
  async refund({
    paymentId,
    totalMinor,
    attempt,
  }: Parameters<PaymentProvider['refund']>[0]): Promise<Payment> {
    this.#reach();
    this.refundAttempts.push(attempt);
    if (this.refundsFail) throw new PaymentUnavailableError('away');
    if (this.refundRefused) throw new RefundRefusedError('no balance');
    const payment = this.#get(paymentId);
    if (payment.status !== 'succeeded') throw new Error(`${paymentId} took no money`);
    return this.#set(paymentId, { refundedMinor: Math.max(payment.refundedMinor, totalMinor) });
  }

  async *list(since: number): AsyncIterable<Payment> {
    this.#reach();
    yield* [...this.payments.values()].filter(({ createdAt }) => createdAt >= since);
  }

  /** Newest first. */
  readonly paidOut: Payout[] = [];
  /** By payout, and under `''` what is not paid out. Newest first. */
  readonly balance = new Map<string, readonly BalanceTransaction[]>();

  async payouts({ limit, after, since = 0 }: Parameters<PaymentProvider['payouts']>[0]): Promise<{
    payouts: Payout[];
    next?: string;
  }> {
    this.#reach();
    const from = after === undefined ? 0 : this.paidOut.findIndex(({ id }) => id === after) + 1;
    const wanted = this.paidOut.slice(from).filter(({ createdAt }) => createdAt >= since);
    const payouts = wanted.slice(0, limit);
    const next = wanted.length > limit ? payouts.at(-1)?.id : undefined;
    return { payouts, ...(next !== undefined && { next }) };
  }

  async payout(id: string): Promise<Payout | null> {
    this.#reach();
    return this.paidOut.find((one) => one.id === id) ?? null;
  }

  async *balanceTransactions(
    of: Parameters<PaymentProvider['balanceTransactions']>[0],
  ): AsyncIterable<BalanceTransaction> {
    this.#reach();
    if ('payout' in of) {
      yield* this.balance.get(of.payout) ?? [];
      return;
    }
    const all = [...this.balance.values()].flat().filter(({ at }) => at >= of.since);
    yield* all.toSorted((a, b) => b.at - a.at);
  }

  async webhook(body: Buffer, signature: string): Promise<WebhookMessage> {
    if (signature !== 'signed') throw new WebhookRefusedError('not signed');
    return JSON.parse(body.toString()) as WebhookMessage;
  }

  #reach(): void {
    if (this.isAway) throw new PaymentUnavailableError('away');
  }

  #get(id: string): Payment {
    const payment = this.payments.get(id);
    if (!payment) throw new Error(`no payment ${id}`);
    return payment;
  }

  #set(id: string, changes: Partial<Payment>): Payment {
    const { declineReason: _, ...before } = this.#get(id);
    const after: Payment = { ...before, ...changes };
    this.payments.set(id, after);
    return after;
  }

  /** For tests: what happens at the provider's own pages. */
  alter(id: string, changes: Partial<Payment>): void {
    this.#set(id, changes);
  }
}

const taken = ({ status, amountMinor, refundedMinor }: Payment): number =>
  status === 'succeeded' ? amountMinor - refundedMinor : 0;

function outcomeOf(card: string | undefined): Partial<Payment> {
  switch (card) {
    case CARDS.declined:
      return { status: 'requires_payment_method', declineReason: 'card_declined' };
    case CARDS.secure:
      return {
        status: 'requires_action',
        nextAction: { type: 'redirect_to_url', url: 'http://127.0.0.1/authenticate' },
      };
    default:
      return { status: 'succeeded' };
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

/** A security check that lets all pass until a test says otherwise, and remembers what it was told. */
export class FakeSecurity implements Security {
  readonly facts: SecurityFact[] = [];
  readonly asked: CheckRequest[] = [];
  readonly persons: PersonCheckRequest[] = [];
  readonly buyers = new Set<string>();
  verdict: Verdict = { verdict: 'allow', reasons: [] };
  personVerdict: Verdict = { verdict: 'allow', reasons: [] };

  start = () => Promise.resolve();
  stop = () => Promise.resolve();
  async check(request: CheckRequest): Promise<Verdict> {
    this.asked.push(request);
    return this.verdict;
  }
  async checkPerson(request: PersonCheckRequest): Promise<Verdict> {
    this.persons.push(request);
    return this.personVerdict;
  }
  async hasBought(person: string): Promise<boolean> {
    return this.buyers.has(person);
  }
  tell(fact: SecurityFact): void {
    this.facts.push(fact);
    if (fact.kind === 'bought') this.buyers.add(fact.person);
  }
}

/** Access tokens that say who they are, for tests of what stands behind them. */
export function accessTokenOf(principal: Partial<Principal> & { readonly accountId: string }): string {
  const whole: Principal = {
    email: `${principal.accountId}@example.com`,
    emailConfirmed: false,
    roles: ['buyer'],
    sessionId: 's',
    secondFactor: false,
    ...principal,
  };
  return `h.${Buffer.from(JSON.stringify(whole)).toString('base64url')}.s`;
}

export const fakeTokens = {
  verify: async (token: string): Promise<Principal | null> => {
    const [head, body = '', signature] = token.split('.');
    if (head !== 'h' || signature !== 's') return null;
    return JSON.parse(Buffer.from(body, 'base64url').toString()) as Principal;
  },
};
