/**
 * Availability as it changes, over server-sent events.
 *
 * Guarantees: what is shown as live is live: when the connection is lost, silent for longer than the server's
 * heartbeat allows, or ended by the browser, the state says `reconnecting` and since when the figures are old. It
 * connects again by itself, waiting longer each time and never at the same moment as everybody else; at once when
 * the network or the page comes back. A new connection begins with a whole snapshot, so nothing is missed.
 *
 * It reads the stream with `fetch` and not with `EventSource`, which hides heartbeats and status codes: a telephone
 * that changed networks would show old figures as live for minutes.
 */
import { createParser } from 'eventsource-parser';
import { retryAfterMsOf } from '../api/problem';
import type { LiveMatch, LiveTicket } from '../api/types';

export type FeedState =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  /** `lastHeardAt`: until when the figures were true, by this machine's clock; null when none came yet. */
  | { readonly kind: 'reconnecting'; readonly lastHeardAt: number | null };

export interface FeedOptions {
  readonly url: string;
  readonly fetch: typeof fetch;
  readonly now: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly onTickets: (tickets: readonly LiveTicket[], isSnapshot: boolean) => void;
  /** Of all matches; before the tickets of the same snapshot. */
  readonly onMatches: (matches: readonly LiveMatch[]) => void;
  /** Calls back after so many milliseconds; the answer cancels it. */
  readonly schedule: (ms: number, run: () => void) => () => void;
}

const RETRY_MS = 500;
const RETRY_MS_MAX = 20_000;
/** The server sends a heartbeat every 15 s; after two that are missing nobody is there. */
export const SILENCE_MS_MAX = 35_000;
/** A tab nobody looks at gives its connection back after so long. */
export const HIDDEN_MS_MAX = 60_000;
/** An event is at most a snapshot of all tickets. */
const BUFFER_CHARS_MAX = 4_000_000;

export class AvailabilityFeed {
  readonly #options: FeedOptions;
  readonly #listeners = new Set<() => void>();
  #state: FeedState = { kind: 'connecting' };
  #connection: AbortController | null = null;
  #cancelRetry: (() => void) | null = null;
  #cancelSilence: (() => void) | null = null;
  #cancelHidden: (() => void) | null = null;
  #failures = 0;
  #lastHeardAt: number | null = null;
  #isRunning = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get state(): FeedState {
    return this.#state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#connect();
  }

  stop(): void {
    this.#isRunning = false;
    this.#cancelHidden?.();
    this.#drop();
  }

  /** The page was hidden or is looked at again. */
  visible(isVisible: boolean): void {
    this.#cancelHidden?.();
    this.#cancelHidden = null;
    if (isVisible) this.wake();
    else this.#cancelHidden = this.#options.schedule(HIDDEN_MS_MAX, () => this.#lost(false));
  }

  /** There may be a network again: no waiting. */
  wake(): void {
    if (!this.#isRunning || this.#connection) return;
    this.#failures = 0;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#connect();
  }

  /** The browser says that there is no network. */
  offline(): void {
    if (this.#isRunning && this.#connection) this.#lost(true);
  }

  #connect(): void {
    const connection = new AbortController();
    this.#connection = connection;
    this.#listen(connection)
      .then((retryAfterMs) => retryAfterMs)
      .catch(() => undefined)
      .then((retryAfterMs) => {
        if (this.#connection === connection) this.#lost(true, retryAfterMs);
      })
      .catch(() => undefined);
  }

  /** Until the stream ends. Answers how long the server wants to be left alone, if it says so. */
  async #listen(connection: AbortController): Promise<number | undefined> {
    this.#heard(connection);
    const response = await this.#options.fetch(this.#options.url, {
      headers: { Accept: 'text/event-stream' },
      cache: 'no-store',
      credentials: 'same-origin',
      signal: connection.signal,
    });
    if (!response.ok || !response.body) return retryAfterMsOf(response.headers.get('Retry-After'));
    const parser = createParser({
      maxBufferSize: BUFFER_CHARS_MAX,
      onEvent: ({ event, data }) => this.#take(event, data),
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return undefined;
      if (this.#connection !== connection) return undefined;
      this.#heard(connection);
      parser.feed(value);
    }
  }

  #take(event: string | undefined, data: string): void {
    const value = JSON.parse(data) as unknown;
    if (event === 'snapshot') {
      // A server of an older version tells no matches.
      const { tickets, matches = [] } = value as { tickets: LiveTicket[]; matches?: LiveMatch[] };
      this.#options.onMatches(matches);
      this.#options.onTickets(tickets, true);
      this.#failures = 0;
      this.#become({ kind: 'live' });
    } else if (event === 'availability') {
      this.#options.onTickets([value as LiveTicket], false);
    } else {
      return;
    }
    this.#lastHeardAt = this.#options.now();
  }

  /** Anything that came shows that somebody is there. */
  #heard(connection: AbortController): void {
    if (this.#state.kind === 'live') this.#lastHeardAt = this.#options.now();
    this.#cancelSilence?.();
    this.#cancelSilence = this.#options.schedule(SILENCE_MS_MAX, () => {
      if (this.#connection === connection) this.#lost(true);
    });
  }

  /** `retry` false: not before somebody looks again. */
  #lost(retry: boolean, retryAfterMs = 0): void {
    this.#drop();
    this.#become({ kind: 'reconnecting', lastHeardAt: this.#lastHeardAt });
    if (!retry || !this.#isRunning) return;
    const longest = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    const waitMs = Math.max(retryAfterMs, longest / 2) + (this.#options.random() * longest) / 2;
    this.#cancelRetry = this.#options.schedule(waitMs, () => {
      this.#cancelRetry = null;
      this.#connect();
    });
  }

  #drop(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#cancelSilence?.();
    this.#cancelSilence = null;
    connection?.abort();
  }

  #become(state: FeedState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
