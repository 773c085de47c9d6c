/** The rules of passwords, delays, second factors and sealing, without a store. */
import { describe, expect, it, test } from '@jest/globals';
import { Secret, TOTP } from 'otpauth';
import { delayAfter } from '../../src/users/attempts.js';
import { requireOperator, requireSteward } from '../../src/users/operators.js';
import { passwordRefusal, Passwords } from '../../src/users/passwords.js';
import type { Principal } from '../../src/users/principal.js';
import { Sealer } from '../../src/users/sealing.js';
import {
  confirmed,
  judge,
  LOCKED_MS,
  newSecret,
  RECOVERY_CODE,
  WRONG_CODES_MAX,
} from '../../src/users/second-factor.js';

const ABOUT = { email: 'maria.lopez@example.org', name: 'Maria Lopez' };

describe('passwords that are accepted', () => {
  test.each([
    'correct horse battery staple',
    'vk3-Tq9x-Lm2r',
    'ein Satz mit Umlauten äöü',
    '🐎🔋📎✅🌧️🚲🎺🧲🪁🧊🍋🦉',
    'my cat ate 17 socks',
    '839201748392',
    'x7'.repeat(3) + 'password1',
    'a'.repeat(3) + 'Q!r8zL#t9p' + 'w'.repeat(115),
  ])('%s', (password) => expect(passwordRefusal(password, ABOUT)).toBeNull());
});

describe('passwords that are refused', () => {
  test.each([
    ['too short', 'short-1-x-9'],
    ['too short in characters though not in bytes', '🐎🔋📎✅🌧🚲🎺'],
    ['too long', 'correct horse '.repeat(20)],
    ['a common word filled up', 'password1234'],
    ['with letters written as digits', 'P4ssw0rd2022!'],
    ['common words joined', 'ilovefootball'],
    ['of this place', 'WorldCupQatar2022'],
    ['a walk over the keyboard', 'qwertyuiop[]'],
    ['two walks', 'qwertyuiop123456'],
    ['an alphabet', 'abcdefghijklmnop'],
    ['digits in order', '123456789012'],
    ['one character', 'aaaaaaaaaaaaaaaa'],
    ['two characters', 'abababababababab'],
    ['the e-mail address', 'maria.lopez@example.org'],
    ['the e-mail address in capitals', 'MARIA.LOPEZ@EXAMPLE.ORG'],
    ['the name', 'MariaLopez1990'],
    ['a common one in full-width characters', 'ｐａｓｓｗｏｒｄ１２３４'],
  ])('%s', (_why, password) => expect(passwordRefusal(password, ABOUT)).toEqual(expect.any(String)));
});

describe('hashes', () => {
  it('are argon2id with the parameters OWASP names, and never the same twice', async () => {
    const passwords = new Passwords();
    const [one, two] = await Promise.all([passwords.hash('x'), passwords.hash('x')]);
    expect(one).toMatchObject({
      kind: 'hashed',
      hash: expect.stringMatching(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/),
    });
    expect(one).not.toEqual(two);
    if (one.kind !== 'hashed') throw new Error(one.kind);
    expect(passwords.isOutdated(one.hash)).toBe(false);
    expect(passwords.isOutdated(one.hash.replace('m=19456', 'm=4096'))).toBe(true);
    expect(await passwords.compare(one.hash, 'x')).toBe('right');
    expect(await passwords.compare(one.hash, 'y')).toBe('wrong');
  });

  it('compare the same password however it was composed', async () => {
    const passwords = new Passwords();
    const hashed = await passwords.hash('caf\u00e9 ﬁ');
    if (hashed.kind !== 'hashed') throw new Error(hashed.kind);
    expect(await passwords.compare(hashed.hash, 'cafe\u0301 fi')).toBe('right');
  });

  it('nothing is right without an account', async () => {
    const passwords = new Passwords();
    expect(await passwords.compare(null, '')).toBe('wrong');
  });

  it('run a few at a time, wait up to a limit, and are refused past it', async () => {
    const passwords = new Passwords({ runningMax: 1, waitingMax: 2 });
    await passwords.start();
    const results = await Promise.all(Array.from({ length: 6 }, () => passwords.compare(null, 'x')));
    expect(results).toEqual(['wrong', 'wrong', 'wrong', 'overloaded', 'overloaded', 'overloaded']);
    expect(await passwords.compare(null, 'x')).toBe('wrong');
  });
});

