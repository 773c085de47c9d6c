/**
 * The market's sales messages and master lists as bytes. Pure: what comes in is read
 * leniently or rejected with a reason, never thrown at; what goes out is exactly the canonical form, because
 * strict peers drop a value with any extra key and any number out of range.
 */
import type { CommittedEvent } from '../archive/port.js';
import {
  CATEGORIES,
  MATCH_NUMBER_MAX,
  masterListSchema,
  matchEntrySchema,
  QUANTITY_MAX,
  type MatchEntry,
} from '../catalog/match.js';
import { judged } from '../process/judged.js';
import type { LogPosition, RemoteAction, Reservation, TicketId } from '../rules/index.js';
import type { IncomingRecord, OutgoingRecord } from './port.js';

/** Largest value of a record. */
export const VALUE_BYTES_MAX = 1_048_576;
/** Most tickets one sales message may carry; each may end as a dead letter with the whole message in it. */
export const TICKETS_PER_MESSAGE_MAX = 100;
/** Longest id of a marketplace, a reservation or an event. */
export const ID_CHARS_MAX = 200;
/** Most tickets of one published record: strict peers drop more. */
export const QUANTITY_PER_RECORD_MAX = 2;
/** Prices that strict peers accept, per ticket. */
export const STRICT_PRICES: readonly number[] = [75, 125, 195];
/** Header of what a marketplace sends whose holds are granted by the order of the log, and its value. */
export const ADMISSION_HEADER = 'admission';
export const ADMISSION_ORDERED = 'ordered';
/** The clientId of a peer that does not say who it is. */
export const UNKNOWN_CLIENT = 'unknown';
/** Longest reason of a rejection. */
const REASON_CHARS_MAX = 300;

const ACTIONS: ReadonlyMap<unknown, RemoteAction> = new Map<unknown, RemoteAction>([
  ['TICKET_PENDING', 'pending'],
  ['TICKET_RESERVED', 'reserved'],
  ['TICKET_CANCELLED', 'cancelled'],
]);

/** What a sales message says of one ticket. */
export interface DecodedSale {
  readonly ticket: TicketId;
  readonly action: RemoteAction;
  readonly clientId: string;
  readonly quantity: number;
  readonly reservationId?: string;
  /** Its sender grants holds by the order of the log, this reservation's among them. */
  readonly ordered?: true;
}

/** The same with its place in the log. */
export interface DecodedItem extends DecodedSale {
  /** The sender's identity of the event, when it has one. */
  readonly eventId?: string;
  /** Record time, epoch milliseconds. */
  readonly recordedAt: number;
  readonly position: LogPosition;
}

export interface Malformed {
  readonly kind: 'malformed';
  readonly reason: string;
}

const malformed = (reason: string): Malformed => ({
  kind: 'malformed',
  reason: reason.slice(0, REASON_CHARS_MAX),
});

const tooLong = (name: string): Malformed => malformed(`${name} is longer than ${ID_CHARS_MAX} characters`);

type Headers = Readonly<Record<string, string>>;

/** Reads a record of the sales topic: one item per ticket in it, in order. */
export function decodeSalesMessage(
  record: IncomingRecord,
): { readonly kind: 'sales'; readonly items: readonly DecodedItem[] } | Malformed {
  const decoded = readSales(record.value, record.headers);
  if (decoded.kind === 'malformed') return decoded;
  const { source, offset, timestamp } = record;
  const eventId = idOf(field(record.headers, 'eventId'));
  if (eventId !== undefined && eventId.length > ID_CHARS_MAX) return tooLong('eventId');
  const items = decoded.sales.map((sale, index): DecodedItem => ({
    ...sale,
    ...(eventId !== undefined && { eventId }),
    recordedAt: timestamp,
    position: { source, offset, index },
  }));
  return { kind: 'sales', items };
}

/** Reads the value and headers of a sales message that came another way than through a log. */
export function decodeSalesValue(
  value: Buffer | null,
  headers: Headers,
  ownClientId: string,
):
  | { readonly kind: 'sales'; readonly sales: readonly DecodedSale[] }
  | { readonly kind: 'own' }
  | { readonly kind: 'invalid'; readonly reason: string } {
  const decoded = readSales(value, headers);
  if (decoded.kind === 'malformed') return { kind: 'invalid', reason: decoded.reason };
  return decoded.sales.some(({ clientId }) => clientId === ownClientId) ? { kind: 'own' } : decoded;
}

