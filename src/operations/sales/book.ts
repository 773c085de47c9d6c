/**
 * Reads the figures. Guarantees: an answer has everything that the cursors say is counted; a month that has not
 * changed is read once, and parsed months take a bounded place in memory.
 */
import { each } from '../../process/each.js';
import type { TicketId } from '../../rules/index.js';
import { ROW, monthOf, monthStart, rowsOf, type Group } from './month.js';
import type { SalesRecords } from './records.js';

/** Counts of one ticket in one month: rows as ROW says. */
export interface MonthSales {
  readonly ticket: TicketId;
  /** Epoch milliseconds. */
  readonly start: number;
  readonly groups: readonly Group[];
  readonly rows: Float64Array;
}

/** Rows that stay in memory, of 48 bytes: those of about two million sales spread thinly. */
const CACHED_ROWS_MAX = 1_000_000;
const READS_AT_ONCE = 16;

interface Cached {
  readonly version: number;
  readonly sales: MonthSales;
}

export class SalesBook {
  readonly #records: SalesRecords;
  readonly #rowsMax: number;
  /** By id of the document, the longest unused first. */
  readonly #cache = new Map<string, Cached>();
  #rows = 0;

  constructor(records: SalesRecords, rowsMax = CACHED_ROWS_MAX) {
    this.#records = records;
    this.#rowsMax = rowsMax;
  }

  /** Every month of every ticket that has something of the time from `from` until before `to`, epoch milliseconds. */
  async read(from: number, to: number): Promise<readonly MonthSales[]> {
    const [first, last] = [monthOf(from), monthOf(to - 1)];
    const found: MonthSales[] = [];
    const missing: { readonly name: string; readonly month: string }[] = [];
    for (const [name, { months }] of await this.#records.cursors()) {
      for (const [month, version] of Object.entries(months)) {
        if (month < first || month > last) continue;
        const cached = this.#cached(`${name}/${month}`, version);
        if (cached) found.push(cached);
        else missing.push({ name, month });
      }
    }
    await each(missing, READS_AT_ONCE, async ({ name, month }) => {
      const stored = await this.#records.month(name, month);
      if (!stored) return;
      const { groups } = stored.value;
      const rows = Float64Array.from(rowsOf(stored.value));
      const sales = { ticket: ticketOf(name), start: monthStart(month), groups, rows };
      this.#keep(`${name}/${month}`, { version: stored.version, sales });
      found.push(sales);
    });
    return found;
  }

  #cached(id: string, version: number): MonthSales | null {
    const found = this.#cache.get(id);
    if (!found || found.version < version) return null;
    this.#cache.delete(id);
    this.#cache.set(id, found);
    return found.sales;
  }

  #keep(id: string, entry: Cached): void {
    this.#forget(id);
    this.#cache.set(id, entry);
    this.#rows += rowCount(entry.sales);
    for (const oldest of this.#cache.keys()) {
      if (this.#rows <= this.#rowsMax) return;
      this.#forget(oldest);
    }
  }

  #forget(id: string): void {
    const found = this.#cache.get(id);
    if (!found) return;
    this.#cache.delete(id);
    this.#rows -= rowCount(found.sales);
  }
}

const rowCount = ({ rows }: MonthSales): number => rows.length / ROW.width;

function ticketOf(name: string): TicketId {
  const [matchNumber = 0, category = 0] = name.split(':').map(Number);
  return { matchNumber, category };
}
