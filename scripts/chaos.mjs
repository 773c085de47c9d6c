/**
 * `npm run chaos -- [--minutes 10] [--faults 60] [--seed S] [--kinds a,b] [--width 2]`: real faults on real processes,
 * then everything compared; see docs/chaos.md. Exit code 1 with what was violated.
 */
import { register } from 'node:module';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, fail, Failure, inRoot, withTestServices } from './lib.mjs';

const OPTIONS = {
  minutes: { type: 'string', default: '10' },
  faults: { type: 'string', default: '60' },
  seed: { type: 'string' },
  kinds: { type: 'string' },
  width: { type: 'string', default: '2' },
};
const SEED_MAX = 2 ** 31 - 1;

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  await ensureInstalled();
  await ensureBuilt();
  const { findServices } = await import('./services/find.mjs');
  const services = await findServices();
  if (services.kafka.kind !== 'real') {
    throw new Failure(`Chaos needs a Kafka that can be killed (npm run services): ${services.kafka.reason}`);
  }
  await withTestServices(services, () => injectAndCompare(values));
}

/** What it imports looks for the services as it is loaded. */
async function injectAndCompare(values) {
  register(`${new URL('../test/helpers/typescript.mjs', import.meta.url).href}?hooks`);
  const { chaos, summaryOf } = await import('../test/chaos/run.ts');
  const { KIND_NAMES } = await import('../test/chaos/schedule.ts');
  const kinds = values.kinds?.split(',') ?? KIND_NAMES;
  const unknown = kinds.filter((kind) => !KIND_NAMES.includes(kind));
  if (unknown.length > 0) throw new Failure(`${unknown.join()} is none of ${KIND_NAMES.join(', ')}.`);
  const seed = values.seed === undefined ? Math.floor(Math.random() * SEED_MAX) : whole('seed', values.seed);
  const report = await chaos({
    seed,
    minutes: positive('minutes', values.minutes),
    faults: whole('faults', values.faults),
    kinds,
    width: whole('width', values.width),
    reportDir: inRoot('data', 'chaos'),
    log: console.log,
  });
  console.log(`\n${summaryOf(report)}`);
  process.exitCode = report.violations.length > 0 ? 1 : 0;
}

function positive(name, text) {
  const number = Number(text);
  if (!(number > 0)) throw new Failure(`--${name} must be a number above 0.`);
  return number;
}

function whole(name, text) {
  if (!/^\d{1,10}$/.test(text)) throw new Failure(`--${name} must be a whole number.`);
  return Number(text);
}

await main().then(() => process.exit(), fail);
