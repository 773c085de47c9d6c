/**
 * The payment provider: Stripe as far as the port knows it. A payment can succeed once; an attempt that is repeated
 * has its first answer; what was canceled never succeeds. What was charged is written down for the checks.
 */
import {
  PaymentUnavailableError,
  type NewPayment,
  type Payment,
  type PaymentMethod,
  type PaymentProvider,
} from '../../src/payments/port.js';
import type { Kernel, Process } from './kernel.js';
import { Caller, type ServerState } from './network.js';
import { Random } from './random.js';

/** What a card does. */
export type Card =
  /** Pays at once. */
  | 'good'
  | 'declined'
  /** Waits for the buyer at the bank's page. */
  | 'secure'
  /** The bank answers later: `processing` for a while. */
  | 'slow';

export const CARDS: readonly Card[] = ['good', 'declined', 'secure', 'slow'];

export interface ProviderWatch {
  /** Money was taken, in this step. */
  charged(payment: Payment): void;
  /** Somebody asks to charge. */
  asked(paymentId: string, reservationId: string): void;
}

/** Mean time until a bank answers what is processing, milliseconds. */
const PROCESSING_MS = 4_000;

export class ProviderServer {
  readonly payments = new Map<string, Payment>();
  readonly #attempts = new Map<string, Payment>();
  readonly #watch: ProviderWatch;
  readonly #kernel: Kernel;
  readonly #random: Random;
  /** For tests of the simulator: what it must find. */
  chargesTwice = false;
  /** Told of every change, as a webhook. */
  onChange: (payment: Payment) => void = () => undefined;

  constructor(kernel: Kernel, name: string, watch: ProviderWatch) {
    this.#kernel = kernel;
    this.#watch = watch;
    this.#random = new Random(kernel.seed, `${name} bank`);
  }

  create({ reservationId, attempt, amountMinor, currency }: NewPayment): Payment {
    const id = `pi_${reservationId}${attempt === undefined ? '' : `_${attempt}`}`;
    const known = this.payments.get(id);
    if (known) return known;
    return this.#put({
      id,
      reservationId,
      status: 'requires_payment_method',
      amountMinor,
      currency,
      clientSecret: `${id}_secret`,
      refundedMinor: 0,
      createdAt: Math.floor(this.#kernel.now),
    });
  }

  confirm({
    paymentId,
    reservationId,
    attempt,
    methodId,
  }: Parameters<PaymentProvider['confirm']>[0]): Payment {
    this.#watch.asked(paymentId, reservationId);
    const key = `${paymentId}/${attempt}`;
    const payment = this.#get(paymentId);
    const known = this.#attempts.get(key);
    if (!known && payment.status === 'requires_payment_method') {
      this.#attempts.set(key, this.#try(payment, methodId));
    }
    return known?.declineReason === undefined ? this.#get(paymentId) : known;
  }

  #try(payment: Payment, methodId: string): Payment {
    const [card = '', fingerprint = ''] = methodId.split('|');
    const of = fingerprint === '' ? {} : { cardFingerprint: fingerprint };
    switch (card as Card) {
      case 'declined':
        return this.#put({ ...payment, declineReason: 'card_declined' });
      case 'secure':
        return this.#put({ ...payment, ...of, status: 'requires_action', nextAction: { type: 'redirect' } });
      case 'slow':
        this.#kernel.schedule(this.#random.delay(PROCESSING_MS), null, `bank ${payment.id}`, () => {
          const now = this.#get(payment.id);
          if (now.status !== 'processing') return;
          if (this.#random.chance(0.7)) this.#succeed(now);
          else this.#put({ ...now, status: 'requires_payment_method', declineReason: 'bank_declined' });
        });
        return this.#put({ ...payment, ...of, status: 'processing' });
      default:
        return this.#succeed({ ...payment, ...of });
    }
  }

  #succeed(payment: Payment): Payment {
    const { declineReason: _reason, nextAction: _action, ...rest } = payment;
    const charged = this.#put({ ...rest, status: 'succeeded' });
    this.#watch.charged(charged);
    if (this.chargesTwice) this.#watch.charged(charged);
    return charged;
  }

  /** What the buyer does at the bank's page. */
  authenticate(paymentId: string, succeeds: boolean): void {
    const payment = this.payments.get(paymentId);
    if (payment?.status !== 'requires_action') return;
    if (succeeds) this.#succeed(payment);
    else this.#put({ ...payment, status: 'requires_payment_method', declineReason: 'authentication_failed' });
  }

  cancel(paymentId: string): Payment {
    const payment = this.#get(paymentId);
    const isBeyond = payment.status === 'succeeded' || payment.status === 'processing';
    return isBeyond || payment.status === 'canceled'
      ? payment
      : this.#put({ ...payment, status: 'canceled' });
  }

  refund({ paymentId, totalMinor }: Parameters<PaymentProvider['refund']>[0]): Payment {
    const payment = this.#get(paymentId);
    if (payment.status !== 'succeeded') throw new Error(`${paymentId} took no money`);
    if (totalMinor <= payment.refundedMinor) return payment;
    return this.#put({ ...payment, refundedMinor: Math.min(payment.amountMinor, totalMinor) });
  }

  #get(id: string): Payment {
    const payment = this.payments.get(id);
    if (!payment) throw new Error(`there is no payment ${id}`);
    return payment;
  }

  #put(payment: Payment): Payment {
    this.payments.set(payment.id, payment);
    this.onChange(payment);
    return payment;
  }
}