test('delays after wrong passwords grow from a minute to an hour', () => {
  const minutes = [1, 4, 5, 6, 7, 10, 11, 12, 1_000].map((failures) => delayAfter(failures) / 60_000);
  expect(minutes).toEqual([0, 0, 1, 2, 4, 32, 60, 60, 60]);
});

describe('sealing', () => {
  const sealer = new Sealer('secret');
  it('opens in its place only, under its secret only, unaltered only', () => {
    const sealed = sealer.seal('text', 'here');
    expect(sealer.open(sealed, 'here')).toBe('text');
    expect(sealer.open(sealed, 'there')).toBeNull();
    expect(new Sealer('other').open(sealed, 'here')).toBeNull();
    const bytes = Buffer.from(sealed.slice(3), 'base64url');
    for (let i = 0; i < bytes.length; i += 1) {
      const altered = Buffer.from(bytes);
      altered[i] = altered[i]! ^ 1;
      expect(sealer.open(`v1.${altered.toString('base64url')}`, 'here')).toBeNull();
    }
    for (const garbage of ['', 'v1', 'v1.', 'v2.' + sealed.slice(3), sealed.slice(0, 20)])
      expect(sealer.open(garbage, 'here')).toBeNull();
  });

  it('seals the same text differently each time, and has a key per purpose', () => {
    expect(sealer.seal('text', 'here')).not.toBe(sealer.seal('text', 'here'));
    expect(sealer.keyed('a')('x').equals(sealer.keyed('b')('x'))).toBe(false);
    expect(() => new Sealer('')).toThrow(/secret/);
  });
});

