import { expect, it } from '@jest/globals';
import { countryByText, countryName } from '../../src/geo/names.js';

it.each([
  ['AR', 'AR', ['ar', 'argentina']],
  [' argentina ', 'AR', ['argentina']],
  ['USA', 'US', ['usa']],
  ['us', 'US', ['us', 'united states', 'usa']],
  ['Wales', 'GB', ['wales']],
  ['Korea Republic', 'KR', ['korea republic']],
  ['FC Nowhere', null, ['fc nowhere']],
])('%s is a country, or a name', (text, code, names) => {
  expect(countryByText(text)).toEqual({ code, names });
});

it('names countries, and nobody’s code as it is', () => {
  expect([countryName('CI'), countryName('AA')]).toEqual(['Côte d’Ivoire', 'AA']);
});
