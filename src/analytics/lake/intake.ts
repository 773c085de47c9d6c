/**
 * Views and searches on their way into the lake: a stream in Redis that any web process adds to and the writer of the
 * lake reads.
 *
 * Guarantees: what waits has a limit in number and in bytes, and past it nothing is taken; who looked is in it as the
 * lake's hash only, and of what was typed nothing but names that the catalog has; each event is in the lake once,
 * because how far the stream was read is part of the entry that adds the rows, and an id that is there already, of the
 * same day or one beside it, is not added again. What waits when Redis is lost is lost.
 */
import { z } from 'zod';
import type { Clock } from '../../actors/ports.js';
import { namesOf } from '../../catalog/facts.js';
import type { Match } from '../../catalog/match.js';
import type { RedisClient } from '../../redis/connection.js';
import { loadScript } from '../../redis/scripts.js';
import type { ViewEvent, ViewIntake } from '../views.js';
import type { LakeWriter } from './lake.js';
import type { Persons } from './persons.js';
import type { SearchRow, ViewRow } from './tables.js';

const takeViews = loadScript('takeViews-1');

/** Events of one call. */
export const VIEWS_AT_ONCE_MAX = 100;
const TERMS_MAX = 10;
const RESULTS_MAX = 10_000;
/** Matches are read anew after so long. */
const CATALOG_MS = 60_000;
const ID = /^[A-Za-z0-9-]{16,64}$/;
const COUNTRY = /^[A-Z]{2}$/;

export interface RedisViewIntakeOptions {
  readonly redis: RedisClient;
  /** Of the stream. */
  readonly key: string;
  readonly persons: Persons;
  readonly matches: () => Promise<readonly Match[]>;
  readonly clock: Clock;
  /** Events that may wait. */
  readonly waitingMax: number;
  /** Memory that they may take in Redis, bytes. */
  readonly waitingBytesMax: number;
}

interface Known {
  readonly matches: ReadonlySet<number>;
  readonly names: ReadonlyMap<string, string>;
  readonly readAt: number;
}

export class RedisViewIntake implements ViewIntake {
  readonly #options: RedisViewIntakeOptions;
  #known: Known | null = null;

  constructor(options: RedisViewIntakeOptions) {
    this.#options = options;
  }

  /** Events of unknown matches, or with an id that is none, are dropped. Throws when there are too many at once. */
  async take(views: readonly ViewEvent[]): Promise<'taken' | 'full'> {
    if (views.length > VIEWS_AT_ONCE_MAX) throw new RangeError(`at most ${VIEWS_AT_ONCE_MAX} views at once`);
    const { redis, key, waitingMax, waitingBytesMax } = this.#options;
    const known = await this.#read();
    const events = views.flatMap((view) => this.#waiting(view, known) ?? []);
    if (events.length === 0) return 'taken';
    const args = [waitingMax, waitingBytesMax, ...events.map((event) => JSON.stringify(event))];
    return (await takeViews(redis, [key], args)) === 1 ? 'taken' : 'full';
  }

  async #read(): Promise<Known> {
    const { clock, matches } = this.#options;
    const now = clock.now();
    if (this.#known && now - this.#known.readAt < CATALOG_MS) return this.#known;
    const all = await matches();
    this.#known = {
      matches: new Set(all.map(({ matchNumber }) => matchNumber)),
      names: namesOf(all),
      readAt: now,
    };
    return this.#known;
  }

  /** Null for what is not kept. */
  #waiting(view: ViewEvent, { matches, names }: Known): Waiting | null {
    const { id, visitor, country } = view;
    if (!ID.test(id)) return null;
    const who = {
      id,
      ...(visitor !== null && { person: this.#options.persons.ofId(visitor) }),
      ...(country !== null && COUNTRY.test(country) && { country }),
    };
    if (view.kind === 'view') {
      return matches.has(view.matchNumber) ? { ...who, matchNumber: view.matchNumber } : null;
    }
    const terms = view.terms.flatMap((term) => names.get(term.toLowerCase()) ?? []);
    const results = Math.min(RESULTS_MAX, Math.max(0, Math.trunc(view.results)));
    return { ...who, terms: [...new Set(terms)].slice(0, TERMS_MAX), results };
  }
}

const who = { id: z.string(), person: z.string().exactOptional(), country: z.string().exactOptional() };
const waitingSchema = z.union([
  z.object({ ...who, matchNumber: z.number().int() }),
  z.object({ ...who, terms: z.array(z.string()), results: z.number().int() }),
]);
/** An event as it waits. */
type Waiting = z.output<typeof waitingSchema>;

export interface ViewStreamOptions {
  readonly redis: RedisClient;
  readonly key: string;
  /** Events of one step. */
  readonly batchMax: number;
}

/** What waits, for the writer of the lake. */
export class ViewStream {
  readonly #options: ViewStreamOptions;

  constructor(options: ViewStreamOptions) {
    this.#options = options;
  }

  /** Writes what waits, so many at most; true when there may be more. `isErased`: persons who are named no more. */
  async step(writer: LakeWriter, isErased: (person: string) => boolean): Promise<boolean> {
    const { redis, key, batchMax } = this.#options;
    const { viewsThrough } = writer.state;
    const from = viewsThrough === '' ? '-' : `(${viewsThrough}`;
    const entries = await redis.xrange(key, from, '+', 'COUNT', batchMax);
    const through = entries.at(-1)?.[0];
    if (through !== undefined) {
      const views: ViewRow[] = [];
      const searches: SearchRow[] = [];
      for (const [place, [, json = '']] of entries) {
        const event = waitingSchema.parse(JSON.parse(json));
        const person = event.person === undefined || isErased(event.person) ? null : event.person;
        const isNamed = person !== null || event.person === undefined;
        const country = isNamed ? (event.country ?? null) : null;
        // The time of Redis, so that read again it is the same.
        const row = { id: event.id, at: Number.parseInt(place, 10), person, country };
        if ('terms' in event) searches.push({ ...row, terms: event.terms, results: event.results });
        else views.push({ ...row, matchNumber: event.matchNumber });
      }
      const what = `${views.length} views and ${searches.length} searches`;
      await writer.add({ views, searches }, { what, viewsThrough: through }, { once: true });
    }
    await this.#trim(writer.state.viewsThrough);
    return entries.length === batchMax;
  }

  /** What is in the lake waits no more. */
  async #trim(through: string): Promise<void> {
    if (through === '') return;
    const [time = '0', number = '0'] = through.split('-');
    await this.#options.redis.xtrim(this.#options.key, 'MINID', `${time}-${Number(number) + 1}`);
  }
}
