/**
 * How the waiting room stands, and what one step makes of it: pure.
 *
 * Guarantees: who is admitted stays admitted; nobody is let in before somebody whose turn comes first; no step lets in
 * more than the pace, what may be inside, and those who wait.
 */
import { z } from 'zod';
import { allowedPerMinute, busyBecause, nextPace, type Measured } from './pace.js';

/** `auto`: on while more is asked than can be served. */
export const MODES = ['off', 'auto', 'on'] as const;
export type RoomMode = (typeof MODES)[number];
export type RoomStanding = 'off' | 'before' | 'open';

/** When, how many were admitted by then, and how many of them had fetched their pass. */
const markSchema = z.tuple([z.number(), z.number(), z.number()]);
type Mark = z.output<typeof markSchema>;

export const roomStateSchema = z.object({
  mode: z.enum(MODES),
  isOn: z.boolean(),
  opensAt: z.number().nullable(),
  openedAt: z.number().nullable(),
  /** How many came before the opening, in the order that the seed draws. */
  early: z.number().int(),
  seed: z.string(),
  /** Ranks below it are let in. */
  admitted: z.number().int(),
  /** Ranks below it have had their time to come. */
  lapsed: z.number().int(),
  perMinuteMax: z.number().nullable(),
  /** The pace, and where holds were last not answered in time. */
  pace: z.object({ perMinute: z.number(), threshold: z.number().nullable() }),
  pacedAt: z.number(),
  /** Whether nothing but the pace kept people out since then. */
  isUsed: z.boolean(),
  /** People who might have been let in by the last steps and were not. */
  credit: z.number(),
  /** What people are told: how many were let in in the last minute. */
  perMinute: z.number(),
  isSoldOut: z.boolean(),
  /** Oldest first. */
  marks: z.array(markSchema),
  busySince: z.number().nullable(),
  /** Since when nobody waits and nothing is busy. */
  quietSince: z.number().nullable(),
  /** For operators. */
  why: z.string(),
  steppedAt: z.number(),
});
export type RoomState = z.output<typeof roomStateSchema>;

export interface RoomPolicy {
  /** How long a pass is good. */
  readonly passMs: number;
  /** How long one who is admitted may take to fetch it. */
  readonly graceMs: number;
  /** Of those let in, how many may be there that have held nothing yet. */
  readonly insideMax: number;
  readonly latencyMsTarget: number;
  readonly perMinuteStart: number;
  /** While operators say nothing else. */
  readonly perMinuteMax: number;
  readonly placesMax: number;
}

/** The pace is thought over so often. */
const PACE_MS = 5_000;
const MARK_MS = 2_000;
/** Beyond that it stays as old as it is: a process that slept does not let everybody in. */
const ELAPSED_MS_MAX = 3_000;
/** Who is admitted fetches the pass within so long, as a rule. */
const ARRIVAL_MS = 15_000;
const MINUTE_MS = 60_000;
/** Kept close together for as long, and only as many as the grace needs beyond. */
const SPARSE_MS = 20_000;

/** What `auto` waits for. */
export const BUSY_MS = 5_000;
export const QUIET_MS = 60_000;

export interface StepInput {
  readonly now: number;
  readonly next: number;
  readonly claimed: number;
  readonly inside: number;
  readonly measured: Measured;
  readonly isSoldOut: boolean;
}

export const perMinuteMaxOf = (state: Pick<RoomState, 'perMinuteMax'>, policy: RoomPolicy): number =>
  state.perMinuteMax ?? policy.perMinuteMax;

/** How the room stands after a step. */
export function stepped(state: RoomState, input: StepInput, policy: RoomPolicy): RoomState {
  const { now, measured, next } = input;
  const busy = busyBecause(measured, policy.latencyMsTarget);
  const isQuiet = busy === null && (!state.isOn || next <= state.admitted);
  const watched: RoomState = {
    ...state,
    isSoldOut: input.isSoldOut,
    busySince: busy === null ? null : (state.busySince ?? now),
    quietSince: isQuiet ? (state.quietSince ?? now) : null,
    steppedAt: now,
  };
  if (!state.isOn) return { ...watched, why: busy === null ? 'Off.' : `Off, though ${busy}.` };
  if (state.openedAt === null) return { ...watched, why: 'It has not opened yet.' };
  return admitting(paced(watched, input, policy), state.steppedAt, input, policy);
}

function paced(state: RoomState, { now, measured }: StepInput, policy: RoomPolicy): RoomState {
  const { pace, isUsed, pacedAt } = state;
  if (now - pacedAt < PACE_MS && now >= pacedAt) return state;
  const limits = { latencyMsTarget: policy.latencyMsTarget, perMinuteMax: perMinuteMaxOf(state, policy) };
  return { ...state, pace: nextPace(pace, measured, isUsed, limits), pacedAt: now, isUsed: true };
}

