/** The order of those who come before an opening: an order, and every one as likely as every other. */
import { describe, expect, it } from '@jest/globals';
import { drawOrder } from '../../src/waiting-room/order.js';

const seedOf = (number: number): string => `seed ${number}`;

/** Where chi-square with so many degrees of freedom lies in all but one of a million cases (Wilson-Hilferty). */
function chiSquareMax(freedom: number): number {
  const z = 4.753;
  const share = 2 / (9 * freedom);
  return freedom * (1 - share + z * Math.sqrt(share)) ** 3;
}

function chiSquare(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe('the order of those who came before the opening', () => {
  it.each([0, 1, 2, 3, 7, 64, 1_000, 50_000])('of %d people has each place once', (count) => {
    const ranks = drawOrder('a seed', count);
    expect(ranks).toHaveLength(count);
    expect([...ranks].sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
  });

  it('is the same for the same seed and number of people, wherever it is computed', () => {
    expect(drawOrder('one', 1_000)).toEqual(drawOrder('one', 1_000));
    expect(drawOrder('one', 1_000)).not.toEqual(drawOrder('two', 1_000));
    expect(drawOrder('one', 1_000).subarray(0, 999)).not.toEqual(drawOrder('one', 999));
  });

  it('of four people is each of the 24 orders as often', () => {
    const rounds = 24_000;
    const counts = new Map<string, number>();
    for (let i = 0; i < rounds; i += 1) {
      const order = drawOrder(seedOf(i), 4).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()], rounds / 24)).toBeLessThan(chiSquareMax(23));
  });

  it('puts whoever came first, in the middle or last at each place as often', () => {
    const people = 20;
    const rounds = 20_000;
    const watched = [0, 9, 19];
    const counts = watched.map(() => Array.from({ length: people }, () => 0));
    for (let i = 0; i < rounds; i += 1) {
      const ranks = drawOrder(seedOf(i), people);
      watched.forEach((index, at) => (counts[at]![ranks[index]!] = counts[at]![ranks[index]!]! + 1));
    }
    for (const each of counts)
      expect(chiSquare(each, rounds / people)).toBeLessThan(chiSquareMax(people - 1));
  });

  it('says nothing by who came when: ranks and arrivals are not correlated', () => {
    const count = 50_000;
    const ranks = drawOrder('an opening', count);
    const mean = (count - 1) / 2;
    let product = 0;
    let square = 0;
    ranks.forEach((rank, index) => {
      product += (rank - mean) * (index - mean);
      square += (index - mean) ** 2;
    });
    // Five standard deviations of the correlation of independent orders.
    expect(Math.abs(product / square)).toBeLessThan(5 / Math.sqrt(count));
  });
});
