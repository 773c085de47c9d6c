/**
 * One ticket as a sequential machine: what hold, confirm, release and expiry may answer when they happen one after
 * another. Written from the promises alone; it imports nothing of the product.
 *
 * Time is not in it. A hold whose time may have come can end at any moment between others: that is an operation of
 * its own, `expire`, which the recorder adds for each hold that had an end, with the interval in which it may have
 * happened. What is refused changes nothing.
 */

export type Call =
  | { readonly op: 'hold'; readonly id: string; readonly quantity: number }
  | { readonly op: 'confirm'; readonly id: string }
  | { readonly op: 'release'; readonly id: string }
  /** Ends a hold that was not confirmed; has no effect on anything else. */
  | { readonly op: 'expire'; readonly id: string }
  | { readonly op: 'read' };

export type Result =
  | { readonly kind: 'held' | 'sold' | 'released' | 'gone' | 'sold_out' | 'unavailable' | 'done' }
  /** Of a read: what can still be held, and what is not sold. */
  | { readonly kind: 'counters'; readonly pending: number; readonly available: number };

export interface State {
  readonly capacity: number;
  /** Held and sold, by reservation; those that ended are in `ended`. */
  readonly held: Readonly<Record<string, number>>;
  readonly sold: Readonly<Record<string, number>>;
  readonly ended: readonly string[];
}

export const initial = (capacity: number): State => ({ capacity, held: {}, sold: {}, ended: [] });

const total = (of: Readonly<Record<string, number>>): number => Object.values(of).reduce((a, b) => a + b, 0);

function without(of: Readonly<Record<string, number>>, id: string): Record<string, number> {
  return Object.fromEntries(Object.entries(of).filter(([other]) => other !== id));
}

/** What a call answers in a state, and what it leaves. The same call again answers the same. */
export function step(state: State, call: Call): { readonly state: State; readonly result: Result } {
  const available = state.capacity - total(state.sold);
  const pending = available - total(state.held);
  if (call.op === 'read') return { state, result: { kind: 'counters', pending, available } };
  const { id } = call;
  const isHeld = Object.hasOwn(state.held, id);
  const isSold = Object.hasOwn(state.sold, id);
  switch (call.op) {
    case 'hold':
      if (isHeld || isSold || state.ended.includes(id)) return { state, result: { kind: 'held' } };
      if (call.quantity > pending) {
        return { state, result: { kind: available === 0 ? 'sold_out' : 'unavailable' } };
      }
      return {
        state: { ...state, held: { ...state.held, [id]: call.quantity } },
        result: { kind: 'held' },
      };
    case 'confirm':
      if (isSold) return { state, result: { kind: 'sold' } };
      if (!isHeld) return { state, result: { kind: 'gone' } };
      return {
        state: {
          ...state,
          held: without(state.held, id),
          sold: { ...state.sold, [id]: state.held[id] ?? 0 },
        },
        result: { kind: 'sold' },
      };
    case 'release':
      if (isHeld) return { state: ended(state, id), result: { kind: 'released' } };
      return { state, result: { kind: 'gone' } };
    case 'expire':
      return { state: isHeld ? ended(state, id) : state, result: { kind: 'done' } };
  }
}

const ended = (state: State, id: string): State => ({
  ...state,
  held: without(state.held, id),
  ended: [...state.ended, id].sort(),
});

/** The same for equal states. */
export function keyOf({ held, sold, ended: over }: State): string {
  const pairs = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([pairs(held), pairs(sold), over]);
}
