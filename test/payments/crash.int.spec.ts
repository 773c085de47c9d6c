/** The payment sandbox dies at every write of every operation; the repeat, elsewhere, has one effect. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Stripe from 'stripe';
import type { NewPayment, Payment, PaymentProvider } from '../../src/payments/port.js';
import type { SandboxPayments } from '../../src/payments/sandbox/provider.js';
import { faulty, interrupted, type FaultyDocuments } from './faulty-documents.js';
import { RETURN_URL, known, newPayment, pay } from './provider-suite.js';
import { sandboxWorld, until, type SandboxWorld } from './worlds.js';

/** More writes than any operation has. */
const WRITES_MAX = 12;
const KEY = 'sk_test_of_this_spec';

describe('a crash of the sandbox', () => {
  let world: SandboxWorld;
  let documents: FaultyDocuments;
  let mortal: SandboxPayments;
  let heir: SandboxPayments;

  beforeEach(async () => {
    world = await sandboxWorld();
    documents = faulty(world.documents);
    // The key stays taken for `busyMs` when its owner died: here only as long as the test can wait.
    mortal = await world.open({ documents, maxNetworkRetries: 0, slowMs: 0, busyMs: 30, secretKey: KEY });
    heir = await world.open({ maxNetworkRetries: 0, slowMs: 0, busyMs: 30, secretKey: KEY });
  });
  afterEach(() => world.close());

  /** Runs `call` so that it dies at each of its writes in turn, then on another process until it is answered. */
  async function atEveryWrite(
    prepare: () => Promise<NewPayment | Payment>,
    call: (provider: PaymentProvider, subject: NewPayment | Payment) => Promise<Payment>,
    check: (subject: NewPayment | Payment, answer: Payment) => Promise<void>,
    deathsMin = 6,
  ): Promise<void> {
    let deaths = 0;
    for (const tookEffect of [false, true]) {
      for (let nth = 1; nth <= WRITES_MAX; nth += 1) {
        const subject = await prepare();
        documents.dieAt(nth, tookEffect);
        const died = await call(mortal, subject).then(
          () => false,
          () => true,
        );
        documents.revive();
        if (died) deaths += 1;
        let answer: Payment | null = null;
        await until('the repeat is answered', async () => {
          answer = await call(heir, subject).catch(() => null);
          return answer !== null;
        });
        await check(subject, answer as unknown as Payment);
      }
    }
    // In both ways: at the key's two writes and the payment's own.
    expect(deaths).toBeGreaterThanOrEqual(deathsMin);
  }

  const over = (sandbox: SandboxPayments): Stripe =>
    new Stripe(KEY, {
      host: '127.0.0.1',
      port: new URL(sandbox.server.url ?? '').port,
      protocol: 'http',
      maxNetworkRetries: 0,
      telemetry: false,
    });
  const asPayment = (subject: NewPayment | Payment): Payment => subject as Payment;
  const chargesOf = async ({ id }: { id: string }): Promise<number> => {
    const kept = await world.documents.document('sandbox', id);
    const { charges } = kept?.value as { charges: { failure: unknown }[] };
    return charges.filter(({ failure }) => failure === null).length;
  };
  const confirmWith =
    (methodId: string) =>
    async (provider: PaymentProvider, subject: NewPayment | Payment): Promise<Payment> =>
      provider.confirm({
        paymentId: asPayment(subject).id,
        reservationId: subject.reservationId,
        attempt: 1,
        methodId,
        returnUrl: RETURN_URL,
      });

  test('while creating: one payment', async () => {
    const made = new Set<string>();
    await atEveryWrite(
      async () => newPayment(),
      (provider, subject) => provider.create(subject as NewPayment),
      async ({ reservationId }, answer) => {
        expect(answer).toMatchObject({ reservationId, status: 'requires_payment_method' });
        const all: string[] = [];
        for await (const payment of heir.list(0)) {
          if (payment.reservationId === reservationId) all.push(payment.id);
        }
        expect(all).toEqual([answer.id]);
        made.add(answer.id);
      },
    );
    expect(made.size).toBe(2 * WRITES_MAX);
  });

  test('while charging: one charge', async () => {
    await atEveryWrite(
      () => heir.create(newPayment()),
      confirmWith('pm_card_visa'),
      async (_, answer) => {
        expect(answer.status).toBe('succeeded');
        expect(await chargesOf(answer)).toBe(1);
      },
    );
  });

  test('while being declined: declined once, and not charged', async () => {
    await atEveryWrite(
      () => heir.create(newPayment()),
      confirmWith('pm_card_visa_chargeDeclined'),
      async (_, answer) => {
        expect(answer).toMatchObject({ status: 'requires_payment_method', declineReason: 'generic_decline' });
        const kept = await world.documents.document('sandbox', answer.id);
        expect((kept?.value as { charges: unknown[] }).charges).toHaveLength(1);
      },
    );
  });

  test('while cancelling: canceled, and never charged after', async () => {
    await atEveryWrite(
      () => heir.create(newPayment()),
      (provider, subject) => provider.cancel(asPayment(subject).id),
      async (subject, answer) => {
        expect(answer.status).toBe('canceled');
        expect(await pay(heir, asPayment(subject), 'pm_card_visa')).toMatchObject({ status: 'canceled' });
      },
      // It has no key: only the payment's own write.
      2,
    );
  });

  test('while giving money back: given back once', async () => {
    await atEveryWrite(
      async () => pay(heir, await heir.create(newPayment()), 'pm_card_visa'),
      (provider, subject) =>
        provider.refund({ paymentId: asPayment(subject).id, totalMinor: 4_000, attempt: 0 }),
      async (_, answer) => {
        expect(answer.refundedMinor).toBe(4_000);
        const kept = await world.documents.document('sandbox', answer.id);
        expect((kept?.value as { refunds: unknown[] }).refunds).toHaveLength(1);
      },
    );
  });

  test('another process comes between reading and writing: one of both wins', async () => {
    const slowReads = interrupted(world.documents);
    const slow = await world.open({ documents: slowReads, maxNetworkRetries: 0 });
    const confirmed = async (payment: Payment): Promise<unknown> =>
      pay(heir, payment, 'pm_card_mastercard', 2);
    const canceled = async ({ id }: Payment): Promise<unknown> => heir.cancel(id);
    const stateOf = async (id: string): Promise<unknown> => {
      const kept = await world.documents.document('sandbox', id);
      const { status, charges } = kept?.value as { status: string; charges: unknown };
      return { status, charges };
    };
    // Until then the document goes on changing by itself.
    const eventsTold = async (id: string): Promise<void> =>
      until('its events are told', async () => {
        const kept = await world.documents.document('sandbox', id);
        return (kept?.value as { outbox: unknown[] }).outbox.length === 0;
      });
    const statuses = new Set<string>();
    for (const meanwhile of [confirmed, canceled]) {
      for (let nth = 1; nth <= 4; nth += 1) {
        const payment = await heir.create(newPayment());
        let ended: unknown;
        slowReads.interruptAt(payment.id, nth, async () => {
          await meanwhile(payment);
          await eventsTold(payment.id);
          ended = await stateOf(payment.id);
        });
        const answer = await pay(slow, payment, 'pm_card_visa', 1);
        expect(await heir.find(payment.id)).toEqual(answer);
        // What the other was told still stands.
        if (ended !== undefined) expect(await stateOf(payment.id)).toEqual(ended);
        expect(await chargesOf(answer)).toBe(answer.status === 'succeeded' ? 1 : 0);
        statuses.add(answer.status);
      }
    }
    expect(statuses).toEqual(new Set(['succeeded', 'canceled']));
    const paid = await pay(heir, await heir.create(newPayment()), 'pm_card_visa');
    for (let nth = 1; nth <= 4; nth += 1) {
      const totalMinor = nth * 1_000;
      slowReads.interruptAt(paid.id, nth, () =>
        heir
          .refund({ paymentId: paid.id, totalMinor: totalMinor - 300, attempt: 0 })
          .then(() => eventsTold(paid.id)),
      );
      await known(() => slow.refund({ paymentId: paid.id, totalMinor, attempt: 0 }));
      expect(await heir.find(paid.id)).toMatchObject({ refundedMinor: totalMinor });
    }
  });

  test('while refunding under a key of Stripe’s: one refund, though nobody looks before', async () => {
    let deaths = 0;
    for (let nth = 1; nth <= 6; nth += 1) {
      const { id } = await pay(heir, await heir.create(newPayment()), 'pm_card_visa');
      const call = (sandbox: SandboxPayments): Promise<Stripe.Refund> =>
        over(sandbox).refunds.create({ payment_intent: id, amount: 4_000 }, { idempotencyKey: `raw-${nth}` });
      documents.dieAt(nth, nth % 2 === 0);
      await call(mortal).catch(() => (deaths += 1));
      documents.revive();
      await until('the repeat is answered', () =>
        call(heir).then(
          () => true,
          () => false,
        ),
      );
      expect(await heir.find(id)).toMatchObject({ refundedMinor: 4_000 });
    }
    expect(deaths).toBeGreaterThanOrEqual(2);
  });

  test('while cancelling under a key of Stripe’s: the repeat is told that it worked', async () => {
    for (let nth = 1; nth <= 6; nth += 1) {
      const { id } = await heir.create(newPayment());
      const call = (sandbox: SandboxPayments): Promise<Stripe.PaymentIntent> =>
        over(sandbox).paymentIntents.cancel(id, {}, { idempotencyKey: `cancel-${nth}` });
      documents.dieAt(nth, true);
      await call(mortal).catch(() => null);
      documents.revive();
      await until('the repeat is answered', () =>
        call(heir).then(
          ({ status }) => status === 'canceled',
          () => false,
        ),
      );
    }
  });
});
