import { expect, it } from '@jest/globals';
import { BoundedMap } from '../../src/security/bounded-map.js';

it('keeps the newest half at least, and never more than it may', () => {
  const map = new BoundedMap<number, string>(10);
  for (let i = 0; i < 1_000; i += 1) {
    map.set(i, `value ${i}`);
    expect(map.size).toBeLessThanOrEqual(10);
    for (let j = Math.max(0, i - 4); j <= i; j += 1) expect(map.get(j)).toBe(`value ${j}`);
  }
  expect(map.get(900)).toBeUndefined();
});

it('keeps what is used', () => {
  const map = new BoundedMap<string, number>(10);
  map.set('used', 1);
  map.set('idle', 1);
  for (let i = 0; i < 100; i += 1) {
    map.set(`other ${i}`, i);
    expect(map.get('used')).toBe(1);
  }
  expect(map.get('idle')).toBeUndefined();
  map.set('used', 2);
  expect(map.get('used')).toBe(2);
});
