/** How the figures are kept: a month of a ticket, and how far each ledger is counted (src/archive/documents.ts). */
import { z } from 'zod';
import { comparePositions } from '../../actors/position.js';
import { Collection, type Documents, type StoredDocument } from '../../archive/documents.js';
import type { LedgerPosition } from '../../archive/port.js';
import { EMPTY_MONTH, counted, monthSchema, monthStart, type PlacedFact, type StoredMonth } from './month.js';

const cursorSchema = z.object({
  incarnation: z.number().int(),
  sequence: z.number().int(),
  /** Of the newest event that is counted, epoch milliseconds. */
  at: z.number(),
  /** What the ticket costs there; 0 and empty before any master list. */
  price: z.number(),
  currency: z.string(),
  /** Months that have something, with the version that was written last. */
  months: z.record(z.string(), z.number().int()),
});
/** Everything up to it is in the months. */
export type SalesCursor = z.output<typeof cursorSchema>;

export const NEW_CURSOR: SalesCursor = {
  incarnation: 0,
  sequence: 0,
  at: 0,
  price: 0,
  currency: '',
  months: {},
};

export class SalesRecords {
  readonly #months: Collection<'sales', typeof monthSchema>;
  readonly #cursors: Collection<'salesCursors', typeof cursorSchema>;

  constructor(documents: Documents) {
    this.#months = new Collection(documents, { name: 'sales', schema: monthSchema });
    this.#cursors = new Collection(documents, {
      name: 'salesCursors',
      schema: cursorSchema,
      lists: (_, id) => ({ all: id }),
    });
  }

  /** `ticket`: its name. */
  month(ticket: string, month: string): Promise<StoredDocument<StoredMonth> | null> {
    return this.#months.get(`${ticket}/${month}`);
  }

  /**
   * Counts facts in, once, whoever does the same at the same time or did it before. Answers the version of the month
   * that has them.
   */
  async count(
    ticket: string,
    month: string,
    facts: readonly PlacedFact[],
    through: LedgerPosition,
  ): Promise<number> {
    const kept = await this.#months.put(`${ticket}/${month}`, (stored) =>
      counted(stored ?? EMPTY_MONTH, monthStart(month), facts, through),
    );
    return kept.version;
  }

  /** `ticket`: its name. */
  async cursor(ticket: string): Promise<SalesCursor> {
    return (await this.#cursors.get(ticket))?.value ?? NEW_CURSOR;
  }

  /** Keeps the later of two places, and of each month the newest version. Answers what is kept. */
  async moveCursor(ticket: string, cursor: SalesCursor): Promise<SalesCursor> {
    const kept = await this.#cursors.put(ticket, (stored) => {
      if (!stored) return cursor;
      const isLater = comparePositions(cursor, stored) > 0;
      return { ...(isLater ? cursor : stored), months: newest(stored.months, cursor.months) };
    });
    return kept.value;
  }

  /** Of all tickets that have any, by name. */
  async cursors(): Promise<ReadonlyMap<string, SalesCursor>> {
    const cursors = new Map<string, SalesCursor>();
    for await (const { id, value } of this.#cursors.all('all')) cursors.set(id, value);
    return cursors;
  }
}

function newest(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): Record<string, number> {
  const months = { ...one };
  for (const [month, version] of Object.entries(other)) {
    months[month] = Math.max(months[month] ?? 0, version);
  }
  return months;
}
