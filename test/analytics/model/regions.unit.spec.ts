/** Countries, regions and teams. */
import { describe, expect, test } from '@jest/globals';
import {
  COUNTRY_CODES,
  REGION_NAMES,
  countryOfTeam,
  regionsOf,
} from '../../../src/analytics/model/regions.js';
import { bundledMasterList } from '../../../src/catalog/bundled.js';

describe('regions', () => {
  test('every country is in one smallest region', () => {
    expect(COUNTRY_CODES).toHaveLength(248);
    for (const code of COUNTRY_CODES) {
      const smallest = regionsOf(code).filter((region) => REGION_NAMES.indexOf(region) < 22);
      expect([code, smallest.length]).toEqual([code, 1]);
    }
  });

  test.each([
    ['CR', ['Central America', 'Americas', 'Latin America and the Caribbean']],
    ['US', ['Northern America', 'Americas']],
    ['SA', ['Western Asia', 'Asia', 'Middle East', 'Arab States']],
    ['XX', []],
  ])('%s', (code, regions) => {
    expect(regionsOf(code)).toEqual(regions);
  });

  test('Latin America has the teams that its people are shown', () => {
    const here = ['Argentina', 'Brazil', 'Costa Rica', 'Ecuador', 'Mexico', 'Uruguay'];
    const teams = new Set(bundledMasterList().flatMap(({ homeTeam, awayTeam }) => [homeTeam, awayTeam]));
    const found = [...teams].filter((team) =>
      regionsOf(countryOfTeam(team)).includes('Latin America and the Caribbean'),
    );
    expect(found.sort()).toEqual(here);
  });

  test('every team of the bundled list plays for a country', () => {
    for (const { homeTeam, awayTeam } of bundledMasterList()) {
      for (const team of [homeTeam, awayTeam]) {
        if (team !== 'TBA') expect([team, countryOfTeam(team)]).toEqual([team, expect.any(String)]);
      }
    }
  });

  test.each([
    ['England', 'GB'],
    ['Wales', 'GB'],
    ['Scotland', 'GB'],
    ['IR Iran', 'IR'],
    ['Iran', 'IR'],
    ['Korea Republic', 'KR'],
    ['USA', 'US'],
    ['Côte d’Ivoire', 'CI'],
    ['TBA', null],
    ['Real Madrid', null],
  ])('%s plays for %s', (team, country) => {
    expect(countryOfTeam(team)).toBe(country);
  });
});
