/**
 * A payment that was sent and whose outcome this tab does not know yet: its key, and what it was paid with, so that
 * the very same request can be repeated after a reload or after the bank's page.
 *
 * Guarantees: one press of the button is one key until its outcome is known; a body that must not be written down
 * lasts as long as the page.
 */
import { isRecord } from '../api/problem';
import type { KeyValues } from '../api/storage';
import { isTestCard } from './cards';
import type { PaymentMethod } from './types';

export interface PayIntent {
  readonly key: string;
  readonly method: PaymentMethod;
}

export interface PayIntentsOptions {
  readonly storage: KeyValues;
  readonly newKey: () => string;
  readonly now: () => number;
}

const PREFIX = 'ticktak.payment.';
/** The server forgets keys after a day; older ones must not be taken up. */
const KEEP_MS = 12 * 60 * 60_000;

export class PayIntents {
  readonly #options: PayIntentsOptions;
  readonly #inMemory = new Map<string, PayIntent>();

  constructor(options: PayIntentsOptions) {
    this.#options = options;
  }

  /** The intent to pay so: the open one if it is the same, else a new one in its place. */
  begin(reservationId: string, method: PaymentMethod): PayIntent {
    const open = this.open(reservationId);
    if (open && JSON.stringify(open.method) === JSON.stringify(method)) return open;
    const { storage, newKey, now } = this.#options;
    const intent: PayIntent = { key: newKey(), method };
    this.#inMemory.set(reservationId, intent);
    // The sandbox refuses real cards; one that was typed by mistake is not written down all the same.
    if (typeof method === 'string' || isTestCard(method.number)) {
      storage.set(PREFIX + reservationId, JSON.stringify({ ...intent, at: now() }));
    } else {
      storage.remove(PREFIX + reservationId);
    }
    return intent;
  }

  /** Null when nothing was sent, or its outcome is known. */
  open(reservationId: string): PayIntent | null {
    return this.#inMemory.get(reservationId) ?? this.#read(reservationId);
  }

  /** Its outcome is known. */
  end(reservationId: string): void {
    this.#inMemory.delete(reservationId);
    this.#options.storage.remove(PREFIX + reservationId);
  }

  #read(reservationId: string): PayIntent | null {
    try {
      const value: unknown = JSON.parse(this.#options.storage.get(PREFIX + reservationId) ?? 'null');
      if (!isRecord(value)) return null;
      const { key, method, at } = value;
      if (typeof key !== 'string' || typeof at !== 'number' || this.#options.now() - at >= KEEP_MS)
        return null;
      return isMethod(method) ? { key, method } : null;
    } catch {
      return null;
    }
  }
}

function isMethod(value: unknown): value is PaymentMethod {
  if (typeof value === 'string') return true;
  return (
    isRecord(value) &&
    ['number', 'expirationMonth', 'expirationYear', 'cvc'].every((part) => typeof value[part] === 'string')
  );
}
