import { describe, expect, it } from '@jest/globals';
import { chartOf } from '../../bench/chart.js';
import type { Contender, Group, LimitAim } from '../../bench/contender.js';
import { reportOf, tableOf, verdictOf, type Report } from '../../bench/report.js';
import { growthOf, latencyOf, rotated, spreadOf, thinned } from '../../bench/statistics.js';
import { chosen, runGroups, type Measurement } from '../../bench/suite.js';
import { memoryMissing, memoryOf } from '../../bench/usage.js';

const contender = (id: string): Contender<{ id: string; title: string }> => ({
  id,
  title: `the ${id}`,
  durability: '',
  setUp: '',
  missing: () => Promise.resolve(null),
  start: () => Promise.reject(new Error('not in this test')),
});

const GROUP: Group = {
  id: 'holds',
  title: 'Holds',
  unit: 'holds',
  cases: [{ id: 'hot', title: 'one ticket' }],
  contenders: ['bare/off', 'bare/everysec', 'ticktak/off', 'ticktak/everysec'].map(contender),
  references: ['bare/everysec'],
  aims: [
    {
      kind: 'ratio',
      case: 'hot',
      contender: 'ticktak/everysec',
      reference: 'bare/everysec',
      atLeast: 0.8,
    },
  ],
};
const OPTIONS = { rounds: 3, seconds: 1, warmUpSeconds: 1, only: [], cases: [] };

function measured(
  id: string,
  round: number,
  perSecond: number,
  failed = {},
  { p99 = 3, max = 4 } = {},
): Measurement {
  const latency = { p50: 1, p90: 2, p99, max };
  const about = { group: 'holds', case: 'hot', contender: id, round, load: 0, usage: [], startSeconds: 1 };
  return { ...about, count: perSecond, seconds: 1, perSecond, latency, failed };
}

function report(measurements: readonly Measurement[], group = GROUP): Report {
  const machine = { processors: '', memoryMib: 0, system: '', files: 'disk', load: 0, versions: {} } as const;
  const about = { startedAt: '2026-01-01T00:00:00.000Z', minutes: 1, options: OPTIONS, machine };
  return reportOf({ groups: [group], measurements, missing: [] }, about);
}
const rowOf = (of: Report, id: string) => of.rows.find((row) => row.contender === id)!;

