/**
 * What Redis has of a ticket's waiting list, as values.
 *
 * Guarantee: a commit writes what it changed of the list, whatever the length of it. The entries stand in the hash of
 * what peers hold, where a claim reads all at once, under fields that no peer can have: `remoteKey` writes a `%` of a
 * peer as `%25`. Their order stands in a sorted set beside it, so that a position is looked up without the list.
 */
import type { Commit } from '../actors/ports.js';
import type { Asked, RemoteTally, WaitingEntry } from '../rules/index.js';

const ENTRY = '%wait/';
const PERSON = '%waiter/';

/** Of the hash: an entry as JSON. */
export const entryField = (entryId: string): string => `${ENTRY}${entryId}`;
/** Of the hash: the id of a person's entry. */
export const personField = (person: string): string => `${PERSON}${person}`;

export interface WaitingChanges {
  readonly set: readonly WaitingEntry[];
  readonly removed: readonly WaitingEntry[];
  /** Those of them that were not offered tickets. */
  readonly ended: readonly WaitingEntry[];
}

export function waitingChangesOf({ before, after, events, replace }: Commit): WaitingChanges {
  const touched = new Map<string, WaitingEntry>();
  const offered = new Set<string>();
  const touch = (entry: WaitingEntry | undefined): void => {
    if (entry) touched.set(entry.id, entry);
  };
  if (replace) after.waiting.entries.forEach(touch);
  for (const { event } of events) {
    switch (event.type) {
      case 'waitingJoined':
      case 'waitingLeft':
        touch(event.entry);
        break;
      case 'held': {
        const { offer } = event.reservation;
        if (!offer) break;
        offered.add(offer.entryId);
        touch(before.waiting.entries.get(offer.entryId));
        break;
      }
      case 'closed':
        // Of a cancelled match nobody waits any more.
        if (event.cause) before.waiting.entries.forEach(touch);
        break;
      default:
    }
  }
  const set: WaitingEntry[] = [];
  const removed: WaitingEntry[] = [];
  for (const entry of touched.values()) {
    if (after.waiting.entries.has(entry.id)) set.push(entry);
    else removed.push(entry);
  }
  return { set, removed, ended: removed.filter(({ id }) => !offered.has(id)) };
}

/** Of the hash, what of a waiting list a field has: an entry, or the id of a person's; null for what is none of it. */
export function waitingFieldKind(field: string): 'entry' | 'person' | null {
  if (field.startsWith(ENTRY)) return 'entry';
  return field.startsWith(PERSON) ? 'person' : null;
}

/** A value of the hash: what a peer has, what the log is asked for, an entry, or the id of a person's entry. */
export type RemoteValue = RemoteTally | Asked | WaitingEntry | string;

/** Fields to be written, and those to be removed. */
export function waitingFields({ set, removed }: WaitingChanges): {
  readonly written: (readonly [string, RemoteValue])[];
  readonly removed: string[];
} {
  const back = new Set(set.map(({ person }) => person));
  return {
    written: set.flatMap((entry): (readonly [string, RemoteValue])[] => [
      [entryField(entry.id), entry],
      [personField(entry.person), entry.id],
    ]),
    removed: removed.flatMap(({ id, person }) =>
      // Who left and joined again has another entry.
      back.has(person) ? [entryField(id)] : [entryField(id), personField(person)],
    ),
  };
}

/** How an entry is kept for a while that left without an offer. */
export function encodeLeft(entry: WaitingEntry): string {
  return JSON.stringify({ left: entry });
}

export function decodeLeft(json: string): WaitingEntry | null {
  return (JSON.parse(json) as { readonly left?: WaitingEntry }).left ?? null;
}
