/** What a visitor says they want to see: a country and teams they follow. It stays in the browser. */
import { browserStorage, type KeyValues } from '../api/storage';
import { isRecord } from '../api/problem';

export interface Taste {
  /** ISO 3166-1 alpha-2; absent: as far as it is known. */
  readonly country?: string;
  /** By their names in the master list. */
  readonly teams: readonly string[];
}

/** As many as the server takes. */
export const TEAMS_MAX = 5;
const KEY = 'ticktak.taste';
const NONE: Taste = { teams: [] };

export class TasteStore {
  readonly #storage: KeyValues;
  readonly #listeners = new Set<() => void>();
  #taste: Taste | null = null;

  constructor(storage: KeyValues) {
    this.#storage = storage;
  }

  /** The same object until it changes. */
  get = (): Taste => (this.#taste ??= tasteOf(this.#storage.get(KEY)));

  set(taste: Taste): void {
    this.#taste = { ...taste, teams: [...new Set(taste.teams)].slice(0, TEAMS_MAX) };
    const isNone = taste.country === undefined && taste.teams.length === 0;
    if (isNone) this.#storage.remove(KEY);
    else this.#storage.set(KEY, JSON.stringify(this.#taste));
    for (const listener of this.#listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
}

/** What was kept, as far as it can be one. */
function tasteOf(text: string | null): Taste {
  if (text === null) return NONE;
  try {
    const kept: unknown = JSON.parse(text);
    if (!isRecord(kept)) return NONE;
    const { country, teams } = kept;
    return {
      ...(typeof country === 'string' && /^[A-Z]{2}$/.test(country) && { country }),
      teams: (Array.isArray(teams) ? teams : [])
        .filter((team): team is string => typeof team === 'string')
        .slice(0, TEAMS_MAX),
    };
  } catch {
    return NONE;
  }
}

export const taste = new TasteStore(browserStorage);
