import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { LINES_MAX, PayoutDesk, type ReconciledPayout } from '../../src/payments/payouts.js';
import { PENDING, PayoutResults } from '../../src/payments/payouts/results.js';
import { PayoutWatch } from '../../src/payments/payouts/watch.js';
import {
  PaymentUnavailableError,
  type BalanceTransaction,
  type Payment,
  type PaymentProvider,
  type Payout,
} from '../../src/payments/port.js';
import type { PaymentRecord } from '../../src/payments/records.js';
import { PaymentRecords } from '../../src/payments/records.js';
import { FakeProvider, ManualClock } from '../http/fakes.js';
import { MemoryDocuments } from '../helpers/memory-documents.js';
import { charge, line, paymentRecord, payout } from './payout-samples.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const READ = { readMs: 10_000 };

let clock: ManualClock;
let provider: FakeProvider;
let documents: MemoryDocuments;
let records: PaymentRecords;
let results: PayoutResults;
let desk: PayoutDesk;
let today: number;

beforeEach(() => {
  clock = new ManualClock();
  // Whole days, so that what follows can be read.
  today = Math.ceil(clock.now() / DAY + 100) * DAY;
  clock.advance(today + 6 * HOUR - clock.now());
  provider = new FakeProvider('stripe', () => clock.now());
  documents = new MemoryDocuments(() => clock.now());
  records = new PaymentRecords(documents);
  results = new PayoutResults(documents, clock);
  desk = deskOf();
});

const deskOf = (
  of: Pick<PaymentProvider, 'payouts' | 'payout' | 'balanceTransactions' | 'find'> = provider,
) => new PayoutDesk({ provider: of, records, results, clock, currency: 'USD' });

/** On record; and, unless told otherwise, known to the provider. */
async function onRecord(
  id: string,
  fields: Partial<PaymentRecord>,
  atProvider?: Partial<Payment> | null,
): Promise<void> {
  const value = paymentRecord({ reservationId: `r-${id}`, ...fields });
  const { createdAt, amountMinor, currency, refundedMinor, status } = value;
  const list = { all: String(createdAt).padStart(15, '0') };
  await documents.insertDocument('payments', { id, value, lists: list });
  if (atProvider === null) return;
  provider.payments.set(id, {
    id,
    reservationId: value.reservationId,
    status: status as Payment['status'],
    amountMinor,
    currency,
    clientSecret: '',
    refundedMinor,
    createdAt,
    ...atProvider,
  });
}
const chargeOf = (id: string, at: number, fields: Partial<BalanceTransaction> = {}): BalanceTransaction =>
  charge({ id: `txn_${id}`, paymentId: id, reservationId: `r-${id}`, at, ...fields });

/** A sale: on record, charged, and in a payout, or in none. */
async function sold(id: string, at: number, payoutId = ''): Promise<void> {
  await onRecord(id, { createdAt: at - 5_000, updatedAt: at });
  const lines = [chargeOf(id, at), ...(provider.balance.get(payoutId) ?? [])];
  provider.balance.set(
    payoutId,
    lines.toSorted((a, b) => b.at - a.at),
  );
}

/** Made of what is in it. */
function paidOut(id: string, createdAt: number, fields: Partial<Payout> = {}): void {
  const lines = provider.balance.get(id) ?? [];
  const amountMinor = lines.reduce((sum, one) => sum + one.amountMinor - one.feeMinor, 0);
  provider.paidOut.unshift(payout({ id, createdAt, arrivalAt: createdAt, amountMinor, ...fields }));
}
const read = async (id: string): Promise<ReconciledPayout> => (await desk.payout(id, READ))!;

/** Two closed days with a sale each, and one that is not paid out. */
async function ordinaryDays(): Promise<void> {
  await sold('pi_a', today - 2 * DAY + HOUR, 'po_a');
  paidOut('po_a', today - DAY);
  await sold('pi_b', today - DAY + HOUR, 'po_b');
  paidOut('po_b', today);
  await sold('pi_c', today + HOUR);
}

