/**
 * Payments through Stripe, by its own library: Stripe itself, or the sandbox on loopback, which speaks the
 * same protocol. Beyond the port it guarantees: every call that creates or charges carries an idempotency key
 * of the reservation, operation and attempt; what Stripe replays under such a key may be old, so then the
 * payment is read again; no key, client secret or card number is logged; while Stripe is down nothing new is begun there
 * (`PaymentAwayError`), and what may exist there is asked about all the same.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Stripe from 'stripe';
import { z } from 'zod';
import type { Logger } from '../process/log.js';
import { withTimeout } from '../process/timeout.js';
import { BreakerOpenError, type Breaker } from '../overload/breaker.js';
import {
  PaymentAwayError,
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
} from './port.js';
import { TRANSACTION_EXPANDS, payoutOf, transactionOf } from './stripe/balance.js';
import {
  described,
  isDecline,
  isDown,
  isInvalid,
  isKeyOfAnother,
  isKeyRefused,
  isMethodRefused,
  isMissing,
  isReplay,
  isUnavailable,
  isUnexpectedState,
} from './stripe/failures.js';
import {
  PAYMENT_EXPANDS,
  chargeOf,
  disputeOf,
  isGivingBack,
  paymentOf,
  reasonOf,
  isAnyOpen,
  sumOf,
} from './stripe/mapping.js';

export interface StripePaymentsOptions {
  readonly kind: 'sandbox' | 'stripe';
  readonly secretKey: string;
  /** Without it every webhook is refused. */
  readonly webhookSecret?: string;
  /** Of the sandbox; Stripe's own without. */
  readonly host?: string;
  readonly port?: number;
  readonly protocol?: 'http' | 'https';
  /** How long Stripe may be silent in one try of a request. */
  readonly timeoutMs?: number;
  readonly maxNetworkRetries?: number;
  /** Epoch milliseconds, for the age of webhooks. */
  readonly now?: () => number;
  readonly logger: Logger;
  /** Made with what means that Stripe is down. Absent: it is asked always. */
  readonly makeBreaker?: (isDown: (error: unknown) => boolean) => Breaker;
}

/** No answer in time. */
class LateError extends Error {
  override readonly name = 'LateError';
}

const TIMEOUT_MS = 20_000;
const NETWORK_RETRIES_MAX = 2;
/** The library's longest pause between two tries. */
const RETRY_PAUSE_MS_MAX = 5_000;
/** Connections to Stripe at a time; further requests wait for one. */
const CONNECTIONS_MAX = 64;
/** A webhook older than this is a replay. Stripe's own default. */
const WEBHOOK_AGE_S_MAX = 300;
const LIST_PAGE = 100;
/** Rounds of a refund: others may give money back at the same time. */
const REFUND_ROUNDS_MAX = 5;
/** Refunds that a bank sent back; more of the same end the same way. */
const REFUND_FAILURES_MAX = 2;
type PayoutsRequest = Parameters<PaymentProvider['payouts']>[0];
type BalanceRequest = Parameters<PaymentProvider['balanceTransactions']>[0];
type RefundRequest = Parameters<PaymentProvider['refund']>[0];
/** Refunds of one payment that are counted: far more than a payment has tickets. */
const REFUNDS_MAX = 1_000;

const PAYMENT_ID = /^pi_[A-Za-z0-9_]{1,200}$/;
const PAYOUT_ID = /^po_[A-Za-z0-9_]{1,200}$/;
const METHOD_ID = /^pm_[A-Za-z0-9_]{1,100}$/;
const CARD_NUMBER = /^\d{12,19}$/;
/** A test card's date and check number may be any that are well formed. */
const TEST_CARD = { exp_month: 12, exp_year: 2040, cvc: '123' } as const;

/** A webhook's event, as far as it is read. */
const webhookEvent = z.object({
  id: z.string().min(1),
  type: z.string(),
  created: z.number(),
  data: z.object({
    object: z.object({
      object: z.string(),
      id: z.string().optional(),
      payment_intent: z.union([z.string(), z.object({ id: z.string() })]).nullish(),
    }),
  }),
});

export class StripePayments implements PaymentProvider {
  readonly kind: 'sandbox' | 'stripe';
  readonly #stripe: Stripe;
  readonly #agent: HttpAgent;
  readonly #options: StripePaymentsOptions;
  /** For one try, and for all tries of a call. */
  readonly #tryMs: number;
  readonly #callMsMax: number;
  readonly #breaker: Breaker | undefined;

