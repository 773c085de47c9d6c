/**
 * What an append does to the ledgers of its tickets, decided without asking anyone: pure, so that it can be
 * decided anew when another writer came first.
 *
 * A tail may be out of date. An answer that adds an entry to the chain is right all the same, because the
 * entry finds its place taken then. Every other answer, and every refusal, is right only if the tail was read
 * for it; tickets that need that are `doubtful`.
 */
import type { TicketId } from '../../rules/index.js';
import { gapBefore, refuseOther } from '../append-checks.js';
import type { AppendBatch, AppendResult, CommittedEvent, LedgerPosition } from '../port.js';
import { EMPTY_TAIL, type Addition, type Tail } from './entry.js';
import { positionKey, ticketName } from './layout.js';

/** What is known of a ticket. */
export interface Known {
  readonly tail: Tail;
  /** The tail was read for this append, and so was every event that it repeats. */
  readonly fresh: boolean;
  /** By `positionKey`. */
  readonly stored: ReadonlyMap<string, CommittedEvent>;
}

/** An append on its way; `results` fills up as its batches are decided. */
export interface Call {
  readonly batches: readonly AppendBatch[];
  readonly results: (AppendResult | undefined)[];
}

export interface Plan<C extends Call> {
  /** At most one for a ticket. */
  readonly additions: readonly Addition[];
  /** By name. */
  readonly doubtful: ReadonlySet<string>;
  /** Answers per call, for its open batches. */
  readonly answers: ReadonlyMap<C, ReadonlyMap<number, AppendResult>>;
  readonly refused: ReadonlyMap<C, unknown>;
}

/** Plans the open batches of all calls, in order. A call that is refused leaves no trace in the plan. */
export function planAppends<C extends Call>(calls: readonly C[], known: ReadonlyMap<string, Known>): Plan<C> {
  const doubtful = new Set<string>();
  const answers = new Map<C, ReadonlyMap<number, AppendResult>>();
  const refused = new Map<C, unknown>();
  let drafts: ReadonlyMap<string, Draft> = new Map();
  for (const call of calls) {
    const planned = new Map(drafts);
    const answer = new Map<number, AppendResult>();
    let name = '';
    try {
      call.batches.forEach((batch, index) => {
        if (call.results[index] !== undefined) return;
        name = ticketName(batch.ticket);
        const draft = planned.get(name) ?? draftOf(batch.ticket, known.get(name));
        const { next, result } = add(draft, batch);
        planned.set(name, next);
        answer.set(index, result);
      });
      drafts = planned;
      answers.set(call, answer);
    } catch (error) {
      refused.set(call, error);
      if (!known.get(name)?.fresh) doubtful.add(name);
    }
  }
  for (const [name, draft] of drafts) {
    if (!draft.known.fresh && (draft.repeats || !adds(draft))) doubtful.add(name);
  }
  return { additions: [...drafts.values()].filter(adds), doubtful, answers, refused };
}

/** A ticket in the plan: what was known, and what is added to it so far. */
interface Draft extends Addition {
  readonly known: Known;
  /** It answers for events that are stored already. */
  readonly repeats: boolean;
}

const UNKNOWN: Known = { tail: EMPTY_TAIL, fresh: false, stored: new Map() };

function draftOf(ticket: TicketId, known: Known = UNKNOWN): Draft {
  const { incarnation, head } = known.tail;
  return { ticket, after: known.tail, incarnation, head, events: [], known, repeats: false };
}

/** An entry without events raises the fence. */
function adds({ events, incarnation, after }: Draft): boolean {
  return events.length > 0 || incarnation > after.incarnation;
}

function add(draft: Draft, batch: AppendBatch): { readonly next: Draft; readonly result: AppendResult } {
  const { incarnation } = batch;
  if (incarnation < draft.incarnation) return { next: draft, result: 'fenced' };
  const storedTo = sequenceIn(draft.after.head, incarnation);
  const heldTo = sequenceIn(draft.head, incarnation);
  const added: CommittedEvent[] = [];
  let { head, repeats } = draft;
  for (const event of batch.events) {
    if (event.sequence <= heldTo) {
      const stored = event.sequence <= storedTo;
      repeats ||= stored;
      // What is stored was read only if the tail was.
      if (!stored || draft.known.fresh) refuseOther(event, heldBy(draft, event));
      continue;
    }
    const due = sequenceIn(head, incarnation) + 1;
    if (event.sequence !== due) throw gapBefore(event, due);
    head = { incarnation, sequence: due };
    added.push(event);
  }
  const next = { ...draft, incarnation, head, events: [...draft.events, ...added], repeats };
  return { next, result: 'appended' };
}

function sequenceIn(head: LedgerPosition | null, incarnation: number): number {
  return head?.incarnation === incarnation ? head.sequence : 0;
}

function heldBy({ known, events }: Draft, position: LedgerPosition): CommittedEvent | undefined {
  return (
    known.stored.get(positionKey(position)) ??
    events.find(
      ({ incarnation, sequence }) => incarnation === position.incarnation && sequence === position.sequence,
    )
  );
}
