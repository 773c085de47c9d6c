import { describe, expect, it } from '@jest/globals';
import {
  codeOf,
  isCode,
  isEmail,
  isName,
  isRecoveryCode,
  isTypedRight,
  ownPath,
  passwordFault,
  recoveryCodeOf,
  strengthOf,
} from '../../src/account/validation';

describe('where to go after a log-in', () => {
  it.each(['/tickets', '/reservations/m1c1-a?x=1', '/account#name', '/matches/1'])('is %s', (path) => {
    expect(ownPath(path)).toBe(path);
  });

  it.each([
    null,
    '',
    'tickets',
    '//evil.example',
    '/\\evil.example',
    '/a\\b',
    'https://evil.example/',
    'javascript:alert(1)',
    '/ with space',
    '/\tevil',
    '/login?next=/login',
    '/register',
  ])('is the tickets for %p', (path) => {
    expect(ownPath(path)).toBe('/tickets');
  });
});

describe('fields', () => {
  it('take addresses loosely', () => {
    expect(['a@b.co', 'a.b+c@d-e.example.com', 'ع@مثال.شبكة'].map(isEmail)).toEqual([true, true, true]);
    expect(['', 'a', 'a@b', 'a b@c.de', 'a@b..c', '<a@b.co>', `${'a'.repeat(250)}@b.co`].some(isEmail)).toBe(
      false,
    );
  });

  it('take names of any script', () => {
    expect(['Ana', 'محمد علي', "O'Neil"].map(isName)).toEqual([true, true, true]);
    expect(['', '  ', '<b>', 'a\u0000b', 'a'.repeat(101)].some(isName)).toBe(false);
  });

  it('take codes as they are read from a telephone or a note', () => {
    expect(codeOf('123 456')).toBe('123456');
    expect(isCode('١٢٣ ٤٥٦')).toBe(true);
    expect(isCode('12345')).toBe(false);
    expect(recoveryCodeOf('ABCD efgh 2345 wxyz')).toBe('abcd-efgh-2345-wxyz');
    expect(isRecoveryCode('abcdefgh2345wxyz')).toBe(true);
    expect(isRecoveryCode('abcd-efgh-2345')).toBe(false);
  });

  it('compare what is typed to erase an account without regard to capitals', () => {
    expect(isTypedRight(' Fan@Example.com ', 'fan@example.com')).toBe(true);
    expect(isTypedRight('fan', 'fan@example.com')).toBe(false);
  });
});

describe('passwords', () => {
  it('are counted in characters', () => {
    expect(passwordFault('elevenchars')).toBe('short');
    expect(passwordFault('twelve chars')).toBeNull();
    expect(passwordFault('😀'.repeat(12))).toBeNull();
    expect(passwordFault('x'.repeat(129))).toBe('long');
  });

  it.each([
    ['short', 'short'],
    ['guessable', 'aaaaaaaaaaaaaaaa'],
    ['guessable', 'abcdefghijklmnop'],
    ['guessable', '1234567890123'],
    ['guessable', 'maria.schmidt1'],
    ['fair', 'blue horse 7x'],
    ['good', 'lamp river quartz bicycle'],
  ] as const)('are %s', (strength, password) => {
    expect(strengthOf(password, ['Maria Schmidt', 'maria.schmidt@example.com'])).toBe(strength);
  });
});
