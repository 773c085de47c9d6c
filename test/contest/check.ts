/**
 * What must be true after a round, from what buyers were told, what each marketplace has in Redis and in its archive, and
 * from the log. Written from the promises alone: it imports nothing of the product. Each problem has a name, and
 * check.unit.spec.ts has a round for each that it must reject.
 */
import { fold, type LogRecord } from '../exchange/fold.js';
import type { Mode, Said } from './contestant.js';
import type { BuyerEnd } from './crowd.js';
import { readLog } from './log.js';

export const PROBLEMS = {
  not_exact: 'not exactly as many were sold as there are',
  unsold: 'fewer were sold than there are',
  lost_sale: 'a buyer was told RESERVED, and it is missing',
  unasked_sale: 'something is sold that no buyer was told of',
  out_of_turn: 'something is sold whose hold was void at its place in the log',
  disagreement: 'Redis, an archive and the log disagree',
  still_held: 'something is held when all is over',
  left: 'something waits that nobody works on',
  unanswered: 'a buyer has no final answer',
  surprise: 'an answer that is none of those that are documented',
  crashed: 'a process ended by itself',
} as const;
export type ProblemName = keyof typeof PROBLEMS;

export interface Problem {
  readonly name: ProblemName;
  readonly detail: string;
}

/** What there is to look at when a round is over. */
export interface Evidence {
  readonly mode: Mode;
  readonly ticket: string;
  readonly capacity: number;
  readonly buyers: readonly BuyerEnd[];
  /** By marketplace. Of Redis null when it does not know the ticket. */
  readonly said: Readonly<Record<string, { readonly redis: Said | null; readonly archive: Said }>>;
  /** Of the round. */
  readonly records: readonly LogRecord[];
  /** What buyers read of what they bought, by reservation. */
  readonly readBack: ReadonlyMap<string, string>;
  /** By marketplace and what it is. */
  readonly left: Readonly<Record<string, number>>;
  readonly surprises: readonly string[];
  readonly crashes: readonly string[];
}

export interface Verdict {
  /** Tickets that buyers were told to have, by marketplace and in all. */
  readonly soldBy: Readonly<Record<string, number>>;
  readonly sold: number;
  readonly oversold: number;
  /** Holds in the log, and those that it did not grant. */
  readonly holds: number;
  readonly voided: number;
  readonly problems: readonly Problem[];
}

export function verdictOf(evidence: Evidence): Verdict {
  const { mode, ticket, capacity, buyers, records, said, left } = evidence;
  const problems: Problem[] = [];
  const add = (name: ProblemName, detail: string): void => void problems.push({ name, detail });
  const log = readLog(records, ticket, capacity);

  const soldBy = Object.fromEntries(Object.keys(said).map((clientId) => [clientId, 0]));
  const told = new Map<string, number>();
  for (const { outcome, clientId, id, quantity } of buyers) {
    if (outcome !== 'RESERVED') continue;
    soldBy[clientId] = (soldBy[clientId] ?? 0) + quantity;
    told.set(`${clientId} ${id}`, quantity);
    if (log.sold.get(`${clientId} ${id}`) !== quantity)
      add(
        'lost_sale',
        `${id} of ${clientId}: ${log.sold.get(`${clientId} ${id}`) ?? 0} of ${quantity} in the log`,
      );
    const read = evidence.readBack.get(id);
    if (read !== 'RESERVED') add('lost_sale', `${id} of ${clientId}: its buyer reads ${read ?? 'nothing'}`);
  }
  const unknown = new Set(
    buyers.flatMap(({ outcome, clientId, id }) => (outcome === 'none' ? [`${clientId} ${id}`] : [])),
  );
  for (const id of log.sold.keys()) if (!told.has(id) && !unknown.has(id)) add('unasked_sale', id);
  const sold = Object.values(soldBy).reduce((sum, one) => sum + one, 0);
  if (mode === 'ordered' && sold !== capacity) add('not_exact', `${sold} of ${capacity}`);
  if (mode === 'optimistic' && sold < capacity) add('unsold', `${sold} of ${capacity}`);
  if (mode === 'ordered') for (const id of log.outOfTurn) add('out_of_turn', id);

  for (const [clientId, { redis, archive }] of Object.entries(said)) {
    const folded = fold(records, clientId, new Set([ticket])).get(ticket) ?? NOTHING;
    const expected = textOf({ capacity, ...folded });
    for (const [where, found] of [['Redis', redis] as const, ['the archive', archive] as const]) {
      const text = found ? textOf(found) : 'nothing';
      if (text !== expected) add('disagreement', `${where} of ${clientId} has ${text}, the log ${expected}`);
    }
    if (folded.heldHere + folded.heldElsewhere > 0) add('still_held', `${clientId}: ${expected}`);
  }
  for (const [what, count] of Object.entries(left)) if (count > 0) add('left', `${count} ${what}`);
  const unanswered = buyers.filter(({ outcome }) => outcome === 'none').length;
  if (unanswered > 0) add('unanswered', `${unanswered} of ${buyers.length}`);
  for (const surprise of evidence.surprises) add('surprise', surprise);
  for (const crash of evidence.crashes) add('crashed', crash);

  return {
    ...{ soldBy, sold, oversold: Math.max(0, sold - capacity) },
    ...{ holds: log.granted + log.voided, voided: log.voided, problems },
  };
}

const NOTHING = { soldHere: 0, heldHere: 0, soldElsewhere: 0, heldElsewhere: 0 };

const textOf = ({ capacity, soldHere, heldHere, soldElsewhere, heldElsewhere }: Said): string =>
  `${soldHere} sold, ${heldHere} held, ${soldElsewhere} sold and ${heldElsewhere} held elsewhere, of ${capacity}`;
