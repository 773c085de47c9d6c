/**
 * Waiting, from asking for a place until the pass is there: what asks the server and when, and what is known.
 *
 * The place is asked for as often as the server says (`pollAfterSeconds`), by one tab at a time as it comes: an answer
 * that one tab got is the others' too. Between, what is the same for everybody is read while somebody looks, and
 * moves the position on.
 */
import { asProblem } from '../api/problem';
import type { RoomKeeper, SeenPlace } from './kept';
import {
  isReached,
  isWorthSaying,
  pollMs,
  positionNow,
  retryMs,
  roomMs,
  waitSecondsNow,
  type Said,
  type Told,
} from './schedule';
import type { NewRoomPlace, Room, RoomPlace } from './types';

export type Standing =
  | { readonly kind: 'loading' }
  /** Nobody has to wait. */
  | { readonly kind: 'off' }
  /** To be asked for. */
  | { readonly kind: 'none' }
  /** The room has not opened: the order is drawn then. */
  | { readonly kind: 'before' }
  | {
      readonly kind: 'waiting';
      /** Null while the order is being drawn. */
      readonly position: number | null;
      readonly waitSeconds: number | null;
    }
  /** `endsAt`: of the pass, milliseconds since 1970 by the server's clock; null while it is on its way. */
  | { readonly kind: 'admitted'; readonly endsAt: number | null }
  /** The time to buy is over, nothing is left to be sold, or the place is not known any more. */
  | { readonly kind: 'ended' };

export interface WaitingState {
  readonly standing: Standing;
  readonly room: Room | null;
  /** When what is shown was true, milliseconds since 1970 by this machine; null before the first answer. */
  readonly heardAt: number | null;
  /** The last question was not answered: what is shown may be old. */
  readonly isStale: boolean;
  /** What is read out: the standing as it was when it was worth telling last. */
  readonly spoken: Standing;
}

/** Who asks for a place. */
export interface Asked {
  /** Of a guest. */
  readonly email?: string;
  /** The token of the place that this browser has already. */
  readonly had?: string;
}

export interface WaitingOptions {
  readonly readRoom: (signal: AbortSignal) => Promise<Room>;
  readonly readPlace: (token: string, signal: AbortSignal) => Promise<RoomPlace>;
  readonly ask: (asked: Asked, onProgress?: OnProgress) => Promise<NewRoomPlace>;
  readonly keeper: RoomKeeper;
  /** This machine's clock, milliseconds since 1970. */
  readonly now: () => number;
  /** The server's clock, milliseconds since 1970. */
  readonly serverNow: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  /** Calls back after so many milliseconds; the answer cancels it. */
  readonly schedule: (ms: number, run: () => void) => () => void;
}

/** Told while asking takes longer. */
type OnProgress = (step: 'challenge' | 'asking_again') => void;

/** Of which the server knows nothing, or no more. */
const GONE: ReadonlySet<string> = new Set(['not_found', 'unauthorized', 'forbidden', 'validation_failed']);
/** Somebody whose turn it seems to be asks within so long. */
const REACHED_MS = 3_000;
/** An answer about everybody goes with an answer about the place that is no older. */
const TOGETHER_MS = 2_000;

/** The clocks of both sides may differ by so much when a pass ends. */
const PASS_END_MS = 1_000;

const LOADING: WaitingState = {
  standing: { kind: 'loading' },
  room: null,
  heardAt: null,
  isStale: false,
  spoken: { kind: 'loading' },
};

export class WaitingRoom {
  readonly #options: WaitingOptions;
  readonly #listeners = new Set<() => void>();
  #state = LOADING;
  #run: AbortController | null = null;
  #stopListening: (() => void) | null = null;
  #cancelPlace: (() => void) | null = null;
  #cancelRoom: (() => void) | null = null;
  #room: { readonly room: Room; readonly at: number } | null = null;
  /** Of the answer about the place that is shown. */
  #told: Told | null = null;
  #seen: SeenPlace | null = null;
  #token: string | null = null;
  #failures = 0;
  #roomFailures = 0;
  #isHidden = false;
  #isEnded = false;
  #isReached = false;
  #isPassAsked = false;
  #said: Said | null = null;

