/**
 * Requests that must not happen twice and whose outcome this tab does not know yet: the key and the very body that was
 * sent, so that it can be asked for again after a reload.
 *
 * Guarantees: while a request of a name is open it is the only one of that name; whatever stands in the form by then,
 * what is sent again is what was sent.
 */
import { newKey } from '../api/intents';
import { isRecord } from '../api/problem';
import { tabStorage, type KeyValues } from '../api/storage';

export interface KeptRequest<B> {
  readonly key: string;
  readonly body: B;
}

export interface KeptRequestsOptions {
  readonly storage: KeyValues;
  readonly newKey: () => string;
  readonly now: () => number;
}

const PREFIX = 'ticktak.request.';
/** The server forgets keys after a day; older ones must not be taken up. */
const KEEP_MS = 12 * 60 * 60_000;

export class KeptRequests<B> {
  readonly #options: KeptRequestsOptions;
  readonly #isBody: (value: unknown) => value is B;

  constructor(options: KeptRequestsOptions, isBody: (value: unknown) => value is B) {
    this.#options = options;
    this.#isBody = isBody;
  }

  /** The open request of this name, or a new one with this body. */
  begin(name: string, body: B): KeptRequest<B> {
    const open = this.open(name);
    if (open) return open;
    const request = { key: this.#options.newKey(), body };
    this.#options.storage.set(PREFIX + name, JSON.stringify({ ...request, at: this.#options.now() }));
    return request;
  }

  /** Null when nothing was sent, or its outcome is known. */
  open(name: string): KeptRequest<B> | null {
    try {
      const value: unknown = JSON.parse(this.#options.storage.get(PREFIX + name) ?? 'null');
      if (!isRecord(value)) return null;
      const { key, body, at } = value;
      if (typeof key !== 'string' || typeof at !== 'number' || this.#options.now() - at >= KEEP_MS)
        return null;
      return this.#isBody(body) ? { key, body } : null;
    } catch {
      return null;
    }
  }

  /** Its outcome is known. */
  end(name: string): void {
    this.#options.storage.remove(PREFIX + name);
  }
}

export const ofThisTab: KeptRequestsOptions = { storage: tabStorage, newKey, now: () => Date.now() };
