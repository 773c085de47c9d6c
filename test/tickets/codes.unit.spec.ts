import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { encode } from 'uqr';
import { CODE_CHARS_MAX, TicketCodes } from '../../src/tickets/codes.js';

const FACTS = { reservationId: 'm12c3-abcdefghijklmnopqrstuvwxyz', number: 2, generation: 1 };
const codes = new TicketCodes({ secret: 'the secret of this installation' });
const code = codes.sign(FACTS);

describe('a code', () => {
  it('says what it admits to, always in the same way', () => {
    expect(code).toMatch(/^T1\.M12C3-ABCDEFGHIJKLMNOPQRSTUVWXYZ\.2\.1\.[A-Z2-7]{8}\.[A-Z2-7]{103}$/);
    expect(codes.read(code)).toEqual(FACTS);
    expect(codes.sign(FACTS)).toBe(code);
    expect(code.length).toBeLessThan(CODE_CHARS_MAX);
  });

  it('is of the alphanumeric mode of QR codes, and small', () => {
    expect(code).toMatch(/^[0-9A-Z $%*+\-./:]+$/);
    expect(encode(code, { ecc: 'M' }).version).toBeLessThanOrEqual(8);
  });

  it('can be checked offline with the public key alone', () => {
    const { kid, ...jwk } = codes.keys[0]!;
    expect(code.split('.')[4]).toBe(kid);
    const content = code.slice(0, code.lastIndexOf('.'));
    const bits = Array.from(code.slice(content.length + 1))
      .map((character) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(character).toString(2).padStart(5, '0'))
      .join('');
    const signature = Buffer.from(
      Array.from({ length: 64 }, (_, i) => parseInt(bits.slice(i * 8, i * 8 + 8), 2)),
    );
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
    expect(verify(null, Buffer.from(`ticktak ticket ${content}`), key, signature)).toBe(true);
  });

  it('is none of ours with any character changed, added or left out', () => {
    for (let at = 0; at < code.length; at += 1) {
      const other = code[at] === 'A' ? 'B' : 'A';
      const altered = [
        code.slice(0, at) + other + code.slice(at + 1),
        code.slice(0, at) + code.slice(at + 1),
        code.slice(0, at) + other + code.slice(at),
      ];
      for (const text of altered) expect([text, codes.read(text)]).toEqual([text, null]);
    }
    // The last character has bits that carry nothing: no other one means the same.
    for (const last of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567') {
      const text = code.slice(0, -1) + last;
      expect(codes.read(text) === null).toBe(text !== code);
    }
  });

  it.each([
    ['nothing', ''],
    ['small letters', code.toLowerCase()],
    ['spaces around it', ` ${code} `],
    ['another version', code.replace('T1', 'T2')],
    ['no end', `${code}${'A'.repeat(10_000)}`],
    ['two of them', `${code}\n${code}`],
  ])('is not %s', (_what, text) => {
    expect(codes.read(text)).toBeNull();
  });

  it('of another installation is none of ours', () => {
    const others = new TicketCodes({ secret: 'the secret of another installation' });
    expect(others.read(code)).toBeNull();
    expect(others.keys[0]?.kid).not.toBe(codes.keys[0]?.kid);
  });

  it('stays good under a new key while the old one is named', () => {
    const x = codes.keys[0]?.x ?? '';
    const rotated = new TicketCodes({ secret: 'the next secret of this installation', pastKeys: [x] });
    expect(rotated.read(code)).toEqual(FACTS);
    expect(rotated.keys.map((key) => key.x)).toEqual([expect.not.stringContaining(x), x]);
    expect(rotated.sign(FACTS)).not.toBe(code);
    expect(codes.read(rotated.sign(FACTS))).toBeNull();
    expect(() => new TicketCodes({ secret: 's', pastKeys: ['no key'] })).toThrow();
  });
});
