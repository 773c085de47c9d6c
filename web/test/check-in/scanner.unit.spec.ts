import { describe, expect, it } from '@jest/globals';
import { LookedTime, SAME_CODE_MS, SeenCodes } from '../../src/check-in/scanner';

describe('a code in view', () => {
  it('is told once, however long it stays', () => {
    const seen = new SeenCodes(SAME_CODE_MS);
    expect(seen.isNew('a', 0)).toBe(true);
    for (let at = 100; at < 10_000; at += 100) expect(seen.isNew('a', at)).toBe(false);
  });

  it('is told again when it was away, and not before', () => {
    const seen = new SeenCodes(SAME_CODE_MS);
    expect(seen.isNew('a', 0)).toBe(true);
    expect(seen.isNew('a', SAME_CODE_MS - 1)).toBe(false);
    expect(seen.isNew('a', 2 * SAME_CODE_MS - 1)).toBe(true);
  });

  it('is not told again because the page stood still meanwhile', () => {
    const seen = new SeenCodes(SAME_CODE_MS);
    const looked = new LookedTime();
    expect(seen.isNew('a', looked.next(1_000))).toBe(true);
    expect(seen.isNew('a', looked.next(1_000 + 3 * SAME_CODE_MS))).toBe(false);
    // Then it was away, and pictures without it were seen.
    let at = 1_000 + 3 * SAME_CODE_MS;
    for (let ms = 100; ms < SAME_CODE_MS; ms += 100) looked.next((at += 100));
    expect(seen.isNew('a', looked.next(at + 100))).toBe(true);
  });

  it('does not hide another', () => {
    const seen = new SeenCodes(SAME_CODE_MS);
    expect([seen.isNew('a', 0), seen.isNew('b', 1), seen.isNew('a', 2)]).toEqual([true, true, false]);
  });
});
