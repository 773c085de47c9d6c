/** How much of whom is refused, window by window. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { Admission, CROWD, roomFor, type AdmissionOptions } from '../../src/overload/admission.js';
import { SHED_ORDER, type ShedClass } from '../../src/overload/classes.js';
import { ManualClock } from '../http/fakes.js';

const DELAY_MS_MAX = 100;
const ANSWER_MS_MAX = 1_000;
const REQUESTS_MAX = 1_000;
const LONG = 200;

let loopDelayMs: number;
let lines: string[];
let admission: Admission;
let told: Map<ShedClass, number>;

function make(options: Partial<AdmissionOptions> = {}): Admission {
  let draw = 0;
  return new Admission({
    clock: new ManualClock(),
    logger: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
    loopDelayMs: () => loopDelayMs,
    // Evenly over the whole range, so that a share can be counted.
    random: () => (draw = (draw + 0.01) % 1),
    delayMsMax: DELAY_MS_MAX,
    answerMsMax: ANSWER_MS_MAX,
    requestsMax: REQUESTS_MAX,
    onShare: (shed, share) => void told.set(shed, share),
    ...options,
  });
}

beforeEach(() => {
  loopDelayMs = 0;
  lines = [];
  told = new Map();
  admission = make();
});

/** So many of each class come in each window. */
function windows(count: number, coming: Partial<Record<ShedClass, number>> = {}): void {
  for (let i = 0; i < count; i += 1) {
    for (const shed of SHED_ORDER) for (let n = 0; n < (coming[shed] ?? 0); n += 1) admission.admits(shed);
    admission.look();
  }
}

const shares = (): number[] => SHED_ORDER.map((shed) => Number(admission.shareOf(shed).toFixed(2)));
const ALL = { browse: CROWD, hold: CROWD, holder: CROWD, pay: CROWD };

describe('a process that reacts in time', () => {
  it('refuses nobody, however many come', () => {
    loopDelayMs = DELAY_MS_MAX;
    windows(LONG, { browse: 5_000, hold: 5_000, holder: 5_000, pay: 5_000 });
    expect(shares()).toEqual([0, 0, 0, 0]);
    expect(lines).toEqual([]);
  });
});

describe('a process that reacts too late', () => {
  beforeEach(() => {
    loopDelayMs = 3 * DELAY_MS_MAX;
  });

  it('refuses those who look first, those who pay last, and never all of these', () => {
    const seen: string[] = [];
    for (let i = 0; i < LONG; i += 1) {
      windows(1, ALL);
      const full = SHED_ORDER.filter((shed) => admission.shareOf(shed) === 1);
      if (seen.at(-1) !== full.join()) seen.push(full.join());
      // Nobody is refused while some of those before them are let in.
      const now = shares();
      now.forEach((share, at) =>
        expect(share === 0 || now.slice(0, at).every((one) => one === 1)).toBe(true),
      );
    }
    expect(seen).toEqual(['', 'browse', 'browse,hold', 'browse,hold,holder']);
    expect(shares()).toEqual([1, 1, 1, 0.5]);
    const paying = Array.from({ length: 100 }, () => admission.admits('pay'));
    const letIn = paying.filter(Boolean).length;
    expect([letIn > 45, letIn < 55]).toEqual([true, true]);
    expect(admission.admits('always')).toBe(true);
  });

  it('says to its metrics what it does', () => {
    windows(2, ALL);
    expect([...told.values()].map((share) => share > 0)).toEqual([true, false, false, false]);
  });

  it('refuses nobody of whom few come: a flood of those who look costs nobody else', () => {
    windows(LONG, { browse: 5_000, hold: CROWD - 1, holder: CROWD - 1, pay: CROWD - 1 });
    expect(shares()).toEqual([1, 0, 0, 0]);
    expect(admission.isHard).toBe(true);
  });

  it('refuses nobody while few come at all: what makes it late is something else', () => {
    windows(LONG, { browse: CROWD - 1 });
    expect(shares()).toEqual([0, 0, 0, 0]);
  });

  it('counts those under way, of whom none may come for long', () => {
    const leave = Array.from({ length: CROWD }, () => admission.enter('hold'));
    windows(LONG);
    expect(shares()).toEqual([1, 1, 0, 0]);
    for (const one of leave) one();
    // More than once is once.
    for (const one of leave) one();
    loopDelayMs = 0;
    windows(LONG);
    expect(shares()).toEqual([0, 0, 0, 0]);
  });

  it('lets all in again when it reacts in time, more slowly than it refused them', () => {
    windows(LONG, ALL);
    loopDelayMs = 0;
    let needed = 0;
    for (; admission.shareOf('browse') > 0 && needed < 10 * LONG; needed += 1) windows(1, ALL);
    expect(needed).toBeGreaterThan(LONG / 4);
    expect(shares()).toEqual([0, 0, 0, 0]);
  });

  it('stays as it is between too late and well', () => {
    windows(3, ALL);
    const before = shares();
    expect(before[0]).toBeGreaterThan(0);
    loopDelayMs = 0.75 * DELAY_MS_MAX;
    windows(4, ALL);
    const settled = shares();
    windows(LONG, ALL);
    expect(shares()).toEqual(settled);
  });

  it('is not moved by one late moment', () => {
    loopDelayMs = 1.9 * DELAY_MS_MAX;
    windows(1, ALL);
    expect(shares()).toEqual([0, 0, 0, 0]);
  });

  it('is logged once when it begins and once when it is over', () => {
    windows(LONG, ALL);
    loopDelayMs = 0;
    windows(10 * LONG, ALL);
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      'more is asked than can be done: requests are refused, those who pay last',
      'all requests are let in again',
    ]);
  });
});

