/**
 * Documents in MongoDB, one collection each. An id is taken by an insert under the unique `_id`; a change is
 * one replace that names the version it was decided on, which the server applies to one document at a time.
 */
import type { Collection, Filter } from 'mongodb';
import type { Clock } from '../../actors/ports.js';
import { rangeOf } from '../documents.js';
import type { CollectionName, KeptDocument, ListRequest, NewDocument, StoredDocument } from '../documents.js';
import { cursorOf } from '../pages.js';
import type { Page } from '../port.js';
import type { Identified, MongoServer } from './server.js';

export interface DocumentDocument extends Identified {
  readonly version: number;
  readonly value: unknown;
  readonly lists: Readonly<Record<string, string>>;
  /** A date, because the server removes by it. */
  readonly expiresAt?: Date;
}

const DOCUMENTS_PER_READ = 500;

export class MongoDocuments {
  readonly #server: MongoServer;
  readonly #clock: Clock;
  readonly #collections: ReadonlyMap<CollectionName, Collection<DocumentDocument>>;

  constructor(
    server: MongoServer,
    clock: Clock,
    collections: ReadonlyMap<CollectionName, Collection<DocumentDocument>>,
  ) {
    this.#server = server;
    this.#clock = clock;
    this.#collections = collections;
  }

  async insert(name: CollectionName, document: NewDocument): Promise<boolean> {
    const collection = this.#collection(name);
    const row = rowOf(document, 1);
    if (await this.#server.insert(collection, row)) return true;
    const found = await this.#server.call(() => collection.findOne({ _id: document.id }));
    if (!found || !this.#isOver(found)) return false;
    await this.#server.call(() => collection.deleteOne({ _id: found._id, version: found.version }));
    return this.#server.insert(collection, row);
  }

  async get(name: CollectionName, id: string): Promise<StoredDocument | null> {
    const found = await this.#server.call(() => this.#collection(name).findOne({ _id: id }));
    return found && !this.#isOver(found) ? storedOf(found) : null;
  }

  async replace(name: CollectionName, document: NewDocument, version: number): Promise<boolean> {
    const filter: Filter<DocumentDocument> = { _id: document.id, version, ...this.#alive() };
    const { _id: _, ...row } = rowOf(document, version + 1);
    const result = await this.#server.call(() => this.#collection(name).replaceOne(filter, row));
    return result.matchedCount === 1;
  }

  async remove(name: CollectionName, id: string, version: number | undefined): Promise<boolean> {
    const filter: Filter<DocumentDocument> = {
      _id: id,
      ...(version !== undefined && { version }),
      ...this.#alive(),
    };
    const result = await this.#server.call(() => this.#collection(name).deleteOne(filter));
    return result.deletedCount === 1;
  }

  async list(name: CollectionName, list: string, request: ListRequest): Promise<Page<StoredDocument>> {
    const asked = rangeOf(request);
    if (!asked) return { items: [] };
    const { limit, from, below, after } = asked;
    const field = `lists.${list}`;
    const range = { $gte: from, $lt: below };
    const beyond = request.newestFirst ? '$lt' : '$gt';
    // Field names that are put together here are beyond the driver's types.
    const filter = {
      $and: [
        { [field]: range },
        this.#alive(),
        ...(after
          ? [
              {
                $or: [
                  { [field]: { [beyond]: after[0] } },
                  { [field]: after[0], _id: { [beyond]: after[1] } },
                ],
              },
            ]
          : []),
      ],
    } as Filter<DocumentDocument>;
    const direction = request.newestFirst ? -1 : 1;
    const found = await this.#server.call(() =>
      this.#collection(name)
        .find(filter)
        .sort({ [field]: direction, _id: direction })
        .limit(limit + 1)
        .toArray(),
    );
    const items = found.slice(0, limit);
    const last = items.at(-1);
    const page = { items: items.map(storedOf) };
    return last && found.length > limit
      ? { ...page, next: cursorOf([last.lists[list] ?? '', last._id]) }
      : page;
  }

  async *all(name: CollectionName): AsyncIterable<KeptDocument> {
    const collection = this.#collection(name);
    for (let after = ''; ;) {
      const filter: Filter<DocumentDocument> = { _id: { $gt: after } };
      const page = await this.#server.call(() =>
        collection.find(filter).sort({ _id: 1 }).limit(DOCUMENTS_PER_READ).toArray(),
      );
      for (const document of page) if (!this.#isOver(document)) yield keptOf(document);
      const last = page.at(-1);
      if (!last || page.length < DOCUMENTS_PER_READ) return;
      after = last._id;
    }
  }

  async put(name: CollectionName, documents: readonly KeptDocument[]): Promise<void> {
    const rows = documents.map((document) => rowOf(document, document.version));
    const [taken] = await this.#server.insertAll(this.#collection(name), rows);
    if (taken === undefined) return;
    throw new Error(`There is a document ${documents[taken]?.id ?? ''} in ${name} already`);
  }

  #collection(name: CollectionName): Collection<DocumentDocument> {
    const collection = this.#collections.get(name);
    if (!collection) throw new Error(`there is no collection ${name}`);
    return collection;
  }

  #isOver({ expiresAt }: DocumentDocument): boolean {
    return expiresAt !== undefined && expiresAt.getTime() <= this.#clock.now();
  }

  #alive(): Filter<DocumentDocument> {
    return { $or: [{ expiresAt: { $exists: false } }, { expiresAt: { $gt: new Date(this.#clock.now()) } }] };
  }
}

function rowOf({ id, value, lists = {}, expiresAt }: NewDocument, version: number): DocumentDocument {
  return {
    _id: id,
    version,
    value,
    lists,
    ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt) }),
  };
}

const storedOf = ({ _id, version, value }: DocumentDocument): StoredDocument => ({ id: _id, version, value });

const keptOf = ({ _id, version, value, lists, expiresAt }: DocumentDocument): KeptDocument => ({
  id: _id,
  version,
  value,
  lists,
  ...(expiresAt !== undefined && { expiresAt: expiresAt.getTime() }),
});
