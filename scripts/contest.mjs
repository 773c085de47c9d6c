/**
 * `npm run contest -- [--mode ordered|optimistic|both] [--rounds 20] [--buyers 3000] [--tickets 100] [--marketplaces 3]
 * [--seed S] [--minutes-max 60] [--out FILE]`: real marketplaces sell the same tickets on one broker to a crowd that does
 * not give up, while they are killed; see docs/contest.md. Exit code 1 when something was not as it is promised.
 */
import { writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureInstalled, fail, Failure, inRoot, withTestServices } from './lib.mjs';

const OPTIONS = {
  mode: { type: 'string', default: 'ordered' },
  rounds: { type: 'string', default: '20' },
  buyers: { type: 'string', default: '3000' },
  tickets: { type: 'string', default: '100' },
  marketplaces: { type: 'string', default: '3' },
  seed: { type: 'string' },
  'minutes-max': { type: 'string', default: '60' },
  out: { type: 'string' },
};
const SEED_MAX = 2 ** 31 - 1;
/** The most that a master list may say. */
const TICKETS_MAX = 1_000_000;
const MINUTES_MAX = 10_000;

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  await ensureInstalled();
  await ensureBuilt();
  const { findServices } = await import('./services/find.mjs');
  const services = await findServices();
  if (services.kafka.kind !== 'real') {
    throw new Failure(
      `A contest needs a Kafka that can be stopped (npm run services): ${services.kafka.reason}`,
    );
  }
  await withTestServices(services, () => compete(values));
}

/** What it imports looks for the services as it is loaded. */
async function compete(values) {
  register(`${new URL('../test/helpers/typescript.mjs', import.meta.url).href}?hooks`);
  const { contest, MARKETPLACES_MAX } = await import('../test/contest/run.ts');
  const { BUYERS_MAX, ROUNDS_MAX } = await import('../test/contest/crowd.ts');
  const { MODES } = await import('../test/contest/contestant.ts');
  const modes = values.mode === 'both' ? MODES.toReversed() : MODES.filter((mode) => mode === values.mode);
  if (modes.length === 0) throw new Failure(`--mode must be one of ${MODES.join(', ')}, both.`);
  const options = {
    rounds: whole('rounds', values.rounds, 1, ROUNDS_MAX),
    buyers: whole('buyers', values.buyers, 1, BUYERS_MAX),
    tickets: whole('tickets', values.tickets, 1, TICKETS_MAX),
    marketplaces: whole('marketplaces', values.marketplaces, 1, MARKETPLACES_MAX),
    seed:
      values.seed === undefined
        ? Math.floor(Math.random() * SEED_MAX)
        : whole('seed', values.seed, 0, SEED_MAX),
    minutesMax: whole('minutes-max', values['minutes-max'], 1, MINUTES_MAX),
    reportDir: inRoot('data', 'contest'),
    log: console.log,
  };
  const reports = [];
  for (const mode of modes) {
    const onRound = (report) => write(values.out, [...reports, report]);
    reports.push(await contest({ ...options, mode, onRound }));
  }
  process.exitCode = reports.some(({ summary }) => summary.problems > 0) ? 1 : 0;
}

/** After each round, so that a run that is ended early leaves what it has found. */
function write(file, reports) {
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(reports, null, 2)}\n`);
}

function whole(name, text, min, max) {
  if (!/^\d{1,10}$/.test(text) || Number(text) < min || Number(text) > max) {
    throw new Failure(`--${name} must be a whole number from ${min} to ${max}.`);
  }
  return Number(text);
}

await main().then(() => process.exit(), fail);