function readSales(
  value: Buffer | null,
  headers: Headers,
): { readonly kind: 'sales'; readonly sales: readonly DecodedSale[] } | Malformed {
  const parsed = parseValue(value);
  if (parsed.kind === 'malformed') return parsed;
  const message = parsed.json;
  const body = field(message, 'body');
  const action = ACTIONS.get(field(field(message, 'meta'), 'action'));
  if (action === undefined) return malformed('meta.action is not one of the three that the market knows');
  const matchNumber = positiveInteger(field(body, 'matchNumber'), MATCH_NUMBER_MAX);
  if (matchNumber === undefined) return malformed(`body.matchNumber is not from 1 to ${MATCH_NUMBER_MAX}`);
  const clientId = clientIdOf(message, headers);
  if (clientId.length > ID_CHARS_MAX) return tooLong('clientId');
  const reservationId = idOf(field(headers, 'reservationId'));
  if (reservationId !== undefined && reservationId.length > ID_CHARS_MAX) return tooLong('reservationId');

  const tickets = ticketsIn(field(body, 'tickets'));
  if (!Array.isArray(tickets)) return tickets;
  // One by one only what has an id can be granted or void.
  const isOrdered = reservationId !== undefined && field(headers, ADMISSION_HEADER) === ADMISSION_ORDERED;
  const sales = tickets.map(({ category, quantity }) => ({
    ticket: { matchNumber, category },
    action,
    clientId,
    quantity,
    ...(reservationId !== undefined && { reservationId }),
    ...(isOrdered && { ordered: true as const }),
  }));
  return { kind: 'sales', sales };
}

/** One ticket, or several in an array. */
function ticketsIn(given: unknown): { readonly category: number; readonly quantity: number }[] | Malformed {
  const entries: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (entries.length === 0) return malformed('body.tickets is empty');
  if (entries.length > TICKETS_PER_MESSAGE_MAX) {
    return malformed(`body.tickets has more than ${TICKETS_PER_MESSAGE_MAX} entries`);
  }
  const tickets: { category: number; quantity: number }[] = [];
  for (const [index, entry] of entries.entries()) {
    const category = positiveInteger(field(entry, 'category'), CATEGORIES.length);
    if (category === undefined) return malformed(`ticket ${index}: category is not from 1 to 3`);
    const quantity = field(entry, 'quantity');
    if (!isPositiveInteger(quantity, QUANTITY_MAX)) {
      return malformed(`ticket ${index}: quantity is not a whole number from 1 to ${QUANTITY_MAX}`);
    }
    tickets.push({ category, quantity });
  }
  return tickets;
}

