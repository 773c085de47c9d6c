/**
 * Who is logged in.
 *
 * Guarantees: the access token is in memory only, the refresh token in a cookie that no script can read; however
 * many requests and tabs need a new access token, one asks for it at a time and all get it; a log-out in one tab
 * is one in all.
 */
import type { ServerClock } from './clock';
import { ApiProblem, isRecord } from './problem';
import type { KeyValues } from './storage';
import type { Account, LogIn } from './types';

/** `unknown` until it is known whether the cookie opens an account. */
export type SessionState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'guest' }
  | { readonly kind: 'account'; readonly account: Account };

export interface SessionOptions {
  readonly clock: ServerClock;
  /** Says across reloads whether asking for a refresh can be worth it, and whose pages may be wanted then. */
  readonly storage: KeyValues;
  /** `POST /api/v1/sessions/refresh` with the cookie. */
  readonly refresh: () => Promise<LogIn>;
  /** Runs one at a time over all tabs. */
  readonly exclusively: <T>(run: () => Promise<T>) => Promise<T>;
  /** Tells the other tabs, and hears them. */
  readonly channel: SessionChannel | null;
}

export interface SessionChannel {
  post(message: unknown): void;
  listen(onMessage: (message: unknown) => void): void;
}

const HINT = 'ticktak.session';
const HINT_OF_OPERATORS = 'operator';
/** A token that ends within so long is renewed before it is used. */
const RENEW_BEFORE_MS = 20_000;

export class Session {
  readonly #options: SessionOptions;
  readonly #listeners = new Set<() => void>();
  #state: SessionState = { kind: 'unknown' };
  #token: { readonly value: string; readonly endsAt: number } | null = null;
  #renewing: Promise<boolean> | null = null;

  constructor(options: SessionOptions) {
    this.#options = options;
    options.channel?.listen((message) => this.#heard(message));
  }

  get state(): SessionState {
    return this.#state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  /** Whether an operator was logged in here last: a guess at who it is, before it is known. */
  get wasOperator(): boolean {
    return this.#options.storage.get(HINT) === HINT_OF_OPERATORS;
  }

  /** Finds out who it is; quick for those who never logged in here. */
  async restore(): Promise<void> {
    if (this.#state.kind !== 'unknown') return;
    if (this.#options.storage.get(HINT) === null) this.#become({ kind: 'guest' });
    else await this.renew().catch(() => false);
  }

  /** The access token to send; null for guests. */
  async accessToken(): Promise<string | null> {
    if (this.#state.kind === 'unknown') await this.restore();
    const { clock } = this.#options;
    if (this.#token && this.#token.endsAt - clock.now() < RENEW_BEFORE_MS)
      await this.renew().catch(() => false);
    return this.#token?.value ?? null;
  }

  /** Whether there is a new access token. */
  renew(): Promise<boolean> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** After a log-in, or whatever else answers one. */
  logged(logIn: LogIn): void {
    this.#take(logIn);
    this.#options.channel?.post({ kind: 'logged_in', logIn });
  }

  loggedOut(): void {
    this.#forget();
    this.#options.channel?.post({ kind: 'logged_out' });
  }

  /** The account as it was read last. */
  changed(account: Account): void {
    if (this.#state.kind === 'account') this.#become({ kind: 'account', account });
  }

  async #renew(): Promise<boolean> {
    if (this.#options.storage.get(HINT) === null) {
      this.#become({ kind: 'guest' });
      return false;
    }
    const before = this.#token?.value;
    return this.#options.exclusively(async () => {
      // Another tab may have told its new one while this one waited for its turn.
      if (this.#token && this.#token.value !== before) return true;
      try {
        this.logged(await this.#options.refresh());
        return true;
      } catch (error) {
        if (error instanceof ApiProblem && (error.code === 'unauthorized' || error.code === 'forbidden')) {
          this.loggedOut();
          return false;
        }
        // Not known: still logged in, as far as anyone can tell, but nothing can be asked as the account now.
        throw error;
      }
    });
  }

  #heard(message: unknown): void {
    if (!isRecord(message)) return;
    if (message['kind'] === 'logged_out') this.#forget();
    if (message['kind'] === 'logged_in') this.#take(message['logIn'] as LogIn);
  }

  #take({ accessToken, expiresAt, account }: LogIn): void {
    this.#token = { value: accessToken, endsAt: Date.parse(expiresAt) };
    this.#options.storage.set(HINT, account.roles.includes('operator') ? HINT_OF_OPERATORS : '1');
    this.#become({ kind: 'account', account });
  }

  #forget(): void {
    this.#token = null;
    this.#options.storage.remove(HINT);
    this.#become({ kind: 'guest' });
  }

  #become(state: SessionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