describe('the report of a benchmark', () => {
  it('compares within a round, with the reference of the same variant', () => {
    const made = report([
      measured('bare/off', 0, 1_000),
      measured('bare/everysec', 0, 100),
      measured('bare/everysec', 1, 200),
      measured('ticktak/off', 0, 500),
      measured('ticktak/everysec', 0, 90),
      measured('ticktak/everysec', 1, 140),
    ]);
    expect(rowOf(made, 'ticktak/off').ratios).toEqual({ 'bare/off': { median: 0.5, min: 0.5, max: 0.5 } });
    const ratio = rowOf(made, 'ticktak/everysec').ratios['bare/everysec'];
    expect(ratio).toMatchObject({ min: 0.7, max: 0.9 });
    expect(ratio?.median).toBeCloseTo(0.8);
    expect(rowOf(made, 'bare/everysec').ratios).toEqual({});
    expect(made.aims).toMatchObject([{ case: 'holds-hot', atLeast: 0.8 }]);
    expect(tableOf(made)).toMatch(/ticktak\/everysec +115 \(90\.\.140\).* 0\.80 \(0\.70\.\.0\.90\)/);
  });

  it('says when an aim is not reached', () => {
    const made = report([measured('bare/everysec', 0, 100), measured('ticktak/everysec', 0, 79)]);
    expect(made.aims).toMatchObject([{ found: 0.79, isReached: false }]);
    expect(made.aims.map(verdictOf)).toEqual([
      'holds-hot: ticktak/everysec is 0.79 of bare/everysec, aimed at 0.8: NOT REACHED',
    ]);
  });

  describe('with an upper limit as its aim', () => {
    const LIMIT: LimitAim = {
      kind: 'limit',
      case: 'hot',
      contender: 'ticktak/everysec',
      of: 'p99',
      atMost: 25,
    };
    const aimedAt = (aim: Partial<LimitAim>): Group => ({ ...GROUP, aims: [{ ...LIMIT, ...aim }] });

    it('holds the median of the rounds to it', () => {
      const rounds = [20, 25, 90].map((p99, round) => measured('ticktak/everysec', round, 100, {}, { p99 }));
      const made = report(rounds, aimedAt({}));
      expect(made.aims).toEqual([{ ...LIMIT, case: 'holds-hot', found: 25, isReached: true }]);
      const [late] = report(rounds, aimedAt({ atMost: 24.9 })).aims;
      expect(late?.isReached).toBe(false);
      expect(late && verdictOf(late)).toBe(
        'holds-hot: p99, ms of ticktak/everysec is 25.0, aimed at 24.9 at most: NOT REACHED',
      );
    });

    it('holds what else was found to it, and shows it', () => {
      const rounds = [150, 190].map((mb, round) => ({
        ...measured('ticktak/everysec', round, 100),
        values: { 'worker, MB': mb },
      }));
      const made = report(rounds, aimedAt({ of: { value: 'worker, MB' }, atMost: 160 }));
      expect(rowOf(made, 'ticktak/everysec').values).toEqual({
        'worker, MB': { median: 170, min: 150, max: 190 },
      });
      expect(made.aims).toMatchObject([{ found: 170, isReached: false }]);
      expect(tableOf(made)).toMatch(/worker, MB[^]* 170 \(150\.\.190\)/);
    });

    it('says nothing of what failed or was not measured', () => {
      const failed = measured('ticktak/everysec', 0, 100, { 'status 500': 1 }, { p99: 1 });
      expect(report([failed], aimedAt({})).aims).toEqual([]);
      const good = measured('ticktak/everysec', 0, 100);
      expect(report([good], aimedAt({ of: { value: 'worker, MB' } })).aims).toEqual([]);
    });
  });

  it('shows the slowest answer of all rounds', () => {
    const rounds = [4, 9, 5].map((max, round) => measured('bare/off', round, 100, {}, { max }));
    expect(rowOf(report(rounds), 'bare/off').max).toBe(9);
  });

  it('says how many there were, and not how many a second, where that was given', () => {
    const rounds = [0, 1].map((round) => ({ ...measured('bare/off', round, 100), count: 3 }));
    const made = report(rounds, { ...GROUP, unit: 'kills', isCountGiven: true });
    expect(rowOf(made, 'bare/off').count).toBe(6);
    expect(tableOf(made)).not.toContain('kills/s');
    expect(tableOf(made)).toMatch(/bare\/off +6 /);
  });

  it('leaves out what a round measured while something failed, and says so', () => {
    const made = report([
      measured('bare/everysec', 0, 100, { 'status 500': 3 }),
      measured('bare/everysec', 1, 200),
      measured('ticktak/everysec', 0, 90),
      measured('ticktak/everysec', 1, 100, { 'no answer': 1 }),
    ]);
    expect(rowOf(made, 'bare/everysec').perSecond).toEqual({ median: 200, min: 200, max: 200 });
    expect(rowOf(made, 'bare/everysec').failed).toEqual({ 'status 500': 3 });
    expect(rowOf(made, 'ticktak/everysec').ratios).toEqual({});
    expect(made.failures).toEqual([
      'holds-hot of bare/everysec in round 1: status 500',
      'holds-hot of ticktak/everysec in round 2: no answer',
    ]);
    expect(tableOf(made)).toContain('FAILED');
  });

  it('shows no spread of a single round', () => {
    expect(tableOf(report([measured('bare/off', 0, 100)]))).toMatch(/bare\/off +100 +1\.0 ms/);
  });

  it('draws every row that was measured', () => {
    const chart = chartOf(
      report([measured('bare/everysec', 0, 100), measured('ticktak/off', 0, 50)]),
      'holds',
    );
    expect(chart).toContain('the bare/everysec');
    expect(chart).toContain('the ticktak/off');
    expect(chart).not.toContain('the bare/off');
  });
});

