/**
 * Pages made on the server.
 *
 * Guarantees: a page shows the matches as they were when it was asked for; while more pages are asked for than can
 * be made it is at most a second older. Making pages takes at most a third of the process's time, whatever is asked
 * for: who shares it, requests of the API first of all, keeps the rest. What cannot be made in time is answered
 * with the shell, which the app fills in the browser.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Clock } from '../actors/ports.js';
import { bounded } from '../http/bounded.js';
import type { Logger } from '../process/log.js';
import { BoundedMap } from '../security/bounded-map.js';
import { renderedSchema, type BuiltWeb, type RenderInput } from './built.js';
import type { Encoding } from './encoding.js';
import type { Matches, MatchesSource } from './matches.js';

export interface PageRequest {
  /** Path and query. */
  readonly url: string;
  readonly theme: 'light' | 'dark' | null;
}

export interface Page {
  readonly status: number;
  readonly html: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly etag: string;
  /** False for what must not be kept anywhere: the shell, and pages without fresh matches. */
  readonly isWhole: boolean;
}

export interface PageLimits {
  /** Pages kept, the most recently made ones. */
  readonly keptMax: number;
  /** How long a page is kept whose matches have not changed: times in it are relative. */
  readonly keptMs: number;
  /** How old the matches of a page may be while others wait for theirs. */
  readonly staleMs: number;
  /** Pages that wait to be made. */
  readonly waitingMax: number;
  /** How long one may take. */
  readonly renderMs: number;
  /** Longer addresses are not kept. */
  readonly urlCharsMax: number;
}

export const PAGE_LIMITS: PageLimits = {
  keptMax: 200,
  keptMs: 10_000,
  staleMs: 1_000,
  waitingMax: 200,
  renderMs: 5_000,
  urlCharsMax: 300,
};

/** After a page nothing is made for twice the time it took, at most this long. */
const REST_TIMES = 2;
const REST_MS_MAX = 100;

export interface PagesOptions {
  readonly built: BuiltWeb;
  readonly matches: Pick<MatchesSource, 'current'>;
  readonly origin: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits?: Partial<PageLimits>;
}

interface Kept {
  readonly page: Page;
  readonly version: string;
  readonly at: number;
}

/** A page that waits to be made, with the newest matches that anybody who waits for it has seen. */
interface Waiting {
  readonly request: PageRequest;
  matches: Matches;
  readonly page: Promise<Page>;
  readonly made: (page: Page) => void;
}

export class Pages {
  readonly #options: PagesOptions;
  readonly #limits: PageLimits;
  readonly #kept: BoundedMap<string, Kept>;
  readonly #waiting = new Map<string, Waiting>();
  readonly #shell: Page;
  #isWorking = false;
  #restUntil = 0;

  constructor(options: PagesOptions) {
    this.#options = options;
    this.#limits = { ...PAGE_LIMITS, ...options.limits };
    this.#kept = new BoundedMap(this.#limits.keptMax);
    this.#shell = makePage({ status: 200, html: options.built.shell }, false);
  }

  /** Never rejects. */
  async page(request: PageRequest): Promise<Page> {
    const { clock, matches } = this.#options;
    const current = await matches.current();
    const key = `${request.theme ?? ''} ${request.url}`;
    const kept = this.#kept.get(key);
    if (kept && !current.isStale) {
      const age = clock.now() - kept.at;
      const isBusy = this.#waiting.size > 0 || clock.now() < this.#restUntil;
      if (
        kept.version === current.version ? age < this.#limits.keptMs : isBusy && age < this.#limits.staleMs
      ) {
        return kept.page;
      }
    }
    const waiting = this.#waiting.get(key);
    if (waiting) {
      waiting.matches = current;
      return waiting.page;
    }
    if (this.#waiting.size >= this.#limits.waitingMax) return this.#shell;
    return this.#enqueue(key, request, current);
  }

  #enqueue(key: string, request: PageRequest, matches: Matches): Promise<Page> {
    let made: (page: Page) => void = () => undefined;
    const page = new Promise<Page>((resolve) => {
      made = resolve;
    });
    this.#waiting.set(key, { request, matches, page, made });
    if (!this.#isWorking) void this.#work();
    return page;
  }

  /** One after the other, with pauses. Ends when none waits. */
  async #work(): Promise<void> {
    const { clock } = this.#options;
    this.#isWorking = true;
    for (let [next] = this.#waiting; next; [next] = this.#waiting) {
      const restMs = this.#restUntil - clock.now();
      if (restMs > 0) await new Promise<void>((resolve) => void clock.schedule(restMs, resolve));
      const [key, waiting] = next;
      // Who comes from now on waits for the next one.
      this.#waiting.delete(key);
      const startedAt = clock.now();
      const page = await this.#make(waiting);
      this.#restUntil = clock.now() + Math.min(REST_MS_MAX, REST_TIMES * (clock.now() - startedAt));
      this.#keep(key, waiting, page, startedAt);
      waiting.made(page);
    }
    this.#isWorking = false;
  }

  #keep(key: string, { request, matches }: Waiting, page: Page, at: number): void {
    const mayKeep = page.isWhole && page.status === 200 && request.url.length <= this.#limits.urlCharsMax;
    if (mayKeep) this.#kept.set(key, { page, version: matches.version, at });
  }

  async #make({ request, matches }: Waiting): Promise<Page> {
    const { clock, built, origin, logger } = this.#options;
    const { url, theme } = request;
    const input: RenderInput = {
      url,
      origin,
      matches: matches.list,
      isStale: matches.isStale,
      now: clock.now(),
      ...(theme !== null && { theme }),
    };
    try {
      const { render } = await bounded(clock, this.#limits.renderMs, 'the web app', built.bundle());
      const rendered = await bounded(clock, this.#limits.renderMs, 'a page', Promise.resolve(render(input)));
      return makePage(renderedSchema.parse(rendered), !matches.isStale);
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      const err = cause instanceof Error ? cause.message : String(cause);
      logger.error({ err, path: url.split('?', 1)[0] }, 'a page could not be made; the browser makes it');
      return this.#shell;
    }
  }
}

function makePage(
  {
    status,
    html,
    headers = {},
  }: { status: number; html: string; headers?: Record<string, string> | undefined },
  isWhole: boolean,
): Page {
  const etag = `W/"${createHash('sha256').update(html).digest('base64url').slice(0, 27)}"`;
  return { status, html, headers, etag, isWhole };
}

const brotli = promisify(brotliCompress);
const gz = promisify(gzip);
const BROTLI_QUALITY = 4;

/** Pages are sent often, and compressed once. */
export class Compressed {
  readonly #bodies = new WeakMap<Page, Map<Encoding, Promise<Buffer>>>();

  of(page: Page, encoding: Encoding): Promise<Buffer> {
    const bodies = this.#bodies.get(page) ?? new Map<Encoding, Promise<Buffer>>();
    this.#bodies.set(page, bodies);
    const known = bodies.get(encoding);
    if (known) return known;
    const text = Buffer.from(page.html);
    const params = { [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY };
    const made = encoding === 'br' ? brotli(text, { params }) : gz(text);
    bodies.set(encoding, made);
    return made;
  }
}
