/**
 * Makes a plan that breaks a promise as small as it can: fewer operations from its end, kinds of faults left out one
 * by one, then parts of what is left (delta debugging), for as long as the same promise is still broken.
 */
import type { Plan } from './plan.js';
import { run, type RunResult } from './simulation.js';

export interface Shrunk {
  readonly plan: Plan;
  readonly result: RunResult;
  readonly tries: number;
}

/** `untilMs`: epoch milliseconds at which the best so far has to do. */
export async function shrink(plan: Plan, failed: RunResult, untilMs: number): Promise<Shrunk> {
  const promise = failed.violation?.promise;
  let best: Shrunk = { plan, result: failed, tries: 0 };
  let tries = 0;
  const attempt = async (smaller: Plan): Promise<boolean> => {
    if (Date.now() >= untilMs) return false;
    tries += 1;
    const result = await run(smaller);
    if (result.violation?.promise !== promise) return false;
    best = { plan: smaller, result, tries };
    return true;
  };

  // What came after it was broken has no part in it.
  const lastMs = failed.virtualMs;
  await attempt({ ...plan, ops: plan.ops.filter(({ atMs }) => atMs <= lastMs) });
  for (let share = 0.5; share > 0.05; share /= 2) {
    while (
      await attempt({ ...best.plan, ops: best.plan.ops.slice(0, -Math.ceil(best.plan.ops.length * share)) })
    );
  }
  for (const kind of new Set(plan.faults.map((fault) => fault.kind))) {
    await attempt({ ...best.plan, faults: best.plan.faults.filter((fault) => fault.kind !== kind) });
  }
  await dropParts(
    () => best.plan.faults,
    (faults) => attempt({ ...best.plan, faults }),
  );
  await dropParts(
    () => best.plan.ops,
    (ops) => attempt({ ...best.plan, ops }),
  );
  return { ...best, tries };
}

/** Leaves out ever smaller parts, for as long as that does. */
async function dropParts<T>(
  all: () => readonly T[],
  attempt: (rest: T[]) => Promise<boolean>,
): Promise<void> {
  for (let size = Math.ceil(all().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < all().length;) {
      const rest = all().filter((_, i) => i < from || i >= from + size);
      if (!(await attempt(rest))) from += size;
    }
  }
}

/** The history that is left, one line for each thing that happens. */
export function historyOf({ ops, faults }: Plan): string[] {
  const lines = [
    ...ops.map((op) => ({ atMs: op.atMs, text: `op ${op.id}: ${textOf(op)}` })),
    ...faults.map(({ id, atMs, kind, lengthMs, role, which, market, strength }) => ({
      atMs,
      text: `fault ${id}: ${kind} ${lengthMs} ms, market ${market + 1}, ${role} ${which}, strength ${strength.toFixed(2)}`,
    })),
  ];
  return lines
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, text }) => `${String(atMs).padStart(8)} ms  ${text}`);
}

function textOf(op: Plan['ops'][number]): string {
  const at = `market ${op.market + 1}`;
  switch (op.kind) {
    case 'hold':
      return `${at}: ${op.person} holds ${op.quantity} of ${op.ticket.matchNumber}:${op.ticket.category}`;
    case 'peer':
      return `${op.headers['clientId'] ?? ''} says ${op.value} ${op.headers['reservationId'] ?? ''}`;
    case 'list':
      return `master list: ${op.available.map(([match, category, count]) => `${match}:${category}=${count}`).join(' ')}`;
    default:
      return `${at}: ${op.kind} of ${op.of} ${op.kind === 'pay' ? op.paymentMethod : ''}`;
  }
}
