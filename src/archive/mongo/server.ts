/**
 * One MongoDB server or replica set: every call to it is bounded in time, and a call that could not be made,
 * or whose outcome is not known, rejects with `ArchiveUnavailableError`. All other errors are passed on.
 *
 * Writes are acknowledged by a majority and flushed to its journals, reads see only what a majority has: what
 * was read or acknowledged cannot be rolled back. A single server is its own majority.
 */
import {
  MongoAPIError,
  MongoBulkWriteError,
  MongoClient,
  MongoCompatibilityError,
  MongoError,
  MongoInvalidArgumentError,
  MongoMissingCredentialsError,
  MongoMissingDependencyError,
  MongoParseError,
  MongoServerError,
  MongoWriteConcernError,
  ReadConcern,
  type Collection,
  type Db,
  type DbOptions,
  type Filter,
  type MongoClientOptions,
  type OptionalUnlessRequiredId,
} from 'mongodb';
import type { Clock } from '../../actors/ports.js';
import { BreakerOpenError, type Breaker } from '../../overload/breaker.js';
import { ArchiveUnavailableError } from '../port.js';

/** Connections of one process, besides the two that watch each server. */
const CONNECTIONS_MAX = 10;
/** Pause before another attempt after a lost race: between nothing and this, doubling up to the second. */
const PAUSE_MS_MIN = 4;
const PAUSE_MS_MAX = 64;

const DATABASE_DEFAULT = 'ticktak';
/** After so many times the time of one call without any success all connections are made anew. */
const RENEW_TIMES = 3;

export interface MongoServerOptions {
  /** `mongodb://` or `mongodb+srv://`. */
  readonly url: string;
  /** Instead of the one in the URL's path. */
  readonly database?: string;
  readonly clock: Clock;
  /** For one call to the server. */
  readonly timeoutMs: number;
  /** Calls that it keeps back reject with `ArchiveUnavailableError` at once. */
  readonly breaker?: Breaker;
}

/** A document that names itself: who inserts an id first decides what it stands for. */
export interface Identified {
  readonly _id: string;
}

export class MongoServer {
  /** Hosts and database, without credentials. */
  readonly name: string;
  readonly #client: MongoClient;
  readonly #database: string;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #breaker: Breaker | undefined;
  /** Since when no call has succeeded; null while they do. */
  #failingSince: number | null = null;
  #isRenewing = false;
  /** A renewal found nobody there: only the next one can. */
  #isAway = false;
  #isClosed = false;

