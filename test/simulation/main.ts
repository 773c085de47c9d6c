/** `npm run simulate`: runs seeds, on as many processes as asked, and says what came of them. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { commandOf, parseAsked, USAGE, type Asked } from './arguments.js';
import { simulateMutant } from './mutants.js';
import { planOf } from './plan.js';
import { historyOf, shrink } from './shrink.js';
import { run, type RunResult } from './simulation.js';

/** A child is sent seeds, one after the other, and sends back what came of each. */
const CHILD = '--child';
const HISTORY_LINES_MAX = 60;

const planOfSeed = (asked: Asked, seed: number) =>
  planOf({ seed, ops: asked.ops, marketplaces: asked.marketplaces, faults: asked.faults });

function child(asked: Asked): void {
  process.on('message', (seed: number) => {
    void run(planOfSeed(asked, seed)).then((result) => process.send?.(result));
  });
  process.send?.('ready');
}

/** Calls `onResult` for every seed; ends early when it answers false. */
async function runAll(
  args: readonly string[],
  asked: Asked,
  onResult: (result: RunResult) => boolean,
): Promise<void> {
  const end = asked.seed + asked.seeds;
  let next = asked.seed;
  let goesOn = true;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = fork(fileURLToPath(import.meta.url), [CHILD, ...args], { execArgv: process.execArgv });
      const give = (): void => {
        if (goesOn && next < end) worker.send(next++);
        else worker.disconnect();
      };
      worker.on('message', (message: 'ready' | RunResult) => {
        if (message !== 'ready' && !onResult(message)) goesOn = false;
        give();
      });
      worker.on('exit', (code) =>
        code === 0 ? resolve() : reject(new Error(`a process of the simulation ended with ${code}`)),
      );
    });
  await Promise.all(Array.from({ length: Math.min(asked.jobs, asked.seeds) }, work));
}

function addTo(sums: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [kind, count] of Object.entries(counts)) sums.set(kind, (sums.get(kind) ?? 0) + count);
}

const listed = (sums: ReadonlyMap<string, number>): string =>
  [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `${kind} ${count.toLocaleString('en')}`)
    .join(', ');

/** The same, of a copy of the sources that the patch breaks. */
async function mutant(patch: string, args: readonly string[]): Promise<number> {
  const at = args.findIndex((arg) => arg.startsWith('--mutation'));
  const rest = args.filter((_, i) => i < at || i > at + (args[at] === '--mutation' ? 1 : 0));
  const { output, violations } = await simulateMutant(patch, rest);
  console.log(output);
  return violations.length > 0 ? 1 : 0;
}

async function main(args: readonly string[]): Promise<number> {
  const asked = parseAsked(args);
  if (asked.mutation !== null) return mutant(asked.mutation, args);
  const startedAt = Date.now();
  const faults = new Map<string, number>();
  const told = new Map<string, number>();
  const failed: RunResult[] = [];
  let [seeds, ops, steps, virtualMs] = [0, 0, 0, 0];
  const take = (result: RunResult): boolean => {
    seeds += 1;
    ops += result.ops;
    steps += result.steps;
    virtualMs += result.virtualMs;
    addTo(faults, result.faults);
    addTo(told, result.told);
    if (result.violation) {
      failed.push(result);
      console.log(`seed ${result.seed}: ${result.violation.message}\n  ${commandOf(asked, result.seed)}`);
    }
    if (asked.seeds >= 100 && seeds % 50 === 0) {
      const seconds = (Date.now() - startedAt) / 1_000;
      console.log(
        `${seeds} of ${asked.seeds} seeds, ${failed.length} with violations, ${seconds.toFixed(0)} s`,
      );
    }
    return failed.length < asked.violationsMax;
  };
  if (asked.seeds === 1) {
    take(await run(planOfSeed(asked, asked.seed)));
  } else await runAll(args, asked, take);
  const seconds = (Date.now() - startedAt) / 1_000;
  console.log(`
${seeds.toLocaleString('en')} seeds from ${asked.seed}, ${ops.toLocaleString('en')} operations, ${asked.marketplaces} marketplaces
${steps.toLocaleString('en')} steps in ${seconds.toFixed(0)} s (${Math.round(steps / seconds).toLocaleString('en')} a second), ${(virtualMs / 3_600_000).toFixed(1)} hours of virtual time
faults: ${listed(faults) || 'none'}
answers: ${listed(told)}
violations: ${failed.length}`);
  const [first] = failed.sort((a, b) => a.seed - b.seed);
  if (!first) return 0;
  console.log(
    `\nLooking for the shortest history of seed ${first.seed}, ${asked.shrinkMs / 1_000} s at most ...`,
  );
  const { plan, result, tries } = await shrink(
    planOfSeed(asked, first.seed),
    first,
    Date.now() + asked.shrinkMs,
  );
  const lines = historyOf(plan);
  console.log(`${plan.ops.length} operations and ${plan.faults.length} faults break it (${tries} tries):
${lines.slice(0, HISTORY_LINES_MAX).join('\n')}${lines.length > HISTORY_LINES_MAX ? `\n... ${lines.length - HISTORY_LINES_MAX} more` : ''}
${result.violation?.message ?? ''}
Again: ${commandOf(asked, first.seed)}`);
  if (asked.trace) await run(plan, { onNote: (text) => console.log(text) });
  return 1;
}

const args = process.argv.slice(2);
if (args[0] === CHILD) child(parseAsked(args.slice(1)));
else {
  main(args).then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
      process.exitCode = 2;
    },
  );
}
