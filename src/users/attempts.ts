/**
 * How often a password may be tried.
 *
 * Guarantees: an attempt is counted before it is made, so that many at once do not slip through; addresses with
 * and without an account are counted alike and cannot be told apart; nobody is locked out for good: the delay
 * ends by itself, and a new password set by mail ends it at once.
 */
import type { Clock } from '../actors/ports.js';
import type { Documents } from '../archive/documents.js';
import { attemptsOf, hashOf } from './records.js';

/** Wrong passwords without any delay. */
export const FREE_FAILURES = 5;
const FIRST_DELAY_MS = 60_000;
const DELAY_MS_MAX = 3_600_000;
/** Failures are forgotten when there was none for so long. */
const KEPT_MS = 86_400_000;
const CHANGES_MAX = 20;
/** Told to those who try so many at once that they cannot even be counted. */
const CROWD_RETRY_MS = 1_000;

export type Attempt =
  /** May be made; `failures` is what it counts as if it fails. */
  | { readonly kind: 'go'; readonly failures: number }
  | { readonly kind: 'wait'; readonly retryAfterMs: number };

/** The wait after so many failures in a row. */
export function delayAfter(failures: number): number {
  return failures < FREE_FAILURES
    ? 0
    : Math.min(DELAY_MS_MAX, FIRST_DELAY_MS * 2 ** (failures - FREE_FAILURES));
}

export class Attempts {
  readonly #records: ReturnType<typeof attemptsOf>;
  readonly #clock: Clock;

  constructor({ documents, clock }: { readonly documents: Documents; readonly clock: Clock }) {
    this.#records = attemptsOf(documents);
    this.#clock = clock;
  }

  /** Counts the attempt as failed; `clear` when it was not. */
  async begin(email: string): Promise<Attempt> {
    const id = idOf(email);
    for (let change = 0; change < CHANGES_MAX; change += 1) {
      const now = this.#clock.now();
      const found = await this.#records.get(id);
      if (found && found.value.lockedUntil > now)
        return { kind: 'wait', retryAfterMs: found.value.lockedUntil - now };
      const failures = (found && found.value.endsAt > now ? found.value.failures : 0) + 1;
      const counted = { failures, lockedUntil: now + delayAfter(failures), endsAt: now + KEPT_MS };
      const isCounted = found
        ? await this.#records.replace(id, counted, found.version)
        : await this.#records.insert(id, counted);
      if (isCounted) return { kind: 'go', failures };
    }
    return { kind: 'wait', retryAfterMs: CROWD_RETRY_MS };
  }

  /** It was not made after all. */
  async giveBack(email: string): Promise<void> {
    await this.#records.update(idOf(email), (counted) => ({
      ...counted,
      failures: Math.max(0, counted.failures - 1),
      lockedUntil: 0,
    }));
  }

  async clear(email: string): Promise<void> {
    await this.#records.remove(idOf(email));
  }
}

const idOf = (email: string): string => `attempts-${hashOf('attempts', email)}`;
