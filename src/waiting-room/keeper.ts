/**
 * Moves the waiting room on: looks at it every second, and takes the next step when nobody else has.
 *
 * Guarantees: of all processes one takes each step, because it takes effect only on the version that it was decided on;
 * what must outlive Redis is on record before Redis says it; a room that Redis has lost, or may have lost places of, is
 * put back so that no number is given again; a process that dies leaves nothing half done that the next step would not
 * finish. While the archive is away those who wait go on being let in, by what Redis has; whatever would have to be on
 * record waits: a round that begins, opens, ends or is put back.
 */
import type { Clock, TicketCounters } from '../actors/ports.js';
import { ArchiveUnavailableError } from '../archive/port.js';
import type { Logger } from '../process/log.js';
import { Loop } from '../process/loop.js';
import type { RoomLook, StoredRoom, WaitingRoomStore } from '../redis/waiting-room-store.js';
import { measuredBy, type MeterReport } from './meter.js';
import { allowedPerMinute, busyBecause, firstPace, type Measured } from './pace.js';
import type { KeptRoom, RoomRecords, RoomSettings, Round } from './records.js';
import { roomStateSchema, stepped, wantsOn, type RoomPolicy, type RoomState } from './state.js';

export interface RoomKeeperOptions {
  readonly store: WaitingRoomStore;
  readonly records: RoomRecords;
  readonly policy: RoomPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Unique among processes. */
  readonly id: string;
  /** What this process measures; absent where it answers no holds. */
  readonly meter?: { report(): MeterReport };
  /** Of all tickets. */
  readonly counters: () => Promise<readonly TicketCounters[]>;
  /** Told how the room stands whenever it was looked at. */
  readonly onView: (seen: Seen) => void;
}

/** The room as it was seen last. */
export interface Seen {
  readonly round: number;
  readonly state: RoomState;
  readonly next: number;
  readonly inside: number;
}

const LOOK_MS = 1_000;
/** A step is due when the last one is so old. */
const STEP_MS = 900;
/** Where it is off nothing is decided but by operators, and that takes effect at once. */
const STEP_OFF_MS = 10_000;
/** For one that does not reach the archive: whoever does is quicker, so that what was decided is not passed over. */
const STEP_ALONE_MS = 2_500;
const TELL_AWAY_MS = 60_000;
const SAVE_MS = 2_000;
const SOLD_OUT_LOOK_MS = 5_000;
const PASSES_KEEP_MS = 60_000;
const ATTEMPTS_MAX = 5;

export class RoomKeeper {
  readonly #options: RoomKeeperOptions;
  readonly #loop: Loop;
  #savedAt = 0;
  #saved = '';
  #isSoldOut = false;
  #soldOutAt = -SOLD_OUT_LOOK_MS;
  #toldAwayAt = -TELL_AWAY_MS;
  #forgetting: Promise<void> = Promise.resolve();

