/** What `npm run simulate` is asked for. */
import { parseArgs } from 'node:util';
import { FAULTS, MODES, type FaultKind, type Mode } from './plan.js';

export interface Asked {
  readonly seed: number;
  readonly seeds: number;
  readonly ops: number;
  readonly marketplaces: number;
  /** How holds are admitted in a contest of the marketplaces, one after the other; null alone for no contest. */
  readonly modes: readonly (Mode | null)[];
  readonly faults: ReadonlySet<FaultKind>;
  /** Whether buyers wait in line for what they did not get. */
  readonly waitingList: boolean;
  readonly jobs: number;
  readonly shrinkMs: number;
  readonly trace: boolean;
  /** Ends early after so many seeds with violations. */
  readonly violationsMax: number;
  /** Which patch breaks a copy of the sources, which is simulated then; null for none. */
  readonly mutation: string | null;
}

/** Marketplaces in a contest. */
const CONTESTANTS_MIN = 2;
const CONTESTANTS_MAX = 5;
const CONTESTANTS = 3;

export const USAGE = `npm run simulate -- [--seed S] [--seeds K] [--ops N] [--marketplaces M]
                       [--mode ordered|optimistic|both] [--faults all|none|KIND,...] [--jobs J]
                       [--waiting-list] [--violations-max V] [--shrink-seconds T] [--trace] [--mutation PATCH]

K seeds from S on, N operations each. With --mode a contest of ${CONTESTANTS_MIN} to ${CONTESTANTS_MAX} marketplaces for few tickets. With --waiting-list
buyers wait in line for what they did not get. Kinds of faults: ${FAULTS.join(', ')}`;

/** Throws with a sentence for the user. */
export function parseAsked(args: readonly string[]): Asked {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '1' },
      ops: { type: 'string', default: '1000' },
      marketplaces: { type: 'string' },
      mode: { type: 'string' },
      faults: { type: 'string', default: 'all' },
      'waiting-list': { type: 'boolean', default: false },
      jobs: { type: 'string', default: '2' },
      'shrink-seconds': { type: 'string', default: '120' },
      'violations-max': { type: 'string', default: '20' },
      trace: { type: 'boolean', default: false },
      mutation: { type: 'string' },
    },
  });
  const whole = (name: string, text: string, min: number): number => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < min)
      throw new Error(`--${name} must be a whole number from ${min}`);
    return number;
  };
  const modes = modesOf(values.mode);
  const isContest = modes[0] !== null;
  const marketplaces = whole(
    'marketplaces',
    values.marketplaces ?? String(isContest ? CONTESTANTS : 1),
    isContest ? CONTESTANTS_MIN : 1,
  );
  if (isContest && marketplaces > CONTESTANTS_MAX)
    throw new Error(`--marketplaces must be at most ${CONTESTANTS_MAX} with --mode`);
  return {
    seed: whole('seed', values.seed, 0),
    seeds: whole('seeds', values.seeds, 1),
    ops: whole('ops', values.ops, 1),
    marketplaces,
    modes,
    faults: faultsOf(values.faults),
    waitingList: values['waiting-list'],
    jobs: whole('jobs', values.jobs, 1),
    shrinkMs: 1_000 * whole('shrink-seconds', values['shrink-seconds'], 0),
    trace: values.trace,
    violationsMax: whole('violations-max', values['violations-max'], 1),
    mutation: values.mutation ?? null,
  };
}

function modesOf(text: string | undefined): readonly (Mode | null)[] {
  if (text === undefined) return [null];
  if (text === 'both') return MODES;
  const mode = MODES.find((known) => known === text);
  if (!mode) throw new Error(`there is no mode ${text}; there are ${MODES.join(', ')}, both`);
  return [mode];
}

export function faultsOf(text: string): ReadonlySet<FaultKind> {
  if (text === 'all') return new Set(FAULTS);
  if (text === 'none') return new Set();
  const kinds = text.split(',').map((name) => {
    const kind = FAULTS.find((known) => known === name.trim());
    if (!kind) throw new Error(`there is no fault ${name}; there are ${FAULTS.join(', ')}`);
    return kind;
  });
  return new Set(kinds);
}

/** The command that runs one seed again. */
export function commandOf(
  { ops, marketplaces, faults, waitingList }: Asked,
  seed: number,
  contest: Mode | null,
): string {
  const all = faults.size === FAULTS.length ? 'all' : [...faults].join() || 'none';
  const mode = contest === null ? '' : ` --mode ${contest}`;
  const waits = waitingList ? ' --waiting-list' : '';
  return `npm run simulate -- --seed ${seed} --ops ${ops} --marketplaces ${marketplaces}${mode}${waits} --faults ${all}`;
}