describe('a run of a benchmark', () => {
  it('goes on when a contender does not start, and reports it for every case', async () => {
    const { measurements } = await runGroups([GROUP], { ...OPTIONS, rounds: 1 }, () => undefined);
    expect(measurements).toHaveLength(4);
    for (const { failed } of measurements) expect(failed).toEqual({ 'not in this test': 1 });
  });

  it('names what is missing instead of starting it', async () => {
    const absent = { ...contender('row/postgresql'), missing: () => Promise.resolve('not installed') };
    const group = { ...GROUP, contenders: [absent] };
    const outcome = await runGroups([group], OPTIONS, () => undefined);
    expect(outcome.measurements).toEqual([]);
    expect(outcome.missing).toEqual([
      { group: 'holds', contender: 'row/postgresql', reason: 'not installed' },
    ]);
  });

  it('takes the contenders and cases that are asked for, and refuses names of none', () => {
    const [group] = chosen([GROUP], { only: ['ticktak'], cases: ['holds'] });
    expect(group?.contenders.map(({ id }) => id)).toEqual(['ticktak/off', 'ticktak/everysec']);
    expect(() => chosen([GROUP], { only: ['tiktak'], cases: [] })).toThrow('tiktak is none of: bare/off');
  });

  it('leaves out what takes long unless its group is named', () => {
    const long = { id: 'long', title: 'for hours', onlyWhenNamed: true } as const;
    const group = { ...GROUP, cases: [...GROUP.cases, long] };
    const casesOf = (...cases: string[]) =>
      chosen([group], { only: [], cases }).flatMap((each) => each.cases.map(({ id }) => id));
    expect(casesOf()).toEqual(['hot']);
    expect(casesOf('hold')).toEqual(['hot']);
    expect(casesOf('holds')).toEqual(['hot', 'long']);
    expect(casesOf('holds-l')).toEqual(['long']);
    expect(casesOf('holds-hot')).toEqual(['hot']);
    // Else nothing would be measured, and nothing said.
    const alone = { ...GROUP, cases: [long] };
    expect(() => chosen([alone], { only: [], cases: ['hold'] })).toThrow('hold is none of: holds-long');
  });
});

describe('the memory of a process', () => {
  it('is what it has, of which pages of files are a part', async () => {
    if ((await memoryMissing()) !== null) return;
    const before = memoryOf(process.pid);
    expect(before.files).toBeGreaterThan(0);
    expect(before.all).toBeGreaterThan(before.files);
    const mb = 64;
    const taken = Buffer.alloc(mb * 1_000_000, 1);
    const grown = memoryOf(process.pid).all - before.all;
    expect(taken[0]).toBe(1);
    expect(grown).toBeGreaterThan(mb / 2);
    expect(grown).toBeLessThan(2 * mb);
  });
});

describe('statistics', () => {
  it('takes the middle of an even number', () => {
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(spreadOf([7])).toEqual({ median: 7, min: 7, max: 7 });
  });

  it('answers a percentile that is one of the values', () => {
    expect(latencyOf([30, 10, 20])).toEqual({ p50: 20, p90: 30, p99: 30, max: 30 });
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(latencyOf(hundred)).toEqual({ p50: 50, p90: 90, p99: 99, max: 100 });
    expect(latencyOf([7])).toEqual({ p50: 7, p90: 7, p99: 7, max: 7 });
  });

  it('compares the medians of two halves, after the first tenth', () => {
    const flat = [1, ...Array.from({ length: 19 }, () => 200)];
    expect(growthOf(flat)).toBe(0);
    expect(growthOf([900, 900, ...Array<number>(9).fill(100), ...Array<number>(9).fill(110)])).toBeCloseTo(
      10,
    );
    // One that stands out in a half is no growth.
    expect(growthOf([0, ...[100, 100, 100], 100, ...[100, 500, 100], 100, 100])).toBe(0);
    expect(growthOf([...Array<number>(10).fill(200), ...Array<number>(8).fill(150)])).toBeCloseTo(-25);
  });

  it('makes fewer samples of many, and leaves none out', () => {
    expect(thinned([1, 2, 3, 10, 20, 30], 2)).toEqual([2, 20]);
    expect(thinned([1, 2, 3, 4, 5], 2)).toEqual([1.5, 4]);
    expect(thinned([5, 6], 10)).toEqual([5, 6]);
    expect(thinned([], 10)).toEqual([]);
  });

  it('lets everybody be first once', () => {
    expect([0, 1, 2].map((by) => rotated(['a', 'b', 'c'], by)[0])).toEqual(['a', 'b', 'c']);
  });
});