  constructor(options: RoomKeeperOptions) {
    const { clock, logger } = options;
    this.#options = options;
    this.#loop = new Loop({
      clock,
      everyMs: LOOK_MS,
      work: () => this.look(),
      failed: (error, isFirst) => {
        if (isFirst) logger.warn({ err: error }, 'the waiting room could not be moved on; trying again');
      },
    });
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#forgetting;
  }

  /** Looks, and takes the step when it is due. */
  async look(): Promise<Seen> {
    const { store, meter, id } = this.#options;
    const found = await store.look(meter && { id, json: JSON.stringify(meter.report()) });
    return this.#goOn(found, false);
  }

  /** Takes what operators decided into account at once. */
  async settle(settings: RoomSettings): Promise<Seen> {
    const { store, records } = this.#options;
    await records.settle(settings);
    return this.#goOn(await store.look(), true);
  }

  /** How it stands, without a step. */
  async see(): Promise<Seen> {
    return this.#show(await this.#options.store.look());
  }

  async #goOn(found: RoomLook, isAtOnce: boolean): Promise<Seen> {
    const { store } = this.#options;
    let look = found;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      const state = stateOf(look.room);
      const age = state ? look.now - state.steppedAt : Infinity;
      const stepMs = state?.mode === 'off' && !state.isOn ? STEP_OFF_MS : STEP_MS;
      const isDue = age >= stepMs || age < 0 || look.room?.run !== look.run;
      if (!isDue && !isAtOnce) break;
      const outcome = await this.#step(look, state).catch((error: unknown) => {
        // Operators are told that it may not have been decided.
        if (isAtOnce || !(error instanceof ArchiveUnavailableError)) throw error;
        return this.#stepAlone(look, state, error);
      });
      look = await store.look();
      if (outcome === 'done') break;
    }
    return this.#show(look);
  }

  #show({ room, inside, now }: RoomLook): Seen {
    const state = stateOf(room) ?? offState(now);
    const seen = { round: room?.round ?? 0, state, next: room?.next ?? 0, inside };
    this.#options.onView(seen);
    return seen;
  }

  /** `again`: something was put in order first, or somebody else was quicker. */
  async #step(look: RoomLook, state: RoomState | null): Promise<'done' | 'again'> {
    const { records, policy } = this.#options;
    const { now, room } = look;
    const measured = measuredBy(look.measures);
    const kept = await this.#decided(await records.read(), state, measured, now);
    const { round, settings } = kept;
    if (!state || !room || room.run !== look.run || room.round !== (round?.id ?? 0)) {
      await this.#putBack(look, kept);
      return 'again';
    }
    const opened = await this.#opened(kept, now);
    const next = await this.#next(look, room, withDecided(state, settings, opened, measured, policy));
    if (!(await this.#take(look, room, next))) return 'again';
    await this.#save(opened, next, now);
    return 'done';
  }

  /**
   * While the archive is away. Redis has what was on record last, because operators and rounds change only through the
   * archive; only where Redis has lost nothing.
   */
  async #stepAlone(
    look: RoomLook,
    state: RoomState | null,
    error: ArchiveUnavailableError,
  ): Promise<'done' | 'again'> {
    const { now, room, run } = look;
    if (!state || room?.run !== run) throw error;
    this.#tellAway(error, now);
    const age = now - state.steppedAt;
    if (!state.isOn || (age >= 0 && age < STEP_ALONE_MS)) return 'done';
    const next = await this.#next(look, room, state);
    const why = `The archive is away: it goes on as it stood. ${next.why}`;
    return (await this.#take(look, room, { ...next, why })) ? 'done' : 'again';
  }

  async #next(look: RoomLook, room: StoredRoom, state: RoomState): Promise<RoomState> {
    const measured = measuredBy(look.measures);
    const isSoldOut = await this.#soldOut(state.isOn, look.now);
    return stepped(state, { ...look, ...room, measured, isSoldOut }, this.#options.policy);
  }

  /** False when another process was quicker. */
  #take({ now }: RoomLook, { version }: StoredRoom, next: RoomState): Promise<boolean> {
    const { store, policy } = this.#options;
    // Until then the rank of each has surely had its time to come: none is given a second pass.
    return store.step(version, JSON.stringify(next), now - policy.graceMs - PASSES_KEEP_MS);
  }

  /** Begins, moves or ends the round as operators and `auto` want it. */
  async #decided(
    kept: KeptRoom,
    state: RoomState | null,
    measured: Measured,
    now: number,
  ): Promise<KeptRoom> {
    const { records, policy } = this.#options;
    const { settings, round } = kept;
    const isOn = round?.isOn === true;
    const watched = state ?? { busySince: null, quietSince: null };
    if (!wantsOn(settings, isOn, watched, now)) {
      if (!round || !isOn) return kept;
      const ended = await records.end(round.id);
      this.#forget(round.id);
      return ended;
    }
    const opensAt = settings.opensAt !== null && settings.opensAt > now ? settings.opensAt : null;
    if (round && isOn && round.openedAt === null) {
      return round.opensAt === settings.opensAt ? kept : records.move(round.id, settings.opensAt);
    }
    if (round && isOn && (opensAt === null || opensAt === round.opensAt)) return kept;
    const isBusy = busyBecause(measured, policy.latencyMsTarget) !== null;
    const { perMinute } = firstPace(measured, isBusy && opensAt === null, policy.perMinuteStart);
    const begun = await records.begin(round?.id ?? null, { opensAt, now, perMinute });
    if (round) this.#forget(round.id);
    return begun;
  }

  /** The round with its opening on record, once its time has come. */
  async #opened({ round }: KeptRoom, now: number): Promise<Round | null> {
    const { store, records } = this.#options;
    if (!round?.isOn || round.openedAt !== null || (round.opensAt ?? 0) > now) return round;
    // Whoever comes from here on is not among those whose order is drawn.
    const early = await store.freeze(round.id);
    if (early === null) return round;
    const opened = (await records.open(round.id, { early, now })).round;
    return opened?.id === round.id ? opened : round;
  }

  /** From what is on record: numbers go on behind every one that may have been given. */
  async #putBack({ room, now, run }: RoomLook, { round, settings }: KeptRoom): Promise<void> {
    const { store, policy, logger } = this.#options;
    const isSame = room !== null && round !== null && room.round === round.id;
    const before = isSame ? stateOf(room) : null;
    const state = withRound(before ?? offState(now), round, settings, policy);
    const isBegun = await store.begin({
      version: room?.version ?? '',
      round: round?.id ?? 0,
      firstFree: round?.ceiling ?? 0,
      early: round && round.openedAt !== null ? round.early : null,
      state: JSON.stringify(state),
      keepsPasses: isSame,
    });
    if (!isBegun || !round?.isOn) return;
    const about = { round: round.id, firstFree: round.ceiling, run };
    if (round.ceiling > 0) logger.warn(about, 'the waiting room was put back: Redis had lost writes');
    else logger.info(about, 'a round of the waiting room has begun');
  }

  /** Whether nothing is left anywhere. */
  async #soldOut(isOn: boolean, now: number): Promise<boolean> {
    if (!isOn) return false;
    if (Math.abs(now - this.#soldOutAt) < SOLD_OUT_LOOK_MS) return this.#isSoldOut;
    this.#soldOutAt = now;
    const open = (await this.#options.counters()).filter(({ closed }) => !closed);
    this.#isSoldOut = open.length > 0 && open.every(({ available }) => available <= 0);
    return this.#isSoldOut;
  }

  async #save(round: Round | null, { admitted, lapsed, pace }: RoomState, now: number): Promise<void> {
    const saved = `${round?.id ?? 0}/${admitted}/${lapsed}`;
    if (!round?.isOn || saved === this.#saved || Math.abs(now - this.#savedAt) < SAVE_MS) return;
    this.#savedAt = now;
    try {
      await this.#options.records.save(round.id, { admitted, lapsed, perMinute: pace.perMinute });
      this.#saved = saved;
    } catch (error) {
      // The step was taken: that is shown, and saved with the next one.
      if (!(error instanceof ArchiveUnavailableError)) throw error;
      this.#tellAway(error, now);
    }
  }

  #tellAway(error: ArchiveUnavailableError, now: number): void {
    if (Math.abs(now - this.#toldAwayAt) < TELL_AWAY_MS) return;
    this.#toldAwayAt = now;
    this.#options.logger.warn(
      { err: error },
      'the archive is away: the waiting room goes on by what Redis has',
    );
  }

  /** Behind everything else; what is left when that fails ends by itself. */
  #forget(round: number): void {
    const { store, logger } = this.#options;
    this.#forgetting = this.#forgetting
      .then(() => store.forget(round))
      .catch((error: unknown) =>
        logger.warn({ err: error }, 'people of a round that is over were not removed'),
      );
  }
}

