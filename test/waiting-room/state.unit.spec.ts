/** One step after another: who is let in, and why nobody else. */
import { describe, expect, it } from '@jest/globals';
import { offState } from '../../src/waiting-room/keeper.js';
import type { Measured } from '../../src/waiting-room/pace.js';
import {
  BUSY_MS,
  QUIET_MS,
  roomStateSchema,
  standingOf,
  stepped,
  wantsOn,
  type RoomPolicy,
  type RoomState,
  type StepInput,
} from '../../src/waiting-room/state.js';

const POLICY: RoomPolicy = {
  passMs: 900_000,
  graceMs: 600_000,
  insideMax: 2_000,
  latencyMsTarget: 500,
  perMinuteStart: 600,
  perMinuteMax: 60_000,
  placesMax: 1_000_000,
};
const CALM: Measured = { answeredPerMinute: 600, overloadedShare: 0, p95Ms: 20, waitingShare: 0 };
const BUSY: Measured = { ...CALM, p95Ms: 5_000 };
const START = Date.UTC(2022, 10, 20);
const OPEN: RoomState = {
  ...offState(START),
  mode: 'on',
  isOn: true,
  openedAt: START,
  pace: { perMinute: 600, threshold: 600 },
  marks: [[START, 0, 0]],
};

type Input = (state: RoomState, n: number) => Partial<StepInput>;
interface Run {
  readonly seconds: number;
  readonly from?: RoomState;
  readonly policy?: Partial<RoomPolicy>;
  /** What is found at the second `n`. */
  readonly input?: Input;
}

/** A step a second; each state it came to. Whoever is let in comes at once, and holds. */
function run({ seconds, from = OPEN, policy, input = () => ({}) }: Run): RoomState[] {
  const states: RoomState[] = [from];
  for (let n = 1; n <= seconds; n += 1) {
    const state = states.at(-1)!;
    const found: StepInput = {
      now: START + n * 1_000,
      next: 1_000_000,
      claimed: state.admitted,
      inside: 0,
      measured: CALM,
      isSoldOut: false,
      ...input(state, n),
    };
    states.push(roomStateSchema.parse(stepped(state, found, { ...POLICY, ...policy })));
  }
  return states;
}
const last = (states: readonly RoomState[]): RoomState => states.at(-1)!;

