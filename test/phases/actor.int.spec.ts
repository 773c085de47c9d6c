/** What a phase allows, decided by real actors: whatever waits, dies or is lost. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { HoldLimits } from '../../src/rules/index.js';
import { holdBody, ledgerOf, loadBody, sell, startEngine, until, type Engine } from '../helpers/engine.js';
import { deleteKeys } from '../helpers/faults.js';

const ticket = { matchNumber: 7, category: 2 };
const code = { digest: 'the-digest-of-a-code', ticketsMax: 3 };
const LIMIT = { kind: 'purchase_limit', limit: 3, owned: 3, of: 'code' };

describe('the limits of a phase', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  const hold = (id: string, quantity: number, limits: HoldLimits, person?: string) =>
    engine.tell(ticket, { ...holdBody(id, quantity, person), limits });

  it('hold for a code whoever uses it, also after a take-over and a loss of Redis', async () => {
    engine = await startEngine({ workers: 0, matches: [7] });
    const first = await engine.addPeer();
    await engine.tell(ticket, loadBody(50));
    expect(await hold('a', 2, { code })).toMatchObject({ kind: 'held' });
    expect(await sell(engine, ticket, 'a')).toMatchObject({ kind: 'reserved' });
    expect(await hold('b', 1, { code })).toMatchObject({ kind: 'held' });
    expect(await hold('c', 1, { code })).toEqual(LIMIT);

    first.kill();
    await engine.addPeer();
    expect(await hold('d', 1, { code })).toEqual(LIMIT);

    await until(async () => (await ledgerOf(engine.archive, ticket)).length >= 5);
    await deleteKeys(engine.core.redis, engine.prefix);
    expect(await hold('e', 1, { code })).toEqual(LIMIT);
    expect(await hold('f', 1, { code: { ...code, digest: 'another' } })).toMatchObject({ kind: 'held' });

    await engine.tell(ticket, { type: 'release', reservationId: 'b' });
    expect(await hold('g', 1, { code })).toMatchObject({ kind: 'held' });
    expect(await hold('h', 1, { code })).toEqual(LIMIT);
    await engine.tell(ticket, { type: 'refund', reservationId: 'a', quantity: 1 });
    expect(await hold('i', 1, { code })).toMatchObject({ kind: 'held' });
  });

  it('hold for many holds at once, through several workers', async () => {
    engine = await startEngine({ workers: 3, matches: [7] });
    await engine.tell(ticket, loadBody(500));
    const ofPerson = Array.from({ length: 30 }, (_, i) => hold(`p${i}`, 1, { perPerson: 1 }, 'anna'));
    const ofCode = Array.from({ length: 30 }, (_, i) => hold(`c${i}`, 1, { code }));
    const held = async (answers: typeof ofPerson): Promise<number> =>
      (await Promise.all(answers)).filter(({ kind }) => kind === 'held').length;
    expect([await held(ofPerson), await held(ofCode)]).toEqual([1, 3]);
  });

  it('end with the phase, also for a hold that was accepted before and waited', async () => {
    engine = await startEngine({ workers: 0, matches: [7] });
    const opening = engine.tell(ticket, loadBody(50));
    const ends = Date.now() + 200;
    const waiting = hold('late', 1, { until: ends });
    await until(() => Date.now() > ends);
    await engine.addWorker();
    await opening;
    expect(await waiting).toEqual({ kind: 'phase_over' });
    expect(await hold('in-time', 1, { until: Date.now() + 60_000 })).toMatchObject({ kind: 'held' });
  });
});
