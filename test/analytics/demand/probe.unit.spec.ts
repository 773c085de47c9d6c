import { it } from '@jest/globals';
import { SHAPES, worldOf } from './arrivals.js';
import { calibrationOf, casesOf } from './backtest.js';
it('probe', () => {
  const rows: string[] = [];
  for (const shape of SHAPES) {
    const by: [string, ReturnType<typeof casesOf>[number][]][] = [['5', []], ['15', []], ['30', []], ['45', []], ['all', []]];
    const t = Date.now();
    for (let seed = 1; seed <= 12; seed += 1) {
      const world = worldOf(shape, seed);
      [5, 15, 30, 45].forEach((day, i) => {
        const cases = casesOf(world, day * 24 + 9);
        by[i]![1].push(...cases);
        by[4]![1].push(...cases);
      });
    }
    for (const [name, cases] of by) {
      const c = calibrationOf(cases);
      rows.push([shape, name, cases.length, ...Object.values(c).map((n) => Number(n.toFixed(3)))].join('\t'));
    }
    rows.push(String(Date.now() - t));
  }
  console.log('shape day n open closed covered coveredOpen early late chance soldOut brier brierMean width\n' + rows.join('\n'));
});
