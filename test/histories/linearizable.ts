/**
 * Whether a recorded concurrent history of one ticket is linearizable: whether there is an order of its operations in
 * which each takes effect at one moment between its call and its answer, and the sequential model (model.ts) answers
 * what was answered.
 *
 * The search is that of Wing and Gong with the memory of Lowe. Go through calls and answers by time. An operation may
 * be next if it was called before the first answer of those that are not in the order yet: were it later, the answered
 * one would have taken effect after its answer. Try each such operation; where the model answers what was recorded, go
 * on with the rest. When nothing is left that has been answered, the order is found. When nothing fits, go one back.
 * A pair of (operations in the order, state) that was met before need not be tried again: what can follow depends on
 * nothing else. So the search ends, and it finds an order exactly if there is one, because it leaves out only what
 * cannot come next and what was tried.
 *
 * An operation whose outcome is not known has no answer: its interval is open, any result fits, and it may have taken
 * effect at any time after its call or never; the search need not place it.
 *
 * Tickets are independent of each other, and linearizability is local: a history of several is linearizable exactly
 * if that of each ticket is. So each is checked by itself.
 */
import { initial, keyOf, step, type Call, type Result, type State } from './model.js';

export interface Operation {
  readonly call: Call;
  readonly calledAt: number;
  /** Null when the outcome is not known. */
  readonly answeredAt: number | null;
  readonly result: Result | null;
}

export interface History {
  readonly capacity: number;
  readonly operations: readonly Operation[];
}

/** Positions tried; more are given up. */
const STEPS_MAX = 2_000_000;

export type Verdict = 'linearizable' | 'not_linearizable' | 'given_up';

export function check({ capacity, operations }: History, stepsMax = STEPS_MAX): Verdict {
  const ordered = [...operations].sort((a, b) => a.calledAt - b.calledAt);
  const seen = new Set<string>();
  const placed = new Uint8Array(ordered.length);
  let open = ordered.filter(({ answeredAt }) => answeredAt !== null).length;
  let steps = 0;
  interface Frame {
    readonly state: State;
    readonly candidates: readonly number[];
    next: number;
    /** What led here. */
    readonly by: number;
  }
  const frameOf = (state: State, by: number): Frame => ({
    state,
    candidates: candidatesOf(ordered, placed),
    next: 0,
    by,
  });
  const stack: Frame[] = [frameOf(initial(capacity), -1)];
  while (open > 0) {
    const top = stack.at(-1);
    if (!top) return 'not_linearizable';
    const index = top.candidates[top.next];
    if (index === undefined) {
      stack.pop();
      if (top.by >= 0) {
        placed[top.by] = 0;
        if (ordered[top.by]?.answeredAt !== null) open += 1;
      }
      continue;
    }
    top.next += 1;
    const operation = ordered[index];
    if (!operation) continue;
    const { state, result } = step(top.state, operation.call);
    if (operation.result !== null && !isSame(result, operation.result)) continue;
    // One that is not known to have happened and changes nothing need not be placed.
    if (operation.result === null && state === top.state) continue;
    placed[index] = 1;
    const memory = `${signatureOf(placed)} ${keyOf(state)}`;
    if (seen.has(memory)) {
      placed[index] = 0;
      continue;
    }
    seen.add(memory);
    steps += 1;
    if (steps > stepsMax) return 'given_up';
    if (operation.answeredAt !== null) open -= 1;
    stack.push(frameOf(state, index));
  }
  return 'linearizable';
}

/** Those that may take effect next: called no later than the first answer of what is not in the order yet. */
function candidatesOf(ordered: readonly Operation[], placed: Uint8Array): number[] {
  let firstAnswer = Infinity;
  const candidates: number[] = [];
  for (let i = 0; i < ordered.length; i += 1) {
    const operation = ordered[i];
    if (!operation || placed[i]) continue;
    if (operation.calledAt > firstAnswer) break;
    candidates.push(i);
    firstAnswer = Math.min(firstAnswer, operation.answeredAt ?? Infinity);
  }
  // What was answered soonest first: it is the most likely to have been first.
  return candidates
    .filter((i) => (ordered[i]?.calledAt ?? 0) <= firstAnswer)
    .sort((a, b) => (ordered[a]?.answeredAt ?? Infinity) - (ordered[b]?.answeredAt ?? Infinity));
}

/** As text: the first that is not placed, and what is placed behind it. */
function signatureOf(placed: Uint8Array): string {
  const first = placed.indexOf(0);
  if (first === -1) return 'all';
  const last = placed.lastIndexOf(1);
  return `${first}:${last < first ? '' : Buffer.from(placed.subarray(first, last + 1)).toString('hex')}`;
}

export function isSame(a: Result, b: Result): boolean {
  if (a.kind === 'counters' && b.kind === 'counters') {
    return a.pending === b.pending && a.available === b.available;
  }
  return a.kind === b.kind;
}

/** The same question by trying every order and every choice of what did not happen: for small histories only. */
export function checkByForce({ capacity, operations }: History): boolean {
  const must = (rest: readonly Operation[]): boolean => rest.every(({ answeredAt }) => answeredAt === null);
  const go = (state: State, rest: readonly Operation[]): boolean =>
    must(rest) ||
    rest.some((operation, i) => {
      const others = rest.filter((_, j) => j !== i);
      const isTooEarly = others.some(
        ({ answeredAt }) => answeredAt !== null && answeredAt < operation.calledAt,
      );
      if (isTooEarly) return false;
      const after = step(state, operation.call);
      const fits = operation.result === null || isSame(after.result, operation.result);
      return fits && go(after.state, others);
    });
  return go(initial(capacity), operations);
}
