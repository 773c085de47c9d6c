/**
 * What people who chose this choose besides: EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019).
 * The item-to-item weights B, with nothing on the diagonal, that best foretell who chose what from the rest of what
 * they chose, in closed form: B = I - P / diag(P) with P the inverse of the items' co-occurrence plus lambda.
 */
import type { Packed } from './packed.js';

/** Of each item, what those who chose it choose besides, strongest first; the strongest of an item is about 1. */
export interface Neighbours {
  readonly items: readonly Int32Array[];
  readonly weights: readonly Float64Array[];
}

/** The inverse takes the cube of it: 1,000 items take about 2 s. Items chosen less often have no neighbours. */
export const NEIGHBOUR_ITEMS_MAX = 1_000;
/** Kept of each item; all where there are no more items. */
export const NEIGHBOURS_MAX = 100;
/** Per item: as if so much of what is seen of an average item were seen of each alone. */
const LAMBDA_SHARE = 0.5;
const LAMBDA_MIN = 10;
/** Of a person with more, the latest: what so many chose besides says little. */
const BASKET_MAX = 200;

export function noNeighbours(items: number): Neighbours {
  return {
    items: Array.from({ length: items }, () => new Int32Array()),
    weights: Array.from({ length: items }, () => new Float64Array()),
  };
}

/** Learned from the rows before `rows`. */
export function neighboursOf(data: Packed, rows: number, counts: Float64Array): Neighbours {
  const all = data.items.length;
  const chosen = [...counts.keys()]
    .filter((item) => (counts[item] ?? 0) > 0)
    .sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b)
    .slice(0, NEIGHBOUR_ITEMS_MAX)
    .sort((a, b) => a - b);
  if (chosen.length < 2) return noNeighbours(all);
  const size = chosen.length;
  const places = new Int32Array(all).fill(-1);
  chosen.forEach((item, place) => (places[item] = place));
  const gram = coOccurrence(data, rows, places, size);
  let trace = 0;
  for (let i = 0; i < size; i += 1) trace += gram[i * size + i] ?? 0;
  const lambda = Math.max(LAMBDA_MIN, (LAMBDA_SHARE * trace) / size);
  for (let i = 0; i < size; i += 1) gram[i * size + i] = (gram[i * size + i] ?? 0) + lambda;
  const inverse = inverted(gram, size);
  const items = noNeighbours(all).items.slice();
  const weights = noNeighbours(all).weights.slice();
  const scale = 1 / strongest(inverse, size);
  chosen.forEach((item, from) => {
    const row = chosen
      .map((to, place) => {
        const weight = -(inverse[from * size + place] ?? 0) / (inverse[place * size + place] ?? 1);
        return { to, weight: rounded(weight * scale) };
      })
      .filter(({ to, weight }) => to !== item && weight !== 0)
      .sort((a, b) => b.weight - a.weight || a.to - b.to);
    // What keeps people away tells as much as what draws them, but only where all of it is kept.
    const kept = row.slice(0, NEIGHBOURS_MAX);
    items[item] = Int32Array.from(kept, ({ to }) => to);
    weights[item] = Float64Array.from(kept, ({ weight }) => weight);
  });
  return { items, weights };
}

/** The strongest weight of an item, on the mean: with few choices and many items all of them are small. */
function strongest(inverse: Float64Array, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i += 1) {
    let most = 0;
    for (let j = 0; j < size; j += 1) {
      const weight = -(inverse[i * size + j] ?? 0) / (inverse[j * size + j] ?? 1);
      if (i !== j) most = Math.max(most, weight);
    }
    sum += most;
  }
  return sum > 0 ? sum / size : 1;
}

const rounded = (weight: number): number => Math.round(weight * 1e4) / 1e4;

/** How many persons chose both, of each pair. */
function coOccurrence(data: Packed, rows: number, places: Int32Array, size: number): Float64Array {
  const baskets = Array.from({ length: data.persons }, (): number[] => []);
  for (let row = rows - 1; row >= 0; row -= 1) {
    const basket = baskets[data.person[row] ?? 0];
    const place = places[data.item[row] ?? 0] ?? -1;
    if (basket && place >= 0 && basket.length < BASKET_MAX && !basket.includes(place)) basket.push(place);
  }
  const gram = new Float64Array(size * size);
  for (const basket of baskets) {
    for (const one of basket) {
      for (const other of basket) {
        gram[one * size + other] = (gram[one * size + other] ?? 0) + 1;
      }
    }
  }
  return gram;
}

/** Of a symmetric positive definite matrix, by Cholesky's factors. Works in place of what it is given. */
function inverted(matrix: Float64Array, size: number): Float64Array {
  const at = (i: number, j: number): number => i * size + j;
  // Lower factor L with L Lt = matrix.
  for (let j = 0; j < size; j += 1) {
    for (let i = j; i < size; i += 1) {
      let sum = matrix[at(i, j)] ?? 0;
      for (let k = 0; k < j; k += 1) sum -= (matrix[at(i, k)] ?? 0) * (matrix[at(j, k)] ?? 0);
      matrix[at(i, j)] = i === j ? Math.sqrt(sum) : sum / (matrix[at(j, j)] ?? 1);
    }
  }
  // Its inverse M, kept transposed so that the sums below run along rows.
  const transposed = new Float64Array(size * size);
  for (let j = 0; j < size; j += 1) {
    for (let i = j; i < size; i += 1) {
      let sum = i === j ? 1 : 0;
      for (let k = j; k < i; k += 1) sum -= (matrix[at(i, k)] ?? 0) * (transposed[at(j, k)] ?? 0);
      transposed[at(j, i)] = sum / (matrix[at(i, i)] ?? 1);
    }
  }
  // matrix^-1 = Mt M.
  const inverse = new Float64Array(size * size);
  for (let i = 0; i < size; i += 1) {
    for (let j = i; j < size; j += 1) {
      let sum = 0;
      for (let k = j; k < size; k += 1) sum += (transposed[at(i, k)] ?? 0) * (transposed[at(j, k)] ?? 0);
      inverse[at(i, j)] = sum;
      inverse[at(j, i)] = sum;
    }
  }
  return inverse;
}
