/** An archive that cannot be reached: holds go on, nobody is charged, and nothing has to be repaired after. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { ArchiveUnavailableError, type Archive } from '../../src/archive/port.js';
import {
  addJob,
  countersOf,
  envelopeOf,
  hearReplies,
  holdBody,
  ledgerOf,
  loadBody,
  startEngine,
  until,
  type Engine,
} from '../helpers/engine.js';
import { deleteKeys, patched } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };

/** An archive that can be taken away. */
function shaky() {
  const state = { away: false, refused: 0 };
  const guard = async <T>(call: () => Promise<T>): Promise<T> => {
    if (!state.away) return call();
    state.refused += 1;
    throw new ArchiveUnavailableError('taken away by the test');
  };
  const archive = (real: Archive): Archive =>
    patched(real, {
      append: (batches) => guard(() => real.append(batches)),
      openIncarnation: (of) => guard(() => real.openIncarnation(of)),
      head: (of) => guard(() => real.head(of)),
      snapshot: (of) => guard(() => real.snapshot(of)),
      saveSnapshot: (snapshot) => guard(() => real.saveSnapshot(snapshot)),
    });
  return { state, archive };
}

describe('while the archive is away', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  it('holds are granted, payments are not begun; once it is back the same command tells', async () => {
    const { state, archive } = shaky();
    engine = await startEngine({ archive, matches: [7], core: { replyWaitMs: 300 } });
    await until(async () => (await engine.ask(ticket, loadBody(5), 'load')).kind === 'answered');
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 1);
    state.away = true;
    let answer = await engine.ask(ticket, holdBody('r1', 2, 'anna'), 'hold');
    while (answer.kind !== 'answered') answer = await engine.ask(ticket, holdBody('r1', 2, 'anna'), 'hold');
    expect(answer).toMatchObject({ result: { kind: 'held', reservation: { status: 'PENDING' } } });

    const pay = { type: 'startPayment', reservationId: 'r1', paymentId: 'p1' } as const;
    expect(await engine.ask(ticket, pay, 'pay')).toEqual({ kind: 'unknown' });
    await until(() => state.refused > 0);
    // It is on record, and still nobody is told.
    expect(await engine.core.store.recall(ticket, ['pay', 'hold'])).toEqual(
      new Map([['hold', expect.objectContaining({ kind: 'held' })]]),
    );
    expect(await engine.ask(ticket, pay, 'pay')).toEqual({ kind: 'unknown' });
    expect(await engine.archive.reservation('r1')).toBeNull();

    state.away = false;
    const again = async () => {
      answer = await engine.ask(ticket, pay, 'pay');
      return answer.kind === 'answered';
    };
    await until(again);
    expect(answer).toMatchObject({ result: { kind: 'paying', reservation: { paymentId: 'p1' } } });
    expect(await engine.archive.reservation('r1')).toMatchObject({ status: 'PAYING' });
    expect(await ledgerOf(engine.archive, ticket)).toHaveLength(3);
  });

  it('a sale that is committed reads PAYING until the archive has it', async () => {
    const { state, archive } = shaky();
    engine = await startEngine({ archive, matches: [7] });
    await engine.tell(ticket, loadBody(5));
    await engine.tell(ticket, holdBody('r1'));
    await engine.tell(ticket, { type: 'startPayment', reservationId: 'r1', paymentId: 'p1' });
    state.away = true;
    const confirmed = engine.tell(ticket, { type: 'confirm', reservationId: 'r1', paymentId: 'p1' });
    await until(async () => (await countersOf(engine, ticket)).soldHere === 1);
    expect(await engine.core.store.findReservation(ticket, 'r1')).toMatchObject({ status: 'PAYING' });
    state.away = false;
    expect(await confirmed).toMatchObject({ kind: 'reserved' });
    expect(await engine.core.store.findReservation(ticket, 'r1')).toMatchObject({ status: 'RESERVED' });
  });

  it('a ticket that was open is taken over, and its holds go on', async () => {
    const { state, archive } = shaky();
    engine = await startEngine({ archive, matches: [7] });
    await engine.tell(ticket, loadBody(5));
    await engine.workers[0]!.stop();
    state.away = true;
    await engine.addWorker();
    expect(await engine.tell(ticket, holdBody('r1'))).toMatchObject({ kind: 'held' });
    state.away = false;
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 2);
    expect(await countersOf(engine, ticket)).toMatchObject({ incarnation: 1, heldHere: 1 });
  });

  it('a ticket that must be rebuilt waits for it', async () => {
    const { state, archive } = shaky();
    engine = await startEngine({ archive, matches: [7] });
    await engine.tell(ticket, loadBody(5));
    await engine.tell(ticket, holdBody('r1', 2));
    await until(async () => (await ledgerOf(engine.archive, ticket)).length === 2);
    await deleteKeys(engine.core.redis, engine.prefix);
    state.away = true;
    const replies = await hearReplies(engine.core, 'probe');
    await addJob(engine.core, ticket, [envelopeOf('h', holdBody('r2', 2), { replyTo: 'probe' })]);
    await until(() => state.refused >= 3);
    expect(replies).toEqual([]);
    expect(await engine.core.store.counters([ticket])).toEqual([]);
    state.away = false;
    await until(() => replies.length > 0);
    expect(replies).toMatchObject([{ id: 'h', result: { kind: 'held' } }]);
    expect(await countersOf(engine, ticket)).toMatchObject({ capacity: 5, heldHere: 4, pending: 1 });
  });
});
