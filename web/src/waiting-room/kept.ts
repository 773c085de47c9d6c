/**
 * The waiting room, as a buyer's browser has it.
 *
 * Guarantees: a browser has one place, whose token all its tabs share, so that a reload or another tab changes nothing
 * and asks for nothing anew; a pass is sent with holds until it ends and no longer; the server is asked as often as it
 * said, never more often; while it does not answer, what was known last is shown and said to be old.
 *
 * This file: what is kept in the browser's storage.
 */
import { isRecord } from '../api/problem';
import type { KeyValues } from '../api/storage';
import type { RoomPlace } from './types';

const KEY = 'ticktak.room';

export interface KeptPlace {
  readonly token: string;
  /** The address that a guest asked with. */
  readonly email?: string;
}

/** The last answer about the place, by whichever tab asked. */
export interface SeenPlace {
  readonly place: RoomPlace;
  /** When it came, milliseconds since 1970 by this machine. */
  readonly at: number;
}

export interface KeptPass {
  readonly pass: string;
  /** Milliseconds since 1970, by the server's clock. */
  readonly endsAt: number;
}

interface Kept {
  readonly place?: KeptPlace;
  readonly seen?: SeenPlace;
  readonly pass?: KeptPass;
}

export interface RoomKeeperOptions {
  readonly storage: KeyValues;
  /** Calls back when another tab has changed what is stored under a key. */
  readonly onElsewhere: (key: string, changed: () => void) => void;
}

export class RoomKeeper {
  readonly #storage: KeyValues;
  readonly #listeners = new Set<() => void>();

  constructor({ storage, onElsewhere }: RoomKeeperOptions) {
    this.#storage = storage;
    onElsewhere(KEY, () => this.#tell());
  }

  /** Hears of every change, of other tabs too. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /** As it is stored: another text means that something has changed. */
  get text(): string {
    return this.#storage.get(KEY) ?? '';
  }

  get place(): KeptPlace | null {
    return this.#read().place ?? null;
  }

  get seen(): SeenPlace | null {
    return this.#read().seen ?? null;
  }

  /** The pass to send at this moment of the server's clock. */
  passAt(now: number): KeptPass | null {
    const { pass } = this.#read();
    return pass && pass.endsAt > now ? pass : null;
  }

  /** A new place: nothing of the one before stays. */
  begin(place: KeptPlace, seen: SeenPlace): void {
    this.#write({ place, seen, ...passOf(seen.place) });
  }

  /** An answer about the place of this token; nothing where another place is kept by now. */
  heard(token: string, seen: SeenPlace): void {
    const { place, pass } = this.#read();
    if (place?.token !== token) return;
    const isIn = seen.place.status === 'admitted';
    this.#write({ place, seen, ...(isIn && pass && { pass }), ...passOf(seen.place) });
  }

  /** The place is over, or was never one. */
  forget(): void {
    if (this.text === '') return;
    this.#storage.remove(KEY);
    this.#tell();
  }

  #read(): Kept {
    try {
      const value: unknown = JSON.parse(this.text);
      return isRecord(value) ? keptOf(value) : {};
    } catch {
      return {};
    }
  }

  #write(kept: Kept): void {
    this.#storage.set(KEY, JSON.stringify(kept));
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function passOf({ pass, passExpiresAt }: RoomPlace): { readonly pass?: KeptPass } {
  const endsAt = passExpiresAt === undefined ? NaN : Date.parse(passExpiresAt);
  return pass === undefined || Number.isNaN(endsAt) ? {} : { pass: { pass, endsAt } };
}

/** Whatever is stored: what is not ours is as if it were not there. */
function keptOf({ place, seen, pass }: Record<string, unknown>): Kept {
  return {
    ...(isRecord(place) && typeof place['token'] === 'string' && { place: place as unknown as KeptPlace }),
    ...(isRecord(seen) &&
      typeof seen['at'] === 'number' &&
      isRecord(seen['place']) && { seen: seen as unknown as SeenPlace }),
    ...(isRecord(pass) &&
      typeof pass['pass'] === 'string' &&
      typeof pass['endsAt'] === 'number' && { pass: pass as unknown as KeptPass }),
  };
}
