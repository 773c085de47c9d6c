/** The limit per person and match holds across the match's three tickets, which are three actors. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { holdBody, loadBody, sell, startEngine, TEST_POLICY, until, type Engine } from '../helpers/engine.js';
import { patched } from '../helpers/faults.js';

const tickets = [1, 2, 3].map((category) => ({ matchNumber: 7, category }));
const [first, second, third] = tickets as [
  (typeof tickets)[number],
  (typeof tickets)[number],
  (typeof tickets)[number],
];

describe('the purchase limit', () => {
  let engine: Engine;
  afterEach(() => engine.stop());

  it('is kept when one person asks for everything at once, in all categories, through several workers', async () => {
    engine = await startEngine({ workers: 0, matches: [7] });
    const { store } = engine.core;
    let guarded = 0;
    for (let i = 0; i < 3; i += 1) {
      await engine.addWorker(undefined, undefined, {
        store: patched(store, {
          commit: async (of, commit) => {
            const result = await store.commit(of, commit);
            if (result.kind === 'guard') guarded += 1;
            return result;
          },
        }),
      });
    }
    for (const ticket of tickets) await engine.tell(ticket, loadBody(500));
    const people = Array.from({ length: 40 }, (_, i) => `person-${i}`);
    const asked = people.flatMap((person) =>
      // 2 in each category, and 2 more in one of them.
      [...tickets, first].map(async (ticket, i) => {
        const answer = await engine.tell(ticket, holdBody(`${person}-${i}`, 2, person));
        return { person, answer };
      }),
    );
    const answers = await Promise.all(asked);
    for (const person of people) {
      const kinds = answers.filter((one) => one.person === person).map(({ answer }) => answer.kind);
      expect(kinds.sort()).toEqual(['held', 'held', 'purchase_limit', 'purchase_limit']);
    }
    for (const { answer } of answers) {
      if (answer.kind === 'purchase_limit') expect(answer).toMatchObject({ limit: 4, owned: 4 });
    }
    expect(guarded).toBeGreaterThan(0);
    const counters = await store.counters(tickets);
    expect(counters.reduce((sum, { heldHere }) => sum + heldHere, 0)).toBe(4 * people.length);
  });

  it('counts what is held and bought, and no more what was given back or refunded', async () => {
    engine = await startEngine({ matches: [7] });
    for (const ticket of tickets) await engine.tell(ticket, loadBody(10));
    const hold = (ticket: typeof first, id: string) => engine.tell(ticket, holdBody(id, 2, 'anna'));
    const limit = { kind: 'purchase_limit', limit: 4, owned: 4 };
    await hold(first, 'a');
    await hold(second, 'b');
    expect(await hold(third, 'c1')).toEqual(limit);
    await engine.tell(first, { type: 'release', reservationId: 'a' });
    expect(await hold(third, 'c2')).toMatchObject({ kind: 'held' });
    expect(await sell(engine, third, 'c2')).toMatchObject({ kind: 'reserved' });
    expect(await hold(first, 'a2')).toEqual(limit);
    await engine.tell(third, { type: 'refund', reservationId: 'c2', quantity: 1 });
    expect(await hold(first, 'a3')).toEqual({ ...limit, owned: 3 });
    await engine.tell(third, { type: 'refund', reservationId: 'c2', quantity: 1 });
    expect(await hold(first, 'a4')).toMatchObject({ kind: 'held' });
    // Another match is another limit.
    const elsewhere = { matchNumber: 8, category: 1 };
    await engine.tell(elsewhere, loadBody(10));
    expect(await hold(elsewhere, 'd')).toMatchObject({ kind: 'held' });
  });

  it('is free again when a hold has expired', async () => {
    engine = await startEngine({ matches: [7], worker: { policy: { ...TEST_POLICY, holdMs: 300 } } });
    for (const ticket of tickets) await engine.tell(ticket, loadBody(10));
    const { redis, keys } = engine.core;
    await engine.tell(first, holdBody('a', 2, 'anna'));
    await engine.tell(second, holdBody('b', 2, 'anna'));
    await until(async () => (await redis.hlen(keys.ticket(first).persons)) === 0);
    await until(async () => (await redis.hlen(keys.ticket(second).persons)) === 0);
    expect(await engine.tell(third, holdBody('c', 2, 'anna'))).toMatchObject({ kind: 'held' });
  });
});
