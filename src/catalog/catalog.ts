/**
 * The catalog: which matches are on sale. The archive keeps the facts; Redis hands them to every process and
 * is filled from the archive when it is empty. Capacity and price go to the actors, as commands.
 */
import type { Clock, CommandBody, CommandResult } from '../actors/ports.js';
import { ArchiveUnavailableError, type Archive } from '../archive/port.js';
import type { CatalogLoader, CatalogSource, CommandGateway, ListOrigin } from '../http/ports.js';
import type { Logger } from '../process/log.js';
import { isCluster, type Bus, type RedisClient } from '../redis/connection.js';
import { ticketName, type RedisKeys } from '../redis/keys.js';
import type { TicketId } from '../rules/index.js';
import { CATEGORIES, matchOf, ticketsOf, type Match, type MatchEntry } from './match.js';
import { NO_NOTICES, noticesOfFields, noticesToFields, type Notices } from './notices.js';

export interface CatalogOptions {
  readonly redis: RedisClient;
  readonly bus: Bus;
  readonly keys: RedisKeys;
  readonly archive: Pick<Archive, 'matches' | 'saveMatches'>;
  readonly logger: Logger;
}

/** Between two tries to learn the matches while the archive is away, milliseconds. */
const RELOAD_MS = 2_000;
/** In a cluster a message that something changed can be lost: it is looked for so often, milliseconds. */
const LOOK_MS = 2_000;

