/** The sandbox as one payment provider: its server and Stripe's library in front of it. */
import { randomBytes } from 'node:crypto';
import type {
  BalanceTransaction,
  NewPayment,
  Payment,
  PaymentMethod,
  PaymentProvider,
  Payout,
  WebhookMessage,
} from '../port.js';
import { PaymentUnavailableError } from '../port.js';
import { StripePayments, type StripePaymentsOptions } from '../stripe.js';
import { SandboxServer, type SandboxServerOptions } from './server.js';

export interface SandboxPaymentsOptions extends Omit<SandboxServerOptions, 'secretKey'> {
  /** Made anew at each start when absent: nobody else needs it. */
  readonly secretKey?: string;
  readonly timeoutMs?: number;
  readonly maxNetworkRetries?: number;
  readonly makeBreaker?: StripePaymentsOptions['makeBreaker'];
}

const KEY_BYTES = 24;

export class SandboxPayments implements PaymentProvider {
  readonly kind = 'sandbox';
  readonly server: SandboxServer;
  readonly #options: SandboxPaymentsOptions;
  readonly #secretKey: string;
  #client: StripePayments | null = null;

  constructor(options: SandboxPaymentsOptions) {
    this.#options = options;
    this.#secretKey = options.secretKey ?? `sk_test_${randomBytes(KEY_BYTES).toString('hex')}`;
    this.server = new SandboxServer({ ...options, secretKey: this.#secretKey });
  }

  async start(): Promise<void> {
    const { host = '127.0.0.1', logger, clock, webhook } = this.#options;
    const { timeoutMs, maxNetworkRetries, makeBreaker } = this.#options;
    const port = await this.server.start();
    const options: StripePaymentsOptions = {
      kind: 'sandbox',
      secretKey: this.#secretKey,
      host,
      port,
      protocol: 'http',
      logger,
      now: () => clock.now(),
      ...(webhook && { webhookSecret: webhook.secret }),
      ...(timeoutMs !== undefined && { timeoutMs }),
      ...(maxNetworkRetries !== undefined && { maxNetworkRetries }),
      ...(makeBreaker && { makeBreaker }),
    };
    this.#client = new StripePayments(options);
    await this.#client.start();
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await this.#client?.stop();
    this.#client = null;
  }

  async create(payment: NewPayment): Promise<Payment> {
    return this.#started().create(payment);
  }

  async method(
    paymentMethod: string,
    key: string,
  ): Promise<PaymentMethod | { readonly declineReason: string }> {
    return this.#started().method(paymentMethod, key);
  }

  async confirm(request: Parameters<PaymentProvider['confirm']>[0]): Promise<Payment> {
    return this.#started().confirm(request);
  }

  async cancel(paymentId: string): Promise<Payment> {
    return this.#started().cancel(paymentId);
  }

  async find(paymentId: string): Promise<Payment | null> {
    return this.#started().find(paymentId);
  }

  async refund(request: Parameters<PaymentProvider['refund']>[0]): Promise<Payment> {
    return this.#started().refund(request);
  }

  async *list(since: number): AsyncIterable<Payment> {
    yield* this.#started().list(since);
  }

  async payouts(
    page: Parameters<PaymentProvider['payouts']>[0],
  ): Promise<{ readonly payouts: readonly Payout[]; readonly next?: string }> {
    return this.#started().payouts(page);
  }

  async payout(id: string): Promise<Payout | null> {
    return this.#started().payout(id);
  }

  async *balanceTransactions(
    of: Parameters<PaymentProvider['balanceTransactions']>[0],
  ): AsyncIterable<BalanceTransaction> {
    yield* this.#started().balanceTransactions(of);
  }

  async webhook(body: Buffer, signature: string): Promise<WebhookMessage> {
    return this.#started().webhook(body, signature);
  }

  #started(): StripePayments {
    if (this.#client) return this.#client;
    throw new PaymentUnavailableError('The payment sandbox is not started');
  }
}