/** Until the client library gives a call up. */
const TIMEOUT_MS = 3_000;
const nobodyAsks = (): Promise<never> => Promise.reject(new Error('nobody here asks for it'));

/** The provider as one process has it. */
export class ProviderClient implements PaymentProvider {
  readonly kind = 'sandbox';
  readonly #server: ProviderServer;
  readonly #caller: Caller;

  constructor(server: ProviderServer, kernel: Kernel, process: Process, state: ServerState) {
    this.#server = server;
    this.#caller = new Caller({
      kernel,
      process,
      server: state,
      serverName: 'provider',
      unavailable: (why) => new PaymentUnavailableError(why),
      timeoutMs: TIMEOUT_MS,
    });
  }

  start = (): Promise<void> => Promise.resolve();
  stop = (): Promise<void> => Promise.resolve();
  payouts = nobodyAsks;
  payout = nobodyAsks;
  webhook = nobodyAsks;
  balanceTransactions = (): never => {
    throw new Error('nobody here asks for it');
  };

  // Every call goes under a key of its own: twice has one effect, and the way may bring it twice.
  create(payment: NewPayment): Promise<Payment> {
    return this.#caller.call('create', () => this.#server.create(payment), true);
  }
  /** A card's name and its fingerprint, with a bar between. */
  method(paymentMethod: string): Promise<PaymentMethod> {
    return this.#caller.call('method', () => {
      const [, fingerprint = ''] = paymentMethod.split('|');
      return { id: paymentMethod, ...(fingerprint !== '' && { fingerprint }) };
    });
  }
  confirm(request: Parameters<PaymentProvider['confirm']>[0]): Promise<Payment> {
    return this.#caller.call('confirm', () => this.#server.confirm(request), true);
  }
  cancel(paymentId: string): Promise<Payment> {
    return this.#caller.call('cancel', () => this.#server.cancel(paymentId), true);
  }
  find(paymentId: string): Promise<Payment | null> {
    return this.#caller.call('find', () => this.#server.payments.get(paymentId) ?? null);
  }
  refund(request: Parameters<PaymentProvider['refund']>[0]): Promise<Payment> {
    return this.#caller.call('refund', () => this.#server.refund(request), true);
  }
  async *list(since: number): AsyncIterable<Payment> {
    yield* await this.#caller.call('list', () =>
      [...this.#server.payments.values()].filter(({ createdAt }) => createdAt >= since).reverse(),
    );
  }
}
