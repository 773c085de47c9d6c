import { planOf, FAULTS } from './plan.js';
import { run } from './simulation.js';
const [from, count, ops, markets, faults, trace] = process.argv.slice(2);
const t = Date.now();
let steps = 0;
for (let seed = Number(from); seed < Number(from) + Number(count); seed += 1) {
  const plan = planOf({
    seed,
    ops: Number(ops),
    marketplaces: Number(markets),
    faults: new Set(faults === 'all' ? FAULTS : faults === 'none' ? [] : faults!.split(',')) as never,
  });
  const t0 = Date.now();
  const r = await run(
    plan,
    trace ? { onStep: (at, l) => console.log((at - 1664582400000).toFixed(1), l) } : {},
  );
  steps += r.steps;
  console.log(
    seed,
    r.violation ? `${r.violation.message}` : 'ok',
    r.steps,
    Math.round(r.virtualMs / 1000) + 's',
    Date.now() - t0,
    'ms',
  );
  if (Number(count) === 1) console.log(JSON.stringify(r, null, 1));
}
console.log(steps / (Date.now() - t), 'steps/ms');
