/**
 * Whether a visitor agreed that their views and searches are recorded.
 *
 * Guarantees: until they agreed, and from the moment they do not, there is no id of this browser, and nothing is sent;
 * a browser that asks every site not to sell or share (Global Privacy Control) has said no unless its visitor says yes.
 */
import { browserStorage, type KeyValues } from '../api/storage';

/** `unasked`: nobody has said anything. */
export type Answer = 'unasked' | 'yes' | 'no';

const ANSWER = 'ticktak.views';
const VISITOR = 'ticktak.visitor';

export interface ConsentOptions {
  readonly storage: KeyValues;
  readonly newId: () => string;
  /** Whether the browser says no for its visitor. */
  readonly saysNo: () => boolean;
}

export class Consent {
  readonly #options: ConsentOptions;
  readonly #listeners = new Set<() => void>();

  constructor(options: ConsentOptions) {
    this.#options = options;
  }

  get answer(): Answer {
    const kept = this.#options.storage.get(ANSWER);
    if (kept === 'yes' || kept === 'no') return kept;
    return this.#options.saysNo() ? 'no' : 'unasked';
  }

  /** Of this browser, made when it is first needed; null without consent. */
  visitor(): string | null {
    const { storage, newId } = this.#options;
    if (this.answer !== 'yes') return null;
    const kept = storage.get(VISITOR);
    if (kept !== null) return kept;
    const made = newId();
    storage.set(VISITOR, made);
    return made;
  }

  decide(answer: 'yes' | 'no'): void {
    const { storage } = this.#options;
    storage.set(ANSWER, answer);
    if (answer === 'no') storage.remove(VISITOR);
    for (const listener of this.#listeners) listener();
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };
}

/** A version 4 UUID. `crypto.randomUUID` is there on secure pages only. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte, index) => {
    const marked = index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte;
    return marked.toString(16).padStart(2, '0');
  }).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

export const consent = new Consent({
  storage: browserStorage,
  newId: randomId,
  saysNo: () =>
    typeof navigator !== 'undefined' &&
    (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl === true,
});
