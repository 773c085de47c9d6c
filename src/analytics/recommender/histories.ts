/**
 * What the person who asks has chosen before, from their own reservations.
 *
 * Guarantees: what an account holds by an answered request is in its next history; anything else about it, as the end
 * of a hold, is seen within `KEEP_MS`. Only what is live counts: what was given back says nothing.
 */
import type { Clock } from '../../actors/ports.js';
import { BoundedMap } from '../../security/bounded-map.js';
import type { Reservation } from '../../rules/index.js';
import type { Principal } from '../../users/principal.js';
import type { Visitor } from '../model/dataset.js';

export interface History {
  /** Oldest first, each match once. */
  readonly choices: Visitor['history'];
  /** Where they said they were when they last bought, ISO 3166-1 alpha-2; null when that is not known. */
  readonly country: string | null;
}

export const NO_HISTORY: History = { choices: [], country: null };

export interface HistoriesOptions {
  /** An account's own, newest first. */
  readonly reservations: (principal: Principal) => Promise<readonly Reservation[]>;
  /** The id of the account's newest; another one than before says that a history is out of date. */
  readonly newest: (accountId: string) => Promise<string | undefined>;
  readonly clock: Clock;
}

const KEEP_MS = 30_000;
const ACCOUNTS_MAX = 10_000;
/** Matches of one history; the oldest are left out. */
const CHOICES_MAX = 100;

const LIVE: ReadonlySet<Reservation['status']> = new Set(['PENDING', 'PAYING', 'RESERVED']);

interface Kept {
  readonly newest: string | undefined;
  readonly until: number;
  readonly history: History;
}

export class Histories {
  readonly #options: HistoriesOptions;
  readonly #kept = new BoundedMap<string, Kept>(ACCOUNTS_MAX);

  constructor(options: HistoriesOptions) {
    this.#options = options;
  }

  async of(principal: Principal): Promise<History> {
    const { reservations, newest: newestOf, clock } = this.#options;
    // What an account's own are depends on its address, and on whether that is confirmed.
    const key = JSON.stringify([principal.accountId, principal.email, principal.emailConfirmed]);
    const newest = await newestOf(principal.accountId);
    const kept = this.#kept.get(key);
    if (kept && kept.newest === newest && kept.until > clock.now()) return kept.history;
    const history = historyOf(await reservations(principal));
    this.#kept.set(key, { newest, until: clock.now() + KEEP_MS, history });
    return history;
  }
}

function historyOf(reservations: readonly Reservation[]): History {
  const live = reservations
    .filter(({ status }) => LIVE.has(status))
    .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  const byMatch = new Map<number, number>();
  for (const { matchNumber, createdAt } of live) {
    if (!byMatch.has(matchNumber)) byMatch.set(matchNumber, createdAt);
  }
  const choices = [...byMatch].map(([item, at]) => ({ item, at })).slice(-CHOICES_MAX);
  return { choices, country: live.findLast(({ country }) => country !== undefined)?.country ?? null };
}
