import { describe, expect, it } from '@jest/globals';
import {
  bytesLeftOut,
  bytesOf,
  hexDump,
  shownAs,
  viewsOf,
  type DeadLetter,
} from '../../src/operator/dead-letters/data';

const letterOf = (raw: Uint8Array | string, more: Partial<DeadLetter> = {}): DeadLetter => {
  const bytes = Buffer.from(raw);
  return {
    id: 'sales/0/12',
    source: 'sales/0',
    reason: 'unknown action',
    receivedAt: '2026-11-26T10:00:00.000Z',
    headers: {},
    rawBytes: bytes.length,
    rawBase64: bytes.toString('base64'),
    ...(typeof raw === 'string' && { text: raw }),
    ...more,
  };
};

describe('a raw message', () => {
  it('is shown as text only where it is text', () => {
    expect(viewsOf(letterOf('{"a":1}'))).toEqual(['text', 'hex', 'base64']);
    expect(viewsOf(letterOf(new Uint8Array([0xff, 0xfe])))).toEqual(['hex', 'base64']);
  });

  it('keeps its lines and tabs, and shows what else is invisible', () => {
    expect(shownAs(letterOf('a\n\tb\r\n'), 'text')).toBe('a\n\tb\r\n');
    // A bell, a null, and a mark that would turn the direction of the text around.
    expect(shownAs(letterOf('x\u0007y\u0000z\u202eabc'), 'text')).toBe('x\\u{7}y\\u{0}z\\u{202e}abc');
    expect(shownAs(letterOf('قطر – 😀'), 'text')).toBe('قطر – 😀');
  });

  it('is dumped in lines of sixteen bytes, the last one as long as it is', () => {
    const bytes = Uint8Array.from({ length: 18 }, (_, index) => (index === 17 ? 0xff : 0x41 + index));
    expect(hexDump(bytes).split('\n')).toEqual([
      '00000000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP',
      '00000010  51 ff                                            Q.',
    ]);
    expect(hexDump(new Uint8Array())).toBe('');
  });

  it('comes back from base64 byte by byte', () => {
    const all = Uint8Array.from({ length: 256 }, (_, index) => index);
    expect(bytesOf(Buffer.from(all).toString('base64'))).toEqual(all);
    expect(bytesOf('no base64!')).toHaveLength(0);
  });

  it('says how much of it was not sent', () => {
    expect(bytesLeftOut(letterOf('abc'))).toBe(0);
    expect(bytesLeftOut(letterOf('abc', { rawBytes: 20_000 }))).toBe(19_997);
  });
});
