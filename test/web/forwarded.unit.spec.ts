/** The sealed word of the client role about whom it forwards for. */
import { describe, expect, it } from '@jest/globals';
import { ForwardedSeal, SEAL_MS_MAX } from '../../src/http/forwarded.js';
import { ManualClock } from '../http/fakes.js';

const TOKEN = 'service-token-of-the-tests';
const WORD = { address: '203.0.113.7', host: 'tickets.example' };

describe('a seal', () => {
  const clock = new ManualClock();
  const seal = new ForwardedSeal(TOKEN, clock);

  it.each(['203.0.113.7', '2001:db8::1', '::ffff:203.0.113.7'])(
    'is opened to what was sealed: %s',
    (address) => {
      expect(seal.open(seal.seal({ ...WORD, address }))).toEqual({ ...WORD, address });
    },
  );

  it('is opened by every process with the same token, and by no other', () => {
    const sealed = seal.seal(WORD);
    expect(new ForwardedSeal(TOKEN, clock).open(sealed)).toEqual(WORD);
    expect(new ForwardedSeal(`${TOKEN}x`, clock).open(sealed)).toBeNull();
  });

  it('is nothing once a character of it is another', () => {
    const sealed = seal.seal(WORD);
    // The last character of 32 bytes in base64url has bits that stand for nothing.
    for (let at = 0; at < sealed.length - 1; at++) {
      const other = sealed[at] === 'A' ? 'B' : 'A';
      expect(seal.open(sealed.slice(0, at) + other + sealed.slice(at + 1))).toBeNull();
    }
  });

  it.each(['', '.', 'a.b', '127.0.0.1', `${'a'.repeat(2_000)}.b`, '..', 'é.é'])('%j is none', (text) => {
    expect(seal.open(text)).toBeNull();
  });

  it('is not opened when what is in it is no address', () => {
    expect(seal.open(seal.seal({ ...WORD, address: 'localhost' }))).toBeNull();
    expect(seal.open(seal.seal({ ...WORD, address: '' }))).toBeNull();
  });

  it('is late after half a minute, and when it is from the future', () => {
    const sealed = seal.seal(WORD);
    clock.advance(SEAL_MS_MAX);
    expect(seal.open(sealed)).toEqual(WORD);
    clock.advance(1);
    expect(seal.open(sealed)).toBe('late');
    const ahead = new ForwardedSeal(TOKEN, {
      now: () => clock.now() + SEAL_MS_MAX + 1,
      schedule: () => () => undefined,
    });
    expect(seal.open(ahead.seal(WORD))).toBe('late');
  });
});
