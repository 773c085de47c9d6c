/**
 * Sends what was looked at and searched for, in small batches.
 *
 * Guarantees: nothing is sent without consent at the moment of sending, no more than `EVENTS_MAX` in one request, and what
 * is not sent when the page is left goes with it. What the server does not take is lost: it is not worth more.
 */
import { consent, randomId } from './consent';
import { taste } from './taste';

export type Seen =
  | { readonly kind: 'view'; readonly matchNumber: number }
  | { readonly kind: 'search'; readonly terms: readonly string[]; readonly results: number };

export interface RecorderOptions {
  /** Null without consent. */
  readonly visitor: () => string | null;
  readonly country: () => string | undefined;
  readonly newId: () => string;
  readonly post: (body: string) => void;
  /** Answers what cancels it. */
  readonly schedule: (ms: number, task: () => void) => () => void;
}

/** What happens within so long goes together. */
export const GATHER_MS = 3_000;
export const EVENTS_MAX = 20;

export class Recorder {
  readonly #options: RecorderOptions;
  #events: (Seen & { readonly id: string })[] = [];
  #cancel: (() => void) | null = null;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  add(seen: Seen): void {
    if (this.#options.visitor() === null) return;
    this.#events.push({ ...seen, id: this.#options.newId() });
    if (this.#events.length >= EVENTS_MAX) this.flush();
    else this.#cancel ??= this.#options.schedule(GATHER_MS, () => this.flush());
  }

  flush(): void {
    const { visitor, country, post } = this.#options;
    this.#cancel?.();
    this.#cancel = null;
    const events = this.#events.splice(0);
    const by = visitor();
    if (events.length === 0 || by === null) return;
    const from = country();
    post(
      JSON.stringify({ consent: true, visitor: by, ...(from !== undefined && { country: from }), events }),
    );
  }
}

/** Without cookies, and so that it outlives the page. */
function post(body: string): void {
  fetch('/api/v1/views', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
    keepalive: true,
    credentials: 'omit',
  }).catch(() => undefined);
}

export const recorder = new Recorder({
  visitor: () => consent.visitor(),
  country: () => taste.get().country,
  newId: randomId,
  post,
  schedule: (ms, task) => {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
});

if (typeof document !== 'undefined') {
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') recorder.flush();
  });
}
