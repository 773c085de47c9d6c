/**
 * How many are let in a minute: pure.
 *
 * Guarantee: the pace follows what is measured and nothing else. It grows while holds are answered in time, quickly up
 * to where they once were not and slowly beyond, falls by a share as soon as they are not (additive increase,
 * multiplicative decrease), never to nothing by itself, and never beyond what operators allow.
 */

/** What all processes together measured in the last few seconds. */
export interface Measured {
  /** Holds answered a minute, whatever the answer was. */
  readonly answeredPerMinute: number;
  /** Holds that were not taken, or not answered in time, of all: 0 to 1. */
  readonly overloadedShare: number;
  /** The slowest process: 95 of 100 of its holds took no longer. 0 for too few to tell. */
  readonly p95Ms: number;
  /** The fullest process: commands that wait there, of as many as may. 0 to 1. */
  readonly waitingShare: number;
}

export interface PaceLimits {
  readonly latencyMsTarget: number;
  /** Of operators, else of the settings. 0 lets nobody in. */
  readonly perMinuteMax: number;
}

export interface Pace {
  /** What is known to be served, or is being tried; operators may allow less (`allowedPerMinute`). */
  readonly perMinute: number;
  /** Where holds were last not answered in time; null when they always were. */
  readonly threshold: number | null;
}

/** More than this share of holds not taken is no chance. */
const OVERLOADED_SHARE_MAX = 0.01;
const WAITING_SHARE_MAX = 0.5;
/** A pace that stands still would never learn that there is place again. */
export const PER_MINUTE_MIN = 6;
const DECREASE = 0.7;
const INCREASE_TIMES = 1.5;
const INCREASE_SHARE = 0.05;
/** Of what is answered when the room opens because it has become too much. */
const MEASURED_SHARE = 0.8;

/** Why more is asked than can be served; null when it is not. */
export function busyBecause(
  { overloadedShare, p95Ms, waitingShare }: Measured,
  latencyMsTarget: number,
): string | null {
  if (overloadedShare > OVERLOADED_SHARE_MAX) {
    return `${Math.round(overloadedShare * 100)} of 100 holds are not taken`;
  }
  if (p95Ms > latencyMsTarget) return `holds take ${Math.round(p95Ms)} ms, more than ${latencyMsTarget} ms`;
  if (waitingShare > WAITING_SHARE_MAX) {
    return `${Math.round(waitingShare * 100)} of 100 commands that may wait do wait`;
  }
  return null;
}

/** How many may be let in. */
export const allowedPerMinute = ({ perMinute }: Pace, perMinuteMax: number): number =>
  Math.min(perMinute, perMinuteMax);

/** The pace of the next few seconds. `isUsed`: nothing but the pace, or operators, kept more people out. */
export function nextPace(pace: Pace, measured: Measured, isUsed: boolean, limits: PaceLimits): Pace {
  const { latencyMsTarget, perMinuteMax } = limits;
  // While operators let nobody in nothing is learned.
  if (perMinuteMax === 0) return pace;
  if (busyBecause(measured, latencyMsTarget) !== null) {
    const slower = Math.max(PER_MINUTE_MIN, allowedPerMinute(pace, perMinuteMax) * DECREASE);
    return { perMinute: slower, threshold: slower };
  }
  if (!isUsed || pace.perMinute >= perMinuteMax) return pace;
  return { ...pace, perMinute: Math.min(faster(pace.perMinute, pace.threshold), perMinuteMax) };
}

function faster(perMinute: number, threshold: number | null): number {
  if (threshold === null) return perMinute * INCREASE_TIMES;
  if (perMinute < threshold) return Math.min(perMinute * INCREASE_TIMES, threshold);
  return perMinute + Math.max(1, threshold * INCREASE_SHARE);
}

/** The first one. `isBusy`: the room opens because more is asked than can be served. */
export function firstPace({ answeredPerMinute }: Measured, isBusy: boolean, perMinuteStart: number): Pace {
  if (!isBusy) return { perMinute: perMinuteStart, threshold: null };
  const served = Math.max(PER_MINUTE_MIN, answeredPerMinute * MEASURED_SHARE);
  return { perMinute: served, threshold: served };
}