export class Catalog implements CatalogSource {
  readonly #options: CatalogOptions;
  readonly #listeners = new Set<() => void>();
  #tickets: readonly TicketId[] = [];
  #names: ReadonlySet<string> = new Set();
  #notices: Notices = NO_NOTICES;
  #reload: Promise<void> = Promise.resolve();
  /** What Redis had when it was last looked at; only in a cluster. */
  #seen = '';

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { bus, keys, logger } = this.#options;
    await bus.subscribe(keys.channels.catalog(), () => this.#changed());
    bus.onReset(() => this.#changed(true));
    if (isCluster(this.#options.redis)) this.#lookLater();
    try {
      await this.#load();
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      // Redis is empty, and who knows the matches is away: nothing is on sale until it is back.
      logger.error({ err: error }, 'the matches on sale are not known: trying again');
      this.#loadLater();
    }
  }

  #loadLater(): void {
    const timer = setTimeout(() => {
      this.#load().catch(() => this.#loadLater());
    }, RELOAD_MS);
    timer.unref();
  }

  #lookLater(): void {
    const timer = setTimeout(() => {
      void this.#look()
        .catch(() => undefined)
        .then(() => {
          if (this.#options.redis.status !== 'end') this.#lookLater();
        });
    }, LOOK_MS);
    timer.unref();
  }

  async #look(): Promise<void> {
    const { redis, keys } = this.#options;
    const found = await Promise.all([redis.hgetall(keys.catalog), redis.hgetall(keys.notices)]);
    const seen = JSON.stringify(found.map((fields) => Object.entries(fields).sort()));
    if (seen !== this.#seen) this.#changed();
    this.#seen = seen;
  }

  /** Every ticket there is, as last heard. */
  get tickets(): readonly TicketId[] {
    return this.#tickets;
  }

  /** Whether there is such a ticket. */
  has(ticket: TicketId): boolean {
    return this.#names.has(ticketName(ticket));
  }

  /** Where operators have moved a match, when and where it is played now. */
  async matches(): Promise<readonly Match[]> {
    const { redis, keys } = this.#options;
    const [listed, fields] = await Promise.all([this.#listed(), redis.hgetall(keys.notices)]);
    this.#notices = noticesOfFields(fields);
    return listed.map((match) => {
      const moved = this.#notices.matches.get(match.matchNumber)?.rescheduled;
      return moved ? { ...match, dateUtc: moved.dateUtc, location: moved.location } : match;
    });
  }

  /** Null where there is none of this number. */
  async match(matchNumber: number): Promise<Match | null> {
    return (await this.matches()).find((one) => one.matchNumber === matchNumber) ?? null;
  }

  /** As the master list has them. */
  async #listed(): Promise<readonly Match[]> {
    const { redis, keys, archive } = this.#options;
    const values = await redis.hvals(keys.catalog);
    if (values.length === 0) {
      // Redis is new or was emptied: the archive knows.
      const known = await archive.matches();
      if (known.length > 0) await this.#share(known);
      return known;
    }
    return values.map((json) => JSON.parse(json) as Match).sort((a, b) => a.matchNumber - b.matchNumber);
  }

  /** As last heard. */
  get notices(): Notices {
    return this.#notices;
  }

  /** Replaces what every process tells buyers. */
  async shareNotices(notices: Notices): Promise<void> {
    const { redis, keys } = this.#options;
    await redis.multi().del(keys.notices).hset(keys.notices, noticesToFields(notices)).exec();
    await redis.publish(keys.channels.catalog(), '');
    await this.#load();
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange);
    return () => {
      this.#listeners.delete(onChange);
    };
  }

  /** Keeps new facts and tells every process. */
  async save(matches: readonly Match[]): Promise<void> {
    await this.#options.archive.saveMatches(matches);
    await this.#share(matches);
    await this.#load();
  }

  async #share(matches: readonly Match[]): Promise<void> {
    const { redis, keys } = this.#options;
    await redis.hset(
      keys.catalog,
      Object.fromEntries(matches.map((match) => [match.matchNumber, JSON.stringify(match)])),
    );
    await redis.publish(keys.channels.catalog(), '');
  }

  /** `lost`: Redis may have gone back to where it did not know all of them. */
  #changed(lost = false): void {
    this.#reload = this.#reload
      .then(() => (lost ? this.#shareMissing() : undefined))
      .then(() => this.#load())
      .catch((error: unknown) => {
        this.#options.logger.warn({ err: error }, 'could not read the catalog');
      });
  }

  /** Puts back what Redis lost of them; answers how many. */
  async restore(): Promise<number> {
    const { redis, keys, archive } = this.#options;
    const known = new Set(await redis.hkeys(keys.catalog));
    const missing = (await archive.matches()).filter(({ matchNumber }) => !known.has(String(matchNumber)));
    if (missing.length > 0) await this.#share(missing);
    return missing.length;
  }

  async #shareMissing(): Promise<void> {
    const { logger } = this.#options;
    try {
      await this.restore();
    } catch (error) {
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      logger.warn({ err: error }, 'whether Redis lost matches could not be asked');
    }
  }

  async #load(): Promise<void> {
    const matches = await this.matches();
    this.#tickets = matches.flatMap(({ matchNumber }) => ticketsOf(matchNumber));
    this.#names = new Set(this.#tickets.map(ticketName));
    for (const listener of this.#listeners) listener();
  }
}

/** How long the outcome of a master-list entry stays on record, milliseconds. */
const KEEP_MS = 10 * 60_000;
/** Answers that say that the entry stands. */
const LOADED: ReadonlySet<CommandResult['kind']> = new Set(['applied', 'unchanged', 'repeated']);
/** Entries whose commands are under way at once. */
const ENTRIES_AT_ONCE = 16;
/** Tries of one command before the list is given up; every try is safe to repeat. */
const TRIES_MAX = 30;

export class MasterListLoader implements CatalogLoader {
  readonly #catalog: Pick<Catalog, 'save'>;
  readonly #gateway: CommandGateway;
  readonly #clock: Clock;
  readonly #currency: string;

  constructor(
    catalog: Pick<Catalog, 'save'>,
    gateway: CommandGateway,
    { clock, currency }: { readonly clock: Clock; readonly currency: string },
  ) {
    this.#catalog = catalog;
    this.#gateway = gateway;
    this.#clock = clock;
    this.#currency = currency;
  }

  /**
   * Facts first, so that workers know the tickets, then capacity and price. Resolves when every actor has
   * answered. The same list from the same place is loaded once, also after a later one.
   */
  async load(entries: readonly MatchEntry[], origin: ListOrigin): Promise<void> {
    await this.#catalog.save(entries.map(matchOf));
    for (let from = 0; from < entries.length; from += ENTRIES_AT_ONCE) {
      const group = entries.slice(from, from + ENTRIES_AT_ONCE);
      await Promise.all(group.flatMap((entry, i) => this.#loadEntry(entry, origin, from + i)));
    }
  }

  #loadEntry(entry: MatchEntry, { source, offset }: ListOrigin, index: number): Promise<void>[] {
    const place = offset === undefined ? source : `${source}/${offset}`;
    const position = offset === undefined ? undefined : { source, offset, index };
    return CATEGORIES.map(async (category) => {
      const { available, price } = entry.availability[`category${category}`];
      const ticket = { matchNumber: entry.matchNumber, category };
      const body: CommandBody = {
        type: 'load',
        capacity: available,
        price,
        currency: this.#currency,
        ...(position && { position }),
      };
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const id = `load/${place}/${index}/${ticketName(ticket)}`;
        const answer = await this.#gateway.submit({ ticket, id, body, keepMs: KEEP_MS });
        if (answer.kind === 'answered' && LOADED.has(answer.result.kind)) return;
        if (answer.kind === 'overloaded')
          await new Promise<void>((resolve) => this.#clock.schedule(answer.retryAfterMs, resolve));
      }
      throw new Error(
        `The master list could not be loaded: no worker answers for match ${entry.matchNumber}.`,
      );
    });
  }
}
