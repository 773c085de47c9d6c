/**
 * The sales of one ticket in one month: counts by the hour (UTC), for each group of a marketplace, a country and a
 * currency. Pure. A month knows up to where in its ledger it counts, so that nothing is ever counted twice in it.
 */
import { z } from 'zod';
import { comparePositions } from '../../actors/position.js';
import type { LedgerPosition } from '../../archive/port.js';
import type { SaleFact } from './facts.js';

export const HOUR_MS = 3_600_000;

/** Marketplaces kept apart in one month of one ticket: peers choose their names. Those past it count as one. */
export const PEERS_MAX = 100;
/** Everybody there is no place for. */
export const REST = 'other';

const groupSchema = z.object({
  peer: z.string().exactOptional(),
  country: z.string().exactOptional(),
  currency: z.string(),
});
export type Group = z.output<typeof groupSchema>;

const NUMBERS = /^(\d+(,\d+)*)?$/;

/** As it is stored. Rows as text: a tenth of the size and the time that a list of numbers has in MongoDB. */
export const monthSchema = z.object({
  incarnation: z.number().int(),
  sequence: z.number().int(),
  groups: z.array(groupSchema),
  rows: z.string().regex(NUMBERS),
});
export type StoredMonth = z.output<typeof monthSchema>;

/** Numbers in a row, and what each is. */
export const ROW = {
  hour: 0,
  group: 1,
  sold: 2,
  refunded: 3,
  soldMinor: 4,
  refundedMinor: 5,
  width: 6,
} as const;

/** A fact with its place. */
export interface PlacedFact {
  readonly position: LedgerPosition;
  readonly fact: SaleFact;
}

export const EMPTY_MONTH: StoredMonth = { incarnation: 0, sequence: 0, groups: [], rows: '' };

/** `2022-11` */
export const monthOf = (at: number): string => new Date(at).toISOString().slice(0, 7);

/** Epoch milliseconds of its beginning. */
export const monthStart = (month: string): number => Date.parse(`${month}-01T00:00:00Z`);

export function rowsOf({ rows }: Pick<StoredMonth, 'rows'>): readonly number[] {
  const numbers = JSON.parse(`[${rows}]`) as number[];
  if (numbers.length % ROW.width !== 0) throw new Error('the rows of a month of sales are cut off');
  return numbers;
}

/**
 * A month with more counted in: of `facts`, all in it and in the order of the ledger, those it does not count yet.
 * `through`: up to there the ledger has nothing else that belongs into it.
 */
export function counted(
  month: StoredMonth,
  start: number,
  facts: readonly PlacedFact[],
  through: LedgerPosition,
): StoredMonth {
  if (comparePositions(through, month) <= 0) return month;
  const groups = [...month.groups];
  const known = new Map(groups.map((group, index) => [groupKey(group), index]));
  const peers = new Set(groups.flatMap(({ peer }) => (peer === undefined ? [] : [peer])));
  const rows = [...rowsOf(month)];
  const places = new Map<string, number>();
  for (let row = 0; row < rows.length; row += ROW.width) places.set(`${rows[row]}/${rows[row + 1]}`, row);
  for (const { position, fact } of facts) {
    if (comparePositions(position, month) <= 0) continue;
    const group = groupOf(fact, peers);
    const key = groupKey(group);
    const index = known.get(key) ?? groups.push(group) - 1;
    known.set(key, index);
    const hour = Math.floor((fact.at - start) / HOUR_MS);
    const place = places.get(`${hour}/${index}`) ?? rows.push(hour, index, 0, 0, 0, 0) - ROW.width;
    places.set(`${hour}/${index}`, place);
    const added = [fact.sold, fact.refunded, fact.soldMinor, fact.refundedMinor];
    added.forEach((number, column) => {
      const at = place + ROW.sold + column;
      rows[at] = (rows[at] ?? 0) + number;
    });
  }
  const { incarnation, sequence } = through;
  return { incarnation, sequence, groups, rows: rows.join(',') };
}

const groupKey = ({ peer, country, currency }: Group): string =>
  JSON.stringify([peer ?? null, country ?? null, currency]);

function groupOf({ peer, country, currency }: SaleFact, peers: Set<string>): Group {
  if (peer === undefined) return { ...(country !== undefined && { country }), currency };
  const isKept = peers.has(peer) || peers.size < PEERS_MAX;
  if (isKept) peers.add(peer);
  return { peer: isKept ? peer : REST, currency };
}