describe('a payout', () => {
  it('has each of its lines, and adds up', async () => {
    await ordinaryDays();
    const found = await read('po_b');
    expect(found).toMatchObject({
      payout: { id: 'po_b', amountMinor: 14_535 },
      currency: 'USD',
      totals: { chargesMinor: 15_000, feesMinor: 465, netMinor: 14_535 },
      lines: [{ id: 'txn_pi_b', match: 'ok', reservationId: 'r-pi_b' }],
      missing: [],
      mismatches: 0,
      isComplete: true,
    });
    expect(await results.get('po_b')).toEqual({
      at: today,
      comparedAt: clock.now(),
      mismatches: 0,
      isComplete: true,
    });
  });

  it('that never was is not there', async () => {
    expect(await desk.payout('po_none', READ)).toBeNull();
  });

  it('that does not add up is a mismatch', async () => {
    await sold('pi_a', today - DAY + HOUR, 'po_a');
    paidOut('po_a', today, { amountMinor: 14_536 });
    expect(await read('po_a')).toMatchObject({ mismatches: 1, isComplete: true, lines: [{ match: 'ok' }] });
  });

  it('lacks a payment of its time that was never charged', async () => {
    await ordinaryDays();
    const createdAt = today - DAY + HOUR / 2;
    await onRecord('pi_lost', { createdAt }, null);
    await onRecord('pi_undone', { createdAt }, { status: 'canceled' });
    // Charged, and in another payout; open; and of other times.
    await onRecord('pi_later', { createdAt });
    await onRecord('pi_open', { createdAt, status: 'requires_action' }, null);
    await onRecord('pi_before', { createdAt: today - 2 * DAY }, null);
    await onRecord('pi_after', { createdAt: today + HOUR / 2 }, null);
    const found = await read('po_b');
    expect(found.missing.map(({ paymentId, reason }) => [paymentId, reason]).toSorted()).toEqual([
      ['pi_lost', 'not_at_provider'],
      ['pi_undone', 'not_charged'],
    ]);
    expect(found).toMatchObject({ mismatches: 2, isComplete: true });
    // Each belongs to the time of one payout.
    expect((await read('po_a')).missing.map(({ paymentId }) => paymentId)).toEqual(['pi_before']);
    expect((await desk.pending(READ)).missing.map(({ paymentId }) => paymentId)).toEqual(['pi_after']);
  });

  it('of an account that serves others too: theirs are nothing, what is ours and not on record is a fault', async () => {
    const at = today - DAY + HOUR;
    const { reservationId: _, ...foreign } = chargeOf('pi_shop', at);
    const refundOf = (id: string): BalanceTransaction =>
      line({ id: `txn_r_${id}`, kind: 'refund', amountMinor: -100, paymentId: id, at });
    await onRecord('pi_old', {}, { reservationId: '' });
    await documents.removeDocument('payments', 'pi_old');
    provider.balance.set('po_a', [
      refundOf('pi_shop'),
      refundOf('pi_old'),
      refundOf('pi_gone'),
      chargeOf('pi_ours', at),
      foreign,
    ]);
    paidOut('po_a', today);
    const found = await read('po_a');
    expect(found.lines.map(({ id, match }) => [id, match])).toEqual([
      ['txn_r_pi_shop', 'other'],
      ['txn_r_pi_old', 'other'],
      ['txn_r_pi_gone', 'unknown_payment'],
      ['txn_pi_ours', 'unknown_payment'],
      ['txn_pi_shop', 'other'],
    ]);
    expect(found.mismatches).toBe(2);
  });

  it('made by hand tells nothing of what it pays out', async () => {
    paidOut('po_a', today, { isAutomatic: false, amountMinor: 5 });
    expect(await read('po_a')).toMatchObject({ lines: [], mismatches: 0, isComplete: false });
    expect(await results.get('po_a')).toBeNull();
  });

  it('that is still being gathered is not complete', async () => {
    await sold('pi_a', today - DAY + HOUR, 'po_a');
    paidOut('po_a', today, { isClosed: false, amountMinor: 1 });
    expect(await read('po_a')).toMatchObject({ mismatches: 0, isComplete: false });
  });

  it('shows so many lines at most, and says that it does', async () => {
    const at = today - DAY + HOUR;
    const lines = Array.from({ length: LINES_MAX + 1 }, (_, index) =>
      line({ id: `txn_${index}`, kind: 'fee', type: 'stripe_fee', at, amountMinor: -1 }),
    );
    provider.balance.set('po_a', lines);
    paidOut('po_a', today, { amountMinor: 1 });
    const found = await read('po_a');
    expect(found.lines).toHaveLength(LINES_MAX);
    expect(found).toMatchObject({ mismatches: 0, isComplete: false });
  });

  it('asks the provider for so many payments at most', async () => {
    await ordinaryDays();
    for (let index = 0; index < 101; index += 1) {
      await onRecord(`pi_l${index}`, { createdAt: today - DAY + HOUR / 2 }, null);
    }
    const found = await read('po_b');
    expect(found.missing).toHaveLength(100);
    expect(found.isComplete).toBe(false);
  });
});

