/** What opens a guest's reservations, kept in this browser by reservation id: the newest, as many as one request may present. */
import { isRecord } from './problem';
import { browserStorage, type KeyValues } from './storage';

const KEY = 'ticktak.reservations';
/** The server takes no more tokens in one request. */
export const TOKENS_MAX = 20;

export class ReservationTokens {
  readonly #storage: KeyValues;
  readonly #key: string;

  /** `key`: where they are stored; what opens other things is kept apart. */
  constructor(storage: KeyValues, key = KEY) {
    this.#storage = storage;
    this.#key = key;
  }

  /** Newest first. */
  ids(): readonly string[] {
    return this.#entries().map(([id]) => id);
  }

  get(id: string): string | undefined {
    return this.#entries().find(([known]) => known === id)?.[1];
  }

  /** Newest first. */
  all(): readonly string[] {
    return this.#entries().map(([, token]) => token);
  }

  set(id: string, token: string): void {
    const others = this.#entries().filter(([known]) => known !== id);
    this.#save([[id, token], ...others]);
  }

  remove(id: string): void {
    this.#save(this.#entries().filter(([known]) => known !== id));
  }

  #save(entries: readonly (readonly [string, string])[]): void {
    this.#storage.set(this.#key, JSON.stringify({ entries: entries.slice(0, TOKENS_MAX) }));
  }

  #entries(): (readonly [string, string])[] {
    try {
      const value: unknown = JSON.parse(this.#storage.get(this.#key) ?? 'null');
      const entries: unknown = isRecord(value) ? value['entries'] : null;
      return Array.isArray(entries) ? entries.filter(isEntry) : [];
    } catch {
      return [];
    }
  }
}

function isEntry(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string';
}

export const reservationTokens = new ReservationTokens(browserStorage);