describe('second factor', () => {
  const sealer = new Sealer('secret');
  const NOW = 1_664_582_400_000;
  const STEP_MS = 30_000;
  const { sealedSecret, secret, uri } = newSecret(sealer, 'u1', 'fan@example.org');
  const codeAt = (at: number): string =>
    new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: at });
  const made = confirmed(sealer, 'u1', sealedSecret, codeAt(NOW), NOW)!;
  const wrongCode = (at: number): string =>
    ['000000', '111111', '222222', '333333'].find((code) =>
      [-1, 0, 1].every((step) => code !== codeAt(at + step * STEP_MS)),
    )!;

  it('has a secret of 160 bits in an address that apps take', () => {
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    expect(uri).toContain(`secret=${secret}`);
    expect(uri).toMatch(/^otpauth:\/\/totp\/ticktak:fan%40example\.org\?issuer=ticktak&/);
    expect(sealedSecret).not.toContain(secret);
  });

  it('counts only after a right code, of this account', () => {
    expect(confirmed(sealer, 'u1', sealedSecret, wrongCode(NOW), NOW)).toBeNull();
    expect(confirmed(sealer, 'u2', sealedSecret, codeAt(NOW), NOW)).toBeNull();
    expect(made.recoveryCodes).toHaveLength(10);
    expect(new Set(made.recoveryCodes).size).toBe(10);
    for (const code of made.recoveryCodes) {
      expect(code).toMatch(RECOVERY_CODE);
      expect(JSON.stringify(made.factor)).not.toContain(code);
    }
  });

  it.each([
    ['this step again, after it was accepted', 0, 0, 'wrong'],
    ['the next step', STEP_MS, STEP_MS, 'right'],
    ['one step behind', 2 * STEP_MS, STEP_MS, 'right'],
    ['one step ahead', STEP_MS, 2 * STEP_MS, 'right'],
    ['two steps behind', 4 * STEP_MS, 2 * STEP_MS, 'wrong'],
    ['two steps ahead', STEP_MS, 3 * STEP_MS, 'wrong'],
  ])('a code of %s', (_what, now, of, kind) => {
    expect(judge(sealer, 'u1', made.factor, { totp: codeAt(NOW + of) }, NOW + now)).toMatchObject({ kind });
  });

  it('takes a code once, and none older than one it took', () => {
    const at = NOW + 3 * STEP_MS;
    const first = judge(sealer, 'u1', made.factor, { totp: codeAt(at) }, at);
    if (first.kind !== 'right') throw new Error(first.kind);
    expect(judge(sealer, 'u1', first.factor, { totp: codeAt(at) }, at).kind).toBe('wrong');
    expect(judge(sealer, 'u1', first.factor, { totp: codeAt(at - STEP_MS) }, at).kind).toBe('wrong');
    expect(judge(sealer, 'u1', first.factor, { totp: codeAt(at + STEP_MS) }, at).kind).toBe('right');
  });

  it('takes each recovery code once', () => {
    const [code = '', other = ''] = made.recoveryCodes;
    const used = judge(sealer, 'u1', made.factor, { recoveryCode: code }, NOW);
    if (used.kind !== 'right') throw new Error(used.kind);
    expect(judge(sealer, 'u1', used.factor, { recoveryCode: code }, NOW).kind).toBe('wrong');
    expect(judge(sealer, 'u1', used.factor, { recoveryCode: other }, NOW).kind).toBe('right');
  });

  it('locks after wrong codes, for the right one too, and not for good', () => {
    const at = NOW + STEP_MS;
    let factor = made.factor;
    for (let i = 1; i <= WRONG_CODES_MAX; i += 1) {
      const verdict = judge(sealer, 'u1', factor, { totp: wrongCode(at) }, at);
      if (verdict.kind !== 'wrong') throw new Error(verdict.kind);
      expect(verdict.isLocked).toBe(i === WRONG_CODES_MAX);
      factor = verdict.factor;
    }
    const recoveryCode = made.recoveryCodes[0]!;
    for (const presented of [{ totp: codeAt(at) }, { recoveryCode }])
      expect(judge(sealer, 'u1', factor, presented, at)).toEqual({ kind: 'locked', retryAfterMs: LOCKED_MS });
    const later = at + LOCKED_MS;
    expect(judge(sealer, 'u1', factor, { totp: codeAt(later) }, later).kind).toBe('right');
  });

  it('made under another secret of the installation is told apart from a wrong code', () => {
    const verdict = judge(new Sealer('other'), 'u1', made.factor, { totp: codeAt(NOW) }, NOW + STEP_MS);
    expect(verdict.kind).toBe('unreadable');
  });
});

const buyer: Principal = {
  accountId: 'u1',
  email: 'a@example.org',
  emailConfirmed: true,
  roles: ['buyer'],
  sessionId: 's1',
  secondFactor: true,
};
const operator: Principal = { ...buyer, roles: ['buyer', 'operator'] };
const steward: Principal = { ...buyer, roles: ['buyer', 'steward'] };

describe('requireSteward', () => {
  it.each([
    ['nobody', null, 'optional', 'unauthorized'],
    ['a buyer', buyer, 'optional', 'forbidden'],
    ['a service', { ...buyer, roles: ['service'] }, 'optional', 'forbidden'],
    ['a steward without a second factor', { ...steward, secondFactor: false }, 'required', undefined],
    ['an operator without', { ...operator, secondFactor: false }, 'required', 'second_factor_required'],
    ['an operator', operator, 'required', undefined],
  ] as const)('%s', (_who, principal, secondFactor, code) => {
    expect(requireSteward(principal, { secondFactor })?.code).toBe(code);
  });
});

describe('requireOperator', () => {
  it.each([
    ['a steward', steward, 'optional', 'forbidden'],
    ['nobody', null, 'required', 'unauthorized'],
    ['a buyer', buyer, 'optional', 'forbidden'],
    ['a buyer with a second factor', buyer, 'required', 'forbidden'],
    ['an operator without', { ...operator, secondFactor: false }, 'required', 'second_factor_required'],
    [
      'an operator without, where it is optional',
      { ...operator, secondFactor: false },
      'optional',
      undefined,
    ],
    ['an operator', operator, 'required', undefined],
  ] as const)('%s', (_who, principal, secondFactor, code) => {
    expect(requireOperator(principal, { secondFactor })?.code).toBe(code);
  });
});
