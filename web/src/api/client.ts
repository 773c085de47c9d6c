/** One request to the API, with everything that may stand between it and its answer. */
import type { ServerClock } from './clock';
import { ApiProblem, problemOf } from './problem';

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v1`, with its leading slash. */
  readonly path: string;
  /** A list is sent as one parameter for each of its values. */
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown;
  /** Makes repeats harmless: the request is then repeated by itself while its outcome is unknown. */
  readonly key?: string;
  /** Reservation tokens to present. */
  readonly tokens?: readonly string[];
  /** What one kind of request has besides; never in the place of what is sent anyway. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * `none`: without the account, even when logged in. `once`: as the account, and a refusal is not answered by a
   * new access token and a repeat, because it is about the password that was sent along.
   */
  readonly auth?: 'account' | 'once' | 'none';
  /** JSON when absent. */
  readonly accept?: string;
  readonly timeoutMs?: number;
  /** Not repeated by itself: whoever asks again and again does so anyway. */
  readonly isOnce?: true;
  readonly signal?: AbortSignal;
  /** Told when the answer takes longer because of a proof of work, or because the request is being repeated. */
  readonly onProgress?: (step: 'challenge' | 'asking_again') => void;
}

export interface ApiOptions {
  readonly fetch: typeof fetch;
  readonly clock: ServerClock;
  readonly now: () => number;
  readonly language: () => string;
  /** The access token to send, refreshed when it is about to end; null for guests. */
  readonly accessToken: () => Promise<string | null>;
  /** The server did not take the access token. Answers whether there is a new one. */
  readonly renew: () => Promise<boolean>;
  readonly solve: (challenge: unknown) => Promise<string>;
  readonly wait: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** Reads an answer that is a success. */
type Take<T> = (response: Response) => Promise<T>;

const BASE = '/api/v1';
/** The server answers within 10 s, that the outcome is unknown if need be. */
const TIMEOUT_MS = 15_000;
/** Tries of a keyed request whose outcome stays unknown. */
const ATTEMPTS_MAX = 4;
const RETRY_MS = 1_000;
const RETRY_MS_MAX = 5_000;

export class Api {
  readonly #options: ApiOptions;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /**
   * The body of the answer (null when it has none). Throws `ApiProblem`, and nothing else but the signal's
   * `AbortError`. With a key, an unknown outcome is asked for again, a few times.
   */
  async send<T>(request: ApiRequest): Promise<T> {
    return this.#repeated(request, (response) => jsonOf<T>(response));
  }

  /** Like `send`, for an answer that is a file. */
  async file(request: ApiRequest): Promise<Blob> {
    return this.#repeated({ ...request, accept: '*/*' }, (response) => response.blob());
  }

  async #repeated<T>(request: ApiRequest, take: Take<T>): Promise<T> {
    const { wait } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#checked(request, take);
      } catch (error) {
        if (!(error instanceof ApiProblem) || !isWorthRepeating(request, error) || attempt >= ATTEMPTS_MAX) {
          throw error;
        }
        request.onProgress?.('asking_again');
        const backOffMs = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** (attempt - 1));
        await wait(Math.min(RETRY_MS_MAX, error.retryAfterMs ?? backOffMs), request.signal);
      }
    }
  }

  /** Answers `unauthorized` and `challenge_required`, once each, as far as a client can. */
  async #checked<T>(request: ApiRequest, take: Take<T>): Promise<T> {
    let solution: string | undefined;
    let renewed = false;
    for (;;) {
      try {
        return await this.#once(request, take, solution);
      } catch (error) {
        if (!(error instanceof ApiProblem)) throw error;
        if (error.code === 'challenge_required' && solution === undefined) {
          request.onProgress?.('challenge');
          solution = await this.#solved(error.members['challenge']);
        } else if (error.code === 'unauthorized' && !renewed && (request.auth ?? 'account') === 'account') {
          renewed = true;
          if (!(await this.#options.renew())) throw error;
        } else {
          throw error;
        }
      }
    }
  }

  /** Also where the solver itself cannot be loaded: nothing was done then. */
  async #solved(challenge: unknown): Promise<string> {
    try {
      return await this.#options.solve(challenge);
    } catch {
      throw new ApiProblem('challenge_failed');
    }
  }

  async #once<T>(request: ApiRequest, take: Take<T>, solution: string | undefined): Promise<T> {
    const { fetch, clock, now } = this.#options;
    const { signal, timeoutMs = TIMEOUT_MS } = request;
    const headers = await this.#headers(request, solution);
    const limit = AbortSignal.timeout(timeoutMs);
    const sentAt = now();
    try {
      const response = await fetch(urlOf(request), {
        method: request.method ?? 'GET',
        headers,
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
        credentials: 'same-origin',
        cache: 'no-store',
        signal: signal ? AbortSignal.any([signal, limit]) : limit,
      });
      clock.observe(response.headers.get('Date'), sentAt, now());
      if (response.ok) return await take(response);
      throw problemOf(response.status, parsed(await response.text()), response.headers.get('Retry-After'));
    } catch (error) {
      if (signal?.aborted === true || error instanceof ApiProblem) throw error;
      throw new ApiProblem(limit.aborted ? 'timed_out' : 'connection_lost');
    }
  }

  async #headers(request: ApiRequest, solution: string | undefined): Promise<Headers> {
    const { accessToken, language } = this.#options;
    const headers = new Headers({
      ...request.headers,
      Accept: request.accept ?? 'application/json',
      'Accept-Language': language(),
    });
    if (request.body !== undefined) headers.set('Content-Type', 'application/json');
    if (request.key !== undefined) headers.set('Idempotency-Key', request.key);
    if (request.tokens && request.tokens.length > 0) {
      headers.set('X-Reservation-Token', request.tokens.join(','));
    }
    if (solution !== undefined) headers.set('X-Challenge-Solution', solution);
    const token = request.auth === 'none' ? null : await accessToken();
    if (token !== null) headers.set('Authorization', `Bearer ${token}`);
    return headers;
  }
}

/** A read, and what a key makes harmless; nothing that was refused. */
function isWorthRepeating({ method = 'GET', key, isOnce }: ApiRequest, problem: ApiProblem): boolean {
  if (isOnce === true) return false;
  if (method !== 'GET' && key === undefined) return false;
  return problem.isOutcomeUnknown;
}

function urlOf({ path, query = {} }: ApiRequest): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    const values = typeof value === 'object' ? value : value === undefined ? [] : [value];
    for (const one of values) search.append(name, String(one));
  }
  const text = search.toString();
  return `${BASE}${path}${text === '' ? '' : `?${text}`}`;
}

async function jsonOf<T>(response: Response): Promise<T> {
  const body = parsed(await response.text());
  if (body === undefined) throw new ApiProblem('bad_answer', { status: response.status });
  return body as T;
}

/** Undefined for what is no JSON; null for an empty body. */
function parsed(text: string): unknown {
  if (text === '') return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
