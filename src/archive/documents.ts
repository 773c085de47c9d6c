/**
 * Documents: what must outlive Redis and is no part of a ticket's history: accounts, sessions, payments,
 * block list, audit.
 *
 * Guarantees of every implementation (test/contract/documents.ts): an id is taken once, whoever asks at the
 * same time; a replace or remove at a version takes effect only if that version still stands; what was
 * answered is durable; a document whose time is over reads as absent, and its id is free again.
 * A call that rejects with `ArchiveUnavailableError` may have taken effect: read again before deciding anew.
 */
import { setImmediate as othersTurn } from 'node:timers/promises';
import { z } from 'zod';
import { itemsOf, placeOf, type Place } from './pages.js';
import type { Page } from './port.js';

/** Every collection, and the lists its documents can be found in. */
export const COLLECTIONS = {
  /** Accounts. `all`: by time of registration; `role`: `<role>/<time>`. */
  users: ['all', 'role'],
  /** E-mail addresses that are taken or confirmed. */
  emails: [],
  /** Log-ins with their newest refresh token. `user`: `<user id>/<time>`. */
  sessions: ['user'],
  /** Tokens that work once, by the hash of the token. */
  tokens: [],
  /** Keys that sign access tokens. `all`: by time. */
  signingKeys: ['all'],
  /**
   * Payments. `due`: those that need a look, by the time of it; `all`: by time of creation; `failing`: those looked at
   * in vain, by the time of the first such look; `stuck`: those whose refund is refused, by time of creation.
   */
  payments: ['due', 'all', 'failing', 'stuck'],
  /** The purchase of an unconfirmed address that may be charged, by the hash of the person. */
  guestPurchases: [],
  /** Mails. `due`: those to be handed over, by the time of it; `all`: by time of queueing. */
  mails: ['due', 'all'],
  /** How far each ticket's ledger was looked through for mails. `all`: by ticket. */
  mailCursors: ['all'],
  /** How payouts compared with payments, by payout, and whose turn it is to compare. `all`: by time of the payout. */
  payouts: ['all'],
  /** Webhook messages that were taken. */
  webhooks: [],
  /** What the payment sandbox keeps: objects, and answers by idempotency key. `all`: `<kind>/<time>`; `of`: `<kind>/<parent>/<time>`. */
  sandbox: ['all', 'of'],
  /** Block list entries. `all`: by time. */
  blocks: ['all'],
  /** Who did what. `all`: by time; `actor` and `subject`: `<name>/<time>`. */
  audit: ['all', 'actor', 'subject'],
  /**
   * Tickets to which something happened since they were sold, by ticket id. `reservation`: `<reservation>/<number>`;
   * `holder`: `<account>/<time>`; `offeredTo`: `<hash of the address>/<time>`; `offeredBy`: `<account>/<time>`;
   * `used`: `m<match>/<time>`.
   */
  admissions: ['reservation', 'holder', 'offeredTo', 'offeredBy', 'used'],
  /** Who was let in without a network, and should not have been. `all`: by time; `match`: `m<match>/<time>`. */
  checkInConflicts: ['all', 'match'],
  /** What operators have decided about sales: one document. */
  salesControl: [],
  /** Whether tickets are sold in the order of the log: one document. */
  salesMode: [],
  /** Matches that operators cancelled or moved, with how far that is done. `all`: by match number. */
  matchChanges: ['all'],
  /** What was sold and refunded by the hour: `<ticket>/<month>`. */
  sales: [],
  /** How far each ticket's ledger is counted in them. `all`: by ticket. */
  salesCursors: ['all'],
  /** Persons whom the data lake must not know any more, by their hash there. `all`: by time. */
  erasures: ['all'],
  /** How often somebody did something lately, by the hash of what and who. */
  shares: [],
  /** Models that rank matches, and reports of their training. `all`: reports, by version; `artefacts`: the models. */
  models: ['all', 'artefacts'],
} as const satisfies Record<string, readonly string[]>;
export type CollectionName = keyof typeof COLLECTIONS;
export type ListName<C extends CollectionName> = (typeof COLLECTIONS)[C][number];

/** Longest id and longest sort key, characters: printable ASCII. */
export const DOCUMENT_KEY_CHARS_MAX = 200;

export interface StoredDocument<T = unknown> {
  readonly id: string;
  /** 1 when it is inserted; each replace adds 1. */
  readonly version: number;
  readonly value: T;
}