describe('a step', () => {
  it('lets in as many as the pace says, over any number of steps', () => {
    const state = last(run({ seconds: 60, policy: { perMinuteMax: 600 } }));
    expect(state.admitted).toBeGreaterThanOrEqual(599);
    expect(state.admitted).toBeLessThanOrEqual(600);
    expect(state.why).toContain('600 a minute');
  });

  it('lets in one in a while where the pace is slow', () => {
    const state = last(run({ seconds: 120, policy: { perMinuteMax: 6 } }));
    expect(state.admitted).toBeGreaterThanOrEqual(11);
    expect(state.admitted).toBeLessThanOrEqual(12);
  });

  it('never takes back what it let in', () => {
    const states = run({ seconds: 300, input: (_, n) => ({ measured: n % 3 === 0 ? BUSY : CALM }) });
    states.reduce((before, after) => {
      expect(after.admitted).toBeGreaterThanOrEqual(before.admitted);
      expect(after.lapsed).toBeGreaterThanOrEqual(before.lapsed);
      return after;
    });
  });

  it('lets in no more than wait, and no crowd later because nobody came for long', () => {
    const states = run({ seconds: 600, input: (_, n) => ({ next: n <= 500 ? 3 : 10_000 }) });
    expect(states[500]!.admitted).toBe(3);
    expect(states[500]!.why).toBe('Nobody waits.');
    expect(states[501]!.admitted).toBeLessThan(100);
  });

  it('lets in nobody, at once, when operators allow nobody', () => {
    const idle = last(run({ seconds: 20, input: () => ({ next: 0 }) }));
    const found = { next: 100, claimed: 0, inside: 0, measured: CALM, isSoldOut: false };
    const stopped = stepped({ ...idle, perMinuteMax: 0 }, { ...found, now: idle.steppedAt + 1_000 }, POLICY);
    expect(stopped.admitted).toBe(0);
    expect(stopped.why).toContain('operators allow 0');
  });

  it('lets in no more than may be inside, and goes on when they have held', () => {
    const inside =
      (from: number): Input =>
      (state, n) => ({ inside: n < from ? state.admitted : 0 });
    const states = run({ seconds: 60, policy: { insideMax: 50 }, input: inside(40) });
    expect(states[39]!.admitted).toBe(50);
    expect(states[39]!.why).toContain('as many as may be');
    expect(last(states).admitted).toBeGreaterThan(200);
  });

  it('counts those who are let in and have not come yet as inside, for a while', () => {
    const states = run({ seconds: 40, policy: { insideMax: 50 }, input: () => ({ claimed: 0 }) });
    expect(states[15]!.admitted).toBe(50);
    // Whoever has not come by now may not come at all.
    expect(last(states).admitted).toBeGreaterThan(80);
    expect(last(states).admitted).toBeLessThanOrEqual(150);
  });

  it('lets nobody in once all is sold, and goes on when something comes back', () => {
    const states = run({ seconds: 20, input: (_, n) => ({ isSoldOut: n > 5 && n < 15 }) });
    expect(states[14]!.admitted).toBe(states[6]!.admitted);
    expect(states[14]!.isSoldOut).toBe(true);
    expect(last(states).admitted).toBeGreaterThan(states[14]!.admitted);
  });

  it('after a sleep of the process lets in no crowd', () => {
    const before = last(run({ seconds: 10 }));
    const found = { next: 1e6, claimed: 0, inside: 0, measured: CALM, isSoldOut: false };
    const after = stepped(before, { ...found, now: before.steppedAt + 3_600_000 }, POLICY);
    expect(after.admitted - before.admitted).toBeLessThan(100);
    const back = stepped(before, { ...found, now: before.steppedAt - 3_600_000 }, POLICY);
    expect(back.admitted - before.admitted).toBeLessThan(30);
  });

  it('gives those who were let in their time to come, and no more', () => {
    const states = run({ seconds: 900, policy: { graceMs: 300_000, perMinuteMax: 600 } });
    for (let n = 320; n < states.length; n += 50) {
      const { lapsed } = states[n]!;
      expect(lapsed).toBeLessThanOrEqual(states[n - 300]!.admitted);
      expect(lapsed).toBeGreaterThanOrEqual(states[n - 300 - 45]?.admitted ?? 0);
    }
    expect(states[299]!.lapsed).toBe(0);
    expect(last(states).marks.length).toBeLessThan(120);
  });

  it('tells how many were let in in the last minute', () => {
    const halted = run({ seconds: 240, input: (_, n) => ({ inside: n > 120 ? 2_000 : 0 }) });
    expect(halted[30]!.perMinute).toBeGreaterThan(500);
    expect(last(halted).perMinute).toBe(0);
  });

  it('grows while holds are in time and lets in fewer once they are not', () => {
    const grown = last(run({ seconds: 120 }));
    expect(grown.pace.perMinute).toBeGreaterThan(600);
    const fallen = last(run({ seconds: 10, from: grown, input: () => ({ measured: BUSY }) }));
    expect(fallen.pace.perMinute).toBeLessThan(grown.pace.perMinute);
    expect(fallen.why).toContain('Fewer are let in: holds take 5000 ms');
  });

  it('before the opening lets nobody in', () => {
    const before = { ...OPEN, openedAt: null, opensAt: START + 60_000 };
    expect(standingOf(before)).toBe('before');
    expect(last(run({ seconds: 100, from: before })).admitted).toBe(0);
  });
});

describe('the mode auto', () => {
  const auto = { mode: 'auto', opensAt: null } as const;
  const seen = (input: Input, from: RoomState, seconds: number) => last(run({ seconds, from, input }));
  const off = { ...offState(START), mode: 'auto' as const };

  it('turns on after some seconds in which more is asked than can be served', () => {
    const isOn = (state: RoomState): boolean => wantsOn(auto, false, state, state.steppedAt);
    const input = (): Partial<StepInput> => ({ measured: BUSY });
    expect(isOn(seen(input, off, BUSY_MS / 1_000))).toBe(false);
    expect(isOn(seen(input, off, BUSY_MS / 1_000 + 1))).toBe(true);
    // Once is no reason.
    expect(isOn(seen((_, n) => ({ measured: n === 3 ? BUSY : CALM }), off, 10))).toBe(false);
  });

  it('turns off only when nobody has waited and nothing was busy for a while', () => {
    const isOn = (state: RoomState): boolean => wantsOn(auto, true, state, state.steppedAt);
    const nobody = (): Partial<StepInput> => ({ next: 0 });
    expect(isOn(seen(nobody, OPEN, QUIET_MS / 1_000))).toBe(true);
    expect(isOn(seen(nobody, OPEN, QUIET_MS / 1_000 + 1))).toBe(false);
    expect(isOn(seen(() => ({ next: 1e6 }), OPEN, 120))).toBe(true);
    expect(isOn(seen((_, n) => ({ next: 0, measured: n === 40 ? BUSY : CALM }), OPEN, 90))).toBe(true);
  });

  it('waits for an opening, and is as operators say otherwise', () => {
    const opensAt = START + 1_000;
    expect(wantsOn({ mode: 'auto', opensAt }, false, off, START)).toBe(true);
    expect(wantsOn({ mode: 'auto', opensAt }, false, off, START + 2_000)).toBe(false);
    expect(wantsOn({ mode: 'on', opensAt: null }, false, off, START)).toBe(true);
    expect(wantsOn({ mode: 'off', opensAt }, true, OPEN, START)).toBe(false);
  });
});
