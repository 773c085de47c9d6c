/** Pages of lists: how many items, and cursors that say where a page ended. */

/** Items per page at most, as the port says. */
const PAGE_ITEMS_MAX = 100;

/** What was asked for, within what is given. */
export function itemsOf({ limit }: { readonly limit: number }): number {
  return Math.min(Math.max(Math.trunc(limit), 1), PAGE_ITEMS_MAX);
}

/** Where an item stands in its list: what the list is ordered by, then the item's id. */
export type Place<K extends string | number> = readonly [key: K, id: string];

export function cursorOf(place: Place<string | number>): string {
  return Buffer.from(JSON.stringify(place)).toString('base64url');
}

/** The place a cursor names; null without a cursor, `unknown` for one that was never issued. */
export function placeOf(cursor: string | undefined, key: 'number'): Place<number> | null | 'unknown';
export function placeOf(cursor: string | undefined, key: 'string'): Place<string> | null | 'unknown';
export function placeOf(
  cursor: string | undefined,
  type: 'number' | 'string',
): Place<string | number> | null | 'unknown' {
  if (cursor === undefined) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (!Array.isArray(value)) return 'unknown';
    const [key, id] = value as unknown[];
    const isKey = typeof key === type && (typeof key === 'number' || typeof key === 'string');
    return isKey && typeof id === 'string' ? [key, id] : 'unknown';
  } catch {
    return 'unknown';
  }
}