describe('what is not paid out', () => {
  it('is what no automatic payout has, and what payouts by hand took', async () => {
    await ordinaryDays();
    // Late to clear: older than what the last payout pays.
    await sold('pi_slow', today - 2 * DAY + 2 * HOUR);
    const out = (id: string, at: number): BalanceTransaction => {
      const { paymentId: _, ...bare } = line({
        id: `txn_${id}`,
        kind: 'payout',
        payoutId: id,
        at,
        amountMinor: -7,
      });
      return bare;
    };
    paidOut('po_hand', today + 2 * HOUR, { isAutomatic: false });
    const open = [out('po_hand', today + 2 * HOUR), ...(provider.balance.get('') ?? []), out('po_b', today)];
    provider.balance.set(
      '',
      open.toSorted((a, b) => b.at - a.at),
    );
    const found = await desk.pending(READ);
    expect(found.lines.map(({ id, match }) => [id, match])).toEqual([
      ['txn_po_hand', 'other'],
      ['txn_pi_c', 'ok'],
      ['txn_pi_slow', 'ok'],
    ]);
    expect(found).toMatchObject({
      payout: null,
      currency: 'USD',
      totals: { chargesMinor: 30_000, otherMinor: -7, netMinor: 2 * 14_535 - 7 },
      mismatches: 0,
      isComplete: true,
    });
  });

  it('leaves out what is younger than an hour', async () => {
    const now = clock.now();
    await onRecord('pi_new', { createdAt: now - 1_000 }, null);
    provider.balance.set('', [chargeOf('pi_odd', now - 1_000), chargeOf('pi_old', now - 2 * HOUR)]);
    const found = await desk.pending(READ);
    expect(found.lines.map(({ match }) => match)).toEqual(['other', 'unknown_payment']);
    expect(found).toMatchObject({ missing: [], mismatches: 1 });
    clock.advance(2 * HOUR);
    expect(await desk.pending(READ)).toMatchObject({ mismatches: 3, missing: [{ paymentId: 'pi_new' }] });
  });

  it('knows of refunds in payouts since, and misses those that are nowhere', async () => {
    const at = today - DAY + HOUR;
    await onRecord('pi_a', { createdAt: at, updatedAt: at + HOUR, refundedMinor: 15_000 });
    const refund = line({
      id: 'txn_r',
      kind: 'refund',
      paymentId: 'pi_a',
      at: at + HOUR,
      amountMinor: -10_000,
      paid: { amountMinor: 10_000, currency: 'USD' },
    });
    provider.balance.set('po_a', [refund, chargeOf('pi_a', at)]);
    paidOut('po_a', today);
    // However often it is asked, also when nothing of it is left to be paid out.
    for (const afterMs of [0, 2 * DAY, 2 * DAY]) {
      clock.advance(afterMs);
      expect(await desk.pending(READ)).toMatchObject({
        lines: [],
        missing: [{ paymentId: 'pi_a', refundedMinor: 15_000, reason: 'refund_not_in_balance' }],
        mismatches: 1,
      });
    }
    provider.balance.set('', [
      { ...refund, id: 'txn_r2', amountMinor: -5_000, paid: { amountMinor: 5_000, currency: 'USD' } },
    ]);
    expect(await desk.pending(READ)).toMatchObject({ missing: [], mismatches: 0, lines: [{ match: 'ok' }] });
  });

  it('misses a payment for as long as no later one is paid out', async () => {
    await ordinaryDays();
    provider.balance.set('', []);
    await documents.removeDocument('payments', 'pi_c');
    await onRecord('pi_lost', { createdAt: today + HOUR }, null);
    for (let days = 0; days < 5; days += 1) {
      expect((await desk.pending(READ)).missing.map(({ paymentId }) => paymentId)).toEqual(['pi_lost']);
      clock.advance(DAY);
    }
    await sold('pi_d', today + 4 * DAY, 'po_d');
    paidOut('po_d', today + 5 * DAY);
    expect((await desk.pending(READ)).missing).toEqual([]);
    expect((await read('po_d')).missing.map(({ paymentId }) => paymentId)).toEqual(['pi_lost']);
  });

  it('is looked for no further back than its oldest part was', async () => {
    await ordinaryDays();
    const asked: number[] = [];
    const watched = deskOf({
      payouts: (page) => provider.payouts(page),
      payout: (id) => provider.payout(id),
      find: (id) => provider.find(id),
      balanceTransactions: (of) => {
        if ('since' in of) asked.push(of.since);
        return provider.balanceTransactions(of);
      },
    });
    await watched.pending(READ);
    await watched.pending(READ);
    expect(asked).toEqual([clock.now() - 45 * DAY, clock.now() - DAY]);
    provider.balance.set('', []);
    await sold('pi_slow', today - 30 * DAY);
    await results.keep(PENDING, { at: 1, comparedAt: 1, mismatches: 0, isComplete: true });
    expect((await watched.pending(READ)).lines.map(({ id }) => id)).toEqual(['txn_pi_slow']);
    await watched.pending(READ);
    expect(asked.at(-1)).toBe(today - 30 * DAY);
  });
});

