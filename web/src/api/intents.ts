/**
 * Idempotency keys of what a person means to do.
 *
 * Guarantees: one intent (`hold`, the same match, category and quantity) has one key over retries, reloads and the
 * back button of a tab, so that it takes effect once; another body has another key; an intent that ended, whether
 * done or refused for good, has a new key next time.
 */
import { isRecord } from './problem';
import { tabStorage, type KeyValues } from './storage';

const PREFIX = 'ticktak.intent.';
/** The server forgets keys after a day; older ones must not be taken up. */
const KEEP_MS = 12 * 60 * 60_000;

export interface IntentsOptions {
  readonly storage: KeyValues;
  readonly newKey: () => string;
  readonly now: () => number;
}

export class Intents {
  readonly #options: IntentsOptions;

  constructor(options: IntentsOptions) {
    this.#options = options;
  }

  /** The key of the intent `name` with this body: the one in use, or a new one. */
  keyOf(name: string, body: unknown): string {
    const { storage, newKey, now } = this.#options;
    const fingerprint = JSON.stringify(body) ?? '';
    const kept = this.#read(name);
    if (kept?.fingerprint === fingerprint && now() - kept.at < KEEP_MS) return kept.key;
    const key = newKey();
    storage.set(PREFIX + name, JSON.stringify({ key, fingerprint, at: now() }));
    return key;
  }

  /** Whether an intent is open: begun, and its outcome not known to this tab. */
  isOpen(name: string): boolean {
    return this.#read(name) !== null;
  }

  /** Its outcome is known. */
  end(name: string): void {
    this.#options.storage.remove(PREFIX + name);
  }

  #read(name: string): { key: string; fingerprint: string; at: number } | null {
    try {
      const value: unknown = JSON.parse(this.#options.storage.get(PREFIX + name) ?? 'null');
      if (!isRecord(value)) return null;
      const { key, fingerprint, at } = value;
      return typeof key === 'string' && typeof fingerprint === 'string' && typeof at === 'number'
        ? { key, fingerprint, at }
        : null;
    } catch {
      return null;
    }
  }
}

/** 128 random bits; `crypto.randomUUID` is missing on pages that are not secure. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const intents = new Intents({ storage: tabStorage, newKey, now: () => Date.now() });
