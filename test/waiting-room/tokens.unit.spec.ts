/** What people carry of the waiting room: altered, copied, and of another installation it is worth nothing. */
import { describe, expect, it } from '@jest/globals';
import { PASS_CHARS, PLACE_CHARS, RoomTokens } from '../../src/waiting-room/tokens.js';
import { Sealer } from '../../src/users/sealing.js';

const tokensOf = (secret = 'the secret of this installation'): RoomTokens =>
  new RoomTokens(new Sealer(secret));
const tokens = tokensOf();
const person = tokens.personOf('fan@example.org');
const place = { round: 4_000_000_000, number: 49_999, person };
const pass = { ...place, endsAt: Date.UTC(2022, 10, 20, 12) };

/** Every way to change one character. */
function altered(token: string): string[] {
  return Array.from(token).flatMap((char, at) =>
    ['A', 'B', 'z', '0', '-', '_', '+', '/', '=', ' ', '\u00e9']
      .filter((other) => other !== char)
      .map((other) => token.slice(0, at) + other + token.slice(at + 1)),
  );
}

describe('the token of a place', () => {
  it('says the place, and nothing that names the person', () => {
    const token = tokens.place(place);
    expect(token).toHaveLength(PLACE_CHARS);
    expect(tokens.readPlace(token)).toEqual(place);
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toContain('fan');
  });

  it('is refused with any character changed, cut off, added or doubled', () => {
    const token = tokens.place(place);
    const wrong = [
      ...altered(token),
      token.slice(1),
      token.slice(0, -1),
      `${token}A`,
      `${token}=`,
      ` ${token}`,
      token + token,
      token.toLowerCase(),
      '',
      'undefined',
      '__proto__',
      'A'.repeat(PLACE_CHARS),
      'a'.repeat(100_000),
    ];
    expect(wrong.filter((one) => tokens.readPlace(one) !== null)).toEqual([]);
  });

  it('of another installation is refused', () => {
    expect(tokens.readPlace(tokensOf('another secret').place(place))).toBeNull();
  });

  it('is no pass, nor is a pass a token', () => {
    expect(tokens.readPass(tokens.place(place))).toBeNull();
    expect(tokens.readPlace(tokens.pass(pass))).toBeNull();
  });
});

describe('a pass', () => {
  it('says whose it is and when it ends', () => {
    const written = tokens.pass(pass);
    expect(written).toHaveLength(PASS_CHARS);
    expect(tokens.readPass(written)).toEqual(pass);
  });

  it('is refused with any character changed, and from another installation', () => {
    expect(altered(tokens.pass(pass)).filter((one) => tokens.readPass(one) !== null)).toEqual([]);
    expect(tokens.readPass(tokensOf('another secret').pass(pass))).toBeNull();
  });
});

describe('what stands for a person', () => {
  it('is the same in every process, and another for another person or installation', () => {
    expect(tokensOf().personOf('fan@example.org')).toBe(person);
    const others = [
      tokens.personOf('other@example.org'),
      tokensOf('another secret').personOf('fan@example.org'),
    ];
    expect(new Set([person, ...others]).size).toBe(3);
  });
});
