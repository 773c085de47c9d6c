/**
 * How well one choice was foreseen. Where candidates tie, every order of them is as likely as any other and the mean
 * over the orders counts (McSherry and Najork, 2008): whoever scores all the same gains nothing by the order in which
 * candidates are asked for.
 */

/** Where the chosen one ranks: how many are above it, and how many share its place, itself counted. */
export interface Place {
  readonly above: number;
  readonly tied: number;
}

/** Scores of all candidates; throws when one is no number. */
export function placeOf(scores: Float64Array, chosen: number): Place {
  const score = scores[chosen];
  if (score === undefined || Number.isNaN(score)) throw new Error('What was chosen has no score.');
  let above = 0;
  let tied = 0;
  for (const other of scores) {
    if (Number.isNaN(other)) throw new Error('A score is not a number.');
    if (other > score) above += 1;
    else if (other === score) tied += 1;
  }
  return { above, tied };
}

/** Probability that it is among the first `count`. */
export function hitRate({ above, tied }: Place, count: number): number {
  return Math.min(tied, Math.max(0, count - above)) / tied;
}

/**
 * Normalized discounted cumulative gain with one relevant item (Järvelin and Kekäläinen, 2002): 1 / log2(rank + 1)
 * among the first `count`, else 0; the ideal is 1.
 */
export function ndcg(place: Place, count: number): number {
  return meanOver(place, count, (rank) => 1 / Math.log2(rank + 1));
}

/** 1 / rank (Voorhees, 1999). */
export function reciprocalRank(place: Place): number {
  return meanOver(place, Infinity, (rank) => 1 / rank);
}

/** Over the ranks it may have, from 1. */
function meanOver({ above, tied }: Place, count: number, gain: (rank: number) => number): number {
  const last = Math.min(above + tied, count);
  let total = 0;
  for (let rank = above + 1; rank <= last; rank += 1) total += gain(rank);
  return total / tied;
}