function admitting(state: RoomState, before: number, input: StepInput, policy: RoomPolicy): RoomState {
  const { now, next, claimed, inside, measured, isSoldOut } = input;
  const { pace, marks } = state;
  const perMinute = allowedPerMinute(pace, perMinuteMaxOf(state, policy));
  const perMs = perMinute / MINUTE_MS;
  const elapsedMs = Math.min(Math.max(0, now - before), ELAPSED_MS_MAX);
  // Not more than a few seconds' worth is saved up, and nothing once operators let nobody in.
  const creditMax = perMs === 0 ? 0 : Math.max(1, perMs * ELAPSED_MS_MAX);
  const budget = Math.min(state.credit, creditMax) + perMs * elapsedMs;
  const places = Math.max(0, policy.insideMax - inside - onTheWay(state, input));
  const waiting = Math.max(0, next - state.admitted);
  const wanted = Math.floor(budget);
  const count = isSoldOut ? 0 : Math.min(wanted, places, waiting);
  const admitted = state.admitted + count;
  const isHeldByPlaces = !isSoldOut && places < Math.min(wanted, waiting);
  const isHeldByNobody = waiting < wanted;
  const kept = withMark(marks, [now, admitted, claimed], policy.graceMs);
  return {
    ...state,
    admitted,
    lapsed: Math.max(state.lapsed, admittedAt(marks, now - policy.graceMs)),
    credit: Math.min(budget - count, creditMax),
    isUsed: state.isUsed && !isHeldByPlaces && !isHeldByNobody && !isSoldOut,
    marks: kept,
    perMinute: toldPace(kept, state, now, perMinute),
    why: whyOf(state, { measured, isHeldByPlaces, waiting }, policy),
  };
}

/** Admitted lately and not come yet. */
function onTheWay({ marks, admitted }: RoomState, { now, claimed }: StepInput): number {
  const since = marks.findLast(([at]) => at <= now - ARRIVAL_MS) ?? marks[0];
  if (!since) return 0;
  return Math.max(0, admitted - since[1] - Math.max(0, claimed - since[2]));
}

function admittedAt(marks: readonly Mark[], at: number): number {
  return marks.findLast(([markedAt]) => markedAt <= at)?.[1] ?? 0;
}

/** Close together for the last minute, one in a while for as long as a pass may be fetched. */
function withMark(marks: readonly Mark[], mark: Mark, graceMs: number): Mark[] {
  const [now] = mark;
  const newest = marks.at(-1);
  if (newest && now - newest[0] < MARK_MS && now >= newest[0]) return [...marks];
  const oldest = now - Math.max(graceMs, MINUTE_MS) - SPARSE_MS;
  const kept: Mark[] = [];
  for (const one of marks) {
    const last = kept.at(-1);
    const isClose =
      last !== undefined && one[0] - last[0] < SPARSE_MS && one[0] < now - MINUTE_MS - SPARSE_MS;
    if (one[0] >= oldest && one[0] <= now && !isClose) kept.push(one);
  }
  return [...kept, mark];
}

/** As it was in the last minute; in the first one as it is meant to be. */
function toldPace(marks: readonly Mark[], { openedAt }: RoomState, now: number, perMinute: number): number {
  const since = marks.findLast(([at]) => at <= now - MINUTE_MS);
  const newest = marks.at(-1);
  if (!since || !newest || openedAt === null || now - openedAt < MINUTE_MS) return Math.round(perMinute);
  return Math.round(((newest[1] - since[1]) * MINUTE_MS) / Math.max(1, newest[0] - since[0]));
}

function whyOf(
  state: RoomState,
  {
    measured,
    isHeldByPlaces,
    waiting,
  }: { readonly measured: Measured; readonly isHeldByPlaces: boolean; readonly waiting: number },
  policy: RoomPolicy,
): string {
  const perMinuteMax = perMinuteMaxOf(state, policy);
  const { pace, isSoldOut } = state;
  const busy = busyBecause(measured, policy.latencyMsTarget);
  if (isSoldOut) return 'All tickets are sold: nobody is let in, and those who wait are told.';
  if (perMinuteMax === 0) return 'Nobody is let in: operators allow 0 a minute.';
  if (waiting === 0) return 'Nobody waits.';
  if (busy !== null) return `Fewer are let in: ${busy}.`;
  if (isHeldByPlaces) return `${policy.insideMax} are inside and have held nothing yet, as many as may be.`;
  if (pace.perMinute >= perMinuteMax) return `As many as allowed: ${perMinuteMax} a minute.`;
  return 'Holds are answered in time: the pace grows until they are not.';
}

/** Whether the room is to be on. */
export function wantsOn(
  { mode, opensAt }: { readonly mode: RoomMode; readonly opensAt: number | null },
  isOn: boolean,
  { busySince, quietSince }: Pick<RoomState, 'busySince' | 'quietSince'>,
  now: number,
): boolean {
  if (mode !== 'auto') return mode === 'on';
  if (opensAt !== null && opensAt > now) return true;
  if (isOn) return quietSince === null || now - quietSince < QUIET_MS;
  return busySince !== null && now - busySince >= BUSY_MS;
}

export const standingOf = ({ isOn, openedAt }: Pick<RoomState, 'isOn' | 'openedAt'>): RoomStanding =>
  isOn ? (openedAt === null ? 'before' : 'open') : 'off';
