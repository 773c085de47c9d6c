/** The checker of a chaos run accepts a good world, and names what is wrong with each bad one. */
import { describe, expect, it } from '@jest/globals';
import { VIOLATIONS, violationsOf } from './check.js';
import { BAD, GOOD } from './worlds.js';

describe('the checker of a chaos run', () => {
  it('accepts a world in which all is well', () => {
    expect(violationsOf(GOOD)).toEqual([]);
  });

  it.each(BAD.map(({ name, what, world }) => [name, what, world] as const))(
    'finds %s: %s',
    (name, _, world) => {
      expect(violationsOf(world).map((violation) => violation.name)).toContain(name);
    },
  );

  it('has a bad world for each kind of violation', () => {
    expect(new Set(BAD.map(({ name }) => name))).toEqual(new Set(Object.keys(VIOLATIONS)));
  });
});