export interface NewDocument<T = unknown> {
  readonly id: string;
  /** Plain JSON. */
  readonly value: T;
  /** Its sort key in each list it stands in. Keys are compared as text: write numbers with `sortable`. */
  readonly lists?: Readonly<Record<string, string>>;
  /** Epoch milliseconds after which it is absent. */
  readonly expiresAt?: number;
}

/** A document with everything that is kept of it. */
export interface KeptDocument<T = unknown> extends StoredDocument<T> {
  readonly lists: Readonly<Record<string, string>>;
  /** Epoch milliseconds after which it is absent. */
  readonly expiresAt?: number;
}

export interface ListRequest {
  /** Only sort keys that begin with it. */
  readonly prefix?: string;
  /** Only sort keys below it. */
  readonly below?: string;
  /** 1 to 100. */
  readonly limit: number;
  /** Of the page before. */
  readonly after?: string;
  readonly newestFirst?: boolean;
}

/** Every method rejects with `ArchiveUnavailableError` when the store cannot be reached. */
export interface Documents {
  /** False, and nothing done, when the id is taken. */
  insertDocument(collection: CollectionName, document: NewDocument): Promise<boolean>;
  /** Null when there is none, or its time is over. */
  document(collection: CollectionName, id: string): Promise<StoredDocument | null>;
  /** Replaces all of it, lists and expiry included; false, and nothing done, when it is not at `version`. */
  replaceDocument(collection: CollectionName, document: NewDocument, version: number): Promise<boolean>;
  /** False when it is not there, or not at `version` where one is given. */
  removeDocument(collection: CollectionName, id: string, version?: number): Promise<boolean>;
  /** In the order of the sort keys. A cursor that was never issued ends the list. */
  listDocuments(
    collection: CollectionName,
    list: string,
    request: ListRequest,
  ): Promise<Page<StoredDocument>>;
}

const SORTABLE_DIGITS = 15;

/** A number from 0 to 10^15 - 1 as text that sorts like the number. */
export function sortable(number: number): string {
  return String(Math.max(0, Math.trunc(number))).padStart(SORTABLE_DIGITS, '0');
}

/** How a collection's documents stand in their lists and end. */
export interface CollectionRules<C extends CollectionName, S extends z.ZodType> {
  readonly name: C;
  /** What a value is; a stored one that is not throws. */
  readonly schema: S;
  readonly lists?: (value: z.output<S>, id: string) => { readonly [L in ListName<C>]?: string | undefined };
  readonly expiresAt?: (value: z.output<S>) => number | undefined;
}

/** A value as its collection keeps it. */
export function writtenDocument<C extends CollectionName, S extends z.ZodType>(
  { lists, expiresAt }: CollectionRules<C, S>,
  id: string,
  value: z.output<S>,
): NewDocument & Pick<KeptDocument, 'lists'> {
  const until = expiresAt?.(value);
  const keys = Object.entries<string | undefined>(lists?.(value, id) ?? {}).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return { id, value, lists: Object.fromEntries(keys), ...(until !== undefined && { expiresAt: until }) };
}

/** The longest page there is. */
const PAGE_MAX = 100;
/** Attempts of a change before it gives up: each lost one means that another got on. */
const UPDATE_ATTEMPTS_MAX = 50;

/** One collection, typed: values are checked when they are read. */
export class Collection<C extends CollectionName, S extends z.ZodType> {
  readonly #documents: Documents;
  readonly #rules: CollectionRules<C, S>;

  constructor(documents: Documents, rules: CollectionRules<C, S>) {
    this.#documents = documents;
    this.#rules = rules;
  }

  /** False when the id is taken. */
  insert(id: string, value: z.output<S>): Promise<boolean> {
    return this.#documents.insertDocument(this.#rules.name, writtenDocument(this.#rules, id, value));
  }

  async get(id: string): Promise<StoredDocument<z.output<S>> | null> {
    const found = await this.#documents.document(this.#rules.name, id);
    return found && this.#read(found);
  }

  /** False when it is not at `version` any more. */
  replace(id: string, value: z.output<S>, version: number): Promise<boolean> {
    return this.#documents.replaceDocument(
      this.#rules.name,
      writtenDocument(this.#rules, id, value),
      version,
    );
  }

