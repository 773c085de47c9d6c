/** The document store in memory, for tests of what stands on it; kept to the same contract. */
import {
  checkDocument,
  type CollectionName,
  type Documents,
  type ListRequest,
  type NewDocument,
  type StoredDocument,
} from '../../src/archive/documents.js';
import type { Page } from '../../src/archive/port.js';

interface Row {
  readonly version: number;
  readonly text: string;
  readonly document: NewDocument;
}

export class MemoryDocuments implements Documents {
  readonly rows = new Map<string, Row>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  async insertDocument(collection: CollectionName, document: NewDocument): Promise<boolean> {
    checkDocument(collection, document);
    if (this.#row(collection, document.id)) return false;
    this.#put(collection, document, 1);
    return true;
  }

  async document(collection: CollectionName, id: string): Promise<StoredDocument | null> {
    const row = this.#row(collection, id);
    return row && { id, version: row.version, value: JSON.parse(row.text) };
  }

  async replaceDocument(
    collection: CollectionName,
    document: NewDocument,
    version: number,
  ): Promise<boolean> {
    checkDocument(collection, document);
    if (this.#row(collection, document.id)?.version !== version) return false;
    this.#put(collection, document, version + 1);
    return true;
  }

  async removeDocument(collection: CollectionName, id: string, version?: number): Promise<boolean> {
    const row = this.#row(collection, id);
    if (!row || (version !== undefined && row.version !== version)) return false;
    return this.rows.delete(`${collection}/${id}`);
  }

  async listDocuments(
    collection: CollectionName,
    list: string,
    { prefix = '', below, limit, after, newestFirst = false }: ListRequest,
  ): Promise<Page<StoredDocument>> {
    const found = [...this.rows]
      .filter(([key, { document }]) => {
        const sortKey = document.lists?.[list];
        const isIn = sortKey?.startsWith(prefix) && (below === undefined || sortKey < below);
        return key.startsWith(`${collection}/`) && isIn && this.#row(collection, document.id);
      })
      .map(([, { document }]) => ({ id: document.id, place: `${document.lists?.[list]}\0${document.id}` }))
      .sort((a, b) => (a.place < b.place === newestFirst ? 1 : -1))
      .filter(({ place }) => after === undefined || (newestFirst ? place < after : place > after));
    const shown = found.slice(0, limit);
    const items = await Promise.all(shown.map(async ({ id }) => (await this.document(collection, id))!));
    const last = shown.at(-1);
    return last && found.length > limit ? { items, next: last.place } : { items };
  }

  #row(collection: string, id: string): Row | null {
    const row = this.rows.get(`${collection}/${id}`);
    const isOver = row?.document.expiresAt !== undefined && row.document.expiresAt <= this.#now();
    return row && !isOver ? row : null;
  }

  #put(collection: string, document: NewDocument, version: number): void {
    const text = JSON.stringify(document.value);
    this.rows.set(`${collection}/${document.id}`, { version, text, document });
  }
}