/** Reads a record of the master-list topic: one match, or several. */
export function decodeMasterList(
  record: Pick<IncomingRecord, 'value'>,
): { readonly kind: 'masterList'; readonly entries: readonly MatchEntry[] } | Malformed {
  const parsed = parseValue(record.value);
  if (parsed.kind === 'malformed') return parsed;
  // Chosen by hand, because what a union says of its failure names no field.
  const schema = Array.isArray(parsed.json) ? masterListSchema.options[1] : matchEntrySchema;
  const result = judged<typeof schema>(schema, parsed.json);
  if (!result.success) {
    const issue = result.error.issues[0];
    return malformed(`master list: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
  }
  return { kind: 'masterList', entries: Array.isArray(result.data) ? result.data : [result.data] };
}

/** Who sent it: the header says it before the value does. */
function clientIdOf(message: unknown, headers: Headers): string {
  return (
    idOf(field(headers, 'clientId')) ??
    idOf(field(field(message, 'meta'), 'clientId')) ??
    idOf(field(field(message, 'body'), 'clientId')) ??
    idOf(field(message, 'clientId')) ??
    UNKNOWN_CLIENT
  );
}

function parseValue(value: Buffer | null): { readonly kind: 'json'; readonly json: unknown } | Malformed {
  if (value === null || value.length === 0) return malformed('the record has no value');
  if (value.length > VALUE_BYTES_MAX) return malformed(`the value is larger than ${VALUE_BYTES_MAX} bytes`);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(value);
    return { kind: 'json', json: JSON.parse(text) };
  } catch {
    return malformed('the value is not JSON in UTF-8');
  }
}

/** An own property of an object, so that nothing is ever read from a prototype. */
function field(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, key) ? (value as Readonly<Record<string, unknown>>)[key] : undefined;
}

function idOf(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function isPositiveInteger(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
}

/** A number, or a string of nothing but digits. */
function positiveInteger(value: unknown, max: number): number | undefined {
  const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
  return isPositiveInteger(number, max) ? number : undefined;
}

// --- What we publish --------------------------------------------------------------------------------------

export interface EncodeOptions {
  /** This marketplace. */
  readonly clientId: string;
  /** The sales topic. */
  readonly topic: string;
  /** Adds `meta.clientId` to the value; strict peers then drop it. */
  readonly clientIdInValue: boolean;
  /** Says that holds are granted by the order of the log. Absent: they are not. */
  readonly ordered?: boolean;
}

interface Announcement {
  readonly action: string;
  readonly reservation: Reservation;
  readonly quantity: number;
  readonly reason?: string;
}

/** What other marketplaces hear of an event; null when it is none of theirs. */
function announcementOf({ event }: CommittedEvent): Announcement | null {
  switch (event.type) {
    case 'held':
      // What the log granted stands in it since it was asked for.
      return event.logged ? null : announced('TICKET_PENDING', event.reservation);
    case 'asked':
      return announced('TICKET_PENDING', event.asked.reservation);
    case 'sold':
      return announced('TICKET_RESERVED', event.reservation, 'paid');
    case 'released':
      // Of a cancelled match nothing is to be had again.
      if (event.cause) return null;
      return announced('TICKET_CANCELLED', event.reservation, event.reservation.reason ?? 'cancelled');
    case 'voided':
      return event.cause ? null : announced('TICKET_CANCELLED', event.asked.reservation, 'cancelled');
    case 'refunded':
      if (event.cause) return null;
      return { ...announced('TICKET_CANCELLED', event.reservation, 'refunded'), quantity: event.quantity };
    case 'paymentStarted':
    case 'paymentDeclined':
    case 'logged':
    case 'remote':
    case 'loaded':
    case 'closed':
    case 'reopened':
    case 'paused':
    case 'orphanDecided':
    case 'remoteReleased':
    case 'waitingJoined':
    case 'waitingLeft':
      return null;
  }
}

const announced = (action: string, reservation: Reservation, reason?: string): Announcement => ({
  action,
  reservation,
  quantity: reservation.quantity,
  ...(reason !== undefined && { reason }),
});

/** Identity of an event in the market: `matchNumber:category:incarnation:sequence`. */
export function eventIdOf({
  ticket,
  incarnation,
  sequence,
}: Omit<CommittedEvent, 'event' | 'commandId'>): string {
  return `${ticket.matchNumber}:${ticket.category}:${incarnation}:${sequence}`;
}

/** The event of ours that a record tells of, as far as its `eventId` says; null when it is not ours. */
export function ownEventOf(
  { headers }: Pick<IncomingRecord, 'headers'>,
  clientId: string,
): { readonly ticket: TicketId; readonly incarnation: number; readonly sequence: number } | null {
  if (field(headers, 'clientId') !== clientId) return null;
  const match = /^(\d{1,9}):(\d):(\d{1,15}):(\d{1,15})(\/\d{1,9})?$/.exec(String(field(headers, 'eventId')));
  if (!match) return null;
  const [matchNumber = 0, category = 0, incarnation = 0, sequence = 0] = match.slice(1, 5).map(Number);
  return { ticket: { matchNumber, category }, incarnation, sequence };
}

/** The records that tell other marketplaces of an event, none when it does not concern them. Deterministic. */
export function encodeSale(event: CommittedEvent, options: EncodeOptions): OutgoingRecord[] {
  const announcement = announcementOf(event);
  if (announcement === null) return [];
  const { reservation } = announcement;
  const { matchNumber, category } = event.ticket;
  const eventId = eventIdOf(event);
  const parts = split(announcement.quantity);
  return parts.map((quantity, i) => ({
    topic: options.topic,
    key: `${matchNumber}:${category}`,
    value: JSON.stringify({
      meta: {
        action: announcement.action,
        ...(options.clientIdInValue && { clientId: options.clientId }),
      },
      body: { matchNumber, tickets: { category, quantity, price: reservation.unitPrice } },
    }),
    headers: {
      clientId: options.clientId,
      eventId: parts.length === 1 ? eventId : `${eventId}/${i + 1}`,
      reservationId: reservation.id,
      sequence: String(event.sequence),
      ...(announcement.reason !== undefined && { reason: announcement.reason }),
      ...(options.ordered && { [ADMISSION_HEADER]: ADMISSION_ORDERED }),
    },
  }));
}

/** A quantity as several of at most `QUANTITY_PER_RECORD_MAX`. */
function split(quantity: number): number[] {
  const parts: number[] = [];
  for (let left = quantity; left > 0; left -= QUANTITY_PER_RECORD_MAX) {
    parts.push(Math.min(left, QUANTITY_PER_RECORD_MAX));
  }
  return parts;
}

/** Sentences about entries whose sales strict peers would drop. */
export function strictnessReport(entries: readonly MatchEntry[]): string[] {
  return entries.flatMap(({ matchNumber, availability }) =>
    CATEGORIES.flatMap((category) => {
      const { price } = availability[`category${category}`];
      if (STRICT_PRICES.includes(price)) return [];
      return [
        `Match ${matchNumber}, category ${category}: strict marketplaces drop messages about it, because its price ${price} is not one of ${STRICT_PRICES.join(', ')}.`,
      ];
    }),
  );
}
