/**
 * Where messages go that cannot take effect. Guarantee: a letter is kept when `add` has resolved, with the raw
 * bytes and headers, and everything that is needed to read it again (`redrive` of the consumer).
 */
import type { DeadLetter } from '../archive/port.js';
import type { IncomingRecord } from './port.js';
import type { DecodedItem } from './wire.js';

export interface DeadLetters {
  /** Keeps a letter; the same id again changes nothing. */
  add(letter: DeadLetter): Promise<void>;
  /** It took effect after all, nobody need re-drive it. An id that is not there changes nothing. */
  settled(id: string): Promise<void>;
  /** True when all letters of this process are durable outside Redis; tries those again that are not. */
  archivedAll(): Promise<boolean>;
}

/** `settled`: it took effect, now or before. */
export type RedriveResult =
  { readonly kind: 'settled' } | { readonly kind: 'refused'; readonly reason: string };

/** Headers added to a letter; a sender's own of these names are replaced. */
const TOPIC = 'x-original-topic';
const OFFSET = 'x-original-offset';
const TIMESTAMP = 'x-original-timestamp';
const INDEX = 'x-original-index';

/** Id of one item of a record, and of the command made from it. */
export const itemIdOf = (source: string, offset: string, index: number): string =>
  `${source}/${offset}/${index}`;

export const messageIdOf = ({ position: { source, offset, index } }: Pick<DecodedItem, 'position'>): string =>
  itemIdOf(source, offset, index);

/** A letter about a whole record, or about one ticket in it. */
export function letterOf(
  record: IncomingRecord,
  reason: string,
  receivedAt: number,
  index?: number,
): DeadLetter {
  const { source, topic, offset, timestamp, value } = record;
  const headers = Object.fromEntries(Object.entries(record.headers).filter(([name]) => name !== INDEX));
  return {
    id: index === undefined ? `${source}/${offset}` : itemIdOf(source, offset, index),
    source,
    reason,
    raw: value?.toString('base64') ?? '',
    headers: {
      ...headers,
      [TOPIC]: topic,
      [OFFSET]: offset,
      [TIMESTAMP]: String(timestamp),
      ...(index !== undefined && { [INDEX]: String(index) }),
    },
    receivedAt,
  };
}

/** The record behind a letter; null when the letter was not made from one. */
export function recordOf(
  letter: DeadLetter,
): { readonly record: IncomingRecord; readonly index: number | undefined } | null {
  const { [TOPIC]: topic, [OFFSET]: offset, [TIMESTAMP]: timestamp, [INDEX]: index } = letter.headers;
  if (topic === undefined || offset === undefined || timestamp === undefined) return null;
  const record: IncomingRecord = {
    source: letter.source,
    topic,
    offset,
    timestamp: Number(timestamp),
    value: Buffer.from(letter.raw, 'base64'),
    headers: letter.headers,
  };
  return { record, index: index === undefined ? undefined : Number(index) };
}
