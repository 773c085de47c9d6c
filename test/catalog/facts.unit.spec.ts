/** What follows from the facts of a match. */
import { describe, expect, it } from '@jest/globals';
import { bundledMasterList } from '../../src/catalog/bundled.js';
import { namesOf, stagesOf, teamsOf } from '../../src/catalog/facts.js';
import { matchOf } from '../../src/catalog/match.js';
import { cityOf, timeZoneOf } from '../../src/catalog/stadiums.js';
import { stadiumOf } from '../../web/src/data/stadiums.js';
import { itemsOf } from '../../src/analytics/lake/dataset.js';

const matches = bundledMasterList().map(matchOf);

describe('the bundled list', () => {
  it('has the stages of a tournament', () => {
    const counts: Record<string, number> = {};
    for (const stage of stagesOf(matches).values()) counts[stage] = (counts[stage] ?? 0) + 1;
    expect(counts).toEqual({
      group: 48,
      'round-of-16': 8,
      'quarter-final': 4,
      'semi-final': 2,
      'third-place': 1,
      final: 1,
    });
    expect(stagesOf(matches).get(64)).toBe('final');
    expect(stagesOf([...matches].reverse()).get(63)).toBe('third-place');
  });

  it('has stadiums of which the pages say the same', () => {
    for (const location of new Set(matches.map((match) => match.location))) {
      const shown = stadiumOf(location);
      expect({ city: cityOf(location), timeZone: timeZoneOf(location) }).toEqual({
        city: shown?.city,
        timeZone: shown?.timeZone,
      });
    }
  });

  it('has names that people look for, and no team that is to be announced', () => {
    const names = namesOf(matches);
    expect(names.get('qatar')).toBe('Qatar');
    expect(names.get('al khor')).toBe('Al Khor');
    expect(names.has('tba')).toBe(false);
    expect(teamsOf({ homeTeam: 'TBA', awayTeam: 'Ecuador' })).toEqual(['Ecuador']);
  });

  it('is what a model is asked about', () => {
    const items = itemsOf(matches, (number) => (number === 1 ? 7_500 : undefined));
    expect(items[0]).toEqual({
      id: 1,
      at: Date.parse('2022-11-20T16:00:00Z'),
      teams: ['Qatar', 'Ecuador'],
      city: 'Al Khor',
      stage: 'group',
      priceMinor: 7_500,
    });
    expect(items[63]).toMatchObject({ id: 64, teams: [], stage: 'final' });
    expect(items[63]).not.toHaveProperty('priceMinor');
  });
});