  /** Throws when the URL cannot be understood. */
  constructor({ url, database, clock, timeoutMs, breaker }: MongoServerOptions) {
    this.#clock = clock;
    this.#breaker = breaker;
    this.#timeoutMs = timeoutMs;
    this.#client = clientOf(url, {
      appName: 'ticktak',
      maxPoolSize: CONNECTIONS_MAX,
      serverSelectionTimeoutMS: timeoutMs,
      connectTimeoutMS: timeoutMs,
      socketTimeoutMS: timeoutMs,
      waitQueueTimeoutMS: timeoutMs,
      // As JSON does it: a field that is undefined is absent, not null.
      ignoreUndefined: true,
    });
    this.#database = database ?? databaseOf(url) ?? DATABASE_DEFAULT;
    const { srvHost, hosts } = this.#client.options;
    this.name = `${srvHost ?? hosts.map(String).join(',')}/${this.#database}`;
  }

  /** May be called again after it failed, and after it succeeded. */
  async connect(): Promise<void> {
    await this.#ask(() => this.#client.connect());
  }

  get database(): Db {
    // Given here and not in the client's options, so that the URL cannot weaken them.
    const strict: DbOptions = {
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: this.#timeoutMs },
      readConcern: new ReadConcern('majority'),
      readPreference: 'primary',
    };
    return this.#client.db(this.#database, strict);
  }

  /** Runs one call to the server, unless it is known to be down. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#breaker) return this.#ask(work);
    try {
      return await this.#breaker.run(() => this.#ask(work));
    } catch (cause) {
      if (!(cause instanceof BreakerOpenError)) throw cause;
      const message = `MongoDB at ${this.name} is down, and was not asked`;
      throw new ArchiveUnavailableError(message, { cause });
    }
  }

  async #ask<T>(work: () => Promise<T>): Promise<T> {
    let cancel: () => void = () => undefined;
    const late = new Promise<never>((_, reject) => {
      cancel = this.#clock.schedule(this.#timeoutMs, () =>
        reject(
          new ArchiveUnavailableError(`MongoDB at ${this.name} did not answer in ${this.#timeoutMs} ms`),
        ),
      );
    });
    try {
      const answer = await Promise.race([work(), late]);
      this.#failingSince = null;
      return answer;
    } catch (error) {
      const told = this.#unavailable(error);
      if (told instanceof ArchiveUnavailableError) this.#failed();
      else this.#failingSince = null;
      throw told;
    } finally {
      cancel();
    }
  }

  /** Inserts a document unless its id is taken; answers whether it was inserted. */
  async insert<T extends Identified>(collection: Collection<T>, document: T): Promise<boolean> {
    return (await this.insertAll(collection, [document])).size === 0;
  }

  /** Inserts each document unless its id is taken; answers the places of those whose id was. */
  async insertAll<T extends Identified>(
    collection: Collection<T>,
    documents: readonly T[],
  ): Promise<ReadonlySet<number>> {
    if (documents.length === 0) return new Set();
    try {
      // A copy, because the driver may add fields to what it is given.
      const copies = documents.map((document) => ({ ...document })) as OptionalUnlessRequiredId<T>[];
      await this.call(() => collection.insertMany(copies, { ordered: false }));
      return new Set();
    } catch (error) {
      return takenIds(error);
    }
  }

  /** Inserts a document unless its id is taken; answers what is stored. */
  async insertOrGet<T extends Identified>(collection: Collection<T>, document: T): Promise<T> {
    return this.untilDecided(async () => {
      if (await this.insert(collection, document)) return document;
      // Null when it is taken by a document that a majority does not have yet.
      return this.call(() => collection.findOne<T>({ _id: document._id } as Filter<T>));
    });
  }

  /**
   * Repeats an attempt that answers null when another came first, with pauses. Null must mean that others got
   * on, or that what they wrote is about to be seen; it is given up when that takes too long.
   */
  async untilDecided<T>(attempt: () => Promise<T | null>): Promise<T> {
    const giveUpAt = this.#clock.now() + this.#timeoutMs;
    for (let attempts = 1; ; attempts += 1) {
      const answer = await attempt();
      if (answer !== null) return answer;
      if (this.#clock.now() > giveUpAt) {
        throw new ArchiveUnavailableError(`MongoDB at ${this.name}: not decided after ${attempts} attempts`);
      }
      const ceiling = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(attempts, 10));
      await new Promise<void>((resolve) => {
        this.#clock.schedule(Math.random() * ceiling, resolve);
      });
    }
  }

  /**
   * A connection that is accepted and ended at once, as by a proxy whose server is away, can leave the driver waiting
   * for ever for an answer of its own look at the server; it then takes no call to the server any more. So what has
   * failed for long is begun anew.
   */
  #failed(): void {
    const now = this.#clock.now();
    this.#failingSince ??= now;
    const isLong = this.#isAway || now - this.#failingSince >= RENEW_TIMES * this.#timeoutMs;
    if (!isLong || this.#isRenewing || this.#isClosed) return;
    this.#isRenewing = true;
    void this.#renew().finally(() => {
      this.#isRenewing = false;
      this.#failingSince = this.#clock.now();
    });
  }

  async #renew(): Promise<void> {
    try {
      await this.#client.close();
      if (!this.#isClosed) await this.#client.connect();
      this.#isAway = false;
    } catch {
      // The calls say that it is away; the next of them tries this again.
      this.#isAway = true;
    }
    // It was closed while it was connected anew.
    if (this.#isClosed) await this.#client.close().catch(() => undefined);
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    this.#isClosed = true;
    try {
      await this.#ask(() => this.#client.close());
    } catch {
      // It said goodbye to a server that does not answer.
    }
  }

  #unavailable(error: unknown): unknown {
    if (error instanceof ArchiveUnavailableError || !isPassing(error)) return error;
    return new ArchiveUnavailableError(`MongoDB at ${this.name}: ${reasonOf(error)}`, { cause: error });
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Error codes by which servers refuse a user or its password. */
const REFUSED_USER = new Set([11, 13, 18, 8000]);

/** True when the server knows the user not, or lets it not do what is asked. */
export function refusesUser(error: unknown): boolean {
  const cause = error instanceof ArchiveUnavailableError ? error.cause : error;
  return cause instanceof MongoServerError && REFUSED_USER.has(Number(cause.code));
}

/** Refused because the server lacks the command or the option, or what the option asks for. */
const NOT_SUPPORTED = new Set([2, 9, 59, 72, 115, 238, 40_415]);

export function isUnsupported(error: unknown): boolean {
  return error instanceof MongoServerError && NOT_SUPPORTED.has(Number(error.code));
}

/** Refused because a collection of that name is there. */
export function isNameTaken(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === 48;
}

const DUPLICATE_ID = 11_000;

export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === DUPLICATE_ID;
}

