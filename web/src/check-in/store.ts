/**
 * What a device at a gate keeps, in IndexedDB.
 *
 * Guarantees: an admission is let in once per device, whatever tabs do at the same time; what was let in without a
 * network is on the disk before anybody is told, together with its place in the queue; it leaves the queue only with
 * an answer of the server, and a conflict that the answer tells of is on the disk by then.
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import type { GateMatch, LetIn, SyncResult } from './remote';
import type { TicketKey } from './signature';

/** Of this browser. */
export interface Device {
  readonly id: string;
  readonly name: string;
}

/** Where it stands. */
export interface Post {
  readonly matchNumber: number;
  readonly gate: string;
}

export interface KeptList {
  readonly matchNumber: number;
  /** As it came: its signature is checked each time it is read. */
  readonly jws: string;
  readonly downloadedAt: number;
  /** The name of the account. */
  readonly by: string;
  readonly match: GateMatch | null;
}

export interface KeptAdmission {
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly category: number;
  readonly number: number;
  readonly scanId: string;
  /** By the server's clock, milliseconds since 1970. */
  readonly at: number;
  readonly gate: string;
  readonly device: string;
}

export interface WaitingScan {
  readonly scanId: string;
  readonly code: string;
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly gate: string;
  readonly device: string;
  readonly at: number;
  /** Why the server does not take it; nobody but a person can do something about it then. */
  readonly stuck?: string;
}

/** Something that was let in and should not have been, as the server told when it heard of it. */
export interface KeptConflict {
  readonly scanId: string;
  readonly ticketId: string;
  readonly matchNumber: number;
  readonly kind: 'twice' | 'let_in_refused';
  readonly reason?: string;
  readonly first?: LetIn;
  readonly second: LetIn;
  readonly noticedAt: number;
}

interface Facts {
  readonly device: Device;
  readonly post: Post;
  readonly keys: readonly TicketKey[];
  readonly matches: readonly GateMatch[];
}

interface Schema extends DBSchema {
  facts: { key: string; value: { readonly name: keyof Facts; readonly value: unknown } };
  lists: { key: number; value: KeptList };
  admissions: { key: string; value: KeptAdmission; indexes: { byMatch: number } };
  queue: { key: string; value: WaitingScan; indexes: { byAt: number } };
  conflicts: { key: string; value: KeptConflict };
}

export type LettingIn =
  | { readonly kind: 'let_in' }
  /** This device has let it in before. */
  | { readonly kind: 'repeated'; readonly first: KeptAdmission };

const NAME = 'ticktak.check-in';
const VERSION = 1;
/** Lists and admissions of matches long over. What waits in the queue is never forgotten. */
const KEEP_MS = 30 * 24 * 60 * 60_000;
/** The answer may be shown when it would outlast the device losing its power. */
const DURABLE = { durability: 'strict' } as const;

export class GateStore {
  readonly #db: IDBPDatabase<Schema>;

  private constructor(db: IDBPDatabase<Schema>) {
    this.#db = db;
  }

  /** Rejects where the browser keeps nothing. `onEnded`: the browser has closed it; it must be opened anew. */
  static async open(onEnded: () => void = () => undefined): Promise<GateStore> {
    const db = await openDB<Schema>(NAME, VERSION, {
      upgrade(opening) {
        opening.createObjectStore('facts', { keyPath: 'name' });
        opening.createObjectStore('lists', { keyPath: 'matchNumber' });
        opening
          .createObjectStore('admissions', { keyPath: 'ticketId' })
          .createIndex('byMatch', 'matchNumber');
        opening.createObjectStore('queue', { keyPath: 'scanId' }).createIndex('byAt', 'at');
        opening.createObjectStore('conflicts', { keyPath: 'scanId' });
      },
      // A newer version of the page in another tab must not wait for this one.
      blocking: (_current, _blocked, event) => {
        (event.target as IDBDatabase).close();
        onEnded();
      },
      terminated: onEnded,
    });
    return new GateStore(db);
  }

  close(): void {
    this.#db.close();
  }

  async fact<N extends keyof Facts>(name: N): Promise<Facts[N] | null> {
    const kept = await this.#db.get('facts', name);
    // What was put under a name has its type.
    return kept ? (kept.value as Facts[N]) : null;
  }

  async setFact<N extends keyof Facts>(name: N, value: Facts[N]): Promise<void> {
    await this.#db.put('facts', { name, value });
  }

  /** The one that is there, or `made`: two tabs that open at once get the same. */
  async deviceOr(made: Device): Promise<Device> {
    const tx = this.#db.transaction('facts', 'readwrite');
    const kept = await tx.store.get('device');
    if (!kept) await tx.store.put({ name: 'device', value: made });
    await tx.done;
    return kept ? (kept.value as Device) : made;
  }

