/**
 * What the log of a ticket says by itself: who bought how much, and whose hold it granted. Written from the market's
 * contract alone: a PENDING is granted if what is pending covers it at its place, and void if not; only what was granted
 * may be sold. Nothing of the product is imported.
 */
import { readMessage, type LogRecord } from '../exchange/fold.js';

export interface LogOf {
  /** Tickets that are sold and were not given back, by reservation. */
  readonly sold: ReadonlyMap<string, number>;
  /** Holds that were granted, and those that were void. */
  readonly granted: number;
  readonly voided: number;
  /** Reservations that were sold though their hold was void at its place, or that have no hold there. */
  readonly outOfTurn: readonly string[];
}

interface Place {
  held: number;
  sold: number;
  isVoid: boolean;
}

/** Records of one partition, in order. `ticket`: `matchNumber:category`. */
export function readLog(records: readonly LogRecord[], ticket: string, capacity: number): LogOf {
  const places = new Map<string, Place>();
  const outOfTurn = new Set<string>();
  let [pending, granted, voided] = [capacity, 0, 0];
  for (const { action, id, quantity } of records.flatMap((record) => movesOf(record, ticket))) {
    const place = places.get(id) ?? { held: 0, sold: 0, isVoid: true };
    places.set(id, place);
    if (action === 'TICKET_PENDING') {
      place.isVoid = quantity > pending;
      if (place.isVoid) voided += 1;
      else {
        granted += 1;
        place.held += quantity;
        pending -= quantity;
      }
    } else if (action === 'TICKET_RESERVED') {
      if (place.isVoid) outOfTurn.add(id);
      place.sold += quantity;
      place.held = Math.max(0, place.held - quantity);
    } else {
      const ended = Math.min(place.held, quantity);
      const refunded = Math.min(place.sold, quantity - ended);
      place.held -= ended;
      place.sold -= refunded;
      pending += ended + refunded;
    }
  }
  const sold = [...places].flatMap(([id, place]) => (place.sold > 0 ? [[id, place.sold] as const] : []));
  return { sold: new Map(sold), granted, voided, outOfTurn: [...outOfTurn] };
}

function movesOf(record: LogRecord, ticket: string) {
  const message = readMessage(record);
  if (!message) return [];
  const { action, matchNumber, clientId, reservationId, tickets } = message;
  return tickets
    .filter(({ category }) => `${matchNumber}:${category}` === ticket)
    .map(({ quantity }) => ({ action, quantity, id: `${clientId} ${reservationId}` }));
}