describe('a provider that is slow or away', () => {
  const never = new Promise<never>(() => undefined);

  it('that never answers is given up in time', async () => {
    const silent = deskOf({
      payouts: () => never,
      payout: () => never,
      find: () => never,
      balanceTransactions: async function* () {
        await never;
        yield charge();
      },
    });
    for (const call of [() => silent.payout('po_a', READ), () => silent.pending(READ)]) {
      const answer = call().catch((error: unknown) => error);
      await passes(READ.readMs);
      expect(await answer).toBeInstanceOf(PaymentUnavailableError);
    }
    provider.isAway = true;
    await expect(desk.payout('po_a', READ)).rejects.toBeInstanceOf(PaymentUnavailableError);
  });

  it('that stops half-way is told as not complete', async () => {
    await ordinaryDays();
    const halting = deskOf({
      payouts: (page) => provider.payouts(page),
      payout: (id) => provider.payout(id),
      find: (id) => provider.find(id),
      balanceTransactions: async function* (of) {
        yield* provider.balanceTransactions(of);
        await never;
      },
    });
    const answer = halting.payout('po_b', READ);
    await passes(READ.readMs);
    expect(await answer).toMatchObject({ lines: [{ match: 'ok' }], mismatches: 0, isComplete: false });
  });

  it('keeps the result of a look that saw all, unless less was enough to find more', async () => {
    await ordinaryDays();
    await read('po_b');
    const kept = await results.get('po_b');
    clock.advance(1);
    provider.paidOut[0] = { ...provider.paidOut[0]!, isClosed: false };
    await read('po_b');
    expect(await results.get('po_b')).toEqual(kept);
    await documents.removeDocument('payments', 'pi_b');
    await read('po_b');
    expect(await results.get('po_b')).toMatchObject({ mismatches: 1, isComplete: false });
  });
});

/** Lets everything that can go on do so, then moves time. */
async function passes(ms: number): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  clock.advance(ms);
}

