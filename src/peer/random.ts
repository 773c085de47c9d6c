/** Chance that can be repeated: the same seed and stream give the same numbers, on every machine. */
export type Random = () => number;

/** Largest seed. */
export const SEED_MAX = 2 ** 32 - 1;

/** Numbers from 0 to below 1. Streams of one seed are independent of each other. */
export function seeded(seed: number, stream = 0): Random {
  let state = mixed(seed ^ mixed(stream + 1));
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return (mixed(state) >>> 0) / 2 ** 32;
  };
}

/** Every bit of the result depends on every bit of the number. */
function mixed(number: number): number {
  let bits = number | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return bits ^ (bits >>> 15);
}

/** A whole number from `min` to `max`, both included. */
export function wholeFrom(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}
