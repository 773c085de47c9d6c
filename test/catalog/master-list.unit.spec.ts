/** The bundled list against what is known of the tournament. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { bundledMasterList } from '../../src/catalog/bundled.js';
import { masterListSchema, type MatchEntry } from '../../src/catalog/match.js';
import { strictnessReport } from '../../src/kafka/wire.js';

const FILE_URL = new URL('../../src/catalog/master-list.json', import.meta.url);
const list = bundledMasterList();
const groupMatches = list.filter((match) => match.group !== null);
const knockOut = list.filter((match) => match.group === null);

function countBy<T>(items: readonly T[], keyOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[keyOf(item)] = (counts[keyOf(item)] ?? 0) + 1;
  return counts;
}
const teamsOf = (match: MatchEntry): string[] => [match.homeTeam, match.awayTeam];
const times = (n: number, keys: readonly (string | number)[]): Record<string, number> =>
  Object.fromEntries(keys.map((key) => [key, n]));

describe('the bundled master list', () => {
  it('is a valid message as it stands, without unknown keys', () => {
    const raw: unknown = JSON.parse(readFileSync(FILE_URL, 'utf8'));
    expect(masterListSchema.parse(raw)).toEqual(raw);
    expect(list).toEqual(raw);
  });

  it('has the matches 1 to 64, in order', () => {
    expect(list.map((match) => match.matchNumber)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
  });

  it('has three categories a match, at the prices of the market, with nothing pending', () => {
    for (const { availability } of list) {
      expect(Object.keys(availability)).toEqual(['category1', 'category2', 'category3']);
      const categories = [availability.category1, availability.category2, availability.category3];
      expect(categories.map(({ price }) => price)).toEqual([75, 125, 195]);
      for (const { available, pending } of categories) {
        expect(available).toBeGreaterThan(0);
        expect(pending).toBe(0);
      }
    }
    expect(strictnessReport(list)).toEqual([]);
  });

  it('has 48 group matches: 8 groups of 4 teams, each playing the other three', () => {
    expect(groupMatches).toHaveLength(48);
    expect(countBy(groupMatches, (match) => match.group ?? '')).toEqual(times(6, 'ABCDEFGH'.split('')));
    const pairs = new Set(groupMatches.map((match) => teamsOf(match).sort().join(' - ')));
    expect(pairs.size).toBe(48);
    for (const group of 'ABCDEFGH') {
      const teams = groupMatches.filter((match) => match.group === group).flatMap(teamsOf);
      const counts = countBy(teams, (team) => team);
      expect(Object.values(counts)).toEqual([3, 3, 3, 3]);
    }
    const teams = groupMatches.flatMap(teamsOf);
    expect(new Set(teams).size).toBe(32);
  });

  it('has every team once in each round of the groups', () => {
    for (const round of [1, 2, 3]) {
      const teams = groupMatches.filter((match) => match.roundNumber === round).flatMap(teamsOf);
      expect([teams.length, new Set(teams).size]).toEqual([32, 32]);
    }
  });

  it('has the knock-out rounds with teams yet to be known', () => {
    expect(countBy(knockOut, (match) => String(match.roundNumber))).toEqual({ 4: 8, 5: 4, 6: 2, 7: 2 });
    expect(knockOut.flatMap(teamsOf).every((team) => team === 'TBA')).toBe(true);
  });

  it('is played in 8 stadiums', () => {
    expect(countBy(list, (match) => match.location)).toEqual({
      'Lusail Stadium': 10,
      'Al Bayt Stadium': 9,
      'Khalifa International Stadium': 8,
      'Al Thumama Stadium': 8,
      'Education City Stadium': 8,
      'Ahmad Bin Ali Stadium': 7,
      'Al Janoub Stadium': 7,
      'Stadium 974': 7,
    });
  });

  it('lies within the tournament, rounds one after the other', () => {
    for (const match of list) {
      expect(match.dateUtc).toMatch(/^2022-1[12]-\d\dT(10|13|15|16|19):00:00Z$/);
      const at = Date.parse(match.dateUtc);
      expect(at).toBeGreaterThanOrEqual(Date.parse('2022-11-20T16:00:00Z'));
      expect(at).toBeLessThanOrEqual(Date.parse('2022-12-18T15:00:00Z'));
    }
    for (const round of [1, 2, 3, 4, 5, 6]) {
      const at = (n: number): number[] =>
        list.filter((match) => match.roundNumber === n).map((match) => Date.parse(match.dateUtc));
      expect(Math.max(...at(round))).toBeLessThan(Math.min(...at(round + 1)));
    }
  });

  it('never has two matches in one stadium on one day', () => {
    const places = countBy(list, (match) => `${match.location} ${match.dateUtc.slice(0, 10)}`);
    expect(Object.values(places).every((matches) => matches === 1)).toBe(true);
  });

  it('is open, close and final where they were', () => {
    expect(list[0]).toMatchObject({
      homeTeam: 'Qatar',
      awayTeam: 'Ecuador',
      location: 'Al Bayt Stadium',
      group: 'A',
    });
    expect(list[63]).toMatchObject({ location: 'Lusail Stadium', dateUtc: '2022-12-18T15:00:00Z' });
  });
});