describe('the watch', () => {
  let told: number[];
  let errors: Record<string, unknown>[];
  let warnings: string[];
  beforeEach(() => {
    told = [];
    errors = [];
    warnings = [];
  });
  const watchOf = (of: Pick<PayoutDesk, 'payout' | 'pending'> = desk): PayoutWatch => {
    const stream = {
      write: (text: string): void => {
        const { level, msg, ...facts } = JSON.parse(text) as { level: number; msg: string };
        if (level === 50) errors.push({ ...facts, msg });
        else warnings.push(msg);
      },
    };
    return new PayoutWatch({
      desk: of,
      provider,
      results,
      clock,
      logger: pino({ level: 'warn', base: null, timestamp: false }, stream),
      everyMs: DAY,
      onMismatches: (count) => told.push(count),
    });
  };
  const counting = (): { desk: Pick<PayoutDesk, 'payout' | 'pending'>; asked: string[] } => {
    const asked: string[] = [];
    const counted = {
      payout: (id: string, limits: Parameters<PayoutDesk['payout']>[1]) => {
        asked.push(id);
        return desk.payout(id, limits);
      },
      pending: (limits: Parameters<PayoutDesk['pending']>[0]) => {
        asked.push(PENDING);
        return desk.pending(limits);
      },
    };
    return { desk: counted, asked };
  };

  it('tells 0 when all is right, and compares each payout once', async () => {
    await ordinaryDays();
    const { desk: counted, asked } = counting();
    const watch = watchOf(counted);
    await watch.look();
    expect([told, asked, errors, warnings]).toEqual([[0], ['po_b', 'po_a', PENDING], [], []]);
    await watch.look();
    expect(asked).toHaveLength(3);
    clock.advance(DAY);
    await watch.look();
    expect(asked.slice(3)).toEqual([PENDING]);
  });

  it('tells and logs what is wrong, with ids, every day until it is right', async () => {
    await ordinaryDays();
    await documents.removeDocument('payments', 'pi_b');
    await onRecord('pi_lost', { createdAt: today + HOUR / 2 }, null);
    const watch = watchOf();
    await watch.look();
    expect(told).toEqual([2]);
    expect(errors).toEqual([
      expect.objectContaining({
        payoutId: 'po_b',
        mismatches: 1,
        transactionIds: ['txn_pi_b'],
        paymentIds: ['pi_b'],
        missingPaymentIds: [],
      }),
      expect.objectContaining({ payoutId: PENDING, mismatches: 1, missingPaymentIds: ['pi_lost'] }),
    ]);
    clock.advance(DAY);
    await watch.look();
    expect(errors).toHaveLength(4);
    await onRecord('pi_b', { createdAt: today - DAY + HOUR });
    await documents.removeDocument('payments', 'pi_lost');
    clock.advance(DAY);
    await watch.look();
    expect([told.at(-1), errors.length]).toEqual([0, 4]);
  });

  it('takes turns with other processes, all of which tell the same', async () => {
    await ordinaryDays();
    await documents.removeDocument('payments', 'pi_b');
    const one = counting();
    const two = counting();
    await Promise.all([watchOf(one.desk).look(), watchOf(two.desk).look()]);
    expect(one.asked.length + two.asked.length).toBe(3);
    told = [];
    await Promise.all([watchOf(one.desk).look(), watchOf(two.desk).look()]);
    expect(told).toEqual([1, 1]);
    expect(one.asked.length + two.asked.length).toBe(3);
  });

  it('takes over from one that died, after a while', async () => {
    await ordinaryDays();
    expect(await results.take(20 * 60_000)).not.toBeNull();
    const { desk: counted, asked } = counting();
    const watch = watchOf(counted);
    await watch.look();
    expect(asked).toEqual([]);
    clock.advance(20 * 60_000);
    await watch.look();
    expect(asked).toHaveLength(3);
  });

  it('asks a provider that is away again, and lets the last number stand', async () => {
    await ordinaryDays();
    await documents.removeDocument('payments', 'pi_b');
    const watch = watchOf();
    await watch.look();
    provider.isAway = true;
    clock.advance(DAY);
    await watch.look();
    expect(told).toEqual([1, 1]);
    expect(warnings).toEqual([expect.stringContaining('tried again later')]);
    provider.isAway = false;
    await onRecord('pi_b', { createdAt: today - DAY + HOUR });
    clock.advance(14 * 60_000);
    await watch.look();
    expect(told.at(-1)).toBe(1);
    clock.advance(60_000);
    await watch.look();
    expect(told.at(-1)).toBe(0);
  });

  it('stops while the provider is silent', async () => {
    await ordinaryDays();
    let asked = (): void => undefined;
    const isAsked = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const silent = deskOf({
      payouts: (page) => provider.payouts(page),
      find: (id) => provider.find(id),
      balanceTransactions: (of) => provider.balanceTransactions(of),
      payout: () => {
        asked();
        return new Promise(() => undefined);
      },
    });
    const watch = watchOf(silent);
    watch.start();
    clock.advance(30_000);
    await isAsked;
    await watch.stop();
    expect(await results.get('po_b')).toBeNull();
  });
});
