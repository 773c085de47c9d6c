/**
 * How the places of a chain (chain.ts) are written and read back.
 */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Binary, BSON } from 'mongodb';
import type { TicketId } from '../../rules/index.js';
import type { CommittedEvent, LedgerPosition } from '../port.js';
import {
  numberKey,
  positionKey,
  ticketKey,
  type LedgerEntry,
  type Marker,
  type StoredEvent,
} from './layout.js';

/** A document may have 16 MiB. So many events are not measured, and above this size they are packed. */
const EVENTS_UNMEASURED_MAX = 500;
const ENTRY_BYTES_MAX = 12 * 2 ** 20;

/** The end of a ticket's chain. */
export interface Tail {
  /** Number of its last entry; 0 when there is none. */
  readonly number: number;
  /** The incarnation that is open; older ones are fenced. */
  readonly incarnation: number;
  readonly head: LedgerPosition | null;
}

export const EMPTY_TAIL: Tail = { number: 0, incarnation: 0, head: null };

/** What joins the chain of a ticket as one entry. */
export interface Addition {
  readonly ticket: TicketId;
  /** The end of the chain that it was decided on, and must follow. */
  readonly after: Tail;
  readonly incarnation: number;
  readonly head: LedgerPosition | null;
  readonly events: readonly CommittedEvent[];
}

export type Place = LedgerEntry | Marker;

export function isOpening(place: Place): boolean {
  return 'opens' in place && place.opens;
}

export function keyOf(ticket: TicketId, number: number): string {
  return ticketKey(ticket, numberKey(number));
}

export function markerOf(
  ticket: TicketId,
  number: number,
  fields: { readonly opens: boolean; readonly from: number },
): Marker {
  const { matchNumber, category } = ticket;
  return { _id: keyOf(ticket, number), matchNumber, category, number, ...fields };
}

const zip = promisify(gzip);
const unzip = promisify(gunzip);

export async function entryOf({ ticket, after, incarnation, head, events }: Addition): Promise<LedgerEntry> {
  const { matchNumber, category } = ticket;
  const number = after.number + 1;
  const stored = events.map(({ ticket: _, ...event }): StoredEvent => event);
  const remote = events.filter(({ event }) => event.type === 'remote').map(({ commandId }) => commandId);
  return {
    _id: keyOf(ticket, number),
    matchNumber,
    category,
    number,
    incarnation,
    position: positionKey(head),
    ...(remote.length > 0 && { remoteCommands: remote }),
    ...(fits(stored) ? { events: stored } : { packed: new Binary(await zip(JSON.stringify(stored))) }),
  };
}

function fits(events: readonly StoredEvent[]): boolean {
  if (events.length <= EVENTS_UNMEASURED_MAX) return true;
  return BSON.calculateObjectSize({ events }, { ignoreUndefined: true }) <= ENTRY_BYTES_MAX;
}

/** What this archive wrote reads back as what it was: the schema version says so. */
export async function eventsOf(
  { matchNumber, category }: TicketId,
  { events, packed }: LedgerEntry,
): Promise<CommittedEvent[]> {
  const stored = packed
    ? (JSON.parse((await unzip(packed.value())).toString()) as readonly StoredEvent[])
    : (events ?? []);
  return stored.map((event) => ({ ...event, ticket: { matchNumber, category } }));
}
