/**
 * Passwords: what is accepted, and how they are kept and compared.
 *
 * Guarantees: only argon2id hashes leave this module; comparing takes the same work whether there is an account
 * or not; no more hashes run at once than memory and threads are meant for, and what cannot run soon is refused.
 */
import { randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { isCommon } from './common-passwords.js';

/** OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 } as const;
/** argon2id is the package's default; how a hash made with these parameters begins. */
const PREFIX = '$argon2id$v=19$m=19456,t=2,p=1$';

/** OWASP ASVS 4.0 V2.1.1 and V2.1.2. */
export const PASSWORD_CHARS_MIN = 12;
export const PASSWORD_CHARS_MAX = 128;
/** What is looked at before it is normalized: no character of a password needs more. */
export const PASSWORD_UNITS_MAX = 4 * PASSWORD_CHARS_MAX;

/** Hashes at a time: each takes a thread and 19 MiB. */
const RUNNING_MAX = 2;
/** Hashes waiting for their turn; at about 30 ms each the last one waits under a second. */
const WAITING_MAX = 50;

/** NIST SP 800-63B section 5.1.1.2: the same password however the keyboard composes its characters. */
const normalized = (password: string): string => password.normalize('NFKC');

/** Why it is not accepted, for the one who chose it; null when it is. */
export function passwordRefusal(
  password: string,
  about: { readonly email: string; readonly name: string },
): string | null {
  const text = normalized(password);
  const { length } = Array.from(text);
  if (length < PASSWORD_CHARS_MIN) return `must have at least ${PASSWORD_CHARS_MIN} characters`;
  if (length > PASSWORD_CHARS_MAX) return `may have at most ${PASSWORD_CHARS_MAX} characters`;
  const own = [...about.email.split(/[@.+_-]/), ...about.name.split(/\s+/)];
  if (text.toLowerCase() === about.email || isCommon(text, own))
    return 'is among those that are guessed first; take several words that have nothing to do with each other';
  return null;
}

export type Hashed = { readonly kind: 'hashed'; readonly hash: string } | { readonly kind: 'overloaded' };
export type Compared = 'right' | 'wrong' | 'overloaded';

export interface PasswordLimits {
  readonly runningMax: number;
  readonly waitingMax: number;
}

export class Passwords {
  readonly #limits: PasswordLimits;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  #dummy: Promise<string> | null = null;

  constructor(limits: Partial<PasswordLimits> = {}) {
    this.#limits = { runningMax: RUNNING_MAX, waitingMax: WAITING_MAX, ...limits };
  }

  /** Makes what unknown accounts are compared with, so that the first of them takes no longer than the rest. */
  async start(): Promise<void> {
    await this.#unknown();
  }

  async hash(password: string): Promise<Hashed> {
    const text = await this.#run(() => hash(normalized(password), PARAMETERS));
    return text === null ? { kind: 'overloaded' } : { kind: 'hashed', hash: text };
  }

  /** `stored` is null when there is no such account, or it has no password: as much work, never right. */
  async compare(stored: string | null, password: string): Promise<Compared> {
    const against = stored ?? (await this.#unknown());
    const isRight = await this.#run(() => verify(against, normalized(password)));
    return isRight === null ? 'overloaded' : isRight && stored !== null ? 'right' : 'wrong';
  }

  /** Whether it was made with other parameters than those of today. */
  isOutdated(stored: string): boolean {
    return !stored.startsWith(PREFIX);
  }

  #unknown(): Promise<string> {
    return (this.#dummy ??= hash(randomBytes(32), PARAMETERS));
  }

  /** Null when too many are waiting. */
  async #run<T>(work: () => Promise<T>): Promise<T | null> {
    if (this.#running >= this.#limits.runningMax) {
      if (this.#waiting.length >= this.#limits.waitingMax) return null;
      // Whoever ends hands its place over, so the count stays.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#running += 1;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running -= 1;
    }
  }
}
