/** How many are let in a minute: after what is measured, and what operators allow. */
import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../http/fakes.js';
import { HoldMeter, measuredBy } from '../../src/waiting-room/meter.js';
import {
  allowedPerMinute,
  busyBecause,
  firstPace,
  nextPace,
  PER_MINUTE_MIN,
  type Measured,
  type Pace,
} from '../../src/waiting-room/pace.js';

const CALM: Measured = { answeredPerMinute: 600, overloadedShare: 0, p95Ms: 20, waitingShare: 0 };
const LIMITS = { latencyMsTarget: 500, perMinuteMax: 60_000 };

describe('a system that serves so many holds', () => {
  /** What would be measured at a pace, where more than `capacity` a minute are not answered in time. */
  const at = (perMinute: number, capacity: number): Measured =>
    perMinute <= capacity
      ? { ...CALM, answeredPerMinute: perMinute }
      : { ...CALM, answeredPerMinute: capacity, p95Ms: 2_000 };

  it.each([300, 2_000, 30_000])('is found: %d a minute', (capacity) => {
    let pace: Pace = { perMinute: 600, threshold: null };
    const paces: number[] = [];
    for (let i = 0; i < 200; i += 1) {
      pace = nextPace(pace, at(pace.perMinute, capacity), true, LIMITS);
      paces.push(pace.perMinute);
    }
    const settled = paces.slice(100);
    const mean = settled.reduce((sum, one) => sum + one, 0) / settled.length;
    expect(mean).toBeGreaterThan(0.7 * capacity);
    expect(mean).toBeLessThan(1.05 * capacity);
    // It does not swing wider than a decrease and what grows between two of them.
    expect(Math.max(...settled)).toBeLessThan(1.15 * capacity);
    expect(Math.min(...settled)).toBeGreaterThan(0.6 * capacity);
  });

  it('that becomes slower is followed, and followed up again', () => {
    let pace: Pace = { perMinute: 4_000, threshold: 5_000 };
    for (let i = 0; i < 100; i += 1) pace = nextPace(pace, at(pace.perMinute, 400), true, LIMITS);
    expect(pace.perMinute).toBeLessThan(500);
    for (let i = 0; i < 400; i += 1) pace = nextPace(pace, at(pace.perMinute, 4_000), true, LIMITS);
    expect(pace.perMinute).toBeGreaterThan(2_500);
  });
});

describe('the pace', () => {
  it.each<[string, Partial<Measured>]>([
    ['holds are not taken', { overloadedShare: 0.05 }],
    ['holds take too long', { p95Ms: 501 }],
    ['too many commands wait', { waitingShare: 0.6 }],
  ])('falls when %s', (_what, more) => {
    const busy = { ...CALM, ...more };
    expect(busyBecause(busy, 500)).not.toBeNull();
    const slower = nextPace({ perMinute: 1_000, threshold: null }, busy, true, LIMITS);
    expect(slower).toEqual({ perMinute: 700, threshold: 700 });
  });

  it('never falls to nothing by itself', () => {
    let pace: Pace = { perMinute: 100, threshold: null };
    for (let i = 0; i < 50; i += 1) pace = nextPace(pace, { ...CALM, p95Ms: 9_000 }, true, LIMITS);
    expect(pace.perMinute).toBe(PER_MINUTE_MIN);
  });

  it('does not grow while something else keeps people out', () => {
    expect(nextPace({ perMinute: 1_000, threshold: null }, CALM, false, LIMITS).perMinute).toBe(1_000);
  });

  it('is never beyond what operators allow, nothing included, and comes back when they allow more', () => {
    const pace = { perMinute: 1_000, threshold: null };
    for (const measured of [CALM, { ...CALM, p95Ms: 9_000 }]) {
      for (const perMinuteMax of [0, 6, 300, 1_000]) {
        const next = nextPace(pace, measured, true, { ...LIMITS, perMinuteMax });
        expect(allowedPerMinute(next, perMinuteMax)).toBeLessThanOrEqual(perMinuteMax);
      }
    }
    expect(nextPace(pace, CALM, true, { ...LIMITS, perMinuteMax: 1_200 }).perMinute).toBe(1_200);
    // What was served before is not forgotten while nobody is let in, whatever happens meanwhile.
    const stopped = nextPace(pace, { ...CALM, p95Ms: 9_000 }, true, { ...LIMITS, perMinuteMax: 0 });
    expect(allowedPerMinute(stopped, 60_000)).toBe(1_000);
  });

  it('begins as set up, or with what is served where it begins because that is too little', () => {
    expect(firstPace(CALM, false, 600)).toEqual({ perMinute: 600, threshold: null });
    const busy = { ...CALM, answeredPerMinute: 6_000, p95Ms: 3_000 };
    expect(firstPace(busy, true, 600)).toEqual({ perMinute: 4_800, threshold: 4_800 });
  });
});

describe('the meter of holds', () => {
  const meterOf = (clock: ManualClock): HoldMeter =>
    new HoldMeter({ clock, waiting: () => 25, waitingMax: 100, random: () => 0.5 });

  it('tells of the last five seconds', () => {
    const clock = new ManualClock();
    const meter = meterOf(clock);
    for (let i = 0; i < 100; i += 1) meter.note(i + 1, false);
    meter.note(0, true);
    const quiet = { waitingShare: 0.25, shedShare: 0 };
    expect(meter.report()).toEqual({ answered: 100, overloaded: 1, p95Ms: 96, ...quiet });
    clock.advance(4_000);
    expect(meter.report().answered).toBe(100);
    clock.advance(1_000);
    expect(meter.report()).toEqual({ answered: 0, overloaded: 0, p95Ms: 0, ...quiet });
  });

  it('tells no time of a few holds', () => {
    const meter = meterOf(new ManualClock());
    for (let i = 0; i < 5; i += 1) meter.note(9_000, false);
    expect(meter.report()).toMatchObject({ answered: 5, p95Ms: 0 });
  });

  it('of all processes counts the holds together, and the slowest and fullest of them', () => {
    const report = { answered: 50, overloaded: 0, p95Ms: 10, waitingShare: 0.1 };
    const other = { answered: 25, overloaded: 25, p95Ms: 700, waitingShare: 0.4 };
    const told = [JSON.stringify(report), JSON.stringify(other), 'no report', '{}'];
    expect(measuredBy(told)).toEqual({
      answeredPerMinute: 900,
      overloadedShare: 0.25,
      p95Ms: 700,
      waitingShare: 0.4,
    });
    const shed = JSON.stringify({ ...report, shedShare: 0.4 });
    expect(measuredBy([shed, ...told]).overloadedShare).toBe(0.4);
    expect(measuredBy([])).toEqual({ answeredPerMinute: 0, overloadedShare: 0, p95Ms: 0, waitingShare: 0 });
  });
});
