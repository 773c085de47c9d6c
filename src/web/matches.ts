/**
 * The matches that pages are made of, asked of the shop over HTTP.
 *
 * Guarantees: what `current` answers was asked for after the call, so a page shows what was answered before it was
 * asked for; however many pages are asked for at once, the shop is asked one question at a time; while it does not
 * answer, the last answer is given and marked, for a bounded time, and then none.
 */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { MatchView } from '../http/read-model.js';
import type { Logger } from '../process/log.js';
import type { Forwarder } from './forwarder.js';

/** What is asked of the shop's forwarder. */
export type Shop = Pick<Forwarder, 'get'>;

export interface Matches {
  /** Null when the shop has not answered for a while. */
  readonly list: readonly MatchView[] | null;
  /** The shop's ETag: the same for the same matches. */
  readonly version: string;
  /** The shop does not answer: this is what it last said. */
  readonly isStale: boolean;
}

export interface MatchesOptions {
  readonly shop: Shop;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a page waits for the shop. */
  readonly waitMs?: number;
  /** How long its last answer is shown while it does not answer. */
  readonly staleMsMax?: number;
}

const WAIT_MS = 2_000;
const STALE_MS_MAX = 5 * 60_000;
/** After a failure it is not asked for so long: pages need not wait for it each time. */
const REST_MS = 1_000;
const LOG_MS = 5_000;
const NONE: Matches = { list: null, version: 'none', isStale: true };

/** The shop is ours, so only the frame is looked at. */
const listSchema = z.object({ matches: z.array(z.custom<MatchView>((value) => typeof value === 'object')) });

export class MatchesSource {
  readonly #options: MatchesOptions;
  #kept: { readonly matches: Matches; readonly at: number } | null = null;
  #asking: Promise<Matches> | null = null;
  /** Whoever comes while a question is under way waits for the next one. */
  #next: Promise<Matches> | null = null;
  #askAgainAt = 0;
  #loggedAt = 0;

  constructor(options: MatchesOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  current(): Promise<Matches> {
    if (!this.#asking) return this.#begin();
    this.#next ??= this.#asking.then(() => {
      this.#next = null;
      return this.#begin();
    });
    return this.#next;
  }

  #begin(): Promise<Matches> {
    this.#asking = this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(): Promise<Matches> {
    const { clock } = this.#options;
    if (clock.now() < this.#askAgainAt) return this.#last();
    try {
      const matches = await this.#fetch();
      this.#kept = { matches, at: clock.now() };
      return matches;
    } catch (error) {
      this.#askAgainAt = clock.now() + REST_MS;
      this.#log(error);
      return this.#last();
    }
  }

  async #fetch(): Promise<Matches> {
    const { shop, waitMs = WAIT_MS } = this.#options;
    const known = this.#kept?.matches;
    const headers = { accept: 'application/json', ...(known && { 'if-none-match': known.version }) };
    const { statusCode, headers: answered, body } = await shop.get('/api/v1/matches', headers, waitMs);
    if (statusCode === 304 && known) {
      await body.dump();
      return known;
    }
    if (statusCode !== 200) {
      await body.dump();
      throw new Error(`the shop answered ${statusCode}`);
    }
    const { matches: list } = listSchema.parse(await body.json());
    const { etag } = answered;
    return { list, version: typeof etag === 'string' ? etag : '', isStale: false };
  }

  #last(): Matches {
    const { clock, staleMsMax = STALE_MS_MAX } = this.#options;
    if (!this.#kept || clock.now() - this.#kept.at > staleMsMax) return NONE;
    return { ...this.#kept.matches, isStale: true };
  }

  #log(error: unknown): void {
    const { clock, logger } = this.#options;
    if (clock.now() - this.#loggedAt < LOG_MS) return;
    this.#loggedAt = clock.now();
    const err = error instanceof Error ? error.message : String(error);
    logger.warn({ err }, 'pages are made without the shop');
  }
}
