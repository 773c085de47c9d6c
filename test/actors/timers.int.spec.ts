/** Holds end and payments are looked after without anybody asking, and what is over stops costing anything. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.js';
import type { Core } from '../../src/process/core.js';
import type { Reservation } from '../../src/rules/index.js';
import {
  countersOf,
  holdBody,
  loadBody,
  sell,
  startEngine,
  TEST_POLICY,
  until,
  type Engine,
} from '../helpers/engine.js';
import { patched } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };
const quickHold = { ...TEST_POLICY, holdMs: 400 };
/** Lasts while a busy machine does some steps, and ends within the test. */
const shortHold = { ...TEST_POLICY, holdMs: 4_000 };

/** Counts how often a worker claims tickets and asks their queues for work. */
function counting({ store, queues }: Core) {
  const counts = { claims: 0, fetches: 0, pulses: 0 };
  const parts: Partial<Core> = {
    store: patched(store, {
      claim: (of, owner) => {
        counts.claims += 1;
        return store.claim(of, owner);
      },
      pulse: (tickets) => {
        counts.pulses += 1;
        return store.pulse(tickets);
      },
    }),
    queues: patched(queues, {
      next: (of, previous) => {
        counts.fetches += 1;
        return queues.next(of, previous);
      },
    }),
  };
  return { counts, parts };
}

async function dueOf(engine: Engine): Promise<number | null | undefined> {
  return (await engine.core.store.pulse([ticket]))[0]?.dueAt;
}

describe('timers', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  /** Waits for some sweeps, then expects the next ones to find nothing to do. */
  async function expectQuiet(counts: ReturnType<typeof counting>['counts']): Promise<void> {
    const from = counts.pulses;
    await until(() => counts.pulses > from + 2);
    const { claims, fetches, pulses } = counts;
    await until(() => counts.pulses >= pulses + 10);
    expect({ claims: counts.claims - claims, fetches: counts.fetches - fetches }).toEqual({
      claims: 0,
      fetches: 0,
    });
  }

  it('end a hold of a ticket that nobody owns, once, and leave nothing due', async () => {
    engine = await startEngine({
      matches: [7],
      workers: 0,
      worker: { policy: shortHold, idleReleaseMs: 50 },
    });
    const { counts, parts } = counting(engine.core);
    const worker = await engine.addWorker(undefined, undefined, parts);
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('short', 2));
    await until(() => worker.host.owned.length === 0);
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 2, pending: 0 });
    await until(async () => (await countersOf(engine, ticket)).pending === 2);
    expect(await engine.core.store.findReservation(ticket, 'short')).toMatchObject({
      status: 'EXPIRED',
      reason: 'expired',
    });
    await until(async () => (await dueOf(engine)) === 0);
    await expectQuiet(counts);
    expect(await countersOf(engine, ticket)).toMatchObject({ pending: 2, available: 2, heldHere: 0 });
  });

  it('end a hold although the timer for it fires a little too early', async () => {
    // No matches, so no sweep that would find it.
    engine = await startEngine({ workers: 0, worker: { policy: quickHold } });
    const hasty = {
      now: () => Date.now(),
      schedule: (delayMs: number, task: () => void) => systemClock.schedule(delayMs - 5, task),
    };
    await engine.addWorker(undefined, undefined, { clock: hasty });
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('short'));
    await until(async () => (await countersOf(engine, ticket)).pending === 2);
  });

  it('end a hold after its owner died', async () => {
    engine = await startEngine({ matches: [7], workers: 0, worker: { policy: quickHold, leaseMs: 500 } });
    const dying = await engine.addPeer();
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('orphan', 1));
    dying.kill();
    await engine.addWorker();
    await until(async () => (await countersOf(engine, ticket)).pending === 2);
    await until(async () => (await dueOf(engine)) === 0);
  });

  it('look after a payment that takes long, again and again, until it is settled', async () => {
    const settled: Reservation[] = [];
    engine = await startEngine({
      matches: [7],
      worker: { paymentCheckMs: 200 },
      deps: { settle: async (reservation) => settled.push(reservation) },
    });
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('slow'));
    const payment = { reservationId: 'slow', paymentId: 'pay-slow' };
    const startedAt = Date.now();
    await engine.tell(ticket, { type: 'startPayment', ...payment });
    await until(() => settled.length >= 3);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(400);
    expect(settled[0]).toMatchObject({ id: 'slow', status: 'PAYING', paymentId: 'pay-slow' });
    // Before the hold's end nobody gives a paying one back.
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 1 });
    await engine.tell(ticket, { type: 'failPayment', ...payment, reason: 'declined' });
    const asked = settled.length;
    await until(async () => (await dueOf(engine)) === 0);
    expect(settled.length).toBe(asked);
    expect(await countersOf(engine, ticket)).toMatchObject({ heldHere: 0, pending: 2 });
  });

  it('look after a payment whose owner died', async () => {
    const settled: string[] = [];
    engine = await startEngine({ matches: [7], workers: 0, worker: { paymentCheckMs: 300, leaseMs: 500 } });
    const dying = await engine.addPeer({ settings: { paymentCheckMs: 60_000 } });
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('slow'));
    await engine.tell(ticket, { type: 'startPayment', reservationId: 'slow', paymentId: 'p' });
    dying.kill();
    await engine.addWorker(undefined, { settle: async ({ id }) => settled.push(id) });
    await engine.tell(ticket, loadBody(3));
    await until(() => settled.includes('slow'));
  });

  it('leave nothing due when the hold that was was sold, and its owner gave the ticket up', async () => {
    engine = await startEngine({
      matches: [7],
      workers: 0,
      worker: { policy: shortHold, idleReleaseMs: 50, paymentCheckMs: 300 },
    });
    const { counts, parts } = counting(engine.core);
    const worker = await engine.addWorker(undefined, undefined, parts);
    await engine.tell(ticket, loadBody(2));
    await engine.tell(ticket, holdBody('sold'));
    expect(await sell(engine, ticket, 'sold')).toMatchObject({ kind: 'reserved' });
    await until(() => worker.host.owned.length === 0);
    await until(async () => (await dueOf(engine)) === 0);
    await expectQuiet(counts);
    expect(await countersOf(engine, ticket)).toMatchObject({ soldHere: 1, available: 1, pending: 1 });
  });

  it('leave alone the tickets that were looked at and never opened', async () => {
    engine = await startEngine({ matches: [7], workers: 0, worker: { idleReleaseMs: 50 } });
    const { counts, parts } = counting(engine.core);
    await engine.addWorker(undefined, undefined, parts);
    await until(() => counts.claims >= 3);
    await until(async () => (await dueOf(engine)) === 0);
    await expectQuiet(counts);
    expect(await engine.core.store.counters([ticket])).toEqual([]);
  });
});
