/** Why a match is recommended. */
import type { Ranker, Visitor } from '../model/dataset.js';

export type Reason =
  /** Followed, bought before, or the team of their country. */
  | { readonly kind: 'your_team'; readonly team: string }
  /** People of their region like it. */
  | { readonly kind: 'neighbour_team'; readonly team: string }
  | { readonly kind: 'popular_in_country'; readonly country: string }
  | { readonly kind: 'popular' }
  /** Days after a match they hold; below 0 before it. */
  | { readonly kind: 'same_city'; readonly city: string; readonly days: number }
  /** By people who hold what they hold. */
  | { readonly kind: 'bought_together'; readonly item: number };

export interface ExplainingRanker extends Ranker {
  /** Most telling first, at most 3. */
  explain(visitor: Visitor, item: number, now: number): readonly Reason[];
}
