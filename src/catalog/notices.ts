/**
 * What operators tell buyers about matches and sales, as every process knows it: pauses, and matches that were
 * cancelled or moved. The archive keeps it (src/operations); Redis hands it around, beside the catalog.
 */
import { z } from 'zod';
import type { TicketId } from '../rules/index.js';

/** A few words in each language of the shop; English is shown where one is missing. */
export const messageSchema = z.object({
  en: z.string().trim().min(1).max(300),
  ar: z.string().trim().min(1).max(300).exactOptional(),
});
export type Message = z.output<typeof messageSchema>;

/** Sales are stopped: of all matches, of one, or of one category of it. */
export const pauseSchema = z.object({
  id: z.string(),
  matchNumber: z.number().int().exactOptional(),
  category: z.number().int().exactOptional(),
  message: messageSchema,
  /** Epoch milliseconds. */
  since: z.number(),
  /** Who did it, as in the audit. */
  by: z.string(),
});
export type Pause = z.output<typeof pauseSchema>;

export const matchNoticeSchema = z.object({
  cancelled: z.object({ message: messageSchema.exactOptional() }).exactOptional(),
  rescheduled: z
    .object({
      dateUtc: z.string(),
      location: z.string(),
      previousDateUtc: z.string(),
      previousLocation: z.string(),
      message: messageSchema.exactOptional(),
      /** Until when buyers may give their tickets back, epoch milliseconds. */
      refundUntil: z.number(),
    })
    .exactOptional(),
});
export type MatchNotice = z.output<typeof matchNoticeSchema>;

export interface Notices {
  readonly pauses: readonly Pause[];
  readonly matches: ReadonlyMap<number, MatchNotice>;
}

export const NO_NOTICES: Notices = { pauses: [], matches: new Map() };

export function covers(pause: Pick<Pause, 'matchNumber' | 'category'>, ticket: TicketId): boolean {
  const { matchNumber, category } = pause;
  if (matchNumber !== undefined && matchNumber !== ticket.matchNumber) return false;
  return category === undefined || category === ticket.category;
}

/** The most particular pause of a ticket. */
export function pauseOf({ pauses }: Notices, ticket: TicketId): Pause | null {
  const found = pauses.filter((pause) => covers(pause, ticket));
  const rank = ({ matchNumber, category }: Pause): number =>
    category !== undefined ? 2 : matchNumber !== undefined ? 1 : 0;
  return found.reduce<Pause | null>((best, one) => (best && rank(best) >= rank(one) ? best : one), null);
}

export const pauseIdOf = ({ matchNumber, category }: Pick<Pause, 'matchNumber' | 'category'>): string =>
  ['match', matchNumber, category]
    .filter((part) => part !== undefined)
    .join('-')
    .replace(/^match$/, 'all');

/** Fields of the hash that hands them around. */
const PAUSES = 'pauses';
const MATCH = /^match-(\d{1,4})$/;

export function noticesToFields({ pauses, matches }: Notices): Record<string, string> {
  return {
    [PAUSES]: JSON.stringify(pauses),
    ...Object.fromEntries(
      [...matches].map(([number, notice]) => [`match-${number}`, JSON.stringify(notice)]),
    ),
  };
}

export function noticesOfFields(fields: Readonly<Record<string, string>>): Notices {
  const matches = new Map<number, MatchNotice>();
  for (const [field, json] of Object.entries(fields)) {
    const number = MATCH.exec(field)?.[1];
    if (number !== undefined) matches.set(Number(number), matchNoticeSchema.parse(JSON.parse(json)));
  }
  const pauses = z.array(pauseSchema).parse(JSON.parse(fields[PAUSES] ?? '[]'));
  return { pauses, matches };
}