describe('commands that wait too long for their outcome', () => {
  const slow = (count: number): void => {
    for (let i = 0; i < count; i += 1) {
      admission.answered(3 * ANSWER_MS_MAX);
      windows(1, { hold: CROWD, pay: CROWD, holder: CROWD, browse: CROWD });
    }
  };

  it('keep those who want to hold out, nobody else, and not all of them', () => {
    slow(LONG);
    expect(shares()).toEqual([0, 0.95, 0, 0]);
  });

  it('let them in again when they wait no longer', () => {
    slow(LONG);
    for (let i = 0; i < LONG; i += 1) {
      admission.answered(1);
      windows(1, { hold: CROWD });
    }
    expect(shares()).toEqual([0, 0, 0, 0]);
  });

  it('let them in again when nobody asks', () => {
    slow(LONG);
    windows(LONG);
    expect(shares()).toEqual([0, 0, 0, 0]);
  });

  it('keep nobody out while few come', () => {
    for (let i = 0; i < LONG; i += 1) {
      admission.answered(3 * ANSWER_MS_MAX);
      windows(1, { hold: CROWD - 1 });
    }
    expect(shares()).toEqual([0, 0, 0, 0]);
  });
});

describe('requests under way', () => {
  it('leave room for those after them', () => {
    const full = (shed: ShedClass): void => {
      while (admission.admits(shed)) admission.enter(shed);
    };
    for (const shed of SHED_ORDER) {
      full(shed);
      const later = SHED_ORDER.slice(SHED_ORDER.indexOf(shed) + 1);
      expect([shed, later.map((one) => admission.admits(one))]).toEqual([shed, later.map(() => true)]);
    }
    expect(SHED_ORDER.map((shed) => roomFor(shed, REQUESTS_MAX))).toEqual([500, 700, 850, 1_000]);
    expect(admission.admits('always')).toBe(true);
  });
});

it('looks at each window by itself, and no more once it is stopped', () => {
  const clock = new ManualClock();
  let looks = 0;
  admission = make({ clock, loopDelayMs: () => (looks += 1) });
  admission.start();
  for (let i = 0; i < 3; i += 1) clock.advance(250);
  expect(looks).toBe(3);
  admission.stop();
  expect(clock.timers).toBe(0);
});
