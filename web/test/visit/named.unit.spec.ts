/** What leaves the browser of a search: names of the list, and nothing that was typed. */
import { expect, it } from '@jest/globals';
import type { MatchView } from '../../src/api/types';
import { namedIn } from '../../src/data/search';

const match = (homeTeam: string, awayTeam: string, location: string): MatchView => {
  const category = { available: 1, pending: 1, price: 1, status: 'available' } as const;
  return {
    matchNumber: 1,
    roundNumber: 1,
    dateUtc: '2022-11-20T16:00:00Z',
    location,
    homeTeam,
    awayTeam,
    group: 'A',
    availability: { category1: category, category2: category, category3: category },
  };
};
const MATCHES = [
  match('Qatar', 'Ecuador', 'Al Bayt Stadium'),
  match('Costa Rica', 'Korea Republic', 'Stadium 974'),
  match('TBA', 'TBA', 'Lusail Stadium'),
];
const ARABIC: Readonly<Record<string, string>> = { Qatar: 'قطر', 'Costa Rica': 'كوستاريكا' };
const nameOf = (name: string): string => ARABIC[name] ?? name;

it.each([
  ['qatar', ['Qatar']],
  ['Ecuador Qatar', ['Qatar', 'Ecuador']],
  ['tickets for costa rica, please', ['Costa Rica']],
  ['القطر', ['Qatar']],
  ['كوستاريكا', ['Costa Rica']],
  ['al bayt stadium', ['Al Bayt Stadium']],
  ['doha', ['Doha']],
  ['stadium', []],
  ['costa', []],
  ['qata', []],
  ['qatarr', []],
  ['tba', []],
  ['ann@example.com', []],
  ['', []],
])('%j names %j', (query, names) => {
  expect(namedIn(query, MATCHES, nameOf)).toEqual(names);
});