/** Places of the documents whose id was taken; throws the error when it says anything else. */
function takenIds(error: unknown): ReadonlySet<number> {
  if (!(error instanceof MongoBulkWriteError)) throw error;
  const refused = [error.writeErrors].flat();
  const other = refused.find(({ code }) => code !== DUPLICATE_ID);
  if (refused.length === 0 || other) throw error;
  return new Set(refused.map(({ index }) => index));
}

/** Codes of a server that cannot do it now: no primary, no majority, no time, no space, shutting down, at odds. */
const PASSING_CODES = new Set([
  1, 6, 7, 8, 24, 50, 64, 79, 89, 91, 100, 112, 133, 134, 175, 189, 202, 262, 317, 384, 391, 9_001, 10_058,
  10_107, 11_600, 11_601, 11_602, 13_435, 13_436, 14_031,
]);

/** Whether the same call may succeed later, or may even have succeeded. */
function isPassing(error: unknown): boolean {
  if (refusesUser(error)) return true;
  if (error instanceof MongoBulkWriteError && error.code === undefined) {
    // The driver wraps its own errors in this one, and keeps of them the text only.
    return true;
  }
  if (error instanceof MongoServerError) {
    return (
      error instanceof MongoWriteConcernError ||
      (error instanceof MongoBulkWriteError && error.result.getWriteConcernError() !== undefined) ||
      error.hasErrorLabel('RetryableWriteError') ||
      PASSING_CODES.has(Number(error.code))
    );
  }
  // Of the driver's own errors all are about connections, except these about what it was given.
  if (error instanceof MongoError) return !isMisuse(error);
  return error instanceof Error && 'syscall' in error;
}

const MISUSES = [
  MongoInvalidArgumentError,
  MongoParseError,
  MongoCompatibilityError,
  MongoMissingCredentialsError,
  MongoMissingDependencyError,
];

function isMisuse(error: MongoError): boolean {
  return MISUSES.some((misuse) => error instanceof misuse) || error.constructor === MongoAPIError;
}

function clientOf(url: string, options: MongoClientOptions): MongoClient {
  let reason: string;
  try {
    return new MongoClient(url, options);
  } catch (error) {
    reason = reasonOf(error).replaceAll(/\S*@\S*/g, '…');
  }
  // Without its cause, which may hold the URL and so the password.
  throw new Error(
    `The MongoDB URL cannot be used (${reason}): it looks like mongodb://user:password@host:27017/database, ` +
      'with special characters of user and password percent-encoded',
  );
}

/** The database in the URL's path, if it names one. */
function databaseOf(url: string): string | undefined {
  const path = /^[^/]+:\/\/[^/]+\/([^/?]+)/.exec(url)?.[1];
  return path === undefined ? undefined : decodeURIComponent(path);
}
