/** The benchmark still runs: some seconds of each, with nothing said of how fast anything is. */
import { describe, expect, it } from '@jest/globals';
import { GROUPS } from '../../bench/groups.js';
import { machine, reportOf, tableOf } from '../../bench/report.js';
import { runGroups } from '../../bench/suite.js';

const TEST_MS_MAX = 180_000;

describe('the benchmark', () => {
  it(
    'measures the bare handler and the product, and no request fails',
    async () => {
      const options = {
        rounds: 1,
        // A busy machine answers nothing in less.
        seconds: 6,
        warmUpSeconds: 4,
        only: ['bare/everysec', 'ticktak/everysec'],
        cases: ['holds-hot-64', 'holds-spread-64'],
      };
      const outcome = await runGroups(GROUPS, options, () => undefined);
      const about = { startedAt: new Date().toISOString(), minutes: 0, options, machine: machine(0, {}) };
      const report = reportOf(outcome, about);
      expect(report.failures).toEqual([]);
      expect(report.missing).toEqual([]);
      expect(report.rows.map((row) => `${row.case} ${row.contender}`)).toEqual([
        'holds-hot-64 bare/everysec',
        'holds-hot-64 ticktak/everysec',
        'holds-spread-64 bare/everysec',
        'holds-spread-64 ticktak/everysec',
      ]);
      for (const row of report.rows) {
        expect(row.perSecond.median).toBeGreaterThan(0);
        expect(row.p99).toBeGreaterThan(0);
        expect(Object.keys(row.ratios)).toEqual(row.contender.startsWith('bare') ? [] : ['bare/everysec']);
      }
      expect(tableOf(report)).toContain('ticktak/everysec');
    },
    TEST_MS_MAX,
  );
});