  constructor(options: StripePaymentsOptions) {
    const { host, port, protocol = 'https', timeoutMs = TIMEOUT_MS } = options;
    const retries = options.maxNetworkRetries ?? NETWORK_RETRIES_MAX;
    this.kind = options.kind;
    this.#options = options;
    this.#breaker = options.makeBreaker?.((error) => error instanceof LateError || isDown(error));
    this.#tryMs = timeoutMs;
    this.#callMsMax = (timeoutMs + RETRY_PAUSE_MS_MAX) * (retries + 1);
    const agentOptions = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
    this.#agent = protocol === 'http' ? new HttpAgent(agentOptions) : new HttpsAgent(agentOptions);
    this.#stripe = new Stripe(options.secretKey, {
      // The version that the library's types describe.
      apiVersion: Stripe.API_VERSION,
      protocol,
      httpAgent: this.#agent,
      timeout: timeoutMs,
      maxNetworkRetries: retries,
      telemetry: false,
      appInfo: { name: 'ticktak' },
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port }),
    });
  }

  async start(): Promise<void> {
    // Every call stands alone.
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
  }

  async create(payment: NewPayment): Promise<Payment> {
    const { reservationId, attempt, amountMinor, currency, email, description, metadata } = payment;
    if (!Number.isSafeInteger(amountMinor) || amountMinor <= 0) {
      throw new Error(`Reservation ${reservationId}: ${amountMinor} is not an amount in minor units`);
    }
    const intent = await this.#call('create a payment', () =>
      this.#stripe.paymentIntents.create(
        {
          amount: amountMinor,
          currency: currency.toLowerCase(),
          automatic_payment_methods: { enabled: true },
          capture_method: 'automatic',
          receipt_email: email,
          description,
          metadata: { ...metadata, reservationId },
          expand: [...PAYMENT_EXPANDS],
        },
        { idempotencyKey: [reservationId, 'create', ...(attempt === undefined ? [] : [attempt])].join(':') },
      ),
    );
    return wasReplayed(intent) ? this.#read(intent.id) : this.#payment(intent);
  }

  async method(
    paymentMethod: string,
    key: string,
  ): Promise<PaymentMethod | { readonly declineReason: string }> {
    const digits = paymentMethod.replaceAll(/[\s-]/g, '');
    const ask = METHOD_ID.test(paymentMethod)
      ? () => this.#stripe.paymentMethods.retrieve(paymentMethod)
      : this.kind === 'sandbox' && CARD_NUMBER.test(digits)
        ? () => this.#createMethod(digits, key)
        : null;
    if (!ask) return { declineReason: 'invalid_payment_method' };
    try {
      const method = await this.#call('look at a payment method', ask);
      const fingerprint = this.#fingerprint(method.card, method.livemode);
      // Stripe answers a ready-made test method (pm_card_...) with a new one each time: its name is the id.
      const id = METHOD_ID.test(paymentMethod) ? paymentMethod : method.id;
      return { id, ...(fingerprint !== undefined && { fingerprint }) };
    } catch (error) {
      if (isDecline(error)) return { declineReason: reasonOf(error) };
      if (isMissing(error) || isMethodRefused(error)) return { declineReason: 'invalid_payment_method' };
      throw error;
    }
  }

  async confirm(request: Parameters<PaymentProvider['confirm']>[0]): Promise<Payment> {
    const { paymentId, attempt, methodId, returnUrl } = request;
    try {
      const intent = await this.#callAbout('confirm a payment', () =>
        this.#stripe.paymentIntents.confirm(
          paymentId,
          { payment_method: methodId, return_url: returnUrl, expand: [...PAYMENT_EXPANDS] },
          { idempotencyKey: `${paymentId}:confirm:${attempt}` },
        ),
      );
      return wasReplayed(intent) ? await this.#read(paymentId) : await this.#payment(intent);
    } catch (error) {
      if (isUnexpectedState(error)) return this.#read(paymentId);
      if (isDecline(error)) return declinedAs(await this.#read(paymentId), reasonOf(error));
      if (isMethodRefused(error)) {
        return declinedAs(await this.#read(paymentId), 'invalid_payment_method');
      }
      throw error;
    }
  }

  /** Carries no idempotency key: a payment ends once anyway, and a refusal must not be replayed. */
  async cancel(paymentId: string): Promise<Payment> {
    try {
      const intent = await this.#callAbout('cancel a payment', () =>
        this.#stripe.paymentIntents.cancel(paymentId, {
          cancellation_reason: 'abandoned',
          expand: [...PAYMENT_EXPANDS],
        }),
      );
      return await this.#payment(intent);
    } catch (error) {
      if (isUnexpectedState(error)) return this.#read(paymentId);
      throw error;
    }
  }

  async find(paymentId: string): Promise<Payment | null> {
    if (!PAYMENT_ID.test(paymentId)) return null;
    try {
      return await this.#read(paymentId);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async refund({ paymentId, totalMinor, attempt }: RefundRequest): Promise<Payment> {
    if (!Number.isSafeInteger(totalMinor) || totalMinor < 0) {
      throw new Error(`Payment ${paymentId}: ${totalMinor} is not an amount in minor units`);
    }
    for (let round = 0; round < REFUND_ROUNDS_MAX; round += 1) {
      const intent = await this.#intent(paymentId);
      const refunds = await this.#refundsOf(intent);
      if (sumOf(refunds) >= totalMinor) return this.#payment(intent);
      requireRefundable(intent, totalMinor);
      await this.#giveBack(intent, refunds, { totalMinor, attempt });
    }
    const message = `Payment ${paymentId} could not be refunded: its refunds change under our hands; try again`;
    throw new PaymentUnavailableError(message);
  }

  async *list(since: number): AsyncIterable<Payment> {
    const created = atOrAfter(since);
    let after: string | undefined;
    do {
      const page = await this.#call('list payments', () =>
        this.#stripe.paymentIntents.list({
          created,
          limit: LIST_PAGE,
          expand: PAYMENT_EXPANDS.map((path) => `data.${path}`),
          ...(after !== undefined && { starting_after: after }),
        }),
      );
      for (const intent of page.data) {
        // The account may take payments for others too.
        if (intent.metadata['reservationId'] !== undefined) yield this.#payment(intent);
      }
      after = page.has_more ? page.data.at(-1)?.id : undefined;
    } while (after !== undefined);
  }

  async payouts({ limit, after, since }: PayoutsRequest): Promise<{
    readonly payouts: readonly Payout[];
    readonly next?: string;
  }> {
    if (after !== undefined && !PAYOUT_ID.test(after)) return { payouts: [] };
    try {
      const page = await this.#call('list payouts', () =>
        this.#stripe.payouts.list({
          limit,
          ...(since !== undefined && { created: atOrAfter(since) }),
          ...(after !== undefined && { starting_after: after }),
        }),
      );
      const next = page.has_more ? page.data.at(-1)?.id : undefined;
      return { payouts: page.data.map(payoutOf), ...(next !== undefined && { next }) };
    } catch (error) {
      if (isMissing(error)) return { payouts: [] };
      throw error;
    }
  }

  async payout(id: string): Promise<Payout | null> {
    if (!PAYOUT_ID.test(id)) return null;
    try {
      return payoutOf(await this.#call('read a payout', () => this.#stripe.payouts.retrieve(id)));
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  async *balanceTransactions(of: BalanceRequest): AsyncIterable<BalanceTransaction> {
    const wanted = 'payout' in of ? { payout: of.payout } : { created: atOrAfter(of.since) };
    let after: string | undefined;
    do {
      const page = await this.#call('list changes of the balance', () =>
        this.#stripe.balanceTransactions.list({
          ...wanted,
          limit: LIST_PAGE,
          expand: [...TRANSACTION_EXPANDS],
          ...(after !== undefined && { starting_after: after }),
        }),
      );
      for (const transaction of page.data) {
        // A payout is listed among what it pays out.
        if ('payout' in of && transaction.type === 'payout') continue;
        yield transactionOf(transaction);
      }
      after = page.has_more ? page.data.at(-1)?.id : undefined;
    } while (after !== undefined);
  }

  async webhook(body: Buffer, signature: string): Promise<WebhookMessage> {
    const { webhookSecret, now = Date.now } = this.#options;
    if (webhookSecret === undefined) {
      throw new WebhookRefusedError('No webhook secret is set, so no webhook can be believed');
    }
    try {
      const event = await this.#stripe.webhooks.constructEventAsync(
        body,
        signature,
        webhookSecret,
        WEBHOOK_AGE_S_MAX,
        undefined,
        now(),
      );
      return messageOf(webhookEvent.parse(event));
    } catch (cause) {
      const message = 'The webhook is not signed by the provider, is too old, or is no event';
      throw new WebhookRefusedError(message, { cause });
    }
  }

  #createMethod(number: string, key: string): Promise<Stripe.Response<Stripe.PaymentMethod>> {
    return this.#stripe.paymentMethods.create(
      { type: 'card', card: { number, ...TEST_CARD } },
      { idempotencyKey: `${key}:method` },
    );
  }

  async #intent(paymentId: string): Promise<Stripe.PaymentIntent> {
    return this.#callAbout('read a payment', () =>
      this.#stripe.paymentIntents.retrieve(paymentId, { expand: [...PAYMENT_EXPANDS] }),
    );
  }

  async #read(paymentId: string): Promise<Payment> {
    return this.#payment(await this.#intent(paymentId));
  }

  async #payment(intent: Stripe.PaymentIntent): Promise<Payment> {
    const charge = chargeOf(intent);
    const card = charge?.paid === true ? charge.payment_method_details?.card : undefined;
    const refunds = await this.#refundsOf(intent);
    return paymentOf(intent, {
      refundedMinor: sumOf(refunds),
      isRefundOpen: isAnyOpen(refunds),
      dispute: charge?.disputed === true ? await this.#dispute(intent.id) : undefined,
      cardFingerprint: this.#fingerprint(card, intent.livemode),
    });
  }

  async #dispute(paymentId: string): Promise<Payment['dispute']> {
    const disputes = await this.#callAbout('look at disputes', () =>
      this.#stripe.disputes.list({ payment_intent: paymentId, limit: LIST_PAGE }),
    );
    return disputeOf(disputes.data);
  }

  /** All refunds of a payment; mostly they came with it. */
  async #refundsOf(intent: Stripe.PaymentIntent): Promise<readonly Stripe.Refund[]> {
    const known = chargeOf(intent)?.refunds;
    if (!known) return [];
    if (!known.has_more) return known.data;
    return this.#callAbout('look at refunds', () =>
      this.#stripe.refunds
        .list({ payment_intent: intent.id, limit: LIST_PAGE })
        .autoPagingToArray({ limit: REFUNDS_MAX }),
    );
  }

  /**
   * One refund of what is missing. Its key names what was given back before, so of two that meet, whatever
   * they want in all, only one takes effect, and the other looks again.
   */
  async #giveBack(
    intent: Stripe.PaymentIntent,
    refunds: readonly Stripe.Refund[],
    { totalMinor, attempt }: Pick<RefundRequest, 'totalMinor' | 'attempt'>,
  ): Promise<void> {
    const already = sumOf(refunds);
    const failures = refunds.filter((refund) => !isGivingBack(refund));
    if (failures.length >= REFUND_FAILURES_MAX) {
      const reason = failures[0]?.failure_reason ?? 'no reason given';
      throw new RefundRefusedError(
        `Payment ${intent.id}: refunds failed ${failures.length} times (${reason}); give the money back another way`,
      );
    }
    const tries = failures.length + attempt > 0 ? `:${failures.length}.${attempt}` : '';
    const idempotencyKey = `${intent.id}:refund:${already}${tries}`;
    try {
      const refund = await this.#callAbout('refund a payment', () =>
        this.#stripe.refunds.create(
          {
            payment_intent: intent.id,
            amount: totalMinor - already,
            reason: 'requested_by_customer',
            metadata: { reservationId: intent.metadata['reservationId'] ?? '' },
          },
          { idempotencyKey },
        ),
      );
      if (!isGivingBack(refund) && !wasReplayed(refund)) {
        throw new RefundRefusedError(`Payment ${intent.id}: the refund failed (${refund.failure_reason})`);
      }
    } catch (error) {
      if (isKeyOfAnother(error)) return;
      if (error instanceof PaymentUnavailableError && isReplay(error.cause)) {
        throw new RefundRefusedError(`Payment ${intent.id}: an earlier failure was answered again`, {
          cause: error,
        });
      }
      if (isInvalid(error) && error.code === 'charge_already_refunded') return;
      if (isInvalid(error) || isDecline(error)) {
        throw new RefundRefusedError(`Payment ${intent.id} is not refunded. ${described(error)}`, {
          cause: error,
        });
      }
      throw error;
    }
  }

  /** In test mode everybody has the same cards; the sandbox leaves their fingerprints out itself. */
  #fingerprint(
    card: { readonly fingerprint?: string | null } | null | undefined,
    isLive: boolean,
  ): string | undefined {
    return isLive || this.kind === 'sandbox' ? (card?.fingerprint ?? undefined) : undefined;
  }

  /** About what may exist at Stripe: made whatever is thought of it, unless many such calls are under way. */
  #callAbout<T>(what: string, request: () => Promise<T>): Promise<T> {
    return this.#told(what, request, (work) => (this.#breaker ? this.#breaker.insist(work) : work()));
  }

  /** For what Stripe has not heard of: kept back while it is down. */
  #call<T>(what: string, request: () => Promise<T>): Promise<T> {
    return this.#told(what, request, (work) => (this.#breaker ? this.#breaker.run(work) : work()));
  }

  /**
   * Makes a call and tells what its failure means. The breaker learns after the time of one try, not of all, that nobody
   * answers; who asked still hears what the further tries bring.
   */
  async #told<T>(
    what: string,
    request: () => Promise<T>,
    ask: (work: () => Promise<T>) => Promise<T>,
  ): Promise<T> {
    let call: Promise<T> | undefined;
    try {
      return await ask(() => {
        call = this.#within(what, this.#callMsMax, request());
        return this.#within(what, this.#tryMs, call);
      });
    } catch (error) {
      if (error instanceof BreakerOpenError) {
        throw new PaymentAwayError(`Did not ${what}. ${error.message}`, error.retryAfterMs, { cause: error });
      }
      if (!(error instanceof LateError) || !call) throw this.#failure(what, error);
    }
    try {
      return await call;
    } catch (error) {
      throw this.#failure(what, error);
    }
  }

  #failure(what: string, cause: unknown): unknown {
    if (isKeyRefused(cause)) {
      const reason = described(cause);
      this.#options.logger.error({ reason }, 'Stripe refuses our secret key: check STRIPE_SECRET_KEY');
    }
    if (!isUnavailable(cause) && !(cause instanceof LateError)) return cause;
    return new PaymentUnavailableError(`Could not ${what}. ${described(cause)}`, { cause });
  }

  async #within<T>(what: string, ms: number, answer: Promise<T>): Promise<T> {
    const late = `Could not ${what}: no answer within ${ms} ms`;
    try {
      return await withTimeout(answer, ms, late);
    } catch (error) {
      throw error instanceof Error && error.message === late ? new LateError(late, { cause: error }) : error;
    }
  }
}

