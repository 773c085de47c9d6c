/** How a category stands, as people are told. */
import { CATEGORIES, type Category, type CategoryView, type MatchView } from '../api/types';

/** At most so many left are called few. */
export const FEW_LEFT = 5;

export type Standing =
  | 'available'
  | 'few'
  | 'temporarily_unavailable'
  | 'sold_out'
  | 'closed'
  | 'paused'
  /** Before its sales open, or between two phases. */
  | 'not_yet'
  | 'cancelled';

/** What will not come back is said before what may. */
export function standingOf({ status, pending, closed, paused, sale }: CategoryView): Standing {
  if (closed === true) return 'closed';
  if (status === 'sold_out') return status;
  if (paused === true) return 'paused';
  if (sale?.state === 'not_yet' || sale?.state === 'closed') return sale.state;
  if (status !== 'available') return status;
  return pending <= FEW_LEFT ? 'few' : 'available';
}

export const categoryOf = (match: MatchView, category: Category): CategoryView =>
  match.availability[`category${category}`];

/** Of a category within its match: nothing of a cancelled match can be bought, whatever its counters say. */
export const standingIn = (match: MatchView, category: Category): Standing =>
  match.notice?.kind === 'cancelled' ? 'cancelled' : standingOf(categoryOf(match, category));

export const canBeHeld = (match: MatchView, category: Category): boolean => {
  const standing = standingIn(match, category);
  return standing === 'available' || standing === 'few';
};

export const lowestPrice = (match: MatchView): number =>
  Math.min(...CATEGORIES.map((category) => categoryOf(match, category).price));
