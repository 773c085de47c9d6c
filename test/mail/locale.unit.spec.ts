import { expect, it } from '@jest/globals';
import { ACCEPT_LANGUAGE_CHARS_MAX, negotiatedLocale } from '../../src/mail/locale.js';

it.each([
  ['ar', 'ar'],
  ['ar-EG', 'ar'],
  ['AR-qa,en;q=0.8', 'ar'],
  ['en-GB,en;q=0.9,ar;q=0.8', 'en'],
  ['fr-FR,fr;q=0.9,ar;q=0.5,en;q=0.4', 'ar'],
  ['en;q=0.1,ar;q=0.2', 'ar'],
  ['ar;q=0,en', 'en'],
  ['fr', undefined],
  ['*', undefined],
  ['', undefined],
  [';;;,q=', undefined],
  [undefined, undefined],
  [`ar,${'x'.repeat(ACCEPT_LANGUAGE_CHARS_MAX)}`, undefined],
])('%s asks for %s', (header, locale) => {
  expect(negotiatedLocale(header)).toBe(locale);
});
