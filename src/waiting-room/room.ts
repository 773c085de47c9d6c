/**
 * The waiting room: where buyers queue when more is asked than can be served, or before a sale opens.
 *
 * Guarantees: a person has one place in a round, however often, from however many tabs and with however many requests
 * it asks; those who came before the opening are in an order that nobody could know, those who came later in the order
 * in which they came, behind them; whoever is admitted stays so, and has the same pass however often it is fetched; a
 * pass lets its own person hold, nobody else, and only in its own round. What a waiting person costs is one small field
 * in Redis. Whoever waits is answered from the memory of the process: no request of theirs reads or writes anything.
 */
import type { Clock } from '../actors/ports.js';
import { UnavailableError } from '../http/problem.js';
import { bounded } from '../http/bounded.js';
import type { Logger } from '../process/log.js';
import type { WaitingRoomStore } from '../redis/waiting-room-store.js';
import { offState, type Seen } from './keeper.js';
import { drawOrder } from './order.js';
import type { RoomRecords } from './records.js';
import { standingOf, type RoomPolicy, type RoomStanding } from './state.js';
import type { Place, RoomTokens } from './tokens.js';

export type PlaceStatus = 'before' | 'waiting' | 'admitted' | 'ended';

/** How a place stands. */
export interface PlaceStanding {
  readonly status: PlaceStatus;
  /** 1 is next; null where there is no order, or none any more. */
  readonly position: number | null;
  /** Null when that cannot be said. */
  readonly estimatedWaitSeconds: number | null;
  readonly pollAfterSeconds: number;
}

export interface PassGiven {
  readonly pass: string;
  readonly passExpiresAt: number;
}

export type JoinOutcome =
  { readonly isNew: boolean; readonly token: string; readonly standing: PlaceStanding } | 'full';