const atOrAfter = (time: number): { gte: number } => ({ gte: Math.max(0, Math.floor(time / 1000)) });

/** Whether Stripe answered from its memory of the first such request. */
function wasReplayed(answer: object): boolean {
  // Every answer of the library carries this; on some of its types it is hidden.
  const { lastResponse } = answer as Partial<Stripe.Response<object>>;
  return lastResponse?.headers['idempotent-replayed'] === 'true';
}

/** A payment that came further in the meantime is answered as it is. */
function declinedAs(payment: Payment, declineReason: string): Payment {
  if (payment.status !== 'requires_payment_method') return payment;
  return { ...payment, declineReason: payment.declineReason ?? declineReason };
}

function requireRefundable(intent: Stripe.PaymentIntent, totalMinor: number): void {
  if (intent.status !== 'succeeded') {
    throw new RefundRefusedError(`Payment ${intent.id} is ${intent.status}: nothing was charged`);
  }
  if (totalMinor > intent.amount_received) {
    throw new RefundRefusedError(
      `Payment ${intent.id}: ${totalMinor} is more than the ${intent.amount_received} that were charged`,
    );
  }
}

function messageOf({ id, type, created, data }: z.infer<typeof webhookEvent>): WebhookMessage {
  const { object, id: own, payment_intent: intent } = data.object;
  const paymentId = object === 'payment_intent' ? own : typeof intent === 'object' ? intent?.id : intent;
  return { id, type, paymentId: paymentId ?? null, createdAt: created * 1000 };
}
