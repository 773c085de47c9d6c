/**
 * What Redis has of a ticket's waiting list, as values.
 *
 * Guarantee: a commit writes what it changed of the list, whatever the length of it. The entries stand in the hash of
 * what peers hold, where a claim reads all at once, under fields that no peer can have: `remoteKey` writes a `%` of a
 * peer as `%25`. Their order stands in a sorted set beside it, so that a position is looked up without the list.
 */
import type { Commit } from '../actors/ports.js';
import type { RemoteTally, WaitingEntry } from '../rules/index.js';

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

/** A value of the hash: what a peer has, an entry, or the id of a person's entry. */
export type RemoteValue = RemoteTally | WaitingEntry | string;

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

/** The hash of a ticket, taken apart. */
export function splitRemote(fields: Iterable<readonly [string, RemoteValue]>): {
  readonly tallies: [string, RemoteTally][];
  readonly waiting: WaitingEntry[];
} {
  const tallies: [string, RemoteTally][] = [];
  const waiting: WaitingEntry[] = [];
  for (const [field, value] of fields) {
    // What a field holds its name says.
    if (field.startsWith(ENTRY)) waiting.push(value as WaitingEntry);
    else if (!field.startsWith(PERSON)) tallies.push([field, value as RemoteTally]);
  }
  return { tallies, waiting };
}

/** How an entry is kept for a while that left without an offer. */
export function encodeLeft(entry: WaitingEntry): string {
  return JSON.stringify({ left: entry });
}

export function decodeLeft(json: string): WaitingEntry | null {
  return (JSON.parse(json) as { readonly left?: WaitingEntry }).left ?? null;
}
