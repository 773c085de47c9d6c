/** A round in which all is well, and for each problem rounds that differ from it by what went wrong. */
import { describe, expect, it } from '@jest/globals';
import type { LogRecord } from '../exchange/fold.js';
import { PROBLEMS, verdictOf, type Evidence, type ProblemName } from './check.js';
import type { Said } from './contestant.js';
import type { BuyerEnd } from './crowd.js';

const TICKET = '4:1';
const CAPACITY = 3;

function record(clientId: string, id: string, action: string, quantity: number): LogRecord {
  const body = { matchNumber: 4, tickets: { category: 1, quantity, price: 75 } };
  const value = JSON.stringify({ meta: { action: `TICKET_${action}` }, body });
  return { offset: '0', timestamp: 0, headers: { clientId, reservationId: id }, value };
}

const bought = (clientId: string, id: string, quantity: number): BuyerEnd => ({
  ...{ clientId, outcome: 'RESERVED', id, token: 'secret', quantity, atMs: 1_000 },
});
const soldOut: BuyerEnd = {
  ...{ clientId: 'two', outcome: 'sold_out', id: '', token: '', quantity: 0, atMs: 2_000 },
};

/** One sells two tickets, two sells one; a hold of one's is cancelled, one of two's is void. */
const RECORDS = [
  record('one', 'a', 'PENDING', 1),
  record('one', 'b', 'PENDING', 2),
  record('two', 'c', 'PENDING', 1),
  record('one', 'a', 'CANCELLED', 1),
  record('two', 'd', 'PENDING', 1),
  record('two', 'c', 'CANCELLED', 1),
  record('one', 'b', 'RESERVED', 2),
  record('two', 'd', 'RESERVED', 1),
];

const saidBy = (soldHere: number, soldElsewhere: number): { redis: Said; archive: Said } => {
  const said = { capacity: CAPACITY, soldHere, heldHere: 0, soldElsewhere, heldElsewhere: 0 };
  return { redis: said, archive: said };
};

const GOOD: Evidence = {
  mode: 'ordered',
  ticket: TICKET,
  capacity: CAPACITY,
  buyers: [bought('one', 'b', 2), bought('two', 'd', 1), soldOut],
  said: { one: saidBy(2, 1), two: saidBy(1, 2) },
  records: RECORDS,
  readBack: new Map([
    ['b', 'RESERVED'],
    ['d', 'RESERVED'],
  ]),
  left: { 'jobs of 4:1 at one': 0 },
  surprises: [],
  crashes: [],
};

/** Two have both sold what there was one of. */
const oversold: Evidence = {
  ...GOOD,
  buyers: [...GOOD.buyers, bought('two', 'c', 1)],
  said: { one: saidBy(2, 2), two: saidBy(2, 2) },
  records: [
    ...RECORDS.filter(({ headers }) => headers['reservationId'] !== 'c'),
    record('two', 'c', 'PENDING', 1),
    record('two', 'c', 'RESERVED', 1),
  ],
  readBack: new Map([...GOOD.readBack, ['c', 'RESERVED']]),
};

const withoutSale: Evidence = {
  ...GOOD,
  buyers: [bought('one', 'b', 2), soldOut],
  said: { one: saidBy(2, 0), two: saidBy(0, 2) },
  records: RECORDS.filter(({ headers }) => headers['reservationId'] !== 'd'),
};

const one = saidBy(2, 1);
const BAD: readonly (readonly [name: ProblemName, what: string, evidence: Evidence])[] = [
  ['not_exact', 'too many', oversold],
  ['not_exact', 'too few', withoutSale],
  ['unsold', 'too few', { ...withoutSale, mode: 'optimistic' }],
  ['lost_sale', 'not in the log', { ...GOOD, records: RECORDS.slice(0, -1) }],
  ['lost_sale', 'its buyer does not see it', { ...GOOD, readBack: new Map([['b', 'RESERVED']]) }],
  [
    'lost_sale',
    'its buyer sees something else',
    { ...GOOD, readBack: new Map([...GOOD.readBack, ['d', 'EXPIRED']]) },
  ],
  ['lost_sale', 'another quantity', { ...GOOD, buyers: [bought('one', 'b', 1), bought('two', 'd', 1)] }],
  ['lost_sale', 'given back', { ...GOOD, records: [...RECORDS, record('two', 'd', 'CANCELLED', 1)] }],
  ['unasked_sale', 'nobody was told', { ...GOOD, buyers: [bought('one', 'b', 2), soldOut] }],
  [
    'unasked_sale',
    'of another marketplace',
    {
      ...GOOD,
      records: [...RECORDS, record('three', 'd', 'PENDING', 1), record('three', 'd', 'RESERVED', 1)],
    },
  ],
  ['out_of_turn', 'its hold was void', oversold],
  ['out_of_turn', 'it has no hold', { ...GOOD, records: RECORDS.filter((_, i) => i !== 4) }],
  ['disagreement', 'Redis', { ...GOOD, said: { ...GOOD.said, one: { ...one, redis: saidBy(2, 0).redis } } }],
  ['disagreement', 'Redis has nothing', { ...GOOD, said: { ...GOOD.said, one: { ...one, redis: null } } }],
  [
    'disagreement',
    'the archive',
    { ...GOOD, said: { ...GOOD.said, one: { ...one, archive: saidBy(1, 2).archive } } },
  ],
  ['still_held', 'a hold', { ...GOOD, records: [...RECORDS, record('two', 'e', 'PENDING', 1)] }],
  ['left', 'a job', { ...GOOD, left: { 'jobs of 4:1 at one': 1 } }],
  ['unanswered', 'a buyer', { ...GOOD, buyers: [...GOOD.buyers, { ...soldOut, outcome: 'none' }] }],
  ['surprise', 'an answer', { ...GOOD, surprises: ['hold: 500 internal_error'] }],
  ['crashed', 'a process', { ...GOOD, crashes: ['one: heap out of memory'] }],
];

describe('the check of a round', () => {
  it('has nothing against a good one, and counts it', () => {
    const { problems, sold, soldBy, oversold: over, holds, voided } = verdictOf(GOOD);
    expect(problems).toEqual([]);
    expect({ sold, soldBy, over, holds, voided }).toEqual({
      ...{ sold: 3, soldBy: { one: 2, two: 1 }, over: 0, holds: 4, voided: 1 },
    });
  });

  it('does not mind in the optimistic mode that too many were sold, and counts them', () => {
    const { problems, oversold: over } = verdictOf({ ...oversold, mode: 'optimistic' });
    expect(problems).toEqual([]);
    expect(over).toBe(1);
  });

  it.each(BAD)('finds %s: %s', (name, _what, evidence) => {
    expect(verdictOf(evidence).problems.map((problem) => problem.name)).toContain(name);
  });

  it('has a bad round for every problem', () => {
    expect(new Set(BAD.map(([name]) => name))).toEqual(new Set(Object.keys(PROBLEMS)));
  });
});
