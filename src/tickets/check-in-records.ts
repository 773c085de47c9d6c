/**
 * What is kept of check-ins beside the admissions, and how many there are. Guarantees: a conflict is kept once,
 * however often its scan is sent, and never changed but for the one note that it was looked into; counting reads what is new, not all of it each time.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import { Collection, sortable, type Documents } from '../archive/documents.js';
import type { Page } from '../archive/port.js';
import { BoundedMap } from '../security/bounded-map.js';
import { hashOf } from '../users/records.js';

/** Why somebody is not let in. */
export const REFUSALS = ['forged', 'void', 'refunding', 'replaced', 'other_match', 'cancelled'] as const;
export type CheckInRefusal = (typeof REFUSALS)[number];

const entrySchema = z.object({
  /** By the device's clock. */
  at: z.number(),
  gate: z.string(),
  device: z.string(),
  /** The steward's account. */
  by: z.string(),
});
/** Where and by whom somebody was let in. */
export type Entry = z.output<typeof entrySchema>;

const conflictSchema = z.object({
  scanId: z.string(),
  /** What the code says when it is forged, as far as it says anything. */
  ticketId: z.string(),
  /** Of the gate. */
  matchNumber: z.number().int(),
  /** `twice`: `first` was let in with the same ticket. `let_in_refused`: it admitted nobody. */
  kind: z.enum(['twice', 'let_in_refused']),
  reason: z.enum(REFUSALS).exactOptional(),
  first: entrySchema.exactOptional(),
  second: entrySchema,
  noticedAt: z.number(),
  /** Somebody looked into it: who is let in does not change by that. */
  resolved: z.object({ at: z.number(), by: z.string(), note: z.string() }).exactOptional(),
});
export type Conflict = z.output<typeof conflictSchema>;

interface PageRequest {
  readonly limit: number;
  readonly after?: string;
}

export class ConflictRecords {
  readonly #collection: Collection<'checkInConflicts', typeof conflictSchema>;

  constructor(documents: Documents) {
    this.#collection = new Collection(documents, {
      name: 'checkInConflicts',
      schema: conflictSchema,
      lists: ({ matchNumber, noticedAt }) => ({
        all: sortable(noticedAt),
        match: `m${matchNumber}/${sortable(noticedAt)}`,
      }),
    });
  }

  /** Unless it is there: the same scan of the same ticket is one. */
  async keep(conflict: Conflict): Promise<void> {
    await this.#collection.insert(hashOf('conflict', conflict.scanId, conflict.ticketId), conflict);
  }

  /** Null when there is none. */
  async find(id: string): Promise<Conflict | null> {
    return (await this.#collection.get(id))?.value ?? null;
  }

  /** The first note stays. Null when there is no such conflict. */
  async resolve(id: string, resolved: NonNullable<Conflict['resolved']>): Promise<Conflict | null> {
    const kept = await this.#collection.update(id, (conflict) =>
      conflict.resolved ? conflict : { ...conflict, resolved },
    );
    return kept?.value ?? null;
  }

  /** The newest first. */
  async list(
    matchNumber: number | undefined,
    page: PageRequest,
  ): Promise<Page<Conflict & { readonly id: string }>> {
    const request = { ...page, newestFirst: true };
    const { items, ...rest } =
      matchNumber === undefined
        ? await this.#collection.list('all', request)
        : await this.#collection.list('match', { ...request, prefix: `m${matchNumber}/` });
    return { ...rest, items: items.map(({ id, value }) => ({ ...value, id })) };
  }

  /** Those of a match, the newest first. */
  async *counted(matchNumber: number): AsyncIterable<Counted> {
    const ofMatch = { prefix: `m${matchNumber}/`, newestFirst: true };
    for await (const { id, value } of this.#collection.all('match', ofMatch)) {
      yield { id, at: value.noticedAt, group: 0 };
    }
  }
}

/** Something that is counted, and is never taken away. */
export interface Counted {
  readonly id: string;
  /** By which its list is sorted, epoch milliseconds. */
  readonly at: number;
  readonly group: number;
}

interface Count {
  readonly groups: Map<number, number>;
  /** Those that a later look may show again. */
  recent: ReadonlyMap<string, number>;
  readAt: number;
}

/** Beyond the differences between clocks of processes, and the time a write takes. */
const OVERLAP_MS = 60_000;
/** How old an answer may be. */
const KEEP_MS = 1_000;
const MATCHES_MAX = 64;

function newestOf(entries: Iterable<readonly [id: string, at: number]>): number {
  let newest = 0;
  for (const [, at] of entries) newest = Math.max(newest, at);
  return newest;
}

/** Counts of a match's, by group. The first look reads all of them, the next ones what has come since. */
export class Tally {
  readonly #read: (matchNumber: number) => AsyncIterable<Counted>;
  readonly #clock: Clock;
  readonly #counts = new BoundedMap<number, Count>(MATCHES_MAX);
  readonly #looking = new Map<number, Promise<Count>>();

  /** `read`: the newest first. */
  constructor(clock: Clock, read: (matchNumber: number) => AsyncIterable<Counted>) {
    this.#clock = clock;
    this.#read = read;
  }

  async of(matchNumber: number): Promise<ReadonlyMap<number, number>> {
    const known = this.#counts.get(matchNumber);
    if (known && this.#clock.now() - known.readAt < KEEP_MS) return known.groups;
    let looking = this.#looking.get(matchNumber);
    if (!looking) {
      looking = this.#look(matchNumber, known).finally(() => this.#looking.delete(matchNumber));
      this.#looking.set(matchNumber, looking);
    }
    return (await looking).groups;
  }

  async #look(matchNumber: number, known: Count | undefined): Promise<Count> {
    const readAt = this.#clock.now();
    const horizon = newestOf(known?.recent ?? []) - OVERLAP_MS;
    const found = new Map<string, Counted>();
    for await (const one of this.#read(matchNumber)) {
      if (one.at < horizon) break;
      found.set(one.id, one);
    }
    // Nothing of it is changed before all was read.
    const count = known ?? { groups: new Map<number, number>(), recent: new Map<string, number>(), readAt };
    for (const { id, group } of found.values()) {
      if (!count.recent.has(id)) count.groups.set(group, (count.groups.get(group) ?? 0) + 1);
    }
    const all = [...count.recent, ...[...found.values()].map(({ id, at }): [string, number] => [id, at])];
    const newest = newestOf(all);
    count.recent = new Map(all.filter(([, at]) => at >= newest - OVERLAP_MS));
    count.readAt = readAt;
    this.#counts.set(matchNumber, count);
    return count;
  }
}