/** Null where there is none, or none that this version understands. */
function stateOf(room: StoredRoom | null): RoomState | null {
  if (!room) return null;
  try {
    const parsed = roomStateSchema.safeParse(JSON.parse(room.state));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

/** As it is where nobody ever turned it on. */
export function offState(now: number): RoomState {
  return {
    mode: 'off',
    isOn: false,
    opensAt: null,
    openedAt: null,
    early: 0,
    seed: '',
    admitted: 0,
    lapsed: 0,
    perMinuteMax: null,
    pace: { perMinute: 0, threshold: null },
    pacedAt: now,
    isUsed: false,
    credit: 0,
    perMinute: 0,
    isSoldOut: false,
    marks: [],
    busySince: null,
    quietSince: null,
    why: 'Off.',
    steppedAt: now,
  };
}

/** A state, with all of the round that is on record. */
function withRound(
  state: RoomState,
  round: Round | null,
  { mode, perMinuteMax }: RoomSettings,
  policy: RoomPolicy,
): RoomState {
  const { steppedAt: now } = state;
  if (!round) return { ...state, mode, perMinuteMax };
  const { isOn, opensAt, openedAt, early, seed } = round;
  const admitted = Math.max(state.admitted, round.admitted);
  const pace = state.pace.perMinute > 0 ? state.pace : { perMinute: round.perMinute, threshold: null };
  return {
    ...state,
    mode,
    perMinuteMax,
    isOn,
    opensAt,
    openedAt,
    early,
    seed,
    admitted,
    lapsed: Math.max(state.lapsed, round.lapsed),
    pace,
    perMinute: Math.round(allowedPerMinute(pace, perMinuteMax ?? policy.perMinuteMax)),
    // From now on those who are admitted have their time again.
    marks: state.marks.length > 0 ? state.marks : [[now, admitted, 0]],
  };
}

/** What was decided since the last step. */
function withDecided(
  state: RoomState,
  settings: RoomSettings,
  round: Round | null,
  measured: Measured,
  policy: RoomPolicy,
): RoomState {
  const decided = withRound(state, round, settings, policy);
  const isOpening = decided.isOn && decided.openedAt !== null && state.openedAt === null;
  if (!isOpening) return decided;
  const isBusy = busyBecause(measured, policy.latencyMsTarget) !== null;
  return { ...decided, pace: firstPace(measured, isBusy, policy.perMinuteStart) };
}
