/**
 * What a peer sends. Guarantee: the records of a sale are canonical, so that the strictest marketplace takes
 * them; no marketplace can take anything of what `garbageRecord` makes.
 */
import { CATEGORIES, MATCH_NUMBER_MAX } from '../catalog/match.js';
import type { OutgoingRecord } from '../kafka/port.js';
import { QUANTITY_PER_RECORD_MAX } from '../kafka/wire.js';
import type { TicketId } from '../rules/index.js';
import { wholeFrom, type Random } from './random.js';

/** Which headers a peer sends: clientId, reservationId and eventId; clientId alone; none, and no key either. */
export const IDS_MODES = ['full', 'client', 'none'] as const;
export type IdsMode = (typeof IDS_MODES)[number];

export type SaleAction = 'TICKET_PENDING' | 'TICKET_RESERVED' | 'TICKET_CANCELLED';

export interface Sale {
  readonly reservationId: string;
  readonly ticket: TicketId;
  readonly quantity: number;
  /** Per ticket. */
  readonly price: number;
}

export interface Sender {
  readonly topic: string;
  readonly clientId: string;
  readonly ids: IdsMode;
}

/** One record, or several of at most two tickets each. */
export function saleRecords(sale: Sale, action: SaleAction, sender: Sender): OutgoingRecord[] {
  const { matchNumber, category } = sale.ticket;
  const records: OutgoingRecord[] = [];
  for (let left = sale.quantity; left > 0; left -= QUANTITY_PER_RECORD_MAX) {
    const quantity = Math.min(left, QUANTITY_PER_RECORD_MAX);
    const value = salesValue(action, matchNumber, { category, quantity, price: sale.price });
    const eventId = `${sale.reservationId}/${action}/${records.length + 1}`;
    records.push({
      topic: sender.topic,
      ...(sender.ids !== 'none' && { key: `${matchNumber}:${category}` }),
      value: JSON.stringify(value),
      headers: headersOf(sender, sale.reservationId, eventId),
    });
  }
  return records;
}

function headersOf(
  { clientId, ids }: Sender,
  reservationId: string,
  eventId: string,
): Readonly<Record<string, string>> {
  switch (ids) {
    case 'full':
      return { clientId, reservationId, eventId };
    case 'client':
      return { clientId };
    case 'none':
      return {};
  }
}

const salesValue = (action: string, matchNumber: number, tickets: unknown): unknown => ({
  meta: { action },
  body: { matchNumber, tickets },
});

const PENDING = 'TICKET_PENDING';
const PRICE = 75;
const CATEGORY_UNKNOWN = CATEGORIES.length + 1;
/** Matches from here on are on no list. */
const MATCH_NUMBER_UNKNOWN_MIN = 9_000;
const QUANTITY_ABSURD = 1_000_000_000;

const withQuantity = (quantity: unknown): string =>
  JSON.stringify(salesValue(PENDING, 1, { category: 1, quantity, price: PRICE }));

/** Values that nobody can take, by kind. */
const GARBAGE: Readonly<Record<string, (random: Random) => string>> = {
  notJson: () => 'TICKET_PENDING 1 1 2',
  cutShort: () => withQuantity(1).slice(0, -12),
  empty: () => '',
  notAnObject: () => '[[1, 2, 3]]',
  unknownAction: () =>
    JSON.stringify(salesValue('TICKET_STOLEN', 1, { category: 1, quantity: 1, price: PRICE })),
  absurdQuantity: () => withQuantity(QUANTITY_ABSURD),
  noQuantity: () => withQuantity(0),
  negativeQuantity: () => withQuantity(-2),
  halfATicket: () => withQuantity(1.5),
  quantityInWords: () => withQuantity('two'),
  noTickets: () => JSON.stringify(salesValue(PENDING, 1, [])),
  unknownCategory: () =>
    JSON.stringify(salesValue(PENDING, 1, { category: CATEGORY_UNKNOWN, quantity: 1, price: PRICE })),
  unknownMatch: (random) => {
    const matchNumber = wholeFrom(random, MATCH_NUMBER_UNKNOWN_MIN, MATCH_NUMBER_MAX);
    return JSON.stringify(salesValue(PENDING, matchNumber, { category: 1, quantity: 1, price: PRICE }));
  },
};

export const GARBAGE_KINDS: readonly string[] = Object.keys(GARBAGE);

/** A record that a marketplace must survive and cannot use. */
export function garbageRecord(random: Random, { topic, clientId, ids }: Sender): OutgoingRecord {
  const makers = Object.values(GARBAGE);
  const make = makers[wholeFrom(random, 0, makers.length - 1)];
  return {
    topic,
    value: make === undefined ? '' : make(random),
    headers: ids === 'none' ? {} : { clientId },
  };
}
