/**
 * The waiting room in Redis. Guarantees: a place is given once, and only when it is on record elsewhere that it may
 * have been; a person has one; whatever is decided about the room takes effect only on the version it was decided on.
 * Per waiting person it keeps one field of a small hash.
 */
import type { RedisClient } from './connection.js';
import type { RedisKeys } from './keys.js';
import { loadScript } from './scripts.js';

/** Packed by Redis as long as one has no more than 128: half a million people. */
const PEOPLE_BUCKETS = 4_096;
/** Beyond any round; a round that ends removes them before. */
const PEOPLE_KEEP_MS = 60 * 24 * 60 * 60_000;
/** Removed in one go. */
const BUCKETS_AT_ONCE = 256;
/** A process that has measured nothing for so long is gone. */
const MEASURES_MS = 5_000;

/** As stored, the numbers aside. */
export interface StoredRoom {
  readonly version: string;
  readonly round: number;
  /** The run of the server in which it was written. */
  readonly run: string;
  /** Places given so far: numbers below it. */
  readonly next: number;
  /** Passes given so far. */
  readonly claimed: number;
  /** JSON. */
  readonly state: string;
}

export interface RoomLook {
  /** The run of the server now. */
  readonly run: string;
  /** By the clock of Redis, epoch milliseconds: the only one that the room goes by. */
  readonly now: number;
  /** Null when Redis knows nothing of it. */
  readonly room: StoredRoom | null;
  /** JSON, one for each process. */
  readonly measures: readonly string[];
  readonly inside: number;
}

export interface NewRound {
  readonly version: string;
  readonly round: number;
  readonly firstFree: number;
  readonly early: number | null;
  readonly state: string;
  readonly keepsPasses: boolean;
}

export interface Joining {
  readonly round: number;
  /** Stands for the person: base64url. */
  readonly person: string;
  readonly placesMax: number;
  /** The place that a good token of this person says. */
  readonly has?: number;
  readonly lost?: number;
}

export type Joined =
  | { readonly kind: 'given' | 'known'; readonly number: number }
  /** The room is not as the sender thinks it is, or may have lost places: look again. */
  | { readonly kind: 'stale' }
  /** `next` may be given as soon as that is on record. */
  | { readonly kind: 'ceiling'; readonly next: number }
  | { readonly kind: 'full' };

export class WaitingRoomStore {
  readonly #redis: RedisClient;
  readonly #keys: RedisKeys['room'];
  readonly #look = loadScript('roomLook-3');
  readonly #begin = loadScript('roomBegin-3');
  readonly #step = loadScript('roomStep-2');
  readonly #freeze = loadScript('roomFreeze-1');
  readonly #ceiling = loadScript('roomCeiling-1');
  readonly #join = loadScript('roomJoin-2');
  readonly #pass = loadScript('roomPass-3');

  constructor(redis: RedisClient, { room }: Pick<RedisKeys, 'room'>) {
    this.#redis = redis;
    this.#keys = room;
  }

  get isUp(): boolean {
    return this.#redis.status === 'ready';
  }

  /** `mine`: what this process measured, by its id. */
  async look(mine?: { readonly id: string; readonly json: string }): Promise<RoomLook> {
    const { state, measures, inside } = this.#keys;
    const args = [mine?.id ?? '', mine?.json ?? '', MEASURES_MS];
    const answer = await this.#look(this.#redis, [state(), measures(), inside()], args);
    const [run, now, fields, measured, count] = answer as [string, number, string[], string[], number];
    return { run, now, room: roomOf(fields), measures: measured, inside: count };
  }

  /** False when the room stands differently by now. */
  async begin({ version, round, firstFree, early, state, keepsPasses }: NewRound): Promise<boolean> {
    const { state: key, passes, inside } = this.#keys;
    const args = [version, round, firstFree, early ?? '', state, keepsPasses ? 1 : 0];
    return (await this.#begin(this.#redis, [key(), passes(), inside()], args)) === 1;
  }

  /** False when another process was quicker. */
  async step(version: string, state: string, passesEndedBefore: number): Promise<boolean> {
    const keys = [this.#keys.state(), this.#keys.passes()];
    return (await this.#step(this.#redis, keys, [version, state, passesEndedBefore])) === 1;
  }

  /** How many came before the opening: the same whoever asks first. Null when Redis has another round. */
  async freeze(round: number): Promise<number | null> {
    const early = Number(await this.#freeze(this.#redis, [this.#keys.state()], [round]));
    return early < 0 ? null : early;
  }

  async raiseCeiling(round: number, ceiling: number): Promise<void> {
    await this.#ceiling(this.#redis, [this.#keys.state()], [round, ceiling]);
  }

  async join({ round, person, placesMax, has, lost }: Joining): Promise<Joined> {
    const keys = [this.#keys.state(), this.#keys.people(round, bucketOf(person))];
    const args = [round, person, placesMax, PEOPLE_KEEP_MS, has ?? '', lost ?? ''];
    const [kind, number] = (await this.#join(this.#redis, keys, args)) as [number, number];
    switch (kind) {
      case 1:
        return { kind: 'given', number };
      case 0:
        return { kind: 'known', number };
      case -2:
        return { kind: 'ceiling', next: number };
      case -3:
        return { kind: 'full' };
      default:
        return { kind: 'stale' };
    }
  }

  /** When the pass of a place ends, epoch milliseconds; null for none; `stale` when Redis has another round. */
  async pass(
    round: number,
    number: number,
    { passMs, isTooLate }: { readonly passMs: number; readonly isTooLate: boolean },
  ): Promise<{ readonly endsAt: number; readonly now: number } | null | 'stale'> {
    const { state, passes, inside } = this.#keys;
    const args = [round, number, passMs, isTooLate ? 1 : 0];
    const answer = await this.#pass(this.#redis, [state(), passes(), inside()], args);
    const [endsAt, now] = answer as [number, number];
    if (endsAt < 0) return 'stale';
    return endsAt === 0 ? null : { endsAt, now };
  }

  /** Its holder has held something. */
  async leaveInside(number: number): Promise<void> {
    await this.#redis.zrem(this.#keys.inside(), String(number));
  }

  /** Who was in a round that is over. */
  async forget(round: number): Promise<void> {
    for (let from = 0; from < PEOPLE_BUCKETS; from += BUCKETS_AT_ONCE) {
      const keys = Array.from({ length: BUCKETS_AT_ONCE }, (_, i) => this.#keys.people(round, from + i));
      await this.#redis.unlink(keys);
    }
  }
}

function roomOf(fields: readonly string[]): StoredRoom | null {
  const found = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) found.set(fields[i] ?? '', fields[i + 1] ?? '');
  const [version, state] = [found.get('version'), found.get('state')];
  if (version === undefined || state === undefined) return null;
  const number = (name: string): number => Number(found.get(name) ?? 0);
  return {
    version,
    round: number('round'),
    run: found.get('run') ?? '',
    next: number('next'),
    claimed: number('claimed'),
    state,
  };
}

/** By the first 12 bits. */
function bucketOf(person: string): number {
  return Buffer.from(person.slice(0, 4), 'base64url').readUInt16BE(0) % PEOPLE_BUCKETS;
}
