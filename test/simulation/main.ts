/** `npm run simulate`: runs seeds, on as many processes as asked, and says what came of them. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { commandOf, parseAsked, USAGE, type Asked } from './arguments.js';
import { simulateMutant } from './mutants.js';
import { planOf, type Mode } from './plan.js';
import { historyOf, shrink } from './shrink.js';
import { run, type RunResult } from './simulation.js';

/** A child is sent seeds, one after the other, and sends back what came of each. */
const CHILD = '--child';
const HISTORY_LINES_MAX = 60;

/** One run: of a seed, and in a contest of a mode. */
interface Task {
  readonly seed: number;
  readonly contest: Mode | null;
}

const planOfTask = ({ ops, marketplaces, faults, waitingList }: Asked, task: Task) =>
  planOf({ ...task, ops, marketplaces, faults, waitingList });

function tasksOf({ seed, seeds, modes }: Asked): readonly Task[] {
  return Array.from({ length: seeds }, (_, i) =>
    modes.map((contest) => ({ seed: seed + i, contest })),
  ).flat();
}

function child(asked: Asked): void {
  process.on('message', (task: Task) => {
    void run(planOfTask(asked, task)).then((result) => process.send?.(result));
  });
  process.send?.('ready');
}

/** Calls `onResult` for every run; ends early when it answers false. */
async function runAll(
  args: readonly string[],
  { jobs }: Asked,
  tasks: readonly Task[],
  onResult: (result: RunResult) => boolean,
): Promise<void> {
  const rest = tasks.values();
  let goesOn = true;
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = fork(fileURLToPath(import.meta.url), [CHILD, ...args], { execArgv: process.execArgv });
      const give = (): void => {
        const next = goesOn ? rest.next() : null;
        if (next?.done === false) worker.send(next.value);
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
  await Promise.all(Array.from({ length: Math.min(jobs, tasks.length) }, work));
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

/** What came of all runs of one mode. */
class Sums {
  readonly contest: Mode | null;
  readonly #faults = new Map<string, number>();
  readonly #told = new Map<string, number>();
  #seeds = 0;
  #ops = 0;
  #steps = 0;
  #virtualMs = 0;
  #contested = 0;
  #oversold = 0;
  #violations = 0;

  constructor(contest: Mode | null) {
    this.contest = contest;
  }

  take({ ops, steps, virtualMs, faults, told, contested, oversold, violation }: RunResult): void {
    this.#seeds += 1;
    this.#ops += ops;
    this.#steps += steps;
    this.#virtualMs += virtualMs;
    this.#contested += contested;
    this.#oversold += oversold;
    if (violation) this.#violations += 1;
    addTo(this.#faults, faults);
    addTo(this.#told, told);
  }

  text({ seed, marketplaces }: Asked, seconds: number): string {
    const numbers = [this.#seeds, this.#ops, this.#steps, this.#contested, this.#oversold];
    const [seeds, ops, steps, contested, oversold] = numbers.map((number) => number.toLocaleString('en'));
    const share = this.#contested === 0 ? 0 : (1_000 * this.#oversold) / this.#contested;
    const contest =
      this.contest === null
        ? ''
        : `\n${this.contest}: ${oversold} oversells of ${contested} contested tickets, ${share.toFixed(1)} per 1,000`;
    return `
${seeds} seeds from ${seed}, ${ops} operations, ${marketplaces} marketplaces${contest}
${steps} steps in ${seconds.toFixed(0)} s (${Math.round(this.#steps / seconds).toLocaleString('en')} a second), ${(this.#virtualMs / 3_600_000).toFixed(1)} hours of virtual time
faults: ${listed(this.#faults) || 'none'}
answers: ${listed(this.#told)}
violations: ${this.#violations}`;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const asked = parseAsked(args);
  if (asked.mutation !== null) return mutant(asked.mutation, args);
  const startedAt = Date.now();
  const tasks = tasksOf(asked);
  const sums = asked.modes.map((contest) => new Sums(contest));
  const failed: RunResult[] = [];
  let runs = 0;
  const take = (result: RunResult): boolean => {
    const { seed, contest, violation } = result;
    runs += 1;
    sums.find((known) => known.contest === contest)?.take(result);
    if (violation) {
      failed.push(result);
      console.log(`seed ${seed}: ${violation.message}\n  ${commandOf(asked, seed, contest)}`);
    }
    if (tasks.length >= 100 && runs % 50 === 0) {
      const seconds = (Date.now() - startedAt) / 1_000;
      console.log(
        `${runs} of ${tasks.length} runs, ${failed.length} with violations, ${seconds.toFixed(0)} s`,
      );
    }
    return failed.length < asked.violationsMax;
  };
  const [only] = tasks;
  if (only && tasks.length === 1) take(await run(planOfTask(asked, only)));
  else await runAll(args, asked, tasks, take);
  const seconds = (Date.now() - startedAt) / 1_000;
  for (const each of sums) console.log(each.text(asked, seconds));
  const [first] = failed.sort((a, b) => a.seed - b.seed);
  if (!first) return 0;
  await explain(asked, first);
  return 1;
}

/** The shortest history that breaks it, and how to have it again. */
async function explain(asked: Asked, failed: RunResult): Promise<void> {
  const { seed, contest } = failed;
  console.log(`\nLooking for the shortest history of seed ${seed}, ${asked.shrinkMs / 1_000} s at most ...`);
  const { plan, result, tries } = await shrink(
    planOfTask(asked, { seed, contest }),
    failed,
    Date.now() + asked.shrinkMs,
  );
  const lines = historyOf(plan);
  console.log(`${plan.ops.length} operations and ${plan.faults.length} faults break it (${tries} tries):
${lines.slice(0, HISTORY_LINES_MAX).join('\n')}${lines.length > HISTORY_LINES_MAX ? `\n... ${lines.length - HISTORY_LINES_MAX} more` : ''}
${result.violation?.message ?? ''}
Again: ${commandOf(asked, seed, contest)}`);
  if (asked.trace) await run(plan, { onNote: (text) => console.log(text) });
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
