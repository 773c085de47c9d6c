/** A short simulation, that it runs the same way twice, and that it finds and shrinks what is broken. */
import { describe, expect, it } from '@jest/globals';
import { faultsOf } from './arguments.js';
import { planOf, type Mode, type Plan } from './plan.js';
import { historyOf, shrink } from './shrink.js';
import { run } from './simulation.js';

const SEEDS = [1, 2, 3, 4, 5, 6];
const plan = (seed: number, marketplaces = 1): Plan =>
  planOf({ seed, contest: null, ops: 150, marketplaces, faults: faultsOf('all') });
const contestOf = (seed: number, contest: Mode, marketplaces = 3): Plan =>
  planOf({ seed, contest, ops: 120, marketplaces, faults: faultsOf('all') });

describe('a simulation', () => {
  it.each(SEEDS)(
    'of seed %i keeps every promise with all faults on',
    async (seed) => {
      const result = await run(plan(seed, 1 + (seed % 2)));
      expect(result.violation).toBeNull();
      expect(Object.keys(result.faults).length).toBeGreaterThan(0);
      expect(result.ops).toBe(150);
    },
    60_000,
  );

  it('comes to rest when Redis went away while a ticket was being taken', async () => {
    const once = planOf({
      seed: 8,
      contest: null,
      ops: 200,
      marketplaces: 1,
      faults: faultsOf('redis-second'),
    });
    expect((await run(once)).violation).toBeNull();
  }, 60_000);

  it.each([1, 2, 3])(
    'of seed %i sells no ticket twice where the log grants holds, whatever fails',
    async (seed) => {
      const result = await run(contestOf(seed, 'ordered', 2 + (seed % 3)));
      expect(result.violation).toBeNull();
      expect(result.contested).toBeGreaterThan(0);
      expect(result.oversold).toBe(0);
      expect(result.told['pay RESERVED']).toBeGreaterThan(0);
    },
    60_000,
  );

  it.each<readonly [contest: Mode | null, seeds: readonly number[]]>([
    [null, [1, 2, 3]],
    ['ordered', [2, 4, 6]],
  ])(
    'offers what comes back in turn, and to everybody whom it is enough for, in a contest: %s',
    async (contest, seeds) => {
      let [waited, sold] = [0, 0];
      for (const seed of seeds) {
        const options = { seed, contest, ops: 120, marketplaces: contest ? 2 : 1, faults: faultsOf('all') };
        const { violation, told, oversold } = await run(planOf({ ...options, waitingList: true }));
        expect([seed, violation, contest && oversold]).toEqual([seed, null, contest && 0]);
        waited += told['join waiting'] ?? 0;
        sold += told['pay RESERVED'] ?? 0;
      }
      expect(Math.min(waited, sold)).toBeGreaterThan(10);
    },
    60_000,
  );

  it('counts what is sold too often where each marketplace grants its own holds', async () => {
    const results = [];
    for (const seed of [1, 2, 3]) results.push(await run(contestOf(seed, 'optimistic')));
    expect(results.map(({ violation }) => violation)).toEqual([null, null, null]);
    expect(results.reduce((sum, { oversold }) => sum + oversold, 0)).toBeGreaterThan(0);
  }, 60_000);

  it('happens the same way twice, and another way for another seed', async () => {
    const [first, again, other] = [await run(plan(7)), await run(plan(7)), await run(plan(8))];
    expect(again).toEqual(first);
    expect(other.hash).not.toBe(first.hash);
  }, 60_000);

  it('finds a promise that is broken, and the shortest history that breaks it', async () => {
    // The provider of this seed's buyers takes the money twice as soon as one of them pays.
    const broken = { ...plan(9), faults: [], plant: 'charged twice' as const };
    const failed = await run(broken);
    expect(failed.violation?.promise).toBe('charged once');
    const shrunk = await shrink(broken, failed, Date.now() + 20_000);
    expect(shrunk.result.violation?.promise).toBe('charged once');
    expect(shrunk.plan.ops.length).toBeLessThan(10);
    expect(historyOf(shrunk.plan).some((line) => line.includes('pay of'))).toBe(true);
  }, 60_000);
});