export interface WaitingRoomOptions {
  readonly store: WaitingRoomStore;
  readonly records: RoomRecords;
  readonly tokens: RoomTokens;
  readonly policy: RoomPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long Redis and the archive may take. */
  readonly waitMs: number;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

/** Places that are put on record at once, before one of them is given: so many may be lost with Redis. */
const BLOCK = 2_000;
const JOIN_ATTEMPTS_MAX = 8;
const POLL_SECONDS_MIN = 2;
const POLL_SECONDS_MAX = 120;
/** Who waits asks again after this share of the wait. */
const POLL_SHARE = 1 / 3;
/** Those who waited for an opening come back over so long that no more than this many ask in a second. */
const OPENING_POLLS_PER_SECOND = 500;
const POLL_SECONDS_OFF = 30;
const POLL_SECONDS_ENDED = 60;

export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  #seen: Seen;
  #json = '';
  /** Of the round whose seed it was drawn with. */
  #order: { readonly seed: string; readonly ranks: Uint32Array } = { seed: '', ranks: new Uint32Array() };
  #raising: Promise<void> | null = null;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
    this.#seen = { round: 0, state: offState(0), next: 0, inside: 0 };
    this.#tell();
  }

  /** For `RoomKeeper`. */
  readonly onView = (seen: Seen): void => {
    this.#seen = seen;
    const { seed, early } = seen.state;
    if (seed !== '' && seed !== this.#order.seed) this.#order = { seed, ranks: drawOrder(seed, early) };
    this.#tell();
  };

  get seen(): Seen {
    return this.#seen;
  }

  get standing(): RoomStanding {
    return standingOf(this.#seen.state);
  }

  /** What everybody may know: the same bytes for all, made once a look. */
  get json(): string {
    return this.#json;
  }

  get waiting(): number {
    return waitingOf(this.#seen);
  }

  /** `name`: whom the purchase limit counts. */
  personOf(name: string): string {
    return this.#options.tokens.personOf(name);
  }

  /** Null for what is no token of a place. */
  placeOf(token: string): Place | null {
    return this.#options.tokens.readPlace(token);
  }

  /**
   * The place of a person in the round that is on: the one it has, or the next. `presented`: a token, whose place is
   * its own if it is one of this person. Rejects with `UnavailableError` when it cannot be given now.
   */
  async join(person: string, presented: string | undefined): Promise<JoinOutcome> {
    const { round } = this.#seen;
    if (!this.#seen.state.isOn) {
      // Of a round that is over: it is worth nothing in the next one.
      return this.#joined({ round, number: 0, person }, false);
    }
    const shown = presented === undefined ? null : this.placeOf(presented);
    const has = shown?.round === round && shown.person === person ? shown.number : undefined;
    const first = await this.#ask({ round, person, ...(has !== undefined && { has }) });
    if (first === 'full') return 'full';
    const place = { round, number: first.number, person };
    if (first.kind === 'given' || !(await this.#isLost(place))) {
      return this.#joined(place, first.kind === 'given');
    }
    // It let its turn go by: it may queue again, behind all.
    const again = await this.#ask({ round, person, lost: first.number });
    if (again === 'full') return 'full';
    return this.#joined({ ...place, number: again.number }, again.kind === 'given');
  }

  /** How a place stands, with its pass once it is admitted. */
  async standingOf(place: Place): Promise<PlaceStanding & Partial<PassGiven>> {
    const standing = this.#standing(place);
    const isHere = this.#seen.state.isOn && place.round === this.#seen.round;
    if (standing.status !== 'admitted' || !isHere) return standing;
    const pass = await this.#pass(place);
    return pass ? { ...standing, ...pass } : ENDED;
  }

  /** Whether a person may hold now. */
  lets(pass: string | undefined, person: string): boolean {
    const { state, round } = this.#seen;
    if (!state.isOn) return true;
    // Nobody is let in before the opening.
    if (state.openedAt === null || pass === undefined) return false;
    const read = this.#options.tokens.readPass(pass);
    // One of an earlier round goes past the order of this one, and its holder is not counted as inside.
    if (read?.round !== round) return false;
    return read.endsAt > this.#options.clock.now() && read.person === person;
  }

  /** Its holder has held something, and makes place for another. Never rejects. */
  used(pass: string | undefined): void {
    const { tokens, store, logger } = this.#options;
    const read = pass === undefined ? null : tokens.readPass(pass);
    if (!read || read.round !== this.#seen.round) return;
    store.leaveInside(read.number).catch((error: unknown) => {
      // It ends with the pass.
      logger.warn({ error: String(error) }, 'one who was let in could not be counted out');
    });
  }

  #joined(place: Place, isNew: boolean): JoinOutcome {
    const standing = this.#standing(place);
    // Its pass is there to be fetched.
    const isReady = this.#seen.state.isOn && standing.status === 'admitted';
    const token = this.#options.tokens.place(place);
    return { isNew, token, standing: isReady ? { ...standing, pollAfterSeconds: 0 } : standing };
  }

  async #ask(
    joining: Omit<Parameters<WaitingRoomStore['join']>[0], 'placesMax'>,
  ): Promise<{ readonly kind: 'given' | 'known'; readonly number: number } | 'full'> {
    const { store, policy } = this.#options;
    for (let attempt = 0; attempt < JOIN_ATTEMPTS_MAX; attempt += 1) {
      const { placesMax } = policy;
      const answer = await this.#bounded('waiting room', () => store.join({ ...joining, placesMax }));
      switch (answer.kind) {
        case 'given':
        case 'known':
          return answer;
        case 'full':
          return 'full';
        case 'stale':
          throw new UnavailableError('the waiting room is being put in order');
        case 'ceiling':
          await this.#bounded('archive', () => this.#raise(joining.round, answer.next));
      }
    }
    throw new UnavailableError('places of the waiting room are given faster than they are put on record');
  }

  /** Once for all who wait for it. */
  #raise(round: number, next: number): Promise<void> {
    const { records, store } = this.#options;
    const raise = async (): Promise<void> => {
      const ceiling = await records.raise(round, next + BLOCK);
      if (ceiling !== null) await store.raiseCeiling(round, ceiling);
    };
    return (this.#raising ??= raise().finally(() => {
      this.#raising = null;
    }));
  }

  /** Whether its turn went by. */
  async #isLost(place: Place): Promise<boolean> {
    if (this.#rankOf(place.number) >= this.#seen.state.lapsed) return false;
    const pass = await this.#pass(place);
    return pass === null || pass.passExpiresAt <= this.#options.clock.now();
  }

  /** Null when its time is over. */
  async #pass(place: Place): Promise<PassGiven | null> {
    const { store, policy, tokens } = this.#options;
    const isTooLate = this.#rankOf(place.number) < this.#seen.state.lapsed;
    const { passMs } = policy;
    const given = await this.#bounded('waiting room', () =>
      store.pass(place.round, place.number, { passMs, isTooLate }),
    );
    if (given === 'stale') throw new UnavailableError('the waiting room is being put in order');
    if (given === null || given.endsAt <= given.now) return null;
    return { pass: tokens.pass({ ...place, endsAt: given.endsAt }), passExpiresAt: given.endsAt };
  }

  #standing({ round, number }: Place): PlaceStanding {
    const { state, round: current } = this.#seen;
    if (!state.isOn) return FREE;
    if (round !== current) return ENDED;
    if (state.openedAt === null) {
      return {
        status: 'before',
        position: null,
        estimatedWaitSeconds: null,
        pollAfterSeconds: this.#untilOpening(),
      };
    }
    const ahead = this.#rankOf(number) - state.admitted;
    if (ahead < 0) return FREE;
    if (state.isSoldOut) return ENDED;
    const position = ahead + 1;
    const seconds = state.perMinute > 0 ? Math.ceil((position * 60) / state.perMinute) : null;
    return {
      status: 'waiting',
      position,
      estimatedWaitSeconds: seconds,
      pollAfterSeconds: pollAfter(seconds),
    };
  }

  /** Who came early by the order that was drawn, all others as they came. */
  #rankOf(number: number): number {
    return this.#order.seed === this.#seen.state.seed ? (this.#order.ranks[number] ?? number) : number;
  }

  /** They come back after the opening, not all at once. */
  #untilOpening(): number {
    const { state, next } = this.#seen;
    const left = Math.max(0, (state.opensAt ?? 0) - this.#options.clock.now()) / 1_000;
    const spread =
      POLL_SECONDS_MIN + (next / OPENING_POLLS_PER_SECOND) * (this.#options.random ?? Math.random)();
    return Math.ceil(Math.min(POLL_SECONDS_MAX, left + spread));
  }

  /** Rejects with `UnavailableError` when it does not answer. */
  #bounded<T>(what: string, ask: () => Promise<T>): Promise<T> {
    const { store, clock, waitMs } = this.#options;
    if (!store.isUp) return Promise.reject(new UnavailableError('Redis cannot be reached'));
    return bounded(clock, waitMs, what, ask());
  }

  #tell(): void {
    const { state } = this.#seen;
    const standing = this.standing;
    this.#json = JSON.stringify({
      state: standing,
      ...(standing === 'before' &&
        state.opensAt !== null && { opensAt: new Date(state.opensAt).toISOString() }),
      admitted: standing === 'off' ? 0 : state.admitted,
      perMinute: standing === 'open' ? state.perMinute : 0,
      waiting: this.waiting,
    });
  }
}

/** Nobody need wait. */
const FREE: PlaceStanding = {
  status: 'admitted',
  position: null,
  estimatedWaitSeconds: null,
  pollAfterSeconds: POLL_SECONDS_OFF,
};
const ENDED: PlaceStanding = {
  status: 'ended',
  position: null,
  estimatedWaitSeconds: null,
  pollAfterSeconds: POLL_SECONDS_ENDED,
};

export const waitingOf = ({ state, next }: Seen): number =>
  state.isOn ? Math.max(0, next - state.admitted) : 0;

/** Grows with the distance. */
function pollAfter(seconds: number | null): number {
  if (seconds === null) return POLL_SECONDS_ENDED;
  return Math.ceil(Math.min(POLL_SECONDS_MAX, Math.max(POLL_SECONDS_MIN, seconds * POLL_SHARE)));
}