  constructor(options: WaitingOptions) {
    this.#options = options;
  }

  get state(): WaitingState {
    return this.#state;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  };

  start(): void {
    if (this.#run) return;
    this.#run = new AbortController();
    this.#stopListening = this.#options.keeper.subscribe(() => this.#follow());
    this.#follow();
    void this.#readRoom();
  }

  stop(): void {
    this.#run?.abort();
    this.#run = null;
    this.#stopListening?.();
    this.#cancelPlace?.();
    this.#cancelRoom?.();
  }

  /** Throws `ApiProblem`. The same person gets the same place, however often it is asked for. */
  async ask(email: string | undefined, onProgress?: OnProgress): Promise<void> {
    const had = this.#options.keeper.place?.token;
    const asked = { ...(email !== undefined && { email }), ...(had !== undefined && { had }) };
    const { token, ...place } = await this.#options.ask(asked, onProgress);
    this.#isEnded = false;
    const kept = { token, ...(email !== undefined && { email }) };
    this.#options.keeper.begin(kept, { place, at: this.#options.now() });
  }

  /** The page was hidden, or is looked at again: what is the same for everybody is not read for nobody. */
  visible(isVisible: boolean): void {
    this.#isHidden = !isVisible;
    if (isVisible) this.wake();
    else this.#cancelRoom?.();
  }

  /** There may be a network again. What failed is asked for at once; the rest when it is due. */
  wake(): void {
    if (!this.#run) return;
    void this.#readRoom();
    if (this.#failures > 0) this.#placeIn(0);
    else this.#placeWhenDue();
  }

  /** The browser says that there is no network. */
  offline(): void {
    if (this.#run) this.#become(true);
  }

  /** Takes what is kept, which another tab may have changed. */
  #follow(): void {
    const { keeper } = this.#options;
    const token = keeper.place?.token ?? null;
    const { seen } = keeper;
    if (token !== this.#token) {
      this.#token = token;
      this.#seen = null;
      this.#told = null;
      this.#failures = 0;
      this.#isPassAsked = false;
    }
    if (token === null) {
      this.#cancelPlace?.();
      this.#become(this.#state.isStale);
      return;
    }
    if (seen && seen.at !== this.#seen?.at) this.#take(seen);
    this.#placeWhenDue();
  }

  #take(seen: SeenPlace): void {
    this.#seen = seen;
    this.#failures = 0;
    this.#isReached = false;
    this.#isEnded = seen.place.status === 'ended';
    this.#told = null;
    this.#pair();
    this.#become(false);
    // Without a number of the same time it would stand still, or seem to have moved on.
    if (this.#room && seen.place.position !== null && !this.#told && !this.#isHidden) void this.#readRoom();
  }

  /** A position goes with the number of those let in at about the same time. */
  #pair(): void {
    const position = this.#seen?.place.position ?? null;
    if (this.#told || position === null || !this.#seen || !this.#room) return;
    if (this.#room.at < this.#seen.at - TOGETHER_MS) return;
    this.#told = { position, admitted: this.#room.room.admitted };
  }

  #placeWhenDue(): void {
    const { now, serverNow, random, keeper } = this.#options;
    if (this.#token === null) return;
    const pass = keeper.passAt(serverNow());
    if (!this.#seen) {
      this.#placeIn(0);
    } else if (pass) {
      // What comes after is asked for then.
      this.#placeIn(pass.endsAt - serverNow() + PASS_END_MS);
    } else if (isPassMissing(this.#seen.place) && !this.#isPassAsked) {
      this.#isPassAsked = true;
      // Or none is needed any more.
      void this.#readRoom();
      this.#placeIn(0);
    } else {
      this.#placeIn(Math.max(0, this.#seen.at + pollMs(this.#seen.place, random()) - now()));
    }
  }

  #placeIn(ms: number): void {
    this.#cancelPlace?.();
    this.#cancelPlace = this.#options.schedule(ms, () => {
      this.#cancelPlace = null;
      void this.#readPlace();
    });
  }

  async #readPlace(): Promise<void> {
    const { readPlace, keeper, now, random } = this.#options;
    const [run, token] = [this.#run, this.#token];
    if (!run || token === null) return;
    try {
      const place = await readPlace(token, run.signal);
      if (this.#run !== run) return;
      // Comes back to this tab as it does to the others.
      keeper.heard(token, { place, at: now() });
    } catch (error) {
      if (this.#run !== run || this.#token !== token) return;
      const problem = asProblem(error);
      if (GONE.has(problem.code)) {
        this.#isEnded = true;
        keeper.forget();
        return;
      }
      this.#failures += 1;
      this.#become(true);
      this.#placeIn(retryMs(this.#failures, problem.retryAfterMs ?? 0, random()));
    }
  }

  async #readRoom(): Promise<void> {
    const { readRoom, now, random } = this.#options;
    const run = this.#run;
    this.#cancelRoom?.();
    if (!run) return;
    let ms: number;
    try {
      const room = await readRoom(run.signal);
      if (this.#run !== run) return;
      this.#room = { room, at: now() };
      this.#roomFailures = 0;
      ms = roomMs(room, random());
      this.#pair();
      this.#become(this.#failures > 0);
      this.#askIfReached(room);
    } catch (error) {
      if (this.#run !== run) return;
      this.#roomFailures += 1;
      ms = retryMs(this.#roomFailures, asProblem(error).retryAfterMs ?? 0, random());
      this.#become(true);
    }
    this.#cancelRoom?.();
    if (!this.#isHidden) this.#cancelRoom = this.#options.schedule(ms, () => void this.#readRoom());
  }

  /** Once for each answer: the server may let people in a little later than it counts them. */
  #askIfReached(room: Room): void {
    if (this.#isReached || !this.#told || this.#seen?.place.status !== 'waiting') return;
    if (!isReached(this.#told, room)) return;
    this.#isReached = true;
    this.#placeIn(this.#options.random() * REACHED_MS);
  }

  #standing(): Standing {
    const room = this.#room?.room ?? null;
    const { keeper, serverNow } = this.#options;
    const pass = keeper.passAt(serverNow());
    if (pass) return { kind: 'admitted', endsAt: pass.endsAt };
    if (room?.state === 'off') return { kind: 'off' };
    if (this.#isEnded) return { kind: 'ended' };
    if (this.#token === null) return room ? { kind: 'none' } : { kind: 'loading' };
    if (!this.#seen) return { kind: 'loading' };
    const { status, position, estimatedWaitSeconds } = this.#seen.place;
    switch (status) {
      case 'before':
        return { kind: 'before' };
      case 'waiting': {
        if (!this.#told) return { kind: 'waiting', position, waitSeconds: estimatedWaitSeconds };
        const now = positionNow(this.#told, room);
        return {
          kind: 'waiting',
          position: now,
          waitSeconds: waitSecondsNow(now, this.#told, estimatedWaitSeconds),
        };
      }
      case 'admitted':
        return isPassMissing(this.#seen.place) ? { kind: 'admitted', endsAt: null } : { kind: 'ended' };
      case 'ended':
        return { kind: 'ended' };
    }
  }

  #isNews(standing: Standing): boolean {
    const before = this.#state.spoken;
    if (standing.kind !== 'waiting' || standing.position === null) {
      this.#said = null;
      return standing.kind !== before.kind || standing.kind === 'waiting';
    }
    const now = this.#options.now();
    if (before.kind === 'waiting' && !isWorthSaying(this.#said, standing.position, now)) return false;
    this.#said = { position: standing.position, at: now };
    return true;
  }

  #become(isStale: boolean): void {
    const heardAt = Math.max(this.#seen?.at ?? 0, this.#room?.at ?? 0);
    const standing = this.#standing();
    this.#state = {
      standing,
      spoken: this.#isNews(standing) ? standing : this.#state.spoken,
      room: this.#room?.room ?? null,
      heardAt: heardAt === 0 ? null : heardAt,
      isStale,
    };
    for (const listener of this.#listeners) listener();
  }
}

/** Asking for a place answers that one is in, and not yet with what. */
const isPassMissing = ({ status, pass }: RoomPlace): boolean => status === 'admitted' && pass === undefined;
