/**
 * How long buyers were without an answer, from what they noted. A ticket is served when a request that began after a
 * moment has a final answer; faults that go on at the same time cannot be told apart, so that time is counted from
 * the end of the last of them, and the undisturbed ones are told beside.
 */
import type { Answer, Purchase } from './check.js';
import type { InjectedFault } from './injector.js';
import { KINDS, KIND_NAMES, type KindName } from './schedule.js';

export interface KindFigures {
  readonly kind: KindName;
  readonly injected: number;
  /** Longest time without an answer of one ticket while it went on or was recovered from, ms. */
  readonly unavailableMsMax: number;
  /** From its end (a worker's: from its beginning) to the next answer, on the ticket that waited longest, ms. */
  readonly recoveryMsMax: number | null;
  /** The same of those that no other fault disturbed, and how many they were. */
  readonly undisturbedMsMax: number | null;
  readonly undisturbed: number;
}

interface Served {
  readonly askedAt: number;
  readonly answeredAt: number;
}

/** What of buyers' requests says that it works again: sales need the store outside Redis, holds do not. */
const TOLD_BY: Readonly<Record<string, ReadonlySet<Answer['op']>>> = {
  mongo: new Set(['pay']),
  kafka: new Set(['pay']),
};
const HOLDS: ReadonlySet<Answer['op']> = new Set(['hold']);

function servedOf(purchases: readonly Purchase[], ticket: string, ops: ReadonlySet<Answer['op']>): Served[] {
  return purchases
    .filter((purchase) => purchase.ticket === ticket)
    .flatMap(({ answers }) => answers.filter(({ op, status }) => ops.has(op) && status !== 0))
    .sort((a, b) => a.answeredAt - b.answeredAt);
}

export function figuresOf(
  faults: readonly InjectedFault[],
  purchases: readonly Purchase[],
  tickets: readonly string[],
): KindFigures[] {
  const served = new Map<string, Served[]>();
  const of = (ticket: string, ops: ReadonlySet<Answer['op']>): Served[] => {
    const key = `${ticket} ${[...ops].join()}`;
    const known = served.get(key) ?? servedOf(purchases, ticket, ops);
    served.set(key, known);
    return known;
  };
  const each = faults.map((fault) => {
    const { target } = KINDS[fault.kind];
    const ops = TOLD_BY[target] ?? HOLDS;
    const affected = fault.owned ?? tickets;
    const base = target === 'worker' ? fault.startedAt : fault.endedAt;
    const waits = affected.map((ticket) => waitOf(fault, base, of(ticket, ops), faults));
    const known = waits.filter((wait) => wait !== null);
    return {
      kind: fault.kind,
      unavailableMs: Math.max(0, ...affected.map((ticket) => gapOf(fault, base, of(ticket, ops)))),
      recoveryMs: known.length > 0 ? Math.max(...known.map(({ ms }) => ms)) : null,
      isUndisturbed: known.every(({ isUndisturbed }) => isUndisturbed),
    };
  });
  return KIND_NAMES.flatMap((kind) => {
    const own = each.filter((one) => one.kind === kind);
    if (own.length === 0) return [];
    const recoveries = own.flatMap(({ recoveryMs }) => (recoveryMs === null ? [] : [recoveryMs]));
    const clear = own.flatMap(({ recoveryMs, isUndisturbed }) =>
      recoveryMs === null || !isUndisturbed ? [] : [recoveryMs],
    );
    return [
      {
        kind,
        injected: own.length,
        unavailableMsMax: Math.max(...own.map(({ unavailableMs }) => unavailableMs)),
        recoveryMsMax: recoveries.length > 0 ? Math.max(...recoveries) : null,
        undisturbedMsMax: clear.length > 0 ? Math.max(...clear) : null,
        undisturbed: clear.length,
      },
    ];
  });
}

/** Until a request that began after `base`, and after every fault that went on meanwhile, was answered. */
function waitOf(
  fault: InjectedFault,
  base: number,
  served: readonly Served[],
  faults: readonly InjectedFault[],
): { readonly ms: number; readonly isUndisturbed: boolean } | null {
  let from = base;
  let isUndisturbed = true;
  for (;;) {
    const first = served.find(({ askedAt, answeredAt }) => askedAt >= from || answeredAt >= from + STALE_MS);
    if (!first) return null;
    const others = faults.filter(
      (other) => other !== fault && other.startedAt < first.answeredAt && other.endedAt > from,
    );
    const disturbing = faults.some(
      (other) => other !== fault && other.startedAt < first.answeredAt && other.endedAt > fault.startedAt,
    );
    isUndisturbed &&= !disturbing;
    if (others.length === 0) return { ms: Math.max(0, first.answeredAt - from), isUndisturbed };
    from = Math.max(...others.map(({ endedAt }) => endedAt));
  }
}

/** An answer so long after a moment was not under way before it: its buyer asked again. */
const STALE_MS = 100;

/** The longest time between two answers that has a part in the fault or its recovery. */
function gapOf(fault: InjectedFault, base: number, served: readonly Served[]): number {
  const after = served.findIndex(({ answeredAt }) => answeredAt >= Math.max(base, fault.endedAt));
  const last = after === -1 ? served.length - 1 : after;
  let longest = 0;
  for (let i = last; i > 0; i -= 1) {
    const [before, next] = [served[i - 1]?.answeredAt ?? 0, served[i]?.answeredAt ?? 0];
    longest = Math.max(longest, next - before);
    if (before < fault.startedAt) break;
  }
  return longest;
}

const seconds = (ms: number | null): string => (ms === null ? '-' : (ms / 1_000).toFixed(1));

/** As a table of Markdown. */
export function tableOf(figures: readonly KindFigures[]): string {
  const head = ['fault', 'injected', 'longest without an answer, s', 'recovery, s', 'undisturbed, s'];
  const rows = figures.map((of) => [
    of.kind,
    String(of.injected),
    seconds(of.unavailableMsMax),
    seconds(of.recoveryMsMax),
    of.undisturbed === 0 ? '-' : `${seconds(of.undisturbedMsMax)} (${of.undisturbed})`,
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
