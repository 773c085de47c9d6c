/**
 * Whether the marketplace can be reached, as far as the last request tells.
 *
 * A browser that has no network says so; one that has says little. So the first request without an answer is
 * believed, nobody at the gate waits for a second one, and the marketplace is asked in the background until it
 * answers again.
 */
export type LinkState =
  | { readonly kind: 'online' }
  /** `since`: milliseconds since 1970. */
  | { readonly kind: 'offline'; readonly since: number };

export interface LinkOptions {
  readonly now: () => number;
  /** Asks the marketplace something small. */
  readonly probe: () => Promise<unknown>;
  readonly schedule: (ms: number, run: () => void) => () => void;
  readonly random: () => number;
  readonly onChange: () => void;
}

const PROBE_MS = 3_000;
const PROBE_MS_MAX = 30_000;

export class Link {
  readonly #options: LinkOptions;
  #state: LinkState = { kind: 'online' };
  #tries = 0;
  #isProbing = false;
  #isStopped = false;
  #cancel: () => void = () => undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get state(): LinkState {
    return this.#state;
  }

  get isOnline(): boolean {
    return this.#state.kind === 'online';
  }

  /** It has answered. */
  answered(): void {
    this.#tries = 0;
    this.#cancel();
    if (this.isOnline || this.#isStopped) return;
    this.#state = { kind: 'online' };
    this.#options.onChange();
  }

  /** It has not. */
  lost(): void {
    if (this.isOnline && !this.#isStopped) {
      this.#state = { kind: 'offline', since: this.#options.now() };
      this.#options.onChange();
    }
    this.#probeLater();
  }

  /** There may be a network again: asks at once. */
  retry(): void {
    this.#tries = 0;
    this.#cancel();
    if (!this.isOnline) void this.#probe();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #probeLater(): void {
    if (this.#isStopped || this.#isProbing) return;
    const { schedule, random } = this.#options;
    const longest = Math.min(PROBE_MS_MAX, PROBE_MS * 2 ** this.#tries);
    this.#tries += 1;
    this.#cancel();
    this.#cancel = schedule(longest * (0.5 + random() / 2), () => void this.#probe());
  }

  async #probe(): Promise<void> {
    if (this.#isProbing || this.#isStopped || this.isOnline) return;
    this.#isProbing = true;
    const answered = await this.#options.probe().then(
      () => true,
      () => false,
    );
    this.#isProbing = false;
    if (answered) this.answered();
    else this.lost();
  }
}
