/**
 * Drives the checkout of one reservation: reads, asks, repeats and waits, and tells the machine what was answered.
 *
 * Guarantees: a payment is sent under one key until its outcome is known, whatever happens to the page; while an
 * outcome is unknown it is asked for again, more and more slowly, and at once when the network is back; another
 * tab's change is read here at once. After `stop()` it asks nothing any more.
 */
import { ApiProblem, asProblem, isRecord } from '../api/problem';
import type { ApiRequest } from '../api/client';
import type { Reservation } from '../api/types';
import {
  BEGINNING,
  endingOf,
  reduce,
  retryUntilOf,
  type Checkout,
  type CheckoutEvent,
  type Shown,
} from './machine';
import type { PayIntents } from './pay-intents';
import type { PaymentMethod, PaymentState, RequiresAction } from './types';

export interface CheckoutOptions {
  readonly id: string;
  readonly send: <T>(request: ApiRequest) => Promise<T>;
  /** Of a guest's reservation; asked anew for each request, since a log-in may come in between. */
  readonly token: () => string | undefined;
  /** Milliseconds by the server's clock. */
  readonly now: () => number;
  readonly intents: PayIntents;
  readonly cancelKey: () => string;
  /** The outcome of cancelling is known. */
  readonly cancelEnded: () => void;
  /** Calls back after so many milliseconds; the answer cancels it. */
  readonly schedule: (ms: number, run: () => void) => () => void;
  /** Other tabs are to look again. */
  readonly tell: () => void;
  /** The buyer's browser must go to the bank's page now; only after the buyer pressed pay in this page. */
  readonly leave: (url: string) => void;
  /** Stripe.js shows the bank's question; resolves when it is over, however it went. */
  readonly authenticate: (clientSecret: string) => Promise<void>;
}

/** Pauses between looks while something is on its way, milliseconds; the last one repeats. */
const PAUSES_MS = [1_500, 2_000, 3_000, 5_000, 8_000, 10_000] as const;
/** The server ends a payment that is not finished long before. */
const LOOKS_MAX = 240;
/** After the time is up by our clock, which may be a little ahead of the server's. */
const AFTER_END_MS = 400;

export class CheckoutController {
  readonly #options: CheckoutOptions;
  readonly #listeners = new Set<() => void>();
  #state: Checkout = BEGINNING;
  #cancelTimer: (() => void) | null = null;
  #looks = 0;
  #isRunning = false;
  #reading: Promise<void> | null = null;

  constructor(options: CheckoutOptions) {
    this.#options = options;
  }

