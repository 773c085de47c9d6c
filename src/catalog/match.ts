/**
 * The catalog: which matches exist and what their tickets cost. Facts only; counters belong to the actors.
 * The master-list message is the market's wire format (design: one match object, or an array of them).
 */
import { z } from 'zod';
import type { TicketId } from '../rules/index.js';

/** Price categories of every match. */
export const CATEGORIES = [1, 2, 3] as const;
export type Category = (typeof CATEGORIES)[number];

/** Largest numbers a message may carry; anything past them is impossible, not just unusual. */
export const MATCH_NUMBER_MAX = 9_999;
export const QUANTITY_MAX = 1_000_000;

const categoryEntry = z.object({
  available: z.number().int().min(0).max(QUANTITY_MAX),
  pending: z.number().int().optional(),
  price: z.number().positive().max(1_000_000),
});

/** One match of a master list. Unknown keys are dropped; `pending` in it is ignored when loaded. */
export const matchEntrySchema = z.object({
  matchNumber: z.number().int().min(1).max(MATCH_NUMBER_MAX),
  roundNumber: z.number().int().min(1).max(100),
  dateUtc: z.iso.datetime({ offset: true }),
  location: z.string().min(1).max(200),
  availability: z.object({ category1: categoryEntry, category2: categoryEntry, category3: categoryEntry }),
  homeTeam: z.string().min(1).max(100),
  awayTeam: z.string().min(1).max(100),
  group: z.string().max(20).nullable(),
});
export type MatchEntry = z.infer<typeof matchEntrySchema>;

/** A master-list message: one match, or several. */
export const masterListSchema = z.union([matchEntrySchema, z.array(matchEntrySchema).min(1).max(10_000)]);

/** The facts of a match that do not change with sales. */
export interface Match {
  readonly matchNumber: number;
  readonly roundNumber: number;
  readonly dateUtc: string;
  readonly location: string;
  readonly homeTeam: string;
  readonly awayTeam: string;
  readonly group: string | null;
}

export function matchOf(entry: MatchEntry): Match {
  const { matchNumber, roundNumber, dateUtc, location, homeTeam, awayTeam, group } = entry;
  return { matchNumber, roundNumber, dateUtc, location, homeTeam, awayTeam, group };
}

/** The three tickets of a match. */
export function ticketsOf(matchNumber: number): TicketId[] {
  return CATEGORIES.map((category) => ({ matchNumber, category }));
}
