import { afterEach, describe, expect, it } from '@jest/globals';
import { holdBody, startEngine, until, type Engine } from '../helpers/engine.js';

const ticket = { matchNumber: 7, category: 2 };
const load = (capacity: number) => ({ type: 'load', capacity, price: 125, currency: 'USD' }) as const;

describe('the engine on a real Redis', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  it('opens, holds, pays, and the archive has it before the sale is told', async () => {
    engine = await startEngine();
    expect(await engine.tell(ticket, holdBody('r0'))).toEqual({ kind: 'not_open' });
    expect(await engine.tell(ticket, load(3))).toEqual({ kind: 'applied' });
    expect(await engine.tell(ticket, load(3))).toEqual({ kind: 'unchanged' });
    const held = await engine.tell(ticket, holdBody('r1', 2));
    expect(held).toMatchObject({ kind: 'held', reservation: { status: 'PENDING', unitPrice: 125 } });
    const [counters] = await engine.core.store.counters([ticket]);
    expect(counters).toMatchObject({ capacity: 3, available: 3, pending: 1, heldHere: 2 });
    const pay = { reservationId: 'r1', paymentId: 'pay-1' };
    expect(await engine.tell(ticket, { type: 'startPayment', ...pay })).toMatchObject({ kind: 'paying' });
    expect(await engine.tell(ticket, { type: 'confirm', ...pay })).toMatchObject({ kind: 'reserved' });
    expect(await engine.archive.reservation('r1')).toMatchObject({ status: 'RESERVED', quantity: 2 });
    expect((await engine.core.store.counters([ticket]))[0]).toMatchObject({ available: 1, pending: 1 });
    expect(await engine.tell(ticket, holdBody('r2', 2))).toEqual({
      kind: 'temporarily_unavailable',
      remaining: 1,
    });
  });

  it('gives one effect and one outcome to a command that is sent many times', async () => {
    engine = await startEngine();
    await engine.tell(ticket, load(20));
    const body = holdBody('same', 2);
    const answers = await Promise.all(Array.from({ length: 50 }, () => engine.tell(ticket, body, 'cmd-1')));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await engine.tell(ticket, body, 'cmd-1')).toEqual(answers[0]);
    expect((await engine.core.store.counters([ticket]))[0]).toMatchObject({ pending: 18 });
  });

  it('expires a hold and gives it back once', async () => {
    engine = await startEngine({ worker: { policy: { ...(await policy()), holdMs: 300 } } });
    await engine.tell(ticket, load(2));
    await engine.tell(ticket, holdBody('short', 2));
    await until(async () => (await engine.core.store.counters([ticket]))[0]?.pending === 2);
    expect(await engine.core.store.findReservation(ticket, 'short')).toMatchObject({ status: 'EXPIRED' });
  });

  it('sells exactly the capacity to a crowd, over several workers', async () => {
    engine = await startEngine({ workers: 3 });
    await engine.tell(ticket, load(20));
    const answers = await Promise.all(
      Array.from({ length: 500 }, (_, i) => engine.tell(ticket, holdBody(`c${i}`))),
    );
    expect(answers.filter(({ kind }) => kind === 'held')).toHaveLength(20);
    expect(answers.filter(({ kind }) => kind === 'temporarily_unavailable')).toHaveLength(480);
  });
});

async function policy() {
  return (await import('../helpers/engine.js')).TEST_POLICY;
}