  get state(): Checkout {
    return this.#state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  start(): void {
    this.#isRunning = true;
    this.look();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** Reads how it stands now: on opening, when the page is looked at again, or the network is back. */
  look = (): void => {
    if (!this.#isRunning) return;
    this.#looks = 0;
    if (this.#state.kind === 'unknown') this.#askAgain();
    else void this.#read();
  };

  /** Another tab has done something. What is being asked here is answered here. */
  hear = (): void => {
    const { kind } = this.#state;
    if (this.#isRunning && kind !== 'unknown' && kind !== 'sending' && kind !== 'cancelling')
      void this.#read();
  };

  pay = (method: PaymentMethod): void => {
    const { id, intents } = this.#options;
    if (!this.#takes('pay')) return;
    this.#looks = 0;
    intents.begin(id, method);
    void this.#pay(true);
  };

  /** What a payment that was put off, not refused, was to be made with: nobody has to type it again. */
  get putOff(): PaymentMethod | null {
    return this.#options.intents.open(this.#options.id)?.method ?? null;
  }

  cancel = (): void => {
    if (!this.#takes('cancel')) return;
    this.#looks = 0;
    void this.#cancel();
  };

  /** The bank's page again, after coming back from it without an answer. */
  goToBank = (): void => {
    const state = this.#state;
    if (state.kind === 'authenticating') this.#toBank(state.action.url, state.action.clientSecret);
  };

  /** Asks how the payment went, after the bank's page. */
  finish = (): void => {
    if (this.#options.intents.open(this.#options.id)) void this.#pay(false);
    else this.look();
  };

  #takes(event: 'pay' | 'cancel'): boolean {
    return this.#isRunning && reduce(this.#state, { kind: event }) !== this.#state;
  }

  // ---- reading ------------------------------------------------------------------------------------------

  /** `resumes`: a payment of this tab that is under way is asked for again. */
  #read(resumes = true): Promise<void> {
    this.#reading ??= this.#readOnce(resumes).finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readOnce(resumes: boolean): Promise<void> {
    const { id, now, intents } = this.#options;
    try {
      const reservation = await this.#send<Reservation>({ path: `/reservations/${id}` });
      const payment = reservation.status === 'PENDING' ? null : await this.#readPayment();
      this.#apply({ kind: 'read', reservation, payment, now: now() });
    } catch (error) {
      this.#apply({ kind: 'read_failed', problem: asProblem(error) });
      return;
    }
    const { kind } = this.#state;
    if (!this.#isRunning) return;
    // A payment of this tab, from before a reload or the bank's page: only the same request tells how it went.
    if (kind === 'paying' && intents.open(id) && resumes) await this.#pay(false);
    if (kind === 'reserved' || kind === 'refunded' || kind === 'cancelled' || kind === 'retry')
      intents.end(id);
  }

  /** Null when there is none. That it cannot be read is no reason not to show the reservation. */
  async #readPayment(): Promise<PaymentState | null | 'unknown'> {
    try {
      return await this.#send<PaymentState>({ path: `/reservations/${this.#options.id}/payment` });
    } catch (error) {
      return asProblem(error).code === 'not_found' ? null : 'unknown';
    }
  }

  // ---- asking -------------------------------------------------------------------------------------------

  /** `isPressed`: the buyer asked for it just now, so the browser may leave for the bank's page. */
  async #pay(isPressed: boolean): Promise<void> {
    const { id, intents, now, tell } = this.#options;
    const intent = intents.open(id);
    if (!intent) return;
    this.#apply({ kind: 'pay' });
    if (this.#state.kind !== 'sending') return;
    if (isPressed) tell();
    try {
      const answer = await this.#send<Reservation | RequiresAction>({
        method: 'POST',
        path: `/reservations/${id}/payment`,
        body: { paymentMethod: intent.method },
        key: intent.key,
        onProgress: (step) => this.#apply({ kind: 'progress', step }),
      });
      if (isAction(answer)) {
        this.#mustAuthenticate(answer, isPressed);
        return;
      }
      intents.end(id);
      this.#apply({ kind: 'paid', reservation: answer, now: now() });
    } catch (error) {
      const problem = asProblem(error);
      if (isDecided(problem)) intents.end(id);
      this.#apply({ kind: 'pay_refused', problem, now: now() });
    }
    await this.#lookAfter();
  }

  /** For the tax, what was charged late, and whatever an answer did not say. */
  async #lookAfter(): Promise<void> {
    if (this.state.kind === 'unknown') return;
    this.#options.tell();
    if (this.#isRunning) await this.#read(false);
  }

  #mustAuthenticate({ clientSecret, nextAction, reservation }: RequiresAction, isPressed: boolean): void {
    const { url } = nextAction;
    const action = { clientSecret, ...(url !== undefined && { url }) };
    this.#apply({ kind: 'authenticate', reservation, action });
    if (isPressed) this.#toBank(url, clientSecret);
  }

  #toBank(url: string | undefined, clientSecret: string): void {
    const { leave, authenticate } = this.#options;
    if (url !== undefined) leave(url);
    else void authenticate(clientSecret).then(this.finish, this.finish);
  }

  async #cancel(): Promise<void> {
    const { id, intents, cancelKey, cancelEnded, now } = this.#options;
    this.#apply({ kind: 'cancel' });
    if (this.#state.kind !== 'cancelling') return;
    try {
      const reservation = await this.#send<Reservation>({
        method: 'DELETE',
        path: `/reservations/${id}`,
        key: cancelKey(),
      });
      cancelEnded();
      intents.end(id);
      this.#apply({ kind: 'released', reservation, now: now() });
    } catch (error) {
      const problem = asProblem(error);
      if (!problem.isOutcomeUnknown) cancelEnded();
      this.#apply({ kind: 'cancel_refused', problem, now: now() });
    }
    await this.#lookAfter();
  }

  #askAgain(): void {
    if (this.#state.kind !== 'unknown') return;
    const { id, intents } = this.#options;
    if (this.#state.asked === 'cancel') void this.#cancel();
    else if (intents.open(id)) void this.#pay(false);
    // Another tab has learnt the outcome.
    else void this.#read();
  }

  #send<T>(request: ApiRequest): Promise<T> {
    const token = this.#options.token();
    return this.#options.send<T>({ ...request, ...(token !== undefined && { tokens: [token] }) });
  }

  // ---- waiting ------------------------------------------------------------------------------------------

  #apply(event: CheckoutEvent): void {
    const next = reduce(this.#state, event);
    if (next !== this.#state) {
      if (isAtRest(next)) this.#looks = 0;
      this.#state = next;
      for (const listener of this.#listeners) listener();
    }
    this.#plan();
  }

  /** What to do next if nothing else happens. */
  #plan(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    if (!this.#isRunning) return;
    const { schedule, now } = this.#options;
    const state = this.#state;
    switch (state.kind) {
      case 'held':
      case 'retry': {
        const leftMs = Math.max(0, Date.parse(state.reservation.expiresAt) - now());
        this.#cancelTimer = schedule(leftMs + AFTER_END_MS, () => this.#timeUp());
        return;
      }
      case 'unknown':
        this.#again(() => this.#askAgain());
        return;
      case 'away':
      case 'ending':
      case 'paying':
      case 'authenticating':
        this.#again(() => void this.#read());
        return;
      case 'expired':
      case 'cancelled':
        // Charged too late, or not closed yet: what becomes of it is decided soon.
        if (isBeingDecided(state)) this.#again(() => void this.#read());
        return;
      case 'loading':
      case 'closed':
      case 'sending':
      case 'cancelling':
      case 'reserved':
      case 'refunded':
        if ('isStale' in state && state.isStale) this.#again(() => void this.#read());
    }
  }

  #again(run: () => void): void {
    if (this.#looks >= LOOKS_MAX) return;
    const { schedule, now } = this.#options;
    const state = this.#state;
    const notBefore = 'refused' in state ? (state.refused?.notBefore ?? 0) : 0;
    const pauseMs = PAUSES_MS[Math.min(this.#looks, PAUSES_MS.length - 1)] ?? PAUSES_MS[0];
    this.#cancelTimer = schedule(Math.max(pauseMs, notBefore - now()), () => {
      this.#looks += 1;
      run();
    });
  }

  #timeUp(): void {
    const { now } = this.#options;
    const state = this.#state;
    if (!('reservation' in state)) return;
    if (state.kind === 'retry' && retryUntilOf(state.reservation, now()) !== null) {
      this.#plan();
      return;
    }
    this.#apply({ kind: 'time_up', now: now() });
    if (this.#state.kind === 'ending') void this.#read();
  }
}

/** Nothing is under way that would have to be asked for. */
function isAtRest({ kind }: Checkout): boolean {
  return kind === 'held' || kind === 'retry' || kind === 'reserved' || kind === 'refunded';
}

function isAction(answer: Reservation | RequiresAction): answer is RequiresAction {
  return isRecord(answer) && answer.status === 'requires_action';
}

/** Whether the request had its outcome: another payment is another intent. What was only put off keeps its key. */
function isDecided(problem: ApiProblem): boolean {
  if (problem.isOutcomeUnknown) return false;
  switch (problem.code) {
    case 'overloaded':
    case 'not_ready':
    case 'rate_limited':
    case 'challenge_required':
    case 'challenge_failed':
    case 'email_unconfirmed':
    case 'unauthorized':
      return false;
    default:
      return true;
  }
}

/** Whether anything was charged for what has ended, or what becomes of it, is still to be learnt. */
export function isBeingDecided(state: Shown): boolean {
  const ending = endingOf(state);
  return ending === 'late' || ending === 'open';
}