  /**
   * Changes it as `change` says, on the newest version; `change` may be asked several times and answers the
   * value it was given (the same object) to leave it. Null when there is none. Throws when others change it
   * again and again.
   */
  update(
    id: string,
    change: (value: z.output<S>) => z.output<S>,
  ): Promise<StoredDocument<z.output<S>> | null> {
    return this.#change(id, (value) => (value === null ? null : change(value)));
  }

  /** Like `update`, and makes it where there is none: `change` is given null then. */
  async put(
    id: string,
    change: (value: z.output<S> | null) => z.output<S>,
  ): Promise<StoredDocument<z.output<S>>> {
    const kept = await this.#change(id, change);
    if (!kept) throw new Error(`${this.#rules.name}/${id} was not made`);
    return kept;
  }

  async #change(
    id: string,
    change: (value: z.output<S> | null) => z.output<S> | null,
  ): Promise<StoredDocument<z.output<S>> | null> {
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS_MAX; attempt += 1) {
      const found = await this.get(id);
      const value = change(found?.value ?? null);
      if (value === null || value === found?.value) return found;
      const isDone = found ? await this.replace(id, value, found.version) : await this.insert(id, value);
      if (isDone) return { id, version: (found?.version ?? 0) + 1, value };
    }
    throw new Error(`${this.#rules.name}/${id} was changed by others ${UPDATE_ATTEMPTS_MAX} times in a row`);
  }

  remove(id: string, version?: number): Promise<boolean> {
    return this.#documents.removeDocument(this.#rules.name, id, version);
  }

  async list(list: ListName<C>, request: ListRequest): Promise<Page<StoredDocument<z.output<S>>>> {
    const page = await this.#documents.listDocuments(this.#rules.name, list, request);
    return { ...page, items: page.items.map((item) => this.#read(item)) };
  }

  /** All of a list, a page at a time. In between others have their turn: a store may answer at once. */
  async *all(
    list: ListName<C>,
    request: Omit<ListRequest, 'limit' | 'after'> = {},
  ): AsyncGenerator<StoredDocument<z.output<S>>> {
    let after: string | undefined;
    do {
      const page = await this.list(list, {
        ...request,
        limit: PAGE_MAX,
        ...(after !== undefined && { after }),
      });
      yield* page.items;
      after = page.next;
      if (after !== undefined) await othersTurn();
    } while (after !== undefined);
  }

  #read({ id, version, value }: StoredDocument): StoredDocument<z.output<S>> {
    return { id, version, value: this.#rules.schema.parse(value) };
  }
}

const PRINTABLE = /^[\x20-\x7e]+$/;

/** Throws on what no implementation could keep. */
export function checkDocument(collection: CollectionName, { id, lists = {} }: NewDocument): void {
  checkKey(id, `id in ${collection}`);
  const known: readonly string[] = COLLECTIONS[collection];
  for (const [list, key] of Object.entries(lists)) {
    if (!known.includes(list)) throw new Error(`${collection} has no list ${list}`);
    checkKey(key, `key in ${collection}.${list}`);
  }
}

/** False for text that no document can have as its id, and need not be looked up. */
export function isDocumentKey(key: string): boolean {
  return key.length <= DOCUMENT_KEY_CHARS_MAX && PRINTABLE.test(key);
}

/** What a request asks for: sort keys from `from` on and before `below`, beyond `after`. */
export interface ListRange {
  readonly limit: number;
  readonly from: string;
  readonly below: string;
  readonly after: Place<string> | null;
}

/** After every printable character. */
const LAST_CHAR = '\x7f';

/** Null for a request that nothing can match: a cursor of another list is one. */
export function rangeOf(request: ListRequest): ListRange | null {
  const { prefix: from = '', below: end } = request;
  const after = placeOf(request.after, 'string');
  if ((from !== '' && !isDocumentKey(from)) || (end !== undefined && !isDocumentKey(end))) return null;
  if (after === 'unknown') return null;
  const past = `${from}${LAST_CHAR}`;
  const below = end !== undefined && end < past ? end : past;
  if (after && !(after[0] >= from && after[0] < below)) return null;
  return { limit: itemsOf(request), from, below, after };
}

function checkKey(key: string, what: string): void {
  if (isDocumentKey(key)) return;
  throw new Error(`an ${what} must be 1 to ${DOCUMENT_KEY_CHARS_MAX} printable ASCII characters`);
}