  async list(matchNumber: number): Promise<KeptList | null> {
    return (await this.#db.get('lists', matchNumber)) ?? null;
  }

  lists(): Promise<KeptList[]> {
    return this.#db.getAll('lists');
  }

  async keepList(list: KeptList): Promise<void> {
    await this.#db.put('lists', list);
  }

  async admission(ticketId: string): Promise<KeptAdmission | null> {
    return (await this.#db.get('admissions', ticketId)) ?? null;
  }

  /** Of this device. */
  admittedCount(matchNumber: number): Promise<number> {
    return this.#db.countFromIndex('admissions', 'byMatch', matchNumber);
  }

  /**
   * Remembers that somebody is let in. `code`: the server does not know yet and must be told. Resolves once it is on
   * the disk.
   */
  async letIn(admission: KeptAdmission, code: string | null): Promise<LettingIn> {
    const tx = this.#db.transaction(['admissions', 'queue'], 'readwrite', DURABLE);
    const first = await tx.objectStore('admissions').get(admission.ticketId);
    if (first && first.scanId !== admission.scanId) {
      await tx.done;
      return { kind: 'repeated', first };
    }
    const { ticketId, matchNumber, scanId, at, gate, device } = admission;
    await Promise.all([
      tx.objectStore('admissions').put(admission),
      code === null
        ? tx.objectStore('queue').delete(scanId)
        : tx.objectStore('queue').put({ scanId, code, ticketId, matchNumber, gate, device, at }),
      tx.done,
    ]);
    return { kind: 'let_in' };
  }

  /** Whether the server still has to hear of this scan. */
  async isWaiting(scanId: string): Promise<boolean> {
    return (await this.#db.count('queue', scanId)) > 0;
  }

  async queued(): Promise<{ readonly waiting: number; readonly stuck: readonly WaitingScan[] }> {
    const all = await this.#db.getAllFromIndex('queue', 'byAt');
    const stuck = all.filter((scan) => scan.stuck !== undefined);
    return { waiting: all.length - stuck.length, stuck };
  }

  /** The oldest that wait and were made at one gate by one device, at most so many. */
  async batch(max: number): Promise<readonly WaitingScan[]> {
    const all = await this.#db.getAllFromIndex('queue', 'byAt');
    const waiting = all.filter((scan) => scan.stuck === undefined);
    const [first] = waiting;
    return waiting
      .filter(({ gate, device }) => gate === first?.gate && device === first.device)
      .slice(0, max);
  }

  /** What the server answered. Scans it said nothing about stay. Answers how many left the queue. */
  async settle(
    batch: readonly WaitingScan[],
    results: readonly SyncResult[],
    noticedAt: number,
  ): Promise<number> {
    const answers = new Map(results.map((result) => [result.scanId, result]));
    const tx = this.#db.transaction(['queue', 'conflicts'], 'readwrite', DURABLE);
    let settled = 0;
    for (const scan of batch) {
      const answer = answers.get(scan.scanId);
      if (!answer) continue;
      settled += 1;
      await tx.objectStore('queue').delete(scan.scanId);
      const conflict = conflictOf(scan, answer, noticedAt);
      if (conflict) await tx.objectStore('conflicts').put(conflict);
    }
    await tx.done;
    return settled;
  }

  /** The server does not take this scan; it stays for a person to see. */
  async stick(scanId: string, stuck: string): Promise<void> {
    const tx = this.#db.transaction('queue', 'readwrite');
    const scan = await tx.store.get(scanId);
    if (scan) await tx.store.put({ ...scan, stuck });
    await tx.done;
  }

  /** All that are stuck are sent again. */
  async unstick(): Promise<void> {
    const tx = this.#db.transaction('queue', 'readwrite');
    for (const { stuck, ...scan } of await tx.store.getAll())
      if (stuck !== undefined) await tx.store.put(scan);
    await tx.done;
  }

  conflicts(): Promise<KeptConflict[]> {
    return this.#db.getAll('conflicts');
  }

  async dismiss(scanId: string): Promise<void> {
    await this.#db.delete('conflicts', scanId);
  }

  /** Forgets what is of no use any more. */
  async tidy(now: number): Promise<void> {
    const tx = this.#db.transaction(['lists', 'admissions', 'queue'], 'readwrite');
    for (const { matchNumber, downloadedAt } of await tx.objectStore('lists').getAll()) {
      if (now - downloadedAt > KEEP_MS) await tx.objectStore('lists').delete(matchNumber);
    }
    for (const { ticketId, scanId, at } of await tx.objectStore('admissions').getAll()) {
      const isOver = now - at > KEEP_MS && (await tx.objectStore('queue').count(scanId)) === 0;
      if (isOver) await tx.objectStore('admissions').delete(ticketId);
    }
    await tx.done;
  }
}

function conflictOf(scan: WaitingScan, answer: SyncResult, noticedAt: number): KeptConflict | null {
  const { result, reason, first } = answer;
  if (result !== 'conflict' && result !== 'refused') return null;
  const { scanId, ticketId, matchNumber, at, gate, device } = scan;
  return {
    scanId,
    ticketId,
    matchNumber,
    kind: result === 'conflict' ? 'twice' : 'let_in_refused',
    ...(reason !== undefined && { reason }),
    ...(first && { first }),
    second: { at: new Date(at).toISOString(), gate, device },
    noticedAt,
  };
}
