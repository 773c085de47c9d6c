/** What is aimed at is of cases and contenders that there are: a name that is none would never be looked at. */
import { describe, expect, it } from '@jest/globals';
import { GROUPS, groupsOf } from '../../bench/groups.js';
import { chosen, nameOfCase } from '../../bench/suite.js';

describe('the groups of the benchmark', () => {
  it.each(GROUPS.map((group) => [group.id, group] as const))(
    'have aims that can be held: %s',
    (_id, group) => {
      const cases = group.cases.map(({ id }) => id);
      const contenders = group.contenders.map(({ id }) => id);
      expect(contenders).toEqual(expect.arrayContaining([...group.references]));
      for (const aim of group.aims) {
        expect(cases).toContain(aim.case);
        expect(contenders).toContain(aim.contender);
        if (aim.kind === 'ratio') expect(group.references).toContain(aim.reference);
      }
    },
  );

  it('have a name for each case, and each contender once', () => {
    const names = GROUPS.flatMap((group) => group.cases.map((case_) => nameOfCase(group, case_)));
    expect(new Set(names).size).toBe(names.length);
    for (const { contenders } of GROUPS)
      expect(new Set(contenders.map(({ id }) => id)).size).toBe(contenders.length);
  });

  it('soak as long as is asked for, and only when it is asked for', () => {
    const groups = groupsOf({ soakHolds: 1_234 });
    const titles = (...cases: string[]) =>
      chosen(groups, { only: [], cases })
        .filter(({ id }) => id === 'soak')
        .flatMap((group) => group.cases.map(({ title }) => title));
    expect(titles()).toEqual([]);
    expect(titles('s')).toEqual([]);
    expect(titles('soak')).toEqual([expect.stringContaining('1,234 holds')]);
  });
});
