/** What is counted of the choices up to a row: how often each item is chosen, lately above all, and with what. */
import { neighboursOf } from './neighbours.js';
import type { Packed } from './packed.js';
import type { Statistics } from './features.js';

/** As if every item had been chosen so often besides. */
const SMOOTHING = 1;
/** After so much of the time that is known, a choice counts half for what is liked lately. */
const HALF_LIFE_SHARE = 0.05;

export function countsOf(data: Packed, rows: number): Float64Array {
  const counts = new Float64Array(data.items.length);
  for (let row = 0; row < rows; row += 1) {
    const item = data.item[row] ?? 0;
    counts[item] = (counts[item] ?? 0) + 1;
  }
  return counts;
}

/** Learned from the rows before `rows`. */
export function statisticsOf(data: Packed, rows: number): Statistics {
  const counts = countsOf(data, rows);
  const lately = new Float64Array(data.items.length);
  const [from = 0, until = 0] = [data.at[0], data.at[rows - 1]];
  const halfLife = Math.max(1, (until - from) * HALF_LIFE_SHARE);
  for (let row = 0; row < rows; row += 1) {
    const item = data.item[row] ?? 0;
    lately[item] = (lately[item] ?? 0) + 2 ** (((data.at[row] ?? 0) - until) / halfLife);
  }
  return {
    popularity: logShares(counts, data.items),
    trend: logShares(lately, data.items),
    neighbours: neighboursOf(data, rows, counts),
  };
}

/**
 * Relative to the item that has an average share. What was never chosen has one while its facts speak for it: it may be
 * new. Without facts nothing else is known of it than that nobody chose it.
 */
function logShares(counts: Float64Array, items: Packed['items']): Float64Array {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const mean = total / Math.max(1, counts.length);
  return counts.map((count, item) => {
    const { teams, stage } = items[item] ?? {};
    if (count === 0 && (teams !== undefined || stage !== undefined)) return 0;
    return Math.round(Math.log((count + SMOOTHING) / (mean + SMOOTHING)) * 1e4) / 1e4;
  });
}
